-- Kong's PDK as far as the Lua plugin reaches it: what each function takes and returns, and the phases it throws in.
-- Reproduces kong/pdk/{ctx,request,response,log}.lua of Kong 3.9.

local M = {}

local REQUEST = {
  rewrite = true, access = true, response = true, header_filter = true, body_filter = true, log = true,
}
local ANSWER = { response = true, header_filter = true, body_filter = true, log = true, error = true }
local CHANGES = { rewrite = true, access = true, response = true, header_filter = true, error = true }

local SHARED = {}

-- Throws where a test wants the Lua plugin to fail.
local function planted(name)
  local ctx = ngx.ctx
  if ctx.plan and ctx.plan.throws == name and ctx.KONG_PLUGIN == "aws-masker-stream" then
    error("planted: " .. name, 3)
  end
end

-- A function that throws outside its phases.
local function guarded(name, phases, work)
  return function(...)
    local phase = ngx.ctx.KONG_PHASE
    if not phases[phase] then
      error("function cannot be called in " .. tostring(phase) .. " phase: " .. name, 2)
    end
    planted(name)
    return work(...)
  end
end

local function reading(name, work)
  return guarded(name, ANSWER, work)
end

local function changing(name, work)
  return guarded(name, CHANGES, function(...)
    if ngx.headers_sent then
      error("headers have already been sent", 2)
    end
    return work(...)
  end)
end

local function is_transfer_encoding(name)
  name = name:lower()
  return name == "transfer-encoding" or name == "transfer_encoding"
end

local function validated(name, value)
  if type(name) ~= "string" then
    error("invalid header name " .. tostring(name), 3)
  end
  for _, one in ipairs(type(value) == "table" and value or { value }) do
    local kind = type(one)
    if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      error("invalid header value for " .. name .. ": got " .. kind, 3)
    end
  end
  if value == nil then
    error("invalid header value for " .. name .. ": got nil", 3)
  end
end

local function set(name, value)
  if not is_transfer_encoding(name) then
    ngx.header[name] = value == "" and " " or value
  end
end

-- Sends an answer of Kong's own.
function M.send(status, body, headers)
  ngx.status = status
  local has_length = false
  for name, value in pairs(headers or {}) do
    set(name, value)
    has_length = has_length or name:lower():gsub("_", "-") == "content-length"
  end
  if not has_length then
    ngx.header["Content-Length"] = #(body or "")
  end
  local ctx = ngx.ctx
  if ctx.KONG_PHASE == "header_filter" then
    ctx.response_body = body
    return ngx.exit(ngx.OK)
  end
  if body then
    ngx.print(body)
  end
  return ngx.exit(status)
end

local function exit(status, body, headers)
  if type(status) ~= "number" or status < 100 or status > 599 then
    error("code must be a number between 100 and 599", 2)
  end
  if body ~= nil and type(body) ~= "string" then
    error("body must be a nil, string or table", 2)
  end
  for name, value in pairs(headers or {}) do
    validated(name, value)
  end
  local ctx = ngx.ctx
  ctx.KONG_EXITED = true
  if ctx.delay_response and not ctx.delayed_response then
    ctx.delayed_response = { status = status, body = body, headers = headers }
    coroutine.yield() -- never resumed
  else
    return M.send(status, body, headers)
  end
end

local function get_path()
  local path = ngx.var.request_uri:match("^[^?]*")
  path = path:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  return (path:gsub("//+", "/"))
end

local function get_source()
  local ctx = ngx.ctx
  if ctx.KONG_UNEXPECTED then
    return "error"
  end
  return ctx.KONG_EXITED and "exit" or ctx.KONG_PROXIED and "service" or "error"
end

local function get_header(name)
  local value = ngx.resp.get_headers()[name]
  return type(value) == "table" and value[1] or value
end

local function logging(level)
  return function(...)
    local parts = {}
    for at = 1, select("#", ...) do
      parts[at] = tostring((select(at, ...)))
    end
    ngx.log(level, "[kong] [", ngx.ctx.KONG_PLUGIN or "kong", "] ", table.concat(parts))
  end
end

-- `kong.ctx.shared` is the request's, `kong.ctx.plugin` that of the plugin at hand within the request.
local contexts = setmetatable({}, {
  __index = function(_, name)
    planted(name)
    local ctx = ngx.ctx
    local key = name == "shared" and SHARED or name == "plugin" and ctx.KONG_HANDLER
    if not key then
      return nil
    end
    local found = ctx[key]
    if not found then
      found = {}
      ctx[key] = found
    end
    return found
  end,
})

function M.new()
  return {
    ctx = contexts,
    request = {
      get_path = guarded("get_path", REQUEST, get_path),
    },
    response = {
      exit = guarded("exit", CHANGES, function(...)
        if ngx.headers_sent then
          error("headers have already been sent", 2)
        end
        return exit(...)
      end),
      get_source = reading("get_source", get_source),
      get_status = reading("get_status", function() return ngx.status end),
      get_header = reading("get_header", get_header),
      get_headers = reading("get_headers", function(most) return ngx.resp.get_headers(most) end),
      set_header = changing("set_header", function(name, value)
        validated(name, value)
        set(name, value)
      end),
      clear_header = changing("clear_header", function(name) ngx.header[name] = nil end),
    },
    log = {
      debug = logging(ngx.DEBUG), info = logging(ngx.INFO), notice = logging(ngx.NOTICE), warn = logging(ngx.WARN),
      err = logging(ngx.ERR), crit = logging(ngx.CRIT),
    },
  }
end

return M
