// SPDX-License-Identifier: Apache-2.0
#include "formats/quantizer.h"

#include "core/error.h"
#include "formats/adaptive_types.h"
#include "formats/bitmod_types.h"
#include "formats/family_codec.h"
#include "formats/mant_types.h"
#include "formats/packed_operand.h"

namespace nibble {
namespace {

[[noreturn]] void refuse(const Tensor& tensor, const std::string& what) {
  throw InputError(tensor.name + ": " + what);
}

void check_shape(const Tensor& tensor, const Format& format) {
  if (tensor.shape.empty()) refuse(tensor, "the tensor has no axis");
  std::size_t elements = 1;
  for (const std::size_t extent : tensor.shape)
    elements *= extent;
  if (elements == 0) refuse(tensor, "the tensor is empty");
  if (elements != tensor.values.size()) throw InternalError(tensor.name + ": shape and values disagree");
  const std::string obstacle = shape_obstacle(format, tensor.shape);
  if (!obstacle.empty()) refuse(tensor, obstacle);
}

void check_calibration(const Tensor& tensor, const Tensor& calibration) {
  if (calibration.shape.empty() || calibration.values.empty()) refuse(calibration, "the calibration tensor is empty");
  if (calibration.columns() != tensor.columns()) {
    refuse(calibration, "the calibration tensor has " + std::to_string(calibration.columns()) +
                            " columns, the tensor to encode has " + std::to_string(tensor.columns()));
  }
  require_finite(calibration);
}

/// Refuses what the format does not use and fills in the default selection.
EncodeOptions resolve(const Tensor& tensor, const Format& format, EncodeOptions options) {
  const std::vector<std::string> known = selections(format);
  if (!options.select.empty() && known.empty()) {
    refuse(tensor, format.name() + " has no selection to choose, '" + options.select + "' was given");
  }
  options.select = selection_of(format, options);
  if (!known.empty() && std::find(known.begin(), known.end(), options.select) == known.end()) {
    refuse(tensor, unknown_name("selection", options.select, known) + " (" + format.name() + ")");
  }
  if (options.calibration != nullptr && options.select != "output-mse") {
    refuse(tensor, "a calibration tensor is used by the selection output-mse of mant4 only");
  }
  if (options.calibration == nullptr && options.select == "output-mse") {
    refuse(tensor, "the selection output-mse needs a calibration tensor");
  }
  if (options.exponent) {
    if (format.family != FormatFamily::amove) refuse(tensor, format.name() + " has no tensor exponent");
    if (options.slot == TensorSlot::offline)
      refuse(tensor, "the exponent of an offline tensor follows from its values");
    if (*options.exponent < -160 || *options.exponent > 127)
      refuse(tensor, "the tensor exponent is an integer from -160 to 127");
  }
  if (options.calibration != nullptr) check_calibration(tensor, *options.calibration);
  return options;
}

}  // namespace

std::string shape_obstacle(const Format& format, const std::vector<std::size_t>& shape) {
  if (format.group_n == 1 || shape.size() == 2) return "";
  return format.name() + " needs a tensor of two axes, this one has " + std::to_string(shape.size());
}

std::vector<std::string> selections(const Format& format) {
  switch (format.family) {
    case FormatFamily::mant4:
      return {"mse", "output-mse", "variance", "variance8"};
    case FormatFamily::amove:
      return {"online", "offline"};
    case FormatFamily::bfp:
      return {"truncate", "nearest"};
    default:
      return {};
  }
}

std::string selection_of(const Format& format, const EncodeOptions& options) {
  const std::vector<std::string> known = selections(format);
  if (!options.select.empty() || known.empty()) return options.select;
  if (format.family == FormatFamily::mant4 && options.calibration != nullptr) return "output-mse";
  if (format.family == FormatFamily::amove && options.slot == TensorSlot::offline) return "offline";
  return known.front();
}

std::size_t QuantizedTensor::rows() const {
  std::size_t product = 1;
  for (std::size_t axis = 0; axis + 1 < shape.size(); ++axis)
    product *= shape[axis];
  return product;
}

std::size_t QuantizedTensor::groups_per_row() const {
  return format.grouping == Grouping::none ? 0 : group_grid(*this).per_row();
}

std::size_t QuantizedTensor::groups() const {
  return format.grouping == Grouping::none ? 0 : group_grid(*this).count();
}

std::size_t QuantizedTensor::group_index(std::size_t row, std::size_t g) const {
  const GroupGrid grid = group_grid(*this);
  return row / grid.group_rows * grid.per_row() + g;
}

QuantizedTensor encode(const Tensor& tensor, const Format& format, const EncodeOptions& options) {
  check_shape(tensor, format);
  const EncodeOptions resolved = resolve(tensor, format, options);
  require_finite(tensor);
  QuantizedTensor out;
  out.format = format;
  out.name = tensor.name;
  out.shape = tensor.shape;
  out.origin = tensor.origin;
  switch (format.family) {
    case FormatFamily::fp32:
    case FormatFamily::fp16:
    case FormatFamily::bf16:
      encode_cast(tensor, out);
      break;
    case FormatFamily::integer:
      encode_integer(tensor, resolved, out);
      break;
    case FormatFamily::mant4:
      encode_mant(tensor, resolved, out);
      break;
    case FormatFamily::bfp:
    case FormatFamily::anda:
      encode_bfp(tensor, resolved, out);
      break;
    case FormatFamily::amove:
      encode_amove(tensor, resolved, out);
      break;
    case FormatFamily::mxfp4:
    case FormatFamily::mxfp6:
    case FormatFamily::mxfp8:
    case FormatFamily::mxint8:
      encode_mx(tensor, out);
      break;
    case FormatFamily::nvfp4:
      encode_nvfp4(tensor, resolved, out);
      break;
    case FormatFamily::ant4:
      encode_ant(tensor, resolved, out);
      break;
    case FormatFamily::olive4:
      encode_olive(tensor, resolved, out);
      break;
    case FormatFamily::tender:
      encode_tender(tensor, out);
      break;
    case FormatFamily::bitmod:
      encode_bitmod(tensor, out);
      break;
  }
  return out;
}

Tensor decode(const QuantizedTensor& tensor) {
  Tensor out{tensor.name, tensor.shape, {}};
  if (tensor.format.grouping == Grouping::none) {
    out.values = tensor.values;
    return out;
  }
  out.values.resize(tensor.size());
  switch (tensor.format.family) {
    case FormatFamily::integer:
      decode_integer(tensor, out.values.data());
      break;
    case FormatFamily::mant4:
      decode_mant(tensor, out.values.data());
      break;
    case FormatFamily::bfp:
    case FormatFamily::anda:
      decode_bfp(tensor, out.values.data());
      break;
    case FormatFamily::amove:
      decode_amove(tensor, out.values.data());
      break;
    case FormatFamily::mxfp4:
    case FormatFamily::mxfp6:
    case FormatFamily::mxfp8:
    case FormatFamily::mxint8:
      decode_mx(tensor, out.values.data());
      break;
    case FormatFamily::nvfp4:
      decode_nvfp4(tensor, out.values.data());
      break;
    case FormatFamily::ant4:
      decode_ant(tensor, out.values.data());
      break;
    case FormatFamily::olive4:
      decode_olive(tensor, out.values.data());
      break;
    case FormatFamily::tender:
      decode_tender(tensor, out.values.data());
      break;
    case FormatFamily::bitmod:
      decode_bitmod(tensor, out.values.data());
      break;
    case FormatFamily::fp32:
    case FormatFamily::fp16:
    case FormatFamily::bf16:
      break;
  }
  return out;
}

double bits_per_element(const QuantizedTensor& tensor) {
  const double elements = static_cast<double>(tensor.size());
  const std::size_t per_group = tensor.format.metadata_bits() + tensor.columns() * tensor.format.column_bits();
  const double metadata = static_cast<double>(tensor.groups()) * static_cast<double>(per_group) +
                          static_cast<double>(tensor.rows() * tensor.format.row_bits());
  return static_cast<double>(element_bits(tensor.format)) +
         (metadata + static_cast<double>(tensor.format.tensor_bits())) / elements;
}

std::map<std::string, std::uint64_t> type_histogram(const QuantizedTensor& tensor) {
  std::uint64_t counts[256] = {};
  for (const std::uint8_t type : tensor.types)
    ++counts[type];
  std::map<std::string, std::uint64_t> histogram;
  for (unsigned type = 0; type < 256; ++type) {
    if (counts[type] > 0) histogram[type_name(tensor.format, static_cast<std::uint8_t>(type))] = counts[type];
  }
  return histogram;
}

std::string type_name(const Format& format, std::uint8_t type) {
  switch (format.family) {
    case FormatFamily::mant4:
      return type == mant_int4 ? "int4" : std::to_string(type);
    case FormatFamily::ant4:
    case FormatFamily::olive4:
      if (type < ant_type_count) return adaptive_type_names[type];
      break;
    case FormatFamily::bitmod:
      if (type < bitmod_type_count) return bitmod_type_names[type];
      break;
    default:
      break;
  }
  throw InternalError("no type " + std::to_string(type) + " in " + format.name());
}

}  // namespace nibble
