/* A table keeps its largest rows in a heap whose root is the smallest of them: a row that is
 * smaller still goes to `~other` at once, else the root does.  So a log with millions of domains
 * costs a thousand rows, and sums stay exact. */
#include "summary.h"

#include <stdio.h>
#include <stdlib.h>

#include "bounceline/alloc.h"
#include "text.h"

struct bl_summary *bl_summary_new(void)
{
    struct bl_summary *summary = bl_calloc(1, sizeof *summary);

    if (summary)
        summary->suppressed_words = "suppressed now";
    return summary;
}

void bl_summary_free(struct bl_summary *summary)
{
    bl_free(summary);
}

struct bl_summary_cause *bl_summary_cause(struct bl_summary *summary, bl_slice name)
{
    for (size_t i = 0; i < summary->causes; i++)
        if (bl_slice_eq(summary->cause[i].name, name))
            return &summary->cause[i];
    if (summary->causes == BL_SUMMARY_CAUSES)
        return &summary->cause[BL_SUMMARY_CAUSES - 1];
    if (summary->causes == BL_SUMMARY_CAUSES - 1)
        name = BL_SLICE(BL_TALLY_OTHER);
    summary->cause[summary->causes].name = name;
    return &summary->cause[summary->causes++];
}

/* Largest first; equals by name, so that the order never depends on anything else. */
static int compare_rows(const void *left, const void *right)
{
    const struct bl_summary_row *a = left, *b = right;

    if (a->total != b->total)
        return a->total < b->total ? 1 : -1;
    return bl_slice_compare(a->name, b->name);
}

static void swap_rows(struct bl_summary_row *a, struct bl_summary_row *b)
{
    struct bl_summary_row kept = *a;

    *a = *b;
    *b = kept;
}

static void sift_up(struct bl_summary_row *heap, size_t at)
{
    for (; at > 0 && compare_rows(&heap[at], &heap[(at - 1) / 2]) > 0; at = (at - 1) / 2)
        swap_rows(&heap[at], &heap[(at - 1) / 2]);
}

static void sift_down(struct bl_summary_row *heap, size_t n)
{
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < n && compare_rows(&heap[child + 1], &heap[child]) > 0)
            child++;
        if (child >= n || compare_rows(&heap[child], &heap[at]) <= 0)
            return;
        swap_rows(&heap[child], &heap[at]);
        at = child;
    }
}

static void add_to_rest(struct bl_summary_table *table, const struct bl_summary_row *row)
{
    table->has_other = true;
    for (size_t i = 0; i < BL_OUTCOMES; i++)
        table->other[i] += row->outcome[i];
}

void bl_summary_add(struct bl_summary_table *table, const struct bl_summary_row *row)
{
    if (bl_slice_eq(row->name, BL_SLICE(BL_TALLY_OTHER))) {
        add_to_rest(table, row);
        return;
    }
    table->names++;
    if (table->n < BL_SUMMARY_ROWS) {
        table->row[table->n] = *row;
        sift_up(table->row, table->n++);
        return;
    }
    if (compare_rows(row, &table->row[0]) > 0) {
        add_to_rest(table, row);
        return;
    }
    add_to_rest(table, &table->row[0]);
    table->row[0] = *row;
    sift_down(table->row, table->n);
}

static int compare_causes(const void *left, const void *right)
{
    const struct bl_summary_cause *a = left, *b = right;

    if (a->count[BL_SUMMARY_FINAL] != b->count[BL_SUMMARY_FINAL])
        return a->count[BL_SUMMARY_FINAL] < b->count[BL_SUMMARY_FINAL] ? 1 : -1;
    return bl_slice_compare(a->name, b->name);
}

/* Of equals the first by text, so that the choice depends on nothing but the log. */
static bool is_before(uint64_t count, bl_slice text, const struct bl_summary_reply *than)
{
    return count > than->count || (count == than->count && bl_slice_compare(text, than->text) < 0);
}

void bl_summary_add_reply(struct bl_summary_cause *cause, enum bl_summary_way way, uint64_t count,
                          bl_slice text)
{
    struct bl_summary_reply *reply = cause->reply[way];
    size_t at = BL_SUMMARY_REPLIES;

    while (at > 0 && is_before(count, text, &reply[at - 1]))
        at--;
    if (at == BL_SUMMARY_REPLIES)
        return;
    memmove(&reply[at + 1], &reply[at], (BL_SUMMARY_REPLIES - 1 - at) * sizeof *reply);
    reply[at] = (struct bl_summary_reply){count, text};
}

void bl_summary_finish(struct bl_summary *summary)
{
    struct bl_summary_table *tables[] = {&summary->domains, &summary->providers, &summary->senders,
                                         &summary->instances};

    for (size_t i = 0; i < BL_COUNT(tables); i++)
        qsort(tables[i]->row, tables[i]->n, sizeof *tables[i]->row, compare_rows);
    qsort(summary->cause, summary->causes, sizeof *summary->cause, compare_causes);
}

static bool rate_of(uint64_t part, uint64_t whole, double *rate, uint64_t *of)
{
    *of = whole;
    if (whole < BL_RATE_MIN_OUTCOMES)
        return false;
    *rate = (double)part / (double)whole;
    return true;
}

bool bl_summary_bounce_rate(const uint64_t o[BL_OUTCOMES], double *rate, uint64_t *of)
{
    uint64_t failed = o[BL_BOUNCED] + o[BL_EXPIRED];

    return rate_of(failed, o[BL_DELIVERED] + failed, rate, of);
}

bool bl_summary_deferral_rate(const uint64_t o[BL_OUTCOMES], double *rate, uint64_t *of)
{
    return rate_of(o[BL_DEFERRED], o[BL_DELIVERED] + o[BL_DEFERRED] + o[BL_BOUNCED], rate, of);
}

static uint64_t less(uint64_t from, uint64_t what)
{
    return from > what ? from - what : 0;
}

/* Rates leave the null sender's mail out: bounces that bounce say nothing about anybody's list. */
void bl_summary_rate_outcomes(const struct bl_summary *summary, uint64_t out[BL_OUTCOMES])
{
    for (size_t i = 0; i < BL_OUTCOMES; i++)
        out[i] = less(summary->outcome[i], summary->null_outcome[i]);
    out[BL_DEFERRED] = less(out[BL_DEFERRED], summary->no_attempt);
}

static bl_slice outcome_name(size_t outcome)
{
    const char *name = bl_outcome_name((enum bl_outcome)outcome);

    return (bl_slice){name, strlen(name)};
}

/* ---- JSON ---- */

static void json_outcomes(struct bl_json *json, bl_slice key, const uint64_t outcome[BL_OUTCOMES],
                          bool zeros)
{
    bl_json_open(json, key);
    for (size_t i = 0; i < BL_OUTCOMES; i++)
        if (outcome[i] || zeros)
            bl_json_u64(json, outcome_name(i), outcome[i]);
    bl_json_close(json);
}

static void json_table(struct bl_json *json, bl_slice key, const struct bl_summary_table *table)
{
    bl_json_open(json, key);
    for (size_t i = 0; i < table->n; i++)
        json_outcomes(json, table->row[i].name, table->row[i].outcome, false);
    if (table->has_other)
        json_outcomes(json, BL_SLICE(BL_TALLY_OTHER), table->other, false);
    bl_json_close(json);
}

static void json_causes(struct bl_json *json, bl_slice key, const struct bl_summary *summary,
                        enum bl_summary_way way)
{
    bl_json_open(json, key);
    for (size_t i = 0; i < summary->causes; i++)
        if (summary->cause[i].count[way])
            bl_json_u64(json, summary->cause[i].name, summary->cause[i].count[way]);
    bl_json_close(json);
}

/* Whose fault the final failures are. */
static void json_faults(struct bl_json *json, const struct bl_summary *summary,
                        const struct bl_rules *rules)
{
    uint64_t fault[BL_SCOPE_LOCAL + 1] = {0};

    for (size_t i = 0; i < summary->causes; i++) {
        uint16_t category;

        if (bl_rules_find_category(rules, summary->cause[i].name, &category))
            fault[bl_rules_category(rules, category)->scope] +=
                summary->cause[i].count[BL_SUMMARY_FINAL];
    }
    bl_json_open(json, BL_SLICE("faults"));
    for (size_t i = 0; i < BL_COUNT(fault); i++) {
        const char *name = bl_scope_name((enum bl_scope)i);

        if (fault[i])
            bl_json_u64(json, (bl_slice){name, strlen(name)}, fault[i]);
    }
    bl_json_close(json);
}

static void json_rates(struct bl_json *json, bl_slice key, const uint64_t outcome[BL_OUTCOMES])
{
    uint64_t of;
    double rate;

    bl_json_open(json, key);
    if (bl_summary_bounce_rate(outcome, &rate, &of))
        bl_json_decimal(json, BL_SLICE("bounce"), (int64_t)(rate * 1e6 + 0.5), 6);
    if (bl_summary_deferral_rate(outcome, &rate, &of))
        bl_json_decimal(json, BL_SLICE("deferral"), (int64_t)(rate * 1e6 + 0.5), 6);
    bl_json_close(json);
}

static void json_windows(struct bl_json *json, const struct bl_summary *summary)
{
    if (!summary->windows)
        return;
    bl_json_open(json, BL_SLICE("windows"));
    for (size_t i = 0; i < summary->windows; i++) {
        const char *name = summary->window[i].short_name;

        json_rates(json, (bl_slice){name, strlen(name)}, summary->window[i].outcome);
    }
    bl_json_close(json);
}

static void json_then(struct bl_json *json, const struct bl_summary_then *then)
{
    if (!then->recipients)
        return;
    bl_json_open(json, BL_SLICE("deferred_then"));
    bl_json_u64(json, BL_SLICE("recipients"), then->recipients);
    bl_json_u64(json, BL_SLICE("delivered"), then->delivered);
    bl_json_u64(json, BL_SLICE("relayed"), then->relayed);
    bl_json_u64(json, BL_SLICE("bounced"), then->bounced);
    bl_json_u64(json, BL_SLICE("expired"), then->expired);
    if (then->timed) {
        bl_json_u64(json, BL_SLICE("delivered_p50_s"), then->half_s);
        bl_json_u64(json, BL_SLICE("delivered_p90_s"), then->most_s);
        bl_json_u64(json, BL_SLICE("delivered_max_s"), then->longest_s);
    }
    bl_json_close(json);
}

static void json_hours(struct bl_json *json, const struct bl_summary *summary)
{
    if (!summary->hours_title)
        return;
    bl_json_open(json, BL_SLICE("hours"));
    for (size_t i = 0; i < BL_COUNT(summary->hour); i++) {
        char name[2] = {(char)('0' + i / 10), (char)('0' + i % 10)};
        uint64_t sum = 0;

        for (size_t k = 0; k < BL_OUTCOMES; k++)
            sum += summary->hour[i][k];
        if (sum)
            json_outcomes(json, (bl_slice){name, sizeof name}, summary->hour[i], false);
    }
    bl_json_close(json);
}

void bl_summary_json(const struct bl_summary *summary, const struct bl_rules *rules,
                     struct bl_output *out)
{
    uint64_t outcome[BL_OUTCOMES];
    struct bl_json json;

    bl_summary_rate_outcomes(summary, outcome);
    bl_json_init(&json, out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), 1);
    bl_json_time(&json, BL_SLICE("from"), summary->from_ms);
    bl_json_time(&json, BL_SLICE("to"), summary->to_ms);
    if (summary->has_lines)
        bl_json_u64(&json, BL_SLICE("lines"), summary->lines);
    json_outcomes(&json, BL_SLICE("outcomes"), summary->outcome, true);
    if (summary->no_attempt)
        bl_json_u64(&json, BL_SLICE("deferred_without_attempt"), summary->no_attempt);
    json_then(&json, &summary->then);
    json_causes(&json, BL_SLICE("categories"), summary, BL_SUMMARY_FINAL);
    json_causes(&json, BL_SLICE("deferrals"), summary, BL_SUMMARY_DEFERRED);
    json_causes(&json, BL_SLICE("rejections"), summary, BL_SUMMARY_REJECTED);
    json_faults(&json, summary, rules);
    json_table(&json, BL_SLICE("domains"), &summary->domains);
    json_table(&json, BL_SLICE("providers"), &summary->providers);
    json_table(&json, BL_SLICE("senders"), &summary->senders);
    json_table(&json, BL_SLICE("instances"), &summary->instances);
    json_rates(&json, BL_SLICE("rates"), outcome);
    json_windows(&json, summary);
    json_hours(&json, summary);
    if (summary->has_lines)
        bl_json_u64(&json, BL_SLICE("unparsed"), summary->unparsed);
    if (summary->long_lines)
        bl_json_u64(&json, BL_SLICE("long_lines"), summary->long_lines);
    if (summary->repeats_cut)
        bl_json_u64(&json, BL_SLICE("repeats_cut"), summary->repeats_cut);
    bl_json_u64(&json, BL_SLICE("suppressed"), summary->suppressed);
    if (summary->suppressed_at_least)
        bl_json_bool(&json, BL_SLICE("suppressed_at_least"), true);
    bl_json_end(&json);
}
