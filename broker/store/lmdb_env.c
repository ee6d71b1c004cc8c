/* Opening LMDB environments. See lmdb_env.h. */
#include "broker/store/lmdb_env.h"

#include <errno.h>

#include "broker/store/lmdb_kv.h"
#include "proto/base/log.h"

int
leat_lmdb_env_open(const char *path, unsigned flags, MDB_env **env)
{
    int rc = ENOMEM;
    *env = NULL;
    for (size_t map_bytes = (size_t)1 << 40; map_bytes >= (size_t)1 << 26; map_bytes >>= 2) {
        rc = mdb_env_create(env);
        if (rc != MDB_SUCCESS)
            return rc;
        rc = mdb_env_set_maxdbs(*env, LEAT_TABLES);
        if (rc == MDB_SUCCESS)
            rc = mdb_env_set_mapsize(*env, map_bytes);
        if (rc == MDB_SUCCESS)
            rc = mdb_env_open(*env, path, flags, 0600);
        if (rc == MDB_SUCCESS)
            return rc;
        mdb_env_close(*env);
        *env = NULL;
        if (rc != ENOMEM && rc != EINVAL && rc != EOVERFLOW)
            return rc;
    }
    return rc;
}

int
leat_lmdb_tables_open(MDB_txn *txn, bool make, MDB_dbi dbis[LEAT_TABLES])
{
    for (unsigned i = 0; i < LEAT_TABLES; i++) {
        const unsigned key = leat_lmdb_has_one_number((leat_table)i) ? MDB_INTEGERKEY : 0;
        const int rc = mdb_dbi_open(txn, leat_table_name((leat_table)i),
                                    key | (make ? MDB_CREATE : 0U), &dbis[i]);
        if (rc != MDB_SUCCESS)
            return rc == MDB_NOTFOUND ? MDB_INVALID : rc;
    }
    return MDB_SUCCESS;
}

const char *
leat_lmdb_words(int rc, char text[64])
{
    return rc > 0 ? leat_log_errno_text(rc, text, 64) : mdb_strerror(rc);
}
