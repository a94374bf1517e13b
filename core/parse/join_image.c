/* The join as bytes: a head, then the entries, removed ones in order of removal, live ones by age,
 * then what is pending, the oldest first. Loading them in that order through the ordinary way in
 * brings back both lists.  Numbers are as this machine has them: the file never leaves it, and the
 * magic tells another byte order. */
#include "join_pending.h"

enum { IMAGE_VERSION = 3 };
static const uint64_t IMAGE_MAGIC = 0x6e696f6a2d6c62; /* "bl-join" */

struct image_head {
    uint64_t magic, checksum; /* of everything behind the checksum */
    uint64_t version, shown, rules_mark, dead, live, pending;
    uint64_t evicted, text_dropped, unknown, expired_unknown;
};

struct image_entry {
    uint64_t key, key2;
    uint32_t deferrals;
    uint16_t text_n[TEXTS];
    uint8_t flags, in_cells;
    uint16_t zero;
};

struct image_deferral {
    uint32_t rule;
    uint16_t part_n[PARTS];
    uint16_t category, code, provider, match_at, match_n, enhanced[3];
    uint8_t type, action, phase, mta;
};

_Static_assert(sizeof(struct image_entry) == 32, "no padding");
_Static_assert(sizeof(struct image_deferral) == 36, "no padding");

struct image_pending {
    uint64_t key, key2;
    int64_t time_us;
    uint32_t n;
    uint16_t host_n, program_n, next, of;
    uint32_t zero;
};

_Static_assert(sizeof(struct image_pending) == 40, "no padding");

static uint64_t image_checksum(const char *image, size_t n)
{
    size_t from = offsetof(struct image_head, version);

    return bl_hash64((bl_slice){image + from, n - from});
}

static char *put(char *out, const void *bytes, size_t n)
{
    memcpy(out, bytes, n);
    return out + n;
}

static char *put_deferral(const struct bl_join *join, char *out, const struct deferral *d)
{
    struct image_deferral image = {
        .rule = d->rule,
        .category = d->category,
        .code = d->code,
        .provider = d->provider,
        .match_at = d->match_at,
        .match_n = d->match_n,
        .enhanced = {d->enhanced.class_, d->enhanced.subject, d->enhanced.detail},
        .type = d->type,
        .action = d->action,
        .phase = d->phase,
        .mta = d->mta,
    };
    size_t bytes = deferral_bytes(d);

    memcpy(image.part_n, d->part_n, sizeof image.part_n);
    out = put(out, &image, sizeof image);
    read_chain(join, d->text, out, bytes);
    return out + bytes;
}

static char *put_entry(const struct bl_join *join, char *out, const struct entry *entry)
{
    struct image_entry image = {
        .key = entry->key, .key2 = entry->key2, .flags = entry->flags, .in_cells = entry->in_cells};

    memcpy(image.text_n, entry->text_n, sizeof image.text_n);
    for (uint32_t d = entry->first; d; d = join->cells[d].deferral.newer)
        image.deferrals++;
    out = put(out, &image, sizeof image);
    for (unsigned i = 0; i < TEXTS; i++) {
        size_t n = entry->text_n[i];

        if (is_in_cells(entry, (enum text)i))
            read_chain(join, text_chain(entry, (enum text)i), out, n);
        else if (n)
            memcpy(out, entry->bytes + entry->text_at[i], n);
        out += n;
    }
    for (uint32_t d = entry->first; d; d = join->cells[d].deferral.newer)
        out = put_deferral(join, out, &join->cells[d].deferral);
    return out;
}

static char *put_pending(char *out, const struct pending *p)
{
    struct image_pending image = {.key = p->key,
                                  .key2 = p->key2,
                                  .time_us = p->time_us,
                                  .n = p->n,
                                  .host_n = p->host_n,
                                  .program_n = p->program_n,
                                  .next = p->next,
                                  .of = p->of};

    return put(put(out, &image, sizeof image), p->text, p->n);
}

/* No deferral's image is larger than the cells it takes, so this is enough without a walk. */
static size_t image_bound(const struct bl_join *join)
{
    return sizeof(struct image_head) +
           (join->live.n + join->dead.n) * (sizeof(struct image_entry) + join->inline_bytes) +
           (join->cells_cap - join->cells_free) * sizeof(struct cell) +
           join->pending_n * (sizeof(struct image_pending) + PENDING_BYTES);
}

enum bl_code bl_join_save(const struct bl_join *join, char **out, size_t *out_n)
{
    struct image_head head = {
        .magic = IMAGE_MAGIC,
        .version = IMAGE_VERSION,
        .shown = join->shown,
        .rules_mark = bl_rules_mark(join->rules),
        .dead = join->dead.n,
        .live = join->live.n,
        .pending = join->pending_n,
        .evicted = join->stats.evicted,
        .text_dropped = join->stats.text_dropped,
        .unknown = join->stats.unknown,
        .expired_unknown = join->stats.expired_unknown,
    };
    char *image = bl_malloc(image_bound(join)), *at, *fitted;

    if (!image)
        return BL_NO_MEMORY;
    at = put(image, &head, sizeof head);
    for (uint32_t ref = join->dead.oldest; ref; ref = join->links[ref].newer)
        at = put_entry(join, at, entry_at(join, ref));
    for (uint32_t ref = join->live.oldest; ref; ref = join->links[ref].newer)
        at = put_entry(join, at, entry_at(join, ref));
    for (size_t i = 0; i < join->pending_n; i++)
        at = put_pending(at, join->pending[i]);
    head.checksum = image_checksum(image, (size_t)(at - image));
    put(image, &head, sizeof head);
    *out_n = (size_t)(at - image);
    fitted = bl_realloc(image, *out_n);
    *out = fitted ? fitted : image;
    return BL_OK;
}

static bool take_bytes(bl_slice *in, void *out, size_t n)
{
    if (in->n < n)
        return false;
    memcpy(out, in->p, n);
    *in = bl_slice_drop(*in, n);
    return true;
}

static bool take_slice(bl_slice *in, size_t n, bl_slice *out)
{
    if (in->n < n)
        return false;
    *out = bl_slice_head(*in, n);
    *in = bl_slice_drop(*in, n);
    return true;
}

/* Whoever formats or indexes by these relies on their ranges. */
static bool deferral_is_sound(const struct image_deferral *image)
{
    static const uint16_t most[PARTS] = {RECIPIENT_MAX, RECIPIENT_MAX, CLIENT_HOST_MAX,
                                         IP_MAX,        SERVICE_MAX,   BL_JOIN_REPLY_MAX};

    for (size_t i = 0; i < PARTS; i++)
        if (image->part_n[i] > most[i])
            return false;
    for (size_t i = 0; i < BL_COUNT(image->enhanced); i++)
        if (image->enhanced[i] > 999)
            return false;
    return image->type <= BL_HARD && image->action <= BL_ACTION_SUPPRESS &&
           image->phase < BL_PHASES && image->mta >= BL_MTA_POSTFIX && image->mta <= BL_MTA_EXIM &&
           image->code <= 999 && image->match_at + image->match_n <= image->part_n[REPLY];
}

/* Numbers that are about to be used as indexes of the rule set. */
static bool verdict_is_sound(const struct bl_join *join, const struct image_deferral *image)
{
    return image->category < bl_rules_categories(join->rules) &&
           image->rule < bl_rules_count(join->rules) &&
           image->provider < bl_rules_providers(join->rules);
}

static bool load_deferral(struct bl_join *join, bl_slice *in, uint32_t owner, bool same_rules)
{
    struct image_deferral image;
    bl_slice part[PARTS];
    bl_record record = {0};

    if (!take_bytes(in, &image, sizeof image) || !deferral_is_sound(&image) ||
        (same_rules && !verdict_is_sound(join, &image)))
        return false;
    for (size_t i = 0; i < PARTS; i++)
        if (!take_slice(in, image.part_n[i], &part[i]))
            return false;
    if (find_deferral(join, owner, part[RECIPIENT]))
        return false;
    record.recipient = part[RECIPIENT];
    record.orig_recipient = part[ORIG];
    record.peer_host = part[RELAY_HOST];
    record.peer_ip = part[RELAY_IP];
    record.service = part[SERVICE];
    record.text = part[REPLY];
    record.code = image.code;
    record.provider = image.provider;
    record.enhanced = (bl_status){image.enhanced[0], image.enhanced[1], image.enhanced[2]};
    record.phase = image.phase;
    record.mta = image.mta;
    record.verdict = (bl_verdict){image.category, image.type,     image.action,
                                  image.rule,     image.match_at, image.match_n};
    remember_deferral(join, owner, 0, &record);
    if (!same_rules) {
        uint32_t ref = find_deferral(join, owner, part[RECIPIENT]);

        if (ref)
            classify_again(join, &join->cells[ref].deferral);
    }
    return true;
}

static bool load_texts(struct bl_join *join, bl_slice *in, struct entry *entry,
                       const struct image_entry *image)
{
    static const uint16_t most[TEXTS] = {CLIENT_HOST_MAX + IP_MAX + 2, SASL_MAX, MESSAGE_ID_MAX,
                                         SENDER_MAX};
    bl_slice text;

    for (unsigned i = 0; i < TEXTS; i++) {
        bool in_cells = image->in_cells & (1u << i);

        if (image->text_n[i] > most[i] || (in_cells && image->text_n[i] == 0) ||
            !take_slice(in, image->text_n[i], &text))
            return false;
        if (in_cells) {
            if (!keep_in_cells(join, entry, (enum text)i, text))
                entry->flags &= (uint8_t) ~(i == SENDER       ? HAS_SENDER
                                            : i == MESSAGE_ID ? HAS_MESSAGE_ID
                                                              : 0);
        } else {
            if (!fits_inline(join, entry, text.n))
                return false;
            if (text.n)
                append_text(entry, (enum text)i, text.p, text.n);
            entry->text_n[i] = (uint16_t)text.n;
        }
    }
    return true;
}

static bool load_entry(struct bl_join *join, bl_slice *in, bool dead, bool same_rules)
{
    struct image_entry image;
    bl_record key = {0};
    uint32_t ref;

    if (!take_bytes(in, &image, sizeof image) || image.flags & ~FLAGS || image.in_cells >> TEXTS ||
        !(image.flags & DEAD) == dead || (dead && image.deferrals) || image.zero)
        return false;
    key.key = image.key;
    key.key2 = image.key2;
    if (find_entry(join, &key))
        return false;
    ref = create_entry(join, image.key, image.key2);
    entry_at(join, ref)->flags = image.flags & (uint8_t)~DEAD;
    if (!load_texts(join, in, entry_at(join, ref), &image))
        return false;
    for (uint32_t i = 0; i < image.deferrals; i++)
        if (!load_deferral(join, in, ref, same_rules))
            return false;
    if (dead)
        mark_dead(join, ref);
    return true;
}

static bool load_pending(struct bl_join *join, bl_slice *in)
{
    struct pending *p = join->pending[join->pending_n];
    struct image_pending image;
    bl_slice text;

    if (!take_bytes(in, &image, sizeof image) || image.n > PENDING_BYTES ||
        (size_t)image.host_n + image.program_n > image.n || image.zero ||
        !take_slice(in, image.n, &text))
        return false;
    p->key = image.key;
    p->key2 = image.key2;
    p->time_us = image.time_us;
    p->n = image.n;
    p->host_n = image.host_n;
    p->program_n = image.program_n;
    p->next = image.next;
    p->of = image.of;
    memcpy(p->text, text.p, text.n);
    join->pending_n++;
    return true;
}

static bool take_head(bl_slice *in, unsigned shown, struct image_head *head)
{
    return take_bytes(in, head, sizeof *head) && head->magic == IMAGE_MAGIC &&
           head->version == IMAGE_VERSION && head->shown == shown;
}

bool bl_join_is_image(bl_slice image, unsigned shown)
{
    struct image_head head;

    return take_head(&image, shown, &head);
}

static bool load(struct bl_join *join, bl_slice image)
{
    struct image_head head;
    bl_slice in = image;
    bool same_rules;

    if (!take_head(&in, join->shown, &head) || head.checksum != image_checksum(image.p, image.n))
        return false;
    same_rules = head.rules_mark == bl_rules_mark(join->rules);
    for (uint64_t i = 0; i < head.dead; i++)
        if (!load_entry(join, &in, true, same_rules))
            return false;
    for (uint64_t i = 0; i < head.live; i++)
        if (!load_entry(join, &in, false, same_rules))
            return false;
    if (head.pending > BL_JOIN_PENDING_MAX)
        return false;
    for (uint64_t i = 0; i < head.pending; i++)
        if (!load_pending(join, &in))
            return false;
    join->stats.evicted += head.evicted;
    join->stats.text_dropped += head.text_dropped;
    join->stats.unknown = head.unknown;
    join->stats.expired_unknown = head.expired_unknown;
    return in.n == 0;
}

enum bl_code bl_join_load(struct bl_join *join, bl_slice image)
{
    bl_join_clear(join);
    if (load(join, image))
        return BL_OK;
    bl_join_clear(join);
    return BL_BAD_INPUT;
}
