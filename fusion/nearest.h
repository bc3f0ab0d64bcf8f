#pragma once

#include "fusion/index_file.h"

namespace limn {

/// A row that was found.
struct Hit {
  std::int64_t row;
  float similarity;  ///< dot product with the query
};

struct NearestOptions {
  std::int64_t count = 10;                ///< hits per query
  const std::uint8_t* allowed = nullptr;  ///< not owned; a byte per row, 0: never a hit; null: all may be hits
  std::int64_t allowed_count = 0;         ///< how many of them are not 0
  const Cells* cells = nullptr;           ///< not owned; null: every row is looked at
  std::int64_t probes = 0;                ///< cells that are looked into; 0: default_probes()
};

/// So many cells give a recall@10 above 0.95 on 5,500 clustered vectors (tests/fusion/index.cpp) and of 0.92 on a
/// million (docs/index.md).
std::int64_t default_probes(std::int64_t cells);

/// The rows with the largest dot products, best first, equal ones by their number. Without cells the result is exact.
/// With cells, rows beyond the sorted ones are all looked at, and fewer than `count` hits are never given where more
/// rows are allowed: the search becomes exact then.
/// @param prepared  float [R D], from prepared_queries()
/// @return R lists
std::vector<std::vector<Hit>> nearest(const Tensor& prepared, std::span<const VectorBlock> blocks,
                                      const NearestOptions& options);

/// Dot products with chosen rows: float [R M].
/// @param rows  numbers, in any order
Tensor products_with(const Tensor& prepared, std::span<const VectorBlock> blocks, std::span<const std::int64_t> rows);

/// Chosen rows as one piece of memory, in the order given.
Vectors gathered_rows(std::span<const VectorBlock> blocks, std::span<const std::int64_t> rows);

/// Chosen rows as they were encoded: float [M D].
Tensor rows_of(std::span<const VectorBlock> blocks, std::span<const std::int64_t> rows);

/// 2 sqrt(N)
std::int64_t default_cells(std::int64_t rows);

/// Makes cells for the given vectors: spherical k-means on a sample, then each vector to its nearest centre.
/// @param cells  how many; 0: default_cells()
/// @param order  becomes the rows' numbers, sorted by cell
Cells make_cells(std::span<const VectorBlock> blocks, std::span<const std::int64_t> rows, std::int64_t cells,
                 std::vector<std::int64_t>& order);

}  // namespace limn
