/* address.h -- what is known about one recipient address
 *
 * The record behind `suppress show`, and how it is written into Redis: lines of tab-separated text,
 * so that an operator can read it with GET.
 *
 * Shapes     address: normalised by bl_address_normalise, at most BL_ADDRESS_MAX bytes; texts are
 *            NUL-terminated and cut by bl_address_set so that their escaped form, NUL included,
 *            fits the caps below; the text form is at most BL_ADDRESS_TEXT_MAX bytes
 * Units      *_ms: milliseconds since 1970 UTC, 0 if never
 * Ownership  a record is a value with room of its own; parsing copies
 * Threads    values
 * Errors     bl_address_parse: BL_BAD_INPUT, `out` untouched
 * Source     DESIGN 6
 */
#ifndef BOUNCELINE_ADDRESS_H
#define BOUNCELINE_ADDRESS_H

#include "bounceline/err.h"
#include "bounceline/status.h"

enum {
    BL_ADDRESS_MAX = 320, /* RFC 5321: 64 + 1 + 255 */
    BL_ADDRESS_REPLY_MAX = 400,
    BL_ADDRESS_WORD_MAX = 96,  /* category, rule, host, queue id, note, actor */
    BL_ADDRESS_LONG_MAX = 200, /* message-id, sender */
    BL_ADDRESS_FAILURES = 16,
    BL_ADDRESS_SOFT_DAYS = 16,
    BL_ADDRESS_TEXT_MAX = 16384
};

enum bl_address_state {
    BL_ADDRESS_CLEAN,      /* may be mailed; strikes may be remembered */
    BL_ADDRESS_WATCH,      /* may be mailed; soft failures are being counted */
    BL_ADDRESS_SUPPRESSED, /* until a moment */
    BL_ADDRESS_MANUAL,     /* suppressed by a person, without end */
    BL_ADDRESS_COMPLAINT,  /* the recipient complained */
    BL_ADDRESS_EXEMPT,     /* never suppressed automatically */
    BL_ADDRESS_STATES
};

const char *bl_address_state_name(enum bl_address_state state);
bool bl_address_state_blocks(enum bl_address_state state); /* SUPPRESSED, MANUAL, COMPLAINT */

struct bl_address_failure {
    int64_t time_ms;
    uint16_t code;
    bl_status enhanced;
    char category[BL_ADDRESS_WORD_MAX], host[BL_ADDRESS_WORD_MAX], queue_id[BL_ADDRESS_WORD_MAX];
    char message_id[BL_ADDRESS_LONG_MAX], sender[BL_ADDRESS_LONG_MAX];
};

struct bl_address_record {
    uint64_t version; /* 0: no record; each write adds one */
    enum bl_address_state state;
    bool probation; /* removed by hand: the next failure suppresses again */
    bool soft;      /* the suppression came from the soft rule */
    uint32_t strikes;
    int64_t first_ms, last_ms;  /* failures */
    int64_t since_ms, until_ms; /* of the present state; until 0: without end */
    int64_t last_strike_ms, delivered_ms;
    /* the cause of the present or last automatic suppression */
    uint16_t code;
    bl_status enhanced;
    char category[BL_ADDRESS_WORD_MAX], rule[BL_ADDRESS_WORD_MAX], reply[BL_ADDRESS_REPLY_MAX];
    char actor[BL_ADDRESS_WORD_MAX], note[BL_ADDRESS_WORD_MAX]; /* of the last manual change */
    uint32_t soft_day[BL_ADDRESS_SOFT_DAYS]; /* distinct days since 1970 UTC, ascending */
    size_t soft_days;
    struct bl_address_failure failure[BL_ADDRESS_FAILURES]; /* newest first */
    size_t failures;
};

/* Domain lower-cased, and in A-labels (domain.h); local part lower-cased too (as most hosts read
 * it), as far as it is ASCII: of other letters nobody promises that case means nothing.  Control
 * bytes, blanks outside of a quoted local part, a missing '@' or more than BL_ADDRESS_MAX bytes:
 * false.  Quoted local parts that need no quotes lose them.  `out` must hold BL_ADDRESS_MAX + 1
 * bytes; it is NUL-terminated. */
bool bl_address_normalise(bl_slice address, char *out, size_t *out_n);

uint64_t bl_address_hash(bl_slice normalised);

/* CRC16 (XMODEM, as Redis Cluster) of the normalised address, modulo `partitions`. */
unsigned bl_address_partition(bl_slice normalised, unsigned partitions);

/* Copies into a text of a record, cut to its cap; a NUL byte becomes '?'. */
void bl_address_set(char *field, size_t cap, bl_slice text);

/* Text form.  The first line is "1\tVERSION\tSTATE\t...": scripts read the version from it. Parsing
 * takes exactly what bl_address_text writes: text(parse(t)) == t and parse(text(r)) == r. */
size_t bl_address_text(const struct bl_address_record *record, char out[BL_ADDRESS_TEXT_MAX]);
enum bl_code bl_address_parse(bl_slice text, struct bl_address_record *out, bl_err *err);

#endif
