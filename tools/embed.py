#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make of a file a C array of its bytes:  embed.py FILE NAME OUTPUT"""

import sys

path, name, output = sys.argv[1:4]
with open(path, "rb") as file:
    data = file.read()
with open(output, "w", encoding="ascii") as file:
    file.write(f"static const char {name}[] = {{\n")
    for i in range(0, len(data), 16):
        file.write("\t" + "".join(f"{byte}, " for byte in data[i:i + 16]).rstrip() + "\n")
    file.write("};\n")
