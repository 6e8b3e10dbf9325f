// SPDX-License-Identifier: Apache-2.0
/// Seeded synthetic tensors that stand in for weights and activations. The same request gives the same bits on every
/// machine: only IEEE operations of one rounding are used, no library functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/tensor.h"

namespace nibble {

/// What the values of a synthetic tensor look like.
enum class Distribution {
  gaussian,          ///< weights; sum of twelve uniforms, so no value is beyond six deviations
  laplace,           ///< longer tails: small language models' weights, activations without outliers
  outlier_channels,  ///< gaussian, but some columns, the same ones in every row, are `gain` times larger: activations
                     ///< in front of linear layers (Dettmers et al., LLM.int8(), 2022: about 0.1 % of the columns, up
                     ///< to 20 times)
  massive_outliers   ///< gaussian, but single elements have the magnitude gain x deviation: the residual stream (Sun et
                     ///< al., Massive Activations in Large Language Models, 2024: fewer than ten elements, a thousand
                     ///< times)
};

/// Request for a tensor of rows x columns, where columns is the reduction axis.
struct SyntheticTensor {
  Distribution distribution = Distribution::gaussian;
  std::size_t rows = 0, columns = 0;  ///< each at least 1, together at most 2^28 elements
  double deviation = 1.0;             ///< standard deviation before outliers; 1e-30 to 1e30
  std::size_t outliers = 0;  ///< columns (outlier_channels) or elements (massive_outliers), to 2^16; 0 for the others
  double gain = 1.0;         ///< 1 to 1e6; 1 for distributions without outliers
  std::uint64_t seed = 1;

  /// Throws InputError naming the field that is out of range.
  void check() const;
};

/// Outliers stand on top of the gaussian tensor of the same seed: all other elements are equal to it. Throws what
/// check() throws.
Tensor make_synthetic(const SyntheticTensor& request);

const char* to_string(Distribution distribution);
/// The reverse of to_string; throws InputError with the known names.
Distribution distribution_from_name(const std::string& name);

}  // namespace nibble
