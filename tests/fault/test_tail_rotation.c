/* ctest: label=quick timeout=240 threads */
/* Rotation in all its forms, every test once with inotify and once by the sweep alone (T24).  The
 * numbers are those of the failure matrix in the notes on ingest. */
#include "fault/tail_rig.c"

/* --- T1 --- */

struct writer {
    struct rig *rig;
    unsigned rotations, lines_each;
};

static void rotate(struct rig *rig)
{
    char from[32], to[32];

    for (int i = 30; i > 0; i--) {
        snprintf(from, sizeof from, i > 1 ? "mail.log.%d" : "mail.log", i - 1);
        snprintf(to, sizeof to, "mail.log.%d", i);
        if (access(rig_path(rig, from), F_OK) == 0)
            rig_rename(rig, from, to);
    }
}

/* Renames, writes on into the old file for a while, then opens the new one: as on HUP. */
static void write_and_rotate(void *arg)
{
    struct writer *w = arg;
    int fd = rig_open(w->rig, "mail.log");

    for (unsigned i = 0; i < w->rotations; i++) {
        rig_write_fd(w->rig, fd, w->lines_each);
        rotate(w->rig);
        rig_write_fd(w->rig, fd, w->lines_each / 10);
        close(fd);
        fd = rig_open(w->rig, "mail.log");
        uv_sleep(60);
    }
    rig_write_fd(w->rig, fd, 100);
    close(fd);
}

static void t1_rename_rotation_under_a_fast_writer(void **state)
{
    struct rig *rig = *state;
    struct writer w = {rig, 12, 5000};
    uv_thread_t thread;

    rig_write(rig, "mail.log", 1);
    rig_start(rig, NULL);
    rig_wait(rig, 1);
    assert_int_equal(uv_thread_create(&thread, write_and_rotate, &w), 0);
    rig_wait(rig, 1 + 12 * 5500 + 100);
    uv_thread_join(&thread);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(bl_tail_stats(rig->tail).lost_bytes, 0);
    assert_int_equal(bl_tail_stats(rig->tail).lag_bytes, 0);
}

static void t2_the_writer_keeps_the_old_file_for_a_while(void **state)
{
    struct rig *rig = *state;
    int old = rig_open(rig, "mail.log");

    rig->options.grace_ms = 400;
    rig_write_fd(rig, old, 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 5);
    rig_wait(rig, 15);
    for (int i = 0; i < 4; i++) { /* longer than the grace altogether, never quiet for so long */
        rig_spin(rig, 250);
        rig_write_fd(rig, old, 3);
    }
    rig_wait(rig, 27);
    rig_write(rig, "mail.log", 5);
    rig_wait(rig, 32);
    assert_int_equal(rig->empty_blocks, 0); /* not finished yet */
    rig_spin(rig, 700);
    assert_int_equal(rig->empty_blocks, 1);
    close(old);
    rig_expect_all(rig);
    assert_int_equal(bl_tail_stats(rig->tail).rotations, 1);
}

static void t2_a_finished_file_that_grows_after_all_is_read_on(void **state)
{
    struct rig *rig = *state;

    rig->options.grace_ms = 50;
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 5);
    rig_wait(rig, 15);
    rig_spin(rig, 300);
    assert_int_equal(rig->empty_blocks, 1);
    rig_write(rig, "mail.log.1", 7);
    rig_wait(rig, 22);
    rig_expect_all(rig);
}

static void t3_two_rotations_between_two_looks(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_write(rig, "mail.log", 10);
    rig_rename(rig, "mail.log", "mail.log.1"); /* the loop does not run: stopped */
    rig_write(rig, "mail.log", 10);
    rig_rename(rig, "mail.log.1", "mail.log.2");
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 40);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t4_rotation_while_down(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    rig_write(rig, "mail.log", 50);
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 30);
    rig_start(rig, NULL);
    rig_wait(rig, 180);
    rig_settle(rig);
    rig_restart(rig);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t4_several_rotations_while_down_by_number_and_packed(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log.4", 0);
    rig_append(rig, "mail.log.4", "SEQ999999 older than the first start: not named\n", 48);
    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    rig_write(rig, "mail.log", 50);
    rig_pack(rig, "mail.log", "mail.log.3.gz");
    rig_remove(rig, "mail.log");
    rig_write(rig, "mail.log", 30);
    rig_pack(rig, "mail.log", "mail.log.2.zst");
    rig_remove(rig, "mail.log");
    rig_write(rig, "mail.log", 20);
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 210);
    rig_settle(rig);
    rig_restart(rig);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(rig->times[999999], 0);
    assert_int_equal(bl_tail_stats(rig->tail).lost_bytes, 0);
}

static void t4_dated_siblings(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_stop(rig);
    rig_write(rig, "mail.log", 10);
    rig_rename(rig, "mail.log", "mail.log-20261122");
    rig_write(rig, "mail.log", 10);
    rig_rename(rig, "mail.log", "mail.log-20261123");
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 40);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t5_copytruncate_with_a_paused_writer(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    for (int i = 0; i < 3; i++) {
        rig_write(rig, "mail.log", 50); /* not read yet */
        if (i)
            rig_rename(rig, "mail.log.1", "mail.log.2");
        rig_copy(rig, "mail.log", "mail.log.1");
        rig_truncate(rig, "mail.log");
        rig_write(rig, "mail.log", 20);
        rig_wait(rig, 100 + 70u * (unsigned)(i + 1));
        rig_settle(rig);
    }
    rig_expect_all(rig);
    assert_int_equal(bl_tail_stats(rig->tail).truncations, 3);
    assert_int_equal(bl_tail_stats(rig->tail).lost_bytes, 0);
    rig_restart(rig);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t5_the_copy_is_skipped_while_the_original_lives(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_copy(rig, "mail.log", "mail.log.1");
    rig_settle(rig);
    rig_write(rig, "mail.log", 5);
    rig_wait(rig, 105);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t5_an_unpaused_writer_loses_but_nothing_is_counted_twice(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_copy(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 50);
    rig_wait(rig, 150); /* read from the original, not in the copy */
    rig_truncate(rig, "mail.log");
    rig_settle(rig);
    rig_write(rig, "mail.log", 20);
    rig_wait(rig, 170);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t6_copytruncate_while_down(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    rig_write(rig, "mail.log", 50);
    rig_copy(rig, "mail.log", "mail.log.1");
    rig_truncate(rig, "mail.log");
    rig_write(rig, "mail.log", 200); /* longer than before */
    rig_start(rig, NULL);
    rig_wait(rig, 350);
    rig_settle(rig);
    rig_restart(rig);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(bl_tail_stats(rig->tail).lost_bytes, 0);
}

static void t6_copytruncate_and_compress_while_down(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    rig_write(rig, "mail.log", 50);
    rig_pack(rig, "mail.log", "mail.log.1.gz");
    rig_truncate(rig, "mail.log");
    rig_write(rig, "mail.log", 30);
    rig_start(rig, NULL);
    rig_wait(rig, 180);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t12(struct rig *rig, bool up, const char *packed)
{
    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    if (!up)
        rig_stop(rig);
    rig_write(rig, "mail.log", 50);
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 10);
    rig_pack(rig, "mail.log.1", packed);
    rig_remove(rig, "mail.log.1");
    if (!up)
        rig_start(rig, NULL);
    rig_wait(rig, 160);
    rig_settle(rig);
    rig_spin(rig, 500); /* the grace ends */
    rig_expect_all(rig);
    rig_restart(rig);
    rig_settle(rig);
    rig_expect_all(rig);
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 170);
    rig_expect_all(rig);
    assert_int_equal(bl_tail_stats(rig->tail).lost_bytes, 0);
}

static void t12_compressed_at_once_while_up(void **state)
{
    t12(*state, true, "mail.log.1.gz");
}

static void t12_compressed_at_once_while_down(void **state)
{
    t12(*state, false, "mail.log.1.gz");
}

static void t12_compressed_at_once_by_zstd_with_a_date_while_up(void **state)
{
    t12(*state, true, "mail.log.20261122-050337.zst");
}

static void t12_compressed_at_once_by_zstd_with_a_date_while_down(void **state)
{
    t12(*state, false, "mail.log.20261122-050337.zst");
}

static void t12_a_large_archive_resumes_in_the_middle(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 20000);
    rig_start(rig, NULL);
    rig_wait(rig, 20000);
    rig_stop(rig);
    rig_write(rig, "mail.log", 20000);
    rig_pack(rig, "mail.log", "mail.log.1.gz");
    rig_remove(rig, "mail.log");
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 40010);
    rig_settle(rig);
    rig_restart(rig); /* now it is finished, and recognised without unpacking */
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t13_an_archive_of_what_is_counted_appears(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 110);
    rig_pack(rig, "mail.log.1", "mail.log.1.gz"); /* gzip -k */
    rig_settle(rig);
    rig_spin(rig, 500);
    rig_remove(rig, "mail.log.1");
    rig_settle(rig);
    rig_restart(rig);
    rig_settle(rig);
    rig_rename(rig, "mail.log.1.gz", "mail.log.2.gz");
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 120);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t14_a_compressor_that_was_interrupted(void **state)
{
    struct rig *rig = *state;
    struct stat st;

    rig_write(rig, "mail.log", 1000);
    rig_start(rig, NULL);
    rig_wait(rig, 1000);
    rig_stop(rig);
    rig_write(rig, "mail.log", 500);
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 10);
    rig_pack(rig, "mail.log.1", "mail.log.1.gz");
    assert_int_equal(stat(rig_path(rig, "mail.log.1.gz"), &st), 0);
    assert_int_equal(truncate(rig_path(rig, "mail.log.1.gz"), st.st_size / 2), 0);
    rig_start(rig, NULL);
    rig_wait(rig, 1510);
    rig_settle(rig);
    rig_pack(rig, "mail.log.1", "mail.log.1.gz"); /* run again */
    rig_remove(rig, "mail.log.1");
    rig_settle(rig);
    rig_restart(rig);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t15_the_link_is_switched(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "one", 10);
    assert_int_equal(symlink("one", rig_path(rig, "mail.log")), 0);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_write(rig, "one", 10);
    rig_write(rig, "two", 10);
    assert_int_equal(symlink("two", rig_path(rig, "next")), 0);
    rig_rename(rig, "next", "mail.log");
    rig_wait(rig, 30);
    rig_write(rig, "one", 5); /* a writer lingers */
    rig_write(rig, "two", 5);
    rig_wait(rig, 40);
    rig_expect_all(rig);
}

static void t16_deleted_while_open_and_still_written(void **state)
{
    struct rig *rig = *state;
    int fd = rig_open(rig, "mail.log");

    rig_write_fd(rig, fd, 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_remove(rig, "mail.log");
    for (int i = 0; i < 5; i++) {
        rig_write_fd(rig, fd, 10);
        rig_spin(rig, 60);
    }
    rig_write(rig, "mail.log", 10);
    rig_write_fd(rig, fd, 10);
    rig_wait(rig, 80);
    close(fd);
    rig_spin(rig, 500);
    assert_int_equal(rig->empty_blocks, 1); /* finished after the grace */
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 90);
    rig_expect_all(rig);
}

static void t29_an_editor_saves_the_log_while_down(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    rig_copy(rig, "mail.log", "new");
    rig_rename(rig, "new", "mail.log");
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 110);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t29_an_editor_saves_the_log_while_the_writer_holds_it(void **state)
{
    struct rig *rig = *state;
    int fd = rig_open(rig, "mail.log");

    rig_write_fd(rig, fd, 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_copy(rig, "mail.log", "new");
    rig_rename(rig, "new", "mail.log");
    rig_write_fd(rig, fd, 10); /* into the file without a name */
    rig_wait(rig, 110);
    close(fd);
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 120);
    rig_settle(rig);
    rig_expect_all(rig);
    rig_restart(rig);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void t28_the_device_has_another_number_after_a_reboot(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    for (size_t i = 0; i < rig->at.n; i++)
        rig->at.v[i].device ^= 0x100;
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 110);
    rig_settle(rig);
    rig_expect_all(rig);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(t1_rename_rotation_under_a_fast_writer),
        TEST(t2_the_writer_keeps_the_old_file_for_a_while),
        TEST(t2_a_finished_file_that_grows_after_all_is_read_on),
        TEST(t3_two_rotations_between_two_looks),
        TEST(t4_rotation_while_down),
        TEST(t4_several_rotations_while_down_by_number_and_packed),
        TEST(t4_dated_siblings),
        TEST(t5_copytruncate_with_a_paused_writer),
        TEST(t5_the_copy_is_skipped_while_the_original_lives),
        TEST(t5_an_unpaused_writer_loses_but_nothing_is_counted_twice),
        TEST(t6_copytruncate_while_down),
        TEST(t6_copytruncate_and_compress_while_down),
        TEST(t12_compressed_at_once_while_up),
        TEST(t12_compressed_at_once_while_down),
        TEST(t12_compressed_at_once_by_zstd_with_a_date_while_up),
        TEST(t12_compressed_at_once_by_zstd_with_a_date_while_down),
        TEST(t12_a_large_archive_resumes_in_the_middle),
        TEST(t13_an_archive_of_what_is_counted_appears),
        TEST(t14_a_compressor_that_was_interrupted),
        TEST(t15_the_link_is_switched),
        TEST(t16_deleted_while_open_and_still_written),
        TEST(t28_the_device_has_another_number_after_a_reboot),
        TEST(t29_an_editor_saves_the_log_while_down),
        TEST(t29_an_editor_saves_the_log_while_the_writer_holds_it),
    };
    int failed = cmocka_run_group_tests_name("with inotify", tests, NULL, NULL);

    rig_watch = false;
    return failed + cmocka_run_group_tests_name("t24: by the sweep alone", tests, NULL, NULL);
}
