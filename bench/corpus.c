/* corpus -- an invented mail log of any size, the same for the same seed
 *
 *   corpus [KIND] [--lines N] [--seed N] [--stamps rfc3164|rfc3339] [--rate N] [--start T]
 *          [--end T] [--retry-lines N] [--truth FILE]
 *
 * KIND is `mixed` (every line of a message's life), `deliveries` (one line per recipient),
 * `failures` (the same, all bounced) or `exim` (mixed, as an Exim main log).  The log goes to
 * stdout; --truth writes what is in it as JSON.
 *
 * How mixed works: LIVE messages are open at once and each step lets one of them, chosen at random,
 * say its next line, which interleaves them as processes do.  A message with deferred recipients
 * waits in the queue of its attempt (all waits of one attempt are equally long, so each queue is a
 * plain ring) and comes back through qmgr; one in eight deferred recipients stays stuck and
 * expires. Domains follow Zipf's law by Walker's alias table: one random number, one
 * look-up. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "corpus_replies.h"

enum {
    DOMAINS = 100000,
    RECIPIENTS = 5000000,
    SENDERS = 64,
    LIVE = 4096,
    RCPT_MAX = 5,
    ATTEMPTS = 5,
    OUT_BYTES = 1 << 20,
    LINE_ROOM = 4096,
    TRUTH_DOMAINS = 200
};

/* Of 65,536 draws.  One in eight deferred ones costs four more deferred lines, hence 3.39 % first
 * deferrals for 5 % of all delivery lines, and 3.05 % bounces for 3 %. */
enum { DRAW_DEFER = 2222, DRAW_BOUNCE = 1999 };

enum kind { MIXED, DELIVERIES, FAILURES, EXIM };
enum result { DELIVERED, DEFERRED, BOUNCED, EXPIRED, RESULTS };
enum stage { CONNECT, CLIENT, MESSAGE_ID, ACTIVE, DISCONNECT, DELIVER, EXPIRE, NOTIFY, REMOVED };

struct message {
    uint64_t id, notice_id;
    uint64_t due; /* the line at which it is tried again */
    uint32_t domain[RCPT_MAX], user[RCPT_MAX];
    uint32_t size;
    uint8_t stage, rcpts, next, attempt, sender, client;
    uint8_t pending, deferred, stuck; /* bit per recipient */
    bool notice, bounced;             /* a bounce notice; somebody bounced */
};

struct waiting {
    struct message *v;
    size_t head, n, cap;
};

static struct options {
    enum kind kind;
    uint64_t lines, seed, rate, retry_lines;
    int64_t start_s;
    bool rfc3339, local;
    const char *truth;
} options = {MIXED, 1000000, 1, 2000, 40000, 0, false, false, NULL};

static char out[OUT_BYTES + LINE_ROOM];
static size_t out_n;
static uint64_t out_total;
static uint64_t random_state;
static uint64_t line, next_id, messages, delivery_lines;
static char head[64]; /* stamp and host */
static size_t head_n;
static int64_t head_s = INT64_MIN;

static struct {
    char name[32];
    uint8_t n;
} domain[DOMAINS + SENDERS]; /* the senders' own stand behind the recipients' */
static uint32_t alias_other[DOMAINS], alias_keep[DOMAINS], users[DOMAINS];
static uint32_t truth_domain[DOMAINS + SENDERS][RESULTS];
static uint64_t truth_all[RESULTS], truth_null[RESULTS];
static unsigned permanents;
static struct message live[LIVE];
static struct waiting waiting[ATTEMPTS];

static const char *const result_name[RESULTS] = {"delivered", "deferred", "bounced", "expired"};

/* wyrand: good enough, and two multiplications. */
static inline uint64_t draw(void)
{
    __uint128_t product;

    random_state += 0xa0761d6478bd642full;
    product = (__uint128_t)random_state * (random_state ^ 0xe7037ed1a0b428dbull);
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

static inline uint32_t below(uint32_t limit)
{
    return (uint32_t)(((draw() >> 32) * limit) >> 32);
}

static void flush_out(void)
{
    for (size_t at = 0; at < out_n;) {
        ssize_t got = write(STDOUT_FILENO, out + at, out_n - at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            perror("corpus: cannot write");
            exit(74);
        }
        at += (size_t)got;
    }
    out_n = 0;
}

static inline void put(const char *text, size_t n)
{
    memcpy(out + out_n, text, n);
    out_n += n;
}

#define PUT(literal) put(literal, sizeof(literal) - 1)

static inline void put_slice(bl_slice s)
{
    if (s.n)
        put(s.p, s.n);
}

static inline void put_number(uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    put(digits + at, sizeof digits - at);
}

static inline void put_hex(uint64_t value, unsigned width)
{
    for (unsigned i = width; i-- > 0; value >>= 4)
        out[out_n + i] = "0123456789ABCDEF"[value & 15];
    out_n += width;
}

static inline void put_domain(uint32_t index)
{
    put(domain[index].name, domain[index].n);
}

static const char *const word[] = {"orchard", "harbor",  "willow", "copper", "meadow",  "lantern",
                                   "granite", "juniper", "saddle", "velvet", "thunder", "marble",
                                   "pepper",  "falcon",  "ribbon", "summit"};
static const char *const name[] = {"anna",  "li.wei", "john",  "maria", "ivan",  "fatima",
                                   "chen",  "olga",   "peter", "sofia", "ahmed", "julia",
                                   "kenji", "laura",  "pavel", "nina"};

static void put_user(uint32_t user)
{
    const char *first = name[user % BL_COUNT(name)], *last = word[user / 16 % BL_COUNT(word)];

    put(first, strlen(first));
    PUT(".");
    put(last, strlen(last));
    if (user >= 256)
        put_number(user / 256);
}

static void put_sender(const struct message *m)
{
    if (m->notice)
        return;
    PUT("bounce-");
    put_number(m->id & 0xffffff);
    PUT("@");
    put_domain(DOMAINS + m->sender);
}

static void put_recipient(const struct message *m, unsigned r)
{
    if (m->notice) {
        PUT("bounce-");
        put_number(m->user[r]);
    } else {
        put_user(m->user[r]);
    }
    PUT("@");
    put_domain(m->domain[r]);
}

/* Half of the domains have their mail at one of three large hosts, under the names that real logs
 * show. */
static void put_relay(uint32_t index)
{
    uint32_t place = (index * 2654435761u) >> 24;

    if (place < 77) {
        PUT("aspmx.l.google.com");
    } else if (place < 128) {
        for (size_t i = 0; i < domain[index].n; i++)
            out[out_n++] = domain[index].name[i] == '.' ? '-' : domain[index].name[i];
        PUT(".mail.protection.outlook.com");
    } else if (place < 141) {
        PUT("mta7.am0.yahoodns.net");
    } else {
        PUT("mx1.");
        put_domain(index);
    }
    PUT("[198.51.100.");
    put_number(index % 254 + 1);
    PUT("]");
}

static void update_head(int64_t second)
{
    time_t t = (time_t)second;
    struct tm tm;

    if (options.local)
        localtime_r(&t, &tm);
    else
        gmtime_r(&t, &tm);
    if (options.rfc3339)
        head_n = strftime(head, sizeof head, "%Y-%m-%dT%H:%M:%S.000000", &tm);
    else
        head_n = strftime(head, sizeof head, "%b %e %H:%M:%S", &tm);
    if (options.rfc3339) {
        char zone[8];

        strftime(zone, sizeof zone, "%z", &tm);
        if (!options.local)
            strcpy(zone, "+0000");
        head_n +=
            (size_t)snprintf(head + head_n, sizeof head - head_n, "%.3s:%.2s", zone, zone + 3);
    }
    head_n += (size_t)snprintf(head + head_n, sizeof head - head_n, " mta1 postfix/");
    head_s = second;
}

/* Stamp, host and process.  `process` counts towards the pid, so that several of a kind run. */
static void begin_line(const char *service, unsigned process)
{
    uint64_t since_us = (uint64_t)((__uint128_t)line * 1000000 / options.rate);
    int64_t second = options.start_s + (int64_t)(since_us / 1000000);

    if (out_n >= OUT_BYTES) {
        out_total += out_n;
        flush_out();
    }
    if (second != head_s)
        update_head(second);
    if (options.rfc3339) {
        uint32_t us = (uint32_t)(since_us % 1000000);

        for (unsigned i = 26; i-- > 20; us /= 10)
            head[i] = (char)('0' + us % 10);
    }
    put(head, head_n);
    put(service, strlen(service));
    PUT("[");
    put_number(20000 + process);
    PUT("]: ");
    line++;
}

static void put_client(const struct message *m)
{
    PUT("app");
    put_number(m->client);
    PUT(".sending.example[203.0.113.");
    put_number(m->client % 254u + 1);
    PUT("]");
}

static void put_delays(bool sent)
{
    uint32_t r = below(400);

    PUT(", delay=");
    put_number(r / 100);
    PUT(".");
    put_number(r % 100 / 10 + 1);
    PUT(", delays=0.0");
    put_number(r % 9 + 1);
    PUT("/0.01/0.");
    put_number(r % 90 + 10);
    PUT("/");
    put_number(r / 100);
    PUT(".");
    put_number(sent ? r % 7 + 1 : r % 3 + 1);
    PUT(", dsn=");
}

static void put_ticket(void)
{
    uint64_t r = draw();

    PUT(" ");
    for (unsigned i = 0; i < 12; i++, r >>= 5)
        out[out_n++] = "abcdefghijklmnopqrstuvwxyz234567"[r & 31];
}

static void put_reply(const struct message *m, unsigned r, const struct corpus_reply *reply)
{
    put_slice(reply->before);
    if (reply->before.n)
        put_relay(m->domain[r]);
    put_slice(reply->middle);
    if (reply->recipient)
        put_recipient(m, r);
    put_slice(reply->tail);
    if (reply->ticket)
        put_ticket();
    put_slice(reply->end);
}

static void put_result(const struct message *m, unsigned r, enum result result)
{
    const struct corpus_reply *reply = NULL;

    /* The square makes the first templates the frequent ones: unknown users, greylisting. */
    if (result != DELIVERED) {
        uint32_t n = result == BOUNCED ? permanents : BL_REPLY_COUNT - permanents;
        uint32_t at = (uint32_t)(((uint64_t)below(n) * below(n)) / n);

        reply = &corpus_replies[result == BOUNCED ? at : permanents + at];
    }
    PUT(">, relay=");
    if (reply && !reply->ticket && !reply->end.n) {
        PUT("none");
    } else {
        put_relay(m->domain[r]);
        PUT(":25");
    }
    put_delays(result == DELIVERED);
    if (!reply) {
        PUT("2.0.0, status=sent (250 2.0.0 Ok: queued as ");
        put_hex(draw() & 0xffffffffffu, 10);
    } else {
        put_slice(reply->dsn);
        PUT(", status=");
        put(result_name[result], result == BOUNCED ? 7 : 8);
        PUT(" (");
        put_reply(m, r, reply);
    }
    PUT(")\n");
}

static void count(const struct message *m, unsigned r, enum result result)
{
    truth_all[result]++;
    truth_domain[m->domain[r]][result]++;
    if (m->notice)
        truth_null[result]++;
}

/* -- as Exim tells it -- */

/* 6-6-2 digits, which count up. */
static void put_exim_id(uint64_t id)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char text[16] = "1xUzl4-000000-00";

    for (unsigned i = 0; i < 14; i++, id /= 62) {
        unsigned at = 15 - i - (i >= 2) - (i >= 8);

        if (id)
            text[at] = digits[id % 62];
    }
    put(text, sizeof text);
}

static void begin_exim_line(const struct message *m)
{
    uint64_t since_us = (uint64_t)((__uint128_t)line * 1000000 / options.rate);
    int64_t second = options.start_s + (int64_t)(since_us / 1000000);

    if (out_n >= OUT_BYTES) {
        out_total += out_n;
        flush_out();
    }
    if (second != head_s) {
        time_t t = (time_t)second;
        struct tm tm;

        head_n = strftime(head, sizeof head, "%Y-%m-%d %H:%M:%S ",
                          options.local ? localtime_r(&t, &tm) : gmtime_r(&t, &tm));
        head_s = second;
    }
    put(head, head_n);
    put_exim_id(m->id);
    line++;
}

/* `mx1.orchard7.example [198.51.100.9]` */
static void put_exim_host(uint32_t index)
{
    size_t at = out_n;

    PUT(" H=");
    put_relay(index);
    while (out[at] != '[')
        at++;
    memmove(out + at + 1, out + at, out_n - at);
    out[at] = ' ';
    out_n++;
}

static void put_exim_failure(const struct message *m, unsigned r, enum result result)
{
    uint32_t n = result == BOUNCED ? permanents : BL_REPLY_COUNT - permanents;
    uint32_t at = (uint32_t)(((uint64_t)below(n) * below(n)) / n);
    const struct corpus_reply *reply = &corpus_replies[result == BOUNCED ? at : permanents + at];
    bl_slice middle = reply->middle;

    if (result == DEFERRED)
        PUT(" R=dnslookup T=remote_smtp defer (");
    else
        PUT(" R=dnslookup T=remote_smtp");
    if (!reply->end.n) { /* nobody answered */
        if (result == DEFERRED)
            PUT("110): Connection timed out\n");
        else
            PUT(": all relevant MX records point to non-existent hosts\n");
        return;
    }
    if (result == DEFERRED)
        PUT("-44)");
    put_exim_host(m->domain[r]);
    PUT(": SMTP error from remote mail server after RCPT TO:<");
    put_recipient(m, r);
    PUT(">: ");
    (void)bl_slice_take(&middle, BL_SLICE(" said: "));
    put_slice(middle);
    if (reply->recipient)
        put_recipient(m, r);
    put_slice(reply->tail);
    if (reply->ticket)
        put_ticket();
    PUT("\n");
}

static void put_exim_delivery(const struct message *m, unsigned r, enum result result)
{
    static const char *const symbol[RESULTS] = {" => ", " == ", " ** ", " ** "};

    begin_exim_line(m);
    put(symbol[result], 4);
    put_recipient(m, r);
    if (result == DELIVERED) {
        PUT(" R=dnslookup T=remote_smtp");
        put_exim_host(m->domain[r]);
        PUT(" X=TLS1.3:ECDHE_SECP256R1__RSA_PSS_RSAE_SHA256__AES_256_GCM:256 CV=yes C=\"250 2.0.0 Ok: queued as ");
        put_hex(draw() & 0xffffffffffu, 10);
        PUT("\"\n");
    } else if (result == EXPIRED) {
        PUT(": retry timeout exceeded\n");
    } else {
        put_exim_failure(m, r, result);
    }
    count(m, r, result);
    delivery_lines++;
}

static void put_exim_arrival(const struct message *m)
{
    begin_exim_line(m);
    PUT(" <= ");
    if (m->notice) {
        PUT("<> R=");
        put_exim_id(m->notice_id);
        PUT(" U=Debian-exim P=local S=");
        put_number(m->size);
        PUT("\n");
        return;
    }
    put_sender(m);
    PUT(" H=app");
    put_number(m->client);
    PUT(".sending.example [203.0.113.");
    put_number(m->client % 254u + 1);
    PUT("] P=esmtpsa X=TLS1.3:ECDHE_SECP256R1__RSA_PSS_RSAE_SHA256__AES_256_GCM:256 CV=no A=plain:app");
    put_number(m->client);
    PUT(" S=");
    put_number(m->size);
    PUT(" id=");
    put_hex(m->id * 0x9e3779b97f4a7c15u, 16);
    PUT("@");
    put_domain(DOMAINS + m->sender);
    PUT("\n");
}

static void put_delivery(const struct message *m, unsigned r, enum result result)
{
    if (options.kind == EXIM) {
        put_exim_delivery(m, r, result);
        return;
    }
    begin_line("smtp", 3000 + (m->sender & 63u));
    put_hex(m->id, 11);
    PUT(": to=<");
    put_recipient(m, r);
    put_result(m, r, result);
    count(m, r, result);
    delivery_lines++;
}

static enum result draw_result(void)
{
    uint32_t r = below(65536);

    if (r < DRAW_DEFER)
        return DEFERRED;
    return r < DRAW_DEFER + DRAW_BOUNCE ? BOUNCED : DELIVERED;
}

static void draw_recipient(struct message *m, unsigned r)
{
    uint32_t d = below(DOMAINS);
    uint64_t u;

    if ((uint32_t)draw() > alias_keep[d])
        d = alias_other[d];
    u = draw() >> 32;
    u = (u * u) >> 32; /* low numbers are mailed more often */
    m->domain[r] = d;
    m->user[r] = (uint32_t)((u * users[d]) >> 32);
}

static uint64_t take_id(void)
{
    return 0x40000000000u + next_id++;
}

static void open_message(struct message *m, uint64_t id)
{
    uint64_t r = draw();

    memset(m, 0, sizeof *m);
    m->id = id;
    m->rcpts = (uint8_t)((r & 15) < 14 ? 1 : 2 + (r >> 4 & 3));
    m->pending = (uint8_t)((1u << m->rcpts) - 1);
    m->sender = (uint8_t)(r >> 8) % SENDERS;
    m->client = (uint8_t)(r >> 16);
    m->size = 2000 + (uint32_t)(r >> 32) % 60000;
    for (unsigned i = 0; i < m->rcpts; i++)
        draw_recipient(m, i);
    messages++;
}

/* The bounce of a message is a message of its own, to its sender. */
static void open_notice(struct message *m)
{
    struct message of = *m;

    open_message(m, of.notice_id);
    m->notice = true;
    m->stage = MESSAGE_ID;
    m->sender = of.sender;
    m->rcpts = 1;
    m->pending = 1;
    m->domain[0] = DOMAINS + of.sender;
    m->user[0] = of.id & 0xffffff;
}

static void wait_for_retry(const struct message *m)
{
    struct waiting *queue = &waiting[m->attempt];
    size_t at;

    if (queue->n == queue->cap) {
        size_t cap = queue->cap ? queue->cap * 2 : 1024;
        struct message *v = malloc(cap * sizeof *v);

        if (!v) {
            fputs("corpus: out of memory\n", stderr);
            exit(71);
        }
        for (size_t i = 0; i < queue->n; i++)
            v[i] = queue->v[(queue->head + i) & (queue->cap - 1)];
        free(queue->v);
        *queue = (struct waiting){v, 0, queue->n, cap};
    }
    at = (queue->head + queue->n++) & (queue->cap - 1);
    queue->v[at] = *m;
    queue->v[at].due = line + (options.retry_lines << m->attempt);
    queue->v[at].attempt++;
    queue->v[at].stage = ACTIVE;
    queue->v[at].pending = m->deferred;
    queue->v[at].deferred = 0;
    queue->v[at].next = 0;
}

/* A slot is free: a message whose wait is over comes first. */
static void refill(struct message *m)
{
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        struct waiting *queue = &waiting[i];

        if (queue->n && queue->v[queue->head].due <= line) {
            *m = queue->v[queue->head];
            queue->head = (queue->head + 1) & (queue->cap - 1);
            queue->n--;
            return;
        }
    }
    open_message(m, take_id());
}

static void after_deliveries(struct message *m)
{
    if (m->deferred && m->attempt + 1 < ATTEMPTS) {
        wait_for_retry(m);
        refill(m);
    } else if (m->deferred) {
        m->stage = EXPIRE;
    } else {
        m->stage = m->bounced && !m->notice ? NOTIFY : REMOVED;
    }
}

static void deliver_next(struct message *m)
{
    unsigned bit;
    enum result result;

    while (!(m->pending >> m->next & 1))
        m->next++;
    bit = 1u << m->next;
    result = m->stuck & bit ? DEFERRED : draw_result();
    put_delivery(m, m->next, result);
    m->pending = (uint8_t)(m->pending & ~bit);
    if (result == DEFERRED) {
        m->deferred = (uint8_t)(m->deferred | bit);
        if (m->attempt == 0 && below(8) == 0)
            m->stuck = (uint8_t)(m->stuck | bit);
    }
    m->bounced |= result == BOUNCED;
    if (!m->pending)
        after_deliveries(m);
}

static void begin_queue_line(const struct message *m, const char *service, unsigned process)
{
    begin_line(service, process);
    put_hex(m->id, 11);
    PUT(": ");
}

static void put_message_id(const struct message *m)
{
    begin_queue_line(m, "cleanup", 1000 + (m->client & 31u));
    PUT("message-id=<");
    put_hex(m->id * 0x9e3779b97f4a7c15u, 16);
    PUT(".");
    put_number(m->size);
    if (m->notice) {
        PUT("@mta1.sending.example>\n");
    } else {
        PUT("@");
        put_domain(DOMAINS + m->sender);
        PUT(">\n");
    }
}

static void put_active(const struct message *m)
{
    begin_queue_line(m, "qmgr", 7);
    PUT("from=<");
    put_sender(m);
    PUT(">, size=");
    put_number(m->size);
    PUT(", nrcpt=");
    put_number((unsigned)__builtin_popcount(m->pending));
    PUT(" (queue active)\n");
}

/* Everyone who is still deferred is given up with one line that names nobody. */
static void expire(struct message *m)
{
    begin_queue_line(m, "qmgr", 7);
    PUT("from=<");
    put_sender(m);
    PUT(">, status=expired, returned to sender\n");
    for (unsigned r = 0; r < m->rcpts; r++)
        if (m->deferred >> r & 1)
            count(m, r, EXPIRED);
    m->bounced = true;
    m->stage = m->notice ? REMOVED : NOTIFY;
}

/* Fewer lines for the same life: arrival, results, Completed; each recipient is given up on its
 * own. */
static void exim_step(struct message *m)
{
    switch ((enum stage)m->stage) {
    case CONNECT:
    case CLIENT:
    case MESSAGE_ID:
        put_exim_arrival(m);
        m->stage = DELIVER;
        return;
    case ACTIVE:
    case DISCONNECT:
    case DELIVER:
        deliver_next(m);
        return;
    case EXPIRE:
        for (unsigned r = 0; r < m->rcpts; r++)
            if (m->deferred >> r & 1)
                put_exim_delivery(m, r, EXPIRED);
        m->bounced = true;
        m->stage = REMOVED;
        return;
    case NOTIFY:
    case REMOVED:
        begin_exim_line(m);
        PUT(" Completed\n");
        m->notice_id = take_id();
        if (m->bounced && !m->notice)
            open_notice(m);
        else
            refill(m);
        return;
    }
}

static void step(struct message *m)
{
    if (options.kind == EXIM) {
        exim_step(m);
        return;
    }
    switch ((enum stage)m->stage) {
    case CONNECT:
        begin_line("smtpd", m->client);
        PUT("connect from ");
        put_client(m);
        PUT("\n");
        m->stage = CLIENT;
        return;
    case CLIENT:
        begin_queue_line(m, "smtpd", m->client);
        PUT("client=");
        put_client(m);
        PUT(", sasl_method=PLAIN, sasl_username=app");
        put_number(m->client);
        PUT("\n");
        m->stage = MESSAGE_ID;
        return;
    case MESSAGE_ID:
        put_message_id(m);
        m->stage = ACTIVE;
        return;
    case ACTIVE:
        put_active(m);
        m->stage = m->attempt || m->notice ? DELIVER : DISCONNECT;
        return;
    case DISCONNECT:
        begin_line("smtpd", m->client);
        PUT("disconnect from ");
        put_client(m);
        PUT(" ehlo=1 auth=1 mail=1 rcpt=");
        put_number(m->rcpts);
        PUT(" data=1 quit=1 commands=");
        put_number(m->rcpts + 5u);
        PUT("\n");
        m->stage = DELIVER;
        return;
    case DELIVER:
        deliver_next(m);
        return;
    case EXPIRE:
        expire(m);
        return;
    case NOTIFY:
        begin_queue_line(m, "bounce", 4000 + (m->sender & 7u));
        m->notice_id = take_id();
        PUT("sender non-delivery notification: ");
        put_hex(m->notice_id, 11);
        PUT("\n");
        m->stage = REMOVED;
        return;
    case REMOVED:
        begin_queue_line(m, "qmgr", 7);
        PUT("removed\n");
        if (m->bounced && !m->notice)
            open_notice(m);
        else
            refill(m);
        return;
    }
}

static void write_mixed(void)
{
    for (size_t i = 0; i < LIVE; i++)
        open_message(&live[i], take_id());
    while (line < options.lines)
        step(&live[draw() & (LIVE - 1)]);
}

static void write_deliveries(void)
{
    struct message m;

    while (line < options.lines) {
        open_message(&m, take_id());
        for (unsigned r = 0; r < m.rcpts && line < options.lines; r++)
            put_delivery(&m, r, options.kind == FAILURES ? BOUNCED : draw_result());
    }
}

static void build_domains(void)
{
    static double share[DOMAINS];
    static uint32_t small[DOMAINS], large[DOMAINS];
    size_t smalls = 0, larges = 0;
    double sum = 0;

    for (size_t i = 0; i < DOMAINS + SENDERS; i++)
        domain[i].n =
            (uint8_t)(i < DOMAINS ? snprintf(domain[i].name, sizeof domain[i].name, "%s%zu.example",
                                             word[i % BL_COUNT(word)], i / 16)
                                  : snprintf(domain[i].name, sizeof domain[i].name,
                                             "news.sender%zu.example", i - DOMAINS));
    for (size_t i = 0; i < DOMAINS; i++)
        sum += share[i] = 1.0 / (double)(i + 1);
    for (size_t i = 0; i < DOMAINS; i++) {
        double n = RECIPIENTS * share[i] / sum;

        users[i] = n < 1 ? 1 : (uint32_t)n;
        share[i] *= DOMAINS / sum;
        alias_other[i] = (uint32_t)i;
        alias_keep[i] = UINT32_MAX;
        if (share[i] < 1)
            small[smalls++] = (uint32_t)i;
        else
            large[larges++] = (uint32_t)i;
    }
    while (smalls && larges) { /* Vose: fill each small share up from a large one */
        uint32_t lo = small[--smalls], hi = large[larges - 1];

        alias_keep[lo] = (uint32_t)(share[lo] * (double)UINT32_MAX);
        alias_other[lo] = hi;
        share[hi] -= 1 - share[lo];
        if (share[hi] < 1) {
            larges--;
            small[smalls++] = hi;
        }
    }
}

static void put_counts(FILE *f, const char *label, const uint64_t counts[RESULTS])
{
    fprintf(f, "\"%s\":{", label);
    for (unsigned i = 0, any = 0; i < RESULTS; i++)
        if (counts[i])
            fprintf(f, "%s\"%s\":%llu", any++ ? "," : "", result_name[i],
                    (unsigned long long)counts[i]);
    fputc('}', f);
}

static void write_truth(void)
{
    FILE *f = fopen(options.truth, "w");

    if (!f) {
        perror(options.truth);
        exit(74);
    }
    fprintf(f, "{\"v\":1,\"lines\":%llu,\"bytes\":%llu,\"messages\":%llu,\"delivery_lines\":%llu,",
            (unsigned long long)line, (unsigned long long)out_total, (unsigned long long)messages,
            (unsigned long long)delivery_lines);
    put_counts(f, "outcomes", truth_all);
    fputc(',', f);
    put_counts(f, "null_sender", truth_null);
    fputs(",\"domains\":{", f);
    for (size_t i = 0; i < TRUTH_DOMAINS; i++) {
        uint64_t counts[RESULTS];

        for (unsigned k = 0; k < RESULTS; k++)
            counts[k] = truth_domain[i][k];
        fputs(i ? "," : "", f);
        put_counts(f, domain[i].name, counts);
    }
    fputs("}}\n", f);
    if (fclose(f) != 0) {
        perror(options.truth);
        exit(74);
    }
}

static uint64_t number(const char *text, const char *what)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (end == text || *end) {
        fprintf(stderr, "corpus: %s takes a number, not '%s'\n", what, text);
        exit(64);
    }
    return value;
}

static void usage(void)
{
    fputs(
        "usage: corpus [mixed|deliveries|failures|exim] [--lines N] [--seed N] [--stamps rfc3164|rfc3339]\n"
        "              [--rate LINES_PER_SECOND] [--start EPOCH|now] [--end EPOCH|now]\n"
        "              [--retry-lines N] [--truth FILE]\n",
        stderr);
    exit(64);
}

static void read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"lines", 1, NULL, 'l'},       {"seed", 1, NULL, 's'},  {"stamps", 1, NULL, 'f'},
        {"rate", 1, NULL, 'r'},        {"start", 1, NULL, 'b'}, {"end", 1, NULL, 'e'},
        {"retry-lines", 1, NULL, 'w'}, {"truth", 1, NULL, 't'}, {NULL, 0, NULL, 0}};
    static const char *const kinds[] = {"mixed", "deliveries", "failures", "exim"};
    const char *start = NULL, *end = NULL;

    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'l':
            options.lines = number(optarg, "--lines");
            break;
        case 's':
            options.seed = number(optarg, "--seed");
            break;
        case 'r':
            options.rate = number(optarg, "--rate");
            break;
        case 'w':
            options.retry_lines = number(optarg, "--retry-lines");
            break;
        case 'f':
            options.rfc3339 = strcmp(optarg, "rfc3339") == 0;
            break;
        case 'b':
            start = optarg;
            break;
        case 'e':
            end = optarg;
            break;
        case 't':
            options.truth = optarg;
            break;
        default:
            usage();
        }
    }
    if (optind < argc) {
        unsigned i = 0;

        while (i < BL_COUNT(kinds) && strcmp(argv[optind], kinds[i]) != 0)
            i++;
        if (i == BL_COUNT(kinds) || optind + 1 < argc)
            usage();
        options.kind = (enum kind)i;
    }
    if (options.rate == 0)
        usage();
    /* Bytes depend on the seed alone unless `now` is asked for; then stamps are local time, as in a
     * log of this machine. */
    options.start_s = 1793000000; /* 26 October 2026 */
    options.local = (start && !strcmp(start, "now")) || (end && !strcmp(end, "now"));
    if (start)
        options.start_s = strcmp(start, "now") ? (int64_t)number(start, "--start") : time(NULL);
    if (end)
        options.start_s = (strcmp(end, "now") ? (int64_t)number(end, "--end") : time(NULL)) -
                          (int64_t)(options.lines / options.rate) - 1;
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    random_state = options.seed * 0x9e3779b97f4a7c15ull;
    permanents = corpus_replies_init();
    build_domains();
    if (options.kind == MIXED || options.kind == EXIM)
        write_mixed();
    else
        write_deliveries();
    out_total += out_n;
    flush_out();
    if (options.truth)
        write_truth();
    return 0;
}
