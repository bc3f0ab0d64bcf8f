#pragma once

#include <filesystem>
#include <iosfwd>
#include <vector>

#include "apps/run.h"

namespace limn {

/// What `limn evaluate stylize` is told.
struct EvaluateStylizeOptions {
  CommonOptions common;
  std::vector<std::filesystem::path> contents, styles;  ///< every content is painted in every style
  std::filesystem::path features;  ///< the network of the measures: SqueezeNet 1.1 or VGG (vision/feature_net.h)
  /// Folders with the files that other stylizers' authors publish, a row for each; empty: none.
  std::filesystem::path microast, adain, stytr2;
  std::int64_t side = 512;      ///< of the middle squares that are painted; measures are taken at half of it
  std::filesystem::path sheet;  ///< a picture of all pairs by the model; empty: none
  bool json = false;
};

/// Judges a stylizer beside doing nothing, matching colours and published stylizers: how near the style and the content
/// are, whether shares and masks are met, whether a picture painted in itself stays.
/// @param out    a Markdown table and lines of figures, or one JSON object
/// @return exit code 0, 130 where it was interrupted
/// @throws UsageError, InputError, CheckpointError
int evaluate_stylize(const EvaluateStylizeOptions& options, std::ostream& out, std::ostream& notes);

}  // namespace limn
