/* config_parts.h -- what the files of config share
 *
 * Shapes     places count from 1
 * Units      durations: milliseconds; sizes: bytes
 * Ownership  errors: the caller's, released by bl_config_errors_release
 * Threads    one at a time
 * Errors     complaints are collected; a full list counts on
 * Source     -
 */
#ifndef BOUNCELINE_CONFIG_PARTS_H
#define BOUNCELINE_CONFIG_PARTS_H

#include "bounceline/slice.h"
#include "config.h"

typedef struct bl_config_place {
    unsigned line, column, width;
} bl_config_place;

__attribute__((format(printf, 3, 4))) void bl_config_complain(struct bl_config_errors *errors,
                                                              bl_config_place place,
                                                              const char *format, ...);

/* "90s", "26h", "1d12h": whole numbers with ms, s, m, h, d, w; false for anything else. */
bool bl_config_duration(bl_slice text, int64_t *out_ms);

/* "512M", "2GiB", "1048576B": powers of 1024. */
bool bl_config_size(bl_slice text, uint64_t *out_bytes);

/* As people would write it: "26h", "7d". */
enum { BL_CONFIG_SPAN_MAX = 32 };
const char *bl_config_span(int64_t ms, char out[BL_CONFIG_SPAN_MAX]);

/* "10.0.0.0/8", "::1", "mx.example.org", ".example.org". */
bool bl_config_relay(bl_slice text);

#endif
