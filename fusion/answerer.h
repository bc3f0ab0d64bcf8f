#pragma once

#include "fusion/captioner.h"

namespace limn {

/// Answers questions about pictures: a text tower reads the question together with the picture, and a decoder
/// cross-attends to what it understood.
struct Answerer {
  /// Reads a question: picture tokens [P S C] -> what the decoder attends to [P Q D].
  std::function<Tensor(const Tensor& tokens, const std::string& question)> read;
  std::function<std::vector<std::int64_t>(const std::string& question)> ids;  ///< what the text tower reads
  Captioner speaker;  ///< the picture tower and the answering decoder

  /// @param pictures  uint8 [P 3 H W], preprocessed by speaker.preprocess
  /// @param options   as for captions; `end` is filled in
  /// @return for each picture its answers, best first; the score is the mean log-probability of the tokens
  std::vector<std::vector<Caption>> operator()(const Tensor& pictures, const std::string& question,
                                               const GenerateOptions& options) const;
};

}  // namespace limn
