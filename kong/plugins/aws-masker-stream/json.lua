-- JSON read into a tree that knows where its strings and integers stand. It takes exactly what
-- kong_plugins/aws_masker/wire/jsontext.py does, which see for the reasons.
--
-- Nodes are tables with a `kind`:
--   STRING   text (UTF-8, lone surrogates in 3 bytes), from and to (of the token, quotes included)
--   OBJECT   count, keys (STRING nodes), values, at (from a key's text to its place). A repeated key has its first
--            place and its last value, as in Python; the whole text is then marked `repeated`.
--   ARRAY    count, and the elements
--   INTEGER  text, from, token (how many string tokens stand before it);  FLOAT  text
--   BOOLEAN  value;  NULL

local utf8 = require "kong.plugins.aws-masker-stream.utf8"

local byte, sub, find = string.byte, string.sub, string.find
local concat, tonumber = table.concat, tonumber

local STRING, OBJECT, ARRAY, INTEGER, FLOAT, BOOLEAN, NULL = 1, 2, 3, 4, 5, 6, 7
local MAX_DEPTH = 1024 -- what orjson reads; the walks over a tree end earlier

local json = {
  STRING = STRING, OBJECT = OBJECT, ARRAY = ARRAY, INTEGER = INTEGER, FLOAT = FLOAT, BOOLEAN = BOOLEAN, NULL = NULL,
}

json.NOT_JSON = setmetatable({}, { __tostring = function() return "not JSON" end })
-- Raised (with `error`) for bytes that are no JSON text that is understood in one way only.

local null = { kind = NULL }
local booleans = { [true] = { kind = BOOLEAN, value = true }, [false] = { kind = BOOLEAN, value = false } }

local function refuse()
  error(json.NOT_JSON, 0)
end

local function skip(raw, at)
  local code = byte(raw, at)
  while code == 32 or code == 10 or code == 13 or code == 9 do
    at = at + 1
    code = byte(raw, at)
  end
  return at, code
end

local ESCAPES = {
  [34] = '"', [92] = "\\", [47] = "/", [98] = "\b", [102] = "\f", [110] = "\n", [114] = "\r", [116] = "\t",
}

local function unit_at(raw, at)
  local digits = sub(raw, at, at + 3)
  if #digits < 4 or find(digits, "[^0-9A-Fa-f]") then
    refuse()
  end
  return tonumber(digits, 16)
end

-- Reads the escape whose backslash is at `at`; returns what it stands for, and where it ends.
local function escape_at(state, at)
  local raw = state.raw
  local letter = byte(raw, at + 1)
  if letter ~= 117 then -- "u"
    return ESCAPES[letter] or refuse(), at + 2
  end
  local unit = unit_at(raw, at + 2)
  if unit < 0xD800 or unit > 0xDFFF then
    return utf8.char(unit), at + 6
  end
  if unit < 0xDC00 and sub(raw, at + 6, at + 7) == "\\u" then
    local low = unit_at(raw, at + 8)
    if low >= 0xDC00 and low <= 0xDFFF then
      return utf8.char(0x10000 + (unit - 0xD800) * 0x400 + low - 0xDC00), at + 12
    end
  end
  if not state.lenient then
    refuse()
  end
  return utf8.char(unit), at + 6
end

local function string_at(state, from)
  local raw = state.raw
  local pieces, count
  local start, at = from + 1, from + 1
  while true do
    local code = byte(raw, at)
    if code == 34 then
      break
    elseif code == 92 then
      pieces, count = pieces or {}, count or 0
      pieces[count + 1] = sub(raw, start, at - 1)
      pieces[count + 2], at = escape_at(state, at)
      count = count + 2
      start = at
    elseif code == nil or code < 32 then
      refuse()
    else
      at = at + 1
    end
  end
  local text = sub(raw, start, at - 1)
  if pieces then
    pieces[count + 1] = text
    text = concat(pieces)
  end
  state.strings = state.strings + 1
  return { kind = STRING, text = text, from = from, to = at }, at + 1
end

-- Tells whether the digits of an integer are one of 64 bits; anything longer is a float to orjson.
local function fits(text)
  local digits, bound = text, "18446744073709551615"
  if byte(text) == 45 then
    digits, bound = sub(text, 2), "9223372036854775808"
  end
  return #digits < #bound or (#digits == #bound and digits <= bound)
end

-- Returns where the digits that begin at `at` end; refuses where there is none.
local function digits_end(raw, at)
  local start, code = at, byte(raw, at)
  while code and code >= 48 and code <= 57 do
    at = at + 1
    code = byte(raw, at)
  end
  if at == start then
    refuse()
  end
  return at - 1
end

-- Returns where the integer that begins at `from` ends, and where the number does.
local function number_end(raw, from)
  local first = byte(raw, from) == 45 and from + 1 or from
  local to = digits_end(raw, first)
  if to > first and byte(raw, first) == 48 then
    refuse()
  end
  local stop = to
  if byte(raw, stop + 1) == 46 then
    stop = digits_end(raw, stop + 2)
  end
  local code = byte(raw, stop + 1)
  if code == 69 or code == 101 then
    local sign = byte(raw, stop + 2)
    stop = digits_end(raw, (sign == 43 or sign == 45) and stop + 3 or stop + 2)
  end
  return to, stop
end

local function number_at(state, from)
  local to, stop = number_end(state.raw, from)
  local text = sub(state.raw, from, stop)
  local node
  if stop == to and state.lenient then
    node = { kind = INTEGER, text = #text < 20 and text or "0", from = from, token = state.strings }
  elseif stop == to and fits(text) then
    node = { kind = INTEGER, text = text, from = from, token = state.strings }
  else
    local value = tonumber(text)
    if not state.lenient and (value == math.huge or value == -math.huge) then
      refuse()
    end
    node = { kind = FLOAT, text = text }
  end
  return node, stop + 1
end

local value_at

local function array_at(state, at, depth)
  local array, count = { kind = ARRAY }, 0
  local code
  at, code = skip(state.raw, at + 1)
  if code ~= 93 then
    while true do
      count = count + 1
      array[count], at = value_at(state, at, depth)
      at, code = skip(state.raw, at)
      if code == 93 then
        break
      elseif code ~= 44 then
        refuse()
      end
      at = skip(state.raw, at + 1)
    end
  end
  array.count = count
  return array, at + 1
end

local function object_at(state, at, depth)
  local raw = state.raw
  local keys, values, places, count = {}, {}, {}, 0
  local code
  at, code = skip(raw, at + 1)
  if code ~= 125 then
    while true do
      if code ~= 34 then
        refuse()
      end
      local key, value
      key, at = string_at(state, at)
      at, code = skip(raw, at)
      if code ~= 58 then
        refuse()
      end
      value, at = value_at(state, skip(raw, at + 1), depth)
      local place = places[key.text]
      if place then
        state.repeated = true
        values[place] = value
      else
        count = count + 1
        keys[count], values[count], places[key.text] = key, value, count
      end
      at, code = skip(raw, at)
      if code == 125 then
        break
      elseif code ~= 44 then
        refuse()
      end
      at, code = skip(raw, at + 1)
    end
  end
  return { kind = OBJECT, count = count, keys = keys, values = values, at = places }, at + 1
end

local WORDS = { [116] = { "true", booleans[true] }, [102] = { "false", booleans[false] }, [110] = { "null", null } }

function value_at(state, at, depth)
  local code = byte(state.raw, at)
  if code == 34 then
    return string_at(state, at)
  elseif code == 123 or code == 91 then
    if depth >= MAX_DEPTH then
      refuse()
    end
    if code == 123 then
      return object_at(state, at, depth + 1)
    end
    return array_at(state, at, depth + 1)
  end
  local word = WORDS[code]
  if not word then
    return number_at(state, at)
  elseif sub(state.raw, at, at + #word[1] - 1) ~= word[1] then
    refuse()
  end
  return word[2], at + #word[1]
end

-- Not compiled, as the recursion in rules.lua, and for the same reason.
jit.off(array_at)
jit.off(object_at)
jit.off(value_at)

local function parsed(raw, lenient)
  local state = { raw = raw, lenient = lenient, strings = 0, repeated = false }
  local tree, at = value_at(state, skip(raw, 1), 0)
  if skip(raw, at) <= #raw then
    refuse()
  end
  return { raw = raw, tree = tree, repeated = state.repeated }
end

-- Returns `raw` read: its `tree`, and whether a key is `repeated`; raises NOT_JSON.
function json.read(raw)
  if not utf8.is_valid(raw) then
    refuse()
  end
  local well, text = pcall(parsed, raw, false)
  if well then
    return text
  elseif text ~= json.NOT_JSON then
    error(text, 0)
  elseif not find(raw, "\\ud", 1, true) and not find(raw, "\\uD", 1, true) then
    refuse()
  end
  return parsed(raw, true)
end

-- Returns the member `name` of an object; nil if there is none.
function json.member(object, name)
  local place = object.at[name]
  return place and object.values[place]
end

-- Returns the text of the member `name` if that is a string.
function json.text(object, name)
  local node = json.member(object, name)
  return node and node.kind == STRING and node.text or nil
end

return json
