#!/usr/bin/python3
"""make run: an h2c origin (nghttpd), Culvert in front of it, what to type, and the log lines as they come.

Both listen on the loopback only. Everything ends with this program, however it ends.
DEMO_PORT is Culvert's port (8080).
"""
import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
ORIGIN_PORT = 8081


class End(Exception):
    """The show is over."""


def taken(port):
    """Whether a loopback port is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return False
        except OSError:
            return True


def free_port():
    """A loopback port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def follow_parent():
    """Runs in a child: it gets SIGTERM when this program dies, even by SIGKILL."""
    LIBC.prctl(PDEATHSIG, signal.SIGTERM)


def start(argv, **more):
    """Start a child in its own session, so that Ctrl-C comes here and only here."""
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=follow_parent, **more)


def wait_for(name, child, port):
    """Wait until a child listens."""
    for _ in range(100):
        if child.poll() is not None:
            raise End(f"{name} ended at once, with status {child.returncode}.")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise End(f"{name} does not listen on port {port}.")


def documents(where):
    """The origin's files: those of tests/demo/www, and one of 1 MiB."""
    shutil.copytree("tests/demo/www", where)
    with open(os.path.join(where, "1m.bin"), "wb") as file:
        file.write(bytes(range(256)) * 4096)


def configuration(path, port, origin_port):
    """config/demo.conf, with other ports when they are wanted."""
    with open("config/demo.conf", encoding="utf-8") as file:
        text = file.read().replace("8080", str(port)).replace(str(ORIGIN_PORT), str(origin_port))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def explain(port, origin_port):
    """What to type."""
    url = f"http://127.0.0.1:{port}"
    print(f"""
Culvert listens on {url}/ and passes everything to an h2c origin on port {origin_port}.
In another terminal, type for example:

  curl -v {url}/                        a page; or open it in a browser
  curl -d 'any text' {url}/             a POST; the origin sends the body back
  curl -o /dev/null {url}/1m.bin        a download of 1 MiB
  curl -v --http1.0 {url}/hello.txt     an old client
  ss -tnp 'dport = :{origin_port}'                              the backend connection: see its local port in the log
  h2load --h1 -n 10000 -c 64 {url}/hello.txt
                                                        64 clients, still one backend connection

Each request gives one line here. Ctrl-C stops all of it.

client proto "method path" status bytes ms backend local-port backend-status stream R|N retry end""", flush=True)


def watch(children):
    """Sleep until a child ends, or nobody reads our output any more."""
    reader = select.poll()
    reader.register(1, 0)
    while True:
        for name, child in children.items():
            if child.poll() is not None:
                raise End(f"{name} ended with status {child.returncode}.")
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in reader.poll(300)):
            raise End("")


def stop(children):
    """End all children, by their ids."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for child in children:
            if child.poll() is None:
                child.send_signal(sign)
                if sign == signal.SIGTERM:
                    child.send_signal(signal.SIGINT)
        for child in children:
            try:
                child.wait(3)
            except subprocess.TimeoutExpired:
                pass


def show(culvert, port, where, children):
    """Start both and watch them."""
    if taken(port):
        raise End(f"Port {port} is taken by another program. Take another one: make run DEMO_PORT={free_port()}")
    origin_port = free_port() if taken(ORIGIN_PORT) or port == ORIGIN_PORT else ORIGIN_PORT
    htdocs, conf = os.path.join(where, "www"), os.path.join(where, "demo.conf")
    documents(htdocs)
    configuration(conf, port, origin_port)
    children["The origin"] = start(
        ["nghttpd", "--no-tls", "--echo-upload", "-a", "127.0.0.1", "-d", htdocs,
         "--mime-types-file=" + os.path.abspath("tests/demo/mime.types"), str(origin_port)],
        stdout=subprocess.DEVNULL)
    wait_for("The origin", children["The origin"], origin_port)
    explain(port, origin_port)
    children["Culvert"] = start([culvert, "-c", conf])
    wait_for("Culvert", children["Culvert"], port)
    watch(children)


def on_signal(number, _frame):
    """A signal ends the show; the first one is enough."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise End("")


def main():
    """Run until the end, and leave nothing behind."""
    follow_parent()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    children = {}
    reason = ""
    with tempfile.TemporaryDirectory(prefix="culvert-demo-") as where:
        try:
            show(sys.argv[1], int(os.environ.get("DEMO_PORT") or 8080), where, children)
        except End as end:
            reason = str(end)
        except FileNotFoundError as missing:
            reason = f"Not found: {missing.filename}. make deps-run installs what is needed."
        stop(list(children.values()))
    if reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


sys.exit(main())
