/* The linker's --wrap sends the allocations here; see CMakeLists.txt. */
#include "tests/lib/alloc.h"

#include <stddef.h>

#define UNARMED (-1)

/* The linker gives the names; they cannot follow the house's. */
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *data, size_t size);
void *__real_reallocarray(void *data, size_t count, size_t size);
char *__real_strdup(const char *string);
char *__real_strndup(const char *string, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *data, size_t size);
void *__wrap_reallocarray(void *data, size_t count, size_t size);
char *__wrap_strdup(const char *string);
char *__wrap_strndup(const char *string, size_t size);

static int left = UNARMED;
static bool failed;

static bool
fails(void)
{
    if (left == UNARMED)
        return false;
    if (left > 0) {
        left--;
        return false;
    }
    left = UNARMED;
    failed = true;
    return true;
}

void
leat_alloc_fail_after(int after)
{
    left = after;
    failed = false;
}

bool
leat_alloc_has_failed(void)
{
    left = UNARMED;
    return failed;
}

void *
__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *data, size_t size)
{
    return fails() ? NULL : __real_realloc(data, size);
}

void *
__wrap_reallocarray(void *data, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(data, count, size);
}

char *
__wrap_strdup(const char *string)
{
    return fails() ? NULL : __real_strdup(string);
}

char *
__wrap_strndup(const char *string, size_t size)
{
    return fails() ? NULL : __real_strndup(string, size);
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
