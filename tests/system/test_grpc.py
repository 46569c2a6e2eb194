"""gRPC through both hops: @grpc/grpc-js as client and as server, Culvert between them."""
import struct

import pytest

from nodepeer import backend_ports, running
from procs import wait_until

OK, CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, FAILED, UNIMPLEMENTED, UNAVAILABLE = 0, 1, 2, 4, 9, 12, 14
NO_ERROR, CANCEL = 0, 8
MIB = 1 << 20


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Both Node programs; their servers and channels are made for each test."""
    with running(tmp_path_factory.mktemp("grpc"), "grpc_server.js", "grpc_client.js") as both:
        yield both


@pytest.fixture
def server(programs):
    programs[0].forget()
    programs[0].port = programs[0].call("listen")
    yield programs[0]
    programs[0].call("close", port=programs[0].port)


@pytest.fixture
def make_grpc(programs, make_culvert):
    """Makes a function that calls through a new Culvert: call("unary", [{...}], name="n")."""
    program = programs[1]
    program.forget()

    def make(backend, *lines, **options):
        proxy = make_culvert(backend, *lines, **options)

        def begin(method, messages=({},), action="call", **more):
            return program.begin(action, port=proxy.port, method=method, messages=list(messages), **more)

        def call(*arguments, **more):
            return program.finish(begin(*arguments, **more))
        call.proxy, call.begin, call.finish, call.program = proxy, begin, program.finish, program
        return call
    yield make
    program.call("close")


@pytest.fixture
def grpc(make_grpc, server):
    """Calls from the client, through Culvert, to the server."""
    return make_grpc(server)


def framed(message):
    return b"\0" + struct.pack(">I", len(message)) + message


def succeeded(answer):
    assert answer["code"] == OK, answer
    return answer


def test_unary(grpc):
    answer = succeeded(grpc("unary", [{"number": 7, "bytes": 1000}]))
    assert (answer["numbers"], answer["size"]) == ([7], 1000)
    assert answer["sha256"] == grpc.program.call("digest", bytes=1000) == answer["last"]["sha256"]
    line = grpc.proxy.log_line()
    assert (line.proto, line.method, line.path) == ("h2", "POST", "/test.Test/Unary")
    assert (line.status, line.backend_status, line.end) == (200, 200, "--")


def test_empty_messages(grpc):
    for method in ("unary", "collect", "chat"):
        succeeded(grpc(method, [{}]))
    assert succeeded(grpc("collect", []))["last"]["count"] == 0
    assert succeeded(grpc("spread", [{"count": 0}]))["messages"] == 0


def test_client_streaming(grpc):
    answer = succeeded(grpc("collect", [{"bytes": 10_000, "repeat": 300}]))
    assert (answer["messages"], answer["last"]["count"], answer["last"]["size"]) == (1, 300, 3_000_000)
    assert answer["last"]["sha256"] == grpc.program.call("digest", bytes=10_000, repeat=300)


def test_server_streaming(grpc):
    answer = succeeded(grpc("spread", [{"count": 300, "size": 10_000}]))
    assert answer["numbers"] == list(range(300))
    assert answer["sha256"] == grpc.program.call("digest", bytes=10_000, repeat=300)


def test_bidirectional_turn_by_turn(grpc):
    """Every message comes back before the next is sent: nothing waits for more bytes or for an end."""
    running = grpc.begin("chat", [{"number": 0}], key="turns", pause=True)
    for n in range(20):
        grpc.program.event("message", key="turns", number=n)
        grpc.program.call("say", key="turns", message={"number": n + 1})
    grpc.program.event("message", key="turns", number=20)
    grpc.program.call("end", key="turns")
    assert succeeded(grpc.finish(running))["numbers"] == list(range(21))


def test_bidirectional_both_at_full_speed(grpc):
    answer = succeeded(grpc("chat", [{"bytes": 20_000, "repeat": 200}]))
    assert answer["numbers"] == list(range(200))
    assert answer["sha256"] == grpc.program.call("digest", bytes=20_000, repeat=200)


def test_big_messages(grpc):
    """4 MiB each way, in one message."""
    answer = succeeded(grpc("unary", [{"bytes": 4 * MIB}]))
    assert answer["size"] == 4 * MIB
    assert answer["sha256"] == answer["last"]["sha256"] == grpc.program.call("digest", bytes=4 * MIB)


def test_metadata_both_ways(grpc, server):
    meta = {"x-one": ["1"], "x-many": ["a", "b c"], "x-raw-bin": ["00ff0a0d10"]}
    answer = succeeded(grpc("unary", [{}], meta=meta))
    told = server.event("start")
    joined = {**meta, "x-many": ["a, b c"]}  # as grpc-js reads several lines
    assert {n: told["metadata"].get(n) for n in meta} == joined
    assert {n: answer["initial"].get("initial-" + n) for n in meta} == joined
    assert answer["trailing"] == {"x-trailing": ["a, b"], "x-trailing-bin": ["00ff0a0d"]}
    assert told["metadata"]["user-agent"][0].startswith("grpc-node-js/")


@pytest.mark.parametrize("method", ["unary", "collect", "spread", "chat"])
def test_error_status(grpc, method):
    """Code, details in percent-encoding and metadata arrive as the server gave them."""
    answer = grpc(method, [{"what": "fail", "number": 9, "count": 3, "size": 10}])
    assert (answer["code"], answer["details"]) == (FAILED, "asked to fail: 100% & ü")
    assert answer["trailing"]["x-trailing-bin"] == ["00ff0a0d"]
    assert answer["messages"] == (3 if method == "spread" else 0)
    line = grpc.proxy.log_line()
    assert (line.status, line.backend_status, line.end) == (200, 200, "--")


def test_trailers_only_stays_trailers_only(grpc):
    """The status comes in the one and only header block, which ends the stream: not in trailers, not before DATA."""
    seen = grpc.program.call("raw", port=grpc.proxy.port, path="/test.Test/Unary", message={"what": "fail"})
    assert seen["headers"]["grpc-status"] == str(FAILED)
    assert (seen["ended"], seen["trailers"], seen["size"]) == (True, None, 0)


def test_unknown_method(grpc):
    seen = grpc.program.call("raw", port=grpc.proxy.port, path="/test.Test/Nothing", message={})
    assert (seen["headers"][":status"], seen["headers"]["grpc-status"]) == (200, str(UNIMPLEMENTED))


def test_deadline(grpc, server):
    """The client gives up by itself; the server sees the deadline that the client set, and the end of the call. It has the
    same deadline, and its answer may be on its way when the client gives up, or there."""
    answer = grpc("unary", [{"what": "never"}], deadline=1500, name="late")
    assert answer["code"] == DEADLINE_EXCEEDED
    assert 0 < server.event("start", name="late")["deadline"] <= 1500
    server.event("cancelled", name="late")
    succeeded(grpc("unary"))
    assert grpc.proxy.log_lines(2)[0].end in ("CW", "CD", "--")


def test_deadline_is_a_cancel_on_the_wire(make_grpc, peer):
    """At the backend: grpc-timeout as the client set it, then RST_STREAM(CANCEL)."""
    peer.on("/test.Test/Unary", lambda r: r.wait(lambda: False, 60))
    grpc = make_grpc(peer)
    assert grpc("unary", deadline=1000)["code"] == DEADLINE_EXCEEDED
    peer.wait(lambda: peer.last.reset_code is not None, "the reset")
    assert peer.last.reset_code == CANCEL
    assert peer.last.get("grpc-timeout")
    assert peer.last.get("te") == "trailers"


@pytest.mark.parametrize("method,messages", [
    ("unary", [{"what": "never"}]), ("collect", [{"bytes": 100}]), ("spread", [{"what": "forever", "size": 5000}]),
    ("chat", [{"bytes": 100, "repeat": 10}])])
def test_cancellation(grpc, server, method, messages):
    """A cancelled call ends at the server too; its sibling and later calls go on over the same connection."""
    sibling = grpc.begin("chat", [{"number": 1}], key="sibling", pause=True)
    grpc.program.event("message", key="sibling", number=1)
    ports = backend_ports(server)
    running = grpc.begin(method, messages, key="it", name="it", pause=True)
    server.event("start", name="it")
    if method in ("spread", "chat"):
        grpc.program.event("message", key="it", number=0)
    grpc.program.call("cancel", key="it")
    assert grpc.finish(running)["code"] == CANCELLED
    server.event("cancelled", name="it")
    grpc.program.call("say", key="sibling", message={"number": 2})
    grpc.program.event("message", key="sibling", number=2)
    grpc.program.call("end", key="sibling")
    assert succeeded(grpc.finish(sibling))["numbers"] == [1, 2]
    succeeded(grpc("unary", [{"number": 3}]))
    assert len(ports) == 1 and backend_ports(server) == ports
    ends = {(n.path, n.end[0]) for n in grpc.proxy.log_lines(3)}
    if method in ("unary", "spread"):  # of an upload Node sends the end first, then the reset: some are whole by then
        assert (f"/test.Test/{method.capitalize()}", "C") in ends


@pytest.mark.parametrize("method", ["unary", "chat"])
def test_cancellation_is_a_cancel_on_the_wire(make_grpc, peer, method):
    peer.on(f"/test.Test/{method.capitalize()}", lambda r: r.wait(lambda: False, 60))
    peer.on("/test.Test/Spread", lambda r: (r.wait_body(), r.head(200, [("content-type", "application/grpc")]),
                                            r.trailer([("grpc-status", "0")])))
    grpc = make_grpc(peer)
    running = grpc.begin(method, [{"bytes": 10}], key="it", pause=True)
    peer.wait_requests(1)
    grpc.program.call("cancel", key="it")
    assert grpc.finish(running)["code"] == CANCELLED
    peer.wait(lambda: peer.requests[0].reset_code is not None, "the reset")
    assert peer.requests[0].reset_code == CANCEL
    assert grpc("spread")["code"] == OK
    assert len(peer.connections) == 1


def test_many_cancellations_cost_no_connection(grpc, server):
    succeeded(grpc("unary"))
    ports = backend_ports(server)
    answers = grpc("unary", [{"what": "never"}], action="all", times=80, deadline=400)
    assert {a["code"] for a in answers} == {DEADLINE_EXCEEDED}
    wait_until(lambda: len(server.found("cancelled")) >= len(server.found("start")) - 1,
               "all calls to end at the server")
    succeeded(grpc("unary"))
    assert len(ports) == 1 and backend_ports(server) == ports


@pytest.mark.once
@pytest.mark.parametrize("method,messages,size", [
    ("unary", [{"bytes": 10_000}], 10_000), ("spread", [{"count": 20, "size": 5000}], 100_000),
    ("chat", [{"bytes": 5000, "repeat": 20}], 100_000)])
def test_hundred_calls_at_once(grpc, server, method, messages, size):
    """All of them over one backend connection."""
    answers = grpc(method, messages, action="all", times=100)
    assert [succeeded(a)["size"] for a in answers] == [size] * 100
    assert len({a["sha256"] for a in answers}) == 1
    assert len(backend_ports(server)) == 1
    lines = grpc.proxy.log_lines(100)
    assert {n.local_port for n in lines} == backend_ports(server)
    assert len({n.stream for n in lines}) == 100


def complete_then_reset(request):
    """What servers do that have answered before the client has said all: RFC 9113 8.1."""
    request.wait(lambda: request.size > 0)
    request.head(200, [("content-type", "application/grpc")])
    request.data(framed(b""))
    request.trailer([("grpc-status", "0"), ("x-last", "yes")])
    request.reset(NO_ERROR)


def test_no_error_after_a_complete_response(make_grpc, peer):
    """The response and its status count: the client must not see the reset as a failure of the call."""
    for path in ("Collect", "Chat"):
        peer.on(f"/test.Test/{path}", complete_then_reset)
    grpc = make_grpc(peer)
    for method in ("collect", "chat"):
        answer = succeeded(grpc(method, [{"bytes": 100}], pause=True))
        assert (answer["messages"], answer["trailing"].get("x-last")) == (1, ["yes"])
    assert len(peer.connections) == 1
    assert [(n.status, n.backend_status) for n in grpc.proxy.log_lines(2)] == [(200, 200)] * 2


def test_no_error_while_much_is_uploaded(make_grpc, peer):
    """The same while megabytes come: the upload stops, the answer arrives."""
    peer.on("/test.Test/Collect", complete_then_reset)
    grpc = make_grpc(peer)
    answer = grpc("collect", [{"bytes": 50_000, "repeat": 100}])
    assert (answer["code"], answer["messages"]) == (OK, 1)
    assert len(peer.connections) == 1


def test_reset_by_the_server(make_grpc, peer):
    """A stream that the backend breaks is a broken stream at the client, never a status that nobody gave."""
    def broken(request):
        request.head(200, [("content-type", "application/grpc")])
        request.data(framed(b""))
        request.reset(2)
    peer.on("/test.Test/Spread", broken)
    grpc = make_grpc(peer)
    answer = grpc("spread")
    assert answer["code"] not in (OK, CANCELLED)
    assert grpc.proxy.log_line().end[0] == "B"


def test_no_backend(make_grpc, server):
    """gRPC clients retry UNAVAILABLE."""
    grpc = make_grpc(server)
    server.call("close", port=server.port)
    assert grpc("unary")["code"] == UNAVAILABLE
