#!/usr/bin/python3
"""Makes a C file of a configuration and all files that it names, for CONFIG_BUILTIN_CONF, with a list of them for make.

    builtin.py CHECKER CONF OUT.c

CHECKER (check_conf.c, built for this machine) reads the configuration as the program would. What it says against it ends
the build.
"""
import os
import re
import subprocess
import sys


def place_of(name, confs, folder):
    """Where a configuration names a file, as its messages begin: FILE:LINE: Directive: ."""
    for conf in confs:
        with open(os.path.join(folder, conf), encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                directive = re.match(r"\s*(SSL\w+)\s", line)
                if directive and name in line:
                    return f"{os.path.join(folder, conf)}:{number}: {directive.group(1)}: "
    return os.path.join(folder, confs[0]) + ": "


def read(name, confs, folder):
    """The bytes of a file; ends the build, with the line that names it, when there are none."""
    try:
        with open(os.path.join(folder, name), "rb") as file:
            return file.read()
    except OSError as error:
        sys.exit(f"{place_of(name, confs, folder)}'{name}' cannot be built in: {error.strerror}")


def array(number, content):
    """A file as C."""
    numbers = [str(byte) for byte in content] or ["0"]
    lines = [", ".join(numbers[at:at + 24]) for at in range(0, len(numbers), 24)]
    return f"static const uint8_t file_{number}[] = {{\n    " + ",\n    ".join(lines) + "};\n"


def main(checker, conf, out):
    """Check, then write."""
    folder, name = os.path.split(conf)
    done = subprocess.run([os.path.abspath(checker), name], cwd=folder or ".", check=False, capture_output=True, text=True)
    for line in done.stderr.splitlines():
        print(os.path.join(folder, line) if re.match(r"[^\s:]+:\d+:", line) else line, file=sys.stderr)
    if done.returncode != 0:
        sys.exit(f"{conf}: this configuration cannot be built in (CONFIG_BUILTIN_CONF)")
    names = list(dict.fromkeys(done.stdout.splitlines()))
    files = {name: read(name, names, folder) for name in names}
    with open(out, "w", encoding="utf-8") as file:
        file.write("/* Made by the build: the files that CONFIG_BUILTIN_CONF builds in. */\n#include \"base/builtin.h\"\n\n")
        for number, content in enumerate(files.values()):
            file.write(array(number, content))
        file.write("\nconst struct builtin_file builtin_files[] = {\n")
        for number, (name, content) in enumerate(files.items()):
            quoted = name.replace("\\", "\\\\").replace('"', '\\"')
            file.write(f'    {{"{quoted}", file_{number}, {len(content)}}},\n')
        file.write(f"}};\nconst size_t builtin_count = {len(files)};\n")
    with open(os.path.splitext(out)[0] + ".d", "w", encoding="utf-8") as file:
        paths = [os.path.join(folder, name).replace(" ", "\\ ") for name in files]
        file.write(f"{out}: {' '.join(paths)}\n" + "".join(f"{path}:\n" for path in paths))


if len(sys.argv) != 4:
    sys.exit(__doc__)
main(*sys.argv[1:])
