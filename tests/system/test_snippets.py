"""httpd configurations as people write them, read unchanged (with the schemes that HTTP/2 has), and what comes of them.

Their names are known to a DNS server of the test, at loopback addresses of their own: so they can have the ports 80 and
443 that the snippets mean."""
import random
import socket

import pytest

import culvert
from dnspeer import Dns
from procs import Process, program, run

FRONT = "www.example.com"


def may_bind():
    try:
        with socket.socket() as s:
            s.bind((address(), 80))
        return True
    except PermissionError:
        return False


def address():
    """A loopback address that nobody else uses."""
    return f"127.{random.randrange(2, 250)}.{random.randrange(250)}.{random.randrange(2, 250)}"


pytestmark = [
    pytest.mark.skipif("+CARES" not in run([culvert.RELEASE, "-V"]).stdout, reason="built without c-ares"),
    pytest.mark.skipif(not may_bind(), reason="ports below 1024 need a right"),
]


class Site:
    """A proxy with a snippet, and origins by name."""

    def __init__(self, make_culvert, make_peer):
        self.dns = Dns()
        self.make_culvert, self.make_peer = make_culvert, make_peer
        self.origins = {}

    def origin(self, name, port=80):
        """A scripted origin at a name."""
        at = address()
        self.dns.set(name, a=[at])
        self.origins[name] = self.make_peer(host=at, port=port)
        return self.origins[name]

    def start(self, snippet, *lines):
        """The snippet is taken without an error."""
        proxy = self.make_culvert(None, f"Resolver 127.0.0.1:{self.dns.port}", *lines, *snippet.strip().splitlines())
        assert " error: " not in proxy.diagnostics()
        return proxy


@pytest.fixture
def site(make_culvert, make_peer):
    it = Site(make_culvert, make_peer)
    yield it
    it.dns.stop()


def get(proxy, path, host=FRONT, **more):
    with proxy.client() as client:
        return client.get(path, host=host, **more)


def test_h2c_with_reverse(site):
    """The first example of mod_proxy_http2, in clear."""
    origin = site.origin("app.example.com")
    proxy = site.start("""
ProxyPass "/app" "h2c://app.example.com"
ProxyPassReverse "/app" "http://app.example.com"
""")
    origin.on("/x", lambda r: r.answer(302, [("location", "http://app.example.com/login?a")], b""))
    answer = get(proxy, "/app/x")
    assert (answer.status, answer.get("location")) == (302, f"http://{FRONT}/app/login?a")
    assert (origin.last.path, origin.last.pseudo("authority")) == ("/x", "app.example.com")
    assert get(proxy, "/other").status == 404


def test_h2_with_reverse(site, certs, tmp_path):
    """The same over TLS; beside it only where the test's CA is."""
    at = address()
    site.dns.set("app.example.com", a=[at])
    if not (tmp_path / "www").exists():
        (tmp_path / "www" / "sub").mkdir(parents=True)
        (tmp_path / "www" / "hello").write_text("hello over TLS")
    certs.leaf("app", "DNS:app.example.com")
    origin = Process([program("nghttpd"), "-a", at, "-n1", "-d", str(tmp_path / "www"), "443", certs.path("app.key"),
                      certs.path("app.pem")], tmp_path / "nghttpd")
    try:
        assert origin.wait_listening(443), origin.text()
        proxy = site.start("""
ProxyPass "/app" "h2://app.example.com"
ProxyPassReverse "/app" "https://app.example.com"
""", f'SSLProxyCACertificateFile "{certs.path("ca")}.pem"')
        answer = get(proxy, "/app/hello")
        assert (answer.status, answer.body) == (200, b"hello over TLS")
        answer = get(proxy, "/app/sub")
        assert (answer.status, answer.get("location")) == (301, f"http://{FRONT}/app/sub/")
    finally:
        origin.end()


def test_the_whole_site(site):
    """What most sites have: all of one backend, which hears the client's Host."""
    origin = site.origin("backend.example.com")
    proxy = site.start("""
ServerName www.example.com
ProxyRequests Off
ProxyPreserveHost On
ProxyPass / h2c://backend.example.com/
ProxyPassReverse / http://backend.example.com/
""")
    origin.on("/a/b", lambda r: r.answer(301, [("location", "http://backend.example.com/c/")], b""))
    assert get(proxy, "/a/b").get("location") == f"http://{FRONT}/c/"
    assert origin.last.pseudo("authority") == FRONT
    assert ("x-forwarded-host", FRONT) in origin.last.headers


def test_trailing_slashes(site):
    """httpd's own example: the path is replaced, and the one without the slash is not passed on."""
    origin = site.origin("backend.example.com")
    proxy = site.start("""
ProxyPass "/mirror/foo/" "h2c://backend.example.com/"
ProxyPassReverse "/mirror/foo/" "http://backend.example.com/"
""")
    origin.on("/bar", lambda r: r.answer(302, [("location", "http://backend.example.com/quux")], b""))
    assert get(proxy, "/mirror/foo/bar").get("location") == f"http://{FRONT}/mirror/foo/quux"
    assert origin.last.path == "/bar"
    assert get(proxy, "/mirror/foo").status == 404
    assert get(proxy, "/mirror/foobar").status == 404


def test_exclusions(site):
    """From httpd's documentation; the excluded paths are nobody's here."""
    origin = site.origin("backend.example.com")
    proxy = site.start("""
ProxyPass "/mirror/foo/i" "!"
ProxyPass "/mirror/foo" "h2c://backend.example.com"
""")
    assert get(proxy, "/mirror/foo/i/x").status == 404
    assert get(proxy, "/mirror/foo/echo").status == 200
    assert origin.last.path == "/echo"
    assert len(origin.requests) == 1


def test_several_paths_with_worker_keys(site):
    """Keys that httpd's worker has are taken, also those without a meaning here."""
    app, static = site.origin("app.example.com", 8080), site.origin("static.example.com", 8081)
    proxy = site.start("""
ProxyPass "/static/" "h2c://static.example.com:8081/" max=20 ttl=120 retry=300
ProxyPass "/example" "h2c://app.example.com:8080" connectiontimeout=5 timeout=30 keepalive=On flushpackets=on nocanon
ProxyTimeout 300
""")
    assert get(proxy, "/static/echo").status == get(proxy, "/example/echo").status == 200
    assert (static.last.path, app.last.path) == ("/echo", "/echo")


def test_a_balancer(site):
    """httpd's example of a cluster; requests are spread evenly."""
    nodes = [site.origin("node1.example.com"), site.origin("node2.example.com")]
    proxy = site.start("""
<Proxy "balancer://mycluster">
    BalancerMember "h2c://node1.example.com:80"
    BalancerMember "h2c://node2.example.com:80"
</Proxy>
ProxyPass        "/test" "balancer://mycluster"
ProxyPassReverse "/test" "balancer://mycluster"
""")
    for node in nodes:
        node.on("/x", lambda r: r.answer(302, [("location", f"http://{r.pseudo('authority')}/y")], b""))
    assert {get(proxy, "/test/x").get("location") for _ in range(4)} == {f"http://{FRONT}/test/y"}
    assert [len(node.requests) for node in nodes] == [2, 2]


def test_a_sticky_balancer(site):
    """Sessions of an application server stay where they began."""
    nodes = {n: site.origin(f"{n}.example.com", 8080) for n in ("node1", "node2")}
    proxy = site.start("""
<Proxy balancer://app>
    BalancerMember h2c://node1.example.com:8080 route=node1 loadfactor=1
    BalancerMember h2c://node2.example.com:8080 route=node2 loadfactor=1
    ProxySet stickysession=JSESSIONID|jsessionid scolonpathdelim=On lbmethod=byrequests
</Proxy>
ProxyPass / balancer://app/
""")
    for n, node in nodes.items():
        for _ in range(3):
            assert get(proxy, "/echo", headers=[("Cookie", f"a=b; JSESSIONID=1234.{n}")]).status == 200
        assert len(node.requests) == 3
    assert get(proxy, "/echo;jsessionid=5.node2").status == 200
    assert nodes["node2"].last.path == "/echo;jsessionid=5.node2"
    assert len(nodes["node2"].requests) == 4


def test_told_that_tls_ended_here(site):
    """The fields that applications look at."""
    origin = site.origin("backend.example.com")
    proxy = site.start("""
RequestHeader set X-Forwarded-Proto "https"
RequestHeader set X-Forwarded-Port "443"
RequestHeader unset Proxy
ProxyPass / h2c://backend.example.com/
""")
    answer = get(proxy, "/echo", headers=[("X-Forwarded-Proto", "gopher"), ("Proxy", "evil")])
    assert answer.status == 200
    fields = origin.last.fields
    assert [v for n, v in fields if n == "x-forwarded-proto"] == ["https"]
    assert [v for n, v in fields if n == "x-forwarded-port"] == ["443"]
    assert not [v for n, v in fields if n == "proxy"]


def test_tls_front_with_hsts(site, certs, tmp_path):
    """As configuration generators write it; the listener's port is the test's."""
    site.origin("backend.example.com")
    port = culvert.free_port()
    for kind in ("pem", "key"):
        (tmp_path / f"www.{kind}").write_bytes(open(certs.path(f"good.{kind}"), "rb").read())
    proxy = site.start(f"""
Listen 127.0.0.1:{port} https
SSLEngine on
SSLCertificateFile    {tmp_path}/www.pem
SSLCertificateKeyFile {tmp_path}/www.key
Protocols h2 http/1.1
SSLProtocol             -all +TLSv1.2 +TLSv1.3
SSLCipherSuite          ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256
SSLHonorCipherOrder     off
SSLSessionTickets       off
Header always set Strict-Transport-Security "max-age=63072000; includeSubDomains; preload"
Header unset Server
ProxyPass / h2c://backend.example.com/
""")
    done = run(["curl", "-sS", "--noproxy", "*", "--cacert", f"{certs.path('ca')}.pem", "-D-", "-o", "/dev/null", "--resolve",
                f"localhost:{port}:127.0.0.1", f"https://localhost:{port}/echo"])
    assert done.returncode == 0, done.stderr
    head = done.stdout.lower().splitlines()
    assert head[0].startswith("http/2 200")
    assert "strict-transport-security: max-age=63072000; includesubdomains; preload" in head
    assert not [line for line in head if line.startswith("server:")]
    proxy.stop()


def test_cookies(site):
    """Paths and domains, from httpd's documentation."""
    origin = site.origin("backend.example.com")
    proxy = site.start("""
ProxyPass "/mirror/foo/" "h2c://backend.example.com/"
ProxyPassReverse "/mirror/foo/" "http://backend.example.com/"
ProxyPassReverseCookieDomain  "backend.example.com"  "public.example.com"
ProxyPassReverseCookiePath  "/"  "/mirror/foo/"
""")
    origin.on("/x", lambda r: r.answer(200, [("set-cookie", "a=b; Domain=backend.example.com; Path=/; HttpOnly")], b""))
    assert get(proxy, "/mirror/foo/x").get("set-cookie") == \
        "a=b; Domain=public.example.com; Path=/mirror/foo/; HttpOnly"


def test_limits_and_times(site):
    """An upload that is too large, and a backend that is too slow."""
    origin = site.origin("backend.example.com")
    proxy = site.start("""
LimitRequestBody 102400
LimitRequestFields 50
Timeout 60
ProxyTimeout 300
KeepAliveTimeout 5
MaxKeepAliveRequests 100
RequestReadTimeout header=20-40,MinRate=500 body=20,MinRate=500
ProxyPass "/slow/" "h2c://backend.example.com/" timeout=1
""")
    with proxy.client() as client:
        client.send(b"POST /slow/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 102401\r\n\r\n")
        assert client.response().status == 413
    assert get(proxy, "/slow/never").status == 504
    assert len(origin.requests) == 1


def test_what_httpd_says_of_itself(site):
    """Via, and fields that hide what is behind."""
    origin = site.origin("backend.example.com")
    proxy = site.start("""
ServerName www.example.com
ProxyVia On
Header always set X-Frame-Options "SAMEORIGIN"
Header always unset X-Powered-By
ProxyPass / h2c://backend.example.com/
""")
    origin.on("/x", lambda r: r.answer(200, [("x-powered-by", "PHP")], b""))
    answer = get(proxy, "/x")
    assert answer.get("x-frame-options") == "SAMEORIGIN"
    assert answer.get("x-powered-by") is None
    assert answer.get("via") == "2.0 www.example.com"
    assert ("via", "1.1 www.example.com") in origin.last.headers
