"""A configuration that is built in: without a file system but for the program, checked when it is built."""
import os
import pathlib
import re
import shutil

import pytest

import culvert as culvert_module
from procs import Process, curl, free_port, run, wait_until

BUILD = os.path.join(culvert_module.ROOT, "build", "builtin")
pytestmark = [pytest.mark.xdist_group("builtin"), pytest.mark.once]  # one build folder


def make(goal, conf, check=True):
    """Builds with a configuration, quickly: what other builds compiled alike comes from ccache."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    environment["CCACHE_DIR"] = os.path.join(culvert_module.ROOT, "build", "ccache")
    done = run(["make", "-s", "-j2", "-C", culvert_module.ROOT, f"O={BUILD}", "CC=ccache gcc", "CFLAGS=-O0",
                "CONFIG_FILE=config/host_defconfig", f"CONFIG_SET=BUILTIN_CONF={conf}", os.path.join(BUILD, goal)],
               deadline=400, env=environment)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def box(certs):
    """The folder of a configuration, always the same one so that little is built again: box.conf and certificates. What
    it includes is still to be written."""
    folder = pathlib.Path(BUILD) / "box"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tls").mkdir(parents=True)
    for name in ("good.pem", "good.key"):
        shutil.copy(certs.path(name), folder / "tls" / name)
    (folder / "box.conf").write_text("Include tls/tls.conf\nCustomLog -\nLogLevel info\n")
    return folder


def test_built_in(box, certs, tmp_path, peer):
    port, tls_port = free_port(), free_port()
    (box / "tls" / "tls.conf").write_text(
        f"Listen 127.0.0.1:{port}\nListen 127.0.0.1:{tls_port} https\nSSLCertificateFile tls/good.pem\n"
        f"SSLCertificateKeyFile tls/good.key\nProxyPass / h2c://127.0.0.1:{peer.port}/\n")
    make("culvert", box / "box.conf")
    shutil.rmtree(box)
    program = os.path.join(BUILD, "culvert")
    version = run([program, "-V"]).stdout
    assert re.search(r"^built in: box.conf \(\d+ bytes\), tls/tls.conf \(\d+ bytes\), tls/good.pem \(\d+ bytes\), "
                     r"tls/good.key \(\d+ bytes\)$", version, re.M), version
    assert run([program, "-t"], cwd=tmp_path).stdout == "Syntax OK\n"
    named = run([program, "-t", "-c", "box.conf"], cwd=tmp_path)
    assert named.returncode == 1 and "cannot be read: not found" in named.stderr, named.stderr
    process = Process([program], tmp_path / "said", cwd=tmp_path)
    try:
        assert process.wait_listening(port), process.text()
        assert '"path": "/echo"' in curl(f"http://127.0.0.1:{port}/echo")
        assert '"path": "/tls"' in curl("--cacert", certs.path("ca.pem"), f"https://127.0.0.1:{tls_port}/tls")
        wait_until(lambda: '"GET /tls" 200' in process.text(), process.text)
    finally:
        assert process.end() == 0, process.text()


@pytest.mark.parametrize("lines,message", [
    ("Listen 80\nProxyPass / h2c://127.0.0.1:81/\nListne 81\n", r"/box/tls/tls\.conf:3: .*did you mean Listen"),
    ("Listen 80\nProxyPass / h2c://127.0.0.1:81/\nInclude none.conf\n", r"/box/tls/tls\.conf:3: Include: .*cannot be read"),
    ("Listen 80 https\nProxyPass / h2c://127.0.0.1:81/\nSSLCertificateFile tls/none.pem\n"
     "SSLCertificateKeyFile tls/good.key\n", r"/box/tls/tls\.conf:3: SSLCertificateFile: 'tls/none\.pem' cannot be built in: No such file"),
])
def test_errors_end_the_build(box, lines, message):
    (box / "tls" / "tls.conf").write_text(lines)
    done = make("builtin_files.c", box / "box.conf", check=False)
    assert done.returncode != 0 and re.search(message, done.stderr), done.stderr


def test_a_blank_in_its_name_is_told(tmp_path):
    """make's lists of files have blanks between them."""
    conf = tmp_path / "a b" / "box.conf"
    conf.parent.mkdir()
    conf.write_text("Listen 80\nProxyPass / h2c://127.0.0.1:81/\n")
    done = make("builtin_files.c", conf, check=False)
    assert done.returncode != 0 and "no such option: b/box.conf (a value ends at a blank)" in done.stderr, done.stderr
    config = tmp_path / "config"
    config.write_text(f'CONFIG_BUILTIN_CONF="{conf}"\n')
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    done = run(["make", "-s", "-C", culvert_module.ROOT, f"O={tmp_path}/out", f"CONFIG_FILE={config}", "all"], env=environment)
    assert done.returncode != 0
    assert f'BUILTIN_CONF is "{conf}": make takes no name with a blank in it' in done.stderr, done.stderr
