/* address_set.h -- which addresses a scan would have suppressed
 *
 * Hashes only, at most 9 MiB whatever the log; of 98 304 and more, parts of hashes.  Then two
 * addresses are taken for one when 32 bits of their hashes agree and they meet in the table: with a
 * million of them, in about one scan of a thousand.
 *
 * Shapes     at most BL_ADDRESS_SET_MAX at one time
 * Units      -
 * Ownership  the object is the set's own
 * Threads    one at a time
 * Errors     bl_address_set_new: NULL; bl_address_set_add: false when it is full, or there is no
 *            memory
 * Source     Knuth, TAOCP 6.4, algorithm L
 */
#ifndef BOUNCELINE_ADDRESS_SET_H
#define BOUNCELINE_ADDRESS_SET_H

#include <stdint.h>

#include "bounceline/slice.h"

enum { BL_ADDRESS_SET_MAX = 3 << 19 };

struct bl_address_set;

struct bl_address_set *bl_address_set_new(void);
void bl_address_set_free(struct bl_address_set *set);

/* Recipients as logged; what is no address is passed over. */
bool bl_address_set_add(struct bl_address_set *set, bl_slice recipient);
void bl_address_set_remove(struct bl_address_set *set, bl_slice recipient);
size_t bl_address_set_count(const struct bl_address_set *set);

/* The same as bl_address_set_remove in two steps: what the second will look at is fetched while
 * something else is done.  Nothing may be added in between. */
uint64_t bl_address_set_seek(const struct bl_address_set *set, bl_slice recipient);
void bl_address_set_remove_sought(struct bl_address_set *set, bl_slice recipient, uint64_t sought);

#endif
