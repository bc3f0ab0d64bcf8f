#include "vision/recolour.h"

#include "core/ops.h"
#include "tests/catch.h"

using namespace limn;

namespace {

Tensor noise(std::int64_t h, std::int64_t w, int low, int high) { return at::randint(low, high, {3, h, w}, at::kByte); }

double mean_of(const Tensor& picture, std::int64_t channel) {
  return picture[channel].to(at::kDouble).mean().item<double>();
}

}  // namespace

TEST_CASE("recoloured pictures have the other's colours", "[recolour]") {
  at::manual_seed(1);
  Tensor like = noise(30, 20, 60, 120);
  like[1].copy_(255 - like[0]);  // two channels that move against each other
  const Tensor picture = noise(25, 50, 0, 256);
  for (const Tensor& made : {recoloured(picture, like), histogram_matched(picture, like)}) {
    CHECK(made.sizes() == picture.sizes());
    for (int c = 0; c < 3; ++c) {
      CHECK(mean_of(made, c) == Approx(mean_of(like, c)).margin(1));
      CHECK(made[c].to(at::kDouble).std().item<double>() ==
            Approx(like[c].to(at::kDouble).std().item<double>()).margin(1.5));
    }
  }
  const Tensor made = recoloured(picture, like).flatten(1).to(at::kDouble);
  CHECK(at::corrcoef(made)[0][1].item<double>() < -0.98);  // so do they now
}

TEST_CASE("a picture in its own colours stays; one colour alone is no fault", "[recolour]") {
  const Tensor picture = noise(16, 16, 0, 256), black = at::zeros({3, 5, 7}, at::kByte);
  const auto apart = [](const Tensor& a, const Tensor& b) {
    return (a.to(at::kInt) - b.to(at::kInt)).abs().max().item<int>();
  };
  CHECK(apart(recoloured(picture, picture), picture) <= 1);
  CHECK(apart(histogram_matched(picture, picture), picture) == 0);
  CHECK(apart(histogram_matched(picture, black), at::zeros_like(picture)) == 0);
  CHECK(apart(recoloured(black, black), black) <= 1);
  CHECK(recoloured(black, picture).sizes() == black.sizes());
}
