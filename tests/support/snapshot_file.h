/* snapshot_file.h -- a snapshot's file in one piece, as a reader finds it */
#ifndef BOUNCELINE_TESTS_SNAPSHOT_FILE_H
#define BOUNCELINE_TESTS_SNAPSHOT_FILE_H

#include <stdlib.h>

#include "bounceline/alloc.h"
#include "bounceline/snapshot.h"

/* To be freed by bl_free; aborts without memory. */
static inline char *snapshot_file(const struct bl_snapshot *snapshot, size_t *out_n)
{
    struct bl_snapshot_file file;
    size_t n = 0, at = 0;
    char *bytes;

    if (bl_snapshot_encode(snapshot, &file) != BL_OK)
        abort();
    for (size_t i = 0; i < file.pieces; i++)
        n += file.piece[i].n;
    bytes = bl_malloc(n);
    if (!bytes)
        abort();
    for (size_t i = 0; i < file.pieces; at += file.piece[i++].n)
        if (file.piece[i].n)
            memcpy(bytes + at, file.piece[i].p, file.piece[i].n);
    bl_free(file.memory);
    *out_n = n;
    return bytes;
}

#endif
