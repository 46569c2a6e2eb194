"""Processes, ports and waiting: conditions with a deadline, never a fixed sleep."""
import itertools
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import time

DEADLINE = 20
LISTEN, ESTABLISHED = "0A", "01"


def wait_until(condition, what, deadline=DEADLINE):
    """Returns the first true answer of `condition`; `what` is a text, or a function that gives one."""
    end = time.monotonic() + deadline
    pause = 0.001
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s in vain: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 2, 0.02)


def steady(value, what, times=15):
    """Waits until `value()` has not changed for a while, and returns it: how a flow is seen to have stalled."""
    last, same = value(), 0

    def unchanged():
        nonlocal last, same
        now = value()
        same = same + 1 if now == last else 0
        last = now
        return same >= times
    wait_until(unchanged, f"{what} to become steady")
    return last


PORTS = 2500  # of one test process
ports = itertools.count(random.randrange(PORTS))


def free_port():
    """A loopback port that was free a moment ago, and none of the last that this said: a test may ask for several before it
    starts a server. Who starts one tries again when it is not free any more. Test processes that run at the same time
    look in ranges of their own, below that of outgoing connections."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    while True:
        port = 12000 + worker % 8 * PORTS + next(ports) % PORTS
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def tcp_table():
    """The kernel's IPv4 and IPv6 TCP sockets as (local port, remote port, state)."""
    rows = []
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(file):
            continue
        with open(file) as f:
            for line in f.readlines()[1:]:
                field = line.split()
                rows.append((int(field[1].rpartition(":")[2], 16), int(field[2].rpartition(":")[2], 16), field[3]))
    return rows


def listening(port):
    return any(local == port and state == LISTEN for local, _, state in tcp_table())


def connected_to(port):
    """The local ports of those who hold an established connection to `port`."""
    return [local for local, remote, state in tcp_table() if remote == port and state == ESTABLISHED]


def program(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    assert found, f"{name} is not installed"
    return found


class Process:
    """A program in the background; its output goes to a file; it is ended by its id."""

    def __init__(self, argv, output, **popen):
        self.output = output
        with open(output, "ab") as out:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **popen)
        self.pid = self.popen.pid

    def text(self):
        with open(self.output, errors="replace") as f:
            return f.read()

    def running(self):
        return self.popen.poll() is None

    def wait_listening(self, port):
        """True when the port listens, False when the process ended before."""
        wait_until(lambda: not self.running() or listening(port), f"{self.popen.args[0]} to listen on {port}")
        return self.running()

    def wait(self, deadline=DEADLINE):
        """True when the process ended in time. Told by the kernel: subprocess would look only now and then."""
        if self.running():
            descriptor = os.pidfd_open(self.pid)
            ended = select.select([descriptor], [], [], deadline)[0]
            os.close(descriptor)
            if ended:
                self.popen.wait()  # who traces it takes note first
        return not self.running()

    def end(self, sign=signal.SIGTERM, deadline=DEADLINE):
        """Sends a signal and returns the exit status; a process that does not end is killed and fails the test."""
        if self.running():
            self.popen.send_signal(sign)
            if not self.wait(deadline):
                self.popen.kill()
                self.popen.wait()
                raise AssertionError(f"{self.popen.args[0]} did not end within {deadline} s:\n{self.text()[-2000:]}")
        return self.popen.returncode


def resident_kib(pid):
    """Resident memory but for the program's own text, of which a page may be used for the first time at any moment.
    Exact: the kernel walks the pages for this file (the counter in status is only approximate)."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return int(re.search(r"^Anonymous:\s+(\d+)", f.read(), re.M)[1])


def mapped_kib(pid):
    """All that the process has mapped: static memory is all of it from the start."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"^VmSize:\s+(\d+)", f.read(), re.M)[1])


class Nghttpd:
    """nghttpd in clear on a free port, or a certain one, serving a directory."""

    def __init__(self, directory, output, *options, port=None):
        for _ in range(5):
            self.port = port or free_port()
            argv = [program("nghttpd"), "--no-tls", "-a", "127.0.0.1", "-n1", "-d", str(directory)]
            self.process = Process([*argv, *options, str(self.port)], output)
            if self.process.wait_listening(self.port):
                return
        raise AssertionError(self.process.text())

    def stop(self):
        self.process.end()


def run(argv, deadline=60, **options):
    """Runs a program to its end; returns the finished process with its output as text."""
    options.setdefault("text", True)
    return subprocess.run([program(argv[0]), *argv[1:]], capture_output=True, timeout=deadline, **options)


def curl(*argv, deadline=60):
    done = run(["curl", "-sS", "--noproxy", "*", *argv], deadline)
    assert done.returncode == 0, done.stderr
    return done.stdout


def h2load(port, path, connections, requests, *options, deadline=100):
    """Runs h2load with HTTP/1.1 and returns (succeeded, output)."""
    done = run(["h2load", "--h1", "-t1", "-c", str(connections), "-n", str(requests), *options,
                f"http://127.0.0.1:{port}{path}"], deadline)
    good = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)
    assert good, done.stdout + done.stderr
    return int(good[1]), done.stdout
