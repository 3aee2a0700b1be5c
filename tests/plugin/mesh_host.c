/* A host for a mesh controller on the reference protocol: gives one dose until the mesh is dry, or says why not.
 *
 *   cc -std=c11 -Wall -Wextra -Werror -o mesh_host mesh_host.c
 *   ./mesh_host /dev/ttyUSB0 0badcafe 600000
 *
 * Exit code 0: ended dry. 2: wrong call. 3: the line is gone or silent. 4: refused. 5: ended for another reason.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST = 110, LINE = LONGEST + 9, PATIENCE_MS = 100, TRIES = 4, ROUND_MS = 200 };
enum { DRY = 0, WRONG_CALL = 2, SILENT = 3, REFUSED = 4, OTHER_END = 5 };

static int line_fd;
static unsigned next_seq = 1;
static char received[LINE]; /* the payload that is being received */
static size_t length;
static int inside;

static uint16_t crc16(const char *data, size_t size)
{
    uint16_t crc = 0xFFFF;
    for (size_t i = 0; i < size; i++) {
        crc ^= (uint8_t)data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)((crc >> 1) ^ (crc & 1 ? 0xA001 : 0));
    }
    return crc;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int open_line(const char *path)
{
    struct termios settings;
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || tcgetattr(fd, &settings) != 0)
        return -1;
    cfmakeraw(&settings);
    settings.c_cflag |= CLOCAL | CREAD;
    cfsetspeed(&settings, B115200);
    return tcsetattr(fd, TCSANOW, &settings) == 0 ? fd : -1;
}

/* Takes one byte; returns the payload when it completes a good line, else NULL. A '$' always begins anew. */
static const char *take(char byte)
{
    char digits[5];
    if (byte == '$') {
        inside = 1;
        length = 0;
        return NULL;
    }
    if (!inside)
        return NULL;
    if (length == sizeof received - 1) {
        inside = 0;
        return NULL;
    }
    received[length++] = byte;
    if (byte != '\n')
        return NULL;
    inside = 0;
    if (length < 8 || received[length - 2] != '\r' || received[length - 7] != '*')
        return NULL;
    snprintf(digits, sizeof digits, "%04X", crc16(received, length - 7));
    if (memcmp(digits, received + length - 6, 4) != 0)
        return NULL;
    received[length - 7] = '\0';
    return received;
}

/* Reads until a line begins as wanted: 1. Nothing within the patience: 0. The line is gone: -1. */
static int await(const char *answer, const char *refusal, char *said)
{
    int64_t deadline = now_ms() + PATIENCE_MS;
    for (;;) {
        int64_t left = deadline - now_ms();
        struct pollfd wait = {.fd = line_fd, .events = POLLIN};
        char byte;
        if (left <= 0 || poll(&wait, 1, (int)left) == 0)
            return 0;
        if (wait.revents & (POLLHUP | POLLERR | POLLNVAL))
            return -1;
        ssize_t got = read(line_fd, &byte, 1);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return -1;
        const char *payload = got == 1 ? take(byte) : NULL;
        if (payload == NULL)
            continue;
        /* Whatever was not asked for, such as an event or a late answer to another number, is passed over. */
        if (strncmp(payload, answer, strlen(answer)) == 0 || strncmp(payload, refusal, strlen(refusal)) == 0) {
            strcpy(said, payload);
            return 1;
        }
    }
}

/* Asks and writes the whole answer to `said`. A repeat has the same number: the controller does nothing twice. */
static int ask(const char *command, const char *arguments, char *said)
{
    char payload[LONGEST + 1], line[LINE], answer[40], refusal[40];
    int size = snprintf(payload, sizeof payload, "C,%u,%s%s", next_seq, command, arguments);
    snprintf(line, sizeof line, "$%s*%04X\r\n", payload, crc16(payload, (size_t)size));
    snprintf(answer, sizeof answer, "A,%u,%s", next_seq, command);
    snprintf(refusal, sizeof refusal, "N,%u,%s", next_seq, command);
    next_seq = next_seq % 65535 + 1;
    for (int count = 0; count < TRIES; count++) {
        if (write(line_fd, line, strlen(line)) != (ssize_t)strlen(line))
            return SILENT;
        switch (await(answer, refusal, said)) {
        case 1:
            return said[0] == 'A' ? 0 : REFUSED;
        case -1:
            return SILENT;
        default:
            break;
        }
    }
    return SILENT;
}

/* Copies the field of this number, counted from 0, without its commas. */
static void field(const char *payload, int number, char *text, size_t room)
{
    while (number-- > 0 && (payload = strchr(payload, ',')) != NULL)
        payload++;
    size_t size = payload == NULL ? 0 : strcspn(payload, ",");
    if (size >= room)
        size = room - 1;
    memcpy(text, payload == NULL ? "" : payload, size);
    text[size] = '\0';
}

static int run_dose(const char *run, const char *max_on_ms)
{
    char arguments[64], said[LINE], state[8], end[8], on_ms[12];
    int failed = ask("HELLO", ",00000001", said);
    if (failed)
        return failed;
    printf("device %s\n", said);
    snprintf(arguments, sizeof arguments, ",%s,%s", run, max_on_ms);
    if ((failed = ask("START", arguments, said)) != 0)
        return failed;
    for (;;) {
        if ((failed = ask("BEAT", "", said)) != 0 || (failed = ask("STAT", "", said)) != 0)
            return failed;
        field(said, 3, state, sizeof state);
        field(said, 5, on_ms, sizeof on_ms);
        field(said, 6, end, sizeof end);
        if (strcmp(state, "OFF") == 0)
            break;
        usleep(ROUND_MS * 1000);
    }
    printf("end %s after %s ms\n", end, on_ms);
    return strcmp(end, "DRY") == 0 ? DRY : OTHER_END;
}

int main(int count, char **words)
{
    static const char *const reasons[] = {[SILENT] = "the line is gone or silent", [REFUSED] = "refused",
                                          [OTHER_END] = "ended, and not because the mesh is dry"};
    char said[LINE];
    if (count != 4) {
        fprintf(stderr, "usage: mesh_host PATH RUN MAX_ON_MS\n");
        return WRONG_CALL;
    }
    if ((line_fd = open_line(words[1])) < 0) {
        perror(words[1]);
        return SILENT;
    }
    int code = run_dose(words[2], words[3]);
    if (code != DRY) {
        fprintf(stderr, "stopped: %s\n", reasons[code]);
        ask("STOP", "", said); /* harmless where it is OFF already; where nobody hears it, the watchdog does it */
    }
    close(line_fd);
    return code;
}
