#pragma once

#include "text/generate.h"
#include "text/tokenizer.h"
#include "vision/preprocess.h"

namespace limn {

struct Caption {
  std::string text;
  std::vector<std::int64_t> ids;  ///< begin, prompt and end tokens included
  double score = 0;               ///< mean log-probability of the new tokens
  double sequence_score = 0;      ///< what the search ranked by
  std::vector<double> logprobs;   ///< of the new tokens
};

struct CaptionRequest {
  std::string prompt;               ///< words that the caption begins with
  std::string language;             ///< "en", "zh"; "" = the model's first
  std::vector<std::string> banned;  ///< words that must not appear
  GenerateOptions generate;         ///< `end` and `bad_words` are filled in
};

/// Pictures to sentences: picture tokens, and a decoder that cross-attends to them.
struct Captioner {
  Preprocess preprocess;
  std::function<Tensor(const Tensor& pixels)> encode;  ///< normalised [B 3 H W] -> picture tokens [B S C]
  TextTransformer decoder;
  Tokenizer tokenizer;
  std::vector<std::string> languages;  ///< of house models; empty: English only
  /// Begin token and prompt as ids. @throws InputError for a language that the model lacks
  std::function<std::vector<std::int64_t>(const std::string& prompt, const std::string& language)> begin;
  std::int64_t end = -1;  ///< end token
  /// The tokenizer's text as people write it; null: as it is.
  std::function<std::string(std::string_view text)> spelled = nullptr;
  GenerateOptions defaults;  ///< beams, lengths and penalty that suit the model
  Placement placement;

  /// @param pictures  uint8 [B 3 H W], preprocessed to the model's size
  /// @return for each picture its captions, best first
  std::vector<std::vector<Caption>> operator()(const Tensor& pictures, const CaptionRequest& request) const;
  /// The two halves of it: uint8 [B 3 H W] -> picture tokens [B S C], and those to captions.
  Tensor tokens(const Tensor& pictures) const;
  std::vector<std::vector<Caption>> describe(const Tensor& tokens, const CaptionRequest& request) const;
};

}  // namespace limn
