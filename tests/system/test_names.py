"""Names of backends with a real resolver: what DNS servers do, the hosts file, and addresses that change."""
import pytest

import culvert
from dnspeer import NXDOMAIN, SERVFAIL, Dns
from procs import run, wait_until

NAME = "app.example"

pytestmark = pytest.mark.skipif("+CARES" not in run([culvert.RELEASE, "-V"]).stdout, reason="built without c-ares")


@pytest.fixture
def dns():
    server = Dns()
    yield server
    server.stop()


@pytest.fixture
def named(make_culvert, peer, dns):
    """A proxy in front of `peer` by NAME, which `dns` knows as its fields say."""
    def make(*lines, resolver=None, name=NAME, **answer):
        dns.set(name, **answer)
        return make_culvert(None, f"Resolver {resolver or f'127.0.0.1:{dns.port}'}", *lines,
                            f'ProxyPass "/" "h2c://{name}:{peer.port}/"')
    return make


def test_a_name(named, peer, dns):
    proxy = named(a=["127.0.0.1"])
    assert proxy.get("/echo").status == 200
    assert peer.last.pseudo("authority") == f"{NAME}:{peer.port}"
    assert proxy.log_line().backend == f"{NAME}:{peer.port}"
    assert f"notice names: {NAME}: 127.0.0.1" in proxy.diagnostics() or "names:" in proxy.diagnostics()
    assert dns.count(NAME) == 1


def test_a_cname(named):
    assert named(a=["127.0.0.1"], cname="real.example").get("/echo").status == 200


def test_tcp_when_the_answer_is_truncated(named, dns):
    assert named(a=["127.0.0.1"], truncated=True).get("/echo").status == 200
    assert {over_tcp for _, _, over_tcp in dns.asked} == {False, True}


def test_ipv6_is_tried_first_and_ipv4_is_there_at_once(named, peer):
    """Nobody listens on [::1] at the peer's port."""
    assert named(a=["127.0.0.1"], aaaa=["::1"]).get("/echo").status == 200
    assert len(peer.connections) == 1


def test_a_second_server_when_the_first_is_silent(named, make_culvert, dns):
    silent = Dns()
    silent.set(NAME, silent=True)
    try:
        proxy = named(resolver=f"127.0.0.1:{silent.port} 127.0.0.1:{dns.port}", a=["127.0.0.1"])
        assert proxy.get("/echo").status == 200
    finally:
        silent.stop()


@pytest.mark.once
@pytest.mark.parametrize("answer", [{"code": NXDOMAIN}, {"code": SERVFAIL}, {}, {"garbage": b"\x85\x80" + b"\xff" * 40}],
                         ids=["nxdomain", "servfail", "nodata", "garbage"])
def test_unknown_at_start(named, dns, answer):
    """It starts all the same, says 503, and serves as soon as the name is known."""
    proxy = named(**answer)
    answers = [proxy.get("/echo", [("X", "1")])] if "garbage" not in answer else []
    assert all(a.status == 503 for a in answers)
    if answers:
        assert proxy.log_line().reason == "name-unknown"
    dns.set(NAME, a=["127.0.0.1"])
    wait_until(lambda: proxy.get("/echo").status == 200, "the name to be known")


def test_a_silent_server_stops_nothing(named, make_peer, dns):
    """While the resolver waits the proxy serves others, and a stop does not wait for it."""
    other = make_peer()
    proxy = named(f'ProxyPass "/echo/other" "h2c://127.0.0.1:{other.port}/echo"', silent=True)
    wait_until(lambda: dns.asked, "a question")
    for _ in range(20):
        assert proxy.get("/echo/other").status == 200
    assert dns.count(NAME) <= 2


@pytest.mark.once
def test_a_new_address_after_its_time(named, peer, dns):
    """The TTL counts as NAME_TTL_MIN_S, 5 s. The connection to the old address is told to go."""
    proxy = named(a=["127.0.0.1"], ttl=1)
    assert proxy.get("/echo").status == 200
    dns.set(NAME, a=["127.0.0.9"], ttl=1)
    wait_until(lambda: peer.connections[0].closed, "the old connection to be closed")
    assert dns.count(NAME) == 2
    assert proxy.get("/echo").status == 502
    assert proxy.log_lines(2)[1].reason == "connect-refused"


def test_the_hosts_file(make_culvert, peer, dns):
    proxy = make_culvert(None, f"Resolver 127.0.0.1:{dns.port}", f'ProxyPass "/" "h2c://localhost:{peer.port}/"')
    assert proxy.get("/echo").status == 200
    assert dns.asked == []
