/* Runs a fuzz target without libFuzzer: every file of its corpus, whole and cut short at every
 * byte. So the targets are built and their known inputs tried with any compiler.
 * Knows nothing of what is fuzzed. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LEN_MAX = 1 << 20, CUTS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A copy of exactly the length, so that reading past its end is seen by a sanitizer. */
static void try_input(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len != 0 ? len : 1);
    if (copy == NULL) {
        abort();
    }
    if (len != 0) {
        memcpy(copy, data, len);
    }
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static int try_file(const char *path)
{
    static uint8_t data[FILE_LEN_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "cannot read %s: %s\n", path, strerror(errno));
        return -1;
    }
    size_t len = fread(data, 1, sizeof data, file);
    fclose(file);
    try_input(data, len);
    for (size_t cut = 0; cut < len && cut < CUTS_MAX; cut++) {
        try_input(data, cut);
    }
    return 0;
}

static int try_folder(const char *folder, int *file_count)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        fprintf(stderr, "no corpus: cannot open %s: %s\n", folder, strerror(errno));
        return -1;
    }
    int rc = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (try_file(path) < 0) {
            rc = -1;
        }
        ++*file_count;
    }
    closedir(dir);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    int file_count = 0;
    try_input((const uint8_t *)"", 0);
    if (try_folder(argv[1], &file_count) < 0 || file_count == 0) {
        fprintf(stderr, "%s: %d files tried, at least one wanted\n", argv[1], file_count);
        return 1;
    }
    printf("%d files tried, whole and cut short at every byte\n", file_count);
    return 0;
}
