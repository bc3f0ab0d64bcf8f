#pragma once

#include <functional>
#include <vector>

#include "core/tensor.h"

namespace limn {

/// Some texts of about one length, as a tower reads them.
struct TextBatch {
  Tensor ids;                        ///< [B T] int64, filled up behind each text
  Tensor lengths;                    ///< [B] int64, without the filling
  std::vector<std::size_t> indices;  ///< row b is text indices[b]
  bool filled = false;               ///< some row is shorter than T

  /// True where a text has a token, for attention: bool [B 1 1 T]; undefined where nothing is filled up, which is
  /// faster.
  Tensor mask() const;
};

/// Runs any number of texts through `tower` in batches of like lengths, so that little is computed for filling.
/// @param rows   the texts' ids, at least one each
/// @param fill   the id behind shorter texts
/// @param tower  a batch -> [B ...], one row for each of its texts
/// @param copies  rows that the tower makes of each text (one for every picture): batches are so much smaller
/// @return [rows ...], in the order given; [0] where there are none
Tensor in_batches(const std::vector<std::vector<std::int64_t>>& rows, std::int64_t fill, const at::Device& device,
                  const std::function<Tensor(const TextBatch& batch)>& tower, std::int64_t copies = 1);

}  // namespace limn
