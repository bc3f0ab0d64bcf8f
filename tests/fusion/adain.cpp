#include "core/ops.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/fusion/vgg_reference.h"
#include "tests/temporary.h"
#include "vision/paint_layers.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

// AdaIN of features [1 C h w]: per channel the style's mean and sample deviation.
Tensor adain(const Tensor& content, const Tensor& style) {
  const auto flat = [](const Tensor& x) { return x.flatten(2); };
  const auto deviation = [&](const Tensor& x) {
    const Tensor centred = flat(x) - flat(x).mean(-1, true);
    return (centred.square().sum(-1, true) / static_cast<double>(flat(x).size(2) - 1) + 1e-5).sqrt();
  };
  const Tensor own = (flat(content) - flat(content).mean(-1, true)) / deviation(content);
  return (own * deviation(style) + flat(style).mean(-1, true)).view(content.sizes());
}

struct World {
  TemporaryFolder folder;
  NamedTensors vgg, decoder;

  explicit World(Container container = Container::legacy, int last = 29) {
    at::manual_seed(11);
    vgg = reference::random_vgg(last);
    decoder = reference::random_decoder();
    torch_save(folder / "vgg_normalised.pth", vgg, container);
    torch_save(folder / "decoder.pth", decoder, container);
  }
  Stylizer stylizer(at::ScalarType dtype = at::kFloat) const {
    return *open_model(folder.path, {.dtype = dtype}).stylizer;
  }
  std::string refusal() const {
    try {
      open_model(folder.path);
    } catch (const CheckpointError& error) {
      return error.what();
    }
    return {};
  }
};

StylePart part(const Stylizer& s, const Tensor& style, const Tensor& content, const Tensor& share) {
  const auto [h, w] = s.grid(content.size(2), content.size(3));
  return {s.style(style), share.to(content.scalar_type()).expand({1, 1, h, w})};
}

// Features, target and output of the product against the definition.
void check_parity(const World& world, const Tensor& content, const Tensor& style, at::ScalarType dtype,
                  double tolerance) {
  const at::NoGradGuard no_grad;
  CAPTURE(content.sizes(), style.sizes(), dtype);
  const Stylizer s = world.stylizer(dtype);
  const reference::Table vgg = reference::as_double(world.vgg), decoder = reference::as_double(world.decoder);
  const Tensor fc = reference::relu4_1(vgg, content.to(at::kDouble)),
               fs = reference::relu4_1(vgg, style.to(at::kDouble)), target = adain(fc, fs);
  const std::vector<Tensor> got = s.content(content.to(dtype)), read = s.style(style.to(dtype));
  CHECK(reference::apart(got.at(0), fc) < tolerance);
  CHECK(reference::apart(adapted(got.at(0), read.at(0), read.at(1), 1), target) < tolerance);
  const Tensor one = at::ones({1});
  const auto painted = [&](double strength) {
    return s.paint(got, {part(s, style.to(dtype), content.to(dtype), one)}, {.strength = strength}).picture;
  };
  CHECK(reference::apart(painted(1), reference::decoded(decoder, target)) < tolerance);
  if (content.size(2) > 100) return;  // the rest costs more than it tells at full size
  CHECK(reference::apart(painted(0.3), reference::decoded(decoder, 0.3 * target + 0.7 * fc)) < tolerance);
  CHECK(reference::apart(painted(0), reference::decoded(decoder, fc)) < tolerance);
}

}  // namespace

TEST_CASE("AdaIN: features, target and picture are those of the published definition", "[adain][stylize]") {
  const auto [container, last] = GENERATE(table<Container, int>({{Container::legacy, 51}, {Container::zip, 29}}));
  const World world(container, last);  // all of VGG-19 as it is published, and what is needed of it
  if (container == Container::legacy)
    check_parity(world, reference::random_picture(48, 64), reference::random_picture(40, 40), at::kDouble, 1e-11);
  else
    check_parity(world, reference::random_picture(45, 37), reference::random_picture(64, 51), at::kDouble, 1e-11);
}

TEST_CASE("AdaIN: the same in float at real sizes", "[adain][stylize]") {
  const World world;
  check_parity(world, reference::random_picture(256, 384), reference::random_picture(256, 256), at::kFloat, 2e-5);
}

TEST_CASE("AdaIN: several styles are the sum of their results by shares, place by place", "[adain][stylize]") {
  const at::NoGradGuard no_grad;
  const World world;
  const Stylizer s = world.stylizer(at::kDouble);
  const Tensor content = reference::random_picture(32, 48).to(at::kDouble),
               one = reference::random_picture(40, 24).to(at::kDouble),
               two = reference::random_picture(33, 56).to(at::kDouble);
  const reference::Table vgg = reference::as_double(world.vgg), decoder = reference::as_double(world.decoder);
  const Tensor fc = reference::relu4_1(vgg, content);
  const Tensor first = at::rand({1, 1, 4, 6}, at::kDouble);
  const Tensor mixed =
      first * adain(fc, reference::relu4_1(vgg, one)) + (1 - first) * adain(fc, reference::relu4_1(vgg, two));
  const Painted made =
      s.paint(s.content(content), {part(s, one, content, first), part(s, two, content, 1 - first)}, {});
  CHECK(reference::apart(made.picture, reference::decoded(decoder, mixed)) < 1e-11);
  CHECK(at::allclose(made.mass[0], first[0][0]));
}

TEST_CASE("AdaIN: any size is painted; halves of a style are the style, order does not count", "[adain][stylize]") {
  const World world;
  const Stylizer s = world.stylizer();
  const auto bytes = [](std::int64_t h, std::int64_t w) { return at::randint(0, 256, {3, h, w}, at::kByte); };
  const Tensor canvas = bytes(41, 50), a = bytes(33, 20), b = bytes(17, 64);
  const auto apart = [](const Stylized& x, const Stylized& y) {
    return (x.picture.to(at::kInt) - y.picture.to(at::kInt)).abs().max().item<int>();
  };
  CHECK(apart(stylize(s, canvas, {{a}}), stylize(s, canvas, {{a, 0.5}, {a, 0.5}})) <= 1);
  CHECK(apart(stylize(s, canvas, {{a, 2}, {b, 1}}), stylize(s, canvas, {{b, 1}, {a, 2}})) <= 1);
  for (const Tensor& odd : {bytes(1, 1), bytes(3, 40), at::zeros({3, 9, 9}, at::kByte)})
    CHECK(stylize(s, odd, {{odd}}).picture.sizes() == odd.sizes());
}

TEST_CASE("AdaIN: files that are missing, cut off or not AdaIN's are named in one sentence", "[adain][stylize]") {
  const World world;
  CHECK(open_model(world.folder.path).family == "adain");
  CHECK(open_model(world.folder.path).parameters == 3'505'740 + 3'505'219);

  fs::rename(world.folder / "decoder.pth", world.folder / "decoder_iter_90000.pth");
  torch_save(world.folder / "decoder_iter_160000.pth", {{"1.weight", at::zeros({2})}}, Container::zip);
  CHECK_THAT(world.refusal(), ContainsSubstring("wrong shape decoder.1.weight"));  // the latest counts
  fs::remove(world.folder / "decoder_iter_160000.pth");
  CHECK(world.refusal().empty());

  fs::resize_file(world.folder / "vgg_normalised.pth", 1'835'008);
  CHECK_THAT(world.refusal(),
             ContainsSubstring("vgg_normalised.pth: storage \"") && ContainsSubstring("is the file truncated?"));
  NamedTensors torchvision;
  for (const auto& [name, tensor] : world.vgg) torchvision.emplace_back("features." + name, tensor);
  torch_save(world.folder / "vgg_normalised.pth", torchvision, Container::zip);
  CHECK(world.refusal() ==
        (world.folder / "vgg_normalised.pth").string() +
            ": is torchvision's VGG, whose features are of another scale; expected the normalised VGG that "
            "pytorch-AdaIN publishes");
  fs::resize_file(world.folder / "vgg_normalised.pth", 100'000);
  CHECK_THAT(world.refusal(), ContainsSubstring("its directory is missing; is the file truncated?"));

  NamedTensors more = world.vgg;
  more.emplace_back("60.weight", at::zeros({2}));
  torch_save(world.folder / "vgg_normalised.pth", more, Container::zip);
  CHECK_THAT(world.refusal(), ContainsSubstring("unexpected  vgg.60.weight [2]"));
  fs::remove(world.folder / "decoder_iter_90000.pth");
  CHECK(world.refusal() == world.folder.path.string() +
                               ": adain: the decoder is missing, expected vgg_normalised.pth and decoder.pth (or "
                               "decoder_iter_….pth), as pytorch-AdaIN has them");
}
