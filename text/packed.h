#pragma once

#include <vector>

#include "core/tensor.h"

namespace limn {

/// Texts as ids, several to a row: [row][text][token].
using TextRows = std::vector<std::vector<std::vector<std::int64_t>>>;

/// What becomes of a text's last token.
enum class LastToken {
  target,  ///< never read, only predicted: for next-token losses
  read     ///< read like the others: for embeddings and matching
};

/// Several texts packed into each row: little filling, and what a row cross-attends to is encoded once for all of them.
struct PackedTexts {
  Tensor ids;        // [R T] int64
  Tensor positions;  // [R T] int64, from 0 in each text
  Tensor causal;     // [R 1 T T] bool: the causal rule inside each text, nothing across texts
  Tensor whole;      // [R 1 T T] bool: all of a text sees all of it
  Tensor places;     // [M] int64: of real tokens in the flattened [R*T]
  Tensor targets;    // [M] int64: the token that follows each; undefined where the last ones are read
  Tensor text;       // [M] int64: which of the G texts each belongs to
  Tensor lengths;    // [G] int64: tokens of each text
  Tensor row;        // [G] int64: which row each text lies in
};

/// Packs texts; they keep their order. @param longest  texts are cut to this many tokens. @param device  of the result
PackedTexts pack(TextRows texts, std::int64_t longest, LastToken last, at::Device device = at::kCPU);

/// Mean over each text's tokens. @param x  [R T D]. @return [G D]
Tensor text_means(const Tensor& x, const PackedTexts& texts);

}  // namespace limn
