/* ctest: label=quick timeout=60
 *
 * What is wrong with a rule file is said at its line and column, and nothing is compiled.  The first case of
 * each table is the control: the same files, right, compile. */
#include "bounceline/alloc.h"
#include "bounceline/rules.h"
#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CATEGORIES                                                                                 \
    "category\tscope\ttype\tses_subtype\taction\n"                                                 \
    "gone\trecipient\thard\tGeneral\tsuppress\n"                                                   \
    "full\trecipient\tsoft\tGeneral\tsoft\n"                                                       \
    "spam\tmessage\tsoft\tGeneral\tnone\n"                                                         \
    "unclassified\tlocal\tundetermined\tGeneral\tnone\n"
#define CODES                                                                                      \
    "basic\tenhanced\tstrength\tcategory\tsource\n"                                                \
    "\tx.1.1\tspecific\tgone\tRFC\n"                                                               \
    "550\t\tgeneric\tspam\tRFC\n"
#define WORDS "name\twords\nwhat\tuser|box\n"
#define PROVIDERS "suffix\tprovider\nexample.com\tExample\n"

struct file_case {
    const char *name, *categories, *codes, *providers, *words, *rules, *error; /* NULL: the right one above */
};

static enum bl_code compile(const struct file_case *c, struct bl_rules **out, bl_err *err)
{
    struct bl_rules_file files[] = {
        {BL_SLICE_INIT("some/where/my.rules"), guarded(c->rules ? c->rules : "")},
        {BL_SLICE_INIT("codes.tsv"), guarded(c->codes ? c->codes : CODES)},
        {BL_SLICE_INIT("categories.tsv"), guarded(c->categories ? c->categories : CATEGORIES)},
        {BL_SLICE_INIT("words.tsv"), guarded(c->words ? c->words : WORDS)},
        {BL_SLICE_INIT("providers.tsv"), guarded(c->providers ? c->providers : PROVIDERS)},
    };

    return bl_rules_compile(files, BL_COUNT(files), out, err);
}

#define RULES(text) .rules = "[specific]\n" text
#define GOOD "a: \"no such user\" -> gone ; s\n = 550 no such user\n"

static const struct file_case cases[] = {
    {"all is well", RULES(GOOD), .error = NULL},
    {"carriage returns are blanks", .rules = "[specific]\r\na: \"abc\" -> gone ; s\r\n = abc\r\n"},
    {"no file at all but the tables", .error = NULL},

    {"a rule outside of sections", .rules = GOOD, .error = "some/where/my.rules:1:1: a rule stands"},
    {"an unknown section", .rules = "[special]\n", .error = "my.rules:1:1: a section is"},
    {"a section of nobody", .rules = "[provider Nobody]\n", .error = "my.rules:1:11: no provider"},
    {"no name", RULES("\"abc\" -> gone ; s\n"), .error = "my.rules:2:1: expected a name"},
    {"no arrow", RULES("a: \"abc\"\n"), .error = "my.rules:2:9: expected '->'"},
    {"no category", RULES("a: \"abc\" -> ; s\n"), .error = "my.rules:2:13: expected a category"},
    {"an unknown category", RULES("a: \"abc\" -> gine ; s\n"),
     .error = "my.rules:2:13: unknown category 'gine'"},
    {"no source", RULES("a: \"abc\" -> gone\n = abc\n"), .error = "my.rules:2:17: expected ';'"},
    {"an empty source", RULES("a: \"abc\" -> gone ;  \n = abc\n"), .error = "my.rules:2:19: expected ';'"},
    {"no sample", RULES("a: \"abc\" -> gone ; s\n"), .error = "my.rules:2:4: a rule needs a sample"},
    {"no sample before the next rule", RULES("a: \"abc\" -> gone ; s\n" GOOD),
     .error = "my.rules:2:4: a rule needs a sample"},
    {"a sample of nothing", RULES(" = abc\n"), .error = "my.rules:2:3: a sample stands below"},
    {"an empty sample", RULES("a: \"abc\" -> gone ; s\n =  \n"), .error = "my.rules:3:3: an empty sample"},
    {"an open phrase", RULES("a: \"abc -> gone ; s\n"), .error = "my.rules:2:4: this phrase has no"},
    {"a short phrase", RULES("a: \"a b\" -> gone ; s\n"), .error = "my.rules:2:4: a phrase needs"},
    {"an odd word", RULES("a: 5.1 -> gone ; s\n"), .error = "my.rules:2:4: expected \"a phrase\""},
    {"two basic codes", RULES("a: 550 551 \"abc\" -> gone ; s\n"), .error = "my.rules:2:8: a rule names"},
    {"two enhanced codes", RULES("a: 5.1.1 5.1.2 -> gone ; s\n"), .error = "my.rules:2:10: a rule names"},
    {"an unknown phase", RULES("a: phase:rcpt,eot \"abc\" -> gone ; s\n"),
     .error = "my.rules:2:15: a phase is"},
    {"phrases side by side", RULES("a: \"abc\" \"def\" -> gone ; s\n"),
     .error = "my.rules:2:10: expected '..', '~' or '|'"},
    {"words to choose from", RULES("a: \"{no|any} such {what}\" ~ \"{here|}there\" -> gone ; s\n"
                                   " = no such user here there\n = any such box, there\n")},
    {"an alternative of which one variant can win",
     .rules = "[specific]\n" GOOD "[generic]\nb: \"no such {user|thing}\" -> full ; s\n = no such thing\n"},
    {"an alternative of which none can",
     .rules = "[specific]\n" GOOD "[generic]\nb: \"no such user {here|there}\" -> full ; s\n = no such thing\n",
     .error = "my.rules:5:4: can never win"},
    {"an open brace", RULES("a: \"no {such\" -> gone ; s\n = no such\n"), .error = "my.rules:2:4: '{' without"},
    {"a list of nobody", RULES("a: \"no {such}\" -> gone ; s\n = no such\n"),
     .error = "my.rules:2:4: no list 'such' in words.tsv"},
    {"a short variant", RULES("a: \"a {b|bcd}\" -> gone ; s\n = a bcd\n"), .error = "my.rules:2:4: a phrase needs"},
    {"too many variants",
     RULES("a: \"{a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p}{a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p}{a|b|c|d|e|f|g|h|i}xyz\""
           " -> gone ; s\n = aaaxyz\n"),
     .error = "my.rules:2:4: more than 2048 variants"},
    {"a list twice", .words = "name\twords\nwhat\tuser|box\nwhat\tnone\n", .error = "words.tsv:3:1: the list 'what'"},
    {"a list of nothing", .words = "name\twords\nwhat\t\n", .error = "words.tsv:2:"},
    {"a name twice", RULES(GOOD "a: \"other words\" -> full ; s\n = other words\n"),
     .error = "my.rules:4:1: the name 'a' is there twice"},
    {"the same rule twice", RULES(GOOD "b: \"No  such  user\" -> gone ; s\n = no such user\n"),
     .error = "my.rules:4:4: duplicate of 'my/a' (my.rules:2)"},
    {"the opposite", RULES(GOOD "b: \"no such user\" -> spam ; s\n = no such user\n"),
     .error = "my.rules:2:4: contradicts 'my/b' (my.rules:4)"},
    {"a rule in the shade of another",
     .rules = "[specific]\n" GOOD "[generic]\nb: \"no such user here\" -> full ; s\n = no such user here\n",
     .error = "my.rules:5:4: can never win, decided first by 'my/a' (my.rules:2)"},
    {"an alternative in the shade",
     .rules = "[specific]\n" GOOD
              "[generic]\nb: \"some words\" | \"no such user here\" -> full ; s\n = some words\n",
     .error = "my.rules:5:19: can never win"},
    {"generic words in the shade of a specific code",
     .rules = "[generic]\nb: 5.1.1 \"abc\" -> full ; s\n = 5.1.1 abc\n",
     .error = "my.rules:2:10: can never win, decided first by 'codes/x.1.1' (codes.tsv:2)"},
    {"a sample of another category", RULES(GOOD "b: \"bad user\" -> spam ; s\n = 550 5.1.1 what user\n"),
     .error = "my.rules:5:3: this sample is decided by 'codes/x.1.1' as gone"},
    {"a sample that nothing takes", RULES("b: \"bad user\" -> spam ; s\n = some text\n"),
     .error = "my.rules:3:3: no rule takes this sample"},
    {"hard without suppress", RULES("a: \"abc\" -> full type:hard ; s\n"),
     .error = "my.rules:2:18: hard needs a category that may suppress"},
    {"hard on a temporary code", RULES("a: 4xx \"abc\" -> gone type:hard ; s\n"),
     .error = "my.rules:2:22: a temporary reply is never hard"},
    {"hard on a temporary enhanced code", RULES("a: 4.1.1 \"abc\" -> gone type:hard ; s\n"),
     .error = "my.rules:2:24: a temporary reply is never hard"},
    {"no such type", RULES("a: \"abc\" -> gone type:firm ; s\n"), .error = "my.rules:2:18: type must be"},
    {"own words without words", .rules = "[provider]\na: 5.1.9 -> gone ; s\n = 5.1.9 x\n",
     .error = "my.rules:2:1: a rule below [provider] needs a phrase"},

    {"a code of nothing", .codes = "basic\tenhanced\tstrength\tcategory\tsource\n\t\tspecific\tgone\tRFC\n",
     .error = "codes.tsv:2:1: a row needs"},
    {"a code that is none", .codes = CODES "55\t\tgeneric\tspam\tRFC\n", .error = "codes.tsv:4:1: expected"},
    {"an enhanced code that is none", .codes = CODES "\t5.1\tgeneric\tspam\tRFC\n",
     .error = "codes.tsv:4:2: expected a code"},
    {"a code without source", .codes = CODES "\t5.1.2\tgeneric\tspam\t\n", .error = "codes.tsv:4:21: a code"},
    {"a strength that is none", .codes = CODES "\t5.1.2\tweak\tspam\tRFC\n", .error = "codes.tsv:4:8: strength"},
    {"a code of an unknown category", .codes = CODES "\t5.1.2\tgeneric\tspum\tRFC\n",
     .error = "codes.tsv:4:16: unknown category"},
    {"a code twice", .codes = CODES "550\t\tgeneric\tspam\tRFC\n",
     .error = "codes.tsv:4:1: duplicate of line 3"},
    {"a code twice, otherwise", .codes = CODES "550\t\tgeneric\tgone\tRFC\n",
     .error = "codes.tsv:4:1: contradiction of line 3"},
    {"a code that others cover",
     .codes = CODES "\t4.7.1\tgeneric\tspam\tRFC\n\t5.7.1\tgeneric\tspam\tRFC\n\tx.7.1\tgeneric\tgone\tRFC\n",
     .error = "codes.tsv:6:1: can never win"},
    {"a pair in the shade of its enhanced code", .codes = CODES "550\t5.1.1\tgeneric\tspam\tRFC\n",
     .error = "codes.tsv:4:1: can never win, decided first by 'codes/x.1.1' (codes.tsv:2)"},
    {"a range backwards", .codes = CODES "\t5.7.9-3\tgeneric\tspam\tRFC\n", .error = "codes.tsv:4:2: expected"},

    {"a category twice", .categories = CATEGORIES "full\trecipient\tsoft\tG\tsoft\n",
     .error = "categories.tsv:6:1: category 'full' is there twice"},
    {"hard and of the sender", .categories = CATEGORIES "x\tsender\thard\tG\tsuppress\n",
     .error = "categories.tsv:6:10: a failure of scope sender"},
    {"hard and of the message", .categories = CATEGORIES "x\tmessage\thard\tG\tsuppress\n",
     .error = "categories.tsv:6:11: a failure of scope message"},
    {"hard without consequence", .categories = CATEGORIES "x\trecipient\thard\tG\tnone\n",
     .error = "categories.tsv:6:20: a hard category needs"},
    {"soft and suppressing", .categories = CATEGORIES "x\trecipient\tsoft\tG\tsuppress\n",
     .error = "categories.tsv:6:20: only a hard category"},
    {"no scope", .categories = CATEGORIES "x\tnobody\tsoft\tG\tnone\n", .error = "categories.tsv:6:3: scope"},
    {"nothing to fall back on", .categories = "category\tscope\ttype\taction\n", .codes = "basic\n",
     .error = "no category 'unclassified'"},
    {"a provider's dot", .providers = PROVIDERS ".example.net\tExample\n", .error = "providers.tsv:3:1: expected"},
    {"a suffix twice", .providers = PROVIDERS "Example.COM\tOther\n", .error = "providers.tsv:3:1: 'Example.COM'"},
};

static void errors_are_said_at_line_and_column(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_rules *rules = NULL;
        bl_err err = {0};
        enum bl_code rc = compile(&cases[i], &rules, &err);

        print_message("%s\n", cases[i].name);
        if (!cases[i].error) {
            if (rc != BL_OK)
                fail_msg("%s", err.text);
            bl_rules_free(rules);
            continue;
        }
        assert_int_equal(rc, BL_BAD_INPUT);
        assert_null(rules);
        if (!strstr(err.text, cases[i].error))
            fail_msg("want '%s', got '%s'", cases[i].error, err.text);
    }
}

static void a_file_of_another_kind_is_refused(void **state)
{
    struct bl_rules_file files[] = {{BL_SLICE_INIT("notes.txt"), BL_SLICE_INIT("hello")}};
    struct bl_rules *rules = NULL;
    bl_err err;

    (void)state;
    assert_int_equal(bl_rules_compile(files, 1, &rules, &err), BL_BAD_INPUT);
    assert_non_null(strstr(err.text, "notes.txt:1:1: expected categories.tsv"));
    assert_int_equal(bl_rules_compile(files, 0, &rules, &err), BL_BAD_INPUT);
}

static bool refuse_the_nth(void *arg, size_t bytes)
{
    (void)bytes;
    return --*(long *)arg != 0;
}

static void any_failed_allocation_is_an_error_and_leaks_nothing(void **state)
{
    static const struct file_case good = {.name = "good", RULES(GOOD)};
    struct bl_rules *rules = NULL;
    enum bl_code rc = BL_NO_MEMORY;
    long nth = 0;
    bl_err err;

    (void)state;
    for (nth = 1; rc != BL_OK && nth < 1000; nth++) {
        long left = nth;

        bl_alloc_set_hook(refuse_the_nth, &left);
        rc = compile(&good, &rules, &err);
        bl_alloc_set_hook(NULL, NULL);
        assert_true(rc == BL_OK || rc == BL_NO_MEMORY);
    }
    print_message("%ld allocations\n", nth - 2);
    assert_int_equal(rc, BL_OK);
    assert_true(nth > 10);
    bl_rules_free(rules);
    bl_rules_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_said_at_line_and_column),
        cmocka_unit_test(a_file_of_another_kind_is_refused),
        cmocka_unit_test(any_failed_allocation_is_an_error_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
