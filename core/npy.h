#pragma once

#include <filesystem>

#include "core/tensor.h"

namespace limn {

/// Writes a tensor as NumPy's `.npy` (version 1.0, little-endian float32, rows first), atomically.
/// @throws InputError for an undefined tensor, WriteError where the file cannot be written
void write_npy(const std::filesystem::path& file, const Tensor& tensor);

/// Reads such a file: version 1.0 to 3.0, little-endian float16 or float32, rows first. @return float
/// @throws InputError naming the file and what is wrong with it
Tensor read_npy(const std::filesystem::path& file);

}  // namespace limn
