#!/usr/bin/python3
"""Builds random valid configurations without a warning, and runs the simulator's tests on each.

    randconfig.py OUTDIR

From the environment come N, how many configurations; SEED, which draws the same ones again (without one it is drawn, and
printed); ONLY, the number of the one to build of them; and PROGRAMS, how many of the simulator's test programs each runs
(without it, all): the next one runs the programs after those, so that a number of configurations runs all.

Features are on or off by chance. Capacities and sizes lie anywhere between those of the smallest and of the largest
defconfig; times and other defaults of directives stay as they are, since tests are written for them. What
include/config_check.h refuses is drawn again.
"""
import concurrent.futures
import glob
import os
import random
import re
import subprocess
import sys
import time

import kconfiglib

DEFCONFIGS = ("host", "router", "tiny")
DRAWN = ("Platform", "Features", "Capacity", "Memory of a request", "Memory of the process", "TLS", "Log")
MOST_RAM = 256 << 20  # bytes of the largest configuration that is built
# A draw has little chance to keep these rules, so they are kept by it: the first is raised to the second.
AT_LEAST = [("EXCHANGES", "CLIENTS"), ("BACKEND_CONNS", "BACKENDS"), ("CLIENTS", "H2_CLIENTS"),
            ("OUTPUT_SIZE", "H2_FRONT_OUTPUT"), ("WINDOW_MAX", "REQUEST_WINDOW"), ("WINDOW_MAX", "RESPONSE_WINDOW")]
WINDOWS = ("REQUEST_WINDOW", "RESPONSE_WINDOW", "WINDOW_MAX")  # multiples of a block


def menu_of(symbol):
    """The name of the menu that a symbol stands in."""
    return symbol.nodes[0].parent.prompt[0] if symbol.nodes[0].parent.prompt else ""


def bounds():
    """{symbol: (least, most)} over the defconfigs, of all numbers that are drawn."""
    seen = {}
    for name in DEFCONFIGS:
        kconf = kconfiglib.Kconfig("Kconfig", warn=False)
        kconf.load_config(f"config/{name}_defconfig")
        for symbol in kconf.unique_defined_syms:
            if symbol.orig_type == kconfiglib.INT and menu_of(symbol) in DRAWN and symbol.visibility:
                seen.setdefault(symbol.name, []).append(int(symbol.str_value))
    return {name: (min(values), max(values)) for name, values in seen.items()}


def settle(values):
    """Keeps the rules that chance would rarely keep."""
    block = values["BODY_BLOCK"]
    for name in WINDOWS:
        values[name] = max(values[name] // block, 1) * block
    for low, high in AT_LEAST:
        values[low] = max(values[low], values[high])
    values["REQUEST_HEAD"] = max(values["REQUEST_HEAD"], 2 * 1022 + 512)
    values["OUTPUT_SIZE"] = max(values["OUTPUT_SIZE"], max(values["REQUEST_HEAD"], values["RESPONSE_HEAD"]) + 2560,
                                values["RESPONSE_HEAD"] + 1792 + 4 * values["HEAD_FIELDS"])
    # The tests want every request's line, also when all requests end at once.
    values["LOG_RING"] = max(values["LOG_RING"], 4 * values["LOG_LINE"], 256 * (values["EXCHANGES"] + 16))
    # Limits are defaults of directives; they follow the heads.
    values["LIMIT_REQUEST_LINE"] = values["LIMIT_REQUEST_FIELD_SIZE"] = min(8190, (values["REQUEST_HEAD"] - 512) // 2)
    values["LIMIT_REQUEST_FIELDS"] = min(100, values["HEAD_FIELDS"] - 12)


def draw(chance, ranges):
    """One configuration, as {symbol: value}."""
    kconf = kconfiglib.Kconfig("Kconfig", warn=False)
    drawn = {name: round(least * (most / least) ** chance.random()) if least else chance.randint(least, most)
             for name, (least, most) in ranges.items()}
    settle(drawn)
    for symbol in kconf.unique_defined_syms:
        if symbol.orig_type == kconfiglib.BOOL and symbol.choice is None and menu_of(symbol) in DRAWN and \
                symbol.nodes[0].prompt:
            drawn[symbol.name] = chance.choice("yn")
    drawn["HEAP_GUARD"] = drawn["POISON"] = "y"
    for _ in range(2):  # what depends on a later one takes the second time
        for name, value in drawn.items():
            kconf.syms[name].set_value(str(value))
    return kconf


def refused(kconf, folder):
    """What config_check.h says against a configuration, or ''."""
    header = os.path.join(folder, "try.h")
    kconf.write_autoconf(header)
    done = subprocess.run(["gcc", "-std=c11", "-include", header, "-fsyntax-only", "-x", "c", "include/config_check.h"],
                          check=False, capture_output=True, text=True)
    return done.stderr


def ram(kconf):
    """About how much memory a configuration takes, in bytes: the largest shares."""
    def value(name):
        return int(kconf.syms[name].str_value) if name in kconf.syms else 0
    return value("EXCHANGES") * (value("REQUEST_HEAD") + value("RESPONSE_HEAD") + 24 * value("HEAD_FIELDS") +
                                 value("REQUEST_WINDOW") + value("RESPONSE_WINDOW")) + \
        value("BACKEND_CONNS") * (value("OUTPUT_SIZE") + 512 * value("BACKEND_STREAMS")) + \
        value("H2_CLIENTS") * (value("H2_FRONT_OUTPUT") + 512 * value("H2_STREAMS")) + \
        value("SLABS") * max(value("H2_EXTENT"), value("BODY_BLOCK"))


def configurations(seed, count, folder):
    """Draws configurations until `count` are valid, and writes them."""
    chance, ranges, paths = random.Random(seed), bounds(), []
    again = {}
    while len(paths) < count:
        kconf = draw(chance, ranges)
        fault = refused(kconf, folder)
        if fault or ram(kconf) > MOST_RAM:
            why = (re.findall(r"CONFIG_\w+", fault) or ["it is too large"])[0]
            again[why] = again.get(why, 0) + 1
            if sum(again.values()) > 1000 + 100 * count:
                sys.exit(f"randconfig: hardly any draw is valid: {again}")
            continue
        paths.append(os.path.join(folder, f"{len(paths) + 1}.config"))
        kconf.write_config(paths[-1], save_old=False)
    print(f"randconfig: seed {seed}, {count} configurations; drawn again: {sum(again.values())} {again or ''}", flush=True)
    return paths


def described(path):
    """A configuration in one line: its features, and how large it is."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    features = kconfiglib.Kconfig("Kconfig", warn=False)
    words = [("+" if f"CONFIG_{s.name}=y" in text else "-") + s.name for s in features.unique_defined_syms
             if s.orig_type == kconfiglib.BOOL and menu_of(s) == "Features"]
    sizes = [f"{name}={re.search(f'CONFIG_{name}=([0-9]+)', text)[1]}" for name in ("CLIENTS", "EXCHANGES", "BODY_BLOCK")]
    return " ".join(words + sizes)


def build(path, out, make, programs):
    """Builds one configuration and runs tests of its: (whether that went well, what was said)."""
    options = {**os.environ, "SIM_ANY": "1", "SIM_RUNS": "2", "SIM_STEP": "31"}
    done = subprocess.run([make, "-s", f"O={out}", f"CONFIG_FILE={path}", "CFLAGS=-O0 -g0", "all", "run-sim",
                           "sim_bins=" + " ".join(f"{out}/test/sim/{name}" for name in programs)],
                          check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          env=options)
    return done.returncode == 0, done.stdout


def main(folder):
    """Draw, build, test, sum up."""
    start = time.monotonic()
    folder = os.path.abspath(folder)
    os.makedirs(folder, exist_ok=True)
    make = os.environ.get("MAKE_COMMAND", "make")
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"):
        os.environ.pop(name, None)
    seed = int(os.environ.get("SEED") or random.randrange(1, 1_000_000))
    only = int(os.environ.get("ONLY") or 0)
    tests = sorted(os.path.basename(path)[:-2] for path in glob.glob("tests/sim/test_*.c"))
    share = min(int(os.environ.get("PROGRAMS") or len(tests)), len(tests))
    paths = list(enumerate(configurations(seed, only or int(os.environ.get("N") or 5), folder)))
    paths = paths[-1:] if only else paths
    workers = os.cpu_count() or 1
    free = [os.path.join(folder, f"build{n}") for n in range(workers)]
    failed = []

    def one(job):
        index, path = job
        out = free.pop()
        ok, said = build(path, out, make, [tests[(index * share + n) % len(tests)] for n in range(share)])
        free.append(out)
        passed = re.search(r"all (\d+) programs passed", said)
        ok = ok and passed is not None
        skipped = len(re.findall(r"^skipped: ", said, re.M))
        print(f"randconfig {index + 1}: {described(path)}: "
              f"{f'{passed[1]} programs passed, {skipped} tests skipped' if ok else 'FAILED'}", flush=True)
        if not ok:
            failed.append(index + 1)
            print("\n".join(said.splitlines()[-400:]), flush=True)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, paths))
    print(f"randconfig: {len(paths) - len(failed)} of {len(paths)} configurations passed in "
          f"{time.monotonic() - start:.0f} s" +
          "".join(f"\n  FAILED: once more with  make randconfig-check SEED={seed} ONLY={n}" for n in sorted(failed)))
    return 1 if failed else 0


if len(sys.argv) != 2:
    sys.exit(__doc__)
sys.exit(main(sys.argv[1]))
