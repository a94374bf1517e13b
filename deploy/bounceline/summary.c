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

int bl_summary_compare_names(bl_slice a, bl_slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;

    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Largest first; equals by name, so that the order never depends on anything else. */
static int compare_rows(const void *left, const void *right)
{
    const struct bl_summary_row *a = left, *b = right;

    if (a->total != b->total)
        return a->total < b->total ? 1 : -1;
    return bl_summary_compare_names(a->name, b->name);
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

    if (a->final != b->final)
        return a->final < b->final ? 1 : -1;
    return bl_summary_compare_names(a->name, b->name);
}

void bl_summary_finish(struct bl_summary *summary)
{
    qsort(summary->domains.row, summary->domains.n, sizeof *summary->domains.row, compare_rows);
    qsort(summary->providers.row, summary->providers.n, sizeof *summary->providers.row,
          compare_rows);
    qsort(summary->senders.row, summary->senders.n, sizeof *summary->senders.row, compare_rows);
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
static void outcomes_of_rates(const struct bl_summary *summary, uint64_t out[BL_OUTCOMES])
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

static uint64_t count_final(const struct bl_summary_cause *cause) { return cause->final; }
static uint64_t count_deferred(const struct bl_summary_cause *cause) { return cause->deferred; }
static uint64_t count_rejected(const struct bl_summary_cause *cause) { return cause->rejected; }

static void json_causes(struct bl_json *json, bl_slice key, const struct bl_summary *summary,
                        uint64_t (*count)(const struct bl_summary_cause *))
{
    bl_json_open(json, key);
    for (size_t i = 0; i < summary->causes; i++)
        if (count(&summary->cause[i]))
            bl_json_u64(json, summary->cause[i].name, count(&summary->cause[i]));
    bl_json_close(json);
}

static void json_rates(struct bl_json *json, const struct bl_summary *summary)
{
    uint64_t outcome[BL_OUTCOMES], of;
    double rate;

    outcomes_of_rates(summary, outcome);
    bl_json_open(json, BL_SLICE("rates"));
    if (bl_summary_bounce_rate(outcome, &rate, &of))
        bl_json_decimal(json, BL_SLICE("bounce"), (int64_t)(rate * 1e6 + 0.5), 6);
    if (bl_summary_deferral_rate(outcome, &rate, &of))
        bl_json_decimal(json, BL_SLICE("deferral"), (int64_t)(rate * 1e6 + 0.5), 6);
    bl_json_close(json);
}

void bl_summary_json(const struct bl_summary *summary, struct bl_output *out)
{
    struct bl_json json;

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
    json_causes(&json, BL_SLICE("categories"), summary, count_final);
    json_causes(&json, BL_SLICE("deferrals"), summary, count_deferred);
    json_causes(&json, BL_SLICE("rejections"), summary, count_rejected);
    json_table(&json, BL_SLICE("domains"), &summary->domains);
    json_table(&json, BL_SLICE("providers"), &summary->providers);
    json_table(&json, BL_SLICE("senders"), &summary->senders);
    json_rates(&json, summary);
    if (summary->has_lines)
        bl_json_u64(&json, BL_SLICE("unparsed"), summary->unparsed);
    bl_json_u64(&json, BL_SLICE("suppressed"), summary->suppressed);
    if (summary->suppressed_at_least)
        bl_json_bool(&json, BL_SLICE("suppressed_at_least"), true);
    bl_json_end(&json);
}

/* ---- for people ---- */

struct page {
    struct bl_output *out;
    const char       *bold, *red, *dim, *off;
};

static void heading(const struct page *page, const char *text, size_t columns, const char *rest)
{
    bl_output_format(page->out, "\n%s%-*s%s%s\n", page->bold, (int)columns, text, rest, page->off);
}

static void print_outcomes(const struct page *page, const struct bl_summary *summary)
{
    static const struct { enum bl_outcome outcome; const char *note; } rows[] = {
        {BL_DELIVERED, NULL},
        {BL_BOUNCED, NULL},
        {BL_EXPIRED, NULL},
        {BL_DEFERRED, "to be tried again"},
        {BL_RELAYED, "handed to a filter, loopback or smarthost; in no rate"},
        {BL_REJECTED, "refused at our own door"},
        {BL_DROPPED, "not tried, because suppressed"},
        {BL_DISCARDED, "thrown away by our own rules"},
    };
    const uint64_t *o = summary->outcome;
    uint64_t final = o[BL_DELIVERED] + o[BL_BOUNCED] + o[BL_EXPIRED];

    heading(page, "Outcomes", 18, "recipients    share of final ones");
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        uint64_t count = o[rows[i].outcome];
        char number[BL_TEXT_NUMBER_MAX];

        if (rows[i].note && !count)
            continue;
        bl_output_format(page->out, "  %-10s %15s", bl_outcome_name(rows[i].outcome),
                         bl_text_number(count, number));
        if (rows[i].note)
            bl_output_format(page->out, "    %s%s%s", page->dim, rows[i].note, page->off);
        else if (final)
            bl_output_format(page->out, " %9.2f %%", 100.0 * (double)count / (double)final);
        bl_output_byte(page->out, '\n');
    }
    if (summary->no_attempt) {
        char number[BL_TEXT_NUMBER_MAX];

        bl_output_format(
            page->out,
            "  %s%s of the deferred ones were not tried; they count in no rate and no table%s\n",
            page->dim, bl_text_number(summary->no_attempt, number), page->off);
    }
}

static void print_rate(const struct page *page, const char *name, bool shown, double rate,
                       uint64_t of, const char *words)
{
    char number[BL_TEXT_NUMBER_MAX];

    if (shown)
        bl_output_format(page->out, "  %-10s %13.2f %%    %s%s %s%s\n", name, 100 * rate, page->dim,
                         words, bl_text_number(of, number), page->off);
    else
        bl_output_format(page->out,
                         "  %-10s               -    %snot shown below %d outcomes (%s)%s\n", name,
                         page->dim, BL_RATE_MIN_OUTCOMES, bl_text_number(of, number), page->off);
}

static void print_rates(const struct page *page, const struct bl_summary *summary)
{
    uint64_t outcome[BL_OUTCOMES], of = 0, null = 0;
    char number[BL_TEXT_NUMBER_MAX];
    double rate = 0;
    bool shown;

    outcomes_of_rates(summary, outcome);
    for (size_t i = 0; i < BL_OUTCOMES; i++)
        null += summary->null_outcome[i];
    heading(page, "Rates", 0, "");
    shown = bl_summary_bounce_rate(outcome, &rate, &of);
    print_rate(page, "bounce", shown, rate, of, "bounced or expired, of final outcomes:");
    shown = bl_summary_deferral_rate(outcome, &rate, &of);
    print_rate(page, "deferral", shown, rate, of, "deferred, of answers:");
    for (size_t i = 0; i < summary->windows; i++) {
        shown = bl_summary_bounce_rate(summary->window[i].outcome, &rate, &of);
        print_rate(page, summary->window[i].name, shown, rate, of,
                   "bounce rate, of final outcomes:");
    }
    if (null)
        bl_output_format(page->out, "  %snull sender left out of the rates: %s outcomes%s\n",
                         page->dim, bl_text_number(null, number), page->off);
}

enum { CAUSES_SHOWN = 12, NAME_COLUMNS = 26 };

/* What is tried again or refused at our door never moves an address, so the action is said of final
 * failures only. */
static void print_cause(const struct page *page, const struct bl_rules *rules, bool final,
                        const struct bl_summary_cause *cause, uint64_t count, uint64_t whole,
                        bl_slice sample)
{
    char number[BL_TEXT_NUMBER_MAX];
    uint16_t index;

    bl_output_put(page->out, BL_SLICE("  "));
    bl_text_pad(page->out, cause->name, NAME_COLUMNS);
    bl_output_format(page->out, "%12s %7.1f %%", bl_text_number(count, number),
                     100.0 * (double)count / (double)whole);
    if (bl_rules_find_category(rules, cause->name, &index)) {
        const struct bl_category *category = bl_rules_category(rules, index);

        bl_output_format(page->out, "   %-*s%s", final ? 13 : 0, bl_scope_name(category->scope),
                         final ? bl_action_name(category->action) : "");
    }
    bl_output_byte(page->out, '\n');
    if (sample.n) {
        bl_output_format(page->out, "      %s", page->dim);
        bl_text_put(page->out, sample, 92);
        bl_output_format(page->out, "%s\n", page->off);
    }
}

/* A cause by its place in another order than that of the summary. */
struct ranked {
    uint64_t count;
    size_t   at;
};

static int compare_ranked(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;

    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return (a->at > b->at) - (a->at < b->at);
}

static void print_causes(const struct page *page, const struct bl_rules *rules,
                         const struct bl_summary *summary, const char *title,
                         uint64_t (*count)(const struct bl_summary_cause *), size_t sample_at)
{
    struct ranked order[BL_SUMMARY_CAUSES];
    uint64_t whole = 0, rest = 0;
    char number[BL_TEXT_NUMBER_MAX];
    bool final = count == count_final;
    size_t n = 0;

    for (size_t i = 0; i < summary->causes; i++) {
        whole += count(&summary->cause[i]);
        if (count(&summary->cause[i]))
            order[n++] = (struct ranked){count(&summary->cause[i]), i};
    }
    if (whole == 0)
        return;
    qsort(order, n, sizeof *order, compare_ranked);
    heading(page, title, NAME_COLUMNS + 2,
            final ? "       count     share   at fault     action"
                  : "       count     share   at fault");
    for (size_t i = 0; i < n && i < CAUSES_SHOWN; i++) {
        const struct bl_summary_cause *cause = &summary->cause[order[i].at];
        const char *field = (const char *)cause + sample_at;

        print_cause(page, rules, final, cause, order[i].count, whole,
                    *(const bl_slice *)(const void *)field);
    }
    for (size_t i = CAUSES_SHOWN; i < n; i++)
        rest += order[i].count;
    if (rest)
        bl_output_format(page->out, "  %s%zu more: %s%s\n", page->dim, n - CAUSES_SHOWN,
                         bl_text_number(rest, number), page->off);
}

static void print_row(const struct page *page, bl_slice name, const uint64_t o[BL_OUTCOMES],
                      bl_slice reason)
{
    static const enum bl_outcome columns[] = {BL_DELIVERED, BL_DEFERRED};
    char number[BL_TEXT_NUMBER_MAX];
    uint64_t of;
    double rate;

    bl_output_put(page->out, BL_SLICE("  "));
    bl_text_pad(page->out, name, NAME_COLUMNS + 4);
    for (size_t i = 0; i < BL_COUNT(columns); i++)
        bl_output_format(page->out, "%11s", bl_text_number(o[columns[i]], number));
    bl_output_format(page->out, "%11s", bl_text_number(o[BL_BOUNCED] + o[BL_EXPIRED], number));
    if (bl_summary_bounce_rate(o, &rate, &of))
        bl_output_format(page->out, " %s%7.2f %%%s", rate >= 0.05 ? page->red : "", 100 * rate,
                         rate >= 0.05 ? page->off : "");
    else
        bl_output_put(page->out, reason.n ? BL_SLICE("         -") : BL_SLICE(""));
    if (reason.n) {
        bl_output_put(page->out, BL_SLICE("   "));
        bl_text_put(page->out, reason, 40);
    }
    bl_output_byte(page->out, '\n');
}

static void print_table(const struct page *page, const struct bl_summary_table *table,
                        const char *title, size_t most)
{
    uint64_t rest[BL_OUTCOMES], rest_sum = 0;
    char number[BL_TEXT_NUMBER_MAX], words[96];

    if (table->n == 0 && !table->has_other)
        return;
    heading(page, title, NAME_COLUMNS + 6,
            "  delivered   deferred    bounced      rate   most often because");
    memcpy(rest, table->other, sizeof rest);
    for (size_t i = 0; i < table->n; i++) {
        const struct bl_summary_row *row = &table->row[i];

        if (i < most)
            print_row(page, row->name, row->outcome, row->reason);
        else
            for (size_t k = 0; k < BL_OUTCOMES; k++)
                rest[k] += row->outcome[k];
    }
    for (size_t k = 0; k < BL_OUTCOMES; k++)
        rest_sum += rest[k];
    if (!rest_sum)
        return;
    snprintf(words, sizeof words, "%s%s others", table->has_other ? "at least " : "",
             bl_text_number(table->names > most ? table->names - most : 0, number));
    print_row(page, table->names > most ? (bl_slice){words, strlen(words)} : BL_SLICE("others"),
              rest, (bl_slice){NULL, 0});
}

static void print_hours(const struct page *page, const struct bl_summary *summary)
{
    heading(page, "Hour of the day, UTC", NAME_COLUMNS + 6,
            "  delivered   deferred    bounced   rejected");
    for (size_t hour = 0; hour < 24; hour++) {
        const uint64_t *o = summary->hour[hour];
        const uint64_t columns[] = {o[BL_DELIVERED], o[BL_DEFERRED], o[BL_BOUNCED] + o[BL_EXPIRED],
                                    o[BL_REJECTED]};
        char number[BL_TEXT_NUMBER_MAX];
        uint64_t sum = 0;

        for (size_t i = 0; i < BL_OUTCOMES; i++)
            sum += o[i];
        if (!sum)
            continue;
        bl_output_format(page->out, "  %02zu:00 %-*s", hour, NAME_COLUMNS - 2, "");
        for (size_t i = 0; i < BL_COUNT(columns); i++)
            bl_output_format(page->out, "%11s", bl_text_number(columns[i], number));
        bl_output_byte(page->out, '\n');
    }
}

void bl_summary_print(const struct bl_summary *summary, const struct bl_rules *rules, bool colour,
                      struct bl_output *out)
{
    const struct page page = {out, colour ? "\x1b[1m" : "", colour ? "\x1b[31m" : "",
                              colour ? "\x1b[2m" : "", colour ? "\x1b[0m" : ""};
    char number[BL_TEXT_NUMBER_MAX];

    print_outcomes(&page, summary);
    print_rates(&page, summary);
    print_causes(&page, rules, summary, "Why mail failed for good", count_final,
                 offsetof(struct bl_summary_cause, final_sample));
    print_causes(&page, rules, summary, "Why mail was deferred", count_deferred,
                 offsetof(struct bl_summary_cause, deferred_sample));
    print_causes(&page, rules, summary, "Refused at our own door", count_rejected,
                 offsetof(struct bl_summary_cause, rejected_sample));
    print_table(&page, &summary->providers, "Providers, by relay host", 15);
    print_table(&page, &summary->domains, "Recipient domains", 20);
    print_table(&page, &summary->senders, "Sender domains", 15);
    if (summary->has_hours)
        print_hours(&page, summary);
    bl_output_format(out, "\n%s%s%s address%s %s%s\n", page.bold,
                     summary->suppressed_at_least ? "at least " : "",
                     bl_text_number(summary->suppressed, number),
                     summary->suppressed == 1 ? "" : "es", summary->suppressed_words, page.off);
}
