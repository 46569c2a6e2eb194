"""The Makefile's own words: what it configures, and what it refuses."""
import glob
import os

import pytest

import culvert
from procs import run


def make(folder, *goals):
    """Runs make with an output folder of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    return run(["make", "-s", "-C", culvert.ROOT, f"O={folder}", *goals], env=environment)


def test_a_configuration_that_there_is_not(tmp_path):
    """A misspelt name does not become the defaults."""
    (tmp_path / ".config").write_text("CONFIG_CLIENTS=33\n")
    done = make(tmp_path, "routr_defconfig")
    assert done.returncode != 0 and "There is no config/routr_defconfig. There are: " in done.stderr, done.stderr
    assert "router_defconfig" in done.stderr and done.stdout == ""
    assert (tmp_path / ".config").read_text() == "CONFIG_CLIENTS=33\n"


@pytest.mark.parametrize("path", sorted(glob.glob(os.path.join(culvert.ROOT, "config", "*_defconfig"))), ids=os.path.basename)
def test_configurations_have_the_least_form(path, tmp_path):
    """They stand as make savedefconfig writes them, so that a change of one shows what was meant, and nothing else."""
    done = make(tmp_path, os.path.basename(path))
    assert done.returncode == 0, done.stderr
    done = make(tmp_path, "savedefconfig")
    assert done.returncode == 0, done.stderr
    with open(path, encoding="utf-8") as file:
        assert (tmp_path / "defconfig").read_text() == file.read()
