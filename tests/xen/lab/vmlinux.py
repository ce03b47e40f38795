#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Turns a bzImage into a small ELF kernel: vmlinux.py BZIMAGE VMLINUX.

Emulated decompression is slow, and so is loading symbol sections: the result has only what its
program headers name, without trailing zeros.
"""
import lzma
import struct
import subprocess
import sys
import zlib

EHDR_SIZE = 64
PHDR = struct.Struct("<IIQQQQQQ")  # type flags offset vaddr paddr filesz memsz align
PT_LOAD = 1
PAGE = 4096


def payload(image):
    """The compressed kernel inside a bzImage, unpacked (Documentation/arch/x86/boot.rst)."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    data = image[start : start + length]
    if data.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(data)
    if data.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(data)
    if data.startswith(b"\x02\x21\x4c\x18"):
        # The last four bytes are the kernel's length, which lz4 takes for a block it cannot read.
        return subprocess.run(["lz4", "-dc"], input=data[:-4], stdout=subprocess.PIPE, check=True).stdout
    sys.exit(f"vmlinux.py: the kernel is packed in an unknown way (begins {data[:6].hex()})")


def compact(elf):
    """The same ELF with its loaded segments only, each cut after its last byte that is not 0."""
    phoff = struct.unpack_from("<Q", elf, 32)[0]
    count = struct.unpack_from("<H", elf, 56)[0]
    headers = [list(PHDR.unpack_from(elf, phoff + i * PHDR.size)) for i in range(count)]
    out = bytearray(elf[:EHDR_SIZE]) + bytearray(count * PHDR.size)
    moved = []
    for header in (h for h in headers if h[0] == PT_LOAD):
        old, size = header[2], header[5]
        kept = len(elf[old : old + size].rstrip(b"\0"))
        out += bytes(-len(out) % PAGE)
        moved.append((old, size, len(out)))
        header[2], header[5], header[7] = len(out), kept, PAGE
        out += elf[old : old + kept]
    for header in (h for h in headers if h[0] != PT_LOAD):
        for old, size, new in moved:
            if old <= header[2] < old + size:
                header[2] += new - old
                break
    for i, header in enumerate(headers):
        PHDR.pack_into(out, EHDR_SIZE + i * PHDR.size, *header)
    struct.pack_into("<QQ", out, 32, EHDR_SIZE, 0)  # e_phoff, e_shoff
    struct.pack_into("<HHH", out, 58, 0, 0, 0)  # no sections
    return out


def main():
    with open(sys.argv[1], "rb") as source:
        elf = payload(source.read())
    with open(sys.argv[2], "wb") as target:
        target.write(compact(elf))


main()
