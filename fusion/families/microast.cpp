#include "vision/microast.h"

#include "core/ops.h"
#include "core/rename.h"
#include "fusion/model.h"
#include "fusion/part_files.h"
#include "fusion/set_stylizer.h"

namespace limn {

namespace {

// The four published files; their tensors are told apart by the part's name.
constexpr std::pair<const char*, const char*> kFiles[] = {{"content", "content_encoder_iter_160000.pth.tar"},
                                                          {"style", "style_encoder_iter_160000.pth.tar"},
                                                          {"modulator", "modulator_iter_160000.pth.tar"},
                                                          {"decoder", "decoder_iter_160000.pth.tar"}};

#define LIMN_MICROAST_ENCODER(side)                                                                            \
  {side ".enc1.0.conv_layer.{p}", side ".wide.{p}"}, {side ".enc1.2.conv_layer.{p}", side ".reduce1.{p}"},     \
      {side ".enc1.4.conv_layer.{p}", side ".mix1.{p}"}, {side ".enc1.6.conv_layer.{p}", side ".reduce2.{p}"}, \
      {side ".enc1.8.conv_layer.{p}", side ".mix2.{p}"},                                                       \
      {side ".enc1.10.conv1.conv_layer.{p}", side ".shallow.conv1.{p}"},                                       \
      {side ".enc1.10.conv2.conv_layer.{p}", side ".shallow.conv2.{p}"},                                       \
      {side ".enc2.0.conv1.conv_layer.{p}", side ".deep.conv1.{p}"}, {                                         \
    side ".enc2.0.conv2.conv_layer.{p}", side ".deep.conv2.{p}"                                                \
  }

constexpr Rename kRows[] = {
    LIMN_MICROAST_ENCODER("content"),
    LIMN_MICROAST_ENCODER("style"),
    {"modulator.weight1.0.conv_layer.{p}", "modulator.gain.0.{p}"},
    {"modulator.bias1.0.conv_layer.{p}", "modulator.offset.0.{p}"},
    {"modulator.weight2.0.conv_layer.{p}", "modulator.gain.1.{p}"},
    {"modulator.bias2.0.conv_layer.{p}", "modulator.offset.1.{p}"},
    {"decoder.dec1.conv1.conv_layer.{p}", "decoder.deep.conv1.{p}"},
    {"decoder.dec1.conv2.conv_layer.{p}", "decoder.deep.conv2.{p}"},
    {"decoder.dec2.conv1.conv_layer.{p}", "decoder.shallow.conv1.{p}"},
    {"decoder.dec2.conv2.conv_layer.{p}", "decoder.shallow.conv2.{p}"},
    {"decoder.dec3.1.conv_layer.{p}", "decoder.widen1.{p}"},
    {"decoder.dec3.3.conv_layer.{p}", "decoder.mix1.{p}"},
    {"decoder.dec3.6.conv_layer.{p}", "decoder.widen2.{p}"},
    {"decoder.dec3.8.conv_layer.{p}", "decoder.mix2.{p}"},
    {"decoder.dec3.10.conv_layer.{p}", "decoder.last.{p}"},
};
#undef LIMN_MICROAST_ENCODER

bool holds(const std::filesystem::path& folder) {
  for (const auto& [part, file] : kFiles)
    if (std::filesystem::exists(folder / file)) return true;
  return false;
}

TensorTable read(const std::filesystem::path& folder) {
  std::vector<PartFile> files;
  for (const auto& [part, file] : kFiles) files.push_back({part, folder / file});
  return read_parts(files);
}

std::vector<Tensor> listed(const MicroAst::Style& style) {
  std::vector<Tensor> tensors;
  for (const StyleSignal& signal : style)
    tensors.insert(tensors.end(), {signal.mean, signal.deviation, signal.filter_gain, signal.filter_offset});
  return tensors;
}

// Attention of every place over all styles' tokens with equal weights has each style's statistics as its answer; the
// mixture by shares is what is left to compute.
StyleSignal mixture(const std::vector<StylePart>& parts, std::size_t depth, std::int64_t first, std::int64_t rows) {
  const auto mixed = [&](std::size_t index) {
    if (parts.size() == 1) return parts[0].style.at(index);
    Tensor sum;  // [1 rows w 64]: pixel by pixel, as the convolutions want it
    for (const StylePart& part : parts) {
      const Tensor share = part.share[0].narrow(1, first, rows).unsqueeze(-1);  // [1 rows w 1]
      const Tensor one = part.style.at(index).view({1, 1, 1, -1});
      sum = sum.defined() ? at::addcmul(sum, share, one) : share * one;
    }
    return sum.permute({0, 3, 1, 2});
  };
  return {mixed(4 * depth), mixed(4 * depth + 1), mixed(4 * depth + 2), mixed(4 * depth + 3)};
}

// Features of large pictures keep their deep half only: nothing is painted with the shallow one.
std::vector<Tensor> content_of(const MicroAst& net, const Tensor& picture) {
  const bool small = picture.size(2) * picture.size(3) <= MicroAst::kStrip;
  std::vector<Tensor> features(2);
  net.content_encoder.each_depth(picture, [&](std::size_t depth, const Tensor& x) {
    if (depth == 1 || small) features[depth] = x;
  });
  return features;
}

Painted paint(const MicroAst& net, std::vector<Tensor> content, std::vector<StylePart> styles,
              const PaintOptions& options) {
  std::vector<Tensor> mass;  // equal attention: every rule of shares gives what is asked
  for (const StylePart& part : styles) mass.push_back(part.share[0][0]);
  const bool own_style = options.strength < 1 && options.own;
  if (own_style) {
    const Tensor rest = at::full_like(styles.at(0).share, 1 - options.strength);
    for (StylePart& part : styles) part.share = part.share * options.strength;
    styles.push_back({options.own(), rest});
  }
  const StripPainting strips{.strength = own_style ? 1 : options.strength,
                             .pixels = options.strip,
                             .own = settled(options, "deep", channel_moments(content.at(1))),
                             .style = [&](std::size_t depth, std::int64_t first,
                                          std::int64_t rows) { return mixture(styles, depth, first, rows); },
                             .rows = options.rows,
                             .settled = [&](const ChannelMoments& own) { return settled(options, "deepened", own); }};
  return {net.paint(std::move(content.at(1)), strips), at::stack(mass)};
}

Model open(const std::filesystem::path& folder, const Json&, const Placement& placement) {
  const Weights weights = renamed(read(folder), kRows, folder.string(), placement);
  const MicroAst net(weights);
  weights.finish();

  Model model{.family = "microast", .folder = folder, .placement = placement};
  model.parameters = weights.count();
  model.stylizer = Stylizer{
      .smallest = MicroAst::kSmallest,
      .grid = [](std::int64_t height, std::int64_t width) { return std::pair((height + 3) / 4, (width + 3) / 4); },
      .content = [net](const Tensor& picture) { return content_of(net, picture); },
      .style = [net](const Tensor& picture) { return listed(net.style(picture)); },
      .paint = [net](std::vector<Tensor> content, const std::vector<StylePart>& styles,
                     const PaintOptions& options) { return paint(net, std::move(content), styles, options); },
      .placement = placement,
      .room = {.pixel = 17, .strip_pixel = 480, .halo = 48}};
  return model;
}

}  // namespace

TensorTable read_stylizer_start(const std::filesystem::path& folder) {
  if (!holds(folder)) return read_weights(folder);
  const Weights weights = renamed(read(folder), kRows, folder.string(), {});
  const MicroAst net(weights);
  weights.finish();
  TensorTable table;
  for (const auto& [name, tensor] : weights.parameters())
    table["net." + name] = {tensor.sizes().vec(), tensor.scalar_type(), [t = tensor] { return t; }, folder};
  return table;
}

// Source: Wang et al. 2023, https://arxiv.org/abs/2211.15313; the authors' files as they are published.
extern const Family kMicroAst;
const Family kMicroAst{"microast", "https://arxiv.org/abs/2211.15313", nullptr, open, holds};

}  // namespace limn
