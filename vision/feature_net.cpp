#include "vision/feature_net.h"

#include "core/ops.h"

namespace limn {

namespace {

FeatureNet::Conv conv(const Weights& w, std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                      std::int64_t padding) {
  return {w.get("weight", {out, in, kernel, kernel}), w.get("bias", {out}), stride, padding};
}

Tensor per_channel(double red, double green, double blue) {
  return at::tensor({red, green, blue}, at::kFloat).view({1, 3, 1, 1});
}

/// Source: Iandola et al. 2016, https://arxiv.org/abs/1602.07360, and the authors' SqueezeNet_v1.1.
FeatureNet squeezenet(const Weights& w) {
  FeatureNet net{.name = "SqueezeNet 1.1",
                 .mean = per_channel(123.0 / 255, 117.0 / 255, 104.0 / 255),
                 .deviation = per_channel(1.0 / 255, 1.0 / 255, 1.0 / 255),
                 .pool = 3,
                 .stages = {}};
  net.stages.push_back({.pool = false, .keep = true, .convs = {conv(w / "conv1", 3, 64, 3, 2, 0)}});
  net.stages[0].convs[0].weight = net.stages[0].convs[0].weight.flip({1});  // it was trained on BGR
  constexpr std::int64_t squeeze[] = {16, 16, 32, 32, 48, 48, 64};
  std::int64_t width = 64;
  for (std::int64_t n = 2; n <= 8; ++n) {
    const std::int64_t s = squeeze[n - 2], e = 4 * s;
    const std::string fire = "fire" + std::to_string(n) + "/";
    net.stages.push_back(
        {.pool = n == 2 || n == 4 || n == 6,
         .keep = n == 3 || n == 5 || n == 8,
         .convs = {conv(w / (fire + "squeeze1x1"), width, s, 1, 1, 0), conv(w / (fire + "expand1x1"), s, e, 1, 1, 0),
                   conv(w / (fire + "expand3x3"), s, e, 3, 1, 1)}});
    width = 2 * e;
  }
  return net;
}

/// Source: Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556.
/// @param third  convolutions of its third stage: 3 in VGG-16, 4 in VGG-19
FeatureNet vgg(const Weights& w, std::int64_t third) {
  FeatureNet net{.name = third == 4 ? "VGG-19" : "VGG-16",
                 .mean = per_channel(0.485, 0.456, 0.406),
                 .deviation = per_channel(0.229, 0.224, 0.225),
                 .pool = 2,
                 .stages = {}};
  const std::pair<std::int64_t, std::int64_t> widths[] = {{64, 2}, {128, 2}, {256, third}, {512, 1}};
  std::int64_t index = 0, width = 3;
  for (const auto& [out, count] : widths) {
    for (std::int64_t i = 0; i < count; ++i, index += 2) {
      net.stages.push_back(
          {.pool = i == 0 && index > 0, .keep = i == 0, .convs = {conv(w / "features" / index, width, out, 3, 1, 1)}});
      width = out;
    }
    ++index;  // the pooling
  }
  return net;
}

}  // namespace

Tensor FeatureNet::Conv::operator()(const Tensor& x) const {
  return at::conv2d(x, weight, bias, at::IntArrayRef{stride, stride}, at::IntArrayRef{padding, padding}).relu_();
}

std::vector<Tensor> FeatureNet::operator()(const Tensor& pictures) const {
  const auto [B, C, H, W] = dims<4>(pictures, "FeatureNet: pictures [B 3 H W]");
  if (C != 3 || std::min(H, W) < 32)
    throw InputError("FeatureNet: pictures [B 3 H W]: got " + shape_text(pictures.sizes()) +
                     ", expected 3 channels and sides of at least 32");
  std::vector<Tensor> kept;
  Tensor x = (pictures - mean) / deviation;
  for (const Stage& stage : stages) {
    if (stage.pool) x = at::max_pool2d(x, {pool, pool}, {2, 2}, {0, 0}, {1, 1}, /*ceil_mode=*/pool == 3);
    x = stage.convs[0](x);
    if (stage.convs.size() == 3) x = at::cat({stage.convs[1](x), stage.convs[2](x)}, 1);
    if (stage.keep) kept.push_back(x);
  }
  return kept;
}

FeatureNet open_feature_net(const std::filesystem::path& file, const Placement& placement) {
  TensorTable table = read_tensor_file(file);
  const auto drop = [&](auto unused) { std::erase_if(table, [&](const auto& item) { return unused(item.first); }); };
  const bool squeeze = table.contains("fire2/squeeze1x1.weight"), deep = table.contains("features.34.weight");
  if (!squeeze && !(table.contains("features.0.weight") && table.contains("features.28.weight")))
    throw CheckpointError(file.string() +
                          ": holds no known feature network, expected SqueezeNet 1.1 (Caffe's names) or torchvision's "
                          "VGG-16 or VGG-19");
  // What lies behind the last depth is not read.
  if (squeeze)
    drop([](const std::string& name) { return name.starts_with("fire9/") || name.starts_with("conv10."); });
  else
    drop([last = deep ? 19 : 17](const std::string& name) {
      return !name.starts_with("features.") || std::atoi(name.c_str() + 9) > last;
    });
  const Weights weights(std::move(table), {.placement = placement, .what = file.string()});
  FeatureNet net = squeeze ? squeezenet(weights) : vgg(weights, deep ? 4 : 3);
  weights.finish();
  net.mean = net.mean.to(placement.device);
  net.deviation = net.deviation.to(placement.device);
  return net;
}

}  // namespace limn
