/* store.h -- counters and addresses in Redis, exactly
 *
 * Claims every slot, commits batches in order, and reports when all slots have one.  Whatever goes
 * wrong ends in `lost` and, after a new claim, in `ready` with the positions that Redis really has.
 *
 * Shapes     keys and scripts: sinks/README.md
 * Units      *_ms: milliseconds; 0 takes the default named beside it
 * Ownership  a submitted batch is the store's until `done` or `void_` hands it back; one of another
 * run, or submitted while nothing is ready, comes back at once Threads    the loop's Errors
 * bl_store_open: bad options only; everything later is an event Source     DESIGN 2, 6, 7; notes on
 * Redis, C1..C4 and R1..R13
 */
#ifndef BOUNCELINE_STORE_H
#define BOUNCELINE_STORE_H

#include <uv.h>

#include "bounceline/batch.h"
#include "counter_limits.h"
#include "redis_url.h"

struct bl_store;

struct bl_store_options {
    struct bl_redis_url url;
    const char *prefix; /* "bl:" */
    const char *node;
    const char *instance;            /* this state directory's id */
    uint64_t lease_ms;               /* 30 000 */
    uint64_t connect_ms, command_ms; /* 2 000, 5 000 */
    size_t in_flight_bytes;          /* 8 MiB */
    struct bl_suppress_policy policy;
    const struct bl_rules *rules; /* looked at while opening only: the names of categories */
    const struct bl_counter_limits *limits; /* copied; NULL: the defaults */
    unsigned partitions;                    /* only when this store creates the dataset: 1 */
    size_t address_events; /* 4 096: waiting batches are written together until they have so many */
    uint64_t tick_ms;      /* leases, lazy positions, other hosts' changes: 1 000 */
    uint64_t retry_max_ms; /* 10 000: longest back-off while Redis refuses for now */
    uint64_t wrong_ms;     /* 10 000: after a key that is not ours, or another server */
    uint64_t denied_ms;    /* 60 000: after a refused password or right */
    /* negative controls for tests: each switches one protection off */
    bool no_fence, no_slot_positions;
};

struct bl_store_events {
    /* Every slot is claimed.  `resume` is the receiver's to free; its snapshot and sources are not
     * set. */
    void (*ready)(void *arg, struct bl_resume *resume, struct bl_address_hashes *known);
    void (*done)(void *arg, struct bl_batch *batch); /* every slot has it; in order of submission */
    void (*void_)(void *arg, struct bl_batch *batch); /* not applied everywhere: to be read again */
    void (*lost)(void *arg); /* connection or fence: nothing submitted counts */
    void (*addresses)(void *arg, struct bl_address_hashes *more); /* records written by others */
    /* For people: once per change of state.  Level as in syslog: 3 error, 4 warning, 5 notice. */
    void (*note)(void *arg, int level, const char *text);
    /* Another instance holds the node, or the data is not ours: trying again cannot help. */
    void (*refused)(void *arg, enum bl_code code, const char *text);
};

struct bl_store_stats {
    uint64_t commits, fenced, conflicts, reconnects, addresses_written;
    size_t waiting_batches, waiting_bytes;
    bool ready;
};

enum bl_code bl_store_open(struct bl_store **out, uv_loop_t *loop,
                           const struct bl_store_options *options,
                           const struct bl_store_events *events, void *arg, bl_err *err);
void bl_store_submit(struct bl_store *store, struct bl_batch *batch);
/* nothing submitted is left, lazy positions written */
bool bl_store_idle(const struct bl_store *store);
void bl_store_flush(struct bl_store *store); /* move lazy positions forward now */
/* Claims every slot anew: `lost`, and then `ready` with the positions of now. */
void bl_store_renew(struct bl_store *store);

/* Other numbers from the next address on. */
void bl_store_set_policy(struct bl_store *store, const struct bl_suppress_policy *policy);

/* For the day Redis has the dataset but not the positions: what a claim takes over when it finds
 * none. */
void bl_store_set_local(struct bl_store *store, uint64_t dataset, const struct bl_positions *local);

struct bl_store_stats bl_store_stats(const struct bl_store *store);

/* Gives the leases back when it can; idempotent. */
void bl_store_close(struct bl_store *store, void (*done)(void *arg), void *arg);

#endif
