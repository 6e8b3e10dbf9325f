// SPDX-License-Identifier: Apache-2.0
#include "pe/pe_library.h"

#include "pe/amove_pe.h"
#include "pe/anda_pe.h"
#include "pe/ant_pe.h"
#include "pe/bfp_pe.h"
#include "pe/bitfusion_pe.h"
#include "pe/bitmod_pe.h"
#include "pe/fp16_pe.h"
#include "pe/fp_int_aligned_pe.h"
#include "pe/fp_int_pe.h"
#include "pe/int4_pe.h"
#include "pe/int8_pe.h"
#include "pe/mant_gemm.h"
#include "pe/olive_pe.h"
#include "pe/tender_pe.h"

namespace nibble {

namespace {

Registry<const PeUnit*>& library() {
  static Registry<const PeUnit*> units = [] {
    Registry<const PeUnit*> own("PE");
    for (const PeUnit* unit : {&mant_unit(), &bfp_unit(), &fp_int_unit(), &fp_int_k_unit(), &amove_unit(), &fp16_unit(),
                               &fp16_dequant_unit(), &int8_unit(), &int4_unit(), &bitfusion_unit(), &ant_unit(),
                               &olive_unit(), &tender_unit(), &fp_int_aligned_unit(), &anda_unit(), &bitmod_unit()}) {
      own.add(unit->name, unit->summary, unit);
    }
    return own;
  }();
  return units;
}

}  // namespace

const Registry<const PeUnit*>& pe_library() {
  return library();
}

void add_pe(const PeUnit& unit) {
  const bool whole = unit.supports != nullptr && unit.tile_extent != nullptr && unit.tile != nullptr &&
                     unit.timing != nullptr && !unit.timing().modes.empty();
  if (unit.name.empty() || !whole)
    throw InternalError("PE '" + unit.name + "' needs a name, supports, tile_extent, tile, and a timing with a mode");
  library().add(unit.name, unit.summary, &unit);
}

const PeUnit& find_pe(const std::string& name) {
  return *pe_library().at(name).make;
}

}  // namespace nibble
