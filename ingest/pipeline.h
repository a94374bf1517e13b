/* pipeline.h -- the threads between the reader and the sink
 *
 *   owner (loop) ──ring──► worker 0 ──ring──┐
 *                ──ring──► worker 1 ──ring──┴► stage ──ring──► owner: blocks to use again
 *
 * Blocks go to the workers in turn and are collected in the same turn, so the stage sees them in the
 * order of the log whatever the number of workers.  With no workers everything runs inside
 * bl_pipeline_submit: the same code without threads.
 *
 * Shapes     at most `blocks` are in flight: that bounds the memory
 * Units      -
 * Ownership  blocks belong to the pipeline and are lent by bl_pipeline_block
 * Threads    block, submit, stop: the owner's; consume: the stage thread's
 * Errors     bl_pipeline_start: BL_NO_MEMORY, BL_IO (thread)
 * Source     DESIGN 3
 */
#ifndef BOUNCELINE_PIPELINE_H
#define BOUNCELINE_PIPELINE_H

#include "bounceline/block.h"

struct bl_pipeline;

struct bl_pipeline_options {
    unsigned workers; /* 0: no threads */
    size_t   blocks;  /* in flight; 0: a default that fits the workers */
    bl_zone  zone;
    const struct bl_rules *rules;
    /* On the stage thread, in order.  May wait (for a free batch). */
    void (*consume)(void *arg, struct bl_block *block);
    /* On the stage thread, after blocks became free; may wake the owner.  NULL allowed. */
    void (*freed)(void *arg);
    void *arg;
};

enum bl_code bl_pipeline_start(struct bl_pipeline **out, const struct bl_pipeline_options *options, bl_err *err);

/* A free block with kind DATA and nothing in it, or NULL when all are in flight.  `wait` waits for one. */
struct bl_block *bl_pipeline_block(struct bl_pipeline *pipeline, bool wait);
void             bl_pipeline_return(struct bl_pipeline *pipeline, struct bl_block *unused);
void             bl_pipeline_submit(struct bl_pipeline *pipeline, struct bl_block *block);

/* Another rule set from the next block on; the old one is free to be freed when this returns true for
 * the last time it is asked: every thread has passed a block boundary. */
void bl_pipeline_set_rules(struct bl_pipeline *pipeline, const struct bl_rules *rules);

/* Waits until everything submitted was consumed, ends the threads, frees. */
void bl_pipeline_stop(struct bl_pipeline *pipeline);

#endif
