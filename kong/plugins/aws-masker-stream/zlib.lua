-- gzip (also of several members) and deflate, undone as the bytes arrive, by the zlib that nginx is linked with.
-- The same as kong_plugins/aws_masker/wire/codings.py; br and zstd are left to that.

local ffi = require "ffi"

local byte = string.byte

-- Names of our own for zlib's functions, as other plugins may have declared those with a type of their own.
if not pcall(ffi.typeof, "aws_masker_z_stream") then
  ffi.cdef [[
    typedef struct {
      const uint8_t *next_in; unsigned int avail_in; unsigned long total_in;
      uint8_t *next_out; unsigned int avail_out; unsigned long total_out;
      const char *msg; void *state; void *zalloc; void *zfree; void *opaque;
      int data_type; unsigned long adler; unsigned long reserved;
    } aws_masker_z_stream;
    int aws_masker_inflate_init(aws_masker_z_stream *stream, int window_bits, const char *version, int stream_size)
      __asm__("inflateInit2_");
    int aws_masker_inflate(aws_masker_z_stream *stream, int flush) __asm__("inflate");
    int aws_masker_inflate_end(aws_masker_z_stream *stream) __asm__("inflateEnd");
    const char *aws_masker_zlib_version(void) __asm__("zlibVersion");
  ]]
end

local OK, END, BUFFER = 0, 1, -5
local WINDOW, GZIP = 15, 16
local PIECE = 65536 -- bytes that one step gives at most

local library
for _, load in ipairs {
  function() return ffi.C end,
  function() return ffi.load "z" end,
  function() return ffi.load "libz.so.1" end,
} do
  local found, one = pcall(load)
  if found and pcall(function() return one.aws_masker_zlib_version end) then
    library = one
    break
  end
end

local function broken()
  error("broken compressed data", 0)
end

local function inflater(window)
  local stream = ffi.new "aws_masker_z_stream"
  if library.aws_masker_inflate_init(stream, window, library.aws_masker_zlib_version(), ffi.sizeof(stream)) ~= OK then
    error("zlib cannot be set up", 0)
  end
  return ffi.gc(stream, library.aws_masker_inflate_end)
end

local function window_of(is_gzip, first, second)
  if is_gzip then
    return GZIP + WINDOW
  end
  -- RFC 1950: the compression method is 8, and both bytes together are a multiple of 31.
  return first % 16 == 8 and (first * 256 + second) % 31 == 0 and WINDOW or -WINDOW
end

-- Returns a function of bytes and of `each`, which it calls with the decoded pieces; raises an error for broken data.
-- And one that tells whether the coded data is complete.
local function step(is_gzip)
  local stream, started, ended = nil, "", false
  local buffer = ffi.new("uint8_t[?]", PIECE)
  local function feed(data, each)
    data = started .. data
    started = ""
    local at = 0
    while at < #data do
      if ended and not is_gzip then
        broken() -- something follows the end
      elseif not stream or ended then
        if not is_gzip and #data < 2 then
          started = data
          return
        end
        stream, ended = inflater(window_of(is_gzip, byte(data, 1, 2))), false
      end
      stream.next_in = ffi.cast("const uint8_t *", data) + at
      stream.avail_in = #data - at
      repeat
        stream.next_out, stream.avail_out = buffer, PIECE
        local result = library.aws_masker_inflate(stream, 0)
        if result ~= OK and result ~= END and result ~= BUFFER then
          broken()
        end
        local size = PIECE - stream.avail_out
        if size > 0 then
          each(ffi.string(buffer, size))
        end
        ended = result == END
        -- A full piece may leave output behind in zlib even where no input is left over.
      until ended or (size < PIECE and stream.avail_in == 0)
      at = #data - stream.avail_in
    end
  end
  return feed, function() return ended end
end

local STEPS = { gzip = true, ["x-gzip"] = true, deflate = false }

local zlib = {}

-- Returns what undoes `codings` (in the order they were applied): a function of bytes and of `each`, which it calls
-- with the decoded pieces; and a function that tells whether the coded data is complete. nil if one of them is not known
-- here, or there is no zlib.
function zlib.decoder(codings)
  local decode = function(data, each) each(data) end
  local is_complete = function() return true end
  if not library then
    return nil
  end
  for _, coding in ipairs(codings) do
    if STEPS[coding] == nil then
      return nil
    end
    local outer, all = decode, is_complete
    local inner, is_whole = step(STEPS[coding])
    decode = function(data, each)
      inner(data, function(piece) outer(piece, each) end)
    end
    is_complete = function() return is_whole() and all() end
  end
  return decode, is_complete
end

return zlib
