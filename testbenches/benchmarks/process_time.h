// SPDX-License-Identifier: Apache-2.0
/// CPU time of processes that a benchmark starts: the kernel cannot be restarted, so each simulation is one of its own.
#pragma once

#include <sys/resource.h>

namespace nibble {

/// Of all children that have ended, user and system, seconds.
inline double children_cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace nibble
