/* dueq server start, stop, status: the private server behind "local:". */
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "out.h"
#include "session.h"
#include "tasks.h"

static struct {
    const char *dir;
} opt;

static const cli_option options[] = {
    {.kind = OPTION_TEXT,
     .name = "dir",
     .argument = "DIR",
     .to.text = &opt.dir,
     .help = "where it keeps its files; else $XDG_STATE_HOME/dueq or ~/.local/state/dueq"},
    {.kind = OPTION_END},
};

static json_t *info_json(const dueq_server_info *info)
{
    json_t *object = json_object();

    json_object_set_new(object, "running", json_boolean(info->running));
    json_object_set_new(object, "started", json_boolean(info->started));
    json_object_set_new(object, "pid", info->running ? json_integer(info->pid) : json_null());
    tasks_set_bytes(object, "dir", info->dir, strlen(info->dir));
    tasks_set_bytes(object, "socket", info->socket, strlen(info->socket));
    tasks_set_bytes(object, "program", info->program, strlen(info->program));
    return object;
}

static void print_info(const dueq_server_info *info)
{
    if (!info->running) {
        out_printf("not running\n");
        return;
    }
    out_printf("%s\n", info->started ? "started" : "running");
    out_printf("  pid      %" PRId64 "\n", info->pid);
    out_printf("  program  %s\n", info->program);
    out_printf("  folder   %s\n", info->dir);
    out_printf("  url      unix:%s\n", info->socket);
}

typedef int server_operation(const char *dir, dueq_server_info *info, char *text, size_t text_size);

static int run_operation(const cli_call *call, server_operation *operation, bool prints)
{
    static dueq_server_info info;
    char why[512] = "";
    int rc = operation(opt.dir, &info, why, sizeof(why));

    if (rc < 0) {
        say_note("%s", *why != '\0' ? why : dueq_outcome_text(rc));
        return say_status(rc);
    }
    if (call->json)
        out_json(info_json(&info));
    else if (prints)
        print_info(&info);
    if (rc == DUEQ_MISSING && !prints) return say_nothing("no private server was running");
    return say_status(rc);
}

static int run_start(const cli_call *call)
{
    return run_operation(call, dueq_server_start, true);
}

static int run_stop(const cli_call *call)
{
    return run_operation(call, dueq_server_stop, false);
}

static int run_status(const cli_call *call)
{
    return run_operation(call, dueq_server_status, true);
}

const cli_command cmd_server_start = {
    .name = "server start",
    .operands = "",
    .summary = "start the private server unless it runs",
    .details = "Any command starts it that is given no URL.",
    .options = options,
    .run = run_start,
};

const cli_command cmd_server_stop = {
    .name = "server stop",
    .operands = "",
    .summary = "stop the private server, its data saved",
    .details = "The status is 3 when none was running.",
    .options = options,
    .run = run_stop,
};

const cli_command cmd_server_status = {
    .name = "server status",
    .operands = "",
    .summary = "tell whether the private server runs",
    .details = "The status is 3 when it does not.",
    .options = options,
    .run = run_status,
};
