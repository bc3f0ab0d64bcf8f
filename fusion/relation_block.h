#pragma once

#include <array>
#include <vector>

#include "core/transformer.h"
#include "vision/paint_layers.h"

namespace limn {

/// Sizes of the house stylizer's relation block.
struct RelationConfig {
  std::int64_t dim = 128, heads = 4, layers = 2, mlp = 256;
};

/// What the relation block tells of a style in this company; added to 0 where it says nothing.
struct StyleRelation {
  Tensor keys;     ///< [B 2 64]: log of a factor, and a sum
  Tensor signals;  ///< [B 8 64]: of both depths a shift of the mean in deviations, logs of factors of the others
};

/// Self-attention over all items' overviews together: a content and its styles. By it the content knows its styles and
/// every style knows the others. A style's tokens weigh as much as its share, so a style that is given twice at half
/// the share tells what it told before; the order of styles is not seen.
struct RelationBlock {
  Linear cells, whole;  // [D 128], [D 256]
  Tensor roles;         // [2 D]: content, style
  std::vector<Block> blocks;
  LayerNorm norm;
  Tensor film, film_bias;  // [640 D], [640]: zero at the start
  RelationBlock(const Weights& w, const RelationConfig& c);
  /// Of both depths' features what the overview is taken from.
  struct Sight {
    ChannelMoments all;  // [B 64 1 1]
    Tensor cells;        // [B 64 8 8]: their means
  };
  static Sight sight(const Tensor& features);               // [B 64 h w]
  Tensor overview(const std::array<Sight, 2>& both) const;  // [B 65 D]
  /// The overview of a picture that is everywhere alike. @param signals  [B 8 64]
  Tensor overview(const Tensor& signals) const;
  /// @param shares  [B] each; their sum is 1
  std::vector<StyleRelation> operator()(const Tensor& content, const std::vector<Tensor>& styles,
                                        const std::vector<Tensor>& shares) const;
};

}  // namespace limn
