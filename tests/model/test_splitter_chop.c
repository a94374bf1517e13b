/* ctest: label=quick timeout=120 */
/* The splitter against a plain model: however the bytes are chopped into reads, the blocks hold the
 * same lines, count the same long ones and end at the same offsets as reading line by line would.
 *
 * The same for counted messages.
 *
 * Negative control: model_notices_a_lost_carry drops the carried line between two reads and expects
 * the comparison to fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "splitter.h"

enum { FILE_BYTES = 1 << 20 };

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

struct text {
    char *p;
    size_t n;
    uint64_t long_lines;
};

static struct text file, want, got;

static void put(struct text *t, const char *p, size_t n)
{
    assert_true(t->n + n <= 2 * FILE_BYTES);
    memcpy(t->p + t->n, p, n);
    t->n += n;
}

/* Lines of many lengths, some around and over the limit, some of NULs; the last without newline. */
static void make_file(void)
{
    static char line[4 * BL_LINE_MAX];

    file.n = 0;
    while (file.n < FILE_BYTES - sizeof line) {
        static const uint32_t lengths[] = {0,
                                           1,
                                           80,
                                           150,
                                           300,
                                           4000,
                                           BL_LINE_MAX - 1,
                                           BL_LINE_MAX,
                                           BL_LINE_MAX + 1,
                                           2 * BL_LINE_MAX,
                                           3 * BL_LINE_MAX};
        size_t n = draw(20) ? draw(300) : lengths[draw(BL_COUNT(lengths))];
        size_t nuls = draw(8) ? 0 : draw(2) ? draw((uint32_t)n + 1) : n;

        for (size_t i = 0; i < n; i++)
            line[i] = i < nuls ? 0 : (char)('a' + draw(26));
        line[n] = '\n';
        put(&file, line, n + 1);
    }
    file.n -= draw(3);
}

/* The definition: one line at a time. */
static void model(void)
{
    want.n = 0;
    want.long_lines = 0;
    for (size_t at = 0; at < file.n;) {
        const char *line = file.p + at;
        const char *newline = memchr(line, '\n', file.n - at);
        size_t n = newline ? (size_t)(newline - line) : file.n - at, whole = n;

        if (n > BL_LINE_MAX) {
            while (n && *line == 0)
                line++, n--;
            if (n > BL_LINE_MAX) {
                n = BL_LINE_MAX;
                want.long_lines++;
            }
        }
        put(&want, line, n);
        if (newline)
            put(&want, "\n", 1);
        at += whole + (newline != NULL);
    }
}

/* Messages of many lengths with newlines and counts inside, here and there text without a count. */
static void make_counted_file(void)
{
    static const char alphabet[] = "ab 1<9>\n";

    file.n = want.n = 0;
    want.long_lines = 0;
    while (file.n < FILE_BYTES - BL_LINE_MAX - 64) {
        static char text[BL_LINE_MAX + 64];
        size_t n = draw(500) ? draw(300) : BL_LINE_MAX - 4 - draw(300);
        bool counted = file.n == 0 || draw(50) != 0, newline = draw(2);
        int head = counted ? snprintf(text, sizeof text, "%zu <22>", n + 4 + newline) : 1;

        if (!counted)
            text[0] = 'x';
        for (size_t i = 0; i < n; i++)
            text[(size_t)head + i] = counted ? alphabet[draw(sizeof alphabet - 1)] : 'y';
        if (counted && n && text[(size_t)head + n - 1] == '\n')
            text[(size_t)head + n - 1] = 'z';
        put(&file, text, (size_t)head + n);
        if (newline || !counted)
            put(&file, "\n", 1);
        for (size_t i = 0; i < (size_t)head + n; i++)
            text[i] = text[i] == '\n' ? ' ' : text[i];
        if (counted)
            put(&want, "<22>", 4);
        else
            put(&want, text, 1);
        put(&want, text + head, n);
        put(&want, "\n", 1);
    }
}

static void collect(struct bl_block *block, uint64_t *end)
{
    assert_int_equal(block->begin, *end);
    assert_true(block->end.offset > block->begin);
    assert_true(block->n <= BL_BLOCK_BYTES);
    *end = block->end.offset;
    put(&got, block->bytes, block->n);
    got.long_lines += block->long_lines;
    block->n = 0;
    block->long_lines = 0;
}

static void split(uint32_t most, bool lose_carry)
{
    struct bl_splitter s;
    struct bl_block block = {.bytes = malloc(BL_BLOCK_BYTES + BL_BLOCK_SLACK)};
    uint64_t end = 0;

    got.n = 0;
    got.long_lines = 0;
    assert_non_null(block.bytes);
    assert_int_equal(bl_splitter_init(&s, &(bl_position){0}), BL_OK);
    for (size_t at = 0; at < file.n;) {
        size_t room, n;
        char *to = bl_splitter_room(&s, &block, &room);

        n = 1 + draw(most);
        if (n > room)
            n = room;
        if (n > file.n - at)
            n = file.n - at;
        memcpy(to, file.p + at, n);
        at += n;
        if (bl_splitter_fill(&s, &block, n))
            collect(&block, &end);
        if (lose_carry)
            s.carry_n = 0;
    }
    if (bl_splitter_finish(&s, &block))
        collect(&block, &end);
    assert_int_equal(end, file.n);
    bl_splitter_release(&s);
    free(block.bytes);
}

static bool same(void)
{
    return got.n == want.n && got.long_lines == want.long_lines &&
           memcmp(got.p, want.p, want.n) == 0;
}

static void every_chop_gives_the_lines_of_the_model(void **state)
{
    static const uint32_t most[] = {300, 5000, 70000, BL_BLOCK_BYTES};

    (void)state;
    for (int round = 0; round < 8; round++) {
        make_file();
        model();
        for (size_t i = 0; i < BL_COUNT(most); i++) {
            split(most[i], false);
            if (!same())
                fail_msg(
                    "round %d, reads of at most %u bytes: %zu bytes %llu long, wanted %zu and %llu",
                    round, most[i], got.n, (unsigned long long)got.long_lines, want.n,
                    (unsigned long long)want.long_lines);
        }
    }
}

static void every_chop_gives_the_counted_messages(void **state)
{
    static const uint32_t most[] = {3, 300, 5000, 70000, BL_BLOCK_BYTES};

    (void)state;
    for (int round = 0; round < 2; round++) {
        make_counted_file();
        for (size_t i = round > 0; i < BL_COUNT(most); i++) {
            split(most[i], false);
            if (!same())
                fail_msg("round %d, reads of at most %u bytes: %zu bytes, wanted %zu", round,
                         most[i], got.n, want.n);
        }
    }
}

static void model_notices_a_lost_carry(void **state)
{
    (void)state;
    make_file();
    model();
    split(5000, true);
    assert_false(same());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chop_gives_the_lines_of_the_model),
        cmocka_unit_test(every_chop_gives_the_counted_messages),
        cmocka_unit_test(model_notices_a_lost_carry),
    };

    file.p = malloc(2 * FILE_BYTES);
    want.p = malloc(2 * FILE_BYTES);
    got.p = malloc(2 * FILE_BYTES);
    if (!file.p || !want.p || !got.p)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
