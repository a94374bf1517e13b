#include "suggest.h"

#include <string.h>

#include "bounceline/nearest.h"

const char *bl_suggest(const char *typed, const char *const *words, size_t n)
{
    struct bl_nearest nearest = bl_nearest_to((bl_slice){typed, strlen(typed)});

    for (size_t i = 0; i < n; i++)
        bl_nearest_try(&nearest, (bl_slice){words[i], strlen(words[i])});
    return nearest.found.p; /* to the end of the word, where its NUL is */
}
