#include "vision/efficientnet.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/ops.h"

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

struct DepthwiseShape {
  std::int64_t height, width, channels, kernel, stride, top, left;  // top, left: padding
};

// One output row of a depthwise convolution with its ReLU6, channels innermost, so that the compiler vectorises over
// them. Taps outside the picture are left out instead of padding a copy.
__attribute__((target_clones("avx512f", "avx2", "default"))) void depthwise_row(const float* in, const float* weight,
                                                                                const float* bias, float* out,
                                                                                std::int64_t row, std::int64_t columns,
                                                                                const DepthwiseShape& s) {
  using Lanes = float __attribute__((vector_size(64)));  // compiled for 512, 256 or 128 bits
  constexpr std::int64_t chunk = sizeof(Lanes) / sizeof(float);
  const std::int64_t y0 = row * s.stride - s.top, C = s.channels;
  const std::int64_t ky_begin = y0 < 0 ? -y0 : 0, ky_end = s.height - y0 < s.kernel ? s.height - y0 : s.kernel;
  for (std::int64_t column = 0; column < columns; ++column) {
    const std::int64_t x0 = column * s.stride - s.left;
    const std::int64_t kx_begin = x0 < 0 ? -x0 : 0, kx_end = s.width - x0 < s.kernel ? s.width - x0 : s.kernel;
    std::int64_t c = 0;
    for (; c + chunk <= C; c += chunk) {
      Lanes sum, source, factor;
      std::memcpy(&sum, bias + c, sizeof sum);
      for (std::int64_t ky = ky_begin; ky < ky_end; ++ky)
        for (std::int64_t kx = kx_begin; kx < kx_end; ++kx) {
          std::memcpy(&source, in + ((y0 + ky) * s.width + x0 + kx) * C + c, sizeof source);
          std::memcpy(&factor, weight + (ky * s.kernel + kx) * C + c, sizeof factor);
          sum += source * factor;
        }
      sum = sum > 0.0f ? sum : 0.0f;
      sum = sum < 6.0f ? sum : 6.0f;
      std::memcpy(out + column * C + c, &sum, sizeof sum);
    }
    for (; c < C; ++c) {
      float sum = bias[c];
      for (std::int64_t ky = ky_begin; ky < ky_end; ++ky)
        for (std::int64_t kx = kx_begin; kx < kx_end; ++kx)
          sum += in[((y0 + ky) * s.width + x0 + kx) * C + c] * weight[(ky * s.kernel + kx) * C + c];
      out[column * C + c] = std::min(std::max(sum, 0.0f), 6.0f);
    }
  }
}

Tensor depthwise_relu6(const Tensor& x, const Tensor& packed, const Tensor& bias, const SamePadding& rows,
                       const SamePadding& columns, std::int64_t kernel, std::int64_t stride) {
  const Tensor source = x.contiguous();
  const DepthwiseShape shape{source.size(1), source.size(2), source.size(3), kernel,
                             stride,         rows.before,    columns.before};
  const std::int64_t B = source.size(0), C = shape.channels;
  Tensor result = at::empty({B, rows.out, columns.out, C}, source.options());
  const float* in = source.const_data_ptr<float>();
  float* out = result.mutable_data_ptr<float>();
  const float* weight = packed.const_data_ptr<float>();
  const float* offset = bias.const_data_ptr<float>();
  at::parallel_for(0, B * rows.out, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      depthwise_row(in + i / rows.out * shape.height * shape.width * C, weight, offset, out + i * columns.out * C,
                    i % rows.out, columns.out, shape);
  });
  return result;
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

FoldedConv::FoldedConv(const Weights& w, std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride_,
                       bool depthwise_)
    : weight(w.get("weight", {out, depthwise_ ? 1 : in, kernel, kernel})),
      bias(w.get("bias", {out}, Init::zeros)),
      stride(stride_),
      depthwise(depthwise_) {
  if (w.trainable() || !weight.is_cpu() || weight.scalar_type() != at::kFloat) return;
  packed = depthwise ? weight.view({out, kernel, kernel}).permute({1, 2, 0}).contiguous()
                     : weight.permute({0, 2, 3, 1}).reshape({out, -1}).contiguous();
}

Tensor FoldedConv::operator()(const Tensor& x, bool relu6) const {
  const std::int64_t kernel = weight.size(2);
  const SamePadding rows = same_padding(x.size(1), kernel, stride), columns = same_padding(x.size(2), kernel, stride);
  Tensor y;  // [B H' W' C']
  if (packed.defined() && depthwise && relu6) return depthwise_relu6(x, packed, bias, rows, columns, kernel, stride);
  if (packed.defined() && !depthwise) {
    y = at::linear(kernel == 1 && stride == 1 ? x : unfolded(x, rows, columns, kernel, stride), packed, bias);
  } else {
    const Tensor channels_first = padded(x, rows, columns).permute({0, 3, 1, 2});  // [B C H W], channels-last in memory
    const std::array<std::int64_t, 2> strides{stride, stride}, none{0, 0}, dense{1, 1};
    y = at::conv2d(channels_first, weight, bias, at::IntArrayRef(strides), at::IntArrayRef(none),
                   at::IntArrayRef(dense), depthwise ? weight.size(0) : 1)
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
  Tensor x = stem(pixels.permute({0, 2, 3, 1}), true);  // [B H/2 W/2 stem]
  for (const Bottleneck& block : blocks) {
    Tensor y = block.expand ? (*block.expand)(x, true) : x;
    y = block.project(block.depthwise(y, true), false);
    x = block.residual ? x + y : y;
  }
  return x;
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
