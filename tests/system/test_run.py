"""`make run`: the README's first command shows the main job, and Ctrl-C leaves nothing of it."""
import os
import re
import signal

import pytest

import culvert
import logline
from procs import Process, connected_to, curl, free_port, listening, program, wait_until


def family(pid):
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        try:
            with open(f"/proc/{parent}/task/{parent}/children") as f:
                found += [int(child) for child in f.read().split()]
        except OSError:
            pass
    return found


def alive(pids):
    """Those of the processes that still run (a zombie does not)."""
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as f:
                if f.read().rpartition(")")[2].split()[0] != "Z":
                    found.append(pid)
        except OSError:
            pass
    return found


class Demo(Process):
    """`make run` in a process group of its own, as a terminal starts it."""

    def __init__(self, output):
        self.port = free_port()
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        super().__init__([program("make"), "-C", culvert.ROOT, "run", f"DEMO_PORT={self.port}"], output,
                         start_new_session=True, env=environment)
        self.family = []

    def look(self):
        """Remembers all processes of the demo."""
        self.family = family(self.pid)

    def interrupt(self):
        """Ctrl-C: the terminal sends SIGINT to the whole foreground group."""
        os.killpg(self.pid, signal.SIGINT)


@pytest.fixture
def demo(tmp_path):
    process = Demo(tmp_path / "run.out")
    yield process
    for pid in alive(process.family or family(process.pid)):
        os.kill(pid, signal.SIGKILL)
    process.wait()


def log_line(text):
    match = re.search(r'^\S+ h1 "GET /" .*$', text, re.M)
    return match and logline.parse(match[0])


def test_make_run(demo):
    wait_until(lambda: listening(demo.port) or not demo.running(), "the demo to listen", 100)
    assert demo.running(), demo.text()
    wait_until(lambda: f"curl -v http://127.0.0.1:{demo.port}/" in demo.text(), "what to type")
    demo.look()
    assert "html" in curl(f"http://127.0.0.1:{demo.port}/").lower()
    line = wait_until(lambda: log_line(demo.text()), "the log line")
    assert (line.status, line.backend_status, line.end) == (200, 200, "--")
    origin = int(line.backend.rpartition(":")[2])
    assert line.local_port in connected_to(origin)
    demo.interrupt()
    assert demo.wait()
    wait_until(lambda: not alive(demo.family), lambda: f"all to end, there are {alive(demo.family)}")
    assert not listening(demo.port) and not listening(origin)
