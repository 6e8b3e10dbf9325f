// SPDX-License-Identifier: Apache-2.0
/// All PEs by name: "mant", "bfp", "fp_int", "amove", and the baselines "fp16", "fp16_dequant", "int8", "int4",
/// "bitfusion", "ant", "olive", "tender", "fp_int_aligned", "fp_int_k", "anda", "bitmod". A new PE adds its unit to the
/// list in pe_library.cpp.
#pragma once

#include <string>

#include "core/registry.h"
#include "pe/gemm.h"

namespace nibble {

const Registry<const PeUnit*>& pe_library();

/// Throws InputError with the known names and the nearest spelling.
const PeUnit& find_pe(const std::string& name);

}  // namespace nibble
