"""Many clients on few backend connections; queues, endings and retries told truly."""
import socket

import pytest

import behave
from h2peer import Peer
from procs import connected_to, free_port, wait_until



def send_all(connections, path):
    for c in connections:
        c.send_head("GET", path)


def statuses(connections):
    return [c.response().status for c in connections]


def test_64_clients_share_one_backend_connection(proxy, peer):
    """All 64 requests are open at once on one connection; and again when the clients come back on theirs."""
    connections = [proxy.client() for _ in range(64)]
    for _ in range(2):
        peer.gate.clear()
        send_all(connections, "/hold")
        peer.wait(lambda: any(len(c.open_streams) == 64 for c in peer.connections), "64 open streams")
        assert connected_to(peer.port) == [peer.connections[0].port]
        peer.gate.set()
        assert statuses(connections) == [200] * 64
    assert len(peer.connections) == 1
    lines = proxy.log_lines(128)
    assert {n.local_port for n in lines} == {peer.connections[0].port}
    assert sorted(n.stream for n in lines) == sorted(r.stream_id for r in peer.requests)
    assert [n.reuse for n in lines].count("N") >= 1


def test_max_concurrent_streams_is_kept_and_the_rest_waits(make_peer, make_culvert):
    peer = make_peer(max_concurrent_streams=4)
    proxy = make_culvert(peer)
    assert proxy.get("/echo").status == 200  # its SETTINGS are known from now on
    connections = [proxy.client() for _ in range(20)]
    send_all(connections, "/hold")
    peer.wait(lambda: len(peer.requests) == 5, "4 held streams")
    peer.gate.set()
    assert statuses(connections) == [200] * 20
    assert (len(peer.connections), peer.connections[0].most_open) == (1, 4)
    assert [n.status for n in proxy.log_lines(21)] == [200] * 21


def test_more_streams_than_allowed_before_settings_are_known_are_made_good(make_peer, make_culvert):
    """All at once on a cold connection to a backend that allows 4: whatever it refuses is sent again."""
    peer = make_peer(max_concurrent_streams=4)
    proxy = make_culvert(peer)
    connections = [proxy.client() for _ in range(20)]
    send_all(connections, "/echo")
    assert statuses(connections) == [200] * 20


def test_max_opens_further_connections_and_no_more(make_peer, make_culvert):
    peer = make_peer(max_concurrent_streams=4)
    proxy = make_culvert(peer, args="max=2")
    assert proxy.get("/echo").status == 200
    connections = [proxy.client() for _ in range(12)]
    send_all(connections, "/hold")
    peer.wait(lambda: sum(len(c.open_streams) for c in peer.connections) == 8, "8 held streams")
    assert len(peer.connections) == 2
    peer.gate.set()
    assert statuses(connections) == [200] * 12
    assert len(peer.connections) == 2
    assert all(c.most_open <= 4 for c in peer.connections)
    assert len({n.local_port for n in proxy.log_lines(13)}) == 2


def test_queue_timeout(make_peer, make_culvert):
    peer = make_peer(max_concurrent_streams=1)
    proxy = make_culvert(peer, args="acquire=300")
    assert proxy.get("/echo").status == 200
    holder, waiter = proxy.client(), proxy.client()
    holder.send_head("GET", "/hold")
    peer.wait_requests(2)
    answer = waiter.get("/echo/late")
    assert answer.status == 503
    line = proxy.log_lines(2)[1]
    assert (line.status, line.end, line.reason, line.local_port) == (503, "TQ", "queue-timeout", None)
    peer.gate.set()
    assert holder.response().status == 200
    assert waiter.get("/echo").status == 200


def test_client_that_leaves_the_queue(make_peer, make_culvert):
    peer = make_peer(max_concurrent_streams=1)
    proxy = make_culvert(peer)
    proxy.get("/echo")
    holder, waiter = proxy.client(), proxy.client()
    holder.send_head("GET", "/hold")
    peer.wait_requests(2)
    waiter.send_head("GET", "/echo/never-sent")
    waiter.abort()
    assert proxy.log_lines(2)[1].end in ("CQ", "CR")
    peer.gate.set()
    assert holder.response().status == 200
    assert [r.path for r in peer.requests] == ["/echo", "/hold"]


def test_backend_that_is_not_there(make_culvert):
    """Refused at once, then without a new try for a moment; and it works as soon as the backend is up."""
    port = free_port()
    proxy = make_culvert(None, f'ProxyPass "/" "h2c://127.0.0.1:{port}/"')
    with proxy.client() as client:
        answers = [client.get("/echo") for _ in range(3)]
        assert {a.status for a in answers} <= {502, 503}
        for line in proxy.log_lines(3):
            assert (line.local_port, line.backend_status, line.backend) == (None, None, f"127.0.0.1:{port}")
            assert line.end[1] in "KQ" and line.reason in ("connect-refused", "backend-down"), line.text
        peer = Peer(port=port)
        try:
            wait_until(lambda: client.get("/echo").status == 200, "the backend to be tried again")
        finally:
            peer.stop()


def test_upload_to_a_backend_that_is_not_there(make_culvert):
    proxy = make_culvert(None, f'ProxyPass "/" "h2c://127.0.0.1:{free_port()}/"')
    with proxy.client() as client:
        client.send_head("POST", "/echo", [("Content-Length", 10_000_000)])
        client.send_what_goes(bytes(1_000_000))
        assert client.response().status in (502, 503)


@pytest.fixture
def full_port():
    """A listening port whose queue is full: the kernel lets a further connect wait."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    for _ in range(4):
        waiting.append(socket.socket())
        waiting[-1].setblocking(False)
        waiting[-1].connect_ex(listener.getsockname())
    yield listener.getsockname()[1]
    for s in [*waiting, listener]:
        s.close()


def test_connection_timeout(make_culvert, full_port):
    proxy = make_culvert(None, f'ProxyPass "/" "h2c://127.0.0.1:{full_port}/" connectiontimeout=1')
    assert proxy.get("/echo").status == 504
    line = proxy.log_line()
    assert (line.status, line.end, line.reason) == (504, "TK", "connect-timeout")


def test_backend_that_never_answers(make_culvert, peer):
    proxy = make_culvert(peer, args="timeout=1")
    with proxy.client() as client:
        assert client.get("/never").status == 504
        peer.wait(lambda: peer.last.reset_code is not None, "the stream's reset")
        line = proxy.log_line()
        assert (line.status, line.end, line.reason, line.backend_status) == (504, "TW", "backend-timeout", None)
        assert client.get("/echo").status == 200
    assert len(peer.connections) == 1


@pytest.mark.parametrize("directive", ["ProxyTimeout 1", "Timeout 1"])
def test_timeouts_by_directive(make_culvert, peer, directive):
    proxy = make_culvert(peer, directive)
    assert proxy.get("/never").status == 504
    assert proxy.log_line().end == "TW"


def test_backend_that_stalls_in_its_body(make_culvert, peer):
    def stall(request):
        request.head(200, [("content-length", "100")])
        request.data(b"x" * 10)
        behave.never(request)
    peer.on("/stall", stall)
    proxy = make_culvert(peer, args="timeout=1")
    answer = proxy.get("/stall")
    assert (answer.status, answer.complete, len(answer.body)) == (200, False, 10)
    assert proxy.log_line().end == "TD"


def test_backend_that_never_speaks(make_peer, make_culvert):
    """It accepts, but not even its SETTINGS come."""
    proxy = make_culvert(make_peer(mute=True), args="timeout=1")
    assert proxy.get("/echo").status == 504
    assert proxy.log_line().end[0] == "T"


def test_backend_that_speaks_no_h2(make_culvert):
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = make_culvert(None, f'ProxyPass "/" "h2c://127.0.0.1:{listener.getsockname()[1]}/"')
    client = proxy.client()
    client.send_head("GET", "/echo")
    with listener.accept()[0] as backend:
        backend.recv(1000)
        backend.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        assert client.response().status == 502
    line = proxy.log_line()
    assert (line.status, line.end[0], bool(line.reason)) == (502, "B", True)
    listener.close()


@pytest.mark.parametrize("code", [0, 2, 8])
def test_reset_before_the_response(proxy, client, peer, code):
    assert client.get(f"/reset/{code}").status == 502
    line = proxy.log_line()
    assert (line.status, line.end, line.reason, line.retry) == (502, "BW", "backend-reset", "-")
    assert client.get("/echo").status == 200
    assert len(peer.connections) == 1


def test_connection_lost_before_the_response(proxy, client, peer):
    peer.on("/lost", lambda r: r.connection.close())
    assert client.get("/lost").status == 502
    line = proxy.log_line()
    assert (line.end, line.reason) == ("BW", "backend-closed")
    assert client.get("/echo").status == 200
    assert [n.reuse for n in proxy.log_lines(2)] == ["N", "N"]


@pytest.mark.parametrize("path,framing", [
    ("/short/1000/10", "length"),
    ("/short-reset/1000/10", "length"),
    ("/cut/1000/10", "length"),
    ("/cut/1000000/100000", "length"),
    ("/cut/-/100", "chunked"),
    ("/head-then-reset/0", "chunked"),
    ("/head-then-reset/100", "chunked"),
    ("/head-then-reset/100/0", "chunked"),
    ("/head-then-reset/100000", "chunked"),
])
def test_cut_response_is_never_ended_cleanly(proxy, client, path, framing):
    answer = client.get(path)
    assert (answer.status, answer.framing) == (200, framing) or answer.status == 502
    assert not answer.complete or answer.status == 502
    assert answer.status == 502 or client.rest() == b""
    line = proxy.log_line()
    assert (line.end, bool(line.reason)) == ("BD", True) or answer.status == 502
    assert line.backend_status == 200


def test_body_longer_than_its_content_length(proxy, client):
    answer = client.get("/short/10/1000")
    assert answer.status in (200, 502)
    assert answer.status == 502 or client.rest() == b""
    assert proxy.log_line().end[0] == "B"


@pytest.mark.parametrize("kind", [
    "upper", "connection", "newline", "nul", "status", "low", "nostatus", "late", "lengths", "length", "te"])
def test_malformed_response_head(proxy, client, peer, kind):
    answer = client.get(f"/bad-head/{kind}")
    assert answer.status == 502
    line = proxy.log_line()
    assert (line.status, line.end[0], bool(line.reason)) == (502, "B", True)
    assert proxy.get("/echo").status == 200


def test_other_streams_survive_a_cut_one(proxy, peer):
    holder = proxy.client()
    holder.send_head("GET", "/hold")
    peer.wait_requests(1)
    cut = proxy.get("/short-reset/1000/10")
    assert not cut.complete or cut.status == 502
    peer.gate.set()
    assert holder.response().status == 200
    assert len(peer.connections) == 1


def test_backend_restart(make_peer, make_culvert):
    first = make_peer()
    proxy = make_culvert(first)
    client = proxy.client()
    assert client.get("/echo").status == 200
    first.stop()
    second = make_peer(port=first.port)
    wait_until(lambda: client.get("/echo").status == 200, "the new backend")
    assert len(second.connections) == 1
    last = proxy.log_lines(2)[-1]
    assert (last.status, last.reuse, last.local_port) == (200, "N", second.connections[0].port)


def test_log_tells_the_port_that_the_kernel_and_the_backend_see(proxy, peer, client):
    client.get("/echo")
    line = proxy.log_line()
    assert [line.local_port] == connected_to(peer.port) == [peer.last.connection.port]


def test_goaway_then_a_new_connection(proxy, client, peer):
    """In this order: else the peer may have answered the next request by half when it says that it did not process it."""
    def last_words(request):
        request.connection.goaway(request.stream_id)
        request.answer(200, [], b"bye")
    peer.on("/bye", last_words)
    assert client.get("/bye").body == b"bye"
    assert client.get("/echo").status == 200
    assert len(peer.connections) == 2
    assert not [n for n in proxy.log_lines(2) if n.status != 200]


def test_goaway_lets_what_runs_finish(proxy, peer):
    client = proxy.client()
    client.send_head("GET", "/hold")
    peer.wait_requests(1)
    peer.connections[0].goaway(peer.last.stream_id)
    wait_until(lambda: proxy.get("/echo").status == 200 and len(peer.connections) == 2, "the second connection")
    peer.gate.set()
    assert client.response().body == b"held"
    line = [n for n in proxy.log_lines(2) if n.path == "/hold"][0]
    assert (line.status, line.end, line.local_port) == (200, "--", peer.connections[0].port)


def test_stream_above_goaway_is_sent_again(proxy, peer, client):
    """The backend says that it did not process the stream: it goes to a new connection, once, and the log says so."""
    client.get("/echo")

    def leave(request):
        if request.connection.number == 0:
            request.connection.goaway(request.stream_id - 2)
            behave.never(request)
        behave.echo(request)
    peer.on("/leave", leave)
    assert client.get("/leave").status == 200
    line = proxy.log_lines(2)[1]
    assert (line.status, line.end, line.local_port) == (200, "--", peer.connections[1].port)
    assert line.retry.startswith("1:") and "goaway" in line.retry
    assert [r.path for r in peer.requests] == ["/echo", "/leave", "/leave"]


def refuse(times):
    """A behaviour that refuses the first requests with REFUSED_STREAM and echoes the others."""
    left = [times]

    def behaviour(request):
        left[0] -= 1
        if left[0] >= 0:
            request.reset(7)
        else:
            behave.echo(request)
    return behaviour


@pytest.mark.parametrize("method,body", [("GET", None), ("POST", b"")])
def test_refused_stream_is_sent_again_once(proxy, peer, client, method, body):
    peer.on("/refuse", refuse(1))
    assert client.ask(method, "/refuse", body=body).status == 200
    line = proxy.log_line()
    assert (line.status, line.end) == (200, "--")
    assert line.retry.startswith("1:") and "refused" in line.retry
    assert line.stream == peer.last.stream_id
    assert len(peer.requests) == 2


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_refused_stream_is_not_sent_forever(make_culvert, peer, retries):
    peer.on("/refuse", refuse(100))
    proxy = make_culvert(peer, args=f"retries={retries}")
    assert proxy.get("/refuse").status == 502
    line = proxy.log_line()
    assert (line.end, line.reason) == ("BW", "backend-refused")
    assert line.retry == (f"{retries}:backend-refused" if retries else "-")
    assert len(peer.requests) == retries + 1


def test_request_whose_body_left_is_not_sent_again(proxy, peer, client):
    def refuse_later(request):
        request.wait(lambda: request.size > 0)
        request.reset(7)
    peer.on("/refuse", refuse_later)
    client.send_head("POST", "/refuse", [("Content-Length", 100_000)])
    client.send_what_goes(bytes(100_000))
    assert client.response().status in (502, 503)
    line = proxy.log_line()
    assert (line.retry, line.end[0]) == ("-", "B")
    assert len(peer.requests) == 1


def test_reset_is_not_sent_again(proxy, peer, client):
    assert client.get("/reset/2").status == 502
    assert len(peer.requests) == 1


def test_idle_backend_connection_is_kept(proxy, peer):
    for _ in range(5):
        assert proxy.get("/echo").status == 200
    assert [n.reuse for n in proxy.log_lines(5)] == ["N", "R", "R", "R", "R"]
    assert len(peer.open_connections()) == 1


def test_two_backends_each_have_their_connection(make_peer, make_culvert):
    one, two = make_peer(), make_peer()
    proxy = make_culvert(None, f"ProxyPass /one h2c://127.0.0.1:{one.port}",
                         f"ProxyPass /two h2c://127.0.0.1:{two.port}")
    with proxy.client() as client:
        for n in range(6):
            assert client.get(f"/{('one', 'two')[n % 2]}/x").status == 200
    assert (len(one.connections), len(two.connections)) == (1, 1)
    assert {n.backend for n in proxy.log_lines(6)} == {f"127.0.0.1:{p.port}" for p in (one, two)}


def test_push_is_disabled(proxy, peer, client):
    client.get("/echo")
    assert peer.connections[0].h2.remote_settings.enable_push == 0


def test_clean_stop_finishes_what_runs(make_culvert, peer):
    proxy = make_culvert(peer)
    client = proxy.client()
    client.send_head("GET", "/hold")
    peer.wait_requests(1)
    proxy.process.popen.terminate()
    wait_until(lambda: refused(proxy.port), "the listener to close")
    peer.gate.set()
    assert client.response().body == b"held"
    client.close()
    assert proxy.process.wait()
    assert proxy.log_line().status == 200


def refused(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0
