#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "apps/run.h"

namespace limn {

/// What `limn evaluate retrieval` is told.
struct EvaluateRetrievalOptions {
  CommonOptions common;
  std::filesystem::path data;    ///< pictures with their captions: JSON lines, COCO annotations, a folder with .txt
  std::filesystem::path images;  ///< folder that relative picture names start from; empty: the data's own
  std::string language = "en";
  std::int64_t limit = 0;          ///< only the first so many pictures; 0: all
  std::int64_t rerank = 0;         ///< the matching head reorders the first so many of each list; 0: no
  std::filesystem::path scores;    ///< instead of a model: safetensors with `similarity` [I T] and, for a second stage,
                                   ///< `second_image_to_text` [I N], `second_text_to_image` [T N]
  std::filesystem::path relevant;  ///< with it: JSON, for each picture the list of its texts
  bool json = false;
};

/// Ranks all texts for each picture and all pictures for each text: R@1, R@5, R@10 in per cent, the median rank, both
/// ways, and their sum.
/// @param out    the table, or {"text_to_image": {"R@1", …}, "image_to_text": {…}, "rsum", …}
/// @return an ExitCode
/// @throws UsageError, InputError, CheckpointError
int evaluate_retrieval(const EvaluateRetrievalOptions& options, std::ostream& out, std::ostream& notes);

/// What `limn evaluate classify` is told.
struct EvaluateClassifyOptions {
  CommonOptions common;
  std::filesystem::path data;    ///< CSV of picture,label; JSON lines {"image", "label"}; a folder with one per label
  std::filesystem::path images;  ///< folder that relative picture names start from; empty: the data's own
  std::vector<std::string> labels;     ///< "A,B" or files; empty: those of the data, sorted
  std::vector<std::string> templates;  ///< as in `limn classify`
  std::int64_t limit = 0;
  std::filesystem::path scores;  ///< instead of a model: safetensors with `logits` [B C]
  std::filesystem::path truth;   ///< with it: JSON, the right class of each row
  bool json = false;
};

/// How well a model tells labels that it was not trained for: top-1, top-5 and mean per-class recall in per cent.
/// @return an ExitCode
/// @throws UsageError, InputError, CheckpointError
int evaluate_classify(const EvaluateClassifyOptions& options, std::ostream& out, std::ostream& notes);

}  // namespace limn
