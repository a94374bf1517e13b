/* cmd_suppress.c -- the suppression list by hand
 *
 * Looking needs one GET an address.  Changes go the daemon's way: the state machine in core, then a
 * write that is refused when somebody else was faster. */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "address_change.h"
#include "bounceline/alloc.h"
#include "bounceline/domain.h"
#include "bounceline/event.h"
#include "bounceline/rules.h"
#include "commands.h"
#include "feed.h"
#include "json.h"
#include "session.h"
#include "suggest.h"
#include "text.h"

enum { ADDRESS_COLUMNS = 40 };

/* Which of many; empty: all. */
struct filter {
    bl_slice category, domain; /* as in the keys */
    char ascii[BL_DOMAIN_MAX]; /* of a domain that was given otherwise */
    int64_t since_ms;
};

struct suppress {
    struct bl_where where;
    bool json;
    const char *note;
    struct filter filter;
    bool filtered;
    bl_slice sought; /* history: of one address; empty: of all */
    bool headless;   /* its name was not printed yet */
    uint64_t told;
    struct bl_session session;
    struct bl_output *out;
    char actor[BL_ADDRESS_WORD_MAX];
    bool said_no; /* an answer was no: exit code 1 */
    bool changes; /* add, remove */
    bool strict;  /* refuse what is no address for the list */
    bool refused; /* something was no address: exit code 65 */
    struct bl_address_record record;
};

/* One address, normalised. */
typedef enum bl_code address_fn(struct suppress *job, bl_slice address, bl_err *err);

static void help(FILE *to)
{
    fputs(
        "bounceline suppress: whom not to mail, and why\n"
        "\n"
        "  bounceline suppress check ana@example.org && echo do not mail\n"
        "  bounceline suppress check - < recipients.txt          one address a line\n"
        "  bounceline suppress show ana@example.org              why, until when, how to take it off\n"
        "  bounceline suppress history ana@example.org           each change of the verdict, oldest first\n"
        "  bounceline suppress list | wc -l\n"
        "  bounceline suppress list --category mailbox-full --domain example.org\n"
        "  bounceline suppress list --since 24h --json > today.ndjson\n"
        "  bounceline suppress add ana@example.org bob@example.org --note 'asked by phone'\n"
        "  bounceline suppress remove ana@example.org --note 'mailbox fixed, ticket 4711'\n"
        "  bounceline suppress remove - < wrong.txt\n"
        "\n"
        "check    exit code 0 when suppressed, 1 when it may be mailed (of several: when any may)\n"
        "show     exit code 1 when nothing is known\n"
        "history  without an address: of all of them.  About the last 100 000 changes are kept\n"
        "list     those suppressed now, in no order\n"
        "add      suppressed until it is removed; a delivery does not clear it\n"
        "remove   may be mailed; the next failure of the recipient suppresses it again.  Exit code 1 when it\n"
        "         was not suppressed: then only its count of temporary failures begins anew\n"
        "\n"
        "  --json           one JSON object a line, for each address or change\n"
        "  --note TEXT      add, remove: why, for those who look later\n"
        "  --category NAME, --domain NAME   list, history: only these\n"
        "  --since T        list: suppressed since T; history: changed since T (24h, 7d, 2026-11-22)\n"
        "  --redis URL, --state DIR, --node NAME   see bounceline --help\n"
        "\n"
        "An ADDRESS of - stands for standard input, one a line; lines that begin with # are passed over.\n"
        "check, show and history exit with 65 when there is none.\n",
        to);
}

/* ---- verdicts: "STATE hard|soft|- CATEGORY SINCE_MS UNTIL_MS STRIKES" ---- */

struct verdict {
    bl_slice state, kind, category;
    int64_t since_ms, until_ms; /* until 0: without end */
    uint64_t strikes;
};

static bl_slice take_word(bl_slice *text)
{
    bl_slice word = bl_slice_head(*text, bl_slice_find_byte(*text, ' '));

    *text = bl_slice_drop(*text, word.n < text->n ? word.n + 1 : word.n);
    return word;
}

static int64_t take_time(bl_slice *text)
{
    bl_slice word = take_word(text);
    uint64_t value = 0;

    return bl_slice_take_u64(&word, &value) && value <= INT64_MAX ? (int64_t)value : 0;
}

static struct verdict read_verdict(bl_slice text)
{
    struct verdict out = {0};

    out.state = take_word(&text);
    out.kind = take_word(&text);
    out.category = take_word(&text);
    out.since_ms = take_time(&text);
    out.until_ms = take_time(&text);
    out.strikes = (uint64_t)take_time(&text);
    return out;
}

static bl_slice words(const char *text)
{
    return (bl_slice){text, strlen(text)};
}

static bool is_dash(bl_slice text)
{
    return bl_slice_eq(text, BL_SLICE("-"));
}

static void put_verdict_json(struct suppress *job, bl_slice address, bool suppressed,
                             const struct verdict *verdict)
{
    struct bl_json json;

    bl_json_init(&json, job->out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), 1);
    bl_json_text(&json, BL_SLICE("address"), address);
    bl_json_bool(&json, BL_SLICE("suppressed"), suppressed);
    if (suppressed) {
        bl_json_text(&json, BL_SLICE("state"), verdict->state);
        if (!is_dash(verdict->kind))
            bl_json_text(&json, BL_SLICE("type"), verdict->kind);
        if (!is_dash(verdict->category))
            bl_json_text_if(&json, BL_SLICE("category"), verdict->category);
        bl_json_time(&json, BL_SLICE("since"), verdict->since_ms);
        bl_json_time(&json, BL_SLICE("until"), verdict->until_ms);
        if (verdict->strikes)
            bl_json_u64(&json, BL_SLICE("strikes"), verdict->strikes);
    }
    bl_json_end(&json);
}

static void put_until(struct bl_output *out, int64_t until_ms)
{
    char text[BL_TEXT_NUMBER_MAX];

    if (until_ms)
        bl_output_format(out, "until %s UTC", bl_text_time(until_ms, text));
    else
        bl_output_put(out, BL_SLICE("until removed"));
}

static void put_verdict_line(struct suppress *job, bl_slice address, const struct verdict *verdict)
{
    bl_text_pad(job->out, address, ADDRESS_COLUMNS);
    bl_output_byte(job->out, ' ');
    bl_text_pad(job->out, verdict->state, 12);
    bl_text_pad(job->out, is_dash(verdict->category) ? (bl_slice){NULL, 0} : verdict->category, 24);
    put_until(job->out, verdict->until_ms);
    bl_output_byte(job->out, '\n');
}

/* ---- undo ---- */

/* As a shell takes it for one word. */
static void put_shell_word(struct bl_output *out, bl_slice word)
{
    bool plain = word.n > 0;

    for (size_t i = 0; i < word.n; i++)
        plain &= bl_is_digit(word.p[i]) || (word.p[i] >= 'a' && word.p[i] <= 'z') ||
                 (word.p[i] >= 'A' && word.p[i] <= 'Z') || strchr("@._+=/:-", word.p[i]) != NULL;
    if (plain) {
        bl_output_put(out, word);
        return;
    }
    bl_output_byte(out, '\'');
    for (bl_slice run; bl_slice_take_field(&word, '\'', &run);) {
        bl_text_put(out, run, SIZE_MAX); /* whole: a byte of a character is none */
        if (word.p)
            bl_output_put(out, BL_SLICE("'\\''"));
    }
    bl_output_byte(out, '\'');
}

/* The server named by --redis.  A password in it stays out of terminals and logs: a variable stands
 * for the whole. True: the command has to end with what that must hold. */
static bool put_redis(const struct suppress *job, struct bl_output *out, struct bl_redis_url *url)
{
    bool secret = bl_redis_url_parse(job->where.redis, url, NULL) == BL_OK && url->password[0];

    bl_output_put(out, BL_SLICE("--redis "));
    if (secret)
        bl_output_put(out, BL_SLICE("\"$BOUNCELINE_REDIS\""));
    else
        put_shell_word(out, words(job->where.redis));
    bl_output_byte(out, ' ');
    return secret;
}

/* A comment, so that it may be pasted with the command. */
static void put_variable(struct bl_output *out, const struct bl_redis_url *url)
{
    char place[400];

    bl_redis_url_text(url, place, sizeof place);
    bl_output_put(out, BL_SLICE("  # BOUNCELINE_REDIS: "));
    bl_text_put(out, words(place), sizeof place);
    bl_output_put(out, url->user[0] ? BL_SLICE(" with user and password")
                                    : BL_SLICE(" with its password"));
}

/* The command that takes it back, as it is to be typed here; nothing but the end of the line may
 * follow. */
static void put_undo(struct suppress *job, struct bl_output *out, const char *action,
                     bl_slice address)
{
    struct bl_redis_url url;
    bool secret = false;

    bl_output_format(out, "bounceline suppress %s ", action);
    if (job->where.redis_by == BL_SAID_OPTION)
        secret = put_redis(job, out, &url);
    if (job->where.state_by == BL_SAID_OPTION) {
        bl_output_put(out, BL_SLICE("--state "));
        put_shell_word(out, words(job->where.state));
        bl_output_byte(out, ' ');
    }
    if (bl_slice_starts(address, BL_SLICE("-")))
        bl_output_put(out, BL_SLICE("-- "));
    put_shell_word(out, address);
    if (secret)
        put_variable(out, &url);
}

/* ---- check ---- */

static enum bl_code check(struct suppress *job, bl_slice address, bl_err *err)
{
    bl_redis_key key = bl_redis_key_address(&job->session.keys, 's', address);
    redisReply *reply = NULL;
    enum bl_code rc =
        bl_session_ask(&job->session, BL_REPLY_VALUE, &reply, err, "GET", key.text, NULL);
    struct verdict verdict;
    bool suppressed;

    if (rc != BL_OK)
        return rc;
    suppressed = reply->type == REDIS_REPLY_STRING;
    verdict = read_verdict(bl_reply_slice(reply));
    job->said_no |= !suppressed;
    if (job->json) {
        put_verdict_json(job, address, suppressed, &verdict);
    } else if (suppressed) {
        put_verdict_line(job, address, &verdict);
    } else {
        bl_text_pad(job->out, address, ADDRESS_COLUMNS);
        bl_output_put(job->out, BL_SLICE(" may be mailed\n"));
    }
    freeReplyObject(reply);
    return BL_OK;
}

/* ---- show ---- */

static void row(struct bl_output *out, const char *name, bl_slice value)
{
    if (value.n == 0)
        return;
    bl_output_format(out, "  %-14s", name);
    bl_text_put(out, value, 400);
    bl_output_byte(out, '\n');
}

static void row_time(struct bl_output *out, const char *name, int64_t time_ms)
{
    char text[BL_TEXT_NUMBER_MAX];

    if (time_ms)
        bl_output_format(out, "  %-14s%s UTC\n", name, bl_text_time(time_ms, text));
}

static void put_failure(struct bl_output *out, const struct bl_address_failure *failure)
{
    char time[BL_TEXT_NUMBER_MAX], status[BL_STATUS_TEXT_MAX];

    bl_status_text(failure->enhanced, status);
    bl_output_format(out, "    %s  ", bl_text_time(failure->time_ms, time));
    bl_text_pad(out, words(failure->category), 24);
    if (failure->code)
        bl_output_format(out, "%u ", failure->code);
    bl_output_put(out, bl_status_absent(failure->enhanced) ? (bl_slice){NULL, 0} : words(status));
    bl_output_put(out, BL_SLICE("  "));
    bl_text_put(out, words(failure->host), 64);
    bl_output_byte(out, ' ');
    bl_text_put(out, words(failure->queue_id), 64);
    if (failure->sender[0]) {
        bl_output_put(out, BL_SLICE("  from "));
        bl_text_put(out, words(failure->sender), 100);
    }
    bl_output_byte(out, '\n');
}

/* The configured one: what is changed by hand is kept as long as what the daemon writes. */
static const struct bl_suppress_policy *policy_of(const struct suppress *job)
{
    return &job->where.config->suppression;
}

/* What the state means for the next mail. */
static void explain(struct suppress *job, const struct bl_address_record *r)
{
    char span[BL_TEXT_NUMBER_MAX], text[128];
    struct bl_output *out = job->out;

    switch (r->state) {
    case BL_ADDRESS_SUPPRESSED:
        snprintf(text, sizeof text, "for %s more; a delivery before then clears it",
                 bl_text_span(r->until_ms - bl_now_ms(), span));
        row(out, "", words(text));
        break;
    case BL_ADDRESS_MANUAL:
        row(out, "", BL_SLICE("by hand: no delivery clears it"));
        break;
    case BL_ADDRESS_COMPLAINT:
        row(out, "", BL_SLICE("the recipient complained: no delivery clears it"));
        break;
    case BL_ADDRESS_CLEAN:
        snprintf(text, sizeof text, "may be mailed; what is known is kept for %s",
                 bl_text_span(policy_of(job)->strike_memory_ms, span));
        row(out, "", words(text));
        break;
    case BL_ADDRESS_WATCH:
        row(out, "", BL_SLICE("may be mailed; its temporary failures are being counted"));
        break;
    case BL_ADDRESS_EXEMPT:
        row(out, "", BL_SLICE("never suppressed automatically"));
        break;
    case BL_ADDRESS_STATES:
    default:
        break;
    }
}

static void put_record(struct suppress *job, bl_slice address, const struct bl_address_record *r)
{
    struct bl_output *out = job->out;
    char strikes[32];
    uint16_t category;

    bl_text_put(out, address, BL_ADDRESS_MAX);
    bl_output_byte(out, '\n');
    row(out, "state", words(bl_address_state_name(r->state)));
    if (r->probation)
        row(out, "", BL_SLICE("removed by hand: the next failure suppresses it again"));
    row_time(out, "since", r->since_ms);
    if (bl_address_state_blocks(r->state) && r->until_ms == 0)
        row(out, "until", BL_SLICE("removed"));
    row_time(out, "until", r->until_ms);
    explain(job, r);
    row(out, "category", words(r->category));
    if (bl_rules_find_category(bl_rules_builtin(), words(r->category), &category)) {
        row(out, "", bl_rules_category(bl_rules_builtin(), category)->meaning);
        row(out, "at fault",
            words(bl_scope_name(bl_rules_category(bl_rules_builtin(), category)->scope)));
    }
    row(out, "rule", words(r->rule));
    row(out, "reply", words(r->reply));
    snprintf(strikes, sizeof strikes, "%" PRIu32, r->strikes);
    row(out, "strikes", r->strikes ? words(strikes) : (bl_slice){NULL, 0});
    snprintf(strikes, sizeof strikes, "%zu", r->soft_days);
    row(out, "soft days", r->soft_days ? words(strikes) : (bl_slice){NULL, 0});
    row_time(out, "first failure", r->first_ms);
    row_time(out, "last failure", r->last_ms);
    row_time(out, "delivered", r->delivered_ms);
    row(out, "changed by", words(r->actor));
    row(out, "note", words(r->note));
    if (r->failures)
        bl_output_put(out, BL_SLICE("  failures, newest first\n"));
    for (size_t i = 0; i < r->failures; i++)
        put_failure(out, &r->failure[i]);
    bl_output_put(out, bl_address_state_blocks(r->state) ? BL_SLICE("  take it off: ")
                                                         : BL_SLICE("  suppress it: "));
    put_undo(job, out, bl_address_state_blocks(r->state) ? "remove" : "add", address);
    bl_output_byte(out, '\n');
}

static void put_failures_json(struct bl_json *json, const struct bl_address_record *r)
{
    char status[BL_STATUS_TEXT_MAX];

    bl_json_open_list(json, BL_SLICE("failures"));
    for (size_t i = 0; i < r->failures; i++) {
        const struct bl_address_failure *failure = &r->failure[i];

        bl_json_open_item(json);
        bl_json_time(json, BL_SLICE("time"), failure->time_ms);
        if (failure->code)
            bl_json_u64(json, BL_SLICE("code"), failure->code);
        bl_json_text_if(json, BL_SLICE("enhanced"),
                        (bl_slice){status, bl_status_text(failure->enhanced, status)});
        bl_json_text_if(json, BL_SLICE("category"), words(failure->category));
        bl_json_text_if(json, BL_SLICE("host"), words(failure->host));
        bl_json_text_if(json, BL_SLICE("queue_id"), words(failure->queue_id));
        bl_json_text_if(json, BL_SLICE("message_id"), words(failure->message_id));
        bl_json_text_if(json, BL_SLICE("sender"), words(failure->sender));
        bl_json_close(json);
    }
    bl_json_close_list(json);
}

static void put_record_json(struct suppress *job, bl_slice address,
                            const struct bl_address_record *r)
{
    char status[BL_STATUS_TEXT_MAX];
    struct bl_json json;

    bl_json_init(&json, job->out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), 1);
    bl_json_text(&json, BL_SLICE("address"), address);
    bl_json_bool(&json, BL_SLICE("suppressed"), bl_address_state_blocks(r->state));
    bl_json_text(&json, BL_SLICE("state"), words(bl_address_state_name(r->state)));
    if (r->probation)
        bl_json_bool(&json, BL_SLICE("probation"), true);
    bl_json_time(&json, BL_SLICE("since"), r->since_ms);
    bl_json_time(&json, BL_SLICE("until"), r->until_ms);
    if (r->code)
        bl_json_u64(&json, BL_SLICE("code"), r->code);
    bl_json_text_if(&json, BL_SLICE("enhanced"),
                    (bl_slice){status, bl_status_text(r->enhanced, status)});
    bl_json_text_if(&json, BL_SLICE("category"), words(r->category));
    bl_json_text_if(&json, BL_SLICE("rule"), words(r->rule));
    bl_json_text_if(&json, BL_SLICE("reply"), words(r->reply));
    bl_json_u64(&json, BL_SLICE("strikes"), r->strikes);
    if (r->soft_days)
        bl_json_u64(&json, BL_SLICE("soft_days"), r->soft_days);
    bl_json_time(&json, BL_SLICE("first_failure"), r->first_ms);
    bl_json_time(&json, BL_SLICE("last_failure"), r->last_ms);
    bl_json_time(&json, BL_SLICE("delivered"), r->delivered_ms);
    bl_json_text_if(&json, BL_SLICE("actor"), words(r->actor));
    bl_json_text_if(&json, BL_SLICE("note"), words(r->note));
    put_failures_json(&json, r);
    bl_json_end(&json);
}

static enum bl_code show(struct suppress *job, bl_slice address, bl_err *err)
{
    bl_redis_key key = bl_redis_key_address(&job->session.keys, 'a', address);
    char shown[4 * BL_ADDRESS_MAX];
    redisReply *reply = NULL;
    enum bl_code rc =
        bl_session_ask(&job->session, BL_REPLY_VALUE, &reply, err, "GET", key.text, NULL);

    if (rc != BL_OK)
        return rc;
    if (reply->type != REDIS_REPLY_STRING) {
        job->said_no = true;
        fprintf(stderr, "bounceline: nothing is known of %s\n",
                bl_text_message(shown, sizeof shown, address.p));
        goto out;
    }
    rc = bl_address_parse(bl_reply_slice(reply), &job->record, err);
    if (rc != BL_OK)
        goto out;
    bl_suppress_expire(&job->record, bl_now_ms());
    if (job->json)
        put_record_json(job, address, &job->record);
    else
        put_record(job, address, &job->record);
out:
    freeReplyObject(reply);
    return rc;
}

/* ---- list ---- */

static bool passes_domain(const struct filter *filter, bl_slice address)
{
    return filter->domain.n == 0 || bl_slice_eq(filter->domain, bl_address_domain(address));
}

static bool passes(const struct filter *filter, bl_slice address, bl_slice category,
                   int64_t time_ms)
{
    return (filter->category.n == 0 || bl_slice_eq(filter->category, category)) &&
           passes_domain(filter, address) && (filter->since_ms == 0 || time_ms >= filter->since_ms);
}

/* The verdicts of a page of the index.  Whose verdict is gone by now ended a moment ago. */
static enum bl_code list_page(struct suppress *job, const bl_slice *address, size_t n, bl_err *err)
{
    const char **argv = bl_calloc(n + 1, sizeof *argv);
    bl_redis_key *key = bl_calloc(n + 1, sizeof *key);
    redisReply *reply = NULL;
    enum bl_code rc = BL_NO_MEMORY;

    if (!argv || !key)
        goto out;
    argv[0] = "MGET";
    for (size_t i = 0; i < n; i++) {
        key[i] = bl_redis_key_address(&job->session.keys, 's', address[i]);
        argv[1 + i] = key[i].text;
    }
    rc = bl_session_call(&job->session, BL_REPLY_VALUES, (int)n + 1, argv, &reply, err);
    for (size_t i = 0; rc == BL_OK && i < n && i < reply->elements; i++) {
        struct verdict verdict;

        if (reply->element[i]->type != REDIS_REPLY_STRING)
            continue;
        verdict = read_verdict(bl_reply_slice(reply->element[i]));
        if (!passes(&job->filter, address[i], verdict.category, verdict.since_ms))
            continue;
        job->told++;
        if (job->json)
            put_verdict_json(job, address[i], true, &verdict);
        else
            put_verdict_line(job, address[i], &verdict);
    }
out:
    if (reply)
        freeReplyObject(reply);
    bl_free(argv);
    bl_free(key);
    return rc;
}

/* Of a page of ZSCAN (member, score, ...) those whose verdict still runs. */
static enum bl_code list_suppressed(struct suppress *job, const redisReply *page, bl_err *err)
{
    bl_slice *address = bl_calloc(page->elements / 2 + 1, sizeof *address);
    double now = (double)bl_now_ms();
    enum bl_code rc = BL_OK;
    size_t n = 0;

    if (!address)
        return BL_NO_MEMORY;
    for (size_t i = 0; i + 1 < page->elements; i += 2)
        if (strtod(page->element[i + 1]->str, NULL) > now &&
            passes_domain(&job->filter, bl_reply_slice(page->element[i])))
            address[n++] = bl_reply_slice(page->element[i]);
    if (n)
        rc = list_page(job, address, n, err);
    bl_free(address);
    return rc;
}

static enum bl_code list_partition(struct suppress *job, unsigned partition, bl_err *err)
{
    bl_redis_key key = bl_redis_key_partition(&job->session.keys, partition, "x");
    struct bl_scan scan = {.command = "ZSCAN", .key = key.text};
    enum bl_code rc = BL_OK;

    while (rc == BL_OK && bl_output_failed(job->out) == 0 &&
           bl_scan_next(&scan, &job->session, &rc, err))
        rc = list_suppressed(job, scan.page, err);
    bl_scan_release(&scan);
    return rc;
}

static enum bl_code list(struct suppress *job, bl_err *err)
{
    enum bl_code rc = BL_OK;

    for (unsigned p = 0; rc == BL_OK && p < job->session.keys.partitions; p++)
        rc = list_partition(job, p, err);
    return rc;
}

/* ---- history ---- */

static void put_entry_json(struct suppress *job, const struct bl_feed_entry *entry)
{
    struct bl_json json;

    bl_json_init(&json, job->out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), 1);
    bl_json_text(&json, BL_SLICE("address"), entry->address);
    bl_json_time(&json, BL_SLICE("time"), entry->time_ms);
    bl_json_time(&json, BL_SLICE("written"), entry->written_ms);
    bl_json_text(&json, BL_SLICE("change"), entry->change);
    bl_json_text(&json, BL_SLICE("state"), entry->state);
    bl_json_time(&json, BL_SLICE("until"), entry->until_ms);
    bl_json_text_if(&json, BL_SLICE("category"), entry->category);
    bl_json_text_if(&json, BL_SLICE("rule"), entry->rule);
    bl_json_text_if(&json, BL_SLICE("reply"), entry->reply);
    bl_json_text_if(&json, BL_SLICE("host"), entry->host);
    bl_json_text_if(&json, BL_SLICE("actor"), entry->actor);
    bl_json_text_if(&json, BL_SLICE("note"), entry->note);
    bl_json_text_if(&json, BL_SLICE("node"), entry->node);
    bl_json_end(&json);
}

/* "2026-11-22 05:00:02  suppress  until 2026-11-29 05:00:02 UTC  invalid-recipient", and why below
 * it. */
static void put_entry(struct suppress *job, const struct bl_feed_entry *entry)
{
    struct bl_output *out = job->out;
    char time[BL_TEXT_NUMBER_MAX];

    bl_output_format(out, "%s  ", bl_text_time(entry->time_ms, time));
    bl_text_pad(out, entry->change, 10);
    if (job->sought.n == 0) {
        bl_text_pad(out, entry->address, ADDRESS_COLUMNS);
        bl_output_byte(out, ' ');
    }
    if (bl_slice_eq(entry->change, BL_SLICE("remove")) ||
        bl_slice_eq(entry->change, BL_SLICE("clear")))
        bl_output_put(out, BL_SLICE("may be mailed"));
    else
        put_until(out, entry->until_ms);
    if (entry->reply.n || entry->rule.n) {
        bl_output_put(out, BL_SLICE("  "));
        bl_text_put(out, entry->category, 40);
        bl_output_put(out, BL_SLICE("  "));
        bl_text_put(out, entry->rule, 60);
        bl_output_put(out, BL_SLICE("\n                     "));
        bl_text_put(out, entry->reply, 200);
    } else if (entry->actor.n) {
        bl_output_put(out, BL_SLICE("  by "));
        bl_text_put(out, entry->actor, 60);
        bl_output_put(out, entry->note.n ? BL_SLICE(": ") : (bl_slice){NULL, 0});
        bl_text_put(out, entry->note, BL_ADDRESS_WORD_MAX);
    }
    bl_output_byte(out, '\n');
}

static bool tell_entry(void *arg, const struct bl_feed_entry *entry)
{
    struct suppress *job = arg;

    if (job->sought.n && !bl_slice_eq(entry->address, job->sought))
        return true;
    if (!passes(&job->filter, entry->address, entry->category, entry->written_ms))
        return true;
    if (job->headless && !job->json) {
        bl_text_put(job->out, job->sought, BL_ADDRESS_MAX);
        bl_output_byte(job->out, '\n');
    }
    job->headless = false;
    job->told++;
    if (job->json)
        put_entry_json(job, entry);
    else
        put_entry(job, entry);
    return bl_output_failed(job->out) == 0;
}

static enum bl_code history_of_all(struct suppress *job, bl_err *err)
{
    return bl_feed_read(&job->session, BL_FEED_ALL, job->filter.since_ms, tell_entry, job, err);
}

static enum bl_code history(struct suppress *job, bl_slice address, bl_err *err)
{
    unsigned partition = bl_address_partition(address, job->session.keys.partitions);
    uint64_t before = job->told;
    char shown[4 * BL_ADDRESS_MAX];
    enum bl_code rc;

    job->sought = address;
    job->headless = true;
    rc = bl_feed_read(&job->session, (int)partition, job->filter.since_ms, tell_entry, job, err);
    if (rc == BL_OK && job->told == before) {
        job->said_no = true;
        bl_output_flush(job->out);
        fprintf(stderr, "bounceline: no change of %s is kept; show says what is known of it\n",
                bl_text_message(shown, sizeof shown, address.p));
    }
    return rc;
}

/* ---- add, remove ---- */

static void put_state(struct bl_output *out, const struct bl_address_record *r)
{
    if (!bl_address_state_blocks(r->state)) {
        bl_output_put(out, BL_SLICE("may be mailed"));
        return;
    }
    bl_output_format(out, "%s, ", bl_address_state_name(r->state));
    put_until(out, r->until_ms);
}

static void put_change_json(struct suppress *job, bl_slice address, enum bl_change change)
{
    const struct bl_address_record *r = &job->record;
    struct bl_json json;

    bl_json_init(&json, job->out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), 1);
    bl_json_text(&json, BL_SLICE("address"), address);
    bl_json_text(&json, BL_SLICE("change"),
                 words(change == BL_CHANGE_NONE ? "none" : bl_change_name(change)));
    bl_json_bool(&json, BL_SLICE("suppressed"), bl_address_state_blocks(r->state));
    bl_json_text(&json, BL_SLICE("state"), words(bl_address_state_name(r->state)));
    bl_json_time(&json, BL_SLICE("until"), r->until_ms);
    bl_json_text_if(&json, BL_SLICE("note"), words(r->note));
    bl_json_end(&json);
}

static void say_changed(struct suppress *job, bl_slice address, enum bl_address_event_kind kind,
                        enum bl_change change)
{
    struct bl_output *out = job->out;
    bool added = kind == BL_ADDRESS_ADD;

    if (job->json) {
        put_change_json(job, address, change);
        return;
    }
    if (change == BL_CHANGE_ADD || change == BL_CHANGE_REMOVE) {
        bl_output_put(out, added ? BL_SLICE("added ") : BL_SLICE("removed "));
        bl_text_put(out, address, BL_ADDRESS_MAX);
        bl_output_put(out, added
                               ? BL_SLICE("; suppressed until removed")
                               : BL_SLICE("; history kept, the next failure suppresses it again"));
        bl_output_put(out, BL_SLICE("   undo: "));
        put_undo(job, out, added ? "remove" : "add", address);
        bl_output_byte(out, '\n');
        return;
    }
    bl_text_put(out, address, BL_ADDRESS_MAX);
    if (change == BL_CHANGE_NONE)
        bl_output_put(out, BL_SLICE(": nothing to do; "));
    else
        bl_output_put(
            out, added ? BL_SLICE(": note changed; ")
                       : BL_SLICE(": was not suppressed; temporary failures are counted anew; "));
    put_state(out, &job->record);
    bl_output_byte(out, '\n');
}

static enum bl_code change(struct suppress *job, bl_slice address, enum bl_address_event_kind kind,
                           bl_err *err)
{
    enum bl_change what = BL_CHANGE_NONE;
    bl_address_event event = {
        .kind = kind,
        .time_ms = bl_now_ms(),
        .hash = bl_address_hash(address),
        .address = address,
        .actor = words(job->actor),
        .note = words(job->note ? job->note : ""),
    };
    enum bl_code rc =
        bl_address_change_now(job->session.conn, &job->session.keys, &event, policy_of(job),
                              event.time_ms, &job->record, &what, err);

    if (rc != BL_OK)
        return rc;
    job->said_no |= kind == BL_ADDRESS_REMOVE && what != BL_CHANGE_REMOVE;
    say_changed(job, address, kind, what);
    return BL_OK;
}

static enum bl_code add(struct suppress *job, bl_slice address, bl_err *err)
{
    return change(job, address, BL_ADDRESS_ADD, err);
}

static enum bl_code take_off(struct suppress *job, bl_slice address, bl_err *err)
{
    return change(job, address, BL_ADDRESS_REMOVE, err);
}

/* Who did it: the person behind sudo, else the user. */
static void find_actor(char out[BL_ADDRESS_WORD_MAX])
{
    const struct passwd *user = getpwuid(getuid());
    const char *names[] = {getenv("SUDO_USER"), getenv("LOGNAME"), getenv("USER"),
                           user ? user->pw_name : NULL};

    snprintf(out, BL_ADDRESS_WORD_MAX, "uid %ld", (long)getuid());
    for (size_t i = 0; i < BL_COUNT(names); i++) {
        if (names[i] && *names[i]) {
            bl_address_set(out, BL_ADDRESS_WORD_MAX, words(names[i]));
            return;
        }
    }
}

/* ---- addresses from arguments and standard input ---- */

static bool takes_word(bl_slice *text, bl_slice word)
{
    if (text->n < word.n || strncasecmp(text->p, word.p, word.n) != 0)
        return false;
    *text = bl_slice_drop(*text, word.n);
    return true;
}

/* What people paste: `<ana@example.org>`, `mailto:ana@example.org`, `ana@example.org.`. */
static bl_slice tidy(bl_slice text)
{
    (void)takes_word(&text, BL_SLICE("mailto:"));
    if (text.n >= 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
        text = (bl_slice){text.p + 1, text.n - 2};
    (void)takes_word(&text, BL_SLICE("mailto:"));
    text.n -= bl_slice_ends(text, BL_SLICE("."));
    return text;
}

static bool is_label(bl_slice label)
{
    return label.n && label.p[0] != '-' && label.p[label.n - 1] != '-';
}

static bool is_domain(bl_slice domain)
{
    if (bl_slice_starts(domain, BL_SLICE("[")))
        return bl_slice_ends(domain, BL_SLICE("]"));
    for (;;) {
        size_t n = bl_slice_find_byte(domain, '.');

        if (!is_label(bl_slice_head(domain, n)))
            return false;
        if (n == domain.n)
            return true;
        domain = bl_slice_drop(domain, n + 1);
    }
}

/* Whether mail could ever go there.  Asked of what is added only: logs hold odder ones, and those
 * must be found and removed as they are. */
static bool can_match(bl_slice address)
{
    size_t at = address.n;

    while (at > 0 && address.p[at - 1] != '@')
        at--;
    if (at < 2)
        return false;
    for (size_t i = 0; i + 1 < at && address.p[0] != '"'; i++)
        if (strchr("@<>", address.p[i]))
            return false;
    return is_domain(bl_slice_drop(address, at));
}

static enum bl_code one(struct suppress *job, bl_slice text, address_fn *fn, bl_err *err)
{
    char address[BL_ADDRESS_MAX + 1], shown[4 * BL_ADDRESS_MAX], cut[BL_ADDRESS_MAX];
    size_t n;

    if (!bl_address_normalise(tidy(text), address, &n) ||
        (job->strict && !can_match((bl_slice){address, n}))) {
        snprintf(cut, sizeof cut, "%.*s", (int)bl_slice_head(text, BL_ADDRESS_MAX).n, text.p);
        fprintf(stderr, "bounceline: '%s' is no address\n",
                bl_text_message(shown, sizeof shown, cut));
        job->refused = true;
        return BL_OK;
    }
    return fn(job, (bl_slice){address, n}, err);
}

/* Exit code 0 would answer a question that nobody asked: of check, "suppressed".  To change nothing
 * is no error. */
static void refuse_nothing(struct suppress *job)
{
    fputs("bounceline: no address in standard input\n", stderr);
    job->refused = true;
}

static enum bl_code each_line(struct suppress *job, address_fn *fn, bl_err *err)
{
    enum bl_code rc = BL_OK;
    bool any = false;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    errno = 0;
    /* Changes go on when the reader of what is said about them has left. */
    while (rc == BL_OK && (job->changes || bl_output_failed(job->out) == 0) &&
           (n = getline(&line, &cap, stdin)) >= 0) {
        bl_slice text = {line, (size_t)n};

        while (text.n && strchr(" \t\r\n", text.p[text.n - 1]))
            text.n--;
        if (text.n == 0 || text.p[0] == '#')
            continue;
        any = true;
        rc = one(job, text, fn, err);
    }
    if (rc == BL_OK && ferror(stdin))
        rc = bl_fail(err, BL_IO, errno, "cannot read standard input: %s", strerror(errno));
    else if (rc == BL_OK && !any && !job->changes && feof(stdin))
        refuse_nothing(job);
    free(line);
    return rc;
}

static enum bl_code each(struct suppress *job, char **texts, int n, address_fn *fn, bl_err *err)
{
    enum bl_code rc = BL_OK;

    for (int i = 0; rc == BL_OK && i < n; i++)
        rc = strcmp(texts[i], "-") == 0 ? each_line(job, fn, err)
                                        : one(job, words(texts[i]), fn, err);
    return rc;
}

/* ---- the command ---- */

typedef enum bl_code all_fn(struct suppress *job, bl_err *err);

static const struct action {
    const char *name;
    address_fn *fn; /* for each address */
    all_fn *all;    /* without one */
    bool changes;
} actions[] = {
    {"check", check, NULL, false},
    {"show", show, NULL, false},
    {"history", history, history_of_all, false},
    {"list", NULL, list, false},
    {"add", add, NULL, true},
    {"remove", take_off, NULL, true},
    {.name = "import"},
    {.name = "export"},
    {.name = "watch"},
    {.name = "release"}, /* not in this version */
};

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; name && i < BL_COUNT(actions); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

enum { JSON = BL_OPTION_OWN, NOTE, CATEGORY, DOMAIN, SINCE };

/* These return an exit code, having said why. */
static int take_category(struct suppress *job, const char *name)
{
    const struct bl_rules *rules = bl_rules_builtin();
    const char *known[256], *near;
    size_t n = 0;
    uint16_t index;

    if (bl_rules_find_category(rules, words(name), &index)) {
        job->filter.category = words(name);
        return 0;
    }
    for (size_t i = 0; i < bl_rules_categories(rules) && n < BL_COUNT(known); i++)
        known[n++] = bl_rules_category(rules, (uint16_t)i)->name.p;
    near = bl_suggest(name, known, n);
    return bl_usage("suppress",
                    near ? "there is no category '%s'; '%s' is near" : "there is no category '%s'",
                    name, near);
}

static void take_domain(struct filter *filter, char *value)
{
    size_t n;

    for (char *c = value; *c; c++)
        *c = bl_lower(*c);
    filter->domain = words(value[0] == '@' ? value + 1 : value);
    if (!bl_slice_is_ascii(filter->domain) && bl_domain_to_ascii(filter->domain, filter->ascii, &n))
        filter->domain = (bl_slice){filter->ascii, n};
}

static int take_filter(struct suppress *job, char *value, int option)
{
    job->filtered = true;
    if (option == CATEGORY)
        return take_category(job, value);
    if (option == SINCE)
        return bl_option_time(value, bl_now_ms(), &job->filter.since_ms)
                   ? 0
                   : bl_usage("suppress", "'%s' is no time; 24h, 7d and 2026-11-22 are", value);
    take_domain(&job->filter, value);
    return 0;
}

/* Whether what was asked for fits together; says so when not. */
static int check_action(const struct suppress *job, const struct action *action, const char *name,
                        int addresses)
{
    bool many = action && action->all;

    if (!action)
        return name ? bl_usage("suppress",
                               "there is no '%s'; check show history list add remove are", name)
                    : bl_usage("suppress", "what? check show history list add or remove");
    if (!action->fn && !action->all)
        return bl_usage("suppress",
                        "'%s' is not in this version; check show history list add remove are",
                        name);
    if (!action->fn && addresses)
        return bl_usage("suppress", "list takes no address; check, show and history do");
    if (!action->all && !addresses)
        return bl_usage("suppress", "%s which address? - reads them from standard input", name);
    if (job->filtered && !many)
        return bl_usage("suppress", "--category, --domain and --since are for list and history");
    if (job->note && !action->changes)
        return bl_usage("suppress", "--note is for add and remove");
    return 0;
}

static bool take_options(struct suppress *job, int argc, char **argv, const struct action **action,
                         int *exit_code)
{
    static const struct option known[] = {
        BL_OPTIONS_WHERE,
        {"json", no_argument, 0, JSON},
        {"note", required_argument, 0, NOTE},
        {"category", required_argument, 0, CATEGORY},
        {"domain", required_argument, 0, DOMAIN},
        {"since", required_argument, 0, SINCE},
        {"help", no_argument, 0, 'h'},
        {0},
    };
    int c;

    opterr = 0;
    optind = 0;
    *exit_code = 0;
    while (*exit_code == 0 && (c = getopt_long(argc, argv, ":hc:", known, NULL)) != -1) {
        if (bl_where_take(&job->where, c, optarg))
            continue;
        switch (c) {
        case 'h':
            help(stdout);
            return false;
        case JSON:
            job->json = true;
            break;
        case NOTE:
            job->note = optarg;
            break;
        case CATEGORY:
        case DOMAIN:
        case SINCE:
            *exit_code = take_filter(job, optarg, c);
            break;
        default:
            *exit_code = bl_usage_known("suppress", known, argc, argv, c);
        }
    }
    if (*exit_code)
        return false;
    *action = find_action(argv[optind]);
    *exit_code = check_action(job, *action, argv[optind], argc - optind - 1);
    return *exit_code == 0;
}

static enum bl_code act(struct suppress *job, const struct action *action, char **texts, int n,
                        bl_err *err)
{
    enum bl_code rc = bl_session_open(&job->session, &job->where, action->changes, err);

    if (rc != BL_OK)
        return rc;
    job->changes = action->changes;
    if (action->changes) {
        find_actor(job->actor);
        job->strict = action->fn == add;
        rc = bl_session_begin(&job->session, err);
    }
    if (rc == BL_OK)
        rc = n > 0 ? each(job, texts, n, action->fn, err) : action->all(job, err);
    return rc;
}

int cmd_suppress(int argc, char **argv)
{
    static struct bl_output out;
    static struct suppress job;
    const struct action *action = NULL;
    int exit_code, written;
    bl_err err = {0};
    enum bl_code rc;

    bl_where_init(&job.where);
    job.out = &out;
    if (!take_options(&job, argc, argv, &action, &exit_code))
        return exit_code;
    bl_output_init(&out, STDOUT_FILENO);
    rc = act(&job, action, argv + optind + 1, argc - optind - 1, &err);
    bl_session_close(&job.session);
    written = bl_output_finish(&out);
    if (rc != BL_OK)
        return bl_complain(rc, &err);
    if (written)
        return written;
    return job.refused ? BL_EXIT_DATA : job.said_no ? BL_EXIT_NO : 0;
}
