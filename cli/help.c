/* Finds commands by name and describes them. */
#include "help.h"

#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "mem.h"
#include "options.h"
#include "out.h"
#include "text.h"

#define HELP_COLUMNS 79

/* The length of the first word of a command's name; the whole of it unless of a family. */
static size_t first_word(const cli_command *c)
{
    return strcspn(c->name, " ");
}

static bool of_family(const cli_command *c, const char *family)
{
    size_t len = first_word(c);

    return c->name[len] == ' ' && strlen(family) == len && memcmp(c->name, family, len) == 0;
}

bool help_is_family(const char *word)
{
    for (size_t i = 0; all_commands[i] != NULL; i++) {
        if (of_family(all_commands[i], word)) return true;
    }
    return false;
}

const cli_command *help_find(char *const *words, size_t *used)
{
    for (size_t i = 0; all_commands[i] != NULL; i++) {
        const cli_command *c = all_commands[i];

        *used = 1;
        if (strcmp(c->name, words[0]) == 0) return c;
        *used = 2;
        if (of_family(c, words[0]) && words[1] != NULL &&
            strcmp(c->name + first_word(c) + 1, words[1]) == 0)
            return c;
    }
    return NULL;
}

int help_unknown(char *const *words)
{
    bool family = help_is_family(words[0]);
    const char *typed = family ? words[1] : words[0];
    const char *nearest, *names[64];
    size_t count = 0;

    for (size_t i = 0; all_commands[i] != NULL && count < 63; i++) {
        const cli_command *c = all_commands[i];

        if (family && of_family(c, words[0]))
            names[count++] = c->name + first_word(c) + 1;
        else if (!family)
            names[count++] = c->name;
    }
    names[count] = NULL;
    if (family && typed == NULL)
        return say_usage("%s what? See dueq %s --help", words[0], words[0]);
    nearest = text_nearest(typed, names);
    if (nearest != NULL)
        return say_usage("unknown command \"%s%s%.100s\"; did you mean %s?", family ? words[0] : "",
                         family ? " " : "", typed, nearest);
    return say_usage("unknown command \"%s%s%.100s\"; see dueq --help", family ? words[0] : "",
                     family ? " " : "", typed);
}

/* Prints words from `column` on, going on below at `indent` when a line is full. */
static void print_wrapped(const char *text, size_t column, size_t indent)
{
    while (*text != '\0') {
        size_t len = strcspn(text, " ");

        if (column > indent && column + 1 + len > HELP_COLUMNS) {
            out_printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            out_printf(" ");
            column++;
        }
        out_printf("%.*s", (int)len, text);
        column += len;
        text += len;
        text += strspn(text, " ");
    }
    out_printf("\n");
}

/* "-n, --number N"; the caller frees. */
static char *usage_of(const cli_option *o)
{
    const char *letter = o->letter != NULL ? o->letter : "";
    const char *argument = o->argument != NULL ? o->argument : "";

    return mem_printf("%s%s%s--%s%s%s", *letter != '\0' ? "-" : "", letter,
                      *letter != '\0' ? ", " : "", o->name, *argument != '\0' ? " " : "", argument);
}

static void print_options(const char *title, const cli_option *options)
{
    if (options == NULL) return;
    out_printf("\n");
    out_styled(STYLE_BOLD, "%s", title);
    out_printf("\n");
    for (const cli_option *o = options; o->kind != OPTION_END; o++) {
        char *usage = usage_of(o);

        out_printf("  %-24s ", usage);
        print_wrapped(o->help, strlen(usage) > 24 ? strlen(usage) + 3 : 27, 27);
        free(usage);
    }
}

static void print_commands(const char *family)
{
    for (size_t i = 0; all_commands[i] != NULL; i++) {
        const cli_command *c = all_commands[i];

        if (family == NULL || of_family(c, family))
            out_printf("  %-15s  %s\n", c->name, c->summary);
    }
}

void help_all(void)
{
    out_printf("usage: dueq [--url URL] [--json] COMMAND ...\n\n"
               "Delayed tasks on Redis or Valkey: push a task that is due later, work on it when\n"
               "it is due, under a lease, and it is done, retried or kept as dead.\n\n");
    out_styled(STYLE_BOLD, "Commands:");
    out_printf("\n");
    print_commands(NULL);
    print_options("Everywhere:", global_options);
    out_printf("\n"
               "dueq COMMAND --help says more of each; dueq(1) is the manual.\n"
               "Status: 0 done, 1 failed, 2 usage, 3 nothing there, 4 lease lost, 5 exists.\n");
}

void help_family(const char *family)
{
    out_printf("usage: dueq %s COMMAND ...\n\n", family);
    print_commands(family);
    print_options("Everywhere:", global_options);
}

void help_command(const cli_command *which)
{
    out_printf("usage: dueq %s%s%s%s%s\n\n", which->name,
               which->options != NULL ? " [OPTION...]" : "", *which->operands != '\0' ? " " : "",
               which->operands, which->keeps_tail ? " [-- CMD...]" : "");
    out_printf("%c%s.\n", which->summary[0] - ('a' - 'A'), which->summary + 1);
    if (which->details != NULL) out_printf("\n%s\n", which->details);
    print_options("Options:", which->options);
    print_options("Everywhere:", global_options);
}

static int run(const cli_call *call)
{
    const cli_command *which;
    size_t used;

    if (call->operand_count == 0) {
        help_all();
        return STATUS_DONE;
    }
    which = help_find(call->operands, &used);
    if (which != NULL && used == call->operand_count)
        help_command(which);
    else if (call->operand_count == 1 && help_is_family(call->operands[0]))
        help_family(call->operands[0]);
    else
        return help_unknown(call->operands);
    return STATUS_DONE;
}

const cli_command cmd_help = {
    .name = "help",
    .operands = "[COMMAND]",
    .summary = "describe the commands, or one of them",
    .operands_max = 2,
    .run = run,
};
