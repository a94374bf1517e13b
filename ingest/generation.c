#include "generation.h"

#include <sys/random.h>

#include "bounceline/alloc.h"
#include "bounceline/hash.h"

enum { READS_AT_ONCE = 64 }; /* 16 MiB without a newline, then others get their turn */

static uint64_t random_name(void)
{
    uint64_t name = 0;

    while (name == 0)
        if (getrandom(&name, sizeof name, 0) != sizeof name)
            name = 0;
    return name;
}

/* Of the last write, never of a rename: it is compared with the last writes of other files. */
static int64_t written_s(const struct bl_file_id *id)
{
    return id->mtime_ns / 1000000000;
}

struct bl_generation *bl_generation_known(const bl_position *known)
{
    struct bl_generation *g = bl_calloc(1, sizeof *g);

    if (!g)
        return NULL;
    g->file = BL_LOGFILE_CLOSED;
    g->known = *known;
    return g;
}

struct bl_generation *bl_generation_new(uint64_t source, struct bl_logfile *file)
{
    struct bl_generation *g = bl_generation_known(&(bl_position){
        .generation = random_name(), .source = source, .seen_s = written_s(&file->id)});

    if (!g)
        return NULL;
    bl_generation_take_file(g, file);
    g->checked = true;
    g->vetted = g->file.packing != BL_PLAIN || bl_identity_test.no_second_list;
    (void)bl_generation_is_intact(g); /* notes the head */
    return g;
}

/* An untouched one: remembers its head as far as it goes by now. */
static bool note_head(struct bl_generation *g)
{
    char head[BL_HEAD_BYTES];
    size_t n = 0;

    if (bl_logfile_read(&g->file, 0, head, sizeof head, &n, NULL) != BL_OK)
        return true; /* not known to be another */
    if (n < g->first_n || (g->first_n && bl_hash64((bl_slice){head, g->first_n}) != g->first_hash))
        return false;
    g->first_n = (uint32_t)n;
    g->first_line = n == sizeof head || memchr(head, '\n', n) != NULL;
    g->first_hash = bl_hash64((bl_slice){head, n});
    return true;
}

bool bl_generation_is_intact(struct bl_generation *g)
{
    struct bl_splitter *s = &g->splitter;
    bool same;
    size_t got;

    if (!bl_generation_is_open(g) || g->file.packing != BL_PLAIN ||
        bl_logfile_refresh(&g->file, NULL) != BL_OK)
        return true;
    if (bl_generation_is_untouched(g))
        return g->file.id.size >= g->size && note_head(g);
    if (!g->placed)
        return bl_identity_matches(&g->file, &g->known) != BL_IDENTITY_OTHER;
    return bl_logfile_read_behind(&g->file, s->read_at, (bl_slice){s->tail, s->tail_n}, NULL, 0,
                                  &got, &same, NULL) != BL_OK ||
           same;
}

void bl_generation_free(struct bl_generation *g)
{
    if (!g)
        return;
    bl_generation_close(g);
    bl_free(g->cuts);
    bl_free(g);
}

enum bl_code bl_generation_cut(struct bl_generation *g, uint64_t offset)
{
    uint64_t *cuts;
    size_t at = 0;

    while (at < g->cuts_n && g->cuts[at] < offset)
        at++;
    if (offset == 0 || (at < g->cuts_n && g->cuts[at] == offset))
        return BL_OK;
    cuts = bl_realloc(g->cuts, (g->cuts_n + 1) * sizeof *cuts);
    if (!cuts)
        return BL_NO_MEMORY;
    memmove(cuts + at + 1, cuts + at, (g->cuts_n - at) * sizeof *cuts);
    cuts[at] = offset;
    g->cuts = cuts;
    g->cuts_n++;
    return BL_OK;
}

static void displace(struct bl_generation *g)
{
    if (g->placed)
        bl_splitter_release(&g->splitter);
    g->placed = false;
}

void bl_generation_close(struct bl_generation *g)
{
    displace(g);
    bl_logfile_close(&g->file);
}

void bl_generation_take_file(struct bl_generation *g, struct bl_logfile *file)
{
    bl_generation_close(g);
    g->file = *file;
    *file = BL_LOGFILE_CLOSED;
    bl_identity_set_inode(&g->known, &g->file.id);
    g->rewritten = g->done = g->clean_end = g->damaged = g->gone = g->reported = false;
    g->size = g->file.packing == BL_PLAIN ? g->file.id.size : 0;
}

/* The look that found the file may be long ago (no blocks were free): a log may have been rewritten
 * since. An archive is only ever written once. */
static enum bl_code check(struct bl_generation *g, bl_err *err)
{
    if (g->known.offset == 0 || g->file.packing != BL_PLAIN)
        return BL_OK;
    if (bl_logfile_refresh(&g->file, err) != BL_OK)
        return BL_IO;
    switch (bl_identity_matches(&g->file, &g->known)) {
    case BL_IDENTITY_SAME:
        return BL_OK;
    case BL_IDENTITY_OTHER:
        return bl_fail(err, BL_BAD_INPUT, 0, "'%s' has other contents now", g->file.path);
    case BL_IDENTITY_UNKNOWN:
        break;
    }
    return bl_fail(err, BL_IO, 0, "cannot read '%s'", g->file.path);
}

/* Puts the splitter where reading goes on. */
static enum bl_code place(struct bl_generation *g, uint64_t offset, bl_err *err)
{
    struct bl_before before;
    bl_position at = g->known;
    enum bl_code rc = check(g, err);

    if (rc == BL_OK)
        rc = bl_identity_place(&g->file, offset, &at, &before, err);
    if (rc == BL_OK && offset > 0 && offset == g->known.offset &&
        at.tail_hash != g->known.tail_hash && !bl_identity_test.no_tail_check)
        rc = bl_fail(err, BL_BAD_INPUT, 0, "'%s' has other contents now", g->file.path);
    if (rc != BL_OK)
        return rc;
    at.finished = false;
    rc = bl_splitter_init(&g->splitter, &at);
    if (rc != BL_OK)
        return bl_fail(err, rc, 0, "cannot read '%s': out of memory", g->file.path);
    bl_splitter_prime(&g->splitter, (bl_slice){before.bytes, before.n}, before.counted);
    g->placed = true;
    g->at = offset;
    return BL_OK;
}

/* The block is filled: what the splitter cannot know. */
static enum bl_generation_step hand_out(struct bl_generation *g, struct bl_block *block)
{
    (void)bl_logfile_refresh(&g->file, NULL);
    g->splitter.at.seen_s = block->end.seen_s = written_s(&g->file.id);
    block->reference_s = g->file.id.mtime_ns / 1000000000;
    block->warm_up = g->cold && block->begin < g->least;
    g->at = block->end.offset;
    if (g->file.packing == BL_PLAIN && g->file.id.size > g->size)
        g->size = g->file.id.size;
    if (g->at >= g->known.offset)
        g->known = block->end;
    g->failures = 0;
    return BL_GENERATION_BLOCK;
}

static enum bl_generation_step skip(struct bl_generation *g, struct bl_block *block, bl_err *err)
{
    if (place(g, g->skip_to, err) != BL_OK)
        return BL_GENERATION_FAILED;
    g->more = true;
    block->kind = BL_BLOCK_SKIP;
    block->begin = 0;
    block->end = g->splitter.at;
    return hand_out(g, block);
}

static uint64_t next_cut(const struct bl_generation *g, uint64_t offset)
{
    for (size_t i = 0; i < g->cuts_n; i++)
        if (g->cuts[i] > offset)
            return g->cuts[i];
    return UINT64_MAX;
}

static bool is_cut(const struct bl_generation *g, uint64_t offset)
{
    for (size_t i = 0; i < g->cuts_n; i++)
        if (g->cuts[i] == offset)
            return true;
    return false;
}

/* The first read has nothing before it to compare: what came must begin as the file did when it was
 * looked at. */
static bool begins_as_seen(const struct bl_generation *g, const char *bytes, size_t n, size_t asked)
{
    uint32_t head_n = g->known.offset ? g->known.head_n : g->first_n;
    uint64_t hash = g->known.offset ? g->known.head_hash : g->first_hash;

    if (g->splitter.read_at > 0 || head_n == 0 || bl_identity_test.no_tail_check)
        return true;
    if (n < head_n)
        return n == asked; /* a cut comes first */
    return bl_hash64((bl_slice){bytes, head_n}) == hash;
}

static enum bl_generation_step read_plain(struct bl_generation *g, char *to, size_t n, size_t *got,
                                          bl_err *err)
{
    struct bl_splitter *s = &g->splitter;
    bool same;

    if (bl_logfile_read_behind(&g->file, s->read_at, (bl_slice){s->tail, s->tail_n}, to, n, got,
                               &same, err) != BL_OK)
        return BL_GENERATION_FAILED;
    if (!same || !begins_as_seen(g, to, *got, n))
        return BL_GENERATION_REWRITTEN;
    if (bl_generation_is_untouched(g) && !g->vetted)
        return BL_GENERATION_END; /* it was empty a moment ago; the next look sees what it is */
    return *got ? BL_GENERATION_AGAIN : BL_GENERATION_END;
}

/* A damaged archive is not touched again until it has changed: somebody may still be writing it. */
static bool is_still_damaged(struct bl_generation *g)
{
    struct bl_file_id was = g->file.id;

    if (g->damaged && bl_logfile_refresh(&g->file, NULL) == BL_OK)
        g->damaged = was.size == g->file.id.size && was.mtime_ns == g->file.id.mtime_ns;
    return g->damaged;
}

static enum bl_generation_step read_packed(struct bl_generation *g, char *to, size_t n, size_t *got,
                                           bl_err *err)
{
    switch (bl_logfile_read(&g->file, g->splitter.read_at, to, n, got, err)) {
    case BL_OK:
        g->clean_end = *got == 0;
        return *got ? BL_GENERATION_AGAIN : BL_GENERATION_END;
    case BL_BAD_INPUT:
        g->damaged = true;
        return BL_GENERATION_END;
    case BL_NO_MEMORY:
    case BL_NO_INPUT:
    case BL_IO:
    case BL_UNAVAILABLE:
    case BL_CONFLICT:
    case BL_LIMIT:
    case BL_USAGE:
    case BL_CONFIG:
        break;
    }
    return BL_GENERATION_FAILED;
}

enum bl_generation_step bl_generation_read(struct bl_generation *g, struct bl_block *block,
                                           bl_err *err)
{
    g->more = false;
    if (is_still_damaged(g))
        return BL_GENERATION_END;
    if (g->at < g->skip_to)
        return skip(g, block, err);
    if (!g->placed) {
        enum bl_code rc = place(g, g->at, err);

        if (rc == BL_BAD_INPUT && g->file.packing == BL_PLAIN)
            return BL_GENERATION_REWRITTEN;
        if (rc == BL_BAD_INPUT) {
            g->damaged = true;
            return BL_GENERATION_END;
        }
        if (rc != BL_OK)
            return BL_GENERATION_FAILED;
    }
    for (int i = 0; i < READS_AT_ONCE; i++) {
        struct bl_splitter *s = &g->splitter;
        enum bl_generation_step step;
        uint64_t cut;
        size_t n, got;
        char *to;

        /* A slot stopped here although no newline stands here: a line that was final then. */
        if (is_cut(g, s->read_at) && bl_splitter_finish(s, block)) {
            g->more = true;
            return hand_out(g, block);
        }
        to = bl_splitter_room(s, block, &n);
        cut = next_cut(g, s->read_at);
        if (n > cut - s->read_at)
            n = (size_t)(cut - s->read_at);
        step = g->file.packing == BL_PLAIN ? read_plain(g, to, n, &got, err)
                                           : read_packed(g, to, n, &got, err);
        if (step != BL_GENERATION_AGAIN)
            return step;
        g->more = got == n;
        if (bl_splitter_fill(s, block, got))
            return hand_out(g, block);
    }
    g->more = true;
    return BL_GENERATION_AGAIN;
}

void bl_generation_done(struct bl_generation *g)
{
    (void)bl_logfile_refresh(&g->file, NULL);
    g->done_id = g->file.id;
    g->done = true;
    bl_generation_close(g);
}

bool bl_generation_finish(struct bl_generation *g, struct bl_block *block)
{
    bool tells;

    if (!g->placed) { /* nothing of it was ever to be had */
        bl_generation_done(g);
        return false;
    }
    g->splitter.at.finished = true;
    tells = bl_splitter_finish(&g->splitter, block);
    if (!tells && !g->known.finished && g->at > 0) {
        block->begin = g->at;
        block->end = g->splitter.at;
        tells = true;
    }
    if (tells)
        (void)hand_out(g, block);
    bl_generation_done(g);
    return tells;
}

uint64_t bl_generation_lag(const struct bl_generation *g)
{
    uint64_t read_at = g->placed ? g->splitter.read_at : g->at;

    if (!bl_generation_is_open(g) || g->file.packing != BL_PLAIN || g->size <= read_at)
        return 0;
    return g->size - read_at;
}
