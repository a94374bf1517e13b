/* postfix.h -- what Postfix prints
 *
 * Every delivery agent, queue manager, cleanup, smtpd and pickup line that the join needs.
 *
 * Shapes     head.body: the line behind the syslog tag, any bytes
 * Units      see record.h
 * Ownership  the record's slices point into the line
 * Threads    pure
 * Errors     none: BL_POSTFIX_OTHER is a line that says nothing about a delivery
 * Source     Postfix src/global/log_adhoc.c, src/smtpd, src/qmgr, src/cleanup (the formats,
 * read) */
#ifndef BOUNCELINE_POSTFIX_H
#define BOUNCELINE_POSTFIX_H

#include "bounceline/record.h"
#include "bounceline/syslog.h"

enum bl_postfix_line {
    BL_POSTFIX_NOT,    /* not a Postfix program */
    BL_POSTFIX_OTHER,  /* Postfix, but no delivery matter */
    BL_POSTFIX_RECORD, /* `out` is filled, but for key, verdict, provider */
    /* looks like a delivery line and is not understood: counted, never dropped in silence */
    BL_POSTFIX_UNPARSED
};

/* The instance of a tag: `postfix-out` of `postfix-out/submission/smtpd`. */
bl_slice bl_postfix_instance(bl_slice program);

/* Fills everything but `key`, `key2`, `verdict` and `provider`; `reply` is what bl_classify wants,
 * and is written for failures only (outcome deferred, bounced, rejected). */
enum bl_postfix_line bl_postfix_read(const bl_syslog *head, bl_record *out, bl_reply *reply);

#endif
