/* A look compares what lies in the folder with the generations that are known:
 *
 *   1. by inode and birth time.  A generation whose inode is there with other contents was rewritten
 *      (truncated, or its inode given to another file): it has no file any more.
 *   2. what is left, by contents: the file goes on with a generation that has lost its own (moved, copied
 *      before truncation, compressed); or it is a copy of one that lives, and is passed over; or it is new.
 *
 * A new file is read from its first byte if it is the log itself, if it was named and nothing is known
 * yet, or if it is younger than what is known.  Whatever else lies there is left alone.
 *
 * Reading goes through the generations from the oldest to the youngest and takes the first that has
 * something.  An old one stays open until it was quiet for a while and a younger one exists. */
#include "follow.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "bounceline/alloc.h"
#include "bounceline/hash.h"
#include "bounceline/snapshot.h"

enum {
    RETRY_MS = 200, /* after a read error, doubled each time up to RETRY_MAX_MS */
    RETRY_MAX_MS = 30000,
    RETRIES_ONCE = 5, /* --once gives up then */
    LOOKS_AT_ONCE = 8,
    COPY_BYTES = 4096, /* a log that merely begins like another is not its copy */
    FILE_CLOCK_NS = 100000000 /* file times come from a clock that ticks more coarsely than ours */
};

/* Why a file is not read, so that it is not opened again at every look. */
struct verdict {
    struct bl_file_id id;
    uint64_t epoch;
    bool copy;   /* has been reported */
    bool wanted; /* could not be opened when it was news: still is, whatever was read since */
    bool judged; /* was left alone; whether it is a loss was told then */
    bool seen; /* at this look */
};

struct bl_follow {
    const struct bl_log *log;
    struct bl_tail_options options;
    uint64_t source;
    struct bl_generation **v; /* oldest first */
    size_t n, cap;
    struct verdict *verdicts;
    size_t verdicts_n, verdicts_cap;
    uint64_t epoch; /* from 1; counts the generations that lost their file: verdicts are then asked for again */
    bool started, first, looked, cold;
    bool waiting;    /* for a file that fails */
    bool holding;    /* a file could not be told at the last look */
    bool unsettled;  /* names still moved at the last look: a file may have been missed */
    bool complained; /* about the list of siblings */
    int  held;
    uint64_t given_up, damaged; /* files of this run */
    int64_t first_look_ns, wall_ms, now_ms;
    enum bl_code live_code; /* what was said last */
    int live_sys;
    uint64_t doubtful; /* bytes that were lost if no copy turns up */
    struct bl_tail_stats stats;
    struct bl_follow_note notes[BL_FOLLOW_NOTES];
    size_t notes_n;
};

struct bl_follow_plan {
    bool cold;
    size_t n, cap;
    struct bl_generation **v;
};

__attribute__((format(printf, 3, 4))) static void note(struct bl_follow *f, enum bl_note level, const char *format, ...)
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

static void forget(struct bl_follow *f)
{
    for (size_t i = 0; i < f->n; i++)
        bl_generation_free(f->v[i]);
    f->n = 0;
    f->verdicts_n = 0;
}

void bl_follow_free(struct bl_follow *f)
{
    if (!f)
        return;
    forget(f);
    bl_free(f->v);
    bl_free(f->verdicts);
    bl_free(f);
}

uint64_t bl_follow_source(const struct bl_follow *f)
{
    return f->source;
}

struct bl_tail_stats bl_follow_stats(const struct bl_follow *f)
{
    struct bl_tail_stats stats = f->stats;

    for (size_t i = 0; i < f->n; i++)
        stats.lag_bytes += bl_generation_lag(f->v[i]);
    stats.unread += f->given_up;
    stats.damaged = f->damaged;
    return stats;
}

/* --- the plan --- */

static struct bl_generation *find(struct bl_generation **v, size_t n, uint64_t name)
{
    for (size_t i = 0; i < n; i++)
        if (v[i]->known.generation == name)
            return v[i];
    return NULL;
}

static enum bl_code plan_add(struct bl_follow_plan *plan, const bl_position *position)
{
    struct bl_generation *g = find(plan->v, plan->n, position->generation);

    if (!g) {
        if (plan->n == plan->cap) {
            size_t cap = plan->cap ? plan->cap * 2 : 16;
            struct bl_generation **v = bl_realloc(plan->v, cap * sizeof *v);

            if (!v)
                return BL_NO_MEMORY;
            plan->v = v;
            plan->cap = cap;
        }
        g = bl_generation_known(position);
        if (!g)
            return BL_NO_MEMORY;
        plan->v[plan->n++] = g;
    } else if (position->offset > g->known.offset) {
        g->known = *position;
    }
    return bl_generation_cut(g, position->offset);
}

/* Where each generation begins: at the join's snapshot, else at the slot that has least of it. */
static void plan_begin(struct bl_generation *g, const struct bl_resume *resume)
{
    g->least = UINT64_MAX;
    for (size_t i = 0; i < 1 + (size_t)resume->partitions; i++) {
        uint64_t has = bl_positions_offset(&resume->slot[i], g->known.generation);

        if (has < g->least)
            g->least = has;
    }
    g->at = g->least;
    if (resume->snapshot)
        g->at = bl_positions_offset(&resume->snapshot->positions, g->known.generation);
}

struct bl_follow_plan *bl_follow_plan_new(uint64_t source, const struct bl_resume *resume)
{
    struct bl_follow_plan *plan = bl_calloc(1, sizeof *plan);

    if (!plan)
        return NULL;
    plan->cold = !resume->snapshot;
    for (size_t i = 0; i < 1 + (size_t)resume->partitions; i++)
        for (size_t j = 0; j < resume->slot[i].n; j++)
            if (resume->slot[i].v[j].source == source && plan_add(plan, &resume->slot[i].v[j]) != BL_OK) {
                bl_follow_plan_free(plan);
                return NULL;
            }
    for (size_t i = 0; i < plan->n; i++)
        plan_begin(plan->v[i], resume);
    return plan;
}

void bl_follow_plan_free(struct bl_follow_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->n; i++)
        bl_generation_free(plan->v[i]);
    bl_free(plan->v);
    bl_free(plan);
}

void bl_follow_start(struct bl_follow *f, struct bl_follow_plan *plan)
{
    forget(f);
    bl_free(f->v);
    f->v = plan->v;
    f->n = plan->n;
    f->cap = plan->cap;
    f->cold = plan->cold;
    f->started = true;
    f->first = f->n == 0;
    f->looked = f->waiting = f->holding = false;
    f->held = 0;
    f->given_up = f->damaged = 0;
    plan->v = NULL;
    plan->n = 0;
    bl_follow_plan_free(plan);
}

/* --- generations --- */

/* It has no file of its own any more, at most a descriptor of a file without a name. */
static bool is_orphan(const struct bl_generation *g)
{
    if (bl_generation_is_open(g))
        return g->file.id.unlinked;
    return g->rewritten || !g->present;
}

static void lost_its_file(struct bl_follow *f, struct bl_generation *g)
{
    if (!g->gone)
        f->epoch++;
    g->gone = true;
}

static enum bl_code append(struct bl_follow *f, struct bl_generation *g)
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

/* Its file has other contents now.  If nothing was ever handed out of it, then it never was. */
static void was_rewritten(struct bl_follow *f, struct bl_generation *g)
{
    uint64_t lost = g->size > g->at ? g->size - g->at : 0;

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
    lost_its_file(f, g);
}

/* --- a look, 1: by inode --- */

struct look {
    struct bl_siblings list;
    struct match {
        struct bl_generation *of;
        bool hold;      /* cannot be told now: left alone this time */
        bool rewritten; /* the same file was read before, with other contents: what is new is news */
    } *match;
    size_t  younger;       /* files from this index on are younger than all that is known */
    int64_t absent_seen_s; /* ... and must be younger than those known ones that are not there */
    bl_err  live_err;
    bool    live_failed;   /* the log itself cannot be opened */
    bool    untouched;     /* nothing was ever handed out */
    bool    begun;         /* a file beside the log was begun */
    bool    moved;         /* names changed while we looked */
    size_t *rank;
};

static bool is_same_file(const struct bl_file_id *a, const struct bl_file_id *b)
{
    return a->device == b->device && a->inode == b->inode && a->birth_ns == b->birth_ns;
}

/* Opens a file of the list.  A name may lead to another file by now: then the list is out of date, as if
 * nothing were there. */
static enum bl_code open_listed(const struct bl_sibling *s, struct bl_logfile *file, bl_err *err)
{
    enum bl_code rc = bl_logfile_open(file, s->path, err);

    if (rc != BL_OK || is_same_file(&file->id, &s->id) || bl_identity_test.no_listed_check)
        return rc;
    bl_logfile_close(file);
    return bl_fail(err, BL_NO_INPUT, ENOENT, "'%s' is another file now", s->path);
}

static void cannot_open(struct bl_follow *f, struct look *look, size_t i, const bl_err *err)
{
    look->match[i].hold = true;
    if (err->sys == ENOENT) {
        look->moved = true;
        return;
    }
    if (look->list.v[i].live) {
        look->live_failed = true;
        look->live_err = *err;
    } else if (!f->looked) {
        note(f, BL_NOTE_WARNING, "%s: %s", err->text, strerror(err->sys));
    }
}

static bool nothing_left(struct bl_generation *g)
{
    uint64_t length;

    if (!g->known.finished || g->at != g->known.offset)
        return false;
    if (g->file.packing == BL_PLAIN)
        return g->file.id.size == g->known.offset;
    return bl_logfile_stated_length(&g->file, &length) && (uint32_t)length == (uint32_t)g->known.offset;
}

static void go_on_in(struct bl_generation *g, struct bl_logfile *file)
{
    bl_generation_take_file(g, file);
    g->checked = true;
    if (nothing_left(g))
        bl_generation_done(g);
}

static bool is_done_with(const struct bl_generation *g, const struct bl_file_id *id)
{
    return g->done && g->checked && g->done_id.size == id->size && g->done_id.mtime_ns == id->mtime_ns;
}

/* A generation known from a slot, and a file with its inode.  An inode may have been used twice (a file
 * that was truncated, its older contents a generation too): then the contents tell which. */
static void match_closed(struct bl_follow *f, struct look *look, size_t i)
{
    const struct bl_sibling *s = &look->list.v[i];
    struct match *match = &look->match[i];
    struct bl_generation *best = NULL, *other = NULL;
    struct bl_logfile file = BL_LOGFILE_CLOSED;
    bl_err err;

    for (size_t k = 0; k < f->n && !match->hold; k++) {
        struct bl_generation *g = f->v[k];
        enum bl_identity is;

        if (bl_generation_is_open(g) || g->rewritten || !bl_identity_same_inode(&g->known, &s->id))
            continue;
        if (is_done_with(g, &s->id)) {
            match->of = g;
            goto out;
        }
        if (file.fd < 0 && open_listed(s, &file, &err) != BL_OK) {
            cannot_open(f, look, i, &err);
            return;
        }
        is = bl_identity_matches(&file, &g->known);
        match->hold |= is == BL_IDENTITY_UNKNOWN;
        if (is == BL_IDENTITY_OTHER)
            other = g;
        else if (!best || g->known.offset > best->known.offset)
            best = g;
    }
    if (match->hold)
        goto out;
    if (best) {
        go_on_in(best, &file);
        match->of = best;
    } else if (other) {
        note(f, BL_NOTE_WARNING, "'%s' has other contents than when it was read last: reading it from its start",
             s->path);
        match->rewritten = s->id.birth_ns != 0; /* else the inode may just have been used again */
        was_rewritten(f, other);
    }
out:
    bl_logfile_close(&file);
}

static void rename_to(struct bl_generation *g, const char *path)
{
    size_t n = strlen(path) + 1;
    char *copy = strcmp(g->file.path, path) == 0 ? NULL : bl_malloc(n);

    if (!copy)
        return;
    memcpy(copy, path, n);
    bl_free(g->file.path);
    g->file.path = copy;
}

/* One that is open: its inode cannot have been given to anybody else. */
static void match_open(struct bl_follow *f, struct look *look, size_t i, struct bl_generation *g)
{
    const struct bl_sibling *s = &look->list.v[i];

    if (!bl_generation_is_intact(g)) {
        note(f, BL_NOTE_WARNING, "'%s' was truncated or written anew: reading it from its start", s->path);
        look->match[i].rewritten = true;
        was_rewritten(f, g);
        return;
    }
    if (g->file.packing == BL_PLAIN && s->id.size > g->size)
        g->size = s->id.size;
    rename_to(g, s->path);
    look->match[i].of = g;
}

static struct bl_generation *find_open(struct bl_follow *f, const struct bl_file_id *id)
{
    for (size_t k = 0; k < f->n; k++)
        if (bl_generation_is_open(f->v[k]) && bl_identity_same_inode(&f->v[k]->known, id))
            return f->v[k];
    return NULL;
}

/* Sets present and live anew; a generation that was the log and is not any more was rotated away. */
static void place_generations(struct bl_follow *f, struct look *look)
{
    for (size_t k = 0; k < f->n; k++)
        f->v[k]->present = false;
    for (size_t i = 0; i < look->list.n; i++)
        if (look->match[i].of)
            look->match[i].of->present = true;
    for (size_t k = 0; k < f->n; k++) {
        struct bl_generation *g = f->v[k];
        bool was_live = g->live;

        g->live = false;
        for (size_t i = 0; i < look->list.n; i++)
            g->live |= look->match[i].of == g && look->list.v[i].live;
        g->was_live |= g->live;
        f->stats.rotations += was_live && !g->live;
        if (bl_generation_is_open(g) && !g->present)
            (void)bl_logfile_refresh(&g->file, NULL); /* has it lost its last name? */
        if (is_orphan(g))
            lost_its_file(f, g);
    }
}

/* How old a file may be that is still news.  A generation of which nothing was handed out proves nothing:
 * its file may have been copied away and truncated in between, and nobody could tell. */
static void find_frontier(struct bl_follow *f, struct look *look)
{
    look->younger = 0;
    look->absent_seen_s = INT64_MIN;
    look->untouched = true;
    for (size_t i = 0; i < look->list.n; i++)
        if (look->match[i].of && look->match[i].of->known.offset > 0)
            look->younger = i + 1;
    for (size_t k = 0; k < f->n; k++) {
        const struct bl_generation *g = f->v[k];

        if (g->known.offset == 0)
            continue;
        look->untouched = false;
        if (!g->present && !bl_generation_is_open(g) && g->known.seen_s > look->absent_seen_s)
            look->absent_seen_s = g->known.seen_s;
    }
}

/* Those that are open and have no name here any more were compared with nothing yet. */
static void check_nameless(struct bl_follow *f)
{
    for (size_t k = f->n; k > 0; k--) {
        struct bl_generation *g = f->v[k - 1];

        if (!bl_generation_is_open(g) || g->present || bl_generation_is_intact(g))
            continue;
        note(f, BL_NOTE_WARNING, "'%s' was truncated or written anew before it was deleted or moved", g->file.path);
        was_rewritten(f, g);
    }
}

static void match_inodes(struct bl_follow *f, struct look *look)
{
    for (size_t i = 0; i < look->list.n; i++) {
        struct bl_generation *open = find_open(f, &look->list.v[i].id);

        if (open)
            match_open(f, look, i, open);
        else
            match_closed(f, look, i);
    }
    place_generations(f, look);
    check_nameless(f);
}

/* --- a look, 2: by contents --- */

static struct verdict *find_verdict(struct bl_follow *f, const struct bl_file_id *id)
{
    for (size_t i = 0; i < f->verdicts_n; i++) {
        struct verdict *v = &f->verdicts[i];

        if (is_same_file(&v->id, id))
            return v;
    }
    return NULL;
}

static struct verdict *add_verdict(struct bl_follow *f)
{
    if (f->verdicts_n == f->verdicts_cap) {
        size_t cap = f->verdicts_cap ? f->verdicts_cap * 2 : 16;
        struct verdict *grown = bl_realloc(f->verdicts, cap * sizeof *grown);

        if (!grown)
            return NULL;
        f->verdicts = grown;
        f->verdicts_cap = cap;
    }
    f->verdicts[f->verdicts_n] = (struct verdict){0};
    return &f->verdicts[f->verdicts_n++];
}

/* Not to be read.  `copy`: say so, and why, once. */
static void leave_alone(struct bl_follow *f, const struct bl_sibling *s, const char *copy)
{
    struct verdict *v = find_verdict(f, &s->id);

    if (!v)
        v = add_verdict(f);
    if (!v)
        return; /* it will be looked at again */
    if (copy && !v->copy) {
        f->stats.copies_skipped++;
        note(f, BL_NOTE_INFO, "'%s' is a copy of %s: skipped", s->path, copy);
        v->copy = true;
    }
    v->id = s->id;
    v->epoch = f->epoch;
    v->judged |= s->id.size > 0;
    v->seen = true;
}

/* It is asked for again at every look, and must not by then count as old because younger files were
 * read. */
static void want_again(struct bl_follow *f, const struct bl_sibling *s, bool wanted)
{
    struct verdict *v = find_verdict(f, &s->id);

    if (!v)
        v = add_verdict(f);
    if (!v)
        return;
    v->id = s->id;
    v->wanted = wanted;
    v->epoch = 0; /* settled by none */
    v->seen = true;
}

static bool is_settled(struct bl_follow *f, const struct bl_sibling *s)
{
    struct verdict *v = find_verdict(f, &s->id);

    if (!v)
        return false;
    v->seen = true;
    return v->epoch == f->epoch && v->id.size == s->id.size && v->id.mtime_ns == s->id.mtime_ns;
}

static void forget_vanished(struct bl_follow *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->verdicts_n; i++)
        if (f->verdicts[i].seen) {
            f->verdicts[kept] = f->verdicts[i];
            f->verdicts[kept++].seen = false;
        }
    f->verdicts_n = kept;
}

/* Reads a file never seen before; [0, skip_to) is passed over. */
static void begin_new(struct bl_follow *f, struct look *look, size_t i, struct bl_logfile *file, uint64_t skip_to)
{
    const struct bl_sibling *s = &look->list.v[i];
    struct bl_generation *g = bl_generation_new(f->source, file);

    if (!g || append(f, g) != BL_OK) {
        bl_generation_free(g);
        note(f, BL_NOTE_ERROR, "cannot read '%s': out of memory", s->path);
        return;
    }
    g->skip_to = skip_to;
    g->present = true;
    g->live = g->was_live = s->live;
    look->match[i].of = g;
    look->begun |= !s->live;
    note(f, BL_NOTE_DEBUG, "'%s' is new: reading it from byte %llu", s->path, (unsigned long long)skip_to);
}

static bool is_wanted(struct bl_follow *f, const struct look *look, size_t i);

/* The file holds, up to `common`, what is or was read elsewhere, there up to `read`.  A rotated file is
 * then left alone; but as long as the original may be truncated unread, the copy is asked for again.  The
 * log itself (somebody moved it away and put a copy in its place) is read behind what is common. */
static void pass_over_copy(struct bl_follow *f, struct look *look, size_t i, struct bl_logfile *file, uint64_t common,
                           uint64_t read, const char *of)
{
    const struct bl_sibling *s = &look->list.v[i];
    uint64_t skip_to = 0;

    if (!s->live) {
        bool wanted = is_wanted(f, look, i);

        leave_alone(f, s, of);
        if (read < common)
            want_again(f, s, wanted);
        return;
    }
    (void)bl_logfile_line_end(file, common, &skip_to);
    note(f, BL_NOTE_NOTICE, "'%s' begins with a copy of %s: reading on behind it", s->path, of);
    begin_new(f, look, i, file, skip_to);
}

/* Is it a compressor's work on a file that still lies beside it, perhaps half done? */
static bool is_being_packed(struct look *look, size_t i, struct bl_logfile *file)
{
    const struct bl_sibling *s = &look->list.v[i];
    size_t n = strlen(s->path) - (bl_slice_ends((bl_slice){s->path, strlen(s->path)}, BL_SLICE(".gz")) ? 3 : 4);
    enum bl_identity same = BL_IDENTITY_OTHER;

    for (size_t k = 0; s->packed_name && k < look->list.n; k++) {
        const struct bl_sibling *o = &look->list.v[k];
        struct bl_logfile original = BL_LOGFILE_CLOSED;
        bl_err err;

        if (strlen(o->path) != n || memcmp(o->path, s->path, n) != 0)
            continue;
        if (open_listed(o, &original, &err) == BL_OK)
            same = bl_identity_same_head(file, &original);
        else if (err.sys == ENOENT)
            look->match[i].hold = look->moved = true; /* perhaps it was, or it lies elsewhere now */
        bl_logfile_close(&original);
        break;
    }
    return same != BL_IDENTITY_OTHER;
}

/* The file takes the place of one that was moved, copied or compressed.  True when that settles it. */
static bool goes_on(struct bl_follow *f, struct look *look, size_t i, struct bl_logfile *file)
{
    const struct bl_sibling *s = &look->list.v[i];

    for (size_t k = 0; k < f->n; k++) {
        struct bl_generation *g = f->v[k];
        enum bl_identity is;

        if (!g->gone || g->known.offset == 0)
            continue;
        is = bl_identity_matches(file, &g->known);
        if (is == BL_IDENTITY_OTHER && bl_identity_is_earlier(file, &g->known)) {
            pass_over_copy(f, look, i, file, file->id.size, g->known.offset, "what was read already");
            return true;
        }
        if (is == BL_IDENTITY_OTHER)
            continue;
        if (is == BL_IDENTITY_UNKNOWN) {
            look->match[i].hold = true;
        } else if (bl_generation_is_open(g)) {
            /* Deleted, but we have it, and with it what a writer may still append. */
            pass_over_copy(f, look, i, file, g->known.offset, g->known.offset, "a deleted file that is still read");
        } else {
            note(f, BL_NOTE_INFO, "'%s' goes on with what was read up to byte %llu", s->path,
                 (unsigned long long)g->known.offset);
            f->stats.lost_bytes -= g->lost;
            g->lost = 0;
            go_on_in(g, file);
            g->present = true;
            g->live = s->live;
            look->match[i].of = g;
        }
        return true;
    }
    return false;
}

static bool is_copy(struct bl_follow *f, struct look *look, size_t i, struct bl_logfile *file)
{
    for (size_t k = 0; k < f->n; k++) {
        struct bl_generation *g = f->v[k];
        uint64_t common = g->known.offset;
        enum bl_identity is = BL_IDENTITY_OTHER;

        if (bl_generation_is_open(g))
            is = bl_identity_copy_of(file, &g->file, &common);
        else if (g->present && g->known.offset > 0)
            is = bl_identity_matches(file, &g->known);
        if (is == BL_IDENTITY_OTHER || (look->list.v[i].live && common < COPY_BYTES))
            continue;
        if (is == BL_IDENTITY_UNKNOWN)
            look->match[i].hold = true;
        else
            pass_over_copy(f, look, i, file, common, g->known.offset, "a file that is read already");
        return true;
    }
    return false;
}

static bool was_wanted(struct bl_follow *f, const struct bl_sibling *s)
{
    const struct verdict *v = find_verdict(f, &s->id);

    return v && v->wanted;
}

static bool is_wanted(struct bl_follow *f, const struct look *look, size_t i)
{
    const struct bl_sibling *s = &look->list.v[i];

    if (s->live || look->match[i].rewritten || was_wanted(f, s))
        return true;
    if (f->log->alone)
        return true; /* of a log that was not named only named files are listed */
    if (f->first && s->named)
        return true;
    if (f->first && !f->looked)
        return false;
    if (look->untouched)
        return s->id.mtime_ns >= f->first_look_ns;
    return i >= look->younger &&
           (look->absent_seen_s == INT64_MIN || s->id.mtime_ns / 1000000000 >= look->absent_seen_s);
}

/* Something older than the file was read: then it should have been, too. */
static bool is_between(struct bl_follow *f, const struct look *look, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (look->match[j].of && look->match[j].of->known.offset > 0)
            return true;
    for (size_t k = 0; k < f->n; k++) {
        const bl_position *known = &f->v[k]->known;

        if (!f->v[k]->present && known->offset > 0 && known->seen_s < look->list.v[i].id.mtime_ns / 1000000000)
            return true;
    }
    return false;
}

/* It is not news.  Said, and counted, once: it came where it could not be seen (restored, or renamed while no
 * one looked), and the files behind it were read. */
static void leave_unread(struct bl_follow *f, struct look *look, size_t i, struct bl_logfile *file)
{
    const struct bl_sibling *s = &look->list.v[i];
    const struct verdict *v = find_verdict(f, &s->id);
    uint64_t bytes = 0;

    if (!(v && v->judged) && is_between(f, look, i)) {
        if (bl_logfile_length(file, &bytes) != BL_OK)
            bytes = s->id.size;
        f->stats.lost_bytes += bytes;
        note(f, BL_NOTE_WARNING, "'%s' was never read and is older than what was: its %llu bytes are lost", s->path,
             (unsigned long long)bytes);
    } else if (s->named && !f->looked) {
        note(f, BL_NOTE_NOTICE, "'%s' is older than what was read before: not read", s->path);
    }
    leave_alone(f, s, NULL);
}

/* Before a file beside the log counts as new: it might be the copy of one that was truncated just now. */
static bool all_intact(struct bl_follow *f)
{
    for (size_t k = 0; k < f->n; k++)
        if (!bl_generation_is_intact(f->v[k]))
            return false;
    return true;
}

/* --from end, at first sight: behind the last whole line. */
static uint64_t end_of(struct bl_logfile *file)
{
    uint64_t end = 0;

    if (file->packing != BL_PLAIN)
        (void)bl_logfile_length(file, &end);
    else
        (void)bl_logfile_line_end(file, file->id.size, &end);
    return end;
}

/* Continuations are found first: what is younger than everything known depends on them. */
static void find_continuation(struct bl_follow *f, struct look *look, size_t i)
{
    struct bl_logfile file = BL_LOGFILE_CLOSED;

    if (look->match[i].of || look->match[i].hold || look->list.v[i].id.size == 0 || is_settled(f, &look->list.v[i]))
        return;
    if (open_listed(&look->list.v[i], &file, NULL) == BL_OK && !is_being_packed(look, i, &file) &&
        !look->match[i].hold)
        (void)goes_on(f, look, i, &file);
    bl_logfile_close(&file);
}

static void find_continuations(struct bl_follow *f, struct look *look)
{
    size_t gone = 0;

    for (size_t k = 0; k < f->n; k++)
        gone += f->v[k]->gone;
    for (size_t i = look->list.n; i > 0 && gone > 0; i--)
        find_continuation(f, look, i - 1); /* the log itself first: a file beside it may be its copy */
}

static void classify(struct bl_follow *f, struct look *look, size_t i)
{
    const struct bl_sibling *s = &look->list.v[i];
    struct bl_logfile file = BL_LOGFILE_CLOSED;
    bl_err err;

    if (look->match[i].of || look->match[i].hold || is_settled(f, s))
        return;
    if (s->id.size == 0 && !s->live) {
        leave_alone(f, s, NULL);
        return;
    }
    if (open_listed(s, &file, &err) != BL_OK) {
        cannot_open(f, look, i, &err);
        return;
    }
    if (is_being_packed(look, i, &file)) {
        leave_alone(f, s, is_wanted(f, look, i) ? "the file beside it" : NULL);
    } else if (!look->match[i].hold && !goes_on(f, look, i, &file) && !is_copy(f, look, i, &file)) {
        if (!s->live && !all_intact(f)) {
            look->match[i].hold = look->moved = true;
        } else if (is_wanted(f, look, i)) {
            begin_new(f, look, i, &file, f->options.from_end && f->first && !f->looked ? end_of(&file) : 0);
        } else {
            leave_unread(f, look, i, &file);
        }
    }
    bl_logfile_close(&file);
}

/* --- a look, 3: what follows from it --- */

static size_t rank(const struct look *look, const struct bl_generation *g)
{
    for (size_t i = 0; i < look->list.n; i++)
        if (look->match[i].of == g)
            return i + 1;
    return 0; /* not there: older than all that is */
}

/* Oldest first.  One that is not there stays behind the one it stood behind. */
static void order(struct bl_follow *f, struct look *look)
{
    size_t last = 0;

    look->rank = bl_calloc(f->n + 1, sizeof *look->rank);
    if (!look->rank)
        return; /* another look comes */
    for (size_t k = 0; k < f->n; k++) {
        size_t own = rank(look, f->v[k]);

        last = look->rank[k] = own ? own : last;
    }
    for (size_t k = 1; k < f->n; k++)
        for (size_t j = k; j > 0 && look->rank[j - 1] > look->rank[j]; j--) {
            struct bl_generation *g = f->v[j];
            size_t r = look->rank[j];

            f->v[j] = f->v[j - 1];
            f->v[j - 1] = g;
            look->rank[j] = look->rank[j - 1];
            look->rank[j - 1] = r;
        }
}

/* A join that begins without a snapshot reads some lines back first, from the youngest file backwards. */
static void warm_up(struct bl_follow *f, struct look *look)
{
    uint64_t budget = f->options.warm_up_bytes;

    for (size_t i = look->list.n; i > 0 && budget > 0; i--) {
        struct bl_generation *g = look->match[i - 1].of;
        uint64_t take, start = 0;

        if (!g || g->least == 0 || g->at != g->least)
            continue;
        take = g->least < budget ? g->least : budget;
        budget -= take;
        if (!bl_generation_is_open(g)) {
            struct bl_logfile file;

            if (open_listed(&look->list.v[i - 1], &file, NULL) != BL_OK)
                continue;
            bl_generation_take_file(g, &file);
        }
        g->cold = bl_logfile_line_start(&g->file, g->least - take, &start) && start < g->least;
        if (g->cold)
            g->at = start;
    }
}

static void report_orphans(struct bl_follow *f)
{
    for (size_t k = 0; k < f->n; k++) {
        struct bl_generation *g = f->v[k];

        if (!g->gone || g->reported || bl_generation_is_open(g) || g->done)
            continue;
        g->reported = true;
        if (g->known.finished && g->at == g->known.offset)
            continue;
        if (!g->rewritten && g->known.offset > g->at) {
            g->lost = g->known.offset - g->at;
            f->stats.lost_bytes += g->lost;
        }
        note(f, BL_NOTE_WARNING,
             "a file of '%s' that was read to byte %llu is not there any more: %llu bytes behind it are lost, "
             "and what was written since it was seen last",
             f->log->path, (unsigned long long)g->at, (unsigned long long)g->lost);
    }
}

/* The log itself: said once for each change. */
static void report_live(struct bl_follow *f, const struct look *look)
{
    enum bl_code code = look->live_failed ? BL_NO_INPUT : look->list.live_code;
    int sys = look->live_failed ? look->live_err.sys : look->list.live_sys;

    f->stats.missing = f->log->alone ? look->list.n == 0 : code != BL_OK;
    if (code == f->live_code && sys == f->live_sys)
        return;
    if (code == BL_OK)
        note(f, BL_NOTE_NOTICE, "'%s' can be read now", f->log->path);
    else if (sys == ENOENT || sys == ENOTDIR)
        note(f, BL_NOTE_WARNING, "'%s' is not there%s", f->log->path, f->options.once ? "" : ": waiting for it");
    else
        note(f, BL_NOTE_WARNING, "'%s' cannot be read: %s%s", f->log->path,
             sys == EINVAL ? "not a regular file" : strerror(sys), f->options.once ? "" : ": trying again");
    f->live_code = code;
    f->live_sys = sys;
}

static void report_named(struct bl_follow *f)
{
    for (size_t i = 0; i < f->log->named_n; i++) {
        struct bl_file_id id;
        bl_err err;

        if (strcmp(f->log->named[i], f->log->path) != 0 && bl_logfile_look(f->log->named[i], &id, &err) != BL_OK)
            note(f, BL_NOTE_WARNING, "%s: %s", err.text, strerror(err.sys));
    }
}

/* What was asked for and cannot be had, as things are now. */
static void count_unread(struct bl_follow *f, const struct look *look)
{
    struct bl_file_id id;

    f->stats.unread = 0;
    for (size_t i = 0; i < f->log->named_n; i++)
        f->stats.unread += bl_logfile_look(f->log->named[i], &id, NULL) != BL_OK;
    for (size_t i = 0; i < look->list.n; i++)
        f->stats.unread += look->match[i].hold && (look->list.v[i].named || is_wanted(f, look, i));
}

static void keep_wanting(struct bl_follow *f, struct look *look)
{
    f->holding = false;
    for (size_t i = 0; i < look->list.n; i++)
        if (look->match[i].hold) {
            f->holding = true;
            want_again(f, &look->list.v[i], is_wanted(f, look, i));
        }
}

/* Before the folder is listed: what a file holds now and another holds too by the time of the list is
 * either still here when it is read, or missed there. */
static void vet(struct bl_follow *f)
{
    for (size_t k = f->n; k > 0; k--) {
        struct bl_generation *g = f->v[k - 1];

        if (!bl_generation_is_open(g) || !bl_generation_is_untouched(g))
            continue;
        if (bl_generation_is_intact(g)) /* also where its head cannot be read: the real read will say so */
            g->vetted |= g->file.id.size > 0 && (g->first_line || g->first_n == 0 || !g->live);
        else
            was_rewritten(f, g);
    }
}

/* False: names changed meanwhile, look again before anything is read. */
static bool look_once(struct bl_follow *f, bool last)
{
    struct look look = {0};
    bl_err err;
    enum bl_code rc;

    vet(f);
    rc = bl_siblings_list(f->log, &look.list, &err);

    if (rc != BL_OK && !f->complained)
        note(f, BL_NOTE_ERROR, "%s", err.text);
    f->complained = rc != BL_OK;
    look.match = bl_calloc(look.list.n + 1, sizeof *look.match);
    if (rc == BL_NO_MEMORY || !look.match)
        goto out; /* another look comes */
    look.moved = look.list.moved;
    match_inodes(f, &look);
    find_continuations(f, &look);
    find_frontier(f, &look);
    if (!f->looked)
        f->first_look_ns = f->wall_ms * 1000000 - FILE_CLOCK_NS;
    for (size_t i = look.list.n; i > 0; i--)
        if (look.list.v[i - 1].live)
            classify(f, &look, i - 1); /* first: a file beside it may be its copy */
    for (size_t i = 0; i < look.list.n; i++)
        classify(f, &look, i);
    if (!look.begun)
        f->stats.lost_bytes += f->doubtful;
    f->doubtful = 0;
    order(f, &look);
    if (!f->looked && f->cold)
        warm_up(f, &look);
    if (!f->looked && !look.moved)
        report_named(f);
    report_live(f, &look);
    report_orphans(f);
    count_unread(f, &look);
    keep_wanting(f, &look);
    forget_vanished(f);
    f->looked |= !look.moved || last;
out:
    bl_free(look.match);
    bl_free(look.rank);
    bl_siblings_release(&look.list);
    return !look.moved;
}

static void look_around(struct bl_follow *f)
{
    f->unsettled = true;
    for (int i = 1; i <= LOOKS_AT_ONCE && f->unsettled; i++)
        f->unsettled = !look_once(f, i == LOOKS_AT_ONCE);
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
        note(f, BL_NOTE_ERROR, "%s: %s: trying again", err->text, err->sys ? strerror(err->sys) : "failed");
    if (f->options.once && g->failures == RETRIES_ONCE) {
        note(f, BL_NOTE_ERROR, "'%s' is given up", g->file.path);
        f->stats.lost_bytes += bl_generation_lag(g);
        f->given_up++;
        bl_generation_done(g);
        return;
    }
    g->retry_at_ms = f->now_ms + (wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS);
    reopen(g);
}

/* For how long nothing has come.  A file that was the log in this run is watched for the whole grace: its
 * writer may linger.  Of one that was rotated before, the time of its last write tells. */
static bool is_quiet(struct bl_follow *f, struct bl_generation *g)
{
    uint64_t read_at = g->placed ? g->splitter.read_at : g->at;
    int64_t grace_ms = (int64_t)f->options.grace_ms;

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
    bool quiet = is_quiet(f, g), younger = false;

    if (g->file.packing != BL_PLAIN)
        return g->clean_end || (g->damaged && (quiet || f->options.once));
    if (f->options.once)
        return !g->live;
    for (size_t k = index + 1; k < f->n; k++)
        younger |= f->v[k]->present || bl_generation_is_open(f->v[k]);
    return !g->live && younger && quiet;
}

enum outcome { FILLED, NOTHING, LOOK_FIRST };

static bool finish(struct bl_follow *f, struct bl_generation *g, struct bl_block *block)
{
    f->damaged += g->damaged;
    if (g->damaged)
        note(f, BL_NOTE_WARNING, "archive '%s' is damaged behind byte %llu of its contents", g->file.path,
             (unsigned long long)(g->placed ? g->splitter.read_at : 0));
    return bl_generation_finish(g, block);
}

/* The frontier moves with the first byte of a file, and an older one that came since the last look would
 * be behind it.  Worse, that older one may be a copy of what stood in this file until it was truncated. */
static bool must_be_vetted(struct bl_generation *g)
{
    return bl_generation_is_untouched(g) && !g->vetted && bl_logfile_refresh(&g->file, NULL) == BL_OK &&
           g->file.id.size > 0;
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
                note(f, BL_NOTE_NOTICE, "'%s' can be read again", g->file.path);
            g->failures = 0;
            if (is_final(f, k) && finish(f, g, block)) {
                *more = true;
                return FILLED;
            }
            break;
        case BL_GENERATION_REWRITTEN:
            note(f, BL_NOTE_WARNING, "'%s' was truncated or written anew: reading it from its start", g->file.path);
            was_rewritten(f, g);
            return LOOK_FIRST; /* it may go on elsewhere */
        case BL_GENERATION_FAILED:
            read_failed(f, g, &err);
            f->waiting |= bl_generation_is_open(g);
            break;
        }
    }
    return NOTHING;
}

enum bl_follow_step bl_follow_step(struct bl_follow *f, struct bl_block *block, bool look, int64_t now_ms,
                                   int64_t wall_ms, bool *more)
{
    bool looked = look || !f->looked;
    enum outcome got = NOTHING;

    *more = false;
    if (!f->started)
        return f->options.once ? BL_FOLLOW_ENDED : BL_FOLLOW_IDLE;
    f->now_ms = now_ms;
    f->wall_ms = wall_ms;
    if (looked)
        look_around(f);
    for (int i = 0; block && i < LOOKS_AT_ONCE; i++) {
        got = read_next(f, block, more);
        if (got == FILLED)
            return BL_FOLLOW_BLOCK;
        if (got == NOTHING && (looked || *more || !f->options.once))
            break;
        look_around(f); /* and --once ends only after a look */
        looked = true;
    }
    *more |= got == LOOK_FIRST;
    if (!block || !f->options.once || *more || f->waiting)
        return BL_FOLLOW_IDLE;
    return f->holding && f->held++ < RETRIES_ONCE ? BL_FOLLOW_IDLE : BL_FOLLOW_ENDED;
}
