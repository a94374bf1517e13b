/* summary.h -- what `scan` and `stats` have to say, as a report or as JSON
 *
 * One shape for both, whether the numbers come from a log or out of Redis.
 *
 * Shapes     tables hold the BL_SUMMARY_ROWS largest rows; the rest is added up under `~other`
 * Units      counts of recipient outcomes; *_ms: milliseconds since 1970 UTC, *_s: seconds;
 *            columns: of a terminal
 * Ownership  names and samples are borrowed from whoever fills it in, until it was printed
 * Threads    one at a time
 * Errors     bl_summary_new: NULL
 * Source     DESIGN 5 (rates) and 11 (fields)
 */
#ifndef BOUNCELINE_SUMMARY_H
#define BOUNCELINE_SUMMARY_H

#include "bounceline/rules.h"
#include "bounceline/tally.h"
#include "json.h"
#include "text.h"

enum {
    BL_SUMMARY_ROWS = 1000,
    BL_SUMMARY_CAUSES = 256,
    BL_SUMMARY_REPLIES = 3, /* shown of a category */
    BL_SUMMARY_WINDOWS = 4,
    BL_SUMMARY_DAYS = 62,
    BL_RATE_MIN_OUTCOMES = 200
};

struct bl_summary_row {
    bl_slice name, reason; /* reason: the most frequent category of its final failures */
    uint64_t total, reason_n;
    uint64_t outcome[BL_OUTCOMES];
};

struct bl_summary_table {
    struct bl_summary_row row[BL_SUMMARY_ROWS]; /* a heap until bl_summary_finish, then sorted */
    size_t n;
    uint64_t names; /* all that were added */
    bool has_other;
    uint64_t other[BL_OUTCOMES];
};

/* How a failure shows; final: bounced and expired. */
enum bl_summary_way { BL_SUMMARY_FINAL, BL_SUMMARY_DEFERRED, BL_SUMMARY_REJECTED, BL_SUMMARY_WAYS };

/* Replies that one rule decided: how many, and one of them. */
struct bl_summary_reply {
    uint64_t count;
    bl_slice text;
};

/* One category. */
struct bl_summary_cause {
    bl_slice name;
    uint64_t count[BL_SUMMARY_WAYS], dropped;
    struct bl_summary_reply reply[BL_SUMMARY_WAYS][BL_SUMMARY_REPLIES]; /* the most frequent */
};

/* What became of recipients that were deferred at first. */
struct bl_summary_then {
    uint64_t recipients, delivered, relayed, bounced, expired;
    /* from arrival to delivery: half of them, nine of ten, all */
    uint64_t half_s, most_s, longest_s;
    uint64_t timed; /* delivered ones whose time the log gives */
};

struct bl_summary {
    bool has_lines; /* lines and unparsed are known */
    uint64_t lines, unparsed, long_lines, repeats_cut;
    int64_t from_ms, to_ms; /* 0: not known */
    uint64_t outcome[BL_OUTCOMES];
    uint64_t null_outcome[BL_OUTCOMES]; /* of these, mail from the null sender */
    uint64_t no_attempt; /* of the deferred ones, those that nothing was tried for: in no rate */
    struct bl_summary_cause cause[BL_SUMMARY_CAUSES];
    size_t causes;
    struct bl_summary_table domains, providers, senders, instances;
    struct bl_summary_then then;
    struct {
        const char *name, *short_name; /* "1 hour", "1h" */
        uint64_t outcome[BL_OUTCOMES]; /* null sender left out */
    } window[BL_SUMMARY_WINDOWS];
    size_t windows;
    struct {
        int64_t number; /* since 1970, UTC */
        uint64_t outcome[BL_OUTCOMES];
    } day[BL_SUMMARY_DAYS]; /* ascending */
    size_t days;
    uint64_t other_days[BL_OUTCOMES];
    const char *hours_title;        /* NULL: hours are not known */
    unsigned first_hour;            /* the list begins with it */
    uint64_t hour[24][BL_OUTCOMES]; /* hour of the day, UTC */
    uint64_t suppressed;
    bool suppressed_at_least;     /* more addresses than were kept count of */
    const char *suppressed_words; /* "would be suppressed", "suppressed now" */
};

struct bl_summary *bl_summary_new(void);
void bl_summary_free(struct bl_summary *summary);

/* The cause of that name, made when it is new; the last one stands for all that do not fit. */
struct bl_summary_cause *bl_summary_cause(struct bl_summary *summary, bl_slice name);

/* A row named `~other` is added to the table's rest. */
void bl_summary_add(struct bl_summary_table *table, const struct bl_summary_row *row);

/* After the last add, before printing. */
void bl_summary_finish(struct bl_summary *summary);

/* (bounced + expired) / (delivered + bounced + expired), and deferred / (delivered + deferred +
 * bounced), of outcomes without the null sender's and without deferrals that were no attempts;
 * false below BL_RATE_MIN_OUTCOMES.  `of` is what was divided by. */
bool bl_summary_bounce_rate(const uint64_t outcome[BL_OUTCOMES], double *rate, uint64_t *of);
bool bl_summary_deferral_rate(const uint64_t outcome[BL_OUTCOMES], double *rate, uint64_t *of);

/* The outcomes that the rates are made of: neither the null sender's nor what was not tried. */
void bl_summary_rate_outcomes(const struct bl_summary *summary, uint64_t out[BL_OUTCOMES]);

/* Puts a reply among the most frequent ones of a cause, if it is one. */
void bl_summary_add_reply(struct bl_summary_cause *cause, enum bl_summary_way way, uint64_t count,
                          bl_slice text);

struct bl_summary_style {
    bool colour;
    size_t columns; /* 60 at least */
    size_t rows;    /* of each table; 0: a default that fits it */
};

void bl_summary_json(const struct bl_summary *summary, const struct bl_rules *rules,
                     struct bl_output *out);
void bl_summary_print(const struct bl_summary *summary, const struct bl_rules *rules,
                      const struct bl_summary_style *style, struct bl_output *out);

#endif
