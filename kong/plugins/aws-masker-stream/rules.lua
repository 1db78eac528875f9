-- Rules that say, for each place of a JSON tree, what its strings are, and the walk that applies them. The rules are
-- data of the Python code (wire/rules.py, wire/providers); written here are only its functions, under their names.

local grammar = require "kong.plugins.aws-masker-stream.grammar"
local json = require "kong.plugins.aws-masker-stream.json"

local STRING, OBJECT, ARRAY, INTEGER, FLOAT, NULL =
  json.STRING, json.OBJECT, json.ARRAY, json.INTEGER, json.FLOAT, json.NULL
local member, words = json.member, grammar.words
local sub, format = string.sub, string.format

local MAX_DEPTH = grammar.answers.max_depth
local SMALLEST_NUMBER = 7 -- digits; what has fewer identifies nothing

local rules, named, pick = {}, {}, {}

local function type_of(object)
  return json.text(object, "type") or ""
end

local function ends_with(text, ending)
  return #text >= #ending and sub(text, -#ending) == ending
end

local function ends_with_any(text, endings)
  for _, ending in ipairs(endings) do
    if ends_with(text, ending) then
      return true
    end
  end
  return false
end

-- --- What `pick` chooses

pick["common.<lambda>"] = function()
  return named["common.FREE"]
end

pick["anthropic._block_of"] = function(block)
  local kind, signed = type_of(block), member(block, "signature") ~= nil
  if kind == "thinking" or kind == "compaction" or (signed and not words.types_with_text[kind]) then
    return (kind == "thinking" or signed) and named["anthropic.SIGNED_BLOCK"] or named["anthropic.BLOCK_FIELDS"]
  elseif kind == "redacted_thinking" then
    return named["anthropic.REDACTED"]
  elseif ends_with(kind, "tool_use") then
    return named["anthropic.TOOL_USE"]
  end
  return named["anthropic.BLOCK_FIELDS"]
end

pick["anthropic._source_of"] = function(source)
  -- Python tells base64 of text from other; in answers, neither is touched.
  return type_of(source) == "base64" and named["anthropic.SOURCE"] or named["anthropic.BLOCK_FIELDS"]
end

pick["anthropic._delta_of"] = function(delta)
  if not member(delta, "type") then
    return named["anthropic.BLOCK"]
  end
  return named["anthropic._DELTAS." .. type_of(delta)] or named["anthropic._OTHER_DELTA"]
end

pick["openai_chat._item_of"] = function(item)
  if type_of(item) == "thinking" then
    return named["openai_chat.SIGNED_ITEM"]
  end
  local role = json.text(item, "role")
  return (role == "function" or role == "tool") and named["openai_chat.NAMED"] or named["openai_chat.ITEM_FIELDS"]
end

pick["openai_responses._item_of"] = function(item)
  local kind = type_of(item)
  if kind == "image_generation_call" then
    return named["openai_responses.IMAGE"]
  end
  return ends_with_any(kind, words.responses_named) and named["openai_responses.NAMED"]
    or named["openai_responses.ITEM_FIELDS"]
end

pick["openai_responses._event_of"] = function(event)
  local kind = type_of(event)
  if not ends_with(kind, ".delta") then
    return named["openai_responses.ITEM_FIELDS"]
  elseif words.responses_audio[kind] then
    return named["openai_responses.AUDIO"]
  end
  return ends_with(kind, "arguments.delta") and named["openai_responses.ARGUMENTS"] or named["openai_responses.PROSE"]
end

-- --- The rules themselves

for number in ipairs(grammar.rules) do
  rules[number] = {}
end
for number, row in ipairs(grammar.rules) do
  local rule = rules[number]
  rule.leaf, rule.scope = row.leaf, row.scope
  rule.is_data, rule.is_kept = row.leaf == "DATA", row.leaf == "KEEP"
  rule.is_piece = row.leaf == "PIECE" or row.leaf == "JSON_PIECE"
  rule.other = row.other and rules[row.other] or rule
  rule.fields = {}
  for _, names in ipairs(row.fields or {}) do
    for i = 2, #names do
      rule.fields[names[i]] = rules[names[1]]
    end
  end
  if row.pick then
    rule.pick = assert(pick[row.pick], row.pick)
  end
end
for name, number in pairs(grammar.named_rules) do
  named[name] = rules[number]
end

-- --- Scopes

-- A scope is a list of scalars, each as a text that is the same exactly if Python finds the values equal.
local MISSING = "-"

local function scalar(node)
  if not node or node.kind == NULL then
    return MISSING
  elseif node.kind == STRING then
    return "s" .. node.text
  elseif node.kind == INTEGER then
    return "n" .. (node.text == "-0" and "0" or node.text)
  elseif node.kind == json.BOOLEAN then
    return node.value and "n1" or "n0"
  end
end

-- Returns `scope` with the values of `object`'s own index fields added; anything but a scalar counts as missing.
local function scope_of(rule, object, scope)
  local longer = {}
  for i = 1, #scope do
    longer[i] = scope[i]
  end
  for _, name in ipairs(rule.scope) do
    longer[#longer + 1] = scalar(member(object, name)) or MISSING
  end
  return longer
end

-- Returns a value to compare with a scope's; no scope has that of a list, an object or a broken number.
local function compared(node)
  if node and node.kind == FLOAT then
    local whole = format("%.0f", tonumber(node.text))
    return tonumber(whole) == tonumber(node.text) and "n" .. (whole == "-0" and "0" or whole) or nil
  end
  return scalar(node)
end

-- --- Which blocks end with an event: given that and what lists the open blocks (each with a scope), those that end

local function chosen(open, wanted)
  local found = {}
  for _, block in ipairs(open()) do
    if wanted(block.scope) then
      found[#found + 1] = block
    end
  end
  return found
end

local ended = {}

function ended.anthropic(event, open)
  local kind = type_of(event)
  local reason = member(event, "stop_reason")
  if words.anthropic_ends[kind] or (reason and reason.kind ~= NULL) then
    return open()
  elseif kind == "content_block_stop" or kind == "content_block_start" then
    local index = compared(member(event, "index"))
    return chosen(open, function(scope) return scope[1] == index end)
  end
  return {}
end

ended["openai-chat"] = function(event, open)
  if member(event, "error") then
    return open()
  end
  local choices, finished, any = member(event, "choices"), {}, false
  if not choices or choices.kind ~= ARRAY then
    return {}
  end
  for _, choice in ipairs(choices) do
    local reason = choice.kind == OBJECT and member(choice, "finish_reason")
    if reason and reason.kind ~= NULL then
      any, finished[compared(member(choice, "index")) or false] = true, true
    end
  end
  return any and chosen(open, function(scope) return finished[scope[1]] end) or {}
end

ended["openai-responses"] = function(event, open)
  local kind = type_of(event)
  if words.responses_ends[kind] then
    return open()
  elseif kind == "response.output_item.done" then
    local index = compared(member(event, "output_index"))
    return chosen(open, function(scope) return scope[3] == index end)
  elseif not ends_with(kind, ".done") then
    return {}
  end
  local delta, is_part = "s" .. sub(kind, 1, -5) .. "delta", ends_with(kind, "part.done")
  return chosen(open, function(scope)
    if scope[1] ~= delta and not is_part then
      return false
    end
    for i = 2, #words.responses_block do
      local own = member(event, words.responses_block[i])
      if own and compared(own) ~= scope[i] then
        return false
      end
    end
    return true
  end)
end

function ended.other()
  return {}
end

-- Never asked: Bedrock's streams are no server-sent events, so Kong collects its answers.
ended["bedrock-invoke"], ended["bedrock-converse"] = ended.other, ended.other

-- --- The walk

local walk_object

-- Calls visit(visitor, node, leaf, key, scope) for every string under `node`, which stands at `rule`'s place, in the
-- text's order; also for keys of free-form data (leaf KEY) and its longer integers (NUMBER). Raises NOT_JSON.
local function walk(node, rule, visit, visitor, key, scope, depth)
  local kind = node.kind
  if kind == STRING then
    if not rule.is_kept then
      visit(visitor, node, rule.leaf, key, scope)
    end
  elseif kind == OBJECT then
    walk_object(node, rule, visit, visitor, scope, depth)
  elseif kind == ARRAY then
    if depth >= MAX_DEPTH then
      error(json.NOT_JSON, 0)
    end
    for i = 1, node.count do
      walk(node[i], rule, visit, visitor, key, scope, depth + 1)
    end
  elseif kind == INTEGER and rule.is_data and #node.text >= SMALLEST_NUMBER and sub(node.text, 1, 1) ~= "-" then
    visit(visitor, node, "NUMBER", key, scope)
  end
end

function walk_object(node, rule, visit, visitor, scope, depth)
  if depth >= MAX_DEPTH then
    error(json.NOT_JSON, 0)
  end
  if rule.pick then
    rule = rule.pick(node)
  end
  if rule.scope then
    scope = scope_of(rule, node, scope)
  end
  local fields, other = rule.fields, rule.other
  for i = 1, node.count do
    local key = node.keys[i]
    if rule.is_data then
      visit(visitor, key, "KEY", "", scope)
    end
    walk(node.values[i], fields[key.text] or other, visit, visitor, key.text, scope, depth + 1)
  end
end

-- Not compiled: in long runs of nginx an error was raised here now and then that nothing in these lines can
-- raise, and never with the same events again; traces of recursion are where LuaJIT had such faults.
-- Events are small, so it costs little.
jit.off(walk)
jit.off(walk_object)

local policies = {}
for api, policy in pairs(grammar.policies) do
  policies[api] = { response = rules[policy.response], event = rules[policy.event], ended = assert(ended[api], api) }
end

return {
  policies = policies,
  FREE = named["common.FREE"],
  scope_of = scope_of,
  walk = function(node, rule, visit, visitor) walk(node, rule, visit, visitor, "", {}, 0) end,
}
