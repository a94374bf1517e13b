-- address.lua: writes changed address records of one partition, all or none.
--
-- KEYS[1]  the slot's positions, "...:pos"
-- ARGV  1  node
--       2  epoch, 3 dataset: as claimed; both empty for a change by hand, which has no positions
--       4  lease in ms from now
--       5  "1": check the fence.  "0" only in tests that show what it is for
--       6  ranges: {{generation, from, position behind it}, ...}
--       7  `changes` of the positions' hash before the records were read; empty: look at every record's version
--       lists, flat but for the last but one:
--       8  records that were not there: {key, record, forget at ms or 0, ...}
--       9  records that were: the same
--      10  records to forget: {key, address, ...}
--      11  verdicts: {key, verdict, ends at ms or 0, ...}
--      12  verdicts that are none: {key, ...}
--      13  places in the index: {score, address, ...}
--      14  entries of the feed: {address, change, detail, ...}
--      15  what was read of all of them: {key of the record, its version, ...}
-- returns  {"OK", last entry of the feed before, last entry after}
--          {"FENCE", what does not fit}
--          {"CONFLICT", index, index, ...}   these of list 15 have another version: nothing is applied
--
-- Every writer of records raises `changes`.  As long as it is what it was before the records were read, none has
-- changed, and only a key that seemed free is looked at once more: it may hold what is no record.  If it is not, each
-- record's version decides: it begins "1<tab>VERSION<tab>"; one that is not there has version 0.

local FEED_LENGTH = 100000
local TRIM_EVERY = 3000 -- of three an entry
local SWEEP = 50
local CHUNK = 1998 -- what unpack() may put on Lua's stack, with room to spare; whole pairs and threes
local call, fmt, max, unpack = redis.call, string.format, math.max, unpack

local pos = KEYS[1]
local base = string.sub(pos, 1, -4)
local node, epoch, dataset, seen = ARGV[1], ARGV[2], ARGV[3], ARGV[7]
local ranges = cmsgpack.unpack(ARGV[6])
local fresh, known = cmsgpack.unpack(ARGV[8]), cmsgpack.unpack(ARGV[9])
local forgotten, blocked = cmsgpack.unpack(ARGV[10]), cmsgpack.unpack(ARGV[11])
local open, places = cmsgpack.unpack(ARGV[12]), cmsgpack.unpack(ARGV[13])
local entries = cmsgpack.unpack(ARGV[14])
local index, feed = base .. 'x', base .. 'f'
local by_hand = epoch == ''

local have = call('HMGET', pos, 'dataset', node .. '|epoch', 'changes')
local changes = have[3] or '0'
if not by_hand and ARGV[5] == '1' then
    if have[1] ~= dataset then
        return {'FENCE', 'dataset ' .. tostring(have[1])}
    end
    if have[2] ~= epoch then
        return {'FENCE', 'epoch ' .. tostring(have[2])}
    end
    for first = 1, #ranges, CHUNK do
        local ask = {}
        for i = first, math.min(first + CHUNK - 1, #ranges) do
            ask[#ask + 1] = node .. '|g|' .. ranges[i][1]
        end
        have = call('HMGET', pos, unpack(ask))
        for i = 1, #ask do
            local r = ranges[first + i - 1]
            local at = have[i] and string.match(have[i], '^%d+') or '0'
            if at ~= r[2] then
                return {'FENCE', 'generation ' .. r[1] .. ' is at ' .. at .. ', not ' .. r[2]}
            end
        end
    end
end

local reading -- the key at hand, for error messages

-- Whether a key that seemed free is taken.
local function any_taken()
    local ask = {}
    for i = 1, #fresh, 3 do
        ask[#ask + 1] = fresh[i]
        if #ask == CHUNK or i + 3 > #fresh then
            if call('EXISTS', unpack(ask)) > 0 then
                return true
            end
            ask = {}
        end
    end
    return false
end

-- Looks at every key before the first one is written.
local before, raised
local conflicts = {'CONFLICT'}
local function look()
    reading = pos
    raised = fmt('%d', changes + 1)
    reading = feed
    local last = call('XREVRANGE', feed, '+', '-', 'COUNT', 1)
    before = last[1] and last[1][1] or '0-0'
    reading = index
    call('ZCARD', index)
    if changes == seen and not any_taken() then
        return
    end
    local versions = cmsgpack.unpack(ARGV[15])
    for i = 1, #versions, 2 do
        reading = versions[i]
        local head = call('GETRANGE', reading, 0, 31)
        local version = head == '' and '0' or string.match(head, '^1\t(%d+)\t')
        if version ~= versions[i + 1] then
            conflicts[#conflicts + 1] = (i + 1) / 2
        end
    end
end
local fine, why = pcall(look)
if not fine then
    if type(why) == 'table' then
        why = why.err
    end
    return redis.error_reply('BADKEY ' .. reading .. ': ' .. tostring(why))
end
if #conflicts > 1 then
    return conflicts
end

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- {key, value, moment or 0, ...}.  Redis 7, which tells scripts its version, takes the moment as it is; for older ones
-- it is a time from now, at least a millisecond.
local takes_moment = redis.REDIS_VERSION_NUM
local function set_until(list)
    for i = 1, #list, 3 do
        local at = list[i + 2]
        if at == '0' then
            call('SET', list[i], list[i + 1])
        elseif takes_moment then
            call('SET', list[i], list[i + 1], 'PXAT', at)
        else
            call('SET', list[i], list[i + 1], 'PX', fmt('%d', max(at - now, 1)))
        end
    end
end

-- One command for many: a command's way through the server costs more than its work.
local function call_all(name, key, list)
    for i = 1, #list, CHUNK do
        local last = math.min(i + CHUNK - 1, #list)
        if key then
            call(name, key, unpack(list, i, last))
        else
            call(name, unpack(list, i, last))
        end
    end
end

-- Trimmed now and then: it costs a little each time.
local function tell()
    local id
    for i = 1, #entries, 3 do
        if i % TRIM_EVERY == 1 or i + 3 > #entries then
            id = call('XADD', feed, 'MAXLEN', '~', FEED_LENGTH, '*', 'a', entries[i], 'c', entries[i + 1], 'd',
                entries[i + 2])
        else
            call('XADD', feed, '*', 'a', entries[i], 'c', entries[i + 1], 'd', entries[i + 2])
        end
    end
    return id
end

set_until(fresh)
set_until(known)
for i = 1, #forgotten, 2 do
    call('DEL', forgotten[i])
    call('ZREM', index, forgotten[i + 1])
end
set_until(blocked)
call_all('DEL', nil, open)
call_all('ZADD', index, places)
local after = tell() or before

-- The index follows what expired by itself, a few at a time: verdicts that ended become "forgotten at",
-- and forgotten records leave.
local ended = call('ZRANGEBYSCORE', index, '(0', fmt('%d', now), 'LIMIT', 0, SWEEP)
for i = 1, #ended do
    local left = call('PTTL', base .. 'a:' .. ended[i])
    if left == -2 then
        call('ZREM', index, ended[i])
    else
        call('ZADD', index, left < 0 and 0 or fmt('-%d', now + left), ended[i])
    end
end
local gone = call('ZRANGEBYSCORE', index, fmt('-%d', now), '(0', 'LIMIT', 0, SWEEP)
for i = 1, #gone do
    call('ZREM', index, gone[i])
end

local place = {}
if #fresh + #known + #forgotten > 0 then
    place = {'changes', raised}
end
if not by_hand then
    place[#place + 1] = node .. '|lease'
    place[#place + 1] = fmt('%d', now + tonumber(ARGV[4]))
    for i = 1, #ranges do
        place[#place + 1] = node .. '|g|' .. ranges[i][1]
        place[#place + 1] = ranges[i][3]
    end
end
call_all('HSET', pos, place)
return {'OK', before, after}
