/* ctest: label=quick timeout=60
 *
 * Every row of the documents' codes (BL_SHARED/data/codes.tsv), as a reply of nothing but the code
 * at RCPT TO: ours is the row's category, or the code is contested.  Contested is what
 * codes-disputed.tsv lists, what another row of the same code claims, and what the row itself
 * leaves to the text; the rest stands below with its reason.  Rows of seed 004 name one of nine
 * categories, which categories.tsv gives for ours.  And every category yields the other
 * vocabularies consistently.
 *
 * Negative control: a row claimed by nobody else is refused when its category is swapped. */
#include "bounceline/reply.h"
#include "bounceline/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROWS_MAX = 2048, COLUMNS = 12 };
enum { BASIC, ENHANCED, MEANING, CATEGORY, SOURCE, NOTE };

struct table {
    char *text;
    bl_slice field[ROWS_MAX][COLUMNS];
    size_t n;
};

static struct table codes, disputed, categories;

static const struct {
    const char *basic, *enhanced, *why;
} left[] = {
    {"550", "5.0.0", "x.0.0 beside a basic code says nothing"},
    {"554", "5.0.0", "x.0.0 beside a basic code says nothing"},
    {"522", "", "522 5.2.2 of the same seed is a full mailbox"},
    {"510", "", "RFC 5248 and the field: bad address"},
    {"554", "NA", "no code at all"},
    {"", "4.1.10", "Exchange Online's reading, as for 5.1.10"},
    {"", "4.7.500-4.7.699", "the one text seen is Server busy"},
    {"421", "4.7.32", "the From domain is not aligned: DMARC"},
    {"454", "4.7.0", "one code, two causes"},
};

static bool is(bl_slice s, const char *text)
{
    return bl_slice_eq(s, (bl_slice){text, strlen(text)});
}

static bool has(bl_slice s, const char *text)
{
    return bl_slice_find(s, (bl_slice){text, strlen(text)}) != SIZE_MAX;
}

static bool load(struct table *t, const char *folder, const char *name)
{
    char path[1024];
    FILE *file;
    bl_slice rest;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    t->text = calloc(1, 1 << 20);
    if (!file || !t->text)
        return false;
    rest = (bl_slice){t->text, fread(t->text, 1, 1 << 20, file)};
    fclose(file);
    while (rest.n && t->n < ROWS_MAX) {
        bl_slice line = bl_slice_head(rest, bl_slice_find_byte(rest, '\n'));

        rest = bl_slice_drop(rest, line.n < rest.n ? line.n + 1 : line.n);
        for (int i = 0; i < COLUMNS; i++) {
            t->field[t->n][i] = bl_slice_head(line, bl_slice_find_byte(line, '\t'));
            line = bl_slice_drop(line,
                                 t->field[t->n][i].n < line.n ? t->field[t->n][i].n + 1 : line.n);
        }
        t->n++;
    }
    return t->n > 1;
}

static bl_slice category_of(bl_slice basic, bl_slice enhanced)
{
    const struct bl_rules *rules = bl_rules_builtin();
    bl_reply reply = {0};
    char text[64];

    snprintf(text, sizeof text, "%.*s%s%.*s", (int)basic.n, basic.p, basic.n ? " " : "",
             (int)enhanced.n, enhanced.p);
    bl_reply_read((bl_slice){text, strlen(text)}, &reply);
    reply.phase = BL_PHASE_RCPT;
    return bl_rules_category(rules, bl_classify(rules, &reply).category)->name;
}

static bl_slice column(const char *category_column, bl_slice category)
{
    int at = 0;

    while (at < COLUMNS && !is(categories.field[0][at], category_column))
        at++;
    for (size_t i = 1; at < COLUMNS && i < categories.n; i++)
        if (bl_slice_eq(categories.field[i][0], category))
            return categories.field[i][at];
    return (bl_slice){0};
}

static bool is_contested(const bl_slice *row, bl_slice ours)
{
    for (size_t i = 1; i < disputed.n; i++)
        if (bl_slice_eq(disputed.field[i][2], row[ENHANCED]) &&
            (bl_slice_eq(disputed.field[i][1], row[BASIC]) || disputed.field[i][1].n == 0))
            return true;
    for (size_t i = 1; i < codes.n; i++)
        if (bl_slice_eq(codes.field[i][CATEGORY], ours) &&
            bl_slice_eq(codes.field[i][ENHANCED], row[ENHANCED]) &&
            (row[ENHANCED].n || bl_slice_eq(codes.field[i][BASIC], row[BASIC])))
            return true;
    for (size_t i = 0; i < BL_COUNT(left); i++)
        if (is(row[BASIC], left[i].basic) && is(row[ENHANCED], left[i].enhanced))
            return true;
    return has(row[NOTE], "text") || has(row[SOURCE], "observed");
}

static bool agrees(const bl_slice *row)
{
    bl_slice ours = category_of(row[BASIC], row[ENHANCED]);
    bl_slice seed = BL_SLICE("seed category: "), meaning = row[MEANING];

    if (bl_slice_eq(ours, row[CATEGORY]))
        return true;
    if (bl_slice_take(&meaning, seed) && bl_slice_eq(column("seed004_category", ours), meaning))
        return true;
    return is_contested(row, ours);
}

static void every_documented_code_gets_its_category(void **state)
{
    size_t exact = 0;

    (void)state;
    for (size_t i = 1; i < codes.n; i++) {
        const bl_slice *row = codes.field[i];
        bl_slice ours = category_of(row[BASIC], row[ENHANCED]);

        exact += bl_slice_eq(ours, row[CATEGORY]);
        if (!agrees(row))
            fail_msg("%.*s %.*s is %.*s, not %.*s (%.*s)", (int)row[BASIC].n, row[BASIC].p,
                     (int)row[ENHANCED].n, row[ENHANCED].p, (int)ours.n, ours.p,
                     (int)row[CATEGORY].n, row[CATEGORY].p, (int)row[SOURCE].n, row[SOURCE].p);
    }
    print_message("%zu rows, %zu to the letter\n", codes.n - 1, exact);
    assert_true(exact * 100 >= (codes.n - 1) * 70);
}

static void a_wrong_category_is_noticed(void **state)
{
    bl_slice row[COLUMNS] = {
        [ENHANCED] = BL_SLICE_INIT("5.7.509"), [CATEGORY] = BL_SLICE_INIT("mailbox-full")};

    (void)state;
    row[BASIC] = BL_SLICE("577");
    assert_true(bl_slice_eq(category_of(row[BASIC], row[ENHANCED]), BL_SLICE("dmarc-failed")));
    row[ENHANCED] = BL_SLICE("5.4.312");
    assert_false(bl_slice_eq(category_of(row[BASIC], row[ENHANCED]), row[CATEGORY]));
    row[ENHANCED] = BL_SLICE("5.7.999");
    assert_false(agrees(row));
}

/* Amazon SES: Permanent is hard, Transient soft.  Dropped is what was not tried; all else
 * bounced. */
static void every_category_yields_the_other_vocabularies(void **state)
{
    static const char *const nine[] = {
        "Blocked",         "DMARC Errors",          "Invalid Address",
        "Mailbox Issues",  "Mailbox Full",          "Rate Limit Issues",
        "Recipient Error", "Rejection Error Codes", "Sender Reputation"};
    static const char *const subtypes[] = {
        "Undetermined", "General",         "NoEmail",         "Suppressed",
        "MailboxFull",  "MessageTooLarge", "ContentRejected", "AttachmentRejected"};
    size_t seen[BL_COUNT(nine)] = {0};

    (void)state;
    for (size_t i = 1; i < categories.n; i++) {
        bl_slice name = categories.field[i][0], seed = column("seed004_category", name);
        bl_slice type = column("type", name), ses = column("ses_type", name);
        bool known = false;

        for (size_t j = 0; j < BL_COUNT(nine); j++)
            seen[j] += is(seed, nine[j]);
        for (size_t j = 0; j < BL_COUNT(subtypes); j++)
            known = known || is(column("ses_subtype", name), subtypes[j]);
        assert_true(known);
        assert_true(is(ses, is(type, "hard")   ? "Permanent"
                            : is(type, "soft") ? "Transient"
                                               : "Undetermined"));
        assert_int_equal(is(column("ses_subtype", name), "Suppressed"),
                         is(name, "previously-bounced"));
        assert_true(column("meaning", name).n > 20 && column("remedy", name).n > 10);
    }
    for (size_t j = 0; j < BL_COUNT(nine); j++)
        assert_true(seen[j] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_documented_code_gets_its_category),
        cmocka_unit_test(a_wrong_category_is_noticed),
        cmocka_unit_test(every_category_yields_the_other_vocabularies),
    };
    const char *shared = getenv("BL_SHARED"), *source = getenv("BL_SOURCE");
    char folder[900], rules[900];
    int failed;

    snprintf(folder, sizeof folder, "%s/data", shared ? shared : "../shared");
    snprintf(rules, sizeof rules, "%s/core/rules", source ? source : ".");
    if (!load(&codes, folder, "codes.tsv") || !load(&disputed, folder, "codes-disputed.tsv") ||
        !load(&categories, rules, "categories.tsv")) {
        printf("skipped: no data/codes.tsv beside the project (BL_SHARED)\n");
        return 77;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(codes.text);
    free(disputed.text);
    free(categories.text);
    return failed;
}
