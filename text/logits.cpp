#include "text/logits.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/ops.h"

namespace limn {

namespace {

using Ids = std::vector<std::int64_t>;

// What `n`-gram rule forbids next: ids that once followed the last n - 1.
void forbid_repeats(const Ids& ids, std::int64_t n, Ids& forbidden) {
  const auto length = static_cast<std::int64_t>(ids.size());
  for (std::int64_t i = 0; i + n <= length; ++i)
    if (std::equal(ids.begin() + i, ids.begin() + i + n - 1, ids.end() - (n - 1)))
      forbidden.push_back(ids[static_cast<std::size_t>(i + n - 1)]);
}

// The last token of each banned list whose other tokens were just said. The end token alone cannot be banned.
void forbid_words(const Ids& ids, const GenerateOptions& options, Ids& forbidden) {
  for (const Ids& word : options.bad_words) {
    if (word.empty() || (word.size() == 1 && word[0] == options.end) || word.size() - 1 > ids.size()) continue;
    if (std::equal(word.begin(), word.end() - 1, ids.end() - static_cast<std::ptrdiff_t>(word.size() - 1)))
      forbidden.push_back(word.back());
  }
}

Tensor index_tensor(const Ids& ids, const Tensor& like) {
  return at::tensor(at::ArrayRef<std::int64_t>(ids)).to(like.device());
}

std::uint64_t mixed(std::uint64_t x) {  // splitmix64, Steele et al. 2014
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

}  // namespace

bool has_rules(const GenerateOptions& options) {
  return options.repetition_penalty != 1.0 || options.no_repeat_ngram > 0 || !options.bad_words.empty() ||
         options.min_length > 0;
}

void apply_rules(const Tensor& scores, const std::vector<const Ids*>& histories, const GenerateOptions& options) {
  const auto [R, V] = dims<2>(scores, "apply_rules: scores [R V]");
  if (static_cast<std::int64_t>(histories.size()) != R) throw InputError("apply_rules: one history per row is needed");
  Ids penalised, forbidden;  // flat positions in scores
  for (std::int64_t row = 0; row < R; ++row) {
    const Ids& ids = *histories[static_cast<std::size_t>(row)];
    Ids now;
    if (options.repetition_penalty != 1.0)
      for (const std::int64_t id : std::set<std::int64_t>(ids.begin(), ids.end())) penalised.push_back(row * V + id);
    if (options.no_repeat_ngram > 0) forbid_repeats(ids, options.no_repeat_ngram, now);
    forbid_words(ids, options, now);
    if (options.end >= 0 && static_cast<std::int64_t>(ids.size()) < options.min_length) now.push_back(options.end);
    for (const std::int64_t id : now) forbidden.push_back(row * V + id);
  }
  const Tensor flat = scores.view({-1});
  if (!penalised.empty()) {
    const Tensor where = index_tensor(penalised, scores);
    const Tensor value = flat.index_select(0, where);
    flat.index_copy_(0, where,
                     at::where(value < 0, value * options.repetition_penalty, value / options.repetition_penalty));
  }
  if (!forbidden.empty()) flat.index_fill_(0, index_tensor(forbidden, scores), -INFINITY);
}

Tensor warped(const Tensor& scores, const GenerateOptions& options) {
  Tensor result = options.temperature == 1.0 ? scores : scores / options.temperature;
  if (options.top_k > 0) {
    const std::int64_t kept = std::min(options.top_k, result.size(-1));
    const Tensor lowest = std::get<0>(at::topk(result, kept)).narrow(-1, kept - 1, 1);  // [R 1]
    result = result.masked_fill(result < lowest, -INFINITY);
  }
  if (options.top_p < 1.0) {
    const auto [sorted, order] = result.sort(-1);  // ascending
    Tensor dropped = at::softmax(sorted, -1).cumsum(-1) <= 1.0 - options.top_p;
    dropped.narrow(-1, dropped.size(-1) - 1, 1).fill_(false);  // the best one always stays
    result = result.masked_fill(at::zeros_like(dropped).scatter_(-1, order, dropped), -INFINITY);
  }
  return result;
}

double uniform(std::uint64_t seed, std::uint64_t picture, std::uint64_t row, std::uint64_t step) {
  const std::uint64_t bits = mixed(mixed(mixed(mixed(seed) ^ picture) ^ row) ^ step);
  return (static_cast<double>(bits >> 11) + 0.5) * 0x1.0p-53;
}

std::vector<std::int64_t> draw(const Tensor& scores, const std::vector<double>& at) {
  const Tensor chances = at::softmax(scores, -1).cpu().contiguous();  // [R V]
  const auto V = chances.size(1);
  std::vector<std::int64_t> ids;
  for (std::size_t row = 0; row < at.size(); ++row) {
    const float* p = chances.data_ptr<float>() + static_cast<std::int64_t>(row) * V;
    double total = 0, sum = 0;
    for (std::int64_t i = 0; i < V; ++i) total += p[i];
    std::int64_t chosen = 0;
    for (std::int64_t i = 0; i < V; ++i) {
      if (p[i] > 0) chosen = i;  // never one of chance 0, however the sums round
      if ((sum += p[i]) > at[row] * total) break;
    }
    ids.push_back(chosen);
  }
  return ids;
}

}  // namespace limn
