/* ctest: label=quick timeout=60
 * Addresses as keys, and records as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bounceline/address.h"
#include "guarded.h"
#include "records.h"

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
    const char *name, *in, *want; /* want NULL: refused */
} addresses[] = {
    {"plain", "kim@example.org", "kim@example.org"},
    {"case is folded on both sides", "Kim.Li@Example.ORG", "kim.li@example.org"},
    {"needless quotes go", "\"Kim.Li\"@example.org", "kim.li@example.org"},
    {"needless quoted pairs go with them", "\"k\\im\"@example.org", "kim@example.org"},
    {"needed quotes stay", "\"a..b\"@example.org", "\"a..b\"@example.org"},
    {"an at sign in quotes stays", "\"a@b\"@Example.org", "\"a@b\"@example.org"},
    {"empty quotes stay", "\"\"@example.org", "\"\"@example.org"},
    {"a quote left open is just a byte", "\"a\\\"@example.org", "\"a\\\"@example.org"},
    {"tag and odd letters", "o'neil+x=y/z@example.org", "o'neil+x=y/z@example.org"},
    {"bytes of UTF-8", "j\xc3\xb6rg@example.org", "j\xc3\xb6rg@example.org"},
    {"a blank in quotes stays", "\"Kim Li\"@Example.org", "\"kim li\"@example.org"},
    {"nothing but a blank", "\" \"@example.org", "\" \"@example.org"},
    {"a domain of UTF-8", "kim@почта.example", "kim@xn--80a1acny.example"},
    {"in upper case", "Kim@ПОЧТА.Example", "kim@xn--80a1acny.example"},
    {"as its A-label", "kim@XN--80A1ACNY.example", "kim@xn--80a1acny.example"},
    {"the local part is left alone", "Почта@Почта.example", "Почта@xn--80a1acny.example"},
    {"a domain of no UTF-8", "kim@M\xfcLLER.example", "kim@m\xfcller.example"},
    {"what would be another address", "kim@b＠c.example", "kim@b＠c.example"},
    {"what would be none", "kim@\xc2\xad", "kim@\xc2\xad"},
    {"address literal", "kim@[IPv6:2001:DB8::1]", "kim@[ipv6:2001:db8::1]"},
    {"empty", "", NULL},
    {"no at sign", "kim", NULL},
    {"no local part", "@example.org", NULL},
    {"no domain", "kim@", NULL},
    {"the only at sign is in quotes", "\"kim@example.org\"", NULL},
    {"a blank", "kim li@example.org", NULL},
    {"a blank behind quotes", "\"kim\" @example.org", NULL},
    {"a blank between quotes", "\"a\" \"b\"@example.org", NULL},
    {"a blank in quotes that are left open", "\"kim li\\\"@example.org", NULL},
    {"a blank in the domain", "\"kim li\"@example org", NULL},
    {"a newline", "kim@example.org\n", NULL},
    {"a delete", "kim\x7f@example.org", NULL},
};

static void normalising_gives_one_form_or_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(addresses); i++) {
        char out[BL_ADDRESS_MAX + 1] = "untouched";
        size_t n = 99;
        bool ok = bl_address_normalise(guarded(addresses[i].in), out, &n);

        print_message("%s\n", addresses[i].name);
        assert_int_equal(ok, addresses[i].want != NULL);
        if (ok) {
            assert_string_equal(out, addresses[i].want);
            assert_int_equal(n, strlen(out));
        }
    }
}

/* A-labels may be longer: what would come out at more than BL_ADDRESS_MAX bytes keeps its own. */
static void a_longer_name_fits_or_stays_away(void **state)
{
    char in[BL_ADDRESS_MAX + 1], out[BL_ADDRESS_MAX + 1];
    size_t n;

    (void)state;
    memset(in, 'x', sizeof in);
    for (size_t local = 300; local <= BL_ADDRESS_MAX - 6; local++) {
        memcpy(in + local, "@é.xx", 6);
        assert_true(bl_address_normalise(guarded_bytes(in, local + 6), out, &n));
        assert_int_equal(n, local + 11 <= BL_ADDRESS_MAX ? local + 11 : local + 6);
        assert_int_equal(out[n], 0);
        assert_int_equal(out[n - 1], 'x');
    }
}

static void an_address_of_320_bytes_fits_and_321_do_not(void **state)
{
    char in[BL_ADDRESS_MAX + 1], out[BL_ADDRESS_MAX + 1];
    size_t n;

    (void)state;
    memset(in, 'x', sizeof in);
    in[64] = '@';
    assert_true(bl_address_normalise(guarded_bytes(in, BL_ADDRESS_MAX), out, &n));
    assert_int_equal(n, BL_ADDRESS_MAX);
    assert_false(bl_address_normalise(guarded_bytes(in, BL_ADDRESS_MAX + 1), out, &n));
    assert_false(bl_address_normalise(guarded_bytes("a\0b@c", 5), out, &n));
}

/* 0x31c3 is the check value of CRC-16/XMODEM; 13567 is what Redis 7.0's CLUSTER KEYSLOT says. */
/* Byte by byte, for addresses without quotes. */
static bool normalise_plainly(const char *in, size_t n, char *out)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)in[i] <= ' ' || in[i] == 0x7f)
            return false;
        at = in[i] == '@' ? i : at;
        out[i] = in[i] >= 'A' && in[i] <= 'Z' ? (char)(in[i] + 32) : in[i];
    }
    return at > 0 && at + 1 < n;
}

/* Every byte at every place of every length up to three registers.  Control: each way is met
 * often. */
static void sixteen_bytes_at_once_say_what_one_at_a_time_says(void **state)
{
    char in[50], out[BL_ADDRESS_MAX + 1], want[BL_ADDRESS_MAX + 1];
    size_t good = 0, bad = 0, n;

    (void)state;
    for (size_t length = 1; length <= sizeof in; length++)
        for (size_t at = 0; at < length; at++)
            for (int c = 0; c < 256; c++) {
                bool ok;

                memset(in, 'q', length);
                in[length / 3] = '@';
                in[at] = (char)c;
                if (c == '"')
                    continue; /* has tests of its own */
                ok = bl_address_normalise(guarded_bytes(in, length), out, &n);
                assert_int_equal(ok, normalise_plainly(in, length, want));
                good += ok;
                bad += !ok;
                if (ok) {
                    assert_int_equal(n, length);
                    assert_memory_equal(out, want, n);
                    assert_int_equal(out[n], 0);
                }
            }
    assert_true(good > 100000 && bad > 10000);
}

static void partitions_are_crc16_as_redis_cluster_has_it(void **state)
{
    (void)state;
    assert_int_equal(bl_address_partition(BL_SLICE("123456789"), 65536), 0x31c3);
    assert_int_equal(bl_address_partition(BL_SLICE("kim@example.org"), 16384), 13567);
    assert_int_equal(bl_address_partition(BL_SLICE("kim@example.org"), 1), 0);
    assert_int_equal(bl_address_partition(BL_SLICE("kim@example.org"), 0), 0);
    assert_int_equal(bl_address_partition((bl_slice){0}, 16), 0);
}

static const char whole[] =
    "1\t7\tsuppressed\tps\t2\t1700000000000\t1700000100000\t1700000000001\t1700700000000\t1700000000002\t0\n"
    "cause\t550\t5.1.1\tinvalid-recipient\tgeneric/user-unknown\t550 no\\tsuch\\nuser\\r \\\\ \\x1b\\x7f\n"
    "hand\troot\tasked for\n"
    "soft\t19000\t19007\n"
    "fail\t1700000100000\t550\t5.1.1\tinvalid-recipient\tmx1\t4XyZ\t<1@a>\tme@example.org\n"
    "fail\t1700000000000\t0\t-\tdns\t\t\t\t\n";

static const struct bl_address_record whole_record = {
    .version = 7,
    .state = BL_ADDRESS_SUPPRESSED,
    .probation = true,
    .soft = true,
    .strikes = 2,
    .first_ms = 1700000000000,
    .last_ms = 1700000100000,
    .since_ms = 1700000000001,
    .until_ms = 1700700000000,
    .last_strike_ms = 1700000000002,
    .code = 550,
    .enhanced = {5, 1, 1},
    .category = "invalid-recipient",
    .rule = "generic/user-unknown",
    .reply = "550 no\tsuch\nuser\r \\ \x1b\x7f",
    .actor = "root",
    .note = "asked for",
    .soft_day = {19000, 19007},
    .soft_days = 2,
    .failures = 2,
    .failure = {{1700000100000,
                 550,
                 {5, 1, 1},
                 "invalid-recipient",
                 "mx1",
                 "4XyZ",
                 "<1@a>",
                 "me@example.org"},
                {.time_ms = 1700000000000, .category = "dns"}},
};

static void a_record_is_written_as_documented_and_comes_back(void **state)
{
    static struct bl_address_record again;
    char text[BL_ADDRESS_TEXT_MAX];
    size_t n = bl_address_text(&whole_record, text);

    (void)state;
    assert_int_equal(n, sizeof whole - 1);
    assert_memory_equal(text, whole, n);
    assert_int_equal(bl_address_parse(guarded_bytes(text, n), &again, NULL), BL_OK);
    assert_true(record_eq(&whole_record, &again));
}

#define HEAD "1\t7\tclean\t-\t0\t0\t0\t0\t0\t0\t0\n"

static void a_record_without_history_is_one_line(void **state)
{
    struct bl_address_record r = {.version = 7}, again = {.version = 9};
    char text[BL_ADDRESS_TEXT_MAX];
    size_t n = bl_address_text(&r, text);

    (void)state;
    assert_int_equal(n, sizeof HEAD - 1);
    assert_memory_equal(text, HEAD, n);
    assert_int_equal(bl_address_parse(guarded_bytes(text, n), &again, NULL), BL_OK);
    assert_true(record_eq(&r, &again));
}

static const struct {
    const char *name, *in;
} refused[] = {
    {"nothing", ""},
    {"no newline", "1\t7\tclean\t-\t0\t0\t0\t0\t0\t0\t0"},
    {"another format", "2\t7\tclean\t-\t0\t0\t0\t0\t0\t0\t0\n"},
    {"a field too few", "1\t7\tclean\t-\t0\t0\t0\t0\t0\t0\n"},
    {"a field too many", "1\t7\tclean\t-\t0\t0\t0\t0\t0\t0\t0\t0\n"},
    {"an unknown state", "1\t7\tdirty\t-\t0\t0\t0\t0\t0\t0\t0\n"},
    {"an empty state", "1\t7\t\t-\t0\t0\t0\t0\t0\t0\t0\n"},
    {"flags the wrong way round", "1\t7\tclean\tsp\t0\t0\t0\t0\t0\t0\t0\n"},
    {"empty flags", "1\t7\tclean\t\t0\t0\t0\t0\t0\t0\t0\n"},
    {"a sign", "1\t7\tclean\t-\t+1\t0\t0\t0\t0\t0\t0\n"},
    {"a negative time", "1\t7\tclean\t-\t0\t-1\t0\t0\t0\t0\t0\n"},
    {"a leading zero", "1\t07\tclean\t-\t0\t0\t0\t0\t0\t0\t0\n"},
    {"a version over 64 bits", "1\t18446744073709551616\tclean\t-\t0\t0\t0\t0\t0\t0\t0\n"},
    {"strikes over 32 bits", "1\t7\tclean\t-\t4294967296\t0\t0\t0\t0\t0\t0\n"},
    {"a time after the year 9999", "1\t7\tclean\t-\t0\t253402300800000\t0\t0\t0\t0\t0\n"},
    {"an empty line", HEAD "\n"},
    {"an unknown line", HEAD "cause2\t0\t-\ta\tb\tc\n"},
    {"lines in another order", HEAD "hand\ta\tb\ncause\t0\t-\ta\tb\tc\n"},
    {"a line twice", HEAD "hand\ta\tb\nhand\ta\tb\n"},
    {"an empty cause", HEAD "cause\t0\t-\t\t\t\n"},
    {"an empty hand", HEAD "hand\t\t\n"},
    {"a code too large", HEAD "cause\t65536\t-\ta\tb\tc\n"},
    {"a status cut short", HEAD "cause\t550\t5.1\ta\tb\tc\n"},
    {"a status of class 0", HEAD "cause\t550\t0.1.1\ta\tb\tc\n"},
    {"a status with more behind it", HEAD "cause\t550\t5.1.1.1\ta\tb\tc\n"},
    {"an escape cut short", HEAD "hand\ta\\\tb\n"},
    {"an unknown escape", HEAD "hand\ta\\q\tb\n"},
    {"a hex escape cut short", HEAD "hand\ta\\x1\tb\n"},
    {"a hex escape in capitals", HEAD "hand\ta\\x1B\tb\n"},
    {"a hex escape of a letter", HEAD "hand\ta\\x41\tb\n"},
    {"a hex escape of what has a short one", HEAD "hand\ta\\x09\tb\n"},
    {"a hex escape of NUL", HEAD "hand\ta\\x00\tb\n"},
    {"a bare control byte", HEAD "hand\ta\x1b\tb\n"},
    {"a word over its cap", HEAD "hand\t" X64 X64 "\tb\n"},
    {"no soft day", HEAD "soft\t\n"},
    {"soft days that fall", HEAD "soft\t5\t4\n"},
    {"a soft day twice", HEAD "soft\t5\t5\n"},
    {"a soft day too many",
     HEAD "soft\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t13\t14\t15\t16\t17\n"},
    {"a failure cut short", HEAD "fail\t5\t550\t-\ta\tb\tc\td\n"},
};

static void what_is_not_written_so_is_refused_and_out_stays(void **state)
{
    struct bl_address_record out = {.version = 42};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(refused); i++) {
        bl_err err = {0};

        print_message("%s\n", refused[i].name);
        assert_int_equal(bl_address_parse(guarded(refused[i].in), &out, &err), BL_BAD_INPUT);
        assert_int_equal(out.version, 42);
        assert_true(err.text[0]);
    }
}

static void a_seventeenth_failure_is_refused(void **state)
{
    char text[4096] = HEAD;
    static struct bl_address_record out;

    (void)state;
    for (int i = 0; i < BL_ADDRESS_FAILURES; i++)
        strcat(text, "fail\t5\t550\t-\ta\tb\tc\td\te\n");
    assert_int_equal(bl_address_parse(guarded(text), &out, NULL), BL_OK);
    strcat(text, "fail\t5\t550\t-\ta\tb\tc\td\te\n");
    assert_int_equal(bl_address_parse(guarded(text), &out, NULL), BL_BAD_INPUT);
}

/* Every cut is refused, but for those between lines; with any byte turned into any other it is
 * refused, or is a record that is written just so. */
static void damaged_records_are_refused_or_consistent(void **state)
{
    static struct bl_address_record out;
    char copy[sizeof whole], text[BL_ADDRESS_TEXT_MAX];

    (void)state;
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        bool between = n > 0 && whole[n - 1] == '\n';

        assert_int_equal(bl_address_parse(guarded_bytes(whole, n), &out, NULL) == BL_OK, between);
    }
    for (size_t i = 0; i < sizeof whole - 1; i++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(copy, whole, sizeof whole);
            copy[i] = (char)byte;
            if (bl_address_parse((bl_slice){copy, sizeof whole - 1}, &out, NULL) == BL_OK) {
                assert_int_equal(bl_address_text(&out, text), sizeof whole - 1);
                assert_memory_equal(text, copy, sizeof whole - 1);
            }
        }
}

/* Numbers at their longest and each text full of a byte that takes one, two or four when
 * written. */
static void fill(struct bl_address_record *r, char byte)
{
    bl_slice text;
    char bytes[1024];

    memset(bytes, byte, sizeof bytes);
    text = (bl_slice){bytes, sizeof bytes};
    *r = (struct bl_address_record){.version = UINT64_MAX,
                                    .state = BL_ADDRESS_SUPPRESSED,
                                    .probation = true,
                                    .soft = true,
                                    .strikes = UINT32_MAX,
                                    .code = UINT16_MAX,
                                    .enhanced = {UINT16_MAX, UINT16_MAX, UINT16_MAX}};
    r->first_ms = r->last_ms = r->since_ms = r->until_ms = 253402300799999;
    r->last_strike_ms = r->delivered_ms = 253402300799999;
    bl_address_set(r->category, sizeof r->category, text);
    bl_address_set(r->rule, sizeof r->rule, text);
    bl_address_set(r->reply, sizeof r->reply, text);
    bl_address_set(r->actor, sizeof r->actor, text);
    bl_address_set(r->note, sizeof r->note, text);
    for (r->soft_days = 0; r->soft_days < BL_ADDRESS_SOFT_DAYS; r->soft_days++)
        r->soft_day[r->soft_days] = UINT32_MAX - 16 + (uint32_t)r->soft_days;
    for (r->failures = 0; r->failures < BL_ADDRESS_FAILURES; r->failures++) {
        struct bl_address_failure *f = &r->failure[r->failures];

        *f = (struct bl_address_failure){
            253402300799999, UINT16_MAX, r->enhanced, "", "", "", "", ""};
        bl_address_set(f->category, sizeof f->category, text);
        bl_address_set(f->host, sizeof f->host, text);
        bl_address_set(f->queue_id, sizeof f->queue_id, text);
        bl_address_set(f->message_id, sizeof f->message_id, text);
        bl_address_set(f->sender, sizeof f->sender, text);
    }
}

static void the_fullest_record_fits_and_comes_back(void **state)
{
    static const char bytes[] = {'x', '\t', '\\', 1, 0x7f, (char)0xff, '\0'};
    static struct bl_address_record r, again;
    char text[BL_ADDRESS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < BL_COUNT(bytes); i++) {
        size_t n;

        fill(&r, bytes[i]);
        n = bl_address_text(&r, text);
        assert_true(n > BL_ADDRESS_TEXT_MAX * 2 / 3 && n <= BL_ADDRESS_TEXT_MAX);
        assert_int_equal(bl_address_parse(guarded_bytes(text, n), &again, NULL), BL_OK);
        assert_true(record_eq(&r, &again));
    }
}

/* Nobody should, but the text form holds all the same. */
static void texts_written_past_set_are_cut_not_broken(void **state)
{
    static struct bl_address_record r, again;
    char text[BL_ADDRESS_TEXT_MAX];

    (void)state;
    memset(r.reply, '\n', sizeof r.reply); /* no NUL either */
    memset(r.note, 'n', sizeof r.note);
    r.failures = 99;
    r.last_ms = -5;
    r.until_ms = INT64_MAX;
    assert_int_equal(bl_address_parse((bl_slice){text, bl_address_text(&r, text)}, &again, NULL),
                     BL_OK);
    assert_int_equal(strlen(again.reply), (BL_ADDRESS_REPLY_MAX - 1) / 2);
    assert_int_equal(strlen(again.note), BL_ADDRESS_WORD_MAX - 1);
    assert_int_equal(again.failures, BL_ADDRESS_FAILURES);
    assert_int_equal(again.last_ms, 0);
    assert_int_equal(again.until_ms, 253402300799999);
}

static void random_records_come_back(void **state)
{
    static struct bl_address_record r, again;
    static unsigned char stream[16384];
    char text[BL_ADDRESS_TEXT_MAX];
    uint64_t seed = 1;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof stream; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            stream[i] = (unsigned char)(seed >> 56);
        }
        source_record(&(struct byte_source){stream, sizeof stream}, &r);
        assert_int_equal(
            bl_address_parse((bl_slice){text, bl_address_text(&r, text)}, &again, NULL), BL_OK);
        assert_true(record_eq(&r, &again));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalising_gives_one_form_or_refuses),
        cmocka_unit_test(a_longer_name_fits_or_stays_away),
        cmocka_unit_test(an_address_of_320_bytes_fits_and_321_do_not),
        cmocka_unit_test(sixteen_bytes_at_once_say_what_one_at_a_time_says),
        cmocka_unit_test(partitions_are_crc16_as_redis_cluster_has_it),
        cmocka_unit_test(a_record_is_written_as_documented_and_comes_back),
        cmocka_unit_test(a_record_without_history_is_one_line),
        cmocka_unit_test(what_is_not_written_so_is_refused_and_out_stays),
        cmocka_unit_test(a_seventeenth_failure_is_refused),
        cmocka_unit_test(damaged_records_are_refused_or_consistent),
        cmocka_unit_test(the_fullest_record_fits_and_comes_back),
        cmocka_unit_test(texts_written_past_set_are_cut_not_broken),
        cmocka_unit_test(random_records_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
