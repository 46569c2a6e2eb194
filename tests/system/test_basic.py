"""The main job: HTTP/1.1 and 1.0 messages of every shape reach an h2c backend and come back."""
import hashlib
import json
import threading

import pytest

import behave
from procs import curl, wait_until


def test_get_and_its_log_line(proxy, peer, client):
    answer = client.get("/echo/a?b=c")
    assert (answer.status, answer.reason, answer.version, answer.complete) == (200, "OK", "HTTP/1.1", True)
    assert json.loads(answer.body)["path"] == "/echo/a?b=c"
    line = proxy.log_line()
    seen = peer.last
    assert (line.client, line.proto, line.method, line.path) == ("127.0.0.1", "h1", "GET", "/echo/a?b=c")
    assert (line.status, line.bytes, line.backend_status) == (200, len(answer.body), 200)
    assert line.backend == f"127.0.0.1:{peer.port}"
    assert (line.local_port, line.stream) == (seen.connection.port, seen.stream_id)
    assert (line.reuse, line.retry, line.end, line.reason) == ("N", "-", "--", None)


def test_second_request_reuses_the_backend_connection(proxy, peer, client):
    client.get("/echo")
    client.get("/echo")
    first, second = proxy.log_lines(2)
    assert (first.reuse, second.reuse) == ("N", "R")
    assert first.local_port == second.local_port
    assert first.stream < second.stream
    assert len(peer.connections) == 1


def test_head(proxy, client):
    answer = client.ask("HEAD", "/size/1234")
    assert (answer.status, answer.get("content-length"), answer.body) == (200, "1234", b"")
    assert client.get("/echo").status == 200
    assert [(n.method, n.bytes) for n in proxy.log_lines(2)][0] == ("HEAD", 0)


@pytest.mark.parametrize("code", [200, 201, 204, 205, 304, 404, 410, 500, 503, 599])
def test_status_without_body_keeps_the_connection(proxy, client, code):
    answer = client.get(f"/status/{code}")
    assert (answer.status, answer.body, answer.complete) == (code, b"", True)
    assert client.get("/echo").status == 200
    line = proxy.log_lines(2)[0]
    assert (line.status, line.backend_status, line.end) == (code, code, "--")


def test_304_may_keep_its_content_length(peer, client):
    peer.on("/x", lambda r: r.head(304, [("content-length", "77"), ("etag", '"e"')], end=True))
    assert client.get("/x").status == 304
    assert client.get("/echo").status == 200


@pytest.mark.parametrize("size", [0, 1, 100, 16384, 65535, 65536, 65537, 1 << 20, 5_000_001])
def test_upload_with_content_length(client, peer, size):
    body = behave.pattern(size)
    answer = client.ask("POST", "/echo", body=body)
    seen = json.loads(answer.body)
    assert (seen["size"], seen["sha256"]) == (size, hashlib.sha256(body).hexdigest())
    assert peer.last.get("content-length") == str(size)
    assert peer.last.end_on_headers is (size == 0)


def test_upload_in_chunks(client, peer):
    body = behave.pattern(300_000)
    client.send_head("PUT", "/echo", [("Transfer-Encoding", "chunked")])
    for start, step in ((0, 1), (1, 10), (11, 70_000), (70_011, len(body))):
        client.send_chunk(body[start:start + step])
    client.send("0;last=yes\r\n\r\n")
    seen = json.loads(client.response().body)
    assert (seen["size"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert peer.last.get("content-length") is None
    assert peer.last.get("transfer-encoding") is None


def test_chunked_byte_by_byte(client):
    for byte in b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n00\r\n\r\n":
        client.send(bytes([byte]))
    assert json.loads(client.response().body)["size"] == 5


def test_request_trailers(client, peer):
    client.send_head("POST", "/echo", [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")])
    client.send("3\r\nabc\r\n0\r\nX-Sum: 42\r\nX-More: yes\r\n\r\n")
    assert json.loads(client.response().body)["trailers"] == [["x-sum", "42"], ["x-more", "yes"]]
    assert peer.last.size == 3


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_000])
def test_download_without_length_is_chunked(client, size):
    answer = client.get(f"/unknown/{size}")
    assert (answer.framing, answer.complete) == ("chunked", True)
    assert answer.body == behave.pattern(size)
    assert client.get("/echo").status == 200


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_000])
def test_download_with_length(client, size):
    answer = client.get(f"/size/{size}")
    assert (answer.framing, answer.complete) == ("length", True)
    assert answer.body == behave.pattern(size)


def test_response_trailers(client):
    answer = client.get("/trailers", [("TE", "trailers"), ("Connection", "TE")])
    assert (answer.body, answer.complete) == (b"body", True)
    assert [(n.lower(), v) for n, v in answer.trailers] == [("x-checksum", "abc"), ("x-count", "4")]


def test_response_trailers_never_appear_in_http_1_0(client):
    answer = client.get("/trailers", version="1.0")
    assert answer.body == b"body"


def test_data_is_passed_on_as_it_comes(peer, client):
    def halves(request):
        request.head(200)
        request.data(b"first")
        request.peer.gate.wait(20)
        request.data(b"second", end=True)
    peer.on("/halves", halves)
    client.send_head("GET", "/halves")
    head = client.head()
    assert (head.status, head.get("transfer-encoding")) == (200, "chunked")
    assert client.until(b"\r\n") == b"5" and client.until(b"\r\n") == b"first"
    peer.gate.set()
    assert client.until(b"\r\n") == b"6" and client.until(b"\r\n") == b"second"


def test_interim_response_is_passed_on(proxy, client):
    answer = client.get("/interim/103/103")
    assert [i.status for i in answer.interim] == [103, 103]
    assert answer.interim[0].get("link") == "</style.css>; rel=preload"
    assert (answer.status, answer.body) == (200, b"final")
    assert proxy.log_line().status == 200


def test_interim_response_is_no_matter_for_http_1_0(client):
    answer = client.get("/interim/103", version="1.0")
    assert (answer.interim, answer.status, answer.body) == ([], 200, b"final")


def test_expect_continue_end_to_end(client, peer):
    client.send_head("POST", "/continue", [("Content-Length", 5), ("Expect", "100-continue")])
    assert client.head().status == 100
    assert peer.last.get("expect") == "100-continue"
    assert peer.last.size == 0
    client.send("hello")
    answer = client.response()
    assert (answer.status, json.loads(answer.body)["size"]) == (200, 5)


def test_expect_continue_refused_by_the_backend(proxy, client):
    client.send_head("POST", "/early/413", [("Content-Length", 5_000_000), ("Expect", "100-continue")])
    answer = client.response()
    assert (answer.interim, answer.status, answer.body) == ([], 413, b"early")
    assert proxy.log_line().status == 413


def test_expectation_that_nobody_knows(proxy, client, peer):
    client.send_head("POST", "/echo", [("Content-Length", 5), ("Expect", "200-maybe")])
    assert client.response().status == 417
    assert proxy.log_line().reason
    assert peer.requests == []


def test_early_answer_to_a_large_upload(proxy, client):
    """The backend answers and resets with NO_ERROR while the client still sends: the answer is whole."""
    client.send_head("POST", "/early/403", [("Content-Length", 50_000_000)])
    client.send_what_goes(bytes(300_000))
    answer = client.response()
    assert (answer.status, answer.body, answer.complete) == (403, b"early", True)
    client.close()
    line = proxy.log_line()
    assert (line.status, line.backend_status) == (403, 403)


def test_connection_close_is_honoured(client):
    answer = client.get("/echo", [("Connection", "close")])
    assert answer.get("connection", "").lower() == "close"
    assert client.rest() == b""


def test_many_requests_on_one_connection(make_culvert, peer):
    client = make_culvert(peer, "MaxKeepAliveRequests 0").client()
    for n in range(150):
        assert json.loads(client.get(f"/echo/{n}").body)["path"] == f"/echo/{n}"


def test_max_keep_alive_requests(make_culvert, peer):
    client = make_culvert(peer, "MaxKeepAliveRequests 3").client()
    answers = []
    while not answers or answers[-1].get("connection", "").lower() != "close":
        answers.append(client.get("/echo"))
        assert len(answers) <= 4  # httpd allows one more than it says
    assert len(answers) >= 3
    assert client.rest() == b""


def test_keep_alive_timeout(make_culvert, peer):
    client = make_culvert(peer, "KeepAliveTimeout 1").client()
    client.get("/echo")
    assert client.rest() == b""


def test_pipelined_requests_are_answered_in_order(proxy, client, peer):
    peer.on("/first", behave.hold)
    names = ["first", "second", "third", "fourth"]
    client.send("".join(f"GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n" for n in names))
    peer.wait_requests(1)
    peer.gate.set()
    assert client.response().body == b"held"
    for n in names[1:]:
        assert json.loads(client.response().body)["path"] == f"/{n}"
    assert [line.path for line in proxy.log_lines(4)] == [f"/{n}" for n in names]


def test_pipelined_requests_with_bodies(client):
    client.send("POST /echo/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                "POST /echo/2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
                "HEAD /size/9 HTTP/1.1\r\nHost: a\r\n\r\n"
                "GET /echo/3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert [json.loads(client.response().body)["size"] for _ in range(2)] == [3, 2]
    assert client.response("HEAD").get("content-length") == "9"
    assert json.loads(client.response().body)["path"] == "/echo/3"
    assert client.rest() == b""


def test_many_pipelined_requests(make_culvert, peer):
    client = make_culvert(peer, "MaxKeepAliveRequests 0").client()
    count = 300
    sender = threading.Thread(target=client.send, args=("GET /size/10 HTTP/1.1\r\nHost: a\r\n\r\n" * count,))
    sender.start()
    assert all(client.response().body == behave.pattern(10) for _ in range(count))
    sender.join()


def test_http_1_0(proxy, client, peer):
    answer = client.get("/unknown/1000", version="1.0", host=False)
    assert (answer.framing, answer.body) == ("close", behave.pattern(1000))
    assert proxy.log_line().proto == "h1.0"
    assert peer.last.pseudo("authority") == f"127.0.0.1:{peer.port}"


def test_http_1_0_keep_alive(client):
    for _ in range(3):
        answer = client.get("/size/5", [("Connection", "keep-alive")], version="1.0")
        assert (answer.body, answer.get("connection", "").lower()) == (behave.pattern(5), "keep-alive")


def test_http_1_0_closes_without_keep_alive(client):
    assert client.get("/size/5", version="1.0").body == behave.pattern(5)
    assert client.rest() == b""


@pytest.mark.parametrize("target,host", [
    ("http://www.example.org/echo?q", "www.example.org"),
    ("HTTP://WWW.EXAMPLE.ORG/echo?q", "www.example.org"),
    ("http://www.example.org:80/echo?q", "www.example.org:80"),
])
def test_absolute_form_for_our_host(make_culvert, peer, target, host):
    client = make_culvert(peer, "ServerName www.example.org", "ProxyPreserveHost On").client()
    answer = client.get(target, host=host)
    assert answer.status == 200
    assert json.loads(answer.body)["path"] == "/echo?q"
    assert peer.last.pseudo("authority").lower().startswith("www.example.org")


def test_absolute_form_without_path(make_culvert, peer):
    client = make_culvert(peer, "ServerName www.example.org").client()
    assert json.loads(client.get("http://www.example.org", host="www.example.org").body)["path"] == "/"


def test_absolute_form_for_a_foreign_host(make_culvert, peer):
    proxy = make_culvert(peer, "ServerName www.example.org")
    with proxy.client() as client:
        assert client.get("http://other.example/echo", host="other.example").status == 421
    line = proxy.log_line()
    assert (line.status, bool(line.reason)) == (421, True)
    assert peer.requests == []


def test_options_asterisk(client):
    answer = client.ask("OPTIONS", "*")
    assert answer.status in (200, 204)
    assert client.get("/echo").status == 200


def test_options_of_a_path_is_forwarded(client, peer):
    assert client.ask("OPTIONS", "/echo").status == 200
    assert peer.last.method == "OPTIONS"


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "PROPFIND", "M-SEARCH", "get", "X" * 30])
def test_any_method_is_forwarded_as_it_is(client, peer, method):
    assert client.ask(method, "/echo").status == 200
    assert peer.last.method == method
    assert peer.last.end_on_headers


@pytest.mark.parametrize("method,target,status", [("CONNECT", "example.org:443", 501), ("CONNECT", "/echo", 501),
                                                  ("TRACE", "/echo", 405)])
def test_refused_methods(proxy, client, peer, method, target, status):
    answer = client.ask(method, target)
    assert answer.status == status
    line = proxy.log_line()
    assert (line.method, line.status, bool(line.reason)) == (method, status, True)
    assert peer.requests == []


def test_client_that_leaves_early(proxy, peer):
    client = proxy.client()
    client.send_head("GET", "/never")
    peer.wait_requests(1)
    client.abort()
    peer.wait(lambda: peer.last.reset_code is not None, "the stream's reset")
    line = proxy.log_line()
    assert line.end == "CW"
    assert proxy.get("/echo").status == 200


def test_client_that_leaves_during_its_upload(proxy, peer):
    client = proxy.client()
    client.send_head("POST", "/echo", [("Content-Length", 1000)])
    client.send("x" * 10)
    peer.wait(lambda: peer.requests and peer.last.size == 10, "the first bytes")
    client.abort()
    peer.wait(lambda: peer.last.reset_code is not None, "the stream's reset")
    assert proxy.log_line().end[0] == "C"


def test_half_closed_client_gets_its_answer(client):
    """What `printf ... | nc` does."""
    client.send("GET /slow/3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    client.socket.shutdown(1)
    assert client.response().body == b"0;1;2;"


def test_blank_line_before_a_request(client):
    client.send("\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().status == 200


def test_date_is_added_when_the_backend_gave_none(client):
    assert client.get("/echo").get("date", "").endswith(" GMT")


def test_curl(proxy):
    assert json.loads(curl(proxy.url("/echo/curl")))["method"] == "GET"
    assert json.loads(curl("-d", "a=b", proxy.url("/echo")))["size"] == 3
    assert json.loads(curl("-T", __file__, proxy.url("/echo/")))["method"] == "PUT"


def test_access_log_on_standard_output(make_culvert, peer):
    proxy = make_culvert(peer, "CustomLog -")
    proxy.get("/echo/out")
    wait_until(lambda: '"GET /echo/out" 200' in proxy.diagnostics(), "the line")
