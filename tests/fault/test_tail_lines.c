/* ctest: label=quick timeout=120 */
/* Lines that are unfinished, huge, full of holes; blocks that end where slots stopped. */
#include "fault/tail_rig.c"

static void t17_half_a_line_at_shutdown(void **state)
{
    struct rig *rig = *state;
    char line[256];
    size_t n;

    rig_write(rig, "mail.log", 10);
    n = rig_line(rig, line);
    rig_append(rig, "mail.log", line, 40);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_settle(rig);
    assert_int_equal(rig->lines, 10);
    rig_stop(rig);
    rig_append(rig, "mail.log", line + 40, n - 40);
    rig_write(rig, "mail.log", 5);
    rig_start(rig, NULL);
    rig_wait(rig, 16);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(rig->odd, 0);
}

static void t17_a_line_that_comes_byte_by_byte(void **state)
{
    struct rig *rig = *state;
    char line[256];
    size_t n;

    rig_write(rig, "mail.log", 1);
    rig_start(rig, NULL);
    rig_wait(rig, 1);
    n = rig_line(rig, line);
    for (size_t i = 0; i < n; i++) {
        rig_append(rig, "mail.log", line + i, 1);
        if (i % 10 == 0)
            rig_spin(rig, 10);
    }
    rig_wait(rig, 2);
    rig_expect_all(rig);
    assert_int_equal(rig->odd, 0);
}

static void t18_no_newline_at_the_end_of_a_rotated_file(void **state)
{
    struct rig *rig = *state;
    char line[256];
    size_t n;

    rig_write(rig, "mail.log", 10);
    n = rig_line(rig, line);
    rig_append(rig, "mail.log", line, n - 1);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 5);
    rig_wait(rig, 15);
    assert_int_equal(rig->lines, 15); /* the writer may still finish it */
    rig_wait(rig, 16);
    rig_settle(rig);
    rig_expect_all(rig);
    rig_restart(rig);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t18_no_newline_at_the_end_of_an_archive(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"mail.log", "mail.log.1.gz", NULL};
    char line[256];
    size_t n;

    rig_write(rig, "old", 10);
    n = rig_line(rig, line);
    rig_append(rig, "old", line, n - 1);
    rig_pack(rig, "old", "mail.log.1.gz");
    rig_write(rig, "mail.log", 5);
    rig_start(rig, names);
    rig_wait(rig, 16);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t19_a_hole_of_1_mib_in_the_middle(void **state)
{
    struct rig *rig = *state;
    int fd;

    rig_write(rig, "mail.log", 10);
    fd = open(rig->log, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    lseek(fd, 1 << 20, SEEK_END);
    rig_write_fd(rig, fd, 10);
    close(fd);
    rig_start(rig, NULL);
    rig_wait(rig, 20);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(rig->long_lines, 0);
    assert_int_equal(rig->odd, 0);
}

static void t19_the_hole_a_writer_leaves_that_does_not_append(void **state)
{
    struct rig *rig = *state;
    int fd = open(rig->log, O_WRONLY | O_CREAT | O_CLOEXEC, 0644); /* keeps its own offset */

    assert_true(fd >= 0);
    rig_write_fd(rig, fd, 1000);
    rig_start(rig, NULL);
    rig_wait(rig, 1000);
    rig_copy(rig, "mail.log", "mail.log.1");
    rig_truncate(rig, "mail.log");
    rig_write_fd(rig, fd, 10);
    rig_wait(rig, 1010);
    close(fd);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t20_a_line_of_10_mib(void **state)
{
    struct rig *rig = *state;
    char *junk = malloc(1 << 20);

    assert_non_null(junk);
    memset(junk, 'j', 1 << 20);
    rig_write(rig, "mail.log", 10);
    for (int i = 0; i < 10; i++)
        rig_append(rig, "mail.log", junk, 1 << 20);
    rig_append(rig, "mail.log", "\n", 1);
    rig_write(rig, "mail.log", 10);
    free(junk);
    rig_start(rig, NULL);
    rig_wait(rig, 21);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(rig->long_lines, 1);
    assert_int_equal(rig->odd, 1);
}

/* --- slots --- */

static uint64_t line_end(struct rig *rig, unsigned line)
{
    FILE *file = fopen(rig->log, "rb");
    uint64_t at = 0;
    int c;

    assert_non_null(file);
    while (line && (c = getc(file)) != EOF) {
        at++;
        line -= c == '\n';
    }
    fclose(file);
    return at;
}

/* What one slot would hold had it stopped behind that line. */
static void slot_at(struct rig *rig, struct bl_resume *resume, size_t slot, unsigned line)
{
    bl_position p = rig->at.v[0];
    struct bl_before before;
    struct bl_logfile file;

    assert_int_equal(bl_logfile_open(&file, rig->log, NULL), BL_OK);
    assert_int_equal(bl_identity_place(&file, line_end(rig, line), &p, &before, NULL), BL_OK);
    bl_logfile_close(&file);
    bl_positions_release(&resume->slot[slot]);
    assert_int_equal(bl_positions_put(&resume->slot[slot], &p), BL_OK);
    if (resume->partitions < slot)
        resume->partitions = (unsigned)slot;
}

static bool a_block_ends_at(struct rig *rig, uint64_t offset)
{
    for (size_t i = 0; i < rig->trails; i++)
        if (rig->trail[i].begin < offset && rig->trail[i].end > offset)
            return false; /* across it */
    for (size_t i = 0; i < rig->trails; i++)
        if (rig->trail[i].end == offset)
            return true;
    return false;
}

static struct bl_resume *after_100_lines(struct rig *rig)
{
    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    rig->trails = 0;
    rig->lines = 0;
    memset(rig->times, 0, RIG_LINES);
    return rig_resume(rig);
}

static void blocks_end_at_every_slots_offset(void **state)
{
    struct rig *rig = *state;
    struct bl_resume *resume = after_100_lines(rig);

    slot_at(rig, resume, 0, 100);
    slot_at(rig, resume, 1, 40);
    slot_at(rig, resume, 2, 70);
    rig_start_from(rig, NULL, resume);
    rig_wait(rig, 60);
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 70);
    assert_int_equal(rig->trail[0].begin, line_end(rig, 40));
    assert_true(a_block_ends_at(rig, line_end(rig, 70)));
    assert_true(a_block_ends_at(rig, line_end(rig, 100)));
    assert_int_equal(rig->times[39], 0);
    assert_int_equal(rig->times[40], 1);
    assert_int_equal(rig->warm_lines, 0);
}

static void a_slot_that_has_nothing_of_it_starts_at_0(void **state)
{
    struct rig *rig = *state;
    struct bl_resume *resume = after_100_lines(rig);

    slot_at(rig, resume, 0, 60);
    resume->partitions = 1;
    rig_start_from(rig, NULL, resume);
    rig_wait(rig, 100);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_true(a_block_ends_at(rig, line_end(rig, 60)));
}

static void a_cold_join_is_warmed_by_lines_before_every_slot(void **state)
{
    struct rig *rig = *state;
    struct bl_resume *resume = after_100_lines(rig);
    uint64_t least = line_end(rig, 50);

    slot_at(rig, resume, 0, 80);
    slot_at(rig, resume, 1, 50);
    rig->options.warm_up_bytes = least - line_end(rig, 30) + 7; /* in the middle of a line */
    rig_start_from(rig, NULL, resume);
    rig_wait(rig, 50);
    assert_int_equal(rig->warm_lines, 20);
    assert_int_equal(rig->trail[0].begin, line_end(rig, 30));
    for (size_t i = 0; i < rig->trails; i++)
        assert_int_equal(rig->trail[i].warm, rig->trail[i].end <= least);
    assert_true(a_block_ends_at(rig, least));
}

static void a_snapshot_of_the_join_says_where_to_begin(void **state)
{
    struct rig *rig = *state;
    struct bl_resume *resume = after_100_lines(rig);
    struct bl_snapshot *snapshot = calloc(1, sizeof *snapshot);

    assert_non_null(snapshot);
    slot_at(rig, resume, 0, 20);
    assert_int_equal(bl_positions_copy(&snapshot->positions, &resume->slot[0]), BL_OK);
    snapshot->sources = 1;
    snapshot->source[0] = snapshot->positions.v[0].source;
    slot_at(rig, resume, 0, 80);
    slot_at(rig, resume, 1, 50);
    resume->snapshot = snapshot;
    rig->options.warm_up_bytes = 1 << 20;
    rig_start_from(rig, NULL, resume);
    rig_wait(rig, 80);
    assert_int_equal(rig->trail[0].begin, line_end(rig, 20));
    assert_int_equal(rig->warm_lines, 0);
    assert_true(a_block_ends_at(rig, line_end(rig, 50)));
}

/* The source came, or was left and came back, since the snapshot was taken: its positions there are
 * but a copy, and the join of it begins with the first line.  Fails when the plan goes by the
 * positions alone, or takes it for cold. */
static void a_snapshot_without_the_join_of_a_source_says_nothing_of_it(void **state)
{
    struct rig *rig = *state;
    struct bl_resume *resume = after_100_lines(rig);
    struct bl_snapshot *snapshot = calloc(1, sizeof *snapshot);

    assert_non_null(snapshot);
    slot_at(rig, resume, 0, 80);
    slot_at(rig, resume, 1, 80);
    assert_int_equal(bl_positions_copy(&snapshot->positions, &resume->slot[0]), BL_OK);
    snapshot->sources = 1;
    snapshot->source[0] = snapshot->positions.v[0].source + 1;
    resume->snapshot = snapshot;
    rig->options.warm_up_bytes = 100;
    rig_start_from(rig, NULL, resume);
    rig_wait(rig, 100);
    assert_int_equal(rig->trail[0].begin, 0);
    assert_int_equal(rig->warm_lines, 0);
    assert_true(a_block_ends_at(rig, line_end(rig, 80)));
}

/* Whoever was not told there is told between the lines before and those behind.  Fails without the
 * cut at told_at. */
static void where_the_log_once_ended_a_block_ends(void **state)
{
    struct rig *rig = *state;
    struct bl_resume *resume = after_100_lines(rig);

    slot_at(rig, resume, 0, 90);
    slot_at(rig, resume, 1, 30);
    resume->slot[0].v[0].told_at = line_end(rig, 60);
    rig_start_from(rig, NULL, resume);
    rig_wait(rig, 70);
    assert_true(a_block_ends_at(rig, line_end(rig, 60)));
}

/* A slot finished a file whose last line had no newline; another is behind: the border must be
 * there. */
static void a_slot_that_stopped_without_newline_is_a_border_too(void **state)
{
    struct rig *rig = *state;
    struct bl_resume *resume;
    bl_position whole = {0};

    rig_write(rig, "mail.log", 10);
    rig_append(rig, "mail.log", "SEQ10 no newline", 16);
    rig->next++;
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 1);
    rig->options.once = true;
    rig_start(rig, (const char *const[]){"mail.log", "mail.log.1", NULL});
    rig_wait(rig, 12);
    rig_stop(rig);
    resume = rig_resume(rig);
    for (size_t i = 0; i < rig->at.n; i++)
        if (rig->at.v[i].finished)
            whole = rig->at.v[i];
    resume->partitions = 1; /* slot 1 has nothing at all */
    rig->lines = rig->trails = 0;
    rig_append(rig, "mail.log.1", " and then more\n", 15);
    rig_start_from(rig, (const char *const[]){"mail.log", "mail.log.1", NULL}, resume);
    rig_wait(rig, 13);
    assert_true(a_block_ends_at(rig, whole.offset));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(t17_half_a_line_at_shutdown),
        TEST(t17_a_line_that_comes_byte_by_byte),
        TEST(t18_no_newline_at_the_end_of_a_rotated_file),
        TEST(t18_no_newline_at_the_end_of_an_archive),
        TEST(t19_a_hole_of_1_mib_in_the_middle),
        TEST(t19_the_hole_a_writer_leaves_that_does_not_append),
        TEST(t20_a_line_of_10_mib),
        TEST(blocks_end_at_every_slots_offset),
        TEST(a_slot_that_has_nothing_of_it_starts_at_0),
        TEST(a_cold_join_is_warmed_by_lines_before_every_slot),
        TEST(a_snapshot_of_the_join_says_where_to_begin),
        TEST(a_snapshot_without_the_join_of_a_source_says_nothing_of_it),
        TEST(where_the_log_once_ended_a_block_ends),
        TEST(a_slot_that_stopped_without_newline_is_a_border_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
