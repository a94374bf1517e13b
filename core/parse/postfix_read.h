/* postfix_read.h -- what Postfix prints
 *
 * Most lines of a mail log say nothing about a delivery, so a line is judged by the fewest bytes
 * that can decide: all that matter begin `QID: ` and one of a few words.
 *
 * A delivery line is walked from the left, field by field, in the order Postfix prints them;
 * addresses and replies are in strangers' hands and may hold anything, `, status=sent (250` for
 * one.
 *
 * What is inlined here is inlined so that slices stay in registers: written to memory as two words
 * and read back as one, a slice stalls the processor for longer than its field took to find.  So
 * what is not inlined gets a copy of those that a delivery's reader works on, never their address.
 *
 * A header, because it is compiled twice: in postfix.c, and inside the loop of
 * worker_avx2.c. */
#ifndef BOUNCELINE_POSTFIX_READ_H
#define BOUNCELINE_POSTFIX_READ_H

#include "bounceline/postfix.h"

#include "../base/window.h"
#include "bounceline/reply.h"

enum {
    QID_MAX = 24,    /* long ids have up to 20 digits */
    BODY_MIN = 8,    /* `A: uid=0` */
    QUOTE_TRIES = 16 /* quotes that do not close as quotes; then they are ordinary bytes */
};

static inline bool is_postfix(bl_slice program)
{
    return bl_slice_starts(program, BL_SLICE("postfix")) ||
           bl_window_find(program, '/') < program.n;
}

static inline bool is_exim(bl_slice program)
{
    return bl_slice_starts(program, BL_SLICE("exim")) ||
           bl_slice_find(program, BL_SLICE("exim")) != SIZE_MAX;
}

/* The facility vouches for a mail system of any name, and Exim is known by its own. */
RARELY bool is_foreign(const bl_syslog *head)
{
    return !head->mail || is_exim(head->program);
}

/* The last component: what lies between is a label and may look like an agent
 * (`tlsproxy/error`). */
static inline bl_slice agent_of(bl_slice program)
{
    size_t at = program.n;

    while (at > 0 && program.p[at - 1] != '/')
        at--;
    return bl_slice_drop(program, at);
}

/* `warning: ` looks like a queue id. */
static inline bool is_severity(bl_slice word)
{
    if (word.n != 7 && word.n != 5)
        return false; /* nearly always */
    return bl_slice_eq(word, BL_SLICE("warning")) || bl_slice_eq(word, BL_SLICE("error")) ||
           bl_slice_eq(word, BL_SLICE("fatal")) || bl_slice_eq(word, BL_SLICE("panic"));
}

/* Field by field: as one assignment it becomes a `rep stos`, which takes longer than all the rest
 * of a short line. */
BL_ALWAYS_INLINE void begin_record(const bl_syslog *head, bl_slice qid, enum bl_record_kind kind,
                                   bl_record *out)
{
    static const bl_slice none = {NULL, 0};

    out->key = 0;
    out->key2 = 0;
    out->time_us = head->time_us;
    out->kind = (uint8_t)kind;
    out->mta = BL_MTA_POSTFIX;
    out->outcome = 0;
    out->flags = 0;
    out->phase = BL_PHASE_UNKNOWN;
    out->sending_gap = 0;
    out->code = 0;
    out->provider = 0;
    out->enhanced = (bl_status){0, 0, 0};
    out->delay_ms = -1;
    out->verdict = (bl_verdict){0};
    out->host.p = head->host.p;
    out->host.n = head->host.n;
    out->service.p = head->program.p;
    out->service.n = head->program.n;
    out->queue_id.p = qid.p;
    out->queue_id.n = qid.n;
    out->recipient = none;
    out->orig_recipient = none;
    out->sender = none;
    out->peer_host = none;
    out->peer_ip = none;
    out->text = none;
}

/* -- words and addresses ---------------------------------------------------------------------- */

/* The present word, up to the blank at `end`. */
static inline bl_slice word_to(const struct bl_words *words, size_t end)
{
    return (bl_slice){words->s.p + words->from, end - words->from};
}

static inline bl_slice rest_of(const struct bl_words *words)
{
    return (bl_slice){words->s.p + words->from, words->s.n - words->from};
}

/* Skips the quoted run that opens at `at`.  A run closes before `@`, `.` or `>`, as in an address;
 * a lone quote is an ordinary byte, lest a reply far behind it be taken for the address's end. */
RARELY size_t skip_quoted(bl_slice s, size_t at)
{
    for (size_t i = at + 1; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"')
            return i + 1 < s.n && (s.p[i + 1] == '@' || s.p[i + 1] == '.' || s.p[i + 1] == '>')
                       ? i + 1
                       : at + 1;
    }
    return at + 1;
}

/* Where `>` and one of the two endings stand outside of quotes, or SIZE_MAX. */
RARELY size_t find_address_end(bl_slice s, bl_slice one, bl_slice other)
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

/* `word` is a constant wherever this is inlined: two or three comparisons instead of a call. */
BL_ALWAYS_INLINE bool goes_on_with(bl_slice s, bl_slice word)
{
    return s.n >= word.n && memcmp(s.p, word.p, word.n) == 0;
}

/* Takes `ADDR>, ` at the present word, `one` or `other` behind it.  An address without blanks and
 * quotes is a word that ends `>,`; any other goes the long way, and the words begin anew behind
 * it. */
BL_ALWAYS_INLINE bool take_address(struct bl_words *words, bl_slice one, bl_slice other,
                                   bl_slice *out)
{
    size_t end = bl_words_end(words);
    bl_slice word = word_to(words, end), rest;

    if (end + 1 < words->s.n && word.n >= 2 && word.p[word.n - 2] == '>' &&
        word.p[word.n - 1] == ',' && bl_window_find(word, '"') == word.n) {
        rest = (bl_slice){words->s.p + end + 1, words->s.n - (end + 1)};
        if (goes_on_with(rest, one) || goes_on_with(rest, other)) {
            words->from = end + 1;
            *out = (bl_slice){word.p, word.n - 2};
            return true;
        }
    }
    rest = rest_of(words);
    end = find_address_end(rest, (bl_slice){one.p - 2, one.n + 2},
                           (bl_slice){other.p - 2, other.n + 2});
    if (end == SIZE_MAX)
        return false;
    *out = bl_slice_head(rest, end);
    *words = bl_words_begin(bl_slice_drop(rest, end + 3));
    return true;
}

/* What may stand behind an address, for take_address: the long way compares the `, ` before it
 * too. */
#define BEHIND(literal) ((bl_slice){&(", " literal)[2], sizeof(literal) - 1})

struct peer {
    bl_slice host, ip;
    bool bracketed; /* else it is a name like `none`, `local` or a pipe's, and host and ip are
                     * empty */
};

/* Reads `host[ip]:port`, `[ip]:port`, `host[private/socket]`. */
BL_ALWAYS_INLINE struct peer read_peer(bl_slice word)
{
    struct peer peer = {{NULL, 0}, {NULL, 0}, false};
    size_t open = bl_window_find(word, '[');

    if (open < word.n) {
        bl_slice inside = {word.p + open + 1, word.n - (open + 1)};

        peer.bracketed = true;
        peer.host = (bl_slice){word.p, open};
        peer.ip = (bl_slice){inside.p, bl_window_find(inside, ']')};
        if (peer.ip.n && !bl_is_digit(peer.ip.p[0]) && bl_slice_find_byte(peer.ip, '/') < peer.ip.n)
            peer.ip = (bl_slice){NULL, 0}; /* a socket */
    }
    return peer;
}

/* -- delivery --------------------------------------------------------------------------------- */

/* Seconds with up to three digits of fraction, to milliseconds. */
static inline int32_t read_delay(bl_slice text)
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

RARELY bl_status read_odd_dsn(bl_slice value)
{
    bl_status dsn = {0, 0, 0};

    (void)bl_status_take(&value, &dsn);
    return dsn;
}

/* The three digits of nearly every dsn=, without the call. */
static inline bl_status read_dsn(bl_slice value)
{
    if (value.n != 5 || (value.p[0] != '2' && value.p[0] != '4' && value.p[0] != '5') ||
        value.p[1] != '.' || !bl_is_digit(value.p[2]) || value.p[3] != '.' ||
        !bl_is_digit(value.p[4]))
        return read_odd_dsn(value);
    return (bl_status){(uint16_t)(value.p[0] - '0'), (uint16_t)(value.p[2] - '0'),
                       (uint16_t)(value.p[4] - '0')};
}

struct delivery {
    bl_slice relay, word, text;
    bl_status dsn;
    int32_t delay_ms;
};

/* Reads `relay=R,[ conn_use=N,] delay=D,[ delays=a/b/c/d,][ dsn=X.Y.Z,] status=WORD[ (TEXT[)]]`.
 * Fields that this program does not know (3.11 adds tls=) are passed over. */
BL_ALWAYS_INLINE bool read_fields(struct bl_words *words, struct delivery *out)
{
    size_t end = bl_words_end(words);
    bl_slice word = word_to(words, end);

    out->dsn = (bl_status){0, 0, 0};
    out->delay_ms = -1;
    if (word.n < 7 || word.p[word.n - 1] != ',' || !bl_slice_starts(word, BL_SLICE("relay=")))
        return false;
    out->relay = (bl_slice){word.p + 6, word.n - 7};
    for (;;) {
        uint32_t name;

        if (end == words->s.n)
            return false;
        words->from = end + 1;
        end = bl_words_end(words);
        word = word_to(words, end);
        if (word.n < 4)
            return false;
        name = bl_four(word.p);
        if (name == BL_FOUR('s', 't', 'a', 't') && bl_slice_starts(word, BL_SLICE("status=")))
            break;
        if (word.p[word.n - 1] != ',')
            return false;
        if (name == BL_FOUR('d', 'e', 'l', 'a') && word.n >= 7 && word.p[5] == '=')
            out->delay_ms = read_delay((bl_slice){word.p + 6, word.n - 7});
        else if (name == BL_FOUR('d', 's', 'n', '=') && word.n >= 5)
            out->dsn = read_dsn((bl_slice){word.p + 4, word.n - 5});
    }
    out->word = (bl_slice){word.p + 7, word.n - 7};
    out->text = (bl_slice){words->s.p + end, words->s.n - end};
    if (goes_on_with(out->text, BL_SLICE(" ("))) {
        out->text = bl_slice_drop(out->text, 2);
        /* cut records have lost it */
        out->text.n -= out->text.n && out->text.p[out->text.n - 1] == ')';
    }
    return true;
}

static inline bool is_loopback(bl_slice host, bl_slice ip)
{
    return bl_slice_starts(ip, BL_SLICE("127.")) || bl_slice_eq(ip, BL_SLICE("::1")) ||
           (host.n == 9 && bl_slice_eq_fold(host, BL_SLICE("localhost")));
}

/* LMTP to loopback is how mailboxes are filled; only amavis hands on that way, and it quotes the
 * next server's answer. */
RARELY enum bl_outcome outcome_of_loopback(bl_slice program, bl_slice text)
{
    if (bl_slice_find(agent_of(program), BL_SLICE("lmtp")) != SIZE_MAX &&
        bl_slice_find(text, BL_SLICE("from MTA(")) == SIZE_MAX)
        return BL_DELIVERED;
    return BL_RELAYED;
}

/* A success is a delivery, unless the mail was only handed on.  Only discard(8) succeeds without a
 * relay; its name may be another, or cut off. */
BL_ALWAYS_INLINE enum bl_outcome outcome_of_sent(bl_slice program, const struct peer *relay,
                                                 bl_slice relay_word, bl_slice text)
{
    if (relay->bracketed)
        return is_loopback(relay->host, relay->ip) ? outcome_of_loopback(program, text)
                                                   : BL_DELIVERED;
    if (bl_slice_starts(text, BL_SLICE("forwarded as ")))
        return BL_RELAYED;
    return bl_slice_eq(relay_word, BL_SLICE("none")) ||
                   bl_slice_eq(text, BL_SLICE("delivered to file: /dev/null"))
               ? BL_DISCARDED
               : BL_DELIVERED;
}

/* qmgr gave up before any agent tried. */
static inline bool was_not_tried(bl_slice text)
{
    return bl_slice_starts(text, BL_SLICE("delivery temporarily suspended")) ||
           bl_slice_eq(text, BL_SLICE("deferred transport")) ||
           bl_slice_starts(text, BL_SLICE("mail transport unavailable"));
}

static inline bool is_local_agent(bl_slice agent)
{
    static const bl_slice names[] = {BL_SLICE_INIT("local"), BL_SLICE_INIT("virtual"),
                                     BL_SLICE_INIT("pipe"),  BL_SLICE_INIT("error"),
                                     BL_SLICE_INIT("retry"), BL_SLICE_INIT("discard")};

    for (size_t i = 0; i < BL_COUNT(names); i++)
        if (bl_slice_eq(agent, names[i]))
            return true;
    return false;
}

/* `out` holds all but what its reply says. */
RARELY void fill_failure(bl_slice relay, bl_slice text, bool bracketed, bl_record *out,
                         bl_reply *reply)
{
    reply->wrapper = out->enhanced;
    reply->relay_host = out->peer_host;
    bl_reply_read_postfix(text, reply);
    if (reply->phase == BL_PHASE_UNKNOWN && !bracketed &&
        (is_local_agent(agent_of(out->service)) || !bl_slice_eq(relay, BL_SLICE("none"))))
        reply->phase = BL_PHASE_LOCAL;
    out->phase = (uint8_t)reply->phase;
    out->code = reply->code;
    if (!bl_status_absent(reply->enhanced))
        out->enhanced = reply->enhanced;
    out->text = reply->text;
}

/* The code of a success, cheaply: `250 2.0.0 Ok`. */
static inline uint16_t code_of_sent(bl_slice text)
{
    if (text.n < 4 || text.p[0] != '2' || !bl_is_digit(text.p[1]) || !bl_is_digit(text.p[2]) ||
        (text.p[3] != ' ' && text.p[3] != '-'))
        return 0;
    return (uint16_t)(200 + (text.p[1] - '0') * 10 + (text.p[2] - '0'));
}

enum word { WORD_SENT, WORD_DEFERRED, WORD_BOUNCED, WORD_PROBE, WORD_STRANGE };

static inline enum word word_of(bl_slice word)
{
    if (bl_slice_eq(word, BL_SLICE("sent")))
        return WORD_SENT;
    if (bl_slice_eq(word, BL_SLICE("deferred")) || bl_slice_eq(word, BL_SLICE("SOFTBOUNCE")))
        return WORD_DEFERRED;
    if (bl_slice_eq(word, BL_SLICE("bounced")))
        return WORD_BOUNCED;
    if (bl_slice_starts(word, BL_SLICE("undeliverable")) ||
        bl_slice_starts(word, BL_SLICE("deliverable")))
        return WORD_PROBE; /* asked by verify(8), also "-but-not-cached"; nobody's mail */
    return WORD_STRANGE;
}

/* Old Postfix and rewritten logs: `to=a@b.example, relay=`. */
RARELY size_t bare_address_n(bl_slice rest, bl_slice one, bl_slice other)
{
    size_t end = bl_window_find(rest, ' ');
    bl_slice behind = bl_slice_drop(rest, end + (end < rest.n));

    if (end < 2 || rest.p[end - 1] != ',' ||
        !(bl_slice_starts(behind, one) || bl_slice_starts(behind, other)))
        return 0;
    return end - 1;
}

/* Takes it, and what stands behind it. */
BL_ALWAYS_INLINE bool take_bare_address(struct bl_words *words, bl_slice one, bl_slice other,
                                        bl_slice *out)
{
    bl_slice rest = rest_of(words);
    size_t n = bare_address_n(rest, one, other);

    if (n == 0)
        return false;
    *out = bl_slice_head(rest, n);
    *words = bl_words_begin(bl_slice_drop(rest, n + 2));
    return true;
}

BL_ALWAYS_INLINE enum bl_postfix_line read_delivery(const bl_syslog *head, bl_slice qid,
                                                    struct bl_words words, bl_record *out,
                                                    bl_reply *reply)
{
    bl_slice recipient, orig = {NULL, 0};
    struct delivery delivery;
    struct peer relay;
    enum word word;

    if (!bl_slice_starts(rest_of(&words), BL_SLICE("to=")) || is_severity(qid))
        return BL_POSTFIX_OTHER;
    words.from += 3;
    if (bl_slice_starts(rest_of(&words), BL_SLICE("<"))) {
        words.from++;
        if (!take_address(&words, BEHIND("relay="), BEHIND("orig_to=<"), &recipient))
            return BL_POSTFIX_UNPARSED;
    } else if (!take_bare_address(&words, BL_SLICE("relay="), BL_SLICE("orig_to="), &recipient)) {
        return BL_POSTFIX_UNPARSED;
    }
    if (words.s.p[words.from] == 'o') {
        words.from += 8;
        if (bl_slice_starts(rest_of(&words), BL_SLICE("<"))) {
            words.from++;
            if (!take_address(&words, BEHIND("relay="), BEHIND("relay="), &orig))
                return BL_POSTFIX_UNPARSED;
        } else if (!take_bare_address(&words, BL_SLICE("relay="), BL_SLICE("relay="), &orig)) {
            return BL_POSTFIX_UNPARSED;
        }
    }
    if (!read_fields(&words, &delivery))
        return BL_POSTFIX_UNPARSED;
    word = word_of(delivery.word);
    if (word >= WORD_PROBE)
        return word == WORD_PROBE ? BL_POSTFIX_OTHER : BL_POSTFIX_UNPARSED;
    begin_record(head, qid, BL_RECORD_DELIVERY, out);
    relay = read_peer(delivery.relay);
    out->recipient = recipient;
    out->orig_recipient = orig;
    out->delay_ms = delivery.delay_ms;
    out->enhanced = delivery.dsn;
    out->peer_host = relay.host;
    out->peer_ip = relay.ip;
    if (word == WORD_SENT) {
        out->outcome =
            (uint8_t)outcome_of_sent(head->program, &relay, delivery.relay, delivery.text);
        out->code = code_of_sent(delivery.text);
        out->text = delivery.text;
        return BL_POSTFIX_RECORD;
    }
    out->outcome = word == WORD_BOUNCED ? BL_BOUNCED : BL_DEFERRED;
    if (word == WORD_DEFERRED && was_not_tried(delivery.text))
        out->flags |= BL_RECORD_NO_ATTEMPT;
    fill_failure(delivery.relay, delivery.text, relay.bracketed, out, reply);
    return BL_POSTFIX_RECORD;
}

/* -- the life of a queue id ------------------------------------------------------------------- */

/* qmgr: `from=<ADDR>, size=N, nrcpt=N (queue active)`, `from=<ADDR>, status=expired, returned to
 * sender` */
BL_ALWAYS_INLINE enum bl_postfix_line read_from(const bl_syslog *head, bl_slice qid,
                                                struct bl_words words, bl_record *out)
{
    enum bl_record_kind kind;
    bl_slice sender, rest;

    if (!bl_slice_starts(rest_of(&words), BL_SLICE("from=")) || is_severity(qid))
        return BL_POSTFIX_OTHER;
    words.from += 5;
    if (bl_slice_starts(rest_of(&words), BL_SLICE("<"))) {
        words.from++;
        if (!take_address(&words, BEHIND("size="), BEHIND("status="), &sender))
            return BL_POSTFIX_UNPARSED;
    } else if (!take_bare_address(&words, BL_SLICE("size="), BL_SLICE("status="), &sender)) {
        return BL_POSTFIX_OTHER;
    }
    rest = rest_of(&words);
    if (bl_slice_starts(rest, BL_SLICE("size=")))
        kind = BL_RECORD_QUEUED;
    else if (bl_slice_starts(rest, BL_SLICE("status=expired")) ||
             bl_slice_starts(rest, BL_SLICE("status=force-expired")))
        kind = BL_RECORD_EXPIRED;
    else
        return BL_POSTFIX_UNPARSED;
    begin_record(head, qid, kind, out);
    out->sender = sender;
    out->flags = BL_RECORD_HAS_SENDER;
    return BL_POSTFIX_RECORD;
}

/* smtpd: `client=HOST[IP][, sasl_method=M, sasl_username=U][, orig_client=...]`.  NOQUEUE: before a
 * proxy, nothing is queued here. */
BL_ALWAYS_INLINE enum bl_postfix_line read_client(const bl_syslog *head, bl_slice qid,
                                                  struct bl_words words, bl_record *out)
{
    bl_slice word = {NULL, 0};
    struct peer client;
    size_t end;

    if (!bl_slice_starts(rest_of(&words), BL_SLICE("client=")) || is_severity(qid) ||
        bl_slice_eq(qid, BL_SLICE("NOQUEUE")))
        return BL_POSTFIX_OTHER;
    words.from += 7;
    end = bl_words_end(&words);
    word = word_to(&words, end);
    word.n -= word.n && word.p[word.n - 1] == ',';
    client = read_peer(word);
    begin_record(head, qid, BL_RECORD_OPEN, out);
    out->peer_host = client.bracketed ? client.host : word;
    out->peer_ip = client.ip;
    while (end < words.s.n) {
        words.from = end + 1;
        end = bl_words_end(&words);
        word = word_to(&words, end);
        if (bl_slice_starts(word, BL_SLICE("sasl_username="))) {
            out->text = (bl_slice){word.p + 14, word.n - 14 - (word.p[word.n - 1] == ',')};
            break;
        }
    }
    return BL_POSTFIX_RECORD;
}

/* pickup: `uid=N from=<user>` */
RARELY enum bl_postfix_line read_uid(const bl_syslog *head, bl_slice qid, bl_slice in,
                                     bl_record *out)
{
    static const bl_slice from = BL_SLICE_INIT(" from=<");
    size_t at, end = in.n;

    if (!bl_slice_starts(in, BL_SLICE("uid=")) || is_severity(qid))
        return BL_POSTFIX_OTHER;
    begin_record(head, qid, BL_RECORD_OPEN, out);
    at = bl_slice_find(in, from);
    while (end > 0 && in.p[end - 1] != '>')
        end--;
    if (at != SIZE_MAX && end > at + from.n) {
        out->sender = (bl_slice){in.p + at + from.n, end - 1 - (at + from.n)};
        out->flags = BL_RECORD_HAS_SENDER;
    }
    return BL_POSTFIX_RECORD;
}

/* cleanup: `message-id=<...>`, `resent-message-id=<...>`: any text, as it stands in the header */
static inline enum bl_postfix_line read_message_id(const bl_syslog *head, bl_slice qid, bl_slice in,
                                                   bl_record *out)
{
    (void)bl_slice_take(&in, BL_SLICE("resent-"));
    if (!bl_slice_take(&in, BL_SLICE("message-id=")) || is_severity(qid))
        return BL_POSTFIX_OTHER;
    begin_record(head, qid, BL_RECORD_MESSAGE_ID, out);
    out->text = in;
    return BL_POSTFIX_RECORD;
}

/* qmgr, postsuper: `removed`; cleanup, since 3.12: `removed (canceled)`, `removed (discarded)` */
static inline enum bl_postfix_line read_removed(const bl_syslog *head, bl_slice qid, bl_slice in,
                                                bl_record *out)
{
    if (!bl_slice_take(&in, BL_SLICE("removed")) || is_severity(qid) ||
        (in.n && !bl_slice_starts(in, BL_SLICE(" ("))))
        return BL_POSTFIX_OTHER;
    begin_record(head, qid, BL_RECORD_REMOVED, out);
    return BL_POSTFIX_RECORD;
}

/* -- refused at our own door ------------------------------------------------------------------ */

RARELY enum bl_phase phase_of_stage(bl_slice stage)
{
    static const struct {
        bl_slice name;
        enum bl_phase phase;
    } stages[] = {
        {BL_SLICE_INIT("RCPT"), BL_PHASE_RCPT},
        {BL_SLICE_INIT("MAIL"), BL_PHASE_MAIL},
        {BL_SLICE_INIT("DATA"), BL_PHASE_DATA},
        {BL_SLICE_INIT("BDAT"), BL_PHASE_DATA},
        {BL_SLICE_INIT("END-OF-MESSAGE"), BL_PHASE_EOD},
        {BL_SLICE_INIT("CONNECT"), BL_PHASE_CONNECT},
        {BL_SLICE_INIT("HELO"), BL_PHASE_HELO},
        {BL_SLICE_INIT("EHLO"), BL_PHASE_HELO},
        {BL_SLICE_INIT("VRFY"), BL_PHASE_RCPT},
        {BL_SLICE_INIT("header"), BL_PHASE_EOD},
        {BL_SLICE_INIT("body"), BL_PHASE_EOD},
        {BL_SLICE_INIT("mime-error"), BL_PHASE_EOD},
    };

    for (size_t i = 0; i < BL_COUNT(stages); i++)
        if (bl_slice_eq_fold(stage, stages[i].name))
            return stages[i].phase;
    return BL_PHASE_UNKNOWN;
}

/* Where `; from=<`, `; to=<` or `; proto=` stands, outside of quoted addresses `<"..."@`. */
RARELY size_t find_envelope(bl_slice s)
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
        if (bl_slice_starts(rest, BL_SLICE("; from=<")) ||
            bl_slice_starts(rest, BL_SLICE("; to=<")) ||
            bl_slice_starts(rest, BL_SLICE("; proto=")))
            return at;
    }
}

/* Takes `; from=<A> to=<B>`; postscreen puts commas between, VRFY has no sender.  ` proto=P
 * helo=<H>` follows, but for mail that was submitted here cleanup tells no protocol: `; from=<A>
 * to=<B>: 5.7.1 text`. */
RARELY void take_envelope(bl_slice *in, bl_record *out)
{
    size_t end;

    (void)bl_slice_take(in, BL_SLICE(";"));
    if (bl_slice_take(in, BL_SLICE(" from=<"))) {
        end = find_address_end(*in, BL_SLICE(" "), BL_SLICE(","));
        if (end == SIZE_MAX)
            return;
        out->sender = bl_slice_head(*in, end);
        out->flags |= BL_RECORD_HAS_SENDER;
        *in = bl_slice_drop(*in, end + 1);
        (void)bl_slice_take(in, BL_SLICE(","));
    }
    if (!bl_slice_take(in, BL_SLICE(" to=<")))
        return;
    end = find_address_end(*in, BL_SLICE(" proto="), BL_SLICE(", proto="));
    if (end == SIZE_MAX)
        end = find_address_end(*in, BL_SLICE(": "), BL_SLICE(": "));
    if (end == SIZE_MAX && bl_slice_ends(*in, BL_SLICE(">")))
        end = in->n - 1;
    if (end == SIZE_MAX)
        return;
    out->recipient = bl_slice_head(*in, end);
    *in = bl_slice_drop(*in, end + 1);
}

/* Takes `HOST[IP]` and the port that smtpd_client_port_logging adds, a number or `unknown`. */
RARELY bool take_client(bl_slice *in, bl_record *out)
{
    size_t close = bl_window_find(*in, ']');
    bl_slice rest = bl_slice_drop(*in, close), port;
    struct peer client = read_peer(bl_slice_head(*in, close + 1));

    if (!client.bracketed || !bl_slice_take(&rest, BL_SLICE("]")))
        return false;
    port = rest;
    if (bl_slice_take(&port, BL_SLICE(":")) && port.n && port.p[0] != ' ')
        rest = bl_slice_drop(port, bl_window_find2(port, ':', ' '));
    out->peer_host = client.host;
    out->peer_ip = client.ip;
    *in = rest;
    return true;
}

/* smtpd: ` sasl_method=M sasl_username=U`, U in `<>` when a milter refused. */
RARELY void find_sasl_user(bl_slice in, bl_record *out)
{
    static const bl_slice name = BL_SLICE_INIT(" sasl_username=");
    size_t at = bl_slice_find(in, name);

    if (at == SIZE_MAX)
        return;
    in = bl_slice_drop(in, at + name.n);
    in = bl_slice_head(in, bl_window_find(in, ' '));
    if (bl_slice_take(&in, BL_SLICE("<")))
        in.n -= bl_slice_ends(in, BL_SLICE(">"));
    out->orig_recipient = in;
}

/* `RCPT from HOST[IP]: 550 5.1.1 <A>: Recipient address rejected: TEXT; from=<A> to=<B> proto=P
 * helo=<H>`; a proxy's refusal names no client: `END-OF-MESSAGE: 554 5.7.0 TEXT; from=...` */
RARELY bool read_refusal(bl_slice in, bool has_client, bl_record *out, bl_slice *text)
{
    size_t end;

    (void)bl_slice_take(&in, BL_SLICE("content ")); /* the stage was `DATA content` */
    if (has_client && (!bl_slice_take(&in, BL_SLICE("from ")) || !take_client(&in, out) ||
                       !bl_slice_take(&in, BL_SLICE(": "))))
        return false;
    end = find_envelope(in);
    *text = bl_slice_head(in, end);
    if (end != SIZE_MAX) {
        in = bl_slice_drop(in, end);
        take_envelope(&in, out);
        find_sasl_user(in, out);
    }
    return true;
}

RARELY size_t find_last(bl_slice s, bl_slice needle)
{
    for (size_t at = s.n; at-- > 0;)
        if (s.p[at] == needle.p[0] && bl_slice_starts(bl_slice_drop(s, at), needle))
            return at;
    return SIZE_MAX;
}

/* What stands behind ` proto=P helo=<H>: `, either of which may be missing. */
RARELY bl_slice text_behind_envelope(bl_slice in)
{
    size_t end;

    if (bl_slice_take(&in, BL_SLICE(" proto=")))
        in = bl_slice_drop(in, bl_window_find2(in, ' ', ':'));
    if (bl_slice_take(&in, BL_SLICE(" helo=<"))) {
        end = bl_slice_find(in, BL_SLICE(">: "));
        in = bl_slice_drop(in, end == SIZE_MAX ? in.n : end + 1);
    }
    return bl_slice_take(&in, BL_SLICE(": ")) ? in : bl_slice_drop(in, in.n);
}

static inline bool is_content_stage(bl_slice stage)
{
    return bl_slice_eq(stage, BL_SLICE("header")) || bl_slice_eq(stage, BL_SLICE("body")) ||
           bl_slice_eq(stage, BL_SLICE("mime-error"));
}

/* The header's text is a stranger's and stands first, so the ends are looked for from the right:
 * `header Subject: TEXT from HOST[IP]; from=<A> to=<B> proto=P helo=<H>: 5.7.1 text`.  Of a broken
 * message the reason stands first, `mime-error REASON: TEXT from ...`, and `unknown` where no
 * recipient is. */
RARELY bool read_content_refusal(bl_slice in, bool broken, bl_record *out, bl_slice *text)
{
    static const bl_slice from = BL_SLICE_INIT(" from ");
    size_t end = find_last(in, BL_SLICE("; from=<")), at;

    if (end == SIZE_MAX)
        return false;
    at = find_last(bl_slice_head(in, end), from);
    if (at != SIZE_MAX) {
        struct peer client = read_peer((bl_slice){in.p + at + from.n, end - at - from.n});

        out->peer_host = client.host;
        out->peer_ip = client.ip;
    }
    *text = bl_slice_head(in, at == SIZE_MAX ? end : at);
    in = bl_slice_drop(in, end);
    take_envelope(&in, out);
    if (!broken)
        *text = text_behind_envelope(in);
    else if (bl_slice_eq(out->recipient, BL_SLICE("unknown")))
        out->recipient.n = 0;
    return true;
}

/* Takes `[milter-[header-|body-]|proxy-]VERB: `.  False for what refuses nothing and loses nothing:
 * reject_warning, warn, info, hold, filter, redirect, bcc, prepend, permit and their like, and
 * proxy-accept. */
RARELY bool take_verb(bl_slice *in, enum bl_outcome *outcome)
{
    if (bl_slice_take(in, BL_SLICE("milter-")))
        (void)(bl_slice_take(in, BL_SLICE("header-")) || bl_slice_take(in, BL_SLICE("body-")));
    else
        (void)bl_slice_take(in, BL_SLICE("proxy-"));
    *outcome = BL_REJECTED;
    if (bl_slice_take(in, BL_SLICE("reject: ")))
        return true;
    *outcome = BL_DISCARDED; /* accepted, and thrown away */
    return bl_slice_take(in, BL_SLICE("discard: "));
}

/* `in` begins behind `QID: `: VERB: STAGE ...  Postfix 1 had no NOQUEUE before it, nor has
 * postscreen when all its ports are taken: `reject: connect from [IP]:port: all screening ports
 * busy`. */
RARELY enum bl_postfix_line read_reject(const bl_syslog *head, bl_slice qid, bl_slice in,
                                        bl_record *out, bl_reply *reply)
{
    enum bl_outcome outcome = BL_REJECTED;
    bl_slice stage, text;
    bool done, has_client = true, alone = bl_slice_eq(qid, BL_SLICE("reject"));

    if (is_severity(qid) || (!alone && !take_verb(&in, &outcome)))
        return BL_POSTFIX_OTHER;
    stage = bl_slice_head(in, bl_window_find(in, ' '));
    if (stage.n == in.n)
        return BL_POSTFIX_OTHER;
    in = bl_slice_drop(in, stage.n + 1);
    if (bl_slice_ends(stage, BL_SLICE(":"))) {
        has_client = false;
        stage.n--;
    }
    begin_record(head, qid, BL_RECORD_REJECT, out);
    done = is_content_stage(stage)
               ? read_content_refusal(in, bl_slice_eq(stage, BL_SLICE("mime-error")), out, &text)
               : read_refusal(in, has_client, out, &text);
    if (!done)
        return BL_POSTFIX_OTHER;
    if (alone || bl_slice_eq(qid, BL_SLICE("NOQUEUE"))) {
        out->flags |= BL_RECORD_ONE_SHOT;
        out->queue_id = bl_slice_drop(qid, qid.n);
    }
    reply->wrapper = (bl_status){0, 0, 0};
    reply->relay_host = (bl_slice){NULL, 0};
    reply->phase = phase_of_stage(stage);
    bl_reply_read(text, reply);
    out->outcome = (uint8_t)outcome;
    out->phase = (uint8_t)reply->phase;
    out->code = reply->code;
    out->enhanced = reply->enhanced;
    out->text = reply->text;
    return BL_POSTFIX_RECORD;
}

/* smtpd: `warning: Illegal address syntax from HOST[IP] in RCPT command: <A>`.  All that is logged
 * when it answers 501 5.1.3 or 5.1.7. */
RARELY enum bl_postfix_line read_bad_syntax(const bl_syslog *head, bl_slice in, bl_record *out,
                                            bl_reply *reply)
{
    bl_slice text = in, stage, address;

    begin_record(head, bl_slice_head(head->body, 0), BL_RECORD_REJECT, out);
    if (!bl_slice_take(&in, BL_SLICE("Illegal address syntax from ")) || !take_client(&in, out) ||
        !bl_slice_take(&in, BL_SLICE(" in ")))
        return BL_POSTFIX_OTHER;
    stage = bl_slice_head(in, bl_window_find(in, ' '));
    in = bl_slice_drop(in, stage.n);
    if (!bl_slice_take(&in, BL_SLICE(" command: ")))
        return BL_POSTFIX_OTHER;
    address = in;
    if (in.n >= 2 && in.p[0] == '<' && in.p[in.n - 1] == '>')
        address = (bl_slice){in.p + 1, in.n - 2};
    if (bl_slice_eq(stage, BL_SLICE("RCPT"))) {
        out->recipient = address;
    } else {
        out->sender = address;
        out->flags |= BL_RECORD_HAS_SENDER;
    }
    *reply = (bl_reply){.phase = phase_of_stage(stage), .text = text};
    out->flags |= BL_RECORD_ONE_SHOT;
    out->outcome = BL_REJECTED;
    out->phase = (uint8_t)reply->phase;
    out->text = text;
    return BL_POSTFIX_RECORD;
}

/* -- which line it is ------------------------------------------------------------------------- */

/* What the byte behind `QID: ` promises; the readers look at the rest. */
enum promise {
    NOTHING,
    TO,
    FROM,
    CLIENT,
    MESSAGE,
    UID,
    REMOVED_REJECT,
    PROXY,
    RARE,          /* read_rare() */
    AGAIN,         /* a word about the line before: block_read.h */
    EXIM_DELIVERY, /* exim_read.h */
    EXIM_ARRIVAL,
    EXIM_COMPLETED,
    EXIM_REFUSAL,
    EXIM_HELD,
    EXIM_PIECE,
    EXIM_REPEATED,
    EXIM_RARE,
    FOREIGN, /* not Postfix's */
    PROMISES
};

static const uint8_t promises[32] = {['t' & 31] = TO,     ['f' & 31] = FROM,
                                     ['c' & 31] = CLIENT, ['m' & 31] = MESSAGE,
                                     ['u' & 31] = UID,    ['r' & 31] = REMOVED_REJECT,
                                     ['p' & 31] = PROXY,  ['d' & 31] = PROXY,
                                     ['I' & 31] = RARE,   ['E' & 31] = RARE};

/* Bodies that begin otherwise: `[ID 197553 mail.info] `, `message repeated 4 times: [ `, `Last
 * message '`. */
static inline bool is_wrapped(char first)
{
    return UINT64_C(1) << (first & 63) &
           (UINT64_C(1) << ('[' & 63) | UINT64_C(1) << ('m' & 63) | UINT64_C(1) << ('L' & 63));
}

/* Looks at the body up to the byte behind its first word, which must end with a colon.  Without a
 * branch: which kind a line is cannot be foretold. */
static inline enum promise look_at(const bl_syslog *head, struct bl_words *words, bl_slice *qid)
{
    size_t end, next;
    unsigned ok;

    if (!is_postfix(head->program) && is_foreign(head))
        return FOREIGN;
    if (head->body.n < BODY_MIN)
        return NOTHING;
    *words = bl_words_begin(head->body);
    if (__builtin_expect(is_wrapped(head->body.p[0]), 0)) {
        *qid = bl_slice_head(head->body, 0);
        return RARE;
    }
    end = bl_words_end(words);
    next = end + 1 < words->s.n ? end + 1 : 0;
    ok = (unsigned)(next >= 3) & (unsigned)(words->s.p[end - (end > 0)] == ':');
    *qid = (bl_slice){words->s.p, end - (end > 0)};
    words->from = next;
    return (enum promise)(promises[words->s.p[next] & 31] & (0 - ok));
}

static inline bool is_queue_id(bl_slice qid)
{
    struct bl_window w = bl_window_open(qid);
    uint32_t inside = (uint32_t)bl_window_below(qid.n & 31);

    return qid.n <= QID_MAX && (bl_window_alnum(&w) & inside) == inside;
}

RARELY enum bl_postfix_line read_rare(const bl_syslog *head, bl_slice qid, bl_slice in,
                                      bl_record *out, bl_reply *reply);

/* What was looked at is read.  With a constant promise only one of these is left. */
BL_ALWAYS_INLINE enum bl_postfix_line read_promised(enum promise promise, const bl_syslog *head,
                                                    bl_slice qid, struct bl_words words,
                                                    bl_record *out, bl_reply *reply)
{
    bl_slice in = rest_of(&words);

    if (promise == RARE)
        return read_rare(head, qid, in, out, reply);
    if (!is_queue_id(qid))
        return BL_POSTFIX_OTHER;
    switch (promise) {
    case TO:
        return read_delivery(head, qid, words, out, reply);
    case FROM:
        return read_from(head, qid, words, out);
    case CLIENT:
        return bl_slice_starts(in, BL_SLICE("con")) ? read_reject(head, qid, in, out, reply)
                                                    : read_client(head, qid, words, out);
    case MESSAGE:
        if (bl_slice_starts(in, BL_SLICE("mi")))
            return read_reject(head, qid, in, out, reply); /* milter-reject */
        return read_message_id(head, qid, in, out);
    case UID:
        return read_uid(head, qid, in, out);
    case REMOVED_REJECT:
        if (bl_slice_starts(in, BL_SLICE("rem")))
            return read_removed(head, qid, in, out);
        if (bl_slice_starts(in, BL_SLICE("res")))
            return read_message_id(head, qid, in, out); /* resent- */
        return read_reject(head, qid, in, out, reply);
    case PROXY:
        return read_reject(head, qid, in, out, reply);
    case NOTHING:
    case RARE:
    case AGAIN:
    case EXIM_DELIVERY:
    case EXIM_ARRIVAL:
    case EXIM_COMPLETED:
    case EXIM_REFUSAL:
    case EXIM_HELD:
    case EXIM_PIECE:
    case EXIM_REPEATED:
    case EXIM_RARE:
    case FOREIGN:
    case PROMISES:
        break;
    }
    return BL_POSTFIX_OTHER;
}

RARELY enum bl_postfix_line read_inner(const bl_syslog *head, bl_slice body, bl_record *out,
                                       bl_reply *reply)
{
    bl_syslog inner = *head;
    struct bl_words words;
    enum promise promise;
    bl_slice qid;

    inner.body = body;
    promise = look_at(&inner, &words, &qid);
    if (promise == NOTHING || promise == RARE || promise == FOREIGN)
        return BL_POSTFIX_OTHER;
    return read_promised(promise, &inner, qid, words, out, reply);
}

/* Takes ` repeated 4 times`. */
RARELY bool take_times(bl_slice *in, uint32_t *times)
{
    bl_slice rest = *in;
    uint64_t n;

    if (!bl_slice_take(&rest, BL_SLICE(" repeated ")) || !bl_slice_take_u64(&rest, &n) ||
        !bl_slice_take(&rest, BL_SLICE(" time")))
        return false;
    (void)bl_slice_take(&rest, BL_SLICE("s"));
    *times = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
    *in = rest;
    return true;
}

/* Takes rsyslog's `message repeated 4 times: [ BODY]`; it keeps 800 bytes of BODY, and the blank
 * before it. */
RARELY bool take_repeated_body(bl_slice *body, uint32_t *times)
{
    bl_slice rest = *body;

    if (!bl_slice_take(&rest, BL_SLICE("message")) || !take_times(&rest, times) ||
        !bl_slice_take(&rest, BL_SLICE(": [")) || !bl_slice_ends(rest, BL_SLICE("]")))
        return false;
    (void)bl_slice_take(&rest, BL_SLICE(" "));
    rest.n--;
    *body = rest;
    return true;
}

/* Takes a word about the line before, the first one of which may stand where the tag does: `last
 * message repeated 4 times`; macOS' `--- last message repeated 1 time ---`; syslog-ng's `Last
 * message 'NOQUEUE: reject: RCP' repeated 4 times, suppressed by syslog-ng on mta1`, whose `begin`
 * is all that it tells of the line. */
RARELY bool take_again(const bl_syslog *head, uint32_t *times, bl_slice *begin)
{
    enum { QUOTED_MAX = 20 };
    bl_slice rest = head->body;
    size_t end;

    *begin = bl_slice_head(rest, 0);
    if (bl_slice_eq(head->program, BL_SLICE("last")))
        return bl_slice_take(&rest, BL_SLICE("message")) && take_times(&rest, times);
    if (bl_slice_eq(head->program, BL_SLICE("---")))
        return bl_slice_take(&rest, BL_SLICE("last message")) && take_times(&rest, times);
    if (!bl_slice_take(&rest, BL_SLICE("Last message '")))
        return false;
    end = bl_slice_find(bl_slice_head(rest, QUOTED_MAX + 11), BL_SLICE("' repeated "));
    if (end == SIZE_MAX)
        return false;
    *begin = bl_slice_head(rest, end);
    rest = bl_slice_drop(rest, end + 1);
    return take_times(&rest, times);
}

static inline bool is_again(const bl_syslog *head)
{
    uint32_t times;
    bl_slice begin;

    if (head->program.n > 4 && !(head->body.n && head->body.p[0] == 'L'))
        return false; /* nearly always */
    return take_again(head, &times, &begin);
}

/* False for what tells of no recipient: to read that again says nothing new. */
RARELY bool repeat(uint32_t times, bl_record *record)
{
    if (record->kind != BL_RECORD_DELIVERY && record->kind != BL_RECORD_REJECT)
        return false;
    record->flags |= BL_RECORD_REPEATED;
    record->repeats = times;
    return true;
}

/* Lines that begin in an unusual way.  `in` stands behind the first word, or at it when the body is
 * wrapped. */
RARELY enum bl_postfix_line read_rare(const bl_syslog *head, bl_slice qid, bl_slice in,
                                      bl_record *out, bl_reply *reply)
{
    bl_slice body = head->body;
    uint32_t times;

    if (bl_slice_take(&body, BL_SLICE("[ID "))) { /* Solaris: `[ID 197553 mail.info] ` */
        body = bl_slice_drop(body, bl_window_find(body, ']'));
        return bl_slice_take(&body, BL_SLICE("] ")) ? read_inner(head, body, out, reply)
                                                    : BL_POSTFIX_OTHER;
    }
    if (take_repeated_body(&body, &times)) {
        enum bl_postfix_line line = read_inner(head, body, out, reply);

        return line == BL_POSTFIX_RECORD && !repeat(times, out) ? BL_POSTFIX_OTHER : line;
    }
    if (is_wrapped(body.p[0]))
        return BL_POSTFIX_OTHER;
    if (bl_slice_eq(qid, BL_SLICE("warning")))
        return read_bad_syntax(head, in, out, reply);
    if (bl_slice_eq(qid, BL_SLICE("proxy-reject"))) /* no queue id before it */
        return read_reject(head, (bl_slice){"NOQUEUE", 7}, bl_slice_drop(head->body, 6), out,
                           reply);
    return BL_POSTFIX_OTHER;
}

#endif
