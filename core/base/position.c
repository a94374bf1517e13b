#include "bounceline/position.h"

#include <inttypes.h>
#include <stdio.h>

#include "bounceline/alloc.h"

void bl_positions_release(struct bl_positions *list)
{
    bl_free(list->v);
    *list = (struct bl_positions){0};
}

bl_position *bl_positions_find(const struct bl_positions *list, uint64_t generation)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i].generation == generation)
            return &list->v[i];
    return NULL;
}

enum bl_code bl_positions_put(struct bl_positions *list, const bl_position *position)
{
    bl_position *old = bl_positions_find(list, position->generation);

    if (!old)
        return bl_positions_add(list, position);
    *old = *position;
    return BL_OK;
}

enum bl_code bl_positions_add(struct bl_positions *list, const bl_position *position)
{
    if (list->n == BL_GENERATIONS_MAX)
        return BL_LIMIT;
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 8;
        bl_position *v = bl_realloc(list->v, cap * sizeof *v);

        if (!v)
            return BL_NO_MEMORY;
        list->v = v;
        list->cap = cap;
    }
    list->v[list->n++] = *position;
    return BL_OK;
}

enum bl_code bl_positions_copy(struct bl_positions *to, const struct bl_positions *from)
{
    struct bl_positions copy = {.n = from->n, .cap = from->n};

    if (from->n) {
        copy.v = bl_malloc(from->n * sizeof *copy.v);
        if (!copy.v)
            return BL_NO_MEMORY;
        memcpy(copy.v, from->v, from->n * sizeof *copy.v);
    }
    bl_positions_release(to);
    *to = copy;
    return BL_OK;
}

void bl_positions_remove(struct bl_positions *list, uint64_t generation)
{
    bl_position *old = bl_positions_find(list, generation);

    if (old)
        *old = list->v[--list->n];
}

size_t bl_position_text(const bl_position *p, char out[BL_POSITION_TEXT_MAX])
{
    int n = snprintf(out, BL_POSITION_TEXT_MAX,
                     "%" PRIu64 " %016" PRIx64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRIu32
                     " %016" PRIx64 " %" PRIu32 " %016" PRIx64 " %" PRId64 " %d",
                     p->offset, p->source, p->device, p->inode, p->birth_ns, p->head_n,
                     p->head_hash, p->tail_n, p->tail_hash, p->seen_s, p->finished);

    if (p->told_at)
        n += snprintf(out + n, BL_POSITION_TEXT_MAX - (size_t)n, " %" PRIu64, p->told_at);
    return (size_t)n;
}

/* The text between two blanks, with the blank behind it taken too. */
static bl_slice take_word(bl_slice *in)
{
    size_t n = bl_slice_find_byte(*in, ' ');
    bl_slice word = bl_slice_head(*in, n);

    *in = bl_slice_drop(*in, n < in->n ? n + 1 : n);
    return word;
}

static bool take_decimal(bl_slice *in, uint64_t max, uint64_t *out)
{
    bl_slice word = take_word(in);

    return bl_slice_take_u64(&word, out) && word.n == 0 && *out <= max;
}

static bool take_signed(bl_slice *in, int64_t *out)
{
    bl_slice word = take_word(in);
    bool negative = bl_slice_take(&word, BL_SLICE("-"));
    uint64_t value;

    if (!bl_slice_take_u64(&word, &value) || word.n != 0 || value > INT64_MAX)
        return false;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

static bool take_hex(bl_slice *in, uint64_t *out)
{
    bl_slice word = take_word(in);
    uint64_t value = 0;

    if (word.n == 0 || word.n > 16)
        return false;
    for (size_t i = 0; i < word.n; i++) {
        char c = bl_lower(word.p[i]);

        if (bl_is_digit(c))
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = value;
    return true;
}

/* FINISHED and TOLD, also in the old form. */
static bool take_state(bl_slice *in, bl_position *p)
{
    uint64_t state;

    if (!take_decimal(in, 3, &state))
        return false;
    p->finished = state & 1;
    p->told_at = state & 2 ? p->offset : 0;
    return in->n == 0 ||
           (!(state & 2) && take_decimal(in, p->offset, &p->told_at) && p->told_at > 0);
}

enum bl_code bl_position_parse(uint64_t generation, bl_slice text, bl_position *out)
{
    bl_position p = {.generation = generation};
    uint64_t head_n, tail_n;

    if (generation == 0 || !take_decimal(&text, INT64_MAX, &p.offset) ||
        !take_hex(&text, &p.source) || !take_decimal(&text, UINT64_MAX, &p.device) ||
        !take_decimal(&text, UINT64_MAX, &p.inode) || !take_signed(&text, &p.birth_ns) ||
        !take_decimal(&text, BL_HEAD_BYTES, &head_n) || !take_hex(&text, &p.head_hash) ||
        !take_decimal(&text, BL_TAIL_BYTES, &tail_n) || !take_hex(&text, &p.tail_hash) ||
        !take_signed(&text, &p.seen_s) || !take_state(&text, &p) || text.n != 0 ||
        tail_n > p.offset)
        return BL_BAD_INPUT;
    p.head_n = (uint32_t)head_n;
    p.tail_n = (uint32_t)tail_n;
    *out = p;
    return BL_OK;
}
