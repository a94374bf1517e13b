/* A list of chunks, each handed out front to back.  A request that does not fit opens a chunk of
 * its own size or of CHUNK_BYTES, whichever is larger. */
#include "bounceline/arena.h"

#include "bounceline/alloc.h"

enum { CHUNK_BYTES = 64 << 10, ALIGN = 16 };

struct bl_arena_chunk {
    struct bl_arena_chunk *older;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void bl_arena_init(struct bl_arena *arena, size_t cap_bytes)
{
    *arena = (struct bl_arena){.cap_bytes = cap_bytes};
}

static char *take(struct bl_arena *arena, size_t bytes, size_t align)
{
    struct bl_arena_chunk *chunk = arena->chunks;
    size_t at = 0;

    if (bytes > arena->cap_bytes || arena->used_bytes > arena->cap_bytes - bytes)
        return NULL;
    if (chunk)
        at = (chunk->used + align - 1) & ~(align - 1);
    if (!chunk || at > chunk->size || chunk->size - at < bytes) {
        size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;

        chunk = bl_malloc(sizeof *chunk + size);
        if (!chunk)
            return NULL;
        chunk->older = arena->chunks;
        chunk->used = 0;
        chunk->size = size;
        arena->chunks = chunk;
        at = 0;
    }
    chunk->used = at + bytes;
    arena->used_bytes += bytes;
    return chunk->bytes + at;
}

void *bl_arena_alloc(struct bl_arena *arena, size_t bytes)
{
    return take(arena, bytes ? bytes : 1, ALIGN);
}

bl_slice bl_arena_copy(struct bl_arena *arena, bl_slice text)
{
    char *to;

    if (text.n == 0)
        return (bl_slice){0};
    to = take(arena, text.n, 1);
    if (to)
        memcpy(to, text.p, text.n);
    return (bl_slice){to, text.n};
}

static void free_chunks(struct bl_arena_chunk *chunk)
{
    while (chunk) {
        struct bl_arena_chunk *older = chunk->older;

        bl_free(chunk);
        chunk = older;
    }
}

void bl_arena_reset(struct bl_arena *arena)
{
    if (arena->chunks) {
        free_chunks(arena->chunks->older);
        arena->chunks->older = NULL;
        arena->chunks->used = 0;
    }
    arena->used_bytes = 0;
}

void bl_arena_release(struct bl_arena *arena)
{
    free_chunks(arena->chunks);
    arena->chunks = NULL;
    arena->used_bytes = 0;
}
