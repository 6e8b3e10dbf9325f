// SPDX-License-Identifier: Apache-2.0
/// rtq_temporal.sv against RtqTemporal: prompts and single tokens through both windows. The bench is the environment:
/// it holds registers, window and scales, and asks for scales when the two phases need them.
#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <optional>

#include "rtl_rtq_temporal.h"
#include "rtq_bench.h"

using namespace nibble;

namespace {

constexpr unsigned channels = 4, tags = 8, group = RtqTemporal::group;
using Window = MantValueCache::Window;

class TemporalBench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, plain{"plain"}, first{"first"}, window_valid{"window_valid"}, accumulate{"accumulate"};
  Pin<1> registers_valid{"registers_valid"}, close{"close"}, close_int8{"close_int8"}, close_plain{"close_plain"};
  Pin<1> eight{"eight"}, request{"request"}, request_plain{"request_plain"}, scale_valid{"scale_valid"};
  Pin<1> scale_int8{"scale_int8"};
  Pin<tags> tag_in{"tag_in"}, window_tag{"window_tag"}, accumulate_tag{"accumulate_tag"}, close_tag{"close_tag"};
  Pin<tags> registers_tag{"registers_tag"}, request_tag{"request_tag"}, scale_tag{"scale_tag"};
  Pin<16 * channels> values{"values"};
  Pin<15 * channels> window_scales{"window_scales"};
  Pin<8 * channels> window_codes{"window_codes"};
  Pin<rtq_register_bits * channels> registers_in{"registers_in"}, registers_out{"registers_out"};
  Pin<rtq_register_bits> close_registers{"close_registers"};
  Pin<15> window_scale{"window_scale"}, scale{"scale"};
  Pin<16 * group> window{"window"};
  Pin<8> stored_type{"stored_type"};
  Pin<4 * group> codes{"codes"};

  TemporalBench() : RtlBench("rtq_temporal", 33) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, plain);
    NIBBLE_BIND(dut, first);
    NIBBLE_BIND(dut, tag_in);
    NIBBLE_BIND(dut, values);
    NIBBLE_BIND(dut, window_scales);
    NIBBLE_BIND(dut, window_valid);
    NIBBLE_BIND(dut, window_tag);
    NIBBLE_BIND(dut, window_codes);
    NIBBLE_BIND(dut, accumulate);
    NIBBLE_BIND(dut, accumulate_tag);
    NIBBLE_BIND(dut, registers_in);
    NIBBLE_BIND(dut, registers_valid);
    NIBBLE_BIND(dut, registers_tag);
    NIBBLE_BIND(dut, registers_out);
    NIBBLE_BIND(dut, close);
    NIBBLE_BIND(dut, close_int8);
    NIBBLE_BIND(dut, close_plain);
    NIBBLE_BIND(dut, eight);
    NIBBLE_BIND(dut, close_tag);
    NIBBLE_BIND(dut, close_registers);
    NIBBLE_BIND(dut, request);
    NIBBLE_BIND(dut, request_plain);
    NIBBLE_BIND(dut, request_tag);
    NIBBLE_BIND(dut, window_scale);
    NIBBLE_BIND(dut, window);
    NIBBLE_BIND(dut, scale_valid);
    NIBBLE_BIND(dut, scale_int8);
    NIBBLE_BIND(dut, scale_tag);
    NIBBLE_BIND(dut, scale);
    NIBBLE_BIND(dut, stored_type);
    NIBBLE_BIND(dut, codes);
  }

  /// Groups of values that were compared.
  std::uint64_t groups() const { return compared_groups_; }

 private:
  using Token = std::array<std::uint16_t, channels>;
  /// A window: codes, or FP16.
  struct Held {
    bool plain = true;
    std::array<std::array<std::uint16_t, group>, channels> slots{};
    Token scales{};
  };
  /// A token in the first phase.
  struct Entered {
    std::uint64_t cycle = 0;
    bool plain = false, first = false, last = false;
    std::uint32_t slot = 0;
    std::array<std::uint32_t, channels> codes{};
    std::array<RtqRegisters, channels> before{}, after{};
  };
  /// What waits for its turn in the second phase.
  struct Close {
    bool int8 = false;
    unsigned channel = 0;
    RtqRegisters registers;
    std::size_t group_index = 0;
  };
  struct Due {
    std::uint64_t cycle = 0;
    Close close;
  };
  /// One prompt and the tokens behind it.
  struct Sequence {
    explicit Sequence(Random& random)
        : rule(random.below(2) != 0 ? RtqRule::variance8 : RtqRule::variance),
          kind(random.below(2) != 0 ? Window::int8 : Window::fp16),
          prompt(random.below(3) == 0 ? 0 : random.below(150)),
          left(prompt + random.below(200)),
          model(channels, kind, rule),
          sources(channels, RtqGroupSource(random)) {}
    RtqRule rule;
    Window kind;
    std::uint64_t prompt, left;  ///< tokens of the prompt still to come, of all
    RtqTemporal model;
    std::vector<RtqGroupSource> sources;
    std::deque<Token> coming;  ///< tokens that wait for a scale or enter once more
    std::vector<Token> open;   ///< tokens of the open window
    std::array<RtqRegisters, channels> maxima{}, registers{};
    Held window, closing;
    bool prompt_over = false, scaled = false;
    unsigned scales_due = 0;  ///< that were asked for and are not back
    bool plain() const { return !scaled || kind == Window::fp16; }
  };

  void cycle() override {
    if (now() > 0) compare();
    const bool restart = now() < 1 || once_in(5000);
    reset.write(restart);
    if (restart ||
        (sequence_->left == 0 && sequence_->coming.empty() && entered_.empty() && closes_.empty() && due_.empty())) {
      sequence_ = std::make_unique<Sequence>(random);
      entered_.clear();
      closes_.clear();
      due_.clear();
      asked_.reset();
      repeated_ = 0;
    }
    first_phase(restart);
    second_phase(restart);
  }

  void first_phase(bool restart) {
    Sequence& s = *sequence_;
    if (s.prompt == 0 && !s.prompt_over && entered_.empty() && closes_.empty()) end_prompt();
    const bool waits = s.scales_due > 0 || (s.prompt == 0 && !s.prompt_over) || (s.left == 0 && s.coming.empty());
    bool go = !restart && !waits && !once_in(4);
    Token token{};
    for (unsigned c = 0; c < channels; ++c)
      token[c] = static_cast<std::uint16_t>(random.next());  // of no meaning
    if (go) {
      if (s.coming.empty()) s.coming.push_back(draw());
      token = s.coming.front();
      go = s.plain() || scales_there(token);
    }
    valid_in.write(go);
    plain.write(s.plain());
    first.write(s.open.empty());
    tag_in.write(static_cast<std::uint32_t>(s.open.size()));
    std::uint64_t all = 0, scales = 0;
    for (unsigned c = 0; c < channels; ++c) {
      all |= static_cast<std::uint64_t>(token[c]) << 16 * c;
      scales |= static_cast<std::uint64_t>(s.window.scales[c]) << 15 * c;
    }
    values.write(all);
    window_scales.write(scales);
    if (go) enter(token);
  }

  /// A token of the sequence, given to the model.
  Token draw() {
    Sequence& s = *sequence_;
    Token token{};
    for (unsigned c = 0; c < channels; ++c) {
      if (once_in(100)) s.sources[c].next_group();
      token[c] = s.sources[c].next();
      if ((token[c] & 0x7FFF) > 0x7A00) token[c] &= 0xFA00;  // what the window reads back stays within FP16
    }
    --s.left;
    if (s.prompt > 0) --s.prompt;
    return token;
  }

  /// Channels of zeros take their scale from the first value that is none.
  bool scales_there(const Token& token) {
    Sequence& s = *sequence_;
    for (unsigned c = 0; c < channels; ++c) {
      RtqRegisters registers;
      registers.largest = token[c] & 0x7FFF;
      if (s.window.scales[c] == 0 && registers.largest != 0) ask_scale(c, registers);
    }
    return s.scales_due == 0;
  }

  void ask_scale(unsigned channel, const RtqRegisters& registers) {
    ++sequence_->scales_due;
    closes_.push_back({true, channel, registers, 0});
  }

  void enter(const Token& token) {
    Sequence& s = *sequence_;
    s.coming.pop_front();
    Entered entered;
    entered.cycle = now();
    entered.plain = s.window.plain = s.plain();
    entered.first = s.open.empty();
    entered.slot = static_cast<std::uint32_t>(s.open.size());
    for (unsigned c = 0; c < channels; ++c) {
      std::uint16_t value = token[c];
      std::uint16_t& slot = s.window.slots[c][s.open.size()];
      slot = value;
      if (!s.plain()) {
        const float factor = fp16_value(s.window.scales[c]);
        const std::int8_t code = rtq_int8_code(value, factor);
        slot = static_cast<std::uint16_t>(pin_bits(code, 8));
        entered.codes[c] = slot;
        value = fp16_bits(static_cast<float>(code) * factor);
      } else if (!s.scaled) {
        s.maxima[c].largest = std::max(s.maxima[c].largest, static_cast<std::uint16_t>(value & 0x7FFF));
      }
      entered.before[c] = entered.first ? RtqRegisters{77, 1.5F, 9.0F, 12} : s.registers[c];
      entered.after[c] = s.registers[c] = rtq_accept(entered.first ? RtqRegisters() : s.registers[c], value);
    }
    s.open.push_back(token);
    entered.last = s.open.size() == group;
    if (repeated_ > 0) {
      --repeated_;
    } else {
      s.model.push({token.begin(), token.end()}, now());
    }
    if (entered.last) {
      s.closing = s.window;
      s.open.clear();
      if (s.prompt_over && !s.scaled) s.scales_due = channels;  // asked for when the group has closed
    }
    entered_.push_back(entered);
  }

  /// The scales of the window are known; what is left over of the prompt enters it once more.
  void end_prompt() {
    Sequence& s = *sequence_;
    s.prompt_over = true;
    s.model.end_prompt();
    if (s.model.finished_tokens() == 0) return;
    for (unsigned c = 0; c < channels; ++c)
      ask_scale(c, s.maxima[c]);
    if (s.kind == Window::fp16) return;
    s.coming.assign(s.open.begin(), s.open.end());
    repeated_ = static_cast<unsigned>(s.open.size());
    s.open.clear();
  }

  void second_phase(bool restart) {
    const bool go = !restart && !closes_.empty();
    const Close next = go ? closes_.front() : Close{once_in(2), 1, RtqRegisters{5, 5, 5, 5}, 0};
    close.write(go);
    close_int8.write(next.int8);
    close_plain.write(sequence_->closing.plain);
    eight.write(sequence_->rule == RtqRule::variance8);
    close_tag.write(next.channel);
    PinWords<rtq_register_bits> words;
    put_registers(words, 0, next.registers);
    close_registers.write(words.pin());
    if (!go) return;
    closes_.pop_front();
    due_.push_back({now() + 9, next});
  }

  void compare() {
    compare_first_phase();
    answer_request();
    const bool expected = !due_.empty() && due_.front().cycle == now();
    expect("scale_valid", scale_valid.read(), expected);
    if (!expected) return;
    const Close done = due_.front().close;
    due_.pop_front();
    expect("scale_int8", scale_int8.read(), done.int8);
    expect("scale_tag", scale_tag.read(), done.channel);
    Sequence& s = *sequence_;
    if (done.int8) {
      const std::uint16_t wanted = fp16_bits(rtq_int8_scale(done.registers));
      expect("scale of the window", scale.read(), static_cast<std::uint32_t>(wanted));
      s.window.scales[done.channel] = wanted;
      s.scaled = true;
      --s.scales_due;
      return;
    }
    const QuantizedTensor all = s.model.groups();
    const std::size_t in_row = all.columns() / group, at = done.channel * in_row + done.group_index;
    expect("scale", scale.read(), static_cast<std::uint32_t>(fp16_bits(all.scales[at])));
    expect("stored_type", stored_type.read(), static_cast<std::uint32_t>(all.types[at]));
    for (unsigned t = 0; t < group; ++t)
      expect("code", pin_field(codes.read(), 4 * t, 4), static_cast<std::uint32_t>(all.codes[at * group + t]));
    ++compared_groups_;
  }

  /// The token that entered `age` cycles ago, or nullptr.
  const Entered* of_age(std::uint64_t age) const {
    for (const Entered& entered : entered_)
      if (entered.cycle + age == now()) return &entered;
    return nullptr;
  }

  void compare_first_phase() {
    const Entered* coded = of_age(2);
    expect("window_valid", window_valid.read(), coded != nullptr && !coded->plain);
    if (coded != nullptr && !coded->plain) {
      expect("window_tag", window_tag.read(), coded->slot);
      for (unsigned c = 0; c < channels; ++c)
        expect("window code", pin_field(window_codes.read(), 8 * c, 8), coded->codes[c]);
    }
    const Entered* accumulated = of_age(3);
    expect("accumulate", accumulate.read(), accumulated != nullptr);
    if (accumulated != nullptr) {
      expect("accumulate_tag", accumulate_tag.read(), accumulated->slot);
      PinWords<rtq_register_bits * channels> words;
      for (unsigned c = 0; c < channels; ++c)
        put_registers(words, rtq_register_bits * c, accumulated->before[c]);
      registers_in.write(words.pin());
    }
    const Entered* counted = of_age(4);
    expect("registers_valid", registers_valid.read(), counted != nullptr);
    if (counted == nullptr) return;
    expect("registers_tag", registers_tag.read(), counted->slot);
    const auto& rtl = registers_out.read();
    for (unsigned c = 0; c < channels; ++c) {
      expect("largest", pin_field(rtl, rtq_register_bits * c, 15),
             static_cast<std::uint32_t>(counted->after[c].largest));
      expect("sum", pin_field(rtl, rtq_register_bits * c + 15, 32), float_bits(counted->after[c].sum));
      expect("squares", pin_field(rtl, rtq_register_bits * c + 47, 32), float_bits(counted->after[c].squares));
      expect("count", pin_field(rtl, rtq_register_bits * c + 79, 9),
             static_cast<std::uint32_t>(counted->after[c].count));
    }
    if (counted->last) close_group(*counted);
    entered_.pop_front();
  }

  /// Every channel's group is complete; its last codes leave when the model says.
  void close_group(const Entered& last) {
    Sequence& s = *sequence_;
    const std::size_t index = s.model.finished_tokens() / group - 1;
    for (unsigned c = 0; c < channels; ++c)
      closes_.push_back({false, c, last.after[c], index});
    expect("cycle of the last group", now() + 9 + channels - 1, s.model.pipeline().finish());
    if (!s.prompt_over || s.scaled) return;
    for (unsigned c = 0; c < channels; ++c)
      closes_.push_back({true, c, s.maxima[c], 0});
  }

  void answer_request() {
    if (asked_) {
      const Held& held = sequence_->closing;
      PinWords<16 * group> words;
      for (unsigned t = 0; t < group; ++t)
        words.set(16 * t, 16, held.slots[*asked_][t]);
      window.write(words.pin());
      window_scale.write(held.scales[*asked_]);
    }
    asked_.reset();
    const bool expected = of_request() != nullptr;
    expect("request", request.read(), expected);
    if (!expected) return;
    expect("request_tag", request_tag.read(), of_request()->close.channel);
    expect("request_plain", request_plain.read(), sequence_->closing.plain);
    asked_ = of_request()->close.channel;
  }

  /// The group whose codes leave in two cycles, or nullptr.
  const Due* of_request() const {
    for (const Due& due : due_)
      if (due.cycle == now() + 2 && !due.close.int8) return &due;
    return nullptr;
  }

  rtl_rtq_temporal dut{"dut"};
  std::unique_ptr<Sequence> sequence_;
  std::deque<Entered> entered_;
  std::deque<Close> closes_;
  std::deque<Due> due_;
  std::optional<unsigned> asked_;
  unsigned repeated_ = 0;  ///< tokens to come that the model has already
  std::uint64_t compared_groups_ = 0;
};

}  // namespace

TEST_CASE("rtq_temporal: prompts and tokens, both windows and rules, gaps and resets") {
  REQUIRE(rtq_timing().latency == 13);
  TemporalBench bench;
  bench.run(random_cycles());
  bench.finish(5 * random_cycles());
  CHECK(bench.groups() >= random_cycles() / 100);
}
