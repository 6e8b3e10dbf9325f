// SPDX-License-Identifier: Apache-2.0
/// The tables of docs/programming.md and docs/machines/mant.md against the code that they describe.
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <systemc>
#include <vector>

#include "accelerators/accelerator.h"
#include "accelerators/descriptor.h"
#include "accelerators/platform.h"
#include "core/config_node.h"
#include "formats/rounding.h"
#include "testbenches/support/paths.h"

using namespace nibble;

namespace {

std::string page(const std::string& name) {
  std::ifstream file(source_path("docs/" + name));
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The rows of every table of the page whose first line is `header`; cells without spaces around and without backticks.
std::vector<std::vector<std::string>> rows(const std::string& text, const std::string& header) {
  std::vector<std::vector<std::string>> out;
  std::istringstream lines(text);
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind('|', 0) != 0) inside = false;
    if (inside && line.rfind("|--", 0) != 0) {
      std::vector<std::string> cells;
      std::string cell;
      for (const char c : line.substr(1)) {
        if (c == '|') {
          const auto first = cell.find_first_not_of(' ');
          cells.push_back(first == std::string::npos ? "" : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
          cell.clear();
        } else if (c != '`') {
          cell += c;
        }
      }
      out.push_back(cells);
    }
    if (line == header) inside = true;
  }
  INFO(header);
  REQUIRE_FALSE(out.empty());
  return out;
}

/// Changes one field of a descriptor so that every byte of it that may change does.
using Change = std::function<void(Descriptor&)>;
constexpr std::uint32_t word = 0xA5A6A7A8;
constexpr std::uint64_t long_word = 0xA5A6A7A8A9AAABAC;

void add_operand(std::map<std::string, Change>& fields, const std::string& name,
                 OperandDescriptor Descriptor::*operand) {
  fields[name + ".address"] = [=](Descriptor& d) { (d.*operand).address = long_word; };
  fields[name + ".instance_stride"] = [=](Descriptor& d) { (d.*operand).instance_stride = long_word; };
  fields[name + ".rows"] = [=](Descriptor& d) { (d.*operand).rows = word; };
  fields[name + ".columns"] = [=](Descriptor& d) { (d.*operand).columns = word; };
  fields[name + ".block_rows"] = [=](Descriptor& d) { (d.*operand).block_rows = word; };
  fields[name + ".format.family"] = [=](Descriptor& d) { (d.*operand).format.family = FormatFamily::mant4; };
  fields[name + ".format.bits"] = [=](Descriptor& d) { (d.*operand).format.bits = 7; };
  fields[name + ".format.grouping"] = [=](Descriptor& d) { (d.*operand).format.grouping = Grouping::channel; };
  fields[name + ".format.group_k"] = [=](Descriptor& d) { (d.*operand).column_block = word; };
  fields[name + ".place"] = [=](Descriptor& d) {
    (d.*operand).cache = true;
    (d.*operand).arrangement = Arrangement::keys;
  };
  fields[name + ".format.cluster"] = [=](Descriptor& d) { (d.*operand).format.cluster = word; };
}

void add_continuation(std::map<std::string, Change>& fields, std::size_t index) {
  const std::string name = "continuation[" + std::to_string(index) + "].";
  fields[name + "address"] = [=](Descriptor& d) { d.continuations[index].address = long_word; };
  fields[name + "instance_stride"] = [=](Descriptor& d) { d.continuations[index].instance_stride = long_word; };
  fields[name + "k"] = [=](Descriptor& d) { d.continuations[index].k = word; };
  fields[name + "format.family"] = [=](Descriptor& d) { d.continuations[index].format.family = FormatFamily::mant4; };
  fields[name + "format.bits"] = [=](Descriptor& d) { d.continuations[index].format.bits = 7; };
  fields[name + "format.grouping"] = [=](Descriptor& d) { d.continuations[index].format.grouping = Grouping::group; };
  fields[name + "arrangement"] = [=](Descriptor& d) { d.continuations[index].arrangement = Arrangement::token_major; };
}

std::map<std::string, Change> fields() {
  std::map<std::string, Change> out = {
      {"m", [](Descriptor& d) { d.m = word; }},
      {"k", [](Descriptor& d) { d.k = word; }},
      {"n", [](Descriptor& d) { d.n = word; }},
      {"tag", [](Descriptor& d) { d.tag = word; }},
      {"count", [](Descriptor& d) { d.count = word; }},
      {"past", [](Descriptor& d) { d.past = word; }},
      {"rows_per_token", [](Descriptor& d) { d.rows_per_token = word; }},
      {"window", [](Descriptor& d) { d.window = word; }},
      {"causal", [](Descriptor& d) { d.causal = CausalMask::context; }},
      {"order", [](Descriptor& d) { d.tiling.order = LoopOrder::knm; }},
      {"inputs", [](Descriptor& d) { d.inputs = 0xA5A6; }},
      {"function", [](Descriptor& d) { d.function = word; }},
      {"exponent.a", [](Descriptor& d) { d.a.exponent = -0x5A5B; }},
      {"exponent.w", [](Descriptor& d) { d.w.exponent = -0x5A5B; }},
      {"exponent.c", [](Descriptor& d) { d.c.exponent = -0x5A5B; }},
      {"scratch_address", [](Descriptor& d) { d.scratch_address = long_word; }},
      {"stream_bytes", [](Descriptor& d) { d.stream_bytes = long_word; }},
      {"tiling.m", [](Descriptor& d) { d.tiling.m = word; }},
      {"tiling.k", [](Descriptor& d) { d.tiling.k = word; }},
      {"tiling.n", [](Descriptor& d) { d.tiling.n = word; }},
      {"elements", [](Descriptor& d) { d.elements = long_word; }},
      {"input_bytes[0]", [](Descriptor& d) { d.input_bytes[0] = long_word; }},
      {"input_bytes[1]", [](Descriptor& d) { d.input_bytes[1] = long_word; }},
      {"output_bytes", [](Descriptor& d) { d.output_bytes = long_word; }},
      {"parameter", [](Descriptor& d) { d.parameter = float_from_bits(word); }},
      {"tokens", [](Descriptor& d) { d.tokens = word; }},
      {"rotated", [](Descriptor& d) { d.rotated = 0xA5A6; }},
      {"softmax.window", [](Descriptor& d) { d.window = word; }},
  };
  add_operand(out, "a", &Descriptor::a);
  add_operand(out, "w", &Descriptor::w);
  add_operand(out, "c", &Descriptor::c);
  add_operand(out, "p", &Descriptor::p);
  for (std::size_t i = 0; i < continuation_count; ++i)
    add_continuation(out, i);
  return out;
}

bool is_vector_field(const std::string& name) {
  static const std::set<std::string> names{"elements", "output_bytes", "parameter",
                                           "tokens",   "rotated",      "softmax.window"};
  return names.count(name) != 0 || name.rfind("input_bytes", 0) == 0 || name.rfind("p.", 0) == 0;
}

/// The bytes that differ from a blank descriptor lie in the field; the first does, and of numbers all.
void check_field(const std::string& name, const Change& change, std::size_t offset, std::size_t bytes) {
  CAPTURE(name, offset, bytes);
  Descriptor blank;
  blank.opcode = is_vector_field(name) ? Opcode::vector : Opcode::gemm;
  blank.p.rows = 1;
  Descriptor changed = blank;
  change(changed);
  const auto before = blank.pack(), after = changed.pack();
  const bool number = (name.find("format.") == std::string::npos && name.find("place") == std::string::npos &&
                       name.find("arrangement") == std::string::npos) ||
                      name.find("group_k") != std::string::npos || name.find("cluster") != std::string::npos;
  for (std::size_t i = 0; i < before.size(); ++i) {
    CAPTURE(i);
    const bool inside = i >= offset && i < offset + bytes;
    if (!inside) CHECK(before[i] == after[i]);
    if (inside && (number || i == offset)) CHECK(before[i] != after[i]);
  }
}

}  // namespace

TEST_CASE("docs: the register table is the machine's") {
  const PlatformConfig config = PlatformConfig::from(ConfigNode::load(find_config("accelerators", "mant")));
  const Accelerator machine("machine", *config.machine);
  const std::string table = machine.registers().markdown();
  INFO("docs/programming.md should contain\n" << table);
  CHECK(page("programming.md").find(table) != std::string::npos);
}

TEST_CASE("docs: every field of the descriptor stands where the tables say") {
  const auto table = rows(page("programming.md"), "| offset | bytes | field | meaning |");
  std::map<std::string, Change> left = fields();
  std::map<std::string, std::size_t> operand_offset;
  std::vector<std::vector<std::string>> parts;
  std::size_t in_operand = 0;
  for (const auto& row : table) {
    const std::size_t offset = std::stoul(row[0]), bytes = std::stoul(row[1]);
    const std::string& name = row[2];
    if (name == "a" || name == "w" || name == "c" || name == "p") {
      CHECK(bytes == 40);
      operand_offset[name] = offset;
      continue;
    }
    const bool part = name == "address" || in_operand > 0;
    if (part) {
      CHECK(offset == in_operand);
      in_operand += bytes;
      parts.push_back(row);
      continue;
    }
    if (name == "reserved" || name == "version" || name == "opcode" || name == "flags" || name == "options" ||
        name == "choice" || name == "order_free")
      continue;
    INFO(name);
    REQUIRE(left.count(name) == 1);
    check_field(name, left[name], offset, bytes);
    left.erase(name);
  }
  CHECK(in_operand == 40);
  for (const auto& [operand, base] : operand_offset) {
    for (const auto& row : parts) {
      if (row[2] == "reserved") continue;
      const std::string name = operand + "." + row[2];
      INFO(name);
      REQUIRE(left.count(name) == 1);
      check_field(name, left[name], base + std::stoul(row[0]), std::stoul(row[1]));
      left.erase(name);
    }
  }
  for (const auto& [name, change] : left)
    FAIL_CHECK("docs/programming.md says nothing of " << name);
}

TEST_CASE("docs: version, opcode, flags and status word stand where the tables say") {
  Descriptor d;
  d.opcode = Opcode::vector;
  d.timing_only = true;
  d.interrupt = false;
  CHECK(d.pack()[0] == 2);
  CHECK(d.pack()[1] == 2);
  CHECK(d.pack()[2] == 1);
  d.timing_only = false;
  d.interrupt = true;
  CHECK(d.pack()[2] == 2);
  CHECK((d.pack()[242] | d.pack()[243]) == 0);
  d.alternative = true;
  d.policy = 3;
  d.c.exponent = -9;
  CHECK(d.pack()[242] == 0x31);
  CHECK(d.pack()[243] == 0xF7);
  d.independent = 3;
  d.weights_ready = 9;
  CHECK(d.pack()[2] == 2);
  CHECK(d.pack()[3] == 0x93);
  CHECK(Descriptor::status_offset == 248);
  CHECK(descriptor_bytes == 256);
}

TEST_CASE("docs: the structs of the C header are what a machine unpacks") {
  nibble_descriptor raw{};
  raw.version = NIBBLE_DESCRIPTOR_VERSION;
  raw.opcode = NIBBLE_OPCODE_GEMM;
  raw.flags = NIBBLE_FLAG_INTERRUPT;
  raw.m = 3, raw.k = 64, raw.n = 5, raw.count = raw.rows_per_token = 1;
  raw.order = NIBBLE_ORDER_NKM;
  const auto operand = [](std::uint64_t address, std::uint32_t rows, std::uint32_t columns) {
    nibble_operand o{};
    o.address = address;
    o.rows = o.block_rows = rows;
    o.columns = columns;
    o.format_group_k = 64;
    o.format_family = NIBBLE_FAMILY_INT;
    o.format_bits = 8;
    o.format_grouping = NIBBLE_GROUPING_GROUP;
    return o;
  };
  raw.a = operand(0x1000, 3, 64), raw.w = operand(0x2000, 5, 64), raw.c = operand(0x3000, 3, 64);
  raw.u.gemm.tiling_m = 3, raw.u.gemm.tiling_k = 64, raw.u.gemm.tiling_n = 5;
  raw.u.gemm.exponent_w = -2;
  raw.u.gemm.continuation_0_k = 0;
  raw.u.gemm.continuation_0_format_bits = raw.u.gemm.continuation_1_format_bits = 32;
  std::array<std::uint8_t, descriptor_bytes> bytes;
  std::memcpy(bytes.data(), &raw, sizeof raw);
  Descriptor d;
  REQUIRE(Descriptor::unpack(bytes, d));
  CHECK(d.opcode == Opcode::gemm);
  CHECK(d.n == 5);
  CHECK(d.tiling.order == LoopOrder::nkm);
  CHECK(d.tiling.n == 5);
  CHECK(d.w.exponent == -2);
  CHECK(d.c.address == 0x3000);
  CHECK(d.w.format.name() == "int8-g64");
  CHECK(d.pack() == bytes);
}

TEST_CASE("docs: codes of families, functions and statuses") {
  const std::string text = page("programming.md");
  const auto told_orders = rows(text, "| code | order |");
  CHECK(told_orders.size() == 6);
  for (const auto& row : told_orders)
    CHECK(to_string(static_cast<LoopOrder>(std::stoul(row[0]))) == row[1]);
  const auto families = rows(text, "| code | family |");
  CHECK(families.size() == static_cast<std::size_t>(FormatFamily::bitmod) + 1);
  for (const auto& row : families) {
    Format format;
    format.family = static_cast<FormatFamily>(std::stoul(row[0]));
    const auto digits = row[1].find_first_of("0123456789");
    format.bits = digits == std::string::npos ? 4 : static_cast<unsigned>(std::stoul(row[1].substr(digits)));
    CAPTURE(row[0], row[1], format.name());
    CHECK(format.name().rfind(row[1], 0) == 0);
  }
  const auto functions = rows(text, "| code | function |");
  CHECK(functions.size() == vector_function_count);
  for (const auto& row : functions)
    CHECK(to_string(static_cast<VectorFunction>(std::stoul(row[0]))) == row[1]);

  const std::map<std::string, CommandStatus> statuses = {
      {"pending", CommandStatus::pending},        {"done", CommandStatus::done},
      {"bad_opcode", CommandStatus::bad_opcode},  {"bad_shape", CommandStatus::bad_shape},
      {"bad_format", CommandStatus::bad_format},  {"tile_too_large", CommandStatus::tile_too_large},
      {"bus_error", CommandStatus::bus_error},    {"no_data_path", CommandStatus::no_data_path},
      {"bad_operand", CommandStatus::bad_operand}};
  const auto told = rows(text, "| value | name | meaning |");
  CHECK(told.size() == statuses.size());
  for (const auto& row : told) {
    CAPTURE(row[1]);
    REQUIRE(statuses.count(row[1]) == 1);
    CHECK(std::stoul(row[0], nullptr, 16) == static_cast<std::uint32_t>(statuses.at(row[1])));
  }
}

TEST_CASE("docs: operations per element of the vector unit") {
  const PlatformConfig config = PlatformConfig::from(ConfigNode::load(find_config("accelerators", "mant")));
  const auto told = rows(page("machines/mant.md"), "| function | operations | which |");
  CHECK(told.size() == vector_function_count - 1);
  for (const auto& row : told) {
    CAPTURE(row[0]);
    unsigned function = 1;
    while (function < vector_function_count && to_string(static_cast<VectorFunction>(function)) != row[0])
      ++function;
    REQUIRE(function < vector_function_count);
    CHECK(std::stod(row[1]) == config.machine->vector_unit.operations_per_element[function]);
  }
}
