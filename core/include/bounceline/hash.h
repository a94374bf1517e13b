/* hash.h -- 64-bit hashes of text
 *
 * XXH3 with a fixed seed: hashes are stored (join snapshots, generations), so they must be the same
 * in every process.  Tables that a stranger's text fills compare the text itself, never the hash
 * alone, or carry 128 bits.
 *
 * Shapes     any bytes
 * Units      -
 * Ownership  -
 * Threads    pure
 * Errors     none
 * Source     xxHash 0.8 (XXH3)
 */
#ifndef BOUNCELINE_HASH_H
#define BOUNCELINE_HASH_H

#include "bounceline/slice.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t bl_hash64(bl_slice text)
{
    return XXH3_64bits(text.p, text.n);
}

static inline uint64_t bl_hash64_seeded(bl_slice text, uint64_t seed)
{
    return XXH3_64bits_withSeed(text.p, text.n, seed);
}

/* Two words into one, every bit of which depends on all of theirs; one that is 0 hides the
 * other. */
static inline uint64_t bl_hash_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
