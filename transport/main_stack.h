// SPDX-License-Identifier: Apache-2.0
/// restore_main_stack: makes AddressSanitizer see the main stack again after sc_start().
///
/// libsystemc 2.3.4 announces its switches between the stacks of processes, but the one back to the main stack with the
/// bounds of the process that it left. An exception on the main stack then finds a stack of terabytes: a warning, and
/// later false reports. Nothing happens in builds without AddressSanitizer.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define NIBBLE_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NIBBLE_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef NIBBLE_ADDRESS_SANITIZER
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>
#include <cstddef>
#endif

namespace nibble {

/// Call it on the main stack.
inline void restore_main_stack() {
#ifdef NIBBLE_ADDRESS_SANITIZER
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
  void* bottom = nullptr;
  std::size_t size = 0;
  pthread_attr_getstack(&attributes, &bottom, &size);
  pthread_attr_destroy(&attributes);
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, bottom, size);
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

}  // namespace nibble
