#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <vector>

#include "apps/run.h"
#include "core/tensor.h"

namespace limn {

struct Model;
struct Preprocess;

/// Runs all pictures of a data set through `batch`, with the progress bar; a picture that cannot be read is an error:
/// figures over the rest would be others.
/// @param batch  uint8 [B 3 H W] and the pictures' places in `files`
/// @return false where it was interrupted
/// @throws InputError naming the picture that cannot be read
bool each_file(const std::vector<std::filesystem::path>& files, const Model& model, const Preprocess& preprocess,
               const CommonOptions& common, const char* label, std::ostream& notes,
               const std::function<void(const Tensor& pictures, const std::vector<std::size_t>& indices)>& batch);

/// The embeddings of all pictures, [I E] of length one; undefined where it was interrupted.
/// @throws UsageError where the model has no common space of pictures and texts
Tensor embed_files(const std::vector<std::filesystem::path>& files, const Model& model, const CommonOptions& common,
                   std::ostream& notes);

}  // namespace limn
