-- Kong's runloop around one request, as far as an external plugin and a Lua plugin notice it.
-- Reproduces kong/init.lua, kong/error_handlers.lua and kong/runloop/handler.lua of Kong 3.9.

local pdk = require "tests.nginx.kong_pdk"
local sidecar = require "tests.nginx.sidecar"

local M = {}

local UNEXPECTED = '{"message":"An unexpected error occurred"}'
local JSON = { ["Content-Type"] = "application/json; charset=utf-8" }
local WORDS = {
  [400] = "Bad request", [413] = "Payload too large", [500] = "An unexpected error occurred",
  [502] = "An invalid response was received from the upstream server",
  [503] = "The upstream server is currently unavailable", [504] = "The upstream server is timing out",
}

-- ngx.ctx does not survive ngx.exec and error pages; Kong keeps it as this does (kong/resty/ctx.lua).
local stashed = {}

local function same(left, right)
  return sidecar.headers({ x = left }) == sidecar.headers({ x = right })
end

-- Sets what differs and removes what is gone.
local function change(before, after, replace, remove)
  for name, value in pairs(after) do
    if before[name] == nil or not same(before[name], value) then
      replace(name, value)
    end
  end
  for name in pairs(before) do
    if after[name] == nil then
      remove(name)
    end
  end
end

local function lowered(headers)
  local out = {}
  for name, value in pairs(headers) do
    out[name:lower()] = value
  end
  return out
end

-- What follows from an event: kind, headers, and where they changed the body, status, shared and ngx.ctx.
local function obeyed(ctx, answer)
  for name, value in pairs(sidecar.table_of(answer[3])) do
    kong.ctx.shared[name] = value
  end
  for name, value in pairs(sidecar.table_of(answer[4])) do
    ctx[name] = value == "true" or nil
  end
  if answer[1] == "error" then
    error(answer[2], 0)
  end
end

local external = { name = "aws-masker", handler = { PRIORITY = 700 } }

function external.handler.access()
  local ctx = ngx.ctx
  ngx.req.read_body()
  local file, before = ngx.req.get_body_file() or "", lowered(ngx.req.get_headers(0))
  local body = file == "" and ngx.req.get_body_data() or ""
  local answer = sidecar.call {
    "access", ngx.var.kong_request_id, ngx.req.get_method(), ngx.var.request_uri,
    sidecar.headers(ngx.req.get_headers(0)), body, file, tostring(ctx.buffered_proxying or false),
  }
  obeyed(ctx, answer)
  for name, value in pairs(sidecar.table_of(answer[7])) do
    ngx.header[name] = value -- kept whatever answers; Kong's own proxy-cache relies on it
  end
  local after = sidecar.table_of(answer[2])
  if answer[1] == "exit" then
    return kong.response.exit(tonumber(answer[5]), answer[6], after)
  end
  if answer[5] == "changed" then
    ngx.req.set_body_data(answer[6])
    before["content-length"], after["content-length"] = nil, nil -- nginx's
  end
  change(before, after, ngx.req.set_header, ngx.req.clear_header)
end

function external.handler.response()
  local ctx = ngx.ctx
  local before = lowered(ngx.resp.get_headers(0))
  local answer = sidecar.call {
    "response", ngx.var.kong_request_id, tostring(ctx.buffered_status), sidecar.headers(ctx.buffered_headers),
    ctx.buffered_body, sidecar.headers(before),
  }
  obeyed(ctx, answer)
  change(before, sidecar.table_of(answer[2]),
    function(name, value) ngx.header[name] = value end,
    function(name) if name ~= "connection" then ngx.header[name] = nil end end)
  if answer[1] == "exit" then
    return kong.response.exit(tonumber(answer[5]), answer[6], sidecar.table_of(answer[7]))
  end
end

-- A plugin that runs before all others and refuses (key-auth, rate-limiting, ...).
local refusing = { name = "refusing", handler = { PRIORITY = 1250 } }

function refusing.handler.access()
  return kong.response.exit(401, '{"message":"No API key found in request"}', JSON)
end

-- Enabled plugins by PRIORITY, as the test has them right now.
local function planned()
  local answer = sidecar.call { "plan", ngx.var.kong_request_id }
  local settings = sidecar.table_of(answer[1])
  external.handler.PRIORITY = tonumber(settings.priority)
  local plugins = {}
  for _, plugin in ipairs { external, refusing, M.lua_plugin } do
    if settings[plugin.name] == "on" then
      plugins[#plugins + 1] = plugin
    end
  end
  table.sort(plugins, function(left, right) return left.handler.PRIORITY > right.handler.PRIORITY end)
  return {
    plugins = plugins, buffering = settings.response_buffering == "on", throws = settings.throws,
    responds = settings.responds == "on", logs = settings.logs == "on",
  }
end

local function run(ctx, plugin, phase)
  ctx.KONG_HANDLER, ctx.KONG_PLUGIN = plugin.handler, plugin.name
  plugin.handler[phase](plugin.handler, plugin.config or {})
  ctx.KONG_HANDLER, ctx.KONG_PLUGIN = nil, nil
end

local function run_all(ctx, phase)
  for _, plugin in ipairs(ctx.collected or {}) do
    if plugin.handler[phase] then
      run(ctx, plugin, phase)
    end
  end
end

function M.rewrite()
  local id = ngx.var.kong_request_id
  if ngx.var.kong_proxy_mode ~= "http" then
    ngx.ctx = stashed[id]
  end
  stashed[id] = ngx.ctx
end

local function collect(ctx)
  ctx.collected, ctx.delay_response = {}, true
  for _, plugin in ipairs(ctx.plan.plugins) do
    table.insert(ctx.collected, plugin)
    if plugin == external and ctx.plan.responds then
      ctx.buffered_proxying = true
    end
    if plugin.handler.access and not ctx.delayed_response then
      local thread = coroutine.create(run) -- nothing else keeps it from being collected while it waits
      local ok, reason = coroutine.resume(thread, ctx, plugin, "access")
      ctx.KONG_HANDLER, ctx.KONG_PLUGIN = nil, nil
      if not ok then
        ngx.log(ngx.ERR, "[kong] ", reason)
        ctx.delayed_response = { status = 500, body = UNEXPECTED, headers = JSON }
        ctx.KONG_UNEXPECTED = true
      end
    end
  end
  ctx.delay_response = nil
end

-- Answers that Kong collects whole, for plugins with a `response` phase.
local function respond(ctx)
  ngx.req.read_body()
  local answer = ngx.location.capture("/kong_buffered_http", {
    always_forward_body = true, share_all_vars = true, ctx = ctx, method = ngx["HTTP_" .. ngx.req.get_method()],
  })
  if answer.truncated and ngx.req.get_method() ~= "HEAD" then
    ngx.status = answer.status or 502
    return M.fail(ctx)
  end
  ctx.KONG_PHASE = "response"
  ctx.buffered_status, ctx.buffered_headers, ctx.buffered_body = answer.status, answer.header, answer.body
  ngx.status = answer.status
  for name, value in pairs(answer.header) do
    if name:lower() ~= "transfer-encoding" then
      ngx.header[name] = value
    end
  end
  run_all(ctx, "response")
  ngx.print(answer.body)
  return ngx.exit(answer.status)
end

-- What Kong tells the upstream of the client and of itself (kong/runloop/handler.lua, `access.before`), where it trusts
-- nobody in front of it and takes nothing off the path.
local function forward()
  local var = ngx.var
  local before = var.http_x_forwarded_for
  var.upstream_x_forwarded_for = (before and before .. ", " or "") .. var.remote_addr
  var.upstream_x_forwarded_proto = var.scheme
  var.upstream_x_forwarded_host = var.host
  var.upstream_x_forwarded_port = var.server_port
  var.upstream_x_forwarded_path = var.request_uri
end

function M.access()
  local ctx = ngx.ctx
  ctx.KONG_PHASE = "access"
  ctx.plan = ctx.plan or planned()
  forward()
  if not ctx.plan.buffering and ngx.var.kong_proxy_mode == "http" then
    return ngx.exec("@unbuffered_response")
  end
  ngx.var.upstream_uri = ngx.var.request_uri
  collect(ctx)
  local delayed = ctx.delayed_response
  if delayed then
    ctx.buffered_proxying = nil
    return pdk.send(delayed.status, delayed.body, delayed.headers)
  end
  ctx.KONG_PROXIED = true
  if ctx.buffered_proxying then
    return respond(ctx)
  end
end

function M.header_filter()
  local ctx = ngx.ctx
  ctx.KONG_PHASE = "header_filter"
  run_all(ctx, "header_filter")
  ngx.header["X-Kong-Request-Id"] = ngx.var.kong_request_id
end

function M.body_filter()
  local ctx = ngx.ctx
  ctx.KONG_PHASE = "body_filter"
  if ctx.response_body then
    ngx.arg[1], ngx.arg[2] = ctx.response_body, true
  end
  run_all(ctx, "body_filter")
end

function M.log()
  local ctx, id = ngx.ctx, ngx.var.kong_request_id
  ctx.KONG_PHASE = "log"
  for _, plugin in ipairs(ctx.collected or {}) do
    if plugin ~= external and plugin.handler.log then
      run(ctx, plugin, "log")
    end
  end
  stashed[id] = nil
  local logs = ctx.plan and ctx.plan.logs
  ngx.timer.at(0, function() sidecar.call { "log", id, tostring(logs or false) } end)
end

function M.fail(ctx)
  ctx.KONG_PHASE = "error"
  local status = ngx.status
  ctx.buffered_proxying, ctx.response_body, ctx.delay_response, ctx.delayed_response = nil, nil, nil, nil
  local words = WORDS[status] or "The upstream server responded with " .. status
  return kong.response.exit(status, '{"message":"' .. words .. '"}', JSON)
end

-- Where nginx itself answers with an error (`error_page`).
function M.handle_error()
  ngx.ctx = stashed[ngx.var.kong_request_id] or ngx.ctx
  ngx.ctx.KONG_UNEXPECTED = true
  return M.fail(ngx.ctx)
end

function M.start(path, handler)
  sidecar.path = path
  kong = pdk.new() -- the global of Kong's name
  M.lua_plugin = { name = "aws-masker-stream", handler = dofile(handler) }
  return M
end

return M
