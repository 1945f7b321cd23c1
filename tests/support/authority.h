/* A test authority in a folder of its own, and certificates of every kind that a test wants:
 *
 *   ca        the authority            good     for localhost and 127.0.0.1
 *   expired   good, days ago           early    good, in days to come
 *   other     for another host         self     signed by itself
 *   client    a client's */
#ifndef TESTS_SUPPORT_AUTHORITY_H
#define TESTS_SUPPORT_AUTHORITY_H

/* cmocka's set-up and tear-down of a group. */
int authority_make(void **state);
int authority_drop(void **state);

const char *authority_folder(void);

/* The path of a certificate's files, without ".crt" and ".key"; four can be named at a time. */
const char *authority_file(const char *name);

#endif
