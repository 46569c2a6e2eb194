/* The end of a process that found a bug in itself. */
#include "base/panic.h"

#include "port.h"

void panic(const char *where, const char *why)
{
    port_print(true, "culvert: bug: ");
    port_print(true, where);
    port_print(true, ": ");
    port_print(true, why);
    port_print(true, "\n");
    __builtin_trap();
}
