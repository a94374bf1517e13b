/* err.h -- what went wrong, for the code and for people
 *
 * Functions return a bl_code, which must be looked at; a caller may lend a bl_err to learn more.
 *
 * Shapes     text: NUL-terminated, starts with what failed, lower case, no full stop
 * Units      sys: a negative libuv code or a positive errno, taken at the failing call; 0 if none
 * Ownership  the caller's storage; NULL is allowed everywhere
 * Threads    one thread at a time per bl_err
 * Errors     none; text that does not fit is cut
 * Source     -
 */
#ifndef BOUNCELINE_ERR_H
#define BOUNCELINE_ERR_H

#include <stddef.h>

enum bl_code {
    BL_OK = 0,
    BL_NO_MEMORY,   /* an allocation failed */
    BL_BAD_INPUT,   /* a file, a reply or an argument is malformed */
    BL_NO_INPUT,    /* a file that was named is not there or not readable */
    BL_IO,          /* reading, writing, a socket */
    BL_UNAVAILABLE, /* Redis cannot be reached or refuses */
    BL_CONFLICT,    /* another instance holds the lease or the lock; data of another dataset */
    BL_LIMIT,       /* a cap was reached */
    BL_USAGE,       /* the command line is wrong */
    BL_CONFIG       /* the set-up is wrong */
};

typedef struct bl_err {
    int sys;
    char text[256];
} bl_err;

/* Formats into `err` unless it is NULL, and returns `code`, so that
 * `return bl_fail(err, BL_IO, rc, "cannot read '%s'", path);` is one line. */
__attribute__((format(printf, 4, 5))) enum bl_code bl_fail(bl_err *err, enum bl_code code, int sys,
                                                           const char *format, ...);
#ifdef __clang_analyzer__ /* which does not look into other files */
#define bl_fail(err, code, ...) ((void)(bl_fail)(err, code, __VA_ARGS__), code)
#endif

#endif
