/* cmd_stats.c -- totals, rates, categories and domains out of Redis
 *
 * Lifetime totals come from the totals by generation, everything that has a name from the day
 * buckets, which together are the whole.  A period is covered by as few buckets as possible:
 * minutes up to the next full hour, hours up to the next day, then days. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "commit.h"
#include "session.h"
#include "summary.h"
#include "text.h"
#include "totals.h"

enum { MINUTE_MS = 60000, HOUR_MIN = 60, DAY_MIN = 1440 };

struct stats {
    struct bl_where where;
    bool json, has_since;
    size_t rows; /* of each table; 0: as many as fit it */
    int64_t since_ms, now_ms;
    struct bl_session session;
    struct bl_totals *totals;
    struct bl_summary *summary;
    struct bl_output *out;
};

static void help(void)
{
    fputs(
        "bounceline stats: what Redis has counted\n"
        "\n"
        "  bounceline stats                       since the beginning\n"
        "  bounceline stats --since 1h            the last hour; also 5m 24h 7d 2026-11-22 2026-11-22T05:00:00Z\n"
        "  bounceline stats --json | jq .rates\n"
        "\n"
        "  --json         one JSON object, as from scan --json\n"
        "  --since T      counted by the minute for 26 hours, by the hour for 40 days (see retention in\n"
        "                 bounceline.yaml(5)), by the day for longer\n"
        "  --top N        N rows in each table of the report (1 to 1000)\n"
        "  --node NAME    one node only, exit code 1 when there is none of that name; without it all of them\n"
        "  --redis URL, --state DIR   where the data is; see bounceline --help\n",
        stdout);
}

/* ---- buckets ---- */

typedef enum bl_code bucket_fn(struct stats *stats, const char *key, void *arg, bl_err *err);

static enum bl_code take_page(struct bl_bucket *bucket, const redisReply *page)
{
    for (size_t i = 0; i + 1 < page->elements; i += 2) {
        bl_slice value = bl_reply_slice(page->element[i + 1]);
        uint64_t count;

        if (bl_slice_take_u64(&value, &count) && value.n == 0 &&
            !bl_bucket_add(bucket, bl_reply_slice(page->element[i]), count))
            return BL_NO_MEMORY;
    }
    return BL_OK;
}

/* Of any size, so in pages; a field that comes twice, since the daemon wrote meanwhile, counts
 * once. */
static enum bl_code read_bucket(struct stats *stats, const char *key, struct bl_bucket *bucket,
                                bl_err *err)
{
    struct bl_scan scan = {.command = "HSCAN", .key = key};
    enum bl_code rc = BL_OK;

    while (rc == BL_OK && bl_scan_next(&scan, &stats->session, &rc, err))
        rc = take_page(bucket, scan.page);
    bl_scan_release(&scan);
    return rc;
}

/* Everything a bucket holds goes to the totals. */
static enum bl_code add_bucket(struct stats *stats, const char *key, void *arg, bl_err *err)
{
    struct bl_totals *totals = arg;
    struct bl_bucket *bucket = bl_bucket_new();
    enum bl_code rc = bucket ? read_bucket(stats, key, bucket, err) : BL_NO_MEMORY;
    bl_slice field;
    uint64_t count;

    for (size_t at = 0; rc == BL_OK && bl_bucket_next(bucket, &at, &field, &count);)
        rc = bl_totals_add(totals, field, count);
    bl_bucket_free(bucket);
    return rc;
}

/* The outcomes of one key of a bucket are added to `outcome`, or taken from it. */
static enum bl_code fetch_outcomes(struct stats *stats, const char *key, const char *prefix,
                                   bool add, uint64_t *outcome, bl_err *err)
{
    char field[BL_OUTCOMES][48];
    const char *argv[2 + BL_OUTCOMES] = {"HMGET", key};
    redisReply *reply = NULL;
    enum bl_code rc;

    for (size_t i = 0; i < BL_OUTCOMES; i++) {
        snprintf(field[i], sizeof field[i], "%s%s", prefix, bl_outcome_name((enum bl_outcome)i));
        argv[2 + i] = field[i];
    }
    rc = bl_session_call(&stats->session, BL_REPLY_VALUES, (int)BL_COUNT(argv), argv, &reply, err);
    if (rc != BL_OK)
        return rc;
    for (size_t i = 0; i < reply->elements && i < BL_OUTCOMES; i++) {
        bl_slice value = bl_reply_slice(reply->element[i]);
        uint64_t count;

        if (bl_slice_take_u64(&value, &count))
            outcome[i] =
                add ? outcome[i] + count : outcome[i] - (count < outcome[i] ? count : outcome[i]);
    }
    freeReplyObject(reply);
    return BL_OK;
}

static enum bl_code add_outcomes(struct stats *stats, const char *key, void *outcome, bl_err *err)
{
    return fetch_outcomes(stats, key, "all|*|", true, outcome, err);
}

/* Only what a rate needs: the null sender's are left out. */
static enum bl_code add_rates(struct stats *stats, const char *key, void *outcome, bl_err *err)
{
    enum bl_code rc = add_outcomes(stats, key, outcome, err);

    return rc == BL_OK ? fetch_outcomes(stats, key, "sender|<>|", false, outcome, err) : rc;
}

static enum bl_code visit(struct stats *stats, const char *node, char kind, int64_t number,
                          bucket_fn *fn, void *arg, bl_err *err)
{
    bl_redis_key key;
    char name[48];

    snprintf(name, sizeof name, "%c:%" PRId64, kind, number);
    key = bl_session_node_key(&stats->session, node, name);
    return fn(stats, key.text, arg, err);
}

/* Every day bucket of the node from `first_day` on, whole. */
static enum bl_code visit_days(struct stats *stats, const char *node, int64_t first_day,
                               bucket_fn *fn, void *arg, bl_err *err)
{
    bl_redis_key key = bl_session_node_key(&stats->session, node, "days");
    redisReply *reply = NULL;
    enum bl_code rc;
    char first[32];

    snprintf(first, sizeof first, "%" PRId64, first_day);
    rc = bl_session_ask(&stats->session, BL_REPLY_TEXTS, &reply, err, "ZRANGEBYSCORE", key.text,
                        first, "+inf", NULL);
    if (rc != BL_OK)
        return rc;
    for (size_t i = 0; rc == BL_OK && i < reply->elements; i++) {
        char name[48];

        snprintf(name, sizeof name, "d:%s", reply->element[i]->str);
        key = bl_session_node_key(&stats->session, node, name);
        rc = fn(stats, key.text, arg, err);
    }
    freeReplyObject(reply);
    return rc;
}

/* The first minute of the bucket in which the period begins, at the finest step that is kept so far
 * back. */
static int64_t first_minute(const struct stats *stats, int64_t since_ms)
{
    const struct bl_config *config = stats->where.config;
    int64_t now = stats->now_ms / MINUTE_MS, from = since_ms > 0 ? since_ms / MINUTE_MS : 0;

    if (now - from > config->hours_ms / MINUTE_MS)
        return from - from % DAY_MIN;
    return now - from > config->minutes_ms / MINUTE_MS ? from - from % HOUR_MIN : from;
}

static enum bl_code visit_period(struct stats *stats, const char *node, int64_t since_ms,
                                 bucket_fn *fn, void *arg, bl_err *err)
{
    int64_t now = stats->now_ms / MINUTE_MS, at = first_minute(stats, since_ms);
    enum bl_code rc = BL_OK;

    while (rc == BL_OK && at <= now && at % DAY_MIN != 0) {
        if (at % HOUR_MIN == 0) {
            rc = visit(stats, node, 'h', at / HOUR_MIN, fn, arg, err);
            at += HOUR_MIN;
        } else {
            rc = visit(stats, node, 'm', at, fn, arg, err);
            at++;
        }
    }
    if (rc == BL_OK && at <= now)
        rc = visit_days(stats, node, at / DAY_MIN, fn, arg, err);
    return rc;
}

/* ---- totals by generation ---- */

static bool take_generation(bl_slice *field)
{
    size_t bar = bl_slice_find_byte(*field, '|');

    if (bar == 0 || bar == field->n)
        return false;
    *field = bl_slice_drop(*field, bar + 1);
    return true;
}

static void add_lifetime(struct bl_summary *summary, bl_slice field, uint64_t count)
{
    if (!take_generation(&field))
        return;
    if (bl_slice_eq(field, BL_SLICE("lines")))
        summary->lines += count;
    else if (bl_slice_eq(field, BL_SLICE("unparsed")))
        summary->unparsed += count;
    else if (bl_slice_eq(field, BL_SLICE("long")))
        summary->long_lines += count;
    else if (bl_slice_eq(field, BL_SLICE("repeats_cut")))
        summary->repeats_cut += count;
    for (unsigned i = 0; i < BL_OUTCOMES; i++) {
        const char *name = bl_outcome_name((enum bl_outcome)i);

        if (bl_slice_eq(field, (bl_slice){name, strlen(name)}))
            summary->outcome[i] += count;
    }
}

static enum bl_code add_totals(struct stats *stats, const char *node, bl_err *err)
{
    bl_redis_key key = bl_session_node_key(&stats->session, node, "t");
    redisReply *reply = NULL;
    enum bl_code rc;

    rc = bl_session_ask(&stats->session, BL_REPLY_TEXTS, &reply, err, "HGETALL", key.text, NULL);
    if (rc != BL_OK)
        return rc;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        bl_slice value = bl_reply_slice(reply->element[i + 1]);
        uint64_t count;

        if (bl_slice_take_u64(&value, &count))
            add_lifetime(stats->summary, bl_reply_slice(reply->element[i]), count);
    }
    freeReplyObject(reply);
    return BL_OK;
}

/* ---- the command ---- */

static enum bl_code add_windows(struct stats *stats, bl_err *err)
{
    static const struct {
        const char *name, *short_name;
        int64_t ms;
    } windows[BL_SUMMARY_WINDOWS] = {
        {"1 minute", "1m", MINUTE_MS},
        {"5 minutes", "5m", 5 * MINUTE_MS},
        {"1 hour", "1h", 60 * MINUTE_MS},
        {"24 hours", "24h", (int64_t)DAY_MIN * MINUTE_MS},
    };
    enum bl_code rc = BL_OK;

    for (size_t i = 0; i < BL_COUNT(windows); i++) {
        uint64_t *outcome = stats->summary->window[i].outcome;

        stats->summary->window[i].name = windows[i].name;
        stats->summary->window[i].short_name = windows[i].short_name;
        for (size_t n = 0; rc == BL_OK && n < stats->session.nodes; n++)
            rc = visit_period(stats, stats->session.node[n], stats->now_ms - windows[i].ms,
                              add_rates, outcome, err);
    }
    stats->summary->windows = BL_COUNT(windows);
    return rc;
}

/* The hours that are still going on or ended within a day. */
static enum bl_code add_hours(struct stats *stats, bl_err *err)
{
    int64_t now = stats->now_ms / MINUTE_MS / HOUR_MIN;
    enum bl_code rc = BL_OK;

    for (int64_t hour = now - 23; rc == BL_OK && hour <= now; hour++)
        for (size_t n = 0; rc == BL_OK && n < stats->session.nodes; n++)
            rc = visit(stats, stats->session.node[n], 'h', hour, add_outcomes,
                       stats->summary->hour[hour % 24], err);
    stats->summary->hours_title = "Last 24 h";
    stats->summary->first_hour = (unsigned)((now + 1) % 24);
    return rc;
}

static enum bl_code gather_node(struct stats *stats, const char *node, bl_err *err)
{
    enum bl_code rc;

    if (stats->has_since)
        return visit_period(stats, node, stats->since_ms, add_bucket, stats->totals, err);
    rc = visit_days(stats, node, 0, add_bucket, stats->totals, err);
    return rc == BL_OK ? add_totals(stats, node, err) : rc;
}

static enum bl_code gather(struct stats *stats, bl_err *err)
{
    uint64_t lifetime[BL_OUTCOMES];
    enum bl_code rc = BL_OK;

    for (size_t i = 0; rc == BL_OK && i < stats->session.nodes; i++)
        rc = gather_node(stats, stats->session.node[i], err);
    if (rc != BL_OK)
        return rc;
    memcpy(lifetime, stats->summary->outcome, sizeof lifetime);
    memset(stats->summary->outcome, 0, sizeof lifetime);
    bl_totals_summarise(stats->totals, stats->summary);
    if (!stats->has_since) {
        memcpy(stats->summary->outcome, lifetime, sizeof lifetime);
        stats->summary->outcome[BL_DEFERRED] += stats->summary->no_attempt; /* not in the totals */
        stats->summary->has_lines = true;
    } else {
        stats->summary->from_ms = first_minute(stats, stats->since_ms) * MINUTE_MS;
        stats->summary->to_ms = stats->now_ms;
    }
    rc = add_windows(stats, err);
    if (rc == BL_OK)
        rc = add_hours(stats, err);
    if (rc == BL_OK)
        rc = bl_session_suppressed(&stats->session, &stats->summary->suppressed, err);
    bl_summary_finish(stats->summary);
    return rc;
}

/* Somebody may be looking at the wrong place, or has not begun. */
static void say_when_empty(const struct stats *stats)
{
    if (stats->session.nodes == 0)
        bl_output_put(stats->out,
                      BL_SLICE("nothing counted yet; bounceline run /var/log/mail.log counts\n"));
}

static void print_head(const struct stats *stats)
{
    char from[BL_TEXT_NUMBER_MAX], lines[BL_TEXT_NUMBER_MAX], unparsed[BL_TEXT_NUMBER_MAX];
    struct bl_output *out = stats->out;

    for (size_t i = 0; i < stats->session.nodes && i < 8; i++) {
        bl_output_put(out, i                           ? BL_SLICE(", ")
                           : stats->session.nodes == 1 ? BL_SLICE("node ")
                                                       : BL_SLICE("nodes "));
        bl_text_put(out, (bl_slice){stats->session.node[i], strlen(stats->session.node[i])}, 64);
    }
    if (stats->session.nodes > 8)
        bl_output_format(out, " and %zu more", stats->session.nodes - 8);
    bl_output_format(out, "%s%s", stats->session.nodes ? "   " : "", stats->session.place);
    if (stats->has_since)
        bl_output_format(out, "   since %s UTC\n", bl_text_time(stats->summary->from_ms, from));
    else
        bl_output_format(out, "   since the beginning: %s, %s not understood\n",
                         bl_text_count(stats->summary->lines, "line", lines),
                         bl_text_number(stats->summary->unparsed, unparsed));
}

static bool take_options(struct stats *stats, int argc, char **argv, int *exit_code)
{
    enum { JSON = BL_OPTION_OWN, SINCE, TOP };
    static const struct option known[] = {
        BL_OPTIONS_WHERE,
        {"json", no_argument, 0, JSON},
        {"since", required_argument, 0, SINCE},
        {"top", required_argument, 0, TOP},
        {"help", no_argument, 0, 'h'},
        {0},
    };
    uint64_t number;
    int c;

    opterr = 0;
    optind = 0;
    *exit_code = 0;
    while ((c = getopt_long(argc, argv, ":hc:", known, NULL)) != -1) {
        if (bl_where_take(&stats->where, c, optarg))
            continue;
        switch (c) {
        case 'h':
            help();
            return false;
        case JSON:
            stats->json = true;
            break;
        case TOP:
            if (!bl_option_number(optarg, 1, BL_SUMMARY_ROWS, &number)) {
                *exit_code = bl_usage("stats", "--top takes a number from 1 to %d, not '%s'",
                                      BL_SUMMARY_ROWS, optarg);
                return false;
            }
            stats->rows = (size_t)number;
            break;
        case SINCE:
            if (!bl_option_time(optarg, stats->now_ms, &stats->since_ms)) {
                *exit_code =
                    bl_usage("stats",
                             "'%s' is no time; 5m, 24h, 7d, 2026-11-22 and 2026-11-22T05:00:00Z "
                             "are",
                             optarg);
                return false;
            }
            stats->has_since = true;
            break;
        default:
            *exit_code = bl_usage_known("stats", known, argc, argv, c);
            return false;
        }
    }
    if (optind < argc)
        *exit_code = bl_usage("stats", "what is '%s'?", argv[optind]);
    return optind == argc;
}

int cmd_stats(int argc, char **argv)
{
    static struct bl_output out;
    static struct stats stats;
    int exit_code = 0, written;
    bool found = true;
    bl_err err = {0};
    enum bl_code rc;

    bl_where_init(&stats.where);
    stats.now_ms = bl_now_ms();
    stats.out = &out;
    if (!take_options(&stats, argc, argv, &exit_code))
        return exit_code;
    bl_output_init(&out, STDOUT_FILENO);
    rc = bl_session_open(&stats.session, &stats.where, false, &err);
    if (rc != BL_OK)
        goto out;
    rc = BL_NO_MEMORY;
    stats.totals = bl_totals_new();
    stats.summary = bl_summary_new();
    if (!stats.totals || !stats.summary)
        goto out;
    rc = bl_session_nodes(&stats.session, &stats.where, &found, &err);
    if (rc == BL_OK && found)
        rc = gather(&stats, &err);
    exit_code = found ? 0 : BL_EXIT_NO;
    if (rc != BL_OK || !found)
        goto out;
    if (stats.json) {
        bl_summary_json(stats.summary, bl_rules_builtin(), &out);
    } else {
        const struct bl_summary_style style = {bl_text_may_colour(STDOUT_FILENO),
                                               bl_text_columns(STDOUT_FILENO), stats.rows};

        print_head(&stats);
        say_when_empty(&stats);
        bl_summary_print(stats.summary, bl_rules_builtin(), &style, &out);
    }
out:
    if (rc != BL_OK)
        exit_code = bl_complain(rc, &err);
    bl_session_close(&stats.session);
    written = bl_output_finish(&out);
    bl_summary_free(stats.summary);
    bl_totals_free(stats.totals);
    return exit_code ? exit_code : written;
}
