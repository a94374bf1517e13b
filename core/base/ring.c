/* Lamport's queue.  head and tail only grow; an index is taken modulo the size.  Each side keeps
 * the other's last seen index, so that the shared cache line is read only when the queue looks full
 * (or empty) from here. */
#include "bounceline/ring.h"

#include "bounceline/alloc.h"

enum bl_code bl_ring_init(struct bl_ring *ring, size_t capacity)
{
    void **items = bl_calloc(capacity, sizeof *items);

    if (!items)
        return BL_NO_MEMORY;
    *ring = (struct bl_ring){.items = items, .mask = capacity - 1};
    return BL_OK;
}

void bl_ring_release(struct bl_ring *ring)
{
    bl_free(ring->items);
    ring->items = NULL;
}

bool bl_ring_put(struct bl_ring *ring, void *item)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* ours */

    if (tail - ring->seen_head > ring->mask) {
        /* Acquire: the consumer's reads of the freed place; pairs with the release in take. */
        ring->seen_head = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (tail - ring->seen_head > ring->mask)
            return false;
    }
    ring->items[tail & ring->mask] = item;
    /* COMMIT. Release: the item and all it points to; pairs with the acquire in take. */
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

void *bl_ring_take(struct bl_ring *ring)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* ours */
    void *item;

    if (head == ring->seen_tail) {
        /* Acquire: pairs with the release in put. */
        ring->seen_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head == ring->seen_tail)
            return NULL;
    }
    item = ring->items[head & ring->mask];
    /* Release: the place may be written again; pairs with the acquire in put. */
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}

bool bl_ring_empty(const struct bl_ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_acquire) ==
           atomic_load_explicit(&ring->tail, memory_order_acquire);
}
