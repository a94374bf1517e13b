#include "bounceline/err.h"

#undef bl_fail /* the analyser's */

#include <stdarg.h>
#include <stdio.h>

enum bl_code bl_fail(bl_err *err, enum bl_code code, int sys, const char *format, ...)
{
    if (err) {
        va_list args;

        err->sys = sys;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return code;
}
