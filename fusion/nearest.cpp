#include "fusion/nearest.h"

#include <faiss/Clustering.h>
#include <faiss/Index.h>

#include <algorithm>
#include <cmath>

#include "core/few_rows.h"
#include "core/ops.h"
#include "core/packed_linear.h"
#include "fusion/sample.h"

namespace limn {

namespace {

constexpr std::int64_t kChunk = std::int64_t{1} << 17;  // rows whose products stay in the cache
constexpr std::int64_t kFew = 20000;                    // allowed rows that are picked one by one

bool better(const Hit& a, const Hit& b) {
  return a.similarity > b.similarity || (a.similarity == b.similarity && a.row < b.row);
}

/// The best hits so far, the worst of them on top of the heap.
class Best {
 public:
  explicit Best(std::int64_t count) : count_(static_cast<std::size_t>(count)) {}

  void offer(const float* products, std::int64_t size, std::int64_t first, const std::uint8_t* allowed) {
    for (std::int64_t i = 0; i < size; ++i) {
      if (!(products[i] >= bar_) || (allowed && !allowed[first + i])) continue;
      push({first + i, products[i]});
    }
  }

  void push(const Hit& hit) {
    if (hits_.size() == count_) {
      if (count_ == 0 || !better(hit, hits_.front())) return;
      std::pop_heap(hits_.begin(), hits_.end(), better);
      hits_.back() = hit;
    } else {
      hits_.push_back(hit);
    }
    std::push_heap(hits_.begin(), hits_.end(), better);
    if (hits_.size() == count_) bar_ = hits_.front().similarity;
  }

  std::vector<Hit> sorted() && {
    std::sort_heap(hits_.begin(), hits_.end(), better);
    return std::move(hits_);
  }
  std::size_t size() const { return hits_.size(); }

 private:
  std::size_t count_;
  float bar_ = -std::numeric_limits<float>::infinity();
  std::vector<Hit> hits_;
};

void scan(const Tensor& prepared, const VectorBlock& block, std::int64_t begin, std::int64_t end,
          const std::uint8_t* allowed, std::vector<Best>& best) {
  for (std::int64_t at = begin; at < end; at += kChunk) {
    const std::int64_t size = std::min(kChunk, end - at);
    const Tensor products = dot_products(prepared, narrowed(block.rows, at, size)).contiguous();  // [R size]
    for (std::size_t r = 0; r < best.size(); ++r)
      best[r].offer(products.data_ptr<float>() + static_cast<std::int64_t>(r) * size, size, block.first + at, allowed);
  }
}

void scan(const Tensor& prepared, std::span<const VectorBlock> blocks, const std::uint8_t* allowed,
          std::vector<Best>& best) {
  for (const VectorBlock& block : blocks) scan(prepared, block, 0, block.rows.codes.size(0), allowed, best);
}

std::int64_t total_rows(std::span<const VectorBlock> blocks) {
  return blocks.empty() ? 0 : blocks.back().first + blocks.back().rows.codes.size(0);
}

// One query: the likeliest cells, then all that was added behind them.
Best probe(const Tensor& query, std::span<const VectorBlock> blocks, const NearestOptions& options) {
  std::vector<Best> best(1, Best(options.count));
  const Cells& cells = *options.cells;
  const std::int64_t L = cells.centroids.size(0), N = total_rows(blocks);
  double probes = static_cast<double>(options.probes > 0 ? options.probes : default_probes(L));
  if (options.allowed)
    probes *= static_cast<double>(N) / static_cast<double>(std::max<std::int64_t>(options.allowed_count, 1));
  std::vector<Best> nearest_cells(1, Best(std::min(L, static_cast<std::int64_t>(std::ceil(std::min(probes, 1e9))))));
  scan(query, {0, {cells.centroids, {}}}, 0, L, nullptr, nearest_cells);
  for (const Hit& cell : std::move(nearest_cells[0]).sorted()) {
    const auto c = static_cast<std::size_t>(cell.row);
    scan(query, blocks.front(), cells.offsets[c], cells.offsets[c + 1], options.allowed, best);
  }
  scan(query, blocks.subspan(1), options.allowed, best);
  return std::move(best[0]);
}

const VectorBlock& block_of(std::span<const VectorBlock> blocks, std::int64_t row) {
  return *std::prev(std::upper_bound(blocks.begin(), blocks.end(), row,
                                     [](std::int64_t wanted, const VectorBlock& b) { return wanted < b.first; }));
}

std::vector<Hit> nearest_one(const Tensor& query, std::span<const VectorBlock> blocks, const NearestOptions& options) {
  if (options.allowed && options.allowed_count <= kFew) {
    std::vector<std::int64_t> rows;
    for (std::int64_t row = 0; row < total_rows(blocks); ++row)
      if (options.allowed[row]) rows.push_back(row);
    Best best(options.count);
    const Tensor products = products_with(query, blocks, rows).contiguous();
    for (std::size_t i = 0; i < rows.size(); ++i) best.push({rows[i], products.data_ptr<float>()[i]});
    return std::move(best).sorted();
  }
  const std::int64_t possible = options.allowed ? options.allowed_count : total_rows(blocks);
  if (options.cells) {
    Best best = probe(query, blocks, options);
    if (static_cast<std::int64_t>(best.size()) == std::min(options.count, possible)) return std::move(best).sorted();
  }
  std::vector<Best> best(1, Best(options.count));
  scan(query, blocks, options.allowed, best);
  return std::move(best[0]).sorted();
}

/// Centroids as FAISS's k-means asks them: products by packed weights, where FAISS's own flat index has the plain ones.
class Centroids : public faiss::Index {
 public:
  explicit Centroids(std::int64_t width) : faiss::Index(width, faiss::METRIC_INNER_PRODUCT) {}

  void add(std::int64_t count, const float* rows) override {
    ntotal = count;
    weight_ = std::make_unique<PackedLinear>(at::from_blob(const_cast<float*>(rows), {count, d}, at::kFloat).clone());
  }
  void reset() override {
    ntotal = 0;
    weight_.reset();
  }
  /// The nearest centroid alone: `wanted` is 1.
  void search(std::int64_t count, const float* x, std::int64_t wanted, float* products, std::int64_t* labels,
              const faiss::SearchParameters*) const override {
    if (wanted != 1) throw InputError("cells: one centroid for each vector");
    for (std::int64_t at = 0; at < count; at += kTogether) {
      const std::int64_t size = std::min(kTogether, count - at);
      const Tensor rows = at::from_blob(const_cast<float*>(x) + at * d, {size, d}, at::kFloat);
      Tensor all = (*weight_)(rows, {}, PackedActivation::none);  // [size L]
      if (!all.defined()) all = at::linear(rows, weight_->rows());
      const auto [best, place] = all.max(1);
      std::copy_n(best.const_data_ptr<float>(), size, products + at);
      std::copy_n(place.const_data_ptr<std::int64_t>(), size, labels + at);
    }
  }

 private:
  static constexpr std::int64_t kTogether = 512;  // products that stay in the cache
  std::unique_ptr<PackedLinear> weight_;
};

}  // namespace

std::int64_t default_probes(std::int64_t cells) { return std::max<std::int64_t>(16, cells / 64); }

std::int64_t default_cells(std::int64_t rows) {
  return static_cast<std::int64_t>(2 * std::sqrt(static_cast<double>(rows)));
}

std::vector<std::vector<Hit>> nearest(const Tensor& prepared, std::span<const VectorBlock> blocks,
                                      const NearestOptions& options) {
  const auto [R, D] = dims<2>(prepared, "nearest: queries [R D]");
  if (!blocks.empty() && blocks.front().rows.codes.size(1) != D)
    throw InputError("nearest: queries [R D]: got width " + std::to_string(D) + ", expected " +
                     std::to_string(blocks.front().rows.codes.size(1)));
  std::vector<std::vector<Hit>> all;
  for (std::int64_t r = 0; r < R && (options.cells || options.allowed || R == 1); ++r)
    all.push_back(nearest_one(prepared.narrow(0, r, 1), blocks, options));
  for (std::int64_t r = static_cast<std::int64_t>(all.size()); r < R; r += kFewRows) {  // rows are read once for many
    const Tensor queries = prepared.narrow(0, r, std::min(kFewRows, R - r));
    std::vector<Best> best(static_cast<std::size_t>(queries.size(0)), Best(options.count));
    scan(queries, blocks, nullptr, best);
    for (Best& one : best) all.push_back(std::move(one).sorted());
  }
  return all;
}

Vectors gathered_rows(std::span<const VectorBlock> blocks, std::span<const std::int64_t> rows) {
  std::vector<Tensor> codes, scales;
  for (std::size_t i = 0; i < rows.size();) {
    const VectorBlock& block = block_of(blocks, rows[i]);
    const std::int64_t end = block.first + block.rows.codes.size(0);
    std::vector<std::int64_t> inside;
    for (; i < rows.size() && rows[i] >= block.first && rows[i] < end; ++i) inside.push_back(rows[i] - block.first);
    const Vectors part = gathered(block.rows, at::tensor(inside, at::kLong));
    codes.push_back(part.codes);
    if (part.scale.defined()) scales.push_back(part.scale);
  }
  return {at::cat(codes), scales.empty() ? Tensor() : at::cat(scales)};
}

Tensor products_with(const Tensor& prepared, std::span<const VectorBlock> blocks, std::span<const std::int64_t> rows) {
  if (rows.empty()) return at::empty({prepared.size(0), 0}, at::kFloat);
  return dot_products(prepared, gathered_rows(blocks, rows));
}

Tensor rows_of(std::span<const VectorBlock> blocks, std::span<const std::int64_t> rows) {
  return decode_vectors(gathered_rows(blocks, rows));
}

Cells make_cells(std::span<const VectorBlock> blocks, std::span<const std::int64_t> rows, std::int64_t cells,
                 std::vector<std::int64_t>& order) {
  const auto N = static_cast<std::int64_t>(rows.size());
  const std::int64_t D = blocks.front().rows.codes.size(1);
  const std::int64_t L = std::clamp<std::int64_t>(cells > 0 ? cells : default_cells(N), 1, N);
  std::vector<std::int64_t> sample = spread_places(N, 40 * L);
  for (std::int64_t& row : sample) row = rows[static_cast<std::size_t>(row)];
  const VectorType type = blocks.front().rows.scale.defined() ? VectorType::int8 : VectorType::fp32;
  // In the space of prepared queries, so that centroids are compared with those directly.
  const Tensor learnt = prepared_queries(rows_of(blocks, sample), type);  // [S D]
  faiss::Clustering clustering(static_cast<int>(D), static_cast<int>(L));
  clustering.niter = 10;
  clustering.spherical = true;
  clustering.min_points_per_centroid = 1;
  Centroids centres(D);
  clustering.train(static_cast<std::int64_t>(sample.size()), learnt.data_ptr<float>(), centres);

  std::vector<std::vector<std::int64_t>> members(static_cast<std::size_t>(L));
  std::vector<std::int64_t> cell_of(static_cast<std::size_t>(kChunk / 16));
  for (std::int64_t at = 0; at < N; at += kChunk / 16) {
    const auto part =
        rows.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(std::min(kChunk / 16, N - at)));
    const Tensor x = prepared_queries(rows_of(blocks, part), type);
    centres.assign(static_cast<std::int64_t>(part.size()), x.data_ptr<float>(), cell_of.data());
    for (std::size_t i = 0; i < part.size(); ++i) members[static_cast<std::size_t>(cell_of[i])].push_back(part[i]);
  }
  Cells result;
  result.centroids = at::empty({L, D}, at::kFloat);
  std::copy(clustering.centroids.begin(), clustering.centroids.end(), result.centroids.data_ptr<float>());
  result.offsets.push_back(0);
  order.clear();
  for (const std::vector<std::int64_t>& cell : members) {
    order.insert(order.end(), cell.begin(), cell.end());
    result.offsets.push_back(static_cast<std::int64_t>(order.size()));
  }
  return result;
}

}  // namespace limn
