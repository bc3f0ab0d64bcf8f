#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace limn {

enum class SentencePieceModel { unigram, bpe };

struct SentencePieceTrainOptions {
  std::int64_t vocabulary = 8000;  ///< pieces, the four special ones and the symbols included
  SentencePieceModel model = SentencePieceModel::unigram;
  double coverage = 0.9995;  ///< share of the running characters that become pieces (0.98 to 1); the rest are <unk>
  std::vector<std::string> symbols;  ///< pieces that are never split, e.g. <en>
  bool lower = false;                ///< case is folded
  bool single_ideographs = true;     ///< no piece holds an ideograph and anything beside it
};

/// Trains a SentencePiece model; the same sentences in the same order give the same bytes.
/// Ids: <pad> 0, <unk> 1, <s> 2, </s> 3, then the symbols, then the pieces. Text is brought to NFKC.
/// A small corpus may give fewer pieces than asked for.
/// @return the model file's bytes
/// @throws InputError when there is nothing to learn from, or the vocabulary cannot hold the characters
std::string train_sentencepiece(const std::vector<std::string>& sentences, const SentencePieceTrainOptions& options);

}  // namespace limn
