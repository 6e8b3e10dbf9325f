// SPDX-License-Identifier: Apache-2.0
#include "core/price_list.h"

namespace nibble {

const char* to_string(Activity activity) {
  switch (activity) {
    case Activity::active:
      return "active";
    case Activity::idle:
      return "idle";
    case Activity::gated:
      return "gated";
    case Activity::leakage:
      return "leakage";
  }
  return "";
}

std::optional<double> AreaItem::total() const {
  return um2 ? std::optional<double>(*um2 * static_cast<double>(instances)) : std::nullopt;
}

void KnownSum::add(const std::string& name, std::optional<double> part) {
  ++parts_;
  if (part) {
    known_ += *part;
  } else {
    unknown_.push_back(name);
  }
}

std::optional<double> KnownSum::value() const {
  if (parts_ > 0 && unknown_.size() == parts_) return std::nullopt;
  return known_;
}

KnownSum area_sum(const PriceList& prices, const std::string& group) {
  KnownSum sum;
  for (const AreaItem& item : prices.area) {
    if (group.empty() || item.group == group) sum.add(item.component, item.total());
  }
  return sum;
}

}  // namespace nibble
