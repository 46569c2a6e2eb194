#!/usr/bin/python3
"""The deepest stack of the program's own code, from gcc's call graphs (-fcallgraph-info=su) and the sources.

    stack.py OUTDIR            prints the deepest path; fails when a function can call itself, when a frame has no fixed
                               size, or when an indirect call is not understood
    stack.py --limit N OUTDIR  fails also when the path is deeper than N bytes

A call through a pointer may reach every function of its type whose address is taken. What a library calls back is what
its functions in CALLERS may call: the functions whose address is taken and that nothing of ours calls through a pointer.
The frames of libraries themselves are not in it.
"""
import collections
import glob
import os
import re
import sys

NODE = re.compile(r'^node: { title: "([^"]+)" label: "([^"]*)"', re.M)
EDGE = re.compile(r'^edge: { sourcename: "([^"]+)" targetname: "([^"]+)"(?: label: "([^"]+)")?', re.M)
DEFINITION = re.compile(r"^(?!typedef|#|//|\s)([\w \*]*?)\b(\w+)\(([^;{}()]*(?:\([^()]*\)[^;{}()]*)*)\)\n{", re.M)
MEMBER = r"\(\*\s*(?:const )?%s\)\(([^;{}]*?)\)\s*[;,)]"
FN_TYPE = re.compile(r"^typedef [\w \*]*?\b(\w+)\(([^;{}]*)\);", re.M)
# Functions of libraries that call functions of ours, and where those are.
CALLERS = [(r"nghttp2_session_(mem_recv|mem_send|del)$", r"src/(http|side)/"), (r"nghttp2_", r"src/http/h2_mem"),
           (r"mbedtls_ssl_(handshake|read|write|close_notify)", r"src/net/tls"),
           (r"ares_(process_fd|getaddrinfo|cancel|destroy)$", r"port/"),
           (r"(qsort|bsearch)$", r"(src|port)/")]
# A function may call itself through these: each round takes another one of a balancer's members, so the depth has a bound.
BOUNDED = {"src/proxy/balanced.c:move"}


def read(path):
    """A text file."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def types(params):
    """The types of a list of parameters, without their names."""
    found = []
    for param in re.sub(r"/\*.*?\*/", "", params, flags=re.S).split(","):
        words = re.sub(r"\s*\*\s*", "* ", param.strip()).split()
        words = [w for w in words if w not in ("const", "volatile", "restrict")]
        if len(words) > 1 and not words[-1].endswith("*") and words[-2] not in ("struct", "enum", "union") \
                and words[-1] not in ("int", "long", "short", "char"):
            words = words[:-1]
        found.append(" ".join(words).replace("* *", "**"))
    return tuple(found)


class Program:
    """The sources' functions, and the call graph of a build."""

    def __init__(self, directory):
        self.files = {p: read(p) for p in glob.glob("src/**/*.[ch]", recursive=True) + glob.glob("port/**/*.[ch]", recursive=True)
                      + glob.glob("include/*.h")}
        self.expand()
        self.fn_types = {}
        for text in self.files.values():
            self.fn_types.update({name: types(params) for name, params in FN_TYPE.findall(text)})
        self.rounds = 0  # bytes of the largest cycle that is bounded
        self.size, self.edges, self.faults = {}, collections.defaultdict(set), []
        self.read_graphs(directory)
        self.titles = collections.defaultdict(set)
        for title in self.size:
            self.titles[re.sub(r"\..*$", "", title.split(":")[-1])].add(title)
        self.taken = self.addresses()
        self.resolve()

    def expand(self):
        """Writes out the macros that are the head of a function, NAME(function)."""
        heads = {}
        for text in self.files.values():
            for name, arg, body in re.findall(r"^#define (\w+)\((\w+)\)\s+((?:.*\\\n)*.*)$", text, re.M):
                if re.search(r"\b%s\(" % arg, body):
                    heads[name] = (arg, body.replace("\\\n", " "))
        for path, text in self.files.items():
            for name, (arg, body) in heads.items():
                text = re.sub(r"\b%s\((\w+)\)(?=\s*[{;])" % name,
                              lambda m, a=arg, b=body: re.sub(r"\b%s\b" % a, m.group(1), b), text)
            self.files[path] = text

    def read_graphs(self, directory):
        """Nodes with their frames, edges, and the places of indirect calls."""
        self.indirect = collections.defaultdict(set)
        for path in glob.glob(os.path.join(directory, "**", "*.ci"), recursive=True):
            text = read(path)
            for title, label in NODE.findall(text):
                frame = re.search(r"(\d+) bytes \((\w+(?:,\w+)?)\)", label)
                if not frame:
                    continue
                self.size[title] = int(frame.group(1))
                if frame.group(2) == "dynamic":
                    self.faults.append(f"{title}: its frame has no fixed size")
            for source, target, where in EDGE.findall(text):
                if target == "__indirect_call":
                    self.indirect[source].add(where)
                else:
                    self.edges[source].add(target)

    def addresses(self):
        """{type: {title}} of functions whose address is taken."""
        found = collections.defaultdict(set)
        defined = {}
        self.home = {}
        for path, text in self.files.items():
            for _, name, params in DEFINITION.findall(text):
                defined.setdefault(name, set()).add((path, types(params)))
        for path, text in self.files.items():
            plain = re.sub(r"/\*.*?\*/|\"[^\"\n]*\"", "", text, flags=re.S)
            for name in set(re.findall(r"\b([a-z_]\w+)\b(?!\s*\()", plain)) & set(defined):
                for home, kind in defined[name]:
                    local = [t for t in self.titles[name] if t.startswith(home + ":")]
                    for title in local if home == path else [t for t in self.titles[name] if ":" not in t]:
                        found[kind].add(title)
                        self.home[title] = home
        return found

    def signature(self, member):
        """The types of a pointer's parameters."""
        found = set()
        for text in self.files.values():
            found.update(types(params) for params in re.findall(MEMBER % re.escape(member), text))
            for kind in re.findall(r"\b(\w+) \*(?:const )?%s\b" % re.escape(member), text):
                if kind in self.fn_types:
                    found.add(self.fn_types[kind])
        return found

    def resolve(self):
        """Adds the edges of indirect calls and of libraries."""
        called = set()
        for source, places in self.indirect.items():
            for place in places:
                path, line, column = place.rsplit(":", 2)
                lines = read(path).split("\n")[int(line) - 1:int(line) + 2]
                text = lines[0][int(column) - 1:] + " ".join(lines[1:])
                name = re.search(r"(\w+)\)?(?:\[[^\]]*\])?\(", text)
                kinds = self.signature(name.group(1)) if name else set()
                targets = set().union(*(self.taken[k] for k in kinds)) if kinds else set()
                if not targets:
                    self.faults.append(f"{place}: what does this call? {text.strip()[:60]}")
                self.edges[source] |= targets - {source}
                called |= targets
        free = set().union(*self.taken.values()) - called
        for library in {t for targets in list(self.edges.values()) for t in targets if t not in self.size}:
            for pattern, home in CALLERS:
                if re.match(pattern, library):
                    self.edges[library] |= {t for t in free if re.match(home, self.home[t])}
                    break

    def deepest(self, start):
        """(bytes, path) of the deepest path; a function that can call itself is a fault."""
        done, path = {}, []

        def visit(title):
            if title in done:
                return done[title]
            if title in path:
                cycle = path[path.index(title):]
                if BOUNDED & set(cycle):
                    self.rounds = max(self.rounds, sum(self.size.get(t, 0) for t in cycle))
                else:
                    self.faults.append("a function can call itself: " + " -> ".join(cycle + [title]))
                return (0, ())
            path.append(title)
            below = max((visit(t) for t in sorted(self.edges.get(title, ()))), default=(0, ()))
            path.pop()
            done[title] = (self.size.get(title, 0) + below[0], (title,) + below[1])
            return done[title]

        return visit(start)


def main(args):
    """Print the path; 1 when there is a fault."""
    limit = int(args[1]) if args[0] == "--limit" else None
    program = Program(args[-1])
    if not program.size:
        sys.exit("stack.py: no call graph; build with CFLAGS=-fcallgraph-info=su")
    sys.setrecursionlimit(10000)
    deep, path = program.deepest("main")
    print(f"stack: {deep:,} bytes at most in {len(program.size)} functions of our own; the deepest path:")
    for title in path:
        print(f"  {program.size.get(title, 0):6,}  {title.split('/')[-1]}" + ("" if title in program.size else "  (library)"))
    if program.rounds:
        print(f"  and {program.rounds} bytes for each more of a balancer's members that fail at once")
    for fault in sorted(set(program.faults)):
        print("stack: " + fault)
    if limit and deep > limit:
        print(f"stack: more than the {limit:,} bytes that are allowed")
        return 1
    return 1 if program.faults else 0


sys.exit(main(sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
