#!/usr/bin/python3
"""Holds README.md and the manual to the sources: the tables that docs.py makes are up to date, every cause and refusal
has its row, every signal stands in both, and every configuration in README is taken by culvert -t.

    readme_tables.py             check the tables; with CULVERT=BINARY also the configurations
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

import docs
from docs import read


def entries(path, array, pattern):
    """The matches of a pattern within one array of a source file; none at all is an error of this program."""
    body = re.search(re.escape(array) + r".*?\n};", read(path), re.S)
    found = re.findall(pattern, body.group(0)) if body else []
    if not found:
        sys.exit(f"readme_tables: {path} has no {array} as it was; teach this program the new form")
    return found


def expected():
    """(what, the beginning of its row) of all that README must have."""
    for status, who, word in entries("src/proxy/cause.c", "causes[CAUSES] = {", r"\{(\d+), '(.)', \"([\w-]+)\"\}"):
        yield "cause", f"| `{word}` | {status if status != '0' else '-'} | {who} |"
    refusals = entries("src/http/h1_reason.c", "refusals[H1_REASONS] = {", r'\{(\d+), "([\w-]+)", "([^":]+)')
    for status, word, section in refusals:
        yield "refusal", f"| `{word}` | {status} | {section} |"
    for path in sorted(glob.glob("src/side/*.c")):
        for word in re.findall(r'(?:malformed\(ex, |->word = )"([\w-]+)"', read(path)):
            yield "word of " + path, f"| `{word}` |"


def missing(text):
    """What README lacks."""
    lines = [re.sub(r"\s+", " ", line) for line in text.splitlines() if line.startswith("|")]
    for what, row in expected():
        if not any(line.startswith(row) for line in lines):
            yield f"README.md: no row for this {what}: {row}"


def untold_signals(text):
    """Signals that the program takes and that README, the manual or the usage do not tell."""
    (taken,) = re.findall(r"numbers\[\] = \{(.*?)\};", read("port/posix/posix.c")) or sys.exit(
        "readme_tables: port/posix/posix.c has no numbers[] of signals; teach this program the new form")
    manual, usage = read("config/man/culvert.8"), read("src/main.c")
    for signal in taken.split(", "):
        if f"\n| {signal} |" not in text:
            yield f"README.md: no row for {signal}"
        if f".It Dv {signal}\n" not in manual:
            yield f"config/man/culvert.8: no entry for {signal}"
        if signal not in usage:
            yield f"src/main.c: the usage does not tell {signal}"


def snippets(text):
    """(file name, configuration): a first line "# NAME.conf" names the file."""
    for number, block in enumerate(re.findall(r"^```apache\n(.*?)^```", text, re.S | re.M)):
        name = re.match(r"# ([\w.-]+\.conf)\n", block)
        yield name.group(1) if name else f"{number}.conf", block


def pair():
    """A certificate and its key in one PEM text, as a configuration's files hold them."""
    with tempfile.TemporaryDirectory(prefix="culvert-readme-") as where:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"], cwd=where, check=True,
                       capture_output=True)
        return read(os.path.join(where, "cert.pem")) + read(os.path.join(where, "key.pem"))


def with_certificates(block, where, pem):
    """The configuration, with the certificates and keys that it names below `where` instead of /, and there they are."""
    named = re.compile(r"^(SSL\w*Certificate\w*File\s+)(/\S+)$", re.M)
    for _, name in named.findall(block):
        os.makedirs(os.path.dirname(where + name), exist_ok=True)
        with open(where + name, "w", encoding="ascii") as file:
            file.write(pem)
    return named.sub(lambda m: m[1] + where + m[2], block)


def refused(text, culvert):
    """The configurations of README that culvert does not take, or takes with a warning."""
    with tempfile.TemporaryDirectory(prefix="culvert-readme-") as where:
        pem = pair()
        files = {name: with_certificates(block, where, pem) for name, block in snippets(text)}
        if not files:
            yield "README.md: no configuration to try"
        for name, block in files.items():
            with open(os.path.join(where, name), "w", encoding="utf-8") as file:
                file.write(block)
        for name, block in files.items():
            if not re.search(r"^Listen", block, re.M):
                continue  # a part that another one includes
            done = subprocess.run([culvert, "-t", "-c", name], cwd=where, check=False, capture_output=True, text=True)
            if done.returncode != 0 or done.stderr:
                yield f"README.md: this configuration is not taken: {done.stderr.strip()}\n{block}"


def main(args):
    """Run."""
    if args:
        sys.exit(__doc__)
    text = read("README.md")
    faults = [*docs.faults(), *missing(text), *untold_signals(text)]
    if os.environ.get("CULVERT"):
        faults += refused(text, os.path.abspath(os.environ["CULVERT"]))
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"check-readme: {len(list(expected()))} rows, {len(list(snippets(text)))} configurations")
    return 1 if faults else 0


sys.exit(main(sys.argv[1:]))
