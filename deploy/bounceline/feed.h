/* feed.h -- the stream of changes of the suppression list, page by page
 *
 * Shapes     entries oldest first within a partition, one partition behind the other; fields that
 *            an entry lacks are empty; `noted` entries are for other hosts and left out.  In Redis:
 *            a ADDRESS c CHANGE d DETAIL, and the detail is, with TABs between, version, state,
 *            category, until_ms, time_ms, node, rule, host or actor, reply or note
 * Units      *_ms: milliseconds since 1970 UTC
 * Ownership  an entry borrows from the page, valid during the call
 * Threads    one at a time
 * Errors     those of the session
 * Source     sinks/address.lua
 */
#ifndef BOUNCELINE_FEED_H
#define BOUNCELINE_FEED_H

#include "session.h"

struct bl_feed_entry {
    bl_slice address, change, state, category, node;
    bl_slice rule, reply, host; /* of a verdict */
    bl_slice actor, note;       /* of a change by hand */
    int64_t written_ms;         /* when Redis got it */
    int64_t time_ms;            /* by the log's clock; written_ms when it does not say */
    int64_t until_ms;           /* 0: without end, or may be mailed */
    uint64_t version;
};

typedef bool bl_feed_fn(void *arg, const struct bl_feed_entry *entry); /* false: no more */

/* Entries written since `from_ms`; of one partition, or of all (BL_FEED_ALL). */
enum { BL_FEED_ALL = -1 };

enum bl_code bl_feed_read(struct bl_session *session, int partition, int64_t from_ms,
                          bl_feed_fn *fn, void *arg, bl_err *err);

#endif
