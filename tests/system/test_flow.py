"""Back-pressure: slow ends make nobody grow and stall nobody else."""
import hashlib
import threading

import pytest

import behave
from procs import resident_kib, steady

BIG = 48 << 20
# What may be under way when one end stops: the proxy's windows and the kernel's socket buffers.
UNDER_WAY = 16 << 20


def warm_up(proxy):
    """Touches what every request of a kind touches once: bodies both ways."""
    body = bytes(4 << 20)
    for _ in range(3):
        with proxy.client() as client:
            assert len(client.get(f"/size/{4 << 20}").body) == 4 << 20
            assert client.ask("POST", "/echo", body=body).status == 200


@pytest.mark.once
def test_slow_client_does_not_make_the_proxy_grow(make_culvert, peer):
    proxy = make_culvert(peer, release=True)
    warm_up(proxy)
    slow = proxy.client(receive_buffer=65536, timeout=60)
    slow.send_head("GET", f"/size/{BIG}")
    request = peer.wait_requests(7)[-1]
    peer.wait(lambda: request.sent > 0, "the first bytes")
    before = resident_kib(proxy.pid)
    assert steady(lambda: request.sent, "the download") < UNDER_WAY
    assert resident_kib(proxy.pid) - before <= 1024  # the blocks that one body may borrow
    for n in range(20):
        assert proxy.get(f"/echo/{n}").status == 200
    assert len(peer.connections) == 1
    answer = slow.response()
    assert answer.complete and answer.body == behave.pattern(BIG)


@pytest.mark.once
def test_stalled_streams_do_not_stall_their_siblings(proxy, peer):
    """Many clients stop reading; others still get large answers over the same backend connection."""
    stalled = [proxy.client(receive_buffer=32768, timeout=60) for _ in range(12)]
    for client in stalled:
        client.send_head("GET", f"/size/{8 << 20}")
    peer.wait(lambda: len(peer.requests) == 12 and all(r.sent > 0 for r in peer.requests), "12 downloads")
    steady(lambda: sum(r.sent for r in peer.requests[:12]), "the downloads")
    for _ in range(3):
        answer = proxy.get(f"/size/{2 << 20}")
        assert answer.complete and answer.body == behave.pattern(2 << 20)
    assert len(peer.connections) == 1
    for client in stalled[:2]:
        answer = client.response()
        assert answer.complete and answer.body == behave.pattern(8 << 20)


@pytest.fixture
def upload():
    """Starts a large upload in a thread; the thread waits when the proxy takes no more."""
    threads = []

    def start(client, path, body, chunked=False):
        def send():
            client.send_head("POST", path, [("Transfer-Encoding", "chunked") if chunked else ("Content-Length", len(body))])
            for at in range(0, len(body), 1 << 20):
                part = body[at:at + (1 << 20)]
                client.send_chunk(part) if chunked else client.send(part)
            if chunked:
                client.send("0\r\n\r\n")
        threads.append(threading.Thread(target=send, daemon=True))
        threads[-1].start()
        return threads[-1]
    yield start
    for thread in threads:
        thread.join(30)


@pytest.mark.once
@pytest.mark.parametrize("chunked", [False, True])
def test_slow_backend_stops_a_big_upload(make_culvert, peer, upload, chunked):
    """The stream's window is not given back: the client is stopped, others are not, and nothing is lost."""
    def slow(request):
        request.hold_window()
        peer.gate.wait(60)
        request.release_window()
        behave.echo(request)
    peer.on("/slow-upload", slow)
    proxy = make_culvert(peer, release=True)
    warm_up(proxy)
    client = proxy.client(timeout=60)
    body = behave.pattern(BIG)
    sender = upload(client, "/slow-upload", body, chunked)
    request = peer.wait_requests(7)[-1]
    assert steady(lambda: request.size, "the upload") < UNDER_WAY
    before = resident_kib(proxy.pid)
    assert sender.is_alive()
    for n in range(20):
        assert proxy.get(f"/echo/{n}").status == 200
    with proxy.client() as other:
        assert other.ask("POST", "/echo", body=body[:1 << 20]).status == 200
    assert len(peer.connections) == 1
    assert resident_kib(proxy.pid) - before <= 1024
    peer.gate.set()
    assert client.response().status == 200
    assert (request.size, request.sha256) == (BIG, hashlib.sha256(body).hexdigest())


def test_client_that_leaves_a_big_download(proxy, peer):
    client = proxy.client(receive_buffer=65536)
    client.send_head("GET", f"/size/{BIG}")
    assert client.head().status == 200
    client.close()
    peer.wait(lambda: peer.last.reset_code is not None, "the stream's reset")
    line = proxy.log_line()
    assert (line.end, line.status) == ("CD", 200)
    assert proxy.get("/echo").status == 200


def test_client_that_takes_nothing_is_given_up(make_culvert, peer):
    """Timeout bounds how long a client may take no byte at all."""
    proxy = make_culvert(peer, "Timeout 1", args="timeout=30")
    client = proxy.client(receive_buffer=65536)
    client.send_head("GET", f"/size/{BIG}")
    peer.wait(lambda: peer.requests and peer.last.reset_code is not None, "the stream's reset")
    line = proxy.log_line()
    assert (line.end, line.status, bool(line.reason)) == ("TD", 200, True)


def test_both_ways_at_once(proxy, peer, upload):
    """A backend that answers while it still reads: full duplex through one stream."""
    def mirror(request):
        request.head(200)
        done = 0
        while not request.ended or done < request.size:
            request.wait(lambda: request.size > done or request.ended)
            part = request.size - done
            request.data(behave.pattern(part, done))
            done += part
        request.data(b"", end=True)
    peer.on("/mirror", mirror)
    client = proxy.client(timeout=60)
    body = behave.pattern(8 << 20)
    upload(client, "/mirror", body)
    answer = client.response()
    assert answer.complete and answer.body == body
    assert peer.last.sha256 == hashlib.sha256(body).hexdigest()
