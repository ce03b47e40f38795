#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compile each public header alone, as strict C17 and C++17; print TAP.

  test-headers-alone.py INCLUDE-DIR CC CXX HEADER...

The headers are those that the build installs; one that lies in the folder and is not among them
is a failure too.
"""

import os
import shlex
import subprocess
import sys

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wundef", "-Werror"]
# In C++ -Wshadow minds a function with the name of a struct, which C's two name spaces are for.
C_WARNINGS = ["-Wshadow", "-Wstrict-prototypes"]


def compile_alone(compiler, language, standard, include, name):
    """What the compiler says about a file that includes only this header, twice."""
    text = f"#include <vmitape/{name}>\n#include <vmitape/{name}>\n"
    ran = subprocess.run(
        [*compiler, "-x", language, "-std=" + standard, *WARNINGS,
         *(C_WARNINGS if language == "c" else []), "-fsyntax-only", "-I", include, "-"],
        input=text, capture_output=True, text=True, check=False)
    return ran.stderr if ran.returncode else ""


def main(include, cc, cxx, *headers):
    installed = sorted(os.path.basename(header) for header in headers)
    present = sorted(f for f in os.listdir(os.path.join(include, "vmitape")) if f.endswith(".h"))
    cases = [("every_header_in_the_folder_is_installed",
              "" if present == installed else f"{sorted(set(present) ^ set(installed))}")]
    for name in installed:
        cases.append((f"{name}_compiles_alone_as_c17",
                      compile_alone(shlex.split(cc), "c", "c17", include, name)))
        cases.append((f"{name}_compiles_alone_as_cpp17",
                      compile_alone(shlex.split(cxx), "c++", "c++17", include, name)))
    print(f"1..{len(cases)}")
    for number, (name, problem) in enumerate(cases, 1):
        print("not ok" if problem else "ok", number, "-", name)
        for line in problem.splitlines():
            print("#", line)
    return 1 if any(problem for _, problem in cases) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
