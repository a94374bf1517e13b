/* stage.h -- the serial end of the pipeline: join, filter, batch
 *
 * Takes blocks in log order and makes batches.  One for the whole process; each source has its own
 * join.  The sources come with RESET (bl_resume): the join of one that is not among them any more
 * is freed, one that is new gets its own. A block that brings another rule set (block.rules)
 * changes the stage's and the joins', before anything of it is counted; the set before is not
 * looked at again.  Its categories must be the same ones: what an open batch has counted is named
 * by number (bl_rules_same_categories).
 *
 * Shapes     -
 * Units      -
 * Ownership  keeps nothing of a block; a batch given in with bl_stage_lend comes out of
 * bl_stage_take Threads    one at a time (the stage thread) Errors     bl_stage_new: NULL Source
 * DESIGN 2, 3, 6
 */
#ifndef BOUNCELINE_STAGE_H
#define BOUNCELINE_STAGE_H

#include "bounceline/batch.h"
#include "bounceline/join.h"
#include "bounceline/snapshot.h"

struct bl_stage;

enum { BL_STAGE_SHOWS = BL_SHOWS_MESSAGE_IDS }; /* its workers, and its joins */

struct bl_stage_options {
    size_t join_entries, join_text_bytes; /* of each source */
    /* What was accepted there is only handed on: relayed, not delivered.  NULL: nowhere.  On the
     * stage thread. */
    bool (*is_relay)(void *arg, const bl_event *event);
    void *relay_arg;
    size_t batch_fields;    /* close the batch at this many counters: 4000 */
    size_t batch_events;    /* ... or this many address events */
    size_t filter_cap;      /* addresses; beyond it every delivery is treated as a hit */
    size_t snapshot_blocks; /* a snapshot after this many data blocks */
    /* ... or FLUSH blocks, with the batch that is open then; so at the last one */
    size_t snapshot_flushes;
};

struct bl_stage_stats {
    struct bl_join_stats join;
    uint64_t unparsed, address_refused; /* recipients that no key can be made of */
    uint64_t unknown_refused;           /* not believed, by known_only */
    uint64_t filter_hits, events_lost;  /* lost: no memory, counted and never silent */
    bool filter_full;
    uint64_t join_cold; /* joins that began empty, for their image in the snapshot was no good */
    size_t unread; /* sources of this run without memory for a join: their blocks are not taken */
};

struct bl_stage *bl_stage_new(const struct bl_rules *rules, const struct bl_stage_options *options);
void bl_stage_free(struct bl_stage *stage);

/* True when a batch must be lent before the next data block. */
bool bl_stage_wants_batch(const struct bl_stage *stage);
void bl_stage_lend(struct bl_stage *stage, struct bl_batch *empty);

void bl_stage_block(struct bl_stage *stage, struct bl_block *block);

/* The batch that is due, or NULL; after a FLUSH block every non-empty batch is due. */
struct bl_batch *bl_stage_take(struct bl_stage *stage);

/* Whether a stage of this version can go on with it: with the joins of another one the senders of
 * all mail under way would be lost without a word, so it is no snapshot. */
bool bl_stage_reads(const struct bl_snapshot *snapshot);

struct bl_stage_stats bl_stage_stats(const struct bl_stage *stage);

#endif
