/* tail_rig.h -- a tail over real files in a temporary folder, with an exact oracle
 *
 * Tests include tail_rig.c itself: the support library does not know ingest.
 *
 * Writers emit numbered lines; the rig counts how often each number arrived, checks that blocks of
 * a generation join without gap, and keeps what was handed out as the position a restart begins
 * from. */
#ifndef BL_TEST_TAIL_RIG_H
#define BL_TEST_TAIL_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounceline/batch.h"
#include "bounceline/snapshot.h"
#include "identity.h"
#include "tail.h"

enum { RIG_LINES = 1 << 20, RIG_NOTES = 200, RIG_BLOCKS = 6, RIG_KEEP = 4096 };

struct rig {
    char dir[128];
    char log[160]; /* dir/mail.log */
    struct bl_tail_options options;
    bool from_end, may_end;
    uv_loop_t loop;
    uv_timer_t tick;
    struct bl_tail *tail;
    struct bl_block *block[RIG_BLOCKS]; /* free ones */
    size_t blocks;
    size_t withheld; /* want() says NULL while this many are free */
    bool closed, ended;
    uint32_t run;

    uint32_t next;                            /* number of the next line to write */
    uint8_t *times;                           /* how often each number arrived */
    uint64_t lines, doubles, odd, long_lines; /* odd: lines without a number */
    char odd_text[8][200];
    uint64_t warm_lines, skipped, blocks_seen, empty_blocks, bad_joins, bad_order;
    struct {
        uint64_t generation, end;
        uint32_t last;
        bool warm;
    } gen[512];
    size_t gens;
    struct bl_positions at; /* as handed out: what a slot would hold */
    struct {
        uint64_t begin, end;
        bool warm;
    } trail[RIG_KEEP]; /* every block */
    size_t trails;

    struct {
        enum bl_note level;
        char text[320];
    } note[RIG_NOTES];
    size_t notes;
};

/* A fresh folder; watch as the state says (a bool *). */
int rig_setup(void **state);
int rig_teardown(void **state);
extern bool rig_watch;

/* Paths are names inside the folder.  `names` NULL-terminated; none: mail.log. */
void rig_start(struct rig *rig, const char *const *names);
void rig_follow(struct rig *rig, const char *const *names); /* these from the next run on */
/* frees resume */
void rig_start_from(struct rig *rig, const char *const *names, struct bl_resume *resume);
struct bl_resume *rig_resume(struct rig *rig); /* one slot: what was handed out */
void rig_stop(struct rig *rig);
void rig_restart(struct rig *rig);   /* stop, and start from what was handed out */
void rig_begin_run(struct rig *rig); /* what the oracle keeps per run */

void rig_spin(struct rig *rig, unsigned ms); /* runs the loop for so long */
/* ... until that many lines arrived; fails after 10 s */
void rig_wait(struct rig *rig, uint64_t lines);
void rig_wait_note(struct rig *rig, const char *piece); /* ... or a note that holds this */
bool rig_noted(const struct rig *rig, const char *piece);
void rig_withhold(struct rig *rig); /* no blocks from now on, and none under way */
void rig_settle(struct rig *rig);   /* until nothing new came for some sweeps */

/* Every line written so far arrived exactly once. */
void rig_expect_all(struct rig *rig);

/* Files. */
const char *rig_path(struct rig *rig, const char *name); /* valid until the fourth call after */
void rig_write(struct rig *rig, const char *name, unsigned lines); /* appends numbered lines */
void rig_append(struct rig *rig, const char *name, const char *text, size_t n);
size_t rig_line(struct rig *rig, char out[256]); /* the next numbered line */
int rig_open(struct rig *rig, const char *name); /* for appending, as a writer holds it */
void rig_write_fd(struct rig *rig, int fd, unsigned lines);
void rig_rename(struct rig *rig, const char *from, const char *to);
void rig_remove(struct rig *rig, const char *name);
void rig_copy(struct rig *rig, const char *from, const char *to);
void rig_truncate(struct rig *rig, const char *name);
/* .gz or .zst by name; keeps `from` */
void rig_pack(struct rig *rig, const char *from, const char *to);
uint64_t rig_inode(struct rig *rig, const char *name);

#endif
