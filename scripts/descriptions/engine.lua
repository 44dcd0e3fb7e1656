-- ---- How the descriptions are read ----

-- A message that ends too early, or has a byte that it cannot have, is an expert information.
local failed = ProtoExpert.new("pgreplication.failed", "Not as described", expert.group.MALFORMED, expert.severity.ERROR)
proto.experts = { failed }

-- CopyData is also what COPY sends: only what follows a CopyBothResponse is replication, if the capture has it.
proto.prefs.always = Pref.bool("Without CopyBothResponse", false, "Dissect CopyData of connections whose beginning is missing")
proto.prefs.pgoutput = Pref.enum("Data of XLogData", 0, "What logical streams carry", {
  { 1, "pgoutput if the stream is logical", 0 },
  { 2, "bytes", 1 },
}, false)

local copydata = Field.new("pgsql.copydata")
local message_types = Field.new("pgsql.type")
local tcp_stream = Field.new("tcp.stream")

-- By connection: whether it is replication, and whether a stream segment is open. By frame: the same as they were before it.
local connections, frames = {}, {}
function proto.init()
  connections, frames = {}, {}
end

local function fail(what)
  error({ what = what }, 0)
end

-- The next bytes of a message.
local function take(c, length, name)
  if c.at + length > c.length then
    fail(name .. " needs " .. length .. " bytes; " .. (c.length - c.at) .. " are left")
  end
  local range = c.range:range(c.at, length)
  c.at = c.at + length
  return range
end

local function add(tree, spec, range, text)
  local item = tree:add_packet_field(fields[spec.abbr], range, spec.encoding or ENC_BIG_ENDIAN)
  if text ~= nil then item:append_text(" (" .. text .. ")") end
  return item
end

local function microseconds(value)
  local seconds = value / 1000000
  local number = seconds:tonumber()
  if number < -3155673600 or number > 252455616000 then return nil end
  local date = os.date("!%Y-%m-%d %H:%M:%S", number + 946684800)
  return string.format("%s.%06d UTC", date, (value - seconds * 1000000):tonumber())
end

local read

local function read_all(c, tree, specs)
  for _, spec in ipairs(specs) do read(c, tree, spec) end
end

-- A node of the tree for what has parts.
local function node(c, tree, name, parts)
  local start = c.at
  local branch = tree:add(proto, c.range:range(start, 0), name)
  parts(branch)
  branch:set_len(c.at - start)
  return branch
end

local function read_variant(c, tree, spec)
  local range = take(c, 1, spec.name)
  local variant = spec.variants[range:uint()]
  if variant == nil then fail(spec.name .. " has the type " .. range:uint()) end
  add(tree, spec.tag, range, variant.type)
  read_all(c, tree, variant.fields)
end

local function read_list(c, tree, spec, count)
  local i = 0
  while (count == nil and c.at < c.length) or (count ~= nil and i < count) do
    node(c, tree, spec.name .. "[" .. i .. "]", function(branch) read(c, branch, spec.element) end)
    i = i + 1
  end
end

local sizes = { u8 = 1, bool = 1, enum = 1, flags = 1, reserved = 1, u16 = 2, u32 = 4, i32 = 4, count = 4, u64 = 8, lsn = 8, time = 8 }

read = function(c, tree, spec)
  local form = spec.form
  if form == "when" then
    if c.holds[spec.condition] then read(c, tree, spec.shape) end
  elseif form == "cstring" then
    local length = 0
    while c.at + length < c.length and c.range:range(c.at + length, 1):uint() ~= 0 do length = length + 1 end
    if c.at + length == c.length then fail(spec.name .. " has no zero byte at its end") end
    add(tree, spec, take(c, length + 1, spec.name))
  elseif form == "rest" or form == "extra" then
    if c.length > c.at then add(tree, spec, take(c, c.length - c.at, spec.name)) end
  elseif form == "counted" then
    node(c, tree, spec.name, function(branch)
      local range = take(c, 4, spec.name)
      add(branch, spec.length, range)
      if range:uint() > 0 then
        local content = take(c, range:uint(), spec.name)
        branch:append_text(": " .. content:string(ENC_UTF_8))
        add(branch, spec.content, content)
      end
    end)
  elseif form == "record" then
    node(c, tree, spec.name, function(branch) read_all(c, branch, spec.fields) end)
  elseif form == "variants" then
    node(c, tree, spec.name, function(branch) read_variant(c, branch, spec) end)
  elseif form == "optional" then
    if c.at < c.length and spec.shape.variants[c.range:range(c.at, 1):uint()] ~= nil then read(c, tree, spec.shape) end
  elseif form == "after" then
    local range = take(c, 1, spec.name)
    if range:uint() ~= spec.byte then fail(spec.name .. " begins with " .. range:uint()) end
    add(tree, spec.tag, range)
    read(c, tree, spec.shape)
  elseif form == "list" then
    node(c, tree, spec.name, function(branch)
      local count = c.counts[spec.name]
      if spec.count ~= nil then
        local range = take(c, 2, spec.name)
        add(branch, spec.count, range)
        count = range:uint()
      end
      read_list(c, branch, spec, count)
    end)
  else
    local range = take(c, sizes[form], spec.name)
    local text
    if form == "lsn" then
      text = string.format("%X/%X", range:range(0, 4):uint(), range:range(4, 4):uint())
    elseif form == "time" then
      text = microseconds(range:int64())
    elseif form == "flags" then
      local names = {}
      for name, mask in pairs(spec.bits) do
        if bit.band(range:uint(), mask) ~= 0 then table.insert(names, name) end
      end
      table.sort(names)
      text = #names > 0 and table.concat(names, ", ") or nil
    elseif form == "count" then
      c.counts[spec.list] = range:uint()
    end
    add(tree, spec, range, text)
  end
end

-- Reads one message. Gives its name, and the branch of the tree.
local function read_message(tree, range, family, state)
  local c = { range = range, length = range:len(), at = 0, counts = {}, holds = {} }
  local branch = tree:add(proto, range, family.name)
  local message
  local good, why = pcall(function()
    local first = take(c, 1, family.name)
    message = family.messages[first:uint()]
    if message == nil then fail(family.name .. " has no message of type " .. first:uint()) end
    add(branch, family.tag, first, message.name)
    branch:set_text(message.name)
    -- What the bytes do not say: whether a stream segment is open, else whether the message is longer than it is without.
    c.holds = { inStream = state ~= nil and state.in_stream }
    for condition, longest in pairs(message.longer) do c.holds[condition] = c.length > longest end
    read_all(c, branch, message.fields)
    if c.at < c.length then fail(message.name .. " has " .. (c.length - c.at) .. " bytes too many") end
  end)
  if not good then
    if type(why) ~= "table" then error(why, 0) end
    branch:add_proto_expert_info(failed, why.what)
  end
  if state ~= nil and message ~= nil then
    if message.name == "StreamStart" then state.in_stream = true end
    if message.name == "StreamStop" then state.in_stream = false end
  end
  return message and message.name or family.name
end

-- The data of XLogData, and whether the stream is logical: a logical walsender sends the same position twice.
local function data_of(range)
  if range:len() <= 25 or range:range(0, 1):uint() ~= 0x77 then return nil end
  if range:range(1, 8):uint64() ~= range:range(9, 8):uint64() then return nil end
  return range:range(25, range:len() - 25)
end

function proto.dissector(_, pinfo, tree)
  local infos = { copydata() }
  local stream = tcp_stream()
  if stream == nil then return end
  local connection = connections[stream.value]
  if connection == nil then
    connection = { is_both = false, in_stream = false }
    connections[stream.value] = connection
  end
  for _, info in ipairs({ message_types() }) do
    -- Wireshark has no name for CopyBothResponse.
    if info.range:range(0, 1):uint() == 0x57 then connection.is_both = true end
  end
  if #infos == 0 then return end
  -- Frames are dissected again when they are looked at, in any order.
  if not pinfo.visited then frames[pinfo.number] = { is_both = connection.is_both, in_stream = connection.in_stream } end
  local before = frames[pinfo.number] or connection
  if not (before.is_both or proto.prefs.always) then return end
  local state = { in_stream = before.in_stream }
  local names = {}
  for _, info in ipairs(infos) do
    local range = info.range
    local family = range:len() > 0 and families[range:range(0, 1):uint()] or nil
    if family ~= nil then
      local root = tree:add(proto, range)
      local name = read_message(root, range, family)
      local data = data_of(range)
      if data ~= nil and proto.prefs.pgoutput == 0 then name = read_message(root, data, pgoutput, state) end
      root:append_text(", " .. name)
      table.insert(names, name)
    end
  end
  if not pinfo.visited then connection.in_stream = state.in_stream end
  if #names > 0 then pinfo.cols.info:append(" [" .. table.concat(names, ", ") .. "]") end
end

register_postdissector(proto)
