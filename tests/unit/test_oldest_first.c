/* ctest: label=quick */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../deploy/bounceline/oldest_first.c"

enum { MOST = 6 };

static const struct {
    const char *name, *in[MOST], *want[MOST];
} cases[] = {
    {"numbered, as a shell sorts them",
     {"mail.log", "mail.log.1", "mail.log.10.gz", "mail.log.2.gz"},
     {"mail.log.10.gz", "mail.log.2.gz", "mail.log.1", "mail.log"}},
    {"dated",
     {"mail.log", "mail.log-20261101.gz", "mail.log-20261108.zst", "mail.log-20261115"},
     {"mail.log-20261101.gz", "mail.log-20261108.zst", "mail.log-20261115", "mail.log"}},
    {"dated by the hour",
     {"m-2026112207", "m-20261122-0600", "m"},
     {"m-20261122-0600", "m-2026112207", "m"}},
    {"dated with dashes",
     {"m", "m-2026-11-22T05.gz", "m-2026-11-22T04", "m-2026-11-21T23"},
     {"m-2026-11-21T23", "m-2026-11-22T04", "m-2026-11-22T05.gz", "m"}},
    {"a file a day",
     {"logs/2026-11-21", "logs/2026-11-22", "logs/2026-11-23.gz"},
     {"logs/2026-11-21", "logs/2026-11-22", "logs/2026-11-23.gz"}},
    {"a dot before the date",
     {"m", "m.20261122.gz", "m.20261121"},
     {"m.20261121", "m.20261122.gz", "m"}},
    {"two logs keep their places",
     {"b.log", "a.log", "b.log.1", "a.log.1"},
     {"b.log.1", "b.log", "a.log.1", "a.log"}},
    {"folders are part of the name",
     {"x/mail.log", "y/mail.log.1"},
     {"x/mail.log", "y/mail.log.1"}},
    {"nothing to sort", {"-", "one", "two"}, {"-", "one", "two"}},
    {"odd names",
     {"", ".", ".1", "-20261122", "2026-11-22"},
     {"", ".", ".1", "-20261122", "2026-11-22"}},
    {"the same file twice", {"m", "m", "m.1"}, {"m.1", "m", "m"}},
};

static void rotated_files_come_oldest_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        char room[MOST][64], *paths[MOST];
        size_t n = 0;

        print_message("%s\n", cases[i].name);
        for (; n < MOST && cases[i].in[n]; n++)
            paths[n] = strcpy(room[n], cases[i].in[n]);
        bl_oldest_first(paths, n);
        for (size_t k = 0; k < n; k++)
            assert_string_equal(paths[k], cases[i].want[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rotated_files_come_oldest_first)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
