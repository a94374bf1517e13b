/* ctest: label=quick timeout=120 threads */
/* Is this the file that was read before?  T7 to T11, and T40.
 *
 * Negative controls, in the code: t7 and t8 run again with the tail check switched off
 * (bl_identity_test.no_tail_check) and must then not find all lines. */
#include "fault/tail_rig.c"

/* Reads 100 lines; then, unseen, the log is cut to nothing and gets `lines` new ones. */
static void rewrite_unseen(struct rig *rig, unsigned lines)
{
    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_truncate(rig, "mail.log");
    rig_write(rig, "mail.log", lines);
}

static void t7_rewritten_to_more_than_before(void **state)
{
    struct rig *rig = *state;

    rewrite_unseen(rig, 150);
    rig_wait(rig, 250);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(bl_tail_stats(rig->tail).truncations, 1);
    assert_true(rig_noted(rig, "written anew"));
    assert_true(rig_noted(rig, "and what was written since")); /* lost: nobody knows how much */
}

static void t7_rewritten_to_just_the_same_size(void **state)
{
    struct rig *rig = *state;

    rig->next = 1000; /* numbers of equal length, so that 100 lines are 100 lines */
    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_truncate(rig, "mail.log");
    rig_write(rig, "mail.log", 100);
    rig_wait(rig, 200);
    rig_settle(rig);
    assert_int_equal(rig->doubles, 0);
    assert_int_equal(bl_tail_stats(rig->tail).truncations, 1);
}

static void t7_unread_bytes_are_counted_as_lost(void **state)
{
    struct rig *rig = *state;
    uint64_t lost;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_withhold(rig); /* it sees the file grow but may not read */
    rig_append(rig, "mail.log", "x\n", 2);
    rig_append(rig, "mail.log", "y\n", 2);
    rig_spin(rig, 200);
    rig_truncate(rig, "mail.log");
    rig_spin(rig, 100);
    rig->withheld = 0;
    bl_tail_kick(rig->tail);
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 110);
    lost = bl_tail_stats(rig->tail).lost_bytes;
    assert_int_equal(lost, 4);
    rig_expect_all(rig);
}

static void t7_while_down(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    rig_truncate(rig, "mail.log");
    rig_write(rig, "mail.log", 150);
    rig_start(rig, NULL);
    rig_wait(rig, 250);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(bl_tail_stats(rig->tail).truncations, 1);
    rig_restart(rig); /* two generations of one inode are stored now */
    rig_settle(rig);
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 260);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(bl_tail_stats(rig->tail).truncations, 0);
}

static void t7_control_without_the_tail_check_lines_are_lost(void **state)
{
    struct rig *rig = *state;

    bl_identity_test.no_tail_check = true;
    rewrite_unseen(rig, 150);
    rig_settle(rig);
    assert_true(rig->lines < 250);
}

/* Both times the offset falls behind "(in reply to RCPT TO command))\n", 32 bytes that are the same
 * in every second bounce; rig_write's lines all end so, and numbers of equal length make it
 * exact. */
static void t8_the_32_bytes_before_the_offset_are_equal(void **state)
{
    struct rig *rig = *state;
    char a[32], b[32];
    FILE *file;

    rig->next = 1000;
    rewrite_unseen(rig, 150);
    file = fopen(rig->log, "rb");
    assert_non_null(file);
    fseek(file, (long)rig->gen[0].end - 32, SEEK_SET);
    assert_int_equal(fread(a, 1, 32, file), 32);
    memcpy(b, "(in reply to RCPT TO command))\n", 31);
    assert_memory_equal(a + 1, b, 31);
    fclose(file);
    rig_wait(rig, 250);
    rig_settle(rig);
    assert_int_equal(rig->doubles, 0);
    assert_int_equal(rig->lines, 250);
}

static void t8_control_without_the_tail_check_lines_are_lost(void **state)
{
    struct rig *rig = *state;

    bl_identity_test.no_tail_check = true;
    rig->next = 1000;
    rewrite_unseen(rig, 150);
    rig_settle(rig);
    assert_int_equal(rig->lines, 150);
}

/* Deletes and creates until the file system gives the inode out again. */
static bool reuse_inode(struct rig *rig, const char *old, const char *name)
{
    uint64_t inode = rig_inode(rig, old);
    char spare[32];

    rig_remove(rig, old);
    for (int i = 0; i < 200; i++) {
        close(rig_open(rig, name));
        if (rig_inode(rig, name) == inode)
            return true;
        snprintf(spare, sizeof spare, "spare%d", i);
        rig_rename(rig, name, spare);
    }
    close(rig_open(rig, name));
    return false;
}

static void t9_the_inode_is_given_to_a_new_file_of_the_same_name(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    if (!reuse_inode(rig, "mail.log", "mail.log"))
        print_message("this file system does not reuse inodes: only the name is the same\n");
    rig_write(rig, "mail.log", 150);
    rig_start(rig, NULL);
    rig_wait(rig, 250);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t9_without_birth_times_the_contents_tell(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    (void)reuse_inode(rig, "mail.log", "mail.log");
    for (size_t i = 0; i < rig->at.n; i++)
        rig->at.v[i].birth_ns = 0;
    rig_write(rig, "mail.log", 150);
    rig_start(rig, NULL);
    rig_wait(rig, 250);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t10_the_inode_is_given_to_a_new_file_of_another_name(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    rig_write(rig, "mail.log", 20);
    rig_rename(rig, "mail.log", "mail.log.2");
    rig_write(rig, "mail.log.1", 1);
    (void)reuse_inode(rig, "mail.log.1", "mail.log.1");
    rig->next--;
    rig_write(rig, "mail.log.1", 30);
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 160);
    rig_settle(rig);
    rig_expect_all(rig);
}

/* 2 KiB that are the same in both files, as a banner would be. */
static void banner(struct rig *rig, const char *name)
{
    char text[2048];

    memset(text, '#', sizeof text);
    for (size_t i = 63; i < sizeof text; i += 64)
        text[i] = '\n';
    rig_append(rig, name, text, sizeof text);
}

static void t11_two_files_begin_with_the_same_2_kib(void **state)
{
    struct rig *rig = *state;

    banner(rig, "mail.log");
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 42);
    rig_rename(rig, "mail.log", "mail.log.1");
    banner(rig, "mail.log");
    rig_wait(rig, 74); /* nothing but the banner is in it when it is seen first */
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 84);
    rig_stop(rig);
    rig_rename(rig, "mail.log.1", "mail.log.2");
    rig_rename(rig, "mail.log", "mail.log.1");
    banner(rig, "mail.log");
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 126);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(rig->odd, 3 * 32);
}

static void t40_an_operator_cuts_lines_out(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    rig_remove(rig, "mail.log"); /* sed -i '1,$d' and then some */
    rig_write(rig, "mail.log", 20);
    rig_start(rig, NULL);
    rig_wait(rig, 120);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void truncated_to_a_part_is_not_read_again(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    assert_int_equal(truncate(rig->log, (off_t)(rig->gen[0].end / 2)), 0);
    rig_append(rig, "mail.log", "\n", 1);
    rig_settle(rig);
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 110);
    rig_settle(rig);
    rig_expect_all(rig);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(t7_rewritten_to_more_than_before),
        TEST(t7_rewritten_to_just_the_same_size),
        TEST(t7_unread_bytes_are_counted_as_lost),
        TEST(t7_while_down),
        TEST(t7_control_without_the_tail_check_lines_are_lost),
        TEST(t8_the_32_bytes_before_the_offset_are_equal),
        TEST(t8_control_without_the_tail_check_lines_are_lost),
        TEST(t9_the_inode_is_given_to_a_new_file_of_the_same_name),
        TEST(t9_without_birth_times_the_contents_tell),
        TEST(t10_the_inode_is_given_to_a_new_file_of_another_name),
        TEST(t11_two_files_begin_with_the_same_2_kib),
        TEST(t40_an_operator_cuts_lines_out),
        TEST(truncated_to_a_part_is_not_read_again),
    };
    int failed = cmocka_run_group_tests_name("with inotify", tests, NULL, NULL);

    rig_watch = false;
    return failed + cmocka_run_group_tests_name("t24: by the sweep alone", tests, NULL, NULL);
}
