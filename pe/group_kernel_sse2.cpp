// SPDX-License-Identifier: Apache-2.0
#include "pe/group_kernel.h"

#if defined(__x86_64__)

#include <emmintrin.h>

#include <cstring>

#include "pe/group_kernel_body.h"

namespace nibble {
namespace {

struct Sse2Vector {
  static constexpr int width = 4;
  static constexpr int rows = 2;
  using Int = __m128i;
  using Pairs = __m128i;
  static Int zero() { return _mm_setzero_si128(); }
  static Pairs load_pairs(const std::int16_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
  static Pairs broadcast_pair(const std::int16_t* p) {
    int pair;
    std::memcpy(&pair, p, sizeof pair);
    return _mm_set1_epi32(pair);
  }
  static Int add_products(Int sum, Pairs a, Pairs b) { return _mm_add_epi32(sum, _mm_madd_epi16(a, b)); }
  template <bool Wide>
  static void add_scaled(float* accumulators, Int sum, float sx, const float* sw) {
    const __m128 t = _mm_mul_ps(_mm_set1_ps(sx), _mm_loadu_ps(sw));
    __m128 v;
    if (Wide) {
      const __m128d low = _mm_mul_pd(_mm_cvtepi32_pd(sum), _mm_cvtps_pd(t));
      const __m128d high = _mm_mul_pd(_mm_cvtepi32_pd(_mm_unpackhi_epi64(sum, sum)), _mm_cvtps_pd(_mm_movehl_ps(t, t)));
      v = _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
    } else {
      v = _mm_mul_ps(_mm_cvtepi32_ps(sum), t);
    }
    _mm_storeu_ps(accumulators, _mm_add_ps(_mm_loadu_ps(accumulators), v));
  }
  static void add_scaled(float* inner, Int sum, float sx) {
    const auto v = _mm_mul_ps(_mm_cvtepi32_ps(sum), _mm_set1_ps(sx));
    _mm_storeu_ps(inner, _mm_add_ps(_mm_loadu_ps(inner), v));
  }
  static void flush(float* accumulators, float* inner, const float* sw) {
    const auto v = _mm_mul_ps(_mm_loadu_ps(inner), _mm_loadu_ps(sw));
    _mm_storeu_ps(accumulators, _mm_add_ps(_mm_loadu_ps(accumulators), v));
    _mm_storeu_ps(inner, _mm_setzero_ps());
  }
};

}  // namespace

void group_kernel_sse2(const GroupBlock& block) {
  run_group_kernel<Sse2Vector>(block);
}

}  // namespace nibble

#endif
