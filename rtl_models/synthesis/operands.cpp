// SPDX-License-Identifier: Apache-2.0
/// rtl_operands MODULE MODE CYCLES SEED: prints the stream of realistic operands that scripts/synthesize.sh measures a
/// module with.
#include "rtl_models/synthesis/operands.h"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>

using namespace nibble;

namespace {

using Stream = std::function<void(const StreamRequest&)>;

const std::map<std::string, Stream>& streams() {
  static const std::map<std::string, Stream> all = {
      {"mant_pe_even", [](const StreamRequest& r) { mant_pe_stream(r, 32); }},
      {"mant_pe_odd", [](const StreamRequest& r) { mant_pe_stream(r, 33); }},
      {"mant_column_foot", mant_foot_stream},
      {"bfp_pe", bfp_pe_stream},
      {"bfp_converter_lane", bfp_converter_stream},
      {"fp_int_dp4", [](const StreamRequest& r) { fp_int_dp4_stream(r, 2); }},
      {"fp_int_dp4_d1", [](const StreamRequest& r) { fp_int_dp4_stream(r, 1); }},
      {"fp_int_dp4_d4", [](const StreamRequest& r) { fp_int_dp4_stream(r, 4); }},
      {"fp_int_dp4_d8", [](const StreamRequest& r) { fp_int_dp4_stream(r, 8); }},
      {"fp_int_multiplier", fp_int_multiplier_stream},
      {"amove_tile", amove_tile_stream},
      {"amove_pe", amove_pe_stream},
      {"amove_scale_decoder", amove_decoder_stream},
      {"amove_gipu", amove_gipu_stream},
      {"int8_pe", [](const StreamRequest& r) { integer_pe_stream(r, 8); }},
      {"int4_pe", [](const StreamRequest& r) { integer_pe_stream(r, 4); }},
      {"integer_foot", [](const StreamRequest& r) { integer_foot_stream(r, false); }},
      {"tender_foot", [](const StreamRequest& r) { integer_foot_stream(r, true); }},
      {"fp16_pe", fp16_pe_stream},
      {"fp16_multiply", [](const StreamRequest& r) { fp16_operation_stream(r, true); }},
      {"fp16_add", [](const StreamRequest& r) { fp16_operation_stream(r, false); }},
      {"aligned_pe", aligned_pe_stream},
      {"aligned_foot", aligned_foot_stream},
      {"ant_quad", [](const StreamRequest& r) { adaptive_quad_stream(r, false); }},
      {"olive_quad", [](const StreamRequest& r) { adaptive_quad_stream(r, true); }},
      {"tender_quad", tender_quad_stream},
      {"bitfusion_pe", bitfusion_pe_stream},
      {"bitmod_pe", bitmod_pe_stream},
      {"bitmod_decoder", bitmod_decoder_stream},
      {"anda_pe", anda_pe_stream},
      {"rtq_accept", rtq_accept_stream},
      {"rtq_scale", rtq_scale_stream},
      {"rtq_lane", rtq_lane_stream},
      {"rtq_readback", rtq_readback_stream},
  };
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  const auto stream = argc == 5 ? streams().find(argv[1]) : streams().end();
  const std::uint64_t cycles = argc == 5 ? std::strtoull(argv[3], nullptr, 10) : 0;
  if (stream == streams().end() || cycles == 0) {
    std::fprintf(stderr, "usage: rtl_operands MODULE MODE CYCLES SEED; modules:");
    for (const auto& [name, function] : streams())
      std::fprintf(stderr, " %s", name.c_str());
    std::fprintf(stderr, "\n");
    return 2;
  }
  stream->second({argv[2], cycles, std::strtoull(argv[4], nullptr, 10)});
  return 0;
}
