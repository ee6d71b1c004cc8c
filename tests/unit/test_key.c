/* Key files: what is written is read again, and each way to be wrong has its sentence. */
#include "tests/lib/test.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/link/key.h"
#include "tests/lib/tmp.h"

static leat_tmp tmp;
static leat_key key;
static leat_key got;
static char why[LEAT_KEY_WHY_BYTES];
static char path[PATH_MAX];

static void
begin(void)
{
    leat_key broker;
    leat_tmp_init(&tmp);
    LEAT_PASS(leat_key_new("w1", LEAT_KEY_WORKER, &key));
    LEAT_PASS(leat_key_new("broker", LEAT_KEY_BROKER, &broker));
    memcpy(key.broker_public, broker.public_key, sizeof key.broker_public);
    (void)snprintf(key.broker, sizeof key.broker, "tcp://10.0.0.1:5328, tcp://[::1]:5328");
}

static void
end(void)
{
    leat_tmp_fini(&tmp);
}

TestSuite(key, .init = begin, .fini = end);

/* A key file of the pair `key`, with `more` behind it. */
static const char *
text_of_key(const char *more)
{
    static char text[2 * LEAT_KEY_FILE_BYTES_MAX];
    (void)snprintf(text, sizeof text,
                   "name = w1\nrole = worker\npublic = %s\nsecret = %s\nbroker-public = %s\n%s",
                   key.public_key, key.secret, key.broker_public, more);
    return text;
}

static leat_err
parse(const char *text, leat_key_kind kind)
{
    return leat_key_parse(text, strlen(text), kind, &got, why);
}

static void
expect_why(const char *text)
{
    cr_expect(strstr(why, text) != NULL, "\"%s\" in \"%s\"", text, why);
    cr_expect(strstr(why, key.secret) == NULL, "a secret in \"%s\"", why);
}

static unsigned
count_files(void)
{
    unsigned count = 0;
    DIR *const folder = opendir(tmp.path);
    cr_assert(folder != NULL);
    for (;;) {
        const struct dirent *const e = readdir(folder); /* NOLINT(concurrency-mt-unsafe): ours */
        if (e == NULL)
            break;
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    }
    (void)closedir(folder);
    return count;
}

static unsigned
mode_of(const char *file)
{
    struct stat info;
    cr_assert(eq(int, stat(file, &info), 0));
    return info.st_mode & 07777;
}

static const char *
must_write(const char *name)
{
    leat_tmp_path(&tmp, name, path);
    LEAT_PASS(leat_key_write(path, LEAT_KEY_OF_PRINCIPAL, &key, LEAT_KEY_WRITE_NEW, why));
    return path;
}

static void
expect_same_key(void)
{
    LEAT_SAME_TEXT(got.name, key.name);
    cr_expect(eq(int, (int)got.role, (int)key.role));
    LEAT_SAME_TEXT(got.public_key, key.public_key);
    LEAT_SAME_TEXT(got.secret, key.secret);
    LEAT_SAME_TEXT(got.broker_public, key.broker_public);
    LEAT_SAME_TEXT(got.broker, key.broker);
}

/* -------------------------------------------------------------------------- there and back */

Test(key, a_principal_s_file_comes_back_as_it_was_and_is_its_owner_s_alone)
{
    must_write("w1.key");

    LEAT_PASS(leat_key_read(path, LEAT_KEY_OF_PRINCIPAL, &got, why));

    expect_same_key();
    cr_expect(eq(u32, mode_of(path), 0600));
    cr_expect(eq(u32, count_files(), 1));
    LEAT_SAME_TEXT(why, "");
}

Test(key, an_allowed_file_has_no_secret_and_may_be_read_by_all)
{
    leat_tmp_path(&tmp, "w1", path);
    LEAT_PASS(leat_key_write(path, LEAT_KEY_OF_ALLOWED, &key, LEAT_KEY_WRITE_NEW, why));

    LEAT_PASS(leat_key_read(path, LEAT_KEY_OF_ALLOWED, &got, why));

    LEAT_SAME_TEXT(got.public_key, key.public_key);
    LEAT_SAME_TEXT(got.secret, "");
    LEAT_SAME_TEXT(got.broker, "");
    cr_expect(eq(u32, mode_of(path), 0644));
}

Test(key, a_broker_s_file_is_a_pair)
{
    LEAT_PASS(leat_key_new("broker", LEAT_KEY_BROKER, &key));
    leat_tmp_path(&tmp, LEAT_KEY_BROKER_FILE, path);
    LEAT_PASS(leat_key_write(path, LEAT_KEY_OF_BROKER, &key, LEAT_KEY_WRITE_NEW, why));

    LEAT_PASS(leat_key_read(path, LEAT_KEY_OF_BROKER, &got, why));

    expect_same_key();
    cr_expect(eq(u32, mode_of(path), 0600));
}

Test(key, any_kind_is_recognised)
{
    static const leat_key_kind kinds[] = {LEAT_KEY_OF_PRINCIPAL, LEAT_KEY_OF_ALLOWED};
    leat_tmp_path(&tmp, "k", path);
    for (int i = 0; i < 2; i++) {
        LEAT_PASS(leat_key_write(path, kinds[i], &key, LEAT_KEY_WRITE_REPLACE, why));

        LEAT_PASS(leat_key_read(path, LEAT_KEY_OF_ANY, &got, why));

        LEAT_SAME_TEXT(got.secret, i == 0 ? key.secret : "");
    }
}

Test(key, blanks_comments_and_foreign_line_ends_count_for_nothing)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "# comment = 1\r\n\n \t\n  role=worker  \r\nname\t=\tw1\n#public = x\n"
                   "public =%s\t\nsecret = %s\nbroker =\nbroker-public= %s",
                   key.public_key, key.secret, key.broker_public);

    LEAT_PASS(parse(text, LEAT_KEY_OF_PRINCIPAL));

    key.broker[0] = '\0';
    expect_same_key();
}

Test(key, signs_of_z85_are_part_of_a_value)
{
    static const char z85[] = "=#/*?0&<>(0)[]{0}@%.0-:+^0$#01!4567789ab";
    char text[256];
    (void)snprintf(text, sizeof text, "name = a\nrole = client\npublic = %s\n", z85);
    cr_assert(leat_key_z85_is_valid(z85));

    LEAT_PASS(parse(text, LEAT_KEY_OF_ALLOWED));

    LEAT_SAME_TEXT(got.public_key, z85);
}

Test(key, a_symbolic_link_is_followed)
{
    char link_path[PATH_MAX];
    must_write("w1.key");
    cr_assert(eq(int, symlink("w1.key", leat_tmp_path(&tmp, "link", link_path)), 0));

    LEAT_PASS(leat_key_read(link_path, LEAT_KEY_OF_PRINCIPAL, &got, why));

    expect_same_key();
}

Test(key, every_pair_is_another)
{
    LEAT_PASS(leat_key_new("w1", LEAT_KEY_WORKER, &got));

    cr_expect(strcmp(got.public_key, key.public_key) != 0);
    cr_expect(strcmp(got.secret, key.secret) != 0);
}

Test(key, nothing_is_left_of_a_wiped_key)
{
    leat_key_wipe(&key);

    const unsigned char *const bytes = (const unsigned char *)&key;
    for (size_t n = 0; n < sizeof key; n++)
        cr_assert(eq(int, bytes[n], 0));
}

/* ------------------------------------------------------------------------------- refusals */

Test(key, others_may_not_read_a_secret)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0610};
    must_write("w1.key");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        cr_assert(eq(int, chmod(path, modes[i]), 0));

        LEAT_FAILS(leat_key_read(path, LEAT_KEY_OF_PRINCIPAL, &got, why), LEAT_ERR_DENIED);

        cr_expect(strncmp(why, path, strlen(path)) == 0, "%s", why);
        expect_why("others than its owner may use it (mode 06");
        expect_why("chmod 600");
        LEAT_SAME_TEXT(got.secret, "");
    }
}

Test(key, a_missing_file_is_named)
{
    leat_tmp_path(&tmp, "nobody.key", path);
    LEAT_FAILS(leat_key_read(path, LEAT_KEY_OF_PRINCIPAL, &got, why), LEAT_ERR_NOT_FOUND);
    expect_why("nobody.key: there is no such key file");
}

Test(key, a_folder_is_no_key_file)
{
    LEAT_FAILS(leat_key_read(tmp.path, LEAT_KEY_OF_PRINCIPAL, &got, why), LEAT_ERR_CONFIG);
    expect_why("not a file");
}

Test(key, a_pipe_is_no_key_file_and_holds_nobody_up)
{
    cr_assert(eq(int, mkfifo(leat_tmp_path(&tmp, "pipe", path), 0600), 0));
    LEAT_FAILS(leat_key_read(path, LEAT_KEY_OF_PRINCIPAL, &got, why), LEAT_ERR_CONFIG);
}

Test(key, an_unknown_line_is_named_by_its_number_and_not_shown)
{
    LEAT_FAILS(parse(text_of_key("colour = red\n"), LEAT_KEY_OF_PRINCIPAL), LEAT_ERR_CONFIG);
    expect_why("line 6: no key of a key file");
    cr_expect(strstr(why, "red") == NULL);

    LEAT_FAILS(parse("just words\n", LEAT_KEY_OF_ANY), LEAT_ERR_CONFIG);
    expect_why("line 1: no \"=\" in it");
}

Test(key, a_key_stands_once)
{
    LEAT_FAILS(parse(text_of_key("role = admin\n"), LEAT_KEY_OF_PRINCIPAL), LEAT_ERR_CONFIG);
    expect_why("line 6: \"role\" stands there twice");
}

Test(key, what_is_missing_is_named)
{
    LEAT_FAILS(parse("", LEAT_KEY_OF_PRINCIPAL), LEAT_ERR_CONFIG);
    expect_why("\"name\" is missing");
    LEAT_FAILS(parse("name = w1\n", LEAT_KEY_OF_ANY), LEAT_ERR_CONFIG);
    expect_why("\"role\" is missing");
}

Test(key, a_public_half_does_not_do_for_a_whole_key)
{
    char text[256];
    (void)snprintf(text, sizeof text, "name = w1\nrole = worker\npublic = %s\n", key.public_key);
    LEAT_FAILS(parse(text, LEAT_KEY_OF_PRINCIPAL), LEAT_ERR_CONFIG);
    expect_why("\"secret\" is missing: this is only the public half of a key");
}

Test(key, a_secret_does_not_belong_among_the_allowed)
{
    LEAT_FAILS(parse(text_of_key(""), LEAT_KEY_OF_ALLOWED), LEAT_ERR_CONFIG);
    expect_why("\"secret\" does not belong here");
    LEAT_FAILS(parse(text_of_key(""), LEAT_KEY_OF_BROKER), LEAT_ERR_CONFIG);
    expect_why("this is a principal's key, not the broker's");
}

Test(key, a_broker_s_pair_is_not_for_principals)
{
    char text[512];
    (void)snprintf(text, sizeof text, "name = x\nrole = broker\npublic = %s\n", key.public_key);
    LEAT_FAILS(parse(text, LEAT_KEY_OF_ALLOWED), LEAT_ERR_CONFIG);
    expect_why("a broker's key is not for principals");

    (void)snprintf(text, sizeof text, "name = x\nrole = broker\npublic = %s\nsecret = %s\n",
                   key.public_key, key.secret);
    LEAT_FAILS(parse(text, LEAT_KEY_OF_ANY), LEAT_ERR_CONFIG);
    expect_why("its name and role are \"broker\"");
}

Test(key, two_halves_of_different_pairs_are_no_key)
{
    LEAT_PASS(leat_key_new("w1", LEAT_KEY_WORKER, &got));
    memcpy(key.public_key, got.public_key, sizeof key.public_key);
    LEAT_FAILS(parse(text_of_key(""), LEAT_KEY_OF_PRINCIPAL), LEAT_ERR_CONFIG);
    expect_why("\"public\" and \"secret\" are not of one pair");
}

Test(key, bad_z85_is_refused)
{
    static const char *const bad[] = {
        "",
        "abc",
        "0123456789012345678901234567890123456789x",
        "012345678901234567890123456789012345678\"",
        "012345678901234567890123456789012345678 ",
        "#####01234567890123456789012345678901234", /* more than four bytes hold */
    };
    char text[256];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect(not(leat_key_z85_is_valid(bad[i])), "%s", bad[i]);
        (void)snprintf(text, sizeof text, "name = a\nrole = client\npublic = %s\n", bad[i]);
        LEAT_FAILS(parse(text, LEAT_KEY_OF_ALLOWED), LEAT_ERR_CONFIG);
        expect_why("line 3: public: not a key of 40 characters of Z85");
    }
}

Test(key, roles_are_these)
{
    leat_key_role role;
    cr_expect(leat_key_role_from_name("admin", &role));
    cr_expect(eq(int, (int)role, (int)LEAT_KEY_ADMIN));
    cr_expect(not(leat_key_role_from_name("Admin", &role)));
    cr_expect(not(leat_key_role_from_name("", &role)));
    LEAT_SAME_TEXT(leat_key_role_name(LEAT_KEY_CLIENT), "client");

    LEAT_FAILS(parse("name = a\nrole = root\n", LEAT_KEY_OF_ALLOWED), LEAT_ERR_CONFIG);
    expect_why("line 2: role: client, worker or admin");
}

Test(key, names_are_files_that_cannot_hide)
{
    static const char *const good[] = {"w1", "A.b_c-9", "_", "9"};
    static const char *const bad[] = {"", ".", "..", ".x", "-x", "a/b", "a b", "\xc3\xa9", "a\n"};
    char long_name[LEAT_KEY_NAME_BYTES_MAX + 2];
    memset(long_name, 'a', sizeof long_name);
    long_name[LEAT_KEY_NAME_BYTES_MAX + 1] = '\0';

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(leat_key_name_is_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(not(leat_key_name_is_valid(bad[i])), "%s", bad[i]);
    cr_expect(not(leat_key_name_is_valid(long_name)));
    cr_expect(leat_key_name_is_valid(long_name + 1));
    LEAT_FAILS(leat_key_new("../w1", LEAT_KEY_WORKER, &got), LEAT_ERR_CONFIG);
    LEAT_FAILS(parse("name = ../w1\n", LEAT_KEY_OF_ANY), LEAT_ERR_CONFIG);
    expect_why("line 1: name: 1 to 64 letters");
}

Test(key, a_broker_s_address_must_be_one)
{
    char more[LEAT_URL_BYTES_MAX + 64];
    LEAT_FAILS(parse(text_of_key("broker = http://x\n"), LEAT_KEY_OF_PRINCIPAL), LEAT_ERR_CONFIG);
    expect_why("line 6: broker: tcp://HOST:PORT or ipc://PATH");

    (void)snprintf(more, sizeof more, "broker = tcp://%0*d:1\n", (int)LEAT_URL_BYTES_MAX, 1);
    LEAT_FAILS(parse(text_of_key(more), LEAT_KEY_OF_PRINCIPAL), LEAT_ERR_CONFIG);
    expect_why("line 6: broker: more than 255 bytes");
}

Test(key, a_long_file_is_none)
{
    static char text[LEAT_KEY_FILE_BYTES_MAX + 1];
    memset(text, '\n', sizeof text);
    LEAT_FAILS(leat_key_parse(text, sizeof text, LEAT_KEY_OF_ANY, &got, why), LEAT_ERR_CONFIG);
    expect_why("longer than 4096 bytes");
    leat_tmp_write(&tmp, "long.key", text, sizeof text, path);
    LEAT_FAILS(leat_key_read(path, LEAT_KEY_OF_ANY, &got, why), LEAT_ERR_CONFIG);
    expect_why("long.key: longer than 4096 bytes");
}

Test(key, a_zero_byte_does_not_hide_what_follows)
{
    static const char text[] = "name = w1\n\0role = admin\n";
    LEAT_FAILS(leat_key_parse(text, sizeof text - 1, LEAT_KEY_OF_ANY, &got, why), LEAT_ERR_CONFIG);
    expect_why("has a zero byte");
}

/* -------------------------------------------------------------------------------- writing */

Test(key, a_file_that_is_there_is_not_written_over)
{
    const leat_key first = key;
    must_write("w1.key");
    LEAT_PASS(leat_key_new("w1", LEAT_KEY_ADMIN, &key));

    LEAT_FAILS(leat_key_write(path, LEAT_KEY_OF_PRINCIPAL, &key, LEAT_KEY_WRITE_NEW, why),
               LEAT_ERR_IN_USE);

    expect_why("w1.key: the file exists already");
    cr_expect(eq(u32, count_files(), 1));
    key = first;
    LEAT_PASS(leat_key_read(path, LEAT_KEY_OF_PRINCIPAL, &got, why));
    expect_same_key();
}

Test(key, replacing_leaves_one_whole_file)
{
    must_write("w1.key");
    LEAT_PASS(leat_key_new("w1", LEAT_KEY_ADMIN, &key));
    memcpy(key.broker_public, key.public_key, sizeof key.broker_public);

    LEAT_PASS(leat_key_write(path, LEAT_KEY_OF_PRINCIPAL, &key, LEAT_KEY_WRITE_REPLACE, why));

    LEAT_PASS(leat_key_read(path, LEAT_KEY_OF_PRINCIPAL, &got, why));
    expect_same_key();
    cr_expect(eq(u32, count_files(), 1));
}

Test(key, what_cannot_be_written_leaves_nothing_behind)
{
    leat_tmp_path(&tmp, "no/such/folder/w1.key", path);
    LEAT_FAILS(leat_key_write(path, LEAT_KEY_OF_PRINCIPAL, &key, LEAT_KEY_WRITE_NEW, why),
               LEAT_ERR_NOT_FOUND);
    expect_why("w1.key: the key file cannot be written");

    /* A folder of that name cannot be replaced by a file. */
    leat_tmp_path(&tmp, "folder", path);
    cr_assert(eq(int, mkdir(path, 0700), 0));
    cr_expect(
        ne(int, (int)leat_key_write(path, LEAT_KEY_OF_PRINCIPAL, &key, LEAT_KEY_WRITE_REPLACE, why),
           (int)LEAT_ERR_OK));
    cr_expect(eq(u32, count_files(), 1));
}

/* ---------------------------------------------------------------------------- small things */

Test(key, the_folder_is_below_the_state_of_the_user)
{
    // NOLINTBEGIN(concurrency-mt-unsafe): a test has one thread
    char folder[PATH_MAX];
    cr_assert(eq(int, setenv("XDG_STATE_HOME", "/state", 1), 0));
    LEAT_PASS(leat_key_folder(folder, sizeof folder));
    LEAT_SAME_TEXT(folder, "/state/leat/keys");

    cr_assert(eq(int, setenv("XDG_STATE_HOME", "relative", 1), 0));
    cr_assert(eq(int, setenv("HOME", "/home/me", 1), 0));
    LEAT_PASS(leat_key_folder(folder, sizeof folder));
    LEAT_SAME_TEXT(folder, "/home/me/.local/state/leat/keys");
    LEAT_FAILS(leat_key_folder(folder, 10), LEAT_ERR_TOO_LARGE);

    cr_assert(eq(int, unsetenv("HOME"), 0));
    LEAT_FAILS(leat_key_folder(folder, sizeof folder), LEAT_ERR_NOT_FOUND);
    // NOLINTEND(concurrency-mt-unsafe)
}

Test(key, people_see_the_beginning_of_a_public_key)
{
    char out[LEAT_KEY_SHORT_BYTES];
    LEAT_SAME_TEXT(leat_key_short("AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcd", out), "AbCdEfGh…");
}
