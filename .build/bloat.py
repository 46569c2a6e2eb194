#!/usr/bin/python3
"""Compares the sizes of symbols: bloat.py OLD NEW, outputs of nm -S. Prints what grew and what shrank, the largest change
first, and the sums of code, constants and RAM."""
import collections
import sys

KINDS = {"t": "code", "w": "code", "r": "constants", "d": "data", "b": "bss"}


def sizes(path):
    """{(kind, symbol): bytes}."""
    found = collections.Counter()
    with open(path, encoding="utf-8") as file:
        for words in map(str.split, file):
            if len(words) == 4 and words[2].lower() in KINDS:
                found[KINDS[words[2].lower()], words[3]] += int(words[1], 16)
    return found


def main(old, new):
    """Print the table."""
    old, new = sizes(old), sizes(new)
    changes = sorted(((new[key] - old[key], key) for key in old | new if new[key] != old[key]),
                     key=lambda change: (-abs(change[0]), change[1]))
    sums = collections.Counter()
    for change, (kind, symbol) in changes:
        sums[kind] += change
        print(f"{old[kind, symbol]:12,} {new[kind, symbol]:12,} {change:+12,}  {kind:9}  {symbol}")
    for kind in dict.fromkeys(KINDS.values()):
        total = sum(size for (k, _), size in new.items() if k == kind)
        print(f"{total - sums[kind]:12,} {total:12,} {sums[kind]:+12,}  {kind:9}  (all)")


main(*sys.argv[1:])
