/* cmd_verify.c -- does what Redis holds add up
 *
 * Three things that the scripts keep true with every commit:
 *   counters   for each log file, the bytes counted are the position; the totals are the sum of the
 *              days
 *   addresses  index, record and verdict of an address say the same
 *   slots      all belong to one dataset, and their keys are of the type they must be
 * A daemon may be writing meanwhile, so what belongs together is read in one MULTI, and an address
 * is called wrong only after a second look of that kind. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounceline/address.h"
#include "bounceline/alloc.h"
#include "bounceline/tally.h"
#include "commands.h"
#include "json.h"
#include "session.h"
#include "text.h"

enum { FAULTS_KEPT = 20, FAULT_MAX = 300, TRIES = 3, GENERATION_SHOWN = 64 };

struct verify {
    struct bl_where where;
    bool json;
    struct bl_session session;
    struct bl_output *out;
    uint64_t generations, addresses, bytes, skipped, faults;
    char fault[FAULTS_KEPT][FAULT_MAX];
    char dataset[64]; /* of the first slot */
    int64_t now_ms, created_ms;
    struct bl_address_record record; /* 12 KiB: too large for the stack of a loop */
};

static void help(void)
{
    fputs(
        "bounceline verify: does what Redis holds add up\n"
        "\n"
        "  bounceline verify && echo clean\n"
        "  bounceline verify --json | jq .faults\n"
        "\n"
        "Checks for every node and log file that the bytes counted are the position, that totals are the sum\n"
        "of the days, and for every address that index, record and verdict agree.  Exit code 0: they do; 1:\n"
        "they do not, and it says where.  May be run while the daemon writes.\n"
        "\n"
        "  --json         one JSON object\n"
        "  --node NAME    counters of one node only, exit code 1 when there is none of that name\n"
        "  --redis URL, --state DIR   where the data is; see bounceline --help\n",
        stdout);
}

__attribute__((format(printf, 2, 3))) static void fault(struct verify *verify, const char *format,
                                                        ...)
{
    va_list args;

    if (verify->faults < FAULTS_KEPT) {
        va_start(args, format);
        vsnprintf(verify->fault[verify->faults], FAULT_MAX, format, args);
        va_end(args);
    }
    verify->faults++;
}

static uint64_t number(bl_slice text)
{
    uint64_t value = 0;

    bl_slice_take_u64(&text, &value);
    return value;
}

/* The value of a field in the reply to HGETALL, or an empty slice. */
static bl_slice field_of(const redisReply *hash, bl_slice name)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2)
        if (bl_slice_eq(bl_reply_slice(hash->element[i]), name))
            return bl_reply_slice(hash->element[i + 1]);
    return (bl_slice){NULL, 0};
}

/* Runs the commands in one MULTI; the reply holds theirs in order. */
static enum bl_code ask_together(struct verify *verify,
                                 const char *const commands[][2 + 2 * BL_OUTCOMES], size_t n,
                                 redisReply **out, bl_err *err)
{
    redisReply *reply = NULL;
    enum bl_code rc = bl_session_ask(&verify->session, BL_REPLY_STATUS, &reply, err, "MULTI", NULL);

    if (rc != BL_OK)
        return rc;
    freeReplyObject(reply);
    for (size_t i = 0; i < n; i++) {
        int argc = 0;

        while (argc < 2 + 2 * BL_OUTCOMES && commands[i][argc])
            argc++;
        rc = bl_session_call(&verify->session, BL_REPLY_STATUS, argc, commands[i], &reply, err);
        if (rc != BL_OK)
            return rc;
        freeReplyObject(reply);
    }
    rc = bl_session_ask(&verify->session, BL_REPLY_LIST, out, err, "EXEC", NULL);
    if (rc == BL_OK && (*out)->elements != n) {
        freeReplyObject(*out);
        *out = NULL;
        return bl_fail(err, BL_UNAVAILABLE, 0, "Redis answers EXEC with something else");
    }
    return rc;
}

/* A key of another type answers with an error, which has no fields and so would look like
 * nothing. */
static enum bl_code check_type(struct verify *verify, const char *key, const char *type,
                               bool *right, bl_err *err)
{
    redisReply *reply = NULL;
    enum bl_code rc =
        bl_session_ask(&verify->session, BL_REPLY_STATUS, &reply, err, "TYPE", key, NULL);

    if (rc != BL_OK)
        return rc;
    *right = strcmp(reply->str, type) == 0 || strcmp(reply->str, "none") == 0;
    if (!*right)
        fault(verify, "%s is a %s, not a %s", key, reply->str, type);
    freeReplyObject(reply);
    return BL_OK;
}

static void check_dataset(struct verify *verify, const redisReply *pos, const char *slot)
{
    bl_slice dataset = field_of(pos, BL_SLICE("dataset"));

    if (dataset.n == 0)
        return;
    if (!verify->dataset[0])
        snprintf(verify->dataset, sizeof verify->dataset, "%.*s", (int)dataset.n, dataset.p);
    else if (!bl_slice_eq(dataset, (bl_slice){verify->dataset, strlen(verify->dataset)}))
        fault(verify, "%s belongs to dataset %.*s, others to %s", slot, (int)dataset.n, dataset.p,
              verify->dataset);
}

/* ---- counters ---- */

static int by_field(const void *a, const void *b)
{
    return bl_slice_compare(bl_reply_slice(*(redisReply *const *)a),
                            bl_reply_slice(*(redisReply *const *)b));
}

/* "GENHEX|WHAT" in `t`, whose fields are in order. */
static uint64_t counted(const redisReply *t, bl_slice generation, const char *what)
{
    char name[BL_REDIS_KEY_MAX];
    redisReply like = {.type = REDIS_REPLY_STRING, .str = name}, *key = &like, **found;

    like.len =
        (size_t)snprintf(name, sizeof name, "%.*s|%s", (int)generation.n, generation.p, what);
    found = t->elements
                ? bsearch(&key, t->element, t->elements / 2, 2 * sizeof *t->element, by_field)
                : NULL;
    return found ? number(bl_reply_slice(found[1])) : 0;
}

/* "NODE|g|GENHEX" in `pos` against "GENHEX|bytes" in `t`, both ways.  There may be tens of
 * thousands: `t` is put in order for it. */
static void check_positions(struct verify *verify, const char *node, const redisReply *pos,
                            redisReply *t)
{
    char prefix[BL_REDIS_KEY_MAX];
    bl_slice want;

    if (t->elements)
        qsort(t->element, t->elements / 2, 2 * sizeof *t->element, by_field);
    snprintf(prefix, sizeof prefix, "%s|g|", node);
    want = (bl_slice){prefix, strlen(prefix)};
    for (size_t i = 0; i + 1 < pos->elements; i += 2) {
        bl_slice generation = bl_reply_slice(pos->element[i]);
        uint64_t offset, bytes;

        if (!bl_slice_take(&generation, want))
            continue;
        generation = bl_slice_head(generation, GENERATION_SHOWN);
        offset = number(bl_reply_slice(pos->element[i + 1]));
        bytes = counted(t, generation, "bytes");
        verify->skipped += counted(t, generation, "skipped");
        verify->bytes += bytes;
        verify->generations++;
        if (offset != bytes)
            fault(verify,
                  "node %s, log file %.*s: position %" PRIu64 ", but %" PRIu64 " bytes counted",
                  node, (int)generation.n, generation.p, offset, bytes);
    }
}

static void add_totals(const redisReply *t, uint64_t out[BL_OUTCOMES])
{
    for (size_t i = 0; i + 1 < t->elements; i += 2) {
        bl_slice field = bl_reply_slice(t->element[i]);
        size_t bar = bl_slice_find_byte(field, '|');

        if (bar == field.n)
            continue;
        field = bl_slice_drop(field, bar + 1);
        for (unsigned k = 0; k < BL_OUTCOMES; k++) {
            const char *name = bl_outcome_name((enum bl_outcome)k);

            if (bl_slice_eq(field, (bl_slice){name, strlen(name)}))
                out[k] += number(bl_reply_slice(t->element[i + 1]));
        }
    }
}

struct node_view {
    redisReply *days; /* names of the day buckets */
    redisReply *all;  /* of one MULTI: pos, t, then HMGET of each day */
};

static void release_view(struct node_view *view)
{
    if (view->days)
        freeReplyObject(view->days);
    if (view->all)
        freeReplyObject(view->all);
    memset(view, 0, sizeof *view);
}

static enum bl_code read_view(struct verify *verify, const char *node, struct node_view *view,
                              bl_err *err)
{
    const char *(*command)[2 + 2 * BL_OUTCOMES] = NULL;
    static char field[BL_OUTCOMES][48];
    bl_redis_key days = bl_session_node_key(&verify->session, node, "days"), *key = NULL;
    enum bl_code rc;
    char name[64];
    size_t n;

    rc = bl_session_ask(&verify->session, BL_REPLY_TEXTS, &view->days, err, "ZRANGE", days.text,
                        "0", "-1", NULL);
    if (rc != BL_OK)
        return rc;
    n = 2 + view->days->elements;
    command = bl_calloc(n, sizeof *command);
    key = bl_calloc(n, sizeof *key);
    if (!command || !key) {
        rc = BL_NO_MEMORY;
        goto out;
    }
    for (unsigned k = 0; k < BL_OUTCOMES; k++)
        snprintf(field[k], sizeof field[k], "all|*|%s", bl_outcome_name((enum bl_outcome)k));
    key[0] = bl_session_node_key(&verify->session, node, "pos");
    key[1] = bl_session_node_key(&verify->session, node, "t");
    for (size_t i = 0; i < n; i++) {
        if (i >= 2) {
            snprintf(name, sizeof name, "d:%s", view->days->element[i - 2]->str);
            key[i] = bl_session_node_key(&verify->session, node, name);
        }
        command[i][0] = i < 2 ? "HGETALL" : "HMGET";
        command[i][1] = key[i].text;
        for (unsigned k = 0; i >= 2 && k < BL_COUNT(field); k++)
            command[i][2 + k] = field[k];
    }
    rc = ask_together(verify, (const char *const(*)[2 + 2 * BL_OUTCOMES]) command, n, &view->all,
                      err);
out:
    bl_free(command);
    bl_free(key);
    return rc;
}

/* Days expire, totals do not: then the totals may be more than the days. */
static bool days_may_have_expired(const struct verify *verify, const struct node_view *view)
{
    if (verify->created_ms && bl_now_ms() - verify->created_ms > verify->where.config->days_ms)
        return true;
    for (size_t i = 2; i < view->all->elements; i++) {
        bool there = false;

        for (size_t k = 0; k < view->all->element[i]->elements; k++)
            there |= view->all->element[i]->element[k]->type == REDIS_REPLY_STRING;
        if (!there)
            return true;
    }
    return false;
}

/* A day that began between the two reads is missing from the sum: then it is worth another look. */
static bool compare_days(struct verify *verify, const char *node, const struct node_view *view,
                         bool last)
{
    uint64_t totals[BL_OUTCOMES] = {0}, days[BL_OUTCOMES] = {0};
    bool equal = true;

    add_totals(view->all->element[1], totals);
    for (size_t i = 2; i < view->all->elements; i++)
        for (size_t k = 0; k < view->all->element[i]->elements && k < BL_OUTCOMES; k++)
            days[k] += number(bl_reply_slice(view->all->element[i]->element[k]));
    for (unsigned k = 0; k < BL_OUTCOMES; k++) {
        if (totals[k] == days[k] || (totals[k] > days[k] && days_may_have_expired(verify, view)))
            continue;
        equal = false;
        if (last)
            fault(verify, "node %s: %" PRIu64 " %s in all, but %" PRIu64 " over the days", node,
                  totals[k], bl_outcome_name((enum bl_outcome)k), days[k]);
    }
    return equal;
}

static enum bl_code check_node_types(struct verify *verify, const char *node, bool *right,
                                     bl_err *err)
{
    static const char *const keys[][2] = {
        {"pos", "hash"}, {"t", "hash"}, {"days", "zset"}, {"recent", "stream"}};
    enum bl_code rc = BL_OK;

    *right = true;
    for (size_t i = 0; rc == BL_OK && i < BL_COUNT(keys); i++) {
        bl_redis_key key = bl_session_node_key(&verify->session, node, keys[i][0]);
        bool fine = true;

        rc = check_type(verify, key.text, keys[i][1], &fine, err);
        *right &= fine;
    }
    return rc;
}

/* The same for the days, of which there are many: their answers are at hand. */
static bool view_is_whole(struct verify *verify, const char *node, const struct node_view *view)
{
    bool whole = true;

    for (size_t i = 0; i < view->all->elements; i++) {
        if (view->all->element[i]->type == REDIS_REPLY_ARRAY)
            continue;
        whole = false;
        fault(verify, "node %s: %s%s cannot be read: %s", node, i < 2 ? "" : "d:",
              i == 0   ? "pos"
              : i == 1 ? "t"
                       : view->days->element[i - 2]->str,
              view->all->element[i]->str ? view->all->element[i]->str : "?");
    }
    return whole;
}

static enum bl_code check_node(struct verify *verify, const char *node, bl_err *err)
{
    struct node_view view = {0};
    bool whole = true;
    enum bl_code rc = check_node_types(verify, node, &whole, err);
    char slot[300];

    if (rc != BL_OK || !whole)
        return rc;
    for (int try = 1; try <= TRIES; try++) {
        release_view(&view);
        rc = read_view(verify, node, &view, err);
        whole = rc == BL_OK && view_is_whole(verify, node, &view);
        if (!whole || compare_days(verify, node, &view, try == TRIES))
            break;
    }
    if (whole) {
        snprintf(slot, sizeof slot, "node %s", node);
        check_dataset(verify, view.all->element[0], slot);
        check_positions(verify, node, view.all->element[0], view.all->element[1]);
    }
    release_view(&view);
    return rc;
}

/* ---- addresses ---- */

/* What is wrong with an address, or NULL.  score: the index's; NaN when it is not there. */
static const char *judge(struct verify *verify, double score, bl_slice record, bl_slice verdict)
{
    struct bl_address_record *r = &verify->record;
    double now = (double)verify->now_ms;
    const char *state;
    bool blocks;

    if (isnan(score))
        return "is not in the index";
    if (record.n == 0) {
        if (verdict.n)
            return "has a verdict and no record";
        /* else: ended, forgotten */
        return fabs(score) > now ? "is in the index and has no record" : NULL;
    }
    if (bl_address_parse(record, r, NULL) != BL_OK)
        return "has a record that cannot be read";
    blocks =
        bl_address_state_blocks(r->state) && (r->until_ms == 0 || r->until_ms > verify->now_ms);
    state = bl_address_state_name(r->state);
    if (blocks != (score > now))
        return blocks ? "is suppressed, but not by the index"
                      : "may be mailed, but not by the index";
    if (blocks && verdict.n == 0)
        return "is suppressed and has no verdict";
    if (!blocks && verdict.n)
        return "may be mailed and has a verdict";
    if (blocks && !bl_slice_starts(verdict, (bl_slice){state, strlen(state)}))
        return "has a verdict of another state than its record";
    return NULL;
}

static double score_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? strtod(reply->str, NULL) : (double)NAN;
}

static enum bl_code look_again(struct verify *verify, unsigned partition, const char *address,
                               bl_err *err)
{
    bl_redis_key x = bl_redis_key_partition(&verify->session.keys, partition, "x");
    bl_redis_key a =
        bl_redis_key_address(&verify->session.keys, 'a', (bl_slice){address, strlen(address)});
    bl_redis_key s =
        bl_redis_key_address(&verify->session.keys, 's', (bl_slice){address, strlen(address)});
    const char *commands[3][2 + 2 * BL_OUTCOMES] = {
        {"ZSCORE", x.text, address}, {"GET", a.text}, {"GET", s.text}};
    redisReply *reply = NULL;
    enum bl_code rc;

    rc = ask_together(verify, (const char *const(*)[2 + 2 * BL_OUTCOMES]) commands, 3, &reply, err);
    if (rc == BL_OK) {
        const char *wrong;

        verify->now_ms = bl_now_ms();
        wrong = judge(verify, score_of(reply->element[0]), bl_reply_slice(reply->element[1]),
                      bl_reply_slice(reply->element[2]));
        if (wrong && reply->element[0]->type == REDIS_REPLY_NIL &&
            !bl_reply_slice(reply->element[1]).n && !bl_reply_slice(reply->element[2]).n)
            wrong = NULL; /* gone meanwhile, all of it */
        if (wrong)
            fault(verify, "address %s %s", address, wrong);
        freeReplyObject(reply);
    }
    return rc;
}

static bool is_at_home(struct verify *verify, unsigned partition, bl_slice address)
{
    if (bl_address_partition(address, verify->session.keys.partitions) == partition)
        return true;
    fault(verify, "address %.*s is in partition %u, where it does not belong", (int)address.n,
          address.p, partition);
    return false;
}

/* MGET of one kind of key for the members of a page. */
static enum bl_code get_page(struct verify *verify, char kind, const redisReply *page,
                             redisReply **out, bl_err *err)
{
    size_t n = page->elements / 2;
    const char **argv = bl_calloc(n + 1, sizeof *argv);
    bl_redis_key *key = bl_calloc(n + 1, sizeof *key);
    enum bl_code rc = BL_NO_MEMORY;

    if (!argv || !key)
        goto out;
    argv[0] = "MGET";
    for (size_t i = 0; i < n; i++) {
        key[i] =
            bl_redis_key_address(&verify->session.keys, kind, bl_reply_slice(page->element[2 * i]));
        argv[1 + i] = key[i].text;
    }
    rc = bl_session_call(&verify->session, BL_REPLY_VALUES, (int)n + 1, argv, out, err);
out:
    bl_free(argv);
    bl_free(key);
    return rc;
}

static enum bl_code check_page(struct verify *verify, unsigned partition, const redisReply *page,
                               bl_err *err)
{
    redisReply *records = NULL, *verdicts = NULL;
    enum bl_code rc;

    if (page->elements == 0)
        return BL_OK;
    rc = get_page(verify, 'a', page, &records, err);
    if (rc == BL_OK)
        rc = get_page(verify, 's', page, &verdicts, err);
    verify->now_ms = bl_now_ms();
    for (size_t i = 0; rc == BL_OK && i < page->elements / 2; i++) {
        bl_slice member = bl_reply_slice(page->element[2 * i]);

        verify->addresses++;
        if (is_at_home(verify, partition, member) && i < records->elements &&
            i < verdicts->elements &&
            judge(verify, score_of(page->element[2 * i + 1]), bl_reply_slice(records->element[i]),
                  bl_reply_slice(verdicts->element[i])))
            rc = look_again(verify, partition, member.p, err);
    }
    if (records)
        freeReplyObject(records);
    if (verdicts)
        freeReplyObject(verdicts);
    return rc;
}

/* Everything in the index. */
static enum bl_code check_index(struct verify *verify, unsigned partition, bl_err *err)
{
    bl_redis_key key = bl_redis_key_partition(&verify->session.keys, partition, "x");
    struct bl_scan scan = {.command = "ZSCAN", .key = key.text};
    enum bl_code rc = BL_OK;

    while (rc == BL_OK && bl_scan_next(&scan, &verify->session, &rc, err))
        rc = check_page(verify, partition, scan.page, err);
    bl_scan_release(&scan);
    return rc;
}

static enum bl_code check_stray_page(struct verify *verify, unsigned partition,
                                     const redisReply *page, bl_slice prefix, bl_err *err)
{
    bl_redis_key x = bl_redis_key_partition(&verify->session.keys, partition, "x");
    enum bl_code rc = BL_OK;

    for (size_t i = 0; rc == BL_OK && i < page->elements; i++) {
        bl_slice key = bl_reply_slice(page->element[i]);
        const char *address;
        redisReply *reply = NULL;

        if (!bl_slice_take(&key, prefix) || !is_at_home(verify, partition, key))
            continue;
        address = key.p; /* to the end of the key, so with a NUL behind */
        rc = bl_session_ask(&verify->session, BL_REPLY_VALUE, &reply, err, "ZSCORE", x.text,
                            address, NULL);
        if (rc != BL_OK)
            return rc;
        if (reply->type == REDIS_REPLY_NIL)
            rc = look_again(verify, partition, address, err);
        freeReplyObject(reply);
    }
    return rc;
}

/* Records and verdicts that the index does not know: found by walking the key space. */
static enum bl_code check_strays(struct verify *verify, unsigned partition, const char *kind,
                                 bl_err *err)
{
    bl_redis_key prefix = bl_redis_key_partition(&verify->session.keys, partition, kind);
    char pattern[BL_REDIS_KEY_MAX + 1];
    struct bl_scan scan = {.command = "SCAN", .match = pattern};
    enum bl_code rc = BL_OK;

    snprintf(pattern, sizeof pattern, "%s*", prefix.text);
    while (rc == BL_OK && bl_scan_next(&scan, &verify->session, &rc, err))
        rc = check_stray_page(verify, partition, scan.page, bl_redis_key_slice(&prefix), err);
    bl_scan_release(&scan);
    return rc;
}

static enum bl_code check_partition(struct verify *verify, unsigned partition, bl_err *err)
{
    bl_redis_key key = bl_redis_key_partition(&verify->session.keys, partition, "pos");
    bl_redis_key index = bl_redis_key_partition(&verify->session.keys, partition, "x");
    bl_redis_key feed = bl_redis_key_partition(&verify->session.keys, partition, "f");
    bool has_pos = true, has_index = true, has_feed = true;
    redisReply *pos = NULL;
    enum bl_code rc;
    char slot[32];

    rc = check_type(verify, key.text, "hash", &has_pos, err);
    if (rc == BL_OK)
        rc = check_type(verify, index.text, "zset", &has_index, err);
    if (rc == BL_OK)
        rc = check_type(verify, feed.text, "stream", &has_feed, err);
    if (rc != BL_OK || !has_pos || !has_index || !has_feed)
        return rc;
    rc = bl_session_ask(&verify->session, BL_REPLY_TEXTS, &pos, err, "HGETALL", key.text, NULL);
    if (rc != BL_OK)
        return rc;
    snprintf(slot, sizeof slot, "partition %u", partition);
    check_dataset(verify, pos, slot);
    freeReplyObject(pos);
    rc = check_index(verify, partition, err);
    if (rc == BL_OK)
        rc = check_strays(verify, partition, "s:", err);
    if (rc == BL_OK)
        rc = check_strays(verify, partition, "a:", err);
    return rc;
}

static enum bl_code check_all(struct verify *verify, bool *found, bl_err *err)
{
    bl_redis_key key = bl_redis_key_global(&verify->session.keys, "meta");
    redisReply *meta = NULL;
    enum bl_code rc;

    rc = bl_session_ask(&verify->session, BL_REPLY_TEXTS, &meta, err, "HGETALL", key.text, NULL);
    if (rc != BL_OK)
        return rc;
    check_dataset(verify, meta, key.text);
    verify->created_ms = (int64_t)number(field_of(meta, BL_SLICE("created_ms")));
    freeReplyObject(meta);
    rc = bl_session_nodes(&verify->session, &verify->where, found, err);
    if (!*found)
        return rc;
    for (size_t i = 0; rc == BL_OK && i < verify->session.nodes; i++)
        rc = check_node(verify, verify->session.node[i], err);
    for (unsigned p = 0; rc == BL_OK && p < verify->session.keys.partitions; p++)
        rc = check_partition(verify, p, err);
    return rc;
}

/* ---- the command ---- */

static void print_json(const struct verify *verify)
{
    struct bl_json json;

    bl_json_init(&json, verify->out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), 1);
    bl_json_bool(&json, BL_SLICE("clean"), verify->faults == 0);
    bl_json_u64(&json, BL_SLICE("nodes"), verify->session.nodes);
    bl_json_u64(&json, BL_SLICE("log_files"), verify->generations);
    bl_json_u64(&json, BL_SLICE("bytes"), verify->bytes);
    bl_json_u64(&json, BL_SLICE("skipped_bytes"), verify->skipped);
    bl_json_u64(&json, BL_SLICE("addresses"), verify->addresses);
    bl_json_u64(&json, BL_SLICE("faults"), verify->faults);
    bl_json_open_list(&json, BL_SLICE("samples"));
    for (size_t i = 0; i < verify->faults && i < FAULTS_KEPT; i++) {
        bl_json_open_item(&json);
        bl_json_text(&json, BL_SLICE("text"),
                     (bl_slice){verify->fault[i], strlen(verify->fault[i])});
        bl_json_close(&json);
    }
    bl_json_close_list(&json);
    bl_json_end(&json);
}

static void print_text(const struct verify *verify)
{
    char bytes[BL_TEXT_NUMBER_MAX], skipped[BL_TEXT_NUMBER_MAX], count[BL_TEXT_NUMBER_MAX],
        files[BL_TEXT_NUMBER_MAX];

    bl_output_format(verify->out, "%s   %s, %s, %s counted", verify->session.place,
                     bl_text_count(verify->session.nodes, "node", count),
                     bl_text_count(verify->generations, "log file", files),
                     bl_text_bytes(verify->bytes, bytes));
    if (verify->skipped)
        bl_output_format(verify->out, " (%s of it passed over unread)",
                         bl_text_bytes(verify->skipped, skipped));
    bl_output_format(verify->out, ", %s address%s\n", bl_text_number(verify->addresses, count),
                     verify->addresses == 1 ? "" : "es");
    for (size_t i = 0; i < verify->faults && i < FAULTS_KEPT; i++) {
        bl_output_put(verify->out, BL_SLICE("  "));
        bl_text_put(verify->out, (bl_slice){verify->fault[i], strlen(verify->fault[i])},
                    FAULT_MAX * 4);
        bl_output_byte(verify->out, '\n');
    }
    if (verify->faults > FAULTS_KEPT)
        bl_output_format(verify->out, "  and %" PRIu64 " more\n", verify->faults - FAULTS_KEPT);
    bl_output_put(verify->out, verify->faults ? BL_SLICE("it does not add up\n")
                                              : BL_SLICE("all of it adds up\n"));
}

static bool take_options(struct verify *verify, int argc, char **argv, int *exit_code)
{
    enum { JSON = BL_OPTION_OWN };
    static const struct option known[] = {
        BL_OPTIONS_WHERE,
        {"json", no_argument, 0, JSON},
        {"help", no_argument, 0, 'h'},
        {0},
    };
    int c;

    opterr = 0;
    optind = 0;
    *exit_code = 0;
    while ((c = getopt_long(argc, argv, ":hc:", known, NULL)) != -1) {
        if (bl_where_take(&verify->where, c, optarg))
            continue;
        if (c == 'h') {
            help();
            return false;
        }
        if (c != JSON) {
            *exit_code = bl_usage_known("verify", known, argc, argv, c);
            return false;
        }
        verify->json = true;
    }
    if (optind < argc)
        *exit_code = bl_usage("verify", "what is '%s'?", argv[optind]);
    return optind == argc;
}

int cmd_verify(int argc, char **argv)
{
    static struct bl_output out;
    static struct verify verify;
    int exit_code, written;
    bool found = true;
    bl_err err = {0};
    enum bl_code rc;

    bl_where_init(&verify.where);
    verify.out = &out;
    if (!take_options(&verify, argc, argv, &exit_code))
        return exit_code;
    bl_output_init(&out, STDOUT_FILENO);
    rc = bl_session_open(&verify.session, &verify.where, false, &err);
    if (rc == BL_OK)
        rc = check_all(&verify, &found, &err);
    if (rc == BL_OK && found)
        (verify.json ? print_json : print_text)(&verify);
    exit_code = rc != BL_OK ? bl_complain(rc, &err) : verify.faults || !found ? BL_EXIT_NO : 0;
    bl_session_close(&verify.session);
    written = bl_output_finish(&out);
    return written ? written : exit_code;
}
