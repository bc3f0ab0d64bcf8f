#include "fusion/index.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <unordered_map>

#include "core/checkpoint.h"
#include "core/hash.h"
#include "core/ops.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSample = 2048;

Tensor unit(const Tensor& vector) {
  const double length = vector.norm().item<double>();
  if (!(length > 1e-12)) throw InputError("search: the parts of the query cancel each other out");
  return vector / length;
}

// Live rows, evenly spread.
Vectors sample_of(std::span<const VectorBlock> blocks, const std::vector<std::int64_t>& rows) {
  if (rows.empty()) return {};
  std::vector<std::int64_t> chosen;
  const auto N = static_cast<std::int64_t>(rows.size()), S = std::min(N, kSample);
  for (std::int64_t i = 0; i < S; ++i) chosen.push_back(rows[static_cast<std::size_t>(i * N / S)]);
  return gathered_rows(blocks, chosen);
}

}  // namespace

std::string model_identity(const fs::path& folder) {
  std::set<fs::path> files;
  for (const auto& [name, tensor] : read_weights(folder)) files.insert(tensor.file);
  for (const char* name : {"preprocessor_config.json", "open_clip_config.json"})
    if (fs::exists(folder / name)) files.insert(folder / name);
  Hash64 hash;
  for (const fs::path& file : files) hash.update(map_checkpoint(file)->bytes());
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash.value()));
  return digits;
}

/// A query in one space, with what its products are there in general.
struct Index::Side {
  Tensor prepared;  // [1 D]
  double mean = 0, deviation = 1;
  double score(float product) const { return (product - mean) / deviation; }
};

Index::Index(IndexContent content) : content_(std::move(content)) {
  std::vector<std::int64_t> live, rows;
  for (std::size_t i = 0; i < content_.alive.size(); ++i)
    if (content_.alive[i]) live.push_back(static_cast<std::int64_t>(i));
  live_ = static_cast<std::int64_t>(live.size());
  pictures_ = {content_.picture_vectors, sample_of(content_.picture_vectors, live)};
  if (content_.captions.empty()) return;
  captions_of_.resize(content_.entries.size());
  for (std::size_t i = 0; i < content_.captions.size(); ++i) {
    const auto owner = static_cast<std::size_t>(content_.captions[i].owner);
    captions_of_[owner].push_back(static_cast<std::int64_t>(i));
    most_captions_ = std::max(most_captions_, static_cast<std::int64_t>(captions_of_[owner].size()));
    if (content_.alive[owner]) rows.push_back(static_cast<std::int64_t>(i));
  }
  caption_space_ = {content_.caption_vectors, sample_of(content_.caption_vectors, rows)};
}

Index::Side Index::side_of(const Space& space, std::span<const QueryTerm> terms) const {
  const VectorType type = content_.head.type;
  const auto measure = [&](const Tensor& direction) {  // [D]
    Side side{prepared_queries(direction.unsqueeze(0), type)};
    if (!space.sample.codes.defined()) return side;
    const Tensor products = dot_products(side.prepared, space.sample).to(at::kDouble);
    side.mean = products.mean().item<double>();
    side.deviation = std::max(products.std(false).item<double>(), 1e-3);  // of one picture: no deviation
    return side;
  };
  if (terms.size() == 1) return measure(unit(terms[0].embedding * terms[0].weight));
  Tensor sum = at::zeros({content_.head.width}, at::kFloat);
  for (const QueryTerm& term : terms) {
    const Tensor direction = unit(term.embedding);
    sum += direction * (term.weight / measure(direction).deviation);
  }
  return measure(unit(sum));
}

std::vector<std::uint8_t> Index::allowed(const SearchOptions& options, std::int64_t& count) const {
  count = live_;
  if (!options.keep && live_ == static_cast<std::int64_t>(content_.entries.size())) return {};
  std::vector<std::uint8_t> result = content_.alive;
  if (!options.keep) return result;
  count = 0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = result[i] && options.keep(static_cast<std::int64_t>(i), content_.entries[i]);
    count += result[i];
  }
  return result;
}

std::vector<Found> Index::search(std::span<const QueryTerm> given, const SearchOptions& options) const {
  if (given.empty()) throw InputError("search: the query has no parts");
  std::vector<QueryTerm> terms;
  for (const QueryTerm& term : given) {
    if (term.embedding.numel() != content_.head.width)
      throw InputError("search: query [D]: got " + std::to_string(term.embedding.numel()) + ", expected " +
                       std::to_string(content_.head.width));
    if (term.weight != 0) terms.push_back({term.embedding.reshape({-1}).to(at::kCPU, at::kFloat), term.weight});
  }
  if (terms.empty()) throw InputError("search: all parts of the query have weight 0");
  std::int64_t passing = 0;
  const std::vector<std::uint8_t> filter = allowed(options, passing);
  if (passing == 0 || options.count < 1) return {};
  const Side side = side_of(pictures_, terms);
  NearestOptions limits{.count = std::min(options.count, passing),
                        .allowed = filter.empty() ? nullptr : filter.data(),
                        .allowed_count = passing,
                        .cells = content_.cells && !options.exact ? &*content_.cells : nullptr,
                        .probes = options.probes};
  std::vector<Found> found;
  const std::vector<Hit> hits = nearest(side.prepared, pictures_.blocks, limits)[0];
  for (const Hit& hit : hits) found.push_back({hit.row, hit.similarity, side.score(hit.similarity)});

  if (caption_space_.sample.codes.defined()) {
    const Side words = side_of(caption_space_, terms);
    std::vector<std::uint8_t> rows(content_.captions.size());
    std::int64_t rows_passing = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto owner = static_cast<std::size_t>(content_.captions[i].owner);
      rows_passing += rows[i] = filter.empty() ? 1 : filter[owner];
    }
    // So many that the best pictures are among their owners, however many captions each has.
    const NearestOptions wanted{.count = std::min(limits.count * most_captions_, rows_passing),
                                .allowed = rows.data(),
                                .allowed_count = rows_passing};
    std::unordered_map<std::int64_t, std::size_t> place;
    for (std::size_t i = 0; i < found.size(); ++i) place[found[i].picture] = i;
    std::vector<std::int64_t> fresh;
    std::vector<Hit> captions = nearest(words.prepared, caption_space_.blocks, wanted)[0];
    for (const Hit& hit : captions) {
      const std::int64_t owner = content_.captions[static_cast<std::size_t>(hit.row)].owner;
      if (place.emplace(owner, found.size() + fresh.size()).second) fresh.push_back(owner);
    }
    const Tensor similarities = products_with(side.prepared, pictures_.blocks, fresh).contiguous();
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      const float similarity = similarities.data_ptr<float>()[i];
      found.push_back({fresh[i], similarity, side.score(similarity)});
    }
    for (const Hit& hit : captions) {
      Found& picture = found[place[content_.captions[static_cast<std::size_t>(hit.row)].owner]];
      if (words.score(hit.similarity) > picture.score) {
        picture.score = words.score(hit.similarity);
        picture.caption = hit.row;
      }
    }
    std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.score > b.score; });
    if (static_cast<std::int64_t>(found.size()) > limits.count) found.resize(static_cast<std::size_t>(limits.count));
  }

  double bar = options.min_score.value_or(-1e300);
  if (options.min_relative && !found.empty()) bar = std::max(bar, *options.min_relative * found[0].score);
  std::erase_if(found, [bar](const Found& picture) { return picture.score < bar; });
  return found;
}

Tensor Index::embedding(std::int64_t picture) const {
  return rows_of(content_.picture_vectors, std::span(&picture, 1))[0];
}

std::vector<std::string> Index::captions(std::int64_t picture) const {
  std::vector<std::string> texts;
  if (captions_of_.empty()) return texts;
  for (const std::int64_t row : captions_of_[static_cast<std::size_t>(picture)])
    texts.push_back(content_.captions[static_cast<std::size_t>(row)].text);
  return texts;
}

bool tidy_index(const fs::path& file, const TidyOptions& options) {
  const IndexWriter lock(file);
  const IndexContent& content = lock.content();
  std::vector<std::int64_t> live;
  for (std::size_t i = 0; i < content.alive.size(); ++i)
    if (content.alive[i]) live.push_back(static_cast<std::int64_t>(i));
  const auto all = static_cast<std::int64_t>(content.entries.size()), count = static_cast<std::int64_t>(live.size());
  const bool cells = count > 0 && (options.structure == Structure::cells ||
                                   (options.structure == Structure::automatic && count >= kManyPictures));
  const std::int64_t sorted = content.cells ? content.cells->offsets.back() : 0;
  const bool wrong_structure =
      cells != content.cells.has_value() ||
      (cells && (all - sorted > all / 5 || (options.cells > 0 && options.cells != content.cells->centroids.size(0))));
  if (!wrong_structure && all - count <= all / 4 && content.picture_vectors.size() <= 64) return false;
  std::optional<Cells> made;
  if (cells) {
    std::vector<std::int64_t> order;
    made = make_cells(content.picture_vectors, live, options.cells, order);
    live = std::move(order);
  }
  rewrite_index(file, content, live, made);
  return true;
}

}  // namespace limn
