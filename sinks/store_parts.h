/* store_parts.h -- what the store's files share; nobody else includes it
 *
 * store.c          life, queue, notes, counter commits
 * store_claim.c    from a fresh connection to `ready`
 * store_address.c  one partition's work: read, fold, write, lazy positions, other hosts' changes
 *
 * Shapes     slot[0]: the node's counters; slot[1 + p]: partition p
 * Units      *_ms: uv_now milliseconds, or milliseconds since 1970 UTC where it says wall
 * Ownership  everything belongs to the store
 * Threads    the loop's
 * Errors     all end in bl_store_trouble: the connection is dropped, and everything begins anew
 * Source     DESIGN 2, 6, 7
 */
#ifndef BOUNCELINE_STORE_PARTS_H
#define BOUNCELINE_STORE_PARTS_H

#include <hiredis/hiredis.h>

#include "commit.h"
#include "redis_conn.h"
#include "redis_keys.h"
#include "store.h"

enum {
    /* counter commits: one runs, one waits; what else waits grows into one */
    BL_STORE_IN_FLIGHT = 2,
    BL_STORE_EPOCH_MAX = 24,
    BL_STORE_ENTRY_MAX = 48 /* a stream's entry id */
};

/* Connection up, and then: */
enum bl_store_state {
    BL_STORE_DOWN,  /* no connection, or waiting before the next try */
    BL_STORE_META,  /* whose data is this, how many partitions */
    BL_STORE_CLAIM, /* every slot */
    BL_STORE_LOAD,  /* which addresses have a record */
    BL_STORE_READY,
    BL_STORE_REFUSED, /* the owner must act */
    BL_STORE_CLOSING
};

enum bl_partition_state { BL_PARTITION_REST, BL_PARTITION_READ, BL_PARTITION_WRITE };

struct bl_store_work; /* store_address.c */

struct bl_slot {
    struct bl_store *store;
    unsigned index;
    bl_redis_key pos;
    char epoch[BL_STORE_EPOCH_MAX];
    struct bl_positions stored; /* as Redis confirmed */
    bool known;                 /* the node was here before */
    uint64_t leased_ms;         /* when the lease was last renewed */
    uint64_t have;              /* every batch up to this one is in it, or needs nothing of it */
    /* partitions only */
    enum bl_partition_state state;
    struct bl_positions target; /* `stored` and what it may be moved to lazily */
    bool lagging;               /* target lies ahead of stored */
    bool move_now;              /* a flush asked for it */
    struct bl_store_work *work;
    char feed_last[BL_STORE_ENTRY_MAX]; /* entries up to here are known */
    char feed_asked[BL_STORE_ENTRY_MAX];
    bool feed_busy;
};

/* One counter commit on its way. */
struct bl_flight {
    uint64_t last; /* the last batch in it */
    size_t bytes;
};

struct bl_store {
    uv_loop_t *loop;
    struct bl_store_options options;
    char instance[128];
    struct bl_store_events events;
    void *arg;
    struct bl_redis_keys keys;
    struct bl_redis_conn *conn;
    uv_timer_t tick, hold;
    unsigned closing_handles;
    bool conn_gone, close_asked;
    void (*done)(void *arg);
    void *done_arg;

    enum bl_store_state state;
    uint32_t run;
    char dataset[20];         /* hexadecimal */
    char hint[20];            /* a slot's, when bl:meta has none */
    unsigned waiting_replies; /* of the step at hand */
    struct bl_address_hashes *known;
    size_t known_cap;
    uint64_t local_dataset;
    struct bl_positions local;
    bool policy_warned;

    /* batches in order of submission; number `first` is queue[head] */
    struct bl_batch **queue;
    size_t queue_head, queue_n, queue_cap;
    uint64_t first, sent;       /* sent: the last batch given to the counter slot */
    struct bl_positions queued; /* where the counter slot will be when all flights have landed */
    struct bl_flight flight[BL_STORE_IN_FLIGHT];
    size_t flights;
    struct bl_commit *commit;
    int64_t commit_ms; /* wall clock of the one being made */
    bool handing_back; /* a `done` is being called */

    struct bl_slot slot[1 + BL_PARTITIONS_MAX];
    unsigned ticks;

    uint64_t hold_ms, random;
    uint64_t hold_next_ms;
    char said[32]; /* the trouble that was last told */
    struct bl_store_stats stats;
};

/* ---- store.c ---- */

int64_t bl_store_wall_ms(void);
void bl_store_note(struct bl_store *store, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Something is not as it must be: says it once, gives the connection up; on_down does the rest. */
void bl_store_trouble(struct bl_store *store, enum bl_resp_trouble trouble, const char *word,
                      const char *text);
/* Looks at a reply that should be an array from a script or command; true when it is a usable
 * array. NULL and error replies are dealt with. */
bool bl_store_is_array(struct bl_store *store, const redisReply *reply, size_t least,
                       const char *key);
/* Puts a position into a list; false when it had no room, which is told and begins everything
 * anew. */
bool bl_store_put(struct bl_store *store, struct bl_positions *list, const bl_position *position);
bool bl_store_fenced(struct bl_slot *slot, const redisReply *reply);
/* For the answer of a slot's script that matters only when it is a refusal. */
void bl_store_on_refusal(void *arg, redisReply *reply);
void bl_store_refuse(struct bl_store *store, enum bl_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

bool bl_store_send(struct bl_store *store, const bl_slice *argv, size_t argc, bl_redis_reply_fn *fn,
                   void *arg);
void bl_store_became_ready(struct bl_store *store);
void bl_store_settle_batches(struct bl_store *store);
void bl_store_count(struct bl_store *store); /* commits counters of what waits, if it is time */
void bl_store_landed(struct bl_store *store);

static inline struct bl_batch *bl_store_batch(const struct bl_store *store, uint64_t number)
{
    return store->queue[(store->queue_head + (size_t)(number - store->first)) % store->queue_cap];
}

static inline uint64_t bl_store_last(const struct bl_store *store)
{
    return store->first + store->queue_n - 1;
}

static inline bl_slice bl_store_text(const char *text)
{
    return (bl_slice){text, strlen(text)};
}

static inline bl_slice bl_store_slice(const redisReply *reply)
{
    return (bl_slice){reply->str ? reply->str : "", reply->str ? reply->len : 0};
}

/* ---- store_claim.c ---- */

void bl_store_begin(struct bl_store *store);
void bl_store_say_seen(struct bl_store *store); /* in bl:nodes */
/* the feed was cut behind us: all addresses anew */
void bl_store_load_again(struct bl_store *store);
void bl_store_add_known(struct bl_store *store, bl_slice address);
struct bl_address_hashes *bl_store_new_hashes(bool replace);

/* ---- store_address.c ---- */

void bl_store_address_advance(struct bl_slot *slot); /* take up what is waiting, if it rests */
/* READY: write lazy positions and renew the lease now */
void bl_store_address_move(struct bl_slot *slot);
void bl_store_address_follow(struct bl_slot *slot); /* ask for what others wrote */
void bl_store_address_drop(struct bl_slot *slot);   /* forget work in hand */
/* The lease alone; 0 gives it back. */
bool bl_store_address_lease(struct bl_slot *slot, uint64_t lease_ms, bl_redis_reply_fn *fn,
                            void *arg);

#endif
