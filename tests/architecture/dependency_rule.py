# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dependency rule: what dependency-rule.ini says, and what in a tree or a library breaks it."""

import configparser
import fnmatch
import os
import re
import subprocess

SOURCES = (".c", ".h", ".cpp", ".inc")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.MULTILINE)
FORTIFIED = re.compile(r"^__(\w+)_chk$")


class Rule:
    def __init__(self, path):
        ini = configparser.ConfigParser(delimiters="=", interpolation=None)
        ini.optionxform = str
        with open(path, encoding="utf-8") as file:
            ini.read_file(file)

        def section(name):
            return {key: set(value.split()) for key, value in ini[name].items()}

        self.parts = section("parts")
        self.outside = section("outside")["folders"]
        self.foreign_headers = section("foreign headers")
        self.only_headers = section("only these headers")
        self.no_symbols = section("no symbols")

    def part_of(self, folder):
        """The part that a path or library belongs to: its first folder, when that is a part."""
        first = folder.split("/", 1)[0]
        return first if first in self.parts else None

    def may_use(self, user, used):
        if user == used:
            return True
        allowed = self.parts[user]
        return used in allowed or "*" in allowed or (used == "core" and user != "core")


def sources(root):
    """Paths below root, with '/', of all C and C++ files; hidden and build folders left out."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "build")))
        for name in sorted(files):
            if name.endswith(SOURCES):
                yield os.path.relpath(os.path.join(folder, name), root)


def includes(root, path):
    """(line, '<' or '"', name) of each include."""
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        text = file.read()
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1], match[2]


def within(path, folders):
    return any(path.startswith(folder + "/") for folder in folders)


def foreign_violation(rule, path, name):
    for pattern, owners in rule.foreign_headers.items():
        if fnmatch.fnmatch(name, pattern) and not within(path, owners):
            return f"<{name}> belongs to {', '.join(sorted(owners))} alone"
    for folder, allowed in rule.only_headers.items():
        if within(path, [folder]) and name not in allowed:
            return f"<{name}> is not among the headers that {folder}/ may include"
    return None


def include_violation(rule, root, path, quote, name):
    """What is wrong with one include, or None."""
    if quote == "<":
        if not name.startswith("vmitape/"):
            return foreign_violation(rule, path, name)
        known = os.path.exists(os.path.join(root, "include", name))
        return None if known else f"<{name}> is not a public header"
    if within(path, ["include"]):
        return f'"{name}": a public header includes <...> only'
    beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
    target = beside if os.path.exists(os.path.join(root, beside)) else os.path.normpath(name)
    if not os.path.exists(os.path.join(root, target)):
        return f'"{name}" is neither beside the file nor below the root'
    if within(target, ["include"]):
        return f'"{name}" is a public header: write <vmitape/...>'
    user, used = rule.part_of(path), rule.part_of(target)
    if used is None:
        return f'"{name}" belongs to no part'
    return None if rule.may_use(user, used) else f'{user} may not include {used} ("{name}")'


def include_violations(rule, root, part):
    """Each include below the folder PART that breaks the rule, as 'file:line: reason'."""
    return [f"{path}:{line}: {reason}"
            for path in sources(root) if within(path, [part])
            for line, quote, name in includes(root, path)
            for reason in [include_violation(rule, root, path, quote, name)] if reason]


def unknown_folders(rule, root):
    """Folders with sources that the rule does not name."""
    tops = {path.split("/", 1)[0] for path in sources(root) if "/" in path}
    return sorted(tops - set(rule.parts) - rule.outside - {"include"})


class Library:
    """One part's static library: which symbols it defines, needs, and keeps as changeable data."""

    def __init__(self, folder, path):
        self.folder = folder
        self.defined, self.needed, self.globals = set(), {}, []
        # Columns: name, value, class, type, size, line, section.
        out = subprocess.run(["nm", "--format=sysv", path], capture_output=True, text=True,
                             check=True).stdout
        member = path
        for line in out.splitlines():
            cells = [cell.strip() for cell in line.split("|")]
            if line.startswith(("Symbols from", "Undefined symbols from")):
                member = line.split("[")[-1].rstrip("]:") if "[" in line else member
            elif len(cells) == 7:
                self.add(member, cells[0], cells[2], cells[6])

    def add(self, member, name, kind, section):
        name = name.split("@")[0]
        if kind == "U":
            self.needed.setdefault(name, member)
        elif kind.isupper() or kind in "vw":
            self.defined.add(name)
        sanitizer = name.startswith(("__odr_asan", "__asan", "__ubsan", "__gcov", "__llvm", ".L"))
        if re.match(r"\.t?(data|bss)(?!\.rel\.ro)", section) and not sanitizer:
            self.globals.append(f"{member}: {name}")


def link_violations(rule, libraries, folder):
    """Each symbol that FOLDER's library needs from a part that it may not use."""
    user = libraries[folder]
    part = rule.part_of(folder)
    found = []
    for name, member in sorted(user.needed.items()):
        if name in user.defined:
            continue
        homes = {rule.part_of(other.folder) for other in libraries.values() if name in other.defined}
        if homes and not any(rule.may_use(part, home) for home in homes):
            found.append(f"{member}: {part} may not link {' or '.join(sorted(homes))} ({name})")
        elif not homes and name.startswith("vmt_"):
            found.append(f"{member}: no part defines {name}")
    return found


def symbol_violations(rule, library):
    """Each symbol that no library, or not this one, may refer to."""
    banned = rule.no_symbols["*"] | rule.no_symbols.get(rule.part_of(library.folder), set())
    found = []
    for name, member in sorted(library.needed.items()):
        plain = FORTIFIED.sub(r"\1", name)
        if plain.removesuffix("64") in banned or plain in banned:
            found.append(f"{member}: refers to {name}")
    return found
