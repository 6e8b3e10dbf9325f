#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plant bugs in the RTL, one at a time, and show that the test benches notice each of them.

rtl_mutations.py [--build build/mutations] [--cycles 100000] [--list] [NAME...]

Each entry of MUTATIONS changes one place of one SystemVerilog file: a width that is one bit short, a wrong sign, a stall
that is not obeyed, a register that misses its reset. The bug is built from a copy of rtl_models/ and the test bench is run;
it must fail. NAME chooses entries whose name begins so. The status is 1 when a bug stays unnoticed.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# name: (test bench, file, what stands there, what the bug makes of it, the kind of bug)
MUTATIONS = {
    "mant/p1-width": ("mant_pe_rtl_test", "mant/mant_pe.sv",
                      "p1_out <= p1_in + p1_addend;", "p1_out <= 18'(16'(p1_in + p1_addend));", "width two bits short"),
    "mant/p2-width": ("mant_pe_rtl_test", "mant/mant_pe.sv",
                      "? -(22'(shifted)) : 22'(shifted);", "? -(22'($signed(shifted[13:0]))) : 22'(shifted);",
                      "width one bit short"),
    "mant/p2-register": ("mant_pe_rtl_test", "mant/mant_pe.sv",
                         "p2_out <= p2_in + p2_addend;", "p2_out <= 22'(21'(p2_in + p2_addend));", "width one bit short"),
    "mant/sign": ("mant_pe_rtl_test", "mant/mant_pe.sv",
                  "p2_addend = code[3] ? -(22'(shifted))", "p2_addend = code[2] ? -(22'(shifted))", "wrong sign"),
    "mant/high-nibble": ("mant_pe_rtl_test", "mant/mant_pe.sv",
                         "$signed({code[3], code})", "$signed({1'b0, code})", "wrong sign"),
    "mant/stall": ("mant_pe_rtl_test", "mant/mant_pe.sv",
                   "valid_out <= valid_in;\n      if (valid_in)", "valid_out <= valid_in;\n      if (1'b1)",
                   "missing stall"),
    "mant/swap": ("mant_array_rtl_test", "mant/mant_pe.sv",
                  "assign code = first_in ? weight_code_out : active_code;",
                  "assign code = first_in && !wide_in ? weight_code_out : active_code;", "weights of the pass before"),
    "mant/int4-gate": ("mant_array_rtl_test", "mant/mant_pe.sv",
                       "else if (int4) p2_addend = '0;", "else if (int4 && first_in) p2_addend = '0;", "lane not gated"),
    "mant/skew": ("mant_array_rtl_test", "mant/mant_array.sv",
                  "assign x_at[0][r] = x[r-1];", "assign x_at[0][r] = x[r > 2 ? r-2 : r-1];", "off by one cycle"),
    "mant/foot-width": ("mant_column_foot_rtl_test", "mant/mant_column_foot.sv",
                        "group_sum <= group_sum_in + combined;", "group_sum <= 26'(25'(group_sum_in + combined));",
                        "width one bit short"),
    "mant/foot-sign": ("mant_column_foot_rtl_test", "mant/mant_column_foot.sv",
                       "negative_2 <= group_sum[25] ^ activation_scale_1[15] ^ weight_scale_1[15];",
                       "negative_2 <= group_sum[25] ^ activation_scale_1[15];\n      if (weight_scale_1[15]) negative_2 <= 1;",
                       "wrong sign"),
    "mant/foot-stall": ("mant_column_foot_rtl_test", "mant/mant_column_foot.sv",
                        "else valid_2 <= valid_1 && last_1;", "else valid_2 <= valid_1;", "unfinished group scaled"),
    "mant/foot-reset": ("mant_column_foot_rtl_test", "mant/mant_column_foot.sv",
                        "if (reset) valid_3 <= 1'b0;\n    else valid_3 <= valid_2;", "valid_3 <= valid_2;",
                        "reset misses a register"),
    "bfp/width": ("bfp_pe_rtl_test", "bfp/bfp_pe.sv",
                  "sum_next = sum_next + 24'($signed(part_2[19*i+:19]));",
                  "sum_next = 24'(23'(sum_next + 24'($signed(part_2[19*i+:19]))));", "width one bit short"),
    "bfp/sign": ("bfp_pe_rtl_test", "bfp/bfp_pe.sv",
                 "if (a_sign[lane] ^ b_sign[lane])", "if (a_sign[lane] | b_sign[lane])", "wrong sign"),
    "bfp/pair": ("bfp_pe_rtl_test", "bfp/bfp_pe.sv",
                 "odd_lane = odd_lane <<< 4;", "odd_lane = odd_lane <<< 3;", "off by one shift"),
    "bfp/exponent": ("bfp_pe_rtl_test", "bfp/bfp_pe.sv",
                     "10'(control_2.b_exponent) - 10'sd44", "10'(control_2.b_exponent) - 10'sd43", "off by one exponent"),
    "bfp/stall": ("bfp_pe_rtl_test", "bfp/bfp_pe.sv",
                  "if (valid_2) begin\n      sum_3 <=", "if (1'b1) begin\n      sum_3 <=", "missing stall"),
    "bfp/inner": ("bfp_pe_rtl_test", "bfp/bfp_pe.sv",
                  "else if (valid_4 && weighted_4) inner_fresh", "else if (valid_4) inner_fresh", "modes interfere"),
    "bfp/reset": ("bfp_pe_rtl_test", "bfp/bfp_pe.sv",
                  "if (reset) output_fresh <= 1'b1;\n    else if", "if", "reset misses a register"),
    "fp_int/width": ("fp_int_dp4_rtl_test", "fp_int/fp_int_multiplier.sv",
                     "{1'b0, significand, 10'b0}", "{2'b00, significand[9:0], 10'b0}", "width one bit short"),
    "fp_int/sign": ("fp_int_dp4_rtl_test", "fp_int/fp_int_dp4.sv",
                    "total = sign_1[i] ?", "total = sign_1[i] && t == 0 ?", "wrong sign"),
    "fp_int/stall": ("fp_int_dp4_rtl_test", "fp_int/fp_int_dp4.sv",
                     "if (accept) begin\n      int2_1", "if (valid_in) begin\n      int2_1", "missing stall"),
    "fp_int/offset": ("fp_int_dp4_rtl_test", "fp_int/fp_int_dp4.sv",
                      "16'h6402 : 16'h6408", "16'h6401 : 16'h6408", "off by one"),
    "fp_int/half": ("fp_int_dp4_rtl_test", "fp_int/fp_int_dp4.sv",
                    "int2 && upper_half ? word[15:0] >> 8", "int2 && upper_half ? word[15:0] >> 6", "off by one weight"),
    "fp_int/reset": ("fp_int_dp4_rtl_test", "fp_int/fp_int_dp4.sv",
                     "if (reset) fresh <= 1'b1;\n    else if", "if", "reset misses a register"),
    "amove/width": ("amove_tile_rtl_test", "amove/amove_pe.sv",
                    "sum <= (fresh ? '0 : sum) + SUM'(x_in) * SUM'(w_in);",
                    "sum <= SUM'(11'((fresh ? '0 : sum) + SUM'(x_in) * SUM'(w_in)));", "width one bit short"),
    "amove/exponent": ("amove_tile_rtl_test", "amove/amove_gipu.sv",
                       ".EXPONENT(12)", ".EXPONENT(9)", "width three bits short"),
    "amove/sign": ("amove_tile_rtl_test", "amove/amove_scale_decoder.sv",
                   "20'(-difference)", "20'(difference)", "wrong sign"),
    "amove/stall": ("amove_tile_rtl_test", "amove/amove_pe.sv",
                    "if (valid_in) begin\n      last_out", "if (1'b1) begin\n      last_out", "missing stall"),
    "amove/turn": ("amove_tile_rtl_test", "amove/amove_tile.sv",
                   "chosen = waiting[SUM*pe[0]+:SUM];", "chosen = waiting[SUM*(1-pe[0])+:SUM];", "sum of another PE"),
    "amove/scales": ("amove_tile_rtl_test", "amove/amove_tile.sv",
                     "if (done[0]) scale <= next_scale;", "scale <= next_scale;", "scales of the next cluster"),
    "amove/reset": ("amove_tile_rtl_test", "amove/amove_gipu.sv",
                    "if (reset) begun <= '0;\n    else if", "if", "reset misses a register"),
    "integer/width": ("baselines_rtl_test", "baselines/integer_pe.sv",
                      "sum <= (fresh ? '0 : sum) + SUM'(product);",
                      "sum <= SUM'((SUM - 1)'((fresh ? '0 : sum) + SUM'(product)));", "width one bit short"),
    "integer/sign": ("baselines_rtl_test", "baselines/integer_foot.sv",
                     ".sign(sum[SUM-1]),", ".sign(sum[SUM-2]),", "wrong sign"),
    "integer/stall": ("baselines_rtl_test", "baselines/integer_pe.sv",
                      "if (valid_in) begin\n      last_out", "if (1'b1) begin\n      last_out", "missing stall"),
    "fp16/stall": ("baselines_rtl_test", "baselines/fp16_pe.sv",
                   "if (valid_in) begin\n      last_out", "if (1'b1) begin\n      last_out", "missing stall"),
    "fp16/start": ("baselines_rtl_test", "baselines/fp16_pe.sv",
                   "else if (valid_in) fresh <= last_in;", "else if (valid_in) fresh <= last_in && !w_in[0];",
                   "output not started anew"),
    "array/skew": ("output_stationary_array_rtl_test", "common/skew.sv",
                   "localparam int DEPTH = i * STEP * WIDTH;", "localparam int DEPTH = (i > 2 ? i - 1 : i) * STEP * WIDTH;",
                   "off by one cycle"),
    "array/chain": ("output_stationary_array_rtl_test", "common/result_chain.sv",
                    "waiting[r] <= (done[r] | waiting[r]) & !starts[r] & !reset;",
                    "waiting[r] <= (done[r] | waiting[r]) & !done[ROWS-1] & !reset;", "result of an upper row lost"),
    "array/bottom": ("output_stationary_array_rtl_test", "common/output_stationary_array.sv",
                     "!rows_and_below[r+1]};", "r == ROWS - 1};", "a pass on fewer rows never drains"),
    "array/reset": ("output_stationary_array_rtl_test", "common/result_chain.sv",
                    "moving[r] <= from_above & !reset;", "moving[r] <= from_above;", "reset misses a register"),
    "array/late": ("amove_array_rtl_test", "amove/amove_array.sv",
                   "value_late <= value;", "value_late <= finished ? value : value_late;\n        if (!pe[0]) value_late <= '0;",
                   "result of another PE"),
    "array/scales": ("amove_array_rtl_test", "amove/amove_array.sv",
                     "row_line_2 <= reset ? 18'b0 : row_line;", "row_line_2 <= reset ? 18'b0 : of_rows;", "off by one cycle"),
    "aligned/width": ("aligned_unit_rtl_test", "aligned/aligned_element.sv",
                      ">> (largest - field);", ">> 4'(largest - field);", "width one bit short"),
    "aligned/sign": ("aligned_unit_rtl_test", "aligned/aligned_element.sv",
                     "aligned = value[15] ?", "aligned = value[15] && value[0] ?", "wrong sign"),
    "aligned/exponent": ("aligned_unit_rtl_test", "aligned/aligned_foot.sv",
                         "10'(25 + BITS - 11)", "10'(24 + BITS - 11)", "off by one exponent"),
    "aligned/stall": ("aligned_unit_rtl_test", "aligned/aligned_foot.sv",
                      "else if (valid_1) inner_fresh <= scale_last_1;", "else inner_fresh <= scale_last_1;", "missing stall"),
    "aligned/reset": ("aligned_unit_rtl_test", "aligned/aligned_foot.sv",
                      "if (reset) output_fresh <= 1'b1;\n    else if", "if", "reset misses a register"),
    "adaptive/width": ("adaptive_quad_rtl_test", "adaptive/adaptive_pe.sv",
                       "shift = {1'b0, x_in[7:5]} + {1'b0, w_in[7:5]};", "shift = {1'b0, 3'(x_in[7:5] + w_in[7:5])};",
                       "width one bit short"),
    "adaptive/sign": ("adaptive_quad_rtl_test", "adaptive/adaptive_decoder.sv",
                      "integer_part = $signed({code[3], code});", "integer_part = $signed({1'b0, code});", "wrong sign"),
    "adaptive/victim": ("adaptive_quad_rtl_test", "adaptive/adaptive_decoder.sv",
                        "if (victim) begin", "if (victim && !outlier) begin", "victim of a victim counts"),
    "adaptive/total": ("adaptive_quad_rtl_test", "adaptive/adaptive_quad.sv",
                       "held <= fuse_1[1] ? sum[95:64]", "held <= fuse_1[0] ? sum[95:64]", "sum of another PE"),
    "adaptive/stall": ("adaptive_quad_rtl_test", "adaptive/adaptive_pe.sv",
                       "if (valid_in) begin\n      last_out", "if (1'b1) begin\n      last_out", "missing stall"),
    "converter/width": ("bfp_converter_rtl_test", "converter/bfp_converter_lane.sv",
                        "distance = shared_1 - field_1[5*i+:5];", "distance = 5'(4'(shared_1 - field_1[5*i+:5]));",
                        "width one bit short"),
    "converter/sign": ("bfp_converter_rtl_test", "converter/bfp_converter_lane.sv",
                       "{sign_2[i] & (wide_mantissa != '0), ", "{sign_2[i], ", "sign of a mantissa of zero"),
    "converter/sticky": ("bfp_converter_rtl_test", "converter/bfp_converter_lane.sv",
                         "(|place[1:0]) | dropped_2[i] |", "(|place[1:0]) |", "sticky bit misses places"),
    "converter/saturate": ("bfp_converter_rtl_test", "converter/bfp_converter_lane.sv",
                           "wide_mantissa[8] ? 8'd255 : wide_mantissa[7:0]", "wide_mantissa[7:0]", "mantissa wraps around"),
    "converter/stall": ("bfp_converter_rtl_test", "converter/bfp_converter_lane.sv",
                        "valid_2 <= valid_1 && !reset;\n    if (valid_1)", "valid_2 <= valid_1 && !reset;\n    if (valid_2)",
                        "missing stall"),
    "rtq/width": ("rtq_spatial_rtl_test", "rtq/rtq_scale.sv",
                  "quotient = 25'((36'(significand) * 36'(reciprocal)) >> 11);",
                  "quotient = 25'((35'(significand) * 35'(reciprocal)) >> 11);", "width one bit short"),
    "rtq/exponent": ("rtq_spatial_rtl_test", "rtq/rtq_thresholds.sv", "+ 7'sd10 -", "+ 7'sd9 -", "off by one exponent"),
    "rtq/type": ("rtq_spatial_rtl_test", "rtq/rtq_scale.sv",
                 "3'd4: type_7 = 8'd80;", "3'd4: type_7 = 8'd100;", "type of another threshold"),
    "rtq/ties": ("rtq_spatial_rtl_test", "rtq/rtq_lane.sv",
                 "(rest_2 != '0 || lost_1 || places_2[1])", "(rest_2 != '0 || lost_1)", "ties toward zero"),
    "rtq/sign": ("rtq_spatial_rtl_test", "rtq/rtq_coder.sv",
                 "x[15] && x[14:0] != '0 && (!int4 || index != '0)", "x[15] && x[14:0] != '0", "sign of INT4's zero"),
    "rtq/present": ("rtq_spatial_rtl_test", "rtq/rtq_accept.sv",
                    "count_out <= present ? count + 9'd1 : count;", "count_out <= count + 9'd1;",
                    "elements beyond a row's end count"),
    "rtq/halves": ("rtq_spatial_rtl_test", "rtq/rtq_spatial.sv",
                   ".first(c == 0 && first),", ".first(c < 2 && first),", "group begun anew in the second column"),
    "rtq/reset": ("rtq_spatial_rtl_test", "rtq/rtq_spatial.sv",
                  "valid_10 <= request && !reset;", "valid_10 <= request;", "reset misses a register"),
    "rtq/first": ("rtq_temporal_rtl_test", "rtq/rtq_temporal.sv",
                  "{first_3, accumulate_tag, entering_3} <= {first_2,", "{first_3, accumulate_tag, entering_3} <= {first_1,",
                  "first of another token"),
    "rtq/readback": ("rtq_temporal_rtl_test", "rtq/rtq_readback.sv", "7'(-code)", "7'(~code)", "off by one code"),
    "rtq/window": ("rtq_temporal_rtl_test", "rtq/rtq_temporal.sv",
                   "localparam int AHEAD = 7;", "localparam int AHEAD = 6;", "off by one cycle"),
    "float/underflow": ("amove_tile_rtl_test", "common/fp_round.sv",
                        "distance = below > BIASED'(PLACES) ? BIASED'(PLACES) : below;",
                        "distance = below & BIASED'(31);", "shift distance wraps around"),
    "float/product": ("bfp_pe_rtl_test", "common/fp_mul.sv",
                      "if (b_field == '0) exponent", "if (b_field == '1) exponent", "subnormal operand"),
    "float/ties": ("mant_column_foot_rtl_test", "common/fp_round.sv",
                   "up = guard & (rest | kept[0]);", "up = guard & (rest | kept[0] | 1'b1);", "ties away from zero"),
    "float/sticky": ("mant_column_foot_rtl_test", "common/fp_add.sv",
                     "aligned[PLACES] = aligned[PLACES] | (|aligned[PLACES-1:0]);",
                     "aligned[PLACES] = aligned[PLACES] | (|aligned[PLACES-1:PLACES-4]);", "sticky bit misses places"),
    "float/subnormal": ("mant_column_foot_rtl_test", "common/fp_round.sv",
                        "subnormal = biased < 1;", "subnormal = biased < 0;", "off by one exponent"),
}


def run(command, **options):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)


class Bench:
    def __init__(self, options):
        self.build, self.cycles = options.build.resolve(), options.cycles
        self.copy = self.build / "rtl_models"
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(ROOT / "rtl_models", self.copy)
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        self.need(["cmake", "--preset", "release", "-B", str(self.build), f"-DNIBBLE_RTL_SOURCES={self.copy}",
                   "-DNIBBLE_RTL_LINT=OFF", "-DNIBBLE_BUILD_BENCHMARKS=OFF", *launcher])

    def need(self, command):
        done = run(command)
        if done.returncode:
            sys.exit(f"error: {' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")

    def passes(self, test):
        """Builds the test bench from the copy and runs it."""
        self.need(["cmake", "--build", str(self.build), "--target", test])
        done = run(["ctest", "--test-dir", str(self.build), "-R", f"^{test}:"],
                   env={**os.environ, "NIBBLE_RTL_CYCLES": str(self.cycles)})
        if "No tests were found" in done.stdout + done.stderr:
            sys.exit(f"error: no test {test}")
        return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/mutations")
    parser.add_argument("--cycles", type=int, default=100000)
    parser.add_argument("--list", action="store_true", help="print the bugs, build nothing")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = {name: mutation for name, mutation in MUTATIONS.items()
              if not options.names or name.startswith(tuple(options.names))}
    for name, (_, file, text, _, _) in chosen.items():
        count = (ROOT / "rtl_models" / file).read_text(encoding="utf-8").count(text)
        if count != 1:
            sys.exit(f"error: {name}: its place is found {count} times in rtl_models/{file}")
    if options.list:
        print("\n".join(f"{name:24} {file:32} {kind}" for name, (_, file, _, _, kind) in chosen.items()))
        return 0
    bench = Bench(options)
    for test in sorted({mutation[0] for mutation in chosen.values()}):
        if not bench.passes(test):
            sys.exit(f"error: {test} fails without any bug")
    missed = []
    for name, (test, file, text, bug, kind) in chosen.items():
        path = bench.copy / file
        sound = path.read_text(encoding="utf-8")
        path.write_text(sound.replace(text, bug), encoding="utf-8")
        caught = not bench.passes(test)
        path.write_text(sound, encoding="utf-8")
        if not caught:
            missed.append(name)
        print(f"{'caught' if caught else 'MISSED'}  {name:24} {kind}", flush=True)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} bugs caught")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
