// SPDX-License-Identifier: Apache-2.0
#include "core/vcd_writer.h"

#include <cstdio>
#include <utility>

#include "core/error.h"

namespace nibble {
namespace {

/// The short name that the file gives a signal: printable characters from '!' to '~'.
std::string identifier(std::size_t signal) {
  std::string text;
  do {
    text.push_back(static_cast<char>('!' + signal % 94));
    signal /= 94;
  } while (signal > 0);
  return text;
}

}  // namespace

VcdWriter::Signal VcdWriter::add(const std::string& scope, const std::string& name, unsigned bits) {
  variables_.push_back({scope, name, "", bits});
  return variables_.size() - 1;
}

VcdWriter::Signal VcdWriter::add_real(const std::string& scope, const std::string& name) {
  return add(scope, name, 0);
}

void VcdWriter::declare() {
  text_ = "$timescale 1 ps $end\n";
  std::string scope;
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    const Variable& variable = variables_[i];
    if (variable.scope != scope) {
      if (!scope.empty()) text_ += "$upscope $end\n";
      text_ += "$scope module " + variable.scope + " $end\n";
      scope = variable.scope;
    }
    text_ += variable.bits == 0 ? "$var real 64 " : "$var wire " + std::to_string(variable.bits) + ' ';
    text_ += identifier(i) + ' ' + variable.name + " $end\n";
  }
  if (!scope.empty()) text_ += "$upscope $end\n";
  text_ += "$enddefinitions $end\n";
}

void VcdWriter::at(std::uint64_t picoseconds) {
  if (!begun_) {
    declare();
  } else if (picoseconds <= time_) {
    throw InternalError("waveforms: time does not advance");
  }
  begun_ = true;
  time_ = picoseconds;
  stamp_ = '#' + std::to_string(picoseconds) + '\n';
}

void VcdWriter::change(Signal signal, const std::string& value) {
  Variable& variable = variables_[signal];
  if (variable.value == value || full()) return;
  text_ += std::exchange(stamp_, std::string());
  variable.value = value;
  text_ += value;
  if (variable.bits != 1) text_ += ' ';
  text_ += identifier(signal) + '\n';
}

void VcdWriter::set(Signal signal, std::uint64_t value) {
  const unsigned bits = variables_[signal].bits;
  std::string text(bits == 1 ? "" : "b");
  for (unsigned i = bits; i-- > 0;)
    text.push_back((value >> i & 1) != 0 ? '1' : '0');
  change(signal, text);
}

void VcdWriter::set_real(Signal signal, double value) {
  char text[40];
  std::snprintf(text, sizeof text, "r%.9g", value);
  change(signal, text);
}

void VcdWriter::set_unknown(Signal signal) {
  if (variables_[signal].value.empty()) return;
  change(signal, variables_[signal].bits == 1 ? "x" : "bx");
}

}  // namespace nibble
