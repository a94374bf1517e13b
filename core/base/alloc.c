#include "bounceline/alloc.h"

#include <stdint.h>
#include <stdlib.h>

static bool (*hook)(void *arg, size_t bytes);
static void *hook_arg;
static void (*tell_large)(void *p, size_t bytes);

void bl_alloc_set_hook(bool (*may)(void *arg, size_t bytes), void *arg)
{
    hook = may;
    hook_arg = arg;
}

void bl_alloc_set_large(void (*tell)(void *p, size_t bytes))
{
    tell_large = tell;
}

static void *told(void *p, size_t bytes)
{
    if (p && tell_large && bytes >= BL_ALLOC_LARGE)
        tell_large(p, bytes);
    return p;
}

static bool may_allocate(size_t bytes)
{
    return !hook || hook(hook_arg, bytes);
}

void *bl_malloc(size_t bytes)
{
    return may_allocate(bytes) ? told(malloc(bytes ? bytes : 1), bytes) : NULL;
}

void *bl_calloc(size_t count, size_t bytes)
{
    if (bytes && count > SIZE_MAX / bytes)
        return NULL;
    if (!may_allocate(count * bytes))
        return NULL;
    return told(calloc(count ? count : 1, bytes ? bytes : 1), count * bytes);
}

void *bl_realloc(void *old, size_t bytes)
{
    return may_allocate(bytes) ? realloc(old, bytes ? bytes : 1) : NULL;
}

void bl_free(void *p)
{
    free(p);
}
