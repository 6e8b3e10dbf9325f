// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "cli/commands.h"

namespace nibble {
namespace {

volatile std::sig_atomic_t interrupt_flag = 0;

extern "C" void on_interrupt(int) {
  interrupt_flag = 1;
  std::signal(SIGINT, SIG_DFL);  // the second one ends the process at once
}

}  // namespace

void install_interrupt_handler() {
  std::signal(SIGINT, on_interrupt);
}
void leave_interrupts_to_parent() {
  std::signal(SIGINT, SIG_IGN);
  interrupt_flag = 0;
}
bool interrupt_requested() {
  return interrupt_flag != 0;
}
void stop_if_interrupted() {
  if (interrupt_requested()) throw Interrupted{};
}

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void ProgressLine::show(const std::string& text) {
  if (!terminal_) return;
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
  shown_ = true;
}

}  // namespace nibble
