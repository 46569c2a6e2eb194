"""The access log in formats of LogFormat: httpd's common and combined, the notes, and lnav's view of the own format."""
import json
import os
import re
import shutil
import time

import pytest

import culvert
import logline
from procs import curl, run, wait_until

COMMON = r'LogFormat "%h %l %u %t \"%r\" %>s %b" common'
COMBINED = r'LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined'
TIME = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
LNAV = os.path.join(culvert.ROOT, "config", "culvert.lnav.json")


def lines_of(proxy, count):
    """The log's lines as they are, when there are so many."""
    wait_until(lambda: len(proxy.written()) >= count, lambda: str(proxy.written()))
    return proxy.written()


@pytest.fixture
def make_formatted(make_culvert, peer, tmp_path):
    """Makes a proxy with a format, or a nickname, for its log."""
    def make(choice, *lines):
        log = tmp_path / "formatted.log"
        proxy = make_culvert(peer, *lines, f"CustomLog {log} {choice}")
        proxy.log = log
        return proxy
    return make


def test_common_and_combined(make_formatted):
    proxy = make_formatted("combined", COMBINED, COMMON)
    with proxy.client() as client:
        client.get("/size/100?q", [("Referer", "http://a.example/"), ("User-Agent", "test/1.0")])
        client.get("/size/0", [("user-agent", "b \"c\" \\ d")])
    curl("--http2-prior-knowledge", "-A", "h2 agent", proxy.url("/size/7"))
    got = lines_of(proxy, 3)
    assert re.fullmatch(rf'127\.0\.0\.1 - - {TIME} "GET /size/100\?q HTTP/1\.1" 200 100 "http://a\.example/" "test/1\.0"',
                        got[0]), got[0]
    assert re.fullmatch(rf'127\.0\.0\.1 - - {TIME} "GET /size/0 HTTP/1\.1" 200 - "-" "b \\"c\\" \\\\ d"', got[1]), got[1]
    assert re.fullmatch(rf'127\.0\.0\.1 - - {TIME} "GET /size/7 HTTP/2\.0" 200 7 "-" "h2 agent"', got[2]), got[2]
    stamp = re.search(r"\[([^]]*)\]", got[2])[1]
    assert abs(time.mktime(time.strptime(stamp[:20], "%d/%b/%Y:%H:%M:%S")) - time.time()) < 60


def test_notes(make_formatted, peer):
    proxy = make_formatted('"%{proxy-source-port}n %{proxy-status}n %{proxy-stream-id}n %{proxy-retry}n %{proxy-error}n '
                           '%{proxy-backend}n %{proxy-end}n %s|%{proxy-line}n"')
    proxy.get("/size/3")
    proxy.get("/reset")
    proxy.get("/../x")
    got = lines_of(proxy, 3)
    for line in got:
        mine, _, compact = line.partition("|")
        parsed = logline.parse(compact)
        values = [parsed.local_port, parsed.backend_status, parsed.stream, parsed.retry, parsed.reason, parsed.backend,
                  parsed.end, parsed.status]
        assert mine.split(" ") == [str(v) if v is not None else "-" for v in values], line
    assert f" 200 1 - - 127.0.0.1:{peer.port} -- 200|" in got[0]
    assert f"backend-reset 127.0.0.1:{peer.port} BW 502|" in got[1] and got[2].startswith("- - - - path-climbs - PR 400|")
    assert got[0].split(" ")[0] == str(peer.last.connection.socket.getpeername()[1])


def test_tokens(make_formatted):
    proxy = make_formatted(r"'%m %U %q %H %B %p %{remote}p %A %v %V %P %D %T %{ms}T %{%Y}t \t%%|%400,404{X-A}i|%!404{X-A}i|"
                           r"%{content-length}o|%{x-no}o|%{Host}i'", "ServerName front.example:99")
    with proxy.client() as client:
        client.get("/size/12?a=%20", [("X-A", "1"), ("X-A", "2")], host="h.example:1")
        port = client.socket.getsockname()[1]
        client.get("/size/12", [("X-A", "")])
    got = lines_of(proxy, 2)
    took = r"(\d+)000 \d+ \1"
    assert re.fullmatch(rf"GET /size/12 \?a=%20 HTTP/1\.1 12 {proxy.port} {port} 127\.0\.0\.1 front\.example h\.example:1 "
                        rf"{proxy.pid} {took} 20\d\d \t%\|-\|1\|12\|-\|h\.example:1", got[0]) or \
        re.search(r" 0 0 0 20\d\d \t%\|-\|1\|12\|-\|h\.example:1$", got[0]), got[0]
    assert got[0].startswith(f"GET /size/12 ?a=%20 HTTP/1.1 12 {proxy.port} {port} 127.0.0.1 front.example h.example:1 ")
    assert got[1].startswith("GET /size/12  HTTP/1.1 12 ") and "|-|-|12|-|" in got[1]


def test_fields_as_the_client_sent_them(make_formatted, peer):
    """What the proxy drops, extends or sets on the way is not what came; response fields outlive their head."""
    proxy = make_formatted("'%{X-Forwarded-For}i|%{Connection}i|%{X-Set}i|%{x-r}o|%{x-other}o|%{x-r}o'",
                           "RequestHeader set X-Set ours")
    def respond(request):
        request.head(200, [("x-r", 'v"1'), ("x-other", "o" * 300)])
        request.data(b"x" * 9)
        request.trailer([("x-r", "t")])
    peer.on("/r", respond)
    with proxy.client() as client:
        client.get("/r", [("X-Forwarded-For", "192.0.2.1"), ("Connection", "x-hop"), ("X-Set", "theirs"), ("x-hop", "1")])
    (line,) = lines_of(proxy, 1)
    assert re.fullmatch(r'192\.0\.2\.1\|x-hop\|theirs\|v\\"1\|o{10,300}\|v\\"1', line), line


def test_nothing_is_forged(make_formatted):
    """A client's bytes cannot end a line or a quoted value, and a long one leaves room for what is behind."""
    proxy = make_formatted("combined", COMBINED)
    with proxy.client() as client:
        client.send(b"GET /\x01\"\n HTTP/1.1\r\n\r\n")
        client.response()
    with proxy.client() as client:
        client.get("/size/1", [("User-Agent", "a\tb\"c\xe4\\")])
    with proxy.client() as client:
        client.get("/size/1?" + "p" * 5000, [("Referer", "r"), ("User-Agent", "u")])
    with proxy.client() as client:
        client.get("/size/1", [("Referer", "\"" * 3000), ("User-Agent", "u" * 3000)])
    got = lines_of(proxy, 4)
    quoted = r'"((?:[^"\\]|\\.)*)"'
    for line in got:
        assert len(line) <= 400 and line.isascii() and line.isprintable()
        assert re.fullmatch(rf"127\.0\.0\.1 - - {TIME} {quoted} \d+ (\d+|-) {quoted} {quoted}", line), line
    assert got[0].count('"GET /\\x01\\"" 400 ') == 1
    assert got[1].endswith(' "-" "a\\x09b\\"c\\xe4\\\\"')
    assert re.search(r'p\.\." 200 1 "\.\.|p\.\." 200 1 "r" "u"', got[2]), got[2]
    assert re.search(r'\\"\.\." "u*\.\."$', got[3]), got[3]


@pytest.mark.parametrize("before", [0, 200, 270, 280])
def test_a_long_name_leaves_the_rest(make_formatted, before):
    """However little room the line has, a backend's long name takes none from the fields behind it."""
    name = "unix:/" + "n" * 99
    proxy = make_formatted(f"'{'-' * before}|%{{proxy-line}}n'", f'ProxyPass "/long" "{name}|h2c://localhost/"')
    proxy.get("/long/" + "p" * 1000)
    (line,) = lines_of(proxy, 1)
    assert len(line) <= 400
    parsed = logline.parse(line.partition("|")[2])
    assert (parsed.status, parsed.retry, parsed.end, parsed.reason) == (502, "-", "BK", "connect-failed")
    assert parsed.request.endswith("..") and name.startswith(parsed.backend.removesuffix(".."))
    assert (parsed.backend == name) == (before < 200)


def test_refused(tmp_path):
    conf = tmp_path / "c.conf"
    conf.write_text("Listen 127.0.0.1:1\nProxyPass / h2c://127.0.0.1:1/\nLogFormat \"%h %Z\" x\n")
    done = culvert.check(conf)
    assert done.returncode == 1
    assert done.stderr.startswith(f"culvert: error: {conf}:3: LogFormat: '%Z': expected %%, %a, "), done.stderr
    conf.write_text(f"Listen 127.0.0.1:1\nProxyPass / h2c://127.0.0.1:1/\n{COMMON}\nCustomLog - common\n")
    done = culvert.check(conf, "-t", "-v")
    assert done.returncode == 0 and f"\n{COMMON}\nCustomLog - common\n" in done.stdout, done.stdout + done.stderr


# ---- lnav ----

def samples(proxy):
    """Real lines of all kinds that a few requests make."""
    proxy.get("/size/3")
    proxy.get("/reset")
    with proxy.client() as client:
        client.send(b"B\"D\\\r\n\r\n")
        client.response()
    curl("--http2-prior-knowledge", proxy.url("/size/5?a=b"))
    return [line.text for line in proxy.log_lines(4)]


def test_lnav_patterns(proxy):
    """The format file's patterns take real lines behind what a log daemon puts there."""
    with open(LNAV, encoding="utf-8") as file:
        patterns = {name: re.compile(p["pattern"].replace("(?<", "(?P<")) for name, p in
                    json.load(file)["culvert_log"]["regex"].items()}
    heads = {"bsd": "Nov 25 09:20:33 gate culvert[411]: ", "iso": "2026-11-25T09:20:33+01:00 gate culvert[411]: ",
             "clf": "[25/Nov/2026:09:20:33 +0100] ", "logread": "Wed Nov 25 09:20:33 2026 local7.info culvert[411]: "}
    for line in samples(proxy):
        mine = logline.parse(line)
        for name, head in heads.items():
            match = patterns[name].match(head + line)
            assert match and match["request"] == mine.request and match["end"] == mine.end, (name, line)
            assert match["reason"] == mine.reason and match["local_port"] == str(mine.local_port or "-")
            assert [n for n, p in patterns.items() if p.match(head + line)] == [name]


@pytest.mark.skipif(not shutil.which("lnav"), reason="there is no lnav")
def test_lnav_itself(make_formatted, tmp_path):
    proxy = make_formatted("'%t %{proxy-line}n'")
    proxy.get("/size/3")
    proxy.get("/reset")
    lines_of(proxy, 2)
    formats = tmp_path / "home" / ".lnav" / "formats" / "installed"
    formats.mkdir(parents=True)
    shutil.copy(LNAV, formats / "culvert_log.json")
    home = {**os.environ, "HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": "", "TERM": "dumb"}
    checked = run(["lnav", "-C"], env=home)
    assert checked.returncode == 0 and "culvert_log" not in checked.stdout + checked.stderr, checked
    done = run(["lnav", "-n", "-c", ";SELECT log_level, request, status, end, reason FROM culvert_log", "-c",
                ":write-csv-to -", str(proxy.log)], env=home)
    assert done.stdout.splitlines()[1:] == ["info,GET /size/3,200,--,<NULL>", "info,GET /reset,502,BW,backend-reset"], done
