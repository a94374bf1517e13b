/* The snapshot file as a hostile one: any bytes, and any bytes behind a right checksum. */
#include <stdlib.h>

#include "../support/snapshot_file.h"
#include "bounceline/alloc.h"
#include "bounceline/hash.h"
#include "bounceline/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What was read and written once is read and written the same ever after. */
static void decode(const char *bytes, size_t n, int again)
{
    struct bl_snapshot *got = NULL;
    char *file;
    size_t file_n;

    if (bl_snapshot_decode((bl_slice){bytes, n}, &got, NULL) != BL_OK) {
        if (again)
            abort();
        return;
    }
    file = snapshot_file(got, &file_n);
    if (again && (file_n != n || memcmp(file, bytes, n) != 0))
        abort();
    if (!again)
        decode(file, file_n, 1);
    bl_free(file);
    bl_snapshot_free(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *sealed = malloc(n + 16);
    uint64_t checksum = bl_hash64((bl_slice){(const char *)data, n});

    decode((const char *)data, n, 0);
    if (!sealed)
        return 0;
    memcpy(sealed, "blsnap01", 8);
    memcpy(sealed + 8, &checksum, 8);
    if (n)
        memcpy(sealed + 16, data, n);
    decode(sealed, n + 16, 0);
    free(sealed);
    return 0;
}
