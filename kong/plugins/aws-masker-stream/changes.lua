-- Whole JSON texts restored: an answer, a line of NDJSON, the data of a stream event.
-- The same as kong_plugins/aws_masker/wire/restoring.py, with the splicing of wire/jsontext.py.

local dump = require "kong.plugins.aws-masker-stream.dump"
local json = require "kong.plugins.aws-masker-stream.json"
local rules = require "kong.plugins.aws-masker-stream.rules"
local Restorer = require "kong.plugins.aws-masker-stream.restorer"

local sub, lower, find, byte, concat = string.sub, string.lower, string.find, string.byte, table.concat

-- --- Placeholders to values, by one lookup

local Restoring = {}
Restoring.__index = Restoring

function Restoring.new(lookup)
  return setmetatable({ lookup = lookup }, Restoring)
end

-- Returns `text` restored. `escaped`: it is the inside of a JSON string that is not parsed here.
function Restoring:whole(text, escaped)
  return self:pieces(escaped):finish(text)
end

-- Begins a text that arrives in pieces.
function Restoring:pieces(escaped)
  return Restorer.new(self.lookup, escaped and dump.escaped or nil)
end

-- --- The changed strings of one JSON text

local Changes = {}
Changes.__index = Changes

local UNTOUCHED = { SIGNED = true, BLOB = true, BINARY = true }

-- `pieces` takes the pieces (node, leaf, key, scope), which are then left as they are; without it they are restored as
-- whole texts.
function Changes.new(raw, restoring, pieces)
  return setmetatable({
    text = json.read(raw), restoring = restoring, pieces = pieces, edits = {}, any = false,
  }, Changes)
end

function Changes:change(node, new)
  if new ~= node.text then
    self.edits[node] = new
    self.any = true
  end
end

-- Lets a piece, the last of its block, also bring what the block `held` back.
function Changes:append(node, new, held)
  if held ~= "" then
    self.edits[node] = nil
    self:change(node, new .. held)
    self.any = next(self.edits) ~= nil
  end
end

local function visit(self, node, leaf, key, scope)
  if UNTOUCHED[leaf] or (leaf == "URL" and lower(sub(node.text, 1, 5)) == "data:") then
    return
  end
  if self.pieces and (leaf == "PIECE" or leaf == "JSON_PIECE") then
    self.pieces[#self.pieces + 1] = { node = node, leaf = leaf, key = key, scope = scope }
    return
  end
  local old = node.text
  self:change(node, (leaf == "JSON" or leaf == "JSON_PIECE") and self:json(old) or self.restoring:whole(old))
end

-- Restores all strings under `rule`; raises NOT_JSON.
function Changes:over(rule)
  rules.walk(self.text.tree, rule, visit, self)
end

-- Returns an integer's new digits; as a string if they are none, as `0123` is no number.
local function number(value)
  return find(value, "^[1-9][0-9]*$") and value or dump.quoted(value)
end

-- Adds to `spliced` the changes of integers: as in Python, every literal with the same digits between the same two
-- strings changes along.
local function add_numbers(spliced, raw, between)
  for _, changes in pairs(between) do
    local from, to = changes.from, changes.from
    while from > 1 and byte(raw, from - 1) ~= 34 do
      from = from - 1
    end
    to = (find(raw, '"', to, true) or #raw + 1) - 1
    local at = from
    while true do
      local start, stop = find(raw, "[^%[%]{}:, \t\r\n]+", at)
      if not start or start > to then
        break
      end
      stop = stop < to and stop or to
      local new = changes.digits[sub(raw, start, stop)]
      if new then
        spliced[#spliced + 1] = { from = start, to = stop, new = number(new) }
      end
      at = stop + 1
    end
  end
end

-- Raises NOT_JSON if a key is repeated.
function Changes:check()
  if self.text.repeated then
    error(json.NOT_JSON, 0)
  end
end

-- Returns the text with its changes; raises NOT_JSON if a key is repeated.
function Changes:applied()
  local raw = self.text.raw
  if not self.any then
    return raw
  end
  self:check()
  local spliced, between = {}, {}
  for node, new in pairs(self.edits) do
    if node.kind == json.STRING then
      spliced[#spliced + 1] = { from = node.from, to = node.to, new = dump.quoted(new) }
    else
      between[node.token] = between[node.token] or { from = node.from, digits = {} }
      between[node.token].digits[node.text] = new
    end
  end
  add_numbers(spliced, raw, between)
  table.sort(spliced, function(a, b) return a.from < b.from end)
  local out, done = {}, 1
  for _, one in ipairs(spliced) do
    out[#out + 1] = sub(raw, done, one.from - 1)
    out[#out + 1] = one.new
    done = one.to + 1
  end
  out[#out + 1] = sub(raw, done)
  return concat(out)
end

-- Returns a JSON text with its strings restored, the same text if nothing changes; raises NOT_JSON.
local function restored(raw, rule, restoring)
  local changes = Changes.new(raw, restoring)
  changes:over(rule)
  return changes:applied()
end

-- Calls `attempt`, and `otherwise` with the same arguments where that raises NOT_JSON.
local function unless_json(attempt, otherwise, ...)
  local well, result = pcall(attempt, ...)
  if well then
    return result
  elseif result ~= json.NOT_JSON then
    error(result, 0)
  end
  return otherwise(...)
end

local function as_text(raw, _, restoring)
  return restoring:whole(raw)
end

local function as_json_text(raw, _, restoring)
  return restoring:whole(raw, true)
end

function Changes:json(value)
  return unless_json(restored, as_text, value, rules.FREE, self.restoring)
end

return {
  Restoring = Restoring,
  Changes = Changes,
  unless_json = unless_json,
  restored_or_text = function(raw, rule, restoring)
    return unless_json(restored, as_json_text, raw, rule, restoring)
  end,
}
