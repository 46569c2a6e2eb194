#!/usr/bin/python3
"""What each feature costs, as a Markdown table: flash (text + rodata + data) and static RAM (data + bss) of host_defconfig
with the feature, less those of the same build without it and without what depends on it.

    option_costs.py OUTDIR MAKE...    with lines SYMBOL=VALUE on standard input: the other value of each feature

Features' prompts in Kconfig tell the same, short: flash in KB of 1,000 bytes, RAM when it is more than 1 KB. One that is off
by more than 1 KB and a fifth makes the exit status 1.
"""
import re
import subprocess
import sys

import kconfiglib

import footprint

COST = re.compile(r"\((-?[\d.]+) KB(?:, (-?[\d.]+) ([KM])B RAM)?\)$")


def measured(out, make, flip):
    """(flash, RAM) of the build with a word for CONFIG_SET."""
    subprocess.run([*make, "-s", "O=" + out, "CONFIG_FILE=config/host_defconfig", "CONFIG_SET=" + flip, "all"], check=True,
                   stdin=subprocess.DEVNULL, stdout=sys.stderr, close_fds=False)  # make's jobserver
    sections = footprint.Build(out).sections
    return sum(sections[kind] for kind in ("text", "rodata", "data")), sections["data"] + sections["bss"]


def short(flash, ram):
    """A cost as a prompt tells it."""
    def rounded(number):
        return "0" if abs(number) < 0.1 else f"{number:.1f}" if abs(number) < 0.95 else f"{number:.0f}"
    more = f", {rounded(ram / 1e6)} MB RAM" if abs(ram) >= 1e6 else f", {rounded(ram / 1e3)} KB RAM" if abs(ram) > 1e3 else ""
    return f"({rounded(flash / 1e3)} KB{more})"


def true(cost, prompt):
    """Whether a prompt tells about these costs; one that tells none means nothing."""
    flash, ram, unit = (COST.search(prompt) or COST.search("(0 KB)")).groups()
    told = 1e3 * float(flash), float(ram or 0) * (1e6 if unit == "M" else 1e3)
    return all(abs(number - is_) <= max(1000, abs(is_) / 5) for number, is_ in zip(told, cost))


def main(out, *make):
    """Print the table."""
    symbols = kconfiglib.Kconfig("Kconfig", warn=False).syms
    base, untrue = measured(out, make, ""), []
    footprint.line("bytes that it takes", ["flash", "RAM"])
    print("|---|---:|---:|")
    for flip in sys.stdin.read().split():
        name, value = flip.split("=")
        sign = 1 if value == "y" else -1
        cost = [sign * (new - old) for new, old in zip(measured(out, make, flip), base)]
        footprint.line(f"`{name}`", cost)
        sys.stdout.flush()
        if not true(cost, symbols[name].nodes[0].prompt[0]):
            untrue.append(f"{name} {short(*cost)}")
    print("option-costs: " + ("prompts that should say: " + ", ".join(untrue) if untrue else "all prompts are true"))
    return 1 if untrue else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
