#pragma once

#include "vision/preprocess.h"

namespace limn {

/// Preprocesses a file in the order that open_clip's own transform has: resized and cropped as the file holds the
/// picture, and converted to RGB then. So palettes take the nearest pixel, and colours are weighted by their alpha. The
/// picture is not turned upright; 16-bit grey is clipped first.
/// @return uint8 [3 H W]
/// @throws InputError as read_image does
/// Source: open_clip 3.3, transform.py; Pillow 13, Image.resize and Convert.c.
Tensor preprocess_unconverted(const Preprocess& preprocess, const std::filesystem::path& file);

}  // namespace limn
