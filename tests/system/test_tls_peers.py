"""The handshake with everybody: clients and backends of every TLS library at hand, and certificates of every kind.

Each program is started once for all tests of this file, and so is Culvert, in three roles: for everybody (`open_front`),
for clients with certificates (`strict_front`), and with a ProxyPass to every backend (`behind`)."""
import os
import re
import subprocess
import tempfile

import pytest

from culvert import RELEASE, Culvert
from nodepeer import Node
from procs import Nghttpd, Process, connected_to, free_port, program, run, wait_until
from test_node import QUIET

pytestmark = pytest.mark.xdist_group("tls-peers")

BODY = b"x" * 1024
PAGE = b'<html><body><img src="/1k"><script>document.body.dataset.ran = "yes"</script></body></html>'
VERSIONS = ("h1", "h2")
REASONS = {"expired": "certificate expired", "future": "certificate not yet valid",
           "wrong-name": "certificate has another name", "self-signed": "self-signed certificate",
           "unknown-ca": "unknown CA", "revoked": "certificate revoked"}
# What the client may be told: the alerts' numbers and the libraries' words for them (RFC 8446 6.2; curl: "verification failed").
ALERTS = re.compile(r"alert|certificate (expired|revoked|unknown|required|verification failed)|bad certificate|unknown CA", re.I)
# mbedTLS 3.6 seals alerts with the handshake's keys when the client has the next ones (RFC 8446 7.1).
TLS13 = "mbedTLS 3" in run([RELEASE, "-V"]).stdout
UNREADABLE = re.compile(r"bad record mac|Decryption has failed", re.I)
# What the log says of clients that refuse the proxy's certificate.
LEFT = re.compile(r"client 127.0.0.1: the handshake failed: (its alert (42|44|45|46|48|51) \w*|(closed|reset) in the handshake)\n")


# what is started once --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tls-peers")


@pytest.fixture(scope="module")
def site():
    """Where everybody may read: httpd changes its user."""
    with tempfile.TemporaryDirectory(prefix="culvert-site-") as site:
        os.chmod(site, 0o755)
        for name, body in (("1k", BODY), ("page", PAGE)):
            with open(os.path.join(site, name), "wb") as file:
                file.write(body)
        yield site


@pytest.fixture(scope="module")
def node(folder):
    both = Node("tls.js", folder)
    yield both
    both.stop()


@pytest.fixture(scope="module")
def make_front(folder, site, certs):
    """Makes proxies with https in front of nghttpd: make_front("Directive", ...)."""
    origin = Nghttpd(site, folder / "origin")
    running = []

    def make(*lines, names=("good", "rsa")):
        directory = folder / f"front{len(running)}"
        directory.mkdir()
        port = free_port()
        pairs = [line for name in names for line in certs.pair(name)]
        running.append(Culvert(directory, [f"Listen 127.0.0.1:{port} https", *pairs, *lines,
                                           f'ProxyPass "/" "h2c://127.0.0.1:{origin.port}/"']))
        running[-1].tls_port = port
        return running[-1]
    yield make
    try:
        for one in running:
            one.stop()
    finally:
        origin.stop()


@pytest.fixture(scope="module")
def open_front(make_front):
    return make_front()


@pytest.fixture(scope="module")
def strict_front(make_front, certs):
    return make_front("SSLVerifyClient require", f'SSLCACertificateFile "{certs.path("ca.pem")}"',
                      f'SSLCARevocationFile "{certs.path("ca.crl")}"')


# clients -----------------------------------------------------------------------------------------------------


class Clients:
    """Each method makes one GET /1k, and returns (whether all of it came, what it said of itself). `mine` is the path of
    the client's certificate, without .pem and .key. All but nghttp and h2load look at the proxy's certificate."""

    def __init__(self, certs, node):
        self.ca, self.crl = certs.path("ca.pem"), certs.path("ca.crl")
        self.node = node

    def curl(self, port, version, mine):
        own = ["--cert", mine + ".pem", "--key", mine + ".key"] if mine else []
        done = run(["curl", "-sS", "--noproxy", "*", "--cacert", self.ca, "--crlfile", self.crl,
                    "--http2" if version == "h2" else "--http1.1", *own, f"https://localhost:{port}/1k"])
        return done.stdout.encode() == BODY, done.stderr

    def openssl(self, port, version, mine):
        """HTTP/2 is a preface and a GET in HPACK, put together by hand."""
        own = ["-cert", mine + ".pem", "-key", mine + ".key"] if mine else []
        argv = ["openssl", "s_client", "-quiet", "-verify_quiet", "-connect", f"127.0.0.1:{port}", "-servername", "localhost",
                "-CAfile", self.ca, "-crl_check", "-CRL", self.crl, "-verify_return_error", "-verify_hostname", "localhost", "-alpn",
                "h2" if version == "h2" else "http/1.1", *own]
        return self.typed(argv, version)

    def gnutls(self, port, version, mine):
        own = ["--x509certfile", mine + ".pem", "--x509keyfile", mine + ".key"] if mine else []
        argv = ["gnutls-cli", "-p", str(port), "--x509cafile", self.ca, "--x509crlfile", self.crl, "--alpn",
                "h2" if version == "h2" else "http/1.1", "--logfile", "/dev/stderr", *own, "localhost"]
        return self.typed(argv, version)

    def nghttp(self, port, version, mine):
        own = ["--cert", mine + ".pem", "--key", mine + ".key"] if mine else []
        done = run(["nghttp", *own, f"https://localhost:{port}/1k"])
        return done.stdout.encode() == BODY, done.stdout + done.stderr

    def h2load(self, port, version, mine):
        done = run(["h2load", "-n4", "-c2", "-t1", *(["--h1"] if version == "h1" else []), f"https://localhost:{port}/1k"])
        return "4 succeeded" in done.stdout, done.stdout + done.stderr

    def nodejs(self, port, version, mine):
        own = {"cert": mine + ".pem", "key": mine + ".key"} if mine else {}
        seen = self.node.call("get", version=version, port=port, path="/1k", ca=self.ca, crl=self.crl, **own)
        return seen.get("status") == 200 and seen["size"] == len(BODY), str(seen)

    @staticmethod
    def typed(argv, version):
        """A client whose user types the request, and who ends when the response is whole."""
        with subprocess.Popen([program(argv[0]), *argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, bufsize=0) as popen:  # what was not taken is not written again at the end
            got = b""
            try:
                popen.stdin.write(h2_get() if version == "h2" else b"GET /1k HTTP/1.1\r\nHost: localhost\r\n\r\n")
                while BODY not in got:
                    more = os.read(popen.stdout.fileno(), 65536)
                    if not more:
                        break
                    got += more
            except BrokenPipeError:  # it ended before it was typed to
                pass
            popen.kill()
            return BODY in got, popen.stderr.read().decode(errors="replace")


def h2_get():
    """The preface, empty SETTINGS, and GET /1k on stream 1 (RFC 9113 3.4, RFC 7541)."""
    block = b"\x82\x87" + b"\x04\x03/1k" + b"\x01\x09localhost"
    return (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0" +
            len(block).to_bytes(3, "big") + b"\x01\x05\0\0\0\x01" + block)


@pytest.fixture(scope="module")
def clients(certs, node):
    return Clients(certs, node)


WHO = [(who, version) for who in ("curl", "openssl", "gnutls", "nghttp", "h2load", "nodejs") for version in VERSIONS
       if (who, version) != ("nghttp", "h1")]


@pytest.mark.parametrize("who, version", WHO)
def test_client(open_front, clients, who, version):
    before = len(open_front.written())
    whole, said = getattr(clients, who)(open_front.tls_port, version, None)
    assert whole, said
    for line in open_front.log_lines(before + 1)[before:]:
        assert (line.proto, line.status, line.bytes) == (version, 200, len(BODY)), line.text


@pytest.mark.parametrize("kind", ["client", None, "expired", "future", "self-signed", "unknown-ca", "revoked"])
@pytest.mark.parametrize("who, version", [w for w in WHO if w[0] != "h2load"])
def test_client_certificate(strict_front, clients, certs, who, version, kind):
    """The good one gets its answer; the others an alert, and the reason is in the log."""
    before = len(strict_front.diagnostics())
    whole, said = getattr(clients, who)(strict_front.tls_port, version, certs.path(kind) if kind else None)
    assert whole == (kind == "client"), said
    if whole:
        return
    reason = REASONS[kind] if kind else "no certificate"
    wait_until(lambda: f"client 127.0.0.1: the handshake failed: {reason}\n" in strict_front.diagnostics()[before:],
               lambda: f"{reason} in {strict_front.diagnostics()[before:]}")
    assert ALERTS.search(said) or who == "nghttp" or (TLS13 and UNREADABLE.search(said)), said


@pytest.fixture(scope="module")
def bad_fronts(make_front):
    """The proxy with each bad certificate."""
    return {kind: make_front(names=(kind,)) for kind in REASONS}


@pytest.mark.parametrize("kind", REASONS)
@pytest.mark.parametrize("who", ["curl", "openssl", "gnutls", "nodejs"])
def test_client_refuses_us(bad_fronts, clients, who, kind):
    """A client that does not believe the proxy's certificate gets no answer, and the log tells why it went."""
    front = bad_fronts[kind]
    before = len(front.diagnostics())
    whole, said = getattr(clients, who)(front.tls_port, "h2", None)
    assert not whole, said
    assert front.written() == []
    if kind != "wrong-name" and who != "nodejs":  # what some look at when hands are shaken
        wait_until(lambda: LEFT.search(front.diagnostics()[before:]), front.diagnostics)


@pytest.fixture(scope="module")
def home(folder, certs):
    """A home whose browsers trust the CA."""
    database = folder / "home" / ".pki" / "nssdb"
    database.mkdir(parents=True)
    for argv in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "ca", "-i", certs.path("ca.pem")]):
        done = run(["certutil", "-d", f"sql:{database}", *argv])
        assert done.returncode == 0, done.stderr
    return folder / "home"


@pytest.mark.parametrize("version", VERSIONS)
def test_chromium(open_front, home, tmp_path, version):
    before = len(open_front.written())
    how = ["--disable-http2"] if version == "h1" else []
    done = run(["chromium", *QUIET, *how, f"--user-data-dir={tmp_path}/profile", "--dump-dom",
                f"https://localhost:{open_front.tls_port}/page"], env={**os.environ, "HOME": str(home)}, stdin=subprocess.DEVNULL)
    assert 'data-ran="yes"' in done.stdout, done.stdout + done.stderr + open_front.diagnostics()
    lines = [line for line in open_front.log_lines(before + 2)[before:] if line.path in ("/page", "/1k")]
    assert {(line.path, line.proto, line.status) for line in lines} == {("/page", version, 200), ("/1k", version, 200)}


# backends ----------------------------------------------------------------------------------------------------


KINDS = ("good", "rsa", *REASONS)
SERVERS = ("nghttpd", "node", "apache", "nghttpx")


class Backends:
    """The port of each kind of each server."""

    def __init__(self, folder, site, certs, node):
        self.folder, self.site, self.certs, self.node = folder, site, certs, node
        self.running = []
        self.ports = {(server, kind): 0 for server in SERVERS for kind in KINDS}

    def choose_port(self, key):
        """One that none of them has: most do not listen yet."""
        self.ports[key] = 0
        while self.ports[key] in (0, *(port for other, port in self.ports.items() if other != key)):
            self.ports[key] = free_port()
        return self.ports[key]

    def start(self):
        """All begin at once; who found a port taken begins again."""
        self.origin = Nghttpd(self.site, self.folder / "origin-nghttpx")
        for kind in KINDS:
            self.ports["node", kind] = self.node.call("listen", cert=self.certs.path(f"{kind}.pem"),
                                                      key=self.certs.path(f"{kind}.key"))
        starts = [([(server, kind)], self.launch) for server in ("nghttpd", "nghttpx") for kind in KINDS]
        starts.append(([("apache", kind) for kind in KINDS], self.launch_apache))
        self.running = [launch(keys) for keys, launch in starts]
        for n, (keys, launch) in enumerate(starts):
            for _ in range(5):
                if all(self.running[n].wait_listening(self.ports[key]) for key in keys):
                    break
                self.running[n] = launch(keys)

    def launch(self, keys):
        (server, kind), = keys
        port = self.choose_port(keys[0])
        pem, key = self.certs.path(f"{kind}.pem"), self.certs.path(f"{kind}.key")
        if server == "nghttpd":
            argv = [program("nghttpd"), "-a", "127.0.0.1", "-n1", "-d", str(self.site), str(port), key, pem]
        else:
            argv = [program("nghttpx"), "-n1", "--single-process", "--conf=/dev/null", f"--frontend=127.0.0.1,{port}",
                    f"--backend=127.0.0.1,{self.origin.port};;proto=h2", f"--errorlog-file={self.folder}/nghttpx.log", key, pem]
        return Process(argv, self.folder / f"{server}-{kind}.log")

    def launch_apache(self, keys):
        modules = "/usr/lib/apache2/modules"
        load = "\n".join(f"LoadModule {n}_module {modules}/mod_{n}.so" for n in ("mpm_event", "authz_core", "http2", "ssl"))
        directory = self.folder / "apache"
        directory.mkdir(exist_ok=True)
        hosts = "\n".join(f"""
Listen 127.0.0.1:{self.choose_port(key)}
<VirtualHost 127.0.0.1:{self.ports[key]}>
    SSLEngine on
    SSLCertificateFile "{self.certs.path(key[1])}.pem"
    SSLCertificateKeyFile "{self.certs.path(key[1])}.key"
</VirtualHost>""" for key in keys)
        (directory / "httpd.conf").write_text(f"""
ServerRoot "{directory}"
ServerName localhost
{load}
Protocols h2
PidFile "{directory}/httpd.pid"
DefaultRuntimeDir "{directory}"
Mutex posixsem
ErrorLog "{directory}/error.log"
DocumentRoot "{self.site}"
User www-data
Group www-data
StartServers 1
ServerLimit 1
ThreadsPerChild 16
MaxRequestWorkers 16
MinSpareThreads 1
MaxSpareThreads 16
{hosts}
""")
        return Process([program("apache2"), "-DFOREGROUND", "-f", str(directory / "httpd.conf")], directory / "out")

    def stop(self):
        for process in self.running:
            process.end()
        self.origin.stop()


@pytest.fixture(scope="module")
def backends(folder, site, certs, node):
    them = Backends(folder, site, certs, node)
    try:
        them.start()
        yield them
    finally:
        them.stop()


@pytest.fixture(scope="module")
def behind(folder, certs, backends):
    directory = folder / "behind"
    directory.mkdir()
    passes = [f'ProxyPass "/{server}/{kind}" "h2://localhost:{port}"' for (server, kind), port in backends.ports.items()]
    proxy = Culvert(directory, ["MaxKeepAliveRequests 0", f'SSLProxyCACertificateFile "{certs.path("ca.pem")}"',
                                f'SSLProxyCARevocationFile "{certs.path("ca.crl")}"', *passes])
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("server", SERVERS)
def test_backend(behind, backends, server, kind):
    """What must connect does; what must not gets 502 and the reason is in the log, and no connection stays."""
    before, told = len(behind.written()), len(behind.diagnostics())
    answer = behind.get(f"/{server}/{kind}/1k")
    line = behind.log_lines(before + 1)[before]
    if kind not in REASONS:
        assert (answer.status, answer.body, line.end) == (200, BODY, "--"), line.text + behind.diagnostics()[told:]
        return
    assert (answer.status, line.end, line.reason) == (502, "BK", "tls-verify"), line.text
    wait_until(lambda: f"TLS: {REASONS[kind]}\n" in behind.diagnostics()[told:], lambda: behind.diagnostics()[told:])
    wait_until(lambda: not connected_to(backends.ports[server, kind]), "the connection to be gone")


def test_slots_are_free_again(behind, backends):
    """More refused handshakes than there are leases for backends; then all the good ones are still served."""
    bad = [(server, kind) for server, kind in backends.ports if kind in REASONS]
    with behind.client() as client:
        for n in range(48):
            server, kind = bad[n % len(bad)]
            wait_until(lambda: client.get(f"/{server}/{kind}/1k").status == 502, "another handshake")
        for server in SERVERS:
            assert client.get(f"/{server}/good/1k").body == BODY
