/* follow.h -- one log through growth, rotation and restarts, as blocking code
 *
 * All that DESIGN says about generations happens here, one step at a time; tail.h runs the steps in
 * libuv's pool and lets the loop have what came out.
 *
 * Shapes     at most BL_FOLLOW_NOTES notes are kept between two drains
 * Units      now_ms: any steady clock; wall_ms: since 1970 UTC
 * Ownership  new and free; the log outlives it
 * Threads    blocking: libuv's pool; one thread at a time
 * Errors     told as notes, once for each change of state
 * Source     DESIGN 2; notes on ingest, T1..T40
 */
#ifndef BOUNCELINE_FOLLOW_H
#define BOUNCELINE_FOLLOW_H

#include "bounceline/batch.h"
#include "generation.h"
#include "siblings.h"
#include "tail.h"

enum { BL_FOLLOW_NOTES = 32 };

struct bl_follow;

struct bl_follow_note {
    enum bl_note level;
    char text[320];
};

struct bl_follow *bl_follow_new(const struct bl_log *log, const struct bl_tail_options *options);
void bl_follow_free(struct bl_follow *follow);

uint64_t bl_follow_source(const struct bl_follow *follow); /* as in bl_position.source */

/* What a run begins with: the generations of this source, where each slot has them. */
struct bl_follow_plan;

struct bl_follow_plan *bl_follow_plan_new(uint64_t source, const struct bl_resume *resume);
void bl_follow_plan_free(struct bl_follow_plan *plan);

/* Forgets what was read and begins anew; takes the plan. */
void bl_follow_start(struct bl_follow *follow, struct bl_follow_plan *plan);

enum bl_follow_step {
    BL_FOLLOW_BLOCK, /* the block is filled; more may be there at once if `more` */
    BL_FOLLOW_IDLE,  /* nothing for now */
    BL_FOLLOW_ENDED  /* once: everything was read */
};

/* `look`: first see which files there are now.  `block` may be NULL: only look. */
enum bl_follow_step bl_follow_step(struct bl_follow *follow, struct bl_block *block, bool look,
                                   int64_t now_ms, int64_t wall_ms, bool *more);

struct bl_tail_stats bl_follow_stats(const struct bl_follow *follow);

/* Takes the notes since the last time; returns how many. */
size_t bl_follow_take_notes(struct bl_follow *follow, struct bl_follow_note out[BL_FOLLOW_NOTES]);

#endif
