/* ctest: label=quick timeout=120
 *
 * What is read out of replies against the plain way: every mark of extract.tsv tried at the
 * beginning of every word outside of mailbox addresses.  Replies are made of the marks themselves,
 * of hosts, addresses and times, glued with blanks, runs of blanks and other bytes, cut and with
 * cases changed.  Negative control: the last test breaks the table of pairs, and the comparison
 * must notice. */
#define bl_extract_read extract_read_here
#include "../../core/match/extract.c"
#undef bl_extract_read

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>

#include <cmocka.h>

enum { TEXTS = 20000, TEXT_MAX = 300 };

static uint64_t seed = 20251123;

static unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static bool plain_is_word(char c)
{
    return (bl_lower(c) >= 'a' && bl_lower(c) <= 'z') || bl_is_digit(c) || (c & 0x80);
}

/* Where the mailbox address that `at` stands in ends; `at` if there is none. */
static size_t plain_skip_address(bl_slice text, size_t at)
{
    size_t end = at;
    bool sign = false;

    while (end < text.n && !bl_is_blank_byte(text.p[end]) &&
           !memchr("<>()[]\",;", text.p[end], 9)) {
        sign = sign || text.p[end] == '@';
        end++;
    }
    return sign ? end : at;
}

static void plain_read(const struct bl_rules *rules, bl_slice text, const bl_verdict *verdict,
                       struct bl_extract *out)
{
    const struct bl_category *category = bl_rules_category(rules, verdict->category);
    struct extraction x = {.text = bl_slice_head(text, BL_EXTRACT_MAX), .out = out};
    bool sender = category->scope == BL_SCOPE_SENDER || category->scope == BL_SCOPE_MESSAGE ||
                  verdict->category == rules->unclassified;

    memset(out, 0, sizeof *out);
    for (size_t g = 0; g < BL_MARK_GROUPS; g++)
        x.wanted[g] = true;
    for (size_t at = 0; at < x.text.n; at++) {
        if (at > 0 && plain_is_word(x.text.p[at]) && plain_is_word(x.text.p[at - 1]))
            continue;
        if (at == 0 || bl_is_blank_byte(x.text.p[at - 1]) || memchr("<(\"", x.text.p[at - 1], 3)) {
            size_t end = plain_skip_address(x.text, at);

            if (end > at) {
                at = end - 1;
                continue;
            }
        }
        for (uint32_t i = 0; i < rules->n_marks; i++) {
            unsigned kind = rules->marks[i].kind;

            if (kind == BL_MARK_CODE ||
                (kind == BL_MARK_RETRY_BEFORE ? verdict->type != BL_HARD : sender))
                try_mark(&x, at, &rules->marks[i]);
        }
    }
}

static char flip(char c)
{
    return c >= 'a' && c <= 'z' && draw(12) == 0 ? (char)(c - 'a' + 'A') : c;
}

static size_t put_mark(char *out, const struct bl_rules *rules)
{
    const struct bl_mark *mark = &rules->marks[draw(rules->n_marks)];
    size_t n = 0;

    for (size_t i = 0; i < mark->text.n; i++) {
        char c = mark->text.p[i];

        if (mark->kind != BL_MARK_CODE)
            out[n++] = c != ' ' ? flip(c) : " \t\r\n"[draw(20) ? 0 : draw(4)];
        else if (c == '#' || c == '@' || c == '+')
            out[n++] = draw(20) ? (char)('0' + draw(10)) : 'X';
        else if (c != '{' && c != '}')
            out[n++] = c;
        if (c == ' ' && draw(8) == 0)
            out[n++] = ' ';
    }
    return draw(10) ? n : draw((unsigned)n + 1);
}

static size_t put_piece(char *out, const struct bl_rules *rules)
{
    static const char *const pieces[] = {"192.0.2.9",
                                         "[192.0.2.9]",
                                         "2001:db8::25",
                                         "bl.example.net",
                                         "zen.spamhaus.org",
                                         "5 minutes",
                                         "300",
                                         "00:04:50",
                                         "an hour",
                                         "<a@b.example>",
                                         "a@b",
                                         "@",
                                         "spamhaus@x",
                                         "\"",
                                         "(",
                                         "<",
                                         "[",
                                         "is",
                                         "in",
                                         "ip",
                                         "IP",
                                         "x",
                                         "\xc3\xa9"};
    const char *piece = pieces[draw(BL_COUNT(pieces))];
    size_t n = strlen(piece);

    if (draw(2))
        return put_mark(out, rules);
    memcpy(out, piece, n);
    return n;
}

static bl_slice draw_text(char *out, const struct bl_rules *rules)
{
    static const char *const glue[] = {" ",  " ", " ", " ", "  ", "\t", ", ", "; ",
                                       ": ", "",  ".", "-", "(",  "[",  "/",  ") "};
    size_t n = 0;

    for (unsigned pieces = draw(12); pieces > 0 && n < TEXT_MAX - 150; pieces--) {
        const char *between = glue[draw(BL_COUNT(glue))];

        n += put_piece(out + n, rules);
        memcpy(out + n, between, strlen(between));
        n += strlen(between);
    }
    if (n && draw(10) == 0)
        out[draw((unsigned)n)] = (char)draw(256);
    return (bl_slice){out, n - (n && draw(3) == 0)};
}

static bool is_same(const struct bl_extract *a, const struct bl_extract *b)
{
    return bl_slice_eq(a->blocklist, b->blocklist) && a->provider_code.n == b->provider_code.n &&
           a->sending_ip.n == b->sending_ip.n && a->retry_after_s == b->retry_after_s &&
           (a->provider_code.n == 0 || a->provider_code.p == b->provider_code.p) &&
           (a->sending_ip.n == 0 || a->sending_ip.p == b->sending_ip.p);
}

/* How many of the texts are read otherwise with `rules` than with the built-in ones the plain
 * way. */
static unsigned count_differences(const struct bl_rules *rules, unsigned *named)
{
    unsigned different = 0;

    for (unsigned i = 0; i < TEXTS; i++) {
        char room[TEXT_MAX + 100];
        bl_slice drawn = draw_text(room, bl_rules_builtin()), text;
        /* of its own size: who reads beyond it is caught */
        char *copy = malloc(drawn.n ? drawn.n : 1);
        bl_verdict verdict = {.category = (uint16_t)draw(rules->n_categories),
                              .type = draw(2) ? BL_HARD : BL_SOFT};
        struct bl_extract got, want;

        assert_non_null(copy);
        memcpy(copy, drawn.p, drawn.n);
        text = (bl_slice){copy, drawn.n};
        extract_read_here(rules, text, &verdict, &got);
        plain_read(bl_rules_builtin(), text, &verdict, &want);
        *named +=
            want.blocklist.n || want.provider_code.n || want.sending_ip.n || want.retry_after_s;
        if (!is_same(&got, &want) && different++ == 0 && rules == bl_rules_builtin())
            print_message("category %u, type %d: '%.*s'\n", verdict.category, verdict.type,
                          (int)text.n, text.p);
        free(copy);
    }
    return different;
}

static void replies_are_read_the_plain_way(void **state)
{
    unsigned named = 0;

    (void)state;
    assert_int_equal(count_differences(bl_rules_builtin(), &named), 0);
    assert_true(named > TEXTS / 4);
}

static void a_pair_that_is_missing_is_noticed(void **state)
{
    struct bl_rules broken = *bl_rules_builtin();
    unsigned named = 0;

    (void)state;
    broken.mark_pairs[BL_MARKS_OF_SENDER]['i' & 31] = 0;
    assert_true(count_differences(&broken, &named) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read_the_plain_way),
        cmocka_unit_test(a_pair_that_is_missing_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
