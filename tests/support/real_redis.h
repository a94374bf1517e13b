/* real_redis.h -- a redis-server of the test's own, on a unix socket in a scratch folder */
#ifndef BL_TEST_REAL_REDIS_H
#define BL_TEST_REAL_REDIS_H

#include <stdbool.h>
#include <sys/types.h>

struct redisContext;
struct redisReply;

struct real_redis {
    pid_t pid;
    char folder[64], socket[96];
    struct redisContext *redis; /* the test's own connection */
};

/* False when there is no redis-server to be found. */
bool real_redis_installed(void);

/* Starts it with an append-only file; again, after real_redis_kill, with the data it had. */
void real_redis_start(struct real_redis *server, const char *folder);
void real_redis_kill(struct real_redis *server); /* kill -9 */
void real_redis_signal(struct real_redis *server, int signal);

/* Formats as redisCommand; the reply lives until the next call. */
struct redisReply *real_redis_do(struct real_redis *server, const char *format, ...);
/* of an integer or a text */
long long real_redis_number(struct real_redis *server, const char *format, ...);

#endif
