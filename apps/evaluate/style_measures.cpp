#include "apps/evaluate/style_measures.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "core/ops.h"

namespace limn {

namespace {

Tensor gaussian_window(std::int64_t side, double sigma) {  // [1 1 side side], sum 1
  const Tensor x = at::arange(side, at::kFloat) - static_cast<double>(side - 1) / 2;
  const Tensor line = (x.square() / (-2 * sigma * sigma)).exp();
  const Tensor window = line.unsqueeze(1) * line;
  return (window / window.sum()).view({1, 1, side, side});
}

Tensor grey(const Tensor& x) {  // [B 3 H W] -> [B 1 H W]
  return 0.299 * x.narrow(1, 0, 1) + 0.587 * x.narrow(1, 1, 1) + 0.114 * x.narrow(1, 2, 1);
}

constexpr std::int64_t kPatch = 7, kDirections = 128, kPatches = 2048, kScales = 4;

/// Random patches of a picture as rows. [n 3 * 7 * 7]
Tensor patches(const Tensor& picture, at::Generator& generator) {
  const Tensor all = at::im2col(picture, {kPatch, kPatch}, {1, 1}, {0, 0}, {1, 1})[0].t();  // [N 147]
  return all.index_select(0, at::randint(0, all.size(0), {kPatches}, generator, at::kLong));
}

}  // namespace

FeatureMoments feature_moments(const std::vector<Tensor>& features, const Tensor& region) {
  FeatureMoments moments;
  for (const Tensor& x : features) {
    Tensor mean, variance;
    if (region.defined()) {
      const Tensor weight = at::adaptive_avg_pool2d(region, {x.size(2), x.size(3)});
      const Tensor total = weight.sum(at::IntArrayRef{2, 3}, true).clamp_min(1e-6);
      const auto averaged = [&](const Tensor& t) { return (t * weight).sum(at::IntArrayRef{2, 3}, true) / total; };
      mean = averaged(x);
      variance = averaged((x - mean).square());
    } else {
      std::tie(variance, mean) = at::var_mean(x, at::IntArrayRef{2, 3}, /*correction=*/at::Scalar(0), /*keepdim=*/true);
    }
    moments.mean.push_back(mean.flatten(1));
    moments.deviation.push_back((variance + 1e-5).sqrt().flatten(1));
  }
  return moments;
}

FeatureMoments mixed_moments(const std::vector<FeatureMoments>& styles, const std::vector<Tensor>& shares) {
  FeatureMoments mixed;
  for (std::size_t depth = 0; depth < styles[0].mean.size(); ++depth) {
    Tensor mean = at::zeros_like(styles[0].mean[depth]), deviation = at::zeros_like(mean);
    for (std::size_t i = 0; i < styles.size(); ++i) {
      const Tensor share = shares[i].reshape({-1, 1});
      mean = mean + share * styles[i].mean[depth];
      deviation = deviation + share * styles[i].deviation[depth];
    }
    mixed.mean.push_back(mean);
    mixed.deviation.push_back(deviation);
  }
  return mixed;
}

Tensor style_distance(const FeatureMoments& of, const FeatureMoments& wanted) {
  const auto mean_square = [](const Tensor& x) { return x.square().mean(at::IntArrayRef{1}); };
  Tensor sum;
  for (std::size_t depth = 0; depth < of.mean.size(); ++depth) {
    const Tensor apart =
        mean_square(of.mean[depth] - wanted.mean[depth]) + mean_square(of.deviation[depth] - wanted.deviation[depth]);
    const Tensor ratio = apart / (mean_square(wanted.mean[depth]) + mean_square(wanted.deviation[depth]));
    sum = sum.defined() ? sum + ratio : ratio;
  }
  return sum / static_cast<double>(of.mean.size());
}

Tensor content_distance(const std::vector<Tensor>& of, const std::vector<Tensor>& content) {
  const auto unit = [](const Tensor& x) {
    return x / (x.square().sum(at::IntArrayRef{1}, /*keepdim=*/true) + 1e-8).sqrt();
  };
  Tensor sum;
  for (std::size_t depth = 1; depth < of.size(); ++depth) {
    const Tensor apart =
        (unit(of[depth]) - unit(content[depth])).square().sum(at::IntArrayRef{1}).mean(at::IntArrayRef{1, 2});
    sum = sum.defined() ? sum + apart : apart;
  }
  return sum / static_cast<double>(of.size() - 1);
}

Tensor structural_similarity(const Tensor& a, const Tensor& b) {
  const Tensor x = grey(a), y = grey(b), window = gaussian_window(11, 1.5);
  const auto blurred = [&](const Tensor& t) { return at::conv2d(t, window); };
  const Tensor mx = blurred(x), my = blurred(y);
  const Tensor vx = blurred(x * x) - mx * mx, vy = blurred(y * y) - my * my, both = blurred(x * y) - mx * my;
  constexpr double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
  const Tensor map = (2 * mx * my + c1) * (2 * both + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2));
  return map.mean(at::IntArrayRef{1, 2, 3});
}

double patch_distance(const Tensor& a, const Tensor& b) {
  const at::NoGradGuard no_grad;
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(std::uint64_t{7});
  Tensor directions = at::randn({kPatch * kPatch * 3, kDirections}, generator, at::kFloat);
  directions = directions / directions.norm(2, at::IntArrayRef{0}, true);
  double sum = 0;
  Tensor x = a, y = b;
  for (std::int64_t scale = 0; scale < kScales; ++scale) {
    const Tensor px = std::get<0>(at::matmul(patches(x, generator), directions).sort(0));
    const Tensor py = std::get<0>(at::matmul(patches(y, generator), directions).sort(0));
    sum += (px - py).abs().mean().item<double>();
    x = at::avg_pool2d(x, {2, 2});
    y = at::avg_pool2d(y, {2, 2});
  }
  return sum / static_cast<double>(kScales);
}

double peak_ratio(const Tensor& a, const Tensor& b) {
  return -10 * std::log10(std::max((a - b).square().mean().item<double>(), 1e-12));
}

}  // namespace limn
