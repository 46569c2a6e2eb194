/* What -V says: version, options, memory. */
#ifndef CULVERT_OPS_VERSION_H
#define CULVERT_OPS_VERSION_H

/* Prints it to the operator's terminal. `version` is NUL-terminated. */
void version_print(const char *version);

#endif
