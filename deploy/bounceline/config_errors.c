/* What is wrong with a file, for people. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bounceline/alloc.h"
#include "config_parts.h"
#include "text.h"

void bl_config_complain(struct bl_config_errors *errors, bl_config_place place, const char *format,
                        ...)
{
    struct bl_config_error *error = &errors->v[errors->n];
    va_list args;

    if (errors->n == BL_CONFIG_ERRORS_MAX) {
        errors->more++;
        return;
    }
    *error = (struct bl_config_error){place.line, place.column, place.width, ""};
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    errors->n++;
}

void bl_config_errors_release(struct bl_config_errors *errors)
{
    bl_free(errors->text);
    errors->text = NULL;
    errors->text_n = 0;
    errors->n = errors->more = 0;
}

static bl_slice line_of(const struct bl_config_errors *errors, unsigned line)
{
    bl_slice rest = {errors->text, errors->text_n};

    for (unsigned i = 1; i < line && rest.n; i++) {
        size_t end = bl_slice_find_byte(rest, '\n');

        rest = bl_slice_drop(rest, end < rest.n ? end + 1 : end);
    }
    rest = bl_slice_head(rest, bl_slice_find_byte(rest, '\n'));
    if (rest.n && rest.p[rest.n - 1] == '\r')
        rest.n--;
    return rest;
}

/* A column counts characters: the bytes of UTF-8 that go on with one are none. */
static size_t bytes_of(bl_slice line, size_t characters)
{
    size_t at = 0;

    while (at < line.n && (characters > 0 || ((unsigned char)line.p[at] & 0xc0) == 0x80)) {
        characters -= ((unsigned char)line.p[at] & 0xc0) != 0x80;
        at++;
    }
    return at;
}

static void show_line(const struct bl_config_errors *errors, const struct bl_config_error *error,
                      FILE *to)
{
    enum { SHOWN = 120 };
    bl_slice line = line_of(errors, error->line);
    size_t before = error->column - 1, width = error->width ? error->width : 1;
    char head[SHOWN * 4 + 1], shown[SHOWN * 16 + 1], plain[SHOWN * 4 + 1];

    if (!line.p || before > SHOWN)
        return;
    line = bl_slice_head(line, bytes_of(line, SHOWN));
    snprintf(plain, sizeof plain, "%.*s", (int)line.n, line.p);
    for (char *p = plain; *p; p++)
        if (*p == '\t')
            *p = ' ';
    fprintf(to, "%5u | %s\n      | ", error->line, bl_text_message(shown, sizeof shown, plain));
    snprintf(head, sizeof head, "%.*s", (int)bytes_of(line, before), plain);
    bl_text_message(shown, sizeof shown, head); /* as wide as what stands above it */
    for (size_t i = 0, n = strlen(shown); i < n; i++)
        if (((unsigned char)shown[i] & 0xc0) != 0x80)
            fputc(' ', to);
    fputc('^', to);
    for (size_t i = 1; i < width && before + i < SHOWN; i++)
        fputc('~', to);
    fputc('\n', to);
}

void bl_config_errors_print(const struct bl_config_errors *errors, FILE *to)
{
    char file[sizeof errors->file * 4], text[sizeof errors->v[0].text * 4];

    bl_text_message(file, sizeof file, errors->file);
    for (size_t i = 0; i < errors->n; i++) {
        const struct bl_config_error *error = &errors->v[i];

        bl_text_message(text, sizeof text, error->text);
        if (error->line == 0) {
            fprintf(to, "%s: %s\n", file, text);
            continue;
        }
        fprintf(to, "%s:%u:%u: %s\n", file, error->line, error->column, text);
        show_line(errors, error, to);
    }
    if (errors->more)
        fprintf(to, "and %zu more\n", errors->more);
}
