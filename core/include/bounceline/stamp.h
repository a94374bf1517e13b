/* stamp.h -- times in logs
 *
 * Syslog stamps lack the year and the zone.  Both come from a reference: the moment by which the
 * line was there (file mtime, arrival), and the local zone's offsets around it.  The core has no
 * clock and no zone database, so the edge fills them in.
 *
 * Shapes     bl_zone: transitions ascending; the first entry's since_s is INT64_MIN
 * Units      *_s: seconds since 1970 UTC; *_us: microseconds since 1970 UTC; offset: seconds east
 *            of UTC
 * Ownership  values
 * Threads    bl_stamper: one per thread
 * Errors     false when the stamp cannot be read; the slice is untouched
 * Source     RFC 3164 4.1.2, RFC 3339 5.6; the year rule: the latest one that leaves the stamp
 *            at most two days after the reference (clocks differ a little; a line is no younger
 *            than its file), however old that makes it; an hour that the clock shows twice is the
 *            one nearest to the reference, one that it skips is read with the offset before the
 *            step
 */
#ifndef BOUNCELINE_STAMP_H
#define BOUNCELINE_STAMP_H

#include "bounceline/slice.h"

enum { BL_ZONE_STEPS = 8, BL_ZONE_NAME_MAX = 8 };

typedef struct bl_zone {
    size_t n; /* 0 means UTC */
    struct {
        int64_t since_s;
        int32_t offset_s;
    } step[BL_ZONE_STEPS];
    char name[BL_ZONE_STEPS][BL_ZONE_NAME_MAX]; /* "CEST", of each step; may be empty */
} bl_zone;

enum { BL_STAMPER_HEAD = 96 };

/* Reads stamps; remembers the last one it read, and syslog.c the last whole line head, since most
 * lines share them.  What is remembered never changes an answer. */
struct bl_stamper {
    int64_t reference_s; /* set per block */
    bl_zone zone;
    char seen[24]; /* a stamp up to its minute's colon, or a whole one */
    size_t seen_n;
    int64_t seen_s;
    char head[BL_STAMPER_HEAD]; /* stamp, host and the blanks behind them */
    size_t head_n, host_at, host_n;
    size_t fraction_at, fraction_n; /* digits that may differ from line to line */
    int64_t head_us;                /* without the fraction */
    uint64_t head_care; /* one bit for each byte that must not differ; 0: not told by 64 of them */
    uint32_t heads;     /* how many were remembered so far */
    uint8_t head_form;  /* what stands behind it: syslog_read.h */
    size_t plain_n;     /* head_n where that is a tag, else 0 */
    /* the last stamp of a main log without fraction and zone, and its blank; exim_read.h */
    char exim[20];
    bool has_exim;
    int64_t exim_us;
};

void bl_stamper_init(struct bl_stamper *stamper, const bl_zone *zone);

/* Another reference drops what was remembered. */
void bl_stamper_refer(struct bl_stamper *stamper, int64_t reference_s);

/* Takes `Nov 22 05:03:37` (day padded with blank, zero or nothing; 0..9 digits of fraction), also
 * with the year: `Nov 22 2026 05:03:37`, `2026 Nov 22 05:03:37`. */
bool bl_stamp_take_rfc3164(struct bl_stamper *stamper, bl_slice *in, int64_t *time_us);

/* Takes `2026-11-22T05:03:37.532042+00:00`: T or blank, 0..9 digits of fraction, Z, +hh:mm, +hhmm,
 * the latter two also behind a blank, or no zone (then the local one). */
bool bl_stamp_take_rfc3339(struct bl_stamper *stamper, bl_slice *in, int64_t *time_us);

/* Takes `Sun 2026-11-22 05:16:53 CET`, journalctl's short-full: UTC, GMT, an offset or a name of
 * the local zone, which tells apart an hour that the clock shows twice.  Any other name is taken
 * for the local zone. */
bool bl_stamp_take_full(struct bl_stamper *stamper, bl_slice *in, int64_t *time_us);

enum { BL_STAMP_TEXT_MAX = 32 };

/* Writes RFC 3339 in UTC with as many fraction digits (0, 3 or 6) as the value needs;
 * NUL-terminated, returns the length. */
size_t bl_stamp_text(int64_t time_us, char out[BL_STAMP_TEXT_MAX]);

#endif
