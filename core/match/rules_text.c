/* Reads categories.tsv, providers.tsv, codes.tsv and *.rules into a model, with the place of each
 * thing.
 *
 * One pass a file, line by line, the tables that others refer to first.  A line is cut by `take_*`
 * functions that either take what they promise off the front or leave it alone; what is left when
 * none fits is where the error message points.  What needs more than its own line (duplicates,
 * rules that never win, samples) is checked in compile.c, on the finished tables. */
#include "rules_text.h"
#include "phrases.h"

#include "bounceline/alloc.h"
#include "bounceline/nearest.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    ARENA_BYTES = 64 << 20,
    COLUMNS_MAX = 16,
    NAME_MAX_BYTES = 80,
    ALTERNATIVES_MAX = 64,
    WRITTEN_MAX = 1000, /* bytes of a phrase with its braces */
    WHAT_BYTES = 300
};

/* Where the reader stands. */
struct reader {
    struct rt_model *model;
    uint32_t file, line;
    const char *line_start;
    bl_slice rest;
};

static void tell(const struct rt_model *model, struct rt_place place, bool note, const char *what)
{
    struct rt_report *report = model->report;
    bl_slice name = model->files[place.file].name;
    struct bl_rules_problem problem = {name, place.line, place.column, note, what};

    if (report->problem)
        report->problem(report->arg, &problem);
    if (note)
        return;
    if (report->n++ == 0)
        (void)bl_fail(report->err, BL_BAD_INPUT, 0, "%.*s:%u:%u: %s",
                      (int)(name.n < 100 ? name.n : 100), name.p, place.line, place.column, what);
}

enum bl_code bl_rules_text_fail(const struct rt_model *model, struct rt_place place,
                                const char *format, ...)
{
    char what[WHAT_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    tell(model, place, false, what);
    return BL_BAD_INPUT;
}

void bl_rules_text_note(const struct rt_model *model, struct rt_place place, const char *format,
                        ...)
{
    char what[WHAT_BYTES];
    va_list args;

    if (!model->report->problem)
        return;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    tell(model, place, true, what);
}

static enum bl_code no_memory(const struct rt_model *model)
{
    return bl_fail(model->report->err, BL_NO_MEMORY, 0, "out of memory reading rules");
}

bl_slice bl_rules_text_file_name(bl_slice path)
{
    for (size_t i = path.n; i > 0; i--)
        if (path.p[i - 1] == '/')
            return bl_slice_drop(path, i);
    return path;
}

bool bl_rules_text_push(struct rt_list *list, const void *item)
{
    if (list->n == list->room) {
        size_t room = list->room ? list->room * 2 : 64;
        char *items = bl_realloc(list->items, room * list->item_bytes);

        if (!items)
            return false;
        list->items = items;
        list->room = room;
    }
    memcpy(list->items + list->n++ * list->item_bytes, item, list->item_bytes);
    return true;
}

/* Lines and words. */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bl_slice trim(bl_slice s)
{
    while (s.n && is_blank(s.p[0]))
        s = bl_slice_drop(s, 1);
    while (s.n && (is_blank(s.p[s.n - 1]) || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

static struct rt_place place_of(const struct reader *r, const char *at)
{
    return (struct rt_place){r->file, r->line, (uint32_t)(at - r->line_start) + 1};
}

static struct rt_place here(const struct reader *r)
{
    return place_of(r, r->rest.p);
}

static void skip_blanks(struct reader *r)
{
    while (r->rest.n && is_blank(r->rest.p[0]))
        r->rest = bl_slice_drop(r->rest, 1);
}

static bool take_char(struct reader *r, char c)
{
    if (!r->rest.n || r->rest.p[0] != c)
        return false;
    r->rest = bl_slice_drop(r->rest, 1);
    return true;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || bl_is_digit(c) || c == '-' || c == '_';
}

static bool take_name(struct reader *r, bl_slice *out)
{
    size_t n = 0;

    while (n < r->rest.n && n < NAME_MAX_BYTES && is_name_char(r->rest.p[n]))
        n++;
    if (n == 0)
        return false;
    *out = bl_slice_head(r->rest, n);
    r->rest = bl_slice_drop(r->rest, n);
    return true;
}

/* A word up to the next blank. */
static bl_slice peek_word(const struct reader *r)
{
    size_t n = 0;

    while (n < r->rest.n && !is_blank(r->rest.p[n]))
        n++;
    return bl_slice_head(r->rest, n);
}

/* Takes one line off `text`, without its end. */
static bl_slice take_line(bl_slice *text)
{
    size_t n = bl_slice_find_byte(*text, '\n');
    bl_slice line = bl_slice_head(*text, n);

    *text = bl_slice_drop(*text, n < text->n ? n + 1 : n);
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

static bl_slice keep(struct rt_model *model, bl_slice s)
{
    return bl_arena_copy(&model->arena, s);
}

/* The same for what may be empty. */
static bool keep_field(struct rt_model *model, bl_slice s, bl_slice *out)
{
    *out = keep(model, s);
    return out->p || s.n == 0;
}

/* Codes: digits, or x for any. */

static bool take_number(bl_slice *in, uint16_t *out)
{
    uint16_t value = 0;
    size_t n = 0;

    while (n < in->n && n < 3 && bl_is_digit(in->p[n]))
        value = (uint16_t)(value * 10 + (in->p[n++] - '0'));
    if (n == 0 || (n < in->n && bl_is_digit(in->p[n])))
        return false;
    *out = value;
    *in = bl_slice_drop(*in, n);
    return true;
}

static bool take_number_or_x(bl_slice *in, uint16_t *out)
{
    if (in->n && in->p[0] == 'x') {
        *in = bl_slice_drop(*in, 1);
        *out = RT_NONE;
        return true;
    }
    return take_number(in, out);
}

/* 550, 5xx. */
static bool parse_basic(bl_slice word, uint16_t *value, uint16_t *mask)
{
    if (word.n != 3 || (word.p[0] != '4' && word.p[0] != '5' && word.p[0] != '2'))
        return false;
    *value = (uint16_t)((word.p[0] - '0') << 8);
    *mask = 0xf00;
    if (word.p[1] == 'x' && word.p[2] == 'x')
        return true;
    if (!bl_is_digit(word.p[1]) || !bl_is_digit(word.p[2]))
        return false;
    *value = (uint16_t)(*value | (word.p[1] - '0') << 4 | (word.p[2] - '0'));
    *mask = 0xfff;
    return true;
}

/* 5.1.1, x.1.1, 5.7.x, 5.7.606-649 (the range only where `to` is asked for). */
static bool parse_enhanced(bl_slice word, uint16_t part[3], uint16_t *to)
{
    if (!take_number_or_x(&word, &part[0]) || !bl_slice_take(&word, BL_SLICE(".")) ||
        !take_number(&word, &part[1]) || !bl_slice_take(&word, BL_SLICE(".")) ||
        !take_number_or_x(&word, &part[2]))
        return false;
    if (part[0] != 2 && part[0] != 4 && part[0] != 5 && part[0] != RT_NONE)
        return false;
    if (to) {
        *to = part[2];
        if (part[2] != RT_NONE && bl_slice_take(&word, BL_SLICE("-")) &&
            (!take_number(&word, to) || *to < part[2]))
            return false;
    }
    return word.n == 0;
}

static void want_enhanced(struct bl_want *want, const uint16_t part[3])
{
    for (int i = 0; i < 3; i++) {
        int shift = 20 - 10 * i;

        if (part[i] != RT_NONE) {
            want->enhanced |= (uint32_t)part[i] << shift;
            want->enhanced_mask |= 1023u << shift;
        }
    }
}

void bl_rules_text_codes(bl_slice text, bl_reply *reply)
{
    bl_slice rest = text;
    uint16_t part[3];
    size_t n = 0;

    if (rest.n >= 3 && rest.p[0] >= '2' && rest.p[0] <= '5' && take_number(&rest, &part[0]) &&
        text.n - rest.n == 3 && (rest.n == 0 || rest.p[0] == ' ' || rest.p[0] == '-')) {
        reply->code = part[0];
        if (rest.n)
            rest = bl_slice_drop(rest, 1);
    } else {
        rest = text;
    }
    while (n < rest.n && (bl_is_digit(rest.p[n]) || rest.p[n] == '.'))
        n++;
    if (parse_enhanced(bl_slice_head(rest, n), part, NULL))
        reply->enhanced = (bl_status){part[0], part[1], part[2]};
}

/* Tables: the first line that is no comment names the columns. */

struct table {
    bl_slice names[COLUMNS_MAX];
    size_t n;
};

static size_t split_tabs(bl_slice line, bl_slice fields[COLUMNS_MAX])
{
    size_t n = 0;

    for (; n < COLUMNS_MAX && bl_slice_take_field(&line, '\t', &fields[n]); n++)
        fields[n] = trim(fields[n]);
    return n;
}

/* The field of that column; empty when the line is too short or the table has no such column. */
static bl_slice field(const struct table *table, const bl_slice *fields, size_t n, bl_slice name)
{
    for (size_t i = 0; i < table->n && i < n; i++)
        if (bl_slice_eq(table->names[i], name))
            return fields[i];
    return (bl_slice){0};
}

static struct rt_place field_place(const struct reader *r, bl_slice at)
{
    return at.p ? place_of(r, at.p) : (struct rt_place){r->file, r->line, 1};
}

typedef enum bl_code row_reader(struct reader *r, const struct table *table, const bl_slice *fields,
                                size_t n);

static enum bl_code read_table(struct reader *r, bl_slice text, row_reader *read_row)
{
    struct table table = {.n = 0};
    enum bl_code rc = BL_OK;

    for (r->line = 1; text.n && rt_goes_on(r->model, rc); r->line++) {
        bl_slice fields[COLUMNS_MAX], line = take_line(&text);
        enum bl_code row = BL_OK;
        size_t n;

        r->line_start = line.p;
        if (trim(line).n == 0 || line.p[0] == '#')
            continue;
        n = split_tabs(line, fields);
        if (table.n == 0) {
            memcpy(table.names, fields, sizeof fields[0] * n);
            table.n = n;
        } else {
            row = read_row(r, &table, fields, n);
        }
        rc = row == BL_OK ? rc : row;
    }
    return rc;
}

static bool find_word(bl_slice word, const char *const *words, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i++)
        if (bl_slice_eq(word, (bl_slice){words[i], strlen(words[i])})) {
            *out = (uint8_t)i;
            return true;
        }
    return false;
}

static const char *const type_words[] = {"undetermined", "soft", "hard"};
static const char *const scope_words[] = {"recipient", "message", "sender", "destination", "local"};
static const char *const action_words[] = {"none", "soft", "suppress"};

static enum bl_code read_category(struct reader *r, const struct table *table,
                                  const bl_slice *fields, size_t n)
{
    struct rt_model *model = r->model;
    struct bl_category category = {0};
    bl_slice name = field(table, fields, n, BL_SLICE("category"));
    bl_slice scope = field(table, fields, n, BL_SLICE("scope"));
    bl_slice type = field(table, fields, n, BL_SLICE("type"));
    bl_slice action = field(table, fields, n, BL_SLICE("action"));
    bl_slice subtype = field(table, fields, n, BL_SLICE("ses_subtype"));
    const struct bl_category *known =
        (const struct bl_category *)(const void *)model->categories.items;
    uint8_t t = 0, s = 0, a = 0;

    if (name.n == 0)
        return bl_rules_text_fail(model, field_place(r, name), "a category without a name");
    for (size_t i = 0; i < model->categories.n; i++)
        if (bl_slice_eq(known[i].name, name))
            return bl_rules_text_fail(model, field_place(r, name), "category '%.*s' is there twice",
                                      (int)name.n, name.p);
    if (!find_word(scope, scope_words, BL_COUNT(scope_words), &s))
        return bl_rules_text_fail(model, field_place(r, scope),
                                  "scope must be recipient, message, sender, destination or local");
    if (!find_word(type, type_words, BL_COUNT(type_words), &t))
        return bl_rules_text_fail(model, field_place(r, type),
                                  "type must be hard, soft or undetermined");
    if (!find_word(action, action_words, BL_COUNT(action_words), &a))
        return bl_rules_text_fail(model, field_place(r, action),
                                  "action must be suppress, soft or none");
    if (t == BL_HARD && (s == BL_SCOPE_SENDER || s == BL_SCOPE_MESSAGE))
        return bl_rules_text_fail(
            model, field_place(r, type),
            "a failure of scope %s says nothing about the address and cannot be hard",
            scope_words[s]);
    /* On another list already: hard, but not by what we saw, hence nothing for us to do. */
    if (t == BL_HARD && a != BL_ACTION_SUPPRESS && !bl_slice_eq(subtype, BL_SLICE("Suppressed")))
        return bl_rules_text_fail(model, field_place(r, action),
                                  "a hard category needs the action suppress");
    if (t != BL_HARD && a == BL_ACTION_SUPPRESS)
        return bl_rules_text_fail(model, field_place(r, action),
                                  "only a hard category may suppress");
    category.scope = (enum bl_scope)s;
    category.type = (enum bl_type)t;
    category.action = (enum bl_action)a;
    if (!keep_field(model, name, &category.name) ||
        !keep_field(model, subtype, &category.ses_subtype) ||
        !keep_field(model, field(table, fields, n, BL_SLICE("ses_type")), &category.ses_type) ||
        !keep_field(model, field(table, fields, n, BL_SLICE("meaning")), &category.meaning) ||
        !keep_field(model, field(table, fields, n, BL_SLICE("remedy")), &category.remedy))
        return no_memory(model);
    if (bl_slice_eq(name, BL_SLICE("unclassified")))
        model->fallback = (struct rt_place){r->file, r->line, 1};
    if (model->categories.n >= 4096)
        return bl_rules_text_fail(model, field_place(r, name), "more than 4096 categories");
    return bl_rules_text_push(&model->categories, &category) ? BL_OK : no_memory(model);
}

static bool is_own(const struct reader *r)
{
    return r->file >= r->model->n_shipped;
}

/* One kind of evidence; those above it beat it. */
static enum bl_code read_evidence(struct reader *r, const struct table *table,
                                  const bl_slice *fields, size_t n)
{
    static const char *const kinds[] = {"provider-words", "specific-words", "provider-code",
                                        "specific-code",  "generic-words",  "generic-code"};
    struct rt_model *model = r->model;
    bl_slice name = field(table, fields, n, BL_SLICE("evidence"));
    uint8_t kind = 0;

    _Static_assert(BL_TIER_GENERIC_CODE == BL_TIER_PROVIDER_TEXT + BL_COUNT(kinds) - 1,
                   "one name a tier");
    if (is_own(r))
        return bl_rules_text_fail(model, field_place(r, name),
                                  "the order of evidence is not an operator's");
    if (!find_word(name, kinds, BL_COUNT(kinds), &kind))
        return bl_rules_text_fail(model, field_place(r, name),
                                  "evidence is provider-, specific- or generic-words or -code");
    if (model->order[BL_TIER_PROVIDER_TEXT + kind])
        return bl_rules_text_fail(model, field_place(r, name), "'%.*s' is there twice", (int)name.n,
                                  name.p);
    model->order[BL_TIER_PROVIDER_TEXT + kind] =
        (uint8_t)(BL_TIER_PROVIDER_TEXT + model->n_order++);
    model->order_place = (struct rt_place){r->file, r->line, 1};
    return BL_OK;
}

/* Without precedence.tsv the order is that of enum bl_tier. */
static enum bl_code finish_order(struct rt_model *model)
{
    if (model->n_order && model->n_order != BL_TIER_FALLBACK - BL_TIER_PROVIDER_TEXT)
        return bl_rules_text_fail(model, model->order_place,
                                  "all six kinds of evidence have their place");
    for (int tier = 0; tier < BL_TIERS; tier++)
        if (model->n_order == 0 || tier < BL_TIER_PROVIDER_TEXT || tier == BL_TIER_FALLBACK)
            model->order[tier] = (uint8_t)tier;
    return BL_OK;
}

static enum bl_code read_words(struct reader *r, const struct table *table, const bl_slice *fields,
                               size_t n)
{
    struct rt_model *model = r->model;
    const struct rt_words *known = (const struct rt_words *)(const void *)model->words.items;
    struct rt_words item = {.name = field(table, fields, n, BL_SLICE("name"))};
    bl_slice words = field(table, fields, n, BL_SLICE("words"));

    for (size_t i = 0; i < item.name.n; i++)
        if (!is_name_char(item.name.p[i]))
            return bl_rules_text_fail(model, field_place(r, item.name), "a name is a-z, 0-9 and -");
    if (item.name.n == 0 || words.n == 0)
        return bl_rules_text_fail(model, field_place(r, item.name),
                                  "expected a name and words, a|b");
    for (size_t i = 0; i < model->words.n; i++)
        if (bl_slice_eq(known[i].name, item.name))
            return bl_rules_text_fail(model, field_place(r, item.name),
                                      "the list '%.*s' is there twice", (int)item.name.n,
                                      item.name.p);
    item.name = keep(model, item.name);
    item.words = keep(model, words);
    for (size_t i = 0; i < words.n && item.words.p; i++)
        ((char *)(uintptr_t)item.words.p)[i] = bl_lower(words.p[i]);
    return item.name.p && item.words.p && bl_rules_text_push(&model->words, &item)
               ? BL_OK
               : no_memory(model);
}

/* 0 when there is no such provider. */
static uint16_t find_provider(const struct rt_model *model, bl_slice name)
{
    const bl_slice *known = (const bl_slice *)(const void *)model->providers.items;

    for (size_t i = 0; i < model->providers.n; i++)
        if (bl_slice_eq_fold(known[i], name))
            return (uint16_t)i;
    return 0;
}

static enum bl_code read_provider(struct reader *r, const struct table *table,
                                  const bl_slice *fields, size_t n)
{
    struct rt_model *model = r->model;
    bl_slice suffix = field(table, fields, n, BL_SLICE("suffix"));
    bl_slice name = field(table, fields, n, BL_SLICE("provider"));
    struct bl_provider_suffix item = {.provider = find_provider(model, name)};

    if (suffix.n == 0 || suffix.n > 255 || suffix.p[0] == '.')
        return bl_rules_text_fail(model, field_place(r, suffix),
                                  "expected a domain, without a dot in front");
    if (name.n == 0 || name.n > NAME_MAX_BYTES)
        return bl_rules_text_fail(model, field_place(r, name), "expected the provider's name");
    if (item.provider == 0) {
        bl_slice kept = keep(model, name);

        if (model->providers.n >= 4096)
            return bl_rules_text_fail(model, field_place(r, name), "more than 4096 providers");
        item.provider = (uint16_t)model->providers.n;
        if (!kept.p || !bl_rules_text_push(&model->providers, &kept))
            return no_memory(model);
    }
    item.suffix = keep(model, suffix);
    if (!item.suffix.p)
        return no_memory(model);
    for (size_t i = 0; i < suffix.n; i++)
        ((char *)(uintptr_t)item.suffix.p)[i] = bl_lower(suffix.p[i]);
    for (size_t i = 0; i < model->suffixes.n; i++)
        if (bl_slice_eq(((struct bl_provider_suffix *)(void *)model->suffixes.items)[i].suffix,
                        item.suffix))
            return bl_rules_text_fail(model, field_place(r, suffix), "'%.*s' is there twice",
                                      (int)suffix.n, suffix.p);
    return bl_rules_text_push(&model->suffixes, &item) ? BL_OK : no_memory(model);
}

static bool find_category(const struct rt_model *model, bl_slice name, uint16_t *out)
{
    const struct bl_category *known =
        (const struct bl_category *)(const void *)model->categories.items;

    for (size_t i = 0; i < model->categories.n; i++)
        if (bl_slice_eq(known[i].name, name)) {
            *out = (uint16_t)i;
            return true;
        }
    return false;
}

/* Names the category and takes type and action from it. */
static enum bl_code use_category(struct reader *r, bl_slice name, struct rt_rule *rule)
{
    struct rt_model *model = r->model;
    const struct bl_category *category;

    rule->category_place = field_place(r, name);
    if (!find_category(model, name, &rule->category))
        return bl_rules_text_fail(model, rule->category_place, "unknown category '%.*s'",
                                  (int)name.n, name.p);
    category = (const struct bl_category *)(const void *)model->categories.items + rule->category;
    rule->category_name = category->name;
    rule->type = (uint8_t)category->type;
    rule->action = (uint8_t)category->action;
    return BL_OK;
}

static bool is_row(const struct rt_model *model, const struct rt_rule *rule, bl_slice key)
{
    return rule->is_code && bl_slice_eq(rt_code(model, rule->code)->key, key);
}

/* Switches off every alternative of a shipped rule, or one row of codes.tsv; false when there is
 * none of that id. */
static bool drop_shipped(struct rt_model *model, bl_slice id)
{
    bool found = false;

    for (size_t i = 0; i < model->rules.n; i++) {
        struct rt_rule *rule = rt_rule(model, i);

        if (!rule->own && (bl_slice_eq(rule->id, id) || is_row(model, rule, id)))
            rule->gone = found = true;
    }
    return found;
}

/* The shipped rule whose id is most like a mistyped one; empty when none is. */
static bl_slice nearest_id(const struct rt_model *model, bl_slice id)
{
    struct bl_nearest nearest = bl_nearest_to(id);

    for (size_t i = 0; i < model->rules.n; i++)
        if (!rt_rule(model, i)->own)
            bl_nearest_try(&nearest, rt_rule(model, i)->id);
    return nearest.found;
}

static enum bl_code no_such_rule(const struct rt_model *model, struct rt_place place, bl_slice id)
{
    bl_slice like = nearest_id(model, id);

    return bl_rules_text_fail(model, place, "no shipped rule is called '%.*s'%s%.*s%s", (int)id.n,
                              id.p, like.n ? "; do you mean '" : "", (int)like.n, like.p,
                              like.n ? "'?" : "");
}

static bl_slice code_key(struct rt_model *model, bl_slice basic, bl_slice enhanced)
{
    char key[64];
    int n;

    n = snprintf(key, sizeof key, "codes/%.*s%s%.*s", (int)basic.n, basic.p,
                 basic.n && enhanced.n ? "-" : "", (int)(enhanced.n < 40 ? enhanced.n : 40),
                 enhanced.p);
    return keep(model, (bl_slice){key, (size_t)n});
}

/* Rows that bear one name are one rule, of one category; without a name a row is a rule of its
 * own. */
static enum bl_code name_code(struct reader *r, bl_slice name, bl_slice key, struct rt_rule *rule)
{
    struct rt_model *model = r->model;
    char id[NAME_MAX_BYTES + 8];
    int n;

    rule->id = key;
    if (name.n == 0)
        return BL_OK;
    for (size_t i = 0; i < name.n; i++)
        if (!is_name_char(name.p[i]) || name.n > NAME_MAX_BYTES)
            return bl_rules_text_fail(model, field_place(r, name), "a name is a-z, 0-9 and -");
    n = snprintf(id, sizeof id, "codes/%.*s", (int)name.n, name.p);
    rule->id = keep(model, (bl_slice){id, (size_t)n});
    for (size_t i = 0; i < model->rules.n && rule->id.p; i++) {
        const struct rt_rule *other = rt_rule(model, i);

        if (!other->gone && bl_slice_eq(other->id, rule->id) && other->category != rule->category)
            return bl_rules_text_fail(model, field_place(r, name),
                                      "'%.*s' of line %u has another category", (int)name.n, name.p,
                                      other->place.line);
    }
    return rule->id.p ? BL_OK : no_memory(model);
}

/* What it says to people. */
static enum bl_code keep_code(struct reader *r, bl_slice basic, bl_slice enhanced, bl_slice meaning,
                              bl_slice remedy, struct rt_rule *rule)
{
    struct rt_model *model = r->model;
    struct rt_code code = {.key = code_key(model, basic, enhanced)};
    char codes[64];
    int n = snprintf(codes, sizeof codes, "%.*s%s%.*s", (int)basic.n, basic.p,
                     basic.n && enhanced.n ? " " : "", (int)(enhanced.n < 40 ? enhanced.n : 40),
                     enhanced.p);

    code.text.codes = keep(model, (bl_slice){codes, (size_t)n});
    if (model->codes.n >= UINT16_MAX)
        return bl_rules_text_fail(model, rule->place, "more than %d rows", UINT16_MAX);
    rule->code = (uint16_t)model->codes.n;
    return code.key.p && code.text.codes.p && keep_field(model, meaning, &code.text.meaning) &&
                   keep_field(model, remedy, &code.text.remedy) &&
                   bl_rules_text_push(&model->codes, &code)
               ? BL_OK
               : no_memory(model);
}

static enum bl_code read_code(struct reader *r, const struct table *table, const bl_slice *fields,
                              size_t n)
{
    struct rt_model *model = r->model;
    bl_slice basic = field(table, fields, n, BL_SLICE("basic"));
    bl_slice enhanced = field(table, fields, n, BL_SLICE("enhanced"));
    bl_slice strength = field(table, fields, n, BL_SLICE("strength"));
    bl_slice category = field(table, fields, n, BL_SLICE("category"));
    bl_slice source = field(table, fields, n, BL_SLICE("source"));
    uint16_t part[3] = {RT_NONE, RT_NONE, RT_NONE}, to = RT_NONE, value = 0, mask = 0;
    struct rt_rule rule = {.is_code = true, .own = is_own(r), .place = {r->file, r->line, 1}};
    enum bl_code rc = use_category(r, category, &rule);

    if (rc != BL_OK)
        return rc;
    if (basic.n + enhanced.n == 0)
        return bl_rules_text_fail(model, rule.place, "a row needs a basic or an enhanced code");
    if (basic.n && !parse_basic(basic, &value, &mask))
        return bl_rules_text_fail(model, field_place(r, basic), "expected a code like 550 or 5xx");
    if (enhanced.n && !parse_enhanced(enhanced, part, &to))
        return bl_rules_text_fail(model, field_place(r, enhanced),
                                  "expected a code like 5.1.1, x.1.1, 5.7.x or 5.7.606-649");
    if (basic.n && enhanced.n && mask != 0xfff)
        return bl_rules_text_fail(model, field_place(r, basic),
                                  "5xx cannot stand beside an enhanced code");
    if (source.n == 0)
        return bl_rules_text_fail(model, field_place(r, source), "a code needs a source");
    if (bl_slice_eq(strength, BL_SLICE("specific")))
        rule.tier = BL_TIER_SPECIFIC_CODE;
    else if (bl_slice_eq(strength, BL_SLICE("generic")))
        rule.tier = BL_TIER_GENERIC_CODE;
    else
        return bl_rules_text_fail(model, field_place(r, strength),
                                  "strength must be specific or generic");
    rule.source = keep(model, source);
    rc = keep_code(r, basic, enhanced, field(table, fields, n, BL_SLICE("meaning")),
                   field(table, fields, n, BL_SLICE("remedy")), &rule);
    if (rc != BL_OK)
        return rc;
    if (rule.own)
        /* an operator's row for the same codes replaces it */
        (void)drop_shipped(model, rt_code(model, rule.code)->key);
    rc = name_code(r, field(table, fields, n, BL_SLICE("rule")), rt_code(model, rule.code)->key,
                   &rule);
    if (rc != BL_OK)
        return rc;
    rule.want.basic = value;
    rule.want.basic_mask = mask;
    rule.basic = basic.n ? value : RT_NONE;
    rule.class_ = part[0];
    rule.subject = part[1];
    rule.detail_from = part[2];
    rule.detail_to = to;
    if (enhanced.n && part[0] == RT_NONE)
        rule.reach = RT_ANY_CLASS;
    else if (to != part[2])
        rule.reach = RT_RANGE;
    if (model->rules.n >= BL_RULES_MAX - ALTERNATIVES_MAX)
        return bl_rules_text_fail(model, rule.place, "more than %d rules", BL_RULES_MAX);
    return rule.source.p && bl_rules_text_push(&model->rules, &rule) ? BL_OK : no_memory(model);
}

/* What is read out of replies: extract.tsv. */

/* A pattern: one pair of braces, something in it, and a first byte that is itself. */
static bool is_pattern(bl_slice text)
{
    size_t open = bl_slice_find_byte(text, '{'), close = bl_slice_find_byte(text, '}');
    char first = text.p[open == 0 && text.n > 1 ? 1 : 0];

    return open < close && close < text.n && close > open + 1 && first != '#' && first != '@' &&
           bl_slice_find_byte(bl_slice_drop(text, open + 1), '{') == text.n - open - 1;
}

static enum bl_code read_mark(struct reader *r, const struct table *table, const bl_slice *fields,
                              size_t n)
{
    static const char *const kinds[BL_MARK_KINDS] = {
        [BL_MARK_LIST_WORD] = "list-word",
        [BL_MARK_LIST_HOST] = "list-host",
        [BL_MARK_LIST_BEFORE] = "list-before",
        [BL_MARK_RETRY_BEFORE] = "retry-before",
        [BL_MARK_IP_BEFORE] = "ip-before",
        [BL_MARK_IP_AFTER] = "ip-after",
        [BL_MARK_CODE] = "code",
    };
    struct rt_model *model = r->model;
    bl_slice kind = field(table, fields, n, BL_SLICE("kind"));
    bl_slice text = field(table, fields, n, BL_SLICE("text"));
    bl_slice name = field(table, fields, n, BL_SLICE("name"));
    bl_slice source = field(table, fields, n, BL_SLICE("source"));
    struct bl_mark mark = {.kind = 0};

    if (!find_word(kind, kinds, BL_COUNT(kinds), &mark.kind))
        return bl_rules_text_fail(model, field_place(r, kind),
                                  "a kind is list-word, list-host, list-before, retry-before, "
                                  "ip-before, ip-after or code");
    if (text.n == 0 || text.p[0] == ' ' || text.n > NAME_MAX_BYTES)
        return bl_rules_text_fail(model, field_place(r, text), "expected what to look for");
    if (mark.kind == BL_MARK_CODE && !is_pattern(text))
        return bl_rules_text_fail(model, field_place(r, text),
                                  "a pattern has one {CODE} and begins with neither # nor @");
    if (mark.kind == BL_MARK_LIST_WORD && name.n == 0)
        return bl_rules_text_fail(model, field_place(r, name), "expected the list's name");
    if (source.n == 0)
        return bl_rules_text_fail(model, field_place(r, source), "expected a source");
    if (model->marks.n >= UINT16_MAX)
        return bl_rules_text_fail(model, field_place(r, text), "more than %d rows", UINT16_MAX);
    mark.text = keep(model, text);
    if (!mark.text.p || !keep_field(model, name, &mark.name))
        return no_memory(model);
    for (size_t i = 0; i < text.n && mark.kind != BL_MARK_CODE; i++)
        ((char *)(uintptr_t)mark.text.p)[i] = bl_lower(text.p[i]);
    return bl_rules_text_push(&model->marks, &mark) ? BL_OK : no_memory(model);
}

/* Rules. */

/* Takes `"phrase"`, folded: lower case, one blank for a run of blanks; braces stay as they are. */
static enum bl_code take_phrase(struct reader *r, bl_slice *out)
{
    struct rt_model *model = r->model;
    struct rt_place start = here(r);
    char text[WRITTEN_MAX];
    size_t n = 0;

    r->rest = bl_slice_drop(r->rest, 1);
    while (r->rest.n && r->rest.p[0] != '"') {
        char c = r->rest.p[0];

        r->rest = bl_slice_drop(r->rest, 1);
        if (is_blank(c)) {
            if (n && text[n - 1] == ' ')
                continue;
            c = ' ';
        }
        if (n == sizeof text)
            return bl_rules_text_fail(model, start, "a phrase is written in at most %zu bytes",
                                      sizeof text);
        text[n++] = c == '$' && r->rest.n && r->rest.p[0] == '"' ? BL_END_BYTE : bl_lower(c);
    }
    if (!take_char(r, '"'))
        return bl_rules_text_fail(model, start, "this phrase has no closing quote");
    *out = keep(model, (bl_slice){text, n});
    return out->p ? BL_OK : no_memory(model);
}

static enum bl_code take_phases(struct reader *r, bl_slice word, struct bl_want *want)
{
    bl_slice rest = bl_slice_drop(word, 6);

    while (rest.n) {
        size_t n = bl_slice_find_byte(rest, ',');
        enum bl_phase phase;

        if (!bl_phase_from_name(bl_slice_head(rest, n), &phase) || phase == BL_PHASE_UNKNOWN)
            return bl_rules_text_fail(
                r->model, place_of(r, rest.p),
                "a phase is dns, connect, helo, tls, auth, mail, rcpt, data, eod or local");
        want->phases = (uint16_t)(want->phases | 1u << phase);
        rest = bl_slice_drop(rest, n < rest.n ? n + 1 : n);
    }
    if (want->phases == 0)
        return bl_rules_text_fail(r->model, place_of(r, word.p), "expected a phase after 'phase:'");
    r->rest = bl_slice_drop(r->rest, word.n);
    return BL_OK;
}

/* One code or `phase:` word. */
static enum bl_code take_condition(struct reader *r, struct rt_rule *rule)
{
    bl_slice word = peek_word(r);
    uint16_t part[3], value, mask;

    if (bl_slice_starts(word, BL_SLICE("phase:"))) {
        if (rule->want.phases)
            return bl_rules_text_fail(r->model, here(r), "the phase is named twice");
        return take_phases(r, word, &rule->want);
    }
    if (parse_basic(word, &value, &mask)) {
        if (rule->want.basic_mask)
            return bl_rules_text_fail(r->model, here(r), "a rule names at most one basic code");
        rule->want.basic = value;
        rule->want.basic_mask = mask;
    } else if (parse_enhanced(word, part, NULL)) {
        if (rule->want.enhanced_mask)
            return bl_rules_text_fail(r->model, here(r), "a rule names at most one enhanced code");
        want_enhanced(&rule->want, part);
    } else {
        return bl_rules_text_fail(
            r->model, here(r),
            "expected \"a phrase\", a code (550, 5xx, 5.1.1, x.1.1), 'phase:' or '->'");
    }
    r->rest = bl_slice_drop(r->rest, word.n);
    return BL_OK;
}

/* `"a" .. "b" | "c"` and the other conditions, up to the arrow.  Alternatives go to `alt`. */
struct alternatives {
    bl_slice phrases[ALTERNATIVES_MAX][BL_PARTS_MAX];
    uint8_t n_phrases[ALTERNATIVES_MAX], gap[ALTERNATIVES_MAX][BL_PARTS_MAX];
    uint32_t columns[ALTERNATIVES_MAX];
    size_t n;
};

/* `~`: close behind; `~1`: one byte between at most. */
static bool take_gap(struct reader *r, uint8_t *out)
{
    uint16_t bytes;

    if (!take_char(r, '~'))
        return false;
    *out = take_number(&r->rest, &bytes) && bytes > 0 && bytes < BL_NEAR ? (uint8_t)bytes : BL_NEAR;
    return true;
}

static enum bl_code take_alternatives(struct reader *r, struct alternatives *alt)
{
    enum bl_code rc;

    if (alt->n)
        return bl_rules_text_fail(r->model, here(r), "expected '..', '~' or '|' between phrases");
    do {
        uint8_t *n;

        if (alt->n == ALTERNATIVES_MAX)
            return bl_rules_text_fail(r->model, here(r), "more than %d alternatives",
                                      ALTERNATIVES_MAX);
        n = &alt->n_phrases[alt->n];
        *n = 0;
        memset(alt->gap[alt->n], 0, sizeof alt->gap[alt->n]);
        alt->columns[alt->n] = here(r).column;
        do {
            skip_blanks(r);
            if (!r->rest.n || r->rest.p[0] != '"')
                return bl_rules_text_fail(r->model, here(r), "expected \"a phrase\"");
            if (*n == BL_PARTS_MAX)
                return bl_rules_text_fail(r->model, here(r), "more than %d phrases in order",
                                          BL_PARTS_MAX);
            rc = take_phrase(r, &alt->phrases[alt->n][(*n)++]);
            if (rc != BL_OK)
                return rc;
            skip_blanks(r);
        } while (bl_slice_take(&r->rest, BL_SLICE("..")) ||
                 (*n < BL_PARTS_MAX && take_gap(r, &alt->gap[alt->n][*n])));
        alt->n++;
        skip_blanks(r);
        if (!take_char(r, '|'))
            return BL_OK;
        skip_blanks(r);
    } while (true);
}

static enum bl_code take_override(struct reader *r, struct rt_rule *rule)
{
    struct rt_place place = here(r);
    const struct bl_category *category =
        (const struct bl_category *)(const void *)r->model->categories.items + rule->category;
    bool temporary = (rule->want.basic_mask && rule->want.basic >> 8 == 4) ||
                     (rule->want.enhanced_mask >> 20 && rule->want.enhanced >> 20 == 4);
    bl_slice word;
    uint8_t type;

    if (!bl_slice_take(&r->rest, BL_SLICE("type:")))
        return BL_OK;
    if (!take_name(r, &word) || !find_word(word, type_words, BL_COUNT(type_words), &type))
        return bl_rules_text_fail(r->model, place, "type must be hard, soft or undetermined");
    if (type == BL_HARD && category->action != BL_ACTION_SUPPRESS)
        return bl_rules_text_fail(r->model, place,
                                  "hard needs a category that may suppress, '%.*s' may not",
                                  (int)category->name.n, category->name.p);
    if (type == BL_HARD && temporary)
        return bl_rules_text_fail(r->model, place, "a temporary reply is never hard");
    if (type != BL_HARD && rule->action == BL_ACTION_SUPPRESS)
        rule->action = BL_ACTION_NONE;
    rule->type = type;
    skip_blanks(r);
    return BL_OK;
}

static const bl_slice disable_word = BL_SLICE_INIT("disable ");

/* What a section sets for the rules below it. */
struct section {
    bool open, specific, own_words; /* own_words: of one provider, whatever the relay host */
    bool veto, veto_codes;
    uint16_t provider;
};

static uint8_t tier_of(const struct rt_rule *rule, const struct section *section)
{
    if (section->veto || section->veto_codes)
        return section->veto ? BL_TIER_VETO : BL_TIER_VETO_CODES;
    if (section->provider || section->own_words)
        return rule->n_phrases ? BL_TIER_PROVIDER_TEXT : BL_TIER_PROVIDER_CODE;
    if (section->specific)
        return rule->n_phrases ? BL_TIER_SPECIFIC_TEXT : BL_TIER_SPECIFIC_CODE;
    return rule->n_phrases ? BL_TIER_GENERIC_TEXT : BL_TIER_GENERIC_CODE;
}

/* The file's name without ".rules", a slash, and the rule's own name. */
static bl_slice full_id(struct rt_model *model, uint32_t file, bl_slice name)
{
    bl_slice stem = bl_rules_text_file_name(model->files[file].name);
    char id[2 * NAME_MAX_BYTES + 2];
    int n;

    stem.n = stem.n > 6 ? stem.n - 6 : 0;
    n = snprintf(id, sizeof id, "%.*s/%.*s",
                 (int)(stem.n < NAME_MAX_BYTES ? stem.n : NAME_MAX_BYTES), stem.p, (int)name.n,
                 name.p);
    return keep(model, (bl_slice){id, (size_t)n});
}

static enum bl_code read_section(struct reader *r, struct section *section)
{
    bl_slice word = trim(r->rest);

    *section = (struct section){.open = true};
    if (bl_slice_eq(word, BL_SLICE("[specific]"))) {
        section->specific = true;
        return BL_OK;
    }
    if (bl_slice_eq(word, BL_SLICE("[generic]")))
        return BL_OK;
    section->veto = bl_slice_eq(word, BL_SLICE("[veto]"));
    section->veto_codes = bl_slice_eq(word, BL_SLICE("[veto codes]"));
    if (section->veto || section->veto_codes)
        return BL_OK;
    if (bl_slice_eq(word, BL_SLICE("[provider]"))) {
        section->own_words = true;
        return BL_OK;
    }
    if (bl_slice_take(&word, BL_SLICE("[provider ")) && bl_slice_ends(word, BL_SLICE("]"))) {
        word.n--;
        section->provider = find_provider(r->model, trim(word));
        if (section->provider)
            return BL_OK;
        return bl_rules_text_fail(r->model, place_of(r, word.p),
                                  "no provider '%.*s' in providers.tsv", (int)word.n, word.p);
    }
    return bl_rules_text_fail(r->model, here(r),
                              "a section is [provider NAME], [provider], [specific], [generic], "
                              "[veto] or [veto codes]");
}

/* `mailbox/over-quota:` in an operator's file: the shipped rule that this one replaces.  Leaves the
 * last part to be taken as the name; empty when no slash stands there. */
static bl_slice take_full_id(struct reader *r)
{
    struct reader look = *r;
    bl_slice stem, name;

    if (!is_own(r) || !take_name(&look, &stem) || !take_char(&look, '/'))
        return (bl_slice){0};
    r->rest = look.rest;
    return take_name(&look, &name) ? (bl_slice){stem.p, stem.n + 1 + name.n} : (bl_slice){0};
}

static enum bl_code name_once(const struct rt_model *model, const struct rt_rule *rule,
                              bl_slice name)
{
    for (size_t i = 0; i < model->rules.n; i++) {
        const struct rt_rule *other = rt_rule(model, i);

        if (other->is_code || other->gone || !bl_slice_eq(other->id, rule->id))
            continue;
        if (rule->own && !other->own)
            return bl_rules_text_fail(model, rule->place,
                                      "a shipped rule is called so; '%.*s:' in full replaces it",
                                      (int)rule->id.n, rule->id.p);
        return bl_rules_text_fail(model, rule->place, "the name '%.*s' is there twice", (int)name.n,
                                  name.p);
    }
    return BL_OK;
}

/* `disable mailbox/over-quota ; why`, in an operator's file. */
static enum bl_code read_disable(struct reader *r)
{
    struct rt_model *model = r->model;
    struct rt_place place;
    bl_slice id;

    r->rest = bl_slice_drop(r->rest, disable_word.n);
    skip_blanks(r);
    place = here(r);
    id = bl_slice_head(peek_word(r), bl_slice_find_byte(r->rest, ';'));
    if (!is_own(r))
        return bl_rules_text_fail(model, place, "only an operator's file switches rules off");
    if (id.n == 0)
        return bl_rules_text_fail(model, place, "expected the id of a shipped rule");
    r->rest = bl_slice_drop(r->rest, id.n);
    skip_blanks(r);
    if (r->rest.n && r->rest.p[0] != ';')
        return bl_rules_text_fail(model, here(r), "expected ';' or the end of the line");
    return drop_shipped(model, id) ? BL_OK : no_such_rule(model, place, id);
}

/* `name: conditions -> category type:soft ; source` */
static enum bl_code read_rule(struct reader *r, const struct section *section)
{
    struct rt_model *model = r->model;
    struct alternatives alt = {.n = 0};
    struct rt_rule rule = {
        .place = here(r), .own = is_own(r), .want = {.provider = section->provider}};
    bl_slice name, category, replaced;
    enum bl_code rc;

    if (!section->open)
        return bl_rules_text_fail(model, rule.place,
                                  "a rule stands below a section like [specific]");
    replaced = take_full_id(r);
    if (!take_name(r, &name) || !take_char(r, ':'))
        return bl_rules_text_fail(model, here(r), "expected a name (a-z, 0-9, -) and a colon");
    for (skip_blanks(r); !bl_slice_starts(r->rest, BL_SLICE("->")); skip_blanks(r)) {
        bool phrase = r->rest.n && r->rest.p[0] == '"';

        if (r->rest.n == 0)
            return bl_rules_text_fail(model, here(r), "expected '->' and a category");
        rc = phrase ? take_alternatives(r, &alt) : take_condition(r, &rule);
        if (rc != BL_OK)
            return rc;
    }
    r->rest = bl_slice_drop(r->rest, 2);
    skip_blanks(r);
    if (!take_name(r, &category))
        return bl_rules_text_fail(model, here(r), "expected a category");
    rc = use_category(r, category, &rule);
    if (rc != BL_OK)
        return rc;
    if ((section->veto || section->veto_codes) && rule.action == BL_ACTION_SUPPRESS)
        return bl_rules_text_fail(model, rule.place,
                                  "a veto needs a category that never suppresses");
    skip_blanks(r);
    rc = take_override(r, &rule);
    if (rc != BL_OK)
        return rc;
    if (!take_char(r, ';') || trim(r->rest).n == 0)
        return bl_rules_text_fail(model, here(r), "expected ';' and the source of the wording");
    if (alt.n == 0 && !rule.want.basic_mask && !rule.want.enhanced_mask && !rule.want.phases)
        return bl_rules_text_fail(model, rule.place, "a rule needs a phrase, a code or a phase");
    if (alt.n == 0 && section->own_words)
        return bl_rules_text_fail(model, rule.place, "a rule below [provider] needs a phrase");
    rule.source = keep(model, trim(r->rest));
    rule.id = replaced.n ? keep(model, replaced) : full_id(model, r->file, name);
    if (!rule.id.p || !rule.source.p)
        return no_memory(model);
    if (replaced.n && !drop_shipped(model, replaced))
        return no_such_rule(model, rule.place, replaced);
    rc = name_once(model, &rule, name);
    if (rc != BL_OK)
        return rc;
    if (model->rules.n >= BL_RULES_MAX - ALTERNATIVES_MAX)
        return bl_rules_text_fail(model, rule.place, "more than %d rules", BL_RULES_MAX);
    for (size_t i = 0; i < alt.n || i == 0; i++) {
        if (alt.n) {
            rule.n_phrases = alt.n_phrases[i];
            memcpy(rule.gap, alt.gap[i], sizeof rule.gap);
            rule.place.column = alt.columns[i];
            memcpy(rule.phrases, alt.phrases[i], sizeof rule.phrases);
        }
        rule.tier = tier_of(&rule, section);
        rc = bl_rules_text_expand(model, &rule);
        if (rc != BL_OK)
            return rc;
    }
    return BL_OK;
}

static enum bl_code read_sample(struct reader *r, size_t rule)
{
    struct rt_sample sample = {.place = here(r), .rule = (uint32_t)rule};

    if (rule == SIZE_MAX)
        return bl_rules_text_fail(r->model, sample.place, "a sample stands below its rule");
    sample.text = keep(r->model, trim(r->rest));
    if (sample.text.n == 0)
        return bl_rules_text_fail(r->model, sample.place, "an empty sample");
    return sample.text.p && bl_rules_text_push(&r->model->samples, &sample) ? BL_OK
                                                                            : no_memory(r->model);
}

static enum bl_code need_samples(const struct rt_model *model, size_t rule, size_t samples_before)
{
    if (rule == SIZE_MAX || model->samples.n > samples_before)
        return BL_OK;
    return bl_rules_text_fail(model, rt_rule(model, rule)->place,
                              "a rule needs a sample below it: '    = 550 5.1.1 the reply'");
}

/* Where a file of rules stands. */
struct rules_file {
    struct section section;
    size_t rule;           /* that samples belong to; SIZE_MAX: none */
    size_t samples_before; /* it */
    bool broken;           /* the rule could not be read: its samples are passed over */
};

static enum bl_code read_rules_line(struct reader *r, struct rules_file *file)
{
    enum bl_code rc, missing;

    if (take_char(r, '='))
        return file->broken ? BL_OK : read_sample(r, file->rule);
    missing = need_samples(r->model, file->rule, file->samples_before);
    file->samples_before = r->model->samples.n;
    file->rule = SIZE_MAX;
    file->broken = false;
    if (missing != BL_OK && !rt_goes_on(r->model, missing))
        return missing;
    if (r->rest.p[0] == '[') {
        rc = read_section(r, &file->section);
    } else if (bl_slice_starts(r->rest, disable_word)) {
        rc = read_disable(r);
    } else {
        size_t first = r->model->rules.n;

        rc = read_rule(r, &file->section);
        file->broken = rc != BL_OK;
        file->rule = rc == BL_OK ? first : SIZE_MAX;
    }
    return rc == BL_OK ? missing : rc;
}

static enum bl_code read_rules(struct reader *r, bl_slice text)
{
    struct rules_file file = {.rule = SIZE_MAX};
    enum bl_code rc = BL_OK, last;

    for (r->line = 1; text.n && rt_goes_on(r->model, rc); r->line++) {
        r->rest = take_line(&text);
        r->line_start = r->rest.p;
        skip_blanks(r);
        if (trim(r->rest).n == 0 || r->rest.p[0] == '#')
            continue;
        last = read_rules_line(r, &file);
        rc = last == BL_OK ? rc : last;
    }
    if (!rt_goes_on(r->model, rc))
        return rc;
    last = need_samples(r->model, file.rule, file.samples_before);
    return last == BL_OK ? rc : last;
}

enum pass {
    PASS_CATEGORIES,
    PASS_PRECEDENCE,
    PASS_WORDS,
    PASS_PROVIDERS,
    PASS_CODES,
    PASS_MARKS,
    PASS_RULES,
    PASSES
};

static bool pass_of(bl_slice path, enum pass *out)
{
    bl_slice name = bl_rules_text_file_name(path);

    if (bl_slice_eq(name, BL_SLICE("categories.tsv")))
        *out = PASS_CATEGORIES;
    else if (bl_slice_eq(name, BL_SLICE("precedence.tsv")))
        *out = PASS_PRECEDENCE;
    else if (bl_slice_eq(name, BL_SLICE("words.tsv")))
        *out = PASS_WORDS;
    else if (bl_slice_eq(name, BL_SLICE("providers.tsv")))
        *out = PASS_PROVIDERS;
    else if (bl_slice_eq(name, BL_SLICE("extract.tsv")))
        *out = PASS_MARKS;
    else if (bl_slice_eq(name, BL_SLICE("codes.tsv")))
        *out = PASS_CODES;
    else if (name.n > 6 && bl_slice_ends(name, BL_SLICE(".rules")))
        *out = PASS_RULES;
    else
        return false;
    return true;
}

static enum bl_code read_file(struct reader *r, enum pass pass, bl_slice text)
{
    switch (pass) {
    case PASS_CATEGORIES:
        return read_table(r, text, read_category);
    case PASS_PRECEDENCE:
        return read_table(r, text, read_evidence);
    case PASS_WORDS:
        return read_table(r, text, read_words);
    case PASS_PROVIDERS:
        return read_table(r, text, read_provider);
    case PASS_CODES:
        return read_table(r, text, read_code);
    case PASS_MARKS:
        return read_table(r, text, read_mark);
    case PASS_RULES:
        return read_rules(r, text);
    case PASSES:
        break;
    }
    return BL_OK;
}

/* Takes rules that are gone, and their samples, out of the lists. */
static enum bl_code drop_gone(struct rt_model *model)
{
    uint32_t *to = bl_calloc(model->rules.n + 1, sizeof *to);
    size_t rules = 0, samples = 0;

    if (!to)
        return no_memory(model);
    for (size_t i = 0; i < model->rules.n; i++) {
        to[i] = rt_rule(model, i)->gone ? UINT32_MAX : (uint32_t)rules;
        if (!rt_rule(model, i)->gone)
            *rt_rule(model, rules++) = *rt_rule(model, i);
    }
    for (size_t i = 0; i < model->samples.n; i++) {
        struct rt_sample sample = *rt_sample(model, i);

        sample.rule = to[sample.rule];
        if (sample.rule != UINT32_MAX)
            *rt_sample(model, samples++) = sample;
    }
    model->rules.n = rules;
    model->samples.n = samples;
    bl_free(to);
    return BL_OK;
}

static enum bl_code check_files(const struct rt_model *model)
{
    size_t bytes = 0;
    enum pass of;

    for (size_t i = 0; i < model->n_files; i++) {
        bytes += model->files[i].text.n;
        if (!pass_of(model->files[i].name, &of))
            return bl_rules_text_fail(
                model, (struct rt_place){(uint32_t)i, 1, 1},
                "expected categories.tsv, codes.tsv, providers.tsv, words.tsv, extract.tsv "
                "or NAME.rules");
    }
    if (bytes > BL_RULES_TEXT_MAX)
        return bl_fail(model->report->err, BL_LIMIT, 0, "rule files hold more than %d bytes",
                       BL_RULES_TEXT_MAX);
    return BL_OK;
}

enum bl_code bl_rules_text_read(struct rt_model *model, const struct bl_rules_file *files, size_t n,
                                size_t n_shipped, struct rt_report *report)
{
    bl_slice other = BL_SLICE("other");
    enum bl_code rc;
    enum pass of;

    *model =
        (struct rt_model){.files = files, .n_files = n, .n_shipped = n_shipped, .report = report};
    bl_arena_init(&model->arena, ARENA_BYTES);
    model->categories.item_bytes = sizeof(struct bl_category);
    model->rules.item_bytes = sizeof(struct rt_rule);
    model->samples.item_bytes = sizeof(struct rt_sample);
    model->providers.item_bytes = sizeof(bl_slice);
    model->uses.item_bytes = sizeof(struct rt_use);
    model->words.item_bytes = sizeof(struct rt_words);
    model->suffixes.item_bytes = sizeof(struct bl_provider_suffix);
    model->marks.item_bytes = sizeof(struct bl_mark);
    model->codes.item_bytes = sizeof(struct rt_code);
    if (!bl_rules_text_push(&model->providers, &other))
        return no_memory(model);
    rc = check_files(model);
    for (int pass = 0; pass < PASSES && rt_goes_on(model, rc); pass++)
        for (size_t i = 0; i < n && rt_goes_on(model, rc); i++) {
            struct reader r = {.model = model, .file = (uint32_t)i};
            enum bl_code read = BL_OK;

            if (pass_of(files[i].name, &of) && (int)of == pass)
                read = read_file(&r, of, files[i].text);
            rc = read == BL_OK ? rc : read;
        }
    if (rc == BL_OK)
        rc = finish_order(model);
    return rc == BL_OK ? drop_gone(model) : rc;
}

void bl_rules_text_release(struct rt_model *model)
{
    bl_free(model->categories.items);
    bl_free(model->rules.items);
    bl_free(model->samples.items);
    bl_free(model->providers.items);
    bl_free(model->suffixes.items);
    bl_free(model->marks.items);
    bl_free(model->codes.items);
    bl_free(model->words.items);
    bl_free(model->uses.items);
    bl_arena_release(&model->arena);
    *model = (struct rt_model){0};
}
