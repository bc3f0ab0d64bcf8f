#include "core/norm_lanes.h"

#include <cmath>

#include "core/float_types.h"
#include "core/ops.h"

namespace limn {

#if defined(__x86_64__)

namespace wide {
namespace {
#define LIMN_TARGET LIMN_WIDE
#include "core/norm_lanes.inc"
#undef LIMN_TARGET
}  // namespace
}  // namespace wide

namespace narrow {
namespace {
#define LIMN_TARGET LIMN_NARROW
#include "core/norm_lanes.inc"
#undef LIMN_TARGET
}  // namespace
}  // namespace narrow

#endif

namespace {

using Kernel = void (*)(const float* x, std::int64_t size, const void* gain, const void* offset, float eps, float* y);

template <typename N>
Kernel kernel_of([[maybe_unused]] Lanes lanes) {
#if defined(__x86_64__)
  if (lanes == Lanes::wide) return wide::norm_row<N>;
  if (lanes == Lanes::narrow) return narrow::norm_row<N>;
#endif
  return nullptr;
}

Kernel kernel_for(at::ScalarType type, Lanes lanes) {
  return by_float_type(type, [&]<typename N>(N*) { return kernel_of<N>(lanes); });
}

}  // namespace

bool norm_lanes_apply(const Tensor& gain, const Tensor& offset) {
  return gain.is_cpu() && offset.is_cpu() && gain.is_contiguous() && offset.is_contiguous() &&
         gain.scalar_type() == offset.scalar_type() && kernel_for(gain.scalar_type(), widest_lanes());
}

void norm_lanes(const float* x, std::int64_t rows, const Tensor& gain, const Tensor& offset, double eps, float* y,
                Lanes lanes) {
  const Kernel kernel = kernel_for(gain.scalar_type(), lanes);
  if (!kernel || offset.scalar_type() != gain.scalar_type())
    throw InputError("norm_lanes: no kernel for these numbers on this processor");
  const std::int64_t size = gain.size(0);
  for (std::int64_t row = 0; row < rows; ++row)
    kernel(x + row * size, size, gain.const_data_ptr(), offset.const_data_ptr(), static_cast<float>(eps),
           y + row * size);
}

}  // namespace limn
