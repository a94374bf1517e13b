-- forget.lua: drops log files that are long gone from a slot; what was counted of them goes on under "old".
--
-- KEYS[1]  the slot's positions, "...:pos"
-- ARGV     node, epoch, n, n names of totals, then the generations that leave
-- returns  {"OK"}  or  {"FENCE", what does not fit}
--
-- So the totals are the same before and after, whatever happens.  All is read and added up before the first write.  A
-- partition has no totals.

local pos, node, names = KEYS[1], ARGV[1], tonumber(ARGV[3])
local key = string.sub(pos, 1, -4) .. 't'
local call = redis.call

local function fields_of(generation)
    local fields = {}
    for i = 1, names do
        fields[i] = generation .. '|' .. ARGV[3 + i]
    end
    return fields
end

local epoch = call('HGET', pos, node .. '|epoch')
if epoch ~= ARGV[2] then
    return {'FENCE', 'epoch ' .. tostring(epoch)}
end
local old = fields_of('old')
local sums, set = call('HMGET', key, unpack(old)), {}
for i = 4 + names, #ARGV do
    local counts = call('HMGET', key, unpack(fields_of(ARGV[i])))
    for j = 1, names do
        if counts[j] then
            sums[j] = (sums[j] or 0) + counts[j]
        end
    end
end
for j = 1, names do
    if sums[j] then
        set[#set + 1] = old[j]
        set[#set + 1] = string.format('%d', sums[j])
    end
end
if #set > 0 then
    call('HSET', key, unpack(set))
end
for i = 4 + names, #ARGV do
    call('HDEL', key, unpack(fields_of(ARGV[i])))
    call('HDEL', pos, node .. '|g|' .. ARGV[i])
end
return {'OK'}
