/* Balancers in a configuration: <Proxy "balancer://NAME">, BalancerMember, ProxySet, and who refers to them. */
#ifndef CULVERT_OPS_CONFIG_BALANCER_H
#define CULVERT_OPS_CONFIG_BALANCER_H

#include "ops/config_reader.h"

#define CONF_BALANCER_SCHEME "balancer://"

CONF_APPLY(conf_apply_member);    /* BalancerMember; config_member.c */
CONF_APPLY(conf_apply_proxy_set); /* ProxySet */

#if IS_ENABLED(CONFIG_BALANCER)

/* `word` is a whole line "<Proxy ...>". True: a section of ours begins, or ended (closing). False, perhaps reported: it
   is none. */
bool conf_section_begin(struct conf_reader *reader, struct text name, struct text word);
bool conf_section_end(struct conf_reader *reader, struct text name);

/* The balancer of "balancer://NAME[/PATH]", which is made when it was not named before. *path: a part of url, perhaps
   empty. NULL: wrong, or one too many; reported. */
struct balancer *conf_balancer(struct conf_reader *reader, struct text url, struct text *path);

/* Takes words KEY=VALUE of a ProxySet or ProxyPass. False: reported. */
bool conf_balancer_keys(struct conf_reader *reader, struct balancer *balancer, const struct text *words,
                        unsigned count);

/* When all lines are read: what depends on several of them. */
void conf_balancers_check(struct conf_reader *reader);

#else

#define CONF_NO_BALANCERS "balancers need CONFIG_BALANCER, which is off in this build"

static inline bool conf_section_begin(struct conf_reader *reader, struct text name, struct text word)
{
    if (text_eq_nocase(name, TEXT("Proxy")))
        conf_error(reader, word, CONF_NO_BALANCERS);
    return false;
}

static inline bool conf_section_end(struct conf_reader *reader, struct text name)
{
    (void)reader, (void)name;
    return false;
}

static inline struct balancer *conf_balancer(struct conf_reader *reader, struct text url, struct text *path)
{
    (void)path;
    conf_error(reader, url, CONF_NO_BALANCERS);
    return NULL;
}

static inline bool conf_balancer_keys(struct conf_reader *reader, struct balancer *balancer, const struct text *words,
                                      unsigned count)
{
    (void)reader, (void)balancer, (void)words, (void)count;
    return false;
}

static inline void conf_balancers_check(struct conf_reader *reader)
{
    (void)reader;
}

#endif

#endif
