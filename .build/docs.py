#!/usr/bin/python3
"""Writes the tables of README.md and of the manual from their one source: directives and keys from .build/directives.txt,
options from Kconfig and config/*_defconfig, the manual's reasons from README.md.

    docs.py            write them (make docs)
    docs.py --check    say what is not up to date, or has no entry; exit status 1 when there is something

A generated region stands between two lines: "<!-- make docs: NAME -->" and "<!-- end -->" in README.md, '.\\" make docs:
NAME' and '.\\" end' in a manual page.
"""
import difflib
import re
import sys
import textwrap

import kconfiglib

import openwrt

DEFCONFIGS = ("host", "router", "tiny")
SOURCE = ".build/directives.txt"
TABLE = "src/ops/config_directives.c"
README = "README.md"
PAGES = ("config/man/culvert.8", "config/man/culvert.conf.5")
# What culvert -t -v has no line for: ProxyTimeout is told by each backend's timeout=, ProxySet by <Proxy>, RemoteIPProxyProtocol
# by each Listen, Include by what is included; the rest can only say one thing.
UNPRINTED = {"ProxyTimeout", "ProxySet", "RemoteIPProxyProtocol", "Include", "ProxyRequests", "SSLEngine",
             "SSLHonorCipherOrder", "SSLCompression", "SSLProxyEngine"}
OPENWRT = "port/openwrt/Config.in"
SAME = "-"  # README's sign for "nothing to say"


def read(path):
    """A text file."""
    with open(path, encoding="utf-8") as file:
        return file.read()


# ---- the sources ----

def entries():
    """{section: {name: {field: text}}} of directives.txt."""
    sections, entry, field = {}, None, None
    for number, line in enumerate(read(SOURCE).splitlines(), 1):
        where = f"{SOURCE}:{number}"
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif not line.startswith(" "):
            if line in section:
                sys.exit(f"{where}: {line} is there twice")
            entry = section[line] = {}
        elif re.match(r"    \w+: ", line):
            field, text = line.strip().split(": ", 1)
            if field not in ("arguments", "default", "meaning", "differs") or field in entry:
                sys.exit(f"{where}: no field, or the second one of this name: {field}")
            entry[field] = text
        elif line.startswith("        "):
            entry[field] += " " + line.strip()
        else:
            sys.exit(f"{where}: expected FIELD: TEXT")
    return sections


def needs():
    """{directive: Kconfig option or None}, in the order of the source's table."""
    body = re.search(r"directives\[\] = \{.*?\n};", read(TABLE), re.S)
    found = {}
    for row in re.split(r"\n    \{", body.group(0) if body else "")[1:]:
        name = re.match(r'\w+\("(\w+)"', row)
        option = re.search(r"NEEDS\((\w+)\)", row)
        if not name:
            sys.exit(f"docs: {TABLE} has a row of a new form; teach this program: {row}")
        found[name.group(1)] = option and option.group(1)
    return found


def unprinted():
    """Directives that culvert -t -v does not print, by the rows of the table."""
    body = re.search(r"directives\[\] = \{.*?\n};", read(TABLE), re.S)
    names = set()
    for row in re.split(r"\n    \{", body.group(0))[1:]:
        macro, name = re.match(r'(\w+)\("(\w+)"', row).groups()
        if macro not in ("FLAG", "TIME", "NUMBER") and not re.search(r"PRINT\(|NEEDS\([^)]*\bconf_print_\w+\)", row):
            names.add(name)
    return names


def kconfig_rows():
    """(name, values, prompt) of every symbol that is asked for, in the order of Kconfig."""
    values = {}
    for name in DEFCONFIGS:
        kconf = kconfiglib.Kconfig("Kconfig", warn=False)
        kconf.load_config(f"config/{name}_defconfig")
        for symbol in kconf.unique_defined_syms:
            values.setdefault(symbol.name, []).append(symbol.str_value)
    for symbol in kconf.unique_defined_syms:
        prompt = next((node.prompt[0] for node in symbol.nodes if node.prompt), None)
        if prompt:
            yield symbol.name, values[symbol.name], prompt


def readme_table(first_cells):
    """The rows of a table of README.md, as lists of cells; found by the beginning of its head."""
    lines = iter(read(README).splitlines())
    for line in lines:
        if line.startswith(first_cells):
            break
    else:
        sys.exit(f"docs: {README} has no table {first_cells}")
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


# ---- Markdown ----

def row(*cells):
    """A row of a table."""
    return "|" + "".join(f" {cell.replace('|', chr(92) + '|')} |" if cell else " |" for cell in cells)


def meaning_of(entry, option):
    """What a directive means, and what it needs."""
    return entry["meaning"] + (f" Needs `{option}`." if option else "")


def md_directives():
    """README's table of directives."""
    options = needs()
    yield "| Directive | Arguments | Default | Meaning | Differs from httpd |\n|---|---|---|---|---|"
    for name, entry in entries()["directives"].items():
        yield row(f"`{name}`", entry["arguments"], entry.get("default", ""), meaning_of(entry, options.get(name)),
                  entry.get("differs", SAME))


def md_keys(of):
    """README's table of the keys of one directive."""
    yield "| Key | Default | |\n|---|---|---|"
    for name, entry in entries()["keys of " + of].items():
        yield row(", ".join(f"`{part}`" for part in name.split(", ")), entry.get("default", ""), entry["meaning"])


def md_kconfig():
    """README's table of options."""
    yield "| Symbol | " + " | ".join(DEFCONFIGS) + " | |\n|---|" + "---:|" * len(DEFCONFIGS) + "---|"
    for name, values, prompt in kconfig_rows():
        yield row(f"`{name}`", *values, prompt)


# ---- mdoc ----

def plain(text):
    """Text that troff takes as it is."""
    return text.replace("\\", "\\e").replace("…", "...").replace("-", "\\-").replace("'", "\\(aq").replace('"', "\\(dq")


def argument(code):
    """A code span as one argument of a macro."""
    return f'"{plain(code)}{chr(92)}&"' if " " in code else f"\\&{plain(code)}\\&"


def sentences(text):
    """Its sentences: each begins a line in mdoc."""
    return re.split(r"(?<=[.:?!]) (?=[A-Z`0-9])", text)


def prose(text):
    """Lines of mdoc for text with `code`."""
    text = re.sub(r"\[([^]]*)\]\(#[^)]*\)", r"\1", text)  # links within README
    for sentence in sentences(text):
        pieces = re.split(r"([^\s`]*`[^`]+`[^\s`]*)", sentence)
        for piece in pieces:
            code = re.match(r"([^\s`]*)`([^`]+)`([^\s`]*)$", piece)
            if not code:
                for line in textwrap.wrap(plain(piece.strip()), 78, break_long_words=False, break_on_hyphens=False):
                    yield ("\\&" if line.startswith((".", "'")) else "") + line
                continue
            before, word, after = code.groups()
            line = (f".Pf {plain(before)} Ql " if before else ".Ql ") + argument(word)
            if after and not re.fullmatch(r"[.,:;()?!]+", after):
                yield line + " Ns " + argument(after)
            else:
                yield line + "".join(" " + c for c in after)


def item(macro, name, arguments):
    """The head of a list's item, with arguments in which only `code` is to be typed."""
    parts = []
    for piece in re.split(r"(`[^`]+`)", arguments):
        if piece.startswith("`"):
            parts.append("Ar " + argument(piece.strip("`")))
        elif piece.strip():
            words = piece.split()
            if re.fullmatch(r"[,;]", words[0]):
                parts.append(words.pop(0))
            parts += ["No " + " ".join("\\&" + plain(word) for word in words)] if words else []
    return f".It {macro} {name}" + "".join(" " + part for part in parts)


def listed(width, items):
    """A list of items, each a list of lines."""
    yield f".Bl -tag -width {width}"
    for lines in items:
        yield from lines
    yield ".El"


def stop(text):
    """Text that ends in a full stop."""
    return text if text.endswith((".", ":")) else text + "."


def mdoc_directive(name, entry, option):
    """One directive."""
    yield item("Ic", name, entry["arguments"])
    yield from prose(stop(meaning_of(entry, option)))
    if entry.get("default"):
        yield from prose("Default: " + stop(entry["default"].replace(" *", " (an option of the build)")))
    if entry.get("differs"):
        yield from prose("Differs from httpd: " + stop(entry["differs"]))


def mdoc_directives():
    """The manual's list of directives."""
    options = needs()
    yield from listed("Ds", (mdoc_directive(name, entry, options.get(name))
                             for name, entry in entries()["directives"].items()))


def mdoc_key(name, entry):
    """One key."""
    yield ".It " + " , ".join(f"Cm {part}" for part in name.split(", "))
    yield from prose(stop(entry["meaning"]))
    if entry.get("default"):
        yield from prose("Default: " + stop(entry["default"].replace(" *", " (an option of the build)")))


def mdoc_keys(of):
    """The manual's list of keys of one directive."""
    yield from listed("Ds", (mdoc_key(name, entry) for name, entry in entries()["keys of " + of].items()))


def mdoc_kconfig():
    """The manual's list of options."""
    def option(name, values, prompt):
        yield f".It Dv {name}"
        told = ", ".join(f"{value or 'none'} in {defconfig}" for defconfig, value in zip(DEFCONFIGS, values))
        yield from prose(f"{stop(prompt)} {told}.")
    yield from listed("Ds", (option(*found) for found in kconfig_rows()))


def mdoc_reasons():
    """The manual's list of the log's reasons."""
    def reason(word, status, _, text):
        yield f".It Li {plain(word.strip('`'))} Pq {status if status != SAME else 'no answer'}"
        yield from prose(stop(text))
    yield from listed("Ds", (reason(*cells) for cells in readme_table("| Reason | Status | Who |")))


def mdoc_refusals():
    """The manual's list of refusals."""
    def refusal(word, status, section, text):
        yield f".It Li {plain(word.strip('`'))} Pq {status}, {section}"
        yield from prose(stop(text))
    yield from listed("Ds", (refusal(*cells) for cells in readme_table("| Reason | Status | RFC |")))


REGIONS = {
    "directives": (md_directives, mdoc_directives),
    "keys of ProxyPass": (lambda: md_keys("ProxyPass"), lambda: mdoc_keys("ProxyPass")),
    "keys of BalancerMember": (lambda: md_keys("BalancerMember"), lambda: mdoc_keys("BalancerMember")),
    "keys of ProxySet": (lambda: md_keys("ProxySet"), lambda: mdoc_keys("ProxySet")),
    "Kconfig": (md_kconfig, mdoc_kconfig),
    "reasons": (None, mdoc_reasons),
    "refusals": (None, mdoc_refusals),
}


# ---- files ----

def updated(path):
    """The file's text with its generated regions made anew."""
    if path == OPENWRT:
        return openwrt.config_in()
    markdown = path.endswith(".md")
    begin, end = (r"<!-- make docs: ([\w ]+) -->", "<!-- end -->") if markdown else (r'\.\\" make docs: ([\w ]+)',
                                                                                    r'\.\\" end')

    def region(match):
        writer = REGIONS[match.group(2)][0 if markdown else 1]
        return match.group(1) + "\n" + "\n".join(writer()) + "\n" + match.group(3)
    return re.sub(rf"^({begin})\n.*?^({end})$", region, read(path), flags=re.S | re.M)


def faults():
    """What is not up to date, and what has no entry."""
    known, told = needs(), entries()["directives"]
    for name in known:
        if name not in told:
            yield f"{SOURCE}: no entry for the directive {name} of {TABLE}; add it, then make docs"
    for name in sorted(unprinted() - UNPRINTED):
        yield (f"{TABLE}: {name} is not printed by culvert -t -v: give its row PRINT(x) (src/ops/config_print.h), "
               "or list it in UNPRINTED (.build/docs.py)")
    for name in sorted(UNPRINTED - unprinted()):
        yield f".build/docs.py: {name} stands in UNPRINTED, but it is printed, or no directive"
    for name in told:
        if name not in known:
            yield f"{SOURCE}: {name} is no directive of {TABLE}"
    for path in (README, *PAGES, OPENWRT):
        old, new = read(path).splitlines(), updated(path).splitlines()
        if old != new:
            yield "\n".join([f"{path} is not up to date. Run make docs (tables come from {SOURCE} and Kconfig):",
                             *list(difflib.unified_diff(old, new, "as it is", "as it should be", "", "", 0, ""))[2:20]])


def main(args):
    """Run."""
    if args == ["--check"]:
        found = list(faults())
        print("\n".join(found), file=sys.stderr, end="\n" if found else "")
        return 1 if found else 0
    if args:
        sys.exit(__doc__)
    for path in (README, *PAGES, OPENWRT):
        text = updated(path)
        if text != read(path):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            print("docs: " + path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
