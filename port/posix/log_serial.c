/* Serial lines as log sinks: raw, 8 bits, no parity, one stop bit, no flow control. */
#define _GNU_SOURCE
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

/* Both logs can have one, and those of the configuration that follows are open before the others are closed. */
#define LINES (IS_ENABLED(CONFIG_RELOAD) ? 4 : 2)

static int lines[LINES]; /* 0: free (0 is a standard stream's) */

static const struct {
    uint32_t speed; /* bits a second */
    speed_t code;
} speeds[] = {
    {1200, B1200},     {2400, B2400},   {4800, B4800},     {9600, B9600},     {19200, B19200},
    {38400, B38400},   {57600, B57600}, {115200, B115200}, {230400, B230400},
#ifdef B460800
    {460800, B460800},
#endif
#ifdef B921600
    {921600, B921600},
#endif
};

static bool code_of(uint32_t speed, speed_t *code)
{
    for (size_t i = 0; i < ARRAY_SIZE(speeds); i++) {
        if (speeds[i].speed == speed) {
            *code = speeds[i].code;
            return true;
        }
    }
    return false;
}

/* A terminal at the other end wants CR LF: the driver adds the CR, as it does for the kernel's own console. */
static bool set_line(int fd, uint32_t speed)
{
    struct termios settings;
    speed_t code;

    if (!code_of(speed, &code) || tcgetattr(fd, &settings) != 0)
        return false;
    settings.c_iflag = 0;
    settings.c_oflag = OPOST | ONLCR;
    settings.c_lflag = 0;
    settings.c_cflag = CS8 | CREAD | CLOCAL;
    /* tcsetattr is content when it could set a part: what it set is looked at. */
    return cfsetospeed(&settings, code) == 0 && cfsetispeed(&settings, code) == 0 &&
           tcsetattr(fd, TCSANOW, &settings) == 0 && tcgetattr(fd, &settings) == 0 && cfgetospeed(&settings) == code;
}

static void remember(int fd)
{
    for (unsigned i = 0; i < LINES; i++) {
        if (lines[i] == 0) {
            lines[i] = fd;
            return;
        }
    }
}

enum port_result posix_serial_open(const char *path, uint32_t speed, port_handle *out)
{
    int fd;

    do
        fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return posix_fail(errno);
    if (!posix_fits(fd))
        return PORT_ERROR;
    if (!isatty(fd) || (speed > 0 && !set_line(fd, speed))) {
        close(fd);
        return posix_fail(ENOTTY);
    }
    remember(fd);
    *out = fd;
    return PORT_OK;
}

void posix_serial_forget(port_handle handle, bool abort)
{
    for (unsigned i = 0; i < LINES; i++) {
        if (lines[i] != handle || handle == 0)
            continue;
        lines[i] = 0;
        /* close(2) would wait until all is sent. */
        if (abort)
            tcflush(handle, TCOFLUSH);
    }
}
