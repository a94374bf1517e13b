#include "options.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bounceline/stamp.h"
#include "rules_set.h"
#include "suggest.h"
#include "text.h"
#include "zone.h"

static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

/* systemd's directory, else the system's for root, else the user's. */
static const char *default_state(char *room, size_t n)
{
    const char *systemd = environment("STATE_DIRECTORY"), *xdg = environment("XDG_STATE_HOME");
    const char *home = environment("HOME");

    if (systemd)
        snprintf(room, n, "%.*s", (int)strcspn(systemd, ":"), systemd); /* may be a list */
    else if (geteuid() == 0)
        snprintf(room, n, "/var/lib/bounceline");
    else if (xdg)
        snprintf(room, n, "%s/bounceline", xdg);
    else
        snprintf(room, n, "%s/.local/state/bounceline", home ? home : "");
    return room;
}

const char *bl_config_path(void)
{
    const char *named = environment("BOUNCELINE_CONFIG");

    return named ? named : BL_CONFIG_DEFAULT_PATH;
}

/* What was said by somebody who counts for more stays. */
static void use_config(struct bl_where *where)
{
    const struct bl_config *config = where->config;

    if (where->redis_by <= BL_SAID_CONFIG) {
        where->redis = config->redis.url;
        where->redis_by = config->redis.url ? BL_SAID_CONFIG : BL_SAID_DEFAULT;
    }
    if (where->state_by <= BL_SAID_CONFIG) {
        where->state = config->state ? config->state : where->state_room;
        where->state_by = config->state ? BL_SAID_CONFIG : BL_SAID_DEFAULT;
    }
    if (where->node_by <= BL_SAID_CONFIG) {
        where->node = config->node ? config->node : where->node_room;
        where->node_by = config->node ? BL_SAID_CONFIG : BL_SAID_DEFAULT;
    }
}

/* A named file must be there; the default one need not. */
static void read_config(struct bl_where *where, const char *path, bool must)
{
    struct bl_config *config = NULL;

    where->config_code = bl_config_read(path, &config, NULL, &where->config_err);
    if (where->config_code == BL_NO_INPUT && !must)
        where->config_code = bl_config_default(&config);
    if (where->config_code != BL_OK)
        return;
    bl_config_free(where->config);
    where->config = config;
    use_config(where);
}

void bl_where_init(struct bl_where *where)
{
    const char *state = environment("BOUNCELINE_STATE"), *node = environment("BOUNCELINE_NODE");

    *where =
        (struct bl_where){.redis = environment("BOUNCELINE_REDIS"), .node_given = node != NULL};
    default_state(where->state_room, sizeof where->state_room);
    if (gethostname(where->node_room, sizeof where->node_room) != 0 || !where->node_room[0])
        strcpy(where->node_room, "localhost");
    where->node_room[sizeof where->node_room - 1] = 0;
    where->state = state ? state : where->state_room;
    where->node = node ? node : where->node_room;
    where->redis_by = where->redis ? BL_SAID_ENVIRONMENT : BL_SAID_DEFAULT;
    where->state_by = state ? BL_SAID_ENVIRONMENT : BL_SAID_DEFAULT;
    where->node_by = node ? BL_SAID_ENVIRONMENT : BL_SAID_DEFAULT;
    read_config(where, bl_config_path(), environment("BOUNCELINE_CONFIG") != NULL);
}

void bl_where_release(struct bl_where *where)
{
    bl_config_free(where->config);
    where->config = NULL;
}

bool bl_where_take(struct bl_where *where, int option, const char *value)
{
    switch (option) {
    case BL_OPTION_REDIS:
        where->redis = value;
        where->redis_by = BL_SAID_OPTION;
        return true;
    case BL_OPTION_STATE:
        where->state = value;
        where->state_by = BL_SAID_OPTION;
        return true;
    case BL_OPTION_NODE:
        where->node = value;
        where->node_by = BL_SAID_OPTION;
        where->node_given = true;
        return true;
    case BL_OPTION_CONFIG:
    case 'c':
        read_config(where, value, true);
        return true;
    default:
        return false;
    }
}

enum bl_code bl_where_check(const struct bl_where *where, bl_err *err)
{
    if (where->config_code == BL_OK)
        return BL_OK;
    if (where->config_code == BL_NO_MEMORY)
        return bl_fail(err, BL_NO_MEMORY, 0, "no memory for the configuration");
    return bl_fail(err, BL_CONFIG, 0, "%s", where->config_err.text);
}

enum bl_code bl_where_rules(const struct bl_where *where, struct bl_rules_paths *paths, bl_err *err)
{
    enum bl_code rc = bl_where_check(where, err);

    if (rc == BL_OK)
        paths->configured = where->config->rules;
    return rc;
}

enum bl_code bl_where_load_rules(const struct bl_where *where, struct bl_rules_paths *paths,
                                 const struct bl_rules **out, bl_err *err)
{
    enum bl_code rc = bl_where_rules(where, paths, err);

    return rc == BL_OK ? bl_rules_set_load(paths, out, err) : rc;
}

enum bl_code bl_where_redis(const struct bl_where *where, struct bl_redis_url *out, bl_err *err)
{
    enum bl_code rc = bl_redis_url_parse(where->redis, out, err);

    if (rc != BL_OK || where->redis_by != BL_SAID_CONFIG)
        return rc; /* a server named elsewhere is not told this one's password */
    if (where->config->redis.user)
        snprintf(out->user, sizeof out->user, "%s", where->config->redis.user);
    if (where->config->redis.password_file)
        return bl_config_password(where->config, out->password, sizeof out->password, err);
    return BL_OK;
}

int bl_exit_code(enum bl_code code)
{
    switch (code) {
    case BL_OK:
        return 0;
    case BL_NO_MEMORY:
        return BL_EXIT_OS;
    case BL_BAD_INPUT:
        return BL_EXIT_DATA;
    case BL_NO_INPUT:
        return BL_EXIT_NO_INPUT;
    case BL_IO:
        return BL_EXIT_IO;
    case BL_UNAVAILABLE:
        return BL_EXIT_UNAVAILABLE;
    case BL_CONFLICT:
        return BL_EXIT_UNAVAILABLE;
    case BL_LIMIT:
        return BL_EXIT_DATA;
    case BL_USAGE:
        return BL_EXIT_USAGE;
    case BL_CONFIG:
        return BL_EXIT_CONFIG;
    }
    return BL_EXIT_OS;
}

int bl_complain(enum bl_code code, const bl_err *err)
{
    char text[4 * sizeof err->text];

    fprintf(stderr, "bounceline: %s\n",
            err && err->text[0]    ? bl_text_message(text, sizeof text, err->text)
            : code == BL_NO_MEMORY ? "out of memory"
                                   : "failed");
    return bl_exit_code(code);
}

int bl_usage(const char *command, const char *format, ...)
{
    char raw[512], text[4 * sizeof raw];
    va_list args;

    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    fprintf(stderr, "bounceline %s: %s\nbounceline %s --help shows how it is used\n", command,
            bl_text_message(text, sizeof text, raw), command);
    return BL_EXIT_USAGE;
}

int bl_usage_known(const char *command, const struct option *known, int argc, char **argv,
                   int returned)
{
    enum { NAMES_MAX = 64, NAME_MAX_BYTES = 64 };
    char letter[] = {'-', (char)optopt, 0}, word[NAME_MAX_BYTES];
    const char *typed = optind > 0 && optind <= argc ? argv[optind - 1] : "", *names[NAMES_MAX],
               *near = NULL;
    const char *name = optopt > 0 && optopt < 256 ? letter : typed;
    size_t n = 0;

    if (returned == ':')
        return bl_usage(command, "%s needs a value", name);
    for (const struct option *one = known; one->name && n < NAMES_MAX; one++)
        names[n++] = one->name;
    if (name == typed && strncmp(typed, "--", 2) == 0) {
        snprintf(word, sizeof word, "%.*s", (int)strcspn(typed + 2, "="), typed + 2);
        near = bl_suggest(word, names, n);
    }
    if (near)
        return bl_usage(command, "there is no option %s; did you mean --%s?", name, near);
    return bl_usage(command, "there is no option %s", name);
}

int64_t bl_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool read_span(bl_slice text, int64_t *out_ms)
{
    uint64_t count;
    int64_t unit;

    if (!bl_slice_take_u64(&text, &count) || text.n != 1 || count > 1000000)
        return false;
    switch (text.p[0]) {
    case 's':
        unit = 1000;
        break;
    case 'm':
        unit = 60000;
        break;
    case 'h':
        unit = 3600000;
        break;
    case 'd':
        unit = 86400000;
        break;
    default:
        return false;
    }
    *out_ms = (int64_t)count * unit;
    return true;
}

/* The local day's date. */
static bool read_day(const char *text, int64_t now_ms, char day[32])
{
    bool yesterday = strcmp(text, "yesterday") == 0;
    time_t now = (time_t)(now_ms / 1000);
    struct tm tm;

    if ((!yesterday && strcmp(text, "today") != 0) || !localtime_r(&now, &tm))
        return false;
    tm.tm_mday -= yesterday;
    tm.tm_hour = 12; /* whatever happens to clocks at night */
    tm.tm_isdst = -1;
    return mktime(&tm) != -1 && strftime(day, 32, "%Y-%m-%d", &tm) > 0;
}

bool bl_option_time(const char *text, int64_t now_ms, int64_t *out_ms)
{
    bl_slice in = {text, strlen(text)};
    struct bl_stamper stamper;
    char day[32], date[32];
    bl_zone zone;
    int64_t span_ms, time_us;

    if (read_span(in, &span_ms)) {
        *out_ms = now_ms - span_ms;
        return true;
    }
    if (read_day(text, now_ms, date))
        in = (bl_slice){date, strlen(date)};
    if (in.n == strlen("2026-11-22")) {
        snprintf(day, sizeof day, "%.*sT00:00:00", (int)in.n, in.p);
        in = (bl_slice){day, strlen(day)};
    }
    bl_zone_around(now_ms / 1000, &zone);
    bl_stamper_init(&stamper, &zone);
    bl_stamper_refer(&stamper, now_ms / 1000);
    if (!bl_stamp_take_rfc3339(&stamper, &in, &time_us) || in.n != 0)
        return false;
    *out_ms = time_us / 1000;
    return true;
}

bool bl_option_rules(const char *command, const char *path, struct bl_rules_paths *paths)
{
    if (bl_rules_paths_add(paths, path))
        return true;
    bl_usage(command, "--rules is given more than %d times", BL_RULES_PATHS);
    return false;
}

bool bl_circumstances_take(struct bl_circumstances *given, const char *command, int option,
                           const char *value, int *exit_code)
{
    switch (option) {
    case BL_OPTION_PHASE:
        given->has_phase = bl_phase_from_name((bl_slice){value, strlen(value)}, &given->phase);
        if (!given->has_phase)
            *exit_code = bl_usage(
                command, "'%s' is no phase; dns connect helo tls auth mail rcpt data eod local are",
                value);
        return true;
    case BL_OPTION_RELAY:
        given->relay = (bl_slice){value, strlen(value)};
        given->has_relay = true;
        return true;
    default:
        return false;
    }
}

void bl_circumstances_apply(const struct bl_circumstances *given, bl_reply *reply)
{
    if (given->has_phase)
        reply->phase = given->phase;
    if (given->has_relay)
        reply->relay_host = given->relay;
}

bool bl_option_number(const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
    bl_slice in = {text, strlen(text)};
    uint64_t value;

    if (!bl_slice_take_u64(&in, &value) || in.n != 0 || value < low || value > high)
        return false;
    *out = value;
    return true;
}
