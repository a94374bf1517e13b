/* The text form, one record a value of a Redis key, lines in this order, TAB between fields:
 *
 *   1      VERSION STATE FLAGS STRIKES FIRST LAST SINCE UNTIL LAST_STRIKE DELIVERED
 *   cause  CODE ENHANCED CATEGORY RULE REPLY                      if there is one
 *   hand   ACTOR NOTE                                             if there is one
 *   soft   DAY...                                                 if any
 *   fail   TIME CODE ENHANCED CATEGORY HOST QUEUE_ID MESSAGE_ID SENDER     newest first
 *
 * The first field is the version of the format.  FLAGS: `p` probation, `s` soft, `-` neither. Texts
 * come from strangers' mail servers: control bytes and the backslash are written as \t \n \r
 * \\ \xHH, so a value can neither end its field nor its line.  There is one way to write a record
 * and the parser takes no other, which makes it easy to hold to: writing what was parsed gives the
 * same bytes. */
#include "bounceline/address.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "bounceline/domain.h"
#include "bounceline/hash.h"

enum { CODE_MAX = 65535 };

static const int64_t TIME_MAX = 253402300799999; /* the year 9999 */

/* What text() can come to: numbers at their longest, texts at their caps. */
enum {
    NUMBER = 21, /* with the TAB before it */
    STATUS = 19,
    HEAD_LINE = 12 * NUMBER,
    CAUSE_LINE = 8 + NUMBER + STATUS + 2 * BL_ADDRESS_WORD_MAX + BL_ADDRESS_REPLY_MAX,
    HAND_LINE = 8 + 2 * BL_ADDRESS_WORD_MAX,
    SOFT_LINE = 8 + BL_ADDRESS_SOFT_DAYS * NUMBER,
    FAIL_LINE = 8 + 2 * NUMBER + STATUS + 3 * BL_ADDRESS_WORD_MAX + 2 * BL_ADDRESS_LONG_MAX
};
_Static_assert(HEAD_LINE + CAUSE_LINE + HAND_LINE + SOFT_LINE + BL_ADDRESS_FAILURES * FAIL_LINE <
                   BL_ADDRESS_TEXT_MAX,
               "a full record fits its text form");

static const bl_slice state_names[BL_ADDRESS_STATES] = {
    [BL_ADDRESS_CLEAN] = BL_SLICE_INIT("clean"),
    [BL_ADDRESS_WATCH] = BL_SLICE_INIT("watch"),
    [BL_ADDRESS_SUPPRESSED] = BL_SLICE_INIT("suppressed"),
    [BL_ADDRESS_MANUAL] = BL_SLICE_INIT("manual"),
    [BL_ADDRESS_COMPLAINT] = BL_SLICE_INIT("complaint"),
    [BL_ADDRESS_EXEMPT] = BL_SLICE_INIT("exempt"),
};

const char *bl_address_state_name(enum bl_address_state state)
{
    return (unsigned)state < BL_ADDRESS_STATES ? state_names[state].p : "";
}

bool bl_address_state_blocks(enum bl_address_state state)
{
    return state == BL_ADDRESS_SUPPRESSED || state == BL_ADDRESS_MANUAL ||
           state == BL_ADDRESS_COMPLAINT;
}

/* --- addresses
 * ------------------------------------------------------------------------------------ */

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* RFC 5322 3.2.3, and bytes of UTF-8 as RFC 6532 adds them. */
static bool is_atext(char c)
{
    static const bl_slice others = BL_SLICE_INIT("!#$%&'*+-/=?^_`{|}~");
    char low = bl_lower(c);

    return (low >= 'a' && low <= 'z') || bl_is_digit(c) || (unsigned char)c >= 0x80 ||
           bl_slice_find_byte(others, c) < others.n;
}

static bool is_dot_atom(const char *p, size_t n)
{
    char before = '.';

    for (size_t i = 0; i < n; before = p[i++])
        if (p[i] == '.' ? before == '.' : !is_atext(p[i]))
            return false;
    return before != '.';
}

/* What stands inside "quotes" with quoted pairs undone; 0 when it is nothing, or not one quoted
 * string. */
static size_t unquote(bl_slice local, char out[BL_ADDRESS_MAX])
{
    size_t n = 0;

    if (local.n < 3 || local.p[0] != '"' || local.p[local.n - 1] != '"')
        return 0;
    for (size_t i = 1; i < local.n - 1; i++) {
        if (local.p[i] == '"' || (local.p[i] == '\\' && ++i == local.n - 1))
            return 0;
        out[n++] = local.p[i];
    }
    return n;
}

/* Appends `text`, ASCII in lower case. */
static size_t put_lower(char *out, size_t at, bl_slice text)
{
    for (size_t i = 0; i < text.n; i++)
        out[at + i] = bl_lower(text.p[i]);
    return at + text.n;
}

/* The domain that stands behind `from`, as an A-label where it is none and can be. */
static size_t fold_domain(char *out, size_t from, size_t n)
{
    bl_slice domain = {out + from, n - from};
    char ascii[BL_DOMAIN_MAX];
    size_t ascii_n;

    if (bl_slice_is_ascii(domain) || !bl_domain_to_ascii(domain, ascii, &ascii_n) ||
        ascii_n > BL_ADDRESS_MAX - from)
        return n;
    memcpy(out + from, ascii, ascii_n);
    return from + ascii_n;
}

static bool normalise_slowly(bl_slice address, char *out, size_t *out_n)
{
    char inside[BL_ADDRESS_MAX];
    size_t at = address.n, inside_n, n;
    bl_slice local;

    if (address.n > BL_ADDRESS_MAX)
        return false;
    for (size_t i = 0; i < address.n; i++) {
        if (is_control(address.p[i]))
            return false;
        if (address.p[i] == '@')
            at = i;
    }
    if (at == 0 || at + 1 >= address.n)
        return false;
    if (memchr(address.p + at, '"', address.n - at)) /* that '@' stood inside quotes */
        return false;
    local = bl_slice_head(address, at);
    inside_n = unquote(local, inside);
    if (memchr(address.p, ' ', inside_n ? 0 : at) || memchr(address.p + at, ' ', address.n - at))
        return false; /* a blank belongs into quotes */
    n = put_lower(out, 0, is_dot_atom(inside, inside_n) ? (bl_slice){inside, inside_n} : local);
    n = put_lower(out, n, bl_slice_drop(address, at));
    n = fold_domain(out, n - (address.n - at) + 1, n);
    out[n] = '\0';
    *out_n = n;
    return true;
}

#if defined(__SSE2__)

/* Sixteen bytes of an address without blanks, control bytes, quotes and bytes beyond ASCII, which
 * are negative: in lower case, and where an @ is. */
static inline bool lower16(const char *from, char *to, unsigned *signs)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m128i below = _mm_cmpgt_epi8(_mm_set1_epi8('!'), bytes);
    __m128i odd = _mm_or_si128(below, _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                   _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f))));
    __m128i upper = _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8('A' - 1)),
                                  _mm_cmpgt_epi8(_mm_set1_epi8('Z' + 1), bytes));

    *signs = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('@')));
    _mm_storeu_si128((__m128i *)(void *)to,
                     _mm_or_si128(bytes, _mm_and_si128(upper, _mm_set1_epi8(0x20))));
    return _mm_movemask_epi8(odd) == 0;
}

/* Nearly every address: nothing in it that needs a closer look.  False: then it needs one, and
 * `out` is whatever it became so far.  The last sixteen bytes overlap those before them. */
static bool normalise_plain(bl_slice address, char *out)
{
    size_t last = SIZE_MAX;

    if (address.n < 16 || address.n > BL_ADDRESS_MAX)
        return false;
    for (size_t i = 0; i < address.n; i += 16) {
        size_t from = i + 16 <= address.n ? i : address.n - 16;
        unsigned signs;

        if (!lower16(address.p + from, out + from, &signs))
            return false;
        if (signs)
            last = from + 31 - (size_t)__builtin_clz(signs);
    }
    out[address.n] = '\0';
    return last != SIZE_MAX && last > 0 && last + 1 < address.n;
}

#else

static bool normalise_plain(bl_slice address, char *out)
{
    (void)address, (void)out;
    return false;
}

#endif

bool bl_address_normalise(bl_slice address, char *out, size_t *out_n)
{
    if (!normalise_plain(address, out))
        return normalise_slowly(address, out, out_n);
    *out_n = address.n;
    return true;
}

uint64_t bl_address_hash(bl_slice normalised)
{
    return bl_hash64(normalised);
}

/* Half a byte at a time: polynomial 0x1021, start 0, not reflected. */
unsigned bl_address_partition(bl_slice normalised, unsigned partitions)
{
    static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5,
                                       0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b,
                                       0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    uint32_t crc = 0;

    if (partitions <= 1)
        return 0;
    for (size_t i = 0; i < normalised.n; i++) {
        unsigned byte = (unsigned char)normalised.p[i];

        crc = ((crc << 4) ^ table[((crc >> 12) ^ (byte >> 4)) & 15]) & 0xffff;
        crc = ((crc << 4) ^ table[((crc >> 12) ^ byte) & 15]) & 0xffff;
    }
    return crc % partitions;
}

/* --- writing
 * -------------------------------------------------------------------------------------- */

static size_t escaped_size(char c)
{
    if (c == '\t' || c == '\n' || c == '\r' || c == '\\')
        return 2;
    return is_control(c) ? 4 : 1;
}

/* How many bytes at the beginning need no escape: nearly always all of them. */
static size_t plain_run(const char *p, size_t n)
{
    size_t i = 0;

#if defined(__SSE2__)
    for (; i + 16 <= n; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i control = _mm_and_si128(_mm_cmpgt_epi8(_mm_set1_epi8(' '), bytes),
                                        _mm_cmpgt_epi8(bytes, _mm_set1_epi8(-1)));
        __m128i odd =
            _mm_or_si128(control, _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')),
                                               _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f))));

        if (_mm_movemask_epi8(odd))
            break;
    }
#endif
    while (i < n && escaped_size(p[i]) == 1)
        i++;
    return i;
}

void bl_address_set(char *field, size_t cap, bl_slice text)
{
    size_t room = cap - 1, n = plain_run(text.p, text.n < room ? text.n : room);

    if (n)
        memcpy(field, text.p, n);
    room -= n;
    for (; n < text.n; n++) {
        char c = text.p[n];

        if (c == '\0')
            c = '?';
        if (escaped_size(c) > room)
            break;
        room -= escaped_size(c);
        field[n] = c;
    }
    memset(field + n, 0, cap - n);
}

static char *put_word(char *to, bl_slice word)
{
    memcpy(to, word.p, word.n);
    return to + word.n;
}

static char *put_number(char *to, uint64_t value)
{
    char digits[20];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    while (n)
        *to++ = digits[--n];
    return to;
}

static char *put_field_number(char *to, uint64_t value)
{
    *to++ = '\t';
    return put_number(to, value);
}

static char *put_time(char *to, int64_t time_ms)
{
    if (time_ms < 0)
        time_ms = 0;
    return put_field_number(to, (uint64_t)(time_ms < TIME_MAX ? time_ms : TIME_MAX));
}

static char *put_status(char *to, bl_status status)
{
    *to++ = '\t';
    if (bl_status_absent(status)) {
        *to++ = '-';
        return to;
    }
    to = put_number(to, status.class_);
    *to++ = '.';
    to = put_number(to, status.subject);
    *to++ = '.';
    return put_number(to, status.detail);
}

static char *put_escaped(char *to, char c)
{
    static const char hex[] = "0123456789abcdef";

    *to++ = '\\';
    switch (c) {
    case '\t':
        *to++ = 't';
        break;
    case '\n':
        *to++ = 'n';
        break;
    case '\r':
        *to++ = 'r';
        break;
    case '\\':
        *to++ = '\\';
        break;
    default:
        *to++ = 'x';
        *to++ = hex[(unsigned char)c >> 4];
        *to++ = hex[(unsigned char)c & 15];
    }
    return to;
}

/* Cut as bl_address_set cuts, for whoever wrote into the record without it. */
static char *put_text(char *to, const char *text, size_t cap)
{
    size_t room = cap - 1, n = plain_run(text, strnlen(text, room));
    const char *end;

    *to++ = '\t';
    end = to + room;
    memcpy(to, text, n);
    to += n;
    for (size_t i = n; i < cap && text[i]; i++) {
        size_t size = escaped_size(text[i]);

        if (size > (size_t)(end - to))
            break;
        if (size == 1)
            *to++ = text[i];
        else
            to = put_escaped(to, text[i]);
    }
    return to;
}

static char *put_head(char *to, const struct bl_address_record *r)
{
    *to++ = '1';
    to = put_field_number(to, r->version);
    *to++ = '\t';
    to = put_word(to, state_names[r->state]);
    *to++ = '\t';
    if (r->probation)
        *to++ = 'p';
    if (r->soft)
        *to++ = 's';
    if (!r->probation && !r->soft)
        *to++ = '-';
    to = put_field_number(to, r->strikes);
    to = put_time(to, r->first_ms);
    to = put_time(to, r->last_ms);
    to = put_time(to, r->since_ms);
    to = put_time(to, r->until_ms);
    to = put_time(to, r->last_strike_ms);
    to = put_time(to, r->delivered_ms);
    *to++ = '\n';
    return to;
}

static bool has_cause(const struct bl_address_record *r)
{
    return r->code || !bl_status_absent(r->enhanced) || r->category[0] || r->rule[0] || r->reply[0];
}

static char *put_cause(char *to, const struct bl_address_record *r)
{
    to = put_word(to, BL_SLICE("cause"));
    to = put_field_number(to, r->code);
    to = put_status(to, r->enhanced);
    to = put_text(to, r->category, sizeof r->category);
    to = put_text(to, r->rule, sizeof r->rule);
    to = put_text(to, r->reply, sizeof r->reply);
    *to++ = '\n';
    return to;
}

static char *put_hand(char *to, const struct bl_address_record *r)
{
    to = put_word(to, BL_SLICE("hand"));
    to = put_text(to, r->actor, sizeof r->actor);
    to = put_text(to, r->note, sizeof r->note);
    *to++ = '\n';
    return to;
}

static char *put_soft(char *to, const struct bl_address_record *r)
{
    to = put_word(to, BL_SLICE("soft"));
    for (size_t i = 0; i < r->soft_days && i < BL_ADDRESS_SOFT_DAYS; i++)
        to = put_field_number(to, r->soft_day[i]);
    *to++ = '\n';
    return to;
}

static char *put_failure(char *to, const struct bl_address_failure *f)
{
    to = put_word(to, BL_SLICE("fail"));
    to = put_time(to, f->time_ms);
    to = put_field_number(to, f->code);
    to = put_status(to, f->enhanced);
    to = put_text(to, f->category, sizeof f->category);
    to = put_text(to, f->host, sizeof f->host);
    to = put_text(to, f->queue_id, sizeof f->queue_id);
    to = put_text(to, f->message_id, sizeof f->message_id);
    to = put_text(to, f->sender, sizeof f->sender);
    *to++ = '\n';
    return to;
}

size_t bl_address_text(const struct bl_address_record *record, char out[BL_ADDRESS_TEXT_MAX])
{
    char *to = put_head(out, record);

    if (has_cause(record))
        to = put_cause(to, record);
    if (record->actor[0] || record->note[0])
        to = put_hand(to, record);
    if (record->soft_days)
        to = put_soft(to, record);
    for (size_t i = 0; i < record->failures && i < BL_ADDRESS_FAILURES; i++)
        to = put_failure(to, &record->failure[i]);
    return (size_t)(to - out);
}

/* --- reading
 * -------------------------------------------------------------------------------------- */

/* No sign, no leading zeros. */
static bool take_digits(bl_slice *in, uint64_t max, uint64_t *out)
{
    bool zero = in->n && in->p[0] == '0';
    size_t before = in->n;

    return bl_slice_take_u64(in, out) && *out <= max && (!zero || before - in->n == 1);
}

static bool take_number(bl_slice *line, uint64_t max, uint64_t *out)
{
    bl_slice field;

    return bl_slice_take_field(line, '\t', &field) && take_digits(&field, max, out) && field.n == 0;
}

static bool take_time(bl_slice *line, int64_t *out)
{
    uint64_t value;

    if (!take_number(line, (uint64_t)TIME_MAX, &value))
        return false;
    *out = (int64_t)value;
    return true;
}

static bool take_code(bl_slice *line, uint16_t *out)
{
    uint64_t value;

    if (!take_number(line, CODE_MAX, &value))
        return false;
    *out = (uint16_t)value;
    return true;
}

static bool take_status(bl_slice *line, bl_status *out)
{
    bl_slice field;
    uint64_t class_, subject, detail;

    if (!bl_slice_take_field(line, '\t', &field))
        return false;
    if (bl_slice_eq(field, BL_SLICE("-"))) {
        *out = (bl_status){0};
        return true;
    }
    if (!take_digits(&field, UINT16_MAX, &class_) || class_ == 0 ||
        !bl_slice_take(&field, BL_SLICE(".")) || !take_digits(&field, UINT16_MAX, &subject) ||
        !bl_slice_take(&field, BL_SLICE(".")) || !take_digits(&field, UINT16_MAX, &detail) ||
        field.n != 0)
        return false;
    *out = (bl_status){(uint16_t)class_, (uint16_t)subject, (uint16_t)detail};
    return true;
}

static int hex_value(char c)
{
    if (bl_is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes one escape, whose backslash is already taken; only the form that put_escaped would
 * choose. */
static bool take_escape(bl_slice *in, char *out)
{
    static const char letter[4] = {'t', 'n', 'r', '\\'}, byte[4] = {'\t', '\n', '\r', '\\'};
    const char *at;
    int high, low;

    if (in->n == 0)
        return false;
    at = memchr(letter, in->p[0], sizeof letter);
    if (at) {
        *out = byte[at - letter];
        *in = bl_slice_drop(*in, 1);
        return true;
    }
    if (in->n < 3 || in->p[0] != 'x')
        return false;
    high = hex_value(in->p[1]);
    low = hex_value(in->p[2]);
    if (high < 0 || low < 0)
        return false;
    *out = (char)(high << 4 | low);
    *in = bl_slice_drop(*in, 3);
    return *out != '\0' && escaped_size(*out) == 4;
}

static bool take_text(bl_slice *line, char *out, size_t cap)
{
    bl_slice field;
    size_t n = 0;

    if (!bl_slice_take_field(line, '\t', &field) || field.n >= cap)
        return false;
    while (field.n) {
        char c = field.p[0];

        field = bl_slice_drop(field, 1);
        if (c == '\\' ? !take_escape(&field, &c) : is_control(c))
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

static bool take_state(bl_slice *line, enum bl_address_state *out)
{
    bl_slice field;

    if (!bl_slice_take_field(line, '\t', &field))
        return false;
    for (int i = 0; i < BL_ADDRESS_STATES; i++)
        if (bl_slice_eq(field, state_names[i])) {
            *out = (enum bl_address_state)i;
            return true;
        }
    return false;
}

static bool take_flags(bl_slice *line, struct bl_address_record *r)
{
    bl_slice field;

    if (!bl_slice_take_field(line, '\t', &field))
        return false;
    if (bl_slice_eq(field, BL_SLICE("-")))
        return true;
    if (field.n == 0)
        return false;
    r->probation = bl_slice_take(&field, BL_SLICE("p"));
    r->soft = bl_slice_take(&field, BL_SLICE("s"));
    return field.n == 0;
}

static bool read_head(bl_slice line, struct bl_address_record *r)
{
    uint64_t format, strikes;

    if (!take_number(&line, 1, &format) || format != 1 ||
        !take_number(&line, UINT64_MAX, &r->version) || !take_state(&line, &r->state) ||
        !take_flags(&line, r) || !take_number(&line, UINT32_MAX, &strikes))
        return false;
    r->strikes = (uint32_t)strikes;
    return take_time(&line, &r->first_ms) && take_time(&line, &r->last_ms) &&
           take_time(&line, &r->since_ms) && take_time(&line, &r->until_ms) &&
           take_time(&line, &r->last_strike_ms) && take_time(&line, &r->delivered_ms) && !line.p;
}

static bool read_cause(bl_slice line, struct bl_address_record *r)
{
    return take_code(&line, &r->code) && take_status(&line, &r->enhanced) &&
           take_text(&line, r->category, sizeof r->category) &&
           take_text(&line, r->rule, sizeof r->rule) &&
           take_text(&line, r->reply, sizeof r->reply) && !line.p && has_cause(r);
}

static bool read_hand(bl_slice line, struct bl_address_record *r)
{
    return take_text(&line, r->actor, sizeof r->actor) &&
           take_text(&line, r->note, sizeof r->note) && !line.p && (r->actor[0] || r->note[0]);
}

static bool read_soft(bl_slice line, struct bl_address_record *r)
{
    while (line.p) {
        uint64_t day;

        if (r->soft_days == BL_ADDRESS_SOFT_DAYS || !take_number(&line, UINT32_MAX, &day) ||
            (r->soft_days && day <= r->soft_day[r->soft_days - 1]))
            return false;
        r->soft_day[r->soft_days++] = (uint32_t)day;
    }
    return true;
}

static bool read_failure(bl_slice line, struct bl_address_record *r)
{
    struct bl_address_failure *f = &r->failure[r->failures];

    if (r->failures == BL_ADDRESS_FAILURES)
        return false;
    r->failures++;
    return take_time(&line, &f->time_ms) && take_code(&line, &f->code) &&
           take_status(&line, &f->enhanced) && take_text(&line, f->category, sizeof f->category) &&
           take_text(&line, f->host, sizeof f->host) &&
           take_text(&line, f->queue_id, sizeof f->queue_id) &&
           take_text(&line, f->message_id, sizeof f->message_id) &&
           take_text(&line, f->sender, sizeof f->sender) && !line.p;
}

/* Lines after the first come in this order; all but the last kind at most once. */
static const struct {
    bl_slice word;
    bool (*read)(bl_slice line, struct bl_address_record *r);
    bool repeats;
} line_kinds[] = {
    {BL_SLICE_INIT("cause\t"), read_cause, false},
    {BL_SLICE_INIT("hand\t"), read_hand, false},
    {BL_SLICE_INIT("soft\t"), read_soft, false},
    {BL_SLICE_INIT("fail\t"), read_failure, true},
};

static bool read_line(bl_slice line, size_t *kind, struct bl_address_record *r)
{
    while (*kind < BL_COUNT(line_kinds) && !bl_slice_starts(line, line_kinds[*kind].word))
        ++*kind;
    if (*kind == BL_COUNT(line_kinds))
        return false;
    line = bl_slice_drop(line, line_kinds[*kind].word.n);
    return line_kinds[line_kinds[*kind].repeats ? *kind : (*kind)++].read(line, r);
}

enum bl_code bl_address_parse(bl_slice text, struct bl_address_record *out, bl_err *err)
{
    struct bl_address_record r = {0};
    size_t number = 1, kind = 0;

    if (text.n == 0 || text.n > BL_ADDRESS_TEXT_MAX)
        return bl_fail(err, BL_BAD_INPUT, 0, "address record of %zu bytes, wanted 1 to %d", text.n,
                       BL_ADDRESS_TEXT_MAX);
    for (; text.n; number++) {
        size_t n = bl_slice_find_byte(text, '\n');
        bl_slice line = bl_slice_head(text, n);

        if (n == text.n)
            return bl_fail(err, BL_BAD_INPUT, 0, "address record: line %zu has no end", number);
        if (number == 1 ? !read_head(line, &r) : !read_line(line, &kind, &r))
            return bl_fail(err, BL_BAD_INPUT, 0, "address record: line %zu is not understood",
                           number);
        text = bl_slice_drop(text, n + 1);
    }
    *out = r;
    return BL_OK;
}
