/* filter.h -- addresses that have a record in Redis
 *
 * So that a delivery to an address without history costs Redis nothing.
 *
 * Shapes     64-bit hashes; two addresses of one hash are both hits, which is harmless
 * Units      cap: hashes
 * Ownership  the stage's
 * Threads    one at a time
 * Errors     none: when the cap or the memory is reached, everything is a hit
 * Source     -
 */
#ifndef BL_FILTER_H
#define BL_FILTER_H

#include "bounceline/slice.h"

struct bl_filter {
    uint64_t *slot; /* open addressing; 0 is empty */
    size_t    n, mask, cap;
    bool      full;
};

void bl_filter_init(struct bl_filter *filter, size_t cap);
void bl_filter_release(struct bl_filter *filter);
void bl_filter_clear(struct bl_filter *filter);
void bl_filter_add(struct bl_filter *filter, uint64_t hash);
bool bl_filter_has(const struct bl_filter *filter, uint64_t hash);

#endif
