"""WebSocket: the ws library at both ends, over HTTP/1.1 and over HTTP/2 to Culvert, over HTTP/2 to Node; and Chromium."""
import subprocess
import time

import pytest

import h2wire
from nodepeer import backend_ports, running
from procs import wait_until
from test_node import chromium

BOTH = pytest.mark.parametrize("proto", ["h1", "h2"])
OPENED = {"h1": 101, "h2": 200}
ABNORMAL = 1006
CANCEL = 8
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MIB = 1 << 20


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    with running(tmp_path_factory.mktemp("ws"), "origin.js", "ws_client.js") as both:
        yield both


@pytest.fixture
def make_origin(programs):
    """Makes servers in the one Node program: make_origin(enableConnectProtocol=True)."""
    program = programs[0]
    program.forget()
    ports = []

    def make(**settings):
        program.port = program.call("listen", settings=settings)
        ports.append(program.port)
        return program
    yield make
    for port in ports:
        program.call("close", port=port)


@pytest.fixture
def origin(make_origin):
    return make_origin(enableConnectProtocol=True)


@pytest.fixture
def make_ws(programs, make_culvert):
    """Makes the clients' program, told of a new Culvert: ws.open("h1", "/ws/echo")."""
    program = programs[1]
    program.forget()

    def make(backend, *lines, **options):
        program.proxy = make_culvert(backend, *lines, **options)

        def start(proto, path, key="it", **more):
            return program.call("open", proto=proto, port=program.proxy.port, path=path, key=key, **more)
        program.open = start
        return program
    yield make
    program.call("close")


@pytest.fixture
def ws(make_ws, origin):
    return make_ws(origin)


@BOTH
def test_echo(ws, origin, proto):
    opened = ws.open(proto, "/ws/echo?a=b", protocols=["chat", "other"])
    assert (opened["status"], opened["protocol"]) == (OPENED[proto], "chat")
    ws.call("send", key="it", text="hello ü")
    assert ws.event("message")["binary"] is False
    ws.call("send", key="it", bytes=300)
    assert ws.event("message", binary=True)
    assert ws.found("message")[0]["text"].encode("latin-1").decode() == "hello ü"


@BOTH
def test_what_the_backend_sees(ws, origin, proto):
    """An extended CONNECT, without the fields that only HTTP/1.1 has."""
    ws.open(proto, "/ws/echo?a=b", protocols=["chat", "other"])
    headers = origin.event("connect")["headers"]
    assert [headers[":" + n] for n in ("method", "protocol", "scheme", "path")] == \
        ["CONNECT", "websocket", "http", "/ws/echo?a=b"]
    assert headers[":authority"] == f"127.0.0.1:{origin.port}"
    assert headers["sec-websocket-version"] == "13"
    assert headers["sec-websocket-protocol"].replace(" ", "") == "chat,other"
    assert headers["x-mine"] == "yes"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert not {"connection", "upgrade", "sec-websocket-key", "content-length", "transfer-encoding"} & set(headers)


def test_the_answer_to_a_raw_handshake(make_ws, origin):
    """RFC 6455 4.2.2, with the key and the answer of its example."""
    with make_ws(origin).proxy.client() as client:
        client.send_head("GET", "/ws/echo", [("Connection", "keep-alive, Upgrade"), ("Upgrade", "WebSocket"),
                                             ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", KEY)])
        answer = client.head()
        assert (answer.status, answer.get("upgrade").lower(), answer.get("connection").lower()) == \
            (101, "websocket", "upgrade")
        assert answer.get("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert answer.get("content-length") is None and answer.get("transfer-encoding") is None
        client.send(b"\x81\x85\0\0\0\0hello")
        assert client.exactly(7) == b"\x81\x05hello"


def test_only_the_proxy_answers_the_key(make_culvert, make_peer):
    """The backend does not know it, whatever it says."""
    peer = make_peer(enable_connect_protocol=1)
    peer.on("/ws", lambda request: request.head(200, [("sec-websocket-accept", "x"), ("sec-websocket-protocol", "y")]))
    with make_culvert(peer).client() as client:
        client.send_head("GET", "/ws", [("Connection", "Upgrade"), ("Upgrade", "websocket"),
                                        ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", KEY)])
        answer = client.head()
        assert answer.all("sec-websocket-accept") == ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
        assert answer.get("sec-websocket-protocol") == "y"


def test_frames_right_behind_the_handshake(make_ws, origin):
    """A client that does not wait for 101: its first frames are not lost."""
    with make_ws(origin).proxy.client() as client:
        client.send(f"GET /ws/echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n".encode() + b"\x81\x85\0\0\0\0early")
        assert client.head().status == 101
        assert client.exactly(7) == b"\x81\x05early"


@pytest.mark.parametrize("missing", ["Connection", "Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key"])
def test_half_a_handshake_is_a_request(make_ws, origin, missing):
    """An upgrade that is not proper is ignored (RFC 9110 7.8): the origin sees a GET."""
    fields = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
    del fields[missing]
    with make_ws(origin).proxy.client() as client:
        assert client.get("/echo", list(fields.items())).status == 200
    assert origin.event("request")["method"] == "GET"


@BOTH
def test_big_message(ws, proto):
    ws.open(proto, "/ws/echo")
    answer = ws.call("flood", key="it", count=1, bytes=MIB)
    assert (answer["size"], answer["got"]) == (MIB, answer["sent"])
    answer = ws.call("flood", key="it", count=20, bytes=MIB)
    assert (answer["size"], answer["got"]) == (20 * MIB, answer["sent"])


@BOTH
def test_ten_thousand_small_messages(ws, proto):
    ws.open(proto, "/ws/echo")
    answer = ws.call("flood", key="it", count=10_000, bytes=20)
    assert (answer["size"], answer["got"]) == (200_000, answer["sent"])


@BOTH
def test_ping_and_pong(ws, proto):
    ws.open(proto, "/ws/ping")
    assert ws.event("ping")["text"] == "are you there"
    assert ws.event("message")["text"] == "pong:are you there"
    ws.call("ping", key="it", text="and you")
    assert ws.event("pong")["text"] == "and you"


@BOTH
def test_client_closes(ws, origin, proto):
    ws.open(proto, "/ws/echo")
    ws.call("flood", key="it", count=3, bytes=100)
    ws.call("shut", key="it", code=4003, reason="enough")
    assert origin.event("ws-close")["code"] == 4003
    closed = ws.event("closed")
    assert (closed["code"], closed["reason"]) == (4003, "enough")
    line = ws.proxy.log_line()
    assert (line.proto, line.status, line.end) == (proto, OPENED[proto], "--")
    assert line.bytes > 300


@BOTH
def test_server_closes(ws, origin, proto):
    ws.open(proto, "/ws/bye")
    closed = ws.event("closed")
    assert (closed["code"], closed["reason"]) == (4002, "bye")
    assert origin.event("ws-close")["code"] == 4002
    assert ws.proxy.log_line().end == "--"


@BOTH
def test_client_vanishes(ws, origin, proto):
    """The server's stream is reset at once; the connection to it lives on."""
    ws.open(proto, "/ws/echo")
    ws.call("flood", key="it", count=3, bytes=100)
    ports = backend_ports(origin)
    ws.call("drop", key="it")
    assert origin.event("closed", path="/ws/echo")["code"] == CANCEL
    assert ws.proxy.log_line().end[0] == "C"
    assert ws.open(proto, "/ws/echo", key="next")["status"] == OPENED[proto]
    assert backend_ports(origin) == ports


def tunnel(request):
    """Opens, and neither speaks nor ends."""
    request.head(200)
    request.wait(lambda: False, 60)


def test_client_resets_its_stream(make_ws, make_peer):
    """RST_STREAM(CANCEL) goes on to the backend; the client's other WebSocket does not feel it."""
    peer = make_peer(enable_connect_protocol=1)
    peer.on("/ws", tunnel)
    ws = make_ws(peer)
    ws.open("h2", "/ws", key="one")
    ws.open("h2", "/ws", key="other")
    ws.call("cancel", key="one")
    peer.wait(lambda: peer.requests[0].reset_code is not None, "the reset")
    assert peer.requests[0].reset_code == CANCEL
    ws.call("send", key="other", text="still here")
    peer.wait(lambda: peer.requests[1].size == len("still here") + 6, "the frame")
    assert not peer.requests[1].gone
    assert ws.proxy.log_line().end == "CD"


def test_client_ends_its_side_with_its_head(make_culvert, make_peer):
    """END_STREAM on the extended CONNECT: half-closed from the start (RFC 9113 8.5)."""
    peer = make_peer(enable_connect_protocol=1)

    def told(request):
        request.head(200)
        request.wait_body()
        request.data(b"bye", end=True)
    peer.on("/ws", told)
    proxy = make_culvert(peer)
    with h2wire.Client(proxy.port) as client:
        stream = client.started().new_id()
        client.send(client.headers(stream, [(":protocol", "websocket"), *client.fields("/ws", "CONNECT")]))
        assert bytes(client.response(stream).body) == b"bye"
    assert peer.last.end_on_headers and proxy.log_line().end == "--"


@BOTH
def test_backend_vanishes(ws, origin, proto):
    """The client sees its connection (or stream) break, not a clean close; the next one works."""
    ws.open(proto, "/ws/echo")
    ws.call("flood", key="it", count=3, bytes=100)
    origin.call("crash", port=origin.port)
    assert ws.event("closed")["code"] == ABNORMAL
    assert ws.proxy.log_line().end[0] == "B"
    assert ws.open(proto, "/ws/echo", key="next")["status"] == OPENED[proto]


@BOTH
def test_backend_refuses(ws, proto):
    """An answer other than 2xx is a response like any other."""
    answer = ws.open(proto, "/ws/refuse/403")
    assert (answer["status"], answer["text"]) == (403, "no websocket here")
    assert ws.proxy.log_line().end == "--"
    assert ws.open(proto, "/ws/echo")["status"] == OPENED[proto]


@BOTH
def test_backend_without_extended_connect(make_ws, make_origin, proto):
    """Nothing of it reaches a backend whose SETTINGS do not allow it; other requests pass."""
    origin = make_origin()
    ws = make_ws(origin)
    for _ in range(2):
        assert ws.open(proto, "/ws/echo")["status"] in (501, 502)
    assert origin.found("connect") == []
    assert ws.proxy.get("/size/5").status == 200
    assert all(n.reason for n in ws.proxy.log_lines(3)[:2])


def test_other_protocols_of_connect(ws, origin):
    """Only WebSocket is carried; the session goes on."""
    answer = ws.open("h2", "/ws/echo", protocol="connect-udp")
    assert answer.get("status") == 501 or "error" in answer
    assert origin.found("connect") == []
    opened = ws.open("h2", "/ws/echo")
    assert (opened["status"], opened["enabled"]) == (200, True)


@BOTH
def test_who_does_not_read_is_waited_for(ws, origin, proto):
    """What the server does not take stays with the client; its neighbours do not feel it."""
    ws.open(proto, "/ws/stall", key="stalled")
    left = ws.call("stall", key="stalled", bytes=30 * MIB)
    assert left > 5 * MIB
    for other in ("h1", "h2"):
        assert ws.open(other, "/ws/echo", key=other)["status"] == OPENED[other]
        answer = ws.call("flood", key=other, count=5, bytes=200_000)
        assert answer["got"] == answer["sent"]
    assert len(backend_ports(origin)) == 1


@BOTH
def test_forty_at_once(ws, origin, proto):
    """All of them over one backend connection."""
    keys = [f"k{n}" for n in range(40)]
    for key in keys:
        assert ws.open(proto, "/ws/echo", key=key)["status"] == OPENED[proto]
    floods = [ws.begin("flood", key=key, count=20, bytes=1000) for key in keys]
    for flood in floods:
        answer = ws.finish(flood)
        assert (answer["size"], answer["got"]) == (20_000, answer["sent"])
    assert len(backend_ports(origin)) == 1
    for key in keys:
        ws.call("shut", key=key, code=1000, reason="")
    wait_until(lambda: len(ws.found("closed", code=1000)) == 40, "all to close")
    assert {n.end for n in ws.proxy.log_lines(40)} == {"--"}


@BOTH
def test_idle_ends(make_ws, origin, proto):
    """A tunnel on which nothing moves ends as silence of the backend ends a response."""
    ws = make_ws(origin, args="timeout=1")
    ws.open(proto, "/ws/echo")
    assert ws.event("closed")["code"] == ABNORMAL
    line = ws.proxy.log_line()
    assert line.end[0] == "T"
    assert line.ms >= 900


def test_busy_is_not_idle(make_ws, origin):
    """One direction that moves keeps both alive."""
    ws = make_ws(origin, "Timeout 3", args="timeout=3")
    for proto in ("h1", "h2"):
        ws.open(proto, "/ws/count", key=proto)
    for n in range(8):
        for proto in ("h1", "h2"):
            ws.call("send", key=proto, text="x" * n)
        time.sleep(0.5)
    for proto in ("h1", "h2"):
        ws.call("send", key=proto, text="total")
        assert '"count":8' in ws.event("message", key=proto)["text"]


def test_chromium(ws, origin, tmp_path):
    """A page opens a WebSocket, talks, closes, and reports what it saw."""
    with open(tmp_path / "chromium.out", "wb") as out:
        browser = subprocess.Popen(chromium(tmp_path, "--remote-debugging-port=0", ws.proxy.url("/site/websocket")),
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        report = origin.event("report")
    finally:
        browser.terminate()
        browser.wait(20)
    assert (report["protocol"], report["text"], report["binary"]) == ("chat", "hello from a browser", 300_000 * 7)
    assert (report["code"], report["clean"]) == (4001, True)
    assert origin.event("ws-close")["code"] == 4001
    headers = origin.event("connect")["headers"]
    assert headers["origin"] == f"http://{ws.proxy.authority}"
    assert "sec-websocket-extensions" in headers
