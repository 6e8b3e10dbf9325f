// SPDX-License-Identifier: Apache-2.0
#include "accelerators/machine_recorder.h"

#include "accelerators/machine_clock.h"

namespace nibble {
namespace {

constexpr const char* units = "machine";
constexpr const char* streams = "DMA streams";
constexpr const char* memory = "memory";

/// In the order of Cause.
const std::vector<std::string> cause_names = {
    "compute", "fill and drain", "weight load", "waiting for memory", "waiting for output", "exposed quantizer"};

}  // namespace

MachineRecorder::Unit::Unit(Timeline::Track& track, Timeline::Track& quantizer, Ticks period)
    : track_(track), quantizer_(quantizer), period_(period), quantizer_label_(quantizer.label("encode")) {
  for (std::size_t i = 0; i < cause_count; ++i)
    labels_[i] = track.label(cause_names[i]);
}

void MachineRecorder::Unit::spent(Cause cause, std::uint64_t edge, std::uint64_t cycles) {
  const auto index = static_cast<std::size_t>(cause);
  Timeline::Amounts amounts{};
  amounts.at(index) = cycles;
  track_.add(edge * period_, (edge + cycles) * period_, labels_.at(index), amounts);
}

void MachineRecorder::Unit::quantized(std::uint64_t elements, std::uint64_t begin, std::uint64_t end) {
  quantizer_.add(begin * period_, end * period_, quantizer_label_, {elements});
}

MachineRecorder::MachineRecorder(Timeline& timeline, const MachineConfig& machine, unsigned channels)
    : matrix_track_(timeline.track(units, machine.matrix_unit_name(), cause_names)),
      vector_track_(timeline.track(units, "vector unit", cause_names)),
      quantizer_track_(timeline.track(units, "quantizer", {"elements"})),
      matrix_(matrix_track_, quantizer_track_, MachineClock(machine.clock_mhz).period().value()),
      vector_(vector_track_, quantizer_track_, MachineClock(machine.clock_mhz).period().value()) {
  for (unsigned stream = 0; stream < stream_count; ++stream) {
    if (static_cast<Stream>(stream) == Stream::host) continue;
    const std::string name = to_string(static_cast<Stream>(stream));
    streams_.at(stream).track = &timeline.track(streams, name, {"read_bytes", "write_bytes"});
    streams_.at(stream).track->label(name);
  }
  for (unsigned channel = 0; channel < channels; ++channel) {
    channels_.push_back(&timeline.track(memory, "channel " + std::to_string(channel),
                                        {"read_bytes", "write_bytes", "activates", "precharges", "refreshes"}));
    channels_.back()->label("busy");
  }
}

void MachineRecorder::transaction(const tlm::tlm_generic_payload& payload, const tlm::tlm_phase& phase,
                                  const sc_core::sc_time& at) {
  const bool begins = phase == tlm::BEGIN_REQ;
  if (!begins && phase != tlm::END_RESP) return;
  const TransferTag* tag = TransferTag::find(payload);
  if (tag == nullptr) return;
  Open& open = streams_.at(static_cast<std::size_t>(tag->stream));
  if (open.track == nullptr) return;
  if (begins) {
    if (open.count++ == 0) open.begin = at.value();
    return;
  }
  (payload.is_write() ? open.write_bytes : open.read_bytes) += payload.get_data_length();
  if (--open.count > 0) return;
  open.track->add(open.begin, at.value(), 0, {open.read_bytes, open.write_bytes});
  open.read_bytes = open.write_bytes = 0;
}

void MachineRecorder::channel_worked(unsigned channel, std::uint64_t begin, std::uint64_t end,
                                     const ChannelWork& work) {
  channels_.at(channel)->add(begin, end, 0,
                             {work.read_bytes, work.write_bytes, work.activates, work.precharges, work.refreshes});
}

}  // namespace nibble
