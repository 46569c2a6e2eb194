"""Balancers: shares, failover, sessions, health, with what each backend saw and what the log says."""
import random
import re
import signal
import socket
import threading
import time

from h2peer import Peer
from procs import Nghttpd, free_port, wait_until


def balanced(*members, keys="", path=""):
    """Configuration lines of a balancer; a member is a peer, or (port, keys)."""
    lines = ['<Proxy "balancer://app">']
    for member in members:
        port, own = member if isinstance(member, tuple) else (member.port, "")
        lines.append(f'    BalancerMember "h2c://127.0.0.1:{port}{path}" {own}')
    return [*lines, f"    ProxySet {keys}" if keys else "#", "</Proxy>", 'ProxyPass "/" "balancer://app/"']


def told(proxy, *words):
    """Waits for a line of the diagnostics."""
    wait_until(lambda: all(w in proxy.diagnostics() for w in words), lambda: f"{words} in {proxy.diagnostics()}")


def kill(peer):
    """Ends a peer as if its process were killed: held requests get no answer. stop() would give them one."""
    peer.stopping = True
    peer.listener.shutdown(socket.SHUT_RDWR)
    with peer.changed:
        for connection in peer.connections:
            connection.close()
    peer.listener.close()
    peer.gate.set()


def paths(peer):
    return [r.path for r in peer.requests]


def test_members_share_by_weight(make_peer, make_culvert):
    one, two = make_peer(), make_peer()
    proxy = make_culvert(None, *balanced((one.port, "loadfactor=3"), two))
    with proxy.client() as client:
        for n in range(12):
            assert client.get(f"/echo/{n}").status == 200
    assert (len(one.requests), len(two.requests)) == (9, 3)
    assert sorted(paths(one) + paths(two)) == sorted(f"/echo/{n}" for n in range(12))
    assert [n.backend for n in proxy.log_lines(12)].count(f"127.0.0.1:{one.port}") == 9


def test_a_dead_member_is_not_noticed(make_peer, make_culvert):
    alive, port = make_peer(), free_port()
    proxy = make_culvert(None, *balanced((port, ""), alive))
    with proxy.client() as client:
        for n in range(6):
            assert client.get(f"/echo/{n}").status == 200
    assert paths(alive) == [f"/echo/{n}" for n in range(6)]
    lines = proxy.log_lines(6)
    assert [n.retry for n in lines] == ["1:connect-refused"] + ["-"] * 5
    assert {(n.backend, n.end) for n in lines} == {(f"127.0.0.1:{alive.port}", "--")}
    told(proxy, f"notice balancer: balancer://app: 127.0.0.1:{port}: ejected: connect-refused")


def test_it_returns(make_peer, make_culvert):
    alive, port = make_peer(), free_port()
    proxy = make_culvert(None, *balanced((port, ""), alive))
    with proxy.client() as client:
        assert client.get("/echo/first").status == 200
        back = Peer(port=port)
        try:
            wait_until(lambda: client.get("/echo/more").status == 200 and back.requests, "the member's return")
            assert client.get("/echo/last").status == 200
            told(proxy, f"127.0.0.1:{port}: on trial", f"127.0.0.1:{port}: up again: it answered")
        finally:
            back.stop()


def test_all_dead(make_culvert):
    ports = [free_port() for _ in range(2)]
    proxy = make_culvert(None, *balanced(*[(port, "") for port in ports]))
    for n in range(3):
        answer = proxy.get(f"/echo/{n}")
        assert (answer.status, answer.get("retry-after")) == (503, "1")
        assert answer.body == b"503 Service Unavailable: no-member\n"
    lines = proxy.log_lines(3)
    assert {(n.status, n.end, n.reason) for n in lines} == {(503, "PK", "no-member")}
    told(proxy, *[f"{port}: ejected: connect-refused" for port in ports])


def test_killed_under_its_requests(make_peer, make_culvert):
    """What a dying member had may have been processed: 502, and nobody else gets it. What waited there goes on."""
    dying, alive = make_peer(max_concurrent_streams=2), make_peer()
    proxy = make_culvert(None, *balanced(dying, alive))
    assert [proxy.get("/echo").status for _ in range(2)] == [200, 200]
    clients = [proxy.client() for _ in range(12)]
    for n, client in enumerate(clients):
        client.send_head("GET", f"/hold/{n}")
    dying.wait(lambda: len(dying.requests) == 3 and len(alive.requests) == 7, "two held there, six here")
    kill(dying)
    alive.wait(lambda: len(alive.requests) == 11, "those that waited")
    alive.gate.set()
    statuses = [client.response().status for client in clients]
    held = {int(p.split("/")[-1]) for p in paths(dying) if "hold" in p}
    assert len(held) == 2
    assert [n for n, status in enumerate(statuses) if status == 502] == sorted(held)
    assert statuses.count(200) == 10
    assert not set(paths(dying)[1:]) & set(paths(alive))


def test_refused_streams_go_elsewhere(make_peer, make_culvert):
    one, two = make_peer(), make_peer()
    one.on("/full", lambda request: request.reset(7))
    two.on("/full", lambda request: request.answer(200, [], b"here"))
    proxy = make_culvert(None, *balanced(one, two))
    for n in range(4):
        assert proxy.get(f"/full?{n}").body == b"here"
    assert len(two.requests) == 4
    assert [n.retry for n in proxy.log_lines(4)].count("1:backend-refused") == len(one.requests) == 2
    assert "ejected" not in proxy.diagnostics()


def test_targets_of_members(make_peer, make_culvert):
    """The path of a member's URL goes before that of the route, also when the request moves."""
    alive = make_peer()
    alive.on("/two/base/x", lambda request: request.answer(200, [("location", f"http://127.0.0.1:{alive.port}/two/base/in")],
                                                    f"{request.path} {request.pseudo('authority')}".encode()))
    proxy = make_culvert(None, '<Proxy "balancer://app">', f"BalancerMember h2c://127.0.0.1:{free_port()}/one",
                         f"BalancerMember h2c://127.0.0.1:{alive.port}/two/", "</Proxy>",
                         "ProxyPass /app balancer://app/base", "ProxyPassReverse /app balancer://app/base")
    answer = proxy.get("/app/x?y=1")
    assert answer.body.decode() == f"/two/base/x?y=1 127.0.0.1:{alive.port}"
    assert answer.get("location") == f"http://{proxy.authority}/app/in"


def test_sessions(make_peer, make_culvert):
    one, two = make_peer(), make_peer()
    proxy = make_culvert(None, *balanced((one.port, "route=a"), (two.port, "route=b"), keys="stickycookie=ROUTEID"))
    for _ in range(4):
        cookie = proxy.get("/echo/new").get("set-cookie")
        assert re.fullmatch(r"ROUTEID=\.[ab]; Path=/; HttpOnly", cookie)
        peer = one if ".a" in cookie else two
        before = len(peer.requests)
        for _ in range(3):
            answer = proxy.get("/echo/old", [("Cookie", cookie.split(";")[0])])
            assert (answer.status, answer.get("set-cookie")) == (200, None)
        assert len(peer.requests) == before + 3
    assert len(one.requests) == len(two.requests) == 8


def test_a_session_whose_member_is_gone(make_peer, make_culvert):
    alive = make_peer()
    members = balanced((alive.port, "route=a"), (free_port(), "route=b"), keys="stickysession=SID|sid nofailover=On")
    proxy = make_culvert(None, *members)
    assert proxy.get("/echo", [("Cookie", "SID=1.b")]).status == 503
    assert proxy.get("/echo;sid=1.b").status == 503
    assert proxy.get("/echo;sid=1.a").status == 200
    assert proxy.get("/echo", [("Cookie", "SID=1.c")]).status == 200


def test_bad_answers_eject(make_peer, make_culvert):
    one, two = make_peer(), make_peer()
    proxy = make_culvert(None, *balanced(one, two, keys="maxfails=2"))
    statuses = [proxy.get("/status/500").status for _ in range(8)]
    assert statuses == [500] * 8
    assert (len(one.requests), len(two.requests)) == (2, 6)
    told(proxy, f"127.0.0.1:{one.port}: ejected: status 500")
    assert f"127.0.0.1:{two.port}: ejected" not in proxy.diagnostics()


def test_health_checks(make_peer, make_culvert):
    """A member whose check fails gets no client's request before its checks pass again."""
    one, two = make_peer(), make_peer()
    well = threading.Event()
    one.on("/health", lambda request: request.head(200 if well.is_set() else 503, [], end=True))
    two.on("/health", lambda request: request.head(204, [], end=True))
    keys = "hcmethod=GET hcuri=/health hcinterval=50ms hctimeout=5 hcpasses=2"
    proxy = make_culvert(None, *balanced((one.port, keys), (two.port, keys)))
    told(proxy, "ejected: the status of a check")
    for n in range(4):
        assert proxy.get(f"/echo/{n}").status == 200
    assert [p for p in paths(one) if p != "/health"] == []
    well.set()
    told(proxy, "up again: checks passed")
    for n in range(4):
        assert proxy.get(f"/echo/{n}").status == 200
    assert [p for p in paths(one) if p != "/health"] != []
    assert {r.method for r in one.requests if r.path == "/health"} == {"GET"}
    assert len(proxy.log_lines(8)) == 8  # checks are not logged


class Chaos:
    """nghttpd processes that are killed, paused and started again by a seed; number 0 always lives."""

    def __init__(self, directory, output, count, seed):
        self.directory, self.output, self.random = directory, output, random.Random(seed)
        self.servers = [self.start(None) for _ in range(count)]
        self.paused = set()

    def start(self, port):
        return Nghttpd(self.directory, self.output, port=port)

    def strike(self):
        n = self.random.randrange(1, len(self.servers))
        server = self.servers[n]
        if n in self.paused:
            self.paused.discard(n)
            server.process.popen.send_signal(signal.SIGCONT)
        elif self.random.random() < 0.5:
            server.process.end(signal.SIGKILL)
            self.servers[n] = self.start(server.port)
        else:
            self.paused.add(n)
            server.process.popen.send_signal(signal.SIGSTOP)

    def stop(self):
        for n in self.paused:
            self.servers[n].process.popen.send_signal(signal.SIGCONT)
        for server in self.servers:
            server.stop()


def test_chaos(tmp_path, make_culvert):
    """Real servers, killed and paused at random: every answer is whole and true, or an error that the log explains."""
    root = tmp_path / "www"
    root.mkdir()
    (root / "file").write_bytes(bytes(range(256)) * 400)
    chaos = Chaos(root, tmp_path / "nghttpd", 3, 7)
    counts = {}
    try:
        ports = [s.port for s in chaos.servers]
        proxy = make_culvert(None, *balanced(*[(p, "timeout=300ms connectiontimeout=200ms") for p in ports]))
        stop = threading.Event()

        def work():
            while not stop.is_set():
                answer = proxy.get("/file")
                counts[answer.status] = counts.get(answer.status, 0) + 1
                if answer.status == 200 and answer.complete:
                    assert answer.body == bytes(range(256)) * 400
        workers = [threading.Thread(target=work) for _ in range(6)]
        for worker in workers:
            worker.start()
        for _ in range(16):
            time.sleep(0.1)
            chaos.strike()
        wait_until(lambda: counts.get(200, 0) > 100, lambda: f"answers: {counts}")
        stop.set()
        for worker in workers:
            worker.join()
    finally:
        chaos.stop()
    lines = proxy.log_lines(sum(counts.values()))
    assert set(counts) <= {200, 502, 504}
    for line in lines:  # an error means that the request had left for a server
        assert line.status == 200 or (line.stream is not None and line.end[1] == "W"), line.text
    print("\nchaos:", dict(sorted(counts.items())), {n.retry for n in lines})
