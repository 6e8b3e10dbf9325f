// SPDX-License-Identifier: Apache-2.0
#include "formats/kv_policies.h"

#include "formats/channel_kv_cache.h"
#include "formats/grouped_kv_cache.h"
#include "formats/harmonia_kv_cache.h"
#include "formats/mant_kv_cache.h"

namespace nibble {
namespace {

MakeKvCache mant(MantValueCache::Window window) {
  return [window](std::size_t channels, const std::string& name) {
    return std::make_unique<MantKvCache>(channels, window, name);
  };
}

MakeKvCache grouped(const GroupedKvOptions& options) {
  return [options](std::size_t channels, const std::string& name) {
    return std::make_unique<GroupedKvCache>(channels, options, name);
  };
}

GroupedKvOptions fp16_options() {
  GroupedKvOptions options;
  options.keys = options.values = Format::parse("fp16");
  return options;
}

}  // namespace

const Registry<MakeKvCache>& kv_policies() {
  static const Registry<MakeKvCache> policies = [] {
    Registry<MakeKvCache> all("cache policy");
    all.add("mant", "M-ANT: mant4-g64, values of the open group in INT8", mant(MantValueCache::Window::int8));
    all.add("mant-fp16-window", "M-ANT: mant4-g64, values of the open group in FP16",
            mant(MantValueCache::Window::fp16));
    all.add("harmonia", "Harmonia: bfp8 for the first 32 and the last 64 tokens, else bfp4",
            [](std::size_t channels, const std::string& name) {
              return std::make_unique<HarmoniaKvCache>(channels, HarmoniaKvOptions(), name);
            });
    all.add("amove", "Amove: amove4-g32c4, values of the open group in FP16", grouped(amove_kv_options()));
    all.add("amove-requantized", "Amove: amove4-g32c4, the open group of values quantized again with every token",
            grouped(amove_kv_options(4, OpenGroup::codes)));
    all.add("fp16", "baseline: FP16", grouped(fp16_options()));
    all.add(
        "int8", "baseline: INT8, keys by token, values by channel with the scales of the prompt",
        [](std::size_t channels, const std::string& name) { return std::make_unique<ChannelKvCache>(channels, name); });
    return all;
  }();
  return policies;
}

std::unique_ptr<KvCache> make_kv_cache(const std::string& policy, std::size_t channels, const std::string& name) {
  return kv_policies().at(policy).make(channels, name);
}

}  // namespace nibble
