/* ctest: label=quick timeout=60
 *
 * An explanation shows what bl_classify does: its verdict first, then what would decide without
 * that rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "bounceline/alloc.h"
#include "bounceline/explain.h"
#include "bounceline/reply.h"
#include "guarded.h"

static const char categories[] = "category\tscope\ttype\tses_subtype\taction\n"
                                 "gone\trecipient\thard\tGeneral\tsuppress\n"
                                 "full\trecipient\tsoft\tGeneral\tsoft\n"
                                 "spam\tmessage\tsoft\tGeneral\tnone\n"
                                 "unclassified\tlocal\tundetermined\tGeneral\tnone\n";
static const char codes[] = "basic\tenhanced\tstrength\tcategory\tsource\n"
                            "\tx.1.1\tspecific\tgone\tRFC\n\tx.2.1\tspecific\tgone\tRFC\n"
                            "550\t\tgeneric\tgone\tRFC\n";
static const char providers[] = "suffix\tprovider\nexample.com\tBig\n";
static const char words[] =
    "[provider Big]\nours: \"strange words\" -> full ; s\n = 550 strange words\n"
    "[specific]\nuser: \"no such user\" | \"such user\" -> gone ; s\n = 550 no such user\n"
    "spam: \"unwanted\" -> spam ; s\n = 550 unwanted\n"
    "long: \"very unwanted\" -> full ; s\n = 550 very unwanted\n"
    "maybe: \"perhaps\" -> gone type:undetermined ; s\n = 550 perhaps\n"
    "[veto]\nsender: \"sender\" -> spam ; s\n = 550 no such user, sender\n"
    "trouble: \"trouble\" -> full ; s\n = 550 no such user, trouble\n";
static const char own[] = "[specific]\nmine: \"unwanted\" -> gone ; s\n = 550 unwanted\n";

static struct bl_rules *compile(bool over)
{
    struct bl_rules_file files[] = {
        {BL_SLICE_INIT("categories.tsv"), {categories, sizeof categories - 1}},
        {BL_SLICE_INIT("codes.tsv"), {codes, sizeof codes - 1}},
        {BL_SLICE_INIT("providers.tsv"), {providers, sizeof providers - 1}},
        {BL_SLICE_INIT("w.rules"), {words, sizeof words - 1}}};
    struct bl_rules_file his = {BL_SLICE_INIT("own.rules"), {own, sizeof own - 1}};
    struct bl_rules_sources sources = {
        .shipped = files, .shipped_n = 4, .own = &his, .own_n = over};
    struct bl_rules *rules = NULL;
    bl_err err = {0};

    if (bl_rules_compile_over(&sources, &rules, &err) != BL_OK)
        fail_msg("%s", err.text);
    return rules;
}

/* clang-format off */
static const struct {
    const char *name, *text, *host;
    enum bl_phase phase;
    bool over;
    const char *want; /* the deciding id; vetoes behind it `!id`; beaten `<id:why`; why it was kept `=n` */
} cases[] = {
    {"nothing", "hm", "", BL_PHASE_RCPT, false, "codes/none"},
    {"words over codes", "550 5.1.1 no such user", "", BL_PHASE_RCPT, false,
     "w/user <codes/x.1.1:0 <codes/550:0"},
    {"alternatives are one rule", "no such user, such user", "", BL_PHASE_RCPT, false, "w/user"},
    {"a provider's words first", "strange words, no such user", "mx.example.com", BL_PHASE_RCPT,
     false, "w/ours <w/user:0"},
    {"only at the provider", "strange words, no such user", "mx.example.net", BL_PHASE_RCPT, false,
     "w/user"},
    {"more words", "very unwanted", "", BL_PHASE_RCPT, false, "w/long <w/spam:3"},
    {"blaming the address yields", "no such user is unwanted", "", BL_PHASE_RCPT, false,
     "w/spam <w/user:2"},
    {"an operator's first", "very unwanted", "", BL_PHASE_RCPT, true,
     "own/mine <w/long:1 <w/spam:1"},
    {"vetoes", "no such user, sender in trouble", "", BL_PHASE_RCPT, false,
     "w/trouble !w/sender <w/user:4"},
    {"vetoes are silent where nothing suppresses", "unwanted sender", "", BL_PHASE_RCPT, false,
     "w/spam"},
    {"kept: temporary", "450 4.1.1 no such user", "", BL_PHASE_RCPT, false,
     "w/user <codes/x.1.1:0 =2"},
    {"kept: the rule", "perhaps", "", BL_PHASE_RCPT, false, "w/maybe =1"},
    {"kept: a generic code", "550 hm", "", BL_PHASE_RCPT, false, "codes/550 =3"},
    {"kept: the step is unknown", "5.2.1 hm", "", BL_PHASE_UNKNOWN, false, "codes/x.2.1 =4"},
    {"an address code needs no step", "5.1.1 hm", "", BL_PHASE_UNKNOWN, false, "codes/x.1.1"},
    {"kept: too early", "no such user", "", BL_PHASE_MAIL, false, "w/user =5"},
};
/* clang-format on */

static void describe(const struct bl_rules *rules, const struct bl_explanation *e, char *out,
                     size_t room)
{
    size_t n = 0;
    bl_slice id = bl_rules_rule(rules, e->verdict.rule)->id;

    n += (size_t)snprintf(out, room, "%.*s", (int)id.n, id.p);
    for (size_t i = 1; i < e->vetoes_n; i++) {
        id = bl_rules_rule(rules, e->vetoes[i].verdict.rule)->id;
        n += (size_t)snprintf(out + n, room - n, " !%.*s", (int)id.n, id.p);
    }
    for (size_t i = 0; i < e->beaten_n; i++) {
        id = bl_rules_rule(rules, e->beaten[i].verdict.rule)->id;
        n += (size_t)snprintf(out + n, room - n, " <%.*s:%d", (int)id.n, id.p,
                              (int)e->beaten[i].why);
    }
    if (e->kept != BL_KEPT_NOT)
        snprintf(out + n, room - n, " =%d", (int)e->kept);
}

static void explanations_name_what_matched_and_why_it_yielded(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_rules *rules = compile(cases[i].over);
        bl_reply reply = {.phase = cases[i].phase,
                          .relay_host = {cases[i].host, strlen(cases[i].host)}};
        struct bl_explanation e;
        char got[500];

        bl_reply_read(guarded(cases[i].text), &reply);
        assert_int_equal(bl_explain(rules, &reply, &e), BL_OK);
        describe(rules, &e, got, sizeof got);
        print_message("%s\n", cases[i].name);
        assert_string_equal(got, cases[i].want);
        bl_rules_free(rules);
    }
}

/* With the shipped rules: each step is what bl_classify says when the steps before are gone, so the
 * first is its own answer, and ranks only grow. */
static void the_shipped_rules_explain_themselves(void **state)
{
    static const char *const texts[] = {
        "550 5.1.1 <a@b.example>: Recipient address rejected: User unknown in virtual mailbox table",
        "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints",
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        "452 4.2.2 The email account is over quota",
        "550 sender user unknown, ldap lookup failure, spam"};
    const struct bl_rules *rules = bl_rules_builtin();

    (void)state;
    for (size_t i = 0; i < BL_COUNT(texts); i++) {
        bl_reply reply = {.phase = BL_PHASE_RCPT};
        struct bl_explanation e;
        bl_verdict v;
        uint32_t last = 0;

        bl_reply_read(guarded(texts[i]), &reply);
        v = bl_classify(rules, &reply);
        assert_int_equal(bl_explain(rules, &reply, &e), BL_OK);
        assert_memory_equal(&e.verdict, &v, sizeof v);
        for (size_t j = 0; j < e.beaten_n; j++) {
            assert_true(e.beaten[j].verdict.rule > last || j == 0);
            last = e.beaten[j].verdict.rule;
            for (size_t k = 0; k < j; k++)
                assert_false(bl_slice_eq(bl_rules_rule(rules, e.beaten[j].verdict.rule)->id,
                                         bl_rules_rule(rules, e.beaten[k].verdict.rule)->id));
        }
    }
}

static bool never(void *arg, size_t bytes)
{
    (void)bytes;
    return --*(int *)arg >= 0;
}

static void without_memory_it_says_so(void **state)
{
    struct bl_explanation e;
    bl_reply reply = {.code = 550};

    (void)state;
    for (int allowed = 0; allowed < 2; allowed++) {
        int left = allowed;

        bl_alloc_set_hook(never, &left);
        assert_int_equal(bl_explain(bl_rules_builtin(), &reply, &e), BL_NO_MEMORY);
        bl_alloc_set_hook(NULL, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explanations_name_what_matched_and_why_it_yielded),
        cmocka_unit_test(the_shipped_rules_explain_themselves),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
