/* Single values: durations and sizes with their units. */
#include <inttypes.h>
#include <stdio.h>

#include "bounceline/slice.h"
#include "config_parts.h"
#include "relays.h"

struct unit {
    bl_slice name;
    int64_t worth;
};

/* Longest names first, where one begins another. */
static const struct unit times[] = {
    {BL_SLICE_INIT("ms"), 1},       {BL_SLICE_INIT("s"), 1000},
    {BL_SLICE_INIT("m"), 60000},    {BL_SLICE_INIT("h"), 3600000},
    {BL_SLICE_INIT("d"), 86400000}, {BL_SLICE_INIT("w"), 7 * INT64_C(86400000)},
};

static const struct unit sizes[] = {
    {BL_SLICE_INIT("KiB"), 1 << 10}, {BL_SLICE_INIT("K"), 1 << 10},
    {BL_SLICE_INIT("MiB"), 1 << 20}, {BL_SLICE_INIT("M"), 1 << 20},
    {BL_SLICE_INIT("GiB"), 1 << 30}, {BL_SLICE_INIT("G"), 1 << 30},
    {BL_SLICE_INIT("B"), 1},
};

/* A number with a unit; false, and `text` untouched, when there is none or it is too large. */
static bool take_units(bl_slice *text, const struct unit *units, size_t n, int64_t *out)
{
    bl_slice in = *text;
    uint64_t count;

    if (!bl_slice_take_u64(&in, &count))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!bl_slice_take(&in, units[i].name))
            continue;
        if (count > (uint64_t)(INT64_MAX / units[i].worth))
            return false;
        *out = (int64_t)count * units[i].worth;
        *text = in;
        return true;
    }
    return false;
}

bool bl_config_duration(bl_slice text, int64_t *out_ms)
{
    int64_t sum = 0, part;

    if (text.n == 0)
        return false;
    while (text.n) {
        if (!take_units(&text, times, BL_COUNT(times), &part) || part > INT64_MAX - sum)
            return false;
        sum += part;
    }
    *out_ms = sum;
    return true;
}

bool bl_config_size(bl_slice text, uint64_t *out_bytes)
{
    int64_t bytes;

    if (!take_units(&text, sizes, BL_COUNT(sizes), &bytes) || text.n)
        return false;
    *out_bytes = (uint64_t)bytes;
    return true;
}

const char *bl_config_span(int64_t ms, char out[BL_CONFIG_SPAN_MAX])
{
    size_t i = BL_COUNT(times) - 1; /* weeks are for writing, not for showing */

    while (i-- > 1 && (ms < times[i].worth || ms % times[i].worth != 0))
        ;
    i = i < BL_COUNT(times) ? i : 0;
    snprintf(out, BL_CONFIG_SPAN_MAX, "%" PRId64 "%.*s", ms / times[i].worth, (int)times[i].name.n,
             times[i].name.p);
    return out;
}

bool bl_config_relay(bl_slice text)
{
    struct bl_relay relay;

    return bl_relay_read(text, &relay);
}
