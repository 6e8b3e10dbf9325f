// SPDX-License-Identifier: Apache-2.0
/// How keys and values choose their mant4 type: from a sum, a sum of squares and a maximum, which an encoder and a
/// streaming quantizer form alike. Definition: docs/formats.md, section "mant4", selections variance and variance8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "formats/mant_types.h"

namespace nibble {

/// `sum` = f32(sum + x) and `squares` = f32(squares + f32(x * x)) in order over `count` FP16 values whose largest
/// magnitude is `largest` > 0. The thresholds are those of the authors' released code.
inline std::uint8_t mant_type_by_variance(float sum, float squares, std::size_t count, float largest, bool eight_way) {
  struct Step {
    float threshold;
    std::uint8_t type;
  };
  constexpr Step three[] = {{0.25F, 25}};
  constexpr Step eight[] = {{0.0797F, 20}, {0.122F, 40}, {0.1368F, 60}, {0.1446F, 80}, {0.1528F, 100}, {0.1611F, 120}};
  if (count == 1) return mant_int4;
  const float n = static_cast<float>(count);
  const float v = squares - (sum * sum) / n;
  const float w = (n - 1.0F) * (largest * largest);
  if (v < (eight_way ? 0.0417F : 0.05F) * w) return 0;
  const Step* end = eight_way ? std::end(eight) : std::end(three);
  for (const Step* step = eight_way ? eight : three; step != end; ++step) {
    if (v <= step->threshold * w) return step->type;
  }
  return mant_int4;
}

}  // namespace nibble
