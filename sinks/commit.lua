-- commit.lua: writes what a node's counters are after one more batch, whole or not at all.
--
-- KEYS[1]  the slot's positions, "...:pos"
-- ARGV  1  node
--       2  epoch, 3 dataset: as claimed
--       4  lease in ms from now
--       5  "1": check the fence.  "0" only in tests that show what it is for
--       6  ranges: {{generation, from, position behind it, field, n, field, n, ...}, ...}; the fields are added
--          to the generation's totals
--       7  buckets: {{name, expiry or 0, day + 1 (1: "old") or 0, {field, value, field, value, ...}}, ...}
--       8  how many of the latest failures to keep, about
--       9  for how many seconds behind its end a day is kept
--      10  time, text, time, text ... of the latest failures
-- returns  {"OK"}  or  {"FENCE", what does not fit}
--
-- The writer knows what the buckets hold, since nobody else writes them and the fence says that its last
-- commit is the last one; so they come as values, not as increments, and are not looked at here.  All keys
-- are looked at before the first one is written: one of the wrong kind stops the script while nothing is
-- changed.

local CHUNK = 2000 -- what unpack() may put on Lua's stack, with room to spare
local call, fmt, unpack = redis.call, string.format, unpack
local reading -- the key at hand, for error messages; nil once writing has begun

-- What does not fit, or nil.
local function fence(pos, node, ranges)
    local have = call('HMGET', pos, 'dataset', node .. '|epoch')
    if have[1] ~= ARGV[3] then
        return 'dataset ' .. tostring(have[1])
    elseif have[2] ~= ARGV[2] then
        return 'epoch ' .. tostring(have[2])
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
                return 'generation ' .. r[1] .. ' is at ' .. at .. ', not ' .. r[2]
            end
        end
    end
end

-- The new totals: {field, value, ...}
local function totals(key, ranges)
    local fields, grow, set = {}, {}, {}
    for i = 1, #ranges do
        local r = ranges[i]
        for j = 4, #r, 2 do
            fields[#fields + 1] = r[1] .. '|' .. r[j]
            grow[#grow + 1] = r[j + 1]
        end
    end
    reading = key
    for i = 1, #fields, CHUNK do
        local last = math.min(i + CHUNK - 1, #fields)
        local old = call('HMGET', key, unpack(fields, i, last))
        for j = i, last do
            set[2 * j - 1] = fields[j]
            set[2 * j] = fmt('%d', (old[j - i + 1] or 0) + grow[j])
        end
    end
    return set
end

local function look(base, buckets)
    reading = base .. 'days'
    call('ZCARD', reading)
    reading = base .. 'recent'
    call('XLEN', reading)
    for i = 1, #buckets do
        reading = base .. buckets[i][1]
        call('HLEN', reading)
    end
end

local function set_all(key, set)
    for i = 1, #set, CHUNK do
        call('HSET', key, unpack(set, i, math.min(i + CHUNK - 1, #set)))
    end
end

-- Days that ended `kept` seconds ago have expired, or would have under a shorter setting.  To the second, as the writer
-- tells days from what is old: a day that it still begins must not leave in the same script.  The newest of them stays
-- in the index: so one sees there that the totals may be more than the days.
local function forget_days(base, now, kept)
    local last = fmt('%d', math.floor((now - kept) / 86400) - 1)
    local gone = call('ZRANGEBYSCORE', base .. 'days', 1, last)
    for i = 1, #gone do
        call('DEL', base .. 'd:' .. gone[i])
    end
    if #gone > 1 then
        call('ZREMRANGEBYSCORE', base .. 'days', 1, '(' .. gone[#gone])
    end
end

local function write(pos, base, node, ranges, buckets, sums)
    local time = call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local place = {node .. '|lease', fmt('%d', now + tonumber(ARGV[4]))}

    set_all(base .. 't', sums)
    for i = 1, #buckets do
        local name, expiry, day, set = unpack(buckets[i])
        set_all(base .. name, set)
        if expiry > 0 then
            call('EXPIREAT', base .. name, fmt('%d', expiry))
        end
        if day > 0 then
            call('ZADD', base .. 'days', fmt('%d', day - 1), string.sub(name, 3))
        end
    end
    if #buckets > 0 then
        forget_days(base, time[1], ARGV[9])
    end
    for i = 10, #ARGV, 2 do
        call('XADD', base .. 'recent', 'MAXLEN', '~', ARGV[8], '*', 't', ARGV[i], 'x', ARGV[i + 1])
    end
    for i = 1, #ranges do
        place[#place + 1] = node .. '|g|' .. ranges[i][1]
        place[#place + 1] = ranges[i][3]
    end
    set_all(pos, place)
end

local function commit()
    local pos, node = KEYS[1], ARGV[1]
    local base = string.sub(pos, 1, -4)
    local ranges = cmsgpack.unpack(ARGV[6])

    reading = pos
    if ARGV[5] == '1' then
        local why = fence(pos, node, ranges)
        if why then
            return {'FENCE', why}
        end
    end
    local buckets = cmsgpack.unpack(ARGV[7])
    look(base, buckets)
    local sums = totals(base .. 't', ranges)
    reading = nil
    write(pos, base, node, ranges, buckets, sums)
    return {'OK'}
end

-- A large batch makes some megabytes of strings that all live until its end.  Letting the collector walk
-- them again and again while they grow costs a fifth of the script's time; so it rests meanwhile, and what
-- earlier batches left is collected in one go.
local found, collect = pcall(function() return collectgarbage end)
if found and collect then
    if collect('count') > 16384 then
        collect('collect')
    end
    collect('stop')
end
local fine, reply = pcall(commit)
if found and collect then
    collect('restart')
end
if fine then
    return reply
end
if type(reply) == 'table' then
    reply = reply.err
end
return redis.error_reply((reading and 'BADKEY ' .. reading .. ': ' or '') .. tostring(reply))
