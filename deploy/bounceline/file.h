/* file.h -- files that people name: a small one as a whole, a log to be read once
 *
 * What blocks or never ends is refused before it is read: a FIFO, a device, a directory.  /dev/null
 * is an empty file.  A log may also be what the process has open already: /dev/stdin, and
 * /dev/fd/63 of a shell's <(...).
 *
 * Shapes     -
 * Units      bytes
 * Ownership  the text is the caller's, by bl_free; so is the descriptor
 * Threads    any; blocks as files do
 * Errors     BL_NO_INPUT: cannot be opened, or is no file; BL_LIMIT: longer than max_bytes; BL_IO;
 *            BL_NO_MEMORY
 * Source     -
 */
#ifndef BOUNCELINE_FILE_H
#define BOUNCELINE_FILE_H

#include <stddef.h>
#include <sys/stat.h>

#include "bounceline/err.h"

enum bl_code bl_file_read(const char *path, size_t max_bytes, char **out, size_t *out_n,
                          bl_err *err);
enum bl_code bl_file_open_log(const char *path, int *out, struct stat *st, bl_err *err);

#endif
