#pragma once

#include "text/tokenizer_impl.h"

namespace limn {

/// A SentencePiece model with what its family does around it.
/// @param with_added  encodes texts that hold added tokens in place of SentencePiece; null: SentencePiece does, part by
///                    part
/// @throws CheckpointError
std::shared_ptr<TokenizerImpl> read_sentencepiece(const std::filesystem::path& model,
                                                  const SentencePieceOptions& options,
                                                  std::shared_ptr<const TokenizerImpl> with_added = nullptr);

/// What a model file holds, for readers that rebuild its model.
struct SentencePieceParts {
  std::vector<std::string> pieces;
  std::vector<double> scores;
  std::string charsmap;  ///< the compiled normalisation table; empty: none
};
SentencePieceParts read_sentencepiece_parts(const std::filesystem::path& model);

}  // namespace limn
