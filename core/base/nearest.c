/* Three rows of the usual table: swapping two neighbours looks two rows back. */
#include "bounceline/nearest.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static char fold(char c)
{
    return c == '_' ? '-' : bl_lower(c);
}

static bool same(bl_slice a, size_t i, bl_slice b, size_t j)
{
    return fold(a.p[i]) == fold(b.p[j]);
}

size_t bl_distance(bl_slice a, bl_slice b, size_t limit)
{
    size_t rows[3][BL_DISTANCE_MAX + 1];

    a = bl_slice_head(a, BL_DISTANCE_MAX);
    b = bl_slice_head(b, BL_DISTANCE_MAX);
    if ((a.n > b.n ? a.n - b.n : b.n - a.n) >= limit)
        return limit;
    for (size_t j = 0; j <= b.n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            row[j] =
                least(above[j - 1] + !same(a, i - 1, b, j - 1), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && same(a, i - 1, b, j - 2) && same(a, i - 2, b, j - 1))
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return least(rows[a.n % 3][b.n], limit);
}

/* How far a word may be off and still be worth a suggestion.  Of an endless one nothing is. */
static size_t near_enough(size_t n)
{
    if (n > BL_DISTANCE_MAX)
        return 0;
    return n < 4 ? 1 : n < 8 ? 2 : n / 3;
}

struct bl_nearest bl_nearest_to(bl_slice word)
{
    return (struct bl_nearest){.word = word, .limit = near_enough(word.n) + 1};
}

void bl_nearest_try(struct bl_nearest *nearest, bl_slice name)
{
    size_t distance = bl_distance(nearest->word, name, nearest->limit);

    if (distance < nearest->limit) {
        nearest->limit = distance;
        nearest->found = name;
    }
}
