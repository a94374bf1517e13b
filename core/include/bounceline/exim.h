/* exim.h -- what Exim prints
 *
 * Every line of Exim's main log that the join needs, as a file or inside of syslog.
 *
 * Shapes     line: any bytes.  head.body: the line behind the syslog tag, or behind the stamp of a
 *            main log file; Exim's own stamp and pid may stand in front of it
 * Units      see record.h
 * Ownership  the record's slices point into the line, into `room`, or are constants
 * Threads    pure but for `room` and the stamper
 * Errors     none: BL_EXIM_OTHER is a line that says nothing about a delivery
 * Source     Exim src/deliver.c, src/receive.c, src/log.c, src/acl.c, src/transports/smtp.c (the
 *            formats, read)
 */
#ifndef BOUNCELINE_EXIM_H
#define BOUNCELINE_EXIM_H

#include "bounceline/record.h"
#include "bounceline/syslog.h"

enum bl_exim_line {
    BL_EXIM_OTHER,  /* no delivery matter */
    BL_EXIM_RECORD, /* `out` is filled, but for key, verdict, provider */
    /* looks like a delivery line and is not understood: counted, never dropped in silence */
    BL_EXIM_UNPARSED
};

enum { BL_EXIM_SERVICES = 4 };

/* Where texts go that cannot stand as they were logged: replies without Exim's escapes,
 * `exim/remote_smtp`. What a line needs is never longer than the line; without room, texts stay as
 * they were logged. */
typedef struct bl_exim_room {
    char *p; /* the next free byte */
    size_t left;
    bl_slice service[BL_EXIM_SERVICES]; /* written lately */
    unsigned next;
} bl_exim_room;

/* A line of a main log file: stamp, then `[pid]`, id and symbol as far as they are there.  False
 * when it is something else, a syslog line with the same stamp for one. */
bool bl_exim_head(bl_slice line, struct bl_stamper *stamper, bl_syslog *out);

/* A name that `syslog_processname` may have given: it holds "exim". */
bool bl_exim_is_program(bl_slice program);

/* Whether `reply` is to be classified. */
static inline bool bl_exim_is_failure(const bl_record *record)
{
    return (record->kind == BL_RECORD_DELIVERY || record->kind == BL_RECORD_REJECT) &&
           (record->outcome == BL_DEFERRED || record->outcome == BL_BOUNCED ||
            record->outcome == BL_EXPIRED || record->outcome == BL_REJECTED);
}

/* Fills everything but `key`, `key2`, `verdict` and `provider`; `reply` is what bl_classify wants,
 * and is written for failures only.  A cut-through delivery is BL_RECORD_HELD, a part of a record
 * BL_RECORD_PIECE: the join asks again when it has the rest. */
enum bl_exim_line bl_exim_read(const bl_syslog *head, bl_exim_room *room, bl_record *out,
                               bl_reply *reply);
enum bl_exim_line bl_exim_read_again(const bl_syslog *head, bl_exim_room *room, bl_record *out,
                                     bl_reply *reply);

#endif
