#pragma once

#include <functional>
#include <span>

#include "text/transformer.h"

namespace limn {

enum class EarlyStopping { no, yes, never };

/// How the next tokens are chosen; names and meaning as in the reference's generation configuration.
struct GenerateOptions {
  std::int64_t beams = 1;              ///< num_beams; 1: greedy, or sampling
  std::int64_t returned = 1;           ///< num_return_sequences, at most `beams` (with sampling: independent samples)
  std::int64_t max_new_tokens = 20;    ///< beside the prompt
  std::int64_t max_length = 0;         ///< counts begin and prompt; 0: max_new_tokens decides
  std::int64_t min_length = 0;         ///< counts begin and prompt; below it the end token is impossible
  double length_penalty = 1.0;
  double repetition_penalty = 1.0;
  std::int64_t no_repeat_ngram = 0;
  EarlyStopping early_stopping = EarlyStopping::no;
  std::vector<std::vector<std::int64_t>> bad_words;  ///< token lists that must not appear
  bool sample = false;
  double temperature = 1.0;
  std::int64_t top_k = 0;              ///< 0: off
  double top_p = 1.0;                  ///< 1: off
  std::uint64_t seed = 0;
  std::int64_t end = -1;               ///< end token
  /// Called with (row, token) as greedy or sampled tokens are chosen; null: no streaming.
  std::function<void(std::int64_t row, std::int64_t token)> on_token;
  /// Asked once a step; true ends generation at once (Ctrl-C). Null: never.
  std::function<bool()> stop;
};

struct Sequence {
  std::vector<std::int64_t> ids;       ///< prompt included, the end token too where one was chosen
  double score = 0;                    ///< beams: penalised score as the reference's sequence_scores; else the sum of log-probabilities
  std::vector<double> logprobs;        ///< of each new token, under the model's own distribution before processors
};

/// Generates for every picture: greedy, beam search or sampling, batched over pictures.
/// @param decoder  causal, with a head
/// @param context  [P S C] tokens of P pictures, or undefined for plain language models
/// @param prompts  P token lists of equal length
/// @return for each picture its `returned` sequences, best first
/// Source: transformers 5.24 generation/utils.py, logits_process.py (semantics).
std::vector<std::vector<Sequence>> generate(const TextTransformer& decoder, const Tensor& context,
                                            const std::vector<std::vector<std::int64_t>>& prompts, const GenerateOptions& options);

}  // namespace limn
