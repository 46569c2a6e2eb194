"""Makes port/openwrt/Config.in from Kconfig: Culvert's options in OpenWrt's menuconfig, as CULVERT_X, with the values of
config/router_defconfig. Used by docs.py (make docs)."""
import kconfiglib

HEAD = """# Made from Kconfig by make docs: Culvert's options in OpenWrt's menuconfig. Changes here are lost.
"""
FIXED = {"PORT_POSIX": "y"}  # OpenWrt is nothing else
KINDS = {kconfiglib.BOOL: "bool", kconfiglib.INT: "int", kconfiglib.STRING: "string", kconfiglib.HEX: "hex"}
TESTS = "Test builds"  # this menu is not offered


def spelled(item):
    """A symbol in an expression."""
    if item.__class__ is kconfiglib.Symbol and not item.is_constant and item.name not in ("y", "n"):
        return FIXED.get(item.name, "CULVERT_" + item.name if item.nodes else item.name)
    return kconfiglib.standard_sc_expr_str(item)


def expression(expr):
    """An expression by OpenWrt's names."""
    return kconfiglib.expr_str(expr, spelled)


def condition(expr, kconf):
    """ " if EXPR", or nothing."""
    return "" if expr is kconf.y or expression(expr) == "y" else " if " + expression(expr)


def quoted(symbol, value):
    """A value as Kconfig wants it."""
    return f'"{value}"' if symbol.orig_type == kconfiglib.STRING else value


def option(node, kconf):
    """The lines of one option."""
    symbol = node.item
    yield f"config CULVERT_{symbol.name}"
    prompt = ""
    if node.prompt:
        prompt = f' "{node.prompt[0]}"' + condition(node.prompt[1], kconf)
    yield f"\t{KINDS[symbol.orig_type]}{prompt}"
    if node.dep is not kconf.y and expression(node.dep) != "y":
        yield f"\tdepends on {expression(node.dep)}"
    for low, high, when in symbol.ranges:
        yield f"\trange {expression(low)} {expression(high)}{condition(when, kconf)}"
    for value, when in symbol.orig_defaults:
        if condition(when, kconf):
            yield f"\tdefault {expression(value)}{condition(when, kconf)}"
    yield f"\tdefault {quoted(symbol, symbol.str_value)}"
    if node.help:
        yield "\thelp"
        yield from ("\t  " + line if line else "" for line in node.help.rstrip().splitlines())
    yield ""


def walk(first, kconf):
    """The lines of a menu. Nothing nests deeper than a stack of nodes that wait."""
    waiting = [first]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
            continue
        if node.next:
            waiting.append(node.next)
        if node.item == kconfiglib.MENU and node.prompt[0] != TESTS:
            yield f'menu "{node.prompt[0]}"\n'
            waiting += ["endmenu\n"] + ([node.list] if node.list else [])
        elif node.item == kconfiglib.COMMENT:
            yield f'comment "{node.prompt[0]}"\n'
        elif isinstance(node.item, kconfiglib.Choice):
            continue  # the platform
        elif isinstance(node.item, kconfiglib.Symbol) and node.item.name not in FIXED:
            yield from option(node, kconf)
            if node.list:  # a "menuconfig", or options that depend on this one
                waiting.append(node.list)


def config_in():
    """The text of Config.in."""
    kconf = kconfiglib.Kconfig("Kconfig", warn=False)
    kconf.load_config("config/router_defconfig")
    body = "\n".join(walk(kconf.top_node.list, kconf))
    return f"{HEAD}\nif PACKAGE_culvert\n\n{body}\nendif\n"
