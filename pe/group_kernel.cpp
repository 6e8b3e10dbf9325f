// SPDX-License-Identifier: Apache-2.0
#include "pe/group_kernel.h"

#include <cstring>

#include "pe/group_kernel_body.h"
#include "pe/instruction_set.h"

namespace nibble {
namespace {

struct PortableVector {
  static constexpr int width = 1;
  static constexpr int rows = 1;
  using Int = std::int32_t;
  struct Pairs {
    std::int16_t value[2];
  };
  static Int zero() { return 0; }
  static Pairs load_pairs(const std::int16_t* p) {
    Pairs pairs;
    std::memcpy(pairs.value, p, sizeof pairs.value);
    return pairs;
  }
  static Pairs broadcast_pair(const std::int16_t* p) { return load_pairs(p); }
  static Int add_products(Int sum, Pairs a, Pairs b) { return sum + a.value[0] * b.value[0] + a.value[1] * b.value[1]; }
  template <bool Wide>
  static void add_scaled(float* accumulators, Int sum, float sx, const float* sw) {
    const float t = sx * *sw;
    if (Wide) {
      *accumulators += static_cast<float>(static_cast<double>(sum) * static_cast<double>(t));
    } else {
      *accumulators += static_cast<float>(sum) * t;
    }
  }
  static void add_scaled(float* inner, Int sum, float sx) { *inner += static_cast<float>(sum) * sx; }
  static void flush(float* accumulators, float* inner, const float* sw) {
    *accumulators += *inner * *sw;
    *inner = 0;
  }
};

}  // namespace

void group_kernel_portable(const GroupBlock& block) {
  run_group_kernel<PortableVector>(block);
}

GroupKernel chosen_group_kernel() {
  switch (instruction_set()) {
#if defined(__x86_64__)
    case InstructionSet::avx2:
      return group_kernel_avx2;
    case InstructionSet::sse2:
      return group_kernel_sse2;
#endif
    default:
      return group_kernel_portable;
  }
}

}  // namespace nibble
