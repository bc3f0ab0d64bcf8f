#include "vision/feature_net.h"

#include "core/files.h"
#include "core/ops.h"
#include "tests/catch.h"
#include "tests/small_feature_net.h"
#include "tests/temporary.h"

using namespace limn;

TEST_CASE("SqueezeNet's features: depths, colours' order, gradients", "[feature_net]") {
  const TemporaryFolder folder;
  write_random_squeezenet(folder / "net.safetensors");
  const FeatureNet net = open_feature_net(folder / "net.safetensors");
  CHECK(net.name == "SqueezeNet 1.1");
  const Tensor picture = at::rand({2, 3, 67, 80}).requires_grad_(true);
  const std::vector<Tensor> features = net(picture);
  REQUIRE(features.size() == FeatureNet::kDepths);
  CHECK(features[0].sizes() == at::IntArrayRef({2, 64, 33, 39}));
  CHECK(features[1].sizes() == at::IntArrayRef({2, 128, 16, 19}));
  CHECK(features[2].sizes() == at::IntArrayRef({2, 256, 8, 9}));
  CHECK(features[3].sizes() == at::IntArrayRef({2, 512, 4, 4}));
  features[3].sum().backward();
  CHECK(picture.grad().abs().sum().item<float>() > 0);

  // The first convolution by its definition: blue, green, red in 0..255 less the means.
  const Tensor w = read_tensor_file(folder / "net.safetensors").at("conv1.weight").load();
  const double means[] = {104, 117, 123};
  double sum = 0;
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 3; ++y)
      for (int x = 0; x < 3; ++x)
        sum += w[5][c][y][x].item<double>() * (picture[1][2 - c][10 + y][14 + x].item<double>() * 255 - means[c]);
  CHECK(features[0][1][5][5][7].item<double>() == Approx(std::max(sum, 0.0)).margin(1e-3));
}

TEST_CASE("VGG as torchvision saves it; other files are refused", "[feature_net]") {
  const TemporaryFolder folder;
  std::vector<std::pair<std::string, Tensor>> tensors{{"classifier.0.weight", at::zeros({4, 4})}};
  const std::int64_t widths[] = {64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512};
  std::int64_t index = 0, in = 3;
  for (const std::int64_t out : widths) {
    if (out > 0) {
      const std::string name = "features." + std::to_string(index);
      tensors.emplace_back(name + ".weight", at::randn({out, in, 3, 3}) * 0.02);
      tensors.emplace_back(name + ".bias", at::zeros({out}));
      in = out;
    }
    index += out > 0 ? 2 : 1;
  }
  write_safetensors(folder / "vgg.safetensors", tensors);
  const FeatureNet net = open_feature_net(folder / "vgg.safetensors");
  CHECK(net.name == "VGG-16");
  const auto features = net(at::rand({1, 3, 40, 64}));
  CHECK(features[0].sizes() == at::IntArrayRef({1, 64, 40, 64}));
  CHECK(features[3].sizes() == at::IntArrayRef({1, 512, 5, 8}));
  write_safetensors(folder / "other.safetensors", {{"a", at::zeros({1})}});
  CHECK_THROWS_WITH(open_feature_net(folder / "other.safetensors"),
                    (folder / "other.safetensors").string() +
                        ": holds no known feature network, expected SqueezeNet 1.1 (Caffe's names) or torchvision's "
                        "VGG-16 or VGG-19");
}
