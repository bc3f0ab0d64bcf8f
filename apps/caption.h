#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "apps/caption_output.h"
#include "apps/inputs.h"
#include "apps/run.h"
#include "apps/sidecar.h"

namespace limn {

struct Captioner;

/// How the words are chosen; what is not set is the model's own choice.
struct CaptionSearch {
  std::string prompt;    ///< words that the caption begins with
  std::string language;  ///< "en", "zh"; "": the model's first
  std::optional<std::int64_t> beams;
  std::int64_t nbest = 1;                  ///< captions per picture
  std::optional<std::int64_t> min_length;  ///< new tokens, the end not counted
  std::optional<std::int64_t> max_length;  ///< new tokens, the end counted
  std::optional<double> length_penalty, repetition_penalty;
  std::optional<std::int64_t> no_repeat_ngram;
  std::optional<std::string> early_stopping;  ///< "yes", "no", "never"
  std::vector<std::string> banned;            ///< words that must not appear
  bool sample = false;
  double temperature = 1;
  std::int64_t top_k = 0;  ///< 0: off
  double top_p = 1;        ///< 1: off
  std::uint64_t seed = 0;
};

struct CaptionOptions {
  CommonOptions common;
  InputOptions inputs;
  CaptionSearch search;
  CaptionFormat format;
  SidecarOptions sidecar;
  std::filesystem::path out;           ///< results go to this file instead of standard output
  bool resume = false;                 ///< pictures that `out` has are not described again
  std::filesystem::path coco_results;  ///< also the COCO result format, for evaluation; empty: no
  std::filesystem::path sheet;         ///< also a PNG of the pictures with their captions; empty: no
  bool stream = false;                 ///< print tokens as they are chosen; for one picture
};

/// Describes pictures: one result per picture on `out`, in the order of the inputs. A picture that cannot be read is
/// reported in its place and does not stop the others.
/// @return an ExitCode
/// @throws UsageError, CheckpointError, InputError, WriteError where nothing can be done at all
int caption(const CaptionOptions& options, std::istream& in, std::ostream& out, std::ostream& notes);

}  // namespace limn
