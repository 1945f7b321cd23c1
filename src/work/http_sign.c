/* HMAC-SHA256 by OpenSSL, over the lines and the body without joining them first. */
#include "work/http_sign.h"

#include <inttypes.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/buf.h"

#define DIGEST_LEN 32

static void write_hex(char *out, const unsigned char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15u];
    }
    *out = '\0';
}

static bool start(EVP_MAC_CTX *mac, const char *secret)
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_init(mac, (const unsigned char *)secret, strlen(secret), parameters) == 1;
}

static bool digest(EVP_MAC_CTX *mac, const dq_buf *lines, const dq_http_signed *request,
                   unsigned char out[DIGEST_LEN])
{
    size_t len = 0;
    return EVP_MAC_update(mac, (const unsigned char *)lines->data, lines->len) == 1 &&
           EVP_MAC_update(mac, request->body, request->body_len) == 1 &&
           EVP_MAC_final(mac, out, &len, DIGEST_LEN) == 1 && len == DIGEST_LEN;
}

bool dq_http_sign(char out[DQ_HTTP_SIGNATURE_SIZE], const char *secret,
                  const dq_http_signed *request)
{
    unsigned char bytes[DIGEST_LEN];
    dq_buf lines = {0};
    EVP_MAC *kind = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    EVP_MAC_CTX *mac = kind == NULL ? NULL : EVP_MAC_CTX_new(kind);
    dq_buf_printf(&lines, "%" PRId64 "\n%s\n%s\n%" PRId64 "\n%" PRId64 "\n", request->time_s,
                  request->queue, request->id, request->attempt, request->token);
    bool good =
        mac != NULL && !lines.failed && start(mac, secret) && digest(mac, &lines, request, bytes);
    if (good) write_hex(out, bytes, DIGEST_LEN);
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(kind);
    dq_buf_clear(&lines);
    return good;
}
