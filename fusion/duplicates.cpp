#include <algorithm>
#include <numeric>

#include "core/ops.h"
#include "fusion/index.h"

namespace limn {

namespace {

constexpr std::int64_t kBlock = 2048;

struct Pair {
  std::int64_t other;
  float similarity;
};

}  // namespace

std::vector<DuplicateGroup> near_duplicates(const IndexContent& content, double threshold,
                                            const std::function<void(std::int64_t done)>& progress) {
  // The best picture of a group comes first and decides who belongs to it: no chains of small differences.
  std::vector<std::int64_t> order;
  for (std::size_t i = 0; i < content.alive.size(); ++i)
    if (content.alive[i]) order.push_back(static_cast<std::int64_t>(i));
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    const IndexEntry& x = content.entries[static_cast<std::size_t>(a)];
    const IndexEntry& y = content.entries[static_cast<std::size_t>(b)];
    const std::int64_t x_size = x.width * x.height, y_size = y.width * y.height;
    return std::tie(y_size, y.bytes, x.path) < std::tie(x_size, x.bytes, y.path);
  });
  const auto N = static_cast<std::int64_t>(order.size());
  const auto block = [&](std::int64_t begin) {
    const auto size = static_cast<std::size_t>(std::min(kBlock, N - begin));
    return rows_of(content.picture_vectors, std::span(order).subspan(static_cast<std::size_t>(begin), size));
  };
  std::vector<std::uint8_t> taken(order.size());
  std::vector<DuplicateGroup> groups;
  for (std::int64_t a = 0; a < N; a += kBlock) {
    const Tensor rows = block(a);  // [A D]
    std::vector<std::vector<Pair>> pairs(static_cast<std::size_t>(rows.size(0)));
    for (std::int64_t b = a; b < N; b += kBlock) {
      const Tensor products = at::linear(rows, block(b));                        // [A B]
      const Tensor near = products.ge(threshold).nonzero();                      // [P 2]
      const Tensor similarity = products.masked_select(products.ge(threshold));  // [P], in the same order
      const auto at = near.accessor<std::int64_t, 2>();
      for (std::int64_t p = 0; p < near.size(0); ++p)
        if (a + at[p][0] < b + at[p][1])
          pairs[static_cast<std::size_t>(at[p][0])].push_back({b + at[p][1], similarity.data_ptr<float>()[p]});
    }
    for (std::int64_t i = a; i < a + rows.size(0); ++i) {
      if (taken[static_cast<std::size_t>(i)]) continue;
      DuplicateGroup group{{order[static_cast<std::size_t>(i)]}, {1}};
      for (const Pair& pair : pairs[static_cast<std::size_t>(i - a)]) {
        if (std::exchange(taken[static_cast<std::size_t>(pair.other)], 1)) continue;
        group.pictures.push_back(order[static_cast<std::size_t>(pair.other)]);
        group.similarity.push_back(pair.similarity);
      }
      if (group.pictures.size() > 1) groups.push_back(std::move(group));
    }
    if (progress) progress(std::min(a + kBlock, N));
  }
  return groups;
}

}  // namespace limn
