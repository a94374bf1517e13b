/* explain.h -- why a reply got its verdict
 *
 * Which rule decided, which others matched and why they yielded, what kept an address.  For people
 * who ask about one reply: it classifies it again and again, each time without the rule that
 * decided, so it shows exactly what would decide next.
 *
 * Shapes     as bl_classify; at most BL_EXPLAIN_VETOES and BL_EXPLAIN_BEATEN are listed, `more`
 *            says there were others
 * Units      as bl_verdict
 * Ownership  numbers, meaningful with this rule set
 * Threads    any; works on copies of what it changes
 * Errors     BL_NO_MEMORY
 * Source     core/rules/README.md, "Which rule wins"
 */
#ifndef BOUNCELINE_EXPLAIN_H
#define BOUNCELINE_EXPLAIN_H

#include "bounceline/rules.h"

enum { BL_EXPLAIN_VETOES = 4, BL_EXPLAIN_BEATEN = 24 };

/* Why a rule that matched did not decide. */
enum bl_beaten {
    BL_BEATEN_TIER,   /* its kind of evidence is weaker */
    BL_BEATEN_OWN,    /* an operator's rule goes first */
    BL_BEATEN_GRAVE,  /* it blames the address, the other somebody else */
    BL_BEATEN_LENGTH, /* it names less */
    BL_BEATEN_VETO    /* it would have suppressed, and a veto spoke against it */
};

/* Why a category that may suppress does not this time. */
enum bl_kept {
    BL_KEPT_NOT,       /* it does; or its category never does */
    BL_KEPT_RULE,      /* the rule says so */
    BL_KEPT_TEMPORARY, /* a temporary reply */
    BL_KEPT_CODE,      /* a code that is used for several causes */
    BL_KEPT_UNKNOWN,   /* the step of the delivery is not known: only plain words suppress */
    BL_KEPT_EARLY      /* at that step nothing was said about the recipient yet */
};

struct bl_match {
    bl_verdict verdict;
    enum bl_beaten why;
};

struct bl_explanation {
    bl_verdict verdict; /* what bl_classify gives */
    enum bl_kept kept;
    size_t vetoes_n, beaten_n;
    struct bl_match vetoes[BL_EXPLAIN_VETOES]; /* that stopped beaten[0]; the first one decided */
    struct bl_match beaten[BL_EXPLAIN_BEATEN]; /* strongest first; one of each id */
    bool more;
};

enum bl_code bl_explain(const struct bl_rules *rules, const bl_reply *reply,
                        struct bl_explanation *out);

const char *bl_beaten_text(enum bl_beaten why); /* "its kind of evidence is weaker" */
const char *bl_kept_text(enum bl_kept kept);    /* "" for BL_KEPT_NOT */

#endif
