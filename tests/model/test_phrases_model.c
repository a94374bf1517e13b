/* ctest: label=quick timeout=120
 *
 * The automaton against searches that anyone can read: random rules over few letters, so that
 * phrases overlap, nest and share prefixes, and random texts in mixed case with runs of blanks. Of
 * the rules a search finds, the one with the smallest index must be the verdict, at the same bytes,
 * alone and side by side.  Some texts have so many words that they are judged in parts (with
 * judge_part() empty this fails).
 *
 *   search     folds the text into one string and looks for each rule's phrase, when it has but one
 *   go_through each rule by itself goes along the text, byte by byte, for phrases that are lists,
 *              near each other, with addresses between; what core/rules/README.md says of `~`, and
 *              where a rule begins anew
 *
 * Negative controls: the same comparisons without folding blanks, and without distances, must
 * differ somewhere. */
#include "bounceline/rules.h"
#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    SETS = 150,
    RULES = 30,
    TEXTS = 40,
    TEXT_MAX = 1500,
    PARTS = 3,
    CHOICES = 3,
    ADDRESSES = 16
};

struct plain_rule {
    char phrases[PARTS][CHOICES][16];
    int choices[PARTS];
    unsigned near_[PARTS]; /* bytes between the part before and this one, at most; 0: any number */
    int parts;
    unsigned line; /* 0: left out */
    uint32_t index;
};

static uint64_t seed = 20250807;

static unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static void random_phrase(char *out)
{
    static const char letters[] = "aab bc-";
    size_t n = 3 + draw(6), at = 0, solid = 0;

    while (at < n || solid < 3) {
        char c = letters[draw(sizeof letters - 1)];

        if (c == ' ' && (at == 0 ? draw(4) != 0 : out[at - 1] == ' '))
            continue;
        solid += c != ' ';
        out[at++] = c;
        if (at == 15)
            at = solid = 0;
    }
    out[at] = '\0';
}

/* One phrase each, or with `lists` mostly several parts, each a list. */
static void random_rules(struct plain_rule *rules, bool lists)
{
    memset(rules, 0, RULES * sizeof *rules);
    for (int i = 0; i < RULES; i++) {
        rules[i].line = 1;
        rules[i].parts = lists && draw(4) ? 2 + (int)draw(2) : 1;
        for (int p = 0; p < rules[i].parts; p++) {
            rules[i].choices[p] = lists && rules[i].parts > 1 ? 1 + (int)draw(CHOICES) : 1;
            rules[i].near_[p] = lists && p && draw(3) ? 1 + draw(14) : 0;
            for (int c = 0; c < rules[i].choices[p]; c++)
                random_phrase(rules[i].phrases[p][c]);
        }
    }
}

static size_t write_part(const struct plain_rule *rule, int p, char *out, size_t room)
{
    size_t n = 0;

    if (p && rule->near_[p])
        n = (size_t)snprintf(out, room, " ~%u ", rule->near_[p]);
    else if (p)
        n = (size_t)snprintf(out, room, " .. ");
    n += (size_t)snprintf(out + n, room - n, rule->choices[p] > 1 ? "\"{" : "\"");
    for (int c = 0; c < rule->choices[p]; c++)
        n += (size_t)snprintf(out + n, room - n, "%s%s", c ? "|" : "", rule->phrases[p][c]);
    return n + (size_t)snprintf(out + n, room - n, rule->choices[p] > 1 ? "}\"" : "\"");
}

static size_t write_rules(struct plain_rule *rules, char *text, size_t room)
{
    size_t n = (size_t)snprintf(text, room, "[specific]\n");
    unsigned line = 2;

    for (int i = 0; i < RULES; i++) {
        if (!rules[i].line)
            continue;
        n += (size_t)snprintf(text + n, room - n, "r%d: ", i);
        for (int p = 0; p < rules[i].parts; p++)
            n += write_part(&rules[i], p, text + n, room - n);
        n += (size_t)snprintf(text + n, room - n, " -> other ; s\n  = #");
        for (int p = 0; p < rules[i].parts; p++)
            n += (size_t)snprintf(text + n, room - n, "%s#", rules[i].phrases[p][0]);
        n += (size_t)snprintf(text + n, room - n, "\n");
        rules[i].line = line;
        line += 2;
    }
    return n;
}

#define CATEGORIES                                                                                 \
    "category\tscope\ttype\taction\nother\tdestination\tsoft\tnone\n"                              \
    "unclassified\tlocal\tundetermined\tnone\n"

/* Rules over three letters shadow each other all the time: those that the compiler refuses are left
 * out one by one, as it names them. */
static struct bl_rules *compile(struct plain_rule *rules, bool lists)
{
    static char text[1 << 16];
    struct bl_rules *out = NULL;
    bl_err err;

    random_rules(rules, lists);
    for (;;) {
        struct bl_rules_file files[] = {
            {BL_SLICE_INIT("categories.tsv"), BL_SLICE_INIT(CATEGORIES)},
            {BL_SLICE_INIT("model.rules"), {text, write_rules(rules, text, sizeof text)}},
        };
        unsigned line = 0;

        if (bl_rules_compile(files, BL_COUNT(files), &out, &err) == BL_OK)
            break;
        if (sscanf(err.text, "model.rules:%u:", &line) != 1)
            fail_msg("%s", err.text);
        for (int i = 0; i < RULES; i++)
            if (rules[i].line && rules[i].line / 2 == line / 2)
                rules[i].line = 0; /* in its own line, or its sample's behind it */
    }
    for (uint32_t i = 0; i < bl_rules_count(out); i++) {
        bl_slice id = bl_rules_rule(out, i)->id;

        if (bl_slice_starts(id, BL_SLICE("model/r"))) {
            char number[8] = "";

            memcpy(number, id.p + 7, id.n - 7);
            rules[atoi(number)].index = i;
        }
    }
    return out;
}

/* A text as one reads it: lower case, one blank for a run, a blank on both ends.  at[i]..end[i] are
 * the bytes of the original behind folded[i]. */
struct folded {
    char text[TEXT_MAX + 3];
    uint32_t at[TEXT_MAX + 3], end[TEXT_MAX + 3];
    size_t n;
};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void put(struct folded *f, char c, size_t at, size_t end)
{
    f->text[f->n] = c;
    f->at[f->n] = (uint32_t)at;
    f->end[f->n++] = (uint32_t)end;
}

static void fold(struct folded *f, bl_slice text, bool runs)
{
    f->n = 0;
    if (text.n == 0 || !is_blank(text.p[0]))
        put(f, ' ', 0, 0);
    for (size_t i = 0; i < text.n; i++) {
        char c = is_blank(text.p[i]) ? ' ' : bl_lower(text.p[i]);

        if (c != ' ' || !runs || i == 0 || !is_blank(text.p[i - 1]))
            put(f, c, i, i + 1);
    }
    if (text.n == 0 || !is_blank(text.p[text.n - 1]))
        put(f, ' ', text.n, text.n);
    f->text[f->n] = '\0';
}

static bl_verdict search(const struct plain_rule *rules, uint32_t fallback, bl_slice text,
                         bool runs)
{
    bl_verdict best = {.rule = fallback};
    struct folded f;

    fold(&f, text, runs);
    for (int i = 0; i < RULES; i++) {
        const char *phrase = rules[i].phrases[0][0], *hit = strstr(f.text, phrase);
        size_t from = hit ? (size_t)(hit - f.text) : 0;

        if (hit && rules[i].line && rules[i].index < best.rule)
            best = (bl_verdict){.rule = rules[i].index,
                                .match_at = f.at[from],
                                .match_n = f.end[from + strlen(phrase) - 1] - f.at[from]};
    }
    return best;
}

static size_t random_text(const struct plain_rule *rules, char *out)
{
    static const char letters[] = "aAabBb cC- \t-";
    size_t n = draw(draw(4) ? TEXT_MAX / 12 : TEXT_MAX);

    (void)rules;
    for (size_t i = 0; i < n; i++)
        out[i] = letters[draw(sizeof letters - 1)];
    return n;
}

/* What is read of a text: not its addresses, and a blank behind it.  Ends are those in the text. */
struct reading {
    char bytes[TEXT_MAX + 1];
    uint32_t ends[TEXT_MAX + 1];
    size_t n;
    uint32_t address_at[ADDRESSES], address_end[ADDRESSES];
    int addresses;
};

static void find_addresses(struct reading *r, bl_slice text)
{
    size_t from = 0;

    for (r->addresses = 0; r->addresses < ADDRESSES; r->addresses++) {
        size_t at = from + bl_slice_find_byte(bl_slice_drop(text, from), '@'), end = at;

        if (at == text.n)
            return;
        while (end < text.n && !is_blank(text.p[end]))
            end++;
        while (at > from && !is_blank(text.p[at - 1]))
            at--;
        r->address_at[r->addresses] = (uint32_t)at;
        r->address_end[r->addresses] = (uint32_t)end;
        from = end;
    }
}

static void read_text(struct reading *r, bl_slice text)
{
    int address = 0;

    find_addresses(r, text);
    r->n = 0;
    for (uint32_t i = 0; i <= text.n; i++) {
        if (address < r->addresses && i == r->address_at[address])
            i = r->address_end[address++];
        r->bytes[r->n] = i < text.n ? bl_lower(text.p[i]) : ' ';
        r->ends[r->n++] = i + 1;
    }
}

/* Whether the phrase ends with byte `last`, and where it begins in the text.  A blank of it is a
 * run of them, or what is in front of the text. */
static bool ends_with(const struct reading *r, size_t last, const char *phrase, uint32_t *at)
{
    size_t left = last + 1;

    for (size_t n = strlen(phrase); n-- > 0;) {
        if (phrase[n] != ' ') {
            if (left == 0 || r->bytes[left - 1] != phrase[n])
                return false;
            left--;
        } else if (left == 0) {
            *at = 0;
            return n == 0;
        } else if (!is_blank(r->bytes[left - 1])) {
            return false;
        } else {
            while (left > 0 && is_blank(r->bytes[left - 1]))
                left--;
        }
    }
    *at = r->ends[left] - 1;
    return true;
}

/* Where a phrase counts as begun when a distance is asked for: so many bytes before its end as it
 * has, runs of blanks or not, unless an address lies within. */
static uint32_t near_start(const struct reading *r, uint32_t end, const char *phrase, uint32_t at)
{
    uint32_t length = (uint32_t)strlen(phrase), from = 0;

    for (int i = 0; i < r->addresses && r->address_end[i] < end; i++)
        from = r->address_end[i];
    return end >= from + length ? end - length : at;
}

static uint32_t bytes_between(const struct reading *r, uint32_t from, uint32_t to)
{
    uint32_t n = to - from;

    for (int i = 0; i < r->addresses; i++)
        if (r->address_at[i] >= from && r->address_end[i] <= to)
            n -= r->address_end[i] - r->address_at[i];
    return n;
}

/* Of the choices of a part, the longest or the shortest shorter (longer) than `than` that ends
 * there; NULL for none. */
static const char *next_choice(const struct reading *r, size_t last, const struct plain_rule *rule,
                               int part, bool longest, size_t than)
{
    const char *found = NULL;
    uint32_t at;

    for (int c = 0; c < rule->choices[part]; c++) {
        const char *phrase = rule->phrases[part][c];
        size_t n = strlen(phrase);

        if (!ends_with(r, last, phrase, &at) || (longest ? n >= than : n <= than))
            continue;
        if (!found || (longest ? n > strlen(found) : n < strlen(found)))
            found = phrase;
    }
    return found;
}

struct progress {
    int parts;         /* that came */
    uint32_t at, last; /* where the first began, and the last of them ended */
};

static bool too_far(const struct reading *r, const struct plain_rule *rule,
                    const struct progress *p, uint32_t start)
{
    return rule->near_[p->parts] && start > p->last &&
           bytes_between(r, p->last, start) > rule->near_[p->parts];
}

/* The part that is awaited: its longest choice that fits behind the one before. */
static void go_on(const struct reading *r, size_t i, const struct plain_rule *rule,
                  struct progress *p, bool near_)
{
    const char *phrase = next_choice(r, i, rule, p->parts, true, SIZE_MAX);

    for (; phrase; phrase = next_choice(r, i, rule, p->parts, true, strlen(phrase))) {
        uint32_t at = 0, start;

        ends_with(r, i, phrase, &at);
        start = near_start(r, r->ends[i], phrase, at);
        if (start < p->last || (near_ && too_far(r, rule, p, start)))
            continue;
        p->last = r->ends[i];
        p->parts++;
        return;
    }
}

/* The first part, in its shortest choice.  It begins the rule, again too: where only it came and
 * the second one must be near, or where the awaited one would be too far already. */
static void begin(const struct reading *r, size_t i, const struct plain_rule *rule,
                  struct progress *p, bool near_)
{
    const char *phrase = next_choice(r, i, rule, 0, false, 0);
    uint32_t at = 0, end = r->ends[i];

    if (!phrase)
        return;
    ends_with(r, i, phrase, &at);
    if (p->parts > 0 && (!near_ || !rule->near_[p->parts] || end <= p->last))
        return;
    if (p->parts > 1 && !too_far(r, rule, p, near_start(r, end, phrase, at)))
        return;
    *p = (struct progress){1, at, end};
}

static bool came(const struct reading *r, const struct plain_rule *rule, bool near_, uint32_t *at,
                 uint32_t *end)
{
    struct progress p = {0};

    for (size_t i = 0; i < r->n && p.parts < rule->parts; i++) {
        if (p.parts > 0)
            go_on(r, i, rule, &p, near_);
        if (p.parts < rule->parts)
            begin(r, i, rule, &p, near_);
    }
    *at = p.at;
    *end = p.last;
    return p.parts == rule->parts;
}

static bl_verdict go_through(const struct plain_rule *rules, uint32_t fallback, bl_slice text,
                             bool near_)
{
    static struct reading reading;
    bl_verdict best = {.rule = fallback};

    read_text(&reading, text);
    for (int i = 0; i < RULES; i++) {
        uint32_t at, end;

        if (!rules[i].line || rules[i].index >= best.rule ||
            !came(&reading, &rules[i], near_, &at, &end))
            continue;
        end = end < text.n ? end : (uint32_t)text.n;
        best = (bl_verdict){.rule = rules[i].index, .match_at = at, .match_n = end - at};
    }
    return best;
}

/* Phrases of the rules, and little between. */
static size_t text_of_phrases(const struct plain_rule *rules, char *out)
{
    static const char *const between[] = {"", "", " ", "  ", "-", " \t ", "c", " a@b ", "@", "ca-"};
    size_t n = 0, end = draw(draw(4) ? TEXT_MAX / 12 : TEXT_MAX - 64);

    while (n < end) {
        const struct plain_rule *rule = &rules[draw(RULES)];
        int part = (int)draw((unsigned)rule->parts);
        const char *word = rule->phrases[part][draw((unsigned)rule->choices[part])];

        for (; *word; word++)
            out[n++] = draw(8) ? *word : (char)(*word - 32 * (*word >= 'a'));
        word = between[draw(draw(3) ? 6 : BL_COUNT(between))];
        n += (size_t)sprintf(out + n, "%s", word);
    }
    return n;
}

typedef size_t write_text(const struct plain_rule *rules, char *out);
typedef bl_verdict plain_search(const struct plain_rule *rules, uint32_t fallback, bl_slice text,
                                bool whole);

struct counts {
    size_t matched, addresses, otherwise;
};

/* `otherwise` are those that the plain search finds differently when it leaves something out. */
static struct counts compare(bool lists, write_text *write, plain_search *plain)
{
    struct counts counts = {0};

    for (int set = 0; set < SETS; set++) {
        struct plain_rule rules[RULES];
        struct bl_rules *compiled = compile(rules, lists);
        uint32_t fallback = (uint32_t)bl_rules_count(compiled) - 1;
        static char texts[TEXTS][TEXT_MAX];
        bl_reply replies[TEXTS];
        bl_verdict many[TEXTS];

        for (int i = 0; i < TEXTS; i++)
            replies[i] = (bl_reply){.text = {texts[i], write(rules, texts[i])}};
        bl_classify_many(compiled, replies, many, TEXTS);
        for (int i = 0; i < TEXTS; i++) {
            bl_slice text = guarded_bytes(texts[i], replies[i].text.n);
            bl_reply reply = {.text = text};
            bl_verdict got = bl_classify(compiled, &reply),
                       want = plain(rules, fallback, text, true);

            if (got.rule != want.rule || got.match_at != want.match_at ||
                got.match_n != want.match_n)
                fail_msg("'%.*s': rule %u at %u+%u, plain search %u at %u+%u", (int)text.n, text.p,
                         got.rule, got.match_at, got.match_n, want.rule, want.match_at,
                         want.match_n);
            assert_memory_equal(&got, &many[i], sizeof got);
            counts.matched += got.rule != fallback;
            counts.addresses += bl_slice_find_byte(text, '@') < text.n;
            counts.otherwise += plain(rules, fallback, text, false).rule != want.rule;
        }
        bl_rules_free(compiled);
    }
    assert_true(counts.matched > SETS * TEXTS / 4);
    assert_true(counts.otherwise > 0);
    return counts;
}

static void automaton_and_plain_search_agree(void **state)
{
    struct counts counts = compare(false, random_text, search);

    (void)state;
    print_message("%d texts, %zu matched, %zu would differ without folding\n", SETS * TEXTS,
                  counts.matched, counts.otherwise);
}

static void parts_in_random_texts_are_found_as_by_going_through(void **state)
{
    struct counts counts = compare(true, random_text, go_through);

    (void)state;
    print_message("%d texts, %zu matched, %zu would differ without distances\n", SETS * TEXTS,
                  counts.matched, counts.otherwise);
}

static void lists_near_each_other_are_found_as_by_going_through(void **state)
{
    struct counts counts = compare(true, text_of_phrases, go_through);

    (void)state;
    print_message("%d texts, %zu with addresses, %zu matched, %zu would differ without distances\n",
                  SETS * TEXTS, counts.addresses, counts.matched, counts.otherwise);
    assert_true(counts.addresses > SETS * TEXTS / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(automaton_and_plain_search_agree),
        cmocka_unit_test(parts_in_random_texts_are_found_as_by_going_through),
        cmocka_unit_test(lists_near_each_other_are_found_as_by_going_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
