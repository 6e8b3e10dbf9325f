// SPDX-License-Identifier: Apache-2.0
/// `nibble list`, `nibble show`, `nibble validate`: what there is, with every default and source, checked without
/// running.
#include <algorithm>
#include <filesystem>
#include <map>

#include "accelerators/energy_ledger.h"
#include "accelerators/platform.h"
#include "cli/commands.h"
#include "cli/compare/experiment.h"
#include "cli/machine_files.h"
#include "cli/sweep/sweep_run.h"
#include "core/cost_book.h"
#include "core/error.h"
#include "core/json.h"
#include "formats/format.h"
#include "formats/format_layout.h"
#include "memory/memory_system.h"
#include "pe/pe_library.h"
#include "workloads/language_model.h"

namespace nibble {
namespace {

const std::vector<std::string> config_kinds = {"accelerators", "models",      "memories",
                                               "technologies", "experiments", "sweeps"};

/// "accelerator" and "accelerators" alike.
std::string plural(const std::string& kind) {
  if (kind == "memory") return "memories";
  if (kind == "technology") return "technologies";
  for (const auto& known : config_kinds) {
    if (kind == known || kind + "s" == known) return known;
  }
  if (kind == "format" || kind == "formats") return "formats";
  if (kind == "pe" || kind == "pes") return "pes";
  std::vector<std::string> all = config_kinds;
  all.insert(all.end(), {"formats", "pes"});
  throw InputError(unknown_name("kind", kind, all));
}

/// Reads a configuration as its kind demands; throws InputError. The node then knows every key with its default.
void read_as(const std::string& kind, ConfigNode& node) {
  if (kind == "accelerators") {
    PlatformConfig::from(node);
  } else if (kind == "models") {
    LanguageModel::from(node);
  } else if (kind == "memories") {
    make_memory("checked", node, nullptr);
  } else if (kind == "technologies") {
    CostBook::load(node);
  } else if (kind == "experiments") {
    Experiment::from(node).check_configurations();
  } else if (kind == "sweeps") {
    SweepFile sweep = SweepFile::from(node);
    check_values(sweep);
    const SweepRun checked(std::move(sweep), {});  // its objectives and constraints are known figures
  } else {
    throw InputError(node.file() + ": " + kind + " cannot be read by this version");
  }
}

/// By its folder, or by keys that only one kind has, or by its base.
std::string kind_of(const std::filesystem::path& file, ConfigNode& node) {
  std::string folder = file.parent_path().filename().string();
  if (std::find(config_kinds.begin(), config_kinds.end(), folder) != config_kinds.end()) return folder;
  if (node.has("array")) return "accelerators";
  if (node.has("entries")) return "technologies";
  if (node.has("machines")) return "experiments";
  if (node.has("layers") || node.has("model_type")) return "models";
  if (node.has("axes") || node.has("zipped") || node.has("points")) return "sweeps";
  if (node.has("kind")) return "memories";
  for (const std::string& kind : config_kinds) {
    const auto names = list_configs(kind);
    if (node.has("base") && std::find(names.begin(), names.end(), node.string("base")) != names.end()) return kind;
  }
  throw InputError(file.string() +
                   ": cannot tell its kind: no accelerator (array), model (layers, model_type), memory (kind), "
                   "technology (entries), experiment (machines) or sweep (axes, zipped, points)");
}

}  // namespace

namespace {

/// "bfp: bfp8-g<k> with ...".
std::vector<std::string> pe_lines() {
  std::vector<std::string> lines;
  for (const auto& name : pe_library().names())
    lines.push_back(name + ": " + find_pe(name).supported);
  return lines;
}

}  // namespace

void list_catalog(const CatalogOptions& options, std::ostream& out) {
  const std::string kind = plural(options.kind);
  const std::vector<std::string> names = kind == "formats" ? format_families()
                                         : kind == "pes"   ? pe_lines()
                                                           : list_configs(kind);
  if (!options.json) {
    for (const auto& name : names)
      out << name << '\n';
    return;
  }
  JsonWriter json;
  json.begin_object().field("kind", kind).key("names").begin_array();
  for (const auto& name : names)
    json.value(name);
  json.end_array().end_object();
  out << json.str();
}

/// What every component of a machine takes, by the cost books that it names.
void show_area(const CatalogOptions& options, std::ostream& out) {
  const PlatformConfig config =
      PlatformConfig::from(load_accelerator(options.name, options.overrides, options.technologies));
  const EnergyLedger ledger = config.machine->ledger();
  Report report;
  for (const CostBook& book : config.costs)
    report.prices.push_back(ledger.price(book));
  if (options.json) {
    out << area_json(config.machine->name, report.prices);
    return;
  }
  out << area_text(report.prices) << '\n' << sources_text(report, {});
}

void show_configuration(const CatalogOptions& options, std::ostream& out) {
  if (options.kind == "area" || options.kind == "areas") {
    show_area(options, out);
    return;
  }
  const std::string kind = plural(options.kind);
  if (kind == "formats") {
    if (!options.overrides.empty()) throw InputError("--set is not used with formats, which have no configuration");
    const Format format = Format::parse(options.name);
    out << (options.json ? layout_json(format) : layout_text(format));
    return;
  }
  if (!options.technologies.empty() && kind != "accelerators")
    throw InputError("--technology is used with accelerators and areas");
  ConfigNode node = load_configuration(kind, options.name, options.overrides, options.technologies);
  read_as(kind, node);
  if (!options.json) {
    out << node.resolved_yaml();
    return;
  }
  JsonWriter json;
  json.begin_object().field("kind", kind).field("name", options.name).field("file", node.file());
  json.key("values").begin_array();
  for (const auto& entry : node.resolved()) {
    json.begin_object().field("path", entry.path).field("value", entry.value).field("origin", entry.origin);
    json.field("source", entry.source).end_object();
  }
  json.end_array().end_object();
  out << json.str();
}

void validate_files(const CatalogOptions& options, std::ostream& out) {
  std::vector<std::pair<std::string, std::string>> checked;
  for (const auto& file : options.files) {
    ConfigNode alone = ConfigNode::load(file);
    const std::string kind = kind_of(file, alone);
    // A word without an ending is a file here, not a name.
    const bool spelt_as_file = file.find('/') != std::string::npos || !std::filesystem::path(file).extension().empty();
    ConfigNode node = load_configuration(kind, spelt_as_file ? file : "./" + file, options.overrides, {});
    read_as(kind, node);
    checked.emplace_back(file, kind);
  }
  if (!options.json) {
    for (const auto& [file, kind] : checked)
      out << file << ": ok (" << kind << ")\n";
    return;
  }
  JsonWriter json;
  json.begin_object().key("files").begin_array();
  for (const auto& [file, kind] : checked)
    json.begin_object().field("file", file).field("kind", kind).field("ok", true).end_object();
  json.end_array().end_object();
  out << json.str();
}

}  // namespace nibble
