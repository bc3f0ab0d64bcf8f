#include "fusion/picture_index.h"

#include <algorithm>
#include <unordered_map>

#include "core/ops.h"

namespace limn {

namespace {

Tensor unit(const Tensor& vector) {
  const double length = vector.norm().item<double>();
  if (!(length > 1e-12)) throw InputError("search: the parts of the query cancel each other out");
  return vector / length;
}

std::vector<QueryTerm> checked(std::span<const QueryTerm> given, std::int64_t width) {
  if (given.empty()) throw InputError("search: the query has no parts");
  std::vector<QueryTerm> terms;
  for (const QueryTerm& term : given) {
    if (term.embedding.numel() != width)
      throw InputError("search: query [D]: got " + std::to_string(term.embedding.numel()) + ", expected " +
                       std::to_string(width));
    if (term.weight != 0) terms.push_back({term.embedding.reshape({-1}).to(at::kCPU, at::kFloat), term.weight});
  }
  if (terms.empty()) throw InputError("search: all parts of the query have weight 0");
  return terms;
}

}  // namespace

/// A query in one space, with what its products are there in general.
struct PictureIndex::Side {
  Tensor direction;  // [D]
  double mean = 0, deviation = 1;
  double score(float product) const { return (product - mean) / deviation; }
};

PictureIndex::Side PictureIndex::measured(Space space, const Tensor& direction) const {
  Side side{direction};
  const Tensor products = background(space, direction);
  if (!products.defined() || products.numel() == 0) return side;
  const Tensor exact = products.to(at::kDouble);
  side.mean = exact.mean().item<double>();
  side.deviation = std::max(exact.std(false).item<double>(), 1e-3);  // of one picture: no deviation
  return side;
}

PictureIndex::Side PictureIndex::side_of(Space space, std::span<const QueryTerm> terms) const {
  if (terms.size() == 1) return measured(space, unit(terms[0].embedding * terms[0].weight));
  Tensor sum = at::zeros({head().width}, at::kFloat);
  for (const QueryTerm& term : terms) {
    const Tensor direction = unit(term.embedding);
    sum += direction * (term.weight / measured(space, direction).deviation);
  }
  return measured(space, unit(sum));
}

void PictureIndex::add_captions(std::vector<Found>& found, Pass& pass, const Side& side,
                                std::span<const QueryTerm> terms, std::int64_t count) const {
  const Side words = side_of(Space::captions, terms);
  std::unordered_map<std::int64_t, std::size_t> place;
  for (std::size_t i = 0; i < found.size(); ++i) place[found[i].picture] = i;
  std::vector<std::int64_t> fresh;
  const std::vector<Near> captions = pass.nearest(Space::captions, words.direction, count);
  for (const Near& near : captions)
    if (place.emplace(near.picture, found.size() + fresh.size()).second) fresh.push_back(near.picture);
  const std::vector<float> similarities = pass.products(side.direction, fresh);
  for (std::size_t i = 0; i < fresh.size(); ++i)
    found.push_back({fresh[i], similarities[i], side.score(similarities[i])});
  for (const Near& near : captions) {
    Found& picture = found[place[near.picture]];
    if (words.score(near.similarity) <= picture.score) continue;
    picture.score = words.score(near.similarity);
    picture.caption = near.caption;
    picture.text = near.text;
  }
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.score > b.score; });
}

std::vector<Found> PictureIndex::search(std::span<const QueryTerm> given, const SearchOptions& options) const {
  const std::vector<QueryTerm> terms = checked(given, head().width);
  if (live() == 0 || options.count < 1) return {};
  const std::unique_ptr<Pass> pass = begin(options);
  const Side side = side_of(Space::pictures, terms);
  std::vector<Found> found;
  for (const Near& near : pass->nearest(Space::pictures, side.direction, options.count))
    found.push_back({near.picture, near.similarity, side.score(near.similarity)});
  if (has_captions()) add_captions(found, *pass, side, terms, options.count);
  if (static_cast<std::int64_t>(found.size()) > options.count) found.resize(static_cast<std::size_t>(options.count));
  double bar = options.min_score.value_or(-1e300);
  if (options.min_relative && !found.empty()) bar = std::max(bar, *options.min_relative * found[0].score);
  std::erase_if(found, [bar](const Found& picture) { return picture.score < bar; });
  return found;
}

}  // namespace limn
