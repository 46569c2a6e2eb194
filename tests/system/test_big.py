"""The figures of the main job: a GiB each way in fixed memory, 10,000 requests on one backend connection."""
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from procs import connected_to, h2load, program, resident_kib, steady

GIB = 1 << 30
OPEN = ("LimitRequestBody 0", "MaxKeepAliveRequests 0")


# The files are made once, in one process.
pytestmark = [pytest.mark.xdist_group("big"), pytest.mark.once]


def write(path, size, step):
    """Writes a page that is like no other every `step` bytes, and nothing between them."""
    page = bytes(range(256)) * 16
    with open(path, "wb") as f:
        for at in range(0, size, step):
            f.seek(at)
            f.write((at.to_bytes(8, "big") + page[8:])[:size - at])
        f.truncate(size)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of a GiB, a smaller one to warm up that has no holes, and 1 KiB. They lie in memory where that can be."""
    directory = tmp_path_factory.mktemp("files")
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > GIB:
        directory = Path(tempfile.mkdtemp(dir=memory))
    write(directory / "gib", GIB, 1 << 16)
    write(directory / "warm", 64 << 20, 4096)
    write(directory / "1k", 1024, 4096)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def origin(make_nghttpd, files):
    """nghttpd that serves the files and echoes uploads."""
    return make_nghttpd(files, "--echo-upload")


@pytest.fixture
def big_proxy(make_culvert, origin):
    return make_culvert(origin, *OPEN, release=True)


def stalled_download(proxy):
    """A client that does not read: the response's body takes all the memory that it may."""
    client = proxy.client(receive_buffer=65536)
    client.send_head("GET", "/gib")
    return client


def stalled_upload(proxy):
    """A client that sends until nobody takes anything."""
    client = proxy.client()
    client.send_head("POST", "/echo", [("Content-Length", GIB)])
    client.socket.setblocking(False)
    sent = 0

    def push():
        nonlocal sent
        try:
            while True:
                sent += client.socket.send(bytes(65536))
        except BlockingIOError:
            return sent
    steady(push, "the upload")
    return client


def warm_up(proxy, origin, files):
    """Touches all memory that the two bodies may ever need: both ends stall, then bodies flow."""
    download(proxy, files / "1k")
    one = stalled_download(proxy)
    steady(lambda: resident_kib(proxy.pid), "the download")
    origin.process.popen.send_signal(signal.SIGSTOP)
    two = stalled_upload(proxy)
    steady(lambda: resident_kib(proxy.pid), "the upload")
    origin.process.popen.send_signal(signal.SIGCONT)
    one.abort()
    two.abort()
    proxy.log_lines(3)
    download(proxy, files / "warm")
    upload(proxy, files / "warm")


def compared(argv, path):
    """Runs curl, whose output must be the file's bytes."""
    with subprocess.Popen([program("curl"), "-sS", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as curl:
        same = subprocess.run([program("cmp"), "-", str(path)], stdin=curl.stdout, capture_output=True, text=True)
        error = curl.stderr.read().decode()
        assert curl.wait() == 0, error
    assert same.returncode == 0, same.stdout + same.stderr


def download(proxy, path):
    compared([proxy.url(f"/{path.name}")], path)


def upload(proxy, path, *options):
    """The origin sends back what it got."""
    compared(["-X", "POST", "-T", str(path), "-H", "Expect:", *options, proxy.url("/echo")], path)


def test_gib_both_ways_in_fixed_memory(big_proxy, origin, files):
    """Downloaded and uploaded: the bytes are the same, and not one page was added after the warm-up."""
    warm_up(big_proxy, origin, files)
    before = resident_kib(big_proxy.pid)
    download(big_proxy, files / "gib")
    assert resident_kib(big_proxy.pid) == before
    upload(big_proxy, files / "gib")
    assert resident_kib(big_proxy.pid) == before
    assert len(connected_to(origin.port)) == 1
    assert [(n.status, n.bytes, n.end) for n in big_proxy.log_lines(7)[5:]] == [(200, GIB, "--")] * 2


def test_upload_of_unknown_length(big_proxy, files):
    upload(big_proxy, files / "warm", "-H", "Transfer-Encoding: chunked")


def test_ten_thousand_requests_from_64_connections(big_proxy, origin):
    """No error, one backend connection, and as good as no memory more on the second time."""
    assert h2load(big_proxy.port, "/1k", 64, 10_000)[0] == 10_000
    before = resident_kib(big_proxy.pid)
    succeeded, output = h2load(big_proxy.port, "/1k", 64, 10_000)
    assert succeeded == 10_000, output
    assert resident_kib(big_proxy.pid) - before <= 64  # log lines that wait, which is a matter of timing
    assert len(connected_to(origin.port)) == 1
    lines = big_proxy.log_lines(20_000)
    assert len(lines) == 20_000
    assert {(n.status, n.bytes, n.end, n.retry) for n in lines} == {(200, 1024, "--", "-")}
    assert {n.local_port for n in lines} == set(connected_to(origin.port))
