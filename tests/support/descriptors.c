/* Counts what /proc lists, the folder's own descriptor among it each time. */
#include "descriptors.h"

#include <dirent.h>
#include <stddef.h>

int count_descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}
