"""HTTP/2 clients: flow control, the windows' arithmetic, goodbyes (GOAWAY) and timeouts."""
import hashlib
import json
import signal

import pytest

import h2wire
from behave import pattern
from h2wire import ENHANCE_YOUR_CALM, NO_ERROR, Client, data
from procs import listening, mapped_kib, steady, wait_until

LAST_OF_ALL = (1 << 31) - 1  # GOAWAY's last stream id while new streams may be on their way (RFC 9113 6.8)


@pytest.fixture
def fast(make_culvert, peer):
    """The build that is measured, which never says goodbye for a number of requests."""
    return make_culvert(peer, "MaxKeepAliveRequests 0", release=True)


# ---- flow control ----

def test_stalled_download_beside_99_others(fast):
    """A stream whose client gives no window stops alone: 99 others finish, in memory that does not grow. (What is
    resident of it grows with each page that a pool touches for the first time.)"""
    expected = hashlib.sha256(pattern(200000)).digest()
    before = mapped_kib(fast.pid)
    with Client(fast.port) as client:
        client.started()
        stalled = client.open("/size/3000000")
        client.held.add(stalled)
        others = [client.open("/size/200000") for _ in range(99)]
        for stream in others:
            answer = client.response(stream)
            assert hashlib.sha256(answer.body).digest() == expected
            answer.body.clear()
        assert len(client.stream(stalled).body) == 65535
        assert not client.stream(stalled).over
    assert mapped_kib(fast.pid) == before
    assert len([line for line in fast.log_lines(99) if line.status == 200 and line.end == "--"]) == 99


def test_stalled_upload_beside_others(fast, peer):
    """A stream that the backend does not read stops alone."""
    def stalls(request):
        request.hold_window()
        peer.gate.wait(60)
        request.release_window()
        request.wait_body()
        request.answer(200, [], b"%d" % request.size)
    peer.on("/stalls", stalls)
    with Client(fast.port) as client:
        stalled = client.started().open("/stalls", "POST", end=False)
        peer.wait_requests(1)
        sent = 0
        while client.room(stalled) > 0:  # until the proxy gives no more window
            size = min(client.room(stalled), 16384)
            client.spent(stalled, size)
            client.send(data(stalled, bytes(size)))
            sent += size
            client.synced()
        for _ in range(20):
            streams = [client.post("/echo", pattern(50000)) for _ in range(4)]
            assert all(json.loads(bytes(client.response(s).body))["size"] == 50000 for s in streams)
        assert not client.stream(stalled).over
        peer.gate.set()
        client.body(stalled, bytes(100000))
        assert bytes(client.response(stalled).body) == b"%d" % (sent + 100000)


def test_stalled_client_holds_the_backend_back(fast, peer):
    """No more of a download is taken from the backend than the windows promise."""
    with Client(fast.port) as client:
        stream = client.started().open("/unknown/8000000")
        client.held.add(stream)
        request = peer.wait_requests(1)[0]
        sent = steady(lambda: (client.fill(0.01), request.sent)[1], "what the backend has sent")
        assert sent < 4000000
        client.held.clear()
        client.grant(stream, 65535)
        answer = client.response(stream)
        assert hashlib.sha256(answer.body).digest() == hashlib.sha256(pattern(8000000)).digest()


@pytest.mark.parametrize("streams", [1, 3])
def test_client_that_does_not_know_our_window_yet(proxy, peer, streams):
    """Until SETTINGS are acknowledged a client may send 65,535 bytes (RFC 9113 6.9.2): it is paused, not reset."""
    def late(request):
        request.hold_window()
        peer.gate.wait(60)
        request.release_window()
        request.wait_body()
        request.answer(200, [], request.sha256.encode())
    peer.on("/late", late)
    size = 65535 // streams
    body = pattern(size)
    with Client(proxy.port, start=False, ack=False) as client:
        client.reads = False
        ids = [client.new_id() for _ in range(streams)]
        client.send(h2wire.PREFACE, h2wire.settings(),
                    *(client.headers(s, client.fields("/late", "POST"), end=False) for s in ids),
                    *(data(s, body[at:at + 16384], at + 16384 >= size) for at in range(0, size, 16384) for s in ids))
        peer.wait_requests(streams)
        client.reads = True
        steady(lambda: (client.fill(0.01), sum(r.size for r in peer.requests))[1], "what the backend got")
        assert client.goaways == [] and not any(client.stream(s).over for s in ids)
        client.acks = True
        client.acknowledge()
        peer.gate.set()
        for s in ids:
            assert bytes(client.response(s).body).decode() == hashlib.sha256(body).hexdigest()


def test_window_grows_for_a_busy_upload(fast):
    """An upload that keeps up is promised more than the guaranteed window."""
    with Client(fast.port) as client:
        client.started()
        stream = client.open("/echo", "POST", end=False)
        most = 0
        for _ in range(300):
            client.body(stream, bytes(16384), end=False)
            most = max(most, client.room(stream))
        client.send(data(stream, b"", end=True))
        assert json.loads(bytes(client.response(stream).body))["size"] == 300 * 16384
        assert most > client.settings[h2wire.INITIAL_WINDOW_SIZE]


def test_end_in_a_frame_of_its_own(proxy):
    """A body that fills the window exactly, and END_STREAM apart: window comes though nothing needs it, since many
    clients send not even an empty frame without."""
    with Client(proxy.port) as client:
        window = client.started().settings[h2wire.INITIAL_WINDOW_SIZE]
        for headers in ([], [("content-length", str(window))]):
            stream = client.open("/echo", "POST", headers, end=False)
            client.body(stream, bytes(window), end=False)
            client.wait(lambda s=stream: client.room(s) > 0, "window")
            client.send(data(stream, b"", end=True))
            assert json.loads(bytes(client.response(stream).body))["size"] == window


# ---- goodbyes ----

def test_sigterm_in_two_steps(make_culvert, peer):
    """GOAWAY with the largest id; streams on their way are taken; GOAWAY with the last one; all finish; the end."""
    proxy = make_culvert(peer)
    with Client(proxy.port) as client:
        client.acks = False  # PINGs, too
        client.wait(lambda: client.settings.get(h2wire.NO_RFC7540_PRIORITIES), "SETTINGS")
        client.acknowledge()
        first = client.open("/hold")
        peer.wait_requests(1)
        proxy.process.popen.send_signal(signal.SIGTERM)
        client.wait(lambda: client.goaways, "GOAWAY")
        assert client.goaways == [(LAST_OF_ALL, NO_ERROR)]
        client.wait(lambda: (h2wire.PING, 0, 0, 8) in client.frames, "the PING behind it")
        crossing = client.open("/hold")  # as if it had been sent before GOAWAY came
        peer.wait_requests(2)
        client.send(h2wire.ping(bytes(8), h2wire.ACK))
        client.wait(lambda: len(client.goaways) == 2, "the second GOAWAY")
        assert client.goaways[1] == (crossing, NO_ERROR)
        late = client.open("/late")
        wait_until(lambda: not listening(proxy.port), "the listener to close")
        assert not client.stream(first).over and not client.stream(crossing).over
        peer.gate.set()
        assert bytes(client.response(first).body) == b"held"
        assert bytes(client.response(crossing).body) == b"held"
        assert client.end() == NO_ERROR
        assert not any(r.path == "/late" for r in peer.requests) and client.stream(late).status is None
    assert proxy.process.wait()


def test_sigterm_with_a_download(make_culvert, peer):
    """A long response is whole though the proxy is leaving."""
    proxy = make_culvert(peer, "GracefulShutdownTimeout 60")
    with Client(proxy.port) as client:
        stream = client.started().open("/size/5000000")
        client.wait(lambda: len(client.stream(stream).body) > 100000, "some of the body")
        proxy.process.popen.send_signal(signal.SIGTERM)
        assert hashlib.sha256(client.response(stream).body).digest() == hashlib.sha256(pattern(5000000)).digest()
        assert client.end() == NO_ERROR


def test_sigterm_without_streams(make_culvert, peer):
    """Even of a client that answers no PING."""
    proxy = make_culvert(peer, "KeepAliveTimeout 1")
    with Client(proxy.port) as client, Client(proxy.port) as mute:
        client.started().get("/echo")
        mute.started().acks = False
        proxy.process.popen.send_signal(signal.SIGTERM)
        assert client.end() == NO_ERROR
        assert mute.end() in (NO_ERROR, None)
    assert proxy.process.wait()


def test_keep_alive_limit(make_culvert, peer):
    """MaxKeepAliveRequests: GOAWAY, and each request up to the last one named is answered."""
    proxy = make_culvert(peer, "MaxKeepAliveRequests 3")
    with Client(proxy.port) as client:
        streams = [client.started().open("/hold") for _ in range(3)]
        client.wait(lambda: client.goaways, "GOAWAY")
        peer.gate.set()
        assert all(bytes(client.response(s).body) == b"held" for s in streams)
        assert client.end() == NO_ERROR
        assert client.goaways[0] == (LAST_OF_ALL, NO_ERROR) and client.goaways[-1][0] == streams[-1]
    with Client(proxy.port) as client:
        assert client.started().get("/echo").status == 200 and client.goaways == []


def test_keep_alive_limit_of_a_client_that_answers_no_ping(make_culvert, peer):
    """It does not go on for ever: as many more requests are taken as may have crossed the first GOAWAY."""
    proxy = make_culvert(peer, "MaxKeepAliveRequests 3")
    with Client(proxy.port) as client:
        client.started().acks = False
        answered = 0
        while len(client.goaways) < 2:
            stream = client.done(client.open("/size/5"))
            assert bytes(stream.body) == b"\0\0\0\0\0" and stream.ended
            answered += 1
            assert answered <= 3 + client.settings[h2wire.MAX_CONCURRENT_STREAMS]
        assert client.goaways == [(LAST_OF_ALL, NO_ERROR), (2 * answered - 1, NO_ERROR)]
        assert client.end() == NO_ERROR


def test_idle_timeout(make_culvert, peer):
    """KeepAliveTimeout: GOAWAY(NO_ERROR), then the end; not while a stream is open."""
    proxy = make_culvert(peer, "KeepAliveTimeout 1")
    with Client(proxy.port) as unused, Client(proxy.port) as client, Client(proxy.port) as busy:
        client.started().get("/echo")
        unused.started()
        stream = busy.started().open("/hold")
        assert client.end() == NO_ERROR and unused.end() == NO_ERROR
        assert not busy.stream(stream).over and busy.goaways == []
        peer.gate.set()
        assert bytes(busy.response(stream).body) == b"held"
        assert busy.end() == NO_ERROR


def test_idle_clients_that_ping_are_idle(make_culvert, peer):
    """PINGs keep nobody's slot taken."""
    proxy = make_culvert(peer, "KeepAliveTimeout 1")
    with Client(proxy.port) as client:
        client.started().get("/echo")

        def pinged():
            client.send(h2wire.ping())
            return not client.fill(0.01) or client.goaways
        wait_until(pinged, "goodbye")
        assert client.end() in (NO_ERROR, ENHANCE_YOUR_CALM)


def test_clients_goaway(proxy, peer):
    """A client that says goodbye gets what it asked for."""
    with Client(proxy.port) as client:
        stream = client.started().open("/hold")
        peer.wait_requests(1)
        client.send(h2wire.frame(h2wire.GOAWAY, 0, 0, bytes(8)))
        client.synced()
        peer.gate.set()
        assert bytes(client.response(stream).body) == b"held"


def test_half_close_of_the_connection(proxy, peer):
    """FIN behind the requests: what was asked is answered, or given up; the backend's connection lives."""
    with Client(proxy.port) as client:
        client.started().open("/hold")
        peer.wait_requests(1)
        client.socket.shutdown(1)
        peer.gate.set()
        client.end()
    peer.wait_idle()
    assert proxy.get("/echo").status == 200 and len(peer.connections) == 1
