-- Server-sent events (WHATWG HTML, 9.2), read from bytes that arrive in any cuts, with every raw byte kept.
-- The same as kong_plugins/aws_masker/wire/sse.py.

local byte, sub, find, concat = string.byte, string.sub, string.find, table.concat

local BOM = "\239\187\191"

local sse = {}

-- --- Events

local Event = {}
Event.__index = Event

-- Returns where the line that begins at `start` ends (its last byte, and where the next begins).
local function line_end(raw, start)
  local stop = start
  local code = byte(raw, stop)
  while code ~= 10 and code ~= 13 do
    stop = stop + 1
    code = byte(raw, stop)
  end
  local behind = stop + 1
  if code == 13 and byte(raw, behind) == 10 then
    behind = behind + 1
  end
  return stop - 1, behind
end

-- Reads a whole event, whose first line begins at `start`: its data (lines joined by LF; nil if there are none), where
-- the values of its data lines stand, its name, and how its first line ended.
local function event_from(raw, start)
  local self = setmetatable({ raw = raw, lines = {}, name = "", newline = nil }, Event)
  local data = {}
  local next_colon = 0 -- from `start` on
  while true do
    local stop, behind = line_end(raw, start)
    self.newline = self.newline or sub(raw, stop + 1, stop + 1)
    if self.newline == "\r" and behind == stop + 3 then
      self.newline = "\r\n"
    end
    if stop < start then
      break
    end
    if next_colon < start then
      next_colon = find(raw, ":", start, true) or #raw + 1
    end
    local colon = next_colon <= stop and next_colon or stop + 1
    local name = sub(raw, start, colon - 1)
    local value = colon + (colon <= stop and byte(raw, colon + 1) == 32 and 2 or 1)
    if name == "data" then
      value = value <= stop + 1 and value or stop + 1
      self.lines[#self.lines + 1] = { value, stop }
      data[#data + 1] = sub(raw, value, stop)
    elseif name == "event" then
      self.name = sub(raw, value, stop)
    end
    start = behind
  end
  self.data = data[1] and concat(data, "\n") or nil
  return self
end

local function lines_of(text)
  local lines, start = {}, 1
  while true do
    local stop = find(text, "\n", start, true)
    lines[#lines + 1] = sub(text, start, (stop or 0) - 1)
    if not stop then
      return lines
    end
    start = stop + 1
  end
end

-- Returns the raw event with other data; its other lines stay as they are.
function Event:with_data(data)
  local raw, lines = self.raw, self.lines
  local first, last = lines[1], lines[#lines]
  if #lines == 1 and not find(data, "\n", 1, true) then
    return sub(raw, 1, first[1] - 1) .. data .. sub(raw, first[2] + 1)
  end
  local pieces = { sub(raw, 1, first[1] - 1), concat(lines_of(data), self.newline .. "data: ") }
  local between = sub(raw, first[2] + 1, last[2]):gsub("\r\n", "\n"):gsub("\r", "\n")
  for i, line in ipairs(lines_of(between)) do
    if i > 1 and line ~= "data" and sub(line, 1, 5) ~= "data:" then
      pieces[#pieces + 1] = self.newline .. line
    end
  end
  pieces[#pieces + 1] = sub(raw, last[2] + 1)
  return concat(pieces)
end

-- Returns a new event; `name` may be empty.
function sse.event_of(name, data, newline)
  local head = name ~= "" and "event: " .. name .. newline or ""
  return head .. "data: " .. data .. newline .. newline
end

-- --- Reader

-- Cuts a stream into events; however its bytes are cut, the same events and loose bytes come out. A line may end with
-- CR, and an LF after it still belongs to it. An event that ends so is handed out at once; the LF, when it comes,
-- follows as loose bytes. So nothing waits for a byte that may never come.
local Reader = {}
Reader.__index = Reader

function sse.reader()
  return setmetatable({
    pieces = {}, count = 0, -- of the unfinished event
    size = 0, -- their bytes
    line = 0, -- bytes of its unfinished line
    begun = false, -- whether a byte order mark can no longer come
    skipped = 0, -- its bytes, in the first event
    after_cr = false, -- whether the last byte was a CR
    fresh = true, -- whether nothing of a new event has come
  }, Reader)
end

local function keep(self, piece)
  if piece ~= "" then
    self.count = self.count + 1
    self.pieces[self.count] = piece
    self.size = self.size + #piece
  end
end

-- Returns the bytes of the unfinished event, as they came, and forgets them.
function Reader:rest()
  local rest = concat(self.pieces)
  self.pieces, self.count, self.size, self.line, self.fresh = {}, 0, 0, 0, true
  return rest
end

-- Returns `data` from where on it may be read, or nil as long as a byte order mark may be coming.
local function without_bom(self, data)
  data = self:rest() .. data
  if #data < 3 and sub(BOM, 1, #data) == data then
    keep(self, data)
    return nil
  end
  self.begun = true
  if sub(data, 1, 3) ~= BOM then
    return data
  end
  keep(self, BOM)
  self.skipped = 3
  return sub(data, 4)
end

local function finish(self)
  local raw = self:rest()
  local event = event_from(raw, self.skipped + 1)
  self.skipped = 0
  return event
end

-- Calls `each(owner, event)` for the events that `data` completes, in order.
function Reader:feed(data, each, owner)
  if not self.begun then
    data = without_bom(self, data)
    if not data then
      return
    end
  end
  local length = #data
  local start, at = 1, 1 -- what is not kept yet; where the next line end is looked for
  local lf, cr = 0, 0 -- the next ones from `at` on
  while at <= length do
    if self.after_cr then
      self.after_cr = false
      if byte(data, at) == 10 then
        at = at + 1
        if self.fresh then
          start = at
          each(owner, { raw = "\n" })
        end
      end
    end
    if lf < at then
      lf = find(data, "\n", at, true) or length + 1
    end
    if cr < at then
      cr = find(data, "\r", at, true) or length + 1
    end
    local stop = lf < cr and lf or cr
    if stop > length then
      self.line = self.line + length + 1 - at
      at = stop
    else
      local is_blank = self.line == 0 and stop == at
      self.after_cr = stop == cr
      self.line, self.fresh = 0, false
      at = stop + 1
      if is_blank then
        keep(self, sub(data, start, stop))
        start = at
        each(owner, finish(self))
      end
    end
  end
  keep(self, sub(data, start))
  self.fresh = self.size == 0
end

return sse
