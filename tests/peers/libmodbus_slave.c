/* A Modbus RTU slave on libmodbus, for a master to be tried against.
 *
 * Usage: libmodbus_slave PORT UNIT
 * Holding register N holds 1000 + N, input register N holds 2000 + N, coil N is N % 2; 64 of each, and all that can
 * be written is kept. Prints "ready" and serves until it is killed.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT 64

static modbus_mapping_t *make_map(void)
{
    modbus_mapping_t *map = modbus_mapping_new(COUNT, COUNT, COUNT, COUNT);
    for (int place = 0; map != NULL && place < COUNT; ++place) {
        map->tab_registers[place] = (uint16_t)(1000 + place);
        map->tab_input_registers[place] = (uint16_t)(2000 + place);
        map->tab_bits[place] = (uint8_t)(place % 2);
    }
    return map;
}

int main(int count, char **words)
{
    if (count != 3) {
        fprintf(stderr, "usage: %s PORT UNIT\n", words[0]);
        return 2;
    }
    modbus_t *slave = modbus_new_rtu(words[1], 115200, 'N', 8, 1);
    modbus_mapping_t *map = make_map();
    if (slave == NULL || map == NULL || modbus_set_slave(slave, atoi(words[2])) || modbus_connect(slave)) {
        fprintf(stderr, "%s: %s\n", words[1], modbus_strerror(errno));
        return 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        uint8_t request[MODBUS_RTU_MAX_ADU_LENGTH];
        int length = modbus_receive(slave, request);
        if (length > 0) {
            modbus_reply(slave, request, length, map);
        }
    }
}
