/* ctest: label=quick timeout=30
 *
 * What people name is read whole or refused, and never waited for.  The cases of FIFOs hang, and so
 * run into the timeout, when files are opened without O_NONBLOCK. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bounceline/slice.h"

#include "../../deploy/bounceline/file.c"

static char dir[] = "/tmp/test_file.XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, size_t bytes)
{
    FILE *file = fopen(path_of(name), "wb");

    assert_non_null(file);
    for (size_t i = 0; i < bytes; i++)
        fputc('a' + (int)(i % 26), file);
    fclose(file);
}

static void a_file_is_read_whole_up_to_its_limit(void **state)
{
    static const size_t sizes[] = {0, 1, 99, 100};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(sizes); i++) {
        char *text = NULL;
        size_t n = 7;

        write_file("small", sizes[i]);
        assert_int_equal(bl_file_read(path_of("small"), 100, &text, &n, NULL), BL_OK);
        assert_int_equal(n, sizes[i]);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(text[k], 'a' + (int)(k % 26));
        bl_free(text);
    }
}

static void a_file_beyond_its_limit_is_refused(void **state)
{
    char *text = NULL;
    size_t n;
    bl_err err;

    (void)state;
    for (size_t size = 101; size < 100000; size *= 10) {
        write_file("long", size);
        assert_int_equal(bl_file_read(path_of("long"), 100, &text, &n, &err), BL_LIMIT);
        assert_non_null(strstr(err.text, "is longer than 100 bytes"));
        assert_null(text);
    }
}

/* procfs tells no size: what grows while it is read is read, too. */
static void a_size_that_is_not_told_is_no_limit(void **state)
{
    char *text = NULL;
    size_t n = 0;

    (void)state;
    assert_int_equal(bl_file_read("/proc/self/maps", 1 << 24, &text, &n, NULL), BL_OK);
    assert_true(n > 1000);
    bl_free(text);
    assert_int_equal(bl_file_read("/proc/self/maps", 1000, &text, &n, NULL), BL_LIMIT);
}

static void what_is_no_file_is_refused(void **state)
{
    static const struct {
        const char *path, *says;
        int sys;
    } cases[] = {
        {"absent", "No such file", ENOENT},
        {"folder", "it is a directory", EINVAL},
        {"fifo", "it is a FIFO", EINVAL},
        {"/dev/zero", "it is a device", EINVAL},
    };

    (void)state;
    assert_int_equal(mkdir(path_of("folder"), 0700), 0);
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        const char *path = cases[i].path[0] == '/' ? cases[i].path : path_of(cases[i].path);
        struct stat st;
        char *text;
        size_t n;
        int fd;
        bl_err err;

        print_message("%s\n", path);
        assert_int_equal(bl_file_read(path, 100, &text, &n, &err), BL_NO_INPUT);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_int_equal(err.sys, cases[i].sys);
        assert_int_equal(bl_file_open_log(path, &fd, &st, &err), BL_NO_INPUT);
        assert_non_null(strstr(err.text, cases[i].says));
    }
}

static void the_null_device_is_an_empty_file(void **state)
{
    struct stat st;
    char *text;
    size_t n = 7;
    int fd;

    (void)state;
    assert_int_equal(bl_file_read("/dev/null", 100, &text, &n, NULL), BL_OK);
    assert_int_equal(n, 0);
    bl_free(text);
    assert_int_equal(bl_file_open_log("/dev/null", &fd, &st, NULL), BL_OK);
    close(fd);
}

/* A pipe that the process has, by its name: read to its end, waiting for what comes. */
static void a_descriptor_may_be_a_log(void **state)
{
    int ends[2], fd;
    char path[64], c;
    struct stat st;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_int_equal(bl_file_open_log(path, &fd, &st, NULL), BL_OK);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    close(ends[1]);
    assert_int_equal(read(fd, &c, 1), 1);
    assert_int_equal(read(fd, &c, 1), 0);
    close(fd);
    close(ends[0]);
}

static int remove_all(void **state)
{
    static const char *const names[] = {"small", "long", "folder", "fifo"};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(names); i++)
        remove(path_of(names[i]));
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_whole_up_to_its_limit),
        cmocka_unit_test(a_file_beyond_its_limit_is_refused),
        cmocka_unit_test(a_size_that_is_not_told_is_no_limit),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(the_null_device_is_an_empty_file),
        cmocka_unit_test(a_descriptor_may_be_a_log),
    };

    if (!mkdtemp(dir))
        return 1;
    return cmocka_run_group_tests(tests, NULL, remove_all);
}
