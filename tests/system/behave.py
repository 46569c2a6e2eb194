"""The backend's behaviours, chosen by the first segment of the path; further segments are arguments.

A test adds its own with peer.on(path, function).
"""
import json
import time

BLOCK = bytes(range(256)) * 64


def pattern(size, start=0):
    """Bytes that tell their place: a period of 16 KiB and a counter, so that a lost or doubled block shows."""
    out = bytearray()
    first = start // len(BLOCK)
    for n in range(first, (start + size) // len(BLOCK) + 1):
        out += n.to_bytes(8, "big") + BLOCK[8:]
    skip = start - first * len(BLOCK)
    return bytes(out[skip:skip + size])


def echo(request, *_):
    """What arrived, as JSON."""
    request.wait_body()
    body = json.dumps({
        "method": request.method, "path": request.path, "authority": request.pseudo("authority"),
        "headers": request.fields, "size": request.size, "sha256": request.sha256,
        "trailers": request.trailers}).encode()
    request.answer(200, [("content-type", "application/json")], b"" if request.method == "HEAD" else body)


def size(request, count="0"):
    """A body of a size, with its Content-Length; only the head for HEAD."""
    if request.method == "HEAD":
        request.head(200, [("content-length", count)], end=True)
        return
    request.head(200, [("content-length", count)], end=count == "0")
    stream(request, int(count))


def stream(request, count):
    step = 1 << 18
    for start in range(0, count, step):
        part = min(step, count - start)
        request.data(pattern(part, start), end=start + part == count)


def unknown_length(request, count="0"):
    """A body without Content-Length."""
    request.head(200)
    if count == "0":
        request.data(b"", end=True)
    stream(request, int(count))


def status(request, code="200"):
    request.wait_body()
    request.head(int(code), [("etag", '"e"')], end=True)


def hold(request, *_):
    """Answers when the peer's gate opens."""
    request.wait_body()
    request.peer.gate.wait(60)
    request.answer(200, [], b"held")


def never(request, *_):
    """Takes the request and never answers."""
    request.wait(lambda: False, 60)


def reset(request, code="2"):
    request.reset(int(code))


def head_then_reset(request, count="100", code="2"):
    """Some of a body without Content-Length, then a reset."""
    request.head(200)
    request.data(pattern(int(count)))
    request.reset(int(code))


def short(request, said="1000", sent="10"):
    """A Content-Length that promises more, or less, than the body has; ended as if all were well."""
    request.head(200, [("content-length", said)])
    request.data(pattern(int(sent)), end=True)


def short_reset(request, said="1000", sent="10"):
    request.head(200, [("content-length", said)])
    request.data(pattern(int(sent)))
    request.reset(2)


def cut(request, said="-", sent="100"):
    """The connection breaks in the middle of a body."""
    request.head(200, [] if said == "-" else [("content-length", said)])
    request.data(pattern(int(sent)))
    request.connection.close()


def bad_head(request, kind="space"):
    """Response heads that no proxy may pass on."""
    bad = {
        "upper": [(":status", "200"), ("X-Upper", "1")],
        "connection": [(":status", "200"), ("connection", "close")],
        "newline": [(":status", "200"), ("x-a", "b\r\nx-c: d")],
        "nul": [(":status", "200"), ("x-a", "b\0c")],
        "status": [(":status", "2x0")],
        "low": [(":status", "099")],
        "nostatus": [("x-a", "b")],
        "late": [("x-a", "b"), (":status", "200")],
        "lengths": [(":status", "200"), ("content-length", "5"), ("content-length", "6")],
        "length": [(":status", "200"), ("content-length", "five")],
        "te": [(":status", "200"), ("transfer-encoding", "chunked")],
    }[kind]
    request.answered = True
    bare = kind == "low"  # with a body there would be another fault
    request.act(request.connection.h2.send_headers, bad, end_stream=bare)
    if not bare:
        request.data(b"hello", end=True)


def big_head(request, fields="10", length="1000"):
    request.wait_body()
    request.answer(200, [(f"x-big-{n}", "v" * int(length)) for n in range(int(fields))], b"big")


def interim(request, *codes):
    """Interim responses, then 200."""
    for code in codes or ("103",):
        request.interim(int(code), [("link", "</style.css>; rel=preload")] if code == "103" else [])
    request.wait_body()
    request.answer(200, [], b"final")


def go_on(request):
    """100 first, and the final answer after the body."""
    request.interim(100)
    echo(request)


def early(request, code="403"):
    """A final answer before the request's body is there; the stream ends with NO_ERROR as RFC 9113 8.1 allows."""
    request.answer(int(code), [], b"early")
    if not request.ended:
        request.reset(0)


def trailers(request):
    request.wait_body()
    request.head(200, [("trailer", "x-checksum")])
    request.data(b"body")
    request.trailer([("x-checksum", "abc"), ("x-count", "4")])


def slow(request, count="5"):
    """A body in pieces, each a frame of its own."""
    request.head(200)
    for n in range(int(count)):
        request.data(b"%d;" % n, end=n == int(count) - 1)
        time.sleep(0.01)


STANDARD = {
    "echo": echo, "size": size, "unknown": unknown_length, "status": status, "hold": hold, "never": never,
    "reset": reset, "head-then-reset": head_then_reset, "short": short, "short-reset": short_reset, "cut": cut,
    "bad-head": bad_head, "big-head": big_head, "interim": interim, "continue": go_on, "early": early,
    "trailers": trailers, "slow": slow,
}


def find(path):
    """The behaviour for a path; whatever has none is echoed."""
    name, *arguments = path.strip("/").split("/")
    behaviour = STANDARD.get(name)
    return echo if behaviour is None else lambda request: behaviour(request, *arguments)
