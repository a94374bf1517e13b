/* log_lines.h -- random lines of Postfix and Exim over few ids, as a syslogd writes them, among
 * them everything that is understood only with another line: arrivals and cut-through deliveries
 * before them, records in pieces, repetitions, recipients that are given up because of an earlier
 * reply; here and there behind a hole */
#ifndef BL_TEST_LOG_LINES_H
#define BL_TEST_LOG_LINES_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LOG_LINE_MAX = 5000, LOG_HOLE_MAX = 5000, LOG_PROCESSES = 3 };

struct log_lines {
    uint64_t random;
    unsigned clock;
    unsigned next_piece[LOG_PROCESSES]; /* of the record that the process is writing; 0: none */
    char *text;
    size_t n, cap; /* of text; a line is LOG_LINE_MAX at most, behind a hole of LOG_HOLE_MAX */
};

static inline unsigned log_pick(struct log_lines *log, unsigned n)
{
    log->random = log->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(log->random >> 33) % n;
}

__attribute__((format(printf, 3, 4))) static inline void log_put(struct log_lines *log,
                                                                 const char *tag,
                                                                 const char *format, ...)
{
    va_list args;

    if (log->cap - log->n < LOG_HOLE_MAX + LOG_LINE_MAX + 64)
        return;
    log->clock += log_pick(log, 2);
    if (log_pick(log, 30) == 0) {
        size_t hole = 1 + log_pick(log, log_pick(log, 2) ? 20 : LOG_HOLE_MAX);

        memset(log->text + log->n, 0, hole);
        log->n += hole;
    }
    log->n += (size_t)sprintf(log->text + log->n, "Nov 22 %02u:%02u:%02u %s ",
                              log->clock / 3600 % 24, log->clock / 60 % 60, log->clock % 60, tag);
    va_start(args, format);
    log->n += (size_t)vsnprintf(log->text + log->n, LOG_LINE_MAX, format, args);
    va_end(args);
    log->text[log->n++] = '\n';
}

#define LOG_MX    "R=dns T=remote_smtp H=mx.d.example [192.0.2.1]"
#define LOG_RELAY "relay=mx.d.example[192.0.2.1]:25, delay=1, delays=0/0/0/1"

/* A record in two to four pieces, one more of them with each call; here and there one is lost or
 * out of turn. */
static inline void log_put_piece(struct log_lines *log, unsigned process, unsigned id, unsigned who)
{
    static const char *const parts[] = {"SMTP error from remote mail server after RC",
                                        "PT TO:<x@d.example>: 550-5.1.1 no",
                                        " such user\\n550 5.1.1 here"};
    unsigned *next = &log->next_piece[process], of = 2 + process % 3;
    char tag[32];

    snprintf(tag, sizeof tag, "mta1 exim[%u]:", 70 + process);
    if (*next == 0 || log_pick(log, 30) == 0) {
        log_put(log, tag, "[1/%u] 1xUz%02u-0000Ab-0d ** piece%u@d.example " LOG_MX ": ", of, id,
                who);
        *next = 2;
        return;
    }
    if (log_pick(log, 30) == 0)
        ++*next;
    if (*next <= of)
        log_put(log, tag, "[%u/%u] %s", *next, of,
                of == 2 ? "SMTP error from remote mail server after RCPT TO:<x@d.example>: "
                          "550 5.1.1 no such user"
                        : parts[(*next - 2) % 3]);
    *next = *next >= of ? 0 : *next + 1;
}

static inline void log_put_exim(struct log_lines *log, unsigned ids)
{
    unsigned id = log_pick(log, ids), who = log_pick(log, 2);
    const char *tag = "mta1 exim[60]:";

    switch (log_pick(log, 18)) {
    case 17:
        log_put(
            log, tag,
            "H=h [192.0.2.7] F=<e%u@b.example> rejected RCPT <again%u@d.example>: relay not permitted",
            id, who);
        break;
    case 0:
    case 1:
        log_put(
            log, tag,
            "1xUz%02u-0000Ab-0d <= e%u@s.example H=app.s.example [192.0.2.9] P=esmtpsa A=plain:u%u S=9 id=%u@s.example",
            id, who, id, log_pick(log, 99));
        break;
    case 2:
    case 3:
        log_put(log, tag, "1xUz%02u-0000Ab-0d >> held%u@d.example " LOG_MX " C=\"250 ok\"", id,
                who);
        break;
    case 4:
        log_put(log, tag, "1xUz%02u-0000Ab-0d => exim%u@d.example " LOG_MX " C=\"250 ok\"", id,
                who);
        break;
    case 5:
    case 6:
    case 12:
        log_put(
            log, tag,
            "1xUz%02u-0000Ab-0d == exim%u@d.example R=dns T=remote_smtp defer (-44) H=mx.d.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<exim%u@d.example>: 452 4.2.2 Mailbox full %u",
            id, who, who, log_pick(log, 99));
        break;
    case 7:
        log_put(
            log, tag,
            "1xUz%02u-0000Ab-0d == exim%u@d.example routing defer (-52): retry time not reached",
            id, who);
        break;
    case 8:
    case 11:
        log_put(log, tag, "1xUz%02u-0000Ab-0d ** exim%u@d.example: retry timeout exceeded", id,
                who);
        break;
    case 9:
        log_put(log, tag, "1xUz%02u-0000Ab-0d Completed", id);
        break;
    case 10:
        log_put(
            log, tag,
            "[1\\14] 1xUz%02u-0000Ab-0d H=app.s.example [192.0.2.9] F=<e%u@s.example> rejected after DATA: no",
            id, who);
        break;
    default:
        log_put_piece(log, log_pick(log, LOG_PROCESSES), id, who);
        break;
    }
}

static inline void log_put_postfix(struct log_lines *log, unsigned ids)
{
    unsigned id = 0xA0000 + log_pick(log, ids), who = log_pick(log, 5);
    const char *smtp = "mta1 postfix/smtp[7]:", *qmgr = "mta1 postfix/qmgr[7]:";

    switch (log_pick(log, 12)) {
    case 0:
        log_put(log, "mta1 postfix/smtpd[7]:", "%05X: client=app[192.0.2.9]", id);
        break;
    case 1:
        log_put(log, "mta1 postfix/cleanup[7]:", "%05X: message-id=<%u@s.example>", id,
                log_pick(log, 3));
        break;
    case 2:
    case 3:
        log_put(log, qmgr, "%05X: from=<s%u@s.example>, size=9, nrcpt=2 (queue active)", id,
                log_pick(log, 2));
        break;
    case 4:
        log_put(
            log, smtp,
            "%05X: to=<pf%u@d.example>, " LOG_RELAY
            ", dsn=5.1.1, status=bounced (host mx.d.example[192.0.2.1] said: 550 5.1.1 user unknown (in reply to RCPT TO command))",
            id, who);
        break;
    case 5:
    case 6:
        log_put(
            log, smtp,
            "%05X: to=<pf%u@d.example>, " LOG_RELAY
            ", dsn=4.2.2, status=deferred (host mx.d.example[192.0.2.1] said: 452 4.2.2 mailbox full %u (in reply to RCPT TO command))",
            id, who, log_pick(log, 99));
        break;
    case 7:
        log_put(log, smtp,
                "%05X: to=<pf%u@d.example>, " LOG_RELAY ", dsn=2.0.0, status=sent (250 ok)", id,
                who);
        break;
    case 8:
    case 9:
        log_put(log, qmgr, "%05X: from=<s%u@s.example>, status=expired, returned to sender", id,
                log_pick(log, 2));
        break;
    case 10:
        log_put(log, qmgr, "%05X: removed", id);
        break;
    default:
        log_put(
            log, "mta1 postfix/smtpd[7]:",
            "NOQUEUE: reject: RCPT from h[192.0.2.7]: 554 5.7.1 <o@d.example>: Relay access denied; from=<b%u@b.example> to=<o@d.example> proto=ESMTP helo=<b>",
            who);
        break;
    }
}

/* Repetitions of what stands before; between them lines of nobody, some so long that it is out of
 * reach. */
static inline void log_put_repetition(struct log_lines *log, unsigned ids)
{
    unsigned id = 0xA0000 + log_pick(log, ids), who = log_pick(log, 5);

    switch (log_pick(log, 10)) {
    case 8:
        log_put(
            log, "mta1 exim[60]:",
            "message repeated 2 times: [ 1xUz%02u-0000Ab-0d == bracket%u@d.example R=dns T=remote_smtp defer (-44) H=mx.d.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<x@d.example>: 452 4.2.2 Mailbox full]",
            id % 10, who);
        break;
    case 9:
        log_put(
            log, "mta1 exim:",
            "Last message 'H=h [192.0.2.7] F=<e' repeated 2 times, suppressed by syslog-ng on mta1");
        break;
    case 0:
        log_put(
            log, "mta1 postfix/smtp[7]:",
            "message repeated 2 times: [ %05X: to=<twice%u@d.example>, " LOG_RELAY
            ", dsn=4.2.2, status=deferred (host mx.d.example[192.0.2.1] said: 452 4.2.2 mailbox full (in reply to RCPT TO command))]",
            id, who);
        break;
    case 1:
        log_put(log, "mta2", "last message repeated 7 times");
        break;
    case 2:
        log_put(log, "mta1 kernel:", "%*s", 3200 + (int)log_pick(log, 900), "x");
        break;
    default:
        log_put(log, "mta1", "last message repeated %u times", 1 + log_pick(log, 3));
        break;
    }
}

/* Some line; `ids` of either program are used again and again. */
static inline void log_put_any(struct log_lines *log, unsigned ids)
{
    unsigned kind = log_pick(log, 10);

    if (kind < 5)
        log_put_exim(log, ids);
    else if (kind < 8)
        log_put_postfix(log, ids);
    else
        log_put_repetition(log, ids);
}

#endif
