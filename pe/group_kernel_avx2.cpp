// SPDX-License-Identifier: Apache-2.0
// Compiled with -mavx2; reached only through chosen_group_kernel() or after a look at the processor.
#include "pe/group_kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "pe/group_kernel_body.h"

namespace nibble {
namespace {

struct Avx2Vector {
  static constexpr int width = 8;
  static constexpr int rows = 4;
  using Int = __m256i;
  using Pairs = __m256i;
  static Int zero() { return _mm256_setzero_si256(); }
  static Pairs load_pairs(const std::int16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Pairs broadcast_pair(const std::int16_t* p) {
    int pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return _mm256_set1_epi32(pair);
  }
  static Int add_products(Int sum, Pairs a, Pairs b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
  template <bool Wide>
  static void add_scaled(float* accumulators, Int sum, float sx, const float* sw) {
    const __m256 t = _mm256_mul_ps(_mm256_set1_ps(sx), _mm256_loadu_ps(sw));
    __m256 v;
    if (Wide) {
      const __m256d low =
          _mm256_mul_pd(_mm256_cvtepi32_pd(_mm256_castsi256_si128(sum)), _mm256_cvtps_pd(_mm256_castps256_ps128(t)));
      const __m256d high = _mm256_mul_pd(_mm256_cvtepi32_pd(_mm256_extracti128_si256(sum, 1)),
                                         _mm256_cvtps_pd(_mm256_extractf128_ps(t, 1)));
      v = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(low)), _mm256_cvtpd_ps(high), 1);
    } else {
      v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), t);
    }
    _mm256_storeu_ps(accumulators, _mm256_add_ps(_mm256_loadu_ps(accumulators), v));
  }
  static void add_scaled(float* inner, Int sum, float sx) {
    const auto v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_set1_ps(sx));
    _mm256_storeu_ps(inner, _mm256_add_ps(_mm256_loadu_ps(inner), v));
  }
  static void flush(float* accumulators, float* inner, const float* sw) {
    const auto v = _mm256_mul_ps(_mm256_loadu_ps(inner), _mm256_loadu_ps(sw));
    _mm256_storeu_ps(accumulators, _mm256_add_ps(_mm256_loadu_ps(accumulators), v));
    _mm256_storeu_ps(inner, _mm256_setzero_ps());
  }
};

}  // namespace

void group_kernel_avx2(const GroupBlock& block) {
  run_group_kernel<Avx2Vector>(block);
}

}  // namespace nibble

#endif
