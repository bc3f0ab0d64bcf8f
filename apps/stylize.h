#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "apps/run.h"
#include "apps/sidecar.h"
#include "fusion/model.h"

namespace limn {

/// The stylizer that commands use when none is named.
inline constexpr const char* kDefaultStylizer = "limn-stylizer";

struct StylizeCommand {
  CommonOptions common;
  std::vector<std::filesystem::path> contents, styles;
  std::vector<std::string> texts;  ///< more styles, in words; they follow the others
  std::vector<double> shares;      ///< one a style; none: equal
  std::vector<double> shares_to;   ///< of a clip's last frame, from `shares` of the first; none: they stay
  /// Grey pictures, fitted to the canvas: where a content or a style is wanted, where the content stays.
  std::vector<std::filesystem::path> content_masks, style_masks;
  std::filesystem::path protect;
  std::string compose = "auto", colour = "style", share = "global";
  double strength = 1;
  double style_scale = 1;             ///< size of the strokes: the styles are read at this share of their size
  std::int64_t size = 0;              ///< longer side of the canvas; 0: the contents' own
  std::string memory;                 ///< what the process may hold at most, e.g. "1G"; empty: no bound
  std::filesystem::path out;          ///< a picture; of a folder of contents: a folder
  std::filesystem::path attribution;  ///< a map of which style painted what; empty: none
  std::filesystem::path compare;      ///< a sheet of every content in every style; empty: none
  std::filesystem::path save_style;   ///< what was read of the only style, to be given as a style later; empty: none
  Existing existing = Existing::error;
  bool steady = true;  ///< of a clip: frames go on from one another
  bool tile = false;   ///< the picture may be laid beside itself
  bool json = false;
};

/// Pictures and words together.
inline std::size_t style_count(const StylizeCommand& o) { return o.styles.size() + o.texts.size(); }

/// Paints contents in styles: one picture comes out, or one for each picture of a folder, or a clip for a clip.
/// @return exit code
int stylize_command(const StylizeCommand& options, std::ostream& out, std::ostream& notes);

/// The model that --model names, or the bundled stylizer. @throws UsageError where it paints no pictures
Model open_stylizer(const CommonOptions& common);
/// What the command says of all canvases alike: without masks.
StylizeOptions stylize_options(const StylizeCommand& command);
/// A grey picture, fitted to the canvas, float [height width] in 0..1.
/// @throws InputError where its proportions are others
Tensor read_canvas_mask(const std::filesystem::path& file, std::int64_t height, std::int64_t width);

}  // namespace limn
