-- claim.lua: makes one instance the writer of one node's part of a slot, and tells where it stands.
--
-- KEYS[1]  the slot's positions, "...:pos"
-- ARGV     node, instance, lease in ms, dataset, then the local copy: generation, position, ...
--          (taken over only when the slot knows nothing of this node)
-- returns  {"OK", epoch, positions taken over, "1" if the node was known here, generation, position, ...}
--          {"HELD", instance, ms left}   another instance holds the lease
--          {"DATASET", dataset}          the slot belongs to other data
--          {"GONE"}                      counters are there, their positions are not, and no local copy:
--                                        going on would count everything twice
--
-- The epoch is the server's clock in ms, or one more than the last: so it also rises above every epoch
-- that was lost with a restored backup or a deleted key, and a commit of before stays refused.

local pos, node, instance, dataset = KEYS[1], ARGV[1], ARGV[2], ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local have = redis.call('HMGET', pos, 'dataset', node .. '|epoch', node .. '|owner', node .. '|lease')
local epoch, adopted = have[2], 0

if have[1] and have[1] ~= dataset then
    return {'DATASET', have[1]}
end
if have[3] and have[3] ~= instance then
    local left = (tonumber(have[4]) or 0) - now
    if left > 0 then
        return {'HELD', have[3], string.format('%d', left)}
    end
end
if not epoch then
    if #ARGV > 4 then
        for i = 5, #ARGV, 2 do
            redis.call('HSET', pos, node .. '|g|' .. ARGV[i], ARGV[i + 1])
            adopted = adopted + 1
        end
    elseif redis.call('EXISTS', string.sub(pos, 1, -4) .. 't') == 1 then
        return {'GONE'}
    end
end
epoch = math.max((tonumber(epoch) or 0) + 1, now)
redis.call('HSET', pos, 'dataset', dataset, node .. '|epoch', string.format('%d', epoch),
    node .. '|owner', instance, node .. '|lease', string.format('%d', now + tonumber(ARGV[3])))

local reply = {'OK', string.format('%d', epoch), string.format('%d', adopted), have[2] and '1' or '0'}
local mine = node .. '|g|'
local all = redis.call('HGETALL', pos)
for i = 1, #all, 2 do
    if string.sub(all[i], 1, #mine) == mine then
        reply[#reply + 1] = string.sub(all[i], #mine + 1)
        reply[#reply + 1] = all[i + 1]
    end
end
return reply
