/* One small state machine over three decoders.  The packed ones read through an input buffer; a
 * plain file is read straight into the caller's memory, after the few bytes that were taken to look
 * at its magic.  What a damaged archive gave before the damage is handed out first, the error with
 * the next read: a log that was cut off is still worth its whole lines. */
#include "unpack.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#include "bounceline/alloc.h"

enum {
    IN_BYTES = 128 << 10,
    SKIP_BYTES = 64 << 10 /* unpacked at a time on the way to an offset */
};

struct bl_unpack {
    int fd;
    enum bl_packing packing;
    bool sniffed;  /* the magic was seen whole, or the file ended before */
    bool in_frame; /* inside a gzip member or zstd frame: the end now would be damage */
    bool damaged;  /* say so at the next read */
    bool ended;
    char name[200];
    z_stream gz;
    bool gz_ready;
    ZSTD_DStream *zstd;
    size_t in_at, in_n;
    char in[IN_BYTES];
};

/* read(2) that rides out signals and a descriptor somebody made non-blocking. */
static enum bl_code read_some(struct bl_unpack *u, char *out, size_t n, size_t *got, bl_err *err)
{
    for (;;) {
        ssize_t r = read(u->fd, out, n);

        if (r >= 0) {
            *got = (size_t)r;
            return BL_OK;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd ready = {.fd = u->fd, .events = POLLIN};

            (void)poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            return bl_fail(err, BL_IO, errno, "cannot read '%s'", u->name);
        }
    }
}

static enum bl_code refill(struct bl_unpack *u, bl_err *err)
{
    u->in_at = 0;
    u->in_n = 0;
    return read_some(u, u->in, sizeof u->in, &u->in_n, err);
}

enum bl_packing bl_unpack_by_magic(const char *p, size_t n)
{
    if (n >= 3 && memcmp(p, "\x1f\x8b\x08", 3) == 0)
        return BL_GZIP;
    if (n >= 4 && memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0)
        return BL_ZSTD;
    if (n >= 4 && memcmp(p,
                         "\xfd"
                         "7zX",
                         4) == 0)
        return BL_XZ;
    if (n >= 4 && memcmp(p, "BZh", 3) == 0 && p[3] >= '1' && p[3] <= '9')
        return BL_BZIP2;
    return BL_PLAIN;
}

enum bl_code bl_unpack_can_read(enum bl_packing packing, const char *name, bl_err *err)
{
    const char *by = packing == BL_XZ ? "xz" : packing == BL_BZIP2 ? "bzip2" : NULL;

    return by ? bl_fail(err, BL_BAD_INPUT, 0,
                        "'%s' is packed by %s, which is not read: unpack it first (%s -dc)", name,
                        by, by)
              : BL_OK;
}

static enum bl_code start_decoder(struct bl_unpack *u, bl_err *err)
{
    if (u->packing == BL_GZIP) {
        /* 16: gzip framing, which the decoder checks to the last byte. */
        if (inflateInit2(&u->gz, 16 + MAX_WBITS) != Z_OK)
            return bl_fail(err, BL_NO_MEMORY, 0, "cannot unpack '%s': out of memory", u->name);
        u->gz_ready = true;
    } else if (u->packing == BL_ZSTD) {
        u->zstd = ZSTD_createDStream();
        if (!u->zstd)
            return bl_fail(err, BL_NO_MEMORY, 0, "cannot unpack '%s': out of memory", u->name);
    }
    u->in_frame = u->packing != BL_PLAIN;
    return BL_OK;
}

/* Looks at the first bytes.  A pipe may give them one by one. */
static enum bl_code sniff(struct bl_unpack *u, bl_err *err)
{
    enum bl_code readable;

    while (u->in_n < BL_UNPACK_MAGIC) {
        size_t got = 0;
        enum bl_code rc = read_some(u, u->in + u->in_n, BL_UNPACK_MAGIC - u->in_n, &got, err);

        if (rc != BL_OK)
            return rc;
        if (got == 0)
            break;
        u->in_n += got;
    }
    if (u->in_n == 0)
        return BL_OK; /* empty for now; a log that is about to be written */
    u->sniffed = true;
    u->packing = bl_unpack_by_magic(u->in, u->in_n);
    readable = bl_unpack_can_read(u->packing, u->name, err);
    return readable == BL_OK ? start_decoder(u, err) : readable;
}

enum bl_code bl_unpack_open(struct bl_unpack **out, int fd, const char *name, bl_err *err)
{
    struct bl_unpack *u = bl_calloc(1, sizeof *u);
    enum bl_code rc;

    if (!u) {
        close(fd);
        return bl_fail(err, BL_NO_MEMORY, 0, "cannot open '%s': out of memory", name);
    }
    u->fd = fd;
    strncpy(u->name, name, sizeof u->name - 1);
    rc = sniff(u, err);
    if (rc != BL_OK) {
        bl_unpack_close(u);
        return rc;
    }
    *out = u;
    return BL_OK;
}

void bl_unpack_close(struct bl_unpack *u)
{
    if (!u)
        return;
    if (u->gz_ready)
        inflateEnd(&u->gz);
    ZSTD_freeDStream(u->zstd);
    close(u->fd);
    bl_free(u);
}

enum bl_packing bl_unpack_packing(const struct bl_unpack *u)
{
    return u->packing;
}

static enum bl_code read_plain(struct bl_unpack *u, char *out, size_t n, size_t *got, bl_err *err)
{
    size_t left = u->in_n - u->in_at;
    enum bl_code rc;

    if (left == 0)
        return read_some(u, out, n, got, err);
    if (left > n)
        left = n;
    memcpy(out, u->in + u->in_at, left);
    u->in_at += left;
    *got = left;
    if (left < n) {
        size_t more = 0;

        rc = read_some(u, out + left, n - left, &more, err);
        if (rc == BL_OK)
            *got += more;
    }
    return BL_OK; /* an error, if it lasts, comes again with the next read */
}

/* One step of inflate.  Between members only another member or zero padding (tapes, and gzip itself
 * lets it pass) may follow. */
static bool step_gzip(struct bl_unpack *u, char *out, size_t n, size_t *made)
{
    int rc;

    if (!u->in_frame) {
        while (u->in_at < u->in_n && u->in[u->in_at] == 0)
            u->in_at++;
        if (u->in_at == u->in_n)
            return true;
        if (inflateReset(&u->gz) != Z_OK)
            return false;
        u->in_frame = true;
    }
    u->gz.next_in = (unsigned char *)u->in + u->in_at;
    u->gz.avail_in = (unsigned)(u->in_n - u->in_at);
    u->gz.next_out = (unsigned char *)out;
    u->gz.avail_out = (unsigned)n;
    rc = inflate(&u->gz, Z_NO_FLUSH);
    u->in_at = u->in_n - u->gz.avail_in;
    *made = n - u->gz.avail_out;
    if (rc == Z_STREAM_END)
        u->in_frame = false;
    return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR;
}

static bool step_zstd(struct bl_unpack *u, char *out, size_t n, size_t *made)
{
    ZSTD_inBuffer in = {u->in, u->in_n, u->in_at};
    ZSTD_outBuffer to = {out, n, 0};
    size_t rc = ZSTD_decompressStream(u->zstd, &to, &in);

    u->in_at = in.pos;
    *made = to.pos;
    if (ZSTD_isError(rc))
        return false;
    u->in_frame = rc != 0; /* 0: a frame ended here; another may follow */
    return true;
}

static enum bl_code read_packed(struct bl_unpack *u, char *out, size_t n, size_t *got, bl_err *err)
{
    size_t have = 0;

    while (have < n && !u->damaged && !u->ended) {
        size_t made = 0, was_at = u->in_at;
        bool ok;

        if (u->in_at == u->in_n) {
            enum bl_code rc = refill(u, err);

            if (rc != BL_OK)
                return rc;
            was_at = 0;
            if (u->in_n == 0) {
                /* zstd may still hold output when its input is used up; it then asks for nothing
                 * and gives it below, so the end is only the end when nothing comes any more. */
                ok = u->packing == BL_ZSTD && u->in_frame &&
                     step_zstd(u, out + have, n - have, &made);
                have += made;
                if (ok && made > 0)
                    continue;
                if (u->in_frame)
                    u->damaged = true;
                else
                    u->ended = true;
                break;
            }
        }
        ok = u->packing == BL_GZIP ? step_gzip(u, out + have, n - have, &made)
                                   : step_zstd(u, out + have, n - have, &made);
        have += made;
        if (!ok || (made == 0 && u->in_at == was_at))
            u->damaged = true; /* or no step forward: a decoder that would turn for ever */
    }
    *got = have;
    if (have == 0 && u->damaged)
        return bl_fail(err, BL_BAD_INPUT, 0, "archive '%s' is damaged or cut off", u->name);
    return BL_OK;
}

enum bl_code bl_unpack_read(struct bl_unpack *u, char *out, size_t n, size_t *got, bl_err *err)
{
    /* What was empty when it was opened is sniffed here, and refused again by the next read. */
    enum bl_code rc = u->sniffed ? bl_unpack_can_read(u->packing, u->name, err) : sniff(u, err);

    *got = 0;
    if (rc != BL_OK || !u->sniffed)
        return rc;
    if (u->packing == BL_PLAIN)
        return read_plain(u, out, n, got, err);
    return read_packed(u, out, n, got, err);
}

static enum bl_code pass_over(struct bl_unpack *u, uint64_t n, bl_err *err)
{
    char *scrap = bl_malloc(SKIP_BYTES);
    enum bl_code rc = BL_OK;

    if (!scrap)
        return bl_fail(err, BL_NO_MEMORY, 0, "cannot unpack '%s': out of memory", u->name);
    while (n > 0 && rc == BL_OK) {
        size_t got = 0;

        rc = bl_unpack_read(u, scrap, n < SKIP_BYTES ? (size_t)n : SKIP_BYTES, &got, err);
        if (rc == BL_OK && got == 0)
            rc = bl_fail(err, BL_BAD_INPUT, 0, "'%s' ends before the offset asked for", u->name);
        n -= got;
    }
    bl_free(scrap);
    return rc;
}

enum bl_code bl_unpack_seek(struct bl_unpack *u, uint64_t offset, bl_err *err)
{
    if (u->packing == BL_PLAIN && lseek(u->fd, (off_t)offset, SEEK_SET) >= 0) {
        u->in_at = u->in_n;
        return BL_OK;
    }
    return pass_over(u, offset, err);
}
