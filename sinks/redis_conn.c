/* libuv owns the socket, hiredis only decodes.
 *
 *        open
 *         |
 *         v          back-off is over
 *   +-> IDLE ------------------------------+
 *   |                                      v
 *   |                                 CONNECTING  name -> connect -> AUTH -> SELECT -> PING
 *   |  socket closed,                  |        |
 *   |  name lookup back       refused, |        | PONG: up()
 *   |                          timeout |        v
 *   +------------- DRAINING <----------+      READY
 *                     ^                         |
 *                     +-- error, end, timeout --+      entering DRAINING: NULL to every pending
 *                                                      command, then down()
 *   close() from anywhere; CLOSED when socket, lookup and timers are back.
 *
 * One timer serves the three waits, which exclude each other: the back-off (IDLE), the limit of a
 * try (CONNECTING), the oldest pending command (READY).
 *
 * Outgoing bytes: two buffers.  Commands are written into `out`; while a write is under way in
 * `flying`, `out` gathers, so a pipeline becomes few large writes by itself.
 *
 * The reader calls back while it works through what arrived, and a callback may drop or close:
 * after each reply the state is looked at again.  The memory stays until the last close callback,
 * so that is safe. */
#include "redis_conn.h"

#include <hiredis/hiredis.h>
#include <stdio.h>

#include "bounceline/alloc.h"

enum {
    CONNECT_MS = 2000,
    COMMAND_MS = 5000,
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 10000,
    DENIED_MS = 60000,
    OUT_CAP_BYTES = 96 << 20,
    OUT_KEEP_BYTES = 1 << 20, /* a buffer larger than this is given back after use */
    READ_BYTES = 64 << 10
};

struct pending {
    bl_redis_reply_fn *fn;
    void *arg;
};

struct bl_redis_conn {
    uv_loop_t *loop;
    struct bl_redis_options options;
    struct bl_redis_events events;
    void *arg;
    enum bl_redis_state state;
    bool closing;
    void (*done)(void *arg);
    void *done_arg;

    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    bool socket_open;
    uv_connect_t connect;
    uv_getaddrinfo_t lookup;
    bool looking;
    struct addrinfo *addresses, *next_address;
    uv_timer_t timer, patience; /* patience: bl_redis_call's own */
    unsigned timers_open;

    struct bl_resp_out out, flying;
    uv_write_t write;
    bool writing;
    struct bl_resp_in in;
    char read_buffer[READ_BYTES];

    struct pending *pending; /* a ring */
    size_t pending_head, pending_n, pending_cap;
    redisReply *in_hand;

    uint64_t retry_ms, random;
    enum bl_resp_trouble trouble; /* of the last loss */
    bl_err why;
};

static void on_timer(uv_timer_t *timer);
static void settle(struct bl_redis_conn *conn);
static void connect_next(struct bl_redis_conn *conn);

/* ---- pending commands ---- */

static bool push_pending(struct bl_redis_conn *conn, bl_redis_reply_fn *fn, void *arg)
{
    if (conn->pending_n == conn->pending_cap) {
        size_t cap = conn->pending_cap ? conn->pending_cap * 2 : 64;
        struct pending *grown = bl_malloc(cap * sizeof *grown);

        if (!grown)
            return false;
        for (size_t i = 0; i < conn->pending_n; i++)
            grown[i] = conn->pending[(conn->pending_head + i) % conn->pending_cap];
        bl_free(conn->pending);
        conn->pending = grown;
        conn->pending_head = 0;
        conn->pending_cap = cap;
    }
    conn->pending[(conn->pending_head + conn->pending_n++) % conn->pending_cap] =
        (struct pending){fn, arg};
    return true;
}

static struct pending pop_pending(struct bl_redis_conn *conn)
{
    struct pending p = conn->pending[conn->pending_head];

    conn->pending_head = (conn->pending_head + 1) % conn->pending_cap;
    conn->pending_n--;
    return p;
}

/* ---- losing the connection ---- */

static void free_addresses(struct bl_redis_conn *conn)
{
    if (conn->addresses)
        uv_freeaddrinfo(conn->addresses);
    conn->addresses = conn->next_address = NULL;
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct bl_redis_conn *conn = handle->data;

    conn->socket_open = false;
    if (conn->state == BL_REDIS_CONNECTING)
        connect_next(conn);
    else
        settle(conn);
}

static void close_socket(struct bl_redis_conn *conn)
{
    if (conn->socket_open && !uv_is_closing(&conn->socket.handle))
        uv_close(&conn->socket.handle, on_socket_closed);
}

static void drain(struct bl_redis_conn *conn)
{
    conn->state = BL_REDIS_DRAINING;
    uv_timer_stop(&conn->timer);
    if (conn->looking)
        uv_cancel((uv_req_t *)&conn->lookup); /* too late is fine: its callback comes anyway */
    close_socket(conn);
    while (conn->pending_n) {
        struct pending p = pop_pending(conn);

        if (p.fn)
            p.fn(p.arg, NULL);
    }
}

static void lose(struct bl_redis_conn *conn, enum bl_resp_trouble trouble, int sys,
                 const char *text)
{
    char where[384];

    if (conn->state != BL_REDIS_CONNECTING && conn->state != BL_REDIS_READY)
        return;
    bl_redis_url_text(&conn->options.url, where, sizeof where);
    conn->trouble = trouble;
    bl_fail(&conn->why, BL_UNAVAILABLE, sys, "Redis at %s: %s", where, text);
    drain(conn);
    if (!conn->closing && conn->events.down)
        conn->events.down(conn->arg, trouble, &conn->why);
    settle(conn);
}

static void lose_by_uv(struct bl_redis_conn *conn, const char *what, int rc)
{
    char text[128];

    snprintf(text, sizeof text, "%s: %s", what, uv_strerror(rc));
    lose(conn, BL_RESP_HOLD, rc, text);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct bl_redis_conn *conn = handle->data;
    void (*done)(void *) = conn->done;
    void *arg = conn->done_arg;

    if (--conn->timers_open)
        return;
    conn->state = BL_REDIS_CLOSED;
    bl_resp_out_release(&conn->out);
    bl_resp_out_release(&conn->flying);
    bl_resp_in_release(&conn->in);
    bl_free(conn->pending);
    bl_free(conn);
    if (done)
        done(arg);
}

/* xorshift: the jitter only has to differ between processes. */
static uint64_t jittered(struct bl_redis_conn *conn, uint64_t ms)
{
    conn->random ^= conn->random << 13;
    conn->random ^= conn->random >> 7;
    conn->random ^= conn->random << 17;
    return ms / 2 + conn->random % (ms / 2 + 1);
}

/* Once everything of the last connection came back: the next try, or the end. */
static void settle(struct bl_redis_conn *conn)
{
    uint64_t wait_ms;

    if (conn->state != BL_REDIS_DRAINING || conn->socket_open || conn->looking)
        return;
    free_addresses(conn);
    if (conn->closing) {
        conn->state = BL_REDIS_CLOSED;
        uv_close((uv_handle_t *)&conn->timer, on_timer_closed);
        uv_close((uv_handle_t *)&conn->patience, on_timer_closed);
        return;
    }
    conn->state = BL_REDIS_IDLE;
    if (!conn->options.retry)
        return;
    wait_ms =
        conn->trouble == BL_RESP_DENIED ? conn->options.denied_ms : jittered(conn, conn->retry_ms);
    conn->retry_ms *= 2;
    if (conn->retry_ms > conn->options.retry_max_ms)
        conn->retry_ms = conn->options.retry_max_ms;
    uv_timer_start(&conn->timer, on_timer, wait_ms, 0);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct bl_redis_conn *conn = handle->data;

    (void)suggested;
    *buf = uv_buf_init(conn->read_buffer, READ_BYTES);
}

static bool alive(const struct bl_redis_conn *conn)
{
    return conn->state == BL_REDIS_CONNECTING || conn->state == BL_REDIS_READY;
}

/* A reply came: the next oldest command's time begins. */
static void restart_timer(struct bl_redis_conn *conn)
{
    if (conn->state != BL_REDIS_READY)
        return;
    if (conn->pending_n)
        uv_timer_start(&conn->timer, on_timer, conn->options.command_ms, 0);
    else
        uv_timer_stop(&conn->timer);
}

static void hand_over(struct bl_redis_conn *conn, redisReply *reply)
{
    struct pending p;

    if (conn->pending_n == 0) {
        freeReplyObject(reply);
        lose(conn, BL_RESP_WRONG, 0, "sent something that nobody asked for");
        return;
    }
    p = pop_pending(conn);
    if (conn->state == BL_REDIS_READY)
        conn->retry_ms = conn->options.retry_min_ms;
    restart_timer(conn);
    conn->in_hand = reply;
    if (p.fn)
        p.fn(p.arg, reply);
    if (conn->in_hand)
        freeReplyObject(conn->in_hand);
    conn->in_hand = NULL;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct bl_redis_conn *conn = stream->data;

    if (!alive(conn) || n == 0)
        return;
    if (n < 0) {
        lose_by_uv(conn, n == UV_EOF ? "closed the connection" : "reading failed", (int)n);
        return;
    }
    bl_resp_in_feed(&conn->in, buf->base, (size_t)n);
    while (alive(conn)) {
        redisReply *reply = NULL;
        enum bl_resp_step step = bl_resp_in_next(&conn->in, &reply);

        if (step == BL_RESP_MORE)
            return;
        if (step == BL_RESP_BAD) {
            lose(conn, BL_RESP_WRONG, 0, conn->in.why);
            return;
        }
        hand_over(conn, reply);
    }
}

/* ---- writing ---- */

static void write_out(struct bl_redis_conn *conn);

static void on_written(uv_write_t *write, int status)
{
    struct bl_redis_conn *conn = write->data;

    conn->writing = false;
    conn->flying.n = 0;
    if (conn->flying.cap > OUT_KEEP_BYTES)
        bl_resp_out_release(&conn->flying);
    if (!alive(conn))
        return;
    if (status < 0)
        lose_by_uv(conn, "writing failed", status);
    else
        write_out(conn);
}

static void write_out(struct bl_redis_conn *conn)
{
    struct bl_resp_out full = conn->out;
    uv_buf_t buf;
    int rc;

    if (conn->writing || full.n == 0)
        return;
    conn->out = conn->flying;
    conn->flying = full;
    buf = uv_buf_init(full.bytes, (unsigned)full.n);
    conn->write.data = conn;
    conn->writing = true;
    rc = uv_write(&conn->write, &conn->socket.stream, &buf, 1, on_written);
    if (rc < 0) {
        conn->writing = false;
        conn->flying.n = 0;
        lose_by_uv(conn, "writing failed", rc);
    }
}

static enum bl_code queue(struct bl_redis_conn *conn, const bl_slice *argv, size_t argc,
                          bl_redis_reply_fn *fn, void *arg)
{
    size_t before = conn->out.n;

    if (!bl_resp_out_command(&conn->out, argv, argc))
        return BL_LIMIT;
    if (!push_pending(conn, fn, arg)) {
        conn->out.n = before;
        return BL_NO_MEMORY;
    }
    if (conn->state == BL_REDIS_READY && conn->pending_n == 1)
        restart_timer(conn);
    return BL_OK;
}

enum bl_code bl_redis_send(struct bl_redis_conn *conn, const bl_slice *argv, size_t argc,
                           bl_redis_reply_fn *fn, void *arg)
{
    enum bl_code rc;

    if (conn->state != BL_REDIS_READY)
        return BL_UNAVAILABLE;
    rc = queue(conn, argv, argc, fn, arg);
    if (rc == BL_OK)
        write_out(conn);
    return rc;
}

/* ---- connecting ---- */

static bool answer_is(const redisReply *reply, const char *text)
{
    return reply->type == REDIS_REPLY_STATUS &&
           bl_slice_eq((bl_slice){reply->str, reply->len}, (bl_slice){text, strlen(text)});
}

/* An error reply to the greeting.  Some servers repeat a refused command with its arguments, so an
 * answer to AUTH is never quoted: only its first word is shown. */
static void refuse_greeting(struct bl_redis_conn *conn, const redisReply *reply, const char *what,
                            bool secret)
{
    bl_slice error = {"", 0};
    enum bl_resp_trouble trouble;
    char word[BL_RESP_WORD_MAX], quoted[160], text[224];

    if (reply->type == REDIS_REPLY_ERROR)
        error = (bl_slice){reply->str, reply->len};
    trouble = bl_resp_trouble(error);
    bl_resp_word(error, word);
    bl_resp_plain(error, quoted, sizeof quoted);
    snprintf(text, sizeof text, "%s: %s", what, secret ? word : quoted);
    if (secret && trouble == BL_RESP_WRONG)
        trouble = BL_RESP_DENIED;
    lose(conn, trouble, 0, text);
}

static void on_auth(void *arg, redisReply *reply)
{
    if (reply && !answer_is(reply, "OK"))
        refuse_greeting(arg, reply, "user or password refused", true);
}

static void on_select(void *arg, redisReply *reply)
{
    if (reply && !answer_is(reply, "OK"))
        refuse_greeting(arg, reply, "database refused", false);
}

static void on_ping(void *arg, redisReply *reply)
{
    struct bl_redis_conn *conn = arg;

    if (!reply)
        return;
    if (!answer_is(reply, "PONG")) {
        refuse_greeting(conn, reply, "not ready", false);
        return;
    }
    conn->state = BL_REDIS_READY;
    restart_timer(conn);
    if (conn->events.up)
        conn->events.up(conn->arg);
}

/* The PING is what proves that somebody is there: a listening socket of a stopped server accepts,
 * too. */
static void greet(struct bl_redis_conn *conn)
{
    const struct bl_redis_url *url = &conn->options.url;
    bl_slice argv[3], user = {url->user, strlen(url->user)},
                      password = {url->password, strlen(url->password)};
    char db[16];
    enum bl_code rc = BL_OK;
    size_t n = 0;

    if (password.n) {
        argv[n++] = BL_SLICE("AUTH");
        if (user.n)
            argv[n++] = user;
        argv[n++] = password;
        rc = queue(conn, argv, n, on_auth, conn);
    }
    if (rc == BL_OK && url->db) {
        snprintf(db, sizeof db, "%u", url->db);
        argv[0] = BL_SLICE("SELECT");
        argv[1] = (bl_slice){db, strlen(db)};
        rc = queue(conn, argv, 2, on_select, conn);
    }
    argv[0] = BL_SLICE("PING");
    if (rc == BL_OK)
        rc = queue(conn, argv, 1, on_ping, conn);
    if (rc != BL_OK)
        lose(conn, BL_RESP_HOLD, 0, "no memory for the greeting");
    else
        write_out(conn);
}

static void on_connect(uv_connect_t *request, int status)
{
    struct bl_redis_conn *conn = request->data;
    int rc;

    if (conn->state != BL_REDIS_CONNECTING || status == UV_ECANCELED)
        return;
    if (status < 0) {
        if (conn->next_address)
            close_socket(conn); /* its close callback tries the next address */
        else
            lose_by_uv(conn, "cannot connect", status);
        return;
    }
    conn->next_address = NULL;
    rc = uv_read_start(&conn->socket.stream, on_alloc, on_read);
    if (rc < 0)
        lose_by_uv(conn, "reading failed", rc);
    else
        greet(conn);
}

static void connect_pipe(struct bl_redis_conn *conn)
{
    int rc = uv_pipe_init(conn->loop, &conn->socket.pipe, 0);

    if (rc < 0) {
        lose_by_uv(conn, "no socket", rc);
        return;
    }
    conn->socket_open = true;
    conn->socket.handle.data = conn;
    uv_pipe_connect(&conn->connect, &conn->socket.pipe, conn->options.url.path, on_connect);
}

static void connect_next(struct bl_redis_conn *conn)
{
    struct addrinfo *to = conn->next_address;
    int rc;

    if (!to) {
        lose(conn, BL_RESP_HOLD, 0, "cannot connect: no address left");
        return;
    }
    conn->next_address = to->ai_next;
    rc = uv_tcp_init(conn->loop, &conn->socket.tcp);
    if (rc < 0) {
        lose_by_uv(conn, "no socket", rc);
        return;
    }
    conn->socket_open = true;
    conn->socket.handle.data = conn;
    rc = uv_tcp_connect(&conn->connect, &conn->socket.tcp, to->ai_addr, on_connect);
    if (rc == 0)
        uv_tcp_nodelay(&conn->socket.tcp, 1);
    else if (conn->next_address)
        close_socket(conn);
    else
        lose_by_uv(conn, "cannot connect", rc);
}

static void on_lookup(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct bl_redis_conn *conn = request->data;

    conn->looking = false;
    conn->addresses = conn->next_address = found;
    if (conn->state != BL_REDIS_CONNECTING) {
        settle(conn);
    } else if (status < 0) {
        lose_by_uv(conn, "cannot find the host", status);
    } else {
        connect_next(conn);
    }
}

static void look_up(struct bl_redis_conn *conn)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[16];
    int rc;

    snprintf(port, sizeof port, "%u", conn->options.url.port);
    conn->lookup.data = conn;
    rc = uv_getaddrinfo(conn->loop, &conn->lookup, on_lookup, conn->options.url.host, port, &hints);
    if (rc < 0)
        lose_by_uv(conn, "cannot find the host", rc);
    else
        conn->looking = true;
}

static void begin_try(struct bl_redis_conn *conn)
{
    conn->state = BL_REDIS_CONNECTING;
    conn->connect.data = conn;
    conn->out.n = 0;
    bl_resp_in_release(&conn->in);
    uv_timer_start(&conn->timer, on_timer, conn->options.connect_ms, 0);
    if (!bl_resp_in_init(&conn->in))
        lose(conn, BL_RESP_HOLD, 0, "no memory");
    else if (conn->options.url.unix_socket)
        connect_pipe(conn);
    else
        look_up(conn);
}

static void on_timer(uv_timer_t *timer)
{
    struct bl_redis_conn *conn = timer->data;
    char text[96];

    switch (conn->state) {
    case BL_REDIS_IDLE:
        begin_try(conn);
        break;
    case BL_REDIS_CONNECTING:
        snprintf(text, sizeof text, "no connection within %llu ms",
                 (unsigned long long)conn->options.connect_ms);
        lose(conn, BL_RESP_HOLD, UV_ETIMEDOUT, text);
        break;
    case BL_REDIS_READY:
        snprintf(text, sizeof text, "no answer within %llu ms",
                 (unsigned long long)conn->options.command_ms);
        lose(conn, BL_RESP_HOLD, UV_ETIMEDOUT, text);
        break;
    case BL_REDIS_DRAINING:
    case BL_REDIS_CLOSED:
        break;
    }
}

/* ---- the owner's calls ---- */

static void set_defaults(struct bl_redis_options *options)
{
    if (!options->connect_ms)
        options->connect_ms = CONNECT_MS;
    if (!options->command_ms)
        options->command_ms = COMMAND_MS;
    if (!options->retry_min_ms)
        options->retry_min_ms = RETRY_MIN_MS;
    if (!options->retry_max_ms)
        options->retry_max_ms = RETRY_MAX_MS;
    if (!options->denied_ms)
        options->denied_ms = DENIED_MS;
    if (!options->out_cap_bytes)
        options->out_cap_bytes = OUT_CAP_BYTES;
}

enum bl_code bl_redis_open(struct bl_redis_conn **out, uv_loop_t *loop,
                           const struct bl_redis_options *options,
                           const struct bl_redis_events *events, void *arg, bl_err *err)
{
    struct bl_redis_conn *conn = bl_calloc(1, sizeof *conn);

    if (!conn)
        return bl_fail(err, BL_NO_MEMORY, 0, "no memory for a connection to Redis");
    conn->loop = loop;
    conn->options = *options;
    set_defaults(&conn->options);
    if (events)
        conn->events = *events;
    conn->arg = arg;
    conn->retry_ms = conn->options.retry_min_ms;
    conn->random = uv_hrtime() ^ ((uint64_t)uv_os_getpid() << 32) ^ 1;
    bl_resp_out_init(&conn->out, conn->options.out_cap_bytes);
    bl_resp_out_init(&conn->flying, conn->options.out_cap_bytes);
    uv_timer_init(loop, &conn->timer);
    uv_timer_init(loop, &conn->patience);
    conn->timer.data = conn->patience.data = conn;
    conn->timers_open = 2;
    uv_timer_start(&conn->timer, on_timer, 0, 0);
    *out = conn;
    return BL_OK;
}

void bl_redis_close(struct bl_redis_conn *conn, void (*done)(void *arg), void *arg)
{
    if (conn->closing)
        return;
    conn->closing = true;
    conn->done = done;
    conn->done_arg = arg;
    if (conn->state != BL_REDIS_DRAINING)
        drain(conn);
    settle(conn);
}

enum bl_redis_state bl_redis_state(const struct bl_redis_conn *conn)
{
    return conn->state;
}

redisReply *bl_redis_keep(struct bl_redis_conn *conn)
{
    redisReply *reply = conn->in_hand;

    conn->in_hand = NULL;
    return reply;
}

size_t bl_redis_pending(const struct bl_redis_conn *conn)
{
    return conn->pending_n;
}

size_t bl_redis_out_bytes(const struct bl_redis_conn *conn)
{
    return conn->out.n + (conn->writing ? conn->flying.n : 0);
}

void bl_redis_drop(struct bl_redis_conn *conn, enum bl_resp_trouble trouble, const char *why)
{
    if (!conn->closing)
        lose(conn, trouble, 0, why);
}

/* ---- one command at a time, for the command line ---- */

struct call {
    struct bl_redis_conn *conn;
    redisReply *reply;
    bool ended;
};

static void on_call_reply(void *arg, redisReply *reply)
{
    struct call *call = arg;

    call->ended = true;
    call->reply = reply ? bl_redis_keep(call->conn) : NULL;
}

static void on_patience(uv_timer_t *timer)
{
    (void)timer; /* only wakes the loop */
}

/* Runs the loop until the connection is up, or a try without a next one has failed, or time is
 * over. */
static bool wait_until_ready(struct bl_redis_conn *conn)
{
    uv_timer_start(&conn->patience, on_patience, conn->options.connect_ms + 100, 0);
    while (conn->state != BL_REDIS_READY) {
        if (conn->state == BL_REDIS_CLOSED || !uv_is_active((uv_handle_t *)&conn->patience))
            break;
        if (conn->state == BL_REDIS_IDLE && !uv_is_active((uv_handle_t *)&conn->timer))
            break; /* the only try is over */
        uv_run(conn->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&conn->patience);
    return conn->state == BL_REDIS_READY;
}

enum bl_code bl_redis_call(struct bl_redis_conn *conn, int argc, const char *const *argv,
                           const size_t *argvlen, redisReply **out, bl_err *err)
{
    enum { FEW = 16 };
    bl_slice few[FEW], *args = few;
    struct call call = {.conn = conn};
    enum bl_code rc = BL_OK;

    if (argc > FEW) {
        args = bl_calloc((size_t)argc, sizeof *args);
        if (!args)
            return bl_fail(err, BL_NO_MEMORY, 0, "no memory for a command to Redis");
    }
    for (int i = 0; i < argc; i++)
        args[i] = (bl_slice){argv[i], argvlen ? argvlen[i] : strlen(argv[i])};
    if (!wait_until_ready(conn)) {
        rc = BL_UNAVAILABLE;
    } else {
        rc = bl_redis_send(conn, args, (size_t)argc, on_call_reply, &call);
        while (rc == BL_OK && !call.ended)
            uv_run(conn->loop, UV_RUN_ONCE);
        if (rc == BL_OK && !call.reply)
            rc = BL_UNAVAILABLE;
    }
    if (rc == BL_OK)
        *out = call.reply;
    else if (rc == BL_UNAVAILABLE)
        bl_fail(err, rc, conn->why.sys, "%s",
                conn->why.text[0] ? conn->why.text : "Redis does not answer");
    else
        bl_fail(err, rc, 0, "the command to Redis is too large");
    if (args != few)
        bl_free(args);
    return rc;
}

/* Not on the stack: the closing connection keeps its address, and compilers cannot know for how
 * long. */
static _Thread_local bool closed_now;

static void on_closed_now(void *arg)
{
    *(bool *)arg = true;
}

void bl_redis_close_now(struct bl_redis_conn *conn)
{
    uv_loop_t *loop;

    if (!conn)
        return;
    loop = conn->loop;
    closed_now = false;
    bl_redis_close(conn, on_closed_now, &closed_now);
    while (!closed_now)
        uv_run(loop, UV_RUN_ONCE);
}
