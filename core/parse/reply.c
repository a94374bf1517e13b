/* reply.c -- the parts of an SMTP reply
 *
 * Basic code, enhanced code and text are kept apart from here on.  An enhanced code of the basic
 * code's class is looked for first (RFC 2034 (4) demands it); one of another class counts only
 * where it stands right behind the basic code, as some servers send it (`550 4.2.2`).
 */
#include "bounceline/reply.h"

#include "../base/window.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(bl_slice *s)
{
    while (s->n && is_blank(s->p[0]))
        *s = bl_slice_drop(*s, 1);
}

/* Takes `550 `, `550-` or a whole `550`. */
static bool take_code(bl_slice *in, uint16_t *out)
{
    if (in->n < 3 || in->p[0] < '2' || in->p[0] > '5' || !bl_is_digit(in->p[1]) ||
        !bl_is_digit(in->p[2]))
        return false;
    if (in->n > 3 && in->p[3] != ' ' && in->p[3] != '-')
        return false;
    *out = (uint16_t)((in->p[0] - '0') * 100 + (in->p[1] - '0') * 10 + (in->p[2] - '0'));
    *in = bl_slice_drop(*in, in->n > 3 ? 4 : 3);
    return true;
}

/* `5.1.1`, and `#5.1.1` as IronPort writes it.  Codes of another class than `code` do not count. */
static bool take_enhanced(bl_slice *in, unsigned code, bl_status *out)
{
    bl_slice rest = *in;
    bl_status status;

    skip_blanks(&rest);
    (void)bl_slice_take(&rest, BL_SLICE("#"));
    if (!bl_status_take(&rest, &status) || (code != 0 && status.class_ != code / 100))
        return false;
    *out = status;
    *in = rest;
    return true;
}

/* Further lines of one reply begin with the same code: ` 550-5.1.1 `, ` 550 5.1.1 `. */
static bool find_enhanced_line(bl_slice rest, const char digits[3], unsigned code, bl_status *out)
{
    for (;;) {
        size_t at = bl_slice_find(rest, (bl_slice){digits, 3});
        bool begins;
        uint16_t again;
        bl_slice line;

        if (at == SIZE_MAX)
            return false;
        begins = at == 0 || !(bl_is_digit(rest.p[at - 1]) || rest.p[at - 1] == '.');
        line = bl_slice_drop(rest, at);
        if (begins && take_code(&line, &again) && take_enhanced(&line, code, out))
            return true;
        rest = bl_slice_drop(rest, at + 3);
    }
}

/* qmail's habit: `sorry, no mailbox here by that name. (#5.1.1)`. */
static bool find_enhanced_hash(bl_slice rest, unsigned code, bl_status *out)
{
    size_t at = bl_slice_find(rest, BL_SLICE("(#"));

    if (at == SIZE_MAX)
        return false;
    rest = bl_slice_drop(rest, at + 1);
    return take_enhanced(&rest, code, out);
}

void bl_reply_read(bl_slice text, bl_reply *out)
{
    bl_slice rest, twice;
    uint16_t again;

    skip_blanks(&text);
    rest = text;
    out->text = text;
    out->code = 0;
    out->enhanced = (bl_status){0, 0, 0};
    if (!take_code(&rest, &out->code)) {
        (void)take_enhanced(&rest, 0, &out->enhanced);
        return;
    }
    if (take_enhanced(&rest, out->code, &out->enhanced) ||
        find_enhanced_line(rest, text.p, out->code, &out->enhanced))
        return;
    twice = rest;
    /* `550 550 5.1.1` */
    if (take_code(&twice, &again) && take_enhanced(&twice, out->code, &out->enhanced))
        return;
    if (!find_enhanced_hash(rest, out->code, &out->enhanced))
        (void)take_enhanced(&rest, 0, &out->enhanced);
}

struct wording {
    bl_slice begins;
    enum bl_phase phase;
};

static enum bl_phase phase_of(bl_slice text, const struct wording *table, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bl_slice_starts(text, table[i].begins))
            return table[i].phase;
    return BL_PHASE_UNKNOWN;
}

/* `(in reply to X command)` */
static const struct wording commands[] = {
    {BL_SLICE_INIT("RCPT TO"), BL_PHASE_RCPT},   {BL_SLICE_INIT("end of DATA"), BL_PHASE_EOD},
    {BL_SLICE_INIT("MAIL FROM"), BL_PHASE_MAIL}, {BL_SLICE_INIT("DATA"), BL_PHASE_DATA},
    {BL_SLICE_INIT("BDAT"), BL_PHASE_EOD},       {BL_SLICE_INIT("EHLO"), BL_PHASE_HELO},
    {BL_SLICE_INIT("HELO"), BL_PHASE_HELO},      {BL_SLICE_INIT("LHLO"), BL_PHASE_HELO},
    {BL_SLICE_INIT("XFORWARD"), BL_PHASE_HELO},  {BL_SLICE_INIT("XCLIENT"), BL_PHASE_HELO},
    {BL_SLICE_INIT("STARTTLS"), BL_PHASE_TLS},   {BL_SLICE_INIT("AUTH"), BL_PHASE_AUTH},
};

/* `lost connection with H[IP] while X`, `conversation with H[IP] timed out while X` */
static const struct wording whiles[] = {
    {BL_SLICE_INIT("sending RCPT TO"), BL_PHASE_RCPT},
    {BL_SLICE_INIT("sending MAIL FROM"), BL_PHASE_MAIL},
    {BL_SLICE_INIT("sending DATA command"), BL_PHASE_DATA},
    {BL_SLICE_INIT("sending end of data"), BL_PHASE_EOD},
    {BL_SLICE_INIT("sending message body"), BL_PHASE_EOD},
    {BL_SLICE_INIT("sending final"), BL_PHASE_EOD},
    {BL_SLICE_INIT("receiving the initial server greeting"), BL_PHASE_CONNECT},
    {BL_SLICE_INIT("receiving the STARTTLS response"), BL_PHASE_TLS},
    {BL_SLICE_INIT("performing the EHLO"), BL_PHASE_HELO},
    {BL_SLICE_INIT("performing the HELO"), BL_PHASE_HELO},
    {BL_SLICE_INIT("performing the LHLO"), BL_PHASE_HELO},
    {BL_SLICE_INIT("sending XFORWARD"), BL_PHASE_HELO},
    {BL_SLICE_INIT("performing SASL"), BL_PHASE_AUTH},
    {BL_SLICE_INIT("performing the TLS"), BL_PHASE_TLS},
};

/* What Postfix says in its own words. */
static const struct wording words[] = {
    {BL_SLICE_INIT("connect to "), BL_PHASE_CONNECT},
    {BL_SLICE_INIT("Host or domain name not found"), BL_PHASE_DNS},
    {BL_SLICE_INIT("Host not found"), BL_PHASE_DNS},
    {BL_SLICE_INIT("Name service error"), BL_PHASE_DNS},
    {BL_SLICE_INIT("Domain "), BL_PHASE_DNS},   /* D does not accept mail (nullMX) */
    {BL_SLICE_INIT("mail for "), BL_PHASE_DNS}, /* D loops back to myself */
    {BL_SLICE_INIT("unable to look up host"), BL_PHASE_DNS},
    {BL_SLICE_INIT("unable to find primary relay"), BL_PHASE_DNS},
    {BL_SLICE_INIT("no MX host for "), BL_PHASE_DNS}, /* D has a valid address record */
    {BL_SLICE_INIT("Malformed DNS server reply"), BL_PHASE_DNS},
    {BL_SLICE_INIT("Cannot start TLS"), BL_PHASE_TLS},
    {BL_SLICE_INIT("TLS is required"), BL_PHASE_TLS},
    {BL_SLICE_INIT("Server certificate"), BL_PHASE_TLS},
    {BL_SLICE_INIT("SASL authentication"), BL_PHASE_AUTH},
    {BL_SLICE_INIT("SMTPUTF8 is required"), BL_PHASE_HELO}, /* the server's EHLO answer says no */
    {BL_SLICE_INIT("message size "), BL_PHASE_HELO},        /* likewise its SIZE */
};

static enum bl_phase phase_of_words(bl_slice text)
{
    if (bl_slice_starts(text, BL_SLICE("lost connection with ")) ||
        bl_slice_starts(text, BL_SLICE("conversation with "))) {
        size_t at = bl_slice_find(text, BL_SLICE(" while "));

        return at == SIZE_MAX ? BL_PHASE_UNKNOWN
                              : phase_of(bl_slice_drop(text, at + sizeof " while " - 1), whiles,
                                         BL_COUNT(whiles));
    }
    return phase_of(text, words, BL_COUNT(words));
}

/* Takes `host H[IP] said: ` or `host H[IP] refused to talk to me: `; also the `server` of a failed
 * login. H comes out of the DNS, so it holds neither blanks nor brackets. */
static bool take_speaker(bl_slice *in, enum bl_phase *phase)
{
    bl_slice rest = *in;

    if (bl_slice_take(&rest, BL_SLICE("SASL authentication failed; server ")))
        *phase = BL_PHASE_AUTH;
    else if (!bl_slice_take(&rest, BL_SLICE("host ")))
        return false;
    rest = bl_slice_drop(rest, bl_window_find(rest, ']'));
    if (bl_slice_take(&rest, BL_SLICE("] refused to talk to me: ")))
        *phase = BL_PHASE_CONNECT;
    else if (!bl_slice_take(&rest, BL_SLICE("] said: ")))
        return false;
    *in = rest;
    return true;
}

/* Takes ` (in reply to RCPT TO command)` off the end.  The last one is Postfix's: what stands
 * before it is the remote host's and may say the same. */
static void take_command(bl_slice *in, enum bl_phase *phase)
{
    static const bl_slice opening = BL_SLICE_INIT(" (in reply to ");
    bl_slice left = *in;
    const char *bracket;

    if (!bl_slice_ends(*in, BL_SLICE(" command)")))
        return;
    for (; (bracket = memrchr(left.p, '(', left.n)) != NULL && bracket > in->p;
         left.n = (size_t)(bracket - left.p)) {
        bl_slice tail = bl_slice_drop(*in, (size_t)(bracket - 1 - in->p));

        if (bl_slice_take(&tail, opening)) {
            *phase = phase_of(tail, commands, BL_COUNT(commands));
            in->n = (size_t)(bracket - 1 - in->p);
            return;
        }
    }
}

void bl_reply_read_postfix(bl_slice text, bl_reply *out)
{
    enum bl_phase phase = BL_PHASE_UNKNOWN;

    (void)bl_slice_take(&text, BL_SLICE("delivery temporarily suspended: "));
    if (take_speaker(&text, &phase))
        take_command(&text, &phase);
    else
        phase = phase_of_words(text);
    bl_reply_read(text, out);
    out->phase = phase;
}

/* What stands before a quoted reply, and where the quoted session was then.  `lead` begins the text
 * in front of `mark` or stands in it; empty: anything. */
struct quotation {
    bl_slice mark, lead;
    enum bl_phase phase;
};

static const struct quotation quotations[] = {
    /* qmail-remote */
    {BL_SLICE_INIT(" Remote host said: "), BL_SLICE_INIT("does not like recipient"), BL_PHASE_RCPT},
    {BL_SLICE_INIT(" Remote host said: "), BL_SLICE_INIT("but sender was rejected"), BL_PHASE_MAIL},
    {BL_SLICE_INIT(" Remote host said: "), BL_SLICE_INIT("but my name was rejected"),
     BL_PHASE_HELO},
    {BL_SLICE_INIT(" Remote host said: "), BL_SLICE_INIT("but greeting failed"), BL_PHASE_CONNECT},
    {BL_SLICE_INIT(" Remote host said: "), BL_SLICE_INIT("failed on DATA command"), BL_PHASE_DATA},
    {BL_SLICE_INIT(" Remote host said: "), BL_SLICE_INIT("failed after I sent the message"),
     BL_PHASE_EOD},
    {BL_SLICE_INIT("Remote host said: "), {NULL, 0}, BL_PHASE_UNKNOWN},
    /* Sendmail's transcript, Gmail, others */
    {BL_SLICE_INIT("<<< "), BL_SLICE_INIT(">>> RCPT"), BL_PHASE_RCPT},
    {BL_SLICE_INIT("<<< "), BL_SLICE_INIT(">>> MAIL"), BL_PHASE_MAIL},
    {BL_SLICE_INIT("<<< "), {NULL, 0}, BL_PHASE_UNKNOWN},
    {BL_SLICE_INIT("error that the other server returned was: "), {NULL, 0}, BL_PHASE_UNKNOWN},
    {BL_SLICE_INIT("response from the remote server was: "), {NULL, 0}, BL_PHASE_UNKNOWN},
    {BL_SLICE_INIT("did not like our RCPT TO:"), {NULL, 0}, BL_PHASE_RCPT},
    {BL_SLICE_INIT(" said: "), {NULL, 0}, BL_PHASE_UNKNOWN},
};

/* `550 `, `550-`, or a text of nothing but the code. */
static bool begins_with_code(bl_slice text)
{
    uint16_t code;

    skip_blanks(&text);
    return take_code(&text, &code);
}

/* Exim: `... after RCPT TO:<a@b>: 550 no`, where the host stood before. */
static bool take_exim_tail(bl_slice *text, enum bl_phase *phase)
{
    static const struct wording steps[] = {
        {BL_SLICE_INIT("RCPT TO"), BL_PHASE_RCPT},
        {BL_SLICE_INIT("MAIL FROM"), BL_PHASE_MAIL},
        {BL_SLICE_INIT("end of data"), BL_PHASE_EOD},
        {BL_SLICE_INIT("DATA"), BL_PHASE_DATA},
        {BL_SLICE_INIT("EHLO"), BL_PHASE_HELO},
        {BL_SLICE_INIT("HELO"), BL_PHASE_HELO},
        {BL_SLICE_INIT("STARTTLS"), BL_PHASE_TLS},
        {BL_SLICE_INIT("AUTH"), BL_PHASE_AUTH},
        {BL_SLICE_INIT("initial connection"), BL_PHASE_CONNECT},
    };
    size_t at = bl_slice_find(*text, BL_SLICE("SMTP error from remote mail server after "));
    bl_slice rest;

    if (at == SIZE_MAX)
        return false;
    rest = bl_slice_drop(*text, at + sizeof "SMTP error from remote mail server after " - 1);
    (void)bl_slice_take(&rest, BL_SLICE("pipelined "));
    *phase = phase_of(rest, steps, BL_COUNT(steps));
    for (;;) { /* the first `: ` with a code behind it, else the last one */
        size_t colon = bl_slice_find(rest, BL_SLICE(": "));

        if (colon == SIZE_MAX)
            break;
        rest = bl_slice_drop(rest, colon + 2);
        *text = rest;
        if (begins_with_code(rest))
            break;
    }
    return true;
}

static bool take_quotation(bl_slice *text, enum bl_phase *phase)
{
    if (take_exim_tail(text, phase))
        return true;
    for (size_t i = 0; i < BL_COUNT(quotations); i++) {
        const struct quotation *q = &quotations[i];
        size_t at = bl_slice_find(*text, q->mark);

        if (at == SIZE_MAX ||
            (q->lead.n && bl_slice_find(bl_slice_head(*text, at), q->lead) == SIZE_MAX))
            continue;
        *text = bl_slice_drop(*text, at + q->mark.n);
        *phase = q->phase;
        return true;
    }
    return false;
}

/* `<a@b>: ` in front of what Postfix says in its own words. */
static void drop_address(bl_slice *text)
{
    size_t at = bl_slice_find(*text, BL_SLICE(">: "));

    if (at != SIZE_MAX && text->p[0] == '<' &&
        (bl_slice_starts(bl_slice_drop(*text, at + 3), BL_SLICE("host ")) ||
         phase_of_words(bl_slice_drop(*text, at + 3)) != BL_PHASE_UNKNOWN))
        *text = bl_slice_drop(*text, at + 3);
}

void bl_reply_read_quoted(bl_slice text, bl_reply *out)
{
    enum bl_phase phase = BL_PHASE_UNKNOWN;
    bl_slice own;

    skip_blanks(&text);
    drop_address(&text);
    own = text;
    (void)bl_slice_take(&own, BL_SLICE("delivery temporarily suspended: "));
    if (bl_slice_starts(own, BL_SLICE("host ")) || phase_of_words(own) != BL_PHASE_UNKNOWN) {
        bl_reply_read_postfix(text, out);
        if (out->text.p != own.p)
            return;
        phase = out->phase;
        text = own;
    }
    for (int depth = 0; depth < 3 && !begins_with_code(text); depth++)
        if (!take_quotation(&text, &phase))
            break;
    (void)bl_slice_take(&text, BL_SLICE("smtp;"));
    take_command(&text, &phase);
    bl_reply_read(text, out);
    out->phase = phase;
}
