/* One partition of the address list, from batches to address.lua:
 *
 *   REST -- events are waiting --> READ   the records of every address they touch (MGET, in pieces)
 *    ^ |                            |     fold: each address's events in log order, in C
 *    | | only positions             v
 *    | +------------------------> WRITE   all changed records and the positions, in one script
 *    |                              |
 *    +------- OK -------------------+--- CONFLICT: somebody wrote in between: READ again
 *
 * All batches that wait are taken together.  A batch without events here moves only the position this
 * partition could be at (`target`); that is written every few seconds, with the next change, or when a
 * snapshot of the join was taken behind it. */
#include "store_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "address_change.h"
#include "bounceline/alloc.h"
#include "scripts.h"

enum {
    CHUNK = 256,         /* records per MGET */
    EVENTS_MAX = 8192,   /* batches are added until there are this many */
    FEED_LENGTH = 100000 /* as in address.lua */
};

#define FEED_COUNT "1000"

static const uint32_t NONE = UINT32_MAX;

/* An address, and its events as a chain in log order. */
struct touched {
    bl_slice address;
    uint64_t hash;
    uint32_t first, last;
};

struct link {
    const bl_address_event *event;
    uint32_t next;
};

struct bl_store_work {
    uint64_t last; /* the last batch in it */
    bool     must_write;
    struct touched *touched;
    struct link *links;
    uint32_t *table;
    size_t   links_cap, links_n, touched_n, table_size;
    size_t   asked, read; /* records */
    int64_t  now_ms;
    char     seen[24]; /* `changes` before the records were read */
    struct bl_pack ranges;
    struct bl_address_changes changes;
    bl_redis_key keys[CHUNK];
};

static void start_work(struct bl_slot *slot);
static void read_records(struct bl_slot *slot);

void bl_store_address_drop(struct bl_slot *slot)
{
    struct bl_store_work *work = slot->work;

    slot->state = BL_PARTITION_REST;
    slot->work = NULL;
    if (!work)
        return;
    bl_pack_release(&work->ranges);
    bl_address_changes_release(&work->changes);
    bl_free(work->touched);
    bl_free(work->links);
    bl_free(work->table);
    bl_free(work);
}

static void no_memory(struct bl_slot *slot)
{
    bl_store_trouble(slot->store, BL_RESP_HOLD, "memory", "no memory for address records");
}

static bool have_work(struct bl_slot *slot)
{
    if (!slot->work)
        slot->work = bl_calloc(1, sizeof *slot->work);
    if (!slot->work)
        no_memory(slot);
    return slot->work != NULL;
}

/* ---- gathering ---- */

static bool make_room(struct bl_store_work *work, size_t events)
{
    work->links_n = work->touched_n = 0;
    if (events == 0)
        return true;
    work->table_size = 64;
    while (work->table_size < 2 * events)
        work->table_size *= 2;
    if (work->links_cap < events) {
        bl_free(work->links);
        bl_free(work->touched);
        bl_free(work->table);
        work->links = bl_malloc(events * sizeof *work->links);
        work->touched = bl_malloc(events * sizeof *work->touched);
        work->table = bl_malloc(work->table_size * sizeof *work->table);
        work->links_cap = work->links && work->touched && work->table ? events : 0;
    }
    if (work->links_cap < events)
        return false;
    memset(work->table, 0xff, work->table_size * sizeof *work->table);
    return true;
}

static struct touched *find_touched(struct bl_store_work *work, const bl_address_event *event)
{
    size_t at = event->hash & (work->table_size - 1);

    for (; work->table[at] != NONE; at = (at + 1) & (work->table_size - 1)) {
        struct touched *t = &work->touched[work->table[at]];

        if (t->hash == event->hash && bl_slice_eq(t->address, event->address))
            return t;
    }
    work->table[at] = (uint32_t)work->touched_n;
    work->touched[work->touched_n] =
        (struct touched){.address = event->address, .hash = event->hash, .first = NONE, .last = NONE};
    return &work->touched[work->touched_n++];
}

static void add_event(struct bl_store_work *work, const bl_address_event *event)
{
    struct touched *t = find_touched(work, event);
    uint32_t link = (uint32_t)work->links_n++;

    work->links[link] = (struct link){event, NONE};
    if (t->first == NONE)
        t->first = link;
    else
        work->links[t->last].next = link;
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

/* ---- writing ---- */

static bl_slice empty_list(void)
{
    static const char none[] = {(char)0x90};

    return (bl_slice){none, sizeof none};
}

/* `changes` NULL: none. */
static bool send_script(struct bl_slot *slot, uint64_t lease_ms, bl_slice ranges, const char *seen,
                        const struct bl_address_changes *changes, bl_redis_reply_fn *fn, void *arg)
{
    enum { FIXED = 11 };
    struct bl_store *store = slot->store;
    char lease[24];

    snprintf(lease, sizeof lease, "%" PRIu64, lease_ms);
    bl_slice argv[FIXED + BL_ADDRESS_LISTS] = {
        BL_SLICE("EVAL"), bl_script_address, BL_SLICE("1"), bl_redis_key_slice(&slot->pos),
        bl_store_text(store->keys.node), bl_store_text(slot->epoch), bl_store_text(store->dataset),
        bl_store_text(lease),
        store->options.no_fence || store->options.no_slot_positions ? BL_SLICE("0") : BL_SLICE("1"), ranges,
        bl_store_text(seen)};

    for (size_t i = 0; i < BL_ADDRESS_LISTS; i++)
        argv[FIXED + i] = empty_list();
    if (changes)
        bl_address_changes_arguments(changes, argv + FIXED);
    slot->leased_ms = uv_now(store->loop);
    return bl_store_send(store, argv, BL_COUNT(argv), fn, arg);
}

bool bl_store_release_lease(struct bl_slot *slot, bl_redis_reply_fn *fn, void *arg)
{
    return send_script(slot, 0, empty_list(), "", NULL, fn, arg);
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
    if (reply->elements >= 3 && bl_slice_eq(bl_store_slice(reply->element[1]), bl_store_text(slot->feed_last)))
        bl_resp_plain(bl_store_slice(reply->element[2]), slot->feed_last, sizeof slot->feed_last);
}

static void on_written(void *arg, redisReply *reply)
{
    struct bl_slot *slot = arg;
    struct bl_store *store = slot->store;
    struct bl_store_work *work = slot->work;

    if (!bl_store_is_array(store, reply, 1, slot->pos.text) || bl_store_fenced(slot, reply))
        return;
    if (bl_slice_eq(bl_store_slice(reply->element[0]), BL_SLICE("CONFLICT"))) {
        store->stats.conflicts++;
        read_records(slot);
        return;
    }
    if (bl_positions_copy(&slot->stored, &slot->target) != BL_OK) {
        no_memory(slot);
        return;
    }
    slot->lagging = false;
    if (work->last > slot->have)
        slot->have = work->last;
    store->stats.addresses_written += work->changes.rows;
    skip_own_entries(slot, reply);
    if (work->changes.rows)
        bl_store_landed(store);
    rest(slot);
}

static void pack_ranges(struct bl_slot *slot)
{
    struct bl_pack *ranges = &slot->work->ranges;
    size_t list, n = 0;

    bl_pack_clear(ranges);
    list = bl_pack_array_begin(ranges);
    for (size_t i = 0; i < slot->target.n; i++) {
        const bl_position *to = &slot->target.v[i];
        const bl_position *has = i < slot->stored.n ? &slot->stored.v[i] : NULL; /* the target only grows */

        if (has && has->generation != to->generation)
            has = bl_positions_find(&slot->stored, to->generation);
        if (!bl_position_moves(has, to))
            continue;
        bl_commit_range(ranges, has ? has->offset : 0, to);
        n++;
    }
    bl_pack_array_end(ranges, list, n);
}

static void write_records(struct bl_slot *slot)
{
    struct bl_store_work *work = slot->work;

    pack_ranges(slot);
    if (!bl_address_changes_end(&work->changes) || work->ranges.failed) {
        no_memory(slot);
        return;
    }
    slot->state = BL_PARTITION_WRITE;
    send_script(slot, slot->store->options.lease_ms, bl_pack_slice(&work->ranges), work->seen, &work->changes,
                on_written, slot);
}

void bl_store_address_move(struct bl_slot *slot)
{
    if (slot->state != BL_PARTITION_REST) {
        slot->move_now = true;
        return;
    }
    if (!have_work(slot))
        return;
    slot->work->last = slot->have;
    slot->work->touched_n = 0;
    bl_address_changes_begin(&slot->work->changes);
    write_records(slot);
}

/* ---- reading and folding ---- */

/* All events of one address, applied to its record. */
static bool fold(struct bl_slot *slot, const struct touched *t, bl_slice text)
{
    struct bl_store *store = slot->store;
    struct bl_store_work *work = slot->work;
    struct bl_address_record record;
    enum bl_change change = BL_CHANGE_NONE;
    bl_err err = {0};

    if (bl_address_change_read(text, &record, &err) != BL_OK) {
        bl_redis_key key = bl_redis_key_address(&store->keys, 'a', t->address);
        char plain[200], say[480];

        bl_resp_plain(bl_redis_key_slice(&key), plain, sizeof plain);
        snprintf(say, sizeof say, "%s holds something that is no record: %.200s", plain, err.text);
        bl_store_trouble(store, BL_RESP_WRONG, "record", say);
        return false;
    }
    for (uint32_t i = t->first; i != NONE; i = work->links[i].next) {
        enum bl_change c = bl_suppress_apply(&record, work->links[i].event, &store->options.policy, work->now_ms);

        if (c != BL_CHANGE_NONE && (c != BL_CHANGE_NOTED || change == BL_CHANGE_NONE))
            change = c; /* the last one that moved the verdict, if any did */
    }
    if (change != BL_CHANGE_NONE)
        bl_address_changes_add(&work->changes, &store->keys, t->address, &record, change, &store->options.policy,
                               work->now_ms);
    return true;
}

static void on_records(void *arg, redisReply *reply)
{
    struct bl_slot *slot = arg;
    struct bl_store *store = slot->store;
    struct bl_store_work *work = slot->work;
    size_t n;

    if (!bl_store_is_array(store, reply, 1, slot->pos.text))
        return;
    n = reply->elements;
    for (size_t i = 0; i < n && work->read < work->touched_n; i++)
        if (!fold(slot, &work->touched[work->read++], bl_store_slice(reply->element[i])))
            return;
    if (work->read < work->touched_n)
        return;
    if (work->changes.rows || work->must_write) {
        write_records(slot);
    } else { /* nothing changed: the position follows lazily */
        slot->have = work->last;
        rest(slot);
    }
}

/* The number of changes comes before the records: whatever is changed later is then seen to be. */
static void on_changes(void *arg, redisReply *reply)
{
    struct bl_slot *slot = arg;

    if (!reply || !slot->work)
        return;
    if (reply->type == REDIS_REPLY_STRING)
        bl_resp_plain(bl_store_slice(reply), slot->work->seen, sizeof slot->work->seen);
    else
        memcpy(slot->work->seen, "0", sizeof "0");
}

static bool ask_changes(struct bl_slot *slot)
{
    const bl_slice argv[] = {BL_SLICE("HGET"), bl_redis_key_slice(&slot->pos), BL_SLICE("changes")};

    return bl_store_send(slot->store, argv, BL_COUNT(argv), on_changes, slot);
}

static void read_records(struct bl_slot *slot)
{
    struct bl_store *store = slot->store;
    struct bl_store_work *work = slot->work;

    slot->state = BL_PARTITION_READ;
    work->now_ms = bl_store_wall_ms();
    work->read = 0;
    bl_address_changes_begin(&work->changes);
    if (work->touched_n && (!ask_changes(slot) || slot->work != work))
        return;
    for (size_t at = 0, n; at < work->touched_n; at += n) {
        bl_slice argv[1 + CHUNK] = {BL_SLICE("MGET")};

        n = work->touched_n - at < CHUNK ? work->touched_n - at : CHUNK;
        for (size_t i = 0; i < n; i++) {
            work->keys[i] = bl_redis_key_address(&store->keys, 'a', work->touched[at + i].address);
            argv[1 + i] = bl_redis_key_slice(&work->keys[i]);
        }
        if (!bl_store_send(store, argv, 1 + n, on_records, slot) || slot->work != work)
            return;
    }
    if (work->touched_n == 0)
        write_records(slot);
}

static void start_work(struct bl_slot *slot)
{
    struct bl_store *store = slot->store;
    unsigned partition = slot->index - 1;
    struct bl_store_work *work;
    uint64_t last = bl_store_last(store), end = slot->have;
    size_t events = 0;

    if (!have_work(slot))
        return;
    work = slot->work;
    while (end < last && (events == 0 || events < EVENTS_MAX))
        events += bl_store_batch(store, ++end)->events[partition].n;
    work->last = end;
    work->must_write = false;
    if (!make_room(work, events)) {
        no_memory(slot);
        return;
    }
    for (uint64_t i = slot->have + 1; i <= end; i++) {
        const struct bl_batch *batch = bl_store_batch(store, i);

        for (size_t j = 0; j < batch->events[partition].n; j++)
            add_event(work, &batch->events[partition].v[j]);
        work->must_write |= batch->snapshot != NULL;
        if (!aim(slot, batch))
            return;
    }
    read_records(slot);
}

void bl_store_address_advance(struct bl_slot *slot)
{
    struct bl_store *store = slot->store;

    while (slot->state == BL_PARTITION_REST && store->state == BL_STORE_READY && store->queue_n &&
           slot->have < bl_store_last(store)) {
        const struct bl_batch *batch = bl_store_batch(store, slot->have + 1);

        if (batch->events[slot->index - 1].n || batch->snapshot) {
            start_work(slot);
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

    if (is_start(slot->feed_asked)) {
        slot->feed_from_start += reply->elements;
        return slot->feed_from_start >= FEED_LENGTH;
    }
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
    full = reply->elements >= strtoull(FEED_COUNT, NULL, 10);
    if (was_cut(slot, reply)) {
        slot->feed_from_start = 0;
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
    const bl_slice argv[] = {BL_SLICE("XRANGE"), bl_redis_key_slice(&feed),
                             is_start(slot->feed_asked) ? BL_SLICE("-") : bl_store_text(slot->feed_asked),
                             BL_SLICE("+"), BL_SLICE("COUNT"), BL_SLICE(FEED_COUNT)};

    bl_store_send(store, argv, BL_COUNT(argv), on_entries, slot);
}
