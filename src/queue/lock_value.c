/* Keys and values of locks as texts. */
#include "queue/lock_value.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/encode.h"
#include "queue/keys.h"

#define FENCE_START "dueq:fence:"
#define MARK " dueq "

/* ---- Keys ---- */

bool dq_lock_name_valid(const char *name)
{
    size_t len = name ? strnlen(name, DUEQ_LOCK_NAME_MAX + 1) : 0;
    if (len == 0 || len > DUEQ_LOCK_NAME_MAX) return false;
    return dq_key_has_neighbour(name);
}

bool dq_lock_fence_key(dq_buf *key, const char *name)
{
    return dq_buf_printf(key, dq_key_has_tag(name) ? FENCE_START "%s" : FENCE_START "{%s}", name);
}

/* ---- Values ---- */

static void add_word(dq_buf *value, const char *word)
{
    size_t len = strnlen(word, DUEQ_LOCK_HOST_MAX);
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)word[i];
        dq_buf_add_byte(value, isgraph(byte) ? byte : '_');
    }
}

bool dq_lock_value_write(dq_buf *value, const char *host, int64_t pid, const char *owner)
{
    for (int i = 0; i < DQ_LOCK_SECRET_LEN; i++) dq_buf_add_byte(value, 'A');
    dq_buf_add_text(value, MARK);
    add_word(value, *host ? host : "?");
    return dq_buf_printf(value, " %" PRId64 " %s", pid, owner ? owner : "");
}

void dq_lock_value_renew(char *value, uint64_t rnd_a, uint64_t rnd_b)
{
    char text[DQ_LOCK_SECRET_LEN + 1];
    uint64_t bits[2] = {rnd_a, rnd_b};
    dq_base64url(text, bits, sizeof bits);
    memcpy(value, text, DQ_LOCK_SECRET_LEN);
}

void dq_lock_value_number(char *value, size_t server)
{
    value[DQ_LOCK_SECRET_LEN - 1] = (char)('A' + server);
}

bool dq_lock_value_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const size_t at = DQ_LOCK_SECRET_LEN - 1, next = DQ_LOCK_SECRET_LEN;
    if (a_len != b_len) return false;
    if (a_len < next) return memcmp(a, b, a_len) == 0;
    return memcmp(a, b, at) == 0 && memcmp(a + next, b + next, a_len - next) == 0;
}

/* The words after the mark: HOST PID TEXT. */
static bool read_words(dueq_lock_holder *holder, const char *text, const char *end)
{
    const char *space = memchr(text, ' ', (size_t)(end - text));
    if (!space || space == text || space - text > DUEQ_LOCK_HOST_MAX) return false;
    const char *digit = space + 1;
    int64_t pid = 0;
    for (; digit < end && isdigit((unsigned char)*digit) && pid < INT32_MAX; digit++)
        pid = pid * 10 + (*digit - '0');
    bool fine = digit > space + 1 && digit < end && *digit == ' ' && pid > 0;
    if (!fine || end - digit - 1 > DUEQ_LOCK_OWNER_MAX) return false;
    memcpy(holder->host, text, (size_t)(space - text));
    memcpy(holder->owner, digit + 1, (size_t)(end - digit - 1));
    holder->pid = pid;
    return true;
}

bool dq_lock_value_read(dueq_lock_holder *holder, const char *value, size_t len)
{
    const size_t head_len = DQ_LOCK_SECRET_LEN + strlen(MARK);
    memset(holder->host, 0, sizeof holder->host);
    memset(holder->owner, 0, sizeof holder->owner);
    holder->pid = 0;
    if (len > head_len && memcmp(value + DQ_LOCK_SECRET_LEN, MARK, strlen(MARK)) == 0 &&
        read_words(holder, value + head_len, value + len))
        return true;
    memcpy(holder->owner, value, len < DUEQ_LOCK_OWNER_MAX ? len : DUEQ_LOCK_OWNER_MAX);
    return false;
}
