#include "fusion/steady.h"

#include "core/error.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/moving.h"
#include "tests/small_stylizer.h"
#include "tests/temporary.h"

using namespace limn;

namespace {

Tensor planar(const Tensor& frame) { return frame.permute({2, 0, 1}).contiguous(); }

Tensor still(const Tensor& now, const Tensor&) { return at::zeros({2, now.size(0), now.size(1)}); }

double apart(const Tensor& a, const Tensor& b) {
  return (a.to(at::kFloat) - b.to(at::kFloat)).abs().mean().item<double>();
}

}  // namespace

TEST_CASE("pictures are moved along the flow", "[steady]") {
  const Tensor x = soft_picture(40, 60).permute({2, 0, 1}).unsqueeze(0).to(at::kFloat);
  Tensor flow = at::zeros({2, 40, 60});
  flow[0].fill_(3);
  flow[1].fill_(-2);
  const Tensor moved = warped(x, flow), known = x.narrow(2, 0, 30).narrow(3, 13, 40);
  CHECK(apart(moved.narrow(2, 2, 30).narrow(3, 10, 40), known) < 1e-3);
  CHECK(apart(warped(x, at::zeros({2, 40, 60}), true), x) < 1e-3);
}

TEST_CASE("a frame is known from the one before where flow closes and it looks alike", "[steady]") {
  const Tensor grey = soft_picture(40, 60).select(2, 0).contiguous(), none = at::zeros({2, 40, 60});
  CHECK(sureness(grey, grey, none, none).narrow(2, 4, 32).narrow(3, 4, 52).min().item<double>() > 0.99);
  Tensor changed = grey.clone();
  changed.narrow(0, 10, 20).narrow(1, 10, 20).bitwise_not_();
  const Tensor sure = sureness(changed, grey, none, none);
  CHECK(sure[0][0][20][20].item<double>() < 0.1);
  CHECK(sure[0][0][20][50].item<double>() > 0.99);
  CHECK(sureness(grey, grey, at::full_like(none, 4), at::full_like(none, 4)).max().item<double>() == 0);
}

TEST_CASE("a steady clip: noise is damped, a cut begins anew, protected places stay", "[steady]") {
  const TemporaryFolder folder;
  write_small_stylizer(folder.path);
  const Model model = open_model(folder.path);
  const Tensor scene = planar(soft_picture(64, 80)), style = planar(soft_picture(48, 48, 9));
  const std::vector<StyleItem> styles{{{}, 1, {}, read_style(*model.stylizer, style)}};
  const auto noisy = [&](const Tensor& frame) {
    return (frame.to(at::kFloat) + at::randn(frame.sizes()) * 2).round().clamp(0, 255).to(at::kByte);
  };
  const auto flicker = [&](bool steady) {
    at::manual_seed(1);
    SteadyPainter painter(*model.stylizer, still, {.steady = steady});
    Tensor last;
    double sum = 0;
    for (int i = 0; i < 8; ++i) {
      const Tensor made = painter(noisy(scene), styles).picture;
      if (i > 3) sum += apart(made, last);
      last = made;
    }
    return sum / 4;
  };
  CHECK(flicker(true) < 0.6 * flicker(false));

  SteadyPainter painter(*model.stylizer, still, {});
  Tensor protect = at::zeros({64, 80});
  protect.narrow(0, 0, 20).fill_(1);
  const Tensor other = planar(soft_picture(64, 80, 5));
  const Tensor first = painter(scene, styles, {.protect = protect}).picture;
  CHECK(at::equal(first, stylize(*model.stylizer, scene, styles, {.protect = protect}).picture));
  const Tensor brighter = (scene.to(at::kInt) + 3).clamp(0, 255).to(at::kByte);
  const Tensor next = painter(brighter, styles, {.protect = protect}).picture;
  CHECK(at::equal(next.narrow(1, 0, 20), brighter.narrow(1, 0, 20)));
  CHECK(painter.scenes() == 1);
  const Tensor cut = painter(other, styles, {.protect = protect}).picture;
  CHECK(painter.scenes() == 2);
  CHECK(at::equal(cut, stylize(*model.stylizer, other, styles, {.protect = protect}).picture));
}
