// SPDX-License-Identifier: Apache-2.0
#include "formats/piecewise.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "formats/npy.h"
#include "testbenches/formats/random_tensor.h"
#include "testbenches/formats/temporary_file.h"

using namespace nibble;

namespace {

struct Collected {
  QuantizedTensor metadata;
  std::vector<std::int16_t> codes;
  std::vector<float> values;
  std::size_t pieces = 0;
};

EncodedFigures encode_pieces(const TensorFile& file, const Format& format, const EncodeOptions& options,
                             std::size_t piece_elements, Collected& out) {
  out.metadata.format = format;
  out.metadata.shape = file.tensors()[0].shape;
  PiecewiseEncoder encoder(file, file.tensors()[0], {}, piece_elements);
  return encoder.encode(format, options, [&out](const QuantizedTensor& coded, const Tensor& decoded) {
    append_metadata(out.metadata, coded);
    out.codes.insert(out.codes.end(), coded.codes.begin(), coded.codes.end());
    out.values.insert(out.values.end(), decoded.values.begin(), decoded.values.end());
    ++out.pieces;
  });
}

void check_equal(const Tensor& tensor, const TensorFile& file, const std::string& name, const std::string& select) {
  CAPTURE(name, select);
  const Format format = Format::parse(name);
  EncodeOptions options;
  options.select = select;
  if (select == "offline") options.slot = TensorSlot::offline;
  const QuantizedTensor whole = encode(tensor, format, options);
  const Tensor decoded = decode(whole);
  for (const std::size_t piece_elements : {std::size_t{1}, std::size_t{160}, std::size_t{1} << 20}) {
    Collected got;
    const EncodedFigures figures = encode_pieces(file, format, options, piece_elements, got);
    const bool whole_search = format.grouping == Grouping::tensor && format.family != FormatFamily::integer;
    const bool one_piece = piece_elements > 1000 || whole_search || format.group_n >= tensor.rows();
    CHECK((got.pieces == 1) == one_piece);
    CHECK(got.codes == whole.codes);
    CHECK(got.values == decoded.values);
    CHECK(got.metadata.scales == whole.scales);
    CHECK(got.metadata.row_scales == whole.row_scales);
    CHECK(got.metadata.types == whole.types);
    CHECK(got.metadata.exponents == whole.exponents);
    CHECK(got.metadata.base_scales == whole.base_scales);
    CHECK(got.metadata.residuals == whole.residuals);
    CHECK(got.metadata.cluster_codes == whole.cluster_codes);
    CHECK(got.metadata.column_groups == whole.column_groups);
    CHECK(got.metadata.tensor_scale == whole.tensor_scale);
    CHECK(figures.tensor_exponent == whole.tensor_exponent);
    CHECK(figures.saturated_groups == whole.saturated_groups);
    CHECK(figures.types == type_histogram(whole));
    CHECK(figures.groups == whole.groups());
    CHECK(figures.elements == whole.size());
    CHECK(figures.bits_per_element() == Approx(bits_per_element(whole)).epsilon(1e-15));
    const ErrorFigures expected = error_figures(tensor, decoded), errors = figures.errors.figures();
    CHECK(errors.mse == expected.mse);
    CHECK(errors.max_abs_error == expected.max_abs_error);
    CHECK(errors.sqnr_db == expected.sqnr_db);
    CHECK(errors.cosine == expected.cosine);
  }
}

std::string file_of(const Tensor& tensor) {
  return npy_contents(NpyType::float32, tensor.shape, tensor.values);
}

}  // namespace

TEST_CASE("pieces give the bits of the whole") {
  const Tensor tensor = random_tensor({13, 75}, 5);
  const TemporaryFile stored(file_of(tensor));
  const TensorFile file(stored.path().string());
  for (const char* name :
       {"fp32",          "fp16",       "bf16",       "int2-g32",  "int8-channel", "int8-tensor",    "int4-g32x4",
        "int4-g7x5",     "mant4-g64",  "bfp8-g32",   "bfp4-g32",  "amove4-g32c4", "amove3-g128c16", "mxfp4-g32",
        "mxfp6-g32",     "mxfp8-g32",  "mxint8-g32", "nvfp4-g16", "ant4-channel", "ant4-tensor",    "olive4-channel",
        "olive4-tensor", "tender8-d8", "tender4-d3", "anda7-g64", "bitmod4-g32",  "bitmod6-g7"}) {
    check_equal(tensor, file, name, "");
  }
  check_equal(tensor, file, "amove4-g32c4", "offline");
  check_equal(tensor, file, "mant4-g64", "variance");
  check_equal(tensor, file, "bfp4-g32", "nearest");
}

TEST_CASE("more axes than two, and one") {
  for (const std::vector<std::size_t>& shape : {std::vector<std::size_t>{3, 5, 50}, std::vector<std::size_t>{750}}) {
    const Tensor tensor = random_tensor(shape, 6);
    const TemporaryFile stored(file_of(tensor));
    const TensorFile file(stored.path().string());
    for (const char* name : {"int8-g64", "nvfp4-g16", "int4-tensor"}) {
      const Format format = Format::parse(name);
      Collected got;
      encode_pieces(file, format, {}, 100, got);
      CHECK(got.codes == encode(tensor, format).codes);
    }
    Collected got;
    CHECK_THROWS_WITH(encode_pieces(file, Format::parse("int4-g32x4"), {}, 100, got),
                      Catch::Contains("needs a tensor of two axes"));
  }
}

TEST_CASE("long rows are cut between groups") {
  const Tensor tensor = random_tensor({2, 1000}, 10), calibration = random_tensor({3, 1000}, 11);
  const TemporaryFile stored(file_of(tensor));
  const TensorFile file(stored.path().string());
  const auto pieces = [&](const char* name, const Tensor* activations) {
    EncodeOptions options;
    options.calibration = activations;
    Collected got;
    encode_pieces(file, Format::parse(name), options, 300, got);
    CHECK(got.codes == encode(tensor, Format::parse(name), options).codes);
    return got.pieces;
  };
  CHECK(pieces("int8-g64", nullptr) == 2 * 4);     // 256 columns, 256, 256, 232
  CHECK(pieces("int8-g500", nullptr) == 2 * 2);    // a group at least
  CHECK(pieces("int8-tensor", nullptr) == 2 * 4);  // 300, 300, 300, 100
  CHECK(pieces("int8-channel", nullptr) == 2);
  CHECK(pieces("int8-g50x2", nullptr) == 1);
  CHECK(pieces("mant4-g64", nullptr) == 2 * 4);
  CHECK(pieces("mant4-g64", &calibration) == 2);
  CHECK(pieces("bitmod4-g64", nullptr) == 2);  // a row's scale needs all of it
  CHECK(pieces("tender8-d8", nullptr) == 1);
}

TEST_CASE("messages name groups and elements of the whole") {
  Tensor tensor = random_tensor({12, 8}, 7);
  const auto message = [](const Tensor& bad, const std::string& name, std::size_t piece_elements) {
    const TemporaryFile stored(file_of(bad));
    const TensorFile file(stored.path().string());
    Collected got;
    try {
      encode_pieces(file, Format::parse(name), {}, piece_elements, got);
    } catch (const InputError& error) {
      return std::string(error.what()).substr(stored.path().string().size());
    }
    return std::string("none");
  };
  for (const std::size_t piece : {std::size_t{1}, std::size_t{24}, std::size_t{1000}}) {
    tensor.values[75] = 3e38F;
    CHECK(message(tensor, "int8-g4", piece) == ": group 18 (row 9, columns 0..3): the scale overflows FP16");
    CHECK(message(tensor, "int8-g4x4", piece) == ": group 4 (rows 8..11, columns 0..3): the scale overflows FP16");
    CHECK(message(tensor, "int8-tensor", piece) == ": group 0 (the whole tensor): the scale overflows FP16");
    CHECK(message(tensor, "fp16", piece) == ": the value at flat index 75 overflows fp16");
    CHECK(message(tensor, "bfp8-g4", piece) ==
          ": group 18 (row 9, columns 0..3): the value at flat index 75 overflows FP16");
    CHECK(message(tensor, "mant4-g8", piece) ==
          ": group 9 (row 9, columns 0..7): the scale of every type overflows FP16");
    tensor.values[75] = std::numeric_limits<float>::infinity();
    CHECK(message(tensor, "int8-g4", piece) == ": infinity at flat index 75");
    CHECK(message(tensor, "nvfp4-g16", piece) == ": infinity at flat index 75");
  }
}

TEST_CASE("long searches are watched inside of a piece") {
  const Tensor tensor = random_tensor({4, 8}, 9);
  const TemporaryFile stored(file_of(tensor));
  const TensorFile file(stored.path().string());
  for (const char* name : {"ant4-tensor", "olive4-tensor"}) {
    unsigned calls = 0;
    PiecewiseEncoder encoder(file, file.tensors()[0], [&calls](std::uint64_t) { ++calls; });
    encoder.encode(Format::parse(name), {});
    CHECK(calls > 10);
    PiecewiseEncoder stopped(file, file.tensors()[0], [](std::uint64_t) { throw 7; });
    CHECK_THROWS_AS(stopped.encode(Format::parse(name), {}), int);
  }
}

TEST_CASE("the watch counts every element and may end the work") {
  const Tensor tensor = random_tensor({12, 8}, 8);
  const TemporaryFile stored(file_of(tensor));
  const TensorFile file(stored.path().string());
  std::uint64_t seen = 0;
  PiecewiseEncoder encoder(
      file, file.tensors()[0], [&seen](std::uint64_t elements) { seen += elements; }, 16);
  encoder.encode(Format::parse("nvfp4-g16"), {});
  CHECK(seen == 96);
  PiecewiseEncoder stopped(
      file, file.tensors()[0], [](std::uint64_t) { throw 7; }, 16);
  CHECK_THROWS_AS(stopped.encode(Format::parse("int8-g8"), {}), int);
}
