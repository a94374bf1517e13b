#include "identity.h"

#include "bounceline/hash.h"

enum { WORTH_SPARING = 1 << 20 };

struct bl_identity_test bl_identity_test;

bool bl_identity_same_inode(const bl_position *p, const struct bl_file_id *id)
{
    return p->device == id->device && p->inode == id->inode &&
           (p->birth_ns == 0 || id->birth_ns == 0 || p->birth_ns == id->birth_ns);
}

void bl_identity_set_inode(bl_position *p, const struct bl_file_id *id)
{
    p->device = id->device;
    p->inode = id->inode;
    p->birth_ns = id->birth_ns;
}

/* Whether the `n` bytes at `offset` have this hash. */
static enum bl_identity has_hash(struct bl_logfile *file, uint64_t offset, size_t n, uint64_t hash)
{
    char bytes[BL_TAIL_BYTES];
    size_t got = 0;
    enum bl_code rc = bl_logfile_read(file, offset, bytes, n, &got, NULL);

    if (rc == BL_BAD_INPUT)
        return BL_IDENTITY_OTHER; /* the archive has no such bytes */
    if (rc != BL_OK)
        return BL_IDENTITY_UNKNOWN;
    return got == n && bl_hash64((bl_slice){bytes, n}) == hash ? BL_IDENTITY_SAME
                                                               : BL_IDENTITY_OTHER;
}

enum bl_identity bl_identity_matches(struct bl_logfile *file, const bl_position *p)
{
    enum bl_identity head;
    uint64_t length;

    _Static_assert(BL_HEAD_BYTES <= BL_TAIL_BYTES, "has_hash() has room for either");
    if (file->packing == BL_PLAIN && file->id.size < p->offset)
        return BL_IDENTITY_OTHER;
    head = has_hash(file, 0, p->head_n, p->head_hash);
    if (head != BL_IDENTITY_SAME || bl_identity_test.no_tail_check)
        return head;
    if (file->packing != BL_PLAIN && p->offset > WORTH_SPARING &&
        bl_logfile_stated_length(file, &length) && (uint32_t)length == (uint32_t)p->offset)
        return BL_IDENTITY_SAME;
    return has_hash(file, p->offset - p->tail_n, p->tail_n, p->tail_hash);
}

bool bl_identity_is_earlier(struct bl_logfile *file, const bl_position *p)
{
    return file->packing == BL_PLAIN && p->head_n == BL_HEAD_BYTES &&
           file->id.size >= BL_HEAD_BYTES && file->id.size < p->offset &&
           has_hash(file, 0, p->head_n, p->head_hash) == BL_IDENTITY_SAME;
}

static enum bl_identity same_bytes(struct bl_logfile *a, struct bl_logfile *b, uint64_t offset,
                                   size_t n)
{
    char left[BL_TAIL_BYTES], right[BL_TAIL_BYTES];
    size_t left_n = 0, right_n = 0;

    if (bl_logfile_read(a, offset, left, n, &left_n, NULL) != BL_OK ||
        bl_logfile_read(b, offset, right, n, &right_n, NULL) != BL_OK)
        return BL_IDENTITY_UNKNOWN;
    return left_n == n && right_n == n && memcmp(left, right, n) == 0 ? BL_IDENTITY_SAME
                                                                      : BL_IDENTITY_OTHER;
}

enum bl_identity bl_identity_same_head(struct bl_logfile *file, struct bl_logfile *original)
{
    char bytes[BL_HEAD_BYTES];
    size_t got = 0;
    enum bl_code rc = bl_logfile_read(file, 0, bytes, sizeof bytes, &got, NULL);

    if (rc == BL_BAD_INPUT)
        return BL_IDENTITY_SAME;
    return rc == BL_OK ? same_bytes(file, original, 0, got) : BL_IDENTITY_UNKNOWN;
}

enum bl_identity bl_identity_copy_of(struct bl_logfile *file, struct bl_logfile *original,
                                     uint64_t *length)
{
    enum bl_identity head;
    uint64_t n;
    size_t edge;

    if (bl_logfile_refresh(original, NULL) != BL_OK)
        return BL_IDENTITY_UNKNOWN;
    if (file->packing == BL_PLAIN && original->packing == BL_PLAIN &&
        file->id.size > original->id.size)
        return BL_IDENTITY_OTHER;
    head = bl_identity_same_head(file, original); /* spares unpacking the rest */
    if (head != BL_IDENTITY_SAME)
        return head;
    if (bl_logfile_length(file, &n) != BL_OK)
        return BL_IDENTITY_UNKNOWN;
    edge = n < BL_TAIL_BYTES ? (size_t)n : BL_TAIL_BYTES;
    *length = n;
    return n ? same_bytes(file, original, n - edge, edge) : BL_IDENTITY_OTHER;
}

enum bl_code bl_identity_place(struct bl_logfile *file, uint64_t offset, bl_position *p,
                               struct bl_before *before, bl_err *err)
{
    size_t edge = offset < BL_TAIL_BYTES ? (size_t)offset : BL_TAIL_BYTES, got = 0;
    enum bl_code rc = bl_logfile_read(file, 0, before->bytes, edge, &got, err);

    if (rc == BL_OK && got == edge) {
        p->head_n = (uint32_t)edge;
        p->head_hash = bl_hash64((bl_slice){before->bytes, edge});
        before->counted = bl_framing_detect((bl_slice){before->bytes, edge});
        rc = bl_logfile_read(file, offset - edge, before->bytes, edge, &got, err);
    }
    if (rc == BL_OK && got != edge)
        rc = bl_fail(err, BL_BAD_INPUT, 0, "'%s' is shorter than it was", file->path);
    if (rc != BL_OK)
        return rc;
    p->offset = offset;
    p->tail_n = (uint32_t)edge;
    p->tail_hash = bl_hash64((bl_slice){before->bytes, edge});
    bl_identity_set_inode(p, &file->id);
    before->n = edge;
    return BL_OK;
}
