#include "text/batch.h"

#include <algorithm>
#include <numeric>

#include "core/ops.h"

namespace limn {

namespace {

constexpr std::size_t kMostRows = 256, kMostTokens = 4096;  // of a batch: bounds its memory

TextBatch batch_of(const std::vector<std::vector<std::int64_t>>& rows, const std::vector<std::size_t>& indices,
                   std::int64_t fill) {
  std::size_t longest = 0;
  for (const std::size_t index : indices) longest = std::max(longest, rows[index].size());
  const auto B = static_cast<std::int64_t>(indices.size()), T = static_cast<std::int64_t>(longest);
  TextBatch batch{.ids = at::full({B, T}, fill, at::kLong), .lengths = at::empty({B}, at::kLong), .indices = indices};
  auto* id = batch.ids.data_ptr<std::int64_t>();
  auto* length = batch.lengths.data_ptr<std::int64_t>();
  for (const std::size_t index : indices) {
    std::copy(rows[index].begin(), rows[index].end(), id);
    id += T;
    *length++ = static_cast<std::int64_t>(rows[index].size());
    batch.filled |= rows[index].size() < longest;
  }
  return batch;
}

}  // namespace

Tensor TextBatch::mask() const {
  if (!filled) return {};
  const Tensor column = at::arange(ids.size(1), lengths.options());
  return column.lt(lengths.unsqueeze(1)).unsqueeze(1).unsqueeze(1);
}

Tensor in_batches(const std::vector<std::vector<std::int64_t>>& rows, std::int64_t fill, const at::Device& device,
                  const std::function<Tensor(const TextBatch& batch)>& tower, std::int64_t copies) {
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rows[a].size() > rows[b].size(); });
  Tensor result;
  for (std::size_t at = 0; at < order.size();) {
    const std::size_t length = rows[order[at]].size();
    if (rows[order.back()].empty()) throw InputError("texts: row " + std::to_string(order.back()) + ": has no ids");
    const std::size_t each = length * static_cast<std::size_t>(std::max<std::int64_t>(copies, 1));
    const std::size_t count = std::min({order.size() - at, kMostRows, std::max<std::size_t>(kMostTokens / each, 1)});
    const auto first = order.begin() + static_cast<std::ptrdiff_t>(at);
    TextBatch batch = batch_of(rows, {first, first + static_cast<std::ptrdiff_t>(count)}, fill);
    batch.ids = batch.ids.to(device);
    batch.lengths = batch.lengths.to(device);
    const Tensor values = tower(batch);
    if (!result.defined()) {
      auto sizes = values.sizes().vec();
      sizes[0] = static_cast<std::int64_t>(rows.size());
      result = at::empty(sizes, values.options());
    }
    std::vector<std::int64_t> places(batch.indices.begin(), batch.indices.end());
    result.index_copy_(0, at::tensor(places, at::kLong).to(values.device()), values);
    at += count;
  }
  return result.defined() ? result : at::empty({0}, at::TensorOptions(at::kFloat).device(device));
}

}  // namespace limn
