/* A whole block of any bytes: every slice of every record lies inside the block, a record is what
 * its kind says, and the ordinary windows read what the widest ones read.  The bytes behind the
 * block are noise, as they are when a block is used again. */
#include <stdlib.h>

#include "../../core/parse/block_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool inside(const struct bl_block *block, bl_slice s)
{
    return s.n == 0 || (s.p >= block->bytes && s.p + s.n <= block->bytes + block->n) ||
           (s.p >= block->respelled && s.p + s.n <= block->respelled + BL_RESPELLED_BYTES);
}

static void check_record(const struct bl_block *block, const bl_record *r)
{
    const bl_slice texts[] = {r->host,   r->service,   r->queue_id, r->recipient, r->orig_recipient,
                              r->sender, r->peer_host, r->peer_ip,  r->text};

    for (size_t i = 0; i < BL_COUNT(texts); i++) {
        check(inside(block, texts[i]) ||
              (r->mta == BL_MTA_EXIM && bl_slice_eq(texts[i], BL_SLICE("exim"))));
        check(texts[i].n == 0 || memchr(texts[i].p, '\n', texts[i].n) == NULL);
    }
    check(r->service.n > 0);
    check(r->kind >= BL_RECORD_OPEN && r->kind <= BL_RECORD_HELD && r->phase < BL_PHASES &&
          r->outcome < BL_OUTCOMES);
    check(r->mta == BL_MTA_EXIM || r->kind <= BL_RECORD_REJECT);
    if (r->kind == BL_RECORD_PIECE)
        return;
    check(r->kind == BL_RECORD_REJECT || r->queue_id.n > 0);
    check(r->kind != BL_RECORD_REJECT || r->outcome == BL_REJECTED || r->outcome == BL_DISCARDED);
    check(!(r->flags & BL_RECORD_REPEATED) || r->repeats <= BL_REPEATS_MAX);
    check(r->delay_ms >= -1 && (r->code == 0 || (r->code >= 200 && r->code <= 599)));
    check(r->verdict.match_at + (size_t)r->verdict.match_n <= r->text.n);
    check(r->outcome != BL_DELIVERED || (r->verdict.category | r->verdict.rule) == 0);
}

static bool same(bl_slice a, const struct bl_block *a_block, bl_slice b,
                 const struct bl_block *b_block)
{
    if (!inside(a_block, a))
        return !inside(b_block, b) && bl_slice_eq(a, b);
    return a.n == b.n && (a.n == 0 || a.p - a_block->bytes == b.p - b_block->bytes ||
                          a.p - a_block->respelled == b.p - b_block->respelled);
}

static void check_same(const struct bl_block *a, const struct bl_block *b)
{
    check(a->lines == b->lines && a->unparsed == b->unparsed && a->records_n == b->records_n);
    for (size_t i = 0; i < a->records_n; i++) {
        const bl_record *x = &a->records[i], *y = &b->records[i];

        check(x->key == y->key && x->key2 == y->key2 && x->time_us == y->time_us &&
              x->kind == y->kind && x->outcome == y->outcome && x->code == y->code &&
              x->provider == y->provider && x->verdict.rule == y->verdict.rule &&
              x->flags == y->flags);
        check(same(x->recipient, a, y->recipient, b) && same(x->text, a, y->text, b) &&
              same(x->sender, a, y->sender, b) && same(x->peer_host, a, y->peer_host, b) &&
              same(x->peer_ip, a, y->peer_ip, b));
    }
}

static void parse(struct bl_worker *worker, struct bl_block *block, const uint8_t *data, size_t n,
                  int slack)
{
    if (n)
        memcpy(block->bytes, data, n);
    memset(block->bytes + n, slack, BL_BLOCK_SLACK);
    block->n = n;
    block->reference_s = 1795323817;
    bl_block_parse(worker, bl_rules_builtin(), block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct bl_block *wide, *plain;
    static struct bl_worker *wide_worker, *plain_worker;

    if (!wide) {
        wide = bl_block_new();
        plain = bl_block_new();
        wide_worker = bl_worker_new(NULL);
        plain_worker = bl_worker_new(NULL);
        check(wide && plain && wide_worker && plain_worker);
        plain_worker->plain = true;
    }
    n = n < BL_BLOCK_BYTES ? n : BL_BLOCK_BYTES;
    parse(wide_worker, wide, data, n, ' ');
    parse(plain_worker, plain, data, n, '>');
    for (size_t i = 0; i < wide->records_n; i++)
        check_record(wide, &wide->records[i]);
    check_same(wide, plain);
    /* of a line with a hole both halves may be */
    check(wide->samples <= BL_SHAPE_SAMPLES && wide->unparsed <= 2 * wide->lines);
    for (size_t i = 0; i < wide->samples; i++)
        check(inside(wide, wide->sample[i]));
    return 0;
}
