#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "core/checkpoint.h"

namespace limn {

/// One file of a model that is published in several.
struct PartFile {
  std::string part;  ///< its tensors are called "<part>.<name>"
  std::filesystem::path file;
};

/// The tensors of all files. A leading "module." in all names of a file, as training on several devices leaves it, is
/// dropped.
/// @throws CheckpointError as read_tensor_file
TensorTable read_parts(std::span<const PartFile> files);

/// `<stem>_iter_<number>.pth` with the largest number; empty where the folder has none.
std::filesystem::path latest_iteration(const std::filesystem::path& folder, std::string_view stem);

}  // namespace limn
