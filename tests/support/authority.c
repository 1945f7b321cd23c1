/* One folder of certificates, made once a program. */
#include "authority.h"

#include <stddef.h>
#include <stdio.h>

#include "certs.h"
#include "folder.h"

#define NAMES "DNS:localhost,IP:127.0.0.1"

static test_folder certs;

const char *authority_folder(void)
{
    return certs.path;
}

const char *authority_file(const char *name)
{
    static char names[4][FOLDER_PATH_SIZE + 64];
    static size_t next;
    char *text = names[next++ % 4];
    snprintf(text, sizeof names[0], "%s/%s", certs.path, name);
    return text;
}

static void make(const char *name, const char *alt_names, int from_day, int to_day)
{
    cert_wish wish = {"server", alt_names, from_day, to_day, authority_file("ca")};
    cert_make(authority_file(name), &wish);
}

int authority_make(void **state)
{
    (void)state;
    folder_make(&certs);
    cert_make(authority_file("ca"), &(cert_wish){"test authority", NULL, -1, 30, NULL});
    make("good", NAMES, -1, 30);
    make("expired", NAMES, -20, -10);
    make("early", NAMES, 10, 20);
    make("other", "DNS:other.example", -1, 30);
    cert_make(authority_file("self"), &(cert_wish){"server", NAMES, -1, 30, NULL});
    cert_make(authority_file("client"), &(cert_wish){"client", NULL, -1, 30, authority_file("ca")});
    return 0;
}

int authority_drop(void **state)
{
    (void)state;
    folder_free(&certs);
    return 0;
}
