/* The end of a process that found a bug in itself. Not for anything that a peer or an operator can cause. */
#ifndef CULVERT_BASE_PANIC_H
#define CULVERT_BASE_PANIC_H

/* Prints "culvert: bug: WHERE: WHY" and stops the process at once (a trap: a debugger or core file shows the place).
   Both are NUL-terminated. Memory that contradicts itself must not go on serving strangers. */
_Noreturn void panic(const char *where, const char *why);

#endif
