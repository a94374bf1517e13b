/* ctest: label=quick
 *
 * The names that logrotate, newsyslog, savelog, exicyclog and Postfix's own rotation give, and
 * whose log they are of. Fails when bl_rotated_read takes the last number for the whole stamp, or
 * the first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "siblings.h"

static const struct {
    const char *name, *stem, *stamp;
    bool is_date, packed;
} names[] = {
    {"mail.log.1", "mail.log", "1", false, false},
    {"mail.log.12.gz", "mail.log", "12", false, true},
    {"mainlog.01", "mainlog", "01", false, false},
    {"mail.log.0", "mail.log", "0", false, false},
    {"mail.log-20261122", "mail.log", "20261122", true, false},
    {"mail.log-20261122.zst", "mail.log", "20261122", true, true},
    {"mail.log-2026-11-22", "mail.log", "20261122", true, false},
    {"mail.log-2026-11-22T05", "mail.log", "2026112205", true, false},
    {"mail.log-2026-11-22_05:30.gz", "mail.log", "202611220530", true, true},
    {"maillog.20261122-070000", "maillog", "20261122070000", true, false},
    {"mail.log-202611", "mail.log", "202611", true, false},
    {"mail.log-1795323817", "mail.log", "1795323817", true, false},
    {"mail.log-20261122-1795323817", "mail.log", "202611221795323817", true, false},
    {"mx-2.log.3", "mx-2.log", "3", false, false},
    {"mx-2-20261122", "mx-2", "20261122", true, false},
    {"mx-20-20261122", "mx-20", "20261122", true, false},
    {"/var/log-1/mail.log-20261122", "/var/log-1/mail.log", "20261122", true, false},
    {"logs/2026-11-22", NULL, NULL, false, false},
    {"logs/20261122-07.gz", NULL, NULL, false, false},
    {"mail.log", NULL, NULL, false, false},
    {"mail.log.gz", NULL, NULL, false, false},
    {"mail.log.1.xz", NULL, NULL, false, false},
    {"mail.log.", NULL, NULL, false, false},
    {"mail.log-", NULL, NULL, false, false},
    {"mail.log.old", NULL, NULL, false, false},
    {"mail.log.1-", NULL, NULL, false, false},
    {".1", NULL, NULL, false, false},
    {"", NULL, NULL, false, false},
    {"m-123456789012345678901234", NULL, NULL, false, false},
};

static void names_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(names); i++) {
        bl_slice name = {names[i].name, strlen(names[i].name)};
        struct bl_rotated r;

        print_message("%s\n", names[i].name);
        assert_int_equal(bl_rotated_read(name, &r), names[i].stem != NULL);
        if (!names[i].stem)
            continue;
        assert_true(bl_slice_eq(r.stem, (bl_slice){names[i].stem, strlen(names[i].stem)}));
        assert_string_equal(r.stamp, names[i].stamp);
        assert_int_equal(r.is_date, names[i].is_date);
        assert_int_equal(r.packed, names[i].packed);
        assert_true(bl_rotated_of(r.stem, name, &r));
    }
}

/* They had been three logs, and of two days with dashes the younger was read first. */
static void files_of_one_log_are_one_log(void **state)
{
    static const char *const sets[][3] = {
        {"/no/maillog.20261121-070000", "/no/maillog.20261122-070000",
         "/no/maillog.20261123-070000.gz"},
        {"/no/mail.log-2026-11-21", "/no/mail.log-2026-11-22", "/no/mail.log-2026-12-01"},
        {"/no/mainlog.01", "/no/mainlog.02", "/no/mainlog.10.gz"},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(sets); i++) {
        struct bl_log *logs;
        size_t n;

        assert_int_equal(bl_siblings_fold(sets[i], 3, &logs, &n, NULL, NULL), BL_OK);
        assert_int_equal(n, 1);
        assert_int_equal(strncmp(logs[0].path, sets[i][0], strlen(logs[0].path)), 0);
        assert_true(logs[0].alone);
        assert_int_equal(logs[0].named_n, 3);
        bl_siblings_free_logs(logs, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_read),
                                       cmocka_unit_test(files_of_one_log_are_one_log)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
