/* window.h -- the next 32 bytes of a line, asked about all at once
 *
 * Log lines are short words between blanks, colons and brackets.  A byte loop over such words ends each
 * time at another length, so it costs one mispredicted branch per word; a bit mask of all places of a
 * byte costs none.  The scalar twin is the definition; tests/model/test_lines_window.c compares them.
 *
 * Private to core/parse.  Bits at and beyond min(n, 32) are zero; nothing beyond p[n - 1] is read.
 */
#ifndef BOUNCELINE_WINDOW_H
#define BOUNCELINE_WINDOW_H

#include "bounceline/slice.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { BL_WINDOW = 32 };

static inline uint32_t bl_window_mask_scalar(bl_slice s, char byte)
{
    uint32_t mask = 0;

    for (size_t i = 0; i < s.n && i < BL_WINDOW; i++)
        mask |= (uint32_t)(s.p[i] == byte) << i;
    return mask;
}

static inline uint32_t bl_window_alnum_scalar(bl_slice s)
{
    uint32_t mask = 0;

    for (size_t i = 0; i < s.n && i < BL_WINDOW; i++)
        mask |= (uint32_t)(bl_is_digit(s.p[i]) || (bl_lower(s.p[i]) >= 'a' && bl_lower(s.p[i]) <= 'z')) << i;
    return mask;
}

#if defined(__SSE2__)

/* Two registers; when fewer than 32 bytes are there, the second one overlaps the first. */
struct bl_window {
    __m128i  low, high;
    unsigned shift; /* where the second one begins */
};

static inline struct bl_window bl_window_open(bl_slice s)
{
    struct bl_window w;
    char few[16] = {0};

    if (s.n >= 16) {
        w.shift = s.n >= 32 ? 16 : (unsigned)(s.n - 16);
        w.low = _mm_loadu_si128((const __m128i *)(const void *)s.p);
        w.high = _mm_loadu_si128((const __m128i *)(const void *)(s.p + w.shift));
        return w;
    }
    if (s.n)
        memcpy(few, s.p, s.n);
    w.shift = 0;
    w.low = w.high = _mm_loadu_si128((const __m128i *)(const void *)few);
    return w;
}

static inline uint32_t bl_window_join(const struct bl_window *w, __m128i low, __m128i high)
{
    return (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << w->shift;
}

/* Bit i: the byte at i is `byte`, which must not be NUL. */
static inline uint32_t bl_window_mask(const struct bl_window *w, char byte)
{
    __m128i all = _mm_set1_epi8(byte);

    return bl_window_join(w, _mm_cmpeq_epi8(w->low, all), _mm_cmpeq_epi8(w->high, all));
}

static inline __m128i bl_window_between(__m128i bytes, char above, char below)
{
    return _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(above)),
                         _mm_cmplt_epi8(bytes, _mm_set1_epi8(below)));
}

static inline __m128i bl_window_alnums(__m128i bytes)
{
    __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));

    return _mm_or_si128(bl_window_between(bytes, '0' - 1, '9' + 1),
                        bl_window_between(folded, 'a' - 1, 'z' + 1));
}

/* Bit i: the byte at i is an ASCII letter or digit. */
static inline uint32_t bl_window_alnum(const struct bl_window *w)
{
    return bl_window_join(w, bl_window_alnums(w->low), bl_window_alnums(w->high));
}

#else

struct bl_window {
    bl_slice s;
};

static inline struct bl_window bl_window_open(bl_slice s)
{
    return (struct bl_window){bl_slice_head(s, BL_WINDOW)};
}

static inline uint32_t bl_window_mask(const struct bl_window *w, char byte)
{
    return bl_window_mask_scalar(w->s, byte);
}

static inline uint32_t bl_window_alnum(const struct bl_window *w)
{
    return bl_window_alnum_scalar(w->s);
}

#endif

/* The bits below `n`; n <= 32. */
static inline uint32_t bl_window_below(size_t n)
{
    return (uint32_t)((UINT64_C(1) << n) - 1);
}

/* Where `byte` first stands, or s.n: bl_slice_find_byte for things that are near. */
static inline size_t bl_window_find(bl_slice s, char byte)
{
    size_t at = 0;

    do {
        struct bl_window w = bl_window_open(bl_slice_drop(s, at));
        uint32_t mask = bl_window_mask(&w, byte);

        if (mask)
            return at + (size_t)__builtin_ctz(mask);
        at += BL_WINDOW;
    } while (at < s.n);
    return s.n;
}

static inline size_t bl_window_find2(bl_slice s, char a, char b)
{
    size_t at = 0;

    do {
        struct bl_window w = bl_window_open(bl_slice_drop(s, at));
        uint32_t mask = bl_window_mask(&w, a) | bl_window_mask(&w, b);

        if (mask)
            return at + (size_t)__builtin_ctz(mask);
        at += BL_WINDOW;
    } while (at < s.n);
    return s.n;
}

/* Four bytes as a number, for `switch`; and the number of four characters. */
static inline uint32_t bl_four(const char *p)
{
    return (uint32_t)(unsigned char)p[0] | (uint32_t)(unsigned char)p[1] << 8 |
           (uint32_t)(unsigned char)p[2] << 16 | (uint32_t)(unsigned char)p[3] << 24;
}

#define BL_FOUR(a, b, c, d)                                                                              \
    ((uint32_t)(unsigned char)(a) | (uint32_t)(unsigned char)(b) << 8 | (uint32_t)(unsigned char)(c) << 16 | \
     (uint32_t)(unsigned char)(d) << 24)

#endif
