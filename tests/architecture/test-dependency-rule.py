#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hold the source tree and the parts' static libraries against dependency-rule.ini.

  test-dependency-rule.py ROOT CC [FOLDER=LIBRARY...]

The first cases break the rule on purpose, in a made-up tree and made-up libraries, and want that
to be found: so a checker that sees nothing does not pass.
"""

import os
import shlex
import subprocess
import sys
import tempfile

import dependency_rule as dr

HERE = os.path.dirname(os.path.abspath(__file__))


class Tap:
    def __init__(self):
        self.number = self.failed = 0

    def case(self, name, problems):
        self.number += 1
        print("not ok" if problems else "ok", self.number, "-", name, flush=True)
        for problem in problems:
            print("#", problem)
        self.failed += bool(problems)

    def finds(self, name, found, *words):
        """A case that holds when exactly one violation is found, and it names all WORDS."""
        right = len(found) == 1 and all(word in found[0] for word in words)
        self.case(name, [] if right else [f"wanted one with {words}, got {found}"])

    def done(self):
        print(f"1..{self.number}")
        return 1 if self.failed else 0


def write(root, path, text):
    os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
    with open(os.path.join(root, path), "w", encoding="utf-8") as file:
        file.write(text)


def check_includes_on_a_made_up_tree(tap, rule):
    with tempfile.TemporaryDirectory() as root:
        write(root, "include/vmitape/a.h", "#include <stdint.h>\n#include <vmitape/b.h>\n")
        write(root, "include/vmitape/b.h", "")
        write(root, "core/c.h", "")
        write(root, "core/c.c", '#include "c.h"\n#include <vmitape/a.h>\n#include <string.h>\n')
        write(root, "model/m.c", '#include "core/c.h"\n#include "m.h"\n')
        write(root, "model/m.h", "")
        write(root, "live/xen/x.c", '#include <xenctrl.h>\n#include "model/m.h"\n')
        write(root, "tools/t.c", '#include "model/m.h"\n')

        def cases(part):
            return dr.include_violations(rule, root, part)

        kept = [v for part in (*rule.parts, "include") for v in cases(part)]
        tap.case("a_tree_that_keeps_the_rule_has_no_violation", kept)

        def broken(name, path, line, *words):
            before = None
            if os.path.exists(os.path.join(root, path)):
                with open(os.path.join(root, path), encoding="utf-8") as file:
                    before = file.read()
            write(root, path, (before or "") + line + "\n")
            tap.finds(name, cases(path.split("/")[0]), path, *words)
            if before is None:
                os.remove(os.path.join(root, path))
            else:
                write(root, path, before)

        broken("core_that_includes_model_is_found", "core/c.c", '#include "model/m.h"',
               "core may not include model")
        broken("a_detour_by_dot_dot_is_found", "core/c.c", '#include "../model/m.h"',
               "core may not include model")
        broken("an_indented_include_is_found", "core/c.c", '  #  include "model/m.h"',
               "core may not include model")
        broken("utils_that_includes_testing_is_found", "utils/u.c", '#include "testing/t.h"',
               "neither beside")
        broken("model_that_includes_tools_is_found", "model/m.c", '#include "tools/t.c"',
               "model may not include tools")
        broken("core_that_includes_zstd_is_found", "core/c.c", "#include <zstd.h>", "zstd.h")
        broken("core_that_includes_a_header_not_listed_is_found", "core/c.c",
               "#include <sys/mman.h>", "sys/mman.h")
        broken("model_that_includes_xen_is_found", "model/m.c", "#include <xenctrl.h>",
               "live/xen alone")
        broken("a_unicorn_header_outside_emulation_is_found", "replay/r.c",
               "#include <unicorn/unicorn.h>", "emulation alone")
        broken("a_public_header_that_does_not_exist_is_found", "model/m.c",
               "#include <vmitape/none.h>", "not a public header")
        broken("a_public_header_that_includes_an_internal_one_is_found", "include/vmitape/a.h",
               '#include "core/c.h"', "includes <...> only")
        broken("a_public_header_that_includes_unicorn_is_found", "include/vmitape/a.h",
               "#include <unicorn/unicorn.h>", "emulation alone")

        write(root, "extra/e.c", "")
        tap.finds("a_folder_that_the_rule_does_not_name_is_found", dr.unknown_folders(rule, root),
                  "extra")


def make_library(cc, root, folder, text):
    base = os.path.join(root, folder.replace("/", "-"))
    write(root, os.path.basename(base) + ".c", text)
    subprocess.run([*cc, "-c", "-O1", "-o", base + ".o", base + ".c"], check=True)
    subprocess.run(["ar", "rcs", base + ".a", base + ".o"], check=True)
    return dr.Library(folder, base + ".a")


def check_links_on_made_up_libraries(tap, rule, cc):
    with tempfile.TemporaryDirectory() as root:
        def libraries(**texts):
            return {name: make_library(cc, root, name, text) for name, text in texts.items()}

        core = "int vmt_core(void); int vmt_core(void) { return 1; }\n"
        model = ("int vmt_core(void); int vmt_model(void);\n"
                 "int vmt_model(void) { return vmt_core(); }\n")

        good = libraries(core=core, model=model)
        tap.case("libraries_that_keep_the_rule_have_no_violation",
                 [v for f in good for v in dr.link_violations(rule, good, f)
                  + dr.symbol_violations(rule, good[f])] + good["core"].globals)

        bad = libraries(core=core + "int vmt_model(void); int up(void);\n"
                                    "int up(void) { return vmt_model(); }\n", model=model)
        tap.finds("core_that_links_model_is_found", dr.link_violations(rule, bad, "core"),
                  "core may not link model (vmt_model)")

        bad = libraries(utils=model, core="int unused;\n")
        tap.finds("a_symbol_that_no_part_defines_is_found",
                  dr.link_violations(rule, bad, "utils"), "no part defines vmt_core")

        def refers(name, folder, text, *words):
            library = libraries(**{folder: text})[folder]
            tap.finds(name, dr.symbol_violations(rule, library), *words)

        refers("a_library_that_exits_is_found", "model",
               "#include <stdlib.h>\nvoid f(void); void f(void) { exit(1); }\n", "exit")
        refers("a_library_that_aborts_is_found", "model",
               "#include <stdlib.h>\nvoid f(void); void f(void) { abort(); }\n", "abort")
        refers("a_library_that_asserts_is_found", "model",
               "#include <assert.h>\nvoid f(int); void f(int a) { assert(a); }\n", "__assert_fail")
        refers("a_library_that_prints_is_found", "model",
               "#include <stdio.h>\nvoid f(int); void f(int a) { printf(\"%d\", a); }\n", "printf")
        refers("a_library_that_prints_fortified_is_found", "model",
               "int __printf_chk(int, const char *, ...);\n"
               "void f(int); void f(int a) { __printf_chk(1, \"%d\", a); }\n", "__printf_chk")
        refers("a_library_that_writes_to_stderr_is_found", "model",
               "#include <stdio.h>\nvoid f(void); void f(void) { fputc(1, stderr); }\n", "stderr")
        refers("core_that_opens_a_file_is_found", "core",
               "#include <stdio.h>\nvoid *f(void); void *f(void) { return fopen(\"a\", \"r\"); }\n",
               "fopen")

        state = libraries(model="int f(void); int f(void) { static int n; return ++n; }\n"
                                "extern const char *const names[]; const char *const names[] = "
                                "{\"a\"}; const int table[] = {1};\n")
        tap.finds("global_state_is_found_and_constant_tables_are_not", state["model"].globals, "n")


def check_the_project(tap, rule, root, libraries):
    tap.case("each_folder_with_sources_is_named_by_the_rule",
             [f"{folder}/ is in no section" for folder in dr.unknown_folders(rule, root)])
    for part in ("include", *rule.parts):
        if os.path.isdir(os.path.join(root, part)):
            tap.case(f"{part}_includes_only_what_the_rule_allows",
                     dr.include_violations(rule, root, part))
    for folder, library in libraries.items():
        tap.case(f"{folder}_links_only_what_the_rule_allows",
                 dr.link_violations(rule, libraries, folder))
        tap.case(f"{folder}_never_prints_exits_or_aborts", dr.symbol_violations(rule, library))
        tap.case(f"{folder}_keeps_no_global_state", library.globals)


def main(root, cc, *arguments):
    rule = dr.Rule(os.path.join(HERE, "dependency-rule.ini"))
    libraries = {}
    for argument in arguments:
        folder, path = argument.split("=", 1)
        libraries[folder] = dr.Library(folder, path)
    tap = Tap()
    check_includes_on_a_made_up_tree(tap, rule)
    check_links_on_made_up_libraries(tap, rule, shlex.split(cc))
    check_the_project(tap, rule, root, libraries)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
