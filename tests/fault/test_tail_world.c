/* ctest: label=quick timeout=120 threads */
/* The world around the logs: late, unreadable, failing files; lost events; back-pressure; pauses;
 * --once and --from end. */
#include "fault/tail_rig.c"

#include <stdatomic.h>
#include <sys/resource.h>

static unsigned notes_with(const struct rig *rig, const char *piece)
{
    unsigned n = 0;

    for (size_t i = 0; i < rig->notes; i++)
        n += strstr(rig->note[i].text, piece) != NULL;
    return n;
}

static void t22_folder_and_file_appear_later(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"later/mail.log", NULL};

    rig_start(rig, names);
    rig_spin(rig, 200);
    assert_int_equal(notes_with(rig, "is not there"), 1); /* said once */
    assert_int_equal(bl_tail_stats(rig->tail).missing, 1);
    assert_int_equal(mkdir(rig_path(rig, "later"), 0755), 0);
    rig_spin(rig, 100);
    rig_write(rig, "later/mail.log", 10);
    rig_wait(rig, 10);
    rig_write(rig, "later/mail.log", 10);
    rig_wait(rig, 20);
    assert_int_equal(bl_tail_stats(rig->tail).missing, 0);
    assert_int_equal(notes_with(rig, "can be read now"), 1);
    rig_expect_all(rig);
}

static void t22_two_rotations_before_it_is_seen_first(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log.7", 0);
    rig_append(rig, "mail.log.7", "SEQ999999 old\n", 14);
    usleep(200000);
    rig_start(rig, NULL);
    rig_wait_note(rig, "is not there");
    rig_write(rig, "mail.log", 10);
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 20);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(rig->times[999999], 0);
}

static void t22_vanishes_and_comes_back(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_remove(rig, "mail.log");
    rig_wait_note(rig, "is not there");
    rig_spin(rig, 200);
    assert_int_equal(notes_with(rig, "is not there"), 1);
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 20);
    rig_expect_all(rig);
}

static void t23_unreadable_then_readable(void **state)
{
    struct rig *rig = *state;
    bool root = geteuid() == 0;

    rig_write(rig, "mail.log", 10);
    chmod(rig->log, 0);
    if (root)
        assert_int_equal(seteuid(65534), 0); /* root reads everything */
    rig_start(rig, NULL);
    rig_spin(rig, 200);
    assert_int_equal(rig->lines, 0);
    assert_int_equal(notes_with(rig, "Permission denied"), 1);
    assert_int_equal(bl_tail_stats(rig->tail).missing, 1);
    if (root)
        assert_int_equal(seteuid(0), 0);
    chmod(rig->log, 0644);
    if (root)
        assert_int_equal(seteuid(65534), 0);
    rig_wait(rig, 10);
    rig_stop(rig);
    if (root)
        assert_int_equal(seteuid(0), 0);
    rig_expect_all(rig);
}

static void not_a_regular_file_is_waited_out(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(mkfifo(rig->log, 0644), 0);
    rig_start(rig, NULL);
    rig_wait_note(rig, "not a regular file");
    rig_remove(rig, "mail.log");
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 10);
    rig_expect_all(rig);
}

/* While running: a folder takes the log's place, a FIFO the folder's, and then there is a log
 * again. */
static void what_takes_the_place_of_the_log_is_said_once_and_waited_out(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_rename(rig, "mail.log", "mail.log.1");
    assert_int_equal(mkdir(rig->log, 0755), 0);
    rig_write(rig, "mail.log.1", 5); /* the writer has not noticed */
    rig_wait(rig, 15);
    rig_wait_note(rig, "Is a directory");
    rig_spin(rig, 200);
    assert_int_equal(rmdir(rig->log), 0);
    assert_int_equal(mkfifo(rig->log, 0644), 0);
    rig_wait_note(rig, "not a regular file");
    rig_spin(rig, 200);
    /* each once, however often it was tried */
    assert_int_equal(notes_with(rig, "cannot be read"), 2);
    assert_int_equal(bl_tail_stats(rig->tail).missing, 1);
    rig_remove(rig, "mail.log");
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 25);
    rig_wait_note(rig, "can be read now");
    rig_expect_all(rig);
    assert_int_equal(bl_tail_stats(rig->tail).missing, 0);
}

/* What is rotated is moved to another file system and linked; then the log itself is a link to
 * there. */
static void files_on_another_file_system(void **state)
{
    struct rig *rig = *state;
    char there[] = "/dev/shm/bl-tail-XXXXXX";

    if (!mkdtemp(there)) {
        print_message("no second file system\n");
        return;
    }
    assert_int_equal(symlink(there, rig_path(rig, "there")), 0);
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_stop(rig);
    rig_write(rig, "mail.log", 10);
    rig_copy(rig, "mail.log", "there/old");
    rig_remove(rig, "mail.log");
    assert_int_equal(symlink("there/old", rig_path(rig, "mail.log.1")), 0);
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 30);
    rig_rename(rig, "mail.log.1", "mail.log.2");
    rig_rename(rig, "mail.log", "mail.log.1");
    assert_int_equal(symlink("there/new", rig_path(rig, "mail.log")), 0);
    rig_wait_note(rig, "is not there");
    rig_write(rig, "there/new", 10);
    rig_wait(rig, 40);
    rig_write(rig, "mail.log.1", 5); /* a writer lingers */
    rig_write(rig, "there/new", 10);
    rig_wait(rig, 55);
    rig_settle(rig);
    rig_restart(rig);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(bl_tail_stats(rig->tail).lost_bytes, 0);
    rig_remove(rig, "there/old");
    rig_remove(rig, "there/new");
    assert_int_equal(rmdir(there), 0);
}

/* The store forgets files that were finished long ago.  One that is there after all is older than
 * what is known, and no news; but it is no loss either. */
static void files_whose_positions_were_forgotten_are_not_read_again(void **state)
{
    struct rig *rig = *state;
    char name[32];
    uint64_t inode[6] = {0};

    for (int i = 5; i > 0; i--) {
        rig_write(rig, "mail.log", 10);
        rig_start(rig, NULL);
        rig_wait(rig, rig->next);
        rig_stop(rig);
        snprintf(name, sizeof name, "mail.log.%d", i);
        rig_rename(rig, "mail.log", name);
        inode[i] = rig_inode(rig, name);
    }
    for (size_t i = 0; i < rig->at.n;)
        if (rig->at.v[i].inode == inode[5] || rig->at.v[i].inode == inode[4])
            bl_positions_remove(&rig->at, rig->at.v[i].generation);
        else
            i++;
    assert_int_equal(rig->at.n, 3);
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 60);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_int_equal(bl_tail_stats(rig->tail).lost_bytes, 0);
}

static atomic_int fault_every; /* one read in so many fails */
static atomic_int fault_hits;
static int fault_errno;

static int fault(const char *path)
{
    static uint32_t dice = 1;
    int every = fault_every;

    (void)path;
    dice = dice * 1664525 + 1013904223;
    if (!every || (dice >> 16) % (uint32_t)every != 0)
        return 0;
    fault_hits++;
    return fault_errno;
}

static void t25_reads_that_fail_now_and_then(void **state)
{
    struct rig *rig = *state;

    fault_every = 12;
    fault_errno = ESTALE;
    bl_identity_test.read_fault = fault;
    rig_start(rig, NULL);
    for (int i = 0; i < 20; i++) {
        rig_write(rig, "mail.log", 200);
        rig_spin(rig, 20);
    }
    rig_wait(rig, 4000);
    rig_settle(rig);
    rig_expect_all(rig);
    assert_true(fault_hits > 0);
}

static void t25_a_file_that_fails_for_a_while_is_said_once(void **state)
{
    struct rig *rig = *state;

    fault_every = 0;
    fault_errno = EIO;
    bl_identity_test.read_fault = fault;
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    fault_every = 1;
    rig_write(rig, "mail.log", 10);
    rig_spin(rig, 700);
    assert_int_equal(rig->lines, 10);
    assert_int_equal(notes_with(rig, "trying again"), 1);
    fault_every = 0;
    rig_wait(rig, 20);
    rig_expect_all(rig);
}

/* More events than the kernel keeps, while the loop does not look; the sweep is an hour away. */
static void t26_the_queue_of_events_overflows(void **state)
{
    struct rig *rig = *state;
    unsigned long queue = 16384;
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");

    if (!rig_watch)
        return;
    if (file) {
        if (fscanf(file, "%lu", &queue) != 1)
            queue = 16384;
        fclose(file);
    }
    if (queue > 100000) {
        print_message("max_queued_events is %lu: too many to fill\n", queue);
        return;
    }
    rig->options.sweep_ms = 3600000;
    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_spin(rig, 50);
    for (unsigned long i = 0; i < queue + 1000; i += 2) {
        close(rig_open(rig, "noise")); /* two events, both about a file that is none of ours */
        rig_remove(rig, "noise");
    }
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 20);
    rig_expect_all(rig);
}

static void t27_no_descriptors_left(void **state)
{
    struct rig *rig = *state;
    struct rlimit was, now;
    int fd;

    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 10);
    rig_write(rig, "mail.log.1", 3);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    fd = dup(0);
    now = was;
    now.rlim_cur = (rlim_t)fd;
    close(fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    rig_wait(rig, 13); /* what is open is read on */
    rig_wait_note(rig, "Too many open files");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    rig_wait(rig, 23);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void without_blocks_it_waits_and_loses_nothing(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_withhold(rig);
    for (int i = 0; i < 3; i++) { /* new files are opened meanwhile, and so outlive their names */
        rig_write(rig, "mail.log", 10);
        rig_rename(rig, "mail.log", "mail.log.1");
        rig_write(rig, "mail.log", 10);
        rig_spin(rig, 100);
        rig_remove(rig, "mail.log.1");
    }
    rig_spin(rig, 100);
    assert_int_equal(rig->lines, 10);
    assert_true(bl_tail_stats(rig->tail).lag_bytes > 0);
    rig->withheld = 0;
    bl_tail_kick(rig->tail);
    rig_wait(rig, 70);
    rig_expect_all(rig);
    rig_settle(rig);
    assert_int_equal(bl_tail_stats(rig->tail).lag_bytes, 0);
}

static void one_block_at_a_time_is_enough(void **state)
{
    struct rig *rig = *state;

    rig->withheld = RIG_BLOCKS - 1;
    rig_write(rig, "mail.log", 20000);
    rig_start(rig, NULL);
    rig_wait(rig, 20000);
    rig_expect_all(rig);
}

static void a_pause_gives_blocks_back_and_a_start_reads_them_again(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 50000);
    rig_start(rig, NULL);
    for (int i = 0; i < 20; i++) {
        uint64_t was;

        rig_spin(rig, 3);
        bl_tail_pause(rig->tail);
        was = rig->lines;
        for (int ms = 0; ms < 5000 && rig->blocks != RIG_BLOCKS; ms += 5)
            rig_spin(rig, 5);
        assert_int_equal(rig->lines, was);
        assert_int_equal(rig->blocks, RIG_BLOCKS);
        rig_begin_run(rig);
        {
            struct bl_resume *resume = rig_resume(rig);

            bl_tail_start(rig->tail, resume);
            bl_resume_free(resume);
        }
    }
    rig_wait(rig, 50000);
    rig_settle(rig);
    rig_expect_all(rig);
}

static void a_start_during_a_job_begins_again(void **state)
{
    struct rig *rig = *state;
    struct bl_resume *resume;

    rig_write(rig, "mail.log", 50000);
    rig_start(rig, NULL);
    rig_wait(rig, 1000);
    resume = rig_resume(rig);
    bl_tail_start(rig->tail, resume); /* without a pause */
    bl_resume_free(resume);
    rig_begin_run(rig);
    rig_wait(rig, 50000);
    rig_settle(rig);
    rig_expect_all(rig);
}

/* As when Redis was away and comes back: the run begins anew from what the slots have. */
static void begin_again(struct rig *rig)
{
    struct bl_resume *resume;

    bl_tail_pause(rig->tail);
    rig_spin(rig, 30);
    resume = rig_resume(rig);
    rig_begin_run(rig);
    bl_tail_start(rig->tail, resume);
    bl_resume_free(resume);
}

/* One file that a slot knows and one that none has heard of, both unread and deleted: their
 * descriptors are all there is of them, and must outlive the run.  (When each run opened its files
 * anew, forty lines were lost.) */
static void a_new_run_keeps_what_was_deleted_unread(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 10);
    rig_start(rig, NULL);
    rig_wait(rig, 10);
    rig_withhold(rig);
    for (int i = 0; i < 2; i++) {
        rig_write(rig, "mail.log", 20);
        rig_rename(rig, "mail.log", "mail.log.1");
        rig_write(rig, "mail.log", 20);
        rig_spin(rig, 100);
        rig_remove(rig, "mail.log.1");
        begin_again(rig);
        rig_spin(rig, 100);
    }
    rig->withheld = 0;
    begin_again(rig);
    rig_wait(rig, 90);
    rig_settle(rig);
    rig_expect_all(rig);
    for (size_t g = 0; g + 1 < rig->gens; g++) /* oldest first */
        assert_true(rig->gen[g].last < rig->gen[g + 1].last);
    assert_int_equal(notes_with(rig, "are lost"), 0);
    assert_int_equal(bl_tail_stats(rig->tail).lost_bytes, 0);
}

/* Said and counted when it was noticed, and not at every reconnect. */
static void a_loss_is_told_once_however_often_a_run_begins(void **state)
{
    struct rig *rig = *state;
    uint64_t lost;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_withhold(rig);
    rig_write(rig, "mail.log", 50);
    rig_spin(rig, 100);
    rig_truncate(rig, "mail.log");
    rig_spin(rig, 100);
    lost = bl_tail_stats(rig->tail).lost_bytes;
    assert_true(lost > 50 * 100);
    for (int i = 0; i < 3; i++) {
        begin_again(rig);
        rig_spin(rig, 100);
    }
    rig->withheld = 0;
    begin_again(rig);
    rig_settle(rig);
    assert_int_equal(notes_with(rig, "are lost"), 1);
    assert_int_equal(bl_tail_stats(rig->tail).lost_bytes, lost);
}

/* A file that goes before anybody knew that it would not grow.  Fails when a loss of 0 bytes is
 * told as one. */
static void of_a_file_that_was_read_to_its_end_no_bytes_are_lost(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    rig_stop(rig);
    rig_remove(rig, "mail.log");
    rig_write(rig, "mail.log", 50);
    rig_start_from(rig, NULL, rig_resume(rig));
    rig_wait(rig, 150);
    rig_settle(rig);
    assert_int_equal(notes_with(rig, "was read to its end, byte"), 1);
    assert_int_equal(notes_with(rig, "are lost"), 0);
    assert_int_equal(bl_tail_stats(rig->tail).lost_bytes, 0);
}

/* Nothing was committed yet, so the new run is a first one again; where the end was is not asked
 * twice. */
static void a_new_run_does_not_move_the_end_that_was_begun_from(void **state)
{
    struct rig *rig = *state;

    rig->from_end = true;
    rig_append(rig, "mail.log", "SEQ999999 before the start\n", 27);
    rig_start(rig, NULL);
    rig_wait_note(rig, "is new");
    rig_settle(rig);
    bl_positions_release(&rig->at); /* what was passed over was never committed */
    bl_tail_pause(rig->tail);
    rig_write(rig, "mail.log", 10);
    begin_again(rig);
    rig_wait(rig, 10);
    rig_settle(rig);
    assert_int_equal(rig->times[999999], 0);
    rig_expect_all(rig);
}

static void closing_while_busy_is_clean(void **state)
{
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 50000);
    for (unsigned ms = 0; ms < 8; ms++) {
        rig_start(rig, NULL);
        rig_spin(rig, ms);
        rig_stop(rig);
    }
}

static void two_logs_do_not_mix(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"mail.log", "other", NULL};

    rig_write(rig, "mail.log", 10);
    rig_write(rig, "other", 10);
    rig_start(rig, names);
    assert_int_equal(bl_tail_sources(rig->tail), 2);
    assert_string_equal(bl_tail_source_path(rig->tail, 0), rig->log);
    rig_wait(rig, 20);
    rig_rename(rig, "mail.log", "mail.log.1");
    rig_write(rig, "mail.log", 10);
    rig_write(rig, "other", 10);
    rig_wait(rig, 40);
    rig_expect_all(rig);
}

/* Redis came back empty: no slot knows anything, but the copy of the positions does.  What is still
 * there is read again, also under other names and packed, in order, and what was there before the
 * first start is not; of what is gone the bytes are said. */
static void t37_what_was_read_into_another_redis_is_read_again(void **state)
{
    struct rig *rig = *state;
    struct bl_resume *resume;
    uint32_t gone;

    rig_append(rig, "mail.log.9", "SEQ999999 older than the first start: not named\n", 48);
    rig->options.grace_ms = 20;
    rig_write(rig, "mail.log", 100); /* will be gone */
    gone = rig->next;
    for (int i = 0; i < 3; i++) {
        rig_start(rig, NULL);
        rig_wait(rig, rig->next);
        rig_stop(rig);
        for (int k = 3; k > 1; k--)
            if (access(rig_path(rig, k == 3 ? "mail.log.2" : "mail.log.1"), F_OK) == 0)
                rig_rename(rig, k == 3 ? "mail.log.2" : "mail.log.1",
                           k == 3 ? "mail.log.3" : "mail.log.2");
        rig_rename(rig, "mail.log", "mail.log.1");
        rig_write(rig, "mail.log", 10);
    }
    rig_start(rig, NULL);
    rig_wait(rig, rig->next);
    rig_spin(rig, 200); /* what was rotated is finished */
    rig_stop(rig);
    rig_remove(rig, "mail.log.3");
    rig_pack(rig, "mail.log.2", "mail.log.2.gz");
    rig_remove(rig, "mail.log.2");
    rig_write(rig, "mail.log", 5);

    resume = rig_resume(rig);
    resume->remembered = resume->slot[0];
    resume->slot[0] = (struct bl_positions){0};
    bl_positions_release(&rig->at);
    memset(rig->times, 0, RIG_LINES);
    rig->lines = rig->notes = 0;
    rig_start_from(rig, NULL, resume);
    rig_wait(rig, rig->next - gone);
    rig_settle(rig);
    assert_int_equal(rig->times[999999], 0);
    for (uint32_t i = 0; i < rig->next; i++)
        assert_int_equal(rig->times[i], i >= gone);
    for (size_t g = 0; g + 1 < rig->gens; g++) /* oldest first */
        assert_true(rig->gen[g].last < rig->gen[g + 1].last);
    assert_int_equal(notes_with(rig, "are lost"), 1);
    assert_true(bl_tail_stats(rig->tail).lost_bytes > gone * 100);
    rig_spin(rig, 200); /* that they are finished arrives, too */
    rig_stop(rig);
    for (size_t i = 0; i < rig->at.n; i++)
        assert_true(rig->at.v[i].finished || rig->at.v[i].inode == rig_inode(rig, "mail.log"));
    rig_write(rig, "mail.log", 5);
    rig_start(rig, NULL);
    rig_wait(rig, rig->next - gone);
    rig_settle(rig);
    assert_int_equal(rig->doubles, 0);
}

/* --- --once and --from end --- */

static void wait_end(struct rig *rig)
{
    for (int i = 0; i < 2000 && !rig->ended; i++)
        rig_spin(rig, 5);
    assert_true(rig->ended);
}

static void once_reads_to_the_end_and_leaves_half_a_line_of_the_log_itself(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"mail.log", "mail.log.1", "mail.log.2.gz", NULL};
    char line[256];
    size_t n;

    rig->options.once = true;
    rig_write(rig, "old", 2000);
    rig_pack(rig, "old", "mail.log.2.gz");
    rig_write(rig, "mail.log.1", 2000);
    n = rig_line(rig, line);
    rig_append(rig, "mail.log.1", line, n - 1); /* of this one the half line is a line */
    rig_write(rig, "mail.log", 2000);
    rig_append(rig, "mail.log", "half", 4);
    rig_start(rig, names);
    assert_int_equal(bl_tail_sources(rig->tail), 1);
    assert_string_equal(bl_tail_source_path(rig->tail, 0), rig->log);
    wait_end(rig);
    assert_int_equal(rig->lines, 6001);
    rig_expect_all(rig);
    for (size_t g = 0; g + 1 < rig->gens; g++) /* oldest first */
        assert_true(rig->gen[g].last < rig->gen[g + 1].last);
    rig_stop(rig);
    rig_append(rig, "mail.log", " and whole SEQ6001\n", 19);
    rig->next++;
    rig_start(rig, names);
    wait_end(rig);
    rig_expect_all(rig);
}

static void once_with_a_file_that_is_missing(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"mail.log", "nothing", NULL};

    rig->options.once = true;
    rig_write(rig, "mail.log", 10);
    rig_start(rig, names);
    wait_end(rig);
    assert_int_equal(rig->lines, 10);
    assert_int_equal(bl_tail_stats(rig->tail).missing, 1);
    assert_int_equal(bl_tail_stats(rig->tail).unread, 1);
    assert_int_equal(bl_tail_stats(rig->tail).damaged, 0);
    assert_int_equal(notes_with(rig, "nothing"), 1);
    assert_int_equal(notes_with(rig, "is not there"), 1);
    assert_int_equal(notes_with(rig, "waiting for it"), 0);
}

static void once_with_what_is_no_file_and_an_archive_that_is_none(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"mail.log", "folder", "mail.log.2", "broken.gz", NULL};
    static const char archive[] = "\x1f\x8b\x08 and nothing that could be unpacked";

    rig->options.once = true;
    rig_write(rig, "mail.log", 10);
    assert_int_equal(mkdir(rig_path(rig, "folder"), 0755), 0);
    rig_append(rig, "broken.gz", archive, sizeof archive - 1);
    rig_start(rig, names);
    wait_end(rig);
    rig_expect_all(rig);
    assert_int_equal(bl_tail_stats(rig->tail).unread, 2);
    assert_int_equal(bl_tail_stats(rig->tail).damaged, 1);
    assert_int_equal(notes_with(rig, "trying again"), 0);
}

static void once_with_an_archive_that_is_not_read(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"mail.log", "mail.log.1.xz", "mail.log.2.bz2", NULL};

    rig->options.once = true;
    rig_write(rig, "mail.log", 10);
    rig_append(rig, "mail.log.1.xz",
               "\xfd"
               "7zXZ\0 SEQ999998\n",
               17);
    rig_append(rig, "mail.log.2.bz2", "BZh91AY SEQ999999\n", 18);
    rig_start(rig, names);
    wait_end(rig);
    rig_expect_all(rig);
    assert_int_equal(rig->lines, 10);
    assert_int_equal(notes_with(rig, "is packed by xz, which is not read"), 1);
    assert_int_equal(notes_with(rig, "is packed by bzip2, which is not read"), 1);
    assert_int_equal(bl_tail_stats(rig->tail).damaged, 2);
}

static void once_with_nothing_but_rotated_files(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"mail.log.3.gz", "mail.log.1", NULL};

    rig->options.once = true;
    rig_write(rig, "old", 10);
    rig_pack(rig, "old", "mail.log.3.gz");
    rig_write(rig, "mail.log.2", 0);
    rig_append(rig, "mail.log.2", "SEQ999999 not named\n", 20);
    rig_write(rig, "mail.log.1", 10);
    rig_start(rig, names);
    wait_end(rig);
    rig_expect_all(rig);
    assert_int_equal(rig->lines, 20);
}

static void once_with_a_damaged_archive_reads_what_there_is(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"mail.log", "mail.log.1.gz", NULL};
    struct stat st;

    rig->options.once = true;
    rig_write(rig, "old", 1000);
    rig_pack(rig, "old", "mail.log.1.gz");
    assert_int_equal(stat(rig_path(rig, "mail.log.1.gz"), &st), 0);
    assert_int_equal(truncate(rig_path(rig, "mail.log.1.gz"), st.st_size / 2), 0);
    rig_write(rig, "mail.log", 10);
    rig_start(rig, names);
    wait_end(rig);
    assert_true(rig_noted(rig, "is damaged"));
    assert_int_equal(bl_tail_stats(rig->tail).damaged, 1);
    assert_int_equal(bl_tail_stats(rig->tail).unread, 0);
    assert_true(rig->lines > 100 && rig->lines < 1010);
    assert_int_equal(rig->times[1009], 1);
    assert_int_equal(rig->doubles, 0);
}

static void once_gives_up_a_file_that_cannot_be_read(void **state)
{
    struct rig *rig = *state;

    rig->options.once = true;
    fault_every = 1;
    fault_errno = EIO;
    rig_write(rig, "mail.log", 10);
    bl_identity_test.read_fault = fault;
    rig_start(rig, NULL);
    wait_end(rig);
    assert_int_equal(rig->lines, 0);
    assert_int_equal(bl_tail_stats(rig->tail).missing, 1);
    assert_int_equal(bl_tail_stats(rig->tail).unread, 1);
}

static void from_end_skips_what_is_there_and_nothing_later(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"mail.log", "mail.log.1", NULL};
    uint64_t size;

    rig->from_end = true;
    rig_write(rig, "mail.log.1", 100);
    rig_write(rig, "mail.log", 100);
    size = 0;
    for (int i = 0; i < 2; i++) {
        struct stat st;

        assert_int_equal(stat(rig_path(rig, names[i]), &st), 0);
        size += (uint64_t)st.st_size;
    }
    /* the line that is being written belongs to the new ones */
    rig_append(rig, "mail.log", "SEQ2", 4);
    rig_start(rig, names);
    rig_settle(rig);
    assert_int_equal(rig->lines, 0);
    assert_int_equal(rig->skipped, size);
    rig_append(rig, "mail.log", "00 whole\n", 9);
    rig->next++;
    rig_write(rig, "mail.log", 9);
    rig_wait(rig, 10);
    rig_rename(rig, "mail.log", "mail.log.2");
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 20);
    rig_settle(rig);
    rig_restart(rig); /* known now: no second skip */
    rig_write(rig, "mail.log", 10);
    rig_wait(rig, 30);
    rig_settle(rig);
    assert_int_equal(rig->skipped, size);
    assert_int_equal(rig->doubles, 0);
    assert_int_equal(rig->odd, 0);
    for (uint32_t i = 200; i < rig->next; i++)
        assert_int_equal(rig->times[i], 1);
}

/* How many descriptors this process has on the file, whatever its name is now. */
static unsigned open_ones(uint64_t inode)
{
    DIR *all = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(all);
    for (struct dirent *entry; (entry = readdir(all)) != NULL;) {
        struct stat st;

        n += fstatat(dirfd(all), entry->d_name, &st, 0) == 0 && st.st_ino == inode;
    }
    closedir(all);
    return n;
}

static void next_run(struct rig *rig, const char *const *names)
{
    struct bl_resume *resume = rig_resume(rig);

    bl_tail_pause(rig->tail);
    rig_follow(rig, names);
    rig_begin_run(rig);
    bl_tail_start(rig->tail, resume);
    bl_resume_free(resume);
}

/* One comes and is read from its start; the other one goes on, with a file that only we have; then
 * it is left, and its descriptor with it. */
static void other_logs_from_the_next_run_on(void **state)
{
    struct rig *rig = *state;
    static const char *const both[] = {"mail.log", "sub/other.log", NULL}, *const other[] = {
                                                                               "sub/other.log",
                                                                               NULL};
    int deleted = rig_open(rig, "mail.log");
    uint64_t inode = rig_inode(rig, "mail.log");

    rig_write(rig, "mail.log", 100);
    rig_start(rig, NULL);
    rig_wait(rig, 100);
    assert_int_equal(mkdir(rig_path(rig, "sub"), 0755), 0);
    rig_write(rig, "sub/other.log", 50);
    rig_withhold(rig);
    rig_write_fd(rig, deleted, 10);
    rig_remove(rig, "mail.log");
    rig->withheld = 0;
    next_run(rig, both);
    rig_wait(rig, 160);
    assert_int_equal(bl_tail_sources(rig->tail), 2);
    assert_int_equal(open_ones(inode), 2);
    next_run(rig, other);
    rig_write(rig, "sub/other.log", 5);
    rig_wait(rig, 165);
    assert_int_equal(bl_tail_sources(rig->tail), 1);
    assert_int_equal(open_ones(inode), 1); /* the writer's */
    rig_write_fd(rig, deleted, 10);
    rig_settle(rig);
    assert_int_equal(rig->lines, 165);
    assert_int_equal(rig->doubles, 0);
    close(deleted);
}

/* Deleted, and its writer still there: it ends when it was quiet for long, not before; a log that
 * may not end is kept for ever.  What came between is counted, and the position says that there is
 * no more. */
static void a_log_that_may_end_ends_when_nothing_of_it_is_left(void **state)
{
    for (int may_end = 0; may_end < 2; may_end++) {
        struct rig *rig = *state;
        int writer = rig_open(rig, "mail.log");
        uint64_t inode = rig_inode(rig, "mail.log"), before = rig->lines;

        rig->may_end = may_end;
        rig->options.vacant_ms = 600;
        rig_write_fd(rig, writer, 10);
        rig_start(rig, NULL);
        rig_wait(rig, before + 10);
        assert_false(bl_tail_source_ended(rig->tail, 0));
        rig_remove(rig, "mail.log");
        for (int i = 0; i < 5; i++) {
            rig_spin(rig, 250);
            rig_write_fd(rig, writer, 1);
        }
        rig_wait(rig, before + 15);
        assert_false(bl_tail_source_ended(rig->tail, 0));
        rig_spin(rig, 1500);
        assert_int_equal(bl_tail_source_ended(rig->tail, 0), may_end);
        assert_int_equal(open_ones(inode), may_end ? 1 : 2);
        assert_int_equal(rig->at.v[rig->at.n - 1].finished, may_end);
        rig_write(rig, "mail.log", 3); /* there is one again */
        rig_wait(rig, before + 18);
        assert_false(bl_tail_source_ended(rig->tail, 0));
        close(writer);
        rig_stop(rig);
        rig_expect_all(rig);
    }
}

static void a_log_is_left_while_it_is_read(void **state)
{
    static const char *const other[] = {"other.log", NULL}, *const none[] = {NULL};
    struct rig *rig = *state;

    rig_write(rig, "mail.log", 1000);
    rig_write(rig, "other.log", 10);
    rig_start(rig, NULL); /* a job is under way */
    next_run(rig, other);
    rig_wait(rig, 10);
    rig_settle(rig);
    assert_int_equal(rig->lines, 10);
    next_run(rig, none);
    bl_tail_kick(rig->tail);
    rig_write(rig, "other.log", 10);
    rig_spin(rig, 100);
    assert_int_equal(rig->lines, 10);
    next_run(rig, NULL);
    rig_wait(rig, 1010);
    next_run(rig, none);
    rig_stop(rig);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(t22_folder_and_file_appear_later),
        TEST(t22_two_rotations_before_it_is_seen_first),
        TEST(t22_vanishes_and_comes_back),
        TEST(t23_unreadable_then_readable),
        TEST(not_a_regular_file_is_waited_out),
        TEST(what_takes_the_place_of_the_log_is_said_once_and_waited_out),
        TEST(files_on_another_file_system),
        TEST(files_whose_positions_were_forgotten_are_not_read_again),
        TEST(t25_reads_that_fail_now_and_then),
        TEST(t25_a_file_that_fails_for_a_while_is_said_once),
        TEST(t26_the_queue_of_events_overflows),
        TEST(t27_no_descriptors_left),
        TEST(without_blocks_it_waits_and_loses_nothing),
        TEST(one_block_at_a_time_is_enough),
        TEST(a_pause_gives_blocks_back_and_a_start_reads_them_again),
        TEST(a_start_during_a_job_begins_again),
        TEST(a_new_run_keeps_what_was_deleted_unread),
        TEST(a_loss_is_told_once_however_often_a_run_begins),
        TEST(of_a_file_that_was_read_to_its_end_no_bytes_are_lost),
        TEST(a_new_run_does_not_move_the_end_that_was_begun_from),
        TEST(closing_while_busy_is_clean),
        TEST(two_logs_do_not_mix),
        TEST(other_logs_from_the_next_run_on),
        TEST(a_log_is_left_while_it_is_read),
        TEST(a_log_that_may_end_ends_when_nothing_of_it_is_left),
        TEST(t37_what_was_read_into_another_redis_is_read_again),
        TEST(once_reads_to_the_end_and_leaves_half_a_line_of_the_log_itself),
        TEST(once_with_a_file_that_is_missing),
        TEST(once_with_what_is_no_file_and_an_archive_that_is_none),
        TEST(once_with_nothing_but_rotated_files),
        TEST(once_with_an_archive_that_is_not_read),
        TEST(once_with_a_damaged_archive_reads_what_there_is),
        TEST(once_gives_up_a_file_that_cannot_be_read),
        TEST(from_end_skips_what_is_there_and_nothing_later),
    };
    int failed = cmocka_run_group_tests_name("with inotify", tests, NULL, NULL);

    rig_watch = false;
    return failed + cmocka_run_group_tests_name("t24: by the sweep alone", tests, NULL, NULL);
}
