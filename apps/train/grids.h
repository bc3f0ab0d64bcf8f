#pragma once

#include <functional>

#include "apps/train/data.h"
#include "vision/efficientnet.h"
#include "vision/preprocess.h"

namespace limn {

struct GridOptions {
  Preprocess preprocess;       ///< of the pictures that the stem sees; to one size
  std::int64_t views = 1;      ///< view 0 is the whole picture, the others random crops
  double smallest_crop = 0.6;  ///< area share
  std::uint64_t seed = 0;
  at::Device device = at::kCPU;  ///< the stem's
  std::uint64_t stem = 0;        ///< tells stems apart in the cache
  std::filesystem::path cache;   ///< kept here and read again when records, options and stem are the same
  std::function<void(std::int64_t done, std::int64_t all)> progress;
  std::function<bool()> stop;  ///< true: give up
};

/// One look at a picture: number 0 is all of it, squashed; every other number a crop of its own, of random size, place
/// and slightly changed proportions.
/// @param picture  its number among the records. @return uint8 [3 H W]
Tensor picture_view(const Image& image, std::int64_t number, std::int64_t picture, const GridOptions& options);

/// The frozen stem's grids of every picture and view: fp16 [pictures views h w C]; undefined where it was stopped.
/// @throws InputError naming the first picture that cannot be read
Tensor picture_grids(const EfficientNet& stem, const std::vector<CaptionRecord>& records, const GridOptions& options);

}  // namespace limn
