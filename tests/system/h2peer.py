"""A scripted h2c backend on python3-h2: it records every request and answers as a behaviour (a function) says.

One thread reads each connection and one thread runs each request's behaviour; all of h2's state is under one lock.
"""
import hashlib
import socket
import struct
import threading
import time
import urllib.parse

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

import behave
from procs import DEADLINE

KEPT_BODY = 1 << 20


class Gone(Exception):
    """The stream or the connection ended while the behaviour was at work on it."""


class Request:
    """One stream as the backend saw it, and what a behaviour can do with it."""

    def __init__(self, connection, stream_id, headers, ended):
        self.connection = connection
        self.peer = connection.peer
        self.stream_id = stream_id
        self.headers = headers
        self.end_on_headers = ended
        self.ended = ended
        self.trailers = []
        self.body = b""
        self.size = 0
        self.digest = hashlib.sha256()
        self.reset_code = None
        self.gone = False
        self.sent = 0
        self.unacknowledged = 0
        self.window_held = False
        self.answered = False

    def pseudo(self, name):
        return next((v for n, v in self.headers if n == ":" + name), None)

    @property
    def method(self):
        return self.pseudo("method")

    @property
    def path(self):
        return self.pseudo("path")

    @property
    def fields(self):
        return [(n, v) for n, v in self.headers if not n.startswith(":")]

    def all(self, name):
        return [v for n, v in self.headers if n == name]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None

    @property
    def sha256(self):
        return self.digest.hexdigest()

    def wait(self, condition, deadline=DEADLINE):
        """Waits for a condition on what arrived; Gone when the stream or the connection ends first."""
        with self.peer.changed:
            ok = self.peer.changed.wait_for(lambda: condition() or self.gone, deadline)
            if condition():
                return
            raise Gone("gone" if ok else "nothing came")

    def wait_body(self):
        self.wait(lambda: self.ended, 60)

    def act(self, call, *args, **options):
        """Calls h2 for this stream and sends what that gives."""
        with self.peer.changed:
            if self.gone:
                raise Gone()
            try:
                call(self.stream_id, *args, **options)
            except (h2.exceptions.ProtocolError, KeyError) as error:
                raise Gone(str(error)) from error
            self.connection.flush()

    def interim(self, status, headers=()):
        self.act(self.connection.h2.send_headers, [(":status", str(status)), *headers])

    def head(self, status, headers=(), end=False):
        self.answered = True
        self.act(self.connection.h2.send_headers, [(":status", str(status)), *headers], end_stream=end)

    def data(self, data, end=False):
        """Sends body bytes as the windows allow it."""
        view = memoryview(data)
        while view:
            self.wait(lambda: self.room() > 0, 60)
            with self.peer.changed:
                part = view[:self.room()]
                if not part:
                    continue
                view = view[len(part):]
                self.act(self.connection.h2.send_data, bytes(part), end_stream=end and not view)
                self.sent += len(part)
        if end and not data:
            self.act(self.connection.h2.send_data, b"", end_stream=True)

    def room(self):
        try:
            session = self.connection.h2
            return min(session.local_flow_control_window(self.stream_id), session.max_outbound_frame_size)
        except h2.exceptions.ProtocolError:
            return 0

    def trailer(self, fields):
        self.act(self.connection.h2.send_headers, fields, end_stream=True)

    def answer(self, status, headers=(), body=b"", length=True):
        """A whole response; `length` says whether Content-Length is given."""
        if length and body:
            headers = [*headers, ("content-length", str(len(body)))]
        self.head(status, headers, end=not body)
        if body:
            self.data(body, end=True)

    def reset(self, code=h2.errors.ErrorCodes.INTERNAL_ERROR):
        self.act(self.connection.h2.reset_stream, code)

    def hold_window(self):
        """From now on this stream's window is not given back (the connection's is)."""
        with self.peer.changed:
            self.window_held = True

    def release_window(self):
        with self.peer.changed:
            self.window_held = False
            size, self.unacknowledged = self.unacknowledged, 0
            if size and not self.ended and not self.gone:
                self.connection.h2.increment_flow_control_window(size, self.stream_id)
                self.connection.flush()


class Connection:
    """One connection that the proxy opened."""

    def __init__(self, peer, sock, address, number):
        self.peer = peer
        self.socket = sock
        self.port = address[1] if address else None  # a unix socket's client has no name
        self.number = number
        self.requests = {}
        self.open_streams = set()
        self.most_open = 0
        self.most_allowed = 0
        self.settled = False
        self.goaway_received = None
        self.closed = False
        config = h2.config.H2Configuration(client_side=False, header_encoding="latin-1", validate_inbound_headers=False,
                                           normalize_inbound_headers=False, validate_outbound_headers=False,
                                           normalize_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)

    def flush(self):
        data = self.h2.data_to_send()
        if data and not self.closed:
            try:
                self.socket.sendall(data)
            except OSError:
                self.lost()

    def start(self):
        with self.peer.changed:
            codes = h2.settings.SettingCodes
            told = {**self.h2.local_settings, **self.peer.settings}
            self.most_allowed = told[codes.MAX_CONCURRENT_STREAMS]
            self.h2.local_settings = h2.settings.Settings(client=False, initial_values=told)
            self.h2.initiate_connection()
            # h2 would end the connection for one stream too many; refuse() below is what servers do.
            self.h2.local_settings = h2.settings.Settings(
                client=False, initial_values={**told, codes.MAX_CONCURRENT_STREAMS: 10_000})
            self.flush()

    def run(self):
        if not self.peer.mute:
            self.start()
        while not self.peer.stopping:
            try:
                data = self.socket.recv(1 << 16)
            except (OSError, ValueError):
                break
            if not data:
                break
            if not self.peer.mute:
                self.receive(data)
        with self.peer.changed:
            self.lost()

    def receive(self, data):
        with self.peer.changed:
            try:
                for event in self.h2.receive_data(data):
                    self.handle(event)
            except h2.exceptions.ProtocolError as error:
                self.peer.errors.append(f"connection {self.number}: {error!r}")
            self.flush()
            self.peer.changed.notify_all()

    def handle(self, event):
        request = self.requests.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RequestReceived):
            self.open(event)
        elif isinstance(event, h2.events.DataReceived) and request:
            self.take(request, event)
        elif isinstance(event, h2.events.TrailersReceived) and request:
            request.trailers = [tuple(f) for f in event.headers]
        elif isinstance(event, h2.events.StreamEnded) and request:
            request.ended = True
        elif isinstance(event, h2.events.StreamReset) and request:
            request.reset_code = event.error_code
            request.gone = True
        elif isinstance(event, h2.events.SettingsAcknowledged):
            self.settled = True
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway_received = event.error_code
        self.count_open()

    def refuse(self, stream_id):
        """A stream beyond MAX_CONCURRENT_STREAMS: a fault of the proxy's once it has acknowledged the setting."""
        if self.settled:
            self.peer.errors.append(f"connection {self.number}: stream {stream_id} beyond {self.most_allowed}")
        self.peer.refused += 1
        self.h2.reset_stream(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)

    def open(self, event):
        self.count_open()
        if len(self.open_streams) >= self.most_allowed:
            self.refuse(event.stream_id)
            return
        request = Request(self, event.stream_id, [tuple(h) for h in event.headers], event.stream_ended is not None)
        self.requests[event.stream_id] = request
        self.peer.requests.append(request)
        threading.Thread(target=self.behave, args=(request,), daemon=True).start()

    def take(self, request, event):
        request.size += len(event.data)
        request.digest.update(event.data)
        if request.size <= KEPT_BODY:
            request.body += event.data
        length = event.flow_controlled_length
        if length:
            self.h2.increment_flow_control_window(length)
            if request.window_held:
                request.unacknowledged += length
            elif event.stream_ended is None and not self.stream_closed(request.stream_id):
                self.h2.increment_flow_control_window(length, request.stream_id)

    def behave(self, request):
        try:
            self.peer.behaviour(request)(request)
        except Gone:
            pass
        except Exception as error:  # a behaviour that fails is a failed test
            self.peer.errors.append(f"{request.path}: {error!r}")
            self.close()
        with self.peer.changed:
            self.count_open()
            self.peer.changed.notify_all()

    def count_open(self):
        self.open_streams = {i for i, r in self.requests.items() if not r.gone and not self.stream_closed(i)}
        self.most_open = max(self.most_open, len(self.open_streams))

    def stream_closed(self, stream_id):
        stream = self.h2.streams.get(stream_id)
        return stream is None or stream.closed

    def goaway(self, last_stream_id, code=0):
        """GOAWAY as a server sends it on the wire; h2 itself would refuse to go on with the connection afterwards."""
        with self.peer.changed:
            self.socket.sendall(struct.pack(">I", 8)[1:] + b"\x07\0\0\0\0\0" + struct.pack(">II", last_stream_id, code))

    def send_raw(self, data):
        with self.peer.changed:
            self.socket.sendall(data)

    def close(self, abort=False):
        """Closes from this end; `abort` with a reset."""
        with self.peer.changed:
            if abort:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.socket.close()
            else:
                try:
                    self.socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.lost()

    def lost(self):
        if not self.closed:
            self.closed = True
            self.socket.close()
        for request in self.requests.values():
            request.gone = request.gone or not self.stream_closed(request.stream_id)
        self.open_streams = set()
        self.peer.changed.notify_all()


class Peer:
    """The backend: listens on a loopback port, or on a unix socket, until stop()."""

    def __init__(self, port=0, mute=False, path=None, host="127.0.0.1", **settings):
        """`settings` by their lower-case names: max_concurrent_streams=4. A mute peer accepts and never says a byte."""
        codes = h2.settings.SettingCodes
        self.settings = {getattr(codes, name.upper()): value for name, value in settings.items()}
        self.mute = mute
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.gate = threading.Event()
        self.requests = []
        self.connections = []
        self.errors = []
        self.refused = 0
        self.routes = {}
        self.stopping = False
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        if not path:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(str(path) if path else (host, port))
        self.listener.listen(128)
        self.port = None if path else self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def on(self, path, behaviour):
        """A behaviour for one exact path, without its query."""
        self.routes[path] = behaviour

    def behaviour(self, request):
        path = urllib.parse.urlsplit(request.path or "").path
        return self.routes.get(path) or behave.find(path)

    def accept(self):
        while not self.stopping:
            try:
                sock, address = self.listener.accept()
            except (OSError, ValueError):
                return
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.changed:
                connection = Connection(self, sock, address, len(self.connections))
                self.connections.append(connection)
                self.changed.notify_all()
            thread = threading.Thread(target=connection.run, daemon=True)
            self.threads.append(thread)
            thread.start()

    def wait(self, condition, what, deadline=DEADLINE):
        """Waits for a condition on the recorded state and returns its answer."""
        with self.changed:
            end = time.monotonic() + deadline
            while not condition():
                left = end - time.monotonic()
                assert left > 0, f"backend waited in vain: {what} ({len(self.requests)} requests, errors {self.errors})"
                self.changed.wait(min(left, 0.2))
            return condition()

    def wait_requests(self, count):
        self.wait(lambda: len(self.requests) >= count, f"{count} requests")
        return list(self.requests)

    def wait_idle(self):
        """All streams are closed."""
        self.wait(lambda: all(not c.open_streams for c in self.connections), "streams to close")

    @property
    def last(self):
        return self.requests[-1]

    def open_connections(self):
        return [c for c in self.connections if not c.closed]

    def stop(self):
        if self.stopping:
            return
        self.stopping = True
        self.gate.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        with self.changed:
            for connection in self.connections:
                connection.close()
        for thread in self.threads:
            thread.join(5)
        self.listener.close()
