/* Three things are not read:
 *
 *   550-5.7.1 Too much from   550-5.7.1    you       a reply of several lines repeats its code
 *   550 no mailbox for        <joe@spam.example>     an address may be made of any words
 *   421 try later             k2-20020a05600c4e4a    an id, of any letters
 *
 * So a server's replies to a thousand recipients are mostly one reply, which is what memo.c lives
 * on. */
#include "gaps.h"

#include "../base/window.h"
#include "phrases.h"

enum { ID_LEAST = 10 };

/* -- codes and addresses -- */

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
static struct bl_gap next_code(bl_slice text, size_t at)
{
    while (at < text.n) {
        size_t end;

        at += bl_slice_find_byte(bl_slice_drop(text, at), text.p[0]);
        end = at < text.n ? repeated_code(text, at) : 0;
        if (end)
            return (struct bl_gap){(uint32_t)at, (uint32_t)end};
        at++;
    }
    return (struct bl_gap){(uint32_t)text.n, (uint32_t)text.n};
}

static bool in_address(char c)
{
    static const uint8_t ends[256] = {
        ['<'] = 1, ['>'] = 1,  ['('] = 1,  [')'] = 1,  ['['] = 1,  [']'] = 1, ['"'] = 1,
        [','] = 1, ['\''] = 1, [';'] = 1,  [':'] = 1,  ['|'] = 1,  ['{'] = 1, ['}'] = 1,
        [' '] = 1, ['\t'] = 1, ['\n'] = 1, ['\v'] = 1, ['\f'] = 1, ['\r'] = 1};

    return !ends[(uint8_t)c];
}

/* The next address: what hangs together around an @, not before `at`. */
static struct bl_gap next_address(bl_slice text, size_t at)
{
    size_t sign = at + bl_slice_find_byte(bl_slice_drop(text, at), '@'), end = sign;

    if (sign == text.n)
        return (struct bl_gap){(uint32_t)text.n, (uint32_t)text.n};
    while (end < text.n && in_address(text.p[end]) &&
           (text.p[end] != '.' || end + 1 == text.n || text.p[end + 1] != '.'))
        end++; /* Sendmail: "a@example.com... User unknown" */
    while (sign > at && in_address(text.p[sign - 1]))
        sign--;
    return (struct bl_gap){(uint32_t)sign, (uint32_t)end};
}

static bool has_lines(bl_slice text)
{
    return text.n > 3 && text.p[3] == '-' && bl_is_digit(text.p[0]) && bl_is_digit(text.p[1]) &&
           bl_is_digit(text.p[2]);
}

/* -- ids -- */

static bool is_letter(char c)
{
    return bl_lower(c) >= 'a' && bl_lower(c) <= 'z';
}

static bool is_alnum(char c)
{
    return bl_is_digit(c) || is_letter(c);
}

_Static_assert(ID_LEAST == 10, "2 + 8 of them");

/* Those of the bits that stand in a run of ID_LEAST, up to what is seen of it. */
static inline uint32_t in_long_runs(uint32_t bits)
{
    uint32_t two = bits & bits >> 1, four = two & two >> 2, run = four & four >> 4 & two >> 8;

    two = run | run << 1;
    four = two | two << 2;
    return four | four << 4 | two << 8;
}

/* The next figure in a word that has ID_LEAST bytes from `at` on, or text.n.  Every ten bytes in a
 * row are seen together: 32 are looked at, and the next look begins ten before what it has not
 * seen. */
static size_t next_digit_of_long_word(bl_slice text, size_t at)
{
    for (; at < text.n; at += 32 - ID_LEAST) {
        bl_slice rest = bl_slice_drop(text, at);
        struct bl_window w = bl_window_open(rest);
        uint32_t inside = rest.n < 32 ? (uint32_t)bl_window_below(rest.n) : UINT32_MAX;
        uint32_t digits = bl_window_digits(&w) & inside, found;

        if (!digits)
            continue;
        found = digits & in_long_runs(bl_window_alnum(&w) & inside);
        if (found)
            return at + (size_t)__builtin_ctz(found);
    }
    return text.n;
}

static bool has_digit(bl_slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (bl_is_digit(text.p[i]))
            return true;
    return false;
}

static size_t end_of_word(bl_slice text, size_t at)
{
    while (at < text.n && is_alnum(text.p[at]))
        at++;
    return at;
}

/* Letters and figures in turn: ab1cd2ef; not smtp25, 8bitmime, or a code of Windows like
 * 0x800ccc0f. */
static bool is_id(bl_slice word)
{
    size_t turns = 0;

    if (word.n < ID_LEAST || (word.p[0] == '0' && bl_lower(word.p[1]) == 'x'))
        return false;
    for (size_t i = 1; i < word.n; i++)
        turns += bl_is_digit(word.p[i]) != bl_is_digit(word.p[i - 1]);
    return turns >= 2;
}

/* What is joined to an id and has figures belongs to it: -4a2b, .123 */
static size_t end_of_id(bl_slice text, size_t end)
{
    while (end + 1 < text.n && (text.p[end] == '-' || text.p[end] == '.' || text.p[end] == '_')) {
        size_t more = end_of_word(text, end + 1);

        if (!has_digit((bl_slice){text.p + end + 1, more - (end + 1)}))
            break;
        end = more;
    }
    return end;
}

/* The next id, not before `at`. */
static struct bl_gap next_id(bl_slice text, size_t at)
{
    size_t digit = at, from, end;

    while ((digit = next_digit_of_long_word(text, digit)) < text.n) {
        for (from = digit; from > at && is_letter(text.p[from - 1]); from--)
            ;
        end = end_of_word(text, digit);
        if (is_id((bl_slice){text.p + from, end - from}))
            return (struct bl_gap){(uint32_t)from, (uint32_t)end_of_id(text, end)};
        digit = end;
    }
    return (struct bl_gap){(uint32_t)text.n, (uint32_t)text.n};
}

/* -- all of them -- */

uint32_t bl_gaps_find(bl_slice text, struct bl_gap gaps[BL_GAPS_MAX])
{
    struct bl_gap none = {(uint32_t)text.n, (uint32_t)text.n};
    bool lines = has_lines(text);
    size_t first = lines ? 4 : 0;
    struct bl_gap code = lines ? next_code(text, first) : none;
    struct bl_gap address = text.n ? next_address(text, first) : none, id = next_id(text, first);
    uint32_t n = 0;

    while (n < BL_GAPS_MAX) {
        struct bl_gap gap = code.at <= address.at ? code : address;

        if (id.at < gap.at)
            gap = id;
        if (gap.at == text.n)
            break;
        gaps[n++] = gap;
        if (code.at < gap.end)
            code = next_code(text, gap.end);
        if (address.at < gap.end)
            address = next_address(text, gap.end);
        if (id.at < gap.end)
            id = next_id(text, gap.end);
    }
    return n;
}
