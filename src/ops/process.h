/* The process: who it is, where it stands and how others find it (User, Group, ChrootDir, PidFile).
 *
 * It starts as who it was called by, opens logs, listeners and certificates as that, and then becomes the User for
 * good. What is opened later (a reload, a log file after it was renamed) is opened by the User, within ChrootDir. */
#ifndef CULVERT_OPS_PROCESS_H
#define CULVERT_OPS_PROCESS_H

#include "ops/config.h"

#if IS_ENABLED(CONFIG_CHANGE_USER) || IS_ENABLED(CONFIG_DAEMON)

/* Whether what the configuration wants can be: looks the User and Group up (this may use the C library's heap). From
   now on log files and sockets are opened for that User. False: reported. */
bool process_prepare(const struct config *config, config_report *report, void *user) MUST_USE;
/* All is open: writes the PidFile and becomes the User. False: reported, and the server must not run. */
bool process_settle(const struct config *config, config_report *report, void *user) MUST_USE;
/* The server has ended: takes the PidFile away. Harmless when there is none. */
void process_end(void);

#else

static inline bool process_prepare(const struct config *config, config_report *report, void *user)
{
    (void)config, (void)report, (void)user;
    return true;
}

static inline bool process_settle(const struct config *config, config_report *report, void *user)
{
    (void)config, (void)report, (void)user;
    return true;
}

static inline void process_end(void)
{
}

#endif

#endif
