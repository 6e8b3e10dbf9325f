// SPDX-License-Identifier: Apache-2.0
/// Files of tensors, memory-mapped: NumPy `.npy` (one array without a name), `.safetensors`, and the index of a
/// checkpoint in several `.safetensors` files (`model.safetensors.index.json`). Every header is checked whole before
/// anything of a size that it tells is allocated.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/element_type.h"
#include "formats/tensor.h"

namespace nibble {

/// One tensor as it lies in a file.
struct StoredTensor {
  std::string name;                    ///< empty in .npy
  std::string dtype;                   ///< the file's word: "BF16"; in .npy "float32", ...
  std::optional<ElementType> element;  ///< empty: cannot be read as numbers
  std::vector<std::size_t> shape;      ///< may be empty, may hold zeros (safetensors)
  std::uint64_t elements = 0;          ///< product of shape
  std::uint64_t offset = 0;            ///< of the first element, in its file
  std::uint64_t bytes = 0;             ///< of all elements
  std::size_t part = 0;                ///< which file of a checkpoint

  /// "bfloat16", ...; the file's word for what cannot be read.
  std::string type() const { return element ? to_string(*element) : dtype; }
  /// Why it cannot be encoded: its type, no axis, no element; empty when it can.
  std::string obstacle() const;
  std::size_t columns() const { return shape.back(); }
  std::size_t rows() const { return static_cast<std::size_t>(elements) / shape.back(); }
};

/// "[4096, 11008]".
std::string shape_text(const std::vector<std::size_t>& shape);

class TensorFile {
 public:
  /// A file, or a directory with model.safetensors.index.json or model.safetensors in it. Throws InputError "FILE: what
  /// is wrong".
  explicit TensorFile(const std::string& file);
  ~TensorFile();
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;

  const std::string& file() const { return file_; }
  /// In the order of the data. At least one.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  /// Tensors have names (anything but .npy).
  bool named() const { return named_; }
  /// The tensor of this name; throws InputError with the nearest name otherwise.
  const StoredTensor& at(const std::string& name) const;
  /// How messages call it: "FILE:NAME", or "FILE" in .npy.
  std::string label(const StoredTensor& tensor) const;

  /// Elements [first, first + count) of a tensor without obstacle, widened. Not checked for NaN.
  void read(const StoredTensor& tensor, std::uint64_t first, std::size_t count, float* out) const;
  /// The bytes of a tensor as they lie in the file, of any type.
  std::string_view raw(const StoredTensor& tensor) const;
  /// The whole tensor. Throws InputError for an obstacle, NaN or infinity.
  Tensor read(const StoredTensor& tensor) const;

 private:
  struct Mapped;
  void open_index(const std::string& file);
  const Mapped& map(const std::string& file);

  std::string file_;
  bool named_ = true;
  std::vector<StoredTensor> tensors_;
  std::vector<std::unique_ptr<Mapped>> parts_;
};

/// A tensor as commands take it: "FILE" or "FILE:TENSOR". The name begins behind the first colon before which there is
/// a file or directory, so that a path may hold colons.
struct TensorArgument {
  std::string file, tensor;  ///< tensor empty: not given

  static TensorArgument parse(const std::string& argument);
};

/// The one tensor that an argument means; "FILE" alone does for a file with a single tensor. Throws InputError "FILE:
/// what": also for several tensors (with some of their names), and for NaN or infinity with the flat index.
Tensor read_tensor(const std::string& argument);

}  // namespace nibble
