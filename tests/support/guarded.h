/* guarded.h -- test inputs that end at an unmapped page: reading one byte too far stops the test */
#ifndef BL_TEST_GUARDED_H
#define BL_TEST_GUARDED_H

#include "bounceline/slice.h"

/* A copy of `n` bytes that ends at an unmapped page.  Up to 16 live at a time, the oldest is
 * reused. */
bl_slice guarded_bytes(const char *bytes, size_t n);
bl_slice guarded(const char *text);

#endif
