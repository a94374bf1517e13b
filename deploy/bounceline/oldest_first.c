#include "oldest_first.h"

#include "rotated.h"

enum age {
    BY_DATE,
    BY_NUMBER,
    PRESENT
}; /* NAME-2026.. is older than NAME.N, that is older than NAME */

struct sibling {
    enum age age;
    struct bl_rotated rotated;
};

static struct sibling describe(const char *path)
{
    bl_slice name = {path, strlen(path)};
    struct sibling out = {.age = PRESENT};

    if (bl_rotated_read(name, &out.rotated))
        out.age = out.rotated.is_date ? BY_DATE : BY_NUMBER;
    else
        out.rotated.stem = bl_slice_head(name, name.n - bl_packed_ending(name));
    return out;
}

static bool older(const struct sibling *a, const struct sibling *b)
{
    if (a->age != b->age)
        return a->age < b->age;
    return a->age != PRESENT && bl_rotated_compare(&a->rotated, &b->rotated) < 0;
}

/* Insertion: a handful of files, and what is equal keeps its order. */
void bl_oldest_first(char **paths, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct sibling mine = describe(paths[i]);
        char *path = paths[i];
        size_t to = i;

        for (size_t k = i; k-- > 0;) {
            struct sibling other = describe(paths[k]);

            if (!bl_slice_eq(mine.rotated.stem, other.rotated.stem))
                continue;
            if (!older(&mine, &other)) {
                if (to == i)
                    to = k + 1;
                break;
            }
            to = k;
        }
        memmove(paths + to + 1, paths + to, (i - to) * sizeof *paths);
        paths[to] = path;
    }
}
