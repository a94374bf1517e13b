#include "pack.h"

#include "bounceline/alloc.h"

void bl_pack_clear(struct bl_pack *pack)
{
    pack->n = 0;
    pack->failed = false;
}

void bl_pack_release(struct bl_pack *pack)
{
    bl_free(pack->bytes);
    *pack = (struct bl_pack){0};
}

/* Room for `more` bytes, or NULL: then the pack has failed and nothing else is added. */
static char *room(struct bl_pack *pack, size_t more)
{
    if (pack->failed)
        return NULL;
    if (pack->cap - pack->n < more) {
        size_t cap = pack->cap ? pack->cap : 4096;
        char *bytes;

        while (cap - pack->n < more)
            cap *= 2;
        bytes = bl_realloc(pack->bytes, cap);
        if (!bytes) {
            pack->failed = true;
            return NULL;
        }
        pack->bytes = bytes;
        pack->cap = cap;
    }
    return pack->bytes + pack->n;
}

/* A type byte and `width` bytes of `value`, most significant first. */
static void put(struct bl_pack *pack, unsigned type, uint64_t value, unsigned width)
{
    char *to = room(pack, 1 + width);

    if (!to)
        return;
    to[0] = (char)type;
    for (unsigned i = 0; i < width; i++)
        to[1 + i] = (char)(value >> (8 * (width - 1 - i)));
    pack->n += 1 + width;
}

void bl_pack_u64(struct bl_pack *pack, uint64_t value)
{
    if (value < 0x80)
        put(pack, (unsigned)value, 0, 0);
    else if (value <= UINT8_MAX)
        put(pack, 0xcc, value, 1);
    else if (value <= UINT16_MAX)
        put(pack, 0xcd, value, 2);
    else if (value <= UINT32_MAX)
        put(pack, 0xce, value, 4);
    else
        put(pack, 0xcf, value, 8);
}

void bl_pack_text(struct bl_pack *pack, bl_slice text)
{
    char *to;

    if (text.n < 32)
        put(pack, 0xa0 | (unsigned)text.n, 0, 0);
    else if (text.n <= UINT16_MAX)
        put(pack, 0xda, text.n, 2);
    else
        put(pack, 0xdb, text.n, 4);
    to = room(pack, text.n);
    if (!to || text.n == 0)
        return;
    memcpy(to, text.p, text.n);
    pack->n += text.n;
}

void bl_pack_decimal(struct bl_pack *pack, int64_t value)
{
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char digits[24];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (value < 0)
        digits[--at] = '-';
    bl_pack_text(pack, (bl_slice){digits + at, sizeof digits - at});
}

void bl_pack_array(struct bl_pack *pack, size_t count)
{
    if (count < 16)
        put(pack, 0x90 | (unsigned)count, 0, 0);
    else if (count <= UINT16_MAX)
        put(pack, 0xdc, count, 2);
    else
        put(pack, 0xdd, count, 4);
}

size_t bl_pack_array_begin(struct bl_pack *pack)
{
    size_t at = pack->n;

    put(pack, 0xdd, 0, 4);
    return at;
}

void bl_pack_array_end(struct bl_pack *pack, size_t at, size_t count)
{
    if (pack->failed)
        return;
    for (unsigned i = 0; i < 4; i++)
        pack->bytes[at + 1 + i] = (char)(count >> (8 * (3 - i)));
}
