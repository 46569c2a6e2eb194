#!/usr/bin/python3
"""Holds the house in order: which file may include which, and a few rules of form.

    layering.py [TREE]       one line for each offence, "file:line: reason"; exit 1 when there is one
    layering.py --self-test  shows that each rule refuses what it must
"""
import os
import re
import subprocess
import sys
import tempfile

# Floors of src/, lowest first. Floors on one level stand side by side and do not know each other.
LEVELS = [{"base"}, {"net", "http"}, {"proxy"}, {"side"}, {"ops"}, {"main.c"}]
C_HEADERS = {"assert.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h",
             "string.h"}
TOP = {"src", "port", "include", "config", "tests", "Kconfig", "Makefile", "README.md", "LICENSE"}
MAX_LINES = 450
# Headers that only some files may include: pattern of the header, pattern of the file, the same in words.
RESERVED = [
    (r"nghttp2/", r"src/(http|side)/h2_\w+\.[ch]$", "src/http/h2_* and src/side/h2_*"),
    (r"mbedtls/|psa/", r"src/net/tls\w*\.[ch]$", "src/net/tls*"),
    (r"stdlib\.h$", r"src/base/heap\.c$|port/", "src/base/heap.c and port/"),
    (r"stdio\.h$", r"src/base/text\.c$|port/", "src/base/text.c (vsnprintf) and port/"),
]
HEAP_HOME = "src/base/heap.c"
CONFIG_CHECK = "include/config_check.h"

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
CONDITIONAL = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif|else)\b")
HEAP_CALL = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|free)\s*\(")
OPTION = re.compile(r"\bCONFIG_([A-Z0-9_]+)\b")
NOT_CODE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def code_of(text):
    """The text with comments and literals blanked; lines keep their numbers."""
    return NOT_CODE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def floor_of(path):
    """(name, level) of a file of src/, or None."""
    parts = path.split("/")
    if parts[0] != "src":
        return None
    for level, names in enumerate(LEVELS):
        if parts[1] in names:
            return parts[1], level
    return parts[1], None


def tree_files(tree):
    """The files of the project: those git knows or would add; without git, all but the output directory."""
    try:
        out = subprocess.run(["git", "-C", tree, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             check=True, capture_output=True, text=True).stdout
        return sorted({f for f in out.split("\0") if f and os.path.exists(os.path.join(tree, f))})
    except (OSError, subprocess.CalledProcessError):
        found = []
        for root, folders, files in os.walk(tree):
            if root == tree:
                folders[:] = [f for f in folders if f != "build"]
            found += [os.path.relpath(os.path.join(root, f), tree) for f in files]
        return sorted(found)


class Checker:
    """Reads one tree and collects its offences."""

    def __init__(self, tree):
        self.tree = tree
        self.files = tree_files(tree)
        self.known = set(self.files)
        self.offences = []
        self.edges = {}

    def say(self, path, line, reason):
        """Note one offence."""
        self.offences.append(f"{path}:{line}: {reason}")

    def run(self):
        """All offences of the tree."""
        for top in sorted({f.split("/")[0] for f in self.files}):
            if top not in TOP and not top.startswith("."):
                self.say(top, 1, "does not belong at the top of the tree")
        sources = [f for f in self.files if f.endswith((".c", ".h"))]
        for path in sources:
            if path.split("/")[0] in ("src", "port", "include"):
                self.check_file(path)
            elif not self.read(path).startswith(("/*", "//")):
                self.say(path, 1, "does not begin with a comment that says its job")
        self.check_cycles()
        self.check_options(sources)
        return self.offences

    def read(self, path):
        """The text of a file."""
        with open(os.path.join(self.tree, path), encoding="utf-8") as file:
            return file.read()

    def check_options(self, sources):
        """Every CONFIG_ name in C is an option of Kconfig (a misspelt one counts as off), and every option is used."""
        options, used = {}, set()
        for number, line in enumerate(self.read("Kconfig").splitlines() if "Kconfig" in self.known else [], 1):
            option = re.match(r"config (\w+)$", line)
            if option:
                options.setdefault(option.group(1), number)
        for path in sources:
            for number, line in enumerate(code_of(self.read(path)).splitlines(), 1):
                for name in OPTION.findall(line):
                    if path != CONFIG_CHECK:
                        used.add(name)
                    if name not in options:
                        self.say(path, number, f"CONFIG_{name} is not an option of Kconfig")
        used.update(OPTION.findall(self.read("Makefile")) if "Makefile" in self.known else [])
        for name in sorted(set(options) - used):
            self.say("Kconfig", options[name], f"no code uses {name}")

    def check_file(self, path):
        """The rules for one file of src/, port/ or include/."""
        text = self.read(path)
        lines = text.splitlines()
        if not text.startswith(("/*", "//")):
            self.say(path, 1, "does not begin with a comment that says its job")
        if len(lines) > MAX_LINES:
            self.say(path, MAX_LINES + 1, f"has {len(lines)} lines; a file has one job and at most {MAX_LINES}")
        floor = floor_of(path)
        if floor and floor[1] is None:
            self.say(path, 1, f"src/{floor[0]} is not a floor")
        code = code_of(text).splitlines()
        self.edges[path] = []
        for number, line in enumerate(lines, 1):
            include = INCLUDE.match(line)
            if include and code[number - 1].lstrip().startswith("#"):
                self.check_include(path, number, include.group(2), include.group(1) == "<")
        for number, line in enumerate(code, 1):
            call = HEAP_CALL.search(line)
            if call and path != HEAP_HOME:
                self.say(path, number, f"calls {call.group(1)}(): memory comes from pools and arenas")
        self.check_conditionals(path, code)

    def check_include(self, path, number, name, system):
        """The rules for one #include."""
        for header, home, words in RESERVED:
            if re.match(header, name):
                if not re.match(home, path):
                    self.say(path, number, f"<{name}> is only for {words}")
                return
        if system:
            if not path.startswith("port/") and name not in C_HEADERS:
                self.say(path, number, f"<{name}> is an operating system's header: only port/ includes those")
            return
        target = self.resolve(path, name)
        if target is None:
            self.say(path, number, f'"{name}" is not found from here, from include/ or from src/')
            return
        self.edges[path].append((target, number))
        self.check_floor(path, number, target)

    def resolve(self, path, name):
        """The file that an #include with quotes means, or None."""
        for base in (os.path.dirname(path), "include", "src"):
            target = os.path.normpath(os.path.join(base, name))
            if target in self.known:
                return target
        return None

    def check_floor(self, path, number, target):
        """A file includes only from its own floor, from below, or from include/."""
        home, there = path.split("/")[0], target.split("/")[0]
        if there == "include":
            return
        if home == "include":
            self.say(path, number, f"include/ knows nothing of {target}")
        elif home == "port":
            if os.path.dirname(target) != os.path.dirname(path):
                self.say(path, number, f"a port knows only include/ and its own folder, not {target}")
        elif there != "src":
            self.say(path, number, f"src/ does not include {target}")
        else:
            mine, theirs = floor_of(path), floor_of(target)
            if None in (mine[1], theirs[1]) or mine[0] == theirs[0]:
                return
            if theirs[1] > mine[1]:
                self.say(path, number, f"{mine[0]}/ must not include from the higher floor {theirs[0]}/")
            elif theirs[1] == mine[1]:
                self.say(path, number, f"{mine[0]}/ and {theirs[0]}/ stand side by side and do not know each other")

    def check_conditionals(self, path, code):
        """No #if within a function: an outermost brace after ')' opens one."""
        depth, last, function = 0, "", False
        continued = False
        for number, line in enumerate(code, 1):
            directive = continued or line.lstrip().startswith("#")
            if directive:
                if function and depth > 0 and not continued and CONDITIONAL.match(line):
                    self.say(path, number, "preprocessor conditional within a function: use IS_ENABLED or a file")
                continued = line.rstrip().endswith("\\")
                continue
            for char in line:
                if char == "{":
                    if depth == 0:
                        function = last == ")"
                    depth += 1
                elif char == "}":
                    depth -= 1
                if not char.isspace():
                    last = char

    def check_cycles(self):
        """No file includes itself, by whatever way."""
        done = set()

        def visit(path, way):
            if path in done:
                return
            for target, number in self.edges.get(path, []):
                if target in way or target == path:
                    circle = (way + [path])[(way + [path]).index(target):] + [target]
                    self.say(path, number, "includes in a circle: " + " -> ".join(circle))
                else:
                    visit(target, way + [path])
            done.add(path)

        for path in sorted(self.edges):
            visit(path, [])


GOOD = {
    "Makefile": "src-$(CONFIG_ROOM) += src/proxy/room.c\n",
    "Kconfig": "config CLIENTS\n\tint\n\nconfig ROOM\n\tbool\n",
    "include/config_check.h": "/* Combinations. */\n#if CONFIG_CLIENTS < 1\n#endif\n",
    ".gitignore": "",
    "include/port.h": "/* The contract. */\n#include <stdint.h>\n",
    "include/compiler.h": "/* Attributes. */\n",
    "port/posix/poll.c": '/* Polls. */\n#include <poll.h>\n#include "port.h"\n',
    "src/main.c": '/* Starts, with CONFIG_N. */\n#include "ops/config.h"\nint c[CONFIG_CLIENTS];\nint main(void)\n{\n    return 0;\n}\n',
    "src/ops/config.h": "/* Settings. */\n",
    "src/base/heap.c": "/* The wraps. */\n#include <stdlib.h>\nvoid f(void)\n{\n    free(0);\n}\n",
    "src/base/text.h": "/* Slices. malloc() in a comment is no call. */\n#include <string.h>\n",
    "src/net/conn.h": '/* Bytes. */\n#include "base/text.h"\n#include "port.h"\n',
    "src/http/head.h": '/* A head. */\n#include "base/text.h"\n',
    "src/http/h2_session.c": "/* Sessions. */\n#include <nghttp2/nghttp2.h>\n#ifdef X\nint x;\n#endif\n",
    "src/proxy/route.c": '/* Routes. */\n#include "http/head.h"\n#include "net/conn.h"\n',
    "tests/unit/test_text.c": "/* Tests slices. */\n#include <stdlib.h>\n",
}

BAD = [
    ("src/base/text.c", '/* x */\n#include "net/conn.h"\n', "src/base/text.c:2: base/ must not include from the higher"),
    ("src/proxy/x.c", '/* x */\n#include "ops/config.h"\n', "src/proxy/x.c:2: proxy/ must not include from the higher"),
    ("src/net/x.c", '/* x */\n#include "http/head.h"\n', "src/net/x.c:2: net/ and http/ stand side by side"),
    ("src/http/x.c", '/* x */\n\n#include "net/conn.h"\n', "src/http/x.c:3: http/ and net/ stand side by side"),
    ("src/extra/x.c", "/* x */\n", "src/extra/x.c:1: src/extra is not a floor"),
    ("src/proxy/x.c", "/* x */\n#include <nghttp2/nghttp2.h>\n", "src/proxy/x.c:2: <nghttp2/nghttp2.h> is only for"),
    ("src/side/h1_x.c", "/* x */\n#include <nghttp2/nghttp2.h>\n", "src/side/h1_x.c:2: <nghttp2/nghttp2.h> is only"),
    ("src/net/conn.c", "/* x */\n#include <mbedtls/ssl.h>\n", "src/net/conn.c:2: <mbedtls/ssl.h> is only for"),
    ("src/base/x.c", "/* x */\n#include <stdlib.h>\n", "src/base/x.c:2: <stdlib.h> is only for"),
    ("src/net/x.c", "/* x */\n#include <sys/socket.h>\n", "src/net/x.c:2: <sys/socket.h> is an operating system's"),
    ("src/main.c", "/* x */\n#include <stdio.h>\nint c[CONFIG_CLIENTS];\n", "src/main.c:2: <stdio.h> is only for"),
    ("include/port.h", "/* x */\n#include <errno.h>\n", "include/port.h:2: <errno.h> is an operating system's"),
    ("include/port.h", '/* x */\n#include "base/text.h"\n', "include/port.h:2: include/ knows nothing of"),
    ("port/posix/x.c", '/* x */\n#include "base/text.h"\n', "port/posix/x.c:2: a port knows only include/"),
    ("src/base/x.c", '/* x */\n#include "nowhere.h"\n', 'src/base/x.c:2: "nowhere.h" is not found'),
    ("src/net/conn.h", '/* x */\n#include "loop.h"\n', "includes in a circle: src/net/conn.h -> src/net/loop.h -> "),
    ("src/base/x.c", "/* x */\nvoid f(void)\n{\n    g(malloc(1));\n}\n", "src/base/x.c:4: calls malloc()"),
    ("port/posix/x.c", "/* x */\nvoid f(void)\n{\n    free (0);\n}\n", "port/posix/x.c:4: calls free()"),
    ("src/base/x.c", "/* x */\nint f(void)\n{\n#ifdef A\n    return 1;\n#endif\n}\n",
     "src/base/x.c:4: preprocessor conditional within a function"),
    ("src/base/x.c", "int x;\n", "src/base/x.c:1: does not begin with a comment"),
    ("tests/unit/test_x.c", "int x;\n", "tests/unit/test_x.c:1: does not begin with a comment"),
    ("src/base/x.c", "/* x */\n" + "int x;\n" * 450, "src/base/x.c:451: has 451 lines"),
    ("src/base/x.c", "/* x */\nint x = CONFIG_CLIENT;\n", "src/base/x.c:2: CONFIG_CLIENT is not an option of Kconfig"),
    ("Kconfig", GOOD["Kconfig"] + "\nconfig IDLE\n\tint\n", "Kconfig:7: no code uses IDLE"),
    ("docs/notes.md", "x\n", "docs:1: does not belong at the top"),
]


def offences_of(files):
    """The offences of a tree that is written for the purpose."""
    with tempfile.TemporaryDirectory() as tree:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(tree, path)), exist_ok=True)
            with open(os.path.join(tree, path), "w", encoding="utf-8") as file:
                file.write(text)
        return Checker(tree).run()


def self_test():
    """A good tree passes; each bad file is refused with its reason, and with nothing else."""
    failed = 0
    good = offences_of(GOOD)
    if good:
        failed += 1
        print("self-test: the good tree is refused:", *good, sep="\n  ")
    for path, text, reason in BAD:
        more = {"src/net/loop.h": '/* x */\n#include "conn.h"\n'} if '"loop.h"' in text else {}
        offences = offences_of({**GOOD, path: text, **more})
        if len(offences) != 1 or reason not in offences[0]:
            failed += 1
            print(f"self-test: expected \"{reason}\", got", *(offences or ["nothing"]), sep="\n  ")
    print(f"layering self-test: {len(BAD) + 1 - failed} passed, {failed} failed")
    return failed == 0


def main(args):
    """Check a tree, or the checker."""
    if args == ["--self-test"]:
        return 0 if self_test() else 1
    checker = Checker(args[0] if args else ".")
    offences = checker.run()
    for offence in offences:
        print(offence)
    if not checker.edges:
        print("layering: there is no source to check")
        return 1
    print(f"layering: {len(checker.edges)} files, {len(offences)} offences")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
