#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor.h"

namespace limn {

/// How well queries find what is relevant to them, in one direction. Queries without anything relevant are left out of
/// every figure; ranks begin at 1.
struct RetrievalScores {
  double recall_1 = 0;  ///< per cent of queries with something relevant among the first 1, 5, 10
  double recall_5 = 0;
  double recall_10 = 0;
  double median_rank = 0;  ///< of the first relevant candidate; the mean of the middle two
  double mean_rank = 0;
  double map = 0;                   ///< mean average precision over the whole list, 0 to 1
  double map_at_r = 0;              ///< the same over the first R places, R the query's number of relevant candidates
  double r_precision = 0;           ///< share of relevant ones among the first R, 0 to 1
  std::vector<std::int64_t> ranks;  ///< of the first relevant candidate, by query
};

struct RetrievalResult {
  RetrievalScores image_to_text, text_to_image;
  double rsum = 0;  ///< the six recalls
};

/// A second, dearer score for the first candidates of each query.
struct SecondStage {
  std::int64_t first = 0;  ///< N candidates a query, cut to the list's length
  Tensor image_to_text;    ///< [I N]: column r scores the text at place r of the image's first ranking
  Tensor text_to_image;    ///< [T N]: column r scores the image at place r of the text's first ranking
};

/// Candidates of each query, best first: by falling score compared as float32, ties by the lower index.
/// @param scores  [Q C]
/// @param first   how many to list; 0: all
/// @throws InputError where a score is not a number
std::vector<std::vector<std::int64_t>> rank_candidates(const Tensor& scores, std::int64_t first = 0);

/// @param similarity  [I T], higher is nearer
/// @param relevant    by image, the texts that belong to it (any number, a text may belong to several images); the
/// other
///                    direction inverts it
/// @param second      where its `first` is not 0: the first N candidates are reordered by the second score alone (ties
///                    keep the first order), the rest follow unchanged
/// @throws InputError on sizes that do not fit, texts out of range or named twice, and where nothing is relevant
RetrievalResult score_retrieval(const Tensor& similarity, const std::vector<std::vector<std::int64_t>>& relevant,
                                const SecondStage& second = {});

/// How well classes are told, in per cent.
struct ClassificationScores {
  double top_1 = 0;
  double top_5 = 0;                  ///< 100 where there are five classes or fewer
  double mean_per_class_recall = 0;  ///< over the classes that occur in the labels
  std::vector<std::int64_t> ranks;   ///< of the right class, from 1; the lower class first on a tie
};

/// @param scores  [B C]
/// @param labels  the right class of each row, 0 <= label < C
/// @throws InputError on sizes that do not fit, labels out of range, and where there is nothing to score
ClassificationScores score_classification(const Tensor& scores, const std::vector<std::int64_t>& labels);

}  // namespace limn
