#include "apps/train/batch.h"

#include <algorithm>
#include <numeric>

#include "core/ops.h"

namespace limn {

std::uint64_t draw_below(std::mt19937_64& random, std::uint64_t bound) { return random() % bound; }
double draw_unit(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

namespace {

template <typename T>
void shuffle(std::vector<T>& items, std::mt19937_64& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[draw_below(random, i)]);
}

Tensor integers(const std::vector<std::int64_t>& values) {
  Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<std::int64_t>());
  return tensor;
}

}  // namespace

CaptionRows draw_captions(const std::vector<const TokenizedCaptions*>& pictures, std::int64_t captions,
                          std::mt19937_64& random) {
  CaptionRows chosen(pictures.size());
  for (std::size_t b = 0; b < pictures.size(); ++b)
    for (const auto& language : *pictures[b]) {
      std::vector<std::size_t> order(language.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      shuffle(order, random);
      for (std::size_t i = 0; i < order.size() && i < static_cast<std::size_t>(captions); ++i)
        chosen[b].push_back(language[order[i]]);
    }
  return chosen;
}

PackedBatch pack(CaptionRows captions, std::int64_t longest) {
  std::int64_t width = 1;
  for (auto& row : captions) {
    std::int64_t length = 0;
    for (auto& caption : row) {
      if (static_cast<std::int64_t>(caption.size()) > longest) caption.resize(static_cast<std::size_t>(longest));
      length += static_cast<std::int64_t>(caption.size()) - 1;
    }
    width = std::max(width, length);
  }
  const std::int64_t B = static_cast<std::int64_t>(captions.size()), T = width;
  PackedBatch batch{.ids = at::zeros({B, T}, at::kLong),
                    .positions = at::zeros({B, T}, at::kLong),
                    .mask = {},
                    .rows = {},
                    .targets = {},
                    .caption = {},
                    .ends = {},
                    .picture = {}};
  Tensor segment = at::full({B, T}, -1, at::kLong);
  auto ids = batch.ids.accessor<std::int64_t, 2>(), positions = batch.positions.accessor<std::int64_t, 2>(),
       segments = segment.accessor<std::int64_t, 2>();
  std::vector<std::int64_t> rows, targets, owner, ends, picture;
  for (std::int64_t b = 0; b < B; ++b) {
    std::int64_t t = 0, number = 0;
    for (const auto& caption : captions[static_cast<std::size_t>(b)]) {
      for (std::size_t i = 0; i + 1 < caption.size(); ++i, ++t) {
        ids[b][t] = caption[i];
        positions[b][t] = static_cast<std::int64_t>(i);
        segments[b][t] = number;
        rows.push_back(b * T + t);
        targets.push_back(caption[i + 1]);
        owner.push_back(static_cast<std::int64_t>(ends.size()));
      }
      ++number;
      ends.push_back(b * T + t - 1);
      picture.push_back(b);
    }
  }
  const Tensor same = segment.unsqueeze(2) == segment.unsqueeze(1);  // [B T T]
  batch.mask = (same & at::ones({T, T}, at::kBool).tril()).unsqueeze(1);
  batch.rows = integers(rows);
  batch.targets = integers(targets);
  batch.caption = integers(owner);
  batch.ends = integers(ends);
  batch.picture = integers(picture);
  return batch;
}

std::vector<std::int64_t> pictures_of_step(std::int64_t step, std::int64_t batch, std::int64_t pictures,
                                           std::uint64_t seed) {
  const std::int64_t per_pass = std::max<std::int64_t>(pictures / batch, 1), pass = step / per_pass;
  std::vector<std::int64_t> order(static_cast<std::size_t>(pictures));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::mt19937_64 random(seed * 0x9E3779B97F4A7C15ull + static_cast<std::uint64_t>(pass));
  shuffle(order, random);
  const std::int64_t first = (step % per_pass) * batch;
  const std::int64_t count = std::min(batch, pictures);
  return {order.begin() + first, order.begin() + first + count};
}

}  // namespace limn
