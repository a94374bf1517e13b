/* One reply to one verdict.
 *
 * Rule indexes are ordered by precedence, so everything that matches is a candidate and the
 * smallest index decides.  The code trie and the rules without phrases give the first candidate;
 * then the automaton passes over the text, and each phrase that ends lists its rules, strongest
 * first: the list is left as soon as it cannot beat the best so far.
 *
 * A multi-line reply repeats its code before each line ("550-5.7.28 too much 550-5.7.28 mail"),
 * which would cut phrases in two, and an address may be made of any words: those repetitions and all
 * addresses are gaps that the automaton does not read.
 *
 * Vetoes have the smallest indexes.  They are no candidates: the strongest one of each kind is kept,
 * and decides in the end if the best candidate would suppress.
 *
 * Side by side: one automaton waits for a load most of the time, so `LANES` of them take a byte
 * each in turn.  A lane that reaches the end of its text gets the next reply. */
#include "digits.h"
#include "phrases.h"

enum { LANES = 4, GAPS_MAX = 16, VETOES = 2 /* of any verdict, of codes and generic words */ };

/* Rules with several phrases: how many of them were seen so far, and where. */
struct sequence {
    uint32_t first_end, last_end, first_length;
};

struct gap {
    uint32_t at, end;
};

/* A rule that matched, its first phrase and its end; end 0: it has no phrase. */
struct evidence {
    uint32_t rule, first_end, first_length, end;
};

/* Where phrases end; judged when the piece has been read. */
struct ending {
    const uint32_t *output;
    uint32_t end;
};

enum { ENDINGS = 32 };

struct lane {
    const uint8_t *text;     /* of the reply; never NULL */
    const uint8_t *p, *stop; /* the piece being read */
    bl_walk walk;
    struct evidence best, vetoes[VETOES];
    uint32_t n_gaps, piece;
    uint32_t enhanced;
    uint16_t basic, provider, phase_bit;
    bool temporary;
    const bl_reply *reply;
    bl_verdict *verdict;
    uint32_t n_endings;
    struct ending endings[ENDINGS];
    struct gap gaps[GAPS_MAX];
    uint8_t seen[BL_SEQUENCES_MAX];
    struct sequence sequences[BL_SEQUENCES_MAX]; /* [i] is set once seen[i] is */
};

/* The codes that count: the reply's own; without an enhanced one, what the MTA made of it.  x.0.0
 * beside a basic code says nothing (and Postfix logs it for a remote reply that has no enhanced
 * code). */
static bl_status effective_status(const bl_reply *reply)
{
    bl_status status = bl_status_absent(reply->enhanced) ? reply->wrapper : reply->enhanced;

    return reply->code && status.subject == 0 && status.detail == 0 ? (bl_status){0} : status;
}

static bool is_temporary(const bl_reply *reply, bl_status status)
{
    return reply->code ? reply->code / 100 == 4 || reply->enhanced.class_ == 4 : status.class_ == 4;
}

static bool wanted(const struct bl_want *want, const struct lane *lane)
{
    return (((lane->basic ^ want->basic) & want->basic_mask) |
            ((lane->enhanced ^ want->enhanced) & want->enhanced_mask)) == 0 &&
           (want->provider == 0 || want->provider == lane->provider) &&
           (want->phases == 0 || (want->phases & lane->phase_bit) != 0);
}

static bool is_veto(const struct bl_rule *rule)
{
    return rule->tier < VETOES;
}

static void note(const struct bl_rules *rules, struct lane *lane, struct evidence evidence)
{
    const struct bl_rule *rule = &rules->rules[evidence.rule];
    struct evidence *kept = is_veto(rule) ? &lane->vetoes[rule->tier] : &lane->best;

    if (evidence.rule < kept->rule)
        *kept = evidence;
}

static void try_loose(const struct bl_rules *rules, struct lane *lane, uint16_t provider)
{
    for (uint32_t i = rules->loose_start[provider]; i < rules->loose_start[provider + 1]; i++) {
        uint32_t rule = rules->loose[i];

        if (rule >= lane->best.rule)
            return;
        if (wanted(&rules->rules[rule].want, lane))
            note(rules, lane, (struct evidence){.rule = rule});
    }
}

/* What repeats the code at `at`: `550-5.7.28`, `550 `; where it ends, or 0. */
static size_t repeated_code(bl_slice text, size_t at)
{
    size_t end = at + 4, i;

    if (end > text.n || !bl_is_blank_byte(text.p[at - 1]) || memcmp(text.p + at, text.p, 3) != 0 ||
        (text.p[at + 3] != '-' && text.p[at + 3] != ' '))
        return 0;
    for (i = end; i < text.n && (bl_is_digit(text.p[i]) || text.p[i] == '.'); i++)
        ;
    return i - end >= 5 && (i == text.n || bl_is_blank_byte(text.p[i])) ? i : end;
}

/* The next repeated code of a multi-line reply from `at` on; {n, n} if there is none. */
static struct gap next_code(bl_slice text, size_t at)
{
    while (at < text.n) {
        size_t end;

        at += bl_slice_find_byte(bl_slice_drop(text, at), text.p[0]);
        end = at < text.n ? repeated_code(text, at) : 0;
        if (end)
            return (struct gap){(uint32_t)at, (uint32_t)end};
        at++;
    }
    return (struct gap){(uint32_t)text.n, (uint32_t)text.n};
}

static bool in_address(char c)
{
    static const uint8_t ends[256] = {['<'] = 1, ['>'] = 1, ['('] = 1, [')'] = 1,  ['['] = 1,
                                      [']'] = 1, ['"'] = 1, [','] = 1, ['\''] = 1, [';'] = 1,
                                      [':'] = 1, ['|'] = 1, ['{'] = 1, ['}'] = 1};

    return !ends[(uint8_t)c] && !bl_is_blank_byte(c);
}

/* The next address: what hangs together around an @, not before `at`. */
static struct gap next_address(bl_slice text, size_t at)
{
    size_t sign = at + bl_slice_find_byte(bl_slice_drop(text, at), '@'), end = sign;

    if (sign == text.n)
        return (struct gap){(uint32_t)text.n, (uint32_t)text.n};
    while (end < text.n && in_address(text.p[end]) &&
           (text.p[end] != '.' || end + 1 == text.n || text.p[end + 1] != '.'))
        end++; /* Sendmail: "a@example.com... User unknown" */
    while (sign > at && in_address(text.p[sign - 1]))
        sign--;
    return (struct gap){(uint32_t)sign, (uint32_t)end};
}

static bool has_lines(bl_slice text)
{
    return text.n > 3 && text.p[3] == '-' && bl_is_digit(text.p[0]) && bl_is_digit(text.p[1]) &&
           bl_is_digit(text.p[2]);
}

/* Finds repeated codes and addresses, in order. */
static void find_gaps(struct lane *lane, bl_slice text)
{
    struct gap none = {(uint32_t)text.n, (uint32_t)text.n};
    struct gap code = has_lines(text) ? next_code(text, 4) : none;
    struct gap address = text.n ? next_address(text, has_lines(text) ? 4 : 0) : none;

    lane->n_gaps = 0;
    while (lane->n_gaps < GAPS_MAX) {
        struct gap gap = code.at <= address.at ? code : address;

        if (gap.at == text.n)
            return;
        lane->gaps[lane->n_gaps++] = gap;
        if (code.at < gap.end)
            code = next_code(text, gap.end);
        if (address.at < gap.end)
            address = next_address(text, gap.end);
    }
}

/* Piece i lies between gap i - 1 and gap i. */
static void enter_piece(struct lane *lane, uint32_t piece)
{
    lane->piece = piece;
    lane->p = lane->text + (piece ? lane->gaps[piece - 1].end : 0);
    lane->stop = lane->text + (piece < lane->n_gaps ? lane->gaps[piece].at : lane->reply->text.n);
}

static void start(const struct bl_rules *rules, struct lane *lane, const bl_reply *reply,
                  bl_verdict *verdict)
{
    bl_status status = effective_status(reply);
    uint32_t rule;

    lane->reply = reply;
    lane->text = (const uint8_t *)(reply->text.n ? reply->text.p : "");
    lane->verdict = verdict;
    lane->basic = bl_pack_code(reply->code);
    lane->enhanced = bl_pack_status(status);
    lane->provider = reply->relay_host.n ? bl_rules_provider(rules, reply->relay_host) : 0;
    lane->phase_bit = (uint16_t)(1u << reply->phase);
    lane->temporary = is_temporary(reply, status);
    lane->best = (struct evidence){.rule = rules->n_rules - 1}; /* the fallback */
    for (int i = 0; i < VETOES; i++)
        lane->vetoes[i] = (struct evidence){.rule = BL_NO_RULE};
    rule = bl_digits_find(rules->digits, reply->code, status);
    if (rule < lane->best.rule)
        lane->best.rule = rule;
    try_loose(rules, lane, 0);
    if (lane->provider)
        try_loose(rules, lane, lane->provider);
    lane->walk = bl_phrases_start(&rules->phrases);
    lane->n_endings = 0;
    memset(lane->seen, 0, rules->n_sequences);
    find_gaps(lane, reply->text);
    enter_piece(lane, 0);
}

static uint32_t back_over_gap(const struct lane *lane, uint32_t at, uint32_t *gaps)
{
    while (*gaps > 0 && lane->gaps[*gaps - 1].end >= at)
        if (lane->gaps[--*gaps].end == at)
            at = lane->gaps[*gaps].at;
    return at;
}

/* Where the phrase of `length` folded bytes that ends before `end` begins.  An end behind the text
 * means the blank that is read there. */
static uint32_t phrase_start(const struct lane *lane, uint32_t end, uint32_t length)
{
    bl_slice text = lane->reply->text;
    uint32_t gaps = lane->piece, at = end; /* gaps before the piece */

    if (at > text.n + 1) { /* the byte behind that blank */
        at--;
        length--;
    }
    if (at > text.n) {
        at--;
        if (at == 0 || !bl_is_blank_byte(text.p[at - 1]))
            length--;
    }
    while (length-- > 0 && (at = back_over_gap(lane, at, &gaps)) > 0) {
        if (!bl_is_blank_byte(text.p[--at]))
            continue;
        for (;;) { /* all of a run of blanks */
            uint32_t before_gaps = gaps, before = back_over_gap(lane, at, &before_gaps);

            if (before == 0 || !bl_is_blank_byte(text.p[before - 1]))
                break;
            gaps = before_gaps;
            at = before - 1;
        }
    }
    return at;
}

/* How many bytes were read between two places: gaps are not. */
static uint32_t read_between(const struct lane *lane, uint32_t from, uint32_t to)
{
    uint32_t n = to - from;

    for (uint32_t i = 0; i < lane->piece; i++)
        if (lane->gaps[i].at >= from && lane->gaps[i].end <= to)
            n -= lane->gaps[i].end - lane->gaps[i].at;
    return n;
}

/* Where the phrase begins, for distances: bytes, unless a gap lies within. */
static uint32_t start_near(const struct lane *lane, uint32_t end, uint32_t length)
{
    uint32_t piece = (uint32_t)((lane->piece ? lane->gaps[lane->piece - 1].end : 0));

    return end >= piece + length ? end - length : phrase_start(lane, end, length);
}

static void begin(struct lane *lane, uint32_t sequence, uint32_t end, uint32_t length)
{
    lane->sequences[sequence] = (struct sequence){end, end, length};
    lane->seen[sequence] = 1;
}

/* The first phrase of several, once more.  It begins anew where nothing else has come of it, or what is
 * awaited close behind can come no more. */
static void begin_anew(struct lane *lane, const struct bl_rule *rule, uint32_t end, uint32_t length)
{
    uint32_t sequence = rule->sequence - 1u, seen = lane->seen[sequence],
             last = lane->sequences[sequence].last_end;

    if (seen == rule->parts || !rule->gap[seen] || end <= last)
        return;
    if (seen == 1 || read_between(lane, last, start_near(lane, end, length)) > rule->gap[seen])
        begin(lane, sequence, end, length);
}

/* A part of a rule with several phrases.  True when it was the last one. */
static bool advance(struct lane *lane, const struct bl_rule *rule, uint32_t output, uint32_t end)
{
    uint32_t sequence = rule->sequence - 1u, part = bl_output_part(output), length = bl_output_length(output);
    struct sequence *s = &lane->sequences[sequence];
    uint32_t start;

    if (lane->seen[sequence] != part) {
        if (part == 0)
            begin_anew(lane, rule, end, length);
        return false;
    }
    if (part == 0) {
        begin(lane, sequence, end, length);
        return false;
    }
    start = start_near(lane, end, length);
    if (start < s->last_end ||
        (rule->gap[part] && read_between(lane, s->last_end, start) > rule->gap[part]))
        return false; /* overlaps the phrase before, or too far behind it */
    s->last_end = end;
    lane->seen[sequence]++;
    return bl_output_last(output);
}

/* The phrases that end before `end`. */
static __attribute__((noinline)) void hit(const struct bl_rules *rules, struct lane *lane,
                                          const uint32_t *output, uint32_t end)
{
    for (;; output++) {
        uint32_t rule = bl_output_rule(*output);
        const struct bl_rule *r = &rules->rules[rule];
        uint32_t sequence = rules->sequence_of[rule], part = bl_output_part(*output);

        if (rule >= lane->best.rule)
            return;
        if (sequence && (part ? lane->seen[sequence - 1] != part : lane->seen[sequence - 1] == 0)) {
            /* Most words of most rules: what must stand in front has not come, or is this. */
            if (part == 0)
                begin(lane, sequence - 1, end, bl_output_length(*output));
            if (bl_output_ends(*output))
                return;
            continue;
        }
        if ((!sequence || advance(lane, r, *output, end)) && wanted(&r->want, lane)) {
            struct evidence found = {rule, end, bl_output_length(*output), end};

            if (sequence) {
                found.first_end = lane->sequences[sequence - 1].first_end;
                found.first_length = lane->sequences[sequence - 1].first_length;
            }
            note(rules, lane, found);
            if (!is_veto(r))
                return; /* what follows in the list is weaker */
        }
        if (bl_output_ends(*output))
            return;
    }
}

/* In the order of the text, before the next piece begins. */
static __attribute__((noinline)) void judge(const struct bl_rules *rules, struct lane *lane)
{
    for (uint32_t i = 0; i < lane->n_endings; i++)
        hit(rules, lane, lane->endings[i].output, lane->endings[i].end);
    lane->n_endings = 0;
}

/* Before RCPT TO nothing was said about the recipient yet, so at most its domain can be at fault;
 * where the phase is unknown only plain words count, and codes that say of themselves that they speak of
 * the address (x.1.1, not x.2.1); and a code that is used for several causes never does. */
static bool may_suppress(const struct bl_category *category, uint8_t tier, enum bl_phase phase,
                         bl_status status)
{
    bool plain_words = tier == BL_TIER_PROVIDER_TEXT || tier == BL_TIER_SPECIFIC_TEXT;
    bool plain_code = tier == BL_TIER_SPECIFIC_CODE && status.subject == 1;

    if (tier == BL_TIER_GENERIC_CODE)
        return false;
    switch (phase) {
    case BL_PHASE_RCPT:
    case BL_PHASE_DATA:
    case BL_PHASE_EOD:
    case BL_PHASE_LOCAL:
    case BL_PHASE_DNS:
        return true;
    case BL_PHASE_CONNECT:
    case BL_PHASE_HELO:
        return plain_words && category->scope == BL_SCOPE_DESTINATION;
    case BL_PHASE_UNKNOWN:
        return plain_words || plain_code;
    case BL_PHASE_TLS:
    case BL_PHASE_AUTH:
    case BL_PHASE_MAIL:
    case BL_PHASES:
        break;
    }
    return false;
}

/* What speaks against suppressing.  Words that can mean nothing else yield only to the firm kind. */
static const struct evidence *veto_of(const struct lane *lane, uint8_t tier)
{
    bool plain_words = tier == BL_TIER_PROVIDER_TEXT || tier == BL_TIER_SPECIFIC_TEXT;

    if (lane->vetoes[BL_TIER_VETO].rule != BL_NO_RULE)
        return &lane->vetoes[BL_TIER_VETO];
    if (!plain_words && lane->vetoes[BL_TIER_VETO_CODES].rule != BL_NO_RULE)
        return &lane->vetoes[BL_TIER_VETO_CODES];
    return NULL;
}

static bl_verdict verdict_by(const struct bl_rules *rules, const struct lane *lane,
                             const struct evidence *by)
{
    const struct bl_rule *rule = &rules->rules[by->rule];
    uint32_t n = (uint32_t)lane->reply->text.n, end = by->end < n ? by->end : n;
    uint32_t at = end ? phrase_start(lane, by->first_end, by->first_length) : 0;

    return (bl_verdict){.category = rule->category,
                        .type = rule->type,
                        .action = rule->action,
                        .rule = by->rule,
                        .match_at = at,
                        .match_n = end - at};
}

static void finish(const struct bl_rules *rules, struct lane *lane)
{
    const struct bl_rule *rule = &rules->rules[lane->best.rule];
    const struct evidence *veto = veto_of(lane, rule->tier);
    bl_verdict v = verdict_by(rules, lane, &lane->best);

    if (lane->temporary && v.type != BL_SOFT) {
        v.type = BL_SOFT;
        v.action = BL_ACTION_NONE;
    }
    if (v.action == BL_ACTION_SUPPRESS &&
        !may_suppress(&rules->categories[rule->category], rule->tier, lane->reply->phase,
                      effective_status(lane->reply))) {
        v.type = BL_UNDETERMINED;
        v.action = BL_ACTION_NONE;
    }
    if (v.action == BL_ACTION_SUPPRESS && veto)
        v = verdict_by(rules, lane, veto);
    *lane->verdict = v;
}

/* What is read behind the text, `nth` byte. */
static void read_end(const struct bl_rules *rules, struct lane *lane, uint8_t byte, uint32_t nth)
{
    bl_phrases_step(rules->phrases, &lane->walk, byte);
    if (bl_phrases_hit(lane->walk))
        hit(rules, lane, bl_phrases_outputs(rules->phrases, &lane->walk),
            (uint32_t)lane->reply->text.n + nth);
}

/* At the end of a piece: on to the next one, or what stands for the end of the text.  False when the
 * verdict is written. */
static bool go_on(const struct bl_rules *rules, struct lane *lane)
{
    judge(rules, lane);
    if (lane->piece < lane->n_gaps) {
        enter_piece(lane, lane->piece + 1);
        return true;
    }
    read_end(rules, lane, ' ', 1);
    read_end(rules, lane, BL_END_BYTE, 2);
    finish(rules, lane);
    return false;
}

static void run_alone(const struct bl_rules *rules, struct lane *lane)
{
    const struct bl_phrases phrases = rules->phrases;

    judge(rules, lane); /* what was written down side by side */
    do {
        const uint8_t *p = lane->p, *stop = lane->stop;
        bl_walk walk = lane->walk;

        while (p < stop) {
            bl_phrases_step(phrases, &walk, *p++);
            if (bl_phrases_hit(walk))
                hit(rules, lane, bl_phrases_outputs(phrases, &walk), (uint32_t)(p - lane->text));
        }
        lane->walk = walk;
    } while (go_on(rules, lane));
}

bl_verdict bl_classify(const struct bl_rules *rules, const bl_reply *reply)
{
    struct lane lane;
    bl_verdict verdict;

    start(rules, &lane, reply, &verdict);
    run_alone(rules, &lane);
    return verdict;
}

/* Only written down: judging here, each time another lane's, would stop all four. */
static inline void hit_at(const struct bl_rules *rules, struct lane *lane, bl_walk *walk,
                          size_t after)
{
    if (!bl_phrases_hit(*walk))
        return;
    if (lane->n_endings == ENDINGS)
        judge(rules, lane);
    lane->endings[lane->n_endings++] = (struct ending){bl_phrases_outputs(rules->phrases, walk),
                                                       (uint32_t)(lane->p + after - lane->text)};
}

/* `steps` bytes in each lane; none of them reaches its stop before.  Written out four times,
 * because only scalars stay in registers. */
static void run_together(const struct bl_rules *rules, struct lane *lanes, size_t steps)
{
    const struct bl_phrases t = rules->phrases;
    const uint8_t *p0 = lanes[0].p, *p1 = lanes[1].p, *p2 = lanes[2].p, *p3 = lanes[3].p;
    bl_walk w0 = lanes[0].walk, w1 = lanes[1].walk, w2 = lanes[2].walk, w3 = lanes[3].walk;

    for (size_t i = 0; i < steps; i++) {
        bl_phrases_step(t, &w0, p0[i]);
        bl_phrases_step(t, &w1, p1[i]);
        bl_phrases_step(t, &w2, p2[i]);
        bl_phrases_step(t, &w3, p3[i]);
        if (__builtin_expect((w0.state | w1.state | w2.state | w3.state) & 1, 0)) {
            hit_at(rules, &lanes[0], &w0, i + 1);
            hit_at(rules, &lanes[1], &w1, i + 1);
            hit_at(rules, &lanes[2], &w2, i + 1);
            hit_at(rules, &lanes[3], &w3, i + 1);
        }
    }
    lanes[0].walk = w0;
    lanes[1].walk = w1;
    lanes[2].walk = w2;
    lanes[3].walk = w3;
    for (int k = 0; k < LANES; k++)
        lanes[k].p += steps;
}

static size_t shortest(const struct lane *lanes)
{
    size_t least = SIZE_MAX;

    for (int k = 0; k < LANES; k++) {
        size_t left = (size_t)(lanes[k].stop - lanes[k].p);

        least = left < least ? left : least;
    }
    return least;
}

void bl_classify_many(const struct bl_rules *rules, const bl_reply *replies, bl_verdict *verdicts,
                      size_t n)
{
    struct lane lanes[LANES];
    bool busy[LANES] = {false};
    size_t next = 0;
    int n_busy = 0;

    for (; n_busy < LANES && next < n; n_busy++, next++) {
        start(rules, &lanes[n_busy], &replies[next], &verdicts[next]);
        busy[n_busy] = true;
    }
    while (n_busy == LANES) {
        run_together(rules, lanes, shortest(lanes));
        for (int k = 0; k < LANES; k++) {
            if (lanes[k].p < lanes[k].stop || go_on(rules, &lanes[k]))
                continue;
            if (next < n) {
                start(rules, &lanes[k], &replies[next], &verdicts[next]);
                next++;
            } else {
                busy[k] = false;
                n_busy--;
            }
        }
    }
    for (int k = 0; k < LANES; k++)
        if (busy[k])
            run_alone(rules, &lanes[k]);
}

static const char *const phase_names[BL_PHASES] = {
    [BL_PHASE_UNKNOWN] = "",  [BL_PHASE_DNS] = "dns",     [BL_PHASE_CONNECT] = "connect",
    [BL_PHASE_HELO] = "helo", [BL_PHASE_TLS] = "tls",     [BL_PHASE_AUTH] = "auth",
    [BL_PHASE_MAIL] = "mail", [BL_PHASE_RCPT] = "rcpt",   [BL_PHASE_DATA] = "data",
    [BL_PHASE_EOD] = "eod",   [BL_PHASE_LOCAL] = "local",
};

const char *bl_phase_name(enum bl_phase phase)
{
    return (unsigned)phase < BL_PHASES ? phase_names[phase] : "";
}

bool bl_phase_from_name(bl_slice name, enum bl_phase *out)
{
    for (int i = 0; i < BL_PHASES; i++)
        if (bl_slice_eq(name, (bl_slice){phase_names[i], strlen(phase_names[i])})) {
            *out = (enum bl_phase)i;
            return true;
        }
    return false;
}

const char *bl_type_name(enum bl_type type)
{
    static const char *const names[] = {"undetermined", "soft", "hard"};

    return names[type];
}

const char *bl_scope_name(enum bl_scope scope)
{
    static const char *const names[] = {"recipient", "message", "sender", "destination", "local"};

    return names[scope];
}

const char *bl_action_name(enum bl_action action)
{
    static const char *const names[] = {"none", "soft", "suppress"};

    return names[action];
}
