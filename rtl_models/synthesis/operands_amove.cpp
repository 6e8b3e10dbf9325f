// SPDX-License-Identifier: Apache-2.0
/// Operands of Amove's tile and of its parts.
#include <array>

#include "formats/rounding.h"
#include "pe/amove_pe.h"
#include "rtl_models/synthesis/operands.h"

namespace nibble {
namespace {

/// A cluster's scale: base S, residual R of up to a quarter of it, code E.
struct ScaleCodes {
  std::uint8_t base = 0, residual = 0, code = 0;
};
ScaleCodes cluster_scale(Random& random) {
  const double base = 0.7 + 0.7 * random.uniform();
  return {e4m3_bits(static_cast<float>(base)), e4m3_bits(static_cast<float>(base * 0.25 * random.uniform())),
          static_cast<std::uint8_t>(random.below(4))};
}

void set_scale(PinStream& pins, const ScaleCodes& scale) {
  pins.set("base", scale.base);
  pins.set("residual", scale.residual);
  pins.set("code", scale.code);
}

/// Elements of a cluster; those of clusters of 1 and 2 are padded to the four cycles that the GIPU needs.
unsigned cluster_of(const std::string& mode) {
  return mode == "c16" ? 16 : mode == "c2" ? 2 : mode == "c1" ? 1 : 4;
}

constexpr unsigned clusters_of_output = 32;

}  // namespace

void amove_tile_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 2},
                  {"last_in", 2},
                  {"output_last_in", 2},
                  {"x_in", 8},
                  {"w_in", 8},
                  {"scale_valid", 1},
                  {"slot", 2},
                  {"base", 7},
                  {"residual", 7},
                  {"code", 2},
                  {"exponent", 10}});
  Random random(11 + 100 * request.seed);
  const unsigned cluster = cluster_of(request.mode), cycles = cluster < 4 ? 4 : cluster;
  reset(pins);
  pins.set("exponent", -8);
  // Row 0 and column 0 in the low bits; row 1 and column 1 follow a cycle later.
  std::array<std::vector<int>, 4> codes;
  std::int64_t valid = 0, last = 0, output_last = 0, x_late = 0, w_late = 0;
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    const unsigned at = static_cast<unsigned>(i % cycles);
    if (at == 0)
      for (std::vector<int>& lane : codes) {
        lane = gaussian_codes(random, cluster, 4);
        lane.resize(cycles);
      }
    const std::int64_t now = !idle, ends = at == cycles - 1;
    const std::int64_t whole =
        ends != 0 && (request.place() + i) / cycles % clusters_of_output == clusters_of_output - 1;
    pins.set("valid_in", now | valid << 1);
    if (!idle) {
      pins.set("last_in", ends | last << 1);
      pins.set("output_last_in", whole | output_last << 1);
      pins.set("x_in", codes[0][at], 0, 4);
      pins.set("w_in", codes[2][at], 0, 4);
      pins.set("x_in", x_late, 4, 4);
      pins.set("w_in", w_late, 4, 4);
    }
    x_late = codes[1][at];
    w_late = codes[3][at];
    valid = now;
    last = ends;
    output_last = whole;
    pins.set("scale_valid", !idle && at < 4);
    if (!idle && at < 4) {
      pins.set("slot", at);
      set_scale(pins, cluster_scale(random));
    }
  });
  // Four PEs; of a short cluster only the elements that are some.
  PinStream::operations(request.mode == "idle" ? request.cycles : request.cycles * 4 * cluster / cycles);
}

void amove_pe_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1}, {"valid_in", 1}, {"last_in", 1}, {"output_last_in", 1}, {"x_in", 4}, {"w_in", 4}});
  Random random(12 + 100 * request.seed);
  const unsigned cluster = cluster_of(request.mode);
  reset(pins);
  std::vector<int> x, w;
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    if (i % cluster == 0) {
      x = gaussian_codes(random, cluster, 4);
      w = gaussian_codes(random, cluster, 4);
    }
    pins.set("valid_in", !idle);
    if (!idle) {
      pins.set("last_in", i % cluster == cluster - 1);
      pins.set("output_last_in", (request.place() + i) / cluster % clusters_of_output == clusters_of_output - 1);
      pins.set("x_in", x[i % cluster]);
      pins.set("w_in", w[i % cluster]);
    }
  });
  PinStream::operations(request.cycles);
}

void amove_decoder_stream(const StreamRequest& request) {
  PinStream pins({{"base", 7}, {"residual", 7}, {"code", 2}});
  Random random(13 + 100 * request.seed);
  set_scale(pins, cluster_scale(random));
  pins.cycle();
  PinStream::measure();
  for (std::uint64_t i = 0; i < request.cycles; ++i) {
    set_scale(pins, cluster_scale(random));
    pins.cycle();
  }
  PinStream::operations(request.cycles);
}

void amove_gipu_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 1},
                  {"pe", 2},
                  {"output_last", 1},
                  {"sum", 12},
                  {"row_scale", 32},
                  {"column_scale", 32},
                  {"exponent", 10}});
  Random random(14 + 100 * request.seed);
  reset(pins);
  pins.set("exponent", -8);
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    pins.set("valid_in", !idle);
    if (!idle) {
      const std::vector<int> x = gaussian_codes(random, 4, 4), w = gaussian_codes(random, 4, 4);
      std::int32_t sum = 0;
      for (unsigned k = 0; k < 4; ++k)
        sum = amove_step(sum, static_cast<std::int8_t>(x[k]), static_cast<std::int8_t>(w[k]), 4);
      pins.set("pe", static_cast<std::int64_t>(i % 4));
      pins.set("output_last", (request.place() + i) / 4 % clusters_of_output == clusters_of_output - 1);
      pins.set("sum", sum);
      for (unsigned place = 0; i % 4 == 1 && place < 2; ++place) {
        pins.set("row_scale", some_scale(random, 1.0), 16 * place, 16);
        pins.set("column_scale", some_scale(random, 1.0), 16 * place, 16);
      }
    }
  });
  PinStream::operations(request.cycles);
}

}  // namespace nibble
