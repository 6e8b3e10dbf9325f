// SPDX-License-Identifier: Apache-2.0
#include "cli/compare/experiment.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace nibble {
namespace {

using Names = std::vector<std::string>;

constexpr const char* every_one = "all";
constexpr std::int64_t most_tokens = std::int64_t{1} << 20, most_batch = std::int64_t{1} << 16,
                       most_extent = std::int64_t{1} << 20;

const Names operator_kinds = {"linear", "attention", "vector"}, phase_names = {"prefill", "decode", "gemm"};
const Names energy_components = {"pe", "quantizer", "vector", "sram", "dram", "control", "idle", "gated", "leakage"};
const Names area_components = {"pe", "foot", "quantizer", "vector", "sram", "control"};
const Names objective_names = {"time", "energy", "area", "error"};

constexpr std::pair<const char*, Metric> metric_names[] = {{"speedup", Metric::speedup},
                                                           {"energy_ratio", Metric::energy_ratio},
                                                           {"area_efficiency", Metric::area_efficiency},
                                                           {"edp_reduction", Metric::edp_reduction},
                                                           {"byte_ratio", Metric::byte_ratio},
                                                           {"count_reduction", Metric::count_reduction},
                                                           {"quantizer_overhead", Metric::quantizer_overhead},
                                                           {"kv_compression", Metric::kv_compression}};
constexpr std::pair<const char*, Mean> mean_names[] = {{"geometric", Mean::geometric},
                                                       {"arithmetic", Mean::arithmetic},
                                                       {"minimum", Mean::minimum},
                                                       {"maximum", Mean::maximum}};

template <class Pairs>
Names names_of(const Pairs& pairs) {
  Names names;
  for (const auto& pair : pairs)
    names.emplace_back(pair.first);
  return names;
}

template <class Value, class Pairs>
Value named(ConfigNode node, const std::string& key, const Pairs& pairs, const char* fallback) {
  const std::string name =
      fallback == nullptr ? node.choice(key, names_of(pairs)) : node.choice(key, names_of(pairs), fallback);
  for (const auto& [known, value] : pairs) {
    if (name == known) return value;
  }
  throw InternalError("a choice that is none: " + name);
}

template <class Value, class Pairs>
const char* name_of(Value value, const Pairs& pairs) {
  for (const auto& [name, known] : pairs) {
    if (value == known) return name;
  }
  return "";
}

/// Names of a list, each one of `known`.
Names chosen(ConfigNode node, const std::string& key, const std::string& kind, const Names& known,
             const Names& fallback) {
  Names names = node.strings(key, fallback);
  for (const auto& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) node.fail(key, unknown_name(kind, name, known));
  }
  return names;
}

MachineSetup attention_from(ConfigNode node, bool& counts_area) {
  MachineSetup setup{node.string("accelerator"), node.strings("set", {})};
  counts_area = node.boolean("counts_area", true);
  node.reject_unknown();
  return setup;
}

MachineSpec machine_from(ConfigNode node) {
  MachineSpec spec;
  spec.main = {node.string("accelerator"), node.strings("set", {})};
  if (node.has("attention")) spec.attention = attention_from(node.child("attention"), spec.attention_area);
  spec.prices = node.string("prices", "");
  node.reject_unknown();
  return spec;
}

MachineChange change_from(ConfigNode node) {
  MachineChange change;
  change.accelerator = node.string("accelerator", "");
  change.overrides = node.strings("set", {});
  change.replace = node.boolean("replace", false);
  change.prices = node.string("prices", "");
  if (node.has("attention")) change.attention = attention_from(node.child("attention"), change.attention_area);
  node.reject_unknown();
  return change;
}

/// Two contexts in [first, last] whose mean stands for all between: the nodes of Gauss's rule, exact for figures that
/// grow with the context up to its third power.
std::pair<std::int64_t, std::int64_t> two_contexts(double first, double last) {
  const double middle = (first + last) / 2, half = (last - first) / 2 * 0.57735026918962576;
  return {std::llround(middle - half), std::llround(middle + half)};
}

/// `prompt` tokens in chunks, each behind those before it.
void add_prompt(ConfigNode node, WorkPart part, std::int64_t prompt, std::vector<WorkPart>& parts) {
  const std::int64_t chunk = node.integer("chunk", 1, most_tokens, prompt);
  if (prompt % chunk != 0) node.fail("chunk", "must divide the prompt of " + std::to_string(prompt) + " tokens");
  part.prefill = chunk;
  const std::int64_t chunks = prompt / chunk;
  if (chunks <= 2) {
    for (std::int64_t i = 0; i < chunks; ++i) {
      part.context = i == 0 ? 0 : (i + 1) * chunk;
      parts.push_back(part);
    }
    return;
  }
  // Chunk i begins behind i * chunk tokens: i runs from -1/2 to chunks - 1/2 in the sum's integral.
  const auto [low, high] =
      two_contexts(-0.5 * static_cast<double>(chunk), (static_cast<double>(chunks) - 0.5) * static_cast<double>(chunk));
  part.times = static_cast<double>(chunks) / 2;
  for (const std::int64_t before : {low, high}) {
    part.context = before == 0 ? 0 : before + chunk;
    parts.push_back(part);
  }
}

/// `generate` tokens behind `first` tokens.
void add_generation(WorkPart part, std::int64_t first, std::int64_t generate, std::vector<WorkPart>& parts) {
  part.prefill = 0;
  part.decode = 1;
  if (generate <= 2) {
    for (part.context = first; part.context < first + generate; ++part.context)
      parts.push_back(part);
    return;
  }
  const auto [low, high] = two_contexts(static_cast<double>(first) - 0.5, static_cast<double>(first + generate) - 0.5);
  part.times = static_cast<double>(generate) / 2;
  for (const std::int64_t context : {low, high}) {
    part.context = context;
    parts.push_back(part);
  }
}

Workload workload_from(const std::string& name, ConfigNode node) {
  Workload workload{name, {}};
  if (node.has("gemms")) {
    for (ConfigNode gemm : node.children("gemms")) {
      WorkPart part;
      part.m = gemm.integer("m", 1, most_extent);
      part.k = gemm.integer("k", 1, most_extent);
      part.n = gemm.integer("n", 1, most_extent);
      part.times = gemm.number("times", 1e-9, 1e9, 1);
      gemm.reject_unknown();
      workload.parts.push_back(part);
    }
    node.reject_unknown();
    if (workload.parts.empty()) node.fail("gemms", "is empty");
    return workload;
  }
  WorkPart part;
  part.model = node.string("model");
  part.batch = node.integer("batch", 1, most_batch, 1);
  const std::int64_t prompt = node.integer("prompt", 0, most_tokens, 0);
  const std::int64_t context = node.integer("context", 0, most_tokens, 0);
  const std::int64_t generate = node.integer("generate", 0, most_tokens, 0);
  if (prompt == 0 && generate == 0) node.fail("", "does nothing: expected prompt, generate or gemms");
  if (prompt != 0 && context != 0)
    node.fail("context", "stands beside a prompt; it is the cache of a generation without one");
  if (generate != 0 && prompt + context == 0) node.fail("generate", "needs a prompt or a context before it");
  if (prompt != 0) add_prompt(node, part, prompt, workload.parts);
  if (generate != 0) add_generation(part, prompt + context, generate, workload.parts);
  node.reject_unknown();
  return workload;
}

Counting counting_from(ConfigNode node) {
  Counting count{chosen(node, "kinds", "kind", operator_kinds, {}), chosen(node, "phases", "phase", phase_names, {}),
                 node.strings("operators", {})};
  node.reject_unknown();
  return count;
}

void append(Names& names, const Names& more) {
  names.insert(names.end(), more.begin(), more.end());
}

/// Reads one experiment; what has been read is what names may refer to.
class Reader {
 public:
  explicit Reader(ConfigNode root) : root_(std::move(root)) {}

  Experiment read() {
    out_.name = root_.string("name");
    out_.title = root_.string("title");
    out_.summary = root_.string("summary", "");
    for (auto& [name, node] : root_.named_children("machines"))
      out_.machines.emplace_back(name, machine_from(node));
    for (auto& [name, node] : root_.named_children("workloads"))
      out_.workloads.push_back(workload_from(name, node));
    if (out_.machines.empty()) root_.fail("machines", "names no machine");
    if (out_.workloads.empty()) root_.fail("workloads", "names no workload");
    for (const auto& machine : out_.machines)
      machine_names_.push_back(machine.first);
    for (const auto& workload : out_.workloads)
      workload_names_.push_back(workload.name);
    if (root_.has("count")) out_.count = counting_from(root_.child("count"));
    if (root_.has("baseline")) out_.baseline = one_of(root_, "baseline", "machine", machine_names_);
    read_figures();
    for (const ConfigNode& node : root_.children("open"))
      out_.open.push_back(open_from(node));
    for (const ConfigNode& node : root_.children("steps"))
      out_.steps.push_back(step_from(node));
    if (root_.has("contest")) out_.contest = contest_from(root_.child("contest"));
    root_.reject_unknown();
    return std::move(out_);
  }

 private:
  static std::string one_of(ConfigNode node, const std::string& key, const std::string& kind, const Names& known) {
    std::string name = node.string(key);
    if (std::find(known.begin(), known.end(), name) == known.end()) node.fail(key, unknown_name(kind, name, known));
    return name;
  }

  void read_figures() {
    for (const ConfigNode& node : root_.children("figures")) {
      out_.figures.push_back(figure_from(node));
      const std::string& name = out_.figures.back().name;
      if (std::count(figure_names_.begin(), figure_names_.end(), name) != 0) node.fail("name", "stands twice");
      figure_names_.push_back(name);
    }
  }

  FigureSpec figure_from(ConfigNode node) const {
    FigureSpec figure;
    figure.name = node.string("name");
    figure.metric = named<Metric>(node, "metric", metric_names, nullptr);
    figure.of = one_of(node, "of", "machine", machine_names_);
    if (compares(figure.metric)) {
      figure.over = node.is_list("over") ? chosen(node, "over", "machine", machine_names_, {})
                                         : Names{one_of(node, "over", "machine", machine_names_)};
      if (figure.over.empty()) node.fail("over", "is empty");
      figure.over_each = node.boolean("over_each", false);
    }
    figure.at = chosen(node, "at", "workload", workload_names_, workload_names_);
    figure.mean = named<Mean>(node, "mean", mean_names, "geometric");
    const bool area = figure.metric == Metric::area_efficiency;
    if (area) figure.components = chosen(node, "components", "component", area_components, {"pe", "foot"});
    if (figure.metric == Metric::energy_ratio || figure.metric == Metric::edp_reduction)
      figure.components = chosen(node, "components", "component", energy_components, {});
    if (figure.metric == Metric::count_reduction) figure.activities = node.strings("activities");
    if (node.has("published")) {
      figure.published = node.number("published", 1e-9, 1e9);
      figure.source = node.string("source");
    }
    node.reject_unknown();
    return figure;
  }

  Variation variation_from(ConfigNode node) const {
    Variation variation;
    variation.name = node.string("name");
    variation.why = node.string("why", "");
    Names known = machine_names_;
    known.emplace_back(every_one);
    for (auto& [name, change] : node.named_children("machines")) {
      if (std::find(known.begin(), known.end(), name) == known.end())
        change.fail("", unknown_name("machine", name, known));
      variation.machines[name] = change_from(change);
    }
    known = workload_names_;
    known.emplace_back(every_one);
    for (auto& [name, workload] : node.named_children("workloads")) {
      if (std::find(known.begin(), known.end(), name) == known.end())
        workload.fail("", unknown_name("workload", name, known));
      const Workload replacement = workload_from(name, workload);
      if (name != every_one) variation.workloads[name] = replacement;
      for (const std::string& one : name == every_one ? workload_names_ : Names{})
        variation.workloads.emplace(one, replacement);  // one of its own has the last word
    }
    variation.figures = chosen(node, "figures", "figure", figure_names_, {});
    if (node.has("count")) variation.count = counting_from(node.child("count"));
    return variation;
  }

  OpenParameter open_from(ConfigNode node) const {
    OpenParameter open;
    open.name = node.string("name");
    open.why = node.string("why");
    for (const ConfigNode& value : node.children("values")) {
      open.values.push_back(variation_from(value));
      value.reject_unknown();
    }
    if (open.values.size() < 2) node.fail("values", "needs two values or more: what is open has a range");
    node.reject_unknown();
    return open;
  }

  Variation step_from(ConfigNode node) const {
    Variation step = variation_from(node);
    step.cause = node.choice("cause", step_causes);
    if (step.why.empty()) node.fail("why", "is required: what the publication does otherwise, and where that is said");
    node.reject_unknown();
    return step;
  }

  Contest contest_from(ConfigNode node) const {
    Contest contest;
    contest.objectives = chosen(node, "objectives", "objective", objective_names, {"time", "energy"});
    if (node.has("tensors")) contest.tensors = OperandTensors::from(node.child("tensors"));
    const bool error = std::count(contest.objectives.begin(), contest.objectives.end(), "error") != 0;
    if (error && !contest.tensors) node.fail("tensors", "is required: an objective is the error of operands");
    if (out_.baseline.empty()) node.fail("", "needs a baseline in the experiment");
    node.reject_unknown();
    return contest;
  }

  ConfigNode root_;
  Experiment out_;
  Names machine_names_, workload_names_, figure_names_;
};

MachineSpec changed(MachineSpec spec, const MachineChange& change) {
  if (!change.accelerator.empty()) spec.main.accelerator = change.accelerator;
  if (change.replace) spec.main.overrides.clear();
  append(spec.main.overrides, change.overrides);
  if (change.attention) {
    spec.attention = change.attention;
    spec.attention_area = change.attention_area;
  }
  if (!change.prices.empty()) spec.prices = change.prices;
  return spec;
}

}  // namespace

const std::vector<std::string> step_causes = {"bandwidth",   "schedule",     "attention format", "fill and drain",
                                              "vector unit", "PE cost book", "memory energy",    "PE counts",
                                              "precision",   "workload",     "buffers",          "static energy"};

const char* to_string(Metric metric) {
  return name_of(metric, metric_names);
}

const char* to_string(Mean mean) {
  return name_of(mean, mean_names);
}

bool compares(Metric metric) {
  return metric != Metric::quantizer_overhead && metric != Metric::kv_compression;
}

Experiment Experiment::from(ConfigNode node) {
  return Reader(std::move(node)).read();
}

const MachineSpec& Experiment::machine(const std::string& machine_name) const {
  for (const auto& [known, spec] : machines) {
    if (known == machine_name) return spec;
  }
  throw InternalError("experiment " + name + ": no machine " + machine_name);
}

const Workload& Experiment::workload(const std::string& workload_name) const {
  for (const auto& known : workloads) {
    if (known.name == workload_name) return known;
  }
  throw InternalError("experiment " + name + ": no workload " + workload_name);
}

MachineSpec varied(const Experiment& experiment, const std::string& machine,
                   const std::vector<const Variation*>& variations) {
  MachineSpec spec = experiment.machine(machine);
  for (const Variation* variation : variations) {
    const auto common = variation->machines.find(every_one), own = variation->machines.find(machine);
    if (common != variation->machines.end()) {
      spec = changed(std::move(spec), common->second);
      if (spec.attention) append(spec.attention->overrides, common->second.overrides);
    }
    if (own != variation->machines.end()) spec = changed(std::move(spec), own->second);
  }
  return spec;
}

}  // namespace nibble
