/* The queue of batches and who has taken how much of it:
 *
 *      first                                             last
 *   .----+----.----.----.----.----.----.----.----.----.----.
 *   | 17 | 18 | 19 | 20 | 21 | 22 | 23 | 24 | 25 | 26 | 27 |     <- submit
 *   '----'----'----'----'----'----'----'----'----'----'----'
 *     ^ slot[2].have       ^ slot[0].have  ^ sent
 *     ^ slot[1].have         (counters confirmed)
 *
 * Each slot goes through the queue at its own pace.  The counter slot has two commits under way;
 * batches that wait meanwhile go together into the next one, so the busier Redis is, the more lines
 * one look-up of a key serves.  A batch leaves at the front when every slot has it: that is `done`.
 *
 * There is one answer to everything unexpected: drop the connection, hand all batches back, and
 * when it is up again (after a pause that fits the reason) claim every slot anew.  Claiming raises
 * the epochs, so whatever of ours is still on some wire is refused, and tells what Redis really
 * has.  So no reply has to be guessed at, and a stale one cannot exist: a dropped connection
 * answers everything with NULL. */
#include "store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bounceline/alloc.h"
#include "scripts.h"
#include "store_parts.h"

enum {
    LEASE_MS = 30000,
    TICK_MS = 1000,
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 10000,
    WRONG_MS = 10000,
    DENIED_MS = 60000,
    IN_FLIGHT_BYTES = 8 << 20,
    LAZY_TICKS = 3,
    SEEN_TICKS = 10,
    ADDRESS_EVENTS = 4096, /* 60 ms of Redis */
    LEVEL_ERROR = 3,
    LEVEL_WARNING = 4,
    LEVEL_NOTICE = 5
};

int64_t bl_store_wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void bl_store_note(struct bl_store *store, int level, const char *format, ...)
{
    char text[512];
    va_list args;

    if (!store->events.note)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    store->events.note(store->arg, level, text);
}

/* ---- trouble ---- */

/* How long to wait before the next claim.  The first time hardly at all, then longer and longer. */
static uint64_t pause_for(struct bl_store *store, enum bl_resp_trouble trouble)
{
    uint64_t ms = store->hold_next_ms;

    if (trouble == BL_RESP_DENIED)
        return store->options.denied_ms;
    if (trouble == BL_RESP_WRONG)
        return store->options.wrong_ms;
    store->hold_next_ms =
        ms * 2 > store->options.retry_max_ms ? store->options.retry_max_ms : ms * 2;
    store->random = store->random * 6364136223846793005u + 1442695040888963407u;
    return ms / 2 + (store->random >> 33) % (ms / 2 + 1);
}

static void say_once(struct bl_store *store, enum bl_resp_trouble trouble, const char *word,
                     const char *text)
{
    bool passes = trouble == BL_RESP_HOLD || trouble == BL_RESP_FINE;

    if (strncmp(store->said, word, sizeof store->said - 1) == 0)
        return;
    snprintf(store->said, sizeof store->said, "%s", word);
    bl_store_note(store, passes ? LEVEL_WARNING : LEVEL_ERROR, "%s", text);
}

void bl_store_trouble(struct bl_store *store, enum bl_resp_trouble trouble, const char *word,
                      const char *text)
{
    if (store->state == BL_STORE_CLOSING || store->state == BL_STORE_REFUSED)
        return;
    say_once(store, trouble, word, text);
    store->hold_ms = pause_for(store, trouble);
    bl_redis_drop(store->conn, BL_RESP_FINE, word);
}

void bl_store_refuse(struct bl_store *store, enum bl_code code, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    store->state = BL_STORE_REFUSED;
    if (store->events.refused)
        store->events.refused(store->arg, code, text);
}

bool bl_store_is_array(struct bl_store *store, const redisReply *reply, size_t least,
                       const char *key)
{
    char word[BL_RESP_WORD_MAX], plain[256], text[480];

    if (!reply || store->state == BL_STORE_CLOSING || store->state == BL_STORE_REFUSED)
        return false; /* NULL: the connection is gone, and on_down knows */
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements >= least)
        return true;
    bl_resp_plain(reply->type == REDIS_REPLY_ERROR ? bl_store_slice(reply)
                                                   : BL_SLICE("an answer of another kind"),
                  plain, sizeof plain);
    bl_resp_word(bl_store_slice(reply), word);
    snprintf(text, sizeof text, "Redis refuses %.160s: %s", key, plain);
    bl_store_trouble(store,
                     reply->type == REDIS_REPLY_ERROR ? bl_resp_trouble(bl_store_slice(reply))
                                                      : BL_RESP_WRONG,
                     word, text);
    return false;
}

/* What a fence that refused us means, for people. */
static const char *fence_reason(bl_slice what)
{
    if (bl_slice_eq(what, BL_SLICE("dataset false")))
        return "Redis was emptied";
    if (bl_slice_starts(what, BL_SLICE("dataset")))
        return "Redis holds other data now";
    if (bl_slice_starts(what, BL_SLICE("epoch")))
        return "another writer has claimed it, or Redis went back to an older state";
    return "Redis went back to an older state, or another writer was there";
}

/* The slot is not where we thought: somebody else wrote, or Redis went back in time. */
bool bl_store_fenced(struct bl_slot *slot, const redisReply *reply)
{
    char plain[128], text[480];
    bl_slice what = BL_SLICE("?");

    if (!bl_slice_eq(bl_store_slice(reply->element[0]), BL_SLICE("FENCE")))
        return false;
    slot->store->stats.fenced++;
    if (reply->elements > 1)
        what = bl_store_slice(reply->element[1]);
    bl_resp_plain(what, plain, sizeof plain);
    snprintf(
        text, sizeof text,
        "%s (%.120s: %s); nothing was written, and the logs are read again from where Redis stands",
        fence_reason(what), slot->pos.text, plain);
    bl_store_trouble(slot->store, BL_RESP_FINE, "FENCE", text);
    return true;
}

bool bl_store_send(struct bl_store *store, const bl_slice *argv, size_t argc, bl_redis_reply_fn *fn,
                   void *arg)
{
    enum bl_code rc = bl_redis_send(store->conn, argv, argc, fn, arg);

    if (rc == BL_OK)
        return true;
    if (rc != BL_UNAVAILABLE)
        bl_store_trouble(store, BL_RESP_HOLD, "memory", "no room for a command to Redis");
    return false;
}

/* ---- the queue ---- */

static bool push_batch(struct bl_store *store, struct bl_batch *batch)
{
    if (store->queue_n == store->queue_cap) {
        size_t cap = store->queue_cap ? store->queue_cap * 2 : 64;
        struct bl_batch **grown = bl_malloc(cap * sizeof *grown);

        if (!grown)
            return false;
        for (size_t i = 0; i < store->queue_n; i++)
            grown[i] = store->queue[(store->queue_head + i) % store->queue_cap];
        bl_free(store->queue);
        store->queue = grown;
        store->queue_head = 0;
        store->queue_cap = cap;
    }
    store->queue[(store->queue_head + store->queue_n++) % store->queue_cap] = batch;
    return true;
}

static struct bl_batch *pop_batch(struct bl_store *store)
{
    struct bl_batch *batch = store->queue[store->queue_head];

    store->queue_head = (store->queue_head + 1) % store->queue_cap;
    store->queue_n--;
    store->first++;
    return batch;
}

static void void_batches(struct bl_store *store)
{
    while (store->queue_n) {
        struct bl_batch *batch = pop_batch(store);

        store->events.void_(store->arg, batch);
    }
}

/* Hands back, in order, what every slot has.  A callback may submit: that only adds at the end. */
void bl_store_settle_batches(struct bl_store *store)
{
    uint64_t have = store->slot[0].have;

    for (unsigned i = 1; i <= store->keys.partitions; i++)
        if (store->slot[i].have < have)
            have = store->slot[i].have;
    if (store->handing_back)
        return;
    store->handing_back = true;
    while (store->state == BL_STORE_READY && store->queue_n && store->first <= have)
        store->events.done(store->arg, pop_batch(store));
    store->handing_back = false;
}

/* ---- counters ---- */

/* What Redis gave us worked: the next trouble starts with a short pause again. */
void bl_store_landed(struct bl_store *store)
{
    store->hold_next_ms = RETRY_MIN_MS;
    if (store->said[0]) {
        store->said[0] = '\0';
        bl_store_note(store, LEVEL_NOTICE, "Redis is back");
    }
}

bool bl_store_put(struct bl_store *store, struct bl_positions *list, const bl_position *position)
{
    char text[200];
    enum bl_code rc = bl_positions_put(list, position);

    if (rc == BL_OK)
        return true;
    snprintf(text, sizeof text,
             rc == BL_LIMIT ? "no room for the position of one more log file: %zu are known"
                            : "no memory for the positions of %zu log files",
             list->n);
    bl_store_trouble(store, BL_RESP_HOLD, "positions", text);
    return false;
}

static bool move_positions(struct bl_store *store, struct bl_positions *at,
                           const struct bl_batch *batch)
{
    for (size_t i = 0; i < batch->ranges; i++)
        if (bl_positions_behind(at, &batch->range[i].end) &&
            !bl_store_put(store, at, &batch->range[i].end))
            return false;
    return true;
}

static void on_commit(void *arg, redisReply *reply)
{
    struct bl_slot *slot = arg;
    struct bl_store *store = slot->store;
    struct bl_flight flight;

    if (!bl_store_is_array(store, reply, 1, slot->pos.text) || bl_store_fenced(slot, reply))
        return;
    flight = store->flight[0];
    store->flights--;
    memmove(store->flight, store->flight + 1, store->flights * sizeof *store->flight);
    while (slot->have < flight.last)
        if (!move_positions(store, &slot->stored, bl_store_batch(store, ++slot->have)))
            return;
    store->stats.commits++;
    bl_store_landed(store);
    bl_store_settle_batches(store);
    bl_store_count(store);
}

/* Of the batches it takes what makes a commit, and leaves in `*n` how many that are. */
static bool send_commit(struct bl_slot *slot, bool release, const struct bl_batch *const *batches,
                        size_t *n, bl_redis_reply_fn *fn, void *arg)
{
    enum { FIXED = 13 };
    const struct bl_counter_limits *limits = &slot->store->commit->limits;
    struct bl_store *store = slot->store;
    bl_slice argv[FIXED + 2 * BL_BATCH_RECENT];
    char lease[24], recent[24], kept[24], times[BL_BATCH_RECENT][24];
    size_t argc = FIXED, recents = 0;

    if (!bl_commit_pack(store->commit, batches, n, &store->queued, store->commit_ms)) {
        bl_store_trouble(store, BL_RESP_HOLD, "memory", "no memory for a commit");
        return false;
    }
    snprintf(lease, sizeof lease, "%" PRIu64, release ? 0 : store->options.lease_ms);
    snprintf(recent, sizeof recent, "%u", limits->recent);
    snprintf(kept, sizeof kept, "%" PRId64, limits->day_kept_s);
    const bl_slice fixed[FIXED] = {BL_SLICE("EVAL"),
                                   bl_script_commit,
                                   BL_SLICE("1"),
                                   bl_redis_key_slice(&slot->pos),
                                   bl_store_text(store->keys.node),
                                   bl_store_text(slot->epoch),
                                   bl_store_text(store->dataset),
                                   bl_store_text(lease),
                                   store->options.no_fence ? BL_SLICE("0") : BL_SLICE("1"),
                                   bl_pack_slice(&store->commit->ranges),
                                   bl_pack_slice(&store->commit->counters),
                                   bl_store_text(recent),
                                   bl_store_text(kept)};
    memcpy(argv, fixed, sizeof fixed);
    for (size_t i = *n; i-- > 0 && recents < BL_BATCH_RECENT;)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): of no batches there is no list */
        for (size_t j = 0; j < batches[i]->recents && recents < BL_BATCH_RECENT; j++) {
            snprintf(times[recents], sizeof times[0], "%" PRId64, batches[i]->recent[j].time_us);
            argv[argc++] = bl_store_text(times[recents++]);
            argv[argc++] = batches[i]->recent[j].text;
        }
    slot->leased_ms = uv_now(store->loop);
    return bl_store_send(store, argv, argc, fn, arg);
}

static size_t bytes_in_flight(const struct bl_store *store)
{
    size_t bytes = 0;

    for (size_t i = 0; i < store->flights; i++)
        bytes += store->flight[i].bytes;
    return bytes;
}

static bool take_bucket_page(struct bl_bucket *bucket, const redisReply *page, const char *key)
{
    char field[120], text[480];

    for (size_t i = 0; page->type == REDIS_REPLY_ARRAY && i + 1 < page->elements; i += 2) {
        bl_slice name = bl_store_slice(page->element[i]),
                 value = bl_store_slice(page->element[i + 1]);
        uint64_t count;

        if (!bl_slice_take_u64(&value, &count) || value.n != 0) {
            bl_resp_plain(name, field, sizeof field);
            snprintf(text, sizeof text, "%.160s holds no number in '%s'", key, field);
            bl_store_trouble(bucket->owner, BL_RESP_WRONG, "number", text);
            return false;
        }
        if (!bl_bucket_add(bucket, name, count)) {
            bl_store_trouble(bucket->owner, BL_RESP_HOLD, "memory", "no memory for counters");
            return false;
        }
    }
    return true;
}

static bool ask_bucket(struct bl_bucket *bucket, bl_slice cursor);

/* What a bucket holds, before we add to it for the first time; in pages, for it may be larger than
 * a reply.  Nobody writes it meanwhile, for only we do, and not before it is known. */
static void on_bucket(void *arg, redisReply *reply)
{
    struct bl_bucket *bucket = arg;
    struct bl_store *store = bucket->owner;
    bl_redis_key key = bl_redis_key_node(&store->keys, bucket->name);

    if (!bl_store_is_array(store, reply, 2, key.text) ||
        !take_bucket_page(bucket, reply->element[1], key.text))
        return;
    if (!bl_slice_eq(bl_store_slice(reply->element[0]), BL_SLICE("0"))) {
        ask_bucket(bucket, bl_store_slice(reply->element[0]));
        return;
    }
    bucket->state = BL_BUCKET_KNOWN;
    bl_store_count(store);
}

static bool ask_bucket(struct bl_bucket *bucket, bl_slice cursor)
{
    struct bl_store *store = bucket->owner;
    bl_redis_key key = bl_redis_key_node(&store->keys, bucket->name);
    const bl_slice argv[] = {BL_SLICE("HSCAN"), bl_redis_key_slice(&key), cursor, BL_SLICE("COUNT"),
                             BL_SLICE(BL_BUCKET_PAGE)};

    return bl_store_send(store, argv, BL_COUNT(argv), on_bucket, bucket);
}

/* True when all buckets that the batches count in are known; else it asks for them. */
static bool know_buckets(struct bl_store *store, const struct bl_batch *const *batches, size_t n)
{
    struct bl_bucket *bucket;

    store->commit_ms = bl_store_wall_ms();
    if (!bl_commit_begin(store->commit, batches, n, store->commit_ms)) {
        bl_store_trouble(store, BL_RESP_HOLD, "memory", "no memory for counters");
        return false;
    }
    while ((bucket = bl_commit_next_unknown(store->commit)) != NULL)
        if (!ask_bucket(bucket, BL_SLICE("0")))
            return false;
    return bl_commit_knows_all(store->commit);
}

/* Whether a partition is still at work on what the counters have.  To run further ahead would give
 * nobody a batch back, and each commit that is not made alone makes the next one cheaper. */
static bool is_ahead(const struct bl_store *store)
{
    for (unsigned i = 1; i <= store->keys.partitions; i++)
        if (store->slot[i].state != BL_PARTITION_REST && store->slot[i].have < store->sent)
            return true;
    return false;
}

static bool may_count(const struct bl_store *store)
{
    return store->state == BL_STORE_READY && store->flights < BL_STORE_IN_FLIGHT &&
           bytes_in_flight(store) < store->options.in_flight_bytes && store->queue_n &&
           store->sent < bl_store_last(store) && !is_ahead(store);
}

void bl_store_count(struct bl_store *store)
{
    while (may_count(store)) {
        const struct bl_batch *batches[BL_COMMIT_BATCHES];
        size_t n = 0;

        for (; n < BL_COMMIT_BATCHES && store->sent + n < bl_store_last(store); n++)
            batches[n] = bl_store_batch(store, store->sent + n + 1);
        if (!know_buckets(store, batches, n))
            return; /* on_bucket comes back here */
        store->flights++;
        if (!send_commit(&store->slot[0], false, batches, &n, on_commit, &store->slot[0]) ||
            store->state != BL_STORE_READY)
            return; /* the connection went under our hands */
        store->sent += n;
        store->flight[store->flights - 1] = (struct bl_flight){
            .last = store->sent, .bytes = store->commit->ranges.n + store->commit->counters.n};
        for (size_t i = 0; i < n; i++)
            if (!move_positions(store, &store->queued, batches[i]))
                return;
    }
}

void bl_store_on_refusal(void *arg, redisReply *reply)
{
    struct bl_slot *slot = arg;

    if (bl_store_is_array(slot->store, reply, 1, slot->pos.text))
        bl_store_fenced(slot, reply);
}

/* ---- what the owner asks ---- */

void bl_store_submit(struct bl_store *store, struct bl_batch *batch)
{
    if (store->state != BL_STORE_READY || batch->run != store->run) {
        store->events.void_(store->arg, batch);
        return;
    }
    if (!push_batch(store, batch)) {
        store->events.void_(store->arg, batch);
        bl_store_trouble(store, BL_RESP_HOLD, "memory", "no memory for the queue of batches");
        return;
    }
    /* Addresses first: Redis looks for their records while the counters are being packed. */
    for (unsigned i = 1; i <= store->keys.partitions && store->state == BL_STORE_READY; i++)
        bl_store_address_advance(&store->slot[i]);
    bl_store_count(store);
    bl_store_settle_batches(store);
}

bool bl_store_idle(const struct bl_store *store)
{
    if (store->state != BL_STORE_READY || store->queue_n)
        return false;
    for (unsigned i = 1; i <= store->keys.partitions; i++)
        if (store->slot[i].state != BL_PARTITION_REST || store->slot[i].lagging)
            return false;
    return true;
}

void bl_store_flush(struct bl_store *store)
{
    for (unsigned i = 1; i <= store->keys.partitions && store->state == BL_STORE_READY; i++)
        if (store->slot[i].lagging || store->slot[i].state != BL_PARTITION_REST)
            bl_store_address_move(&store->slot[i]);
}

void bl_store_renew(struct bl_store *store)
{
    if (store->state == BL_STORE_READY)
        bl_redis_drop(store->conn, BL_RESP_FINE, "renewed");
}

void bl_store_set_policy(struct bl_store *store, const struct bl_suppress_policy *policy)
{
    store->options.policy = *policy;
}

void bl_store_set_local(struct bl_store *store, uint64_t dataset, const struct bl_positions *local)
{
    store->local_dataset = dataset;
    if (bl_positions_copy(&store->local, local) != BL_OK)
        bl_positions_release(&store->local);
}

struct bl_store_stats bl_store_stats(const struct bl_store *store)
{
    struct bl_store_stats stats = store->stats;

    stats.ready = store->state == BL_STORE_READY;
    stats.waiting_batches = store->queue_n;
    stats.waiting_bytes = store->conn ? bl_redis_out_bytes(store->conn) : 0;
    return stats;
}

/* ---- up and down ---- */

void bl_store_became_ready(struct bl_store *store)
{
    struct bl_resume *resume = bl_calloc(1, sizeof *resume);
    struct bl_address_hashes *known = store->known;
    bool fits = resume != NULL;

    for (unsigned i = 0; i <= store->keys.partitions && fits; i++) {
        struct bl_slot *slot = &store->slot[i];

        if (i > 0 && store->options.no_slot_positions)
            fits = bl_positions_copy(&slot->stored, &store->slot[0].stored) == BL_OK;
        fits = fits && bl_positions_copy(&resume->slot[i], &slot->stored) == BL_OK &&
               bl_positions_copy(i == 0 ? &store->queued : &slot->target, &slot->stored) == BL_OK;
        slot->have = store->first - 1;
    }
    if (!fits) {
        bl_resume_free(resume);
        bl_store_trouble(store, BL_RESP_HOLD, "memory", "no memory for the positions");
        return;
    }
    store->sent = store->first - 1;
    store->flights = 0;
    resume->run = ++store->run;
    resume->dataset = strtoull(store->dataset, NULL, 16);
    resume->partitions = store->keys.partitions;
    store->known = NULL;
    store->state = BL_STORE_READY;
    if (strcmp(store->said, "down") == 0 || strcmp(store->said, "refused") == 0)
        bl_store_landed(store);
    store->events.ready(store->arg, resume, known);
}

static void on_hold_over(uv_timer_t *timer)
{
    struct bl_store *store = timer->data;

    if (store->state == BL_STORE_DOWN && bl_redis_state(store->conn) == BL_REDIS_READY)
        bl_store_begin(store);
}

static void on_up(void *arg)
{
    struct bl_store *store = arg;

    if (store->state != BL_STORE_DOWN)
        return;
    uv_timer_start(&store->hold, on_hold_over, store->hold_ms, 0);
    store->hold_ms = 0;
}

static void forget_claims(struct bl_store *store)
{
    for (unsigned i = 0; i < BL_COUNT(store->slot); i++) {
        struct bl_slot *slot = &store->slot[i];

        bl_store_address_drop(slot);
        bl_positions_release(&slot->stored);
        bl_positions_release(&slot->target);
        slot->lagging = slot->move_now = slot->feed_busy = false;
    }
    bl_positions_release(&store->queued);
    bl_commit_forget(store->commit);
    bl_address_hashes_free(store->known);
    store->known = NULL;
    store->flights = 0;
}

static void on_down(void *arg, enum bl_resp_trouble trouble, const bl_err *why)
{
    struct bl_store *store = arg;
    bool was_ready = store->state == BL_STORE_READY;

    if (store->close_asked)
        return;
    uv_timer_stop(&store->hold);
    if (store->state != BL_STORE_REFUSED)
        store->state = BL_STORE_DOWN;
    if (trouble != BL_RESP_FINE) /* FINE: we dropped it ourselves, and said why */
        say_once(store, trouble, trouble == BL_RESP_HOLD ? "down" : "refused", why->text);
    store->stats.reconnects++;
    forget_claims(store);
    if (was_ready && store->events.lost)
        store->events.lost(store->arg);
    void_batches(store);
}

static void on_tick(uv_timer_t *timer)
{
    struct bl_store *store = timer->data;
    uint64_t now_ms = uv_now(store->loop);
    bool lazy = ++store->ticks % LAZY_TICKS == 0;
    bool loading = store->state == BL_STORE_LOAD;

    if (store->state == BL_STORE_READY && store->ticks % SEEN_TICKS == 0)
        bl_store_say_seen(store);
    for (unsigned i = 0; i <= store->keys.partitions; i++) {
        struct bl_slot *slot = &store->slot[i];
        bool stale = now_ms - slot->leased_ms >= store->options.lease_ms / 3;
        size_t none = 0;

        if (store->state != BL_STORE_READY && !loading)
            return;
        if (i == 0 && stale)
            send_commit(slot, false, NULL, &none, bl_store_on_refusal, slot);
        if (i > 0 && loading) {
            if (stale)
                bl_store_address_lease(slot, store->options.lease_ms, bl_store_on_refusal, slot);
            continue;
        }
        if (i > 0 && (stale || (lazy && slot->lagging)) && slot->state == BL_PARTITION_REST)
            bl_store_address_move(slot);
        if (i > 0 && store->state == BL_STORE_READY)
            bl_store_address_follow(slot);
    }
}

/* ---- open and close ---- */

static void set_defaults(struct bl_store_options *options)
{
    if (!options->lease_ms)
        options->lease_ms = LEASE_MS;
    if (!options->in_flight_bytes)
        options->in_flight_bytes = IN_FLIGHT_BYTES;
    if (!options->tick_ms)
        options->tick_ms = TICK_MS;
    if (!options->retry_max_ms)
        options->retry_max_ms = RETRY_MAX_MS;
    if (!options->wrong_ms)
        options->wrong_ms = WRONG_MS;
    if (!options->denied_ms)
        options->denied_ms = DENIED_MS;
    if (!options->partitions)
        options->partitions = 1;
    if (!options->address_events)
        options->address_events = ADDRESS_EVENTS;
}

static void free_store(struct bl_store *store)
{
    if (store->commit)
        forget_claims(store);
    bl_positions_release(&store->local);
    bl_commit_free(store->commit);
    bl_free(store->queue);
    bl_free(store);
}

static void name_slots(struct bl_store *store)
{
    for (unsigned i = 0; i < BL_COUNT(store->slot); i++) {
        store->slot[i].store = store;
        store->slot[i].index = i;
        store->slot[i].pos = i == 0 ? bl_redis_key_node(&store->keys, "pos")
                                    : bl_redis_key_partition(&store->keys, i - 1, "pos");
    }
}

enum bl_code bl_store_open(struct bl_store **out, uv_loop_t *loop,
                           const struct bl_store_options *options,
                           const struct bl_store_events *events, void *arg, bl_err *err)
{
    const struct bl_redis_events conn_events = {on_up, on_down};
    struct bl_store *store = bl_calloc(1, sizeof *store);
    struct bl_redis_options conn_options;
    enum bl_code rc;

    if (!store)
        return bl_fail(err, BL_NO_MEMORY, 0, "no memory for the store");
    store->loop = loop;
    store->options = *options;
    store->events = *events;
    store->arg = arg;
    store->first = 1;
    store->hold_next_ms = RETRY_MIN_MS;
    store->random = uv_hrtime();
    set_defaults(&store->options);
    snprintf(store->instance, sizeof store->instance, "%s", options->instance);
    if (!bl_redis_keys_init(&store->keys,
                            options->prefix ? options->prefix : "bl:", options->node)) {
        free_store(store);
        return bl_fail(err, BL_CONFIG, 0,
                       "node name or key prefix cannot be part of a Redis key: "
                       "printable, no blanks, no '{', '}', '|', 1 to %d bytes",
                       BL_REDIS_NODE_MAX);
    }
    if (store->options.partitions > BL_PARTITIONS_MAX) {
        free_store(store);
        return bl_fail(err, BL_CONFIG, 0, "at most %d partitions", BL_PARTITIONS_MAX);
    }
    name_slots(store);
    store->commit = bl_commit_new(options->rules, store);
    if (!store->commit) {
        free_store(store);
        return bl_fail(err, BL_NO_MEMORY, 0, "no memory for the store");
    }
    if (options->limits)
        store->commit->limits = *options->limits;
    conn_options = (struct bl_redis_options){.url = options->url,
                                             .connect_ms = options->connect_ms,
                                             .command_ms = options->command_ms,
                                             .denied_ms = store->options.denied_ms,
                                             .retry_max_ms = store->options.retry_max_ms,
                                             .retry = true};
    rc = bl_redis_open(&store->conn, loop, &conn_options, &conn_events, store, err);
    if (rc != BL_OK) {
        free_store(store);
        return rc;
    }
    uv_timer_init(loop, &store->tick);
    uv_timer_init(loop, &store->hold);
    store->tick.data = store->hold.data = store;
    uv_timer_start(&store->tick, on_tick, store->options.tick_ms, store->options.tick_ms);
    *out = store;
    return BL_OK;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct bl_store *store = handle->data;
    void (*done)(void *) = store->done;
    void *arg = store->done_arg;

    if (--store->closing_handles)
        return;
    free_store(store);
    if (done)
        done(arg);
}

static void on_conn_closed(void *arg)
{
    struct bl_store *store = arg;

    store->conn = NULL;
    store->closing_handles = 2;
    uv_close((uv_handle_t *)&store->tick, on_handle_closed);
    uv_close((uv_handle_t *)&store->hold, on_handle_closed);
}

static void close_conn(struct bl_store *store)
{
    if (store->conn_gone)
        return;
    store->conn_gone = true;
    bl_redis_close(store->conn, on_conn_closed, store);
}

static void on_released(void *arg, redisReply *reply)
{
    struct bl_store *store = arg;

    (void)reply; /* a lease that could not be given back ends by itself */
    if (--store->waiting_replies == 0)
        close_conn(store);
}

void bl_store_close(struct bl_store *store, void (*done)(void *arg), void *arg)
{
    bool claimed = store->state == BL_STORE_READY || store->state == BL_STORE_LOAD;
    size_t none = 0;

    if (store->close_asked)
        return;
    store->close_asked = true;
    store->done = done;
    store->done_arg = arg;
    store->state = BL_STORE_CLOSING;
    uv_timer_stop(&store->tick);
    uv_timer_stop(&store->hold);
    void_batches(store);
    store->waiting_replies = 1;
    for (unsigned i = 0; i <= store->keys.partitions && claimed; i++) {
        store->waiting_replies++;
        if (i == 0 ? !send_commit(&store->slot[0], true, NULL, &none, on_released, store)
                   : !bl_store_address_lease(&store->slot[i], 0, on_released, store)) {
            store->waiting_replies--;
            claimed = false;
        }
    }
    on_released(store, NULL);
}
