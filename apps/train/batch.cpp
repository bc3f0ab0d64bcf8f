#include "apps/train/batch.h"

#include <algorithm>
#include <numeric>

namespace limn {

std::uint64_t draw_below(std::mt19937_64& random, std::uint64_t bound) { return random() % bound; }
double draw_unit(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

namespace {

template <typename T>
void shuffle(std::vector<T>& items, std::mt19937_64& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[draw_below(random, i)]);
}

}  // namespace

TextRows draw_captions(const std::vector<const TokenizedCaptions*>& pictures, std::int64_t captions,
                       std::mt19937_64& random) {
  TextRows chosen(pictures.size());
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
