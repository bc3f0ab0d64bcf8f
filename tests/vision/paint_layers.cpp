#include "vision/paint_layers.h"

#include "core/ops.h"
#include "tests/catch.h"

using namespace limn;

TEST_CASE("channel moments: pixel by pixel as by planes, of flat maps too", "[stylize]") {
  const at::NoGradGuard no_grad;
  for (const Tensor& x : {at::rand({2, 5, 90, 70}) * 3 + 100, at::full({1, 4, 40, 50}, 0.3)}) {
    const ChannelMoments planes = channel_moments(x);
    const ChannelMoments pixels = channel_moments(x.contiguous(at::MemoryFormat::ChannelsLast));
    CHECK((planes.mean - pixels.mean).abs().max().item<double>() < 1e-4);
    CHECK((planes.deviation - pixels.deviation).abs().max().item<double>() < 1e-4);
  }
}

TEST_CASE("a convolution in fours is the convolution", "[stylize]") {
  const at::NoGradGuard no_grad;
  for (const std::int64_t kernel : {3, 9}) {
    const Weights weights = Weights::random(2);
    const ReflectedConv conv(weights, 5, 3, kernel);
    for (const std::int64_t width : {8, 20}) {
      const Tensor x = at::randn({2, 5, 11, width});
      for (const Tensor& y : {x, x.contiguous(at::MemoryFormat::ChannelsLast)})
        CHECK((conv(y) - conv.in_fours(y)).abs().max().item<double>() < 1e-5);
    }
  }
}
