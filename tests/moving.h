#pragma once

#include <cmath>
#include <filesystem>

#include "core/ops.h"
#include "vision/resize.h"
#include "vision/video.h"

namespace limn {

/// Frames of a made clip: a window that pans over a picture, and a square that crosses it. uint8 [H W 3]
/// @param picture  uint8 [H' W' 3], larger than the window by 2 pixels a frame
inline Tensor moving_frame(const Tensor& picture, std::int64_t number, std::int64_t H, std::int64_t W) {
  Tensor frame = picture.narrow(0, number, H).narrow(1, 2 * number, W).clone();
  const std::int64_t side = H / 4, x = (5 * number) % (W - side);
  frame.narrow(0, H / 3, side).narrow(1, x, side).copy_(picture.narrow(0, 0, side).narrow(1, 0, side).flip({2}));
  return frame;
}

/// A picture of soft spots, the same everywhere. uint8 [H W 3]
inline Tensor soft_picture(std::int64_t H, std::int64_t W, std::uint64_t seed = 3) {
  at::manual_seed(seed);
  return resize(at::randint(0, 256, {H / 6, W / 6, 3}, at::kByte), H, W);
}

inline void write_clip(const std::filesystem::path& file, const Tensor& picture, std::int64_t count, std::int64_t H,
                       std::int64_t W, double rate = 12) {
  ClipFile clip(file, H, W, rate);
  for (std::int64_t i = 0; i < count; ++i) clip.write(moving_frame(picture, i, H, W));
  clip.finish();
}

}  // namespace limn
