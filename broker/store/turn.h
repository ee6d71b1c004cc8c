/* leat_turn: the packed record that a turn leaves in the store.
 *
 * A turn record is a sequence of entries, each a u8 kind and its fields. Loading a store means:
 * objects, then packs, then the turn records in order; every entry states a new fact absolutely, so
 * applying one twice changes nothing.
 *
 *   1 LEASES   u64 session · u64 first_number · u64 epoch · u32 n · n × (u64 job · u32 attempt)
 *   2 ENDS     u64 batch · u64 first_position · u8 flags · counters (6 × u64) · u32 size · log
 *              log as in records.h ITEMS: u16 workers · names · u16 n · n × completion
 *   3 ITEM     u64 job · u8 state · u8 flags · u32 attempt · u16 failed · u16 lost · u16 snoozed ·
 *              u64 due_wall_ms                      a live job whose fields changed
 *   4 ANSWER   u64 session · u64 sequence · u8 command · u32 size · bytes   a decided sequence
 *   5 CURSOR   u64 session · u64 batch · u64 position
 *   6 OBJECT   u8 kind · u64 id · u32 size · record
 *              an object as it is now (objects.h of the core); size 0: it is gone
 *   7 IDS      u64 reserved_upto
 *   8 JOINS    u64 job · u64 batch · u32 place · u32 n · n × (u64 batch · u32 place)
 *              whose completion a live job's is: its own batch's (0: a batch of its own), and of
 *              those that have joined it
 *
 * When a field is added: give the entry a new kind, keep reading the old one, and raise the store's
 * format version. The golden files in tests/data/ are decoded for ever. */
#ifndef LEAT_TURN_H
#define LEAT_TURN_H

#include "broker/store/store.h"
#include "proto/records.h"

typedef enum leat_turn_kind {
    LEAT_TURN_LEASES = 1,
    LEAT_TURN_ENDS = 2,
    LEAT_TURN_ITEM = 3,
    LEAT_TURN_ANSWER = 4,
    LEAT_TURN_CURSOR = 5,
    LEAT_TURN_OBJECT = 6,
    LEAT_TURN_IDS = 7,
    LEAT_TURN_JOINS = 8,
} leat_turn_kind;

/* ENDS flags. ALONE: the job is the batch of its own id, and has no row in logs. Such an entry may
 * hold several jobs, each at first_position of its own batch; its batch is then 0. */
#define LEAT_ENDS_ALONE  1U
#define LEAT_ENDS_FORGET 2U /* keep = none: leave no history */
#define LEAT_ENDS_FAILED 4U /* keep = failed: those that are done leave none */

/* One entry, borrowed from the record; which fields are set follows from kind. */
typedef struct leat_turn_entry {
    leat_turn_kind kind;
    uint64_t session;
    uint64_t number; /* LEASES first_number · ANSWER sequence · CURSOR position · ENDS
                        first_position · IDS reserved_upto */
    uint64_t epoch;  /* LEASES */
    uint64_t id;     /* ENDS, CURSOR batch · ITEM job · OBJECT id */
    uint32_t n;      /* LEASES, JOINS */
    uint64_t batch;  /* JOINS */
    uint32_t place;  /* JOINS */
    uint8_t object_kind;
    uint8_t state;    /* ITEM */
    uint8_t flags;    /* ITEM, ENDS */
    uint8_t command;  /* ANSWER */
    uint32_t attempt; /* ITEM */
    uint16_t failed;
    uint16_t lost;
    uint16_t snoozed;
    uint64_t due_wall_ms;
    leat_counters counters; /* ENDS */
    const uint8_t *data;    /* LEASES, JOINS pairs · ENDS log · ANSWER bytes · OBJECT record */
    uint32_t size;
} leat_turn_entry;

/* The next entry; false at the end or, with reader->failed, at bytes that are no entry. */
bool leat_turn_next(leat_reader *record, leat_turn_entry *entry);
/* Pair i of a LEASES entry. */
static inline void
leat_turn_lease(const leat_turn_entry *entry, uint32_t i, uint64_t *job, uint32_t *attempt)
{
    *job = leat_load_u64(entry->data + (size_t)i * 12);
    *attempt = leat_load_u32(entry->data + (size_t)i * 12 + 8);
}

/* Writers append one entry. put_leases is open-ended: the caller appends the pairs (u64 job · u32
 * attempt) to buf and closes with end_leases, giving the offset that put returned. */
size_t leat_turn_put_leases(leat_buf *buf, uint64_t session, uint64_t first_number, uint64_t epoch);
void leat_turn_end_leases(leat_buf *buf, size_t at, uint32_t n);
void leat_turn_put_ends(leat_buf *buf,
                        uint64_t batch,
                        uint64_t first_position,
                        uint8_t flags,
                        const leat_counters *counters,
                        const void *log,
                        size_t log_size);
void leat_turn_put_item(leat_buf *buf, const leat_turn_entry *item);
void leat_turn_put_answer(leat_buf *buf,
                          uint64_t session,
                          uint64_t sequence,
                          uint8_t command,
                          const void *data,
                          size_t size);
void leat_turn_put_cursor(leat_buf *buf, uint64_t session, uint64_t batch, uint64_t position);
void leat_turn_put_object(
    leat_buf *buf, leat_object_kind kind, uint64_t id, const void *data, size_t size);
void leat_turn_put_ids(leat_buf *buf, uint64_t reserved_upto);
/* pairs: n × (u64 batch · u32 place). */
void leat_turn_put_joins(leat_buf *buf,
                         uint64_t job,
                         uint64_t batch,
                         uint32_t place,
                         uint32_t n,
                         const void *pairs,
                         size_t size);

#endif
