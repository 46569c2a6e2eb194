"""`make run`: the README's first command shows the main job, and Ctrl-C leaves nothing of it."""
import os
import re
import signal

import pytest

import culvert
import logline
from procs import Process, connected_to, curl, listening, program, wait_until

PORT = 8080


def group(pgid):
    """The processes of a process group that are still alive."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == pgid and fields[0] != "Z":
            found.append(int(pid))
    return found


@pytest.fixture
def demo(tmp_path):
    """`make run` in a process group of its own, as a terminal starts it."""
    if listening(PORT):
        pytest.skip(f"port {PORT} is in use")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    process = Process([program("make"), "-C", culvert.ROOT, "run"], tmp_path / "run.out", start_new_session=True,
                      env=environment)
    yield process
    if group(process.pid):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def log_line(text):
    match = re.search(r'^.*?(\S+ h1 "GET / HTTP.*|127\.0\.0\.1 h1 "GET /" .*)$', text, re.M)
    return match and logline.parse(match[1].strip())


def test_make_run(demo):
    wait_until(lambda: listening(PORT) or not demo.running(), "the demo to listen", 100)
    assert demo.running(), demo.text()
    assert "curl" in demo.text()
    page = curl(f"http://127.0.0.1:{PORT}/")
    assert "<html" in page.lower() or page.strip()
    line = wait_until(lambda: log_line(demo.text()), "the log line")
    assert (line.status, line.backend_status, line.end) == (200, 200, "--")
    backend = int(line.backend.rpartition(":")[2])
    assert line.local_port in connected_to(backend)
    os.killpg(demo.pid, signal.SIGINT)
    assert demo.wait(30)
    wait_until(lambda: not group(demo.pid), f"all to end, there are {group(demo.pid)}")
    assert not listening(PORT) and not listening(backend)
