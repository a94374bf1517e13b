/* The keys stand in one table: name, kind, bounds, where the value goes.  The document is walked
 * once, mapping by mapping; a key is looked up under the full name that its place gives it
 * ("redis.url").  Whatever is wrong is noted with its place, and the walk goes on, so that one run
 * shows everything. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "bounceline/alloc.h"
#include "bounceline/snapshot.h"
#include "config_parts.h"
#include "file.h"
#include "redis_keys.h"
#include "redis_url.h"
#include "suggest.h"
#include "utf8.h"

enum kind {
    TEXT,     /* const char * */
    PATH,     /* const char *, absolute */
    PATHS,    /* const char **, and how many behind it */
    RELAYS,   /* the same */
    SOURCES,  /* a list of paths, or of mappings */
    MAPPING,  /* further keys */
    DURATION, /* int64_t, low..high milliseconds */
    SIZE,     /* uint64_t, low..high bytes */
    NUMBER,   /* uint64_t, low..high */
    WORD      /* int: index of the word */
};

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

struct key {
    const char *name;
    enum kind kind;
    bool live; /* a running daemon takes over a change */
    size_t at; /* offset in struct bl_config, or struct bl_config_source */
    int64_t low, high;
    const char *const *words;
    size_t words_n;
};

static const char *const level_words[] = {"error", "warning", "notice", "info", "debug"};
static const char *const from_words[] = {"start", "end"};
static const char *const trust_words[] = {"log", "join"};
static const char *const profile_words[] = {"balanced", "esp", "observe"};

/* Words are first put here, then to where they belong. */
struct words {
    int level, from, trust, profile;
};

#define C(member)  offsetof(struct bl_config, member)
#define LIST(list) (list), BL_COUNT(list)

static const struct key keys[] = {
    {"node", TEXT, false, C(node), 0, 0, NULL, 0},
    {"state", PATH, false, C(state), 0, 0, NULL, 0},
    {"log_level", WORD, true, offsetof(struct words, level), 0, 0, LIST(level_words)},
    {"threads", NUMBER, false, C(threads), 1, 64, NULL, 0},
    {"rules", PATH, true, C(rules), 0, 0, NULL, 0},
    {"relays", RELAYS, true, C(relay), 0, 0, NULL, 0},
    {"sources", SOURCES, true, 0, 0, 0, NULL, 0},
    {"sources.files", PATHS, false, offsetof(struct bl_config_source, file), 0, 0, NULL, 0},
    {"sources.from", WORD, false, offsetof(struct words, from), 0, 0, LIST(from_words)},
    {"sources.trust", WORD, false, offsetof(struct words, trust), 0, 0, LIST(trust_words)},
    {"redis", MAPPING, false, 0, 0, 0, NULL, 0},
    {"redis.url", TEXT, false, C(redis.url), 0, 0, NULL, 0},
    {"redis.user", TEXT, false, C(redis.user), 0, 0, NULL, 0},
    {"redis.password_file", PATH, false, C(redis.password_file), 0, 0, NULL, 0},
    {"redis.prefix", TEXT, false, C(redis.prefix), 0, 0, NULL, 0},
    {"redis.connect_timeout", DURATION, false, C(redis.connect_ms), 100, 10 * MINUTE, NULL, 0},
    {"redis.command_timeout", DURATION, false, C(redis.command_ms), 100, 10 * MINUTE, NULL, 0},
    {"redis.retry_max", DURATION, false, C(redis.retry_max_ms), 100, HOUR, NULL, 0},
    {"redis.lease", DURATION, false, C(redis.lease_ms), 5000, HOUR, NULL, 0},
    {"redis.memory", SIZE, false, C(redis.memory_bytes), 16 << 20, INT64_C(1) << 50, NULL, 0},
    {"redis.partitions", NUMBER, false, C(redis.partitions), 1, 256, NULL, 0},
    {"suppression", MAPPING, true, 0, 0, 0, NULL, 0},
    {"suppression.profile", WORD, true, offsetof(struct words, profile), 0, 0, LIST(profile_words)},
    {"suppression.first", DURATION, true, C(suppression.first_ms), MINUTE, 3650 * DAY, NULL, 0},
    {"suppression.second", DURATION, true, C(suppression.second_ms), MINUTE, 3650 * DAY, NULL, 0},
    {"suppression.longest", DURATION, true, C(suppression.max_ms), MINUTE, 3650 * DAY, NULL, 0},
    {"suppression.strike_gap", DURATION, true, C(suppression.strike_gap_ms), 0, 3650 * DAY, NULL,
     0},
    {"suppression.strike_memory", DURATION, true, C(suppression.strike_memory_ms), MINUTE,
     3650 * DAY, NULL, 0},
    {"suppression.soft", MAPPING, true, 0, 0, 0, NULL, 0},
    {"suppression.soft.days", NUMBER, true, C(soft_days), 1, BL_ADDRESS_SOFT_DAYS, NULL, 0},
    {"suppression.soft.window", DURATION, true, C(suppression.soft_window_ms), DAY, 3650 * DAY,
     NULL, 0},
    {"suppression.soft.spread", DURATION, true, C(suppression.soft_spread_ms), 0, 3650 * DAY, NULL,
     0},
    {"suppression.soft.suppress_for", DURATION, true, C(suppression.soft_ms), MINUTE, 3650 * DAY,
     NULL, 0},
    {"counters", MAPPING, false, 0, 0, 0, NULL, 0},
    {"counters.keys_per_minute", NUMBER, false, C(keys_per_minute), 1, 1000000, NULL, 0},
    {"counters.keys_per_hour", NUMBER, false, C(keys_per_hour), 1, 1000000, NULL, 0},
    {"counters.keys_per_day", NUMBER, false, C(keys_per_day), 1, 1000000, NULL, 0},
    {"counters.recent", NUMBER, false, C(recent), 1, 1000000, NULL, 0},
    {"retention", MAPPING, false, 0, 0, 0, NULL, 0},
    {"retention.minutes", DURATION, false, C(minutes_ms), 2 * HOUR, 366 * DAY, NULL, 0},
    {"retention.hours", DURATION, false, C(hours_ms), 2 * DAY, 3660 * DAY, NULL, 0},
    {"retention.days", DURATION, false, C(days_ms), 7 * DAY, 36600 * DAY, NULL, 0},
};

enum { KEYS = BL_COUNT(keys), NAME_MAX_BYTES = 64, PASSWORD_FILE_MAX = 64 << 10 };

struct reader {
    struct bl_config *config;
    struct bl_config_errors *errors;
    struct words words;
    bl_config_place place[KEYS]; /* of the value that was given; line 0: none */
    bool no_memory;
};

/* ---- places ---- */

static bl_config_place place_of_token(struct fy_token *token)
{
    const struct fy_mark *start = token ? fy_token_start_mark(token) : NULL;
    const struct fy_mark *end = token ? fy_token_end_mark(token) : NULL;
    bl_config_place place = {0};

    if (!start)
        return place;
    place = (bl_config_place){(unsigned)start->line + 1, (unsigned)start->column + 1, 1};
    if (end && end->line == start->line && end->column > start->column)
        place.width = (unsigned)(end->column - start->column);
    return place;
}

/* A mapping or list has no place of its own: that of the first thing in it. */
static bl_config_place place_of(struct fy_node *node, bl_config_place otherwise)
{
    bl_config_place place = otherwise;
    void *at = NULL;

    if (!node)
        return place;
    switch (fy_node_get_type(node)) {
    case FYNT_SCALAR:
        place = place_of_token(fy_node_get_scalar_token(node));
        break;
    case FYNT_SEQUENCE:
        return place_of(fy_node_sequence_iterate(node, &at), otherwise);
    case FYNT_MAPPING: {
        struct fy_node_pair *pair = fy_node_mapping_iterate(node, &at);

        return pair ? place_of(fy_node_pair_key(pair), otherwise) : otherwise;
    }
    }
    return place.line ? place : otherwise;
}

/* ---- the table ---- */

static const char *own_name(const struct key *key)
{
    const char *dot = strrchr(key->name, '.');

    return dot ? dot + 1 : key->name;
}

/* Is the key a direct child of `parent` ("" is the top)? */
static bool is_child(const struct key *key, const char *parent)
{
    size_t n = (size_t)(own_name(key) - key->name);

    return n == 0 ? *parent == '\0'
                  : strlen(parent) == n - 1 && strncmp(key->name, parent, n - 1) == 0;
}

static const struct key *find_key(const char *parent, bl_slice name)
{
    for (size_t i = 0; i < KEYS; i++)
        if (is_child(&keys[i], parent) &&
            bl_slice_eq((bl_slice){own_name(&keys[i]), strlen(own_name(&keys[i]))}, name))
            return &keys[i];
    return NULL;
}

static const struct key *key_named(const char *name)
{
    size_t i = 0;

    while (strcmp(keys[i].name, name) != 0)
        i++;
    return &keys[i];
}

static bl_config_place place_of_key(const struct reader *reader, const char *name)
{
    return reader->place[key_named(name) - keys];
}

/* First the names that may stand here, then those that stand elsewhere. */
static void complain_of_key(struct reader *reader, const char *parent, bl_slice name,
                            bl_config_place place)
{
    const char *near[KEYS], *found;
    char typed[NAME_MAX_BYTES];
    size_t n = 0;

    snprintf(typed, sizeof typed, "%.*s", (int)(name.n < sizeof typed ? name.n : sizeof typed - 1),
             name.n ? name.p : "");
    for (size_t i = 0; i < KEYS; i++)
        if (is_child(&keys[i], parent))
            near[n++] = own_name(&keys[i]);
    found = bl_suggest(typed, near, n);
    if (found) {
        bl_config_complain(reader->errors, place, "there is no key '%s'%s%s; did you mean '%s'?",
                           typed, *parent ? " in " : "", parent, found);
        return;
    }
    for (size_t i = 0; i < KEYS; i++)
        if (strcmp(own_name(&keys[i]), typed) == 0) {
            bl_config_complain(reader->errors, place, "there is no key '%s'%s%s; there is '%s'",
                               typed, *parent ? " in " : " at the top", parent, keys[i].name);
            return;
        }
    bl_config_complain(reader->errors, place, "there is no key '%s'%s%s; see bounceline.yaml(5)",
                       typed, *parent ? " in " : "", parent);
}

/* ---- values ---- */

static const char *keep(struct reader *reader, bl_slice text)
{
    char *copy = bl_arena_alloc(&reader->config->arena, text.n + 1);

    if (!copy) {
        reader->no_memory = true;
        return NULL;
    }
    if (text.n)
        memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return copy;
}

static bl_slice scalar_of(struct fy_node *node)
{
    size_t n = 0;
    const char *text = node && fy_node_is_scalar(node) ? fy_node_get_scalar(node, &n) : NULL;

    return (bl_slice){text, text ? n : 0};
}

static void complain_of_measure(struct reader *reader, const struct key *key, bl_slice value,
                                bl_config_place place)
{
    char low[BL_CONFIG_SPAN_MAX], high[BL_CONFIG_SPAN_MAX];
    int shown = value.n > 60 ? 60 : (int)value.n;

    if (key->kind == DURATION)
        bl_config_complain(
            reader->errors, place,
            "%s takes a duration from %s to %s, with its unit as in 500ms, 30s, 5m, 26h, 7d, 2w; not '%.*s'",
            key->name, bl_config_span(key->low, low), bl_config_span(key->high, high), shown,
            value.p);
    else if (key->kind == SIZE)
        bl_config_complain(reader->errors, place,
                           "%s takes a size from 16M up, with its unit as in 512M, 2G; not '%.*s'",
                           key->name, shown, value.p);
    else
        bl_config_complain(reader->errors, place,
                           "%s takes a number from %" PRId64 " to %" PRId64 ", not '%.*s'",
                           key->name, key->low, key->high, shown, value.p);
}

static void take_measure(struct reader *reader, const struct key *key, bl_slice value,
                         bl_config_place place, void *to)
{
    int64_t ms = 0;
    uint64_t number = 0;
    bl_slice rest = value;
    bool good = false;

    if (key->kind == DURATION)
        good = bl_config_duration(value, &ms) && ms >= key->low && ms <= key->high;
    else if (key->kind == SIZE)
        good = bl_config_size(value, &number);
    else
        good = bl_slice_take_u64(&rest, &number) && rest.n == 0;
    if (key->kind != DURATION)
        good = good && number >= (uint64_t)key->low && number <= (uint64_t)key->high;
    if (!good)
        complain_of_measure(reader, key, value, place);
    else if (key->kind == DURATION)
        memcpy(to, &ms, sizeof ms);
    else
        memcpy(to, &number, sizeof number);
}

static void take_word(struct reader *reader, const struct key *key, bl_slice value,
                      bl_config_place place)
{
    char typed[NAME_MAX_BYTES], all[160] = "";
    const char *near;

    for (size_t i = 0; i < key->words_n; i++)
        if (bl_slice_eq(value, (bl_slice){key->words[i], strlen(key->words[i])})) {
            int index = (int)i;

            memcpy((char *)&reader->words + key->at, &index, sizeof index);
            return;
        }
    snprintf(typed, sizeof typed, "%.*s",
             (int)(value.n < sizeof typed ? value.n : sizeof typed - 1), value.p);
    for (size_t i = 0; i < key->words_n; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", key->words[i]);
    near = bl_suggest(typed, key->words, key->words_n);
    bl_config_complain(reader->errors, place, "%s is one of %s; not '%s'%s%s%s", key->name, all,
                       typed, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* One text, checked as its key wants it; NULL when it is not good. */
static const char *take_text(struct reader *reader, const struct key *key, bl_slice value,
                             bl_config_place place)
{
    if (value.n == 0 || bl_slice_find_byte(value, '\0') != value.n || value.n >= 4096) {
        bl_config_complain(reader->errors, place, "%s needs a value", key->name);
        return NULL;
    }
    if ((key->kind == PATH || key->kind == PATHS || key->kind == SOURCES) && value.p[0] != '/') {
        bl_config_complain(
            reader->errors, place,
            "%s takes an absolute path, not '%.*s': a service has no place of its own", key->name,
            value.n > 60 ? 60 : (int)value.n, value.p);
        return NULL;
    }
    if (key->kind == RELAYS && !bl_config_relay(value)) {
        bl_config_complain(
            reader->errors, place,
            "'%.*s' is no host, .domain, address or network, as in smtp.example.org, .example.org, 10.0.0.0/8",
            value.n > 60 ? 60 : (int)value.n, value.p);
        return NULL;
    }
    return keep(reader, value);
}

static const char **make_list(struct reader *reader, size_t n)
{
    const char **list = bl_arena_alloc(&reader->config->arena, (n + 1) * sizeof *list);

    reader->no_memory |= !list;
    return list;
}

/* A list of texts; a single one may stand without brackets.  The count goes behind the pointer. */
static void take_list(struct reader *reader, const struct key *key, struct fy_node *node,
                      bl_config_place place, char *to)
{
    bool many = fy_node_is_sequence(node);
    size_t cap = many ? (size_t)fy_node_sequence_item_count(node) : 1, n = 0;
    const char **list = make_list(reader, cap);
    void *at = NULL;

    for (size_t i = 0; list && i < cap; i++) {
        struct fy_node *item = many ? fy_node_sequence_iterate(node, &at) : node;
        bl_config_place here = place_of(item, place);

        if (!item || !fy_node_is_scalar(item) || fy_node_is_alias(item))
            bl_config_complain(reader->errors, here, "%s is a list of texts", key->name);
        else if ((list[n] = take_text(reader, key, scalar_of(item), here)) != NULL)
            n++;
    }
    if (list && cap == 0)
        bl_config_complain(reader->errors, place, "%s is empty", key->name);
    memcpy(to, &list, sizeof list);
    memcpy(to + sizeof list, &n, sizeof n);
}

static void read_mapping(struct reader *reader, struct fy_node *node, const char *parent,
                         char *base);

static void take_source(struct reader *reader, const struct key *key, struct fy_node *item,
                        bl_config_place place, struct bl_config_source *source)
{
    bl_config_place none = {0};

    reader->words.from = reader->words.trust = 0;
    reader->place[key_named("sources.files") - keys] = none;
    if (fy_node_is_mapping(item)) {
        read_mapping(reader, item, "sources", (char *)source);
        if (!place_of_key(reader, "sources.files").line)
            bl_config_complain(reader->errors, place, "a source needs 'files'");
    } else {
        take_list(reader, key, item, place, (char *)&source->file);
    }
    source->from_end = reader->words.from == 1;
    source->trust = reader->words.trust == 1 ? BL_TRUST_JOIN : BL_TRUST_LOG;
}

static void take_sources(struct reader *reader, const struct key *key, struct fy_node *node,
                         bl_config_place place)
{
    bool many = fy_node_is_sequence(node);
    size_t n = many ? (size_t)fy_node_sequence_item_count(node) : 1;
    struct bl_config_source *source =
        bl_arena_alloc(&reader->config->arena, (n + 1) * sizeof *source);
    void *at = NULL;

    if (!source) {
        reader->no_memory = true;
        return;
    }
    memset(source, 0, (n + 1) * sizeof *source);
    reader->config->source = source;
    reader->config->sources = n;
    if (n > BL_SOURCES_MAX)
        bl_config_complain(reader->errors, place, "at most %d sources", BL_SOURCES_MAX);
    for (size_t i = 0; i < n && i < BL_SOURCES_MAX; i++) {
        struct fy_node *item = many ? fy_node_sequence_iterate(node, &at) : node;

        take_source(reader, key, item, place_of(item, place), &source[i]);
    }
}

static void take_value(struct reader *reader, const struct key *key, struct fy_node *node,
                       bl_config_place place, char *base)
{
    bl_slice value = scalar_of(node);
    const char *text;

    if (key->kind == MAPPING) {
        if (fy_node_is_mapping(node))
            read_mapping(reader, node, key->name, base);
        else if (!fy_node_is_null(node)) /* a heading whose keys are all commented out */
            bl_config_complain(reader->errors, place, "%s holds keys of its own, indented below it",
                               key->name);
    } else if (key->kind == SOURCES) {
        take_sources(reader, key, node, place);
    } else if (key->kind == PATHS || key->kind == RELAYS) {
        take_list(reader, key, node, place, base + key->at);
    } else if (!fy_node_is_scalar(node)) {
        bl_config_complain(reader->errors, place, "%s takes a single value", key->name);
    } else if (value.n == 0) {
        bl_config_complain(reader->errors, place,
                           "%s needs a value; leave the key out for the default", key->name);
    } else if (key->kind == WORD) {
        take_word(reader, key, value, place);
    } else if (key->kind == TEXT || key->kind == PATH) {
        text = take_text(reader, key, value, place);
        memcpy(base + key->at, &text, sizeof text);
    } else {
        take_measure(reader, key, value, place, base + key->at);
    }
}

static void read_pair(struct reader *reader, struct fy_node_pair *pair, const char *parent,
                      char *base, bool seen[KEYS])
{
    struct fy_node *name_node = fy_node_pair_key(pair), *node = fy_node_pair_value(pair);
    bl_slice name = scalar_of(name_node);
    bl_config_place place = place_of(name_node, (bl_config_place){1, 1, 1});
    const struct key *key = find_key(parent, name);

    if (!key) {
        complain_of_key(reader, parent, name, place);
        return;
    }
    if (seen[key - keys]) {
        bl_config_complain(reader->errors, place, "%s stands here a second time", key->name);
        return;
    }
    seen[key - keys] = true;
    place = node && fy_node_is_scalar(node) ? place_of(node, place) : place;
    reader->place[key - keys] = place;
    if (node && (fy_node_is_alias(node) || fy_node_get_tag_token(node)))
        bl_config_complain(reader->errors, place, "%s: aliases and tags are not read here",
                           key->name);
    else
        take_value(reader, key, node, place, base);
}

static void read_mapping(struct reader *reader, struct fy_node *node, const char *parent,
                         char *base)
{
    bool seen[KEYS] = {false};
    struct fy_node_pair *pair;
    void *at = NULL;

    while ((pair = fy_node_mapping_iterate(node, &at)) != NULL)
        read_pair(reader, pair, parent, base, seen);
}

/* ---- what one value cannot show ---- */

/* The profile's numbers come first, whatever the order in the file. */
static void take_profile(struct reader *reader)
{
    static const struct bl_suppress_policy *const policies[] = {
        &bl_suppress_balanced, &bl_suppress_esp, &bl_suppress_observe};

    reader->config->profile = profile_words[reader->words.profile];
    reader->config->suppression = *policies[reader->words.profile];
    reader->config->soft_days = policies[reader->words.profile]->soft_days;
}

static void find_profile(struct reader *reader, struct fy_node *root)
{
    struct fy_node *section = fy_node_mapping_lookup_by_string(root, "suppression", (size_t)-1);
    struct fy_node *profile = section && fy_node_is_mapping(section)
                                  ? fy_node_mapping_lookup_by_string(section, "profile", (size_t)-1)
                                  : NULL;
    bl_slice value = scalar_of(profile);

    for (size_t i = 0; i < BL_COUNT(profile_words); i++)
        if (bl_slice_eq(value, (bl_slice){profile_words[i], strlen(profile_words[i])}))
            reader->words.profile = (int)i;
    take_profile(reader);
}

/* `less` may not be above `more`; said where one of them was given. */
static void check_order(struct reader *reader, const char *less, int64_t less_ms, const char *more,
                        int64_t more_ms)
{
    char a[BL_CONFIG_SPAN_MAX], b[BL_CONFIG_SPAN_MAX];
    bl_config_place place = place_of_key(reader, less);

    if (less_ms <= more_ms)
        return;
    if (!place.line)
        place = place_of_key(reader, more);
    bl_config_complain(reader->errors, place, "%s (%s) is more than %s (%s)", less,
                       bl_config_span(less_ms, a), more, bl_config_span(more_ms, b));
}

static void check_suppression(struct reader *reader)
{
    struct bl_suppress_policy *policy = &reader->config->suppression;

    check_order(reader, "suppression.first", policy->first_ms, "suppression.longest",
                policy->max_ms);
    check_order(reader, "suppression.second", policy->second_ms, "suppression.longest",
                policy->max_ms);
    check_order(reader, "suppression.strike_gap", policy->strike_gap_ms,
                "suppression.strike_memory", policy->strike_memory_ms);
    check_order(reader, "suppression.soft.spread", policy->soft_spread_ms,
                "suppression.soft.window", policy->soft_window_ms);
    check_order(reader, "retention.minutes", reader->config->minutes_ms, "retention.hours",
                reader->config->hours_ms);
    check_order(reader, "retention.hours", reader->config->hours_ms, "retention.days",
                reader->config->days_ms);
    policy->soft_days = (uint32_t)reader->config->soft_days;
}

static void check_redis(struct reader *reader)
{
    const struct bl_config *config = reader->config;
    struct bl_redis_url url;
    struct bl_redis_keys names;
    bl_err err;

    if (config->redis.url && strchr(config->redis.url, '@'))
        bl_config_complain(
            reader->errors, place_of_key(reader, "redis.url"),
            "the address holds no user and no password here: use redis.user and redis.password_file");
    else if (config->redis.url && bl_redis_url_parse(config->redis.url, &url, &err) != BL_OK)
        bl_config_complain(reader->errors, place_of_key(reader, "redis.url"), "%s", err.text);
    if (!config->redis.url && (config->redis.user || config->redis.password_file))
        bl_config_complain(
            reader->errors,
            place_of_key(reader, config->redis.user ? "redis.user" : "redis.password_file"),
            "%s is of no use without redis.url: the private server has no password",
            config->redis.user ? "redis.user" : "redis.password_file");
    if (config->redis.url && place_of_key(reader, "redis.memory").line)
        bl_config_complain(reader->errors, place_of_key(reader, "redis.memory"),
                           "redis.memory is for the private server, and redis.url names another");
    if (config->redis.user && !config->redis.password_file && config->redis.url)
        bl_config_complain(reader->errors, place_of_key(reader, "redis.user"),
                           "redis.user needs redis.password_file");
    if (!bl_redis_keys_init(&names, config->redis.prefix ? config->redis.prefix : "", "node"))
        bl_config_complain(
            reader->errors, place_of_key(reader, "redis.prefix"),
            "redis.prefix cannot begin a key: 1 to %d printable characters without blanks, braces and bars",
            BL_REDIS_PREFIX_MAX);
    if (config->node && !bl_redis_keys_init(&names, "bl:", config->node))
        bl_config_complain(
            reader->errors, place_of_key(reader, "node"),
            "node cannot be part of a key: 1 to %d printable characters without blanks, braces and bars",
            BL_REDIS_NODE_MAX);
}

static void check_password(struct reader *reader)
{
    char password[256];
    bl_err err;

    if (reader->config->redis.password_file &&
        bl_config_password(reader->config, password, sizeof password, &err) != BL_OK)
        bl_config_complain(reader->errors, place_of_key(reader, "redis.password_file"), "%s",
                           err.text);
    memset(password, 0, sizeof password);
}

static void check_rules(struct reader *reader)
{
    const char *rules = reader->config->rules;

    if (rules && access(rules, R_OK) != 0)
        bl_config_complain(reader->errors, place_of_key(reader, "rules"),
                           "cannot read '%.200s': %s", rules, strerror(errno));
}

/* ---- the file ---- */

enum bl_code bl_config_default(struct bl_config **out)
{
    enum { ARENA_BYTES = 8 << 20 };
    struct bl_config *config = bl_calloc(1, sizeof *config);

    if (!config)
        return BL_NO_MEMORY;
    bl_arena_init(&config->arena, ARENA_BYTES);
    config->log_level = 6;
    config->redis.prefix = "bl:";
    config->redis.connect_ms = 2000;
    config->redis.command_ms = 5000;
    config->redis.retry_max_ms = 10000;
    config->redis.lease_ms = 30000;
    config->redis.partitions = 1;
    config->profile = profile_words[0];
    config->suppression = bl_suppress_balanced;
    config->soft_days = bl_suppress_balanced.soft_days;
    config->keys_per_minute = 200;
    config->keys_per_hour = 1000;
    config->keys_per_day = 4000;
    config->recent = 1000;
    config->minutes_ms = 26 * HOUR;
    config->hours_ms = 40 * DAY;
    config->days_ms = 400 * DAY;
    *out = config;
    return BL_OK;
}

void bl_config_free(struct bl_config *config)
{
    if (!config)
        return;
    bl_arena_release(&config->arena);
    bl_free(config);
}

/* A file that is not there may be none at all; anything else that is wrong with it is an error. */
static enum bl_code read_file(const char *path, struct bl_config_errors *errors, bl_err *err)
{
    bl_err why = {0};
    enum bl_code rc = bl_file_read(path, BL_CONFIG_BYTES_MAX, &errors->text, &errors->text_n, &why);

    if (rc == BL_NO_INPUT && why.sys != ENOENT)
        rc = BL_IO;
    else if (rc == BL_LIMIT)
        rc = BL_CONFIG;
    return rc == BL_OK ? rc : bl_fail(err, rc, why.sys, "%s", why.text);
}

/* What libfyaml found.  Its places count lines from 1 as well. */
static void take_syntax_errors(struct reader *reader, struct fy_diag *diag)
{
    struct fy_diag_error *error;
    void *at = NULL;

    while ((error = fy_diag_errors_iterate(diag, &at)) != NULL)
        if (error->type == FYET_ERROR && error->msg) {
            bl_config_place place = {error->line > 0 ? (unsigned)error->line : 1,
                                     error->column > 0 ? (unsigned)error->column : 1, 1};

            bl_config_complain(reader->errors, place, "this is not YAML: %.300s", error->msg);
        }
    if (reader->errors->n == 0)
        bl_config_complain(reader->errors, (bl_config_place){0}, "this is not YAML");
}

/* libfyaml ends at some bytes without a word: what is no text is found here. */
static void check_bytes(struct reader *reader)
{
    const char *p = reader->errors->text, *end = p + reader->errors->text_n, *line = p;
    unsigned lines = 1;

    while (p < end) {
        unsigned char c = (unsigned char)*p;
        bl_utf8 character = bl_utf8_first((bl_slice){p, (size_t)(end - p)});

        if (!character.valid || (c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f) {
            bl_config_complain(reader->errors,
                               (bl_config_place){lines, (unsigned)(p - line) + 1, 1},
                               "byte 0x%02x is no text", c);
            return;
        }
        p += character.n;
        if (c == '\n') {
            lines++;
            line = p;
        }
    }
}

static void read_document(struct reader *reader, struct fy_document *document)
{
    struct fy_node *root = fy_document_root(document);

    if (!root || fy_node_is_null(root))
        return; /* only comments */
    if (!fy_node_is_mapping(root)) {
        bl_config_complain(reader->errors, place_of(root, (bl_config_place){1, 1, 1}),
                           "keys are expected, as in 'node: mx1'");
        return;
    }
    find_profile(reader, root);
    read_mapping(reader, root, "", (char *)reader->config);
    reader->config->log_level = 3 + reader->words.level;
}

static void no_output(struct fy_diag *diag, void *user, const char *text, size_t n)
{
    (void)diag, (void)user, (void)text, (void)n;
}

static enum bl_code parse(struct reader *reader, bl_err *err)
{
    struct fy_diag_cfg diag_cfg;
    struct fy_parse_cfg cfg = {.flags = FYPCF_DEFAULT_PARSE | FYPCF_ALLOW_DUPLICATE_KEYS};
    struct fy_document *document = NULL, *second = NULL;
    struct fy_parser *parser = NULL;
    enum bl_code rc = BL_OK;

    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.output_fn = no_output;
    cfg.diag = fy_diag_create(&diag_cfg);
    parser = cfg.diag ? fy_parser_create(&cfg) : NULL;
    if (!parser ||
        fy_parser_set_string(parser, reader->errors->text, reader->errors->text_n) != 0) {
        rc = bl_fail(err, BL_NO_MEMORY, 0, "no memory to read the configuration");
        goto out;
    }
    fy_diag_set_collect_errors(cfg.diag, true);
    document = fy_parse_load_document(parser);
    if (document) {
        read_document(reader, document);
        second = fy_parse_load_document(parser);
    }
    if (fy_parser_get_stream_error(parser))
        take_syntax_errors(reader, cfg.diag);
    else if (second)
        bl_config_complain(reader->errors, place_of(fy_document_root(second), (bl_config_place){0}),
                           "a second document begins here; one file is one document");
out:
    fy_parse_document_destroy(parser, second);
    fy_parse_document_destroy(parser, document);
    if (parser)
        fy_parser_destroy(parser);
    fy_diag_destroy(cfg.diag);
    return rc;
}

/* In the order of the file. */
static int by_place(const void *a, const void *b)
{
    const struct bl_config_error *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return (x->column > y->column) - (x->column < y->column);
}

static enum bl_code first_error(struct bl_config_errors *errors, bl_err *err)
{
    const struct bl_config_error *first = &errors->v[0];

    if (errors->n == 0)
        return BL_OK;
    qsort(errors->v, errors->n, sizeof errors->v[0], by_place);
    if (first->line == 0)
        return bl_fail(err, BL_CONFIG, 0, "%.100s: %.150s", errors->file, first->text);
    return bl_fail(err, BL_CONFIG, 0, "%.100s:%u:%u: %.130s", errors->file, first->line,
                   first->column, first->text);
}

enum bl_code bl_config_read(const char *path, struct bl_config **out,
                            struct bl_config_errors *errors, bl_err *err)
{
    struct bl_config_errors *own = errors ? NULL : bl_calloc(1, sizeof *own);
    struct reader reader = {.errors = errors ? errors : own, .words = {.level = 3}};
    enum bl_code rc = BL_NO_MEMORY;

    if (reader.errors) {
        snprintf(reader.errors->file, sizeof reader.errors->file, "%s", path);
        rc = read_file(path, reader.errors, err);
    }
    if (rc == BL_OK)
        rc = bl_config_default(&reader.config);
    if (rc == BL_OK)
        check_bytes(&reader);
    if (rc == BL_OK && reader.errors->n == 0)
        rc = parse(&reader, err);
    if (rc == BL_OK) {
        reader.config->path = keep(&reader, (bl_slice){path, strlen(path)});
        check_suppression(&reader);
        check_redis(&reader);
        check_password(&reader);
        check_rules(&reader);
        rc = first_error(reader.errors, err);
    }
    if (rc == BL_OK && reader.no_memory)
        rc = bl_fail(err, BL_NO_MEMORY, 0, "no memory for the configuration");
    if (rc == BL_OK)
        *out = reader.config;
    else
        bl_config_free(reader.config);
    if (own) {
        bl_config_errors_release(own);
        bl_free(own);
    }
    return rc;
}

/* ---- afterwards ---- */

enum bl_code bl_config_password(const struct bl_config *config, char *out, size_t cap, bl_err *err)
{
    const char *path = config->redis.password_file;
    char *text = NULL;
    size_t n = 0;

    if (bl_file_read(path, PASSWORD_FILE_MAX, &text, &n, err) != BL_OK)
        return BL_CONFIG;
    n = bl_slice_find_byte((bl_slice){text, n}, '\n');
    if (n < cap)
        memcpy(out, text, n);
    bl_free(text);
    if (n >= cap)
        return bl_fail(err, BL_CONFIG, 0, "the password in '%.150s' is longer than %zu bytes", path,
                       cap - 1);
    out[n] = '\0';
    out[strcspn(out, "\r")] = '\0';
    if (out[0] == '\0')
        return bl_fail(err, BL_CONFIG, 0,
                       "the first line of '%.150s' is empty: there should be a password", path);
    return BL_OK;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_value(const struct key *key, const struct bl_config *a, const struct bl_config *b)
{
    const char *x = (const char *)a + key->at, *y = (const char *)b + key->at;
    const char *text_x, *text_y;

    switch (key->kind) {
    case TEXT:
    case PATH:
        memcpy(&text_x, x, sizeof text_x);
        memcpy(&text_y, y, sizeof text_y);
        return same_text(text_x, text_y);
    case DURATION:
    case SIZE:
    case NUMBER:
        return memcmp(x, y, 8) == 0;
    case SOURCES: /* live */
    case PATHS:
    case RELAYS:
    case MAPPING:
    case WORD:
        break;
    }
    return true;
}

bool bl_config_restart_needed(const struct bl_config *a, const struct bl_config *b, char *out,
                              size_t cap)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < KEYS; i++)
        if (!keys[i].live && strncmp(keys[i].name, "sources.", 8) != 0 &&
            !same_value(&keys[i], a, b) && n < cap)
            n += (size_t)snprintf(out + n, cap - n, "%s%s", n ? ", " : "", keys[i].name);
    return n > 0;
}

void bl_config_keys(void (*fn)(void *arg, const char *key, const char *what), void *arg)
{
    static const char *const what[] = {[TEXT] = "text",
                                       [PATH] = "path",
                                       [PATHS] = "paths and patterns",
                                       [RELAYS] = "hosts and networks",
                                       [SOURCES] = "list",
                                       [MAPPING] = NULL,
                                       [DURATION] = "duration",
                                       [SIZE] = "size",
                                       [NUMBER] = "number",
                                       [WORD] = "word"};

    for (size_t i = 0; i < KEYS; i++)
        if (what[keys[i].kind])
            fn(arg, keys[i].name, what[keys[i].kind]);
}
