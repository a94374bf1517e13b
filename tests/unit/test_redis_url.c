/* ctest: label=quick timeout=20 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bounceline/slice.h"
#include "redis_url.h"

static const struct {
    const char *in, *text; /* text NULL: refused */
    const char *user, *password;
    const char *says; /* part of the error */
} cases[] = {
    {"unix:/run/redis.sock", "unix:/run/redis.sock", "", "", NULL},
    {"unix:///run/redis.sock", "unix:/run/redis.sock", "", "", NULL},
    {"redis://127.0.0.1", "redis://127.0.0.1:6379", "", "", NULL},
    {"redis://localhost:7000/3", "redis://localhost:7000/3", "", "", NULL},
    {"redis://localhost/", "redis://localhost:6379", "", "", NULL},
    {"redis://[::1]:6380/1", "redis://[::1]:6380/1", "", "", NULL},
    {"redis://:geheim@h", "redis://h:6379", "", "geheim", NULL},
    {"redis://bob:p%40ss%2fw@h:1", "redis://h:1", "bob", "p@ss/w", NULL},
    {"redis://bob:a@b@h", "redis://h:6379", "bob", "a@b", NULL},
    {"", NULL, NULL, NULL, "must begin with"},
    {"redis:/x", NULL, NULL, NULL, "must begin with"},
    {"http://h", NULL, NULL, NULL, "must begin with"},
    {"rediss://h", NULL, NULL, NULL, "TLS"},
    {"unix:", NULL, NULL, NULL, "absolute path"},
    {"unix:run/redis.sock", NULL, NULL, NULL, "absolute path"},
    {"redis://", NULL, NULL, NULL, "no host"},
    {"redis://:6379", NULL, NULL, NULL, "no host"},
    {"redis://h:", NULL, NULL, NULL, "port"},
    {"redis://h:0", NULL, NULL, NULL, "port"},
    {"redis://h:65536", NULL, NULL, NULL, "port"},
    {"redis://h:63x", NULL, NULL, NULL, "port"},
    {"redis://h/x", NULL, NULL, NULL, "database number"},
    {"redis://h/1/2", NULL, NULL, NULL, "database number"},
    {"redis://[::1", NULL, NULL, NULL, "']'"},
    {"redis://bob@h", NULL, NULL, NULL, "without a password"},
    {"redis://:geh%zzeim@h", NULL, NULL, NULL, "password"},
    {"redis://:geh%00eim@h", NULL, NULL, NULL, "password"},
};

static void an_address_is_read_or_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_redis_url url = {.port = 1};
        char text[400];
        bl_err err = {0};
        enum bl_code rc = bl_redis_url_parse(cases[i].in, &url, &err);

        print_message("%s\n", cases[i].in);
        if (!cases[i].text) {
            assert_int_equal(rc, BL_USAGE);
            assert_non_null(strstr(err.text, cases[i].says));
            assert_null(strstr(err.text, "geh"));
            assert_int_equal(url.port, 1);
            continue;
        }
        assert_int_equal(rc, BL_OK);
        bl_redis_url_text(&url, text, sizeof text);
        assert_string_equal(text, cases[i].text);
        assert_string_equal(url.user, cases[i].user);
        assert_string_equal(url.password, cases[i].password);
    }
}

static void what_is_too_long_is_refused(void **state)
{
    char in[700] = "redis://";
    struct bl_redis_url url;

    (void)state;
    memset(in + 8, 'h', 600);
    assert_int_equal(bl_redis_url_parse(in, &url, NULL), BL_USAGE);
    memcpy(in, "unix:///", 8);
    assert_int_equal(bl_redis_url_parse(in, &url, NULL), BL_USAGE);
    memcpy(in, "redis://:", 9);
    in[600] = '@';
    assert_int_equal(bl_redis_url_parse(in, &url, NULL), BL_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_read_or_refused_with_a_reason),
        cmocka_unit_test(what_is_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
