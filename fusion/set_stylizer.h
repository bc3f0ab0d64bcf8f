#pragma once

#include "core/json.h"
#include "fusion/relation_block.h"
#include "fusion/style_words.h"
#include "vision/microast.h"

namespace limn {

/// Sizes of the house stylizer beyond MicroAST's own.
struct SetStylizerConfig {
  std::int64_t cells = 1024;  ///< of a style at most: what its pixels are pooled to
  RelationConfig relation;
  StyleWordsConfig words;
};

/// @throws CheckpointError naming every fault of the file
SetStylizerConfig read_set_stylizer_config(const Json& config);
Json set_stylizer_config_json(const SetStylizerConfig& config);

/// What is read of one style, for any canvas and any company. One that is told in words has one cell.
struct StyleTokens {
  Tensor keys;       ///< [B S 64]: deep features of its cells, in units of its deviation about its mean
  Tensor log_part;   ///< [1 1 1 S]: log of each cell's part of the style's pixels
  Tensor moments;    ///< [B S 4 64]: of both depths the cells' means and mean squares, about the style's mean
  Tensor signals;    ///< [B 8 64]: of both depths mean, deviation, filter gain and filter offset
  Tensor relations;  ///< [B 65 D]: an overview of 8 x 8 and one token for all of it, for the relation block
};

/// The house stylizer: MicroAST's network, to which attention gives each place of the canvas its own statistics. A
/// place attends to every style's cells; per style it gets log-sum-exp, mean and deviation, which are merged by shares.
/// With equal attention (keys of zero, as in the beginning) one style is AdaIN, exactly MicroAST. Sources: Liu et al.
/// 2021 (AdaAttN), https://arxiv.org/abs/2108.03647, for moments by attention; Wang et al. 2023 (MicroAST),
/// https://arxiv.org/abs/2211.15313, for the network and the first weights.
struct SetStylizer {
  SetStylizerConfig config;
  MicroAst net;
  Linear query;  // [64 64]
  Tensor key;    // [64 64]: zero at the start
  RelationBlock relation;
  std::optional<StyleWords> words;  // where the configuration has that part
  SetStylizer(const Weights& w, const SetStylizerConfig& c);

  /// What is read of a canvas.
  struct Content {
    Tensor deep;      ///< [B 64 h w]
    Tensor overview;  ///< [B 65 D], for the relation block
  };
  Content content(const Tensor& pictures) const;  ///< @param pictures  float [B 3 H W]
  /// @param pictures  float [B 3 H W]. @param cells  at most, instead of the configuration's; 0: those
  StyleTokens style(const Tensor& pictures, std::int64_t cells = 0) const;

  /// A style of which only the whole is known, as words tell it. @param signals  [B 8 64], as StyleTokens has them
  StyleTokens style_of(const Tensor& signals) const;

  struct Result {
    Tensor pictures;  ///< float [B 3 H W], not clamped; undefined where options ask for rows
    Tensor mass;      ///< [I B h w]: what each style painted
    Tensor wish;      ///< [I B h w]: what each would have painted without calibration
  };
  /// Without gradients in bounded room; features that nobody else holds are overwritten then.
  /// @param shares  [I B h w], h and w an eighth of the pictures'; their sum over I is 1 at every place
  /// @param own     the content's signals, read as a style's, [B 8 64]: they have the rest of every share below full
  ///                strength. Undefined: features are blended
  Result paint(Content content, const std::vector<StyleTokens>& styles, const Tensor& shares,
               const PaintOptions& options, const Tensor& own = {}) const;
};

/// What each style paints of each place.
/// @param affinity  [I ...]: how much a place is drawn to a style, a logarithm
/// @param shares    [I ...]: asked of each place; 0: never
/// @param places    [...] or undefined: which places count in the mean
/// @param settle    or none: which shift of the affinities is taken, [I B 1 1] -> the same
Tensor shared_mass(const Tensor& affinity, const Tensor& shares, ShareRule rule, const Tensor& places = {},
                   const std::function<Tensor(const Tensor& shift)>& settle = {});

/// The weights from which a house stylizer may go on: its own folder's, or MicroAST's four published files.
TensorTable read_stylizer_start(const std::filesystem::path& folder);

}  // namespace limn
