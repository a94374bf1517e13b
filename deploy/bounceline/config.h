/* config.h -- bounceline.yaml, read and checked
 *
 * Every key is optional.  A file is taken whole or not at all: unknown keys, values out of bounds
 * and keys that contradict each other are all found in one pass, each with its place.
 *
 * Shapes     a file of at most BL_CONFIG_BYTES_MAX bytes; the keys: bounceline.yaml(5)
 * Units      *_ms: milliseconds; *_bytes
 * Ownership  bl_config_free frees everything that a config points to; it may be NULL
 * Threads    immutable once read: any number of readers
 * Errors     BL_NO_INPUT: no such file; BL_IO: it cannot be read; BL_CONFIG: see `errors`;
 *            BL_NO_MEMORY
 * Source     YAML 1.2 by libfyaml
 */
#ifndef BOUNCELINE_CONFIG_H
#define BOUNCELINE_CONFIG_H

#include <stdio.h>

#include "bounceline/arena.h"
#include "bounceline/err.h"
#include "bounceline/suppress.h"

#define BL_CONFIG_DEFAULT_PATH "/etc/bounceline/bounceline.yaml"

enum { BL_CONFIG_BYTES_MAX = 1 << 20, BL_CONFIG_ERRORS_MAX = 64 };

enum bl_trust { BL_TRUST_LOG, BL_TRUST_JOIN };

struct bl_config_source {
    const char **file; /* absolute paths and patterns */
    size_t files;
    bool from_end;
    enum bl_trust trust;
};

struct bl_config {
    struct bl_arena arena;
    const char *path; /* of the file; NULL: nothing was read, these are the defaults */
    const char *node, *state, *rules; /* NULL: not given */
    int log_level;                    /* syslog's number */
    uint64_t threads;                 /* 0: not given */
    struct bl_config_source *source;
    size_t sources;
    const char **relay; /* hosts, .domains, addresses and networks */
    size_t relays;

    struct {
        const char *url, *user, *password_file; /* NULL: not given */
        const char *prefix;
        int64_t connect_ms, command_ms, retry_max_ms, lease_ms;
        uint64_t memory_bytes; /* of the private server; 0: a quarter of the RAM */
        uint64_t partitions;
    } redis;

    const char *profile;
    struct bl_suppress_policy suppression;
    uint64_t soft_days; /* goes into `suppression` */

    uint64_t keys_per_minute, keys_per_hour, keys_per_day, recent;
    int64_t minutes_ms, hours_ms, days_ms;
};

/* One complaint.  Line and column count from 1; 0: the file as a whole. */
struct bl_config_error {
    unsigned line, column, width; /* width: what the caret underlines */
    char text[400];
};

struct bl_config_errors {
    char file[4096];
    char *text; /* of the file, to show its lines */
    size_t text_n;
    struct bl_config_error v[BL_CONFIG_ERRORS_MAX];
    size_t n, more; /* more: found beyond the room */
};

/* What holds without a file. */
enum bl_code bl_config_default(struct bl_config **out);

/* `errors` may be NULL; `err` holds the first complaint, with its place. */
enum bl_code bl_config_read(const char *path, struct bl_config **out,
                            struct bl_config_errors *errors, bl_err *err);
void bl_config_free(struct bl_config *config);

/* As people read it: FILE:LINE:COLUMN, the line, a caret under the place. */
void bl_config_errors_print(const struct bl_config_errors *errors, FILE *to);
void bl_config_errors_release(struct bl_config_errors *errors);

/* The password in redis.password_file: its first line. */
enum bl_code bl_config_password(const struct bl_config *config, char *out, size_t cap, bl_err *err);

/* Names the keys in which two configurations differ that a running daemon cannot take over,
 * separated by commas; false when there are none. */
bool bl_config_restart_needed(const struct bl_config *a, const struct bl_config *b, char *out,
                              size_t cap);

/* All keys: calls `fn` with "redis.url" and what its value is. */
void bl_config_keys(void (*fn)(void *arg, const char *key, const char *what), void *arg);

#endif
