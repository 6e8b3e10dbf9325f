// SPDX-License-Identifier: Apache-2.0
/// Devices for the DRAM test benches: the validation sets and variations that reach every branch of the scheduler.
#pragma once

#include <string>
#include <vector>

#include "memory/dram_device.h"
#include "testbenches/support/paths.h"

namespace nibble::test {

inline DramDevice load_device(const std::string& name, const std::vector<std::string>& overrides = {}) {
  ConfigNode node = ConfigNode::load(source_path("configs/memories/" + name + ".yaml"));
  for (const std::string& assignment : overrides)
    node.apply_override(assignment);
  node.string("kind");
  node.string("summary");
  return DramDevice::from(node);
}

/// One channel of a device; the mapping without its bits.
inline DramDevice single_channel(DramDevice device) {
  device.geometry.channels = 1;
  const auto at = device.mapping.find("channel ");
  if (at != std::string::npos) device.mapping.erase(at, 8);
  const auto split = device.mapping.find("column:");
  if (split != std::string::npos) device.mapping.erase(split, device.mapping.find(' ', split) + 1 - split);
  return device;
}

inline std::vector<DramDevice> test_devices() {
  std::vector<DramDevice> devices;
  for (const char* name : {"reference-ddr4-a", "reference-ddr4-b", "reference-lpddr4-a", "reference-lpddr4-b",
                           "reference-hbm2-a", "reference-hbm2-b"}) {
    devices.push_back(load_device(name));
  }
  DramDevice device = load_device("reference-hbm2-a");
  device.mapping = "row bank column bankgroup";  // the default of the presets
  devices.push_back(device);
  device.queues.page_policy = PagePolicy::closed;
  devices.push_back(device);
  device.queues.reads = device.queues.writes = device.queues.write_high = 5;
  devices.push_back(device);
  device.queues.page_policy = PagePolicy::open;
  device.queues.streak_cap = 37;
  device.queues.row_hit_cap = 4;
  devices.push_back(device);
  device = load_device("reference-ddr4-a");
  device.mapping = "row bank column:3 bankgroup:1 column:4 bankgroup:1";
  device.queues.write_high = 26;
  device.queues.write_low = 6;
  devices.push_back(device);
  device.geometry.ranks = 2;
  device.mapping = "row rank bank column bankgroup";
  devices.push_back(device);
  device.mapping = "row bank column bankgroup rank";
  devices.push_back(device);
  for (const char* name : {"ddr5-4800", "lpddr4-3200", "lpddr5-6400", "gddr6-16", "hbm3"}) {
    device = single_channel(load_device(name));
    devices.push_back(device);
    device.queues.refresh =
        device.queues.refresh == RefreshKind::all_bank ? RefreshKind::per_bank : RefreshKind::all_bank;
    devices.push_back(device);
  }
  device = load_device("reference-ddr4-b");
  device.mapping = "row bank^row column bankgroup^row";
  devices.push_back(device);
  device = load_device("reference-hbm2-a");
  device.mapping = "row bank^row bankgroup^row column";
  devices.push_back(device);
  device.queues.queue = QueueKind::per_bank;
  device.queues.reads = device.queues.writes = 8;
  device.queues.write_high = 128;
  devices.push_back(device);
  device = single_channel(load_device("lpddr4-3200"));
  device.queues.queue = QueueKind::per_bank;
  device.queues.reads = device.queues.writes = 3;
  device.queues.write_high = 20;
  device.queues.write_low = 5;
  device.queues.page_policy = PagePolicy::closed;
  devices.push_back(device);
  return devices;
}

}  // namespace nibble::test
