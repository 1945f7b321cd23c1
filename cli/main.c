/* dueq: the program. Finds the command that was typed, reads its options by its table, checks its
 * operands, runs it. What the commands do is in cmd_*.c, each on dueq.h alone. */
#include <stdlib.h>
#include <string.h>

#include <dueq.h>

#include "commands.h"
#include "help.h"
#include "options.h"
#include "out.h"
#include "session.h"

/* clang-format off */
const cli_command *const all_commands[] = {
    &cmd_push,
    &cmd_take,
    &cmd_done,
    &cmd_release,
    &cmd_retry,
    &cmd_extend,
    &cmd_get,
    &cmd_cancel,
    &cmd_reschedule,
    &cmd_ls,
    &cmd_dead_ls,
    &cmd_dead_redrive,
    &cmd_dead_drop,
    &cmd_queue_create,
    &cmd_queue_config,
    &cmd_queue_pause,
    &cmd_queue_resume,
    &cmd_queue_purge,
    &cmd_queue_delete,
    &cmd_queues,
    &cmd_stats,
    &cmd_work,
    &cmd_lock,
    &cmd_top,
    &cmd_doctor,
    &cmd_fsck,
    &cmd_import,
    &cmd_demo,
    &cmd_bench,
    &cmd_server_start,
    &cmd_server_stop,
    &cmd_server_status,
    &cmd_help,
    NULL,
};
/* clang-format on */

static int check_operands(const cli_command *which, const cli_call *call)
{
    size_t checked = which->queues == QUEUE_EACH ? call->operand_count : 1;

    if (call->operand_count < which->operands_min)
        return say_usage("%s: %s is missing; usage: dueq %s %s", which->name,
                         call->operand_count == 0 ? "an operand" : "another operand", which->name,
                         which->operands);
    if (call->operand_count > which->operands_max)
        return say_usage("%s: \"%.100s\" is too much; usage: dueq %s %s", which->name,
                         call->operands[which->operands_max], which->name, which->operands);
    if (which->queues == QUEUE_NONE) return STATUS_DONE;
    for (size_t i = 0; i < checked && i < call->operand_count; i++) {
        if (!session_check_queue(call->operands[i])) return STATUS_USAGE;
    }
    return STATUS_DONE;
}

static const char *given_url(void)
{
    const char *url = global.url;

    if (url == NULL || *url == '\0') url = getenv("DUEQ_URL");
    return url != NULL && *url != '\0' ? url : NULL;
}

static int print_version(void)
{
    out_printf("dueq %s\n", dueq_version());
    return STATUS_DONE;
}

static int run_command(const cli_command *which, char **argv, int at)
{
    cli_call call = {0};
    int status = options_read(which, argv, at, &call);

    if (global.version) {
        status = print_version();
    } else if (global.help) {
        help_command(which);
        status = STATUS_DONE;
    } else if (status == STATUS_DONE) {
        status = check_operands(which, &call);
        call.url = given_url();
        call.json = global.json;
        if (status == STATUS_DONE) status = which->run(&call);
    }
    free(call.operands);
    return status;
}

/* Of a family, options may also stand between its two words: drop them, they have been read. */
static int find_and_run(char **argv, int at)
{
    char *words[3] = {argv[at], NULL, NULL};
    const cli_command *which;
    size_t used;
    int status;

    at++;
    if (help_is_family(words[0])) {
        status = options_read_leading(argv, &at);
        if (status != STATUS_DONE) return status;
        words[1] = argv[at];
        if (words[1] == NULL && global.help) {
            help_family(words[0]);
            return STATUS_DONE;
        }
    }
    which = help_find(words, &used);
    if (which == NULL) return help_unknown(words);
    return run_command(which, argv, at + (int)used - 1);
}

static int run(char **argv)
{
    int at = 1;
    int status = options_read_leading(argv, &at);

    if (status != STATUS_DONE) return status;
    if (global.version) return print_version();
    if (argv[at] == NULL && !global.help) return say_usage("a command is missing; see dueq --help");
    if (argv[at] == NULL) {
        help_all();
        return STATUS_DONE;
    }
    return find_and_run(argv, at);
}

int main(int argc, char **argv)
{
    if (argc < 1) return STATUS_USAGE;
    out_open();
    return out_close(run(argv));
}
