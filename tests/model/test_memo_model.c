/* ctest: label=quick timeout=120
 *
 * Remembered verdicts against fresh ones: the samples of all rules, again and again, each time with
 * other addresses, ids and codes of further lines in them, at other providers' hosts and other
 * steps, in batches of any size.  What is remembered must be the same to the byte, also where in
 * the text the deciding words stand.  Then the same under other rules, and back.
 *
 * Negative controls, each made once by hand, each failing here: a key without the phase, `anywhere`
 * always true, places kept as offsets into the whole text, no forgetting when the rules change, and
 * a look into the last gap for where words at the end begin. */
#include "bounceline/memo.h"

#include "bounceline/reply.h"
#include "bounceline/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BATCH_MAX = 150, TEXT_MAX = 2048, ROUNDS = 400, SAMPLES_MAX = 4096, POOL = 20 };

static uint64_t seed = 20261123;
static bl_slice samples[SAMPLES_MAX];
static size_t samples_n;

static unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* Lines that begin with `=`. */
static void list_samples(bl_slice text)
{
    while (text.n) {
        bl_slice line = bl_slice_head(text, bl_slice_find_byte(text, '\n'));

        text = bl_slice_drop(text, line.n + 1);
        while (line.n && line.p[0] == ' ')
            line = bl_slice_drop(line, 1);
        if (line.n > 2 && line.p[0] == '=' && samples_n < SAMPLES_MAX)
            samples[samples_n++] = bl_slice_drop(line, 2);
    }
}

static size_t put_own(char *out, const char *code)
{
    switch (draw(8)) {
    case 0:
        return (size_t)sprintf(out, " <u%u.name@host%u.example>", draw(100000), draw(1000));
    case 1:
        return (size_t)sprintf(out, " a%uk%ux%u", draw(100000), draw(100000),
                               100000 + draw(900000));
    case 2:
        return (size_t)sprintf(out, " %.3s-", code);
    default:
        return 0;
    }
}

/* A sample with things of its own between its words, mostly out of a pool that moves on; hardly
 * ever a long one. */
static bl_slice make_text(char *out, size_t round)
{
    bl_slice sample =
        samples[draw(4) ? (round * POOL / 5 + draw(POOL)) % samples_n : draw((unsigned)samples_n)];
    size_t n = 0;
    int blanks = 0;

    for (size_t i = 0; i < sample.n && n < TEXT_MAX - 64; i++) {
        if (sample.p[i] == ' ' && i > 3 && blanks++ % 4 == 1)
            n += put_own(out + n, sample.p);
        out[n++] = sample.p[i];
    }
    if (draw(8) == 0) /* a last line without words */
        n += (size_t)sprintf(out + n, " %.3s%s", sample.p, draw(2) ? " " : "-5.1.11");
    if (draw(2) && n > 3 && out[3] == ' ')
        out[3] = '-';
    while (draw(60) == 0 && n < TEXT_MAX - 64)
        n += (size_t)sprintf(out + n, "%s", " and a great deal more that nobody needs to know");
    return (bl_slice){out, n};
}

static void compare(struct bl_memo *memo, const struct bl_rules *rules, size_t round)
{
    static const char *const hosts[] = {"mx.shop.example", "gmail-smtp-in.l.google.com",
                                        "shop.mail.protection.outlook.com", "mta7.am0.yahoodns.net",
                                        ""};
    static char texts[BATCH_MAX][TEXT_MAX];
    bl_reply replies[BATCH_MAX];
    uint16_t providers[BATCH_MAX];
    bl_verdict verdicts[BATCH_MAX];
    size_t n = 1 + draw(BATCH_MAX);

    for (size_t i = 0; i < n; i++) {
        const char *host = hosts[draw(BL_COUNT(hosts))];

        replies[i] = (bl_reply){.relay_host = {host, strlen(host)}};
        bl_reply_read(make_text(texts[i], round), &replies[i]);
        replies[i].phase = draw(3) ? BL_PHASE_RCPT : (enum bl_phase)draw(BL_PHASES);
        if (draw(10) == 0)
            replies[i].wrapper = (bl_status){5, 1, 1};
        if (draw(500) == 0)
            replies[i].text = (bl_slice){0};
        providers[i] = bl_rules_provider(rules, replies[i].relay_host);
    }
    bl_memo_classify(memo, rules, replies, providers, verdicts, n);
    for (size_t i = 0; i < n; i++) {
        bl_verdict want = bl_classify(rules, &replies[i]);

        if (memcmp(&want, &verdicts[i], sizeof want) != 0)
            fail_msg("'%.*s' at '%.*s', phase %d: rule %u at %u+%u, remembered %u at %u+%u",
                     (int)replies[i].text.n, replies[i].text.p, (int)replies[i].relay_host.n,
                     replies[i].relay_host.p, (int)replies[i].phase, want.rule, want.match_at,
                     want.match_n, verdicts[i].rule, verdicts[i].match_at, verdicts[i].match_n);
    }
}

/* What ships, with a rule of somebody's own that answers much. */
static struct bl_rules *compile_own(void)
{
    static const struct bl_rules_file own[] = {
        {BL_SLICE_INIT("own.rules"),
         BL_SLICE_INIT("[provider]\nmine: \"mailbox\" | \"ked $\" | \"user $\" -> greylisted ; s\n"
                       "  = 550 a mailbox\n")}};
    struct bl_rules_sources sources = {.own = own, .own_n = 1};
    struct bl_rules *rules = NULL;
    bl_err err = {0};

    sources.shipped = bl_rules_shipped(&sources.shipped_n);
    if (bl_rules_compile_over(&sources, &rules, &err) != BL_OK)
        fail_msg("%s", err.text);
    return rules;
}

static void what_is_remembered_is_what_would_be_said(void **state)
{
    struct bl_memo *memo = bl_memo_new();
    struct bl_rules *own = compile_own();
    struct bl_memo_stats stats;

    (void)state;
    assert_non_null(memo);
    assert_true(samples_n > 300);
    assert_true(bl_rules_mark(own) != bl_rules_mark(bl_rules_builtin()));
    for (size_t i = 0; i < ROUNDS; i++)
        compare(memo, i / 50 % 2 ? own : bl_rules_builtin(), i);
    stats = bl_memo_stats(memo);
    print_message("%llu replies, %llu of them remembered\n", (unsigned long long)stats.asked,
                  (unsigned long long)stats.found);
    assert_true(stats.found > stats.asked / 8);
    assert_true(stats.found < stats.asked * 9 / 10);
    bl_rules_free(own);
    bl_memo_free(memo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_remembered_is_what_would_be_said),
    };
    size_t n;
    const struct bl_rules_file *files = bl_rules_shipped(&n);

    for (size_t i = 0; i < n; i++)
        list_samples(files[i].text);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
