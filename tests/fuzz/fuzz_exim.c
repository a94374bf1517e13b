/* Lines of Exim's, any bytes: read one by one with much room, little and none, and through the
 * join in two halves with a snapshot between them, which must say what the whole says. */
#include <stdlib.h>

#include "../support/join_records.h"
#include "bounceline/alloc.h"
#include "bounceline/exim.h"
#include "bounceline/join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ROOM = 1 << 16 };

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool may_stand(bl_slice s, bl_slice line, const char *room)
{
    return s.n == 0 || (s.p >= line.p && s.p + s.n <= line.p + line.n) ||
           (s.p >= room && s.p + s.n <= room + ROOM) || bl_slice_eq(s, BL_SLICE("exim"));
}

static void read_line(bl_slice line, size_t left)
{
    static char bytes[ROOM];
    bl_exim_room room = {.p = bytes, .left = left};
    struct bl_stamper stamper;
    bl_record r;
    bl_reply reply;
    bl_syslog head;

    bl_stamper_init(&stamper, NULL);
    bl_stamper_refer(&stamper, 1795323817);
    if (!bl_exim_head(line, &stamper, &head) && !bl_syslog_read(line, &stamper, &head))
        return;
    if (bl_exim_read(&head, &room, &r, &reply) == BL_EXIM_RECORD) {
        const bl_slice texts[] = {r.host,           r.service,
                                  r.queue_id,       r.recipient,
                                  r.orig_recipient, r.sender,
                                  r.peer_host,      r.peer_ip,
                                  r.text,           bl_sending_ip(r.peer_ip, r.sending_gap)};

        for (size_t i = 0; i < BL_COUNT(texts); i++)
            check(may_stand(texts[i], line, bytes));
        check(r.kind >= BL_RECORD_OPEN && r.kind <= BL_RECORD_HELD && r.mta == BL_MTA_EXIM &&
              r.phase < BL_PHASES && r.outcome < BL_OUTCOMES && r.delay_ms >= -1);
        check(r.kind == BL_RECORD_REJECT || r.kind == BL_RECORD_PIECE || r.queue_id.n > 0);
        check(room.left <= left && room.p + room.left == bytes + left);
        if (bl_exim_is_failure(&r))
            (void)bl_classify(bl_rules_builtin(), &reply);
    }
    room = (bl_exim_room){.p = bytes, .left = left};
    if (bl_exim_read_again(&head, &room, &r, &reply) == BL_EXIM_RECORD)
        check(r.kind != BL_RECORD_PIECE && r.kind != BL_RECORD_HELD);
}

static void feed(struct bl_worker *worker, struct bl_join *join, struct bl_block *block,
                 const uint8_t *data, size_t n, struct journal *journal)
{
    if (n)
        memcpy(block->bytes, data, n);
    block->n = n;
    block->reference_s = 1795323817;
    bl_block_parse(worker, bl_rules_builtin(), block);
    bl_join_block(join, block, journal_event, journal);
}

/* Behind the newline that stands nearest to the middle. */
static size_t find_middle(const uint8_t *data, size_t n)
{
    size_t at = n / 2;

    while (at > 0 && data[at - 1] != '\n')
        at--;
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct bl_block *block;
    static struct bl_worker *worker;
    static struct bl_join *whole, *half, *other;
    struct journal a = {0}, b = {0};
    char *image;
    size_t image_n, middle;

    if (!block) {
        block = bl_block_new();
        worker = bl_worker_new(NULL);
        whole = bl_join_new(bl_rules_builtin(), 64, 1 << 16);
        half = bl_join_new(bl_rules_builtin(), 64, 1 << 16);
        other = bl_join_new(bl_rules_builtin(), 64, 1 << 16);
        check(block && worker && whole && half && other);
    }
    n = n < ROOM ? n : ROOM;
    for (size_t at = 0; at < n;) {
        bl_slice line = {(const char *)data + at, n - at};

        line.n = bl_slice_find_byte(line, '\n');
        read_line(line, ROOM);
        read_line(line, 9);
        read_line(line, 0);
        at += line.n + 1;
    }
    bl_join_clear(whole);
    bl_join_clear(half);
    feed(worker, whole, block, data, n, &a);
    middle = find_middle(data, n);
    feed(worker, half, block, data, middle, &b);
    check(bl_join_save(half, &image, &image_n) == BL_OK);
    check(bl_join_load(other, (bl_slice){image, image_n}) == BL_OK);
    bl_free(image);
    feed(worker, other, block, data + middle, n - middle, &b);
    bl_join_finish(whole, journal_event, &a);
    bl_join_finish(other, journal_event, &b);
    check(strcmp(journal_text(&a), journal_text(&b)) == 0);
    journal_release(&a);
    journal_release(&b);
    return 0;
}
