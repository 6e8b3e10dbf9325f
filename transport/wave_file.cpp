// SPDX-License-Identifier: Apache-2.0
#include "transport/wave_file.h"

#include <deque>
#include <systemc>
#include <vector>

#include "core/error.h"
#ifdef NIBBLE_FST
#include <gtkwave/fstapi.h>
#endif

namespace nibble {
namespace {

/// The kernel adds the ending, and writes as it goes.
class VcdFile final : public WaveFile {
 public:
  explicit VcdFile(const std::string& file)
      : file_(sc_core::sc_create_vcd_trace_file(file.substr(0, file.size() - 4).c_str())) {
    // The kernel would say so on standard output, which is for results.
    sc_core::sc_report_handler::set_actions("tracing timescale unit set", sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
    file_->set_time_unit(1, sc_core::SC_PS);
  }
  ~VcdFile() override { sc_core::sc_close_vcd_trace_file(file_); }
  unsigned add(const std::string& name, unsigned bits) override {
    waves_.emplace_back(static_cast<int>(bits));
    sc_core::sc_trace(file_, waves_.back(), name);
    widths_.push_back(bits);
    return static_cast<unsigned>(waves_.size() - 1);
  }
  void set(unsigned wave, const std::string& digits) override { waves_[wave] = digits.c_str(); }

 private:
  std::deque<sc_dt::sc_bv_base> waves_;  // at addresses that stay
  sc_core::sc_trace_file* file_;
};

#ifdef NIBBLE_FST
class FstFile final : public WaveFile {
 public:
  explicit FstFile(const std::string& file) : context_(fstWriterCreate(file.c_str(), 1)) {
    if (context_ == nullptr) throw InputError(file + ": cannot be written");
    fstWriterSetTimescale(context_, -12);
    fstWriterSetVersion(context_, "nibble");
  }
  ~FstFile() override {
    advance();
    fstWriterClose(context_);
  }
  FstFile(const FstFile&) = delete;
  FstFile& operator=(const FstFile&) = delete;
  unsigned add(const std::string& name, unsigned bits) override {
    const std::size_t last = name.rfind('.') + 1;  // 0: no scope
    if (name.compare(0, last, scope_) != 0) enter(name.substr(0, last));
    const fstHandle handle =
        fstWriterCreateVar(context_, FST_VT_VCD_WIRE, FST_VD_IMPLICIT, bits, name.substr(last).c_str(), 0);
    waves_.push_back({handle, std::string(bits, '0')});
    widths_.push_back(bits);
    return static_cast<unsigned>(waves_.size() - 1);
  }
  void set(unsigned wave, const std::string& digits) override {
    if (waves_[wave].digits == digits) return;
    advance();
    waves_[wave].digits = digits;
    fstWriterEmitValueChange(context_, waves_[wave].handle, digits.c_str());
  }

 private:
  struct Wave {
    fstHandle handle;
    std::string digits;
  };
  /// From the present scope to another: names with a dot behind each, or none at all.
  void enter(const std::string& scope) {
    for (const char c : scope_)
      if (c == '.') fstWriterSetUpscope(context_);
    std::size_t begin = 0;
    for (std::size_t dot; (dot = scope.find('.', begin)) != std::string::npos; begin = dot + 1)
      fstWriterSetScope(context_, FST_ST_VCD_MODULE, scope.substr(begin, dot - begin).c_str(), nullptr);
    scope_ = scope;
  }
  /// Values begin at time 0.
  void advance() {
    if (!begun_) {
      begun_ = true;
      fstWriterEmitTimeChange(context_, 0);
      for (const Wave& wave : waves_)
        fstWriterEmitValueChange(context_, wave.handle, wave.digits.c_str());
    }
    const auto now = static_cast<std::uint64_t>(sc_core::sc_time_stamp() / sc_core::sc_time(1, sc_core::SC_PS));
    if (now > time_) fstWriterEmitTimeChange(context_, time_ = now);
  }

  void* context_;
  std::vector<Wave> waves_;
  std::string scope_;  ///< of the wave added last
  bool begun_ = false;
  std::uint64_t time_ = 0;
};
#endif

}  // namespace

void WaveFile::set(unsigned wave, std::uint64_t value) {
  std::string digits(widths_[wave], '0');
  for (std::size_t i = 0; i < digits.size() && i < 64; ++i)
    digits[digits.size() - 1 - i] = static_cast<char>('0' + (value >> i & 1U));
  set(wave, digits);
}

std::unique_ptr<WaveFile> WaveFile::create(const std::string& file) {
  const std::string ending = file.size() > 4 ? file.substr(file.size() - 4) : "";
  if (ending == ".vcd") return std::make_unique<VcdFile>(file);
  if (ending != ".fst") throw InputError(file + ": waveforms must end in .vcd or .fst");
#ifdef NIBBLE_FST
  return std::make_unique<FstFile>(file);
#else
  throw InputError(file + ": this nibble was built without FST, which takes zlib and Verilator's sources; write .vcd");
#endif
}

}  // namespace nibble
