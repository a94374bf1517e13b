/* window.h -- the next bytes of a line, asked about all at once
 *
 * Log lines are short words between blanks, colons and brackets.  A byte loop over such words ends
 * each time at another length, so it costs a mispredicted branch per word; a bit mask of all the
 * places of a byte costs none.
 *
 * Three makes, one meaning; tests/model/test_window.c compares them at every length:
 *   scalar   the definition
 *   SSE2     32 bytes; reads nothing outside of the slice
 *   AVX2     64 bytes; where BL_WINDOW_AVX2 is defined (worker_avx2.c alone).  Reads 64 bytes from
 * where it is opened whatever the slice's length, which a block allows: BL_BLOCK_SLACK
 *
 * Private to core.
 */
#ifndef BOUNCELINE_WINDOW_H
#define BOUNCELINE_WINDOW_H

#include "bounceline/slice.h"

#if defined(BL_WINDOW_AVX2)
#include <immintrin.h>
#elif defined(__x86_64__)
#include <emmintrin.h>
#endif

/* For the cold ends of a hot path; BL_ALWAYS_INLINE is for the others. */
#define RARELY static __attribute__((noinline, unused))

#if defined(BL_WINDOW_AVX2)
enum { BL_WINDOW = 64 };
#else
enum { BL_WINDOW = 32 };
#endif

static inline uint64_t bl_window_mask_scalar(bl_slice s, char byte)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < s.n && i < BL_WINDOW; i++)
        mask |= (uint64_t)(s.p[i] == byte) << i;
    return mask;
}

static inline uint32_t bl_window_alnum_scalar(bl_slice s)
{
    uint32_t mask = 0;

    for (size_t i = 0; i < s.n && i < 32; i++)
        mask |=
            (uint32_t)(bl_is_digit(s.p[i]) || (bl_lower(s.p[i]) >= 'a' && bl_lower(s.p[i]) <= 'z'))
            << i;
    return mask;
}

static inline uint32_t bl_window_digits_scalar(bl_slice s)
{
    uint32_t mask = 0;

    for (size_t i = 0; i < s.n && i < 32; i++)
        mask |= (uint32_t)bl_is_digit(s.p[i]) << i;
    return mask;
}

#if defined(BL_WINDOW_AVX2)

struct bl_window {
    __m256i low, high;
};

static inline struct bl_window bl_window_open(bl_slice s)
{
    return (struct bl_window){_mm256_loadu_si256((const __m256i *)(const void *)s.p),
                              _mm256_loadu_si256((const __m256i *)(const void *)(s.p + 32))};
}

static inline uint64_t bl_window_join(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
                                                     << 32;
}

static inline uint64_t bl_window_mask(const struct bl_window *w, char byte)
{
    __m256i all = _mm256_set1_epi8(byte);

    return bl_window_join(_mm256_cmpeq_epi8(w->low, all), _mm256_cmpeq_epi8(w->high, all));
}

static inline __m256i bl_window_between(__m256i bytes, char above, char below)
{
    return _mm256_and_si256(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8(above)),
                            _mm256_cmpgt_epi8(_mm256_set1_epi8(below), bytes));
}

static inline uint32_t bl_window_digits(const struct bl_window *w)
{
    return (uint32_t)_mm256_movemask_epi8(bl_window_between(w->low, '0' - 1, '9' + 1));
}

static inline uint32_t bl_window_alnum(const struct bl_window *w)
{
    __m256i folded = _mm256_or_si256(w->low, _mm256_set1_epi8(0x20));

    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(
        bl_window_between(w->low, '0' - 1, '9' + 1), bl_window_between(folded, 'a' - 1, 'z' + 1)));
}

#elif defined(__x86_64__)

/* Two registers; when fewer than 32 bytes are there, the second one overlaps the first. */
struct bl_window {
    __m128i low, high;
    unsigned shift; /* where the second one begins */
};

/* Fewer than 16 bytes: two halves that overlap, zeros behind them. */
static inline struct bl_window bl_window_open_short(bl_slice s)
{
    uint64_t low = 0, high = 0;
    uint32_t a = 0, b = 0;
    unsigned shift = 0;

    if (s.n >= 8) {
        shift = (unsigned)(s.n - 8);
        memcpy(&low, s.p, 8);
        memcpy(&high, s.p + shift, 8);
    } else if (s.n >= 4) {
        shift = (unsigned)(s.n - 4);
        memcpy(&a, s.p, 4);
        memcpy(&b, s.p + shift, 4);
        low = a;
        high = b;
    } else {
        for (size_t i = 0; i < s.n; i++)
            low |= (uint64_t)(unsigned char)s.p[i] << (8 * i);
    }
    return (struct bl_window){_mm_cvtsi64_si128((long long)low), _mm_cvtsi64_si128((long long)high),
                              shift};
}

static inline struct bl_window bl_window_open(bl_slice s)
{
    unsigned shift;

    if (s.n < 16)
        return bl_window_open_short(s);
    shift = (unsigned)(s.n < 32 ? s.n : 32) - 16;
    return (struct bl_window){_mm_loadu_si128((const __m128i *)(const void *)s.p),
                              _mm_loadu_si128((const __m128i *)(const void *)(s.p + shift)), shift};
}

static inline uint32_t bl_window_join(const struct bl_window *w, __m128i low, __m128i high)
{
    return (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << w->shift;
}

/* Bit i: the byte at i is `byte`, which must not be NUL.  Bits at and beyond the slice's length
 * mean nothing. */
static inline uint64_t bl_window_mask(const struct bl_window *w, char byte)
{
    __m128i all = _mm_set1_epi8(byte);

    return bl_window_join(w, _mm_cmpeq_epi8(w->low, all), _mm_cmpeq_epi8(w->high, all));
}

static inline __m128i bl_window_between(__m128i bytes, char above, char below)
{
    return _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(above)),
                         _mm_cmplt_epi8(bytes, _mm_set1_epi8(below)));
}

/* Bit i: the byte at i is a digit; 32 bytes. */
static inline uint32_t bl_window_digits(const struct bl_window *w)
{
    return bl_window_join(w, bl_window_between(w->low, '0' - 1, '9' + 1),
                          bl_window_between(w->high, '0' - 1, '9' + 1));
}

static inline __m128i bl_window_alnums(__m128i bytes)
{
    __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));

    return _mm_or_si128(bl_window_between(bytes, '0' - 1, '9' + 1),
                        bl_window_between(folded, 'a' - 1, 'z' + 1));
}

/* Bit i: the byte at i is an ASCII letter or digit; 32 bytes. */
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

static inline uint64_t bl_window_mask(const struct bl_window *w, char byte)
{
    return bl_window_mask_scalar(w->s, byte);
}

static inline uint32_t bl_window_digits(const struct bl_window *w)
{
    return bl_window_digits_scalar(w->s);
}

static inline uint32_t bl_window_alnum(const struct bl_window *w)
{
    return bl_window_alnum_scalar(w->s);
}

#endif

/* The bits below `n`; n < 64. */
static inline uint64_t bl_window_below(size_t n)
{
    return (UINT64_C(1) << n) - 1;
}

/* Where `a` or `b` first stands, or s.n. */
BL_ALWAYS_INLINE size_t bl_window_find2(bl_slice s, char a, char b)
{
    size_t at = 0;

    do {
        struct bl_window w = bl_window_open((bl_slice){s.p + at, s.n - at});
        uint64_t mask = bl_window_mask(&w, a) | bl_window_mask(&w, b);

        if (mask) {
            at += (size_t)__builtin_ctzll(mask);
            return at < s.n ? at : s.n;
        }
        at += BL_WINDOW;
    } while (at < s.n);
    return s.n;
}

/* Where `byte` first stands, or s.n: bl_slice_find_byte for things that are near. */
BL_ALWAYS_INLINE size_t bl_window_find(bl_slice s, char byte)
{
    return bl_window_find2(s, byte, byte);
}

/* Walks the words of a line.  The windows stand at fixed places, so the next one is loaded and
 * compared while the last word is still being looked at; searching anew from each word's end would
 * make a chain of loads, each waiting for the one before. */
struct bl_words {
    bl_slice s;
    size_t from; /* where the present word begins */
    size_t window;
    uint64_t blanks; /* of the window, not yet passed */
};

static inline struct bl_words bl_words_begin(bl_slice s)
{
    struct bl_window w = bl_window_open(s);

    return (struct bl_words){s, 0, 0, bl_window_mask(&w, ' ')};
}

/* Where the present word ends, a blank or s.n; to be asked once for each word. */
BL_ALWAYS_INLINE size_t bl_words_end(struct bl_words *words)
{
    size_t at;

    while (words->blanks == 0) {
        struct bl_window w;

        words->window += BL_WINDOW;
        if (words->window >= words->s.n)
            return words->s.n;
        w = bl_window_open((bl_slice){words->s.p + words->window, words->s.n - words->window});
        words->blanks = bl_window_mask(&w, ' ');
    }
    at = words->window + (size_t)__builtin_ctzll(words->blanks);
    words->blanks &= words->blanks - 1;
    return at < words->s.n ? at : words->s.n;
}

/* Does `s` begin with the first `n` bytes of `text`, but for `gap_n` of them from `gap` on?  `text`
 * is an array of at least 64 bytes. */
BL_ALWAYS_INLINE bool bl_window_starts(bl_slice s, const char *text, size_t n, size_t gap,
                                       size_t gap_n)
{
    size_t behind = gap + gap_n;

#if defined(BL_WINDOW_AVX2)
    if (n < BL_WINDOW) {
        struct bl_window a = bl_window_open(s), b = bl_window_open((bl_slice){text, n});
        uint64_t same =
            bl_window_join(_mm256_cmpeq_epi8(a.low, b.low), _mm256_cmpeq_epi8(a.high, b.high));

        return s.n >= n && (~same & bl_window_below(n) &
                            ~(bl_window_below(behind) ^ bl_window_below(gap))) == 0;
    }
#endif
    return s.n >= n && bl_bytes_same(s.p, text, gap) &&
           bl_bytes_same(s.p + behind, text + behind, n - behind);
}

/* Four bytes as a number, for `switch`; and the number of four characters. */
static inline uint32_t bl_four(const char *p)
{
    return (uint32_t)(unsigned char)p[0] | (uint32_t)(unsigned char)p[1] << 8 |
           (uint32_t)(unsigned char)p[2] << 16 | (uint32_t)(unsigned char)p[3] << 24;
}

#define BL_FOUR(a, b, c, d)                                                                        \
    ((uint32_t)(unsigned char)(a) | (uint32_t)(unsigned char)(b) << 8 |                            \
     (uint32_t)(unsigned char)(c) << 16 | (uint32_t)(unsigned char)(d) << 24)

#endif
