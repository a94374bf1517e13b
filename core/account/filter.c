#include "filter.h"

#include "bounceline/alloc.h"

enum { FIRST_SLOTS = 1024 };

void bl_filter_init(struct bl_filter *filter, size_t cap)
{
    *filter = (struct bl_filter){.cap = cap};
}

void bl_filter_release(struct bl_filter *filter)
{
    bl_free(filter->slot);
    filter->slot = NULL;
}

void bl_filter_clear(struct bl_filter *filter)
{
    size_t cap = filter->cap;

    bl_filter_release(filter);
    bl_filter_init(filter, cap);
}

static size_t place(const uint64_t *slot, size_t mask, uint64_t hash)
{
    size_t i = hash & mask;

    while (slot[i] && slot[i] != hash)
        i = (i + 1) & mask;
    return i;
}

static bool grow(struct bl_filter *filter)
{
    size_t slots = filter->slot ? (filter->mask + 1) * 2 : FIRST_SLOTS;
    uint64_t *slot = bl_calloc(slots, sizeof *slot);

    if (!slot)
        return false;
    for (size_t i = 0; filter->slot && i <= filter->mask; i++)
        if (filter->slot[i])
            slot[place(slot, slots - 1, filter->slot[i])] = filter->slot[i];
    bl_free(filter->slot);
    filter->slot = slot;
    filter->mask = slots - 1;
    return true;
}

void bl_filter_add(struct bl_filter *filter, uint64_t hash)
{
    size_t i;

    hash += hash == 0;
    if (filter->full)
        return;
    if ((!filter->slot || filter->n * 4 >= (filter->mask + 1) * 3) &&
        (filter->n >= filter->cap || !grow(filter))) {
        filter->full = true;
        return;
    }
    i = place(filter->slot, filter->mask, hash);
    filter->n += filter->slot[i] == 0;
    filter->slot[i] = hash;
}

bool bl_filter_has(const struct bl_filter *filter, uint64_t hash)
{
    hash += hash == 0;
    if (filter->full)
        return true;
    return filter->slot && filter->slot[place(filter->slot, filter->mask, hash)] == hash;
}
