"""A Node.js program of node/: called with JSON on its standard input, it answers and tells events on its standard output."""
import contextlib
import json
import os
import subprocess
import threading
import time

from procs import DEADLINE, connected_to, program

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")


def backend_ports(origin):
    """The local ports of the connections to an origin. A set: the kernel's table can show one socket twice."""
    return set(connected_to(origin.port))


class Node:
    """One program. `events` are dicts in the order in which they came."""

    def __init__(self, script, directory):
        assert os.path.isdir(os.path.join(HERE, "node_modules")), "type: make deps-check"
        self.errors = directory / f"{script}.stderr"
        self.changed = threading.Condition()
        self.replies = {}
        self.events = []
        self.count = 0
        self.ended = False
        with open(self.errors, "wb") as err:
            self.popen = subprocess.Popen([program("node"), os.path.join(HERE, script)], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=err)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.event("ready")

    def read(self):
        for line in self.popen.stdout:
            message = json.loads(line)
            with self.changed:
                if "id" in message:
                    self.replies[message["id"]] = message
                else:
                    self.events.append(message)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, condition, what, deadline=DEADLINE):
        """The first true answer of `condition`, which looks at replies and events."""
        end = time.monotonic() + deadline
        with self.changed:
            while True:
                answer = condition()
                if answer:
                    return answer
                left = end - time.monotonic()
                assert left > 0 and not self.ended, \
                    f"waited in vain for {what}; events {self.events[-5:]}\n{self.errors.read_text()[-2000:]}"
                self.changed.wait(left)

    def begin(self, method, /, **params):
        """Starts a call; finish() gives its result."""
        with self.changed:
            self.count += 1
            number = self.count
        self.popen.stdin.write(json.dumps({"id": number, "method": method, "params": params}).encode() + b"\n")
        self.popen.stdin.flush()
        return number

    def finish(self, number, deadline=30):
        reply = self.wait(lambda: self.replies.pop(number, None), f"call {number} to end", deadline)
        assert "error" not in reply, reply["error"]
        return reply["result"]

    def call(self, method, /, **params):
        return self.finish(self.begin(method, **params))

    def found(self, event_name, /, **fields):
        """The events of this name and with these fields."""
        return [e for e in self.events if e["event"] == event_name and all(e.get(k) == v for k, v in fields.items())]

    def event(self, event_name, /, **fields):
        """Waits for such an event and returns the first."""
        return self.wait(lambda: self.found(event_name, **fields), f"event {event_name} {fields}")[0]

    def forget(self):
        """Forgets the events of the last test."""
        with self.changed:
            self.events.clear()

    def stop(self):
        self.popen.stdin.close()
        try:
            status = self.popen.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            status = self.popen.wait()
        self.reader.join(DEADLINE)
        self.popen.stdout.close()
        assert status == 0, self.errors.read_text()[-2000:]


@contextlib.contextmanager
def running(directory, *scripts):
    """The programs, which end when the context does."""
    with contextlib.ExitStack() as ends:
        nodes = []
        for script in scripts:
            nodes.append(Node(script, directory))
            ends.callback(nodes[-1].stop)
        yield nodes
