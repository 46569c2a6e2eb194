"""The configuration: httpd's words, errors that name file, line and word, and nothing started on any error."""
import os
import re

import pytest

import culvert
from procs import free_port, listening, run

PASS = 'ProxyPass "/" "h2c://127.0.0.1:1/"'


@pytest.fixture
def conf(tmp_path):
    def write(*lines, name="culvert.conf"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path
    return write


GOOD = [
    "Listen 127.0.0.1:1080",
    "Listen 1080",
    "Listen [::1]:1080",
    'Listen "127.0.0.1:1080"',
    "listen 1080",
    "# a comment",
    "   ServerName  a.example   ",
    'ProxyPass /a "h2c://127.0.0.1:2/b" max=4 connectiontimeout=2 timeout=30',
    'ProxyPass "/a" "!"',
    "ProxyPass /a !",
    "proxypass /a h2c://localhost:1",
    "ProxyPass /a h2c://[::1]:1/",
    'ProxyPassReverse "/a" "http://127.0.0.1:1/b"',
    'ProxyPassReverseCookiePath "/" "/a/"',
    "ProxyPassReverseCookieDomain a.example b.example",
    "ProxyPreserveHost On",
    "ProxyPreserveHost off",
    "ProxyAddHeaders Off",
    "ProxyVia Off",
    "ProxyVia On",
    "ProxyVia Full",
    "ProxyVia Block",
    "ServerName a.example:8080",
    "Timeout 5",
    "ProxyTimeout 5",
    "RequestReadTimeout header=20-40,MinRate=500 body=20,MinRate=500",
    "RequestReadTimeout header=0 body=0",
    "CustomLog -",
    "CustomLog /dev/null",
    "KeepAliveTimeout 5",
    "KeepAliveTimeout 500ms",
    "MaxKeepAliveRequests 0",
    "LimitRequestBody 0",
    "LimitRequestBody 1073741824",
    "LimitRequestFields 50",
    "LimitRequestFieldSize 4000",
    "LimitRequestLine 4000",
    "LogLevel debug",
    "LogLevel warn",
    "LogLevel error",
    "LogLevel info",
    "ProxyPass /a \\\n  h2c://127.0.0.1:1/",
]


@pytest.mark.parametrize("line", GOOD)
def test_good_line(conf, line):
    path = conf(line, PASS) if line.lower().startswith("listen") else conf("Listen 127.0.0.1:1080", PASS, line)
    done = culvert.check(path, "-t")
    assert done.returncode == 0, done.stderr
    assert "syntax ok" in (done.stdout + done.stderr).lower()


# line, a word that the message names
BAD = [
    ("Lisen 80", "Lisen"),
    ("ProxyPas / h2c://a:1/", "ProxyPas"),
    ("<VirtualHost *:80>", "<VirtualHost"),
    ("Listen", "Listen"),
    ("Listen abc", "abc"),
    ("Listen 99999", "99999"),
    ("Listen 0", "0"),
    ("Listen 127.0.0.1:", "127.0.0.1:"),
    ("Listen 127.0.0.256:80", "127.0.0.256:80"),
    ("ProxyPass", "ProxyPass"),
    ("ProxyPass /x", "ProxyPass"),
    ("ProxyPass x h2c://127.0.0.1:1/", "x"),
    ("ProxyPass /x http://127.0.0.1:1/", "http"),
    ("ProxyPass /x ajp://127.0.0.1:1/", "ajp"),
    ("ProxyPass /x h2c:/127.0.0.1", "h2c:/127.0.0.1"),
    ("ProxyPass /x h2c://127.0.0.1:99999/", "99999"),
    ("ProxyPass /x h2c://u@127.0.0.1:1/", "u@"),
    ("ProxyPass /x h2c://127.0.0.1:1/ max=0", "'0'"),
    ("ProxyPass /x h2c://127.0.0.1:1/ max=x", "'x'"),
    ("ProxyPass /x h2c://127.0.0.1:1/ nonsense=1", "nonsense"),
    ("ProxyPass /x h2c://127.0.0.1:1/ timeout=-1", "'-1'"),
    ("ProxyPass /x h2c://127.0.0.1:1/ word", "word"),
    ('ProxyPass "/x h2c://127.0.0.1:1/', "quote"),
    ("ProxyPassReverse /x", "ProxyPassReverse"),
    ("ProxyPreserveHost maybe", "maybe"),
    ("ProxyPreserveHost", "ProxyPreserveHost"),
    ("ProxyPreserveHost On Off", "Off"),
    ("ProxyVia Perhaps", "Perhaps"),
    ("ProxyAddHeaders 1", "1"),
    ("Timeout never", "never"),
    ("Timeout -1", "-1"),
    ("Timeout 99999999999999999999", "99999999999999999999"),
    ("KeepAliveTimeout 5x", "5x"),
    ("RequestReadTimeout header=x", "header=x"),
    ("RequestReadTimeout head=1", "head"),
    ("RequestReadTimeout header=40-20", "40-20"),
    ("MaxKeepAliveRequests many", "many"),
    ("LimitRequestBody -1", "-1"),
    ("LimitRequestBody 5k", "5k"),
    ("LimitRequestFields x", "x"),
    ("LimitRequestFields 1000000", "1000000"),
    ("LimitRequestLine 100000000", "100000000"),
    ("LimitRequestFieldSize 100000000", "100000000"),
    ("LogLevel loud", "loud"),
    ("Include /no/such/file.conf", "/no/such/file.conf"),
    ("ServerName", "ServerName"),
    ("ServerName a b", "b"),
    ("ServerName a/b", "a/b"),
    ("CustomLog", "CustomLog"),
]


@pytest.mark.parametrize("line,word", BAD)
def test_bad_line(conf, line, word):
    port = free_port()
    path = conf(f"Listen 127.0.0.1:{port}", PASS, "", line)
    for options in (["-t"], []):
        done = culvert.check(path, *options)
        assert done.returncode == 1, (done.stdout, done.stderr)
        messages = [m for m in done.stderr.splitlines() if f"{path}:4: " in m]
        assert messages and any(word in m for m in messages), done.stderr
        assert not culvert.SANITIZER.search(done.stderr)
    assert not listening(port)


def test_a_bad_value_says_what_was_expected(conf):
    done = culvert.check(conf("Listen 1080", PASS, "ProxyPreserveHost maybe", "LogLevel loud"), "-t")
    first, second = [re.search(rf":{n}: (.*)", done.stderr)[1] for n in (3, 4)]
    assert re.search(r"\bOn\b.*\bOff\b", first, re.I), first
    assert "warn" in second and "debug" in second, second


def test_the_line_and_the_word_are_shown(conf):
    """-t shows them, to be read by a human; a start, whose messages go to a log, keeps to one line each."""
    path = conf("Listen 1080", 'ProxyPass "/" "h2c://127.0.0.1:1/" \\', "    tiemout=5")
    message = f"culvert: error: {path}:2: ProxyPass: 'tiemout=5': expected a key: did you mean timeout=?"
    explained = [message, f"   --> {path}:3:5", "     3 |     tiemout=5", "       |     ^~~~~~~~~"]
    assert culvert.check(path, "-t").stderr.splitlines() == explained
    assert culvert.check(path).stderr.splitlines() == [message]


def test_the_effective_configuration_reads_as_the_same(conf):
    """-t -v prints what holds, with defaults and what is included; printed again it is the same."""
    part = conf('ProxyPass "/part" "!"', name="part.conf")
    path = conf("Listen 1080", f"Include {part}", PASS, 'CustomLog "/tmp/a b"')
    first = culvert.check(path, "-t", "-v")
    assert (first.returncode, first.stderr) == (0, "")
    for line in ("Listen 1080 http proxy=Off", "ProxyPass /part !", 'CustomLog "/tmp/a b"', "Timeout 60s"):
        assert line in first.stdout.splitlines()
    assert "Include" not in first.stdout
    again = culvert.check(conf(first.stdout, name="again.conf"), "-t", "-v")
    assert (again.returncode, again.stderr, again.stdout) == (0, "", first.stdout)
    assert culvert.check(path, "-v").returncode == 1


def test_all_errors_are_told_at_once(conf):
    path = conf("Listen 1080", "Nonsense 1", PASS, "Timeout x", "LogLevel y")
    done = culvert.check(path, "-t")
    assert [n for n in range(1, 6) if f"{path}:{n}: " in done.stderr] == [2, 4, 5]


@pytest.mark.parametrize("line", [
    "Listen 127.0.0.1:{}",
    "ProxyPass /{0} h2c://127.0.0.1:1/{0}",
    "ProxyPass /{0} h2c://127.0.0.1:{0}/",
    "ProxyPassReverse /{0} http://127.0.0.1:1/{0}",
])
def test_more_than_there_is_room_for(conf, line):
    """Names the line that was one too many, and the capacity's option."""
    path = conf("Listen 127.0.0.1:1080", PASS, *[line.format(n + 2000) for n in range(500)])
    done = culvert.check(path, "-t")
    assert done.returncode == 1
    assert re.search(rf"{re.escape(str(path))}:\d+: .*CONFIG_[A-Z_]+", done.stderr), done.stderr[:1000]


def test_long_line(conf):
    done = culvert.check(conf("Listen 1080", PASS, "ServerName " + "a" * 60_000), "-t")
    assert done.returncode == 1
    assert not culvert.SANITIZER.search(done.stderr)


def test_file_larger_than_its_buffer(conf):
    path = conf("Listen 1080", PASS, *["# " + "x" * 1000] * 2000)
    done = culvert.check(path, "-t")
    assert done.returncode == 1
    assert str(path) in done.stderr


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"\xff\xfe\x00", b"Listen 1080\rTimeout 5", b"\\"])
def test_odd_files(tmp_path, content):
    path = tmp_path / "odd.conf"
    path.write_bytes(content)
    done = culvert.check(path, "-t")
    assert done.returncode == 1
    assert done.stderr.strip()
    assert not culvert.SANITIZER.search(done.stderr)


def test_hidden_proxy_pass_is_reported(conf):
    path = conf("Listen 1080", "ProxyPass /app h2c://127.0.0.1:1/", "ProxyPass /app/deep h2c://127.0.0.1:2/",
                "ProxyPass /other h2c://127.0.0.1:2/")
    done = culvert.check(path, "-t")
    assert done.returncode == 0
    assert f"{path}:3: " in done.stderr and "unreachable" in done.stderr
    assert f"{path}:4: " not in done.stderr


def test_missing_file(tmp_path):
    done = culvert.check(tmp_path / "none.conf", "-t")
    assert done.returncode == 1
    assert "none.conf" in done.stderr


def test_a_folder_is_no_file(conf, tmp_path):
    """The error says what is wrong with the path, of a configuration and of a log."""
    assert "cannot be read: a folder, not a file" in culvert.check(tmp_path, "-t").stderr
    done = culvert.check(conf("Listen 127.0.0.1:1080", PASS, f"CustomLog {tmp_path}"))
    assert (done.returncode, done.stderr) == (1, f"culvert: error: CustomLog {tmp_path}: a folder, not a file\n")


def test_include(conf, make_culvert, peer):
    part = conf(f"ProxyPass /included h2c://127.0.0.1:{peer.port}/", name="part.conf")
    proxy = make_culvert(None, f'Include "{part}"')
    assert proxy.get("/included/x").status == 200
    assert proxy.get("/").status == 404


def test_error_in_an_included_file(conf):
    part = conf("", "Nonsense 1", name="part.conf")
    done = culvert.check(conf("Listen 1080", PASS, f"Include {part}"), "-t")
    assert done.returncode == 1
    assert f"{part}:2: " in done.stderr


def test_include_of_itself_ends(conf, tmp_path):
    path = conf("Listen 1080", PASS, f"Include {tmp_path / 'culvert.conf'}")
    done = culvert.check(path, "-t")
    assert done.returncode == 1
    assert f"{path}:3: " in done.stderr


def test_test_run_starts_nothing(conf):
    port = free_port()
    assert culvert.check(conf(f"Listen 127.0.0.1:{port}", PASS), "-t").returncode == 0
    assert not listening(port)


def test_address_in_use(make_culvert, peer, conf):
    proxy = make_culvert(peer)
    done = culvert.check(conf(f"Listen 127.0.0.1:{proxy.port}", PASS))
    assert done.returncode == 1
    assert str(proxy.port) in done.stderr


def test_several_listeners_and_ipv6(make_culvert, peer, tmp_path):
    second = free_port()
    proxy = make_culvert(peer, f"Listen 127.0.0.1:{second}", f"Listen [::1]:{second}")
    for host in ("127.0.0.1", "::1"):
        with culvert.wire.Client(second, host=host) as client:
            assert client.get("/echo", host="a").status == 200
    lines = proxy.log_lines(2)
    assert [n.client.strip("[]") for n in lines] == ["127.0.0.1", "::1"]


def test_version():
    done = run([culvert.CHECKED, "-V"])
    assert done.returncode == 0
    assert re.search(r"culvert \d+\.\d+", done.stdout, re.I)
    for word in ("CLIENTS", "memory"):
        assert word.lower() in done.stdout.lower()


def test_version_tells_every_option():
    """Who finds a build on a box learns from -V what it can do."""
    with open(os.path.join(culvert.ROOT, "Kconfig"), encoding="utf-8") as file:
        asked = re.findall(r'^config (\w+)\n\tbool "', file.read(), re.M)
    told = re.search("^options:(.*)$", run([culvert.CHECKED, "-V"]).stdout, re.M).group(1).split()
    assert [option[1:] for option in told] == [name for name in asked if name != "PORT_POSIX"]
    assert {option[0] for option in told} == {"+", "-"}


def test_help():
    done = run([culvert.CHECKED, "-h"])
    assert done.returncode == 0
    for option in ("-c", "-t", "-V", "-h"):
        assert option in done.stdout


@pytest.mark.parametrize("config", ["host", "tiny"])
def test_help_tells_what_the_build_has(config):
    """Of each build: its main.c, compiled for this alone, holds the usage."""
    folder = os.path.join(culvert.ROOT, "build", "usage", config)
    source = os.path.join(culvert.ROOT, "config", f"{config}_defconfig")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    done = run(["make", "-s", "-C", culvert.ROOT, f"O={folder}", f"CONFIG_FILE={source}", f"{folder}/obj/src/main.o"],
               env=environment)
    assert done.returncode == 0, done.stderr
    with open(f"{folder}/obj/src/main.o", "rb") as file:
        usage = file.read()
    with open(f"{folder}/include/auto.conf", encoding="ascii") as file:
        on = re.findall(r"^CONFIG_(\w+)=y$", file.read(), re.M)
    assert b"Usage: culvert" in usage
    for option, words in (("CONF_PRINT", [b"[-t [-v]]", b"\n  -v  "]), ("DAEMON", [b"[-d | -f]", b"\n  -d  "]),
                          ("STATE", [b"SIGUSR1"]), ("RELOAD", [b"SIGHUP reads the configuration"])):
        assert [word in usage for word in words] == [option in on] * len(words), option
    assert ("CONF_PRINT" in on, "DAEMON" in on) == (config == "host",) * 2


@pytest.mark.parametrize("arguments", [["-x"], ["-c"], ["stray"]])
def test_bad_arguments(arguments):
    done = run([culvert.CHECKED, *arguments])
    assert done.returncode != 0
    assert "-h" in done.stderr or "usage" in done.stderr.lower()
