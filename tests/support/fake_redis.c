#include "fake_redis.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLIENTS = 64, READ_BYTES = 64 << 10 };

union stream {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct fake_client {
    struct fake_redis *fake;
    union stream socket;
    redisReader *reader;
    bool open;
};

struct fake_redis {
    uv_loop_t *loop;
    union stream listener;
    bool is_unix;
    fake_command_fn *fn;
    void *arg;
    struct fake_client *client[CLIENTS];
    size_t connections, open;
};

static char read_buffer[READ_BYTES];

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(read_buffer, READ_BYTES);
}

static void on_client_closed(uv_handle_t *handle)
{
    struct fake_client *client = handle->data;

    client->fake->open--;
    client->open = false;
    redisReaderFree(client->reader);
    client->reader = NULL;
}

void fake_hang_up(struct fake_client *client)
{
    if (client->open && !uv_is_closing(&client->socket.handle))
        uv_close(&client->socket.handle, on_client_closed);
}

static void handle_command(struct fake_client *client, redisReply *reply)
{
    bl_slice argv[256];
    size_t argc = 0;

    if (reply->type != REDIS_REPLY_ARRAY)
        abort();
    for (; argc < reply->elements && argc < BL_COUNT(argv); argc++)
        argv[argc] = (bl_slice){reply->element[argc]->str, reply->element[argc]->len};
    client->fake->fn(client->fake->arg, client, argv, argc);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct fake_client *client = stream->data;

    if (n < 0) {
        fake_hang_up(client);
        return;
    }
    redisReaderFeed(client->reader, buf->base, (size_t)n);
    while (!uv_is_closing(&client->socket.handle)) {
        void *reply = NULL;

        if (redisReaderGetReply(client->reader, &reply) != REDIS_OK)
            abort();
        if (!reply)
            return;
        handle_command(client, reply);
        freeReplyObject(reply);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct fake_redis *fake = listener->data;
    struct fake_client *client = calloc(1, sizeof *client);

    if (status < 0 || !client || fake->connections == CLIENTS)
        abort();
    client->fake = fake;
    client->reader = redisReaderCreate();
    if (fake->is_unix)
        uv_pipe_init(fake->loop, &client->socket.pipe, 0);
    else
        uv_tcp_init(fake->loop, &client->socket.tcp);
    client->socket.handle.data = client;
    client->open = true;
    fake->client[fake->connections++] = client;
    fake->open++;
    if (uv_accept(listener, &client->socket.stream) != 0)
        abort();
    uv_read_start(&client->socket.stream, on_alloc, on_read);
}

struct fake_redis *fake_redis_start(uv_loop_t *loop, const char *path, unsigned *port,
                                    fake_command_fn *fn, void *arg)
{
    struct fake_redis *fake = calloc(1, sizeof *fake);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int n = sizeof at;

    if (!fake)
        abort();
    fake->loop = loop;
    fake->fn = fn;
    fake->arg = arg;
    fake->is_unix = path != NULL;
    fake->open = 1;
    if (path) {
        uv_pipe_init(loop, &fake->listener.pipe, 0);
        if (uv_pipe_bind(&fake->listener.pipe, path) != 0)
            abort();
    } else {
        uv_tcp_init(loop, &fake->listener.tcp);
        if (uv_tcp_bind(&fake->listener.tcp, (const struct sockaddr *)&at, 0) != 0)
            abort();
    }
    fake->listener.handle.data = fake;
    if (uv_listen(&fake->listener.stream, 16, on_connection) != 0)
        abort();
    if (!path) {
        uv_tcp_getsockname(&fake->listener.tcp, (struct sockaddr *)&at, &n);
        *port = ntohs(at.sin_port);
    }
    return fake;
}

struct say {
    uv_write_t request;
    char bytes[];
};

static void on_said(uv_write_t *request, int status)
{
    (void)status;
    free(request->data);
}

void fake_say(struct fake_client *client, const char *bytes, size_t n)
{
    struct say *say;
    uv_buf_t buf;

    if (!client->open || uv_is_closing(&client->socket.handle))
        return;
    say = malloc(sizeof *say + n);
    if (!say)
        abort();
    memcpy(say->bytes, bytes, n);
    say->request.data = say;
    buf = uv_buf_init(say->bytes, (unsigned)n);
    if (uv_write(&say->request, &client->socket.stream, &buf, 1, on_said) != 0)
        free(say);
}

void fake_say_text(struct fake_client *client, const char *text)
{
    fake_say(client, text, strlen(text));
}

size_t fake_connections(const struct fake_redis *fake)
{
    return fake->connections;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct fake_redis *fake = handle->data;

    fake->open--;
}

void fake_redis_stop(struct fake_redis *fake)
{
    uv_close(&fake->listener.handle, on_listener_closed);
    for (size_t i = 0; i < fake->connections; i++)
        fake_hang_up(fake->client[i]);
    while (fake->open)
        uv_run(fake->loop, UV_RUN_ONCE);
    for (size_t i = 0; i < fake->connections; i++)
        free(fake->client[i]);
    free(fake);
}

void scratch_make(char *path, size_t n)
{
    const char *base = getenv("TMPDIR");

    snprintf(path, n, "%s/bl-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path))
        abort();
}

void scratch_remove(const char *path)
{
    DIR *folder = opendir(path);

    if (!folder) {
        unlink(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char inner[4096];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        scratch_remove(inner);
    }
    closedir(folder);
    rmdir(path);
}
