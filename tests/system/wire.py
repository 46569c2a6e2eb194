"""A raw HTTP/1.1 client: sends any bytes and reads strictly, so that a cut response cannot pass for a whole one."""
import dataclasses
import socket
import struct


@dataclasses.dataclass
class Response:
    status: int
    reason: str
    version: str
    headers: list
    interim: list = dataclasses.field(default_factory=list)
    body: bytes = b""
    trailers: list = dataclasses.field(default_factory=list)
    framing: str = "none"
    complete: bool = False

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default


class Cut(Exception):
    """The connection ended in the middle of something."""


def field_lines(block):
    fields = []
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        assert colon and name.strip() == name and name, f"bad field line {line!r}"
        assert b"\r" not in line and b"\n" not in line and b"\0" not in line, f"bad field line {line!r}"
        fields.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
    return fields


class Client:
    """One connection to the proxy."""

    def __init__(self, port, host="127.0.0.1", timeout=15, receive_buffer=None, path=None, source=None):
        """A unix socket's `path` stands for host and port; `source` is the address to connect from."""
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(str(path) if path else (host, port))
        self.authority = f"{host}:{port}"
        self.buffer = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Sends FIN (or RST, when the proxy's bytes were not all read)."""
        self.socket.close()

    def abort(self):
        """Leaves with RST: FIN alone may come from a client that still waits for its answer."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def send_what_goes(self, data):
        """For bytes that the proxy may refuse while they are sent: an early close is no error here."""
        try:
            self.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def send_head(self, method, path, headers=(), version="1.1", host=None):
        lines = [f"{method} {path} HTTP/{version}"]
        if host is not False:
            lines.append(f"Host: {host or self.authority}")
        lines += [f"{n}: {v}" for n, v in headers]
        self.send("\r\n".join(lines) + "\r\n\r\n")

    def ask(self, method, path, headers=(), body=None, **more):
        """One request with a Content-Length body, and its response."""
        if body is not None:
            headers = [*headers, ("Content-Length", len(body))]
        self.send_head(method, path, headers, **more)
        if body:
            self.send(body)
        return self.response(method)

    def get(self, path, headers=(), **more):
        return self.ask("GET", path, headers, **more)

    def send_chunk(self, data):
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def fill(self):
        """Reads more; False at the end of the connection."""
        if self.ended:
            return False
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self.buffer += data
        return not self.ended

    def until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                raise Cut(f"ended after {self.buffer[-200:]!r}")
        part, self.buffer = self.buffer.split(mark, 1)
        return part

    def head(self):
        """One response head, interim or final."""
        start, _, fields = self.until(b"\r\n\r\n").partition(b"\r\n")
        version, status, reason = (start.decode("latin-1").split(" ", 2) + [""])[:3]
        assert version in ("HTTP/1.1", "HTTP/1.0") and len(status) == 3, start
        return Response(int(status), reason, version, field_lines(fields) if fields else [])

    def response(self, method="GET"):
        """The next final response with its body; `complete` tells whether it ended as its framing says."""
        interim = []
        answer = self.head()
        while 100 <= answer.status < 200:
            interim.append(answer)
            answer = self.head()
        answer.interim = interim
        try:
            self.body(answer, method)
        except Cut:
            answer.body += self.buffer
            self.buffer = b""
        return answer

    def body(self, answer, method):
        codings, lengths = answer.all("transfer-encoding"), answer.all("content-length")
        assert not (codings and lengths), "Transfer-Encoding beside Content-Length"
        assert len(lengths) < 2 and len(codings) < 2
        if method == "HEAD" or answer.status in (204, 304):
            assert answer.status != 204 or not (lengths or codings), "204 with framing"
            answer.complete = True
        elif codings:
            assert codings[0].lower() == "chunked", codings
            answer.framing = "chunked"
            self.chunks(answer)
        elif lengths:
            answer.framing = "length"
            answer.body = self.exactly(int(lengths[0]))
            answer.complete = True
        else:
            answer.framing = "close"
            while self.fill():
                pass
            answer.body, self.buffer = self.buffer, b""
            answer.complete = True

    def exactly(self, size):
        parts = []
        while size > 0:
            if not self.buffer and not self.fill():
                self.buffer = b"".join(parts)
                raise Cut("body")
            part, self.buffer = self.buffer[:size], self.buffer[size:]
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def chunks(self, answer):
        while True:
            size = int(self.until(b"\r\n"), 16)
            if size == 0:
                break
            answer.body += self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        line = self.until(b"\r\n")
        while line:
            answer.trailers += field_lines(line)
            line = self.until(b"\r\n")
        answer.complete = True

    def rest(self):
        """All that comes until the proxy closes."""
        while self.fill():
            pass
        rest, self.buffer = self.buffer, b""
        return rest
