/* wire_parts.h -- what the files of the daemon share; nobody else includes it
 *
 * wire.c         life: tail, pipeline, stage and store, and what moves between them
 * wire_reload.c  what changes while it runs
 * wire_save.c    snapshots of the join, into the state directory
 * wire_say.c     what people and systemd hear
 *
 * Shapes     -
 * Units      *_ms: milliseconds; *_s: seconds, of the flush timer
 * Ownership  everything belongs to the daemon
 * Threads    the loop's, but for what is marked as the stage's or the pool's
 * Errors     logged; what cannot be lived with ends the daemon with an exit code
 * Source     DESIGN 1, 2, 3
 */
#ifndef BL_WIRE_PARTS_H
#define BL_WIRE_PARTS_H

#include <stdatomic.h>
#include <uv.h>

#include "bounceline/ring.h"
#include "bounceline/stage.h"
#include "pipeline.h"
#include "sources.h"
#include "store.h"
#include "tail.h"
#include "wire.h"

/* What a running daemon takes over between two blocks. */
struct change {
    struct bl_config *config; /* NULL: the one it was started with */
    const struct bl_rules *rules;
    struct bl_relays *relays;
};

/* A snapshot that is being written; wire_save.c. */
struct saving {
    enum { SAVE_IDLE, SAVE_WRITING, SAVE_WRITTEN, SAVE_PUBLISHING } state;
    uv_work_t work;
    /* behind which it was taken, while not every slot has that; it owns the snapshot */
    struct bl_batch *batch;
    struct bl_snapshot *snapshot; /* without a batch: our own */
    bool dropped;                 /* the batch is void */
    enum bl_code code;
    bl_err err;
};

enum daemon_state { STARTING, RUNNING, DRAINING, CLOSING };

struct daemon {
    const struct bl_daemon_options *options;
    uv_loop_t loop;
    enum daemon_state state;
    int exit_code;
    uint32_t run; /* the store counts them */

    struct bl_store *store;
    struct bl_tail *tail;
    struct bl_pipeline *pipeline;

    /* The stage thread's; the loop touches it only while the pipeline does not run. */
    struct bl_stage *stage;
    const struct bl_relays *relays;
    struct bl_ring lent; /* loop -> stage: empty batches */
    struct bl_ring due;  /* stage -> loop: full ones */
    uv_sem_t lent_sem;   /* counts what is in `lent` */
    atomic_bool abandon; /* the pipeline is being stopped: the stage takes no more lines */
    atomic_uint drained; /* the run whose last FLUSH has passed the stage; 0: none */
    uv_async_t wake;     /* stage -> loop */

    /* Control blocks that wait for a free block. */
    struct bl_resume *reset;
    struct bl_resume *start; /* for the tail, once the RESET is on its way */
    struct bl_address_hashes *addresses;
    bool flush, last_flush, last_sent;
    /* of the last lines of each source that were submitted in this run */
    bl_position end[BL_SOURCES_MAX];
    size_t ended; /* so many of them were told that their log ends there: at the end of --once */

    struct change now;  /* what holds */
    struct change next; /* read, and not yet on its way (`next_sent`) or not yet through */
    bool has_next, next_sent;

    struct bl_sources *sources;      /* of this run, or the next one */
    struct bl_sources *next_sources; /* when everything read of the present ones is committed */
    bool renewing;                   /* the claim on its way is for them */

    /* A job in the pool that reads configuration and rules, or only looks which logs there are.
     * None is begun while `next_sources` waits: it would go by what is about to change. */
    uv_work_t work;
    bool work_running, reread_again;
    struct bl_sources *found;
    enum bl_code work_code;
    bl_err work_err;

    atomic_size_t unread;    /* sources without memory for their join; relaxed: seen soon enough */
    atomic_bool stage_waits; /* for an empty batch; relaxed: only the watchdog looks */
    atomic_ullong refused;   /* by `trust: join`; the stage's; relaxed: for people */
    unsigned long long refused_said;
    uint64_t fed_mark; /* submitted when the watchdog was fed last */
    unsigned unfed_s;

    uv_timer_t flush_timer, patience;
    uv_signal_t on_term, on_int, on_hup;
    bool stopping; /* a signal asked for the end */

    struct saving saving;

    uint64_t counted_bytes, counted_lines; /* that Redis has, of this process */
    unsigned seconds;                      /* flush timer's */
    bool on_terminal;                      /* stderr: progress stands in one line */

    int handles; /* open ones of ours, until all are closed */
};

/* ---- wire.c ---- */

/* Whatever moved, this moves what can move next. */
void bl_wire_pump(struct daemon *d);
/* `next_sources` are there: ends this run, once all that was read is committed. */
void bl_wire_change_run(struct daemon *d);

/* ---- wire_reload.c ---- */

void bl_wire_reread(struct daemon *d); /* configuration and rules; again, if one is under way */
void bl_wire_move_change(struct daemon *d); /* a change that was read goes its way */
void bl_wire_free_change(struct change *change);
void bl_wire_look_for_logs(struct daemon *d);
bool bl_wire_take_sources(struct daemon *d); /* between two runs: `next_sources`, if there are any;
                                                false: no memory */

/* ---- wire_save.c ---- */

void bl_wire_save(struct daemon *d, struct bl_batch *batch); /* a batch is about to be submitted */
void bl_wire_save_done(struct daemon *d, struct bl_batch *batch); /* every slot has it */
void bl_wire_save_drop(struct daemon *d, struct bl_batch *batch); /* it is going to be emptied */
bool bl_wire_is_saving(const struct daemon *d);

/* ---- wire_say.c ---- */

void bl_wire_feed_watchdog(struct daemon *d);
void bl_wire_say_refused(struct daemon *d);
void bl_wire_tell_status(struct daemon *d);
void bl_wire_show_progress(struct daemon *d);
void bl_wire_end_progress(const struct daemon *d);

#endif
