/* zone.h -- the local time zone around a moment
 *
 * The core has no zone database; this is where it gets the offsets it needs to read stamps without
 * one.
 *
 * Shapes     at most BL_ZONE_STEPS steps, those nearest to the reference
 * Units      seconds since 1970 UTC
 * Ownership  a value
 * Threads    any, while nobody changes TZ
 * Errors     none: a zone that cannot be read is UTC, as the C library has it
 * Source     localtime_r
 */
#ifndef BOUNCELINE_ZONE_H
#define BOUNCELINE_ZONE_H

#include "bounceline/stamp.h"

void bl_zone_around(int64_t reference_s, bl_zone *out);

#endif
