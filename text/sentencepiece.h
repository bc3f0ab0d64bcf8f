#pragma once

#include "text/tokenizer_impl.h"

namespace limn {

/// A SentencePiece model with what its family does around it.
/// @throws CheckpointError
std::shared_ptr<TokenizerImpl> read_sentencepiece(const std::filesystem::path& model,
                                                  const SentencePieceOptions& options);

}  // namespace limn
