/* A thin layer over curses: styles, cut text, a table of keys. Knows no queue. */
#include "top_screen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text.h"

#include <curses.h>

#include <term.h> /* last: it makes macros of many plain words */

#define ESCAPE_MS 50 /* an Esc that nothing follows for so long is the key of that name */

static struct {
    SCREEN *terminal; /* NULL: not taken over */
    bool colour;
    bool dim;
} screen;

/* ---- Keys */

static const struct {
    int code;
    top_action action;
} keys[] = {
    {KEY_UP, TOP_UP},         {'k', TOP_UP},
    {KEY_DOWN, TOP_DOWN},     {'j', TOP_DOWN},
    {KEY_PPAGE, TOP_PAGE_UP}, {KEY_NPAGE, TOP_PAGE_DOWN},
    {' ', TOP_PAGE_DOWN},     {KEY_HOME, TOP_HOME},
    {'g', TOP_HOME},          {KEY_END, TOP_END},
    {'G', TOP_END},           {KEY_ENTER, TOP_ENTER},
    {'\n', TOP_ENTER},        {'\r', TOP_ENTER},
    {KEY_RIGHT, TOP_ENTER},   {'l', TOP_ENTER},
    {KEY_LEFT, TOP_BACK},     {'h', TOP_BACK},
    {'q', TOP_BACK},          {'Q', TOP_QUIT},
    {27, TOP_BACK},           {KEY_BACKSPACE, TOP_BACK},
    {'\t', TOP_NEXT_STATE},   {KEY_BTAB, TOP_PREVIOUS_STATE},
    {'p', TOP_PAUSE},         {'r', TOP_REDRIVE},
    {'s', TOP_SORT},          {'x', TOP_FORM},
    {'+', TOP_SLOWER},        {'=', TOP_SLOWER},
    {'-', TOP_FASTER},        {'?', TOP_HELP},
    {'y', TOP_YES},           {'Y', TOP_YES},
};

size_t top_screen_help(const top_key_help **list)
{
    static const top_key_help help[] = {
        {"Up Down j k", "select; in a task: scroll"},
        {"PgUp PgDn Home End", "by pages, to the ends"},
        {"Enter Right", "look into the queue, into the task"},
        {"Tab", "tasks of the next state: waiting ready leased dead"},
        {"p", "pause the queue, or let it go on"},
        {"r", "make the queue's dead tasks ready again, or the one task"},
        {"x", "the payload as text, or in hexadecimal"},
        {"s", "sort by the next column"},
        {"+ -", "new pictures less often, more often"},
        {"q Esc Left, Q", "back, and from the queues: quit; quit at once"},
    };

    *list = help;
    return sizeof(help) / sizeof(help[0]);
}

bool top_screen_key(top_action *action)
{
    int code = getch();

    if (code == ERR) return false;
    *action = TOP_NOTHING;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keys[i].code == code) *action = keys[i].action;
    return true;
}

/* ---- The terminal */

void top_screen_close(void)
{
    if (screen.terminal == NULL) return;
    endwin();
    delscreen(screen.terminal);
    screen.terminal = NULL;
}

/* Colours where the terminal has them and the user has nothing against them. */
static void choose_colours(void)
{
    const char *no_colour = getenv("NO_COLOR");

    screen.colour = has_colors() && (no_colour == NULL || *no_colour == '\0');
    if (!screen.colour) return;
    start_color();
    use_default_colors();
    init_pair(STYLE_GOOD, COLOR_GREEN, -1);
    init_pair(STYLE_NOTE, COLOR_CYAN, -1);
    init_pair(STYLE_WARN, COLOR_YELLOW, -1);
    init_pair(STYLE_BAD, COLOR_RED, -1);
}

/* A terminal that cannot move its cursor is not for this. */
static bool can_move_cursor(void)
{
    char name[] = "cup";
    const char *sequence = tigetstr(name);

    return sequence != NULL && (intptr_t)sequence != -1;
}

bool top_screen_open(void)
{
    static bool at_exit;

    screen.terminal = newterm(NULL, stdout, stdin);
    if (screen.terminal == NULL) return false;
    if (!at_exit) at_exit = atexit(top_screen_close) == 0;
    if (!can_move_cursor()) {
        top_screen_close();
        return false;
    }
    cbreak();
    noecho();
    nonl();
    nodelay(stdscr, TRUE);
    keypad(stdscr, TRUE);
    set_escdelay(ESCAPE_MS);
    curs_set(0);
    choose_colours();
    return true;
}

void top_screen_measure(size_t *width, size_t *height)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0 &&
        is_term_resized(size.ws_row, size.ws_col))
        resizeterm(size.ws_row, size.ws_col);
    *width = (size_t)getmaxx(stdscr);
    *height = (size_t)getmaxy(stdscr);
}

/* ---- The picture */

void top_screen_begin(void)
{
    erase();
    screen.dim = false;
}

void top_screen_dim(bool dim)
{
    screen.dim = dim;
}

static attr_t attributes(out_style style)
{
    static const attr_t plain[] = {
        [STYLE_BOLD] = A_BOLD, [STYLE_FAINT] = A_DIM, [STYLE_WARN] = A_BOLD, [STYLE_BAD] = A_BOLD};
    bool coloured = style >= STYLE_GOOD && screen.colour;

    if (screen.dim) return A_DIM;
    if (!coloured) return plain[style];
    return (attr_t)COLOR_PAIR(style) | (style == STYLE_BAD ? A_BOLD : A_NORMAL);
}

static void put(size_t line, size_t column, const char *text, size_t len)
{
    mvaddnstr((int)line, (int)column, text, (int)len);
}

size_t top_screen_put(size_t line, size_t column, size_t width, out_style style, const char *text)
{
    size_t taken = text_width(text);

    if (width == 0) return 0;
    attrset((int)attributes(style));
    if (taken <= width) {
        put(line, column, text, strlen(text));
    } else {
        put(line, column, text, text_cut(text, width - 1));
        addstr(out_has_utf8() ? "…" : ">");
        taken = width;
    }
    attrset(A_NORMAL);
    return taken;
}

size_t top_screen_put_foreign(size_t line, size_t column, size_t width, const void *bytes,
                              size_t len)
{
    char *text = text_escape(bytes, len);
    size_t taken = top_screen_put(line, column, width, STYLE_PLAIN, text);

    free(text);
    return taken;
}

void top_screen_put_right(size_t line, size_t column, size_t width, out_style style,
                          const char *text)
{
    size_t taken = text_width(text);
    size_t blanks = taken < width ? width - taken : 0;

    top_screen_put(line, column + blanks, width - blanks, style, text);
}

void top_screen_select(size_t line)
{
    mvchgat((int)line, 0, -1, screen.dim ? A_REVERSE | A_DIM : A_REVERSE, 0, NULL);
}

void top_screen_show(void)
{
    refresh();
}
