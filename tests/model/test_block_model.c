/* ctest: label=quick timeout=300
 *
 * A block three ways: with the widest windows the processor has, with the ordinary ones, and line
 * by line with a reader that remembers nothing, each line at an unmapped page.  The records must be
 * the same to the byte, also for lines that are damaged, cut, or nothing.
 *
 * Negative control: a_difference_is_seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../core/parse/block_read.h"
#include "bounceline/exim.h"
#include "guarded.h"

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

#define PICK(array) ((array)[draw(BL_COUNT(array))])

static const char *const stamps[] = {"Nov 22 05:03:37",
                                     "Nov 22 05:03:37",
                                     "Nov 22 05:03:37",
                                     "Nov 22 05:03:38",
                                     "Nov  2 05:03:38",
                                     "2026-11-22T05:03:37.532042+00:00",
                                     "2026-11-22T05:03:37.100000+00:00",
                                     "2026-11-22T05:03:37.999999+00:00",
                                     "2026-11-22T05:03:37.9+0100",
                                     "2026-11-22T05:03:37Z",
                                     "<22>Nov 22 05:03:37",
                                     "2026-11-22 05:03:37"};
static const char *const exim_heads[] = {"2026-11-22 05:03:37 ",
                                         "2026-11-22 05:03:37 ",
                                         "2026-11-22 05:03:38.125 ",
                                         "2026-11-22 05:03:38.125 +0100 ",
                                         "2026-11-22 05:03:37 -0530 [1234] ",
                                         "2026-11-22 05:03:37 [1234] ",
                                         "Nov 22 05:03:37 mta1 exim[1382]: ",
                                         "Nov 22 05:03:37 mta1 exim[1382]: [1382] ",
                                         "Nov 22 05:03:37 mta1 exim-out: 2026-11-22 05:03:37.125 ",
                                         "Nov 22 05:03:37 mta1 exim[1382]: [1/2] ",
                                         "Nov 22 05:03:37 mta1 exim[1382]: [2/2] ",
                                         "Nov 22 05:03:37 mta1 exim[1382]: [1\\14] ",
                                         "<22>1 2026-11-22T05:03:37Z mta1 exim 1382 - -  ",
                                         "<22>1 2026-11-22T05:03:37Z mta1 exim4 1382 - - [1/2] "};
static const char *const exim_bodies[] = {
    "1xUzl1-0000Ab-1l <= s@a.example H=app.a.example (app) [192.0.2.200] P=esmtpsa A=plain:u@a.example "
    "S=2917 id=17@a.example T=\"x\" from <s@a.example> for a@b.example",
    "1xUzl1-0000Ab-1l <= <> R=1xUzl1-0000Ab-1l U=Debian-exim P=local S=3315",
    "1xUzq5-000000000yo-3zGH => a@b.example R=dns T=remote_smtp H=mx.b.example [192.0.2.1] "
    "X=TLS1.3:X:256 CV=no DN=\"CN=mx: b\" C=\"250 2.0.0 Ok: queued as 1\" QT=1m5s DT=0.044s",
    "1xUzq5-000000000yo-3zGH -> a@b.example <List@a.example> F=<s@a.example> R=dns T=smtp S=5 "
    "H=127.0.0.1 [127.0.0.1]:25 I=[192.0.2.1]:999 C=\"250-a\\\\n250 \\\"b\\\"\"",
    "1xUzl1-0000Ab-1l >> a@b.example R=dns T=remote_smtp H=mx.b.example [192.0.2.1]",
    "1xUzl1-0000Ab-1l => x <v@b.example> R=d@m.example <\"x <v@b.example> R=d\"@m.example> R=dns T=s",
    "1xUzl1-0000Ab-1l ** a@b.example R=dns T=remote_smtp H=aspmx.l.google.com [192.0.2.1]: SMTP error "
    "from remote mail server after RCPT TO:<a@b.example>: 550-5.1.1 The account that you tried to reach "
    "does not exist.\\n550 5.1.1 \\303\\274 DT=0.063s",
    "1xUzl1-0000Ab-1l == a@b.example R=dns T=remote_smtp defer (110): Connection timed out H=m.example "
    "[192.0.2.1]:25 DT=5s: SMTP timeout after initial connection",
    "1xUzl1-0000Ab-1l == a@b.example routing defer (-52): retry time not reached",
    "1xUzl1-0000Ab-1l ** a@b.example: retry timeout exceeded",
    "1xUzl1-0000Ab-1l == what is this",
    "1xUzl1-0000Ab-1l Completed QT=1s",
    "1xUzl1-0000Ab-1l Message is frozen",
    "1xUzl1-0000Ab-1l postfix/smtp[7]: 4B2: removed",
    "H=h.c.example (c) [192.0.2.9]:53 F=<\"a> rejected\"@c.example> rejected RCPT <x@a.example>: relay not "
    "permitted",
    "H=[192.0.2.9] temporarily rejected connection in \"connect\" ACL: wait",
    "rejected EHLO from H=[192.0.2.9]: syntactically invalid argument(s): x",
    "[1/2] 1xUzl1-0000Ab-1l Completed",
};
static const char *const ietf[] = {"<22>1 2026-11-22T05:03:37.532042+00:00",
                                   "<22>1 2026-11-22T05:03:37.532043+00:00",
                                   "<22>1 -",
                                   "<20>1 2026-11-22T05:03:37Z",
                                   "<13>1 2026-11-22T05:03:37Z",
                                   "<134>1 2026-11-22T05:03:37Z"};
static const char *const ietf_ends[] = {"1382 - -  ", "1 - - ", "- - - \xEF\xBB\xBF",
                                        "1 id [a b=\"\\]\"][c] ", "1 - [a"};
static const char *const hosts[] = {"mta1",
                                    "mta1",
                                    "mta1",
                                    "m",
                                    "mail.very-long-name-of-a-host.with.many.labels.example.org",
                                    "mta1.lab.example"};
static const char *const programs[] = {"postfix/smtp",
                                       "postfix/smtp",
                                       "postfix/qmgr",
                                       "postfix/smtpd",
                                       "postfix-out/relay/smtp",
                                       "postfix/submission/smtpd",
                                       "postfix-170.55.103.23/cleanup",
                                       "postfix",
                                       "exim",
                                       "/",
                                       "postfix/lmtp",
                                       "postfix/local"};
static const char *const tag_ends[] = {"[1382]: ", "[1382]: ", "[7]: ", "[1382] ",
                                       ": ",       " ",        "[13",   "[1382]:  "};
static const char *const bodies[] = {
    "connect from h[192.0.2.9]",
    "disconnect from h.c.example[192.0.2.9] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
    "4A1B: client=h.c.example[192.0.2.9], sasl_method=PLAIN, sasl_username=u@a.example",
    "4A1B: client=unknown[192.0.2.9]",
    "4jXH6151s8z1csJY: uid=0 from=<cron@a.example>",
    "4A1B: message-id=<20261122050337.5C26DA9CC4E@mta1.lab.example>",
    "4A1B: from=<s@a.example>, size=279, nrcpt=1 (queue active)",
    "4A1B: from=<>, size=279, nrcpt=1 (queue active)",
    "4A1B: from=<\"odd, >sender\"@a.example>, size=279, nrcpt=1 (queue active)",
    "4A1B: from=<s@a.example>, status=expired, returned to sender",
    "4jXH6151s8z1csJY: removed",
    "4A1B: removed",
    "4A1B: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=0.11, delays=0.06/0/0/0.05, "
    "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 1)",
    "4A1B: to=<a@b.example>, relay=aspmx.l.google.com[192.0.2.1]:25, conn_use=2, delay=12, "
    "delays=10/0/2/0, dsn=5.1.1, status=bounced (host "
    "aspmx.l.google.com[192.0.2.1] said: 550-5.1.1 The email account that you tried to reach does "
    "not exist. 550 5.1.1 try again "
    "(in reply to RCPT TO command))",
    "4A1B: to=<\"to=john, status=sent 612\"@shop.example>, relay=none, delay=57, delays=55/0/2/0, "
    "dsn=4.4.3, status=deferred (Host or "
    "domain name not found. Name service error for name=shop.example type=MX: Host not found, try "
    "again)",
    "4A1B: to=<a@b.example>, orig_to=<root>, relay=local, delay=0.24, delays=0.09/0.15/0/0, "
    "dsn=2.0.0, status=sent (forwarded as 4C2D)",
    "4A1B: to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=undeliverable (x)",
    "NOQUEUE: reject: RCPT from h[192.0.2.9]: 550 5.1.1 <x@a.example>: Recipient address rejected: "
    "User unknown; from=<s@c.example> "
    "to=<x@a.example> proto=ESMTP helo=<h>",
    "4A1B: reject: header Subject: x from h[192.0.2.9]; from=<s@c> to=<x@a> proto=ESMTP helo=<h>: "
    "5.7.1 not here",
    "4A1B: milter-reject: END-OF-MESSAGE from h[192.0.2.9]: 4.7.1 later; from=<s@c> to=<x@a> "
    "proto=ESMTP helo=<h>",
    "warning: 4A1B: removed",
    "4A1B: to=a@b.example, orig_to=root, relay=local, delay=0.24, dsn=2.0.0, status=sent (x)",
    "4A1B: from=s@a.example, size=279, nrcpt=1 (queue active)",
    "message repeated 4 times: [ NOQUEUE: reject: CONNECT from h[192.0.2.9]: 554 5.7.1 no; proto=SMTP]",
    "[ID 197553 mail.info] 4A1B: removed",
    "warning: Illegal address syntax from h[192.0.2.9] in RCPT command: <-x@a>",
    "proxy-reject: END-OF-MESSAGE: 554 5.7.0 no; from=<s@c> to=<x@a> proto=SMTP helo=<h>",
    "NOQUEUE: reject: VRFY from h[192.0.2.9]: 550 5.1.1 <x@a>: no; to=<x@a> proto=SMTP helo=<me>",
    "4A1B: host m[192.0.2.1] said: 451 4.7.1 wait (in reply to RCPT TO command)",
    "",
};

/* `journalctl -o json`; all the bytes that it escapes, escaped. */
static size_t make_json(char *out, size_t room)
{
    const char *body = PICK(bodies);
    char escaped[1024];
    size_t n = 0;

    for (; *body && n + 8 < sizeof escaped; body++) {
        if (*body == '"' || *body == '\\')
            escaped[n++] = '\\';
        if (*body == '<')
            n += (size_t)snprintf(escaped + n, 8, "\\u003c");
        else
            escaped[n++] = *body;
    }
    escaped[n] = '\0';
    if (draw(2))
        return (size_t)snprintf(
            out, room,
            "{\"MESSAGE\":\"%s\",\"_HOSTNAME\":\"%s\",\"SYSLOG_IDENTIFIER\":\"%s\","
            "\"__REALTIME_TIMESTAMP\":\"1795323817532042\"}",
            escaped, PICK(hosts), PICK(programs));
    return (size_t)snprintf(
        out, room,
        "{ \"X\" : [1, 2], \"MESSAGE\" : \"%s\", \"_HOSTNAME\" : [\"%s\",\"b\"], "
        "\"N\" : null, \"SYSLOG_IDENTIFIER\" : \"%s\", "
        "\"__REALTIME_TIMESTAMP\" : \"1795323817532042\", \"SYSLOG_FACILITY\":\"2\" }",
        escaped, PICK(hosts), PICK(programs));
}

/* One line, whole or with some bytes changed, inserted or cut. */
static size_t make_line(char *out, size_t room)
{
    static const char odd[] = "\"\"><,;:[]()=\\/ \t\r\xff@.ZaF0";
    size_t n = draw(3) == 0
                   ? (size_t)snprintf(out, room, "%s%s", PICK(exim_heads), PICK(exim_bodies))
               : draw(4) ? (size_t)snprintf(out, room, "%s %s %s%s%s", PICK(stamps), PICK(hosts),
                                            PICK(programs), PICK(tag_ends), PICK(bodies))
                         : (size_t)snprintf(out, room, "%s %s %s %s%s", PICK(ietf), PICK(hosts),
                                            PICK(programs), PICK(ietf_ends), PICK(bodies));

    if (draw(8) == 0)
        n = make_json(out, room);
    if (draw(3) == 0) {
        for (uint32_t k = draw(4); k > 0 && n > 0; k--)
            out[draw((uint32_t)n)] = odd[draw(sizeof odd - 1)];
        if (draw(3) == 0)
            n = draw((uint32_t)n + 1);
        if (draw(4) == 0 && n + 100 < room) { /* fields move away from their usual places */
            size_t at = draw((uint32_t)n + 1), more = draw(100);

            memmove(out + at + more, out + at, n - at);
            memset(out + at, draw(2) ? 'x' : ' ', more);
            n += more;
        }
    }
    if (draw(10) == 0) { /* a hole, mostly in front of it */
        size_t at = draw(3) ? 0 : draw((uint32_t)n + 1), more = 1 + draw(draw(4) ? 20 : 700);

        memmove(out + at + more, out + at, n - at);
        memset(out + at, 0, more);
        n += more;
    }
    if (draw(20) == 0)
        out[n++] = '\r';
    out[n++] = '\n';
    return n;
}

static void make_block(struct bl_block *block)
{
    size_t target = 1 + draw(draw(4) ? 60000 : BL_BLOCK_BYTES - 4096);

    block->n = 0;
    while (block->n < target)
        block->n += make_line(block->bytes + block->n, 2048);
    block->n -= draw(3) == 0; /* the last newline may be missing */
    /* what windows see behind it must not matter */
    memset(block->bytes + block->n, draw(2) ? ' ' : ']', BL_BLOCK_SLACK);
    block->reference_s = 1795323817;
}

/* -- comparing -------------------------------------------------------------------------------- */

static bool same_slice(bl_slice a, const char *a_base, bl_slice b, const char *b_base)
{
    return a.n == b.n && (a.n == 0 || a.p - a_base == b.p - b_base);
}

/* Records point into the block's bytes, those of JSON lines into respelled. */
static const char *base_of(const struct bl_block *block, bl_slice s)
{
    return s.p >= block->respelled && s.p <= block->respelled + BL_RESPELLED_BYTES
               ? block->respelled
               : block->bytes;
}

static bool same_record(const bl_record *a, const char *a_base, const bl_record *b,
                        const char *b_base)
{
    const bl_slice *x[] = {&a->host,      &a->service,        &a->queue_id,
                           &a->recipient, &a->orig_recipient, &a->sender,
                           &a->peer_host, &a->peer_ip,        &a->text};
    const bl_slice *y[] = {&b->host,      &b->service,        &b->queue_id,
                           &b->recipient, &b->orig_recipient, &b->sender,
                           &b->peer_host, &b->peer_ip,        &b->text};

    /* Exim's texts may have been respelled, so they stand elsewhere. */
    for (size_t i = 0; i < BL_COUNT(x); i++)
        if (a->mta == BL_MTA_EXIM ? !bl_slice_eq(*x[i], *y[i])
                                  : !same_slice(*x[i], a_base, *y[i], b_base))
            return false;
    return a->key == b->key && a->key2 == b->key2 && a->time_us == b->time_us &&
           (!(a->flags & BL_RECORD_REPEATED) || a->repeats == b->repeats) && a->kind == b->kind &&
           a->mta == b->mta && a->outcome == b->outcome && a->flags == b->flags &&
           a->phase == b->phase && a->sending_gap == b->sending_gap && a->code == b->code &&
           a->provider == b->provider && bl_status_eq(a->enhanced, b->enhanced) &&
           a->delay_ms == b->delay_ms && memcmp(&a->verdict, &b->verdict, sizeof a->verdict) == 0;
}

/* The plain reader: public functions, a fresh stamper, a copy of the line. */
/* A delivery in an envelope that is not read here. */
static enum bl_postfix_line without_head(bl_slice line)
{
    size_t n = line.n < 2048 ? line.n : 2048;

    for (size_t to = 0; to + 6 <= n; to++)
        if (memcmp(line.p + to, " to=<", 5) == 0)
            for (size_t status = to; status + 8 <= n; status++)
                if (memcmp(line.p + status, " status=", 8) == 0)
                    return BL_POSTFIX_UNPARSED;
    return BL_POSTFIX_NOT;
}

static enum bl_postfix_line read_exim_alone(const struct bl_rules *rules, const bl_syslog *head,
                                            bl_record *record)
{
    static char bytes[1 << 16]; /* the record's texts stay valid until the next line */
    bl_exim_room room = {.p = bytes, .left = sizeof bytes};
    bl_reply reply;

    switch (bl_exim_read(head, &room, record, &reply)) {
    case BL_EXIM_OTHER:
        return BL_POSTFIX_OTHER;
    case BL_EXIM_UNPARSED:
        return BL_POSTFIX_UNPARSED;
    case BL_EXIM_RECORD:
        break;
    }
    bl_record_set_key(record, bl_record_seed(head->host, head->program));
    if (record->kind == BL_RECORD_DELIVERY)
        record->provider = bl_rules_provider(rules, record->peer_host);
    if (bl_exim_is_failure(record))
        record->verdict = bl_classify(rules, &reply);
    return BL_POSTFIX_RECORD;
}

static bool is_exims(bl_slice program)
{
    return bl_exim_is_program(program) && !bl_slice_starts(program, BL_SLICE("postfix")) &&
           bl_slice_find_byte(program, '/') == program.n;
}

static enum bl_postfix_line read_alone(const struct bl_rules *rules, bl_slice line,
                                       bl_record *record, uint64_t *unparsed)
{
    static char text[BL_BLOCK_BYTES + BL_BLOCK_SLACK];
    struct bl_stamper stamper;
    enum bl_postfix_line kind;
    size_t text_n;
    bl_syslog head;
    bl_reply reply;

    bl_stamper_init(&stamper, NULL);
    bl_stamper_refer(&stamper, 1795323817);
    if (bl_exim_head(line, &stamper, &head))
        return read_exim_alone(rules, &head, record);
    if (!bl_syslog_read(line, &stamper, &head) && !bl_journal_read(line, text, &text_n, &head)) {
        const char *nul = line.n ? memrchr(line.p, 0, line.n) : NULL;

        if (nul && line.p[0] == 0)
            return read_alone(rules, bl_slice_drop(line, 1), record, unparsed);
        if (!nul)
            return without_head(line);
        *unparsed +=
            without_head(bl_slice_head(line, (size_t)(nul - line.p))) == BL_POSTFIX_UNPARSED;
        return read_alone(rules, bl_slice_drop(line, (size_t)(nul - line.p) + 1), record, unparsed);
    }
    if (is_exims(head.program))
        return read_exim_alone(rules, &head, record);
    kind = bl_postfix_read(&head, record, &reply);
    if (kind != BL_POSTFIX_RECORD)
        return kind;
    bl_record_set_key(record, bl_record_seed(head.host, bl_postfix_instance(head.program)));
    if (record->kind == BL_RECORD_DELIVERY)
        record->provider = bl_rules_provider(rules, record->peer_host);
    if ((record->kind == BL_RECORD_DELIVERY || record->kind == BL_RECORD_REJECT) &&
        (record->outcome == BL_DEFERRED || record->outcome == BL_BOUNCED ||
         record->outcome == BL_REJECTED))
        record->verdict = bl_classify(rules, &reply);
    return kind;
}

static void compare_alone(const struct bl_rules *rules, const struct bl_block *block)
{
    uint64_t unparsed = 0, lines = 0;
    size_t next = 0;

    for (size_t at = 0; at < block->n; lines++) {
        bl_slice rest = {block->bytes + at, block->n - at};
        size_t n = bl_slice_find_byte(rest, '\n');
        bl_slice copy = guarded_bytes(rest.p, n);
        bl_record record;
        bl_slice alone = bl_slice_head(copy, n - (n && copy.p[n - 1] == '\r'));
        enum bl_postfix_line kind = read_alone(rules, alone, &record, &unparsed);

        unparsed += kind == BL_POSTFIX_UNPARSED;
        if (kind == BL_POSTFIX_RECORD) {
            assert_true(next < block->records_n);
            /* then host is where its text begins */
            bool json = record.host.p < copy.p || record.host.p > copy.p + n;
            const bl_record *other = &block->records[next];

            if (!same_record(&record, json ? record.host.p : copy.p, other,
                             json ? other->host.p : rest.p)) {
                print_message("%.*s\n", (int)n, rest.p);
                fail_msg("read otherwise in a block");
            }
            next++;
        }
        at += n + 1;
    }
    assert_int_equal(next, block->records_n);
    assert_int_equal(unparsed, block->unparsed);
    assert_int_equal(lines, block->lines);
}

static void a_block_is_read_as_its_lines_are_alone(void **state)
{
    const struct bl_rules *rules = bl_rules_builtin();
    struct bl_block *wide = bl_block_new(), *plain = bl_block_new();
    struct bl_worker *wide_worker = bl_worker_new(NULL), *plain_worker = bl_worker_new(NULL);
    const char *rounds = getenv("BL_ROUNDS");
    size_t records = 0, unparsed = 0;

    (void)state;
    plain_worker->plain = true;
    for (int round = 0; round < (rounds ? atoi(rounds) : 60); round++) {
        seed = (uint64_t)round * 1000003 + 17;
        make_block(wide);
        memcpy(plain->bytes, wide->bytes, wide->n + BL_BLOCK_SLACK);
        plain->n = wide->n;
        plain->reference_s = wide->reference_s;
        bl_block_parse(wide_worker, rules, wide);
        bl_block_parse(plain_worker, rules, plain);
        assert_int_equal(wide->records_n, plain->records_n);
        assert_int_equal(wide->lines, plain->lines);
        assert_int_equal(wide->unparsed, plain->unparsed);
        assert_int_equal(wide->samples, plain->samples);
        for (size_t i = 0; i < wide->samples; i++)
            assert_true(same_slice(wide->sample[i], base_of(wide, wide->sample[i]),
                                   plain->sample[i], base_of(plain, plain->sample[i])));
        for (size_t i = 0; i < wide->records_n; i++)
            assert_true(same_record(&wide->records[i], base_of(wide, wide->records[i].service),
                                    &plain->records[i], base_of(plain, plain->records[i].service)));
        compare_alone(rules, wide);
        records += wide->records_n;
        unparsed += wide->unparsed;
    }
    print_message("%zu records, %zu unparsed lines\n", records, unparsed);
    assert_true(records > 1000 && unparsed > 10);
    bl_worker_free(wide_worker);
    bl_worker_free(plain_worker);
    bl_block_free(wide);
    bl_block_free(plain);
}

/* As join.h has it. */
static bool is_passed_over(const bl_record *record, unsigned shown)
{
    if (record->kind == BL_RECORD_OPEN)
        return !(shown & BL_SHOWS_CLIENTS) && !(record->flags & BL_RECORD_HAS_SENDER);
    return record->kind == BL_RECORD_MESSAGE_ID && !(shown & BL_SHOWS_MESSAGE_IDS);
}

/* The next one that is not, or records_n. */
static size_t next_taken(const struct bl_block *block, size_t at, unsigned shown)
{
    while (at < block->records_n && is_passed_over(&block->records[at], shown))
        at++;
    return at;
}

/* Returns how many records fewer there are. */
static size_t compare_shown(struct bl_worker *all, struct bl_block *whole, bool plain,
                            unsigned shown)
{
    struct bl_block *part = bl_block_new();
    struct bl_worker *worker = bl_worker_new_showing(NULL, shown);
    size_t a = 0, b = 0, fewer;

    worker->plain = plain;
    memcpy(part->bytes, whole->bytes, whole->n + BL_BLOCK_SLACK);
    part->n = whole->n;
    part->reference_s = whole->reference_s;
    bl_block_parse(all, bl_rules_builtin(), whole);
    bl_block_parse(worker, bl_rules_builtin(), part);
    assert_int_equal(whole->lines, part->lines);
    assert_int_equal(whole->unparsed, part->unparsed);
    assert_int_equal(whole->headless, part->headless);
    for (;; a++, b++) {
        a = next_taken(whole, a, shown);
        b = next_taken(part, b, shown);
        if (a == whole->records_n || b == part->records_n)
            break;
        assert_true(same_record(&whole->records[a], base_of(whole, whole->records[a].service),
                                &part->records[b], base_of(part, part->records[b].service)));
    }
    assert_int_equal(a, whole->records_n);
    assert_int_equal(b, part->records_n);
    fewer = whole->records_n - part->records_n;
    bl_worker_free(worker);
    bl_block_free(part);
    return fewer;
}

/* Of a worker that shows less nothing is missing but what the join passes over.  Negative control:
 * with `removed` left unread as well, this fails. */
static void what_is_not_shown_need_not_be_read(void **state)
{
    static const unsigned shown[] = {0, BL_SHOWS_MESSAGE_IDS, BL_SHOWS_CLIENTS, BL_SHOWS_ALL};
    struct bl_block *block = bl_block_new();
    struct bl_worker *worker = bl_worker_new(NULL);
    size_t fewer[BL_COUNT(shown)] = {0};

    (void)state;
    for (uint64_t round = 0; round < 40; round++) {
        seed = round * 1000003 + 29;
        make_block(block);
        for (size_t i = 0; i < BL_COUNT(shown); i++)
            fewer[i] += compare_shown(worker, block, round % 2, shown[i]);
    }
    print_message("%zu, %zu, %zu, %zu records fewer\n", fewer[0], fewer[1], fewer[2], fewer[3]);
    assert_true(fewer[1] > 50 && fewer[2] > 50);
    assert_int_equal(fewer[0], fewer[1] + fewer[2]);
    assert_int_equal(fewer[3], 0);
    bl_worker_free(worker);
    bl_block_free(block);
}

static void a_difference_is_seen(void **state)
{
    struct bl_block *block = bl_block_new();
    struct bl_worker *worker = bl_worker_new(NULL);
    bl_record other;

    (void)state;
    seed = 4;
    do {
        make_block(block);
        bl_block_parse(worker, bl_rules_builtin(), block);
    } while (block->records_n == 0);
    other = block->records[0];
    assert_true(same_record(&other, block->bytes, &block->records[0], block->bytes));
    other.service.n--;
    assert_false(same_record(&other, block->bytes, &block->records[0], block->bytes));
    other = block->records[0];
    other.key2 ^= 1;
    assert_false(same_record(&other, block->bytes, &block->records[0], block->bytes));
    other = block->records[0];
    other.verdict.rule++;
    assert_false(same_record(&other, block->bytes, &block->records[0], block->bytes));
    bl_worker_free(worker);
    bl_block_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_read_as_its_lines_are_alone),
        cmocka_unit_test(what_is_not_shown_need_not_be_read),
        cmocka_unit_test(a_difference_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
