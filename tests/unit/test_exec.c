/* proto/exec: what a command job says, and what its result says. */
#include "tests/lib/test.h"

#include "proto/exec.h"
#include "proto/limits.h"

#define BYTES(string) \
    ((leat_bytes){.data = (const uint8_t *)(string), .size = (uint32_t)(sizeof(string) - 1)})

static leat_buf bytes;
static leat_buf again;

static void
fini(void)
{
    leat_buf_fini(&bytes);
    leat_buf_fini(&again);
}

TestSuite(exec, .fini = fini);

static const leat_bytes words[] = {
    {.data = (const uint8_t *)"echo",     .size = 4},
    {.data = (const uint8_t *)"",         .size = 0},
    {.data = (const uint8_t *)"\377 \n-", .size = 4},
};
static const leat_bytes variables[] = {
    {.data = (const uint8_t *)"A=b=c", .size = 5},
    {.data = (const uint8_t *)"GONE",  .size = 4},
};

static leat_exec
example(void)
{
    leat_exec exec = leat_exec_nothing();
    exec.flags = LEAT_EXEC_RETRY;
    exec.umask = 027;
    exec.output_max = 4096;
    exec.limits[LEAT_EXEC_CPU] = 10;
    exec.limits[LEAT_EXEC_PROCESSES] = UINT64_MAX;
    exec.directory = BYTES("/a b");
    exec.word_count = 3;
    exec.variable_count = 2;
    exec.input = BYTES("in\0put");
    return exec;
}

static void
must_be(leat_bytes got, leat_bytes want)
{
    cr_assert(eq(u32, got.size, want.size));
    cr_assert(got.size == 0 || memcmp(got.data, want.data, got.size) == 0);
}

Test(exec, what_is_written_is_read_again)
{
    const leat_exec want = example();
    leat_exec got;
    leat_exec_put(&bytes, &want, words, variables);

    LEAT_PASS(leat_exec_read(bytes.data, bytes.size, &got));

    cr_assert(eq(u8, got.flags, want.flags));
    cr_assert(eq(u16, got.umask, want.umask));
    cr_assert(eq(u32, got.output_max, want.output_max));
    for (size_t i = 0; i < LEAT_EXEC_LIMITS; i++)
        cr_assert(eq(u64, got.limits[i], want.limits[i]));
    must_be(got.directory, want.directory);
    must_be(got.input, want.input);
    for (size_t i = 0; i < 3; i++)
        must_be(leat_exec_next(&got.words), words[i]);
    for (size_t i = 0; i < 2; i++)
        must_be(leat_exec_next(&got.variables), variables[i]);
}

Test(exec, every_strict_front_is_refused)
{
    const leat_exec want = example();
    leat_exec got;
    leat_exec_put(&bytes, &want, words, variables);

    for (size_t size = 0; size < bytes.size; size++)
        LEAT_FAILS(leat_exec_read(bytes.data, size, &got), LEAT_ERR_MALFORMED);
    leat_put_u8(&bytes, 0);
    LEAT_FAILS(leat_exec_read(bytes.data, bytes.size, &got), LEAT_ERR_MALFORMED);
}

Test(exec, what_no_program_can_be_given_is_refused)
{
    static const leat_bytes with_nul = {.data = (const uint8_t *)"a\0b", .size = 3};
    static const leat_bytes no_name = {.data = (const uint8_t *)"=b", .size = 2};
    static const leat_bytes nothing = {.data = (const uint8_t *)"", .size = 0};
    const struct {
        leat_bytes word;
        leat_bytes variable;
        leat_bytes directory;
    } rows[] = {
        {with_nul, variables[0], nothing },
        {words[0], with_nul,     nothing },
        {words[0], no_name,      nothing },
        {words[0], nothing,      nothing },
        {words[0], variables[0], with_nul},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        leat_exec exec = leat_exec_nothing();
        leat_exec got;
        exec.word_count = 1;
        exec.variable_count = 1;
        exec.directory = rows[i].directory;
        leat_buf_reset(&bytes);
        leat_exec_put(&bytes, &exec, &rows[i].word, &rows[i].variable);
        LEAT_FAILS(leat_exec_read(bytes.data, bytes.size, &got), LEAT_ERR_MALFORMED);
    }
}

Test(exec, a_later_version_and_unknown_flags_are_told_apart)
{
    const leat_exec want = example();
    leat_exec got;
    leat_exec_put(&bytes, &want, words, variables);

    bytes.data[1] = LEAT_EXEC_FLAGS + 1;
    LEAT_FAILS(leat_exec_read(bytes.data, bytes.size, &got), LEAT_ERR_MALFORMED);
    bytes.data[1] = 0;
    bytes.data[2] = 2; /* umask 01027 */
    LEAT_FAILS(leat_exec_read(bytes.data, bytes.size, &got), LEAT_ERR_MALFORMED);
    bytes.data[0] = 2;
    LEAT_FAILS(leat_exec_read(bytes.data, bytes.size, &got), LEAT_ERR_UNSUPPORTED);
    bytes.data[0] = 0;
    LEAT_FAILS(leat_exec_read(bytes.data, bytes.size, &got), LEAT_ERR_MALFORMED);
}

/* A payload whose words say how many they are and nothing else. */
static leat_err
read_count(uint32_t count)
{
    leat_exec got;
    leat_buf_reset(&bytes);
    leat_put_u8(&bytes, 1);
    leat_put_u8(&bytes, 0);
    leat_put_u16(&bytes, LEAT_EXEC_NO_UMASK);
    leat_put_u32(&bytes, 0);
    for (size_t i = 0; i < LEAT_EXEC_LIMITS; i++)
        leat_put_u64(&bytes, 0);
    leat_put_u32(&bytes, 0);
    leat_put_u32(&bytes, count);
    for (uint32_t i = 0; i < count && i <= LEAT_EXEC_WORDS_MAX; i++)
        leat_put_u32(&bytes, 0);
    leat_put_u32(&bytes, 0);
    leat_put_u32(&bytes, 0);
    return leat_exec_read(bytes.data, bytes.size, &got);
}

Test(exec, the_words_are_counted)
{
    LEAT_FAILS(read_count(0), LEAT_ERR_MALFORMED);
    LEAT_PASS(read_count(1));
    LEAT_PASS(read_count(LEAT_EXEC_WORDS_MAX));
    LEAT_FAILS(read_count(LEAT_EXEC_WORDS_MAX + 1), LEAT_ERR_TOO_LARGE);
    LEAT_FAILS(read_count(UINT32_MAX), LEAT_ERR_TOO_LARGE);
}

static const leat_ending ended = {
    .sentence = {.data = "exit 3: no", .size = 10},
    .how = LEAT_ENDING_EXIT,
    .code = 3,
    .flags = LEAT_ENDING_LIMIT,
    .collected = 7,
    .out = {.head = {.data = (const uint8_t *)"a\0", .size = 2},
                 .cut = 1ULL << 40,
                 .tail = {.data = (const uint8_t *)"z", .size = 1}},
    .err = {.head = {.data = (const uint8_t *)"no\n", .size = 3}   },
};

Test(exec, an_ending_is_read_again)
{
    leat_ending got;
    leat_ending_put(&bytes, &ended);

    LEAT_PASS(leat_ending_read(bytes.data, bytes.size, &got));

    cr_assert(leat_text_is(got.sentence, ended.sentence));
    cr_assert(eq(int, (int)got.how, (int)ended.how));
    cr_assert(eq(u8, got.code, ended.code));
    cr_assert(eq(u8, got.flags, ended.flags));
    cr_assert(eq(u32, got.collected, ended.collected));
    cr_assert(eq(u64, got.out.cut, ended.out.cut));
    must_be(got.out.head, ended.out.head);
    must_be(got.out.tail, ended.out.tail);
    must_be(got.err.head, ended.err.head);
    must_be(got.err.tail, ended.err.tail);
}

Test(exec, every_front_of_an_ending_is_refused)
{
    leat_ending got;
    leat_ending_put(&bytes, &ended);
    for (size_t size = 0; size < bytes.size; size++)
        LEAT_FAILS(leat_ending_read(bytes.data, size, &got), LEAT_ERR_MALFORMED);
    leat_put_u8(&bytes, 0);
    LEAT_FAILS(leat_ending_read(bytes.data, bytes.size, &got), LEAT_ERR_MALFORMED);
    LEAT_FAILS(leat_ending_read((const uint8_t *)"pi is 3.14", 10, &got), LEAT_ERR_MALFORMED);
    LEAT_FAILS(leat_ending_read(NULL, 0, &got), LEAT_ERR_MALFORMED);
}

Test(exec, an_ending_with_a_byte_that_is_none_is_refused)
{
    static const struct {
        size_t behind; /* the sentence */
        uint8_t value;
        leat_err err;
    } cases[] = {
        {1, 'M',                     LEAT_ERR_MALFORMED  },
        {3, 0,                       LEAT_ERR_MALFORMED  },
        {3, 2,                       LEAT_ERR_UNSUPPORTED},
        {4, 0,                       LEAT_ERR_MALFORMED  },
        {4, LEAT_ENDING_NOT_RUN + 1, LEAT_ERR_MALFORMED  },
        {6, 255,                     LEAT_ERR_MALFORMED  },
    };
    leat_ending got;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_buf_reset(&bytes);
        leat_ending_put(&bytes, &ended);
        bytes.data[ended.sentence.size + cases[i].behind] = cases[i].value;
        LEAT_FAILS(leat_ending_read(bytes.data, bytes.size, &got), cases[i].err);
    }
}

Test(exec, an_ending_with_a_sentence_that_is_too_long_is_refused)
{
    leat_ending got;
    leat_buf whole = {0};
    leat_ending_put(&bytes, &ended);
    for (size_t i = 0; i <= LEAT_SENTENCE_BYTES_MAX; i++)
        leat_put_u8(&whole, 'x');
    leat_put_bytes(&whole, bytes.data + ended.sentence.size, bytes.size - ended.sentence.size);
    LEAT_FAILS(leat_ending_read(whole.data, whole.size, &got), LEAT_ERR_MALFORMED);
    leat_buf_fini(&whole);
}

Test(exec, the_sentence_ends_at_its_first_nul_and_is_bounded)
{
    static char large[2 * LEAT_SENTENCE_BYTES_MAX];
    leat_ending got;
    leat_ending ending = {.how = LEAT_ENDING_SIGNAL, .code = 9};
    memset(large, 'x', sizeof large);
    ending.sentence = (leat_text){.data = large, .size = sizeof large};
    leat_ending_put(&bytes, &ending);
    LEAT_PASS(leat_ending_read(bytes.data, bytes.size, &got));
    cr_assert(eq(sz, got.sentence.size, LEAT_SENTENCE_BYTES_MAX));

    leat_buf_reset(&bytes);
    ending.sentence = (leat_text){.data = "one\0two", .size = 7};
    leat_ending_put(&bytes, &ending);
    LEAT_PASS(leat_ending_read(bytes.data, bytes.size, &got));
    cr_assert(eq(sz, got.sentence.size, 3));
    cr_assert(eq(sz, leat_ending_text(bytes.data, bytes.size).size, 3));
    cr_assert(eq(sz, leat_ending_text("plain", 5).size, 5));
    cr_assert(eq(sz, leat_ending_text(NULL, 0).size, 0));
}

Test(exec, a_shell_would_tell_the_same_code)
{
    leat_ending ending = {.how = LEAT_ENDING_EXIT, .code = 3};
    cr_assert(eq(int, leat_ending_code(&ending), 3));
    ending.how = LEAT_ENDING_SIGNAL;
    ending.code = 9;
    cr_assert(eq(int, leat_ending_code(&ending), 137));
    ending.how = LEAT_ENDING_NOT_RUN;
    ending.code = 127;
    cr_assert(eq(int, leat_ending_code(&ending), 127));
}
