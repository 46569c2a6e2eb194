"""The figures of the main job: a GiB each way in fixed memory, 10,000 requests on one backend connection."""
import filecmp

import pytest

from procs import connected_to, curl, h2load, resident_kib

GIB = 1 << 30
OPEN = ("LimitRequestBody 0", "MaxKeepAliveRequests 0")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of a GiB whose blocks all differ, a smaller one to warm up, and 1 KiB."""
    directory = tmp_path_factory.mktemp("files")
    block = bytes(range(256)) * 4096
    for name, size in (("gib", GIB), ("warm", 64 << 20), ("1k", 1024)):
        with open(directory / name, "wb") as f:
            for n in range(-(-size // len(block))):
                f.write((n.to_bytes(8, "big") + block[8:])[:size - n * len(block)])
    yield directory
    for path in directory.iterdir():
        path.unlink()


@pytest.fixture
def origin(make_nghttpd, files):
    """nghttpd that serves the files and echoes uploads."""
    return make_nghttpd(files, "--echo-upload")


@pytest.fixture
def big_proxy(make_culvert, origin):
    return make_culvert(origin, *OPEN, release=True)


def download(proxy, name, to):
    curl(proxy.url(f"/{name}"), "-o", str(to), deadline=100)


def upload(proxy, path, to, *options):
    """Uploads a file; the origin sends it back."""
    curl("-X", "POST", "-T", str(path), proxy.url("/echo"), "-o", str(to), "-H", "Expect:", *options, deadline=100)


def test_gib_both_ways_in_fixed_memory(big_proxy, origin, files, tmp_path):
    """Downloaded and uploaded: the bytes are the same, and not one page was added after the warm-up."""
    out = tmp_path / "out"
    for _ in range(3):
        download(big_proxy, "warm", out)
        upload(big_proxy, files / "warm", out)
    before = resident_kib(big_proxy.pid)
    download(big_proxy, "gib", out)
    assert filecmp.cmp(files / "gib", out, shallow=False)
    assert resident_kib(big_proxy.pid) == before
    upload(big_proxy, files / "gib", out)
    assert filecmp.cmp(files / "gib", out, shallow=False)
    assert resident_kib(big_proxy.pid) == before
    out.unlink()
    assert len(connected_to(origin.port)) == 1
    lines = big_proxy.log_lines(8)
    assert [(n.status, n.end) for n in lines] == [(200, "--")] * 8
    assert [n.bytes for n in lines[6:]] == [GIB, GIB]


def test_upload_of_unknown_length(big_proxy, files, tmp_path):
    out = tmp_path / "out"
    upload(big_proxy, files / "warm", out, "-H", "Transfer-Encoding: chunked")
    assert filecmp.cmp(files / "warm", out, shallow=False)
    out.unlink()


def test_ten_thousand_requests_from_64_connections(big_proxy, origin):
    """No error, one backend connection, and no page more on the second time."""
    assert h2load(big_proxy.port, "/1k", 64, 10_000)[0] == 10_000
    before = resident_kib(big_proxy.pid)
    succeeded, output = h2load(big_proxy.port, "/1k", 64, 10_000)
    assert succeeded == 10_000, output
    assert resident_kib(big_proxy.pid) == before
    assert len(connected_to(origin.port)) == 1
    lines = big_proxy.log_lines(20_000)
    assert len(lines) == 20_000
    assert {(n.status, n.bytes, n.end, n.retry) for n in lines} == {(200, 1024, "--", "-")}
    assert {n.local_port for n in lines} == set(connected_to(origin.port))
