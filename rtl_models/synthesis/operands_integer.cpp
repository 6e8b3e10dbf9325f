// SPDX-License-Identifier: Apache-2.0
/// Operands of the M-ANT PE and of the baselines.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "formats/rounding.h"
#include "pe/integer_foot.h"
#include "pe/mant_pe.h"
#include "rtl_models/synthesis/operands.h"

namespace nibble {

std::vector<int> gaussian_codes(Random& random, std::size_t count, unsigned bits) {
  std::vector<double> values(count);
  double largest = 0;
  for (double& value : values) {
    value = random.normal();
    largest = std::max(largest, std::abs(value));
  }
  std::vector<int> codes;
  codes.reserve(count);
  const double steps = (1 << (bits - 1)) - 1;
  for (const double value : values)
    codes.push_back(static_cast<int>(std::lround(value / largest * steps)));
  return codes;
}

std::uint16_t gaussian_fp16(Random& random, double deviation) {
  return fp16_bits(static_cast<float>(random.normal() * deviation));
}

std::uint16_t some_scale(Random& random, double middle) {
  return fp16_bits(static_cast<float>(middle * (0.7 + 0.7 * random.uniform())));
}

namespace {

constexpr unsigned rows_of_array = 64;      // M-ANT's reduction, one group
constexpr std::uint64_t rows_of_pass = 64;  // rows of activations that meet a weight

struct MantWeights {
  std::uint8_t type = 0;
  std::array<std::uint8_t, rows_of_array> codes{};
  std::array<std::int8_t, rows_of_array> wide{};  // INT8 weights of w8a8, two PEs each
};

/// A group of Gaussian weights coded with one of the format's types.
MantWeights mant_weights(Random& random) {
  static constexpr std::array<std::uint8_t, 6> types = {0, 17, 40, 60, 120, mant_int4_type};
  MantWeights weights;
  weights.type = types[random.below(types.size())];
  const std::array<std::int16_t, 16> grid = mant_grid(weights.type);
  const double widest = *std::max_element(grid.begin(), grid.end());
  const std::vector<int> values = gaussian_codes(random, rows_of_array, 12);
  const std::vector<int> wide = gaussian_codes(random, rows_of_array, 8);
  for (unsigned i = 0; i < rows_of_array; ++i) {
    const double value = values[i] / 2047.0 * widest;
    std::uint8_t best = 0;
    for (std::uint8_t code = 1; code < 16; ++code)
      if (std::abs(grid[code] - value) < std::abs(grid[best] - value)) best = code;
    weights.codes[i] = best;
    weights.wide[i] = static_cast<std::int8_t>(wide[i]);
  }
  return weights;
}

/// What the PEs of rows 0 to `rows` - 1 hand down; `x`: one activation per row (w8a8: per pair of rows).
MantSums mant_sums(const MantWeights& weights, const std::vector<int>& x, unsigned rows, bool wide) {
  MantSums sums;
  for (unsigned row = 0; row < rows; ++row) {
    if (!wide) {
      sums = mant_step(sums, static_cast<std::int8_t>(x[row]), weights.codes[row], weights.type == mant_int4_type);
    } else if (row % 2 == 0) {
      sums.sac += x[row / 2] * (weights.wide[row / 2] >> 4);
    } else {
      sums.mac += x[row / 2] * (weights.wide[row / 2] & 15);
    }
  }
  return sums;
}

std::uint8_t mant_stored_code(const MantWeights& weights, unsigned row, bool wide) {
  if (!wide) return weights.codes[row];
  const int value = weights.wide[row / 2];
  return static_cast<std::uint8_t>((row % 2 == 0 ? value >> 4 : value) & 15);
}

}  // namespace

void mant_pe_stream(const StreamRequest& request, unsigned row) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 1},
                  {"first_in", 1},
                  {"wide_in", 1},
                  {"x_in", 8},
                  {"p1_in", 18},
                  {"p2_in", 22},
                  {"weight_in", 1},
                  {"weight_row_in", 6},
                  {"weight_code_in", 4},
                  {"weight_int4_in", 1}});
  Random random(1 + 100 * request.seed);
  const bool wide = request.mode == "w8a8";
  reset(pins);
  pins.set("wide_in", wide);
  MantWeights present = mant_weights(random), next = mant_weights(random);
  drive(pins, request, [&](std::uint64_t i) {
    const std::uint64_t at = i % rows_of_pass;
    if (at == 0) {
      present = next;
      next = mant_weights(random);
    }
    if (request.idle(i)) {
      pins.set("valid_in", 0);
      pins.set("weight_in", 0);
      return;
    }
    // The weights of the next pass go by, bottom row first, those for this row last.
    const std::uint64_t destination = rows_of_array - 1 - at;
    pins.set("weight_in", destination >= row);
    if (destination >= row) {
      pins.set("weight_row_in", static_cast<std::int64_t>(destination));
      pins.set("weight_code_in", mant_stored_code(next, static_cast<unsigned>(destination), wide));
      pins.set("weight_int4_in", next.type == mant_int4_type);
    }
    const std::vector<int> x = gaussian_codes(random, rows_of_array, 8);
    const MantSums above = mant_sums(present, x, row, wide);
    pins.set("valid_in", 1);
    pins.set("first_in", at == 0);
    pins.set("x_in", x[wide ? row / 2 : row]);
    pins.set("p1_in", above.mac);
    pins.set("p2_in", above.sac);
  });
  PinStream::operations(request.cycles);
}

void mant_foot_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 1},
                  {"last_in", 1},
                  {"wide_in", 1},
                  {"p1_in", 18},
                  {"p2_in", 22},
                  {"group_sum_in", 26},
                  {"group_type", 8},
                  {"activation_scale", 16},
                  {"weight_scale", 16},
                  {"accumulator_in", 32}});
  Random random(2 + 100 * request.seed);
  reset(pins);
  std::array<float, rows_of_pass> accumulators{};
  std::array<float, 4> returning{};  // accumulators on their way: read three cycles after their sum entered
  MantWeights weights;
  std::uint16_t weight_scale = 0;
  drive(pins, request, [&](std::uint64_t i) {
    const std::uint64_t row = i % rows_of_pass;
    if (row == 0) {
      weights = mant_weights(random);
      weight_scale = some_scale(random, 0.01);
    }
    returning = {returning[1], returning[2], returning[3], 0.0F};
    if (!request.idle(i)) {
      const MantSums sums = mant_sums(weights, gaussian_codes(random, rows_of_array, 8), rows_of_array, false);
      const std::uint16_t activation_scale = some_scale(random, 0.03);
      pins.set("valid_in", 1);
      pins.set("last_in", 1);
      pins.set("p1_in", sums.mac);
      pins.set("p2_in", sums.sac);
      pins.set("group_type", weights.type);
      pins.set("activation_scale", activation_scale);
      pins.set("weight_scale", weight_scale);
      returning[3] = accumulators[row];
      accumulators[row] = mant_foot(accumulators[row], mant_group_sum(sums, weights.type), fp16_value(activation_scale),
                                    fp16_value(weight_scale));
      pins.set("accumulator_in", float_bits(returning[0]));
    } else {
      pins.set("valid_in", 0);
    }
  });
  PinStream::operations(request.cycles);
}

void integer_pe_stream(const StreamRequest& request, unsigned bits) {
  PinStream pins({{"reset", 1}, {"valid_in", 1}, {"last_in", 1}, {"x_in", bits}, {"w_in", bits}});
  Random random(3 + 100 * request.seed);
  constexpr std::uint64_t run = 1024;
  reset(pins);
  std::vector<int> x, w;
  drive(pins, request, [&](std::uint64_t i) {
    const std::uint64_t at = (request.place() + i) % run;
    if (i == 0 || at == 0) {
      x = gaussian_codes(random, run, bits);
      w = gaussian_codes(random, run, bits);
    }
    const bool idle = request.idle(i);
    pins.set("valid_in", !idle);
    if (!idle) {
      pins.set("last_in", at == run - 1);
      pins.set("x_in", x[at]);
      pins.set("w_in", w[at]);
    }
  });
  PinStream::operations(request.cycles);
}

void integer_foot_stream(const StreamRequest& request, bool tender) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 1},
                  {"sum", tender ? 38U : 32U},
                  {"activation_scale", tender ? 19U : 16U},
                  {"weight_scale", 16},
                  {"accumulator_in", 32}});
  Random random(4 + 100 * request.seed);
  constexpr std::uint64_t outputs = 64;
  reset(pins);
  std::array<float, outputs> accumulators{};
  std::array<float, 3> returning{};  // read two cycles after the sum entered
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    returning = {returning[1], returning[2], 0.0F};
    pins.set("valid_in", !idle);
    if (!idle) {
      const std::vector<int> x = gaussian_codes(random, 128, 8), w = gaussian_codes(random, 128, 8);
      std::int64_t sum = 0;
      for (std::size_t k = 0; k < x.size(); ++k)
        sum += std::int64_t{x[k]} * w[k] * (tender ? 128 >> k % 8 : 1);
      const std::uint16_t activation_scale = some_scale(random, 0.03), weight_scale = some_scale(random, 0.01);
      const float shifted = fp16_value(activation_scale) / 128;
      pins.set("sum", sum);
      pins.set("activation_scale", tender ? float_bits(shifted) >> 13 : activation_scale);
      pins.set("weight_scale", weight_scale);
      float& accumulator = accumulators[i % outputs];
      returning[2] = accumulator;
      accumulator =
          integer_foot(accumulator, sum, tender ? shifted : fp16_value(activation_scale), fp16_value(weight_scale));
      pins.set("accumulator_in", float_bits(returning[0]));
    }
  });
  PinStream::operations(request.cycles);
}

}  // namespace nibble
