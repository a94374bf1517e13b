/* follow_parts.h -- what the files of bl_follow share; nobody else includes it
 *
 * follow.c         steps: look when it is time, else read the oldest generation that has something
 * follow_plan.c    where a run begins
 * follow_look.c    one look, from the list to what follows from it
 * follow_match.c   which of the listed files is which generation, by inode
 * follow_judge.c   what the others are, by contents
 * follow_order.c   in which order they were written, and which unknown one is news
 * follow_memory.c  the files that are left alone, so that they are not opened at every look
 *
 * Shapes     v: oldest first.  found[i] is about list.v[i], also oldest first
 * Units      as follow.h; *_s, *_ns of files: since 1970 UTC
 * Ownership  everything belongs to the follow; a look to bl_follow_look
 * Threads    as follow.h
 * Errors     out of memory: the next look tries again
 * Source     DESIGN 2
 */
#ifndef BOUNCELINE_FOLLOW_PARTS_H
#define BOUNCELINE_FOLLOW_PARTS_H

#include "follow.h"

/* Of a file that is not read. */
struct bl_left_alone {
    struct bl_file_id id;
    uint64_t epoch;   /* of the follow, when it was judged; 0: to be judged at every look */
    uint64_t copy_of; /* the generation whose bytes it holds; 0: none */
    bool copy;        /* that it is one has been said */
    bool wanted;      /* could not be opened when it was news: still is, whatever was read since */
    bool judged;      /* whether it is a loss was told */
    bool seen;        /* at this look */
};

struct bl_follow {
    const struct bl_log *log;
    struct bl_tail_options options;
    uint64_t source;
    struct bl_generation **v; /* oldest first */
    size_t n, cap;
    struct bl_left_alone *left;
    size_t left_n, left_cap;
    /* from 1; goes up when a generation loses its file: what was its copy may then be it */
    uint64_t epoch;
    bool started, cold;
    bool looked;     /* in this run */
    bool told;       /* in this process: what is said at the first sight of a file was said */
    bool first;      /* no slot knew anything of this source */
    bool waiting;    /* for a file that fails */
    bool empty;      /* no file was listed at the last look */
    bool holding;    /* a file could not be told at the last look */
    bool unsettled;  /* names still moved at the last look: a file may have been missed */
    bool complained; /* about the list of siblings */
    int held;
    uint64_t given_up, damaged; /* files of this run */
    int64_t first_look_ns, wall_ms, now_ms;
    enum bl_code live_code; /* what was said last */
    int live_sys;
    uint64_t doubtful; /* bytes that were lost if no copy turns up at this look */
    struct bl_tail_stats stats;
    struct bl_follow_note notes[BL_FOLLOW_NOTES];
    size_t notes_n;
};

struct bl_look {
    struct bl_siblings list;
    struct bl_found {
        struct bl_generation *of;      /* the file is this one's */
        struct bl_generation *copy_of; /* ... or only holds its bytes, once more */
        bool settled;                  /* left alone, and nothing has changed since */
        bool hold;                     /* cannot be told now: left alone this time */
        /* the same file was read before, with other contents: what is new is news */
        bool rewritten;
    } * found;
    bool moved;       /* names changed while we looked */
    bool live_failed; /* the log itself cannot be opened */
    bl_err live_err;
    bool begun;            /* a file beside the log was begun */
    bool untouched;        /* nothing was ever handed out */
    size_t younger;        /* files from this index on are younger than all that is known */
    int64_t absent_seen_s; /* ... and must be younger than those known ones that are not there */
};

__attribute__((format(printf, 3, 4))) void bl_follow_say(struct bl_follow *f, enum bl_note level,
                                                         const char *format, ...);

/* follow.c: what holds of a generation */
enum bl_code bl_follow_add(struct bl_follow *f, struct bl_generation *g);
/* Takes `file`. */
void bl_follow_go_on(struct bl_follow *f, struct bl_generation *g, struct bl_logfile *file);
void bl_follow_rewritten(struct bl_follow *f, struct bl_generation *g); /* may free it */
void bl_follow_lost_its_file(struct bl_follow *f, struct bl_generation *g);

/* follow_look.c.  Looks until names stand still, at most a few times. */
void bl_follow_look(struct bl_follow *f);

/* follow_match.c */
void bl_follow_note_heads(struct bl_follow *f); /* before the list */
void bl_follow_match(struct bl_follow *f, struct bl_look *look);
enum bl_code bl_follow_open(const struct bl_sibling *s, struct bl_logfile *file, bl_err *err);
void bl_follow_cannot_open(struct bl_follow *f, struct bl_look *look, size_t i, const bl_err *err);

/* follow_judge.c */
void bl_follow_find_moved(struct bl_follow *f, struct bl_look *look); /* what goes on elsewhere */
/* copy, new, or neither */
void bl_follow_judge(struct bl_follow *f, struct bl_look *look, size_t i);

/* follow_order.c */
void bl_follow_sort(struct bl_follow *f, const struct bl_look *look);
void bl_follow_sort_by_place(struct bl_follow *f);
void bl_follow_find_frontier(const struct bl_follow *f, struct bl_look *look);
bool bl_follow_wants(struct bl_follow *f, const struct bl_look *look, size_t i);
bool bl_follow_is_between(const struct bl_follow *f, const struct bl_look *look, size_t i);

/* follow_memory.c */
struct bl_left_alone *bl_follow_recall(struct bl_follow *f, const struct bl_file_id *id);
void bl_follow_recall_all(struct bl_follow *f, struct bl_look *look);
void bl_follow_leave(struct bl_follow *f, struct bl_look *look, size_t i);
void bl_follow_leave_copy(struct bl_follow *f, struct bl_look *look, size_t i,
                          const char *of); /* said once */
void bl_follow_ask_again(struct bl_follow *f, struct bl_look *look, size_t i, bool wanted);
void bl_follow_forget_vanished(struct bl_follow *f);

static inline bool bl_follow_is_same_file(const struct bl_file_id *a, const struct bl_file_id *b)
{
    return a->device == b->device && a->inode == b->inode && a->birth_ns == b->birth_ns;
}

#endif
