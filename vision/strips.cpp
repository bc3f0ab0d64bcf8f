#include "vision/strips.h"

#include <algorithm>

#include "core/ops.h"

namespace limn {

std::vector<Strip> strips_of(std::int64_t height, std::int64_t most, std::int64_t halo, std::int64_t step) {
  most = std::max(most, step);
  const std::int64_t count = (height + most - 1) / most;
  const std::int64_t rows = ((height + count - 1) / count + step - 1) / step * step;
  std::vector<Strip> strips;
  for (std::int64_t first = 0; first < height; first += rows) {
    const std::int64_t here = std::min(rows, height - first), from = std::max<std::int64_t>(first - halo, 0);
    strips.push_back({first, here, from, std::min(first + here + halo, height) - from});
  }
  return strips;
}

void rewrite(const Tensor& x, std::int64_t most, std::int64_t halo,
             const std::function<Tensor(const Tensor& rows, const Strip& strip)>& f) {
  Tensor above;  // the rows above the strip as they were
  for (const Strip& strip : strips_of(x.size(2), most, halo)) {
    const std::int64_t last = strip.first + strip.rows, next_from = std::max<std::int64_t>(last - halo, 0);
    Tensor part = x.narrow(2, strip.first, strip.from + strip.count - strip.first);
    if (above.defined() && above.size(2) > 0) part = at::cat({above, part}, 2);
    above = part.narrow(2, next_from - strip.from, last - next_from).clone();
    x.narrow(2, strip.first, strip.rows).copy_(f(part, strip).narrow(2, strip.skip(), strip.rows));
  }
}

}  // namespace limn
