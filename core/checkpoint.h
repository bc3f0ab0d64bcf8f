#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/tensor.h"

namespace limn {

/// A tensor that lies in a file: what is known of it without reading its numbers.
struct StoredTensor {
  std::vector<std::int64_t> shape;
  at::ScalarType dtype;
  /// The numbers, as a CPU tensor; a view of the mapped file where its alignment allows, so never write into it
  /// (a write would be private to this process, but seen by every other view). Callable from any thread.
  std::function<Tensor()> load;
  std::filesystem::path file;
};

using TensorTable = std::map<std::string, StoredTensor>;

/// The weights of a model folder (or of one file, when given a file). Looks for, in this order: `model.safetensors`,
/// `model.safetensors.index.json` (shards), `open_clip_model.safetensors`, `pytorch_model.bin`,
/// `pytorch_model.bin.index.json` (shards), `open_clip_pytorch_model.bin`.
/// A tensor stored as int8 beside `<name>.scale` (one number per first dimension) appears as one fp32 tensor:
/// docs/model-format.md.
/// @throws CheckpointError naming the file and the fault, or the files looked for
TensorTable read_weights(const std::filesystem::path& folder);

/// The tensors of one file, exactly as stored; its format is told by its content, not by its name.
/// @throws CheckpointError when it is of no known format, damaged, or holds anything but tensors
TensorTable read_tensor_file(const std::filesystem::path& file);

/// Maps a file that a checkpoint needs. @throws CheckpointError
std::shared_ptr<const MappedFile> map_checkpoint(const std::filesystem::path& file);

/// A CPU tensor over `bytes` (contiguous, row-major, little-endian), which lie in memory that `owner` keeps: a view
/// where they are aligned for the dtype, else a copy. Bools are normalised to 0 and 1.
/// `bytes` holds exactly the tensor's size.
Tensor tensor_over(std::string_view bytes, at::IntArrayRef shape, at::ScalarType dtype,
                   std::shared_ptr<const void> owner);

/// The product of the sizes times `itemsize`; -1 where it overflows or a size is negative.
std::int64_t byte_count(at::IntArrayRef shape, std::int64_t itemsize);

}  // namespace limn
