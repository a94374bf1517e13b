/* pipeline.h -- the threads between the reader and the sink
 *
 *   owner (loop) ──ring──► worker 0 ──ring──┐
 *                ──ring──► worker 1 ──ring──┴► stage ──ring──► owner: blocks to use again
 *
 * Blocks go to the workers in turn and are collected in the same turn, so the stage sees them in
 * the order of the log whatever the number of workers.  With no workers everything runs inside
 * bl_pipeline_submit: the same code without threads.
 *
 * Shapes     at most `blocks` are in flight: that bounds the memory
 * Units      -
 * Ownership  blocks belong to the pipeline and are lent by bl_pipeline_block
 * Threads    consume and freed: the stage thread's; everything else: the owner's
 * Errors     bl_pipeline_start: BL_NO_MEMORY, BL_IO (thread)
 * Source     DESIGN 3
 */
#ifndef BOUNCELINE_PIPELINE_H
#define BOUNCELINE_PIPELINE_H

#include "bounceline/block.h"

enum { BL_WORKERS_MAX = 64 };

struct bl_pipeline;

struct bl_pipeline_options {
    unsigned workers; /* 0: no threads; at most BL_WORKERS_MAX are started */
    size_t blocks;    /* in flight; 0: two for each worker and four more */
    bl_zone zone;
    unsigned shown; /* enum bl_shown: of the events that become of the records */
    const struct bl_rules *rules;
    /* On the stage thread, in order.  May wait (for a free batch). */
    void (*consume)(void *arg, struct bl_block *block);
    /* On the stage thread, when a block became free after bl_pipeline_block had to say NULL: wakes
     * the owner (uv_async_send).  NULL allowed. */
    void (*freed)(void *arg);
    void *arg;
};

enum bl_code bl_pipeline_start(struct bl_pipeline **out, const struct bl_pipeline_options *options,
                               bl_err *err);

/* A free block with kind DATA and nothing in it, or NULL when all are in flight.  `wait` waits for
 * one (without workers there is nothing to wait for). */
struct bl_block *bl_pipeline_block(struct bl_pipeline *pipeline, bool wait);
void bl_pipeline_return(struct bl_pipeline *pipeline, struct bl_block *unused);
void bl_pipeline_submit(struct bl_pipeline *pipeline, struct bl_block *block);

/* Another rule set, from the next block submitted on. */
void bl_pipeline_set_rules(struct bl_pipeline *pipeline, const struct bl_rules *rules);

/* True when the first block after the last bl_pipeline_set_rules was consumed, and so all before
 * it: workers and consumer have seen the present rules, no thread looks at older ones any more, and
 * these may be freed. */
bool bl_pipeline_rules_settled(const struct bl_pipeline *pipeline);

/* How many blocks were submitted, and has the pipeline consumed so many?  Each worker gets blocks
 * in turn and the stage collects them in turn, so one thread that hangs with a block keeps all
 * later ones from being consumed. */
uint64_t bl_pipeline_submitted(const struct bl_pipeline *pipeline);
bool bl_pipeline_consumed(const struct bl_pipeline *pipeline, uint64_t blocks);

/* Waits until everything submitted was consumed, ends the threads, frees. */
void bl_pipeline_stop(struct bl_pipeline *pipeline);

#endif
