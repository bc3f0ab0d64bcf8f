#pragma once

#include <optional>
#include <span>

#include "core/weights.h"

namespace limn {

/// What happens to a tensor's value on the way from a file's layout to ours.
enum class Fix {
  none,
  transpose,
  unsqueeze0,
  flatten0,
  token,             ///< [D] -> [1 1 D]
  first_third,       ///< of a stacked q, k, v: the query's rows; a name with one such row may have several
  last_two_thirds,   ///< the rows of key and value
  first_two_thirds,  ///< those of query and key
  last_third         ///< the value's
};

/// One row of a family's table: a foreign name pattern and our name.
/// `{}` stands for a block number, `{p}` for weight or bias, `{n}` for those or their older names in norms, gamma and
/// beta, a leading `*` for any prefix. In `to`, `{p}` is weight or bias in both cases.
/// An empty `to` drops the tensor on purpose. `parts` > 1: this tensor is part `part` of a stacked one
/// (q, k and v become one qkv; joined along the first dimension).
struct Rename {
  const char* from;
  const char* to;
  Fix fix = Fix::none;
  int part = 0;
  int parts = 1;
};

/// Our names for a foreign table, ready for a cursor.
/// Rows are total: a foreign name that no row matches stays under its own name and finish() reports it as unexpected;
/// two rows for one name, or a missing part, are faults.
/// @param what  the folder, for messages
Weights renamed(const TensorTable& foreign, std::span<const Rename> rows, const std::string& what, Placement placement);

/// The name that `row` gives to `name`, or nothing where the pattern does not match.
std::optional<std::string> apply(const Rename& row, const std::string& name);

}  // namespace limn
