"""No heap: after the start the release binary asks the system for no memory, whatever runs through it."""
import os
import re
import signal
import subprocess

import pytest

import behave
from procs import h2load, program, wait_until

CALLS = "brk,mmap,mremap,munmap,mprotect"


@pytest.fixture
def trace(tmp_path):
    """Attaches strace to a running process; returns what stops it and gives its lines."""
    started = []

    def attach(pid):
        out = tmp_path / "strace.out"
        argv = [program("strace"), "-f", "-e", f"trace={CALLS},poll,?epoll_wait", "-o", str(out), "-p", str(pid)]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True)
        started.append(process)
        wait_until(lambda: process.poll() is not None or traced(pid), "strace to attach")
        if process.poll() is not None:
            pytest.skip(f"strace may not attach here: {process.stdout.read()}")

        def detach():
            process.send_signal(signal.SIGINT)
            process.wait(20)
            return out.read_text().splitlines()
        return detach
    yield attach
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def traced(pid):
    with open(f"/proc/{pid}/status") as f:
        return not re.search(r"^TracerPid:\t0$", f.read(), re.M)


def test_no_memory_is_asked_for_under_load(make_culvert, make_nghttpd, peer, trace, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "1k").write_bytes(os.urandom(1024))
    origin = make_nghttpd(tmp_path / "site")
    proxy = make_culvert(peer, f"ProxyPass /site/ h2c://127.0.0.1:{origin.port}/", "MaxKeepAliveRequests 0",
                         release=True)
    detach = trace(proxy.pid)
    assert h2load(proxy.port, "/site/1k", 64, 3000)[0] == 3000
    with proxy.client() as client:
        assert client.get(f"/size/{3 << 20}").complete
        assert client.ask("POST", "/echo", body=behave.pattern(1 << 20)).status == 200
        assert client.get("/trailers").complete
        assert client.get("/reset/2").status == 502
    with proxy.client() as client:
        client.send("GET / HTTP/1.1\r\n\r\n")
        assert client.response().status == 400
    with proxy.client() as client:
        assert not client.get("/cut/1000/10").complete
    lines = detach()
    assert any(re.search(r" (poll|epoll_wait)\(", line) for line in lines), "strace saw nothing of the load"
    assert [line for line in lines if re.search(rf"\b({CALLS.replace(',', '|')})\(", line)] == []
