/* Certificates for tests of TLS, made on the spot: an authority and what it signs. */
#ifndef TESTS_SUPPORT_CERTS_H
#define TESTS_SUPPORT_CERTS_H

/* What a certificate is to say. */
typedef struct cert_wish {
    const char *common_name;
    const char *alt_names; /* "DNS:localhost,IP:127.0.0.1"; NULL: none */
    int from_day, to_day;  /* valid, in days from now */
    const char *issuer;    /* the common path of its issuer's files; NULL: signs itself */
} cert_wish;

/* Writes PATH.crt and PATH.key (PEM). Fails the test when that cannot be done. */
void cert_make(const char *path, const cert_wish *wish);

#endif
