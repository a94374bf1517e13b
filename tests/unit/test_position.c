/* ctest: label=quick
 * Positions, lists of them, and the snapshot file that carries them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounceline/alloc.h"
#include "bounceline/snapshot.h"
#include "guarded.h"
#include "snapshot_file.h"

static const bl_position sample = {
    .generation = 7,
    .source = 0xfeedULL,
    .offset = 1234567,
    .device = 2049,
    .inode = 42,
    .birth_ns = -5,
    .head_n = 4096,
    .tail_n = 4096,
    .head_hash = 0x0123456789abcdefULL,
    .tail_hash = UINT64_MAX,
    .seen_s = 1795323818,
    .finished = true,
};

static void assert_same(const bl_position *a, const bl_position *b)
{
    char x[BL_POSITION_TEXT_MAX], y[BL_POSITION_TEXT_MAX];

    assert_int_equal(a->generation, b->generation);
    bl_position_text(a, x);
    bl_position_text(b, y);
    assert_string_equal(x, y);
}

static void text_comes_back_as_the_same_position(void **state)
{
    char text[BL_POSITION_TEXT_MAX];
    size_t n = bl_position_text(&sample, text);
    bl_position got;

    (void)state;
    assert_int_equal(bl_position_parse(7, guarded_bytes(text, n), &got), BL_OK);
    assert_same(&sample, &got);
    assert_true(strncmp(text, "1234567 ", 8) == 0); /* the fence reads the offset first */
    for (unsigned i = 0; i < 6; i++) {
        static const uint64_t told_at[] = {0, 1000, 1234567};
        bl_position one = sample;

        one.finished = i & 1;
        one.told_at = told_at[i / 2];
        n = bl_position_text(&one, text);
        assert_int_equal(bl_position_parse(7, guarded_bytes(text, n), &got), BL_OK);
        assert_same(&one, &got);
        assert_int_equal(got.finished, one.finished);
        assert_int_equal(got.told_at, one.told_at);
    }
}

static void the_longest_text_has_room(void **state)
{
    bl_position p = {.generation = 1,
                     .source = UINT64_MAX,
                     .offset = INT64_MAX,
                     .device = UINT64_MAX,
                     .inode = UINT64_MAX,
                     .birth_ns = -INT64_MAX,
                     .head_n = BL_HEAD_BYTES,
                     .tail_n = BL_TAIL_BYTES,
                     .head_hash = UINT64_MAX,
                     .tail_hash = UINT64_MAX,
                     .seen_s = -INT64_MAX,
                     .finished = true,
                     .told_at = INT64_MAX};
    char text[BL_POSITION_TEXT_MAX];
    size_t n = bl_position_text(&p, text);
    bl_position got;

    (void)state;
    assert_int_equal(n, strlen(text));
    assert_int_equal(bl_position_parse(1, guarded_bytes(text, n), &got), BL_OK);
    assert_same(&p, &got);
}

/* STATE instead of FINISHED and TOLD: 1 finished, 2 told at the offset. */
static void the_old_text_is_read(void **state)
{
    static const char *const old[] = {
        "120 00000000000000fe 1 2 3 0 0 0 0 4 0",
        "120 00000000000000fe 1 2 3 0 0 0 0 4 1",
        "120 00000000000000fe 1 2 3 0 0 0 0 4 2",
        "120 00000000000000fe 1 2 3 0 0 0 0 4 3",
    };

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bl_position got;

        assert_int_equal(bl_position_parse(7, guarded(old[i]), &got), BL_OK);
        assert_int_equal(got.finished, i & 1);
        assert_int_equal(got.told_at, i & 2 ? 120 : 0);
    }
}

/* What is known of an offset, in any order: finished, and told there. */
static void a_position_moves_by_what_is_new_at_the_same_offset(void **state)
{
    static const struct {
        bool was_finished, finished;
        uint64_t told, tells;
        bool moves;
    } cases[] = {
        {false, false, 0, 0, false},    {false, true, 0, 0, true},
        {true, false, 0, 0, false},     {false, false, 0, 100, true},
        {false, false, 50, 100, true},  {true, true, 50, 100, true},
        {false, true, 100, 100, true},  {true, true, 100, 100, false},
        {false, false, 100, 50, false}, {true, false, 0, 100, true},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        bl_position has = {.generation = 1,
                           .offset = 100,
                           .finished = cases[i].was_finished,
                           .told_at = cases[i].told},
                    end = {.generation = 1,
                           .offset = 100,
                           .finished = cases[i].finished,
                           .told_at = cases[i].tells};

        assert_int_equal(bl_position_moves(&has, &end), cases[i].moves);
        end.offset = 99;
        end.told_at = 0;
        assert_false(bl_position_moves(&has, &end));
    }
}

static void every_cut_and_every_odd_text_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "12",
        "x 0000000000000000 0 0 0 0 0 0 0 0 0",
        "1 0000000000000000 0 0 0 4097 0 0 0 0 0",
        "1 0000000000000000 0 0 0 0 0 0 0 0 4",
        "-1 0000000000000000 0 0 0 0 0 0 0 0 0",
        "1 0000000000000000 0 0 0 0 0 0 0 0 0 0", /* told at 0 is not to be told */
        "1 0000000000000000 0 0 0 0 0 0 0 0 0 2",
        "1 0000000000000000 0 0 0 0 0 0 0 0 2 1",
        "1 0000000000000000 0 0 0 0 0 0 0 0 0 1 0",
        "99999999999999999999 0 0 0 0 0 0 0 0 0 0",
        "1 00000000000000000 0 0 0 0 0 0 0 0 0",
    };
    char text[BL_POSITION_TEXT_MAX];
    size_t n = bl_position_text(&sample, text);
    bl_position got = {.generation = 99};

    (void)state;
    for (size_t cut = 0; cut + 1 < n; cut++)
        assert_int_equal(bl_position_parse(7, guarded_bytes(text, cut), &got), BL_BAD_INPUT);
    for (size_t i = 0; i < BL_COUNT(bad); i++)
        assert_int_equal(bl_position_parse(7, guarded(bad[i]), &got), BL_BAD_INPUT);
    assert_int_equal(bl_position_parse(0, guarded_bytes(text, n), &got), BL_BAD_INPUT);
    assert_int_equal(got.generation, 99);
}

static void a_list_keeps_one_position_per_generation(void **state)
{
    struct bl_positions list = {0}, copy = {0};
    bl_position p = sample;

    (void)state;
    for (uint64_t g = 1; g <= 20; g++) {
        p.generation = g;
        p.offset = g * 10;
        assert_int_equal(bl_positions_put(&list, &p), BL_OK);
    }
    p.generation = 3;
    p.offset = 999;
    assert_int_equal(bl_positions_put(&list, &p), BL_OK);
    assert_int_equal(list.n, 20);
    assert_int_equal(bl_positions_offset(&list, 3), 999);
    assert_int_equal(bl_positions_offset(&list, 77), 0);
    assert_int_equal(bl_positions_copy(&copy, &list), BL_OK);
    bl_positions_remove(&list, 3);
    assert_null(bl_positions_find(&list, 3));
    assert_int_equal(bl_positions_offset(&copy, 3), 999);
    bl_positions_release(&list);
    bl_positions_release(&copy);
}

static struct bl_snapshot *a_snapshot(void)
{
    struct bl_snapshot *s = bl_calloc(1, sizeof *s);
    bl_position p = sample;

    assert_non_null(s);
    s->dataset = 0xabc;
    for (uint64_t g = 1; g <= 3; g++) {
        p.generation = g;
        p.finished = g == 1;
        assert_int_equal(bl_positions_put(&s->positions, &p), BL_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        s->source[i] = 100 + i;
        s->join_n[i] = 10 * i;
        s->join[i] = bl_calloc(1, 10 * i);
        s->sources++;
    }
    return s;
}

static void a_snapshot_comes_back_and_a_damaged_one_is_refused(void **state)
{
    struct bl_snapshot *s = a_snapshot(), *got = NULL;
    size_t n;
    char *file = snapshot_file(s, &n);

    (void)state;
    assert_int_equal(bl_snapshot_decode(guarded_bytes(file, n), &got, NULL), BL_OK);
    assert_int_equal(got->dataset, 0xabc);
    assert_int_equal(got->positions.n, 3);
    assert_same(&got->positions.v[1], &s->positions.v[1]);
    assert_int_equal(got->sources, 2);
    assert_int_equal(got->join_n[1], 10);
    bl_snapshot_free(got);
    for (size_t cut = 0; cut < n; cut++) /* cut short anywhere */
        assert_int_equal(bl_snapshot_decode(guarded_bytes(file, cut), &got, NULL), BL_BAD_INPUT);
    for (size_t i = 0; i < n; i++) { /* one bit anywhere: the checksum is the protection */
        file[i] ^= 1;
        assert_int_equal(bl_snapshot_decode(guarded_bytes(file, n), &got, NULL), BL_BAD_INPUT);
        file[i] ^= 1;
    }
    bl_free(file);
    bl_snapshot_free(s);
}

static void a_snapshot_is_usable_only_when_no_slot_is_behind_it(void **state)
{
    struct bl_snapshot *s = a_snapshot();
    struct bl_positions slots[2] = {{0}, {0}};

    (void)state;
    assert_int_equal(bl_positions_copy(&slots[0], &s->positions), BL_OK);
    assert_false(bl_snapshot_usable(s, slots, 2)); /* slot 1 knows nothing */
    assert_int_equal(bl_positions_copy(&slots[1], &s->positions), BL_OK);
    assert_true(bl_snapshot_usable(s, slots, 2));
    bl_positions_find(&slots[1], 2)->offset--;
    assert_false(bl_snapshot_usable(s, slots, 2));
    bl_positions_find(&slots[1], 2)->offset += 5;
    assert_true(bl_snapshot_usable(s, slots, 2));
    bl_positions_find(&s->positions, 2)->told_at = 9;
    /* what waited there is not in the join, nor in a slot */
    assert_false(bl_snapshot_usable(s, slots, 2));
    bl_positions_find(&slots[0], 2)->told_at = 9;
    assert_false(bl_snapshot_usable(s, slots, 2));
    bl_positions_find(&slots[1], 2)->told_at = 20; /* so at 9, too */
    assert_true(bl_snapshot_usable(s, slots, 2));
    bl_positions_remove(&slots[1], 1); /* finished and pruned there */
    assert_true(bl_snapshot_usable(s, slots, 2));
    bl_positions_remove(&slots[1], 3); /* alive and unknown there: behind */
    assert_false(bl_snapshot_usable(s, slots, 2));
    for (size_t i = 0; i < 2; i++)
        bl_positions_release(&slots[i]);
    bl_snapshot_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_back_as_the_same_position),
        cmocka_unit_test(the_longest_text_has_room),
        cmocka_unit_test(the_old_text_is_read),
        cmocka_unit_test(a_position_moves_by_what_is_new_at_the_same_offset),
        cmocka_unit_test(every_cut_and_every_odd_text_is_refused),
        cmocka_unit_test(a_list_keeps_one_position_per_generation),
        cmocka_unit_test(a_snapshot_comes_back_and_a_damaged_one_is_refused),
        cmocka_unit_test(a_snapshot_is_usable_only_when_no_slot_is_behind_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
