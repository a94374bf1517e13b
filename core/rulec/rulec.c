/* rulec -- compiles core/rules/ at build time and prints the tables as C
 *
 *   rulec TABLES.c TEXTS.c FILE...
 *
 * TEXTS.c holds the files themselves: an operator's rules are compiled with them at run time.
 *
 * The compiler is the library's own (core/match); here are only the files and the printing. */
#include "tables.h"

#include <stdio.h>
#include <stdlib.h>

static bool read_file(const char *path, bl_slice *out)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long size = -1;
    bool ok = false;

    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (size >= 0 && size <= BL_RULES_TEXT_MAX && fseek(file, 0, SEEK_SET) == 0)
        text = malloc((size_t)size + 1);
    if (text)
        ok = fread(text, 1, (size_t)size, file) == (size_t)size;
    if (file)
        fclose(file);
    if (!ok) {
        fprintf(stderr, "rulec: cannot read '%s'\n", path);
        free(text);
        return false;
    }
    *out = (bl_slice){text, (size_t)size};
    return true;
}

static void print_slice(FILE *out, bl_slice s)
{
    fputs("{\"", out);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\' || c == '?')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            fprintf(out, "\\%03o", c);
        else
            fputc(c, out);
    }
    fprintf(out, "\", %zu}", s.n);
}

static void print_words(FILE *out, const char *type, const char *name, const void *words, size_t n,
                        size_t bytes)
{
    fprintf(out, "static const %s %s[%zu] = {", type, name, n ? n : 1);
    for (size_t i = 0; i < n; i++) {
        const char *at = (const char *)words + i * bytes;
        unsigned long value = bytes == 1   ? *(const uint8_t *)at
                              : bytes == 2 ? *(const uint16_t *)(const void *)at
                                           : *(const uint32_t *)(const void *)at;

        fprintf(out, "%s%#lx,", i % 12 ? "" : "\n    ", value);
    }
    fputs(n ? "\n};\n\n" : "0};\n\n", out);
}

static void print_categories(FILE *out, const struct bl_rules *r)
{
    fprintf(out, "static const struct bl_category categories[%u] = {\n", r->n_categories);
    for (uint16_t i = 0; i < r->n_categories; i++) {
        const struct bl_category *c = &r->categories[i];
        const bl_slice rest[] = {c->ses_type, c->ses_subtype, c->meaning, c->remedy};

        fputs("    {", out);
        print_slice(out, c->name);
        fprintf(out, ", (enum bl_scope)%d, (enum bl_type)%d, (enum bl_action)%d", (int)c->scope,
                (int)c->type, (int)c->action);
        for (size_t j = 0; j < BL_COUNT(rest); j++) {
            fputs(",\n     ", out);
            print_slice(out, rest[j]);
        }
        fputs("},\n", out);
    }
    fputs("};\n\n", out);
}

static void print_rules(FILE *out, const struct bl_rules *r)
{
    fprintf(out, "static const struct bl_rule rules[%u] = {\n", r->n_rules);
    for (uint32_t i = 0; i < r->n_rules; i++) {
        const struct bl_rule *rule = &r->rules[i];
        const struct bl_want *w = &rule->want;

        fprintf(out, "    {{%#x, %#x, %#x, %#x, %u, %#x}, %u, %u, %u, %u, %u, %u},\n", w->enhanced,
                w->enhanced_mask, w->basic, w->basic_mask, w->provider, w->phases, rule->category,
                rule->link, rule->tier, rule->type, rule->action, rule->parts);
    }
    fputs("};\n\n", out);
    fprintf(out, "static const struct bl_rule_info infos[%u] = {\n", r->n_infos);
    for (uint32_t i = 0; i < r->n_infos; i++) {
        const struct bl_rule_info *info = &r->infos[i];

        fputs("    {", out);
        print_slice(out, info->id);
        fputs(", ", out);
        print_slice(out, info->file);
        fprintf(out, ", %u, %u, %u, %u, %u, ", info->line, info->column, info->category,
                info->number, info->codes);
        print_slice(out, info->source);
        fprintf(out, ", %u, %s},\n", info->tier, info->own ? "true" : "false");
    }
    fputs("};\n\n", out);
    print_words(out, "uint16_t", "info_of", r->info_of, r->n_rules, 2);
    fprintf(out, "static const struct bl_codes codes[%u] = {\n", r->n_codes + 1);
    for (uint32_t i = 0; i < r->n_codes; i++) {
        const bl_slice texts[] = {r->codes[i].codes, r->codes[i].meaning, r->codes[i].remedy};

        fputs("    {", out);
        for (size_t j = 0; j < BL_COUNT(texts); j++) {
            print_slice(out, texts[j]);
            fputs(j + 1 < BL_COUNT(texts) ? ", " : "},\n", out);
        }
    }
    fputs("};\n\n", out);
}

static void print_providers(FILE *out, const struct bl_rules *r)
{
    fprintf(out, "static const bl_slice providers[%u] = {\n", r->n_providers);
    for (uint16_t i = 0; i < r->n_providers; i++) {
        fputs("    ", out);
        print_slice(out, r->providers[i]);
        fputs(",\n", out);
    }
    fprintf(out, "};\n\nstatic const struct bl_provider_suffix suffixes[%u] = {\n",
            r->n_suffixes + 1);
    for (uint32_t i = 0; i < r->n_suffixes; i++) {
        fputs("    {", out);
        print_slice(out, r->suffixes[i].suffix);
        fprintf(out, ", %u},\n", r->suffixes[i].provider);
    }
    fputs("};\n\n", out);
    print_words(out, "uint16_t", "suffix_slots", r->suffix_slots, r->suffix_mask + 1, 2);
}

static void print_digits(FILE *out, const struct bl_rules *r)
{
    fprintf(out, "static const struct bl_digit_node digits[%u] = {\n", r->n_digits);
    for (uint32_t i = 0; i < r->n_digits; i++) {
        fputs("    {{", out);
        for (int d = 0; d < BL_DIGITS; d++)
            fprintf(out, "%u,", r->digits[i].child[d]);
        fprintf(out, "}, %#x},\n", r->digits[i].rule);
    }
    fputs("};\n\n", out);
}

static void print_links(FILE *out, const struct bl_rules *r)
{
    fprintf(out, "static const struct bl_word words[%u] = {\n", r->n_words + 1);
    for (uint32_t i = 0; i < r->n_words; i++) {
        const struct bl_word *w = &r->words[i];

        fprintf(out, "    {%u, %u, %u, %u, %u, %u, %u},\n", w->later, w->shorter, w->all_first,
                w->all_later, w->singles, w->strongest, w->length);
    }
    fprintf(out, "};\n\nstatic const _Alignas(64) struct bl_mask masks[%u] = {\n", r->n_masks);
    for (uint32_t i = 0; i < r->n_masks; i++) {
        fputs("    {{", out);
        for (int j = 0; j < BL_MASK; j++)
            fprintf(out, "UINT64_C(%#llx),", (unsigned long long)r->masks[i].bits[j]);
        fputs("}},\n", out);
    }
    fprintf(out, "};\n\nstatic const struct bl_link links[%u] = {\n", r->n_links + 1);
    for (uint32_t i = 0; i < r->n_links; i++)
        fprintf(out, "    {%u, %u, %u, %s},\n", r->links[i].rule, r->links[i].part, r->links[i].gap,
                r->links[i].last ? "true" : "false");
    fputs("};\n\n", out);
    print_words(out, "uint16_t", "singles", r->singles, r->n_singles, 2);
}

static void print_marks(FILE *out, const struct bl_rules *r)
{
    fprintf(out, "static const struct bl_mark marks[%u] = {\n", r->n_marks + 1);
    for (uint32_t i = 0; i < r->n_marks; i++) {
        fputs("    {", out);
        print_slice(out, r->marks[i].text);
        fputs(", ", out);
        print_slice(out, r->marks[i].name);
        fprintf(out, ", UINT64_C(%#llx), UINT64_C(%#llx), %u},\n",
                (unsigned long long)r->marks[i].head, (unsigned long long)r->marks[i].mask,
                r->marks[i].kind);
    }
    fputs("};\n\n", out);
    print_words(out, "uint16_t", "mark_from", r->mark_from, 256 + 1, 2);
}

static void print_tables(FILE *out, const struct bl_rules *r)
{
    const struct bl_phrases *p = &r->phrases;

    fputs("/* made by rulec from core/rules/; do not edit */\n#include \"tables.h\"\n\n", out);
    print_categories(out, r);
    print_rules(out, r);
    print_providers(out, r);
    print_digits(out, r);
    print_marks(out, r);
    print_words(out, "uint16_t", "loose", r->loose, r->n_loose, 2);
    print_words(out, "uint8_t", "class_of", p->class_of, 256, 1);
    print_words(out, "uint32_t", "cells", p->cells, p->n_cells, 4);
    print_words(out, "uint32_t", "pairs", p->pairs, (size_t)p->classes * p->classes, 4);
    print_links(out, r);
    fprintf(
        out,
        "static const struct bl_rules builtin = {\n"
        "    categories, rules, infos, info_of, codes, digits, providers, suffixes, suffix_slots, loose,\n"
        "    UINT64_C(%#llx), UINT64_C(%#llx),\n    {class_of, cells, pairs, %u, %u, %u},\n    words, singles, masks, links, %u, %u, %u, %u, %u,\n"
        "    %u, %u, %u, %u, %u, %u, %u, %u, %u, %u, %u, UINT64_C(%llu), %u,\n    {",
        (unsigned long long)r->loose_enhanced, (unsigned long long)r->loose_basic, p->n_cells,
        p->classes, p->start, r->n_words, r->n_singles, r->n_masks, r->n_links, r->mask_step,
        r->n_rules, r->n_infos, r->n_ids, r->n_codes, r->n_digits, r->n_suffixes, r->suffix_mask,
        r->n_loose, r->n_categories, r->n_providers, r->unclassified, (unsigned long long)r->mark,
        r->longest_suffix);
    for (size_t i = 0; i < BL_COUNT(r->endings); i++)
        fprintf(out, "UINT64_C(%#llx), ", (unsigned long long)r->endings[i]);
    fputs("},\n    marks, mark_from, {", out);
    for (size_t g = 0; g < BL_MARK_GROUPS; g++) {
        fputs("\n    {", out);
        for (size_t i = 0; i < BL_COUNT(r->mark_pairs[g]); i++)
            fprintf(out, "UINT64_C(%#llx), ", (unsigned long long)r->mark_pairs[g][i]);
        fputs("},", out);
    }
    fprintf(out, "},\n    %u,\n};\n\n", r->n_marks);
    fputs("const struct bl_rules *bl_rules_builtin(void)\n{\n    return &builtin;\n}\n", out);
}

static bl_slice base_name(bl_slice path)
{
    while (memchr(path.p, '/', path.n))
        path = bl_slice_drop(path, bl_slice_find_byte(path, '/') + 1);
    return path;
}

static void print_texts(FILE *out, const void *arg, size_t n)
{
    const struct bl_rules_file *files = arg;

    fputs("/* made by rulec from core/rules/; do not edit */\n#include \"bounceline/rules.h\"\n\n",
          out);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "static const char text_%zu[] = {", i);
        for (size_t at = 0; at < files[i].text.n; at++)
            fprintf(out, "%s%d,", at % 32 ? "" : "\n    ", (signed char)files[i].text.p[at]);
        fputs("0};\n\n", out);
    }
    fputs("static const struct bl_rules_file files[] = {\n", out);
    for (size_t i = 0; i < n; i++) {
        fputs("    {", out);
        print_slice(out, base_name(files[i].name));
        fprintf(out, ", {text_%zu, %zu}},\n", i, files[i].text.n);
    }
    fprintf(out,
            "};\n\nconst struct bl_rules_file *bl_rules_shipped(size_t *n)\n{\n"
            "    *n = %zu;\n    return files;\n}\n",
            n);
}

static void print_rules_tables(FILE *out, const void *arg, size_t n)
{
    (void)n;
    print_tables(out, arg);
}

static int write_c(const char *path, void (*print)(FILE *out, const void *arg, size_t n),
                   const void *arg, size_t n)
{
    FILE *out = fopen(path, "w");
    bool ok = out;

    if (out) {
        print(out, arg, n);
        ok = !ferror(out);
        ok = fclose(out) == 0 && ok;
    }
    if (!ok)
        fprintf(stderr, "rulec: cannot write '%s'\n", path);
    return ok ? 0 : 1;
}

static void say(void *arg, const struct bl_rules_problem *problem)
{
    (void)arg;
    fprintf(stderr, "%.*s:%u:%u: %s\n", (int)problem->file.n, problem->file.p, problem->line,
            problem->column, problem->text);
}

int main(int argc, char **argv)
{
    struct bl_rules_file *files = calloc((size_t)argc, sizeof *files);
    struct bl_rules_sources sources = {.shipped = files, .problem = say};
    struct bl_rules *rules = NULL;
    bl_err err = {0};
    enum bl_code rc;
    size_t n = 0;
    int status = 1;

    for (int i = 3; files && i < argc; i++, n++) {
        files[n].name = (bl_slice){argv[i], strlen(argv[i])};
        if (!read_file(argv[i], &files[n].text))
            goto out;
    }
    if (n == 0) {
        fprintf(stderr, "usage: rulec TABLES.c TEXTS.c FILE...\n");
        goto out;
    }
    sources.shipped_n = n;
    rc = bl_rules_compile_over(&sources, &rules, &err);
    if (rc != BL_OK && rc != BL_BAD_INPUT)
        fprintf(stderr, "rulec: %s\n", err.text); /* what is wrong with the input was said */
    if (rc != BL_OK)
        goto out;
    status = write_c(argv[1], print_rules_tables, rules, 0);
    if (status == 0)
        status = write_c(argv[2], print_texts, files, n);
out:
    bl_rules_free(rules);
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)files[i].text.p);
    free(files);
    return status;
}
