/* postfix.c -- what Postfix prints
 *
 * Most lines of a mail log say nothing about a delivery, so a line is judged by the fewest bytes that
 * can decide: all that matter begin `QID: ` and one of a few words.
 *
 * A delivery line is walked from the left, field by field, in the order Postfix prints them; addresses
 * and replies are in strangers' hands and may hold anything, `, status=sent (250` for one.
 */
#include "bounceline/postfix.h"

#include "bounceline/reply.h"
#include "window.h"

enum {
    QID_MAX = 24,         /* long ids have up to 20 digits */
    QUOTE_TRIES = 16      /* quotes that do not close as quotes; then they are ordinary bytes */
};

static bool is_postfix(bl_slice program)
{
    return bl_slice_starts(program, BL_SLICE("postfix")) || bl_window_find(program, '/') < program.n;
}

bl_slice bl_postfix_instance(bl_slice program)
{
    return bl_slice_head(program, bl_window_find(program, '/'));
}

/* The last component: what lies between is a label and may look like an agent (`tlsproxy/error`). */
static bl_slice agent_of(bl_slice program)
{
    size_t at = program.n;

    while (at > 0 && program.p[at - 1] != '/')
        at--;
    return bl_slice_drop(program, at);
}

/* Skips the quoted run that opens at `at`.  A run closes before `@`, `.` or `>`, as in an address; a
 * lone quote is an ordinary byte, lest a reply far behind it be taken for the address's end. */
static size_t skip_quoted(bl_slice s, size_t at)
{
    for (size_t i = at + 1; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"')
            return i + 1 < s.n && (s.p[i + 1] == '@' || s.p[i + 1] == '.' || s.p[i + 1] == '>') ? i + 1 : at + 1;
    }
    return at + 1;
}

/* Where `>` and one of the two endings stand outside of quotes, or SIZE_MAX. */
static size_t find_address_end(bl_slice s, bl_slice one, bl_slice other)
{
    unsigned tries = QUOTE_TRIES;

    for (size_t at = 0;;) {
        bl_slice rest;

        at += bl_window_find2(bl_slice_drop(s, at), '>', tries ? '"' : '>');
        if (at >= s.n)
            return SIZE_MAX;
        if (s.p[at] == '"') {
            size_t behind = skip_quoted(s, at);

            tries -= behind == at + 1;
            at = behind;
            continue;
        }
        rest = bl_slice_drop(s, at + 1);
        if (bl_slice_starts(rest, one) || bl_slice_starts(rest, other))
            return at;
        at++;
    }
}

/* Takes `ADDR>`; `in` then begins with the ending found. */
static bool take_address(bl_slice *in, bl_slice one, bl_slice other, bl_slice *out)
{
    size_t at = find_address_end(*in, one, other);

    if (at == SIZE_MAX)
        return false;
    *out = bl_slice_head(*in, at);
    *in = bl_slice_drop(*in, at + 1);
    return true;
}

/* `host[ip]:port`, `[ip]:port`, `host[private/socket]`; names like `none`, `local` or a pipe's are no
 * hosts and leave both empty. */
static bool read_peer(bl_slice text, bl_slice *host, bl_slice *ip)
{
    size_t open = bl_window_find(text, '[');
    bl_slice inside;

    if (open == text.n)
        return false;
    *host = bl_slice_head(text, open);
    inside = bl_slice_drop(text, open + 1);
    inside = bl_slice_head(inside, bl_window_find(inside, ']'));
    if (bl_window_find(inside, '/') == inside.n)
        *ip = inside;
    return true;
}

/* Seconds with up to three digits of fraction, to milliseconds. */
static int32_t read_delay(bl_slice text)
{
    int64_t ms = 0;
    size_t i = 0;

    for (; i < text.n && bl_is_digit(text.p[i]) && ms <= INT32_MAX / 1000; i++)
        ms = ms * 10 + (text.p[i] - '0');
    if (i == 0)
        return -1;
    ms *= 1000;
    if (i + 1 < text.n && text.p[i] == '.')
        for (int unit = 100; ++i < text.n && bl_is_digit(text.p[i]); unit /= 10)
            ms += (text.p[i] - '0') * unit;
    return ms > INT32_MAX ? INT32_MAX : (int32_t)ms;
}

static void begin_record(const bl_syslog *head, bl_slice qid, enum bl_record_kind kind, bl_record *out)
{
    *out = (bl_record){.time_us = head->time_us,
                       .kind = (uint8_t)kind,
                       .mta = BL_MTA_POSTFIX,
                       .delay_ms = -1,
                       .host = head->host,
                       .service = head->program,
                       .queue_id = qid};
}

/* -- delivery ------------------------------------------------------------------------------------- */

struct delivery {
    bl_slice  relay, word, text;
    bl_status dsn;
    int32_t   delay_ms;
};

/* Takes `relay=R[, conn_use=N], delay=D[, delays=a/b/c/d][, dsn=X.Y.Z], status=WORD[ (TEXT[)]]`.  Fields
 * this program does not know (3.11 adds tls=) are passed over: no value before the status holds a comma. */
static bool take_fields(bl_slice *in, struct delivery *out)
{
    bl_slice rest = *in;

    out->dsn = (bl_status){0, 0, 0};
    out->delay_ms = -1;
    if (!bl_slice_take(&rest, BL_SLICE("relay=")))
        return false;
    out->relay = bl_slice_head(rest, bl_window_find(rest, ','));
    rest = bl_slice_drop(rest, out->relay.n);
    for (;;) {
        bl_slice value;
        uint32_t name;

        if (rest.n < 8 || !bl_slice_take(&rest, BL_SLICE(", ")))
            return false;
        name = bl_four(rest.p);
        if (name == BL_FOUR('s', 't', 'a', 't') && bl_slice_take(&rest, BL_SLICE("status=")))
            break;
        value = bl_slice_head(rest, bl_window_find(rest, ','));
        rest = bl_slice_drop(rest, value.n);
        if (name == BL_FOUR('d', 'e', 'l', 'a') && bl_slice_take(&value, BL_SLICE("delay=")))
            out->delay_ms = read_delay(value);
        else if (name == BL_FOUR('d', 's', 'n', '=')) {
            value = bl_slice_drop(value, 4);
            (void)bl_status_take(&value, &out->dsn);
        }
    }
    out->word = bl_slice_head(rest, bl_window_find(rest, ' '));
    rest = bl_slice_drop(rest, out->word.n);
    if (bl_slice_take(&rest, BL_SLICE(" (")) && rest.n && rest.p[rest.n - 1] == ')')
        rest.n--; /* cut records have lost it */
    out->text = rest;
    *in = rest;
    return true;
}

static bool is_loopback(bl_slice host, bl_slice ip)
{
    return bl_slice_starts(ip, BL_SLICE("127.")) || bl_slice_eq(ip, BL_SLICE("::1")) ||
           bl_slice_eq_fold(host, BL_SLICE("localhost"));
}

/* A success is a delivery, unless the mail was only handed on.  LMTP to loopback is how mailboxes are
 * filled; only amavis hands on that way, and it quotes the next server's answer. */
static enum bl_outcome outcome_of_sent(bl_slice agent, const bl_record *record, bl_slice text)
{
    if (bl_slice_eq(agent, BL_SLICE("discard")))
        return BL_DISCARDED;
    if (record->peer_host.n == 0 && record->peer_ip.n == 0)
        return bl_slice_starts(text, BL_SLICE("forwarded as ")) ? BL_RELAYED : BL_DELIVERED;
    if (!is_loopback(record->peer_host, record->peer_ip))
        return BL_DELIVERED;
    if (bl_slice_find(agent, BL_SLICE("lmtp")) != SIZE_MAX)
        return bl_slice_find(text, BL_SLICE("from MTA(")) != SIZE_MAX ? BL_RELAYED : BL_DELIVERED;
    return BL_RELAYED;
}

/* qmgr gave up before any agent tried. */
static bool was_not_tried(bl_slice text)
{
    return bl_slice_starts(text, BL_SLICE("delivery temporarily suspended")) ||
           bl_slice_eq(text, BL_SLICE("deferred transport")) ||
           bl_slice_starts(text, BL_SLICE("mail transport unavailable"));
}

static bool is_local_agent(bl_slice agent)
{
    static const bl_slice names[] = {BL_SLICE_INIT("local"), BL_SLICE_INIT("virtual"), BL_SLICE_INIT("pipe"),
                                     BL_SLICE_INIT("error"), BL_SLICE_INIT("retry"),   BL_SLICE_INIT("discard")};

    for (size_t i = 0; i < BL_COUNT(names); i++)
        if (bl_slice_eq(agent, names[i]))
            return true;
    return false;
}

static void fill_failure(bl_slice agent, const struct delivery *delivery, bool has_peer, bl_record *out,
                         bl_reply *reply)
{
    reply->wrapper = delivery->dsn;
    reply->relay_host = out->peer_host;
    bl_reply_read_postfix(delivery->text, reply);
    if (reply->phase == BL_PHASE_UNKNOWN && !has_peer &&
        (is_local_agent(agent) || !bl_slice_eq(delivery->relay, BL_SLICE("none"))))
        reply->phase = BL_PHASE_LOCAL;
    out->phase = (uint8_t)reply->phase;
    out->code = reply->code;
    if (!bl_status_absent(reply->enhanced))
        out->enhanced = reply->enhanced;
    out->text = reply->text;
}

/* The code of a success, cheaply: `250 2.0.0 Ok`. */
static uint16_t code_of_sent(bl_slice text)
{
    if (text.n < 4 || text.p[0] != '2' || !bl_is_digit(text.p[1]) || !bl_is_digit(text.p[2]) ||
        (text.p[3] != ' ' && text.p[3] != '-'))
        return 0;
    return (uint16_t)(200 + (text.p[1] - '0') * 10 + (text.p[2] - '0'));
}

enum word { WORD_SENT, WORD_DEFERRED, WORD_BOUNCED, WORD_PROBE, WORD_STRANGE };

static enum word word_of(bl_slice word)
{
    if (bl_slice_eq(word, BL_SLICE("sent")))
        return WORD_SENT;
    if (bl_slice_eq(word, BL_SLICE("deferred")) || bl_slice_eq(word, BL_SLICE("SOFTBOUNCE")))
        return WORD_DEFERRED;
    if (bl_slice_eq(word, BL_SLICE("bounced")))
        return WORD_BOUNCED;
    if (bl_slice_eq(word, BL_SLICE("undeliverable")) || bl_slice_eq(word, BL_SLICE("deliverable")))
        return WORD_PROBE; /* asked by verify(8); nobody's mail */
    return WORD_STRANGE;
}

static enum bl_postfix_line read_delivery(const bl_syslog *head, bl_slice qid, bl_slice in, bl_record *out,
                                          bl_reply *reply)
{
    bl_slice recipient, orig = {NULL, 0};
    struct delivery delivery;
    enum word word;
    bl_slice agent;
    bool has_peer;

    if (!take_address(&in, BL_SLICE(", relay="), BL_SLICE(", orig_to=<"), &recipient))
        return BL_POSTFIX_UNPARSED;
    in = bl_slice_drop(in, 2);
    if (bl_slice_take(&in, BL_SLICE("orig_to=<"))) {
        if (!take_address(&in, BL_SLICE(", relay="), BL_SLICE(", relay="), &orig))
            return BL_POSTFIX_UNPARSED;
        in = bl_slice_drop(in, 2);
    }
    if (!take_fields(&in, &delivery))
        return BL_POSTFIX_UNPARSED;
    word = word_of(delivery.word);
    if (word >= WORD_PROBE)
        return word == WORD_PROBE ? BL_POSTFIX_OTHER : BL_POSTFIX_UNPARSED;
    begin_record(head, qid, BL_RECORD_DELIVERY, out);
    out->recipient = recipient;
    out->orig_recipient = orig;
    out->delay_ms = delivery.delay_ms;
    out->enhanced = delivery.dsn;
    has_peer = read_peer(delivery.relay, &out->peer_host, &out->peer_ip);
    agent = agent_of(head->program);
    if (word == WORD_SENT) {
        out->outcome = (uint8_t)outcome_of_sent(agent, out, delivery.text);
        out->code = code_of_sent(delivery.text);
        out->text = delivery.text;
        return BL_POSTFIX_RECORD;
    }
    out->outcome = word == WORD_BOUNCED ? BL_BOUNCED : BL_DEFERRED;
    if (word == WORD_DEFERRED && was_not_tried(delivery.text))
        out->flags |= BL_RECORD_NO_ATTEMPT;
    fill_failure(agent, &delivery, has_peer, out, reply);
    return BL_POSTFIX_RECORD;
}

/* -- the life of a queue id ------------------------------------------------------------------------ */

/* qmgr: `<ADDR>, size=N, nrcpt=N (queue active)`, `<ADDR>, status=expired, returned to sender` */
static enum bl_postfix_line read_from(const bl_syslog *head, bl_slice qid, bl_slice in, bl_record *out)
{
    bl_slice sender;
    enum bl_record_kind kind;

    if (!bl_slice_take(&in, BL_SLICE("from=<")))
        return BL_POSTFIX_OTHER;
    if (!take_address(&in, BL_SLICE(", size="), BL_SLICE(", status="), &sender))
        return BL_POSTFIX_UNPARSED;
    if (in.p[3] == 'i')
        kind = BL_RECORD_QUEUED;
    else if (bl_slice_starts(in, BL_SLICE(", status=expired")) ||
             bl_slice_starts(in, BL_SLICE(", status=force-expired")))
        kind = BL_RECORD_EXPIRED;
    else
        return BL_POSTFIX_UNPARSED;
    begin_record(head, qid, kind, out);
    out->sender = sender;
    out->flags = BL_RECORD_HAS_SENDER;
    return BL_POSTFIX_RECORD;
}

/* smtpd: `client=HOST[IP][, sasl_method=M, sasl_username=U][, orig_client=...]` */
static enum bl_postfix_line read_client(const bl_syslog *head, bl_slice qid, bl_slice in, bl_record *out)
{
    static const bl_slice sasl = BL_SLICE_INIT(", sasl_username=");
    bl_slice client;
    size_t at;

    if (!bl_slice_take(&in, BL_SLICE("client=")))
        return BL_POSTFIX_OTHER;
    client = bl_slice_head(in, bl_window_find(in, ','));
    in = bl_slice_drop(in, client.n);
    begin_record(head, qid, BL_RECORD_OPEN, out);
    if (!read_peer(client, &out->peer_host, &out->peer_ip))
        out->peer_host = client;
    at = in.n ? bl_slice_find(in, sasl) : SIZE_MAX;
    if (at != SIZE_MAX) {
        in = bl_slice_drop(in, at + sasl.n);
        out->text = bl_slice_head(in, bl_slice_find_byte(in, ','));
    }
    return BL_POSTFIX_RECORD;
}

/* pickup: `uid=N from=<user>` */
static enum bl_postfix_line read_uid(const bl_syslog *head, bl_slice qid, bl_slice in, bl_record *out)
{
    size_t at = bl_slice_find(in, BL_SLICE(" from=<"));
    size_t end = in.n;

    begin_record(head, qid, BL_RECORD_OPEN, out);
    while (end > 0 && in.p[end - 1] != '>')
        end--;
    if (at != SIZE_MAX && end > at + sizeof " from=<" - 1) {
        out->sender = (bl_slice){in.p + at + 7, end - 1 - (at + 7)};
        out->flags = BL_RECORD_HAS_SENDER;
    }
    return BL_POSTFIX_RECORD;
}

static enum bl_postfix_line read_message_id(const bl_syslog *head, bl_slice qid, bl_slice in, bl_record *out)
{
    (void)bl_slice_take(&in, BL_SLICE("resent-"));
    if (!bl_slice_take(&in, BL_SLICE("message-id=")))
        return BL_POSTFIX_OTHER;
    begin_record(head, qid, BL_RECORD_MESSAGE_ID, out);
    out->text = in;
    return BL_POSTFIX_RECORD;
}

static enum bl_postfix_line read_removed(const bl_syslog *head, bl_slice qid, bl_slice in, bl_record *out)
{
    if (!bl_slice_eq(in, BL_SLICE("removed")))
        return BL_POSTFIX_OTHER;
    begin_record(head, qid, BL_RECORD_REMOVED, out);
    return BL_POSTFIX_RECORD;
}

/* -- refused at our own door ----------------------------------------------------------------------- */

static enum bl_phase phase_of_stage(bl_slice stage)
{
    static const struct {
        bl_slice      name;
        enum bl_phase phase;
    } stages[] = {
        {BL_SLICE_INIT("RCPT"), BL_PHASE_RCPT},         {BL_SLICE_INIT("MAIL"), BL_PHASE_MAIL},
        {BL_SLICE_INIT("DATA"), BL_PHASE_DATA},         {BL_SLICE_INIT("BDAT"), BL_PHASE_DATA},
        {BL_SLICE_INIT("END-OF-MESSAGE"), BL_PHASE_EOD}, {BL_SLICE_INIT("CONNECT"), BL_PHASE_CONNECT},
        {BL_SLICE_INIT("HELO"), BL_PHASE_HELO},         {BL_SLICE_INIT("EHLO"), BL_PHASE_HELO},
        {BL_SLICE_INIT("VRFY"), BL_PHASE_RCPT},         {BL_SLICE_INIT("header"), BL_PHASE_EOD},
        {BL_SLICE_INIT("body"), BL_PHASE_EOD},
    };

    for (size_t i = 0; i < BL_COUNT(stages); i++)
        if (bl_slice_eq(stage, stages[i].name))
            return stages[i].phase;
    return BL_PHASE_UNKNOWN;
}

/* Where `; from=<` or `; proto=` stands, outside of quoted addresses `<"..."@`. */
static size_t find_envelope(bl_slice s)
{
    unsigned tries = QUOTE_TRIES;

    for (size_t at = 0;; at++) {
        bl_slice rest;

        at += bl_window_find2(bl_slice_drop(s, at), ';', tries ? '<' : ';');
        if (at >= s.n)
            return SIZE_MAX;
        if (s.p[at] == '<') {
            if (at + 1 < s.n && s.p[at + 1] == '"') {
                size_t behind = skip_quoted(s, at + 1);

                tries -= behind == at + 2;
                at = behind - 1;
            }
            continue;
        }
        rest = bl_slice_drop(s, at);
        if (bl_slice_starts(rest, BL_SLICE("; from=<")) || bl_slice_starts(rest, BL_SLICE("; proto=")))
            return at;
    }
}

/* Takes `; from=<A> to=<B> proto=P helo=<H>`; postscreen puts commas between. */
static void take_envelope(bl_slice *in, bl_record *out)
{
    bl_slice address;

    if (bl_slice_take(in, BL_SLICE("; from=<"))) {
        if (!take_address(in, BL_SLICE(" "), BL_SLICE(","), &address))
            return;
        out->sender = address;
        out->flags |= BL_RECORD_HAS_SENDER;
        (void)bl_slice_take(in, BL_SLICE(","));
        if (bl_slice_take(in, BL_SLICE(" to=<")) &&
            take_address(in, BL_SLICE(" proto="), BL_SLICE(", proto="), &address))
            out->recipient = address;
    }
}

/* Takes `HOST[IP]: ` or `HOST[IP]:port: `, up to the reply. */
static bool take_client(bl_slice *in, bl_record *out)
{
    size_t close = bl_window_find(*in, ']');
    bl_slice rest = bl_slice_drop(*in, close);
    uint64_t port;

    if (!bl_slice_take(&rest, BL_SLICE("]:")))
        return false;
    if (bl_slice_take_u64(&rest, &port) && !bl_slice_take(&rest, BL_SLICE(":")))
        return false;
    if (!bl_slice_take(&rest, BL_SLICE(" ")) ||
        !read_peer(bl_slice_head(*in, close + 1), &out->peer_host, &out->peer_ip))
        return false;
    *in = rest;
    return true;
}

/* `RCPT from HOST[IP]: 550 5.1.1 <A>: Recipient address rejected: TEXT; from=<A> to=<B> proto=P helo=<H>` */
static bool read_refusal(bl_slice in, bl_record *out, bl_slice *text)
{
    size_t end;

    if (!bl_slice_take(&in, BL_SLICE("from ")) || !take_client(&in, out))
        return false;
    end = find_envelope(in);
    *text = bl_slice_head(in, end);
    if (end != SIZE_MAX) {
        in = bl_slice_drop(in, end);
        take_envelope(&in, out);
    }
    return true;
}

static size_t find_last(bl_slice s, bl_slice needle)
{
    for (size_t at = s.n; at-- > 0;)
        if (s.p[at] == needle.p[0] && bl_slice_starts(bl_slice_drop(s, at), needle))
            return at;
    return SIZE_MAX;
}

/* The header's text is a stranger's and stands first, so the ends are looked for from the right:
 * `header Subject: TEXT from HOST[IP]; from=<A> to=<B> proto=P helo=<H>: 5.7.1 text`
 */
static bool read_content_refusal(bl_slice in, bl_record *out, bl_slice *text)
{
    static const bl_slice from = BL_SLICE_INIT(" from ");
    size_t end = find_last(in, BL_SLICE("; from=<")), at;

    if (end == SIZE_MAX)
        return false;
    at = find_last(bl_slice_head(in, end), from);
    if (at != SIZE_MAX)
        (void)read_peer(bl_slice_head(bl_slice_drop(in, at + from.n), end - at - from.n), &out->peer_host,
                        &out->peer_ip);
    in = bl_slice_drop(in, end);
    take_envelope(&in, out);
    at = bl_slice_find(in, BL_SLICE(">: "));
    *text = at == SIZE_MAX ? (bl_slice){NULL, 0} : bl_slice_drop(in, at + 3);
    return true;
}

/* `in` begins behind `QID: `: [milter-|proxy-]reject: STAGE ... */
static enum bl_postfix_line read_reject(const bl_syslog *head, bl_slice qid, bl_slice in, bl_record *out,
                                        bl_reply *reply)
{
    bl_slice stage, text;
    enum bl_phase phase;
    bool done;

    if (!bl_slice_take(&in, BL_SLICE("milter-")))
        (void)bl_slice_take(&in, BL_SLICE("proxy-"));
    if (!bl_slice_take(&in, BL_SLICE("reject: ")))
        return BL_POSTFIX_OTHER;
    stage = bl_slice_head(in, bl_window_find(in, ' '));
    if (stage.n == in.n)
        return BL_POSTFIX_OTHER;
    in = bl_slice_drop(in, stage.n + 1);
    begin_record(head, qid, BL_RECORD_REJECT, out);
    phase = phase_of_stage(stage);
    done = bl_slice_eq(stage, BL_SLICE("header")) || bl_slice_eq(stage, BL_SLICE("body"))
               ? read_content_refusal(in, out, &text)
               : read_refusal(in, out, &text);
    if (!done)
        return BL_POSTFIX_OTHER; /* `all server ports busy`, `END-OF-MESSAGE: ;` and the like */
    if (bl_slice_eq(qid, BL_SLICE("NOQUEUE"))) {
        out->flags |= BL_RECORD_ONE_SHOT;
        out->queue_id = (bl_slice){NULL, 0};
    }
    reply->wrapper = (bl_status){0, 0, 0};
    reply->relay_host = (bl_slice){NULL, 0};
    reply->phase = phase;
    bl_reply_read(text, reply);
    out->outcome = BL_REJECTED;
    out->phase = (uint8_t)phase;
    out->code = reply->code;
    out->enhanced = reply->enhanced;
    out->text = reply->text;
    return BL_POSTFIX_RECORD;
}

/* -- which line it is ------------------------------------------------------------------------------ */

/* `warning: ` looks like a queue id. */
static bool is_severity(bl_slice word)
{
    return bl_slice_eq(word, BL_SLICE("warning")) || bl_slice_eq(word, BL_SLICE("error")) ||
           bl_slice_eq(word, BL_SLICE("fatal")) || bl_slice_eq(word, BL_SLICE("panic"));
}

/* Takes `QID: `; what follows has at least four bytes. */
static bool take_queue_id(bl_slice *in, bl_slice *out)
{
    struct bl_window w = bl_window_open(*in);
    uint32_t blank = bl_window_mask(&w, ' ');
    size_t n = blank ? (size_t)__builtin_ctz(blank) : 0; /* with the colon */
    uint32_t inside;

    if (n < 2 || n > QID_MAX + 1 || in->p[n - 1] != ':' || in->n - n < 5)
        return false;
    inside = bl_window_below(n - 1);
    if ((bl_window_alnum(&w) & inside) != inside)
        return false;
    *out = bl_slice_head(*in, n - 1);
    *in = bl_slice_drop(*in, n + 1);
    return true;
}

enum bl_postfix_line bl_postfix_read(const bl_syslog *head, bl_record *out, bl_reply *reply)
{
    bl_slice in = head->body, qid;

    if (!is_postfix(head->program))
        return BL_POSTFIX_NOT;
    if (!take_queue_id(&in, &qid) || is_severity(qid))
        return BL_POSTFIX_OTHER;
    switch (bl_four(in.p)) {
    case BL_FOUR('t', 'o', '=', '<'):
        return read_delivery(head, qid, bl_slice_drop(in, 4), out, reply);
    case BL_FOUR('f', 'r', 'o', 'm'):
        return read_from(head, qid, in, out);
    case BL_FOUR('c', 'l', 'i', 'e'):
        return read_client(head, qid, in, out);
    case BL_FOUR('u', 'i', 'd', '='):
        return read_uid(head, qid, in, out);
    case BL_FOUR('m', 'e', 's', 's'):
    case BL_FOUR('r', 'e', 's', 'e'):
        return read_message_id(head, qid, in, out);
    case BL_FOUR('r', 'e', 'm', 'o'):
        return read_removed(head, qid, in, out);
    case BL_FOUR('r', 'e', 'j', 'e'):
    case BL_FOUR('m', 'i', 'l', 't'):
    case BL_FOUR('p', 'r', 'o', 'x'):
        return read_reject(head, qid, in, out, reply);
    default:
        return BL_POSTFIX_OTHER;
    }
}
