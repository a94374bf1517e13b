/* ctest: label=quick
 *
 * The set of suppressed addresses of a scan, against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "guarded.h"

#include "../../deploy/bounceline/address_set.c"

/* Fails when rough_hash() looks at nothing but the quote, and when what is marked is the spelling
 * instead of its key. */
static void any_spelling_is_one_address(void **state)
{
    static const char *const same[][3] = {
        {"ana.lee@example.org", "Ana.Lee@EXAMPLE.org", "\"ana.lee\"@example.org"},
        {"Ana.Lee.\xd0\x90@example.org", "\"ana.lee.\xd0\x90\"@example.org",
         "ana.lee.\xd0\x90@example.org"},
        {"ana.lee@xn--80a1acny.example", "Ana.Lee@почта.example", "\"Ana.Lee\"@ПОЧТА.example"},
        {"ana.lee@example.com", "ana.lee@ｅｘａｍｐｌｅ.com", "ana.lee@example。com"},
        {"somebody.with.a.name.of.thirtynine.byte@xn--4ca.example.com",
         "somebody.with.a.name.of.thirtynine.byte@ä.example.com",
         "Somebody.With.A.Name.Of.Thirtynine.Byte@Ä.EXAMPLE.COM"},
        {"\"ana lee\"@example.org", "\"Ana Lee\"@EXAMPLE.org", "\"ANA LEE\"@example.ORG"},
    };

    (void)state;
    for (size_t i = 0; i < 3 * BL_COUNT(same); i++) {
        for (size_t k = 0; k < 3; k++) {
            struct bl_address_set *set = bl_address_set_new();

            assert_true(bl_address_set_add(set, guarded(same[i / 3][i % 3])));
            assert_int_equal(bl_address_set_count(set), 1);
            bl_address_set_remove(set, guarded(same[i / 3][k]));
            assert_int_equal(bl_address_set_count(set), 0);
            bl_address_set_free(set);
        }
    }
}

static void what_is_no_address_is_passed_over(void **state)
{
    static const char *const odd[] = {"", "@", "a", "a@", "no at sign here", "a b@example.org"};
    struct bl_address_set *set = bl_address_set_new();

    (void)state;
    for (size_t i = 0; i < BL_COUNT(odd); i++) {
        assert_true(bl_address_set_add(set, guarded(odd[i])));
        bl_address_set_remove(set, guarded(odd[i]));
    }
    assert_int_equal(bl_address_set_count(set), 0);
    bl_address_set_free(set);
}

/* `others` stay all the time. */
static void come_and_go(size_t others)
{
    enum { ADDRESSES = 5000, STEPS = 400000 };
    bool in[ADDRESSES] = {false};
    struct bl_address_set *set = bl_address_set_new();
    uint64_t random = 88172645463325252U;
    size_t n = 0;

    for (; n < others; n++) {
        char text[64];
        size_t len = (size_t)snprintf(text, sizeof text, "other%zu@example.org", n);

        assert_true(bl_address_set_add(set, (bl_slice){text, len}));
    }
    for (size_t i = 0; i < STEPS; i++) {
        char text[64];
        size_t which, len;

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        which = random % ADDRESSES;
        len = (size_t)snprintf(text, sizeof text, "user%zu@domain%zu.example", which, which % 77);
        if (random >> 60 & 1) {
            bl_address_set_remove(set, (bl_slice){text, len});
            n -= in[which];
            in[which] = false;
        } else {
            assert_true(bl_address_set_add(set, (bl_slice){text, len}));
            n += !in[which];
            in[which] = true;
        }
        assert_int_equal(bl_address_set_count(set), n);
    }
    assert_true((set->slot != NULL) == (others > 0));
    bl_address_set_free(set);
}

static void coming_and_going_counts_as_a_plain_array_does(void **state)
{
    (void)state;
    come_and_go(0);
    come_and_go(FEW - 1000); /* they become many on the way */
}

static void a_full_set_says_so_and_still_counts(void **state)
{
    struct bl_address_set *set = bl_address_set_new();
    size_t refused = 0;

    (void)state;
    for (size_t i = 0; i < BL_ADDRESS_SET_MAX + 1000; i++) {
        char text[64];
        size_t len = (size_t)snprintf(text, sizeof text, "user%zu@example.org", i);

        refused += !bl_address_set_add(set, (bl_slice){text, len});
    }
    /* of a million and a half, one may have been taken for another */
    assert_in_range(bl_address_set_count(set), BL_ADDRESS_SET_MAX - 3, BL_ADDRESS_SET_MAX);
    assert_in_range(refused, 990, 1000);
    assert_true(bl_address_set_add(set, BL_SLICE("user7@example.org"))); /* is there already */
    bl_address_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_spelling_is_one_address),
        cmocka_unit_test(what_is_no_address_is_passed_over),
        cmocka_unit_test(coming_and_going_counts_as_a_plain_array_does),
        cmocka_unit_test(a_full_set_says_so_and_still_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
