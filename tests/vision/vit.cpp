#include "vision/vit.h"

#include "core/int8_product.h"
#include "core/ops.h"
#include "tests/catch.h"

using namespace limn;

TEST_CASE("a picture encoder in eight bits gives nearly the same, alone and in a batch", "[vision][int8]") {
  const at::NoGradGuard no_grad;
  at::manual_seed(6);
  const VitConfig config{.image = 96, .patch = 16, .dim = 128, .heads = 4, .layers = 6, .mlp = 512, .eps = 1e-5};
  const Vit exact(Weights::random(7), config), bytes(Weights::random(7, {.int8 = true}), config);
  const Tensor pixels = at::randn({20, 3, 96, 96});
  const Tensor wanted = exact(pixels), given = bytes(pixels);
  const Tensor likeness = at::cosine_similarity(given.select(1, 0), wanted.select(1, 0), -1);
  CHECK(likeness.min().item<double>() > (Int8Product::largest_byte() == 255 ? 0.999 : 0.998));
  CHECK(likeness.max().item<double>() < 0.9999999);  // it is in eight bits
  CHECK((bytes(pixels.narrow(0, 11, 1)) - given.narrow(0, 11, 1)).abs().max().item<double>() < 1e-4);
}
