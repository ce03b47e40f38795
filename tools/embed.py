#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make of a file a C array of its bytes, and its length:  embed.py FILE NAME OUTPUT"""

import sys

path, name, output = sys.argv[1:4]
with open(path, "rb") as file:
    data = file.read()
with open(output, "w", encoding="ascii") as file:
    file.write("#include <stddef.h>\n\n")
    file.write(f"extern const char {name}[];\nextern const size_t {name}_len;\n\n")
    file.write(f"const char {name}[] = {{\n")
    for i in range(0, len(data), 16):
        file.write("\t" + "".join(f"{byte}, " for byte in data[i:i + 16]).rstrip() + "\n")
    file.write(f"}};\nconst size_t {name}_len = sizeof({name});\n")
