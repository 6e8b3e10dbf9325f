// SPDX-License-Identifier: Apache-2.0
/// Machine-readable forms of a comparison.
#include "cli/compare/comparison_report.h"
#include "core/json.h"
#include "core/report.h"
#include "core/table.h"

namespace nibble {
namespace {

void write_value(JsonWriter& json, const FigureValue& value) {
  json.field("value", value.value).field("geometric", value.geometric).field("arithmetic", value.arithmetic);
  json.key("by_workload").begin_object();
  for (const auto& [name, number] : value.by_workload)
    json.field(name, number);
  json.end_object();
  json.key("left_out").begin_array();
  for (const auto& name : value.left_out)
    json.value(name);
  json.end_array();
  if (!value.why_not.empty()) json.field("why_not", value.why_not);
}

void write_figure(JsonWriter& json, const FigureResult& figure) {
  const FigureSpec& spec = *figure.spec;
  json.begin_object().field("name", spec.name).field("metric", to_string(spec.metric)).field("of", spec.of);
  json.field("over", spec.over.empty() ? std::string() : spec.over.front()).field("mean", to_string(spec.mean));
  write_value(json, figure.value);
  json.field("low", figure.low).field("high", figure.high);
  json.field("published", spec.published).field("source", spec.source).field("difference", figure.difference);
  json.key("alternatives").begin_array();
  for (const Alternative& alternative : figure.alternatives) {
    json.begin_object().field("name", alternative.name);
    write_value(json, alternative.value);
    json.end_object();
  }
  json.end_array().key("steps").begin_array();
  for (const StepResult& step : figure.steps) {
    json.begin_object().field("name", step.step->name).field("cause", step.step->cause).field("why", step.step->why);
    write_value(json, step.value);
    json.field("factor", step.factor).end_object();
  }
  json.end_array().field("not_explained", figure.remainder).end_object();
}

template <class Parts>
void write_parts(JsonWriter& json, const char* key, const Parts& parts) {
  json.key(key).begin_object();
  for (const auto& [name, part] : parts)
    json.field(name, part);
  json.end_object();
}

void write_row(JsonWriter& json, const MachineRow& row, const ExperimentResult& result) {
  const Measured& measured = row.measured;
  json.begin_object().field("workload", row.workload).field("machine", row.machine);
  json.field("time_s", measured.time_s).field("cycles", measured.cycles).field("macs", measured.macs);
  json.field("dram_bytes", measured.dram_bytes);
  write_parts(json, "energy_pj", measured.energy_pj);
  write_parts(json, "area_um2", measured.area_um2);
  json.key("unknown").begin_array();
  for (const auto& component : measured.unknown_energy) {
    for (const auto& name : component.second)
      json.value(name);
  }
  for (const auto& name : measured.unknown_area)
    json.value("area of " + name);
  json.end_array();
  if (result.experiment->contest) json.field("pareto", row.best);
  json.end_object();
}

void write_errors(JsonWriter& json, const ExperimentResult& result) {
  json.key("operand_errors").begin_object();
  for (const auto& [machine, errors] : result.errors) {
    json.key(machine).begin_object();
    json.field("weight_db", errors.weight_db).field("activation_db", errors.activation_db);
    json.field("key_db", errors.key_db).field("value_db", errors.value_db);
    json.field("linear", errors.linear).field("scores", errors.scores).field("context", errors.context).end_object();
  }
  json.end_object();
}

std::string number(const std::optional<double>& value) {
  return value ? to_text(*value) : "";
}

}  // namespace

std::string comparison_json(const std::vector<ExperimentResult>& results, const std::string& command) {
  JsonWriter json;
  json.begin_object().field("schema", "nibble.compare/1").field("version", nibble_version).field("command", command);
  json.key("experiments").begin_array();
  for (const ExperimentResult& result : results) {
    const Experiment& experiment = *result.experiment;
    json.begin_object().field("name", experiment.name).field("title", experiment.title);
    json.field("summary", experiment.summary).field("baseline", experiment.baseline);
    json.key("open").begin_array();
    for (const OpenParameter& parameter : experiment.open)
      json.begin_object().field("name", parameter.name).field("why", parameter.why).end_object();
    json.end_array().key("figures").begin_array();
    for (const FigureResult& figure : result.figures)
      write_figure(json, figure);
    json.end_array().key("machines").begin_array();
    for (const MachineRow& row : result.rows)
      write_row(json, row, result);
    json.end_array();
    write_errors(json, result);
    json.end_object();
  }
  return json.end_array().end_object().str();
}

std::string comparison_csv(const std::vector<ExperimentResult>& results) {
  Table table;
  for (const char* heading : {"experiment", "kind", "name", "variation", "value", "published", "relative_difference",
                              "time_s", "energy_pj", "dram_bytes", "pareto"})
    table.column(heading);
  for (const ExperimentResult& result : results) {
    const std::string& experiment = result.experiment->name;
    for (const FigureResult& figure : result.figures) {
      const auto& published = figure.spec->published;
      const auto add = [&](const char* kind, const std::string& name, const std::optional<double>& value) {
        const bool both = value && published;
        table.row({experiment, kind, figure.spec->name, name, number(value), number(published),
                   both ? to_text(*value / *published - 1) : "", "", "", "", ""});
      };
      for (const Alternative& alternative : figure.alternatives)
        add("figure", alternative.name, alternative.value.value);
      for (const StepResult& step : figure.steps)
        add("step", step.step->name, step.value.value);
    }
    for (const MachineRow& row : result.rows) {
      table.row({experiment, "machine", row.machine, row.workload, "", "", "", to_text(row.measured.time_s),
                 to_text(row.measured.energy()), to_text(row.measured.dram_bytes),
                 result.experiment->contest ? (row.best ? "true" : "false") : ""});
    }
  }
  return table.csv();
}

}  // namespace nibble
