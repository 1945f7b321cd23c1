/* What a connection is made of, for conn.c and greet.c alone. */
#ifndef DQ_WIRE_CONN_STATE_H
#define DQ_WIRE_CONN_STATE_H

#include "base/buf.h"
#include "wire/conn.h"
#include "wire/reader.h"
#include "wire/tls.h"

/* Holds:
 * 1. out.data[out_sent … out.len) are the bytes still to be written;
 * 2. in[in_at … in_len) have been read and not yet been given to the reader;
 * 3. `owed` replies are still to come, in the order the commands were added;
 * 4. once `broken` is set nothing more is read, once `write_broken` is, nothing more written. */
struct dq_conn {
    int fd;
    dq_tls *tls; /* NULL: plain */
    dq_reader *reader;
    size_t owed;

    dq_buf out;
    size_t out_sent;
    size_t in_at, in_len;
    dq_fault broken, write_broken;

    int64_t clock_offset_us;
    int64_t client_id;

    char first[48]; /* how the server's first words began, for the message when it is no Redis */
    size_t first_len;

    char in[32 << 10];
};

#endif
