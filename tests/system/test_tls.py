"""TLS on both sides, with curl and openssl in front, nghttpd behind, and certificates of every kind."""
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading

import pytest

import behave
from procs import Process, free_port, program, resident_kib, run, wait_until

HTTP = pytest.mark.parametrize("version", ["1.1", "2"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("site")
    for name, size in (("1k", 1024), ("3m", 3_000_000)):
        (directory / name).write_bytes(behave.pattern(size))
    return directory


@pytest.fixture
def secure(make_culvert, certs):
    """Makes a proxy with https on its port in front of a backend: secure(peer, "Directive", names=["good"])."""
    def make(backend, *lines, names=("good",)):
        port = free_port()
        pairs = [line for name in names for line in certs.pair(name)]
        proxy = make_culvert(backend, f"Listen 127.0.0.1:{port} https", *pairs, *lines)
        proxy.tls_port = port
        return proxy
    return make


@pytest.fixture
def make_tls_nghttpd(tmp_path, site, certs):
    """Makes nghttpd origins with TLS: make_tls_nghttpd("expired")."""
    running = []

    def make(name, *options):
        for _ in range(5):
            port = free_port()
            argv = [program("nghttpd"), "-a", "127.0.0.1", "-n1", "-d", str(site), *options, str(port),
                    certs.path(f"{name}.key"), certs.path(f"{name}.pem")]
            running.append(Process(argv, tmp_path / f"tls-nghttpd{len(running)}"))
            if running[-1].wait_listening(port):
                return port
        raise AssertionError(running[-1].text())
    yield make
    for process in running:
        process.end()


@pytest.fixture
def behind(make_culvert, certs):
    """Makes a proxy in front of a backend with TLS: behind(port, "Directive", host="localhost", ca="ca")."""
    def make(port, *lines, host="localhost", ca="ca"):
        trusted = [f'SSLProxyCACertificateFile "{certs.path(ca)}.pem"'] if ca else []
        return make_culvert(None, f'ProxyPass "/" "h2://{host}:{port}/"', *trusted, *lines)
    return make


def curl(proxy, path, *options, ca=None, host="localhost", port=None, text=True):
    """(exit status, output, errors) of curl over TLS."""
    trust = ["--cacert", ca] if ca else ["-k"]
    done = run(["curl", "-sS", "--noproxy", "*", *trust, *options, "--resolve", f"{host}:{port or proxy.tls_port}:127.0.0.1",
                f"https://{host}:{port or proxy.tls_port}{path}"], text=text)
    return done.returncode, done.stdout, done.stderr


def s_client(port, *options, stdin=b""):
    """The output of openssl s_client."""
    done = subprocess.run([program("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", *options], input=stdin,
                          capture_output=True, timeout=30, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


def to_its_end(connection):
    """Reads until the proxy has closed the connection, in whatever way."""
    try:
        while connection.recv(1000):
            pass
    except ConnectionResetError:
        pass


# clients -----------------------------------------------------------------------------------------------------


@HTTP
def test_download_and_upload(secure, peer, certs, tmp_path, version):
    proxy = secure(peer)
    how = ["--http1.1"] if version == "1.1" else ["--http2"]
    out = tmp_path / "out"
    status, got, errors = curl(proxy, "/size/3000000", *how, "-o", str(out), "-w", "%{http_version}", ca=certs.path("ca.pem"))
    assert (status, got) == (0, version), errors
    assert out.read_bytes() == behave.pattern(3_000_000)
    status, got, errors = curl(proxy, "/echo", *how, "-T", str(out), ca=certs.path("ca.pem"))
    assert status == 0 and '"size": 3000000' in got.replace('":3', '": 3'), (got, errors)
    assert [line.end for line in proxy.log_lines(2)] == ["--", "--"]


@HTTP
def test_backend_hears_of_https(secure, peer, version):
    proxy = secure(peer)
    how = "--http1.1" if version == "1.1" else "--http2"
    status, got, errors = curl(proxy, "/echo", how)
    assert status == 0, errors
    assert re.search(r'"x-forwarded-proto"[:,] *"https"', got), got
    assert "proto=https" in got


def test_sni_chooses(secure, peer, certs):
    proxy = secure(peer, names=["good", "api"])
    for name, wanted in (("localhost", "good"), ("api.test", "api"), ("a.wild.test", "good"), ("nobody.test", "good")):
        shown = s_client(proxy.tls_port, "-servername", name, "-tls1_2")
        serial = certs.run("x509", "-in", f"{wanted}.pem", "-noout", "-serial")
        sent = subprocess.run([program("openssl"), "x509", "-noout", "-serial"], input=shown.encode(), capture_output=True,
                              timeout=30, check=True).stdout.decode()
        assert sent == serial, name


def test_rsa_beside_ecdsa(secure, peer):
    proxy = secure(peer, names=["good", "rsa"])
    assert "ECDHE-ECDSA" in s_client(proxy.tls_port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "ECDHE-RSA" in s_client(proxy.tls_port, "-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384")


@pytest.mark.parametrize("options", [["-tls1"], ["-tls1_1"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"],
                                     ["-tls1_2", "-cipher", "AES128-GCM-SHA256"]], ids=lambda o: o[-1])
def test_old_tls_is_refused(secure, peer, options):
    proxy = secure(peer)
    shown = s_client(proxy.tls_port, *options, "-cipher", "ALL:@SECLEVEL=0" if len(options) == 1 else options[-1])
    assert "alert" in shown and "Cipher is (NONE)" in shown, shown
    wait_until(lambda: "the handshake failed: no" in proxy.diagnostics(), "the reason in the log")


@pytest.mark.parametrize("named", ["TLSv1.3 TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"])
@pytest.mark.parametrize("options", [["--tls-max", "1.2"], []], ids=["1.2", "best"])
def test_suites_are_of_their_version(secure, peer, named, options):
    """As in httpd: who names suites of one version leaves the other's as they are."""
    proxy = secure(peer, f"SSLCipherSuite {named}")
    status, _, errors = curl(proxy, "/x", *options)
    assert status == 0, errors


def test_no_renegotiation_no_compression(secure, peer):
    shown = s_client(secure(peer).tls_port, "-tls1_2", stdin=b"R\n")
    assert "Compression: NONE" in shown and "no renegotiation" in shown, shown


@pytest.mark.parametrize("options", [[], ["-no_ticket"]], ids=["ticket", "id"])
def test_resumption(secure, peer, certs, tmp_path, options):
    proxy = secure(peer)
    kept = str(tmp_path / "session")
    assert "New, TLSv1.2" in s_client(proxy.tls_port, "-tls1_2", *options, "-sess_out", kept)
    assert "Reused, TLSv1.2" in s_client(proxy.tls_port, "-tls1_2", *options, "-sess_in", kept)
    os.utime(certs.path("good.pem"))
    proxy.process.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: "certificates were read again" in proxy.diagnostics(), "the reload")
    assert "New, TLSv1.2" in s_client(proxy.tls_port, "-tls1_2", *options, "-sess_in", kept)


def test_client_certificates(secure, peer, certs):
    proxy = secure(peer, "SSLVerifyClient require", f'SSLCACertificateFile "{certs.path("ca.pem")}"',
                   f'SSLCARevocationFile "{certs.path("ca.crl")}"',
                   'RequestHeader set X-SSL-Client-S-DN "%{SSL_CLIENT_S_DN}s"')

    def get(name):
        mine = ["--cert", certs.path(f"{name}.pem"), "--key", certs.path(f"{name}.key")] if name else []
        return curl(proxy, "/echo", *mine, "-H", "X-SSL-Client-S-DN: forged")
    status, got, errors = get("client")
    assert status == 0 and "O=Culvert, CN=client one" in got and "forged" not in got, (got, errors)
    for name, reason in ((None, "no certificate"), ("unknown-ca", "unknown CA"), ("expired", "certificate expired"),
                         ("self-signed", "self-signed certificate"), ("revoked", "certificate revoked")):
        status, got, errors = get(name)
        assert status != 0, (name, got, errors)
        wait_until(lambda reason=reason: f"the handshake failed: {reason}" in proxy.diagnostics(), reason)


def test_optional_client_certificates(secure, peer, certs):
    proxy = secure(peer, "SSLVerifyClient optional", f'SSLCACertificateFile "{certs.path("ca.pem")}"',
                   'RequestHeader set X-Verify "%{SSL_CLIENT_VERIFY}s"', "RequestHeader set X-Dn %{SSL_CLIENT_S_DN}s")
    status, got, errors = curl(proxy, "/echo", "-H", "X-Dn: forged")
    assert status == 0 and "NONE" in got and "x-dn" not in got, (got, errors)
    mine = ["--cert", certs.path("unknown-ca.pem"), "--key", certs.path("unknown-ca.key")]
    assert curl(proxy, "/echo", *mine)[0] != 0


def test_hsts(secure, peer):
    proxy = secure(peer, 'Header always set Strict-Transport-Security "max-age=31536000"', "Header set X-Only backend",
                   'ProxyPass "/gone" "!"')
    for path, only in (("/size/10", True), ("/gone", False)):
        status, got, errors = curl(proxy, path, "-D", "-", "-o", "/dev/null")
        assert status == 0, errors
        assert "strict-transport-security: max-age=31536000" in got.lower()
        assert ("x-only: backend" in got.lower()) == only


def test_cut_without_close_notify(secure, peer):
    """A client that goes without close_notify in the middle of its body: no whole request reaches the backend."""
    proxy = secure(peer)
    with subprocess.Popen([program("openssl"), "s_client", "-quiet", "-connect", f"127.0.0.1:{proxy.tls_port}"],
                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
        client.stdin.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        client.stdin.flush()
        wait_until(lambda: peer.connections, "the request")
        client.kill()
    line = proxy.log_line()
    assert line.end[0] == "C", line.text


def test_plain_text_and_silence(secure, peer):
    """What is no handshake ends, and its place is free again."""
    proxy = secure(peer, "RequestReadTimeout handshake=1")
    with socket.create_connection(("127.0.0.1", proxy.tls_port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        to_its_end(plain)
    with socket.create_connection(("127.0.0.1", proxy.tls_port)) as silent:
        to_its_end(silent)
    wait_until(lambda: "too slow" in proxy.diagnostics(), "the timeout")
    assert curl(proxy, "/size/10")[0] == 0


def client_hello():
    """The first bytes of a client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    out = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


def test_flood_of_handshakes(secure, peer):
    """More begun handshakes than there may be: who is connected is served, memory stays, and the rest come later."""
    proxy = secure(peer, "RequestReadTimeout handshake=0", "KeepAliveTimeout 60")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    flood = []
    with context.wrap_socket(socket.create_connection(("127.0.0.1", proxy.tls_port), 20)) as client:
        def get():
            client.sendall(b"GET /size/10 HTTP/1.1\r\nHost: a\r\n\r\n")
            got = b""
            while not got.endswith(behave.pattern(10)):
                got += client.recv(4096)
            return got
        assert get().startswith(b"HTTP/1.1 200")
        for _ in range(90):
            flood.append(socket.create_connection(("127.0.0.1", proxy.tls_port), 20))
            flood[-1].sendall(client_hello())
        for one in flood[:60]:
            assert one.recv(1) == b"\x16"  # its ServerHello
        for _ in range(20):
            assert get().startswith(b"HTTP/1.1 200")
        before = resident_kib(proxy.pid)
        for one in flood[:60]:
            one.close()
        assert flood[-1].recv(1) == b"\x16"  # it had waited
        assert curl(proxy, "/size/10")[0] == 0
        assert resident_kib(proxy.pid) <= before + 2048
    for one in flood:
        one.close()


def test_slow_readers(secure, peer):
    """More clients that do not read than there are buffers for what their sockets do not take: nobody waits for another,
    and everything comes whole."""
    proxy = secure(peer, "RequestReadTimeout handshake=0")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    size, slow = 300_000, []
    for _ in range(36):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)  # else the kernel takes megabytes of the proxy
        raw.connect(("127.0.0.1", proxy.tls_port))
        slow.append(context.wrap_socket(raw))
        slow[-1].sendall(b"GET /size/%d HTTP/1.1\r\nHost: a\r\n\r\n" % size)
    wait_until(lambda: len(peer.requests) >= len(slow), "all requests")
    status, got, errors = curl(proxy, f"/size/{size}", text=False)
    assert (status, got) == (0, behave.pattern(size)), errors
    for client in slow:
        with client:
            client.settimeout(20)
            got = b""
            while len(got.partition(b"\r\n\r\n")[2]) < size:
                got += client.recv(65536)
            assert got.endswith(behave.pattern(size))
    assert {line.end for line in proxy.log_lines(len(slow) + 1)} == {"--"}


# reload ------------------------------------------------------------------------------------------------------


def test_reload(secure, peer, certs, tmp_path):
    for kind in ("pem", "key"):
        (tmp_path / f"live.{kind}").write_bytes(open(certs.path(f"good.{kind}"), "rb").read())
    port = free_port()
    proxy = secure(peer, f"Listen 127.0.0.1:{port} https", f'SSLCertificateFile "{tmp_path}/live.pem"',
                   f'SSLCertificateKeyFile "{tmp_path}/live.key"', names=())

    def reload(name, said):
        for kind in ("pem", "key"):
            (tmp_path / f"live.{kind}").write_bytes(open(certs.path(f"{name}.{kind}"), "rb").read())
        before = proxy.diagnostics().count(said)
        proxy.process.popen.send_signal(signal.SIGHUP)
        wait_until(lambda: proxy.diagnostics().count(said) > before, said)

    def serves(host):
        return curl(proxy, "/size/10", ca=certs.path("ca.pem"), host=host)[0] == 0
    assert serves("localhost") and not serves("api.test")
    reload("api", "certificates were read again")
    assert serves("api.test") and not serves("localhost")
    (tmp_path / "live.key").write_text("nothing")
    (tmp_path / "live.pem").write_text("nothing")
    proxy.process.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: "the configuration stays as it was" in proxy.diagnostics(), "the refusal")
    assert "live.pem: no certificate that can be read" in proxy.diagnostics()
    assert serves("api.test")
    reload("good", "certificates were read again")
    assert serves("localhost")


# backends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["good", "rsa"])
def test_backend(behind, make_tls_nghttpd, name):
    proxy = behind(make_tls_nghttpd(name))
    for _ in range(2):
        answer = proxy.get("/3m")
        assert answer.status == 200 and answer.body == behave.pattern(3_000_000)
    assert [(line.end, line.reuse) for line in proxy.log_lines(2)] == [("--", "N"), ("--", "R")]


def test_backend_by_address(behind, make_tls_nghttpd):
    assert behind(make_tls_nghttpd("good"), host="127.0.0.1").get("/1k").status == 200


@pytest.mark.parametrize("name, reason", [
    ("expired", "certificate expired"), ("future", "certificate not yet valid"), ("wrong-name", "certificate has another name"),
    ("self-signed", "self-signed certificate"), ("unknown-ca", "unknown CA"), ("revoked", "certificate revoked")])
def test_backend_untrusted(behind, make_tls_nghttpd, certs, name, reason):
    proxy = behind(make_tls_nghttpd(name), f'SSLProxyCARevocationFile "{certs.path("ca.crl")}"')
    assert proxy.get("/1k").status == 502
    line = proxy.log_line()
    assert (line.end, line.reason) == ("BK", "tls-verify"), line.text
    assert f"TLS: {reason}\n" in proxy.diagnostics()


@pytest.mark.parametrize("name, lines", [
    ("expired", ["SSLProxyCheckPeerExpire Off"]), ("wrong-name", ["SSLProxyCheckPeerName Off"]),
    ("self-signed", ["SSLProxyVerify none"]), ("revoked", [])])
def test_backend_less_strict(behind, make_tls_nghttpd, name, lines):
    assert behind(make_tls_nghttpd(name), *lines).get("/1k").status == 200


@pytest.mark.parametrize("name, status", [("self-signed", 200), ("expired", 502)])
def test_backend_pinned(behind, make_tls_nghttpd, certs, name, status):
    proxy = behind(make_tls_nghttpd(name), f"SSLProxyPin {certs.pin('self-signed')}", ca=None)
    assert proxy.get("/1k").status == status
    assert (proxy.log_line().reason == "tls-verify") == (status == 502)


def test_backend_wants_our_certificate(behind, make_tls_nghttpd, certs, tmp_path):
    port = make_tls_nghttpd("good", "--verify-client")
    (tmp_path / "machine.pem").write_bytes(open(certs.path("client.key"), "rb").read() +
                                           open(certs.path("client.pem"), "rb").read())
    assert behind(port, f'SSLProxyMachineCertificateFile "{tmp_path}/machine.pem"').get("/1k").status == 200
    assert behind(port).get("/1k").status == 502


@pytest.mark.parametrize("spoken, how, got", [
    ("http/1.1", "--http2", "1.1"), ("h2", "--http2", "2"), ("h2", "--http1.1", None), ("h2", "--no-alpn", None),
    ("http/1.1", "--no-alpn", "1.1")])
def test_protocols(secure, peer, certs, spoken, how, got):
    """ALPN offers what Protocols says; a client that does not agree on it is closed."""
    proxy = secure(peer, f"Protocols h2c {spoken}")
    status, said, errors = curl(proxy, "/echo", how, "-o", "/dev/null", "-w", "%{http_version}", ca=certs.path("ca.pem"))
    assert (status == 0, said) == (got is not None, got or "0"), errors
    if not got:
        wait_until(lambda: "the handshake failed" in proxy.diagnostics(), "the reason in the log")


class Server:
    """openssl s_server, which can leave out ALPN or offer something else."""

    def __init__(self, certs, output, *options):
        self.port = free_port()
        argv = [program("openssl"), "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", certs.path("good.pem"), "-key",
                certs.path("good.key"), "-quiet", *options]
        self.process = Process(argv, output)
        assert self.process.wait_listening(self.port)


@pytest.mark.parametrize("options, reason", [(["-alpn", "http/1.1"], "tls-alpn"), ([], "tls-alpn"),
                                             (["-alpn", "h2", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "tls-handshake")],
                         ids=["http/1.1", "none", "tls1.1"])
def test_backend_without_h2(behind, certs, tmp_path, options, reason):
    server = Server(certs, tmp_path / "server", *options)
    proxy = behind(server.port)
    assert proxy.get("/1k").status == 502
    assert proxy.log_line().reason == reason, proxy.diagnostics()
    server.process.end(signal.SIGKILL)


def test_backend_closes_or_is_silent(behind):
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = behind(server.getsockname()[1], "ProxyTimeout 5")
        client = proxy.client()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        server.accept()[0].close()
        assert client.response().status == 502
        assert proxy.log_line().reason == "tls-handshake"


def test_backend_resumption(behind, certs):
    """The second connection resumes the session of the first; when trust was read anew it does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certs.path("good.pem"), certs.path("good.key"))
    context.set_alpn_protocols(["h2"])
    reused = []

    def serve(server):
        """Shakes hands with everybody, and closes."""
        while True:
            try:
                with context.wrap_socket(server.accept()[0], server_side=True) as peer:
                    reused.append(peer.session_reused)
            except ssl.SSLError:
                pass
            except OSError:
                return
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        proxy = behind(server.getsockname()[1], "LogLevel debug")
        wait_until(lambda: proxy.get("/").status == 502 and len(reused) > 1, "two connections")
        assert reused[0] is False and reused[-1] is True
        os.utime(certs.path("ca.pem"))
        proxy.process.popen.send_signal(signal.SIGHUP)
        wait_until(lambda: "certificates were read again" in proxy.diagnostics(), "the reload")
        before = len(reused)
        wait_until(lambda: proxy.get("/").status == 502 and len(reused) > before, "another connection")
        assert reused[before] is False
        server.shutdown(socket.SHUT_RDWR)
    thread.join(20)


def test_old_connections_outlive_reloads(secure, peer, certs):
    """No reload waits for connections that have shaken hands. The same files are not read again."""
    proxy = secure(peer, "KeepAliveTimeout 60")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def reload(changed, said):
        before = proxy.diagnostics().count(said)
        if changed:
            os.utime(certs.path("good.pem"))
        proxy.process.popen.send_signal(signal.SIGHUP)
        wait_until(lambda: proxy.diagnostics().count(said) > before, said)
    with context.wrap_socket(socket.create_connection(("127.0.0.1", proxy.tls_port), 20)) as client:
        for changed in (True, True, False, True):
            reload(changed, "certificates were read again" if changed else "the configuration was read again")
            assert curl(proxy, "/size/10")[0] == 0
            client.sendall(b"GET /size/0 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert proxy.diagnostics().count("certificates were read again") == 3


def test_bad_files_are_told(certs, tmp_path):
    """By -t as by the start."""
    from culvert import CHECKED
    conf = tmp_path / "c.conf"
    for pair, said in ((("good.pem", "api.key"), "the key is not that of the certificate"),
                       (("none.pem", "good.key"), "not found"), (("ca.crl", "good.key"), "no certificate"),
                       (("good.pem", "ca.crl"), "no private key")):
        conf.write_text(f'Listen 127.0.0.1:{free_port()} https\nProxyPass / h2c://127.0.0.1:1/\n'
                        f'SSLCertificateFile "{certs.path(pair[0])}"\nSSLCertificateKeyFile "{certs.path(pair[1])}"\n')
        for options in ([], ["-t"], ["-t", "-v"]):
            done = run([CHECKED, *options, "-c", str(conf)])
            assert (done.returncode, done.stdout) == (1, "") and said in done.stderr, (options, done)
    conf.write_text("\n".join([f"Listen 127.0.0.1:{free_port()} https", "ProxyPass / h2c://127.0.0.1:1/",
                               *certs.pair("good"), *certs.pair("rsa"), "SSLVerifyClient require",
                               f'SSLCACertificateFile "{certs.path("ca.pem")}"', ""]))
    done = run([CHECKED, "-t", "-c", str(conf)])
    assert (done.returncode, done.stdout, done.stderr) == (0, "Syntax OK\n", "")


def test_what_backends_need_is_checked(certs, tmp_path):
    """-t reads whom to trust, too, but only what is used."""
    from culvert import CHECKED
    conf = tmp_path / "c.conf"
    for scheme, line, said in (("h2", "SSLProxyCACertificateFile", "none.pem: not found"),
                               ("h2", "SSLProxyMachineCertificateFile", "none.pem: not found"),
                               ("h2c", "SSLProxyCACertificateFile", "")):
        conf.write_text(f"Listen 127.0.0.1:{free_port()}\nProxyPass / {scheme}://127.0.0.1:1/\n"
                        f'{line} "{certs.path("none.pem")}"\n')
        done = run([CHECKED, "-t", "-c", str(conf)])
        assert (done.returncode != 0, said in done.stderr) == (said != "", True), done


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_t_says_that_a_key_is_out_of_reach(certs):
    """Who may not read the keys cannot say that they are good."""
    from culvert import CHECKED
    with tempfile.TemporaryDirectory(prefix="culvert-") as folder:
        os.chmod(folder, 0o755)
        conf, key, binary = (os.path.join(folder, name) for name in ("c.conf", "k.key", "culvert"))
        for path, source, mode in ((binary, CHECKED, 0o755), (key, certs.path("good.key"), 0o600),
                                   (os.path.join(folder, "c.pem"), certs.path("good.pem"), 0o644)):
            shutil.copy(source, path)
            os.chmod(path, mode)
        with open(conf, "w", encoding="ascii") as file:
            file.write("Listen 127.0.0.1:8443 https\nProxyPass / h2c://127.0.0.1:1/\n"
                       f"SSLCertificateFile {folder}/c.pem\nSSLCertificateKeyFile {key}\n")
        assert run([binary, "-t", "-c", conf]).stdout == "Syntax OK\n"
        done = run([binary, "-t", "-c", conf], user=65534, group=65534, extra_groups=[])
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{key}: permission denied to the user who runs this (-t is for the one who starts culvert)" in done.stderr
