#include "vision/efficientnet.h"

#include <algorithm>
#include <cmath>

#include "core/ops.h"
#include "core/transformer.h"
#include "vision/depthwise.h"

namespace limn {

namespace {

std::int64_t rounded_width(double width) {
  std::int64_t rounded = std::max<std::int64_t>(8, static_cast<std::int64_t>(width + 4) / 8 * 8);
  if (static_cast<double>(rounded) < 0.9 * width) rounded += 8;
  return rounded;
}

struct SamePadding {
  std::int64_t out, before, after;
};

SamePadding same_padding(std::int64_t in, std::int64_t kernel, std::int64_t stride) {
  const std::int64_t out = (in + stride - 1) / stride;
  const std::int64_t total = std::max<std::int64_t>((out - 1) * stride + kernel - in, 0);
  return {out, total / 2, total - total / 2};
}

Tensor padded(const Tensor& x, const SamePadding& rows, const SamePadding& columns) {  // [B H W C], zeros around
  if (rows.before + rows.after + columns.before + columns.after == 0) return x.contiguous();
  return at::constant_pad_nd(x, {0, 0, columns.before, columns.after, rows.before, rows.after}).contiguous();
}

// Patches of the padded picture as rows: [B H W C] -> [B H' W' k*k*C]
Tensor unfolded(const Tensor& x, const SamePadding& rows, const SamePadding& columns, std::int64_t kernel,
                std::int64_t stride) {
  const Tensor source = padded(x, rows, columns);
  const std::int64_t B = source.size(0), H = source.size(1), W = source.size(2), C = source.size(3);
  return source
      .as_strided({B, rows.out, columns.out, kernel, kernel * C}, {H * W * C, stride * W * C, stride * C, W * C, 1})
      .reshape({B, rows.out, columns.out, kernel * kernel * C});
}

}  // namespace

EfficientNetConfig efficientnet_lite(int number) {
  static constexpr double kWidth[] = {1.0, 1.0, 1.1, 1.2, 1.4}, kDepth[] = {1.0, 1.1, 1.2, 1.4, 1.8};
  if (number < 0 || number > 4)
    throw InputError("EfficientNet-Lite: got " + std::to_string(number) + ", expected 0 to 4");
  EfficientNetConfig config{.stem = 32,
                            .head = 1280,
                            .stages = {{1, 3, 1, 1, 16},
                                       {6, 3, 2, 2, 24},
                                       {6, 5, 2, 2, 40},
                                       {6, 3, 2, 3, 80},
                                       {6, 5, 1, 3, 112},
                                       {6, 5, 2, 4, 192},
                                       {6, 3, 1, 1, 320}}};
  for (std::size_t i = 0; i < config.stages.size(); ++i) {
    EfficientNetStage& stage = config.stages[i];
    stage.out = rounded_width(static_cast<double>(stage.out) * kWidth[number]);
    if (i != 0 && i + 1 != config.stages.size())
      stage.repeats = static_cast<std::int64_t>(std::ceil(static_cast<double>(stage.repeats) * kDepth[number]));
  }
  return config;
}

FoldedConv::FoldedConv(const Weights& w, std::int64_t in, std::int64_t out, std::int64_t kernel_, std::int64_t stride_,
                       bool depthwise_)
    : weight(w.get("weight", {out, depthwise_ ? 1 : in, kernel_, kernel_})),
      bias(w.get("bias", {out}, Init::zeros)),
      kernel(kernel_),
      stride(stride_),
      depthwise(depthwise_),
      own(!w.trainable() && weight.is_cpu() && weight.scalar_type() == at::kFloat) {
  if (!own) return;
  if (depthwise) {
    weight = weight.view({out, kernel, kernel}).permute({1, 2, 0}).contiguous();
  } else {
    product = std::make_shared<PackedLinear>(weight.permute({0, 2, 3, 1}).reshape({out, -1}).contiguous());
    weight = Tensor();
  }
}

Tensor FoldedConv::as_loaded() const {
  if (!own) return weight;
  if (depthwise) return weight.permute({2, 0, 1}).unsqueeze(1);
  return product->rows().view({bias.size(0), kernel, kernel, -1}).permute({0, 3, 1, 2});
}

Tensor FoldedConv::operator()(const Tensor& x, bool relu6) const {
  const bool ours = own && !(at::GradMode::is_enabled() && x.requires_grad());
  const SamePadding rows = same_padding(x.size(1), kernel, stride), columns = same_padding(x.size(2), kernel, stride);
  if (ours && depthwise)
    return depthwise_convolution(x, weight, bias,
                                 {.kernel = kernel,
                                  .stride = stride,
                                  .rows = {rows.out, rows.before},
                                  .columns = {columns.out, columns.before},
                                  .low = relu6 ? 0.0f : -INFINITY,
                                  .high = relu6 ? 6.0f : INFINITY});
  Tensor y;  // [B H' W' C']
  if (ours) {
    const Tensor patches = kernel == 1 && stride == 1 ? x : unfolded(x, rows, columns, kernel, stride);
    y = (*product)(patches, bias, relu6 ? PackedActivation::relu6 : PackedActivation::none);
    if (y.defined()) return y;
    y = at::linear(patches, product->rows(), bias);
  } else {
    const Tensor channels_first = padded(x, rows, columns).permute({0, 3, 1, 2});  // [B C H W], channels-last in memory
    const std::array<std::int64_t, 2> strides{stride, stride}, none{0, 0}, dense{1, 1};
    y = at::conv2d(channels_first, as_loaded(), bias, at::IntArrayRef(strides), at::IntArrayRef(none),
                   at::IntArrayRef(dense), depthwise ? bias.size(0) : 1)
            .permute({0, 2, 3, 1});
  }
  if (!relu6) return y;
  return y.requires_grad() ? at::clamp(y, 0, 6) : at::clamp_(y, 0, 6);
}

EfficientNet::EfficientNet(const Weights& w, const EfficientNetConfig& c)
    : stem(w / "stem", 3, c.stem, 3, 2, false), head(w / "head", c.stages.back().out, c.head, 1, 1, false) {
  std::int64_t in = c.stem;
  for (const EfficientNetStage& stage : c.stages)
    for (std::int64_t repeat = 0; repeat < stage.repeats; ++repeat) {
      const Weights here = w / "blocks" / static_cast<std::int64_t>(blocks.size());
      const std::int64_t stride = repeat == 0 ? stage.stride : 1, middle = in * stage.expand;
      std::optional<FoldedConv> expand;
      if (stage.expand != 1) expand.emplace(here / "expand", in, middle, 1, 1, false);
      blocks.push_back({std::move(expand), FoldedConv(here / "depthwise", middle, middle, stage.kernel, stride, true),
                        FoldedConv(here / "project", middle, stage.out, 1, 1, false), stride == 1 && in == stage.out});
      in = stage.out;
    }
}

Tensor EfficientNet::grid(const Tensor& pixels) const {
  const auto [B, C, H, W] = dims<4>(pixels, "EfficientNet: pixels [B 3 H W]");
  if (C != 3 || H < 1 || W < 1) throw InputError("EfficientNet: pixels [B 3 H W]: got " + shape_text(pixels.sizes()));
  return in_pieces(pixels, 1, [&](const Tensor& piece) {
    Tensor x = stem(piece.permute({0, 2, 3, 1}), true);  // [B H/2 W/2 stem]
    for (const Bottleneck& block : blocks) {
      Tensor y = block.expand ? (*block.expand)(x, true) : x;
      y = block.project(block.depthwise(y, true), false);
      x = block.residual ? x + y : y;
    }
    return x;
  });
}

TensorTable fold_efficientnet(const TensorTable& published, const EfficientNetConfig& config, const std::string& what) {
  TensorTable folded;
  const auto load = [&](const std::string& name) {
    const auto found = published.find(name);
    if (found == published.end())
      throw CheckpointError(what + ": " + name + " is missing; is this an EfficientNet-Lite file?");
    return found->second.load().to(at::kFloat);
  };
  const auto fold = [&](const std::string& conv, const std::string& norm, const std::string& ours) {
    const Tensor gain = load(norm + ".weight") / (load(norm + ".running_var") + 1e-3).sqrt();  // [out]
    const auto put = [&](const std::string& name, const Tensor& tensor) {
      folded[name] = {tensor.sizes().vec(), at::kFloat, [tensor] { return tensor; }, {}};
    };
    put(ours + ".weight", load(conv + ".weight") * gain.view({-1, 1, 1, 1}));
    put(ours + ".bias", load(norm + ".bias") - load(norm + ".running_mean") * gain);
  };
  fold("_conv_stem", "_bn0", "stem");
  std::int64_t index = 0;
  for (const EfficientNetStage& stage : config.stages)
    for (std::int64_t repeat = 0; repeat < stage.repeats; ++repeat, ++index) {
      const std::string theirs = "_blocks." + std::to_string(index), ours = "blocks." + std::to_string(index);
      if (stage.expand != 1) fold(theirs + "._expand_conv", theirs + "._bn0", ours + ".expand");
      fold(theirs + "._depthwise_conv", theirs + "._bn1", ours + ".depthwise");
      fold(theirs + "._project_conv", theirs + "._bn2", ours + ".project");
    }
  fold("_conv_head", "_bn1", "head");
  return folded;
}

}  // namespace limn
