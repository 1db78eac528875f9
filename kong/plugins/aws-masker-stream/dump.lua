-- JSON written as kong_plugins/aws_masker/wire/jsontext.py writes it: as orjson does, and in ASCII, as the standard
-- library does, where a text has lone surrogates.

local json = require "kong.plugins.aws-masker-stream.json"
local utf8 = require "kong.plugins.aws-masker-stream.utf8"

local byte, sub, rep, format = string.byte, string.sub, string.rep, string.format
local concat, tonumber = table.concat, tonumber

local dump = {}

local SHORT = {
  ["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n", ["\f"] = "\\f", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\",
}

local function escape_of(char)
  return SHORT[char] or format("\\u%04x", byte(char))
end

local function ascii_escape_of(code)
  if code > 0xFFFF then
    code = code - 0x10000
    return format("\\u%04x\\u%04x", 0xD800 + math.floor(code / 0x400), 0xDC00 + code % 0x400)
  end
  return format("\\u%04x", code)
end

-- Returns `text` as it stands inside a JSON string, in ASCII only.
local function ascii_escaped(text)
  return (utf8.map((text:gsub('[%c"\\]', escape_of)), ascii_escape_of))
end

local function is_plain(text)
  for i = 1, #text do
    local code = byte(text, i)
    if code < 32 or code == 34 or code == 92 or code > 127 then
      return false
    end
  end
  return true
end

-- Returns `text` as it stands inside a JSON string, without the quotes.
function dump.escaped(text)
  if is_plain(text) then
    return text
  elseif utf8.is_valid(text) then
    return (text:gsub('[%z\1-\31"\\]', escape_of))
  end
  return ascii_escaped(text)
end

function dump.quoted(text)
  return '"' .. dump.escaped(text) .. '"'
end

-- Returns a number as both Python and orjson write it: the fewest digits that give it back; they differ in some.
local function float(text, is_ascii)
  local value = tonumber(text)
  if value == math.huge or value == -math.huge then
    return not is_ascii and "null" or value > 0 and "Infinity" or "-Infinity"
  elseif value == 0 then
    return 1 / value < 0 and "-0.0" or "0.0"
  end
  local shortest
  for digits = 0, 16 do
    shortest = format("%." .. digits .. "e", value)
    if tonumber(shortest) == value then
      break
    end
    shortest = shortest:gsub("[0-8]e", function(last) return sub(last, 1, 1) + 1 .. "e" end)
    if tonumber(shortest) == value then -- a power of two, whose neighbour below is the nearer one
      break
    end
  end
  local sign, whole, fraction, exponent = shortest:match "^(-?)(%d)%.?(%d*)e([+-]%d+)$"
  local digits = (whole .. fraction):gsub("0+$", "")
  exponent = tonumber(exponent)
  if exponent >= 16 or exponent < (is_ascii and -4 or -5) then
    local point = #digits > 1 and "." .. sub(digits, 2) or ""
    return format(is_ascii and "%s%s%se%s%02d" or "%s%s%se%s%d", sign, sub(digits, 1, 1), point,
      exponent < 0 and "-" or "+", math.abs(exponent))
  elseif exponent < 0 then
    return sign .. "0." .. rep("0", -exponent - 1) .. digits
  end
  digits = digits .. rep("0", exponent + 1 - #digits)
  local rest = sub(digits, exponent + 2)
  return sign .. sub(digits, 1, exponent + 1) .. "." .. (rest == "" and "0" or rest)
end

local function add(node, out, is_ascii)
  local kind, escaped = node.kind, is_ascii and ascii_escaped or dump.escaped
  if kind == json.STRING then
    if not is_ascii and not utf8.is_valid(node.text) then
      error(json.NOT_JSON, 0) -- a lone surrogate
    end
    out[#out + 1] = '"' .. escaped(node.text) .. '"'
  elseif kind == json.OBJECT then
    out[#out + 1] = "{"
    for i = 1, node.count do
      out[#out + 1] = i > 1 and "," or ""
      add(node.keys[i], out, is_ascii)
      out[#out + 1] = ":"
      add(node.values[i], out, is_ascii)
    end
    out[#out + 1] = "}"
  elseif kind == json.ARRAY then
    out[#out + 1] = "["
    for i = 1, node.count do
      out[#out + 1] = i > 1 and "," or ""
      add(node[i], out, is_ascii)
    end
    out[#out + 1] = "]"
  elseif kind == json.INTEGER then
    out[#out + 1] = node.text == "-0" and "0" or node.text
  elseif kind == json.FLOAT then
    out[#out + 1] = float(node.text, is_ascii)
  else
    out[#out + 1] = kind == json.NULL and "null" or tostring(node.value)
  end
  return out
end

-- Returns a tree as a new JSON text.
function dump.dumped(tree)
  local well, out = pcall(add, tree, {}, false)
  if not well then
    if out ~= json.NOT_JSON then
      error(out, 0)
    end
    out = add(tree, {}, true)
  end
  return concat(out)
end

return dump
