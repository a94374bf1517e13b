/* rules_logs.h -- rules against real logs: which decide how often, and which replies none of them
 * explains
 *
 * Shapes     at most BL_SHAPES shapes at a time: when they are full, the rarest make room (lossy
 *            counting), so a count may be too low by what bl_rules_logs_missed says, and never too
 *            high
 * Units      -
 * Ownership  as usual; rules are borrowed
 * Threads    one at a time
 * Errors     bl_rules_logs_new: NULL; reading: BL_NO_INPUT, BL_IO, BL_BAD_INPUT (a damaged archive)
 * Source     Manku, Motwani 2002 (lossy counting)
 */
#ifndef BL_RULES_LOGS_H
#define BL_RULES_LOGS_H

#include "bounceline/rules.h"
#include "bounceline/shape.h"

enum { BL_SHAPES = 8192 };

struct bl_rules_logs;

struct bl_shape_count {
    uint64_t count;
    uint32_t rule; /* what decided it the first time: a code, or nothing */
    size_t n;
    char text[BL_SHAPE_MAX];
};

struct bl_rules_logs *bl_rules_logs_new(const struct bl_rules *rules);
void bl_rules_logs_free(struct bl_rules_logs *logs);

/* A log, plain or packed, or "-". */
enum bl_code bl_rules_logs_read(struct bl_rules_logs *logs, const char *path, bl_err *err);

uint64_t bl_rules_logs_hits(const struct bl_rules_logs *logs, uint32_t rule);
uint64_t bl_rules_logs_missed(const struct bl_rules_logs *logs);

/* Failures that codes alone decided, or nothing; the most frequent shape first. */
size_t bl_rules_logs_shapes(struct bl_rules_logs *logs, const struct bl_shape_count **out);

#endif
