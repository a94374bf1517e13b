#include "rotated.h"

#include <stdlib.h>

enum { NUMBER_DIGITS = 5 /* more than these are a date */ };

size_t bl_packed_ending(bl_slice name)
{
    return bl_slice_ends(name, BL_SLICE(".gz")) ? 3 : bl_slice_ends(name, BL_SLICE(".zst")) ? 4 : 0;
}

bool bl_rotated_of(bl_slice stem, bl_slice name, struct bl_rotated *out)
{
    size_t digits = 0, packed = bl_packed_ending(name);

    if (!bl_slice_take(&name, stem) || name.n < 2 + packed ||
        (name.p[0] != '.' && name.p[0] != '-'))
        return false;
    name = bl_slice_drop(name, 1);
    name.n -= packed;
    if (!bl_is_digit(name.p[0]) || !bl_is_digit(name.p[name.n - 1]))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        if (bl_is_digit(name.p[i])) {
            if (digits == BL_ROTATED_STAMP - 1)
                return false;
            out->stamp[digits++] = name.p[i];
        } else if (!strchr("-_T:", name.p[i]) || name.p[i] == 0) {
            return false;
        }
    }
    out->stamp[digits] = 0;
    out->stem = stem;
    out->is_date = digits > NUMBER_DIGITS;
    out->packed = packed > 0;
    return true;
}

static unsigned two(const char *p)
{
    return (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
}

/* YYYYMM, perhaps DD, and whatever follows. */
static bool is_calendar(const struct bl_rotated *r)
{
    size_t n = strlen(r->stamp);
    unsigned century, month, day;

    if (!r->is_date)
        return false;
    century = two(r->stamp);
    month = two(r->stamp + 4);
    day = n >= 8 ? two(r->stamp + 6) : 1;
    return (century == 19 || century == 20) && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* 2026-11-22.gz: a file of a day, and no rotated 2026-11. */
static bool is_stamp_alone(bl_slice name)
{
    name.n -= bl_packed_ending(name);
    for (size_t i = name.n; i-- > 0 && name.p[i] != '/';)
        if (!bl_is_digit(name.p[i]) && (!strchr("-_T:.", name.p[i]) || name.p[i] == 0))
            return false;
    return true;
}

bool bl_rotated_read(bl_slice name, struct bl_rotated *out)
{
    struct bl_rotated now;
    bool is = false;

    if (is_stamp_alone(name))
        return false;
    for (size_t n = 1; n < name.n; n++)
        if (bl_rotated_of(bl_slice_head(name, n), name, &now)) {
            *out = now;
            is = true;
            if (is_calendar(&now))
                break; /* mail.log-2026-11-22 is no mail.log-2026-11 */
        }
    return is;
}

int bl_rotated_compare(const struct bl_rotated *a, const struct bl_rotated *b)
{
    uint64_t x, y;

    if (a->is_date)
        return strcmp(a->stamp, b->stamp);
    x = strtoull(a->stamp, NULL, 10);
    y = strtoull(b->stamp, NULL, 10);
    return (x < y) - (x > y);
}
