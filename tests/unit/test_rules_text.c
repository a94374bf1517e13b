/* ctest: label=quick timeout=60
 *
 * What is wrong with a rule file is said at its line and column, and nothing is compiled.  The
 * first case of each table is the control: the same files, right, compile. */
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
#define WORDS     "name\twords\nwhat\tuser|box\n"
#define PROVIDERS "suffix\tprovider\nexample.com\tExample\n"

struct file_case {
    /* NULL: the right one above */
    const char *name, *categories, *codes, *providers, *words, *order, *rules, *error;
};

static enum bl_code compile(const struct file_case *c, struct bl_rules **out, bl_err *err)
{
    struct bl_rules_file files[] = {
        {BL_SLICE_INIT("some/where/my.rules"), guarded(c->rules ? c->rules : "")},
        {BL_SLICE_INIT("codes.tsv"), guarded(c->codes ? c->codes : CODES)},
        {BL_SLICE_INIT("categories.tsv"), guarded(c->categories ? c->categories : CATEGORIES)},
        {BL_SLICE_INIT("precedence.tsv"), guarded(c->order ? c->order : "evidence\n")},
        {BL_SLICE_INIT("words.tsv"), guarded(c->words ? c->words : WORDS)},
        {BL_SLICE_INIT("providers.tsv"), guarded(c->providers ? c->providers : PROVIDERS)},
    };

    return bl_rules_compile(files, BL_COUNT(files), out, err);
}

#define RULES(text) .rules = "[specific]\n" text
#define GOOD        "a: \"no such user\" -> gone ; s\n = 550 no such user\n"

static const struct file_case cases[] = {
    {"all is well", RULES(GOOD), .error = NULL},
    {"carriage returns are blanks", .rules = "[specific]\r\na: \"abc\" -> gone ; s\r\n = abc\r\n"},
    {"no file at all but the tables", .error = NULL},

    {"a rule outside of sections", .rules = GOOD,
     .error = "some/where/my.rules:1:1: a rule stands"},
    {"an unknown section", .rules = "[special]\n", .error = "my.rules:1:1: a section is"},
    {"a section of nobody", .rules = "[provider Nobody]\n", .error = "my.rules:1:11: no provider"},
    {"no name", RULES("\"abc\" -> gone ; s\n"), .error = "my.rules:2:1: expected a name"},
    {"no arrow", RULES("a: \"abc\"\n"), .error = "my.rules:2:9: expected '->'"},
    {"no category", RULES("a: \"abc\" -> ; s\n"), .error = "my.rules:2:13: expected a category"},
    {"an unknown category", RULES("a: \"abc\" -> gine ; s\n"),
     .error = "my.rules:2:13: unknown category 'gine'"},
    {"no source", RULES("a: \"abc\" -> gone\n = abc\n"), .error = "my.rules:2:17: expected ';'"},
    {"an empty source", RULES("a: \"abc\" -> gone ;  \n = abc\n"),
     .error = "my.rules:2:19: expected ';'"},
    {"no sample", RULES("a: \"abc\" -> gone ; s\n"),
     .error = "my.rules:2:4: a rule needs a sample"},
    {"no sample before the next rule", RULES("a: \"abc\" -> gone ; s\n" GOOD),
     .error = "my.rules:2:4: a rule needs a sample"},
    {"a sample of nothing", RULES(" = abc\n"), .error = "my.rules:2:3: a sample stands below"},
    {"an empty sample", RULES("a: \"abc\" -> gone ; s\n =  \n"),
     .error = "my.rules:3:3: an empty sample"},
    {"an open phrase", RULES("a: \"abc -> gone ; s\n"),
     .error = "my.rules:2:4: this phrase has no"},
    {"a short phrase", RULES("a: \"a b\" -> gone ; s\n"), .error = "my.rules:2:4: a phrase needs"},
    {"an odd word", RULES("a: 5.1 -> gone ; s\n"), .error = "my.rules:2:4: expected \"a phrase\""},
    {"two basic codes", RULES("a: 550 551 \"abc\" -> gone ; s\n"),
     .error = "my.rules:2:8: a rule names"},
    {"two enhanced codes", RULES("a: 5.1.1 5.1.2 -> gone ; s\n"),
     .error = "my.rules:2:10: a rule names"},
    {"an unknown phase", RULES("a: phase:rcpt,eot \"abc\" -> gone ; s\n"),
     .error = "my.rules:2:15: a phase is"},
    {"phrases side by side", RULES("a: \"abc\" \"def\" -> gone ; s\n"),
     .error = "my.rules:2:10: expected '..', '~' or '|'"},
    {"words to choose from", RULES("a: \"{no|any} such {what}\" ~ \"{here|}there\" -> gone ; s\n"
                                   " = no such user here there\n = any such box, there\n")},
    {"an alternative of which one variant can win",
     .rules = "[specific]\n" GOOD
              "[generic]\nb: \"no such {user|thing}\" -> full ; s\n = no such thing\n"},
    {"an alternative of which none can",
     .rules = "[specific]\n" GOOD
              "[generic]\nb: \"no such user {here|there}\" -> full ; s\n = no such thing\n",
     .error = "my.rules:5:4: can never win"},
    {"an open brace", RULES("a: \"no {such\" -> gone ; s\n = no such\n"),
     .error = "my.rules:2:4: '{' without"},
    {"a list of nobody", RULES("a: \"no {such}\" -> gone ; s\n = no such\n"),
     .error = "my.rules:2:4: no list 'such' in words.tsv"},
    {"a short variant", RULES("a: \"a {b|bcd}\" -> gone ; s\n = a bcd\n"),
     .error = "my.rules:2:4: a phrase needs"},
    {"too many variants",
     RULES(
         "a: \"{a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p}{a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p}{a|b|c|d|e|f|g|h|i}xyz\""
         " -> gone ; s\n = aaaxyz\n"),
     .error = "my.rules:2:4: more than 2048 variants"},
    {"evidence twice", .order = "evidence\nspecific-code\nspecific-code\n",
     .error = "precedence.tsv:3:1: 'specific-code'"},
    {"evidence of an unknown kind", .order = "evidence\nhearsay\n",
     .error = "precedence.tsv:2:1: evidence is"},
    {"evidence without a place", .order = "evidence\nspecific-code\nspecific-words\n",
     .error = "precedence.tsv:3:1: all six kinds"},
    {"a list twice", .words = "name\twords\nwhat\tuser|box\nwhat\tnone\n",
     .error = "words.tsv:3:1: the list 'what'"},
    {"a list of nothing", .words = "name\twords\nwhat\t\n", .error = "words.tsv:2:"},
    {"a name twice", RULES(GOOD "a: \"other words\" -> full ; s\n = other words\n"),
     .error = "my.rules:4:1: the name 'a' is there twice"},
    {"the same rule twice", RULES(GOOD "b: \"No  such  user\" -> gone ; s\n = no such user\n"),
     .error = "my.rules:4:4: duplicate of 'my/a' (my.rules:2)"},
    {"the opposite", RULES(GOOD "b: \"no such user\" -> spam ; s\n = no such user\n"),
     .error = "my.rules:2:4: contradicts 'my/b' (my.rules:4)"},
    {"a rule in the shade of another",
     .rules = "[specific]\n" GOOD
              "[generic]\nb: \"no such user here\" -> full ; s\n = no such user here\n",
     .error = "my.rules:5:4: can never win, decided first by 'my/a' (my.rules:2)"},
    {"an alternative in the shade",
     .rules = "[specific]\n" GOOD
              "[generic]\nb: \"some words\" | \"no such user here\" -> full ; s\n = some words\n",
     .error = "my.rules:5:19: can never win"},
    {"generic words in the shade of a specific code",
     .rules = "[generic]\nb: 5.1.1 \"abc\" -> full ; s\n = 5.1.1 abc\n",
     .error = "my.rules:2:10: can never win, decided first by 'codes/x.1.1' (codes.tsv:2)"},
    {"a sample of another category",
     RULES(GOOD "b: \"bad user\" -> spam ; s\n = 550 5.1.1 what user\n"),
     .error = "my.rules:5:3: this sample is decided by 'codes/x.1.1' as gone"},
    {"a sample of another rule", RULES(GOOD "b: \"user\" -> gone ; s\n = no such user\n"),
     .error = "my.rules:4:4: no sample reaches this rule: 'my/a' decides"},
    {"a sample that nothing takes", RULES("b: \"bad user\" -> spam ; s\n = some text\n"),
     .error = "my.rules:3:3: no rule takes this sample"},
    {"hard without suppress", RULES("a: \"abc\" -> full type:hard ; s\n"),
     .error = "my.rules:2:18: hard needs a category that may suppress"},
    {"hard on a temporary code", RULES("a: 4xx \"abc\" -> gone type:hard ; s\n"),
     .error = "my.rules:2:22: a temporary reply is never hard"},
    {"hard on a temporary enhanced code", RULES("a: 4.1.1 \"abc\" -> gone type:hard ; s\n"),
     .error = "my.rules:2:24: a temporary reply is never hard"},
    {"no such type", RULES("a: \"abc\" -> gone type:firm ; s\n"),
     .error = "my.rules:2:18: type must be"},
    {"own words without words", .rules = "[provider]\na: 5.1.9 -> gone ; s\n = 5.1.9 x\n",
     .error = "my.rules:2:1: a rule below [provider] needs a phrase"},

    {"a code of nothing",
     .codes = "basic\tenhanced\tstrength\tcategory\tsource\n\t\tspecific\tgone\tRFC\n",
     .error = "codes.tsv:2:1: a row needs"},
    {"a code that is none", .codes = CODES "55\t\tgeneric\tspam\tRFC\n",
     .error = "codes.tsv:4:1: expected"},
    {"an enhanced code that is none", .codes = CODES "\t5.1\tgeneric\tspam\tRFC\n",
     .error = "codes.tsv:4:2: expected a code"},
    {"a code without source", .codes = CODES "\t5.1.2\tgeneric\tspam\t\n",
     .error = "codes.tsv:4:21: a code"},
    {"a strength that is none", .codes = CODES "\t5.1.2\tweak\tspam\tRFC\n",
     .error = "codes.tsv:4:8: strength"},
    {"a code of an unknown category", .codes = CODES "\t5.1.2\tgeneric\tspum\tRFC\n",
     .error = "codes.tsv:4:16: unknown category"},
    {"a code twice", .codes = CODES "550\t\tgeneric\tspam\tRFC\n",
     .error = "codes.tsv:4:1: duplicate of line 3"},
    {"a code twice, otherwise", .codes = CODES "550\t\tgeneric\tgone\tRFC\n",
     .error = "codes.tsv:4:1: contradiction of line 3"},
    {"a code that others cover",
     .codes = CODES
     "\t4.7.1\tgeneric\tspam\tRFC\n\t5.7.1\tgeneric\tspam\tRFC\n\tx.7.1\tgeneric\tgone\tRFC\n",
     .error = "codes.tsv:6:1: can never win"},
    {"a pair in the shade of its enhanced code", .codes = CODES "550\t5.1.1\tgeneric\tspam\tRFC\n",
     .error = "codes.tsv:4:1: can never win, decided first by 'codes/x.1.1' (codes.tsv:2)"},
    {"rows of one name, of two categories",
     .codes =
         "basic\tenhanced\tstrength\tcategory\tsource\trule\n\t5.1.1\tspecific\tgone\tRFC\tone\n"
         "\t5.7.1\tgeneric\tspam\tRFC\tone\n",
     .error = "codes.tsv:3:25: 'one' of line 2 has another category"},
    {"a row's name that is none",
     .codes =
         "basic\tenhanced\tstrength\tcategory\tsource\trule\n\t5.1.1\tspecific\tgone\tRFC\tx.1\n",
     .error = "codes.tsv:2:26: a name is"},
    {"a range backwards", .codes = CODES "\t5.7.9-3\tgeneric\tspam\tRFC\n",
     .error = "codes.tsv:4:2: expected"},

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
    {"no scope", .categories = CATEGORIES "x\tnobody\tsoft\tG\tnone\n",
     .error = "categories.tsv:6:3: scope"},
    {"nothing to fall back on", .categories = "category\tscope\ttype\taction\n", .codes = "basic\n",
     .error = "no category 'unclassified'"},
    {"a provider's dot", .providers = PROVIDERS ".example.net\tExample\n",
     .error = "providers.tsv:3:1: expected"},
    {"a suffix twice", .providers = PROVIDERS "Example.COM\tOther\n",
     .error = "providers.tsv:3:1: 'Example.COM'"},
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

/* An operator's files over the shipped ones: what is said, and what then decides a reply. */
struct own_case {
    const char *name, *shipped, *own, *error, *reply, *rule;
};

#define SHIPPED                                                                                    \
    "[specific]\na: \"no such user\" -> gone ; s\n = 550 no such user\n"                           \
    "b: \"looks bad\" -> spam ; s\n = 550 looks bad\n"

static const struct own_case own_cases[] = {
    {"nothing of his own", SHIPPED, "", NULL, "550 no such user", "shipped/a"},
    {"a rule is added", SHIPPED, "[specific]\nx: \"went away\" -> gone ; s\n = 550 went away\n",
     NULL, "550 went away", "own/x"},
    {"his come first among equals, however short", SHIPPED,
     "[specific]\nx: \"such\" -> spam ; s\n = 550 such and such\n", NULL, "550 no such user",
     "own/x"},
    {"and yield to a stronger section", SHIPPED,
     "[generic]\nx: \"user\" -> spam ; s\n = 550 user\n", NULL, "550 no such user", "shipped/a"},
    {"a rule is replaced", SHIPPED,
     "[specific]\nshipped/a: \"other words\" -> gone ; s\n = 550 other words\n", NULL,
     "other words", "shipped/a"},
    {"... and gone", SHIPPED,
     "[specific]\nshipped/a: \"other words\" -> gone ; s\n = 550 other words\n", NULL,
     "550 no such user", "codes/550"},
    {"a rule is switched off", SHIPPED, "disable shipped/a ; wrong here\n", NULL,
     "550 no such user", "codes/550"},
    {"a code is switched off", SHIPPED, "disable codes/550\n", NULL, "550 hm", "codes/none"},
    {"no shipped rule of that name", SHIPPED, "disable shipped/aa\n",
     .error = "own.rules:1:9: no shipped rule is called 'shipped/aa'; do you mean 'shipped/a'?"},
    {"nothing like it either", SHIPPED, "disable my/uncommon-words\n",
     .error = "own.rules:1:9: no shipped rule is called 'my/uncommon-words'"},
    {"replacing what is not there", SHIPPED,
     "[specific]\nshipped/c: \"abc\" -> gone ; s\n = 550 abc\n",
     .error = "own.rules:2:1: no shipped rule is called 'shipped/c'"},
    {"disable without a name", SHIPPED, "disable \n", .error = "own.rules:1:9: expected the id"},
    {"disable and more", SHIPPED, "disable shipped/a shipped/b\n",
     .error = "own.rules:1:19: expected ';'"},
    {"only an operator switches off", SHIPPED "disable shipped/a\n", "",
     .error = "shipped.rules:6:9: only an operator's file"},
    {"his rule can never win", SHIPPED,
     "[generic]\nx: \"no such user here\" -> full ; s\n = 550 no such user here\n",
     .error = "own.rules:2:4: can never win, decided first by 'shipped/a' (shipped.rules:2)"},
    {"his samples do not reach his rule", SHIPPED,
     "[generic]\nx: \"deceased\" -> gone ; s\n = 550 no such user, deceased\n",
     .error = "own.rules:2:4: no sample reaches this rule: 'shipped/a' decides"},
};

static enum bl_code compile_own(const struct own_case *c, bl_rules_problem_fn *problem, void *arg,
                                struct bl_rules **out, bl_err *err)
{
    struct bl_rules_file shipped[] = {
        {BL_SLICE_INIT("shipped.rules"), guarded(c->shipped)},
        {BL_SLICE_INIT("codes.tsv"), guarded(CODES)},
        {BL_SLICE_INIT("categories.tsv"), guarded(CATEGORIES)},
        {BL_SLICE_INIT("providers.tsv"), guarded(PROVIDERS)},
    };
    struct bl_rules_file own = {BL_SLICE_INIT("rules.d/own.rules"), guarded(c->own)};
    struct bl_rules_sources sources = {.shipped = shipped,
                                       .shipped_n = BL_COUNT(shipped),
                                       .own = &own,
                                       .own_n = 1,
                                       .problem = problem,
                                       .arg = arg};

    return bl_rules_compile_over(&sources, out, err);
}

static void an_operators_rules_add_replace_and_switch_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(own_cases); i++) {
        const struct own_case *c = &own_cases[i];
        struct bl_rules *rules = NULL;
        bl_err err = {0};
        enum bl_code rc = compile_own(c, NULL, NULL, &rules, &err);
        const struct bl_rule_info *info;

        print_message("%s\n", c->name);
        if (c->error) {
            assert_int_equal(rc, BL_BAD_INPUT);
            if (!strstr(err.text, c->error))
                fail_msg("want '%s', got '%s'", c->error, err.text);
            continue;
        }
        if (rc != BL_OK)
            fail_msg("%s", err.text);
        {
            bl_reply reply = {.phase = BL_PHASE_RCPT, .text = {c->reply, strlen(c->reply)}};

            reply.code = c->reply[0] == '5' ? 550 : 0;
            info = bl_rules_rule(rules, bl_classify(rules, &reply).rule);
        }
        if (!bl_slice_eq(info->id, (bl_slice){c->rule, strlen(c->rule)}))
            fail_msg("want '%s', got '%.*s'", c->rule, (int)info->id.n, info->id.p);
        if (info->own)
            assert_true(bl_slice_eq(info->file, BL_SLICE("rules.d/own.rules")));
        bl_rules_free(rules);
    }
}

/* Rows of one name: one rule to people, rows of their own to an operator. */
static const struct {
    const char *name, *own, *own_codes, *of_550, *of_421; /* category that decides each */
} row_cases[] = {
    {"two rows", "", "", "spam by codes/both", "spam by codes/both"},
    {"one is switched off", "disable codes/550-5.7.30\n", "", "unclassified by codes/none",
     "spam by codes/both"},
    {"all are", "disable codes/both\n", "", "unclassified by codes/none",
     "unclassified by codes/none"},
    {"one is replaced", "",
     "basic\tenhanced\tstrength\tcategory\tsource\n550\t5.7.30\tgeneric\tgone\tours\n",
     "gone by codes/550-5.7.30", "spam by codes/both"},
};

static void answer(const struct bl_rules *rules, uint16_t code, bl_status status, char *out,
                   size_t room)
{
    bl_reply reply = {.code = code, .enhanced = status, .phase = BL_PHASE_RCPT};
    bl_verdict v = bl_classify(rules, &reply);
    bl_slice category = bl_rules_category(rules, v.category)->name,
             id = bl_rules_rule(rules, v.rule)->id;

    snprintf(out, room, "%.*s by %.*s", (int)category.n, category.p, (int)id.n, id.p);
}

static void rows_of_one_name_are_one_rule(void **state)
{
    struct bl_rules_file shipped[] = {
        {BL_SLICE_INIT("codes.tsv"),
         BL_SLICE_INIT("basic\tenhanced\tstrength\tcategory\trule\tmeaning\tremedy\tsource\n"
                       "421\t4.7.30\tgeneric\tspam\tboth\tunsigned\t\tRFC\n"
                       "550\t5.7.30\tgeneric\tspam\tboth\tunsigned\tsign it\tRFC\n")},
        {BL_SLICE_INIT("categories.tsv"), BL_SLICE_INIT(CATEGORIES)},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(row_cases); i++) {
        struct bl_rules_file own[] = {
            {BL_SLICE_INIT("own.rules"), guarded(row_cases[i].own)},
            {BL_SLICE_INIT("codes.tsv"), guarded(row_cases[i].own_codes)}};
        struct bl_rules_sources sources = {
            .shipped = shipped, .shipped_n = 2, .own = own, .own_n = 2};
        bl_reply reply = {.code = 550, .enhanced = {5, 7, 30}};
        struct bl_rules *rules = NULL;
        const struct bl_codes *row;
        bl_err err = {0};
        char got[80];

        print_message("%s\n", row_cases[i].name);
        if (bl_rules_compile_over(&sources, &rules, &err) != BL_OK)
            fail_msg("%s", err.text);
        answer(rules, 550, (bl_status){5, 7, 30}, got, sizeof got);
        assert_string_equal(got, row_cases[i].of_550);
        answer(rules, 421, (bl_status){4, 7, 30}, got, sizeof got);
        assert_string_equal(got, row_cases[i].of_421);
        row = bl_rules_codes_of(rules, &reply);
        if (i == 0)
            assert_true(bl_slice_eq(row->codes, BL_SLICE("550 5.7.30")) &&
                        bl_slice_eq(row->meaning, BL_SLICE("unsigned")) &&
                        bl_slice_eq(row->remedy, BL_SLICE("sign it")));
        bl_rules_free(rules);
    }
}

static void note_problem(void *arg, const struct bl_rules_problem *problem)
{
    char *list = arg;
    size_t n = strlen(list);

    snprintf(list + n, 2000 - n, "%u:%u%s %s\n", problem->line, problem->column,
             problem->note ? " note" : "", problem->text);
}

static void whoever_listens_hears_of_every_problem(void **state)
{
    static const struct own_case broken = {
        .shipped = SHIPPED,
        .own = "[specific]\nx: \"ab\" -> gone ; s\n = its sample\ny: \"abc\" -> gine ; s\n\n[odd]\n"
               "z: \"xyz\" -> gone ; s\n = 550 xyz\n"};
    static const struct own_case shaded = {
        .shipped = SHIPPED,
        .own =
            "[specific]\nx: \"such user\" -> spam ; s\n = 550 such user\n"
            "y: \"no such user\" | \"one such user\" -> spam ; s\n = 550 no such user\n = unheard of\n"};
    char list[2000] = "";
    struct bl_rules *rules = NULL;
    bl_err err = {0};

    (void)state;
    assert_int_equal(compile_own(&broken, note_problem, list, &rules, &err), BL_BAD_INPUT);
    assert_string_equal(
        list, "2:4 a phrase needs at least three characters that are not blank\n"
              "4:13 unknown category 'gine'\n"
              "6:1 a section is [provider NAME], [provider], [specific], [generic], [veto] or "
              "[veto codes]\n");
    assert_non_null(strstr(err.text, "own.rules:2:4: a phrase needs")); /* the first */
    list[0] = 0;
    assert_int_equal(compile_own(&shaded, note_problem, list, &rules, &err), BL_BAD_INPUT);
    assert_string_equal(
        list, "2:4 note 'shipped/a' can no longer win, decided first by 'own/y' (own.rules:4)\n"
              "3:3 note this sample of 'shipped/a' is decided by 'own/y' now\n"
              "6:3 no rule takes this sample\n");
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

/* Names enough to fill the arena more than once, so that the copy of one fails, too.  Fails when
 * read_provider() compares a suffix without asking whether there is one. */
static void any_failed_allocation_is_an_error_and_leaks_nothing(void **state)
{
    static char providers[1000 * 128] = "suffix\tprovider\n";
    const struct file_case good = {.name = "good", .providers = providers, RULES(GOOD)};
    struct bl_rules *rules = NULL;
    enum bl_code rc = BL_NO_MEMORY;
    long nth = 0;
    bl_err err;

    (void)state;
    for (int i = 0; i < 1000; i++)
        sprintf(providers + strlen(providers), "%0100d.example\tBig\n", i);
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
        cmocka_unit_test(an_operators_rules_add_replace_and_switch_off),
        cmocka_unit_test(rows_of_one_name_are_one_rule),
        cmocka_unit_test(whoever_listens_hears_of_every_problem),
        cmocka_unit_test(a_file_of_another_kind_is_refused),
        cmocka_unit_test(any_failed_allocation_is_an_error_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
