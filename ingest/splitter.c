/* The reader reads straight into the block, behind the carried line; only what follows the last
 * newline is copied, to be carried to the next block.
 *
 *     block  | carried | ............ read .............. |
 *            ^ at                            last '\n' ^   ^ read_at
 *            |<---------- this block's lines --------->|<->| carried next
 *
 * Whether a line over BL_LINE_MAX stands among them is seen without looking at every newline: the
 * last newline in a window of BL_LINE_MAX + 1 bytes proves all lines before it short, so a block of
 * ordinary lines takes a handful of short backward searches. */
#include "splitter.h"

#include "bounceline/alloc.h"
#include "bounceline/hash.h"

enum bl_code bl_splitter_init(struct bl_splitter *s, const bl_position *at)
{
    char *carry = bl_malloc(BL_LINE_MAX + BL_FRAME_COUNT_MAX);

    if (!carry)
        return BL_NO_MEMORY;
    s->at = *at;
    s->read_at = at->offset;
    s->hashing = true;
    s->skipping = s->stripped = false;
    s->counted = BL_FRAME_MORE;
    s->carry = carry;
    s->carry_n = 0;
    s->tail_n = s->head_n = s->before_n = 0;
    s->lines[0] = '\n';
    s->lines_n = 1;
    return BL_OK;
}

void bl_splitter_release(struct bl_splitter *s)
{
    bl_free(s->carry);
    s->carry = NULL;
}

void bl_splitter_prime(struct bl_splitter *s, bl_slice before, enum bl_frame counted)
{
    s->counted = counted;
    memcpy(s->tail, before.p, before.n);
    s->tail_n = before.n;
    memcpy(s->before, before.p, before.n);
    s->before_n = before.n;
    if (counted == BL_FRAME_DONE)
        s->lines_n = bl_framing_lines_before(before, s->lines);
    if (s->at.offset <= BL_HEAD_BYTES && before.n == s->at.offset) {
        memcpy(s->head, before.p, before.n); /* then the tail is the whole file so far */
        s->head_n = before.n;
    }
}

/* The last bytes of old + added, at most BL_TAIL_BYTES, to `to`, which may be `old`. */
static size_t join_tail(char *to, const char *old, size_t old_n, const char *added, size_t n)
{
    size_t keep;

    if (n >= BL_TAIL_BYTES) {
        memcpy(to, added + n - BL_TAIL_BYTES, BL_TAIL_BYTES);
        return BL_TAIL_BYTES;
    }
    keep = old_n < BL_TAIL_BYTES - n ? old_n : BL_TAIL_BYTES - n;
    memmove(to, old + old_n - keep, keep);
    memcpy(to + keep, added, n);
    return keep + n;
}

/* Takes note of raw bytes before any of them is cut away, and moves `at` behind the first `lines`
 * of them.  The head hash covers the first min(offset, BL_HEAD_BYTES) bytes, so that it is a
 * function of file and offset, not of how the bytes came in. */
static void note_bytes(struct bl_splitter *s, const char *bytes, size_t n, size_t lines, bool moves)
{
    if (s->hashing && s->read_at == s->head_n && s->head_n < BL_HEAD_BYTES) {
        size_t more = n < BL_HEAD_BYTES - s->head_n ? n : BL_HEAD_BYTES - s->head_n;

        memcpy(s->head + s->head_n, bytes, more);
        s->head_n += more;
    }
    if (moves) {
        s->at.offset = s->read_at + lines;
        s->before_n = join_tail(s->before, s->tail, s->tail_n, bytes, lines);
        if (s->hashing) {
            size_t head_n = s->at.offset < BL_HEAD_BYTES ? (size_t)s->at.offset : BL_HEAD_BYTES;

            s->at.tail_n = (uint32_t)s->before_n;
            s->at.tail_hash = bl_hash64((bl_slice){s->before, s->before_n});
            if (head_n > s->at.head_n && head_n <= s->head_n) {
                s->at.head_n = (uint32_t)head_n;
                s->at.head_hash = bl_hash64((bl_slice){s->head, head_n});
            }
        }
    }
    s->tail_n = join_tail(s->tail, s->tail, s->tail_n, bytes, n);
    s->read_at += n;
}

/* Where a block begins, and what stands before it. */
static void begin_block(const struct bl_splitter *s, struct bl_block *block)
{
    bool counted = s->counted == BL_FRAME_DONE;

    block->begin = s->at.offset;
    block->before_n = 0;
    if (!block->before)
        return;
    block->before_n = counted ? s->lines_n : s->before_n;
    memcpy(block->before, counted ? s->lines : s->before, block->before_n);
}

static size_t leading_nuls(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && p[i] == 0)
        i++;
    return i;
}

/* Appends to the unfinished line, as far as BL_LINE_MAX allows. */
static void carry_more(struct bl_splitter *s, const char *p, size_t n)
{
    if (s->skipping)
        return;
    if (s->carry_n + n > BL_LINE_MAX && !s->stripped) {
        size_t nuls = leading_nuls(s->carry, s->carry_n);

        memmove(s->carry, s->carry + nuls, s->carry_n - nuls);
        s->carry_n -= nuls;
        s->stripped = true;
    }
    if (s->stripped && s->carry_n == 0) {
        size_t nuls = leading_nuls(p, n);

        p += nuls;
        n -= nuls;
    }
    if (s->carry_n + n > BL_LINE_MAX) {
        n = BL_LINE_MAX - s->carry_n;
        s->skipping = true;
    }
    memcpy(s->carry + s->carry_n, p, n);
    s->carry_n += n;
}

static void carry_nothing(struct bl_splitter *s)
{
    s->carry_n = 0;
    s->skipping = s->stripped = false;
}

char *bl_splitter_room(struct bl_splitter *s, struct bl_block *block, size_t *n)
{
    memcpy(block->bytes, s->carry, s->carry_n);
    *n = BL_BLOCK_BYTES - s->carry_n;
    return block->bytes + s->carry_n;
}

/* The line at `at` is over BL_LINE_MAX and ends at newline `end`: takes bytes out of it and closes
 * the gap.  Returns by how many bytes the rest moved. */
static size_t shorten(struct bl_block *block, size_t at, size_t end)
{
    size_t nuls = leading_nuls(block->bytes + at, end - at);
    size_t text = end - at - nuls, gone;

    if (text > BL_LINE_MAX) {
        block->long_lines++;
        text = BL_LINE_MAX;
    }
    gone = end - at - text;
    memmove(block->bytes + at, block->bytes + at + nuls, text);
    memmove(block->bytes + at + text, block->bytes + end, block->n - end);
    block->n -= gone;
    return gone;
}

static void shorten_long_lines(struct bl_block *block)
{
    size_t at = 0;

    while (block->n - at > BL_LINE_MAX) {
        const char *from = block->bytes + at;
        const char *newline = memrchr(from, '\n', BL_LINE_MAX + 1);

        if (!newline) {
            newline = memchr(from + BL_LINE_MAX, '\n', block->n - at - BL_LINE_MAX);
            if (!newline)
                return; /* cannot be: the block ends with one */
            newline -= shorten(block, at, (size_t)(newline - block->bytes));
        }
        at = (size_t)(newline - block->bytes) + 1;
    }
}

/* The rest of the first line, whose head is carried in a special state. */
static void close_first_line(struct bl_splitter *s, struct bl_block *block, size_t carried)
{
    char *from = block->bytes + carried;
    const char *newline = memchr(from, '\n', block->n - carried);
    size_t gone = 0;

    if (!newline)
        return; /* cannot be */
    if (s->skipping) {
        gone = (size_t)(newline - from);
        block->long_lines++;
    } else if (s->stripped && carried == 0) {
        gone = leading_nuls(from, (size_t)(newline - from));
    }
    memmove(from, from + gone, block->n - carried - gone);
    block->n -= gone;
}

/* Counted messages: the block ends behind the last whole one. */
static bool fill_counted(struct bl_splitter *s, struct bl_block *block, size_t got)
{
    size_t carried = s->carry_n, n = carried + got;
    size_t whole = bl_framing_whole((bl_slice){block->bytes, n});

    if (whole) {
        begin_block(s, block);
        note_bytes(s, block->bytes + carried, got, whole - carried, true);
        block->end = s->at;
    } else {
        note_bytes(s, block->bytes + carried, got, 0, false);
    }
    s->carry_n = n - whole;
    memcpy(s->carry, block->bytes + whole, s->carry_n);
    if (whole) {
        block->n = bl_framing_to_lines(block->bytes, whole);
        s->lines_n = join_tail(s->lines, s->lines, s->lines_n, block->bytes, block->n);
    }
    return whole > 0;
}

bool bl_splitter_fill(struct bl_splitter *s, struct bl_block *block, size_t got)
{
    size_t carried = s->carry_n;
    char *fresh = block->bytes + carried;
    const char *last = memrchr(fresh, '\n', got);
    size_t lines = last ? (size_t)(last - fresh) + 1 : 0;
    bool special = s->skipping || s->stripped;

    if (s->counted == BL_FRAME_MORE && got) /* at the begin of a file, few bytes may have come */
        s->counted = bl_framing_detect((bl_slice){block->bytes, carried + got});
    if (s->counted == BL_FRAME_DONE)
        return fill_counted(s, block, got);
    if (!last) {
        note_bytes(s, fresh, got, 0, false);
        carry_more(s, fresh, got);
        return false;
    }
    begin_block(s, block);
    note_bytes(s, fresh, got, lines, true);
    block->end = s->at;
    block->n = carried + lines;
    {
        /* The next carry is taken before lines are closed up, under the state of a fresh line. */
        bool skipping = s->skipping, stripped = s->stripped;

        carry_nothing(s);
        carry_more(s, fresh + lines, got - lines);
        if (special) {
            struct bl_splitter first = {.skipping = skipping, .stripped = stripped};

            close_first_line(&first, block, carried);
        }
    }
    shorten_long_lines(block);
    return true;
}

bool bl_splitter_finish(struct bl_splitter *s, struct bl_block *block)
{
    if (s->read_at == s->at.offset)
        return false;
    begin_block(s, block);
    note_bytes(s, s->carry, 0, 0, true);
    block->end = s->at;
    memcpy(block->bytes, s->carry, s->carry_n);
    block->n =
        s->counted == BL_FRAME_DONE ? bl_framing_to_lines(block->bytes, s->carry_n) : s->carry_n;
    block->long_lines += s->skipping;
    carry_nothing(s);
    return true;
}
