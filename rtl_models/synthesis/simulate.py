# SPDX-License-Identifier: Apache-2.0
"""Switching activity of a mapped netlist: zero-delay simulation of its gates by the functions of their Liberty cells. Many
streams of operands run side by side, one per bit of Python's integers."""
import re

OPERATORS = {"!": "m^", "&": "&", "|": "|", "+": "|", "*": "&", "^": "^", "(": "(", ")": ")"}


def expression(function, pins):
    """A Liberty function as Python over integers; `pins`: what stands for each pin; m: all ones."""
    words = []
    for word in re.findall(r"[A-Za-z_]\w*|\S", function):
        if words and words[-1][-1] not in "^&|(" and (word in pins or word in "(!"):
            words.append("&")  # side by side means and
        if word in OPERATORS:
            words.append(OPERATORS[word])
        elif word in pins:
            words.append(pins[word])
        else:
            raise ValueError(f"Liberty function '{function}': '{word}' is no pin")
    text = "".join(words)
    # Liberty's ! binds tighter than anything, Python's ^ does not.
    while "m^" in text:
        at = text.rindex("m^")
        end = _operand(text, at + 2)
        text = f"{text[:at]}(m ^ {text[at + 2:end]}){text[end:]}"
    return text


def _operand(text, at):
    if text[at] != "(":
        return re.compile(r"\w+(\[\d+\])?").match(text, at).end()
    depth = 0
    for end in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        if depth == 0:
            return end + 1
    raise ValueError(f"unbalanced: {text}")


class Simulation:
    """`streams`: integers' width. Registers start at 0."""

    def __init__(self, netlist, library, streams):
        self.mask = (1 << streams) - 1
        self.nets = sorted(netlist.nets)
        self.inputs = [f"{name}[{i}]" if width > 1 else name for name, (direction, width) in netlist.ports.items()
                       if direction == "input" and name != "clk" for i in range(width)]
        self.local = {net: f"v{i}" for i, net in enumerate(dict.fromkeys(self.nets + self.inputs))}
        self.registers = []
        lines = self._order(netlist, library)
        state = "".join(self.local[q] + ", " for q, _ in self.registers)
        pins = "".join(self.local[net] + ", " for net in self.inputs)
        text = "\n ".join(["def step(m, inputs, state):", f"({pins}) = inputs" if pins else "pass",
                           f"({state}) = state" if state else "pass"] + lines
                          + ["return [" + ", ".join(self.local.get(n, "0") for n in self.nets) + "], ["
                             + ", ".join(self.local[d] for _, d in self.registers) + "]"])
        scope = {}
        exec(compile(text, "gates", "exec"), scope)  # pylint: disable=exec-used
        self._step, self._state = scope["step"], [0] * len(self.registers)
        self._values = None
        self.rises, self.falls, self.cycles = [0] * len(self.nets), [0] * len(self.nets), 0

    def _order(self, netlist, library):
        """Assignments in an order in which every operand is known; fills self.registers with (Q net, D net)."""
        constants = {net: "0" if net == "0" else "m" for net in ("0", "1") if net in netlist.nets}
        lines = [f"{self.local[net]} = {value}" for net, value in constants.items()]
        lines += [f"{self.local[net]} = 0" for net in self.nets if net == "clk"]
        known = set(self.inputs) | set(constants) | {"clk"}
        gates = {}
        for instance, kind in netlist.cells.items():
            cell = library.cells[kind]
            if kind == "DFFPOSX1":
                q = netlist.pins[instance, "Q"]
                self.registers.append((q, netlist.pins[instance, "D"]))
                known.add(q)
            elif cell.sequential:
                raise ValueError(f"no model of the register {kind}")
            else:
                gates[instance] = cell
        waiting, ready = {}, []
        for instance, cell in gates.items():
            missing = {netlist.pins[instance, p] for p, pin in cell.pins.items() if not pin.output} - known
            waiting[instance] = missing
            if not missing:
                ready.append(instance)
        while ready:
            instance = ready.pop()
            cell = gates.pop(instance)
            pins = {p: self.local[netlist.pins[instance, p]] for p, pin in cell.pins.items() if not pin.output}
            for out in cell.outputs():
                net = netlist.pins[instance, out]
                lines.append(f"{self.local[net]} = {expression(cell.pins[out].function, pins)}")
                known.add(net)
                for sink, _ in netlist.nets[net].sinks:
                    if net in waiting.get(sink, ()):
                        waiting[sink].remove(net)
                        if not waiting[sink]:
                            ready.append(sink)
        if gates:
            raise ValueError(f"combinational loop or net without driver at {next(iter(gates))}")
        return lines

    def cycle(self, inputs, measured):
        """One cycle; `inputs`: a value per name of self.inputs, one bit per stream. Returns the settled nets by name."""
        values, self._state = self._step(self.mask, inputs, self._state)
        if measured:
            self.cycles += 1
            for i, (old, new) in enumerate(zip(self._values, values)):
                if old != new:
                    self.rises[i] += (new & ~old).bit_count()
                    self.falls[i] += (old & ~new).bit_count()
        self._values = values
        return values

    def value(self, net):
        return self._values[self.nets.index(net)]

    def toggles(self):
        return {net: (r, f) for net, r, f in zip(self.nets, self.rises, self.falls) if r or f}


class Stream:
    """What rtl_operands prints: for every cycle the bits of all pins in one integer; where measuring starts; operations."""

    def __init__(self, text, inputs):
        lines = text.split("\n")
        widths = [(name, int(width)) for name, _, width in (p.rpartition(":") for p in lines[0].split()[1:])]
        bits = [f"{name}[{i}]" if width > 1 else name for name, width in widths for i in range(width)]
        if set(bits) != set(inputs):
            raise ValueError(f"pins of the stream and of the module differ: {sorted(set(bits) ^ set(inputs))}")
        self.place = [bits.index(name) for name in inputs]
        self.rows, self.start, self.operations = [], 0, 0
        for line in lines[1:]:
            if line == "measure":
                self.start = len(self.rows)
            elif line.startswith("operations"):
                self.operations = int(line.split()[1])
            elif line:
                row = low = 0
                for (_, width), value in zip(widths, line.split()):
                    row |= int(value, 16) << low
                    low += width
                self.rows.append(row)


def activity(netlist, library, texts):
    """Runs streams of equal length side by side: (toggles, cycles of all streams, operations of all streams)."""
    simulation = Simulation(netlist, library, len(texts))
    streams = [Stream(text, simulation.inputs) for text in texts]
    place = streams[0].place
    for at, rows in enumerate(zip(*(s.rows for s in streams))):
        columns = _transposed(rows, len(place))
        simulation.cycle([columns[p] for p in place], at >= streams[0].start)
    return (simulation.toggles(), simulation.cycles * len(streams), sum(s.operations for s in streams))


def _transposed(rows, width):
    """Bit b of row s becomes bit s of column b."""
    texts = [f"{row:0{width}b}"[::-1] for row in reversed(rows)]
    return [int("".join(column), 2) for column in zip(*texts)]
