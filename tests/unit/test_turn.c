/* broker/store/turn: turn records. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "broker/store/turn.h"

static leat_buf buf;

static void
fini(void)
{
    leat_buf_fini(&buf);
}

TestSuite(turn, .fini = fini);

static const leat_turn_entry item = {
    .kind = LEAT_TURN_ITEM,
    .id = 0x0102030405060708U,
    .state = 4,
    .flags = 9,
    .attempt = 70000,
    .failed = 1,
    .lost = 2,
    .snoozed = 1000,
    .due_wall_ms = 1763000000000U,
};
static const leat_counters counters = {
    .total = 1, .done = 2, .dead = 3, .cancelled = 4, .expired = 5, .skipped = 6};

/* One entry of each kind. */
static void
put_all(void)
{
    const size_t at = leat_turn_put_leases(&buf, 11, 12, 13);
    leat_put_u64(&buf, 100);
    leat_put_u32(&buf, 1);
    leat_put_u64(&buf, 101);
    leat_put_u32(&buf, 2);
    leat_turn_end_leases(&buf, at, 2);
    leat_turn_put_ends(&buf, 21, 22, LEAT_ENDS_ALONE, &counters, "log", 3);
    leat_turn_put_item(&buf, &item);
    leat_turn_put_answer(&buf, 31, 32, 33, "answer", 6);
    leat_turn_put_cursor(&buf, 41, 42, 43);
    leat_turn_put_object(&buf, LEAT_OBJECT_CHANNEL, 51, "object", 6);
    leat_turn_put_ids(&buf, 61);
}

static void
must_hold(const leat_turn_entry *entry, const char *data)
{
    cr_assert(eq(uint, entry->size, strlen(data)));
    cr_assert(eq(int, memcmp(entry->data, data, entry->size), 0));
}

static leat_turn_entry
must_next(leat_reader *record, leat_turn_kind kind)
{
    leat_turn_entry entry;
    cr_assert(leat_turn_next(record, &entry));
    cr_assert(eq(int, (int)entry.kind, (int)kind));
    return entry;
}

Test(turn, leases_and_ends_are_read_back)
{
    put_all();
    leat_reader record = leat_reader_over(buf.data, buf.size);

    leat_turn_entry entry = must_next(&record, LEAT_TURN_LEASES);
    cr_assert(eq(u64, entry.session, 11));
    cr_assert(eq(u64, entry.number, 12));
    cr_assert(eq(u64, entry.epoch, 13));
    cr_assert(eq(uint, entry.n, 2));
    uint64_t job;
    uint32_t attempt;
    leat_turn_lease(&entry, 1, &job, &attempt);
    cr_assert(eq(u64, job, 101));
    cr_assert(eq(uint, attempt, 2));

    entry = must_next(&record, LEAT_TURN_ENDS);
    cr_assert(eq(u64, entry.id, 21));
    cr_assert(eq(u64, entry.number, 22));
    cr_assert(eq(uint, entry.flags, LEAT_ENDS_ALONE));
    cr_assert(eq(int, memcmp(&entry.counters, &counters, sizeof counters), 0));
    must_hold(&entry, "log");
}

Test(turn, the_other_entries_are_read_back)
{
    put_all();
    leat_reader record = leat_reader_over(buf.data, buf.size);
    (void)must_next(&record, LEAT_TURN_LEASES);
    (void)must_next(&record, LEAT_TURN_ENDS);

    leat_turn_entry entry = must_next(&record, LEAT_TURN_ITEM);
    cr_assert(eq(u64, entry.id, item.id));
    cr_assert(eq(uint, entry.state, item.state));
    cr_assert(eq(uint, entry.flags, item.flags));
    cr_assert(eq(uint, entry.attempt, item.attempt));
    cr_assert(eq(uint, entry.failed, item.failed));
    cr_assert(eq(uint, entry.lost, item.lost));
    cr_assert(eq(uint, entry.snoozed, item.snoozed));
    cr_assert(eq(u64, entry.due_wall_ms, item.due_wall_ms));

    entry = must_next(&record, LEAT_TURN_ANSWER);
    cr_assert(eq(u64, entry.session, 31));
    cr_assert(eq(u64, entry.number, 32));
    cr_assert(eq(uint, entry.command, 33));
    must_hold(&entry, "answer");

    entry = must_next(&record, LEAT_TURN_CURSOR);
    cr_assert(eq(u64, entry.session, 41));
    cr_assert(eq(u64, entry.id, 42));
    cr_assert(eq(u64, entry.number, 43));

    entry = must_next(&record, LEAT_TURN_OBJECT);
    cr_assert(eq(uint, entry.object_kind, LEAT_OBJECT_CHANNEL));
    cr_assert(eq(u64, entry.id, 51));
    must_hold(&entry, "object");

    entry = must_next(&record, LEAT_TURN_IDS);
    cr_assert(eq(u64, entry.number, 61));

    cr_assert(not(leat_turn_next(&record, &entry)));
    cr_assert(not(record.failed));
}

/* Format 1. When this fails, the format has changed: see turn.h. */
Test(turn, its_bytes_are_these_for_ever)
{
    static const char golden[] =
        "01000000000000000b000000000000000c000000000000000d00000002000000000000006400000001000000"
        "000000006500000002"
        "0200000000000000150000000000000016010000000000000001000000000000000200000000000000030000"
        "00000000000400000000000000050000000000000006000000036c6f67"
        "0301020304050607080409000111700001000203e80000019a7afd1e00"
        "04000000000000001f00000000000000202100000006616e73776572"
        "050000000000000029000000000000002a000000000000002b"
        "06020000000000000033000000066f626a656374"
        "07000000000000003d";
    put_all();
    char got[2048];
    cr_assert(lt(sz, buf.size * 2, sizeof got));
    for (size_t i = 0; i < buf.size; i++)
        (void)snprintf(got + i * 2, 3, "%02x", buf.data[i]);

    cr_assert(eq(int, strcmp(got, golden), 0), "%s", got);
}

Test(turn, a_record_cut_short_fails_unless_it_is_cut_between_entries)
{
    put_all();
    size_t borders[8] = {0};
    size_t count = 1;
    leat_reader whole = leat_reader_over(buf.data, buf.size);
    leat_turn_entry entry;
    while (leat_turn_next(&whole, &entry))
        borders[count++] = (size_t)(whole.at - buf.data);
    cr_assert(eq(sz, count, 8));

    size_t next = 0;
    for (size_t size = 0; size <= buf.size; size++) {
        leat_reader record = leat_reader_over(buf.data, size);
        size_t n = 0;
        while (leat_turn_next(&record, &entry))
            n++;
        const bool on_border = size == borders[next];
        cr_assert(eq(int, record.failed, !on_border), "cut at %zu", size);
        cr_assert(eq(sz, n, on_border ? next : next - 1));
        next += on_border;
    }
}

Test(turn, an_unknown_entry_fails)
{
    for (unsigned kind = 0; kind <= UINT8_MAX; kind++) {
        if (kind >= LEAT_TURN_LEASES && kind <= LEAT_TURN_JOINS)
            continue;
        uint8_t bytes[64] = {(uint8_t)kind};
        leat_reader record = leat_reader_over(bytes, sizeof bytes);
        leat_turn_entry entry;
        cr_assert(not(leat_turn_next(&record, &entry)));
        cr_assert(record.failed);
    }
}

Test(turn, more_leases_than_bytes_fail)
{
    const size_t at = leat_turn_put_leases(&buf, 1, 2, 3);
    leat_turn_end_leases(&buf, at, 0);
    static const uint32_t too_many[] = {1, 357913942, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        leat_store_u32(buf.data + at, too_many[i]);
        leat_reader record = leat_reader_over(buf.data, buf.size);
        leat_turn_entry entry;
        cr_assert(not(leat_turn_next(&record, &entry)));
        cr_assert(record.failed);
    }
}

Test(turn, an_object_of_no_kind_fails)
{
    leat_turn_put_object(&buf, LEAT_OBJECT_META, 0, NULL, 0);
    static const uint8_t none[] = {0, LEAT_OBJECT_LAST + 1, 255};
    for (size_t i = 0; i < 3; i++) {
        buf.data[1] = none[i];
        leat_reader record = leat_reader_over(buf.data, buf.size);
        leat_turn_entry entry;
        cr_assert(not(leat_turn_next(&record, &entry)));
        cr_assert(record.failed);
    }
}

Test(turn, what_could_not_be_written_is_not_ended_and_what_has_failed_is_not_read)
{
    const size_t at = leat_turn_put_leases(&buf, 1, 2, 3);
    leat_turn_entry entry;
    buf.failed = true;
    leat_turn_end_leases(&buf, at, 7);
    buf.failed = false;
    cr_assert(eq(u32, leat_load_u32(buf.data + at), 0));

    leat_reader record = leat_reader_over(buf.data, buf.size);
    record.failed = true;
    cr_assert(not(leat_turn_next(&record, &entry)));
}
