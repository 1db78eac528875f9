-- Bodies of answers restored as they arrive, and which of them an answer has. The same as wire/bodies.py,
-- wire/headers.py and ResponseRestorer (pipeline.py) in kong_plugins/aws_masker.

local grammar = require "kong.plugins.aws-masker-stream.grammar"
local rules = require "kong.plugins.aws-masker-stream.rules"
local changes = require "kong.plugins.aws-masker-stream.changes"
local stream = require "kong.plugins.aws-masker-stream.streams"
local zlib = require "kong.plugins.aws-masker-stream.zlib"

local find, sub, lower, concat = string.find, string.sub, string.lower, table.concat
local answers = grammar.answers

-- --- Text: no class of its own, a restorer does the work

local function text_body(restoring, escaped)
  local restorer = restoring:pieces(escaped)
  return {
    feed = function(_, data) return restorer:feed(data) end,
    close = function() return restorer:flush() end,
  }
end

-- --- JSON: collected, then restored by its rules; one that is too large, or is none, is restored as text

local Json = {}
Json.__index = Json

function Json:feed(data)
  if self.text then
    return self.text:feed(data)
  end
  self.parts[#self.parts + 1] = data
  self.size = self.size + #data
  if self.size <= self.limit then
    return ""
  end
  self.text = text_body(self.restoring, true)
  local parts = concat(self.parts)
  self.parts = {}
  return self.text:feed(parts)
end

function Json:close()
  if self.text then
    return self.text:close()
  end
  return changes.restored_or_text(concat(self.parts), self.rule, self.restoring)
end

-- --- JSON texts on lines of their own; a line beyond the limit makes text of it and all that follow

local Lines = {}
Lines.__index = Lines

local function line_of(self, piece)
  self.parts[#self.parts + 1] = piece
  local line = concat(self.parts)
  self.parts, self.size = {}, 0
  return line
end

function Lines:feed(data)
  if self.text then
    return self.text:feed(data)
  end
  local out, start = {}, 1
  local stop = find(data, "\n", 1, true)
  while stop and self.size + stop - start <= self.limit do
    local line = line_of(self, sub(data, start, stop - 1))
    out[#out + 1] = changes.restored_or_text(line, self.rule, self.restoring)
    out[#out + 1] = "\n"
    start = stop + 1
    stop = find(data, "\n", start, true)
  end
  local rest = sub(data, start)
  if stop or self.size + #rest > self.limit then
    self.text = text_body(self.restoring, true)
    out[#out + 1] = self.text:feed(line_of(self, rest))
  else
    self.parts[#self.parts + 1] = rest
    self.size = self.size + #rest
  end
  return concat(out)
end

function Lines:close()
  if self.text then
    return self.text:close()
  end
  return changes.restored_or_text(concat(self.parts), self.rule, self.restoring)
end

local function collecting(class, policy, restoring, limit)
  return setmetatable({ rule = policy.response, restoring = restoring, limit = limit, parts = {}, size = 0 }, class)
end

local MAKERS = {
  sse = function(policy, restoring, limit) return stream(policy, restoring, limit) end,
  json = function(policy, restoring, limit) return collecting(Json, policy, restoring, limit) end,
  ndjson = function(policy, restoring, limit) return collecting(Lines, policy, restoring, limit) end,
  text = function(_, restoring) return text_body(restoring) end,
}

-- --- Which body an answer has

local function trimmed(text)
  return text:match "^%s*(.-)%s*$"
end

local function split(text)
  local parts = {}
  for part in (text .. ","):gmatch "([^,]*)," do
    parts[#parts + 1] = part
  end
  return parts
end

-- Returns the values of a header: a list, whatever Kong's table of headers has.
local function values_of(headers, wanted)
  for name, value in pairs(headers) do
    if lower(name) == wanted then
      return type(value) == "table" and value or { value }
    end
  end
  return {}
end

local function shape_of_type(value)
  local media, parameters = lower(value):match "^([^;]*)(.*)$"
  local charset = ""
  for name, setting in parameters:gmatch ";([^;=]*)=?([^;]*)" do
    if trimmed(name) == "charset" then
      charset = trimmed(setting):match '^"*(.-)"*$'
    end
  end
  if sub(charset, 1, 6) == "utf-16" or sub(charset, 1, 6) == "utf-32" then
    return nil
  end
  media = trimmed(media)
  if media == "application/json" or sub(media, -5) == "+json" then
    return "json"
  elseif answers.ndjson[media] then
    return "ndjson"
  elseif media == "text/event-stream" then
    return "sse"
  end
  return sub(media, 1, 5) == "text/" and "text" or nil
end

-- Returns how an answer's body is read ("sse", "json", "ndjson", "text"); nil where it passes as it is. A partial
-- answer (206) does: its length is fixed by its range.
local function shape_of(status, headers)
  local given = values_of(headers, "content-type")
  if status == 204 or status == 206 or status == 304 or status < 200 or #given ~= 1 then
    return nil
  end
  return shape_of_type(given[1])
end

-- Returns the content codings of an answer in the order they were applied, without `identity`.
local function codings_of(headers)
  local codings = {}
  for _, token in ipairs(split(lower(concat(values_of(headers, "content-encoding"), ",")))) do
    token = token:match "^[ \t]*(.-)[ \t]*$"
    if token ~= "" and token ~= "identity" then
      codings[#codings + 1] = token
    end
  end
  return codings
end

-- --- An answer on its way to the client

local Answer = {}
Answer.__index = Answer

-- Returns what restores an answer; nil where it passes as it is, and then also whether that is for its coding, which
-- cannot be undone here. `mark`: its api and limit. `lookup`: placeholder to value.
local function answer_new(mark, status, headers, lookup)
  local shape = shape_of(status, headers)
  if not shape then
    return nil, false
  end
  local decoder, is_complete
  local codings = codings_of(headers)
  if #codings > 0 then
    if #codings <= answers.max_codings then
      decoder, is_complete = zlib.decoder(codings)
    end
    if not decoder then
      return nil, true
    end
  end
  local body = MAKERS[shape](rules.policies[mark.api], changes.Restoring.new(lookup), mark.limit)
  return setmetatable({
    shape = shape, body = body, decoder = decoder, is_complete = is_complete, limit = mark.limit, begun = false,
  }, Answer)
end

-- Returns what the client gets for these bytes; raises an error if the answer cannot be restored further.
function Answer:feed(data)
  if not self.decoder then
    return self.body:feed(data)
  end
  self.begun = self.begun or data ~= ""
  local out, size = {}, 0
  self.decoder(data, function(piece)
    self.decoded = true
    size = size + #piece
    if size > self.limit then
      error("the answer decompresses beyond the bound", 0)
    end
    out[#out + 1] = self.body:feed(piece)
  end)
  return concat(out)
end

-- Returns the rest: the upstream's body ended, whole or not.
function Answer:close()
  if self.begun and not self.decoded and not self.is_complete() then
    -- Its name is gone from the headers, so its bytes are of no use.
    error("the answer's content coding cannot be read", 0)
  end
  return self.body:close()
end

return answer_new
