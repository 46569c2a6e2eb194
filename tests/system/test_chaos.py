"""Three real origins behind one balancer are killed, stopped, restarted and made to say GOAWAY, while 20 clients ask.

Whatever happens: what was not processed for sure is served, nothing is processed twice, and no short body passes for a
whole one. CHAOS_SECONDS and CHAOS_SEED choose another run.
"""
import collections
import os
import random
import signal
import subprocess
import threading
import time

import pytest

import wire
from h2wire import Client
from nodepeer import HERE
from procs import free_port, listening, program, wait_until

SECONDS = float(os.environ.get("CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
CLIENTS = 20
SIZES = (0, 100, 10_000, 200_000)
# Words of the log for requests of which no backend can have seen anything.
UNPROCESSED = {"connect-refused", "connect-failed", "connect-timeout", "queue-timeout", "backend-down", "no-room",
               "backend-settings"}
# The same, but when it says so a part of the body can be gone: then the request cannot be sent again.
DECLINED = {"backend-goaway", "backend-refused"}


BLOCK = bytes(range(256)) * 64


def pattern(size):
    """The bytes that node/pattern.js makes."""
    return b"".join(n.to_bytes(4, "big") + BLOCK[4:] for n in range(size // len(BLOCK) + 1))[:size]


class Origin:
    """One origin and the accidents that it can have. It comes back on the same port."""

    def __init__(self, directory, number):
        self.port = free_port()
        self.ledger = directory / f"ledger{number}"
        self.ledger.touch()
        self.errors = directory / f"origin{number}.stderr"
        self.start()

    def start(self):
        with open(self.errors, "ab") as errors:
            self.popen = subprocess.Popen([program("node"), os.path.join(HERE, "chaos_origin.js"), str(self.port),
                                           str(self.ledger)], stdin=subprocess.PIPE, stderr=errors)
        wait_until(lambda: listening(self.port) or self.popen.poll() is not None, "an origin to listen")
        assert self.popen.poll() is None, self.errors.read_text()

    def kill(self, pause):
        self.popen.kill()
        self.popen.wait()
        self.popen.stdin.close()
        time.sleep(pause)
        self.start()

    def freeze(self, pause):
        self.popen.send_signal(signal.SIGSTOP)
        time.sleep(pause)
        self.popen.send_signal(signal.SIGCONT)

    def say(self, command):
        self.popen.stdin.write(command.encode() + b"\n")
        self.popen.stdin.flush()

    def stop(self):
        self.popen.stdin.close()
        assert self.popen.wait(20) == 0, self.errors.read_text()

    def processed(self):
        return [line.split()[0] for line in self.ledger.read_text().splitlines()]


class Accidents(threading.Thread):
    """One after another, so that two origins are well at any time."""

    def __init__(self, origins, end):
        super().__init__()
        self.origins, self.end = origins, end
        self.dice = random.Random(SEED)
        self.counts = collections.Counter()
        self.failure = None

    def run(self):
        try:
            while time.monotonic() < self.end:
                self.one(self.dice.choice(self.origins))
                time.sleep(self.dice.uniform(0.1, 1.0))
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def one(self, origin):
        what = self.dice.choice(("kill", "freeze", "graceful", "abrupt", "error", "calm"))
        pause = self.dice.uniform(0.1, 3.0)
        self.counts[what] += 1
        if what in ("kill", "freeze"):
            getattr(origin, what)(pause)
        else:
            origin.say(what)


class Asker(threading.Thread):
    """A client: one request after the other, on connections that it keeps as long as they live."""

    def __init__(self, proxy, number, end):
        super().__init__()
        self.proxy, self.number, self.end = proxy, number, end
        self.dice = random.Random(SEED * 1000 + number)
        self.connection = None
        self.results = {}  # identifier: (method, status or None, whole)
        self.failure = None

    def run(self):
        try:
            while time.monotonic() < self.end:
                name = f"{self.number}-{len(self.results)}"
                method = self.dice.choices(("GET", "PUT", "POST"), (7, 2, 1))[0]
                self.results[name] = (method, *self.ask(name, method, self.dice.choice(SIZES)))
                time.sleep(self.dice.uniform(0, 0.04))
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error
        finally:
            self.leave()

    def leave(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def ask(self, name, method, size):
        """(status, whether the answer was whole); a whole 200 must have the right bytes."""
        body = None if method == "GET" else bytes(self.dice.choice((1, 5000, 40_000)))
        status, whole, got, received = self.exchange(method, f"/chaos/{name}/{size}", body)
        if status == 200 and whole:
            assert got == pattern(size), f"{name}: {len(got)} bytes instead of {size}"
            assert received == str(len(body or b"")), f"{name}: the origin got {received} bytes"
        if not whole:
            self.leave()
        return status, whole


class H1(Asker):
    def exchange(self, method, path, body):
        for _ in range(2):
            fresh = self.connection is None
            if fresh:
                self.connection = wire.Client(self.proxy.port, timeout=30)
            try:
                answer = self.connection.ask(method, path, body=body)
                break
            except (wire.Cut, OSError):
                self.leave()
                assert not fresh or self.proxy.process.running(), "the proxy died"
                if fresh:
                    return None, False, b"", None
        else:
            return None, False, b"", None
        if answer.get("connection", "").lower() == "close":
            self.leave()
        return answer.status, answer.complete, answer.body, answer.get("x-received")


class H2(Asker):
    def exchange(self, method, path, body):
        if self.connection is None or self.connection.goaways or self.connection.closed:
            self.leave()
            self.connection = Client(self.proxy.port, deadline=30).started()
        stream = self.connection.open(path, method, end=body is None)
        if body is not None:
            self.connection.body(stream, body)
        s = self.connection.done(stream)
        return s.status, s.ended, bytes(s.body), s.get("x-received")


@pytest.fixture
def origins(tmp_path):
    made = [Origin(tmp_path, number) for number in range(3)]
    yield made
    for origin in made:
        origin.stop()


def twice(origins):
    counts = collections.Counter(name for origin in origins for name in origin.processed())
    return [name for name, n in counts.items() if n > 1]


@pytest.mark.xdist_group("chaos")
@pytest.mark.once
def test_chaos(make_culvert, origins):
    members = [f'BalancerMember "h2c://127.0.0.1:{o.port}" retry=1 timeout=3 connectiontimeout=1 ping=1 retries=3 '
               'acquire=10000' for o in origins]
    proxy = make_culvert(None, '<Proxy "balancer://app">', *members, "</Proxy>", 'ProxyPass "/" "balancer://app/"',
                         "MaxKeepAliveRequests 0")
    end = time.monotonic() + SECONDS
    accidents = Accidents(origins, end)
    askers = [(H1 if n % 2 else H2)(proxy, n, end) for n in range(CLIENTS)]
    for thread in [accidents, *askers]:
        thread.start()
    for thread in [accidents, *askers]:
        thread.join()
    for thread in [accidents, *askers]:
        if thread.failure:
            raise thread.failure

    results = {name: result for asker in askers for name, result in asker.results.items()}
    lines = {}
    for line in proxy.log_lines(len(results)):
        lines.setdefault(line.path.split("/")[2], []).append(line)
    processed = {name for origin in origins for name in origin.processed()}
    good = {name for name, (_, status, whole) in results.items() if status == 200 and whole}
    bad = sorted(set(results) - good)
    counts = {"requests": len(results), "served": len(good), "failed": len(bad),
              "of these seen by an origin": len(processed & set(bad)),
              "retried": sum(line.retry != "-" for each in lines.values() for line in each),
              "accidents": dict(accidents.counts)}
    print(f"chaos: seed {SEED}, {SECONDS:.0f} s: {counts}")

    assert [line.text for name in twice(origins) for line in lines[name]] == []
    lost = [line.text for name in bad for line in lines[name]
            if line.local_port is None or line.reason in UNPROCESSED or line.end[1] in "QK"
            or (line.reason in DECLINED and line.method == "GET")]
    assert lost == [], f"not processed for sure, and yet not served: {counts}"
    assert good <= processed
    assert len(good) > 0.8 * len(results) and len(results) > 10 * SECONDS, counts
    assert sum(accidents.counts.values()) > SECONDS / 5, counts
