/* ctest: label=quick
 *
 * Distances between words, and that the limit only cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounceline/nearest.h"
#include "guarded.h"

static const struct {
    const char *a, *b;
    size_t want;
} cases[] = {
    {"", "", 0},
    {"", "abc", 3},
    {"mailbox-full", "mailbox-full", 0},
    {"mailbox-ful", "mailbox-full", 1},
    {"MAILBOX-full", "mailbox-FULL", 0},
    {"mailbxo-full", "mailbox-full", 1},
    {"greylist", "greylisted", 2},
    {"abc", "xyz", 3},
    {"ca", "abc", 3 /* no piece twice */},
    {"kitten", "sitting", 3},
};

static void distances_are_what_one_counts_by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        bl_slice a = guarded(cases[i].a), b = guarded(cases[i].b);

        print_message("%s, %s\n", cases[i].a, cases[i].b);
        assert_int_equal(bl_distance(a, b, 100), cases[i].want);
        assert_int_equal(bl_distance(b, a, 100), cases[i].want);
        for (size_t limit = 0; limit < 5; limit++)
            assert_int_equal(bl_distance(a, b, limit),
                             cases[i].want < limit ? cases[i].want : limit);
    }
}

static void endless_words_are_compared_by_their_heads(void **state)
{
    char a[300], b[300];

    (void)state;
    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    b[3] = 'y';
    assert_int_equal(bl_distance((bl_slice){a, sizeof a}, (bl_slice){b, sizeof b}, 9), 1);
    b[3] = 'x';
    assert_int_equal(bl_distance((bl_slice){a, sizeof a}, (bl_slice){b, sizeof b}, 9), 0);
}

/* Near enough: 1 of 3 letters, 2 of 7, a third beyond. */
static void the_nearest_is_found_if_it_is_near_enough(void **state)
{
    static const char *const names[] = {"keys_per_hour", "keys_per_day", "days", "day"};
    static const struct {
        const char *typed, *want;
    } words[] = {
        {"keys-per-day", "keys_per_day"},
        {"keys_per_dya", "keys_per_day"},
        {"key_per_hou", "keys_per_hour"},
        {"dais", "days"},
        {"da", "day"},
        {"xyz", ""},
        {"minutes", ""},
        {"", ""},
    };
    char endless[BL_DISTANCE_MAX + 1];
    struct bl_nearest nearest;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(words); i++) {
        print_message("%s\n", words[i].typed);
        nearest = bl_nearest_to(guarded(words[i].typed));
        for (size_t j = 0; j < BL_COUNT(names); j++)
            bl_nearest_try(&nearest, guarded(names[j]));
        assert_true(bl_slice_eq(nearest.found, (bl_slice){words[i].want, strlen(words[i].want)}));
    }
    memset(endless, 'd', sizeof endless);
    nearest = bl_nearest_to((bl_slice){endless, sizeof endless});
    bl_nearest_try(&nearest, BL_SLICE("days"));
    assert_int_equal(nearest.found.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_are_what_one_counts_by_hand),
        cmocka_unit_test(endless_words_are_compared_by_their_heads),
        cmocka_unit_test(the_nearest_is_found_if_it_is_near_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
