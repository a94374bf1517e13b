/* ctest: label=quick timeout=120
 *
 * The automaton against a search that anyone can read: random rules over few letters, so that
 * phrases overlap, nest and share prefixes, and random texts in mixed case with runs of blanks. The
 * plain search folds the text into one string and looks for each rule's phrases in order; of the
 * rules it finds, the one with the smallest index must be the verdict, at the same bytes, alone and
 * side by side.  Some texts have so many words that they are judged in parts (with judge_part() empty
 * this fails). Negative control: the same comparison without folding blanks must differ somewhere,
 * below. */
#include "bounceline/rules.h"
#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SETS = 150, RULES = 30, TEXTS = 40, TEXT_MAX = 1500, PARTS = 3 };

struct plain_rule {
    char phrases[PARTS][16];
    int parts;
    unsigned line; /* 0: left out */
    uint32_t index;
};

static uint64_t seed = 20250807;

static unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static void random_phrase(char *out)
{
    static const char letters[] = "aab bc-";
    size_t n = 3 + draw(6), at = 0, solid = 0;

    while (at < n || solid < 3) {
        char c = letters[draw(sizeof letters - 1)];

        if (c == ' ' && (at == 0 ? draw(4) != 0 : out[at - 1] == ' '))
            continue;
        solid += c != ' ';
        out[at++] = c;
        if (at == 15)
            at = solid = 0;
    }
    out[at] = '\0';
}

static void random_rules(struct plain_rule *rules)
{
    for (int i = 0; i < RULES; i++) {
        rules[i].line = 1;
        rules[i].parts = draw(4) ? 1 : 2 + (int)draw(2);
        for (int p = 0; p < rules[i].parts; p++)
            random_phrase(rules[i].phrases[p]);
    }
}

static size_t write_rules(struct plain_rule *rules, char *text, size_t room)
{
    size_t n = (size_t)snprintf(text, room, "[specific]\n");
    unsigned line = 2;

    for (int i = 0; i < RULES; i++) {
        if (!rules[i].line)
            continue;
        n += (size_t)snprintf(text + n, room - n, "r%d: ", i);
        for (int p = 0; p < rules[i].parts; p++)
            n += (size_t)snprintf(text + n, room - n, "%s\"%s\"", p ? " .. " : "",
                                  rules[i].phrases[p]);
        n += (size_t)snprintf(text + n, room - n, " -> other ; s\n  = #");
        for (int p = 0; p < rules[i].parts; p++)
            n += (size_t)snprintf(text + n, room - n, "%s#", rules[i].phrases[p]);
        n += (size_t)snprintf(text + n, room - n, "\n");
        rules[i].line = line;
        line += 2;
    }
    return n;
}

#define CATEGORIES                                                                                 \
    "category\tscope\ttype\taction\nother\tdestination\tsoft\tnone\n"                              \
    "unclassified\tlocal\tundetermined\tnone\n"

/* Rules over three letters shadow each other all the time: those that the compiler refuses are left
 * out one by one, as it names them. */
static struct bl_rules *compile(struct plain_rule *rules)
{
    static char text[1 << 16];
    struct bl_rules *out = NULL;
    bl_err err;

    random_rules(rules);
    for (;;) {
        struct bl_rules_file files[] = {
            {BL_SLICE_INIT("categories.tsv"), BL_SLICE_INIT(CATEGORIES)},
            {BL_SLICE_INIT("model.rules"), {text, write_rules(rules, text, sizeof text)}},
        };
        unsigned line = 0;

        if (bl_rules_compile(files, BL_COUNT(files), &out, &err) == BL_OK)
            break;
        if (sscanf(err.text, "model.rules:%u:", &line) != 1)
            fail_msg("%s", err.text);
        for (int i = 0; i < RULES; i++)
            if (rules[i].line == line)
                rules[i].line = 0;
    }
    for (uint32_t i = 0; i < bl_rules_count(out); i++) {
        bl_slice id = bl_rules_rule(out, i)->id;

        if (bl_slice_starts(id, BL_SLICE("model/r"))) {
            char number[8] = "";

            memcpy(number, id.p + 7, id.n - 7);
            rules[atoi(number)].index = i;
        }
    }
    return out;
}

/* A text as one reads it: lower case, one blank for a run, a blank on both ends.  at[i]..end[i] are
 * the bytes of the original behind folded[i]. */
struct folded {
    char text[TEXT_MAX + 3];
    uint32_t at[TEXT_MAX + 3], end[TEXT_MAX + 3];
    size_t n;
};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void put(struct folded *f, char c, size_t at, size_t end)
{
    f->text[f->n] = c;
    f->at[f->n] = (uint32_t)at;
    f->end[f->n++] = (uint32_t)end;
}

static void fold(struct folded *f, bl_slice text, bool runs)
{
    f->n = 0;
    if (text.n == 0 || !is_blank(text.p[0]))
        put(f, ' ', 0, 0);
    for (size_t i = 0; i < text.n; i++) {
        char c = is_blank(text.p[i]) ? ' ' : bl_lower(text.p[i]);

        if (c != ' ' || !runs || i == 0 || !is_blank(text.p[i - 1]))
            put(f, c, i, i + 1);
    }
    if (text.n == 0 || !is_blank(text.p[text.n - 1]))
        put(f, ' ', text.n, text.n);
    f->text[f->n] = '\0';
}

/* The phrases in order, each as early as possible, none overlapping. */
static bool found(const struct folded *f, const struct plain_rule *rule, uint32_t *at,
                  uint32_t *end)
{
    const char *from = f->text;

    for (int p = 0; p < rule->parts; p++) {
        const char *hit = strstr(from, rule->phrases[p]);

        if (!hit)
            return false;
        if (p == 0)
            *at = f->at[hit - f->text];
        from = hit + strlen(rule->phrases[p]);
        *end = f->end[from - 1 - f->text];
    }
    return true;
}

static bl_verdict search(const struct plain_rule *rules, uint32_t fallback, bl_slice text,
                         bool runs)
{
    bl_verdict best = {.rule = fallback};
    struct folded f;

    fold(&f, text, runs);
    for (int i = 0; i < RULES; i++) {
        uint32_t at = 0, end = 0;

        if (rules[i].line && rules[i].index < best.rule && found(&f, &rules[i], &at, &end))
            best = (bl_verdict){.rule = rules[i].index, .match_at = at, .match_n = end - at};
    }
    return best;
}

static size_t random_text(char *out)
{
    static const char letters[] = "aAabBb cC- \t-";
    size_t n = draw(draw(4) ? TEXT_MAX / 12 : TEXT_MAX);

    for (size_t i = 0; i < n; i++)
        out[i] = letters[draw(sizeof letters - 1)];
    return n;
}

static void automaton_and_plain_search_agree(void **state)
{
    size_t differ_without_folding = 0, matched = 0;

    (void)state;
    for (int set = 0; set < SETS; set++) {
        struct plain_rule rules[RULES];
        struct bl_rules *compiled = compile(rules);
        uint32_t fallback = (uint32_t)bl_rules_count(compiled) - 1;
        static char texts[TEXTS][TEXT_MAX];
        bl_reply replies[TEXTS];
        bl_verdict many[TEXTS];

        for (int i = 0; i < TEXTS; i++)
            replies[i] = (bl_reply){.text = {texts[i], random_text(texts[i])}};
        bl_classify_many(compiled, replies, many, TEXTS);
        for (int i = 0; i < TEXTS; i++) {
            bl_slice text = guarded_bytes(texts[i], replies[i].text.n);
            bl_reply reply = {.text = text};
            bl_verdict got = bl_classify(compiled, &reply);
            bl_verdict want = search(rules, fallback, text, true);

            if (got.rule != want.rule || got.match_at != want.match_at ||
                got.match_n != want.match_n)
                fail_msg("'%.*s': rule %u at %u+%u, plain search %u at %u+%u", (int)text.n, text.p,
                         got.rule, got.match_at, got.match_n, want.rule, want.match_at,
                         want.match_n);
            assert_memory_equal(&got, &many[i], sizeof got);
            matched += got.rule != fallback;
            differ_without_folding += search(rules, fallback, text, false).rule != want.rule;
        }
        bl_rules_free(compiled);
    }
    print_message("%d texts, %zu matched, %zu would differ without folding\n", SETS * TEXTS,
                  matched, differ_without_folding);
    assert_true(matched > SETS * TEXTS / 4);
    assert_true(differ_without_folding > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(automaton_and_plain_search_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
