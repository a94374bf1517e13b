/* lines.c -- where the lines of a buffer end
 *
 * 64 bytes a step: two compares make a 64-bit mask of newlines.  Most steps hold none or one, so
 * the first place is written without asking and the count decides whether it stays; asking first
 * would cost a mispredicted branch for nearly every line.
 */
#include "bounceline/lines.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

size_t bl_lines_find_scalar(const char *bytes, size_t n, uint32_t *ends, size_t cap)
{
    size_t found = 0;

    for (size_t i = 0; i < n && found < cap; i++)
        if (bytes[i] == '\n')
            ends[found++] = (uint32_t)i;
    return found;
}

#if defined(__x86_64__)

enum { AHEAD = 1024 }; /* whoever read the bytes may have done so on another processor */

__attribute__((target("avx2,bmi,popcnt"))) static size_t find_avx2(const char *bytes, size_t n,
                                                                   uint32_t *ends, size_t cap)
{
    const __m256i newline = _mm256_set1_epi8('\n');
    size_t found = 0, at = 0;

    for (; at + 64 <= n && found < cap; at += 64) {
        __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)(bytes + at));
        __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(bytes + at + 32));
        uint64_t mask = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, newline)) |
                        (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, newline))
                            << 32;
        uint64_t more = mask & (mask - 1);

        __builtin_prefetch((const char *)((uintptr_t)bytes + at + AHEAD));
        ends[found] = (uint32_t)(at + _tzcnt_u64(mask));
        found += mask != 0;
        if (more == 0)
            continue;
        if ((size_t)_mm_popcnt_u64(more) > cap - found) {
            found--; /* the end of `cap` lies in this step */
            break;
        }
        for (; more; more &= more - 1)
            ends[found++] = (uint32_t)(at + _tzcnt_u64(more));
    }
    for (; at < n && found < cap; at++)
        if (bytes[at] == '\n')
            ends[found++] = (uint32_t)at;
    return found;
}

size_t bl_lines_find(const char *bytes, size_t n, uint32_t *ends, size_t cap)
{
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("popcnt"))
        return find_avx2(bytes, n, ends, cap);
    return bl_lines_find_scalar(bytes, n, ends, cap);
}

#else

size_t bl_lines_find(const char *bytes, size_t n, uint32_t *ends, size_t cap)
{
    return bl_lines_find_scalar(bytes, n, ends, cap);
}

#endif
