// SPDX-License-Identifier: Apache-2.0
#include "cli/sweep/point_run.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "accelerators/energy_ledger.h"
#include "accelerators/platform.h"
#include "cli/machine_files.h"
#include "cli/simulate.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "workloads/language_model.h"

namespace nibble {
namespace {

/// FNV-1a, 64 bits (Fowler, Noll, Vo; constants as in draft-eastlake-fnv).
class Digest {
 public:
  void add(std::string_view text) {
    for (const char c : text)
      value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    value_ = (value_ ^ 0xffU) * 0x100000001b3U;  // no byte of UTF-8: parts do not run together
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325U;
};

std::optional<double> number_in(const std::string& text) {
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

const std::string* find(const Settings& settings, const std::string& name) {
  for (const auto& [key, value] : settings) {
    if (key == name) return &value;
  }
  return nullptr;
}

/// A value as text, without the quotes that YAML may need.
std::string plain(const std::string& name, const std::string& value) {
  ConfigNode node = ConfigNode::parse("{}", "sweep");
  node.apply_override(name + "=" + value);
  return node.string(name);
}

bool is_configuration_key(const std::string& name) {
  const auto& names = setting_names();
  return std::find(names.begin(), names.end(), name) == names.end();
}

/// What --set and --technology would say. A memory is taken whole, before keys of it are set.
std::vector<std::string> overrides_of(const Settings& settings) {
  std::vector<std::string> out;
  if (const auto* memory = find(settings, "memory")) out.push_back("memory={preset: " + *memory + "}");
  if (const auto* technology = find(settings, "technology")) out.push_back("technology=" + *technology);
  for (const auto& [name, value] : settings) {
    if (is_configuration_key(name)) out.push_back(name + "=" + value);
  }
  return out;
}

/// The workload's numbers, read like configuration keys.
ConfigNode workload_of(const Settings& settings) {
  ConfigNode node = ConfigNode::parse("{}", "sweep");
  for (const auto& [name, value] : settings) {
    if (is_workload_setting(name)) node.apply_override(name + "=" + value);
  }
  return node;
}

constexpr std::int64_t largest_count = 0xffffffff;  ///< fits a descriptor's 32 bits

RunOptions run_options(const Settings& settings) {
  ConfigNode workload = workload_of(settings);
  RunOptions options;
  options.accelerator = plain("accelerator", *find(settings, "accelerator"));
  options.overrides = overrides_of(settings);
  options.model = workload.string("model");
  options.prefill = workload.integer("prefill", 0, largest_count, 0);
  options.decode = workload.integer("decode", 0, largest_count, 0);
  options.batch = workload.integer("batch", 1, largest_count, 1);
  options.context = workload.integer("context", 0, largest_count, 0);
  return options;
}

GemmCommandOptions gemm_options(const Settings& settings) {
  ConfigNode workload = workload_of(settings);
  GemmCommandOptions options;
  options.accelerator = plain("accelerator", *find(settings, "accelerator"));
  options.overrides = overrides_of(settings);
  options.m = workload.integer("m", 1, largest_count);
  options.k = workload.integer("k", 1, largest_count);
  options.n = workload.integer("n", 1, largest_count);
  return options;
}

/// The digest of the running program: results of another build are not taken for this one's.
std::uint64_t program_digest() {
  Digest digest;
  digest.add(nibble_version);
  digest.add(read_file("/proc/self/exe"));
  return digest.value();
}

/// The machines that the points name.
std::vector<std::string> accelerators_of(const SweepFile& sweep) {
  std::set<std::string> out;
  const auto take = [&](const Settings& settings) {
    if (const auto* name = find(settings, "accelerator")) out.insert(plain("accelerator", *name));
  };
  take(sweep.base);
  for (const auto& [place, settings] : sweep.listed)
    take(settings);
  for (const SweepAxis& axis : sweep.axes) {
    const auto key = std::find(axis.keys.begin(), axis.keys.end(), "accelerator");
    if (key == axis.keys.end()) continue;
    for (const auto& entry : axis.entries)
      out.insert(plain("accelerator", entry[static_cast<std::size_t>(key - axis.keys.begin())]));
  }
  return {out.begin(), out.end()};
}

/// Checks values at their keys.
class ValueCheck {
 public:
  explicit ValueCheck(const SweepFile& sweep) : base_(sweep.base), machines_(accelerators_of(sweep)) {}

  /// Throws InputError "why", without a place, when `settings[which]` cannot be, whatever the others are.
  void check(const Settings& settings, std::size_t which) {
    const auto& [name, value] = settings[which];
    const bool list = !value.empty() && value.front() == '[';  // of cost books
    const std::string text = is_configuration_key(name) || list ? "" : plain(name, value);
    if (name == "accelerator") find_config("accelerators", text);
    if (name == "memory") find_config("memories", text);
    if (name == "technology" && !list) find_config("technologies", text);
    if (name == "model") find_config("models", text);
    if (is_configuration_key(name) || name == "technology") {
      check_key(settings, name);
    } else if (is_workload_setting(name) && name != "model") {
      check_number(name, value);
    }
  }

 private:
  static void check_number(const std::string& name, const std::string& value) {
    const bool may_be_none = name == "prefill" || name == "decode" || name == "context";
    try {
      workload_of({{name, value}}).integer(name, may_be_none ? 0 : 1, largest_count);
    } catch (const InputError& error) {
      throw InputError(without_place(error.what(), name));
    }
  }

  /// One machine that takes it is enough.
  void check_key(const Settings& settings, const std::string& name) {
    std::string why;
    for (const std::string& machine : machines_) {
      Settings all = base_;
      all.insert(all.end(), settings.begin(), settings.end());
      try {
        ConfigNode node = load_accelerator(machine, overrides_of(all), {});
        const PlatformConfig config = PlatformConfig::from(node);
        if (name.rfind("memory.", 0) == 0) make_memory(sc_core::sc_gen_unique_name("checked"), config.memory, nullptr);
        return;
      } catch (const ConfigValueError& error) {
        const std::string message = error.what();
        if (message.rfind("--set " + name + ": ", 0) != 0) return;
        why = without_place(message, name);
      } catch (const InputError&) {
        return;  // of several keys together: a failure of those points
      }
    }
    throw InputError(why);
  }

  static std::string without_place(const std::string& message, const std::string& name) {
    const std::string place = "--set " + name + ": ";
    return message.rfind(place, 0) == 0 ? message.substr(place.size()) : message;
  }

  Settings base_;
  std::vector<std::string> machines_;
};

void check_settings(ValueCheck& check, const ConfigNode& node, const Settings& settings) {
  for (std::size_t i = 0; i < settings.size(); ++i) {
    try {
      check.check(settings, i);
    } catch (const InputError& error) {
      node.fail(settings[i].first, error.what());
    }
  }
}

}  // namespace

std::string key_text(std::uint64_t key) {
  std::string out(16, '0');
  for (std::size_t i = 16; i-- > 0; key >>= 4U)
    out[i] = "0123456789abcdef"[key & 15U];
  return out;
}

void check_values(const SweepFile& sweep) {
  ValueCheck check(sweep);
  ConfigNode node = sweep.node;
  check_settings(check, node.child_or_empty("settings"), sweep.base);
  for (const auto& [place, settings] : sweep.listed)
    check_settings(check, place, settings);
  for (const SweepAxis& axis : sweep.axes) {
    for (std::size_t i = 0; i < axis.entries.size(); ++i) {
      Settings settings;
      for (std::size_t j = 0; j < axis.keys.size(); ++j)
        settings.emplace_back(axis.keys[j], axis.entries[i][j]);
      for (std::size_t j = 0; j < axis.keys.size(); ++j) {
        try {
          check.check(settings, j);
        } catch (const InputError& error) {
          axis.node.fail(axis.keys[j], i, error.what());
        }
      }
    }
  }
}

std::vector<std::string> configuration_names(const SweepFile& sweep) {
  std::set<std::string> names(sweep.keys.begin(), sweep.keys.end());
  for (const auto& entry : sweep.base)
    names.insert(entry.first);
  for (const std::string& machine : accelerators_of(sweep)) {
    try {
      ConfigNode node = load_accelerator(machine, {}, {});
      PlatformConfig::from(node);
      for (const auto& entry : node.resolved()) {
        if (number_in(entry.value)) names.insert(entry.path);
      }
    } catch (const InputError&) {
      continue;  // told with its place by check_values(), or by the points
    }
  }
  return {names.begin(), names.end()};
}

PointPreparer::PointPreparer(const SweepFile& sweep, std::vector<std::string> names)
    : sweep_(sweep), names_(std::move(names)), program_(program_digest()) {}

void PointPreparer::take_known(const std::string& name, const std::string& value, PreparedPoint& out) const {
  if (std::find(names_.begin(), names_.end(), name) == names_.end()) return;
  if (const auto number = number_in(value)) out.known[name] = *number;
}

std::uint64_t PointPreparer::digest(const std::string& kind, const std::string& name) {
  const auto found = digests_.find({kind, name});
  if (found != digests_.end()) return found->second;
  Digest digest;
  const ConfigNode node = ConfigNode::load(kind, name);
  for (const std::string& file : node.files())
    digest.add(read_file(file));
  return digests_[{kind, name}] = digest.value();
}

PreparedPoint PointPreparer::prepare(const PlannedPoint& point) {
  PreparedPoint out;
  Digest digest;
  digest.add(key_text(program_));
  const Settings settings = sweep_.settings(point);
  for (const auto& [name, value] : settings) {
    digest.add(name);
    digest.add(value);
    take_known(name, value, out);
  }
  try {
    if (const auto* model = find(settings, "model")) {
      run_options(settings);
      digest.add(key_text(this->digest("models", plain("model", *model))));
    } else {
      gemm_options(settings);
    }
    ConfigNode node =
        load_accelerator(plain("accelerator", *find(settings, "accelerator")), overrides_of(settings), {});
    const PlatformConfig config = PlatformConfig::from(node);
    for (const auto& entry : node.resolved()) {
      digest.add(entry.path);
      digest.add(entry.value);
      take_known(entry.path, entry.value, out);
    }
    digest.add(key_text(this->digest("memories", config.memory_name)));
    for (const std::string& book :
         node.is_list("technology") ? node.strings("technology") : std::vector<std::string>{node.string("technology")})
      digest.add(key_text(this->digest("technologies", book)));
    const KnownSum area = area_sum(config.machine->ledger().price(config.costs.front()));
    out.known["area_um2"] = area.known();
    out.unknown_area = area.unknown();
  } catch (const InputError& error) {
    out.failure = error.what();
  }
  out.key = digest.value();
  return out;
}

Report simulate_point(const Settings& settings) {
  if (find(settings, "model") != nullptr) return simulate_model(run_options(settings)).report;
  return simulate_gemm(gemm_options(settings)).report;
}

}  // namespace nibble
