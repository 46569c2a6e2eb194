"""Unix sockets: backends behind them, clients that come over them, and the life of their files."""
import os
import signal
import socket
import stat

import pytest

import culvert
from h2peer import Peer
from procs import Process, free_port, wait_until


@pytest.fixture
def unix_peer(tmp_path, make_peer):
    """Makes backends on unix sockets: unix_peer("a.sock")."""
    return lambda name: make_peer(path=tmp_path / name)


def backend(tmp_path, name, host="localhost"):
    return f'"unix:{tmp_path}/{name}|h2c://{host}/"'


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_backend(tmp_path, unix_peer, make_culvert):
    peer = unix_peer("a.sock")
    proxy = make_culvert(None, f'ProxyPass "/" {backend(tmp_path, "a.sock", "app.example:81")}')
    assert proxy.get("/echo").status == 200
    assert peer.last.pseudo("authority") == "app.example:81"
    line = proxy.log_line()
    assert (line.backend, line.local_port, line.backend_status, line.end) == (f"unix:{tmp_path}/a.sock", None, 200, "--")
    assert proxy.get("/echo").status == 200
    assert len(peer.connections) == 1
    assert proxy.log_lines(2)[1].reuse == "R"


def test_sockets_with_one_host_are_different_backends(tmp_path, unix_peer, make_culvert):
    one, two = unix_peer("1.sock"), unix_peer("2.sock")
    proxy = make_culvert(None, f'ProxyPass /echo/1 {backend(tmp_path, "1.sock")}',
                         f'ProxyPass /echo/2 {backend(tmp_path, "2.sock")}',
                         f'ProxyPass / "unix:{tmp_path}/1.sock|h2c://localhost/echo"', release=True)
    for path in ("/echo/1", "/echo/2", "/3"):
        assert proxy.get(path).status in (200, 404)
    assert (len(one.requests), len(two.requests)) == (2, 1)
    assert len(one.connections) == 1


def test_a_backend_that_is_not_there_yet(tmp_path, unix_peer, make_culvert):
    proxy = make_culvert(None, f'ProxyPass "/" {backend(tmp_path, "a.sock")}', release=True)
    assert proxy.get("/echo").status == 502
    assert proxy.log_line().reason == "connect-failed"
    unix_peer("a.sock")
    wait_until(lambda: proxy.get("/echo").status == 200, "the backend to be used")


def test_a_file_that_nobody_listens_on(tmp_path, make_culvert):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "a.sock"))
    proxy = make_culvert(None, f'ProxyPass "/" {backend(tmp_path, "a.sock")}', release=True)
    assert proxy.get("/echo").status == 502
    assert proxy.log_line().reason == "connect-refused"


def test_clients(tmp_path, peer, make_culvert):
    path = tmp_path / "front.sock"
    proxy = make_culvert(peer, f"Listen unix:{path}")
    with proxy.client(path=path) as client:
        answer = client.get("/echo", [("X-Forwarded-For", "192.0.2.1")], host="a.example")
    assert answer.status == 200
    assert peer.last.all("x-forwarded-for") == ["192.0.2.1, unknown"]
    assert peer.last.get("forwarded") == "for=unknown;host=a.example;proto=http"
    assert proxy.log_line().client == f"unix:{path}"
    assert mode_of(path) == 0o660
    proxy.stop()
    assert not path.exists()


def test_mode(tmp_path, peer, make_culvert):
    make_culvert(peer, f"Listen unix:{tmp_path}/a.sock mode=0600", f"Listen unix:{tmp_path}/b.sock http mode=666",
                 release=True)
    assert (mode_of(tmp_path / "a.sock"), mode_of(tmp_path / "b.sock")) == (0o600, 0o666)


def test_a_redirect_of_a_client_that_names_no_host(tmp_path, peer, make_culvert):
    path = tmp_path / "front.sock"
    peer.on("/go", lambda request: request.head(302, [("location", f"http://127.0.0.1:{peer.port}/there")], end=True))
    proxy = make_culvert(peer, f"Listen unix:{path}", f'ProxyPassReverse "/" "http://127.0.0.1:{peer.port}/"',
                         release=True)
    with proxy.client(path=path) as client:
        client.send("GET /go HTTP/1.0\r\n\r\n")
        assert client.response().get("location") == "http://localhost/there"


def killed(tmp_path, line):
    """The files of a proxy that was killed stay."""
    conf = tmp_path / "killed.conf"
    port = free_port()
    conf.write_text(f'Listen 127.0.0.1:{port}\n{line}\nProxyPass / h2c://127.0.0.1:1/\n')
    process = Process([culvert.RELEASE, "-c", str(conf)], tmp_path / "killed.out")
    assert process.wait_listening(port), process.text()
    return process


def test_a_stale_file_is_replaced(tmp_path, peer, make_culvert):
    path = tmp_path / "front.sock"
    killed(tmp_path, f"Listen unix:{path}").end(signal.SIGKILL)
    assert path.exists()
    proxy = make_culvert(peer, f"Listen unix:{path}", release=True)
    with proxy.client(path=path) as client:
        assert client.get("/echo").status == 200


def start_fails(tmp_path, path):
    conf = tmp_path / "culvert.conf"
    conf.write_text(f"Listen unix:{path}\nProxyPass / h2c://127.0.0.1:1/\n")
    return culvert.check(conf, binary=culvert.RELEASE)


def test_a_live_one_is_not(tmp_path, peer, make_culvert):
    path = tmp_path / "front.sock"
    proxy = make_culvert(peer, f"Listen unix:{path}", release=True)
    done = start_fails(tmp_path, path)
    assert done.returncode == 1
    assert f"Listen unix:{path}: address in use" in done.stderr
    with proxy.client(path=path) as client:
        assert client.get("/echo").status == 200


def test_no_other_file_is_ever_removed(tmp_path, peer, make_culvert):
    path = tmp_path / "front.sock"
    path.write_text("precious")
    assert "address in use" in start_fails(tmp_path, path).stderr
    assert path.read_text() == "precious"
    path.unlink()
    proxy = make_culvert(peer, f"Listen unix:{path}", release=True)
    path.unlink()
    path.write_text("another's")
    proxy.stop()
    assert path.read_text() == "another's"


def test_a_folder_that_is_not_there(tmp_path):
    assert "not found" in start_fails(tmp_path, tmp_path / "none" / "a.sock").stderr


def test_an_h2_backend_and_client_over_unix(tmp_path, unix_peer, make_culvert):
    """Several exchanges at once over one socket in each direction."""
    peer = unix_peer("a.sock")
    path = tmp_path / "front.sock"
    proxy = make_culvert(None, f"Listen unix:{path}", f'ProxyPass "/" {backend(tmp_path, "a.sock")}')
    clients = [proxy.client(path=path) for _ in range(8)]
    for client in clients:
        client.send_head("GET", "/size/100000")
    for client in clients:
        answer = client.response()
        assert answer.complete and len(answer.body) == 100000
    assert len(peer.connections) == 1
