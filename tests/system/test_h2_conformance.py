"""HTTP/2 clients that break the protocol: RFC 9113 sections 3 to 8 and RFC 7541, case by case.

A stream error may harm no sibling: one is held open in every case, and finishes afterwards. Sections are those of
RFC 9113 unless 7541 is said.
"""
import itertools
import re
import struct

import hpack
import pytest

import h2wire
from culvert import CHECKED, Culvert
from h2peer import Peer
from h2wire import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY,
                    PRIORITIZED, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE)
from h2wire import (CANCEL, COMPRESSION_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, NO_ERROR, PROTOCOL_ERROR,
                    STREAM_CLOSED)
from h2wire import Client, data, frame, ping, plain, priority, rst_stream, settings, window_update

numbers = itertools.count()
BAD = 3  # the stream on which a case happens; 1 is its held sibling


@pytest.fixture(scope="module")
def backend():
    peer = Peer()
    yield peer
    peer.stop()
    assert peer.errors == []


def started(backend, directory):
    """A proxy for many cases: whatever a client did, it must be none the worse."""
    return Culvert(directory, ["MaxKeepAliveRequests 0", f'ProxyPass "/" "h2c://127.0.0.1:{backend.port}/"'], CHECKED)


@pytest.fixture(scope="module")
def proxy(backend, tmp_path_factory):
    server = started(backend, tmp_path_factory.mktemp("culvert"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def logged(backend, tmp_path_factory):
    """Another one, whose log has nothing but one case's lines behind another's."""
    server = started(backend, tmp_path_factory.mktemp("logged"))
    yield server
    server.stop()


def held(proxy, backend):
    """A connection whose stream 1 waits at the backend."""
    backend.gate.clear()
    connection = Client(proxy.port).started()
    count = len(backend.requests)
    connection.sibling = f"/hold/{next(numbers)}"
    assert connection.open(connection.sibling) == 1
    backend.wait_requests(count + 1)
    connection.next_id = BAD + 2
    return connection


@pytest.fixture
def client(proxy, backend):
    with held(proxy, backend) as connection:
        yield connection
        backend.gate.set()


def head(c, *fields, stream=BAD, end=True, path="/bad"):
    """A request's HEADERS with further fields."""
    return c.headers(stream, c.fields(path, headers=fields), end)


def post(c, *fields, stream=BAD, path="/echo"):
    return c.headers(stream, c.fields(path, "POST", fields), end=False)


def only(c, *fields, stream=BAD, end=True):
    """HEADERS with exactly these fields."""
    return c.headers(stream, fields, end)


def block(c, path="/bad"):
    return c.block_of(c.fields(path))


def pseudo(c, drop=(), **more):
    """Pseudo-header fields, some left out, some changed."""
    fields = {"method": "GET", "scheme": "http", "authority": c.authority, "path": "/bad", **more}
    return [(":" + n, v) for n, v in fields.items() if n not in drop]


def raw(c, *fields, stream=BAD, end=True):
    """HEADERS with a request and further fields as literal bytes, which no encoder has looked at."""
    return h2wire.block_frames(stream, block(c) + b"".join(plain(n, v) for n, v in fields), end)


# ---- connection errors: GOAWAY with the code, then the end ----

CONNECTION_ERRORS = {
    # 4.2 frame size
    "4.2 DATA too large": ({FRAME_SIZE_ERROR}, lambda c: post(c) + data(BAD, b"x" * 16385)),
    "4.2 HEADERS too large": ({FRAME_SIZE_ERROR}, lambda c: frame(HEADERS, 5, BAD, b"x" * 16385)),
    "4.2 unknown frame too large": ({FRAME_SIZE_ERROR}, lambda c: frame(0x42, 0, 0, b"x" * 16385)),
    "4.2 16 MiB": ({FRAME_SIZE_ERROR}, lambda c: b"\xff\xff\xff\0\0\0\0\0\3"),
    "4.2 PRIORITY short": ({FRAME_SIZE_ERROR}, lambda c: frame(PRIORITY, 0, BAD, b"\0\0\0\0")),
    "4.2 RST_STREAM short": ({FRAME_SIZE_ERROR}, lambda c: frame(RST_STREAM, 0, 1, b"\0\0\0")),
    "4.2 RST_STREAM long": ({FRAME_SIZE_ERROR}, lambda c: frame(RST_STREAM, 0, 1, b"\0" * 5)),
    "4.2 PING short": ({FRAME_SIZE_ERROR}, lambda c: frame(PING, 0, 0, b"1234567")),
    "4.2 PING long": ({FRAME_SIZE_ERROR}, lambda c: frame(PING, 0, 0, b"123456789")),
    "4.2 PING empty": ({FRAME_SIZE_ERROR}, lambda c: frame(PING)),
    "4.2 SETTINGS of 5": ({FRAME_SIZE_ERROR}, lambda c: frame(SETTINGS, 0, 0, b"\0" * 5)),
    "4.2 WINDOW_UPDATE short": ({FRAME_SIZE_ERROR}, lambda c: frame(WINDOW_UPDATE, 0, 0, b"\0\0\1")),
    "4.2 WINDOW_UPDATE long": ({FRAME_SIZE_ERROR}, lambda c: frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\0\1")),
    "4.2 GOAWAY short": ({FRAME_SIZE_ERROR}, lambda c: frame(GOAWAY, 0, 0, b"\0" * 7)),
    # 4.3 header blocks
    "4.3 block interrupted by DATA": ({PROTOCOL_ERROR}, lambda c: frame(HEADERS, 1, BAD, block(c)) + data(1, b"x")),
    "4.3 block interrupted by another's HEADERS":
        ({PROTOCOL_ERROR}, lambda c: frame(HEADERS, 1, BAD, block(c)) + head(c, stream=5)),
    "4.3 block interrupted by an unknown frame":
        ({PROTOCOL_ERROR}, lambda c: frame(HEADERS, 1, BAD, block(c)) + frame(0x42, 0, BAD)),
    "4.3 block interrupted by PING": ({PROTOCOL_ERROR}, lambda c: frame(HEADERS, 1, BAD, block(c)) + ping()),
    # 5.1 states, identifiers. A stream error may be a connection error (5.4.1), which nghttp2 makes of some.
    "5.1 DATA on half-closed": ({STREAM_CLOSED}, lambda c: head(c, path="/hold") + data(BAD, b"x")),
    "5.1 HEADERS on half-closed": ({STREAM_CLOSED}, lambda c: head(c, path="/hold") + head(c, path="/again")),
    "5.1 DATA on idle": ({PROTOCOL_ERROR}, lambda c: data(BAD, b"x")),
    "5.1 RST_STREAM on idle": ({PROTOCOL_ERROR}, lambda c: rst_stream(BAD)),
    "5.1 WINDOW_UPDATE on idle": ({PROTOCOL_ERROR}, lambda c: window_update(BAD, 1)),
    "5.1 CONTINUATION on idle": ({PROTOCOL_ERROR}, lambda c: frame(CONTINUATION, END_HEADERS, BAD, b"")),
    "5.1 HEADERS behind RST_STREAM": ({STREAM_CLOSED}, lambda c: head(c) + rst_stream(BAD) + head(c)),
    "5.1.1 even stream": ({PROTOCOL_ERROR}, lambda c: head(c, stream=2)),
    "5.1.1 HEADERS on 0": ({PROTOCOL_ERROR}, lambda c: head(c, stream=0)),
    "5.1.1 DATA on 0": ({PROTOCOL_ERROR}, lambda c: data(0, b"x")),
    "5.1.1 DATA on a server's stream": ({PROTOCOL_ERROR}, lambda c: data(2, b"x")),
    # 6.1, 6.2 padding
    "6.1 padding as long as the payload": ({PROTOCOL_ERROR}, lambda c: post(c) + frame(DATA, PADDED, BAD, b"\x05abcd")),
    "6.1 padding without a length": ({PROTOCOL_ERROR, FRAME_SIZE_ERROR}, lambda c: post(c) + frame(DATA, PADDED, BAD)),
    "6.2 padding longer than the payload":
        ({PROTOCOL_ERROR}, lambda c: frame(HEADERS, 5 | PADDED, BAD, b"\xff" + block(c)[:100])),
    "6.2 padding without a length":
        ({PROTOCOL_ERROR, FRAME_SIZE_ERROR}, lambda c: frame(HEADERS, 5 | PADDED, BAD)),
    "6.2 priority cut short":
        ({PROTOCOL_ERROR, FRAME_SIZE_ERROR}, lambda c: frame(HEADERS, 5 | PRIORITIZED, BAD, b"\0\0\0\0")),
    # 6.3, 6.4
    "6.3 PRIORITY on 0": ({PROTOCOL_ERROR}, lambda c: priority(0, 1)),
    "7540 5.3.1 PRIORITY depends on itself": ({PROTOCOL_ERROR}, lambda c: priority(BAD, BAD)),
    "9218 7.1 PRIORITY_UPDATE for stream 0": ({PROTOCOL_ERROR}, lambda c: frame(0x10, 0, 0, b"\0\0\0\0u=0")),
    "9218 7.1 PRIORITY_UPDATE on a stream": ({PROTOCOL_ERROR}, lambda c: frame(0x10, 0, BAD, b"\0\0\0\1u=0")),
    "9218 7.1 PRIORITY_UPDATE short": ({FRAME_SIZE_ERROR}, lambda c: frame(0x10, 0, 0, b"\0\0\0")),
    "6.4 RST_STREAM on 0": ({PROTOCOL_ERROR}, lambda c: rst_stream(0)),
    # 6.5 SETTINGS
    "6.5 on a stream": ({PROTOCOL_ERROR}, lambda c: frame(SETTINGS, 0, 1)),
    "6.5 ACK with a payload": ({FRAME_SIZE_ERROR}, lambda c: settings((4, 65535), flags=ACK)),
    "6.5.2 ENABLE_PUSH 2": ({PROTOCOL_ERROR}, lambda c: settings((h2wire.ENABLE_PUSH, 2))),
    "6.5.2 INITIAL_WINDOW_SIZE 2^31":
        ({FLOW_CONTROL_ERROR}, lambda c: settings((h2wire.INITIAL_WINDOW_SIZE, 1 << 31))),
    "6.5.2 MAX_FRAME_SIZE 16383": ({PROTOCOL_ERROR}, lambda c: settings((h2wire.MAX_FRAME_SIZE, 16383))),
    "6.5.2 MAX_FRAME_SIZE 2^24": ({PROTOCOL_ERROR}, lambda c: settings((h2wire.MAX_FRAME_SIZE, 1 << 24))),
    "6.5.2 good, then bad in one frame":
        ({PROTOCOL_ERROR}, lambda c: settings((4, 100), (h2wire.MAX_FRAME_SIZE, 1))),
    "8441 ENABLE_CONNECT_PROTOCOL 2": ({PROTOCOL_ERROR}, lambda c: settings((8, 2))),
    "9218 NO_RFC7540_PRIORITIES 2": ({PROTOCOL_ERROR}, lambda c: settings((9, 2))),
    # 6.6 to 6.10
    "6.6 PUSH_PROMISE from a client":
        ({PROTOCOL_ERROR}, lambda c: frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + block(c))),
    "6.7 PING on a stream": ({PROTOCOL_ERROR}, lambda c: frame(PING, 0, 1, b"12345678")),
    "6.8 GOAWAY on a stream": ({PROTOCOL_ERROR}, lambda c: frame(GOAWAY, 0, 1, b"\0" * 8)),
    "6.9 WINDOW_UPDATE 0 on a stream": ({PROTOCOL_ERROR}, lambda c: head(c, path="/hold") + window_update(BAD, 0)),
    "6.9 WINDOW_UPDATE 0 on the connection": ({PROTOCOL_ERROR}, lambda c: window_update(0, 0)),
    "6.9.1 the connection's window above 2^31-1": ({FLOW_CONTROL_ERROR}, lambda c: window_update(0, (1 << 31) - 1)),
    "6.10 CONTINUATION out of nowhere": ({PROTOCOL_ERROR}, lambda c: frame(CONTINUATION, END_HEADERS, 1, b"")),
    "6.10 CONTINUATION behind END_HEADERS":
        ({PROTOCOL_ERROR}, lambda c: head(c) + frame(CONTINUATION, END_HEADERS, BAD, b"")),
    "6.10 CONTINUATION on 0":
        ({PROTOCOL_ERROR}, lambda c: frame(HEADERS, 1, BAD, block(c)) + frame(CONTINUATION, END_HEADERS, 0, b"")),
    "6.10 CONTINUATION on another stream":
        ({PROTOCOL_ERROR}, lambda c: frame(HEADERS, 1, BAD, block(c)) + frame(CONTINUATION, END_HEADERS, 5, b"")),
    "6.10 CONTINUATION behind DATA":
        ({PROTOCOL_ERROR}, lambda c: post(c) + data(BAD, b"x") + frame(CONTINUATION, END_HEADERS, BAD, b"")),
    # RFC 7541
    "7541 2.3.3 index beyond the tables": ({COMPRESSION_ERROR}, lambda c: frame(HEADERS, 5, BAD, b"\xff\x80\x01")),
    "7541 2.3.3 name's index beyond the tables":
        ({COMPRESSION_ERROR}, lambda c: frame(HEADERS, 5, BAD, block(c) + b"\x7f\x81\x01\x01a")),
    "7541 4.2 size update at the end": ({COMPRESSION_ERROR}, lambda c: frame(HEADERS, 5, BAD, block(c) + b"\x20")),
    "7541 4.2 size update between fields":
        ({COMPRESSION_ERROR}, lambda c: frame(HEADERS, 5, BAD, block(c) + b"\x20" + plain("a", "b"))),
    "7541 5.1 integer without end":
        ({COMPRESSION_ERROR}, lambda c: frame(HEADERS, 5, BAD, b"\xff" + b"\x80" * 20 + b"\x01")),
    "7541 5.2 padding of more than 7 bits":
        ({COMPRESSION_ERROR}, lambda c: frame(HEADERS, 5, BAD, block(c) + b"\0\x01a\x82\x1f\xff")),
    "7541 5.2 padding of zeros":
        ({COMPRESSION_ERROR}, lambda c: frame(HEADERS, 5, BAD, block(c) + b"\0\x01a\x81\x18")),
    "7541 5.2 EOS in a string":
        ({COMPRESSION_ERROR}, lambda c: frame(HEADERS, 5, BAD, block(c) + b"\0\x01a\x84\xff\xff\xff\xff")),
    "7541 5.2 string longer than the block":
        ({COMPRESSION_ERROR}, lambda c: frame(HEADERS, 5, BAD, block(c) + b"\0\x01a\x7eb")),
    "7541 6.1 index 0": ({COMPRESSION_ERROR}, lambda c: frame(HEADERS, 5, BAD, b"\x80")),
    "7541 6.3 table larger than the setting":
        ({COMPRESSION_ERROR}, lambda c: frame(HEADERS, 5, BAD, b"\x3f\xe2\x1f" + block(c))),
    "7541 block cut inside a field": ({COMPRESSION_ERROR}, lambda c: frame(HEADERS, 5, BAD, block(c) + b"\0\x03ab")),
    "7541 trailers' block is bad":
        ({COMPRESSION_ERROR}, lambda c: post(c) + frame(HEADERS, 5, BAD, b"\x80")),
}


@pytest.mark.parametrize("name", CONNECTION_ERRORS)
def test_connection_error(name, client, backend):
    codes, build = CONNECTION_ERRORS[name]
    sibling = backend.last
    client.send(build(client))
    assert client.end() in codes, client.state()
    # The held request is given up at the backend too, on a connection that lives on.
    backend.wait(lambda: sibling.gone, "the sibling to be cancelled")
    assert sibling.reset_code in (CANCEL, NO_ERROR)
    assert not sibling.connection.closed


# ---- stream errors: RST_STREAM with the code, and the siblings live ----

def trailers(*fields, end=True):
    return lambda c: post(c) + data(BAD, b"abc") + only(c, *fields, end=end)


STREAM_ERRORS = {
    # 6.9
    "6.9.1 window above 2^31-1":
        ({FLOW_CONTROL_ERROR}, lambda c: head(c, path="/hold") + window_update(BAD, (1 << 31) - 1)),
    # 8.1 messages
    "8.1 trailers without END_STREAM": ({PROTOCOL_ERROR}, trailers(("x-t", "1"), end=False)),
    "8.1 pseudo-header in trailers": ({PROTOCOL_ERROR}, trailers((":path", "/"))),
    "8.1 :status in trailers": ({PROTOCOL_ERROR}, trailers((":status", "200"))),
    "8.1 connection field in trailers": ({PROTOCOL_ERROR}, trailers(("connection", "close"))),
    "8.1 upper case in trailers": ({PROTOCOL_ERROR}, trailers(("X-T", "1"))),
    # 8.1.1 Content-Length
    "8.1.1 more DATA than Content-Length":
        ({PROTOCOL_ERROR}, lambda c: post(c, ("content-length", "3")) + data(BAD, b"abcd", end=True)),
    "8.1.1 more DATA than Content-Length, not yet ended":
        ({PROTOCOL_ERROR}, lambda c: post(c, ("content-length", "3")) + data(BAD, b"abcd")),
    "8.1.1 less DATA than Content-Length":
        ({PROTOCOL_ERROR}, lambda c: post(c, ("content-length", "3")) + data(BAD, b"ab", end=True)),
    "8.1.1 less over several frames":
        ({PROTOCOL_ERROR}, lambda c: post(c, ("content-length", "9")) + data(BAD, b"abcd") + data(BAD, b"efgh", True)),
    "8.1.1 less DATA, then trailers":
        ({PROTOCOL_ERROR}, lambda c: post(c, ("content-length", "4")) + data(BAD, b"abc") + only(c, ("x-t", "1"))),
    "8.1.1 Content-Length without a body": ({PROTOCOL_ERROR}, lambda c: head(c, ("content-length", "3"))),
    "8.1.1 two Content-Lengths":
        ({PROTOCOL_ERROR}, lambda c: post(c, ("content-length", "3"), ("content-length", "4"))),
    "8.1.1 Content-Length no number": ({PROTOCOL_ERROR}, lambda c: post(c, ("content-length", "three"))),
    "8.1.1 Content-Length negative": ({PROTOCOL_ERROR}, lambda c: post(c, ("content-length", "-1"))),
    "8.1.1 Content-Length with a plus": ({PROTOCOL_ERROR}, lambda c: post(c, ("content-length", "+3"))),
    "8.1.1 Content-Length empty": ({PROTOCOL_ERROR}, lambda c: post(c, ("content-length", ""))),
    "8.1.1 Content-Length beyond 64 bits": ({PROTOCOL_ERROR}, lambda c: post(c, ("content-length", "9" * 30))),
    # 8.2 fields
    "8.2.1 upper-case name": ({PROTOCOL_ERROR}, lambda c: raw(c, ("X-Upper", "1"))),
    "8.2.1 one upper-case letter": ({PROTOCOL_ERROR}, lambda c: raw(c, ("x-uppeR", "1"))),
    "8.2.1 space in a name": ({PROTOCOL_ERROR}, lambda c: raw(c, ("x y", "1"))),
    "8.2.1 colon in a name": ({PROTOCOL_ERROR}, lambda c: raw(c, ("x:y", "1"))),
    "8.2.1 empty name": ({PROTOCOL_ERROR}, lambda c: raw(c, ("", "1"))),
    "8.2.1 NUL in a name": ({PROTOCOL_ERROR}, lambda c: raw(c, ("x\0y", "1"))),
    "8.2.1 non-ASCII name": ({PROTOCOL_ERROR}, lambda c: raw(c, ("x-\xe9", "1"))),
    "8.2.1 CR LF in a name": ({PROTOCOL_ERROR}, lambda c: raw(c, ("x\r\ny", "1"))),
    "8.2.1 CR in a value": ({PROTOCOL_ERROR}, lambda c: raw(c, ("x-a", "b\rc"))),
    "8.2.1 LF in a value": ({PROTOCOL_ERROR}, lambda c: raw(c, ("x-a", "b\nc"))),
    "8.2.1 NUL in a value": ({PROTOCOL_ERROR}, lambda c: raw(c, ("x-a", "b\0c"))),
    "8.2.1 smuggled field": ({PROTOCOL_ERROR}, lambda c: raw(c, ("x-a", "b\r\nx-c: d"))),
    "8.2.1 space before a value": ({PROTOCOL_ERROR}, lambda c: raw(c, ("x-a", " b"))),
    "8.2.1 tab behind a value": ({PROTOCOL_ERROR}, lambda c: raw(c, ("x-a", "b\t"))),
    "8.2.2 connection": ({PROTOCOL_ERROR}, lambda c: head(c, ("connection", "close"))),
    "8.2.2 keep-alive": ({PROTOCOL_ERROR}, lambda c: head(c, ("keep-alive", "timeout=5"))),
    "8.2.2 proxy-connection": ({PROTOCOL_ERROR}, lambda c: head(c, ("proxy-connection", "keep-alive"))),
    "8.2.2 transfer-encoding": ({PROTOCOL_ERROR}, lambda c: post(c, ("transfer-encoding", "chunked"))),
    "8.2.2 upgrade": ({PROTOCOL_ERROR}, lambda c: head(c, ("upgrade", "websocket"))),
    "8.2.2 te: gzip": ({PROTOCOL_ERROR}, lambda c: head(c, ("te", "gzip"))),
    "8.2.2 te: trailers, gzip": ({PROTOCOL_ERROR}, lambda c: head(c, ("te", "trailers, gzip"))),
    # 8.3 pseudo-header fields
    "8.3 unknown": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c), (":version", "2"))),
    "8.3 of a response": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c), (":status", "200"))),
    "8.3 late": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, ["path"]), ("x-a", "1"), (":path", "/bad"))),
    "8.3 none at all": ({PROTOCOL_ERROR}, lambda c: only(c, ("x-a", "1"))),
    "8.3 upper case": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, ["path"]), (":Path", "/bad"))),
    "8.3.1 without :method": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, ["method"]))),
    "8.3.1 without :scheme": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, ["scheme"]))),
    "8.3.1 without :path": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, ["path"]))),
    "8.3.1 empty :path": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, path=""))),
    "8.3.1 empty :method": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, method=""))),
    "8.3.1 empty :authority": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, authority=""))),
    "8.3.1 :path without a slash": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, path="bad"))),
    "8.3.1 :path is *, method is not OPTIONS": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, path="*"))),
    "8.3.1 :path is a URI": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, path="http://a/bad"))),
    "8.3.1 space in :path": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, path="/a HTTP/1.1"))),
    "8.3.1 fragment in :path": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, path="/a#b"))),
    "8.3.1 CR LF in :path": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, path="/a\r\nx: y"))),
    "8.3.1 NUL in :path": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, path="/a\0"))),
    "8.3.1 CR LF in :method": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, method="GET / HTTP/1.1\r\nx:"))),
    "8.3.1 space in :method": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, method="GET /"))),
    "8.3.1 bad :scheme": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, scheme="ht tp"))),
    "8.3.1 user information in :authority": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, authority="u@a"))),
    "8.3.1 path in :authority": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, authority="a/b"))),
    "8.3.1 bad port in :authority": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, authority="a:b"))),
    "8.3.1 Host is not :authority": ({PROTOCOL_ERROR}, lambda c: head(c, ("host", "other.example"))),
    "8.3.1 two Hosts":
        ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, ["authority"]), ("host", "a"), ("host", "a"))),
    "8.3.1 neither Host nor :authority": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, ["authority"]))),
    "8.5 CONNECT with :path": ({PROTOCOL_ERROR}, lambda c: only(c, *pseudo(c, method="CONNECT"))),
    "8.5 CONNECT without :authority": ({PROTOCOL_ERROR}, lambda c: only(c, (":method", "CONNECT"))),
    **{f"8.3.1 duplicate {name}": ({PROTOCOL_ERROR}, lambda c, n=name: only(c, *pseudo(c), (n, dict(pseudo(c))[n])))
       for name in (":method", ":scheme", ":authority", ":path")},
}


def siblings_live(client, backend):
    """The held stream finishes, and new ones are served."""
    backend.gate.set()
    assert bytes(client.response(1).body) == b"held"
    assert client.get("/served").status == 200
    assert client.goaways == [] and not client.closed


@pytest.mark.parametrize("name", STREAM_ERRORS)
def test_stream_error(name, backend, logged):
    codes, build = STREAM_ERRORS[name]
    lines, arrived = len(logged.written()), len(backend.requests)
    with held(logged, backend) as client:
        client.send(build(client))
        bad = client.done(BAD)
        assert bad.reset in codes and not bad.ended and bad.status is None, bad
        for request in backend.requests[arrived + 1:]:  # one whose fault showed late had begun there
            backend.wait(lambda r=request: r.gone, "the request to be cancelled")
            assert request.path in ("/echo", "/hold")
        siblings_live(client, backend)
    written = logged.log_lines(lines + 3)[lines:]
    line, = [line for line in written if line.path not in (client.sibling, "/served")]
    assert (line.proto, line.status) == ("h2", None), line.text
    if name.startswith("8."):  # malformed: the proxy's verdict
        assert line.end[0] == "P" and line.reason not in ("", "client-closed"), line.text


def test_setting_lifts_a_window_too_high(client, backend):
    """6.9.2: a setting that lifts a stream's window above 2^31-1. The RFC wants a connection error; nghttp2 ends
    the stream alone."""
    client.send(head(client, path="/hold"), window_update(BAD, (1 << 31) - 1 - 65535), settings((4, 65536)))
    client.wait(lambda: client.stream(BAD).over or client.goaways, "an error")
    if client.goaways:
        assert client.end() == FLOW_CONTROL_ERROR
    else:
        assert client.stream(BAD).reset == FLOW_CONTROL_ERROR
        siblings_live(client, backend)


# ---- what an RFC allows, or wants ignored ----

def resized(c, update, size):
    """A request behind size updates, from an encoder that begins anew with a table of `size`."""
    c.encoder = hpack.Encoder()
    built = frame(HEADERS, 5, BAD, update + b"".join(plain(n, v) for n, v in c.fields("/echo")))
    c.encoder.header_table.maxsize = size
    return built


ALLOWED = {
    "4.1 unknown frame": lambda c: frame(0x42, 0xff, 0, b"what") + frame(0x43, 0, 1, b"") + frame(0x44, 0, 99, b"x"),
    "4.1 unknown flags on HEADERS": lambda c: frame(HEADERS, 5 | 0x10, BAD, block(c, "/echo")),
    "4.1 unknown flags on PING": lambda c: frame(PING, 0xfe, 0, b"12345678"),
    "4.1 reserved bit": lambda c: frame(HEADERS, 5, BAD | 1 << 31, block(c, "/echo")),
    "4.2 DATA of 16384": lambda c: post(c) + data(BAD, b"x" * 16384, end=True),
    "4.3 block in small fragments": lambda c: h2wire.block_frames(BAD, block(c, "/echo"), most=2),
    "4.3 empty CONTINUATION":
        lambda c: (frame(HEADERS, 1, BAD, block(c, "/echo")) + frame(CONTINUATION, 0, BAD) +
                   frame(CONTINUATION, END_HEADERS, BAD)),
    "4.3 empty HEADERS first":
        lambda c: frame(HEADERS, 1, BAD, b"") + frame(CONTINUATION, END_HEADERS, BAD, block(c, "/echo")),
    "5.1 RST_STREAM on a closed stream": lambda c: head(c) + rst_stream(BAD) + rst_stream(BAD),
    "5.1 WINDOW_UPDATE on a closed stream": lambda c: head(c) + rst_stream(BAD) + window_update(BAD, 10),
    "5.1 PRIORITY on a closed stream": lambda c: head(c) + rst_stream(BAD) + priority(BAD, 1),
    "5.1.1 ids may skip": lambda c: head(c, path="/echo", stream=BAD) + head(c, path="/echo", stream=BAD + 1000),
    "5.3 PRIORITY on idle": lambda c: priority(BAD, 1) + head(c, path="/echo"),
    "5.3 HEADERS with priority":
        lambda c: frame(HEADERS, 5 | PRIORITIZED, BAD, struct.pack(">IB", 1 << 31 | 1, 255) + block(c, "/echo")),
    "6.1 padding": lambda c: post(c) + frame(DATA, PADDED | END_STREAM, BAD, b"\x05abc" + b"\0" * 5),
    "6.1 only padding": lambda c: post(c) + frame(DATA, PADDED | END_STREAM, BAD, b"\xff" + b"\0" * 255),
    "6.1 padding of length 0": lambda c: post(c) + frame(DATA, PADDED | END_STREAM, BAD, b"\0abc"),
    "6.1 empty DATA ends": lambda c: post(c) + data(BAD, b"abc") + data(BAD, b"", end=True),
    "6.2 padding": lambda c: frame(HEADERS, 5 | PADDED, BAD, b"\x07" + block(c, "/echo") + b"\0" * 7),
    "6.5 empty SETTINGS": lambda c: settings(),
    "6.5 unknown setting": lambda c: settings((0xff01, 77), (0, 0)),
    "6.5.2 all at their limits":
        lambda c: settings((1, 0), (1, (1 << 32) - 1), (2, 0), (2, 1), (3, 0), (3, (1 << 32) - 1),
                           (4, (1 << 31) - 1), (4, 65535), (5, 16384), (5, (1 << 24) - 1), (6, (1 << 32) - 1)),
    "6.7 PING's ACK nobody waits for": lambda c: ping(flags=ACK),
    "6.9.1 the connection's window exactly 2^31-1": lambda c: window_update(0, (1 << 31) - 1 - 65535),
    "8.1 trailers": trailers(("x-t", "1")),
    "8.1 empty trailers": lambda c: post(c) + data(BAD, b"abc") + frame(HEADERS, 5, BAD, b""),
    "8.2.2 te: trailers": lambda c: head(c, ("te", "trailers"), path="/echo"),
    "8.2.3 crumbs": lambda c: head(c, ("cookie", "a=1"), ("cookie", "b=2"), path="/echo"),
    "8.3.1 Host is :authority": lambda c: head(c, ("host", c.authority), path="/echo"),
    "8.3.1 Host instead of :authority":
        lambda c: only(c, *pseudo(c, ["authority"], path="/echo"), ("host", c.authority)),
    "8.3.1 OPTIONS *": lambda c: only(c, *pseudo(c, method="OPTIONS", path="*")),
    "8.3.1 any order": lambda c: only(c, *reversed(pseudo(c, path="/echo"))),
    "7541 4.2 table of size 0": lambda c: resized(c, b"\x20", 0),
    "7541 4.2 two size updates": lambda c: resized(c, b"\x20\x3f\xe1\x1f", 4096),
    "7541 never indexed": lambda c: frame(HEADERS, 5, BAD, block(c, "/echo") + b"\x10\x01a\x01b"),
    "7541 empty value": lambda c: raw(c, ("x-empty", "")),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(name, client, backend):
    """Served as a request when it is one, and no error at all."""
    built = ALLOWED[name](client)
    client.next_id += 2000
    client.send(built)
    client.synced()
    if built[3] == HEADERS and "closed" not in name:
        assert client.response(BAD).status == 200
    siblings_live(client, backend)


def test_data_on_a_stream_that_the_client_ended(client, backend):
    """5.1: a stream error, whether END_STREAM or RST_STREAM ended it; the siblings live."""
    stream = client.open("/echo")
    client.response(stream)
    client.send(data(stream, b"x"))
    client.wait(lambda: client.stream(stream).reset == STREAM_CLOSED, "RST_STREAM(STREAM_CLOSED)")
    stream = client.open("/hold")
    client.send(rst_stream(stream), data(stream, b"x"))
    client.wait(lambda: client.stream(stream).reset == STREAM_CLOSED, "RST_STREAM(STREAM_CLOSED)")
    siblings_live(client, backend)


def test_frames_on_a_stream_that_the_proxy_ended(client, backend):
    """5.1: what was on its way when the proxy ended a stream is no fault."""
    stream = client.open("/echo", "POST", [("content-length", "1")], end=False)
    client.send(data(stream, b"too long"))
    assert client.done(stream).reset == PROTOCOL_ERROR
    client.send(data(stream, b"more"), client.headers(stream, [("x-t", "1")]))
    client.synced()
    siblings_live(client, backend)


def test_headers_on_a_stream_that_has_ended(client, backend):
    """5.1: a connection error, and never a new request."""
    backend.gate.set()
    client.response(1)
    count = len(backend.requests)
    client.send(head(client, stream=1, path="/again"))
    assert client.end() == STREAM_CLOSED
    assert len(backend.requests) == count


def test_ids_never_go_back(client, backend):
    """5.1.1: a stream that was skipped is closed; using it is a connection error."""
    client.send(head(client, stream=9, path="/hold"))
    client.send(head(client, stream=7, path="/back"))
    assert client.end() in (PROTOCOL_ERROR, STREAM_CLOSED)
    assert not any(r.path == "/back" for r in backend.requests)


# ---- 3.4 the preface, and HTTP/1.1 on the same port ----

def start(proxy, sent):
    client = Client(proxy.port, start=False)
    client.send(sent)
    return client


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 16, 17, 23, 24, 25, 33, 40])
def test_preface_in_pieces(size, proxy):
    """However the first bytes are cut, what follows is served."""
    with Client(proxy.port, start=False, ack=False) as client:
        stream = client.new_id()
        sent = PREFACE + settings() + client.headers(stream, client.fields("/echo")) + settings(flags=ACK)
        for at in range(0, len(sent), size):
            client.send(sent[at:at + size])
            if at < 60:
                client.fill(0.002)  # a segment of its own
        assert client.response(stream).status == 200


def test_whole_conversation_byte_by_byte(proxy):
    with Client(proxy.port, start=False, ack=False) as client:
        stream = client.new_id()
        sent = (PREFACE + settings((4, 1000)) + client.headers(stream, client.fields("/echo", "POST"), end=False) +
                data(stream, b"abc") + client.headers(stream, [("x-t", "1")]) +
                settings(flags=ACK))
        for at in range(len(sent)):
            client.send(sent[at:at + 1])
            client.fill()
        answer = client.response(stream)
        assert b'"trailers": [["x-t", "1"]]' in answer.body


@pytest.mark.parametrize("sent", [PREFACE[:-1] + b"X", PREFACE[:20] + b"xxxx", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
                                  b"PRI * HTTP/1.1\r\n\r\n", b"PRI  * HTTP/2.0\r\n\r\n", b"PRI * HTTP/2.0\n\nSM\n\n",
                                  b"PRI /x HTTP/2.0\r\nHost: a\r\n\r\n"])
def test_bad_preface(sent, proxy, backend):
    """Ends the connection; whether GOAWAY or an HTTP/1.1 answer says so is free, and no backend hears of it."""
    count = len(backend.requests)
    with proxy.client() as client:
        client.send_what_goes(sent + b"\0" * 64)
        while client.fill():
            pass
        if client.buffer.startswith(b"HTTP/1.1"):
            assert re.match(rb"HTTP/1.1 (400|501|505) ", client.buffer), client.buffer
        else:
            assert b"HTTP/1" not in client.buffer
    assert len(backend.requests) == count


@pytest.mark.parametrize("first", [
    ping(), data(1, b"x"), window_update(0, 1), settings(flags=ACK), frame(0x42),
    frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x82\x84\x86\x41\x01a")])
def test_settings_come_first(first, proxy):
    """3.4: the client's first frame is SETTINGS."""
    with start(proxy, PREFACE + first) as client:
        assert client.end() == PROTOCOL_ERROR


def test_preface_alone_gets_settings(proxy):
    """3.4: the server's preface waits for nothing more than the client's."""
    with start(proxy, PREFACE) as client:
        client.wait(lambda: h2wire.MAX_CONCURRENT_STREAMS in client.settings, "SETTINGS")


def test_http1_then_preface(proxy):
    """Prior knowledge is for the beginning of a connection: later the preface is a bad HTTP/1.1 request."""
    with proxy.client() as client:
        assert client.get("/echo").status == 200
        client.send_what_goes(PREFACE + settings())
        assert re.match(rb"HTTP/1.1 (400|501|505) ", client.rest())


def test_upgrade_h2c_is_ignored(proxy):
    """3.1: the upgrade is gone from HTTP/2; the request is served over HTTP/1.1."""
    with proxy.client() as client:
        answer = client.get("/echo", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
                                      ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA")])
        assert (answer.status, answer.version) == (200, "HTTP/1.1")
        assert b"http2-settings" not in answer.body and b"upgrade" not in answer.body
        assert client.get("/echo").status == 200


def test_client_goes_in_the_preface(proxy):
    for cut in (1, 4, 23, 24, 30):
        start(proxy, (PREFACE + settings())[:cut]).close()
        start(proxy, (PREFACE + settings())[:cut]).abort()
    assert proxy.get("/echo").status == 200


# ---- settings and windows ----

def test_settings_are_acknowledged(client):
    client.send(settings((4, 70000)), settings((4, 80000)), settings())
    client.wait(lambda: sum(k == SETTINGS and f & ACK for k, f, _, _ in client.frames) >= 4, "every SETTINGS' ACK")


def test_ping_is_answered_in_order(client):
    sent = [struct.pack(">Q", n) for n in range(20)]
    client.send(*map(ping, sent))
    client.wait(lambda: len(client.pongs) == 20, "answers")
    assert client.pongs == sent


def test_initial_window_size_is_kept(proxy):
    """6.9.2: no byte beyond a window of 1, and each byte of window is used."""
    with Client(proxy.port, [(h2wire.INITIAL_WINDOW_SIZE, 1)], give=False) as client:
        stream = client.started().open("/size/5")
        for n in range(1, 6):
            client.wait(lambda n=n: len(client.stream(stream).body) == n, f"byte {n}")
            client.synced()
            assert len(client.stream(stream).body) == n
            client.grant(stream, 1)
        assert client.response(stream).ended


def test_window_of_a_stream_may_become_negative(proxy):
    """6.9.2: the setting shrinks below what was sent; the sender waits until WINDOW_UPDATEs made up for it."""
    with Client(proxy.port, [(h2wire.INITIAL_WINDOW_SIZE, 3000)], give=False) as client:
        stream = client.started().open("/size/10000")
        client.wait(lambda: len(client.stream(stream).body) == 3000, "the first window")
        client.send(settings((h2wire.INITIAL_WINDOW_SIZE, 1000)))
        client.synced()
        client.stream(stream).window -= 2000
        client.grant(stream, 2000)
        client.synced()
        assert len(client.stream(stream).body) == 3000
        client.grant(stream, 10)
        client.wait(lambda: len(client.stream(stream).body) == 3010, "ten bytes more")
        client.send(settings((h2wire.INITIAL_WINDOW_SIZE, 8000)))
        client.stream(stream).window += 7000
        assert len(client.response(stream).body) == 10000


def test_window_of_the_connection_is_kept(proxy):
    """6.9: streams together send no more than the connection's window."""
    with Client(proxy.port, [(h2wire.INITIAL_WINDOW_SIZE, 1 << 20)], give=False) as client:
        streams = [client.started().open("/size/50000") for _ in range(3)]
        client.wait(lambda: client.receive_window == 0, "the window to be used up")
        client.synced()
        client.grant(0, 1 << 20)
        assert all(len(client.response(s).body) == 50000 for s in streams)


def test_head_needs_no_window(proxy):
    """6.9: only DATA is counted."""
    with Client(proxy.port, [(h2wire.INITIAL_WINDOW_SIZE, 0)], give=False) as client:
        assert client.started().get("/status/204").status == 204
        assert client.get("/echo", method="HEAD").status == 200


@pytest.mark.parametrize("size", [16384, 16385, 1 << 20, (1 << 24) - 1])
def test_larger_frames_are_allowed_not_needed(size, proxy):
    """The proxy may keep to 16,384 whatever the client takes (h2wire insists on it)."""
    with Client(proxy.port, [(h2wire.MAX_FRAME_SIZE, size)]) as client:
        assert len(client.started().get("/size/200000").body) == 200000


def test_header_table_size_is_kept(proxy):
    """7541 4.2: a decoder that allows no dynamic table gets none, and a size update says so."""
    with Client(proxy.port, [(h2wire.HEADER_TABLE_SIZE, 0)]) as client:
        client.decoder.max_allowed_table_size = 0
        client.started()
        for _ in range(5):
            assert client.get("/interim/103").status == 200
            assert client.decoder.header_table_size == 0


def test_body_beyond_the_window_is_an_error_of_the_stream(client, backend):
    """6.9.1: one byte more than was promised."""
    client.send(post(client, path="/never"))
    backend.wait(lambda: any(r.path == "/never" and not r.gone for r in backend.requests), "the request")
    request = backend.last
    request.hold_window()
    window = client.settings[h2wire.INITIAL_WINDOW_SIZE]
    sent = 0
    while not client.stream(BAD).over and not client.closed and sent < 1 << 24:
        sent += 16000
        if not client.send(data(BAD, b"x" * 16000)):
            break
        client.fill()
    assert sent > window
    if client.stream(BAD).reset is not None:
        assert client.stream(BAD).reset == FLOW_CONTROL_ERROR
        siblings_live(client, backend)
    else:
        assert client.end() == FLOW_CONTROL_ERROR


def test_log_says_what_was_asked(logged):
    """A malformed request's line names the method and the path when they were read."""
    lines = len(logged.written())
    with Client(logged.port) as client:
        client.started().send(head(client, ("connection", "close"), path="/named?x"))
        client.done(BAD)
    line = logged.log_lines(lines + 1)[lines]
    assert (line.method, line.path, line.status) == ("GET", "/named?x", None), line.text


def test_bystander_is_served_all_along(proxy):
    """After all that the proxy serves both versions, with nothing in progress."""
    with Client(proxy.port) as client:
        assert client.started().get("/echo").status == 200
    assert proxy.get("/echo").status == 200


# ---- Protocols ----

def test_protocols_h2c_alone(backend, tmp_path):
    """Without http/1.1 a connection begins with the preface (3.4), or ends without a word."""
    proxy = Culvert(tmp_path, ["Protocols h2c", f'ProxyPass "/" "h2c://127.0.0.1:{backend.port}/"'])
    with Client(proxy.port) as client:
        assert client.started().get("/echo").status == 200
    for sent in (b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", b"INVALID CONNECTION PREFACE\r\n\r\n", b"P" * 24):
        with start(proxy, sent) as client:
            assert client.end() in (None, PROTOCOL_ERROR) and not client.buffer
    proxy.stop()


def test_protocols_http1_alone(backend, tmp_path):
    proxy = Culvert(tmp_path, ["Protocols http/1.1", f'ProxyPass "/" "h2c://127.0.0.1:{backend.port}/"'])
    assert proxy.get("/echo").status == 200
    with proxy.client() as client:
        client.send_what_goes(PREFACE + settings())
        assert re.match(rb"HTTP/1.1 (400|501|505) ", client.rest())
    proxy.stop()
