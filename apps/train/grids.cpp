#include "apps/train/grids.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <mutex>

#include "apps/train/batch.h"
#include "core/hash.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "vision/image.h"

namespace limn {

namespace {

std::string fingerprint(const std::vector<CaptionRecord>& records, const GridOptions& options) {
  std::uint64_t hash = kHashStart;
  for (const CaptionRecord& record : records) hash = hash_bytes(record.image.string() + "\n", hash);
  hash = hash_bytes(std::to_string(options.preprocess.size.height) + " " + std::to_string(options.views) + " " +
                        std::to_string(options.smallest_crop) + " " + std::to_string(options.seed) + " " +
                        std::to_string(options.stem),
                    hash);
  return std::to_string(hash);
}

}  // namespace

Tensor picture_view(const Image& image, std::int64_t number, std::int64_t picture, const GridOptions& options) {
  if (number == 0) return options.preprocess(image);
  std::mt19937_64 random(options.seed ^
                         (static_cast<std::uint64_t>(picture) * 1000003ull + static_cast<std::uint64_t>(number)));
  const double area = options.smallest_crop + (1.0 - options.smallest_crop) * draw_unit(random);
  const double stretch = std::exp((draw_unit(random) - 0.5) * 0.4);
  const auto sized = [](double share, std::int64_t side) {
    return std::clamp<std::int64_t>(std::llround(share * static_cast<double>(side)), 1, side);
  };
  const std::int64_t height = sized(std::sqrt(area) * stretch, image.height),
                     width = sized(std::sqrt(area) / stretch, image.width);
  const std::int64_t top =
      static_cast<std::int64_t>(draw_below(random, static_cast<std::uint64_t>(image.height - height + 1)));
  const std::int64_t left =
      static_cast<std::int64_t>(draw_below(random, static_cast<std::uint64_t>(image.width - width + 1)));
  return options.preprocess({width, height, image.pixels.narrow(0, top, height).narrow(1, left, width).contiguous()});
}

Tensor picture_grids(const EfficientNet& stem, const std::vector<CaptionRecord>& records, const GridOptions& options) {
  at::NoGradGuard no_grad;
  const std::string mark = fingerprint(records, options);
  if (!options.cache.empty() && std::filesystem::exists(options.cache) &&
      safetensors_metadata(options.cache)["made_for"] == mark)
    return read_safetensors(options.cache).at("grids").load();
  const std::int64_t pictures = static_cast<std::int64_t>(records.size()), at_once = 16;
  const Tensor probe = stem.grid(
      at::zeros({1, 3, options.preprocess.size.height, options.preprocess.size.width}, options.device));  // [1 h w C]
  Tensor grids = at::empty({pictures, options.views, probe.size(1), probe.size(2), probe.size(3)}, at::kHalf);
  std::mutex lock;
  std::string fault;
  for (std::int64_t first = 0; first < pictures; first += at_once) {
    if (options.stop && options.stop()) return {};
    // A picture per thread: one picture's activations stay in its core's cache.
    at::parallel_for(first, std::min(first + at_once, pictures), 1, [&](std::int64_t begin, std::int64_t end) {
      at::NoGradGuard no_grad_here;
      for (std::int64_t i = begin; i < end; ++i) try {
          const Image image = read_image(records[static_cast<std::size_t>(i)].image);
          for (std::int64_t v = 0; v < options.views; ++v) {
            const Tensor pixels = options.preprocess.normalise(
                picture_view(image, v, i, options).unsqueeze(0).to(options.device));  // [1 3 H W]
            grids[i][v].copy_(stem.grid(pixels)[0]);
          }
        } catch (const Error& error) {
          const std::lock_guard guard(lock);
          fault = error.what();
        }
    });
    if (!fault.empty()) throw InputError(fault);
    if (options.progress) options.progress(std::min(first + at_once, pictures), pictures);
  }
  if (!options.cache.empty()) write_safetensors(options.cache, {{"grids", grids}}, {{"made_for", mark}});
  return grids;
}

}  // namespace limn
