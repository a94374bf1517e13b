/* replay_main.c -- runs a fuzz target over the files of its corpus, so that every ordinary test run
 * does
 *
 * Each file is handed over in a block of its own size, so that ASan sees one byte too many. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int replay(const char *folder, const char *name)
{
    char path[4096];
    FILE *file;
    uint8_t *data = NULL;
    size_t n = 0;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (!file)
        return 1;
    data = malloc(1 << 20);
    n = data ? fread(data, 1, 1 << 20, file) : 0;
    fclose(file);
    if (data) {
        uint8_t *exact = malloc(n ? n : 1);

        if (exact) {
            for (size_t i = 0; i < n; i++)
                exact[i] = data[i];
            LLVMFuzzerTestOneInput(exact, n);
        }
        free(exact);
    }
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    DIR *folder = argc > 1 ? opendir(argv[1]) : NULL;

    if (!folder) {
        fprintf(stderr, "no corpus folder %s\n", argc > 1 ? argv[1] : "");
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        if (replay(argv[1], entry->d_name) != 0)
            return 1;
        count++;
    }
    closedir(folder);
    printf("%zu inputs replayed\n", count);
    return count ? 0 : 1;
}
