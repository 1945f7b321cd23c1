/* The table of error replies. Pure. A word that is not in the table is an error of its own kind:
 * final, told with the server's text. */
#include "wire/answer.h"

#include <ctype.h>
#include <string.h>

#define TOLD_LEN_MAX 300u /* bytes of the server's own text that a message repeats */

typedef struct entry {
    const char *start; /* the text begins with it, and no letter or digit follows */
    dq_answer answer;
} entry;

/* Valkey says "No permissions to access a key" and no more. */
static const char forbidden[] =
    "the server's ACL does not permit it; dueq doctor names what it must allow";

/* Longer beginnings stand before shorter ones that they contain. */
static const entry table[] = {
    {"NOSCRIPT", {DUEQ_ESERVER, DQ_REMEDY_SOURCE, NULL}},

    /* The server cannot now, and has done nothing. */
    {"LOADING", {DUEQ_EUNREADY, DQ_REMEDY_AGAIN, "the server is still loading its data"}},
    {"BUSY", {DUEQ_EUNREADY, DQ_REMEDY_AGAIN, "the server is busy with a long script"}},
    {"MASTERDOWN", {DUEQ_EUNREADY, DQ_REMEDY_AGAIN, "the replica has lost its master"}},
    {"NOREPLICAS", {DUEQ_EUNREADY, DQ_REMEDY_AGAIN, "the server lacks the replicas it must have"}},
    {"MISCONF",
     {DUEQ_EUNREADY, DQ_REMEDY_AGAIN,
      "the server cannot write to its disk and refuses changes; see its log"}},
    {"TRYAGAIN", {DUEQ_EUNREADY, DQ_REMEDY_AGAIN, "the slot is being moved"}},
    {"CLUSTERDOWN", {DUEQ_EUNREADY, DQ_REMEDY_AGAIN, "the cluster is down"}},
    {"ERR max number of clients",
     {DUEQ_EUNREADY, DQ_REMEDY_RECONNECT, "the server has no room for another connection"}},

    /* The server is no longer the one to talk to. */
    {"READONLY",
     {DUEQ_EREADONLY, DQ_REMEDY_RECONNECT,
      "the server is a read-only replica; use its master's address"}},
    {"UNBLOCKED", {DUEQ_EREADONLY, DQ_REMEDY_RECONNECT, "the server's role has changed"}},
    {"MOVED",
     {DUEQ_ESERVER, DQ_REMEDY_MOVED,
      "the server is a node of a cluster; its URL begins with redis-cluster://"}},
    {"ASK",
     {DUEQ_ESERVER, DQ_REMEDY_ASK,
      "the server is a node of a cluster; its URL begins with redis-cluster://"}},

    /* Waiting does not help. */
    {"ERR This instance has cluster support disabled",
     {DUEQ_ESERVER, DQ_REMEDY_NONE,
      "the server is not part of a cluster; its URL begins with redis:// or rediss://"}},
    {"OOM",
     {DUEQ_EFULL, DQ_REMEDY_NONE,
      "the server is out of memory (maxmemory) and takes nothing new; finishing tasks frees some"}},
    {"NOAUTH",
     {DUEQ_EAUTH, DQ_REMEDY_NONE,
      "the server wants a password; give it in the URL (redis://USER:PASSWORD@HOST)"}},
    {"WRONGPASS", {DUEQ_EAUTH, DQ_REMEDY_NONE, "the server refused the user or the password"}},
    {"ERR invalid password", {DUEQ_EAUTH, DQ_REMEDY_NONE, "the server refused the password"}},
    {"ERR operation not permitted",
     {DUEQ_EAUTH, DQ_REMEDY_NONE, "the server wants a password; give it in the URL"}},
    {"ERR Client sent AUTH",
     {DUEQ_EAUTH, DQ_REMEDY_NONE, "a password was given, but the server has none set"}},
    {"ERR AUTH", {DUEQ_EAUTH, DQ_REMEDY_NONE, "a password was given, but the server has none set"}},
    {"NOPERM", {DUEQ_EDENIED, DQ_REMEDY_NONE, forbidden}},
    {"ERR The user executing the script can't", {DUEQ_EDENIED, DQ_REMEDY_NONE, forbidden}},
    {"ERR ACL failure in script", {DUEQ_EDENIED, DQ_REMEDY_NONE, forbidden}}, /* Valkey */
    {"DENIED", {DUEQ_EDENIED, DQ_REMEDY_NONE, "the server accepts only local clients"}},
    {"WRONGTYPE", {DUEQ_ECORRUPT, DQ_REMEDY_NONE, "a key of the queue has another type"}},
};
static const size_t entry_count = sizeof table / sizeof table[0];

static const dq_answer unknown = {DUEQ_ESERVER, DQ_REMEDY_NONE, NULL};

static bool begins_with(const char *text, size_t len, const char *start)
{
    size_t start_len = strlen(start);
    return len >= start_len && memcmp(text, start, start_len) == 0 &&
           (len == start_len || !isalnum((unsigned char)text[start_len]));
}

static const entry *find_entry(const char *text, size_t len)
{
    for (size_t i = 0; i < entry_count; i++) {
        if (begins_with(text, len, table[i].start)) {
            return &table[i];
        }
    }
    return NULL;
}

/* Servers before 7.0 wrap what redis.call raised:
 *   ERR Error running script (call to f_SHA): @user_script:3: @user_script: 3: -OOM command …
 * Returns what stands after the last such place, or NULL when nothing is wrapped. */
static const char *unwrap(const char *text, size_t len)
{
    static const char place[] = "@user_script:";
    const size_t place_len = sizeof place - 1;
    if (!begins_with(text, len, "ERR Error running script")) {
        return NULL;
    }
    const char *inner = NULL, *end = text + len;
    for (const char *at = text; (at = memmem(at, (size_t)(end - at), place, place_len)) != NULL;) {
        at += place_len;
        inner = at;
    }
    if (inner != NULL) {
        while (inner < end && *inner != '\0' && strchr("0123456789: -", *inner) != NULL) {
            inner++;
        }
    }
    return inner;
}

dq_answer dq_answer_of(const char *text, size_t len)
{
    const char *inner = unwrap(text, len);
    const entry *found =
        inner == NULL ? find_entry(text, len) : find_entry(inner, (size_t)(text + len - inner));
    return found == NULL ? unknown : found->answer;
}

bool dq_answer_is_of_acl(dq_answer answer)
{
    return answer.meaning == forbidden;
}

/* The length without " script: SHA, on @user_script:3.", which is of use to nobody once understood. */
static size_t len_without_place(const char *text, size_t len)
{
    static const char mark[] = " script: ", place[] = "@user_script:";
    const char *end = memmem(text, len, place, sizeof place - 1), *found = NULL;
    if (end == NULL) return len;
    for (const char *at = text;
         (at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1)) != NULL;) {
        found = at++;
    }
    return found == NULL ? len : (size_t)(found - text);
}

int dq_answer_tell(dq_fault *fault, const char *text, size_t len)
{
    dq_answer answer = dq_answer_of(text, len);
    if (answer.meaning == NULL) {
        return dq_fault_set(fault, answer.outcome, "the server answered: %.*s",
                            (int)(len < TOLD_LEN_MAX ? len : TOLD_LEN_MAX), text);
    }
    size_t told_len = len_without_place(text, len);
    return dq_fault_set(fault, answer.outcome, "%s: %.*s", answer.meaning,
                        (int)(told_len < TOLD_LEN_MAX ? told_len : TOLD_LEN_MAX), text);
}
