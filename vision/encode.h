#pragma once

#include <string>

#include "core/tensor.h"

namespace limn {

/// A picture's file in memory.
/// @param pixels  uint8 [H W 3], RGB
/// @param ending  ".png", ".jpg" or ".jpeg"
/// @param quality of JPEG, 1 to 100
/// @return nothing ("") where it cannot be encoded
std::string encode_image(const Tensor& pixels, const std::string& ending, int quality = 95);

}  // namespace limn
