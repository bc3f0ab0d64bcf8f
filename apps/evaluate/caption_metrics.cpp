#include "apps/evaluate/caption_metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

namespace limn {

namespace {

// Bytes of the white space that begins `text`, 0 if none does. The set is Unicode's White_Space and the four
// information separators, as the reference's str.split() has it.
std::size_t white_space(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  if ((byte(0) >= 0x09 && byte(0) <= 0x0D) || (byte(0) >= 0x1C && byte(0) <= 0x20)) return 1;
  if (byte(0) == 0xC2) return byte(1) == 0x85 || byte(1) == 0xA0 ? 2 : 0;
  if (byte(0) < 0xE1 || byte(0) > 0xE3) return 0;
  const unsigned low = (byte(0) & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
  const bool space = low == 0x1680 || (low >= 0x2000 && low <= 0x200A) || low == 0x2028 || low == 0x2029 ||
                     low == 0x202F || low == 0x205F || low == 0x3000;
  return space ? 3 : 0;
}

std::vector<std::string_view> split_white_space(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t begin = 0, at = 0;
  while (at < text.size()) {
    const std::size_t space = white_space(text.substr(at));
    if (space == 0) {
      ++at;
      continue;
    }
    if (at > begin) words.push_back(text.substr(begin, at - begin));
    at += space;
    begin = at;
  }
  if (at > begin) words.push_back(text.substr(begin));
  return words;
}

// At single spaces: "" is one empty word, "a  b" has an empty word in the middle.
std::vector<std::string_view> split_plain(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find(' ', begin);
    words.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return words;
    begin = end + 1;
  }
}

using Words = std::vector<std::string_view>;
using Counts = std::map<Words, std::int64_t>;

Counts count_ngrams(const Words& words) {
  Counts counts;
  for (std::size_t n = 1; n <= 4; ++n) {
    for (std::size_t i = 0; i + n <= words.size(); ++i) ++counts[Words(words.begin() + i, words.begin() + i + n)];
  }
  return counts;
}

// What BLEU needs to know of one caption, or of the sum of many.
struct BleuCounts {
  std::int64_t length = 0;     // of the candidate
  std::int64_t reference = 0;  // the closest reference's length
  std::array<std::int64_t, 4> correct{}, guess{};

  void add(const BleuCounts& other) {
    length += other.length;
    reference += other.reference;
    for (std::size_t n = 0; n < 4; ++n) {
      correct[n] += other.correct[n];
      guess[n] += other.guess[n];
    }
  }

  std::array<double, 4> bleu() const {
    constexpr double kTiny = 1e-15, kSmall = 1e-9;  // the reference's guards against division by zero
    std::array<double, 4> result;
    const double ratio = (static_cast<double>(length) + kTiny) / (static_cast<double>(reference) + kSmall);
    const double brevity = ratio < 1 ? std::exp(1 - 1 / ratio) : 1.0;
    double product = 1;
    for (std::size_t n = 0; n < 4; ++n) {
      product *= (static_cast<double>(correct[n]) + kTiny) / (static_cast<double>(guess[n]) + kSmall);
      result[n] = std::pow(product, 1.0 / static_cast<double>(n + 1)) * brevity;
    }
    return result;
  }
};

BleuCounts count_bleu(const std::vector<std::string>& references, std::string_view candidate) {
  const Words words = split_white_space(candidate);
  BleuCounts result;
  result.length = static_cast<std::int64_t>(words.size());
  for (std::int64_t n = 0; n < 4; ++n)
    result.guess[static_cast<std::size_t>(n)] = std::max<std::int64_t>(0, result.length - n);

  Counts most;
  std::int64_t best = -1;
  for (const std::string& reference : references) {
    const Words there = split_white_space(reference);
    const auto length = static_cast<std::int64_t>(there.size());
    const auto far = std::abs(length - result.length), least = std::abs(best - result.length);
    if (best < 0 || far < least || (far == least && length < best)) best = length;
    for (const auto& [ngram, count] : count_ngrams(there)) most[ngram] = std::max(most[ngram], count);
  }
  result.reference = best;
  for (const auto& [ngram, count] : count_ngrams(words)) {
    const auto found = most.find(ngram);
    if (found != most.end()) result.correct[ngram.size() - 1] += std::min(count, found->second);
  }
  return result;
}

std::int64_t common_subsequence(const Words& a, const Words& b) {
  std::vector<std::int64_t> row(b.size() + 1, 0);
  for (const std::string_view word : a) {
    std::int64_t diagonal = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::int64_t above = row[j + 1];
      row[j + 1] = word == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

double rouge_l(const std::vector<std::string>& references, std::string_view candidate) {
  constexpr double kBeta2 = 1.2 * 1.2;
  const Words words = split_plain(candidate);
  double precision = 0, recall = 0;
  for (const std::string& reference : references) {
    const Words there = split_plain(reference);
    const auto common = static_cast<double>(common_subsequence(there, words));
    precision = std::max(precision, common / static_cast<double>(words.size()));
    recall = std::max(recall, common / static_cast<double>(there.size()));
  }
  if (precision == 0 || recall == 0) return 0;
  return (1 + kBeta2) * precision * recall / (recall + kBeta2 * precision);
}

}  // namespace

std::size_t CiderScorer::NgramHash::operator()(const Ngram& ngram) const {
  std::uint64_t hash = 0;
  for (const std::uint32_t word : ngram) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;  // Fibonacci hashing; the shift brings high bits down
    hash ^= hash >> 29;
  }
  return static_cast<std::size_t>(hash);
}

CiderScorer::CiderScorer(const References& references)
    : log_pictures_(std::log(static_cast<double>(references.size()))) {
  std::vector<std::vector<std::vector<std::uint32_t>>> words(references.size());
  for (std::size_t picture = 0; picture < references.size(); ++picture) {
    if (references[picture].empty()) {
      throw InputError("CIDEr: picture " + std::to_string(picture) + ": got no reference, expected at least one");
    }
    std::vector<Ngram> held;
    for (const std::string& reference : references[picture]) {
      for (const std::string_view word : split_white_space(reference)) {
        vocabulary_.try_emplace(std::string(word), static_cast<std::uint32_t>(vocabulary_.size() + 1));
      }
      words[picture].push_back(numbers(reference));
      for (const Term& term : count(words[picture].back())) held.push_back(term.ngram);
    }
    std::sort(held.begin(), held.end());
    held.erase(std::unique(held.begin(), held.end()), held.end());
    for (const Ngram& ngram : held) ++frequency_[ngram];
  }
  for (const auto& captions : words) {
    std::vector<Vector>& vectors = pictures_.emplace_back();
    for (const auto& caption : captions) vectors.push_back(weigh(caption));
  }
}

// Words that no reference knows get numbers beyond the vocabulary's, equal ones the same.
std::vector<std::uint32_t> CiderScorer::numbers(std::string_view text) const {
  std::vector<std::uint32_t> result;
  std::vector<std::string_view> unknown;
  for (const std::string_view word : split_white_space(text)) {
    if (const auto found = vocabulary_.find(word); found != vocabulary_.end()) {
      result.push_back(found->second);
      continue;
    }
    const auto place = std::find(unknown.begin(), unknown.end(), word) - unknown.begin();
    if (place == static_cast<std::ptrdiff_t>(unknown.size())) unknown.push_back(word);
    result.push_back(static_cast<std::uint32_t>(vocabulary_.size() + 1 + static_cast<std::size_t>(place)));
  }
  return result;
}

std::vector<CiderScorer::Term> CiderScorer::count(const std::vector<std::uint32_t>& words) {
  std::vector<Ngram> ngrams;
  ngrams.reserve(4 * words.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    Ngram ngram{};
    for (std::size_t n = 0; n < 4 && i + n < words.size(); ++n) {
      ngram[n] = words[i + n];
      ngrams.push_back(ngram);
    }
  }
  std::sort(ngrams.begin(), ngrams.end());
  std::vector<Term> terms;
  for (const Ngram& ngram : ngrams) {
    if (terms.empty() || terms.back().ngram != ngram) terms.push_back({ngram, 0});
    terms.back().weight += 1;
  }
  return terms;
}

namespace {

std::size_t order(const std::array<std::uint32_t, 4>& ngram) {
  return static_cast<std::size_t>(std::find(ngram.begin() + 1, ngram.end(), 0u) - ngram.begin()) - 1;
}

}  // namespace

CiderScorer::Vector CiderScorer::weigh(const std::vector<std::uint32_t>& words) const {
  Vector result;
  result.terms = count(words);
  result.bigrams = words.empty() ? 0 : static_cast<std::int64_t>(words.size()) - 1;
  for (Term& term : result.terms) {
    const auto found = frequency_.find(term.ngram);
    const double frequency = found == frequency_.end() ? 1.0 : static_cast<double>(found->second);
    term.weight *= log_pictures_ - std::log(frequency);
    result.norm[order(term.ngram)] += term.weight * term.weight;
  }
  for (double& norm : result.norm) norm = std::sqrt(norm);
  return result;
}

double CiderScorer::similarity(const Vector& candidate, const Vector& reference) {
  std::array<double, 4> value{};
  auto there = reference.terms.begin();
  for (const Term& term : candidate.terms) {
    while (there != reference.terms.end() && there->ngram < term.ngram) ++there;
    if (there == reference.terms.end()) break;
    if (there->ngram == term.ngram) value[order(term.ngram)] += std::min(term.weight, there->weight) * there->weight;
  }
  double sum = 0;
  for (std::size_t n = 0; n < 4; ++n) {
    const double norms = candidate.norm[n] * reference.norm[n];
    sum += norms != 0 ? value[n] / norms : value[n];
  }
  const auto delta = static_cast<double>(candidate.bigrams - reference.bigrams);
  return sum * std::exp(-delta * delta / 72);  // 2 sigma^2
}

double CiderScorer::score(std::size_t picture, std::string_view candidate) const {
  if (picture >= pictures_.size()) {
    throw InputError("CIDEr: picture: got " + std::to_string(picture) + ", expected less than " +
                     std::to_string(pictures_.size()));
  }
  const Vector vector = weigh(numbers(candidate));
  double sum = 0;
  for (const Vector& reference : pictures_[picture]) sum += similarity(vector, reference);
  return 10 * sum / 4 / static_cast<double>(pictures_[picture].size());
}

CaptionScores score_captions(const References& references, const std::vector<std::string>& candidates) {
  if (candidates.size() != references.size() || candidates.empty()) {
    throw InputError("score_captions: candidates: got " + std::to_string(candidates.size()) + " for " +
                     std::to_string(references.size()) + " pictures, expected one for each");
  }
  const CiderScorer cider(references);
  CaptionScores result;
  BleuCounts total;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const BleuCounts counts = count_bleu(references[i], candidates[i]);
    total.add(counts);
    result.bleu_each.push_back(counts.bleu());
    result.rouge_each.push_back(rouge_l(references[i], candidates[i]));
    result.cider_each.push_back(cider.score(i, candidates[i]));
    result.rouge += result.rouge_each.back();
    result.cider += result.cider_each.back();
  }
  result.bleu = total.bleu();
  result.rouge /= static_cast<double>(candidates.size());
  result.cider /= static_cast<double>(candidates.size());
  return result;
}

}  // namespace limn
