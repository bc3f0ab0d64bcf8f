#pragma once

#include <random>
#include <vector>

#include "core/tensor.h"

namespace limn {

/// A picture's captions as token lists, by language: [begin … end].
using TokenizedCaptions = std::vector<std::vector<std::vector<std::int64_t>>>;  // [language][caption][token]

/// The captions of a batch: [picture][caption][token], each begin … end.
using CaptionRows = std::vector<std::vector<std::vector<std::int64_t>>>;

/// Several captions of each picture packed into one row: little padding, and the picture is encoded once.
struct PackedBatch {
  Tensor ids;        // [B T] int64, inputs
  Tensor positions;  // [B T] int64, from 0 in each caption
  Tensor mask;       // [B 1 T T] bool: the causal rule inside each caption, nothing across captions
  Tensor rows;       // [M] int64: places of real tokens in the flattened [B*T]
  Tensor targets;    // [M] int64: the token that follows each
  Tensor caption;    // [M] int64: which of the G captions each belongs to
  Tensor ends;       // [G] int64: places, in the flattened [B*T], of each caption's last input token
  Tensor picture;    // [G] int64: which row of the batch each caption belongs to
};

/// Draws up to `captions` of each picture and language without repetition.
CaptionRows draw_captions(const std::vector<const TokenizedCaptions*>& pictures, std::int64_t captions,
                          std::mt19937_64& random);

/// Packs captions; they keep their order. @param longest  captions are cut to this many tokens
PackedBatch pack(CaptionRows captions, std::int64_t longest);

/// A number below `bound`, the same on every platform (std::uniform_int_distribution is not).
std::uint64_t draw_below(std::mt19937_64& random, std::uint64_t bound);
/// A number in [0, 1).
double draw_unit(std::mt19937_64& random);

/// The pictures of step `step`: a fresh permutation each pass, seeded by the pass, so that any step can be recomputed.
std::vector<std::int64_t> pictures_of_step(std::int64_t step, std::int64_t batch, std::int64_t pictures,
                                           std::uint64_t seed);

}  // namespace limn
