#pragma once

#include "core/tensor.h"

namespace limn {

/// Learned positions of a patch grid, resampled to another grid (bicubic, align_corners false).
/// @param positions  [1 N D], the first `extra` rows are not patches (class token) and stay as they are
/// @return [1 extra + rows * columns D]
/// Source: the ViT reference's position interpolation; the stored grid is square.
Tensor resampled_positions(const Tensor& positions, std::int64_t extra, std::int64_t rows, std::int64_t columns);

}  // namespace limn
