/* Every command, each from the cmd_*.c that it is named for. */
#ifndef DUEQ_CLI_COMMANDS_H
#define DUEQ_CLI_COMMANDS_H

#include "command.h"

extern const cli_command cmd_push, cmd_take;
extern const cli_command cmd_done, cmd_release, cmd_retry, cmd_extend;
extern const cli_command cmd_get, cmd_cancel, cmd_reschedule, cmd_ls;
extern const cli_command cmd_dead_ls, cmd_dead_redrive, cmd_dead_drop;
extern const cli_command cmd_queue_create, cmd_queue_config, cmd_queue_pause, cmd_queue_resume;
extern const cli_command cmd_queue_purge, cmd_queue_delete, cmd_queues, cmd_stats;
extern const cli_command cmd_import;
extern const cli_command cmd_work, cmd_lock, cmd_top, cmd_doctor, cmd_fsck, cmd_demo, cmd_bench;
extern const cli_command cmd_server_start, cmd_server_stop, cmd_server_status;
extern const cli_command cmd_help;

/* All of them in the order of the help, ended by NULL. */
extern const cli_command *const all_commands[];

#endif
