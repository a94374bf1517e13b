/* Every arrow of the picture in pipeline.h is a channel: a ring, and a place for its consumer to
 * sleep.
 *
 * Sleeping.  The consumer announces itself in `sleeper`, looks once more, and waits on the
 * semaphore; the producer puts, then takes the announcement down and, if there was one, posts. Both
 * touch `sleeper` by read-modify-write, so one of the two comes first.  If the consumer's is first
 * the producer sees it and posts.  If the producer's is first the consumer's acquires what the
 * producer's released, the put included, and the second look finds the item.  A busy pipeline never
 * gets to the semaphore, an idle one stands there without using the CPU.
 *
 * Rules travel with the block instead of being read from a shared pointer: the change
 * then happens at one block in the order of the log, the same for any number of workers, and
 * "everybody has passed a block boundary" is simply that the older blocks came out at the end. */
#include "pipeline.h"

#include <stdatomic.h>
#include <stdint.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <uv.h>

#include "bounceline/alloc.h"
#include "bounceline/ring.h"

enum { CACHE_LINE = 64, NICE = 2 };

enum sleeper { AWAKE, ON_SEMAPHORE, ON_CALLBACK };

struct channel {
    struct bl_ring ring;
    _Alignas(CACHE_LINE) atomic_int sleeper; /* enum sleeper */
    uv_sem_t sem;
    bool ready;
};

/* A block on its way. */
struct trip {
    struct bl_block *block; /* NULL: the end */
};

struct worker {
    struct channel in, out;
    struct bl_worker *parser;
    uv_thread_t thread;
    bool running;
};

struct bl_pipeline {
    struct bl_pipeline_options options;
    struct trip *trips; /* one for each block, in no order */
    struct trip end;
    size_t blocks;
    struct channel free;  /* stage -> owner */
    unsigned turn;        /* owner: who gets the next block */
    uint64_t submitted;   /* owner */
    uint64_t rules_since; /* owner: `submitted` when the rules changed last */
    struct trip **kept;   /* owner: given back unused; a stack */
    size_t kept_n;
    struct bl_worker *parser; /* without threads */
    uv_thread_t stage_thread;
    bool stage_running;
    unsigned workers_n;
    struct worker *workers;
    _Alignas(CACHE_LINE) atomic_uint_fast64_t consumed; /* stage */
};

static enum bl_code channel_init(struct channel *c, size_t items)
{
    size_t capacity = 2;
    enum bl_code rc;

    while (capacity < items)
        capacity *= 2;
    rc = bl_ring_init(&c->ring, capacity);
    if (rc != BL_OK)
        return rc;
    if (uv_sem_init(&c->sem, 0) != 0) {
        bl_ring_release(&c->ring);
        return BL_NO_MEMORY;
    }
    atomic_init(&c->sleeper, AWAKE);
    c->ready = true;
    return BL_OK;
}

static void channel_release(struct channel *c)
{
    if (!c->ready)
        return;
    bl_ring_release(&c->ring);
    uv_sem_destroy(&c->sem);
    c->ready = false;
}

/* Returns true when the consumer waits for its callback. */
static bool channel_put(struct channel *c, struct trip *trip)
{
    int sleeper;

    /* A ring has room for every block there is, so this never fails. */
    (void)bl_ring_put(&c->ring, trip);
    /* Releases the put, acquires the announcement; pairs with the exchange in announce(). */
    sleeper = atomic_exchange_explicit(&c->sleeper, AWAKE, memory_order_acq_rel);
    if (sleeper == ON_SEMAPHORE)
        uv_sem_post(&c->sem);
    return sleeper == ON_CALLBACK;
}

/* Announces the consumer and looks once more.  NULL: it is announced and the producer will see
 * it. */
static struct trip *announce(struct channel *c, enum sleeper how)
{
    struct trip *trip;

    /* Acquires what was put before the producer's exchange; pairs with channel_put(). */
    (void)atomic_exchange_explicit(&c->sleeper, (int)how, memory_order_acq_rel);
    trip = bl_ring_take(&c->ring);
    if (!trip)
        return NULL;
    /* It was there after all.  If the producer took the announcement down in between it has posted,
     * and the post must be eaten, or the next sleep would be none. */
    if (atomic_exchange_explicit(&c->sleeper, AWAKE, memory_order_acq_rel) == AWAKE &&
        how == ON_SEMAPHORE)
        uv_sem_wait(&c->sem);
    return trip;
}

static struct trip *channel_take(struct channel *c)
{
    for (;;) {
        struct trip *trip = bl_ring_take(&c->ring);

        if (!trip)
            trip = announce(c, ON_SEMAPHORE);
        if (trip)
            return trip;
        uv_sem_wait(&c->sem);
    }
}

static void parse(struct bl_worker *parser, struct trip *trip)
{
    if (trip->block->kind == BL_BLOCK_DATA)
        bl_block_parse(parser, trip->block->rules, trip->block);
}

/* A name for top -H, and for who looks for a thread that hangs.  Behind the loop, for which Redis
 * waits: where there are not as many processors as threads, lines that are read early only lie
 * about. */
static void begin_thread(const char *name)
{
    prctl(PR_SET_NAME, name);
    /* More than the loop is; Linux: of the calling thread. */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICE);
}

static void run_worker(void *arg)
{
    struct worker *w = arg;

    begin_thread("worker");
    for (;;) {
        struct trip *trip = channel_take(&w->in);
        bool last = !trip->block; /* not to be looked at after it was handed on */

        if (!last)
            parse(w->parser, trip);
        (void)channel_put(&w->out, trip);
        if (last)
            return;
    }
}

static void consume(struct bl_pipeline *p, struct trip *trip)
{
    p->options.consume(p->options.arg, trip->block);
    /* COMMIT. Release: nobody reads this block's rules any more; pairs with the acquire in
     * bl_pipeline_rules_settled(). */
    atomic_fetch_add_explicit(&p->consumed, 1, memory_order_release);
    if (channel_put(&p->free, trip) && p->options.freed)
        p->options.freed(p->options.arg);
}

static void run_stage(void *arg)
{
    struct bl_pipeline *p = arg;

    begin_thread("stage");
    for (unsigned turn = 0;; turn = (turn + 1) % p->workers_n) {
        struct trip *trip = channel_take(&p->workers[turn].out);

        if (!trip->block)
            return;
        consume(p, trip);
    }
}

static enum bl_code make_blocks(struct bl_pipeline *p)
{
    p->trips = bl_calloc(p->blocks, sizeof *p->trips);
    p->kept = bl_calloc(p->blocks, sizeof *p->kept);
    if (!p->trips || !p->kept)
        return BL_NO_MEMORY;
    for (size_t i = 0; i < p->blocks; i++) {
        p->trips[i].block = bl_block_new();
        if (!p->trips[i].block)
            return BL_NO_MEMORY;
        p->kept[p->kept_n++] = &p->trips[i];
    }
    return BL_OK;
}

static enum bl_code make_workers(struct bl_pipeline *p)
{
    enum bl_code rc = channel_init(&p->free, p->blocks);

    if (rc != BL_OK)
        return rc;
    if (p->workers_n == 0) {
        p->parser = bl_worker_new_showing(&p->options.zone, p->options.shown);
        return p->parser ? BL_OK : BL_NO_MEMORY;
    }
    p->workers = bl_table_new(p->workers_n, sizeof *p->workers);
    if (!p->workers)
        return BL_NO_MEMORY;
    for (unsigned i = 0; i < p->workers_n && rc == BL_OK; i++) {
        struct worker *w = &p->workers[i];

        rc = channel_init(&w->in, p->blocks + 1);
        if (rc == BL_OK)
            rc = channel_init(&w->out, p->blocks + 1);
        w->parser = bl_worker_new_showing(&p->options.zone, p->options.shown);
        if (!w->parser)
            rc = BL_NO_MEMORY;
    }
    return rc;
}

static enum bl_code start_threads(struct bl_pipeline *p, bl_err *err)
{
    int rc;

    if (p->workers_n == 0)
        return BL_OK;
    for (unsigned i = 0; i < p->workers_n; i++) {
        rc = uv_thread_create(&p->workers[i].thread, run_worker, &p->workers[i]);
        if (rc != 0)
            return bl_fail(err, BL_IO, rc, "cannot start a worker thread: %s", uv_strerror(rc));
        p->workers[i].running = true;
    }
    rc = uv_thread_create(&p->stage_thread, run_stage, p);
    if (rc != 0)
        return bl_fail(err, BL_IO, rc, "cannot start the stage thread: %s", uv_strerror(rc));
    p->stage_running = true;
    return BL_OK;
}

enum bl_code bl_pipeline_start(struct bl_pipeline **out, const struct bl_pipeline_options *options,
                               bl_err *err)
{
    struct bl_pipeline *p = bl_table_new(1, sizeof *p); /* on a cache line, as its members ask */
    enum bl_code rc;

    if (!p)
        return bl_fail(err, BL_NO_MEMORY, 0, "cannot start the pipeline: out of memory");
    p->options = *options;
    p->workers_n = options->workers < BL_WORKERS_MAX ? options->workers : BL_WORKERS_MAX;
    p->blocks = options->blocks ? options->blocks : 2 * (size_t)p->workers_n + 4;
    atomic_init(&p->consumed, 0);
    rc = make_blocks(p);
    if (rc == BL_OK)
        rc = make_workers(p);
    if (rc != BL_OK)
        (void)bl_fail(err, rc, 0, "cannot start the pipeline: out of memory");
    else
        rc = start_threads(p, err);
    if (rc != BL_OK) {
        bl_pipeline_stop(p);
        return rc;
    }
    *out = p;
    return BL_OK;
}

static struct trip *take_free(struct bl_pipeline *p, bool wait)
{
    struct trip *trip;

    if (p->kept_n)
        return p->kept[--p->kept_n];
    trip = bl_ring_take(&p->free.ring);
    if (trip)
        return trip;
    if (wait && p->workers_n)
        return channel_take(&p->free);
    return announce(&p->free, ON_CALLBACK);
}

struct bl_block *bl_pipeline_block(struct bl_pipeline *p, bool wait)
{
    struct trip *trip = take_free(p, wait);
    struct bl_block *block, clean;

    if (!trip)
        return NULL;
    block = trip->block;
    clean = (struct bl_block){.bytes = block->bytes,
                              .respelled = block->respelled,
                              .before = block->before,
                              .records = block->records,
                              .records_cap = block->records_cap};
    *block = clean;
    return block;
}

static struct trip *trip_of(struct bl_pipeline *p, const struct bl_block *block)
{
    size_t i = 0;

    while (p->trips[i].block != block)
        i++;
    return &p->trips[i];
}

void bl_pipeline_return(struct bl_pipeline *p, struct bl_block *unused)
{
    p->kept[p->kept_n++] = trip_of(p, unused);
}

void bl_pipeline_submit(struct bl_pipeline *p, struct bl_block *block)
{
    struct trip *trip = trip_of(p, block);

    block->rules = p->options.rules;
    p->submitted++;
    if (p->workers_n == 0) {
        parse(p->parser, trip);
        consume(p, trip);
        return;
    }
    (void)channel_put(&p->workers[p->turn].in, trip);
    p->turn = (p->turn + 1) % p->workers_n;
}

void bl_pipeline_set_rules(struct bl_pipeline *p, const struct bl_rules *rules)
{
    p->options.rules = rules;
    p->rules_since = p->submitted;
}

bool bl_pipeline_rules_settled(const struct bl_pipeline *p)
{
    /* Acquire: pairs with consume(). */
    return atomic_load_explicit(&p->consumed, memory_order_acquire) > p->rules_since;
}

uint64_t bl_pipeline_submitted(const struct bl_pipeline *p)
{
    return p->submitted;
}

bool bl_pipeline_consumed(const struct bl_pipeline *p, uint64_t blocks)
{
    /* Acquire: pairs with consume(). */
    return atomic_load_explicit(&p->consumed, memory_order_acquire) >= blocks;
}

/* The end goes to every worker, in turn, so the stage meets it behind the last block. */
static void end_threads(struct bl_pipeline *p)
{
    for (unsigned i = 0; i < p->workers_n; i++)
        if (p->workers[(p->turn + i) % p->workers_n].running)
            (void)channel_put(&p->workers[(p->turn + i) % p->workers_n].in, &p->end);
    for (unsigned i = 0; i < p->workers_n; i++)
        if (p->workers[i].running)
            uv_thread_join(&p->workers[i].thread);
    if (p->stage_running)
        uv_thread_join(&p->stage_thread);
}

void bl_pipeline_stop(struct bl_pipeline *p)
{
    if (!p)
        return;
    if (p->workers)
        end_threads(p);
    for (unsigned i = 0; p->workers && i < p->workers_n; i++) {
        channel_release(&p->workers[i].in);
        channel_release(&p->workers[i].out);
        bl_worker_free(p->workers[i].parser);
    }
    for (size_t i = 0; p->trips && i < p->blocks; i++)
        bl_block_free(p->trips[i].block);
    bl_worker_free(p->parser);
    channel_release(&p->free);
    bl_free(p->trips);
    bl_free(p->kept);
    bl_table_free(p->workers);
    bl_table_free(p);
}
