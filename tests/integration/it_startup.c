/* Starts that cannot be: each ends with one sentence on stderr that names what is wrong, nothing on
 * stdout, and the exit code 2 (usage, setting), 4 (not allowed) or 125 (it could not). */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/programs.h"
#include "tests/lib/test.h"

#define ARGUMENTS_MAX 8

/* In arguments and words @ stands for the test's folder, # for a port that somebody holds. */
struct story {
    const char *program;
    const char *arguments[ARGUMENTS_MAX];
    int code;
    const char *words;
};

static programs p;
static programs_output output;
static int port_fd;
static unsigned port;

static void
hold_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    port_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(ge(int, port_fd, 0));
    cr_assert(eq(int, bind(port_fd, (struct sockaddr *)&address, sizeof address), 0));
    cr_assert(eq(int, listen(port_fd, 1), 0));
    cr_assert(eq(int, getsockname(port_fd, (struct sockaddr *)&address, &size), 0));
    port = ntohs(address.sin_port);
}

static void
set_up(void)
{
    programs_init(&p);
    hold_port();
}

static void
tear_down(void)
{
    (void)close(port_fd);
    programs_fini(&p);
}

TestSuite(startup, .init = set_up, .fini = tear_down, .timeout = 60);

static const char *
expand(const char *text, char out[512])
{
    size_t used = 0;
    for (; *text != '\0'; text++) {
        if (*text == '@')
            used += (size_t)snprintf(out + used, 512 - used, "%s", p.dir);
        else if (*text == '#')
            used += (size_t)snprintf(out + used, 512 - used, "%u", port);
        else
            out[used++] = *text;
        cr_assert(lt(sz, used, 500));
    }
    out[used] = '\0';
    return out;
}

static void
write_config(const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/leat", p.dir);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/leat/%s", p.dir, name);
    FILE *const file = fopen(path, "w");
    cr_assert(ne(ptr, file, NULL));
    cr_assert(ge(int, fputs(text, file), 0));
    cr_assert(eq(int, fclose(file), 0));
}

/* Run it; `leat` adds lines of advice to the sentence, the others say nothing more. */
static void
tell(const struct story *story)
{
    static char texts[ARGUMENTS_MAX][512];
    const char *argv[ARGUMENTS_MAX + 2] = {story->program};
    char words[512];
    char start[64];
    for (size_t i = 0; i < ARGUMENTS_MAX && story->arguments[i] != NULL; i++)
        argv[i + 1] = expand(story->arguments[i], texts[i]);
    const int code = programs_run_apart(&p, &output, story->program, argv);
    expand(story->words, words);

    cr_expect(eq(int, code, story->code), "%s: %s", story->words, output.err);
    cr_expect(eq(sz, strlen(output.out), 0), "stdout has \"%s\"", output.out);
    cr_expect(ne(ptr, strstr(output.err, words), NULL), "\"%s\" is not in \"%s\"", words,
              output.err);
    (void)snprintf(start, sizeof start, "%s: ", story->program);
    cr_expect(eq(int, strncmp(output.err, start, strlen(start)), 0), "%s", output.err);
    const char *const line = strchr(output.err, '\n');
    cr_assert(line != NULL, "no line: \"%s\"", output.err);
    if (strcmp(story->program, "leat") != 0)
        cr_expect(eq(sz, strlen(line), 1), "more than one line: %s", output.err);
}

static void
tell_all(const struct story *stories, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tell(&stories[i]);
}

#define TELL_ALL(stories) tell_all(stories, sizeof(stories) / sizeof *(stories))

/* ------------------------------------------------------------------------------ addresses */

#define NAME_50  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define PATH_107 "/" NAME_50 "/" NAME_50 "/aaaa"

Test(startup, a_broker_does_not_listen_where_it_may_not)
{
    static const struct story stories[] = {
        {"leat-broker",
         {"--data", "@/s", "--bind", "tcp://0.0.0.0:5999", "--insecure-loopback"},
         4, "tcp://0.0.0.0:5999: others can reach it, so it needs keys" },
        {"leat-broker",
         {"--data", "@/s", "--bind", "tcp://*:5999", "--insecure-loopback"},
         4, "tcp://*:5999: others can reach it"                         },
        {"leat-broker",
         {"--data", "@/s", "--bind", "tcp://[::]:5999", "--insecure-loopback"},
         4, "tcp://[::]:5999: others can reach it"                      },
        {"leat-broker",
         {"--data", "@/s", "--bind", "tcp://127.0.0.1:#"},
         4, "tcp://127.0.0.1:#: every user of this machine can reach it"},
    };
    TELL_ALL(stories);
}

Test(startup, an_address_that_is_none_is_named)
{
    static const struct story stories[] = {
        {"leat-broker",
         {"--data", "@/s", "--bind", "somewhere"},
         2,                                                                              "--bind somewhere: an address"                              },
        {"leat-broker", {"--data", "@/s", "--bind", "http://x"},                      2, "--bind http://x: an address"                               },
        {"leat-broker", {"--data", "@/s", "--bind", "ipc://"},                        2, "--bind ipc://: no path"                                    },
        {"leat-broker", {"--data", "@/s", "--bind", "ipc://*"},                       2, "--bind ipc://*: no path"                                   },
        {"leat-broker",
         {"--data", "@/s", "--insecure-loopback", "--bind", "tcp://127.0.0.1"},
         2,                                                                              "--bind tcp://127.0.0.1: no port from 1 to 65535"           },
        {"leat-broker",
         {"--data", "@/s", "--insecure-loopback", "--bind", "tcp://127.0.0.1:x"},
         2,                                                                              "--bind tcp://127.0.0.1:x: no port"                         },
        {"leat-broker",
         {"--data", "@/s", "--insecure-loopback", "--bind", "tcp://127.0.0.1:65536"},
         2,                                                                              "--bind tcp://127.0.0.1:65536: no port"                     },
        {"leat-broker",
         {"--data", "@/s", "--insecure-loopback", "--bind", "tcp://127.0.0.1:0"},
         2,                                                                              "--bind tcp://127.0.0.1:0: no port"                         },
        {"leat-broker",
         {"--data", "@/s", "--bind", "ipc://" PATH_107 "a"},
         2,                                                                              "aaaaa: the path has 108 bytes, a socket's path ends at 107"},
        {"leat-worker", {"--broker", "somewhere"},                                    2, "--broker \"somewhere\": an address"                        },
        {"leat-worker", {"--broker", "tcp://h:99999"},                                2, "--broker \"tcp://h:99999\": an address"                    },
        {"leat",        {"status", "--broker", "somewhere"},                          2, "broker address \"somewhere\""                              },
    };
    cr_assert(eq(sz, strlen(PATH_107), 107));
    TELL_ALL(stories);
}

Test(startup, a_port_that_somebody_holds_and_a_folder_that_is_missing_are_named)
{
    static const struct story stories[] = {
        {"leat-broker",
         {"--data", "@/s", "--insecure-loopback", "--bind", "tcp://127.0.0.1:#"},
         125, "--bind tcp://127.0.0.1:#: in use by another process"                                  },
        {"leat-broker",
         {"--data", "@/s", "--bind", "ipc://@/none/b.sock"},
         125, "--bind ipc://@/none/b.sock: cannot open @/none/b.sock.lock: No such file or directory"},
    };
    TELL_ALL(stories);
}

/* ------------------------------------------------------------------------------ another broker */

Test(startup, what_another_broker_holds_is_named_and_that_broker_goes_on)
{
    static const struct story address = {
        "leat-broker",
        {"--data", "@/other", "--bind", "ipc://@/broker.sock"},
        125,
        "--bind ipc://@/broker.sock: in use by another broker"
    };
    char held[128];
    programs_start_broker(&p);
    (void)snprintf(held, sizeof held, "the store @/store is in use by process %d", (int)p.broker);
    const struct story store = {
        "leat-broker", {"--data", "@/store", "--bind", "ipc://@/x.sock"},
         125, held
    };
    tell(&address);
    tell(&store);

    const char *const ping[] = {"leat", "broker", "ping", NULL};
    cr_expect(eq(int, programs_run_apart(&p, &output, "leat", ping), 0), "%s", output.err);
    cr_expect(eq(int, programs_stop_broker(&p), 0));
}

Test(startup, a_folder_that_cannot_be_written_is_named)
{
    static const struct story stories[] = {
        {"leat-broker",
         {"--data", "@/file/store", "--bind", "ipc://@/x.sock"},
         125,                                                                   "cannot make the folder @/file/store: Not a directory"},
        {"leat-broker", {"--data", "@/file", "--bind", "ipc://@/x.sock"},  125, "@/file"                                              },
        {"leat-broker", {"--data", "/proc/x", "--bind", "ipc://@/x.sock"}, 125, "/proc/x"                                             },
    };
    char path[512];
    FILE *const file = fopen(expand("@/file", path), "w");
    cr_assert(ne(ptr, file, NULL));
    cr_assert(eq(int, fclose(file), 0));
    TELL_ALL(stories);
}

/* ------------------------------------------------------------------------------ options */

Test(startup, an_option_that_is_wrong_is_named_and_a_near_one_suggested)
{
    static const struct story stories[] = {
        {"leat-broker", {"--bnd", "x"},                   2, "no option \"--bnd\", did you mean \"--bind\"?"  },
        {"leat-broker", {"--bind"},                       2, "\"--bind\" needs a value"                       },
        {"leat-broker",
         {"--bind", "ipc://@/x", "--bind", "ipc://@/x"},
         2,                                                  "ipc://@/x: given twice"                         },
        {"leat-broker", {"serve"},                        2, "unexpected argument \"serve\""                  },
        {"leat-broker", {"--log-level", "loud"},          2, "--log-level"                                    },
        {"leat-broker", {"--insecure-loopback=so"},       2, "\"--insecure-loopback\": \"so\""                },
        {"leat-broker", {"--channel-default", "a=b"},     2, "--channel-default"                              },
        {"leat-broker", {"--config", "@/none.ini"},       2, "@/none.ini: no such file"                       },
        {"leat-worker", {"--slot", "4"},                  2, "no option \"--slot\", did you mean \"--slots\"?"},
        {"leat-worker", {"--handlers", "echo"},           2, "no option \"--handlers\""                       },
        {"leat-worker", {"echo"},                         2, "\"echo\""                                       },
        {"leat-worker", {"--slots", "0"},                 2, "\"--slots\": 0 is less than 1"                  },
        {"leat-worker", {"--slots", "four"},              2, "\"--slots\": \"four\" is no whole number"       },
        {"leat-worker", {"--slots", "-1"},                2, "\"--slots\""                                    },
        {"leat-worker", {"--slots", "1000001"},           2, "\"--slots\": 1000001 is more than 1000000"      },
        {"leat-worker", {"--threads", "1e3"},             2, "\"--threads\": \"1e3\" is no whole number"      },
        {"leat-worker", {"--name", ""},                   2, "--name \"\""                                    },
        {"leat-worker", {"--log-level", "loud"},          2, "--log-level \"loud\""                           },
        {"leat",        {"stauts"},                       2, "no command \"stauts\". Did you mean \"status\"?"},
        {"leat",        {"worker", "lst"},                2, "no command \"worker lst\". Did you mean \"ls\"?"},
        {"leat",        {"submit", "--handlr", "x"},      2, "\"--handlr\", did you mean \"--handler\"?"      },
        {"leat",        {"wait", "--timeout", "5x", "1"}, 2, "\"--timeout\": \"5x\" is no duration"           },
        {"leat",        {"wait", "-n", "1x", "1"},        2, "\"-n\": \"1x\" is no whole number"              },
        {"leat",        {"status", "first"},              2, "\"first\" names no batch or job"                },
    };
    TELL_ALL(stories);
}

Test(startup, a_key_that_is_wrong_is_named_with_its_file_and_line)
{
    static const struct story stories[] = {
        {"leat-broker", {NULL},     2, "@/leat/broker.ini:2: no key \"dta\", did you mean \"data\"?"    },
        {"leat-worker", {NULL},     2, "@/leat/worker.ini:1: no key \"slts\", did you mean \"slots\"?"  },
        {"leat",        {"status"}, 2, "@/leat/client.ini:3: no key \"brokr\", did you mean \"broker\"?"},
    };
    static const struct story values[] = {
        {"leat-broker", {NULL}, 2, "@/leat/broker.ini:1: insecure-loopback: \"maybe\""      },
        {"leat-worker", {NULL}, 2, "@/leat/worker.ini:1: slots: \"many\" is no whole number"},
    };
    static const struct story shapes[] = {
        {"leat-broker", {NULL}, 2, "@/leat/broker.ini:2: [nothing] no such section"},
        {"leat-worker", {NULL}, 2, "@/leat/worker.ini:1: neither \"key = value\""  },
    };
    write_config("broker.ini", "# mine\ndta = /x\n");
    write_config("worker.ini", "slts = 4\n");
    write_config("client.ini", "\n\nbrokr = x\n");
    TELL_ALL(stories);
    write_config("broker.ini", "insecure-loopback = maybe\n");
    write_config("worker.ini", "slots = many\n");
    TELL_ALL(values);
    write_config("broker.ini", "[nothing]\nx = 1\n");
    write_config("worker.ini", "slots 4\n");
    TELL_ALL(shapes);
}

/* ------------------------------------------------------------------------------ no broker */

Test(startup, a_command_without_a_broker_says_where_it_looked_and_what_to_do)
{
    static const struct story stories[] = {
        {"leat", {"status"},                                          125, "leat: no broker answered (tried ipc://@/broker.sock)\n" },
        {"leat", {"submit", "--handler", "echo", "hi"},               125, "no broker answered (tried ipc://@"                      },
        {"leat",
         {"worker", "ls", "--broker", "tcp://127.0.0.1:1,ipc://@/x"},
         125,                                                              "no broker answered (tried tcp://127.0.0.1:1, ipc://@/x)"},
    };
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        tell(&stories[i]);
        cr_expect(ne(ptr, strstr(output.err, "\n  Start one here:   leat up\n"), NULL), "%s",
                  output.err);
        cr_expect(ne(ptr, strstr(output.err, "\n  Use another:      leat --broker tcp://HOST:5328"),
                     NULL),
                  "%s", output.err);
    }
}
