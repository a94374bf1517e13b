/* rules_score -- the verdict of a part of the rules on labelled replies; folds.py and confusion.py
 * ask it
 *
 *   rules_score RULES.. -- [REPLIES.tsv [PHASE]] < LEFT_OUT
 *
 * Standard input lists alternatives to leave out, as printed: FILE:LINE:COLUMN.  One line a reply:
 * id, wanted category and type, category, type, action, rule, FILE:LINE:COLUMN.  PHASE is what
 * `classify
 * --phase` would be given; without it what the text itself tells counts.  Without REPLIES: all
 * FILE:LINE:COLUMN, each with its rule. */
#include "../../core/match/compile.h"
#include "bounceline/reply.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILES_MAX = 64, OUT_MAX = 1 << 15, COLUMNS = 8 };
enum { ID, SOURCE, BASIC, ENHANCED, TEXT, PEER, CATEGORY, TYPE };

static char *left_out[OUT_MAX];
static size_t n_left_out;

static bl_slice read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(4 << 20);

    if (!file || !text) {
        fprintf(stderr, "rules_score: cannot read '%s'\n", path);
        exit(66);
    }
    return (bl_slice){text, fread(text, 1, 4 << 20, file)};
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void place(const struct bl_rule_info *rule, char *out, size_t room)
{
    snprintf(out, room, "%.*s:%u:%u", (int)rule->file.n, rule->file.p, rule->line, rule->column);
}

static bool wanted(const struct bl_rule_info *rule, void *arg)
{
    char key[160], *at = key;

    (void)arg;
    place(rule, key, sizeof key);
    return !bsearch(&at, left_out, n_left_out, sizeof *left_out, by_text);
}

static void read_left_out(void)
{
    char line[256];

    while (n_left_out < OUT_MAX && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        left_out[n_left_out++] = strdup(line);
    }
    qsort(left_out, n_left_out, sizeof *left_out, by_text);
}

static bl_slice take_until(bl_slice *from, char end)
{
    bl_slice taken = bl_slice_head(*from, bl_slice_find_byte(*from, end));

    *from = bl_slice_drop(*from, taken.n < from->n ? taken.n + 1 : taken.n);
    return taken;
}

static void list_places(const struct bl_rules *rules)
{
    char key[160];

    for (uint32_t i = 0; i < bl_rules_count(rules); i++) {
        const struct bl_rule_info *rule = bl_rules_rule(rules, i);

        place(rule, key, sizeof key);
        printf("%s\t%.*s\n", key, (int)rule->id.n, rule->id.p);
    }
}

static void judge(const struct bl_rules *rules, const bl_slice *field, bool given,
                  enum bl_phase phase)
{
    bl_reply reply = {0};
    const struct bl_rule_info *rule;
    char key[160];
    bl_verdict v;

    bl_reply_read_quoted(field[TEXT], &reply);
    if (given)
        reply.phase = phase;
    v = bl_classify(rules, &reply);
    rule = bl_rules_rule(rules, v.rule);
    place(rule, key, sizeof key);
    printf("%.*s\t%.*s\t%.*s\t%.*s\t%s\t%s\t%.*s\t%s\n", (int)field[ID].n, field[ID].p,
           (int)field[CATEGORY].n, field[CATEGORY].p, (int)field[TYPE].n, field[TYPE].p,
           (int)bl_rules_category(rules, v.category)->name.n,
           bl_rules_category(rules, v.category)->name.p, bl_type_name((enum bl_type)v.type),
           bl_action_name((enum bl_action)v.action), (int)rule->id.n, rule->id.p, key);
}

int main(int argc, char **argv)
{
    struct bl_rules_file files[FILES_MAX];
    enum bl_phase phase = BL_PHASE_UNKNOWN;
    struct bl_rules *rules = NULL;
    bl_slice replies = {0}, rest;
    bl_err err = {0};
    size_t n = 0;
    int i = 1;

    for (; i < argc && strcmp(argv[i], "--") != 0 && n < FILES_MAX; i++)
        files[n++] = (struct bl_rules_file){{argv[i], strlen(argv[i])}, read_whole(argv[i])};
    if (i >= argc || (i + 2 < argc &&
                      !bl_phase_from_name((bl_slice){argv[i + 2], strlen(argv[i + 2])}, &phase))) {
        fprintf(stderr, "usage: rules_score RULES.. -- [REPLIES.tsv [PHASE]] < LEFT_OUT\n");
        return 64;
    }
    read_left_out();
    if (bl_rules_compile_part(files, n, wanted, NULL, &rules, &err) != BL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 65;
    }
    if (i + 1 == argc)
        list_places(rules);
    else
        replies = read_whole(argv[i + 1]);
    rest = replies;
    (void)take_until(&rest, '\n'); /* the names of the columns */
    while (rest.n) {
        bl_slice line = take_until(&rest, '\n'), field[COLUMNS];

        for (int c = 0; c < COLUMNS; c++)
            field[c] = take_until(&line, '\t');
        judge(rules, field, i + 2 < argc, phase);
    }
    bl_rules_free(rules);
    free((void *)(uintptr_t)replies.p);
    while (n-- > 0)
        free((void *)(uintptr_t)files[n].text.p);
    while (n_left_out-- > 0)
        free(left_out[n_left_out]);
    return 0;
}
