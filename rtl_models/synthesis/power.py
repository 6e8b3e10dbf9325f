# SPDX-License-Identifier: Apache-2.0
"""Energy per cycle of a mapped netlist from its switching activity (simulate.py) and the cells' Liberty tables.

The activity is that of zero delay: the nets as they stand before every rising edge of the clock, hence no glitches. Parts:
  switching  C V^2 / 2 for every transition of a net, C the pins it drives and the load of an output; no wires
  internal   the cells' tables for every transition of an output (by the input that may have caused it: the related pins'
             tables, weighted with how often these pins switch) and of an input that has a table of its own
  leakage    the cells' mean
The clock net switches twice per cycle."""
import collections
import json

Net = collections.namedtuple("Net", "driver sinks")  # driver: (instance, pin) or None; sinks: [(instance, pin)]
Slew = collections.namedtuple("Slew", "rise fall")


class Netlist:
    """A flat module of library cells, from Yosys' JSON. Nets are named as in its Verilog: `n12`, `x_in[3]`."""

    def __init__(self, text, top, library):
        module = json.loads(text)["modules"][top]
        names = {}
        directions = {name: port["direction"] for name, port in module["ports"].items()}
        # What runs through to an output keeps its input's name.
        for name, wire in sorted(module["netnames"].items(), key=lambda w: directions.get(w[0], "none") != "input"):
            for i, bit in enumerate(wire["bits"]):
                if bit not in names or (directions.get(name) == "output" and names[bit].split("[")[0] not in directions):
                    names[bit] = name if len(wire["bits"]) == 1 else f"{name}[{i}]"
        self.cells = {name: cell["type"] for name, cell in module["cells"].items()}
        self.pins = {}  # (instance, pin) -> net
        self.nets = {}
        self.ports = {name: (port["direction"], len(port["bits"])) for name, port in module["ports"].items()}
        self.outputs = {names[bit] for port in module["ports"].values() if port["direction"] == "output"
                        for bit in port["bits"] if not isinstance(bit, str)}
        for instance, cell in module["cells"].items():
            pins = library.cells[cell["type"]].pins
            for pin, (bit,) in cell["connections"].items():
                net = names.get(bit, bit)
                self.pins[instance, pin] = net
                driver, sinks = self.nets.get(net, (None, []))
                if pins[pin].output:
                    driver = (instance, pin)
                else:
                    sinks.append((instance, pin))
                self.nets[net] = Net(driver, sinks)

    def counts(self):
        return dict(sorted(collections.Counter(self.cells.values()).items()))


class Energy:
    """pJ per cycle, by part; leakage in nW."""

    def __init__(self, switching, internal, leakage):
        self.switching, self.internal, self.leakage = switching, internal, leakage

    @property
    def dynamic(self):
        return self.switching + self.internal


def energy(netlist, library, toggles, cycles, slews, output_load, clock="clk"):
    """`toggles[net] = (rises, falls)` in `cycles` cycles; `slews[instance, pin]`: ns; `output_load`: pF."""
    toggles = dict(toggles)
    if clock in netlist.nets:
        toggles[clock] = (cycles, cycles)
    loads = {name: sum(library.cells[netlist.cells[i]].pins[p].capacitance for i, p in net.sinks)
             + (output_load if name in netlist.outputs else 0.0) for name, net in netlist.nets.items()}
    half_v2 = 0.5 * library.voltage**2
    switching = sum(loads[name] * half_v2 * sum(toggles.get(name, (0, 0))) for name in loads)
    internal = leakage = 0.0
    for instance, kind in netlist.cells.items():
        cell = library.cells[kind]
        leakage += cell.leakage
        for name, pin in cell.pins.items():
            net = netlist.pins.get((instance, name))
            rises, falls = toggles.get(net, (0, 0))
            if rises + falls and pin.energy:
                internal += _internal(netlist, instance, name, pin, toggles, slews, loads[net], rises, falls)
    return Energy(switching / cycles, internal / cycles, leakage)


def _internal(netlist, instance, name, pin, toggles, slews, load, rises, falls):
    total = weight = 0.0
    for related, (rise_tables, fall_tables) in pin.energy.items():
        cause = related or name
        often = sum(toggles.get(netlist.pins.get((instance, cause)), (0, 0)))
        slew = slews[instance, cause]
        mean = (slew.rise + slew.fall) / 2
        up = sum(t.at(load=load, slew=mean) for t in rise_tables) / max(len(rise_tables), 1)
        down = sum(t.at(load=load, slew=mean) for t in fall_tables) / max(len(fall_tables), 1)
        total += often * (rises * up + falls * down)
        weight += often
    return total / weight if weight else 0.0

