/* From a fresh connection to `ready`:
 *
 *   META   may Redis throw our keys away?  whose data is it?  (bl:meta; the first one to come makes
 *          it)
 *   CLAIM  claim.lua for every slot: epoch, positions
 *   LOAD   the feed's last entry, then the whole index, of every partition: which addresses have a
 *          record.  In this order, so that what is written meanwhile is seen in one of the two.
 *
 * All requests of a step are sent together; the last reply begins the next step. */
#include "store_parts.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bounceline/alloc.h"
#include "commit.h"
#include "scripts.h"

enum {
    LEVEL_ERROR = 3,
    LEVEL_WARNING = 4,
    DATASET_DIGITS = 16,
    /* generations of a node: above the first, finished ones are pruned; above the second, any */
    PRUNE_ABOVE = 12000,
    PRUNE_ALL_ABOVE = BL_GENERATIONS_MAX / 2,
    PRUNE_AT_ONCE = 200
};

#define SCAN_COUNT "2000"

static void claim_all(struct bl_store *store);
static void load_all(struct bl_store *store);

static bool step_is_over(struct bl_store *store)
{
    return --store->waiting_replies == 0;
}

static bool ask(struct bl_store *store, const bl_slice *argv, size_t argc, bl_redis_reply_fn *fn,
                void *arg)
{
    store->waiting_replies++;
    return bl_store_send(store, argv, argc, fn, arg);
}

/* ---- META ---- */

static bool still(const struct bl_store *store, const redisReply *reply, enum bl_store_state state)
{
    return reply && store->state == state;
}

/* CONFIG GET maxmemory-policy maxmemory; many hosts forbid CONFIG, then nothing is said. */
static void on_policy(void *arg, redisReply *reply)
{
    struct bl_store *store = arg;

    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
        return; /* claiming may have begun meanwhile: that is no matter */
    if (store->policy_warned ||
        bl_slice_starts(bl_store_slice(reply->element[1]), BL_SLICE("noeviction")))
        return;
    store->policy_warned = true;
    bl_store_note(
        store, LEVEL_WARNING,
        "Redis may throw away counters and addresses when its memory is full: maxmemory-policy is '%.40s'; "
        "set it to noeviction",
        reply->element[1]->str ? reply->element[1]->str : "?");
}

static void on_maxmemory(void *arg, redisReply *reply)
{
    struct bl_store *store = arg;
    const bl_slice argv[] = {BL_SLICE("CONFIG"), BL_SLICE("GET"), BL_SLICE("maxmemory-policy")};

    if (!still(store, reply, BL_STORE_META) || reply->type != REDIS_REPLY_ARRAY ||
        reply->elements < 2)
        return;
    if (!bl_slice_eq(bl_store_slice(reply->element[1]), BL_SLICE("0")))
        bl_store_send(store, argv, BL_COUNT(argv), on_policy, store);
}

static bool is_dataset(bl_slice text)
{
    if (text.n != DATASET_DIGITS)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (!isxdigit((unsigned char)text.p[i]))
            return false;
    return true;
}

static void on_hint(void *arg, redisReply *reply)
{
    struct bl_store *store = arg;

    if (still(store, reply, BL_STORE_META) && reply->type == REDIS_REPLY_STRING &&
        is_dataset(bl_store_slice(reply)))
        bl_resp_plain(bl_store_slice(reply), store->hint, sizeof store->hint);
}

static void create_meta(struct bl_store *store);

static void take_meta(struct bl_store *store, const redisReply *reply)
{
    bl_slice schema = bl_store_slice(reply->element[0]),
             dataset = bl_store_slice(reply->element[1]),
             partitions = bl_store_slice(reply->element[2]);
    uint64_t n;

    if (!bl_slice_eq(schema, BL_SLICE("1"))) {
        bl_store_refuse(
            store, BL_CONFLICT,
            "the data in Redis under '%s' has schema '%.20s'; this program knows schema 1",
            store->keys.prefix, reply->element[0]->str ? reply->element[0]->str : "");
        return;
    }
    if (!is_dataset(dataset) || !bl_slice_take_u64(&partitions, &n) || partitions.n || n < 1 ||
        n > BL_PARTITIONS_MAX) {
        bl_store_refuse(store, BL_CONFLICT,
                        "%smeta in Redis is damaged: dataset or partitions cannot be read",
                        store->keys.prefix);
        return;
    }
    bl_resp_plain(dataset, store->dataset, sizeof store->dataset);
    store->keys.partitions = (unsigned)n;
    claim_all(store);
}

static void on_meta(void *arg, redisReply *reply)
{
    struct bl_store *store = arg;
    bl_redis_key meta = bl_redis_key_global(&store->keys, "meta");

    if (!bl_store_is_array(store, reply, 3, meta.text))
        return;
    if (reply->element[0]->type == REDIS_REPLY_NIL || reply->element[1]->type == REDIS_REPLY_NIL ||
        reply->element[2]->type == REDIS_REPLY_NIL)
        create_meta(store);
    else
        take_meta(store, reply);
}

static void read_meta(struct bl_store *store)
{
    bl_redis_key meta = bl_redis_key_global(&store->keys, "meta");
    const bl_slice argv[] = {BL_SLICE("HMGET"), bl_redis_key_slice(&meta), BL_SLICE("schema"),
                             BL_SLICE("dataset"), BL_SLICE("partitions")};

    bl_store_send(store, argv, BL_COUNT(argv), on_meta, store);
}

/* A write that only its error matters of. */
static void on_written(void *arg, redisReply *reply)
{
    struct bl_store *store = arg;
    bl_redis_key meta = bl_redis_key_global(&store->keys, "meta");

    if (reply && reply->type == REDIS_REPLY_ERROR)
        bl_store_is_array(store, reply, 0, meta.text);
}

static void set_once(struct bl_store *store, const char *field, const char *value)
{
    bl_redis_key meta = bl_redis_key_global(&store->keys, "meta");
    const bl_slice argv[] = {BL_SLICE("HSETNX"), bl_redis_key_slice(&meta), bl_store_text(field),
                             bl_store_text(value)};

    bl_store_send(store, argv, BL_COUNT(argv), on_written, store);
}

/* Two may do this at the same moment: each field is set once, and then read. */
static void create_meta(struct bl_store *store)
{
    char partitions[16], created[24];
    uint64_t fresh = 0;

    if (store->hint[0]) {
        bl_store_note(
            store, LEVEL_ERROR,
            "%smeta is gone from Redis while slots of dataset %s are there; it is made again",
            store->keys.prefix, store->hint);
    } else {
        uv_random(NULL, NULL, &fresh, sizeof fresh, 0, NULL);
        snprintf(store->hint, sizeof store->hint, "%016" PRIx64, fresh ? fresh : 1);
    }
    snprintf(partitions, sizeof partitions, "%u", store->options.partitions);
    snprintf(created, sizeof created, "%" PRId64, bl_store_wall_ms());
    set_once(store, "schema", "1");
    set_once(store, "dataset", store->hint);
    set_once(store, "partitions", partitions);
    set_once(store, "created_ms", created);
    read_meta(store);
}

void bl_store_begin(struct bl_store *store)
{
    const bl_slice maxmemory[] = {BL_SLICE("CONFIG"), BL_SLICE("GET"), BL_SLICE("maxmemory")};

    store->state = BL_STORE_META;
    store->hint[0] = '\0';
    if (!store->policy_warned)
        bl_store_send(store, maxmemory, BL_COUNT(maxmemory), on_maxmemory, store);
    for (unsigned i = 2; i-- > 0;) { /* the node's own slot says it last */
        const bl_slice hint[] = {BL_SLICE("HGET"), bl_redis_key_slice(&store->slot[i].pos),
                                 BL_SLICE("dataset")};

        bl_store_send(store, hint, BL_COUNT(hint), on_hint, store);
    }
    read_meta(store);
}

/* ---- CLAIM ---- */

static bool hex_u64(bl_slice text, uint64_t *out)
{
    char digits[17];
    char *end;

    if (text.n == 0 || text.n > 16)
        return false;
    memcpy(digits, text.p, text.n);
    digits[text.n] = '\0';
    *out = strtoull(digits, &end, 16);
    return *end == '\0' && isxdigit((unsigned char)digits[0]);
}

/* As many as there are, so that too many never keep us from the claim that prunes them; and without
 * a search for each, since a hash has a field once and we write generations in one way only. */
static bool take_positions(struct bl_slot *slot, const redisReply *reply)
{
    struct bl_positions *list = &slot->stored;
    size_t cap = (reply->elements - 4) / 2;

    bl_positions_release(list);
    list->v = cap ? bl_malloc(cap * sizeof *list->v) : NULL;
    list->cap = list->v ? cap : 0;
    for (size_t i = 0; i < cap; i++) {
        const redisReply *name = reply->element[4 + 2 * i], *text = reply->element[5 + 2 * i];
        uint64_t generation;

        if (!list->v || bl_store_slice(name).n != 16 ||
            !hex_u64(bl_store_slice(name), &generation) ||
            bl_position_parse(generation, bl_store_slice(text), &list->v[i]) != BL_OK)
            return false;
        list->n++;
    }
    return true;
}

static void refuse_claim(struct bl_slot *slot, const redisReply *reply)
{
    struct bl_store *store = slot->store;
    bl_slice why = bl_store_slice(reply->element[0]);
    char other[64] = "?";
    bl_slice left = {0};
    uint64_t left_ms = 0;

    if (reply->elements > 1)
        bl_resp_plain(bl_store_slice(reply->element[1]), other, sizeof other);
    if (reply->elements > 2)
        left = bl_store_slice(reply->element[2]);
    bl_slice_take_u64(&left, &left_ms);
    if (bl_slice_eq(why, BL_SLICE("HELD")))
        bl_store_refuse(
            store, BL_CONFLICT,
            "another bounceline (instance %s) writes as node '%s'; its lease runs %" PRIu64
            " s more: stop it, or give this one another --node",
            other, store->keys.node, (left_ms + 999) / 1000);
    else if (bl_slice_eq(why, BL_SLICE("DATASET")))
        bl_store_refuse(
            store, BL_CONFLICT,
            "%s belongs to dataset %s, but Redis says %s: parts of two data sets are mixed",
            slot->pos.text, other, store->dataset);
    else if (bl_slice_eq(why, BL_SLICE("GONE")))
        bl_store_refuse(
            store, BL_CONFLICT,
            "%s is gone while the counters it belongs to are there, and the state directory has no copy: "
            "going on would count every log again; delete the keys of node '%s' to start anew",
            slot->pos.text, store->keys.node);
    else
        bl_store_trouble(store, BL_RESP_WRONG, "claim", "claim.lua answers something unknown");
}

/* The node has counters, but this partition never heard of it: it was lost.  Its records went with
 * it, since they live in the same slot; so it does not get the local copy of positions, which would
 * leave its records lost, and the logs that exist are read again for it. */
static void look_for_lost_partitions(struct bl_store *store)
{
    for (unsigned i = 1; i <= store->keys.partitions; i++)
        if (store->slot[0].stored.n && !store->slot[i].known)
            bl_store_note(
                store, LEVEL_ERROR,
                "%s has no positions of node '%s', so its records are lost, too: the logs that exist are read "
                "again for it",
                store->slot[i].pos.text, store->keys.node);
}

static void on_claim(void *arg, redisReply *reply)
{
    struct bl_slot *slot = arg;
    struct bl_store *store = slot->store;
    bool adopted;

    if (!bl_store_is_array(store, reply, 1, slot->pos.text))
        return;
    if (reply->elements < 4 || !bl_slice_eq(bl_store_slice(reply->element[0]), BL_SLICE("OK"))) {
        refuse_claim(slot, reply);
        return;
    }
    bl_resp_plain(bl_store_slice(reply->element[1]), slot->epoch, sizeof slot->epoch);
    if (!take_positions(slot, reply)) {
        char text[320];

        snprintf(text, sizeof text, "%.200s holds positions that cannot be read", slot->pos.text);
        bl_store_trouble(store, BL_RESP_WRONG, "positions", text);
        return;
    }
    adopted = !bl_slice_eq(bl_store_slice(reply->element[2]), BL_SLICE("0"));
    if (adopted)
        bl_store_note(
            store, LEVEL_ERROR,
            "%s was gone; %.20s positions were taken from the copy in the state directory",
            slot->pos.text, bl_store_slice(reply->element[2]).p);
    slot->known = adopted || bl_slice_eq(bl_store_slice(reply->element[3]), BL_SLICE("1"));
    slot->leased_ms = uv_now(store->loop);
    if (step_is_over(store)) {
        look_for_lost_partitions(store);
        load_all(store);
    }
}

static bool claim(struct bl_slot *slot)
{
    enum { FIXED = 8 };
    struct bl_store *store = slot->store;
    bool is_ours = strtoull(store->dataset, NULL, 16) == store->local_dataset;
    char lease[24];
    size_t n = is_ours && slot->index == 0 ? store->local.n : 0; /* see look_for_lost_partitions */
    bl_slice *argv = bl_calloc(FIXED + 2 * n, sizeof *argv);
    char(*texts)[17 + BL_POSITION_TEXT_MAX] = bl_calloc(n ? n : 1, sizeof *texts);
    bool sent = false;

    if (argv && texts) {
        snprintf(lease, sizeof lease, "%" PRIu64, store->options.lease_ms);
        const bl_slice fixed[FIXED] = {BL_SLICE("EVAL"),
                                       bl_script_claim,
                                       BL_SLICE("1"),
                                       bl_redis_key_slice(&slot->pos),
                                       bl_store_text(store->keys.node),
                                       bl_store_text(store->instance),
                                       bl_store_text(lease),
                                       bl_store_text(store->dataset)};
        memcpy(argv, fixed, sizeof fixed);
        for (size_t i = 0; i < n; i++) {
            snprintf(texts[i], 17, "%016" PRIx64, store->local.v[i].generation);
            argv[FIXED + 2 * i] = (bl_slice){texts[i], 16};
            argv[FIXED + 2 * i + 1] =
                (bl_slice){texts[i] + 17, bl_position_text(&store->local.v[i], texts[i] + 17)};
        }
        sent = ask(store, argv, FIXED + 2 * n, on_claim, slot);
    } else {
        bl_store_trouble(store, BL_RESP_HOLD, "memory", "no memory for a claim");
    }
    bl_free(argv);
    bl_free(texts);
    return sent;
}

void bl_store_say_seen(struct bl_store *store)
{
    bl_redis_key nodes = bl_redis_key_global(&store->keys, "nodes");
    char now[24];

    snprintf(now, sizeof now, "%" PRId64, bl_store_wall_ms());
    const bl_slice seen[] = {BL_SLICE("ZADD"), bl_redis_key_slice(&nodes), bl_store_text(now),
                             bl_store_text(store->keys.node)};

    bl_store_send(store, seen, BL_COUNT(seen), on_written, store);
}

static void claim_all(struct bl_store *store)
{
    store->state = BL_STORE_CLAIM;
    store->waiting_replies = 0;
    bl_store_say_seen(store);
    for (unsigned i = 0; i <= store->keys.partitions; i++)
        if (!claim(&store->slot[i]))
            return;
}

/* ---- LOAD ---- */

struct bl_address_hashes *bl_store_new_hashes(bool replace)
{
    struct bl_address_hashes *hashes = bl_calloc(1, sizeof *hashes);

    if (hashes)
        hashes->replace = replace;
    return hashes;
}

/* Grows by half: an index of ten million is eighty megabytes for the moment of the hand-over. */
void bl_store_add_known(struct bl_store *store, bl_slice address)
{
    struct bl_address_hashes *known = store->known;

    if (!known)
        return;
    if (known->n == store->known_cap) {
        size_t cap = store->known_cap + store->known_cap / 2 + 1024;
        uint64_t *v = bl_realloc(known->v, cap * sizeof *v);

        if (!v) {
            bl_store_trouble(store, BL_RESP_HOLD, "memory",
                             "no memory for the list of known addresses");
            return;
        }
        known->v = v;
        store->known_cap = cap;
    }
    known->v[known->n++] = bl_address_hash(address);
}

static void on_scan(void *arg, redisReply *reply);

static void scan(struct bl_slot *slot, bl_slice cursor)
{
    struct bl_store *store = slot->store;
    bl_redis_key index = bl_redis_key_partition(&store->keys, slot->index - 1, "x");
    const bl_slice argv[] = {BL_SLICE("ZSCAN"), bl_redis_key_slice(&index), cursor,
                             BL_SLICE("COUNT"), BL_SLICE(SCAN_COUNT)};

    ask(store, argv, BL_COUNT(argv), on_scan, slot);
}

static void on_scan(void *arg, redisReply *reply)
{
    struct bl_slot *slot = arg;
    struct bl_store *store = slot->store;
    bl_redis_key index = bl_redis_key_partition(&store->keys, slot->index - 1, "x");
    const redisReply *members;

    if (!bl_store_is_array(store, reply, 2, index.text))
        return;
    members = reply->element[1];
    for (size_t i = 0; members->type == REDIS_REPLY_ARRAY && i < members->elements; i += 2) {
        bl_store_add_known(store, bl_store_slice(members->element[i]));
        if (!store->known)
            return; /* out of memory: all is dropped already */
    }
    if (!bl_slice_eq(bl_store_slice(reply->element[0]), BL_SLICE("0")))
        scan(slot, bl_store_slice(reply->element[0]));
    if (!step_is_over(store))
        return;
    if (store->state == BL_STORE_LOAD) {
        bl_store_became_ready(store);
    } else if (store->state == BL_STORE_READY && store->events.addresses) {
        struct bl_address_hashes *known = store->known;

        store->known = NULL;
        store->events.addresses(store->arg, known);
    }
}

static void on_feed_end(void *arg, redisReply *reply)
{
    struct bl_slot *slot = arg;
    bl_redis_key feed = bl_redis_key_partition(&slot->store->keys, slot->index - 1, "f");

    if (!bl_store_is_array(slot->store, reply, 0, feed.text))
        return;
    snprintf(slot->feed_last, sizeof slot->feed_last, "0-0");
    if (reply->elements && reply->element[0]->type == REDIS_REPLY_ARRAY &&
        reply->element[0]->elements)
        bl_resp_plain(bl_store_slice(reply->element[0]->element[0]), slot->feed_last,
                      sizeof slot->feed_last);
}

static void load_partitions(struct bl_store *store)
{
    bl_address_hashes_free(store->known);
    /* In the middle of a run the stage knows addresses of ours that are not in Redis yet: it may
     * know too many, never too few. */
    store->known = bl_store_new_hashes(store->state == BL_STORE_LOAD);
    store->known_cap = 0;
    store->waiting_replies = 0;
    if (!store->known) {
        bl_store_trouble(store, BL_RESP_HOLD, "memory",
                         "no memory for the list of known addresses");
        return;
    }
    for (unsigned i = 1; i <= store->keys.partitions; i++) {
        bl_redis_key feed = bl_redis_key_partition(&store->keys, i - 1, "f");
        const bl_slice last[] = {BL_SLICE("XREVRANGE"), bl_redis_key_slice(&feed), BL_SLICE("+"),
                                 BL_SLICE("-"),         BL_SLICE("COUNT"),         BL_SLICE("1")};

        if (!bl_store_send(store, last, BL_COUNT(last), on_feed_end, &store->slot[i]))
            return;
        scan(&store->slot[i], BL_SLICE("0"));
    }
}

/* ---- old generations ---- */

/* A generation of the node's slot, and how finished it is over all slots that know it. */
struct old_generation {
    uint64_t generation, source;
    int64_t seen_s;
    bool finished, spare, leaves; /* spare: finished, and its log has so many younger ones that its
                                     file is gone */
};

static int by_generation(const void *a, const void *b)
{
    const struct old_generation *x = a, *y = b;

    return (x->generation > y->generation) - (x->generation < y->generation);
}

static int by_age(const struct old_generation *x, const struct old_generation *y)
{
    return (x->seen_s > y->seen_s) - (x->seen_s < y->seen_s);
}

static int spare_then_oldest(const void *a, const void *b)
{
    const struct old_generation *x = a, *y = b;

    return x->spare != y->spare ? y->spare - x->spare : by_age(x, y);
}

static int by_log_youngest_first(const void *a, const void *b)
{
    const struct old_generation *x = a, *y = b;

    return x->source != y->source ? (x->source > y->source) - (x->source < y->source)
                                  : by_age(y, x);
}

static void find_spare(struct old_generation *old, size_t n)
{
    qsort(old, n, sizeof *old, by_log_youngest_first);
    for (size_t i = 0, first = 0; i < n; i++) {
        if (old[i].source != old[first].source)
            first = i;
        old[i].spare = old[i].finished && i - first >= BL_LOG_FILES_MAX;
    }
}

static struct old_generation *find_old(struct old_generation *old, size_t n, uint64_t generation)
{
    const struct old_generation key = {.generation = generation};

    return bsearch(&key, old, n, sizeof *old, by_generation);
}

/* Marks what leaves; returns how many of these were not finished. */
static size_t choose_old(struct bl_store *store, struct old_generation *old, size_t n)
{
    size_t unfinished = 0;

    for (size_t i = 0; i < n; i++) {
        const bl_position *at = &store->slot[0].stored.v[i];

        old[i] = (struct old_generation){.generation = at->generation,
                                         .source = at->source,
                                         .seen_s = at->seen_s,
                                         .finished = at->finished};
    }
    qsort(old, n, sizeof *old, by_generation);
    for (unsigned i = 1; i <= store->keys.partitions; i++)
        for (size_t j = 0; j < store->slot[i].stored.n; j++) {
            const bl_position *at = &store->slot[i].stored.v[j];
            struct old_generation *one = find_old(old, n, at->generation);

            if (one && !at->finished)
                one->finished = false;
        }
    find_spare(old, n);
    qsort(old, n, sizeof *old, spare_then_oldest);
    for (size_t i = 0; i < n && (old[i].spare || n - i > PRUNE_ALL_ABOVE); i++) {
        old[i].leaves = true;
        unfinished += !old[i].finished;
    }
    qsort(old, n, sizeof *old, by_generation);
    return unfinished;
}

static bool forget_generations(struct bl_slot *slot, const bl_position *at, size_t n)
{
    enum { FIXED = 7 };
    char names[16], generation[PRUNE_AT_ONCE][17];
    bl_slice argv[FIXED + BL_COMMIT_TOTALS + PRUNE_AT_ONCE] = {
        BL_SLICE("EVAL"),
        bl_script_forget,
        BL_SLICE("1"),
        bl_redis_key_slice(&slot->pos),
        bl_store_text(slot->store->keys.node),
        bl_store_text(slot->epoch)};
    size_t argc = FIXED;

    argv[FIXED - 1] =
        (bl_slice){names, (size_t)snprintf(names, sizeof names, "%d", BL_COMMIT_TOTALS)};
    for (size_t i = 0; i < BL_COMMIT_TOTALS; i++)
        argv[argc++] = bl_commit_total(i);
    for (size_t i = 0; i < n; i++) {
        snprintf(generation[i], sizeof generation[i], "%016" PRIx64, at[i].generation);
        argv[argc++] = bl_store_text(generation[i]);
    }
    return bl_store_send(slot->store, argv, argc, bl_store_on_refusal, slot);
}

/* Moves what leaves to the list's end, and cuts it off. */
static bool forget_old(struct bl_slot *slot, struct old_generation *old, size_t n)
{
    struct bl_positions *list = &slot->stored;
    size_t first = list->n;

    for (size_t i = 0; i < first;) {
        struct old_generation *one = find_old(old, n, list->v[i].generation);
        bl_position at = list->v[i];

        if (!one || !one->leaves) {
            i++;
            continue;
        }
        list->v[i] = list->v[--first];
        list->v[first] = at;
    }
    for (size_t i = first; i < list->n; i += PRUNE_AT_ONCE)
        if (!forget_generations(slot, list->v + i,
                                list->n - i < PRUNE_AT_ONCE ? list->n - i : PRUNE_AT_ONCE))
            return false;
    list->n = first;
    return true;
}

/* A log that rotates every hour makes thousands of generations, and their files are long gone.  One
 * whose file is still there must not be forgotten, since without any younger one of its log it
 * would be counted again: so of each log as many stay as the reader looks at, the youngest ones,
 * and of those only what would fill the list leaves, with a note.  The node's slot comes last: it
 * is what the next claim looks at. */
static bool prune(struct bl_store *store)
{
    size_t n = store->slot[0].stored.n, unfinished;
    struct old_generation *old;
    bool fine = true;

    if (n <= PRUNE_ABOVE)
        return true;
    old = bl_calloc(n, sizeof *old);
    if (!old) {
        bl_store_trouble(store, BL_RESP_HOLD, "memory", "no memory for the list of old log files");
        return false;
    }
    unfinished = choose_old(store, old, n);
    for (unsigned i = store->keys.partitions + 1; i-- > 0 && fine;)
        fine = forget_old(&store->slot[i], old, n);
    if (unfinished)
        bl_store_note(
            store, LEVEL_WARNING,
            "%s knew %zu log files; the %zu oldest were forgotten though they were not read to their end",
            store->slot[0].pos.text, n, unfinished);
    bl_free(old);
    return fine;
}

static void load_all(struct bl_store *store)
{
    store->state = BL_STORE_LOAD;
    if (prune(store))
        load_partitions(store);
}

void bl_store_load_again(struct bl_store *store)
{
    if (!store->known) /* else it is being done */
        load_partitions(store);
}
