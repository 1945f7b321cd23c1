/* What a command is: one table entry that the parser, the help and the tests all read. */
#ifndef DUEQ_CLI_COMMAND_H
#define DUEQ_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "say.h"

/* The value of a time, duration or number that was not given. */
#define NOT_GIVEN INT64_MIN

/* Words of an option that may be given several times; the words are borrowed from argv. */
typedef struct word_list {
    size_t count;
    size_t cap;
    const char **words;
} word_list;

typedef enum option_kind {
    OPTION_END = 0, /* closes a table */
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_WORDS,    /* a text, any number of times */
    OPTION_NUMBER,   /* from min to max */
    OPTION_SIZE,     /* bytes, from min to max */
    OPTION_DURATION, /* milliseconds, from min to max */
    OPTION_TIME,     /* milliseconds since the epoch */
    OPTION_CHOICE    /* one of `choices`; its index is stored */
} option_kind;

typedef struct cli_option {
    option_kind kind;
    bool none;            /* "none" is a value too, and stands for -1 */
    const char *name;     /* "lease", typed as --lease */
    const char *letter;   /* "n", typed as -n; NULL: none */
    const char *argument; /* "DUR", as the help calls it; NULL: a flag */
    const char *help;
    union {
        bool *flag;
        const char **text;
        word_list *words;
        int64_t *number;
    } to;
    int64_t min, max;
    const char *const *choices; /* ended by NULL */
} cli_option;

/* Which operands are names of queues, and so checked before the command runs. */
typedef enum queue_operands { QUEUE_NONE = 0, QUEUE_FIRST, QUEUE_EACH } queue_operands;

/* One run of a command: what was typed. */
typedef struct cli_call {
    const char *url; /* --url or DUEQ_URL; NULL: neither was given */
    bool json;
    char **operands;
    size_t operand_count;
    char *
        *tail; /* what followed "--", ended by NULL, for a command that keeps it apart; else NULL */
} cli_call;

typedef struct cli_command {
    const char *name;          /* "push"; of a family: "queue create" */
    const char *operands;      /* "QUEUE [PAYLOAD|-]" */
    const char *summary;       /* a line of `dueq --help` */
    const char *details;       /* the rest of `dueq NAME --help` */
    const cli_option *options; /* ended by OPTION_END; NULL: none of its own */
    size_t operands_min;
    size_t operands_max;
    queue_operands queues;
    bool keeps_tail; /* what follows "--" is another program's, not more operands */
    int (*run)(const cli_call *call);
} cli_command;

#define OPERANDS_ANY SIZE_MAX

#endif
