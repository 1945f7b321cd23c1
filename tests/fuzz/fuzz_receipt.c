/* Receipts from callers: whatever the text, reading stays within bounds, and a text that is read is
 * the very one that is written for what was read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(int condition)
{
    if (!condition) abort();
}

/* The first byte gives the bytes of the queue's name, which come next; the rest is the receipt. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char queue[DUEQ_QUEUE_NAME_MAX + 1] = "", back[DUEQ_RECEIPT_MAX + 1];
    size_t queue_len = len ? data[0] & 127u : 0;
    if (len < 1 + queue_len) return 0;
    memcpy(queue, data + 1, queue_len);
    size_t text_len = len - 1 - queue_len;
    char *text = malloc(text_len + 1);
    if (!text) return 0;
    memcpy(text, data + 1 + queue_len, text_len);
    text[text_len] = '\0';

    dq_receipt receipt;
    if (dq_receipt_read(&receipt, queue, text)) {
        require(receipt.id_len >= 1 && receipt.id_len <= DUEQ_ID_MAX);
        require(strspn(receipt.lease, "0123456789") == strlen(receipt.lease));
        dq_receipt_write(back, queue, &receipt);
        require(strcmp(back, text) == 0);
    }
    free(text);
    return 0;
}
