"""Real traffic of every kind through one proxy, by curl and h2load: what `make check-cross` shows of each architecture."""
import hashlib
import json
import re

import pytest

import behave
from procs import free_port, run

SMALL, LARGE = 1024, 2_000_000
TLS_CLIENTS = 8  # of h2load; the smallest build has room for them


@pytest.fixture
def origin(tmp_path, make_nghttpd):
    site = tmp_path / "site"
    site.mkdir()
    (site / "small").write_bytes(behave.pattern(SMALL))
    (site / "large").write_bytes(behave.pattern(LARGE))
    return make_nghttpd(site)


@pytest.fixture
def both(make_culvert, certs):
    """Makes a proxy that listens in clear and with TLS: both(backend)."""
    def make(backend):
        port = free_port()
        proxy = make_culvert(backend, f"Listen 127.0.0.1:{port} https", *certs.pair("good"), "MaxKeepAliveRequests 0",
                             release=True)
        proxy.urls = {"http": f"http://127.0.0.1:{proxy.port}", "https": f"https://127.0.0.1:{port}"}
        return proxy
    return make


def loaded(proxy, url, protocol, *options):
    """Runs h2load; every request must succeed. Its figures are printed."""
    done = run(["h2load", "-t1", *options, url])
    figures = re.findall(r"^(?:finished in|requests:|traffic:).*$", done.stdout, re.M)
    print(f"h2load {protocol}: " + "; ".join(figures))
    good = re.search(r"(\d+) total, .*?(\d+) succeeded, 0 failed, 0 errored, 0 timeout", done.stdout)
    assert good and good[1] == good[2], done.stdout + done.stderr + proxy.diagnostics()


@pytest.mark.parametrize("protocol,options", [
    ("http/1.1", ["--h1", "-c16", "-n2000"]), ("h2c", ["-c16", "-m32", "-n2000"]),
])
def test_load_in_clear(both, origin, protocol, options):
    proxy = both(origin)
    loaded(proxy, proxy.urls["http"] + "/small", protocol, *options)
    loaded(proxy, proxy.urls["http"] + "/large", protocol + ", 2 MB each", *options[:-1], "-n16")
    assert all(line.end == "--" for line in proxy.log_lines(2016))


@pytest.mark.parametrize("protocol,options", [
    ("https", ["--h1", f"-c{TLS_CLIENTS}", "-n400"]), ("h2", [f"-c{TLS_CLIENTS}", "-m32", "-n400"]),
])
def test_load_over_tls(both, origin, protocol, options):
    proxy = both(origin)
    loaded(proxy, proxy.urls["https"] + "/small", protocol, *options)
    loaded(proxy, proxy.urls["https"] + "/large", protocol + ", 2 MB each", *options[:-1], f"-n{TLS_CLIENTS}")
    assert all(line.end == "--" for line in proxy.log_lines(400 + TLS_CLIENTS))


@pytest.mark.parametrize("scheme,how,version", [
    ("http", "--http1.1", "1.1"), ("http", "--http2-prior-knowledge", "2"), ("https", "--http1.1", "1.1"),
    ("https", "--http2", "2"),
])
def test_curl_up_and_down(both, peer, certs, tmp_path, scheme, how, version):
    """Every byte arrives: up, of known length and not, and down."""
    proxy = both(peer)
    up, down = tmp_path / "up", tmp_path / "down"
    up.write_bytes(behave.pattern(LARGE))

    def curl(path, *more):
        done = run(["curl", "-sS", "--noproxy", "*", "--cacert", certs.path("ca.pem"), how, *more, "-o", str(down), "-w",
                    "%{http_version} %{response_code}", proxy.urls[scheme] + path])
        assert done.stdout == f"{version} 200", (done.stdout, done.stderr, proxy.diagnostics())
        return down.read_bytes()

    for more in ([], ["-H", "Content-Length:", "-H", "Transfer-Encoding: chunked"]):
        assert json.loads(curl("/echo", "-T", str(up), *more))["sha256"] == hashlib.sha256(up.read_bytes()).hexdigest()
    assert curl(f"/size/{LARGE}") == up.read_bytes()
    print(f"curl {scheme} {version}: {LARGE} bytes up, up in chunks, and down")
    assert [line.end for line in proxy.log_lines(3)] == ["--", "--", "--"]
