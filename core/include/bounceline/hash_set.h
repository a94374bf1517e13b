/* hash_set.h -- a set of 64-bit hashes
 *
 * For questions where two texts of one hash may share an answer: "is there a record", "was it
 * refused".
 *
 * Shapes     any hash; 0 and 1 are one
 * Units      cap: hashes.  8 bytes each; of the room a quarter at least is empty, and it never
 *            shrinks
 * Ownership  the caller's storage; zero value with a cap is an empty set
 * Threads    one at a time
 * Errors     none: when the cap or the memory is reached `full` is set and nothing more is added;
 *            what that means is the caller's to say
 * Source     Knuth, TAOCP 6.4, algorithm R (deletion)
 */
#ifndef BOUNCELINE_HASH_SET_H
#define BOUNCELINE_HASH_SET_H

#include "bounceline/slice.h"

struct bl_hash_set {
    uint64_t *slot; /* open addressing; 0 is empty */
    size_t n, mask, cap;
    bool full;
};

void bl_hash_set_init(struct bl_hash_set *set, size_t cap);
void bl_hash_set_release(struct bl_hash_set *set);
void bl_hash_set_clear(struct bl_hash_set *set);
void bl_hash_set_add(struct bl_hash_set *set, uint64_t hash);
void bl_hash_set_remove(struct bl_hash_set *set, uint64_t hash); /* a full set has room again */
bool bl_hash_set_has(const struct bl_hash_set *set, uint64_t hash);

/* What bl_hash_set_has will look at. */
BL_ALWAYS_INLINE void bl_hash_set_prefetch(const struct bl_hash_set *set, uint64_t hash)
{
    if (set->slot)
        __builtin_prefetch(&set->slot[(hash + (hash == 0)) & set->mask]);
}

#endif
