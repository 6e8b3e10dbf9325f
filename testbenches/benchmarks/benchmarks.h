// SPDX-License-Identifier: Apache-2.0
/// The list of benchmark groups: one registering function per file, called once before elaboration ends.
#pragma once

namespace nibble {

void register_cache_benchmarks();
void register_memory_benchmarks();
void register_arithmetic_benchmarks();
void register_machine_benchmarks();
void register_platform_benchmarks();
void register_sweep_benchmarks();

}  // namespace nibble
