#pragma once

#include "text/models.h"

namespace limn {

struct WordPieceOptions {
  std::string unknown = "[UNK]";
  std::string prefix = "##";        ///< of pieces that continue a word
  std::int64_t longest_word = 100;  ///< characters; longer words are unknown
};

/// Longest match from the left; a word with any part without a match is one unknown token.
/// @throws CheckpointError when the vocabulary lacks the unknown token
/// Source: huggingface/tokenizers, models/wordpiece/mod.rs.
TokenModel wordpiece_model(const Vocabulary& vocabulary, const WordPieceOptions& options);

}  // namespace limn
