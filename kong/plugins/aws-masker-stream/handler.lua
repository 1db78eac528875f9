-- Runs right after the Python plugin `aws-masker`. It is the guard that lets no request pass which that plugin has not
-- looked at, and it restores streams as they arrive, which a plugin outside Kong cannot: it has no `body_filter`.

local grammar = require "kong.plugins.aws-masker-stream.grammar"
local marks = require "kong.plugins.aws-masker-stream.marks"
local answer_of = require "kong.plugins.aws-masker-stream.bodies"

local Handler = { VERSION = grammar.version, PRIORITY = grammar.priority }

-- Returns the API that the path, as it came, belongs to, as Python's `api_of` does.
local function api_of(path)
  path = path:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end):gsub("/+$", "")
  for _, folder in ipairs(grammar.api_folders) do
    if (path .. "/"):find(folder[1], 1, true) then
      return folder[2]
    end
  end
  for _, ending in ipairs(grammar.api_endings) do
    if path:sub(-#ending[1]) == ending[1] and path:find(ending[3], 1, true) then
      return ending[2]
    end
  end
  return "other"
end

local MOST_TOLD = 1000 -- placeholders that were turned back, and as many that nobody knows

-- Tells the Python plugin's `log` phase, which has the metrics and events, what happened here: words with spaces
-- between (kong_plugins/aws_masker/observe/lua.py reads them).
local function tell(...)
  kong.ctx.shared.aws_masker_told = table.concat({ ... }, " ")
end

-- Returns `lookup`, which now also keeps in `own.restored` what it has found, and in `own.missed` what not; each once.
local function noting(own, lookup)
  local seen = {}
  own.restored, own.missed = {}, {}
  return function(placeholder)
    local value = lookup(placeholder)
    local noted = value and own.restored or own.missed
    if not seen[placeholder] and #noted < MOST_TOLD then
      seen[placeholder] = true
      noted[#noted + 1] = placeholder
    end
    return value
  end
end

-- Answers the client itself. `api`: whose shape the error takes; without one, the path tells.
local function refuse(name, api)
  if not api then
    local found, of_path = pcall(function() return api_of(kong.request.get_path()) end)
    api = found and of_path or "other"
  end
  local failure = grammar.errors[name]
  pcall(tell, "refused", ngx.var.kong_request_id or "", api, name)
  return kong.response.exit(failure.status, failure.bodies[api], failure.headers[api])
end

-- Logs where something broke. Never the message, which could hold a value.
local function log_failure(what, failure)
  kong.log.err(what, ": ", type(failure) == "string" and failure:match "^[%w%-_./]+%.lua:%d+" or "unknown place")
end

local function marked()
  -- Kong's id of the request; its PDK has no function for it (3.9: kong/observability/tracing/request_id.lua).
  local mark = marks.read(kong.ctx.shared[grammar.mark.name], ngx.var.kong_request_id)
  if mark and mark.stream then
    ngx.ctx.buffered_proxying = nil -- what the Python plugin's `response` phase would restore whole, at the end
    kong.ctx.plugin.mark = not mark.observed and mark or nil
  elseif mark and not mark.observed then
    kong.ctx.plugin.collected = mark.api
  end
  return mark ~= nil
end

-- Kong tells the upstream where the client is and by which name it reached the gateway: private addresses and names of
-- load balancers among them. No API of an LLM needs that (kong/templates/nginx_kong.lua, `proxy_set_header`).
local FORWARDED = { "for", "host", "path", "port", "prefix", "proto" }

local function hide_client()
  for _, what in ipairs(FORWARDED) do
    ngx.var["upstream_x_forwarded_" .. what] = ""
  end
end

function Handler:access()
  local well, passes = pcall(marked)
  if not well then
    log_failure("the mark of a request cannot be used", passes)
    return refuse "MaskingFailed"
  elseif not passes then
    return refuse "NotMasked"
  end
  hide_client() -- should it throw, Kong answers with 500
end

-- Where the API breaks off in an answer that Kong collects, Kong sends an error of its own under the API's status, which
-- may be 200, and the Python plugin's `response` does not run (kong/init.lua, `res.truncated`). Nothing else ends that
-- way without a `buffered_status`: what Kong collects is not proxied before all plugins let it pass.
local function is_cut()
  local ctx = ngx.ctx
  return ctx.KONG_PROXIED and not ctx.buffered_status and kong.response.get_source() == "exit"
    and kong.response.get_status() < 400
end

local function prepare(own, mark)
  if kong.response.get_source() ~= "service" then
    return nil -- Kong's own answer, or another plugin's: the model did not write it
  end
  local answer, is_coded = answer_of(mark, kong.response.get_status(), kong.response.get_headers(1000),
    noting(own, mark.lookup))
  if is_coded then
    kong.log.warn "an answer in a content coding that cannot be undone is not restored"
  end
  for _, name in ipairs(answer and grammar.answers.cleared or {}) do
    kong.response.clear_header(name)
  end
  return answer
end

function Handler:header_filter()
  local own = kong.ctx.plugin
  local mark = own.mark
  if own.collected and is_cut() then
    return refuse("UpstreamUnreachable", own.collected)
  elseif not mark then
    return
  end
  local well, answer = pcall(prepare, own, mark)
  if well then
    own.answer = answer
    return
  end
  log_failure("an answer cannot be restored", answer)
  for _, name in ipairs(grammar.answers.cleared) do
    kong.response.clear_header(name)
  end
  return refuse("RestoreFailed", mark.api)
end

-- Returns what the client gets where the answer ends because restoring failed.
local function failure_of(answer, api)
  local body = grammar.errors.RestoreFailed.bodies[api]
  if answer.shape ~= "sse" then
    return not answer.is_sent and body or nil
  end
  local name = (api == "anthropic" or api == "other") and "event: error\n" or "" -- OpenAI's errors have none
  return (answer.is_sent and "\n\n" or "") .. name .. "data: " .. body .. "\n\n"
end

local function advance(answer, chunk, is_last)
  local out = chunk and chunk ~= "" and answer:feed(chunk) or ""
  return is_last and out .. answer:close() or out
end

function Handler:body_filter()
  local own = kong.ctx.plugin
  local answer = own.answer
  if own.is_over then
    ngx.arg[1], ngx.arg[2] = nil, true
    return
  elseif not answer then
    return
  end
  local is_last = ngx.arg[2]
  own.size = (own.size or 0) + #(ngx.arg[1] or "")
  local well, out = pcall(advance, answer, ngx.arg[1], is_last)
  if not well then
    log_failure("restoring an answer failed", out)
    out, is_last = failure_of(answer, own.mark.api), true
  end
  if is_last then
    own.is_over, own.answer = true, nil
    local missed = #own.missed > 0 and "missed " .. table.concat(own.missed, " ") or nil
    pcall(tell, "restored", own.size, well and "well" or "failed", table.concat(own.restored, " "), missed)
  end
  answer.is_sent = answer.is_sent or out ~= ""
  ngx.arg[1], ngx.arg[2] = out ~= "" and out or nil, is_last
end

return Handler
