/* identity.h -- is this file the one that was read before?
 *
 * A position carries device, inode, birth time, and hashes of the head and of the bytes before its
 * offset.  The inode alone lies: ext4 gives a freed one out again at once, and copytruncate keeps
 * it for other contents.  A hash of a few bytes lies too: `(in reply to RCPT TO command))` and a
 * newline are 32 bytes that end every second bounce.
 *
 * Shapes     hashes over at most BL_HEAD_BYTES and BL_TAIL_BYTES uncompressed bytes
 * Units      bytes
 * Ownership  borrows
 * Threads    as logfile.h
 * Errors     BL_IDENTITY_UNKNOWN: the file could not be read; ask again later
 * Source     DESIGN 2
 */
#ifndef BOUNCELINE_IDENTITY_H
#define BOUNCELINE_IDENTITY_H

#include "bounceline/framing.h"
#include "bounceline/position.h"
#include "logfile.h"

enum bl_identity { BL_IDENTITY_OTHER, BL_IDENTITY_SAME, BL_IDENTITY_UNKNOWN };

/* Device, inode and, where both sides have one, birth time. */
bool bl_identity_same_inode(const bl_position *position, const struct bl_file_id *id);
void bl_identity_set_inode(bl_position *position, const struct bl_file_id *id);

/* Head and tail of the position are in the file.  Where an archive over 1 MiB states just the
 * length that was read, this and the head decide, and nothing has to be unpacked. */
enum bl_identity bl_identity_matches(struct bl_logfile *file, const bl_position *position);

/* A plain file that is shorter than the position, with its whole head of BL_HEAD_BYTES: an earlier
 * state of what was read. */
bool bl_identity_is_earlier(struct bl_logfile *file, const bl_position *position);

/* The file holds nothing but a piece of what `original` holds, from the start.  *length: how
 * much. */
enum bl_identity bl_identity_copy_of(struct bl_logfile *file, struct bl_logfile *original,
                                     uint64_t *length);

/* As far as the head of both goes.  A packed file of which nothing can be unpacked yet has none,
 * and has therefore the same. */
enum bl_identity bl_identity_same_head(struct bl_logfile *file, struct bl_logfile *original);

/* What a reader that begins in the middle must know of the file. */
struct bl_before {
    char bytes[BL_TAIL_BYTES]; /* the n bytes before the offset */
    size_t n;
    enum bl_frame counted; /* what bl_framing_detect says of the file's begin */
};

/* Moves the position to `offset` of this file: inode, hashes. */
enum bl_code bl_identity_place(struct bl_logfile *file, uint64_t offset, bl_position *position,
                               struct bl_before *before, bl_err *err);

/* For tests only: switches a protection off, or makes reads fail with the errno that comes back. */
extern struct bl_identity_test {
    bool no_tail_check, no_listed_check, no_second_list;
    int (*read_fault)(const char *path);
} bl_identity_test;

#endif
