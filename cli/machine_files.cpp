// SPDX-License-Identifier: Apache-2.0
#include "cli/machine_files.h"

#include "core/error.h"
#include "core/json.h"

namespace nibble {

void set_technologies(ConfigNode& accelerator, const std::vector<std::string>& technologies) {
  if (technologies.empty()) return;
  std::vector<std::string> quoted;
  for (const std::string& name : technologies) {
    JsonWriter text;
    text.value(name);
    quoted.push_back(text.str());
    quoted.back().pop_back();  // the newline
  }
  accelerator.apply_override("technology=" + (quoted.size() == 1 ? quoted.front() : "[" + join(quoted) + "]"));
}

ConfigNode load_configuration(const std::string& kind, const std::string& name,
                              const std::vector<std::string>& overrides, const std::vector<std::string>& technologies) {
  ConfigNode node = ConfigNode::load(kind, name);
  for (const auto& assignment : overrides)
    node.apply_override(assignment);
  set_technologies(node, technologies);
  return node;
}

ConfigNode load_accelerator(const std::string& name, const std::vector<std::string>& overrides,
                            const std::vector<std::string>& technologies) {
  return load_configuration("accelerators", name, overrides, technologies);
}

void write_reports(OutputFiles& files, const std::string& directory, const Report& report, const std::string& trace) {
  files.write(directory + "/report.json", report_json(report));
  files.write(directory + "/operators.csv", operators_csv(report));
  files.write(directory + "/report.html", report_html(report));
  if (!trace.empty()) files.write(directory + "/trace.json", trace);
  files.commit();
}

}  // namespace nibble
