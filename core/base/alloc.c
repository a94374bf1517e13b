#include "bounceline/alloc.h"

#include <stdint.h>
#include <stdlib.h>

static bool (*hook)(void *arg, size_t bytes);
static void *hook_arg;

void bl_alloc_set_hook(bool (*may)(void *arg, size_t bytes), void *arg)
{
    hook = may;
    hook_arg = arg;
}

static bool may_allocate(size_t bytes)
{
    return !hook || hook(hook_arg, bytes);
}

void *bl_malloc(size_t bytes)
{
    return may_allocate(bytes) ? malloc(bytes ? bytes : 1) : NULL;
}

void *bl_calloc(size_t count, size_t bytes)
{
    if (bytes && count > SIZE_MAX / bytes)
        return NULL;
    return may_allocate(count * bytes) ? calloc(count ? count : 1, bytes ? bytes : 1) : NULL;
}

void *bl_realloc(void *old, size_t bytes)
{
    return may_allocate(bytes) ? realloc(old, bytes ? bytes : 1) : NULL;
}

void bl_free(void *p)
{
    free(p);
}
