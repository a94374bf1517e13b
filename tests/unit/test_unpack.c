/* ctest: label=quick timeout=60 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "unpack.h"

enum { TEXT_BYTES = 700000 };

static char text[TEXT_BYTES];

static void make_text(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < TEXT_BYTES; i++) {
        x = x * 1664525 + 1013904223;
        text[i] = i % 100 == 99 ? '\n' : (char)('a' + (x >> 24) % 20);
    }
}

static size_t gzip(char *out, size_t cap, const char *in, size_t n)
{
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)in;
    z.avail_in = (unsigned)n;
    z.next_out = (unsigned char *)out;
    z.avail_out = (unsigned)cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return cap - z.avail_out;
}

static size_t zstd(char *out, size_t cap, const char *in, size_t n)
{
    size_t made = ZSTD_compress(out, cap, in, n, 3);

    assert_false(ZSTD_isError(made));
    return made;
}

static int file_of(const char *bytes, size_t n)
{
    FILE *file = tmpfile();
    int fd;

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fflush(file);
    fd = dup(fileno(file));
    fclose(file);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Reads all in pieces of `step`; returns the code that ended it. */
static enum bl_code read_all(struct bl_unpack *u, size_t step, char *out, size_t cap, size_t *n)
{
    enum bl_code rc;
    size_t got = 1;

    *n = 0;
    do {
        bl_err err;

        rc = bl_unpack_read(u, out + *n, step < cap - *n ? step : cap - *n, &got, &err);
        *n += got;
    } while (rc == BL_OK && got > 0);
    return rc;
}

static char packed[2 * TEXT_BYTES], out[TEXT_BYTES + 100];

static size_t pack(enum bl_packing how, const char *in, size_t n, char *to)
{
    if (how == BL_GZIP)
        return gzip(to, TEXT_BYTES, in, n);
    if (how == BL_ZSTD)
        return zstd(to, TEXT_BYTES, in, n);
    memcpy(to, in, n);
    return n;
}

static void each_packing_gives_the_same_bytes_in_any_step(void **state)
{
    static const size_t steps[] = {1 << 20, 65536, 4099, 333};

    (void)state;
    for (int how = BL_PLAIN; how <= BL_ZSTD; how++)
        for (int members = 1; members <= 3; members++)
            for (size_t s = 0; s < BL_COUNT(steps); s++) {
                size_t n = 0, got, part = TEXT_BYTES / (size_t)members;
                struct bl_unpack *u;
                bl_err err;

                for (int m = 0; m < members; m++)
                    n += pack((enum bl_packing)how, text + (size_t)m * part, part, packed + n);
                assert_int_equal(bl_unpack_open(&u, file_of(packed, n), "x", &err), BL_OK);
                assert_int_equal(bl_unpack_packing(u), how);
                assert_int_equal(read_all(u, steps[s], out, sizeof out, &got), BL_OK);
                assert_int_equal(got, part * (size_t)members);
                assert_memory_equal(out, text, got);
                bl_unpack_close(u);
            }
}

static void a_cut_archive_gives_what_came_and_then_says_so(void **state)
{
    (void)state;
    for (int how = BL_GZIP; how <= BL_ZSTD; how++) {
        size_t n = pack((enum bl_packing)how, text, TEXT_BYTES, packed);

        for (size_t cut = 5; cut < n; cut += n / 37) {
            struct bl_unpack *u;
            bl_err err;
            size_t got;

            assert_int_equal(bl_unpack_open(&u, file_of(packed, cut), "mail.log.2.gz", &err),
                             BL_OK);
            assert_int_equal(read_all(u, 8192, out, sizeof out, &got), BL_BAD_INPUT);
            assert_true(got < TEXT_BYTES);
            assert_true(cut < n / 2 || got > TEXT_BYTES / 4); /* near to all that was there */
            assert_memory_equal(out, text, got);
            assert_int_equal(bl_unpack_read(u, out, 10, &got, &err), BL_BAD_INPUT);
            assert_non_null(strstr(err.text, "mail.log.2.gz"));
            bl_unpack_close(u);
        }
    }
}

static void a_damaged_archive_is_bad_input_and_never_hangs(void **state)
{
    (void)state;
    for (int how = BL_GZIP; how <= BL_ZSTD; how++) {
        size_t n = pack((enum bl_packing)how, text, TEXT_BYTES, packed);
        int bad = 0;

        for (size_t at = 4; at < n; at += n / 53) {
            struct bl_unpack *u;
            size_t got;
            char was = packed[at];

            packed[at] = (char)(was ^ 0x55);
            assert_int_equal(bl_unpack_open(&u, file_of(packed, n), "x", NULL), BL_OK);
            bad += read_all(u, 65536, out, sizeof out, &got) == BL_BAD_INPUT;
            bl_unpack_close(u);
            packed[at] = was;
        }
        /* gzip has a checksum; these zstd frames have none, so wrong bytes may pass as text. */
        assert_true(how == BL_ZSTD ? bad > 0 : bad >= 50);
    }
}

static void zero_padding_is_fine_and_garbage_is_not(void **state)
{
    size_t n = gzip(packed, TEXT_BYTES, text, 1000), got;
    struct bl_unpack *u;

    (void)state;
    memset(packed + n, 0, 5000);
    assert_int_equal(bl_unpack_open(&u, file_of(packed, n + 5000), "x", NULL), BL_OK);
    assert_int_equal(read_all(u, 512, out, sizeof out, &got), BL_OK);
    assert_int_equal(got, 1000);
    bl_unpack_close(u);
    memcpy(packed + n, "garbage", 7);
    assert_int_equal(bl_unpack_open(&u, file_of(packed, n + 7), "x", NULL), BL_OK);
    assert_int_equal(read_all(u, 512, out, sizeof out, &got), BL_BAD_INPUT);
    assert_int_equal(got, 1000);
    bl_unpack_close(u);
}

static void short_and_empty_files_are_plain(void **state)
{
    static const char *const cases[] = {"",
                                        "a",
                                        "\x1f",
                                        "\x1f\x8b",
                                        "(\xb5/",
                                        "abc\n",
                                        "BZh",
                                        "BZh0",
                                        "\xfd"
                                        "7z"};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_unpack *u;
        size_t got;

        assert_int_equal(bl_unpack_open(&u, file_of(cases[i], strlen(cases[i])), "x", NULL), BL_OK);
        assert_int_equal(read_all(u, 3, out, sizeof out, &got), BL_OK);
        assert_int_equal(got, strlen(cases[i]));
        assert_memory_equal(out, cases[i], got);
        bl_unpack_close(u);
    }
}

static void what_others_unpack_is_refused_and_named(void **state)
{
    static const char *const cases[][2] = {{"\xfd"
                                            "7zXZ",
                                            "by xz,"},
                                           {"BZh91AY&SY", "by bzip2,"},
                                           {"BZh1", "by bzip2,"}};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_unpack *u;
        bl_err err;
        int fd = file_of(cases[i][0], strlen(cases[i][0]));

        assert_int_equal(bl_unpack_open(&u, fd, "mail.log.1", &err), BL_BAD_INPUT);
        assert_non_null(strstr(err.text, cases[i][1]));
        assert_non_null(strstr(err.text, "mail.log.1"));
    }
}

/* Empty when it was opened: its first bytes come with a later read. */
static void what_others_unpack_is_refused_at_each_read(void **state)
{
    struct bl_unpack *u;
    bl_err err;
    size_t got;
    int fd = file_of("", 0);

    (void)state;
    assert_int_equal(bl_unpack_open(&u, fd, "x", &err), BL_OK);
    assert_int_equal(pwrite(fd, "BZh9 more", 9, 0), 9);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(bl_unpack_read(u, out, 100, &got, &err), BL_BAD_INPUT);
        assert_int_equal(got, 0);
    }
    bl_unpack_close(u);
}

static void a_pipe_works_like_a_file(void **state)
{
    (void)state;
    for (int how = BL_PLAIN; how <= BL_ZSTD; how++) {
        size_t n = pack((enum bl_packing)how, text, 20000, packed), got;
        struct bl_unpack *u;
        int ends[2];

        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], packed, n), n);
        close(ends[1]);
        assert_int_equal(bl_unpack_open(&u, ends[0], "-", NULL), BL_OK);
        assert_int_equal(bl_unpack_seek(u, 5000, NULL), BL_OK);
        assert_int_equal(read_all(u, 777, out, sizeof out, &got), BL_OK);
        assert_int_equal(got, 15000);
        assert_memory_equal(out, text + 5000, got);
        bl_unpack_close(u);
    }
}

static void seek_goes_to_the_uncompressed_offset(void **state)
{
    (void)state;
    for (int how = BL_PLAIN; how <= BL_ZSTD; how++) {
        size_t n = pack((enum bl_packing)how, text, TEXT_BYTES, packed), got;
        struct bl_unpack *u;

        assert_int_equal(bl_unpack_open(&u, file_of(packed, n), "x", NULL), BL_OK);
        assert_int_equal(bl_unpack_seek(u, 123456, NULL), BL_OK);
        assert_int_equal(read_all(u, 65536, out, sizeof out, &got), BL_OK);
        assert_int_equal(got, TEXT_BYTES - 123456);
        assert_memory_equal(out, text + 123456, got);
        bl_unpack_close(u);
    }
}

static void a_seek_behind_the_end_of_an_archive_is_refused(void **state)
{
    size_t n = gzip(packed, TEXT_BYTES, text, 1000);
    struct bl_unpack *u;

    (void)state;
    assert_int_equal(bl_unpack_open(&u, file_of(packed, n), "x", NULL), BL_OK);
    assert_int_equal(bl_unpack_seek(u, 1001, NULL), BL_BAD_INPUT);
    bl_unpack_close(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_packing_gives_the_same_bytes_in_any_step),
        cmocka_unit_test(a_cut_archive_gives_what_came_and_then_says_so),
        cmocka_unit_test(a_damaged_archive_is_bad_input_and_never_hangs),
        cmocka_unit_test(zero_padding_is_fine_and_garbage_is_not),
        cmocka_unit_test(short_and_empty_files_are_plain),
        cmocka_unit_test(what_others_unpack_is_refused_and_named),
        cmocka_unit_test(what_others_unpack_is_refused_at_each_read),
        cmocka_unit_test(a_pipe_works_like_a_file),
        cmocka_unit_test(seek_goes_to_the_uncompressed_offset),
        cmocka_unit_test(a_seek_behind_the_end_of_an_archive_is_refused),
    };

    make_text();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
