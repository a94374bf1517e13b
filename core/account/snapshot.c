/* The file: 8 bytes of magic, 8 of XXH3 over everything behind them, then fixed-width fields in the
 * machine's own order (the file never leaves the machine), join images with their length before
 * them. Positions stand in their text form, so that there is one reader for them. */
#include "bounceline/snapshot.h"

#include "bounceline/alloc.h"
#include "bounceline/hash.h"

static const char magic[8] = {'b', 'l', 's', 'n', 'a', 'p', '0', '1'};

enum { HEAD_BYTES = 16 };

void bl_snapshot_free(struct bl_snapshot *snapshot)
{
    if (!snapshot)
        return;
    bl_positions_release(&snapshot->positions);
    for (size_t i = 0; i < snapshot->sources; i++)
        bl_free(snapshot->join[i]);
    bl_free(snapshot);
}

/* Of everything but the join images. */
static size_t size_at_most(const struct bl_snapshot *s)
{
    return HEAD_BYTES + 3 * sizeof(uint64_t) +
           s->positions.n * (2 * sizeof(uint64_t) + BL_POSITION_TEXT_MAX) +
           s->sources * 2 * sizeof(uint64_t);
}

static char *put(char *at, const void *bytes, size_t n)
{
    if (n)
        memcpy(at, bytes, n);
    return at + n;
}

static char *put_u64(char *at, uint64_t value)
{
    return put(at, &value, sizeof value);
}

static char *put_positions(char *at, const struct bl_positions *positions)
{
    at = put_u64(at, positions->n);
    for (size_t i = 0; i < positions->n; i++) {
        char text[BL_POSITION_TEXT_MAX];
        size_t n = bl_position_text(&positions->v[i], text);

        at = put_u64(at, positions->v[i].generation);
        at = put_u64(at, n);
        at = put(at, text, n);
    }
    return at;
}

static void add_piece(struct bl_snapshot_file *file, const char *from, size_t n)
{
    file->piece[file->pieces++] = (bl_slice){from, n};
}

/* Of everything behind the checksum. */
static uint64_t checksum_of(const struct bl_snapshot_file *file)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    for (size_t i = 0; i < file->pieces; i++) {
        bl_slice piece = i == 0 ? bl_slice_drop(file->piece[0], HEAD_BYTES) : file->piece[i];

        if (piece.n)
            XXH3_64bits_update(&state, piece.p, piece.n);
    }
    return XXH3_64bits_digest(&state);
}

enum bl_code bl_snapshot_encode(const struct bl_snapshot *s, struct bl_snapshot_file *out)
{
    char *from = bl_malloc(size_at_most(s)), *at;

    if (!from)
        return BL_NO_MEMORY;
    out->memory = from;
    out->pieces = 0;
    at = put_u64(from + HEAD_BYTES, s->dataset);
    at = put_positions(at, &s->positions);
    at = put_u64(at, s->sources);
    for (size_t i = 0; i < s->sources; i++) {
        at = put_u64(at, s->source[i]);
        at = put_u64(at, s->join_n[i]);
        add_piece(out, from, (size_t)(at - from));
        add_piece(out, s->join[i], s->join_n[i]);
        from = at;
    }
    add_piece(out, from, (size_t)(at - from));
    memcpy(out->memory, magic, sizeof magic);
    put_u64(out->memory + sizeof magic, checksum_of(out));
    return BL_OK;
}

static bool take(bl_slice *in, size_t n, bl_slice *out)
{
    if (in->n < n)
        return false;
    *out = bl_slice_head(*in, n);
    *in = bl_slice_drop(*in, n);
    return true;
}

static bool take_u64(bl_slice *in, uint64_t *out)
{
    bl_slice bytes;

    if (!take(in, sizeof *out, &bytes))
        return false;
    memcpy(out, bytes.p, sizeof *out);
    return true;
}

static enum bl_code take_positions(bl_slice *in, struct bl_positions *out)
{
    uint64_t count;

    if (!take_u64(in, &count) || count > BL_GENERATIONS_MAX)
        return BL_BAD_INPUT;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t generation, n;
        bl_slice text;
        bl_position position;
        enum bl_code rc;

        if (!take_u64(in, &generation) || !take_u64(in, &n) || !take(in, n, &text))
            return BL_BAD_INPUT;
        rc = bl_position_parse(generation, text, &position);
        if (rc == BL_OK)
            rc = bl_positions_put(out, &position);
        if (rc != BL_OK)
            return rc;
    }
    return BL_OK;
}

static enum bl_code take_joins(bl_slice *in, struct bl_snapshot *out)
{
    uint64_t sources;

    if (!take_u64(in, &sources) || sources > BL_SOURCES_MAX)
        return BL_BAD_INPUT;
    for (uint64_t i = 0; i < sources; i++) {
        uint64_t source, n;
        bl_slice image;

        if (!take_u64(in, &source) || !take_u64(in, &n) || !take(in, n, &image))
            return BL_BAD_INPUT;
        out->join[i] = bl_malloc(n);
        if (!out->join[i])
            return BL_NO_MEMORY;
        put(out->join[i], image.p, n);
        out->join_n[i] = n;
        out->source[i] = source;
        out->sources = i + 1;
    }
    return in->n == 0 ? BL_OK : BL_BAD_INPUT;
}

enum bl_code bl_snapshot_decode(bl_slice file, struct bl_snapshot **out, bl_err *err)
{
    struct bl_snapshot *snapshot = bl_calloc(1, sizeof *snapshot);
    bl_slice in = file, seen;
    uint64_t checksum;
    enum bl_code rc = BL_BAD_INPUT;

    if (!snapshot)
        return bl_fail(err, BL_NO_MEMORY, 0, "no memory for a snapshot");
    if (!take(&in, sizeof magic, &seen) || memcmp(seen.p, magic, sizeof magic) != 0 ||
        !take_u64(&in, &checksum) || checksum != bl_hash64(in) ||
        !take_u64(&in, &snapshot->dataset))
        goto out;
    rc = take_positions(&in, &snapshot->positions);
    if (rc == BL_OK)
        rc = take_joins(&in, snapshot);
out:
    if (rc != BL_OK) {
        bl_snapshot_free(snapshot);
        return bl_fail(err, rc, 0, "snapshot is damaged or of another version");
    }
    *out = snapshot;
    return BL_OK;
}

bool bl_snapshot_has(const struct bl_snapshot *snapshot, uint64_t source)
{
    for (size_t i = 0; i < snapshot->sources; i++)
        if (snapshot->source[i] == source)
            return true;
    return false;
}

bool bl_snapshot_usable(const struct bl_snapshot *snapshot, const struct bl_positions *slots,
                        size_t n)
{
    for (size_t i = 0; i < snapshot->positions.n; i++) {
        const bl_position *at = &snapshot->positions.v[i];

        for (size_t slot = 0; slot < n && at->offset > 0; slot++) {
            const bl_position *has = bl_positions_find(&slots[slot], at->generation);

            /* What the join told at an end waits no more: a slot that has not got it is behind.  A
             * slot may have forgotten a finished generation (pruned), but one that knows nothing at
             * all is behind everything. */
            if (has ? has->offset < at->offset || has->told_at < at->told_at
                    : !at->finished || slots[slot].n == 0)
                return false;
        }
    }
    return true;
}
