/* What long-lived processes may answer, and what they are given: any line is an answer within the
 * limits or a reason; any bytes as a payload make one line, from which JSON gives them back. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "work/stdio_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void insist(bool held)
{
    if (!held) abort();
}

static void check_text(const dq_stdio_text *text)
{
    insist(text->bytes == NULL ? text->len == 0 : text->bytes[text->len] == '\0');
}

static void try_answer(const char *line, size_t len)
{
    dq_stdio_answer answer;
    dq_fault fault = {0};
    if (dq_stdio_read_answer(&answer, line, len, &fault) == DUEQ_OK) {
        insist(answer.verdict >= DUEQ_VERDICT_DONE && answer.verdict <= DUEQ_VERDICT_RELEASE);
        insist(answer.delay_ms >= -1 && answer.delay_ms <= DUEQ_DELAY_MS_MAX);
        check_text(&answer.receipt);
        check_text(&answer.id);
        check_text(&answer.id_base64);
        check_text(&answer.error);
        const dueq_task task = {.id = "id", .id_len = 2, .receipt = "receipt"};
        insist(!dq_stdio_is_about(&answer, &task) || dq_stdio_names_a_task(&answer));
    } else {
        insist(fault.code == DUEQ_EINVAL && fault.text[0] != '\0');
    }
    dq_stdio_clear_answer(&answer);
}

static void try_payload(const char *bytes, size_t len)
{
    const dueq_task task = {
        .id = "id", .id_len = 2, .receipt = "receipt", .payload = bytes, .payload_len = len};
    dq_buf line = {0};
    insist(dq_stdio_add_task(&line, "mail", &task));
    insist(memchr(line.data, '\n', line.len) == line.data + line.len - 1);
    json_t *object = json_loadb(line.data, line.len, JSON_ALLOW_NUL, NULL);
    insist(object != NULL);
    const json_t *text = json_object_get(object, "payload");
    const json_t *coded = json_object_get(object, "payload_base64");
    insist((text != NULL) == dq_utf8_valid(bytes, len) && (coded != NULL) == (text == NULL));
    if (text != NULL) {
        insist(json_string_length(text) == len && memcmp(json_string_value(text), bytes, len) == 0);
    } else {
        insist(json_string_length(coded) == dq_base64_len(len));
    }
    json_decref(object);
    dq_buf_clear(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    try_answer((const char *)data, len);
    try_payload((const char *)data, len);
    return 0;
}
