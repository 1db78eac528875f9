-- The way to the side-car, the process of the tests that speaks with the plugin server in Kong's place.
-- A message is a list of strings: their number, then for each its length and its bytes.

local M = {}

local function packed(fields)
  local out = { #fields, "\n" }
  for _, field in ipairs(fields) do
    out[#out + 1] = #field .. "\n"
    out[#out + 1] = field
  end
  return table.concat(out)
end

-- Returns a table of headers, of whatever shape ngx_lua gives them, as one field.
function M.headers(headers)
  local out = {}
  for name, value in pairs(headers) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      out[#out + 1] = name
      out[#out + 1] = tostring(one)
    end
  end
  return packed(out)
end

function M.call(fields)
  local sock = ngx.socket.tcp()
  sock:settimeouts(5000, 60000, 60000)
  assert(sock:connect("unix:" .. M.path))
  assert(sock:send(packed(fields)))
  local answer = {}
  for at = 1, tonumber(assert(sock:receive("*l"))) do
    local length = tonumber(assert(sock:receive("*l")))
    answer[at] = length > 0 and assert(sock:receive(length)) or ""
  end
  sock:setkeepalive(60000, 200)
  return answer
end

-- Reads a field that is itself a list of names and values; a name that occurs again makes a list.
function M.table_of(text)
  local at = text:find("\n", 1, true) + 1
  local fields = {}
  for index = 1, tonumber(text:match("^%d+")) do
    local stop = text:find("\n", at, true)
    local length = tonumber(text:sub(at, stop - 1))
    fields[index] = text:sub(stop + 1, stop + length)
    at = stop + length + 1
  end
  local found = {}
  for index = 1, #fields, 2 do
    local name, value = fields[index], fields[index + 1]
    local before = found[name]
    if type(before) == "table" then
      before[#before + 1] = value
    else
      found[name] = before and { before, value } or value
    end
  end
  return found
end

return M
