#!/usr/bin/python3
"""The static memory of builds, as a Markdown table read from their linked binaries.

    footprint.py OUTDIR...
    footprint.py --limit BYTES OUTDIR        only tells whether data and bss are within a limit
    footprint.py --code-limit BYTES OUTDIR   only tells whether the program's own code is

CROSS_COMPILE names the toolchain whose size and nm are asked.
"""
import glob
import math
import os
import re
import subprocess
import sys

TEXT = (".text", ".init", ".fini", ".plt", ".plt.got", ".plt.sec")
DATA = (".data", ".got", ".got.plt", ".data.rel.ro", ".init_array", ".fini_array", ".dynamic", ".tdata")
BSS = (".bss", ".tbss")
# Sections that are not loaded into memory.
UNLOADED = re.compile(r"\.(debug|comment|gnu\.build|note\.gnu\.gold|symtab|strtab|shstrtab|ARM\.attributes|gnu_debug)")
SHOWN = 20  # of the largest objects
LIMITS = {"--limit": "RAM", "--code-limit": "own code"}
POOL = re.compile(r"^POOL\(\s*(\w+)\s*,[^,]+,\s*(\w+)\s*\)", re.M)
MACRO = re.compile(r"^#define (\w+) \(?CONFIG_(\w+)(?:\)?$| \* )", re.M)  # not: a sum of two options
ARRAY = re.compile(r"^(?:static\s[^;=(){}]*?\b|\} )(\w+)\[(CONFIG_\w+|POSIX_HANDLES)(?: [*+] \w+)?\](?:\[[^\]]*\])*\s*[;=]", re.M)
HANDLES = re.compile(r"^#define POSIX_HANDLES \((.*)\)$", re.M)


def tool(name, *args):
    """Output of a tool of the toolchain."""
    return subprocess.run([os.environ.get("CROSS_COMPILE", "") + name, *args], check=True, capture_output=True,
                          text=True).stdout


def counts():
    """Which option counts the items of which static array: read from the sources, {symbol: option}."""
    found, macros = {}, {}
    for path in sorted(glob.glob("src/**/*.[ch]", recursive=True) + glob.glob("port/**/*.[ch]", recursive=True)):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        macros.update(dict(MACRO.findall(text)))
        found.update({name + "_pool_storage": count for name, count in POOL.findall(text)})
        found.update(dict(ARRAY.findall(text)))
    return {name: macros.get(count, count.removeprefix("CONFIG_")) for name, count in found.items()}


class Build:
    """One output directory."""

    def __init__(self, directory):
        self.binary = os.path.join(directory, "culvert")
        self.config = {}
        with open(os.path.join(directory, "include", "auto.conf"), encoding="utf-8") as file:
            self.config = {n: int(v) for n, v in re.findall(r"^CONFIG_(\w+)=(\d+)$", file.read(), re.M)}
        name = re.sub(r"-(gcc|clang)$", "", os.path.basename(os.path.normpath(directory)))
        self.name = name
        self.sections = {"text": 0, "rodata": 0, "data": 0, "bss": 0}
        for line in tool("size", "-A", self.binary).splitlines():
            part = line.split()
            if len(part) != 3 or not part[0].startswith(".") or UNLOADED.match(part[0]):
                continue
            kind = "text" if part[0] in TEXT else "data" if part[0] in DATA else "bss" if part[0] in BSS else "rodata"
            self.sections[kind] += int(part[1])
        with open(self.binary, "rb") as file:
            self.pointer = 8 if file.read(5)[4] == 2 else 4
        self.objects = {}
        for line in tool("nm", "-S", "--defined-only", self.binary).splitlines():
            part = line.split()
            if len(part) == 4 and part[2] in "bB":
                symbol = re.sub(r"(\.\d+|@.*)$", "", part[3])
                self.objects[symbol] = self.objects.get(symbol, 0) + int(part[1], 16)

    def each(self, option, counted):
        """Bytes of all arrays that an option counts, for one item; None without such an array."""
        sizes = [size for symbol, size in self.objects.items() if counted.get(symbol) == option]
        return sum(sizes) // self.config[option] if sizes else None

    def each_handle(self, counted):
        """Bytes of the loop's tables for one descriptor."""
        with open("port/posix/posix.h", encoding="utf-8") as file:
            (terms,) = HANDLES.findall(file.read())
        numbers = [[int(n) if n.isdigit() else self.config[n.removeprefix("CONFIG_")] for n in term.split(" * ")]
                   for term in terms.split(" + ")]
        sizes = [size for symbol, size in self.objects.items() if counted.get(symbol) == "POSIX_HANDLES"]
        return sum(sizes) // sum(map(math.prod, numbers))

    def each_of(self, symbol, *options):
        """Bytes of an array that has an item for each of what several options count; None without it."""
        return self.objects[symbol] // sum(self.config[option] for option in options) if symbol in self.objects else None

    def blocks(self, window):
        """Bytes of body blocks that are set aside for one window: it may begin and end within a block."""
        return (self.config[window] // self.config["BODY_BLOCK"] + 1) * (self.config["BODY_BLOCK"] + self.pointer)

    def stack(self):
        """Bytes of the deepest stack of our own code; None without call graphs."""
        found = subprocess.run([sys.executable, "-B", ".build/stack.py", os.path.dirname(self.binary)], check=False,
                               capture_output=True, text=True).stdout
        deep = re.match(r"stack: ([\d,]+) bytes", found)
        return deep.group(1) if deep else None

    def own_text(self):
        """Bytes of code of src/ and port/ in the linked binary."""
        own = set()
        for path in glob.glob(os.path.join(os.path.dirname(self.binary), "obj", "**", "*.o"), recursive=True):
            if os.sep + "tests" + os.sep not in path:
                own.update(re.findall(r"^\S+ [tT] (\S+)$", tool("nm", "--defined-only", path), re.M))
        symbols = re.findall(r"^\S+ (\S+) [tT] (\S+)$", tool("nm", "-S", "--defined-only", self.binary), re.M)
        return sum(int(size, 16) for size, symbol in symbols if symbol in own)

    def rows(self, counted):
        """(title, bytes) of what is derived."""
        return [
            ("each client connection, which is all that an idle HTTP/1.1 client takes",
             self.each("CLIENTS", counted) + self.each_handle(counted)),
            ("each HTTP/2 client in addition", self.each("H2_CLIENTS", counted)),
            ("each HTTP/2 connection, of a client or to a backend, while it is busy: the extent that is kept for it",
             self.each_of("h2_extent_pool_storage", "H2_CLIENTS", "BACKEND_CONNS")),
            ("each request in progress: its heads and state", self.each("EXCHANGES", counted)),
            ("each request in progress: the guaranteed blocks of its response", self.blocks("RESPONSE_WINDOW")),
            ("each request with a body: its guaranteed blocks", self.blocks("REQUEST_WINDOW")),
            ("each head above what requests have of their own", self.each("HEADS_LARGE", counted)),
            ("each backend connection", self.each("BACKEND_CONNS", counted) + self.each_handle(counted)),
            ("each TLS connection of a client", self.each("TLS_CLIENTS", counted)),
            ("each TLS connection to a backend", self.each("TLS_BACKENDS", counted)),
            ("each backend server", self.each("BACKENDS", counted)),
        ]


def title_of(symbol):
    """A symbol as a reader knows it."""
    return re.sub(r"_(pool_)?storage$", "", symbol).replace("_", " ") + f" (`{symbol}`)"


def line(title, values):
    """One row of the table."""
    print("| " + " | ".join([title] + ["-" if v is None else v if isinstance(v, str) else f"{v:,}" for v in values]) + " |")


def main(directories):
    """Print the table."""
    builds = [Build(d) for d in directories]
    counted = counts()
    line("bytes", [b.name for b in builds])
    print("|---|" + "---:|" * len(builds))
    for kind in ("text", "rodata", "data", "bss"):
        line(kind, [b.sections[kind] for b in builds])
    line("of text, the program's own code", [b.own_text() for b in builds])
    line("**flash (text + rodata + data)**", [f"**{sum(b.sections[k] for k in ('text', 'rodata', 'data')):,}**" for b in builds])
    line("**RAM (data + bss)**", [f"**{b.sections['data'] + b.sections['bss']:,}**" for b in builds])
    line("stack of its own code at most", [b.stack() for b in builds])
    line("*bss by object*", ["" for _ in builds])
    symbols = sorted({s for b in builds for s in b.objects}, key=lambda s: (-max(b.objects.get(s, 0) for b in builds), s))
    for symbol in symbols[:SHOWN]:
        line(title_of(symbol), [b.objects.get(symbol) for b in builds])
    line("all else", [b.sections["bss"] - sum(b.objects.get(s, 0) for s in symbols[:SHOWN]) for b in builds])
    line("*cost of one more*", ["" for _ in builds])
    for title, *_ in builds[0].rows(counted):
        line(title, [dict(b.rows(counted))[title] for b in builds])


def keep(what, limit, directory):
    """Whether a build keeps to a limit of RAM, or of its own code; says so."""
    build = Build(directory)
    taken = build.own_text() if what == "own code" else build.sections["data"] + build.sections["bss"]
    print(f"footprint: the {build.name} build takes {taken:,} bytes of {what}; its limit is {limit:,}")
    return taken <= limit


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in LIMITS:
        sys.exit(0 if keep(LIMITS[sys.argv[1]], int(sys.argv[2]), sys.argv[3]) else 1)
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
