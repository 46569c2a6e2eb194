"""HTTP/2 clients that attack: each ends with a connection error or a timeout, within bounds, while a bystander is served
and memory stays as it is."""
import itertools
import struct
import time

import pytest

import h2wire
from culvert import CHECKED, RELEASE, Culvert
from h2peer import Peer
from h2wire import (CONTINUATION, DATA, GOAWAY, HEADERS, PADDED, SETTINGS, Client, data, frame, ping, plain, priority,
                    rst_stream, settings, window_update)
from procs import mapped_kib, wait_until

ROUNDS = 400  # an attack that goes on for so many rounds was not stopped
ROUND = 50  # frames, or pairs of them, of a round
STREAMS = 3000  # what the backend may see of one attack
PATIENCE = 20  # seconds that an attack, or a bystander, may take at most: nothing hangs


checked = pytest.mark.parametrize("proxy", ["checked"], indirect=True)


@pytest.fixture(scope="module")
def backend():
    peer = Peer()
    yield peer
    peer.stop()
    assert peer.errors == []


@pytest.fixture(scope="module", params=["release", "checked"])
def proxy(request, backend, tmp_path_factory):
    """An attack runs against both builds: one is measured, one watches its memory. Timeouts need only one."""
    server = Culvert(tmp_path_factory.mktemp("culvert"),
                     ["Timeout 2", "RequestReadTimeout header=2 body=2", "MaxKeepAliveRequests 0", "ProxyTimeout 3",
                      "KeepAliveTimeout 60",
                      f'ProxyPass "/" "h2c://127.0.0.1:{backend.port}/"'],
                     RELEASE if request.param == "release" else CHECKED)
    yield server
    server.stop()


class Bystander:
    """Two clients who are served all along, and how long that takes at worst; and the proxy's memory."""

    def __init__(self, proxy, backend):
        self.proxy, self.backend = proxy, backend
        self.worst = 0
        self.client = Client(proxy.port).started()
        self.old = proxy.client()
        self.ask()
        self.arrived = len(backend.requests)
        self.memory = mapped_kib(proxy.pid)

    def ask(self):
        began = time.monotonic()
        assert self.client.get("/echo").status == 200
        assert self.old.get("/echo").status == 200
        self.worst = max(self.worst, time.monotonic() - began)

    def seen(self, path="/attack"):
        """How many requests of the attack the backend saw."""
        return sum(r.path == path for r in self.backend.requests[self.arrived:])

    def end(self):
        self.ask()
        self.client.close()
        self.old.close()
        assert self.worst < PATIENCE, f"the bystander waited {self.worst:.1f} s"
        assert self.seen() <= STREAMS
        self.backend.wait_idle()
        if self.proxy.process.popen.args[0] == RELEASE:
            assert mapped_kib(self.proxy.pid) == self.memory


@pytest.fixture
def bystander(proxy, backend):
    someone = Bystander(proxy, backend)
    yield someone
    someone.end()


def with_stream(client, *more, end=False):
    """A new request and what makes the proxy (or the client) reset it."""
    stream = client.new_id()
    fields = client.fields("/attack", "POST", [("content-length", "1")] if not end else [])
    return client.headers(stream, fields, end) + b"".join(f(stream) for f in more)


def malformed(client):
    return client.headers(client.new_id(), [*client.fields("/attack"), ("connection", "close")])


FLOODS = {
    "rapid reset": lambda c, n: with_stream(c, rst_stream, end=True),
    "rapid reset of uploads": lambda c, n: with_stream(c, lambda s: data(s, b""), rst_stream),
    "made to reset: Content-Length": lambda c, n: with_stream(c, lambda s: data(s, b"too long", True)),
    "made to reset: malformed": lambda c, n: malformed(c),
    "made to reset: window too large":
        lambda c, n: with_stream(c, lambda s: window_update(s, h2wire.LARGEST_WINDOW), end=True),
    "made to reset: trailers": lambda c, n: with_stream(c, lambda s: c.headers(s, [(":path", "/")])),
    "SETTINGS": lambda c, n: settings((4, 65535 + n % 2)),
    "empty SETTINGS": lambda c, n: settings(),
    "many SETTINGS in a frame": lambda c, n: settings(*[(4, 65535)] * 1000),
    "window back and forth": lambda c, n: settings((4, 0), (4, 65535)),
    "table back and forth": lambda c, n: settings((1, 0), (1, 4096)),
    "PING": lambda c, n: ping(struct.pack(">Q", n)),
    "WINDOW_UPDATE": lambda c, n: window_update(0, 1),
    "PRIORITY": lambda c, n: priority(1 + 2 * (n % 1000), 0, n % 256),
    "PRIORITY_UPDATE": lambda c, n: frame(0x10, 0, 0, struct.pack(">I", 1) + b"u=1"),
    "GOAWAY": lambda c, n: frame(GOAWAY, 0, 0, bytes(8)),
    "RST_STREAM of closed streams": lambda c, n: rst_stream(1),
    "HEADERS of closed streams": lambda c, n: c.headers(1, c.fields("/attack")),
}


def pour(client, bystander, make, reads=True):
    """Rounds of frames until the proxy ends the connection; returns the code of GOAWAY."""
    client.reads = reads
    for n in range(ROUNDS):
        if not client.send(b"".join(make(client, n * ROUND + m) for m in range(ROUND))):
            break
        if reads and not client.fill():
            break
        if n % 20 == 0:
            bystander.ask()
    else:
        raise AssertionError(f"{ROUNDS * ROUND} frames were taken: {client.state()}")
    client.reads = True
    return client.end()


@pytest.mark.parametrize("name", FLOODS)
def test_flood(name, proxy, bystander):
    with Client(proxy.port) as client:
        client.started().get("/attack")
        assert pour(client, bystander, FLOODS[name]) != h2wire.NO_ERROR


ON_A_STREAM = {
    "empty DATA": lambda c, n: data(3, b""),
    "DATA of padding": lambda c, n: frame(DATA, PADDED, 3, b"\xff" + bytes(255)),
    "DATA of one byte of padding": lambda c, n: frame(DATA, PADDED, 3, b"\0"),
    "WINDOW_UPDATE of a stream": lambda c, n: window_update(3, 1),
}


@pytest.mark.parametrize("name", ON_A_STREAM)
def test_flood_on_a_stream(name, proxy, bystander):
    with Client(proxy.port) as client:
        client.started().get("/attack")
        assert client.open("/attack", "POST", end=False) == 3
        assert pour(client, bystander, ON_A_STREAM[name]) != h2wire.NO_ERROR


@pytest.mark.parametrize("built", [frame(0x42, 0, 0), frame(0x42, 0xff, 1, b"x" * 100), ping(flags=h2wire.ACK)],
                         ids=["unknown frames", "larger unknown frames", "PING's ACK"])
def test_flood_of_nothing(built, proxy, bystander):
    """What is ignored and answered with nothing may go on: it costs the proxy no more than the client."""
    with Client(proxy.port) as client:
        client.started()
        for n in range(ROUNDS):
            if not client.send(built * ROUND) or client.closed:
                break
            if n % 20 == 0:
                bystander.ask()


@pytest.mark.parametrize("name", ["PING", "SETTINGS"])
def test_flood_whose_answers_nobody_reads(name, proxy, bystander):
    """The acknowledgements wait in no queue without bound."""
    with Client(proxy.port, receive_buffer=4096) as client:
        client.started()
        assert pour(client, bystander, FLOODS[name], reads=False) != h2wire.NO_ERROR


@pytest.mark.parametrize("size", [0, 1, 1000, 16384])
def test_continuation_flood(size, proxy, bystander):
    """CVE-2024-28182: a header block without end."""
    part = plain("x", "y" * (size - 4))[:size] if size >= 8 else b"\x82" * size
    with Client(proxy.port) as client:
        client.started().send(frame(HEADERS, 0, 1, b"\x82"))
        assert pour(client, bystander, lambda c, n: frame(CONTINUATION, 0, 1, part)) != h2wire.NO_ERROR


def test_hpack_bomb(proxy, bystander):
    """One entry of the table, named thousands of times: the head is refused when it is too large, not stored."""
    with Client(proxy.port) as client:
        client.started()
        answers = []
        for _ in range(10):
            stream = client.new_id()
            block = client.block_of([*client.fields("/attack"), ("x-bomb", "v" * 3900)])
            bomb = client.block_of([("x-bomb", "v" * 3900)])
            assert len(bomb) == 1
            if not client.send(h2wire.block_frames(stream, block + bomb * 16000)) or client.closed:
                break
            client.wait(lambda s=stream: client.stream(s).over or client.closed or client.goaways, "an answer")
            answers.append(client.stream(stream))
            bystander.ask()
        assert all(s.status in (431, None) for s in answers)
    assert bystander.seen() == 0


@pytest.mark.parametrize("field", [b"\xa0", b"\x0f\x11\0"], ids=["indexed", "literal"])
def test_crumbs_without_end(field, proxy, bystander):
    """A byte of the block is a whole field (an empty cookie): joined within the head's bounds, or refused."""
    with Client(proxy.port) as client:
        client.started()
        for _ in range(10):
            stream = client.new_id()
            block = client.block_of(client.fields("/attack")) + field * (100000 // len(field))
            if not client.send(h2wire.block_frames(stream, block)) or client.closed:
                break
            client.wait(lambda s=stream: client.stream(s).over or client.closed or client.goaways, "an answer")
            bystander.ask()


# ---- stalled and slow clients ----

@checked
def test_client_that_never_reads(proxy, bystander):
    """Its socket is full: Timeout ends it, and its streams at the backend."""
    with Client(proxy.port, [(h2wire.INITIAL_WINDOW_SIZE, h2wire.LARGEST_WINDOW)], receive_buffer=4096) as client:
        client.started().send(window_update(0, h2wire.LARGEST_WINDOW - 65535))
        client.reads = False
        for _ in range(20):
            client.open("/unknown/123456789")
        wait_until(lambda: sum("/unknown/123456789" in line for line in proxy.written()) >= 20, "20 log lines")
        assert {line.end for line in proxy.log_lines(20) if line.path == "/unknown/123456789"} <= {"TD", "TW"}
        bystander.ask()


@checked
def test_client_that_gives_no_window(proxy, bystander):
    """CVE-2019-9511, 9517: responses that are asked for and never taken are not kept for ever, but for ProxyTimeout
    and Timeout together."""
    with Client(proxy.port, [(h2wire.INITIAL_WINDOW_SIZE, 0)]) as client:
        client.started()
        streams = [client.open("/unknown/10000000") for _ in range(50)]
        for s in streams:
            client.wait(lambda s=s: client.stream(s).over or client.closed or client.goaways, f"an end of {s}", 10)
        bystander.ask()


@checked
def test_client_that_gives_little_window(proxy, bystander):
    """One byte of window now and then is a client's right."""
    with Client(proxy.port, [(h2wire.INITIAL_WINDOW_SIZE, 1)], give=False) as client:
        stream = client.started().open("/unknown/10000000")
        for n in range(1, 100):
            client.wait(lambda n=n: len(client.stream(stream).body) >= n, f"byte {n}")
            client.grant(stream, 1)
        bystander.ask()


def drip(client, parts, seconds=PATIENCE):
    """Sends one part after another, a tenth of a second apart, until the proxy ends the connection."""
    began = time.monotonic()
    for part in parts:
        client.send(part)
        if not client.fill(0.1) or client.goaways:
            break
        assert time.monotonic() - began < seconds, "nobody stopped it"
    client.end(seconds)


@checked
def test_slow_header_block(proxy, bystander):
    """RequestReadTimeout header=: a block that comes a byte at a time."""
    def parts(c):
        block = c.block_of([*c.fields("/attack"), ("x-long", "v" * 1000)])
        yield frame(HEADERS, h2wire.END_STREAM, 1, block[:1])
        for at in itertools.count(1):
            one = frame(CONTINUATION, 0, 1, block[at:at + 1])
            yield one[:5]  # a frame header is dripped as well
            yield one[5:]
    with Client(proxy.port) as client:
        drip(client, parts(client.started()))
    assert bystander.seen() == 0


@checked
def test_slow_block_in_one_frame(proxy, bystander):
    """The same within a single HEADERS frame."""
    with Client(proxy.port) as client:
        block = client.started().block_of([*client.fields("/attack"), ("x-long", "v" * 1000)])
        whole = frame(HEADERS, 5, 1, block)
        drip(client, (whole[at:at + 1] for at in range(len(whole))))
    assert bystander.seen() == 0


def test_slow_frame_header_on_an_idle_connection(make_culvert, backend):
    """Five bytes of a frame and silence: idle, or slow, but not for ever."""
    proxy = make_culvert(backend, "KeepAliveTimeout 2", "RequestReadTimeout header=2")
    with Client(proxy.port) as client:
        client.started().get("/echo")
        client.send(ping()[:5])
        began = time.monotonic()
        while client.fill(0.2):
            with Client(proxy.port) as other:
                assert other.started().get("/echo").status == 200
            assert time.monotonic() - began < PATIENCE, "nobody ended it"


@checked
@pytest.mark.parametrize("sent", [h2wire.PREFACE[:10], h2wire.PREFACE, h2wire.PREFACE + frame(SETTINGS)[:5],
                                  h2wire.PREFACE + frame(SETTINGS)])
def test_slow_beginning(sent, proxy, bystander):
    """A preface that does not go on; a client that says nothing behind it."""
    with proxy.client() as client:
        client.send(sent)
        while client.fill():
            pass


@checked
def test_dripping_preface(proxy, bystander):
    with Client(proxy.port, start=False, ack=False) as client:
        sent = h2wire.PREFACE + settings(*[(h2wire.MAX_FRAME_SIZE, 16384)] * 100)
        try:
            drip(client, (sent[at:at + 1] for at in range(len(sent))))
        except AssertionError as error:
            assert "no HTTP/2" in str(error)  # still HTTP/1.1 when it ended


@checked
def test_slow_body(proxy, bystander):
    """A body that does not move ends its stream; others of the connection go on."""
    with Client(proxy.port) as client:
        stream = client.started().open("/echo", "POST", [("content-length", "1000")], end=False)
        client.send(data(stream, b"x"))
        answer = client.done(stream, PATIENCE)
        assert answer.status == 408 or answer.reset is not None
        assert client.get("/echo").status == 200


@checked
def test_client_that_never_acknowledges(proxy, bystander):
    """SETTINGS without ACK: served, or refused, but no resource grows."""
    with Client(proxy.port, ack=False) as client:
        for _ in range(50):
            assert client.get("/size/1000").status == 200


# ---- many of them ----

def test_sessions_run_out(proxy, bystander):
    """More HTTP/2 clients than sessions: the last get GOAWAY, all others are served."""
    clients = []
    while not (clients and clients[-1].goaways):
        assert len(clients) < 1000
        clients.append(Client(proxy.port))
        c = clients[-1]
        c.wait(lambda c=c: c.settled or c.goaways, "SETTINGS, or GOAWAY")
    assert clients[-1].end() == h2wire.ENHANCE_YOUR_CALM
    bystander.ask()
    assert clients[0].closed or clients[0].get("/echo").status == 200
    for c in clients:
        c.close()


def test_all_at_once(proxy, bystander):
    """Several attackers at a time."""
    kinds = ["rapid reset", "PING", "made to reset: malformed", "SETTINGS", "WINDOW_UPDATE"]
    clients = [(Client(proxy.port).started(), FLOODS[kind]) for kind in kinds for _ in range(2)]
    for n in range(ROUNDS):
        for client, make in clients:
            if not client.closed:
                client.send(b"".join(make(client, n * 10 + m) for m in range(10)))
                client.fill()
        if n % 50 == 0:
            bystander.ask()
        if all(client.closed for client, _ in clients):
            break
    assert all(client.closed for client, _ in clients)
    for client, _ in clients:
        client.close()
