/* bench_classify -- replies per second, alone, side by side, and against a linear matcher
 *
 *   bench_classify [FOLDER of the rules, default core/rules]
 *
 * 4 096 replies out of the corpus's 200 templates, with other addresses and references in each. The
 * three alternate in one process over the same replies; the best sample of each counts.  The linear
 * matcher is what one would write first: fold the text once, then memmem for every phrase of every
 * rule, vetoes too.  Vectorscan, where it was there at build, gets the same phrases and replies.
 *
 * Then the cost per byte with 300, 1 000, all shipped and 5 000 rules, over the same replies:
 * evenly chosen ones of those that ship, or all of them and as many more as are missing, three
 * words each that stand in the others.  Two things grow with the rules, and each is printed: the
 * automaton's tables, which leave the cache nearest to the processor, and how many words of these
 * replies end, since the replies are made of the idioms that the rules are about. Up to all shipped
 * both grow: a rule that is taken away takes its words out of the replies, too.  From all shipped
 * to 5 000 only the tables do: those rules say nothing about these replies, and should cost
 * nothing.  So that the number of rules is seen by itself, the same is done once more with 300 of
 * those that ship and only such rules added.
 *
 *   bench_classify --once [N [RULES [FOLDER]]]
 *       only classifies the 4 096 replies N times, side by side, with that many rules of the folder
 *       or with what ships: for callgrind --toggle-collect=bl_classify_many */
#include "../core/match/compile.h"
#include "../core/match/phrases.h"
#include "bench_hs.h"
#include "corpus_replies.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    PHRASES_MAX = 1 << 16,
    REPLIES = 4096,
    SAMPLES = 15,
    FILES_MAX = 64,
    LINEAR = 64 /* replies a sample of the slow one */
};

static char texts[REPLIES][BL_REPLY_MAX + 256];
static bl_reply replies[REPLIES];
static bl_verdict alone[REPLIES], together[REPLIES];
static bl_slice all_phrases[PHRASES_MAX];

static struct bl_rules_file files[FILES_MAX];
static size_t n_files;

static uint32_t draw(void)
{
    static uint64_t seed = 1;

    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

static size_t put(char *out, size_t n, bl_slice s)
{
    memcpy(out + n, s.p, s.n);
    return n + s.n;
}

static size_t put_letters(char *out, size_t n, size_t count)
{
    while (count--)
        out[n++] = (char)('a' + draw() % 26);
    return n;
}

static void make_reply(size_t i)
{
    const struct corpus_reply *from = &corpus_replies[draw() % BL_REPLY_COUNT];
    bl_slice middle = from->middle, said = BL_SLICE(" said: ");
    size_t at = bl_slice_find(middle, said), n = 0;
    bl_reply *reply = &replies[i];

    if (at != SIZE_MAX)
        middle = bl_slice_drop(middle, at + said.n);
    n = put(texts[i], n, middle);
    if (from->recipient) {
        n = put_letters(texts[i], n, 3 + draw() % 12);
        n = put(texts[i], n, BL_SLICE("@"));
        n = put_letters(texts[i], n, 3 + draw() % 12);
        n = put(texts[i], n, BL_SLICE(".example"));
    }
    n = put(texts[i], n, from->tail);
    if (from->ticket)
        n = put_letters(texts[i], n, 12);
    *reply = (bl_reply){
        .text = {texts[i], n}, .phase = BL_PHASE_RCPT, .relay_host = BL_SLICE("mx.example.com")};
    bl_rules_text_codes(reply->text, reply);
}

static bool read_rules(const char *folder)
{
    char pattern[1024];
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s/*.[tr]*", folder);
    if (glob(pattern, 0, NULL, &found) != 0)
        return false;
    for (size_t i = 0; i < found.gl_pathc && n_files < FILES_MAX; i++) {
        FILE *file = fopen(found.gl_pathv[i], "rb");
        char *text = malloc(1 << 20), *name = strdup(found.gl_pathv[i]);

        if (file && text && name)
            files[n_files++] =
                (struct bl_rules_file){{name, strlen(name)}, {text, fread(text, 1, 1 << 20, file)}};
        if (file)
            fclose(file);
    }
    globfree(&found);
    return n_files > 0;
}

static size_t fold(bl_slice text, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i] == '\t' ? ' ' : bl_lower(text.p[i]);

        if (c != ' ' || n == 0 || out[n - 1] != ' ')
            out[n++] = c;
    }
    return n;
}

static bool is_veto(const struct rt_rule *rule)
{
    return rule->tier == BL_TIER_VETO || rule->tier == BL_TIER_VETO_CODES;
}

/* Takes what comes first of all that phrase `part` may be, not too far behind the one before. */
static bool take_part(const struct rt_model *model, const struct rt_rule *rule, uint32_t part,
                      bl_slice *rest)
{
    size_t first = SIZE_MAX, length = 0;

    for (uint32_t i = 0; i < (rule->n_phrases > 1 ? rule->uses_n : 1); i++) {
        const struct rt_use *use = rt_use(model, rule->uses_from + i);
        bl_slice phrase = rule->n_phrases > 1 ? use->phrase : rule->phrases[0];
        size_t at =
            rule->n_phrases == 1 || use->part == part ? bl_slice_find(*rest, phrase) : SIZE_MAX;

        if (at < first) {
            first = at;
            length = phrase.n;
        }
    }
    if (first == SIZE_MAX || (rule->gap[part] && first > rule->gap[part]))
        return false;
    *rest = bl_slice_drop(*rest, first + length);
    return true;
}

/* How many rules and vetoes the linear matcher finds: it has to look for all of them, since the
 * strongest decides and a veto may stand against it. */
static size_t match_linear(const struct rt_model *model, bl_slice text, size_t *vetoes)
{
    char folded[BL_REPLY_MAX + 256];
    size_t n = fold(text, folded), found = 0;

    for (size_t i = 0; i < model->rules.n; i++) {
        const struct rt_rule *rule = rt_rule(model, i);
        bl_slice rest = {folded, n};
        uint32_t part = 0;

        while (part < rule->n_phrases && take_part(model, rule, part, &rest))
            part++;
        if (rule->n_phrases && part == rule->n_phrases) {
            *vetoes += is_veto(rule);
            found += !is_veto(rule);
        }
    }
    return found;
}

/* Every phrase once, as the automaton has them. */
static size_t list_phrases(const struct rt_model *model, bl_slice *out, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i < model->rules.n; i++) {
        const struct rt_rule *rule = rt_rule(model, i);

        for (uint32_t j = 0;
             n < room && rule->n_phrases && j < (rule->n_phrases > 1 ? rule->uses_n : 1); j++)
            out[n++] =
                rule->n_phrases > 1 ? rt_use(model, rule->uses_from + j)->phrase : rule->phrases[0];
    }
    return n;
}

enum { SIDES = 4 };

/* The automaton alone: how many bytes end a phrase. */
static size_t match_phrases(const struct bl_phrases t)
{
    size_t found = 0;

    for (size_t i = 0; i < REPLIES; i += SIDES) {
        bl_walk w[SIDES];
        size_t steps = SIZE_MAX;

        for (size_t k = 0; k < SIDES; k++) {
            w[k] = bl_phrases_start(&t);
            steps = replies[i + k].text.n < steps ? replies[i + k].text.n : steps;
        }
        for (size_t at = 0; at < steps; at++)
            for (size_t k = 0; k < SIDES; k++) {
                bl_phrases_step(t, &w[k], (uint8_t)replies[i + k].text.p[at]);
                found += bl_phrases_hit(w[k].cell);
            }
        for (size_t k = 0; k < SIDES; k++)
            for (size_t at = steps; at < replies[i + k].text.n; at++) {
                bl_phrases_step(t, &w[k], (uint8_t)replies[i + k].text.p[at]);
                found += bl_phrases_hit(w[k].cell);
            }
    }
    return found;
}

#define MORE "more.rules"

/* Keeps `keep` of `n` rules that ship, evenly spread, and all that were added. */
struct part {
    size_t seen, n, keep;
};

static bool is_in_part(const struct bl_rule_info *rule, void *arg)
{
    struct part *part = arg;
    size_t i;

    if (bl_slice_eq(rule->file, BL_SLICE(MORE)))
        return true;
    i = part->seen++;
    return i * part->keep / part->n != (i + 1) * part->keep / part->n;
}

/* Words of the phrases, any. */
static bl_slice any_word(size_t n_phrases)
{
    for (;;) {
        bl_slice phrase = all_phrases[draw() % n_phrases];
        size_t at = 0, end;

        while (at < phrase.n && (phrase.p[at] < 'a' || phrase.p[at] > 'z'))
            at++;
        for (end = at; end < phrase.n && phrase.p[end] >= 'a' && phrase.p[end] <= 'z'; end++)
            ;
        if (end > at + 2)
            return (bl_slice){phrase.p + at, end - at};
    }
}

/* A file of `n` rules more. */
static char *more_rules(size_t n, size_t n_phrases)
{
    char *text = malloc(n * 256 + 64);
    size_t used = 0;

    if (!text)
        return NULL;
    used += (size_t)sprintf(text, "[specific]\n");
    for (size_t i = 0; i < n; i++) {
        bl_slice a = any_word(n_phrases), b = any_word(n_phrases), c = any_word(n_phrases);

        used += (size_t)snprintf(
            text + used, 256,
            "more-%zu: \"%.*s %.*s %.*s\" -> policy-rejected ; bench\n    = 550 as said\n", i,
            (int)(24 < a.n ? 24 : a.n), a.p, (int)(24 < b.n ? 24 : b.n), b.p,
            (int)(24 < c.n ? 24 : c.n), c.p);
    }
    return text;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* About `want` rules, `shipped` of which are of the `have` that ship; NULL when they do not
 * compile. */
static struct bl_rules *rules_of(size_t want, size_t shipped, size_t have, size_t n_phrases)
{
    struct part part = {0, have, shipped};
    char *more = want > shipped ? more_rules(want - shipped, n_phrases) : NULL;
    struct bl_rules *rules = NULL;
    bl_err err = {0};
    size_t n = n_files;

    if (more)
        files[n++] = (struct bl_rules_file){BL_SLICE(MORE), {more, strlen(more)}};
    if (bl_rules_compile_part(files, n, is_in_part, &part, &rules, &err) != BL_OK)
        fprintf(stderr, "bench_classify: %zu rules: %s\n", want, err.text);
    free(more);
    return rules;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The replies' seconds a byte with about `want` rules. */
static bool time_with(size_t want, size_t shipped, size_t have, size_t n_phrases, double bytes)
{
    struct bl_rules *rules = rules_of(want, shipped, have, n_phrases);
    double best = 1e9, alone_s = 1e9;
    size_t ends = 0;

    if (!rules)
        return false;
    for (int sample = 0; sample < SAMPLES; sample++) {
        double t0 = now_s(), t1;

        bl_classify_many(rules, replies, together, REPLIES);
        t1 = now_s();
        ends = match_phrases(rules->phrases);
        best = least(best, t1 - t0);
        alone_s = least(alone_s, now_s() - t1);
    }
    printf(
        "%5zu rules   %.2f ns a byte; the automaton alone %.2f, in %zu bytes of cells; %.1f words a reply end\n",
        bl_rules_count(rules) - 1, best / bytes * 1e9, alone_s / bytes * 1e9,
        rules->phrases.n_cells * sizeof *rules->phrases.cells, (double)ends / REPLIES);
    bl_rules_free(rules);
    return true;
}

static void print_sizes(void)
{
    const struct bl_rules *r = bl_rules_builtin();
    const struct bl_phrases *p = &r->phrases;
    size_t infos = r->n_infos * sizeof *r->infos, cells = p->n_cells * 4u,
           pairs = (size_t)p->classes * p->classes * 4, codes = r->n_digits * sizeof *r->digits,
           per_rule = r->n_rules * (sizeof *r->rules + sizeof *r->info_of),
           words = r->n_words * sizeof *r->words + r->n_singles * sizeof *r->singles +
                   r->n_masks * sizeof *r->masks + r->n_links * sizeof *r->links;

    printf("compiler      %s\n", __VERSION__);
    printf("rules         %u, of %u different phrases; %u links between phrases; %u byte classes\n",
           r->n_rules, r->n_words, r->n_links, p->classes);
    printf(
        "table bytes   cells %zu, pairs %zu, words %zu, codes %zu, rules %zu, their names %zu; together %zu\n",
        cells, pairs, words, codes, per_rule, infos,
        cells + pairs + words + codes + per_rule + infos);
}

static bool read_model(const char *folder, struct rt_model *model, size_t *n_phrases)
{
    bl_err err = {0};
    struct rt_report report = {.err = &err};

    if (!read_rules(folder) ||
        bl_rules_text_read(model, files, n_files, n_files, &report) != BL_OK) {
        fprintf(stderr, "bench_classify: cannot read the rules: %s\n", err.text);
        return false;
    }
    *n_phrases = list_phrases(model, all_phrases, PHRASES_MAX);
    return true;
}

static int classify_only(int times, size_t want, const char *folder)
{
    const struct bl_rules *rules = bl_rules_builtin();
    struct rt_model model;
    size_t n_phrases;

    if (want) {
        if (!read_model(folder, &model, &n_phrases))
            return 1;
        rules = rules_of(want, smaller(want, model.rules.n), model.rules.n, n_phrases);
    }
    while (rules && times-- > 0)
        bl_classify_many(rules, replies, together, REPLIES);
    return !rules;
}

int main(int argc, char **argv)
{
    const struct bl_rules *rules = bl_rules_builtin();
    double one = 1e9, many = 1e9, linear = 1e9, phrases = 1e9, scan = 1e9, per_byte;
    struct bench_hs hs = {0};
    size_t n_phrases, ends = 0, scanned = 0, vetoes = 0;
    bool has_hs;
    struct rt_model model;
    size_t bytes = 0, found = 0;

    corpus_replies_init();
    for (size_t i = 0; i < REPLIES; i++) {
        make_reply(i);
        bytes += replies[i].text.n;
    }
    if (argc > 1 && strcmp(argv[1], "--once") == 0)
        return classify_only(argc > 2 ? atoi(argv[2]) : 1, argc > 3 ? (size_t)atoi(argv[3]) : 0,
                             argc > 4 ? argv[4] : "core/rules");
    if (!read_model(argc > 1 ? argv[1] : "core/rules", &model, &n_phrases))
        return 1;
    has_hs = bench_hs_build(&hs, all_phrases, n_phrases);
    per_byte = (double)bytes / REPLIES / 1e9;
    for (int sample = 0; sample < SAMPLES; sample++) {
        double t0 = now_s(), t1, t2, t3, t4, t5;

        for (size_t i = 0; i < REPLIES; i++)
            alone[i] = bl_classify(rules, &replies[i]);
        t1 = now_s();
        bl_classify_many(rules, replies, together, REPLIES);
        t2 = now_s();
        for (size_t i = 0; i < LINEAR; i++)
            found +=
                match_linear(&model, replies[(i * 61 + (size_t)sample) % REPLIES].text, &vetoes);
        t3 = now_s();
        ends = match_phrases(rules->phrases);
        t4 = now_s();
        scanned = 0;
        for (size_t i = 0; has_hs && i < REPLIES; i++)
            scanned += bench_hs_scan(&hs, replies[i].text);
        t5 = now_s();
        phrases = least(phrases, (t4 - t3) / REPLIES);
        scan = least(scan, (t5 - t4) / REPLIES);
        one = least(one, (t1 - t0) / REPLIES);
        many = least(many, (t2 - t1) / REPLIES);
        linear = least(linear, (t3 - t2) / LINEAR);
        if (memcmp(alone, together, sizeof alone) != 0) {
            fprintf(stderr, "bench_classify: alone and side by side differ\n");
            return 1;
        }
    }
    print_sizes();
    printf("replies       %d, %.0f bytes each (the linear matcher found %zu rules, %zu vetoes)\n",
           REPLIES, (double)bytes / REPLIES, found, vetoes);
    printf("one by one    %.2f M replies/s, %.2f GB/s\n", 1e-6 / one,
           (double)bytes / REPLIES / one / 1e9);
    printf("side by side  %.2f M replies/s, %.2f GB/s, %.2f of one by one\n", 1e-6 / many,
           (double)bytes / REPLIES / many / 1e9, one / many);
    printf("linear        %.4f M replies/s; side by side is %.0f times as fast\n", 1e-6 / linear,
           linear / many);
    printf(
        "phrases alone %.2f M replies/s, %.2f GB/s, four side by side; %.1f bytes a reply end one\n",
        1e-6 / phrases, per_byte / phrases, (double)ends / REPLIES);
    if (has_hs)
        printf(
            "vectorscan    %.2f M replies/s, %.2f GB/s over the same %zu phrases (%.1f matches a reply); "
            "phrases alone are %.2f times as fast, all of classify %.2f\n",
            1e-6 / scan, per_byte / scan, n_phrases, (double)scanned / REPLIES, scan / phrases,
            scan / many);
    else
        printf(
            "vectorscan    skipped: libvectorscan-dev or libhyperscan-dev was not there at build\n");
    bench_hs_release(&hs);
    for (size_t i = 0; i < 4; i++) {
        size_t want = (const size_t[]){300, 1000, model.rules.n, 5000}[i];

        if (!time_with(want, smaller(want, model.rules.n), model.rules.n, n_phrases, (double)bytes))
            return 1;
    }
    printf("300 rules that ship, and more that say nothing about these replies:\n");
    for (size_t i = 0; i < 3; i++)
        if (!time_with((const size_t[]){300, 1000, 5000}[i], 300, model.rules.n, n_phrases,
                       (double)bytes))
            return 1;
    bl_rules_text_release(&model);
    for (size_t i = 0; i < n_files; i++) {
        free((void *)(uintptr_t)files[i].name.p);
        free((void *)(uintptr_t)files[i].text.p);
    }
    return 0;
}
