/* ctest: label=quick timeout=60
 *
 * The built-in rules against the labelled replies beside the project
 * (BL_SHARED/data/replies-dev.tsv), read as `classify` reads them: prints how many verdicts agree
 * and holds floors.  Rules were written with these replies at hand, so this is no forecast for
 * others.  BL_VERBOSE=1 lists every reply that differs. */
#include "bounceline/reply.h"
#include "bounceline/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROWS_MAX = 4096, COLUMNS = 8, ID = 0, SOURCE = 1, TEXT = 4, CATEGORY = 6, TYPE = 7 };

struct row {
    bl_slice field[COLUMNS];
    bl_reply reply;
};

struct score {
    size_t n, category, type, false_suppress, missed_suppress, unclassified;
};

static char file_text[1 << 20];
static struct row rows[ROWS_MAX];
static size_t n_rows;

static bool load(void)
{
    const char *shared = getenv("BL_SHARED");
    char path[1024];
    FILE *file;
    bl_slice rest;

    snprintf(path, sizeof path, "%s/data/replies-dev.tsv", shared ? shared : "../shared");
    file = fopen(path, "rb");
    if (!file)
        return false;
    rest = (bl_slice){file_text, fread(file_text, 1, sizeof file_text, file)};
    fclose(file);
    for (bool first = true; rest.n && n_rows < ROWS_MAX; first = false) {
        bl_slice line = bl_slice_head(rest, bl_slice_find_byte(rest, '\n'));
        struct row *row = &rows[n_rows];

        rest = bl_slice_drop(rest, line.n < rest.n ? line.n + 1 : line.n);
        for (int i = 0; i < COLUMNS; i++) {
            size_t n = bl_slice_find_byte(line, '\t');

            row->field[i] = bl_slice_head(line, n);
            line = bl_slice_drop(line, n < line.n ? n + 1 : n);
        }
        n_rows += !first;
    }
    return true;
}

static void make_reply(struct row *row, enum bl_phase phase)
{
    memset(&row->reply, 0, sizeof row->reply);
    bl_reply_read_quoted(row->field[TEXT], &row->reply);
    if (phase != BL_PHASE_UNKNOWN)
        row->reply.phase = phase;
}

static void judge(const struct row *row, struct score *score, bool list)
{
    const struct bl_rules *rules = bl_rules_builtin();
    bl_verdict v = bl_classify(rules, &row->reply);
    bl_slice got = bl_rules_category(rules, v.category)->name, want = row->field[CATEGORY];
    const char *type = bl_type_name((enum bl_type)v.type);
    bool same = bl_slice_eq(got, want), want_hard = bl_slice_eq(row->field[TYPE], BL_SLICE("hard"));
    bool same_type = bl_slice_eq((bl_slice){type, strlen(type)}, row->field[TYPE]);
    bool suppress = v.action == BL_ACTION_SUPPRESS;

    score->n++;
    score->category += same;
    score->type += same_type;
    score->false_suppress += suppress && !want_hard;
    score->missed_suppress +=
        !suppress && want_hard && !bl_slice_eq(want, BL_SLICE("previously-bounced"));
    score->unclassified += bl_slice_eq(got, BL_SLICE("unclassified"));
    if (list && (!same || !same_type))
        printf("%s %.*s want %.*s/%.*s got %.*s/%s by %.*s | %.*s\n",
               suppress && !want_hard ? "FALSE"
               : same                 ? "type "
                                      : "diff ",
               (int)row->field[ID].n, row->field[ID].p, (int)want.n, want.p,
               (int)row->field[TYPE].n, row->field[TYPE].p, (int)got.n, got.p, type,
               (int)bl_rules_rule(rules, v.rule)->id.n, bl_rules_rule(rules, v.rule)->id.p,
               (int)row->field[TEXT].n, row->field[TEXT].p);
}

static struct score judge_all(enum bl_phase phase, bool list)
{
    struct score score = {0};

    for (size_t i = 0; i < n_rows; i++) {
        make_reply(&rows[i], phase);
        judge(&rows[i], &score, list);
    }
    printf("phase '%s': %zu replies, category %.3f, type %.3f, false suppress %zu, missed suppress "
           "%zu, "
           "unclassified %zu\n",
           bl_phase_name(phase), score.n, (double)score.category / (double)score.n,
           (double)score.type / (double)score.n, score.false_suppress, score.missed_suppress,
           score.unclassified);
    return score;
}

static void most_labelled_replies_get_their_category(void **state)
{
    struct score unknown, rcpt;

    (void)state;
    unknown = judge_all(BL_PHASE_UNKNOWN, false);
    rcpt = judge_all(BL_PHASE_RCPT, getenv("BL_VERBOSE") != NULL);
    assert_true(unknown.category * 100 >= unknown.n * 98);
    assert_true(rcpt.category * 100 >= rcpt.n * 98);
    assert_true(unknown.type * 100 >= unknown.n * 98);
    assert_true(rcpt.type * 100 >= rcpt.n * 99);
    assert_true(unknown.false_suppress == 0);
    assert_true(rcpt.false_suppress == 0);
    assert_true(unknown.missed_suppress * 100 <= unknown.n * 2);
    assert_true(rcpt.missed_suppress * 100 <= rcpt.n);
    assert_true(rcpt.unclassified * 100 <= rcpt.n);
}

/* What the product documents quote gets the category that they say, reply by reply. */
static void every_reply_of_the_seeds_gets_its_category(void **state)
{
    const struct bl_rules *rules = bl_rules_builtin();
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < n_rows; i++) {
        bl_slice got;

        if (!bl_slice_starts(rows[i].field[SOURCE], BL_SLICE("seed-")))
            continue;
        make_reply(&rows[i], BL_PHASE_RCPT);
        got = bl_rules_category(rules, bl_classify(rules, &rows[i].reply).category)->name;
        if (!bl_slice_eq(got, rows[i].field[CATEGORY]))
            fail_msg("%.*s is %.*s", (int)rows[i].field[ID].n, rows[i].field[ID].p, (int)got.n,
                     got.p);
        n++;
    }
    print_message("%zu replies of the seeds\n", n);
    assert_true(n > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_labelled_replies_get_their_category),
        cmocka_unit_test(every_reply_of_the_seeds_gets_its_category),
    };

    if (!load()) {
        printf("skipped: no data/replies-dev.tsv beside the project (BL_SHARED)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
