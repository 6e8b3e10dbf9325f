// SPDX-License-Identifier: Apache-2.0
/// The register table: every access right, every wrong access, side effects, debug, documentation.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "testbenches/support/socket_driver.h"
#include "transport/register_file.h"

using namespace nibble;
using namespace nibble::test;

namespace {

struct Access1 {
  tlm::tlm_generic_payload payload;
  Bytes data;
  Access1(tlm::tlm_command command, std::uint64_t address, Bytes bytes) : data(std::move(bytes)) {
    SocketDriver::set(payload, command, address, data);
  }
};

tlm::tlm_response_status write(RegisterFile& file, std::uint64_t address, Bytes data) {
  Access1 access(tlm::TLM_WRITE_COMMAND, address, std::move(data));
  file.access(access.payload);
  return access.payload.get_response_status();
}

std::pair<tlm::tlm_response_status, Bytes> read(RegisterFile& file, std::uint64_t address, unsigned length = 4) {
  Access1 access(tlm::TLM_READ_COMMAND, address, Bytes(length, 0xEE));
  file.access(access.payload);
  return {access.payload.get_response_status(), access.data};
}

struct Fixture {
  std::vector<std::uint32_t> started;
  unsigned polls = 0;
  RegisterFile file{
      {{"ID", 0x0, Access::read_only, 0x4E424C31, "identification"},
       {"QUEUE", 0x4, Access::read_write, 7, "queue base"},
       {"IRQ", 0x8, Access::write_one_to_clear, 0xF0, "interrupts"},
       {"DOORBELL", 0xC, Access::write_only, 0, "start", [this](std::uint32_t v) { started.push_back(v); }},
       {"COUNT", 0x10, Access::read_only, 0, "polls", {}, [this](std::uint32_t) { return ++polls; }}}};
};

}  // namespace

TEST_CASE("registers read and write as their access says, little endian") {
  Fixture f;
  CHECK(read(f.file, 0) == std::make_pair(tlm::TLM_OK_RESPONSE, Bytes{0x31, 0x4C, 0x42, 0x4E}));
  CHECK(write(f.file, 4, {1, 2, 3, 0x84}) == tlm::TLM_OK_RESPONSE);
  CHECK(f.file.get(4) == 0x84030201);
  CHECK(read(f.file, 4).second == Bytes{1, 2, 3, 0x84});
  CHECK(write(f.file, 8, {0x30, 0, 0, 0xFF}) == tlm::TLM_OK_RESPONSE);
  CHECK(f.file.get(8) == 0xC0);
  CHECK(write(f.file, 0xC, {5, 0, 0, 0}) == tlm::TLM_OK_RESPONSE);
  CHECK(f.started == std::vector<std::uint32_t>{5});
  CHECK(read(f.file, 0x10).second == Bytes{1, 0, 0, 0});
  CHECK(read(f.file, 0x10).second == Bytes{2, 0, 0, 0});
  f.file.reset();
  CHECK(f.file.get(4) == 7);
  CHECK(f.file.get(8) == 0xF0);
}

TEST_CASE("wrong accesses get the error response of the standard and change nothing") {
  Fixture f;
  CHECK(write(f.file, 0, {1, 1, 1, 1}) == tlm::TLM_COMMAND_ERROR_RESPONSE);
  CHECK(f.file.get(0) == 0x4E424C31);
  CHECK(read(f.file, 0xC).first == tlm::TLM_COMMAND_ERROR_RESPONSE);
  CHECK(read(f.file, 0xC).second == Bytes(4, 0xEE));
  CHECK(read(f.file, 0x14).first == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(read(f.file, 2).first == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(read(f.file, ~std::uint64_t{0}).first == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(read(f.file, 4, 2).first == tlm::TLM_BURST_ERROR_RESPONSE);
  CHECK(read(f.file, 4, 8).first == tlm::TLM_BURST_ERROR_RESPONSE);
  Access1 access(tlm::TLM_WRITE_COMMAND, 4, {1, 2, 3, 4});
  access.payload.set_streaming_width(2);
  f.file.access(access.payload);
  CHECK(access.payload.get_response_status() == tlm::TLM_BURST_ERROR_RESPONSE);
  Bytes enables(4, TLM_BYTE_ENABLED);
  access.payload.set_byte_enable_ptr(enables.data());
  f.file.access(access.payload);
  CHECK(access.payload.get_response_status() == tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
  CHECK(f.file.get(4) == 7);
  Access1 ignored(tlm::TLM_IGNORE_COMMAND, 4, {9, 9, 9, 9});
  f.file.access(ignored.payload);
  CHECK(ignored.payload.get_response_status() == tlm::TLM_OK_RESPONSE);
  CHECK(f.file.get(4) == 7);
}

TEST_CASE("debug access has no side effects, spans registers and stops at the first gap") {
  Fixture f;
  Access1 look(tlm::TLM_READ_COMMAND, 4, Bytes(20));
  CHECK(f.file.debug(look.payload) == 16);
  CHECK(look.data[0] == 7);
  CHECK(look.data[4] == 0xF0);
  CHECK(f.polls == 0);
  Access1 poke(tlm::TLM_WRITE_COMMAND, 8, {1, 0, 0, 0, 2, 0, 0, 0});
  CHECK(f.file.debug(poke.payload) == 8);
  CHECK(f.file.get(8) == 1);
  CHECK(f.started.empty());
  Access1 locked(tlm::TLM_WRITE_COMMAND, 0, {1, 0, 0, 0});
  CHECK(f.file.debug(locked.payload) == 0);
  Access1 part(tlm::TLM_READ_COMMAND, 0, Bytes(3));
  CHECK(f.file.debug(part.payload) == 0);
}

TEST_CASE("the table is printed in order of offset") {
  Fixture f;
  const std::string table = f.file.markdown();
  CHECK_THAT(table, Catch::Contains("| 0x000 | ID | ro | 0x4e424c31 | identification |"));
  CHECK_THAT(table, Catch::Contains("| 0x008 | IRQ | w1c | 0x000000f0 | interrupts |"));
  CHECK_THAT(table, Catch::Contains("| 0x00c | DOORBELL | wo |"));
  CHECK(table.find("QUEUE") < table.find("IRQ"));
}

TEST_CASE("a table that contradicts itself is a defect of the model") {
  CHECK_THROWS_AS(RegisterFile({{"A", 2}}), InternalError);
  CHECK_THROWS_AS(RegisterFile({{"A", 0}, {"B", 0}}), InternalError);
  CHECK_THROWS_AS(RegisterFile({{"A", 0}, {"A", 4}}), InternalError);
  CHECK_THROWS_AS(RegisterFile({{"A", 0}}).get(4), InternalError);
}
