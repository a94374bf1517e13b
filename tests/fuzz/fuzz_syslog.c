/* Syslog heads: each line of the input once with a stamper that remembers the lines before it, once
 * with a fresh one; both must say the same, and every slice lies inside its line.  The first byte
 * picks the zone. */
#include <stdlib.h>

#include "bounceline/syslog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool inside(bl_slice line, bl_slice s)
{
    return s.p >= line.p && s.p + s.n <= line.p + line.n;
}

static void check_line(struct bl_stamper *warm, const bl_zone *zone, bl_slice line)
{
    struct bl_stamper cold;
    bl_syslog a, b;
    bool ok;

    bl_stamper_init(&cold, zone);
    bl_stamper_refer(&cold, warm->reference_s);
    ok = bl_syslog_read(line, warm, &a);
    if (ok != bl_syslog_read(line, &cold, &b))
        abort();
    if (!ok)
        return;
    if (a.time_us != b.time_us || a.host.p != b.host.p || a.host.n != b.host.n ||
        a.program.p != b.program.p || a.program.n != b.program.n || a.body.p != b.body.p ||
        a.body.n != b.body.n)
        abort();
    if (a.mail != b.mail || !inside(line, a.host) || !inside(line, a.program) ||
        !inside(line, a.body))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const bl_zone zones[] = {
        {.n = 0, .step = {{0, 0}}},
        {.n = 3, .step = {{INT64_MIN, 3600}, {1774746000, 7200}, {1792890000, 3600}}},
        {.n = 1, .step = {{INT64_MIN, -34200}}},
    };
    const bl_zone *zone = &zones[n ? data[0] % BL_COUNT(zones) : 0];
    struct bl_stamper warm;
    bl_slice rest = {(const char *)data + (n > 0), n - (n > 0)};

    bl_stamper_init(&warm, zone);
    bl_stamper_refer(&warm, 1792890000 + (n > 1 ? data[1] * INT64_C(86400) : 0));
    while (rest.n) {
        size_t end = bl_slice_find_byte(rest, '\n');
        /* a copy of its own size, so that ASan sees one byte too many */
        char *copy = malloc(end + 1 - (end > 0));

        if (!copy)
            return 0;
        if (end)
            memcpy(copy, rest.p, end);
        check_line(&warm, zone, (bl_slice){copy, end});
        free(copy);
        rest = bl_slice_drop(rest, end < rest.n ? end + 1 : end);
    }
    return 0;
}
