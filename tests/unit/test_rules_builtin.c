/* ctest: label=quick timeout=120
 *
 * The rules that ship.  The library's own compiler, run here over core/rules/, runs every sample (a
 * sample that fails its rule stops the build and this test) and must give what rulec gave at build
 * time; every row of codes.tsv gives its category; and whatever random words of the rules are put
 * together, no verdict suppresses on a temporary reply, before RCPT TO, or for a fault of sender or
 * message. Negative control: one letter of one sample changed is refused at its line, and one rule
 * less differs. */
#include "bounceline/rules.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FILES_MAX = 64, PHRASES_MAX = 8192 };

static struct bl_rules_file files[FILES_MAX];
static size_t n_files;
static bl_slice phrases[PHRASES_MAX];
static size_t n_phrases;

static bl_slice read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(1 << 20);
    size_t n;

    assert_non_null(file);
    assert_non_null(text);
    n = fread(text, 1, 1 << 20, file);
    fclose(file);
    return (bl_slice){text, n};
}

static void collect_phrases(bl_slice text)
{
    while (n_phrases < PHRASES_MAX) {
        size_t open = bl_slice_find_byte(text, '"');

        if (open == text.n)
            return;
        text = bl_slice_drop(text, open + 1);
        phrases[n_phrases] = bl_slice_head(text, bl_slice_find_byte(text, '"'));
        if (phrases[n_phrases].n == text.n)
            return;
        text = bl_slice_drop(text, phrases[n_phrases].n + 1);
        n_phrases += phrases[n_phrases].n < 1000 &&
                     !memchr(phrases[n_phrases].p, '\n', phrases[n_phrases].n);
    }
}

static int load(void **state)
{
    const char *source = getenv("BL_SOURCE");
    char pattern[1024];
    glob_t found;

    (void)state;
    snprintf(pattern, sizeof pattern, "%s/core/rules/*.[tr]*", source ? source : ".");
    if (glob(pattern, 0, NULL, &found) != 0)
        return -1;
    for (size_t i = 0; i < found.gl_pathc && n_files < FILES_MAX; i++) {
        char *name = strdup(found.gl_pathv[i]);

        files[n_files++] = (struct bl_rules_file){{name, strlen(name)}, read_whole(name)};
        collect_phrases(files[n_files - 1].text);
    }
    globfree(&found);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_files; i++) {
        free((void *)(uintptr_t)files[i].name.p);
        free((void *)(uintptr_t)files[i].text.p);
    }
    return 0;
}

static struct bl_rules *compile_all(void)
{
    struct bl_rules *rules = NULL;
    bl_err err = {0};

    if (bl_rules_compile(files, n_files, &rules, &err) != BL_OK)
        fail_msg("%s", err.text);
    return rules;
}

static void every_sample_passes_and_both_compilations_agree(void **state)
{
    const struct bl_rules *built = bl_rules_builtin();
    struct bl_rules *now = compile_all();

    (void)state;
    assert_int_equal(bl_rules_count(now), bl_rules_count(built));
    for (uint32_t i = 0; i < bl_rules_count(now); i++) {
        assert_true(bl_slice_eq(bl_rules_rule(now, i)->id, bl_rules_rule(built, i)->id));
        assert_true(bl_slice_eq(bl_rules_rule(now, i)->source, bl_rules_rule(built, i)->source));
        assert_int_equal(bl_rules_rule(now, i)->category, bl_rules_rule(built, i)->category);
        assert_int_equal(bl_rules_rule(now, i)->line, bl_rules_rule(built, i)->line);
    }
    for (size_t i = 0; i < n_phrases; i++) {
        bl_reply reply = {.code = 550, .phase = BL_PHASE_RCPT, .text = phrases[i]};
        bl_verdict a = bl_classify(now, &reply), b = bl_classify(built, &reply);

        assert_memory_equal(&a, &b, sizeof a);
    }
    bl_rules_free(now);
}

static void a_broken_sample_is_refused(void **state)
{
    struct bl_rules *rules = NULL;
    bl_err err = {0};

    (void)state;
    for (size_t i = 0; i < n_files; i++) {
        size_t at = bl_slice_find(files[i].text, BL_SLICE("= 550 no such user here"));

        if (at == SIZE_MAX)
            continue;
        ((char *)(uintptr_t)files[i].text.p)[at + 9] = 'x'; /* xo such user */
        assert_int_equal(bl_rules_compile(files, n_files, &rules, &err), BL_BAD_INPUT);
        ((char *)(uintptr_t)files[i].text.p)[at + 9] = 'n';
        assert_non_null(strstr(err.text, "recipient.rules:"));
        return;
    }
    fail_msg("the sample is not there any more");
}

static bl_slice take_field(bl_slice *line)
{
    bl_slice field = bl_slice_head(*line, bl_slice_find_byte(*line, '\t'));

    *line = bl_slice_drop(*line, field.n < line->n ? field.n + 1 : field.n);
    return field;
}

/* Reads 5.1.1; false for patterns like x.1.1. */
static bool plain_status(bl_slice text, bl_status *out)
{
    char copy[32] = "";
    unsigned a, b, c;
    int used = 0;

    if (text.n == 0)
        return true;
    if (text.n >= sizeof copy)
        return false;
    memcpy(copy, text.p, text.n);
    if (copy[0] == 'x')
        copy[0] = '5';
    if (sscanf(copy, "%u.%u.%u%n", &a, &b, &c, &used) != 3 || (size_t)used != text.n)
        return false;
    *out = (bl_status){(uint16_t)a, (uint16_t)b, (uint16_t)c};
    return true;
}

/* A bare code may be decided by another row only if that one names more of it. */
static void every_code_gives_its_category(void **state)
{
    const struct bl_rules *rules = bl_rules_builtin();
    size_t checked = 0;

    (void)state;
    for (size_t i = 0; i < n_files; i++) {
        bl_slice text = files[i].text;

        if (!bl_slice_ends(files[i].name, BL_SLICE("codes.tsv")))
            continue;
        while (text.n) {
            bl_slice line = bl_slice_head(text, bl_slice_find_byte(text, '\n')), basic, enhanced,
                     category;
            bl_reply reply = {.phase = BL_PHASE_RCPT};
            bl_verdict v;

            text = bl_slice_drop(text, line.n < text.n ? line.n + 1 : line.n);
            basic = take_field(&line);
            enhanced = take_field(&line);
            take_field(&line);
            category = take_field(&line);
            if (basic.n == 3 && bl_is_digit(basic.p[1]))
                reply.code = (uint16_t)atoi(basic.p);
            if (!plain_status(enhanced, &reply.enhanced) || (reply.code == 0 && basic.n))
                continue;
            v = bl_classify(rules, &reply);
            if (!bl_slice_eq(bl_rules_category(rules, v.category)->name, category)) {
                /* x.1.1 asked as 5.1.1, which has a row of its own */
                const struct bl_codes *row = bl_rules_codes(rules, v.rule);
                bl_slice by = bl_rules_rule(rules, v.rule)->id;

                if (enhanced.n == 0 || enhanced.p[0] != 'x' || !row || row->codes.p[0] == 'x')
                    fail_msg("%.*s %.*s gives %.*s by %.*s", (int)basic.n, basic.p, (int)enhanced.n,
                             enhanced.p, (int)bl_rules_category(rules, v.category)->name.n,
                             bl_rules_category(rules, v.category)->name.p, (int)by.n, by.p);
            }
            checked++;
        }
    }
    print_message("%zu codes\n", checked);
    assert_true(checked > 150);
}

/* What `explain CODE` says of each.  Only where the category's remedy is exactly right a row has
 * none of its own. */
static void every_code_has_a_meaning_and_a_remedy(void **state)
{
    const struct bl_rules *rules = bl_rules_builtin();
    size_t rows = 0, own = 0;

    (void)state;
    for (uint32_t i = 0; i < bl_rules_count(rules); i++) {
        const struct bl_codes *row = bl_rules_codes(rules, i);
        const struct bl_rule_info *rule = bl_rules_rule(rules, i);

        if (!row)
            continue;
        if (row->meaning.n == 0 || bl_rules_category(rules, rule->category)->remedy.n == 0)
            fail_msg("%.*s", (int)row->codes.n, row->codes.p);
        rows++;
        own += row->remedy.n > 0;
    }
    print_message("%zu rows, %zu with a remedy of their own\n", rows, own);
    assert_true(rows > 190 && own > rows * 9 / 10);
}

static uint64_t seed = 7;

static unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* One of the phrases that a phrase with braces stands for; a list of words.tsv gives "mailbox". */
static size_t put_variant(char *out, bl_slice phrase)
{
    size_t n = 0;

    while (phrase.n) {
        size_t open = bl_slice_find_byte(phrase, '{'), close = bl_slice_find_byte(phrase, '}');
        bl_slice inside, choice = BL_SLICE("mailbox");
        unsigned pick = draw(8);

        memcpy(out + n, phrase.p, open);
        n += open;
        if (close >= phrase.n)
            break;
        inside = bl_slice_drop(bl_slice_head(phrase, close), open + 1);
        phrase = bl_slice_drop(phrase, close + 1);
        if (bl_slice_find_byte(inside, '|') < inside.n)
            do {
                choice = bl_slice_head(inside, bl_slice_find_byte(inside, '|'));
                inside = bl_slice_drop(inside, choice.n < inside.n ? choice.n + 1 : choice.n);
            } while (inside.n && pick-- > 0);
        memcpy(out + n, choice.p, choice.n);
        n += choice.n;
    }
    return n;
}

static size_t random_words(char *out, size_t room)
{
    size_t n = 0;

    for (unsigned i = draw(4); i > 0; i--) {
        bl_slice phrase = phrases[draw((unsigned)n_phrases)];

        if (n + 2 * phrase.n + 32 > room)
            break;
        n += put_variant(out + n, phrase);
        out[n++] = draw(3) ? ' ' : '\t';
    }
    return n;
}

static bool is_temporary(const bl_reply *r)
{
    return r->code / 100 == 4 ||
           (r->code == 0 && bl_status_absent(r->enhanced) && r->wrapper.class_ == 4) ||
           r->enhanced.class_ == 4;
}

static void nothing_is_suppressed_that_must_not_be(void **state)
{
    static const uint16_t codes[] = {0, 250, 421, 450, 451, 452, 550, 551, 552, 553, 554, 571};
    enum { N = 64, ROUNDS = 2000, TEXT_BYTES = 4096 };
    static char texts[N][TEXT_BYTES];
    const struct bl_rules *rules = bl_rules_builtin();
    bl_reply replies[N];
    bl_verdict many[N];
    size_t suppressed = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = draw(N);

        for (size_t i = 0; i < n; i++) {
            replies[i] = (bl_reply){.code = codes[draw(BL_COUNT(codes))],
                                    .phase = (enum bl_phase)draw(BL_PHASES),
                                    .text = {texts[i], random_words(texts[i], sizeof texts[i])}};
            if (draw(2))
                replies[i].enhanced =
                    (bl_status){draw(2) ? 5 : 4, (uint16_t)draw(8), (uint16_t)draw(30)};
            if (draw(2))
                replies[i].wrapper =
                    (bl_status){draw(2) ? 5 : 4, (uint16_t)draw(8), (uint16_t)draw(30)};
        }
        bl_classify_many(rules, replies, many, n);
        for (size_t i = 0; i < n; i++) {
            bl_verdict v = bl_classify(rules, &replies[i]);
            const struct bl_category *category = bl_rules_category(rules, v.category);

            assert_memory_equal(&v, &many[i], sizeof v);
            assert_true(v.match_at + v.match_n <= replies[i].text.n);
            if (is_temporary(&replies[i]))
                assert_true(v.type == BL_SOFT && v.action != BL_ACTION_SUPPRESS);
            if (v.action == BL_ACTION_SUPPRESS) {
                suppressed++;
                assert_int_equal(v.type, BL_HARD);
                assert_true(category->scope == BL_SCOPE_RECIPIENT ||
                            category->scope == BL_SCOPE_DESTINATION);
                assert_true(replies[i].phase != BL_PHASE_MAIL &&
                            replies[i].phase != BL_PHASE_AUTH && replies[i].phase != BL_PHASE_TLS);
            } else if (v.type == BL_HARD) {
                assert_true(bl_slice_eq(category->ses_subtype, BL_SLICE("Suppressed")));
            }
        }
    }
    print_message("%zu suppressed\n", suppressed);
    assert_true(suppressed > 500); /* the checks above were asked */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_passes_and_both_compilations_agree),
        cmocka_unit_test(a_broken_sample_is_refused),
        cmocka_unit_test(every_code_gives_its_category),
        cmocka_unit_test(every_code_has_a_meaning_and_a_remedy),
        cmocka_unit_test(nothing_is_suppressed_that_must_not_be),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
