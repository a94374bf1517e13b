-- address.lua: writes changed address records of one partition, all or none.
--
-- KEYS[1]  the slot's positions, "...:pos"
-- ARGV  1  node
--       2  epoch, 3 dataset: as claimed; both empty for a change by hand, which has no positions
--       4  lease in ms from now
--       5  "1": check the fence.  "0" only in tests that show what it is for
--       6  ranges: {{generation, from, position behind it}, ...}
--       7  records: {{address, expected version, record or "" to forget it, forget at ms or 0,
--                     verdict or "", verdict ends at ms or 0, score in the index,
--                     change or "", version, state, category,
--                     {further fields of the feed's entry}}, ...}
-- returns  {"OK", last entry of the feed before, last entry after}
--          {"FENCE", what does not fit}
--          {"CONFLICT", index, index, ...}   these records have another version: nothing is applied
--
-- A record begins "1<tab>VERSION<tab>"; one that is not there has version 0.

local FEED_LENGTH = 100000
local SWEEP = 50
local CHUNK = 2000 -- what unpack() may put on Lua's stack, with room to spare
local call, fmt = redis.call, string.format

local pos = KEYS[1]
local base = string.sub(pos, 1, -4)
local node, epoch, dataset = ARGV[1], ARGV[2], ARGV[3]
local ranges = cmsgpack.unpack(ARGV[6])
local records = cmsgpack.unpack(ARGV[7])
local index, feed = base .. 'x', base .. 'f'
local by_hand = epoch == ''

if not by_hand and ARGV[5] == '1' then
    local have = call('HMGET', pos, 'dataset', node .. '|epoch')
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

local function last_entry()
    local last = call('XREVRANGE', feed, '+', '-', 'COUNT', 1)
    return last[1] and last[1][1] or '0-0'
end

-- Looks at every key before the first one is written.
local reading, before = pos, nil
local conflicts = {'CONFLICT'}
local function look()
    reading = feed
    before = last_entry()
    reading = index
    call('ZCARD', index)
    for i = 1, #records do
        reading = base .. 'a:' .. records[i][1]
        local head = call('GETRANGE', reading, 0, 31)
        local version = head == '' and '0' or string.match(head, '^1\t(%d+)\t')
        if version ~= records[i][2] then
            conflicts[#conflicts + 1] = i
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

-- In one command; a moment that is past by the server's clock is the next millisecond.
local function set_until(key, value, at)
    if at == '0' then
        call('SET', key, value)
    else
        call('SET', key, value, 'PX', fmt('%d', math.max(tonumber(at) - now, 1)))
    end
end

-- One command for many: a command's way through the server costs more than its work.
local function call_all(name, key, list)
    for i = 1, #list, CHUNK do -- an even number: score and member stay together
        local last = math.min(i + CHUNK - 1, #list)
        if key then
            call(name, key, unpack(list, i, last))
        else
            call(name, unpack(list, i, last))
        end
    end
end

local places, verdicts_gone = {}, {}
for i = 1, #records do
    local address, _, text, forget, verdict, ends, score, change, version, state, category, why =
        unpack(records[i])
    if text == '' then
        call('DEL', base .. 'a:' .. address)
        call('ZREM', index, address)
    else
        set_until(base .. 'a:' .. address, text, forget)
        places[#places + 1] = score
        places[#places + 1] = address
    end
    if verdict == '' then
        verdicts_gone[#verdicts_gone + 1] = base .. 's:' .. address
    else
        set_until(base .. 's:' .. address, verdict, ends)
    end
    if change ~= '' then
        call('XADD', feed, 'MAXLEN', '~', FEED_LENGTH, '*', 'v', version, 'a', address, 'c', change,
            's', state, 'k', category, 'u', ends, 'n', node, unpack(why))
    end
end
call_all('ZADD', index, places)
call_all('DEL', nil, verdicts_gone)

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
local forgotten = call('ZRANGEBYSCORE', index, fmt('-%d', now), '(0', 'LIMIT', 0, SWEEP)
for i = 1, #forgotten do
    call('ZREM', index, forgotten[i])
end

if not by_hand then
    local place = {node .. '|lease', fmt('%d', now + tonumber(ARGV[4]))}
    for i = 1, #ranges do
        place[#place + 1] = node .. '|g|' .. ranges[i][1]
        place[#place + 1] = ranges[i][3]
    end
    for i = 1, #place, CHUNK do -- an even number: field and value stay together
        call('HSET', pos, unpack(place, i, math.min(i + CHUNK - 1, #place)))
    end
end
return {'OK', before, #records > 0 and last_entry() or before}
