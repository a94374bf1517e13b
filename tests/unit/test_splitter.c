/* ctest: label=quick timeout=60 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bounceline/hash.h"
#include "splitter.h"

static struct bl_block block;
static struct bl_splitter splitter;
static const bl_position zero;

static int setup(void **state)
{
    (void)state;
    block = (struct bl_block){.bytes = malloc(BL_BLOCK_BYTES + BL_BLOCK_SLACK)};
    return block.bytes && bl_splitter_init(&splitter, &zero) == BL_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(block.bytes);
    bl_splitter_release(&splitter);
    return 0;
}

static bool feed(const char *bytes, size_t n)
{
    size_t room;
    char *to = bl_splitter_room(&splitter, &block, &room);

    assert_true(n <= room);
    memcpy(to, bytes, n);
    block.n = 0;
    block.long_lines = 0;
    return bl_splitter_fill(&splitter, &block, n);
}

static void expect(uint64_t begin, uint64_t end, const char *lines)
{
    assert_int_equal(block.begin, begin);
    assert_int_equal(block.end.offset, end);
    assert_int_equal(block.n, strlen(lines));
    assert_memory_equal(block.bytes, lines, block.n);
}

static void the_unfinished_line_is_carried_to_the_next_block(void **state)
{
    (void)state;
    assert_true(feed("one\ntw", 6));
    expect(0, 4, "one\n");
    assert_false(feed("o", 1));
    assert_true(feed("\nthree\nfo", 9));
    expect(4, 14, "two\nthree\n");
    assert_true(bl_splitter_finish(&splitter, &block));
    expect(14, 16, "fo");
    assert_false(bl_splitter_finish(&splitter, &block));
}

static void empty_lines_and_nothing(void **state)
{
    (void)state;
    assert_false(feed("", 0));
    assert_false(bl_splitter_finish(&splitter, &block));
    assert_true(feed("\n\n", 2));
    expect(0, 2, "\n\n");
}

/* Line of `n` bytes of 'x' and a newline. */
static char *long_line(size_t n)
{
    char *line = malloc(n + 1);

    assert_non_null(line);
    memset(line, 'x', n);
    line[n] = '\n';
    return line;
}

static void a_line_of_the_longest_length_is_whole_and_one_more_is_cut(void **state)
{
    char *line = long_line(BL_LINE_MAX + 1);

    (void)state;
    assert_true(feed(line + 1, BL_LINE_MAX + 1));
    assert_int_equal(block.n, BL_LINE_MAX + 1);
    assert_int_equal(block.long_lines, 0);
    assert_true(feed(line, BL_LINE_MAX + 2));
    assert_int_equal(block.n, BL_LINE_MAX + 1);
    assert_int_equal(block.long_lines, 1);
    assert_int_equal(block.bytes[BL_LINE_MAX], '\n');
    assert_int_equal(block.end.offset, 2 * BL_LINE_MAX + 3);
    free(line);
}

static void t20_a_line_of_10_mib_is_cut_and_the_next_one_is_right(void **state)
{
    size_t left = 10 << 20;
    char *piece = long_line(100000);

    (void)state;
    assert_true(feed("before\nhead ", 12));
    expect(0, 7, "before\n");
    while (left) {
        size_t n = left < 100000 ? left : 100000;

        assert_false(feed(piece, n));
        left -= n;
    }
    assert_true(feed("end\nafter\n", 10));
    assert_int_equal(block.long_lines, 1);
    assert_int_equal(block.n, BL_LINE_MAX + 1 + 6);
    assert_memory_equal(block.bytes, "head x", 6);
    assert_memory_equal(block.bytes + BL_LINE_MAX, "\nafter\n", 7);
    assert_int_equal(block.end.offset, 12 + (10 << 20) + 10);
    free(piece);
}

static void t19_a_hole_of_1_mib_does_not_cost_the_line_behind_it(void **state)
{
    char *hole = calloc(1, 100000);

    (void)state;
    assert_non_null(hole);
    assert_true(feed("before\n", 7));
    for (int i = 0; i < 10; i++)
        assert_false(feed(hole, 100000));
    assert_false(feed("af", 2));
    assert_true(feed("ter\n", 4));
    expect(7, 1000013, "after\n");
    assert_int_equal(block.long_lines, 0);
    free(hole);
}

static void hashes_are_over_the_bytes_of_the_file(void **state)
{
    char *file = malloc(300000);
    size_t at = 0;

    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < 300000; i++)
        file[i] = i % 91 == 90 ? '\n' : (char)('a' + i % 23);
    memset(file + 20000, 'L', 100000); /* a long line in between */
    for (size_t step = 1; at + step <= 300000; at += step, step = step * 3 % 9973 + 1) {
        uint64_t end;

        if (!feed(file + at, step))
            continue;
        end = block.end.offset;
        assert_true(end <= at + step);
        assert_int_equal(block.end.tail_n, end < BL_TAIL_BYTES ? end : BL_TAIL_BYTES);
        assert_int_equal(block.end.tail_hash,
                         bl_hash64((bl_slice){file + end - block.end.tail_n, block.end.tail_n}));
        assert_int_equal(block.end.head_n, end < BL_HEAD_BYTES ? end : BL_HEAD_BYTES);
        assert_int_equal(block.end.head_hash, bl_hash64((bl_slice){file, block.end.head_n}));
    }
    free(file);
}

static void it_goes_on_from_an_offset_when_primed(void **state)
{
    char file[6000];

    (void)state;
    for (size_t i = 0; i < sizeof file; i++)
        file[i] = i % 50 == 49 ? '\n' : (char)('a' + i % 23);
    for (size_t from = 50; from < 5900; from += 500) {
        bl_position at = {.generation = 7, .offset = from};
        struct bl_splitter second;
        size_t before = from < BL_TAIL_BYTES ? from : BL_TAIL_BYTES;

        at.head_n = (uint32_t)(from < BL_HEAD_BYTES ? from : BL_HEAD_BYTES);
        at.head_hash = bl_hash64((bl_slice){file, at.head_n});
        bl_splitter_release(&splitter);
        assert_int_equal(bl_splitter_init(&splitter, &at), BL_OK);
        bl_splitter_prime(&splitter, (bl_slice){file + from - before, before}, BL_FRAME_BAD);
        assert_true(feed(file + from, sizeof file - from));
        assert_int_equal(block.begin, from);
        assert_int_equal(block.end.generation, 7);
        second = splitter;
        bl_splitter_init(&splitter, &zero);
        assert_true(feed(file, sizeof file));
        assert_int_equal(splitter.at.offset, second.at.offset);
        assert_int_equal(splitter.at.head_hash, second.at.head_hash);
        assert_int_equal(splitter.at.tail_hash, second.at.tail_hash);
        assert_int_equal(splitter.at.tail_n, second.at.tail_n);
        bl_splitter_release(&second);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_unfinished_line_is_carried_to_the_next_block),
        TEST(empty_lines_and_nothing),
        TEST(a_line_of_the_longest_length_is_whole_and_one_more_is_cut),
        TEST(t20_a_line_of_10_mib_is_cut_and_the_next_one_is_right),
        TEST(t19_a_hole_of_1_mib_does_not_cost_the_line_behind_it),
        TEST(hashes_are_over_the_bytes_of_the_file),
        TEST(it_goes_on_from_an_offset_when_primed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
