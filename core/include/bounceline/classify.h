/* classify.h -- from one SMTP reply to why the delivery failed
 *
 * The category, its type and action, and the rule that decided.  Reads only its arguments.
 *
 * Shapes     text, relay_host: 0..BL_LINE_MAX bytes, any bytes, no NUL needed
 * Units      match: byte offsets into reply.text
 * Ownership  keeps nothing; a verdict is numbers, meaningful with this rule set
 * Threads    any number may share one `const struct bl_rules`; nothing shared is written
 * Errors     none: an unknown reply is `unclassified`; allocates nothing
 * Source     RFC 3463 and its IANA registry, RFC 5321 4.2, core/rules/
 */
#ifndef BOUNCELINE_CLASSIFY_H
#define BOUNCELINE_CLASSIFY_H

#include "bounceline/slice.h"
#include "bounceline/status.h"

struct bl_rules; /* rules.h */

enum { BL_LINE_MAX = 65536 };

enum bl_type { BL_UNDETERMINED, BL_SOFT, BL_HARD };
enum bl_scope {
    BL_SCOPE_RECIPIENT,
    BL_SCOPE_MESSAGE,
    BL_SCOPE_SENDER,
    BL_SCOPE_DESTINATION,
    BL_SCOPE_LOCAL
};

/* What a failure may do to the address; BL_ACTION_SOFT only counts towards the soft rule. */
enum bl_action { BL_ACTION_NONE, BL_ACTION_SOFT, BL_ACTION_SUPPRESS };

/* At which step of the delivery the reply came. */
enum bl_phase {
    BL_PHASE_UNKNOWN,
    BL_PHASE_DNS,     /* looking for the host */
    BL_PHASE_CONNECT, /* TCP, banner */
    BL_PHASE_HELO,    /* HELO, EHLO, LHLO */
    BL_PHASE_TLS,     /* STARTTLS and the handshake */
    BL_PHASE_AUTH,
    BL_PHASE_MAIL,  /* MAIL FROM */
    BL_PHASE_RCPT,  /* RCPT TO */
    BL_PHASE_DATA,  /* the DATA command */
    BL_PHASE_EOD,   /* end of DATA, or BDAT */
    BL_PHASE_LOCAL, /* a local agent; no SMTP was spoken */
    BL_PHASES
};

typedef struct bl_reply {
    uint16_t code;      /* 550; 0 if absent */
    bl_status enhanced; /* the reply's own 5.1.1; all zero if absent */
    bl_status wrapper;  /* what the MTA logged as dsn=; all zero if absent */
    enum bl_phase phase;
    bl_slice text;       /* the reply, codes included; empty if absent */
    bl_slice relay_host; /* empty if absent */
} bl_reply;

typedef struct bl_verdict {
    uint16_t category; /* index for bl_rules_category() */
    uint8_t type;      /* enum bl_type */
    uint8_t action;    /* enum bl_action */
    uint32_t rule;     /* index for bl_rules_rule() */
    uint32_t match_at; /* the bytes of reply.text that decided; length 0 when codes decided */
    uint32_t match_n;
} bl_verdict;

bl_verdict bl_classify(const struct bl_rules *rules, const bl_reply *reply);

/* The same for `n` replies at once: several automata step side by side, which hides the latency of
 * table loads.  Gives exactly what bl_classify gives for each. */
void bl_classify_many(const struct bl_rules *rules, const bl_reply *replies, bl_verdict *verdicts,
                      size_t n);

const char *bl_phase_name(enum bl_phase phase); /* "rcpt"; "" when unknown */
bool bl_phase_from_name(bl_slice name, enum bl_phase *out);
const char *bl_type_name(enum bl_type type);       /* "hard", "soft", "undetermined" */
const char *bl_scope_name(enum bl_scope scope);    /* "recipient" ... */
const char *bl_action_name(enum bl_action action); /* "suppress", "soft", "none" */

#endif
