/* ctest: label=quick timeout=30
 *
 * Which logs are followed, from one look to the next: what is new, what stays though it is not
 * there, what goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../deploy/bounceline/sources.c"

static char dir[64];
static unsigned told;

void bl_log(int level, const char *format, ...)
{
    (void)level;
    (void)format;
    told++;
}

static const char *path_of(const char *file)
{
    static char path[4][128];
    static unsigned next;

    snprintf(path[++next % 4], sizeof path[0], "%s/%s", dir, file);
    return path[next % 4];
}

static void touch(const char *file)
{
    FILE *f = fopen(path_of(file), "a");

    assert_non_null(f);
    fclose(f);
}

/* A look at what these name. */
static struct bl_sources *look(const struct bl_sources *before, bool from_end,
                               const char *const *names, size_t n)
{
    const char *file[4];
    char text[4][128];
    struct bl_config_source source = {.file = file, .files = n, .from_end = from_end};
    struct bl_config config = {.source = &source, .sources = 1};
    struct bl_sources *s;

    for (size_t i = 0; i < n; i++) {
        snprintf(text[i], sizeof text[0], "%s/%s", dir, names[i]);
        file[i] = text[i];
    }
    assert_int_equal(bl_sources_of_config(&s, &config, NULL), BL_OK);
    assert_int_equal(bl_sources_look(s, before, NULL), BL_OK);
    return s;
}

#define LOOK(before, ...)                                                                          \
    look(before, false, (const char *const[]){__VA_ARGS__},                                        \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* The names below the folder, "!" before one that is new, "?" behind one of which only rotated
 * files are read. */
static void expect(const struct bl_sources *s, const char *want)
{
    char text[512] = "";

    for (size_t i = 0; i < s->n; i++) {
        assert_string_equal(s->v[i].path, s->logs[i].path);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s%s", i ? " " : "",
                 s->v[i].is_new ? "!" : "", s->v[i].path + strlen(dir) + 1,
                 s->v[i].alone ? "?" : "");
    }
    assert_string_equal(text, want);
}

static void what_comes_is_new_and_what_is_rotated_is_not(void **state)
{
    struct bl_sources *one, *two, *three;

    (void)state;
    touch("a.log");
    one = LOOK(NULL, "*.log*", "late.txt");
    expect(one, "!a.log !late.txt");
    rename(path_of("a.log"), path_of("a.log.1")); /* nothing has its name for a moment */
    touch("b.log");
    two = LOOK(one, "*.log*", "late.txt");
    expect(two, "a.log late.txt !b.log");
    assert_true(bl_sources_differ(one, two));
    three = LOOK(two, "*.log*", "late.txt");
    expect(three, "a.log late.txt b.log");
    assert_false(bl_sources_differ(two, three));
    bl_sources_free(one);
    bl_sources_free(two);
    bl_sources_free(three);
}

static void what_nothing_names_any_more_goes(void **state)
{
    struct bl_sources *one, *two, *three;

    (void)state;
    touch("a.log");
    touch("b.log");
    one = LOOK(NULL, "a*.log", "b.log");
    two = LOOK(one, "[b].log");
    expect(two, "b.log");
    assert_true(bl_sources_differ(one, two));
    three = LOOK(two, "a*.log", "[b].log");
    expect(three, "b.log !a.log");
    bl_sources_free(one);
    bl_sources_free(two);
    bl_sources_free(three);
}

static void what_is_vacant_goes_and_comes_back_as_new(void **state)
{
    struct bl_sources *one, *two, *three;

    (void)state;
    touch("a.log");
    touch("b.log");
    one = LOOK(NULL, "*.log");
    remove(path_of("a.log"));
    one->v[0].vacant = one->v[1].vacant = true; /* b.log is there again by now */
    two = LOOK(one, "*.log");
    expect(two, "b.log");
    touch("a.log");
    three = LOOK(two, "*.log");
    expect(three, "b.log !a.log");
    bl_sources_free(one);
    bl_sources_free(two);
    bl_sources_free(three);
}

/* From the end is only what was there when it was named first. */
static void what_a_known_pattern_brings_is_read_from_its_start(void **state)
{
    static const char *const names[] = {"*.log"}, *const more[] = {"*.log", "*.txt"};
    struct bl_sources *one, *two;

    (void)state;
    touch("a.log");
    one = look(NULL, true, names, 1);
    assert_true(one->logs[0].from_end && one->logs[0].may_end);
    touch("b.log");
    touch("c.txt");
    two = look(one, true, more, 2);
    expect(two, "a.log !b.log !c.txt");
    assert_false(two->logs[1].from_end);
    assert_true(two->logs[2].from_end);
    bl_sources_free(one);
    bl_sources_free(two);
}

/* A lone a.log.1 is a log of its own; when a.log comes it is not read again as a file of that. */
static void a_rotated_file_that_came_first_is_not_read_twice(void **state)
{
    struct bl_sources *one, *two;

    (void)state;
    touch("a.log.1");
    one = LOOK(NULL, "a.log*");
    expect(one, "!a.log.1");
    touch("a.log");
    two = LOOK(one, "a.log*");
    expect(two, "a.log.1 !a.log");
    assert_int_equal(two->logs[1].named_n, 1);
    bl_sources_free(one);
    bl_sources_free(two);
}

static void a_log_of_rotated_files_becomes_whole_when_its_own_comes(void **state)
{
    struct bl_sources *one, *two;

    (void)state;
    touch("a.log.1");
    touch("a.log.2");
    one = LOOK(NULL, "a.log*");
    expect(one, "!a.log?");
    touch("a.log");
    two = LOOK(one, "a.log*");
    expect(two, "!a.log");
    assert_true(bl_sources_differ(one, two));
    bl_sources_free(one);
    bl_sources_free(two);
}

static void those_that_are_followed_go_first_when_there_are_too_many(void **state)
{
    struct bl_sources *one, *two;
    char file[16];

    (void)state;
    for (int i = 10; i < 10 + BL_SOURCES_MAX; i++) {
        snprintf(file, sizeof file, "%03d.log", i);
        touch(file);
    }
    one = LOOK(NULL, "*.log");
    assert_int_equal(one->n, BL_SOURCES_MAX);
    assert_int_equal(one->over, 0);
    touch("000.log");
    touch("001.log");
    two = LOOK(one, "*.log");
    assert_int_equal(two->n, BL_SOURCES_MAX);
    assert_int_equal(two->over, 2);
    assert_true(bl_sources_has(two, path_of("010.log")) &&
                !bl_sources_has(two, path_of("000.log")));
    bl_sources_free(one);
    bl_sources_free(two);
}

static void an_empty_pattern_is_said_once(void **state)
{
    struct bl_sources *one, *two;

    (void)state;
    told = 0;
    one = LOOK(NULL, "none*");
    assert_int_equal(told, 1);
    two = LOOK(one, "none*");
    assert_int_equal(told, 1);
    assert_int_equal(two->n, 0);
    bl_sources_free(one);
    bl_sources_free(two);
}

static void standard_input_is_refused(void **state)
{
    char dash[] = "-", *arguments[] = {dash};
    struct bl_sources *s;
    bl_err err;

    (void)state;
    assert_int_equal(bl_sources_of_arguments(&s, arguments, 1, false, &err), BL_USAGE);
    assert_string_equal(err.text, "run reads files; standard input: bounceline scan -");
}

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_sources.XXXXXX");
    return mkdtemp(dir) ? 0 : 1;
}

static int tear_down(void **state)
{
    glob_t found = {0};

    (void)state;
    if (glob(path_of("*"), 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            remove(found.gl_pathv[i]);
    globfree(&found);
    return rmdir(dir);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_comes_is_new_and_what_is_rotated_is_not),
        TEST(what_nothing_names_any_more_goes),
        TEST(what_is_vacant_goes_and_comes_back_as_new),
        TEST(what_a_known_pattern_brings_is_read_from_its_start),
        TEST(a_rotated_file_that_came_first_is_not_read_twice),
        TEST(a_log_of_rotated_files_becomes_whole_when_its_own_comes),
        TEST(those_that_are_followed_go_first_when_there_are_too_many),
        TEST(an_empty_pattern_is_said_once),
        TEST(standard_input_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
