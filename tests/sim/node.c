/* The server: what comes from a connection is cut into commands, each is run at once, and its answer
 * sent on its way. What commands do is front.lua's and the model's matter. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>
#include <valkey/valkey.h>

#include "support/server.h"

#include "scripts.h"

enum { CLIENTS_MAX = 8192, WORDS_MAX = 8000, PATH_SIZE = 4096 };
#define SERVER_WALL_US INT64_C(1700000000000000)

/* One connection. Holds: while `blocked` its further commands wait in `in`. */
typedef struct visitor {
    char *in;
    size_t in_len;
    bool blocked, gone;
    int block; /* which BLPOP of its: a time-out is of one */
} visitor;

static lua_State *lua;
static visitor visitors[CLIENTS_MAX];
static int visitor_count; /* the highest number seen */
static int64_t down_until_us, stopped_until_us, clock_us;

static void receive_all(int client);

static void die(const char *doing)
{
    fprintf(stderr, "simulation: %s: %s\n", doing, lua_tostring(lua, -1));
    exit(2);
}

/* ---- Lua ------------------------------------------------------------------------------------- */

/* front.NAME, ready for its arguments. */
static void push_function(const char *name)
{
    lua_getglobal(lua, "front");
    lua_getfield(lua, -1, name);
    lua_remove(lua, -2);
}

static void call(const char *name, int arguments, int results)
{
    if (lua_pcall(lua, arguments, results, 0) != 0) die(name);
}

static void set_field(const char *name, const char *text)
{
    lua_getglobal(lua, "front");
    if (text == NULL) {
        lua_pushnil(lua);
    } else {
        lua_pushstring(lua, text);
    }
    lua_setfield(lua, -2, name);
    lua_pop(lua, 1);
}

static char *contents(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t cap = 0, got;
    *len = 0;
    do {
        cap += 65536;
        text = realloc(text, cap);
        if (file == NULL || text == NULL) {
            fprintf(stderr, "simulation: cannot read %s\n", path);
            exit(2);
        }
        got = fread(text + *len, 1, cap - *len - 1, file);
        *len += got;
    } while (got > 0);
    fclose(file);
    text[*len] = '\0';
    return text;
}

/* The script's text; with the bug in it, where it is that script's. */
static void push_text(const dq_script *script, const planted_bug *bug)
{
    if (bug == NULL || strcmp(bug->script, script->name) != 0) {
        lua_pushlstring(lua, script->source, script->source_len);
        return;
    }
    const char *at = strstr(script->source, bug->this);
    if (at == NULL || strstr(at + 1, bug->this) != NULL) {
        fprintf(stderr, "simulation: \"%s\": its text is not in %s exactly once\n", bug->name,
                script->name);
        exit(2);
    }
    luaL_Buffer text;
    luaL_buffinit(lua, &text);
    luaL_addlstring(&text, script->source, (size_t)(at - script->source));
    luaL_addstring(&text, bug->that);
    luaL_addstring(&text, at + strlen(bug->this));
    luaL_pushresult(&text);
}

/* Those that the actors need; another one sent ends the run. */
static const dq_script *const all_scripts[] = {
    &dq_script_create, &dq_script_push,    &dq_script_take,  &dq_script_done,
    &dq_script_retry,  &dq_script_release, &dq_script_extend};

void node_start(const char *source_dir, const planted_bug *bug)
{
    char path[PATH_SIZE];
    size_t len, count = sizeof all_scripts / sizeof *all_scripts;
    lua = luaL_newstate();
    luaL_openlibs(lua);
    snprintf(path, sizeof path, "%s/tests/sim/front.lua", source_dir);
    char *text = contents(path, &len);
    if (luaL_loadbuffer(lua, text, len, "@front.lua") != 0 || lua_pcall(lua, 0, 1, 0) != 0) {
        die("front.lua");
    }
    free(text);
    lua_pushfstring(lua, "%s/tests/model", source_dir);
    lua_newtable(lua);
    for (size_t i = 0; i < count; i++) {
        push_text(all_scripts[i], bug);
        lua_setfield(lua, -2, all_scripts[i]->name);
    }
    lua_newtable(lua);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(lua, all_scripts[i]->name);
        lua_setfield(lua, -2, all_scripts[i]->sha1);
    }
    call("front.lua", 3, 1);
    lua_setglobal(lua, "front");
    for (size_t i = 0; i < count; i++) {
        push_function("learn");
        lua_pushlstring(lua, all_scripts[i]->source, all_scripts[i]->source_len);
        lua_pushstring(lua, all_scripts[i]->name);
        call("learn", 2, 0);
    }
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void answer(int client, bool is_script)
{
    size_t len;
    const char *bytes = lua_tolstring(lua, -1, &len);
    net_answer(client, bytes, len, is_script);
}

/* Whoever blocks and has got something goes on. */
static void deliver_mail(void)
{
    for (int i = 1; i <= visitor_count; i++) {
        if (!visitors[i].blocked) continue;
        push_function("mail");
        lua_pushinteger(lua, i);
        call("mail", 1, 1);
        if (!lua_isnil(lua, -1)) {
            visitors[i].blocked = false;
            answer(i, false);
        }
        lua_pop(lua, 1);
        if (!visitors[i].blocked) receive_all(i);
    }
}

typedef struct time_out {
    int client, block;
} time_out;

static void end_block(void *context)
{
    time_out *t = context;
    visitor *v = &visitors[t->client];
    if (v->blocked && v->block == t->block) {
        push_function("unblock");
        lua_pushinteger(lua, t->client);
        call("unblock", 1, 0);
        deliver_mail();
    }
    free(t);
}

static void begin_block(int client, double most_s)
{
    visitor *v = &visitors[client];
    v->blocked = true;
    v->block++;
    time_out *t = malloc(sizeof *t);
    if (t == NULL) abort();
    *t = (time_out){client, v->block};
    sim_at(sim_now_us() + (int64_t)(most_s * 1e6), end_block, t);
}

/* ---- Commands -------------------------------------------------------------------------------- */

/* One command in the protocol's form: pushes its words as a table, and returns its length; 0: it is
 * not all there. */
static size_t read_command(const char *in, size_t len)
{
    const char *at = in, *end = in + len;
    char *next;
    if (memchr(at, '\n', len) == NULL) return 0;
    long count = strtol(at + 1, &next, 10);
    at = next + 2;
    lua_createtable(lua, (int)count, 0);
    for (int i = 1; i <= count; i++) {
        if (at >= end || memchr(at, '\n', (size_t)(end - at)) == NULL) return lua_pop(lua, 1), 0;
        long word_len = strtol(at + 1, &next, 10);
        at = next + 2;
        if (at + word_len + 2 > end) return lua_pop(lua, 1), 0;
        lua_pushlstring(lua, at, (size_t)word_len);
        lua_rawseti(lua, -2, i);
        at += word_len + 2;
    }
    return (size_t)(at - in);
}

static bool is_script_call(void)
{
    lua_rawgeti(lua, -1, 1);
    const char *name = lua_tostring(lua, -1);
    bool is = name != NULL && strncmp(name, "EVAL", 4) == 0;
    lua_pop(lua, 1);
    return is;
}

/* Runs the command whose words are on top. */
static void run_command(int client)
{
    bool is_script = is_script_call();
    push_function("command");
    lua_insert(lua, -2);
    lua_pushinteger(lua, client);
    lua_insert(lua, -2);
    lua_pushnumber(lua, (double)(SERVER_WALL_US + sim_now_us() + clock_us));
    lua_insert(lua, -2);
    call("command", 3, 2);
    if (lua_isnil(lua, -2)) {
        begin_block(client, lua_tonumber(lua, -1));
        lua_pop(lua, 2);
    } else {
        lua_pop(lua, 1);
        answer(client, is_script);
        lua_pop(lua, 1);
    }
    deliver_mail();
}

static void receive_all(int client)
{
    visitor *v = &visitors[client];
    size_t len;
    while (!v->blocked && !v->gone && (len = read_command(v->in, v->in_len)) > 0) {
        v->in_len -= len;
        memmove(v->in, v->in + len, v->in_len);
        run_command(client);
    }
}

void node_receive(int client, const char *bytes, size_t len)
{
    visitor *v = &visitors[client];
    if (client > visitor_count) visitor_count = client;
    v->in = realloc(v->in, v->in_len + len + 1);
    if (v->in == NULL) abort();
    memcpy(v->in + v->in_len, bytes, len);
    v->in_len += len;
    v->in[v->in_len] = '\0';
    receive_all(client);
}

void node_disconnect(int client)
{
    visitor *v = &visitors[client];
    if (v->gone) return;
    v->gone = true;
    v->blocked = false;
    push_function("disconnect");
    lua_pushinteger(lua, client);
    call("disconnect", 1, 0);
}

/* ---- What befalls it ------------------------------------------------------------------------- */

bool node_accepts(void)
{
    return sim_now_us() >= down_until_us;
}

int64_t node_hears_at_us(void)
{
    return stopped_until_us;
}

static void set_loading(bool loading)
{
    set_field("loading", loading ? "yes" : NULL);
}

static void end_loading(void *context)
{
    (void)context;
    set_loading(false);
}

void node_crash(int64_t down_us, int64_t loading_us)
{
    net_reset_all();
    down_until_us = sim_now_us() + down_us;
    push_function("restart");
    call("restart", 0, 0);
    set_loading(loading_us > 0);
    sim_at(down_until_us + loading_us, end_loading, NULL);
}

void node_stop(int64_t for_us)
{
    stopped_until_us = sim_now_us() + for_us;
}

void node_flush_scripts(void)
{
    lua_getglobal(lua, "front");
    lua_newtable(lua);
    lua_setfield(lua, -2, "known");
    lua_pop(lua, 1);
}

static void end_refusal(void *context)
{
    (void)context;
    set_field("refusal", NULL);
}

void node_refuse(const char *error, int64_t for_us)
{
    set_field("refusal", error);
    sim_at(sim_now_us() + for_us, end_refusal, NULL);
}

static void set_full(bool full)
{
    lua_getglobal(lua, "front");
    lua_getfield(lua, -1, "server");
    lua_pushboolean(lua, full);
    lua_setfield(lua, -2, "full");
    lua_pop(lua, 2);
}

static void end_fill(void *context)
{
    (void)context;
    set_full(false);
}

void node_fill(int64_t for_us)
{
    set_full(true);
    sim_at(sim_now_us() + for_us, end_fill, NULL);
}

void node_step_clock(int64_t ms)
{
    clock_us += ms * 1000;
}

int64_t node_alive_tasks(const char *queue, int partitions)
{
    push_function("alive");
    lua_pushstring(lua, queue);
    lua_pushinteger(lua, partitions);
    call("alive", 2, 1);
    int64_t count = (int64_t)lua_tonumber(lua, -1);
    lua_pop(lua, 1);
    return count;
}

/* ---- For the dump, which reads a server's keys by plain commands ------------------------------ */

__attribute__((format(printf, 2, 3))) valkeyReply *server_command(test_server *s,
                                                                  const char *format, ...)
{
    char line[1000], *rest = NULL;
    int words = 0;
    va_list arguments;
    (void)s;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    push_function("command");
    lua_pushinteger(lua, 0);
    lua_pushnumber(lua, (double)(SERVER_WALL_US + sim_now_us() + clock_us));
    lua_newtable(lua);
    for (char *word = strtok_r(line, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        lua_pushstring(lua, word);
        lua_rawseti(lua, -2, ++words);
    }
    call("command", 3, 1);
    size_t len;
    const char *bytes = lua_tolstring(lua, -1, &len);
    valkeyReader *reader = valkeyReaderCreate();
    void *reply = NULL;
    valkeyReaderFeed(reader, bytes, len);
    if (valkeyReaderGetReply(reader, &reply) != VALKEY_OK || reply == NULL) abort();
    valkeyReaderFree(reader);
    lua_pop(lua, 1);
    return reply;
}
