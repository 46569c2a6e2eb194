"""A raw HTTP/2 client: sends any frame, right or wrong, and reads strictly (frames, header blocks, windows)."""
import dataclasses
import select
import socket
import struct
import time

import hpack

from procs import DEADLINE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 0x1, 0x1, 0x4, 0x8, 0x20
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM) = range(12)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = \
    range(1, 7)
NO_RFC7540_PRIORITIES = 9
LARGEST_WINDOW = (1 << 31) - 1


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs, flags=0):
    return frame(SETTINGS, flags, 0, b"".join(struct.pack(">HI", k, v) for k, v in pairs))


def ping(data=b"12345678", flags=0):
    return frame(PING, flags, 0, data)


def window_update(stream, size):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size))


def rst_stream(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def priority(stream, parent=0, weight=15):
    return frame(PRIORITY, 0, stream, struct.pack(">IB", parent, weight))


def data(stream, payload=b"", end=False):
    return frame(DATA, END_STREAM if end else 0, stream, payload)


def plain(name, value):
    """One field as a literal without indexing and without Huffman coding: touches no compression state."""
    def string(text):
        return integer(len(text), 7) + text
    name, value = (x.encode("latin-1") if isinstance(x, str) else x for x in (name, value))
    return b"\0" + string(name) + string(value)


def integer(value, bits, first=0):
    """An HPACK integer (RFC 7541 5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out = bytearray([first | most])
    value -= most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    out.append(value)
    return bytes(out)


def block_frames(stream, block, end=True, most=16384):
    """A header block as HEADERS and as many CONTINUATION frames as it takes."""
    parts = [block[at:at + most] for at in range(0, len(block), most)] or [b""]
    out = b""
    for n, part in enumerate(parts):
        flags = END_HEADERS if n == len(parts) - 1 else 0
        out += frame(CONTINUATION if n else HEADERS, flags | (END_STREAM if end and not n else 0), stream, part)
    return out


@dataclasses.dataclass
class Stream:
    """What the proxy sent on one stream."""
    status: int = None
    headers: list = dataclasses.field(default_factory=list)
    interim: list = dataclasses.field(default_factory=list)
    trailers: list = dataclasses.field(default_factory=list)
    body: bytearray = dataclasses.field(default_factory=bytearray)
    ended: bool = False
    reset: int = None
    window: int = 0  # what it may still send

    @property
    def over(self):
        return self.ended or self.reset is not None

    def all(self, name):
        return [v for n, v in self.headers if n == name]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None


class Client:
    """One connection. Its settings are sent at once unless start=False; those of the proxy are acknowledged unless
    ack=False; window is given back for every byte unless give=False; `before` is sent before the
    preface."""

    def __init__(self, port, told=(), start=True, ack=True, give=True, host="127.0.0.1", receive_buffer=None,
                 deadline=DEADLINE, before=b""):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(deadline)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if start:  # before anything is read: an ACK may not stand before the preface
            self.socket.sendall(before + PREFACE + settings(*told))
        self.socket.setblocking(False)
        self.authority = f"{host}:{port}"
        self.deadline = deadline
        self.acks, self.give, self.reads = ack, give, True
        self.held = set()  # streams that get no window back
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder(max_header_list_size=1 << 20)
        self.buffer = bytearray()
        self.streams = {}
        self.settings = {MAX_FRAME_SIZE: 16384, INITIAL_WINDOW_SIZE: 65535}
        self.settled = False  # the proxy acknowledged our SETTINGS
        self.frames = []  # (type, flags, stream, length) of all that came
        self.goaways = []  # (last stream, code)
        self.pongs = []
        self.closed = False  # the proxy closed the connection
        self.next_id = 1
        self.own_initial = dict(told).get(INITIAL_WINDOW_SIZE, 65535)
        self.receive_window = 65535
        self.send_window = 65535
        self.stream_windows = {}  # what we may still send
        self.block = None  # (stream, flags, bytes) of a header block that is not complete

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def abort(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # ---- sending ----

    def send(self, *parts, deadline=None):
        """Sends bytes while it takes what comes in. False when the proxy has closed."""
        view = memoryview(b"".join(parts))
        end = time.monotonic() + (deadline or self.deadline)
        while view:
            readers = [self.socket] if self.reads and not self.closed else []
            readable, writable, _ = select.select(readers, [self.socket], [], max(0, end - time.monotonic()))
            assert readable or writable, "the proxy takes no bytes"
            if readable:
                self.fill()
            if writable:
                try:
                    view = view[self.socket.send(view[:1 << 16]):]
                except BlockingIOError:
                    pass
                except (BrokenPipeError, ConnectionResetError):
                    return False
        return True

    def offer(self, data):
        """Sends what the socket takes now; returns how much."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except (BrokenPipeError, ConnectionResetError):
            self.reads = True
            return -1

    def fields(self, path="/", method="GET", headers=(), authority=None):
        return [(":method", method), (":scheme", "http"), (":authority", authority or self.authority),
                (":path", path), *headers]

    def block_of(self, fields):
        return self.encoder.encode([(n, v) for n, v in fields])

    def headers(self, stream, fields, end=True, most=16384):
        """A request (or trailers) as frames."""
        return block_frames(stream, self.block_of(fields), end, most)

    def new_id(self):
        self.next_id += 2
        return self.next_id - 2

    def open(self, path="/", method="GET", headers=(), end=True, **more):
        """Sends a request's head; returns the id of its stream."""
        stream = self.new_id()
        self.send(self.headers(stream, self.fields(path, method, headers, **more), end))
        return stream

    def room(self, stream):
        own = self.stream_windows.get(stream, 0) + self.settings[INITIAL_WINDOW_SIZE]
        return max(0, min(own, self.send_window))

    def body(self, stream, payload, end=True, most=None):
        """Sends body bytes as the proxy's windows allow; False when the stream ended meanwhile."""
        view = memoryview(payload)
        most = min(most or 1 << 30, self.settings[MAX_FRAME_SIZE])
        while view:
            self.wait(lambda: self.room(stream) > 0 or self.stream(stream).over, f"window on stream {stream}")
            if self.stream(stream).over:
                return False
            part = view[:min(self.room(stream), most)]
            view = view[len(part):]
            self.spent(stream, len(part))
            self.send(data(stream, bytes(part), end=end and not view))
        if not payload:
            self.send(data(stream, b"", end=end))
        return True

    def spent(self, stream, size):
        self.stream_windows[stream] = self.stream_windows.get(stream, 0) - size
        self.send_window -= size

    def post(self, path, payload, headers=(), trailers=(), **more):
        """A request with a body; returns its stream's id."""
        stream = self.open(path, "POST", headers, end=False, **more)
        if self.body(stream, payload, end=not trailers) and trailers:
            self.send(self.headers(stream, trailers))
        return stream

    # ---- reading ----

    def stream(self, stream):
        return self.streams.setdefault(stream, Stream(window=self.own_initial))

    def fill(self, timeout=0):
        """Takes what came, at most waiting `timeout` for it. False at the end of the connection."""
        if self.closed:
            return False
        select.select([self.socket], [], [], timeout)
        try:
            got = self.socket.recv(1 << 18)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            got = b""
        self.closed = not got
        self.buffer += got
        while self.take_frame():
            pass
        return not self.closed

    def take_frame(self):
        if len(self.buffer) < 9:
            return False
        length = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        assert length <= 16384, f"frame of {length} bytes (or no HTTP/2): {bytes(self.buffer[:40])}"
        if len(self.buffer) < 9 + length:
            return False
        payload = bytes(self.buffer[9:9 + length])
        del self.buffer[:9 + length]
        assert self.frames or kind == SETTINGS, "RFC 9113 3.4: SETTINGS come first"
        self.frames.append((kind, flags, stream, length))
        assert self.block is None or (kind == CONTINUATION and stream == self.block[0]), "a block was interrupted"
        handler = getattr(self, f"on_{kind}", None)
        if handler:
            handler(flags, stream, payload)
        return True

    def on_0(self, flags, stream, payload):
        s = self.stream(stream)
        assert not flags & PADDED and s.status and not s.over, f"DATA out of place on {stream}"
        s.body += payload
        s.window -= len(payload)
        self.receive_window -= len(payload)
        assert s.window >= 0 and self.receive_window >= 0, "the proxy sent more than its window"
        s.ended = bool(flags & END_STREAM)
        if self.give and payload:
            self.give_back(stream, len(payload))

    def give_back(self, stream, size):
        self.grant(0, size)
        if not self.stream(stream).over and stream not in self.held:
            self.grant(stream, size)

    def grant(self, stream, size):
        """Gives window to the proxy."""
        if stream:
            self.stream(stream).window += size
        else:
            self.receive_window += size
        self.offer(window_update(stream, size))

    def on_1(self, flags, stream, payload):
        assert stream % 2 == 1 and not flags & (PADDED | PRIORITIZED)
        self.block = (stream, flags, payload)
        self.end_of_block(flags)

    def on_9(self, flags, stream, payload):
        assert self.block, "CONTINUATION without HEADERS"
        self.block = (stream, self.block[1], self.block[2] + payload)
        self.end_of_block(flags)

    def end_of_block(self, flags):
        if not flags & END_HEADERS:
            return
        (stream, first, block), self.block = self.block, None
        fields = [(str(n), str(v)) for n, v in self.decode(block)]
        s = self.stream(stream)
        assert not s.over, f"HEADERS on ended stream {stream}"
        for name, value in fields:
            assert name == name.lower() and not set("\r\n\0") & set(value), f"bad field {name}: {value!r}"
            assert name not in ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")
        if s.status is not None:
            assert first & END_STREAM and all(n[0] != ":" for n, _ in fields), f"bad trailers {fields}"
            s.trailers = fields
        else:
            self.head(s, fields, first)
        s.ended = bool(first & END_STREAM)

    def decode(self, block):
        return [(n.decode("latin-1"), v.decode("latin-1")) for n, v in self.decoder.decode(block, raw=True)]

    @staticmethod
    def head(s, fields, flags):
        assert [n for n, _ in fields if n[0] == ":"] == [":status"] and fields[0][0] == ":status", fields
        status = int(fields[0][1])
        if status < 200:
            assert not flags & END_STREAM
            s.interim.append((status, fields[1:]))
        else:
            s.status, s.headers = status, fields[1:]

    def on_3(self, _flags, stream, payload):
        code, = struct.unpack(">I", payload)
        s = self.stream(stream)
        assert s.reset is None, "reset twice"
        s.reset = code

    def on_4(self, flags, stream, payload):
        assert stream == 0
        if flags & ACK:
            assert not payload
            self.settled = True
            return
        for at in range(0, len(payload), 6):
            key, value = struct.unpack(">HI", payload[at:at + 6])
            self.settings[key] = value
        if self.acks:
            self.acknowledge()

    def acknowledge(self):
        self.offer(settings(flags=ACK))
        size = min(self.settings.get(HEADER_TABLE_SIZE, 4096), 4096)
        self.encoder.header_table_size = size  # a smaller one is told in the next header block (RFC 7541 4.2)

    def on_5(self, *_):
        raise AssertionError("PUSH_PROMISE")

    def on_6(self, flags, _stream, payload):
        if flags & ACK:
            self.pongs.append(payload)
        elif self.acks:
            self.offer(ping(payload, ACK))

    def on_7(self, _flags, stream, payload):
        assert stream == 0
        last, code = struct.unpack(">II", payload[:8])
        assert not self.goaways or last <= self.goaways[-1][0], "the last stream id grew"
        self.goaways.append((last, code))

    def on_8(self, _flags, stream, payload):
        size, = struct.unpack(">I", payload)
        assert 0 < size <= LARGEST_WINDOW
        if stream:
            self.stream_windows[stream] = self.stream_windows.get(stream, 0) + size
        else:
            self.send_window += size
            assert self.send_window <= LARGEST_WINDOW

    # ---- waiting ----

    def wait(self, condition, what, deadline=None):
        """Reads until the condition holds, and returns its answer; the end of the connection is a failure."""
        end = time.monotonic() + (deadline or self.deadline)
        while not condition():
            left = end - time.monotonic()
            assert left > 0, f"waited in vain for {what}: {self.state()}"
            alive = self.fill(min(left, 0.5))
            assert alive or condition(), f"closed while waiting for {what}: {self.state()}"
        return condition()

    def state(self):
        brief = {n: (s.status, len(s.body), s.ended, s.reset) for n, s in list(self.streams.items())[-5:]}
        return f"goaways {self.goaways}, streams {brief}, frames {self.frames[-12:]}"

    def done(self, stream, deadline=None):
        """The stream when it has ended or was reset."""
        self.wait(lambda: self.stream(stream).over, f"the end of stream {stream}", deadline)
        return self.stream(stream)

    def response(self, stream, deadline=None):
        """The stream with its whole response, which may not be reset before its end."""
        s = self.done(stream, deadline)
        assert s.ended, f"stream {stream} was reset: {s.reset}"
        return s

    def get(self, path, headers=(), method="GET", **more):
        return self.response(self.open(path, method, headers, **more))

    def synced(self):
        """A PING's answer: everything before it was processed."""
        mark = struct.pack(">Q", len(self.pongs) + 1000)
        self.send(ping(mark))
        self.wait(lambda: mark in self.pongs, "a PING's answer")

    def started(self):
        """Both ends know each other's settings."""
        self.wait(lambda: self.settled and NO_RFC7540_PRIORITIES in self.settings, "SETTINGS")
        return self

    def end(self, deadline=None):
        """Waits for the end of the connection; the code of the last GOAWAY, or None."""
        end = time.monotonic() + (deadline or self.deadline)
        while self.fill(min(0.5, max(0, end - time.monotonic()))):
            assert time.monotonic() < end, f"the connection did not end: {self.state()}"
        return self.goaways[-1][1] if self.goaways else None
