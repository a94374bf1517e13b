/* ctest: label=quick
 *
 * What a line of the log may show: no mailbox, nothing that drives a terminal, repeats counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <time.h>

#include <cmocka.h>

/* Both clocks are the test's. */
static time_t wall_s = 1000000, steady_clock_s = 5000;

static time_t its_time(time_t *out)
{
    (void)out;
    return wall_s;
}

static int its_clock(clockid_t clock, struct timespec *out)
{
    *out = (struct timespec){.tv_sec = clock == CLOCK_MONOTONIC ? steady_clock_s : wall_s};
    return 0;
}

#define time(out)                 its_time(out)
#define clock_gettime(clock, out) its_clock(clock, out)
#include "../../deploy/bounceline/log.c"

static char path[] = "/tmp/test_log.XXXXXX";
static char shown[16384];

static int begin(void)
{
    int kept = dup(STDERR_FILENO), fd = open(path, O_RDWR | O_TRUNC | O_APPEND);

    dup2(fd, STDERR_FILENO);
    close(fd);
    return kept;
}

/* What stands there since begin(). */
static const char *end(int kept)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, shown, sizeof shown - 1);

    close(fd);
    dup2(kept, STDERR_FILENO);
    close(kept);
    shown[n > 0 ? n : 0] = '\0';
    return shown;
}

static void mailboxes_are_masked(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"ana@example.org", "a***@example.org"},
        {"bl:{p00}:a:ana.b+c@example.org is odd", "bl:{p00}:a:a***@example.org is odd"},
        {"to <ana@example.org>, <bob@example.net>", "to <a***@example.org>, <b***@example.net>"},
        {"\"o'neil@example.org\"", "\"o'n***@example.org\""},
        {"\xc3\xbcmit@example.org", "\xc3***@example.org"},
        {"redis://writer@host:6379", "redis://writer@host:6379"},
        {"a lone @ and a@ and @b", "a lone @ and a@ and @b"},
        {"/var/log/mail.log", "/var/log/mail.log"},
        {"", ""},
    };
    char out[LINE];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("%s\n", cases[i].in);
        mask_addresses(cases[i].in, out, sizeof out);
        assert_string_equal(out, cases[i].out);
    }
}

static void a_short_buffer_holds_what_fits(void **state)
{
    char out[8];

    (void)state;
    mask_addresses("xx ana@example.org", out, sizeof out);
    assert_string_equal(out, "xx a***");
    mask_addresses("xxxxxx ana@example.org", out, sizeof out);
    assert_string_equal(out, "xxxxxx ");
    mask_addresses("xxxxx ana@example.org", out, sizeof out);
    assert_string_equal(out, "xxxxx a");
}

static void a_line_that_comes_again_is_counted(void **state)
{
    int kept = begin();

    (void)state;
    for (int i = 0; i < 1000; i++)
        bl_log(4, "Redis is gone");
    bl_log(5, "Redis is back");
    bl_log(5, "Redis is back");
    bl_log(4, "Redis is gone");
    assert_string_equal(end(kept), "bounceline: warning: Redis is gone\n"
                                   "bounceline: warning: the line before came 999 more times\n"
                                   "bounceline: Redis is back\n"
                                   "bounceline: the line before came 1 more time\n"
                                   "bounceline: warning: Redis is gone\n");
}

/* Fails when the minute is measured by the wall clock: set back by a day, it would end a day
 * later. */
static void a_clock_that_is_set_back_silences_nothing(void **state)
{
    int kept = begin();

    (void)state;
    bl_log(4, "the disk is full");
    wall_s -= 86400;
    steady_clock_s += 59;
    bl_log(4, "the disk is full");
    steady_clock_s += 2;
    bl_log(4, "the disk is full");
    assert_string_equal(end(kept), "bounceline: warning: the disk is full\n"
                                   "bounceline: warning: the line before came 1 more time\n"
                                   "bounceline: warning: the disk is full\n");
}

static void levels_hold(void **state)
{
    int level, kept = begin();

    (void)state;
    assert_true(bl_log_level("warning", &level));
    assert_false(bl_log_level("loud", &level));
    bl_log_set_level(level);
    bl_log(3, "shown 3");
    bl_log(4, "shown 4");
    bl_log(5, "hidden 5");
    bl_log_set_level(7);
    bl_log(7, "shown 7");
    bl_log_set_level(6);
    assert_string_equal(
        end(kept),
        "bounceline: error: shown 3\nbounceline: warning: shown 4\nbounceline: shown 7\n");
}

static void nothing_drives_a_terminal(void **state)
{
    int kept = begin();

    (void)state;
    bl_log(3, "a\x1b[31mb\nc\x7f");
    assert_string_equal(end(kept), "bounceline: error: a?[31mb?c?\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mailboxes_are_masked),
        cmocka_unit_test(a_short_buffer_holds_what_fits),
        cmocka_unit_test(a_line_that_comes_again_is_counted),
        cmocka_unit_test(a_clock_that_is_set_back_silences_nothing),
        cmocka_unit_test(levels_hold),
        cmocka_unit_test(nothing_drives_a_terminal),
    };
    int fd = mkstemp(path), failed;

    if (fd < 0)
        return 1;
    close(fd);
    unsetenv("JOURNAL_STREAM");
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
