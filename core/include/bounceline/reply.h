/* reply.h -- the parts of an SMTP reply, as a server sent it or as an MTA logged it
 *
 * Shapes     text: any bytes.  `550 5.1.1 <a@b>: no such user`, `550-5.1.1 ... 550 5.1.1 ...`, or
 *            Postfix's `host mx[192.0.2.1] said: 550 ... (in reply to RCPT TO command)`
 * Units      -
 * Ownership  slices point into `text`
 * Threads    pure
 * Errors     none: what is not there stays absent
 * Source     RFC 5321 4.2, RFC 3463; Postfix src/smtp (wording of wrapper texts)
 */
#ifndef BOUNCELINE_REPLY_H
#define BOUNCELINE_REPLY_H

#include "bounceline/classify.h"

/* Reads a bare reply: code, enhanced code (also of a later line of a multi-line reply), text.
 * Leaves phase, wrapper and relay_host alone. */
void bl_reply_read(bl_slice text, bl_reply *out);

/* Reads what Postfix prints in `status=word (TEXT)`: only what stands after `said:` (or `refused to
 * talk to me:`) becomes the reply, the phase comes from `(in reply to ...)` or from the wording; a
 * text without a remote reply (`connect to ...: Connection timed out`) is its own text. */
void bl_reply_read_postfix(bl_slice text, bl_reply *out);

/* Reads what a person has at hand: either of the above, or a reply that Exim, qmail, Sendmail's
 * transcript or a bounce quotes (`SMTP error from remote mail server after RCPT TO:<a@b>: host mx
 * [192.0.2.1]: 550 ...`, `Remote host said: 550 ...`, `<<< 550 ...`).  What stands in front is no
 * part of the reply; it gives the phase. */
void bl_reply_read_quoted(bl_slice text, bl_reply *out);

#endif
