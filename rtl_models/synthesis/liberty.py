# SPDX-License-Identifier: Apache-2.0
"""What the power of a netlist needs of a Liberty file: capacitances, energies per transition, leakage."""
import bisect
import re

TOKEN = re.compile(r'/\*.*?\*/|"[^"]*"|[^\s(){}:;,"]+|[(){}:;,]', re.S)


class Group:
    """`kind (arguments) { attributes and groups }`."""

    def __init__(self, kind, arguments):
        self.kind, self.arguments = kind, arguments
        self.values, self.groups = {}, []

    def all(self, kind):
        return [g for g in self.groups if g.kind == kind]

    def number(self, name, default=0.0):
        return float(self.values.get(name, default))


def parse(text):
    """The outermost group of a Liberty text. ValueError where it does not parse."""
    tokens = [t for t in TOKEN.findall(text.replace("\\\n", " ")) if not t.startswith("/*")]
    group, at = _group(tokens, 0)
    if at != len(tokens):
        raise ValueError(f"Liberty: '{tokens[at]}' after the library")
    return group


def _arguments(tokens, at):
    end = tokens.index(")", at)
    return [t.strip('"') for t in tokens[at:end] if t != ","], end + 1


def _group(tokens, at):
    kind = tokens[at]
    if tokens[at + 1] != "(":
        raise ValueError(f"Liberty: '(' expected after '{kind}'")
    arguments, at = _arguments(tokens, at + 2)
    group = Group(kind, arguments)
    if tokens[at] != "{":
        raise ValueError(f"Liberty: '{{' expected after '{kind}(...)'")
    at += 1
    while tokens[at] != "}":
        name = tokens[at]
        if tokens[at + 1] == ":":
            group.values[name] = tokens[at + 2].strip('"')
            at += 3
        elif tokens[at + 1] == "(" and tokens[tokens.index(")", at) + 1] == "{":
            inner, at = _group(tokens, at)
            group.groups.append(inner)
        elif tokens[at + 1] == "(":
            group.values[name], at = _arguments(tokens, at + 2)
        else:
            raise ValueError(f"Liberty: '{tokens[at + 1]}' after '{name}'")
        while tokens[at] == ";":
            at += 1
    return group, at + 1


def _numbers(rows):
    return [float(x) for row in rows for x in row.replace(",", " ").split()]


class Table:
    """A table of one or two axes; between its points linear, beyond its ends as in the last interval."""

    def __init__(self, group, variables):
        self.variables = variables
        self.axes = [_numbers(group.values[f"index_{i + 1}"]) for i in range(len(variables))]
        self.values = _numbers(group.values["values"])

    def at(self, **point):
        return self._along(0, 0, [point[v] for v in self.variables])

    def _along(self, axis, offset, point):
        if axis == len(self.axes):
            return self.values[offset]
        steps = self.axes[axis]
        low = min(max(bisect.bisect_right(steps, point[axis]) - 1, 0), len(steps) - 2)
        stride = 1
        for later in self.axes[axis + 1:]:
            stride *= len(later)
        share = (point[axis] - steps[low]) / (steps[low + 1] - steps[low])
        below = self._along(axis + 1, offset + low * stride, point)
        above = self._along(axis + 1, offset + (low + 1) * stride, point)
        return below + (above - below) * share


class Library:
    """Cells by name. Capacitances in pF, times in ns, energies in pJ per transition, leakage in nW."""

    def __init__(self, text):
        library = parse(text)
        if library.values.get("capacitive_load_unit") != ["1", "pf"] or library.values["leakage_power_unit"] != "1nW":
            raise ValueError("Liberty: expected loads in pF and leakage in nW")
        self.voltage = library.number("nom_voltage")
        axes = {"total_output_net_capacitance": "load", "input_transition_time": "slew"}
        self._templates = {t.arguments[0]: [axes[t.values[v]] for v in ("variable_1", "variable_2") if v in t.values]
                           for t in library.all("power_lut_template")}
        self.cells = {c.arguments[0]: Cell(c, self._templates) for c in library.all("cell")}


class Cell:
    def __init__(self, group, templates):
        self.area = group.number("area")
        self.leakage = group.number("cell_leakage_power")
        self.sequential = bool(group.all("ff") or group.all("latch"))
        self.pins = {p.arguments[0]: Pin(p, templates) for p in group.all("pin")}

    def outputs(self):
        return [name for name, pin in self.pins.items() if pin.output]


class Pin:
    """`energy[related pin] = (rise tables, fall tables)` of its transitions; related pin "" is the pin itself."""

    def __init__(self, group, templates):
        self.output = group.values["direction"] == "output"
        self.capacitance = group.number("capacitance")
        self.function = group.values.get("function", "")
        self.energy = {}
        for power in group.all("internal_power"):
            for related in power.values.get("related_pin", "").split() or [""]:
                rise, fall = self.energy.setdefault(related, ([], []))
                rise += [Table(t, templates[t.arguments[0]]) for t in power.all("rise_power")]
                fall += [Table(t, templates[t.arguments[0]]) for t in power.all("fall_power")]
