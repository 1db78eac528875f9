-- UTF-8 as Python reads it, strictly, and with lone surrogates in their 3-byte form ("surrogatepass").

local byte, char, sub = string.byte, string.char, string.sub
local floor, concat = math.floor, table.concat

local utf8 = {}

-- Returns where from `at` on the first character beyond ASCII is; behind the end if there is none. (Loops over bytes
-- are compiled, patterns are not: a tenth of the time.)
local function beyond_ascii(text, at)
  local last = #text
  while at <= last and byte(text, at) < 0x80 do
    at = at + 1
  end
  return at
end

-- Returns the length of the character at `at` if it is valid, or nil and how many bytes of it are a valid beginning
-- (1 at least). `surrogates`: whether those pass.
local function length_at(text, at, surrogates)
  local code = byte(text, at)
  if code < 0x80 then
    return 1
  elseif code < 0xC2 or code > 0xF4 then
    return nil, 1
  end
  local length = code < 0xE0 and 2 or code < 0xF0 and 3 or 4
  local low, high = 0x80, 0xBF -- of the second byte: no overlong forms, no surrogates, nothing above U+10FFFF
  if code == 0xE0 then
    low = 0xA0
  elseif code == 0xED and not surrogates then
    high = 0x9F
  elseif code == 0xF0 then
    low = 0x90
  elseif code == 0xF4 then
    high = 0x8F
  end
  for i = 1, length - 1 do
    local next = byte(text, at + i)
    if not next or next < low or next > high then
      return nil, i
    end
    low, high = 0x80, 0xBF
  end
  return length
end

local function is_valid(text, surrogates)
  local at, last = beyond_ascii(text, 1), #text
  while at <= last do
    local length = length_at(text, at, surrogates)
    if not length then
      return false
    end
    at = beyond_ascii(text, at + length)
  end
  return true
end

-- Tells whether `text` is UTF-8, without surrogates.
function utf8.is_valid(text)
  return is_valid(text, false)
end

-- Returns the character `code`; a surrogate takes its 3-byte form.
function utf8.char(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + floor(code / 0x40), 0x80 + code % 0x40)
  elseif code < 0x10000 then
    return char(0xE0 + floor(code / 0x1000), 0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
  end
  return char(0xF0 + floor(code / 0x40000), 0x80 + floor(code / 0x1000) % 0x40, 0x80 + floor(code / 0x40) % 0x40,
    0x80 + code % 0x40)
end

local FIRST = { 0, 0xC0, 0xE0, 0xF0 }

-- Returns `text` with each character beyond ASCII replaced by what `replacement` gives for its code. Surrogates pass;
-- if anything else is no UTF-8, its bytes and the surrogates become U+FFFD, as Python's "replace" has it.
function utf8.map(text, replacement)
  local surrogates = is_valid(text, true)
  local pieces, count = {}, 0
  local at, start = 1, 1
  while true do
    at = beyond_ascii(text, at)
    if at > #text then
      break
    end
    local length, begun = length_at(text, at, surrogates)
    local code = 0xFFFD
    if length then
      code = byte(text, at) - FIRST[length]
      for i = at + 1, at + length - 1 do
        code = code * 0x40 + byte(text, i) - 0x80
      end
    end
    pieces[count + 1], pieces[count + 2] = sub(text, start, at - 1), replacement(code)
    count = count + 2
    at = at + (length or begun)
    start = at
  end
  pieces[count + 1] = sub(text, start)
  return concat(pieces)
end

-- Returns `text` itself where it is UTF-8 or has lone surrogates only, and else with U+FFFD for what is none.
function utf8.text(text)
  return is_valid(text, true) and text or utf8.map(text, utf8.char)
end

return utf8
