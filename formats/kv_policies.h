// SPDX-License-Identifier: Apache-2.0
/// The cache policies by name: "mant", "mant-fp16-window", "harmonia", "amove", "amove-requantized", "fp16",
/// "int8".
#pragma once

#include <functional>
#include <memory>

#include "core/registry.h"
#include "formats/kv_cache.h"

namespace nibble {

/// Makes an empty cache for a head of `channels` channels; the name begins its messages.
using MakeKvCache = std::function<std::unique_ptr<KvCache>(std::size_t channels, const std::string& name)>;

const Registry<MakeKvCache>& kv_policies();

/// Throws InputError with the known policies and the nearest spelling.
std::unique_ptr<KvCache> make_kv_cache(const std::string& policy, std::size_t channels,
                                       const std::string& name = "cache");

}  // namespace nibble
