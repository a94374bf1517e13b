/* redis_conn.h -- one connection to Redis, on the loop
 *
 * Connects, says who it is (AUTH, SELECT, PING), then sends commands and hands each reply to its
 * command's callback, in order.  It comes back by itself after a loss, but never repeats a command:
 * whether one was applied, only the owner can find out.
 *
 * Shapes     unix socket, address or name; names are tried address by address
 * Units      *_ms: milliseconds; 0 takes the default named beside it
 * Ownership  the loop's until `done` of bl_redis_close; a reply is lent to its callback (see keep)
 * Threads    the loop's; the process ignores SIGPIPE
 * Errors     a command that cannot be sent is refused at once.  One that was sent gets its callback
 *            exactly once: with the reply (which may be an error reply), or with NULL when the
 *            connection is lost
 * Source     notes on Redis, R1: refused, silent, black hole; Redis protocol
 */
#ifndef BOUNCELINE_REDIS_CONN_H
#define BOUNCELINE_REDIS_CONN_H

#include <uv.h>

#include "bounceline/err.h"
#include "redis_url.h"
#include "resp.h"

struct bl_redis_conn;
struct redisReply; /* <hiredis/hiredis.h> */

enum bl_redis_state {
    BL_REDIS_IDLE,       /* not connected: before a try, or waiting for the next */
    BL_REDIS_CONNECTING, /* name, connect, AUTH, SELECT, PING: all within connect_ms */
    BL_REDIS_READY,
    BL_REDIS_DRAINING, /* lost: the socket is being closed */
    BL_REDIS_CLOSED
};

struct bl_redis_options {
    struct bl_redis_url url;
    uint64_t connect_ms;   /* 2 000 */
    uint64_t command_ms;   /* 5 000: longest wait for a reply while commands are pending */
    uint64_t retry_min_ms; /* 100: doubled at each failure, jittered */
    uint64_t retry_max_ms; /* 10 000 */
    uint64_t denied_ms;    /* 60 000: wait after a refused password or user */
    size_t out_cap_bytes;  /* 96 MiB: commands not yet handed to the kernel */
    bool retry;            /* false: one try; for commands that end */
};

/* All may be NULL.  Any of them, and any reply callback, may call bl_redis_close. */
struct bl_redis_events {
    void (*up)(void *arg);
    /* A connection was lost or a try failed; once per try.  Every pending command had its NULL
     * before. */
    void (*down)(void *arg, enum bl_resp_trouble trouble, const bl_err *why);
};

typedef void bl_redis_reply_fn(void *arg, struct redisReply *reply);

enum bl_code bl_redis_open(struct bl_redis_conn **out, uv_loop_t *loop,
                           const struct bl_redis_options *options,
                           const struct bl_redis_events *events, void *arg, bl_err *err);

/* Idempotent; pending commands get NULL now, `done` comes when the last handle is closed and the
 * conn is gone.  `done` may be NULL. */
void bl_redis_close(struct bl_redis_conn *conn, void (*done)(void *arg), void *arg);

enum bl_redis_state bl_redis_state(const struct bl_redis_conn *conn);

/* Queues a command; the arguments are copied.  BL_UNAVAILABLE unless READY, BL_LIMIT over the cap.
 * After BL_OK the callback comes exactly once, and may have come already when the socket turned out
 * to be dead. */
enum bl_code bl_redis_send(struct bl_redis_conn *conn, const bl_slice *argv, size_t argc,
                           bl_redis_reply_fn *fn, void *arg);

/* Inside a reply callback: the reply is the caller's now (freeReplyObject). */
struct redisReply *bl_redis_keep(struct bl_redis_conn *conn);

size_t bl_redis_pending(const struct bl_redis_conn *conn);   /* commands without a reply */
size_t bl_redis_out_bytes(const struct bl_redis_conn *conn); /* not yet handed to the kernel */

/* Gives this connection up as if it had been lost: the owner does not trust it any more. */
void bl_redis_drop(struct bl_redis_conn *conn, enum bl_resp_trouble trouble, const char *why);

/* For command-line commands: sends and runs the loop until the reply is there.  Waits for the
 * connection first.  `argvlen` may be NULL: the arguments end with NUL.  On BL_OK `*out` is the
 * caller's (freeReplyObject) and may be an error reply; BL_UNAVAILABLE otherwise, with the
 * reason. */
enum bl_code bl_redis_call(struct bl_redis_conn *conn, int argc, const char *const *argv,
                           const size_t *argvlen, struct redisReply **out, bl_err *err);

/* Closes and runs the loop until the connection is gone. */
void bl_redis_close_now(struct bl_redis_conn *conn);

#endif
