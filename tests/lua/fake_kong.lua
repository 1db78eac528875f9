-- The small part of Kong's PDK that the handler uses, for one request after the other.

local handler = require "kong.plugins.aws-masker-stream.handler"

-- Begins a request and returns what happens to it: `ended` (status, body, headers) once it was answered here, `cleared`
-- headers, `logged` messages. `headers`: the upstream's, a text or a list of texts by name.
return function(mark, id, path, source, status, headers)
  local seen = { cleared = {}, logged = {}, handler = handler }
  local function log(...)
    seen.logged[#seen.logged + 1] = table.concat({ ... })
  end
  kong = {
    ctx = { shared = { aws_masker = mark }, plugin = {} },
    log = { err = log, warn = log, notice = log },
    request = {
      get_path = function() return path end,
    },
    response = {
      exit = function(code, body, given) seen.ended = { code, body, given["Content-Type"] } end,
      get_source = function() return source end,
      get_status = function() return status end,
      get_headers = function() return headers end,
      clear_header = function(name) seen.cleared[#seen.cleared + 1] = name end,
    },
  }
  ngx = { ctx = { buffered_proxying = true }, arg = {}, var = { kong_request_id = id } }

  function seen.access()
    handler:access()
  end

  function seen.header_filter()
    handler:header_filter()
  end

  function seen.body_filter(chunk, is_last)
    ngx.arg = { chunk, is_last }
    handler:body_filter()
    return ngx.arg[1], ngx.arg[2]
  end

  function seen.is_buffered()
    return ngx.ctx.buffered_proxying
  end

  return seen
end
