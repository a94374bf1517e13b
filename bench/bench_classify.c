/* bench_classify -- replies per second, alone, side by side, and against a linear matcher
 *
 *   bench_classify [FOLDER of the rules, default core/rules]
 *
 * 4 096 replies out of the corpus's 200 templates, with other addresses and references in each. The
 * three alternate in one process over the same replies; the best sample of each counts.  The linear
 * matcher is what one would write first: fold the text once, then memmem for every phrase of every
 * rule. */
#include "../core/match/rules_text.h"
#include "corpus_replies.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    REPLIES = 4096,
    SAMPLES = 15,
    FILES_MAX = 64,
    LINEAR = 64 /* replies a sample of the slow one */
};

static char texts[REPLIES][BL_REPLY_MAX + 256];
static bl_reply replies[REPLIES];
static bl_verdict alone[REPLIES], together[REPLIES];

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

/* How many rules the linear matcher finds; the count keeps the compiler honest. */
static size_t match_linear(const struct rt_model *model, bl_slice text)
{
    char folded[BL_REPLY_MAX + 256];
    size_t n = fold(text, folded), found = 0;

    for (size_t i = 0; i < model->rules.n; i++) {
        const struct rt_rule *rule = rt_rule(model, i);
        bl_slice rest = {folded, n};
        int part = 0;

        for (; part < rule->n_phrases; part++) {
            size_t at = bl_slice_find(rest, rule->phrases[part]);

            if (at == SIZE_MAX)
                break;
            rest = bl_slice_drop(rest, at + rule->phrases[part].n);
        }
        found += rule->n_phrases && part == rule->n_phrases;
    }
    return found;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static void print_sizes(void)
{
    const struct bl_rules *r = bl_rules_builtin();
    const struct bl_phrases *p = &r->phrases;
    size_t cells = p->n_cells * 4u, pairs = (size_t)p->classes * p->classes * 4,
           codes = r->n_digits * sizeof *r->digits;

    printf("compiler      %s\n", __VERSION__);
    printf("rules         %u, of them %u with several phrases; %u byte classes\n", r->n_rules,
           r->n_sequences, p->classes);
    printf("table bytes   cells %zu, pairs %zu, outputs %u, codes %zu, rules %zu\n", cells, pairs,
           p->n_outputs * 4, codes, r->n_rules * sizeof *r->rules);
}

int main(int argc, char **argv)
{
    const struct bl_rules *rules = bl_rules_builtin();
    double one = 1e9, many = 1e9, linear = 1e9;
    struct rt_report report = {.err = NULL};
    struct rt_model model;
    size_t bytes = 0, found = 0;
    bl_err err = {0};

    report.err = &err;
    if (!read_rules(argc > 1 ? argv[1] : "core/rules") ||
        bl_rules_text_read(&model, files, n_files, n_files, &report) != BL_OK) {
        fprintf(stderr, "bench_classify: cannot read the rules: %s\n", err.text);
        return 1;
    }
    corpus_replies_init();
    for (size_t i = 0; i < REPLIES; i++) {
        make_reply(i);
        bytes += replies[i].text.n;
    }
    for (int sample = 0; sample < SAMPLES; sample++) {
        double t0 = now_s(), t1, t2, t3;

        for (size_t i = 0; i < REPLIES; i++)
            alone[i] = bl_classify(rules, &replies[i]);
        t1 = now_s();
        bl_classify_many(rules, replies, together, REPLIES);
        t2 = now_s();
        for (size_t i = 0; i < LINEAR; i++)
            found += match_linear(&model, replies[(i * 61 + (size_t)sample) % REPLIES].text);
        t3 = now_s();
        one = least(one, (t1 - t0) / REPLIES);
        many = least(many, (t2 - t1) / REPLIES);
        linear = least(linear, (t3 - t2) / LINEAR);
        if (memcmp(alone, together, sizeof alone) != 0) {
            fprintf(stderr, "bench_classify: alone and side by side differ\n");
            return 1;
        }
    }
    print_sizes();
    printf("replies       %d, %.0f bytes each (the linear matcher found %zu)\n", REPLIES,
           (double)bytes / REPLIES, found);
    printf("one by one    %.2f M replies/s, %.2f GB/s\n", 1e-6 / one,
           (double)bytes / REPLIES / one / 1e9);
    printf("side by side  %.2f M replies/s, %.2f GB/s, %.2f of one by one\n", 1e-6 / many,
           (double)bytes / REPLIES / many / 1e9, one / many);
    printf("linear        %.4f M replies/s; side by side is %.0f times as fast\n", 1e-6 / linear,
           linear / many);
    bl_rules_text_release(&model);
    for (size_t i = 0; i < n_files; i++) {
        free((void *)(uintptr_t)files[i].name.p);
        free((void *)(uintptr_t)files[i].text.p);
    }
    return 0;
}
