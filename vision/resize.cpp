#include "vision/resize.h"

#include <ATen/Parallel.h>
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <utility>

#include "core/ops.h"
#include "vision/resize_kernels.h"

namespace limn {
namespace {

using resize_kernels::kBits;
using resize_kernels::Pass;
using resize_kernels::Taps;

constexpr double kPi = std::numbers::pi;

// The filters. Their arithmetic is Pillow's, operation by operation: the last bit of a weight counts.
double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinear(double x) { return std::abs(x) < 1.0 ? 1.0 - std::abs(x) : 0.0; }

double hamming(double x) {
  x = std::abs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= kPi;
  return std::sin(x) / x * (0.54f + 0.46f * std::cos(x));  // the constants are rounded to float there
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) { return x == 0.0 ? 1.0 : std::sin(x * kPi) / (x * kPi); }

double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

struct Kernel {
  double (*weight)(double);
  double support;
};

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::lanczos:
      return {lanczos, 3.0};
    case Filter::bilinear:
      return {bilinear, 1.0};
    case Filter::bicubic:
      return {bicubic, 2.0};
    case Filter::box:
      return {box, 0.5};
    case Filter::hamming:
      return {hamming, 1.0};
    case Filter::nearest:
      break;  // not a sum of taps
  }
  throw InputError("resize: filter: got number " + std::to_string(static_cast<int>(filter)) + ", expected 0 to 5");
}

std::int32_t to_fixed(double weight) {
  const double scaled = weight * (1 << kBits);
  return static_cast<std::int32_t>(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

// One axis: `in` source indices resampled to `out`, of which [begin, end) are wanted.
struct Axis {
  std::int64_t in, out, begin, end;
  bool changes() const { return in != out; }
};

// The source indices [first, end) that output `i` sums.
std::pair<std::int64_t, std::int64_t> reach_of(std::int64_t i, std::int64_t in, double scale, double support) {
  const double centre = (static_cast<double>(i) + 0.5) * scale;
  // NOLINTBEGIN(bugprone-incorrect-roundings): Pillow rounds so
  return {std::max<std::int64_t>(static_cast<std::int64_t>(centre - support + 0.5), 0),
          std::min<std::int64_t>(static_cast<std::int64_t>(centre + support + 0.5), in)};
  // NOLINTEND(bugprone-incorrect-roundings)
}

// Pillow keeps the sizes of its source in single precision.
double scale_of(const Axis& axis) {
  return static_cast<double>(static_cast<float>(axis.in)) / static_cast<double>(axis.out);
}

Taps make_taps(const Axis& axis, const Kernel& kernel) {
  const double scale = scale_of(axis);
  const double filter_scale = std::max(scale, 1.0), support = kernel.support * filter_scale, step = 1.0 / filter_scale;
  const std::int64_t count = axis.end - axis.begin;
  Taps taps;
  taps.reach = static_cast<std::int64_t>(std::ceil(support)) * 2 + 1;
  taps.first.resize(count);
  taps.count.resize(count);
  taps.weights.assign(count * taps.reach, 0);
  std::vector<double> row(taps.reach);
  for (std::int64_t i = 0; i < count; ++i) {
    const double centre = (static_cast<double>(axis.begin + i) + 0.5) * scale;
    const auto [first, end] = reach_of(axis.begin + i, axis.in, scale, support);
    double sum = 0;
    for (std::int64_t j = first; j < end; ++j)
      sum += row[j - first] = kernel.weight((static_cast<double>(j) - centre + 0.5) * step);
    for (std::int64_t j = first; j < end; ++j)
      taps.weights[i * taps.reach + j - first] = to_fixed(sum != 0.0 ? row[j - first] / sum : row[j - first]);
    taps.first[i] = static_cast<std::int32_t>(first);
    taps.count[i] = static_cast<std::int32_t>(std::max<std::int64_t>(end - first, 0));
  }
  return taps;
}

// Runs body(begin, end) over [0, rows), on as many threads as the options ask for.
template <typename Body>
void over_rows(std::int64_t rows, std::int64_t work_per_row, const ResizeOptions& options, const Body& body) {
  const int threads = options.threads > 0 ? options.threads : at::get_num_threads();
  if (threads == 1 || rows * work_per_row < 200'000) return body(std::int64_t{0}, rows);
  const std::int64_t grain = std::max<std::int64_t>(rows / (std::int64_t{4} * threads), 4);
  tbb::task_arena arena(threads);
  arena.execute([&] {
    tbb::parallel_for(tbb::blocked_range<std::int64_t>(0, rows, grain),
                      [&](const auto& range) { body(range.begin(), range.end()); });
  });
}

Tensor across(const Tensor& pixels, const Axis& axis, const ResizeOptions& options) {  // [H W C] -> [H w C]
  const std::int64_t H = pixels.size(0), W = pixels.size(1), C = pixels.size(2), width = axis.end - axis.begin;
  Taps taps = make_taps(axis, kernel_of(options.filter));
  const bool avx2 = options.kernel == ResizeKernel::fastest && C == 3 && resize_kernels::have_avx2();
  if (avx2) resize_kernels::prepare_across_avx2(taps);
  Tensor result = at::empty({H, width, C}, pixels.options());
  const Pass pass{pixels.const_data_ptr<std::uint8_t>(), result.data_ptr<std::uint8_t>(), H, W, width, C, &taps};
  over_rows(H, width * taps.reach, options, [&](std::int64_t begin, std::int64_t end) {
    avx2 ? resize_kernels::across_rgb_avx2(pass, begin, end) : resize_kernels::across_portable(pass, begin, end);
  });
  return result;
}

// `pixels` begin at source row `first_row`: those before it are summed by no output that is wanted.
Tensor down(const Tensor& pixels, const Axis& axis, std::int64_t first_row, const ResizeOptions& options) {
  const std::int64_t H = pixels.size(0), W = pixels.size(1), C = pixels.size(2), height = axis.end - axis.begin;
  Taps taps = make_taps(axis, kernel_of(options.filter));
  for (auto& first : taps.first) first -= static_cast<std::int32_t>(first_row);
  const bool avx2 = options.kernel == ResizeKernel::fastest && resize_kernels::have_avx2();
  if (avx2) resize_kernels::prepare_down_avx2(taps);
  Tensor result = at::empty({height, W, C}, pixels.options());  // [h W C]
  const Pass pass{pixels.const_data_ptr<std::uint8_t>(), result.data_ptr<std::uint8_t>(), H, W, W, C, &taps};
  over_rows(height, W * taps.reach, options, [&](std::int64_t begin, std::int64_t end) {
    avx2 ? resize_kernels::down_avx2(pass, begin, end) : resize_kernels::down_portable(pass, begin, end);
  });
  return result;
}

// Source index per wanted output index. The position grows by adding, as in Pillow: multiplying rounds otherwise.
std::vector<std::int64_t> nearest_indices(const Axis& axis) {
  const double step = scale_of(axis);
  std::vector<std::int64_t> indices;
  double position = step * 0.5;
  for (std::int64_t i = 0; i < axis.end; ++i, position += step)
    if (i >= axis.begin) indices.push_back(std::min(static_cast<std::int64_t>(position), axis.in - 1));
  return indices;
}

Tensor nearest(const Tensor& pixels, const Axis& vertical, const Axis& horizontal) {  // [H W C] -> [h w C]
  const std::int64_t C = pixels.size(2), stride = pixels.size(1) * C;
  const auto rows = nearest_indices(vertical), columns = nearest_indices(horizontal);
  Tensor result = at::empty({vertical.end - vertical.begin, horizontal.end - horizontal.begin, C}, pixels.options());
  const auto* source = pixels.const_data_ptr<std::uint8_t>();
  auto* target = result.data_ptr<std::uint8_t>();
  for (const std::int64_t row : rows)
    for (const std::int64_t column : columns) {
      std::memcpy(target, source + row * stride + column * C, static_cast<std::size_t>(C));
      target += C;
    }
  return result;
}

bool down_comes_first(std::int64_t H, std::int64_t W, std::int64_t height, std::int64_t width, PassOrder order) {
  if (height >= H) return false;
  return order == PassOrder::by_size ? H - height > 2 * (W - width) : H > 100 * W;
}

// Keeps the indices of dimension `dim` that an axis wants where its size does not change.
Tensor cut(const Tensor& pixels, std::int64_t dim, const Axis& axis) {
  return pixels.narrow(dim, axis.begin, axis.end - axis.begin);
}

// Across, of the source rows only those that the pass down will sum; then down.
Tensor across_then_down(const Tensor& pixels, const Axis& vertical, const Axis& horizontal,
                        const ResizeOptions& options) {
  const double support = kernel_of(options.filter).support * std::max(scale_of(vertical), 1.0);
  const std::int64_t first = reach_of(vertical.begin, vertical.in, scale_of(vertical), support).first;
  const std::int64_t end = reach_of(vertical.end - 1, vertical.in, scale_of(vertical), support).second;
  const Tensor narrow = across(pixels.narrow(0, first, end - first), horizontal, options);  // [rows w C]
  return down(narrow, vertical, first, options);
}

// Down, whole rows; then across.
Tensor down_then_across(const Tensor& pixels, const Axis& vertical, const Axis& horizontal,
                        const ResizeOptions& options) {
  return across(down(pixels, vertical, 0, options), horizontal, options);
}

void check_window(std::int64_t height, std::int64_t width, const Window& window) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (height < 1 || width < 1 || height > kMost || width > kMost)
    throw InputError("resize: size: got " + std::to_string(width) + " x " + std::to_string(height) +
                     ", expected at least 1 x 1");
  if (window.top < 0 || window.left < 0 || window.height < 1 || window.width < 1 ||
      window.height > height - window.top || window.width > width - window.left)
    throw InputError("resize: window: got " + std::to_string(window.width) + " x " + std::to_string(window.height) +
                     " at " + std::to_string(window.left) + ", " + std::to_string(window.top) +
                     ", expected a part of " + std::to_string(width) + " x " + std::to_string(height));
}

}  // namespace

Tensor resize_window(const Tensor& pixels, std::int64_t height, std::int64_t width, const Window& window,
                     const ResizeOptions& options) {
  const auto [H, W, C] = dims<3>(pixels, "resize: pixels [H W C]");
  if (pixels.scalar_type() != at::kByte || !pixels.is_cpu() || H < 1 || W < 1 || C < 1 || C > 4)
    throw InputError("resize: pixels [H W C]: got " + std::string(c10::toString(pixels.scalar_type())) + " " +
                     shape_text(pixels.sizes()) + ", expected uint8 on the CPU with 1 to 4 channels");
  check_window(height, width, window);
  const Axis vertical{H, height, window.top, window.top + window.height};
  const Axis horizontal{W, width, window.left, window.left + window.width};
  if (!vertical.changes() && !horizontal.changes()) return cut(cut(pixels, 0, vertical), 1, horizontal);
  const Tensor source = pixels.contiguous();
  if (options.filter == Filter::nearest) return nearest(source, vertical, horizontal);
  if (!vertical.changes()) return across(cut(source, 0, vertical), horizontal, options);
  if (!horizontal.changes()) return cut(down(source, vertical, 0, options), 1, horizontal);
  if (down_comes_first(H, W, height, width, options.order))
    return down_then_across(source, vertical, horizontal, options);
  return across_then_down(source, vertical, horizontal, options);
}

Tensor resize(const Tensor& pixels, std::int64_t height, std::int64_t width, const ResizeOptions& options) {
  return resize_window(pixels, height, width, {0, 0, height, width}, options);
}

}  // namespace limn
