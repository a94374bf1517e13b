/* How the join remembers.
 *
 *   slots (8 bytes each) ──► entry: key, lengths, 217 bytes of text        one per queue id, 256 bytes
 *                              │
 *                              ├─► cells: a text that did not fit inside   64 bytes, chained
 *                              └─► deferral ⇄ deferral ⇄ …                 one cell each, and the
 *                                     └─► cells: recipient, reply, …       texts behind it
 *
 * Sender, message-id, client and user of nearly every message fit into the entry itself, so a line costs
 * the cache line of its slot and those of its entry; both are prefetched some records ahead, which is
 * what makes a hundred thousand live ids as cheap as a hundred.  What is large or rare lives in
 * chained cells: whether a text fits then depends only on how many cells are free, never on where the
 * holes are, and so an image that is loaded behaves exactly as the join it was taken from.
 *
 * Entries stand in one of two lists, live ones by age and removed ones by removal.  The links are an array
 * of their own: neighbours are touched at each removal, and theirs would be cold entries.
 *
 * Bytes per live queue id: 256 + 8 (links) + 16..32 (slots), about 290; per remembered deferral 64 + 64
 * for every 60 bytes of text, about 320, + 8..16 per cell for the slots.  The caps are
 * reserved at the start and cost nothing until they are used. */
#include "bounceline/join.h"

#include "../base/slots.h"
#include "bounceline/hash.h"

enum {
    INLINE_BYTES = 217, /* of text inside an entry */
    REF_BYTES = 4,      /* what stands there instead when the text is in cells */
    CELL_BYTES = 60,
    DEAD_MAX = 1024, /* removed ids that are still known */
    AHEAD_SLOT = 16, /* records between a prefetch and its use */
    AHEAD_ENTRY = 8,
    SENDER_MAX = 512,
    MESSAGE_ID_MAX = 1024,
    SASL_MAX = 256,
    CLIENT_HOST_MAX = 255,
    IP_MAX = 64,
    RECIPIENT_MAX = 1024,
    SERVICE_MAX = 64
};

enum text { CLIENT, SASL, MESSAGE_ID, SENDER, TEXTS };

enum flag {
    HAS_SENDER = 1,
    HAS_MESSAGE_ID = 2,
    QUEUED = 4, /* the queue manager took it: nothing about the message changes any more */
    DEAD = 8,
    FLAGS = 15
};

/* References count from 1; 0 is none. */
struct entry {
    uint64_t key, key2;
    uint32_t first, last; /* deferrals, in order of first appearance */
    uint16_t text_n[TEXTS];
    uint8_t  text_at[TEXTS]; /* where it stands in `bytes`, itself or the reference to its cells */
    uint8_t  used;           /* of `bytes`; no holes */
    uint8_t  flags;
    uint8_t  in_cells; /* one bit per text */
    char     bytes[INLINE_BYTES];
};

struct cell {
    uint32_t next;
    char bytes[CELL_BYTES];
};

/* The texts of a deferral, one behind the other in its cells. */
enum part { RECIPIENT, ORIG, RELAY_HOST, RELAY_IP, SERVICE, REPLY, PARTS };

struct deferral { /* lies in a cell */
    uint32_t text;  /* first cell */
    uint32_t entry;
    uint32_t older, newer;
    uint64_t hash;  /* of the recipient and the key of its entry */
    uint32_t rule;
    uint16_t part_n[PARTS];
    uint16_t category, code, provider;
    uint16_t match_at, match_n;
    bl_status enhanced;
    uint8_t type, action, phase, mta;
};

_Static_assert(sizeof(struct entry) == 256, "four cache lines");
_Static_assert(sizeof(struct cell) == 64, "one cache line");
_Static_assert(sizeof(struct deferral) <= sizeof(struct cell), "a deferral is a cell");

union cell_or_deferral {
    struct cell cell;
    struct deferral deferral;
};

struct link {
    uint32_t older, newer;
};

struct list {
    uint32_t oldest, newest;
    size_t n;
};

struct bl_join {
    const struct bl_rules *rules;
    uint64_t rules_mark; /* which rule set the verdicts belong to */
    uint16_t previously_bounced;
    bool     has_previously_bounced;

    struct bl_slots slots; /* entries, by key */
    struct entry *entries;
    struct link *links;
    size_t entries_cap, dead_cap;
    uint32_t entries_used; /* 1..entries_used were handed out at least once */
    uint32_t free_entry;   /* given back ones, chained by link.newer */
    struct list live, dead;

    struct bl_slots deferral_slots; /* deferrals, by hash */
    union cell_or_deferral *cells;
    size_t cells_cap, cells_free;
    uint32_t cells_used;
    uint32_t free_cell;

    struct bl_join_stats stats;
    bl_event_fn *fn; /* NULL in a warm-up block */
    void *arg;

    void *memory[2]; /* what entries and cells are aligned in */
    char client[CLIENT_HOST_MAX + IP_MAX + 2];
    char texts[TEXTS][MESSAGE_ID_MAX]; /* texts put together from cells, for one event */
    char parts[2 * RECIPIENT_MAX + CLIENT_HOST_MAX + IP_MAX + SERVICE_MAX + BL_JOIN_REPLY_MAX];
};

/* --- set up --- */

/* What a verdict's numbers mean: names of categories, ids of rules, in order. */
static uint64_t mark_rules(const struct bl_rules *rules)
{
    uint64_t mark = 0;

    for (size_t i = 0; i < bl_rules_categories(rules); i++)
        mark = bl_hash64_seeded(bl_rules_category(rules, (uint16_t)i)->name, mark + 1);
    for (size_t i = 0; i < bl_rules_count(rules); i++) {
        const struct bl_rule_info *rule = bl_rules_rule(rules, (uint32_t)i);

        mark = bl_hash64_seeded(rule->id, mark + 1 + rule->category);
    }
    for (size_t i = 0; i < bl_rules_providers(rules); i++)
        mark = bl_hash64_seeded(bl_rules_provider_name(rules, (uint16_t)i), mark + 1);
    return mark;
}

static void use_rules(struct bl_join *join, const struct bl_rules *rules)
{
    join->rules = rules;
    join->rules_mark = mark_rules(rules);
    join->has_previously_bounced =
        bl_rules_find_category(rules, BL_SLICE("previously-bounced"), &join->previously_bounced);
}

/* Element 0 is never used: references count from 1. */
static void *reserve(void **memory, size_t count, size_t bytes)
{
    if (count >= SIZE_MAX / bytes - 2)
        return NULL;
    *memory = bl_malloc((count + 2) * bytes);
    if (!*memory)
        return NULL;
    return (void *)(((uintptr_t)*memory + 63) & ~(uintptr_t)63);
}

static void forget_all(struct bl_join *join)
{
    join->entries_used = 0;
    join->free_entry = 0;
    join->live = join->dead = (struct list){0};
    join->cells_used = 0;
    join->cells_free = join->cells_cap;
    join->free_cell = 0;
    join->stats = (struct bl_join_stats){0};
}

struct bl_join *bl_join_new(const struct bl_rules *rules, size_t entries_cap, size_t text_cap_bytes)
{
    struct bl_join *join = bl_calloc(1, sizeof *join);

    if (!join)
        return NULL;
    join->entries_cap = entries_cap ? entries_cap : 1;
    join->dead_cap = join->entries_cap / 4 < DEAD_MAX ? join->entries_cap / 4 : DEAD_MAX;
    join->cells_cap = text_cap_bytes / sizeof(struct cell);
    join->entries = reserve(&join->memory[0], join->entries_cap, sizeof *join->entries);
    join->cells = reserve(&join->memory[1], join->cells_cap, sizeof *join->cells);
    join->links = bl_malloc((join->entries_cap + 1) * sizeof *join->links);
    /* A deferral takes two cells at least, so half as many slots' things as cells. */
    if (!join->entries || !join->cells || !join->links || !bl_slots_init(&join->slots, join->entries_cap) ||
        !bl_slots_init(&join->deferral_slots, join->cells_cap / 2)) {
        bl_join_free(join);
        return NULL;
    }
    use_rules(join, rules);
    forget_all(join);
    return join;
}

void bl_join_free(struct bl_join *join)
{
    if (!join)
        return;
    bl_slots_release(&join->slots);
    bl_slots_release(&join->deferral_slots);
    bl_free(join->memory[0]);
    bl_free(join->memory[1]);
    bl_free(join->links);
    bl_free(join);
}

/* --- cells --- */

static size_t cells_for(size_t bytes)
{
    return bytes ? (bytes + CELL_BYTES - 1) / CELL_BYTES : 1;
}

/* The caller has looked at cells_free. */
static uint32_t take_cell(struct bl_join *join)
{
    uint32_t ref = join->free_cell;

    join->cells_free--;
    if (ref)
        join->free_cell = join->cells[ref].cell.next;
    else
        ref = ++join->cells_used;
    return ref;
}

static void give_cell(struct bl_join *join, uint32_t ref)
{
    join->cells[ref].cell.next = join->free_cell;
    join->free_cell = ref;
    join->cells_free++;
}

static void give_chain(struct bl_join *join, uint32_t ref)
{
    while (ref) {
        uint32_t next = join->cells[ref].cell.next;

        give_cell(join, ref);
        ref = next;
    }
}

/* Copies the texts, one behind the other, into a new chain; 0 when there is no room. */
static uint32_t put_chain(struct bl_join *join, const bl_slice *texts, size_t n)
{
    size_t bytes = 0, at = 0;
    uint32_t head, ref;

    for (size_t i = 0; i < n; i++)
        bytes += texts[i].n;
    if (cells_for(bytes) > join->cells_free)
        return 0;
    head = ref = take_cell(join);
    for (size_t i = 0; i < n; i++) {
        bl_slice rest = texts[i];

        while (rest.n) {
            size_t step;

            if (at == CELL_BYTES) {
                uint32_t next = take_cell(join);

                join->cells[ref].cell.next = next;
                ref = next;
                at = 0;
            }
            step = rest.n < CELL_BYTES - at ? rest.n : CELL_BYTES - at;
            memcpy(join->cells[ref].cell.bytes + at, rest.p, step);
            at += step;
            rest = bl_slice_drop(rest, step);
        }
    }
    join->cells[ref].cell.next = 0;
    return head;
}

static void read_chain(const struct bl_join *join, uint32_t ref, char *out, size_t n)
{
    while (n) {
        size_t step = n < CELL_BYTES ? n : CELL_BYTES;

        memcpy(out, join->cells[ref].cell.bytes, step);
        ref = join->cells[ref].cell.next;
        out += step;
        n -= step;
    }
}

/* Whether the chain begins with `text`; it holds at least that many bytes. */
static bool chain_starts(const struct bl_join *join, uint32_t ref, bl_slice text)
{
    while (text.n) {
        size_t step = text.n < CELL_BYTES ? text.n : CELL_BYTES;

        if (memcmp(join->cells[ref].cell.bytes, text.p, step) != 0)
            return false;
        ref = join->cells[ref].cell.next;
        text = bl_slice_drop(text, step);
    }
    return true;
}

/* --- texts of an entry --- */

/* memcpy for texts of some ten bytes: gcc, which can see that they are short, makes memcpy `rep movs`, whose
 * start alone costs more than all this.  The last piece overlaps the one before it. */
static inline void copy_short(char *to, const char *from, size_t n)
{
    size_t i = 0;

    if (n >= 16) {
        for (; i + 16 <= n; i += 16)
            memcpy(to + i, from + i, 16);
        memcpy(to + n - 16, from + n - 16, 16);
    } else if (n >= 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else {
        for (; i < n; i++)
            to[i] = from[i];
    }
}

static inline bool is_in_cells(const struct entry *entry, enum text which)
{
    return entry->in_cells & (1u << which);
}

static uint32_t text_chain(const struct entry *entry, enum text which)
{
    uint32_t ref;

    memcpy(&ref, entry->bytes + entry->text_at[which], sizeof ref);
    return ref;
}

/* What stands behind it moves up. */
static void drop_text(struct bl_join *join, struct entry *entry, enum text which)
{
    size_t at = entry->text_at[which], n = entry->text_n[which];

    if (n == 0)
        return;
    if (is_in_cells(entry, which)) {
        give_chain(join, text_chain(entry, which));
        n = REF_BYTES;
    }
    memmove(entry->bytes + at, entry->bytes + at + n, entry->used - at - n);
    for (unsigned i = 0; i < TEXTS; i++)
        if (entry->text_at[i] > at)
            entry->text_at[i] = (uint8_t)(entry->text_at[i] - n);
    entry->used = (uint8_t)(entry->used - n);
    entry->text_n[which] = 0;
    entry->in_cells &= (uint8_t)~(1u << which);
}

static inline void append_text(struct entry *entry, enum text which, const char *p, size_t n)
{
    copy_short(entry->bytes + entry->used, p, n);
    entry->text_at[which] = entry->used;
    entry->used = (uint8_t)(entry->used + n);
}

static bool keep_in_cells(struct bl_join *join, struct entry *entry, enum text which, bl_slice text)
{
    uint32_t ref = put_chain(join, &text, 1);
    char bytes[REF_BYTES];

    if (!ref) {
        join->stats.text_dropped++;
        return false;
    }
    memcpy(bytes, &ref, sizeof bytes);
    append_text(entry, which, bytes, sizeof bytes);
    entry->text_n[which] = (uint16_t)text.n;
    entry->in_cells |= (uint8_t)(1u << which);
    return true;
}

/* Room for a reference of each text is always left, so every text can go into cells. */
static inline bool fits_inline(const struct entry *entry, size_t n)
{
    size_t used = entry->used;

    for (unsigned i = 0; entry->in_cells >> i; i++)
        used -= entry->in_cells >> i & 1 ? REF_BYTES : 0;
    return used + n <= INLINE_BYTES - TEXTS * REF_BYTES;
}

/* False when there was no room; the text is then absent. */
static inline bool set_text(struct bl_join *join, struct entry *entry, enum text which, bl_slice text)
{
    if (entry->text_n[which])
        drop_text(join, entry, which);
    if (text.n == 0)
        return true;
    if (!fits_inline(entry, text.n))
        return keep_in_cells(join, entry, which, text);
    append_text(entry, which, text.p, text.n);
    entry->text_n[which] = (uint16_t)text.n;
    return true;
}

static bool text_equals(const struct bl_join *join, const struct entry *entry, enum text which, bl_slice text)
{
    if (entry->text_n[which] != text.n)
        return false;
    if (is_in_cells(entry, which))
        return chain_starts(join, text_chain(entry, which), text);
    return text.n == 0 || memcmp(entry->bytes + entry->text_at[which], text.p, text.n) == 0;
}

static inline bl_slice text_of(struct bl_join *join, const struct entry *entry, enum text which)
{
    size_t n = entry->text_n[which];

    if (!is_in_cells(entry, which))
        return (bl_slice){entry->bytes + entry->text_at[which], n};
    read_chain(join, text_chain(entry, which), join->texts[which], n);
    return (bl_slice){join->texts[which], n};
}

static void forget_texts(struct bl_join *join, struct entry *entry)
{
    for (unsigned i = 0; entry->in_cells; i++)
        if (is_in_cells(entry, (enum text)i))
            drop_text(join, entry, (enum text)i);
    memset(entry->text_n, 0, sizeof entry->text_n);
    entry->used = 0;
}

/* --- deferrals --- */

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static uint64_t hash_recipient(const struct entry *entry, bl_slice recipient)
{
    return bl_hash64_seeded(recipient, entry->key);
}

static uint32_t find_deferral(const struct bl_join *join, uint32_t owner, bl_slice recipient)
{
    uint64_t hash = hash_recipient(&join->entries[owner], recipient);
    uint32_t at = bl_slots_home(&join->deferral_slots, tag_of(hash)), ref;

    while ((ref = bl_slots_next(&join->deferral_slots, tag_of(hash), &at)) != 0) {
        const struct deferral *d = &join->cells[ref].deferral;

        if (d->hash == hash && d->entry == owner && d->part_n[RECIPIENT] == recipient.n &&
            chain_starts(join, d->text, recipient))
            return ref;
    }
    return 0;
}

static void forget_deferral(struct bl_join *join, uint32_t ref)
{
    struct deferral *d = &join->cells[ref].deferral;
    struct entry *entry = &join->entries[d->entry];

    *(d->older ? &join->cells[d->older].deferral.newer : &entry->first) = d->newer;
    *(d->newer ? &join->cells[d->newer].deferral.older : &entry->last) = d->older;
    bl_slots_remove(&join->deferral_slots, tag_of(d->hash), ref);
    give_chain(join, d->text);
    give_cell(join, ref);
}

static void forget_deferrals(struct bl_join *join, struct entry *entry)
{
    while (entry->first)
        forget_deferral(join, entry->first);
}

static void append_deferral(struct bl_join *join, uint32_t owner, uint32_t ref)
{
    struct entry *entry = &join->entries[owner];
    struct deferral *d = &join->cells[ref].deferral;

    d->entry = owner;
    d->older = entry->last;
    d->newer = 0;
    *(entry->last ? &join->cells[entry->last].deferral.newer : &entry->first) = ref;
    entry->last = ref;
    bl_slots_put(&join->deferral_slots, tag_of(d->hash), ref);
}

/* When everything does not fit, the recipient alone: that an expiry is attributed matters more than the
 * wording of its reason. */
static uint32_t put_parts(struct bl_join *join, bl_slice parts[PARTS], size_t cells_besides)
{
    size_t bytes = 0;

    for (size_t i = 0; i < PARTS; i++)
        bytes += parts[i].n;
    if (cells_for(bytes) + cells_besides > join->cells_free) {
        join->stats.text_dropped++;
        for (size_t i = RECIPIENT + 1; i < PARTS; i++)
            parts[i] = (bl_slice){0};
        if (cells_for(parts[RECIPIENT].n) + cells_besides > join->cells_free)
            return 0;
    }
    return put_chain(join, parts, PARTS);
}

static void copy_verdict(struct deferral *d, const bl_verdict *verdict)
{
    bool kept = verdict->match_n <= d->part_n[REPLY] &&
                verdict->match_at <= (uint32_t)(d->part_n[REPLY] - verdict->match_n);

    d->rule = verdict->rule;
    d->category = verdict->category;
    d->type = verdict->type;
    d->action = verdict->action;
    d->match_at = kept ? (uint16_t)verdict->match_at : 0;
    d->match_n = kept ? (uint16_t)verdict->match_n : 0;
}

static void remember_deferral(struct bl_join *join, uint32_t owner, const bl_record *record)
{
    bl_slice parts[PARTS] = {
        [RECIPIENT] = record->recipient,
        [ORIG] = record->orig_recipient.n > RECIPIENT_MAX ? (bl_slice){0} : record->orig_recipient,
        [RELAY_HOST] = bl_slice_head(record->peer_host, CLIENT_HOST_MAX),
        [RELAY_IP] = bl_slice_head(record->peer_ip, IP_MAX),
        [SERVICE] = bl_slice_head(record->service, SERVICE_MAX),
        [REPLY] = bl_slice_head(record->text, BL_JOIN_REPLY_MAX),
    };
    struct deferral *d;
    uint32_t ref, text;

    if (record->recipient.n > RECIPIENT_MAX) {
        join->stats.text_dropped++;
        return;
    }
    ref = find_deferral(join, owner, record->recipient);
    if (ref)
        give_chain(join, join->cells[ref].deferral.text);
    text = put_parts(join, parts, ref ? 0 : 1);
    if (!text)
        return; /* only a new one: what a known one gave back holds its recipient */
    if (!ref) {
        ref = take_cell(join);
        join->cells[ref].deferral.hash = hash_recipient(&join->entries[owner], record->recipient);
        append_deferral(join, owner, ref);
    }
    d = &join->cells[ref].deferral;
    d->text = text;
    for (size_t i = 0; i < PARTS; i++)
        d->part_n[i] = (uint16_t)parts[i].n;
    d->code = record->code;
    d->provider = record->provider;
    d->enhanced = record->enhanced;
    d->phase = record->phase;
    d->mta = record->mta;
    copy_verdict(d, &record->verdict);
}

/* --- entries --- */

static uint32_t find_entry(const struct bl_join *join, const bl_record *record)
{
    uint32_t at = bl_slots_home(&join->slots, tag_of(record->key)), ref;

    while ((ref = bl_slots_next(&join->slots, tag_of(record->key), &at)) != 0) {
        const struct entry *entry = &join->entries[ref];

        if (entry->key == record->key && entry->key2 == record->key2)
            return ref;
    }
    return 0;
}

static void append(struct bl_join *join, struct list *list, uint32_t ref)
{
    join->links[ref] = (struct link){.older = list->newest};
    *(list->newest ? &join->links[list->newest].newer : &list->oldest) = ref;
    list->newest = ref;
    list->n++;
}

static void take_out(struct bl_join *join, struct list *list, uint32_t ref)
{
    struct link link = join->links[ref];

    *(link.older ? &join->links[link.older].newer : &list->oldest) = link.newer;
    *(link.newer ? &join->links[link.newer].older : &list->newest) = link.older;
    list->n--;
}

static struct list *list_of(struct bl_join *join, const struct entry *entry)
{
    return entry->flags & DEAD ? &join->dead : &join->live;
}

/* Gives back everything outside the entry and makes it know nothing. */
static void empty(struct bl_join *join, struct entry *entry)
{
    if (entry->first)
        forget_deferrals(join, entry);
    forget_texts(join, entry);
    entry->flags = 0;
}

static void forget_entry(struct bl_join *join, uint32_t ref)
{
    struct entry *entry = &join->entries[ref];

    take_out(join, list_of(join, entry), ref);
    empty(join, entry);
    bl_slots_remove(&join->slots, tag_of(entry->key), ref);
    join->links[ref].newer = join->free_entry;
    join->free_entry = ref;
}

/* Removed ids go first, then live ones, the oldest of each. */
static void make_room(struct bl_join *join)
{
    if (join->free_entry || join->entries_used < join->entries_cap)
        return;
    join->stats.evicted += join->dead.oldest == 0;
    forget_entry(join, join->dead.oldest ? join->dead.oldest : join->live.oldest);
}

/* What the next message will be written into. */
static inline void prefetch_free(const struct bl_join *join)
{
    const char *entry = (const char *)&join->entries[join->free_entry];

    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 64);
    __builtin_prefetch(entry + 128);
}

static uint32_t create_entry(struct bl_join *join, uint64_t key, uint64_t key2)
{
    struct entry *entry;
    uint32_t ref;

    make_room(join);
    ref = join->free_entry;
    if (ref) {
        join->free_entry = join->links[ref].newer;
        prefetch_free(join);
    } else {
        ref = ++join->entries_used;
    }
    entry = &join->entries[ref];
    entry->key = key;
    entry->key2 = key2;
    entry->first = entry->last = 0;
    memset(entry->text_n, 0, sizeof entry->text_n);
    entry->used = entry->flags = entry->in_cells = 0;
    append(join, &join->live, ref);
    bl_slots_put(&join->slots, tag_of(key), ref);
    return ref;
}

/* The id names a new message from here on; `ref` is what was known under it, or 0. */
static struct entry *start_afresh(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    struct entry *entry;

    if (!ref)
        return &join->entries[create_entry(join, record->key, record->key2)];
    entry = &join->entries[ref];
    take_out(join, list_of(join, entry), ref);
    empty(join, entry);
    append(join, &join->live, ref);
    return entry;
}

static bool is_live(const struct bl_join *join, uint32_t ref)
{
    return ref && !(join->entries[ref].flags & DEAD);
}

static void set_sender(struct bl_join *join, struct entry *entry, bl_slice sender)
{
    entry->flags &= (uint8_t)~HAS_SENDER;
    if (set_text(join, entry, SENDER, bl_slice_head(sender, SENDER_MAX)))
        entry->flags |= HAS_SENDER;
}

/* --- events --- */

/* "host[ip]", as logs write it. */
static bl_slice client_text(struct bl_join *join, const bl_record *record)
{
    bl_slice host = bl_slice_head(record->peer_host, CLIENT_HOST_MAX);
    bl_slice ip = bl_slice_head(record->peer_ip, IP_MAX);
    size_t n = host.n;

    if (ip.n == 0)
        return host;
    copy_short(join->client, host.p, host.n);
    join->client[n++] = '[';
    copy_short(join->client + n, ip.p, ip.n);
    n += ip.n;
    join->client[n++] = ']';
    return (bl_slice){join->client, n};
}

static bl_slice instance_of(bl_slice service)
{
    return bl_slice_head(service, bl_slice_find_byte(service, '/'));
}

/* The line itself, its recipient and result.  Field by field and every field, since this is done for each
 * delivery and an event is too large to be cleared first. */
static inline void set_event(bl_event *event, const bl_record *record, enum bl_outcome outcome)
{
    event->time_us = record->time_us;
    event->mta = record->mta;
    event->outcome = outcome;
    event->attempt = !(record->flags & BL_RECORD_NO_ATTEMPT);
    event->has_sender = record->flags & BL_RECORD_HAS_SENDER;
    event->failed =
        outcome == BL_DEFERRED || outcome == BL_BOUNCED || outcome == BL_REJECTED || outcome == BL_DROPPED;
    event->phase = record->phase;
    event->code = record->code;
    event->provider = record->provider;
    event->enhanced = record->enhanced;
    event->verdict = record->verdict;
    event->delay_ms = record->delay_ms;
    event->host = record->host;
    event->service = record->service;
    event->instance = instance_of(record->service);
    event->queue_id = record->queue_id;
    event->sender = event->has_sender ? record->sender : (bl_slice){0};
    event->message_id = event->client = event->sasl_user = (bl_slice){0};
    event->recipient = record->recipient;
    event->orig_recipient = record->orig_recipient;
    event->relay_host = event->relay_ip = (bl_slice){0};
    event->reply = record->text;
}

/* A sender on the line itself counts for more. */
static inline void add_known(struct bl_join *join, bl_event *event, const struct entry *entry)
{
    if (!event->has_sender) {
        event->has_sender = entry->flags & HAS_SENDER;
        event->sender = text_of(join, entry, SENDER);
    }
    event->message_id = text_of(join, entry, MESSAGE_ID);
    event->client = text_of(join, entry, CLIENT);
    event->sasl_user = text_of(join, entry, SASL);
}

static void emit_delivery(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    bool dropped = record->outcome == BL_BOUNCED && join->has_previously_bounced &&
                   record->verdict.category == join->previously_bounced;
    bl_event event;

    set_event(&event, record, dropped ? BL_DROPPED : record->outcome);
    event.relay_host = record->peer_host;
    event.relay_ip = record->peer_ip;
    if (ref)
        add_known(join, &event, &join->entries[ref]);
    else
        join->stats.unknown++;
    join->fn(join->arg, &event);
}

/* An expiry names a sender, but what the join knows of it was logged in the same way, earlier; and the
 * line has no result, since that is what `d` remembers. */
static bl_event expiry_of(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    bl_event event = {
        .time_us = record->time_us,
        .mta = record->mta,
        .outcome = BL_EXPIRED,
        .attempt = true,
        .delay_ms = -1,
        .host = record->host,
        .service = record->service,
        .instance = instance_of(record->service),
        .queue_id = record->queue_id,
    };

    if (ref)
        add_known(join, &event, &join->entries[ref]);
    if (!event.has_sender && record->flags & BL_RECORD_HAS_SENDER) {
        event.has_sender = true;
        event.sender = record->sender;
    }
    return event;
}

static void emit_expired(struct bl_join *join, uint32_t ref, const bl_record *record, const struct deferral *d)
{
    bl_event event = expiry_of(join, ref, record);
    bl_slice part[PARTS];
    size_t at = 0;

    for (size_t i = 0; i < PARTS; i++) {
        part[i] = (bl_slice){join->parts + at, d->part_n[i]};
        at += d->part_n[i];
    }
    read_chain(join, d->text, join->parts, at);
    event.failed = true;
    event.phase = d->phase;
    event.code = d->code;
    event.provider = d->provider;
    event.enhanced = d->enhanced;
    event.verdict = (bl_verdict){d->category, d->type, d->action, d->rule, d->match_at, d->match_n};
    if (part[SERVICE].n) {
        event.service = part[SERVICE];
        event.instance = instance_of(part[SERVICE]);
    }
    event.recipient = part[RECIPIENT];
    event.orig_recipient = part[ORIG];
    event.relay_host = part[RELAY_HOST];
    event.relay_ip = part[RELAY_IP];
    event.reply = part[REPLY];
    join->fn(join->arg, &event);
}

/* Nobody is known to have been waiting: one event without a recipient, so that it is not lost. */
static void emit_expired_unknown(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    bl_event event = expiry_of(join, ref, record);

    join->stats.expired_unknown++;
    join->fn(join->arg, &event);
}

static void emit_reject(struct bl_join *join, const bl_record *record)
{
    uint32_t ref = record->flags & BL_RECORD_ONE_SHOT ? 0 : find_entry(join, record);
    bl_event event;

    set_event(&event, record, BL_REJECTED);
    if (ref)
        add_known(join, &event, &join->entries[ref]);
    if (record->peer_host.n || record->peer_ip.n)
        event.client = client_text(join, record);
    join->fn(join->arg, &event);
}

/* --- records --- */

static void take_open(struct bl_join *join, const bl_record *record)
{
    struct entry *entry = start_afresh(join, find_entry(join, record), record);

    set_text(join, entry, CLIENT, client_text(join, record));
    if (record->text.n)
        set_text(join, entry, SASL, bl_slice_head(record->text, SASL_MAX));
    if (record->flags & BL_RECORD_HAS_SENDER)
        set_sender(join, entry, record->sender);
}

/* cleanup logs the id once.  Before the queue manager has the message a second one may be a resent header;
 * behind that, another id is another message whose `removed` we never saw. */
static void take_message_id(struct bl_join *join, const bl_record *record)
{
    bl_slice id = bl_slice_head(record->text, MESSAGE_ID_MAX);
    uint32_t ref = find_entry(join, record);
    struct entry *entry = ref ? &join->entries[ref] : NULL;

    if (!is_live(join, ref))
        entry = start_afresh(join, ref, record);
    else if (entry->flags & QUEUED && entry->flags & HAS_MESSAGE_ID && !text_equals(join, entry, MESSAGE_ID, id))
        entry = start_afresh(join, ref, record);
    else if (entry->flags & HAS_MESSAGE_ID && text_equals(join, entry, MESSAGE_ID, id))
        return;
    if (set_text(join, entry, MESSAGE_ID, id))
        entry->flags |= HAS_MESSAGE_ID;
}

/* Logged at each retry, always with the same sender: another one is another message. */
static void take_queued(struct bl_join *join, const bl_record *record)
{
    bl_slice sender = bl_slice_head(record->sender, SENDER_MAX);
    uint32_t ref = find_entry(join, record);
    struct entry *entry = ref ? &join->entries[ref] : NULL;
    bool same;

    if (!is_live(join, ref)) {
        entry = start_afresh(join, ref, record);
        same = false;
    } else {
        same = entry->flags & HAS_SENDER && text_equals(join, entry, SENDER, sender);
        if (!same && entry->flags & QUEUED && entry->flags & HAS_SENDER)
            entry = start_afresh(join, ref, record);
    }
    if (!same)
        set_sender(join, entry, sender);
    entry->flags |= QUEUED;
}

static void take_delivery(struct bl_join *join, const bl_record *record)
{
    uint32_t ref = find_entry(join, record);

    if (join->fn)
        emit_delivery(join, ref, record);
    if (record->outcome == BL_DEFERRED) {
        if (!ref)
            ref = create_entry(join, record->key, record->key2);
        if (is_live(join, ref))
            remember_deferral(join, ref, record);
    } else if (ref && join->entries[ref].first) {
        uint32_t deferral = find_deferral(join, ref, record->recipient);

        if (deferral)
            forget_deferral(join, deferral);
    }
}

static void take_expired(struct bl_join *join, const bl_record *record)
{
    uint32_t ref = find_entry(join, record);
    struct entry *entry = ref ? &join->entries[ref] : NULL;

    if (!entry || !entry->first) {
        if (join->fn)
            emit_expired_unknown(join, ref, record);
        return;
    }
    while (entry->first) {
        if (join->fn)
            emit_expired(join, ref, record, &join->cells[entry->first].deferral);
        forget_deferral(join, entry->first);
    }
}

static void mark_dead(struct bl_join *join, uint32_t ref)
{
    struct entry *entry = &join->entries[ref];

    if (entry->first)
        forget_deferrals(join, entry);
    take_out(join, &join->live, ref);
    append(join, &join->dead, ref);
    entry->flags |= DEAD;
    if (join->dead.n > join->dead_cap)
        forget_entry(join, join->dead.oldest);
}

static void take_removed(struct bl_join *join, const bl_record *record)
{
    uint32_t ref = find_entry(join, record);

    if (is_live(join, ref))
        mark_dead(join, ref);
}

static void take(struct bl_join *join, const bl_record *record)
{
    switch ((enum bl_record_kind)record->kind) {
    case BL_RECORD_OPEN:
        take_open(join, record);
        break;
    case BL_RECORD_MESSAGE_ID:
        take_message_id(join, record);
        break;
    case BL_RECORD_QUEUED:
        take_queued(join, record);
        break;
    case BL_RECORD_DELIVERY:
        take_delivery(join, record);
        break;
    case BL_RECORD_EXPIRED:
        take_expired(join, record);
        break;
    case BL_RECORD_REMOVED:
        take_removed(join, record);
        break;
    case BL_RECORD_REJECT:
        if (join->fn)
            emit_reject(join, record);
        break;
    }
}

/* The slot was prefetched earlier.  The entry is mostly in its home slot, else in the next; guessing so
 * costs no branch, and a wrong guess only a prefetch. */
static inline void prefetch_entry(const struct bl_join *join, const bl_record *record)
{
    uint32_t tag = tag_of(record->key), home = bl_slots_home(&join->slots, tag);
    const struct bl_slot *slot = &join->slots.v[home], *next = &join->slots.v[(home + 1) & join->slots.mask];
    uint32_t ref = slot->tag == tag ? slot->ref : next->ref;
    const char *entry = (const char *)&join->entries[ref];
    size_t more = record->kind == BL_RECORD_DELIVERY ? 64 : 0; /* its event shows the texts */

    __builtin_prefetch(entry);
    __builtin_prefetch(entry + more);
    __builtin_prefetch(entry + 2 * more);
    __builtin_prefetch(&join->links[ref]);
}

void bl_join_block(struct bl_join *join, const struct bl_block *block, bl_event_fn *fn, void *arg)
{
    const bl_record *record = block->records;
    size_t n = block->records_n;

    join->fn = block->warm_up ? NULL : fn;
    join->arg = arg;
    for (size_t i = 0; i < n && i < AHEAD_SLOT; i++)
        bl_slots_prefetch(&join->slots, tag_of(record[i].key));
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD_SLOT < n)
            bl_slots_prefetch(&join->slots, tag_of(record[i + AHEAD_SLOT].key));
        if (i + AHEAD_ENTRY < n)
            prefetch_entry(join, &record[i + AHEAD_ENTRY]);
        take(join, &record[i]);
    }
}

struct bl_join_stats bl_join_stats(const struct bl_join *join)
{
    struct bl_join_stats stats = join->stats;

    stats.live = join->live.n;
    return stats;
}

/* Thing by thing: costs what is in it, not what would fit. */
void bl_join_clear(struct bl_join *join)
{
    while (join->dead.oldest)
        forget_entry(join, join->dead.oldest);
    while (join->live.oldest)
        forget_entry(join, join->live.oldest);
    forget_all(join);
}

/* --- rules --- */

/* The verdict that the rules at hand give to the reply as it was kept. */
static void classify_again(struct bl_join *join, struct deferral *d)
{
    bl_reply reply = {.code = d->code, .enhanced = d->enhanced, .wrapper = d->enhanced, .phase = d->phase};
    bl_verdict verdict;
    size_t at = 0, host_at = 0;

    for (size_t i = 0; i < PARTS; i++) {
        host_at += i < RELAY_HOST ? d->part_n[i] : 0;
        at += d->part_n[i];
    }
    read_chain(join, d->text, join->parts, at);
    reply.relay_host = (bl_slice){join->parts + host_at, d->part_n[RELAY_HOST]};
    reply.text = (bl_slice){join->parts + at - d->part_n[REPLY], d->part_n[REPLY]};
    verdict = bl_classify(join->rules, &reply);
    copy_verdict(d, &verdict);
    d->provider = bl_rules_provider(join->rules, reply.relay_host);
}

void bl_join_set_rules(struct bl_join *join, const struct bl_rules *rules)
{
    use_rules(join, rules);
    for (uint32_t ref = join->live.oldest; ref; ref = join->links[ref].newer)
        for (uint32_t d = join->entries[ref].first; d; d = join->cells[d].deferral.newer)
            classify_again(join, &join->cells[d].deferral);
}

/* --- image ---
 *
 * A header, then the entries: removed ones in order of removal, live ones by age.  Loading them in that
 * order through the ordinary way in brings back both lists.  Numbers are as this machine has them: the
 * file never leaves it, and the magic tells another byte order. */

enum { IMAGE_VERSION = 1 };
static const uint64_t IMAGE_MAGIC = 0x6e696f6a2d6c62; /* "bl-join" */

struct image_head {
    uint64_t magic, checksum; /* of everything behind the checksum */
    uint64_t version, rules_mark, dead, live;
    uint64_t evicted, text_dropped, unknown, expired_unknown;
};

struct image_entry {
    uint64_t key, key2;
    uint32_t deferrals;
    uint16_t text_n[TEXTS];
    uint8_t  flags, in_cells;
    uint16_t zero;
};

struct image_deferral {
    uint32_t rule;
    uint16_t part_n[PARTS];
    uint16_t category, code, provider, match_at, match_n, enhanced[3];
    uint8_t  type, action, phase, mta;
};

_Static_assert(sizeof(struct image_entry) == 32, "no padding");
_Static_assert(sizeof(struct image_deferral) == 36, "no padding");

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
    size_t bytes = 0;

    for (size_t i = 0; i < PARTS; i++) {
        image.part_n[i] = d->part_n[i];
        bytes += d->part_n[i];
    }
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

/* No deferral's image is larger than the cells it takes, so this is enough without a walk. */
static size_t image_bound(const struct bl_join *join)
{
    return sizeof(struct image_head) + (join->live.n + join->dead.n) * (sizeof(struct image_entry) + INLINE_BYTES) +
           (join->cells_cap - join->cells_free) * sizeof(struct cell);
}

enum bl_code bl_join_save(const struct bl_join *join, char **out, size_t *out_n)
{
    struct image_head head = {
        .magic = IMAGE_MAGIC,
        .version = IMAGE_VERSION,
        .rules_mark = join->rules_mark,
        .dead = join->dead.n,
        .live = join->live.n,
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
        at = put_entry(join, at, &join->entries[ref]);
    for (uint32_t ref = join->live.oldest; ref; ref = join->links[ref].newer)
        at = put_entry(join, at, &join->entries[ref]);
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
    return image->type <= BL_HARD && image->action <= BL_ACTION_SUPPRESS && image->phase < BL_PHASES &&
           image->mta >= BL_MTA_POSTFIX && image->mta <= BL_MTA_EXIM && image->code <= 999 &&
           image->match_at + image->match_n <= image->part_n[REPLY];
}

/* Numbers that are about to be used as indexes of the rule set. */
static bool verdict_is_sound(const struct bl_join *join, const struct image_deferral *image)
{
    return image->category < bl_rules_categories(join->rules) && image->rule < bl_rules_count(join->rules) &&
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
    record.verdict = (bl_verdict){image.category, image.type, image.action, image.rule, image.match_at, image.match_n};
    remember_deferral(join, owner, &record);
    if (!same_rules) {
        uint32_t ref = find_deferral(join, owner, part[RECIPIENT]);

        if (ref)
            classify_again(join, &join->cells[ref].deferral);
    }
    return true;
}

static bool load_texts(struct bl_join *join, bl_slice *in, struct entry *entry, const struct image_entry *image)
{
    static const uint16_t most[TEXTS] = {CLIENT_HOST_MAX + IP_MAX + 2, SASL_MAX, MESSAGE_ID_MAX, SENDER_MAX};
    bl_slice text;

    for (unsigned i = 0; i < TEXTS; i++) {
        bool in_cells = image->in_cells & (1u << i);

        if (image->text_n[i] > most[i] || (in_cells && image->text_n[i] == 0) ||
            !take_slice(in, image->text_n[i], &text))
            return false;
        if (in_cells) {
            if (!keep_in_cells(join, entry, (enum text)i, text))
                entry->flags &= (uint8_t)~(i == SENDER ? HAS_SENDER : i == MESSAGE_ID ? HAS_MESSAGE_ID : 0);
        } else {
            if (!fits_inline(entry, text.n))
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
    join->entries[ref].flags = image.flags & (uint8_t)~DEAD;
    if (!load_texts(join, in, &join->entries[ref], &image))
        return false;
    for (uint32_t i = 0; i < image.deferrals; i++)
        if (!load_deferral(join, in, ref, same_rules))
            return false;
    if (dead)
        mark_dead(join, ref);
    return true;
}

static bool load(struct bl_join *join, bl_slice image)
{
    struct image_head head;
    bl_slice in = image;
    bool same_rules;

    if (!take_bytes(&in, &head, sizeof head) || head.magic != IMAGE_MAGIC || head.version != IMAGE_VERSION ||
        head.checksum != image_checksum(image.p, image.n))
        return false;
    same_rules = head.rules_mark == join->rules_mark;
    for (uint64_t i = 0; i < head.dead; i++)
        if (!load_entry(join, &in, true, same_rules))
            return false;
    for (uint64_t i = 0; i < head.live; i++)
        if (!load_entry(join, &in, false, same_rules))
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
