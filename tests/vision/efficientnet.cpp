#include "vision/efficientnet.h"

#include "core/ops.h"
#include "tests/catch.h"
#include "vision/depthwise.h"

using namespace limn;

namespace {

double difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace

TEST_CASE("depthwise convolution in every instruction set is LibTorch's", "[depthwise][kernels]") {
  at::manual_seed(1);
  for (const Lanes lanes : {Lanes::none, Lanes::narrow, Lanes::wide}) {
    if (lanes > widest_lanes()) continue;
    for (const std::int64_t kernel : {3, 5, 7})
      for (const std::int64_t stride : {1, 2})
        for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {2, 3}, {7, 7}, {9, 24}})
          for (const std::int64_t channels : {1, 8, 20, 48}) {
            CAPTURE(static_cast<int>(lanes), kernel, stride, height, width, channels);
            const std::int64_t before = (kernel - 1) / 2;
            const auto out = [&](std::int64_t in) { return (in + stride - 1) / stride; };
            const Tensor x = at::randn({2, height, width, channels}), weight = at::randn({kernel, kernel, channels}),
                         bias = at::randn({channels});
            const Tensor padded = at::constant_pad_nd(x, {0, 0, before, kernel, before, kernel}).permute({0, 3, 1, 2});
            const Tensor whole = at::conv2d(
                padded.to(at::kDouble), weight.permute({2, 0, 1}).unsqueeze(1).to(at::kDouble), bias.to(at::kDouble),
                at::IntArrayRef({stride, stride}), at::IntArrayRef({0, 0}), at::IntArrayRef({1, 1}), channels);
            const Tensor expected =
                whole.narrow(2, 0, out(height)).narrow(3, 0, out(width)).permute({0, 2, 3, 1}).clamp(0, 6);
            CHECK(difference(depthwise_convolution(x, weight, bias,
                                                   {.kernel = kernel,
                                                    .stride = stride,
                                                    .rows = {out(height), before},
                                                    .columns = {out(width), before},
                                                    .low = 0,
                                                    .high = 6,
                                                    .lanes = lanes}),
                             expected) < 1e-5);
          }
  }
}

TEST_CASE("the stem by our own kernels is the stem by at::conv2d, and lets gradients through", "[efficientnet]") {
  const Weights weights = Weights::random(1);
  EfficientNetConfig config = efficientnet_lite(0);
  config.stages.resize(3);
  config.head = 64;
  const EfficientNet net(weights, config);
  Tensor pixels = at::randn({2, 3, 45, 61});
  Tensor ours;
  {
    const at::NoGradGuard no_grad;
    ours = net.features(net.grid(pixels));
  }
  pixels.requires_grad_(true);
  const Tensor theirs = net.features(net.grid(pixels));
  CHECK(difference(ours, theirs.detach()) < 1e-4);
  theirs.sum().backward();
  CHECK(pixels.grad().abs().sum().item<double>() > 0);
}
