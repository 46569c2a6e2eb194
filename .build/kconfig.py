#!/usr/bin/python3
"""The build's use of Kconfig, on kconfiglib. A value that Kconfig would replace silently is an error here.

  kconfig.py sync CONFIG OUTDIR [SYMBOL=VALUE ...]   write OUTDIR/auto.conf (for make) and OUTDIR/autoconf.h (for C),
                                                     and touch OUTDIR/symbols/a/b.h when A_B has another value
  kconfig.py config IN OUT [SYMBOL=VALUE ...]        complete IN and write it to OUT
  kconfig.py minimal IN OUT                          write only what differs from the defaults
  kconfig.py options                                 list the features (bool symbols with a prompt, outside choices)
                                                     with their other value; not those of test builds, which are on there
"""
import os
import sys

try:
    import kconfiglib
except ImportError:
    sys.exit("kconfiglib is missing (Debian: python3-kconfiglib). make deps-build installs what the build needs.")


def load(path, overrides):
    """The configuration of a file and SYMBOL=VALUE words; ends the program when a value is impossible."""
    kconf = kconfiglib.Kconfig("Kconfig", warn_to_stderr=False)
    kconf.warn_assign_undef = True
    kconf.warn_assign_override = False
    if path and os.path.exists(path):
        kconf.load_config(path)
    for word in overrides:
        name, _, value = word.partition("=")
        if name not in kconf.syms:
            sys.exit("kconfig: no such option: " + name + ("" if name.isidentifier() else " (a value ends at a blank)"))
        if not kconf.syms[name].set_value(value or "y"):
            sys.exit(f"kconfig: {name} cannot be {value!r}")
    for symbol in kconf.unique_defined_syms:
        symbol.str_value  # pylint: disable=pointless-statement; evaluates, and so finds values out of range
    bad = []
    for warning in kconf.warnings:
        if "undefined symbol" in warning:
            print(warning + "\n  (make olddefconfig drops it)", file=sys.stderr)
        else:
            bad.append(warning)
    for symbol in kconf.unique_defined_syms:
        if symbol.user_value is not None and symbol.visibility and symbol.str_value != spelled(symbol):
            bad.append(f"{symbol.name} is {spelled(symbol)} in {path or 'the command'}, "
                       f"but Kconfig makes it {symbol.str_value}")
    if bad:
        sys.exit("\n".join(bad))
    return kconf


def spelled(symbol):
    """The value as the user gave it, in Kconfig's spelling."""
    if symbol.orig_type in (kconfiglib.BOOL, kconfiglib.TRISTATE):
        return kconfiglib.TRI_TO_STR[symbol.user_value]
    return symbol.user_value


def main(args):
    """Run one command."""
    command, args = (args[0], args[1:]) if args else ("", [])
    if command == "sync" and len(args) >= 2:
        kconf = load(args[0], args[2:])
        os.makedirs(args[1], exist_ok=True)
        kconf.write_autoconf(os.path.join(args[1], "autoconf.h"),
                             "/* Made by Kconfig: every capacity and feature of this build. */\n")
        kconf.sync_deps(os.path.join(args[1], "symbols"))
        stamp = os.path.join(args[1], "auto.conf")
        kconf.write_config(stamp, header="# Made by Kconfig, for make.\n", save_old=False)
        os.utime(stamp)
    elif command == "config" and len(args) >= 2:
        os.makedirs(os.path.dirname(args[1]) or ".", exist_ok=True)
        load(args[0], args[2:]).write_config(args[1])
    elif command == "minimal" and len(args) == 2:
        load(args[0], []).write_min_config(args[1], header="")
    elif command == "options":
        for symbol in load(None, []).unique_defined_syms:
            node = symbol.nodes[0]
            if symbol.orig_type == kconfiglib.BOOL and symbol.choice is None and node.prompt and \
                    node.parent.prompt[0] != "Test builds":
                print(f"{symbol.name}={'n' if symbol.str_value == 'y' else 'y'}")
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
