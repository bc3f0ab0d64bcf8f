#pragma once

#include "core/tensor.h"

namespace limn {

/// How an index keeps its vectors: 4, 2 or 1 bytes per number.
enum class VectorType { fp32, fp16, int8 };

/// Rows of vectors as they are kept. int8: each row has been rotated (see rotated()) and has a scale of its own.
struct Vectors {
  Tensor codes;  ///< float, half or int8 [N D]
  Tensor scale;  ///< float [N] for int8, else undefined
};

/// Mixes the numbers of each row by a fixed rotation, so that no single number is much larger than the others: a step
/// of 1/127 of the largest then loses little of any of them. Lengths and dot products stay.
/// Source: random signs and Hadamard transforms, Ailon and Chazelle 2009, "The fast Johnson-Lindenstrauss transform".
/// @param rows  float [N D]  @return float [N D]
Tensor rotated(const Tensor& rows);

/// @param rows  float [N D]
Vectors encode_vectors(const Tensor& rows, VectorType type);

/// @return float [N D], as they were given but for the loss of their type
Tensor decode_vectors(const Vectors& rows);

/// Queries as dot_products() wants them: float [R D], rotated where the rows are.
Tensor prepared_queries(const Tensor& queries, VectorType type);

/// Dot products of prepared queries [R D] with rows [N D]: float [R N]. Rows are read once, at the speed of memory.
Tensor dot_products(const Tensor& prepared, const Vectors& rows);

/// The rows begin..begin+count-1, without a copy.
Vectors narrowed(const Vectors& rows, std::int64_t begin, std::int64_t count);

/// The rows of these numbers (int64 [M]), copied.
Vectors gathered(const Vectors& rows, const Tensor& numbers);

}  // namespace limn
