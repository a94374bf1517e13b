/* ctest: label=quick timeout=240 threads */
/* Rotations in the middle of a look.  The names are listed first and opened then; a rotation in
 * between puts another file under each name, and a file never seen could be taken for one that was
 * read.  A log that is copied and truncated in between looks as if it had always begun with what is
 * written next.
 *
 * Negative controls: the_checks_are_needed runs the same with the comparison of open_listed()
 * switched off and files begun at first sight, for_a_copy_it_takes_a_second_list with the latter
 * alone; then a whole generation is missing. */
#include "fault/tail_rig.c"

enum { READS = 10, KNOWN = 100, UNSEEN = 871, YOUNG = 7 };

static struct rig *the_rig;
static int reads, rotate_at;
static bool rotated;
static void (*the_rotation)(struct rig *rig);

static void shift(struct rig *rig)
{
    char from[32], to[32];

    for (int i = 5; i > 1; i--) {
        snprintf(from, sizeof from, "mail.log.%d", i - 1);
        snprintf(to, sizeof to, "mail.log.%d", i);
        if (access(rig_path(rig, from), F_OK) == 0)
            rig_rename(rig, from, to);
    }
}

static void rotate(struct rig *rig)
{
    shift(rig);
    rig_rename(rig, "mail.log", "mail.log.1");
}

static void copy_and_truncate(struct rig *rig)
{
    shift(rig);
    rig_copy(rig, "mail.log", "mail.log.1");
    rig_truncate(rig, "mail.log");
}

/* Before the n-th read of whatever file; the one job there is runs alone. */
static int rotate_before_a_read(const char *path)
{
    (void)path;
    if (rotated || reads++ < rotate_at)
        return 0;
    rotated = true;
    the_rotation(the_rig);
    rig_write(the_rig, "mail.log", YOUNG);
    return 0;
}

static void remove_logs(struct rig *rig)
{
    char name[32];

    rig_remove(rig, "mail.log");
    for (int i = 1; i <= 5; i++) {
        snprintf(name, sizeof name, "mail.log.%d", i);
        (void)unlink(rig_path(rig, name));
    }
}

/* One file is read.  While nobody watches it is rotated and another one written.  The next run
 * lists both, and while it compares them with what is known the log is rotated once more. */
static uint32_t missing_after(struct rig *rig, void (*rotation)(struct rig *rig), int read)
{
    uint32_t first = rig->next, missing = 0;

    reads = 0;
    rotate_at = read;
    rotated = false;
    the_rig = rig;
    the_rotation = rotation;
    rig_write(rig, "mail.log", KNOWN);
    rig_start(rig, NULL);
    rig_wait(rig, rig->lines + KNOWN);
    rig_stop(rig);
    rotate(rig);
    rig_write(rig, "mail.log", UNSEEN);
    bl_identity_test.read_fault = rotate_before_a_read; /* no job runs */
    rig_start(rig, NULL);
    rig_wait(rig, rig->lines + YOUNG);
    while (!rotated)
        rig_spin(rig, 5);
    rig_settle(rig);
    rig_stop(rig);
    bl_identity_test.read_fault = NULL;
    for (uint32_t i = first; i < rig->next; i++)
        missing += rig->times[i] == 0;
    bl_positions_release(&rig->at);
    remove_logs(rig);
    return missing;
}

static void nothing_is_missing_after(struct rig *rig, void (*rotation)(struct rig *rig))
{
    for (int read = 0; read < READS; read++) {
        assert_int_equal(missing_after(rig, rotation, read), 0);
        assert_int_equal(rig->doubles, 0);
    }
    rig_expect_all(rig);
}

static void a_rotation_at_any_read_of_a_look(void **state)
{
    nothing_is_missing_after(*state, rotate);
}

static void a_copy_and_truncation_at_any_read_of_a_look(void **state)
{
    nothing_is_missing_after(*state, copy_and_truncate);
}

static void something_is_missing_after(struct rig *rig, void (*rotation)(struct rig *rig))
{
    uint32_t missing = 0;

    for (int read = 0; read < READS; read++)
        missing += missing_after(rig, rotation, read);
    print_message("unchecked, %u lines are missing\n", missing);
    assert_true(missing >= UNSEEN);
}

/* rig_teardown takes both back. */
static void the_checks_are_needed(void **state)
{
    bl_identity_test.no_listed_check = bl_identity_test.no_second_list = true;
    something_is_missing_after(*state, rotate);
}

static void for_a_copy_it_takes_a_second_list(void **state)
{
    bl_identity_test.no_second_list = true;
    something_is_missing_after(*state, copy_and_truncate);
}

/* All lines of a second begin alike: the half of one that was seen first tells nothing when the log
 * was copied away and truncated meanwhile.  Returns how many lines are missing. */
static uint32_t missing_after_half_a_line(struct rig *rig)
{
    char line[256];
    size_t n, half = strlen("Nov 22 05:03:37 mx ");
    uint32_t missing = 0;

    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_stop(rig);
    rig_rename(rig, "mail.log", "mail.log.1");
    n = rig_line(rig, line);
    rig_append(rig, "mail.log", line, half);
    rig->withheld = RIG_BLOCKS; /* it is seen, but not read; and nobody looks again by himself */
    rig->options.watch = false;
    rig->options.sweep_ms = 3600000;
    rig_start(rig, NULL);
    rig_spin(rig, 100);
    rig_append(rig, "mail.log", line + half, n - half);
    copy_and_truncate(rig);
    rig_write(rig, "mail.log", 10);
    rig->withheld = 0;
    bl_tail_kick(rig->tail);
    rig_spin(rig, 200);
    rig_restart(rig);
    rig_spin(rig, 200);
    for (uint32_t i = 0; i < rig->next; i++)
        missing += rig->times[i] == 0;
    return missing;
}

static void half_a_line_is_no_head(void **state)
{
    assert_int_equal(missing_after_half_a_line(*state), 0);
    rig_expect_all(*state);
}

static void taken_for_a_head_it_loses_lines(void **state)
{
    bl_identity_test.no_second_list = true;
    assert_true(missing_after_half_a_line(*state) > 0);
}

static void pack(struct rig *rig, const char *name)
{
    char packed[32];

    snprintf(packed, sizeof packed, "%s.gz", name);
    rig_pack(rig, name, packed);
    rig_remove(rig, name);
}

/* Of two unread files the older one cannot be opened at first, and the younger one is packed and
 * deleted before anything is read: it has no name any more, but its archive has, and says where it
 * belongs. */
static void a_file_that_was_packed_unread_keeps_its_place(void **state)
{
    struct rig *rig = *state;
    bool root = geteuid() == 0;

    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_stop(rig);
    rig_rename(rig, "mail.log", "mail.log.3");
    rig_write(rig, "mail.log.2", 10);
    rig_write(rig, "mail.log.1", 10);
    rig_write(rig, "mail.log", 10);
    chmod(rig_path(rig, "mail.log.2"), 0);
    rig->withheld = RIG_BLOCKS;
    if (root)
        assert_int_equal(seteuid(65534), 0); /* root reads everything */
    rig_start(rig, NULL);
    rig_wait_note(rig, "Permission denied");
    rig_spin(rig, 100);
    if (root)
        assert_int_equal(seteuid(0), 0);
    pack(rig, "mail.log.1");
    rig_spin(rig, 100);
    chmod(rig_path(rig, "mail.log.2"), 0644);
    rig_spin(rig, 100);
    rig->withheld = 0;
    bl_tail_kick(rig->tail);
    rig_wait(rig, 40);
    rig_settle(rig);
    rig_expect_all(rig);
    for (size_t g = 0; g + 1 < rig->gens; g++) /* oldest first */
        assert_true(rig->gen[g].last < rig->gen[g + 1].last);
}

/* What was read last has no name but its archive's; what is older than that is no news. */
static void an_archive_of_what_is_read_marks_the_frontier(void **state)
{
    struct rig *rig = *state;

    rig_append(rig, "mail.log.1", "SEQ999999 older than the first start: not named\n", 48);
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig->options.grace_ms = 3600000;
    rotate(rig);
    close(rig_open(rig, "mail.log")); /* and nothing is written yet */
    pack(rig, "mail.log.1");
    rig_settle(rig);
    rig_spin(rig, 200);
    assert_int_equal(rig->times[999999], 0);
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 20);
    rig_expect_all(rig);
}

/* The file was put between two that are known, too late to be read in order. */
static void a_file_that_turns_up_too_late_is_counted_as_lost(void **state)
{
    struct rig *rig = *state;
    struct stat st;

    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rotate(rig);
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 20);
    rig_stop(rig);
    rig_rename(rig, "mail.log.1", "mail.log.2");
    rig_append(rig, "mail.log.1", "SEQ999999 never read\n", 21);
    rig_start(rig, NULL);
    rig_wait_note(rig, "was never read");
    rig_settle(rig);
    assert_int_equal(stat(rig_path(rig, "mail.log.1"), &st), 0);
    assert_int_equal(bl_tail_stats(rig->tail).lost_bytes, st.st_size); /* once, after many looks */
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 30);
    rig_expect_all(rig);
}

/* A rename moves ctime: the deleted file's must not make an unread one look older than it. */
static void a_rename_does_not_make_a_file_younger(void **state)
{
    struct rig *rig = *state;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = 0}};

    times[1].tv_sec = time(NULL) - 3600;
    rig_write(rig, "mail.log", 10);
    assert_int_equal(utimensat(AT_FDCWD, rig_path(rig, "mail.log"), times, 0), 0);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_stop(rig);
    rig_remove(rig, "mail.log");
    rig_write(rig, "mail.log.1", 10);
    times[1].tv_sec += 1800;
    assert_int_equal(utimensat(AT_FDCWD, rig_path(rig, "mail.log.1"), times, 0), 0);
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 30);
    rig_settle(rig);
    rig_expect_all(rig);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_rotation_at_any_read_of_a_look),
        TEST(a_copy_and_truncation_at_any_read_of_a_look),
        TEST(the_checks_are_needed),
        TEST(for_a_copy_it_takes_a_second_list),
        TEST(half_a_line_is_no_head),
        TEST(taken_for_a_head_it_loses_lines),
        TEST(a_file_that_was_packed_unread_keeps_its_place),
        TEST(an_archive_of_what_is_read_marks_the_frontier),
        TEST(a_file_that_turns_up_too_late_is_counted_as_lost),
        TEST(a_rename_does_not_make_a_file_younger),
    };
    int failed = cmocka_run_group_tests_name("with inotify", tests, NULL, NULL);

    rig_watch = false;
    return failed + cmocka_run_group_tests_name("by the sweep alone", tests, NULL, NULL);
}
