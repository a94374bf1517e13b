/* sources.h -- which logs are followed, and how each of them
 *
 * What is named are paths and patterns.  A path is waited for until there is a log.  A pattern is
 * looked through again and again: a log that matches later is followed, too, and from its start,
 * whatever `from` says, for it was not there before.  A log stays as long as what brought it is
 * named, also while a rotation leaves its name empty; one that a pattern brought goes when it is
 * `vacant`.
 *
 * Shapes     patterns as in glob(7); at most BL_SOURCES_MAX logs, those first that are followed
 *            already
 * Units      -
 * Ownership  as usual; everything is copied
 * Threads    a set does not change once looked up, but for `vacant` and `logs`, which are the
 *            loop's
 * Errors     BL_NO_MEMORY; BL_USAGE: what is named cannot be a log
 * Source     glob(3)
 */
#ifndef BOUNCELINE_SOURCES_H
#define BOUNCELINE_SOURCES_H

#include "config.h"
#include "siblings.h"

struct bl_named {
    char *text;
    bool is_pattern, from_end;
    bool known_only; /* trust: join */
};

struct bl_source {
    char *path;   /* bl_log.path */
    bool alone;   /* bl_log.alone */
    size_t named; /* what brought it */
    bool is_new;  /* was not in the set before */
    bool vacant;  /* nothing of it is there any more */
};

struct bl_sources {
    struct bl_named *named;
    size_t named_n;
    struct bl_source *v;
    struct bl_log *logs; /* the same in the same order, for bl_tail_follow */
    size_t n;
    size_t over; /* logs that match and are not followed, for want of room */
};

/* What is named, and no logs yet. */
enum bl_code bl_sources_of_config(struct bl_sources **out, const struct bl_config *config,
                                  bl_err *err);
enum bl_code bl_sources_of_arguments(struct bl_sources **out, char *const *path, size_t n,
                                     bool from_end, bl_err *err);
enum bl_code bl_sources_of_same(struct bl_sources **out, const struct bl_sources *like,
                                bl_err *err);

/* Finds the logs there are now, going on with those of `before` (NULL: there was nothing).
 * Blocks. */
enum bl_code bl_sources_look(struct bl_sources *sources, const struct bl_sources *before,
                             bl_err *err);

/* Does one name, or follow, anything that the other does not? */
bool bl_sources_differ(const struct bl_sources *a, const struct bl_sources *b);
/* Is a log of this path among them? */
bool bl_sources_has(const struct bl_sources *sources, const char *path);

void bl_sources_free(struct bl_sources *sources);

#endif
