/* ctest: label=quick timeout=300 */
/* The join is a function of the stream: however the records are cut into blocks, and however often
 * it is saved and loaded between them, the events are the same.  The control is the same cut with
 * an empty join behind it instead of the loaded one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bounceline/alloc.h"
#include "bounceline/join.h"
#include "join_stream.h"

enum { STREAMS = 60, RECORDS = 300 };
enum way { WHOLE, BLOCKS, SAVED_AT_EVERY_BORDER, LOST_AT_ONE_BORDER };

static struct bl_join *new_join(uint64_t seed)
{
    static const size_t entries[] = {1, 3, 6, 13, 40}, cells[] = {0, 3, 9, 40, 1000};
    static const unsigned shown[] = {BL_JOIN_SHOWS_ALL, BL_JOIN_SHOWS_MESSAGE_IDS, 0};
    struct bl_join *join = bl_join_new_showing(bl_rules_builtin(), entries[seed % 5],
                                               cells[seed / 5 % 5] * 64, shown[seed % 3]);

    assert_non_null(join);
    return join;
}

/* Into a join of its own, so that nothing can be left over. */
static struct bl_join *save_and_load(struct bl_join *join, uint64_t seed)
{
    struct bl_join *other = new_join(seed);
    char *image, *again;
    size_t n, again_n;

    assert_int_equal(bl_join_save(join, &image, &n), BL_OK);
    assert_int_equal(bl_join_load(other, (bl_slice){image, n}), BL_OK);
    assert_int_equal(bl_join_save(other, &again, &again_n), BL_OK);
    assert_int_equal(n, again_n);
    assert_memory_equal(image, again, n);
    bl_free(image);
    bl_free(again);
    bl_join_free(join);
    return other;
}

static void run(uint64_t seed, enum way way, struct journal *journal)
{
    static bl_record records[RECORDS];
    uint64_t state = seed * 0x9e3779b97f4a7c15 + 1, cuts = seed * 77 + 5;
    struct bl_join *join = new_join(seed);
    struct bl_join_stats stats;

    for (size_t i = 0; i < RECORDS; i++)
        records[i] = stream_record(&state, 4 + seed % 30);
    for (size_t at = 0; at < RECORDS;) {
        size_t n = way == WHOLE ? RECORDS : way == BLOCKS ? 1 + stream_random(&cuts) % 40 : 1;
        struct bl_block block = {.records = records + at,
                                 .records_n = n < RECORDS - at ? n : RECORDS - at};

        bl_join_block(join, &block, journal_event, journal);
        at += block.records_n;
        if (way == SAVED_AT_EVERY_BORDER)
            join = save_and_load(join, seed);
        if (way == LOST_AT_ONE_BORDER && at == RECORDS / 2)
            bl_join_clear(join);
    }
    stats = bl_join_stats(join);
    journal_add(journal, "live %llu evicted %llu dropped %llu unknown %llu expired unknown %llu\n",
                (unsigned long long)stats.live, (unsigned long long)stats.evicted,
                (unsigned long long)stats.text_dropped, (unsigned long long)stats.unknown,
                (unsigned long long)stats.expired_unknown);
    bl_join_free(join);
}

static size_t count_differences(enum way way)
{
    size_t differences = 0;

    for (uint64_t seed = 1; seed <= STREAMS; seed++) {
        struct journal whole = {0}, cut = {0};

        run(seed, WHOLE, &whole);
        run(seed, way, &cut);
        differences += strcmp(journal_text(&whole), journal_text(&cut)) != 0;
        journal_release(&whole);
        journal_release(&cut);
    }
    return differences;
}

static void block_borders_change_nothing(void **state)
{
    (void)state;
    assert_int_equal(count_differences(BLOCKS), 0);
}

static void saving_and_loading_at_every_border_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(count_differences(SAVED_AT_EVERY_BORDER), 0);
}

static void losing_the_join_at_one_border_is_noticed(void **state)
{
    (void)state;
    assert_true(count_differences(LOST_AT_ONE_BORDER) > STREAMS * 9 / 10);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_borders_change_nothing),
        cmocka_unit_test(saving_and_loading_at_every_border_changes_nothing),
        cmocka_unit_test(losing_the_join_at_one_border_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
