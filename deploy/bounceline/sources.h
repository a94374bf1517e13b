/* sources.h -- which logs are read, and how each of them
 *
 * Shapes     patterns as in glob(7); one that matches nothing stands for itself, and is waited for when it
 *            holds no wildcard
 * Units      -
 * Ownership  bl_sources_release; paths are copied
 * Threads    immutable once made
 * Errors     BL_NO_MEMORY; BL_NO_INPUT: no log at all is named
 * Source     glob(3)
 */
#ifndef BOUNCELINE_SOURCES_H
#define BOUNCELINE_SOURCES_H

#include "config.h"

struct bl_sources {
    const char **path;
    const struct bl_config_source **how; /* of each path; of the configuration, which must live as long */
    size_t       n, cap;
    struct bl_config_source given;       /* of what stands on the command line */
    const struct bl_config *config;      /* whose patterns these are; NULL: of none */
};

enum bl_code bl_sources_from_config(struct bl_sources *sources, const struct bl_config *config, bl_err *err);
enum bl_code bl_sources_from_arguments(struct bl_sources *sources, char **path, size_t n, bool from_end, bl_err *err);
void         bl_sources_release(struct bl_sources *sources);

/* Tells of each file that matches a pattern by now, and neither is one of the paths nor the rotated sibling of one.
 * Reads folders: blocks. */
typedef void bl_sources_fn(void *arg, const char *path, const char *pattern);

void bl_sources_find_new(const struct bl_sources *sources, bl_sources_fn *fn, void *arg);

/* How the log at `path` is read: by the path itself, or by that of a rotated sibling that was named. */
const struct bl_config_source *bl_sources_how(const struct bl_sources *sources, const char *path);

#endif
