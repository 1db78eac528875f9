-- The mark that the Python plugin leaves (kong_plugins/aws_masker/mark.py), and the lookup that it gives.

local bit = require "bit"
local grammar = require "kong.plugins.aws-masker-stream.grammar"
local json = require "kong.plugins.aws-masker-stream.json"

local band, bor, bxor, lshift, rshift = bit.band, bit.bor, bit.bxor, bit.lshift, bit.rshift
local tonumber, byte, sub, format = tonumber, string.byte, string.sub, string.format
local LAST_OCTET = 24 -- bits before it

local marks = {}

-- Returns an IPv4 address as a number of 32 bits (signed, as `bit` has them); nil if it is none.
local function number_of(text)
  local octets = { text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$" }
  local number = 0
  for i = 1, 4 do
    local octet = octets[i]
    if not octet or #octet > 3 or (#octet > 1 and byte(octet) == 48) or tonumber(octet) > 255 then
      return nil
    end
    number = bor(lshift(number, 8), tonumber(octet))
  end
  return number
end

local function dotted(number)
  return format("%d.%d.%d.%d", rshift(number, 24), band(rshift(number, 16), 255), band(rshift(number, 8), 255),
    band(number, 255))
end

-- Returns `number` with all bits behind the first `bits` cleared.
local function network_of(number, bits)
  return bits < 32 and band(number, bit.bnot(rshift(-1, bits))) or number
end

local function is_set(flips, index)
  local digit = tonumber(sub(flips, rshift(index, 2) + 1, rshift(index, 2) + 1), 16)
  return band(digit, rshift(8, band(index, 3))) ~= 0
end

local function unpermuted(network, number)
  local found = bor(network.original, band(number, rshift(-1, network.bits)))
  local path = 0
  for depth = 0, LAST_OCTET - 1 - network.bits do
    local place = rshift(0x80000000, network.bits + depth)
    if is_set(network.flips, lshift(1, depth) - 1 + path) then
      found = bxor(found, place)
    end
    path = path * 2 + (band(found, place) ~= 0 and 1 or 0)
  end
  return found
end

-- Returns what an address would stand for that the model derived from the networks it was shown; nil for any other.
local function derived(networks, placeholder)
  local bare, slash, length = placeholder:match "^([^/]*)(/?)(.*)$"
  local is_dashed = bare:find("-", 1, true) ~= nil
  local number = number_of((bare:gsub("%-", ".")))
  local bits = length == "" and 32 or tonumber(length)
  if not number or not bits then
    return nil
  end
  for _, network in ipairs(networks) do
    if network.bits <= bits and network_of(number, network.bits) == network.masked then
      local original = unpermuted(network, number)
      local text = dotted(bits < LAST_OCTET and network_of(original, bits) or original)
      return (is_dashed and text:gsub("%.", "-") or text) .. slash .. length
    end
  end
end

local function field(node, name, kind)
  local found = json.member(node, name)
  if not found or found.kind ~= kind then
    error("a mark without its " .. name, 0)
  end
  return found
end

local function networks_of(nodes)
  local networks = {}
  for i, one in ipairs(nodes) do
    local masked, bits, original = number_of(one[1].text), tonumber(one[2].text), number_of(one[3].text)
    local flips = one[4].text
    if not masked or not original or not bits or bits < 8 or bits > LAST_OCTET
      or #flips * 4 < 2 ^ (LAST_OCTET - bits) - 1 or flips:find "%X" then
      error("a mark with a broken network", 0)
    end
    networks[i] = { masked = masked, bits = bits, original = original, flips = flips }
  end
  return networks
end

-- Returns the mark in `text` if it is the one of the request `id`: its api, whether the client asked for a stream,
-- whether nothing was masked (`observed`), the limit, and the lookup from a placeholder to its value. nil if it is none
-- of that request's. Raises an error if it is broken otherwise.
function marks.read(text, id)
  local well, document = pcall(json.read, type(text) == "string" and text or "")
  local tree = well and document.tree
  if not tree or tree.kind ~= json.OBJECT then
    return nil
  end
  local version = json.member(tree, "v")
  if not version or version.kind ~= json.INTEGER or version.text ~= tostring(grammar.mark.version)
    or type(id) ~= "string" or id == "" or json.text(tree, "request") ~= id then
    return nil
  end
  local api = field(tree, "api", json.STRING).text
  if not grammar.policies[api] then
    error("a mark of an unknown API", 0)
  end
  local values, nodes = {}, field(tree, "mapping", json.OBJECT)
  for i = 1, nodes.count do
    values[nodes.keys[i].text] = nodes.values[i].text
  end
  local networks = networks_of(field(tree, "networks", json.ARRAY))
  return {
    api = api,
    stream = field(tree, "stream", json.BOOLEAN).value,
    observed = field(tree, "observed", json.BOOLEAN).value,
    limit = tonumber(field(tree, "limit", json.INTEGER).text),
    lookup = function(placeholder)
      return values[placeholder] or derived(networks, placeholder)
    end,
  }
end

return marks
