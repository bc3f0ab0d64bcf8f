#pragma once

#include <random>
#include <vector>

#include "text/packed.h"

namespace limn {

/// A picture's captions as token lists, by language: [begin … end].
using TokenizedCaptions = std::vector<std::vector<std::vector<std::int64_t>>>;  // [language][caption][token]

/// Draws up to `captions` of each picture and language without repetition: a row per picture.
TextRows draw_captions(const std::vector<const TokenizedCaptions*>& pictures, std::int64_t captions,
                       std::mt19937_64& random);

/// A number below `bound`, the same on every platform (std::uniform_int_distribution is not).
std::uint64_t draw_below(std::mt19937_64& random, std::uint64_t bound);
/// A number in [0, 1).
double draw_unit(std::mt19937_64& random);

/// The pictures of step `step`: a fresh permutation each pass, seeded by the pass, so that any step can be recomputed.
std::vector<std::int64_t> pictures_of_step(std::int64_t step, std::int64_t batch, std::int64_t pictures,
                                           std::uint64_t seed);

}  // namespace limn
