"""The proxies that the bench compares: how each one is configured for the same job, and started in the foreground."""
import os
import shutil
import socket
import subprocess
import time


def free_port():
    """A port of the loopback that was free a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pinned(core):
    """What subprocess runs in the child so that it stays on one core; None leaves it free."""
    return None if core is None else lambda: os.sched_setaffinity(0, {core})


def start(argv, port, core, log):
    """Starts a server, waits until its port answers, and returns the process."""
    with open(log, "ab") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=pinned(core))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.02)
    stop(process)
    with open(log, errors="replace") as text:
        raise RuntimeError(f"{argv[0]} did not start:\n{text.read()[-2000:]}")


def stop(process):
    """Ends one process by its id, gently first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Proxy:
    """One proxy with an h2c origin of its own, so that its backend connections can be told from the others'."""
    name = ""
    program = ""
    protocols = ("h1", "h2")

    def __init__(self, directory, logging, core, origin_core):
        self.directory = os.path.join(directory, self.name)
        os.mkdir(self.directory)
        self.logging = logging
        self.core = core
        self.origin_core = origin_core
        self.port = free_port()
        self.origin_port = free_port()
        self.processes = []

    @classmethod
    def available(cls):
        return shutil.which(cls.program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def origin_command(self, documents):
        return ["nghttpd", "--no-tls", "-a", "127.0.0.1", "-n1", "-d", documents, str(self.origin_port)]

    def start(self, documents, wrapper=()):
        """Starts the origin and the proxy; `wrapper` is put before the proxy's command (valgrind)."""
        origin = start(self.origin_command(documents), self.origin_port, self.origin_core, self.path("origin.out"))
        self.processes.append(origin)
        self.processes.append(start([*wrapper, *self.command()], self.port, self.core, self.path("proxy.out")))

    def stop(self):
        while self.processes:
            stop(self.processes.pop())

    @property
    def pid(self):
        return self.processes[-1].pid

    def command(self):
        raise NotImplementedError


class Culvert(Proxy):
    name = "culvert"
    program = os.environ.get("CULVERT", "build/culvert")

    def command(self):
        log = self.path("access.log") if self.logging else "/dev/null"
        conf = self.write("culvert.conf", f"""
Listen 127.0.0.1:{self.port}
ProxyPass "/" "h2c://127.0.0.1:{self.origin_port}/"
CustomLog {log}
MaxKeepAliveRequests 0
LimitRequestBody 0
""")
        return [self.available(), "-c", conf]


class Nghttpx(Proxy):
    name = "nghttpx"
    program = "nghttpx"

    def command(self):
        log = [f"--accesslog-file={self.path('access.log')}"] if self.logging else []
        return [self.available(), "-n1", "--single-process", "--conf=/dev/null",
                f"--errorlog-file={self.path('error.log')}", f"--frontend=127.0.0.1,{self.port};no-tls",
                f"--backend=127.0.0.1,{self.origin_port};;proto=h2;no-tls", *log]


class Haproxy(Proxy):
    name = "haproxy"
    program = "haproxy"

    def command(self):
        target, wish = ("log stdout format raw local0", "log global\n    option httplog") if self.logging else ("", "")
        conf = self.write("haproxy.cfg", f"""
global
    nbthread 1
    {target}
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    http-reuse always
    {wish}
frontend front
    bind 127.0.0.1:{self.port}
    default_backend back
backend back
    server origin 127.0.0.1:{self.origin_port} proto h2
""")
        return [self.available(), "-db", "-q", "-f", conf]


class Apache(Proxy):
    name = "apache"
    program = "apache2"
    modules = "/usr/lib/apache2/modules"

    @classmethod
    def available(cls):
        return super().available() if os.path.exists(f"{cls.modules}/mod_proxy_http2.so") else None

    def command(self):
        names = ["mpm_event", "authz_core", "http2", "proxy", "proxy_http2"]
        load = "\n".join(f"LoadModule {n}_module {self.modules}/mod_{n}.so" for n in names)
        log = f'CustomLog "{self.path("access.log")}" common' if self.logging else ""
        conf = self.write("httpd.conf", f"""
ServerRoot "{self.directory}"
ServerName localhost
{load}
Listen 127.0.0.1:{self.port}
Protocols h2c http/1.1
H2Direct on
PidFile "{self.path('httpd.pid')}"
DefaultRuntimeDir "{self.directory}"
Mutex posixsem
ErrorLog "{self.path('error.log')}"
LogFormat "%h %l %u %t \\"%r\\" %>s %b" common
{log}
User www-data
Group www-data
StartServers 1
ServerLimit 1
ThreadLimit 64
ThreadsPerChild 64
MaxRequestWorkers 64
MinSpareThreads 1
MaxSpareThreads 64
MaxKeepAliveRequests 0
ProxyPass "/" "h2c://127.0.0.1:{self.origin_port}/"
""")
        return [self.available(), "-DFOREGROUND", "-f", conf]


class Relay(Proxy):
    """The floor: the same load, its bytes carried unseen to an HTTP/1.1 origin, a connection for each client."""
    name = "relay"
    program = "cc"
    protocols = ("h1",)

    def build(self, name):
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".c")
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", self.path(name), source], check=True)
        return self.path(name)

    def origin_command(self, documents):
        return [self.build("origin"), str(self.origin_port)]

    def command(self):
        return [self.build("relay"), str(self.port), str(self.origin_port)]


class RelayH2(Relay):
    """The same for HTTP/2 clients: the origin is everybody's."""
    name = "relay-h2"
    protocols = ("h2",)

    def origin_command(self, documents):
        return Proxy.origin_command(self, documents)


PEERS = [Nghttpx, Haproxy, Apache]
ALL = {p.name: p for p in [Culvert, *PEERS, Relay, RelayH2]}
