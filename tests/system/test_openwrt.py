"""OpenWrt's package, as far as it goes without OpenWrt: its scripts in busybox' shell with stubs of UCI and procd, the
package's Makefile over a stub of OpenWrt's rules, and Config.in."""
import os
import pathlib
import shlex
import shutil
import subprocess

import kconfiglib
import pytest

import culvert
from procs import program, run

HERE = os.path.join(culvert.ROOT, "port", "openwrt")
FILES = os.path.join(HERE, "files")

# What OpenWrt's /lib/functions.sh and /lib/functions/procd.sh do here: options come from CONFIG_* variables, and what
# procd is asked for is printed.
STUBS = r"""
config_load() { loaded="$1"; }
config_get() {
    local __value
    eval "__value=\"\${CONFIG_${2}_${3}:-\$4}\""
    eval "$1=\"\$__value\""
}
config_get_bool() {
    config_get "$1" "$2" "$3" "$4"
    eval "case \"\$$1\" in 1|on|true|yes|enabled) $1=1 ;; *) $1=0 ;; esac"
}
config_foreach() {
    local __section __type
    for __section in $CONFIG_SECTIONS; do
        eval "__type=\"\$CONFIG_${__section}_TYPE\""
        [ "$__type" = "$2" ] && "$1" "$__section"
    done
    return 0
}
config_list_foreach() {
    local __section="$1" __option="$2" __function="$3" __length __n=1 __item
    shift 3
    eval "__length=\${CONFIG_${__section}_${__option}_LENGTH:-0}"
    while [ "$__n" -le "$__length" ]; do
        eval "__item=\"\$CONFIG_${__section}_${__option}_ITEM$__n\""
        "$__function" "$__item" "$@"
        __n=$((__n + 1))
    done
}
logger() { if [ $# -gt 4 ]; then echo "log: $5" >&2; else sed 's/^/log: /' >&2; fi; }
service_running() { [ "$RUNNING" = 1 ]; }
start() { echo start; }
stop() { echo stop; }
for name in procd_open_instance procd_close_instance procd_set_param procd_send_signal procd_add_reload_trigger \
    procd_add_raw_trigger; do
    eval "$name() { echo $name \"\$*\"; }"
done
"""


def variables(sections):
    """The shell's variables for UCI sections [(type, name, {option: value or list})]."""
    lines = ["CONFIG_SECTIONS=" + shlex.quote(" ".join(name for _, name, _ in sections))]
    for kind, name, options in sections:
        lines.append(f"CONFIG_{name}_TYPE={kind}")
        for option, value in options.items():
            for n, item in enumerate(value, 1) if isinstance(value, list) else ():
                lines.append(f"CONFIG_{name}_{option}_ITEM{n}={shlex.quote(item)}")
            if isinstance(value, list):
                lines.append(f"CONFIG_{name}_{option}_LENGTH={len(value)}")
            else:
                lines.append(f"CONFIG_{name}_{option}={shlex.quote(value)}")
    return "\n".join(lines) + "\n"


class Box:
    """A router's shell with a UCI configuration."""

    def __init__(self, folder):
        self.folder = folder
        self.conf = folder / "var" / "culvert.conf"
        self.sections = []
        self.program = culvert.RELEASE

    def with_files(self, **files):
        """Certificates and keys that a configuration names are looked for below a folder of the test's instead of /. It
        gets copies of these: with_files(**{"/etc/name": "path"})."""
        root = self.folder / "root"
        self.program = str(self.folder / "culvert-with-files")
        with open(self.program, "w", encoding="ascii") as script:
            script.write(f"""#!/bin/sh
[ "$1 $2" = "-t -c" ] || exit 99
sed -E 's,^(SSLCertificate(Key)?File ")/,\\1{root}/,' "$3" >"{self.folder}/checked.conf" || exit 98
exec {culvert.RELEASE} -t -c "{self.folder}/checked.conf"
""")
        os.chmod(self.program, 0o755)
        for name, source in files.items():
            path = pathlib.Path(str(root) + name)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, path)
        return self

    def add(self, kind, **options):
        self.sections.append((kind, options.pop("section", f"s{len(self.sections)}"), options))
        return self

    def call(self, function, running=False):
        """Runs a function of the init script."""
        script = "\n".join([STUBS, variables(self.sections), f". {shlex.quote(FILES + '/culvert.init')}", function])
        environment = {"PATH": os.environ["PATH"], "CULVERT_LIB": FILES + "/culvert.uci.sh", "CULVERT_PROG": self.program,
                       "CULVERT_CONF": str(self.conf), "RUNNING": "1" if running else "0"}
        return subprocess.run([program("busybox"), "ash", "-c", script], cwd=self.folder, env=environment, check=False,
                              capture_output=True, text=True, timeout=30)

    def translated(self):
        """The configuration that is made of UCI's."""
        done = self.call(f'culvert_write "{self.conf}"')
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return [line for line in self.conf.read_text().splitlines() if not line.startswith("#")]


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


@pytest.fixture
def simple(box):
    return box.add("culvert", section="main", enabled="1").add("listen", address="8080") \
        .add("proxy", path="/", url="h2c://127.0.0.1:81/")


@pytest.mark.parametrize("name,options", [("culvert.uci.sh", ["-x"]), ("culvert.init", ["-e", "SC1090,SC1091"])])
def test_shellcheck(name, options):
    done = run(["shellcheck", "-s", "dash", *options, os.path.join(FILES, name)])
    assert done.returncode == 0, done.stdout


def acme_files(certs):
    """What acme leaves for a domain."""
    return {f"/etc/ssl/acme/www.example.org.{end}": certs.path(f"good.{kind}")
            for end, kind in (("fullchain.crt", "pem"), ("key", "key"))}


def test_a_whole_translation(box, certs):
    box.with_files(**acme_files(certs), **{"/a b": certs.path("api.pem"), "/c": certs.path("api.key")})
    box.add("culvert", section="main", enabled="1", server_name="www.example.org", preserve_host="1", via="On",
            log="-", log_level="info", resolver=["127.0.0.1", "::1"], proxy_timeout="5")
    box.add("listen", address="8080", proxy="Off").add("listen", address="[::1]:8443", tls="1")
    box.add("certificate", acme="www.example.org").add("certificate", cert="/a b", key="/c")
    box.add("balancer", name="app", lbmethod="bybusyness", stickycookie="ID")
    box.add("member", balancer="app", url="h2c://127.0.0.1:81", route="a", max="2").add(
        "member", balancer="app", url="h2c://127.0.0.1:82", route="b", loadfactor="2")
    box.add("proxy", path="/app/private", exclude="1")
    box.add("proxy", path="/app", url="balancer://app/app", reverse=["balancer://app/app"])
    box.add("proxy", path="/", url="h2c://127.0.0.1:83/", timeout="3", reverse=["http://127.0.0.1:83/", "http://a.b/"])
    box.add("header", always="1", name="Strict-Transport-Security", value="max-age=1").add(
        "header", request="1", op="unset", name="X-A")
    assert box.translated() == """\
ServerName "www.example.org"
ProxyPreserveHost "On"
ProxyVia "On"
ProxyTimeout "5"
CustomLog "-"
LogLevel "info"
Resolver "127.0.0.1"
Resolver "::1"
Listen "8080" "proxy=Off"
Listen "[::1]:8443" https
SSLCertificateFile "/etc/ssl/acme/www.example.org.fullchain.crt"
SSLCertificateKeyFile "/etc/ssl/acme/www.example.org.key"
SSLCertificateFile "/a b"
SSLCertificateKeyFile "/c"
ProxySet "balancer://app" "lbmethod=bybusyness" "stickycookie=ID"
BalancerMember "balancer://app" "h2c://127.0.0.1:81" "route=a" "max=2"
BalancerMember "balancer://app" "h2c://127.0.0.1:82" "loadfactor=2" "route=b"
ProxyPass "/app/private" "!"
ProxyPass "/app" "balancer://app/app"
ProxyPassReverse "/app" "balancer://app/app"
ProxyPass "/" "h2c://127.0.0.1:83/" "timeout=3"
ProxyPassReverse "/" "http://127.0.0.1:83/"
ProxyPassReverse "/" "http://a.b/"
Header "always" "set" "Strict-Transport-Security" "max-age=1"
RequestHeader "unset" "X-A"
""".splitlines()


HOSTILE = ['a" "b', "a\\", 'a\\" b', "$(touch hacked)", "`touch hacked`", "a;touch hacked", "${CONFIG_SECTIONS}", "'", '"',
           "# x", "a b", "*", "~", "-n", "\\n", "<Proxy x>"]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_stay_values(simple, value):
    """As the value of a field they come through byte by byte; nothing of them is run, or becomes a directive."""
    simple.add("header", name="X-A", value=value)
    lines = simple.translated()
    assert len(lines) == 3
    printed = culvert.check(simple.conf, "-t", "-v", binary=culvert.RELEASE)
    assert printed.returncode == 0, printed.stderr
    plain = all(c.isalnum() or c in "-._~:/@%+,=!*()|?&;$[]" for c in value)
    word = value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert f"Header set x-a {word}" in printed.stdout.splitlines()
    assert not (simple.folder / "hacked").exists()


@pytest.mark.parametrize("option", ["address", "proxy"])
@pytest.mark.parametrize("value", ["80\nLogLevel debug", "80\rx", "80\x1b[2J"])
def test_control_bytes_are_refused(box, option, value):
    """A line feed would begin another directive. The configuration that is there stays."""
    box.add("culvert", section="main", enabled="1").add("listen", **{"address": "80", option: value})
    box.add("proxy", path="/", url="h2c://127.0.0.1:81/")
    box.conf.parent.mkdir()
    box.conf.write_text("old")
    done = box.call("start_service")
    assert done.returncode == 1
    assert "log: /etc/config/culvert: a value has a control byte" in done.stderr
    assert "procd" not in done.stdout
    assert box.conf.read_text() == "old"
    assert os.listdir(box.conf.parent) == ["culvert.conf"]


def test_a_bad_configuration_is_told(simple):
    simple.add("proxy", path="/x", url="http://127.0.0.1/")
    done = simple.call("start_service")
    assert done.returncode == 1
    assert "log: culvert: error: " in done.stderr and "backends are spoken to in HTTP/2 only" in done.stderr
    assert not simple.conf.exists()


def test_start(simple):
    done = simple.call("start_service")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "procd_open_instance ", f"procd_set_param command {culvert.RELEASE} -c {simple.conf}", "procd_set_param respawn",
        "procd_set_param stdout 1", "procd_set_param stderr 1", "procd_close_instance "]


def test_it_is_off_until_it_is_enabled(box):
    box.add("culvert", section="main", enabled="0").add("listen", address="x")
    done = box.call("start_service")
    assert (done.returncode, done.stdout) == (0, "")


def test_reload(simple):
    done = simple.call("reload_service", running=True)
    assert done.stdout.splitlines() == ["procd_send_signal culvert * HUP"]
    assert simple.conf.exists()
    assert simple.call("reload_service").stdout.splitlines() == ["start"]
    simple.add("listen", address="x")
    done = simple.call("reload_service", running=True)
    assert (done.returncode, done.stdout) == (1, "")
    simple.sections[0][2]["enabled"] = "0"
    assert simple.call("reload_service", running=True).stdout.splitlines() == ["stop"]


def test_a_certificate_that_acme_has_not_got_yet(box, certs):
    """No start that procd would try again and again: the log names the file, and acme's event starts it. One that runs
    goes on with what it has."""
    box.with_files().add("culvert", section="main", enabled="1").add("listen", address="8443", tls="1")
    box.add("certificate", acme="www.example.org").add("proxy", path="/", url="h2c://127.0.0.1:81/")
    done = box.call("start_service")
    assert (done.returncode, done.stdout) == (1, "")
    assert "/etc/ssl/acme/www.example.org.fullchain.crt: not found\n" in done.stderr
    assert not box.conf.exists()
    box.conf.write_text("old")
    done = box.call("reload_service", running=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert box.conf.read_text() == "old"
    box.with_files(**acme_files(certs))
    assert box.call("reload_service").stdout == "start\n"
    done = box.call("start_service")
    assert (done.returncode, done.stderr) == (0, "") and "procd_open_instance" in done.stdout
    assert 'SSLCertificateFile "/etc/ssl/acme/www.example.org.fullchain.crt"' in box.conf.read_text()


def test_triggers(simple):
    """A changed configuration, and new certificates, reload."""
    assert simple.call("service_triggers").stdout.splitlines() == [
        "procd_add_reload_trigger culvert", "procd_add_raw_trigger acme.issue 5000 /etc/init.d/culvert reload",
        "procd_add_raw_trigger acme.renew 5000 /etc/init.d/culvert reload"]


def test_the_configuration_that_comes_with_it(box):
    """Its lines are UCI's, and say something that works."""
    for line in open(os.path.join(FILES, "culvert.config"), encoding="utf-8"):
        words = shlex.split(line, comments=True)
        if words[:1] == ["config"]:
            box.add(words[1], **({"section": words[2]} if words[2:] else {}))
        elif words:
            options = box.sections[-1][2]
            options[words[1]] = [*options.get(words[1], []), words[2]] if words[0] == "list" else words[2]
    assert 'ProxyPass "/" "h2c://192.168.1.2:8081/"' in box.translated()


def openwrt(folder, config):
    """A stub of OpenWrt's tree: what the package's Makefile includes, and a .config."""
    (folder / "include").mkdir(parents=True)
    (folder / ".config").write_text(config)
    (folder / "rules.mk").write_text("INCLUDE_DIR := $(TOPDIR)/include\nPKG_BUILD_DIR = $(TOPDIR)/build\n"
                                     "STAGING_DIR := $(TOPDIR)/staging\nINSTALL_DIR := mkdir -p\n"
                                     "INSTALL_BIN := install -m 755\nINSTALL_DATA := install -m 644\n"
                                     "INSTALL_CONF := install -m 600\nTARGET_CROSS := mipsel-openwrt-linux-\n"
                                     "TARGET_CC := mipsel-openwrt-linux-gcc\nTARGET_CFLAGS := -Os\n")
    (folder / "include" / "package.mk").write_text(
        "define BuildPackage\nprepare:\n\t$(value Build/Prepare)\nconfigure:\n\t$(value Build/Configure)\n"
        "compile:\n\t$(value Build/Compile)\ninstall:\n\t$(subst $$(1),$(DESTDIR),$(value Package/$(1)/install))\n"
        "describe:\n\t@echo '$(value PKG_CONFIG_DEPENDS)'\nendef\n")


def package(folder, *goals):
    done = run(["make", "-C", HERE, f"TOPDIR={folder}", f"DESTDIR={folder}/root", *goals], deadline=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package(tmp_path):
    """The sources are copied, menuconfig's choices reach Culvert's configuration, and the commands are the right ones."""
    openwrt(tmp_path, "CONFIG_TARGET_X=y\nCONFIG_CULVERT_CLIENTS=33\n# CONFIG_CULVERT_TLS is not set\nCONFIG_OTHER=y\n")
    package(tmp_path, "prepare")
    package(tmp_path, "configure")
    written = (tmp_path / "build" / "build" / ".config").read_text().splitlines()
    assert "CONFIG_CLIENTS=33" in written and "# CONFIG_TLS is not set" in written
    assert not [line for line in written if "OTHER" in line or "CULVERT" in line]
    dry = package(tmp_path, "-n", "compile")
    assert 'CROSS_COMPILE="mipsel-openwrt-linux-" CC="mipsel-openwrt-linux-gcc" PREFIX=/usr' in dry
    (tmp_path / "build" / "build" / "culvert").write_text("the program")
    package(tmp_path, "install")
    modes = {str(p.relative_to(tmp_path / "root")): p.stat().st_mode & 0o777 for p in (tmp_path / "root").rglob("*")
             if p.is_file()}
    assert modes == {"usr/sbin/culvert": 0o755, "usr/lib/culvert/uci.sh": 0o644, "etc/init.d/culvert": 0o755,
                     "etc/config/culvert": 0o600}


def test_config_in(tmp_path):
    """Kconfig takes it without a warning, and its defaults are those of router_defconfig."""
    top = tmp_path / "Config.in"
    top.write_text(f'config PACKAGE_culvert\n\tbool\n\tdefault y\nsource "{HERE}/Config.in"\n')
    theirs = kconfiglib.Kconfig(str(top), warn_to_stderr=False)
    theirs.load_config("/dev/null")
    values = {s.name: s.str_value for s in theirs.unique_defined_syms}
    ours = kconfiglib.Kconfig(os.path.join(culvert.ROOT, "Kconfig"), warn=False)
    ours.load_config(os.path.join(culvert.ROOT, "config", "router_defconfig"))
    tests = {node.item.name for node in ours.node_iter() if node.prompt and node.parent.prompt
             and node.parent.prompt[0] == "Test builds"}
    wanted = {"CULVERT_" + s.name: s.str_value for s in ours.unique_defined_syms if s.name not in tests | {"PORT_POSIX"}}
    assert {n: values.get(n) for n in wanted} == wanted
    assert [w for w in theirs.warnings if "/dev/null" not in w] == []
