#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Give commands to QEMU's monitor: qemu-monitor.py SOCKET COMMAND..."""
import socket
import sys

PROMPT = b"(qemu) "


def answer(monitor):
    text = b""
    while not text.endswith(PROMPT):
        part = monitor.recv(4096)
        if not part:
            break
        text += part
    return text.decode(errors="replace")


with socket.socket(socket.AF_UNIX) as link:
    link.connect(sys.argv[1])
    answer(link)
    for command in sys.argv[2:]:
        link.sendall(command.encode() + b"\n")
        print(answer(link))
