/* arena.h -- memory that is freed whole
 *
 * For what is built once and lives together: a rule set, a batch.
 *
 * Shapes     alignment 16 for bl_arena_alloc, 1 for bl_arena_copy
 * Units      bytes
 * Ownership  everything handed out dies in bl_arena_reset or bl_arena_release
 * Threads    one at a time
 * Errors     NULL (or p == NULL with n > 0) when the cap or the memory is reached
 * Source     -
 */
#ifndef BOUNCELINE_ARENA_H
#define BOUNCELINE_ARENA_H

#include "bounceline/slice.h"

struct bl_arena_chunk;

struct bl_arena {
    struct bl_arena_chunk *chunks; /* newest first */
    size_t used_bytes, cap_bytes;
};

/* `cap_bytes` bounds what is handed out between two resets. */
void bl_arena_init(struct bl_arena *arena, size_t cap_bytes);
void *bl_arena_alloc(struct bl_arena *arena, size_t bytes);
bl_slice bl_arena_copy(struct bl_arena *arena, bl_slice text);
void bl_arena_reset(struct bl_arena *arena); /* keeps the newest chunk for reuse */
void bl_arena_release(struct bl_arena *arena);

#endif
