/* Blocks come in log order.  For each one the stage asks, slot by slot, whether the slot has that
 * stretch already (blocks never straddle a slot's offset), lets the source's join make events of
 * it, and puts each event where a slot still wants it: counters into the batch's tally, address
 * events into their partition.  Batches close at block borders only, so a position is always the
 * end of a block. */
#include "bounceline/stage.h"

#include "../base/slots.h"
#include "bounceline/alloc.h"
#include "bounceline/extract.h"
#include "bounceline/hash_set.h"

enum { CLOSE_AT_BYTES = 8 << 20 };

enum { ASKING = 8 };

/* A delivery whose address may have a record: asked a few deliveries later, when the filter's line
 * is there. */
struct asking {
    char address[BL_ADDRESS_MAX + 1];
    size_t n;
    uint64_t hash;
    int64_t time_us;
};

struct bl_stage {
    const struct bl_rules *rules;
    struct bl_stage_options options;
    size_t sources; /* of this run */
    uint64_t source[BL_SOURCES_MAX];
    bool known_only_of[BL_SOURCES_MAX];
    struct bl_join *join[BL_SOURCES_MAX]; /* NULL: no memory for one */
    bool waited[BL_SOURCES_MAX]; /* its join came out of the snapshot with something that waits */
    struct bl_hash_set filter;   /* addresses with a record; when full, everything is a hit */

    uint32_t run;
    uint64_t dataset;
    unsigned partitions;
    struct bl_positions slot[1 + BL_PARTITIONS_MAX]; /* as claimed: what each slot has */
    struct bl_positions at;                          /* how far the joins have read */

    struct bl_batch *open, *due;
    struct bl_range *range; /* of the block at hand */
    bool known_only;        /* its source is not believed by its word alone */
    bool wanted[1 + BL_PARTITIONS_MAX];
    bool counting, addressing;
    bool was_end;     /* the log ended there for some slot */
    bool at_is_short; /* a position found no room: no snapshot is true until the next run */
    size_t events;    /* address events in the open batch */
    struct asking asking[ASKING];
    /* asking[first % ASKING] is the oldest; none are left behind a block */
    size_t first_asking, next_asking;
    size_t blocks_since, flushes_since; /* the last snapshot */

    struct bl_stage_stats stats;
};

struct bl_stage *bl_stage_new(const struct bl_rules *rules, const struct bl_stage_options *options)
{
    struct bl_stage *stage = bl_calloc(1, sizeof *stage);

    if (!stage)
        return NULL;
    stage->rules = rules;
    stage->options = *options;
    stage->partitions = 1;
    bl_hash_set_init(&stage->filter, options->filter_cap);
    return stage;
}

static void forget_slots(struct bl_stage *stage)
{
    for (size_t i = 0; i < BL_COUNT(stage->slot); i++)
        bl_positions_release(&stage->slot[i]);
    bl_positions_release(&stage->at);
}

void bl_stage_free(struct bl_stage *stage)
{
    if (!stage)
        return;
    for (size_t i = 0; i < stage->sources; i++)
        bl_join_free(stage->join[i]);
    bl_hash_set_release(&stage->filter);
    forget_slots(stage);
    bl_batch_free(stage->open);
    bl_batch_free(stage->due);
    bl_free(stage);
}

bool bl_stage_wants_batch(const struct bl_stage *stage)
{
    return !stage->open;
}

void bl_stage_lend(struct bl_stage *stage, struct bl_batch *empty)
{
    empty->run = stage->run;
    empty->partitions = stage->partitions;
    stage->open = empty;
    stage->events = 0;
}

/* --- what an event means for the slots --- */

static bl_slice copy(struct bl_stage *stage, bl_slice text, size_t max)
{
    return bl_arena_copy(&stage->open->arena, bl_slice_head(text, max));
}

static bool grow_events(struct bl_address_events *list)
{
    size_t cap = list->cap ? list->cap * 2 : 256;
    bl_address_event *v = bl_realloc(list->v, cap * sizeof *v);

    if (!v)
        return false;
    list->v = v;
    list->cap = cap;
    return true;
}

static void add_address_event(struct bl_stage *stage, const bl_event *event, bl_slice address,
                              uint64_t hash, enum bl_address_event_kind kind)
{
    unsigned partition = bl_address_partition(address, stage->partitions);
    struct bl_address_events *list = &stage->open->events[partition];
    bl_address_event out = {.kind = kind, .time_ms = event->time_us / 1000, .hash = hash};

    if (!stage->wanted[1 + partition])
        return;
    if (list->n == list->cap && !grow_events(list)) {
        stage->stats.events_lost++;
        return;
    }
    out.address = copy(stage, address, BL_ADDRESS_MAX);
    if (kind == BL_ADDRESS_FAILED) {
        const struct bl_category *category =
            bl_rules_category(stage->rules, event->verdict.category);

        out.action = event->verdict.action;
        out.code = event->code;
        out.enhanced = event->enhanced;
        out.category = copy(stage, category->name, BL_ADDRESS_WORD_MAX);
        out.rule =
            copy(stage, bl_rules_rule(stage->rules, event->verdict.rule)->id, BL_ADDRESS_WORD_MAX);
        out.reply = copy(stage, event->reply, BL_ADDRESS_REPLY_MAX);
        out.host = copy(stage, event->host, BL_ADDRESS_WORD_MAX);
        out.queue_id = copy(stage, event->queue_id, BL_ADDRESS_WORD_MAX);
        out.message_id = copy(stage, event->message_id, BL_ADDRESS_LONG_MAX);
        out.sender = copy(stage, event->sender, BL_ADDRESS_LONG_MAX);
    }
    if (!out.address.p) {
        stage->stats.events_lost++;
        return;
    }
    list->v[list->n++] = out;
    stage->events++;
}

/* Only final failures whose category may move an address, and real deliveries.  An expiry counts
 * for the soft rule alone: what was put off until the end was never a permanent answer. */
static bool moves_address(const bl_event *event, enum bl_address_event_kind *kind)
{
    if (event->outcome == BL_DELIVERED) {
        *kind = BL_ADDRESS_DELIVERED;
        return true;
    }
    *kind = BL_ADDRESS_FAILED;
    if (event->outcome == BL_BOUNCED)
        return event->verdict.action != BL_ACTION_NONE;
    return event->outcome == BL_EXPIRED && event->failed && event->verdict.action == BL_ACTION_SOFT;
}

static void answer_oldest(struct bl_stage *stage)
{
    const struct asking *asking = &stage->asking[stage->first_asking++ % ASKING];

    if (stage->filter.full || bl_hash_set_has(&stage->filter, asking->hash)) {
        bl_event event = {.outcome = BL_DELIVERED, .time_us = asking->time_us};

        stage->stats.filter_hits++;
        add_address_event(stage, &event, (bl_slice){asking->address, asking->n}, asking->hash,
                          BL_ADDRESS_DELIVERED);
    }
}

static void answer_all(struct bl_stage *stage)
{
    while (stage->first_asking != stage->next_asking)
        answer_oldest(stage);
}

static void note_address(struct bl_stage *stage, const bl_event *event)
{
    enum bl_address_event_kind kind;
    struct asking *asking = &stage->asking[stage->next_asking % ASKING];

    if (!moves_address(event, &kind))
        return;
    if (stage->known_only && !event->known) {
        stage->stats.unknown_refused++;
        return;
    }
    if (kind == BL_ADDRESS_DELIVERED && stage->filter.n == 0 && !stage->filter.full)
        return;
    if (!bl_address_normalise(event->recipient, asking->address, &asking->n)) {
        stage->stats.address_refused += kind == BL_ADDRESS_FAILED;
        return;
    }
    asking->hash = bl_address_hash((bl_slice){asking->address, asking->n});
    if (kind == BL_ADDRESS_FAILED) {
        answer_all(stage); /* events of an address stay in order */
        bl_hash_set_add(&stage->filter, asking->hash);
        add_address_event(stage, event, (bl_slice){asking->address, asking->n}, asking->hash, kind);
        return;
    }
    bl_hash_set_prefetch(&stage->filter, asking->hash);
    asking->time_us = event->time_us;
    stage->next_asking++;
    if (stage->next_asking - stage->first_asking == ASKING)
        answer_oldest(stage);
}

/* Appends `text` and a tab; bytes that would break the line become '?'. */
static size_t put_cell(char *out, size_t at, size_t cap, bl_slice text)
{
    for (size_t i = 0; i < text.n && at + 1 < cap; i++)
        out[at++] = (unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f ? '?' : text.p[i];
    if (at < cap)
        out[at++] = '\t';
    return at;
}

static size_t put_text(char *out, size_t at, size_t cap, const char *text)
{
    return put_cell(out, at, cap, (bl_slice){text, strlen(text)});
}

static bl_slice code_text(uint16_t code, char out[4])
{
    if (code < 100 || code > 999)
        return (bl_slice){0};
    out[0] = (char)('0' + code / 100);
    out[1] = (char)('0' + code / 10 % 10);
    out[2] = (char)('0' + code % 10);
    return (bl_slice){out, 3};
}

/* What the reply names; at most BL_BATCH_RECENT times a batch. */
static size_t put_extracted(char *line, size_t at, size_t cap, const struct bl_rules *rules,
                            const bl_event *event)
{
    struct bl_extract extract;
    char seconds[16];
    size_t n = sizeof seconds;

    bl_extract_read(rules, event->reply, &event->verdict, &extract);
    at = put_cell(line, at, cap, extract.blocklist);
    at = put_cell(line, at, cap, extract.provider_code);
    for (uint32_t rest = extract.retry_after_s; rest; rest /= 10)
        seconds[--n] = (char)('0' + rest % 10);
    at = put_cell(line, at, cap, (bl_slice){seconds + n, sizeof seconds - n});
    return put_cell(line, at, cap,
                    event->sending_gap ? bl_sending_ip(event->relay_ip, event->sending_gap)
                                       : extract.sending_ip);
}

static void note_recent(struct bl_stage *stage, const bl_event *event)
{
    enum { CAP = 1024 };
    struct bl_batch *batch = stage->open;
    char line[CAP], code[4], status[BL_STATUS_TEXT_MAX];
    size_t at = 0;

    if (batch->recents == BL_BATCH_RECENT)
        return;
    bl_status_text(event->enhanced, status);
    at = put_text(line, at, CAP, bl_outcome_name(event->outcome));
    at = put_cell(line, at, CAP, bl_slice_head(event->recipient, BL_ADDRESS_MAX));
    at = put_cell(line, at, CAP, code_text(event->code, code));
    at = put_text(line, at, CAP, bl_status_absent(event->enhanced) ? "" : status);
    at = put_cell(line, at, CAP, bl_rules_category(stage->rules, event->verdict.category)->name);
    at = put_cell(line, at, CAP, bl_rules_rule(stage->rules, event->verdict.rule)->id);
    at = put_cell(line, at, CAP, bl_slice_head(event->relay_host, 255));
    at = put_extracted(line, at, CAP, stage->rules, event);
    at = put_cell(line, at, CAP, bl_slice_head(event->reply, BL_ADDRESS_REPLY_MAX));
    batch->recent[batch->recents].text =
        bl_arena_copy(&batch->arena, (bl_slice){line, at ? at - 1 : 0});
    if (batch->recent[batch->recents].text.p)
        batch->recent[batch->recents++].time_us = event->time_us;
}

static void on_event(void *arg, const bl_event *event)
{
    struct bl_stage *stage = arg;
    bl_event relayed;

    if (event->outcome == BL_DELIVERED && stage->options.is_relay &&
        stage->options.is_relay(stage->options.relay_arg, event)) {
        relayed = *event;
        relayed.outcome = BL_RELAYED;
        event = &relayed;
    }
    if (stage->counting) {
        int64_t minute = event->time_us > 0 ? event->time_us / 60000000 : 0;

        bl_tally_event(stage->open->tally, minute, event, stage->rules);
        if (event->outcome != BL_DEFERRED || event->attempt) /* as the tally counts them */
            stage->range->outcome[event->outcome]++;
        if (event->failed && (event->outcome == BL_BOUNCED || event->outcome == BL_EXPIRED))
            note_recent(stage, event);
    }
    if (stage->addressing)
        note_address(stage, event);
}

/* --- ranges and positions --- */

static struct bl_range *range_of(struct bl_batch *batch, uint64_t begin, const bl_position *end)
{
    for (size_t i = 0; i < batch->ranges; i++)
        if (batch->range[i].end.generation == end->generation)
            return &batch->range[i];
    batch->range[batch->ranges] = (struct bl_range){.begin = begin};
    return &batch->range[batch->ranges++];
}

/* Which slots have not yet got what ends at `at`; with `end`, which were not told that the log ends
 * there. */
static void look_at_slots(struct bl_stage *stage, const bl_position *at, bool end)
{
    stage->addressing = stage->was_end = false;
    for (size_t i = 0; i < 1 + (size_t)stage->partitions; i++) {
        const bl_position *has = bl_positions_find(&stage->slot[i], at->generation);
        uint64_t offset = has ? has->offset : 0;
        bool told = has && has->told_at > 0 && has->told_at == at->offset;

        stage->wanted[i] = at->offset > offset || (end && at->offset == offset && !told);
        stage->addressing |= i > 0 && stage->wanted[i];
        stage->was_end |= told;
    }
    stage->counting = stage->wanted[0];
}

static void attach_snapshot(struct bl_stage *stage)
{
    struct bl_snapshot *snapshot = stage->at_is_short ? NULL : bl_calloc(1, sizeof *snapshot);

    if (!snapshot)
        return; /* the next one will do */
    snapshot->dataset = stage->dataset;
    if (bl_positions_copy(&snapshot->positions, &stage->at) != BL_OK)
        goto fail;
    for (size_t i = 0; i < stage->sources; i++) {
        size_t n = snapshot->sources;

        if (!stage->join[i])
            continue;
        if (bl_join_save(stage->join[i], &snapshot->join[n], &snapshot->join_n[n]) != BL_OK)
            goto fail;
        snapshot->source[n] = stage->source[i];
        snapshot->sources = n + 1;
    }
    stage->open->snapshot = snapshot;
    stage->blocks_since = 0;
    stage->flushes_since = 0;
    return;
fail:
    bl_snapshot_free(snapshot);
}

static void close_batch(struct bl_stage *stage)
{
    stage->due = stage->open;
    stage->open = NULL;
}

static void fall_short(struct bl_stage *stage)
{
    stage->at_is_short = true;
    stage->stats.events_lost++;
}

static void put_at(struct bl_stage *stage, const bl_position *position)
{
    if (bl_positions_put(&stage->at, position) != BL_OK)
        fall_short(stage);
}

/* What waits in the join waits in vain: that is told, once to each slot, since its position says
 * so.
 *
 * The position says where the last time was.  That is enough, since no slot goes beyond an end that
 * one knows of before it was told, too: whatever is read back, what waits at a slot's last end was
 * told to it, and what came to wait behind that was not.  Of an end that no slot remembers the join
 * does not know either: all whom it still concerns hear later of what waited there, once. */
static void tell_end(struct bl_stage *stage, size_t source, bl_position end)
{
    end.told_at = end.offset;
    look_at_slots(stage, &end, true);
    stage->range = range_of(stage->open, end.offset, &end);
    bl_join_finish(stage->join[source], on_event, stage);
    answer_all(stage);
    stage->range->end = end;
    put_at(stage, &end);
    stage->blocks_since++;
}

/* The snapshot was taken at an end, before it was told: whom a kill kept from hearing of it hears
 * of it now, before further lines.  Where the snapshot itself knows of the end, what waits came
 * later. */
static void tell_missed_end(struct bl_stage *stage, size_t source)
{
    for (size_t i = 0; i < stage->at.n && bl_join_waits(stage->join[source]); i++) {
        const bl_position *at = &stage->at.v[i];

        if (at->source != stage->source[source] || at->told_at == at->offset)
            continue;
        look_at_slots(stage, at, true);
        if (stage->was_end)
            tell_end(stage, source, *at);
    }
    stage->waited[source] = false;
}

/* Where a generation stands in stage->at: to search for each of thousands takes seconds. */
static uint32_t index_tag(uint64_t generation)
{
    return (uint32_t)(generation * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static bl_position *find_indexed(const struct bl_stage *stage, const struct bl_slots *index,
                                 uint64_t generation)
{
    uint32_t tag = index_tag(generation), at = bl_slots_home(index, tag), ref;

    while ((ref = bl_slots_next(index, tag, &at)) != 0)
        if (stage->at.v[ref - 1].generation == generation)
            return &stage->at.v[ref - 1];
    return NULL;
}

/* Whether a slot has more of the source than the join has read; without memory it may have. */
static bool slots_are_ahead(const struct bl_stage *stage, uint64_t source)
{
    struct bl_slots index;
    bool ahead = false;

    if (!bl_slots_init(&index, stage->at.n))
        return true;
    for (size_t i = 0; i < stage->at.n; i++)
        bl_slots_put(&index, index_tag(stage->at.v[i].generation), (uint32_t)i + 1);
    for (size_t i = 0; i < 1 + (size_t)stage->partitions; i++)
        for (size_t j = 0; j < stage->slot[i].n && !ahead; j++) {
            const bl_position *has = &stage->slot[i].v[j], *read;

            if (has->source != source)
                continue;
            read = find_indexed(stage, &index, has->generation);
            ahead = has->offset > (read ? read->offset : 0);
        }
    bl_slots_release(&index);
    return ahead;
}

/* The log ends for this run.  Where a slot has more of it than the join has read, a file was gone
 * or could not be read: what waits may have come. */
static void take_end(struct bl_stage *stage, const struct bl_block *block)
{
    const bl_position *at = bl_positions_find(&stage->at, block->end.generation);

    if (at && at->offset == block->end.offset && bl_join_waits(stage->join[block->source]) &&
        !slots_are_ahead(stage, at->source))
        tell_end(stage, block->source, *at);
}

/* Lines were read to where the log once ended; those who have more of it were told then. */
static void pass_end(struct bl_stage *stage, const struct bl_block *block)
{
    if (block->end.offset < bl_positions_offset(&stage->at, block->end.generation))
        bl_join_finish(stage->join[block->source], NULL, NULL); /* warm-up: every slot has more */
    else
        tell_end(stage, block->source, block->end);
}

static void count_block(struct bl_stage *stage, const struct bl_block *block)
{
    const bl_position *at = bl_positions_find(&stage->at, block->end.generation);
    bl_position end = block->end;

    /* without a snapshot `at` may be ahead, of a file new to some slot */
    if (at && at->told_at <= end.offset)
        end.told_at = at->told_at;
    stage->range = range_of(stage->open, block->begin, &block->end);
    if (block->kind == BL_BLOCK_DATA) {
        bl_join_block(stage->join[block->source], block, on_event, stage);
        answer_all(stage);
        stage->stats.unparsed += block->unparsed;
    }
    if (stage->counting) {
        stage->range->lines += block->lines;
        stage->range->unparsed += block->unparsed;
        stage->range->long_lines += block->long_lines;
        stage->range->repeats_cut += block->repeats_cut;
        if (block->kind == BL_BLOCK_SKIP)
            stage->range->skipped_bytes += block->end.offset - block->begin;
    }
    stage->range->end = end;
    put_at(stage, &end);
    stage->blocks_since++;
}

static void take_block(struct bl_stage *stage, const struct bl_block *block)
{
    look_at_slots(stage, &block->end, false);
    if (block->warm_up)
        bl_join_block(stage->join[block->source], block, NULL, NULL);
    else
        count_block(stage, block);
    if (stage->was_end && block->kind == BL_BLOCK_DATA && block->begin < block->end.offset)
        pass_end(stage, block);
}

static bool is_full(const struct bl_stage *stage, const struct bl_batch *batch)
{
    return batch->snapshot || bl_tally_fields(batch->tally) >= stage->options.batch_fields ||
           stage->events >= stage->options.batch_events ||
           batch->ranges + 1 >= BL_BATCH_RANGES || /* a block may bring two: an end that was missed
                                                      may be elsewhere */
           batch->arena.used_bytes >= CLOSE_AT_BYTES;
}

static void take_lines(struct bl_stage *stage, struct bl_block *block)
{
    if (!stage->join[block->source])
        return;
    stage->known_only = stage->known_only_of[block->source];
    if (stage->waited[block->source])
        tell_missed_end(stage, block->source);
    if (block->is_end)
        take_end(stage, block);
    else
        take_block(stage, block);
    if (stage->blocks_since >= stage->options.snapshot_blocks)
        attach_snapshot(stage);
    if (is_full(stage, stage->open))
        close_batch(stage);
}

static void flush(struct bl_stage *stage, const struct bl_block *block)
{
    stage->flushes_since++;
    if (!stage->open || stage->open->ranges == 0)
        return;
    if (stage->blocks_since > 0 &&
        (block->last || stage->flushes_since >= stage->options.snapshot_flushes))
        attach_snapshot(stage);
    close_batch(stage);
}

/* --- a new run --- */

/* A join is made for each source that had none; the others' are handed on. */
static void take_sources(struct bl_stage *stage, const struct bl_resume *resume)
{
    struct bl_join *had[BL_SOURCES_MAX];
    size_t n = stage->sources;

    memcpy(had, stage->join, n * sizeof(struct bl_join *));
    stage->stats.unread = 0;
    for (size_t i = 0; i < resume->sources; i++) {
        stage->join[i] = NULL;
        for (size_t j = 0; j < n && !stage->join[i]; j++)
            if (had[j] && stage->source[j] == resume->source[i]) {
                stage->join[i] = had[j];
                had[j] = NULL;
            }
    }
    for (size_t j = 0; j < n; j++)
        bl_join_free(had[j]); /* before others are made: their memory may be needed */
    for (size_t i = 0; i < resume->sources; i++) {
        if (!stage->join[i])
            stage->join[i] = bl_join_new_showing(stage->rules, stage->options.join_entries,
                                                 stage->options.join_text_bytes, BL_STAGE_SHOWS);
        stage->stats.unread += !stage->join[i];
    }
    stage->sources = resume->sources;
    memcpy(stage->source, resume->source, sizeof stage->source);
    memcpy(stage->known_only_of, resume->known_only, sizeof stage->known_only_of);
}

static bool is_source(const struct bl_stage *stage, uint64_t source)
{
    for (size_t i = 0; i < stage->sources; i++)
        if (stage->source[i] == source)
            return true;
    return false;
}

/* What the snapshot says and no more, since a generation that it does not know is read from its
 * start: so are all of a source whose join it has not.  A slot forgets a generation that was
 * finished long ago; then the snapshots may, too. */
static void begin_with_snapshot(struct bl_stage *stage, const struct bl_snapshot *snapshot)
{
    const struct bl_positions *read = &snapshot->positions;
    struct bl_hash_set kept;

    bl_hash_set_init(&kept, (size_t)BL_GENERATIONS_MAX * (1 + stage->partitions));
    for (size_t i = 0; i < 1 + (size_t)stage->partitions; i++)
        for (size_t j = 0; j < stage->slot[i].n; j++)
            bl_hash_set_add(&kept, stage->slot[i].v[j].generation);
    for (size_t j = 0; j < read->n; j++) {
        const bl_position *at = &read->v[j];
        bool forgotten = at->finished && !kept.full && !bl_hash_set_has(&kept, at->generation);
        bool read_again = is_source(stage, at->source) && !bl_snapshot_has(snapshot, at->source);

        if (!forgotten && !read_again && bl_positions_add(&stage->at, at) != BL_OK)
            fall_short(stage);
    }
    bl_hash_set_release(&kept);
}

static void put_least(struct bl_stage *stage, struct bl_slots *index, const bl_position *mine)
{
    bl_position *least = find_indexed(stage, index, mine->generation);

    if (least) {
        if (mine->offset < least->offset)
            *least = *mine;
    } else if (bl_positions_add(&stage->at, mine) == BL_OK) {
        bl_slots_put(index, index_tag(mine->generation), (uint32_t)stage->at.n);
    } else {
        fall_short(stage);
    }
}

/* The least that any slot has. */
static void begin_with_slots(struct bl_stage *stage)
{
    struct bl_slots index;

    if (!bl_slots_init(&index, BL_GENERATIONS_MAX)) {
        fall_short(stage);
        return;
    }
    for (size_t i = 0; i < 1 + (size_t)stage->partitions; i++)
        for (size_t j = 0; j < stage->slot[i].n; j++)
            put_least(stage, &index, &stage->slot[i].v[j]);
    bl_slots_release(&index);
}

/* How far the joins have read when a run begins. */
static void begin_positions(struct bl_stage *stage, const struct bl_resume *resume)
{
    stage->at_is_short = false;
    if (resume->snapshot)
        begin_with_snapshot(stage, resume->snapshot);
    else
        begin_with_slots(stage);
}

static bl_slice image_of(const struct bl_snapshot *snapshot, size_t i)
{
    return (bl_slice){snapshot->join[i], snapshot->join_n[i]};
}

bool bl_stage_reads(const struct bl_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->sources; i++)
        if (!bl_join_is_image(image_of(snapshot, i), BL_STAGE_SHOWS))
            return false;
    return true;
}

static void load_joins(struct bl_stage *stage, const struct bl_snapshot *snapshot)
{
    for (size_t i = 0; i < stage->sources; i++) {
        stage->waited[i] = false;
        if (!stage->join[i])
            continue;
        bl_join_clear(stage->join[i]);
        for (size_t j = 0; snapshot && j < snapshot->sources; j++)
            if (snapshot->source[j] == stage->source[i])
                stage->stats.join_cold +=
                    bl_join_load(stage->join[i], image_of(snapshot, j)) != BL_OK;
        stage->waited[i] = bl_join_waits(stage->join[i]);
    }
}

static void reset(struct bl_stage *stage, struct bl_resume *resume)
{
    forget_slots(stage);
    stage->run = resume->run;
    stage->dataset = resume->dataset;
    stage->partitions = resume->partitions;
    for (size_t i = 0; i < 1 + (size_t)stage->partitions; i++) {
        stage->slot[i] = resume->slot[i];
        resume->slot[i] = (struct bl_positions){0};
    }
    take_sources(stage, resume);
    begin_positions(stage, resume);
    load_joins(stage, resume->snapshot);
    stage->blocks_since = 0;
    stage->flushes_since = 0;
    if (stage->open) {
        struct bl_batch *batch = stage->open;

        bl_batch_clear(batch);
        bl_stage_lend(stage, batch);
    }
}

static void learn_addresses(struct bl_stage *stage, const struct bl_address_hashes *hashes)
{
    if (hashes->replace)
        bl_hash_set_clear(&stage->filter);
    for (size_t i = 0; i < hashes->n; i++)
        bl_hash_set_add(&stage->filter, hashes->v[i]);
}

static void set_rules(struct bl_stage *stage, const struct bl_rules *rules)
{
    if (rules == stage->rules)
        return;
    stage->rules = rules;
    if (stage->open)
        bl_tally_rules_changed(stage->open->tally);
    for (size_t i = 0; i < stage->sources; i++)
        if (stage->join[i])
            bl_join_set_rules(stage->join[i], rules);
}

void bl_stage_block(struct bl_stage *stage, struct bl_block *block)
{
    if (block->rules)
        set_rules(stage, block->rules);
    switch (block->kind) {
    case BL_BLOCK_RESET:
        reset(stage, block->payload);
        bl_resume_free(block->payload);
        block->payload = NULL;
        break;
    case BL_BLOCK_ADDRESSES:
        learn_addresses(stage, block->payload);
        bl_address_hashes_free(block->payload);
        block->payload = NULL;
        break;
    case BL_BLOCK_FLUSH:
        flush(stage, block);
        break;
    case BL_BLOCK_CHANGE:
        break; /* of its payload only the owner knows */
    case BL_BLOCK_DATA:
    case BL_BLOCK_SKIP:
        if (block->run == stage->run)
            take_lines(stage, block);
        break;
    }
}

struct bl_batch *bl_stage_take(struct bl_stage *stage)
{
    struct bl_batch *due = stage->due;

    stage->due = NULL;
    return due;
}

struct bl_stage_stats bl_stage_stats(const struct bl_stage *stage)
{
    struct bl_stage_stats stats = stage->stats;

    for (size_t i = 0; i < stage->sources; i++) {
        struct bl_join_stats one =
            stage->join[i] ? bl_join_stats(stage->join[i]) : (struct bl_join_stats){0};

        stats.join.live += one.live;
        stats.join.evicted += one.evicted;
        stats.join.text_dropped += one.text_dropped;
        stats.join.unknown += one.unknown;
        stats.join.expired_unknown += one.expired_unknown;
    }
    stats.filter_full = stage->filter.full;
    return stats;
}
