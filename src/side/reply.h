/* Local answers: errors that the proxy tells a client by itself. Just another back that an exchange can have; it leaves
 * at once. */
#ifndef CULVERT_SIDE_REPLY_H
#define CULVERT_SIDE_REPLY_H

/* Registers itself with the exchanges. Call once. */
void reply_init(void);

#endif
