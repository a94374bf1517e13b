/* ctest: label=quick timeout=30
 *
 * Which of the snapshots in the state directory a run begins with, and which directory is none.
 *
 * Negative control of the first: without bl_stage_reads() the newest is taken, whoever wrote its
 * joins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../deploy/bounceline/file.c"
#include "../../deploy/bounceline/state.c"

enum { DATASET = 7, VERSION_AT = 16 /* in the image of a join */ };

static char dir[64] = "/tmp/bl-state-XXXXXX";
static struct bl_state kept;

/* Read so far, with the join of one source, written by this version or another. */
static void put(uint64_t offset, bool foreign)
{
    struct bl_join *join = bl_join_new_showing(bl_rules_builtin(), 16, 4096, BL_SHOWS_MESSAGE_IDS);
    struct bl_snapshot *s = bl_calloc(1, sizeof *s);
    const bl_position at = {.generation = 1, .source = 1, .offset = offset};

    assert_true(s && join);
    s->dataset = DATASET;
    s->sources = 1;
    s->source[0] = 1;
    assert_int_equal(bl_join_save(join, &s->join[0], &s->join_n[0]), BL_OK);
    s->join[0][VERSION_AT] ^= foreign;
    assert_int_equal(bl_positions_put(&s->positions, &at), BL_OK);
    assert_int_equal(bl_state_write_snapshot(&kept, s, NULL), BL_OK);
    assert_int_equal(bl_state_publish_snapshot(&kept, NULL), BL_OK);
    bl_snapshot_free(s);
    bl_join_free(join);
}

/* How far the snapshot had read that is chosen for these slots; 0: none. */
static uint64_t chosen(const struct bl_positions *slots, size_t n)
{
    struct bl_snapshot *s = bl_state_load_snapshot(&kept, DATASET, slots, n);
    uint64_t offset = s ? bl_positions_offset(&s->positions, 1) : 0;

    bl_snapshot_free(s);
    return offset;
}

/* As if there were none: so an older one serves, or the lines before; what is copied of positions
 * holds still. */
static void joins_of_another_version_are_no_snapshot(void **state)
{
    struct bl_positions slot = {0};
    const bl_position at = {.generation = 1, .source = 1, .offset = 100};

    (void)state;
    assert_int_equal(bl_positions_put(&slot, &at), BL_OK);
    put(30, true);
    assert_int_equal(chosen(&slot, 1), 0);
    put(40, false);
    put(50, true);
    assert_int_equal(chosen(&slot, 1), 40);
    assert_int_equal(chosen(NULL, 0), 50);
    put(60, false);
    put(200, false); /* not yet so far */
    assert_int_equal(chosen(&slot, 1), 60);
    bl_positions_release(&slot);
}

/* As for a private server.  Fails when the directory is only made, as it was for a daemon with
 * another Redis. */
static void a_directory_that_anybody_may_write_into_is_refused(void **state)
{
    struct bl_state other;
    char path[96];

    (void)state;
    snprintf(path, sizeof path, "%s/open", dir);
    assert_int_equal(mkdir(path, 0700) | chmod(path, 0777), 0);
    assert_int_equal(bl_state_open(&other, path, NULL), BL_CONFIG);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(bl_state_open(&other, path, NULL), BL_OK);
    bl_state_close(&other);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) && bl_state_open(&kept, dir, NULL) == BL_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    char command[96];

    (void)state;
    bl_state_close(&kept);
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_of_another_version_are_no_snapshot),
        cmocka_unit_test(a_directory_that_anybody_may_write_into_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
