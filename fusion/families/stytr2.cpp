#include "fusion/stytr2.h"

#include "core/ops.h"
#include "fusion/families/vgg_rows.h"
#include "fusion/model.h"
#include "fusion/part_files.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

constexpr const char* kParts[] = {"embedding", "transformer", "decoder"};

#define LIMN_STYTR2_ENCODER(from, to)                                                                                 \
  {from "self_attn.in_proj_{p}", to "query_key.{p}", Fix::first_two_thirds},                                          \
      {from "self_attn.in_proj_{p}", to "value.{p}", Fix::last_third}, {from "self_attn.out_proj.{p}", to "out.{p}"}, \
      {from "linear1.{p}", to "up.{p}"}, {from "linear2.{p}", to "down.{p}"}, {from "norm1.{p}", to "norm1.{p}"}, {   \
    from "norm2.{p}", to "norm2.{p}"                                                                                  \
  }

constexpr Rename kRows[] = {
    {"embedding.proj.{p}", "embed.{p}"},
    {"transformer.new_ps.{p}", "place.{p}"},
    LIMN_STYTR2_ENCODER("transformer.encoder_c.layers.{}.", "content.{}."),
    LIMN_STYTR2_ENCODER("transformer.encoder_s.layers.{}.", "style.{}."),
    {"transformer.decoder.layers.{}.self_attn.in_proj_{p}", "decoder.{}.first.q.{p}", Fix::first_third},
    {"transformer.decoder.layers.{}.self_attn.in_proj_{p}", "decoder.{}.first.kv.{p}", Fix::last_two_thirds},
    {"transformer.decoder.layers.{}.self_attn.out_proj.{p}", "decoder.{}.first.out.{p}"},
    {"transformer.decoder.layers.{}.multihead_attn.in_proj_{p}", "decoder.{}.second.q.{p}", Fix::first_third},
    {"transformer.decoder.layers.{}.multihead_attn.in_proj_{p}", "decoder.{}.second.kv.{p}", Fix::last_two_thirds},
    {"transformer.decoder.layers.{}.multihead_attn.out_proj.{p}", "decoder.{}.second.out.{p}"},
    {"transformer.decoder.layers.{}.linear1.{p}", "decoder.{}.up.{p}"},
    {"transformer.decoder.layers.{}.linear2.{p}", "decoder.{}.down.{p}"},
    {"transformer.decoder.layers.{}.norm1.{p}", "decoder.{}.norm1.{p}"},
    {"transformer.decoder.layers.{}.norm2.{p}", "decoder.{}.norm2.{p}"},
    {"transformer.decoder.layers.{}.norm3.{p}", "decoder.{}.norm3.{p}"},
    {"transformer.decoder.norm.{p}", "norm.{p}"},
    LIMN_VGG_DECODER_ROWS("decoder.", "picture."),
};
#undef LIMN_STYTR2_ENCODER

bool holds(const fs::path& folder) {
  return !latest_iteration(folder, "transformer").empty() || !latest_iteration(folder, "embedding").empty();
}

/// Continued at its lower and right border up to whole patches.
Tensor whole_patches(const Tensor& picture) {
  const auto missing = [](std::int64_t side) { return (StyTr2::kPatch - side % StyTr2::kPatch) % StyTr2::kPatch; };
  const std::int64_t below = missing(picture.size(2)), right = missing(picture.size(3));
  return below + right > 0 ? at::replication_pad2d(picture, {0, right, 0, below}) : picture;
}

// Strength below one gives the rest of each share to the content as a style of its own: a picture in its own style is
// what the model was trained to give back, while a mean of encoder's and decoder's tokens is nothing it ever saw.
Painted paint(const StyTr2& net, const std::vector<Tensor>& content, const std::vector<StylePart>& styles,
              const PaintOptions& options) {
  const Tensor &patches = content.at(0), &position = content.at(1), &tokens = content.at(2);
  std::vector<StyTr2::Source> sources;
  std::vector<Tensor> mass;  // each attention is shared out as asked: every rule of shares gives that
  for (const StylePart& part : styles) {
    mass.push_back(part.share[0][0]);
    if (options.strength > 0) sources.push_back({part.style.at(0), options.strength * part.share.view({1, -1, 1})});
  }
  if (options.strength < 1)
    sources.push_back(
        {net.style(patches), (1 - options.strength) * at::ones_like(styles.at(0).share).view({1, -1, 1})});
  const Tensor painted = net.decoded(tokens, position, sources);  // [1 T D]
  const std::int64_t h = patches.size(2), w = patches.size(3);
  return {net.to_picture(painted.transpose(1, 2).reshape({1, -1, h, w})), at::stack(mass)};
}

Model open(const fs::path& folder, const Json&, const Placement& placement) {
  const Weights weights = stytr2_weights(folder, placement);
  const StyTr2 net(weights);
  weights.finish();

  Model model{.family = "stytr2", .folder = folder, .placement = placement};
  model.parameters = weights.count();
  model.stylizer = Stylizer{
      .smallest = StyTr2::kSmallest,
      .grid = [](std::int64_t height, std::int64_t width) { return std::pair((height + 7) / 8, (width + 7) / 8); },
      .content =
          [net](const Tensor& picture) {
            const Tensor patches = net.embedded(whole_patches(picture)), position = net.position(patches);
            return std::vector<Tensor>{patches, position, net.content(patches, position)};
          },
      .style = [net](const Tensor& picture) { return std::vector<Tensor>{net.style(net.embedded(picture))}; },
      .paint = [net](const std::vector<Tensor>& content, const std::vector<StylePart>& styles,
                     const PaintOptions& options) { return paint(net, content, styles, options); },
      .placement = placement};
  return model;
}

}  // namespace

Weights stytr2_weights(const fs::path& folder, const Placement& placement) {
  std::vector<PartFile> files;
  for (const char* part : kParts) {
    files.push_back({part, latest_iteration(folder, part)});
    if (files.back().file.empty())
      throw CheckpointError(folder.string() + ": stytr2: " + part +
                            "_iter_….pth is missing, expected the authors' three files: embedding_iter_160000.pth, "
                            "transformer_iter_160000.pth and decoder_iter_160000.pth");
  }
  return renamed(read_parts(files), kRows, folder.string(), placement);
}

// Source: Deng et al. 2022, https://arxiv.org/abs/2105.14576; the authors' files as they are published.
extern const Family kStyTr2;
const Family kStyTr2{"stytr2", "https://arxiv.org/abs/2105.14576", nullptr, open, holds};

}  // namespace limn
