/* Reads a configuration on the machine that builds, with the program's own parser: check_conf FILE, started in FILE's
 * folder. Errors go to standard error, "FILE:LINE: ...", and end with status 1. Standard output has the name of every
 * file that was read, FILE first, and then of every file that the program would read later. */
#include "base/builtin.h"
#include "ops/config.h"

#include <stdio.h>

static struct config config;

/* Nothing is built in here. */
const struct builtin_file builtin_files[1];
const size_t builtin_count = 0;

enum port_result port_read_file(const char *path, void *buf, size_t cap, size_t *n)
{
    FILE *file = fopen(path, "rb");
    enum port_result result = PORT_OK;

    *n = 0;
    if (!file)
        return PORT_ERROR;
    *n = fread(buf, 1, cap, file);
    if (ferror(file))
        result = PORT_ERROR;
    else if (fgetc(file) != EOF)
        result = PORT_END;
    fclose(file);
    printf("%s\n", path);
    return result;
}

enum port_fault port_error(void)
{
    return PORT_FAULT_NOT_FOUND;
}

const char *port_fault_text(enum port_fault fault)
{
    (void)fault;
    return "no such file, or it cannot be read";
}

/* Names are looked up where the program runs: here any one is good. */
unsigned port_resolve(const char *name, uint16_t port, struct port_addr *addrs, unsigned max)
{
    (void)name, (void)max;
    addrs[0] = (struct port_addr){.family = PORT_IPV4, .ip = {192, 0, 2, 1}, .port = port};
    return 1;
}

void port_print(bool err, const char *textz)
{
    fputs(textz, err ? stderr : stdout);
}

static void report(void *user, bool error, struct text message)
{
    (void)user;
    fprintf(stderr, "%.*s%s\n", TEXT_ARG(message), error ? "" : " (a warning)");
}

static void named(const char *name)
{
    if (name && name[0] != '\0')
        printf("%s\n", name);
}

int main(int argc, char **argv)
{
    const struct tls_settings *tls = &config.tls;

    if (argc != 2) {
        fputs("usage: check_conf FILE\n", stderr);
        return 2;
    }
    config_explain(true);
    if (!config_read(&config, argv[1], report, NULL))
        return 1;
    for (unsigned i = 0; i < tls->pair_count; i++) {
        named(tls->pairs[i].cert);
        named(tls->pairs[i].key);
    }
    named(tls->machine);
    named(tls->clients.ca);
    named(tls->clients.crl);
    named(tls->backends.ca);
    named(tls->backends.crl);
    return 0;
}
