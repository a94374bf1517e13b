/* alloc.h -- every allocation of the program passes here
 *
 * So that a test can make the n-th one fail, or abort on any after warm-up.
 *
 * Shapes     -
 * Units      bytes
 * Ownership  the caller's, until bl_free
 * Threads    any; bl_alloc_set_* only while no other thread runs
 * Errors     NULL
 * Source     -
 */
#ifndef BOUNCELINE_ALLOC_H
#define BOUNCELINE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

void *bl_malloc(size_t bytes);
void *bl_calloc(size_t count, size_t bytes); /* NULL when the product overflows */
void *bl_realloc(void *old, size_t bytes);
void bl_free(void *p); /* NULL does nothing */

/* Before each allocation `may(arg, bytes)` is asked; false makes it fail.  NULL: always. */
void bl_alloc_set_hook(bool (*may)(void *arg, size_t bytes), void *arg);

/* Zeroed, for a table that is looked into at random: it begins on a line of the cache.  A large one
 * begins on a large page and has whole ones to itself, since on pages of 4 KiB most looks, and even
 * the prefetches before them, wait for the page's address to be found.  NULL as above; to be given
 * back by bl_table_free. */
enum { BL_LARGE_PAGE = 2 << 20, BL_TABLE_LARGE = 1 << 20 };

void *bl_table_new(size_t count, size_t bytes);
void bl_table_free(void *table); /* NULL does nothing */

/* `tell(p, bytes)` hears of every new table of at least BL_TABLE_LARGE bytes, in whole large pages:
 * the place to ask the system for them, which core cannot.  NULL: nobody. */
void bl_table_set_large(void (*tell)(void *p, size_t bytes));

#endif
