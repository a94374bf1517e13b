/* relays.h -- hosts that only hand mail on
 *
 * What a smarthost or a filter accepts is not delivered yet: it counts as relayed.
 *
 * Shapes     "smtp.example.org" (that host), ".example.org" (all below it), "192.0.2.1",
 *            "10.0.0.0/8", "2001:db8::/32"
 * Units      -
 * Ownership  bl_relays_free; texts are copied
 * Threads    immutable once made
 * Errors     bl_relay_read: false; bl_relays_new: NULL without memory
 * Source     inet_pton(3)
 */
#ifndef BOUNCELINE_RELAYS_H
#define BOUNCELINE_RELAYS_H

#include "bounceline/slice.h"

struct bl_relay {
    int family;    /* AF_INET, AF_INET6; 0: a name */
    unsigned bits; /* of the network */
    unsigned char address[16];
    char name[256]; /* lower case; a leading dot: everything below */
    size_t name_n;
};

bool bl_relay_read(bl_slice text, struct bl_relay *out);

struct bl_relays;

/* those that cannot be read are left out */
struct bl_relays *bl_relays_new(const char *const *text, size_t n);
void bl_relays_free(struct bl_relays *relays);

/* Is this relay one of them?  Either may be empty. */
bool bl_relays_has(const struct bl_relays *relays, bl_slice host, bl_slice ip);

#endif
