/* The loop, connections and listeners over the simulated port, without anything above them. */
#include "base/addr.h"
#include "base/log.h"
#include "base/timer.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/log_drain.h"

#include "core.h"

/* ---- tasks ---- */

static char trace[256];

static void note(char c)
{
    size_t len = strlen(trace);

    if (len + 1 < sizeof(trace)) {
        trace[len] = c;
        trace[len + 1] = '\0';
    }
}

struct item {
    struct task task;
    struct task gone;
    char name;
    struct task *marks; /* marked by each run */
    unsigned runs;
};

static void item_run(struct task *task)
{
    struct item *item = container_of(task, struct item, task);

    note(item->name);
    item->runs++;
    if (item->marks != NULL)
        loop_mark(item->marks);
}

static void item_gone(struct task *task)
{
    note((char)(container_of(task, struct item, gone)->name - 'a' + 'A'));
}

static void item_init(struct item *item, char name, enum task_rank rank)
{
    *item = (struct item){.name = name};
    task_init(&item->task, rank, item_run);
    task_init(&item->gone, rank, item_gone);
}

static void begin(void)
{
    sim_begin(NULL);
    timer_reset_all();
    loop_init();
    trace[0] = '\0';
}

static void ranks_and_marks(void **state)
{
    struct item a, b, x, y;

    (void)state;
    begin();
    item_init(&a, 'a', TASK_FRONT);
    item_init(&b, 'b', TASK_FRONT);
    item_init(&x, 'x', TASK_BACK);
    item_init(&y, 'y', TASK_BACK);
    loop_mark(&y.task);
    loop_mark(&b.task);
    loop_mark(&a.task);
    loop_mark(&b.task); /* once */
    loop_mark(&x.task);
    loop_unmark(&y.task);
    a.marks = &y.task; /* a back that a front marks is served in the same round */
    x.marks = &b.task; /* a front that a back marks: in the next */
    loop_pass(1000);
    assert_string_equal(trace, "baxyb");
    CHECK_INT(sim_now(), 0);
    sim_end();
}

/* A task that marks itself for ever does not hold up the loop, and the loop does not sleep over it. */
static void rounds_are_bounded(void **state)
{
    struct item a;

    (void)state;
    begin();
    item_init(&a, 'a', TASK_FRONT);
    a.marks = &a.task;
    loop_mark(&a.task);
    loop_pass(1000);
    CHECK_INT(a.runs, LOOP_ROUNDS);
    loop_pass(1000);
    CHECK_INT(a.runs, 2 * LOOP_ROUNDS);
    CHECK_INT(sim_now(), 0);
    a.marks = NULL;
    loop_pass(1000);
    loop_pass(1000);
    CHECK_INT(sim_now(), 1000);
    sim_end();
}

static void unmarking_within_a_round(void **state)
{
    struct item a, b;

    (void)state;
    begin();
    item_init(&a, 'a', TASK_FRONT);
    item_init(&b, 'b', TASK_FRONT);
    loop_mark(&b.task);
    loop_mark(&a.task);
    loop_unmark(&a.task);
    loop_unmark(&a.task);
    loop_pass(0);
    assert_string_equal(trace, "b");
    sim_end();
}

static void reclaims_come_last_and_once(void **state)
{
    struct item a, b;

    (void)state;
    begin();
    item_init(&a, 'a', TASK_BACK);
    item_init(&b, 'b', TASK_FRONT);
    loop_reclaim(&a.gone);
    loop_reclaim(&a.gone);
    loop_mark(&a.gone); /* not any more */
    loop_mark(&b.task);
    loop_mark(&b.gone);
    loop_reclaim(&b.gone); /* moves */
    loop_pass(0);
    assert_string_equal(trace, "bAB");
    loop_pass(0);
    assert_string_equal(trace, "bAB");
    sim_end();
}

/* ---- time ---- */

static struct timer_class tick_class;
static unsigned ticks;

static void tick(struct timer *timer)
{
    (void)timer;
    ticks++;
}

static void waits_for_timers(void **state)
{
    struct timer timer;

    (void)state;
    begin();
    timer_class_init(&tick_class, "tick", 70);
    timer_init(&timer, tick);
    ticks = 0;
    timer_set(&timer, &tick_class, loop_now());
    loop_pass(20);
    CHECK_INT(sim_now(), 20);
    CHECK_INT(loop_now(), 20);
    loop_pass(1000);
    CHECK_INT(sim_now(), 70);
    CHECK_INT(ticks, 1);
    loop_pass(30);
    CHECK_INT(sim_now(), 100);
    sim_end();
}

/* ---- connections ---- */

struct side {
    struct conn conn;
    struct link *link;
    unsigned calls, ready;
    struct conn *closes;
    struct conn *silences;
};

static void side_ready(struct watch *watch, unsigned ready)
{
    struct side *side = container_of(watch, struct side, conn.watch);

    side->calls++;
    side->ready |= ready;
    if (side->closes != NULL)
        conn_close(side->closes, false);
    if (side->silences != NULL)
        conn_interest(side->silences, 0);
}

static bool no_room;
static unsigned accepted;
static struct side sides[40];

static bool room(const struct listener_settings *settings)
{
    (void)settings;
    return !no_room;
}

static struct listener_settings listens;

static void take(const struct listener_settings *settings, port_handle handle, const struct port_addr *peer)
{
    (void)peer;
    CHECK(addr_eq(&settings->addr, &listens.addr));
    sides[accepted].conn.handle = PORT_NO_HANDLE;
    conn_open(&sides[accepted].conn, handle, side_ready);
    conn_interest(&sides[accepted].conn, PORT_READABLE);
    accepted++;
}

static const struct listener_ops listener_ops = {room, take};

static struct listener *listen_at(uint16_t port)
{
    listens.addr = sim_addr(0, 0, 0, 0, port);
    return listener_open(&listens, &listener_ops);
}

static void begin_listening(unsigned clients)
{
    begin();
    memset(sides, 0, sizeof(sides));
    accepted = 0;
    no_room = false;
    CHECK(listen_at(80) != NULL);
    for (unsigned i = 0; i < clients; i++)
        sides[i].link = sim_connect(80);
}

static void end_listening(void)
{
    listener_close_all();
    for (unsigned i = 0; i < ARRAY_SIZE(sides); i++) {
        if (i < accepted)
            conn_close(&sides[i].conn, false);
        if (sides[i].link != NULL)
            link_close(sides[i].link, PEER, false);
    }
    sim_end();
}

/* An event of a connection that an earlier event of the same pass closed, or that is not wanted any more, is not told.
 */
static void stale_events(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        begin_listening(2);
        loop_pass(0);
        CHECK_INT(accepted, 2);
        for (unsigned i = 0; i < 2; i++) {
            link_write(sides[i].link, PEER, "x", 1);
            sides[i].closes = kind == 0 ? &sides[1 - i].conn : NULL;
            sides[i].silences = kind == 1 ? &sides[1 - i].conn : NULL;
        }
        loop_pass(0);
        CHECK_INT(sides[0].calls + sides[1].calls, 1);
        CHECK_INT(conn_is_open(&sides[0].conn) + conn_is_open(&sides[1].conn), kind == 0 ? 1 : 2);
        end_listening();
    }
}

static void reads_and_writes(void **state)
{
    struct gather *gather;
    char buf[4];
    size_t n;

    (void)state;
    begin_listening(1);
    loop_pass(0);
    CHECK_INT(conn_local_port(&sides[0].conn), 80);
    conn_interest(&sides[0].conn, PORT_READABLE | PORT_WRITABLE);
    loop_pass(0);
    CHECK_INT(sides[0].ready, PORT_WRITABLE);
    gather = gather_begin();
    CHECK_INT(conn_write(&sides[0].conn, gather, &n), PORT_OK);
    CHECK_INT(n, 0);
    CHECK(gather_put(gather, "abc", 3));
    CHECK_INT(conn_write(&sides[0].conn, gather, &n), PORT_OK);
    CHECK_INT(n, 3);
    conn_shutdown(&sides[0].conn);
    CHECK_INT(link_read(sides[0].link, PEER, buf, 4, &n), PORT_OK);
    CHECK_INT(link_read(sides[0].link, PEER, buf, 4, &n), PORT_END);
    conn_close(&sides[0].conn, false);
    conn_close(&sides[0].conn, false);
    conn_interest(&sides[0].conn, PORT_READABLE);
    conn_shutdown(&sides[0].conn);
    CHECK_INT(conn_local_port(&sides[0].conn), 0);
    end_listening();
}

/* ---- listeners ---- */

static void accepts_in_batches(void **state)
{
    (void)state;
    begin_listening(40);
    loop_pass(0);
    CHECK_INT(accepted, 16);
    loop_pass(0);
    loop_pass(0);
    CHECK_INT(accepted, 40);
    end_listening();
}

static void rests_without_room(void **state)
{
    (void)state;
    begin_listening(2);
    no_room = true;
    loop_pass(100);
    loop_pass(100);
    CHECK_INT(accepted, 0);
    CHECK_INT(sim_now(), 100); /* it is not polled: the second pass slept */
    listener_resume();         /* too early: it rests again */
    loop_pass(100);
    loop_pass(100);
    CHECK_INT(sim_now(), 200);
    no_room = false;
    listener_resume();
    listener_resume();
    loop_pass(100);
    CHECK_INT(accepted, 2);
    end_listening();
}

/* The access log on "-", diagnostics on "". */
static void open_logs(void)
{
    static const struct log_target targets[LOG_STREAMS] = {
        [LOG_ACCESS] = {.to = {.kind = PORT_LOG_STDOUT}},
        [LOG_DIAG] = {.to = {.kind = PORT_LOG_STDERR}},
    };
    enum log_stream failed;

    CHECK(log_drain_open(targets, &failed));
}

/* Out of descriptors: one warning, and another attempt after a second. */
static void rests_when_the_platform_is_full(void **state)
{
    (void)state;
    begin_listening(1);
    open_logs();
    sim_fail_nth(1, SIM_ERROR);
    loop_pass(100);
    CHECK_INT(accepted, 0);
    while (sim_now() < 999)
        loop_pass((int)(999 - sim_now()));
    CHECK_INT(accepted, 0);
    CHECK(text_starts(sim_log(""), TEXT("warn listener: ")));
    loop_pass(10);
    loop_pass(0);
    CHECK_INT(accepted, 1);
    log_drain_close();
    end_listening();
}

static void all_listeners(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < LISTENER_SLOTS; i++)
        CHECK(listen_at((uint16_t)(100 + i)) != NULL);
    CHECK(listen_at(99) == NULL);
    CHECK_INT(listener_count(), LISTENER_SLOTS);
    listener_close_all();
    CHECK_INT(listener_count(), 0);
    listener_close_all();
    CHECK(listen_at(99) != NULL);
    CHECK(listen_at(99) == NULL); /* in use */
    CHECK_INT(port_error(), PORT_FAULT_IN_USE);
    listener_close_all();
    sim_end();
}

/* ---- the log ---- */

static void log_is_written_in_batches(void **state)
{
    char line[101];

    (void)state;
    begin();
    memset(line, 'x', sizeof(line));
    open_logs();
    loop_pass(1);
    CHECK_INT(sim_log_writes(), 0);
    while (log_pending() < (CONFIG_LOG_RING / 4 < 4096 ? CONFIG_LOG_RING / 4 : 4096))
        log_line(LOG_ACCESS, text_make(line, 100));
    loop_pass(1); /* enough for a write of its own */
    CHECK_INT(log_pending(), 0);
    log_line(LOG_ACCESS, text_make(line, 100));
    loop_pass(1); /* nothing else to do */
    CHECK_INT(log_pending(), 0);
    log_drain_close();
    sim_end();
}

/* Under load a few lines wait, but no longer than 100 ms. */
static void log_waits_under_load(void **state)
{
    uint64_t start;

    (void)state;
    begin_listening(1);
    loop_pass(0);
    open_logs();
    link_write(sides[0].link, PEER, "x", 1); /* nobody reads it: each pass is busy */
    start = sim_now();
    log_line(LOG_ACCESS, TEXT("line"));
    while (log_pending() > 0 && sim_now() < start + 1000) {
        loop_pass(0);
        sim_set_now(sim_now() + 1);
    }
    CHECK(sim_now() - start >= 100 && sim_now() - start <= 103);
    CHECK_INT(sim_log_writes(), 1);
    log_drain_close();
    end_listening();
}

/* Sinks that take nothing are left alone until they are writable, and then written to without delay. */
static void stuck_log_costs_nothing(void **state)
{
    char line[101];

    (void)state;
    begin_listening(1);
    loop_pass(0);
    sim.log_stuck = true;
    memset(line, 'x', sizeof(line));
    open_logs();
    while (log_line(LOG_ACCESS, text_make(line, 100)))
        continue;
    link_write(sides[0].link, PEER, "x", 1);
    for (unsigned i = 0; i < 1000; i++) {
        loop_pass(0);
        sim_set_now(sim_now() + 1);
    }
    CHECK_INT(sim_log_writes(), 1);
    sim.log_stuck = false;
    for (unsigned i = 0; i < 3; i++)
        loop_pass(0);
    CHECK_INT(log_pending(), 0);
    log_drain_close();
    end_listening();
}

/* One that is writable again and again is not written to more often than each 20 ms. */
static void slow_log_is_paced(void **state)
{
    char line[101];
    unsigned writes;

    (void)state;
    begin_listening(1);
    loop_pass(0);
    memset(line, 'x', sizeof(line));
    open_logs();
    sim.again_percent = 100;
    while (log_line(LOG_ACCESS, text_make(line, 100)))
        continue;
    link_write(sides[0].link, PEER, "x", 1);
    for (unsigned i = 0; i < 1000; i++) {
        loop_pass(0);
        sim_set_now(sim_now() + 1);
    }
    writes = sim_log_writes();
    CHECK(writes >= 40 && writes <= 51);
    sim.again_percent = 0;
    log_drain_close();
    end_listening();
}

/* The end waits for a sink that is full, but not for ever. */
static void last_lines_wait_a_moment(void **state)
{
    uint64_t start;

    (void)state;
    begin();
    open_logs();
    sim.log_stuck = true;
    log_line(LOG_ACCESS, TEXT("last"));
    start = sim_now();
    log_drain_close();
    CHECK(sim_now() - start >= 250 && sim_now() - start <= 252);
    sim.log_stuck = false;
    sim_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_and_marks),
        cmocka_unit_test(rounds_are_bounded),
        cmocka_unit_test(unmarking_within_a_round),
        cmocka_unit_test(reclaims_come_last_and_once),
        cmocka_unit_test(waits_for_timers),
        cmocka_unit_test(stale_events),
        cmocka_unit_test(reads_and_writes),
        cmocka_unit_test(accepts_in_batches),
        cmocka_unit_test(rests_without_room),
        cmocka_unit_test(rests_when_the_platform_is_full),
        cmocka_unit_test(all_listeners),
        cmocka_unit_test(log_is_written_in_batches),
        cmocka_unit_test(log_waits_under_load),
        cmocka_unit_test(stuck_log_costs_nothing),
        cmocka_unit_test(slow_log_is_paced),
        cmocka_unit_test(last_lines_wait_a_moment),
    };

    return CORE_RUN(tests);
}
