#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/device.h"
#include "vision/paint_layers.h"

namespace limn {

/// A style's part in one picture: what the model read of it, and its share of the picture.
struct StylePart {
  std::vector<Tensor> style;  ///< as Stylizer::style gave it
  Tensor share;  ///< float [1 1 h w], h and w those of Stylizer::grid; at every place the parts' sum is one
};

/// How the shares that are asked of the styles are met.
enum class ShareRule {
  global,  ///< over the whole picture (or the masks); the model decides where
  exact,   ///< at every place alike
  free     ///< as the model likes, asked shares being no more than weights
};

/// "global", "exact" or "free". @throws InputError listing them
ShareRule parse_share_rule(const std::string& word);

struct PaintOptions {
  double strength = 1;  ///< 0: the content's own look, 1: the styles'
  /// If given, reads the content as a style. Below full strength that style has the rest of every share then, and
  /// features are not blended as the family's authors do it: MicroAST's decoder makes nothing of such features.
  std::function<std::vector<Tensor>()> own = {};
  ShareRule share = ShareRule::global;
  Tensor places = {};      ///< float [1 h w], h and w those of Stylizer::grid: which count in shares; undefined: all
  bool unrelated = false;  ///< items do not see each other: what the relation block adds is left out
  /// Pixels that are painted at a time, where the model can do it: what comes out is the same, less room is needed.
  std::int64_t strip = std::int64_t{1} << 18;
  /// If given, may receive the picture's rows from top to bottom, [1 3 rows W'] each, instead of the result.
  std::function<void(std::int64_t first, const Tensor& rows)> rows = {};
  /// If given, says what a statistic of the content that has this name is taken to be: a clip's change slowly.
  std::function<Tensor(const std::string& name, const Tensor& value)> settle = {};
};

/// The moments that options settle on.
ChannelMoments settled(const PaintOptions& options, const std::string& name, const ChannelMoments& moments);
Tensor settled(const PaintOptions& options, const std::string& name, const Tensor& value);

struct Painted {
  Tensor picture;  ///< float [1 3 H' W'], at least the content's size, what goes beyond below and to the right; not
                   ///< clamped; undefined where it was handed over in rows
  Tensor mass;     ///< float [I h w]: which part of each place each style painted
};

/// The room that painting takes beside the pictures themselves, in bytes. All 0: it is not known.
struct PaintingRoom {
  double pixel = 0;        ///< for every pixel of the canvas
  double strip_pixel = 0;  ///< for every pixel that is painted at a time
  std::int64_t halo = 0;   ///< rows that are read beyond a strip, above and below together
};

/// Styles in words: fusion/style_words.h reads them.
struct StyleReader {
  std::string encoder;  ///< the dual encoder whose texts are understood, as models are named
  Tensor known;         ///< float [E]: its answer to a text that is always the same
  /// float [1 E], a text's embedding of length one -> as Stylizer::style
  std::function<std::vector<Tensor>(const Tensor& embedding)> style;
};

/// Paints contents in styles. A style is read once and serves any number of pictures.
struct Stylizer {
  std::int64_t smallest = 1;  ///< shortest side in pixels that the model can read
  /// Height and width of the places at which shares are told apart, for a canvas of so many pixels.
  std::function<std::pair<std::int64_t, std::int64_t>(std::int64_t height, std::int64_t width)> grid;
  /// float [1 3 H W] in 0..1 -> what the painter needs of a content
  std::function<std::vector<Tensor>(const Tensor& picture)> content;
  std::function<std::vector<Tensor>(const Tensor& picture)> style;
  /// @param content  as `content` gave it; what nobody else holds of it may be overwritten
  std::function<Painted(std::vector<Tensor> content, const std::vector<StylePart>& styles, const PaintOptions& options)>
      paint;
  std::optional<StyleReader> words = {};  ///< where the model knows styles in words
  Placement placement = {};
  PaintingRoom room = {};
};

/// What becomes of the colours.
enum class StyleColour {
  style,        ///< the style's
  keep,         ///< the content's: brightness is painted, hue and saturation stay
  only_colour,  ///< brightness stays, hue and saturation are painted
  coral,        ///< the styles are given the content's colours before they are read: means and correlations
  histogram     ///< the same by histograms
};

/// "style", "keep", "only", "coral" or "histogram". @throws InputError listing them
StyleColour parse_style_colour(const std::string& word);
/// Whether styles are recoloured for each canvas before they are read.
bool recolours(StyleColour colour);

struct StyleItem {
  Tensor picture;    ///< uint8 [3 H W]
  double share = 1;  ///< in proportion to the other styles'
  Tensor mask = {};  ///< float [H W] in 0..1, the canvas' size: where the style may act; undefined: everywhere
  std::vector<Tensor> read = {};  ///< as read_style gave it; the picture is not looked at then and may be undefined
};

struct StylizeOptions {
  double strength = 1;  ///< 0: the canvas as it is, 1: the styles; between, the content is one more style
  ShareRule share = ShareRule::global;
  bool unrelated = false;  ///< without the relation between items, for comparison
  StyleColour colour = StyleColour::style;
  Tensor protect = {};  ///< float [H W] in 0..1, the canvas' size: 1 where the content stays as it is
  std::int64_t strip = PaintOptions{}.strip;
  std::function<Tensor(const std::string& name, const Tensor& value)> settle = {};  ///< as in PaintOptions
};

struct Stylized {
  Tensor picture;              ///< uint8 [3 H W], the canvas' size
  std::vector<double> shares;  ///< what each style received of the places that any style may paint; their sum is one
  std::vector<double> asked;   ///< what was asked for it there
  Tensor mass;                 ///< float [I h w]: which part of each place each style painted, on the model's grid
};

/// The part of the canvas that styles may paint, float [H W]: the masks' union without what is protected. Undefined:
/// all.
/// @throws InputError where nothing is left
Tensor paintable(const std::vector<StyleItem>& styles, const StylizeOptions& options, std::int64_t H, std::int64_t W);

/// What the model needs of a style, to be used for many canvases.
/// @param picture  uint8 [3 H W]
std::vector<Tensor> read_style(const Stylizer& stylizer, const Tensor& picture);
/// The same for this canvas: as the item was read before, or of its picture, recoloured where `colour` says so.
/// @throws InputError for an item that was read before and would have to be recoloured
std::vector<Tensor> read_style(const Stylizer& stylizer, const StyleItem& item, const Tensor& canvas,
                               StyleColour colour);

/// Paints one canvas in all styles together. Where no style may act the content stays.
/// @param canvas  uint8 [3 H W]
/// @throws InputError for no styles, shares that are not above zero, a strength outside 0..1, masks of another size or
///         empty everywhere
Stylized stylize(const Stylizer& stylizer, const Tensor& canvas, const std::vector<StyleItem>& styles,
                 const StylizeOptions& options = {});

}  // namespace limn
