/* join_parts.h -- what the join is made of: entries, their texts, deferrals, cells
 *
 * Private to join.c, which turns records into events with it, and join_image.c, which saves and
 * loads it.
 *
 *   slots (8 bytes each) --> entry: key, lengths, texts     one per queue id, 128, 192 or 256 bytes
 *                             |
 *                             +--> cells: a text that did not fit        64 bytes, chained
 *                             +--> deferral <-> deferral <-> ...         one cell each, and behind
 *                                    +--> cells: recipient, reply, ...   it its texts
 *
 * The texts that events show of nearly every message fit into the entry itself, so a line
 * costs the cache line of its slot and those of its entry, both prefetched some records ahead: what
 * limits a large queue is how many lines memory hands out, not how long it takes for one.  So an
 * entry is as small as what is shown allows.  What is large or rare lives in chained cells: whether
 * a text fits then depends only on how many cells are free, never on where the holes are, and so an
 * image that is loaded behaves exactly as the join it was taken from.
 *
 * Entries stand in one of two lists, live ones by age and removed ones by removal.  The links are
 * an array of their own: neighbours are touched at each removal, and theirs would be cold entries.
 *
 * Bytes per live queue id: 256 (or less) + 8 (links) + 16..32 (slots), about 290; per remembered
 * deferral 64 + 64 for every 60 bytes of text, about 320, + 8..16 per cell for the slots.  The caps
 * are reserved at the start and cost nothing until they are used. */
#ifndef BL_JOIN_PARTS_H
#define BL_JOIN_PARTS_H

#include "../base/slots.h"
#include "bounceline/hash.h"
#include "bounceline/join.h"

enum {
    REF_BYTES = 4, /* what stands there instead when the text is in cells */
    CELL_BYTES = 60,
    DEAD_MAX = 256,    /* removed ids that are still known; each more is one more line of memory
                          between two uses */
    AHEAD_RECORD = 40, /* records between a prefetch and its use */
    AHEAD_SLOT = 16,
    AHEAD_TEXT = 12,
    AHEAD_ENTRY = 8,
    ADDRESS_AT = 30, /* about so far behind its queue id a line has an address */
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
    FLAGS = 15,
    FREE = 16 /* nobody's, whatever its key says */
};

/* References count from 1; 0 is none. */
struct entry {
    uint64_t key, key2;
    uint32_t first, last; /* deferrals, in order of first appearance */
    uint16_t text_n[TEXTS];
    uint8_t text_at[TEXTS]; /* where it stands in `bytes`, itself or the reference to its cells */
    uint8_t used;           /* of `bytes`; no holes */
    uint8_t flags;
    uint8_t in_cells; /* one bit per text */
    char bytes[];
};

struct cell {
    uint32_t next;
    char bytes[CELL_BYTES];
};

/* The texts of a deferral, one behind the other in its cells. */
enum part { RECIPIENT, ORIG, RELAY_HOST, RELAY_IP, SERVICE, REPLY, PARTS };

struct deferral {  /* lies in a cell */
    uint32_t text; /* first cell */
    uint32_t entry;
    uint32_t older, newer;
    uint64_t hash;     /* of the recipient and the key of its entry */
    uint32_t text_end; /* last cell */
    uint32_t rule;
    uint16_t part_n[PARTS];
    uint16_t category, code, provider;
    uint16_t match_at, match_n;
    bl_status enhanced;
    uint8_t type, action, phase, mta;
};

_Static_assert(sizeof(struct cell) == 64, "one cache line");
_Static_assert(sizeof(struct deferral) <= sizeof(struct cell), "a deferral is a cell");

union cell_or_deferral {
    struct cell cell;
    struct deferral deferral;
};

enum { PENDING_BYTES = 16384 }; /* Exim's own limit for a record is half of it */

struct pending { /* join_pending.h */
    uint64_t key, key2;
    int64_t time_us; /* of the first piece */
    uint32_t n;
    uint16_t host_n, program_n, next, of;
    char text[PENDING_BYTES]; /* host, program, line */
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
    uint16_t previously_bounced;
    bool has_previously_bounced;

    struct bl_slots slots; /* entries, by key */
    char *entries;         /* of entry_bytes each */
    size_t entry_bytes, inline_bytes;
    unsigned shown; /* enum bl_shown */
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

    /* the oldest first; behind pending_n the free ones */
    struct pending *pending[BL_JOIN_PENDING_MAX];
    struct pending *pending_memory;
    size_t pending_n;
    char line[PENDING_BYTES], respelled[PENDING_BYTES]; /* of the one that is being read */

    char client[CLIENT_HOST_MAX + IP_MAX + 2];
    char instance[SERVICE_MAX]; /* of the last event, and the slash behind it */
    size_t instance_n;
    char texts[TEXTS][MESSAGE_ID_MAX]; /* texts put together from cells, for one event */
    char parts[2 * RECIPIENT_MAX + CLIENT_HOST_MAX + IP_MAX + SERVICE_MAX + BL_JOIN_REPLY_MAX];
};

static inline struct entry *entry_at(const struct bl_join *join, uint32_t ref)
{
    return (struct entry *)(void *)(join->entries + ref * join->entry_bytes);
}

/* --- cells --- */

static inline size_t cells_for(size_t bytes)
{
    return bytes ? (bytes + CELL_BYTES - 1) / CELL_BYTES : 1;
}

/* The caller has looked at cells_free. */
static inline uint32_t take_cell(struct bl_join *join)
{
    uint32_t ref = join->free_cell;

    join->cells_free--;
    if (ref)
        join->free_cell = join->cells[ref].cell.next;
    else
        ref = ++join->cells_used;
    return ref;
}

static inline void give_cell(struct bl_join *join, uint32_t ref)
{
    join->cells[ref].cell.next = join->free_cell;
    join->free_cell = ref;
    join->cells_free++;
}

/* The whole chain at once: what lies between its ends is not looked at, since it is cold by now. */
static inline void give_long_chain(struct bl_join *join, uint32_t first, uint32_t last,
                                   size_t bytes)
{
    join->cells[last].cell.next = join->free_cell;
    join->free_cell = first;
    join->cells_free += cells_for(bytes);
}

static inline void give_chain(struct bl_join *join, uint32_t ref)
{
    while (ref) {
        uint32_t next = join->cells[ref].cell.next;

        give_cell(join, ref);
        ref = next;
    }
}

/* Copies the texts, one behind the other, into a new chain; 0 when there is no room. */
static inline uint32_t put_chain(struct bl_join *join, const bl_slice *texts, size_t n,
                                 uint32_t *last)
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
    *last = ref;
    return head;
}

static inline void read_chain(const struct bl_join *join, uint32_t ref, char *out, size_t n)
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
static inline bool chain_starts(const struct bl_join *join, uint32_t ref, bl_slice text)
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

/* memcpy for texts of some ten bytes: gcc, which can see that they are short, makes memcpy `rep
 * movs`, whose start alone costs more than all this.  The last piece overlaps the one before it. */
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

static inline uint32_t text_chain(const struct entry *entry, enum text which)
{
    uint32_t ref;

    memcpy(&ref, entry->bytes + entry->text_at[which], sizeof ref);
    return ref;
}

/* What stands behind it moves up. */
static inline void drop_text(struct bl_join *join, struct entry *entry, enum text which)
{
    size_t at = entry->text_at[which], n = entry->text_n[which];

    if (n == 0)
        return;
    if (is_in_cells(entry, which)) {
        give_chain(join, text_chain(entry, which));
        n = REF_BYTES;
    }
    memmove(entry->bytes + at, entry->bytes + at + n, entry->used - at - n);
    entry->text_at[which] = 0;
    for (unsigned i = 0; i < TEXTS; i++)
        if (entry->text_at[i] > at)
            entry->text_at[i] = (uint8_t)(entry->text_at[i] - n);
    entry->used = (uint8_t)(entry->used - n);
    entry->text_n[which] = 0;
    entry->in_cells &= (uint8_t) ~(1u << which);
}

static inline void append_text(struct entry *entry, enum text which, const char *p, size_t n)
{
    copy_short(entry->bytes + entry->used, p, n);
    entry->text_at[which] = entry->used;
    entry->used = (uint8_t)(entry->used + n);
}

static inline bool keep_in_cells(struct bl_join *join, struct entry *entry, enum text which,
                                 bl_slice text)
{
    uint32_t last, ref = put_chain(join, &text, 1, &last);
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
static inline bool fits_inline(const struct bl_join *join, const struct entry *entry, size_t n)
{
    size_t used = entry->used;

    for (unsigned i = 0; entry->in_cells >> i; i++)
        used -= entry->in_cells >> i & 1 ? REF_BYTES : 0;
    return used + n <= join->inline_bytes - TEXTS * REF_BYTES;
}

/* False when there was no room; the text is then absent. */
static inline bool set_text(struct bl_join *join, struct entry *entry, enum text which,
                            bl_slice text)
{
    if (entry->text_n[which])
        drop_text(join, entry, which);
    if (text.n == 0)
        return true;
    if (!fits_inline(join, entry, text.n))
        return keep_in_cells(join, entry, which, text);
    append_text(entry, which, text.p, text.n);
    entry->text_n[which] = (uint16_t)text.n;
    return true;
}

static inline bool text_equals(const struct bl_join *join, const struct entry *entry,
                               enum text which, bl_slice text)
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

static inline void give_texts(struct bl_join *join, const struct entry *entry)
{
    for (unsigned i = 0; entry->in_cells >> i; i++)
        if (is_in_cells(entry, (enum text)i))
            give_chain(join, text_chain(entry, (enum text)i));
}

/* It knows nothing, and has nothing that is to be given back. */
static inline void blank(struct entry *entry)
{
    entry->first = entry->last = 0;
    memset(entry->text_n, 0, sizeof entry->text_n);
    memset(entry->text_at, 0, sizeof entry->text_at);
    entry->used = entry->flags = entry->in_cells = 0;
}

/* --- deferrals --- */

static inline uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static inline uint64_t hash_recipient(const struct entry *entry, bl_slice recipient)
{
    return bl_hash64_seeded(recipient, entry->key);
}

static inline uint32_t find_deferral(const struct bl_join *join, uint32_t owner, bl_slice recipient)
{
    uint64_t hash = hash_recipient(entry_at(join, owner), recipient);
    uint32_t at = bl_slots_home(&join->deferral_slots, tag_of(hash)), ref;

    while ((ref = bl_slots_next(&join->deferral_slots, tag_of(hash), &at)) != 0) {
        const struct deferral *d = &join->cells[ref].deferral;

        if (d->hash == hash && d->entry == owner && d->part_n[RECIPIENT] == recipient.n &&
            chain_starts(join, d->text, recipient))
            return ref;
    }
    return 0;
}

static inline size_t deferral_bytes(const struct deferral *d)
{
    size_t bytes = 0;

    for (size_t i = 0; i < PARTS; i++)
        bytes += d->part_n[i];
    return bytes;
}

static inline void give_parts(struct bl_join *join, const struct deferral *d)
{
    give_long_chain(join, d->text, d->text_end, deferral_bytes(d));
}

static inline void forget_deferral(struct bl_join *join, uint32_t ref)
{
    struct deferral *d = &join->cells[ref].deferral;
    struct entry *entry = entry_at(join, d->entry);

    *(d->older ? &join->cells[d->older].deferral.newer : &entry->first) = d->newer;
    *(d->newer ? &join->cells[d->newer].deferral.older : &entry->last) = d->older;
    bl_slots_remove(&join->deferral_slots, tag_of(d->hash), ref);
    give_parts(join, d);
    give_cell(join, ref);
}

static inline void forget_deferrals(struct bl_join *join, struct entry *entry)
{
    while (entry->first)
        forget_deferral(join, entry->first);
}

static inline void append_deferral(struct bl_join *join, uint32_t owner, uint32_t ref)
{
    struct entry *entry = entry_at(join, owner);
    struct deferral *d = &join->cells[ref].deferral;

    d->entry = owner;
    d->older = entry->last;
    d->newer = 0;
    *(entry->last ? &join->cells[entry->last].deferral.newer : &entry->first) = ref;
    entry->last = ref;
    bl_slots_put(&join->deferral_slots, tag_of(d->hash), ref);
}

/* When everything does not fit, the recipient alone: that an expiry is attributed matters more than
 * the wording of its reason. */
static inline uint32_t put_parts(struct bl_join *join, bl_slice parts[PARTS], size_t cells_besides,
                                 uint32_t *last)
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
    return put_chain(join, parts, PARTS, last);
}

static inline void copy_verdict(struct deferral *d, const bl_verdict *verdict)
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

/* The cells that the next deferral will probably be written into: they are given back as they were
 * taken, and a chain that is followed cell by cell waits for each. */
BL_ALWAYS_INLINE void prefetch_free_cells(const struct bl_join *join)
{
    enum { AROUND = 5 };
    uint32_t next = join->free_cell ? join->free_cell : join->cells_used + 1;
    uint32_t first = next > AROUND ? next - AROUND : 0;

    for (uint32_t i = 0; i < 2 * AROUND && first + i <= join->cells_cap; i++)
        __builtin_prefetch(&join->cells[first + i]);
}

/* `ref`: what find_deferral gave. */
static inline void remember_deferral(struct bl_join *join, uint32_t owner, uint32_t ref,
                                     const bl_record *record)
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
    uint32_t text, last;

    if (record->recipient.n > RECIPIENT_MAX) {
        join->stats.text_dropped++;
        return;
    }
    if (ref)
        give_parts(join, &join->cells[ref].deferral);
    text = put_parts(join, parts, ref ? 0 : 1, &last);
    if (!text)
        return; /* only a new one: what a known one gave back holds its recipient */
    if (!ref) {
        ref = take_cell(join);
        join->cells[ref].deferral.hash = hash_recipient(entry_at(join, owner), record->recipient);
        append_deferral(join, owner, ref);
    }
    d = &join->cells[ref].deferral;
    d->text = text;
    d->text_end = last;
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

static inline uint32_t find_entry(const struct bl_join *join, const bl_record *record)
{
    uint32_t at = bl_slots_home(&join->slots, tag_of(record->key)), ref;

    while ((ref = bl_slots_next(&join->slots, tag_of(record->key), &at)) != 0) {
        const struct entry *entry = entry_at(join, ref);

        if (entry->key == record->key && entry->key2 == record->key2)
            return ref;
    }
    return 0;
}

/* As find_entry; what is likely was found before its time, and mostly still is what it was. */
static inline uint32_t find_likely(const struct bl_join *join, const bl_record *record,
                                   uint32_t likely)
{
    const struct entry *entry = entry_at(join, likely);

    if (entry->key == record->key && entry->key2 == record->key2 && !(entry->flags & FREE))
        return likely;
    return find_entry(join, record);
}

static inline void append(struct bl_join *join, struct list *list, uint32_t ref)
{
    join->links[ref] = (struct link){.older = list->newest};
    *(list->newest ? &join->links[list->newest].newer : &list->oldest) = ref;
    list->newest = ref;
    list->n++;
}

static inline void take_out(struct bl_join *join, struct list *list, uint32_t ref)
{
    struct link link = join->links[ref];

    *(link.older ? &join->links[link.older].newer : &list->oldest) = link.newer;
    *(link.newer ? &join->links[link.newer].older : &list->newest) = link.older;
    list->n--;
}

static inline struct list *list_of(struct bl_join *join, const struct entry *entry)
{
    return entry->flags & DEAD ? &join->dead : &join->live;
}

/* Gives back everything outside the entry, which is to be blanked or nobody's then. */
static inline void give_back(struct bl_join *join, struct entry *entry)
{
    if (entry->first)
        forget_deferrals(join, entry);
    give_texts(join, entry);
}

static inline void forget_entry(struct bl_join *join, uint32_t ref)
{
    struct entry *entry = entry_at(join, ref);

    take_out(join, list_of(join, entry), ref);
    give_back(join, entry);
    bl_slots_remove(&join->slots, tag_of(entry->key), ref);
    entry->flags = FREE;
    join->links[ref].newer = join->free_entry;
    join->free_entry = ref;
}

/* Removed ids go first, then live ones, the oldest of each. */
static inline void make_room(struct bl_join *join)
{
    if (join->free_entry || join->entries_used < join->entries_cap)
        return;
    join->stats.evicted += join->dead.oldest == 0;
    forget_entry(join, join->dead.oldest ? join->dead.oldest : join->live.oldest);
}

/* What the next message will be written into. */
BL_ALWAYS_INLINE void prefetch_free(const struct bl_join *join)
{
    const char *entry = (const char *)entry_at(join, join->free_entry);

    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 64);
}

static inline uint32_t create_entry(struct bl_join *join, uint64_t key, uint64_t key2)
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
    entry = entry_at(join, ref);
    entry->key = key;
    entry->key2 = key2;
    blank(entry);
    append(join, &join->live, ref);
    bl_slots_put(&join->slots, tag_of(key), ref);
    return ref;
}

/* The id names a new message from here on; `ref` is what was known under it, or 0. */
static inline struct entry *start_afresh(struct bl_join *join, uint32_t ref,
                                         const bl_record *record)
{
    struct entry *entry;

    if (!ref)
        return entry_at(join, create_entry(join, record->key, record->key2));
    entry = entry_at(join, ref);
    take_out(join, list_of(join, entry), ref);
    give_back(join, entry);
    blank(entry);
    append(join, &join->live, ref);
    return entry;
}

static inline bool is_live(const struct bl_join *join, uint32_t ref)
{
    return ref && !(entry_at(join, ref)->flags & DEAD);
}

static inline void set_sender(struct bl_join *join, struct entry *entry, bl_slice sender)
{
    entry->flags &= (uint8_t)~HAS_SENDER;
    if (set_text(join, entry, SENDER, bl_slice_head(sender, SENDER_MAX)))
        entry->flags |= HAS_SENDER;
}

/* The removed id that is to be forgotten at the next removal was last touched 256 removals ago. */
BL_ALWAYS_INLINE void prefetch_oldest(const struct bl_join *join)
{
    uint32_t next = join->dead.oldest, behind = join->links[next].newer;

    bl_slots_prefetch(&join->slots, tag_of(entry_at(join, next)->key));
    __builtin_prefetch(entry_at(join, behind));
    __builtin_prefetch(&join->links[behind]);
}

static inline void mark_dead(struct bl_join *join, uint32_t ref)
{
    struct entry *entry = entry_at(join, ref);

    if (entry->first)
        forget_deferrals(join, entry);
    take_out(join, &join->live, ref);
    append(join, &join->dead, ref);
    entry->flags |= DEAD;
    if (join->dead.n > join->dead_cap) {
        forget_entry(join, join->dead.oldest);
        prefetch_oldest(join);
    }
}

/* The verdict that the rules at hand give to the reply as it was kept. */
static inline void classify_again(struct bl_join *join, struct deferral *d)
{
    bl_reply reply = {
        .code = d->code, .enhanced = d->enhanced, .wrapper = d->enhanced, .phase = d->phase};
    bl_verdict verdict;
    size_t at, host_at = 0;

    for (size_t i = 0; i < RELAY_HOST; i++)
        host_at += d->part_n[i];
    at = deferral_bytes(d);
    read_chain(join, d->text, join->parts, at);
    reply.relay_host = (bl_slice){join->parts + host_at, d->part_n[RELAY_HOST]};
    reply.text = (bl_slice){join->parts + at - d->part_n[REPLY], d->part_n[REPLY]};
    verdict = bl_classify(join->rules, &reply);
    copy_verdict(d, &verdict);
    d->provider = bl_rules_provider(join->rules, reply.relay_host);
}

#endif
