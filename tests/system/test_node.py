"""Node.js at both ends: its http2 and http clients through Culvert to its http2 server, and Chromium."""
import json
import re
import subprocess

import pytest

from nodepeer import backend_ports, running
from procs import program, wait_until

NO_ERROR, INTERNAL_ERROR, CANCEL = 0, 2, 8
MIB = 1 << 20
BOTH = pytest.mark.parametrize("proto", ["h1", "h2"])
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--disable-quic", "--disable-dev-shm-usage", "--no-proxy-server",
         "--disable-extensions", "--disable-default-apps"]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    with running(tmp_path_factory.mktemp("node"), "origin.js", "client.js") as both:
        yield both


@pytest.fixture
def origin(programs):
    """Node's http2 server; its events are of this test alone."""
    programs[0].forget()
    programs[0].port = programs[0].call("listen")
    yield programs[0]
    programs[0].call("close", port=programs[0].port)


@pytest.fixture
def node(programs, origin, make_culvert):
    """Node's clients: node(proto, path, ...) makes a request through Culvert; node.begin and node.finish in two steps."""
    client = programs[1]
    client.forget()
    proxy = make_culvert(origin)

    def begin(proto, path, action="request", **more):
        return client.begin(action, port=proxy.port, proto=proto, path=path, **more)

    def request(*arguments, **more):
        return client.finish(begin(*arguments, **more))
    request.proxy, request.client, request.begin, request.finish = proxy, client, begin, client.finish
    yield request
    client.call("close")
    assert client.found("pushed") == []


@BOTH
def test_request_and_response(node, origin, proto):
    answer = node(proto, "/echo/a?b=c", headers={"x-one": "1"})
    assert (answer["status"], answer["complete"], answer["error"]) == (200, True, None)
    seen = json.loads(answer["text"])["headers"]
    assert (seen[":method"], seen[":path"], seen["x-one"]) == ("GET", "/echo/a?b=c", "1")
    line = node.proxy.log_line()
    assert (line.proto, line.status, line.end) == (proto, 200, "--")


@BOTH
def test_bodies_both_ways_at_once(node, proto):
    """20 MiB up and the same 20 MiB down, with a checksum in the trailers."""
    answer = node(proto, "/mirror", method="POST", bytes=20 * MIB)
    want = node.client.call("digest", bytes=20 * MIB)
    assert (answer["status"], answer["size"], answer["sha256"], answer["complete"]) == (200, 20 * MIB, want, True)
    assert (answer["trailers"]["x-sha256"], answer["trailers"]["x-size"]) == (want, str(20 * MIB))


@BOTH
@pytest.mark.parametrize("size", [0, 1, 16384, 65535, 65536, 5_000_001])
def test_download_and_upload(node, proto, size):
    want = node.client.call("digest", bytes=size)
    down = node(proto, f"/size/{size}")
    assert (down["size"], down["sha256"], down["complete"]) == (size, want, True)
    up = json.loads(node(proto, "/echo", method="PUT", bytes=size, headers={"content-length": str(size)})["text"])
    assert (up["size"], up["sha256"], up["headers"]["content-length"]) == (size, want, str(size))


@BOTH
@pytest.mark.parametrize("size", [16384, 32768, 65536, MIB])
def test_end_of_stream_in_a_frame_of_its_own(node, proto, size):
    """Also when the body is just as long as the window: nghttp2 sends no frame of DATA, not an empty one, at window 0."""
    down = node(proto, f"/split/{size}")
    assert (down["status"], down["size"], down["complete"]) == (200, size, True)
    up = json.loads(node(proto, "/echo", method="PUT", bytes=size, headers={"content-length": str(size)})["text"])
    assert up["size"] == size
    assert json.loads(node(proto, "/echo", method="PUT", bytes=size)["text"])["size"] == size


@BOTH
def test_request_trailers(node, proto):
    answer = node(proto, "/echo", method="POST", bytes=100_000, trailers={"x-checksum": "abc", "x-count": "3"})
    seen = json.loads(answer["text"])
    assert (seen["size"], seen["trailers"]["x-checksum"], seen["trailers"]["x-count"]) == (100_000, "abc", "3")


@BOTH
def test_early_hints(node, proto):
    answer = node(proto, "/hints")
    assert [i[":status"] for i in answer["interim"]] == [103, 103]
    assert [re.search("</(.*?)>", i["link"])[1] for i in answer["interim"]] == ["style.css", "app.js"]
    assert answer["interim"][1]["x-second"] == "yes"
    assert (answer["status"], answer["text"], answer["complete"]) == (200, "hinted", True)


@BOTH
def test_pushes_are_off(node, origin, proto):
    assert json.loads(node(proto, "/push")["text"]) == {"allowed": False, "error": "ERR_HTTP2_PUSH_DISABLED"}
    assert origin.event("settings")["enablePush"] is False


@BOTH
@pytest.mark.parametrize("method", ["HEAD", "DELETE", "OPTIONS", "PROPFIND"])
def test_methods(node, proto, method):
    answer = node(proto, "/echo", method=method)
    assert (answer["status"], answer["complete"]) == (200, True)
    assert method == "HEAD" or json.loads(answer["text"])["headers"][":method"] == method


@BOTH
@pytest.mark.parametrize("status", [204, 205, 304, 404, 500])
def test_statuses_without_body(node, proto, status):
    answer = node(proto, f"/status/{status}")
    assert (answer["status"], answer["size"], answer["complete"]) == (status, 0, True)
    assert node(proto, "/size/3")["complete"]


@BOTH
def test_hundred_at_once(node, origin, proto):
    """Every one whole, over one backend connection."""
    want = node.client.call("digest", bytes=100_000)
    answers = node(proto, "/size/100000", action="all", times=100)
    assert {(a["status"], a["sha256"], a["complete"]) for a in answers} == {(200, want, True)}
    assert len(backend_ports(origin)) == 1


@BOTH
@pytest.mark.parametrize("path", ["/abort/200000", "/crash/200000"])
def test_origin_that_aborts(node, proto, path):
    """A cut response never looks whole."""
    answer = node(proto, path)
    assert not answer["complete"]
    assert answer["status"] in (200, 502, None)
    assert answer["error"] or answer["code"]
    assert node(proto, "/size/10")["complete"]
    line = node.proxy.log_lines(2)[0]
    assert line.end[0] == "B"


@BOTH
def test_client_that_aborts_a_download(node, origin, proto):
    """The origin's stream is reset, and the connection to the origin lives on."""
    node(proto, "/size/100")
    ports = backend_ports(origin)
    answer = node(proto, f"/size/{50 * MIB}", abort=100_000)
    assert not answer["complete"]
    assert origin.event("closed", path=f"/size/{50 * MIB}")["code"] == CANCEL
    assert node(proto, "/size/10")["complete"]
    assert backend_ports(origin) == ports
    assert node.proxy.log_lines(3)[1].end == "CD"


@BOTH
@pytest.mark.parametrize("path,stop", [("/hold", False), ("/trickle", False), ("/hold", True)])
def test_client_that_vanishes(node, origin, proto, path, stop):
    """While it waits for the head, within the response's body, within its own upload."""
    body = {"method": "POST", "bytes": 1000, "stop": True} if stop else {}
    running = node.begin(proto, path, **body)
    origin.event("request", path=path)
    if path == "/trickle":
        node.client.event("response", path=path)
    node.client.call("vanish", port=node.proxy.port)
    assert not node.finish(running)["complete"]
    assert origin.event("closed", path=path)["code"] == CANCEL
    assert node.proxy.log_line().end[0] == "C"
    assert node(proto, "/size/10")["complete"]
    assert len(backend_ports(origin)) == 1


@BOTH
def test_vanishing_takes_only_its_own_streams(node, origin, proto):
    """Many requests of one client end; one of another client, on the same backend connection, does not."""
    with node.proxy.client() as other:
        other.send_head("GET", "/trickle/other")
        assert other.head().status == 200
        running = node.begin(proto, "/hold", action="all", times=10)
        wait_until(lambda: len(origin.found("request", path="/hold")) == 10, "the requests")
        node.client.call("vanish", port=node.proxy.port)
        node.finish(running)
        wait_until(lambda: len(origin.found("closed", path="/hold")) == 10, "the ends")
        assert origin.found("closed", path="/trickle/other") == []
        assert len(backend_ports(origin)) == 1
        assert node(proto, "/size/10")["complete"]
        other.abort()  # a client that only sends FIN may still want its response
    origin.event("closed", path="/trickle/other")


@BOTH
def test_early_answer_to_an_upload(node, proto):
    """The final answer arrives whole although 10 MiB were to come."""
    answer = node(proto, "/early/413", method="POST", bytes=10 * MIB)
    assert (answer["status"], answer["text"]) == (413, "early")
    assert node(proto, "/size/10")["complete"]


@BOTH
def test_origin_that_says_goaway(node, origin, proto):
    """Nothing is lost when the origin closes its connections gracefully again and again."""
    for _ in range(5):
        running = node.begin(proto, "/size/200000", action="all", times=20)
        origin.call("goaway", port=origin.port)
        assert [a["complete"] for a in node.finish(running)] == [True] * 20
    assert node(proto, "/size/10")["complete"]


# Chromium ----------------------------------------------------------------------------------------------------


def chromium(tmp_path, *arguments):
    """The command line, with a profile of its own."""
    return [program("chromium"), *QUIET, f"--user-data-dir={tmp_path / 'profile'}", *arguments]


def test_chromium_loads_a_page(make_culvert, origin, tmp_path):
    """Images and scripts over a few kept connections; all of it over one backend connection."""
    proxy = make_culvert(origin)
    done = subprocess.run(chromium(tmp_path, "--dump-dom", proxy.url("/site/index")), capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL)
    body = re.search("<body.*?>", done.stdout)[0]
    assert {int(n): int(w) for n, w in re.findall(r'data-image(\d+)="(\d+)"', body)} == {n: n + 1 for n in range(12)}
    assert body.count('="ran"') == 6
    lines = [n for n in proxy.log_lines(19) if n.path.startswith("/site/")]
    assert {(n.proto, n.status, n.end) for n in lines} == {("h1", 200, "--")}
    assert len(lines) == 19
    assert len({n.local_port for n in lines}) == 1
