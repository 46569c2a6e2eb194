"""SIGHUP: the configuration is read again under load, without a request that fails. SIGTERM and SIGINT."""
import http.client
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest

from procs import free_port, mapped_kib, program, wait_until

SECONDS = 20
INTERVAL = 0.2
READ_AGAIN = "the configuration was read again"
WRONG = ["ProxyPas / nowhere"]


class Reloading:
    """A proxy whose configuration is written anew: reload(lines, said) waits for what the log says."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.head = proxy.conf.read_text().splitlines()[:3]  # Listen, CustomLog, LogLevel

    def write(self, *lines):
        self.proxy.conf.write_text("\n".join([*self.head, *lines]) + "\n")

    def ask(self):
        self.proxy.process.popen.send_signal(signal.SIGHUP)

    def reload(self, *lines, said=READ_AGAIN):
        before = self.proxy.diagnostics().count(said)
        self.write(*lines)
        self.ask()
        wait_until(lambda: self.proxy.diagnostics().count(said) > before,
                   lambda: f"'{said}' in the log:\n{self.proxy.diagnostics()[-2000:]}")


@pytest.fixture
def reloading(make_culvert):
    """Makes a proxy with these lines, to be reloaded."""
    return lambda *lines, **more: Reloading(make_culvert(None, *lines, **more))


def to(peer, keys="", path="/"):
    return f'ProxyPass "{path}" "h2c://127.0.0.1:{peer.port}{path}" {keys}'


# under load --------------------------------------------------------------------------------------------------


def load(clients, rate, *options, url):
    """So many clients, each with `rate` requests a second: a number of requests, since h2load leaves some unanswered when
    it ends after a time."""
    return subprocess.Popen([program("h2load"), "-t1", f"-c{clients}", f"--rps={rate}",
                             f"-n{clients * rate * (SECONDS - 1)}", *options, url],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def failures(process):
    """What h2load says of requests that did not succeed; it must have made some."""
    text, _ = process.communicate(timeout=60)
    found = re.search(r"(\d+) total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
    assert found and int(found[2]) > 500, text
    return [] if found[3] == found[4] == found[5] == "0" else [text]


def fresh(proxy, tls_port, turn):
    """A request on a connection of its own, by turns in clear and over TLS."""
    if turn % 2:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", tls_port, timeout=20, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    connection.request("GET", "/1k")
    assert connection.getresponse().status == 200
    connection.close()


def test_every_200_ms_under_load(reloading, make_nghttpd, certs, tmp_path):
    """Backends that stay, that have other keys, that come and go, members of a balancer, a listener, and every seventh
    configuration is wrong: no request fails, and no memory is asked for."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "1k").write_bytes(b"x" * 1024)
    one, two = make_nghttpd(tmp_path / "site"), make_nghttpd(tmp_path / "site")
    tls_port, more_port = free_port(), free_port()
    always = [f"Listen 127.0.0.1:{tls_port} https", *certs.pair("good"), "MaxKeepAliveRequests 0"]
    balancer = ["BalancerMember balancer://b h2c://127.0.0.1:%d" % origin.port for origin in (one, two)]
    variants = [
        [to(one)],
        [to(one), "KeepAliveTimeout 30", "ProxyTimeout 60"],
        [to(two, "max=3")],
        ["ProxyPass / balancer://b/", *balancer],
        ["ProxyPass / balancer://b/", balancer[0], "ProxySet balancer://b lbmethod=bybusyness"],
        [to(two, "max=2 ttl=1"), f"Listen 127.0.0.1:{more_port}"],
        WRONG,
    ]
    site = reloading(*always, *variants[0], release=True)
    proxy = site.proxy
    fresh(proxy, tls_port, 1)
    loads = [load(8, 25, "--h1", url=proxy.url("/1k")), load(4, 60, "-m8", url=proxy.url("/1k")),
             load(4, 25, "--h1", url=f"https://127.0.0.1:{tls_port}/1k"),
             load(4, 60, "-m8", url=f"https://127.0.0.1:{tls_port}/1k")]
    begun = time.monotonic()
    mapped = mapped_kib(proxy.pid)
    turn = 0
    while time.monotonic() < begun + SECONDS:
        variant = variants[turn % len(variants)]
        site.reload(*always, *variant, said=READ_AGAIN if variant != WRONG else "the configuration stays as it was")
        fresh(proxy, tls_port, turn)
        turn += 1
        time.sleep(max(0, begun + turn * INTERVAL - time.monotonic()))
    assert [text for process in loads for text in failures(process)] == []
    assert mapped_kib(proxy.pid) == mapped
    assert turn > 3 * len(variants)
    proxy.stop()
    assert [line for line in proxy.written() if not line.endswith(" --")] == []


# what changes and what stays ---------------------------------------------------------------------------------


def test_what_runs_finishes(reloading, make_peer):
    """A download goes on at a backend that is gone, which is told goodbye; who comes next goes to the new one."""
    old, new = make_peer(), make_peer()
    site = reloading(to(old))
    with site.proxy.client() as slow, site.proxy.client() as other:
        slow.send("GET /slow/100 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: old.requests, "the request")
        site.reload(to(new))
        assert other.get("/size/10").status == 200
        answer = slow.response()
        assert answer.status == 200 and answer.complete
        assert slow.get("/size/20").status == 200
    wait_until(lambda: "gone" in site.proxy.diagnostics(), "the end of the old backend")
    assert len(old.requests) == 1 and len(new.requests) == 2


def test_connection_stays(reloading, peer):
    """The same backend keeps its connection: its local port is the same in all lines, R behind the first."""
    site = reloading(to(peer))
    site.proxy.get("/size/1")
    for n in range(3):
        site.reload(to(peer), f"KeepAliveTimeout {n + 10}", f'Listen 127.0.0.1:{free_port()}')
        site.proxy.get("/size/1")
    lines = site.proxy.log_lines(4)
    assert len({line.local_port for line in lines}) == 1
    assert [line.reuse for line in lines] == ["N", "R", "R", "R"]


def test_wrong_configuration(reloading, peer):
    site = reloading(to(peer))
    site.reload(to(peer), "Timeout never", said="the configuration stays as it was: 1 errors")
    assert re.search(r"error reload: .*culvert\.conf:5: Timeout: 'never': expected a time", site.proxy.diagnostics())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site.reload(to(peer), f"Listen 127.0.0.1:{taken.getsockname()[1]}", said="the configuration stays as it was")
        wait_until(lambda: "address in use" in site.proxy.diagnostics(), "the reason")
    site.reload(to(peer), f'CustomLog "{site.proxy.directory}/none/access.log"', said="none/access.log: ")
    site.proxy.conf.unlink()
    site.ask()
    wait_until(lambda: "cannot be read" in site.proxy.diagnostics(), "the fault")
    assert site.proxy.get("/size/10").status == 200


def test_log_file_is_opened_anew(reloading, peer):
    site = reloading(to(peer))
    site.proxy.get("/size/1")
    site.proxy.log_line()
    site.proxy.log.rename(site.proxy.directory / "old.log")
    site.reload(to(peer))
    site.proxy.get("/size/2")
    assert site.proxy.log_line().path.endswith("/size/2")
    site.proxy.log.rename(site.proxy.directory / "old.log")
    site.reload(*WRONG, said="the configuration stays as it was")
    wait_until(site.proxy.log.exists, "the new file, whatever the configuration is")
    site.proxy.get("/size/3")
    assert site.proxy.log_line().path.endswith("/size/3")


def test_log_format_changes(reloading, peer):
    """Also for a request that runs, whose fields were noted for the format before. The same format keeps them."""
    old, new = 'LogFormat "old %U %{X-A}i %{Content-Type}o"', 'LogFormat "%{Host}i %U %{X-B}i"'
    site = reloading(to(peer), old)
    with site.proxy.client() as moves, site.proxy.client() as stays:
        stays.send("GET /slow/50 HTTP/1.1\r\nHost: a\r\nX-A: one\r\n\r\n")
        wait_until(lambda: len(peer.requests) == 1, "the first request")
        site.reload(to(peer), old, "KeepAliveTimeout 7")
        assert stays.response().complete
        wait_until(lambda: site.proxy.log.read_text().startswith("old /slow/50 one "), site.proxy.log.read_text)
        moves.send("GET /slow/60 HTTP/1.1\r\nHost: a\r\nX-A: one\r\n\r\n")
        wait_until(lambda: len(peer.requests) == 2, "the second request")
        site.reload(to(peer), new)
        assert moves.response().complete
        moves.send("GET /size/1 HTTP/1.1\r\nHost: a\r\nX-B: two\r\n\r\n")
        assert moves.response().complete
    wait_until(lambda: site.proxy.log.read_text().splitlines()[1:] == ["a /slow/60 -", "a /size/1 two"], site.proxy.log.read_text)


def test_include_is_read_again(reloading, peer):
    site = reloading(to(peer, path="/size/"))
    (site.proxy.directory / "more.conf").write_text(to(peer) + "\n")
    assert site.proxy.get("/status/204").status == 404
    site.reload("Include more.conf")
    assert site.proxy.get("/status/204").status == 204


# the end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["deadline", "second", "at once"])
def test_stop(reloading, peer, how):
    """SIGTERM waits for what runs, as long as GracefulShutdownTimeout says or until a second one; SIGINT does not wait."""
    site = reloading(to(peer), f"GracefulShutdownTimeout {1 if how == 'deadline' else 60}")
    with site.proxy.client() as client:
        client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: peer.requests, "the request")
        begun = time.monotonic()
        site.proxy.process.popen.send_signal(signal.SIGINT if how == "at once" else signal.SIGTERM)
        if how == "second":
            wait_until(lambda: "draining" in site.proxy.diagnostics(), "the first signal")
            site.proxy.process.popen.send_signal(signal.SIGTERM)
        assert site.proxy.process.wait(10)
        assert site.proxy.process.popen.returncode == 0
        assert how != "deadline" or time.monotonic() - begun >= 1
    assert site.proxy.log_line().reason == "stopped"


def test_reload_while_draining_is_left_alone(reloading, peer):
    site = reloading(to(peer))
    with site.proxy.client() as client:
        client.send("GET /slow/50 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: peer.requests, "the request")
        site.proxy.process.popen.send_signal(signal.SIGTERM)
        wait_until(lambda: "draining" in site.proxy.diagnostics(), "the drain")
        site.ask()
        assert client.response().complete
    assert site.proxy.process.wait(10)
    assert READ_AGAIN not in site.proxy.diagnostics()
