-- Masked text in, restored text out: whole, or in pieces as a stream brings them.
-- The same as kong_plugins/aws_masker/restoring.py.

local recognise = require "kong.plugins.aws-masker-stream.recognise"

local sub, max, concat = string.sub, math.max, table.concat
local LOOK_BACK = recognise.LOOK_BACK

local Restorer = {}
Restorer.__index = Restorer

-- `lookup`: from a placeholder in canonical form to its value, or nil. `escape`: applied to each value, if given.
function Restorer.new(lookup, escape)
  return setmetatable({ lookup = lookup, escape = escape, held = "", before = "" }, Restorer)
end

local function advance(self, text, final)
  local pieces, count = nil, 0
  local done, position = 1, 1
  local held = final and #text + 1 or recognise.begun_at(text, 1) -- from here on, nothing is settled
  while true do
    local start, stop = recognise.candidate(text, position, held)
    if not start then
      break
    end
    local value, last, settled = recognise.read(text, start, stop, self.before, self.lookup)
    if start == held and not (value and settled) then
      break -- it could still become another one, or a longer number
    end
    if not value then
      position = recognise.next_position(text, start, self.before)
    else
      pieces = pieces or {}
      pieces[count + 1] = sub(text, done, start - 1)
      pieces[count + 2] = self.escape and self.escape(value) or value
      count = count + 2
      done = last + 1
      position = done
      if done > held then
        held = recognise.begun_at(text, done)
      end
    end
  end
  self.before = sub(self.before .. sub(text, max(1, held - LOOK_BACK), held - 1), -LOOK_BACK)
  self.held = sub(text, held)
  if not pieces then
    return sub(text, 1, held - 1)
  end
  pieces[count + 1] = sub(text, done, held - 1)
  return concat(pieces)
end

-- Returns what is settled of the text so far.
function Restorer:feed(data)
  return advance(self, self.held == "" and data or self.held .. data, false)
end

-- Feeds the last piece and returns the rest: the text has ended. The next text may then begin.
function Restorer:finish(data)
  local settled = advance(self, self.held .. data, true)
  self.before = ""
  return settled
end

function Restorer:flush()
  return self:finish ""
end

return Restorer
