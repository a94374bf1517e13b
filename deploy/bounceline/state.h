/* state.h -- the state directory of one bounceline instance
 *
 * Holds the lock, the instance id that lets a restarted daemon take its own lease again, and the
 * newest join snapshots.
 *
 * Shapes     files: `lock`, `instance` (16 hex digits), `join.N`
 * Units      -
 * Ownership  bl_state_open's result is released by bl_state_close
 * Threads    bl_state_write_snapshot, bl_state_publish_snapshot: any one thread at a time; the
 *            rest: the loop's
 * Errors     those of state_dir.h; BL_CONFLICT when another instance holds the lock; BL_IO with the
 *            path
 * Source     DESIGN 2
 */
#ifndef BL_STATE_H
#define BL_STATE_H

#include <limits.h>

#include "bounceline/snapshot.h"

struct bl_state {
    char dir[PATH_MAX]; /* absolute, without links */
    char instance[17];
    int lock_fd;
    uint64_t next_snapshot;
};

enum bl_code bl_state_open(struct bl_state *state, const char *dir, bl_err *err);
void bl_state_close(struct bl_state *state);

/* Writes and syncs a snapshot under a name of its own, in place of one that was not published. */
enum bl_code bl_state_write_snapshot(struct bl_state *state, const struct bl_snapshot *snapshot,
                                     bl_err *err);
/* Makes what was written the newest; keeps a few older ones. */
enum bl_code bl_state_publish_snapshot(struct bl_state *state, bl_err *err);

/* The newest snapshot of `dataset` that no slot is behind of and whose joins this version reads;
 * NULL when there is none.  With no slots, just the newest one that is whole: for its positions. */
struct bl_snapshot *bl_state_load_snapshot(struct bl_state *state, uint64_t dataset,
                                           const struct bl_positions *slots, size_t n);

#endif
