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
