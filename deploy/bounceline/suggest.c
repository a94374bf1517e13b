#include "suggest.h"

#include <ctype.h>
#include <string.h>

enum { WORD_MAX = 63 };

static int fold(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Row by row: row[0] is the one at hand, row[2] two letters back, for swaps. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1], *row[3] = {rows[0], rows[1], rows[2]};
    size_t n = strlen(a), m = strlen(b);

    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *last = row[2];

        row[2] = row[1];
        row[1] = row[0];
        row[0] = last;
        row[0][0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t change = fold(a[i - 1]) != fold(b[j - 1]);
            size_t d = least(row[1][j - 1] + change, 1 + least(row[1][j], row[0][j - 1]));

            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]))
                d = least(d, row[2][j - 2] + 1);
            row[0][j] = d;
        }
    }
    return row[0][m];
}

const char *bl_suggest(const char *typed, const char *const *words, size_t n)
{
    size_t limit = strlen(typed) < 3 ? 1 : (strlen(typed) + 2) / 3, best = limit + 1;
    const char *found = NULL;

    for (size_t i = 0; i < n; i++) {
        size_t d = distance(typed, words[i]);

        if (d < best) {
            best = d;
            found = words[i];
        }
    }
    return found;
}
