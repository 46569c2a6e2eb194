"""What measures a build, without building: scripts of .build/ with a make that only notes what it was asked for."""
import importlib
import os
import pathlib
import re
import subprocess

import pytest

import culvert

SCRIPT = os.path.join(culvert.ROOT, ".build", "bloatcheck.sh")
MAKE = """#!/bin/sh
echo "$*" >>"$ASKED"
for word in "$@"; do case $word in O=*) mkdir -p "${word#O=}" && cp "$PROGRAM" "${word#O=}/culvert" ;; esac; done
"""


@pytest.fixture
def bloatcheck(tmp_path):
    """Runs it in a repository of one revision; returns how often the old revision was built, of all calls so far."""
    tree = tmp_path / "tree"
    (tree / ".build").mkdir(parents=True)
    (tree / ".build" / "bloat.py").write_text("")
    make = tmp_path / "make"
    make.write_text(MAKE)
    make.chmod(0o755)
    for words in (["init", "-q"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "a"]):
        subprocess.run(["git", *words], cwd=tree, check=True)

    def call(config, **environment):
        (tmp_path / "config").write_text(config)
        environment = {"PATH": os.environ["PATH"], "MAKE": str(make), "ASKED": str(tmp_path / "asked"),
                       "PROGRAM": culvert.RELEASE, **environment}
        subprocess.run(["sh", SCRIPT, str(tmp_path / "out"), "HEAD", str(tmp_path / "config")], cwd=tree, env=environment,
                       check=True)
        trees = subprocess.run(["git", "worktree", "list"], cwd=tree, check=True, capture_output=True, text=True).stdout
        assert len(trees.splitlines()) == 1, trees  # it leaves none behind
        return (tmp_path / "asked").read_text().count("/out/old")
    return call


def test_bloatcheck_compares_like_with_like(bloatcheck):
    """The old revision is built again for another configuration, toolchain or variable, and only then."""
    assert bloatcheck("CONFIG_TLS=y\n") == 1
    assert bloatcheck("CONFIG_TLS=y\n", MAKEFLAGS="s -j2") == 1
    assert bloatcheck("CONFIG_TLS=n\n") == 2
    assert bloatcheck("CONFIG_TLS=n\n", CROSS_COMPILE="") == 2
    assert bloatcheck("CONFIG_TLS=n\n", MAKEFLAGS="s -j2 -- CONFIG_SET=IPV6=n") == 3
    assert bloatcheck("CONFIG_TLS=n\n", MAKEFLAGS="s -- CONFIG_SET=IPV6=n") == 3


def test_footprint_counts_every_array(monkeypatch):
    """What one more client or backend costs has all arrays in it that its option sizes."""
    monkeypatch.chdir(culvert.ROOT)
    monkeypatch.syspath_prepend(".build")
    footprint = importlib.import_module("footprint")
    asked = re.findall(r'self\.each\("(\w+)"', pathlib.Path(footprint.__file__).read_text())
    assert {"CLIENTS", "BACKENDS", "EXCHANGES"} <= set(asked)
    sized = {}
    for path in [*pathlib.Path("src").rglob("*.[ch]"), *pathlib.Path("port").rglob("*.[ch]")]:
        for name, option in re.findall(r"^(?:static [^=(){}]*?|\} )(\w+)\[[^\]]*?(?:CONFIG_|(?=POSIX_HANDLES))(\w+)",
                                       path.read_text(), re.M):
            if option in (*asked, "POSIX_HANDLES"):
                sized[name] = option
    assert {"lookups", "times", "watched"} <= set(sized)
    counted = footprint.counts()
    assert {name: counted.get(name) for name in sized} == sized
