/* options.h -- what several commands read off their command line
 *
 * Shapes     text as the user typed it, NUL-terminated
 * Units      *_ms: milliseconds since 1970 UTC, or a duration as named
 * Ownership  bl_where borrows from argv and the environment, except for what lies in it
 * Threads    the main one
 * Errors     told on stderr; false
 * Source     DESIGN 11; sysexits.h
 */
#ifndef BOUNCELINE_OPTIONS_H
#define BOUNCELINE_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "bounceline/classify.h"
#include "bounceline/err.h"
#include "config.h"
#include "redis_url.h"

struct bl_rules;
struct bl_rules_paths;

enum bl_said { BL_SAID_DEFAULT, BL_SAID_CONFIG, BL_SAID_ENVIRONMENT, BL_SAID_OPTION };

/* Where the data is: --redis, --state, --node; before them BOUNCELINE_REDIS, _STATE, _NODE; before
 * those the configuration, then the defaults. */
struct bl_where {
    const char *redis; /* NULL: the private server in the state directory */
    const char *state;
    const char *node;
    bool node_given; /* by option or environment: readers then look at this node only */
    enum bl_said redis_by, state_by, node_by;
    struct bl_config *config; /* never NULL unless config_code says why */
    enum bl_code config_code; /* what reading it came to; bl_where_check complains */
    bl_err config_err;
    char state_room[4096], node_room[256];
};

enum {
    BL_OPTION_REDIS = 256,
    BL_OPTION_STATE,
    BL_OPTION_NODE,
    BL_OPTION_CONFIG,
    BL_OPTION_PHASE,
    BL_OPTION_RELAY,
    BL_OPTION_OWN
}; /* getopt_long values */

/* Commands that need no Redis know --config alone. */
#define BL_OPTIONS_CONFIG                                                                          \
    {                                                                                              \
        "config", required_argument, 0, BL_OPTION_CONFIG                                           \
    }

#define BL_OPTIONS_WHERE                                                                           \
    {"redis", required_argument, 0, BL_OPTION_REDIS},                                              \
        {"state", required_argument, 0, BL_OPTION_STATE},                                          \
        {"node", required_argument, 0, BL_OPTION_NODE}, BL_OPTIONS_CONFIG

/* Also reads the configuration: BOUNCELINE_CONFIG, or the default one when there is one. */
void bl_where_init(struct bl_where *where);
void bl_where_release(struct bl_where *where);
/* 'c' is --config; false: not one of the four */
bool bl_where_take(struct bl_where *where, int option, const char *value);

/* BL_CONFIG and the first complaint when the configuration was no good. */
enum bl_code bl_where_check(const struct bl_where *where, bl_err *err);

/* What the configuration says of rules goes into `paths`, if it is good. */
enum bl_code bl_where_rules(const struct bl_where *where, struct bl_rules_paths *paths,
                            bl_err *err);

/* And then the rules themselves. */
enum bl_code bl_where_load_rules(const struct bl_where *where, struct bl_rules_paths *paths,
                                 const struct bl_rules **out, bl_err *err);

/* The server that was named, with user and password; `where->redis` must be set. */
enum bl_code bl_where_redis(const struct bl_where *where, struct bl_redis_url *out, bl_err *err);

/* BOUNCELINE_CONFIG, or the default path. */
const char *bl_config_path(void);

enum {
    BL_EXIT_NO = 1,
    BL_EXIT_USAGE = 64,
    BL_EXIT_DATA = 65,
    BL_EXIT_NO_INPUT = 66,
    BL_EXIT_UNAVAILABLE = 69,
    BL_EXIT_OS = 71,
    BL_EXIT_IO = 74,
    BL_EXIT_CONFIG = 78
};

int bl_exit_code(enum bl_code code);

/* Says `bounceline: TEXT`, escaped, and returns the exit code. */
int bl_complain(enum bl_code code, const bl_err *err);

/* Says what is wrong with the command line and where help is; returns 64. */
__attribute__((format(printf, 2, 3))) int bl_usage(const char *command, const char *format, ...);

/* After getopt_long returned '?' or ':' (with opterr 0): says which option it was, and which of the
 * known ones may have been meant. */
int bl_usage_known(const char *command, const struct option *known, int argc, char **argv,
                   int returned);

int64_t bl_now_ms(void);

/* RFC 3339 (zone optional: then the local one), a date, today, yesterday, or a span back from now:
 * 90s 5m 24h 7d. */
bool bl_option_time(const char *text, int64_t now_ms, int64_t *out_ms);

/* One more --rules.  False after it said that there are too many. */
bool bl_option_rules(const char *command, const char *path, struct bl_rules_paths *paths);

/* --phase and --relay, for whoever reads a reply without its log line. */
struct bl_circumstances {
    bool has_phase, has_relay;
    enum bl_phase phase;
    bl_slice relay;
};

#define BL_OPTIONS_CIRCUMSTANCES                                                                   \
    {"phase", required_argument, 0, BL_OPTION_PHASE},                                              \
    {                                                                                              \
        "relay", required_argument, 0, BL_OPTION_RELAY                                             \
    }

/* False: not one of the two.  `*exit_code` is 64 when it said what is wrong with the value. */
bool bl_circumstances_take(struct bl_circumstances *given, const char *command, int option,
                           const char *value, int *exit_code);
void bl_circumstances_apply(const struct bl_circumstances *given, bl_reply *reply);

/* A decimal number within the bounds. */
bool bl_option_number(const char *text, uint64_t low, uint64_t high, uint64_t *out);

#endif
