/* Certificates by OpenSSL's library. Elliptic keys: they are made in no time. */
#include "certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define DAY_S 86400

static FILE *open_file(const char *path, const char *ending, const char *mode)
{
    char name[4200];
    snprintf(name, sizeof name, "%s.%s", path, ending);
    FILE *file = fopen(name, mode);
    assert_non_null(file);
    return file;
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void load_issuer(const char *path, X509 **cert, EVP_PKEY **key)
{
    FILE *file = open_file(path, "crt", "r");
    *cert = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    file = open_file(path, "key", "r");
    *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    assert_non_null(*cert);
    assert_non_null(*key);
}

static void fill(X509 *cert, EVP_PKEY *key, const cert_wish *wish)
{
    uint64_t serial = 0;
    assert_int_equal(RAND_bytes((unsigned char *)&serial, sizeof serial), 1);
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), (long)wish->from_day * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(cert), (long)wish->to_day * DAY_S);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)wish->common_name, -1, -1, 0);
}

static void write_files(const char *path, X509 *cert, EVP_PKEY *key)
{
    FILE *file = open_file(path, "crt", "w");
    assert_int_equal(PEM_write_X509(file, cert), 1);
    fclose(file);
    file = open_file(path, "key", "w");
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
}

void cert_make(const char *path, const cert_wish *wish)
{
    X509 *cert = X509_new(), *issuer = cert;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *issuer_key = key;
    assert_non_null(cert);
    assert_non_null(key);
    fill(cert, key, wish);
    if (wish->issuer != NULL) {
        load_issuer(wish->issuer, &issuer, &issuer_key);
    } else {
        add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
    }
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    if (wish->alt_names != NULL) {
        add_extension(cert, issuer, NID_subject_alt_name, wish->alt_names);
    }
    assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    write_files(path, cert, key);
    if (wish->issuer != NULL) {
        X509_free(issuer);
        EVP_PKEY_free(issuer_key);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
}
