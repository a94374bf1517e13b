/* ctest: label=quick timeout=60 */
/* The tally, behaviour by behaviour. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "bounceline/alloc.h"
#include "bounceline/rules.h"
#include "bounceline/tally.h"

static bl_slice slice(const char *text)
{
    return (bl_slice){text, strlen(text)};
}

static bl_event event_of(enum bl_outcome outcome, const char *recipient, const char *sender)
{
    bool failed = outcome == BL_DEFERRED || outcome == BL_BOUNCED || outcome == BL_EXPIRED ||
                  outcome == BL_REJECTED || outcome == BL_DROPPED;

    return (bl_event){
        .outcome = outcome,
        .attempt = true,
        .failed = failed,
        .has_sender = sender != NULL,
        .sender = slice(sender ? sender : ""),
        .recipient = slice(recipient),
        .instance = BL_SLICE("postfix-out"),
        .verdict = {.category = 3},
    };
}

static void count(struct bl_tally *tally, int64_t minute, bl_event event)
{
    bl_tally_event(tally, minute, &event, bl_rules_builtin());
}

static const struct bl_entity *entity_of(const struct bl_tally *tally, int64_t minute,
                                         enum bl_dimension dimension, const char *name)
{
    for (size_t i = 0; i < bl_tally_count(tally); i++) {
        const struct bl_entity *entity = bl_tally_at(tally, i);

        if (entity->minute == minute && entity->dimension == dimension &&
            bl_slice_eq((bl_slice){entity->name, entity->name_n}, slice(name)))
            return entity;
    }
    return NULL;
}

static uint64_t got(const struct bl_tally *tally, enum bl_dimension dimension, const char *name,
                    enum bl_outcome outcome)
{
    const struct bl_entity *entity = entity_of(tally, 0, dimension, name);

    return entity ? entity->outcome[outcome] : 0;
}

/* How many keys a dimension has, and what they sum to. */
static uint64_t sum(const struct bl_tally *tally, enum bl_dimension dimension, size_t *keys)
{
    uint64_t total = 0;

    *keys = 0;
    for (size_t i = 0; i < bl_tally_count(tally); i++) {
        const struct bl_entity *entity = bl_tally_at(tally, i);

        if (entity->dimension != dimension)
            continue;
        ++*keys;
        for (size_t k = 0; k < BL_OUTCOMES; k++)
            total += entity->outcome[k];
    }
    return total;
}

static struct bl_tally *new_tally(size_t entities, size_t failures)
{
    struct bl_tally *tally = bl_tally_new(entities, failures);

    assert_non_null(tally);
    return tally;
}

static void an_event_counts_once_in_every_dimension(void **state)
{
    struct bl_tally *tally = new_tally(100, 100);
    bl_event event = event_of(BL_BOUNCED, "Bob@Mail.EXAMPLE", "anna@Shop.Example");
    bl_slice provider = bl_rules_provider_name(bl_rules_builtin(), 1);
    char name[64] = {0};

    (void)state;
    event.provider = 1;
    memcpy(name, provider.p, provider.n);
    count(tally, 0, event);
    count(tally, 0, event);
    assert_int_equal(got(tally, BL_DIM_ALL, "*", BL_BOUNCED), 2);
    assert_int_equal(got(tally, BL_DIM_DOMAIN, "mail.example", BL_BOUNCED), 2);
    assert_int_equal(got(tally, BL_DIM_PROVIDER, name, BL_BOUNCED), 2);
    assert_int_equal(got(tally, BL_DIM_SENDER, "shop.example", BL_BOUNCED), 2);
    assert_int_equal(got(tally, BL_DIM_INSTANCE, "postfix-out", BL_BOUNCED), 2);
    assert_int_equal(bl_tally_count(tally), 5);
    /* five entities, five outcomes, three categories */
    assert_int_equal(bl_tally_fields(tally), 13);
    bl_tally_free(tally);
}

static void every_name_has_its_key(void **state)
{
    static const struct {
        const char *name, *recipient, *sender, *domain_key, *sender_key;
    } cases[] = {
        {"plain", "a@x.example", "s@y.example", "x.example", "y.example"},
        {"folded, 8 bytes at a time", "a@ABCDEFGHIJKLMNOPQRSTUVWXYZ.@[`{", "s@AZ@[.AZ", "~invalid",
         "[.az"},
        {"no domain", "root", "root", "~local", "~local"},
        {"empty domain", "root@", "root@", "~local", "~local"},
        {"null sender", "a@x.example", "", "x.example", "<>"},
        {"unknown sender", "a@x.example", NULL, "x.example", "~unknown"},
        {"last at sign", "a@b@x.example", "\"s@t\"@y.example", "x.example", "y.example"},
        {"no recipient", "", "s@y.example", "~local", "y.example"},
        {"imitates ours", "a@~other", "s@<>", "~invalid", "~invalid"},
        {"imitates ours again", "a@~local", "s@~unknown", "~invalid", "~invalid"},
        {"would break a key", "a@x|bounced", "s@y z", "~invalid", "~invalid"},
        {"control bytes", "a@x\n", "s@\x01", "~invalid", "~invalid"},
        {"international", "a@почта.example", "s@MÜLLER.example", "xn--80a1acny.example",
         "xn--mller-kva.example"},
        {"international, longer than an entity", "a@ПОЧТА.with-a-name-that-is-long.Example",
         "s@почта", "xn--80a1acny.with-a-name-that-is-long.example", "xn--80a1acny"},
        {"no UTF-8", "a@M\xdcLLER.example", "s@\xff", "m\xdcller.example", "\xff"},
        {"literal", "a@[192.0.2.1]", "s@[IPv6:2001:DB8::1]", "[192.0.2.1]", "[ipv6:2001:db8::1]"},
        {"31 bytes and 32", "a@1234567890123456789012345678901",
         "s@12345678901234567890123456789012", "1234567890123456789012345678901",
         "12345678901234567890123456789012"},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_tally *tally = new_tally(100, 100);

        print_message("%s\n", cases[i].name);
        count(tally, 0, event_of(BL_DELIVERED, cases[i].recipient, cases[i].sender));
        count(tally, 0, event_of(BL_DELIVERED, cases[i].recipient, cases[i].sender));
        assert_int_equal(got(tally, BL_DIM_DOMAIN, cases[i].domain_key, BL_DELIVERED), 2);
        assert_int_equal(got(tally, BL_DIM_SENDER, cases[i].sender_key, BL_DELIVERED), 2);
        bl_tally_free(tally);
    }
}

/* Fails when admit() takes the name as it came. */
static void spellings_of_a_domain_are_counted_together(void **state)
{
    static const char *const spellings[] = {"a@почта.example", "a@xn--80a1acny.example",
                                            "a@ПОЧТА.EXAMPLE", "a@XN--80A1ACNY.example"};
    struct bl_tally *tally = new_tally(100, 100);

    (void)state;
    for (size_t i = 0; i < 100; i++) {
        bl_event event = event_of(BL_DELIVERED, spellings[i % 4], spellings[i / 4 % 4]);

        event.instance = BL_SLICE("почта");
        count(tally, 0, event);
    }
    assert_int_equal(got(tally, BL_DIM_DOMAIN, "xn--80a1acny.example", BL_DELIVERED), 100);
    assert_int_equal(got(tally, BL_DIM_SENDER, "xn--80a1acny.example", BL_DELIVERED), 100);
    assert_int_equal(got(tally, BL_DIM_INSTANCE, "почта", BL_DELIVERED), 100); /* no domain */
    assert_int_equal(bl_tally_count(tally), 5);
    bl_tally_free(tally);
}

static void a_long_name_is_cut(void **state)
{
    struct bl_tally *tally = new_tally(100, 100);
    char recipient[303] = "a@", want[256] = {0};

    (void)state;
    memset(recipient + 2, 'X', 300);
    memset(want, 'x', 255);
    count(tally, 0, event_of(BL_DELIVERED, recipient, "s@y.example"));
    assert_int_equal(got(tally, BL_DIM_DOMAIN, want, BL_DELIVERED), 1);
    bl_tally_free(tally);
}

static void every_length_is_folded_and_found_again(void **state)
{
    struct bl_tally *tally = new_tally(1000, 100);
    char upper[66] = "a@", want[65];

    (void)state;
    for (size_t n = 1; n <= 60; n++) {
        for (size_t i = 0; i < n; i++) {
            upper[2 + i] = (char)('A' + (i + n) % 26);
            want[i] = (char)('a' + (i + n) % 26);
        }
        upper[2 + n] = want[n] = '\0';
        count(tally, 0, event_of(BL_DELIVERED, upper, ""));
        count(tally, 0, event_of(BL_DELIVERED, upper, ""));
        assert_int_equal(got(tally, BL_DIM_DOMAIN, want, BL_DELIVERED), 2);
    }
    bl_tally_free(tally);
}

static void minutes_are_kept_apart(void **state)
{
    struct bl_tally *tally = new_tally(100, 100);
    bl_event event = event_of(BL_DELIVERED, "a@x.example", "s@y.example");

    (void)state;
    for (int i = 0; i < 4; i++) { /* to and fro */
        count(tally, 1, event);
        count(tally, 2, event);
    }
    for (int64_t minute = 1; minute <= 2; minute++) {
        assert_int_equal(entity_of(tally, minute, BL_DIM_ALL, "*")->outcome[BL_DELIVERED], 4);
        assert_int_equal(
            entity_of(tally, minute, BL_DIM_DOMAIN, "x.example")->outcome[BL_DELIVERED], 4);
        assert_int_equal(
            entity_of(tally, minute, BL_DIM_INSTANCE, "postfix-out")->outcome[BL_DELIVERED], 4);
    }
    assert_int_equal(bl_tally_count(tally), 10);
    bl_tally_free(tally);
}

static void a_deferral_without_attempt_counts_apart(void **state)
{
    struct bl_tally *tally = new_tally(100, 100);
    bl_event event = event_of(BL_DEFERRED, "a@x.example", "s@y.example");
    size_t keys;

    (void)state;
    event.attempt = false;
    count(tally, 0, event);
    count(tally, 0, event);
    assert_int_equal(got(tally, BL_DIM_ALL, BL_TALLY_NO_ATTEMPT, BL_DEFERRED), 2);
    assert_int_equal(got(tally, BL_DIM_ALL, "*", BL_DEFERRED), 0);
    assert_int_equal(sum(tally, BL_DIM_DOMAIN, &keys), 0);
    assert_int_equal(bl_tally_count(tally), 1);
    bl_tally_free(tally);
}

static void categories_are_counted_for_all_provider_and_domain(void **state)
{
    static const enum bl_dimension with[] = {BL_DIM_ALL, BL_DIM_PROVIDER, BL_DIM_DOMAIN};
    struct bl_tally *tally = new_tally(100, 100);
    bl_event event = event_of(BL_BOUNCED, "a@x.example", "s@y.example");
    enum bl_outcome outcome;
    uint64_t n, seen = 0;
    uint16_t category;

    (void)state;
    for (uint16_t i = 0; i < 6; i++) {
        event.verdict.category = i % 3;
        event.outcome = i < 4 ? BL_BOUNCED : BL_EXPIRED;
        count(tally, 0, event);
    }
    event.failed = false; /* an expiry of nobody known */
    count(tally, 0, event);
    for (size_t i = 0; i < bl_tally_count(tally); i++) {
        const struct bl_entity *entity = bl_tally_at(tally, i);
        uint32_t cursor = entity->failures;
        bool wanted = false;

        for (size_t k = 0; k < BL_COUNT(with); k++)
            wanted |= entity->dimension == with[k];
        assert_int_equal(cursor != 0, wanted);
        while (bl_tally_next_failure(tally, &cursor, &outcome, &category, &n)) {
            assert_int_equal(n, outcome == BL_BOUNCED && category == 0 ? 2 : 1);
            seen += n;
        }
        assert_false(bl_tally_next_failure(tally, &cursor, &outcome, &category, &n));
    }
    assert_int_equal(seen, 18);
    bl_tally_free(tally);
}

/* The sums are exact although the table is full.  The control is the number of keys: with room for
 * all of them none falls to ~other. */
static void a_full_tally_counts_the_rest_under_other(void **state)
{
    (void)state;
    for (size_t cap = 0; cap <= 2000; cap += cap < 40 ? 1 : 980) {
        struct bl_tally *tally = new_tally(cap, 40);
        size_t keys;

        for (int i = 0; i < 500; i++) {
            char recipient[32];

            snprintf(recipient, sizeof recipient, "a@d%d.example", i % 100);
            count(tally, i % 3, event_of(BL_BOUNCED, recipient, recipient));
        }
        for (unsigned dimension = 0; dimension < BL_DIMENSIONS; dimension++)
            assert_int_equal(sum(tally, (enum bl_dimension)dimension, &keys), 500);
        if (cap >= 3 * 3 + 2 * 300) {
            assert_int_equal(bl_tally_overflow(tally), 0);
            assert_int_equal(bl_tally_count(tally), 3 * 3 + 2 * 300);
        } else {
            assert_true(bl_tally_overflow(tally) > 0);
            assert_true(bl_tally_count(tally) <= cap + 3 * BL_DIMENSIONS);
        }
        bl_tally_free(tally);
    }
}

static void more_minutes_than_other_has_room_for_lose_nothing(void **state)
{
    struct bl_tally *tally = new_tally(3, 40);
    size_t keys;

    (void)state;
    for (int i = 0; i < 1000; i++)
        count(tally, i, event_of(BL_BOUNCED, "a@x.example", "s@y.example"));
    for (unsigned dimension = 0; dimension < BL_DIMENSIONS; dimension++) {
        assert_int_equal(sum(tally, (enum bl_dimension)dimension, &keys), 1000);
        assert_true(keys <= 3 + BL_TALLY_OTHER_MINUTES);
    }
    bl_tally_free(tally);
}

static void categories_without_room_are_counted_as_lost(void **state)
{
    struct bl_tally *tally = new_tally(1000, 8);
    bl_event event = event_of(BL_BOUNCED, "a@x.example", "s@y.example");
    enum bl_outcome outcome;
    uint64_t n, seen = 0;
    uint16_t category;

    (void)state;
    for (uint16_t i = 0; i < 8; i++) {
        event.verdict.category = i;
        count(tally, 0, event);
    }
    for (size_t i = 0; i < bl_tally_count(tally); i++) {
        uint32_t cursor = bl_tally_at(tally, i)->failures;

        while (bl_tally_next_failure(tally, &cursor, &outcome, &category, &n))
            seen += n;
    }
    assert_int_equal(seen, 8);
    assert_int_equal(seen + bl_tally_failures_lost(tally), 24);
    bl_tally_free(tally);
}

static void a_cleared_tally_is_a_new_one(void **state)
{
    struct bl_tally *tally = new_tally(600, 300);

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            char recipient[64];

            snprintf(recipient, sizeof recipient,
                     "a@a-name-that-is-not-kept-inside-an-entity-%d.example", i % 200);
            count(tally, 7, event_of(BL_BOUNCED, recipient, "s@y.example"));
        }
        assert_true(bl_tally_overflow(tally) > 0 || bl_tally_count(tally) == 204);
        bl_tally_clear(tally);
        assert_int_equal(bl_tally_count(tally), 0);
        assert_int_equal(bl_tally_fields(tally), 0);
        assert_int_equal(bl_tally_overflow(tally), 0);
        assert_int_equal(bl_tally_failures_lost(tally), 0);
        count(tally, 7, event_of(BL_DELIVERED, "a@x.example", "s@y.example"));
        assert_int_equal(bl_tally_count(tally), 5);
        assert_int_equal(bl_tally_fields(tally), 10);
        bl_tally_clear(tally);
    }
    bl_tally_free(tally);
}

struct budget {
    size_t left, asked;
};

static bool within(void *arg, size_t bytes)
{
    struct budget *budget = arg;

    (void)bytes;
    budget->asked++;
    return budget->left && budget->left--;
}

static void only_the_start_allocates_and_may_fail(void **state)
{
    struct bl_tally *tally = NULL;
    struct budget budget = {0};

    (void)state;
    for (size_t n = 0; !tally; n++) {
        assert_true(n < 20);
        budget = (struct budget){.left = n};
        bl_alloc_set_hook(within, &budget);
        tally = bl_tally_new(100, 100);
    }
    assert_true(budget.asked > 1); /* control: the hook sees allocations */
    budget = (struct budget){0};
    for (int i = 0; i < 1000; i++) {
        char recipient[32];

        snprintf(recipient, sizeof recipient, "a@d%d.example", i);
        count(tally, i / 100, event_of(BL_BOUNCED, recipient, recipient));
    }
    bl_tally_clear(tally);
    bl_alloc_set_hook(NULL, NULL);
    assert_int_equal(budget.asked, 0);
    bl_tally_free(tally);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_counts_once_in_every_dimension),
        cmocka_unit_test(every_name_has_its_key),
        cmocka_unit_test(spellings_of_a_domain_are_counted_together),
        cmocka_unit_test(a_long_name_is_cut),
        cmocka_unit_test(every_length_is_folded_and_found_again),
        cmocka_unit_test(minutes_are_kept_apart),
        cmocka_unit_test(a_deferral_without_attempt_counts_apart),
        cmocka_unit_test(categories_are_counted_for_all_provider_and_domain),
        cmocka_unit_test(a_full_tally_counts_the_rest_under_other),
        cmocka_unit_test(more_minutes_than_other_has_room_for_lose_nothing),
        cmocka_unit_test(categories_without_room_are_counted_as_lost),
        cmocka_unit_test(a_cleared_tally_is_a_new_one),
        cmocka_unit_test(only_the_start_allocates_and_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
