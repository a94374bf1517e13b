/* The counting is bl_tally's; here is what a report has besides. */
#include "report.h"

#include "address_set.h"
#include "bounceline/alloc.h"
#include "bounceline/hash.h"
#include "text.h"

enum { SAMPLE_BYTES = 240, HOSTS = 4, HOST_BYTES = 64, HOUR_S = 3600 };

struct sample {
    uint16_t n;
    char     text[SAMPLE_BYTES];
};

/* One reply for each way a category shows. */
struct cause_samples {
    struct sample final, deferred, rejected;
};

struct bl_report {
    const struct bl_rules *rules;
    struct bl_tally       *tally;
    struct bl_address_set *addresses;
    bool     addresses_full;
    uint64_t lines, unparsed, long_lines, headless;
    uint64_t null_outcome[BL_OUTCOMES];
    int64_t  first_us, last_us;
    bool     has_time, has_mta[BL_MTA_EXIM + 1];
    int64_t  hour_s; /* where the hour of the last event begins: nearly always the next one's too */
    size_t   hour_of_day;
    uint64_t hour[24][BL_OUTCOMES];
    struct sample host[HOSTS];
    size_t   hosts, last_host;
    bool     more_hosts;
    struct cause_samples *cause; /* by category */
    struct sample unparsed_sample[BL_REPORT_SAMPLES];
    uint64_t shape[BL_REPORT_SAMPLES]; /* what they look like without their numbers */
    size_t   samples;
};

struct bl_report *bl_report_new(const struct bl_rules *rules)
{
    struct bl_report *report = bl_calloc(1, sizeof *report);

    if (!report)
        return NULL;
    report->rules = rules;
    report->tally = bl_tally_new(BL_REPORT_ENTITIES, BL_REPORT_FAILURES);
    report->addresses = bl_address_set_new();
    report->cause = bl_calloc(bl_rules_categories(rules) + 1, sizeof *report->cause);
    report->hour_s = INT64_MIN;
    if (!report->tally || !report->addresses || !report->cause) {
        bl_report_free(report);
        return NULL;
    }
    return report;
}

void bl_report_free(struct bl_report *report)
{
    if (!report)
        return;
    bl_tally_free(report->tally);
    bl_address_set_free(report->addresses);
    bl_free(report->cause);
    bl_free(report);
}

static void keep_sample(struct sample *sample, bl_slice text)
{
    text = bl_slice_head(text, sizeof sample->text);
    if (text.n)
        memcpy(sample->text, text.p, text.n);
    sample->n = (uint16_t)text.n;
}

static bl_slice sample_text(const struct sample *sample)
{
    return (bl_slice){sample->text, sample->n};
}

/* A line without its digits and the letters of hexadecimal numbers: queue ids, pids, stamps. */
static uint64_t shape_of(bl_slice line)
{
    char shape[SAMPLE_BYTES];
    size_t n = 0;

    line = bl_slice_head(line, sizeof shape);
    for (size_t i = 0; i < line.n; i++) {
        char c = line.p[i];

        if (!bl_is_digit(c) && !(c >= 'A' && c <= 'F'))
            shape[n++] = c;
    }
    return bl_hash64((bl_slice){shape, n});
}

void bl_report_block(struct bl_report *report, const struct bl_block *block)
{
    report->lines += block->lines;
    report->unparsed += block->unparsed;
    report->long_lines += block->long_lines;
    report->headless += block->headless;
    for (size_t i = 0; i < block->samples && report->samples < BL_REPORT_SAMPLES; i++) {
        uint64_t shape = shape_of(block->sample[i]);
        size_t known = 0;

        while (known < report->samples && report->shape[known] != shape)
            known++;
        if (known < report->samples)
            continue;
        report->shape[report->samples] = shape;
        keep_sample(&report->unparsed_sample[report->samples++], block->sample[i]);
    }
}

static void note_time(struct bl_report *report, const bl_event *event)
{
    int64_t second = event->time_us / 1000000;

    if (!report->has_time || event->time_us < report->first_us)
        report->first_us = event->time_us;
    if (!report->has_time || event->time_us > report->last_us)
        report->last_us = event->time_us;
    report->has_time = true;
    if (second < report->hour_s || second >= report->hour_s + HOUR_S || report->hour_s == INT64_MIN) {
        report->hour_s = second - (second % HOUR_S + HOUR_S) % HOUR_S;
        report->hour_of_day = (size_t)((report->hour_s / HOUR_S % 24 + 24) % 24);
    }
    report->hour[report->hour_of_day][event->outcome]++;
}

static void note_host(struct bl_report *report, bl_slice host)
{
    host = bl_slice_head(host, HOST_BYTES);
    if (report->hosts && bl_slice_same(sample_text(&report->host[report->last_host]), host))
        return;
    for (size_t i = 0; i < report->hosts; i++) {
        if (bl_slice_eq(sample_text(&report->host[i]), host)) {
            report->last_host = i;
            return;
        }
    }
    if (report->hosts == HOSTS) {
        report->more_hosts = true;
        return;
    }
    report->last_host = report->hosts;
    keep_sample(&report->host[report->hosts++], host);
}

static void note_cause(struct bl_report *report, const bl_event *event)
{
    struct cause_samples *cause = &report->cause[event->verdict.category];
    struct sample *sample;

    switch (event->outcome) {
    case BL_BOUNCED:
    case BL_EXPIRED:
        sample = &cause->final;
        break;
    case BL_DEFERRED:
        sample = &cause->deferred;
        break;
    case BL_REJECTED:
        sample = &cause->rejected;
        break;
    case BL_DELIVERED:
    case BL_RELAYED:
    case BL_DROPPED:
    case BL_DISCARDED:
    case BL_OUTCOMES:
    default:
        return;
    }
    if (sample->n == 0)
        keep_sample(sample, event->reply);
}

/* What the log alone tells: a failure whose action is `suppress` puts the address on the list, a
 * later delivery takes it off.  Expiry and the soft rule need a clock and a memory of weeks: the
 * daemon's. */
static void note_address(struct bl_report *report, const bl_event *event, bl_address_sought sought)
{
    if (event->outcome == BL_DELIVERED)
        bl_address_set_remove_sought(report->addresses, sought);
    else if (event->outcome == BL_BOUNCED && event->failed &&
             event->verdict.action == BL_ACTION_SUPPRESS)
        report->addresses_full |= !bl_address_set_add(report->addresses, event->recipient);
}

void bl_report_event(void *arg, const bl_event *event)
{
    struct bl_report *report = arg;
    bl_address_sought sought = bl_address_set_seek(report->addresses, event->recipient);

    bl_tally_event(report->tally, 0, event, report->rules);
    note_time(report, event);
    note_host(report, event->host);
    note_address(report, event, sought);
    if (event->mta <= BL_MTA_EXIM)
        report->has_mta[event->mta] = true;
    if (event->has_sender && event->sender.n == 0 &&
        (event->attempt || event->outcome != BL_DEFERRED))
        report->null_outcome[event->outcome]++;
    if (event->failed)
        note_cause(report, event);
}

/* ---- the end ---- */

static void summarise_causes(const struct bl_report *report, const struct bl_entity *all,
                             struct bl_summary *summary)
{
    uint32_t cursor = all->failures;
    enum bl_outcome outcome;
    uint16_t category;
    uint64_t count;

    while (bl_tally_next_failure(report->tally, &cursor, &outcome, &category, &count)) {
        struct bl_summary_cause *cause =
            bl_summary_cause(summary, bl_rules_category(report->rules, category)->name);

        cause->final += outcome == BL_BOUNCED || outcome == BL_EXPIRED ? count : 0;
        cause->deferred += outcome == BL_DEFERRED ? count : 0;
        cause->rejected += outcome == BL_REJECTED ? count : 0;
        cause->dropped += outcome == BL_DROPPED ? count : 0;
        cause->final_sample = sample_text(&report->cause[category].final);
        cause->deferred_sample = sample_text(&report->cause[category].deferred);
        cause->rejected_sample = sample_text(&report->cause[category].rejected);
    }
}

/* Everything, and beside it the deferrals that nothing was tried for. */
static void summarise_all(const struct bl_report *report, const struct bl_entity *all,
                          struct bl_summary *summary)
{
    if (bl_slice_eq((bl_slice){all->name, all->name_n}, BL_SLICE(BL_TALLY_NO_ATTEMPT)))
        summary->no_attempt += all->outcome[BL_DEFERRED];
    for (size_t i = 0; i < BL_OUTCOMES; i++)
        summary->outcome[i] += all->outcome[i];
    summarise_causes(report, all, summary);
}

/* The category that explains most of an entity's final failures.  An entity's list may name a
 * category twice (bounced, expired): the two are added up.  Of equals the first by name. */
static void find_reason(const struct bl_report *report, const struct bl_entity *entity,
                        struct bl_summary_row *row)
{
    uint32_t outer = entity->failures;
    enum bl_outcome outcome;
    uint16_t category;
    uint64_t count;

    while (bl_tally_next_failure(report->tally, &outer, &outcome, &category, &count)) {
        uint32_t inner = entity->failures;
        uint64_t sum = 0, n;
        enum bl_outcome o;
        bl_slice name;
        uint16_t c;

        if (outcome != BL_BOUNCED && outcome != BL_EXPIRED)
            continue;
        while (bl_tally_next_failure(report->tally, &inner, &o, &c, &n))
            sum += c == category && (o == BL_BOUNCED || o == BL_EXPIRED) ? n : 0;
        name = bl_rules_category(report->rules, category)->name;
        if (sum > row->reason_n ||
            (sum == row->reason_n && bl_summary_compare_names(name, row->reason) < 0)) {
            row->reason_n = sum;
            row->reason = name;
        }
    }
}

static void summarise_entity(const struct bl_report *report, const struct bl_entity *entity,
                             struct bl_summary_table *table)
{
    struct bl_summary_row row = {.name = {entity->name, entity->name_n}};

    memcpy(row.outcome, entity->outcome, sizeof row.outcome);
    for (size_t i = 0; i < BL_OUTCOMES; i++)
        row.total += row.outcome[i];
    if (row.outcome[BL_BOUNCED] || row.outcome[BL_EXPIRED])
        find_reason(report, entity, &row);
    bl_summary_add(table, &row);
}

void bl_report_summarise(const struct bl_report *report, struct bl_summary *summary)
{
    summary->has_lines = true;
    summary->lines = report->lines;
    summary->unparsed = report->unparsed;
    summary->long_lines = report->long_lines;
    if (report->has_time) {
        summary->from_ms = report->first_us / 1000;
        summary->to_ms = report->last_us / 1000;
    }
    for (size_t i = 0; i < bl_tally_count(report->tally); i++) {
        const struct bl_entity *entity = bl_tally_at(report->tally, i);

        switch (entity->dimension) {
        case BL_DIM_ALL:
            summarise_all(report, entity, summary);
            break;
        case BL_DIM_DOMAIN:   summarise_entity(report, entity, &summary->domains); break;
        case BL_DIM_PROVIDER: summarise_entity(report, entity, &summary->providers); break;
        case BL_DIM_SENDER:   summarise_entity(report, entity, &summary->senders); break;
        case BL_DIM_INSTANCE:
        case BL_DIMENSIONS:
            break;
        }
    }
    memcpy(summary->null_outcome, report->null_outcome, sizeof summary->null_outcome);
    memcpy(summary->hour, report->hour, sizeof summary->hour);
    summary->has_hours = report->has_time;
    summary->suppressed = bl_address_set_count(report->addresses);
    summary->suppressed_at_least = report->addresses_full;
    summary->suppressed_words = "would be suppressed";
    bl_summary_finish(summary);
}

void bl_report_print_period(const struct bl_report *report, struct bl_output *out)
{
    char from[BL_TEXT_NUMBER_MAX], to[BL_TEXT_NUMBER_MAX];

    if (!report->has_time) {
        bl_output_put(out, BL_SLICE("no mail in it\n"));
        return;
    }
    bl_output_format(out, "%s .. %s UTC   host", bl_text_time(report->first_us / 1000, from),
                     bl_text_time(report->last_us / 1000, to));
    for (size_t i = 0; i < report->hosts; i++) {
        bl_output_byte(out, ' ');
        bl_text_put(out, sample_text(&report->host[i]), HOST_BYTES);
    }
    bl_output_format(out, "%s   %s%s\n", report->more_hosts ? " and more" : "",
                     report->has_mta[BL_MTA_POSTFIX] ? "Postfix" : "",
                     report->has_mta[BL_MTA_EXIM] ? " Exim" : "");
}

bool bl_report_is_headless(const struct bl_report *report)
{
    return report->lines > 0 && report->headless == report->lines;
}

void bl_report_print_unparsed(const struct bl_report *report, struct bl_output *out)
{
    char number[BL_TEXT_NUMBER_MAX];

    if (report->long_lines)
        bl_output_format(out, "%s lines of over 64 KiB, read by their heads\n",
                         bl_text_number(report->long_lines, number));
    if (report->unparsed == 0)
        return;
    bl_output_format(out, "%s lines look like deliveries and were not understood:\n",
                     bl_text_number(report->unparsed, number));
    for (size_t i = 0; i < report->samples; i++) {
        bl_output_put(out, BL_SLICE("  "));
        bl_text_put(out, sample_text(&report->unparsed_sample[i]), 200);
        bl_output_byte(out, '\n');
    }
}
