/* ctest: label=quick
 *
 * The zone's steps say what localtime_r says, hour by hour around the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>

#include <cmocka.h>

#include "../../deploy/bounceline/zone.c"

static int32_t offset_by_steps(const bl_zone *zone, int64_t second)
{
    int32_t offset = 0;

    for (size_t i = 0; i < zone->n && second >= zone->step[i].since_s; i++)
        offset = zone->step[i].offset_s;
    return offset;
}

/* POSIX zones, so that no zone database is needed. */
static const char *const zones[] = {
    "UTC0",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "EST5EDT,M3.2.0,M11.1.0",
    "AEST-10AEDT,M10.1.0,M4.1.0/3", /* summer over new year */
    "<+0530>-5:30",
    "<-0330>3:30<-0230>,M3.2.0,M11.1.0",
};

static void steps_agree_with_the_c_library(void **state)
{
    const int64_t reference = 1795409742; /* 2026-11-23 */

    (void)state;
    for (size_t i = 0; i < BL_COUNT(zones); i++) {
        bl_zone zone;

        print_message("%s\n", zones[i]);
        setenv("TZ", zones[i], 1);
        bl_zone_around(reference, &zone);
        assert_in_range(zone.n, 1, BL_ZONE_STEPS);
        assert_true(zone.step[0].since_s == INT64_MIN);
        for (size_t k = 1; k + 1 < zone.n; k++)
            assert_true(zone.step[k].since_s < zone.step[k + 1].since_s);
        for (int64_t at = reference - 730 * INT64_C(86400); at < reference + 390 * INT64_C(86400);
             at += 1800)
            assert_int_equal(offset_by_steps(&zone, at), offset_at(at));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_agree_with_the_c_library)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
