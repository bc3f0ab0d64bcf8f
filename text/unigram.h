#pragma once

#include <optional>

#include "text/models.h"

namespace limn {

struct UnigramOptions {
  std::int64_t unknown = -1;                ///< id; -1: a text with unknown characters is an error
  bool byte_fallback = false;               ///< what is unknown becomes pieces <0xNN> where they all exist
  bool single_precision = false;            ///< sums are rounded to float, as SentencePiece 0.2 does
  std::optional<double> lowest_score = {};  ///< absent: of all scores
};

/// The segmentation with the best sum of scores; an unknown character costs the lowest score minus 10, unknown
/// neighbours are one token.
/// @param scores  by id, as long as the vocabulary; a piece of -infinity stands in no segmentation
/// Source: huggingface/tokenizers, models/unigram/model.rs, after SentencePiece's unigram_model.cc.
TokenModel unigram_model(const std::vector<std::string>& pieces, const std::vector<double>& scores,
                         const UnigramOptions& options);

}  // namespace limn
