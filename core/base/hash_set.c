#include "bounceline/hash_set.h"

#include "bounceline/alloc.h"

enum { FIRST_SLOTS = 1024 };

void bl_hash_set_init(struct bl_hash_set *set, size_t cap)
{
    *set = (struct bl_hash_set){.cap = cap};
}

void bl_hash_set_release(struct bl_hash_set *set)
{
    bl_free(set->slot);
    set->slot = NULL;
}

void bl_hash_set_clear(struct bl_hash_set *set)
{
    size_t cap = set->cap;

    bl_hash_set_release(set);
    bl_hash_set_init(set, cap);
}

static size_t place(const uint64_t *slot, size_t mask, uint64_t hash)
{
    size_t i = hash & mask;

    while (slot[i] && slot[i] != hash)
        i = (i + 1) & mask;
    return i;
}

static bool grow(struct bl_hash_set *set)
{
    size_t slots = set->slot ? (set->mask + 1) * 2 : FIRST_SLOTS;
    uint64_t *slot = bl_calloc(slots, sizeof *slot);

    if (!slot)
        return false;
    for (size_t i = 0; set->slot && i <= set->mask; i++)
        if (set->slot[i])
            slot[place(slot, slots - 1, set->slot[i])] = set->slot[i];
    bl_free(set->slot);
    set->slot = slot;
    set->mask = slots - 1;
    return true;
}

void bl_hash_set_add(struct bl_hash_set *set, uint64_t hash)
{
    size_t i;

    hash += hash == 0;
    if (set->full)
        return;
    if ((!set->slot || set->n * 4 >= (set->mask + 1) * 3) && (set->n >= set->cap || !grow(set))) {
        set->full = true;
        return;
    }
    i = place(set->slot, set->mask, hash);
    set->n += set->slot[i] == 0;
    set->slot[i] = hash;
}

/* What stands behind it moves up, unless its home lies behind the gap. */
void bl_hash_set_remove(struct bl_hash_set *set, uint64_t hash)
{
    size_t gap, i;

    hash += hash == 0;
    if (!set->slot)
        return;
    gap = place(set->slot, set->mask, hash);
    if (set->slot[gap] != hash)
        return;
    for (i = (gap + 1) & set->mask; set->slot[i]; i = (i + 1) & set->mask)
        if (((i - set->slot[i]) & set->mask) >= ((i - gap) & set->mask)) {
            set->slot[gap] = set->slot[i];
            gap = i;
        }
    set->slot[gap] = 0;
    set->n--;
    set->full = false;
}

bool bl_hash_set_has(const struct bl_hash_set *set, uint64_t hash)
{
    hash += hash == 0;
    return set->slot && set->slot[place(set->slot, set->mask, hash)] == hash;
}
