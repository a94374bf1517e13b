/* ctest: label=quick
 *
 * Fields of buckets added up, and the table of the largest rows with its exact rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "guarded.h"

#include "../../deploy/bounceline/json.c"
#include "../../deploy/bounceline/output.c"
#include "../../deploy/bounceline/summary.c"
#include "../../deploy/bounceline/text.c"
#include "../../deploy/bounceline/totals.c"
#include "../../deploy/bounceline/utf8.c"

static const struct {
    const char *name, *field, *key; /* key NULL: nothing is counted */
    enum bl_dimension dimension;
    enum bl_outcome outcome;
} fields[] = {
    {"an outcome", "domain|example.org|bounced", "example.org", BL_DIM_DOMAIN, BL_BOUNCED},
    {"everything", "all|*|delivered", "*", BL_DIM_ALL, BL_DELIVERED},
    {"the null sender", "sender|<>|deferred", "<>", BL_DIM_SENDER, BL_DEFERRED},
    {"an odd key with a bar", "domain|a|b|expired", "a|b", BL_DIM_DOMAIN, BL_EXPIRED},
    {"an empty key", "domain||bounced", "", BL_DIM_DOMAIN, BL_BOUNCED},
    {"a total is no outcome", "domain|example.org", NULL, 0, 0},
    {"a category is no outcome", "domain|example.org|bounced|mailbox-full", NULL, 0, 0},
    {"the number of keys", "#|domain", NULL, 0, 0},
    {"an unknown dimension", "moon|example.org|bounced", NULL, 0, 0},
    {"an unknown outcome", "domain|example.org|lost", NULL, 0, 0},
    {"nothing", "", NULL, 0, 0},
    {"a bar", "|", NULL, 0, 0},
    {"bars", "||||", NULL, 0, 0},
    {"a dimension", "domain|", NULL, 0, 0},
};

static void a_field_is_counted_where_it_belongs(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(fields); i++) {
        struct bl_totals *totals = bl_totals_new();
        uint64_t got[BL_OUTCOMES], sum = 0;

        print_message("%s\n", fields[i].name);
        assert_int_equal(bl_totals_add(totals, guarded(fields[i].field), 7), BL_OK);
        assert_int_equal(bl_totals_add(totals, guarded(fields[i].field), 5), BL_OK);
        for (size_t d = 0; d < BL_DIMENSIONS; d++) {
            const char *keys[] = {"*", "example.org", "<>", "a|b", "a", ""};

            for (size_t k = 0; k < BL_COUNT(keys); k++) {
                bl_totals_outcomes(totals, (enum bl_dimension)d, guarded(keys[k]), got);
                for (size_t o = 0; o < BL_OUTCOMES; o++) {
                    bool here = fields[i].key && strcmp(keys[k], fields[i].key) == 0 &&
                                d == fields[i].dimension && o == fields[i].outcome;

                    assert_int_equal(got[o], here ? 12 : 0);
                    sum += got[o];
                }
            }
        }
        assert_int_equal(sum, fields[i].key ? 12 : 0);
        bl_totals_free(totals);
    }
}

static void the_most_frequent_category_is_the_reason(void **state)
{
    static const struct {
        const char *field;
        uint64_t n;
    } given[] = {
        {"provider|Google|bounced", 9},
        {"provider|Google|expired", 3},
        {"provider|Google|bounced|zeta", 4},
        {"provider|Google|bounced|alpha", 2},
        {"provider|Google|expired|alpha", 2}, /* together as many as zeta; the first by name */
        {"provider|Google|deferred|greylisted", 100},
        {"all|*|bounced|alpha", 2},
        {"all|*|deferred|greylisted", 100},
        {"all|~no-attempt|deferred", 6},
    };
    struct bl_totals *totals = bl_totals_new();
    struct bl_summary *summary = bl_summary_new();

    (void)state;
    for (size_t i = 0; i < BL_COUNT(given); i++)
        assert_int_equal(bl_totals_add(totals, guarded(given[i].field), given[i].n), BL_OK);
    bl_totals_summarise(totals, summary);
    bl_summary_finish(summary);
    assert_int_equal(summary->providers.n, 1);
    assert_int_equal(summary->providers.row[0].total, 12);
    assert_int_equal(summary->providers.row[0].reason_n, 4);
    assert_true(bl_slice_eq(summary->providers.row[0].reason, BL_SLICE("alpha")));
    assert_int_equal(summary->causes, 2);
    assert_true(bl_slice_eq(summary->cause[0].name, BL_SLICE("alpha")));
    assert_int_equal(summary->cause[0].count[BL_SUMMARY_FINAL], 2);
    assert_int_equal(summary->cause[1].count[BL_SUMMARY_DEFERRED], 100);
    assert_int_equal(summary->no_attempt, 6);
    bl_summary_free(summary);
    bl_totals_free(totals);
}

static int by_total_then_name(const void *left, const void *right)
{
    return compare_rows(left, right);
}

/* Against sorting everything; and the sum of all is kept whatever falls out. */
static void a_table_keeps_the_largest_and_the_sum(void **state)
{
    enum { ROWS = 5000 };
    static struct bl_summary_row all[ROWS];
    static char names[ROWS][16];
    struct bl_summary *summary = bl_summary_new();
    uint64_t random = 88172645463325252U, sum = 0, got = 0;

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        all[i].name = (bl_slice){names[i], (size_t)snprintf(names[i], sizeof names[i], "d%zu", i)};
        all[i].total = all[i].outcome[BL_DELIVERED] = random % 300; /* many are equal */
        sum += all[i].total;
        bl_summary_add(&summary->domains, &all[i]);
    }
    bl_summary_finish(summary);
    qsort(all, ROWS, sizeof *all, by_total_then_name);
    assert_int_equal(summary->domains.n, BL_SUMMARY_ROWS);
    assert_int_equal(summary->domains.names, ROWS);
    for (size_t i = 0; i < BL_SUMMARY_ROWS; i++) {
        assert_true(bl_slice_eq(summary->domains.row[i].name, all[i].name));
        got += summary->domains.row[i].total;
    }
    assert_true(summary->domains.has_other);
    assert_int_equal(got + summary->domains.other[BL_DELIVERED], sum);
    bl_summary_free(summary);
}

static void rates_need_two_hundred_outcomes(void **state)
{
    uint64_t o[BL_OUTCOMES] = {
        [BL_DELIVERED] = 150, [BL_BOUNCED] = 40, [BL_EXPIRED] = 9, [BL_RELAYED] = 999};
    double rate = 0;
    uint64_t of;

    (void)state;
    assert_false(bl_summary_bounce_rate(o, &rate, &of));
    assert_int_equal(of, 199);
    o[BL_EXPIRED] = 10;
    assert_true(bl_summary_bounce_rate(o, &rate, &of));
    assert_true(rate == 0.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_is_counted_where_it_belongs),
        cmocka_unit_test(the_most_frequent_category_is_the_reason),
        cmocka_unit_test(a_table_keeps_the_largest_and_the_sum),
        cmocka_unit_test(rates_need_two_hundred_outcomes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
