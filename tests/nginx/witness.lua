-- A Lua plugin that does nothing but tell in which phases it ran, and what Kong told it there.

local Witness = { VERSION = "0", PRIORITY = 690 }

local function saw(what)
  local own = kong.ctx.plugin
  own.seen = (own.seen and own.seen .. " " or "") .. what
end

function Witness:access()
  saw("access:" .. (kong.ctx.shared.aws_masker and "marked" or "unmarked"))
  if ngx.req.get_headers()["x-unbuffered"] then
    ngx.ctx.buffered_proxying = nil
  end
end

function Witness:header_filter()
  saw("header_filter:" .. kong.response.get_source() .. ":" .. kong.response.get_status())
end

function Witness:body_filter()
  if ngx.arg[2] then
    saw "body_filter"
  end
end

function Witness:log()
  saw "log"
  ngx.log(ngx.NOTICE, "witness ", ngx.var.kong_request_id, " {", kong.ctx.plugin.seen, "}")
end

return Witness
