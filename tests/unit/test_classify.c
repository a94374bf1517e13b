/* ctest: label=quick timeout=60
 *
 * Precedence, phases, codes and the deciding bytes, on a small rule set where every answer can be
 * worked out by hand; then a table of what mail servers say, on the built-in rules. */
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
    "nohost\tdestination\thard\tGeneral\tsuppress\n"                                               \
    "full\trecipient\tsoft\tMailboxFull\tsoft\n"                                                   \
    "blocked\tsender\tsoft\tGeneral\tnone\n"                                                       \
    "slow\tsender\tsoft\tGeneral\tnone\n"                                                          \
    "unclassified\tlocal\tundetermined\tUndetermined\tnone\n"
#define CODES                                                                                      \
    "basic\tenhanced\tstrength\tcategory\tsource\n"                                                \
    "\tx.1.1\tspecific\tgone\tRFC\n"                                                               \
    "\tx.2.1\tspecific\tgone\tRFC\n"                                                               \
    "\t4.1.1\tgeneric\tslow\tRFC\n"                                                                \
    "\tx.7.1\tgeneric\tblocked\tRFC\n"                                                             \
    "\tx.7.x\tgeneric\tslow\tRFC\n"                                                                \
    "\t5.7.600-649\tspecific\tblocked\tRFC\n"                                                      \
    "552\t5.1.1\tspecific\tfull\tRFC\n"                                                            \
    "550\t\tgeneric\tgone\tRFC\n"                                                                  \
    "5xx\t\tgeneric\tblocked\tRFC\n"
#define PROVIDERS "suffix\tprovider\nmx.example\tBig\nsmall.mx.example\tSmall\n"
#define RULES                                                                                      \
    "[provider Big]\n"                                                                             \
    "own: \"strange word\" -> blocked ; s\n = 550 strange word\n"                                  \
    "own-code: 5.1.1 -> slow ; s\n = 550 5.1.1 anything\n"                                         \
    "[provider]\n"                                                                                 \
    "tag: \"[tag7]\" -> slow ; s\n = no such user [TAG7]\n"                                        \
    "[specific]\n"                                                                                 \
    "gone: \"no such user\" | \"user unknown\" -> gone ; s\n = no such user\n"                     \
    "mail: phase:mail \"user unknown\" -> blocked ; s\n = user unknown\n"                          \
    "list: \"block list\" -> blocked ; s\n = block list\n"                                         \
    "nohost: \"host not found\" -> nohost ; s\n = host not found\n"                                \
    "coded: 5.2.2 \"odd\" .. \"reason\" -> full ; s\n = 5.2.2 odd but a reason\n"                  \
    "near: \"{box|tray}\" ~ \"is {very |}full\" -> full ; s\n = the tray is full\n"                \
    "next: \"{late|slow}\" ~1 \"again\" -> slow ; s\n = late again\n"                              \
    "end: \"no reason $\" -> slow ; s\n = no reason\n"                                             \
    "soft: \"gone for now\" -> gone type:soft ; s\n = gone for now\n"                              \
    "[generic]\n"                                                                                  \
    "unknown: \"unknown\" -> gone ; s\n = 550 unknown\n"                                           \
    "slow: \"too fast\" -> slow ; s\n = too fast\n"

static struct bl_rules *small;

static int compile_small(void **state)
{
    const struct bl_rules_file files[] = {
        {BL_SLICE_INIT("categories.tsv"), BL_SLICE_INIT(CATEGORIES)},
        {BL_SLICE_INIT("codes.tsv"), BL_SLICE_INIT(CODES)},
        {BL_SLICE_INIT("providers.tsv"), BL_SLICE_INIT(PROVIDERS)},
        {BL_SLICE_INIT("t.rules"), BL_SLICE_INIT(RULES)},
    };
    bl_err err;

    (void)state;
    if (bl_rules_compile(files, BL_COUNT(files), &small, &err) == BL_OK)
        return 0;
    print_message("%s\n", err.text);
    return -1;
}

static int free_small(void **state)
{
    (void)state;
    bl_rules_free(small);
    return 0;
}

#define RCPT BL_PHASE_RCPT

/* clang-format off */
static const struct {
    const char   *name;
    uint16_t      code;
    bl_status     enhanced, wrapper;
    enum bl_phase phase;
    const char   *relay, *text, *rule, *category;
    enum bl_type  type;
    enum bl_action action;
} small_cases[] = {
    {"a provider's words beat specific words", 550, {5, 1, 1}, {0}, RCPT, "a.mx.example",
     "no such user, strange word", "t/own", "blocked", BL_SOFT, BL_ACTION_NONE},
    {"they are nothing elsewhere", 550, {5, 1, 1}, {0}, RCPT, "a.other.example",
     "no such user, strange word", "t/gone", "gone", BL_HARD, BL_ACTION_SUPPRESS},
    {"own words need no relay host", 550, {0}, {0}, RCPT, "", "no such user [tag7]", "t/tag",
     "slow", BL_SOFT, BL_ACTION_NONE},
    {"specific words beat a provider's code", 550, {5, 1, 1}, {0}, RCPT, "a.mx.example",
     "no such user", "t/gone", "gone", BL_HARD, BL_ACTION_SUPPRESS},
    {"a provider's code beats a specific code", 550, {5, 1, 1}, {0}, RCPT, "a.mx.example.", "x",
     "t/own-code", "slow", BL_SOFT, BL_ACTION_NONE},
    {"the longest suffix names the provider", 550, {5, 1, 1}, {0}, RCPT, "A.Small.MX.example", "x",
     "codes/x.1.1", "gone", BL_HARD, BL_ACTION_SUPPRESS},
    {"a suffix is whole labels", 550, {5, 1, 1}, {0}, RCPT, "amx.example", "x", "codes/x.1.1",
     "gone", BL_HARD, BL_ACTION_SUPPRESS},
    {"specific words beat a specific code", 550, {5, 1, 1}, {0}, RCPT, "", "on a block list",
     "t/list", "blocked", BL_SOFT, BL_ACTION_NONE},
    {"a specific code beats generic words", 550, {5, 1, 1}, {0}, RCPT, "", "too fast",
     "codes/x.1.1", "gone", BL_HARD, BL_ACTION_SUPPRESS},
    {"generic words beat a generic code", 550, {5, 7, 1}, {0}, RCPT, "", "too fast", "t/slow",
     "slow", BL_SOFT, BL_ACTION_NONE},
    {"a generic code beats nothing", 550, {5, 7, 1}, {0}, RCPT, "", "so", "codes/x.7.1", "blocked",
     BL_SOFT, BL_ACTION_NONE},
    {"blaming the sender goes before blaming the address", 550, {5, 1, 1}, {0}, RCPT, "",
     "no such user, in a block list", "t/list", "blocked", BL_SOFT, BL_ACTION_NONE},
    {"a pair beats the enhanced code", 552, {5, 1, 1}, {0}, RCPT, "", "", "codes/552-5.1.1", "full",
     BL_SOFT, BL_ACTION_SOFT},
    {"a named class beats any class", 0, {4, 1, 1}, {0}, RCPT, "", "", "codes/4.1.1", "slow",
     BL_SOFT, BL_ACTION_NONE},
    {"a detail nobody listed", 550, {5, 7, 99}, {0}, RCPT, "", "", "codes/x.7.x", "slow", BL_SOFT,
     BL_ACTION_NONE},
    {"a code is no prefix of a longer one", 0, {5, 7, 10}, {0}, RCPT, "", "", "codes/x.7.x", "slow",
     BL_SOFT, BL_ACTION_NONE},
    {"the first of a range", 550, {5, 7, 600}, {0}, RCPT, "", "", "codes/5.7.600-649", "blocked",
     BL_SOFT, BL_ACTION_NONE},
    {"the last of a range", 550, {5, 7, 649}, {0}, RCPT, "", "", "codes/5.7.600-649", "blocked",
     BL_SOFT, BL_ACTION_NONE},
    {"behind a range", 550, {5, 7, 650}, {0}, RCPT, "", "", "codes/x.7.x", "slow", BL_SOFT,
     BL_ACTION_NONE},
    {"any permanent code", 571, {0}, {0}, RCPT, "", "", "codes/5xx", "blocked", BL_SOFT,
     BL_ACTION_NONE},
    {"the wrapper's code where the reply has none", 0, {0}, {5, 1, 1}, RCPT, "", "", "codes/x.1.1",
     "gone", BL_HARD, BL_ACTION_SUPPRESS},
    {"the reply's own code goes before the wrapper's", 550, {5, 7, 1}, {5, 1, 1}, RCPT, "", "",
     "codes/x.7.1", "blocked", BL_SOFT, BL_ACTION_NONE},
    {"the wrapper's code beside a bare basic code", 550, {0}, {5, 1, 1}, RCPT, "", "",
     "codes/x.1.1", "gone", BL_HARD, BL_ACTION_SUPPRESS},
    {"a code and words", 552, {5, 2, 2}, {0}, RCPT, "", "an odd and other reason", "t/coded",
     "full", BL_SOFT, BL_ACTION_SOFT},
    {"the words in the other order", 552, {5, 2, 2}, {0}, RCPT, "", "a reason that is odd",
     "codes/5xx", "blocked", BL_SOFT, BL_ACTION_NONE},
    {"the words without the code", 552, {5, 2, 3}, {0}, RCPT, "", "an odd reason", "codes/5xx",
     "blocked", BL_SOFT, BL_ACTION_NONE},
    {"words to choose from, close together", 0, {0}, {0}, RCPT, "",
     "the tray of <a@b.example> is very full", "t/near", "full", BL_SOFT, BL_ACTION_SOFT},
    {"they are too far apart", 0, {0}, {0}, RCPT, "",
     "a tray, and of everything that lies in it nothing is full", "codes/none", "unclassified",
     BL_UNDETERMINED, BL_ACTION_NONE},
    {"the last of the first phrase counts", 0, {0}, {0}, RCPT, "",
     "a box, and of everything that lies in it some box is full", "t/near", "full", BL_SOFT,
     BL_ACTION_SOFT},
    {"one byte between", 0, {0}, {0}, RCPT, "", "slow again", "t/next", "slow", BL_SOFT,
     BL_ACTION_NONE},
    {"two bytes between", 0, {0}, {0}, RCPT, "", "slow, again", "codes/none", "unclassified",
     BL_UNDETERMINED, BL_ACTION_NONE},
    {"words at the end", 0, {0}, {0}, RCPT, "", "for no reason", "t/end", "slow", BL_SOFT,
     BL_ACTION_NONE},
    {"words at the end, and a blank", 0, {0}, {0}, RCPT, "", "for no reason\r", "t/end", "slow",
     BL_SOFT, BL_ACTION_NONE},
    {"words not at the end", 0, {0}, {0}, RCPT, "", "no reason given", "codes/none", "unclassified",
     BL_UNDETERMINED, BL_ACTION_NONE},
    {"they do not overlap", 0, {0}, {0}, RCPT, "", "is full, the box", "codes/none", "unclassified",
     BL_UNDETERMINED, BL_ACTION_NONE},
    {"nothing at all", 0, {0}, {0}, RCPT, "", "", "codes/none", "unclassified", BL_UNDETERMINED,
     BL_ACTION_NONE},
    {"nothing, for now", 499, {0}, {0}, RCPT, "", "", "codes/none", "unclassified", BL_SOFT,
     BL_ACTION_NONE},

    {"never hard on a 4xx", 450, {0}, {0}, RCPT, "", "no such user", "t/gone", "gone", BL_SOFT,
     BL_ACTION_NONE},
    {"nor on a 4.x.x beside a 5xx", 550, {4, 1, 9}, {0}, RCPT, "", "no such user", "t/gone", "gone",
     BL_SOFT, BL_ACTION_NONE},
    {"nor on a wrapper's 4.x.x alone", 0, {0}, {4, 4, 3}, RCPT, "", "no such user", "t/gone",
     "gone", BL_SOFT, BL_ACTION_NONE},
    {"phase unknown: specific words may suppress", 550, {0}, {0}, BL_PHASE_UNKNOWN, "",
     "no such user", "t/gone", "gone", BL_HARD, BL_ACTION_SUPPRESS},
    {"phase unknown: an address code may", 550, {5, 1, 1}, {0}, BL_PHASE_UNKNOWN, "", "x",
     "codes/x.1.1", "gone", BL_HARD, BL_ACTION_SUPPRESS},
    {"phase unknown: another specific code may not", 550, {5, 2, 1}, {0}, BL_PHASE_UNKNOWN, "", "x",
     "codes/x.2.1", "gone", BL_UNDETERMINED, BL_ACTION_NONE},
    {"phase unknown: generic words may not", 0, {0}, {0}, BL_PHASE_UNKNOWN, "", "unknown",
     "t/unknown", "gone", BL_UNDETERMINED, BL_ACTION_NONE},
    {"phase known: generic words may", 0, {0}, {0}, BL_PHASE_EOD, "", "unknown", "t/unknown",
     "gone", BL_HARD, BL_ACTION_SUPPRESS},
    {"a generic code never suppresses", 550, {0}, {0}, RCPT, "", "x", "codes/550", "gone",
     BL_UNDETERMINED, BL_ACTION_NONE},
    {"a phase can be part of a rule", 550, {0}, {0}, BL_PHASE_MAIL, "", "user unknown", "t/mail",
     "blocked", BL_SOFT, BL_ACTION_NONE},
    {"at MAIL FROM no recipient was named", 550, {0}, {0}, BL_PHASE_MAIL, "", "no such user",
     "t/gone", "gone", BL_UNDETERMINED, BL_ACTION_NONE},
    {"at connect neither", 550, {0}, {0}, BL_PHASE_CONNECT, "", "no such user", "t/gone", "gone",
     BL_UNDETERMINED, BL_ACTION_NONE},
    {"at connect a domain may be dead", 550, {0}, {0}, BL_PHASE_CONNECT, "", "host not found",
     "t/nohost", "nohost", BL_HARD, BL_ACTION_SUPPRESS},
    {"a rule may be softer than its category", 550, {0}, {0}, RCPT, "", "gone for now", "t/soft",
     "gone", BL_SOFT, BL_ACTION_NONE},
};
/* clang-format on */

static bool same_text(bl_slice s, const char *text)
{
    return bl_slice_eq(s, (bl_slice){text, strlen(text)});
}

static void precedence_is_as_written_in_the_readme(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(small_cases); i++) {
        bl_reply reply = {.code = small_cases[i].code,
                          .enhanced = small_cases[i].enhanced,
                          .wrapper = small_cases[i].wrapper,
                          .phase = small_cases[i].phase,
                          .text = guarded(small_cases[i].text),
                          .relay_host = guarded(small_cases[i].relay)};
        bl_verdict v = bl_classify(small, &reply);

        print_message("%s\n", small_cases[i].name);
        if (!same_text(bl_rules_rule(small, v.rule)->id, small_cases[i].rule))
            fail_msg("decided by %.*s", (int)bl_rules_rule(small, v.rule)->id.n,
                     bl_rules_rule(small, v.rule)->id.p);
        assert_true(same_text(bl_rules_category(small, v.category)->name, small_cases[i].category));
        assert_string_equal(bl_type_name((enum bl_type)v.type), bl_type_name(small_cases[i].type));
        assert_string_equal(bl_action_name((enum bl_action)v.action),
                            bl_action_name(small_cases[i].action));
    }
}

/* clang-format off */
static const struct {
    const char *name, *text, *match;
} spans[] = {
    {"in the middle", "550 sorry, No Such User here", "No Such User"},
    {"over a run of blanks", "no  such \t\r\n user", "no  such \t\r\n user"},
    {"at the very end", "x no such user", "no such user"},
    {"several phrases", "5.2.2 odd, in short: reason", "odd, in short: reason"},
    {"the code of the next line is skipped", "550-5.1.1 there is no such 550 5.1.1 user",
     "no such 550 5.1.1 user"},
    {"without its enhanced code too", "550-there is no 550-such 550 user", "no 550-such 550 user"},
    {"a code without its line's dash is text", "there is no such 550 user", ""},
    {"another code is text", "550-there is no such 551 user", ""},
    {"a code behind the last words", "550-for no reason 550-5.1.11", "no reason 550-5.1.11"},
    {"and one that ends with a blank", "550-for no reason 550 ", "no reason 550 "},
    {"codes decided", "nothing known", ""},
};
/* clang-format on */

static void match_names_the_deciding_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(spans); i++) {
        bl_reply reply = {
            .code = 550, .enhanced = {5, 2, 2}, .phase = RCPT, .text = guarded(spans[i].text)};
        bl_verdict v = bl_classify(small, &reply);

        print_message("%s\n", spans[i].name);
        assert_true(v.match_at + v.match_n <= reply.text.n);
        if (!same_text((bl_slice){reply.text.p + v.match_at, v.match_n}, spans[i].match))
            fail_msg("matched '%.*s'", (int)v.match_n, reply.text.p + v.match_at);
    }
}

/* What servers say, in words of our own. */
/* clang-format off */
static const struct {
    enum bl_phase phase;
    const char   *relay, *text, *category;
    uint16_t      code;
    bl_status     enhanced, wrapper;
} said[] = {
    {RCPT, "",
     "550 5.1.1 <a@example.com>: Recipient address rejected: User unknown in relay recipient table",
     "invalid-recipient", 550, {5, 1, 1}, {0}},
    {RCPT, "",
     "550-5.2.1 The email account that you tried to reach is inactive. For more 550 5.2.1 information",
     "inactive-mailbox", 550, {5, 2, 1}, {0}},
    {BL_PHASE_EOD, "",
     "554 30 Sorry, your message to a@example.com cannot be delivered. This mailbox is disabled (554.30).",
     "inactive-mailbox", 554, {0}, {0}},
    {RCPT, "",
     "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.dnsbl.example; https://www.dnsbl.example/",
     "ip-blocklisted", 554, {5, 7, 1}, {0}},
    {RCPT, "",
     "451 4.7.1 a@example.com: Recipient address rejected: Try again, see https://en.wikipedia.example/wiki/Greylisting",
     "greylisted", 451, {4, 7, 1}, {0}},
    {RCPT, "", "422 4.2.2 a@example.com user mailbox is over quota", "mailbox-full", 422, {4, 2, 2},
     {0}},
    {BL_PHASE_CONNECT, "", "421 4.7.0 mx.example.com Error: too many connections from 192.0.2.1",
     "rate-limited", 421, {4, 7, 0}, {0}},
    {BL_PHASE_CONNECT, "",
     "554 mx.example.com Your IP 192.0.2.1 is in a black list; see (policy 7) http://bl.example",
     "ip-blocklisted", 554, {0}, {0}},
    {BL_PHASE_MAIL, "", "451 4.1.8 <a@example.com>: Sender address rejected: Domain not found",
     "sender-domain-invalid", 451, {4, 1, 8}, {0}},
    {RCPT, "x.mail.protection.outlook.com", "550 5.4.1 Recipient address rejected: Access denied.",
     "invalid-recipient", 550, {5, 4, 1}, {0}},
    {BL_PHASE_EOD, "mx.google.com", "550-5.7.30 blocked", "dkim-failed", 550, {5, 7, 30}, {0}},
    {BL_PHASE_DNS, "",
     "Host or domain name not found. Name service error for name=a.example type=AAAA: Host not found",
     "bad-domain", 0, {0}, {5, 4, 4}},
    {BL_PHASE_DNS, "",
     "Host or domain name not found. Name service error for name=a.example type=MX: Host not found, try again",
     "dns-temporary", 0, {0}, {4, 4, 3}},
    {BL_PHASE_DNS, "", "Domain example.com does not accept mail (nullMX)", "null-mx", 0, {0},
     {5, 1, 0}},
    {BL_PHASE_DNS, "", "mail for example.com loops back to myself", "mail-loop", 0, {0}, {5, 4, 6}},
    {BL_PHASE_CONNECT, "", "connect to mx.example.com[192.0.2.1]:25: No route to host",
     "connection-failed", 0, {0}, {4, 4, 1}},
    {BL_PHASE_CONNECT, "",
     "delivery temporarily suspended: connect to mx.example.com[192.0.2.1]:25: Connection timed out",
     "connection-failed", 0, {0}, {4, 4, 1}},
    {BL_PHASE_DATA, "", "lost connection with mx.example.com[192.0.2.1] while sending DATA command",
     "connection-failed", 0, {0}, {4, 4, 2}},
    {BL_PHASE_TLS, "", "Cannot start TLS: handshake failure", "tls-required", 0, {0}, {4, 7, 5}},
    {BL_PHASE_UNKNOWN, "",
     "message size 20000 exceeds size limit 10000 of server mx.example.com[192.0.2.1]",
     "message-too-large", 0, {0}, {5, 3, 4}},
    {BL_PHASE_UNKNOWN, "",
     "SMTPUTF8 is required, but was not offered by host mx.example.com[192.0.2.1]",
     "protocol-error", 0, {0}, {5, 6, 7}},
    {BL_PHASE_LOCAL, "", "user unknown", "invalid-recipient", 0, {0}, {5, 1, 1}},
    {BL_PHASE_LOCAL, "", "Command died with signal 9: \"/usr/bin/filter\"", "local-system-error", 0,
     {0}, {4, 3, 0}},
    {BL_PHASE_LOCAL, "", "custom (nested (text)) from the agent", "local-system-error", 0, {0},
     {5, 3, 0}},
    {BL_PHASE_LOCAL, "",
     "delivery failed to mailbox /var/mail/a: error writing message: File too large",
     "mailbox-full", 0, {0}, {5, 2, 2}},
    {BL_PHASE_UNKNOWN, "", "Address has changed (see (new) address); moved", "recipient-moved", 0,
     {0}, {5, 1, 6}},
};
/* clang-format on */

static void common_replies_get_their_category(void **state)
{
    const struct bl_rules *rules = bl_rules_builtin();

    (void)state;
    for (size_t i = 0; i < BL_COUNT(said); i++) {
        bl_reply reply = {.code = said[i].code,
                          .enhanced = said[i].enhanced,
                          .wrapper = said[i].wrapper,
                          .phase = said[i].phase,
                          .text = guarded(said[i].text),
                          .relay_host = guarded(said[i].relay)};
        bl_verdict v = bl_classify(rules, &reply);
        const struct bl_rule_info *by = bl_rules_rule(rules, v.rule);

        if (!same_text(bl_rules_category(rules, v.category)->name, said[i].category))
            fail_msg("'%s' is %.*s by %.*s", said[i].text,
                     (int)bl_rules_category(rules, v.category)->name.n,
                     bl_rules_category(rules, v.category)->name.p, (int)by->id.n, by->id.p);
        assert_true(v.action != BL_ACTION_SUPPRESS ||
                    (reply.code / 100 != 4 && reply.enhanced.class_ != 4 && v.type == BL_HARD));
    }
}

/* The sender, the message or a system is at fault, whatever else is said. */
static const char *const keeps[] = {
    "517 Invalid domain, see the RFC",
    "553 sorry, this MTA is a closed user group system (#5.7.1)",
    "550 5.1.1 <someone@example.org> is not a domain we serve",
    "553 This host is no mail exchanger for example.org",
    "550 5.7.1 this server does not accept mail for example.org",
    "550 Host name does not exist: mail.example.com",
    "550 From domain does not exist",
    "550 5.7.1 sending mailbox not found",
    "550 SPF: no such domain example.com",
    "550 5.7.1 no valid MX for envelope domain",
    "550 Domain example.com does not exist (sender)",
    "550 5.7.1 Link to a domain that does not exist",
    "521 5.2.1 we will not accept delivery of this",
    "552 5.2.1 Subject is mandatory",
    "550 Ihre Domain existiert nicht",
    "550 Votre domaine n'existe pas",
    "550 Su dominio no existe",
    "550 Twoje konto zostało zablokowane",
    "550 Ваш домен не найден",
    "550 Uw account is geblokkeerd",
    "550 Indirizzo IP non valido",
    "550 Nieznany adres IP",
    "550 Absender-Domain existiert nicht",
    "550 L'adresse de l'expéditeur n'existe pas",
    "550 5.1.1 El remitente no existe",
    "550 Excessive unknown recipients",
    "550 5.1.7 no such user here",
    "550 5.1.7 <a@example.com>: Sender address rejected: User unknown in virtual mailbox table",
    "550 5.1.8 user unknown",
    "550 This host does not accept mail without authentication",
    "550 5.7.1 our server doesn't accept mail containing links",
    "550 the account you are sending with is disabled",
    "550 5.1.1 sender user unknown: a@example.com",
    "550 5.1.1 the From address does not exist",
    "550 Unknown user in From:",
    "550 MAIL FROM user does not exist",
    "550 No such domain in MAIL FROM",
    "550 5.1.1 return path user unknown",
    "550 invalid mailbox in From header",
    "550 5.7.1 Header From address is not a valid mailbox",
    "550 5.7.1 Reply-To address does not exist",
    "550 5.7.1 Message-ID domain does not exist",
    "550 5.7.1 HELO domain does not exist",
    "550 5.1.1 EHLO name: host not found",
    "550 5.7.1 URL domain not found",
    "550 5.7.1 DKIM key not found: no such domain",
    "550 5.1.1 Sender domain has no MX record",
    "550 5.1.2 Your domain was not found",
    "550 5.1.1 user not found in allowed senders",
    "550 5.7.1 Recipient not found in your authorized recipient list",
    "550 Blocked - mailbox not found on our allowlist",
    "550 Invalid recipient count",
    "550 5.1.1 Too many invalid recipients from your IP: user unknown",
    "550 5.7.1 User unknown; sender host blocked for dictionary attack",
    "550 5.1.1 user unknown; listed in the local blocklist",
    "550 5.1.1 Internal error looking up user: LDAP server down, user not found",
    "550 5.1.1 user not found: database unavailable",
    "550 5.1.1 Temporary failure in user lookup",
    "550 5.1.1 mailbox temporarily unavailable, try again later",
    "550 5.1.1 unverified address: connect to mx1.example.com[192.0.2.1]:25: Connection refused",
    "550 5.1.1 Address verification in progress",
    "550 This user does not exist because you are a spammer",
    "550 no valid recipients due to spam score",
    "550 5.1.1 message refused: virus found",
    "550 5.1.1 phishing detected",
    "550 5.1.1 your message was rejected due to its contents",
    "550 5.1.1 RBL restriction",
    "550 5.1.1 geo blocked",
    "550 5.1.1 Access denied",
    "550 5.1.1 Service unavailable",
    "550 5.1.1 System error, contact the postmaster",
    "550 5.1.1 restricted to members",
    "550 5.1.1 takes no mail from external senders",
    "550 5.1.1 does not accept mail from you",
    "550 5.1.1 out of storage",
    "550 5.2.1 rate limit",
    "550 5.2.1 spam",
    "550 5.2.1 Mail from your host is not accepted here",
    "550 5.2.1 disabled for mail by policy",
    "550 5.1.3 malformed HELO",
    "550 5.1.1 <user.unknown@example.com>: Relay access denied",
    "550 5.7.1 <no such user@example.com>: message content rejected",
};

/* The address is at fault, and what it is made of is not read. */
static const char *const suppresses[] = {
    "550 5.1.1 Is not a valid email address",
    "550 distribution list not found",
    "550 invalid local part",
    "550 Cannot verify recipient",
    "550 She is no longer part of our team",
    "550 Dieses Postfach wurde gelöscht",
    "550 Cette adresse n'existe plus",
    "550 Konto usunięte",
    "550 Аккаунт удалён",
    "550 帐户已被冻结",
    "550 受信者がいません",
    "550 받는 사람을 찾을 수 없습니다",
    "550 5.1.1 <a@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
    "550 5.1.1 <a@example.com>: Recipient address rejected: User unknown in relay recipient table",
    "550 5.1.1 <a@example.com>: Recipient address rejected: undeliverable address: host mx.example.com[192.0.2.1] "
    "said: 550 5.1.1 user unknown",
    "550 5.1.1 <a@example.com>: no such user here. Please show this text to whoever runs your mail server.",
    "550 5.1.1 <x@dnsbl.example>: Recipient address rejected: User unknown",
    "550 5.1.1 <joe@spam.example>: Recipient address rejected: User unknown",
    "550 5.1.1 <sender@policy.example>: Recipient address rejected: User unknown",
    "550 5.1.1 <greylisting@quota.example>: No such user",
    "550 5.1.1 virus-spam@temporary.example... User unknown",
    "550 a@helo.example...User unknown",
    "550-sender@dkim.example 550-blacklist@rbl.example 550 5.1.1 user unknown",
    "550 No such user here",
    "550 Unrouteable address",
    "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the "
    "recipient's email address for typos or 550-5.1.1 unnecessary spaces.",
    "550 5.2.1 The email account that you tried to reach is disabled.",
    "554 delivery error: dd This user doesn't have an example.com account (a@example.com) [0]",
    "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
    "554 Sorry, no mailbox here by that name. (#5.1.1)",
    "550 5.1.1 a@example.com... User unknown",
    "550 5.1.2 a@gone.example... Host unknown (Name server: gone.example: host not found)",
    "550 5.2.1 Mailbox disabled, not accepting messages",
    "550 5.7.1 This account has been suspended for non-payment",
    "556 5.1.10 Recipient domain publishes null MX",
    "550 5.1.1 <a@example.com>",
    "550 5.1.6 Recipient has moved",
    "550 5.1.1 Adresse unbekannt",
    "550 5.1.1 Empf\xc3\xa4nger unbekannt",
};

static bool is_suppressed(const char *text)
{
    bl_reply reply = {.phase = RCPT, .text = guarded(text)};
    unsigned code = 0, a = 0, b = 0, c = 0;

    sscanf(text, "%3u%*1[- ]%u.%u.%u", &code, &a, &b, &c);
    reply.code = (uint16_t)code;
    if (a && (b || c))
        reply.enhanced = (bl_status){(uint16_t)a, (uint16_t)b, (uint16_t)c};
    return bl_classify(bl_rules_builtin(), &reply).action == BL_ACTION_SUPPRESS;
}

/* Each table is the other's negative control: without the vetoes most of the first suppress, with
 * vetoes that read addresses the second does not. */
/* Whatever is said of these, the address is not at fault.  Of a mailbox the same words suppress,
 * otherwise they would prove nothing; before the vetoes knew these nouns one text in seven did,
 * too. */
static const char *const not_the_recipient[] = {
    "Sender",
    "Sender's address",
    "The sending domain",
    "sending mailbox",
    "originating host",
    "Originating domain",
    "client host",
    "connecting host",
    "connecting IP",
    "Envelope sender",
    "MAIL FROM address",
    "MAIL FROM domain",
    "From: address",
    "From header",
    "From domain",
    "author domain",
    "return path",
    "Return address",
    "reverse path",
    "Reply-To domain",
    "bounce address",
    "HELO name",
    "EHLO domain",
    "Your address",
    "your e-mail address",
    "your domain",
    "your host",
    "Your hostname",
    "your mail server",
    "Your IP address",
    "your account",
    "your mailbox",
    "your login",
    "authenticated user",
    "SASL login",
    "SMTP user",
    "SMTP account",
    "login name",
    "relay host",
    "SPF record",
    "SPF domain",
    "DKIM key",
    "DKIM selector",
    "DMARC record",
    "Reverse DNS",
    "PTR record",
    "URL domain",
    "link domain",
    "Message-ID domain",
};
static const char *const dead[] = {
    "does not exist",
    "doesn't exist",
    "not found",
    "could not be found",
    "is unknown",
    "unknown",
    "is invalid",
    "is not valid",
    "is disabled",
    "has been suspended",
    "is inactive",
    "is not active",
    "is no longer valid",
    "has expired",
    "has been deleted",
    "has been closed",
    "could not be verified",
    "undeliverable",
};

static void nothing_said_of_the_sender_suppresses(void **state)
{
    static const char *const codes[] = {"550", "550 5.1.1", "550 5.7.1", "553 5.1.0"};
    int wrong = 0, suppressed = 0;
    char text[160];

    (void)state;
    for (size_t v = 0; v < BL_COUNT(dead); v++) {
        snprintf(text, sizeof text, "550 The mailbox %s", dead[v]);
        suppressed += is_suppressed(text);
        for (size_t c = 0; c < BL_COUNT(codes); c++)
            for (size_t i = 0; i < BL_COUNT(not_the_recipient); i++) {
                snprintf(text, sizeof text, "%s %s %s", codes[c], not_the_recipient[i], dead[v]);
                if (is_suppressed(text)) {
                    print_message("suppresses: %s\n", text);
                    wrong++;
                }
            }
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(suppressed, BL_COUNT(dead));
}

/* Advice beside it does not save a dead address: a veto as wide as `your address` or `from your`
 * would. */
static void advice_beside_it_does_not_keep_a_dead_address(void **state)
{
    static const char *const advice[] = {
        "Please check your address book",
        "Please check the recipient's email address for typos",
        "remove the address from your mailing list",
        "contact your mail administrator",
        "your message was not delivered",
        "Your mail could not be delivered",
        "do not resend",
        "rejected by server",
        "see https://support.example.com/answer/6596",
        "for domain example.org",
        "from shop@example.com",
        "client 192.0.2.1",
        "your message has been returned to you",
    };
    int wrong = 0;
    char text[160];

    (void)state;
    for (size_t v = 0; v < BL_COUNT(dead); v++)
        for (size_t i = 0; i < BL_COUNT(advice); i++) {
            snprintf(text, sizeof text, "550 5.1.1 The mailbox %s. %s", dead[v], advice[i]);
            if (!is_suppressed(text)) {
                print_message("keeps: %s\n", text);
                wrong++;
            }
        }
    assert_int_equal(wrong, 0);
}

static void vetoes_keep_an_address_that_is_not_at_fault(void **state)
{
    int wrong = 0;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(keeps); i++)
        if (is_suppressed(keeps[i])) {
            print_message("suppresses: %s\n", keeps[i]);
            wrong++;
        }
    for (size_t i = 0; i < BL_COUNT(suppresses); i++)
        if (!is_suppressed(suppresses[i])) {
            print_message("keeps: %s\n", suppresses[i]);
            wrong++;
        }
    assert_int_equal(wrong, 0);
}

static void a_reply_of_the_longest_kind(void **state)
{
    static char text[BL_LINE_MAX];
    bl_reply reply = {.code = 550, .phase = RCPT};
    bl_verdict v;

    (void)state;
    memset(text, ' ', sizeof text);
    memcpy(text, "550-no", 6);
    for (size_t i = 16; i + 8 < sizeof text; i += 16)
        memcpy(text + i, "550- such", 4); /* more line codes than are skipped */
    memcpy(text + sizeof text - 12, "no such user", 12);
    reply.text = guarded_bytes(text, sizeof text);
    v = bl_classify(small, &reply);
    assert_true(same_text(bl_rules_rule(small, v.rule)->id, "t/gone"));
    assert_int_equal(v.match_at + v.match_n, sizeof text);
}

static void names_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < BL_PHASES; i++) {
        const char *name = bl_phase_name((enum bl_phase)i);
        enum bl_phase back = BL_PHASES;

        assert_true(bl_phase_from_name((bl_slice){name, strlen(name)}, &back));
        assert_int_equal(back, i);
    }
    {
        enum bl_phase phase;

        assert_false(bl_phase_from_name(BL_SLICE("RCPT"), &phase));
        assert_string_equal(bl_phase_name(BL_PHASE_RCPT), "rcpt");
        assert_string_equal(bl_scope_name(BL_SCOPE_DESTINATION), "destination");
    }
}

static void providers_are_named(void **state)
{
    const struct bl_rules *rules = bl_rules_builtin();
    uint16_t google = bl_rules_provider(rules, guarded("gmail-smtp-in.l.google.com"));

    (void)state;
    assert_true(same_text(bl_rules_provider_name(rules, google), "Google"));
    assert_int_equal(bl_rules_provider(rules, guarded("ASPMX.L.GOOGLE.COM.")), google);
    assert_int_equal(bl_rules_provider(rules, guarded("notgoogle.com")), 0);
    assert_int_equal(bl_rules_provider(rules, guarded("")), 0);
    assert_int_equal(bl_rules_provider(rules, guarded(".")), 0);
    assert_int_equal(bl_rules_provider(rules, guarded("..google.com")), google);
    assert_true(same_text(bl_rules_provider_name(rules, 0), "other"));
    assert_true(same_text(bl_rules_provider_name(rules, 60000), "other"));
    assert_true(google < bl_rules_providers(rules));
}

/* Hosts are told by their last four bytes first.  Negative control: without the memset in
 * note_suffix(), which lets every host pass once a suffix is shorter, `qq` is not found. */
static void suffixes_of_any_length_are_found(void **state)
{
    static const struct {
        const char *host, *provider;
    } cases[] = {
        {"a.qq", "Short"},        {"QQ.", "Short"},         {"qq", "Short"},
        {"aqq", "other"},         {"q", "other"},           {"b.mx.example", "Big"},
        {"bmx.example", "other"}, {"MX.EXAMPLE", "Big"},    {"a.longer.mx.example", "Longest"},
        {"longer.mx", "other"},   {"x.y.example", "other"}, {"blonger.mx.example", "Big"},
    };
    const struct bl_rules_file files[] = {
        {BL_SLICE_INIT("categories.tsv"), BL_SLICE_INIT(CATEGORIES)},
        {BL_SLICE_INIT("codes.tsv"), BL_SLICE_INIT(CODES)},
        {BL_SLICE_INIT("providers.tsv"),
         BL_SLICE_INIT("suffix\tprovider\nmx.example\tBig\nqq\tShort\n"
                       "longer.mx.example\tLongest\n")},
    };
    struct bl_rules *rules = NULL;
    bl_err err;

    (void)state;
    assert_int_equal(bl_rules_compile(files, BL_COUNT(files), &rules, &err), BL_OK);
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        print_message("%s\n", cases[i].host);
        assert_true(same_text(
            bl_rules_provider_name(rules, bl_rules_provider(rules, guarded(cases[i].host))),
            cases[i].provider));
    }
    bl_rules_free(rules);
}

/* The order is data: generic words put before specific ones decide what those decided before. */
static void the_order_of_evidence_is_data(void **state)
{
    static const char *const orders[] = {
        "evidence\nprovider-words\nspecific-words\nprovider-code\nspecific-code\ngeneric-words\ngeneric-code\n",
        "evidence\nprovider-words\ngeneric-words\nspecific-words\nprovider-code\nspecific-code\ngeneric-code\n"};
    static const char rule_text[] =
        "[specific]\ngone: \"no such user\" -> gone ; s\n = no such user\n"
        "[generic]\nslow: \"too fast\" -> slow ; s\n = too fast\n";
    bl_reply reply = {.phase = BL_PHASE_RCPT, .text = BL_SLICE_INIT("no such user, and too fast")};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct bl_rules_file files[] = {
            {BL_SLICE_INIT("categories.tsv"), BL_SLICE_INIT(CATEGORIES)},
            {BL_SLICE_INIT("precedence.tsv"), {orders[i], strlen(orders[i])}},
            {BL_SLICE_INIT("t.rules"), BL_SLICE_INIT(rule_text)},
        };
        struct bl_rules *rules = NULL;
        bl_verdict v;
        bl_err err;

        if (bl_rules_compile(files, BL_COUNT(files), &rules, &err) != BL_OK)
            fail_msg("%s", err.text);
        v = bl_classify(rules, &reply);
        assert_true(same_text(bl_rules_rule(rules, v.rule)->id, i == 0 ? "t/gone" : "t/slow"));
        bl_rules_free(rules);
    }
}

static enum bl_code compile_pairs(size_t n, struct bl_rules **out)
{
    static char text[256 * 1024];
    struct bl_rules_file files[] = {
        {BL_SLICE_INIT("categories.tsv"), BL_SLICE_INIT(CATEGORIES)},
        {BL_SLICE_INIT("t.rules"), {text, 0}},
    };
    size_t at = (size_t)sprintf(text, "[specific]\n");
    bl_err err;

    for (size_t i = 0; i < n; i++)
        at += (size_t)sprintf(
            text + at,
            "r%zu: \"front%04zu\" .. \"back%04zu\" -> slow ; s\n = front%04zu back%04zu\n", i, i, i,
            i, i);
    files[1].text.n = at;
    return bl_rules_compile(files, BL_COUNT(files), out, &err);
}

/* 1024 links fill their sets to the last bit.  Negative control: with room for one set more than
 * these need, the sanitizers stop the compilation. */
static void as_many_links_as_there_may_be(void **state)
{
    bl_reply reply = {.phase = BL_PHASE_RCPT, .text = BL_SLICE_INIT("front1023 and back1023")};
    struct bl_rules *rules = NULL;

    (void)state;
    assert_int_equal(compile_pairs(1025, &rules), BL_BAD_INPUT);
    assert_int_equal(compile_pairs(1024, &rules), BL_OK);
    assert_true(same_text(bl_rules_rule(rules, bl_classify(rules, &reply).rule)->id, "t/r1023"));
    bl_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precedence_is_as_written_in_the_readme),
        cmocka_unit_test(the_order_of_evidence_is_data),
        cmocka_unit_test(match_names_the_deciding_bytes),
        cmocka_unit_test(common_replies_get_their_category),
        cmocka_unit_test(vetoes_keep_an_address_that_is_not_at_fault),
        cmocka_unit_test(nothing_said_of_the_sender_suppresses),
        cmocka_unit_test(advice_beside_it_does_not_keep_a_dead_address),
        cmocka_unit_test(a_reply_of_the_longest_kind),
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(providers_are_named),
        cmocka_unit_test(suffixes_of_any_length_are_found),
        cmocka_unit_test(as_many_links_as_there_may_be),
    };

    return cmocka_run_group_tests(tests, compile_small, free_small);
}
