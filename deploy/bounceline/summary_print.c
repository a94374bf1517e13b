/* The report of `scan` and `stats`.  Columns of numbers keep their width; names, replies and
 * remarks share what the terminal leaves, and the reason of a row goes first when it leaves
 * little. */
#include <stdio.h>
#include <stdlib.h>

#include "summary.h"
#include "text.h"

enum {
    CAUSES_SHOWN = 12,
    CAUSE_COLUMNS = 26,
    NUMBER_COLUMNS = 11,
    RATE_COLUMNS = 10,
    REASON_COLUMNS = 22, /* the longest name of a category */
    NAME_MIN = 13,
    NAME_MAX = 44
};

#define RED_RATE 0.05 /* where mailbox providers lose patience */

struct page {
    struct bl_output *out;
    const char *bold, *red, *dim, *off;
    size_t columns, rows;
    size_t name;  /* columns of a name in tables */
    bool reasons; /* there is room for them */
    bool actions;
};

static bl_slice words(const char *text)
{
    return (bl_slice){text, strlen(text)};
}

static void set_columns(struct page *page, size_t columns)
{
    size_t fixed = 2 + 3 * NUMBER_COLUMNS + RATE_COLUMNS, name;

    page->columns = columns;
    page->actions = columns >= 2 + CAUSE_COLUMNS + 48;
    page->reasons = columns >= fixed + 3 + REASON_COLUMNS + 22;
    name = columns - fixed - (page->reasons ? 3 + REASON_COLUMNS : 0);
    page->name = name < NAME_MIN ? NAME_MIN : name > NAME_MAX ? NAME_MAX : name;
}

/* `first` in `columns`, then `rest` as far as it fits. */
static void heading(const struct page *page, const char *first, size_t columns, const char *rest)
{
    bl_output_format(page->out, "\n%s", page->bold);
    if (columns)
        bl_text_pad(page->out, words(first), columns);
    else
        bl_output_put(page->out, words(first));
    bl_text_put(page->out, words(rest), page->columns > columns ? page->columns - columns : 0);
    bl_output_format(page->out, "%s\n", page->off);
}

/* The end of a line that has `used` columns so far: a remark, `gap` behind it. */
static void remark(const struct page *page, size_t used, size_t gap, const char *text)
{
    if (*text && used + gap + 8 <= page->columns) {
        bl_output_format(page->out, "%*s%s", (int)gap, "", page->dim);
        bl_text_put(page->out, words(text), page->columns - used - gap);
        bl_output_put(page->out, words(page->off));
    }
    bl_output_byte(page->out, '\n');
}

static uint64_t sum_of(const uint64_t outcome[BL_OUTCOMES])
{
    uint64_t sum = 0;

    for (size_t i = 0; i < BL_OUTCOMES; i++)
        sum += outcome[i];
    return sum;
}

static uint64_t failed_of(const uint64_t outcome[BL_OUTCOMES])
{
    return outcome[BL_BOUNCED] + outcome[BL_EXPIRED];
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* ---- outcomes and rates ---- */

static void print_outcomes(const struct page *page, const struct bl_summary *summary)
{
    static const struct {
        enum bl_outcome outcome;
        const char *note;
    } rows[] = {
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
    uint64_t final = o[BL_DELIVERED] + failed_of(o);
    char number[BL_TEXT_NUMBER_MAX], text[128];

    heading(page, "Outcomes", 18, "recipients    share of final ones");
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        uint64_t count = o[rows[i].outcome];

        if (rows[i].note && !count)
            continue;
        bl_output_format(page->out, "  %-10s %15s", bl_outcome_name(rows[i].outcome),
                         bl_text_number(count, number));
        if (!rows[i].note && final)
            bl_output_format(page->out, " %9.2f %%", share(count, final));
        remark(page, 28, 4, rows[i].note ? rows[i].note : "");
    }
    if (!summary->no_attempt)
        return;
    snprintf(text, sizeof text,
             "%s of the deferred ones were not tried; they count in no rate and no table",
             bl_text_number(summary->no_attempt, number));
    remark(page, 0, 2, text);
}

typedef bool rate_fn(const uint64_t outcome[BL_OUTCOMES], double *rate, uint64_t *of);

static void print_rate(const struct page *page, const char *name, rate_fn *rate_of,
                       const uint64_t outcome[BL_OUTCOMES], const char *remark_words)
{
    char number[BL_TEXT_NUMBER_MAX], text[128];
    double rate = 0;
    uint64_t of = 0;

    if (rate_of(outcome, &rate, &of)) {
        bool red = rate >= RED_RATE && rate_of == bl_summary_bounce_rate;

        bl_output_format(page->out, "  %-10s %s%13.2f %%%s", name, red ? page->red : "", 100 * rate,
                         red ? page->off : "");
        snprintf(text, sizeof text, "%s %s", remark_words, bl_text_number(of, number));
    } else {
        bl_output_format(page->out, "  %-10s               -", name);
        snprintf(text, sizeof text, "not shown below %d outcomes (%s)", BL_RATE_MIN_OUTCOMES,
                 bl_text_number(of, number));
    }
    remark(page, 28, 4, text);
}

static void print_rates(const struct page *page, const struct bl_summary *summary)
{
    uint64_t outcome[BL_OUTCOMES], null = sum_of(summary->null_outcome);
    char number[BL_TEXT_NUMBER_MAX], text[128];

    bl_summary_rate_outcomes(summary, outcome);
    heading(page, "Rates", 0, "");
    print_rate(page, "bounce", bl_summary_bounce_rate, outcome,
               "bounced or expired, of final outcomes:");
    print_rate(page, "deferral", bl_summary_deferral_rate, outcome, "deferred, of answers:");
    for (size_t i = 0; i < summary->windows; i++)
        print_rate(page, summary->window[i].name, bl_summary_bounce_rate,
                   summary->window[i].outcome, "bounce rate of the last, of final outcomes:");
    if (!null)
        return;
    snprintf(text, sizeof text, "null sender left out of the rates: %s outcome%s",
             bl_text_number(null, number), null == 1 ? "" : "s");
    remark(page, 0, 2, text);
}

/* ---- why ---- */

static void print_faults(const struct page *page, const struct bl_rules *rules,
                         const struct bl_summary *summary)
{
    static const char *const notes[] = {
        [BL_SCOPE_RECIPIENT] = "the mailbox: not there, closed, full",
        [BL_SCOPE_MESSAGE] = "what was sent: size, content, form",
        [BL_SCOPE_SENDER] = "you: reputation, authentication, volume",
        [BL_SCOPE_DESTINATION] = "their domain, servers or network",
        [BL_SCOPE_LOCAL] = "this host, or nobody knows",
    };
    uint64_t count[BL_COUNT(notes)][BL_SUMMARY_WAYS] = {0}, whole = 0;
    char number[BL_TEXT_NUMBER_MAX];

    for (size_t i = 0; i < summary->causes; i++) {
        const struct bl_summary_cause *cause = &summary->cause[i];
        uint16_t category;

        whole += cause->count[BL_SUMMARY_FINAL];
        for (size_t way = 0; way < BL_SUMMARY_WAYS; way++)
            if (bl_rules_find_category(rules, cause->name, &category))
                count[bl_rules_category(rules, category)->scope][way] += cause->count[way];
    }
    if (!whole)
        return;
    heading(page, "Whose fault", 18, "    failed     share   deferred");
    for (size_t i = 0; i < BL_COUNT(notes); i++) {
        if (!count[i][BL_SUMMARY_FINAL] && !count[i][BL_SUMMARY_DEFERRED])
            continue;
        bl_output_format(page->out, "  %-12s %13s %7.1f %%", bl_scope_name((enum bl_scope)i),
                         bl_text_number(count[i][BL_SUMMARY_FINAL], number),
                         share(count[i][BL_SUMMARY_FINAL], whole));
        bl_output_format(page->out, "%11s", bl_text_number(count[i][BL_SUMMARY_DEFERRED], number));
        remark(page, 49, 4, notes[i]);
    }
}

static void print_replies(const struct page *page, const struct bl_summary_cause *cause,
                          enum bl_summary_way way, size_t most)
{
    char number[BL_TEXT_NUMBER_MAX];

    for (size_t i = 0; i < most && cause->reply[way][i].count; i++) {
        bl_output_format(page->out, "%s%16s  ", page->dim,
                         bl_text_number(cause->reply[way][i].count, number));
        bl_text_put(page->out, cause->reply[way][i].text, page->columns - 18);
        bl_output_format(page->out, "%s\n", page->off);
    }
}

/* The name of a category, or of all of them. */
static size_t cause_columns(const struct page *page)
{
    return page->actions ? CAUSE_COLUMNS : REASON_COLUMNS;
}

/* What is tried again or refused at our door never moves an address, so the action is said of final
 * failures only. */
static void print_cause(const struct page *page, const struct bl_rules *rules,
                        const struct bl_summary_cause *cause, enum bl_summary_way way,
                        uint64_t whole)
{
    const struct bl_category *category = NULL;
    bool final = way == BL_SUMMARY_FINAL;
    char number[BL_TEXT_NUMBER_MAX];
    uint16_t index;

    if (bl_rules_find_category(rules, cause->name, &index))
        category = bl_rules_category(rules, index);
    bl_output_put(page->out, BL_SLICE("  "));
    bl_text_pad(page->out, cause->name, cause_columns(page));
    bl_output_format(page->out, "%12s %7.1f %%", bl_text_number(cause->count[way], number),
                     share(cause->count[way], whole));
    if (category && way != BL_SUMMARY_REJECTED)
        bl_output_format(page->out, "   %-*s%s", final && page->actions ? 13 : 0,
                         bl_scope_name(category->scope),
                         final && page->actions ? bl_action_name(category->action) : "");
    bl_output_byte(page->out, '\n');
    if (category && category->meaning.n && final) {
        bl_output_put(page->out, BL_SLICE("      "));
        bl_text_put(page->out, category->meaning, page->columns - 6);
        bl_output_byte(page->out, '\n');
    }
    print_replies(page, cause, way, final ? BL_SUMMARY_REPLIES : 1);
}

/* A cause by its place in another order than that of the summary. */
struct ranked {
    uint64_t count;
    size_t at;
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
                         enum bl_summary_way way)
{
    static const char *const columns[BL_SUMMARY_WAYS] = {
        [BL_SUMMARY_FINAL] = "       count     share   at fault     action",
        [BL_SUMMARY_DEFERRED] = "       count     share   at fault",
        [BL_SUMMARY_REJECTED] = "       count     share",
    };
    static const char narrow[] = "       count     share   at fault";
    size_t shown = page->rows ? page->rows : CAUSES_SHOWN, n = 0;
    struct ranked order[BL_SUMMARY_CAUSES];
    uint64_t whole = 0, rest = 0;
    char number[BL_TEXT_NUMBER_MAX], hint[128];

    for (size_t i = 0; i < summary->causes; i++) {
        uint64_t count = summary->cause[i].count[way];

        whole += count;
        if (count)
            order[n++] = (struct ranked){count, i};
    }
    if (whole == 0)
        return;
    qsort(order, n, sizeof *order, compare_ranked);
    heading(page, title, cause_columns(page) + 2, page->actions ? columns[way] : narrow);
    for (size_t i = 0; i < n && i < shown; i++)
        print_cause(page, rules, &summary->cause[order[i].at], way, whole);
    for (size_t i = shown; i < n; i++)
        rest += order[i].count;
    if (rest)
        bl_output_format(page->out, "  %s%zu more: %s%s\n", page->dim, n - shown,
                         bl_text_number(rest, number), page->off);
    if (way == BL_SUMMARY_FINAL) {
        bl_slice first = summary->cause[order[0].at].name;

        snprintf(hint, sizeof hint, "what to do: bounceline explain %.*s", (int)first.n, first.p);
        remark(page, 0, 2, hint);
    }
}

/* ---- deferred, then ---- */

static void print_then_row(const struct page *page, const char *name, uint64_t count,
                           uint64_t whole, const char *note)
{
    char number[BL_TEXT_NUMBER_MAX];

    if (!count)
        return;
    bl_output_format(page->out, "  %-17s %10s %7.1f %%", name, bl_text_number(count, number),
                     share(count, whole));
    remark(page, 40, 4, note);
}

static void print_then(const struct page *page, const struct bl_summary_then *then)
{
    uint64_t settled = then->delivered + then->relayed + then->bounced + then->expired;
    char half[BL_TEXT_NUMBER_MAX], most[BL_TEXT_NUMBER_MAX], longest[BL_TEXT_NUMBER_MAX],
        text[160] = "";

    if (!then->recipients)
        return;
    if (then->timed)
        snprintf(text, sizeof text, "half in %s, 90 %% in %s, all in %s",
                 bl_text_span((int64_t)then->half_s * 1000, half),
                 bl_text_span((int64_t)then->most_s * 1000, most),
                 bl_text_span((int64_t)then->longest_s * 1000, longest));
    heading(page, "Deferred at first", 20, "recipients     share");
    print_then_row(page, "delivered later", then->delivered, then->recipients, text);
    print_then_row(page, "relayed later", then->relayed, then->recipients, "");
    print_then_row(page, "bounced later", then->bounced, then->recipients, "");
    print_then_row(page, "expired", then->expired, then->recipients, "given up");
    if (then->recipients > settled)
        print_then_row(page, "not settled", then->recipients - settled, then->recipients,
                       "no last word in what was read");
}

/* ---- where ---- */

static void print_row(const struct page *page, bl_slice name, const uint64_t o[BL_OUTCOMES],
                      bl_slice reason)
{
    const uint64_t columns[] = {o[BL_DELIVERED], o[BL_DEFERRED], failed_of(o)};
    char number[BL_TEXT_NUMBER_MAX];
    uint64_t of;
    double rate;

    bl_output_put(page->out, BL_SLICE("  "));
    bl_text_pad(page->out, name, page->name);
    for (size_t i = 0; i < BL_COUNT(columns); i++)
        bl_output_format(page->out, "%*s", NUMBER_COLUMNS, bl_text_number(columns[i], number));
    if (bl_summary_bounce_rate(o, &rate, &of))
        bl_output_format(page->out, " %s%7.2f %%%s", rate >= RED_RATE ? page->red : "", 100 * rate,
                         rate >= RED_RATE ? page->off : "");
    else
        bl_output_put(page->out, reason.n ? BL_SLICE("         -") : BL_SLICE(""));
    if (reason.n && page->reasons) {
        bl_output_put(page->out, BL_SLICE("   "));
        bl_text_put(page->out, reason, REASON_COLUMNS);
    }
    bl_output_byte(page->out, '\n');
}

static void print_table(const struct page *page, const struct bl_summary_table *table,
                        const char *title, size_t most)
{
    uint64_t rest[BL_OUTCOMES];
    char number[BL_TEXT_NUMBER_MAX], others[96];

    if (table->n == 0 && !table->has_other)
        return;
    if (page->rows)
        most = page->rows;
    heading(page, title, page->name + 2,
            page->reasons ? "  delivered   deferred    bounced      rate   most often because"
                          : "  delivered   deferred    bounced      rate");
    memcpy(rest, table->other, sizeof rest);
    for (size_t i = 0; i < table->n; i++) {
        const struct bl_summary_row *row = &table->row[i];

        if (i < most)
            print_row(page, row->name, row->outcome, row->reason);
        else
            for (size_t k = 0; k < BL_OUTCOMES; k++)
                rest[k] += row->outcome[k];
    }
    if (!sum_of(rest))
        return;
    snprintf(others, sizeof others, "%s%s other%s", table->has_other ? "at least " : "",
             bl_text_number(table->names > most ? table->names - most : 0, number),
             table->names == most + 1 ? "" : "s");
    print_row(page, table->names > most ? words(others) : BL_SLICE("others"), rest,
              (bl_slice){NULL, 0});
}

/* ---- when ---- */

enum { TIME_COLUMNS = 12, TIME_NUMBERS = 4 };

static void print_time(const struct page *page, const char *name, const uint64_t o[BL_OUTCOMES],
                       uint64_t largest)
{
    const uint64_t columns[TIME_NUMBERS] = {o[BL_DELIVERED], o[BL_DEFERRED], failed_of(o),
                                            o[BL_REJECTED]};
    size_t used = 2 + TIME_COLUMNS + TIME_NUMBERS * NUMBER_COLUMNS + 3;
    size_t room = page->columns > used ? page->columns - used : 0;
    char number[BL_TEXT_NUMBER_MAX];
    size_t bar;

    room = room > 40 ? 40 : room;
    bar = largest ? (size_t)((double)room * (double)sum_of(o) / (double)largest + 0.5) : 0;
    bl_output_format(page->out, "  %-*s", TIME_COLUMNS, name);
    for (size_t i = 0; i < BL_COUNT(columns); i++)
        bl_output_format(page->out, "%*s", NUMBER_COLUMNS, bl_text_number(columns[i], number));
    if (bar)
        bl_output_format(page->out, "   %s", page->dim);
    for (size_t i = 0; i < bar; i++)
        bl_output_byte(page->out, '#');
    bl_output_format(page->out, "%s\n", bar ? page->off : "");
}

static const char time_heading[] = "  delivered   deferred    bounced   rejected";

static void print_hours(const struct page *page, const struct bl_summary *summary)
{
    uint64_t largest = 0;
    char name[16];

    if (!summary->hours_title)
        return;
    for (size_t i = 0; i < 24; i++)
        if (sum_of(summary->hour[i]) > largest)
            largest = sum_of(summary->hour[i]);
    if (!largest)
        return;
    heading(page, summary->hours_title, TIME_COLUMNS + 2, time_heading);
    for (size_t i = 0; i < 24; i++) {
        size_t hour = (summary->first_hour + i) % 24;

        snprintf(name, sizeof name, "%02zu:00", hour);
        if (sum_of(summary->hour[hour]))
            print_time(page, name, summary->hour[hour], largest);
    }
}

static void print_days(const struct page *page, const struct bl_summary *summary)
{
    char name[BL_TEXT_NUMBER_MAX];
    uint64_t largest = 0;

    if (summary->days < 2)
        return;
    for (size_t i = 0; i < summary->days; i++)
        if (sum_of(summary->day[i].outcome) > largest)
            largest = sum_of(summary->day[i].outcome);
    heading(page, "Day, UTC", TIME_COLUMNS + 2, time_heading);
    for (size_t i = 0; i < summary->days; i++) {
        bl_text_time(summary->day[i].number * 86400000, name);
        name[strlen("2026-11-22")] = 0;
        print_time(page, name, summary->day[i].outcome, largest);
    }
    if (sum_of(summary->other_days))
        print_time(page, "other days", summary->other_days, 0);
}

static void print_sections(const struct page *page, const struct bl_summary *summary,
                           const struct bl_rules *rules)
{
    print_outcomes(page, summary);
    print_rates(page, summary);
    print_faults(page, rules, summary);
    print_causes(page, rules, summary, "Why mail failed for good", BL_SUMMARY_FINAL);
    print_causes(page, rules, summary, "Why mail was deferred", BL_SUMMARY_DEFERRED);
    print_then(page, &summary->then);
    print_causes(page, rules, summary, "Refused at our own door", BL_SUMMARY_REJECTED);
    print_table(page, &summary->providers, "Providers, by relay host", 15);
    print_table(page, &summary->domains, "Recipient domains", 20);
    print_table(page, &summary->senders, "Sender domains", 15);
    if (summary->instances.names > 1)
        print_table(page, &summary->instances, "Instances", 15);
    print_days(page, summary);
    print_hours(page, summary);
}

/* What was not read to its end. */
static void print_cuts(const struct bl_summary *summary, struct bl_output *out)
{
    char number[BL_TEXT_NUMBER_MAX];

    if (summary->long_lines)
        bl_output_format(out, "%s of over 64 KiB, read by the first 64\n",
                         bl_text_count(summary->long_lines, "line", number));
    if (summary->repeats_cut)
        bl_output_format(out, "%s not counted: \"last message repeated\" stands for at most %d\n",
                         bl_text_count(summary->repeats_cut, "repetition", number), BL_REPEATS_MAX);
}

void bl_summary_print(const struct bl_summary *summary, const struct bl_rules *rules,
                      const struct bl_summary_style *style, struct bl_output *out)
{
    struct page page = {
        .out = out, .bold = "", .red = "", .dim = "", .off = "", .rows = style->rows};
    char number[BL_TEXT_NUMBER_MAX];

    if (style->colour) {
        page.bold = "\x1b[1m";
        page.red = "\x1b[31m";
        page.dim = "\x1b[2m";
        page.off = "\x1b[0m";
    }
    set_columns(&page, style->columns);
    if (sum_of(summary->outcome))
        print_sections(&page, summary, rules);
    bl_output_format(out, "\n%s%s%s address%s %s%s\n", page.bold,
                     summary->suppressed_at_least ? "at least " : "",
                     bl_text_number(summary->suppressed, number),
                     summary->suppressed == 1 ? "" : "es", summary->suppressed_words, page.off);
    print_cuts(summary, out);
}
