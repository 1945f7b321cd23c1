/* A receipt is base64url of: version (1 byte), partition (2), lease (8), the id, and a check over
 * the queue's name, a zero byte and these (2, the complement of their CRC16). The check finds accidents, it is no secret: what a receipt may do
 * is decided by the lease's score on the server. */
#include "queue/receipt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/encode.h"
#include "base/id.h"

enum { VERSION = 1, HEAD_LEN = 11, CHECK_LEN = 2 };
enum { RAW_MAX = HEAD_LEN + DUEQ_ID_MAX + CHECK_LEN };

_Static_assert((RAW_MAX * 4 + 2) / 3 <= DUEQ_RECEIPT_MAX, "a receipt fits its limit");

/* The complement of a CRC: with the CRC itself one receipt in 256 would still pass for one when
 * its last byte is cut off. */
static uint16_t check_of(const char *queue, const unsigned char *raw, size_t len)
{
    unsigned char all[DUEQ_QUEUE_NAME_MAX + 1 + RAW_MAX];
    size_t queue_len = strnlen(queue, DUEQ_QUEUE_NAME_MAX) + 1;
    memcpy(all, queue, queue_len - 1);
    all[queue_len - 1] = 0;
    memcpy(all + queue_len, raw, len);
    return (uint16_t)~dq_crc16(all, queue_len + len);
}

void dq_receipt_write(char out[DUEQ_RECEIPT_MAX + 1], const char *queue, const dq_receipt *receipt)
{
    unsigned char raw[RAW_MAX];
    raw[0] = VERSION;
    dq_bytes_put(raw + 1, receipt->partition, 2);
    dq_bytes_put(raw + 3, strtoull(receipt->lease, NULL, 10), 8);
    memcpy(raw + HEAD_LEN, receipt->id, receipt->id_len);
    size_t len = HEAD_LEN + receipt->id_len;
    dq_bytes_put(raw + len, check_of(queue, raw, len), CHECK_LEN);
    dq_base64url(out, raw, len + CHECK_LEN);
}

bool dq_receipt_read(dq_receipt *receipt, const char *queue, const char *text)
{
    unsigned char raw[DUEQ_RECEIPT_MAX];
    size_t text_len = strnlen(text, DUEQ_RECEIPT_MAX + 1);
    if (text_len > DUEQ_RECEIPT_MAX) return false;
    ptrdiff_t raw_len = dq_base64url_decode(raw, text, text_len);
    if (raw_len < HEAD_LEN + 1 + CHECK_LEN || raw_len > RAW_MAX || raw[0] != VERSION) return false;
    size_t len = (size_t)raw_len - CHECK_LEN;
    if (dq_bytes_get(raw + len, CHECK_LEN) != check_of(queue, raw, len)) return false;
    uint64_t lease = dq_bytes_get(raw + 3, 8);
    if (lease >= UINT64_C(1) << 53) return false;

    receipt->partition = (uint32_t)dq_bytes_get(raw + 1, 2);
    receipt->id_len = len - HEAD_LEN;
    memcpy(receipt->id, raw + HEAD_LEN, receipt->id_len);
    snprintf(receipt->lease, sizeof receipt->lease, "%" PRIu64, lease);
    return true;
}
