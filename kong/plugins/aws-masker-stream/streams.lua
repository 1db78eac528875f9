-- Event streams restored on the fly: the same as kong_plugins/aws_masker/wire/streams.py, which tells how it works.

local grammar = require "kong.plugins.aws-masker-stream.grammar"
local dump = require "kong.plugins.aws-masker-stream.dump"
local json = require "kong.plugins.aws-masker-stream.json"
local rules = require "kong.plugins.aws-masker-stream.rules"
local sse = require "kong.plugins.aws-masker-stream.sse"
local utf8 = require "kong.plugins.aws-masker-stream.utf8"
local changes_of = require "kong.plugins.aws-masker-stream.changes"

local byte, concat, find = string.byte, table.concat, string.find
local STRING, OBJECT, ARRAY, NULL = json.STRING, json.OBJECT, json.ARRAY, json.NULL
local Changes, unless_json = changes_of.Changes, changes_of.unless_json
local MAX_BLOCKS, MAX_PIECES = grammar.answers.max_blocks, grammar.answers.max_pieces

-- --- Blocks in the order in which they were opened: a ring of links, and a table by name

local function blocks_new()
  local ring = {}
  ring.next, ring.previous = ring, ring
  local blocks = { by_name = {}, ring = ring, count = 0 }
  function blocks.list()
    local list, block = {}, ring.next
    while block ~= ring do
      list[#list + 1] = block
      block = block.next
    end
    return list
  end
  return blocks
end

local function blocks_add(blocks, block)
  local ring = blocks.ring
  block.previous, block.next = ring.previous, ring
  ring.previous.next, ring.previous = block, block
  blocks.by_name[block.name] = block
  blocks.count = blocks.count + 1
end

local function blocks_remove(blocks, block)
  block.previous.next, block.next.previous = block.next, block.previous
  blocks.by_name[block.name] = nil
  blocks.count = blocks.count - 1
end

-- Returns the name of the block of a piece: its scope and its key, each with its length.
local function name_of(scope, key)
  local parts = {}
  for i = 1, #scope do
    parts[i] = #scope[i] .. ":" .. scope[i]
  end
  parts[#parts + 1] = #key + 1 .. ":s" .. key
  return concat(parts)
end

-- --- Extra events

local null_or_found

-- Returns what of `node` lies on the way to the piece called `name`, which becomes `text`; nil if nothing does. The
-- root keeps its plain fields (`id`, `model`, `sequence_number`, ...) and empty lists in the place of lists.
local function cut(node, rule, key, scope, name, text, is_root)
  local kind = node.kind
  if kind == STRING then
    return rule.is_piece and name_of(scope, key) == name and { kind = STRING, text = text } or nil
  elseif kind == ARRAY then
    for i = 1, node.count do
      local found = cut(node[i], rule, key, scope, name, text, false)
      if found then
        return { kind = ARRAY, count = 1, found }
      end
    end
    return nil
  elseif kind ~= OBJECT then
    return nil
  end
  rule = rule.pick and rule.pick(node) or rule
  scope = rule.scope and rules.scope_of(rule, node, scope) or scope
  local kept = {}
  for _, field in ipairs(rule.scope or { "type" }) do
    kept[field] = true
  end
  return null_or_found(node, rule, scope, name, text, is_root, kept)
end

function null_or_found(node, rule, scope, name, text, is_root, kept)
  local way, is_on_way = { kind = OBJECT, count = 0, keys = {}, values = {} }, false
  for i = 1, node.count do
    local key, child = node.keys[i], node.values[i]
    local below = rule.fields[key.text] or rule.other
    local found = cut(child, below, key.text, scope, name, text, false)
    is_on_way = is_on_way or found ~= nil
    if not found then
      if child.kind == NULL or kept[key.text] then
        found = child
      elseif is_root and child.kind == ARRAY then
        found = { kind = ARRAY, count = 0 }
      elseif is_root and child.kind ~= OBJECT and not below.is_piece then
        found = child
      end
    end
    if found then
      way.count = way.count + 1
      way.keys[way.count], way.values[way.count] = key, found
    end
  end
  return is_on_way and way or nil
end

-- --- The stream

local Stream = {}
Stream.__index = Stream

-- `policy`: one of rules.policies. `limit`: most bytes of one event.
local function stream_new(policy, restoring, limit)
  return setmetatable({
    policy = policy, restoring = restoring, limit = limit, reader = sse.reader(), blocks = blocks_new(), overflow = nil,
  }, Stream)
end

-- Ends blocks; returns the extra events with what they held back.
local function end_blocks(self, list)
  local extras = {}
  for _, block in ipairs(list) do
    blocks_remove(self.blocks, block)
    local held = block.restorer:flush()
    if held ~= "" then
      local tree = cut(block.tree, self.policy.event, "", {}, block.name, utf8.text(held), true)
      extras[#extras + 1] = sse.event_of(block.event.name, dump.dumped(tree), block.event.newline)
    end
  end
  return concat(extras)
end

local function overflowed(self, data)
  self.overflow = self.restoring:pieces(true)
  return end_blocks(self, self.blocks.list()) .. self.overflow:feed(data)
end

-- Returns the block of a piece; opens it, for which the oldest may have to end.
local function block_of(self, piece, extras)
  local blocks, name = self.blocks, name_of(piece.scope, piece.key)
  local block = blocks.by_name[name]
  if not block then
    if blocks.count >= MAX_BLOCKS then
      extras[#extras + 1] = end_blocks(self, { blocks.ring.next })
    end
    block = { name = name, scope = piece.scope, restorer = self.restoring:pieces(piece.leaf == "JSON_PIECE") }
    blocks_add(blocks, block)
  end
  return block
end

local function restored(self, event)
  local extras, met, pieces = {}, {}, {}
  local changes = Changes.new(event.data, self.restoring, pieces)
  local tree = changes.text.tree
  changes:over(self.policy.event)
  changes:check() -- now: no piece of an event that is not understood must have changed its block
  for i, piece in ipairs(pieces) do
    local node = piece.node
    if i <= MAX_PIECES then
      local block = block_of(self, piece, extras)
      block.event, block.tree = event, tree
      local new = block.restorer:feed(node.text)
      met[block.name] = { node = node, new = new }
      changes:change(node, new)
    else
      changes:change(node, self.restoring:whole(node.text, piece.leaf == "JSON_PIECE"))
    end
  end
  local ended = tree.kind == OBJECT and self.policy.ended(tree, self.blocks.list) or {}
  for _, block in ipairs(ended) do
    local last = met[block.name]
    if not last then
      extras[#extras + 1] = end_blocks(self, { block })
    else
      blocks_remove(self.blocks, block)
      changes:append(last.node, last.new, block.restorer:flush())
    end
  end
  local data = changes:applied()
  extras[#extras + 1] = data == event.data and event.raw or event:with_data(data)
  return concat(extras)
end

local function as_text(self, event)
  return event:with_data(self.restoring:whole(event.data))
end

local function restored_event(self, event)
  if not event.data then
    return event.raw
  elseif byte(event.data) ~= 123 and find(event.data, "^%s*%[DONE%]%s*$") then
    return end_blocks(self, self.blocks.list()) .. event.raw
  end
  return unless_json(restored, as_text, self, event)
end

local function take(self, event)
  local out
  if self.overflow then
    out = self.overflow:feed(event.raw)
  elseif #event.raw > self.limit then
    out = overflowed(self, event.raw)
  else
    out = restored_event(self, event)
  end
  self.out[#self.out + 1] = out
end

-- Returns what the client gets for these bytes of the stream.
function Stream:feed(data)
  if self.overflow then
    return self.overflow:feed(data)
  end
  local out = {}
  self.out = out
  self.reader:feed(data, take, self)
  if self.overflow then
    out[#out + 1] = self.overflow:feed(self.reader:rest())
  elseif self.reader.size > self.limit then
    out[#out + 1] = overflowed(self, self.reader:rest())
  end
  return concat(out)
end

-- Returns what is still held back, and an unfinished last event as it came: the stream has ended.
function Stream:close()
  if self.overflow then
    return self.overflow:flush()
  end
  return end_blocks(self, self.blocks.list()) .. self.reader:rest()
end

return stream_new
