#include "session.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounceline/alloc.h"
#include "bounceline/batch.h"
#include "redis_private.h"
#include "text.h"

enum { ARGUMENTS_MAX = 16, PRIVATE_WAIT_MS = 30000 };

/* ---- calls ---- */

static bool is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING;
}

static bool is_value(const redisReply *reply)
{
    return is_text(reply) || reply->type == REDIS_REPLY_NIL;
}

static bool is_list_of(const redisReply *reply, bool (*is)(const redisReply *reply))
{
    if (reply->type != REDIS_REPLY_ARRAY)
        return false;
    for (size_t i = 0; i < reply->elements; i++)
        if (!is(reply->element[i]))
            return false;
    return true;
}

static bool is_page(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && is_text(reply->element[0]) &&
           is_list_of(reply->element[1], is_text);
}

static bool has_shape(const redisReply *reply, enum bl_reply_shape shape)
{
    switch (shape) {
    case BL_REPLY_STATUS:
        return reply->type == REDIS_REPLY_STATUS;
    case BL_REPLY_NUMBER:
        return reply->type == REDIS_REPLY_INTEGER;
    case BL_REPLY_VALUE:
        return is_value(reply);
    case BL_REPLY_VALUES:
        return is_list_of(reply, is_value);
    case BL_REPLY_TEXTS:
        return is_list_of(reply, is_text);
    case BL_REPLY_PAGE:
        return is_page(reply);
    case BL_REPLY_ENTRIES:
        return is_list_of(reply, is_page);
    case BL_REPLY_LIST:
        return reply->type == REDIS_REPLY_ARRAY;
    }
    return false;
}

enum bl_code bl_session_call(struct bl_session *session, enum bl_reply_shape shape, int argc,
                             const char *const *argv, redisReply **out, bl_err *err)
{
    redisReply *reply = NULL;
    enum bl_code rc = bl_redis_call(session->conn, argc, argv, NULL, &reply, err);

    if (rc != BL_OK)
        return rc;
    if (reply->type == REDIS_REPLY_ERROR)
        rc = bl_fail(err, BL_UNAVAILABLE, 0, "Redis refuses %s: %.*s", argv[0], (int)reply->len,
                     reply->str);
    else if (!has_shape(reply, shape))
        rc = bl_fail(err, BL_UNAVAILABLE, 0, "Redis answers %s with something else", argv[0]);
    if (rc == BL_OK)
        *out = reply;
    else
        freeReplyObject(reply);
    return rc;
}

enum bl_code bl_session_ask(struct bl_session *session, enum bl_reply_shape shape, redisReply **out,
                            bl_err *err, ...)
{
    const char *argv[ARGUMENTS_MAX];
    va_list args;
    int argc = 0;

    va_start(args, err);
    while (argc < ARGUMENTS_MAX && (argv[argc] = va_arg(args, const char *)))
        argc++;
    va_end(args);
    return bl_session_call(session, shape, argc, argv, out, err);
}

bool bl_scan_next(struct bl_scan *scan, struct bl_session *session, enum bl_code *rc, bl_err *err)
{
    const char *cursor = scan->reply ? scan->reply->element[0]->str : "0",
               *argv[7] = {scan->command};
    redisReply *reply = NULL;
    char count[16];
    int argc = 1;

    if (scan->reply && strcmp(cursor, "0") == 0)
        return false;
    snprintf(count, sizeof count, "%d", BL_SESSION_PAGE);
    if (scan->key)
        argv[argc++] = scan->key;
    argv[argc++] = cursor;
    argv[argc++] = "COUNT";
    argv[argc++] = count;
    if (scan->match) {
        argv[argc++] = "MATCH";
        argv[argc++] = scan->match;
    }
    *rc = bl_session_call(session, BL_REPLY_PAGE, argc, argv, &reply, err);
    bl_scan_release(scan);
    if (*rc != BL_OK)
        return false;
    scan->reply = reply;
    scan->page = reply->element[1];
    return true;
}

void bl_scan_release(struct bl_scan *scan)
{
    if (scan->reply)
        freeReplyObject(scan->reply);
    scan->reply = NULL;
}

bl_redis_key bl_session_node_key(const struct bl_session *session, const char *node,
                                 const char *name)
{
    return bl_redis_key_of_node(&session->keys, (bl_slice){node, strlen(node)}, name);
}

/* ---- opening ---- */

static enum bl_code read_meta(struct bl_session *session, bl_err *err)
{
    bl_redis_key key = bl_redis_key_global(&session->keys, "meta");
    redisReply *reply = NULL;
    enum bl_code rc;

    session->empty = false;
    rc = bl_session_ask(session, BL_REPLY_VALUES, &reply, err, "HMGET", key.text, "schema",
                        "partitions", NULL);
    if (rc != BL_OK)
        return rc;
    if (reply->elements != 2) {
        rc = bl_fail(err, BL_CONFIG, 0, "'%s' is not bounceline's", key.text);
    } else if (reply->element[1]->type != REDIS_REPLY_STRING) {
        session->empty = true;
    } else if (reply->element[0]->type == REDIS_REPLY_STRING &&
               strcmp(reply->element[0]->str, "1") != 0) {
        rc = bl_fail(err, BL_CONFIG, 0, "the data in Redis has schema %s; this program knows 1",
                     reply->element[0]->str);
    } else {
        unsigned long partitions = strtoul(reply->element[1]->str, NULL, 10);

        if (partitions < 1 || partitions > BL_PARTITIONS_MAX)
            rc = bl_fail(err, BL_CONFIG, 0, "'%s' names %lu partitions; 1 to %d are possible",
                         key.text, partitions, BL_PARTITIONS_MAX);
        session->keys.partitions = (unsigned)partitions;
    }
    freeReplyObject(reply);
    return rc;
}

/* The server that is configured, or our own. */
static enum bl_code find_server(struct bl_session *session, const struct bl_where *where,
                                bool begins, struct bl_redis_url *out, bl_err *err)
{
    char url[PATH_MAX + sizeof "unix:"];
    enum bl_code rc;

    if (where->redis)
        return bl_where_redis(where, out, err);
    if (!begins && access(where->state, F_OK) != 0 && errno == ENOENT)
        return bl_fail(
            err, BL_NO_INPUT, ENOENT,
            "nothing was counted in '%.150s' yet: bounceline run does; --state or --redis name another place",
            where->state);
    rc = bl_redis_private_open(&session->server, where->state, where->config->redis.memory_bytes,
                               PRIVATE_WAIT_MS, err);
    if (rc != BL_OK)
        return rc;
    snprintf(url, sizeof url, "unix:%s", bl_redis_private_socket(session->server));
    return bl_redis_url_parse(url, out, err);
}

enum bl_code bl_session_open(struct bl_session *session, const struct bl_where *where, bool begins,
                             bl_err *err)
{
    struct bl_redis_options options = {.retry = false};
    const struct bl_redis_events events = {0};
    enum bl_code rc = bl_where_check(where, err);

    memset(session, 0, sizeof *session);
    if (rc != BL_OK)
        return rc;
    options.connect_ms = (uint64_t)where->config->redis.connect_ms;
    options.command_ms = (uint64_t)where->config->redis.command_ms;
    if (!bl_redis_keys_init(&session->keys, where->config->redis.prefix, where->node))
        return bl_fail(err, BL_USAGE, 0,
                       "'%.80s' cannot be a node's name: up to %d printable characters, no blanks, "
                       "braces and bars",
                       where->node, BL_REDIS_NODE_MAX);
    snprintf(session->partitions, sizeof session->partitions, "%llu",
             (unsigned long long)where->config->redis.partitions);
    rc = find_server(session, where, begins, &options.url, err);
    if (rc != BL_OK)
        return rc;
    bl_redis_url_text(&options.url, session->place, sizeof session->place);
    if (uv_loop_init(&session->loop) != 0)
        return bl_fail(err, BL_NO_MEMORY, 0, "cannot start an event loop");
    session->loop_open = true;
    rc = bl_redis_open(&session->conn, &session->loop, &options, &events, NULL, err);
    return rc == BL_OK ? read_meta(session, err) : rc;
}

void bl_session_close(struct bl_session *session)
{
    if (session->conn)
        bl_redis_close_now(session->conn);
    if (session->loop_open) {
        uv_run(&session->loop, UV_RUN_DEFAULT);
        uv_loop_close(&session->loop);
    }
    bl_redis_private_close(session->server);
    if (session->node_reply)
        freeReplyObject(session->node_reply);
    bl_free(session->node);
    memset(session, 0, sizeof *session);
}

/* ---- what several commands ask ---- */

/* A name that nobody counts under is a typing error more often than an idle node. */
static enum bl_code find_node(struct bl_session *session, const char *node, bool *found,
                              bl_err *err)
{
    bl_redis_key totals = bl_session_node_key(session, node, "t");
    bl_redis_key nodes = bl_redis_key_global(&session->keys, "nodes");
    redisReply *score = NULL, *counted = NULL;
    enum bl_code rc;

    rc = bl_session_ask(session, BL_REPLY_VALUE, &score, err, "ZSCORE", nodes.text, node, NULL);
    if (rc == BL_OK)
        rc = bl_session_ask(session, BL_REPLY_NUMBER, &counted, err, "EXISTS", totals.text, NULL);
    if (rc == BL_OK)
        *found = score->type != REDIS_REPLY_NIL || counted->integer > 0;
    freeReplyObject(score);
    freeReplyObject(counted);
    return rc;
}

static enum bl_code say_nodes(struct bl_session *session, const char *missing, bl_err *err)
{
    bl_redis_key key = bl_redis_key_global(&session->keys, "nodes");
    char shown[256];
    redisReply *reply = NULL;
    enum bl_code rc;

    rc = bl_session_ask(session, BL_REPLY_TEXTS, &reply, err, "ZRANGE", key.text, "0", "7", NULL);
    if (rc != BL_OK)
        return rc;
    fprintf(stderr, "bounceline: there is no node '%s'; ",
            bl_text_message(shown, sizeof shown, missing));
    fputs(reply->elements ? "these are:" : "nothing is counted yet", stderr);
    for (size_t i = 0; i < reply->elements; i++)
        fprintf(stderr, " %s", bl_text_message(shown, sizeof shown, reply->element[i]->str));
    fputc('\n', stderr);
    freeReplyObject(reply);
    return BL_OK;
}

enum bl_code bl_session_nodes(struct bl_session *session, const struct bl_where *where, bool *found,
                              bl_err *err)
{
    bl_redis_key key = bl_redis_key_global(&session->keys, "nodes");
    enum bl_code rc;
    size_t n = 1;

    *found = true;
    rc = where->node_given ? find_node(session, where->node, found, err)
                           : bl_session_ask(session, BL_REPLY_TEXTS, &session->node_reply, err,
                                            "ZRANGE", key.text, "0", "-1", NULL);
    if (rc == BL_OK && !*found)
        return say_nodes(session, where->node, err);
    if (rc != BL_OK)
        return rc;
    if (!where->node_given)
        n = session->node_reply->elements;
    session->node = bl_calloc(n + 1, sizeof *session->node);
    if (!session->node)
        return BL_NO_MEMORY;
    session->nodes = n;
    for (size_t i = 0; i < n; i++)
        session->node[i] = where->node_given ? where->node : session->node_reply->element[i]->str;
    return BL_OK;
}

enum bl_code bl_session_begin(struct bl_session *session, bl_err *err)
{
    const char *const fields[][2] = {{"schema", "1"}, {"partitions", session->partitions}};
    bl_redis_key key = bl_redis_key_global(&session->keys, "meta");
    enum bl_code rc = BL_OK;

    for (size_t i = 0; rc == BL_OK && session->empty && i < BL_COUNT(fields); i++) {
        redisReply *reply = NULL;

        rc = bl_session_ask(session, BL_REPLY_NUMBER, &reply, err, "HSETNX", key.text, fields[i][0],
                            fields[i][1], NULL);
        if (rc == BL_OK)
            freeReplyObject(reply);
    }
    return rc == BL_OK && session->empty ? read_meta(session, err) : rc;
}

enum bl_code bl_session_suppressed(struct bl_session *session, uint64_t *out, bl_err *err)
{
    char now[32];

    *out = 0;
    snprintf(now, sizeof now, "(%lld", (long long)bl_now_ms());
    for (unsigned p = 0; p < session->keys.partitions; p++) {
        bl_redis_key key = bl_redis_key_partition(&session->keys, p, "x");
        redisReply *reply = NULL;
        enum bl_code rc;

        rc = bl_session_ask(session, BL_REPLY_NUMBER, &reply, err, "ZCOUNT", key.text, now, "+inf",
                            NULL);
        if (rc != BL_OK)
            return rc;
        *out += (uint64_t)reply->integer;
        freeReplyObject(reply);
    }
    return BL_OK;
}
