/* Who the process is: users and groups, and how it becomes one of them for good. */
#define _GNU_SOURCE
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes for one entry of the user database, and of the group database: that one has the names of its members. */
#define USER_ENTRY_MAX 1024
#define GROUP_ENTRY_MAX 4096

/* Bytes of where a link leads, or of the folder that it stands in. */
#define LINK_MAX_BYTES 256

/* Whose the files shall be that are opened. */
static const struct port_user *owner;

/* "#1000" */
static bool parse_number(const char *text, uint32_t *number)
{
    char *end;
    unsigned long value;

    if (text[0] != '#' || text[1] < '0' || text[1] > '9')
        return false;
    errno = 0;
    value = strtoul(text + 1, &end, 10);
    /* The highest means "unchanged" to setuid(2) and its like. */
    if (errno != 0 || *end != '\0' || value >= UINT32_MAX)
        return false;
    *number = (uint32_t)value;
    return true;
}

static bool find_group(const char *name, uint32_t *gid)
{
    char storage[GROUP_ENTRY_MAX];
    struct group entry, *found = NULL;

    if (name[0] == '#')
        return parse_number(name, gid);
    if (getgrnam_r(name, &entry, storage, sizeof(storage), &found) != 0 || found == NULL)
        return false;
    *gid = found->gr_gid;
    return true;
}

/* The groups that the database gives the user, the first of them its main one. More than fit are none. */
static bool find_groups(const char *name, struct port_user *out)
{
    gid_t groups[PORT_GROUPS_MAX];
    int count = PORT_GROUPS_MAX;

    if (getgrouplist(name, out->gid, groups, &count) < 0 || count > PORT_GROUPS_MAX)
        return false;
    out->group_count = (uint32_t)count;
    for (int i = 0; i < count; i++)
        out->groups[i] = groups[i];
    return true;
}

enum port_user_found port_user_find(const char *user, const char *group, struct port_user *out)
{
    char storage[USER_ENTRY_MAX];
    struct passwd entry, *found = NULL;

    memset(out, 0, sizeof(*out));
    if (user[0] != '#')
        (void)getpwnam_r(user, &entry, storage, sizeof(storage), &found);
    else if (!parse_number(user, &out->uid))
        return PORT_USER_UNKNOWN;
    else
        (void)getpwuid_r(out->uid, &entry, storage, sizeof(storage), &found);
    if (found != NULL) {
        out->uid = found->pw_uid;
        out->gid = found->pw_gid;
    } else if (user[0] != '#') {
        return PORT_USER_UNKNOWN;
    }
    if (group != NULL ? !find_group(group, &out->gid) : found == NULL)
        return PORT_USER_NO_GROUP;
    if (found != NULL)
        return find_groups(found->pw_name, out) ? PORT_USER_FOUND : PORT_USER_GROUPS;
    out->groups[0] = out->gid;
    out->group_count = 1;
    return PORT_USER_FOUND;
}

void port_user_owns(const struct port_user *user)
{
    owner = geteuid() == 0 ? user : NULL;
}

#ifdef O_PATH

/* A descriptor of the name itself: nobody can change it for another one between a question and what is done. */
#define OPEN_NAME (O_PATH | O_NOFOLLOW | O_CLOEXEC)

/* The folder that a path stands in; the working directory: AT_FDCWD. */
static int open_folder(const char *path)
{
    const char *end = strrchr(path, '/');
    char folder[LINK_MAX_BYTES];
    size_t len = end != NULL ? (size_t)(end - path) + 1 : 0;

    if (end == NULL)
        return AT_FDCWD;
    if (len >= sizeof(folder)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, path, len);
    folder[len] = '\0';
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Where a link leads that root made, and nobody gave a second name, as text. */
static bool read_roots_link(int folder, const char *name, char target[LINK_MAX_BYTES])
{
    int fd = openat(folder, name, OPEN_NAME);
    struct stat info;
    ssize_t len = -1;

    if (fd < 0)
        return false;
    if (fstat(fd, &info) == 0 && S_ISLNK(info.st_mode) && info.st_uid == 0 && info.st_nlink == 1)
        len = readlinkat(fd, "", target, LINK_MAX_BYTES);
    close(fd);
    if (len <= 0 || len >= LINK_MAX_BYTES) {
        errno = ELOOP;
        return false;
    }
    target[len] = '\0';
    return true;
}

/* Whoever may write in the log's folder could have made a link there, which leads root to a file of its own: that would
   be given away. Links that root made (/dev/stdout is one) are followed, by what was read in them. */
static int open_roots_link(const char *path, int flags, unsigned mode)
{
    const char *name = strrchr(path, '/');
    char target[LINK_MAX_BYTES];
    int folder = open_folder(path);
    int fd = -1, error;

    if (folder == -1)
        return -1;
    if (read_roots_link(folder, name != NULL ? name + 1 : path, target))
        fd = openat(folder, target, flags, mode);
    error = errno;
    if (folder != AT_FDCWD)
        close(folder);
    errno = error;
    return fd;
}

/* By a descriptor of the file: what has taken its name meanwhile is not given. */
static bool give_name(const char *path)
{
    int fd = open(path, OPEN_NAME);
    struct stat info;
    bool given;
    int error;

    if (fd < 0)
        return false;
    given = fstat(fd, &info) == 0;
    errno = ELOOP;
    given = given && S_ISSOCK(info.st_mode) && info.st_uid == geteuid() && info.st_nlink == 1 &&
            fchownat(fd, "", owner->uid, owner->gid, AT_EMPTY_PATH) == 0;
    error = errno;
    close(fd);
    errno = error;
    return given;
}

#else

/* Systems that have no such descriptors leave a moment between the question and what is done. */
static int open_roots_link(const char *path, int flags, unsigned mode)
{
    struct stat info;

    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode) && info.st_uid == 0)
        return open(path, flags, mode);
    errno = ELOOP;
    return -1;
}

static bool give_name(const char *path)
{
    return lchown(path, owner->uid, owner->gid) == 0;
}

#endif

int posix_open_to_give(const char *path, int flags, unsigned mode)
{
    int fd = open(path, flags | (owner != NULL ? O_NOFOLLOW : 0), mode);

    if (fd < 0 && errno == ELOOP && owner != NULL)
        fd = open_roots_link(path, flags, mode);
    return fd;
}

bool posix_give_file(int fd)
{
    struct stat info;

    if (owner == NULL || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return true;
    if (info.st_nlink > 1 && info.st_uid != owner->uid) { /* a link of the other kind */
        errno = ELOOP;
        return false;
    }
    return fchown(fd, owner->uid, owner->gid) == 0;
}

bool posix_give_socket(const char *path)
{
    return owner == NULL || give_name(path);
}

/* Whether all of the process is this user already. */
static bool is_user(const struct port_user *user)
{
    uid_t uid, effective, saved;
    gid_t gid, effective_gid, saved_gid;

    return getresuid(&uid, &effective, &saved) == 0 && getresgid(&gid, &effective_gid, &saved_gid) == 0 &&
           uid == user->uid && effective == uid && saved == uid && gid == user->gid && effective_gid == gid &&
           saved_gid == gid;
}

static const char *failed(const char *call)
{
    posix_fail(errno);
    return call;
}

const char *port_become(const struct port_user *user, const char *root)
{
    gid_t groups[PORT_GROUPS_MAX];

    owner = NULL;
    if (root != NULL && (chroot(root) != 0 || chdir("/") != 0))
        return failed("chroot");
    if (is_user(user))
        return NULL;
    for (uint32_t i = 0; i < user->group_count; i++)
        groups[i] = user->groups[i];
    if (setgroups(user->group_count, groups) != 0)
        return failed("setgroups");
    if (setresgid(user->gid, user->gid, user->gid) != 0)
        return failed("setgid");
    if (setresuid(user->uid, user->uid, user->uid) != 0)
        return failed("setuid");
    /* There must be no way back. */
    errno = EPERM;
    return !is_user(user) || (user->uid != 0 && setuid(0) == 0) ? failed("setuid") : NULL;
}
