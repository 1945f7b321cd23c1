/* The options of dueq work, and what goes with what. Starts nothing but, last of all, the private
 * server. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"
#include "session.h"
#include "text.h"
#include "work.h"

#define WEIGHT_MAX 1000000
#define SECRET_LEN_MAX 4096

static struct {
    int64_t concurrency, prefetch, lease_ms, timeout_ms, max_attempts, grace_ms, window;
    int64_t log_format, log_level;
    const char *backoff, *lost_signal, *http, *secret_file, *ca_file;
    bool strict, drain, stdio, quiet, verbose;
} opt = {.log_format = NOT_GIVEN, .log_level = NOT_GIVEN};

static const char *const log_formats[] = {"logfmt", "json", NULL};
static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};

const cli_option work_options[] = {
    {.kind = OPTION_NUMBER,
     .name = "concurrency",
     .letter = "c",
     .argument = "N",
     .to.number = &opt.concurrency,
     .min = 1,
     .max = 1024,
     .help = "tasks worked on at a time; 1 by default"},
    {.kind = OPTION_NUMBER,
     .none = true,
     .name = "prefetch",
     .argument = "N",
     .to.number = &opt.prefetch,
     .min = 1,
     .max = 10000,
     .help = "hold so many more tasks ready, or none; else as many as are begun within some 10 ms"},
    {.kind = OPTION_DURATION,
     .name = "lease",
     .argument = "DUR",
     .to.number = &opt.lease_ms,
     .min = 1,
     .max = DUEQ_LEASE_MS_MAX,
     .help = "hold tasks for so long, renewed while they are worked on; else as the queue says"},
    {.kind = OPTION_TEXT,
     .name = "lost-signal",
     .argument = "SIG",
     .to.text = &opt.lost_signal,
     .help = "what CMD gets when its task's lease is lost, and nothing else; else it is ended"},
    {.kind = OPTION_DURATION,
     .name = "timeout",
     .argument = "DUR",
     .to.number = &opt.timeout_ms,
     .min = 1,
     .max = DUEQ_DELAY_MS_MAX,
     .help = "stop CMD after so long: SIGTERM, then SIGKILL after the grace; with --http, give up"},
    {.kind = OPTION_NUMBER,
     .name = "max-attempts",
     .argument = "N",
     .to.number = &opt.max_attempts,
     .min = 1,
     .max = DUEQ_ATTEMPTS_MAX,
     .help = "dead after so many failures, for tasks that have no limit of their own"},
    {.kind = OPTION_TEXT,
     .name = "backoff",
     .argument = "DUR..DUR",
     .to.text = &opt.backoff,
     .help = "bounds of the delay before another attempt; 1s..1h by default"},
    {.kind = OPTION_DURATION,
     .name = "grace",
     .argument = "DUR",
     .to.number = &opt.grace_ms,
     .min = 1,
     .max = DUEQ_DELAY_MS_MAX,
     .help = "how long tasks may go on after a stop; 10s by default"},
    {.kind = OPTION_FLAG,
     .name = "drain",
     .to.flag = &opt.drain,
     .help = "end when nothing is ready any more"},
    {.kind = OPTION_FLAG,
     .name = "strict",
     .to.flag = &opt.strict,
     .help = "tasks of an earlier QUEUE always come first"},
    {.kind = OPTION_FLAG,
     .name = "stdio",
     .to.flag = &opt.stdio,
     .help = "CMD stays up, a JSON line in for each task, a JSON line out; -c of them"},
    {.kind = OPTION_NUMBER,
     .name = "window",
     .argument = "N",
     .to.number = &opt.window,
     .min = 1,
     .max = 1000,
     .help = "tasks that each CMD of --stdio has at a time; 1 by default"},
    {.kind = OPTION_TEXT,
     .name = "http",
     .argument = "URL",
     .to.text = &opt.http,
     .help = "POST each task there in place of running CMD"},
    {.kind = OPTION_TEXT,
     .name = "http-secret-file",
     .argument = "FILE",
     .to.text = &opt.secret_file,
     .help = "sign requests with the secret in it; else with DUEQ_HTTP_SECRET"},
    {.kind = OPTION_TEXT,
     .name = "http-ca",
     .argument = "FILE",
     .to.text = &opt.ca_file,
     .help = "certificates to trust (PEM) in place of the system's"},
    {.kind = OPTION_CHOICE,
     .name = "log-format",
     .argument = "FORMAT",
     .to.number = &opt.log_format,
     .choices = log_formats,
     .help = "logfmt or json; by default logfmt, with --json json"},
    {.kind = OPTION_CHOICE,
     .name = "log-level",
     .argument = "LEVEL",
     .to.number = &opt.log_level,
     .choices = log_levels,
     .help = "the least important to log: error, warn, info (the default), debug"},
    {.kind = OPTION_FLAG,
     .name = "quiet",
     .letter = "q",
     .to.flag = &opt.quiet,
     .help = "--log-level warn"},
    {.kind = OPTION_FLAG,
     .name = "verbose",
     .letter = "v",
     .to.flag = &opt.verbose,
     .help = "--log-level debug"},
    {.kind = OPTION_END},
};

/* ---- What goes with what */

static bool begins_with(const char *text, const char *beginning)
{
    return text != NULL && strncasecmp(text, beginning, strlen(beginning)) == 0;
}

static int check_together(const cli_call *call)
{
    bool command = call->tail != NULL, http = opt.http != NULL;
    bool secure = begins_with(opt.http, "https://");
    const struct {
        bool wrong;
        const char *why;
    } rules[] = {
        {command && call->tail[0] == NULL, "after -- a command is missing"},
        {http && command, "--http posts tasks in place of running a command: give one of them"},
        {http && !secure && !begins_with(opt.http, "http://"),
         "--http needs a URL that begins with http:// or https://"},
        {opt.stdio && !command, "--stdio goes with a command: dueq work QUEUE --stdio -- CMD"},
        {opt.window != 0 && !opt.stdio, "--window goes with --stdio"},
        {opt.lost_signal != NULL && !command,
         "--lost-signal goes with a command: dueq work QUEUE --lost-signal USR1 -- CMD"},
        {opt.lost_signal != NULL && opt.stdio,
         "--lost-signal does not go with --stdio, where a line tells of a lost lease"},
        {opt.timeout_ms != 0 && !command && !http,
         "--timeout goes with a command or --http: dueq work QUEUE --timeout DUR -- CMD"},
        {opt.secret_file != NULL && !http, "--http-secret-file goes with --http"},
        {opt.ca_file != NULL && !secure,
         "--http-ca goes with --http and a URL that begins with https://"},
        {(opt.log_level != NOT_GIVEN) + opt.quiet + opt.verbose > 1,
         "give one of --log-level, --quiet and --verbose"},
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].wrong) return say_usage("%s", rules[i].why);
    }
    return STATUS_DONE;
}

/* ---- Single values */

/* "mail=3": a queue and its weight. The name is a copy: the word itself is what ps shows. */
static int read_queue(const char *word, char **name, dueq_worker_queue *queue)
{
    size_t name_len = strcspn(word, "=");
    const char *weight = word[name_len] == '=' ? word + name_len + 1 : NULL;
    int64_t number = 1;

    *name = mem_copy(word, name_len);
    if (!session_check_queue(*name)) return STATUS_USAGE;
    if (weight != NULL && !text_to_number(weight, 1, WEIGHT_MAX, &number))
        return say_usage("%s: a weight is a number from 1 to %d", word, WEIGHT_MAX);
    if (weight != NULL && opt.strict) return say_usage("%s: weights do not go with --strict", word);
    *queue = (dueq_worker_queue){.name = *name, .weight = (int)number};
    return STATUS_DONE;
}

static int read_queues(const cli_call *call, work_request *request)
{
    int status = STATUS_DONE;

    request->queues = mem_make(call->operand_count * sizeof(*request->queues));
    request->names = mem_make(call->operand_count * sizeof(*request->names));
    request->name_count = call->operand_count;
    for (size_t i = 0; i < call->operand_count && status == STATUS_DONE; i++)
        status = read_queue(call->operands[i], &request->names[i], &request->queues[i]);
    request->options.queues = request->queues;
    request->options.queue_count = call->operand_count;
    return status;
}

/* "1s..1h" */
static int read_backoff(dueq_worker_options *o)
{
    const char *dots = opt.backoff != NULL ? strstr(opt.backoff, "..") : NULL;
    char *low;
    bool read;

    if (opt.backoff == NULL) return STATUS_DONE;
    low = mem_copy(opt.backoff, dots != NULL ? (size_t)(dots - opt.backoff) : 0);
    read = dots != NULL && dueq_parse_duration(low, &o->backoff_min_ms) == DUEQ_OK &&
           dueq_parse_duration(dots + 2, &o->backoff_max_ms) == DUEQ_OK;
    free(low);
    if (!read || o->backoff_min_ms < 1 || o->backoff_min_ms > o->backoff_max_ms)
        return say_usage("--backoff: \"%s\" is not DUR..DUR, the shorter first, such as 1s..1h",
                         opt.backoff);
    return STATUS_DONE;
}

/* "USR1", "SIGUSR1", "10"; 0: none of them. */
static int signal_number(const char *word)
{
    const char *name = begins_with(word, "SIG") ? word + 3 : word;
    int64_t number;

    if (text_to_number(word, 1, NSIG - 1, &number)) return (int)number;
    for (int i = 1; i < NSIG; i++) {
        const char *known = sigabbrev_np(i);

        if (known != NULL && strcasecmp(known, name) == 0) return i;
    }
    return 0;
}

static int read_lost_signal(dueq_worker_options *o)
{
    if (opt.lost_signal == NULL) return STATUS_DONE;
    o->lost_signal = signal_number(opt.lost_signal);
    if (o->lost_signal == 0)
        return say_usage("--lost-signal: \"%s\" is no signal; a name such as USR1 or a number is",
                         opt.lost_signal);
    return STATUS_DONE;
}

/* ---- Files */

/* A line feed at the end is an editor's, not the secret's. */
static int read_secret_file(work_request *request)
{
    char bytes[SECRET_LEN_MAX + 2];
    FILE *file = fopen(opt.secret_file, "re");
    size_t len = file != NULL ? fread(bytes, 1, sizeof(bytes), file) : 0;
    bool failed = file == NULL || ferror(file);
    int error = errno;

    if (file != NULL) fclose(file);
    if (failed)
        return say_failed("--http-secret-file: cannot read %s: %s", opt.secret_file,
                          strerror(error));
    if (len > 0 && bytes[len - 1] == '\n') len--;
    if (len == 0 || len > SECRET_LEN_MAX || memchr(bytes, '\0', len) != NULL)
        return say_failed("--http-secret-file: %s is to hold a line of 1 to %d bytes, none of them "
                          "NUL",
                          opt.secret_file, SECRET_LEN_MAX);
    request->secret = mem_copy(bytes, len);
    explicit_bzero(bytes, sizeof(bytes));
    return STATUS_DONE;
}

static int read_secret(work_request *request)
{
    const char *given = getenv("DUEQ_HTTP_SECRET");
    int status = STATUS_DONE;

    if (opt.http == NULL) return STATUS_DONE;
    if (opt.secret_file != NULL) {
        status = read_secret_file(request);
    } else if (given != NULL) {
        if (*given == '\0')
            return say_usage("DUEQ_HTTP_SECRET is empty: unset it to send requests unsigned");
        request->secret = mem_copy(given, strlen(given));
    }
    request->options.http_secret = request->secret;
    return status;
}

static int check_ca_file(void)
{
    FILE *file = opt.ca_file != NULL ? fopen(opt.ca_file, "re") : NULL;

    if (opt.ca_file != NULL && file == NULL)
        return say_failed("--http-ca: cannot read %s: %s", opt.ca_file, strerror(errno));
    if (file != NULL) fclose(file);
    return STATUS_DONE;
}

/* ---- All of it */

static dueq_log_level log_most(void)
{
    if (opt.log_level != NOT_GIVEN) return (dueq_log_level)(DUEQ_LOG_ERROR + opt.log_level);
    if (opt.verbose) return DUEQ_LOG_DEBUG;
    return opt.quiet ? DUEQ_LOG_WARN : DUEQ_LOG_INFO;
}

static void copy_plain(const cli_call *call, dueq_worker_options *o)
{
    *o = (dueq_worker_options){.strict_order = opt.strict,
                               .concurrency = (int)opt.concurrency,
                               .prefetch = opt.prefetch,
                               .lease_ms = opt.lease_ms,
                               .timeout_ms = opt.timeout_ms,
                               .max_attempts = opt.max_attempts,
                               .grace_ms = opt.grace_ms,
                               .drain = opt.drain,
                               .command = call->tail,
                               .stdio = opt.stdio,
                               .window = (int)opt.window,
                               .http_url = opt.http,
                               .http_ca_file = opt.ca_file,
                               .log_most = log_most()};
}

int work_read(const cli_call *call, work_request *request)
{
    dueq_worker_options *o = &request->options;
    int status;

    *request =
        (work_request){.log_json = opt.log_format == NOT_GIVEN ? call->json : opt.log_format == 1};
    copy_plain(call, o);
    status = read_queues(call, request);
    if (status == STATUS_DONE) status = read_backoff(o);
    if (status == STATUS_DONE) status = check_together(call);
    if (status == STATUS_DONE) status = read_lost_signal(o);
    if (status == STATUS_DONE) status = read_secret(request);
    if (status == STATUS_DONE) status = check_ca_file();
    return status == STATUS_DONE ? session_url(call, &o->url) : status;
}

void work_clear(work_request *request)
{
    if (request->secret != NULL) explicit_bzero(request->secret, strlen(request->secret));
    free(request->secret);
    for (size_t i = 0; i < request->name_count; i++) free(request->names[i]);
    free(request->names);
    free(request->queues);
}
