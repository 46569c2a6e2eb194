"""Malformed, ambiguous and oversized HTTP/1.1 is refused: status, close, a reason in the log, nothing forwarded."""
import pytest

GET = "GET /echo HTTP/1.1\r\nHost: a\r\n"
POST = "POST /echo HTTP/1.1\r\nHost: a\r\n"


def case(name, data, status=400):
    return pytest.param(data, status, id=name)


LINES = [
    case("no-target", "GET HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("no-version", "GET /\r\nHost: a\r\n\r\n"),
    case("http-0.9", "GET /\r\n\r\n"),
    case("two-spaces", "GET  /echo HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("space-before-version", "GET /echo  HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("space-in-target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("space-first", " GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("space-last", "GET /echo HTTP/1.1 \r\nHost: a\r\n\r\n"),
    case("tab", "GET\t/echo\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    case("method-no-token", "G(T /echo HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("method-nul", "G\0T /echo HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("target-nul", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("target-control", "GET /a\x01b HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("target-del", "GET /a\x7fb HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("target-fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("target-relative", "GET echo HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("target-bare-cr", "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("target-asterisk-get", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("target-userinfo", "GET http://u:p@a/echo HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("target-bad-percent", "GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("version-short", "GET /echo HTTP/1\r\nHost: a\r\n\r\n"),
    case("version-long", "GET /echo HTTP/1.10\r\nHost: a\r\n\r\n"),
    case("version-lower", "GET /echo http/1.1\r\nHost: a\r\n\r\n"),
    case("version-other", "GET /echo HTTQ/1.1\r\nHost: a\r\n\r\n"),
    case("version-2", "GET /echo HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    case("version-0.9", "GET /echo HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    case("bare-lf-line", "GET /echo HTTP/1.1\nHost: a\r\n\r\n"),
]

FIELDS = [
    case("bare-lf", GET + "X: y\n\r\n"),
    case("bare-lf-end", GET + "X: y\r\n\n"),
    case("all-bare-lf", "GET /echo HTTP/1.1\nHost: a\n\n"),
    case("bare-cr-value", GET + "X: a\rb\r\n\r\n"),
    case("bare-cr-name", GET + "X\rY: a\r\n\r\n"),
    case("folding", GET + "X: a\r\n b\r\n\r\n"),
    case("folding-tab", GET + "X: a\r\n\tb\r\n\r\n"),
    case("folding-first", "GET /echo HTTP/1.1\r\n Host: a\r\n\r\n"),
    case("space-before-colon", GET + "X : a\r\n\r\n"),
    case("tab-before-colon", GET + "X\t: a\r\n\r\n"),
    case("space-before-length-colon", POST + "Content-Length : 5\r\n\r\nhello"),
    case("no-colon", GET + "X\r\n\r\n"),
    case("no-name", GET + ": a\r\n\r\n"),
    case("name-space", GET + "X Y: a\r\n\r\n"),
    case("name-bytes", GET + "X\xe9: a\r\n\r\n"),
    case("name-parens", GET + "X(y): a\r\n\r\n"),
    case("value-nul", GET + "X: a\0b\r\n\r\n"),
    case("value-control", GET + "X: a\x02b\r\n\r\n"),
    case("value-del", GET + "X: a\x7fb\r\n\r\n"),
    case("host-missing", "GET /echo HTTP/1.1\r\nX: y\r\n\r\n"),
    case("host-twice", "GET /echo HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    case("host-empty-twice", "GET /echo HTTP/1.1\r\nHost: a\r\nHost: \r\n\r\n"),
    case("host-space", "GET /echo HTTP/1.1\r\nHost: a b\r\n\r\n"),
    case("host-path", "GET /echo HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    case("host-user", "GET /echo HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    case("host-list", "GET /echo HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    case("host-port", "GET /echo HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    case("host-port-large", "GET /echo HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
    case("host-bracket", "GET /echo HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    case("host-1.0-bad", "GET /echo HTTP/1.0\r\nHost: a b\r\n\r\n"),
]

FRAMING = [
    case("length-twice", POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    case("length-repeated", POST + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    case("length-list", POST + "Content-Length: 5, 5\r\n\r\nhello"),
    case("length-list-differs", POST + "Content-Length: 5, 6\r\n\r\nhello"),
    case("length-plus", POST + "Content-Length: +5\r\n\r\nhello"),
    case("length-minus", POST + "Content-Length: -5\r\n\r\nhello"),
    case("length-hex", POST + "Content-Length: 0x5\r\n\r\nhello"),
    case("length-space", POST + "Content-Length: 5 5\r\n\r\nhello"),
    case("length-word", POST + "Content-Length: five\r\n\r\nhello"),
    case("length-empty", POST + "Content-Length: \r\n\r\n"),
    case("length-fraction", POST + "Content-Length: 5.0\r\n\r\nhello"),
    case("length-huge", POST + "Content-Length: 99999999999999999999999\r\n\r\n"),
    case("length-2^64+5", POST + "Content-Length: 18446744073709551621\r\n\r\nhello"),
    case("length-and-chunked", POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    case("chunked-and-length", POST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    case("chunked-twice", POST + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    case("chunked-two-lines", POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    case("chunked-not-last", POST + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    case("chunked-1.0", "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    case("coding-empty", POST + "Transfer-Encoding: \r\n\r\n"),
    case("coding-quoted", POST + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", (400, 501)),
    case("coding-vertical-tab", POST + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    case("coding-gzip", POST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    case("coding-unknown", POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", (400, 501)),
    case("coding-identity", POST + "Transfer-Encoding: identity\r\n\r\n", (400, 501)),
]


def assert_answered(client, status):
    """A refusal as the client sees it: the answer, and the close."""
    answer = client.response()
    wanted = status if isinstance(status, tuple) else (status,)
    assert answer.status in wanted
    assert answer.complete
    assert answer.get("connection", "").lower() == "close"
    assert client.rest() == b""
    return answer.status


def assert_refused(proxy, client, status):
    """A refused head: the answer, the close and the log line."""
    answered = assert_answered(client, status)
    assert_logged(proxy.log_line(), answered)


def assert_logged(line, status):
    assert (line.status, line.end) == (status, "PR")
    assert line.reason, line.text
    assert (line.backend, line.local_port, line.backend_status, line.stream, line.reuse) == ("-", None, None, None, "-")


@pytest.mark.parametrize("data,status", LINES + FIELDS + FRAMING)
def test_refused_head(proxy, peer, data, status):
    """At once, and in the smallest pieces until the proxy has heard enough: the same refusal."""
    with proxy.client() as client:
        client.send(data)
        answered = assert_answered(client, status)
    with proxy.client() as client:
        for byte in data.encode("latin-1"):
            client.send_what_goes(bytes([byte]))
        assert assert_answered(client, status) == answered
    whole, pieces = proxy.log_lines(2)
    assert_logged(whole, answered)
    assert_logged(pieces, answered)
    assert whole.reason == pieces.reason
    assert peer.requests == []


@pytest.mark.parametrize("data,status", [LINES[8], FIELDS[0], FRAMING[0]])
def test_refused_behind_a_good_request(proxy, peer, client, data, status):
    client.send(GET + "\r\n" + data)
    assert client.response().status == 200
    answer = client.response()
    assert answer.status == status
    assert client.rest() == b""
    lines = proxy.log_lines(2)
    assert [n.status for n in lines] == [200, status]
    assert lines[1].reason
    assert len(peer.requests) == 1


CHUNKS = [
    ("size-letter", "g\r\nhello\r\n0\r\n\r\n"),
    ("size-empty", "\r\nhello\r\n0\r\n\r\n"),
    ("size-minus", "-5\r\nhello\r\n0\r\n\r\n"),
    ("size-plus", "+5\r\nhello\r\n0\r\n\r\n"),
    ("size-hex-prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("size-space-first", " 5\r\nhello\r\n0\r\n\r\n"),
    ("size-huge", "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
    ("size-2^64+5", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("size-bare-lf", "5\nhello\r\n0\r\n\r\n"),
    ("size-bare-cr", "5\rhello\r\n0\r\n\r\n"),
    ("size-underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
    ("extension-bare-lf", "5;a\nhello\r\n0\r\n\r\n"),
    ("extension-bare-cr", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("extension-nul", "5;a\0b\r\nhello\r\n0\r\n\r\n"),
    ("extension-endless", "5;" + "a" * 100_000 + "\r\nhello\r\n0\r\n\r\n"),
    ("data-long", "5\r\nhello!\r\n0\r\n\r\n"),
    ("data-bare-lf", "5\r\nhello\n0\r\n\r\n"),
    ("trailer-folded", "5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n"),
    ("trailer-no-colon", "5\r\nhello\r\n0\r\nX\r\n\r\n"),
    ("trailer-space", "5\r\nhello\r\n0\r\nX : a\r\n\r\n"),
    ("trailer-bare-lf", "5\r\nhello\r\n0\r\nX: a\n\r\n"),
    ("trailer-nul", "5\r\nhello\r\n0\r\nX: a\0\r\n\r\n"),
    ("end-bare-lf", "5\r\nhello\r\n0\r\n\n"),
]


@pytest.mark.parametrize("body", [pytest.param(b, id=n) for n, b in CHUNKS])
def test_refused_chunks(proxy, peer, client, body):
    """The request is on its way already: the backend's stream is reset, never ended as if it were whole."""
    client.send_head("POST", "/echo", [("Transfer-Encoding", "chunked")])
    peer.wait_requests(1)
    client.send_what_goes(body)
    answer = client.response()
    assert answer.status == 400
    assert client.rest() == b""
    line = proxy.log_line()
    assert (line.status, line.end[0], bool(line.reason)) == (400, "P", True)
    peer.wait(lambda: peer.last.gone, "the reset")
    assert not peer.last.ended


def test_chunk_extensions_without_end(proxy, peer, client):
    """Small chunks with long extensions: many bytes, hardly any body."""
    client.send_head("POST", "/echo", [("Transfer-Encoding", "chunked")])
    client.send_what_goes(("1;" + "x" * 3000 + "\r\na\r\n") * 400)
    assert client.response().status == 400
    assert proxy.log_line().reason


def test_request_line_too_long(proxy, peer, client):
    client.send_what_goes("GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: a\r\n\r\n")
    assert_refused(proxy, client, 414)
    assert peer.requests == []


def test_request_line_without_end(proxy, peer, client):
    client.send_what_goes("GET /" + "a" * 200_000)
    assert_refused(proxy, client, 414)


@pytest.mark.parametrize("length,status", [(100, 200), (101, 414)])
def test_limit_request_line(make_culvert, peer, length, status):
    proxy = make_culvert(peer, "LimitRequestLine 100")
    line = "GET /" + "a" * (length - len("GET / HTTP/1.1")) + " HTTP/1.1"
    assert len(line) == length
    with proxy.client() as client:
        client.send(line + "\r\nHost: a\r\n\r\n")
        assert client.response().status == status
    assert (proxy.log_line().reason is None) is (status == 200)


def test_field_too_long(proxy, peer, client):
    client.send_what_goes(GET + "X: " + "a" * 9000 + "\r\n\r\n")
    assert_refused(proxy, client, 431)
    assert peer.requests == []


def test_field_without_end(proxy, client):
    client.send_what_goes(GET + "X: " + "a" * 200_000)
    assert_refused(proxy, client, 431)


@pytest.mark.parametrize("length,status", [(100, 200), (101, 431)])
def test_limit_request_field_size(make_culvert, peer, length, status):
    proxy = make_culvert(peer, "LimitRequestFieldSize 100")
    with proxy.client() as client:
        client.send(GET + "X: " + "a" * (length - 3) + "\r\n\r\n")
        assert client.response().status == status
    assert (proxy.log_line().reason is None) is (status == 200)


@pytest.mark.parametrize("count,status", [(10, 200), (11, 431)])
def test_limit_request_fields(make_culvert, peer, count, status):
    proxy = make_culvert(peer, "LimitRequestFields 10")
    with proxy.client() as client:
        client.send(GET + "".join(f"X-{n}: y\r\n" for n in range(count - 1)) + "\r\n")
        assert client.response().status == status
    assert (proxy.log_line().reason is None) is (status == 200)


def test_many_fields(proxy, peer, client):
    client.send_what_goes(GET + "X: y\r\n" * 5000 + "\r\n")
    assert_refused(proxy, client, 431)
    assert peer.requests == []


def test_head_larger_than_its_buffer(proxy, peer, client):
    client.send_what_goes(GET + "".join(f"X-{n}: {'v' * 8000}\r\n" for n in range(20)) + "\r\n")
    assert_refused(proxy, client, 431)
    assert peer.requests == []


def test_limit_request_body(make_culvert, peer):
    proxy = make_culvert(peer, "LimitRequestBody 1000")
    with proxy.client() as client:
        assert client.ask("POST", "/echo", body=b"x" * 1000).status == 200
        count = len(peer.requests)
        client.send_head("POST", "/echo", [("Content-Length", 1001)])
        answer = client.response()
        assert answer.status == 413
        assert client.rest() == b""
    assert proxy.log_lines(2)[1].reason
    assert len(peer.requests) == count


def test_limit_request_body_in_chunks(make_culvert, peer):
    proxy = make_culvert(peer, "LimitRequestBody 1000")
    with proxy.client() as client:
        client.send_head("POST", "/echo", [("Transfer-Encoding", "chunked")])
        client.send_chunk(b"x" * 1000)
        client.send_what_goes(b"1\r\nx\r\n")
        answer = client.response()
        assert answer.status == 413
        assert client.rest() == b""
    line = proxy.log_line()
    assert (line.status, bool(line.reason)) == (413, True)
    assert all(not r.ended for r in peer.requests)


def test_default_limit_of_bodies(proxy, peer, client):
    client.send_head("POST", "/echo", [("Content-Length", 104857601)])
    assert client.response().status == 413
    assert peer.requests == []


def test_head_too_slow(make_culvert, peer):
    proxy = make_culvert(peer, "RequestReadTimeout header=1")
    with proxy.client() as client:
        client.send("GET /echo HTTP/1.1\r\nHo")
        answer = client.response()
        assert answer.status == 408
        assert client.rest() == b""
    line = proxy.log_line()
    assert (line.status, line.end[1], bool(line.reason)) == (408, "R", True)
    assert peer.requests == []


def test_head_in_drops_is_too_slow_all_the_same(make_culvert, peer):
    proxy = make_culvert(peer, "RequestReadTimeout header=1")
    with proxy.client(timeout=0.2) as client:
        status = None
        for _ in range(100):
            client.send_what_goes("X")
            try:
                status = client.response().status
                break
            except TimeoutError:
                pass
        assert status == 408


def test_body_too_slow(make_culvert, peer):
    proxy = make_culvert(peer, "RequestReadTimeout body=1")
    with proxy.client() as client:
        client.send_head("POST", "/echo", [("Content-Length", 100)])
        client.send("x")
        answer = client.response()
        assert answer.status == 408
        assert client.rest() == b""
    assert proxy.log_line().reason
    assert not peer.last.ended


def test_silent_connection_is_closed_without_a_word(make_culvert, peer):
    proxy = make_culvert(peer, "RequestReadTimeout header=1")
    with proxy.client() as client:
        rest = client.rest()
    assert rest == b"" or rest.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("target", [
    "/app/../echo", "/app/%2e%2e/echo", "/app/.%2E/echo", "/app/..%2fecho", "/app/..\\echo"])
def test_path_cannot_climb_out_of_its_prefix(make_culvert, peer, target):
    proxy = make_culvert(None, f'ProxyPass "/app" "h2c://127.0.0.1:{peer.port}/base"')
    with proxy.client() as client:
        client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status in (400, 404)
    assert proxy.log_line().reason
    assert peer.requests == []


def test_log_escapes_what_a_client_writes(proxy, client):
    client.send('GET /a"b\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n')
    assert client.response().status == 400
    line = proxy.log_line()
    assert "\x1b" not in line.text
    assert line.request.startswith('GET /a\\"b\\x1b[31m')


def test_log_line_is_bounded(proxy, client):
    client.get("/echo?" + "q" * 8000)
    line = proxy.log_line()
    assert len(line.text) <= 400
    assert line.end == "--"
