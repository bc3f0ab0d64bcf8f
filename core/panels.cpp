#include "core/panels.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/activation_lanes.h"
#include "core/lanes.h"
#include "core/ops.h"

namespace limn {

namespace {

constexpr std::int64_t kPanel = 16;   // weight rows of a panel: two vectors
constexpr std::int64_t kRows = 6;     // of x in a tile, whose 12 sums, 2 weights and 1 value fill 16 registers
constexpr std::int64_t kDepth = 256;  // of the inputs at most, summed at a time: a panel's fill half of the first cache
constexpr std::int64_t kBlock = 96;   // rows of x at most that stay in the second cache meanwhile
constexpr std::int64_t kChunk = 6;    // panels that are a thread's next piece of work

std::int64_t pieces(std::int64_t whole, std::int64_t most) { return (whole + most - 1) / most; }

/// One call's numbers.
struct Product {
  const float* x;
  const float* panels;
  const float* bias;  // or null
  float* y;
  std::int64_t in, out, depth;
  void (*finish)(float* y, std::int64_t size);  // the activation, in place; or null
};

/// Rows of x as tiles read them, and where their results belong.
struct Block {
  const float* x;  // for each piece of the inputs, for each tile of rows: [depth kRows]
  float* y;
  std::int64_t rows;
};

}  // namespace

#if defined(__x86_64__)

namespace narrow {
namespace {
#define LIMN_TARGET LIMN_NARROW
#include "core/exponential.inc"
// behind what it uses
#include "core/activation_lanes.inc"

LIMN_TARGET void relu6(float* y, std::int64_t size) {
  for (std::int64_t i = 0; i < size; i += kWidth) store(y + i, lower(all(6.0f), higher(zero(), load(y + i))));
}

// Four numbers of each of kRows rows, turned: [kRows 4] -> [4 kRows].
LIMN_TARGET inline void turn(const float* x, std::int64_t stride, float* to) {
  static_assert(kRows == 6);
  __m128 a = _mm_loadu_ps(x), b = _mm_loadu_ps(x + stride), c = _mm_loadu_ps(x + 2 * stride),
         d = _mm_loadu_ps(x + 3 * stride);
  const __m128 e = _mm_loadu_ps(x + 4 * stride), f = _mm_loadu_ps(x + 5 * stride);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  const __m128 low = _mm_unpacklo_ps(e, f), high = _mm_unpackhi_ps(e, f);
  const auto put = [to](std::int64_t k, __m128 four) { _mm_storeu_ps(to + k * kRows, four); };
  const auto pair = [to](std::int64_t k) { return reinterpret_cast<__m64*>(to + k * kRows + 4); };
  put(0, a);
  _mm_storel_pi(pair(0), low);
  put(1, b);
  _mm_storeh_pi(pair(1), low);
  put(2, c);
  _mm_storel_pi(pair(2), high);
  put(3, d);
  _mm_storeh_pi(pair(3), high);
}

// Rows of x as tiles read them. @param to  [⌈rows / kRows⌉ · kRows · in]
LIMN_TARGET void lay_out(const Product& p, const float* x, std::int64_t rows, float* to) {
  for (std::int64_t k = 0; k < p.in; k += p.depth) {
    const std::int64_t depth = std::min(p.depth, p.in - k);
    for (std::int64_t row = 0; row < rows; row += kRows, to += kRows * depth) {
      const float* from = x + row * p.in + k;
      const std::int64_t turned = rows - row < kRows ? 0 : depth / 4 * 4;
      for (std::int64_t i = 0; i < turned; i += 4) turn(from + i, p.in, to + i * kRows);
      for (std::int64_t i = turned; i < depth; ++i)
        for (std::int64_t r = 0; r < std::min(kRows, rows - row); ++r) to[i * kRows + r] = from[r * p.in + i];
    }
  }
}

// y [ROWS kPanel] = ROWS rows of x times a panel, added to what the sums begin with.
// @param next  what to ask memory for meanwhile, or null
template <int ROWS>
LIMN_TARGET void tile(const float* x, const float* panel, std::int64_t depth, const float* begin,
                      std::int64_t begin_stride, float* y, std::int64_t stride, const float* next) {
  Vector sums[ROWS][2];
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; ++r) {
    sums[r][0] = load(begin + r * begin_stride);
    sums[r][1] = load(begin + r * begin_stride + kWidth);
  }
  for (std::int64_t k = 0; k < depth; ++k, x += kRows, panel += kPanel) {
    if (next) __builtin_prefetch(next + k * kPanel, 0, 2);
    const Vector low = load(panel), high = load(panel + kWidth);
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; ++r) {
      const Vector value = all(x[r]);
      sums[r][0] = multiply_add(value, low, sums[r][0]);
      sums[r][1] = multiply_add(value, high, sums[r][1]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; ++r) {
    store(y + r * stride, sums[r][0]);
    store(y + r * stride + kWidth, sums[r][1]);
  }
}

constexpr std::array kTiles{tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

// A block of rows times one panel's inputs from k on.
void multiply(const Product& p, const Block& block, std::int64_t panel, std::int64_t k, bool ask) {
  const std::int64_t depth = std::min(p.depth, p.in - k), column = panel * kPanel,
                     width = std::min(kPanel, p.out - column);
  const bool first = k == 0, last = k + depth == p.in;
  const float* weights = p.panels + (panel * p.in + k) * kPanel;
  const float* x = block.x + pieces(block.rows, kRows) * kRows * k;
  float offset[kPanel] = {}, aside[kRows * kPanel] = {};  // the latter for a panel that is not full
  if (first && p.bias) std::copy_n(p.bias + column, width, offset);
  for (std::int64_t row = 0; row < block.rows; row += kRows, x += kRows * depth) {
    const std::int64_t rows = std::min(kRows, block.rows - row);
    float* y = block.y + row * p.out + column;
    float* sums = width == kPanel ? y : aside;
    const std::int64_t stride = width == kPanel ? p.out : kPanel;
    for (std::int64_t r = 0; r < rows && !first && sums != y; ++r) std::copy_n(y + r * p.out, width, sums + r * stride);
    kTiles[static_cast<std::size_t>(rows - 1)](x, weights, depth, first ? offset : sums, first ? 0 : stride, sums,
                                               stride, ask && row == 0 ? weights + p.in * kPanel : nullptr);
    for (std::int64_t r = 0; r < rows && last && p.finish; ++r) p.finish(sums + r * stride, kPanel);
    for (std::int64_t r = 0; r < rows && sums != y; ++r) std::copy_n(sums + r * stride, width, y + r * p.out);
  }
}

// The whole product: blocks of rows times chunks of panels are the threads' pieces of work.
void run(const Product& p, std::int64_t rows) {
  const std::int64_t size = pieces(pieces(rows, pieces(rows, kBlock)), kRows) * kRows, blocks = pieces(rows, size),
                     count = pieces(p.out, kPanel), chunks = pieces(count, kChunk);
  at::parallel_for(0, blocks * chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    static thread_local std::vector<float> laid_out;
    laid_out.resize(static_cast<std::size_t>(size * p.in));
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t row = task / chunks * size, first = task % chunks * kChunk;
      const Block block{laid_out.data(), p.y + row * p.out, std::min(size, rows - row)};
      if (task == begin || first == 0) lay_out(p, p.x + row * p.in, block.rows, laid_out.data());
      const std::int64_t last = std::min(first + kChunk, count);
      for (std::int64_t k = 0; k < p.in; k += p.depth)
        for (std::int64_t panel = first; panel < last; ++panel) multiply(p, block, panel, k, panel + 1 < last);
    }
  });
}

auto finish_by(PackedActivation activation) {
  constexpr std::array<void (*)(float*, std::int64_t), 4> kAll{nullptr, activate_all<kGelu>, activate_all<kGeluTanh>,
                                                               relu6};
  return kAll[static_cast<std::size_t>(activation)];
}
#undef LIMN_TARGET
}  // namespace
}  // namespace narrow

#endif

bool panels_apply() { return widest_lanes() != Lanes::none; }

Tensor panels_of(const Tensor& weight) {
  const auto [out, in] = dims<2>(weight, "panels_of: weight [out in]");
  const Tensor rows = weight.contiguous(), panels = at::zeros({pieces(out, kPanel), in, kPanel}, weight.options());
  const float* from = rows.const_data_ptr<float>();
  auto* to = panels.mutable_data_ptr<float>();
  at::parallel_for(0, panels.size(0), 1, [&, out = out, in = in](std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = begin * kPanel; first < std::min(end * kPanel, out); first += kPanel)
      for (std::int64_t k = 0; k < in; ++k)
        for (std::int64_t r = first; r < std::min(first + kPanel, out); ++r)
          to[first * in + k * kPanel + r - first] = from[r * in + k];
  });
  return panels;
}

Tensor rows_of(const Tensor& panels, std::int64_t out) {
  return panels.transpose(1, 2).reshape({-1, panels.size(1)}).narrow(0, 0, out).contiguous();
}

Tensor linear_panels(const Tensor& x, const Tensor& panels, std::int64_t out, const Tensor& bias,
                     [[maybe_unused]] PackedActivation activation) {
  if (!panels_apply()) throw InputError("linear_panels: no kernel for this processor");
  const std::int64_t in = panels.size(1), rows = x.numel() / in;
  auto sizes = x.sizes().vec();
  sizes.back() = out;
  const Tensor from = x.contiguous(), y = at::empty(sizes, x.options());
  Product product{from.const_data_ptr<float>(),
                  panels.const_data_ptr<float>(),
                  bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                  y.mutable_data_ptr<float>(),
                  in,
                  out,
                  pieces(in, pieces(in, kDepth)),
                  nullptr};
#if defined(__x86_64__)
  product.finish = narrow::finish_by(activation);
  if (rows > 0) narrow::run(product, rows);
#endif
  return y;
}

}  // namespace limn
