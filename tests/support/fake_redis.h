/* fake_redis.h -- a server that speaks just enough Redis to misbehave on request
 *
 * Lives on the test's own loop, so a test decides what happens between any two bytes. */
#ifndef BL_TEST_FAKE_REDIS_H
#define BL_TEST_FAKE_REDIS_H

#include <uv.h>

#include "bounceline/slice.h"

struct fake_redis;
struct fake_client;

/* One command arrived.  Answer with fake_say, or don't. */
typedef void fake_command_fn(void *arg, struct fake_client *client, const bl_slice *argv,
                             size_t argc);

/* Listens on a unix socket, or with path NULL on 127.0.0.1; `*port` then says where. */
struct fake_redis *fake_redis_start(uv_loop_t *loop, const char *path, unsigned *port,
                                    fake_command_fn *fn, void *arg);
void fake_say(struct fake_client *client, const char *bytes, size_t n);
void fake_say_text(struct fake_client *client, const char *text);
void fake_hang_up(struct fake_client *client);
size_t fake_connections(const struct fake_redis *fake); /* accepted so far */

/* Closes everything and runs the loop until it is gone. */
void fake_redis_stop(struct fake_redis *fake);

/* A folder for sockets and files of one test; removed with everything in it. */
void scratch_make(char *path, size_t n);
void scratch_remove(const char *path);

#endif
