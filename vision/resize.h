#pragma once

#include "core/tensor.h"

namespace limn {

/// Resampling filters, numbered as in `preprocessor_config.json` ("resample") and in Pillow.
enum class Filter { nearest = 0, lanczos = 1, bilinear = 2, bicubic = 3, box = 4, hamming = 5 };

/// Which of the two passes comes first. Each pass rounds to 8 bits, so the answers differ.
enum class PassOrder {
  by_size,       ///< Pillow 13: down first where (old height - new height) > 2 (old width - new width) and > 0
  across_first,  ///< older Pillow: across first, except in pictures more than 100 times taller than wide
};

/// A part of a resized picture.
struct Window {
  std::int64_t top = 0, left = 0, height = 0, width = 0;
};

enum class ResizeKernel { fastest, portable };  ///< both give the same bytes

struct ResizeOptions {
  Filter filter = Filter::bicubic;
  PassOrder order = PassOrder::by_size;
  int threads = 0;  ///< 0: as many as ATen uses; 1 where pictures are already spread over threads
  ResizeKernel kernel = ResizeKernel::fastest;
};

/// Resizes 8-bit pixels with exactly Pillow's answers: antialiased filters with 22-bit integer weights.
/// Where neither size changes the pixels are returned as they are (sharing memory).
/// @param pixels  uint8 [H W C] on the CPU, C from 1 to 4, channels independent (premultiply alpha yourself)
/// @param height, width  at least 1
/// @return uint8 [height width C]
/// @throws InputError on another dtype or shape, or sizes below 1
/// Source: Pillow 13, src/libImaging/Resample.c and Geometry.c (nearest); re-implemented from its arithmetic.
Tensor resize(const Tensor& pixels, std::int64_t height, std::int64_t width, const ResizeOptions& options = {});

/// The part `window` of what resize() gives, without computing the rest: resize, then crop.
/// @return uint8 [window.height window.width C]
/// @throws InputError also where the window is not inside the resized picture
Tensor resize_window(const Tensor& pixels, std::int64_t height, std::int64_t width, const Window& window,
                     const ResizeOptions& options = {});

}  // namespace limn
