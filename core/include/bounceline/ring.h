/* ring.h -- a queue from one thread to one other
 *
 * Bounded, lock-free, single producer, single consumer.  It never waits: waiting and waking belong
 * to the threads that use it.
 *
 * Shapes     capacity: a power of two; items: pointers, never NULL
 * Units      items
 * Ownership  of an item passes with it
 * Threads    one producer calls put, one consumer calls take; init and release while neither runs
 * Errors     put: false when full; take: NULL when empty
 * Source     Lamport's queue with cached indices
 */
#ifndef BOUNCELINE_RING_H
#define BOUNCELINE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "bounceline/err.h"

struct bl_ring {
    _Alignas(64) atomic_size_t head; /* next to take; written by the consumer */
    size_t seen_tail;                /* consumer's last look at tail */
    _Alignas(64) atomic_size_t tail; /* next to put; written by the producer */
    size_t seen_head;                /* producer's last look at head */
    _Alignas(64) void **items;
    size_t mask;
};

enum bl_code bl_ring_init(struct bl_ring *ring, size_t capacity);
void bl_ring_release(struct bl_ring *ring);
bool bl_ring_put(struct bl_ring *ring, void *item);
void *bl_ring_take(struct bl_ring *ring);
bool bl_ring_empty(const struct bl_ring *ring); /* a hint, except for the consumer */

#endif
