#pragma once

#include <functional>

#include "apps/train/data.h"
#include "vision/efficientnet.h"

namespace limn {

struct GridOptions {
  std::int64_t side = 224;     ///< of the picture that the stem sees
  std::int64_t views = 1;      ///< view 0 is the whole picture, the others random crops
  double smallest_crop = 0.6;  ///< area share
  std::uint64_t seed = 0;
  std::filesystem::path cache;  ///< kept here and read again when records and options are the same
  std::function<void(std::int64_t done, std::int64_t all)> progress;
  std::function<bool()> stop;  ///< true: give up (nothing is kept)
};

/// The frozen stem's grids of every picture and view: fp16 [pictures views h w C].
/// @throws InputError naming the first picture that cannot be read, or "interrupted"
Tensor picture_grids(const EfficientNet& stem, const std::vector<CaptionRecord>& records, const GridOptions& options);

}  // namespace limn
