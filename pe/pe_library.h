// SPDX-License-Identifier: Apache-2.0
/// All PEs by name: "mant", "bfp", "fp_int", "amove", and the baselines "fp16", "fp16_dequant", "int8", "int4",
/// "bitfusion", "ant", "olive", "tender", "fp_int_aligned", "fp_int_k", "anda", "bitmod". A PE of nibble's adds its
/// unit to the list in pe_library.cpp, one of a program around nibble is added with add_pe
/// (docs/tutorials/my-own-pe.md).
#pragma once

#include <string>

#include "core/registry.h"
#include "pe/gemm.h"

namespace nibble {

const Registry<const PeUnit*>& pe_library();

/// From now on `unit` is known by its name, in configurations and everywhere. It has to outlive all use. Call it before
/// the first configuration is read, from one thread. InternalError: the name is taken, or a member that every PE needs
/// is missing.
void add_pe(const PeUnit& unit);

/// Throws InputError with the known names and the nearest spelling.
const PeUnit& find_pe(const std::string& name);

}  // namespace nibble
