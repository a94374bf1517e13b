#include "bounceline/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_LINE = 64 };

static bool (*hook)(void *arg, size_t bytes);
static void *hook_arg;
static void (*tell_large)(void *p, size_t bytes);

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
    if (!may_allocate(count * bytes))
        return NULL;
    return calloc(count ? count : 1, bytes ? bytes : 1);
}

void *bl_realloc(void *old, size_t bytes)
{
    return may_allocate(bytes) ? realloc(old, bytes ? bytes : 1) : NULL;
}

void bl_free(void *p)
{
    free(p);
}

void bl_table_set_large(void (*tell)(void *p, size_t bytes))
{
    tell_large = tell;
}

/* What was allocated stands in front of the table; its pages are touched when they are used. */
void *bl_table_new(size_t count, size_t bytes)
{
    size_t align = CACHE_LINE, whole;
    char *memory, *table;

    if (bytes && count > (SIZE_MAX / 2) / bytes)
        return NULL;
    whole = count * bytes;
    if (whole >= BL_TABLE_LARGE) {
        align = BL_LARGE_PAGE;
        whole = (whole + align - 1) / align * align;
    }
    memory = bl_calloc(1, sizeof memory + align - 1 + whole);
    if (!memory)
        return NULL;
    table = memory + sizeof memory;
    table += -(uintptr_t)table % align;
    memcpy(table - sizeof memory, &memory, sizeof memory);
    if (align == BL_LARGE_PAGE && tell_large)
        tell_large(table, whole);
    return table;
}

void bl_table_free(void *table)
{
    char *memory;

    if (!table)
        return;
    memcpy(&memory, (char *)table - sizeof memory, sizeof memory);
    bl_free(memory);
}
