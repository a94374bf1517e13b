/* tail.h -- follows logs through growth, rotation and restarts
 *
 * A source is a log: a path and its rotated siblings, also compressed ones.  Each file of it is a
 * generation with an identity; reading begins where the slots stopped.
 *
 * Shapes     see block.h, position.h.  When a file is finished (renamed or deleted, quiet, and not
 *            the youngest) and no bytes are left to say so with, an empty DATA block does, begin ==
 *            end.  Notes hold paths as they are: escape them before a terminal
 * Units      -
 * Ownership  the tail belongs to the loop; it is freed by its close callback
 * Threads    the loop's; reading and unpacking run in libuv's thread pool, one job per source
 * Errors     a source that is missing or unreadable is said once (note) and tried again
 * Source     DESIGN 2; notes on ingest, T1..T40
 */
#ifndef BOUNCELINE_TAIL_H
#define BOUNCELINE_TAIL_H

#include <uv.h>

#include "bounceline/batch.h"
#include "siblings.h"

struct bl_tail;

enum bl_note {
    BL_NOTE_ERROR = 3,
    BL_NOTE_WARNING = 4,
    BL_NOTE_NOTICE = 5,
    BL_NOTE_INFO = 6,
    BL_NOTE_DEBUG = 7
};

struct bl_tail_options {
    bool once;          /* stop at the end of every file; half a line at the end of the log
                         * itself is left, of rotated files it is taken */
    bool watch;         /* inotify; false: the sweep alone (tests) */
    uint64_t sweep_ms;  /* 1000 */
    uint64_t grace_ms;  /* a renamed file is read until it was quiet for this long: 60 000 */
    uint64_t vacant_ms; /* of a log that may end: no file has its name, and none of it grew for so
                         * long; 0: never */
    uint64_t warm_up_bytes; /* read back to warm a cold join */
};

struct bl_tail_events {
    struct bl_block *(*want)(void *arg); /* a free block or NULL; then bl_tail_kick later */
    void (*refuse)(void *arg, struct bl_block *block); /* gives an unused one back */
    void (*block)(void *arg, struct bl_block *block);
    void (*end)(void *arg); /* once: everything was read */
    void (*note)(void *arg, enum bl_note level, const char *text);
};

struct bl_tail_stats {
    uint64_t lag_bytes;  /* known to exist and not yet handed out */
    uint64_t lost_bytes; /* disappeared before they were read, or turned up too late for it */
    uint64_t rotations, truncations, copies_skipped;
    size_t missing; /* sources without a readable file now */
    size_t vacant;  /* sources that ended: no file of them is left, nor open */
    /* With `once`, valid when `end` came: */
    size_t unread;  /* named files, and others that were due, that could not be read */
    size_t damaged; /* archives of which only a part could be had */
};

enum bl_code bl_tail_new(struct bl_tail **out, uv_loop_t *loop,
                         const struct bl_tail_options *options, const struct bl_tail_events *events,
                         void *arg, bl_err *err);

/* Which logs are followed from the next start on, in the order of block.source; at most
 * BL_SOURCES_MAX, and while paused.  One that is followed already (same path, and alone or not as
 * before) goes on with the files that it has open; what is not among them any more is closed. Takes
 * what the logs hold, leaving them empty; BL_NO_MEMORY: all is as it was. */
enum bl_code bl_tail_follow(struct bl_tail *tail, struct bl_log *logs, size_t n, bl_err *err);
size_t bl_tail_sources(const struct bl_tail *tail);
const char *bl_tail_source_path(const struct bl_tail *tail, size_t index);
/* it may end, and is read to its end */
bool bl_tail_source_ended(const struct bl_tail *tail, size_t index);

/* Begins, or begins again after a rewind: forgets what was read and starts at the oldest position
 * of any slot (at the snapshot's, when there is one).  Ends blocks at every slot's offset, so that
 * each block is wholly before or behind each slot.  Blocks carry `run`. */
void bl_tail_start(struct bl_tail *tail, const struct bl_resume *resume);
void bl_tail_pause(struct bl_tail *tail); /* no further blocks until the next start; what a running
                                           * job holds is refused when it ends */
void bl_tail_kick(struct bl_tail *tail);  /* free blocks are there again */

struct bl_tail_stats bl_tail_stats(const struct bl_tail *tail);

/* Idempotent; `done` after the last handle is closed and the last job ended; then the tail is
 * gone. */
void bl_tail_close(struct bl_tail *tail, void (*done)(void *arg), void *arg);

#endif
