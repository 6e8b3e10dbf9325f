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
    waves_.push_back({});
    if (bits == 1) {
      sc_core::sc_trace(file_, waves_.back().bit, name);
    } else {
      sc_core::sc_trace(file_, waves_.back().number, name, static_cast<int>(bits));
    }
    return static_cast<unsigned>(waves_.size() - 1);
  }
  void set(unsigned wave, std::uint32_t value) override {
    waves_[wave].bit = value != 0;
    waves_[wave].number = value;
  }

 private:
  struct Wave {
    bool bit = false;
    unsigned number = 0;
  };
  std::deque<Wave> waves_;  // at addresses that stay
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
    unsigned scopes = 0;
    std::size_t begin = 0;
    for (std::size_t dot; (dot = name.find('.', begin)) != std::string::npos; begin = dot + 1, ++scopes)
      fstWriterSetScope(context_, FST_ST_VCD_MODULE, name.substr(begin, dot - begin).c_str(), nullptr);
    const fstHandle handle =
        fstWriterCreateVar(context_, FST_VT_VCD_WIRE, FST_VD_IMPLICIT, bits, name.substr(begin).c_str(), 0);
    for (; scopes > 0; --scopes)
      fstWriterSetUpscope(context_);
    waves_.push_back({handle, bits, 0});
    return static_cast<unsigned>(waves_.size() - 1);
  }
  void set(unsigned wave, std::uint32_t value) override {
    if (waves_[wave].value == value) return;
    waves_[wave].value = value;
    advance();
    emit(waves_[wave]);
  }

 private:
  struct Wave {
    fstHandle handle;
    unsigned bits;
    std::uint32_t value;
  };
  /// Values begin at time 0.
  void advance() {
    if (!begun_) {
      begun_ = true;
      fstWriterEmitTimeChange(context_, 0);
      for (const Wave& wave : waves_)
        emit({wave.handle, wave.bits, 0});
    }
    const auto now = static_cast<std::uint64_t>(sc_core::sc_time_stamp() / sc_core::sc_time(1, sc_core::SC_PS));
    if (now > time_) fstWriterEmitTimeChange(context_, time_ = now);
  }
  void emit(const Wave& wave) {
    std::string text(wave.bits, '0');
    for (unsigned i = 0; i < wave.bits; ++i)
      text[wave.bits - 1 - i] = static_cast<char>('0' + (wave.value >> i & 1U));
    fstWriterEmitValueChange(context_, wave.handle, text.c_str());
  }

  void* context_;
  std::vector<Wave> waves_;
  bool begun_ = false;
  std::uint64_t time_ = 0;
};
#endif

}  // namespace

std::unique_ptr<WaveFile> WaveFile::create(const std::string& file) {
  if (file.size() < 4 || file.substr(file.size() - 4) != ".fst") return std::make_unique<VcdFile>(file);
#ifdef NIBBLE_FST
  return std::make_unique<FstFile>(file);
#else
  throw InputError(file + ": this nibble was built without FST, which takes zlib and Verilator's sources; write .vcd");
#endif
}

}  // namespace nibble
