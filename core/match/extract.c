/* One pass over the reply.  Where a word begins, the marks (rows of extract.tsv) that begin like it
 * are tried, the longest first; what stands behind a mark, or in front of it, is then read as a
 * host, a time or an address.  Addresses of mailboxes are stepped over: anything can stand in them.
 * Nearly every word begins no mark: its first two bytes tell most of them, and its first eight,
 * compared at once, nearly all others.
 *
 * Patterns of codes: # is a digit, @ a capital letter or digit, + after either means one or more of
 * it, the rest is itself, in its case; the braces hold the code.  A pattern that begins or ends
 * with a letter or digit does so at the border of a word. */
#include "bounceline/extract.h"

#include "phrases.h"

/* How sure a block list is: its host where lists are named, a known host anywhere, a name. */
enum rank { RANK_NONE, RANK_WORD, RANK_HOST, RANK_NAMED_HOST };

struct extraction {
    bl_slice text;
    bool wanted[BL_MARK_GROUPS];
    enum rank rank;
    struct bl_extract *out;
};

enum {
    WORD = 1,
    STOP = 2,
    OPEN = 4
}; /* of words; at the ends of mailbox addresses; in front of them */

static const uint8_t kinds[256] = {
    ['0' ... '9'] = WORD,
    ['A' ... 'Z'] = WORD,
    ['a' ... 'z'] = WORD,
    [0x80 ... 0xff] = WORD,
    ['\t' ... '\r'] = STOP | OPEN,
    [' '] = STOP | OPEN,
    ['<'] = STOP | OPEN,
    ['('] = STOP | OPEN,
    ['"'] = STOP | OPEN,
    ['>'] = STOP,
    [')'] = STOP,
    ['['] = STOP,
    [']'] = STOP,
    [','] = STOP,
    [';'] = STOP,
};

static bool is_any(char c, unsigned of)
{
    return kinds[(unsigned char)c] & of;
}

static bool is_word(char c)
{
    return is_any(c, WORD);
}

static bool is_letter(char c)
{
    return is_word(c) && !bl_is_digit(c);
}

static bool is_host_byte(char c)
{
    return is_word(c) || c == '.' || c == '-' || c == '_';
}

static size_t host_run(bl_slice text, size_t at)
{
    size_t end = at;

    while (end < text.n && is_host_byte(text.p[end]))
        end++;
    while (end > at && text.p[end - 1] == '.')
        end--;
    return end - at;
}

/* A name with a dot whose last label is letters. */
static bool is_host(bl_slice host)
{
    size_t last = 0;

    if (host.n < 4 || host.n >= BL_EXTRACT_HOST_MAX || host.p[0] == '.' || host.p[0] == '-')
        return false;
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] == '.')
            last = i + 1;
    if (last == 0 || host.n - last < 2)
        return false;
    for (size_t i = last; i < host.n; i++)
        if (!is_letter(host.p[i]))
            return false;
    return true;
}

/* `mark` is folded, with single blanks; where it ends in the text, or 0. */
static size_t match_words(bl_slice text, size_t at, bl_slice mark)
{
    for (size_t i = 0; i < mark.n; i++) {
        if (at == text.n)
            return 0;
        if (mark.p[i] == ' ') {
            if (!bl_is_blank_byte(text.p[at]))
                return 0;
            while (at < text.n && bl_is_blank_byte(text.p[at]))
                at++;
        } else if (bl_lower(text.p[at++]) != mark.p[i]) {
            return 0;
        }
    }
    if (is_word(mark.p[mark.n - 1]) && at < text.n && is_word(text.p[at]))
        return 0;
    return at;
}

static size_t skip_blanks(bl_slice text, size_t at, const char *also)
{
    while (at < text.n && (bl_is_blank_byte(text.p[at]) || memchr(also, text.p[at], strlen(also))))
        at++;
    return at;
}

/* --- block lists --- */

static void name_list(struct extraction *x, enum rank rank, bl_slice name, bool fold)
{
    if (rank <= x->rank)
        return;
    x->rank = rank;
    x->out->blocklist = name;
    if (!fold)
        return;
    for (size_t i = 0; i < name.n; i++)
        x->out->room[i] = bl_lower(name.p[i]);
    x->out->blocklist.p = x->out->room;
}

static void read_list_before(struct extraction *x, size_t at)
{
    bl_slice host;

    at = skip_blanks(x->text, at, ":\"'(<[");
    host = (bl_slice){x->text.p + at, host_run(x->text, at)};
    if (is_host(host))
        name_list(x, RANK_NAMED_HOST, host, true);
}

/* A known list's host: the whole name, unless it is where the list's people have their pages. */
static void read_list_host(struct extraction *x, size_t at, const struct bl_mark *mark)
{
    size_t from = at;
    bl_slice host;

    while (from > 0 && is_host_byte(x->text.p[from - 1]))
        from--;
    host = (bl_slice){x->text.p + from, host_run(x->text, from)};
    if (host.p + host.n != x->text.p + at + mark->text.n || !is_host(host))
        return;
    if (mark->name.n)
        name_list(x, RANK_WORD, mark->name, false);
    else
        name_list(x, RANK_HOST, host, true);
}

/* --- times --- */

static bool take_number(bl_slice text, size_t *at, uint64_t *value)
{
    bl_slice rest = bl_slice_drop(text, *at);

    if (!bl_slice_take_u64(&rest, value) || *value > BL_RETRY_MAX_S)
        return false;
    *at = text.n - rest.n;
    return true;
}

static uint32_t take_unit(bl_slice text, size_t *at)
{
    static const struct {
        const char *word;
        uint32_t seconds;
    } units[] = {{"s", 1},         {"sec", 1},        {"secs", 1},     {"second", 1},
                 {"seconds", 1},   {"second(s)", 1},  {"m", 60},       {"min", 60},
                 {"mins", 60},     {"minute", 60},    {"minutes", 60}, {"minute(s)", 60},
                 {"h", 3600},      {"hr", 3600},      {"hrs", 3600},   {"hour", 3600},
                 {"hours", 3600},  {"hour(s)", 3600}, {"day", 86400},  {"days", 86400},
                 {"day(s)", 86400}};
    size_t n = 0, from = skip_blanks(text, *at, "-");
    bl_slice word;

    while (from + n < text.n && (is_letter(text.p[from + n]) || text.p[from + n] == '(' ||
                                 (text.p[from + n] == ')' && n && text.p[from + n - 1] == 's')))
        n++;
    word = (bl_slice){text.p + from, n};
    while (word.n && word.p[word.n - 1] == '(')
        word.n--;
    for (size_t i = 0; i < BL_COUNT(units); i++)
        if (bl_slice_eq_fold(word, (bl_slice){units[i].word, strlen(units[i].word)})) {
            *at = from + word.n;
            return units[i].seconds;
        }
    return 0;
}

/* 00:05:00 and 05:00; `value` is what stood before the first colon. */
static bool take_clock(bl_slice text, size_t *at, uint64_t value, uint64_t *seconds)
{
    uint64_t part;
    size_t end = *at;
    int parts = 1;

    while (parts < 3 && end + 2 < text.n && text.p[end] == ':' && bl_is_digit(text.p[end + 1]) &&
           bl_is_digit(text.p[end + 2])) {
        part = (uint64_t)(text.p[end + 1] - '0') * 10 + (uint64_t)(text.p[end + 2] - '0');
        if (part > 59)
            return false;
        value = value * 60 + part;
        end += 3;
        parts++;
    }
    if (parts == 1 || (end < text.n && (bl_is_digit(text.p[end]) || text.p[end] == ':')))
        return false;
    *at = end;
    *seconds = value;
    return true;
}

static size_t skip_word(bl_slice text, size_t at, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t end = match_words(text, at, (bl_slice){words[i], strlen(words[i])});

        if (end)
            return skip_blanks(text, end, "");
    }
    return at;
}

/* `5 minutes`, `an hour`, `4 minutes and 30 seconds`, `00:05:00`; plain seconds behind a colon or
 * equals sign. */
static uint64_t read_time(bl_slice text, size_t at, bool bare)
{
    static const char *const vague[] = {"about",    "approximately", "at least", "another",
                                        "the next", "next",          "up to"};
    static const char *const one[] = {"a", "an", "one"};
    static const char *const also[] = {"and"};
    uint64_t total = 0, value = 1, clock;
    size_t before;

    at = skip_word(text, skip_blanks(text, at, ""), vague, BL_COUNT(vague));
    before = at;
    at = skip_word(text, at, one, BL_COUNT(one));
    if (at == before && !take_number(text, &at, &value))
        return 0;
    if (take_clock(text, &at, value, &clock))
        return clock;
    for (;;) {
        uint32_t unit = take_unit(text, &at);

        if (unit == 0)
            return total ? total : bare ? value : 0;
        total += value * unit;
        at = skip_word(text, skip_blanks(text, at, ","), also, BL_COUNT(also));
        if (!take_number(text, &at, &value))
            return total;
        bare = false;
    }
}

static void read_retry(struct extraction *x, size_t at, const struct bl_mark *mark)
{
    char last = mark->text.p[mark->text.n - 1];
    uint64_t seconds = read_time(x->text, at, last == ':' || last == '=');

    if (x->out->retry_after_s == 0 && seconds > 0 && seconds <= BL_RETRY_MAX_S)
        x->out->retry_after_s = (uint32_t)seconds;
}

/* --- addresses of hosts --- */

static bool is_v4(bl_slice s)
{
    int parts = 0;

    while (s.n) {
        uint64_t value;
        size_t n = s.n;

        if (!bl_slice_take_u64(&s, &value) || value > 255 || n - s.n > 3)
            return false;
        parts++;
        if (s.n && (s.p[0] != '.' || s.n == 1))
            return false;
        if (s.n)
            s = bl_slice_drop(s, 1);
    }
    return parts == 4;
}

static bool is_v6(bl_slice s)
{
    size_t colons = 0, digits = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = bl_lower(s.p[i]);

        if (c == ':') {
            colons++;
            digits = 0;
        } else if (!bl_is_digit(c) && !(c >= 'a' && c <= 'f')) {
            return false;
        } else if (++digits > 4) {
            return false;
        }
    }
    return colons >= 2 && colons <= 7 && s.n >= 3 &&
           (colons == 7 || bl_slice_find(s, BL_SLICE("::")) != SIZE_MAX);
}

static bool is_ip_byte(char c)
{
    return is_word(c) || c == '.' || c == ':';
}

/* Takes the address that begins or (`back`) ends at `at`. */
static bool read_ip(struct extraction *x, size_t at, bool back)
{
    size_t from = at, end = at;
    bl_slice ip;

    if (back)
        while (from > 0 && is_ip_byte(x->text.p[from - 1]))
            from--;
    else
        while (end < x->text.n && is_ip_byte(x->text.p[end]))
            end++;
    ip = (bl_slice){x->text.p + from, end - from};
    (void)(bl_slice_starts(ip, BL_SLICE("IPv6:")) && bl_slice_take(&ip, BL_SLICE("IPv6:")));
    while (ip.n &&
           (ip.p[ip.n - 1] == '.' || (ip.p[ip.n - 1] == ':' && !bl_slice_ends(ip, BL_SLICE("::")))))
        ip.n--;
    if (!is_v4(ip) && !is_v6(ip))
        return false;
    if (x->out->sending_ip.n == 0)
        x->out->sending_ip = ip;
    return true;
}

/* Behind the words: at once, in brackets, or in those behind a host name: `unknown[192.0.2.1]`. */
static void read_ip_before(struct extraction *x, size_t at)
{
    at = skip_blanks(x->text, at, ":=\"'([<");
    if (read_ip(x, at, false))
        return;
    at += host_run(x->text, at);
    if (at < x->text.n && (x->text.p[at] == '[' || x->text.p[at] == '('))
        read_ip(x, at + 1, false);
}

static void read_ip_after(struct extraction *x, size_t at)
{
    while (at > 0 &&
           (bl_is_blank_byte(x->text.p[at - 1]) || memchr(")]>'\",", x->text.p[at - 1], 6)))
        at--;
    read_ip(x, at, true);
}

/* --- codes --- */

static bool fits(char pattern, char c)
{
    if (pattern == '#')
        return bl_is_digit(c);
    if (pattern == '@')
        return bl_is_digit(c) || (c >= 'A' && c <= 'Z');
    return pattern == c;
}

static void read_code(struct extraction *x, size_t at, bl_slice pattern)
{
    bl_slice text = x->text;
    size_t from = at, end = at, start = at;
    char last = 0;

    for (size_t i = 0; i < pattern.n; i++) {
        char p = pattern.p[i];

        if (p == '{') {
            from = at;
            continue;
        }
        if (p == '}') {
            end = at;
            continue;
        }
        if (p == '+' && (last == '#' || last == '@')) {
            while (at < text.n && fits(last, text.p[at]))
                at++;
            continue;
        }
        if (at == text.n || !fits(p, text.p[at]))
            return;
        at++;
        last = p;
    }
    if (is_word(text.p[start]) && start > 0 && is_word(text.p[start - 1]))
        return;
    if (is_word(text.p[at - 1]) && at < text.n && (is_word(text.p[at]) || text.p[at] == '_'))
        return;
    if (x->out->provider_code.n == 0)
        x->out->provider_code = (bl_slice){text.p + from, end - from};
}

/* --- the pass --- */

static void try_mark(struct extraction *x, size_t at, const struct bl_mark *mark)
{
    size_t end;

    if (mark->kind == BL_MARK_CODE) {
        read_code(x, at, mark->text);
        return;
    }
    if (!x->wanted[bl_mark_group(mark->kind)])
        return;
    end = match_words(x->text, at, mark->text);
    if (!end)
        return;
    switch ((enum bl_mark_kind)mark->kind) {
    case BL_MARK_LIST_WORD:
        name_list(x, RANK_WORD, mark->name, false);
        break;
    case BL_MARK_LIST_HOST:
        read_list_host(x, at, mark);
        break;
    case BL_MARK_LIST_BEFORE:
        read_list_before(x, end);
        break;
    case BL_MARK_RETRY_BEFORE:
        read_retry(x, end, mark);
        break;
    case BL_MARK_IP_BEFORE:
        read_ip_before(x, end);
        break;
    case BL_MARK_IP_AFTER:
        read_ip_after(x, at);
        break;
    case BL_MARK_CODE:
    case BL_MARK_KINDS:
        break;
    }
}

/* Two blanks in a row, or what looks so in a folded head: `, `. */
static bool has_wide_blank(uint64_t head)
{
    uint64_t blank = ~(head | head >> 2) & UINT64_C(0x1010101010101010);

    return blank & blank >> 8;
}

static void try_marks(struct extraction *x, const struct bl_rules *rules, size_t at)
{
    const char *p = x->text.p + at;
    size_t n = x->text.n - at;
    uint8_t byte = (uint8_t)bl_lower(p[0]);
    char room[BL_MARK_HEAD] = {0};
    const struct bl_mark *mark = rules->marks + rules->mark_from[byte],
                         *end = rules->marks + rules->mark_from[byte + 1];
    uint64_t head, known;

    if (n < sizeof room)
        memcpy(room, p, n);
    head = bl_mark_head(n < sizeof room ? room : p);
    known = has_wide_blank(head) ? 0xffff : UINT64_MAX;
    for (; mark < end; mark++)
        if (((head ^ mark->head) & mark->mask & known) == 0)
            try_mark(x, at, mark);
}

/* The words that begin in text[at..end). */
static void read_words(struct extraction *x, const struct bl_rules *rules, const uint64_t pairs[32],
                       size_t at, size_t end)
{
    const unsigned char *p = (const unsigned char *)x->text.p;
    size_t pairs_end = end < x->text.n ? end : end - 1;

    while (at < pairs_end) {
        if (pairs[p[at] & 31] >> (p[at + 1] & 63) & 1)
            try_marks(x, rules, at);
        if (kinds[p[at++]] & WORD)
            while (at < end && kinds[p[at]] & WORD)
                at++;
        if (at < end && p[at] == ' ') /* no mark begins with one */
            at++;
    }
    if (at < end) /* the text's last byte */
        try_marks(x, rules, at);
}

/* The next mailbox address, from `at` on: what stands around an at sign; both are the text's end if
 * there is none. */
static void find_address(bl_slice text, size_t at, size_t *from, size_t *to)
{
    do {
        at += bl_slice_find_byte(bl_slice_drop(text, at), '@');
        *from = at;
        while (at < text.n && !is_any(text.p[at], STOP))
            at++;
        *to = at;
        while (*from<*to && * from> 0 && !is_any(text.p[*from - 1], STOP))
            --*from;
    } while (*from<*to && * from> 0 && !is_any(text.p[*from - 1], OPEN));
}

void bl_extract_read(const struct bl_rules *rules, bl_slice text, const bl_verdict *verdict,
                     struct bl_extract *out)
{
    const struct bl_category *category = bl_rules_category(rules, verdict->category);
    struct extraction x = {.text = bl_slice_head(text, BL_EXTRACT_MAX), .out = out};
    uint64_t pairs[32] = {0};
    size_t at = 0, from;

    memset(out, 0, sizeof *out);
    x.wanted[BL_MARKS_ALWAYS] = true;
    x.wanted[BL_MARKS_OF_SENDER] = category->scope == BL_SCOPE_SENDER ||
                                   category->scope == BL_SCOPE_MESSAGE ||
                                   verdict->category == rules->unclassified;
    x.wanted[BL_MARKS_OF_TIME] = verdict->type != BL_HARD;
    for (size_t g = 0; g < BL_MARK_GROUPS; g++)
        for (size_t i = 0; i < BL_COUNT(pairs) && x.wanted[g]; i++)
            pairs[i] |= rules->mark_pairs[g][i];
    while (at < x.text.n) {
        size_t begin = at;

        find_address(x.text, begin, &from, &at);
        read_words(&x, rules, pairs, begin, from);
    }
}
