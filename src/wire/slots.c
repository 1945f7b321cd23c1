/* Keys to slots, slots to addresses; hostile answers are refused, not followed. */
#include "wire/slots.h"

#include <ctype.h>
#include <string.h>

#include "base/id.h"

#define PORT_MAX 65535

int dq_slot_of(const char *key, size_t len)
{
    const char *open = memchr(key, '{', len);
    if (open != NULL) {
        size_t rest_len = len - (size_t)(open - key) - 1;
        const char *close = memchr(open + 1, '}', rest_len);
        if (close != NULL && close > open + 1) {
            key = open + 1;
            len = (size_t)(close - key);
        }
    }
    return dq_crc16(key, len) % DQ_SLOT_COUNT;
}

/* ---- Addresses ------------------------------------------------------------------------------- */

/* A name or an address: nothing else is ever given to the resolver. */
static bool take_host(char host[DQ_SLOT_HOST_MAX + 1], const char *text, size_t len)
{
    if (len > DQ_SLOT_HOST_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        bool other = text[i] != '\0' && strchr(".-_:%", text[i]) != NULL;
        if (!isalnum((unsigned char)text[i]) && !other) {
            return false;
        }
    }
    *(char *)mempcpy(host, text, len) = '\0';
    return true;
}

static bool is_text(const valkeyReply *reply)
{
    return reply->type == VALKEY_REPLY_STRING || reply->type == VALKEY_REPLY_STATUS;
}

/* The value of `name` in a node's further facts, ["ip", "10.0.0.1", …]; NULL when there is none. */
static const valkeyReply *find_fact(const valkeyReply *node, const char *name)
{
    const valkeyReply *facts = node->elements > 3 ? node->element[3] : NULL;
    size_t count = facts != NULL && facts->type == VALKEY_REPLY_ARRAY ? facts->elements : 0;
    for (size_t i = 0; i + 1 < count; i += 2) {
        if (is_text(facts->element[i]) && strcmp(facts->element[i]->str, name) == 0) {
            return is_text(facts->element[i + 1]) ? facts->element[i + 1] : NULL;
        }
    }
    return NULL;
}

/* The first element is the address that the cluster prefers: nil for the one that was asked, "?"
 * for a host name that nobody has set. */
static bool take_node(dq_slot_run *run, const valkeyReply *node)
{
    if (node->type != VALKEY_REPLY_ARRAY || node->elements < 2 ||
        node->element[1]->type != VALKEY_REPLY_INTEGER || node->element[1]->integer < 1 ||
        node->element[1]->integer > PORT_MAX) {
        return false;
    }
    run->port = (int)node->element[1]->integer;
    run->host[0] = '\0';
    const valkeyReply *host = node->element[0];
    if (is_text(host) && strcmp(host->str, "?") == 0) {
        host = find_fact(node, "ip");
    }
    if (host == NULL || host->type == VALKEY_REPLY_NIL) {
        return true;
    }
    return is_text(host) && take_host(run->host, host->str, host->len);
}

static bool take_slot(int *slot, const valkeyReply *number)
{
    *slot = (int)number->integer;
    return number->type == VALKEY_REPLY_INTEGER && number->integer >= 0 &&
           number->integer < DQ_SLOT_COUNT;
}

bool dq_slot_run_read(dq_slot_run *run, const valkeyReply *answer, size_t i)
{
    const valkeyReply *entry = answer->element[i];
    return entry->type == VALKEY_REPLY_ARRAY && entry->elements >= 3 &&
           take_slot(&run->first, entry->element[0]) && take_slot(&run->last, entry->element[1]) &&
           run->first <= run->last && take_node(run, entry->element[2]);
}

/* ---- Redirections ---------------------------------------------------------------------------- */

/* The digits at the start of the text as a number up to `max`; -1 when there are none or more. */
static int read_number(const char *text, size_t len, int max)
{
    int number = len == 0 ? -1 : 0;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]) || number > max) {
            return -1;
        }
        number = number * 10 + (text[i] - '0');
    }
    return number > max ? -1 : number;
}

bool dq_redirect_read(dq_redirect *redirect, const char *text, size_t len)
{
    const char *end = text + len;
    const char *slot = memchr(text, ' ', len);
    const char *host = slot == NULL ? NULL : memchr(slot + 1, ' ', (size_t)(end - slot) - 1);
    if (host == NULL) {
        return false;
    }
    slot++;
    host++;
    const char *colon = memrchr(host, ':', (size_t)(end - host)); /* the last: IPv6 has others */
    if (colon == NULL) {
        return false;
    }
    redirect->slot = read_number(slot, (size_t)(host - slot) - 1, DQ_SLOT_COUNT - 1);
    redirect->port = read_number(colon + 1, (size_t)(end - colon) - 1, PORT_MAX);
    return redirect->slot >= 0 && redirect->port >= 1 &&
           take_host(redirect->host, host, (size_t)(colon - host));
}
