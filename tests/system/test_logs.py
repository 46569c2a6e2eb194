"""Where logs go: files that are renamed, serial lines, log daemons that come and go."""
import contextlib
import os
import re
import resource
import signal
import subprocess
import tempfile
import termios
from pathlib import Path

import pytest

import culvert
import logline
from logpeer import Daemon, Rsyslogd, SerialLine
from procs import free_port, h2load, wait_until

LOST = re.compile(r"log: (\d+) lines lost")
LOCAL = re.compile(r"<(\d+)>[A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d culvert\[(\d+)\]: (.*)", re.S)  # RFC 3164
REMOTE = re.compile(r"<(\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (\S+) (\S+) (\d+) (access|error|log) - (.*)", re.S)


@pytest.fixture
def peers():
    """What is to be stopped behind the proxy."""
    things = []
    yield things
    for thing in things:
        thing.stop()


@pytest.fixture
def folder():
    """A folder with a short name: a socket's path has 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="cl-") as name:
        yield Path(name)


def lost_of(lines):
    """How many lines the reports tell of."""
    return sum(int(m[1]) for m in map(LOST.search, lines) if m)


# ---- files ----

def test_files_are_reopened(make_culvert, peer, tmp_path):
    errors = tmp_path / "error.log"
    proxy = make_culvert(peer, f"ErrorLog {errors}", "LogLevel info")
    proxy.error_log = errors
    proxy.get("/1")
    proxy.log_lines(1)
    os.rename(proxy.log, tmp_path / "access.1")
    os.rename(errors, tmp_path / "error.1")
    proxy.process.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: proxy.log.exists() and errors.exists(), "the new files")
    proxy.get("/2")
    assert proxy.log_line().path == "/2"
    assert [logline.parse(x).path for x in (tmp_path / "access.1").read_text().splitlines()] == ["/1"]
    assert "culvert 0" in (tmp_path / "error.1").read_text()


def test_reopening_is_all_or_nothing(make_culvert, peer, tmp_path):
    (tmp_path / "a").mkdir()
    errors = tmp_path / "a" / "error.log"
    proxy = make_culvert(peer, f"ErrorLog {errors}")
    proxy.get("/1")
    proxy.log_lines(1)
    os.rename(proxy.log, tmp_path / "access.1")
    os.rename(tmp_path / "a", tmp_path / "b")
    proxy.error_log = tmp_path / "b" / "error.log"
    proxy.process.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: "not found" in proxy.diagnostics(), proxy.diagnostics)
    proxy.get("/2")
    wait_until(lambda: (tmp_path / "access.1").read_text().count("\n") == 2, "both lines in the old file")
    assert proxy.log.read_text() == ""  # it was made, and nothing written to it


def test_largest_file(make_culvert, peer, tmp_path):
    """A file that may not grow any more is like a full disk: the proxy goes on, and tells later what is not there."""
    proxy = make_culvert(peer)
    proxy.get("/first")
    proxy.log_lines(1)
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (512, resource.RLIM_INFINITY))
    for i in range(20):
        assert proxy.get(f"/{i}").status == 200
    wait_until(lambda: proxy.log.stat().st_size == 512, "the full file")
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    proxy.get("/last")
    wait_until(lambda: '"GET /last"' in proxy.log.read_text(), proxy.log.read_text)
    lines = proxy.log.read_text().splitlines()
    whole = [line for line in lines if line.endswith(" --")]
    assert len(whole) + lost_of(lines) == 22


def test_one_file_for_both(make_culvert, peer, tmp_path):
    both = tmp_path / "both.log"
    proxy = make_culvert(peer, f"CustomLog {both}", f"ErrorLog {both}", "LogLevel info")
    proxy.error_log = both
    for i in range(3):
        proxy.get(f"/{i}")
        with proxy.client() as client:
            client.send(b"BAD\r\n\r\n")
            client.response()
    proxy.stop()
    lines = both.read_text().splitlines()
    access = [line for line in lines if re.match(r"127\.0\.0\.1 h1", line)]
    assert len(access) == 6
    assert lines[0].startswith("notice server: culvert") and lines[-1] == "info server: all pools empty"
    assert all(re.match(r"(127\.0\.0\.1 h1|notice|info|warn)", line) for line in lines)


@pytest.mark.parametrize("line, why", [
    ("ErrorLog /no/such/folder/x", "ErrorLog /no/such/folder/x: not found"),
    ("CustomLog serial:/dev/null,9600", "CustomLog serial:/dev/null,9600: not a serial line, or without this speed"),
])
def test_cannot_be_opened(tmp_path, line, why):
    conf = tmp_path / "c.conf"
    conf.write_text(f"Listen 127.0.0.1:{free_port()}\nProxyPass / h2c://127.0.0.1:1/\n{line}\n")
    done = culvert.check(conf)
    assert done.returncode == 1 and done.stderr == f"culvert: error: {why}\n"


# ---- serial lines ----

def test_serial_settings(make_culvert, peer, peers):
    line = SerialLine()
    peers.append(line)
    proxy = make_culvert(peer, f"CustomLog serial:{line.path},9600")
    settings = termios.tcgetattr(line.slave)
    assert settings[4] == settings[5] == termios.B9600
    assert settings[1] == termios.OPOST | termios.ONLCR and settings[3] == 0
    proxy.get("/x")
    wait_until(lambda: line.read() or b"\n" in line.text, "the line")
    assert line.text.endswith(b"\r\n") and line.text.count(b"\r") == 1
    assert logline.parse(line.text.decode().strip()).path == "/x"


def count_writes(trace, path):
    """System calls of a strace -y output that write to a path."""
    return sum(f"<{path}>" in line and line.split("(")[0].endswith("write") for line in trace.read_text().splitlines())


# Long, so that few requests make more bytes than the ring holds.
LONG = "/hello.txt?" + "q" * 250


@pytest.fixture
def origin(make_nghttpd, tmp_path):
    """A quick backend."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "hello.txt").write_text("hello")
    return make_nghttpd(tmp_path / "www")


@contextlib.contextmanager
def traced(proxy, call, trace):
    """Notes all system calls of one name meanwhile."""
    watcher = subprocess.Popen(["strace", "-qq", "-y", "-e", f"trace={call}", "-o", str(trace), "-p", str(proxy.pid)],
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{proxy.pid}/status").read_text(), "strace")
    yield
    watcher.send_signal(signal.SIGINT)
    watcher.communicate()


def load_with_trace(proxy, requests, trace):
    """Serves so many requests, and notes the writes meanwhile."""
    with traced(proxy, "write", trace):
        done, output = h2load(proxy.port, LONG, 16, requests)
    assert done == requests, output


def test_serial_line_that_stands_still(make_culvert, origin, peers, tmp_path):
    """Nobody reads: a few writes until it is full, and then none, however many requests there are."""
    line = SerialLine()
    peers.append(line)
    proxy = make_culvert(origin, "MaxKeepAliveRequests 0", f"CustomLog serial:{line.path},115200", release=True)
    load_with_trace(proxy, 2000, tmp_path / "trace")
    assert count_writes(tmp_path / "trace", line.path) < 40


def test_serial_lines_that_are_replaced(make_culvert, peer, peers, tmp_path):
    """What a line has not sent is forgotten before it is closed, as closing would wait for it: twice two lines."""
    lines = [SerialLine() for _ in range(4)]
    peers.extend(lines)
    serial = [f"serial:{line.path}" for line in lines]
    logs = [serial[:2], serial[2:], [str(tmp_path / "a"), str(tmp_path / "b")]]
    proxy = make_culvert(peer, f"CustomLog {logs[0][0]}", f"ErrorLog {logs[0][1]}", release=True)
    proxy.error_log = tmp_path / "b"
    text = proxy.conf.read_text()
    with traced(proxy, "ioctl", tmp_path / "trace"):
        for i, (before, after) in enumerate(zip(logs, logs[1:])):
            text = text.replace(before[0], after[0]).replace(before[1], after[1])
            proxy.conf.write_text(text)
            proxy.process.popen.send_signal(signal.SIGHUP)
            said = (lambda: lines[3].read() or b"read again" in lines[3].text) if i == 0 else (tmp_path / "b").exists
            wait_until(said, "the reload")
        assert proxy.get("/x").status == 200
    trace = (tmp_path / "trace").read_text()
    for line in lines:
        assert re.search(rf"<{line.path}[^>]*>+, TCFLSH, TCOFLUSH", trace), trace


def test_serial_line_under_full_load(make_culvert, origin, peers, tmp_path):
    """A line of 115,200 baud takes a part of what there is: all requests are served, the rest is dropped and told."""
    requests = 2500
    line = SerialLine()
    peers.append(line)
    proxy = make_culvert(origin, "MaxKeepAliveRequests 0", f"CustomLog serial:{line.path},115200", release=True)
    line.pace(115200)
    load_with_trace(proxy, requests, tmp_path / "trace")
    line.quick()
    # Each read makes room for one write, and the next one finds none.
    assert count_writes(tmp_path / "trace", line.path) <= 2 * line.reads + 40
    # Later the line has time, and tells how many were lost.
    proxy.get("/hello.txt?last")

    def lines():
        line.read()
        return [x.rstrip("\r") for x in line.text.decode().split("\n")[:-1]]
    wait_until(lambda: len([x for x in lines() if '"GET /' in x]) + lost_of(lines()) == requests + 1,
               lambda: f"{len(lines())} lines, {lost_of(lines())} lost")
    assert lost_of(lines()) > 0
    for text in lines():
        assert LOST.fullmatch(text) or logline.parse(text).status == 200


# ---- log daemons ----

def test_local_daemon(make_culvert, peer, peers, folder):
    """RFC 3164 on a unix socket whose queue is short and whose reader is slow: nothing is lost."""
    daemon = Daemon(path=folder / "log", pause=0.0005)
    peers.append(daemon)
    target = f"syslog:local3,{folder}/log"
    proxy = make_culvert(peer, "MaxKeepAliveRequests 0", f"CustomLog {target}")
    h2load(proxy.port, "/x", 8, 500)
    messages = daemon.wait(500)
    for message in messages:
        head = LOCAL.fullmatch(message)
        assert head and head[1] == "158" and head[2] == str(proxy.pid)
        assert logline.parse(head[3]).status == 200


def test_rsyslogd(make_culvert, peer, peers, folder):
    """The same lines as in a file, through a real daemon, over both ways. It restarts meanwhile, and none is lost."""
    daemon = Rsyslogd(folder, free_port())
    peers.append(daemon)
    local = make_culvert(peer, f"CustomLog syslog:local3,{folder}/log")
    remote = make_culvert(peer, f"CustomLog syslog:daemon:gate@127.0.0.1:{daemon.port}")
    plain = make_culvert(peer)
    for proxy in (local, remote, plain):
        assert proxy.get("/a?b=%22", [("X", "y")]).status == 200
    lines = daemon.lines(2)
    shape = [re.sub(r" \d+ 127\.0\.0\.1:(\d+) \d+ ", r" MS 127.0.0.1:\1 PORT ", text.strip()) for _, text in
             [*lines, ("", plain.log_line().text)]]
    assert shape[0] == shape[1] == shape[2]
    heads = sorted(head.split() for head, _ in lines)
    host = os.uname().nodename
    assert heads[0][:5] == ["daemon.info", host, "gate", str(remote.pid), "1"] and heads[0][5] == "access"
    assert heads[1][0] == "local3.info" and heads[1][2:5] == ["culvert", str(local.pid), "0"]
    daemon.stop()
    for i in range(5):
        local.get(f"/{i}")
    daemon.start()
    local.get("/last")
    texts = [text for _, text in daemon.lines(8)]
    assert [logline.parse(text.strip()).path for text in texts[2:]] == [*(f"/{i}" for i in range(5)), "/last"]


def test_daemon_comes_later(make_culvert, peer, peers, folder):
    proxy = make_culvert(peer, f"CustomLog syslog,{folder}/log")
    proxy.get("/1")
    daemon = Daemon(path=folder / "log")
    peers.append(daemon)
    assert LOCAL.fullmatch(daemon.wait(1)[0])[1] == "190"


def test_remote_daemon(make_culvert, peer, peers):
    """RFC 5424 over UDP, both logs: severities and message ids."""
    daemon = Daemon()
    peers.append(daemon)
    target = f"syslog:local3:gate@127.0.0.1:{daemon.port}"
    proxy = make_culvert(peer, f"CustomLog {target}", f"ErrorLog {target}", "LogLevel info")
    proxy.get("/1")
    wait_until(lambda: any("/1" in m for m in daemon.messages), "the line")
    assert proxy.process.end(signal.SIGTERM) == 0
    proxy.stopped = True
    wait_until(lambda: any("all pools empty" in m for m in daemon.messages), "the last line")
    heads = [REMOTE.fullmatch(m) for m in daemon.messages]
    assert all(heads) and {(h[2], h[3], h[4]) for h in heads} == {(os.uname().nodename, "gate", str(proxy.pid))}
    found = {(h[5], int(h[1]) - 19 * 8): h[6] for h in heads}
    assert logline.parse(found["access", 6]).path == "/1"
    assert found["error", 6] == "info server: all pools empty"
    assert ("error", 5) in found  # notice


def test_deaf_host(make_culvert, peer, peers):
    """No daemon at the port: what the system tells is counted, and reported as soon as there is one."""
    port = free_port()
    proxy = make_culvert(peer, f"CustomLog syslog@127.0.0.1:{port}")
    for i in range(3):
        proxy.get(f"/{i}")
        wait_until(lambda: not proxy.written(), "never")
    daemon = Daemon(port=port)
    peers.append(daemon)
    proxy.get("/last")
    wait_until(lambda: any("/last" in m for m in daemon.messages), "the last line")
    served = sum('"GET /' in m for m in daemon.messages)
    wait_until(lambda: served + lost_of(daemon.messages) >= 4 or served == 4, lambda: str(daemon.messages))
