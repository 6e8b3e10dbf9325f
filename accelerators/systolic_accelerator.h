// SPDX-License-Identifier: Apache-2.0
/// A systolic machine as an IP block (accelerators/accelerator.h).
#pragma once

#include "accelerators/accelerator.h"
#include "accelerators/systolic_config.h"

namespace nibble {

class SystolicAccelerator : public Accelerator {
 public:
  SystolicAccelerator(sc_core::sc_module_name name, const SystolicConfig& config, Statistics* statistics = nullptr)
      : Accelerator(name, config, statistics) {}
  const SystolicConfig& config() const { return static_cast<const SystolicConfig&>(Accelerator::config()); }
};

}  // namespace nibble
