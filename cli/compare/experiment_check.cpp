// SPDX-License-Identifier: Apache-2.0
/// Every configuration that an experiment would run, read without running it.
#include <set>

#include "accelerators/platform.h"
#include "cli/compare/experiment.h"
#include "cli/machine_files.h"
#include "core/error.h"
#include "workloads/language_model.h"

namespace nibble {
namespace {

class Checker {
 public:
  explicit Checker(const Experiment& experiment) : experiment_(experiment) {}

  void workload(const Workload& workload) const {
    for (const WorkPart& part : workload.parts) {
      if (!part.model.empty())
        guarded("workload " + workload.name, [&] { LanguageModel::from(ConfigNode::load("models", part.model)); });
    }
  }
  /// All machines under the variations.
  void machines(const std::vector<const Variation*>& variations) {
    for (const auto& machine : experiment_.machines) {
      std::string where = "machine " + machine.first;
      if (!variations.empty()) where += ", " + variations.back()->name;
      const MachineSpec spec = varied(experiment_, machine.first, variations);
      guarded(where, [&] {
        setup(spec.main);
        if (spec.attention) setup(*spec.attention);
        if (!spec.prices.empty()) CostBook::load(ConfigNode::load("technologies", spec.prices));
      });
    }
  }

 private:
  void setup(const MachineSetup& setup) {
    std::string key = setup.accelerator;
    for (const auto& assignment : setup.overrides)
      key += '\n' + assignment;
    if (!seen_.insert(key).second) return;
    PlatformConfig::from(load_accelerator(setup.accelerator, setup.overrides, {}));
  }
  template <class Work>
  void guarded(const std::string& where, const Work& work) const {
    try {
      work();
    } catch (const InputError& error) {
      throw InputError("experiment " + experiment_.name + ", " + where + ": " + error.what());
    }
  }

  const Experiment& experiment_;
  std::set<std::string> seen_;
};

}  // namespace

void Experiment::check_configurations() const {
  Checker checker(*this);
  for (const Workload& entry : workloads)
    checker.workload(entry);
  checker.machines({});
  std::vector<const Variation*> quoted;
  for (const OpenParameter& parameter : open) {
    for (const Variation& value : parameter.values) {
      checker.machines({&value});
      for (const auto& other : value.workloads)
        checker.workload(other.second);
    }
    quoted.push_back(&parameter.values.front());
  }
  for (const Variation& step : steps) {
    quoted.push_back(&step);
    checker.machines(quoted);
    for (const auto& other : step.workloads)
      checker.workload(other.second);
  }
}

}  // namespace nibble
