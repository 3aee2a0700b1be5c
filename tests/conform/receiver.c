/* A receiver written from section 1 of docs/wire-protocol.md alone. Each line of standard input is a stream of bytes in
 * hexadecimal digits; the payloads that it takes come out on one line, each in hexadecimal digits, separated by spaces. */
#include <stdio.h>
#include <string.h>

#define LONGEST 110

struct receiver {
    unsigned char body[LONGEST + 7]; /* payload, '*', four digits, CR LF */
    int length;                      /* -1: outside a line */
};

static unsigned crc16(const unsigned char *data, int length)
{
    unsigned crc = 0xFFFF;
    for (int i = 0; i < length; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xA001 : crc >> 1;
    }
    return crc;
}

/* Returns the payload's length if the line is good, else 0. */
static int judge(const unsigned char *body, int length)
{
    char digits[9];
    int payload = length - 7; /* before "*FFFF\r\n" */
    if (payload < 1 || payload > LONGEST || body[payload] != '*' || body[length - 2] != '\r')
        return 0;
    for (int i = 0; i < payload; i++)
        if (body[i] < 0x20 || body[i] > 0x7E || body[i] == '*')
            return 0;
    snprintf(digits, sizeof digits, "%04X", crc16(body, payload));
    return memcmp(digits, body + payload + 1, 4) == 0 ? payload : 0;
}

/* Takes one byte; returns the payload's length when a good line ends with it, else 0. */
static int take(struct receiver *r, unsigned char byte)
{
    if (byte == '$') {
        r->length = 0;
        return 0;
    }
    if (r->length < 0)
        return 0;
    if (r->length == (int)sizeof r->body) { /* too long: wait for the next '$' */
        r->length = -1;
        return 0;
    }
    r->body[r->length++] = byte;
    if (byte != '\n')
        return 0;
    int payload = judge(r->body, r->length);
    r->length = -1;
    return payload;
}

int main(void)
{
    static char line[16384];
    while (fgets(line, sizeof line, stdin)) {
        struct receiver receiver = {{0}, -1};
        const char *gap = "";
        unsigned byte;
        for (const char *p = line; sscanf(p, "%2x", &byte) == 1; p += 2) {
            int payload = take(&receiver, (unsigned char)byte);
            if (payload)
                printf("%s", gap);
            for (int i = 0; i < payload; i++)
                printf("%02x", receiver.body[i]);
            if (payload)
                gap = " ";
        }
        putchar('\n');
    }
    return 0;
}
