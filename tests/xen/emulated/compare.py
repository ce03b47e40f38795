#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""compare.py VMITRACE DOC XEN.vmt EMULATED.vmt

The events of two recordings, one by one: reason, flags, view, all registers that both know, all
fields. A difference that docs/xen-differences.md does not list under "Events" fails; so does a row
of it that no rule here stands for. Time stamps are not compared.
"""
import json
import re
import subprocess
import sys

REASONS = ["unknown", "memory-access", "write-cr", "write-msr", "interrupt", "singlestep",
           "hypercall", "cpuid", "io", "descriptor", "next-interrupt", "vmexit", "emul-unimplemented"]
CPUID, XCR0 = 7, 3
# Fields of a record that say nothing of the guest: positions in the trace, Xen's own bytes.
NOT_COMPARED = {"position", "callback", "phase", "kind", "ticket", "raw", "raw_kind"}


def events(vmitrace, path):
    out = subprocess.run([vmitrace, "dump", "--json", "--kind", "event", path], check=True,
                         capture_output=True, text=True).stdout
    return [e for e in map(json.loads, out.splitlines()) if e["kind"] == "event"]


def flat(event):
    """Field paths and values: regs.rax, cr.new_value, ..."""
    fields = {}
    for key, value in event.items():
        if key in NOT_COMPARED:
            continue
        if isinstance(value, dict):
            fields.update({f"{key}.{k}": v for k, v in value.items()})
        else:
            fields[key] = value
    return fields


def features(event, field, pair, state):
    """CPUID leaf 1 tells of what the CPU can do, which is less here; the values stay in registers."""
    if event["reason"] == CPUID and int(event["cpuid"]["leaf"], 16) == 1 and field in (
            "regs.rcx", "regs.rdx"):
        state.setdefault("features", set()).add(pair)
        return True
    return field.startswith("regs.r") and pair in state.get("features", ())


def null_segment(event, field, pair, state):
    """What a null selector leaves of a segment's hidden part is up to the CPU: it is unusable."""
    match = re.fullmatch(r"regs\.([d-g]s)\.(access|limit)", field)
    return bool(match) and event["regs"][match[1] + ".selector"] == "0x0"


def undefined_flags(event, field, pair, state):
    """OF and AF, where the instruction before leaves them undefined."""
    return field == "regs.rflags" and not (int(pair[0], 16) ^ int(pair[1], 16)) & ~0x810


def first_xcr0(event, field, pair, state):
    """The old value in the first write of XCR0."""
    return field == "cr.old_value" and event["cr"]["cr"] == XCR0 and pair == ("0x0", "0x1")


def descriptor_qualification(event, field, pair, state):
    return field in ("descriptor.info", "descriptor.qualification")


# The rows of docs/xen-differences.md, section "Events", and which differences they stand for.
RULES = {
    "cpuid-features": features,
    "null-segment": null_segment,
    "undefined-flags": undefined_flags,
    "first-xcr0": first_xcr0,
    "descriptor-qualification": descriptor_qualification,
}


def listed(doc):
    section = re.search(r"^## Events$(.*?)(?=^## |\Z)", doc, re.M | re.S)
    return re.findall(r"^\| `([a-z0-9-]+)` \|", section.group(1), re.M) if section else []


def describe(event):
    return f"{REASONS[event['reason']]} at RIP {event['regs']['rip']}"


def compare(xen, emulated, used):
    """The differences that no rule stands for."""
    wrong, state = [], {}
    for number, (a, b) in enumerate(zip(xen, emulated)):
        if a["reason"] != b["reason"] or a["regs"]["rip"] != b["regs"]["rip"]:
            wrong.append(f"event {number}: Xen has {describe(a)}, the emulated domain {describe(b)}")
            break
        mine, other = flat(a), flat(b)
        for field in sorted(mine.keys() & other.keys()):
            pair = (mine[field], other[field])
            if pair[0] == pair[1]:
                continue
            rules = [name for name, rule in RULES.items() if rule(a, field, pair, state)]
            used.update(rules)
            if not rules:
                wrong.append(f"event {number}, {describe(a)}: {field} is {pair[0]} on Xen, "
                             f"{pair[1]} on the emulated domain")
    if not wrong and len(xen) != len(emulated):
        wrong.append(f"Xen has {len(xen)} events, the emulated domain {len(emulated)}")
    return wrong


def main(vmitrace, doc, xen_path, emulated_path):
    with open(doc, encoding="utf-8") as f:
        names = listed(f.read())
    xen, emulated = events(vmitrace, xen_path), events(vmitrace, emulated_path)
    used = set()
    wrong = compare(xen, emulated, used)
    wrong += [f"docs: `{name}` has no rule in compare.py" for name in names if name not in RULES]
    wrong += [f"docs: `{name}` is not listed" for name in used if name not in names]
    print(f"{len(xen)} events of Xen, {len(emulated)} of the emulated domain; differences that "
          f"are listed: {', '.join(sorted(used)) or 'none'}")
    for line in wrong[:40]:
        print(line)
    if len(wrong) > 40:
        print(f"and {len(wrong) - 40} more")
    return 1 if wrong or not xen else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
