#include "wire_proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 4096, READ_BYTES = 64 << 10 };

struct pair {
    struct wire_proxy *proxy;
    uv_pipe_t client, server;
    uv_connect_t connect;
    bool client_open, server_open, holding, swallowing;
    char *held;
    size_t held_n;
};

struct wire_proxy {
    uv_loop_t *loop;
    uv_pipe_t listener;
    char server_path[108];
    struct pair *pair[PAIRS];
    size_t pairs, open;
    const char *mark;
    bool cut_armed, cut_done;
    size_t cut_left;
    struct pair *holder;
};

static char read_buffer[READ_BYTES];

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(read_buffer, READ_BYTES);
}

static void on_closed(uv_handle_t *handle)
{
    struct pair *pair = handle->data;

    pair->proxy->open--;
}

static void close_pipe(uv_pipe_t *pipe, bool *open)
{
    if (!*open)
        return;
    *open = false;
    uv_close((uv_handle_t *)pipe, on_closed);
}

struct carry {
    uv_write_t request;
    char bytes[];
};

static void on_carried(uv_write_t *request, int status)
{
    (void)status;
    free(request->data);
}

static void carry(uv_pipe_t *to, const char *bytes, size_t n)
{
    struct carry *c;
    uv_buf_t buf;

    if (n == 0)
        return;
    c = malloc(sizeof *c + n);
    if (!c)
        abort();
    memcpy(c->bytes, bytes, n);
    c->request.data = c;
    buf = uv_buf_init(c->bytes, (unsigned)n);
    if (uv_write(&c->request, (uv_stream_t *)to, &buf, 1, on_carried) != 0)
        free(c);
}

static void keep(struct pair *pair, const char *bytes, size_t n)
{
    pair->held = realloc(pair->held, pair->held_n + n + 1);
    if (!pair->held)
        abort();
    memcpy(pair->held + pair->held_n, bytes, n);
    pair->held_n += n;
}

static void to_server(struct pair *pair, const char *bytes, size_t n)
{
    struct wire_proxy *proxy = pair->proxy;

    if (pair->holding) {
        keep(pair, bytes, n);
        return;
    }
    if (proxy->mark) {
        const char *found = memmem(bytes, n, proxy->mark, strlen(proxy->mark));

        if (found) {
            size_t passed = (size_t)(found - bytes) + strlen(proxy->mark);

            proxy->mark = NULL;
            pair->holding = true;
            proxy->holder = pair;
            carry(&pair->server, bytes, passed);
            keep(pair, bytes + passed, n - passed);
            return;
        }
    }
    if (proxy->cut_armed && n >= proxy->cut_left) {
        proxy->cut_armed = false;
        proxy->cut_done = true;
        carry(&pair->server, bytes, proxy->cut_left);
        uv_read_stop((uv_stream_t *)&pair->client);
        close_pipe(&pair->client, &pair->client_open);
        pair->swallowing = true; /* and the server's end closes when it has read */
        return;
    }
    if (proxy->cut_armed)
        proxy->cut_left -= n;
    carry(&pair->server, bytes, n);
}

static void on_client_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct pair *pair = stream->data;

    if (n > 0) {
        to_server(pair, buf->base, (size_t)n);
    } else if (n < 0) {
        close_pipe(&pair->client, &pair->client_open);
        if (!pair->holding)
            close_pipe(&pair->server, &pair->server_open);
    }
}

static void on_server_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct pair *pair = stream->data;

    if (n > 0 && pair->client_open && !pair->swallowing) {
        carry(&pair->client, buf->base, (size_t)n);
    } else if (n < 0) {
        close_pipe(&pair->server, &pair->server_open);
        close_pipe(&pair->client, &pair->client_open);
    }
}

static void on_connected(uv_connect_t *request, int status)
{
    struct pair *pair = request->data;

    if (status < 0) {
        close_pipe(&pair->client, &pair->client_open);
        close_pipe(&pair->server, &pair->server_open);
        return;
    }
    if (!pair->client_open)
        return;
    uv_read_start((uv_stream_t *)&pair->client, on_alloc, on_client_read);
    uv_read_start((uv_stream_t *)&pair->server, on_alloc, on_server_read);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct wire_proxy *proxy = listener->data;
    struct pair *pair = calloc(1, sizeof *pair);

    if (status < 0 || !pair || proxy->pairs == PAIRS)
        abort();
    pair->proxy = proxy;
    proxy->pair[proxy->pairs++] = pair;
    uv_pipe_init(proxy->loop, &pair->client, 0);
    uv_pipe_init(proxy->loop, &pair->server, 0);
    pair->client.data = pair->server.data = pair->connect.data = pair;
    pair->client_open = pair->server_open = true;
    proxy->open += 2;
    uv_accept(listener, (uv_stream_t *)&pair->client);
    uv_pipe_connect(&pair->connect, &pair->server, proxy->server_path, on_connected);
}

struct wire_proxy *wire_proxy_start(uv_loop_t *loop, const char *listen_path,
                                    const char *server_path)
{
    struct wire_proxy *proxy = calloc(1, sizeof *proxy);

    if (!proxy)
        abort();
    proxy->loop = loop;
    snprintf(proxy->server_path, sizeof proxy->server_path, "%s", server_path);
    uv_pipe_init(loop, &proxy->listener, 0);
    proxy->listener.data = proxy;
    if (uv_pipe_bind(&proxy->listener, listen_path) != 0 ||
        uv_listen((uv_stream_t *)&proxy->listener, 16, on_connection) != 0)
        abort();
    return proxy;
}

void wire_proxy_hold_behind(struct wire_proxy *proxy, const char *mark)
{
    proxy->mark = mark;
}

bool wire_proxy_holds(const struct wire_proxy *proxy)
{
    return proxy->holder != NULL;
}

void wire_proxy_let_go(struct wire_proxy *proxy)
{
    struct pair *pair = proxy->holder;

    if (!pair || !pair->server_open)
        abort();
    proxy->holder = NULL;
    pair->holding = false;
    carry(&pair->server, pair->held, pair->held_n);
    pair->held_n = 0;
}

void wire_proxy_cut_after(struct wire_proxy *proxy, size_t bytes)
{
    proxy->cut_armed = true;
    proxy->cut_done = false;
    proxy->cut_left = bytes;
}

bool wire_proxy_has_cut(const struct wire_proxy *proxy)
{
    return proxy->cut_done;
}

void wire_proxy_swallow_answers(struct wire_proxy *proxy)
{
    for (size_t i = 0; i < proxy->pairs; i++)
        proxy->pair[i]->swallowing = true;
}

static void on_listener_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

void wire_proxy_stop(struct wire_proxy *proxy)
{
    bool closed = false;

    for (size_t i = 0; i < proxy->pairs; i++) {
        close_pipe(&proxy->pair[i]->client, &proxy->pair[i]->client_open);
        close_pipe(&proxy->pair[i]->server, &proxy->pair[i]->server_open);
    }
    proxy->listener.data = &closed;
    uv_close((uv_handle_t *)&proxy->listener, on_listener_closed);
    while (!closed || proxy->open)
        uv_run(proxy->loop, UV_RUN_ONCE);
    for (size_t i = 0; i < proxy->pairs; i++) {
        free(proxy->pair[i]->held);
        free(proxy->pair[i]);
    }
    free(proxy);
}
