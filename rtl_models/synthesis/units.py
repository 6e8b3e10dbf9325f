# SPDX-License-Identifier: Apache-2.0
"""The modules that are synthesized, and the cost book's entries that their figures make."""
import dataclasses

FLOAT = ("common/fp_round.sv", "common/fp_add.sv")
MULTIPLY = FLOAT + ("common/fp_mul.sv",)
ADAPTIVE = tuple(f"adaptive/adaptive_{name}.sv" for name in ("quad", "pe", "decoder"))
ANDA_MODES = tuple(f"m{bits}" for bits in range(4, 16))
AMOVE = tuple(f"amove/amove_{name}.sv" for name in ("tile", "pe", "gipu", "scale_decoder"))


@dataclasses.dataclass(frozen=True)
class Unit:
    """`stream`: the module of rtl_operands; `modes`: those of its streams that are measured. `early`: parameters are set before the
    hierarchy is built, where Yosys 0.23 fails otherwise: a child whose own parameters stay the same is made twice."""
    name: str
    top: str
    sources: tuple
    parameters: dict = dataclasses.field(default_factory=dict)
    stream: str = ""
    modes: tuple = ()
    early: bool = dataclasses.field(default=False, repr=False)


UNITS = [Unit(*u) for u in (
    # PEs of two neighbouring rows in the middle of the array: in w8a8 the even row holds the high nibble, the odd the low.
    ("mant_pe_even", "mant_pe", ("mant/mant_pe.sv",), {"ROW": 32}, "mant_pe_even", ("w4a8", "w8a8", "idle")),
    ("mant_pe_odd", "mant_pe", ("mant/mant_pe.sv",), {"ROW": 33}, "mant_pe_odd", ("w4a8", "w8a8", "idle")),
    ("mant_column_foot", "mant_column_foot", ("mant/mant_column_foot.sv",) + FLOAT, {}, "mant_column_foot",
     ("element", "idle")),
    ("bfp_pe", "bfp_pe", ("bfp/bfp_pe.sv",) + MULTIPLY, {}, "bfp_pe", ("m8w4", "m8m4", "m8m8", "idle")),
    ("bfp_converter_lane", "bfp_converter_lane", ("converter/bfp_converter_lane.sv",), {}, "bfp_converter_lane",
     ("bfp8", "bfp4", "idle")),
    ("fp_int_dp4", "fp_int_dp4", ("fp_int/fp_int_dp4.sv", "fp_int/fp_int_multiplier.sv") + MULTIPLY, {}, "fp_int_dp4",
     ("int4", "int2", "int4-k", "int2-k", "idle")),
    *((f"fp_int_dp4_d{trees}", "fp_int_dp4", ("fp_int/fp_int_dp4.sv", "fp_int/fp_int_multiplier.sv") + MULTIPLY,
       {"TREES": trees}, f"fp_int_dp4_d{trees}", ("int4", "int2", "int4-k", "int2-k", "idle"), True) for trees in (1, 4, 8)),
    ("fp_int_multiplier", "fp_int_multiplier", ("fp_int/fp_int_multiplier.sv",), {}, "fp_int_multiplier",
     ("int4", "int2")),
    ("amove_tile", "amove_tile", AMOVE + MULTIPLY, {}, "amove_tile", ("c4", "c16", "c2", "c1", "idle")),
    ("amove_pe", "amove_pe", ("amove/amove_pe.sv",), {}, "amove_pe", ("c4", "c16", "idle")),
    ("amove_gipu", "amove_gipu", ("amove/amove_gipu.sv",) + MULTIPLY, {}, "amove_gipu", ("sum", "idle")),
    ("amove_scale_decoder", "amove_scale_decoder", ("amove/amove_scale_decoder.sv", "common/fp_round.sv"), {},
     "amove_scale_decoder", ("scale",)),
    ("int8_pe", "integer_pe", ("baselines/integer_pe.sv",), {"BITS": 8, "SUM": 32}, "int8_pe", ("mac", "idle")),
    ("int4_pe", "integer_pe", ("baselines/integer_pe.sv",), {"BITS": 4, "SUM": 23}, "int4_pe", ("mac", "idle")),
    ("integer_foot", "integer_foot", ("baselines/integer_foot.sv",) + MULTIPLY, {}, "integer_foot",
     ("element", "idle")),
    ("fp16_pe", "fp16_pe", ("baselines/fp16_pe.sv",) + MULTIPLY, {}, "fp16_pe", ("mac", "idle")),
    ("fp16_multiply", "fp_mul", ("common/fp_mul.sv", "common/fp_round.sv"),
     {"FIELD": 5, "FRACTION": 10, "EXPONENT": 8}, "fp16_multiply", ("operation",)),
    ("fp16_add", "fp_add", FLOAT, {"FIELD": 5, "FRACTION": 10}, "fp16_add", ("operation",)),
    ("aligned_pe", "integer_pe", ("baselines/integer_pe.sv",), {"BITS": 15, "W_BITS": 8, "SUM": 29}, "aligned_pe",
     ("w4", "w8", "idle")),
    ("aligned_foot", "aligned_foot", ("aligned/aligned_foot.sv",) + MULTIPLY, {}, "aligned_foot", ("element", "idle")),
    ("ant_quad", "adaptive_quad", ADAPTIVE, {}, "ant_quad", ("w4a4", "w4a8", "w8a8", "idle")),
    ("olive_quad", "adaptive_quad", ADAPTIVE, {"OLIVE": 1}, "olive_quad", ("w4a4", "w4a8", "w8a8", "idle")),
    ("tender_quad", "tender_quad", ("tender/tender_quad.sv", "tender/tender_pe.sv"), {}, "tender_quad",
     ("w4a4", "w8a8", "idle")),
    ("tender_foot", "integer_foot", ("baselines/integer_foot.sv",) + MULTIPLY, {"SUM": 38, "SCALE_FIELD": 8}, "tender_foot",
     ("element", "idle"), True),
    ("bitfusion_pe", "bitfusion_pe", ("bitfusion/bitfusion_pe.sv",), {"ROW": 16}, "bitfusion_pe",
     tuple(f"w{w}a{a}" for w in (8, 4, 2) for a in (8, 4, 2)) + ("idle",)),
    ("bitmod_pe", "bitmod_pe", ("bitmod/bitmod_pe.sv",) + FLOAT, {}, "bitmod_pe", ("w8", "w6", "w4", "w2", "idle")),
    ("bitmod_decoder", "bitmod_decoder", ("bitmod/bitmod_decoder.sv",), {}, "bitmod_decoder", ("term",)),
    ("anda_pe", "anda_pe", ("anda/anda_pe.sv",) + MULTIPLY, {}, "anda_pe", ANDA_MODES + ("idle",)),
    ("rtq_accept", "rtq_accept", ("rtq/rtq_accept.sv",) + FLOAT, {}, "rtq_accept", ("element", "idle")),
    ("rtq_scale", "rtq_scale", ("rtq/rtq_scale.sv", "rtq/rtq_product.sv", "rtq/rtq_divide.sv", "rtq/rtq_thresholds.sv") + MULTIPLY, {},
     "rtq_scale", ("mant4", "int8", "idle")),
    ("rtq_lane", "rtq_lane", ("rtq/rtq_lane.sv", "rtq/rtq_divide.sv", "rtq/rtq_coder.sv"), {}, "rtq_lane",
     ("mant4", "int8", "idle")),
    ("rtq_readback", "rtq_readback", ("rtq/rtq_readback.sv", "common/fp_round.sv"), {}, "rtq_readback", ("operation",)),
)]


@dataclasses.dataclass(frozen=True)
class Share:
    """A part of an entry: a unit's figure times a factor. `mode`: of energies and idle cycles."""
    unit: str
    factor: float = 1.0
    mode: str = ""


def _pe(key, unit, modes, part=1.0):
    """Entries of one PE that is `part` of a unit: energies by the book's mode names."""
    yield f"{key}.area", "um2", [Share(unit, part)]
    yield f"{key}.cells", "cells", [Share(unit, part)]
    yield f"{key}.critical_path", "ps", [Share(unit)]
    yield f"{key}.leakage", "mW", [Share(unit, part)]
    for name, unit_of_energy, mode in modes:
        factor = part if name == "idle" else 1.0
        yield f"{key}.{name}", unit_of_energy, [Share(unit, factor, mode)]


def _mac(*modes):
    return [(f"{name}.mac" if name else "mac", "pJ/MAC", mode) for name, mode in modes] + [
        ("idle", "pJ/cycle", "idle")]


IDLE = ("idle", "pJ/cycle", "idle")


def _quantizer():
    """M-ANT's real-time quantizer: registers behind each of 32 columns, one pipeline of scales, 64 lanes that code a group per
    cycle; for values, what the INT8 window reads back as, of 32 channels of a token and of the 64 tokens of a group."""
    parts = [("rtq_accept", 32.0), ("rtq_scale", 1.0), ("rtq_lane", 64.0), ("rtq_readback", 96.0)]
    for quantity, name in (("um2", "area"), ("cells", "cells"), ("mW", "leakage")):
        yield f"quantizer.{name}", quantity, [Share(unit, count) for unit, count in parts]
    for unit in ("accept", "scale", "lane", "readback"):
        yield f"quantizer.{unit}.critical_path", "ps", [Share(f"rtq_{unit}")]
    key, int8 = [Share("rtq_accept", 1.0, "element")], [Share("rtq_lane", 1.0, "int8"), Share("rtq_scale", 1 / 64, "int8")]
    mant4 = [Share("rtq_lane", 1.0, "mant4"), Share("rtq_scale", 1 / 64, "mant4")]
    yield "quantizer.element", "pJ/element", key + int8
    yield "quantizer.key.element", "pJ/element", key + mant4
    # Twice through: coded to INT8 for the window and read back into the registers; read back again, then coded.
    yield "quantizer.value.element", "pJ/element", (
        key + mant4 + [Share("rtq_lane", 1.0, "int8"), Share("rtq_readback", 2.0, "operation")])
    yield "quantizer.idle", "pJ/cycle", [Share(unit, count, "idle") for unit, count in parts if unit != "rtq_readback"]


def _peers():
    """Tender, with a foot behind 64 PEs, BitFusion, BitMoD with the decoder of four lanes in front of 32 PEs, Anda."""
    def parts(key, shares, modes):
        for quantity, name in (("um2", "area"), ("cells", "cells"), ("mW", "leakage")):
            yield f"{key}.{name}", quantity, [Share(unit, factor) for unit, factor, _, _ in shares]
        yield f"{key}.critical_path", "ps", [Share(shares[0][0])]
        for name, mode in modes:
            yield f"{key}.{name}.mac", "pJ/MAC", [
                Share(unit, each(mode), mode if at == 0 else fixed) for at, (unit, _, fixed, each) in enumerate(shares)]
        yield f"{key}.idle", "pJ/cycle", [Share(unit, factor, "idle") for unit, factor, fixed, _ in shares if fixed != "term"]

    # The foot's work once in 4096 products: what a row of a linear layer has.
    yield from parts("pe.tender", [("tender_quad", 0.25, "", lambda mode: 1.0), ("tender_foot", 1 / 64, "element", lambda mode: 1 / 4096)],
                     [(mode, mode) for mode in ("w4a4", "w8a8")])
    modes = tuple(f"w{w}a{a}" for w in (8, 4, 2) for a in (8, 4, 2))
    yield from _pe("pe.bitfusion", "bitfusion_pe", _mac(*((mode, mode) for mode in modes)))
    # Two terms of a weight of four bits, in front of 32 PEs.
    yield from parts("pe.bitmod", [("bitmod_pe", 1.0, "", lambda mode: 1.0),
                                   ("bitmod_decoder", 4 / 32, "term", lambda mode: int(mode[1]) / 2 / 32)],
                     [(mode, mode) for mode in ("w8", "w6", "w4", "w2")])
    yield from _pe("pe.anda", "anda_pe", _mac(*((mode, mode) for mode in ANDA_MODES)))
    # Attention, on FP units that are not part of the PE.
    yield "pe.anda.fp16.mac", "pJ/MAC", [Share("fp16_pe", 1.0, "mac")]


def entries():
    """(key, unit of measurement, shares that are added up) of the book, in its order."""
    even, odd = "mant_pe_even", "mant_pe_odd"
    yield "pe.mant.area", "um2", [Share(even, 0.5), Share(odd, 0.5)]
    yield "pe.mant.cells", "cells", [Share(even, 0.5), Share(odd, 0.5)]
    yield "pe.mant.critical_path", "ps", [Share(even, 0.5), Share(odd, 0.5)]
    yield "pe.mant.leakage", "mW", [Share(even, 0.5), Share(odd, 0.5)]
    yield "pe.mant.w4a8.mac", "pJ/MAC", [Share(even, 0.5, "w4a8"), Share(odd, 0.5, "w4a8")]
    yield "pe.mant.w8a8.mac", "pJ/MAC", [Share(even, 1.0, "w8a8"), Share(odd, 1.0, "w8a8")]
    yield "pe.mant.idle", "pJ/cycle", [Share(even, 0.5, "idle"), Share(odd, 0.5, "idle")]
    yield from _pe("foot", "mant_column_foot", [("element", "pJ/element", "element"), IDLE])
    yield from _pe("pe.bfp", "bfp_pe", _mac(("m8w4", "m8w4"), ("m8m4", "m8m4"), ("m8m8", "m8m8")))
    # Sixteen lanes make the unit.
    yield from _pe("converter", "bfp_converter_lane", [("element", "pJ/element", "bfp8"),
                                                       ("bfp4.element", "pJ/element", "bfp4"), IDLE], 16.0)
    yield from _pe("pe.fp_int", "fp_int_dp4",
                   _mac(("int4", "int4"), ("int2", "int2"), ("int4-k", "int4-k"), ("int2-k", "int2-k")))
    for trees in (1, 4, 8):
        yield from _pe(f"fp_int.trees{trees}", f"fp_int_dp4_d{trees}",
                       _mac(("int4", "int4"), ("int2", "int2"), ("int4-k", "int4-k"), ("int2-k", "int2-k")))
    yield from _pe("fp_int.multiplier", "fp_int_multiplier", [("int4.product", "pJ/operation", "int4"),
                                                              ("int2.product", "pJ/operation", "int2")])
    # A PE of the array is a quarter of a tile, which has its own share of the GIPU and of the decoder.
    yield from _pe("pe.amove", "amove_tile", _mac(("c4", "c4"), ("c16", "c16"), ("c2", "c2"), ("c1", "c1")), 0.25)
    for cluster in ("c4",):
        yield f"pe.amove.{cluster}.area", "um2", [Share("amove_tile", 0.25)]
        yield f"pe.amove.{cluster}.leakage", "mW", [Share("amove_tile", 0.25)]
        yield f"pe.amove.{cluster}.idle", "pJ/cycle", [Share("amove_tile", 0.25, "idle")]
    yield from _pe("amove.lane", "amove_pe", _mac(("c4", "c4"), ("c16", "c16")))
    yield from _pe("amove.gipu", "amove_gipu", [("sum", "pJ/operation", "sum"), IDLE])
    yield from _pe("amove.decoder", "amove_scale_decoder", [("scale", "pJ/operation", "scale")])
    yield from _pe("pe.int8", "int8_pe", _mac(("", "mac")))
    yield from _pe("pe.int4", "int4_pe", [("w4a4.mac", "pJ/MAC", "mac"), IDLE])
    yield from _pe("foot.int8", "integer_foot", [("element", "pJ/element", "element"), IDLE])
    yield from _pe("pe.fp16", "fp16_pe", _mac(("", "mac")))
    # FIGNA: a foot behind 64 PEs, whose sums it scales every 64 products. A quad of ANT or OliVe is four PEs with decoders.
    for quantity, name in (("um2", "area"), ("cells", "cells"), ("mW", "leakage")):
        yield f"pe.figna.{name}", quantity, [Share("aligned_pe"), Share("aligned_foot", 1 / 64)]
    for mode in ("w4", "w8"):
        yield f"pe.figna.{mode}.mac", "pJ/MAC", [Share("aligned_pe", 1.0, mode), Share("aligned_foot", 1 / 64, "element")]
    yield "pe.figna.idle", "pJ/cycle", [Share("aligned_pe", 1.0, "idle"), Share("aligned_foot", 1 / 64, "idle")]
    for name in ("ant", "olive"):
        yield from _pe(f"pe.{name}", f"{name}_quad", _mac(("w4a4", "w4a4"), ("w4a8", "w4a8"), ("w8a8", "w8a8")), 0.25)
    yield from _peers()
    yield from _quantizer()
    for name in ("multiply", "add"):
        yield f"fp16.{name}", "pJ/operation", [Share(f"fp16_{name}", 1.0, "operation")]
        yield f"fp16.{name}.area", "um2", [Share(f"fp16_{name}")]
        yield f"fp16.{name}.critical_path", "ps", [Share(f"fp16_{name}")]
        yield f"fp16.{name}.leakage", "mW", [Share(f"fp16_{name}")]
