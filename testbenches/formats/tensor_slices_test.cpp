// SPDX-License-Identifier: Apache-2.0
#include "formats/tensor_slices.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;

namespace {

const char* const formats[] = {"int8-g64",      "int4-channel",  "mant4-g32", "bfp8-g32",   "bfp4-g16", "amove4-g32c4",
                               "amove3-g64c16", "amove2-g32c32", "mxfp4-g32", "mxint8-g32", "fp16",     "bf16"};

QuantizedTensor coded(const Tensor& tensor, const char* format) {
  return encode(tensor, Format::parse(format));
}

/// Rows and columns of a tensor, before encoding.
Tensor part(const Tensor& tensor, std::size_t row, std::size_t rows, std::size_t column, std::size_t columns) {
  Tensor out{tensor.name, {rows, columns}, {}};
  for (std::size_t r = row; r < row + rows; ++r) {
    for (std::size_t c = column; c < column + columns; ++c)
      out.values.push_back(tensor.values[r * tensor.columns() + c]);
  }
  return out;
}

void check_equal(const QuantizedTensor& a, const QuantizedTensor& b) {
  CHECK(a.format == b.format);
  CHECK(a.shape == b.shape);
  CHECK(a.codes == b.codes);
  CHECK(a.values == b.values);
  CHECK(a.scales == b.scales);
  CHECK(a.types == b.types);
  CHECK(a.exponents == b.exponents);
  CHECK(a.base_scales == b.base_scales);
  CHECK(a.residuals == b.residuals);
  CHECK(a.cluster_codes == b.cluster_codes);
  CHECK(a.tensor_exponent == b.tensor_exponent);
}

}  // namespace

TEST_CASE("parts of a coded tensor are the coded parts") {
  const Tensor tensor = random_tensor({7, 330}, 11);
  for (const char* format : formats) {
    CAPTURE(format);
    const QuantizedTensor whole = coded(tensor, format);
    check_equal(slice_rows(whole, 2, 4), coded(part(tensor, 2, 4, 0, 330), format));
    check_equal(slice_rows(whole, 0, 7), whole);
    if (whole.format.grouping == Grouping::channel) continue;  // a channel's scale is that of the whole row
    check_equal(slice_columns(whole, 64, 128), coded(part(tensor, 0, 7, 64, 128), format));
    check_equal(slice_columns(whole, 320, 10), coded(part(tensor, 0, 7, 320, 10), format));
  }
  const QuantizedTensor channels = coded(tensor, "int4-channel"), tail = slice_columns(channels, 77, 100);
  CHECK(tail.scales == channels.scales);
  CHECK(tail.codes[100] == channels.codes[330 + 77]);
}

TEST_CASE("joined parts give the whole again") {
  const Tensor tensor = random_tensor({7, 330}, 12);
  for (const char* format : formats) {
    CAPTURE(format);
    const QuantizedTensor whole = coded(tensor, format);
    QuantizedTensor rows;
    append_rows(rows, slice_rows(whole, 0, 3));
    append_rows(rows, slice_rows(whole, 3, 1));
    append_rows(rows, slice_rows(whole, 4, 3));
    check_equal(rows, whole);
    if (whole.format.grouping == Grouping::channel) continue;
    check_equal(
        join_columns({slice_columns(whole, 0, 64), slice_columns(whole, 64, 256), slice_columns(whole, 320, 10)}),
        whole);
  }
}

TEST_CASE("what slices refuse") {
  const Tensor tensor = random_tensor({4, 100}, 13);
  const QuantizedTensor whole = coded(tensor, "bfp8-g32");
  CHECK_THROWS_AS(slice_rows(whole, 4, 1), InternalError);
  CHECK_THROWS_AS(slice_rows(whole, 0, 0), InternalError);
  CHECK_THROWS_AS(slice_columns(whole, 16, 16), InternalError);
  CHECK_THROWS_AS(slice_columns(whole, 0, 48), InternalError);
  CHECK_THROWS_AS(slice_columns(whole, 96, 5), InternalError);
  CHECK_THROWS_AS(slice_rows(coded(tensor, "int4-tensor"), 0, 1), InternalError);
  CHECK_THROWS_AS(slice_rows(coded(tensor, "int4-g32x2"), 0, 2), InternalError);
  CHECK_THROWS_AS(slice_rows(coded(tensor, "nvfp4-g16"), 0, 1), InternalError);
  CHECK_THROWS_AS(join_columns({}), InternalError);
  CHECK_THROWS_AS(join_columns({whole, whole}), InternalError);  // 100 is no multiple of 32
  CHECK_THROWS_AS(join_columns({slice_columns(whole, 0, 32), coded(tensor, "bfp4-g32")}), InternalError);
  CHECK_THROWS_AS(join_columns({coded(tensor, "int4-channel"), coded(tensor, "int4-channel")}), InternalError);
  QuantizedTensor rows = whole;
  CHECK_THROWS_AS(append_rows(rows, coded(tensor, "bfp4-g32")), InternalError);
  CHECK_THROWS_AS(append_rows(rows, slice_columns(whole, 0, 32)), InternalError);
}
