#pragma once

#include <functional>
#include <span>

#include "text/transformer.h"

namespace limn {

enum class EarlyStopping { no, yes, never };

/// How the next tokens are chosen; names and meaning as in the reference's generation configuration.
struct GenerateOptions {
  std::int64_t beams = 1;            ///< num_beams; 1: greedy, or sampling
  std::int64_t returned = 1;         ///< num_return_sequences, at most `beams` (with sampling: independent samples)
  std::int64_t max_new_tokens = 0;   ///< beside the prompt; 0: max_length decides
  std::int64_t max_length = 0;       ///< counts begin and prompt; 0 here and above: 20 new tokens
  std::int64_t min_length = 0;       ///< counts begin and prompt; below it the end token is impossible
  double length_penalty = 1.0;       ///< beams: scores are sums / length^penalty, so above 0 favours long ones
  double repetition_penalty = 1.0;   ///< above 1 makes every token that is there already less likely
  std::int64_t no_repeat_ngram = 0;  ///< no run of so many tokens comes twice; 0: off
  EarlyStopping early_stopping = EarlyStopping::no;
  std::vector<std::vector<std::int64_t>> bad_words = {};  ///< token lists that must not appear
  bool sample = false;                                    ///< draw tokens instead of taking the best
  double temperature = 1.0;
  std::int64_t top_k = 0;  ///< 0: off
  double top_p = 1.0;      ///< 1: off
  std::uint64_t seed = 0;
  /// Number of each picture in the whole run: its random stream, whatever batch it is in. Empty: 0, 1, ...
  std::vector<std::uint64_t> streams = {};
  std::int64_t end = -1;  ///< end token; -1: none
  /// Called with (row, token) as greedy or sampled tokens are chosen, row = picture x returned + sample; null: no
  /// streaming.
  std::function<void(std::int64_t row, std::int64_t token)> on_token = nullptr;
  /// Asked once a step; true ends generation at once with what there is (Ctrl-C). Null: never.
  std::function<bool()> stop = nullptr;
};

struct Sequence {
  std::vector<std::int64_t> ids;  ///< prompt included, the end token too where one was chosen
  double score = 0;  ///< beams: penalised score as the reference's sequence_scores; else the sum of log-probabilities
  std::vector<double> logprobs;  ///< of each new token, under the model's own distribution before any rule
};

/// Generates for every picture: greedy, beam search or sampling, batched over pictures.
/// Pictures that have ended leave the batch; beams share their picture's keys and values.
/// Generation ends at the decoder's last position even where the asked length goes beyond it.
/// @param decoder  causal, with a head
/// @param context  [P S C] tokens of P pictures, or undefined for plain language models
/// @param prompts  P token lists of equal length, at least one token each
/// @return for each picture its `returned` sequences, best first
/// @throws InputError on options or prompts that cannot be
/// Source: transformers 5.24 generation/utils.py, logits_process.py (semantics).
std::vector<std::vector<Sequence>> generate(const TextTransformer& decoder, const Tensor& context,
                                            const std::vector<std::vector<std::int64_t>>& prompts,
                                            const GenerateOptions& options);

}  // namespace limn
