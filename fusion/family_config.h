#pragma once

#include <filesystem>

#include "core/json.h"
#include "core/layers.h"
#include "vision/preprocess.h"
#include "vision/vit.h"

// What the families' configurations have in common.
namespace limn {

/// `hidden_act`, or whatever `key` it stands under; an unknown name is a fault.
Activation read_activation(ConfigReader& read, std::string_view otherwise, std::string_view key = "hidden_act");

/// Faults where the number of heads does not divide the width, and where a size is zero.
/// @param key  of the heads
void check_heads(ConfigReader& read, std::int64_t dim, std::int64_t heads,
                 std::string_view key = "num_attention_heads");

/// Faults where no patch fits into a picture. The remainder of a picture that is no multiple of a patch is not seen.
void check_patches(ConfigReader& read, const VitConfig& config);

/// Complains where the preprocessing makes pictures of another size than the model's positions are for.
/// @throws CheckpointError naming the folder and both sizes
void check_picture_size(const std::filesystem::path& folder, const Preprocess& preprocess, std::int64_t image_size);

}  // namespace limn
