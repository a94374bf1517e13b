/* ctest: label=quick timeout=300 */
/* The join is a function of the stream: however the records are cut into blocks, and however often
 * it is saved and loaded between them, the events are the same.  Once with records by hand, once
 * with lines of a log, whose repetitions and pieces reach over the borders, and once with these as
 * a stream of counted messages that is read in pieces, and anew from every border.
 *
 * Some lines stand behind a hole.
 *
 * Negative controls: the same cut with an empty join behind it instead of the loaded one; and
 * blocks that do not know what stands before them, or know it as it stands in a counted stream.  An
 * image without what is pending, or without the number of the next piece, differs too.  In a block
 * of some records entries are found ahead of their turn, in a block of one never: when
 * find_likely() does not ask whether the entry is free, this does not end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bounceline/alloc.h"
#include "bounceline/join.h"
#include "join_stream.h"
#include "log_lines.h"
#include "splitter.h"

enum { STREAMS = 60, RECORDS = 300, LOGS = 30, LOG_CAP = 120000, LINES = 250 };
enum way { WHOLE, BLOCKS, SAVED_AT_EVERY_BORDER, LOST_AT_ONE_BORDER, BEFORE_UNKNOWN, BEFORE_RAW };

typedef void run_fn(uint64_t seed, enum way way, struct journal *journal);

static struct bl_join *new_join(uint64_t seed)
{
    static const size_t entries[] = {1, 3, 6, 13, 40}, cells[] = {0, 3, 9, 40, 1000};
    static const unsigned shown[] = {BL_SHOWS_ALL, BL_SHOWS_MESSAGE_IDS, 0};
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

static void add_stats(const struct bl_join *join, struct journal *journal)
{
    struct bl_join_stats stats = bl_join_stats(join);

    journal_add(journal, "live %llu evicted %llu dropped %llu unknown %llu expired unknown %llu\n",
                (unsigned long long)stats.live, (unsigned long long)stats.evicted,
                (unsigned long long)stats.text_dropped, (unsigned long long)stats.unknown,
                (unsigned long long)stats.expired_unknown);
}

static void run_records(uint64_t seed, enum way way, struct journal *journal)
{
    static bl_record records[RECORDS];
    uint64_t state = seed * 0x9e3779b97f4a7c15 + 1, cuts = seed * 77 + 5;
    struct bl_join *join = new_join(seed);

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
    add_stats(join, journal);
    bl_join_free(join);
}

/* The next `lines` of the log from `at`. */
static void fill(struct bl_block *block, const struct log_lines *log, size_t at, size_t lines,
                 enum way way)
{
    size_t before = at < BL_TAIL_BYTES ? at : BL_TAIL_BYTES, n = 0;

    while (lines-- > 0 && at + n < log->n)
        n += (size_t)((const char *)memchr(log->text + at + n, '\n', log->n - at - n) -
                      (log->text + at + n)) +
             1;
    memcpy(block->bytes, log->text + at, n);
    memcpy(block->before, log->text + at - before, before);
    block->before_n = way == BEFORE_UNKNOWN ? 0 : before;
    block->n = n;
    block->begin = at;
    block->end = (bl_position){.generation = 1, .offset = at + n};
    block->reference_s = 1795323818;
}

static void run_lines(uint64_t seed, enum way way, struct journal *journal)
{
    static char text[LOG_CAP];
    struct log_lines log = {.random = seed, .text = text, .cap = sizeof text};
    uint64_t cuts = seed * 77 + 5;
    struct bl_join *join = new_join(seed);
    struct bl_worker *worker = bl_worker_new(&(bl_zone){0});
    struct bl_block *block = bl_block_new();
    bool lost = false;

    assert_true(worker && block);
    for (size_t i = 0; i < LINES; i++)
        log_put_any(&log, 2 + (unsigned)(seed % 7));
    for (size_t at = 0; at < log.n; at = block->end.offset) {
        fill(block, &log, at,
             way == WHOLE    ? LINES
             : way == BLOCKS ? 1 + stream_random(&cuts) % 12
                             : 1,
             way);
        bl_block_parse(worker, bl_rules_builtin(), block);
        bl_join_block(join, block, journal_event, journal);
        if (way == SAVED_AT_EVERY_BORDER)
            join = save_and_load(join, seed);
        if (way == LOST_AT_ONE_BORDER && !lost && at > log.n / 2) {
            bl_join_clear(join);
            lost = true;
        }
    }
    bl_join_finish(join, journal_event, journal);
    add_stats(join, journal);
    bl_block_free(block);
    bl_worker_free(worker);
    bl_join_free(join);
}

/* The lines as messages, with and without a newline that is counted in. */
static size_t frame(const struct log_lines *log, uint64_t seed, char *out)
{
    size_t n = 0;

    for (size_t at = 0, line; at < log->n; at += line + 1) {
        size_t newline = stream_random(&seed) % 2;

        line = (size_t)((const char *)memchr(log->text + at, '\n', log->n - at) - (log->text + at));
        n += (size_t)sprintf(out + n, "%zu <22>", line + 4 + newline);
        memcpy(out + n, log->text + at, line + newline);
        n += line + newline;
    }
    return n;
}

/* A splitter that begins at `at`. */
static void begin_splitter(struct bl_splitter *splitter, const char *bytes, size_t at)
{
    size_t before = at < BL_TAIL_BYTES ? at : BL_TAIL_BYTES;

    assert_int_equal(bl_splitter_init(splitter, &(bl_position){.generation = 1, .offset = at}),
                     BL_OK);
    bl_splitter_prime(splitter, (bl_slice){bytes + at - before, before}, BL_FRAME_DONE);
}

static void run_messages(uint64_t seed, enum way way, struct journal *journal)
{
    static char text[LOG_CAP], framed[LOG_CAP + 16 * LINES];
    struct log_lines log = {.random = seed, .text = text, .cap = sizeof text};
    uint64_t cuts = seed * 77 + 5;
    struct bl_join *join = new_join(seed);
    struct bl_worker *worker = bl_worker_new(&(bl_zone){0});
    struct bl_block *block = bl_block_new();
    struct bl_splitter splitter;
    size_t n;

    assert_true(worker && block);
    for (size_t i = 0; i < LINES; i++)
        log_put_any(&log, 2 + (unsigned)(seed % 7));
    n = frame(&log, seed, framed);
    begin_splitter(&splitter, framed, 0);
    while (splitter.at.offset < n) {
        size_t room, got = way == WHOLE ? n : 1 + stream_random(&cuts) % 900;
        char *to = bl_splitter_room(&splitter, block, &room);

        got = got < n - splitter.read_at ? got : n - splitter.read_at;
        memcpy(to, framed + splitter.read_at, got);
        if (!bl_splitter_fill(&splitter, block, got))
            continue;
        block->reference_s = 1795323818;
        if (way == BEFORE_UNKNOWN)
            block->before_n = 0;
        if (way == BEFORE_RAW) {
            block->before_n = block->begin < BL_TAIL_BYTES ? (size_t)block->begin : BL_TAIL_BYTES;
            memcpy(block->before, framed + block->begin - block->before_n, block->before_n);
        }
        bl_block_parse(worker, bl_rules_builtin(), block);
        bl_join_block(join, block, journal_event, journal);
        if (way == SAVED_AT_EVERY_BORDER) {
            join = save_and_load(join, seed);
            bl_splitter_release(&splitter);
            begin_splitter(&splitter, framed, (size_t)block->end.offset);
        }
    }
    bl_join_finish(join, journal_event, journal);
    add_stats(join, journal);
    bl_splitter_release(&splitter);
    bl_block_free(block);
    bl_worker_free(worker);
    bl_join_free(join);
}

static size_t count_differences(run_fn *run, size_t streams, enum way way)
{
    size_t differences = 0;

    for (uint64_t seed = 1; seed <= streams; seed++) {
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
    assert_int_equal(count_differences(run_records, STREAMS, BLOCKS), 0);
    assert_int_equal(count_differences(run_lines, LOGS, BLOCKS), 0);
    assert_int_equal(count_differences(run_messages, LOGS, BLOCKS), 0);
}

static void saving_and_loading_at_every_border_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(count_differences(run_records, STREAMS, SAVED_AT_EVERY_BORDER), 0);
    assert_int_equal(count_differences(run_lines, LOGS, SAVED_AT_EVERY_BORDER), 0);
    assert_int_equal(count_differences(run_messages, LOGS, SAVED_AT_EVERY_BORDER), 0);
}

static void losing_the_join_at_one_border_is_noticed(void **state)
{
    (void)state;
    assert_true(count_differences(run_records, STREAMS, LOST_AT_ONE_BORDER) > STREAMS * 9 / 10);
    assert_true(count_differences(run_lines, LOGS, LOST_AT_ONE_BORDER) > LOGS * 9 / 10);
}

static void not_knowing_what_stands_before_is_noticed(void **state)
{
    (void)state;
    assert_true(count_differences(run_lines, LOGS, BEFORE_UNKNOWN) > LOGS * 3 / 4);
    assert_true(count_differences(run_messages, LOGS, BEFORE_UNKNOWN) > LOGS * 3 / 4);
    assert_true(count_differences(run_messages, LOGS, BEFORE_RAW) > LOGS * 3 / 4);
}

/* How many events there are whose line begins with `begin` and holds `also`. */
static size_t count_events(const struct journal *journal, const char *begin, const char *also)
{
    size_t n = 0;

    for (const char *line = journal_text(journal), *end; (end = strchr(line, '\n')); line = end + 1)
        n += strncmp(line, begin, strlen(begin)) == 0 &&
             memmem(line, (size_t)(end - line), also, strlen(also)) != NULL;
    return n;
}

/* The lines are worth comparing: what needs another line does get it, over and over. */
static void the_lines_hold_what_reaches_over_borders(void **state)
{
    static const struct {
        const char *begin, *also;
    } all[] = {{"delivered 1xUz", " to=held"}, {"bounced 1xUz", " to=piece"},
               {"expired 1xUz", "(452 4.2.2"}, {"expired A000", "(452 4.2.2"},
               {"deferred A000", " to=twice"}, {"rejected 1xUz", " from=e"}};
    struct journal journal = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= LOGS; seed++)
        run_lines(seed, WHOLE, &journal);
    for (size_t i = 0; i < BL_COUNT(all); i++)
        if (count_events(&journal, all[i].begin, all[i].also) < 20)
            fail_msg("%s...%s: %zu", all[i].begin, all[i].also,
                     count_events(&journal, all[i].begin, all[i].also));
    journal_release(&journal);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_borders_change_nothing),
        cmocka_unit_test(saving_and_loading_at_every_border_changes_nothing),
        cmocka_unit_test(losing_the_join_at_one_border_is_noticed),
        cmocka_unit_test(not_knowing_what_stands_before_is_noticed),
        cmocka_unit_test(the_lines_hold_what_reaches_over_borders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
