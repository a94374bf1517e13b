#include "oldest_first.h"

#include "bounceline/slice.h"

enum age {
    BY_DATE,
    BY_NUMBER,
    PRESENT
}; /* NAME-2026.. is older than NAME.N, that is older than NAME */

struct sibling {
    bl_slice base, date;
    enum age age;
    uint64_t number;
};

static bool take_end(bl_slice *path, bl_slice end)
{
    if (!bl_slice_ends(*path, end) || path->n == end.n)
        return false;
    path->n -= end.n;
    return true;
}

/* NAME-20261122, NAME-20261122-0700, NAME-2026112207, NAME.20261122 */
static bool is_date(bl_slice tail)
{
    size_t digits = 0;

    for (size_t i = 0; i < tail.n; i++) {
        if (!bl_is_digit(tail.p[i]) && tail.p[i] != '-')
            return false;
        digits += bl_is_digit(tail.p[i]);
    }
    return digits >= 8 && bl_is_digit(tail.p[0]);
}

static struct sibling describe(const char *path)
{
    bl_slice base = {path, strlen(path)}, tail;
    struct sibling out = {.age = PRESENT};
    size_t at;

    if (!take_end(&base, BL_SLICE(".gz")))
        take_end(&base, BL_SLICE(".zst"));
    out.base = base;
    for (at = base.n; at > 0 && (bl_is_digit(base.p[at - 1]) || base.p[at - 1] == '-'); at--)
        ;
    /* `at` is behind the last byte that is neither digit nor dash: a dot, or the end of the name
     * proper */
    tail = bl_slice_drop(base, at);
    if (at > 1 && base.p[at - 1] == '.' && tail.n && tail.n <= 6 &&
        bl_slice_take_u64(&tail, &out.number) && !tail.n) {
        out.base.n = at - 1;
        out.age = BY_NUMBER;
        return out;
    }
    tail = bl_slice_drop(base, at);
    if (at > 0 && tail.n && tail.p[0] == '-')
        tail = bl_slice_drop(tail, 1);
    else if (at > 1 && base.p[at - 1] == '.')
        at--;
    else
        return out;
    if (is_date(tail)) {
        out.base.n = at;
        out.date = tail;
        out.age = BY_DATE;
    }
    return out;
}

static bool older(const struct sibling *a, const struct sibling *b)
{
    if (a->age != b->age)
        return a->age < b->age;
    if (a->age == BY_NUMBER)
        return a->number > b->number;
    if (a->age == BY_DATE) {
        size_t n = a->date.n < b->date.n ? a->date.n : b->date.n;
        int order = memcmp(a->date.p, b->date.p, n);

        return order ? order < 0 : a->date.n < b->date.n;
    }
    return false;
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

            if (!bl_slice_eq(mine.base, other.base))
                continue;
            if (!older(&mine, &other))  {
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
