// SPDX-License-Identifier: Apache-2.0
/// Whether this is a sanitizer build, in which long tests take fewer cases.
#pragma once

namespace nibble::test {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

}  // namespace nibble::test
