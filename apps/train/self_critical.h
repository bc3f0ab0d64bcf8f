#pragma once

#include "apps/evaluate/caption_metrics.h"
#include "apps/train/batch.h"
#include "apps/train/data.h"
#include "fusion/house.h"
#include "text/tokenizer.h"

namespace limn {

/// A caption as the metrics want it: by the Penn Treebank's rules, Chinese by characters.
std::string metric_words(std::string_view caption, const std::string& language);

/// Generated ids (begin token first) as the metrics want them.
std::string metric_words(const Tokenizer& tokenizer, std::span<const std::int64_t> ids, const std::string& language);

/// How good a caption of a training picture is: CIDEr-D against what people said of it, document frequencies over all
/// training pictures. The end of a caption counts as a word: a caption that breaks off misses the n-grams that hold it.
/// Without that, captions learn to break off ("a man in a").
class CaptionReward {
 public:
  /// @throws InputError where no picture has captions in `language`
  CaptionReward(const std::vector<CaptionRecord>& records, const std::string& language);

  bool knows(std::size_t record) const { return place_.at(record) >= 0; }
  /// @param words  as metric_words gives them. @param ended  whether the caption came to its end. @return 0 to 10
  double operator()(std::size_t record, const std::string& words, bool ended) const;
  const std::string& language() const { return language_; }

 private:
  std::string language_;
  std::vector<std::int64_t> place_;  // record -> picture of the scorer, -1: none
  CiderScorer scorer_;
};

/// What each of a picture's samples earned beyond the mean of the others.
/// Source: Luo 2020, "A Better Variant of Self-Critical Sequence Training", https://arxiv.org/abs/2003.09971.
/// @param rewards  at least two. @return as many; their sum is 0
std::vector<double> advantages(const std::vector<double>& rewards);

struct SampledCaptions {
  TextRows captions;               ///< [picture][sample], languages one after the other
  std::vector<double> advantages;  ///< by caption, in that order
  double reward = 0;               ///< mean
};

struct SampleOptions {
  std::int64_t samples = 5;  ///< per picture and language
  std::uint64_t seed = 0;
};

/// Captions drawn from the model itself, each with its advantage; those of a language are scaled to a mean square of 1,
/// so that none outweighs another.
/// @param tokens   [B N D] of the pictures `records`
/// @param rewards  by language
SampledCaptions sample_captions(const HouseModel& model, const Tokenizer& tokenizer,
                                const std::vector<CaptionReward>& rewards, const Tensor& tokens,
                                const std::vector<std::int64_t>& records, const SampleOptions& options);

/// REINFORCE: minus the mean over sampled tokens of advantage x log-probability.
/// @param tokens  [B N D]. @param batch  the sampled captions, packed. @param advantages  one per caption
Tensor self_critical_loss(const HouseModel& model, const Tensor& tokens, const PackedTexts& batch,
                          const std::vector<double>& advantages);

}  // namespace limn
