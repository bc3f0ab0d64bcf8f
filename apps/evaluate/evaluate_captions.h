#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "apps/evaluate/caption_metrics.h"
#include "apps/train/data.h"

namespace limn {

/// What `limn evaluate captions` is told.
struct EvaluateCaptionsOptions {
  std::filesystem::path references;   ///< captions by people: JSON lines, COCO annotations, a folder with .txt sidecars
  std::filesystem::path images;       ///< folder that relative picture names start from; empty: the references' own
  std::filesystem::path candidates;   ///< captions to judge: JSON lines or COCO results; empty: `caption` makes them
  std::string language = "en";        ///< "en": Penn Treebank tokens; "zh": by characters
  std::int64_t limit = 0;             ///< only the first so many pictures; 0: all
  bool partial = false;               ///< judge the pictures that have both; else one that lacks either is an error
  bool constant = false;              ///< also the best single sentence for all pictures, taken from the references
  bool json = false;                  ///< one JSON object instead of the table
  std::filesystem::path per_picture;  ///< JSON lines with each picture's caption and figures; empty: none
  std::filesystem::path save;         ///< the judged captions as JSON lines, to be judged again; empty: none

  /// Makes captions where no file of candidates is given: one per picture, in the pictures' order. Not an option of
  /// the command line; the program sets it to a model's captioner.
  std::function<std::vector<std::string>(const std::vector<std::filesystem::path>&)> caption;
};

/// The sentence among the references that has the highest mean CIDEr when it is said of every picture: what a model
/// reaches that looks at nothing. All candidates are judged on a sample of 100 pictures, the best 50 on all.
/// @param references  by picture, tokenised
std::string best_constant_caption(const References& references);

/// Judges captions against references: CIDEr-D, BLEU-1 to 4, ROUGE-L (see caption_metrics.h), the mean number of tokens
/// and the share of distinct captions.
/// @param out    the table, or the JSON object {"CIDEr", "Bleu_1" …, "ROUGE_L", "pictures", …}
/// @param notes  what was left out, and why
/// @return exit code 0
/// @throws InputError on unusable files and contradictory options, WriteError where a file cannot be written
int evaluate_captions(const EvaluateCaptionsOptions& options, std::ostream& out, std::ostream& notes);

}  // namespace limn
