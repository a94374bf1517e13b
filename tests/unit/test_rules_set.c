/* ctest: label=quick
 *
 * Files and directories of an operator's rules: which are read, in which order, and that nothing
 * changes when one of them is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <unistd.h>

#include <cmocka.h>

#include "../../deploy/bounceline/file.c"
#include "../../deploy/bounceline/rules_set.c"

static char folder[] = "/tmp/bl_rules_XXXXXX";

static void put(const char *name, const char *text)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void drop(const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static int make_folder(void **state)
{
    (void)state;
    setenv("BOUNCELINE_RULES", "", 1); /* whatever this machine has */
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static const char *decides(const struct bl_rules *rules, const char *text, char id[128])
{
    bl_reply reply = {.code = 550, .phase = BL_PHASE_RCPT, .text = {text, strlen(text)}};
    bl_slice found = bl_rules_rule(rules, bl_classify(rules, &reply).rule)->id;

    snprintf(id, 128, "%.*s", (int)found.n, found.p);
    return id;
}

static void nothing_named_is_what_ships(void **state)
{
    struct bl_rules_paths none = {.n = 0}, empty = {.v = {folder}, .n = 1};
    const struct bl_rules *rules = NULL;
    bl_err err;

    (void)state;
    assert_int_equal(bl_rules_set_load(&none, &rules, &err), BL_OK);
    assert_ptr_equal(rules, bl_rules_builtin());
    bl_rules_set_free(rules);
    rules = NULL;
    assert_int_equal(bl_rules_set_load(&empty, &rules, &err), BL_OK);
    assert_ptr_equal(rules, bl_rules_builtin());
    bl_rules_set_free(NULL);
}

static void a_directory_is_read_and_a_bad_file_changes_nothing(void **state)
{
    struct bl_rules_paths paths = {.v = {folder}, .n = 1};
    const struct bl_rules *rules = NULL, *other = NULL;
    char id[128], path[256];
    bl_err err;

    (void)state;
    put("10-mine.rules",
        "[specific]\nx: \"quuxly frobbed\" -> mailbox-full ; ours\n = 550 quuxly frobbed\n");
    put(".hidden.rules", "nonsense\n");
    put("notes.txt", "nonsense\n");
    put("10-mine.rules~", "nonsense\n");
    put("categories.tsv", "category\tscope\ttype\tses_type\tses_subtype\taction\tmeaning\tremedy\n"
                          "house-rule\tmessage\tsoft\tTransient\tGeneral\tnone\tours\tnone\n");
    put("20-more.rules", "[specific]\ny: \"zzyzx\" -> house-rule ; ours\n = 550 zzyzx\n");
    if (bl_rules_set_load(&paths, &rules, &err) != BL_OK)
        fail_msg("%s", err.text);
    assert_string_equal(decides(rules, "550 quuxly frobbed", id), "10-mine/x");
    assert_string_equal(decides(rules, "550 zzyzx", id), "20-more/y");
    assert_string_equal(decides(rules, "550 5.1.1 user unknown", id),
                        decides(bl_rules_builtin(), "550 5.1.1 user unknown", path));

    other = rules;
    put("20-more.rules", "[specific]\ny: \"zzyzx\" -> house-role ; ours\n = 550 zzyzx\n");
    assert_int_equal(bl_rules_set_reload(&paths, rules, &other, &err), BL_BAD_INPUT);
    assert_non_null(strstr(err.text, "20-more.rules:2:15: unknown category 'house-role'"));
    assert_ptr_equal(other, rules);
    assert_string_equal(decides(rules, "550 zzyzx", id), "20-more/y"); /* and works on */

    drop("20-more.rules");
    assert_int_equal(bl_rules_set_reload(&paths, rules, &other, &err), BL_OK);
    assert_string_not_equal(decides(other, "550 zzyzx", id), "20-more/y");
    bl_rules_set_free(other);
    drop("categories.tsv");
    other = rules;
    /* its numbers are in use */
    assert_int_equal(bl_rules_set_reload(&paths, rules, &other, &err), BL_CONFIG);
    assert_ptr_equal(other, rules);
    bl_rules_set_free(rules);

    snprintf(path, sizeof path, "%s/10-mine.rules", folder);
    setenv("BOUNCELINE_RULES", path, 1);
    paths.n = 0;
    assert_int_equal(bl_rules_set_load(&paths, &rules, &err), BL_OK);
    assert_string_equal(decides(rules, "550 quuxly frobbed", id), "10-mine/x");
    bl_rules_set_free(rules);
    setenv("BOUNCELINE_RULES", "", 1);
    drop("10-mine.rules");
    drop(".hidden.rules");
    drop("notes.txt");
    drop("10-mine.rules~");
    paths.v[paths.n++] = path;
    assert_int_equal(bl_rules_set_load(&paths, &rules, &err), BL_NO_INPUT);
    assert_non_null(strstr(err.text, "10-mine.rules"));
}

static bool refuse_the_nth(void *arg, size_t bytes)
{
    (void)bytes;
    return --*(long *)arg != 0;
}

static void any_failed_allocation_leaks_nothing(void **state)
{
    struct bl_rules_paths paths = {.v = {folder}, .n = 1};
    const struct bl_rules *rules = NULL;
    enum bl_code rc = BL_NO_MEMORY;
    bl_err err;

    (void)state;
    put("x.rules",
        "[specific]\nx: \"quuxly frobbed\" -> mailbox-full ; ours\n = 550 quuxly frobbed\n");
    for (long nth = 1; nth < 12; nth++) {
        long left = nth;

        bl_alloc_set_hook(refuse_the_nth, &left);
        rc = bl_rules_set_load(&paths, &rules, &err);
        bl_alloc_set_hook(NULL, NULL);
        assert_int_equal(rc, BL_NO_MEMORY);
        assert_null(rules);
    }
    drop("x.rules");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_named_is_what_ships),
        cmocka_unit_test(a_directory_is_read_and_a_bad_file_changes_nothing),
        cmocka_unit_test(any_failed_allocation_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
