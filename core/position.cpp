#include "core/position.h"

#include <cmath>

#include "core/ops.h"

namespace limn {

Tensor resampled_positions(const Tensor& positions, std::int64_t extra, std::int64_t rows, std::int64_t columns) {
  const auto [one, N, D] = dims<3>(positions, "positions [1 N D]");
  const std::int64_t side = std::llround(std::sqrt(static_cast<double>(N - extra)));
  if (rows == side && columns == side) return positions;
  if (side * side != N - extra)
    throw InputError("positions: " + std::to_string(N - extra) + " patches are not a square grid");
  const Tensor grid =
      positions.narrow(1, extra, N - extra).view({1, side, side, D}).permute({0, 3, 1, 2});  // [1 D side side]
  const Tensor scaled = at::upsample_bicubic2d(grid.to(at::kFloat), {rows, columns}, false);
  const Tensor patches = scaled.permute({0, 2, 3, 1}).reshape({1, rows * columns, D}).to(positions.scalar_type());
  return at::cat({positions.narrow(1, 0, extra), patches}, 1);
}

}  // namespace limn
