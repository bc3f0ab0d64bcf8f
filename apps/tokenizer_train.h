#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "text/sentencepiece_train.h"

namespace limn {

/// Options of `limn tokenizer train`.
struct TokenizerTrainOptions {
  std::vector<std::filesystem::path> inputs;  ///< text files, a sentence a line, or caption JSON lines
  std::filesystem::path out;                  ///< a folder; tokenizer.model and tokenizer_config.json are written there
  std::int64_t vocabulary = 8000;             ///< pieces at most
  SentencePieceModel model = SentencePieceModel::unigram;
  double coverage = 0.9995;            ///< share of the running characters that become pieces
  std::vector<std::string> languages;  ///< which captions to take, and the symbols <en>, <zh>; empty: all there are
  bool lower = false;                  ///< fold case
  bool cjk_chars = true;               ///< every ideograph is a piece of its own
  bool json = false;                   ///< report as one JSON object
};

/// Trains the tokenizer of a model and reports sentences, pieces, tokens per sentence and unknown pieces by language.
/// The same inputs give the same files.
/// @return exit code 0
/// @throws InputError, WriteError
int tokenizer_train(const TokenizerTrainOptions& options, std::ostream& out);

}  // namespace limn
