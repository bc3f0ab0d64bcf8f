#include "apps/evaluate/retrieval_metrics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/ops.h"

namespace limn {

namespace {

using Lists = std::vector<std::vector<std::int64_t>>;

Tensor comparable(const Tensor& scores, const char* what) {
  dims<2>(scores, what);
  const Tensor plain = scores.detach().to(at::kCPU, at::kFloat).contiguous();
  const float* data = plain.const_data_ptr<float>();
  for (std::int64_t i = 0; i < plain.numel(); ++i) {
    if (std::isnan(data[i])) throw InputError(std::string(what) + ": got NaN, expected numbers");
  }
  return plain;
}

// Indices 0 to count - 1 by falling score, ties by the lower index.
std::vector<std::int64_t> falling(const float* scores, std::int64_t count) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return scores[a] > scores[b]; });
  return order;
}

// Reorders the first candidates by a second score.
void reorder(std::vector<std::int64_t>& ranking, const float* second, std::int64_t count) {
  const std::vector<std::int64_t> first(ranking.begin(), ranking.begin() + count);
  std::size_t place = 0;
  for (const std::int64_t r : falling(second, count)) ranking[place++] = first[static_cast<std::size_t>(r)];
}

Lists invert(const Lists& relevant, std::int64_t texts) {
  Lists inverse(static_cast<std::size_t>(texts));
  for (std::size_t image = 0; image < relevant.size(); ++image) {
    for (const std::int64_t text : relevant[image]) {
      if (text < 0 || text >= texts) {
        throw InputError("score_retrieval: relevant[" + std::to_string(image) + "]: got text " + std::to_string(text) +
                         ", expected 0 to " + std::to_string(texts - 1));
      }
      std::vector<std::int64_t>& images = inverse[static_cast<std::size_t>(text)];
      if (!images.empty() && images.back() == static_cast<std::int64_t>(image)) {
        throw InputError("score_retrieval: relevant[" + std::to_string(image) + "]: names text " +
                         std::to_string(text) + " twice");
      }
      images.push_back(static_cast<std::int64_t>(image));
    }
  }
  return inverse;
}

// One query's share in the sums.
void add_query(const std::vector<std::int64_t>& ranking, const std::vector<std::int64_t>& relevant,
               RetrievalScores& sums) {
  std::vector<bool> wanted(ranking.size(), false);
  for (const std::int64_t candidate : relevant) wanted[static_cast<std::size_t>(candidate)] = true;
  const std::size_t all = relevant.size();
  std::size_t found = 0, early = 0;  // relevant ones so far; among the first `all` places
  double precisions = 0, early_precisions = 0;
  for (std::size_t place = 0; place < ranking.size() && found < all; ++place) {
    if (!wanted[static_cast<std::size_t>(ranking[place])]) continue;
    if (found == 0) sums.ranks.push_back(static_cast<std::int64_t>(place) + 1);
    ++found;
    const double precision = static_cast<double>(found) / static_cast<double>(place + 1);
    precisions += precision;
    if (place < all) ++early, early_precisions += precision;
  }
  sums.map += precisions / static_cast<double>(all);
  sums.map_at_r += early_precisions / static_cast<double>(all);
  sums.r_precision += static_cast<double>(early) / static_cast<double>(all);
}

double median(std::vector<std::int64_t> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return static_cast<double>(values[middle]);
  return static_cast<double>(values[middle - 1] + values[middle]) / 2;
}

void finish(RetrievalScores& scores, const char* direction) {
  if (scores.ranks.empty()) throw InputError(std::string("score_retrieval: ") + direction + ": nothing is relevant");
  const auto count = static_cast<double>(scores.ranks.size());
  const auto recall = [&](std::int64_t k) {
    const auto hits = std::count_if(scores.ranks.begin(), scores.ranks.end(), [k](std::int64_t r) { return r <= k; });
    return 100.0 * static_cast<double>(hits) / count;
  };
  scores.recall_1 = recall(1);
  scores.recall_5 = recall(5);
  scores.recall_10 = recall(10);
  scores.median_rank = median(scores.ranks);
  scores.mean_rank =
      static_cast<double>(std::accumulate(scores.ranks.begin(), scores.ranks.end(), std::int64_t{0})) / count;
  scores.map /= count;
  scores.map_at_r /= count;
  scores.r_precision /= count;
}

// One direction. Scores [Q C], relevant candidates by query.
RetrievalScores one_way(const Tensor& scores, const Lists& relevant, const Tensor& second, std::int64_t first,
                        const char* direction) {
  const std::int64_t queries = scores.size(0), candidates = scores.size(1), count = std::min(first, candidates);
  Tensor again;  // [Q N]
  if (count > 0) {
    again = comparable(second, direction);
    if (again.size(0) != queries || again.size(1) < count) {
      throw InputError(std::string("score_retrieval: ") + direction + ": second score: got " +
                       shape_text(again.sizes()) + ", expected [" + std::to_string(queries) + ", " +
                       std::to_string(count) + "]");
    }
  }
  RetrievalScores result;
  for (std::int64_t query = 0; query < queries; ++query) {
    const std::vector<std::int64_t>& wanted = relevant[static_cast<std::size_t>(query)];
    if (wanted.empty()) continue;
    std::vector<std::int64_t> ranking = falling(scores.const_data_ptr<float>() + query * candidates, candidates);
    if (count > 0) reorder(ranking, again.const_data_ptr<float>() + query * again.size(1), count);
    add_query(ranking, wanted, result);
  }
  finish(result, direction);
  return result;
}

}  // namespace

std::vector<std::vector<std::int64_t>> rank_candidates(const Tensor& scores, std::int64_t first) {
  const Tensor plain = comparable(scores, "rank_candidates: scores [Q C]");
  Lists result;
  for (std::int64_t query = 0; query < plain.size(0); ++query) {
    std::vector<std::int64_t> ranking = falling(plain.const_data_ptr<float>() + query * plain.size(1), plain.size(1));
    if (first > 0 && first < plain.size(1)) ranking.resize(static_cast<std::size_t>(first));
    result.push_back(std::move(ranking));
  }
  return result;
}

RetrievalResult score_retrieval(const Tensor& similarity, const Lists& relevant, const SecondStage& second) {
  const Tensor scores = comparable(similarity, "score_retrieval: similarity [I T]");
  if (static_cast<std::int64_t>(relevant.size()) != scores.size(0)) {
    throw InputError("score_retrieval: relevant: got " + std::to_string(relevant.size()) + " images, expected " +
                     std::to_string(scores.size(0)));
  }
  RetrievalResult result;
  const Lists images = invert(relevant, scores.size(1));
  result.image_to_text = one_way(scores, relevant, second.image_to_text, second.first, "image_to_text");
  result.text_to_image = one_way(scores.t().contiguous(), images, second.text_to_image, second.first, "text_to_image");
  for (const RetrievalScores* way : {&result.image_to_text, &result.text_to_image}) {
    result.rsum += way->recall_1 + way->recall_5 + way->recall_10;
  }
  return result;
}

ClassificationScores score_classification(const Tensor& scores, const std::vector<std::int64_t>& labels) {
  const Tensor plain = comparable(scores, "score_classification: scores [B C]");
  const std::int64_t rows = plain.size(0), classes = plain.size(1);
  if (rows == 0 || static_cast<std::int64_t>(labels.size()) != rows) {
    throw InputError("score_classification: labels: got " + std::to_string(labels.size()) + " for " +
                     std::to_string(rows) + " rows, expected one for each");
  }
  ClassificationScores result;
  std::map<std::int64_t, std::pair<double, double>> by_class;  // right, all
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t label = labels[static_cast<std::size_t>(row)];
    if (label < 0 || label >= classes) {
      throw InputError("score_classification: labels[" + std::to_string(row) + "]: got " + std::to_string(label) +
                       ", expected 0 to " + std::to_string(classes - 1));
    }
    const float* score = plain.const_data_ptr<float>() + row * classes;
    std::int64_t rank = 1;
    for (std::int64_t c = 0; c < classes; ++c)
      rank += score[c] > score[label] || (score[c] == score[label] && c < label);
    result.ranks.push_back(rank);
    auto& [right, all] = by_class[label];
    right += rank == 1;
    all += 1;
    result.top_1 += rank <= 1;
    result.top_5 += rank <= 5;
  }
  result.top_1 *= 100.0 / static_cast<double>(rows);
  result.top_5 *= 100.0 / static_cast<double>(rows);
  for (const auto& [label, counts] : by_class) result.mean_per_class_recall += counts.first / counts.second;
  result.mean_per_class_recall *= 100.0 / static_cast<double>(by_class.size());
  return result;
}

}  // namespace limn
