// SPDX-License-Identifier: Apache-2.0
#include "memory/trace_patterns.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <sstream>

#include "core/error.h"
#include "core/random.h"
#include "core/units.h"

namespace nibble {
namespace {

const std::map<std::string, std::string> other_words{{"sequential", "seq_read"},
                                                     {"strided", "strided_read"},
                                                     {"random", "random_read"},
                                                     {"mixed", "mix_seq"},
                                                     {"tiled_gemm", "gemm_tiled"}};

enum class Walk { sequential, strided, bank_conflict, random, mix, tiled };
enum class Direction { read, write, mixed };

struct Pattern {
  std::string name;
  Walk walk;
  Direction direction;
  std::uint64_t requests, bytes, span, base, interval, stride, turn, seed;
};

std::uint64_t number(const std::string& spec, const std::string& text) {
  const bool hex = text.rfind("0x", 0) == 0;
  std::uint64_t value = 0;
  const char* first = text.data() + (hex ? 2 : 0);
  const auto result = std::from_chars(first, text.data() + text.size(), value, hex ? 16 : 10);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size() || first == result.ptr) {
    throw InputError("pattern '" + spec + "': '" + text +
                     "' is no number; expected decimal or 0x and hexadecimal digits");
  }
  return value;
}

void require(bool holds, const std::string& spec, const std::string& rule) {
  if (!holds) throw InputError("pattern '" + spec + "': " + rule);
}

Pattern parse(const std::string& spec, const TraceShape& shape) {
  std::istringstream parts(spec);
  Pattern p{};
  std::getline(parts, p.name, ',');
  const auto word = other_words.find(p.name);
  if (word != other_words.end()) p.name = word->second;
  const auto& names = standard_trace_names();
  if (std::find(names.begin(), names.end(), p.name) == names.end()) {
    throw InputError(unknown_name("trace pattern", p.name, names));
  }
  const auto says = [&](const char* part) { return p.name.find(part) != std::string::npos; };
  const bool spaced = p.name == "spaced_read";
  p.direction = says("mix_") ? Direction::mixed : says("write") ? Direction::write : Direction::read;
  p.walk = says("random") || spaced       ? Walk::random
           : p.name.rfind("seq_", 0) == 0 ? Walk::sequential
           : says("strided")              ? Walk::strided
           : p.name == "bank_conflict"    ? Walk::bank_conflict
           : p.name == "mix_seq"          ? Walk::mix
                                          : Walk::tiled;
  p.requests = spaced ? 2000 : 20000;
  p.bytes = shape.burst_bytes;
  p.span = std::uint64_t{1} << 28;
  p.interval = spaced ? 200 : 0;
  p.stride = 4096;
  p.turn = 256;
  p.seed = spaced ? 44 : p.name == "mix_random" ? 43 : 42;
  const std::map<std::string, std::uint64_t*> known{
      {"requests", &p.requests}, {"bytes", &p.bytes},   {"span", &p.span}, {"base", &p.base},
      {"interval", &p.interval}, {"stride", &p.stride}, {"turn", &p.turn}, {"seed", &p.seed}};
  for (std::string part; std::getline(parts, part, ',');) {
    const auto equal = part.find('=');
    const auto parameter = known.find(part.substr(0, equal));
    if (parameter == known.end()) {
      std::vector<std::string> keys;
      for (const auto& entry : known)
        keys.push_back(entry.first);
      throw InputError("pattern '" + spec + "': " + unknown_name("parameter", part.substr(0, equal), keys));
    }
    require(equal != std::string::npos, spec, "'" + part + "' should be a parameter and a value, as in requests=1000");
    *parameter->second = number(spec, part.substr(equal + 1));
  }
  require(p.requests >= 1 && p.requests <= std::uint64_t{1} << 26, spec, "requests should be between 1 and 67108864");
  require(p.bytes >= 1 && p.bytes <= mib, spec, "bytes should be between 1 and 1048576");
  require(p.span >= 4 * p.bytes && p.span <= std::uint64_t{1} << 48, spec, "span should be between 4 x bytes and 2^48");
  require(p.base <= std::uint64_t{1} << 48, spec, "base should not exceed 2^48");
  require(p.interval <= 1000000, spec, "interval should not exceed 1000000 cycles");
  require(p.stride >= 1 && p.stride <= p.span, spec, "stride should be between 1 and the span");
  require(p.name != "gemm_tiled" || (p.turn >= p.bytes && p.turn % p.bytes == 0), spec,
          "turn should be a multiple of bytes");
  return p;
}

/// Direction and address (without base) of request i. Formulas: docs/memory.md.
TraceRequest request_of(const Pattern& p, std::uint64_t i, const TraceShape& shape, Random& random) {
  const std::uint64_t b = p.bytes, s = p.span;
  TraceRequest r;
  r.bytes = b;
  r.cycle = p.interval * i;
  r.write = p.direction == Direction::write || (p.direction == Direction::mixed && i % 3 == 2);
  switch (p.walk) {
    case Walk::sequential:
      r.address = i * b % s;
      break;
    case Walk::strided:
      r.address = (i * p.stride % s + i * p.stride / s * b) % s;
      break;
    case Walk::bank_conflict: {
      const std::uint64_t all_rows = shape.row_bytes * shape.banks;
      r.address = i % std::max<std::uint64_t>(s / all_rows, 1) * all_rows;
      break;
    }
    case Walk::random:
      r.address = random.next() % (s / b) * b;
      break;
    case Walk::mix: {
      const std::uint64_t j = i / 3, k = i % 3;
      r.address = r.write ? s / 2 + j * b % (s / 2) : (2 * j + k) * b % (s / 2);
      break;
    }
    case Walk::tiled: {
      const std::uint64_t each = p.turn / b, c = i / each, o = i % each;
      r.address = c % 2 * (s / 4) + (c / 2 * p.turn + o * b) % (s / 4);
      break;
    }
  }
  return r;
}

}  // namespace

const std::vector<std::string>& standard_trace_names() {
  static const std::vector<std::string> names{"seq_read",      "seq_write",   "strided_read", "strided_write",
                                              "bank_conflict", "random_read", "random_write", "mix_seq",
                                              "mix_random",    "gemm_tiled",  "spaced_read"};
  return names;
}

std::vector<TraceRequest> standard_trace(const std::string& spec, const TraceShape& shape) {
  const Pattern pattern = parse(spec, shape);
  Random random(pattern.seed);
  std::vector<TraceRequest> trace(pattern.requests);
  for (std::uint64_t i = 0; i < trace.size(); ++i) {
    trace[i] = request_of(pattern, i, shape, random);
    trace[i].address += pattern.base;
  }
  return trace;
}

}  // namespace nibble
