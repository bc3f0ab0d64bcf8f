#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/checkpoint.h"

namespace limn {

/// The tensors of a safetensors file, which is mapped, not read. Checked before anything is returned: header length
/// (at most 100 MB), UTF-8, JSON, unique names, dtypes, shapes, and that the tensors' bytes fill the file without
/// overlap, hole or rest.
/// Source: the format's description and checks in the safetensors library.
/// @throws CheckpointError naming file, tensor, what was found and what was expected
TensorTable read_safetensors(const std::filesystem::path& file);

/// The header's `__metadata__`, empty where there is none. Checks the header as read_safetensors does.
std::map<std::string, std::string> safetensors_metadata(const std::filesystem::path& file);

/// Writes a safetensors file (atomically, as write_file does). The bytes depend on names, values and metadata only:
/// tensors are laid out by dtype, widest first, then by name, as the safetensors library does, so each is aligned.
/// Tensors may lie on any device and be non-contiguous.
/// @throws InputError for a duplicate or invalid name, an undefined tensor or a dtype that the format lacks
/// @throws WriteError when the file cannot be written
void write_safetensors(const std::filesystem::path& file, const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

/// A tensor in eight bits: values * scale (per row of the first dimension) is near the tensor.
struct QuantizedRows {
  Tensor values;  ///< int8, the tensor's shape, in -127..127
  Tensor scale;   ///< [rows]; store it as `<name>.scale` beside the values under `<name>`
};

/// Symmetric quantisation per row of the first dimension: the row's largest magnitude becomes 127.
/// @param tensor  floating point, rank >= 2
/// @param scale_dtype  at::kFloat or at::kHalf; the values are rounded for the scale as stored
/// @throws InputError for rank < 2, numbers that are not finite, or a scale that the dtype cannot hold
QuantizedRows quantize_rows(const Tensor& tensor, at::ScalarType scale_dtype = at::kFloat);

}  // namespace limn
