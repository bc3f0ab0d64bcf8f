#pragma once

#include <array>
#include <filesystem>
#include <span>
#include <vector>

#include "core/attention.h"
#include "vision/vgg.h"

namespace limn {

/// StyTr2: patches of the content and of the style each pass a transformer, the content's attend to the style's, and a
/// convolutional decoder makes the picture. 35 million weights.
///
/// The published code reads squares of one size. Here the position is spread over the content's own grid and the
/// result is laid out by it, so that any two sizes go together; for equal squares it is the same.
/// Source: Deng et al. 2022, https://arxiv.org/abs/2105.14576, section 3, and the authors' code.
struct StyTr2 {
  static constexpr std::int64_t kPatch = 8;
  static constexpr std::int64_t kSmallest = 16;  ///< shortest side in pixels: two patches, for the decoder's borders

  /// Self-attention and MLP, each normalised after its sum. Where tokens have places, queries and keys know them and
  /// values do not.
  struct EncoderLayer {
    Linear query_key, value, out;  // [2D D], [D D], [D D]
    LayerNorm norm1, norm2;
    Linear up, down;
    explicit EncoderLayer(const Weights& w);
    /// @param x  [1 T D]. @param position  the same, or undefined
    Tensor operator()(const Tensor& x, const Tensor& position) const;
  };
  /// A style that the content attends to.
  struct Source {
    Tensor tokens;  // [1 S D]
    Tensor share;   // [1 T 1]: at each of the content's places; over all styles their sum is one
  };
  /// Twice attention to the styles, then an MLP; the layer called self-attention in the paper attends to the style in
  /// the code, and the weights were trained so.
  struct DecoderLayer {
    std::array<Attention, 2> cross;
    std::array<LayerNorm, 3> norms;
    Linear up, down;
    explicit DecoderLayer(const Weights& w);
    Tensor operator()(const Tensor& x, const Tensor& position, std::span<const Source> styles) const;  // [1 T D]
  };

  Tensor embed_weight, embed_bias;  // [D 3 8 8], [D]
  ReflectedConv place;              // 1 x 1
  std::vector<EncoderLayer> content_layers, style_layers;
  std::vector<DecoderLayer> decoder_layers;
  LayerNorm norm;
  VggDecoder to_picture;
  explicit StyTr2(const Weights& w);

  /// Patches as vectors; pixels beyond the last whole patch are not seen.
  Tensor embedded(const Tensor& picture) const;  // float [1 3 H W] in 0..1 -> [1 D h w]
  /// What the patches' places are, told by what is seen there (CAPE): a mean of 18 x 18 regions, spread over the grid.
  Tensor position(const Tensor& patches) const;                         // [1 D h w] -> [1 T D]
  Tensor content(const Tensor& patches, const Tensor& position) const;  // [1 D h w] -> [1 T D]
  Tensor style(const Tensor& patches) const;                            // [1 D h w] -> [1 S D]
  /// The content's tokens after they attended to the styles.
  /// Several styles: every attention is computed for each style alone, and the answers are added by their shares at
  /// each place. One style is the published definition, two halves of a style are that style, and no style is drawn
  /// larger for having more tokens.
  Tensor decoded(const Tensor& content, const Tensor& position, std::span<const Source> styles) const;  // [1 T D]
};

/// The authors' three files under our names, ready for StyTr2.
/// @throws CheckpointError naming a file that is missing, damaged or not theirs
Weights stytr2_weights(const std::filesystem::path& folder, const Placement& placement);

}  // namespace limn
