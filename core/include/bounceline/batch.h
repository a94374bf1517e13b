/* batch.h -- what Redis must know, in steps
 *
 * A batch covers one range of each log it touches and says what that range means for every slot:
 * the counters of this node, and each partition of the address list.  A slot applies it whole or
 * not at all.
 *
 * Shapes     ranges: at most BL_BATCH_RANGES; events per partition in log order
 * Units      as named
 * Ownership  texts live in the batch's arena; batches are allocated at start and go round
 * Threads    handed over whole between stage and loop
 * Errors     bl_batcher_new: NULL
 * Source     DESIGN 2, 7
 */
#ifndef BOUNCELINE_BATCH_H
#define BOUNCELINE_BATCH_H

#include "bounceline/arena.h"
#include "bounceline/block.h"
#include "bounceline/suppress.h"
#include "bounceline/tally.h"

enum {
    BL_BATCH_RANGES = 16, /* generations in one batch */
    BL_BATCH_RECENT = 64, /* failures kept for the `recent` stream, per batch */
    BL_PARTITIONS_MAX = 256
};

struct bl_snapshot; /* snapshot.h */

/* One stretch of one generation. */
struct bl_range {
    uint64_t begin;
    bl_position end;
    uint64_t lines, unparsed, long_lines, repeats_cut; /* what the counter slot has to add */
    uint64_t skipped_bytes;                            /* of the range: passed over unread */
    uint64_t outcome[BL_OUTCOMES];                     /* for the counter slot */
};

/* A failure as `recent` shows it. */
struct bl_recent {
    int64_t time_us;
    bl_slice text; /* tab-separated: outcome, recipient, code, enhanced, category, rule, relay host,
                    * block list, provider's code, seconds to wait, sending address, reply */
};

struct bl_address_events {
    bl_address_event *v;
    size_t n, cap;
};

struct bl_batch {
    uint32_t run;
    struct bl_range range[BL_BATCH_RANGES];
    size_t ranges;
    struct bl_tally *tally; /* for the counter slot; empty when that slot is ahead */
    struct bl_recent recent[BL_BATCH_RECENT];
    size_t recents;
    unsigned partitions;
    struct bl_address_events events[BL_PARTITIONS_MAX];
    struct bl_arena arena;
    /* taken behind this batch, or NULL: every slot must move with it */
    struct bl_snapshot *snapshot;
    /* for the sink */
    struct bl_batch *next;
    unsigned slots_left;
};

struct bl_batch *bl_batch_new(void);
void bl_batch_free(struct bl_batch *batch);
void bl_batch_clear(struct bl_batch *batch);

/* Positions of every slot, as claimed: slot[0] the counters, slot[1 + p] partition p; and the
 * sources, which do not change while a run lasts.  What the pipeline starts from. */
struct bl_resume {
    uint32_t run;
    uint64_t dataset;
    unsigned partitions;
    struct bl_positions slot[1 + BL_PARTITIONS_MAX];
    struct bl_snapshot *snapshot;   /* of the join, not after any slot; NULL: cold */
    struct bl_positions remembered; /* when no slot has anything: files that were read into a Redis
                                     * that is gone; as far as they exist they are read again from
                                     * their start */
    size_t sources;
    /* bl_hash64 of each one's path, in the order of block.source */
    uint64_t source[BL_SOURCES_MAX];
    bool known_only[BL_SOURCES_MAX]; /* an address moves only by a queue id that the join knows */
};

void bl_resume_free(struct bl_resume *resume);

/* A copy; of the snapshot only its positions and sources, not the join images.  NULL without
 * memory. */
struct bl_resume *bl_resume_copy(const struct bl_resume *resume);

/* Addresses that have a record, for the filter that spares Redis the successes. */
struct bl_address_hashes {
    uint64_t *v;
    size_t n;
    bool replace; /* a whole new set; false: add these */
};

void bl_address_hashes_free(struct bl_address_hashes *hashes);

#endif
