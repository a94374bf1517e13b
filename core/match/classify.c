/* One reply to one verdict.
 *
 * Rule indexes are ordered by precedence, so everything that matches is a candidate and the
 * smallest index decides.  The code trie and the rules without phrases give the first candidate;
 * then the automaton passes over the text, and where phrases end is written down.
 *
 * What was written down is judged at the end, when it is known what all came.  First the rules of
 * one phrase, and for those with several which of their links have a phrase in front and a later
 * one behind (links.c).  Only rules whose links all have, and that can still beat the best, are
 * followed through the text.  Words that came are looked at in loops without a branch that depends
 * on them, since nothing tells a branch beforehand; what is found is a set of bits.
 *
 * What a reply has of its own, addresses above all, the automaton does not read: gaps.c.
 *
 * Vetoes have the smallest indexes.  They are no candidates: the strongest one of each kind is
 * kept, and decides in the end if the best candidate would suppress; else nobody asks for them.
 *
 * Side by side: one automaton waits for a load most of the time, so `LANES` of them take a byte
 * each in turn.  A lane that reaches the end of its text gets the next reply; when there is none,
 * it goes along over nothing as long as two of the others are busy. */
#include "asking.h"
#include "digits.h"
#include "gaps.h"
#include "phrases.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LANES = 4, TOGETHER = 64, VETOES = 2 /* of any verdict, of codes and generic words */ };

/* Rules with several phrases: how far they came. */
struct sequence {
    uint32_t first_end, last_end, first_length;
};

/* A rule that matched, its first phrase and its end; end 0: it has no phrase. */
struct evidence {
    uint32_t rule, first_end, first_length, end;
};

/* The longest word that ends somewhere. */
struct ending {
    uint32_t word, end;
};

/* Half a kilobyte of text has some fifty.  What has more is judged in parts, without leaving
 * anything out.  A set of them is a word of 64 bits. */
enum { ENDINGS = 64 };

struct lane {
    const uint8_t *text;     /* of the reply; never NULL */
    const uint8_t *p, *stop; /* the piece being read; NULL for stop: none is, the lane is idle */
    size_t noted;            /* up to which cell of the window its endings are written down */
    bl_walk walk;
    struct evidence best, vetoes[VETOES];
    uint32_t n_gaps, piece;
    uint32_t enhanced;
    uint16_t basic, provider, phase_bit;
    bool temporary;
    bool has_provider; /* it was looked for */
    bool in_parts;     /* some endings were judged before the text was read */
    bool followed;     /* `seen` is set */
    const bl_reply *reply;
    bl_verdict *verdict;
    bool *asked; /* whether for the provider; NULL: nobody wants to know */
    uint32_t n_endings;
    struct ending endings[ENDINGS];
    struct bl_gap gaps[BL_GAPS_MAX];
    uint8_t seen[BL_LINKS_MAX]; /* by a rule's first link: how many of its phrases came */
    struct sequence sequences[BL_LINKS_MAX]; /* [i] is set once seen[i] is */
};

static bool is_temporary(const bl_reply *reply, bl_status status)
{
    return reply->code ? reply->code / 100 == 4 || reply->enhanced.class_ == 4 : status.class_ == 4;
}

/* Few rules ask for it. */
static uint16_t provider_of(const struct bl_rules *rules, struct lane *lane)
{
    if (!lane->has_provider)
        lane->provider = bl_rules_provider(rules, lane->reply->relay_host);
    lane->has_provider = true;
    return lane->provider;
}

static bool wanted(const struct bl_rules *rules, uint32_t rule, struct lane *lane)
{
    const struct bl_want *want = &rules->rules[rule].want;

    return (((lane->basic ^ want->basic) & want->basic_mask) |
            ((lane->enhanced ^ want->enhanced) & want->enhanced_mask)) == 0 &&
           (want->phases == 0 || (want->phases & lane->phase_bit) != 0) &&
           (want->provider == 0 || want->provider == provider_of(rules, lane));
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

static void try_loose(const struct bl_rules *rules, struct lane *lane)
{
    if (!((rules->loose_enhanced & bl_enhanced_bit(lane->enhanced)) |
          (rules->loose_basic & bl_basic_bit(lane->basic))))
        return;
    for (uint32_t i = 0; i < rules->n_loose && rules->loose[i] < lane->best.rule; i++)
        if (wanted(rules, rules->loose[i], lane))
            note(rules, lane, (struct evidence){.rule = rules->loose[i]});
}

/* Piece i lies between gap i - 1 and gap i. */
static void enter_piece(struct lane *lane, uint32_t piece)
{
    lane->piece = piece;
    lane->p = lane->text + bl_piece_begin(lane->gaps, piece);
    lane->stop = lane->text + bl_piece_end(lane->gaps, lane->n_gaps, piece, lane->reply->text.n);
}

static void start(const struct bl_rules *rules, struct lane *lane, const bl_reply *reply,
                  bl_verdict *verdict)
{
    bl_status status = bl_effective_status(reply);
    uint32_t rule;

    lane->reply = reply;
    lane->text = (const uint8_t *)(reply->text.n ? reply->text.p : "");
    lane->verdict = verdict;
    lane->asked = NULL;
    lane->basic = bl_pack_code(reply->code);
    lane->enhanced = bl_pack_status(status);
    lane->has_provider = false;
    lane->phase_bit = (uint16_t)(1u << reply->phase);
    lane->temporary = is_temporary(reply, status);
    lane->best = (struct evidence){.rule = rules->n_rules - 1}; /* the fallback */
    for (int i = 0; i < VETOES; i++)
        lane->vetoes[i] = (struct evidence){.rule = BL_NO_RULE};
    rule = bl_digits_find(rules->digits, reply->code, status);
    if (rule < lane->best.rule)
        lane->best.rule = rule;
    try_loose(rules, lane);
    lane->walk = bl_phrases_start(&rules->phrases);
    lane->n_endings = 0;
    lane->in_parts = lane->followed = false;
    lane->n_gaps = bl_gaps_find(reply->text, lane->gaps);
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
    uint32_t gaps = lane->n_gaps, at = end;

    if (at > text.n + 1) { /* the byte behind that blank */
        at--;
        length--;
    }
    if (at > text.n) {
        uint32_t before_gaps = gaps, before = back_over_gap(lane, --at, &before_gaps);

        if (before == 0 || !bl_is_blank_byte(text.p[before - 1]))
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

    for (uint32_t i = 0; i < lane->n_gaps; i++)
        if (lane->gaps[i].at >= from && lane->gaps[i].end <= to)
            n -= lane->gaps[i].end - lane->gaps[i].at;
    return n;
}

/* Where the phrase begins, for distances: bytes, unless a gap lies within. */
static uint32_t start_near(const struct lane *lane, uint32_t end, uint32_t length)
{
    uint32_t piece = 0;

    for (uint32_t i = 0; i < lane->n_gaps && lane->gaps[i].end < end; i++)
        piece = lane->gaps[i].end;
    return end >= piece + length ? end - length : phrase_start(lane, end, length);
}

static void begin(struct lane *lane, uint32_t sequence, uint32_t end, uint32_t length)
{
    lane->sequences[sequence] = (struct sequence){end, end, length};
    lane->seen[sequence] = 1;
}

/* The first phrase of several.  It begins anew where nothing else has come of it, or what is
 * awaited close behind can come no more. */
static void come_first(const struct bl_rules *rules, struct lane *lane, uint32_t sequence,
                       uint32_t end, uint32_t length)
{
    uint32_t seen = lane->seen[sequence], last, start;
    const struct bl_link *awaited;

    if (seen == 0) {
        begin(lane, sequence, end, length);
        return;
    }
    awaited = &rules->links[sequence + seen - 1];
    last = lane->sequences[sequence].last_end;
    if (awaited->part != seen || !awaited->gap || end <= last) /* all came; or it may be anywhere */
        return;
    start = start_near(lane, end, length);
    if (seen == 1 || (start > last && read_between(lane, last, start) > awaited->gap))
        begin(lane, sequence, end, length);
}

/* The phrase behind a link that was chosen. */
static void come_later(const struct bl_rules *rules, struct lane *lane, uint32_t at, uint32_t end,
                       uint32_t length)
{
    const struct bl_link *link = &rules->links[at];
    uint32_t sequence = at + 1u - link->part, start;
    struct sequence *s = &lane->sequences[sequence];

    if (lane->seen[sequence] != link->part || link->rule >= lane->best.rule)
        return;
    start = start_near(lane, end, length);
    if (start < s->last_end || (link->gap && read_between(lane, s->last_end, start) > link->gap))
        return; /* overlaps the phrase before, or too far behind it */
    s->last_end = end;
    lane->seen[sequence]++;
    if (link->last)
        note(rules, lane, (struct evidence){link->rule, s->first_end, s->first_length, end});
}

static const struct bl_word *word_of(const struct bl_rules *rules, const struct lane *lane,
                                     uint32_t ending)
{
    return &rules->words[lane->endings[ending].word];
}

/* What the endings come to: links whose phrase in front ended earlier than the one behind, and a
 * bit for each ending with a rule of its own that is better than the best. */
struct came {
    uint64_t links[BL_MASKS_MAX * BL_MASK];
    uint64_t singles;
};

/* From the last ending to the first, because then a bit is shifted in by one addition. */
static void gather(const struct bl_rules *rules, const struct lane *lane, struct came *came)
{
    for (uint32_t at = 0; at < rules->mask_step; at++) {
        const struct bl_mask *masks = rules->masks + at;
        struct bl_mask ahead = {{0}}, links = {{0}}; /* these stay in registers */
        uint64_t singles = 0;
        uint32_t best = lane->best.rule;

        for (uint32_t i = lane->n_endings; i-- > 0;) {
            const struct bl_word *word = word_of(rules, lane, i);
            const struct bl_mask *first = &masks[word->all_first], *later = &masks[word->all_later];

            singles += singles + (word->strongest < best);
            for (int k = 0; k < BL_MASK; k++) {
                links.bits[k] |= ahead.bits[k] & first->bits[k];
                ahead.bits[k] |= later->bits[k];
            }
        }
        memcpy(came->links + at * BL_MASK, links.bits, sizeof links.bits);
        came->singles = singles;
    }
}

/* Rules that are all of one word. */
static void try_singles(const struct bl_rules *rules, struct lane *lane, enum bl_layer layer,
                        uint32_t ending)
{
    const uint16_t *single = rules->singles + word_of(rules, lane, ending)->singles;
    uint32_t end = lane->endings[ending].end;

    for (; *single < lane->best.rule; single++)
        if (is_veto(&rules->rules[*single]) == (layer == BL_LAYER_VETOES) &&
            wanted(rules, *single, lane))
            note(rules, lane, (struct evidence){*single, end, rules->rules[*single].link, end});
}

/* Of the 64 links from `from` on that came, those of rules that are complete and could still
 * win. */
static uint64_t choose(const struct bl_rules *rules, struct lane *lane, enum bl_layer layer,
                       uint32_t from, uint64_t came)
{
    uint64_t chosen = 0;

    for (uint64_t bits = came; bits; bits &= bits - 1) {
        uint32_t first = (uint32_t)__builtin_ctzll(bits), rule = rules->links[from + first].rule;
        uint64_t all = ((UINT64_C(1) << (rules->rules[rule].parts - 1)) - 1) << first;

        if (rules->links[from + first].part == 1 && (came & all) == all && rule < lane->best.rule &&
            is_veto(&rules->rules[rule]) == (layer == BL_LAYER_VETOES) && wanted(rules, rule, lane))
            chosen |= all;
    }
    return chosen;
}

/* Of 64 links from `from` on, those that are followed; where their bits stand in the empty mask,
 * and so from any. */
struct stretch {
    uint32_t from;
    uint64_t links;
    const uint64_t *bits;
};

static inline uint64_t bits_of(struct stretch s, uint16_t mask)
{
    return s.bits[(size_t)mask * BL_MASK] & s.links;
}

/* Of a word and those it ends with, the longest first. */
static void come_behind(const struct bl_rules *rules, struct lane *lane, struct stretch s,
                        const struct ending *ending)
{
    const struct bl_word *word = &rules->words[ending->word];

    while (bits_of(s, word->all_later)) {
        for (uint64_t bits = bits_of(s, word->later); bits; bits &= bits - 1)
            come_later(rules, lane, s.from + (uint32_t)__builtin_ctzll(bits), ending->end,
                       word->length);
        if (!word->shorter)
            break;
        word = &rules->words[word->shorter - 1];
    }
}

/* Of a word and those it ends with, the shortest: what begins with a word begins with the least of
 * it. */
static void come_in_front(const struct bl_rules *rules, struct lane *lane, struct stretch s,
                          const struct ending *ending)
{
    const struct bl_word *longest = &rules->words[ending->word];

    for (uint64_t bits = bits_of(s, longest->all_first); bits; bits &= bits - 1) {
        uint32_t link = s.from + (uint32_t)__builtin_ctzll(bits);
        const struct bl_word *word = longest;

        if (rules->links[link].part > 1)
            continue;
        while (word->shorter &&
               bits_of(s, rules->words[word->shorter - 1].all_first) & bits & -bits)
            word = &rules->words[word->shorter - 1];
        come_first(rules, lane, link, ending->end, word->length);
    }
}

/* A bit for each ending that has to do with the links. */
static uint64_t endings_of(const struct bl_rules *rules, const struct lane *lane, struct stretch s)
{
    uint64_t endings = 0;

    for (uint32_t i = lane->n_endings; i-- > 0;) {
        const struct bl_word *word = word_of(rules, lane, i);

        endings += endings + ((bits_of(s, word->all_first) | bits_of(s, word->all_later)) != 0);
    }
    return endings;
}

/* In the order of the text.  A word that may be both ends a rule rather than beginning it anew. */
static void follow(const struct bl_rules *rules, struct lane *lane, struct stretch s)
{
    if (!lane->followed)
        memset(lane->seen, 0, rules->n_links);
    lane->followed = true;
    for (uint64_t endings = endings_of(rules, lane, s); endings; endings &= endings - 1) {
        const struct ending *ending = &lane->endings[__builtin_ctzll(endings)];

        come_behind(rules, lane, s, ending);
        come_in_front(rules, lane, s, ending);
    }
}

/* Rules with several phrases.  The links of each lie within one stretch; they stand by rank. */
static void follow_links(const struct bl_rules *rules, struct lane *lane, enum bl_layer layer,
                         const struct came *came)
{
    for (uint32_t i = 0; i < rules->n_links && rules->links[i].rule < lane->best.rule; i += 64) {
        uint64_t links = came->links[i / 64];

        if (links)
            links = choose(rules, lane, layer, i, links);
        if (links)
            follow(rules, lane, (struct stretch){i, links, rules->masks->bits + i / 64});
    }
}

/* What came before a part, and will come, is not known: all links are followed. */
static void take_all(const struct bl_rules *rules, struct came *came)
{
    for (uint32_t i = 0; i < rules->n_links; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): gather() set all of them */
        came->links[i / 64] |= UINT64_C(1) << i % 64;
}

static void judge_rules(const struct bl_rules *rules, struct lane *lane, struct came *came)
{
    gather(rules, lane, came);
    if (lane->in_parts)
        take_all(rules, came);
    /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): gather() set it */
    for (uint64_t endings = came->singles; endings; endings &= endings - 1)
        try_singles(rules, lane, BL_LAYER_RULES, (uint32_t)__builtin_ctzll(endings));
    follow_links(rules, lane, BL_LAYER_RULES, came);
}

static void judge_vetoes(const struct bl_rules *rules, struct lane *lane, const struct came *came)
{
    for (uint32_t i = 0; i < lane->n_endings; i++)
        try_singles(rules, lane, BL_LAYER_VETOES, i);
    follow_links(rules, lane, BL_LAYER_VETOES, came);
}

/* More endings than there is room for. */
static __attribute__((noinline)) void judge_part(const struct bl_rules *rules, struct lane *lane)
{
    struct came came;

    lane->in_parts = true;
    judge_rules(rules, lane, &came);
    judge_vetoes(rules, lane, &came);
    lane->n_endings = 0;
}

/* Before RCPT TO nothing was said about the recipient yet, so at most its domain can be at fault;
 * where the phase is unknown only plain words count, and codes that say of themselves that they
 * speak of the address (x.1.1, not x.2.1); and a code that is used for several causes never
 * does. */
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

/* What speaks against suppressing.  Words that can mean nothing else yield only to the firm
 * kind. */
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
    const struct bl_rule *rule;
    const struct evidence *veto;
    struct came came;
    bl_verdict v;

    judge_rules(rules, lane, &came);
    rule = &rules->rules[lane->best.rule];
    v = verdict_by(rules, lane, &lane->best);
    if (lane->temporary && v.type != BL_SOFT) {
        v.type = BL_SOFT;
        v.action = BL_ACTION_NONE;
    }
    if (v.action == BL_ACTION_SUPPRESS &&
        !may_suppress(&rules->categories[rule->category], rule->tier, lane->reply->phase,
                      bl_effective_status(lane->reply))) {
        v.type = BL_UNDETERMINED;
        v.action = BL_ACTION_NONE;
    }
    if (v.action == BL_ACTION_SUPPRESS) {
        judge_vetoes(rules, lane, &came);
        veto = veto_of(lane, rule->tier);
        v = veto ? verdict_by(rules, lane, veto) : v;
    }
    *lane->verdict = v;
    if (lane->asked)
        *lane->asked = lane->has_provider;
}

/* A word ended before `end`: only written down. */
static inline void write_down(const struct bl_rules *rules, struct lane *lane, uint32_t cell,
                              size_t end)
{
    if (lane->n_endings == ENDINGS)
        judge_part(rules, lane);
    lane->endings[lane->n_endings++] =
        (struct ending){bl_phrases_word(&rules->phrases, cell), (uint32_t)end};
}

/* What is read behind the text, `nth` byte. */
static void read_end(const struct bl_rules *rules, struct lane *lane, uint8_t byte, uint32_t nth)
{
    bl_phrases_step(rules->phrases, &lane->walk, byte);
    if (bl_phrases_hit(lane->walk.cell))
        write_down(rules, lane, lane->walk.cell, lane->reply->text.n + nth);
}

/* At the end of a piece: on to the next one, or what stands for the end of the text.  False when
 * the verdict is written. */
static bool go_on(const struct bl_rules *rules, struct lane *lane)
{
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

    do {
        const uint8_t *p = lane->p, *stop = lane->stop;
        bl_walk walk = lane->walk;

        while (p < stop) {
            bl_phrases_step(phrases, &walk, *p++);
            if (bl_phrases_hit(walk.cell))
                write_down(rules, lane, walk.cell, (size_t)(p - lane->text));
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

/* The last cells of each lane, one behind the other: all lanes are at the same place of it. */
struct window {
    _Alignas(16) uint32_t cells[LANES][TOGETHER];
    size_t at;
};

/* A bit for each of a lane's cells from..to in which a word ended.  Reads whole blocks. */
#ifdef __SSE2__
enum { BLOCK = 16, HIT_TO_SIGN = 31 - 8 };

_Static_assert((unsigned)BL_CELL_HIT << HIT_TO_SIGN == 1u << 31 && TOGETHER % BLOCK == 0,
               "what is packed below");

static inline __m128i signs_of(const uint32_t *cells)
{
    return _mm_slli_epi32(_mm_load_si128((const __m128i *)(const void *)cells), HIT_TO_SIGN);
}

static inline uint64_t hits_of(const uint32_t *cells, size_t from, size_t to)
{
    uint64_t hits = 0;

    for (size_t i = from / BLOCK * BLOCK; i < to; i += BLOCK) {
        __m128i low = _mm_packs_epi32(signs_of(cells + i), signs_of(cells + i + 4)),
                high = _mm_packs_epi32(signs_of(cells + i + 8), signs_of(cells + i + 12));

        hits |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_packs_epi16(low, high)) << i;
    }
    return hits >> from << from & UINT64_MAX >> (TOGETHER - to);
}
#else
static inline uint64_t hits_of(const uint32_t *cells, size_t from, size_t to)
{
    uint64_t hits = 0;

    for (size_t i = from; i < to; i++)
        hits |= (uint64_t)bl_phrases_hit(cells[i]) << i;
    return hits;
}
#endif

/* The endings among a lane's cells, up to where it is now. */
static void note_hits(const struct bl_rules *rules, struct lane *lane, const uint32_t *cells,
                      size_t at)
{
    size_t end = (size_t)(lane->p - lane->text) + 1 - at; /* of cell 0 */

    if (lane->noted >= at)
        return;
    for (uint64_t hits = hits_of(cells, lane->noted, at); hits; hits &= hits - 1) {
        size_t i = (size_t)__builtin_ctzll(hits);

        write_down(rules, lane, cells[i], end + i);
    }
    lane->noted = at;
}

/* `n` bytes in each lane; none of them reaches its stop before, nor the window its end.  One byte
 * of ten ends a word, and nothing tells which: to branch there costs more than to keep all cells.
 * Written out four times, because only scalars stay in registers. */
static void run_together(const struct bl_rules *rules, struct lane *lanes, struct window *window,
                         size_t n)
{
    const struct bl_phrases t = rules->phrases;
    const uint8_t *p0 = lanes[0].p, *p1 = lanes[1].p, *p2 = lanes[2].p, *p3 = lanes[3].p;
    bl_walk w0 = lanes[0].walk, w1 = lanes[1].walk, w2 = lanes[2].walk, w3 = lanes[3].walk;
    uint32_t *cells = &window->cells[0][window->at];

    for (size_t i = 0; i < n; i++) {
        bl_phrases_step(t, &w0, p0[i]);
        bl_phrases_step(t, &w1, p1[i]);
        bl_phrases_step(t, &w2, p2[i]);
        bl_phrases_step(t, &w3, p3[i]);
        cells[i] = w0.cell;
        cells[TOGETHER + i] = w1.cell;
        cells[2 * TOGETHER + i] = w2.cell;
        cells[3 * TOGETHER + i] = w3.cell;
    }
    lanes[0].walk = w0;
    lanes[1].walk = w1;
    lanes[2].walk = w2;
    lanes[3].walk = w3;
    for (int k = 0; k < LANES; k++)
        lanes[k].p += lanes[k].stop ? n : 0;
    window->at += n;
}

/* As far as all go. */
static size_t shortest(const struct lane *lanes, const struct window *window)
{
    size_t least = TOGETHER - window->at;

    for (int k = 0; k < LANES; k++) {
        size_t left = lanes[k].stop ? (size_t)(lanes[k].stop - lanes[k].p) : least;

        least = left < least ? left : least;
    }
    return least;
}

/* From its end to its beginning. */
static void begin_window(const struct bl_rules *rules, struct lane *lanes, struct window *window)
{
    for (int k = 0; k < LANES; k++) {
        if (lanes[k].stop)
            note_hits(rules, &lanes[k], window->cells[k], window->at);
        lanes[k].noted = 0;
    }
    window->at = 0;
}

/* It goes along with the others, over nothing. */
static void idle(const struct bl_rules *rules, struct lane *lane)
{
    static const uint8_t nothing[TOGETHER];

    lane->p = nothing;
    lane->stop = NULL;
    lane->walk = bl_phrases_start(&rules->phrases);
}

static void start_next(const struct bl_rules *rules, struct lane *lane, const bl_reply *replies,
                       bl_verdict *verdicts, bool *asked, size_t i)
{
    start(rules, lane, &replies[i], &verdicts[i]);
    lane->asked = asked ? &asked[i] : NULL;
}

void bl_classify_asking(const struct bl_rules *rules, const bl_reply *replies, bl_verdict *verdicts,
                        bool *asked, size_t n)
{
    struct lane lanes[LANES];
    struct window window = {.at = 0};
    size_t next = 0;
    int busy = 0;

    for (int k = 0; k < LANES; k++) {
        if (next < n)
            start_next(rules, &lanes[k], replies, verdicts, asked, next++);
        else
            idle(rules, &lanes[k]);
        lanes[k].noted = 0;
        busy += lanes[k].stop != NULL;
    }
    while (busy > 1) {
        run_together(rules, lanes, &window, shortest(lanes, &window));
        for (int k = 0; k < LANES; k++) {
            if (!lanes[k].stop || lanes[k].p < lanes[k].stop)
                continue;
            note_hits(rules, &lanes[k], window.cells[k], window.at);
            if (go_on(rules, &lanes[k]))
                continue;
            if (next < n) {
                start_next(rules, &lanes[k], replies, verdicts, asked, next++);
            } else {
                idle(rules, &lanes[k]);
                busy--;
            }
        }
        if (window.at == TOGETHER)
            begin_window(rules, lanes, &window);
    }
    for (int k = 0; k < LANES; k++)
        if (lanes[k].stop) {
            note_hits(rules, &lanes[k], window.cells[k], window.at);
            run_alone(rules, &lanes[k]);
        }
}

void bl_classify_many(const struct bl_rules *rules, const bl_reply *replies, bl_verdict *verdicts,
                      size_t n)
{
    bl_classify_asking(rules, replies, verdicts, NULL, n);
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
