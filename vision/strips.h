#pragma once

#include <functional>
#include <vector>

#include "core/tensor.h"

namespace limn {

/// Rows of a map that are computed together, and the rows that have to be read for it.
struct Strip {
  std::int64_t first, rows;  ///< whose results are wanted
  std::int64_t from, count;  ///< with the rows around them that results depend on
  std::int64_t skip() const { return first - from; }
};

/// Cuts a height into strips of nearly equal height, from top to bottom.
/// @param most  rows a strip, at most, but at least `step`
/// @param halo  rows above and below a strip that its results depend on
/// @param step  every strip begins at a multiple of it
std::vector<Strip> strips_of(std::int64_t height, std::int64_t most, std::int64_t halo, std::int64_t step = 1);

/// x := f(x), strip by strip, without room for a second map.
/// @param x  [B C H W], overwritten
/// @param f  rows of x as they were, [B C strip.count W] -> as many rows of the result, right in those that are wanted
void rewrite(const Tensor& x, std::int64_t most, std::int64_t halo,
             const std::function<Tensor(const Tensor& rows, const Strip& strip)>& f);

}  // namespace limn
