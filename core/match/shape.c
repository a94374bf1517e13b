/* Text is cut into chunks: what hangs together without blanks, brackets, quotes and commas.  A
 * chunk is judged as a whole, by its form: better fold a word too many than let a name through. */
#include "bounceline/shape.h"

enum { WORD_MAX = 24, NAME_LEAST = 3, WHOLE_LEAST = 5 };

struct folding {
    const bl_slice *names;
    size_t names_n, n;
    char *out;
    bool full;
    /* the placeholder just written, while nothing but blanks and colons followed */
    const char *last;
    size_t last_end;
};

static bool is_letter(char c)
{
    return (bl_lower(c) >= 'a' && bl_lower(c) <= 'z') || (c & 0x80);
}

static bool is_border(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f || memchr("<>()[]{}\"'`,;|*", c, 15);
}

static void put(struct folding *f, bl_slice text)
{
    if (f->full || text.n > BL_SHAPE_MAX - f->n) {
        f->full = true;
        return;
    }
    for (size_t i = 0; i < text.n; i++)
        f->out[f->n++] = bl_lower(text.p[i]);
}

/* The same one again, with no more than blanks and colons between, is once enough. */
static void put_mark(struct folding *f, const char *mark)
{
    if (f->last == mark && !f->full)
        f->n = f->last_end;
    else
        put(f, (bl_slice){mark, strlen(mark)});
    f->last = mark;
    f->last_end = f->n;
}

static void put_word(struct folding *f, bl_slice word)
{
    put(f, word);
    f->last = NULL;
}

static bool all_of(bl_slice s, const char *also)
{
    for (size_t i = 0; i < s.n; i++)
        if (!bl_is_digit(s.p[i]) && !memchr(also, s.p[i], strlen(also)))
            return false;
    return s.n > 0;
}

static size_t count(bl_slice s, char c)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == c;
    return n;
}

static size_t digits_in(bl_slice s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += bl_is_digit(s.p[i]);
    return n;
}

/* 5.7.1, 4.2.0 */
static bool is_status(bl_slice s)
{
    return s.n >= 5 && s.n <= 9 && (s.p[0] == '2' || s.p[0] == '4' || s.p[0] == '5') &&
           s.p[1] == '.' && all_of(s, ".") && count(s, '.') == 2 && s.p[s.n - 1] != '.' &&
           bl_slice_find(s, BL_SLICE("..")) == SIZE_MAX;
}

static bool is_ip(bl_slice s)
{
    size_t hex = 0;

    if (all_of(s, ".") && count(s, '.') == 3)
        return true;
    for (size_t i = 0; i < s.n; i++)
        hex += bl_is_digit(s.p[i]) || (bl_lower(s.p[i]) >= 'a' && bl_lower(s.p[i]) <= 'f') ||
               s.p[i] == ':' || s.p[i] == '.';
    /* with less than that it is a time */
    return hex == s.n && s.n >= 3 &&
           (count(s, ':') > 2 || bl_slice_find(s, BL_SLICE("::")) != SIZE_MAX);
}

/* Labels and dots, the last one of two letters or more. */
static bool is_host(bl_slice s)
{
    size_t last = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.')
            last = i + 1;
        else if (!is_letter(s.p[i]) && !bl_is_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    }
    if (last < 2 || s.n - last < 2)
        return false;
    for (size_t i = last; i < s.n; i++)
        if (!is_letter(s.p[i]))
            return false;
    return true;
}

/* A provider's own code: capitals and a few digits behind them. */
static bool is_code(bl_slice s)
{
    size_t i = 0, capitals = 0;

    while (i < s.n && s.p[i] >= 'A' && s.p[i] <= 'Z') {
        i++;
        capitals++;
    }
    while (i < s.n && (s.p[i] == '-' || s.p[i] == '_'))
        i++;
    return capitals >= 1 && capitals <= 4 && i < s.n && s.n - i <= 4 &&
           all_of(bl_slice_drop(s, i), "");
}

/* `whole`: the name as the log has it, which is looked for within words, too; else a part of it. */
static bool is_part(bl_slice chunk, bl_slice name, bool whole)
{
    if (name.n < NAME_LEAST)
        return name.n && bl_slice_eq_fold(chunk, name);
    for (size_t i = 0; i + name.n <= chunk.n; i++)
        if (bl_slice_eq_fold((bl_slice){chunk.p + i, name.n}, name) &&
            ((whole && name.n >= WHOLE_LEAST) ||
             ((i == 0 || !is_letter(chunk.p[i - 1])) &&
              (i + name.n == chunk.n || !is_letter(chunk.p[i + name.n])))))
            return true;
    return false;
}

/* Any label of what the log names: of `ana.lee@shop.example` these are ana.lee, ana, lee,
 * shop.example, shop. */
static bool is_named(const struct folding *f, bl_slice chunk)
{
    for (size_t i = 0; i < f->names_n; i++) {
        bl_slice rest = f->names[i];
        size_t local = bl_slice_find_byte(rest, '@');

        if (rest.n == 0)
            continue;
        if (is_part(chunk, local < rest.n ? bl_slice_drop(rest, local + 1) : rest, true))
            return true; /* the host */
        if (local < rest.n && is_part(chunk, bl_slice_head(rest, local), true))
            return true;
        while (rest.n) {
            size_t n = 0;

            while (n < rest.n && !memchr("@.+-_=", rest.p[n], 6))
                n++;
            /* the last label is a word like com or org */
            if (n >= NAME_LEAST && n < rest.n && is_part(chunk, bl_slice_head(rest, n), false))
                return true;
            rest = bl_slice_drop(rest, n < rest.n ? n + 1 : n);
        }
    }
    return false;
}

/* ana.lee has the form of a host. */
static bool is_local_part(const struct folding *f, bl_slice chunk)
{
    for (size_t i = 0; i < f->names_n; i++) {
        size_t local = bl_slice_find_byte(f->names[i], '@');

        if (local < f->names[i].n && bl_slice_eq_fold(chunk, bl_slice_head(f->names[i], local)))
            return true;
    }
    return false;
}

static void fold_chunk(struct folding *f, bl_slice chunk)
{
    size_t digits = digits_in(chunk);

    if (count(chunk, '@'))
        put_mark(f, "{address}");
    else if (bl_slice_find(chunk, BL_SLICE("://")) != SIZE_MAX ||
             bl_slice_starts(chunk, BL_SLICE("www.")))
        put_mark(f, "{url}");
    else if (is_status(chunk))
        put_word(f, chunk);
    else if (is_ip(chunk))
        put_mark(f, "{ip}");
    else if (all_of(chunk, ".:/-+%#"))
        put_mark(f, "{n}");
    else if (is_local_part(f, chunk))
        put_mark(f, "{name}");
    else if (is_host(chunk))
        put_mark(f, "{host}");
    else if (is_named(f, chunk))
        put_mark(f, "{name}");
    else if (is_code(chunk))
        put_word(f, chunk);
    else if (digits || chunk.n > WORD_MAX || count(chunk, '=') || count(chunk, '/') > 1)
        put_mark(f, "{id}");
    else
        put_word(f, chunk);
}

/* `550-5.7.1`, `550-Our` and `550`: the code of a further line, once it was said. */
static bl_slice without_code(bl_slice chunk, bl_slice text)
{
    if (chunk.p == text.p || chunk.n < 3 || text.n < 4 || memcmp(chunk.p, text.p, 3) != 0 ||
        !all_of(bl_slice_head(chunk, 3), "") || (chunk.n > 3 && chunk.p[3] != '-'))
        return chunk;
    return bl_slice_drop(chunk, chunk.n > 3 ? 4 : 3);
}

static bool is_dot(char c)
{
    return c == '.' || c == ':' || c == '!' || c == '?' || c == '-' || c == '=';
}

size_t bl_shape_fold(bl_slice text, const bl_slice *names, size_t names_n, char out[BL_SHAPE_MAX])
{
    struct folding f = {.names = names, .names_n = names_n, .out = out};
    size_t at = 0;

    if (text.n >= 4 && all_of(bl_slice_head(text, 3), "") &&
        (text.p[3] == ' ' || text.p[3] == '-')) {
        put(&f, bl_slice_head(text, 3));
        put(&f, BL_SLICE(" "));
        at = 4;
    }
    while (at < text.n && !f.full) {
        size_t from = at, end, word;
        bl_slice chunk;

        if (is_border(text.p[at])) {
            bool blank = (unsigned char)text.p[at] <= ' ' || text.p[at] == 0x7f;

            if (!blank)
                put_word(&f, (bl_slice){text.p + at, 1});
            else if (f.n && out[f.n - 1] != ' ')
                put(&f, BL_SLICE(" "));
            at++;
            continue;
        }
        while (at < text.n && !is_border(text.p[at]))
            at++;
        chunk = without_code((bl_slice){text.p + from, at - from}, text);
        end = word = chunk.n;
        while (word > 0 && is_dot(chunk.p[word - 1]))
            word--;
        if (word)
            fold_chunk(&f, bl_slice_head(chunk, word));
        put(&f, (bl_slice){chunk.p + word, end - word});
    }
    while (f.n && out[f.n - 1] == ' ')
        f.n--;
    return f.n;
}
