/* Puts limits around libvalkey's reader: every object it makes is charged to its reply, and refused
 * when that has cost too much, nests too deep, or is of a kind that RESP2 does not have. */
#include "wire/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECT_COST (sizeof(valkeyReply) + 32) /* with what the allocator adds */
#define HEADER_LEN_MAX 32u                     /* "$536870912\r\n" and to spare */

/* Holds: `charged` and `elements` are the memory and the array elements of the reply under way;
 * `refusal` is "" until a limit was passed, and then the reader is only good for freeing. */
struct dq_reader {
    valkeyReader *parser;
    const valkeyReplyObjectFunctions *plain;
    size_t charged;
    size_t elements;
    char refusal[128];
};

/* ---- Objects, charged and checked ------------------------------------------------------------ */

/* Notes why, and returns the NULL that makes the parser give up. */
static void *refuse(dq_reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void *refuse(dq_reader *reader, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(reader->refusal, sizeof reader->refusal, format, values);
    va_end(values);
    return NULL;
}

static bool charge(dq_reader *reader, size_t cost)
{
    if (cost > DQ_REPLY_BYTES_MAX - reader->charged) {
        refuse(reader, "an answer of more than %zu bytes", DQ_REPLY_BYTES_MAX);
        return false;
    }
    reader->charged += cost;
    return true;
}

static int depth_of(const valkeyReadTask *task)
{
    int depth = 1;
    for (const valkeyReadTask *at = task->parent; at != NULL; at = at->parent) {
        depth++;
    }
    return depth;
}

static void *make_string(const valkeyReadTask *task, char *text, size_t len)
{
    dq_reader *reader = task->privdata;
    if (task->type != VALKEY_REPLY_STRING && task->type != VALKEY_REPLY_STATUS &&
        task->type != VALKEY_REPLY_ERROR) {
        return refuse(reader, "an answer of a kind that was not agreed on (RESP3)");
    }
    return charge(reader, OBJECT_COST + len) ? reader->plain->createString(task, text, len) : NULL;
}

static void *make_array(const valkeyReadTask *task, size_t elements)
{
    dq_reader *reader = task->privdata;
    if (task->type != VALKEY_REPLY_ARRAY) {
        return refuse(reader, "an answer of a kind that was not agreed on (RESP3)");
    }
    if (depth_of(task) > DQ_REPLY_DEPTH_MAX) {
        return refuse(reader, "an answer nested deeper than %d", DQ_REPLY_DEPTH_MAX);
    }
    if (elements > DQ_REPLY_ELEMENTS_MAX - reader->elements) {
        return refuse(reader, "an answer of more than %u elements", DQ_REPLY_ELEMENTS_MAX);
    }
    reader->elements += elements;
    size_t cost = OBJECT_COST + elements * sizeof(valkeyReply *);
    return charge(reader, cost) ? reader->plain->createArray(task, elements) : NULL;
}

static void *make_integer(const valkeyReadTask *task, long long value)
{
    dq_reader *reader = task->privdata;
    return charge(reader, OBJECT_COST) ? reader->plain->createInteger(task, value) : NULL;
}

static void *make_nil(const valkeyReadTask *task)
{
    dq_reader *reader = task->privdata;
    return charge(reader, OBJECT_COST) ? reader->plain->createNil(task) : NULL;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the signature is libvalkey's */
static void *refuse_double(const valkeyReadTask *task, double value, char *text, size_t len)
{
    (void)value;
    (void)text;
    (void)len;
    return refuse(task->privdata, "an answer of a kind that was not agreed on (RESP3)");
}

static void *refuse_bool(const valkeyReadTask *task, int value)
{
    (void)value;
    return refuse(task->privdata, "an answer of a kind that was not agreed on (RESP3)");
}

static valkeyReplyObjectFunctions charged_functions = {
    .createString = make_string,
    .createArray = make_array,
    .createInteger = make_integer,
    .createDouble = refuse_double,
    .createNil = make_nil,
    .createBool = refuse_bool,
    .freeObject = freeReplyObject,
};

/* ---- The reader ------------------------------------------------------------------------------ */

dq_reader *dq_reader_make(void)
{
    dq_reader *reader = calloc(1, sizeof *reader);
    valkeyReader *parser = reader == NULL ? NULL : valkeyReaderCreate();
    if (parser == NULL) {
        free(reader);
        return NULL;
    }
    reader->parser = parser;
    reader->plain = parser->fn;
    parser->fn = &charged_functions;
    parser->privdata = reader;
    parser->maxelements = DQ_REPLY_ELEMENTS_MAX;
    return reader;
}

void dq_reader_free(dq_reader *reader)
{
    if (reader != NULL) {
        valkeyReaderFree(reader->parser);
        free(reader);
    }
}

static int fail(const dq_reader *reader, dq_fault *fault)
{
    if (reader->refusal[0] != '\0') {
        return dq_fault_set(fault, DUEQ_EPROTO, "the server broke the protocol: %s",
                            reader->refusal);
    }
    if (reader->parser->err == VALKEY_ERR_OOM) {
        return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory for an answer");
    }
    return dq_fault_set(fault, DUEQ_EPROTO, "the server broke the protocol: %s",
                        reader->parser->errstr);
}

int dq_reader_feed(dq_reader *reader, const void *bytes, size_t len, dq_fault *fault)
{
    if (valkeyReaderFeed(reader->parser, bytes, len) != VALKEY_OK) {
        return fail(reader, fault);
    }
    return DUEQ_OK;
}

/* The length that a string under way announces, as far as it can be told; else 0. */
static size_t announced_len(const char *header, size_t len)
{
    size_t announced = 0;
    for (size_t i = 0; i < len && i < HEADER_LEN_MAX; i++) {
        if (header[i] < '0' || header[i] > '9' || announced > DQ_REPLY_BYTES_MAX) {
            break;
        }
        announced = announced * 10 + (size_t)(header[i] - '0');
    }
    return announced;
}

/* The part of a reply that has come, but makes no object yet: may it grow on? */
static void check_unfinished(dq_reader *reader)
{
    const valkeyReader *parser = reader->parser;
    if (parser->ridx < 0 || parser->len <= parser->pos) {
        return;
    }
    const char *rest = parser->buf + parser->pos;
    size_t rest_len = parser->len - parser->pos;
    int type = parser->task[parser->ridx]->type;
    bool line = type != VALKEY_REPLY_STRING ||
                (rest_len > HEADER_LEN_MAX && memchr(rest, '\n', HEADER_LEN_MAX) == NULL);
    size_t line_max = type == VALKEY_REPLY_STRING ? HEADER_LEN_MAX : DQ_REPLY_LINE_MAX;
    if (line && rest_len > line_max) {
        refuse(reader, "a line of more than %zu bytes", line_max);
    } else if (!line && announced_len(rest, rest_len) > DQ_REPLY_BYTES_MAX - reader->charged) {
        refuse(reader, "an answer of more than %zu bytes", DQ_REPLY_BYTES_MAX);
    }
}

int dq_reader_next(dq_reader *reader, valkeyReply **reply, dq_fault *fault)
{
    *reply = NULL;
    if (reader->refusal[0] != '\0') {
        return fail(reader, fault);
    }
    void *found = NULL;
    if (valkeyReaderGetReply(reader->parser, &found) != VALKEY_OK) {
        return fail(reader, fault);
    }
    if (found != NULL) {
        reader->charged = reader->elements = 0;
        *reply = found;
        return DUEQ_OK;
    }
    check_unfinished(reader);
    return reader->refusal[0] == '\0' ? DUEQ_OK : fail(reader, fault);
}

bool dq_reader_midway(const dq_reader *reader)
{
    const valkeyReader *parser = reader->parser;
    if (parser->len > parser->pos || parser->ridx > 0) {
        return true;
    }
    return parser->ridx == 0 && parser->task[0]->type >= 0; /* -1: not even its first byte */
}
