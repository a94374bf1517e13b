/* ctest: label=quick timeout=120 */
/* A join's image is read from disk: whatever the bytes, bl_join_load answers, and what it took in
 * can be used, saved, and loaded again.  Even first bytes hand the rest over as it is; odd ones set
 * magic, version and checksum right first, so that everything behind them is reached. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounceline/alloc.h"
#include "bounceline/hash.h"
#include "bounceline/join.h"
#include "bounceline/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void look(void *arg, const bl_event *event)
{
    const bl_slice texts[] = {event->sender,     event->message_id, event->client,
                              event->sasl_user,  event->recipient,  event->orig_recipient,
                              event->relay_host, event->relay_ip,   event->reply};
    uint64_t *sum = arg;
    char status[BL_STATUS_TEXT_MAX];

    for (size_t i = 0; i < BL_COUNT(texts); i++)
        *sum += bl_hash64(texts[i]);
    *sum += bl_status_text(event->enhanced, status);
    if (event->failed)
        *sum += bl_rules_category(bl_rules_builtin(), event->verdict.category)->name.n +
                bl_rules_rule(bl_rules_builtin(), event->verdict.rule)->id.n;
}

/* The head as join.c writes it: magic, checksum of what follows, version, mark of the rules. */
static void set_right(char *image, size_t n)
{
    static uint64_t head[4];
    uint64_t checksum;

    if (head[0] == 0) {
        struct bl_join *join = bl_join_new(bl_rules_builtin(), 1, 0);
        char *good = NULL;
        size_t good_n;

        if (!join || bl_join_save(join, &good, &good_n) != BL_OK)
            abort();
        memcpy(head, good, sizeof head);
        bl_free(good);
        bl_join_free(join);
    }
    if (n < sizeof head)
        return;
    memcpy(image, head, 8);
    memcpy(image + 16, head + 2, 8);
    if (image[24] & 1) /* else another rule set: everything is classified again */
        memcpy(image + 24, head + 3, 8);
    checksum = bl_hash64((bl_slice){image + 16, n - 16});
    memcpy(image + 8, &checksum, 8);
}

/* Every id in the image is asked about: the keys stand in it, wherever eight bytes are. */
static void use(struct bl_join *join, const char *image, size_t n)
{
    uint64_t sum = 0;

    for (size_t at = 0; at + 16 <= n; at += 4) {
        bl_record records[3] = {
            {.kind = BL_RECORD_DELIVERY, .mta = BL_MTA_POSTFIX, .outcome = BL_DELIVERED},
            {.kind = BL_RECORD_EXPIRED, .mta = BL_MTA_POSTFIX},
            {.kind = BL_RECORD_QUEUED,
             .mta = BL_MTA_POSTFIX,
             .sender = {image, n % 600 < n ? n % 600 : n}}};
        struct bl_block block = {.records = records, .records_n = 3};

        for (size_t i = 0; i < 3; i++) {
            memcpy(&records[i].key, image + at, 8);
            memcpy(&records[i].key2, image + at + 8, 8);
        }
        bl_join_block(join, &block, look, &sum);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct bl_join *join, *small;
    struct bl_join *into;
    char *image, *again;
    size_t again_n;

    if (!join) {
        join = bl_join_new(bl_rules_builtin(), 64, 64 << 10);
        small = bl_join_new(bl_rules_builtin(), 3, 1024);
    }
    if (n < 1 || !join || !small)
        return 0;
    image = malloc(n);
    if (!image)
        return 0;
    memcpy(image, data + 1, n - 1);
    n--;
    if (data[0] & 1)
        set_right(image, n);
    into = data[0] & 2 ? small : join;
    if (bl_join_load(into, (bl_slice){image, n}) == BL_OK) {
        if (bl_join_save(into, &again, &again_n) != BL_OK ||
            bl_join_load(into, (bl_slice){again, again_n}) != BL_OK)
            abort();
        bl_free(again);
        use(into, image, n);
        if (bl_join_save(into, &again, &again_n) != BL_OK)
            abort();
        bl_free(again);
    } else if (bl_join_stats(into).live != 0) {
        abort();
    }
    free(image);
    return 0;
}
