/* worker_avx2.c -- the same reader, for processors with AVX2
 *
 * CMake compiles this file alone with -mavx2 and its like; worker.c asks the processor first.  Its
 * windows read up to BL_BLOCK_SLACK bytes behind a line, which only a block allows: everything in
 * the headers below is static, and nothing here is called with any other text.
 */
#if defined(__x86_64__)

#define BL_WINDOW_AVX2
#include "block_read.h"

_Static_assert((int)BL_BLOCK_SLACK >= (int)BL_WINDOW,
               "a window opened at the last byte stays inside the block");

void bl_read_block_avx2(struct bl_worker *worker, struct bl_block *block)
{
    read_block(worker, block);
}

#else
typedef int bl_no_avx2_here;
#endif
