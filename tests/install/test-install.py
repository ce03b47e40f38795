#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Install into an empty folder, then work from that folder alone; print TAP.

  test-install.py BUILD-DIR CC SANITIZER-FLAG README

Each handler/NAME.c, and the handler that the README shows, becomes NAME.so; each run/NAME.c becomes a program that is run with the paths
of all these shared objects, and whose exit status 0 is success. Both see nothing but the
installed headers, the installed library and what pkg-config says. The sanitizer flag is that of
the build, because a library with a sanitizer needs a program with it.
"""

import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
STRICT = ["-std=c17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def output_of(command, **options):
    """(exit status, stdout and stderr)."""
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace", check=False, **options)
    return ran.returncode, ran.stdout


class Installed:
    def __init__(self, build, root):
        self.root = root
        self.status, self.said = output_of(
            ["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root])
        pc_files = self.find("vmitape.pc")
        self.environment = dict(
            os.environ,
            PKG_CONFIG_SYSROOT_DIR=root,
            PKG_CONFIG_PATH=os.path.dirname(pc_files[0]) if pc_files else "",
            LD_LIBRARY_PATH=os.path.dirname((self.find("libvmitape.so") or [""])[0]))

    def find(self, name):
        return glob.glob(os.path.join(self.root, "**", name), recursive=True)

    def flags(self, *what):
        _, said = output_of(["pkg-config", *what, "vmitape"], env=self.environment)
        return shlex.split(said)


def exported(library):
    """Names in the dynamic symbol table that the library defines, without the sanitizers' own."""
    _, said = output_of(["nm", "-D", "--defined-only", library])
    names = {line.split()[-1].split("@")[0] for line in said.splitlines() if line.strip()}
    return {name for name in names if not name.startswith("__odr_asan")}


def handler_of_readme(readme, root):
    """Writes the README's first C block to a file of its own and returns its path."""
    with open(readme, encoding="utf-8") as file:
        block = re.search(r"```c\n(.*?)```", file.read(), re.DOTALL)
    path = os.path.join(root, "readme.c")
    with open(path, "w", encoding="utf-8") as file:
        file.write(block[1])
    return path


def build_outside(installed, cc, source, target, *options):
    return output_of([*cc, *STRICT, *installed.flags("--cflags"), *options, source, "-o", target,
                      *installed.flags("--libs")], env=installed.environment)


def cases(build, cc, sanitizer, readme, root):
    """Yields (name, problem) with '' for no problem."""
    installed = Installed(build, os.path.join(root, "installed"))
    yield "meson_install_succeeds", installed.said if installed.status else ""
    library = (installed.find("libvmitape.so") or [None])[0]
    headers = installed.find("vmitape/*.h")
    yield "library_pkg_config_file_and_headers_are_installed", "" if (
        library and headers and installed.flags("--cflags")) else str(installed.find("*"))
    if not library:
        return
    stray = sorted(name for name in exported(library) if not name.startswith("vmt_"))
    yield "the_library_exports_only_vmt_names", " ".join(stray)

    sources = sorted(glob.glob(os.path.join(HERE, "handler", "*.c")))
    sources.append(handler_of_readme(readme, root))
    objects = []
    for source in sources:
        name = os.path.basename(source)[:-2]
        objects.append(os.path.join(root, name + ".so"))
        status, said = build_outside(installed, cc, source, objects[-1], "-shared", "-fPIC",
                                     *sanitizer)
        yield f"handler_{name}_builds_outside_the_tree", said if status else ""
    for source in sorted(glob.glob(os.path.join(HERE, "run", "*.c"))):
        name = os.path.basename(source)[:-2]
        program = os.path.join(root, name)
        status, said = build_outside(installed, cc, source, program, *sanitizer)
        if not status:
            status, said = output_of([program, *objects], env=installed.environment)
        yield f"program_{name}_builds_outside_the_tree_and_succeeds", said if status else ""


def main(build, cc, sanitizer, readme):
    number = failed = 0
    with tempfile.TemporaryDirectory() as root:
        for name, problem in cases(build, shlex.split(cc), shlex.split(sanitizer), readme,
                                   root):
            number += 1
            failed += bool(problem)
            print("not ok" if problem else "ok", number, "-", name, flush=True)
            for line in problem.splitlines():
                print("#", line)
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
