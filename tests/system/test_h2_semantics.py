"""HTTP/2 clients: every kind of message passes whole, in order, and as what it is."""
import hashlib
import json

import pytest

import h2wire
from behave import pattern
from h2wire import CANCEL, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, Client, data, rst_stream
from procs import connected_to, curl, run, steady, wait_until


@pytest.fixture
def client(proxy):
    with Client(proxy.port) as connection:
        yield connection.started()


def told(answer):
    """What the echo says."""
    return json.loads(bytes(answer.body))


# ---- the simple ones ----

@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "X-UNKNOWN"])
def test_methods(method, client, proxy):
    answer = client.get("/echo?a=b", method=method)
    assert answer.status == 200 and told(answer)["method"] == method and told(answer)["path"] == "/echo?a=b"
    line = proxy.log_line()
    assert (line.proto, line.method, line.path, line.status, line.end) == ("h2", method, "/echo?a=b", 200, "--")
    assert line.bytes == len(answer.body)


def test_head(client, proxy):
    answer = client.get("/size/12345", method="HEAD")
    assert (answer.status, answer.get("content-length"), bytes(answer.body)) == (200, "12345", b"")
    assert client.get("/unknown/0", method="HEAD").status == 200
    assert proxy.log_lines(2)[0].bytes == 0


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, 65535, 65536, 1000000])
def test_bodies_both_ways(size, client):
    sent = pattern(size)
    for headers in ([], [("content-length", str(size))]):
        echo = told(client.response(client.post("/echo", sent, headers)))
        assert (echo["size"], echo["sha256"]) == (size, hashlib.sha256(sent).hexdigest())
    for path in ("size", "unknown"):
        answer = client.get(f"/{path}/{size}")
        assert bytes(answer.body) == sent
        assert answer.get("content-length") == (str(size) if path == "size" else None)


def test_body_in_tiny_frames(client):
    stream = client.open("/echo", "POST", end=False)
    assert client.body(stream, pattern(3000), most=7)
    assert told(client.response(stream))["size"] == 3000


@pytest.mark.parametrize("status", [200, 201, 204, 205, 301, 304, 404, 500, 503])
def test_bare_responses(status, client, proxy):
    for method in ("GET", "HEAD", "POST"):
        answer = client.get(f"/status/{status}", method=method)
        assert (answer.status, answer.get("etag"), bytes(answer.body)) == (status, '"e"', b"")
        assert answer.get("content-length") in (None, "0") and answer.get("transfer-encoding") is None
    assert {line.status for line in proxy.log_lines(3)} == {status}


def test_not_modified_keeps_its_length(client, peer):
    """RFC 9110 8.6: a 304 may say how long the 200 would be; no body follows."""
    peer.on("/304", lambda request: request.head(304, [("content-length", "1000")], end=True))
    answer = client.get("/304")
    assert (answer.status, answer.get("content-length"), bytes(answer.body)) == (304, "1000", b"")


def test_local_answers(make_culvert, peer):
    """The proxy's own answers are whole HTTP/2 responses too."""
    proxy = make_culvert(None, "LimitRequestBody 1000", f'ProxyPass "/app" "h2c://127.0.0.1:{peer.port}/app"')
    with Client(proxy.port) as client:
        answer = client.started().get("/elsewhere")
        assert answer.status == 404 and len(answer.body) == int(answer.get("content-length")) > 0
        answer = client.get("/elsewhere", method="HEAD")
        assert answer.status == 404 and not answer.body
        answer = client.done(client.open("/app", "POST", [("content-length", "1001")], end=False))
        assert answer.status == 413
        stream = client.open("/app", "POST", end=False)
        client.send(data(stream, b"x" * 1001))
        assert client.done(stream).status == 413
        assert client.get("/app").status == 200
    assert [line.status for line in proxy.log_lines(5)] == [404, 404, 413, 413, 200]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_refused_methods(method, client):
    stream = client.new_id()
    fields = client.fields("/", method) if method == "TRACE" else [(":method", method), (":authority", "a.example:1")]
    client.send(client.headers(stream, fields))
    assert client.done(stream).status in (405, 501)
    assert client.get("/echo").status == 200


def test_authority_and_forwarding(client, proxy):
    echo = told(client.get("/echo", authority="shop.example:81"))
    fields = dict(echo["headers"])
    assert fields["x-forwarded-host"] == "shop.example:81" and fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["x-forwarded-proto"] == "http" and "host" not in fields


def test_priority_field_passes(client):
    client.send(h2wire.frame(0x10, 0, 0, b"\0\0\0\1u=0"))  # PRIORITY_UPDATE, RFC 9218 7.1
    assert ["priority", "u=1, i"] in told(client.get("/echo", [("priority", "u=1, i")]))["headers"]


def test_expect_is_refused_or_met(client):
    assert client.get("/echo", [("expect", "magic")]).status == 417


# ---- trailers, on both frontends ----

def asked_with_trailers(proxy, version, path, trailers):
    """POST with a body and trailers, over HTTP/1.1 (chunked) or HTTP/2; the answer has .status, .body, .trailers."""
    if version == "h2":
        with Client(proxy.port) as client:
            return client.started().response(client.post(path, b"0123456789", trailers=trailers))
    with proxy.client() as client:
        client.send_head("POST", path, [("Transfer-Encoding", "chunked"), ("TE", "trailers")])
        client.send_chunk(b"0123456789")
        client.send("0\r\n" + "".join(f"{n}: {v}\r\n" for n, v in trailers) + "\r\n")
        return client.response("POST")


@pytest.mark.parametrize("version", ["h1", "h2"])
def test_request_trailers(version, proxy):
    answer = asked_with_trailers(proxy, version, "/echo", [("x-sum", "abc"), ("x-count", "4"), ("x-count", "5")])
    assert told(answer)["trailers"] == [["x-sum", "abc"], ["x-count", "4"], ["x-count", "5"]]
    assert told(answer)["size"] == 10


@pytest.mark.parametrize("version", ["h1", "h2"])
def test_response_trailers(version, proxy):
    answer = asked_with_trailers(proxy, version, "/trailers", [("x-a", "b")])
    assert (answer.status, bytes(answer.body)) == (200, b"body")
    assert answer.trailers == [("x-checksum", "abc"), ("x-count", "4")]


@pytest.mark.parametrize("version", ["h1", "h2"])
def test_trailers_without_a_body(version, proxy, peer):
    """As gRPC answers an error: a head, then trailers; or both in one HEADERS frame."""
    def bare(request):
        request.wait_body()
        request.head(200)
        request.trailer([("grpc-status", "5")])
    peer.on("/bare", bare)
    answer = asked_with_trailers(proxy, version, "/bare", [])
    assert (answer.status, bytes(answer.body), answer.trailers) == (200, b"", [("grpc-status", "5")])


def sized(request, announced):
    """Content-Length and trailers, with or without a Trailer field; /…/late: the head leaves long before them."""
    request.head(200, [("content-length", "9"), *([("trailer", "x-sum")] if announced else [])])
    if request.path.endswith("late"):
        request.peer.gate.wait()
    request.data(b"some body")
    request.trailer([("x-sum", "abc")])


@pytest.mark.parametrize("when", ["at-once", "late"])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "unannounced"])
@pytest.mark.parametrize("version,te", [("h1", True), ("h1", False), ("h2", True), ("h2", False), ("h1.0", False)])
def test_trailers_behind_a_content_length(version, te, announced, when, proxy, peer):
    """HTTP/2 can have both, HTTP/1.1 only trailers: the length makes room for chunks where trailers may come, because
    they are announced or asked for. A 1.0 client has no trailers, one that did not ask gets none it was not told of."""
    peer.on(f"/{when}", lambda request: sized(request, announced))
    asks = [("te", "trailers")] if te else []
    if version == "h2":
        with Client(proxy.port) as client:
            stream = client.started().open(f"/{when}", headers=asks)
            client.wait(lambda: when == "at-once" or client.stream(stream).status, "the head")
            peer.gate.set()
            answer = client.response(stream)
        assert answer.get("content-length") == "9" and answer.trailers == [("x-sum", "abc")]
    else:
        with proxy.client() as client:
            client.send_head("GET", f"/{when}", asks, version=version[1:] if version == "h1.0" else "1.1")
            while when == "late" and b"\r\n\r\n" not in client.buffer:
                assert client.fill()
            peer.gate.set()
            answer = client.response()
        wanted = version == "h1" and (te or announced)
        if when == "late" or wanted:
            assert answer.framing == ("chunked" if wanted else "length")
        assert answer.trailers == ([("x-sum", "abc")] if answer.framing == "chunked" else [])
        assert (answer.get("content-length") is None) == (answer.framing == "chunked")
    assert (answer.status, bytes(answer.body)) == (200, b"some body")


@pytest.mark.parametrize("announced", [True, False])
def test_head_keeps_the_length_that_trailers_would_take(announced, client, peer):
    peer.on("/h", lambda request: request.head(200, [("content-length", "9"), ("trailer", "x-sum")], end=True))
    answer = client.get("/h", [("te", "trailers")] if announced else [], method="HEAD")
    assert answer.get("content-length") == "9"


@pytest.mark.parametrize("version", ["h1", "h2"])
def test_forbidden_trailers_are_dropped(version, proxy, peer):
    """RFC 9110 6.5.1: what frames or routes a message has no place behind it."""
    bad = [("host", "evil"), ("authorization", "x"), ("content-encoding", "gzip"), ("set-cookie", "a=b")]

    def sends(request):
        request.wait_body()
        request.head(200)
        request.data(b"body")
        request.trailer([("x-ok", "1"), ("content-encoding", "gzip"), ("set-cookie", "a=b")])
    peer.on("/bad-trailers", sends)
    answer = asked_with_trailers(proxy, version, "/bad-trailers", [*bad, ("x-ok", "1")])
    assert answer.status == 200 and ("x-ok", "1") in answer.trailers
    assert not {"content-encoding", "set-cookie"} & {n for n, _ in answer.trailers}
    assert [tuple(f) for f in peer.last.trailers] == [("x-ok", "1")]


# ---- interim and early responses ----

@pytest.mark.parametrize("codes", [(100,), (103,), (100, 103), (103, 103), (102, 103, 100)])
def test_interim_responses(codes, client):
    """All but 100 are passed on whatever happens; 100 at least to who awaits it (RFC 9110 15.2)."""
    answer = client.get("/interim/" + "/".join(map(str, codes)), [("expect", "100-continue")])
    assert [c for c, _ in answer.interim if c != 100] == [c for c in codes if c != 100]
    assert (answer.status, bytes(answer.body)) == (200, b"final")
    for code, fields in answer.interim:
        assert code != 103 or ("link", "</style.css>; rel=preload") in fields


def test_many_interim_responses(client, peer):
    """One after another; each is passed before the next comes."""
    def many(request):
        for n in range(20):
            request.interim(103, [("x-n", str(n))])
            wait_until(lambda n=n: len(client.stream(1).interim) > n, f"interim response {n}")
        request.answer(200, [], b"final")
    peer.on("/many", many)
    answer = client.get("/many")
    assert answer.status == 200
    assert [fields for _, fields in answer.interim] == [[("x-n", str(n))] for n in range(20)]


@pytest.mark.parametrize("version", ["h1", "h2"])
def test_interim_responses_for_a_slow_client(version, proxy, peer):
    """Some find no place and are left out; the others, and the final one, come whole."""
    def flood(request):
        for n in range(400):
            fields = (":status", "103"), ("x-n", str(n)), ("link", "x" * 3000)
            block = b"".join(h2wire.plain(*field) for field in fields)
            request.connection.send_raw(h2wire.block_frames(request.stream_id, block, end=False))
        request.answer(200, [], b"final")
        peer.gate.set()
    peer.on("/flood", flood)
    if version == "h1":
        with proxy.client(receive_buffer=2000) as client:
            client.send_head("GET", "/flood")
            assert peer.gate.wait(10)
            answer = client.response()
            numbers = [int(dict(interim.headers)["x-n"]) for interim in answer.interim]
    else:
        with Client(proxy.port, receive_buffer=2000) as client:
            stream = client.started().open("/flood")
            assert peer.gate.wait(10)
            answer = client.response(stream)
            numbers = [int(dict(fields)["x-n"]) for _, fields in answer.interim]
    assert (answer.status, bytes(answer.body)) == (200, b"final")
    assert len(numbers) >= 6 and numbers == sorted(set(numbers))


def test_continue_is_awaited(client):
    """The client sends its body when 100 has come."""
    stream = client.open("/continue", "POST", [("expect", "100-continue"), ("content-length", "5")], end=False)
    client.wait(lambda: client.stream(stream).interim, "100")
    assert client.stream(stream).interim[0][0] == 100
    client.body(stream, b"hello")
    assert told(client.response(stream))["size"] == 5


@pytest.mark.parametrize("sent", [0, 10, 100000])
def test_early_response(sent, client, peer):
    """RFC 9113 8.1: the answer comes whole while the upload goes on; then the rest is not wanted, without an error."""
    stream = client.open("/early/403", "POST", end=False)
    client.body(stream, b"x" * sent, end=False)
    answer = client.done(stream)
    assert (answer.status, bytes(answer.body), answer.ended) == (403, b"early", True)
    client.synced()
    assert answer.reset in (None, NO_ERROR)
    if answer.reset is None:
        client.send(data(stream, b"rest", end=True))
    assert client.get("/echo").status == 200
    assert len(peer.connections) == 1


def test_early_response_then_the_upload_ends(client, peer):
    """The backend answers first and reads on: both bodies are whole."""
    def both(request):
        request.head(200)
        request.data(b"first,")
        request.wait_body()
        request.data(b"%d" % request.size, end=True)
    peer.on("/both", both)
    stream = client.open("/both", "POST", end=False)
    client.wait(lambda: client.stream(stream).body == b"first,", "the answer's beginning")
    client.body(stream, pattern(200000))
    assert bytes(client.response(stream).body) == b"first,200000"


def test_both_ways_at_once(client, peer):
    """Each piece is answered before the next one is sent: nothing waits for more."""
    def parrot(request):
        request.head(200)
        done = 0
        while True:
            request.wait(lambda: request.ended or request.size > done)  # pylint: disable=cell-var-from-loop
            part, done = request.body[done:], len(request.body)
            if part:
                request.data(part)
            if request.ended:
                request.data(b"", end=True)
                return
    peer.on("/parrot", parrot)
    stream = client.open("/parrot", "POST", end=False)
    for n in range(1, 21):
        client.body(stream, b"piece", end=False)
        client.wait(lambda n=n: len(client.stream(stream).body) == 5 * n, f"piece {n}")
    client.send(data(stream, b"", end=True))
    assert bytes(client.response(stream).body) == b"piece" * 20


# ---- big heads ----

@pytest.mark.parametrize("most", [16384, 8000, 4000])
def test_big_request_head(most, client, peer):
    """Over several CONTINUATION frames, however they are cut."""
    fields = [(f"x-big-{n}", "v" * 500) for n in range(40)]
    stream = client.new_id()
    client.send(client.headers(stream, client.fields("/echo", headers=fields), most=most))
    assert client.response(stream).status == 200
    assert [f for f in peer.last.fields if f[0].startswith("x-big")] == fields


def test_big_response_head(client):
    answer = client.get("/big-head/25/1000")
    assert answer.status == 200 and bytes(answer.body) == b"big"
    assert [answer.get(f"x-big-{n}") for n in range(25)] == ["v" * 1000] * 25
    assert any(kind == h2wire.CONTINUATION for kind, _, _, _ in client.frames)


def test_big_trailers(client, peer):
    trailers = [(f"x-t-{n}", "v" * 500) for n in range(30)]
    stream = client.post("/echo", b"body", trailers=trailers)
    assert [tuple(f) for f in told(client.response(stream))["trailers"]] == trailers


def test_request_head_too_large(client, proxy):
    """Beyond the limits: an answer (431) or a stream error, and the compression state stays good."""
    stream = client.open("/echo", headers=[(f"x-{n}", "v" * 5000) for n in range(10)])
    answer = client.done(stream)
    assert answer.status == 431 or answer.reset is not None
    stream = client.open("/echo", headers=[("x-long", "v" * 9000)])
    assert client.done(stream).status == 431
    stream = client.open("/echo", headers=[(f"x-{n}", "") for n in range(150)])
    assert client.done(stream).status == 431
    stream = client.open("/" + "p" * 9000)
    assert client.done(stream).status == 414
    assert client.get("/echo").status == 200
    assert all(line.proto == "h2" for line in proxy.log_lines(5))


@pytest.mark.parametrize("count", [2, 100, 1000])
@pytest.mark.parametrize("together", [1, 1000])
def test_crumbs(count, together, client, peer):
    """RFC 9113 8.2.3: a cookie in any number of crumbs is the same cookie."""
    crumbs = [f"c{n}=v" for n in range(count)]
    lines = ["; ".join(crumbs[at:at + together]) for at in range(0, count, together)]
    assert client.get("/echo", [("x-a", "1"), *(("cookie", line) for line in lines), ("x-b", "2")]).status == 200
    assert "; ".join(peer.last.all("cookie")) == "; ".join(crumbs)
    assert peer.last.get("x-a") == "1" and peer.last.get("x-b") == "2"


@pytest.mark.parametrize("crumbs", [["a=1", ""], ["a=1;  b=2"], ["a=1 ; b=2", "", "c=3"]])
def test_crumbs_with_white_space(crumbs, client, peer):
    """RFC 9113 8.2.1: none around a field's value, wherever the cookie is split."""
    assert client.get("/echo", [("cookie", crumb) for crumb in crumbs]).status == 200
    got = peer.last.all("cookie")
    assert got and all(crumb == crumb.strip() for crumb in got)
    assert "; ".join(got).replace(" ", "") in ("; ".join(crumbs)).replace(" ", "")


# ---- streams ----

def test_streams_of_all_clients_share_a_connection(proxy, peer):
    clients = [Client(proxy.port).started() for _ in range(4)]
    streams = [(c, c.open("/hold")) for c in clients for _ in range(10)]
    with proxy.client() as old:
        old.send_head("GET", "/hold")
        peer.wait(lambda: len(peer.requests) == 41, "all requests at once")
        peer.gate.set()
        assert old.response().body == b"held"
    assert all(bytes(c.response(s).body) == b"held" for c, s in streams)
    assert len(peer.connections) == 1
    for c in clients:
        c.close()


def test_streams_end_in_any_order(client, peer):
    """A slow first stream holds up none of the later ones."""
    first = client.open("/hold")
    for n in range(30):
        assert client.get(f"/size/{n * 1000}").status == 200
    assert not client.stream(first).over
    peer.gate.set()
    assert bytes(client.response(first).body) == b"held"


@pytest.fixture
def patient(make_culvert, peer):
    """A proxy that says goodbye after no number of requests."""
    return make_culvert(peer, "MaxKeepAliveRequests 0")


def test_most_streams(patient, peer):
    """All streams that SETTINGS allow, and one more: an error (RFC 9113 5.1.2), and no request at the backend."""
    client = Client(patient.port).started()
    most = client.settings[h2wire.MAX_CONCURRENT_STREAMS]
    for _ in range(most):
        client.open("/hold")
    peer.wait_requests(most)
    extra = client.open("/extra")
    client.wait(lambda: client.stream(extra).over or client.goaways, "an error")
    assert client.stream(extra).reset in (REFUSED_STREAM, PROTOCOL_ERROR) or client.goaways[-1][1] == PROTOCOL_ERROR
    assert not any(r.path == "/extra" for r in peer.requests)
    if not client.goaways:
        peer.gate.set()
        assert bytes(client.response(1).body) == b"held"
    client.close()


def test_most_streams_before_settings_are_known(patient, peer):
    """Who does not know the limit yet gets REFUSED_STREAM for what is beyond, and the rest is served."""
    with Client(patient.port, ack=False) as client:
        streams = [client.open("/hold") for _ in range(120)]
        peer.wait_requests(100)
        client.wait(lambda: sum(s.reset == REFUSED_STREAM for s in client.streams.values()) == 20, "20 refusals")
        peer.gate.set()
        assert sum(client.done(s).status == 200 for s in streams) == 100
        assert client.goaways == []


def test_exchanges_run_out(make_culvert, make_peer):
    """More streams than exchanges: they wait, then REFUSED_STREAM, which a client may retry; nothing else suffers."""
    peer = make_peer(max_concurrent_streams=8)
    proxy = make_culvert(peer, "MaxKeepAliveRequests 0", args="acquire=60000 maxqueue=2000", release=True)
    clients = [Client(proxy.port).started() for _ in range(11)]
    streams = [(c, c.open("/hold")) for c in clients for _ in range(100)]
    for c in clients:
        c.synced()  # a PING behind what waits: it is answered when that has been refused
    refused = [(c, s) for c, s in streams if c.stream(s).reset == REFUSED_STREAM]
    # An eighth is kept for clients that have none.
    assert len(streams) - 1024 <= len(refused) <= len(streams) - 1024 * 7 // 8 + len(clients)
    other = Client(proxy.port).started()
    assert other.open("/hold")
    other.synced()
    assert not other.stream(1).reset
    peer.gate.set()
    assert other.done(1).status == 200
    assert all(c.done(s).status == 200 for c, s in streams if (c, s) not in refused)
    for c, _ in refused:
        assert c.get("/echo").status == 200
    for c in [*clients, other]:
        c.close()


# ---- ends ----

def test_client_cancels_a_wait(client, peer):
    """RST_STREAM reaches the backend as CANCEL and costs no connection."""
    stream = client.open("/never")
    request = peer.wait_requests(1)[0]
    client.send(rst_stream(stream, CANCEL))
    peer.wait(lambda: request.gone, "the cancellation")
    assert request.reset_code == CANCEL
    assert client.get("/echo").status == 200
    assert len(peer.connections) == 1


def test_client_cancels_a_download(client, peer, proxy):
    stream = client.open("/size/10000000")
    client.wait(lambda: len(client.stream(stream).body) > 100000, "some of the body")
    client.send(rst_stream(stream, CANCEL))
    client.stream(stream).reset = CANCEL
    peer.wait(lambda: peer.requests[0].gone, "the cancellation")
    assert peer.requests[0].reset_code == CANCEL
    client.on_0 = lambda *_: None  # what was on its way
    line = proxy.log_line()
    assert line.end == "CD" and line.status == 200 and line.bytes < 10000000
    with Client(proxy.port) as other:
        assert other.started().get("/echo").status == 200
    assert len(peer.connections) == 1


def test_client_cancels_while_it_reads_nothing(proxy, peer):
    """A client whose socket is full is still heard: the backend is told at once."""
    with Client(proxy.port, [(h2wire.INITIAL_WINDOW_SIZE, h2wire.LARGEST_WINDOW)], receive_buffer=4096) as client:
        client.started().send(h2wire.window_update(0, h2wire.LARGEST_WINDOW - 65535))
        client.reads = False
        streams = [client.open("/unknown/100000000") for _ in range(2)]
        peer.wait_requests(2)
        steady(lambda: sum(r.sent for r in peer.requests), "the downloads")
        client.send(rst_stream(streams[0], CANCEL))
        wanted = peer.requests[0]
        peer.wait(lambda: wanted.reset_code is not None, "the cancel")
        assert wanted.reset_code == CANCEL and peer.requests[1].reset_code is None
        client.send(client.headers(client.new_id(), client.fields("/echo")))
        peer.wait_requests(3)


def test_client_cancels_an_upload(client, peer):
    stream = client.open("/echo", "POST", end=False)
    client.body(stream, pattern(50000), end=False)
    request = peer.wait_requests(1)[0]
    client.send(rst_stream(stream, CANCEL))
    peer.wait(lambda: request.gone, "the cancellation")
    assert request.reset_code == CANCEL and not request.ended
    assert client.get("/echo").status == 200
    assert len(peer.connections) == 1


def test_client_leaves_with_streams(proxy, peer):
    with Client(proxy.port) as client:
        client.started()
        for _ in range(20):
            client.open("/never")
        requests = peer.wait_requests(20)
        client.abort()
    peer.wait(lambda: all(r.gone for r in requests), "the cancellations")
    assert {r.reset_code for r in requests} == {CANCEL}
    assert {line.end[0] for line in proxy.log_lines(20)} == {"C"}
    assert proxy.get("/echo").status == 200
    assert len(peer.connections) == 1


@pytest.mark.parametrize("path", ["/cut/-/100", "/cut/1000/100", "/head-then-reset/100", "/head-then-reset/30000",
                                  "/short/1000/10", "/short-reset/1000/10", "/cut/-/30000"])
def test_cut_response_is_never_ended_cleanly(path, client, proxy):
    """RFC 9113 8.1: RST_STREAM, or 502 when nothing had been sent."""
    answer = client.done(client.open(path))
    assert answer.status == 502 and answer.ended or answer.status in (200, None) and not answer.ended, answer
    if not answer.ended:
        assert answer.reset not in (None, NO_ERROR, REFUSED_STREAM)
    line = proxy.log_line()
    assert line.end[0] == "B" and line.reason, line.text
    assert client.get("/echo").status == 200


def test_cut_responses_are_not_the_clients_fault(make_culvert, peer):
    """Nobody is told to be calm because a backend fails."""
    def cut(request):
        request.head(200)
        request.data(b"some")
        peer.gate.wait(10)
        request.reset()
    peer.on("/cut", cut)
    with Client(make_culvert(peer, "MaxKeepAliveRequests 0").port) as client:
        client.started()
        for _ in range(4):
            streams = [client.open("/cut") for _ in range(50)]
            client.wait(lambda ids=streams: all(client.stream(s).body for s in ids), "some of all bodies")
            peer.gate.set()
            assert all(client.done(s).reset not in (None, NO_ERROR) for s in streams)
            peer.gate.clear()
        assert client.get("/echo").status == 200 and client.goaways == []


@pytest.mark.parametrize("code", [1, 2, 8, 11])
def test_reset_before_the_head(code, client, proxy):
    answer = client.get(f"/reset/{code}")
    assert answer.status == (503 if code == h2wire.ENHANCE_YOUR_CALM else 502)
    assert proxy.log_line().end == "BW"


@pytest.mark.parametrize("kind", ["upper", "connection", "newline", "nul", "status", "low", "nostatus", "late",
                                  "lengths", "length", "te"])
def test_malformed_response_is_502(kind, client):
    held = client.open("/hold")
    assert client.get(f"/bad-head/{kind}").status == 502
    assert not client.stream(held).over


def test_backend_that_is_not_there(make_culvert, make_peer):
    gone = make_peer()
    gone.stop()
    proxy = make_culvert(gone)
    with Client(proxy.port) as client:
        streams = [client.started().open("/echo") for _ in range(10)]
        assert {client.response(s).status for s in streams} <= {502, 503}
        assert client.goaways == []


# ---- other people's clients ----

def test_curl(proxy):
    out = curl("--http2-prior-knowledge", "-w", "\n%{http_version} %{response_code}", proxy.url("/size/100000"),
               "--output", "/dev/null")
    assert out.split() == ["2", "200"]
    out = curl("--http2-prior-knowledge", "--data-binary", "x" * 50000, proxy.url("/echo"))
    assert json.loads(out)["size"] == 50000


def test_nghttp(proxy):
    done = run(["nghttp", "-v", "-H", "x-a: b", "--no-dep", proxy.url("/trailers"), proxy.url("/echo")])
    assert done.returncode == 0 and "x-checksum: abc" in done.stdout and done.stdout.count(":status: 200") == 2


def test_h2load(make_culvert, tmp_path, make_nghttpd):
    """Many streams on few connections; the backend sees one connection."""
    (tmp_path / "a").write_bytes(pattern(1024))
    origin = make_nghttpd(tmp_path)
    proxy = make_culvert(origin, "MaxKeepAliveRequests 0", release=True)
    done = run(["h2load", "-t1", "-c8", "-m32", "-n20000", proxy.url("/a")])
    assert "20000 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout, done.stdout
    assert len(connected_to(origin.port)) == 1
