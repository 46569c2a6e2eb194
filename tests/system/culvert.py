"""Culvert under test: writes a configuration, runs the binary, reads its log, and stops it as an operator would."""
import os
import re
import signal

import logline
import wire
from procs import Process, free_port, run, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RELEASE = os.path.abspath(os.environ.get("CULVERT") or os.path.join(ROOT, "build", "culvert"))
CHECKED = os.path.abspath(os.environ["CULVERT_ASAN"]) if os.environ.get("CULVERT_ASAN") else RELEASE
# There is no heap to leak from, and the pools tell what was not given back. Looking for leaks reads all memory of the
# process when it ends, which takes longer than most tests.
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=1")
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|Assertion|abort", re.I)


def check(conf, *options, binary=CHECKED):
    """Runs `culvert OPTIONS -c CONF` to its end."""
    return run([binary, *options, "-c", str(conf)])


class Culvert:
    """A running proxy. `lines` are configuration lines in which {port} is its own port. Idle clients have longer than
    usual, so that a busy machine loses none; a line can say otherwise."""

    def __init__(self, directory, lines, binary=CHECKED):
        self.directory = directory
        self.log = directory / "access.log"
        self.conf = directory / "culvert.conf"
        self.error_log = None  # where ErrorLog can be read, if it is not standard error
        self.clients = []
        self.stopped = False
        for attempt in range(5):
            self.port = free_port()
            text = "\n".join(["Listen 127.0.0.1:{port}", f'CustomLog "{self.log}"', "LogLevel info",
                              "KeepAliveTimeout 60", *lines]) + "\n"
            self.conf.write_text(text.replace("{port}", str(self.port)))
            self.process = Process([binary, "-c", str(self.conf)], directory / f"stderr-{attempt}")
            if self.listens(text):
                return
            if "in use" not in self.process.text():
                break
        raise AssertionError(f"did not start (status {self.process.popen.returncode}):\n{self.process.text()}\n{text}")

    def listens(self, text):
        """Waits for every listener of the configuration; False when the proxy ended before."""
        for where in re.findall(r'^Listen "?([^"\s]+)', text.replace("{port}", str(self.port)), re.M):
            if where.startswith("unix:"):
                wait_until(lambda: not self.process.running() or os.path.exists(where[5:]), f"{where} to be there")
            elif not self.process.wait_listening(int(where.rpartition(":")[2])):
                return False
        return self.process.running()

    @property
    def pid(self):
        return self.process.pid

    @property
    def authority(self):
        return f"127.0.0.1:{self.port}"

    def url(self, path):
        return f"http://{self.authority}{path}"

    def client(self, **options):
        """A raw connection; it is closed before the proxy is stopped."""
        self.clients.append(wire.Client(self.port, **options))
        return self.clients[-1]

    def get(self, path, headers=(), **more):
        """One GET on a connection of its own."""
        with self.client() as client:
            return client.get(path, headers, **more)

    def written(self):
        if not self.log.exists():
            return []
        lines = self.log.read_text(errors="surrogateescape").split("\n")
        return lines[:-1]  # what follows the last newline is not a line yet

    def log_lines(self, count):
        """Waits for `count` access log lines and returns all, parsed."""
        wait_until(lambda: len(self.written()) >= count,
                   lambda: f"{count} log lines, there are {self.written()}\n{self.process.text()}")
        return [logline.parse(line) for line in self.written()]

    def log_line(self):
        """The only line of the log."""
        lines = self.log_lines(1)
        assert len(lines) == 1, [line.text for line in lines]
        return lines[0]

    def diagnostics(self):
        text = self.process.text()
        return text + self.error_log.read_text(errors="replace") if self.error_log else text

    def stop(self):
        """A clean stop: nobody is left, all memory came back, and no sanitizer spoke."""
        if self.stopped:
            return
        self.stopped = True
        for client in self.clients:
            client.close()
        status = self.process.end(signal.SIGTERM)
        text = self.diagnostics()
        assert not SANITIZER.search(text), text[-6000:]
        assert status == 0, f"exit status {status}:\n{text[-4000:]}"
        assert "still used" not in text, text[-4000:]
        assert "all pools empty" in text, text[-4000:]
