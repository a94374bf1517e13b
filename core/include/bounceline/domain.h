/* domain.h -- one name for a domain that is not ASCII
 *
 * Such a domain has many spellings: a log may say почта.example, ПОЧТА.example or
 * xn--80a1acny.example.  The key is the last, the A-label: it is what DNS and the hosts' replies
 * say, and no terminal or shell mistakes it.
 *
 * Shapes     domain: any bytes; at most BL_DOMAIN_MAX of them are looked at; the result is made of
 *            a-z 0-9 . - _
 * Units      bytes
 * Ownership  copies
 * Threads    any number: libidn2 keeps no state, and asks no locale of what is UTF-8
 * Errors     bl_domain_to_ascii: false, and the domain's key is its own bytes: not UTF-8, not
 *            allowed, too long, no memory
 * Source     RFC 5891 and UTS #46 (non-transitional), which libidn2 implements
 */
#ifndef BOUNCELINE_DOMAIN_H
#define BOUNCELINE_DOMAIN_H

#include "bounceline/slice.h"

enum { BL_DOMAIN_MAX = 255 }; /* RFC 5321 4.5.3.1.2 */

/* For domains with a byte beyond ASCII, in lower case as far as ASCII goes; it costs some
 * microseconds, and libidn2 allocates, so the others are not to come here (bl_slice_is_ascii). */
bool bl_domain_to_ascii(bl_slice domain, char out[BL_DOMAIN_MAX], size_t *out_n);

#endif
