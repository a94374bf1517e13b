-- commit.lua: adds one batch to a node's counters, whole or not at all.
--
-- KEYS[1]  the slot's positions, "...:pos"
-- ARGV  1  node
--       2  epoch, 3 dataset: as claimed
--       4  lease in ms from now
--       5  "1": check the fence.  "0" only in tests that show what it is for
--       6  ranges: {{generation, from, position behind it, field, n, field, n, ...}, ...}
--       7  {cap of a minute, of an hour, of a day, name of dimension 1, 2, ...}
--       8  suffixes: {"|delivered", "|bounced|invalid-recipient", ...}
--       9  days: {{name, expiry, score, KEYS, DIMENSIONS, COUNTS,
--                  {{name, expiry, level, ENTRIES, COUNTS}, ...}}, ...}
--          KEYS         "domain|example.com", each once
--          DIMENSIONS   the number of each one's dimension
--          COUNTS       per entry: total, number of pairs, then pairs of suffix and count
--          inner list   the hours and minutes of that day (level 2 and 1); ENTRIES are indices of KEYS, or 0:
--                       all of them, with the day's COUNTS
--      10  time, text, time, text ... of the latest failures
-- returns  {"OK", strangers}  or  {"FENCE", what does not fit}
--       strangers: the numbers, counted through all KEYS lists from 1, of the keys that a full day has no
--       counter for, with blanks between
--
-- Everything is read and added up first, then written: an unreadable key or number stops the script
-- while nothing is changed.  Reading many fields with one HMGET and writing them with one HSET costs
-- about as much as one HINCRBY each, tells which keys are known on the way, and makes short work for
-- the append-only file.

local CHUNK = 1000 -- what unpack() may put on Lua's stack, with room to spare
local call, fmt, unpack = redis.call, string.format, unpack
local reading -- the key at hand, for error messages; nil once writing has begun

local function read(key, fields)
    local n = #fields
    reading = key
    if n == 0 then
        return fields
    elseif n <= CHUNK then
        return call('HMGET', key, unpack(fields))
    end
    local all = {}
    for i = 1, n, CHUNK do
        local part = call('HMGET', key, unpack(fields, i, math.min(i + CHUNK - 1, n)))
        for j = 1, #part do
            all[i + j - 1] = part[j]
        end
    end
    return all
end

-- What does not fit, or nil.
local function fence(pos, node, ranges)
    local ask = {'dataset', node .. '|epoch'}
    for i = 1, #ranges do
        ask[i + 2] = node .. '|g|' .. ranges[i][1]
    end
    local have = read(pos, ask)
    if have[1] ~= ARGV[3] then
        return 'dataset ' .. tostring(have[1])
    elseif have[2] ~= ARGV[2] then
        return 'epoch ' .. tostring(have[2])
    end
    for i = 1, #ranges do
        local at = have[i + 2] and string.match(have[i + 2], '^%d+') or '0'
        if at ~= ranges[i][2] then
            return 'generation ' .. ranges[i][1] .. ' is at ' .. at .. ', not ' .. ranges[i][2]
        end
    end
end

-- Plans: each of `fields` grows by its amount; `set` holds what is known already.
local function grow(writes, key, expiry, set, fields, amounts)
    local old = read(key, fields)
    local w = #set
    for i = 1, #fields do
        set[w + 1] = fields[i]
        set[w + 2] = fmt('%d', (old[i] or 0) + amounts[i])
        w = w + 2
    end
    writes[#writes + 1] = {key, expiry, set}
end

-- Plans one bucket.  `gate`: which keys may be looked up here at all; nil in the day, which decides that
-- for its hours and minutes: a stranger costs one look-up.  Returns which keys have a counter of their own;
-- `strangers`, when given, gets the numbers of those that have not.
local function bucket(writes, key, expiry, cap, dims, keys, dim_of, entries, counts, suffix, gate, strangers)
    local n = entries and #entries or #keys
    local known, k = {}, 0
    for j = 1, n do
        local i = entries and entries[j] or j
        if not gate or gate[i] then
            k = k + 1
            known[k] = keys[i]
        end
    end
    local old = read(key, known)
    local members = read(key, dims.mark)
    local grown = {}
    for d = 1, #dims.mark do
        members[d] = tonumber(members[d] or 0)
    end

    local own, others = {}, {}
    local set, w, fields, amounts, f, p = {}, 0, {}, {}, 0, 1
    k = 0
    for j = 1, n do
        local i = entries and entries[j] or j
        local name, d = keys[i], dim_of[i]
        local total, pairs_n = counts[p], counts[p + 1]
        local before, mine = false, false
        p = p + 2
        if not gate or gate[i] then
            k = k + 1
            if name ~= dims.other[d] then
                before = old[k]
                if before then
                    mine = true
                elseif members[d] < cap then
                    members[d] = members[d] + 1
                    grown[d] = true
                    mine = true
                end
            end
        end
        if mine then
            own[i] = true
            set[w + 1] = name
            set[w + 2] = fmt('%d', (before or 0) + total)
            w = w + 2
            for _ = 1, pairs_n do
                local field = name .. suffix[counts[p]]
                if before then
                    f = f + 1
                    fields[f] = field
                    amounts[f] = counts[p + 1]
                else -- nothing of it is there yet
                    set[w + 1] = field
                    set[w + 2] = fmt('%d', counts[p + 1])
                    w = w + 2
                end
                p = p + 2
            end
        else
            if strangers and name ~= dims.other[d] then
                strangers[#strangers + 1] = i
            end
            local o = others[d]
            if not o then
                o = {[0] = 0}
                others[d] = o
            end
            o[0] = o[0] + total
            for _ = 1, pairs_n do
                local c = counts[p]
                o[c] = (o[c] or 0) + counts[p + 1]
                p = p + 2
            end
        end
    end
    for d, o in pairs(others) do
        for c, amount in pairs(o) do
            f = f + 1
            fields[f] = c == 0 and dims.other[d] or dims.other[d] .. suffix[c]
            amounts[f] = amount
        end
    end
    for d in pairs(grown) do
        set[w + 1] = dims.mark[d]
        set[w + 2] = fmt('%d', members[d])
        w = w + 2
    end
    grow(writes, key, expiry, set, fields, amounts)
    return own
end

local function plan(base, ranges, days)
    local setup = cmsgpack.unpack(ARGV[7])
    local suffix = cmsgpack.unpack(ARGV[8])
    local dims = {mark = {}, other = {}}
    local writes, totals, amounts = {}, {}, {}
    local strangers, before = {}, 0

    for d = 1, #setup - 3 do
        dims.mark[d] = '#|' .. setup[d + 3]
        dims.other[d] = setup[d + 3] .. '|~other'
    end
    reading = base .. 'days'
    call('ZCARD', reading)
    reading = base .. 'recent'
    call('XLEN', reading)
    for i = 1, #ranges do
        local r = ranges[i]
        for j = 4, #r, 2 do
            totals[#totals + 1] = r[1] .. '|' .. r[j]
            amounts[#amounts + 1] = r[j + 1]
        end
    end
    if #totals > 0 then
        grow(writes, base .. 't', 0, {}, totals, amounts)
    end
    for i = 1, #days do
        local name, expiry, _, keys, dim_of, counts, inner = unpack(days[i])
        local refused = {}
        local own =
            bucket(writes, base .. name, expiry, setup[3], dims, keys, dim_of, nil, counts, suffix, nil, refused)
        for j = 1, #refused do
            strangers[#strangers + 1] = before + refused[j]
        end
        before = before + #keys
        for j = 1, #inner do
            local iname, iexpiry, level, entries, icounts = unpack(inner[j])
            if entries == 0 then
                entries, icounts = nil, counts
            end
            bucket(writes, base .. iname, iexpiry, setup[level], dims, keys, dim_of, entries, icounts, suffix, own)
        end
    end
    return writes, strangers
end

local function write(pos, base, node, ranges, days, writes)
    for i = 1, #writes do
        local key, expiry, set = unpack(writes[i])
        for j = 1, #set, 2 * CHUNK do
            call('HSET', key, unpack(set, j, math.min(j + 2 * CHUNK - 1, #set)))
        end
        if expiry > 0 then
            call('EXPIREAT', key, fmt('%d', expiry))
        end
    end
    local time = call('TIME')
    for i = 1, #days do
        call('ZADD', base .. 'days', fmt('%d', days[i][3]), string.sub(days[i][1], 3))
    end
    if #days > 0 then
        call('ZREMRANGEBYSCORE', base .. 'days', 1, fmt('%d', math.floor(time[1] / 86400) - 401))
    end
    for i = 10, #ARGV, 2 do
        call('XADD', base .. 'recent', 'MAXLEN', '~', '1000', '*', 't', ARGV[i], 'x', ARGV[i + 1])
    end
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local place = {node .. '|lease', fmt('%d', now + tonumber(ARGV[4]))}
    for i = 1, #ranges do
        place[#place + 1] = node .. '|g|' .. ranges[i][1]
        place[#place + 1] = ranges[i][3]
    end
    call('HSET', pos, unpack(place))
end

local function commit()
    local pos, node = KEYS[1], ARGV[1]
    local base = string.sub(pos, 1, -4)
    local ranges = cmsgpack.unpack(ARGV[6])
    local days = cmsgpack.unpack(ARGV[9])

    reading = pos
    if ARGV[5] == '1' then
        local why = fence(pos, node, ranges)
        if why then
            return {'FENCE', why}
        end
    end
    local writes, strangers = plan(base, ranges, days)
    reading = nil
    write(pos, base, node, ranges, days, writes)
    return {'OK', table.concat(strangers, ' ')}
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
