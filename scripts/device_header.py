#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""accelerators/nibble_device.h, the C header for guest software, out of the tables of docs/programming.md.

Usage: scripts/device_header.py [--check]   --check writes nothing and fails when the header is not what the tables say.
"""
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/programming.md"
HEADER = ROOT / "accelerators/nibble_device.h"
TYPES = {1: "uint8_t", 2: "uint16_t", 4: "uint32_t", 8: "uint64_t"}


def tables(text, head):
    """The rows of every table whose first line is `head`, as lists of cells without backticks."""
    found, rows = [], None
    for line in text.splitlines():
        if line == head:
            rows = []
            found.append(rows)
        elif not line.startswith("|"):
            rows = None
        elif rows is not None and not line.startswith("|--"):
            cells = re.split(r"(?<!\\)\|", line.strip()[1:-1])
            rows.append([cell.strip().replace("`", "").replace("\\|", "|") for cell in cells])
    if not found:
        sys.exit(f"{PAGE.name}: no table '{head}'")
    return found


def word(name):
    """A name as a part of a C identifier."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def plain(text):
    """Prose of a cell without links."""
    return re.sub(r",? ?see below", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)).replace("*/", "* /")


def noted(line, note, indent=""):
    """A line with its comment: behind it where it fits, else above."""
    if not note:
        return [line]
    if len(line) + len(note) + 7 <= 120:
        return [f"{line} /* {note} */"]
    return textwrap.wrap(f"/* {note} */", 118, initial_indent=indent, subsequent_indent=indent + " * ",
                         break_on_hyphens=False) + [line]


def defines(prefix, pairs):
    width = max(len(name) for name, _, _ in pairs)
    return [line for name, value, note in pairs
            for line in noted(f"#define {prefix}{name.upper():<{width}} {value}", note)]


def structure(name, rows, begin, end, note):
    """A struct whose members lie where the table says; what it leaves out is reserved."""
    lines, at, spare = [f"/* {note} */", f"struct {name} {{"], begin, 0
    for offset, size, field, meaning in rows:
        offset, size = int(offset), int(size)
        if offset % min(size, 8) != 0 and size in TYPES:
            sys.exit(f"{field}: offset {offset} is no multiple of its size")
        if offset < at:
            sys.exit(f"{field}: offset {offset} overlaps the field before it")
        if offset > at:
            lines.append(f"  uint8_t reserved{spare}[{offset - at}];")
            spare += 1
        kind = TYPES.get(size, "struct nibble_operand")
        if field.startswith("exponent."):
            kind = "int16_t"
        lines += noted(f"  {kind} {word(field)};", plain(meaning) if size in TYPES else "", "  ")
        at = offset + size
    if at < end:
        lines.append(f"  uint8_t reserved{spare}[{end - at}];")
    return lines + ["};"]


def header(text):
    registers = tables(text, "| offset | name | access | reset | meaning |")[0]
    bits = tables(text, "| register | bits | name | meaning |")[0]
    common, gemm, vector, operand = tables(text, "| offset | bytes | field | meaning |")
    statuses = tables(text, "| value | name | meaning |")[0]
    version = next(row[3] for row in registers if row[1] == "version")
    if operand[0][2] != "address" or common[0][2] != "version":
        sys.exit(f"{PAGE.name}: the tables of the descriptor have another order")
    out = ["// SPDX-License-Identifier: Apache-2.0",
           "/*",
           " * The interface of a nibble machine for guest software: C99 and C++. Generated from the tables of docs/programming.md,",
           " * which explain it, by scripts/device_header.py. Words in registers and memory are little endian; the structs have the",
           " * layout of the memory on little-endian processors.",
           " */", "#ifndef NIBBLE_DEVICE_H", "#define NIBBLE_DEVICE_H", "", "/* clang-format off */", "/* NOLINTBEGIN */", "#include <stdint.h>", "",
           "/* Registers: byte offsets from the base of `control`. */"]
    out += defines("NIBBLE_REG_", [(word(name), offset + "u", f"{access}: {plain(meaning)}")
                                   for offset, name, access, _, meaning in registers])
    out += ["", "/* Their values after reset, where all machines have the same. */"]
    out += defines("NIBBLE_RESET_", [(word(name), reset + "u", "") for _, name, _, reset, _ in registers
                                     if name != "array_shape"])
    out += ["", "/* Fields of registers. */"]
    pairs = []
    for register, place, name, meaning in bits:
        low, high = (int(x) for x in (place.split("-") if "-" in place else (place, place)))
        mask = ((1 << (high - low + 1)) - 1) << low
        pairs.append((f"{word(register)}_{word(name)}", f"0x{mask:08x}u", plain(meaning)))
    out += defines("NIBBLE_FIELD_", pairs)
    out += ["", "/* Descriptors. */", f"#define NIBBLE_DESCRIPTOR_VERSION {int(version, 16)}u",
            "#define NIBBLE_DESCRIPTOR_BYTES 256u", "#define NIBBLE_STATUS_OFFSET 248u",
            "#define NIBBLE_FLAG_TIMING_ONLY 1u", "#define NIBBLE_FLAG_INTERRUPT 2u"]
    for prefix, head in (("NIBBLE_OPCODE_", "| code | opcode |"), ("NIBBLE_ORDER_", "| code | order |"),
                         ("NIBBLE_FAMILY_", "| code | family |"), ("NIBBLE_GROUPING_", "| code | grouping |"),
                         ("NIBBLE_FUNCTION_", "| code | function |")):
        out += [""] + defines(prefix, [(word(name), code + "u", "") for code, name in tables(text, head)[0]])
    out += [""] + defines("NIBBLE_ARRANGEMENT_", [(word(row[1]), row[0] + "u", "") for row in tables(
        text, "| code | arrangement | of | where row r is |")[0]])
    out += ["", "/* Status words. */"]
    out += defines("NIBBLE_STATUS_", [(word(name), value + "u", plain(meaning)) for value, name, meaning in statuses])
    out += [""] + structure("nibble_operand", operand, 0, 40, "An operand in memory.")
    out += [""] + structure("nibble_gemm_fields", gemm, 160, 248, "Bytes 160 to 247 of a GEMM command.")
    out += [""] + structure("nibble_vector_fields", vector, 160, 248, "Bytes 160 to 247 of a vector command.")
    head = structure("nibble_descriptor", common, 0, 160, "A command.")
    out += [""] + head[:-1] + ["  union {", "    struct nibble_gemm_fields gemm;", "    struct nibble_vector_fields vector;",
                               "  } u;", "  uint32_t status; /* written by the machine; the host clears it */",
                               "  uint8_t reserved_end[4];", "};"]
    out += ["", "/* No compiler may lay them out in another way. */",
            "typedef char nibble_operand_has_40_bytes[sizeof(struct nibble_operand) == 40 ? 1 : -1];",
            "typedef char nibble_descriptor_has_256_bytes[sizeof(struct nibble_descriptor) == 256 ? 1 : -1];",
            "/* NOLINTEND */", "/* clang-format on */", "", "#endif"]
    return "\n".join(out) + "\n"


def main():
    made = header(PAGE.read_text())
    if sys.argv[1:] == ["--check"]:
        if not HEADER.exists() or HEADER.read_text() != made:
            sys.exit(f"{HEADER.relative_to(ROOT)} is not what {PAGE.relative_to(ROOT)} says: run scripts/device_header.py")
    else:
        HEADER.write_text(made)


if __name__ == "__main__":
    main()
