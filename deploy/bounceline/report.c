/* The counting is bl_tally's; here is what a report has besides. */
#include "report.h"

#include <stdlib.h>

#include "address_set.h"
#include "bounceline/alloc.h"
#include "bounceline/hash.h"
#include "text.h"

enum {
    SAMPLE_BYTES = 240,
    HOSTS = 4,
    HOST_BYTES = 64,
    HOUR_S = 3600,
    DAY_S = 86400,
    REPLY_BYTES = 160,
    /* a time in seconds to about an eighth: its power of two and three bits more */
    SPAN_BUCKETS = 33 * 8
};

struct sample {
    uint16_t n;
    char text[SAMPLE_BYTES];
};

/* What one rule decided, in one of the ways it shows: how often, and the first reply. */
struct decided {
    uint64_t count;
    uint8_t n;
    char reply[REPLY_BYTES];
};

struct day {
    int64_t number;
    uint64_t outcome[BL_OUTCOMES];
};

struct bl_report {
    const struct bl_rules *rules;
    struct bl_tally *tally;
    struct bl_address_set *addresses;
    bool addresses_full;
    uint64_t lines, unparsed, long_lines, repeats_cut, headless;
    uint64_t null_outcome[BL_OUTCOMES];
    int64_t first_us, last_us;
    bool has_time, has_mta[BL_MTA_EXIM + 1];
    int64_t hour_s; /* where the hour of the last event begins: nearly always the next one's too */
    size_t hour_of_day;
    uint64_t hour[24][BL_OUTCOMES];
    struct day day[BL_SUMMARY_DAYS], other_days; /* in order of appearance */
    struct day *today;                           /* of the last event */
    size_t days;
    struct bl_summary_then then;
    uint64_t span[SPAN_BUCKETS]; /* of deferrals that got through: how many took how long */
    struct sample host[HOSTS];
    size_t hosts, last_host;
    bool more_hosts;
    struct decided *decided; /* by rule, BL_SUMMARY_WAYS each */
    size_t rules_n;
    struct sample unparsed_sample[BL_REPORT_SAMPLES];
    uint64_t shape[BL_REPORT_SAMPLES]; /* what they look like without their numbers */
    size_t samples;
};

struct bl_report *bl_report_new(const struct bl_rules *rules)
{
    struct bl_report *report = bl_calloc(1, sizeof *report);

    if (!report)
        return NULL;
    report->rules = rules;
    report->tally = bl_tally_new(BL_REPORT_ENTITIES, BL_REPORT_FAILURES);
    report->addresses = bl_address_set_new();
    report->rules_n = bl_rules_count(rules);
    report->decided = bl_calloc(report->rules_n * BL_SUMMARY_WAYS + 1, sizeof *report->decided);
    report->hour_s = INT64_MIN;
    if (!report->tally || !report->addresses || !report->decided) {
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
    bl_free(report->decided);
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
    report->repeats_cut += block->repeats_cut;
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

/* The numbers of hours and days go on below 1970. */
static int64_t floor_to(int64_t second, int64_t step)
{
    return second - (second % step + step) % step;
}

static struct day *find_day(struct bl_report *report, int64_t number)
{
    for (size_t i = 0; i < report->days; i++)
        if (report->day[i].number == number)
            return &report->day[i];
    if (report->days == BL_SUMMARY_DAYS)
        return &report->other_days;
    report->day[report->days].number = number;
    return &report->day[report->days++];
}

static void note_time(struct bl_report *report, const bl_event *event)
{
    int64_t second = event->time_us / 1000000;

    if (!report->has_time || event->time_us < report->first_us)
        report->first_us = event->time_us;
    if (!report->has_time || event->time_us > report->last_us)
        report->last_us = event->time_us;
    report->has_time = true;
    if (second < report->hour_s || second >= report->hour_s + HOUR_S ||
        report->hour_s == INT64_MIN) {
        report->hour_s = floor_to(second, HOUR_S);
        report->hour_of_day = (size_t)((report->hour_s / HOUR_S % 24 + 24) % 24);
        report->today = find_day(report, floor_to(second, DAY_S) / DAY_S);
    }
    report->hour[report->hour_of_day][event->outcome]++;
    report->today->outcome[event->outcome]++;
}

static void note_host(struct bl_report *report, bl_slice host)
{
    host = bl_slice_head(host, HOST_BYTES);
    if (host.n == 0) /* Exim's main log names none */
        return;
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

/* A deferral that nothing was tried for is a line, and no result of anything. */
static bool is_result(const bl_event *event)
{
    return event->attempt || event->outcome != BL_DEFERRED;
}

static enum bl_summary_way way_of(enum bl_outcome outcome)
{
    switch (outcome) {
    case BL_BOUNCED:
    case BL_EXPIRED:
        return BL_SUMMARY_FINAL;
    case BL_DEFERRED:
        return BL_SUMMARY_DEFERRED;
    case BL_REJECTED:
        return BL_SUMMARY_REJECTED;
    case BL_DELIVERED:
    case BL_RELAYED:
    case BL_DROPPED:
    case BL_DISCARDED:
    case BL_OUTCOMES:
    default:
        return BL_SUMMARY_WAYS;
    }
}

static void note_cause(struct bl_report *report, const bl_event *event)
{
    enum bl_summary_way way = way_of(event->outcome);
    struct decided *decided;

    if (way == BL_SUMMARY_WAYS || event->verdict.rule >= report->rules_n || !is_result(event))
        return;
    decided = &report->decided[event->verdict.rule * BL_SUMMARY_WAYS + way];
    if (decided->count++ == 0) {
        bl_slice reply = bl_slice_head(event->reply, sizeof decided->reply);

        while (reply.n && reply.n < event->reply.n && (reply.p[reply.n] & 0xc0) == 0x80)
            reply.n--; /* not in the middle of a character */
        while (reply.n && reply.p[reply.n - 1] == ' ')
            reply.n--;
        if (reply.n)
            memcpy(decided->reply, reply.p, reply.n);
        decided->n = (uint8_t)reply.n;
    }
}

static size_t span_bucket(uint32_t seconds)
{
    unsigned power = 0;

    while (power < 31 && seconds >> (power + 1))
        power++;
    return power < 3 ? seconds : (power - 2) * 8 + (seconds >> (power - 3) & 7);
}

/* The largest number of seconds that falls into the bucket. */
static uint64_t span_end(size_t bucket)
{
    size_t power = bucket / 8 + 2;

    return bucket < 8 ? bucket : ((8 + bucket % 8 + 1) << (power - 3)) - 1;
}

/* As note_then counts them: of those who wait for another try one more, or one less. */
void bl_report_earlier(void *arg, const bl_event *event)
{
    uint64_t *waiting = &((struct bl_report *)arg)->then.recipients;

    if (!event->retried)
        *waiting += event->outcome == BL_DEFERRED;
    else if (event->outcome == BL_DELIVERED || event->outcome == BL_RELAYED ||
             event->outcome == BL_BOUNCED || event->outcome == BL_EXPIRED)
        *waiting -= *waiting > 0;
}

/* What was deferred at first, and what became of it. */
static void note_then(struct bl_report *report, const bl_event *event)
{
    struct bl_summary_then *then = &report->then;

    then->recipients += event->outcome == BL_DEFERRED && !event->retried;
    if (!event->retried)
        return;
    then->delivered += event->outcome == BL_DELIVERED;
    then->relayed += event->outcome == BL_RELAYED;
    then->bounced += event->outcome == BL_BOUNCED;
    then->expired += event->outcome == BL_EXPIRED;
    if (event->outcome == BL_DELIVERED && event->delay_ms >= 0) {
        uint32_t seconds = (uint32_t)event->delay_ms / 1000;

        report->span[span_bucket(seconds)]++;
        then->timed++;
        if (seconds > then->longest_s)
            then->longest_s = seconds;
    }
}

/* What the log alone tells: a failure whose action is `suppress` puts the address on the list, a
 * later delivery takes it off.  Expiry and the soft rule need a clock and a memory of weeks: the
 * daemon's. */
static void note_address(struct bl_report *report, const bl_event *event, uint64_t sought)
{
    if (event->outcome == BL_DELIVERED)
        bl_address_set_remove_sought(report->addresses, event->recipient, sought);
    else if (event->outcome == BL_BOUNCED && event->failed &&
             event->verdict.action == BL_ACTION_SUPPRESS)
        report->addresses_full |= !bl_address_set_add(report->addresses, event->recipient);
}

void bl_report_event(void *arg, const bl_event *event)
{
    struct bl_report *report = arg;
    uint64_t sought = bl_address_set_seek(report->addresses, event->recipient);

    bl_tally_event(report->tally, 0, event, report->rules);
    note_time(report, event);
    note_host(report, event->host);
    note_address(report, event, sought);
    if (event->mta <= BL_MTA_EXIM)
        report->has_mta[event->mta] = true;
    if (event->has_sender && event->sender.n == 0 && is_result(event))
        report->null_outcome[event->outcome]++;
    if (event->failed)
        note_cause(report, event);
    if (event->retried || event->outcome == BL_DEFERRED)
        note_then(report, event);
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

        cause->dropped += outcome == BL_DROPPED ? count : 0;
        if (way_of(outcome) != BL_SUMMARY_WAYS)
            cause->count[way_of(outcome)] += count;
    }
}

static void summarise_replies(const struct bl_report *report, struct bl_summary *summary)
{
    for (size_t i = 0; i < report->rules_n * BL_SUMMARY_WAYS; i++) {
        const struct decided *decided = &report->decided[i];
        const struct bl_rule_info *rule;

        if (decided->count == 0 || decided->n == 0)
            continue;
        rule = bl_rules_rule(report->rules, (uint32_t)(i / BL_SUMMARY_WAYS));
        bl_summary_add_reply(
            bl_summary_cause(summary, bl_rules_category(report->rules, rule->category)->name),
            (enum bl_summary_way)(i % BL_SUMMARY_WAYS), decided->count,
            (bl_slice){decided->reply, decided->n});
    }
}

/* The time within which `part` in ten of those that got through did. */
static uint64_t span_of(const struct bl_report *report, uint64_t part)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < SPAN_BUCKETS; i++) {
        sum += report->span[i];
        if (sum * 10 >= report->then.timed * part)
            return span_end(i) < report->then.longest_s ? span_end(i) : report->then.longest_s;
    }
    return report->then.longest_s;
}

static int compare_days(const void *left, const void *right)
{
    const struct day *a = left, *b = right;

    return (a->number > b->number) - (a->number < b->number);
}

static void summarise_times(const struct bl_report *report, struct bl_summary *summary)
{
    struct day day[BL_SUMMARY_DAYS];

    memcpy(day, report->day, sizeof day);
    qsort(day, report->days, sizeof *day, compare_days);
    for (size_t i = 0; i < report->days; i++) {
        summary->day[i].number = day[i].number;
        memcpy(summary->day[i].outcome, day[i].outcome, sizeof day[i].outcome);
    }
    summary->days = report->days;
    memcpy(summary->other_days, report->other_days.outcome, sizeof summary->other_days);
    memcpy(summary->hour, report->hour, sizeof summary->hour);
    if (report->has_time)
        summary->hours_title = "Hour, UTC";
    summary->then = report->then;
    if (report->then.timed) {
        summary->then.half_s = span_of(report, 5);
        summary->then.most_s = span_of(report, 9);
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
            (sum == row->reason_n && bl_slice_compare(name, row->reason) < 0)) {
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
    summary->repeats_cut = report->repeats_cut;
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
        case BL_DIM_DOMAIN:
            summarise_entity(report, entity, &summary->domains);
            break;
        case BL_DIM_PROVIDER:
            summarise_entity(report, entity, &summary->providers);
            break;
        case BL_DIM_SENDER:
            summarise_entity(report, entity, &summary->senders);
            break;
        case BL_DIM_INSTANCE:
            summarise_entity(report, entity, &summary->instances);
            break;
        case BL_DIMENSIONS:
            break;
        }
    }
    memcpy(summary->null_outcome, report->null_outcome, sizeof summary->null_outcome);
    summarise_replies(report, summary);
    summarise_times(report, summary);
    summary->suppressed = bl_address_set_count(report->addresses);
    summary->suppressed_at_least = report->addresses_full;
    summary->suppressed_words = "would be suppressed";
    bl_summary_finish(summary);
}

void bl_report_print_period(const struct bl_report *report, bool part, struct bl_output *out)
{
    char from[BL_TEXT_NUMBER_MAX], to[BL_TEXT_NUMBER_MAX];

    if (!report->has_time) {
        bl_output_put(out,
                      part ? BL_SLICE("no result of a delivery in it within the time asked for\n")
                           : BL_SLICE("no result of a delivery in it\n"));
        return;
    }
    bl_output_format(out, "%s .. %s UTC%s", bl_text_time(report->first_us / 1000, from),
                     bl_text_time(report->last_us / 1000, to), report->hosts ? "   host" : "");
    for (size_t i = 0; i < report->hosts; i++) {
        bl_output_byte(out, ' ');
        bl_text_put(out, sample_text(&report->host[i]), HOST_BYTES);
    }
    bl_output_format(out, "%s  %s%s\n", report->more_hosts ? " and more" : "",
                     report->has_mta[BL_MTA_POSTFIX] ? " Postfix" : "",
                     report->has_mta[BL_MTA_EXIM] ? " Exim" : "");
}

bool bl_report_is_headless(const struct bl_report *report)
{
    return report->lines > 0 && report->headless == report->lines;
}

void bl_report_print_unparsed(const struct bl_report *report, struct bl_output *out)
{
    char number[BL_TEXT_NUMBER_MAX];

    if (report->unparsed == 0)
        return;
    bl_output_format(out,
                     report->unparsed == 1
                         ? "%s line looks like a delivery and was not understood:\n"
                         : "%s lines look like deliveries and were not understood:\n",
                     bl_text_number(report->unparsed, number));
    for (size_t i = 0; i < report->samples; i++) {
        bl_output_put(out, BL_SLICE("  "));
        bl_text_put(out, sample_text(&report->unparsed_sample[i]), 200);
        bl_output_byte(out, '\n');
    }
}
