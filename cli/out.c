/* stdout, with its styles and its errors. */
#include "out.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mem.h"
#include "say.h"
#include "text.h"

static struct {
    bool terminal;
    bool colour;
    bool utf8;
    bool keeps_going; /* a closed pipe is for the caller to deal with */
    int error;        /* errno of the first failed write */
} out;

static bool wants_colour(void)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

    return out.terminal && (no_colour == NULL || *no_colour == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

void out_open(void)
{
    setlocale(LC_CTYPE, "");
    out.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (!out.utf8)
        setlocale(LC_CTYPE, "C.UTF-8"); /* widths of characters are asked for all the same */
    out.terminal = isatty(STDOUT_FILENO) == 1;
    out.colour = wants_colour();
    signal(SIGPIPE, SIG_IGN); /* a server that goes away is not the end of the program */
}

bool out_on_terminal(void)
{
    return out.terminal;
}

bool out_has_utf8(void)
{
    return out.utf8;
}

size_t out_columns(void)
{
    struct winsize size;

    if (!out.terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 0;
    return size.ws_col;
}

const char *out_on(out_style wanted)
{
    static const char *const codes[] = {
        [STYLE_PLAIN] = "",         [STYLE_BOLD] = "\033[1m",  [STYLE_FAINT] = "\033[2m",
        [STYLE_GOOD] = "\033[32m",  [STYLE_NOTE] = "\033[36m", [STYLE_WARN] = "\033[33m",
        [STYLE_BAD] = "\033[1;31m",
    };

    return out.colour ? codes[wanted] : "";
}

const char *out_off(out_style wanted)
{
    return out.colour && wanted != STYLE_PLAIN ? "\033[0m" : "";
}

static void remember_error(void)
{
    if (out.error == 0) out.error = errno != 0 ? errno : EIO;
}

static void __attribute__((format(printf, 1, 0))) print_list(const char *format, va_list list)
{
    if (vprintf(format, list) < 0) remember_error();
}

void out_printf(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    print_list(format, list);
    va_end(list);
}

void out_styled(out_style wanted, const char *format, ...)
{
    va_list list;

    out_printf("%s", out_on(wanted));
    va_start(list, format);
    print_list(format, list);
    va_end(list);
    out_printf("%s", out_off(wanted));
}

void out_foreign(const void *bytes, size_t len)
{
    char *shown = text_escape(bytes, len);

    out_printf("%s", shown);
    free(shown);
}

void out_raw(const void *bytes, size_t len)
{
    if (len > 0 && fwrite(bytes, 1, len, stdout) != len) remember_error();
}

void out_json(json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));

    if (text == NULL) {
        fputs("dueq: out of memory\n", stderr);
        exit(STATUS_FAILED);
    }
    out_raw(text, strlen(text));
    out_raw("\n", 1);
    free(text);
    json_decref(value);
}

/* Whoever read our output has enough: end as a program that never heard of SIGPIPE would. */
static void end_quietly(void)
{
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

void out_keep_going(void)
{
    out.keeps_going = true;
}

bool out_flush(void)
{
    if (fflush(stdout) != 0) remember_error();
    if (out.error == EPIPE && !out.keeps_going) end_quietly();
    return out.error == 0;
}

int out_close(int status)
{
    if (!out_flush() || fclose(stdout) != 0) {
        remember_error();
        if (out.error == EPIPE) end_quietly();
        return say_failed("cannot write to standard output: %s", strerror(out.error));
    }
    return status;
}
