/* TLS through OpenSSL, with a BIO of our own over the socket: OpenSSL's writes with write(), which
 * raises SIGPIPE. */
#include "wire/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "wire/socket.h"

/* Holds: after `broken` nothing more is asked of the session, not even a goodbye. */
struct dq_tls {
    SSL *ssl;
    int fd;
    int io_errno; /* of the last socket call; 0: it succeeded, or the stream ended */
    bool broken;
    short read_wants, write_wants;
};

/* ---- The BIO --------------------------------------------------------------------------------- */

static bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static int bio_read(BIO *bio, char *bytes, int len)
{
    dq_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t got = recv(tls->fd, bytes, (size_t)len, 0);
    tls->io_errno = got < 0 ? errno : 0;
    if (got < 0 && would_block(errno)) {
        BIO_set_retry_read(bio);
    }
    return (int)got;
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
    dq_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t sent = send(tls->fd, bytes, (size_t)len, MSG_NOSIGNAL);
    tls->io_errno = sent < 0 ? errno : 0;
    if (sent < 0 && would_block(errno)) {
        BIO_set_retry_write(bio);
    }
    return (int)sent;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static pthread_once_t bio_method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *bio_method; /* made once, kept to the end; NULL: out of memory */

static void make_bio_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "dueq socket");
    if (made == NULL) {
        return;
    }
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    bio_method = made;
}

static BIO *make_bio(dq_tls *tls)
{
    pthread_once(&bio_method_once, make_bio_method);
    BIO *bio = bio_method == NULL ? NULL : BIO_new(bio_method);
    if (bio != NULL) {
        BIO_set_data(bio, tls);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* ---- Reasons --------------------------------------------------------------------------------- */

static const char *last_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason == NULL ? "unknown reason" : reason;
}

/* The certificate was not accepted: why, and what would help. */
static int tell_untrusted(long result, const dq_url *url, dq_fault *fault)
{
    const char *name = url->server_name != NULL ? url->server_name : url->host;
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return dq_fault_set(fault, DUEQ_ETLS, "the server's certificate has expired");
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return dq_fault_set(fault, DUEQ_ETLS,
                            "the server's certificate is not valid yet; is this machine's clock "
                            "right?");
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return dq_fault_set(fault, DUEQ_ETLS,
                            "the server's certificate is self-signed and not trusted; name the "
                            "CA's file with cacert=");
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: /* the server sent its untrusted CA along */
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return dq_fault_set(fault, DUEQ_ETLS,
                            "the server's certificate is of a CA that is not trusted; name the "
                            "CA's file with cacert=");
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return dq_fault_set(fault, DUEQ_ETLS,
                            "the server's certificate is not for \"%s\"; if another name is "
                            "right, give it with sni=",
                            name);
    default:
        return dq_fault_set(fault, DUEQ_ETLS, "the server's certificate was not accepted: %s",
                            X509_verify_cert_error_string(result));
    }
}

/* An error that OpenSSL found: the peer's alert, or no TLS at all. */
static int tell_protocol(const dq_tls *tls, const dq_url *url, dq_fault *fault)
{
    long result = SSL_get_verify_result(tls->ssl);
    if (url != NULL && result != X509_V_OK && !url->no_verify) {
        return tell_untrusted(result, url, fault);
    }
    switch (ERR_GET_REASON(ERR_peek_last_error())) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        return dq_fault_set(fault, DUEQ_ETLS,
                            "the server does not speak TLS there; without TLS the URL begins "
                            "with redis://");
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        return dq_fault_set(fault, DUEQ_ETLS,
                            "the server refused us, most likely for want of a client "
                            "certificate; give one with cert= and key= (%s)",
                            last_reason());
    default:
        return dq_fault_set(fault, DUEQ_ETLS, "TLS failed: %s", last_reason());
    }
}

static bool ended_early(int error)
{
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
    if (error == SSL_ERROR_SSL &&
        ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return true;
    }
#endif
    return error == SSL_ERROR_ZERO_RETURN || error == SSL_ERROR_SYSCALL;
}

/* The outcome of a failed OpenSSL call: 0 when it would block (*wants is set), else negative. */
static int judge(dq_tls *tls, int result, const dq_url *url, short *wants, dq_fault *fault)
{
    int error = SSL_get_error(tls->ssl, result);
    *wants = 0;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        *wants = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        return 0;
    }
    tls->broken = true;
    if (!ended_early(error)) {
        return tell_protocol(tls, url, fault);
    }
    if (tls->io_errno == 0) {
        return dq_fault_set(fault, DUEQ_EUNSURE, "the server closed the connection");
    }
    char reason[DQ_ERRNO_TEXT_MAX];
    return dq_fault_set(fault, DUEQ_EUNSURE, "the connection broke: %s",
                        dq_errno_text(tls->io_errno, reason));
}

/* ---- Settings -------------------------------------------------------------------------------- */

/* For an encrypted key: refuse, instead of asking for a passphrase on the terminal. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the signature is OpenSSL's */
static int no_passphrase(char *text, int size, int writing, void *context)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)context;
    return 0;
}

static int check_readable(const char *option, const char *path, dq_fault *fault)
{
    char reason[DQ_ERRNO_TEXT_MAX];
    if (path == NULL || access(path, R_OK) == 0) {
        return DUEQ_OK;
    }
    return dq_fault_set(fault, DUEQ_ETLS, "cannot read %s=%s: %s", option, path,
                        dq_errno_text(errno, reason));
}

static int load_trust(SSL_CTX *settings, const dq_url *url, dq_fault *fault)
{
    if (check_readable("cacert", url->ca_file, fault) < 0 ||
        check_readable("cadir", url->ca_dir, fault) < 0) {
        return DUEQ_ETLS;
    }
    if (url->ca_file == NULL && url->ca_dir == NULL) {
        SSL_CTX_set_default_verify_paths(settings); /* with none, no certificate is accepted */
        return DUEQ_OK;
    }
    if (SSL_CTX_load_verify_locations(settings, url->ca_file, url->ca_dir) != 1) {
        return dq_fault_set(fault, DUEQ_ETLS, "cannot use cacert=%s: it holds no certificate (%s)",
                            url->ca_file == NULL ? "" : url->ca_file, last_reason());
    }
    return DUEQ_OK;
}

/* The client's certificate; its key may stand in the same file. */
static int load_identity(SSL_CTX *settings, const dq_url *url, dq_fault *fault)
{
    if (url->cert_file == NULL) {
        return url->key_file == NULL
                   ? DUEQ_OK
                   : dq_fault_set(fault, DUEQ_ETLS, "key= needs the certificate too: give cert=");
    }
    const char *key_file = url->key_file != NULL ? url->key_file : url->cert_file;
    if (check_readable("cert", url->cert_file, fault) < 0 ||
        check_readable("key", key_file, fault) < 0) {
        return DUEQ_ETLS;
    }
    SSL_CTX_set_default_passwd_cb(settings, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(settings, url->cert_file) != 1) {
        return dq_fault_set(fault, DUEQ_ETLS, "cannot use cert=%s: %s", url->cert_file,
                            last_reason());
    }
    if (SSL_CTX_use_PrivateKey_file(settings, key_file, SSL_FILETYPE_PEM) != 1) {
        return dq_fault_set(fault, DUEQ_ETLS,
                            "cannot use key=%s: %s (it must be unencrypted PEM and belong to "
                            "cert=)",
                            key_file, last_reason());
    }
    return DUEQ_OK;
}

static int load_settings(SSL_CTX *settings, const dq_url *url, dq_fault *fault)
{
    SSL_CTX_set_min_proto_version(settings, TLS1_2_VERSION);
    SSL_CTX_set_mode(settings, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(settings, url->no_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    int rc = load_trust(settings, url, fault);
    return rc < 0 ? rc : load_identity(settings, url, fault);
}

static bool is_ip_address(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* The name (or address) the certificate must be for; a name is also told to the server (SNI). */
static bool expect_name(SSL *ssl, char *name)
{
    X509_VERIFY_PARAM *expected = SSL_get0_param(ssl);
    if (is_ip_address(name)) {
        return X509_VERIFY_PARAM_set1_ip_asc(expected, name) == 1;
    }
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(expected, name, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

/* ---- The session ----------------------------------------------------------------------------- */

static int start_session(dq_tls *tls, const dq_url *url, dq_fault *fault)
{
    SSL_CTX *settings = SSL_CTX_new(TLS_client_method());
    if (settings == NULL) {
        return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    }
    int rc = load_settings(settings, url, fault);
    if (rc == DUEQ_OK) {
        tls->ssl = SSL_new(settings);
    }
    SSL_CTX_free(settings); /* the session keeps what it needs */
    if (rc < 0) {
        return rc;
    }
    BIO *bio = tls->ssl == NULL ? NULL : make_bio(tls);
    if (bio == NULL) {
        return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    }
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_connect_state(tls->ssl);
    char *name = url->server_name != NULL ? url->server_name : url->host;
    if (!expect_name(tls->ssl, name)) {
        return dq_fault_set(fault, DUEQ_ETLS, "\"%s\" cannot be a certificate's name", name);
    }
    return DUEQ_OK;
}

static int shake_hands(dq_tls *tls, const dq_url *url, int64_t deadline_us, dq_fault *fault)
{
    for (;;) {
        ERR_clear_error();
        int result = SSL_do_handshake(tls->ssl);
        if (result == 1) {
            return DUEQ_OK;
        }
        short wants;
        int rc = judge(tls, result, url, &wants, fault);
        if (rc == DUEQ_EUNSURE) {
            return dq_fault_set(fault, DUEQ_ECONNECT,
                                "the server closed the connection during the TLS handshake; does "
                                "it speak TLS there?");
        }
        if (rc < 0) {
            return rc;
        }
        if (dq_socket_wait(tls->fd, wants, -1, deadline_us) != DUEQ_OK) {
            tls->broken = true;
            return dq_fault_set(fault, DUEQ_ECONNECT,
                                "the server did not finish the TLS handshake in time; does it "
                                "speak TLS there?");
        }
    }
}

int dq_tls_open(dq_tls **tls, int fd, const dq_url *url, int64_t deadline_us, dq_fault *fault)
{
    *tls = NULL;
    dq_tls *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    }
    made->fd = fd;
    ERR_clear_error();
    int rc = start_session(made, url, fault);
    if (rc == DUEQ_OK) {
        rc = shake_hands(made, url, deadline_us, fault);
    }
    if (rc < 0) {
        made->broken = true;
        dq_tls_close(made);
        return rc;
    }
    *tls = made;
    return DUEQ_OK;
}

void dq_tls_close(dq_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    if (!tls->broken) {
        ERR_clear_error();
        SSL_shutdown(tls->ssl);
    }
    SSL_free(tls->ssl);
    ERR_clear_error(); /* leave nothing behind for the program's own use of OpenSSL */
    free(tls);
}

ptrdiff_t dq_tls_read(dq_tls *tls, void *bytes, size_t len, dq_fault *fault)
{
    size_t got;
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, bytes, len, &got);
    if (result == 1) {
        tls->read_wants = 0;
        return (ptrdiff_t)got;
    }
    return judge(tls, result, NULL, &tls->read_wants, fault);
}

ptrdiff_t dq_tls_write(dq_tls *tls, const void *bytes, size_t len, dq_fault *fault)
{
    size_t sent;
    ERR_clear_error();
    int result = SSL_write_ex(tls->ssl, bytes, len, &sent);
    if (result == 1) {
        tls->write_wants = 0;
        return (ptrdiff_t)sent;
    }
    return judge(tls, result, NULL, &tls->write_wants, fault);
}

short dq_tls_read_wants(const dq_tls *tls)
{
    return tls->read_wants;
}

short dq_tls_write_wants(const dq_tls *tls)
{
    return tls->write_wants;
}
