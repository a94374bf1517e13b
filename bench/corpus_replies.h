/* corpus_replies.h -- what the invented hosts of the corpus answer
 *
 * 200 failure texts of our own wording: 50 reasons, each in two wordings and two shapes.
 *
 * Shapes     BL_REPLY_COUNT templates; a host's words are 80..400 bytes long, what Postfix itself
 *            says (no route, no such domain) is as long as it is; the permanent ones come first
 * Units      -
 * Ownership  static storage, built once by corpus_replies_init
 * Threads    read-only after init
 * Errors     none
 * Source     the idioms that hosts use; the words are ours
 */
#ifndef CORPUS_REPLIES_H
#define CORPUS_REPLIES_H

#include "bounceline/slice.h"

enum { BL_REPLY_COUNT = 200, BL_REPLY_MAX = 400 };

/* What Postfix prints between the parentheses: head, the peer, middle, the recipient, tail. */
struct corpus_reply {
    bl_slice dsn;    /* "5.1.1" */
    bl_slice before; /* "host " or "connect to " */
    bl_slice middle; /* " said: 550 5.1.1 <" */
    bool recipient;  /* the address stands between middle and tail */
    bl_slice tail;
    bool ticket;  /* followed by a reference of twelve letters */
    bl_slice end; /* " (in reply to RCPT TO command)" */
};

extern struct corpus_reply corpus_replies[BL_REPLY_COUNT];

/* Fills the table; returns how many of it are permanent. */
unsigned corpus_replies_init(void);

#endif
