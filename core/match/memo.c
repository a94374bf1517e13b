/* Sets of a few replies each, the one asked for last in front:
 *
 *      set    tags          replies
 *       0   [ a b c d ]   [ codes, phase, provider; pieces; verdict ]
 *       1   [ e f . . ]                  ...
 *
 * A reply is found when everything that the classifier reads is the same, byte for byte: codes,
 * phase, provider if it was asked for, and the pieces of its text between the gaps.  A verdict
 * names a place in the text, which is kept as a place within a piece.  Replies with an id that is
 * not seen as one are never asked for again; with several to a set they do not push out those that
 * are. */
#include "bounceline/memo.h"

#include "asking.h"
#include "gaps.h"

#include "bounceline/alloc.h"
#include "bounceline/hash.h"

enum {
    SETS = 256,
    WAYS = 4,
    TEXT_MAX = 640,
    TOGETHER = 64 /* looked up, and what is not found classified, at a time */
};

/* What a verdict depends on besides the pieces. */
struct circumstances {
    uint16_t code;
    bl_status enhanced, wrapper;
    uint8_t phase, gaps;
    uint16_t piece_n[BL_GAPS_MAX + 1];
};

_Static_assert(sizeof(struct circumstances) == 16 + 2 * (BL_GAPS_MAX + 1), "compared as bytes");

struct place {
    uint16_t piece, at;
};

struct known {
    struct circumstances circumstances;
    bool anywhere; /* no rule that came near it asked for the provider */
    uint16_t provider;
    bl_verdict verdict; /* but for where in the text */
    struct place begin, end;
    char text[TEXT_MAX]; /* the pieces */
};

struct set {
    uint64_t tag[WAYS]; /* 0: none */
    uint16_t known[WAYS];
};

/* A reply that is looked up. */
struct question {
    uint64_t tag; /* 0: none */
    struct circumstances circumstances;
    struct bl_gap gaps[BL_GAPS_MAX];
};

struct bl_memo {
    uint64_t mark; /* bl_rules_mark of the rules that gave the verdicts */
    struct bl_memo_stats stats;
    struct set sets[SETS];
    struct known known[SETS * WAYS];
    struct question questions[TOGETHER];
    size_t missing[TOGETHER]; /* which of those were not found */
    bl_reply replies[TOGETHER];
    bl_verdict verdicts[TOGETHER];
    bool asked[TOGETHER];
};

struct bl_memo *bl_memo_new(void)
{
    struct bl_memo *memo = bl_calloc(1, sizeof *memo); /* pages are touched when used */

    for (size_t i = 0; memo && i < SETS * WAYS; i++)
        memo->sets[i / WAYS].known[i % WAYS] = (uint16_t)i;
    return memo;
}

void bl_memo_free(struct bl_memo *memo)
{
    bl_free(memo);
}

struct bl_memo_stats bl_memo_stats(const struct bl_memo *memo)
{
    return memo->stats;
}

static bl_slice piece_of(bl_slice text, const struct question *q, uint32_t i)
{
    uint32_t begin = bl_piece_begin(q->gaps, i);

    if (text.n == 0)
        return text;
    return (bl_slice){text.p + begin,
                      bl_piece_end(q->gaps, q->circumstances.gaps, i, text.n) - begin};
}

/* No tag for what is too long to be kept. */
static void ask(struct question *q, const bl_reply *reply)
{
    struct circumstances *c = &q->circumstances;
    uint64_t hash = 0;
    size_t n = 0;

    q->tag = 0;
    *c = (struct circumstances){.code = reply->code,
                                .enhanced = reply->enhanced,
                                .wrapper = reply->wrapper,
                                .phase = (uint8_t)reply->phase};
    if (reply->text.n > UINT16_MAX)
        return;
    c->gaps = (uint8_t)bl_gaps_find(reply->text, q->gaps);
    for (uint32_t i = 0; i <= c->gaps; i++) {
        bl_slice piece = piece_of(reply->text, q, i);

        n += piece.n;
        if (n > TEXT_MAX)
            return;
        c->piece_n[i] = (uint16_t)piece.n;
        hash = bl_hash64_seeded(piece, hash);
    }
    q->tag = bl_hash64_seeded((bl_slice){(const char *)c, sizeof *c}, hash) | 1;
}

static struct set *set_of(struct bl_memo *memo, const struct question *q)
{
    return &memo->sets[q->tag >> 32 & (SETS - 1)];
}

static bool is_known(const struct known *known, const struct question *q, bl_slice text,
                     uint16_t provider)
{
    const char *p = known->text;

    if ((!known->anywhere && known->provider != provider) ||
        memcmp(&known->circumstances, &q->circumstances, sizeof q->circumstances) != 0)
        return false;
    for (uint32_t i = 0; i <= q->circumstances.gaps; i++) {
        bl_slice piece = piece_of(text, q, i);

        if (piece.n && memcmp(p, piece.p, piece.n) != 0)
            return false;
        p += piece.n;
    }
    return true;
}

/* The `i`th of its set comes to the front. */
static void bring_forward(struct set *set, size_t i)
{
    uint64_t tag = set->tag[i];
    uint16_t known = set->known[i];

    for (; i > 0; i--) {
        set->tag[i] = set->tag[i - 1];
        set->known[i] = set->known[i - 1];
    }
    set->tag[0] = tag;
    set->known[0] = known;
}

/* What is probably asked for: the first with the tag; where none has it, what will be replaced. */
static void prefetch_known(struct bl_memo *memo, const struct question *q, size_t text_n)
{
    const struct set *set = set_of(memo, q);
    size_t i = 0;
    const char *known;

    while (i < WAYS - 1 && set->tag[i] != q->tag)
        i++;
    known = (const char *)&memo->known[set->known[i]];
    for (size_t at = 0; at < offsetof(struct known, text) + text_n && at < sizeof *memo->known;
         at += 64)
        __builtin_prefetch(known + at);
}

static const struct known *look_up(struct bl_memo *memo, const struct question *q, bl_slice text,
                                   uint16_t provider)
{
    struct set *set = set_of(memo, q);

    for (size_t i = 0; i < WAYS; i++)
        if (set->tag[i] == q->tag && is_known(&memo->known[set->known[i]], q, text, provider)) {
            bring_forward(set, i);
            return &memo->known[set->known[0]];
        }
    return NULL;
}

/* Which piece a place of the text lies in; never within a gap. */
static struct place place_of(const struct question *q, uint32_t at)
{
    uint32_t i = q->circumstances.gaps;

    while (bl_piece_begin(q->gaps, i) > at)
        i--;
    return (struct place){(uint16_t)i, (uint16_t)(at - bl_piece_begin(q->gaps, i))};
}

static uint32_t at_of(const struct question *q, struct place place)
{
    return bl_piece_begin(q->gaps, place.piece) + place.at;
}

static bl_verdict answer(const struct known *known, const struct question *q)
{
    bl_verdict verdict = known->verdict;

    verdict.match_at = at_of(q, known->begin);
    verdict.match_n = at_of(q, known->end) - verdict.match_at;
    return verdict;
}

/* In the place of what was not asked for longest. */
static struct known *keep(struct bl_memo *memo, const struct question *q, bl_slice text,
                          const bl_verdict *verdict)
{
    struct set *set = set_of(memo, q);
    struct known *known = &memo->known[set->known[WAYS - 1]];
    char *p = known->text;

    set->tag[WAYS - 1] = q->tag;
    bring_forward(set, WAYS - 1);
    known->circumstances = q->circumstances;
    known->verdict = *verdict;
    known->begin = place_of(q, verdict->match_at);
    known->end = place_of(q, verdict->match_at + verdict->match_n);
    for (uint32_t i = 0; i <= q->circumstances.gaps; i++) {
        bl_slice piece = piece_of(text, q, i);

        if (piece.n)
            memcpy(p, piece.p, piece.n);
        p += piece.n;
    }
    return known;
}

/* At most TOGETHER of them. */
static void classify_some(struct bl_memo *memo, const struct bl_rules *rules,
                          const bl_reply *replies, const uint16_t *providers, bl_verdict *verdicts,
                          size_t n)
{
    size_t missing = 0;

    for (size_t i = 0; i < n; i++) {
        ask(&memo->questions[i], &replies[i]);
        prefetch_known(memo, &memo->questions[i], replies[i].text.n);
    }
    for (size_t i = 0; i < n; i++) {
        struct question *q = &memo->questions[i];
        const struct known *known = NULL;

        if (q->tag)
            known = look_up(memo, q, replies[i].text, providers[i]);
        if (known) {
            verdicts[i] = answer(known, q);
            continue;
        }
        memo->missing[missing] = i;
        memo->replies[missing++] = replies[i];
    }
    memo->stats.asked += n;
    memo->stats.found += n - missing;
    bl_classify_asking(rules, memo->replies, memo->verdicts, memo->asked, missing);
    for (size_t i = 0; i < missing; i++) {
        const struct question *q = &memo->questions[memo->missing[i]];
        bl_slice text = memo->replies[i].text;
        uint16_t provider = providers[memo->missing[i]];
        struct known *known;

        verdicts[memo->missing[i]] = memo->verdicts[i];
        if (!q->tag || look_up(memo, q, text, provider)) /* it may have come twice */
            continue;
        known = keep(memo, q, text, &memo->verdicts[i]);
        known->anywhere = !memo->asked[i];
        known->provider = provider;
    }
}

void bl_memo_classify(struct bl_memo *memo, const struct bl_rules *rules, const bl_reply *replies,
                      const uint16_t *providers, bl_verdict *verdicts, size_t n)
{
    if (memo->mark != bl_rules_mark(rules))
        for (size_t i = 0; i < SETS; i++)
            memset(memo->sets[i].tag, 0, sizeof memo->sets[i].tag);
    memo->mark = bl_rules_mark(rules);
    for (size_t i = 0; i < n; i += TOGETHER)
        classify_some(memo, rules, replies + i, providers + i, verdicts + i,
                      n - i < TOGETHER ? n - i : TOGETHER);
}
