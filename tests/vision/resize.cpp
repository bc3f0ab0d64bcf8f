#include "vision/resize.h"

#include <random>

#include "core/ops.h"
#include "tests/catch.h"

using namespace limn;

namespace {

// Deterministic noise with extremes, uint8 [H W C].
Tensor noise(std::int64_t height, std::int64_t width, std::int64_t channels, unsigned seed) {
  std::mt19937 random(seed);
  Tensor pixels = at::empty({height, width, channels}, at::kByte);
  auto* data = pixels.data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < pixels.numel(); ++i) {
    const unsigned value = random() % 512;
    data[i] = static_cast<std::uint8_t>(value < 256 ? value : value < 384 ? 0 : 255);
  }
  return pixels;
}

Tensor row(const std::vector<std::int64_t>& values) {  // [1 W 1]
  const auto width = static_cast<std::int64_t>(values.size());
  return at::tensor(values, at::kLong).to(at::kByte).view({1, width, 1});
}

constexpr Filter kFilters[] = {Filter::nearest, Filter::lanczos, Filter::bilinear,
                               Filter::bicubic, Filter::box,     Filter::hamming};

}  // namespace

TEST_CASE("resize gives Pillow's numbers on rows worked out by Pillow 13", "[vision][resize]") {
  const Tensor source = row({0, 255, 10, 200, 90});
  const auto to = [&](Filter filter, std::int64_t width) { return resize(source, 1, width, {.filter = filter}); };
  CHECK(to(Filter::nearest, 3).equal(row({0, 10, 90})));
  CHECK(to(Filter::box, 3).equal(row({128, 10, 145})));
  CHECK(to(Filter::bilinear, 3).equal(row({109, 107, 137})));
  CHECK(to(Filter::hamming, 3).equal(row({96, 72, 131})));
  CHECK(to(Filter::bicubic, 3).equal(row({108, 115, 134})));
  CHECK(to(Filter::lanczos, 3).equal(row({106, 125, 128})));
  CHECK(to(Filter::bilinear, 8).equal(row({0, 112, 240, 87, 69, 188, 138, 90})));
  CHECK(to(Filter::bicubic, 8).equal(row({0, 113, 253, 71, 47, 196, 143, 82})));
}

TEST_CASE("resize: the vector kernels give the portable kernels' bytes, with any number of threads",
          "[vision][resize][property]") {
  std::mt19937 random(7);
  const auto side = [&](int most) { return static_cast<std::int64_t>(random() % most + 1); };
  for (int i = 0; i < 120; ++i) {
    const std::int64_t H = side(90), W = side(90), C = side(4), height = side(120), width = side(120);
    const Filter filter = kFilters[random() % 6];
    const PassOrder order = random() % 2 ? PassOrder::by_size : PassOrder::across_first;
    CAPTURE(i, H, W, C, height, width, static_cast<int>(filter));
    const Tensor source = noise(H, W, C, static_cast<unsigned>(i));
    const Tensor expected = resize(source, height, width,
                                   {.filter = filter, .order = order, .threads = 1, .kernel = ResizeKernel::portable});
    CHECK(resize(source, height, width, {.filter = filter, .order = order, .threads = 1}).equal(expected));
    CHECK(resize(source, height, width, {.filter = filter, .order = order, .threads = 3}).equal(expected));
  }
  const Tensor large = noise(700, 900, 3, 1);  // enough work to be split
  CHECK(resize(large, 200, 210, {.threads = 3}).equal(resize(large, 200, 210, {.threads = 1})));
}

TEST_CASE("resize: a window is the same part of the whole", "[vision][resize][property]") {
  std::mt19937 random(11);
  const auto within = [&](std::int64_t most) { return static_cast<std::int64_t>(random() % most); };
  for (int i = 0; i < 120; ++i) {
    const std::int64_t H = within(60) + 1, W = within(60) + 1, height = within(70) + 1, width = within(70) + 1;
    Window window{.top = within(height), .left = within(width)};
    window.height = within(height - window.top) + 1;
    window.width = within(width - window.left) + 1;
    const ResizeOptions options{.filter = kFilters[i % 6],
                                .order = i % 4 ? PassOrder::by_size : PassOrder::across_first};
    CAPTURE(i, H, W, height, width, window.top, window.left, window.height, window.width);
    const Tensor source = noise(H, i % 5 == 0 ? width : W, 3, static_cast<unsigned>(i));
    const Tensor whole = resize(source, height, width, options);
    const Tensor part = whole.narrow(0, window.top, window.height).narrow(1, window.left, window.width);
    CHECK(resize_window(source, height, width, window, options).equal(part));
  }
}

TEST_CASE("resize: same size is the identity, flat colours stay flat, axes are alike", "[vision][resize][property]") {
  const Tensor source = noise(23, 31, 3, 3);
  const Tensor flat = at::full({17, 40, 3}, 201, at::kByte);
  for (const Filter filter : kFilters) {
    CAPTURE(static_cast<int>(filter));
    CHECK(resize(source, 23, 31, {.filter = filter}).equal(source));
    CHECK(resize(flat, 55, 9, {.filter = filter}).equal(at::full({55, 9, 3}, 201, at::kByte)));
    const Tensor across = resize(source, 23, 12, {.filter = filter});
    const Tensor down = resize(source.transpose(0, 1), 12, 23, {.filter = filter});
    CHECK(across.equal(down.transpose(0, 1)));
  }
}

TEST_CASE("resize: the order of the passes follows the sizes", "[vision][resize]") {
  const auto differ = [](std::int64_t H, std::int64_t W, std::int64_t height, std::int64_t width) {
    const Tensor source = noise(H, W, 3, 5);
    return !resize(source, height, width).equal(resize(source, height, width, {.order = PassOrder::across_first}));
  };
  CHECK(differ(80, 40, 20, 20));        // 60 > 2 * 20
  CHECK_FALSE(differ(60, 40, 20, 20));  // 40 = 2 * 20
  CHECK(differ(40, 30, 39, 60));        // the height shrinks, the width grows
  CHECK_FALSE(differ(20, 60, 40, 20));  // the height grows
  CHECK_FALSE(differ(505, 5, 20, 4));   // older Pillow, too, goes down first in a thin tower
}

TEST_CASE("resize refuses what it cannot resize", "[vision][resize]") {
  CHECK_THROWS_WITH(resize(at::zeros({4, 4}), 2, 2), "resize: pixels [H W C]: got [4, 4]");
  CHECK_THROWS_WITH(resize(at::zeros({4, 4, 3}), 2, 2),
                    "resize: pixels [H W C]: got Float [4, 4, 3], expected uint8 on the CPU with 1 to 4 channels");
  CHECK_THROWS_WITH(resize(at::zeros({4, 4, 3}, at::kByte), 0, 2), "resize: size: got 2 x 0, expected at least 1 x 1");
  CHECK_THROWS_AS(resize_window(at::zeros({4, 4, 3}, at::kByte), 8, 8, {4, 4, 5, 1}), InputError);
}
