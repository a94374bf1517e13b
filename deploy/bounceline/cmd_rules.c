/* cmd_rules.c -- the rules themselves: which there are, whether one's own are right, what they do
 * to real replies */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounceline/alloc.h"
#include "bounceline/nearest.h"
#include "commands.h"
#include "json.h"
#include "options.h"
#include "rules_logs.h"
#include "rules_set.h"
#include "said.h"
#include "text.h"
#include "told.h"

enum {
    LINE_SHOWN = 120,
    TSV_COLUMNS = 32,
    WRONG_SHOWN = 20,
    SHAPES_SHOWN = 50,
    COLUMNS = 4 * BL_LINE_MAX
};

struct rules_job {
    bool json, categories, own;
    uint64_t top;
    bl_slice category, provider;
    struct bl_where where; /* the configuration; no Redis */
    struct bl_rules_paths paths;
    struct bl_rules_files files; /* as read, for the lines that are shown */
    const struct bl_rules *rules;
    struct bl_output *out;
    size_t problems, notes;
    struct bl_json list; /* of problems */
};

static void help(void)
{
    fputs(
        "bounceline rules: what is known about replies, and your own rules beside it\n"
        "\n"
        "  bounceline rules list --category mailbox-full\n"
        "  bounceline rules list --provider Google --json\n"
        "  bounceline rules check /etc/bounceline/rules.d    is all of it right?  every problem with its place\n"
        "  bounceline rules test                             run every sample\n"
        "  bounceline rules test replies.tsv                 columns text and category: what comes out otherwise?\n"
        "  bounceline rules unknown /var/log/mail.log*       replies that no words explain, with nothing private in them\n"
        "  bounceline rules hits /var/log/mail.log*          which rules decide how often\n"
        "\n"
        "  --json            one JSON object a line\n"
        "  -c FILE           the configuration, for its rules; /etc/bounceline/bounceline.yaml when it is there\n"
        "  --rules PATH      your own rules over the shipped ones: a file or a directory of NAME.rules\n"
        "                    (or BOUNCELINE_RULES; else `rules` of the configuration, else\n"
        "                    " BL_RULES_DIRECTORY ")\n"
        "  --category NAME   list: only what leads to it\n"
        "  --provider NAME   list: only what holds at its hosts\n"
        "  --own             list: only your own rules\n"
        "  --categories      list: the categories instead\n"
        "  --top N           unknown, hits: no more than N lines (default 50; 0: all)\n"
        "\n"
        "How a rule is written: core/rules/README.md.  Exit codes: 0 all is well; 1 a test came out otherwise; 65 the\n"
        "rules are refused; 66 a file is not there.\n",
        stdout);
}

static void put(const struct rules_job *job, const char *text)
{
    bl_output_put(job->out, (bl_slice){text, strlen(text)});
}

static bool load(struct rules_job *job, int *exit_code)
{
    bl_err err = {0};
    enum bl_code rc = bl_where_load_rules(&job->where, &job->paths, &job->rules, &err);

    *exit_code = rc == BL_OK ? 0 : bl_complain(rc, &err);
    return rc == BL_OK;
}

/* --- list --- */

static void list_categories(const struct rules_job *job)
{
    for (uint16_t i = 0; i < bl_rules_categories(job->rules); i++) {
        const struct bl_category *c = bl_rules_category(job->rules, i);
        bl_verdict verdict = {
            .category = i, .type = (uint8_t)c->type, .action = (uint8_t)c->action};
        const char *scope = bl_scope_name(c->scope), *type = bl_type_name(c->type);
        struct bl_json json;

        if (!job->json) {
            bl_text_pad(job->out, c->name, 23);
            put(job, " ");
            bl_text_pad(job->out, (bl_slice){scope, strlen(scope)}, 12);
            bl_text_pad(job->out, (bl_slice){type, strlen(type)}, 13);
            bl_text_put(job->out, c->meaning, COLUMNS);
            put(job, "\n");
            continue;
        }
        bl_json_init(&json, job->out);
        bl_json_begin(&json);
        bl_json_u64(&json, BL_SLICE("v"), 1);
        bl_told_verdict(&json, job->rules, &verdict);
        bl_json_text_if(&json, BL_SLICE("meaning"), c->meaning);
        bl_json_text_if(&json, BL_SLICE("remedy"), c->remedy);
        bl_json_end(&json);
    }
}

static void list_rule(const struct rules_job *job, uint32_t index)
{
    const struct bl_rule_info *rule = bl_rules_rule(job->rules, index);
    const struct bl_category *category = bl_rules_category(job->rules, rule->category);
    bl_slice provider =
        bl_rules_provider_name(job->rules, bl_rules_rule_provider(job->rules, index));
    bool at_provider = bl_rules_rule_provider(job->rules, index) != 0;
    struct bl_json json;

    if (!job->json) {
        bl_text_pad(job->out, category->name, 23);
        put(job, " ");
        bl_text_pad(job->out, rule->id, 36);
        put(job, " ");
        bl_text_put(job->out, rule->file, COLUMNS);
        bl_output_format(job->out, ":%u  %s", rule->line, bl_tier_name((enum bl_tier)rule->tier));
        if (at_provider) {
            put(job, ", ");
            bl_text_put(job->out, provider, COLUMNS);
        }
        put(job, "\n");
        return;
    }
    bl_json_init(&json, job->out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), 1);
    bl_told_rule(&json, rule);
    if (at_provider)
        bl_json_text(&json, BL_SLICE("provider"), provider);
    bl_json_text(&json, BL_SLICE("category"), category->name);
    bl_told_word(&json, BL_SLICE("scope"), bl_scope_name(category->scope));
    bl_json_end(&json);
}

static bool is_known_provider(const struct bl_rules *rules, bl_slice name)
{
    for (uint16_t i = 1; i < bl_rules_providers(rules); i++)
        if (bl_slice_eq_fold(bl_rules_provider_name(rules, i), name))
            return true;
    return false;
}

static int check_filters(const struct rules_job *job)
{
    struct bl_nearest nearest = bl_nearest_to(job->category);
    bl_slice like;
    uint16_t category;

    if (job->category.n && !bl_rules_find_category(job->rules, job->category, &category)) {
        for (uint16_t i = 0; i < bl_rules_categories(job->rules); i++)
            bl_nearest_try(&nearest, bl_rules_category(job->rules, i)->name);
        like = nearest.found;
        return bl_usage("rules", "there is no category '%.*s'%s%.*s%s", (int)job->category.n,
                        job->category.p, like.n ? "; do you mean '" : "", (int)like.n, like.p,
                        like.n ? "'?" : "");
    }
    if (job->provider.n && !is_known_provider(job->rules, job->provider))
        return bl_usage("rules", "providers.tsv has no provider '%.*s'", (int)job->provider.n,
                        job->provider.p);
    return 0;
}

/* Alternatives of one rule share their id; the first of them stands for all. */
static int list_rules(const struct rules_job *job)
{
    bool *listed = bl_calloc(bl_rules_ids(job->rules), sizeof *listed);

    if (!listed)
        return bl_complain(BL_NO_MEMORY, NULL);
    for (uint32_t i = 0; i < bl_rules_count(job->rules); i++) {
        const struct bl_rule_info *rule = bl_rules_rule(job->rules, i);
        bl_slice provider =
            bl_rules_provider_name(job->rules, bl_rules_rule_provider(job->rules, i));

        if ((job->category.n &&
             !bl_slice_eq(bl_rules_category(job->rules, rule->category)->name, job->category)) ||
            (job->provider.n && !bl_slice_eq_fold(provider, job->provider)) ||
            (job->own && !rule->own) || listed[rule->number])
            continue;
        listed[rule->number] = true;
        list_rule(job, i);
    }
    bl_free(listed);
    return 0;
}

static int list(struct rules_job *job)
{
    int exit_code;

    if (!load(job, &exit_code) || (exit_code = check_filters(job)) != 0)
        return exit_code;
    if (!job->categories)
        return list_rules(job);
    list_categories(job);
    return 0;
}

/* --- check --- */

static bl_slice line_of(const struct rules_job *job, const struct bl_rules_problem *problem)
{
    for (size_t i = 0; i < job->files.n; i++) {
        bl_slice text = job->files.v[i].text;

        if (!bl_slice_eq(job->files.v[i].name, problem->file))
            continue;
        for (uint32_t line = 1; line < problem->line && text.n; line++)
            text = bl_slice_drop(text, bl_slice_find_byte(text, '\n') +
                                           (bl_slice_find_byte(text, '\n') < text.n));
        return bl_slice_head(text, bl_slice_find_byte(text, '\n'));
    }
    return (bl_slice){0};
}

/* The line and a caret below the place; long lines from a little before it. */
static void show_line(const struct rules_job *job, const struct bl_rules_problem *problem)
{
    bl_slice line = line_of(job, problem);
    size_t at = problem->column ? problem->column - 1 : 0,
           from = at > LINE_SHOWN / 2 ? at - LINE_SHOWN / 2 : 0;
    size_t columns;

    if (line.n == 0 || at > line.n)
        return;
    put(job, "    ");
    columns = bl_text_put(job->out, (bl_slice){line.p + from, at - from}, LINE_SHOWN);
    bl_text_put(job->out, bl_slice_head(bl_slice_drop(line, at), LINE_SHOWN), LINE_SHOWN);
    put(job, "\n    ");
    while (columns--)
        put(job, " ");
    put(job, "^\n");
}

static void tell_problem(void *arg, const struct bl_rules_problem *problem)
{
    struct rules_job *job = arg;

    *(problem->note ? &job->notes : &job->problems) += 1;
    if (job->json) {
        bl_json_open_item(&job->list);
        bl_json_text(&job->list, BL_SLICE("file"), problem->file);
        bl_json_u64(&job->list, BL_SLICE("line"), problem->line);
        bl_json_u64(&job->list, BL_SLICE("column"), problem->column);
        bl_json_bool(&job->list, BL_SLICE("note"), problem->note);
        bl_told_word(&job->list, BL_SLICE("text"), problem->text);
        bl_json_close(&job->list);
        return;
    }
    bl_text_put(job->out, problem->file, COLUMNS);
    bl_output_format(job->out, ":%u:%u: %s", problem->line, problem->column,
                     problem->note ? "note: " : "");
    bl_text_put(job->out, (bl_slice){problem->text, strlen(problem->text)}, COLUMNS);
    put(job, "\n");
    show_line(job, problem);
}

static size_t count_samples(const struct bl_rules_file *files, size_t n)
{
    size_t samples = 0;

    for (size_t i = 0; i < n; i++) {
        bl_slice text = files[i].text;

        while (bl_slice_ends(files[i].name, BL_SLICE(".rules")) && text.n) {
            size_t end = bl_slice_find_byte(text, '\n'), at = 0;

            while (at < end && (text.p[at] == ' ' || text.p[at] == '\t'))
                at++;
            samples += at < end && text.p[at] == '=';
            text = bl_slice_drop(text, end < text.n ? end + 1 : end);
        }
    }
    return samples;
}

/* Rules that ship, and one's own. */
static bool count_ids(const struct bl_rules *rules, size_t *all, size_t *own)
{
    bool *counted = bl_calloc(bl_rules_ids(rules), sizeof *counted), ok = counted;

    for (uint32_t i = 0; counted && i + 1 < bl_rules_count(rules); i++) {
        const struct bl_rule_info *rule = bl_rules_rule(rules, i);

        *all += !counted[rule->number];
        *own += !counted[rule->number] && rule->own;
        counted[rule->number] = true;
    }
    bl_free(counted);
    return ok;
}

/* Compiles with every problem told; `test`: the shipped samples count, too. */
static int compile(struct rules_job *job, bool test)
{
    struct bl_rules_sources sources = {
        .own = job->files.v, .own_n = job->files.n, .problem = tell_problem, .arg = job};
    struct bl_rules *rules = NULL;
    size_t samples, own = 0, all = 0;
    bl_err err = {0};
    enum bl_code rc;

    sources.shipped = bl_rules_shipped(&sources.shipped_n);
    samples = count_samples(sources.own, sources.own_n) +
              (test ? count_samples(sources.shipped, sources.shipped_n) : 0);
    if (job->json) {
        bl_json_init(&job->list, job->out);
        bl_json_begin(&job->list);
        bl_json_u64(&job->list, BL_SLICE("v"), 1);
        bl_json_open_list(&job->list, BL_SLICE("problems"));
    }
    rc = bl_rules_compile_over(&sources, &rules, &err);
    if (rc == BL_OK && !count_ids(rules, &all, &own))
        rc = BL_NO_MEMORY;
    bl_rules_free(rules);
    if (job->json) {
        bl_json_close_list(&job->list);
        bl_json_bool(&job->list, BL_SLICE("ok"), rc == BL_OK);
        bl_json_u64(&job->list, BL_SLICE("files"), job->files.n);
        bl_json_u64(&job->list, BL_SLICE("samples"), samples);
        if (rc == BL_OK) {
            bl_json_u64(&job->list, BL_SLICE("own_rules"), own);
            bl_json_u64(&job->list, BL_SLICE("rules"), all);
        }
        bl_json_end(&job->list);
    } else if (rc == BL_OK && test) {
        bl_output_format(job->out, "all is well; rules: %zu, your own: %zu, samples run: %zu\n",
                         all, own, samples);
    } else if (rc == BL_OK) {
        bl_output_format(job->out, "all is well; files: %zu, rules: %zu, samples: %zu\n",
                         job->files.n, own, samples);
    }
    if (rc != BL_OK && job->problems == 0)
        return bl_complain(rc, &err);
    return bl_exit_code(rc);
}

static int check(struct rules_job *job, int n, char **paths, bool test)
{
    enum bl_code rc = BL_OK;
    bl_err err = {0};
    int exit_code;

    for (int i = 0; i < n && rc == BL_OK; i++)
        if (!bl_rules_paths_add(&job->paths, paths[i]))
            rc = bl_fail(&err, BL_USAGE, 0, "more than %d files and directories", BL_RULES_PATHS);
    if (rc == BL_OK)
        rc = bl_where_rules(&job->where, &job->paths, &err);
    if (rc == BL_OK)
        rc = bl_rules_files_read(&job->paths, &job->files, &err);
    if (rc != BL_OK)
        return bl_complain(rc, &err);
    if (job->files.n == 0 && !test)
        return bl_usage("rules", "check what? a file of rules, or a directory of them");
    exit_code = compile(job, test);
    bl_rules_files_release(&job->files);
    return exit_code;
}

/* --- test --- */

struct test_row {
    bl_slice field[TSV_COLUMNS];
    size_t n;
};

struct columns {
    size_t text, category, basic, enhanced, type, phase, relay; /* TSV_COLUMNS: not there */
};

struct score {
    uint64_t rows, right, type_rows, type_right, false_suppress, missed_suppress, unclassified,
        shown;
    uint64_t *pairs; /* [want * categories + got] */
    size_t categories;
};

static bl_slice take_line(bl_slice *text)
{
    size_t n = bl_slice_find_byte(*text, '\n');
    bl_slice line = bl_slice_head(*text, n);

    *text = bl_slice_drop(*text, n < text->n ? n + 1 : n);
    line.n -= bl_slice_ends(line, BL_SLICE("\r"));
    return line;
}

static void split(bl_slice line, struct test_row *row)
{
    row->n = 0;
    while (row->n < TSV_COLUMNS && bl_slice_take_field(&line, '\t', &row->field[row->n]))
        row->n++;
}

static size_t column(const struct test_row *head, bl_slice name)
{
    for (size_t i = 0; i < head->n; i++)
        if (bl_slice_eq(head->field[i], name))
            return i;
    return TSV_COLUMNS;
}

static bl_slice field(const struct test_row *row, size_t column)
{
    return column < row->n ? row->field[column] : (bl_slice){0};
}

static void read_row(const struct test_row *row, const struct columns *at, bl_reply *reply)
{
    bl_slice basic = field(row, at->basic), enhanced = field(row, at->enhanced);
    uint64_t code;

    (void)bl_said_read(field(row, at->text), reply);
    if (bl_slice_take_u64(&basic, &code) && code < 1000)
        reply->code = (uint16_t)code;
    (void)(enhanced.n && bl_status_take(&enhanced, &reply->enhanced));
    if (!bl_phase_from_name(field(row, at->phase), &reply->phase) || field(row, at->phase).n == 0)
        reply->phase = reply->phase == BL_PHASE_UNKNOWN ? BL_PHASE_RCPT : reply->phase;
    if (field(row, at->relay).n)
        reply->relay_host = field(row, at->relay);
}

static void show_wrong(const struct rules_job *job, uint64_t line, bl_slice want,
                       const bl_verdict *got, bl_slice text)
{
    bl_output_format(job->out, "line %llu: expected ", (unsigned long long)line);
    bl_text_put(job->out, want, COLUMNS);
    put(job, ", got ");
    bl_text_put(job->out, bl_rules_category(job->rules, got->category)->name, COLUMNS);
    put(job, " by ");
    bl_text_put(job->out, bl_rules_rule(job->rules, got->rule)->id, COLUMNS);
    put(job, ": ");
    bl_text_put(job->out, text, LINE_SHOWN);
    put(job, "\n");
}

static enum bl_code judge(struct rules_job *job, const struct test_row *row,
                          const struct columns *at, uint64_t line, struct score *score, bl_err *err)
{
    bl_slice want = field(row, at->category), type = field(row, at->type);
    const struct bl_category *expected;
    const char *got_type;
    uint16_t category;
    bl_reply reply;
    bl_verdict got;

    if (!bl_rules_find_category(job->rules, want, &category))
        return bl_fail(err, BL_BAD_INPUT, 0, "line %llu: there is no category '%.*s'",
                       (unsigned long long)line, (int)(want.n < 60 ? want.n : 60), want.p);
    expected = bl_rules_category(job->rules, category);
    read_row(row, at, &reply);
    got = bl_classify(job->rules, &reply);
    got_type = bl_type_name((enum bl_type)got.type);
    score->rows++;
    score->right += got.category == category;
    score->pairs[(size_t)category * score->categories + got.category]++;
    score->type_rows += type.n > 0;
    score->type_right += type.n > 0 && bl_slice_eq(type, (bl_slice){got_type, strlen(got_type)});
    score->false_suppress +=
        got.action == BL_ACTION_SUPPRESS && expected->action != BL_ACTION_SUPPRESS;
    score->missed_suppress += got.action != BL_ACTION_SUPPRESS &&
                              bl_slice_eq(type, BL_SLICE("hard")) &&
                              expected->action == BL_ACTION_SUPPRESS;
    score->unclassified +=
        bl_slice_eq(bl_rules_category(job->rules, got.category)->name, BL_SLICE("unclassified"));
    if (got.category != category && !job->json && score->shown++ < WRONG_SHOWN)
        show_wrong(job, line, want, &got, reply.text);
    return BL_OK;
}

/* Mean of the categories' own shares, each counting the same however many rows it has; in
 * millionths. */
static int64_t macro_recall(const struct score *score)
{
    uint64_t sum = 0, present = 0;

    for (size_t want = 0; want < score->categories; want++) {
        uint64_t rows = 0;

        for (size_t got = 0; got < score->categories; got++)
            rows += score->pairs[want * score->categories + got];
        if (rows) {
            present++;
            sum += score->pairs[want * score->categories + want] * 1000000 / rows;
        }
    }
    return present ? (int64_t)(sum / present) : 0;
}

static int64_t share(uint64_t part, uint64_t whole)
{
    return whole ? (int64_t)(part * 1000000 / whole) : 0;
}

static void put_confusion(struct rules_job *job, const struct score *score, struct bl_json *json)
{
    for (size_t i = 0; i < score->categories * score->categories; i++) {
        bl_slice want = bl_rules_category(job->rules, (uint16_t)(i / score->categories))->name;
        bl_slice got = bl_rules_category(job->rules, (uint16_t)(i % score->categories))->name;

        if (score->pairs[i] == 0 || i / score->categories == i % score->categories)
            continue;
        if (json) {
            bl_json_open_item(json);
            bl_json_text(json, BL_SLICE("expected"), want);
            bl_json_text(json, BL_SLICE("got"), got);
            bl_json_u64(json, BL_SLICE("rows"), score->pairs[i]);
            bl_json_close(json);
            continue;
        }
        bl_output_format(job->out, "%8llu  ", (unsigned long long)score->pairs[i]);
        bl_text_pad(job->out, want, 24);
        put(job, " taken for ");
        bl_text_put(job->out, got, COLUMNS);
        put(job, "\n");
    }
}

static void put_score(struct rules_job *job, const struct score *score)
{
    struct bl_json json;

    if (!job->json) {
        if (score->shown > WRONG_SHOWN)
            bl_output_format(job->out, "... and %llu others\n",
                             (unsigned long long)(score->shown - WRONG_SHOWN));
        put_confusion(job, score, NULL);
        bl_output_format(job->out, "%llu replies: category %.4f, macro recall %.4f",
                         (unsigned long long)score->rows,
                         (double)share(score->right, score->rows) / 1e6,
                         (double)macro_recall(score) / 1e6);
        if (score->type_rows)
            bl_output_format(job->out, ", type %.4f",
                             (double)share(score->type_right, score->type_rows) / 1e6);
        bl_output_format(job->out, "; %llu falsely suppressed, %llu missed, %llu unclassified\n",
                         (unsigned long long)score->false_suppress,
                         (unsigned long long)score->missed_suppress,
                         (unsigned long long)score->unclassified);
        return;
    }
    bl_json_init(&json, job->out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), 1);
    bl_json_u64(&json, BL_SLICE("replies"), score->rows);
    bl_json_decimal(&json, BL_SLICE("category"), share(score->right, score->rows), 6);
    bl_json_decimal(&json, BL_SLICE("macro_recall"), macro_recall(score), 6);
    if (score->type_rows)
        bl_json_decimal(&json, BL_SLICE("type"), share(score->type_right, score->type_rows), 6);
    bl_json_u64(&json, BL_SLICE("false_suppress"), score->false_suppress);
    bl_json_u64(&json, BL_SLICE("missed_suppress"), score->missed_suppress);
    bl_json_u64(&json, BL_SLICE("unclassified"), score->unclassified);
    bl_json_open_list(&json, BL_SLICE("confusion"));
    put_confusion(job, score, &json);
    bl_json_close_list(&json);
    bl_json_end(&json);
}

static enum bl_code test_text(struct rules_job *job, bl_slice text, struct score *score,
                              bl_err *err)
{
    struct test_row row = {.n = 0};
    struct columns at;
    enum bl_code rc = BL_OK;

    split(take_line(&text), &row);
    at = (struct columns){column(&row, BL_SLICE("text")),      column(&row, BL_SLICE("category")),
                          column(&row, BL_SLICE("basic")),     column(&row, BL_SLICE("enhanced")),
                          column(&row, BL_SLICE("type")),      column(&row, BL_SLICE("phase")),
                          column(&row, BL_SLICE("relay_host"))};
    if (at.text == TSV_COLUMNS || at.category == TSV_COLUMNS)
        return bl_fail(err, BL_BAD_INPUT, 0,
                       "line 1: the columns need names, tabs between them, 'text' and 'category' "
                       "among them");
    for (uint64_t line = 2; text.n && rc == BL_OK; line++) {
        bl_slice one = take_line(&text);

        if (one.n == 0 || one.p[0] == '#')
            continue;
        split(one, &row);
        rc = judge(job, &row, &at, line, score, err);
    }
    return rc;
}

static int test_file(struct rules_job *job, const char *path)
{
    struct bl_rules_files file = {.n = 0};
    struct score score = {0};
    bl_err err = {0}, where = {0};
    enum bl_code rc;
    int exit_code;

    if (!load(job, &exit_code))
        return exit_code;
    score.categories = bl_rules_categories(job->rules);
    score.pairs = bl_calloc(score.categories * score.categories, sizeof *score.pairs);
    rc = score.pairs ? bl_rules_file_read(&file, path, &err)
                     : bl_fail(&err, BL_NO_MEMORY, 0, "out of memory");
    if (rc == BL_OK) {
        rc = test_text(job, file.v[0].text, &score, &err);
        if (rc != BL_OK)
            (void)bl_fail(&where, rc, 0, "%s: %s", path, err.text);
    }
    if (rc == BL_OK)
        put_score(job, &score);
    else
        exit_code = bl_complain(rc, where.text[0] ? &where : &err);
    if (rc == BL_OK && score.right < score.rows)
        exit_code = BL_EXIT_NO;
    bl_rules_files_release(&file);
    bl_free(score.pairs);
    return exit_code;
}

/* --- unknown, hits --- */

static void put_unknown(struct rules_job *job, struct bl_rules_logs *logs)
{
    const struct bl_shape_count *shapes;
    size_t n = bl_rules_logs_shapes(logs, &shapes);
    struct bl_json json;

    for (size_t i = 0; i < n && (job->top == 0 || i < job->top); i++) {
        const struct bl_rule_info *rule = bl_rules_rule(job->rules, shapes[i].rule);
        bl_slice text = {shapes[i].text, shapes[i].n};

        if (!job->json) {
            bl_output_format(job->out, "%8llu  ", (unsigned long long)shapes[i].count);
            bl_text_put(job->out, text, COLUMNS);
            put(job, "\n");
            continue;
        }
        bl_json_init(&json, job->out);
        bl_json_begin(&json);
        bl_json_u64(&json, BL_SLICE("v"), 1);
        bl_json_u64(&json, BL_SLICE("count"), shapes[i].count);
        bl_json_text(&json, BL_SLICE("shape"), text);
        bl_json_text(&json, BL_SLICE("category"),
                     bl_rules_category(job->rules, rule->category)->name);
        bl_json_text(&json, BL_SLICE("rule"), rule->id);
        bl_json_end(&json);
    }
    bl_output_flush(job->out);
    if (job->top && n > job->top)
        fprintf(stderr, "bounceline: %zu shapes more; --top 0 shows all\n", n - (size_t)job->top);
    if (bl_rules_logs_missed(logs))
        fprintf(stderr, "bounceline: more shapes than fit: counts may be too low by up to %llu\n",
                (unsigned long long)bl_rules_logs_missed(logs));
}

struct hit {
    uint64_t count;
    uint32_t rule;
};

static int by_hits(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->rule < y->rule ? -1 : 1;
}

/* Alternatives together, under the first of them.  `hits`: one for each id. */
static size_t add_hits(const struct rules_job *job, const struct bl_rules_logs *logs,
                       struct hit *hits)
{
    size_t n = 0;

    for (uint32_t i = 0; i < bl_rules_count(job->rules); i++) {
        struct hit *hit = &hits[bl_rules_rule(job->rules, i)->number];

        if (hit->count == 0)
            hit->rule = i;
        hit->count += bl_rules_logs_hits(logs, i);
    }
    for (size_t i = 0; i < bl_rules_ids(job->rules); i++)
        if (hits[i].count)
            hits[n++] = hits[i];
    qsort(hits, n, sizeof *hits, by_hits);
    return n;
}

static enum bl_code put_hits(struct rules_job *job, const struct bl_rules_logs *logs)
{
    struct hit *hits = bl_calloc(bl_rules_ids(job->rules), sizeof *hits);
    struct bl_json json;
    size_t n;

    if (!hits)
        return BL_NO_MEMORY;
    n = add_hits(job, logs, hits);
    for (size_t i = 0; i < n && (job->top == 0 || i < job->top); i++) {
        const struct bl_rule_info *rule = bl_rules_rule(job->rules, hits[i].rule);

        if (!job->json) {
            bl_output_format(job->out, "%8llu  ", (unsigned long long)hits[i].count);
            bl_text_pad(job->out, bl_rules_category(job->rules, rule->category)->name, 23);
            put(job, " ");
            bl_text_put(job->out, rule->id, COLUMNS);
            put(job, "\n");
            continue;
        }
        bl_json_init(&json, job->out);
        bl_json_begin(&json);
        bl_json_u64(&json, BL_SLICE("v"), 1);
        bl_json_u64(&json, BL_SLICE("count"), hits[i].count);
        bl_told_rule(&json, rule);
        bl_json_text(&json, BL_SLICE("category"),
                     bl_rules_category(job->rules, rule->category)->name);
        bl_json_end(&json);
    }
    bl_free(hits);
    return BL_OK;
}

static int logs(struct rules_job *job, int n, char **paths, bool unknown)
{
    struct bl_rules_logs *read;
    enum bl_code rc = BL_OK;
    int exit_code;

    if (n == 0)
        return bl_usage("rules", "which log? a file, or - for standard input");
    if (!load(job, &exit_code))
        return exit_code;
    read = bl_rules_logs_new(job->rules);
    if (!read)
        return bl_complain(BL_NO_MEMORY, NULL);
    for (int i = 0; i < n; i++) {
        bl_err err = {0};

        rc = bl_rules_logs_read(read, paths[i], &err);
        if (rc != BL_OK && exit_code == 0)
            exit_code = bl_complain(rc, &err);
    }
    if (unknown)
        put_unknown(job, read);
    else if (put_hits(job, read) != BL_OK)
        exit_code = bl_complain(BL_NO_MEMORY, NULL);
    bl_rules_logs_free(read);
    return exit_code;
}

/* --- the command line --- */

static bool take_options(struct rules_job *job, int argc, char **argv, int *exit_code)
{
    enum { JSON = BL_OPTION_OWN, RULES, CATEGORY, PROVIDER, OWN, CATEGORIES, TOP };
    static const struct option known[] = {
        {"json", no_argument, 0, JSON},
        {"rules", required_argument, 0, RULES},
        {"category", required_argument, 0, CATEGORY},
        {"provider", required_argument, 0, PROVIDER},
        {"own", no_argument, 0, OWN},
        {"categories", no_argument, 0, CATEGORIES},
        {"top", required_argument, 0, TOP},
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
        switch (c) {
        case 'h':
            help();
            return false;
        case JSON:
            job->json = true;
            break;
        case RULES:
            if (bl_option_rules("rules", optarg, &job->paths))
                break;
            *exit_code = BL_EXIT_USAGE;
            return false;
        case CATEGORY:
            job->category = (bl_slice){optarg, strlen(optarg)};
            break;
        case PROVIDER:
            job->provider = (bl_slice){optarg, strlen(optarg)};
            break;
        case OWN:
            job->own = true;
            break;
        case CATEGORIES:
            job->categories = true;
            break;
        case TOP:
            if (bl_option_number(optarg, 0, 1000000, &job->top))
                break;
            *exit_code = bl_usage("rules", "--top takes a number, not '%s'", optarg);
            return false;
        default:
            *exit_code = bl_usage_known("rules", known, argc, argv, c);
            return false;
        }
    }
    return true;
}

static int run(struct rules_job *job, int n, char **words)
{
    const char *verb = n ? words[0] : "";

    if (strcmp(verb, "list") == 0)
        return n == 1
                   ? list(job)
                   : bl_usage("rules", "list takes no file; --category and --provider narrow it");
    if (strcmp(verb, "check") == 0)
        return check(job, n - 1, words + 1, false);
    if (strcmp(verb, "test") == 0 && n <= 2)
        return n == 1 ? check(job, 0, NULL, true) : test_file(job, words[1]);
    if (strcmp(verb, "test") == 0)
        return bl_usage("rules", "test takes one file of replies");
    if (strcmp(verb, "unknown") == 0)
        return logs(job, n - 1, words + 1, true);
    if (strcmp(verb, "hits") == 0)
        return logs(job, n - 1, words + 1, false);
    return bl_usage("rules",
                    n ? "there is no 'rules %s'; list, check, test, unknown and hits there are"
                      : "%slist, check, test, unknown or hits?",
                    verb);
}

int cmd_rules(int argc, char **argv)
{
    static struct bl_output out;
    static struct rules_job job;
    int exit_code, written;

    job.out = &out;
    job.top = SHAPES_SHOWN;
    bl_where_init(&job.where);
    if (take_options(&job, argc, argv, &exit_code)) {
        bl_output_init(&out, STDOUT_FILENO);
        exit_code = run(&job, argc - optind, argv + optind);
        bl_rules_set_free(job.rules);
        written = bl_output_finish(&out);
        exit_code = exit_code ? exit_code : written;
    }
    bl_where_release(&job.where);
    return exit_code;
}
