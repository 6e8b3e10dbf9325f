// SPDX-License-Identifier: Apache-2.0
/// Arrays at the area of other machines: the arithmetic by hand, for every machine, and what is refused.
#include "accelerators/iso_variant.h"

#include <catch2/catch.hpp>

#include "accelerators/energy_ledger.h"
#include "accelerators/platform.h"
#include "accelerators/systolic_config.h"
#include "core/error.h"

using namespace nibble;
using Catch::Matchers::Contains;

namespace {

ConfigNode iso_node(const std::string& name, const std::vector<std::string>& overrides) {
  ConfigNode node = ConfigNode::load("accelerators", name);
  for (const auto& assignment : overrides)
    node.apply_override(assignment);
  return node;
}

PlatformConfig iso(const std::string& name, const std::vector<std::string>& overrides) {
  return PlatformConfig::from(iso_node(name, overrides));
}

std::string why(const std::string& name, const std::vector<std::string>& overrides) {
  try {
    iso(name, overrides);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

const SystolicConfig& systolic(const PlatformConfig& config) {
  return dynamic_cast<const SystolicConfig&>(*config.machine);
}
const ArrayGeometry& array_of(const PlatformConfig& config) {
  return systolic(config).array;
}

double array_area(const PlatformConfig& config) {
  return area_sum(config.machine->ledger().price(config.costs.front()), "pe").known();
}

}  // namespace

TEST_CASE("ANT at the area of M-ANT by hand: 2048 x 384 um2 hold 46 rows of 64 PEs of 257.6 um2") {
  const PlatformConfig config = iso("ant", {"iso.area_of=mant"});
  CHECK(array_of(config).rows == 46);  // 47 would fit (774,861 um2), but pairs of rows multiply 8 bits
  CHECK(array_of(config).columns == 64);
  CHECK_THAT(
      config.resolved_yaml,
      Contains("rows: 46  # computed: 46 x 64 PEs of 257.6 um2 = 758374.4 um2 <= 786432 um2 of mant (64 x 32 PEs "
               "of 384 um2 = 786432 um2), published-28nm; column feet left out on both sides, their area is "
               "unknown\n"));
  CHECK(array_area(config) <= 786432);
  CHECK(48 * 64 * 257.6 > 786432);
}

TEST_CASE("columns, or both sides in their ratio, vary instead of rows") {
  const PlatformConfig columns = iso("ant", {"iso.area_of=mant", "iso.vary=columns"});
  CHECK(array_of(columns).rows == 64);
  CHECK(array_of(columns).columns == 46);
  const PlatformConfig both = iso("ant", {"iso.area_of=mant", "iso.vary=both"});
  CHECK(array_of(both).rows == 54);  // 54 x 54 x 257.6 = 751,162; 56 x 56 is above
  CHECK(array_of(both).columns == 54);
  const PlatformConfig eights = iso("ant", {"iso.area_of=mant", "iso.multiple=8"});
  CHECK(array_of(eights).rows == 40);
  const PlatformConfig oblong = iso("mant", {"iso.area_of=ant", "iso.vary=both"});
  CHECK(array_of(oblong).rows == 2 * array_of(oblong).columns);
  CHECK(array_of(oblong).rows == 74);  // 74 x 37 x 384 = 1,051,392 <= 1,055,129.6
}

TEST_CASE("every machine with a known area: the array is the largest that is not above") {
  for (const char* name : {"ant", "olive", "tender", "fp16-array", "amove-array", "mant"}) {
    for (const char* other : {"mant", "amove-array", "olive"}) {
      CAPTURE(name, other);
      if (name == std::string(other)) continue;
      const PlatformConfig config = iso(name, {std::string("iso.area_of=") + other});
      const double most = array_area(iso(other, {}));
      CHECK(array_area(config) <= most);
      ConfigNode larger = ConfigNode::load("accelerators", name);
      std::uint64_t step = 1;
      for (const PeMode& mode : systolic(config).pe->timing().modes)
        step = std::max<std::uint64_t>(step, mode.pes_fused >= 4 ? mode.pes_fused / 2 : mode.pes_fused);
      larger.apply_override("array.rows=" + std::to_string(array_of(config).rows + step));
      CHECK(array_area(PlatformConfig::from(larger)) > most);
    }
  }
}

TEST_CASE("components that are named all count") {
  // The vector unit of 64 lanes of 1968.7 um2 stands on both sides.
  const PlatformConfig same = iso("ant", {"iso.area_of=mant", "iso.components=[pe, vector]"});
  CHECK(array_of(same).rows == 46);
  // 16 lanes leave room: (786432 + 48 x 1968.7) / (64 x 257.6) = 53.4
  const PlatformConfig room = iso("ant", {"iso.area_of=mant", "iso.components=[pe, vector]", "vector_unit.lanes=16"});
  CHECK(array_of(room).rows == 52);
  CHECK_THAT(room.resolved_yaml, Contains(" + 31499.2 um2 of other components = "));
  CHECK_THAT(why("ant", {"iso.area_of=mant", "iso.components=[pe, foot]"}),
             Contains("the area of foot of ant is unknown in published-28nm"));
}

TEST_CASE("memory, buffers and clock are taken from the machine that is named") {
  const PlatformConfig config = iso("ant", {"iso.bandwidth_of=harmonia", "iso.buffers_of=harmonia", "clock_mhz=700"});
  const PlatformConfig other = iso("harmonia", {});
  CHECK(config.memory_name == other.memory_name);
  CHECK(systolic(config).buffers.weight_bytes == systolic(other).buffers.weight_bytes);
  CHECK(config.machine->clock_mhz == 700);
  CHECK(array_of(config).rows == 64);
  CHECK_THAT(config.resolved_yaml, Contains("preset: hbm2-x128  # ") && Contains("[K] 256 GB/s, one HBM2 stack"));
  CHECK(iso("ant", {"clock_mhz=250", "iso.area_of=mant"}).machine->clock_mhz == 250);
}

TEST_CASE("both machines are measured by the same book, and named machines may be variants themselves") {
  const PlatformConfig config = iso("amove-array", {"iso.area_of=bitfusion", "technology=published-45nm"});
  CHECK(array_of(config).rows == 297);  // 32 x 32 x 1733 / (32 x 186.5) = 297.3; no rows fuse
  CHECK_THAT(config.resolved_yaml, Contains("published-45nm"));
  const PlatformConfig nested = iso("olive", {"iso.area_of=ant-iso-mant"});
  CHECK(array_of(nested).rows == 38);  // 758,374.4 / (64 x 307) = 38.6
  const PlatformConfig shipped = iso("ant-iso-mant", {});
  CHECK(shipped.machine->name == "ant-iso-mant");
  CHECK(array_of(shipped).rows == 46);
}

TEST_CASE("an area in place of a machine") {
  const PlatformConfig config = iso("ant", {"iso.area_um2=786432"});
  CHECK(array_of(config).rows == 46);
  CHECK_THAT(config.resolved_yaml,
             Contains("<= 786432 um2 of iso.area_um2, published-28nm; column feet left out, their"));
  CHECK_THAT(why("ant", {"iso.area_um2=786432", "iso.area_of=mant"}), Contains("leave one of them out"));
  CHECK_THAT(why("ant", {"iso.area_um2=786432", "array.rows=8"}), Contains("iso.area_um2: computes array.rows"));
  CHECK_THAT(why("harmonia", {"iso.area_um2=786432"}), Contains("iso.area_um2: the area of pe of harmonia is unknown"));
  CHECK_THAT(why("ant", {"iso.area_um2=1000"}), Contains("not even the smallest array of ant fits into the 1000 um2"));
}

TEST_CASE("what cannot be computed is refused in words") {
  CHECK_THAT(why("ant", {"iso.area_of=mannt"}),
             Contains("iso.area_of: unknown accelerator 'mannt'; did you mean 'mant'?"));
  CHECK_THAT(why("ant", {"iso.area_of=harmonia"}),
             Contains("the area of pe of harmonia is unknown in published-28nm (Harmonia's table was not found)"));
  CHECK_THAT(why("harmonia", {"iso.area_of=mant"}), Contains("the area of pe of harmonia is unknown"));
  CHECK_THAT(why("ant", {"iso.area_of=ant"}), Contains("goes round in a circle: ant -> ant"));
  CHECK_THAT(why("ant", {"iso.area_of=mant", "array.rows=8"}), Contains("array.rows, which --set gives as well"));
  CHECK_THAT(why("ant", {"iso.bandwidth_of=mant", "memory.preset=hbm2"}), Contains("memory, which --set gives"));
  CHECK_THAT(why("ant", {"iso.vary=rows"}), Contains("names no machine, expected area_of"));
  CHECK_THAT(why("ant", {"iso.area_of=mant", "iso.vary=depth"}), Contains("must be one of rows, columns, both"));
  CHECK_THAT(why("ant", {"iso.area_off=mant"}), Contains("iso"));
  CHECK_THAT(why("ant", {"iso.area_of=mant", "iso.components=[foot]"}), Contains("must hold pe"));
  CHECK_THAT(why("ant", {"iso.area_of=mant", "iso.components=[pe, feet]"}), Contains("did you mean 'foot'?"));
  CHECK_THAT(why("ant", {"iso.area_of=mant", "array.columns=1000", "iso.multiple=64"}),
             Contains("not even the smallest array of ant fits into the 786432 um2 of mant"));
  CHECK_THAT(why("ant", {"iso.area_of=mant", "array.columns=2"}), Contains("more than 1024 rows"));
}
