/* snapshot.h -- the join and the positions it belongs to
 *
 * Written to the state directory every few seconds, several kept; also the local copy of positions
 * for the day Redis comes back empty.
 *
 * Shapes     one join image per source; text of the file: magic, checksum, then fields in fixed
 *            order
 * Units      bytes
 * Ownership  bl_snapshot_free frees everything in it; a file's pieces live as long as its snapshot
 * Threads    handed over whole
 * Errors     bl_snapshot_decode: BL_BAD_INPUT for anything damaged
 * Source     DESIGN 2
 */
#ifndef BOUNCELINE_SNAPSHOT_H
#define BOUNCELINE_SNAPSHOT_H

#include "bounceline/position.h"

struct bl_snapshot {
    uint64_t dataset;
    struct bl_positions positions;
    size_t sources;
    uint64_t source[BL_SOURCES_MAX]; /* bl_hash64 of each source's path */
    char *join[BL_SOURCES_MAX];
    size_t join_n[BL_SOURCES_MAX];
};

/* The file in pieces, to be written one behind the other: a join may be a hundred megabytes, and is
 * not copied. */
struct bl_snapshot_file {
    char *memory; /* of the pieces that are not the snapshot's own: bl_free */
    bl_slice piece[1 + 2 * BL_SOURCES_MAX];
    size_t pieces;
};

void bl_snapshot_free(struct bl_snapshot *snapshot);
enum bl_code bl_snapshot_encode(const struct bl_snapshot *snapshot, struct bl_snapshot_file *out);
enum bl_code bl_snapshot_decode(bl_slice file, struct bl_snapshot **out, bl_err *err);

/* Does it hold the join of this source?  If not, its positions of the source are only a copy of
 * what slots had. */
bool bl_snapshot_has(const struct bl_snapshot *snapshot, uint64_t source);

/* True when no slot is behind the snapshot anywhere. */
bool bl_snapshot_usable(const struct bl_snapshot *snapshot, const struct bl_positions *slots,
                        size_t n);

#endif
