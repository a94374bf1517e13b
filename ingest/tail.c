/* The loop's half: when to look, when to read, who gets the blocks.  What a look finds and what a
 * read gives is follow.h's, which blocks and therefore runs in libuv's pool, one job per source at
 * a time.
 *
 *             start                    job ends
 *   STOPPED ─────────► source: IDLE ◄──────────── BUSY      news, sweep, kick, more to read: IDLE
 * ──► BUSY ▲                                            │ └──── pause: what a running job brings is
 * given back unread; the next start reads it again
 *
 * A job is told apart from the run it was begun in by `epoch`; only the blocks of the present one
 * are handed on. */
#include "tail.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "bounceline/alloc.h"
#include "bounceline/snapshot.h"
#include "follow.h"
#include "watch.h"

enum {
    BLOCKS_AT_ONCE = 4, /* for a source that is catching up */
    REST_MS = 20 /* between two reads of a log that grows while we watch: whole blocks, not lines */
};

struct source {
    struct bl_tail *tail;
    struct bl_log log;
    uint32_t index;  /* among the sources */
    bool kept, left; /* by bl_tail_follow; one that is left goes when its job has ended */
    struct bl_follow *follow;
    struct bl_follow_plan *plan; /* to begin with at the next job */
    bl_slice base;
    char *folder;
    int watched; /* number of the folder, or a negative errno */
    uv_work_t work;
    bool busy, look, dirty, hungry, starving, ended, lost_plan;
    bool watch_noted;
    struct bl_tail_stats stats;

    struct { /* the job's while it runs */
        uint64_t epoch;
        struct bl_follow_plan *plan;
        bool look, more;
        struct bl_block *block[BLOCKS_AT_ONCE];
        size_t blocks, filled;
        enum bl_follow_step step;
        int watched;
    } job;
};

struct bl_tail {
    uv_loop_t *loop;
    struct bl_tail_options options;
    struct bl_tail_events events;
    void *arg;
    struct source **source;
    size_t n, next; /* next: who is asked first when blocks come free */
    uv_timer_t sweep, rest;
    struct bl_watch *watch;
    bool running, closing, end_told;
    struct bl_tail_stats past; /* of sources that were left */
    uint64_t epoch;
    uint32_t run;
    size_t open_handles, busy;
    void (*done)(void *arg);
    void *done_arg;
};

static void schedule(struct source *s);

/* --- one job --- */

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* In the pool. */
static void work(uv_work_t *work_request)
{
    struct source *s = work_request->data;
    int64_t now_ms = (int64_t)(uv_hrtime() / 1000000);

    if (s->job.plan)
        bl_follow_start(s->follow, s->job.plan);
    s->job.plan = NULL;
    if (s->job.look && s->tail->watch) /* again and again: the folder may be another one by now */
        s->job.watched = bl_watch_folder(s->tail->watch, s->folder);
    do {
        struct bl_block *block = s->job.blocks ? s->job.block[s->job.filled] : NULL;

        s->job.step =
            bl_follow_step(s->follow, block, s->job.look, now_ms, wall_ms(), &s->job.more);
        s->job.look = false;
        if (s->job.step == BL_FOLLOW_BLOCK)
            s->job.filled++;
    } while (s->job.step == BL_FOLLOW_BLOCK && s->job.filled < s->job.blocks);
}

static bool is_current(const struct source *s)
{
    return s->tail->running && s->job.epoch == s->tail->epoch;
}

static void tell_notes(struct source *s)
{
    struct bl_follow_note notes[BL_FOLLOW_NOTES];
    size_t n = bl_follow_take_notes(s->follow, notes);
    struct bl_tail *t = s->tail;

    for (size_t i = 0; i < n && t->events.note; i++)
        t->events.note(t->arg, notes[i].level, notes[i].text);
    if (s->watched < 0 && s->watched != -ENOENT && s->watched != -ENOTDIR && !s->watch_noted &&
        t->events.note) {
        char text[320];

        s->watch_noted = true;
        snprintf(text, sizeof text, "cannot watch '%s': %s: looking every %llu ms instead",
                 s->folder, strerror(-s->watched), (unsigned long long)t->options.sweep_ms);
        t->events.note(t->arg, BL_NOTE_WARNING, text);
    }
}

static void hand_on(struct source *s)
{
    struct bl_tail *t = s->tail;

    for (size_t i = 0; i < s->job.blocks; i++) {
        struct bl_block *block = s->job.block[i];

        if (i >= s->job.filled || !is_current(s)) {
            t->events.refuse(t->arg, block);
            continue;
        }
        block->source = s->index;
        block->run = t->run;
        t->events.block(t->arg, block); /* may pause, start or close */
    }
}

static void tell_end(struct bl_tail *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (!t->source[i]->ended)
            return;
    if (t->end_told)
        return;
    t->end_told = true;
    t->events.end(t->arg);
}

static void released(struct bl_tail *t);
static void free_source(struct source *s);
static void on_rest(uv_timer_t *timer);

static void rest(struct bl_tail *t)
{
    if (t->running && !uv_is_active((uv_handle_t *)&t->rest))
        (void)uv_timer_start(&t->rest, on_rest, REST_MS, 0);
}

static void after_work(uv_work_t *work_request, int status)
{
    struct source *s = work_request->data;
    struct bl_tail *t = s->tail;

    s->busy = false;
    t->busy--;
    if (status == UV_ECANCELED) { /* closing: it never ran */
        bl_follow_plan_free(s->job.plan);
        s->job.plan = NULL;
    } else {
        s->watched = s->job.watched;
        s->stats = bl_follow_stats(s->follow);
        tell_notes(s);
    }
    hand_on(s);
    if (t->closing || s->left) {
        if (s->left)
            free_source(s);
        if (t->closing)
            released(t);
        return;
    }
    if (!is_current(s)) {
        schedule(s); /* the next run may have begun meanwhile */
        return;
    }
    s->hungry = s->job.more && s->job.blocks && s->job.filled == s->job.blocks;
    if (t->options.once && s->job.step == BL_FOLLOW_ENDED) {
        s->ended = true;
        tell_end(t); /* may pause, start or close */
    } else if (s->job.more || (t->options.once && s->job.step == BL_FOLLOW_BLOCK)) {
        s->dirty = true;
        schedule(s);
    } else if ((s->dirty || s->look) && !s->starving) {
        rest(t); /* news came meanwhile */
    }
}

/* Takes what there is to do to the pool, if there is a block to put it in.  A look needs none: new
 * files are opened, and so kept, even while nothing can be read. */
static void schedule(struct source *s)
{
    struct bl_tail *t = s->tail;
    size_t want = s->hungry ? BLOCKS_AT_ONCE : 1;

    if (!t->running || t->closing || s->busy || s->ended || s->lost_plan)
        return;
    if (!s->dirty && !s->look && !s->plan)
        return;
    s->job.blocks = s->job.filled = 0;
    while (s->job.blocks < want) {
        struct bl_block *block = t->events.want(t->arg);

        if (!block)
            break;
        s->job.block[s->job.blocks++] = block;
    }
    s->starving = s->job.blocks == 0;
    if (s->starving && !s->look && !s->plan)
        return;
    s->job.epoch = t->epoch;
    s->job.plan = s->plan;
    s->job.look = s->look;
    s->job.watched = s->watched;
    s->job.more = false;
    s->plan = NULL;
    s->look = false;
    s->dirty = s->starving; /* it still wants to read */
    s->busy = true;
    t->busy++;
    (void)uv_queue_work(t->loop, &s->work, work, after_work); /* fails only without a callback */
}

/* --- what sets jobs off --- */

static void on_sweep(uv_timer_t *timer)
{
    struct bl_tail *t = timer->data;

    for (size_t i = 0; i < t->n; i++) {
        t->source[i]->look = t->source[i]->dirty = true;
        schedule(t->source[i]);
    }
}

static void on_rest(uv_timer_t *timer)
{
    struct bl_tail *t = timer->data;

    for (size_t i = 0; i < t->n; i++)
        schedule(t->source[i]);
}

static bool is_packed_name(bl_slice name, bl_slice base)
{
    return name.n > base.n && bl_packed_ending(name) > 0;
}

static void on_news(void *arg, int folder, enum bl_news news, bl_slice name)
{
    struct bl_tail *t = arg;

    for (size_t i = 0; i < t->n; i++) {
        struct source *s = t->source[i];

        if (news != BL_NEWS_LOST &&
            (s->watched != folder || (name.n && !bl_slice_starts(name, s->base))))
            continue;
        if (news == BL_NEWS_WRITTEN && is_packed_name(name, s->base))
            continue; /* being written: the sweep sees it soon enough */
        s->dirty = true;
        s->look |= news != BL_NEWS_WRITTEN;
    }
    rest(t);
}

void bl_tail_kick(struct bl_tail *t)
{
    for (size_t i = 0; i < t->n && !t->closing; i++) {
        struct source *s = t->source[(t->next + i) % t->n];

        if (s->starving) {
            s->dirty = true;
            schedule(s);
        }
    }
    t->next++;
}

/* --- life --- */

static void free_source(struct source *s)
{
    if (!s)
        return;
    bl_follow_plan_free(s->plan);
    bl_follow_free(s->follow);
    bl_siblings_release_log(&s->log);
    bl_free(s->folder);
    bl_free(s);
}

static void free_tail(struct bl_tail *t)
{
    for (size_t i = 0; i < t->n; i++)
        free_source(t->source[i]);
    bl_free(t->source);
    bl_free(t);
}

enum bl_code bl_tail_new(struct bl_tail **out, uv_loop_t *loop,
                         const struct bl_tail_options *options, const struct bl_tail_events *events,
                         void *arg, bl_err *err)
{
    struct bl_tail *t = bl_calloc(1, sizeof *t);

    if (!t)
        return bl_fail(err, BL_NO_MEMORY, 0, "cannot follow logs: out of memory");
    t->loop = loop;
    t->options = *options;
    if (t->options.sweep_ms == 0)
        t->options.sweep_ms = 1000;
    t->events = *events;
    t->arg = arg;
    (void)uv_timer_init(loop, &t->sweep); /* these two cannot fail */
    (void)uv_timer_init(loop, &t->rest);
    t->sweep.data = t->rest.data = t;
    t->open_handles = 2;
    if (options->watch && !options->once) {
        bl_err why;

        if (bl_watch_new(&t->watch, loop, on_news, t, &why) == BL_OK)
            t->open_handles++;
        else if (events->note)
            events->note(arg, BL_NOTE_WARNING,
                         "cannot watch folders: looking from time to time instead");
    }
    *out = t;
    return BL_OK;
}

/* --- which logs --- */

/* What the log holds goes over into the source, and back when that is given up. */
static void give_up_source(struct source *s, struct bl_log *log)
{
    *log = s->log;
    s->log = (struct bl_log){0};
    free_source(s);
}

static struct source *new_source(struct bl_tail *t, struct bl_log *log)
{
    struct source *s = bl_calloc(1, sizeof *s);
    const char *slash = strrchr(log->path, '/');
    size_t folder_n = slash == log->path ? 1 : (size_t)(slash - log->path);

    if (!s)
        return NULL;
    s->tail = t;
    s->log = *log;
    *log = (struct bl_log){0};
    s->work.data = s;
    s->base = (bl_slice){slash + 1, strlen(slash + 1)};
    s->watched = -ENOENT;
    s->folder = bl_malloc(folder_n + 1);
    s->follow = bl_follow_new(&s->log, &t->options);
    if (!s->folder || !s->follow) {
        give_up_source(s, log);
        return NULL;
    }
    memcpy(s->folder, s->log.path, folder_n);
    s->folder[folder_n] = 0;
    return s;
}

static struct source *find_source(const struct bl_tail *t, const struct bl_log *log)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->source[i]->log.path, log->path) == 0 && t->source[i]->log.alone == log->alone)
            return t->source[i];
    return NULL;
}

static void add_stats(struct bl_tail_stats *all, const struct bl_tail_stats *one)
{
    all->lag_bytes += one->lag_bytes;
    all->lost_bytes += one->lost_bytes;
    all->rotations += one->rotations;
    all->truncations += one->truncations;
    all->copies_skipped += one->copies_skipped;
    all->missing += one->missing;
    all->vacant += one->vacant;
    all->unread += one->unread;
    all->damaged += one->damaged;
}

/* What it counted stays; how it stands does not. */
static void leave_source(struct bl_tail *t, struct source *s)
{
    s->stats.lag_bytes = 0;
    s->stats.missing = s->stats.vacant = s->stats.unread = s->stats.damaged = 0;
    add_stats(&t->past, &s->stats);
    s->left = true;
    if (!s->busy)
        free_source(s);
}

static void take_sources(struct bl_tail *t, struct source **v, size_t n)
{
    for (size_t i = 0; i < t->n; i++)
        t->source[i]->kept = false;
    for (size_t i = 0; i < n; i++) {
        v[i]->kept = true;
        v[i]->index = (uint32_t)i;
    }
    for (size_t i = 0; i < t->n; i++)
        if (!t->source[i]->kept)
            leave_source(t, t->source[i]);
    bl_free(t->source);
    t->source = v;
    t->n = n;
}

enum bl_code bl_tail_follow(struct bl_tail *t, struct bl_log *logs, size_t n, bl_err *err)
{
    struct source **v = bl_calloc(n + 1, sizeof *v);
    size_t made = 0;

    for (; v && made < n; made++) {
        v[made] = find_source(t, &logs[made]);
        if (!v[made])
            v[made] = new_source(t, &logs[made]);
        if (!v[made])
            break;
    }
    if (made < n || !v) {
        while (made-- > 0)
            if (!logs[made].path)
                give_up_source(v[made], &logs[made]);
        bl_free(v);
        return bl_fail(err, BL_NO_MEMORY, 0, "cannot follow logs: out of memory");
    }
    take_sources(t, v, n);
    for (size_t i = 0; i < n; i++)
        bl_siblings_release_log(&logs[i]);
    return BL_OK;
}

size_t bl_tail_sources(const struct bl_tail *t)
{
    return t->n;
}

const char *bl_tail_source_path(const struct bl_tail *t, size_t index)
{
    return t->source[index]->log.path;
}

bool bl_tail_source_ended(const struct bl_tail *t, size_t index)
{
    return t->source[index]->stats.vacant > 0;
}

void bl_tail_start(struct bl_tail *t, const struct bl_resume *resume)
{
    if (t->closing)
        return;
    t->epoch++;
    t->run = resume->run;
    t->running = true;
    t->end_told = false;
    for (size_t i = 0; i < t->n; i++) {
        struct source *s = t->source[i];

        bl_follow_plan_free(s->plan);
        s->plan = bl_follow_plan_new(bl_follow_source(s->follow), resume);
        s->lost_plan = !s->plan;
        if (s->lost_plan && t->events.note) /* to read without it would count twice */
            t->events.note(t->arg, BL_NOTE_ERROR, "cannot begin to read: out of memory");
        s->look = s->dirty = true;
        s->ended = s->hungry = s->starving = false;
        schedule(s);
    }
    if (!t->options.once)
        (void)uv_timer_start(&t->sweep, on_sweep, t->options.sweep_ms, t->options.sweep_ms);
    else /* only for what has to be tried again */
        (void)uv_timer_start(&t->sweep, on_sweep, 100, 100);
}

void bl_tail_pause(struct bl_tail *t)
{
    t->epoch++;
    t->running = false;
    (void)uv_timer_stop(&t->sweep);
    (void)uv_timer_stop(&t->rest);
}

struct bl_tail_stats bl_tail_stats(const struct bl_tail *t)
{
    struct bl_tail_stats all = t->past;

    for (size_t i = 0; i < t->n; i++)
        add_stats(&all, &t->source[i]->stats);
    return all;
}

static void on_watch_closed(void *arg);

/* A handle or a job is gone. */
static void released(struct bl_tail *t)
{
    void (*done)(void *arg) = t->done;
    void *arg = t->done_arg;

    if (t->busy == 0 && t->watch) {
        struct bl_watch *watch = t->watch; /* not sooner: jobs use its descriptor */

        t->watch = NULL;
        bl_watch_close(watch, on_watch_closed, t);
    }
    if (t->open_handles || t->busy)
        return;
    free_tail(t);
    if (done)
        done(arg);
}

static void handle_closed(struct bl_tail *t)
{
    t->open_handles--;
    released(t);
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void on_watch_closed(void *arg)
{
    handle_closed(arg);
}

void bl_tail_close(struct bl_tail *t, void (*done)(void *arg), void *arg)
{
    if (t->closing)
        return;
    t->closing = true;
    t->running = false;
    t->done = done;
    t->done_arg = arg;
    for (size_t i = 0; i < t->n; i++)
        if (t->source[i]->busy)
            (void)uv_cancel((uv_req_t *)&t->source[i]->work); /* one that runs comes to its end */
    uv_close((uv_handle_t *)&t->sweep, on_timer_closed);
    uv_close((uv_handle_t *)&t->rest, on_timer_closed);
    released(t);
}
