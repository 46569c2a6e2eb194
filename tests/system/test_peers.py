"""Other real peers through both hops: curl, nghttp and h2load as clients, nghttpd and Node.js as origins."""
import hashlib
import json
import re
import subprocess

import pytest

import behave
from nodepeer import Node, backend_ports
from procs import curl, program, run
from test_noheap import CALLS, trace  # noqa: F401 (a fixture)

BOTH = pytest.mark.parametrize("proto", ["h1", "h2"])
CURL = {"h1": ["--http1.1"], "h2": ["--http2-prior-knowledge"]}
MIB = 1 << 20
UNLIMITED = "MaxKeepAliveRequests 0"
# The two cores of a test machine may be slow: a request may wait for a stream for as long as that takes.
PATIENT = "acquire=60000"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("site")
    for name, size in (("1k", 1024), ("100k", 100_000), ("10m", 10 * MIB)):
        (directory / name).write_bytes(behave.pattern(size))
    return directory


@pytest.fixture(scope="module")
def node_program(tmp_path_factory):
    one = Node("origin.js", tmp_path_factory.mktemp("node"))
    yield one
    one.stop()


@pytest.fixture
def node_origin(node_program):
    node_program.port = node_program.call("listen")
    yield node_program
    node_program.call("close", port=node_program.port)


@pytest.fixture(params=["nghttpd", "node", "scripted"])
def any_origin(request, site):
    """Each kind of origin, and a path that gives 100,000 bytes."""
    if request.param == "nghttpd":
        return request.getfixturevalue("make_nghttpd")(site), "/100k"
    if request.param == "node":
        return request.getfixturevalue("node_origin"), "/size/100000"
    return request.getfixturevalue("peer"), "/size/100000"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# curl --------------------------------------------------------------------------------------------------------


@BOTH
def test_curl_download(make_culvert, any_origin, proto):
    origin, path = any_origin
    proxy = make_culvert(origin)
    out = curl(*CURL[proto], "-w", "%{http_version} %{http_code} %{size_download}", "-o", "/dev/null", proxy.url(path))
    assert out == f"{'2' if proto == 'h2' else '1.1'} 200 100000"
    line = proxy.log_line()
    assert (line.proto, line.status, line.bytes, line.end) == (proto, 200, 100_000, "--")


@BOTH
@pytest.mark.parametrize("options", [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"],
                                     ["-H", "Expect:"]], ids=["plain", "chunked", "expect", "no-expect"])
def test_curl_upload(proxy, site, proto, options):
    answer = json.loads(curl(*CURL[proto], "-T", str(site / "10m"), *options, proxy.url("/continue")))
    assert (answer["method"], answer["size"]) == ("PUT", 10 * MIB)
    assert answer["sha256"] == sha256((site / "10m").read_bytes())


def test_curl_waits_for_100(proxy, peer, site):
    """With Expect, curl sends no byte of the body before it has the backend's 100."""
    done = run(["curl", "-sSv", "--http1.1", "--noproxy", "*", "--expect100-timeout", "20", "-H", "Expect: 100-continue",
                "-T", str(site / "1k"), proxy.url("/continue")])
    assert re.search("< HTTP/1.1 100 Continue", done.stderr), done.stderr
    assert json.loads(done.stdout)["size"] == 1024


@BOTH
def test_curl_head(make_culvert, any_origin, proto):
    origin, path = any_origin
    proxy = make_culvert(origin)
    assert re.search(r"(?im)^content-length: 100000\r?$", curl(*CURL[proto], "-I", proxy.url(path)))


@BOTH
def test_curl_range(proxy, peer, proto):
    def part(request):
        first, last = (int(n) for n in re.fullmatch(r"bytes=(\d+)-(\d+)", request.get("range")).groups())
        request.answer(206, [("content-range", f"bytes {first}-{last}/100000")], behave.pattern(last - first + 1, first))
    peer.on("/part", part)
    done = subprocess.run([program("curl"), "-sS", *CURL[proto], "-r", "40000-59999", "-D", "-", proxy.url("/part")],
                          capture_output=True, timeout=30)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert b"content-range: bytes 40000-59999/100000" in head.lower()
    assert re.match(rb"HTTP/[\d.]+ 206", head)
    assert body == behave.pattern(20_000, 40_000)


def test_curl_in_parallel(proxy, peer):
    """50 transfers at once. With HTTP/1.1: curl 7.88 cannot use an HTTP/2 connection twice with prior knowledge."""
    urls = [argument for n in range(50) for argument in ("-o", "/dev/null", proxy.url(f"/size/{10_000 + n}"))]
    out = curl("-Z", "--parallel-max", "50", "-w", "%{http_code} %{size_download}\n", *urls)
    assert sorted(out.split("\n")[:-1]) == [f"200 {10_000 + n}" for n in range(50)]
    assert {n.end for n in proxy.log_lines(50)} == {"--"}
    assert len(peer.connections) == 1


@BOTH
def test_curl_trailers_and_early_hints(proxy, proto):
    out = curl(*CURL[proto], "-i", proxy.url("/trailers"))
    assert "bodyx-checksum: abc" in out  # -i writes the trailers behind the body
    out = curl(*CURL[proto], "-i", proxy.url("/interim/103/103"))
    assert len(re.findall(r"(?m)^HTTP/[\d.]+ 103", out)) == 2
    assert out.endswith("final")


@BOTH
def test_reset_without_error_after_the_whole_length(proxy, peer, proto):
    """Node ends a response so when the stream's window is 0: all of Content-Length came, so nothing is missing."""
    def answer(request):
        request.head(200, [("content-length", "5000")])
        request.data(behave.pattern(5000))
        request.reset(0)
    peer.on("/whole", answer)
    for _ in range(5):
        out = curl(*CURL[proto], "-w", "%{http_code} %{size_download}", "-o", "/dev/null", proxy.url("/whole"))
        assert out == "200 5000"


# nghttp ------------------------------------------------------------------------------------------------------


def nghttp(*argv):
    """The requests that nghttp made, as (status, path); it must have said no word of an error."""
    done = run(["nghttp", "-ns", *argv])
    assert done.returncode == 0, done.stderr
    assert not re.search(r"(?i)error|failed|not processed", done.stderr), done.stderr
    return [(int(s), p) for s, p in re.findall(r"(?m)^ *\d+ +\S+ +\S+ +\S+ +(\d{3}) +\S+ +(\S+)$", done.stdout)]


def test_nghttp_several_urls(make_culvert, any_origin):
    """Its PRIORITY frames and idle streams for dependencies are taken in stride."""
    origin, path = any_origin
    proxy = make_culvert(origin)
    paths = [path, path + "?b", path + "?c"]
    assert sorted(nghttp(*map(proxy.url, paths))) == [(200, p) for p in paths]
    assert nghttp("-m", "60", proxy.url(path)) == [(200, path)] * 60
    lines = proxy.log_lines(63)
    assert {(n.proto, n.status, n.bytes, n.end) for n in lines} == {("h2", 200, 100_000, "--")}
    assert len(backend_ports(origin)) == 1


@pytest.mark.parametrize("options", [[], ["-b", "200"], ["--expect-continue"], ["--continuation"], ["--no-dep"]],
                         ids=["plain", "padding", "expect", "continuation", "no-dep"])
def test_nghttp_upload_with_trailers(proxy, peer, site, options):
    assert nghttp("-d", str(site / "100k"), "--trailer", "x-checksum: abc", *options, proxy.url("/continue")) == \
        [(200, "/continue")]
    assert (peer.last.size, peer.last.sha256) == (100_000, sha256(behave.pattern(100_000)))
    assert peer.last.trailers == [("x-checksum", "abc")]


def test_nghttp_many_header_bytes(proxy, peer):
    """More than one frame's worth: CONTINUATION towards Culvert and towards the backend."""
    fields = [f"x-big-{n}: {'v' * 2000}" for n in range(12)]
    assert nghttp(*[a for f in fields for a in ("-H", f)], proxy.url("/echo")) == [(200, "/echo")]
    assert [peer.last.get(f"x-big-{n}") for n in range(12)] == ["v" * 2000] * 12


def test_nghttpd_with_trailers_padding_and_errors(make_culvert, make_nghttpd, site):
    origin = make_nghttpd(site, "--trailer", "x-origin: done", "-b", "100", "--echo-upload")
    proxy = make_culvert(origin)
    assert "x-origin: done" in run(["nghttp", "-nv", proxy.url("/1k")]).stdout
    for options in CURL.values():
        assert curl(*options, "-o", "/dev/null", "-w", "%{http_code}", proxy.url("/nothing")) == "404"
        upload = ["--data-binary", f"@{site / '100k'}", "-o", "/dev/null", "-w", "%{size_download}"]
        assert curl(*options, *upload, proxy.url("/echo")) == "100000"


# h2load ------------------------------------------------------------------------------------------------------


def h2load(proxy, path, requests, *options):
    """Every request must succeed."""
    done = run(["h2load", "-t1", "-n", str(requests), *options, proxy.url(path)], 100)
    counts = re.search(r"requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored, "
                       r"(\d+) timeout", done.stdout)
    assert counts, done.stdout + done.stderr
    assert [int(n) for n in counts.groups()] == [requests, 0, 0, 0], done.stdout
    assert f"{requests} 2xx" in done.stdout
    return done.stdout


def one_connection(proxy, origin, requests):
    """All log lines say 200, and one and the same backend connection."""
    lines = proxy.log_lines(requests)
    assert len(lines) == requests
    assert {(n.status, n.end, n.retry) for n in lines} == {(200, "--", "-")}
    assert {n.local_port for n in lines} == backend_ports(origin)
    assert len(backend_ports(origin)) == 1


@pytest.mark.parametrize("mode", [["--h1", "-c", "32"], ["-c", "1", "-m", "32"], ["-c", "16", "-m", "10"],
                                  ["-c", "8", "-m", "100", "-w", "20", "-W", "24"]],
                         ids=["h1", "1x32", "16x10", "8x100"])
def test_h2load(make_culvert, any_origin, mode):
    origin, path = any_origin
    requests = 300 if "peer" in str(type(origin)) else 2000
    proxy = make_culvert(origin, UNLIMITED, args=PATIENT)
    h2load(proxy, path, requests, *mode)
    one_connection(proxy, origin, requests)


@BOTH
def test_h2load_uploads(make_culvert, make_nghttpd, site, proto):
    origin = make_nghttpd(site, "--echo-upload")
    proxy = make_culvert(origin, UNLIMITED, args=PATIENT)
    mode = ["--h1", "-c", "16"] if proto == "h1" else ["-c", "4", "-m", "16"]
    h2load(proxy, "/echo", 500, "-d", str(site / "100k"), *mode)
    one_connection(proxy, origin, 500)


@pytest.mark.once
def test_hundred_thousand_requests(make_culvert, make_nghttpd, site, trace):  # noqa: F811
    """None fails, one backend connection, and not one byte of memory is asked for."""
    origin = make_nghttpd(site)
    proxy = make_culvert(origin, UNLIMITED, args=PATIENT, release=True)
    detach = trace(proxy.pid)
    h2load(proxy, "/1k", 100_000, "-c", "16", "-m", "32")
    lines = detach()
    assert any(" poll(" in line for line in lines), "strace saw nothing of the load"
    assert [line for line in lines if re.search(rf"\b({CALLS.replace(',', '|')})\(", line)] == []
    one_connection(proxy, origin, 100_000)


@pytest.mark.once
def test_ten_thousand_requests_to_node(make_culvert, node_origin):
    proxy = make_culvert(node_origin, UNLIMITED, args=PATIENT, release=True)
    h2load(proxy, "/size/1024", 10_000, "-c", "16", "-m", "32")
    one_connection(proxy, node_origin, 10_000)
