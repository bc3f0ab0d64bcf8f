#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/error.h"

namespace limn {

/// Reference captions by picture, each tokenised and joined by one space (see ptb_tokenize, cjk_tokenize).
using References = std::vector<std::vector<std::string>>;

/// Figures of a set of captions, as fractions: BLEU and ROUGE from 0 to 1, CIDEr from 0 to 10.
struct CaptionScores {
  double cider = 0;                ///< mean over pictures
  std::array<double, 4> bleu{};    ///< BLEU-1..4 from summed counts, not the mean of pictures
  double rouge = 0;                ///< mean over pictures
  std::vector<double> cider_each;  ///< one per picture, in the pictures' order
  std::vector<std::array<double, 4>> bleu_each;
  std::vector<double> rouge_each;
};

/// CIDEr-D against fixed references: n-grams of 1 to 4 words weighted by ln(pictures / document frequency), clipped
/// by the reference's weights, with a Gaussian penalty (sigma 6) on the difference in length, times 10.
/// Reference vectors and document frequencies are computed once, so that one scorer serves thousands of candidates
/// (self-critical training). score() is const and may be called from several threads.
/// With a single picture all weights are 0, and so is every score.
/// Source: Vedantam et al. 2015, "CIDEr: Consensus-based Image Description Evaluation"; figures as pycocoevalcap 1.2.
class CiderScorer {
 public:
  /// @param references  by picture, tokenised; words are separated by any Unicode white space
  /// @throws InputError where a picture has no reference
  explicit CiderScorer(const References& references);

  /// @param picture    index into `references`
  /// @param candidate  tokenised
  /// @throws InputError where there is no such picture
  double score(std::size_t picture, std::string_view candidate) const;

  std::size_t pictures() const { return pictures_.size(); }

 private:
  using Ngram = std::array<std::uint32_t, 4>;  // word numbers from 1, filled up with 0
  struct Term {
    Ngram ngram;
    double weight;
  };
  struct Vector {
    std::vector<Term> terms;       // sorted by n-gram
    std::array<double, 4> norm{};  // per n
    std::int64_t bigrams = 0;      // CIDEr-D's measure of length
  };
  struct NgramHash {
    std::size_t operator()(const Ngram& ngram) const;
  };
  struct WordHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const { return std::hash<std::string_view>{}(word); }
  };

  std::vector<std::uint32_t> numbers(std::string_view text) const;
  Vector weigh(const std::vector<std::uint32_t>& words) const;
  static std::vector<Term> count(const std::vector<std::uint32_t>& words);
  static double similarity(const Vector& candidate, const Vector& reference);

  std::unordered_map<std::string, std::uint32_t, WordHash, std::equal_to<>> vocabulary_;
  std::unordered_map<Ngram, std::uint32_t, NgramHash> frequency_;  // pictures whose references hold the n-gram
  std::vector<std::vector<Vector>> pictures_;
  double log_pictures_ = 0;
};

/// CIDEr-D, BLEU-1..4 and ROUGE-L of one candidate per picture.
/// BLEU and CIDEr split at any Unicode white space (a token may hold U+00A0), ROUGE at the plain space only.
/// BLEU: closest reference length, the shorter on a tie; smoothing only against division by zero. ROUGE-L: beta 1.2,
/// precision and recall maximised over references separately; an empty caption counts as one empty token.
/// @param references  by picture, tokenised
/// @param candidates  one per picture, tokenised
/// @throws InputError where the numbers differ, nothing is given, or a picture has no reference
/// Source: pycocoevalcap 1.2 (bleu_scorer.py, rouge.py, cider_scorer.py); Papineni et al. 2002; Lin 2004.
CaptionScores score_captions(const References& references, const std::vector<std::string>& candidates);

}  // namespace limn
