"""Users, chroot, pid file and daemon mode of the real program. Most of it needs root."""
import os
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from culvert import CHECKED
from procs import Process, free_port, listening, run, wait_until
from wire import Client

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
NOBODY = 65534


@pytest.fixture
def place():
    """A folder that every user can look into."""
    path = tempfile.mkdtemp(prefix="culvert-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def make(place, peer):
    """Starts a proxy with more lines of configuration, to be ended with the test."""
    started = []

    class Proxy:
        def __init__(self, *lines, options=(), binary=CHECKED):
            self.port = free_port()
            self.conf = os.path.join(place, f"culvert{len(started)}.conf")
            self.log = os.path.join(place, "access.log")
            self.errors = os.path.join(place, "errors")
            with open(self.conf, "w") as f:
                f.write("\n".join([f"Listen 127.0.0.1:{self.port}", f"ProxyPass / h2c://127.0.0.1:{peer.port}/",
                                   f'CustomLog "{self.log}"', *lines, ""]))
            self.argv = [binary, *options, "-c", self.conf]
            self.pid = None

        def start(self):
            self.process = Process(self.argv, self.errors)
            started.append(self.process)
            assert self.process.wait_listening(self.port), self.process.text()
            self.pid = self.process.pid
            return self

        def refused(self):
            """Starts it in vain; what it said."""
            ended = run(self.argv, cwd=place)
            assert ended.returncode == 1 and not listening(self.port), ended
            return ended.stderr

        def serves(self):
            with Client(self.port) as client:
                return client.get("/echo").status == 200

    yield Proxy
    for process in started:
        assert process.end() == 0, process.text()


def ids(pid):
    with open(f"/proc/{pid}/status") as f:
        text = f.read()
    return {name: re.search(rf"^{name}:\s*(.*)$", text, re.M)[1].split() for name in ("Uid", "Gid", "Groups", "CapEff")}


def settled(pid):
    """The process listens before it gives up its rights; it serves after."""
    wait_until(lambda: ids(pid)["Uid"] == [str(NOBODY)] * 4, lambda: str(ids(pid)))
    return ids(pid)


@root
def test_user_is_become_for_good_and_owns_its_files(make, place):
    sock = os.path.join(place, "socket")
    proxy = make("User nobody", f"Listen unix:{sock}").start()
    now = settled(proxy.pid)
    assert now["Gid"] == now["Uid"] and now["Groups"] == [str(NOBODY)]
    assert int(now["CapEff"][0], 16) == 0
    assert proxy.serves()
    for path in proxy.log, sock:
        assert (os.stat(path).st_uid, os.stat(path).st_gid) == (NOBODY, NOBODY)


@root
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_in_the_place_of_a_log_gives_nothing_away(make, place, link):
    """Who may write in the log's folder does not get what root alone could read. Root's own links are followed."""
    secret = os.path.join(place, "secret")
    with open(secret, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
        f.write("secret")
    proxy = make("User nobody")
    link(secret, proxy.log)
    if link is os.symlink:
        os.chown(proxy.log, NOBODY, NOBODY, follow_symlinks=False)
    assert proxy.refused() == f"culvert: error: CustomLog {proxy.log}: a link, which is not followed\n"
    assert (os.stat(secret).st_uid, os.stat(secret).st_size) == (0, 6)
    if link is os.symlink:
        os.chown(proxy.log, 0, 0, follow_symlinks=False)
        settled(proxy.start().pid)
        assert os.stat(secret).st_uid == NOBODY


@root
@pytest.mark.parametrize("target", ["real.log", "./real.log", None])
def test_links_of_roots_lead_where_they_say(make, place, target):
    """Also from their own folder."""
    proxy = make("User nobody")
    os.symlink(target or os.path.join(place, "real.log"), proxy.log)
    settled(proxy.start().pid)
    assert os.stat(os.path.join(place, "real.log")).st_uid == NOBODY


class Slowed:
    """A proxy that is started under strace, which makes it wait behind the nth of some system calls (for a path), so that a
    path can become another thing just then."""

    def __init__(self, proxy, calls, nth, *options):
        self.trace = proxy.conf + ".trace"
        self.calls, self.nth = calls, nth
        named = ",".join("?" + call for call in calls)  # not every machine has each
        argv = ["strace", "-D", "-qq", "-o", self.trace, *options, "-e", f"trace={named}",
                "-e", f"inject={named}:delay_exit=1500000:when={nth}", *proxy.argv]
        self.process = Process(argv, proxy.errors)
        wait_until(lambda: self.seen() or not self.process.running(), "the call")
        if not self.seen():
            pytest.skip("strace may not trace here: " + self.process.text())

    def seen(self):
        try:
            with open(self.trace) as f:
                return sum(f"{call}(" in line for line in f for call in self.calls) >= self.nth
        except FileNotFoundError:
            return False

    def went_on(self):
        """Whether it is behind what is tested: it has said so in its log, or has ended."""
        return not self.process.running() or " runs" in self.process.text()


@pytest.fixture
def slow():
    """Makes them; they end with the test."""
    started = []

    def start(*arguments):
        started.append(Slowed(*arguments))
        return started[-1]
    yield start
    for slowed in started:
        slowed.process.end()


def secret_in(place):
    path = os.path.join(place, "secret")
    with open(path, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
        f.write("secret")
    return path


@root
def test_a_link_that_is_exchanged_meanwhile_gives_nothing_away(make, place, slow):
    """Root's link was looked at, and then another one stands there."""
    proxy, secret, real = make("User nobody", "LogLevel notice"), secret_in(place), os.path.join(place, "real.log")
    os.symlink(real, proxy.log)
    slowed = slow(proxy, ["newfstatat", "lstat", "fstat"], 1, "-P", proxy.log)
    os.unlink(proxy.log)
    os.symlink(secret, proxy.log)
    os.chown(proxy.log, NOBODY, NOBODY, follow_symlinks=False)
    wait_until(slowed.went_on, slowed.process.text)
    assert (os.stat(secret).st_uid, os.stat(secret).st_size) == (0, 6)


@root
def test_a_socket_that_is_exchanged_meanwhile_gives_nothing_away(make, place, slow):
    """Between bind and the change of its owner the socket's name becomes that of a file of root's."""
    sock, secret = os.path.join(place, "socket"), secret_in(place)
    proxy = make("User nobody", "LogLevel notice", f"Listen unix:{sock}")
    slowed = slow(proxy, ["umask"], 2)
    os.unlink(sock)
    os.link(secret, sock)
    wait_until(slowed.went_on, slowed.process.text)
    assert (os.stat(secret).st_uid, os.stat(secret).st_size) == (0, 6)


@root
def test_reload_as_the_user(make, place):
    """It reads the configuration, opens the log that was renamed, and keeps the port."""
    os.chmod(place, 0o777)
    proxy = make("User nobody", "LogLevel notice").start()
    settled(proxy.pid)
    os.rename(proxy.log, proxy.log + ".1")
    os.kill(proxy.pid, signal.SIGHUP)
    wait_until(lambda: "the configuration was read again" in proxy.process.text(), proxy.process.text)
    assert os.stat(proxy.log).st_uid == NOBODY
    assert proxy.serves()


@root
def test_group_by_number(make):
    proxy = make("User nobody", "Group #1").start()
    assert settled(proxy.pid)["Gid"] == ["1"] * 4


@root
def test_chroot(make, place):
    jail = os.path.join(place, "jail")
    os.mkdir(jail)
    proxy = make("User nobody", f"ChrootDir {jail}").start()
    settled(proxy.pid)
    assert os.readlink(f"/proc/{proxy.pid}/root") == jail and os.readlink(f"/proc/{proxy.pid}/cwd") == jail
    assert proxy.serves()


@root
@pytest.mark.parametrize("lines, said", [
    (["User nobody-at-all"], "User nobody-at-all: there is no such user"),
    (["User nobody", "Group nobody-at-all"], "Group nobody-at-all: there is no such group"),
    (["User root"], "User root: is root, which is what User is there to avoid"),
    (["User #123456"], "User #123456: a Group is needed, as nobody has this number"),
    (["Group nogroup"], "Group nogroup: needs a User"),
    (["ChrootDir /tmp"], "ChrootDir /tmp: needs a User"),
    (["User nobody", "ChrootDir /no/where"], "ChrootDir /no/where: not found"),
    (["PidFile /no/where/pid"], "PidFile /no/where/pid: not found"),
])
def test_what_cannot_be_had_is_no_start(make, lines, said):
    assert f"culvert: error: {said}\n" in make(*lines).refused()


@root
def test_without_rights_another_user_is_no_start(make, place):
    binary = shutil.copy(CHECKED, place)
    proxy = make("User daemon", binary=binary)
    open(proxy.log, "w").close()
    os.chown(proxy.log, NOBODY, NOBODY)
    ended = subprocess.run(proxy.argv, capture_output=True, text=True, timeout=60, user=NOBODY, group=NOBODY,
                           extra_groups=[], cwd=place)
    assert ended.returncode == 1 and "User daemon: permission denied" in ended.stderr, ended


def test_t_checks_the_user(make):
    proxy = make("User nobody-at-all", options=["-t"])
    assert "there is no such user" in proxy.refused()


def test_pid_file_is_of_one_process(make, place):
    path = os.path.join(place, "pid")
    proxy = make(f"PidFile {path}").start()
    wait_until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, "the pid file")
    with open(path) as f:
        assert f.read() == f"{proxy.pid}\n"
    assert f"PidFile {path}: another process that runs has it" in make(f"PidFile {path}").refused()
    with open(path) as f:
        assert f.read() == f"{proxy.pid}\n"
    assert proxy.process.end() == 0
    assert not os.path.exists(path)


@root
def test_pid_file_that_is_another_ones_second_name_is_no_start(make, place):
    """It would be emptied."""
    secret, path = secret_in(place), os.path.join(place, "pid")
    os.link(secret, path)
    assert make(f"PidFile {path}").refused() == f"culvert: error: PidFile {path}: a link, which is not followed\n"
    assert os.stat(secret).st_size == 6


@root
def test_pid_file_is_emptied_by_who_may_not_remove_it(make, place):
    path = os.path.join(place, "pid")
    proxy = make("User nobody", f"PidFile {path}").start()
    settled(proxy.pid)
    assert proxy.process.end() == 0
    assert os.path.getsize(path) == 0


def ended(pid):
    """Whether a process of somebody else is gone, or waits for its parent to hear of it."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def daemon(make, place):
    """Starts a daemon; its number. Ended with the test."""
    pids = []

    def start(*lines):
        path = os.path.join(place, f"daemon{len(pids)}")
        proxy = make(f"PidFile {path}", *lines, options=["-d"])
        proxy.said = run(proxy.argv, cwd=place)  # its pipes are at their end: the daemon does not hold them
        if proxy.said.returncode == 0:
            with open(path) as f:
                proxy.pid = int(f.read())
            pids.append(proxy.pid)
        return proxy
    yield start
    for pid in pids:
        os.kill(pid, signal.SIGINT)
        wait_until(lambda pid=pid: ended(pid), "a daemon to end")


def test_daemon_is_ready_when_its_parent_ends(daemon):
    proxy = daemon()
    assert proxy.said.returncode == 0 and not proxy.said.stderr, proxy.said
    assert listening(proxy.port) and proxy.serves()
    assert os.getsid(proxy.pid) == proxy.pid
    for fd in 0, 1, 2:
        assert os.readlink(f"/proc/{proxy.pid}/fd/{fd}") == "/dev/null"


def test_daemon_that_cannot_start_says_why(daemon, make):
    bad = daemon("Nonsense 1")
    assert bad.said.returncode == 1 and "Nonsense" in bad.said.stderr
    first = daemon()
    second = daemon(f"Listen 127.0.0.1:{first.port}")
    assert second.said.returncode == 1 and "address in use" in second.said.stderr


@root
def test_daemon_with_a_user(daemon):
    proxy = daemon("User nobody")
    assert ids(proxy.pid)["Uid"] == [str(NOBODY)] * 4  # at once: that, too, is part of being ready
    assert proxy.serves()


def test_f_stays_in_the_foreground(make):
    proxy = make(options=["-d", "-f"]).start()
    assert proxy.process.running() and proxy.serves()
