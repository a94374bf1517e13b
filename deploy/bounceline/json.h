/* json.h -- JSON out of bytes that may be anything
 *
 * What is written is valid JSON whatever the text: bytes that are no UTF-8 become U+FFFD (one for
 * each maximal ill-formed part, as Unicode recommends), controls are escaped, also those beyond
 * ASCII that a terminal would act on.
 *
 * Shapes     keys: any bytes too; members in the order of the calls
 * Units      -
 * Ownership  borrows the output
 * Threads    one at a time
 * Errors     those of the output
 * Source     RFC 8259
 */
#ifndef BOUNCELINE_JSON_H
#define BOUNCELINE_JSON_H

#include "output.h"

struct bl_json {
    struct bl_output *out;
    bool comma; /* a member stands before */
};

void bl_json_init(struct bl_json *json, struct bl_output *out);

/* The outermost object; the line ends behind its close. */
void bl_json_begin(struct bl_json *json);
void bl_json_end(struct bl_json *json);

void bl_json_open(struct bl_json *json, bl_slice key); /* an object as a member */
void bl_json_open_list(struct bl_json *json, bl_slice key);
void bl_json_open_item(struct bl_json *json); /* an object as an item of a list */
void bl_json_close(struct bl_json *json);
void bl_json_close_list(struct bl_json *json);

void bl_json_text(struct bl_json *json, bl_slice key, bl_slice value);
void bl_json_text_if(struct bl_json *json, bl_slice key, bl_slice value); /* absent when empty */
void bl_json_u64(struct bl_json *json, bl_slice key, uint64_t value);
void bl_json_bool(struct bl_json *json, bl_slice key, bool value);

/* value / 10^digits, without the zeros that say nothing: (1500, 3) is 1.5. */
void bl_json_decimal(struct bl_json *json, bl_slice key, int64_t value, unsigned digits);

/* RFC 3339, UTC, of milliseconds since 1970; absent when 0. */
void bl_json_time(struct bl_json *json, bl_slice key, int64_t time_ms);

/* Just the string, quotes included. */
void bl_json_string(struct bl_output *out, bl_slice text);

#endif
