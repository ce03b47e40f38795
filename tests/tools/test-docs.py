#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Man pages and completions say what the help says. Prints TAP."""

import os
import re
import shutil
import subprocess

from tools import BUILD, main, run, test

TOOLS = ("vmirec", "vmireplay", "vmidiff", "vmitrace")


def verbs(tool):
    """The words that come before options: one empty list for a tool without verbs."""
    out, _ = run(tool, "--help")
    if "\nVerbs:\n" not in out:
        return [[]]
    return [[line.split()[0]] for line in out.split("\nVerbs:\n")[1].split("\n\n")[0].splitlines()]


def options(tool, words):
    out, _ = run(tool, *words, "--help")
    return set(re.findall(r"^  (?:-., |    )(--[a-z-]+)", out, re.M)) - {"--help", "--version"}


def complete(tool, *words):
    """What bash offers behind these words."""
    script = os.path.join(BUILD, "docs", tool + ".bash")
    line = " ".join(f"'{word}'" for word in (tool, *words))
    done = subprocess.run(
        ["bash", "-c", f". {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _{tool}; "
         'printf "%s\\n" "${COMPREPLY[@]}"'],
        capture_output=True, text=True, timeout=30, check=True, cwd=BUILD)
    return set(done.stdout.split())


@test
def each_man_page_is_made_by_scdoc_and_names_each_option(folder):
    if not shutil.which("scdoc") or not shutil.which("man"):
        return
    for tool in TOOLS:
        text, _ = run(tool, "--print-man")
        page = subprocess.run(["scdoc"], input=text.encode(), capture_output=True, check=True)
        path = os.path.join(folder, tool + ".1")
        with open(path, "wb") as f:
            f.write(page.stdout)
        shown = subprocess.run(["man", "-l", path], capture_output=True, check=True,
                               env=dict(os.environ, MANWIDTH="200", LC_ALL="C"))
        plain = re.sub(r".\x08", "", shown.stdout.decode(errors="replace"))
        assert shown.stderr == b"", shown.stderr
        assert "EXIT STATUS" in plain, plain
        for words in verbs(tool):
            assert " ".join([tool, *words]) in plain, (tool, words)
            for name in options(tool, words):
                assert name in plain, (tool, words, name)


@test
def bash_completes_verbs_and_options(folder):
    for tool in TOOLS:
        for words in verbs(tool):
            offered = complete(tool, *words, "--")
            assert options(tool, words) | {"--help"} == offered, (tool, words, offered)
            if words:
                assert words[0] in complete(tool, words[0][:2]), words
    assert complete("vmidiff", "--js") == {"--json"}


@test
def bash_completes_names_of_files(folder):
    assert "tools" in complete("vmidiff", "tool")


if __name__ == "__main__":
    raise SystemExit(main())
