/* ctest: label=quick timeout=30
 *
 * golden/NAME.log read as one block, against golden/NAME.want: a line for each record with
 * everything it says, but for the category, which is the rules' business.  `test_golden_postfix
 * --update` writes the files anew; the commit then shows what changed.
 *
 * Negative control: the comparison is shown the text with one byte changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "bounceline/block.h"

enum { TEXT_MAX = 1 << 18 };

static bool update;

static char *load(const char *name, const char *end, size_t *n)
{
    const char *source = getenv("BL_SOURCE");
    char path[4096], *text = calloc(1, TEXT_MAX);
    FILE *file;

    snprintf(path, sizeof path, "%s/tests/golden/%s%s", source ? source : ".", name, end);
    file = fopen(path, "rb");
    assert_non_null(text);
    *n = file ? fread(text, 1, TEXT_MAX - 1, file) : 0;
    if (file)
        fclose(file);
    return text;
}

struct out {
    char *p;
    size_t n;
};

static void put(struct out *out, const char *label, bl_slice s)
{
    if (s.n)
        out->n +=
            (size_t)snprintf(out->p + out->n, TEXT_MAX - out->n, " %s=%.*s", label, (int)s.n, s.p);
}

static void put_record(struct out *out, const bl_record *r)
{
    static const char *const kinds[] = {"",       "OPEN",     "ARRIVAL", "MESSAGE_ID",
                                        "QUEUED", "DELIVERY", "EXPIRED", "REMOVED",
                                        "REJECT", "PIECE",    "HELD"};
    bool outcome = r->kind == BL_RECORD_DELIVERY || r->kind == BL_RECORD_REJECT;
    char stamp[BL_STAMP_TEXT_MAX], status[BL_STATUS_TEXT_MAX];

    bl_stamp_text(r->time_us, stamp);
    bl_status_text(r->enhanced, status);
    out->n += (size_t)snprintf(out->p + out->n, TEXT_MAX - out->n, "%s %s", stamp, kinds[r->kind]);
    put(out, "host", r->host);
    put(out, "service", r->service);
    put(out, "id", r->queue_id);
    if (outcome)
        put(out, "outcome",
            (bl_slice){bl_outcome_name((enum bl_outcome)r->outcome),
                       strlen(bl_outcome_name((enum bl_outcome)r->outcome))});
    out->n +=
        (size_t)snprintf(out->p + out->n, TEXT_MAX - out->n, "%s%s%s",
                         r->flags & BL_RECORD_NO_ATTEMPT ? " no-attempt" : "",
                         r->flags & BL_RECORD_ONE_SHOT ? " one-shot" : "",
                         r->flags & BL_RECORD_HAS_SENDER && r->sender.n == 0 ? " sender=" : "");
    put(out, "sender", r->sender);
    put(out, "recipient", r->recipient);
    put(out, "orig", r->orig_recipient);
    put(out, "peer", r->peer_host);
    put(out, "ip", r->peer_ip);
    put(out, "sending", bl_sending_ip(r->peer_ip, r->sending_gap));
    if (r->delay_ms >= 0)
        out->n +=
            (size_t)snprintf(out->p + out->n, TEXT_MAX - out->n, " delay=%dms", (int)r->delay_ms);
    if (r->flags & BL_RECORD_REPEATED)
        out->n += (size_t)snprintf(out->p + out->n, TEXT_MAX - out->n, " repeats=%u", r->repeats);
    if (r->code)
        out->n += (size_t)snprintf(out->p + out->n, TEXT_MAX - out->n, " code=%u", r->code);
    put(out, "enhanced", (bl_slice){status, strlen(status)});
    put(out, "phase",
        (bl_slice){bl_phase_name((enum bl_phase)r->phase),
                   strlen(bl_phase_name((enum bl_phase)r->phase))});
    put(out, "text", r->text);
    out->p[out->n++] = '\n';
}

static void compare(const char *name)
{
    const struct bl_rules *rules = bl_rules_builtin();
    struct bl_block *block = bl_block_new();
    struct bl_worker *worker = bl_worker_new(NULL);
    struct out got = {calloc(1, TEXT_MAX), 0};
    char *log, *want, path[4096];
    size_t log_n, want_n;

    log = load(name, ".log", &log_n);
    want = load(name, ".want", &want_n);
    assert_true(log_n > 0 && log_n <= BL_BLOCK_BYTES);
    memcpy(block->bytes, log, log_n);
    block->n = log_n;
    block->reference_s = 1795323817;
    bl_block_parse(worker, rules, block);
    for (size_t i = 0; i < block->records_n; i++)
        put_record(&got, &block->records[i]);
    got.n += (size_t)snprintf(
        got.p + got.n, TEXT_MAX - got.n, "%llu lines, %zu records, %llu unparsed\n",
        (unsigned long long)block->lines, block->records_n, (unsigned long long)block->unparsed);
    if (update) {
        FILE *file;

        snprintf(path, sizeof path, "%s/tests/golden/%s.want",
                 getenv("BL_SOURCE") ? getenv("BL_SOURCE") : ".", name);
        file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(got.p, 1, got.n, file), got.n);
        fclose(file);
    } else {
        assert_string_equal(got.p, want);
        got.p[got.n / 2] ^= 1;
        assert_string_not_equal(got.p, want);
    }
    free(log);
    free(want);
    free(got.p);
    bl_worker_free(worker);
    bl_block_free(block);
}

static void postfix_records_are_as_written_down(void **state)
{
    (void)state;
    compare("postfix");
}

static void exim_records_are_as_written_down(void **state)
{
    (void)state;
    compare("exim");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(postfix_records_are_as_written_down),
                                       cmocka_unit_test(exim_records_are_as_written_down)};

    update = argc > 1 && strcmp(argv[1], "--update") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
