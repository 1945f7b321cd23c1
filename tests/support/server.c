/* The private server of the live tests: started as a child, asked over libvalkey's blocking calls,
 * so that nothing of dueq's own is needed to test dueq. */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"

#define START_MS 20000 /* from exec to PONG, on a machine busy with other tests */
#define ANSWER_SEC 20  /* to one raw command */
#define PORT_TRIES 10  /* another program may take a port between our look and the server's */
#define LOG_TAIL_LEN 2000

/* Holds: pid is 0 exactly while no child runs; a redis.conf for these ports is in the folder. */
struct test_server {
    test_folder folder;
    char socket[FOLDER_PATH_SIZE + 16];
    char url[FOLDER_PATH_SIZE + 32];
    char tcp_url[64];
    int port;
    int tls_port;
    bool sentinel;
    pid_t pid;
    int wait_status; /* of the last child that ended */
    valkeyContext *context;
};

/* ---- Starting -------------------------------------------------------------------------------- */

int server_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &address_len) < 0) {
        fail_msg("no free port: %s", strerror(errno));
    }
    close(fd);
    return ntohs(address.sin_port);
}

static void write_tls_config(FILE *file, const test_server *s, const server_options *options)
{
    fprintf(file, "tls-port %d\ntls-cert-file \"%s\"\ntls-key-file \"%s\"\ntls-auth-clients %s\n",
            s->tls_port, options->tls_cert_file, options->tls_key_file,
            options->tls_want_client ? "yes" : "no");
    if (options->tls_ca_file != NULL) {
        fprintf(file, "tls-ca-cert-file \"%s\"\n", options->tls_ca_file);
    }
}

static void write_config(const test_server *s, const server_options *options)
{
    char path[FOLDER_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/redis.conf", s->folder.path);
    FILE *file = fopen(path, "we");
    if (file == NULL) fail_msg("%s: %s", path, strerror(errno));
    fprintf(file, "port %d\nbind 127.0.0.1\nunixsocket \"%s\"\nunixsocketperm 600\n", s->port,
            s->socket);
    fprintf(file, "dir \"%s\"\nsave \"\"\nappendonly %s\n", s->folder.path,
            options->keep ? "yes" : "no");
    if (s->tls_port != 0) write_tls_config(file, s, options);
    if (options->config != NULL) fputs(options->config, file);
    if (fclose(file) != 0) fail_msg("%s: %s", path, strerror(errno));
}

/* In the child; between fork and exec, so async-signal-safe calls only. */
static void become_server(const test_server *s, const char *program, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || chdir(s->folder.path) < 0) _exit(126);

    int log_fd = open("server.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null_fd, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    const char *mode = s->sentinel ? "--sentinel" : NULL;
    if (program != NULL) {
        execlp(program, program, "redis.conf", mode, (char *)NULL);
    } else {
        execlp("redis-server", "redis-server", "redis.conf", mode, (char *)NULL);
        execlp("valkey-server", "valkey-server", "redis.conf", mode, (char *)NULL);
    }
    _exit(127);
}

static void spawn(test_server *s)
{
    const char *program = getenv("DUEQ_TEST_SERVER");
    if (program != NULL && program[0] == '\0') program = NULL;
    pid_t parent = getpid();
    s->pid = fork();
    if (s->pid < 0) fail_msg("fork: %s", strerror(errno));
    if (s->pid == 0) become_server(s, program, parent);
}

/* True when the child has ended; it is reaped then. */
static bool has_ended(test_server *s, int wait_flags)
{
    pid_t pid;
    do {
        pid = waitpid(s->pid, &s->wait_status, wait_flags);
    } while (pid < 0 && errno == EINTR);
    if (pid == 0) return false;
    s->pid = 0;
    return true;
}

static void disconnect(test_server *s)
{
    if (s->context != NULL) valkeyFree(s->context);
    s->context = NULL;
}

static bool connect_once(test_server *s)
{
    valkeyOptions options = {0};
    struct timeval answer = {.tv_sec = ANSWER_SEC};
    VALKEY_OPTIONS_SET_UNIX(&options, s->socket);
    options.command_timeout = &answer;
    s->context = valkeyConnectWithOptions(&options);
    if (s->context != NULL && s->context->err == 0) return true;
    disconnect(s);
    return false;
}

/* Any answer but LOADING will do: a server with a password is up as well. */
static bool answers(test_server *s)
{
    if (!connect_once(s)) return false;
    valkeyReply *reply = valkeyCommand(s->context, "PING");
    bool up = reply != NULL &&
              (reply->type != VALKEY_REPLY_ERROR || strncmp(reply->str, "LOADING", 7) != 0);
    freeReplyObject(reply);
    if (!up) disconnect(s);
    return up;
}

static void read_log_tail(const test_server *s, char tail[static LOG_TAIL_LEN + 1])
{
    char path[FOLDER_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/server.log", s->folder.path);
    tail[0] = '\0';
    FILE *file = fopen(path, "re");
    if (file == NULL) return;
    if (fseek(file, -LOG_TAIL_LEN, SEEK_END) < 0) rewind(file);
    tail[fread(tail, 1, LOG_TAIL_LEN, file)] = '\0';
    fclose(file);
}

static void print_log_tail(const test_server *s)
{
    char tail[LOG_TAIL_LEN + 1];
    read_log_tail(s, tail);
    print_error("the end of the server's log:\n%s\n", tail);
}

/* False when the server ended instead. */
static bool wait_until_up(test_server *s)
{
    int64_t deadline_ms = until_now_ms() + START_MS;
    while (!answers(s)) {
        if (has_ended(s, WNOHANG)) return false;
        if (!until_again(deadline_ms)) {
            print_log_tail(s);
            fail_msg("the test's server does not answer after %d ms", START_MS);
        }
    }
    return true;
}

static void explain_end(const test_server *s)
{
    if (WIFEXITED(s->wait_status) && WEXITSTATUS(s->wait_status) == 127) {
        fail_msg("no redis-server or valkey-server found: install one, or name it in "
                 "DUEQ_TEST_SERVER");
    }
    print_log_tail(s);
    fail_msg("the test's server ended at its start (wait status %#x)", (unsigned)s->wait_status);
}

static void choose_ports(test_server *s, const server_options *options)
{
    if (options->tcp) s->port = server_free_port();
    if (options->tls_cert_file != NULL) s->tls_port = server_free_port();
    if (s->port != 0) {
        snprintf(s->tcp_url, sizeof s->tcp_url, "redis://127.0.0.1:%d", s->port);
    }
}

static test_server *make_server(void)
{
    test_server *s = calloc(1, sizeof *s);
    if (s == NULL) fail_msg("out of memory");
    folder_make(&s->folder);
    snprintf(s->socket, sizeof s->socket, "%s/s.sock", s->folder.path);
    snprintf(s->url, sizeof s->url, "unix:%s", s->socket);
    return s;
}

test_server *server_start(const server_options *options)
{
    static const server_options DEFAULTS;
    if (options == NULL) options = &DEFAULTS;
    test_server *s = make_server();
    s->sentinel = options->sentinel;

    bool ports = options->tcp || options->tls_cert_file != NULL;
    for (int tries = ports ? PORT_TRIES : 1; tries > 0; tries--) {
        choose_ports(s, options);
        write_config(s, options);
        spawn(s);
        if (wait_until_up(s)) return s;
    }
    explain_end(s);
    return NULL;
}

/* Asked for a TLS port without a certificate it ends in any case; its log says for want of which. */
bool server_has_tls(void)
{
    char log[LOG_TAIL_LEN + 1];
    test_server *s = make_server();
    write_config(s, &(server_options){.config = "tls-port 1\n"});
    spawn(s);
    if (wait_until_up(s)) fail_msg("the test's server bears a TLS port without a certificate");
    read_log_tail(s, log);
    server_free(s);
    return strstr(log, "Failed finding TLS support") == NULL &&
           strstr(log, "Bad directive") == NULL;
}

/* ---- What can happen to it ------------------------------------------------------------------- */

void server_kill(test_server *s)
{
    disconnect(s);
    if (s->pid == 0) return;
    kill(s->pid, SIGKILL);
    has_ended(s, 0);
}

void server_shut_down(test_server *s)
{
    if (s->pid == 0) return;
    disconnect(s);
    kill(s->pid, SIGTERM);
    has_ended(s, 0);
}

void server_restart(test_server *s)
{
    server_shut_down(s);
    spawn(s);
    if (!wait_until_up(s)) explain_end(s);
}

void server_freeze(test_server *s)
{
    int status = 0;
    kill(s->pid, SIGSTOP);
    if (waitpid(s->pid, &status, WUNTRACED) != s->pid || !WIFSTOPPED(status)) {
        fail_msg("the server ended instead of being stopped");
    }
}

void server_thaw(test_server *s)
{
    int status = 0;
    kill(s->pid, SIGCONT);
    if (waitpid(s->pid, &status, WCONTINUED) != s->pid || !WIFCONTINUED(status)) {
        fail_msg("the server ended instead of going on");
    }
}

void server_free(test_server *s)
{
    if (s == NULL) return;
    server_kill(s);
    folder_free(&s->folder);
    free(s);
}

/* ---- Where it is ----------------------------------------------------------------------------- */

const char *server_url(const test_server *s)
{
    return s->url;
}

const char *server_tcp_url(const test_server *s)
{
    return s->tcp_url;
}

const char *server_socket(const test_server *s)
{
    return s->socket;
}

const char *server_dir(const test_server *s)
{
    return s->folder.path;
}

int server_port(const test_server *s)
{
    return s->port;
}

int server_tls_port(const test_server *s)
{
    return s->tls_port;
}

pid_t server_pid(const test_server *s)
{
    return s->pid;
}

/* ---- Raw commands ---------------------------------------------------------------------------- */

/* A server that changes its role closes its clients' connections; writing to one would be a signal. */
static bool was_hung_up(const test_server *s)
{
    char byte;
    return recv(s->context->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* One connection that is closed just then is made again: by a change of role, or by sentinels. */
static valkeyReply *ask(test_server *s, const char *format, va_list words)
{
    for (int tries = 2;; tries--) {
        if (s->context != NULL && (s->context->err != 0 || was_hung_up(s))) disconnect(s);
        if (s->context == NULL && !connect_once(s)) {
            fail_msg("%s: the test's server takes no connection", format);
        }
        va_list again;
        va_copy(again, words);
        valkeyReply *reply = valkeyvCommand(s->context, format, again);
        va_end(again);
        bool closed = s->context->err == VALKEY_ERR_EOF ||
                      (s->context->err == VALKEY_ERR_IO && errno == ECONNRESET);
        if (reply != NULL) return reply;
        if (!closed || tries == 1) fail_msg("%s: %s", format, s->context->errstr);
    }
}

static valkeyReply *ask_well(test_server *s, const char *format, va_list words)
{
    valkeyReply *reply = ask(s, format, words);
    if (reply->type == VALKEY_REPLY_ERROR) fail_msg("%s: the server says: %s", format, reply->str);
    return reply;
}

valkeyReply *server_command(test_server *s, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    valkeyReply *reply = ask(s, format, words);
    va_end(words);
    return reply;
}

void server_do(test_server *s, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    freeReplyObject(ask_well(s, format, words));
    va_end(words);
}

/* The reply's number; fails the test when it has none. Frees it. */
static long long number_of(valkeyReply *reply, const char *format)
{
    long long number = reply->integer;
    if (reply->type != VALKEY_REPLY_INTEGER) {
        char *end = NULL;
        errno = 0;
        if (reply->str != NULL) number = strtoll(reply->str, &end, 10);
        if (end == NULL || end == reply->str || *end != '\0' || errno != 0) {
            fail_msg("%s: wanted a number, have %s", format, reply->str ? reply->str : "none");
        }
    }
    freeReplyObject(reply);
    return number;
}

long long server_int(test_server *s, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    valkeyReply *reply = ask_well(s, format, words);
    va_end(words);
    return number_of(reply, format);
}

char *server_text(test_server *s, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    valkeyReply *reply = ask_well(s, format, words);
    va_end(words);
    char *text = NULL;
    if (reply->type == VALKEY_REPLY_INTEGER) {
        if (asprintf(&text, "%lld", reply->integer) < 0) text = NULL;
    } else if (reply->str != NULL) {
        text = strndup(reply->str, reply->len);
    } else if (reply->type != VALKEY_REPLY_NIL) {
        fail_msg("%s: wanted text, have a reply of type %d", format, reply->type);
    }
    freeReplyObject(reply);
    return text;
}
