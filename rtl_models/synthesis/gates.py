# SPDX-License-Identifier: Apache-2.0
"""Runs the tools: SystemVerilog to mapped gates (Yosys, ABC), timing and slews (OpenSTA). Everything of a unit lies in one
folder, named after it."""
import re
import subprocess

import power

TARGET_PS = 18000  # [D] 2 ns, the machines' clock at 28 nm, in this technology: Stillmaker and Baas (scale.py) give 18.1 ns
INPUT_SLEW_NS = 0.1  # [D] a flip-flop that drives three or four gates
OUTPUT_LOAD_PF = 0.0373  # [D] four inverters INVX1
YOSYS = """read_liberty -lib {liberty}
read_verilog -sv {sources}
{early}hierarchy -check -top {top} {parameters}
rename -top {unit}
synth -flatten -top {unit} -noabc
dfflibmap -liberty {liberty}
opt
abc -liberty {liberty} -constr {folder}/abc.constr -D {target}
opt_clean -purge
splitnets
opt_clean -purge
rename -hide */w:* */c:*
rename -enumerate -pattern n%
check -mapped -assert
tee -q -o {folder}/area.txt stat -liberty {liberty}
write_verilog -noattr -noexpr {folder}/netlist.v
write_json {folder}/netlist.json
"""

STA = """read_liberty {liberty}
read_verilog {folder}/netlist.v
link_design {unit}
{clock}
set_input_transition {slew} [all_inputs]
set_load {load} [all_outputs]
set sta_report_default_digits 6
report_checks -path_delay max -digits 5
foreach pin [get_pins */*] {{ report_slews $pin }}
"""

def run(command, **options):
    """Output of a command; RuntimeError with what it wrote when it fails."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(str(w) for w in command)} failed:\n{done.stdout[-2000:]}")
    return done.stdout


def versions():
    yosys = run(["yosys", "-V"]).split()[1]
    sta = run(["sta", "-version"]).split()[-1]
    return f"Yosys {yosys}, OpenSTA {sta}"


def script(unit, rtl, liberty, folder):
    """What Yosys is told."""
    option = "-set" if unit.early else "-chparam"
    parameters = " ".join(f"{option} {name} {value}" for name, value in unit.parameters.items())
    return YOSYS.format(sources=" ".join(str(rtl / s) for s in unit.sources), top=unit.top, unit=unit.name, liberty=liberty,
                        early=f"chparam {parameters} {unit.top}\n" if unit.early else "",
                        parameters="" if unit.early else parameters, folder=folder, target=TARGET_PS)


def synthesize(unit, rtl, liberty, folder):
    """netlist.v, netlist.json and area.txt in `folder`. Returns the area in um2."""
    (folder / "abc.constr").write_text(f"set_driving_cell BUFX2\nset_load {OUTPUT_LOAD_PF} [all_outputs]\n")
    (folder / "yosys.ys").write_text(script(unit, rtl, liberty, folder))
    run(["yosys", "-q", "-s", folder / "yosys.ys"])
    return float(re.findall(r"Chip area for .*: ([0-9.]+)", (folder / "area.txt").read_text())[-1])


def timing(unit, netlist, liberty, folder):
    """(critical path in ps, setup time included; slews by instance and pin in ns)."""
    clocked = "clk" in netlist.ports
    # Inputs come from registers at their edge; a module without registers works within one cycle of a clock of its own.
    clock = f"create_clock -name clk -period {TARGET_PS / 1000} " + ("[get_ports clk]" if clocked else "")
    clock += "\nset_input_delay 0 -clock clk [all_inputs]\nset_output_delay 0 -clock clk [all_outputs]"
    (folder / "sta.tcl").write_text(STA.format(liberty=liberty, folder=folder, unit=unit.name, clock=clock,
                                               slew=INPUT_SLEW_NS, load=OUTPUT_LOAD_PF))
    report = run(["sta", "-exit", folder / "sta.tcl"])
    if "Error" in report:
        raise RuntimeError(f"OpenSTA, {unit.name}: {report[report.index('Error'):][:500]}")
    arrival = float(re.search(r"(-?[0-9.]+)\s+data arrival time", report)[1])
    setup = re.search(r"(-?[0-9.]+)\s+-?[0-9.]+\s+library setup time", report)
    slews = {}
    for pin, rise, fall in re.findall(r"^(\S+) \^ [0-9.]+:([0-9.]+) v [0-9.]+:([0-9.]+)$", report, re.M):
        instance, _, name = pin.rpartition("/")
        slews[instance, name] = power.Slew(float(rise), float(fall))
    return round(1000 * (arrival - (float(setup[1]) if setup else 0.0))), slews

