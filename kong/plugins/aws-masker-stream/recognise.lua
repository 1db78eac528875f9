-- Where in a text a placeholder may stand, and where its beginning may stand at the text's end.
-- The same as kong_plugins/aws_masker/pseudonym/recognise.py; positions here count from 1, and an `end` is inclusive.

local ffi = require "ffi"
local grammar = require "kong.plugins.aws-masker-stream.grammar"

local byte, sub, find, lower, upper = string.byte, string.sub, string.find, string.lower, string.upper
local concat, max, min = table.concat, math.max, math.min

local LOOK_BACK, LONGEST = grammar.look_back, grammar.longest
local OPAQUE = grammar.opaque

-- An automaton: the state after a byte is next[state * width + class[byte]]; 0 is none, 1 the start.
local function automaton(source)
  local letters, width = {}, 0
  local class = ffi.new "uint8_t[256]"
  local classes = concat(source.classes)
  for i = 1, 256 do
    local letter = sub(classes, i, i)
    if not letters[letter] then
      letters[letter] = width
      width = width + 1
    end
    class[i - 1] = letters[letter]
  end
  local next = ffi.new("uint16_t[?]", (source.states + 1) * width)
  local accepting = ffi.new("bool[?]", source.states + 1)
  local state = 0
  for row in concat(source.rows):gmatch "([^,]*)," do
    state = state + 1
    if byte(row) == 61 then -- "="
      accepting[state] = true
      row = sub(row, 2)
    end
    for at, target in row:gmatch "([^0-9]+)([0-9]+)" do
      for i = 1, #at do
        next[state * width + letters[sub(at, i, i)]] = target + 1
      end
    end
  end
  assert(state == source.states)
  return { next = next, class = class, accepting = accepting, width = width }
end

-- Returns from where on the end of `text` matches, looking no further back than `position`; nil if nowhere.
local function matches_at_end(found, text, position)
  local next, class, accepting, width = found.next, found.class, found.accepting, found.width
  local length = #text
  for start = position, length do
    local state, i = 1, start
    while i <= length do
      state = next[state * width + class[byte(text, i)]]
      if state == 0 then
        break
      end
      i = i + 1
    end
    if state ~= 0 and accepting[state] then
      return start
    end
  end
end

local CANDIDATE, BEGUN, ESCAPE = automaton(grammar.candidate), automaton(grammar.begun), automaton(grammar.escape)

local recognise = { LOOK_BACK = LOOK_BACK }

-- Returns the first place that begins from `position` to `last` where a placeholder may stand, the longest one.
-- One loop, not two: a loop inside another is compiled by LuaJIT at some times and at others not.
function recognise.candidate(text, position, last)
  local next, class, accepting, width = CANDIDATE.next, CANDIDATE.class, CANDIDATE.accepting, CANDIDATE.width
  local length = #text
  if last > length then
    last = length
  end
  local start, at, state, stop = position, position, 1, 0
  while start <= last do
    state = at <= length and next[state * width + class[byte(text, at)]] or 0
    if state == 0 then
      if stop ~= 0 then
        return start, stop
      end
      start = start + 1
      at, state = start, 1
    else
      if accepting[state] then
        stop = at
      end
      at = at + 1
    end
  end
end

-- Returns from where on the end of `text` may be the beginning of a placeholder; behind its end if nowhere.
function recognise.begun_at(text, position)
  return matches_at_end(BEGUN, text, max(position, #text - LONGEST + 1)) or #text + 1
end

local function is_digit(code)
  return code ~= nil and code >= 48 and code <= 57
end

-- Returns what stands before `start`, as far as it is looked at.
local function left_of(text, start, before)
  return sub(before .. sub(text, max(1, start - LOOK_BACK), start - 1), -LOOK_BACK)
end

-- Returns from where to search on behind a refused candidate: no number begins inside a longer one. One begins behind
-- an escape, though, whose own digits may stand before it: `%22110441248989%22`.
function recognise.next_position(text, start, before)
  local stop = start
  while is_digit(byte(text, stop)) do
    stop = stop + 1
  end
  local left = left_of(text, start, before)
  if find(left, "[%%\\xuU0-9A-Fa-f]$") then
    for position = start + 1, min(stop - 1, start + grammar.escape_digits) do
      if matches_at_end(ESCAPE, left .. sub(text, start, position - 1), 1) then
        return position
      end
    end
  end
  return max(start + 1, stop)
end

-- Returns a candidate without escapes, entities and line breaks, and for each character where it ended, counted from
-- the candidate's beginning (nil where nothing was left out).
local function plain_of(text)
  if not find(text, "[^0-9A-Za-z%-.:/]") then
    return text
  end
  local plain, ends, count = {}, {}, 0
  local i = 1
  while i <= #text do
    local char = sub(text, i, i)
    if find(char, "[\r\n\t >|\\]") then
      i = i + 1
    else
      if find(char, "[0-9A-Za-z%-.:/]") then
        i = i + 1
      else -- an entity or one of Unicode's hyphens
        i = char == "&" and find(text, ";", i, true) + 1 or i + 3
        char = "-"
      end
      count = count + 1
      plain[count], ends[count] = char, i - 1
    end
  end
  return concat(plain), ends
end

local head_lengths = {}
do
  local seen = {}
  for head in pairs(grammar.forms) do
    if not seen[#head] then
      seen[#head] = true
      head_lengths[#head_lengths + 1] = #head
    end
  end
  table.sort(head_lengths, function(a, b) return a > b end)
end

-- Each `*_reading` returns the first spelling that `lookup` knows: its value, where it ends, and whether that is
-- settled, whatever may follow.

local function form_reading(plain, start, ends, lookup)
  local lowered = lower(sub(plain, 1, head_lengths[1]))
  for _, length in ipairs(head_lengths) do
    local forms = #lowered >= length and grammar.forms[sub(lowered, 1, length)]
    for _, form in ipairs(forms or {}) do
      local head, payload, hyphens, capitals = form[1], form[2], form[3], form[4]
      local stop = #head + payload + hyphens
      if stop <= #plain then
        local rest = sub(plain, #head + 1, stop)
        local value = lookup(head .. (capitals and upper(rest) or lower(rest)))
        if value then
          return value, start + (ends and ends[stop] or stop) - 1, true
        end
      end
    end
  end
end

local function opaque_reading(plain, start, ends, lookup)
  local word = upper(plain) -- another word may stand right behind it
  local custom = #OPAQUE.custom
  if sub(word, 1, custom) == OPAQUE.custom then -- the names of users' patterns are known to the mapping only
    for stop = #word, custom + OPAQUE.length + 1, -1 do
      local value = lookup(sub(word, 1, stop))
      if value then
        return value, start + (ends and ends[stop] or stop) - 1, false
      end
    end
  end
  for _, head in ipairs(OPAQUE.heads) do
    local stop = #head + OPAQUE.length
    if stop <= #word and sub(word, 1, #head) == head then
      local value = lookup(sub(word, 1, stop))
      if value then
        return value, start + (ends and ends[stop] or stop) - 1, false
      end
    end
  end
end

local function number_reading(number, whole, start, ends, lookup)
  if whole then
    local value = lookup(number)
    if value then
      return value, start + (ends and ends[#number] or #number) - 1, false
    end
  end
  local slash = find(number, "/", 1, true)
  local last = slash and slash - 1 or #number
  while byte(number, last) == 58 do -- ":"
    last = last - 1
  end
  if last < #number then
    local value = lookup(sub(number, 1, last))
    if value then
      return value, start + (ends and ends[last] or last) - 1, false
    end
  end
end

-- Returns the value of the candidate from `start` to `stop`, where what was read ends, and whether that is settled;
-- nil if `lookup` knows none of its readings. `before`: the last bytes before `text`.
function recognise.read(text, start, stop, before, lookup)
  local plain, ends = plain_of(sub(text, start, stop))
  if is_digit(byte(plain)) or (lower(sub(plain, 1, 2)) == "fc" and find(plain, ":", 1, true)) then
    local left = left_of(text, start, before)
    if is_digit(byte(left, -1)) and not matches_at_end(ESCAPE, left, 1) then
      return nil
    end
    return number_reading(lower(plain), not is_digit(byte(text, stop + 1)), start, ends, lookup)
  end
  local value, last, settled = form_reading(plain, start, ends, lookup)
  if not value and upper(sub(plain, 1, 3)) == OPAQUE.head and not find(plain, "[^0-9A-Za-z]") then
    return opaque_reading(plain, start, ends, lookup)
  end
  return value, last, settled
end

return recognise
