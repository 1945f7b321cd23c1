/* The library as a thing: its version, and the freeing of text it gave away. */
#include <stdlib.h>

#include "dueq.h"

#define TEXT_OF(number) #number
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *dueq_version(void)
{
    return VERSION_TEXT(DUEQ_VERSION_MAJOR, DUEQ_VERSION_MINOR, DUEQ_VERSION_PATCH);
}

void dueq_free(void *text)
{
    free(text);
}
