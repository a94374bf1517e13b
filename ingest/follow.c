/* Reading goes through the generations from the oldest to the youngest and takes the first that has
 * something.  An old one stays open until it was quiet for a while and a younger one exists.  A
 * look (follow_look.c) comes first when it is asked for, before a file is begun, and when contents
 * turn out to be others than expected. */
#include "follow_parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "bounceline/alloc.h"
#include "bounceline/hash.h"

enum {
    RETRY_MS = 200, /* after a read error, doubled each time up to RETRY_MAX_MS */
    RETRY_MAX_MS = 30000,
    RETRIES_ONCE = 5, /* --once gives up then */
    READS_AT_ONCE = 8
};

void bl_follow_say(struct bl_follow *f, enum bl_note level, const char *format, ...)
{
    struct bl_follow_note *to;
    va_list args;

    if (f->notes_n == BL_FOLLOW_NOTES)
        return;
    to = &f->notes[f->notes_n++];
    to->level = level;
    va_start(args, format);
    vsnprintf(to->text, sizeof to->text, format, args);
    va_end(args);
}

size_t bl_follow_take_notes(struct bl_follow *f, struct bl_follow_note out[BL_FOLLOW_NOTES])
{
    size_t n = f->notes_n;

    memcpy(out, f->notes, n * sizeof *out);
    f->notes_n = 0;
    return n;
}

struct bl_follow *bl_follow_new(const struct bl_log *log, const struct bl_tail_options *options)
{
    struct bl_follow *f = bl_calloc(1, sizeof *f);

    if (!f)
        return NULL;
    f->log = log;
    f->options = *options;
    f->epoch = 1;
    f->source = bl_hash64((bl_slice){log->path, strlen(log->path)});
    return f;
}

uint64_t bl_follow_source(const struct bl_follow *f)
{
    return f->source;
}

/* No file has the name of the log any more, and that is its end. */
static bool ends(const struct bl_follow *f)
{
    return f->log->may_end && f->options.vacant_ms > 0 && f->looked && f->empty;
}

struct bl_tail_stats bl_follow_stats(const struct bl_follow *f)
{
    struct bl_tail_stats stats = f->stats;
    bool open = false;

    for (size_t i = 0; i < f->n; i++) {
        stats.lag_bytes += bl_generation_lag(f->v[i]);
        open |= bl_generation_is_open(f->v[i]);
    }
    stats.vacant = ends(f) && !open;
    stats.unread += f->given_up;
    stats.damaged = f->damaged;
    return stats;
}

/* --- generations --- */

enum bl_code bl_follow_add(struct bl_follow *f, struct bl_generation *g)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 16;
        struct bl_generation **v = bl_realloc(f->v, cap * sizeof *v);

        if (!v)
            return BL_NO_MEMORY;
        f->v = v;
        f->cap = cap;
    }
    f->v[f->n++] = g;
    return BL_OK;
}

static void take_out(struct bl_follow *f, struct bl_generation *g)
{
    size_t at = 0;

    while (f->v[at] != g)
        at++;
    memmove(f->v + at, f->v + at + 1, (f->n - at - 1) * sizeof(struct bl_generation *));
    f->n--;
}

static bool nothing_left(struct bl_generation *g)
{
    uint64_t length;

    if (!g->known.finished || g->at != g->known.offset)
        return false;
    if (g->file.packing == BL_PLAIN)
        return g->file.id.size == g->known.offset;
    return bl_logfile_stated_length(&g->file, &length) &&
           (uint32_t)length == (uint32_t)g->known.offset;
}

void bl_follow_go_on(struct bl_follow *f, struct bl_generation *g, struct bl_logfile *file)
{
    f->stats.lost_bytes -= g->lost;
    g->lost = 0;
    bl_generation_take_file(g, file);
    g->checked = true;
    if (nothing_left(g))
        bl_generation_done(g);
}

void bl_follow_lost_its_file(struct bl_follow *f, struct bl_generation *g)
{
    if (!g->gone)
        f->epoch++;
    g->gone = true;
}

/* Its file has other contents now.  If nothing was ever handed out of it, then it never was. */
void bl_follow_rewritten(struct bl_follow *f, struct bl_generation *g)
{
    uint64_t counted = bl_generation_counted(g), lost = g->size > counted ? g->size - counted : 0;

    f->stats.truncations++;
    f->epoch++; /* also when it was gone before: what was its copy may be so no more */
    if (g->known.offset == 0) {
        f->doubtful += lost; /* unless a copy of it is begun at this look */
        take_out(f, g);
        bl_generation_free(g);
        return;
    }
    g->lost = lost;
    f->stats.lost_bytes += lost;
    bl_generation_close(g);
    g->rewritten = true;
    g->present = g->live = false;
    bl_follow_lost_its_file(f, g);
}

/* --- reading --- */

/* A fresh descriptor heals a stale one (NFS); one that leads elsewhere does not. */
static void reopen(struct bl_generation *g)
{
    struct bl_logfile fresh;

    if (bl_logfile_open(&fresh, g->file.path, NULL) != BL_OK)
        return;
    if (bl_identity_same_inode(&g->known, &fresh.id))
        bl_generation_take_file(g, &fresh);
    bl_logfile_close(&fresh);
}

static void read_failed(struct bl_follow *f, struct bl_generation *g, const bl_err *err)
{
    int64_t wait_ms = g->failures < 8 ? (int64_t)RETRY_MS << g->failures : RETRY_MAX_MS;

    if (g->failures++ == 0)
        bl_follow_say(f, BL_NOTE_ERROR, "%s: %s: trying again", err->text,
                      err->sys ? strerror(err->sys) : "failed");
    if (f->options.once && g->failures == RETRIES_ONCE) {
        bl_follow_say(f, BL_NOTE_ERROR, "'%s' is given up", g->file.path);
        f->stats.lost_bytes += bl_generation_lag(g);
        f->given_up++;
        bl_generation_done(g);
        return;
    }
    g->retry_at_ms = f->now_ms + (wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS);
    reopen(g);
}

/* For how long nothing has come.  A file that was the log in this run is watched for the whole
 * grace: its writer may linger.  Of one that was rotated before, the time of its last write
 * tells. */
static bool is_quiet(struct bl_follow *f, struct bl_generation *g, uint64_t for_ms)
{
    uint64_t read_at = g->placed ? g->splitter.read_at : g->at;
    int64_t grace_ms = (int64_t)for_ms;

    if (read_at != g->quiet_size || g->live || g->quiet_since_ms == 0) {
        g->quiet_size = read_at;
        g->quiet_since_ms = f->now_ms;
    }
    if (f->now_ms - g->quiet_since_ms >= grace_ms)
        return true;
    return !g->was_live && bl_logfile_refresh(&g->file, NULL) == BL_OK &&
           f->wall_ms - g->file.id.mtime_ns / 1000000 >= grace_ms;
}

static bool is_final(struct bl_follow *f, size_t index)
{
    struct bl_generation *g = f->v[index];
    bool quiet = is_quiet(f, g, f->options.grace_ms), younger = false;

    if (g->file.packing != BL_PLAIN)
        return g->clean_end || (g->damaged && (quiet || f->options.once));
    if (f->options.once)
        return !g->live;
    for (size_t k = index + 1; k < f->n; k++)
        younger |= f->v[k]->present || bl_generation_is_open(f->v[k]);
    if (younger)
        return !g->live && quiet;
    /* The last one is kept as long as it may be written to; for ever, unless the log may end. */
    return ends(f) && is_quiet(f, g, f->options.vacant_ms);
}

enum outcome { FILLED, NOTHING, LOOK_FIRST };

static bool finish(struct bl_follow *f, struct bl_generation *g, struct bl_block *block)
{
    bl_err why;

    f->damaged += g->damaged;
    if (g->damaged && bl_unpack_can_read(g->file.packing, g->file.path, &why) != BL_OK)
        bl_follow_say(f, BL_NOTE_WARNING, "%s", why.text);
    else if (g->damaged)
        bl_follow_say(f, BL_NOTE_WARNING,
                      "archive '%s' is damaged behind byte %llu of its contents", g->file.path,
                      (unsigned long long)(g->placed ? g->splitter.read_at : 0));
    return bl_generation_finish(g, block);
}

/* The frontier moves with the first byte of a file, and an older one that came since the last look
 * would be behind it.  Worse, that older one may be a copy of what stood in this file until it was
 * truncated. */
static bool must_be_vetted(struct bl_generation *g)
{
    return bl_generation_is_untouched(g) && !g->vetted &&
           bl_logfile_refresh(&g->file, NULL) == BL_OK && g->file.id.size > 0;
}

/* The beginning of a line is no head to know a log by: all lines of a second begin alike. */
static bool waits_for_its_first_line(const struct bl_generation *g)
{
    return g->live && g->first_n > 0 && !g->first_line && g->file.id.size == g->first_n;
}

static enum outcome read_next(struct bl_follow *f, struct bl_block *block, bool *more)
{
    f->waiting = false;
    for (size_t k = 0; k < f->n; k++) {
        struct bl_generation *g = f->v[k];
        bl_err err = {0};
        bool failed = g->failures > 0;

        if (!bl_generation_is_open(g))
            continue;
        if (failed && g->retry_at_ms > f->now_ms) {
            f->waiting = true;
            continue;
        }
        if (must_be_vetted(g)) {
            if (waits_for_its_first_line(g))
                continue;
            return LOOK_FIRST;
        }
        if (bl_generation_is_untouched(g) && f->unsettled) {
            f->waiting = true; /* the next look may find an older one */
            continue;
        }
        switch (bl_generation_read(g, block, &err)) {
        case BL_GENERATION_BLOCK:
            *more |= g->more || k + 1 < f->n;
            return FILLED;
        case BL_GENERATION_AGAIN:
            *more = true;
            return NOTHING;
        case BL_GENERATION_END:
            if (failed)
                bl_follow_say(f, BL_NOTE_NOTICE, "'%s' can be read again", g->file.path);
            g->failures = 0;
            if (is_final(f, k) && finish(f, g, block)) {
                *more = true;
                return FILLED;
            }
            break;
        case BL_GENERATION_REWRITTEN:
            bl_follow_say(f, BL_NOTE_WARNING,
                          "'%s' was truncated or written anew: reading it from its start",
                          g->file.path);
            bl_follow_rewritten(f, g);
            return LOOK_FIRST; /* it may go on elsewhere */
        case BL_GENERATION_FAILED:
            read_failed(f, g, &err);
            f->waiting |= bl_generation_is_open(g);
            break;
        }
    }
    return NOTHING;
}

enum bl_follow_step bl_follow_step(struct bl_follow *f, struct bl_block *block, bool look,
                                   int64_t now_ms, int64_t wall_ms, bool *more)
{
    bool looked = look || !f->looked;
    enum outcome got = NOTHING;

    *more = false;
    if (!f->started)
        return f->options.once ? BL_FOLLOW_ENDED : BL_FOLLOW_IDLE;
    f->now_ms = now_ms;
    f->wall_ms = wall_ms;
    if (looked)
        bl_follow_look(f);
    for (int i = 0; block && i < READS_AT_ONCE; i++) {
        got = read_next(f, block, more);
        if (got == FILLED)
            return BL_FOLLOW_BLOCK;
        if (got == NOTHING && (looked || *more || !f->options.once))
            break;
        bl_follow_look(f); /* and --once ends only after a look */
        looked = true;
    }
    *more |= got == LOOK_FIRST;
    if (!block || !f->options.once || *more || f->waiting)
        return BL_FOLLOW_IDLE;
    return f->holding && f->held++ < RETRIES_ONCE ? BL_FOLLOW_IDLE : BL_FOLLOW_ENDED;
}
