/* The reader of command lines: long options with "=" or a word of their own, letters, operands
 * anywhere, "--". It knows tables only, no command. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dueq.h>

#include "mem.h"
#include "text.h"

globals global;

const cli_option global_options[] = {
    {.kind = OPTION_TEXT,
     .name = "url",
     .argument = "URL",
     .to.text = &global.url,
     .help = "the server; else DUEQ_URL, else a private one: local:"},
    {.kind = OPTION_FLAG,
     .name = "json",
     .to.flag = &global.json,
     .help = "print JSON for programs"},
    {.kind = OPTION_FLAG,
     .name = "help",
     .letter = "h",
     .to.flag = &global.help,
     .help = "print this help and end"},
    {.kind = OPTION_FLAG,
     .name = "version",
     .letter = "V",
     .to.flag = &global.version,
     .help = "print the version and end"},
    {.kind = OPTION_END},
};

/* Where the reader is in argv. */
typedef struct reader {
    char **argv;
    int at;                      /* the next word */
    const cli_option *tables[2]; /* the command's options (or NULL), the global ones */
    const char *command_name;    /* for messages; NULL before the command */
} reader;

static const cli_option *find_option(const reader *r, const char *name, size_t len, bool is_letter)
{
    for (size_t t = 0; t < 2; t++) {
        for (const cli_option *o = r->tables[t]; o != NULL && o->kind != OPTION_END; o++) {
            const char *typed = is_letter ? o->letter : o->name;

            if (typed != NULL && strlen(typed) == len && memcmp(typed, name, len) == 0) return o;
        }
    }
    return NULL;
}

static const char *nearest_option(const reader *r, const char *typed)
{
    const char *names[64];
    size_t count = 0;

    for (size_t t = 0; t < 2; t++) {
        for (const cli_option *o = r->tables[t]; o != NULL && o->kind != OPTION_END; o++) {
            if (count + 1 < sizeof(names) / sizeof(names[0])) names[count++] = o->name;
        }
    }
    names[count] = NULL;
    return text_nearest(typed, names);
}

static int unknown_option(const reader *r, const char *typed, size_t len)
{
    char *name = mem_copy(typed, len);
    const char *dashes = strspn(name, "-") > 0 ? "" : "-";
    const char *nearest = nearest_option(r, name + strspn(name, "-"));
    char *hint;
    int status;

    if (nearest != NULL)
        hint = mem_printf("; did you mean --%s?", nearest);
    else
        hint = mem_printf("; see dueq %s%s--help", r->command_name != NULL ? r->command_name : "",
                          r->command_name != NULL ? " " : "");
    status = say_usage("unknown option %s%s%s", dashes, name, hint);
    free(hint);
    free(name);
    return status;
}

static int add_word(word_list *list, const char *word)
{
    list->words = mem_room(list->words, list->count, &list->cap, sizeof(list->words[0]));
    list->words[list->count++] = word;
    return STATUS_DONE;
}

static int set_choice(const cli_option *o, const char *value)
{
    char *known = mem_copy("", 0);
    int status;

    for (int64_t i = 0; o->choices[i] != NULL; i++) {
        char *longer;

        if (strcmp(o->choices[i], value) == 0) {
            *o->to.number = i;
            free(known);
            return STATUS_DONE;
        }
        longer = mem_printf("%s%s%s", known, i > 0 ? ", " : "", o->choices[i]);
        free(known);
        known = longer;
    }
    status = say_usage("--%s: \"%s\" is none of %s", o->name, value, known);
    free(known);
    return status;
}

/* How a bound of an option is told to people. */
static const char *bound(const cli_option *o, int64_t value, text_small out)
{
    if (o->kind == OPTION_DURATION)
        return value == 0 ? "0s" : dueq_format_duration(value, out, TEXT_SMALL);
    if (o->kind == OPTION_SIZE) return text_size(value, out);
    return text_number(value, out);
}

static bool read_value(const cli_option *o, const char *value, int64_t *number)
{
    switch (o->kind) {
    case OPTION_NUMBER:
        return text_to_number(value, INT64_MIN, INT64_MAX, number);
    case OPTION_SIZE:
        return text_to_size(value, number);
    case OPTION_DURATION:
        return dueq_parse_duration(value, number) == DUEQ_OK;
    default:
        return dueq_parse_time(value, number) == DUEQ_OK;
    }
}

/* What a value of a kind looks like, for the message that this one does not. */
static const char *form_of(option_kind kind)
{
    switch (kind) {
    case OPTION_NUMBER:
        return "a whole number";
    case OPTION_SIZE:
        return "a size, such as 4096, 64KiB or 1MiB";
    case OPTION_DURATION:
        return "a duration, such as 1500ms, 2s, 1h30m or 7d";
    default:
        return "a time, such as 2030-01-02T03:04:05Z or @1893553445";
    }
}

static int set_number(const cli_option *o, const char *value)
{
    const char *or_none = o->none ? " (or none)" : "";
    text_small low, high;
    int64_t number;

    if (o->none && strcmp(value, "none") == 0) {
        *o->to.number = -1;
        return STATUS_DONE;
    }
    if (!read_value(o, value, &number))
        return say_usage("--%s: \"%s\" is not %s%s", o->name, value, form_of(o->kind), or_none);
    if (o->kind != OPTION_TIME && (number < o->min || number > o->max))
        return say_usage("--%s: %s is not between %s and %s%s", o->name, value,
                         bound(o, o->min, low), bound(o, o->max, high), or_none);
    *o->to.number = number;
    return STATUS_DONE;
}

static int set_option(const cli_option *o, const char *value)
{
    switch (o->kind) {
    case OPTION_FLAG:
        *o->to.flag = true;
        return STATUS_DONE;
    case OPTION_TEXT:
        *o->to.text = value;
        return STATUS_DONE;
    case OPTION_WORDS:
        return add_word(o->to.words, value);
    case OPTION_CHOICE:
        return set_choice(o, value);
    default:
        return set_number(o, value);
    }
}

/* The value of an option: what is attached to it, or else the next word. */
static int take_value(reader *r, const cli_option *o, const char *attached)
{
    const char *value = attached;

    if (o->kind == OPTION_FLAG) {
        if (attached != NULL) return say_usage("--%s takes no value", o->name);
    } else if (value == NULL) {
        value = r->argv[r->at];
        if (value == NULL)
            return say_usage("--%s needs a value: --%s %s", o->name, o->name, o->argument);
        r->at++;
    }
    return set_option(o, value);
}

static int read_long(reader *r, const char *word)
{
    const char *name = word + 2;
    size_t len = strcspn(name, "=");
    const cli_option *o = find_option(r, name, len, false);

    if (o == NULL) return unknown_option(r, word, len + 2);
    return take_value(r, o, name[len] == '=' ? name + len + 1 : NULL);
}

/* "-n5", "-n 5", and flags together: "-qv". */
static int read_letters(reader *r, const char *word)
{
    for (const char *at = word + 1; *at != '\0'; at++) {
        const cli_option *o = find_option(r, at, 1, true);
        int status;

        if (o == NULL) return unknown_option(r, at, 1);
        if (o->kind != OPTION_FLAG) return take_value(r, o, at[1] != '\0' ? at + 1 : NULL);
        status = take_value(r, o, NULL);
        if (status != STATUS_DONE) return status;
    }
    return STATUS_DONE;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && strcmp(word, "--") != 0;
}

static int read_option(reader *r)
{
    const char *word = r->argv[r->at++];

    return word[1] == '-' ? read_long(r, word) : read_letters(r, word);
}

int options_read_leading(char **argv, int *at)
{
    reader r = {.argv = argv, .at = *at, .tables = {NULL, global_options}};
    int status = STATUS_DONE;

    while (status == STATUS_DONE && argv[r.at] != NULL && is_option(argv[r.at]))
        status = read_option(&r);
    *at = r.at;
    return status;
}

static size_t words_left(char **argv, int at)
{
    size_t count = 0;

    while (argv[at] != NULL) {
        at++;
        count++;
    }
    return count;
}

/* What follows "--". */
static void keep_rest(const cli_command *command, char **rest, cli_call *call)
{
    if (command->keeps_tail) {
        call->tail = rest;
        return;
    }
    while (*rest != NULL) call->operands[call->operand_count++] = *rest++;
}

int options_read(const cli_command *command, char **argv, int at, cli_call *call)
{
    reader r = {.argv = argv,
                .at = at,
                .tables = {command->options, global_options},
                .command_name = command->name};

    call->operands = mem_make((words_left(argv, at) + 1) * sizeof(char *));
    while (argv[r.at] != NULL && strcmp(argv[r.at], "--") != 0) {
        char *word = argv[r.at];

        if (is_option(word)) {
            int status = read_option(&r);

            if (status != STATUS_DONE) return status;
        } else {
            call->operands[call->operand_count++] = word;
            r.at++;
        }
    }
    if (argv[r.at] != NULL) keep_rest(command, argv + r.at + 1, call);
    return STATUS_DONE;
}
