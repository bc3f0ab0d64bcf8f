#include "vision/vgg.h"

#include "core/ops.h"
#include "tests/catch.h"

using namespace limn;

TEST_CASE("VGG: large pictures in strips are the whole", "[stylize]") {
  at::manual_seed(8);
  const Weights weights = Weights::random(8);
  const VggEncoder encoder(weights / "encoder");
  const VggDecoder decoder(weights / "decoder");
  const Tensor picture = at::rand({1, 3, 131, 1087}), features = at::rand({1, 512, 16, 136});
  Tensor read, made;
  {
    const at::NoGradGuard no_grad;
    read = encoder(picture);
    made = decoder(features);
  }
  const auto apart = [](const Tensor& a, const Tensor& b) {
    return ((a - b).abs().max() / b.abs().max()).item<double>();
  };
  CHECK(apart(read, encoder(picture)) < 1e-4);
  CHECK(apart(made, decoder(features)) < 1e-4);
}
