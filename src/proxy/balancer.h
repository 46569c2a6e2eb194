/* Balancers: several backends behind one route, and which of them carries an exchange.
 *
 * A member is a backend with a place in a balancer. It is chosen when an exchange is submitted, and again for one that
 * provably was not processed: httpd's algorithms are the model (lbmethod=byrequests, bybusyness). Whether a member can
 * be chosen at all is its health's business (proxy/health). */
#ifndef CULVERT_PROXY_BALANCER_H
#define CULVERT_PROXY_BALANCER_H

#include "http/head.h"
#include "net/loop.h"
#include "proxy/backend.h"
#include "proxy/cause.h"

struct exchange;
struct balancer;

/* What an operator said of a member (status=). */
enum member_flag {
    MEMBER_OFF = 1,      /* D, S: takes nothing */
    MEMBER_STANDBY = 2,  /* H: only when no other member of its set can be used */
    MEMBER_SPARE = 4,    /* R: stands in for one member of its set that cannot be used */
    MEMBER_DRAINING = 8, /* N: takes only what names its route */
    MEMBER_STEADY = 16,  /* I: is never ejected */
};

enum check_method { CHECK_NONE, CHECK_HEAD, CHECK_GET, CHECK_OPTIONS, CHECK_PING };

/* Filled by the configuration. */
struct member_settings {
    struct text path;           /* of its URL, without a slash at its end; may be empty */
    struct text route;          /* route=: what a sticky session names; may be empty */
    uint32_t factor;            /* loadfactor=, in hundredths: 100 to 10000 */
    uint8_t set;                /* lbset=: a higher one is used when no member of the lower ones can be */
    uint8_t flags;              /* set of enum member_flag */
    uint32_t retry_ms;          /* retry=: its longest pause; 0: it is never ejected */
    uint32_t slow_ms;           /* slowstart=: after its return it grows to its full weight; 0: at once */
    uint8_t check;              /* hcmethod=: enum check_method */
    uint8_t passes, fails;      /* hcpasses=, hcfails= */
    uint32_t check_interval_ms; /* hcinterval= */
    uint32_t check_timeout_ms;  /* hctimeout= */
    struct text check_path;     /* hcuri= */
};

enum member_state {
    MEMBER_UP,      /* nothing: it takes exchanges */
    MEMBER_EJECTED, /* the end of its pause; with health checks, that enough of them pass */
    MEMBER_TRIAL,   /* how its one exchange ends */
};

enum check_state {
    CHECK_OFF,     /* nothing: there are no checks */
    CHECK_IDLE,    /* its time */
    CHECK_RUNNING, /* the answer, or the end of its time */
};

/* The health check of a member. */
struct check {
    enum check_state state;
    uint32_t due;        /* when the next one begins; when the running one is late */
    unsigned row;        /* how many failed (member up) or passed (ejected) in a row */
    struct exchange *ex; /* the one that runs; NULL with PING */
    struct task task;
};

struct member {
    struct member_settings settings;
    struct backend *backend;
    struct balancer *balancer;
    enum member_state state;
    uint32_t since;      /* loop_now() when its state began */
    uint32_t due;        /* EJECTED without checks: the end of its pause */
    bool ramps;          /* it returned, and perhaps has not its full weight yet */
    int32_t score;       /* byrequests: who has the most goes next */
    uint32_t busy;       /* exchanges on `carried` */
    struct list carried; /* of struct balanced */
    uint32_t row;        /* failures in a row */
    uint32_t ejections;  /* in a row */
    bool reachable;      /* EJECTED for its answers: it is better than none */
    struct check check;
};

enum balancer_method { BALANCE_BYREQUESTS, BALANCE_BYBUSYNESS };

#define BALANCER_STATUSES 8 /* of failonstatus= */
#define BALANCER_SLOTS (CONFIG_BALANCERS * (IS_ENABLED(CONFIG_RELOAD) ? 2 : 1))

struct balancer_settings {
    struct text name;       /* "balancer://app" */
    uint8_t method;         /* enum balancer_method */
    bool no_failover;       /* nofailover=: a session whose members are down is not given to others */
    bool force_recovery;    /* forcerecovery=: when no member can be used, an ejected one is tried before its time */
    uint32_t attempts;      /* maxattempts=: how often an exchange may move on; 0: as often as there are members */
    uint32_t fails;         /* maxfails=: failures in a row that eject a member; 0: none do */
    struct text cookie;     /* stickysession=, its first name; empty: none */
    struct text parameter;  /* its second name */
    char separator;         /* stickysessionsep=; 0: the whole value is the route */
    struct text set_cookie; /* stickycookie=: the cookie that we set ourselves; empty: none */
    uint16_t statuses[BALANCER_STATUSES]; /* failonstatus= */
    uint8_t status_count;
};

struct balancer {
    struct balancer_settings settings;
    struct member members[CONFIG_BALANCER_MEMBERS];
    uint8_t count;
    bool left;             /* no configuration has it any more */
    struct list left_node; /* on the list of those */
    struct task gone;
};

/* What an exchange has of a balancer. */
struct balanced {
    struct member *member; /* that carries it, or did at last; NULL: none */
    struct list node;      /* on member->carried */
    uint32_t tried;        /* members that failed it: a bit for each */
    uint32_t moves;        /* how often it went to another member */
    bool sticky;           /* the client named the route of its member */
    struct span room;      /* in request.head.text, for the target at another member; empty: it cannot move */
};

static inline void balanced_init(struct balanced *balanced)
{
    *balanced = (struct balanced){.member = NULL};
    list_init(&balanced->node);
}

/* One choice. `route` not empty: only among the members with that route. */
struct balancer_wish {
    uint32_t now;
    uint32_t tried; /* bits of members that are not wanted */
    struct text route;
};

#if IS_ENABLED(CONFIG_BALANCER)

/* One of the pool, all zero, to be configured. NULL: none is left. Given back when it does not run (health_stop). */
struct balancer *balancer_take(void) MUST_USE;
void balancer_give(struct balancer *balancer);

/* Makes a configured balancer ready to run (settings, members with settings and backend filled before). */
void balancer_init(struct balancer *balancer);

/* ---- reloads (balancer_change.c) ---- */

/* A balancer that was just made ready follows another one: members whose backend is the same go on with their health,
   their score and what they carry. */
void balancer_follow(struct balancer *balancer, struct balancer *before);
/* It is in no configuration any more, and has no checks: it goes back to its pool when its exchanges have ended. */
void balancer_drop(struct balancer *balancer);
/* Those that were dropped go now: their exchanges do without. Their text may be overwritten then. */
void balancer_forget_dropped(void);
/* What an exchange leaves was the last of one that was dropped, perhaps. */
void balancer_drop_step(struct balancer *balancer);
/* Bytes that the target of an exchange may need at any member of a balancer. */
size_t balancer_room(const struct balancer *balancer, const struct exchange *ex);

/* The member for a wish, or NULL: none can be used. Its score pays for it. */
struct member *balancer_pick(struct balancer *balancer, const struct balancer_wish *wish);

/* What a member weighs now, in hundredths: less than its factor while it ramps up. */
uint32_t member_weight(struct member *member, uint32_t now);

/* Chooses the member, and with it ex->backend, for a request whose route leads to a balancer; its head is as the client
   sent it. False: no member can be used (CAUSE_NO_MEMBER). */
bool balancer_choose(struct exchange *ex) MUST_USE;

/* The request was rewritten for its member: keeps room for the target at another one. */
void balancer_reserve(struct exchange *ex);

/* A request that its backend provably did not process failed: notes that, and submits it to another member. CAUSE_NONE:
   done. Otherwise what it fails with. Harmless for an exchange without a member. */
enum cause balancer_move(struct exchange *ex, enum cause cause) MUST_USE;

/* The member of an exchange failed it, which may have been processed. */
void balancer_failed(struct exchange *ex, enum cause cause);

/* The final head of a response came and was rewritten: judges the member, adds the sticky cookie. False: no room. */
bool balancer_answered(struct exchange *ex, unsigned status) MUST_USE;

/* The exchange is over. */
void balancer_leave(struct exchange *ex);

/* A member was ejected for this cause: what waits for a stream of its backend goes to others, but for `except`. */
void balancer_evict(struct member *member, const struct exchange *except, enum cause cause);

/* Seconds after which an exchange that found no member may come again, >= 1. */
unsigned balancer_retry_after(const struct exchange *ex);

#else

static inline void balancer_give(struct balancer *balancer)
{
    (void)balancer;
}

static inline void balancer_drop(struct balancer *balancer)
{
    (void)balancer;
}

static inline void balancer_forget_dropped(void)
{
}

static inline bool balancer_choose(struct exchange *ex)
{
    (void)ex;
    return false;
}

static inline void balancer_reserve(struct exchange *ex)
{
    (void)ex;
}

static inline enum cause balancer_move(struct exchange *ex, enum cause cause)
{
    (void)ex;
    return cause;
}

static inline void balancer_failed(struct exchange *ex, enum cause cause)
{
    (void)ex;
    (void)cause;
}

static inline bool balancer_answered(struct exchange *ex, unsigned status)
{
    (void)ex;
    (void)status;
    return true;
}

static inline void balancer_leave(struct exchange *ex)
{
    (void)ex;
}

static inline unsigned balancer_retry_after(const struct exchange *ex)
{
    (void)ex;
    return 1;
}

#endif

#endif
