/* session.h -- Redis, for a command that asks a few things and ends
 *
 * Opens the server named by --redis, or the private one of the state directory (which is started if
 * need be, and stopped by its last user), and reads how the address list is divided.  Calls wait
 * for replies.
 *
 * Shapes     keys: sinks/README.md
 * Units      -
 * Ownership  the caller's storage; replies are the caller's (freeReplyObject)
 * Threads    one at a time
 * Errors     an error reply is BL_UNAVAILABLE with its text, and so is an answer of another shape
 * Source     DESIGN 7
 */
#ifndef BOUNCELINE_SESSION_H
#define BOUNCELINE_SESSION_H

#include <hiredis/hiredis.h>
#include <uv.h>

#include "bounceline/slice.h"
#include "options.h"
#include "redis_conn.h"
#include "redis_keys.h"

struct bl_redis_private;

struct bl_session {
    uv_loop_t loop;
    bool loop_open;
    struct bl_redis_conn *conn;
    struct bl_redis_private *server;
    struct bl_redis_keys keys; /* of where->node; knows the number of partitions */
    bool empty;                /* nothing of bounceline is there yet */
    char place[400];           /* where it is, for people */
    char partitions[24];       /* how many a new dataset gets */
    const char **node;         /* after bl_session_nodes */
    size_t nodes;
    redisReply *node_reply;
};

enum { BL_SESSION_PAGE = 1000 };

/* `begins`: what is not there yet may be begun; else a state directory that is not there is
 * BL_NO_INPUT, since an empty list answers "may be mailed" for everybody. */
enum bl_code bl_session_open(struct bl_session *session, const struct bl_where *where, bool begins,
                             bl_err *err);
void bl_session_close(struct bl_session *session);

/* What an answer must look like, so that nobody who reads it need ask again. */
enum bl_reply_shape {
    BL_REPLY_STATUS,
    BL_REPLY_NUMBER,
    BL_REPLY_VALUE,   /* a text, or nil */
    BL_REPLY_VALUES,  /* a list of these */
    BL_REPLY_TEXTS,   /* a list of texts */
    BL_REPLY_PAGE,    /* of a scan: the next cursor, and a list of texts */
    BL_REPLY_ENTRIES, /* of a stream: a list of pairs, which look like such a page */
    BL_REPLY_LIST     /* of anything: the caller looks at its members himself */
};

/* The arguments end with NULL. */
__attribute__((sentinel)) enum bl_code bl_session_ask(struct bl_session *session,
                                                      enum bl_reply_shape shape, redisReply **out,
                                                      bl_err *err, ...);

enum bl_code bl_session_call(struct bl_session *session, enum bl_reply_shape shape, int argc,
                             const char *const *argv, redisReply **out, bl_err *err);

/* A walk over a hash, a sorted set or all keys, in pages of about BL_SESSION_PAGE, so that Redis is
 * not held up.  What is there all the time comes at least once, whatever changes meanwhile. */
struct bl_scan {
    const char *command;    /* HSCAN, ZSCAN, SCAN */
    const char *key;        /* of the first two */
    const char *match;      /* a pattern, or NULL */
    redisReply *reply;      /* owned */
    const redisReply *page; /* its elements */
};

/* The next page, or false at the end and for what went wrong; then `*rc` says which. */
bool bl_scan_next(struct bl_scan *scan, struct bl_session *session, enum bl_code *rc, bl_err *err);
void bl_scan_release(struct bl_scan *scan);

/* The key of another node than ours. */
bl_redis_key bl_session_node_key(const struct bl_session *session, const char *node,
                                 const char *name);

/* The nodes that were ever seen, or only `where->node` when it was given: fills session->node. When
 * nobody counts under that name, `found` is false and stderr says which there are. */
enum bl_code bl_session_nodes(struct bl_session *session, const struct bl_where *where, bool *found,
                              bl_err *err);

/* Makes `bl:meta` when there is none, as a first claim would: for a list that is begun by hand. */
enum bl_code bl_session_begin(struct bl_session *session, bl_err *err);

/* How many addresses are suppressed now. */
enum bl_code bl_session_suppressed(struct bl_session *session, uint64_t *out, bl_err *err);

static inline bl_slice bl_reply_slice(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS ||
                   reply->type == REDIS_REPLY_ERROR
               ? (bl_slice){reply->str, (size_t)reply->len}
               : (bl_slice){NULL, 0};
}

#endif
