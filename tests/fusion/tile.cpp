#include "fusion/tile.h"

#include "core/error.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/places.h"
#include "vision/image.h"
#include "vision/resize.h"

using namespace limn;

namespace {

Tensor read(const char* name, std::int64_t H, std::int64_t W) {
  const Tensor pixels = read_image(source_folder() / name).pixels;
  return resize(pixels, H, W).permute({2, 0, 1}).contiguous();
}

/// Mean change from one side to the other where the picture is laid beside itself, over that between neighbours inside.
double seam(const Tensor& picture, std::int64_t dim) {
  const Tensor x = picture.to(at::kFloat);
  const std::int64_t length = x.size(dim);
  const Tensor across = (x.select(dim, 0) - x.select(dim, length - 1)).abs().mean();
  const Tensor inside = (x.narrow(dim, 1, length - 1) - x.narrow(dim, 0, length - 1)).abs().mean();
  return across.item<double>() / inside.item<double>();
}

}  // namespace

TEST_CASE("periodic part: borders meet, the rest stays", "[tile]") {
  const Tensor photo = read("photos/kitchen.jpg", 120, 160), periodic = periodic_part(photo);
  for (const std::int64_t dim : {1, 2}) CHECK(seam(periodic, dim) < 0.5 * seam(photo, dim) + 0.6);
  const Tensor apart = (periodic.to(at::kFloat) - photo.to(at::kFloat)).abs();
  CHECK(apart.narrow(1, 40, 40).narrow(2, 50, 60).mean().item<double>() < 12);
  const Tensor tile = at::full({3, 8, 24}, 77, at::kByte);
  CHECK(at::equal(periodic_part(tile), tile));
}

TEST_CASE("a tile goes on across its borders", "[tile]") {
  const Model model = open_model(source_folder() / "models/limn-stylizer");
  const Tensor photo = read("photos/kitchen.jpg", 200, 264),
               style = read("paintings/van-gogh-starry-night.jpg", 160, 200);
  const Stylized plain = stylize(*model.stylizer, photo, {{style}}),
                 tile = stylize_tile(*model.stylizer, photo, {{style}});
  CHECK(tile.picture.sizes() == photo.sizes());
  CHECK(tile.mass.sizes() == plain.mass.sizes());
  for (const std::int64_t dim : {1, 2}) {
    CHECK(seam(tile.picture, dim) < 1.25);
    CHECK(seam(plain.picture, dim) > 1.5);
  }
  CHECK_THROWS_WITH(stylize_tile(*model.stylizer, read("photos/kitchen.jpg", 201, 264), {{style}}),
                    ContainsSubstring("expected sides in multiples of 8"));
}
