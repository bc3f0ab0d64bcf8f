#include "vision/depthwise.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "core/ops.h"

namespace limn {

namespace {

// One call's numbers.
struct Convolution {
  const float *weight, *bias;
  std::int64_t height, width, channels, size, stride, top, left, columns;
  float low, high;
};

// Computes one row of results of one picture.
using Kernel = void (*)(const Convolution&, const float* picture, std::int64_t row, float* out);

// The part of a window that lies inside the picture.
struct Cut {
  const float *in, *weight;    // of its first row and column
  std::int64_t rows, columns;  // none where negative
};

Cut cut_of(const Convolution& v, const float* picture, std::int64_t row, std::int64_t column) {
  const std::int64_t y0 = row * v.stride - v.top, x0 = column * v.stride - v.left;
  const std::int64_t ky = std::max<std::int64_t>(0, -y0), kx = std::max<std::int64_t>(0, -x0);
  return {picture + ((y0 + ky) * v.width + x0 + kx) * v.channels, v.weight + (ky * v.size + kx) * v.channels,
          std::min(v.size, v.height - y0) - ky, std::min(v.size, v.width - x0) - kx};
}

// Any size and stride, any processor.
void run_plainly(const Convolution& v, const float* picture, std::int64_t row, float* out) {
  for (std::int64_t column = 0; column < v.columns; ++column) {
    const Cut cut = cut_of(v, picture, row, column);
    float* to = out + column * v.channels;
    std::copy_n(v.bias, v.channels, to);
    for (std::int64_t ky = 0; ky < cut.rows; ++ky)
      for (std::int64_t kx = 0; kx < cut.columns; ++kx) {
        const float* in = cut.in + (ky * v.width + kx) * v.channels;
        const float* weight = cut.weight + (ky * v.size + kx) * v.channels;
        for (std::int64_t c = 0; c < v.channels; ++c) to[c] += in[c] * weight[c];
      }
    for (std::int64_t c = 0; c < v.channels; ++c) to[c] = std::min(std::max(to[c], v.low), v.high);
  }
}

}  // namespace

#if defined(__x86_64__)

namespace wide {
namespace {
#define LIMN_TARGET LIMN_WIDE
#include "vision/depthwise_kernel.inc"
#undef LIMN_TARGET
}  // namespace
}  // namespace wide

namespace narrow {
namespace {
#define LIMN_TARGET LIMN_NARROW
#include "vision/depthwise_kernel.inc"
#undef LIMN_TARGET
}  // namespace
}  // namespace narrow

#endif

Tensor depthwise_convolution(const Tensor& x, const Tensor& weight, const Tensor& bias, const DepthwiseOptions& o) {
  const auto [B, H, W, C] = dims<4>(x, "depthwise_convolution: x [B H W C]");
  if (weight.sizes() != at::IntArrayRef({o.kernel, o.kernel, C}) || bias.sizes() != at::IntArrayRef({C}))
    throw InputError("depthwise_convolution: weight [kernel kernel C], bias [C]: got " + shape_text(weight.sizes()) +
                     ", " + shape_text(bias.sizes()) + " for x " + shape_text(x.sizes()));
  const Tensor source = x.contiguous(), factors = weight.contiguous(), offset = bias.contiguous();
  const Convolution v{factors.const_data_ptr<float>(),
                      offset.const_data_ptr<float>(),
                      H,
                      W,
                      C,
                      o.kernel,
                      o.stride,
                      o.rows.before,
                      o.columns.before,
                      o.columns.out,
                      o.low,
                      o.high};
  Kernel kernel = nullptr;
#if defined(__x86_64__)
  if (o.lanes == Lanes::wide) kernel = wide::kernel_for(o.kernel, o.stride);
  if (o.lanes == Lanes::narrow) kernel = narrow::kernel_for(o.kernel, o.stride);
#endif
  if (!kernel) kernel = run_plainly;
  const Tensor result = at::empty({B, o.rows.out, o.columns.out, C}, source.options());
  const float* in = source.const_data_ptr<float>();
  float* out = result.data_ptr<float>();
  const std::int64_t rows = o.rows.out, picture = H * W * C, line = o.columns.out * C;
  // A thread is worth waking for some hundred thousand multiplications.
  const std::int64_t grain = std::max<std::int64_t>(1, (std::int64_t{1} << 18) / (line * o.kernel * o.kernel));
  at::parallel_for(0, B * rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) kernel(v, in + i / rows * picture, i % rows, out + i * line);
  });
  return result;
}

}  // namespace limn
