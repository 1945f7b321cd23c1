/* dueq top: the queues, live on a whole terminal. Here it begins, waits and ends; what it shows is in
 * top_model.c, how in top_draw.c, where it comes from in top_feed.c. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "commands.h"
#include "mem.h"
#include "out.h"
#include "session.h"
#include "text.h"
#include "top_draw.h"
#include "top_feed.h"
#include "top_screen.h"

#define TICK_MS 1000 /* times on the screen are never older than this */

static struct {
    int64_t interval_ms;
} opt = {.interval_ms = 1000};

static const cli_option options[] = {
    {.kind = OPTION_DURATION,
     .name = "interval",
     .letter = "i",
     .argument = "DUR",
     .to.number = &opt.interval_ms,
     .min = TOP_INTERVAL_MIN_MS,
     .max = TOP_INTERVAL_MAX_MS,
     .help = "a new picture so often; 1s by default"},
    {.kind = OPTION_END},
};

typedef struct top {
    top_model model;
    top_feed *feed;
    int signals; /* a descriptor that gives those that are blocked */
    char *url;
} top;

/* ---- Signals */

/* SIGWINCH and those that end the program come as bytes, between two pictures. */
static int block_signals(void)
{
    sigset_t caught;

    sigemptyset(&caught);
    sigaddset(&caught, SIGWINCH);
    sigaddset(&caught, SIGINT);
    sigaddset(&caught, SIGTERM);
    sigaddset(&caught, SIGQUIT);
    sigaddset(&caught, SIGHUP);
    sigprocmask(SIG_BLOCK, &caught, NULL);
    return signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void measure(top *t)
{
    size_t width, height;

    top_screen_measure(&width, &height);
    top_model_resize(&t->model, width, height);
}

static void hear_signals(top *t)
{
    struct signalfd_siginfo heard;

    while (read(t->signals, &heard, sizeof(heard)) == (ssize_t)sizeof(heard)) {
        if (heard.ssi_signo == SIGWINCH)
            measure(t);
        else
            t->model.quit = true;
    }
}

/* ---- Keys and news */

static void hear_keys(top *t)
{
    top_action action;

    while (!t->model.quit && top_screen_key(&action)) top_model_act(&t->model, action);
}

static void hear_server(top *t)
{
    top_news *news = top_feed_news(t->feed);
    top_answer answer;

    if (news != NULL) top_model_hear(&t->model, news);
    top_news_free(news);
    if (top_feed_answer(t->feed, &answer)) top_model_answer(&t->model, &answer);
}

static void ask_server(top *t)
{
    top_order order;
    top_wish wish;

    top_model_wish(&t->model, &wish);
    top_feed_wish(t->feed, &wish);
    if (top_model_order(&t->model, &order)) top_feed_order(t->feed, &order);
}

static void draw(top *t)
{
    top_scene scene = {.url = t->url,
                       .now_us = top_now_us(),
                       .now_ms = text_now_ms(),
                       .waits_us = top_feed_waits_us(t->feed)};

    top_draw(&t->model, &scene);
}

/* Until a key, a signal, news, or a second has passed. */
static void wait_for_something(top *t)
{
    struct pollfd events[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                              {.fd = t->signals, .events = POLLIN},
                              {.fd = top_feed_fd(t->feed), .events = POLLIN}};

    if (poll(events, sizeof(events) / sizeof(events[0]), TICK_MS) < 0) return;
    if ((events[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) t->model.quit = true;
}

static void live(top *t)
{
    while (!t->model.quit) {
        ask_server(t);
        draw(t);
        wait_for_something(t);
        hear_signals(t);
        hear_keys(t);
        hear_server(t);
    }
}

/* ---- Beginning and end */

static int compare_words(const void *a, const void *b)
{
    const char *const *first = a, *const *second = b;

    return strcmp(*first, *second);
}

/* The queues that were named, sorted, each once. */
static const char **sort_names(const cli_call *call, size_t *count)
{
    const char **names = mem_make(call->operand_count * sizeof(names[0]));

    for (size_t i = 0; i < call->operand_count; i++) names[i] = call->operands[i];
    if (call->operand_count > 0) qsort(names, call->operand_count, sizeof(names[0]), compare_words);
    *count = 0;
    for (size_t i = 0; i < call->operand_count; i++)
        if (*count == 0 || strcmp(names[*count - 1], names[i]) != 0) names[(*count)++] = names[i];
    return names;
}

/* What a program had better use, and a terminal that is none. */
static int check_terminal(const cli_call *call)
{
    const char *term = getenv("TERM");

    if (call->json || isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1)
        return say_usage("top is for a terminal; dueq stats --json is for programs");
    if (term == NULL || *term == '\0')
        return say_usage("top cannot draw on this terminal: TERM is not set");
    return STATUS_DONE;
}

static int show(top *t, dueq *handle, const char *const *names, size_t name_count)
{
    top_wish wish;

    measure(t);
    top_model_wish(&t->model, &wish);
    t->feed = top_feed_open(handle, names, name_count, &wish);
    if (t->feed == NULL) {
        top_screen_close();
        return say_failed("cannot start a thread: %s", strerror(errno));
    }
    live(t);
    top_screen_close();
    if (!top_feed_close(t->feed)) _exit(STATUS_DONE); /* its thread still waits for the server */
    return STATUS_DONE;
}

static int take_terminal(top *t, dueq *handle, const char *const *names, size_t name_count)
{
    int status;

    t->signals = block_signals();
    if (!top_screen_open()) {
        dueq_close(handle);
        return say_usage("top cannot draw on a terminal of the type \"%s\"", getenv("TERM"));
    }
    t->url = mem_copy(dueq_url(handle), strlen(dueq_url(handle)));
    top_model_open(&t->model, opt.interval_ms, top_now_us());
    status = show(t, handle, names, name_count);
    top_model_close(&t->model);
    free(t->url);
    close(t->signals);
    return status;
}

static int run(const cli_call *call)
{
    top *t = mem_make(sizeof(*t));
    size_t name_count;
    const char **names = sort_names(call, &name_count);
    dueq *handle;
    int status = check_terminal(call);

    if (status == STATUS_DONE) status = session_open(call, &handle);
    if (status == STATUS_DONE) status = take_terminal(t, handle, names, name_count);
    free(names);
    free(t);
    return status;
}

const cli_command cmd_top = {
    .name = "top",
    .operands = "[QUEUE...]",
    .summary = "watch the queues, live, and look into them",
    .details =
        "Counts, rates, lateness, and what falls due when; ? in it tells the keys: to look into\n"
        "a queue and its tasks, to pause it, to redrive its dead. It is for a terminal; for\n"
        "programs there is dueq stats --json.",
    .options = options,
    .operands_max = OPERANDS_ANY,
    .queues = QUEUE_EACH,
    .run = run,
};
