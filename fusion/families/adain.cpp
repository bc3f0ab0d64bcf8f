#include "core/ops.h"
#include "fusion/families/vgg_rows.h"
#include "fusion/model.h"
#include "fusion/part_files.h"
#include "vision/vgg.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

constexpr Rename kRows[] = {
    {"vgg.0.{p}", "encoder.colours.{p}"},
    {"vgg.2.{p}", "encoder.0.{p}"},
    {"vgg.5.{p}", "encoder.1.{p}"},
    {"vgg.9.{p}", "encoder.2.{p}"},
    {"vgg.12.{p}", "encoder.3.{p}"},
    {"vgg.16.{p}", "encoder.4.{p}"},
    {"vgg.19.{p}", "encoder.5.{p}"},
    {"vgg.22.{p}", "encoder.6.{p}"},
    {"vgg.25.{p}", "encoder.7.{p}"},
    {"vgg.29.{p}", "encoder.8.{p}"},
    // The rest of VGG-19, behind relu4_1.
    {"vgg.32.{p}", ""},
    {"vgg.35.{p}", ""},
    {"vgg.38.{p}", ""},
    {"vgg.42.{p}", ""},
    {"vgg.45.{p}", ""},
    {"vgg.48.{p}", ""},
    {"vgg.51.{p}", ""},
    LIMN_VGG_DECODER_ROWS("decoder.", "decoder."),
};

constexpr const char* kEncoderFile = "vgg_normalised.pth";

/// The published decoder, or the last one of a training.
fs::path decoder_file(const fs::path& folder) {
  return fs::exists(folder / "decoder.pth") ? folder / "decoder.pth" : latest_iteration(folder, "decoder");
}

/// StyTr2's folders may hold these files, too.
bool holds(const fs::path& folder) {
  return (fs::exists(folder / kEncoderFile) || fs::exists(folder / "decoder.pth")) &&
         latest_iteration(folder, "transformer").empty();
}

TensorTable read(const fs::path& folder) {
  const fs::path encoder = folder / kEncoderFile, decoder = decoder_file(folder);
  if (!fs::exists(encoder) || decoder.empty())
    throw CheckpointError(folder.string() + ": adain: " + (decoder.empty() ? "the decoder" : kEncoderFile) +
                          " is missing, expected " + kEncoderFile +
                          " and decoder.pth (or decoder_iter_….pth), as pytorch-AdaIN has them");
  const PartFile files[] = {{"vgg", encoder}, {"decoder", decoder}};
  const TensorTable table = read_parts(files);
  if (table.contains("vgg.features.0.weight"))
    throw CheckpointError(encoder.string() +
                          ": is torchvision's VGG, whose features are of another scale; expected the normalised VGG "
                          "that pytorch-AdaIN publishes");
  return table;
}

// A style's mean and deviation at every place: the sum of AdaIN's results by shares is AdaIN with the sums by shares.
Tensor mixture(const std::vector<StylePart>& parts, std::size_t which) {
  Tensor sum;  // [1 512 h w]
  for (const StylePart& part : parts) {
    const Tensor term = part.style.at(which) * part.share;
    sum = sum.defined() ? sum + term : term;
  }
  return sum;
}

Model open(const fs::path& folder, const Json&, const Placement& placement) {
  const Weights weights = renamed(read(folder), kRows, folder.string(), placement);
  const VggEncoder encoder(weights / "encoder");
  const VggDecoder decoder(weights / "decoder");
  weights.finish();

  Model model{.family = "adain", .folder = folder, .placement = placement};
  model.parameters = weights.count();
  model.stylizer = Stylizer{
      .smallest = VggEncoder::kSmallest,
      .grid = [](std::int64_t height, std::int64_t width) { return std::pair((height + 7) / 8, (width + 7) / 8); },
      .content = [encoder](const Tensor& picture) { return std::vector<Tensor>{encoder(picture)}; },
      .style =
          [encoder](const Tensor& picture) {
            const ChannelMoments moments = channel_moments(encoder(picture));
            return std::vector<Tensor>{moments.mean, moments.deviation};
          },
      .paint =
          [decoder](const std::vector<Tensor>& content, const std::vector<StylePart>& styles,
                    const PaintOptions& options) {
            std::vector<Tensor> mass;  // statistics have no places: every rule of shares gives what is asked
            for (const StylePart& part : styles) mass.push_back(part.share[0][0]);
            const Tensor& x = content.at(0);
            const ChannelMoments own = settled(options, "relu4_1", channel_moments(x));
            return Painted{decoder(adapted(x, own, mixture(styles, 0), mixture(styles, 1), options.strength)),
                           at::stack(mass)};
          },
      .placement = placement};
  return model;
}

}  // namespace

// Source: Huang and Belongie 2017, https://arxiv.org/abs/1703.06868; files as pytorch-AdaIN publishes them.
extern const Family kAdaIn;
const Family kAdaIn{"adain", "https://arxiv.org/abs/1703.06868", nullptr, open, holds};

}  // namespace limn
