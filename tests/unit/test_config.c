/* ctest: label=quick
 *
 * bounceline.yaml: what is taken, and what is refused with its place and a suggestion.  That each
 * key changes what the program does is shown in e2e/50-config.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../deploy/bounceline/config.c"
#include "../../deploy/bounceline/config_errors.c"
#include "../../deploy/bounceline/config_value.c"
#include "../../deploy/bounceline/file.c"
#include "../../deploy/bounceline/output.c"
#include "../../deploy/bounceline/relays.c"
#include "../../deploy/bounceline/suggest.c"
#include "../../deploy/bounceline/text.c"
#include "../../deploy/bounceline/utf8.c"

static char path[] = "/tmp/test_config.XXXXXX";
static struct bl_config_errors errors;
static bl_err err;

static enum bl_code read_bytes(const char *bytes, size_t n, struct bl_config **out)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    bl_config_errors_release(&errors);
    return bl_config_read(path, out, &errors, &err);
}

static enum bl_code read_text(const char *text, struct bl_config **out)
{
    return read_bytes(text, strlen(text), out);
}

static const struct {
    const char *name, *text;
    unsigned line, column;
    const char *says;
} bad[] = {
    {"a key that is nearly one", "node: a\nredsi:\n  url: unix:/x\n", 2, 1,
     "did you mean 'redis'?"},
    {"dashes for underscores", "log-level: info\n", 1, 1, "did you mean 'log_level'?"},
    {"a key within", "redis:\n  conect_timeout: 2s\n", 2, 3, "did you mean 'connect_timeout'?"},
    {"a key in the wrong place", "memory: 1G\n", 1, 1, "there is 'redis.memory'"},
    {"a key like no other", "frobnicate: 1\n", 1, 1, "see bounceline.yaml(5)"},
    {"a key twice", "node: a\nnode: b\n", 2, 1, "second time"},
    {"no unit", "redis:\n  lease: 30\n", 2, 10, "with its unit"},
    {"a duration below its bound", "redis:\n  lease: 1s\n", 2, 10, "from 5s to 1h"},
    {"a duration beyond all numbers", "redis:\n  lease: 99999999999999999999d\n", 2, 10,
     "from 5s to 1h"},
    {"a sum beyond all numbers", "redis:\n  lease: 106751991167d106751991167d\n", 2, 10,
     "from 5s to 1h"},
    {"a number that is none", "threads: many\n", 1, 10, "from 1 to 64, not 'many'"},
    {"a number beyond its bound", "threads: 65\n", 1, 10, "from 1 to 64"},
    {"a negative number", "threads: -1\n", 1, 10, "from 1 to 64"},
    {"a size that is too small", "redis:\n  memory: 1K\n", 2, 11, "16M"},
    {"a word that is nearly one", "log_level: notise\n", 1, 12, "did you mean 'notice'?"},
    {"a list for a value", "node: [a, b]\n", 1, 1, "single value"},
    {"a value for keys", "redis: unix:/x\n", 1, 8, "keys of its own"},
    {"nothing for a value", "node:\n", 1, 1, "needs a value"},
    {"a blank node", "node: 'a b'\n", 1, 8, "cannot be part of a key"},
    {"a prefix with a brace", "redis:\n  prefix: 'a{'\n", 2, 12, "cannot begin a key"},
    {"a relative path", "sources: [mail.log]\n", 1, 11, "absolute path"},
    {"a source without files", "sources:\n  - from: end\n", 2, 5, "needs 'files'"},
    {"an empty list", "sources:\n  - files: []\n", 2, 5, "empty"},
    {"a mapping for a path", "sources:\n  - files: [{a: b}]\n", 2, 14, "list of texts"},
    {"a broken network", "relays: [10.0.0.0/33]\n", 1, 10, "no host"},
    {"a password in the address", "redis:\n  url: redis://:secret@host\n", 2, 8,
     "redis.password_file"},
    {"an address of another kind", "redis:\n  url: http://host\n", 2, 8, "redis address"},
    {"a password file that is not there",
     "redis:\n  url: unix:/x\n  password_file: /nonexistent/x\n", 3, 18, "cannot open"},
    {"a password for nobody", "redis:\n  password_file: /dev/null\n", 2, 18,
     "of no use without redis.url"},
    {"memory of another's server", "redis:\n  url: unix:/x\n  memory: 1G\n", 3, 11,
     "private server"},
    {"first above longest", "suppression:\n  first: 800d\n", 2, 10,
     "is more than suppression.longest"},
    {"too many soft days", "suppression:\n  soft: {days: 17}\n", 2, 16, "from 1 to 16"},
    {"the spread above the window", "suppression: {soft: {spread: 31d}}\n", 1, 30,
     "soft.window (30d)"},
    {"minutes above hours", "retention: {minutes: 41d}\n", 1, 22, "is more than retention.hours"},
    {"rules that are not there", "rules: /nonexistent/rules.d\n", 1, 8, "cannot read"},
    {"an alias", "node: &a x\nstate: *a\n", 2, 9, "aliases"},
    {"a tag", "node: !!str x\n", 1, 13, "tags"},
    {"a second document", "node: a\n---\nnode: b\n", 3, 1, "one document"},
    {"a list at the top", "- a\n", 1, 3, "keys are expected"},
    {"no YAML", "node: [a\n", 2, 1, "not YAML"},
    {"a tab for indentation", "redis:\n\turl: unix:/x\n", 2, 1, "not YAML"},
    {"behind wide characters", "# \xc3\xa9\xe2\x82\xac\nnode: a # \xc3\xa9\nthreadz: 1\n", 3, 1,
     "did you mean 'threads'?"},
    {"bytes that are no text", "node: a\xff\n", 1, 8, "byte 0xff is no text"},
};

static void what_is_wrong_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(bad); i++) {
        struct bl_config *config = NULL;

        print_message("%s\n", bad[i].name);
        assert_int_equal(read_text(bad[i].text, &config), BL_CONFIG);
        assert_null(config);
        assert_true(errors.n >= 1);
        print_message("  %u:%u: %s\n", errors.v[0].line, errors.v[0].column, errors.v[0].text);
        assert_int_equal(errors.v[0].line, bad[i].line);
        assert_int_equal(errors.v[0].column, bad[i].column);
        assert_non_null(strstr(errors.v[0].text, bad[i].says));
    }
}

static void all_errors_are_found_at_once_in_order(void **state)
{
    struct bl_config *config = NULL;
    char shown[4096] = "";
    FILE *to = fmemopen(shown, sizeof shown, "w");

    (void)state;
    assert_int_equal(read_text("log_level: loud\nredis:\n  lease: 3\n  x: 1\nnodee: 1\n", &config),
                     BL_CONFIG);
    assert_int_equal(errors.n, 4);
    for (size_t i = 1; i < errors.n; i++)
        assert_true(errors.v[i - 1].line < errors.v[i].line);
    bl_config_errors_print(&errors, to);
    assert_int_equal(fclose(to), 0);
    assert_non_null(strstr(shown, "    1 | log_level: loud\n      |            ^~~~\n"));
    assert_non_null(strstr(shown, "    5 | nodee: 1\n      | ^~~~~\n"));
}

/* What a file shows on a terminal does not drive it. */
static void an_error_shows_control_bytes_as_text(void **state)
{
    struct bl_config *config = NULL;
    char shown[4096] = "";
    FILE *to = fmemopen(shown, sizeof shown, "w");

    (void)state;
    assert_int_equal(read_text("node: \"a\\e[31m b\"\nx\xc2\x9b: 1\n", &config), BL_CONFIG);
    bl_config_errors_print(&errors, to);
    assert_int_equal(fclose(to), 0);
    assert_null(strchr(shown, '\x1b'));
    assert_null(strstr(shown, "\xc2\x9b"));
}

static void the_list_of_errors_has_an_end(void **state)
{
    struct bl_config *config = NULL;
    char text[200 * 16] = "";

    (void)state;
    for (int i = 0; i < 200; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "zz%d: 1\n", i);
    assert_int_equal(read_text(text, &config), BL_CONFIG);
    assert_int_equal(errors.n, BL_CONFIG_ERRORS_MAX);
    assert_int_equal(errors.more, 200 - BL_CONFIG_ERRORS_MAX);
}

static void an_empty_file_is_the_defaults(void **state)
{
    static const char *const empty[] = {"", "\n# nothing\n", "redis:\n  # url: x\nsuppression:\n",
                                        "---\n...\n"};
    struct bl_config *config = NULL, *plain = NULL;
    char differs[200];

    (void)state;
    assert_int_equal(bl_config_default(&plain), BL_OK);
    for (size_t i = 0; i < BL_COUNT(empty); i++) {
        assert_int_equal(read_text(empty[i], &config), BL_OK);
        assert_false(bl_config_restart_needed(plain, config, differs, sizeof differs));
        assert_memory_equal(&config->suppression, &bl_suppress_balanced,
                            sizeof bl_suppress_balanced);
        assert_int_equal(config->log_level, 6);
        bl_config_free(config);
    }
    bl_config_free(plain);
}

static void every_key_arrives(void **state)
{
    struct bl_config *c = NULL;

    (void)state;
    assert_int_equal(
        read_text(
            "node: mx1\nstate: /s\nlog_level: debug\nthreads: 3\nrules: /\nrelays: [.a.example, 10.0.0.0/8]\n"
            "sources:\n  - /a\n  - {files: [/b, /c*], from: end, trust: join}\n"
            "redis:\n  url: redis://h:1/2\n  user: u\n  password_file: /etc/hostname\n  prefix: 'x:'\n"
            "  connect_timeout: 3s\n  command_timeout: 4s\n  retry_max: 6s\n  lease: 1m\n  partitions: 7\n"
            "suppression:\n  first: 2w\n  second: 100d\n  longest: 400d\n  strike_gap: 2h\n  profile: esp\n"
            "  strike_memory: 300d\n  soft: {days: 4, window: 20d, spread: 5d, suppress_for: 10d}\n"
            "counters: {keys_per_minute: 1, keys_per_hour: 2, keys_per_day: 3, recent: 4}\n"
            "retention: {minutes: 3h30m, hours: 3d, days: 8d}\n",
            &c),
        BL_OK);
    assert_string_equal(c->node, "mx1");
    assert_string_equal(c->state, "/s");
    assert_int_equal(c->log_level, 7);
    assert_int_equal(c->threads, 3);
    assert_string_equal(c->rules, "/");
    assert_int_equal(c->relays, 2);
    assert_string_equal(c->relay[1], "10.0.0.0/8");
    assert_int_equal(c->sources, 2);
    assert_string_equal(c->source[0].file[0], "/a");
    assert_false(c->source[0].from_end);
    assert_int_equal(c->source[0].trust, BL_TRUST_LOG);
    assert_int_equal(c->source[1].files, 2);
    assert_string_equal(c->source[1].file[1], "/c*");
    assert_true(c->source[1].from_end);
    assert_int_equal(c->source[1].trust, BL_TRUST_JOIN);
    assert_string_equal(c->redis.url, "redis://h:1/2");
    assert_string_equal(c->redis.user, "u");
    assert_string_equal(c->redis.prefix, "x:");
    assert_int_equal(c->redis.connect_ms, 3000);
    assert_int_equal(c->redis.command_ms, 4000);
    assert_int_equal(c->redis.retry_max_ms, 6000);
    assert_int_equal(c->redis.lease_ms, 60000);
    assert_int_equal(c->redis.partitions, 7);
    assert_string_equal(c->profile, "esp");
    assert_int_equal(c->suppression.first_ms, 14 * DAY); /* though the profile stands behind it */
    assert_int_equal(c->suppression.second_ms, 100 * DAY);
    assert_int_equal(c->suppression.max_ms, 400 * DAY);
    assert_int_equal(c->suppression.strike_gap_ms, 2 * HOUR);
    assert_int_equal(c->suppression.strike_memory_ms, 300 * DAY);
    assert_int_equal(c->suppression.soft_days, 4);
    assert_int_equal(c->suppression.soft_window_ms, 20 * DAY);
    assert_int_equal(c->suppression.soft_spread_ms, 5 * DAY);
    assert_int_equal(c->suppression.soft_ms, 10 * DAY);
    assert_int_equal(c->keys_per_minute, 1);
    assert_int_equal(c->keys_per_hour, 2);
    assert_int_equal(c->keys_per_day, 3);
    assert_int_equal(c->recent, 4);
    assert_int_equal(c->minutes_ms, 210 * MINUTE);
    assert_int_equal(c->hours_ms, 3 * DAY);
    assert_int_equal(c->days_ms, 8 * DAY);
    bl_config_free(c);
}

static void what_needs_a_restart_is_named(void **state)
{
    struct bl_config *a = NULL, *b = NULL;
    char names[200];

    (void)state;
    assert_int_equal(read_text("node: a\nsources: /a\n", &a), BL_OK);
    assert_int_equal(
        read_text(
            "node: b\nsources: /b\nsuppression: {first: 1d}\nlog_level: error\nredis: {lease: 1m}\n",
            &b),
        BL_OK);
    assert_true(bl_config_restart_needed(a, b, names, sizeof names));
    assert_string_equal(names, "node, redis.lease");
    bl_config_free(a);
    bl_config_free(b);
}

/* Cut and changed files are refused or taken; never more. */
static void damaged_files_do_no_harm(void **state)
{
    static const char whole[] =
        "node: a\nsources:\n  - /a\n  - {files: [/b], from: end}\nredis:\n  url: unix:/x\n"
        "suppression: {soft: {days: 3}}\nrelays: [a.example, \"::1\"]\n";

    (void)state;
    for (size_t i = 0; i < sizeof whole - 1; i++) {
        char copy[sizeof whole];
        struct bl_config *config = NULL;

        if (read_bytes(whole, i, &config) == BL_OK)
            bl_config_free(config);
        for (size_t j = 0; j < 5; j++) {
            memcpy(copy, whole, sizeof whole);
            copy[i] = "\0{:\xfe\n"[j];
            config = NULL;
            if (read_bytes(copy, sizeof whole - 1, &config) == BL_OK)
                bl_config_free(config);
        }
    }
}

static void relays_are_names_and_networks(void **state)
{
    static const char *const texts[] = {"smtp.Example.org", ".filter.example", "192.0.2.0/25",
                                        "10.1.2.3", "2001:db8::/33"};
    static const struct {
        const char *host, *ip;
        bool is;
    } cases[] = {
        {"smtp.example.ORG", "", true},
        {"smtp.example.org.", "", true},
        {"asmtp.example.org", "", false},
        {"a.filter.example", "", true},
        {"filter.example", "", false},
        {"", "192.0.2.127", true},
        {"x.example", "192.0.2.128", false},
        {"", "10.1.2.3", true},
        {"", "10.1.2.30", false},
        {"", "2001:db8:7fff::1", true},
        {"", "2001:db8:8000::1", false},
        {"", "not an address", false},
        {"", "", false},
    };
    struct bl_relays *relays = bl_relays_new(texts, BL_COUNT(texts));

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        bl_slice host = {cases[i].host, strlen(cases[i].host)},
                 ip = {cases[i].ip, strlen(cases[i].ip)};

        print_message("%s %s\n", cases[i].host, cases[i].ip);
        assert_int_equal(bl_relays_has(relays, host, ip), cases[i].is);
    }
    bl_relays_free(relays);
    assert_false(bl_relays_has(NULL, BL_SLICE("a"), BL_SLICE("")));
}

static bool may_allocate(void *arg, size_t bytes)
{
    int *left = arg;

    (void)bytes;
    return (*left)-- > 0;
}

static void without_memory_nothing_is_taken(void **state)
{
    struct bl_config *whole = NULL;

    (void)state;
    assert_int_equal(read_text("sources: [/a, /b]\nrelays: a.example\n", &whole), BL_OK);
    bl_config_free(whole);
    for (int i = 0; i < 4; i++) {
        struct bl_config *config = NULL;
        int left = i;

        bl_config_errors_release(&errors);
        bl_alloc_set_hook(may_allocate, &left);
        if (bl_config_read(path, &config, &errors, &err) != BL_NO_MEMORY)
            assert_int_not_equal(i, 0);
        bl_alloc_set_hook(NULL, NULL);
        bl_config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
        cmocka_unit_test(all_errors_are_found_at_once_in_order),
        cmocka_unit_test(an_error_shows_control_bytes_as_text),
        cmocka_unit_test(the_list_of_errors_has_an_end),
        cmocka_unit_test(an_empty_file_is_the_defaults),
        cmocka_unit_test(every_key_arrives),
        cmocka_unit_test(what_needs_a_restart_is_named),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(relays_are_names_and_networks),
        cmocka_unit_test(without_memory_nothing_is_taken),
    };
    int fd = mkstemp(path), failed;

    if (fd < 0)
        return 1;
    close(fd);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    bl_config_errors_release(&errors);
    unlink(path);
    return failed;
}
