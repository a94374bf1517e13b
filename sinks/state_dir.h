/* state_dir.h -- the directory where a daemon keeps what must survive it
 *
 * Shapes     paths up to PATH_MAX
 * Units      -
 * Ownership  the caller's storage
 * Threads    any
 * Errors     BL_CONFIG: it cannot be made, is no directory, or anybody may write into it; with the
 *            path
 * Source     DESIGN 7
 */
#ifndef BOUNCELINE_STATE_DIR_H
#define BOUNCELINE_STATE_DIR_H

#include <limits.h>

#include "bounceline/err.h"

/* Makes the directory, and those above it, for this user alone (0700) unless it is there; one that
 * is there keeps its mode.  `out` gets its absolute path, without links. */
enum bl_code bl_state_dir_make(const char *path, char out[PATH_MAX], bl_err *err);

#endif
