/* Any bytes as a command line (words end in \0): it is read, or refused with a sentence.
 *
 * Checked: no sentence can steer a terminal; numbers stay inside their row's limits; each operand
 * is one of the words; after "--" nothing is an option. */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/option.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS_MAX 64U

static const leat_option rows[] = {
    {"slots",   'j', LEAT_OPTION_NUMBER,   "N",    "1",  "jobs at once",      1, 1000, 0, NULL},
    {"verbose", 'v', LEAT_OPTION_FLAG,     NULL,   NULL, "say more",          0, 0,    0, NULL},
    {"data",    'd', LEAT_OPTION_TEXT,     "DIR",  NULL, "where it is",       0, 0,    0, NULL},
    {"timeout", 't', LEAT_OPTION_DURATION, "D",    "9s", "how long to wait",  5, 9999, 0, NULL},
    {"channel", 'c', LEAT_OPTION_LIST,     "NAME", NULL, "channels to serve", 0, 0,    0, NULL},
};

/* Whether `word` is one of argv's; operands are borrowed, so the pointer itself is. */
static bool
is_one_of(const char *word, char *const *argv, int argc)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i] == word)
            return true;
    }
    return false;
}

static void
check_values(const leat_options *options)
{
    const char *const *items;
    const uint64_t slots = leat_options_number(options, "slots");
    const int64_t timeout_ms = leat_options_ms(options, "timeout");
    assert(slots >= 1 && slots <= 1000);
    assert(timeout_ms >= 5 && timeout_ms <= 9999);
    const size_t count = leat_options_list(options, "channel", &items);
    for (size_t i = 0; i < count; i++)
        assert(items[i] != NULL);
    assert(leat_options_given(options, "data") == (leat_options_text(options, "data") != NULL));
}

static void
check_why(const char *why)
{
    assert(why[0] != '\0');
    for (; *why != '\0'; why++)
        assert(!iscntrl((unsigned char)*why));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char words[1 << 16];
    static char program[] = "leat";
    char *argv[WORDS_MAX + 2] = {program};
    int argc = 1;
    if (size == 0 || size >= sizeof words)
        return 0;
    const bool stop_at_operand = (data[0] & 1U) != 0;
    memcpy(words, data + 1, size - 1);
    words[size - 1] = '\0';
    for (size_t at = 0; at < size - 1 && argc <= (int)WORDS_MAX; at += strlen(words + at) + 1)
        argv[argc++] = words + at;

    leat_options *options = NULL;
    if (leat_options_new(rows, sizeof rows / sizeof *rows, &options) != LEAT_ERR_OK)
        abort();
    const leat_err err = leat_options_read_arguments(options, argc, argv, stop_at_operand);
    assert(err == LEAT_ERR_OK || err == LEAT_ERR_CONFIG);
    check_values(options);
    if (err == LEAT_ERR_CONFIG)
        check_why(leat_options_why(options));
    for (size_t i = 0; i < leat_options_operand_count(options); i++)
        assert(is_one_of(leat_options_operand(options, i), argv, argc));
    leat_options_destroy(&options);
    return 0;
}
