/* ctest: label=quick timeout=60 */
/* The connection against a server that refuses, is silent, hangs up, lies, or answers slowly.
 * Negative control of the timeouts: with both set to an hour the silent server is still unanswered
 * after half a second (without_timeouts_a_silent_server_is_never_noticed). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_redis.h"
#include "redis_conn.h"

struct world {
    uv_loop_t loop;
    char folder[64], path[96];
    struct fake_redis *fake;
    struct bl_redis_conn *conn;
    struct bl_redis_options options;
    unsigned ups, downs, replies, losses;
    enum bl_resp_trouble trouble;
    bl_err why;
    char seen[4096]; /* what the server was told, words joined */
    const char *answer_to_auth, *answer_to_select, *answer_to_ping; /* NULL: silence */
    const char *answer;                                             /* to anything else */
    bool hang_up, hold_last_byte;
};

/* ---- what the tests are made of ---- */

static void on_tick(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Runs the loop until `there`; fails after `most_ms`.  Without `there` it just lets time pass. */
static void run_until(struct world *w, bool (*there)(const struct world *), uint64_t most_ms)
{
    bool over = false;
    uv_timer_t timer;

    uv_timer_init(&w->loop, &timer);
    timer.data = &over;
    uv_timer_start(&timer, on_tick, most_ms, 0);
    while (!over && !(there && there(w)))
        uv_run(&w->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&w->loop, UV_RUN_NOWAIT);
    if (there)
        assert_false(over);
}

static bool went_up(const struct world *w)
{
    return w->ups > 0;
}

static bool went_down(const struct world *w)
{
    return w->downs > 0;
}

static void on_up(void *arg)
{
    ((struct world *)arg)->ups++;
}

static void on_down(void *arg, enum bl_resp_trouble trouble, const bl_err *why)
{
    struct world *w = arg;

    w->downs++;
    w->trouble = trouble;
    w->why = *why;
}

static void on_command(void *arg, struct fake_client *client, const bl_slice *argv, size_t argc)
{
    struct world *w = arg;
    const char *answer = w->answer;
    size_t n = strlen(w->seen);

    for (size_t i = 0; i < argc && n + argv[i].n + 2 < sizeof w->seen; i++) {
        memcpy(w->seen + n, argv[i].p, argv[i].n);
        n += argv[i].n;
        w->seen[n++] = i + 1 < argc ? ' ' : ';';
    }
    if (bl_slice_eq(argv[0], BL_SLICE("AUTH")))
        answer = w->answer_to_auth;
    else if (bl_slice_eq(argv[0], BL_SLICE("SELECT")))
        answer = w->answer_to_select;
    else if (bl_slice_eq(argv[0], BL_SLICE("PING")))
        answer = w->answer_to_ping;
    else if (w->hang_up)
        fake_hang_up(client);
    if (answer)
        fake_say(client, answer, strlen(answer) - (w->hold_last_byte ? 1 : 0));
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    uv_loop_init(&w->loop);
    scratch_make(w->folder, sizeof w->folder);
    snprintf(w->path, sizeof w->path, "%s/r.sock", w->folder);
    w->answer_to_auth = w->answer_to_select = "+OK\r\n";
    w->answer_to_ping = "+PONG\r\n";
    w->answer = "+OK\r\n";
    w->options = (struct bl_redis_options){.connect_ms = 200,
                                           .command_ms = 200,
                                           .retry_min_ms = 10,
                                           .retry_max_ms = 40,
                                           .retry = true};
    w->options.url.unix_socket = true;
    snprintf(w->options.url.path, sizeof w->options.url.path, "%s", w->path);
    *state = w;
    return 0;
}

static void listen_here(struct world *w)
{
    w->fake = fake_redis_start(&w->loop, w->path, NULL, on_command, w);
}

static void connect_now(struct world *w)
{
    const struct bl_redis_events events = {on_up, on_down};

    assert_int_equal(bl_redis_open(&w->conn, &w->loop, &w->options, &events, w, NULL), BL_OK);
}

static int tear_down(void **state)
{
    struct world *w = *state;

    bl_redis_close_now(w->conn);
    if (w->fake)
        fake_redis_stop(w->fake);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    scratch_remove(w->folder);
    free(w);
    return 0;
}

static void on_reply(void *arg, redisReply *reply)
{
    struct world *w = arg;

    if (reply)
        w->replies++;
    else
        w->losses++;
}

static void send_word(struct world *w, const char *word)
{
    bl_slice argv[] = {{word, strlen(word)}};

    assert_int_equal(bl_redis_send(w->conn, argv, 1, on_reply, w), BL_OK);
}

static void set_password(struct world *w)
{
    snprintf(w->options.url.password, sizeof w->options.url.password, "geheim");
}

static void set_tcp(struct world *w, const char *host, unsigned port)
{
    w->options.url.unix_socket = false;
    w->options.url.port = port;
    snprintf(w->options.url.host, sizeof w->options.url.host, "%s", host);
}

/* ---- connecting ---- */

static void it_greets_with_user_password_and_database(void **state)
{
    struct world *w = *state;

    snprintf(w->options.url.user, sizeof w->options.url.user, "bob");
    set_password(w);
    w->options.url.db = 3;
    listen_here(w);
    connect_now(w);
    run_until(w, went_up, 1000);
    assert_string_equal(w->seen, "AUTH bob geheim;SELECT 3;PING;");
}

static void it_greets_with_a_password_alone(void **state)
{
    struct world *w = *state;

    set_password(w);
    listen_here(w);
    connect_now(w);
    run_until(w, went_up, 1000);
    assert_string_equal(w->seen, "AUTH geheim;PING;");
}

static void a_missing_server_is_noticed_and_tried_again(void **state)
{
    struct world *w = *state;

    connect_now(w);
    run_until(w, went_down, 1000);
    assert_int_equal(w->trouble, BL_RESP_HOLD);
    listen_here(w);
    run_until(w, went_up, 1000);
}

static void a_refused_port_is_noticed(void **state)
{
    struct world *w = *state;
    unsigned port = 0;
    struct fake_redis *gone = fake_redis_start(&w->loop, NULL, &port, on_command, w);

    fake_redis_stop(gone);
    set_tcp(w, "127.0.0.1", port);
    connect_now(w);
    run_until(w, went_down, 1000);
    assert_non_null(strstr(w->why.text, "refused"));
}

static void a_name_is_tried_address_by_address(void **state)
{
    struct world *w = *state;
    unsigned port = 0;
    struct addrinfo *found = NULL;

    if (getaddrinfo("localhost", NULL, NULL, &found) != 0) {
        print_message("skipped: this machine has no name for itself\n");
        skip();
    }
    freeaddrinfo(found);
    /* "localhost" is ::1 and 127.0.0.1 on most hosts, and only the second listens */
    w->fake = fake_redis_start(&w->loop, NULL, &port, on_command, w);
    set_tcp(w, "localhost", port);
    connect_now(w);
    run_until(w, went_up, 1500);
}

/* The SYN is never answered, because the listener's queue is full. */
static void a_black_hole_is_noticed(void **state)
{
    struct world *w = *state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), filler[8];

    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 0), 0);
    getsockname(listener, (struct sockaddr *)&at, &n);
    for (size_t i = 0; i < BL_COUNT(filler); i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(filler[i], (struct sockaddr *)&at, sizeof at);
    }
    set_tcp(w, "127.0.0.1", ntohs(at.sin_port));
    connect_now(w);
    run_until(w, went_down, 1000);
    assert_non_null(strstr(w->why.text, "within 200 ms"));
    assert_int_equal(w->why.sys, UV_ETIMEDOUT);
    for (size_t i = 0; i < BL_COUNT(filler); i++)
        close(filler[i]);
    close(listener);
}

static void a_server_that_accepts_and_is_silent_is_noticed(void **state)
{
    struct world *w = *state;

    w->answer_to_ping = NULL;
    listen_here(w);
    connect_now(w);
    run_until(w, went_down, 1000);
    assert_int_equal(w->ups, 0);
    assert_non_null(strstr(w->why.text, "within 200 ms"));
}

static void without_timeouts_a_silent_server_is_never_noticed(void **state)
{
    struct world *w = *state;

    w->answer_to_ping = NULL;
    w->options.connect_ms = w->options.command_ms = 3600 * 1000;
    listen_here(w);
    connect_now(w);
    run_until(w, NULL, 500);
    assert_int_equal(w->downs, 0);
}

static void a_server_that_loads_is_waited_for(void **state)
{
    struct world *w = *state;

    w->answer_to_ping = "-LOADING Redis is loading the dataset in memory\r\n";
    listen_here(w);
    connect_now(w);
    run_until(w, went_down, 1000);
    assert_int_equal(w->trouble, BL_RESP_HOLD);
    w->answer_to_ping = "+PONG\r\n";
    run_until(w, went_up, 1000);
}

static void a_refused_password_is_not_hammered_and_never_shown(void **state)
{
    struct world *w = *state;
    static const char *const answers[] = {
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        "-ERR invalid password\r\n",
        "-ERR Client sent AUTH, but no password is set\r\n",
        "-ERR unknown command `AUTH`, with args beginning with: `geheim`\r\n",
        "$6\r\ngeheim\r\n",
    };

    set_password(w);
    listen_here(w);
    for (size_t i = 0; i < BL_COUNT(answers); i++) {
        size_t before = fake_connections(w->fake);

        w->downs = 0;
        w->answer_to_auth = answers[i];
        connect_now(w);
        run_until(w, went_down, 1000);
        assert_int_equal(w->trouble, BL_RESP_DENIED);
        assert_null(strstr(w->why.text, "geheim"));
        run_until(w, NULL, 150); /* far more than the ordinary back-off */
        assert_int_equal(fake_connections(w->fake), before + 1);
        bl_redis_close_now(w->conn);
        w->conn = NULL;
    }
    assert_int_equal(w->ups, 0);
    w->answer_to_auth = "+OK\r\n";
    connect_now(w);
    run_until(w, went_up, 1000);
}

static void a_password_that_is_missing_is_said(void **state)
{
    struct world *w = *state;

    w->answer_to_ping = "-NOAUTH Authentication required.\r\n";
    listen_here(w);
    connect_now(w);
    run_until(w, went_down, 1000);
    assert_int_equal(w->trouble, BL_RESP_DENIED);
    assert_non_null(strstr(w->why.text, "NOAUTH"));
}

/* ---- commands ---- */

static void replies_come_in_order(void **state)
{
    struct world *w = *state;

    listen_here(w);
    connect_now(w);
    run_until(w, went_up, 1000);
    for (int i = 0; i < 500; i++)
        send_word(w, "DO");
    assert_int_equal(bl_redis_pending(w->conn), 500);
    while (w->replies < 500)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(bl_redis_pending(w->conn), 0);
    assert_int_equal(w->losses, 0);
}

static void an_unanswered_command_ends_the_connection(void **state)
{
    struct world *w = *state;

    listen_here(w);
    connect_now(w);
    run_until(w, went_up, 1000);
    w->answer = NULL;
    send_word(w, "DO");
    send_word(w, "DO");
    run_until(w, went_down, 1000);
    assert_int_equal(w->losses, 2);
    assert_int_equal(w->why.sys, UV_ETIMEDOUT);
    w->ups = 0;
    run_until(w, went_up, 1000);
}

static void half_an_answer_is_none(void **state)
{
    struct world *w = *state;

    listen_here(w);
    connect_now(w);
    run_until(w, went_up, 1000);
    w->hold_last_byte = true;
    send_word(w, "DO");
    run_until(w, went_down, 1000);
    assert_int_equal(w->losses, 1);
    assert_int_equal(w->replies, 0);
}

static void a_hang_up_gives_every_command_its_null_once(void **state)
{
    struct world *w = *state;

    listen_here(w);
    connect_now(w);
    run_until(w, went_up, 1000);
    w->hang_up = true;
    w->answer = NULL;
    for (int i = 0; i < 100; i++)
        send_word(w, "DO");
    run_until(w, went_down, 1000);
    assert_int_equal(w->losses, 100);
    assert_int_equal(w->replies, 0);
    w->hang_up = false;
    w->answer = "+OK\r\n";
    w->ups = 0;
    run_until(w, went_up, 1000);
    assert_int_equal(w->losses, 100);
}

static void what_is_not_redis_is_dropped(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *answer, *why;
    } answers[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "not the Redis protocol"},
        {"*1000000000\r\n", "more than 1,048,576 elements"}, /* Redis, only too much of it */
        {"*-2\r\n", "not the Redis protocol"},
        {"$99999999999999999999\r\n", "not the Redis protocol"},
        {"%1\r\n+a\r\n+b\r\n", "not the Redis protocol"},
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
         /* hiredis 1.x reads on */
         ""},
        {":12x\r\n", "not the Redis protocol"},
        {"+OK\r\n+OK\r\n", ""},
        {"*1048576\r\n*1048576\r\n", "more than 1,048,576 elements"},
    };

    listen_here(w);
    w->options.command_ms = 1000;
    connect_now(w);
    for (size_t i = 0; i < BL_COUNT(answers); i++) {
        print_message("%s", answers[i].answer);
        while (bl_redis_state(w->conn) != BL_REDIS_READY)
            uv_run(&w->loop, UV_RUN_ONCE);
        w->downs = w->losses = w->replies = 0;
        w->answer = answers[i].answer;
        send_word(w, "DO");
        run_until(w, went_down, 3000);
        assert_int_equal(w->losses + w->replies, 1);
        assert_non_null(strstr(w->why.text, answers[i].why));
    }
}

static void the_byte_cap_refuses_and_recovers(void **state)
{
    struct world *w = *state;
    static char big[40000];
    bl_slice argv[] = {BL_SLICE("SET"), BL_SLICE("k"), {big, sizeof big}};
    unsigned taken = 0;

    w->options.out_cap_bytes = 100000;
    listen_here(w);
    connect_now(w);
    assert_int_equal(bl_redis_send(w->conn, argv, 3, on_reply, w), BL_UNAVAILABLE);
    run_until(w, went_up, 1000);
    while (bl_redis_send(w->conn, argv, 3, on_reply, w) == BL_OK)
        taken++;
    assert_in_range(taken, 1, 40);
    assert_true(bl_redis_out_bytes(w->conn) <= 200000);
    while (w->replies < taken)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(bl_redis_send(w->conn, argv, 3, on_reply, w), BL_OK);
}

static void close_in_reply(void *arg, redisReply *reply)
{
    struct world *w = arg;

    on_reply(w, reply);
    bl_redis_close(w->conn, NULL, NULL);
}

static void a_callback_may_close_the_connection(void **state)
{
    struct world *w = *state;
    bl_slice argv[] = {BL_SLICE("DO")};

    listen_here(w);
    connect_now(w);
    run_until(w, went_up, 1000);
    for (int i = 0; i < 10; i++)
        assert_int_equal(bl_redis_send(w->conn, argv, 1, close_in_reply, w), BL_OK);
    while (w->replies + w->losses < 10)
        uv_run(&w->loop, UV_RUN_ONCE);
    w->conn = NULL;
    assert_int_equal(w->replies, 1);
    assert_int_equal(w->downs, 0);
}

static void it_can_be_closed_in_every_state(void **state)
{
    struct world *w = *state;

    for (int turns = 0; turns < 12; turns++) {
        if (turns == 6)
            listen_here(w);
        connect_now(w);
        for (int i = 0; i < turns % 6; i++)
            uv_run(&w->loop, UV_RUN_NOWAIT);
        bl_redis_close_now(w->conn);
    }
    w->conn = NULL;
}

/* ---- one command at a time ---- */

static void a_call_waits_for_its_reply(void **state)
{
    struct world *w = *state;
    const char *argv[] = {"GET", "k"};
    redisReply *reply = NULL;
    bl_err err = {0};

    w->options.retry = false;
    w->answer = "$5\r\nhello\r\n";
    listen_here(w);
    connect_now(w);
    assert_int_equal(bl_redis_call(w->conn, 2, argv, NULL, &reply, &err), BL_OK);
    assert_string_equal(reply->str, "hello");
    freeReplyObject(reply);
    w->answer = NULL;
    assert_int_equal(bl_redis_call(w->conn, 2, argv, NULL, &reply, &err), BL_UNAVAILABLE);
    assert_non_null(strstr(err.text, "no answer within"));
    /* there is no second try, and the reason stays */
    assert_int_equal(bl_redis_call(w->conn, 2, argv, NULL, &reply, &err), BL_UNAVAILABLE);
    assert_non_null(strstr(err.text, "no answer within"));
}

static void a_call_without_a_server_says_why(void **state)
{
    struct world *w = *state;
    const char *argv[] = {"PING"};
    redisReply *reply = NULL;
    bl_err err = {0};

    w->options.retry = false;
    connect_now(w);
    assert_int_equal(bl_redis_call(w->conn, 1, argv, NULL, &reply, &err), BL_UNAVAILABLE);
    assert_non_null(strstr(err.text, "cannot connect"));
    bl_redis_close_now(w->conn);
    w->options.retry = true;
    connect_now(w);
    assert_int_equal(bl_redis_call(w->conn, 1, argv, NULL, &reply, &err), BL_UNAVAILABLE);
    assert_true(w->downs > 2);
}

/* ---- error replies ---- */

static const struct {
    const char *text, *word;
    enum bl_resp_trouble trouble;
} errors[] = {
    {"NOSCRIPT No matching script. Please use EVAL.", "NOSCRIPT", BL_RESP_NOSCRIPT},
    {"OOM command not allowed when used memory > 'maxmemory'.", "OOM", BL_RESP_HOLD},
    {"ERR Error running script (call to f_12): @user_script:3: @user_script: 3: -OOM command not allowed",
     "OOM", BL_RESP_HOLD},
    {"ERR Error running script (call to f_12): @user_script:3: WRONGTYPE Operation", "WRONGTYPE",
     BL_RESP_WRONG},
    {"READONLY You can't write against a read only replica.", "READONLY", BL_RESP_HOLD},
    {"BUSY Redis is busy running a script.", "BUSY", BL_RESP_HOLD},
    {"MISCONF Redis is configured to save RDB snapshots", "MISCONF", BL_RESP_HOLD},
    {"NOREPLICAS Not enough good replicas to write.", "NOREPLICAS", BL_RESP_HOLD},
    {"MASTERDOWN Link with MASTER is down", "MASTERDOWN", BL_RESP_HOLD},
    {"ERR max number of clients reached", "ERR", BL_RESP_HOLD},
    {"NOAUTH Authentication required.", "NOAUTH", BL_RESP_DENIED},
    {"NOPERM this user has no permissions", "NOPERM", BL_RESP_DENIED},
    {"WRONGTYPE Operation against a key", "WRONGTYPE", BL_RESP_WRONG},
    {"ERR unknown command", "ERR", BL_RESP_WRONG},
    {"", "ERR", BL_RESP_WRONG},
    {"OOMX", "OOMX", BL_RESP_WRONG},
};

static void error_replies_fall_into_their_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(errors); i++) {
        bl_slice text = {errors[i].text, strlen(errors[i].text)};
        char word[BL_RESP_WORD_MAX];

        print_message("%s\n", errors[i].text);
        assert_int_equal(bl_resp_trouble(text), errors[i].trouble);
        bl_resp_word(text, word);
        assert_string_equal(word, errors[i].word);
    }
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WORLD(it_greets_with_user_password_and_database),
        WORLD(it_greets_with_a_password_alone),
        WORLD(a_missing_server_is_noticed_and_tried_again),
        WORLD(a_refused_port_is_noticed),
        WORLD(a_name_is_tried_address_by_address),
        WORLD(a_black_hole_is_noticed),
        WORLD(a_server_that_accepts_and_is_silent_is_noticed),
        WORLD(without_timeouts_a_silent_server_is_never_noticed),
        WORLD(a_server_that_loads_is_waited_for),
        WORLD(a_refused_password_is_not_hammered_and_never_shown),
        WORLD(a_password_that_is_missing_is_said),
        WORLD(replies_come_in_order),
        WORLD(an_unanswered_command_ends_the_connection),
        WORLD(half_an_answer_is_none),
        WORLD(a_hang_up_gives_every_command_its_null_once),
        WORLD(what_is_not_redis_is_dropped),
        WORLD(the_byte_cap_refuses_and_recovers),
        WORLD(a_callback_may_close_the_connection),
        WORLD(it_can_be_closed_in_every_state),
        WORLD(a_call_waits_for_its_reply),
        WORLD(a_call_without_a_server_says_why),
        cmocka_unit_test(error_replies_fall_into_their_class),
    };

    signal(SIGPIPE, SIG_IGN); /* as main does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
