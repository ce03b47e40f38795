#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hold vmt_skip_length() against objdump, over thousands of encodings in each mode.

  test-skip-lengths.py SKIP-LENGTHS OBJDUMP
"""

import re
import subprocess
import sys
import tempfile

# What vmt_skip_length() knows; suffixes for size and far forms are cut off below.
KNOWN = {"in", "out", "ins", "outs", "sldt", "str", "lldt", "ltr", "sgdt", "sidt", "lgdt", "lidt"}
PREFIX_WORDS = re.compile(r"^(rep[nz]*|repe|lock|data16|data32|addr16|addr32|[c-gs]s|rex(\.\w+)?|bnd)$")
PREFIXES = [b"", b"\x66", b"\x67", b"\x67\x67", b"\xf3", b"\xf2", b"\x2e", b"\x65", b"\x66\x67",
            b"\x67\x66\xf3", b"\xf0"]
REX = [b"\x48", b"\x41", b"\x42", b"\x4f", b"\x66\x48", b"\x67\x45"]
SIBS = [0x00, 0x05, 0x25, 0x24, 0x65, 0xe5, 0x44, 0x3d]
TAIL = bytes(range(1, 12))
STRIDE = 32


def prefixes(mode):
    return PREFIXES + (REX if mode == 64 else [])


def with_modrm(mode):
    """Each ModRM byte of the two groups, with some SIB bytes where there is one."""
    for group in (0x00, 0x01):
        for modrm in range(256):
            has_sib = mode != 16 and modrm >> 6 != 3 and modrm & 7 == 4
            for sib in SIBS if has_sib else [None]:
                code = bytes([0x0f, group, modrm])
                yield code + TAIL if sib is None else code + bytes([sib]) + TAIL


def first_bytes(mode):
    """Each opcode of one byte, and of two, that is no prefix."""
    skipped = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x0f, 0x9b}
    if mode == 64:
        skipped |= set(range(0x40, 0x50))
    for byte in range(256):
        if byte not in skipped:
            yield bytes([byte]) + TAIL
        if byte not in (0x00, 0x01):
            yield bytes([0x0f, byte]) + TAIL


def objdump(tool, mode, codes):
    """For each code: the first instruction's length, and whether it is one of KNOWN."""
    with tempfile.NamedTemporaryFile() as file:
        for code in codes:
            file.write(code.ljust(STRIDE, b"\x90"))
        file.flush()
        machine = ["-m", "i386:x86-64"] if mode == 64 else ["-m", "i386", "-M",
                                                           "i8086" if mode == 16 else "i386"]
        text = subprocess.run([tool, "-D", "-w", "--insn-width=16", "-b", "binary", *machine,
                               file.name], check=True, capture_output=True, text=True).stdout
    lines = {}
    for line in text.splitlines():
        found = re.match(r"\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*(.*)", line)
        if found:
            words = [w for w in found[3].split() if not PREFIX_WORDS.match(w)]
            name = words[0] if words else ""
            known = name in KNOWN or (name[-1:] in "bwlqd" and name[:-1] in KNOWN)
            lines[int(found[1], 16)] = (len(found[2].split()), known)
    return [lines[i * STRIDE] for i in range(len(codes))]


def ours(helper, mode, codes):
    text = "".join(f"{mode} {code.hex()}\n" for code in codes)
    out = subprocess.run([helper], input=text, check=True, capture_output=True, text=True).stdout
    return [int(line) for line in out.split()]


def compare(helper, tool, mode, codes):
    problems = []
    lengths = ours(helper, mode, codes)
    if len(lengths) != len(codes):
        return [f"{len(lengths)} answers for {len(codes)} encodings"]
    for code, length, (expected, known) in zip(codes, lengths, objdump(tool, mode, codes)):
        if length != (expected if known else 0):
            problems.append(f"{code.hex(' ')}: {length}, objdump has {expected if known else 0}")
    return problems


def main():
    helper, tool = sys.argv[1:]
    cases = []
    for mode in (16, 32, 64):
        groups = [p + code for p in prefixes(mode) for code in with_modrm(mode)]
        ports = [p + code for p in prefixes(mode) for code in first_bytes(mode)]
        cases += [(f"descriptor_instructions_in_{mode}_bit_code", mode, groups),
                  (f"all_other_opcodes_in_{mode}_bit_code", mode, ports)]
    failed = 0
    print(f"1..{len(cases)}")
    for number, (name, mode, codes) in enumerate(cases, 1):
        problems = compare(helper, tool, mode, codes)
        print("not ok" if problems else "ok", number, "-", name, f"({len(codes)} encodings)")
        for problem in problems[:20]:
            print("#", problem)
        failed += bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
