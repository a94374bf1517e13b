/* slots.h -- the index of a hash table whose things live elsewhere
 *
 * Open addressing with linear probing.  A slot is eight bytes, a tag (32 bits of the thing's hash)
 * and a reference, so eight neighbours share a cache line and a probe is almost always one line.
 * The home slot is the tag's upper bits: nothing outside the table is needed to move slots, and
 * removal closes the gap instead of leaving a mark, so a table never degrades.
 *
 * A table begins small and doubles when it is a quarter full: what is used of it stays in the
 * cache, though it may become large, and a thing hardly ever stands beside its home.  All that it
 * may need is reserved at the start, so growing cannot fail, and the pages are touched when it gets
 * there.
 *
 * Shapes     references: 1..UINT32_MAX, 0 is an empty slot; never more than half full
 * Units      -
 * Ownership  bl_slots_init allocates, bl_slots_release frees; pages are touched when used
 * Threads    one at a time
 * Errors     bl_slots_init: false
 * Source     Knuth 6.4, algorithm R (deletion with linear probing)
 */
#ifndef BL_SLOTS_H
#define BL_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bounceline/alloc.h"
#include "bounceline/slice.h"

struct bl_slot {
    uint32_t tag, ref;
};

struct bl_slots {
    struct bl_slot *v;
    uint32_t mask, n;
    unsigned shift, least_shift; /* of the present table, and of the largest */
    /* where things are put while the table doubles; NULL: it will not any more */
    struct bl_slot *aside;
};

enum { BL_SLOTS_FIRST_BITS = 10 };

static inline void bl_slots_resize(struct bl_slots *slots, unsigned bits)
{
    slots->mask = (uint32_t)(((uint64_t)1 << bits) - 1);
    slots->shift = 32 - bits;
}

static inline void bl_slots_release(struct bl_slots *slots)
{
    bl_table_free(slots->v);
    bl_table_free(slots->aside);
    slots->v = slots->aside = NULL;
}

/* Room for `things`; at most 2^30 of them. */
static inline bool bl_slots_init(struct bl_slots *slots, size_t things)
{
    unsigned bits = 4;

    if (things > (size_t)1 << 30)
        return false;
    while ((size_t)1 << bits < things * 2)
        bits++;
    slots->v = bl_table_new((size_t)1 << bits, sizeof *slots->v);
    slots->aside =
        bits > BL_SLOTS_FIRST_BITS ? bl_table_new((size_t)1 << (bits - 1), sizeof *slots->v) : NULL;
    slots->n = 0;
    slots->least_shift = 32 - bits;
    bl_slots_resize(slots, bits < BL_SLOTS_FIRST_BITS ? bits : BL_SLOTS_FIRST_BITS);
    if (slots->v && (slots->aside || bits <= BL_SLOTS_FIRST_BITS))
        return true;
    bl_slots_release(slots);
    return false;
}

static inline uint32_t bl_slots_home(const struct bl_slots *slots, uint32_t tag)
{
    return tag >> slots->shift;
}

BL_ALWAYS_INLINE void bl_slots_prefetch(const struct bl_slots *slots, uint32_t tag)
{
    __builtin_prefetch(&slots->v[bl_slots_home(slots, tag)]);
}

/* The next thing with this tag, or 0: start with `*at` at the home slot.  The caller compares the
 * thing itself; a tag is a hint. */
static inline uint32_t bl_slots_next(const struct bl_slots *slots, uint32_t tag, uint32_t *at)
{
    for (;;) {
        struct bl_slot slot = slots->v[*at];

        if (slot.ref == 0)
            return 0;
        *at = (*at + 1) & slots->mask;
        if (slot.tag == tag)
            return slot.ref;
    }
}

static inline void bl_slots_place(struct bl_slots *slots, struct bl_slot slot)
{
    uint32_t at = bl_slots_home(slots, slot.tag);

    while (slots->v[at].ref != 0)
        at = (at + 1) & slots->mask;
    slots->v[at] = slot;
}

/* Twice as many: all of them move. */
static __attribute__((noinline, unused)) void bl_slots_grow(struct bl_slots *slots)
{
    uint32_t old = slots->mask + 1;

    memcpy(slots->aside, slots->v, old * sizeof *slots->v);
    memset(slots->v, 0, old * sizeof *slots->v);
    bl_slots_resize(slots, 32 - slots->shift + 1);
    for (uint32_t i = 0; i < old; i++)
        if (slots->aside[i].ref != 0)
            bl_slots_place(slots, slots->aside[i]);
    if (slots->shift == slots->least_shift) {
        bl_table_free(slots->aside);
        slots->aside = NULL;
    }
}

static inline void bl_slots_put(struct bl_slots *slots, uint32_t tag, uint32_t ref)
{
    if (++slots->n > (slots->mask + 1) / 4 && slots->shift > slots->least_shift)
        bl_slots_grow(slots);
    bl_slots_place(slots, (struct bl_slot){tag, ref});
}

/* Takes out a thing that is in the table.  Each later slot of the run moves into the gap unless its
 * home lies behind the gap. */
static inline void bl_slots_remove(struct bl_slots *slots, uint32_t tag, uint32_t ref)
{
    uint32_t gap = bl_slots_home(slots, tag), at;

    while (slots->v[gap].ref != ref)
        gap = (gap + 1) & slots->mask;
    for (at = (gap + 1) & slots->mask; slots->v[at].ref != 0; at = (at + 1) & slots->mask) {
        uint32_t home = bl_slots_home(slots, slots->v[at].tag);

        if (((at - home) & slots->mask) >= ((at - gap) & slots->mask)) {
            slots->v[gap] = slots->v[at];
            gap = at;
        }
    }
    slots->v[gap].ref = 0;
    slots->n--;
}

/* Empties the slot of one thing without closing the gap: only for emptying the whole table, thing
 * by thing, which costs what is in it and not what would fit. */
static inline void bl_slots_blank(struct bl_slots *slots, uint32_t tag, uint32_t ref)
{
    uint32_t at = bl_slots_home(slots, tag);

    while (slots->v[at].ref != ref)
        at = (at + 1) & slots->mask;
    slots->v[at].ref = 0;
    slots->n--;
}

#endif
