/* redis_private.h -- the redis-server that comes along when none is configured
 *
 * One per state directory, on a unix socket in it, for any number of commands at once.  The first
 * user starts it, the last one stops it; a server whose users were killed is used by the next one.
 *
 * Shapes     the socket's path must fit sockaddr_un: about 90 bytes for the directory
 * Units      *_ms: milliseconds; *_bytes
 * Ownership  bl_redis_private_close frees
 * Threads    blocking: before the loop runs and after it; `revive` does not wait and may be called
 *            on it
 * Errors     BL_UNAVAILABLE: no redis-server, it ends at once, or does not answer; BL_CONFIG: the
 *            directory; BL_IO: a lock file.  The text says what to do
 * Source     DESIGN 7; flock(2), posix_spawn(3)
 */
#ifndef BOUNCELINE_REDIS_PRIVATE_H
#define BOUNCELINE_REDIS_PRIVATE_H

#include <stdint.h>

#include "bounceline/err.h"

struct bl_redis_private;

/* Starts or joins the server of `state_dir` (made when missing) and waits until it answers, for
 * `wait_ms` without a sign of life; loading its data is one.  `maxmemory_bytes` 0: a quarter of the
 * RAM; it takes effect when the server is started, not when it is joined. */
enum bl_code bl_redis_private_open(struct bl_redis_private **out, const char *state_dir,
                                   uint64_t maxmemory_bytes, uint64_t wait_ms, bl_err *err);

const char *bl_redis_private_socket(const struct bl_redis_private *server);

/* Starts the server again if it is gone (killed for its memory, say), without waiting for it.  For
 * whoever lost the connection, before each new try. */
enum bl_code bl_redis_private_revive(struct bl_redis_private *server, bl_err *err);

/* Stops the server if this is its last user, and waits for its end.  NULL does nothing. */
void bl_redis_private_close(struct bl_redis_private *server);

#endif
