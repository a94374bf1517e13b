/* One partition of the address list, from batches to address.lua:
 *
 *   REST -- events are waiting --> READ   the records of every address they touch (MGET, in pieces)
 *    ^ |                            |     fold: each address's events in log order, in C
 *    | | only positions             v
 *    | +------------------------> WRITE   all changed records and the positions, in one script
 *    |                              |
 *    +------- OK -------------------+--- CONFLICT: somebody wrote in between: READ again
 *
 * All batches that wait are taken together.  When still others wait as a write begins, their
 * records are asked for just before it, and folded while Redis is at work on it:
 *
 *   Redis    MGET 1 | MGET 2 | write 1 ........ | MGET 3 | write 2 ........ | MGET 4 | write 3 ...
 *   here            | fold 1 |       | fold 2 |                 | fold 3 |
 *
 * What 2 reads is older than what 1 writes; where both touch an address, 2 goes on with what 1 made
 * of it.
 *
 * A batch without events here moves only the position this
 * partition could be at (`target`); that is written every few seconds, with the next change, or
 * when a snapshot of the join was taken behind it. */
#include "store_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "address_change.h"
#include "bounceline/alloc.h"
#include "scripts.h"

enum {
    CHUNK = 256,     /* records per MGET */
    FEED_PAGE = 1000 /* entries per XRANGE */
};

#define FEED_COUNT "1000"

static const uint32_t NONE = UINT32_MAX;

/* An address, and its events as a chain in log order. */
struct touched {
    bl_slice address;
    uint64_t hash;
    uint32_t first, last;
    bool changed;
    struct bl_address_text_at text; /* what it was changed to */
};

struct link {
    const bl_address_event *event;
    uint32_t next;
};

/* Some batches, from reading to writing. */
struct job {
    struct bl_slot *slot;
    uint64_t last; /* the last batch in it */
    bool must_write;
    struct touched *touched;
    struct link *links;
    uint32_t *table;
    size_t links_cap, links_n, touched_n, table_size;
    size_t read; /* records */
    int64_t now_ms;
    uint64_t seen; /* `changes` before the records were read */
    struct bl_address_changes changes;
};

struct bl_store_work {
    /* ahead: read while `now` is being written; NULL: nothing is */
    struct job job[2], *now, *ahead;
    struct bl_pack ranges;
    bl_redis_key keys[CHUNK];
};

static void read_records(struct job *job);

void bl_store_address_drop(struct bl_slot *slot)
{
    struct bl_store_work *work = slot->work;

    slot->state = BL_PARTITION_REST;
    slot->work = NULL;
    for (size_t i = 0; work && i < BL_COUNT(work->job); i++) {
        bl_address_changes_release(&work->job[i].changes);
        bl_free(work->job[i].touched);
        bl_free(work->job[i].links);
        bl_free(work->job[i].table);
    }
    if (work)
        bl_pack_release(&work->ranges);
    bl_free(work);
}

static void no_memory(struct bl_slot *slot)
{
    bl_store_trouble(slot->store, BL_RESP_HOLD, "memory", "no memory for address records");
}

static bool have_work(struct bl_slot *slot)
{
    if (slot->work)
        return true;
    slot->work = bl_calloc(1, sizeof *slot->work);
    if (!slot->work) {
        no_memory(slot);
        return false;
    }
    slot->work->job[0].slot = slot->work->job[1].slot = slot;
    slot->work->now = &slot->work->job[0];
    return true;
}

/* ---- gathering ---- */

static bool make_room(struct job *job, size_t events)
{
    job->links_n = job->touched_n = 0;
    if (events == 0)
        return true;
    job->table_size = 64;
    while (job->table_size < 2 * events)
        job->table_size *= 2;
    if (job->links_cap < events) {
        bl_free(job->links);
        bl_free(job->touched);
        bl_free(job->table);
        job->links = bl_malloc(events * sizeof *job->links);
        job->touched = bl_malloc(events * sizeof *job->touched);
        job->table = bl_malloc(job->table_size * sizeof *job->table);
        job->links_cap = job->links && job->touched && job->table ? events : 0;
    }
    if (job->links_cap < events)
        return false;
    memset(job->table, 0xff, job->table_size * sizeof *job->table);
    return true;
}

/* The place of an address in the table: its own, or the free one where it belongs. */
static uint32_t *place_of(const struct job *job, uint64_t hash, bl_slice address)
{
    size_t at = hash & (job->table_size - 1);

    for (; job->table[at] != NONE; at = (at + 1) & (job->table_size - 1)) {
        const struct touched *t = &job->touched[job->table[at]];

        if (t->hash == hash && bl_slice_eq(t->address, address))
            break;
    }
    return &job->table[at];
}

static struct touched *find_touched(struct job *job, const bl_address_event *event)
{
    uint32_t *place = place_of(job, event->hash, event->address);

    if (*place == NONE) {
        *place = (uint32_t)job->touched_n++;
        job->touched[*place] = (struct touched){
            .address = event->address, .hash = event->hash, .first = NONE, .last = NONE};
    }
    return &job->touched[*place];
}

static void add_event(struct job *job, const bl_address_event *event)
{
    struct touched *t = find_touched(job, event);
    uint32_t link = (uint32_t)job->links_n++;

    job->links[link] = (struct link){event, NONE};
    if (t->first == NONE)
        t->first = link;
    else
        job->links[t->last].next = link;
    t->last = link;
}

static bool aim(struct bl_slot *slot, const struct bl_batch *batch)
{
    for (size_t i = 0; i < batch->ranges; i++) {
        const bl_position *end = &batch->range[i].end;

        if (!bl_positions_behind(&slot->target, end))
            continue;
        if (!bl_store_put(slot->store, &slot->target, end))
            return false;
        slot->lagging = true;
    }
    return true;
}

/* Takes the batches behind `from`, as far as they have events; false when there are none or no
 * memory. */
static bool gather(struct job *job, uint64_t from)
{
    const struct bl_store *store = job->slot->store;
    unsigned partition = job->slot->index - 1;
    uint64_t last = bl_store_last(store), end = from;
    size_t events = 0;

    while (end < last && (events == 0 || events < store->options.address_events))
        events += bl_store_batch(store, ++end)->events[partition].n;
    job->last = end;
    job->must_write = false;
    if (!make_room(job, events)) {
        no_memory(job->slot);
        return false;
    }
    for (uint64_t i = from + 1; i <= end; i++) {
        const struct bl_batch *batch = bl_store_batch(store, i);

        for (size_t j = 0; j < batch->events[partition].n; j++)
            add_event(job, &batch->events[partition].v[j]);
        job->must_write |= batch->snapshot != NULL;
    }
    return events > 0 || job->must_write;
}

/* ---- writing ---- */

static bl_slice empty_list(void)
{
    static const char none[] = {(char)0x90};

    return (bl_slice){none, sizeof none};
}

/* `changes` NULL: none. */
static bool send_script(struct bl_slot *slot, uint64_t lease_ms, bl_slice ranges, uint64_t seen,
                        const struct bl_address_changes *changes, bl_redis_reply_fn *fn, void *arg)
{
    enum { FIXED = 11 };
    struct bl_store *store = slot->store;
    char lease[24], count[24];

    snprintf(count, sizeof count, "%" PRIu64, seen);
    snprintf(lease, sizeof lease, "%" PRIu64, lease_ms);
    bl_slice argv[FIXED + BL_ADDRESS_LISTS] = {
        BL_SLICE("EVAL"),
        bl_script_address,
        BL_SLICE("1"),
        bl_redis_key_slice(&slot->pos),
        bl_store_text(store->keys.node),
        bl_store_text(slot->epoch),
        bl_store_text(store->dataset),
        bl_store_text(lease),
        store->options.no_fence || store->options.no_slot_positions ? BL_SLICE("0") : BL_SLICE("1"),
        ranges,
        bl_store_text(count)};

    for (size_t i = 0; i < BL_ADDRESS_LISTS; i++)
        argv[FIXED + i] = empty_list();
    if (changes)
        bl_address_changes_arguments(changes, argv + FIXED);
    slot->leased_ms = uv_now(store->loop);
    return bl_store_send(store, argv, BL_COUNT(argv), fn, arg);
}

bool bl_store_address_lease(struct bl_slot *slot, uint64_t lease_ms, bl_redis_reply_fn *fn,
                            void *arg)
{
    return send_script(slot, lease_ms, empty_list(), 0, NULL, fn, arg);
}

static void rest(struct bl_slot *slot)
{
    struct bl_store *store = slot->store;

    slot->state = BL_PARTITION_REST;
    if (store->state != BL_STORE_READY)
        return;
    if (slot->move_now && slot->lagging) {
        slot->move_now = false;
        bl_store_address_move(slot);
        return;
    }
    slot->move_now = false;
    bl_store_address_advance(slot);
    bl_store_settle_batches(store);
    bl_store_count(store);
}

/* Our own entries need not be read back, as long as no other host's stand between them. */
static void skip_own_entries(struct bl_slot *slot, const redisReply *reply)
{
    if (reply->elements >= 3 &&
        bl_slice_eq(bl_store_slice(reply->element[1]), bl_store_text(slot->feed_last)))
        bl_resp_plain(bl_store_slice(reply->element[2]), slot->feed_last, sizeof slot->feed_last);
}

static void write_job(struct job *job);

/* The slot has all of the job.  What was read ahead is written first of all: Redis is not to wait
 * for us. */
static void finish(struct job *job)
{
    struct bl_slot *slot = job->slot;
    struct bl_store *store = slot->store;
    struct bl_store_work *work = slot->work;

    if (job->last > slot->have)
        slot->have = job->last;
    if (!work->ahead) {
        rest(slot);
        return;
    }
    work->ahead->seen += bl_address_changes_raise(&job->changes);
    work->now = work->ahead;
    work->ahead = NULL;
    write_job(work->now);
    if (store->state != BL_STORE_READY)
        return;
    bl_store_settle_batches(store);
    bl_store_count(store);
}

static void on_written(void *arg, redisReply *reply)
{
    struct job *job = arg;
    struct bl_slot *slot;
    struct bl_store *store;

    if (!reply)
        return; /* the job may be gone, and on_down knows */
    slot = job->slot;
    store = slot->store;
    if (!bl_store_is_array(store, reply, 1, slot->pos.text) || bl_store_fenced(slot, reply))
        return;
    if (bl_slice_eq(bl_store_slice(reply->element[0]), BL_SLICE("CONFLICT"))) {
        store->stats.conflicts++;
        slot->work->ahead = NULL; /* it went on with what was not written */
        read_records(job);
        return;
    }
    if (bl_positions_copy(&slot->stored, &slot->target) != BL_OK) {
        no_memory(slot);
        return;
    }
    slot->lagging = false;
    store->stats.addresses_written += job->changes.rows;
    skip_own_entries(slot, reply);
    if (job->changes.rows)
        bl_store_landed(store);
    finish(job);
}

static void pack_ranges(struct bl_slot *slot)
{
    struct bl_pack *ranges = &slot->work->ranges;
    size_t list, n = 0;

    bl_pack_clear(ranges);
    list = bl_pack_array_begin(ranges);
    for (size_t i = 0; i < slot->target.n; i++) {
        const bl_position *to = &slot->target.v[i];
        /* the target only grows */
        const bl_position *has = i < slot->stored.n ? &slot->stored.v[i] : NULL;

        if (has && has->generation != to->generation)
            has = bl_positions_find(&slot->stored, to->generation);
        if (!bl_position_moves(has, to))
            continue;
        bl_commit_range(ranges, has ? has->offset : 0, to);
        n++;
    }
    bl_pack_array_end(ranges, list, n);
}

/* Asks for the records of what waits behind the job, before the job is written. */
static void read_ahead(struct job *job)
{
    struct bl_store_work *work = job->slot->work;
    struct job *next = job == &work->job[0] ? &work->job[1] : &work->job[0];

    if (job->last >= bl_store_last(job->slot->store) || !gather(next, job->last))
        return;
    work->ahead = next;
    read_records(next);
}

static bool aim_at(struct job *job)
{
    for (uint64_t i = job->slot->have + 1; i <= job->last; i++)
        if (!aim(job->slot, bl_store_batch(job->slot->store, i)))
            return false;
    return true;
}

/* When nothing changed, the position follows lazily. */
static void write_job(struct job *job)
{
    struct bl_slot *slot = job->slot;
    struct bl_store *store = slot->store;
    struct bl_store_work *work = slot->work;

    if (!aim_at(job))
        return;
    if (job->changes.rows == 0 && !job->must_write) {
        finish(job);
        return;
    }
    pack_ranges(slot);
    if (work->ranges.failed) {
        no_memory(slot);
        return;
    }
    slot->state = BL_PARTITION_WRITE;
    read_ahead(job);
    if (slot->work == work && store->state == BL_STORE_READY)
        send_script(slot, store->options.lease_ms, bl_pack_slice(&work->ranges), job->seen,
                    &job->changes, on_written, job);
}

void bl_store_address_move(struct bl_slot *slot)
{
    struct job *job;

    if (slot->state != BL_PARTITION_REST) {
        slot->move_now = true;
        return;
    }
    if (!have_work(slot))
        return;
    job = slot->work->now;
    job->last = slot->have;
    job->touched_n = 0;
    job->must_write = true;
    bl_address_changes_begin(&job->changes);
    if (bl_address_changes_end(&job->changes))
        write_job(job);
    else
        no_memory(slot);
}

/* ---- reading and folding ---- */

/* What Redis gave for the record, or what the job before is just making of it. */
static bl_slice newest_text(const struct job *job, const struct touched *t, bl_slice read)
{
    const struct bl_store_work *work = job->slot->work;
    uint32_t before = NONE;

    if (job == work->ahead && work->now->touched_n)
        before = *place_of(work->now, t->hash, t->address);
    if (before == NONE || !work->now->touched[before].changed)
        return read;
    return bl_address_text_slice(work->now->touched[before].text);
}

static bool say_no_record(struct bl_store *store, bl_slice address, const char *why)
{
    bl_redis_key key = bl_redis_key_address(&store->keys, 'a', address);
    char plain[200], say[480];

    bl_resp_plain(bl_redis_key_slice(&key), plain, sizeof plain);
    snprintf(say, sizeof say, "%s holds something that is no record: %.200s", plain, why);
    bl_store_trouble(store, BL_RESP_WRONG, "record", say);
    return false;
}

/* All events of one address, applied to its record. */
static bool fold(struct job *job, struct touched *t, bl_slice text)
{
    struct bl_store *store = job->slot->store;
    const struct bl_suppress_policy *policy = &store->options.policy;
    struct bl_address_record record;
    enum bl_change change = BL_CHANGE_NONE;
    bl_err err = {0};

    if (bl_address_change_read(newest_text(job, t, text), &record, &err) != BL_OK)
        return say_no_record(store, t->address, err.text);
    for (uint32_t i = t->first; i != NONE; i = job->links[i].next) {
        enum bl_change c = bl_suppress_apply(&record, job->links[i].event, policy, job->now_ms);

        if (c != BL_CHANGE_NONE && (c != BL_CHANGE_NOTED || change == BL_CHANGE_NONE))
            change = c; /* the last one that moved the verdict, if any did */
    }
    t->changed = change != BL_CHANGE_NONE;
    if (t->changed)
        t->text = bl_address_changes_add(&job->changes, &store->keys, t->address, &record, change,
                                         policy, job->now_ms);
    return true;
}

static void end_reading(struct job *job)
{
    if (!bl_address_changes_end(&job->changes))
        no_memory(job->slot);
    else if (job == job->slot->work->now) /* else its turn comes when that one is written */
        write_job(job);
}

static void on_records(void *arg, redisReply *reply)
{
    struct job *job = arg;

    if (!reply || !bl_store_is_array(job->slot->store, reply, 1, job->slot->pos.text))
        return;
    for (size_t i = 0; i < reply->elements && job->read < job->touched_n; i++, job->read++)
        if (!fold(job, &job->touched[job->read], bl_store_slice(reply->element[i])))
            return;
    if (job->read == job->touched_n)
        end_reading(job);
}

/* The number of changes comes before the records: whatever is changed later is then seen to be. */
static void on_changes(void *arg, redisReply *reply)
{
    struct job *job = arg;
    bl_slice count;

    if (!reply)
        return;
    count = bl_store_slice(reply);
    if (reply->type != REDIS_REPLY_STRING || !bl_slice_take_u64(&count, &job->seen))
        job->seen = 0;
}

static bool ask_changes(struct job *job)
{
    const bl_slice argv[] = {BL_SLICE("HGET"), bl_redis_key_slice(&job->slot->pos),
                             BL_SLICE("changes")};

    return bl_store_send(job->slot->store, argv, BL_COUNT(argv), on_changes, job);
}

/* MGET of the records from `at` on; how many, or 0 when the connection is gone. */
static size_t ask_records(struct job *job, size_t at)
{
    struct bl_store *store = job->slot->store;
    bl_redis_key *keys = job->slot->work->keys;
    bl_slice argv[1 + CHUNK] = {BL_SLICE("MGET")};
    size_t n = job->touched_n - at < CHUNK ? job->touched_n - at : CHUNK;

    for (size_t i = 0; i < n; i++) {
        keys[i] = bl_redis_key_address(&store->keys, 'a', job->touched[at + i].address);
        argv[1 + i] = bl_redis_key_slice(&keys[i]);
    }
    return bl_store_send(store, argv, 1 + n, on_records, job) ? n : 0;
}

static void read_records(struct job *job)
{
    struct bl_slot *slot = job->slot;
    struct bl_store_work *work = slot->work;

    if (job == work->now)
        slot->state = BL_PARTITION_READ;
    job->now_ms = bl_store_wall_ms();
    job->read = 0;
    bl_address_changes_begin(&job->changes);
    if (job->touched_n && !ask_changes(job))
        return;
    for (size_t at = 0, n; slot->work == work && at < job->touched_n; at += n) {
        n = ask_records(job, at);
        if (n == 0)
            return;
    }
    if (slot->work == work && job->touched_n == 0)
        end_reading(job);
}

void bl_store_address_advance(struct bl_slot *slot)
{
    struct bl_store *store = slot->store;

    while (slot->state == BL_PARTITION_REST && store->state == BL_STORE_READY && store->queue_n &&
           slot->have < bl_store_last(store)) {
        const struct bl_batch *batch = bl_store_batch(store, slot->have + 1);

        if (batch->events[slot->index - 1].n || batch->snapshot) {
            if (have_work(slot) && gather(slot->work->now, slot->have))
                read_records(slot->work->now);
            return;
        }
        if (!aim(slot, batch))
            return;
        slot->have++;
    }
}

/* ---- what others wrote ---- */

struct entry_id {
    uint64_t ms, n;
};

static struct entry_id read_id(bl_slice text)
{
    struct entry_id id = {0, 0};

    if (bl_slice_take_u64(&text, &id.ms) && bl_slice_take(&text, BL_SLICE("-")))
        bl_slice_take_u64(&text, &id.n);
    return id;
}

static bool is_later(bl_slice a, bl_slice b)
{
    struct entry_id x = read_id(a), y = read_id(b);

    return x.ms != y.ms ? x.ms > y.ms : x.n > y.n;
}

static bool is_start(const char *id)
{
    return strcmp(id, "0-0") == 0;
}

static const redisReply *entry_address(const redisReply *entry)
{
    const redisReply *fields = entry->element[1];

    for (size_t i = 0; fields->type == REDIS_REPLY_ARRAY && i + 1 < fields->elements; i += 2)
        if (bl_slice_eq(bl_store_slice(fields->element[i]), BL_SLICE("a")))
            return fields->element[i + 1];
    return NULL;
}

static bool add_hash(struct bl_address_hashes *more, size_t cap, bl_slice address)
{
    if (more->n == cap)
        return false;
    more->v[more->n++] = bl_address_hash(address);
    return true;
}

static void take_entries(struct bl_slot *slot, const redisReply *reply)
{
    struct bl_store *store = slot->store;
    struct bl_address_hashes *more = bl_store_new_hashes(false);

    if (more)
        more->v = bl_malloc(reply->elements * sizeof *more->v);
    if (!more || !more->v) {
        bl_address_hashes_free(more);
        no_memory(slot);
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *entry = reply->element[i], *address;

        if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
            !is_later(bl_store_slice(entry->element[0]), bl_store_text(slot->feed_last)))
            continue;
        bl_resp_plain(bl_store_slice(entry->element[0]), slot->feed_last, sizeof slot->feed_last);
        address = entry_address(entry);
        if (address)
            add_hash(more, reply->elements, bl_store_slice(address));
    }
    if (more->n && store->events.addresses)
        store->events.addresses(store->arg, more);
    else
        bl_address_hashes_free(more);
}

/* The entry we asked from must still be there, else some behind it may be gone, too. */
static bool was_cut(struct bl_slot *slot, const redisReply *reply)
{
    const redisReply *first;

    if (is_start(slot->feed_asked)) /* there was none */
        return reply->elements >= FEED_PAGE;
    if (reply->elements == 0)
        return true;
    first = reply->element[0];
    return first->type != REDIS_REPLY_ARRAY || first->elements != 2 ||
           !bl_slice_eq(bl_store_slice(first->element[0]), bl_store_text(slot->feed_asked));
}

static void on_entries(void *arg, redisReply *reply)
{
    struct bl_slot *slot = arg;
    struct bl_store *store = slot->store;
    bool full;

    slot->feed_busy = false;
    if (!bl_store_is_array(store, reply, 0, slot->pos.text) || store->state != BL_STORE_READY)
        return;
    full = reply->elements >= FEED_PAGE;
    if (was_cut(slot, reply)) {
        bl_store_load_again(store);
        return;
    }
    if (reply->elements)
        take_entries(slot, reply);
    if (full && store->state == BL_STORE_READY)
        bl_store_address_follow(slot);
}

void bl_store_address_follow(struct bl_slot *slot)
{
    struct bl_store *store = slot->store;
    bl_redis_key feed = bl_redis_key_partition(&store->keys, slot->index - 1, "f");

    if (slot->feed_busy || store->known)
        return;
    slot->feed_busy = true;
    memcpy(slot->feed_asked, slot->feed_last, sizeof slot->feed_asked);
    const bl_slice argv[] = {BL_SLICE("XRANGE"),
                             bl_redis_key_slice(&feed),
                             is_start(slot->feed_asked) ? BL_SLICE("-")
                                                        : bl_store_text(slot->feed_asked),
                             BL_SLICE("+"),
                             BL_SLICE("COUNT"),
                             BL_SLICE(FEED_COUNT)};

    bl_store_send(store, argv, BL_COUNT(argv), on_entries, slot);
}
