"""TLS from end to end: how connections end, what records look like, and the example of the README."""
import random
import socket
import ssl
import subprocess
import threading

import pytest

import behave
from culvert import RELEASE
from dnspeer import Dns
from procs import Process, free_port, program, run, wait_until
from test_tls import curl, make_tls_nghttpd, secure, site  # noqa: F401  (fixtures)

HTTP = pytest.mark.parametrize("version", ["1.1", "2"])


def connect(port):
    """A TLS client that tells an end without close_notify from one with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 20), suppress_ragged_eofs=False)


# ends --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path, whole", [("/unknown/20000", True), ("/head-then-reset/20000", False), ("/cut/-/20000", False)])
def test_close_tells_the_end(secure, peer, path, whole):  # noqa: F811
    """A body that only the connection's end delimits: close_notify stands behind it exactly when it is whole."""
    proxy = secure(peer)
    with connect(proxy.tls_port) as client:
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: a\r\n\r\n".encode())
        got = b""
        try:
            while more := client.recv(65536):
                got += more
            clean = True
        except (ssl.SSLEOFError, ConnectionResetError):
            clean = False
    assert clean == whole, got[-100:]
    assert not whole or got.endswith(behave.pattern(20000))
    assert (proxy.log_line().end == "--") == whole


class Cutter:
    """A relay to a port that closes both sides in the middle of what comes back: so TLS ends without close_notify."""

    def __init__(self, port, most):
        self.target, self.most = port, most
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        with self.server, self.server.accept()[0] as near, socket.create_connection(("127.0.0.1", self.target)) as far:
            there = threading.Thread(target=self.copy, args=(near, far))
            there.start()
            self.copy(far, near, self.most)
            for end in (near, far):
                end.shutdown(socket.SHUT_RDWR)
            there.join()

    @staticmethod
    def copy(source, target, most=1 << 40):
        try:
            while most > 0 and (bytes_ := source.recv(min(65536, most))):
                target.sendall(bytes_)
                most -= len(bytes_)
        except OSError:
            pass


@HTTP
def test_cut_backend(secure, make_tls_nghttpd, certs, version):  # noqa: F811
    """A backend that goes without close_notify in the middle of a body: the client does not take it for the end."""
    cutter = Cutter(make_tls_nghttpd("good"), 100_000)
    proxy = secure(None, f'ProxyPass "/" "h2://localhost:{cutter.port}/"', f'SSLProxyCACertificateFile "{certs.path("ca.pem")}"')
    status, got, errors = curl(proxy, "/3m", "--http1.1" if version == "1.1" else "--http2", text=False)
    cutter.thread.join()
    assert status != 0 and 0 < len(got) < 100_000, errors
    assert proxy.log_line().end == "BD"


def test_cut_h2_upload(secure, peer):  # noqa: F811
    """An HTTP/2 client that goes without close_notify in the middle of its body: the backend does not see its end."""
    proxy = secure(peer)
    with subprocess.Popen([program("curl"), "-sS", "--noproxy", "*", "-k", "--http2", "-T", "-", f"https://127.0.0.1:{proxy.tls_port}/echo"],
                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
        client.stdin.write(b"hello")
        client.stdin.flush()
        wait_until(lambda: peer.requests and peer.requests[0].size == 5, "the body's beginning")
        client.kill()
    line = proxy.log_line()
    assert (line.proto, line.end[0]) == ("h2", "C"), line.text
    wait_until(lambda: peer.requests[0].reset_code is not None, "the reset")
    assert not peer.requests[0].ended


# records -----------------------------------------------------------------------------------------------------


def test_records_are_small_at_first(secure, peer):  # noqa: F811
    """The first 32 KB in records of one packet, the rest in large ones."""
    proxy = secure(peer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(come, go)
    raw = b""
    with socket.create_connection(("127.0.0.1", proxy.tls_port), 20) as client:
        def until(call):
            """Calls until there is an answer."""
            nonlocal raw
            while True:
                try:
                    return call()
                except ssl.SSLWantReadError:
                    client.sendall(go.read())
                    raw += (more := client.recv(65536))
                    come.write(more)
        until(tls.do_handshake)
        raw = b""
        tls.write(b"GET /size/200000 HTTP/1.1\r\nHost: a\r\n\r\n")
        got = b""
        while len(got.partition(b"\r\n\r\n")[2]) < 200_000:
            got += until(lambda: tls.read(65536))
    at, sizes = 0, []
    while at + 5 <= len(raw):
        assert raw[at:at + 3] in (b"\x17\x03\x03", b"\x14\x03\x03", b"\x16\x03\x03"), raw[at:at + 5]
        sizes.append(int.from_bytes(raw[at + 3:at + 5], "big"))
        at += 5 + sizes[-1]
    before = [size for n, size in enumerate(sizes) if sum(sizes[:n]) < 32_000]
    assert max(before) <= 1400 + 64, sizes
    assert max(sizes) > 4000, sizes


# start -------------------------------------------------------------------------------------------------------


def test_no_entropy_no_start(certs, tmp_path):
    conf = tmp_path / "c.conf"
    conf.write_text(f"Listen 127.0.0.1:{free_port()} https\nProxyPass / h2c://127.0.0.1:1/\n" + "\n".join(certs.pair("good")))
    done = run(["strace", "-f", "-o", "/dev/null", "-e", "trace=getrandom", "-e", "inject=getrandom:error=ENOSYS", RELEASE, "-c",
                str(conf)])
    assert done.returncode == 1, done.stderr
    assert "this platform has no random numbers" in done.stderr


def test_example_by_name(make_culvert, certs, tmp_path):
    """The example as it stands: a name without a port, and redirects of it mapped."""
    address = f"127.{random.randrange(2, 250)}.{random.randrange(250)}.{random.randrange(2, 250)}"
    try:
        socket.create_server((address, 443)).close()
    except PermissionError:
        pytest.skip("port 443 needs a privilege")
    certs.leaf("app", "DNS:app.example.com")
    (tmp_path / "www" / "folder").mkdir(parents=True)
    (tmp_path / "www" / "1k").write_bytes(behave.pattern(1024))
    server = Process([program("nghttpd"), "-a", address, "-n1", "-d", str(tmp_path / "www"), "443", certs.path("app.key"),
                      certs.path("app.pem")], tmp_path / "nghttpd")
    dns = Dns()
    try:
        dns.set("app.example.com", a=[address])
        assert server.wait_listening(443)
        proxy = make_culvert(None, f"Resolver 127.0.0.1:{dns.port}", "SSLProxyEngine On",
                             f'SSLProxyCACertificateFile "{certs.path("ca.pem")}"',
                             'ProxyPass        "/app" "h2://app.example.com"',
                             'ProxyPassReverse "/app" "https://app.example.com"')
        answer = proxy.get("/app/1k")
        assert (answer.status, answer.body) == (200, behave.pattern(1024)), proxy.diagnostics()
        answer = proxy.get("/app/folder")
        assert answer.status == 301
        location = answer.get("location")
        assert location.endswith("/app/folder/") and "example" not in location, location
        assert proxy.log_lines(2)[0].backend == "app.example.com"
    finally:
        dns.stop()
        server.end()
