/* A template is put together from a reason (codes, stage, two wordings) and a shape: one line, or
 * the several lines that Postfix joins with a blank, each keeping its code.  Filler sentences bring
 * every template to its own length between 80 and 400 bytes. */
#include "corpus_replies.h"

#include <assert.h>
#include <stdio.h>

struct reason {
    const char *code, *enhanced, *stage;
    const char *words[2];
};

#define RCPT " (in reply to RCPT TO command)"
#define MAIL " (in reply to MAIL FROM command)"
#define DATA " (in reply to DATA command)"
#define EOD  " (in reply to end of DATA command)"

/* "~" stands for the recipient.  Without a code the words are what Postfix itself says of a
 * peer. */
/* clang-format off */
static const struct reason permanent[] = {
    {"550", "5.1.1", RCPT, {"<~>: Recipient address rejected: User unknown in virtual mailbox table",
                            "<~>: no such user here, check the spelling and try once more"}},
    {"550", "5.1.1", RCPT, {"The account you tried to write to does not exist at this site",
                            "<~> mailbox not found, the person may have left the house"}},
    {"550", "5.1.1", RCPT, {"Requested action not taken: mailbox unavailable, unknown user",
                            "Unknown recipient <~>, nobody of that name receives mail with us"}},
    {"553", "5.1.3", RCPT, {"<~>: the local part is not a valid address on this system",
                            "Bad destination mailbox address syntax, please correct it"}},
    {"550", "5.1.2", RCPT, {"Domain of the recipient is not hosted on this machine any longer",
                            "Unrouteable address: the host part of <~> leads nowhere"}},
    {"550", "5.2.1", RCPT, {"The mailbox <~> is disabled and cannot take messages",
                            "This account has been disabled or discontinued by its owner"}},
    {"550", "5.2.1", RCPT, {"Account inactive for over a year, mail is no longer accepted",
                            "<~>: user account is expired and closed for good"}},
    {"551", "5.1.6", RCPT, {"User has moved with no forwarding address on file",
                            "<~> is not local any more, please ask for the new address"}},
    {"552", "5.2.2", RCPT, {"<~>: mailbox full, the user is over quota",
                            "Quota exceeded, mailbox for the user is full to the brim"}},
    {"550", "5.7.1", RCPT, {"You are not allowed to send to this closed distribution list",
                            "<~> accepts mail from members of the organisation only"}},
    {"554", "5.7.1", RCPT, {"<~>: Relay access denied, we do not relay for strangers",
                            "Relaying to that address is not permitted from your network"}},
    {"554", "5.7.1", EOD, {"Message rejected as spam by the content filter of this site",
                           "The body of this message looks like unsolicited bulk mail"}},
    {"552", "5.3.4", EOD, {"Message size exceeds the fixed maximum message size of 20971520",
                           "Your message is too big for this host, please shrink attachments"}},
    {"554", "5.7.1", EOD, {"A virus was found in the attachment, delivery refused",
                           "Infected part detected by the scanner, the mail was not taken"}},
    {"552", "5.7.0", EOD, {"This attachment type is blocked for security reasons at our gate",
                           "File name extension in attachment is not accepted here"}},
    {"550", "5.6.0", EOD, {"Headers do not follow RFC 5322: From header is missing or repeated",
                           "Malformed message, more than one Date header was counted"}},
    {"550", "5.7.26", EOD, {"Unauthenticated email from the domain is refused by its DMARC policy",
                            "This mail fails DMARC alignment and the policy says reject"}},
    {"550", "5.7.23", MAIL, {"SPF check failed: the address is not listed by the sender domain",
                             "The sending host is not permitted by the SPF record"}},
    {"550", "5.7.20", EOD, {"No passing DKIM signature was found in the message",
                            "DKIM verification failed: body hash does not match"}},
    {"554", "5.7.1", MAIL, {"Service unavailable; client host blocked using a DNS block list",
                            "Your IP address is on our blocklist, ask your provider about it"}},
    {"550", "5.7.1", MAIL, {"Poor reputation of the sending network, mail is refused today",
                            "Rejected because the reputation score of your address is too low"}},
    {"550", "5.7.25", MAIL, {"The sending address has no reverse DNS (PTR) record",
                             "Client host rejected: cannot find your reverse hostname"}},
    {"550", "5.1.8", MAIL, {"Sender address rejected: Domain not found in the name service",
                            "The domain of the envelope sender does not resolve"}},
    {"553", "5.7.1", MAIL, {"Sender address is not owned by the logged in user",
                            "Sender address rejected: blocked by the administrator here"}},
    {"550", "5.7.1", DATA, {"Administrative prohibition: local policy forbids this message",
                            "Refused by a transport rule of the receiving organisation"}},
    {"554", "5.4.14", EOD, {"Hop count exceeded, there may be a mail loop",
                            "Too many Received headers, possible mail loop between hosts"}},
    {"", "5.4.4", "", {"Host or domain name not found. Name service error for the mail domain type=A: Host not found",
                       "Host or domain name not found. Name service error for the mail domain type=AAAA: Host not found"}},
    {"", "5.1.0", "", {"Domain of the recipient does not accept mail (nullMX), as its owner says in the name service",
                       "Domain does not accept mail (nullMX): there is a null MX record and nothing behind it at all"}},
};
/* clang-format on */

/* clang-format off */
static const struct reason temporary[] = {
    {"450", "4.2.0", RCPT, {"<~>: Recipient address rejected: Greylisted, come back in 300 seconds",
                            "Greylisting in action, please retry in five minutes"}},
    {"451", "4.7.1", RCPT, {"Greylisted for a short while, see our help pages for the reason",
                            "Try again later, first contact with <~> is always delayed"}},
    {"452", "4.2.2", RCPT, {"<~>: mailbox is over quota, try again when it was emptied",
                            "The mailbox is full at the moment, insufficient storage"}},
    {"421", "4.7.0", MAIL, {"Too many messages from your address, slow down please",
                            "Rate limit reached for this sender, deferred for an hour"}},
    {"450", "4.2.1", RCPT, {"The user is receiving mail at a rate that prevents more",
                            "<~> gets too many messages right now, try again later"}},
    {"421", "4.7.28", EOD, {"An unusual rate of unsolicited mail comes from your network",
                            "Your network sends suspicious amounts of mail, slowed down"}},
    {"451", "4.3.0", EOD, {"Temporary local problem, please try later",
                           "Local error in processing, the queue file could not be written"}},
    {"452", "4.3.1", MAIL, {"Insufficient system storage on the receiving machine",
                            "Out of disk space for incoming mail, try again later"}},
    {"421", "4.3.2", MAIL, {"Service not available, system is shutting down for maintenance",
                            "System not accepting network messages for the time being"}},
    {"450", "4.1.8", MAIL, {"Sender address rejected: Domain not found, temporary lookup failure",
                            "The domain of the sender could not be resolved just now"}},
    {"450", "4.7.25", MAIL, {"Client host rejected: cannot find your hostname for now",
                             "Reverse lookup of your address failed for the moment"}},
    {"451", "4.7.24", MAIL, {"SPF lookup gave a temporary error, please retry",
                             "The SPF record could not be fetched within the time limit"}},
    {"452", "4.5.3", RCPT, {"Too many recipients in one transaction, send the rest later",
                            "Recipient limit of this session reached, go on in the next one"}},
    {"451", "4.4.1", RCPT, {"Backend for <~> is not reachable, the message is kept by you",
                            "Upstream server timed out while checking the recipient"}},
    {"450", "4.3.2", RCPT, {"<~>: account temporarily locked by its operator",
                            "Mailbox is being moved to another machine, try again later"}},
    {"454", "4.7.0", MAIL, {"TLS is not available due to a temporary reason",
                            "Connection must be encrypted, but the handshake cannot start now"}},
    {"", "4.4.1", "!", {":25: Connection timed out", ":25: Connection refused"}},
    {"", "4.4.1", "!", {":25: No route to host", ":25: Network is unreachable"}},
    {"", "4.4.2", "?", {" while sending RCPT TO", " while receiving the initial server greeting"}},
    {"", "4.4.2", "?", {" while performing the EHLO handshake",
                        " while sending end of data -- message may be sent more than once"}},
    {"", "4.4.3", "", {"Host or domain name not found. Name service error for the mail domain type=MX: Host not found, try again",
                       "Host or domain name not found. Name service error for the mail exchanger type=A: Host not found, try again"}},
    {"421", "4.7.0", "@", {"banner: too many connections from your address, try again later",
                           "banner: closed for a moment, please come back soon"}},
};
/* clang-format on */

static const char *const filler[] = {
    "More is said on our postmaster pages.",
    "If this looks wrong to you, write to the postmaster of this site from another account.",
    "Session closed.",
    "Please pass this text on to the person who runs your mail server.",
    "See https://help.mailhost.example/answers/refusals for what each of these codes means.",
    "The time of the incident was noted.",
    "No further attempt is needed on our side.",
    "Questions go to support@mailhost.example with the reference below.",
    "Thank you for keeping mail pleasant for everyone.",
    "[mx-in-07.mailhost.example]",
};

struct corpus_reply corpus_replies[BL_REPLY_COUNT];

static char text[BL_REPLY_COUNT * 512];
static size_t text_n;

static bl_slice keep(const char *from, size_t n)
{
    char *at = text + text_n;

    assert(text_n + n <= sizeof text);
    memcpy(at, from, n);
    text_n += n;
    return (bl_slice){at, n};
}

static bl_slice keep_word(const char *word)
{
    return keep(word, strlen(word));
}

/* The words after the first filler sentences, up to the template's own length. */
static size_t compose(char *out, size_t cap, const struct reason *reason, unsigned wording,
                      bool several_lines, unsigned index)
{
    size_t target = 80 + (index * 73u) % 300;
    size_t n = (size_t)snprintf(out, cap, "%s%s%s%s%s", reason->code, several_lines ? "-" : " ",
                                reason->enhanced, " ", reason->words[wording]);
    unsigned next = index;

    while (n < target) {
        const char *line = filler[next++ % BL_COUNT(filler)];
        bool last = n + strlen(line) + 12 >= target;
        char code[24] = "";

        if (several_lines)
            snprintf(code, sizeof code, "%s%s%s ", reason->code, last ? " " : "-",
                     reason->enhanced);
        if (n + strlen(code) + strlen(line) + 1 > BL_REPLY_MAX - 60)
            break;
        n += (size_t)snprintf(out + n, cap - n, " %s%s", code, line);
    }
    return n;
}

static void fill(struct corpus_reply *reply, const struct reason *reason, unsigned wording,
                 bool several_lines, unsigned index)
{
    char line[512];
    const char *mark;
    size_t n;

    reply->dsn = keep_word(reason->enhanced);
    if (reason->stage[0] == '!' || reason->stage[0] == '?') {
        reply->before =
            keep_word(reason->stage[0] == '!' ? "connect to " : "lost connection with ");
        reply->middle = keep_word(reason->words[wording]);
        return;
    }
    if (!reason->code[0]) {
        reply->middle = keep_word(reason->words[wording]);
        return;
    }
    n = compose(line, sizeof line, reason, wording, several_lines, index);
    mark = memchr(line, '~', n);
    reply->before = keep_word("host ");
    reply->recipient = mark != NULL;
    if (reason->stage[0] == '@')
        snprintf(text + text_n, 32, " refused to talk to me: ");
    else
        snprintf(text + text_n, 32, " said: ");
    reply->middle.p = text + text_n;
    text_n += strlen(text + text_n);
    keep(line, mark ? (size_t)(mark - line) : n);
    reply->middle.n = (size_t)(text + text_n - reply->middle.p);
    if (mark)
        reply->tail = keep(mark + 1, n - (size_t)(mark + 1 - line));
    reply->ticket = index % 2 == 0;
    if (reason->stage[0] != '@')
        reply->end = keep_word(reason->stage);
}

unsigned corpus_replies_init(void)
{
    unsigned index = 0, permanents;

    static_assert((BL_COUNT(permanent) + BL_COUNT(temporary)) * 4 == BL_REPLY_COUNT,
                  "200 templates");
    for (size_t i = 0; i < BL_COUNT(permanent); i++)
        for (unsigned k = 0; k < 4; k++, index++)
            fill(&corpus_replies[index], &permanent[i], k & 1, k >> 1, index);
    permanents = index;
    for (size_t i = 0; i < BL_COUNT(temporary); i++)
        for (unsigned k = 0; k < 4; k++, index++)
            fill(&corpus_replies[index], &temporary[i], k & 1, k >> 1, index);
    return permanents;
}
