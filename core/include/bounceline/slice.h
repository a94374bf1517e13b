/* slice.h -- text as a pointer and a length
 *
 * The one shape of text in bounceline: a run of bytes inside a buffer that somebody else owns.
 *
 * Shapes     any bytes, NUL and invalid UTF-8 included; an empty slice may have p == NULL
 * Units      bytes
 * Ownership  none: a slice borrows and dies with its buffer
 * Threads    pure
 * Errors     none
 * Source     -
 */
#ifndef BOUNCELINE_SLICE_H
#define BOUNCELINE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* For the ends of a hot path, and for what only fetches ahead: of such a function gcc says that it
 * does nothing, and leaves its calls out. */
#define BL_ALWAYS_INLINE static inline __attribute__((always_inline))

typedef struct bl_slice {
    const char *p;
    size_t n;
} bl_slice;

/* A string literal as a slice; BL_SLICE_INIT for static tables. */
#define BL_SLICE(literal) ((bl_slice){(literal), sizeof(literal) - 1})
#define BL_SLICE_INIT(literal)                                                                     \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
#define BL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The slice without its first `n` bytes; n must not exceed s.n. */
static inline bl_slice bl_slice_drop(bl_slice s, size_t n)
{
    return (bl_slice){s.p + n, s.n - n};
}

/* The first `n` bytes of the slice, or all of it when it is shorter. */
static inline bl_slice bl_slice_head(bl_slice s, size_t n)
{
    return (bl_slice){s.p, n < s.n ? n : s.n};
}

/* memcmp() == 0 for names: up to 32 bytes without a loop or a call. */
static inline bool bl_bytes_same(const char *a, const char *b, size_t n)
{
    uint64_t x[4], y[4];
    uint32_t v[2], w[2];

    if (n > 32)
        return memcmp(a, b, n) == 0;
    if (n >= 16) {
        memcpy(x, a, 16);
        memcpy(y, b, 16);
        memcpy(x + 2, a + n - 16, 16);
        memcpy(y + 2, b + n - 16, 16);
        return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
    }
    if (n >= 8) {
        memcpy(x, a, 8);
        memcpy(y, b, 8);
        memcpy(x + 1, a + n - 8, 8);
        memcpy(y + 1, b + n - 8, 8);
        return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
    }
    if (n >= 4) {
        memcpy(v, a, 4);
        memcpy(w, b, 4);
        memcpy(v + 1, a + n - 4, 4);
        memcpy(w + 1, b + n - 4, 4);
        return ((v[0] ^ w[0]) | (v[1] ^ w[1])) == 0;
    }
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static inline bool bl_slice_eq(bl_slice a, bl_slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Of a literal prefix little more is left than a comparison of words; not so when it is called. */
BL_ALWAYS_INLINE bool bl_slice_starts(bl_slice s, bl_slice prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool bl_slice_ends(bl_slice s, bl_slice suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* Takes `prefix` off the front; false, and `s` untouched, when it is not there. */
BL_ALWAYS_INLINE bool bl_slice_take(bl_slice *s, bl_slice prefix)
{
    if (!bl_slice_starts(*s, prefix))
        return false;
    *s = bl_slice_drop(*s, prefix.n);
    return true;
}

/* As bl_slice_eq, for names that are short and mostly equal: no call. */
static inline bool bl_slice_same(bl_slice a, bl_slice b)
{
    return a.n == b.n && bl_bytes_same(a.p, b.p, a.n);
}

/* The order of bytes, for qsort and the like; what another begins with comes before it. */
static inline int bl_slice_compare(bl_slice a, bl_slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;

    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Where `byte` first stands, or s.n. */
static inline size_t bl_slice_find_byte(bl_slice s, char byte)
{
    const char *at = s.n ? memchr(s.p, byte, s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

/* Takes what stands before the next `separator`, or all of it; false when the last field was taken,
 * or there is none (p == NULL then). */
static inline bool bl_slice_take_field(bl_slice *rest, char separator, bl_slice *field)
{
    size_t n;

    if (!rest->p)
        return false;
    n = bl_slice_find_byte(*rest, separator);
    *field = bl_slice_head(*rest, n);
    *rest = n < rest->n ? bl_slice_drop(*rest, n + 1) : (bl_slice){0};
    return true;
}

static inline char bl_lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char)(c | 0x20) : c;
}

static inline bool bl_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* To the end whatever comes, so that it can be sixteen bytes at once. */
static inline bool bl_slice_is_ascii(bl_slice s)
{
    unsigned char all = 0;

    for (size_t i = 0; i < s.n; i++)
        all |= (unsigned char)s.p[i];
    return all < 0x80;
}

/* Where `needle` first stands, or SIZE_MAX. */
size_t bl_slice_find(bl_slice s, bl_slice needle);

/* As bl_slice_eq and bl_slice_ends, ASCII case folded. */
bool bl_slice_eq_fold(bl_slice a, bl_slice b);
bool bl_slice_ends_fold(bl_slice s, bl_slice suffix);

/* Takes one run of decimal digits that fits the type; false, and `s` untouched, otherwise. */
bool bl_slice_take_u64(bl_slice *s, uint64_t *out);

#endif
