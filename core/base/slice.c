#include "bounceline/slice.h"

size_t bl_slice_find(bl_slice s, bl_slice needle)
{
    const char *at;

    if (needle.n == 0)
        return 0;
    at = s.n >= needle.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

bool bl_slice_eq_fold(bl_slice a, bl_slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (bl_lower(a.p[i]) != bl_lower(b.p[i]))
            return false;
    return true;
}

bool bl_slice_ends_fold(bl_slice s, bl_slice suffix)
{
    return s.n >= suffix.n && bl_slice_eq_fold(bl_slice_drop(s, s.n - suffix.n), suffix);
}

bool bl_slice_take_u64(bl_slice *s, uint64_t *out)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < s->n && bl_is_digit(s->p[i]); i++) {
        unsigned digit = (unsigned)(s->p[i] - '0');

        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (i == 0)
        return false;
    *out = value;
    *s = bl_slice_drop(*s, i);
    return true;
}
