/* The scripts as they are packed: every file of lua/ is there, under its own digest, with the keys
 * and arguments that its head declares, and with the numbers that C gives the outcomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/handle.h"
#include "scripts.h"

enum { SCRIPT_COUNT = 31 };

static const dq_script *const scripts[SCRIPT_COUNT] = {
    &dq_script_cancel,
    &dq_script_check,
    &dq_script_config,
    &dq_script_create,
    &dq_script_dead,
    &dq_script_done,
    &dq_script_extend,
    &dq_script_get,
    &dq_script_import,
    &dq_script_import_put,
    &dq_script_list,
    &dq_script_purge,
    &dq_script_push,
    &dq_script_release,
    &dq_script_restore,
    &dq_script_reschedule,
    &dq_script_retry,
    &dq_script_scan,
    &dq_script_stats,
    &dq_script_take,
    /* with keys of their own */
    &dq_script_import_begin,
    &dq_script_import_drop,
    &dq_script_import_take,
    &dq_script_lock_acquire,
    &dq_script_lock_claim,
    &dq_script_lock_count,
    &dq_script_lock_extend,
    &dq_script_lock_holder,
    &dq_script_lock_look,
    &dq_script_lock_raise,
    &dq_script_lock_release,
};

/* Of a queue's partition: such scripts know whether the queue is as their caller believes. */
static bool is_of_queue(const dq_script *script)
{
    return script->keys != NULL;
}

static const char *lua_folder(void)
{
    static char path[4096];
    const char *source = getenv("DUEQ_SOURCE");
    if (!source) skip(); /* CTest says where the sources are */
    snprintf(path, sizeof path, "%s/lua", source);
    return path;
}

/* A script's own file; yours to free. */
static char *read_source(const dq_script *script)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s.lua", lua_folder(), script->name);
    FILE *file = fopen(path, "re");
    if (!file) fail_msg("%s: %s", path, strerror(errno));
    enum { SOURCE_MAX = 1 << 16 };
    char *text = calloc(1, SOURCE_MAX);
    size_t len = fread(text, 1, SOURCE_MAX - 1, file);
    fclose(file);
    assert_in_range(len, 1, SOURCE_MAX - 2);
    return text;
}

/* The words after "-- NAME:" in a script's head; yours to free. NULL: there is no such line. */
static char *head_line(const char *source, const char *name)
{
    char start[40];
    snprintf(start, sizeof start, "-- %s:", name);
    const char *at = strstr(source, start);
    if (!at || (at != source && at[-1] != '\n')) return NULL;
    at += strlen(start);
    return strndup(at, strcspn(at, "\n"));
}

static bool is_packed(const char *name)
{
    for (size_t i = 0; i < SCRIPT_COUNT; i++)
        if (strcmp(scripts[i]->name, name) == 0) return true;
    return false;
}

static void every_file_is_packed(void **state)
{
    (void)state;
    DIR *dir = opendir(lua_folder());
    assert_non_null(dir);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".lua") != 0) continue;
        *dot = '\0';
        count++;
        if (!is_packed(entry->d_name)) fail_msg("lua/%s.lua is not in this test", entry->d_name);
    }
    closedir(dir);
    assert_int_equal(count, SCRIPT_COUNT);
}

static void digests_are_of_the_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        unsigned char raw[EVP_MAX_MD_SIZE];
        char digest[2 * EVP_MAX_MD_SIZE + 1] = "";
        unsigned raw_len;
        assert_int_equal(strlen(scripts[i]->source), scripts[i]->source_len);
        assert_true(EVP_Digest(scripts[i]->source, scripts[i]->source_len, raw, &raw_len,
                               EVP_sha1(), NULL));
        for (unsigned k = 0; k < raw_len; k++) sprintf(digest + 2 * k, "%02x", raw[k]);
        if (strcmp(digest, scripts[i]->sha1) != 0)
            fail_msg("%s: %s, wanted %s", scripts[i]->name, scripts[i]->sha1, digest);
    }
}

/* What one line of a script's head names, in order; `line` is cut into its words. */
typedef struct head_words {
    size_t count;
    const char *words[16];
} head_words;

static head_words words_of(char *line)
{
    head_words named = {0};
    char *rest = NULL;
    for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        assert_true(named.count < 16);
        named.words[named.count++] = word;
    }
    return named;
}

static char *keys_line(const dq_script *script, const char *source)
{
    return head_line(source, is_of_queue(script) ? "KEYS" : "OWN KEYS");
}

/* The head of each script names its keys and arguments, and says what it returns. */
static void heads_are_whole_and_true(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        const dq_script *script = scripts[i];
        char *source = read_source(script);
        char *keys = keys_line(script, source), *args = head_line(source, "ARGV");
        char *returns = head_line(source, "returns");
        if (!keys || !args || !returns) fail_msg("%s: its head lacks a line", script->name);
        head_words key_words = words_of(keys), arg_words = words_of(args);
        size_t key_count = key_words.count, arg_count = arg_words.count;
        assert_int_equal(atoi(script->key_count), key_count);
        assert_int_equal(script->keys_len, is_of_queue(script) ? key_count : 0);
        for (size_t k = 0; k < script->keys_len; k++)
            assert_string_equal(dq_key_names[script->keys[k]], key_words.words[k]);
        if (is_of_queue(script)) assert_string_equal(arg_words.words[0], "partitions");
        assert_int_equal(arg_count, script->arg_count);
        free(keys);
        free(args);
        free(returns);
        free(source);
    }
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) count++;
    return count;
}

/* Each key and argument is read under its name, each once; and comments are not sent. */
static void keys_and_arguments_have_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        const char *source = scripts[i]->source;
        char *file = read_source(scripts[i]), *keys = keys_line(scripts[i], file);
        head_words named = words_of(keys);
        assert_int_equal(count_of(source, "KEYS["), named.count);
        for (size_t k = 0; k < named.count; k++) {
            char line[80];
            snprintf(line, sizeof line, "local %s = KEYS[%zu]\n", named.words[k], k + 1);
            if (count_of(source, line) != 1) fail_msg("%s: no %s", scripts[i]->name, line);
        }
        if (strstr(source, "-- ")) fail_msg("%s: a comment is sent", scripts[i]->name);
        bool makes = scripts[i] == &dq_script_create; /* all others want a queue that stands */
        if (is_of_queue(scripts[i]) && !makes && !strstr(source, "STALE"))
            fail_msg("%s never says STALE", scripts[i]->name);
        free(keys);
        free(file);
    }
}

/* What managed services and both versions of Lua lack, and what would make a script's cost grow. */
static void nothing_forbidden_is_used(void **state)
{
    (void)state;
    static const char *const forbidden[] = {
        "table.unpack", "table.getn", "math.pow", "loadstring", "setfenv",    "#!lua",
        "redis.log",    "'KEYS'",     "'SCAN'",   "'HGETALL'",  "'SMEMBERS'", "math.random",
        "os.",          "tostring(",  "'HVALS'",  "'EXPIRE'"};
    for (size_t i = 0; i < SCRIPT_COUNT; i++)
        for (size_t k = 0; k < sizeof forbidden / sizeof *forbidden; k++)
            if (strstr(scripts[i]->source, forbidden[k]))
                fail_msg("%s uses %s", scripts[i]->name, forbidden[k]);
}

static void outcomes_have_their_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int number;
    } outcomes[] = {
#define OUTCOME(name, number, text) {#name, name},
#include "outcome.def"
#include "queue/script_outcome.def"
#undef OUTCOME
    };
    size_t seen = 0;
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        for (size_t k = 0; k < sizeof outcomes / sizeof *outcomes; k++) {
            char start[80], line[100];
            const char *name = strchr(outcomes[k].name, '_') + 1;
            snprintf(start, sizeof start, "local %s = ", name);
            snprintf(line, sizeof line, "local %s = %d\n", name, outcomes[k].number);
            if (!strstr(scripts[i]->source, start)) continue;
            seen++;
            if (!strstr(scripts[i]->source, line))
                fail_msg("%s: another number for %s", scripts[i]->name, name);
        }
    }
    assert_true(seen >= 2 * SCRIPT_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_is_packed),
        cmocka_unit_test(digests_are_of_the_text),
        cmocka_unit_test(heads_are_whole_and_true),
        cmocka_unit_test(keys_and_arguments_have_names),
        cmocka_unit_test(nothing_forbidden_is_used),
        cmocka_unit_test(outcomes_have_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
