/* pack.h -- numbers and texts for the scripts, packed
 *
 * MessagePack, as far as cmsgpack.unpack of every Redis and Valkey reads it: one argument instead
 * of thousands, and no number is read from text on the other side.
 *
 * Shapes     arrays, texts, unsigned integers
 * Units      bytes
 * Ownership  the pack's buffer stays for the next use until released
 * Threads    one at a time
 * Errors     remembered in `failed`: no memory
 * Source     msgpack spec; lua_cmsgpack.c of Redis
 */
#ifndef BOUNCELINE_PACK_H
#define BOUNCELINE_PACK_H

#include "bounceline/slice.h"

struct bl_pack {
    char *bytes;
    size_t n, cap;
    bool failed;
};

void bl_pack_clear(struct bl_pack *pack);
void bl_pack_release(struct bl_pack *pack);
void bl_pack_u64(struct bl_pack *pack, uint64_t value);
void bl_pack_text(struct bl_pack *pack, bl_slice text);
void bl_pack_decimal(struct bl_pack *pack, int64_t value); /* as text */
void bl_pack_array(struct bl_pack *pack, size_t count);

/* An array whose length is not known yet: begin returns where it stands, end writes the length
 * there. */
size_t bl_pack_array_begin(struct bl_pack *pack);
void bl_pack_array_end(struct bl_pack *pack, size_t at, size_t count);

static inline bl_slice bl_pack_slice(const struct bl_pack *pack)
{
    return (bl_slice){pack->bytes, pack->n};
}

#endif
