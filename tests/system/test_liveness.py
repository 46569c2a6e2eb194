"""Connections of a backend that die, retire or are told to be calm: what the client, the backend and the log see."""
import time

import h2.errors

import behave

CODES = h2.errors.ErrorCodes


def freeze(connection):
    """Whatever comes on it from now on gets no answer, as behind a lost NAT entry."""
    with connection.peer.changed:
        connection.receive = lambda data: None


def paths(peer):
    return [r.path for r in peer.requests]


def test_a_dead_idle_connection_costs_no_request(make_culvert, peer):
    proxy = make_culvert(peer, args="ping=1ms")
    client = proxy.client()
    assert client.get("/echo/1").status == 200
    freeze(peer.connections[0])
    time.sleep(0.05)  # idle for longer than ping=
    assert client.get("/echo/2").status == 200
    line = proxy.log_lines(2)[-1]
    assert (line.status, line.end, line.retry, line.reuse) == (200, "--", "-", "N")
    assert [(r.path, r.connection.number) for r in peer.requests] == [("/echo/1", 0), ("/echo/2", 1)]


def test_a_live_idle_connection_is_kept(make_culvert, peer):
    proxy = make_culvert(peer, args="ping=1ms")
    client = proxy.client()
    for n in range(20):
        assert client.get(f"/echo/{n}").status == 200
    assert len(peer.connections) == 1
    assert paths(peer) == [f"/echo/{n}" for n in range(20)]
    assert {n.retry for n in proxy.log_lines(20)} == {"-"}


def test_a_path_that_is_lost_under_a_request(make_culvert, peer):
    """The request may have been processed: 504 within pingtimeout=, and never sent again."""
    proxy = make_culvert(peer, args="ping=100ms pingtimeout=1")
    client, other = proxy.client(), proxy.client()
    client.send_head("POST", "/never", [("Content-Length", "0")])
    peer.wait_requests(1)
    freeze(peer.connections[0])
    answer = client.response()
    assert answer.status == 504
    line = proxy.log_lines(1)[0]
    assert (line.status, line.end, line.reason, line.retry) == (504, "TW", "backend-silent", "-")
    assert other.get("/echo").status == 200
    assert paths(peer) == ["/never", "/echo"]


def test_connections_retire_after_their_requests(make_culvert, peer):
    proxy = make_culvert(peer, args="maxrequests=3")
    client = proxy.client()
    for n in range(7):
        assert client.get(f"/echo/{n}").status == 200
    assert paths(peer) == [f"/echo/{n}" for n in range(7)]
    assert [r.connection.number for r in peer.requests] == [0, 0, 0, 1, 1, 1, 2]
    peer.wait(lambda: [c.goaway_received for c in peer.connections[:2]] == [CODES.NO_ERROR] * 2, "GOAWAY")
    assert [n.reuse for n in proxy.log_lines(7)] == ["N", "R", "R", "N", "R", "R", "N"]


def test_a_retiring_connection_finishes_what_runs(make_culvert, peer):
    proxy = make_culvert(peer, args="maxrequests=1")
    holder = proxy.client()
    holder.send_head("GET", "/hold")
    peer.wait_requests(1)
    assert proxy.get("/echo").status == 200
    assert len(peer.connections) == 2 and peer.connections[0].goaway_received is None
    peer.gate.set()
    assert holder.response().body == b"held"


def test_calm_is_kept(make_culvert, peer):
    """RST_STREAM(ENHANCE_YOUR_CALM): 503 with Retry-After, not sent again; and the next request waits a while."""
    proxy = make_culvert(peer)
    client = proxy.client()
    answer = client.get(f"/reset/{int(CODES.ENHANCE_YOUR_CALM)}")
    assert (answer.status, answer.get("Retry-After")) == (503, "1")
    assert client.get("/echo").status == 200
    first, second = proxy.log_lines(2)
    assert (first.status, first.end, first.reason, first.retry) == (503, "BW", "backend-calm", "-")
    assert second.status == 200 and second.ms > 50
    assert len(peer.requests) == 2 and len(peer.connections) == 1


def test_goaway_in_two_steps(make_culvert, peer):
    """GOAWAY of a server that shuts down: the largest id, then its last. Nobody notices, nothing comes twice."""
    def leave(request):
        request.connection.goaway(2**31 - 1)
        request.connection.goaway(request.stream_id)
        request.answer(200, [], b"bye")
    peer.on("/leave", leave)
    proxy = make_culvert(peer)
    client = proxy.client()
    for n in range(5):
        assert client.get("/leave").status == 200
        assert client.get(f"/echo/{n}").status == 200
    assert len(peer.requests) == 10
    assert [n.status for n in proxy.log_lines(10)] == [200] * 10


def test_goaway_with_an_error_above_the_last_stream(make_culvert, peer):
    """What is above the last id goes to a new connection, with a body that is still held."""
    def leave(request):
        if request.connection.number == 0:
            request.connection.goaway(request.stream_id - 2, int(CODES.INTERNAL_ERROR))
            behave.never(request)
        behave.echo(request)
    peer.on("/leave", leave)
    proxy = make_culvert(peer)
    client = proxy.client()
    assert client.get("/echo").status == 200
    assert client.ask("POST", "/leave", [("Content-Length", "0")]).status == 200
    line = proxy.log_lines(2)[1]
    assert (line.status, line.end, line.retry) == (200, "--", "1:backend-goaway")
    assert [(r.path, r.connection.number) for r in peer.requests] == [("/echo", 0), ("/leave", 0), ("/leave", 1)]


def test_time_for_a_response(make_culvert, peer):
    proxy = make_culvert(peer, args="responsetimeout=200ms")
    assert proxy.get("/never").status == 504
    line = proxy.log_line()
    assert (line.end, line.reason, line.retry) == ("TW", "response-timeout", "-")
    assert len(peer.requests) == 1


def test_time_for_a_whole_request(make_culvert, peer):
    def drip(request):
        request.head(200)
        while True:
            request.data(b"x")
            time.sleep(0.02)
    peer.on("/drip", drip)
    proxy = make_culvert(peer, args="requesttimeout=1500ms")
    answer = proxy.get("/drip")
    assert answer.status == 200 and not answer.complete
    line = proxy.log_line()
    assert (line.end, line.reason) == ("TD", "whole-timeout")
    assert len(peer.requests) == 1


def test_a_head_that_is_too_large_for_the_backend(make_peer, make_culvert):
    peer = make_peer(max_header_list_size=2000)
    proxy = make_culvert(peer)
    client = proxy.client()
    assert client.get("/echo/small").status == 200
    assert client.get("/echo/large", [("X-Large", "v" * 3000)]).status == 431
    line = proxy.log_lines(2)[1]
    assert (line.status, line.end, line.reason) == (431, "BQ", "head-above-backend")
    assert paths(peer) == ["/echo/small"]
