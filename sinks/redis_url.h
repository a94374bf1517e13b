/* redis_url.h -- where Redis is
 *
 * `unix:/path`, `redis://[user[:password]@]host[:port][/db]`; `rediss://` is refused with what to
 * do.
 *
 * Shapes     percent-encoding in user and password
 * Units      -
 * Ownership  a value
 * Threads    pure
 * Errors     BL_USAGE with what is wrong
 * Source     the redis URI scheme of the provisional IANA registration
 */
#ifndef BOUNCELINE_REDIS_URL_H
#define BOUNCELINE_REDIS_URL_H

#include <stdbool.h>

#include "bounceline/err.h"

struct bl_redis_url {
    bool unix_socket;
    char path[108]; /* of the socket */
    char host[256];
    unsigned port; /* 6379 */
    unsigned db;
    char user[128], password[256]; /* empty: none */
};

enum bl_code bl_redis_url_parse(const char *text, struct bl_redis_url *out, bl_err *err);

/* For people: without the password. */
void bl_redis_url_text(const struct bl_redis_url *url, char *out, size_t n);

#endif
