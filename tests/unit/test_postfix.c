/* ctest: label=quick timeout=30 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounceline/event.h"
#include "bounceline/postfix.h"
#include "guarded.h"

/* One line's body, and what must come of it; texts that are NULL must be empty. */
struct want {
    const char *name, *program, *body;
    enum bl_postfix_line line;
    enum bl_record_kind kind;
    enum bl_outcome outcome;
    const char *queue_id, *recipient, *orig, *sender, *peer_host, *peer_ip, *text;
    unsigned code;
    const char *enhanced;
    enum bl_phase phase;
    unsigned flags;
    int delay_ms; /* 0: absent */
};

#define RELAY                                                                                      \
    ", relay=mx.b.example[192.0.2.1]:25, delay=1.5, delays=0.1/0/0.4/1, dsn=2.0.0, status=sent "   \
    "(250 2.0.0 Ok)"
#define SENT                                                                                       \
    .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_DELIVERY, .outcome = BL_DELIVERED,                \
    .queue_id = "4A1B", .peer_host = "mx.b.example", .peer_ip = "192.0.2.1",                       \
    .text = "250 2.0.0 Ok", .code = 250, .enhanced = "2.0.0", .delay_ms = 1500
#define DELIVERY .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_DELIVERY, .queue_id = "4A1B"

static const struct want deliveries[] = {
    {"sent", "postfix/smtp", "4A1B: to=<a@b.example>" RELAY, SENT, .recipient = "a@b.example"},
    {"any syslog_name", "mail-out-7/relay/smtp", "4A1B: to=<a@b.example>" RELAY, SENT,
     .recipient = "a@b.example"},
    {"a long queue id", "postfix/smtp",
     "4jXH6151s8z1csJY: to=<a@b.example>, relay=none, delay=0, status=deferred (x)",
     .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_DELIVERY, .outcome = BL_DEFERRED,
     .queue_id = "4jXH6151s8z1csJY", .recipient = "a@b.example", .text = "x"},
    {"orig_to", "postfix/smtp", "4A1B: to=<a@b.example>, orig_to=<root>" RELAY, SENT,
     .recipient = "a@b.example", .orig = "root"},
    {"without brackets", "postfix/smtp", "4A1B: to=a@b.example, orig_to=root" RELAY, SENT,
     .recipient = "a@b.example", .orig = "root"},
    {"conn_use", "postfix/smtp",
     "4A1B: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, conn_use=12, delay=1.5, "
     "delays=0/0/0/1.5, dsn=2.0.0, "
     "status=sent (250 2.0.0 Ok)",
     SENT, .recipient = "a@b.example"},
    {"fields of a later version", "postfix/smtp",
     "4A1B: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, tls=verified, delay=1.5, "
     "delays=0/0/0/1.5, x=y, dsn=2.0.0, "
     "status=sent (250 2.0.0 Ok)",
     SENT, .recipient = "a@b.example"},
    {"before 2.3", "postfix/smtp",
     "4A1B: to=<a@b.example>, relay=mx.b.example[192.0.2.1], delay=1, status=sent (250 Ok)",
     DELIVERY, .outcome = BL_DELIVERED, .recipient = "a@b.example", .peer_host = "mx.b.example",
     .peer_ip = "192.0.2.1", .text = "250 Ok", .code = 250, .delay_ms = 1000},
    {"quoted: the grammar inside", "postfix/smtp",
     "4A1B: to=<\"x>, relay=none, status=sent (250\"@b.example>" RELAY, SENT,
     .recipient = "\"x>, relay=none, status=sent (250\"@b.example"},
    {"quoted: escaped quote", "postfix/smtp", "4A1B: to=<\"a\\\">, relay=x\"@b.example>" RELAY,
     SENT, .recipient = "\"a\\\">, relay=x\"@b.example"},
    {"quoted: angle brackets", "postfix/smtp", "4A1B: to=<\"<anna>613\"@b.example>" RELAY, SENT,
     .recipient = "\"<anna>613\"@b.example"},
    {"quoted: blanks", "postfix/smtp", "4A1B: to=<\" hr 41 \"@b.example>" RELAY, SENT,
     .recipient = "\" hr 41 \"@b.example"},
    {"unquoted blank", "postfix/smtp", "4A1B: to=<a b@b.example>" RELAY, SENT,
     .recipient = "a b@b.example"},
    {"two at signs", "postfix/smtp", "4A1B: to=<john@at706@b.example>" RELAY, SENT,
     .recipient = "john@at706@b.example"},
    {"a lone quote", "postfix/smtp", "4A1B: to=<a\"b@b.example>" RELAY, SENT,
     .recipient = "a\"b@b.example"},
    {"a lone quote, and one in the reply", "postfix/smtp",
     "4A1B: to=<a\"b@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1.5, dsn=2.0.0, "
     "status=sent (250 \"x>, relay=none)",
     DELIVERY, .outcome = BL_DELIVERED, .recipient = "a\"b@b.example", .peer_host = "mx.b.example",
     .peer_ip = "192.0.2.1", .text = "250 \"x>, relay=none", .code = 250, .enhanced = "2.0.0",
     .delay_ms = 1500},
    {"empty recipient", "postfix/smtp", "4A1B: to=<>" RELAY, SENT},
    {"no domain", "postfix/local",
     "4A1B: to=<root>, relay=local, delay=0.01, dsn=2.0.0, status=sent (delivered to mailbox)",
     DELIVERY, .outcome = BL_DELIVERED, .recipient = "root", .text = "delivered to mailbox",
     .enhanced = "2.0.0", .delay_ms = 10},
    {"UTF-8", "postfix/smtp", "4A1B: to=<\xd0\xbf\xd0\xbe@b.example>" RELAY, SENT,
     .recipient = "\xd0\xbf\xd0\xbe@b.example"},
    {"the reply plays the log", "postfix/smtp",
     "4A1B: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1.5, dsn=5.1.1, "
     "status=bounced (host mx.b.example[192.0.2.1] "
     "said: 550 5.1.1 no such user), status=sent (250 2.0.0 Ok: queued as FAKE (in reply to RCPT "
     "TO command))",
     DELIVERY, .outcome = BL_BOUNCED, .recipient = "a@b.example", .peer_host = "mx.b.example",
     .peer_ip = "192.0.2.1",
     .text = "550 5.1.1 no such user), status=sent (250 2.0.0 Ok: queued as FAKE", .code = 550,
     .enhanced = "5.1.1", .phase = BL_PHASE_RCPT, .delay_ms = 1500},
    {"cut before the parenthesis", "postfix/smtp",
     "4A1B: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1.5, dsn=5.7.1, "
     "status=bounced (host mx.b.example[192.0.2.1] "
     "said: 554 5.7.1 line 00 (xx",
     DELIVERY, .outcome = BL_BOUNCED, .recipient = "a@b.example", .peer_host = "mx.b.example",
     .peer_ip = "192.0.2.1", .text = "554 5.7.1 line 00 (xx", .code = 554, .enhanced = "5.7.1",
     .delay_ms = 1500},
    {"cut behind the status", "postfix/smtp",
     "4A1B: to=<a@b.example>, relay=none, delay=3, dsn=4.4.1, status=deferred", DELIVERY,
     .outcome = BL_DEFERRED, .recipient = "a@b.example", .enhanced = "4.4.1", .delay_ms = 3000},
    {"the reply's code before dsn", "postfix/smtp",
     "4A1B: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1.5, dsn=5.0.0, "
     "status=bounced (host mx.b.example[192.0.2.1] "
     "said: 550 5.1.1: gone (in reply to RCPT TO command))",
     DELIVERY, .outcome = BL_BOUNCED, .recipient = "a@b.example", .peer_host = "mx.b.example",
     .peer_ip = "192.0.2.1", .text = "550 5.1.1: gone", .code = 550, .enhanced = "5.1.1",
     .phase = BL_PHASE_RCPT, .delay_ms = 1500},
    {"dsn where the reply has none", "postfix/smtp",
     "4A1B: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1.5, dsn=5.7.509, "
     "status=bounced (host mx.b.example[192.0.2.1] "
     "said: 550 no (in reply to end of DATA command))",
     DELIVERY, .outcome = BL_BOUNCED, .recipient = "a@b.example", .peer_host = "mx.b.example",
     .peer_ip = "192.0.2.1", .text = "550 no", .code = 550, .enhanced = "5.7.509",
     .phase = BL_PHASE_EOD, .delay_ms = 1500},
    {"IPv6 relay", "postfix/smtp",
     "4A1B: to=<a@b.example>, relay=m.six.example[2001:db8:25::a]:25, delay=2, dsn=2.0.0, "
     "status=sent (250 ok)",
     DELIVERY, .outcome = BL_DELIVERED, .recipient = "a@b.example", .peer_host = "m.six.example",
     .peer_ip = "2001:db8:25::a", .text = "250 ok", .code = 250, .enhanced = "2.0.0",
     .delay_ms = 2000},
    {"LMTP through a socket", "postfix/lmtp",
     "4A1B: to=<a@b.example>, relay=mail.b.example[private/dovecot-lmtp], delay=2, dsn=2.0.0, "
     "status=sent (250 2.0.0 <a@b.example> Saved)",
     DELIVERY, .outcome = BL_DELIVERED, .recipient = "a@b.example", .peer_host = "mail.b.example",
     .text = "250 2.0.0 <a@b.example> Saved", .code = 250, .enhanced = "2.0.0", .delay_ms = 2000},
    {"soft_bounce", "postfix/smtp",
     "4A1B: to=<a@b.example>, relay=none, delay=1, dsn=5.4.4, status=SOFTBOUNCE (Host not found)",
     DELIVERY, .outcome = BL_DEFERRED, .recipient = "a@b.example", .text = "Host not found",
     .enhanced = "5.4.4", .phase = BL_PHASE_DNS, .delay_ms = 1000},
    {"nothing was tried", "postfix/error",
     "4A1B: to=<a@b.example>, relay=none, delay=1, dsn=4.4.1, status=deferred (delivery "
     "temporarily suspended: connect to "
     "mx.b.example[192.0.2.1]:25: Connection refused)",
     DELIVERY, .outcome = BL_DEFERRED, .recipient = "a@b.example",
     .text = "connect to mx.b.example[192.0.2.1]:25: Connection refused", .enhanced = "4.4.1",
     .phase = BL_PHASE_CONNECT, .flags = BL_RECORD_NO_ATTEMPT, .delay_ms = 1000},
    {"a local agent", "postfix/local",
     "4A1B: to=<a@b.example>, relay=local, delay=1, dsn=5.1.1, status=bounced (unknown user: "
     "\"a\")",
     DELIVERY, .outcome = BL_BOUNCED, .recipient = "a@b.example", .text = "unknown user: \"a\"",
     .enhanced = "5.1.1", .phase = BL_PHASE_LOCAL, .delay_ms = 1000},
    {"a pipe of any name", "postfix/pipe",
     "4A1B: to=<a@b.example>, relay=labpipe, delay=1, dsn=5.1.1, status=bounced (user unknown)",
     DELIVERY, .outcome = BL_BOUNCED, .recipient = "a@b.example", .text = "user unknown",
     .enhanced = "5.1.1", .phase = BL_PHASE_LOCAL, .delay_ms = 1000},
    {"delay of days", "postfix/smtp",
     "4A1B: to=<a@b.example>, relay=none, delay=432000.25, dsn=4.4.1, status=deferred (x)",
     DELIVERY, .outcome = BL_DEFERRED, .recipient = "a@b.example", .text = "x", .enhanced = "4.4.1",
     .delay_ms = 432000250},
    {"delay without end", "postfix/smtp",
     "4A1B: to=<a@b.example>, relay=none, delay=99999999999, dsn=4.4.1, status=deferred (x)",
     DELIVERY, .outcome = BL_DEFERRED, .recipient = "a@b.example", .text = "x", .enhanced = "4.4.1",
     .delay_ms = INT32_MAX},
};

#define HANDED(relay, reply)                                                                       \
    "4A1B: to=<a@b.example>, relay=" relay ", delay=1, dsn=2.0.0, status=sent (" reply ")"

static const struct {
    const char *name, *program, *body;
    enum bl_outcome outcome;
} handed[] = {
    {"content filter by SMTP", "postfix/smtp", HANDED("127.0.0.1[127.0.0.1]:10024", "250 2.0.0 Ok"),
     BL_RELAYED},
    {"by any address of the loop", "postfix/amavis/smtp",
     HANDED("x[127.8.9.1]:10024", "250 2.0.0 Ok"), BL_RELAYED},
    {"by IPv6", "postfix/relay/smtp", HANDED("::1[::1]:24", "250 2.0.0 Ok"), BL_RELAYED},
    {"by name", "postfix/smtp-amavis", HANDED("localhost[192.0.2.9]:10024", "250 Ok"), BL_RELAYED},
    {"amavis by LMTP", "postfix/lmtp",
     HANDED("127.0.0.1[127.0.0.1]:10024",
            "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4B"),
     BL_RELAYED},
    {"a mailbox by LMTP", "postfix/lmtp",
     HANDED("127.0.0.1[127.0.0.1]:24", "250 2.0.0 Ok: queued as 674215c7"), BL_DELIVERED},
    {"forwarded", "postfix/local", HANDED("local", "forwarded as 4C2D"), BL_RELAYED},
    {"a remote host may say forwarded", "postfix/smtp",
     HANDED("m[192.0.2.1]:25", "forwarded as 4C2D"), BL_DELIVERED},
    {"a pipe", "postfix/pipe", HANDED("spamassassin", "delivered via spamassassin service"),
     BL_DELIVERED},
    {"discarded", "postfix/discard", HANDED("none", "thrown away silently"), BL_DISCARDED},
    {"next door is not here", "postfix/smtp", HANDED("m[128.0.0.1]:25", "250 Ok"), BL_DELIVERED},
    {"a name that begins like it", "postfix/smtp",
     HANDED("localhost.b.example[192.0.2.1]:25", "250 Ok"), BL_DELIVERED},
};

static const struct want lives[] = {
    {"client", "postfix/smtpd", "4A1B: client=app.a.example[192.0.2.7]", .line = BL_POSTFIX_RECORD,
     .kind = BL_RECORD_OPEN, .queue_id = "4A1B", .peer_host = "app.a.example",
     .peer_ip = "192.0.2.7"},
    {"client with login", "postfix/submission/smtpd",
     "4A1B: client=unknown[2001:db8::7]:4321, sasl_method=PLAIN, sasl_username=u@a.example",
     .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_OPEN, .queue_id = "4A1B", .peer_host = "unknown",
     .peer_ip = "2001:db8::7", .text = "u@a.example"},
    {"client with more behind it", "postfix/smtpd",
     "4A1B: client=h[192.0.2.7], sasl_method=LOGIN, sasl_username=u, orig_queue_id=4C, "
     "orig_client=x[192.0.2.8]",
     .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_OPEN, .queue_id = "4A1B", .peer_host = "h",
     .peer_ip = "192.0.2.7", .text = "u"},
    {"pickup", "postfix/pickup", "4A1B: uid=0 from=<cron@a.example>", .line = BL_POSTFIX_RECORD,
     .kind = BL_RECORD_OPEN, .queue_id = "4A1B", .sender = "cron@a.example",
     .flags = BL_RECORD_HAS_SENDER},
    {"message-id", "postfix/cleanup", "4A1B: message-id=<x.1@a.example>", .line = BL_POSTFIX_RECORD,
     .kind = BL_RECORD_MESSAGE_ID, .queue_id = "4A1B", .text = "<x.1@a.example>"},
    {"an odd message-id", "postfix/sender-cleanup/cleanup",
     "4A1B: message-id=no brackets, but blanks", .line = BL_POSTFIX_RECORD,
     .kind = BL_RECORD_MESSAGE_ID, .queue_id = "4A1B", .text = "no brackets, but blanks"},
    {"no message-id", "postfix/cleanup", "4A1B: message-id=", .line = BL_POSTFIX_RECORD,
     .kind = BL_RECORD_MESSAGE_ID, .queue_id = "4A1B"},
    {"resent", "postfix/cleanup", "4A1B: resent-message-id=<y@a.example>",
     .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_MESSAGE_ID, .queue_id = "4A1B",
     .text = "<y@a.example>"},
    {"queued", "postfix/qmgr", "4A1B: from=<s@a.example>, size=279, nrcpt=1 (queue active)",
     .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_QUEUED, .queue_id = "4A1B",
     .sender = "s@a.example", .flags = BL_RECORD_HAS_SENDER},
    {"queued by nobody", "postfix/qmgr", "4A1B: from=<>, size=279, nrcpt=1 (queue active)",
     .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_QUEUED, .queue_id = "4A1B",
     .flags = BL_RECORD_HAS_SENDER},
    {"an odd sender", "postfix/qmgr",
     "4A1B: from=<\"a>, size=1\"@a.example>, size=279, nrcpt=1 (queue active)",
     .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_QUEUED, .queue_id = "4A1B",
     .sender = "\"a>, size=1\"@a.example", .flags = BL_RECORD_HAS_SENDER},
    {"queued, without brackets", "postfix/qmgr",
     "4A1B: from=s@a.example, size=279, nrcpt=1 (queue active)", .line = BL_POSTFIX_RECORD,
     .kind = BL_RECORD_QUEUED, .queue_id = "4A1B", .sender = "s@a.example",
     .flags = BL_RECORD_HAS_SENDER},
    {"expired", "postfix/qmgr", "4A1B: from=<s@a.example>, status=expired, returned to sender",
     .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_EXPIRED, .queue_id = "4A1B",
     .sender = "s@a.example", .flags = BL_RECORD_HAS_SENDER},
    {"expired by hand", "postfix/qmgr", "4A1B: from=<>, status=force-expired, returned to sender",
     .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_EXPIRED, .queue_id = "4A1B",
     .flags = BL_RECORD_HAS_SENDER},
    {"removed", "postfix/qmgr", "4A1B: removed", .line = BL_POSTFIX_RECORD,
     .kind = BL_RECORD_REMOVED, .queue_id = "4A1B"},
    {"removed by the operator", "postfix/postsuper", "4A1B: removed", .line = BL_POSTFIX_RECORD,
     .kind = BL_RECORD_REMOVED, .queue_id = "4A1B"},
};

#define REJECT  .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_REJECT, .outcome = BL_REJECTED
#define DISCARD .line = BL_POSTFIX_RECORD, .kind = BL_RECORD_REJECT, .outcome = BL_DISCARDED

static const struct want rejects[] = {
    {"thrown away", "postfix/smtpd",
     "NOQUEUE: discard: RCPT from h[192.0.2.9]:unknown: <x@a.example>: gone; from=<s@c.example> to=<x@a.example> "
     "proto=ESMTP helo=<h>",
     DISCARD, .recipient = "x@a.example", .sender = "s@c.example", .peer_host = "h",
     .peer_ip = "192.0.2.9", .text = "<x@a.example>: gone", .phase = BL_PHASE_RCPT,
     .flags = BL_RECORD_ONE_SHOT | BL_RECORD_HAS_SENDER},
    {"a milter's header, without helo", "postfix/cleanup",
     "4A1B: milter-header-reject: header X: y from z; from=<a from h[192.0.2.9]; from=<s@c.example> to=<x@a.example> "
     "proto=SMTP: 5.7.1 no: more",
     REJECT, .queue_id = "4A1B", .recipient = "x@a.example", .sender = "s@c.example",
     .peer_host = "h", .peer_ip = "192.0.2.9", .text = "5.7.1 no: more", .enhanced = "5.7.1",
     .phase = BL_PHASE_EOD, .flags = BL_RECORD_HAS_SENDER},
    {"a broken message", "postfix/cleanup",
     "4A1B: reject: mime-error too much: Subject: x from local; from=<s@c.example> to=<unknown>",
     REJECT, .queue_id = "4A1B", .sender = "s@c.example", .text = "too much: Subject: x",
     .phase = BL_PHASE_EOD, .flags = BL_RECORD_HAS_SENDER},
    {"no port is free", "postfix/postscreen",
     "reject: connect from [2001:db8::9]:99: all screening ports busy", REJECT,
     .peer_ip = "2001:db8::9", .text = "all screening ports busy", .phase = BL_PHASE_CONNECT,
     .flags = BL_RECORD_ONE_SHOT},
    {"unknown user", "postfix/smtpd",
     "NOQUEUE: reject: RCPT from h.c.example[192.0.2.9]: 550 5.1.1 <x@a.example>: Recipient "
     "address rejected: User unknown; "
     "from=<s@c.example> to=<x@a.example> proto=ESMTP helo=<h>",
     REJECT, .recipient = "x@a.example", .sender = "s@c.example", .peer_host = "h.c.example",
     .peer_ip = "192.0.2.9",
     .text = "550 5.1.1 <x@a.example>: Recipient address rejected: User unknown", .code = 550,
     .enhanced = "5.1.1", .phase = BL_PHASE_RCPT,
     .flags = BL_RECORD_ONE_SHOT | BL_RECORD_HAS_SENDER},
    {"with a live queue id", "postfix/smtps/smtpd",
     "4A1B: reject: RCPT from h[192.0.2.9]:4711: 450 4.7.1 wait; from=<> to=<x@a.example> "
     "proto=ESMTP helo=<h>",
     REJECT, .queue_id = "4A1B", .recipient = "x@a.example", .peer_host = "h",
     .peer_ip = "192.0.2.9", .text = "450 4.7.1 wait", .code = 450, .enhanced = "4.7.1",
     .phase = BL_PHASE_RCPT, .flags = BL_RECORD_HAS_SENDER},
    {"semicolons in the text", "postfix/smtpd",
     "NOQUEUE: reject: RCPT from h[192.0.2.9]: 454 4.7.1 Client host [192.0.2.9] blocked using z; "
     "https://z/q; from=<s@c> to=<x@a> proto=SMTP helo=<h>",
     REJECT, .recipient = "x@a", .sender = "s@c", .peer_host = "h", .peer_ip = "192.0.2.9",
     .text = "454 4.7.1 Client host [192.0.2.9] blocked using z; https://z/q", .code = 454,
     .enhanced = "4.7.1", .phase = BL_PHASE_RCPT,
     .flags = BL_RECORD_ONE_SHOT | BL_RECORD_HAS_SENDER},
    {"the address plays the line", "postfix/smtpd",
     "NOQUEUE: reject: RCPT from h[192.0.2.9]: 550 5.1.1 <\"; from=<v@w> to=<v@w> proto=\"@a>: no; "
     "from=<s@c> to=<\"; from=<v@w> to=<v@w> proto=\"@a> "
     "proto=SMTP helo=<h>",
     REJECT, .recipient = "\"; from=<v@w> to=<v@w> proto=\"@a", .sender = "s@c", .peer_host = "h",
     .peer_ip = "192.0.2.9", .text = "550 5.1.1 <\"; from=<v@w> to=<v@w> proto=\"@a>: no",
     .code = 550, .enhanced = "5.1.1", .phase = BL_PHASE_RCPT,
     .flags = BL_RECORD_ONE_SHOT | BL_RECORD_HAS_SENDER},
    {"postscreen", "postfix/postscreen",
     "NOQUEUE: reject: RCPT from [192.0.2.9]:58673: 550 5.7.1 Service unavailable; client "
     "[192.0.2.9] blocked using z; from=<s@c>, to=<x@a>, "
     "proto=ESMTP, helo=<h>",
     REJECT, .recipient = "x@a", .sender = "s@c", .peer_ip = "192.0.2.9",
     .text = "550 5.7.1 Service unavailable; client [192.0.2.9] blocked using z", .code = 550,
     .enhanced = "5.7.1", .phase = BL_PHASE_RCPT,
     .flags = BL_RECORD_ONE_SHOT | BL_RECORD_HAS_SENDER},
    {"MAIL stage has no recipient", "postfix/smtpd",
     "NOQUEUE: reject: MAIL from h[192.0.2.9]: 552 5.3.4 too big; from=<s@c> proto=ESMTP helo=<h>",
     REJECT, .sender = "s@c", .peer_host = "h", .peer_ip = "192.0.2.9", .text = "552 5.3.4 too big",
     .code = 552, .enhanced = "5.3.4", .phase = BL_PHASE_MAIL,
     .flags = BL_RECORD_ONE_SHOT | BL_RECORD_HAS_SENDER},
    {"CONNECT stage has nothing", "postfix/smtpd",
     "NOQUEUE: reject: CONNECT from unknown[192.0.2.9]: 554 5.7.1 no; proto=SMTP", REJECT,
     .peer_host = "unknown", .peer_ip = "192.0.2.9", .text = "554 5.7.1 no", .code = 554,
     .enhanced = "5.7.1", .phase = BL_PHASE_CONNECT, .flags = BL_RECORD_ONE_SHOT},
    {"a milter", "postfix/cleanup",
     "4A1B: milter-reject: END-OF-MESSAGE from h[192.0.2.9]: 4.7.1 Try again later; from=<s@c> "
     "to=<x@a> proto=ESMTP helo=<h>",
     REJECT, .queue_id = "4A1B", .recipient = "x@a", .sender = "s@c", .peer_host = "h",
     .peer_ip = "192.0.2.9", .text = "4.7.1 Try again later", .enhanced = "4.7.1",
     .phase = BL_PHASE_EOD, .flags = BL_RECORD_HAS_SENDER},
    {"a header", "postfix/cleanup",
     "4A1B: reject: header Subject: x; from=<v@w> from nowhere[1] from h[192.0.2.9]; from=<s@c> "
     "to=<x@a> proto=ESMTP helo=<h>: 5.7.1 not here",
     REJECT, .queue_id = "4A1B", .recipient = "x@a", .sender = "s@c", .peer_host = "h",
     .peer_ip = "192.0.2.9", .text = "5.7.1 not here", .enhanced = "5.7.1", .phase = BL_PHASE_EOD,
     .flags = BL_RECORD_HAS_SENDER},
    {"a body that was submitted here", "postfix/cleanup",
     "4A1B: reject: body see x.example from local; from=<s@c> to=<x@a>: 5.7.1 not here", REJECT,
     .queue_id = "4A1B", .recipient = "x@a", .sender = "s@c", .text = "5.7.1 not here",
     .enhanced = "5.7.1", .phase = BL_PHASE_EOD, .flags = BL_RECORD_HAS_SENDER},
    {"VRFY has no sender", "postfix/smtpd",
     "NOQUEUE: reject: VRFY from h[2001:db8::9]: 550 5.1.1 <x@a>: no; to=<x@a> proto=SMTP helo=<me>",
     REJECT, .recipient = "x@a", .peer_host = "h", .peer_ip = "2001:db8::9",
     .text = "550 5.1.1 <x@a>: no", .code = 550, .enhanced = "5.1.1", .phase = BL_PHASE_RCPT,
     .flags = BL_RECORD_ONE_SHOT},
    {"a proxy", "postfix/smtpd",
     "4A1B: proxy-reject: END-OF-MESSAGE: 554 5.7.0 Reject, id=31619-02 - spam; from=<> to=<x@a> proto=SMTP "
     "helo=<h>",
     REJECT, .queue_id = "4A1B", .recipient = "x@a", .text = "554 5.7.0 Reject, id=31619-02 - spam",
     .code = 554, .enhanced = "5.7.0", .phase = BL_PHASE_EOD, .flags = BL_RECORD_HAS_SENDER},
    {"a proxy, and no queue id", "postfix/smtpd",
     "proxy-reject: END-OF-MESSAGE: ; from=<s@c> to=<x@a> proto=ESMTP helo=<[192.0.2.16]>", REJECT,
     .recipient = "x@a", .sender = "s@c", .phase = BL_PHASE_EOD,
     .flags = BL_RECORD_ONE_SHOT | BL_RECORD_HAS_SENDER},
    {"an address that is none", "postfix/smtpd",
     "warning: Illegal address syntax from h.c.example[192.0.2.9] in RCPT command: <-x@a>", REJECT,
     .recipient = "-x@a", .peer_host = "h.c.example", .peer_ip = "192.0.2.9",
     .text = "Illegal address syntax from h.c.example[192.0.2.9] in RCPT command: <-x@a>",
     .phase = BL_PHASE_RCPT, .flags = BL_RECORD_ONE_SHOT},
    {"a sender that is none", "postfix/smtpd",
     "warning: Illegal address syntax from h[192.0.2.9] in MAIL command: <a..b@", REJECT,
     .sender = "<a..b@", .peer_host = "h", .peer_ip = "192.0.2.9",
     .text = "Illegal address syntax from h[192.0.2.9] in MAIL command: <a..b@",
     .phase = BL_PHASE_MAIL, .flags = BL_RECORD_ONE_SHOT | BL_RECORD_HAS_SENDER},
    {"left out by rsyslog", "postfix/smtpd",
     "message repeated 4 times: [ NOQUEUE: reject: CONNECT from h[192.0.2.9]: 554 5.7.1 no; proto=SMTP]",
     REJECT, .peer_host = "h", .peer_ip = "192.0.2.9", .text = "554 5.7.1 no", .code = 554,
     .enhanced = "5.7.1", .phase = BL_PHASE_CONNECT,
     .flags = BL_RECORD_ONE_SHOT | BL_RECORD_REPEATED},
    {"Solaris", "postfix/smtpd",
     "[ID 197553 mail.info] NOQUEUE: reject: CONNECT from h[192.0.2.9]: 554 5.7.1 no; proto=SMTP",
     REJECT, .peer_host = "h", .peer_ip = "192.0.2.9", .text = "554 5.7.1 no", .code = 554,
     .enhanced = "5.7.1", .phase = BL_PHASE_CONNECT, .flags = BL_RECORD_ONE_SHOT},
    {"cut before the envelope", "postfix/smtpd",
     "NOQUEUE: reject: RCPT from h[192.0.2.9]: 554 5.7.1 Service unavail", REJECT, .peer_host = "h",
     .peer_ip = "192.0.2.9", .text = "554 5.7.1 Service unavail", .code = 554, .enhanced = "5.7.1",
     .phase = BL_PHASE_RCPT, .flags = BL_RECORD_ONE_SHOT},
};

static const struct {
    const char *name, *program, *body;
    enum bl_postfix_line line;
} others[] = {
    {"not Postfix", "exim", "4A1B: removed", BL_POSTFIX_NOT},
    {"not Postfix, nor a body", "sm-mta", "", BL_POSTFIX_NOT},
    {"connect", "postfix/smtpd", "connect from h[192.0.2.9]", BL_POSTFIX_OTHER},
    {"disconnect", "postfix/smtpd", "disconnect from h[192.0.2.9] ehlo=1 mail=1 quit=1 commands=3",
     BL_POSTFIX_OTHER},
    {"statistics", "postfix/anvil",
     "statistics: max connection rate 1/60s for (smtp:192.0.2.9) at Nov 22", BL_POSTFIX_OTHER},
    {"TLS", "postfix/smtp",
     "Untrusted TLS connection established to m[192.0.2.1]:25: TLSv1.3 with cipher x",
     BL_POSTFIX_OTHER},
    {"a warning", "postfix/smtpd", "warning: to=<a@b>, relay=none, status=sent (x)",
     BL_POSTFIX_OTHER},
    {"a warning about a queue id", "postfix/qmgr", "warning: 4A1B: removed", BL_POSTFIX_OTHER},
    {"fatal", "postfix/qmgr", "fatal: from=<x>, size=1", BL_POSTFIX_OTHER},
    {"per host note", "postfix/smtp",
     "4A1B: host m[192.0.2.1] said: 451 4.7.1 wait (in reply to RCPT TO command)",
     BL_POSTFIX_OTHER},
    {"a bounce's own id", "postfix/bounce", "4A1B: sender non-delivery notification: 4C2D",
     BL_POSTFIX_OTHER},
    {"a probe", "postfix/smtp",
     "4A1B: to=<a@b>, relay=none, delay=1, dsn=5.1.1, status=undeliverable (x)", BL_POSTFIX_OTHER},
    {"a probe that went well", "postfix/smtp",
     "4A1B: to=<a@b>, relay=m[1.2.3.4]:25, delay=1, dsn=2.0.0, status=deliverable (x)",
     BL_POSTFIX_OTHER},
    {"a probe that is not remembered", "postfix/smtp",
     "4A1B: to=<a@b>, relay=none, delay=1, dsn=5.1.1, status=undeliverable-but-not-cached (x)",
     BL_POSTFIX_OTHER},
    {"an address without brackets, and a blank in it", "postfix/smtp",
     "4A1B: to=a b@c, relay=none, delay=1, dsn=2.0.0, status=sent (x)", BL_POSTFIX_UNPARSED},
    {"a repetition of something else", "postfix/smtpd",
     "message repeated 2 times: [ connect from h[192.0.2.9]]", BL_POSTFIX_OTHER},
    {"a repetition within a repetition", "postfix/smtpd",
     "message repeated 2 times: [ message repeated 3 times: [ NOQUEUE: reject: CONNECT from h[192.0.2.9]: 554 x]]",
     BL_POSTFIX_OTHER},
    {"a repeated life of a queue id", "postfix/qmgr", "message repeated 2 times: [ 4A1B: removed]",
     BL_POSTFIX_OTHER},
    {"a repetition that is cut", "postfix/smtpd", "message repeated 2 times: [ NOQUEUE: rej",
     BL_POSTFIX_OTHER},
    {"another message", "postfix/smtpd", "message repeated too often", BL_POSTFIX_OTHER},
    {"Solaris, cut", "postfix/smtpd", "[ID 197553 mail.info", BL_POSTFIX_OTHER},
    {"illegal, cut", "postfix/smtpd", "warning: Illegal address syntax from h[192.0.2.9] in RCPT",
     BL_POSTFIX_OTHER},
    {"a word that ends like a refusal", "postfix/smtpd", "proxy-reject: EHLO", BL_POSTFIX_OTHER},
    {"nothing behind to=", "postfix/smtp", "4A1B: to=", BL_POSTFIX_UNPARSED},
    {"only warned", "postfix/smtpd",
     "NOQUEUE: reject_warning: RCPT from h[192.0.2.9]: 550 x; from=<a> to=<b> proto=SMTP",
     BL_POSTFIX_OTHER},
    {"removed, and more", "postfix/qmgr", "4A1B: removed by magic", BL_POSTFIX_OTHER},
    {"an id that is none", "postfix/qmgr", "4A-1B: removed", BL_POSTFIX_OTHER},
    {"no id", "postfix/qmgr", ": removed", BL_POSTFIX_OTHER},
    {"an id without end", "postfix/qmgr", "0123456789012345678901234567890123456789: removed",
     BL_POSTFIX_OTHER},
    {"too short", "postfix/qmgr", "4A1B: r", BL_POSTFIX_OTHER},
    {"empty", "postfix/qmgr", "", BL_POSTFIX_OTHER},
    {"an unknown status", "postfix/smtp",
     "4A1B: to=<a@b>, relay=none, delay=1, dsn=2.0.0, status=teleported (x)", BL_POSTFIX_UNPARSED},
    {"no relay", "postfix/smtp", "4A1B: to=<a@b>, delay=1, dsn=2.0.0, status=sent (x)",
     BL_POSTFIX_UNPARSED},
    {"no end of the address", "postfix/smtp", "4A1B: to=<a@b", BL_POSTFIX_UNPARSED},
    {"cut in the fields", "postfix/smtp", "4A1B: to=<a@b>, relay=none, delay=1, dsn=2.0",
     BL_POSTFIX_UNPARSED},
    {"cut behind the relay", "postfix/smtp", "4A1B: to=<a@b>, relay=none", BL_POSTFIX_UNPARSED},
    {"cut in the status", "postfix/smtp", "4A1B: to=<a@b>, relay=none, delay=1, stat",
     BL_POSTFIX_UNPARSED},
    {"a sender cut short", "postfix/qmgr", "4A1B: from=<a@b", BL_POSTFIX_UNPARSED},
};

static void assert_text(bl_slice got, const char *want)
{
    assert_int_equal(got.n, want ? strlen(want) : 0);
    if (got.n)
        assert_memory_equal(got.p, want, got.n);
}

static enum bl_postfix_line read_body(const char *program, const char *body, bl_record *record,
                                      bl_reply *reply)
{
    bl_syslog head = {.time_us = 77,
                      .host = BL_SLICE_INIT("mta1"),
                      .program = guarded(program),
                      .body = guarded(body)};

    memset(record, 0xA5, sizeof *record); /* what is not written shows */
    memset(reply, 0xA5, sizeof *reply);
    return bl_postfix_read(&head, record, reply);
}

static void check(const struct want *want)
{
    bl_record record;
    bl_reply reply;
    char text[BL_STATUS_TEXT_MAX];

    print_message("%s\n", want->name);
    assert_int_equal(read_body(want->program, want->body, &record, &reply), want->line);
    assert_int_equal(record.time_us, 77);
    assert_int_equal(record.kind, want->kind);
    assert_int_equal(record.mta, BL_MTA_POSTFIX);
    assert_int_equal(record.outcome, want->outcome);
    assert_int_equal(record.flags, want->flags);
    assert_int_equal(record.phase, want->phase);
    assert_int_equal(record.code, want->code);
    bl_status_text(record.enhanced, text);
    assert_string_equal(text, want->enhanced ? want->enhanced : "");
    assert_int_equal(record.delay_ms,
                     want->delay_ms ? want->delay_ms
                     : want->kind == BL_RECORD_DELIVERY && strstr(want->body, "delay=0,") ? 0
                                                                                          : -1);
    assert_text(record.host, "mta1");
    assert_text(record.service, want->program);
    assert_text(record.queue_id, want->queue_id);
    assert_text(record.recipient, want->recipient);
    assert_text(record.orig_recipient, want->orig);
    assert_text(record.sender, want->sender);
    assert_text(record.peer_host, want->peer_host);
    assert_text(record.peer_ip, want->peer_ip);
    assert_text(record.text, want->text);
    assert_int_equal(record.key | record.key2 | record.provider | record.verdict.category |
                         record.verdict.rule,
                     0);
    if (want->outcome == BL_DEFERRED || want->outcome == BL_BOUNCED ||
        want->outcome == BL_REJECTED) {
        assert_int_equal(reply.code, want->code);
        assert_int_equal(reply.phase, want->phase);
        assert_text(reply.text, want->text);
        if (want->kind == BL_RECORD_DELIVERY)
            assert_text(reply.relay_host, want->peer_host);
    }
}

static void deliveries_are_walked_from_the_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(deliveries); i++)
        check(&deliveries[i]);
}

static void what_is_only_handed_on_is_no_delivery(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(handed); i++) {
        bl_record record;
        bl_reply reply;

        print_message("%s\n", handed[i].name);
        assert_int_equal(read_body(handed[i].program, handed[i].body, &record, &reply),
                         BL_POSTFIX_RECORD);
        assert_int_equal(record.outcome, handed[i].outcome);
    }
}

static void the_life_of_a_queue_id_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(lives); i++)
        check(&lives[i]);
}

static void refusals_at_our_own_door_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(rejects); i++)
        check(&rejects[i]);
}

static void other_lines_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(others); i++) {
        bl_record record;
        bl_reply reply;

        print_message("%s\n", others[i].name);
        assert_int_equal(read_body(others[i].program, others[i].body, &record, &reply),
                         others[i].line);
    }
}

/* Every prefix of every body, each byte changed into what could matter, at an unmapped page. */
static void a_body_may_be_cut_or_damaged_anywhere(void **state)
{
    static const char noise[] = "\"><, ;:[]=()\\\0\xff";
    const struct want *tables[] = {deliveries, lives, rejects};
    const size_t counts[] = {BL_COUNT(deliveries), BL_COUNT(lives), BL_COUNT(rejects)};

    (void)state;
    for (size_t t = 0; t < BL_COUNT(tables); t++) {
        for (size_t i = 0; i < counts[t]; i++) {
            const char *body = tables[t][i].body;
            size_t n = strlen(body);

            for (size_t k = 0; k <= n; k++) {
                char damaged[1024];
                bl_syslog head = {.host = BL_SLICE_INIT("h"),
                                  .program = BL_SLICE_INIT("postfix/smtp")};
                bl_record record;
                bl_reply reply;

                head.body = guarded_bytes(body, k);
                (void)bl_postfix_read(&head, &record, &reply);
                if (k == n)
                    break;
                memcpy(damaged, body, n);
                damaged[k] = noise[(k * 7 + i) % (sizeof noise - 1)];
                head.body = guarded_bytes(damaged, n);
                (void)bl_postfix_read(&head, &record, &reply);
            }
        }
    }
}

static void instance_and_domain_are_cut_out(void **state)
{
    (void)state;
    assert_text(bl_postfix_instance(BL_SLICE("postfix-out/submission/smtpd")), "postfix-out");
    assert_text(bl_postfix_instance(BL_SLICE("postfix")), "postfix");
    assert_text(bl_address_domain(BL_SLICE("a@b@c.example")), "c.example");
    assert_text(bl_address_domain(BL_SLICE("root")), NULL);
    assert_text(bl_address_domain(BL_SLICE("a@")), NULL);
    assert_text(bl_address_domain((bl_slice){NULL, 0}), NULL);
    assert_string_equal(bl_outcome_name(BL_DELIVERED), "delivered");
    assert_string_equal(bl_outcome_name(BL_DISCARDED), "discarded");
    assert_string_equal(bl_outcome_name(BL_OUTCOMES), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deliveries_are_walked_from_the_left),
        cmocka_unit_test(what_is_only_handed_on_is_no_delivery),
        cmocka_unit_test(the_life_of_a_queue_id_is_read),
        cmocka_unit_test(refusals_at_our_own_door_are_read),
        cmocka_unit_test(other_lines_are_told_apart),
        cmocka_unit_test(a_body_may_be_cut_or_damaged_anywhere),
        cmocka_unit_test(instance_and_domain_are_cut_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
