#pragma once

#include <filesystem>
#include <iosfwd>
#include <vector>

#include "apps/run.h"

namespace limn {

/// What `limn evaluate stylize-text` is told.
struct EvaluateStylizeTextOptions {
  CommonOptions common;
  std::vector<std::filesystem::path> contents;
  std::filesystem::path texts;  ///< styles in words, one a line; blank lines part groups of at least two
  std::filesystem::path words;  ///< what colours are called (apps/train/style_texts.h); empty: colours are not judged
  std::string judge;            ///< the dual encoder that judges; empty: the one that the stylizer reads words with
  std::int64_t side = 384;      ///< of the middle squares that are painted
  std::filesystem::path sheet;  ///< a picture of everything; empty: none
  bool json = false;
};

/// Paints every content in every style of words and asks a dual encoder which words of the group the result is most
/// like, and whether it is more like them than the content was.
/// @param out  a Markdown table, or one JSON object
/// @return exit code 0, 130 where it was interrupted
/// @throws UsageError, InputError, CheckpointError
int evaluate_stylize_text(const EvaluateStylizeTextOptions& options, std::ostream& out, std::ostream& notes);

}  // namespace limn
