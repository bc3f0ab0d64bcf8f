#include "fusion/stytr2.h"

#include "core/ops.h"

namespace limn {

namespace {

constexpr std::int64_t kWidth = 512, kHeads = 8, kMlp = 2048, kLayers = 3, kRegions = 18;
constexpr double kEps = 1e-5;

Tensor rows(const Tensor& x) { return x.flatten(2).transpose(1, 2); }  // [1 D h w] -> [1 T D]

template <typename Layer>
std::vector<Layer> stack(const Weights& w) {
  std::vector<Layer> layers;
  for (std::int64_t i = 0; i < kLayers; ++i) layers.emplace_back(w / i);
  return layers;
}

}  // namespace

StyTr2::EncoderLayer::EncoderLayer(const Weights& w)
    : query_key(w / "query_key", kWidth, 2 * kWidth),
      value(w / "value", kWidth, kWidth),
      out(w / "out", kWidth, kWidth),
      norm1(w / "norm1", kWidth, kEps),
      norm2(w / "norm2", kWidth, kEps),
      up(w / "up", kWidth, kMlp),
      down(w / "down", kMlp, kWidth) {}

Tensor StyTr2::EncoderLayer::operator()(const Tensor& x, const Tensor& position) const {
  const std::int64_t T = x.size(1);
  const auto heads = [T](const Tensor& t) { return t.view({1, T, kHeads, kWidth / kHeads}).transpose(1, 2); };
  const auto qk = query_key(position.defined() ? x + position : x).chunk(2, -1);  // 2 x [1 T D]
  const Tensor seen = attend(heads(qk[0]), heads(qk[1]), heads(value(x)));        // [1 A T K]
  const Tensor y = norm1(x + out(seen.transpose(1, 2).reshape({1, T, kWidth})));
  return norm2(y + down(up.activated(y, Activation::relu)));
}

StyTr2::DecoderLayer::DecoderLayer(const Weights& w)
    : cross{Attention(w / "first", kWidth, kHeads, kWidth), Attention(w / "second", kWidth, kHeads, kWidth)},
      norms{LayerNorm(w / "norm1", kWidth, kEps), LayerNorm(w / "norm2", kWidth, kEps),
            LayerNorm(w / "norm3", kWidth, kEps)},
      up(w / "up", kWidth, kMlp),
      down(w / "down", kMlp, kWidth) {}

Tensor StyTr2::DecoderLayer::operator()(const Tensor& x, const Tensor& position, std::span<const Source> styles) const {
  Tensor y = x;
  for (std::size_t n = 0; n < cross.size(); ++n) {
    const Tensor asking = y + position;
    for (const Source& style : styles) {
      const Tensor seen = cross[n](asking, {.context = style.tokens});
      y = y + (styles.size() == 1 ? seen : seen * style.share);
    }
    y = norms[n](y);
  }
  return norms[2](y + down(up.activated(y, Activation::relu)));
}

StyTr2::StyTr2(const Weights& w)
    : embed_weight(w.get("embed.weight", {kWidth, 3, kPatch, kPatch})),
      embed_bias(w.get("embed.bias", {kWidth}, Init::zeros)),
      place(w / "place", kWidth, kWidth, 1),
      content_layers(stack<EncoderLayer>(w / "content")),
      style_layers(stack<EncoderLayer>(w / "style")),
      decoder_layers(stack<DecoderLayer>(w / "decoder")),
      norm(w / "norm", kWidth, kEps),
      to_picture(w / "picture") {}

Tensor StyTr2::embedded(const Tensor& picture) const {
  const auto [B, C, H, W] = dims<4>(picture, "StyTr2: picture [1 3 H W]");
  if (B != 1 || C != 3 || std::min(H, W) < kSmallest)
    throw InputError("StyTr2: picture [1 3 H W]: got " + shape_text(picture.sizes()) +
                     ", expected one of 3 channels and sides of at least " + std::to_string(kSmallest));
  return at::conv2d(picture, embed_weight, embed_bias, at::IntArrayRef{kPatch, kPatch});
}

Tensor StyTr2::position(const Tensor& patches) const {
  const Tensor regions = place(at::adaptive_avg_pool2d(patches, {kRegions, kRegions}));
  return rows(at::upsample_bilinear2d(regions, {patches.size(2), patches.size(3)}, /*align_corners=*/false));
}

Tensor StyTr2::content(const Tensor& patches, const Tensor& position) const {
  Tensor x = rows(patches);
  for (const EncoderLayer& layer : content_layers) x = layer(x, position);
  return x;
}

Tensor StyTr2::style(const Tensor& patches) const {
  Tensor x = rows(patches);
  for (const EncoderLayer& layer : style_layers) x = layer(x, {});
  return x;
}

Tensor StyTr2::decoded(const Tensor& content, const Tensor& position, std::span<const Source> styles) const {
  Tensor x = content;
  for (const DecoderLayer& layer : decoder_layers) x = layer(x, position, styles);
  return norm(x);
}

}  // namespace limn
