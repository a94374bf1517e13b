/* counter_limits.h -- how many counters there may be, and for how long
 *
 * Shapes     caps: keys per bucket and dimension; the rest counts under ~other
 * Units      *_kept_s: seconds behind a bucket's end
 * Ownership  a value
 * Threads    values
 * Errors     -
 * Source     DESIGN 7
 */
#ifndef BOUNCELINE_COUNTER_LIMITS_H
#define BOUNCELINE_COUNTER_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct bl_counter_limits {
    size_t minute_cap, hour_cap, day_cap;
    int64_t minute_kept_s, hour_kept_s, day_kept_s;
    unsigned recent; /* latest failures kept, about */
};

static const struct bl_counter_limits bl_counter_limits_default = {
    .minute_cap = 200,
    .hour_cap = 1000,
    .day_cap = 4000,
    .minute_kept_s = 26 * 3600,
    .hour_kept_s = 40 * 86400,
    .day_kept_s = 400 * 86400,
    .recent = 1000,
};

#endif
