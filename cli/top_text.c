/* Short forms of numbers and spans; nothing is shown as more exact than it is. */
#include "top_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Three digits and a unit: never more than 5 columns. */
static const char *scaled(double value, text_small out)
{
    static const char units[] = "kMGTPE";
    size_t unit = 0;

    value /= 1000;
    while (value >= 999.5 && units[unit + 1] != '\0') {
        value /= 1000;
        unit++;
    }
    snprintf(out, TEXT_SMALL, "%.*f%c",
             value < 9.995   ? 2
             : value < 99.95 ? 1
                             : 0,
             value, units[unit]);
    return out;
}

const char *top_count_text(int64_t count, size_t width, text_small out)
{
    text_number(count, out);
    return strlen(out) <= width ? out : scaled((double)count, out);
}

const char *top_rate_text(double per_s, size_t width, text_small out)
{
    if (per_s < 0)
        snprintf(out, TEXT_SMALL, "-");
    else if (per_s > 0 && per_s < 99.95)
        snprintf(out, TEXT_SMALL, "%.1f", per_s);
    else
        top_count_text((int64_t)(per_s + 0.5), width, out);
    return out;
}

const char *top_span_text(int64_t us, text_small out)
{
    static const struct {
        int64_t below_us; /* spans shorter than it are told like this */
        double unit_us;
        int decimals;
        const char *name;
    } forms[] = {
        {1000, 1, 0, "us"},
        {99950, 1e3, 1, "ms"},
        {1000000, 1e3, 0, "ms"},
        {99950000, 1e6, 1, "s"},
        {INT64_C(120) * 60 * 1000000, 60e6, 0, "m"},
        {INT64_C(72) * 3600 * 1000000, 3600e6, 0, "h"},
        {INT64_MAX, 86400e6, 0, "d"},
    };
    size_t i = 0;

    if (us < 0) {
        snprintf(out, TEXT_SMALL, "-");
        return out;
    }
    while (us >= forms[i].below_us && forms[i].below_us != INT64_MAX) i++;
    snprintf(out, TEXT_SMALL, "%.*f%s", forms[i].decimals, (double)us / forms[i].unit_us,
             forms[i].name);
    return out;
}

size_t top_bar_eighths(int64_t part, int64_t whole, size_t width)
{
    double eighths;

    if (part <= 0 || whole <= 0) return 0;
    if (part >= whole) return width * 8;
    eighths = (double)part / (double)whole * (double)width * 8;
    return eighths < 1 ? 1 : (size_t)eighths;
}
