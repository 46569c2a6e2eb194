"""What logs go to: log daemons made of a socket, a real rsyslogd, and the other end of a serial line."""
import os
import pty
import select
import socket
import threading
import tty

from procs import Process, program, wait_until


class Daemon:
    """A socket that takes datagrams: of a path, or of UDP. The thread collects them; slowly, if asked."""

    def __init__(self, path=None, port=0, pause=0.0):
        family = socket.AF_UNIX if path else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(str(path) if path else ("127.0.0.1", port))
        self.port = None if path else self.socket.getsockname()[1]
        self.path = path
        self.pause = pause
        self.messages = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.is_set():
            if select.select([self.socket], [], [], 0.05)[0]:
                self.messages.append(self.socket.recv(65536).decode())
                self.stopping.wait(self.pause)

    def wait(self, count):
        """At least `count` messages."""
        wait_until(lambda: len(self.messages) >= count, lambda: f"{count} messages, there are {self.messages[-3:]}")
        return self.messages

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.socket.close()
        if self.path and os.path.exists(self.path):
            os.unlink(self.path)


class Rsyslogd:
    """A real log daemon, without privileges, in a folder of its own: a socket and a UDP port in, one file out."""

    CONF = """
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
input(type="imuxsock" Socket="{folder}/log" CreatePath="off")
input(type="imudp" Address="127.0.0.1" Port="{port}")
template(name="t" type="string" string="%syslogfacility-text%.%syslogseverity-text% %hostname% %programname% %procid% \
%protocol-version% %msgid% %timereported:::date-rfc3339%|%msg%\\n")
action(type="omfile" file="{folder}/out" template="t" asyncWriting="off")
"""

    def __init__(self, folder, port):
        self.folder = folder
        self.port = port
        self.out = folder / "out"
        (folder / "rsyslog.conf").write_text(self.CONF.format(folder=folder, port=port))
        self.start()

    def start(self):
        self.process = Process([program("rsyslogd"), "-n", "-iNONE", "-f", str(self.folder / "rsyslog.conf")],
                               self.folder / "rsyslogd.out")
        wait_until(lambda: (self.folder / "log").exists() and self.listens() or not self.process.running(),
                   lambda: "rsyslogd\n" + self.process.text())
        assert self.process.running(), self.process.text()

    def listens(self):
        with open("/proc/net/udp") as table:
            return any(f":{self.port:04X} " in line.split(" st")[0] for line in table)

    def lines(self, count):
        """(head, message) of all lines, once there are `count`."""
        def written():
            return self.out.read_text().splitlines() if self.out.exists() else []
        wait_until(lambda: len(written()) >= count, lambda: f"{count} lines in syslog, there are {written()}")
        return [tuple(line.split("|", 1)) for line in written()]

    def stop(self):
        self.process.end()


class SerialLine:
    """A pseudo-terminal. `path` is the proxy's end; nothing is read from the other until read() or a pace asks."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.master)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self.slave)
        self.text = b""
        self.reads = 0
        self.thread = None
        self.stopping = threading.Event()

    def read(self, most=65536):
        """Takes what is there, at most so many bytes."""
        try:
            self.text += os.read(self.master, most)
            self.reads += 1
        except BlockingIOError:
            pass

    def pace(self, bits):
        """Reads as a line of so many bits a second, from now on, in a thread."""
        def run():
            while not self.stopping.wait(0.02):
                self.read(bits // 10 // 50)
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def quick(self):
        """Ends the pace."""
        if self.thread:
            self.stopping.set()
            self.thread.join()
            self.thread = None

    def stop(self):
        self.quick()
        os.close(self.master)
        os.close(self.slave)
