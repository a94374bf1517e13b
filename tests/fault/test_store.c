/* ctest: label=quick timeout=200 */
/* The store against a real redis-server that is stopped, killed, refused, flushed, cut off and
 * written to by others.  The oracle is always the same: a log of numbered lines that exists only as
 * arithmetic is read until every slot has it all; then the counters equal the number of lines, by
 * outcome, in every kind of bucket, and each address record equals the one that plain folding of
 * the same lines gives.
 *
 * BL_TEST='*late*' runs only tests whose name fits.
 *
 * Negative controls: a_late_commit_... with no_fence counts lines twice; cuts_between_slots_...
 * with no_slot_positions ends with other records; changes_by_hand_... with a writer that does not
 * count its changes loses some.  All are run here and must fail.  Half of them fail, too, when
 * newest_text() of store_address.c forgets what the write before makes of a record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "address_change.h"
#include "bounceline/alloc.h"
#include "bounceline/rules.h"
#include "bounceline/snapshot.h"
#include "commit.h"
#include "fake_redis.h"
#include "real_redis.h"
#include "redis_conn.h"
#include "store.h"
#include "wire_proxy.h"

enum { LINE_BYTES = 100, MOST_LINES = 1000000, WINDOW = 6, USERS = 23, ADDRESS_DOMAINS = 5 };

static const uint64_t GENERATION = 0x1234567890abcdef;

struct world {
    uv_loop_t loop;
    struct real_redis server;
    char folder[64], proxy_path[96];
    struct wire_proxy *proxy;
    struct bl_store *store;
    struct bl_store_options options;
    unsigned partitions;

    /* the log and how far it was handed out */
    size_t lines, per_batch, at;
    unsigned domains;
    int64_t base_ms;
    bool snapshots;
    size_t spread_minutes;
    struct bl_resume *resume;
    struct bl_batch *spare[WINDOW];
    size_t spares, out;
    bool ready, refused, gone;
    unsigned readies, losses, notes, kills;
    enum bl_code refused_code;
    char refused_text[512], last_note[512], all_notes[8192];
    size_t known, added, replaced;
    bool soft;                 /* failures are full mailboxes */
    struct bl_positions local; /* as the daemon would keep them */
    uint64_t dataset;
};

/* ---- the log ---- */

static enum bl_outcome outcome_of(size_t line)
{
    return line % 10 == 0 ? BL_BOUNCED : line % 10 == 3 ? BL_DEFERRED : BL_DELIVERED;
}

static bool moves_address(size_t line)
{
    return line % 10 == 0 || line % 10 == 5;
}

static size_t address_of(size_t line, char out[64])
{
    size_t who = line / 7 % (USERS * ADDRESS_DOMAINS);

    return (size_t)snprintf(out, 64, "u%zu@d%zu.example", who % USERS, who / USERS);
}

static bl_address_event address_event(const struct world *w, size_t line, bl_slice address)
{
    bl_address_event event = {.kind = line % 10 == 0 ? BL_ADDRESS_FAILED : BL_ADDRESS_DELIVERED,
                              .action = w->soft ? BL_ACTION_SOFT : BL_ACTION_SUPPRESS,
                              .time_ms = w->base_ms + (int64_t)line,
                              .code = 550,
                              .hash = bl_address_hash(address),
                              .address = address,
                              .category = BL_SLICE("invalid-recipient"),
                              .rule = BL_SLICE("test/rule"),
                              .reply = BL_SLICE("no such user")};

    if (event.kind == BL_ADDRESS_DELIVERED)
        event.category = event.rule = event.reply = (bl_slice){0};
    return event;
}

static size_t slot_line(const struct world *w, unsigned slot)
{
    return bl_positions_offset(&w->resume->slot[slot], GENERATION) / LINE_BYTES;
}

/* Usually a millisecond a line; spread: many minutes, again and again. */
static int64_t counted_ms(const struct world *w, size_t line)
{
    if (w->spread_minutes == 0)
        return w->base_ms + (int64_t)line;
    return w->base_ms - (int64_t)(line * 7 % w->spread_minutes) * 60000;
}

static void add_line(struct world *w, struct bl_batch *batch, size_t line)
{
    char address[64], domain[64];
    size_t n = address_of(line, address);
    bl_slice normal = bl_arena_copy(&batch->arena, (bl_slice){address, n});
    unsigned partition = bl_address_partition(normal, w->partitions);

    if (line >= slot_line(w, 0)) {
        size_t m = (size_t)snprintf(domain, sizeof domain, "x@host%zu.example", line % w->domains);
        bl_event event = {.time_us = counted_ms(w, line) * 1000,
                          .outcome = outcome_of(line),
                          .attempt = true,
                          .failed = outcome_of(line) != BL_DELIVERED,
                          .recipient = {domain, m},
                          .has_sender = true,
                          .sender = BL_SLICE("a|b%c@news.example"),
                          .instance = BL_SLICE("postfix")};

        bl_tally_event(batch->tally, event.time_us / 60000000, &event, w->options.rules);
        batch->range[0].lines++;
        batch->range[0].outcome[event.outcome]++;
    }
    if (moves_address(line) && line >= slot_line(w, 1 + partition)) {
        struct bl_address_events *list = &batch->events[partition];

        if (list->n == list->cap) {
            list->cap = list->cap ? list->cap * 2 : 64;
            list->v = bl_realloc(list->v, list->cap * sizeof *list->v);
        }
        list->v[list->n++] = address_event(w, line, normal);
    }
}

/* Batches end at every slot's position, as blocks do. */
static size_t batch_end(const struct world *w)
{
    size_t end = w->at + w->per_batch < w->lines ? w->at + w->per_batch : w->lines;

    for (unsigned i = 0; i <= w->partitions; i++)
        if (slot_line(w, i) > w->at && slot_line(w, i) < end)
            end = slot_line(w, i);
    return end;
}

static void pump(struct world *w)
{
    while (w->ready && w->spares && w->at < w->lines) {
        struct bl_batch *batch = w->spare[--w->spares];
        size_t end = batch_end(w);

        bl_batch_clear(batch);
        batch->run = w->resume->run;
        batch->partitions = w->partitions;
        batch->ranges = 1;
        batch->range[0] = (struct bl_range){.begin = w->at * LINE_BYTES};
        batch->range[0].end =
            (bl_position){.generation = GENERATION, .offset = end * LINE_BYTES, .source = 7};
        batch->recents = 1;
        batch->recent[0] = (struct bl_recent){1, BL_SLICE("bounced\tsomebody")};
        for (size_t i = w->at; i < end; i++)
            add_line(w, batch, i);
        if (w->snapshots && end / w->per_batch % 4 == 0)
            batch->snapshot = bl_calloc(1, sizeof *batch->snapshot);
        w->at = end;
        w->out++;
        bl_store_submit(w->store, batch);
    }
}

/* ---- the owner's ears ---- */

static void on_ready(void *arg, struct bl_resume *resume, struct bl_address_hashes *known)
{
    struct world *w = arg;
    uint64_t least = UINT64_MAX;

    bl_resume_free(w->resume);
    w->resume = resume;
    w->partitions = resume->partitions;
    w->dataset = resume->dataset;
    for (unsigned i = 0; i <= w->partitions; i++) {
        uint64_t offset = bl_positions_offset(&resume->slot[i], GENERATION);

        least = offset < least ? offset : least;
    }
    w->at = least / LINE_BYTES;
    w->ready = true;
    w->readies++;
    w->known = known->n;
    assert_true(known->replace);
    bl_address_hashes_free(known);
    pump(w);
}

static void take_back(struct world *w, struct bl_batch *batch)
{
    w->spare[w->spares++] = batch;
    w->out--;
}

static void on_done(void *arg, struct bl_batch *batch)
{
    struct world *w = arg;

    assert_true(w->ready);
    bl_positions_put(&w->local, &batch->range[0].end);
    take_back(w, batch);
    pump(w);
}

static void on_void(void *arg, struct bl_batch *batch)
{
    take_back(arg, batch);
}

static void on_lost(void *arg)
{
    struct world *w = arg;

    assert_true(w->ready);
    w->ready = false;
    w->losses++;
}

static void on_addresses(void *arg, struct bl_address_hashes *more)
{
    struct world *w = arg;

    if (more->replace)
        w->replaced++;
    w->added += more->n;
    bl_address_hashes_free(more);
}

static void on_note(void *arg, int level, const char *text)
{
    struct world *w = arg;
    size_t n = strlen(w->all_notes);

    (void)level;
    w->notes++;
    snprintf(w->last_note, sizeof w->last_note, "%s", text);
    snprintf(w->all_notes + n, sizeof w->all_notes - n, "%s\n", text);
}

static void on_refused(void *arg, enum bl_code code, const char *text)
{
    struct world *w = arg;

    w->refused = true;
    w->refused_code = code;
    snprintf(w->refused_text, sizeof w->refused_text, "%s", text);
}

static void on_gone(void *arg)
{
    ((struct world *)arg)->gone = true;
}

static void open_store(struct world *w)
{
    static const struct bl_store_events events = {on_ready,     on_done, on_void,   on_lost,
                                                  on_addresses, on_note, on_refused};

    w->gone = false;
    assert_int_equal(bl_store_open(&w->store, &w->loop, &w->options, &events, w, NULL), BL_OK);
}

static void close_store(struct world *w)
{
    if (!w->store)
        return;
    bl_store_close(w->store, on_gone, w);
    while (!w->gone)
        uv_run(&w->loop, UV_RUN_ONCE);
    w->store = NULL;
    w->ready = false;
    assert_int_equal(w->out, 0);
}

/* ---- running ---- */

static bool all_done(const struct world *w)
{
    return w->ready && w->at == w->lines && w->out == 0;
}

static void on_limit(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Runs until `there` or for `most_ms`; `deed` happens every `every_ms`. */
struct deed {
    struct world *w;
    void (*fn)(struct world *w, unsigned turn);
    unsigned turn;
};

static void on_deed(uv_timer_t *timer)
{
    struct deed *deed = timer->data;

    deed->fn(deed->w, deed->turn++);
}

static void run(struct world *w, bool (*there)(const struct world *), uint64_t most_ms,
                void (*fn)(struct world *, unsigned), uint64_t every_ms)
{
    bool over = false;
    struct deed deed = {.w = w, .fn = fn};
    uv_timer_t limit, timer;

    uv_timer_init(&w->loop, &limit);
    uv_timer_init(&w->loop, &timer);
    limit.data = &over;
    timer.data = &deed;
    uv_timer_start(&limit, on_limit, most_ms, 0);
    if (fn)
        uv_timer_start(&timer, on_deed, every_ms, every_ms);
    while (!over && !(there && there(w)))
        uv_run(&w->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&limit, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&w->loop, UV_RUN_NOWAIT);
    if (there && over)
        print_message("at %zu of %zu, out %zu, ready %d, notes:\n%s", w->at, w->lines, w->out,
                      w->ready, w->all_notes);
    if (there)
        assert_false(over);
}

static bool is_idle(const struct world *w)
{
    return bl_store_idle(w->store);
}

static void finish(struct world *w)
{
    run(w, all_done, 20000, NULL, 0);
    bl_store_flush(w->store);
    run(w, is_idle, 5000, NULL, 0);
}

/* ---- the oracle ---- */

static long long sum_of_buckets(struct world *w, char kind, const char *field)
{
    const char kinds[] = {kind, '\0'};
    redisReply *keys = redisCommand(w->server.redis, "KEYS bl:{n:mx1}:%s:*", kinds);
    long long sum = 0;

    for (size_t i = 0; i < keys->elements; i++)
        sum += real_redis_number(&w->server, "HGET %s %s", keys->element[i]->str, field);
    freeReplyObject(keys);
    return sum;
}

/* The sum over all keys of the dimension "domain" of fields that end in `suffix`. */
static long long sum_of_domains(struct world *w, char kind, const char *suffix)
{
    const char kinds[] = {kind, '\0'};
    redisReply *keys = redisCommand(w->server.redis, "KEYS bl:{n:mx1}:%s:*", kinds);
    long long sum = 0;

    for (size_t i = 0; i < keys->elements; i++) {
        redisReply *all = redisCommand(w->server.redis, "HGETALL %s", keys->element[i]->str);

        for (size_t j = 0; j + 1 < all->elements; j += 2) {
            const char *field = all->element[j]->str, *bar;

            if (strncmp(field, "domain|", 7) != 0)
                continue;
            bar = strchr(field + 7, '|');
            if ((!bar && *suffix == '\0') || (bar && strcmp(bar, suffix) == 0))
                sum += strtoll(all->element[j + 1]->str, NULL, 10);
        }
        freeReplyObject(all);
    }
    freeReplyObject(keys);
    return sum;
}

static long long lines_with(const struct world *w, enum bl_outcome outcome)
{
    long long n = 0;

    for (size_t i = 0; i < w->lines; i++)
        n += outcome_of(i) == outcome;
    return n;
}

static bool counters_are_exact(struct world *w)
{
    long long lines = (long long)w->lines, bounced = lines_with(w, BL_BOUNCED);
    long long got[] = {
        real_redis_number(&w->server, "HGET bl:{n:mx1}:t %016" PRIx64 "|lines", GENERATION),
        real_redis_number(&w->server, "HGET bl:{n:mx1}:t %016" PRIx64 "|bytes", GENERATION) /
            LINE_BYTES,
        real_redis_number(&w->server, "HGET bl:{n:mx1}:pos mx1|g|%016" PRIx64, GENERATION) /
            LINE_BYTES,
        sum_of_buckets(w, 'm', "all|*"),
        sum_of_buckets(w, 'h', "all|*"),
        sum_of_buckets(w, 'd', "all|*"),
        sum_of_domains(w, 'm', ""),
        sum_of_domains(w, 'h', ""),
        sum_of_domains(w, 'd', "")};
    long long got_bounced[] = {
        real_redis_number(&w->server, "HGET bl:{n:mx1}:t %016" PRIx64 "|bounced", GENERATION),
        sum_of_buckets(w, 'm', "all|*|bounced"),
        sum_of_buckets(w, 'd', "all|*|bounced"),
        sum_of_domains(w, 'm', "|bounced"),
        sum_of_domains(w, 'h', "|bounced"),
        sum_of_domains(w, 'd', "|bounced")};
    bool exact = true;

    for (size_t i = 0; i < BL_COUNT(got); i++)
        if (got[i] != lines) {
            print_message("counter %zu: %lld of %lld\n", i, got[i], lines);
            exact = false;
        }
    for (size_t i = 0; i < BL_COUNT(got_bounced); i++)
        if (got_bounced[i] != bounced) {
            print_message("bounced %zu: %lld of %lld\n", i, got_bounced[i], bounced);
            exact = false;
        }
    return exact;
}

/* Everything but the version, which counts writes. */
static bool same_record(struct bl_address_record *a, struct bl_address_record *b)
{
    static char x[BL_ADDRESS_TEXT_MAX], y[BL_ADDRESS_TEXT_MAX];
    size_t n, m;

    a->version = b->version = 1;
    n = bl_address_text(a, x);
    m = bl_address_text(b, y);
    return n == m && memcmp(x, y, n) == 0;
}

static bool address_is_exact(struct world *w, const char *address)
{
    struct bl_address_record model = {0}, stored;
    bl_slice slice = {address, strlen(address)};
    struct bl_redis_keys keys;
    bl_redis_key key;
    redisReply *reply;

    for (size_t i = 0; i < w->lines; i++) {
        char other[64];
        bl_address_event event;

        if (!moves_address(i) || address_of(i, other) != slice.n || strcmp(other, address) != 0)
            continue;
        event = address_event(w, i, slice);
        bl_suppress_apply(&model, &event, &w->options.policy, w->base_ms + 86400000);
    }
    bl_redis_keys_init(&keys, "bl:", "mx1");
    keys.partitions = w->partitions;
    key = bl_redis_key_address(&keys, 'a', slice);
    reply = real_redis_do(&w->server, "GET %b", key.text, key.n);
    if (bl_address_change_read((bl_slice){reply->str, reply->len}, &stored, NULL) != BL_OK)
        return false;
    if (same_record(&stored, &model))
        return true;
    print_message("%s differs: %s\n", address, reply->str ? reply->str : "(none)");
    return false;
}

static bool addresses_are_exact(struct world *w)
{
    for (size_t i = 0; i < (size_t)7 * USERS * ADDRESS_DOMAINS && i < w->lines; i += 7) {
        char address[64];

        address_of(i, address);
        if (!address_is_exact(w, address))
            return false;
    }
    return true;
}

static void assert_exact(struct world *w)
{
    assert_true(counters_are_exact(w));
    assert_true(addresses_are_exact(w));
}

/* ---- set-up ---- */

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    uv_loop_init(&w->loop);
    scratch_make(w->folder, sizeof w->folder);
    real_redis_start(&w->server, w->folder);
    snprintf(w->proxy_path, sizeof w->proxy_path, "%s/proxy.sock", w->folder);
    w->proxy = wire_proxy_start(&w->loop, w->proxy_path, w->server.socket);
    w->options = (struct bl_store_options){.node = "mx1",
                                           .instance = "one",
                                           .connect_ms = 300,
                                           .command_ms = 300,
                                           .policy = bl_suppress_balanced,
                                           .rules = bl_rules_builtin(),
                                           .partitions = 2,
                                           .tick_ms = 40,
                                           .retry_max_ms = 200,
                                           .wrong_ms = 100,
                                           .denied_ms = 300};
    w->options.url.unix_socket = true;
    snprintf(w->options.url.path, sizeof w->options.url.path, "%s", w->proxy_path);
    w->lines = 6000;
    w->per_batch = 100;
    w->options.address_events = 20; /* about two batches: others wait, and are read ahead */
    w->domains = 700;
    w->base_ms = (int64_t)time(NULL) * 1000 - MOST_LINES; /* none lies ahead of the clock: that
                                                             would count as now */
    for (size_t i = 0; i < WINDOW; i++) {
        w->spare[w->spares] = bl_batch_new();
        assert_non_null(w->spare[w->spares++]);
    }
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    close_store(w);
    wire_proxy_stop(w->proxy);
    real_redis_kill(&w->server);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    bl_resume_free(w->resume);
    bl_positions_release(&w->local);
    for (size_t i = 0; i < WINDOW; i++)
        bl_batch_free(w->spare[i]);
    scratch_remove(w->folder);
    free(w);
    return 0;
}

/* ---- tests ---- */

static void everything_is_counted_once(void **state)
{
    struct world *w = *state;

    open_store(w);
    finish(w);
    assert_exact(w);
    assert_int_equal(w->losses, 0);
    assert_true(real_redis_number(&w->server, "XLEN bl:{n:mx1}:recent") > 0);
    assert_int_equal(real_redis_number(&w->server, "ZCARD bl:{n:mx1}:days"),
                     sum_of_buckets(w, 'd', "#|all"));
    assert_int_equal(real_redis_number(&w->server, "HGET bl:meta partitions"), 2);
    assert_true(real_redis_number(&w->server, "TTL bl:{n:mx1}:d:%lld",
                                  (long long)(w->base_ms / 86400000)) > 399 * 86400);
    assert_true(real_redis_number(&w->server, "ZCARD bl:{p00}:x") > 0);
    assert_true(real_redis_number(&w->server, "ZCARD bl:{p01}:x") > 0);
    /* the keys of a sender with a bar and a percent sign can be taken apart */
    assert_true(sum_of_buckets(w, 'd', "sender|news.example") == (long long)w->lines);
}

static void a_new_store_goes_on_where_the_last_one_was(void **state)
{
    struct world *w = *state;
    size_t all = w->lines;

    w->lines = all / 2;
    open_store(w);
    finish(w);
    close_store(w);
    w->lines = all;
    open_store(w);
    finish(w);
    assert_true(w->known > 0);
    assert_exact(w);
}

static void caps_keep_sums_exact(void **state)
{
    struct world *w = *state;

    w->domains = 5000; /* over every cap: 200, 1000, 4000 */
    w->lines = 12000;
    w->per_batch = 900;
    open_store(w);
    finish(w);
    assert_exact(w);
    assert_int_equal(sum_of_buckets(w, 'd', "#|domain"), 4000);
    assert_int_equal(sum_of_buckets(w, 'h', "#|domain") % 1000, 0);
    assert_int_equal(sum_of_buckets(w, 'm', "#|domain") % 200, 0);
    assert_true(sum_of_buckets(w, 'd', "domain|~other") > 0);
}

/* As keys_per_day allows it, and more than one reply may hold: read whole by one HGETALL, it kept
 * the store away. */
static void a_bucket_larger_than_a_reply_is_read(void **state)
{
    struct world *w = *state;

    w->options.command_ms = 10000;
    open_store(w);
    finish(w);
    close_store(w);
    real_redis_do(
        &w->server, "EVAL %s 1 bl:{n:mx1}:d:%lld",
        "for i = 1, 600000 do redis.call('HSET', KEYS[1], 'sender|s' .. i .. '.example', 1) end return 0",
        (long long)(w->base_ms / 86400000));
    w->lines += 1000;
    open_store(w);
    finish(w);
    assert_exact(w);
    assert_int_equal(w->losses, 0);
    assert_int_equal(sum_of_buckets(w, 'd', "sender|s600000.example"), 1);
}

static void old_lines_count_in_their_day_or_in_old(void **state)
{
    struct world *w = *state;
    const int64_t day_ms = 86400000;
    static const struct {
        int64_t days;
        bool minute, hour, day;
    } ages[] = {{0, true, true, true},
                {5, false, true, true},
                {60, false, false, true},
                {500, false, false, false}};

    for (size_t i = 0; i < BL_COUNT(ages); i++) {
        int64_t now_ms = (int64_t)time(NULL) * 1000 - 60000;

        print_message("%d days old\n", (int)ages[i].days);
        real_redis_do(&w->server, "FLUSHALL");
        w->base_ms = now_ms - ages[i].days * day_ms;
        w->lines = 1000;
        w->at = 0;
        open_store(w);
        finish(w);
        assert_int_equal(sum_of_buckets(w, 'm', "all|*"), ages[i].minute ? 1000 : 0);
        assert_int_equal(sum_of_buckets(w, 'h', "all|*"), ages[i].hour ? 1000 : 0);
        assert_int_equal(sum_of_buckets(w, 'd', "all|*"), 1000); /* "old" among them */
        assert_int_equal(real_redis_number(&w->server, "HGET bl:{n:mx1}:d:old all|*"),
                         ages[i].day ? 0 : 1000);
        close_store(w);
    }
}

static void lines_of_many_minutes_come_back_to_them(void **state)
{
    struct world *w = *state;

    w->spread_minutes = 150; /* more buckets than are kept in mind; and over midnight, at times */
    w->lines = 4000;
    w->per_batch = 37;
    open_store(w);
    finish(w);
    assert_exact(w);
    assert_true(real_redis_do(&w->server, "KEYS bl:{n:mx1}:m:*")->elements == 150);
}

/* ---- who writes ---- */

static bool is_ready(const struct world *w)
{
    return w->ready;
}

static bool was_refused(const struct world *w)
{
    return w->refused;
}

/* Negative control: with moves instead of leases while addresses are loaded, their partitions wait
 * for ever. */
static void a_long_load_keeps_the_leases_and_ends(void **state)
{
    struct world *w = *state;

    w->options.lease_ms = 150;
    w->options.command_ms = 5000;
    wire_proxy_hold_behind(w->proxy, "ZSCAN");
    open_store(w);
    run(w, NULL, 400, NULL, 0);
    assert_true(wire_proxy_holds(w->proxy));
    assert_false(w->ready);
    wire_proxy_let_go(w->proxy);
    finish(w);
    assert_exact(w);
}

static void another_instance_is_refused_until_the_lease_ends(void **state)
{
    struct world *w = *state;

    w->options.lease_ms = 600;
    open_store(w);
    run(w, is_ready, 2000, NULL, 0);
    w->ready = false;
    /* the first one dies: its lease stays */
    real_redis_do(&w->server, "HSET bl:{n:mx1}:pos mx1|owner two mx1|lease 99999999999999");
    close_store(w);
    real_redis_do(&w->server, "HSET bl:{n:mx1}:pos mx1|lease 99999999999999");
    open_store(w);
    run(w, was_refused, 2000, NULL, 0);
    assert_int_equal(w->refused_code, BL_CONFLICT);
    assert_non_null(strstr(w->refused_text, "instance two"));
    close_store(w);
    real_redis_do(&w->server, "HSET bl:{n:mx1}:pos mx1|lease 1");
    open_store(w);
    finish(w);
    assert_exact(w);
}

static void the_lease_is_kept_and_given_back(void **state)
{
    struct world *w = *state;
    long long first, then;

    w->options.lease_ms = 300;
    w->lines = 0;
    open_store(w);
    run(w, is_ready, 2000, NULL, 0);
    first = real_redis_number(&w->server, "HGET bl:{p00}:pos mx1|lease");
    run(w, NULL, 500, NULL, 0);
    then = real_redis_number(&w->server, "HGET bl:{p00}:pos mx1|lease");
    assert_in_range(then - first, 200, 700);
    then = real_redis_number(&w->server, "HGET bl:{n:mx1}:pos mx1|lease");
    assert_true(then > (int64_t)time(NULL) * 1000 - 1000);
    close_store(w);
    assert_true(real_redis_number(&w->server, "HGET bl:{n:mx1}:pos mx1|lease") < then);
}

static void take_over(struct world *w, unsigned turn)
{
    if (turn == 2)
        real_redis_do(
            &w->server,
            "HSET bl:{n:mx1}:pos mx1|owner two mx1|lease 99999999999999 mx1|epoch 99999999999999");
}

static void a_store_whose_node_was_taken_over_stands_down(void **state)
{
    struct world *w = *state;

    w->lines = MOST_LINES;
    open_store(w);
    run(w, was_refused, 5000, take_over, 20);
    assert_int_equal(w->losses, 1);
    assert_int_equal(bl_store_stats(w->store).fenced, 1);
    assert_int_equal(w->out, 0);
}

static void data_of_another_kind_is_refused(void **state)
{
    struct world *w = *state;
    static const char *const damage[] = {
        "HSET bl:meta schema 2", "HSET bl:meta dataset xyz", "HSET bl:meta partitions 0",
        "HSET bl:meta partitions 1000", "HSET bl:{p01}:pos dataset 0000000000000001"};

    for (size_t i = 0; i < BL_COUNT(damage); i++) {
        print_message("%s\n", damage[i]);
        real_redis_do(&w->server, "FLUSHALL");
        open_store(w);
        run(w, is_ready, 2000, NULL, 0);
        close_store(w);
        real_redis_do(&w->server, damage[i]);
        w->refused = w->ready = false;
        open_store(w);
        run(w, was_refused, 2000, NULL, 0);
        assert_int_equal(w->refused_code, BL_CONFLICT);
        close_store(w);
    }
}

/* ---- the wire ---- */

static bool proxy_holds(const struct world *w)
{
    return wire_proxy_holds(w->proxy);
}

static bool late_commit(struct world *w)
{
    w->lines = 300;
    open_store(w);
    finish(w);
    w->lines = 400; /* one more batch: all but its first bytes is kept back */
    wire_proxy_hold_behind(w->proxy, "commit.lua");
    pump(w);
    run(w, proxy_holds, 2000, NULL, 0);
    finish(w); /* the command times out, and the batch is sent again */
    assert_true(w->losses > 0);
    assert_true(w->options.no_fence || counters_are_exact(w));
    wire_proxy_let_go(w->proxy);
    run(w, NULL, 200, NULL, 0);
    return counters_are_exact(w);
}

static void a_late_commit_of_a_lost_connection_counts_nothing(void **state)
{
    assert_true(late_commit(*state));
}

static void without_the_fence_a_late_commit_counts_twice(void **state)
{
    struct world *w = *state;

    w->options.no_fence = true;
    assert_false(late_commit(w));
}

static uint64_t seed = 88172645463325252u;

static size_t draw(size_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % below);
}

static void cut_somewhere(struct world *w, unsigned turn)
{
    if (turn % 3 == 2)
        wire_proxy_swallow_answers(w->proxy);
    wire_proxy_cut_after(w->proxy, draw(120000));
}

static void cuts_anywhere_lose_nothing(void **state)
{
    struct world *w = *state;

    w->lines = 40000;
    w->per_batch = 150;
    w->snapshots = true;
    open_store(w);
    run(w, all_done, 30000, cut_somewhere, 200);
    wire_proxy_cut_after(w->proxy, SIZE_MAX);
    finish(w);
    print_message("%u losses, %u fenced\n", w->losses, (unsigned)bl_store_stats(w->store).fenced);
    assert_true(w->losses > 0); /* how many depends on the machine */
    assert_exact(w);
}

static void without_positions_of_its_own_a_slot_goes_wrong(void **state)
{
    struct world *w = *state;
    bool wrong = false;

    w->options.no_slot_positions = true;
    w->lines = 20000;
    w->per_batch = 150;
    for (int i = 0; i < 40 && !wrong; i++) { /* until a cut comes between the slots */
        real_redis_do(&w->server, "FLUSHALL");
        open_store(w);
        run(w, all_done, 30000, cut_somewhere, 200);
        wire_proxy_cut_after(w->proxy, SIZE_MAX);
        finish(w);
        wrong = !addresses_are_exact(w);
        close_store(w);
    }
    assert_true(wrong);
}

/* ---- the server ---- */

static void stop_and_go(struct world *w, unsigned turn)
{
    if (turn < 6)
        real_redis_signal(&w->server, turn % 2 ? SIGCONT : SIGSTOP);
}

/* A file that was read to its end long before it is known that it will not grow: the same offset
 * again. */
static void that_a_log_is_finished_arrives_by_itself(void **state)
{
    struct world *w = *state;
    struct bl_batch *batch;

    open_store(w);
    finish(w);
    batch = w->spare[--w->spares];
    bl_batch_clear(batch);
    batch->run = w->resume->run;
    batch->partitions = w->partitions;
    batch->ranges = 1;
    batch->range[0] = (struct bl_range){.begin = w->at * LINE_BYTES};
    batch->range[0].end = (bl_position){
        .generation = GENERATION, .offset = w->lines * LINE_BYTES, .source = 7, .finished = true};
    w->out++;
    bl_store_submit(w->store, batch);
    finish(w);
    assert_int_equal(w->losses, 0);
    assert_exact(w);
    close_store(w);
    open_store(w);
    run(w, is_ready, 2000, NULL, 0);
    for (unsigned i = 0; i <= w->partitions; i++)
        assert_true(bl_positions_find(&w->resume->slot[i], GENERATION)->finished);
}

enum {
    QUIET = 50
}; /* so many of them, the oldest, are of a log that has not been written for long */

static void put_generations(struct world *w, const char *key, unsigned n, unsigned finished)
{
    for (unsigned i = 0; i < n; i++) {
        bl_position p = {.generation = i + 77,
                         .offset = 50,
                         .seen_s = i + 1,
                         .finished = i < finished,
                         .source = i < QUIET};
        char field[64], text[BL_POSITION_TEXT_MAX];

        snprintf(field, sizeof field, "mx1|g|%016" PRIx64, p.generation);
        bl_position_text(&p, text);
        assert_int_equal(redisAppendCommand(w->server.redis, "HSET %s %s %s", key, field, text),
                         REDIS_OK);
    }
    for (unsigned i = 0; i < n; i++) {
        void *reply = NULL;

        assert_int_equal(redisGetReply(w->server.redis, &reply), REDIS_OK);
        freeReplyObject(reply);
    }
}

static bool knows_generation(struct world *w, const char *key, unsigned generation)
{
    char command[128];

    snprintf(command, sizeof command, "HEXISTS %s mx1|g|%016x", key, generation);
    return real_redis_number(&w->server, command) == 1;
}

/* What was counted of them: 50 bytes, and as many messages discarded as the generation's number
 * says. */
static void put_totals(struct world *w, unsigned n)
{
    real_redis_do(&w->server, "EVAL %s 1 bl:{n:mx1}:t %u",
                  "for i = 77, 76 + ARGV[1] do local g = string.format('%016x|', i) "
                  "redis.call('HSET', KEYS[1], g .. 'bytes', 50, g .. 'discarded', i) end return 0",
                  n);
}

/* Of all generations of `pos`, and what went on under "old". */
static long long sum_of_totals(struct world *w, const char *name)
{
    return real_redis_number(
        &w->server, "EVAL %s 1 bl:{n:mx1}:t %s",
        "local all, sum = redis.call('HGETALL', KEYS[1]), 0 for i = 1, #all, 2 do "
        "if string.match(all[i], '|(.*)$') == ARGV[1] then sum = sum + all[i + 1] end end "
        "return sum",
        name);
}

/* A log that rotates for years: without pruning its positions would only become more.  What a log
 * may still have lying there stays, also the few files of one that is quiet: forgotten, they would
 * be new, and counted again. */
static void what_was_finished_long_ago_is_forgotten(void **state)
{
    struct world *w = *state;

    open_store(w);
    finish(w);
    close_store(w);
    put_generations(w, "bl:{n:mx1}:pos", 13000, 13000);
    /* the last hundred are not finished everywhere */
    put_generations(w, "bl:{p00}:pos", 13000, 12900);
    put_totals(w, 13000);
    open_store(w);
    run(w, is_ready, 5000, NULL, 0);
    finish(w);
    assert_in_range(real_redis_number(&w->server, "HLEN bl:{n:mx1}:pos"), BL_LOG_FILES_MAX + QUIET,
                    BL_LOG_FILES_MAX + QUIET + 10);
    assert_true(knows_generation(w, "bl:{n:mx1}:pos", 77));
    assert_true(knows_generation(w, "bl:{p00}:pos", 77 + QUIET - 1));
    assert_false(knows_generation(w, "bl:{n:mx1}:pos", 77 + QUIET));
    assert_false(knows_generation(w, "bl:{p00}:pos", 77 + QUIET));
    /* their totals go with them, into one sum: they stayed for ever, five to ten fields a log
     * file */
    assert_int_equal(sum_of_totals(w, "bytes"), 13000 * 50 + (long long)w->lines * LINE_BYTES);
    assert_int_equal(sum_of_totals(w, "discarded"), 13000ll * (77 + 77 + 12999) / 2);
    assert_in_range(real_redis_number(&w->server, "HLEN bl:{n:mx1}:t"), 1,
                    2 * (BL_LOG_FILES_MAX + QUIET) + 30);
    assert_int_equal(real_redis_number(&w->server, "HGET bl:{n:mx1}:t 000000000000004d|discarded"),
                     77);
    assert_false(knows_generation(w, "bl:{n:mx1}:pos", 77 + 13000 - BL_LOG_FILES_MAX - 1));
    assert_true(knows_generation(w, "bl:{n:mx1}:pos", 77 + 13000 - BL_LOG_FILES_MAX));
    assert_exact(w);
}

/* More than a list holds, and most of it never finished: the claim takes all of it, and cuts it
 * down. */
static void no_number_of_log_files_keeps_a_node_out(void **state)
{
    struct world *w = *state;
    enum { MANY = BL_GENERATIONS_MAX + 500 };

    w->options.connect_ms = w->options.command_ms = 10000;
    w->lines = 0;
    open_store(w);
    run(w, is_ready, 5000, NULL, 0);
    close_store(w);
    w->ready = false;
    put_generations(w, "bl:{n:mx1}:pos", MANY, 100);
    put_generations(w, "bl:{p00}:pos", MANY, MANY);
    open_store(w);
    run(w, is_ready, 20000, NULL, 0);
    assert_int_equal(w->resume->slot[0].n, BL_GENERATIONS_MAX / 2);
    assert_in_range(real_redis_number(&w->server, "HLEN bl:{n:mx1}:pos"), BL_GENERATIONS_MAX / 2,
                    BL_GENERATIONS_MAX / 2 + 10);
    assert_int_equal(real_redis_number(&w->server, "HEXISTS bl:{p00}:pos mx1|g|000000000000004d"),
                     0);
    assert_non_null(strstr(w->all_notes, "not read to their end"));
}

static bool has_spare(const struct world *w)
{
    return w->spares > 0;
}

/* All in one script, more than Lua's stack takes at once. */
static void thousands_of_positions_move_together(void **state)
{
    struct world *w = *state;
    enum { BATCHES = 320 };

    w->options.connect_ms = w->options.command_ms = 10000;
    w->options.tick_ms = 60000;
    w->lines = 0;
    open_store(w);
    run(w, is_ready, 2000, NULL, 0);
    for (unsigned i = 0; i < BATCHES; i++) {
        struct bl_batch *batch;

        run(w, has_spare, 10000, NULL, 0);
        batch = w->spare[--w->spares];
        bl_batch_clear(batch);
        batch->run = w->resume->run;
        batch->partitions = w->partitions;
        for (batch->ranges = 0; batch->ranges < BL_BATCH_RANGES; batch->ranges++)
            batch->range[batch->ranges].end = (bl_position){
                .generation = 1 + i * BL_BATCH_RANGES + batch->ranges, .offset = 100, .seen_s = 1};
        w->out++;
        bl_store_submit(w->store, batch);
    }
    finish(w);
    assert_int_equal(w->losses, 0);
    assert_true(real_redis_number(&w->server, "HLEN bl:{p00}:pos") >= BATCHES * BL_BATCH_RANGES);
    assert_true(real_redis_number(&w->server, "HLEN bl:{p01}:pos") >= BATCHES * BL_BATCH_RANGES);
}

/* The commit keeps more buckets than it likes rather than one less that an answer will be written
 * into. */
static void a_bucket_that_was_asked_for_stays(void **state)
{
    struct world *w = *state;
    struct bl_commit *commit = bl_commit_new(w->options.rules, w);
    const struct bl_batch *batch = w->spare[0];
    bl_event event = {
        .outcome = BL_DELIVERED, .attempt = true, .recipient = BL_SLICE("x@host.example")};
    struct bl_bucket *bucket, *asked[300];
    size_t n = 0;

    assert_non_null(commit);
    for (unsigned i = 0; i < 100; i++) {
        event.time_us = (w->base_ms - (int64_t)i * 60000) * 1000;
        bl_tally_event(w->spare[0]->tally, event.time_us / 60000000, &event, w->options.rules);
    }
    assert_true(bl_commit_begin(commit, &batch, 1, w->base_ms));
    while ((bucket = bl_commit_next_unknown(commit)) != NULL)
        asked[n++] = bucket;
    assert_true(n > BL_COMMIT_BUCKETS);
    bl_batch_clear(w->spare[0]);
    assert_true(bl_commit_begin(commit, &batch, 1, w->base_ms));
    for (size_t i = 0; i < n; i++) { /* what the answer does */
        assert_true(bl_bucket_add(asked[i], BL_SLICE("all|*"), 1));
        asked[i]->state = BL_BUCKET_KNOWN;
    }
    assert_true(bl_commit_begin(commit, &batch, 1, w->base_ms));
    assert_int_equal(commit->buckets_n, BL_COMMIT_BUCKETS);
    bl_commit_free(commit);
}

static void a_stopped_server_is_noticed_and_waited_for(void **state)
{
    struct world *w = *state;

    w->lines = 30000;
    open_store(w);
    run(w, is_ready, 2000, NULL, 0);
    run(w, NULL, 3500, stop_and_go, 450);
    finish(w);
    assert_true(w->losses > 0);
    assert_exact(w);
}

/* Not before the store is there again, so that each kill meets one at work. */
static void kill_the_server(struct world *w, unsigned turn)
{
    (void)turn;
    if (w->kills == 4 || !w->ready)
        return;
    w->kills++;
    real_redis_kill(&w->server);
    real_redis_start(&w->server, w->folder);
}

static bool was_killed_often(const struct world *w)
{
    return w->kills == 4;
}

static void a_killed_server_goes_back_as_a_whole(void **state)
{
    struct world *w = *state;

    w->lines = 200000;
    w->per_batch = 50;
    open_store(w);
    run(w, was_killed_often, 20000, kill_the_server, 300);
    w->lines = w->at + 1000 < w->lines ? w->at + 1000 : w->lines;
    finish(w);
    assert_true(w->losses > 0);
    assert_exact(w);
}

static void flush_scripts(struct world *w, unsigned turn)
{
    (void)turn;
    real_redis_do(&w->server, "SCRIPT FLUSH");
}

static void flushed_scripts_do_not_matter(void **state)
{
    struct world *w = *state;

    /* a loss is what this looks for: a machine under load must not make one by a timeout */
    w->options.connect_ms = w->options.command_ms = 10000;
    w->lines = 30000;
    open_store(w);
    run(w, all_done, 20000, flush_scripts, 10);
    finish(w);
    assert_int_equal(w->losses, 0);
    assert_exact(w);
}

static void forget_everything(struct world *w, unsigned turn)
{
    if (turn == 3)
        real_redis_do(&w->server, "FLUSHALL");
}

static void an_emptied_server_is_filled_again_from_the_logs(void **state)
{
    struct world *w = *state;
    uint64_t before;

    w->lines = 60000;
    w->per_batch = 50;
    open_store(w);
    run(w, is_ready, 2000, NULL, 0);
    before = w->dataset;
    run(w, NULL, 300, forget_everything, 30);
    finish(w);
    assert_true(w->dataset != before);
    assert_non_null(strstr(w->all_notes, "Redis was emptied"));
    assert_exact(w);
}

static void lost_positions_come_from_the_local_copy(void **state)
{
    struct world *w = *state;

    open_store(w);
    finish(w);
    close_store(w);
    real_redis_do(&w->server, "DEL bl:{n:mx1}:pos");
    open_store(w);
    run(w, was_refused, 2000, NULL, 0);
    assert_non_null(strstr(w->refused_text, "count every log again"));
    close_store(w);
    w->ready = false;
    open_store(w);
    bl_store_set_local(w->store, w->dataset, &w->local);
    w->lines += 500;
    finish(w);
    assert_non_null(strstr(w->all_notes, "taken from the copy"));
    assert_exact(w);
}

static void a_lost_partition_is_made_again_from_the_logs(void **state)
{
    struct world *w = *state;
    redisReply *keys;

    open_store(w);
    finish(w);
    close_store(w);
    keys = redisCommand(w->server.redis, "KEYS bl:{p01}:*");
    assert_true(keys->elements > 3);
    for (size_t i = 0; i < keys->elements; i++)
        real_redis_do(&w->server, "DEL %s", keys->element[i]->str);
    freeReplyObject(keys);
    w->ready = false;
    open_store(w);
    bl_store_set_local(w->store, w->dataset, &w->local);
    run(w, is_ready, 2000, NULL, 0);
    assert_null(strstr(w->all_notes, "taken from the copy"));
    assert_non_null(strstr(w->all_notes, "bl:{p01}:pos has no positions"));
    finish(w);
    assert_exact(w);
}

/* ---- refusals: each for a while, in the middle of work ---- */

struct refusal {
    const char *name, *begin, *end, *said;
};

static const struct refusal *refusal;

static void refuse_for_a_while(struct world *w, unsigned turn)
{
    if (turn == 0) {
        real_redis_do(&w->server, refusal->begin);
    } else if (turn == 10) {
        assert_false(all_done(w));
        real_redis_do(&w->server, refusal->end);
    }
}

static void what_redis_refuses_for_a_while_is_held(void **state)
{
    struct world *w = *state;
    static const struct refusal refusals[] = {
        {"no memory", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM"},
        {"a replica", "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "READONLY"},
        {"no replicas", "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0",
         "NOREPLICAS"},
        {"no right to scripts", "ACL SETUSER default -eval", "ACL SETUSER default +eval", "NOPERM"},
        {"a foreign bucket", NULL, NULL, "WRONGTYPE"},
    };

    for (size_t i = 0; i < BL_COUNT(refusals); i++) {
        struct refusal now = refusals[i];
        char begin[160], end[160];

        print_message("%s\n", now.name);
        real_redis_do(&w->server, "FLUSHALL");
        w->lines = 200000;
        w->at = 0;
        w->notes = 0;
        w->all_notes[0] = '\0';
        if (strcmp(now.said, "WRONGTYPE") == 0) {
            long long day = (long long)(w->base_ms / 86400000);

            snprintf(begin, sizeof begin, "SET bl:{n:mx1}:d:%lld foreign", day);
            snprintf(end, sizeof end, "DEL bl:{n:mx1}:d:%lld", day);
            now.begin = begin;
            now.end = end;
        }
        refusal = &now;
        open_store(w);
        run(w, is_ready, 2000, NULL, 0);
        if (strcmp(now.said, "WRONGTYPE") == 0) { /* instead of the first commit, so that nothing is
                                                     lost with it */
            close_store(w);
            real_redis_do(&w->server, "FLUSHALL");
            real_redis_do(&w->server, now.begin);
            w->lines = 2000;
            open_store(w);
            run(w, NULL, 500, NULL, 0);
            assert_int_equal(real_redis_number(&w->server, "EXISTS bl:{n:mx1}:t"), 0);
            real_redis_do(&w->server, now.end);
        } else {
            run(w, NULL, 700, refuse_for_a_while, 40);
            w->lines = w->at + 1000;
        }
        finish(w);
        assert_non_null(strstr(w->all_notes, now.said));
        assert_in_range(w->notes, 1, 8);
        assert_exact(w);
        close_store(w);
    }
}

static void a_foreign_record_is_named_and_nothing_dropped(void **state)
{
    struct world *w = *state;
    struct bl_redis_keys keys;
    bl_redis_key key;

    bl_redis_keys_init(&keys, "bl:", "mx1");
    keys.partitions = 2;
    key = bl_redis_key_address(&keys, 'a', BL_SLICE("u0@d0.example"));
    real_redis_do(&w->server, "SET %b rubbish", key.text, key.n);
    open_store(w);
    run(w, NULL, 400, NULL, 0);
    assert_non_null(strstr(w->all_notes, key.text));
    assert_false(all_done(w));
    real_redis_do(&w->server, "DEL %b", key.text, key.n);
    real_redis_do(&w->server, "LPUSH %b rubbish", key.text, key.n);
    run(w, NULL, 400, NULL, 0);
    assert_non_null(strstr(w->all_notes, "BADKEY"));
    real_redis_do(&w->server, "DEL %b", key.text, key.n);
    finish(w);
    assert_exact(w);
}

static void a_number_that_is_none_stops_the_batch_whole(void **state)
{
    struct world *w = *state;
    long long day = (long long)(w->base_ms / 86400000);

    w->lines = 1000;
    real_redis_do(&w->server, "HSET bl:{n:mx1}:d:%lld all|* 12 all|*|bounced many", day);
    open_store(w);
    run(w, NULL, 400, NULL, 0);
    assert_non_null(strstr(w->all_notes, "holds no number in 'all|*|bounced'"));
    assert_int_equal(real_redis_number(&w->server, "EXISTS bl:{n:mx1}:t"), 0);
    assert_int_equal(real_redis_number(&w->server, "HGET bl:{n:mx1}:d:%lld all|*", day), 12);
    real_redis_do(&w->server, "DEL bl:{n:mx1}:d:%lld", day);
    finish(w);
    assert_exact(w);
}

static void change_password(struct world *w, unsigned turn)
{
    if (turn == 1)
        real_redis_do(&w->server, "CONFIG SET requirepass other");
    if (turn == 2)
        real_redis_do(&w->server, "CLIENT KILL TYPE normal SKIPME yes");
    if (turn == 12)
        real_redis_do(&w->server, "CONFIG SET requirepass geheim");
}

static void a_changed_password_is_told_and_not_hammered(void **state)
{
    struct world *w = *state;

    real_redis_do(&w->server, "CONFIG SET requirepass geheim");
    real_redis_do(&w->server, "AUTH geheim");
    snprintf(w->options.url.password, sizeof w->options.url.password, "geheim");
    w->lines = MOST_LINES;
    open_store(w);
    run(w, is_ready, 2000, NULL, 0);
    w->ready = true;
    run(w, NULL, 800, change_password, 40);
    w->lines = w->at + 1000;
    finish(w);
    assert_non_null(strstr(w->all_notes, "refused"));
    assert_null(strstr(w->all_notes, "geheim"));
    assert_true(bl_store_stats(w->store).reconnects < 8);
    assert_exact(w);
}

static void an_eviction_policy_is_warned_of_once(void **state)
{
    struct world *w = *state;

    real_redis_do(&w->server, "CONFIG SET maxmemory 1000000000");
    real_redis_do(&w->server, "CONFIG SET maxmemory-policy allkeys-lru");
    for (int times = 1; times <= 2; times++) { /* a new dataset, and one that was there */
        open_store(w);
        finish(w);
        assert_non_null(strstr(w->all_notes, "allkeys-lru"));
        assert_int_equal(w->notes, times);
        close_store(w);
    }
    assert_exact(w);
}

/* ---- others write, too ---- */

struct hand {
    uv_loop_t loop;
    struct bl_redis_conn *conn;
    struct bl_redis_keys keys;
    unsigned changes, written;
};

static struct hand *hand;

static void hand_start(struct world *w)
{
    struct bl_redis_options options = {.url = w->options.url};

    snprintf(options.url.path, sizeof options.url.path, "%s", w->server.socket);
    hand = calloc(1, sizeof *hand);
    uv_loop_init(&hand->loop);
    bl_redis_keys_init(&hand->keys, "bl:", "cli");
    hand->keys.partitions = 2;
    assert_int_equal(bl_redis_open(&hand->conn, &hand->loop, &options, NULL, NULL, NULL), BL_OK);
}

static void hand_stop(void)
{
    bl_redis_close_now(hand->conn);
    uv_run(&hand->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&hand->loop), 0);
    free(hand);
}

static enum bl_change change_by_hand(struct world *w, const char *address,
                                     enum bl_address_event_kind kind)
{
    bl_slice slice = {address, strlen(address)};
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    bl_address_event event = {.kind = kind,
                              .time_ms = now_ms,
                              .address = slice,
                              .hash = bl_address_hash(slice),
                              .actor = BL_SLICE("root"),
                              .note = BL_SLICE("test")};
    struct bl_address_record record;
    enum bl_change change = BL_CHANGE_NONE;
    bl_err err = {0};

    if (bl_address_change_now(hand->conn, &hand->keys, &event, &w->options.policy, now_ms, &record,
                              &change, &err) != BL_OK)
        print_message("%s\n", err.text);
    hand->changes++;
    hand->written += change != BL_CHANGE_NONE;
    return change;
}

static void interfere(struct world *w, unsigned turn)
{
    char address[64];

    for (unsigned i = 0; i < 4; i++) {
        snprintf(address, sizeof address, "u%zu@d%zu.example", draw(USERS), draw(ADDRESS_DOMAINS));
        change_by_hand(w, address, (turn + i) % 2 ? BL_ADDRESS_ADD : BL_ADDRESS_REMOVE);
    }
}

/* As a writer would that does not raise the partition's number of changes. */
static void interfere_unseen(struct world *w, unsigned turn)
{
    for (unsigned i = 0; i < 4; i++) {
        char address[64];
        bl_slice text = {address, (size_t)snprintf(address, sizeof address, "u%zu@d%zu.example",
                                                   draw(USERS), draw(ADDRESS_DOMAINS))};

        if (change_by_hand(w, address, (turn + i) % 2 ? BL_ADDRESS_ADD : BL_ADDRESS_REMOVE) !=
            BL_CHANGE_NONE)
            real_redis_do(&w->server, "HINCRBY bl:{p%02u}:pos changes -1",
                          bl_address_partition(text, 2));
    }
}

/* Every record is readable, and each write raised its version by one: nothing was overwritten if
 * they add up to all writes. */
static bool versions_add_up(struct world *w)
{
    unsigned long long versions = 0, bounced = 0,
                       written = bl_store_stats(w->store).addresses_written + hand->written;

    for (size_t i = 0; i < (size_t)7 * USERS * ADDRESS_DOMAINS; i += 7) {
        char address[64];
        struct bl_address_record record;
        size_t n = address_of(i, address);
        bl_redis_key key = bl_redis_key_address(&hand->keys, 'a', (bl_slice){address, n});
        redisReply *reply = real_redis_do(&w->server, "GET %b", key.text, key.n);

        assert_int_equal(bl_address_change_read((bl_slice){reply->str, reply->len}, &record, NULL),
                         BL_OK);
        versions += record.version;
        bounced += record.failures;
    }
    assert_true(bounced > 0);
    print_message("%llu writes, of them %u by hand; versions add up to %llu\n", written,
                  hand->written, versions);
    return versions == written;
}

static void write_against_each_other(struct world *w, size_t lines,
                                     void (*other)(struct world *w, unsigned turn))
{
    w->lines = lines;
    w->per_batch = 200;
    hand_start(w);
    open_store(w);
    run(w, all_done, 15000, other, 1);
    finish(w);
    assert_true(counters_are_exact(w));
}

static void changes_by_hand_and_by_log_never_overwrite_each_other(void **state)
{
    struct world *w = *state;

    write_against_each_other(w, 30000, interfere);
    assert_true(versions_add_up(w));
    assert_true(bl_store_stats(w->store).conflicts > 0);
    hand_stop();
}

/* Negative control: that number is what protects them. */
static void a_change_that_is_not_counted_is_overwritten(void **state)
{
    struct world *w = *state;

    write_against_each_other(w, 15000, interfere_unseen);
    assert_false(versions_add_up(w));
    hand_stop();
}

static bool heard_of_others(const struct world *w)
{
    return w->added >= 3;
}

static bool loaded_again(const struct world *w)
{
    return w->added > 5;
}

static void what_others_write_is_heard_of(void **state)
{
    struct world *w = *state;

    w->lines = 2000;
    open_store(w);
    finish(w);
    run(w, NULL, 150, NULL, 0);
    assert_int_equal(w->added, 0); /* our own entries are not read back */
    hand_start(w);
    assert_int_equal(change_by_hand(w, "new1@other.example", BL_ADDRESS_ADD), BL_CHANGE_ADD);
    assert_int_equal(change_by_hand(w, "new2@other.example", BL_ADDRESS_ADD), BL_CHANGE_ADD);
    assert_int_equal(change_by_hand(w, "new3@other.example", BL_ADDRESS_ADD), BL_CHANGE_ADD);
    run(w, heard_of_others, 1000, NULL, 0);
    assert_int_equal(w->added, 3);
    assert_int_equal(w->replaced, 0);
    assert_int_equal(
        real_redis_number(&w->server,
                          "EXISTS bl:{p00}:s:new1@other.example bl:{p01}:s:new1@other.example"),
        1);
    assert_int_equal(change_by_hand(w, "new1@other.example", BL_ADDRESS_REMOVE), BL_CHANGE_REMOVE);
    assert_int_equal(
        real_redis_number(&w->server,
                          "EXISTS bl:{p00}:s:new1@other.example bl:{p01}:s:new1@other.example"),
        0);
    /* the feed is cut behind our back: everything is loaded again */
    run(w, NULL, 100, NULL, 0);
    change_by_hand(w, "new4@other.example", BL_ADDRESS_ADD);
    change_by_hand(w, "new5@other.example", BL_ADDRESS_ADD);
    real_redis_do(&w->server, "XTRIM bl:{p00}:f MAXLEN 0");
    real_redis_do(&w->server, "XTRIM bl:{p01}:f MAXLEN 0");
    run(w, loaded_again, 1000, NULL, 0);
    assert_true(w->added > 5);
    assert_int_equal(w->replaced, 0); /* it would drop what of ours is not in Redis yet */
    hand_stop();
}

/* Else they would not tell its deliveries.  Negative control: with entries for verdicts alone none
 * is found. */
static void others_hear_of_a_record_without_a_verdict(void **state)
{
    struct world *w = *state;
    long long records;

    w->soft = true;
    w->lines = 200;
    open_store(w);
    finish(w);
    records = (long long)real_redis_do(&w->server, "KEYS bl:{p00}:a:*")->elements;
    assert_true(records > 3);
    assert_int_equal(real_redis_do(&w->server, "KEYS bl:{p00}:s:*")->elements, 0);
    assert_true(real_redis_number(&w->server, "XLEN bl:{p00}:f") >= records);
}

static void verdicts_and_index_say_the_same(void **state)
{
    struct world *w = *state;

    open_store(w);
    finish(w);
    for (unsigned p = 0; p < 2; p++) {
        long long blocked = real_redis_number(&w->server, "ZCOUNT bl:{p%02u}:x %lld +inf", p,
                                              (long long)time(NULL) * 1000);
        redisReply *verdicts = real_redis_do(&w->server, "KEYS bl:{p%02u}:s:*", p);

        assert_int_equal(verdicts->elements, blocked);
    }
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WORLD(everything_is_counted_once),
        WORLD(a_new_store_goes_on_where_the_last_one_was),
        WORLD(what_was_finished_long_ago_is_forgotten),
        WORLD(that_a_log_is_finished_arrives_by_itself),
        WORLD(no_number_of_log_files_keeps_a_node_out),
        WORLD(thousands_of_positions_move_together),
        WORLD(a_bucket_that_was_asked_for_stays),
        WORLD(caps_keep_sums_exact),
        WORLD(a_bucket_larger_than_a_reply_is_read),
        WORLD(old_lines_count_in_their_day_or_in_old),
        WORLD(lines_of_many_minutes_come_back_to_them),
        WORLD(a_long_load_keeps_the_leases_and_ends),
        WORLD(another_instance_is_refused_until_the_lease_ends),
        WORLD(the_lease_is_kept_and_given_back),
        WORLD(a_store_whose_node_was_taken_over_stands_down),
        WORLD(data_of_another_kind_is_refused),
        WORLD(a_late_commit_of_a_lost_connection_counts_nothing),
        WORLD(without_the_fence_a_late_commit_counts_twice),
        WORLD(cuts_anywhere_lose_nothing),
        WORLD(without_positions_of_its_own_a_slot_goes_wrong),
        WORLD(a_stopped_server_is_noticed_and_waited_for),
        WORLD(a_killed_server_goes_back_as_a_whole),
        WORLD(flushed_scripts_do_not_matter),
        WORLD(an_emptied_server_is_filled_again_from_the_logs),
        WORLD(lost_positions_come_from_the_local_copy),
        WORLD(a_lost_partition_is_made_again_from_the_logs),
        WORLD(what_redis_refuses_for_a_while_is_held),
        WORLD(a_foreign_record_is_named_and_nothing_dropped),
        WORLD(a_number_that_is_none_stops_the_batch_whole),
        WORLD(a_changed_password_is_told_and_not_hammered),
        WORLD(an_eviction_policy_is_warned_of_once),
        WORLD(changes_by_hand_and_by_log_never_overwrite_each_other),
        WORLD(a_change_that_is_not_counted_is_overwritten),
        WORLD(what_others_write_is_heard_of),
        WORLD(others_hear_of_a_record_without_a_verdict),
        WORLD(verdicts_and_index_say_the_same),
    };

    signal(SIGPIPE, SIG_IGN); /* as main does */
    if (!real_redis_installed()) {
        print_message("skipped: no redis-server\n");
        return 77;
    }
    if (getenv("BL_TEST"))
        cmocka_set_test_filter(getenv("BL_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
