/* Digests by OpenSSL, which no other layer below the worker knows. */
#include "wire/digest.h"

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/encode.h"

enum { LENGTH_LEN = 8, HALF_LEN = 16 };

bool dq_digest(char out[DQ_DIGEST_LEN + 1], const void *first, size_t first_len, const void *second,
               size_t second_len)
{
    unsigned char raw[EVP_MAX_MD_SIZE], length[LENGTH_LEN];
    dq_bytes_put(length, first_len, sizeof length);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool fine = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(context, length, sizeof length) == 1 &&
                EVP_DigestUpdate(context, first, first_len) == 1 &&
                EVP_DigestUpdate(context, second, second_len) == 1 &&
                EVP_DigestFinal_ex(context, raw, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (fine) dq_base64url(out, raw, HALF_LEN);
    return fine;
}
