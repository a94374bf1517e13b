/* siblings.h -- which files belong to a log, and in which order they were written
 *
 * A log is a path; rotation leaves siblings beside it (rotated.h).
 *
 * Shapes     at most BL_SIBLINGS_MAX files are looked at
 * Units      -
 * Ownership  release frees what the struct holds
 * Threads    bl_siblings_list blocks: libuv's pool
 * Errors     BL_NO_MEMORY, BL_LIMIT; a folder that is not there is an empty list
 * Source     rotated.h
 */
#ifndef BOUNCELINE_SIBLINGS_H
#define BOUNCELINE_SIBLINGS_H

#include "bounceline/position.h"
#include "logfile.h"
#include "rotated.h"

enum { BL_SIBLINGS_MAX = BL_LOG_FILES_MAX };

/* A log as named on the command line. */
struct bl_log {
    char *path;   /* absolute; that of the file being written */
    char **named; /* the files of it that were named, absolute */
    size_t named_n;
    bool alone;    /* only its siblings were named, not the log: nothing else is looked at */
    bool from_end; /* at first sight: begin at the end; this and the next are the owner's to set */
    bool may_end;  /* is given up when no file of it is left (tail.h: vacant_ms) */
};

/* Folds paths into logs, in the order named: rotated names into that of the log, when it is named
 * too, or exists, or is shared by several of them.  Of a log that was not named itself only the
 * named files are read.  *out is freed by bl_siblings_free_logs.  `of`: room for n numbers, the log
 * of each path; or NULL. */
enum bl_code bl_siblings_fold(const char *const *paths, size_t n, struct bl_log **out,
                              size_t *out_n, size_t *of, bl_err *err);
void bl_siblings_free_logs(struct bl_log *logs, size_t n);
void bl_siblings_release_log(struct bl_log *log);

struct bl_sibling {
    char *path;
    bool live; /* it is at the log's own path */
    bool named;
    struct bl_rotated rotated;
    struct bl_file_id id;
};

struct bl_siblings {
    struct bl_sibling *v;
    size_t n, cap;
    enum bl_code live_code; /* what looking at the log's own path gave */
    int live_sys;
    bool moved; /* names changed until the end: a file may be missing */
};

/* The files that are there now, each inode once, oldest first. */
enum bl_code bl_siblings_list(const struct bl_log *log, struct bl_siblings *out, bl_err *err);
void bl_siblings_release(struct bl_siblings *list);

#endif
