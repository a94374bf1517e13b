/* ctest: label=quick timeout=120
 *
 * Real Postfix runs: every line that says what became of a recipient must be read.  The logs lie
 * beside the project, not in it; without them the test is skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "bounceline/postfix.h"
#include "guarded.h"

static const char *const files[] = {"real-postfix-3.7.11-rfc3164.log",
                                    "real-postfix-3.7.11-rfc3339.log",
                                    "real-postfix-3.7.11-postlogd.log",
                                    "real-postfix-3.7.11-journald-short.log",
                                    "real-postfix-3.7.11-journald-short-iso.log",
                                    "real-postfix-3.7.11-journald-short-iso-precise.log",
                                    "real-postfix-3.7.11-udp-rfc3164-pri.raw",
                                    "real-postfix-3.7.11-tcp-lf-rfc3339-pri.raw"};

struct counts {
    size_t lines, heads, records, unparsed, status, status_records, outcome[BL_OUTCOMES],
        phase[BL_PHASES];
};

static void count_line(struct counts *counts, struct bl_stamper *stamper, bl_slice line)
{
    bool status = bl_slice_find(line, BL_SLICE(" status=")) != SIZE_MAX &&
                  bl_slice_find(line, BL_SLICE(": to=<")) != SIZE_MAX;
    bl_syslog head;
    bl_record record;
    bl_reply reply;
    enum bl_postfix_line kind;

    counts->lines++;
    counts->status += status;
    if (!bl_syslog_read(line, stamper, &head))
        return;
    counts->heads++;
    kind = bl_postfix_read(&head, &record, &reply);
    if (kind == BL_POSTFIX_UNPARSED) {
        counts->unparsed++;
        print_message("UNPARSED %.*s\n", (int)(line.n < 300 ? line.n : 300), line.p);
    }
    if (kind != BL_POSTFIX_RECORD)
        return;
    counts->records++;
    counts->status_records += status;
    if (record.kind == BL_RECORD_DELIVERY || record.kind == BL_RECORD_REJECT) {
        counts->outcome[record.outcome]++;
        if (record.outcome != BL_DELIVERED && record.outcome != BL_RELAYED &&
            record.outcome != BL_DISCARDED) {
            counts->phase[record.phase]++;
            if (record.phase == BL_PHASE_UNKNOWN)
                print_message("no phase: %.*s\n", (int)(record.text.n < 200 ? record.text.n : 200),
                              record.text.p);
        }
    }
}

static void every_status_line_of_the_real_runs_is_a_record(void **state)
{
    const char *shared = getenv("BL_SHARED");
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(files); i++) {
        struct counts counts = {0};
        struct bl_stamper stamper;
        char path[4096], *line = NULL;
        size_t room = 0;
        ssize_t n;
        FILE *file;

        snprintf(path, sizeof path, "%s/data/logs/real/%s", shared ? shared : "", files[i]);
        file = fopen(path, "r");
        if (!file)
            continue;
        seen++;
        bl_stamper_init(&stamper, NULL);
        bl_stamper_refer(&stamper, 1795323817);
        while ((n = getline(&line, &room, file)) > 0)
            count_line(&counts, &stamper, guarded_bytes(line, (size_t)n - (line[n - 1] == '\n')));
        free(line);
        fclose(file);
        print_message(
            "%s: %zu lines, %zu heads, %zu records, %zu of %zu status lines, %zu unparsed\n",
            files[i], counts.lines, counts.heads, counts.records, counts.status_records,
            counts.status, counts.unparsed);
        for (unsigned k = 0; k < BL_OUTCOMES; k++)
            print_message("  %s %zu\n", bl_outcome_name((enum bl_outcome)k), counts.outcome[k]);
        for (unsigned k = 0; k < BL_PHASES; k++)
            print_message("  phase %u %zu\n", k, counts.phase[k]);
        assert_int_equal(counts.unparsed, 0);
        assert_int_equal(counts.status_records, counts.status);
        assert_true(counts.status > 0);
    }
    if (!seen) {
        print_message("no real logs in %s/data/logs/real\n", shared ? shared : "$BL_SHARED");
        exit(77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_line_of_the_real_runs_is_a_record)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
