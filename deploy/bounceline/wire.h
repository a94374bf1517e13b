/* wire.h -- the daemon: tail, pipeline, stage and store put together
 *
 * The only file that knows both a tailer and Redis.
 *
 * Shapes     -
 * Units      *_ms: milliseconds
 * Ownership  options are borrowed for the whole run
 * Threads    the calling thread becomes the loop thread
 * Errors     an exit code as in sysexits.h; what went wrong was logged
 * Source     DESIGN 1, 2, 3
 */
#ifndef BL_WIRE_H
#define BL_WIRE_H

#include "config.h"
#include "redis_private.h"
#include "redis_url.h"
#include "rules_set.h"
#include "state.h"

struct bl_sources;

struct bl_daemon_options {
    const struct bl_config *config;
    const struct bl_rules *rules; /* taken over: the daemon frees them */
    /* Reads the configuration again; in libuv's pool. */
    enum bl_code (*reread)(void *arg, struct bl_config **out, bl_err *err);
    void *reread_arg;
    struct bl_rules_paths rules_given; /* on the command line: the configuration's do not count */
    bool level_given;                  /* on the command line: the configuration's does not count */
    struct bl_sources *sources;        /* taken over: the daemon frees them */
    bool sources_given;                /* on the command line: the configuration's do not count */
    bool once;
    unsigned workers; /* at least 1 */
    struct bl_redis_url redis;
    struct bl_redis_private *own_redis; /* the private server behind `redis`, or NULL */
    const char *node;
    struct bl_state *state;
    uint64_t patience_ms; /* once: how long to wait for Redis */
    /* a log that a pattern brought goes when it was gone, and quiet, for so long */
    uint64_t vacant_ms;
    bool no_fence, no_slot_positions; /* negative controls of the tests */
};

int bl_daemon_run(const struct bl_daemon_options *options);

#endif
