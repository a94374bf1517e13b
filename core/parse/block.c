#include "bounceline/block.h"

#include "bounceline/alloc.h"

/* Each line that promises a record has a place among the records until it is read.  The shortest
 * such line, newline included, is `1 - h /   - A: from=`: RFC 5424 without a priority, a time, a
 * process and a message id, a byte each of host, program and queue id, and a body of BODY_MIN
 * bytes. tests/unit/test_block.c fills a block with it, and with the shortest of every other
 * form. */
enum { SHORTEST_PROMISE = 21 };

struct bl_block *bl_block_new(void)
{
    struct bl_block *block = bl_calloc(1, sizeof *block);

    if (!block)
        return NULL;
    block->records_cap = BL_BLOCK_BYTES / SHORTEST_PROMISE + 1;
    block->bytes = bl_calloc(1, BL_BLOCK_BYTES + BL_BLOCK_SLACK);
    /* pages are touched when used */
    block->respelled = bl_malloc(BL_RESPELLED_BYTES + BL_BLOCK_SLACK);
    block->records = bl_malloc(block->records_cap * sizeof *block->records);
    block->before = bl_malloc(BL_TAIL_BYTES + BL_BLOCK_SLACK);
    if (!block->bytes || !block->before || !block->respelled || !block->records) {
        bl_block_free(block);
        return NULL;
    }
    return block;
}

void bl_block_free(struct bl_block *block)
{
    if (!block)
        return;
    bl_free(block->records);
    bl_free(block->respelled);
    bl_free(block->before);
    bl_free(block->bytes);
    bl_free(block);
}
