/* cmd_explain.c -- why a reply means what it means, and what to do
 *
 * Takes what people have at hand: a reply, a line of a log in any envelope that `run` reads, a
 * code, the name of a category or the id of a rule.  What it is shows in its form; words of one
 * argument or of several are one. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounceline/alloc.h"
#include "bounceline/block.h"
#include "bounceline/explain.h"
#include "bounceline/nearest.h"
#include "commands.h"
#include "json.h"
#include "options.h"
#include "rules_set.h"
#include "said.h"
#include "text.h"
#include "told.h"

enum { LABEL = 16, COLUMNS = 4 * BL_LINE_MAX, NAMES_SHOWN = 12 };

struct explain {
    bool json, colour;
    struct bl_circumstances given;
    struct bl_where where; /* the configuration; no Redis */
    struct bl_rules_paths paths;
    const struct bl_rules *rules;
    struct bl_output *out;
    struct bl_worker *worker;
    struct bl_block *block;
    size_t done; /* things explained */
};

static void help(void)
{
    fputs(
        "bounceline explain: why a reply refuses mail: the words that decided, what they beat, what to do\n"
        "\n"
        "  bounceline explain '550 5.1.1 <ana@example.org>: User unknown'\n"
        "  grep 4F1C92A7 /var/log/mail.log | bounceline explain    lines of a log, as they stand there\n"
        "  bounceline explain 550 5.7.1                            a code alone\n"
        "  bounceline explain mailbox-full                         a category\n"
        "  bounceline explain recipient/user-unknown               a rule, as other commands name it\n"
        "  bounceline explain --json '421 4.7.0 [TSS04] deferred' | jq .beaten\n"
        "\n"
        "  --json         one JSON object\n"
        "  --phase P      where a reply came: dns connect helo tls auth mail rcpt data eod local\n"
        "  --relay HOST   who said it; some providers have their own wording\n"
        "  -c FILE        the configuration, for its rules; /etc/bounceline/bounceline.yaml when it is there\n"
        "  --rules PATH   your own rules over the shipped ones: a file or a directory of NAME.rules\n"
        "\n"
        "Without an argument each line of standard input is explained.  Exit code 65 for what is neither: a word that\n"
        "is no category, a line without a result in it.\n",
        stdout);
}

/* --- for people --- */

static void put(const struct explain *job, const char *text)
{
    bl_output_put(job->out, (bl_slice){text, strlen(text)});
}

static void label(const struct explain *job, const char *name)
{
    put(job, "  ");
    bl_text_pad(job->out, (bl_slice){name, strlen(name)}, LABEL);
}

static void row(const struct explain *job, const char *name, bl_slice value)
{
    if (value.n == 0)
        return;
    label(job, name);
    bl_text_put(job->out, value, COLUMNS);
    put(job, "\n");
}

static void row_text(const struct explain *job, const char *name, const char *value)
{
    row(job, name, (bl_slice){value, strlen(value)});
}

/* The text with the bytes that decided in bold. */
static void put_highlit(const struct explain *job, bl_slice text, size_t at, size_t n)
{
    if (!job->colour)
        at = n = 0;
    bl_text_put(job->out, bl_slice_head(text, at), COLUMNS);
    if (n) {
        put(job, "\x1b[1;31m");
        bl_text_put(job->out, bl_slice_head(bl_slice_drop(text, at), n), COLUMNS);
        put(job, "\x1b[0m");
    }
    bl_text_put(job->out, bl_slice_drop(text, at + n), COLUMNS);
    put(job, "\n");
}

static void put_place(const struct explain *job, const struct bl_rule_info *rule)
{
    bl_text_put(job->out, rule->file, COLUMNS);
    bl_output_format(job->out, ":%u", rule->line);
}

static void put_category(const struct explain *job, const struct bl_category *category)
{
    const char *bold = job->colour ? "\x1b[1m" : "", *plain = job->colour ? "\x1b[0m" : "";

    put(job, bold);
    bl_text_put(job->out, category->name, COLUMNS);
    bl_output_format(job->out, "%s: ", plain);
    bl_text_put(job->out, category->meaning, COLUMNS);
    put(job, "\n");
}

static const char *action_words(enum bl_action action)
{
    switch (action) {
    case BL_ACTION_SUPPRESS:
        return "suppress: stop mailing this address";
    case BL_ACTION_SOFT:
        return "soft: suppress only if it goes on for weeks";
    case BL_ACTION_NONE:
        break;
    }
    return "none: keep the address";
}

static void put_what(const struct explain *job, const bl_verdict *verdict)
{
    const struct bl_category *category = bl_rules_category(job->rules, verdict->category);

    row_text(job, "whose fault", bl_scope_name(category->scope));
    label(job, "type");
    put(job, bl_type_name((enum bl_type)verdict->type));
    if (category->ses_type.n) {
        put(job, "   (Amazon SES: ");
        bl_text_put(job->out, category->ses_type, COLUMNS);
        if (category->ses_subtype.n) {
            put(job, ", ");
            bl_text_put(job->out, category->ses_subtype, COLUMNS);
        }
        put(job, ")");
    }
    put(job, "\n");
    row_text(job, "action", action_words((enum bl_action)verdict->action));
}

static void put_match(const struct explain *job, const char *name, const struct bl_match *match,
                      const char *why)
{
    const struct bl_rule_info *rule = bl_rules_rule(job->rules, match->verdict.rule);

    label(job, name);
    bl_text_pad(job->out, bl_rules_category(job->rules, match->verdict.category)->name, 23);
    put(job, " ");
    bl_text_put(job->out, rule->id, COLUMNS);
    put(job, "  ");
    put_place(job, rule);
    bl_output_format(job->out, "  (%s%s%s)\n", bl_tier_name((enum bl_tier)rule->tier),
                     *why ? "; " : "", why);
}

static void put_extracted(const struct explain *job, const struct bl_extract *extract)
{
    char span[BL_TEXT_NUMBER_MAX];

    row(job, "block list", extract->blocklist);
    row(job, "provider's code", extract->provider_code);
    row(job, "sending address", extract->sending_ip);
    if (!extract->retry_after_s)
        return;
    label(job, "try again after");
    bl_output_format(job->out, "%s\n", bl_text_span((int64_t)extract->retry_after_s * 1000, span));
}

static void put_read_as(const struct explain *job, const bl_reply *reply)
{
    uint16_t provider = reply->relay_host.n ? bl_rules_provider(job->rules, reply->relay_host) : 0;
    bl_status status = bl_status_absent(reply->enhanced) ? reply->wrapper : reply->enhanced;
    char text[BL_STATUS_TEXT_MAX];

    label(job, "read as");
    if (reply->code)
        bl_output_format(job->out, "%u ", reply->code);
    if (bl_status_text(status, text))
        bl_output_format(job->out, "%s ", text);
    if (!reply->code && bl_status_absent(status))
        put(job, "no code ");
    bl_output_format(job->out, "%s%s",
                     reply->phase == BL_PHASE_UNKNOWN ? "at an unknown step" : "at ",
                     reply->phase == BL_PHASE_UNKNOWN ? "" : bl_phase_name(reply->phase));
    if (reply->relay_host.n) {
        put(job, " from ");
        bl_text_put(job->out, reply->relay_host, COLUMNS);
    }
    if (provider) {
        put(job, " (");
        bl_text_put(job->out, bl_rules_provider_name(job->rules, provider), COLUMNS);
        put(job, ")");
    }
    put(job, "\n");
}

static void put_codes(const struct explain *job, const char *name, const struct bl_codes *codes)
{
    label(job, name);
    bl_text_put(job->out, codes->codes, COLUMNS);
    put(job, codes->meaning.n ? ": " : "");
    bl_text_put(job->out, codes->meaning, COLUMNS);
    put(job, "\n");
}

static void put_reply(const struct explain *job, const bl_reply *reply,
                      const struct bl_explanation *e, const struct bl_extract *extract)
{
    const bl_verdict *v = &e->verdict;
    const struct bl_rule_info *rule = bl_rules_rule(job->rules, v->rule);
    const struct bl_codes *codes = bl_rules_codes_of(job->rules, reply);

    if (reply->text.n)
        put_highlit(job, reply->text, v->match_at, v->match_n);
    put_category(job, bl_rules_category(job->rules, v->category));
    if (codes)
        put_codes(job, "its code", codes);
    put_what(job, v);
    row_text(job, "kept because", bl_kept_text(e->kept));
    row(job, "what to do", bl_told_remedy(job->rules, v));
    put_match(job, "decided by", &(struct bl_match){*v, BL_BEATEN_LENGTH}, "");
    if (v->match_n) {
        label(job, "by the words");
        put(job, "\"");
        bl_text_put(job->out, (bl_slice){reply->text.p + v->match_at, v->match_n}, COLUMNS);
        bl_output_format(job->out, "\"  (bytes %u to %u)\n", v->match_at, v->match_at + v->match_n);
    }
    row(job, "source", rule->source);
    put_read_as(job, reply);
    put_extracted(job, extract);
    for (size_t i = 1; i < e->vetoes_n; i++)
        put_match(job, i == 1 ? "also a veto" : "", &e->vetoes[i], "");
    for (size_t i = 0; i < e->beaten_n; i++)
        put_match(job, i == 0 ? "beaten" : "", &e->beaten[i], bl_beaten_text(e->beaten[i].why));
    if (e->more)
        row_text(job, "", "... and others");
}

/* --- for programs --- */

static void json_matches(const struct explain *job, struct bl_json *json, bl_slice key,
                         const struct bl_match *match, size_t n, bool with_why)
{
    if (n == 0)
        return;
    bl_json_open_list(json, key);
    for (size_t i = 0; i < n; i++) {
        bl_json_open_item(json);
        bl_json_text(json, BL_SLICE("category"),
                     bl_rules_category(job->rules, match[i].verdict.category)->name);
        bl_told_rule(json, bl_rules_rule(job->rules, match[i].verdict.rule));
        if (match[i].verdict.match_n) {
            bl_json_u64(json, BL_SLICE("match_at"), match[i].verdict.match_at);
            bl_json_u64(json, BL_SLICE("match_n"), match[i].verdict.match_n);
        }
        if (with_why)
            bl_told_word(json, BL_SLICE("why"), bl_beaten_text(match[i].why));
        bl_json_close(json);
    }
    bl_json_close_list(json);
}

static void json_reply(const struct explain *job, const char *input, const bl_reply *reply,
                       const struct bl_explanation *e, const struct bl_extract *extract)
{
    const struct bl_codes *codes = bl_rules_codes_of(job->rules, reply);
    bl_status status = bl_status_absent(reply->enhanced) ? reply->wrapper : reply->enhanced;
    char text[BL_STATUS_TEXT_MAX];
    struct bl_json json;

    bl_json_init(&json, job->out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), 1);
    bl_told_word(&json, BL_SLICE("input"), input);
    if (reply->code)
        bl_json_u64(&json, BL_SLICE("code"), reply->code);
    if (!bl_status_absent(status))
        bl_json_text(&json, BL_SLICE("enhanced"), (bl_slice){text, bl_status_text(status, text)});
    if (reply->phase != BL_PHASE_UNKNOWN)
        bl_told_word(&json, BL_SLICE("phase"), bl_phase_name(reply->phase));
    bl_json_text_if(&json, BL_SLICE("relay_host"), reply->relay_host);
    bl_json_text_if(&json, BL_SLICE("reply"), reply->text);
    bl_told_verdict(&json, job->rules, &e->verdict);
    if (e->kept != BL_KEPT_NOT)
        bl_told_word(&json, BL_SLICE("kept_because"), bl_kept_text(e->kept));
    bl_told_rule(&json, bl_rules_rule(job->rules, e->verdict.rule));
    if (e->verdict.match_n) {
        bl_json_u64(&json, BL_SLICE("match_at"), e->verdict.match_at);
        bl_json_u64(&json, BL_SLICE("match_n"), e->verdict.match_n);
        bl_json_text(&json, BL_SLICE("matched"),
                     (bl_slice){reply->text.p + e->verdict.match_at, e->verdict.match_n});
    }
    bl_told_extract(&json, extract);
    json_matches(job, &json, BL_SLICE("vetoes"), e->vetoes, e->vetoes_n, false);
    json_matches(job, &json, BL_SLICE("beaten"), e->beaten, e->beaten_n, true);
    bl_json_text_if(&json, BL_SLICE("meaning"),
                    bl_rules_category(job->rules, e->verdict.category)->meaning);
    if (codes)
        bl_json_text_if(&json, BL_SLICE("code_meaning"), codes->meaning);
    bl_json_text_if(&json, BL_SLICE("remedy"), bl_told_remedy(job->rules, &e->verdict));
    bl_json_end(&json);
}

/* `spared`: nothing is done about the recipient of the line, whom a reply alone does not name. */
static enum bl_code explain_reply(struct explain *job, const char *input, bl_reply *reply,
                                  bool spared, bl_err *err)
{
    struct bl_explanation *e = bl_calloc(1, sizeof *e);
    struct bl_extract extract;
    enum bl_code rc = BL_NO_MEMORY;

    bl_circumstances_apply(&job->given, reply);
    if (e)
        rc = bl_explain(job->rules, reply, e);
    if (rc != BL_OK) {
        bl_free(e);
        return bl_fail(err, rc, 0, "out of memory");
    }
    if (spared)
        e->verdict.action = BL_ACTION_NONE;
    bl_extract_read(job->rules, reply->text, &e->verdict, &extract);
    if (job->json)
        json_reply(job, input, reply, e, &extract);
    else
        put_reply(job, reply, e, &extract);
    bl_free(e);
    return BL_OK;
}

/* --- codes --- */

/* `550`, `5.1.1`, `550 5.1.1`, `550-5.1.1`, and nothing else. */
static bool read_codes(bl_slice text, bl_reply *out)
{
    bl_slice rest = text;
    uint64_t code;

    memset(out, 0, sizeof *out);
    if (text.n >= 3 && bl_slice_take_u64(&rest, &code) && text.n - rest.n == 3 &&
        (rest.n == 0 || rest.p[0] == ' ' || rest.p[0] == '-')) {
        out->code = (uint16_t)code;
        while (rest.n && (rest.p[0] == ' ' || rest.p[0] == '-'))
            rest = bl_slice_drop(rest, 1);
    } else {
        rest = text;
    }
    return (rest.n == 0 || (bl_status_take(&rest, &out->enhanced) && rest.n == 0)) &&
           (out->code || !bl_status_absent(out->enhanced));
}

static enum bl_code explain_code(struct explain *job, bl_slice text, bl_reply *reply, bl_err *err)
{
    unsigned class_ = reply->code ? reply->code / 100u : reply->enhanced.class_;

    if (class_ != 4 && class_ != 5)
        return bl_fail(err, BL_BAD_INPUT, 0,
                       class_ == 2 || class_ == 3 ? "'%.*s' refuses nothing: only 4xx and 5xx do"
                                                  : "'%.*s' is no code of a reply: 4xx and 5xx are",
                       (int)text.n, text.p);
    if (!job->given.has_phase)
        reply->phase = BL_PHASE_RCPT;
    return explain_reply(job, "code", reply, false, err);
}

/* --- categories and rules --- */

/* Rules of words by their ids, each once, or rows of codes.tsv by their codes, at most `room`; how
 * many there were. */
static size_t list_names(const struct explain *job, uint16_t category, bool codes, bl_slice *names,
                         size_t room)
{
    bool *seen = bl_calloc(bl_rules_ids(job->rules), sizeof *seen);
    size_t n = 0;

    for (uint32_t i = 0; seen && i < bl_rules_count(job->rules); i++) {
        const struct bl_rule_info *rule = bl_rules_rule(job->rules, i);
        const struct bl_codes *row = bl_rules_codes(job->rules, i);

        if (rule->category != category || rule->tier == BL_TIER_FALLBACK ||
            (row != NULL) != codes || (!codes && seen[rule->number]))
            continue;
        seen[rule->number] = true;
        if (n < room)
            names[n] = codes ? row->codes : rule->id;
        n++;
    }
    bl_free(seen);
    return n;
}

static void put_names(const struct explain *job, const char *name, uint16_t category, bool codes)
{
    bl_slice names[NAMES_SHOWN];
    size_t n = list_names(job, category, codes, names, NAMES_SHOWN);

    if (n == 0)
        return;
    label(job, name);
    for (size_t i = 0; i < n && i < NAMES_SHOWN; i++) {
        put(job, i ? ", " : "");
        bl_text_put(job->out, names[i], COLUMNS);
    }
    put(job, n > NAMES_SHOWN ? ", ...\n" : "\n");
}

static void json_names(const struct explain *job, struct bl_json *json, bl_slice key,
                       uint16_t category, bool codes)
{
    enum { ALL = 1024 };
    bl_slice names[ALL];
    size_t n = list_names(job, category, codes, names, ALL);

    bl_json_open_list(json, key);
    for (size_t i = 0; i < n && i < ALL; i++) {
        if (i)
            bl_output_byte(job->out, ',');
        bl_json_string(job->out, names[i]);
    }
    bl_json_close_list(json);
}

static void explain_category(const struct explain *job, uint16_t index)
{
    const struct bl_category *category = bl_rules_category(job->rules, index);
    bl_verdict verdict = {
        .category = index, .type = (uint8_t)category->type, .action = (uint8_t)category->action};
    struct bl_json json;

    if (!job->json) {
        put_category(job, category);
        put_what(job, &verdict);
        row(job, "what to do", category->remedy);
        put_names(job, "codes", index, true);
        put_names(job, "rules", index, false);
        return;
    }
    bl_json_init(&json, job->out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), 1);
    bl_told_word(&json, BL_SLICE("input"), "category");
    bl_told_verdict(&json, job->rules, &verdict);
    json_names(job, &json, BL_SLICE("codes"), index, true);
    json_names(job, &json, BL_SLICE("rules"), index, false);
    bl_json_text_if(&json, BL_SLICE("meaning"), category->meaning);
    bl_json_text_if(&json, BL_SLICE("remedy"), category->remedy);
    bl_json_end(&json);
}

static void explain_rule(const struct explain *job, uint32_t index)
{
    const struct bl_rule_info *rule = bl_rules_rule(job->rules, index);
    const struct bl_category *category = bl_rules_category(job->rules, rule->category);
    bl_verdict verdict = {.category = rule->category,
                          .type = (uint8_t)category->type,
                          .action = (uint8_t)category->action,
                          .rule = index};
    struct bl_json json;

    if (!job->json) {
        put_match(job, "rule", &(struct bl_match){verdict, BL_BEATEN_LENGTH}, "");
        row(job, "source", rule->source);
        put_category(job, category);
        put_what(job, &verdict);
        row(job, "what to do", category->remedy);
        for (uint32_t i = 0; i < bl_rules_count(job->rules); i++)
            if (rule->codes && bl_rules_rule(job->rules, i)->number == rule->number)
                put_codes(job, i == index ? "codes" : "", bl_rules_codes(job->rules, i));
        return;
    }
    bl_json_init(&json, job->out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), 1);
    bl_told_word(&json, BL_SLICE("input"), "rule");
    bl_told_rule(&json, rule);
    bl_told_verdict(&json, job->rules, &verdict);
    bl_json_text_if(&json, BL_SLICE("meaning"), category->meaning);
    bl_json_text_if(&json, BL_SLICE("remedy"), category->remedy);
    bl_json_end(&json);
}

/* `Mailbox full` and `mailbox_full` are mailbox-full. */
static bl_slice as_name(bl_slice text, char *room, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n && n < cap; i++)
        room[n++] = text.p[i] == ' ' || text.p[i] == '_' ? '-' : bl_lower(text.p[i]);
    return (bl_slice){room, n};
}

/* `codes/550-5.1.10` for a row alone. */
static bool is_row(const struct bl_codes *row, bl_slice id)
{
    char room[64];

    return bl_slice_take(&id, BL_SLICE("codes/")) &&
           bl_slice_eq(as_name(row->codes, room, sizeof room), id);
}

static bool find_rule(const struct explain *job, bl_slice id, uint32_t *out)
{
    for (uint32_t i = 0; i < bl_rules_count(job->rules); i++) {
        const struct bl_codes *row = bl_rules_codes(job->rules, i);

        if (bl_slice_eq(bl_rules_rule(job->rules, i)->id, id) || (row && is_row(row, id))) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bl_slice find_nearest(const struct explain *job, bl_slice word, bool rules)
{
    size_t n = rules ? bl_rules_count(job->rules) : bl_rules_categories(job->rules);
    struct bl_nearest nearest = bl_nearest_to(word);

    for (size_t i = 0; i < n; i++)
        bl_nearest_try(&nearest, rules ? bl_rules_rule(job->rules, (uint32_t)i)->id
                                       : bl_rules_category(job->rules, (uint16_t)i)->name);
    return nearest.found;
}

/* A word of letters, hyphens and at most one slash is a name; a reply of one word has a digit or is
 * quoted. */
static bool is_name(bl_slice text)
{
    size_t slashes = 0;

    for (size_t i = 0; i < text.n; i++) {
        slashes += text.p[i] == '/';
        if (!isalnum((unsigned char)text.p[i]) && !strchr("-_/.", text.p[i]))
            return false;
    }
    return text.n > 0 && text.n < 100 && slashes < 2;
}

static enum bl_code unknown_name(const struct explain *job, bl_slice word, bl_err *err)
{
    bool rule = memchr(word.p, '/', word.n) != NULL;
    bl_slice like = find_nearest(job, word, rule);

    return bl_fail(err, BL_BAD_INPUT, 0, "'%.*s' is no %s%s%.*s%s", (int)word.n, word.p,
                   rule ? "rule" : "reply, code or category", like.n ? "; do you mean '" : "",
                   (int)like.n, like.p,
                   like.n ? "'?"
                   : rule ? " (bounceline rules list shows them)"
                          : " (bounceline rules list --categories shows these)");
}

/* --- lines of a log --- */

static bool is_result(const bl_record *record)
{
    return record->kind == BL_RECORD_DELIVERY || record->kind == BL_RECORD_REJECT;
}

/* True when the text is a line of a log; then `*rc` says how it went. */
static bool explain_line(struct explain *job, bl_slice text, enum bl_code *rc, bl_err *err)
{
    const bl_record *record = job->block->records;
    struct bl_block *block = job->block;
    bl_reply reply;

    block->n = text.n < BL_BLOCK_BYTES - 1 ? text.n : BL_BLOCK_BYTES - 1;
    memcpy(block->bytes, text.p, block->n);
    block->bytes[block->n++] = '\n';
    block->reference_s = bl_now_ms() / 1000;
    bl_block_parse(job->worker, job->rules, block);
    if (block->records_n != 1)
        return false;
    if (!is_result(record)) {
        *rc = bl_fail(err, BL_BAD_INPUT, 0, "this line of a log is no result of a delivery");
        return true;
    }
    if (record->outcome != BL_DEFERRED && record->outcome != BL_BOUNCED &&
        record->outcome != BL_REJECTED) {
        *rc = bl_fail(err, BL_BAD_INPUT, 0, "nothing failed: this line says %s",
                      bl_outcome_name((enum bl_outcome)record->outcome));
        return true;
    }
    reply = (bl_reply){.code = record->code,
                       .enhanced = record->enhanced,
                       .wrapper = record->enhanced,
                       .phase = (enum bl_phase)record->phase,
                       .text = record->text};
    if (record->kind == BL_RECORD_DELIVERY)
        reply.relay_host = record->peer_host;
    *rc = explain_reply(job, "line", &reply, record->verdict.action == BL_ACTION_NONE, err);
    return true;
}

static enum bl_code explain_one(struct explain *job, bl_slice text, bl_err *err)
{
    char room[128];
    bl_slice name;
    bl_reply reply;
    enum bl_code rc;
    uint16_t category;
    uint32_t rule;

    text = bl_slice_head(text, BL_LINE_MAX);
    while (text.n && strchr(" \t\r", text.p[text.n - 1]))
        text.n--;
    while (text.n && strchr(" \t", text.p[0]))
        text = bl_slice_drop(text, 1);
    if (text.n == 0)
        return bl_fail(err, BL_BAD_INPUT, 0, "an empty line explains nothing");
    if (job->done++ && !job->json)
        put(job, "\n");
    if (read_codes(text, &reply))
        return explain_code(job, text, &reply, err);
    name = as_name(text, room, sizeof room);
    if (bl_rules_find_category(job->rules, name, &category)) {
        explain_category(job, category);
        return BL_OK;
    }
    if (find_rule(job, text, &rule)) {
        explain_rule(job, rule);
        return BL_OK;
    }
    if (is_name(text))
        return unknown_name(job, text, err);
    if (explain_line(job, text, &rc, err))
        return rc;
    (void)bl_said_read(text, &reply);
    return explain_reply(job, "reply", &reply, false, err);
}

/* Each line; what is wrong with one is said and the next is explained. */
static int explain_stdin(struct explain *job)
{
    char *line = NULL;
    size_t room = 0;
    int exit_code = 0;
    ssize_t n;

    while ((n = getline(&line, &room, stdin)) > 0) {
        bl_err err = {0};
        enum bl_code rc;

        n -= line[n - 1] == '\n';
        rc = explain_one(job, (bl_slice){line, (size_t)n}, &err);
        bl_output_flush(job->out);
        if (rc != BL_OK)
            exit_code = bl_complain(rc, &err);
    }
    free(line);
    if (ferror(stdin)) {
        bl_err err = {0};

        return bl_complain(
            bl_fail(&err, BL_IO, errno, "cannot read standard input: %s", strerror(errno)), &err);
    }
    return exit_code;
}

/* All words of the command line as one text. */
static enum bl_code explain_words(struct explain *job, int n, char **words, bl_err *err)
{
    size_t room = 1, at = 0;
    enum bl_code rc;
    char *text;

    for (int i = 0; i < n; i++)
        room += strlen(words[i]) + 1;
    text = bl_malloc(room);
    if (!text)
        return bl_fail(err, BL_NO_MEMORY, 0, "out of memory");
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, room - at, "%s%s", i ? " " : "", words[i]);
    rc = explain_one(job, (bl_slice){text, at}, err);
    bl_output_flush(job->out);
    bl_free(text);
    return rc;
}

static bool take_options(struct explain *job, int argc, char **argv, int *exit_code)
{
    enum { JSON = BL_OPTION_OWN, RULES };
    static const struct option known[] = {
        {"json", no_argument, 0, JSON},
        BL_OPTIONS_CIRCUMSTANCES,
        {"rules", required_argument, 0, RULES},
        {"help", no_argument, 0, 'h'},
        BL_OPTIONS_CONFIG,
        {0},
    };
    int c;

    opterr = 0;
    optind = 0;
    *exit_code = 0;
    while ((c = getopt_long(argc, argv, ":hc:", known, NULL)) != -1) {
        if (bl_where_take(&job->where, c, optarg))
            continue;
        if (bl_circumstances_take(&job->given, "explain", c, optarg, exit_code)) {
            if (*exit_code)
                return false;
            continue;
        }
        switch (c) {
        case 'h':
            help();
            return false;
        case JSON:
            job->json = true;
            break;
        case RULES:
            if (bl_option_rules("explain", optarg, &job->paths))
                break;
            *exit_code = BL_EXIT_USAGE;
            return false;
        default:
            *exit_code = bl_usage_known("explain", known, argc, argv, c);
            return false;
        }
    }
    return true;
}

static int explain(struct explain *job, int n, char **words)
{
    int exit_code, written;
    bl_err err = {0};
    enum bl_code rc;

    if (n == 0 && isatty(STDIN_FILENO))
        return bl_usage("explain", "what? a reply, a line of a log, a code or a category");
    rc = bl_where_load_rules(&job->where, &job->paths, &job->rules, &err);
    if (rc != BL_OK)
        return bl_complain(rc, &err);
    bl_output_init(job->out, STDOUT_FILENO);
    job->worker = bl_worker_new(&(bl_zone){0});
    job->block = bl_block_new();
    if (!job->worker || !job->block) {
        exit_code = bl_complain(BL_NO_MEMORY, NULL);
    } else if (n) {
        rc = explain_words(job, n, words, &err);
        exit_code = rc == BL_OK ? 0 : bl_complain(rc, &err);
    } else {
        exit_code = explain_stdin(job);
    }
    bl_block_free(job->block);
    bl_worker_free(job->worker);
    bl_rules_set_free(job->rules);
    written = bl_output_finish(job->out);
    return exit_code ? exit_code : written;
}

int cmd_explain(int argc, char **argv)
{
    static struct bl_output out;
    struct explain job = {.out = &out, .colour = bl_text_may_colour(STDOUT_FILENO)};
    int exit_code;

    bl_where_init(&job.where);
    if (take_options(&job, argc, argv, &exit_code))
        exit_code = explain(&job, argc - optind, argv + optind);
    bl_where_release(&job.where);
    return exit_code;
}
