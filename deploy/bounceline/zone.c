/* The zone's changes are found by asking for the offset day by day and halving the day in which it
 * changed.  A stamp without a year lies within half a year of the reference, so two changes ahead
 * of it are plenty; the other steps reach back, for stamps that have a year but no zone. */
#include "zone.h"

#include <time.h>

enum { DAY_S = 86400, DAYS_AHEAD = 400, DAYS_BACK = 1500 };

static int32_t offset_at(int64_t second)
{
    time_t at = (time_t)second;
    struct tm tm;

    return localtime_r(&at, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

static void name_at(int64_t second, char out[BL_ZONE_NAME_MAX])
{
    time_t at = (time_t)second;
    struct tm tm;
    size_t n;

    if (!localtime_r(&at, &tm) || !tm.tm_zone || (n = strlen(tm.tm_zone)) >= BL_ZONE_NAME_MAX)
        return;
    memcpy(out, tm.tm_zone, n);
}

/* First second in (from, to] that has the offset of `to`. */
static int64_t change_within(int64_t from, int64_t to)
{
    int32_t after = offset_at(to);

    while (to - from > 1) {
        int64_t middle = from + (to - from) / 2;

        if (offset_at(middle) == after)
            to = middle;
        else
            from = middle;
    }
    return to;
}

void bl_zone_around(int64_t reference_s, bl_zone *out)
{
    int64_t found[BL_ZONE_STEPS - 1];
    size_t n = 0, back;

    tzset();
    for (int64_t day = 0; day < DAYS_BACK && n < BL_COUNT(found) - 2; day++) {
        int64_t to = reference_s - day * DAY_S;

        if (offset_at(to) != offset_at(to - DAY_S))
            found[n++] = change_within(to - DAY_S, to);
    }
    back = n;
    for (int64_t day = 0; day < DAYS_AHEAD && n < back + 2; day++) {
        int64_t from = reference_s + day * DAY_S;

        if (offset_at(from) != offset_at(from + DAY_S))
            found[n++] = change_within(from, from + DAY_S);
    }
    memset(out, 0, sizeof *out);
    out->step[0].since_s = INT64_MIN;
    out->n = 1;
    for (size_t i = 0; i < n; i++) {
        size_t from = i < back ? back - 1 - i : i;

        out->step[out->n++].since_s = found[from];
    }
    for (size_t i = 0; i < out->n; i++) {
        int64_t within = i ? out->step[i].since_s : n ? out->step[1].since_s - 1 : reference_s;

        out->step[i].offset_s = offset_at(within);
        name_at(within, out->name[i]);
    }
}
