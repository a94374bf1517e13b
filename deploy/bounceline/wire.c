/* How a line gets from a file to Redis, and how a failure is undone:
 *
 *   tail ──blocks──► pipeline (workers, stage) ──batches──► store ──► Redis
 *     ▲                                                        │
 *     └──────────── start(resume) ◄──── ready(positions) ◄─────┘
 *
 * The store says `ready` with the positions that Redis has: a new run begins.  A RESET block goes
 * down the pipeline, so that the stage starts from the newest usable snapshot, and the tail starts
 * reading. When the store says `lost`, the tail is paused and every batch of that run is void;
 * `ready` follows.
 *
 *   STARTING ──ready──► RUNNING ──end of input or a signal──► DRAINING ──all committed──► CLOSING
 *     ▲ ▲                  │ lost     or other sources           │
 *     │ └──────────────────┘                                     │ (other sources)
 *     └──────────────────────────── lost ◄── the claims anew ◄───┘
 *
 * The sources of a run are fixed.  When there are others the run is drained as for a stop and the
 * slots are claimed anew: the next run begins where this one ended.  What came since the last
 * snapshot is read once more for the join alone; a snapshot goes with the last batch, if one is
 * open then.
 *
 * What changes while it runs is wire_reload.c's, what people and systemd hear wire_say.c's. */
#include "wire_parts.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "bounceline/alloc.h"
#include "bounceline/hash.h"
#include "log.h"
#include "notify.h"
#include "relays.h"
#include "zone.h"

enum {
    BATCHES = 8,
    RING = 32,       /* a power of two above BATCHES */
    FLUSH_MS = 1000, /* a batch closes after this long at most */
    SNAPSHOT_FLUSHES = 5,
    SNAPSHOT_BLOCKS = 8192, /* about two gigabytes of log */
    BATCH_FIELDS = 48000,
    BATCH_EVENTS = 4000,
    JOIN_ENTRIES = 1 << 20,
    JOIN_TEXT_BYTES = 256 << 20, /* reserved, touched only as it fills */
    FILTER_CAP = 32 << 20,
    DRAIN_MS = 10000, /* how long a stop waits for a Redis that is away */
    SWEEP_MS = 1000,
    GRACE_MS = 60000,
    WARM_UP_BYTES = 64 << 20, /* 400,000 lines, read in some 50 ms */
    STATUS_S = 5,             /* systemd's status line */
    NEW_LOGS_S = 5,           /* how often patterns are looked through for logs that came later */
    REFUSED_S = 600 /* the log's word on what `trust: join` refused, if there is more of it */
};

static void begin_drain(struct daemon *d);
static void close_all(struct daemon *d);

/* --- stage thread --- */

static void consume(void *arg, struct bl_block *block)
{
    struct daemon *d = arg;
    const struct change *change = block->payload;
    struct bl_stage_stats stats;
    struct bl_batch *due;
    bool lines = block->kind == BL_BLOCK_DATA || block->kind == BL_BLOCK_SKIP;

    if (block->kind == BL_BLOCK_CHANGE)
        d->relays = change->relays; /* rules are every block's own */
    while (lines && bl_stage_wants_batch(d->stage)) {
        struct bl_batch *batch;

        /* Acquire: pairs with stop_pipeline(), which posts once to end a wait. */
        if (atomic_load_explicit(&d->abandon, memory_order_acquire))
            return;
        atomic_store_explicit(&d->stage_waits, true, memory_order_relaxed);
        uv_sem_wait(&d->lent_sem);
        atomic_store_explicit(&d->stage_waits, false, memory_order_relaxed);
        batch = bl_ring_take(&d->lent);
        if (batch)
            bl_stage_lend(d->stage, batch);
    }
    bl_stage_block(d->stage, block);
    stats = bl_stage_stats(d->stage);
    atomic_store_explicit(&d->unread, stats.unread, memory_order_relaxed);
    atomic_store_explicit(&d->refused, stats.unknown_refused, memory_order_relaxed);
    due = bl_stage_take(d->stage);
    if (due) {
        bl_ring_put(&d->due, due); /* never full: it holds more than there are batches */
        uv_async_send(&d->wake);
    }
    if (block->kind == BL_BLOCK_FLUSH && block->last) {
        /* Release: the batch put above is visible to whoever sees the run; pairs with settle(). */
        atomic_store_explicit(&d->drained, block->run, memory_order_release);
        uv_async_send(&d->wake);
    }
}

static void freed(void *arg)
{
    struct daemon *d = arg;

    uv_async_send(&d->wake);
}

/* --- batches --- */

static void lend(struct daemon *d, struct bl_batch *batch)
{
    bl_wire_save_drop(d, batch);
    bl_batch_clear(batch);
    bl_ring_put(&d->lent, batch);
    uv_sem_post(&d->lent_sem);
}

static void on_done(void *arg, struct bl_batch *batch)
{
    struct daemon *d = arg;

    for (size_t i = 0; i < batch->ranges; i++) {
        d->counted_bytes += batch->range[i].end.offset - batch->range[i].begin;
        d->counted_lines += batch->range[i].lines;
    }
    if (batch->ranges)
        bl_log(7,
               "every slot has a batch of %zu ranges; %" PRIu64 " lines, %" PRIu64
               " bytes until now",
               batch->ranges, d->counted_lines, d->counted_bytes);
    bl_wire_save_done(d, batch);
    lend(d, batch);
    bl_wire_pump(d);
}

static void on_void(void *arg, struct bl_batch *batch)
{
    lend(arg, batch);
}

static void submit_due(struct daemon *d)
{
    struct bl_batch *batch;

    while ((batch = bl_ring_take(&d->due)) != NULL) {
        if (batch->run == d->run && bl_store_stats(d->store).ready) {
            bl_wire_save(d, batch);
            bl_store_submit(d->store, batch);
        } else {
            lend(d, batch);
        }
    }
}

/* --- store events --- */

/* Redis is new or came back empty: what was read into the one before is read again, as far as it
 * exists. */
static void remember(struct daemon *d, struct bl_resume *resume)
{
    struct bl_snapshot *newest = bl_state_load_snapshot(d->options->state, 0, NULL, 0);

    if (newest && newest->dataset != resume->dataset && newest->positions.n) {
        bl_log(
            4,
            "this Redis knows nothing of node '%s': the %zu log files that were read into the one before are "
            "read again from their start, as far as they are still there",
            d->options->node, newest->positions.n);
        resume->remembered = newest->positions;
        newest->positions = (struct bl_positions){0};
    }
    bl_snapshot_free(newest);
}

/* Does the join begin cold although it was warm?  What is read back anyway needs no snapshot. */
static bool is_cold(const struct bl_resume *resume)
{
    const struct bl_positions *at = &resume->slot[0];

    for (size_t i = 0; i < at->n && !resume->snapshot; i++)
        if (at->v[i].offset > WARM_UP_BYTES)
            return true;
    return false;
}

static void end_without_memory(struct daemon *d)
{
    d->exit_code = EX_OSERR;
    close_all(d);
}

static void tell_sources(const struct daemon *d, struct bl_resume *resume)
{
    resume->sources = d->sources->n;
    for (size_t i = 0; i < resume->sources; i++) {
        const struct bl_source *source = &d->sources->v[i];

        resume->source[i] = bl_hash64((bl_slice){source->path, strlen(source->path)});
        resume->known_only[i] = d->sources->named[source->named].known_only;
    }
}

/* Where each log was read to, should there be nothing new. */
static void note_ends(struct daemon *d, const struct bl_resume *resume)
{
    const struct bl_positions *at = &resume->slot[0];

    for (size_t i = 0; d->options->once && i < resume->sources; i++)
        for (size_t j = 0; j < at->n; j++)
            if (at->v[j].source == resume->source[i] && at->v[j].seen_s >= d->end[i].seen_s)
                d->end[i] = at->v[j];
}

static void on_ready(void *arg, struct bl_resume *resume, struct bl_address_hashes *known)
{
    struct daemon *d = arg;

    d->run = resume->run;
    tell_sources(d, resume);
    resume->snapshot = bl_state_load_snapshot(d->options->state, resume->dataset, resume->slot,
                                              1 + (size_t)resume->partitions);
    if (resume->slot[0].n == 0)
        remember(d, resume);
    else if (is_cold(resume))
        bl_log(5, "no join snapshot fits what Redis has: senders of mail under way may be unknown");
    bl_resume_free(d->reset);
    bl_resume_free(d->start);
    bl_address_hashes_free(d->addresses);
    d->addresses = known;
    d->start = bl_resume_copy(resume);
    note_ends(d, resume);
    d->reset = resume;
    if (!d->start) {
        bl_log(3, "no memory for the positions of %u partitions", resume->partitions);
        end_without_memory(d);
        return;
    }
    uv_timer_stop(&d->patience);
    if (d->state == STARTING) {
        d->state = RUNNING;
        if (!d->options->once && !d->renewing)
            bl_log(6, "Redis is there: reading on from where it stands");
        d->renewing = false;
        bl_wire_tell_status(d);
    }
    /* stopping, and what was under way is void: it will be read again */
    if (d->state == DRAINING) {
        close_all(d);
        return;
    }
    bl_wire_pump(d);
}

static void out_of_patience(uv_timer_t *timer)
{
    struct daemon *d = timer->data;

    bl_log(3, "Redis has not been there for %llu s; nothing was lost, run again later",
           (unsigned long long)d->options->patience_ms / 1000);
    d->exit_code = EX_UNAVAILABLE;
    close_all(d);
}

static void stop_unfinished(uv_timer_t *timer)
{
    bl_log(5, "stopped before everything was committed: the rest will be read again");
    close_all(timer->data);
}

static void wait_for_redis(struct daemon *d)
{
    if (d->options->once && !uv_is_active((uv_handle_t *)&d->patience))
        uv_timer_start(&d->patience, out_of_patience, d->options->patience_ms, 0);
}

static void on_lost(void *arg)
{
    struct daemon *d = arg;

    if (d->state == CLOSING)
        return;
    bl_tail_pause(d->tail);
    if (d->state == RUNNING || (d->state == DRAINING && !d->stopping))
        d->state = STARTING; /* the input will be read again from where Redis stands */
    d->last_flush = d->last_sent = false;
    memset(d->end, 0, sizeof d->end);
    d->ended = 0;
    if (d->state == STARTING && !bl_wire_take_sources(d))
        end_without_memory(d);
    bl_wire_tell_status(d);
    wait_for_redis(d);
}

/* Not yet sent ones and these together; false without memory. */
static bool join_addresses(struct bl_address_hashes *to, const struct bl_address_hashes *more)
{
    uint64_t *v = bl_realloc(to->v, (to->n + more->n + 1) * sizeof *v);

    if (!v)
        return false;
    if (more->n)
        memcpy(v + to->n, more->v, more->n * sizeof *v);
    to->v = v;
    to->n += more->n;
    return true;
}

static void on_addresses(void *arg, struct bl_address_hashes *more)
{
    struct daemon *d = arg;

    if (!d->addresses || more->replace) {
        bl_address_hashes_free(d->addresses);
        d->addresses = more;
    } else {
        if (!join_addresses(d->addresses, more))
            bl_log(3,
                   "no memory for %zu addresses that others wrote: their deliveries may go unseen",
                   more->n);
        bl_address_hashes_free(more);
    }
    bl_wire_pump(d);
}

static void on_store_note(void *arg, int level, const char *text)
{
    (void)arg;
    bl_log(level, "%s", text);
}

static void on_refused(void *arg, enum bl_code code, const char *text)
{
    struct daemon *d = arg;

    bl_log(3, "%s", text);
    d->exit_code = code == BL_CONFLICT ? EX_UNAVAILABLE : EX_CONFIG;
    close_all(d);
}

/* --- tail events --- */

static struct bl_block *on_want(void *arg)
{
    struct daemon *d = arg;

    return bl_pipeline_block(d->pipeline, false);
}

static void on_refuse(void *arg, struct bl_block *block)
{
    struct daemon *d = arg;

    bl_pipeline_return(d->pipeline, block);
}

/* A file's first block is committed at once: from then on the file is known and found again
 * wherever a rotation takes it. */
static void on_block(void *arg, struct bl_block *block)
{
    struct daemon *d = arg;
    bool first = block->begin == 0;

    if (block->begin < block->end.offset) /* else it says that an older file is finished */
        d->end[block->source] = block->end;
    bl_pipeline_submit(d->pipeline, block);
    if (first) {
        d->flush = true;
        uv_async_send(&d->wake);
    }
}

static void on_end(void *arg)
{
    struct daemon *d = arg;
    struct bl_tail_stats tail = bl_tail_stats(d->tail);

    d->exit_code = tail.unread ? EX_NOINPUT : tail.damaged ? EX_DATAERR : 0;
    begin_drain(d);
}

static void on_tail_note(void *arg, enum bl_note level, const char *text)
{
    (void)arg;
    bl_log((int)level, "%s", text);
}

/* --- control blocks --- */

static bool send_control(struct daemon *d, enum bl_block_kind kind, void *payload, bool last)
{
    struct bl_block *block = bl_pipeline_block(d->pipeline, false);

    if (!block)
        return false;
    block->kind = kind;
    block->run = d->run;
    block->payload = payload;
    block->last = last;
    bl_pipeline_submit(d->pipeline, block);
    return true;
}

/* With --once the logs end where they were read to: whatever waits for further lines waits in vain.
 * False as long as there is no block to say so with. */
static bool send_ends(struct daemon *d)
{
    for (; d->options->once && !d->stopping && d->ended < d->sources->n; d->ended++) {
        struct bl_block *block;

        if (d->end[d->ended].generation == 0)
            continue; /* nothing of it was read */
        block = bl_pipeline_block(d->pipeline, false);
        if (!block)
            return false;
        block->run = d->run;
        block->source = (uint32_t)d->ended;
        block->begin = d->end[d->ended].offset;
        block->end = d->end[d->ended];
        block->is_end = true;
        bl_pipeline_submit(d->pipeline, block);
    }
    return true;
}

static void send_controls(struct daemon *d)
{
    if (d->reset && send_control(d, BL_BLOCK_RESET, d->reset, false))
        d->reset = NULL;
    if (!d->reset && d->addresses && send_control(d, BL_BLOCK_ADDRESSES, d->addresses, false))
        d->addresses = NULL;
    /* Lines go behind both: without the known addresses every delivery would seem to be of no
     * account. */
    if (d->start && !d->reset && !d->addresses && d->state == RUNNING) {
        bl_tail_start(d->tail, d->start);
        bl_resume_free(d->start);
        d->start = NULL;
    }
    if (d->last_flush && !d->last_sent)
        d->last_sent = send_ends(d) && send_control(d, BL_BLOCK_FLUSH, NULL, true);
    else if (d->flush && send_control(d, BL_BLOCK_FLUSH, NULL, false))
        d->flush = false;
}

/* --- draining and closing --- */

static void begin_drain(struct daemon *d)
{
    if (d->state != RUNNING)
        return;
    d->state = DRAINING;
    bl_tail_pause(d->tail);
    bl_resume_free(d->start); /* not begun: nothing of it is read any more */
    d->start = NULL;
    d->last_flush = true;
    bl_wire_pump(d);
}

void bl_wire_change_run(struct daemon *d)
{
    if (d->state == RUNNING)
        begin_drain(d);
    else if (d->state == STARTING && !bl_wire_take_sources(d))
        end_without_memory(d);
}

static void settle(struct daemon *d)
{
    /* Acquire: pairs with consume(); all batches are in `due` or beyond.  A last FLUSH of an
     * earlier run, passing late, ends nothing. */
    if (d->state != DRAINING || atomic_load_explicit(&d->drained, memory_order_acquire) != d->run)
        return;
    submit_due(d);
    bl_store_flush(d->store);
    if (!bl_store_idle(d->store) || bl_wire_is_saving(d))
        return;
    if (d->next_sources && !d->stopping) {
        d->renewing = true;
        bl_store_renew(d->store);
    } else {
        close_all(d);
    }
}

/* Whatever moved, this moves what can move next.  Called from every event; does nothing twice. */
void bl_wire_pump(struct daemon *d)
{
    if (d->state == CLOSING)
        return;
    if (atomic_load_explicit(&d->unread, memory_order_relaxed)) {
        bl_log(3, "no memory for the queue ids of %zu logs", d->sources->n);
        end_without_memory(d);
        return;
    }
    submit_due(d);
    send_controls(d);
    bl_wire_move_change(d);
    if (d->state == RUNNING && !d->reset)
        bl_tail_kick(d->tail);
    settle(d);
}

static void on_wake(uv_async_t *async)
{
    bl_wire_pump(async->data);
}

/* A private server that was killed is ours to start again. */
static void revive_own_redis(struct daemon *d)
{
    bl_err err;

    if (d->options->own_redis && bl_redis_private_revive(d->options->own_redis, &err) != BL_OK)
        bl_log(4, "%s", err.text);
}

static void on_flush_timer(uv_timer_t *timer)
{
    struct daemon *d = timer->data;

    d->seconds++;
    bl_wire_show_progress(d);
    bl_wire_feed_watchdog(d);
    if (d->seconds % STATUS_S == 0)
        bl_wire_tell_status(d);
    if (d->seconds % REFUSED_S == 0)
        bl_wire_say_refused(d);
    if (d->seconds % NEW_LOGS_S == 0)
        bl_wire_look_for_logs(d);
    if (d->state == STARTING)
        revive_own_redis(d);
    d->flush = true;
    bl_wire_pump(d);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct daemon *d = signal->data;

    bl_log(6, "signal %d: stopping", number);
    bl_notify("STOPPING=1\nSTATUS=committing what was read");
    if (d->options->once)
        d->exit_code = EX_TEMPFAIL;            /* it was to reach the end */
    if (d->stopping || d->state == STARTING) { /* a second one, or nothing under way */
        if (d->state == STARTING)
            bl_log(5, "stopped without Redis: what is not committed will be read again");
        close_all(d);
        return;
    }
    d->stopping = true;
    begin_drain(d); /* with --once it may have begun already */
    if (d->state == DRAINING)
        uv_timer_start(&d->patience, stop_unfinished, DRAIN_MS, 0);
}

/* From systemd and from people: read the configuration again.  From a terminal that went: stop. */
static void on_hangup(uv_signal_t *signal, int number)
{
    struct daemon *d = signal->data;
    struct termios terminal;

    if (d->options->once || (d->on_terminal && tcgetattr(STDERR_FILENO, &terminal) != 0))
        on_signal(signal, number);
    else
        bl_wire_reread(d);
}

static void handle_closed(uv_handle_t *handle)
{
    struct daemon *d = handle->data;

    d->handles--;
}

static void close_handle(struct daemon *d, void *handle)
{
    ((uv_handle_t *)handle)->data = d;
    uv_close(handle, handle_closed);
}

static void stop_pipeline(struct daemon *d)
{
    /* Release: pairs with consume(). */
    atomic_store_explicit(&d->abandon, true, memory_order_release);
    uv_sem_post(&d->lent_sem);
    bl_pipeline_stop(d->pipeline);
    d->pipeline = NULL;
}

static void store_closed(void *arg)
{
    struct daemon *d = arg;

    d->store = NULL;
    close_handle(d, &d->wake);
    close_handle(d, &d->flush_timer);
    close_handle(d, &d->patience);
    close_handle(d, &d->on_term);
    close_handle(d, &d->on_int);
    close_handle(d, &d->on_hup);
}

/* After the last reading job ended; only then may the pipeline's blocks go. */
static void tail_closed(void *arg)
{
    struct daemon *d = arg;

    d->tail = NULL;
    stop_pipeline(d);
    bl_store_close(d->store, store_closed, d);
}

static void close_all(struct daemon *d)
{
    if (d->state == CLOSING)
        return;
    d->state = CLOSING;
    bl_tail_close(d->tail, tail_closed, d);
}

/* --- start --- */

static bool is_relay(void *arg, const bl_event *event)
{
    const struct daemon *d = arg;

    return bl_relays_has(d->relays, event->relay_host, event->relay_ip);
}

static enum bl_code start_stage(struct daemon *d)
{
    struct bl_stage_options options = {
        .is_relay = is_relay,
        .relay_arg = d,
        .join_entries = JOIN_ENTRIES,
        .join_text_bytes = JOIN_TEXT_BYTES,
        .batch_fields = BATCH_FIELDS,
        .batch_events = BATCH_EVENTS,
        .filter_cap = FILTER_CAP,
        .snapshot_blocks = SNAPSHOT_BLOCKS,
        .snapshot_flushes = SNAPSHOT_FLUSHES,
    };

    d->now.relays = bl_relays_new(d->options->config->relay, d->options->config->relays);
    d->relays = d->now.relays;
    if (!d->relays)
        return BL_NO_MEMORY;
    d->stage = bl_stage_new(d->now.rules, &options);
    if (!d->stage || bl_ring_init(&d->lent, RING) != BL_OK || bl_ring_init(&d->due, RING) != BL_OK)
        return BL_NO_MEMORY;
    for (size_t i = 0; i < BATCHES; i++) {
        struct bl_batch *batch = bl_batch_new();

        if (!batch)
            return BL_NO_MEMORY;
        lend(d, batch);
    }
    return BL_OK;
}

static void init_handles(struct daemon *d)
{
    uv_async_init(&d->loop, &d->wake, on_wake);
    uv_timer_init(&d->loop, &d->flush_timer);
    uv_timer_init(&d->loop, &d->patience);
    uv_signal_init(&d->loop, &d->on_term);
    uv_signal_init(&d->loop, &d->on_int);
    uv_signal_init(&d->loop, &d->on_hup);
    d->wake.data = d->flush_timer.data = d->patience.data = d;
    d->on_term.data = d->on_int.data = d->on_hup.data = d;
    d->handles = 6;
    uv_timer_start(&d->flush_timer, on_flush_timer, FLUSH_MS, FLUSH_MS);
    uv_signal_start(&d->on_term, on_signal, SIGTERM);
    uv_signal_start(&d->on_int, on_signal, SIGINT);
    uv_signal_start(&d->on_hup, on_hangup, SIGHUP);
}

static enum bl_code start_tail(struct daemon *d, bl_err *err)
{
    static const struct bl_tail_events events = {on_want, on_refuse, on_block, on_end,
                                                 on_tail_note};
    struct bl_tail_options options = {
        .once = d->options->once,
        .watch = true,
        .sweep_ms = SWEEP_MS,
        .grace_ms = GRACE_MS,
        .vacant_ms = d->options->vacant_ms,
        .warm_up_bytes = WARM_UP_BYTES,
    };

    enum bl_code rc = bl_tail_new(&d->tail, &d->loop, &options, &events, d, err);

    return rc == BL_OK ? bl_tail_follow(d->tail, d->sources->logs, d->sources->n, err) : rc;
}

static enum bl_code start_pipeline(struct daemon *d, bl_err *err)
{
    struct bl_pipeline_options options = {
        .workers = d->options->workers,
        .shown = BL_STAGE_SHOWS,
        .rules = d->now.rules,
        .consume = consume,
        .freed = freed,
        .arg = d,
    };

    bl_zone_around(time(NULL), &options.zone);
    return bl_pipeline_start(&d->pipeline, &options, err);
}

/* The local copy of positions, for a Redis that has the dataset but lost them. */
static void offer_local_positions(struct daemon *d)
{
    struct bl_snapshot *newest = bl_state_load_snapshot(d->options->state, 0, NULL, 0);

    if (newest)
        bl_store_set_local(d->store, newest->dataset, &newest->positions);
    bl_snapshot_free(newest);
}

static enum bl_code start_store(struct daemon *d, bl_err *err)
{
    static const struct bl_store_events events = {
        .ready = on_ready,
        .done = on_done,
        .void_ = on_void,
        .lost = on_lost,
        .addresses = on_addresses,
        .note = on_store_note,
        .refused = on_refused,
    };
    const struct bl_config *config = d->options->config;
    const struct bl_counter_limits limits = {
        .minute_cap = config->keys_per_minute,
        .hour_cap = config->keys_per_hour,
        .day_cap = config->keys_per_day,
        .minute_kept_s = config->minutes_ms / 1000,
        .hour_kept_s = config->hours_ms / 1000,
        .day_kept_s = config->days_ms / 1000,
        .recent = (unsigned)config->recent,
    };
    struct bl_store_options options = {
        .url = d->options->redis,
        .prefix = config->redis.prefix,
        .node = d->options->node,
        .instance = d->options->state->instance,
        .lease_ms = (uint64_t)config->redis.lease_ms,
        .connect_ms = (uint64_t)config->redis.connect_ms,
        .command_ms = (uint64_t)config->redis.command_ms,
        .retry_max_ms = (uint64_t)config->redis.retry_max_ms,
        .partitions = (unsigned)config->redis.partitions,
        .limits = &limits,
        .in_flight_bytes = 8 << 20,
        .policy = config->suppression,
        .rules = d->now.rules,
        .no_fence = d->options->no_fence,
        .no_slot_positions = d->options->no_slot_positions,
    };
    enum bl_code rc = bl_store_open(&d->store, &d->loop, &options, &events, d, err);

    if (rc == BL_OK)
        offer_local_positions(d);
    return rc;
}

static void release(struct daemon *d)
{
    struct bl_batch *batch;
    struct bl_stage_stats stats = bl_stage_stats(d->stage);

    if (stats.events_lost)
        bl_log(3, "%" PRIu64 " address events were lost for want of memory", stats.events_lost);
    if (stats.join.evicted)
        bl_log(4, "%" PRIu64 " queue ids were given up for want of room: their senders are unknown",
               stats.join.evicted);
    if (stats.join_cold)
        bl_log(4,
               "%" PRIu64
               " joins of a snapshot were damaged: senders of mail then under way are unknown",
               stats.join_cold);
    bl_stage_free(d->stage);
    while (d->due.items && (batch = bl_ring_take(&d->due)) != NULL)
        bl_batch_free(batch);
    while (d->lent.items && (batch = bl_ring_take(&d->lent)) != NULL)
        bl_batch_free(batch);
    bl_ring_release(&d->lent);
    bl_ring_release(&d->due);
    bl_wire_free_change(&d->now);
    bl_wire_free_change(&d->next);
    bl_sources_free(d->sources);
    bl_sources_free(d->next_sources);
    bl_resume_free(d->reset);
    bl_resume_free(d->start);
    bl_address_hashes_free(d->addresses);
    uv_sem_destroy(&d->lent_sem);
}

/* systemd need not wait for Redis: who waits for us gets no further by it. */
static void say_start(const struct daemon *d)
{
    char place[400];

    if (d->options->once)
        return;
    bl_redis_url_text(&d->options->redis, place, sizeof place);
    bl_log(6, "bounceline " BL_VERSION ": following %zu log%s as node %s, Redis at %s",
           bl_tail_sources(d->tail), bl_tail_sources(d->tail) == 1 ? "" : "s", d->options->node,
           place);
    bl_notify("READY=1\nSTATUS=waiting for Redis");
}

int bl_daemon_run(const struct bl_daemon_options *options)
{
    struct daemon *d = bl_calloc(1, sizeof *d);
    bl_err err = {0};
    enum bl_code rc;
    int exit_code;

    if (!d)
        return EX_OSERR;
    d->options = options;
    d->now.rules = options->rules;
    d->sources = options->sources;
    d->on_terminal = isatty(STDERR_FILENO) == 1;
    uv_loop_init(&d->loop);
    uv_sem_init(&d->lent_sem, 0);
    init_handles(d);
    rc = start_tail(d, &err);
    if (rc == BL_OK)
        rc = start_stage(d);
    if (rc == BL_OK)
        rc = start_pipeline(d, &err);
    if (rc == BL_OK)
        rc = start_store(d, &err);
    if (rc != BL_OK) { /* nothing is running yet: the process ends, the system cleans up */
        bl_log(3, "%s", err.text[0] ? err.text : "no memory");
        return rc == BL_NO_MEMORY ? EX_OSERR : EX_CONFIG;
    }
    say_start(d);
    wait_for_redis(d);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&d->loop) != 0) {
        bl_log(3, "a handle was left open at the end");
        uv_print_all_handles(&d->loop, stderr);
    }
    bl_wire_end_progress(d);
    bl_wire_say_refused(d);
    if (!options->once)
        bl_log(6, "stopped; %" PRIu64 " lines were counted", d->counted_lines);
    release(d);
    exit_code = d->exit_code;
    bl_free(d);
    return exit_code;
}
