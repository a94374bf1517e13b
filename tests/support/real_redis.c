#include "real_redis.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

bool real_redis_installed(void)
{
    return system("command -v redis-server >/dev/null 2>&1") == 0;
}

static void connect_to(struct real_redis *server)
{
    for (int i = 0; i < 200; i++) {
        redisReply *reply;
        bool ready;

        server->redis = redisConnectUnix(server->socket);
        if (server->redis && !server->redis->err) {
            reply = redisCommand(server->redis, "PING");
            ready = reply && reply->type == REDIS_REPLY_STATUS;
            if (reply)
                freeReplyObject(reply);
            if (ready)
                return;
        }
        if (server->redis)
            redisFree(server->redis);
        server->redis = NULL;
        usleep(20000);
    }
    fprintf(stderr, "redis-server does not answer\n");
    abort();
}

void real_redis_start(struct real_redis *server, const char *folder)
{
    snprintf(server->folder, sizeof server->folder, "%s", folder);
    snprintf(server->socket, sizeof server->socket, "%s/real.sock", folder);
    unlink(server->socket);
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen("/dev/null", "w", stdout))
            _exit(1);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", server->socket,
               "--dir", server->folder, "--appendonly", "yes", "--appendfsync", "no", "--save", "",
               (char *)NULL);
        _exit(1);
    }
    connect_to(server);
}

void real_redis_kill(struct real_redis *server)
{
    if (server->redis)
        redisFree(server->redis);
    server->redis = NULL;
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    server->pid = 0;
}

void real_redis_signal(struct real_redis *server, int signal)
{
    kill(server->pid, signal);
}

static redisReply *last;

static redisReply *run(struct real_redis *server, const char *format, va_list args)
{
    if (last)
        freeReplyObject(last);
    last = redisvCommand(server->redis, format, args);
    if (!last) { /* the connection was killed: once more */
        redisFree(server->redis);
        connect_to(server);
        last = redisCommand(server->redis, "ECHO reconnected");
    }
    return last;
}

redisReply *real_redis_do(struct real_redis *server, const char *format, ...)
{
    va_list args;
    redisReply *reply;

    va_start(args, format);
    reply = run(server, format, args);
    va_end(args);
    return reply;
}

long long real_redis_number(struct real_redis *server, const char *format, ...)
{
    va_list args;
    redisReply *reply;

    va_start(args, format);
    reply = run(server, format, args);
    va_end(args);
    if (reply->type == REDIS_REPLY_INTEGER)
        return reply->integer;
    return reply->str ? strtoll(reply->str, NULL, 10) : 0;
}
