// SPDX-License-Identifier: Apache-2.0
/// Streams of realistic operands for the energy of synthesized PEs: Gaussian tensors, quantized as the machine would,
/// partial sums and accumulators by the functions of pe/. Each prints a PinStream for one mode of one module.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"
#include "rtl_models/synthesis/pin_stream.h"

namespace nibble {

/// `count` Gaussian values as codes of `bits` bits, symmetric: the largest magnitude becomes 2^(bits-1) - 1.
std::vector<int> gaussian_codes(Random& random, std::size_t count, unsigned bits);
/// A Gaussian value of this deviation as binary16.
std::uint16_t gaussian_fp16(Random& random, double deviation = 1.0);
/// A scale as quantizers store it: binary16, positive, within a factor of two of `middle`.
std::uint16_t some_scale(Random& random, double middle);

/// Cycles before the measured ones: a pass of the M-ANT array, a full pipeline elsewhere.
constexpr std::uint64_t warm_up = 64;

/// One stretch of the long stream of a mode. Stretches of different seeds are different operands at different places of
/// their reductions, but each starts with empty accumulators.
struct StreamRequest {
  std::string mode;
  std::uint64_t cycles = 256;  ///< that are measured
  std::uint64_t seed = 0;
  std::uint64_t place() const { return seed * cycles; }  ///< of the first cycle
  bool idle(std::uint64_t cycle) const { return mode == "idle" && cycle >= warm_up; }
};

/// The cycle in which a clocked module is reset.
inline void reset(PinStream& pins) {
  pins.set("reset", 1);
  pins.cycle();
  pins.set("reset", 0);
}

/// Warm-up and measured cycles of a request; set_pins(i) gives the inputs of cycle i, counted from the warm-up's first.
template <class SetPins>
void drive(PinStream& pins, const StreamRequest& request, const SetPins& set_pins) {
  for (std::uint64_t i = 0; i < warm_up + request.cycles; ++i) {
    if (i == warm_up) PinStream::measure();
    set_pins(i);
    pins.cycle();
  }
}

void mant_pe_stream(const StreamRequest& request, unsigned row);
void mant_foot_stream(const StreamRequest& request);
void bfp_pe_stream(const StreamRequest& request);
void bfp_converter_stream(const StreamRequest& request);
void fp_int_dp4_stream(const StreamRequest& request, unsigned trees);
void fp_int_multiplier_stream(const StreamRequest& request);
void amove_tile_stream(const StreamRequest& request);
void amove_pe_stream(const StreamRequest& request);
void amove_decoder_stream(const StreamRequest& request);
void amove_gipu_stream(const StreamRequest& request);
void integer_pe_stream(const StreamRequest& request, unsigned bits);
/// `tender`: sums in eight groups of columns, whose scale is shifted.
void integer_foot_stream(const StreamRequest& request, bool tender);
void fp16_pe_stream(const StreamRequest& request);
void fp16_operation_stream(const StreamRequest& request, bool multiply);
void aligned_pe_stream(const StreamRequest& request);
void aligned_foot_stream(const StreamRequest& request);
void adaptive_quad_stream(const StreamRequest& request, bool olive);
void tender_quad_stream(const StreamRequest& request);
void bitfusion_pe_stream(const StreamRequest& request);
void bitmod_pe_stream(const StreamRequest& request);
void bitmod_decoder_stream(const StreamRequest& request);
void anda_pe_stream(const StreamRequest& request);
void rtq_accept_stream(const StreamRequest& request);
void rtq_scale_stream(const StreamRequest& request);
void rtq_lane_stream(const StreamRequest& request);
void rtq_readback_stream(const StreamRequest& request);

}  // namespace nibble
