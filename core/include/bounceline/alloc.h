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
void  bl_free(void *p); /* NULL does nothing */

/* Before each allocation `may(arg, bytes)` is asked; false makes it fail.  NULL: always. */
void bl_alloc_set_hook(bool (*may)(void *arg, size_t bytes), void *arg);

/* Afterwards `tell(p, bytes)` hears of every new allocation of at least BL_ALLOC_LARGE bytes: the place to
 * ask the system for large pages, which core cannot.  NULL: nobody. */
enum { BL_ALLOC_LARGE = 1 << 20 };

void bl_alloc_set_large(void (*tell)(void *p, size_t bytes));

#endif
