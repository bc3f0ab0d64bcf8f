#pragma once

#include <cstdint>
#include <vector>

namespace limn {

/// Some places of 0..count-1 that stand for all: one of each of `wanted` equal stretches, drawn by a fixed rule. Equal
/// steps would see only a part of what comes in turns, such as pictures of cameras one after the other.
/// @return min(count, wanted) of them, ascending
inline std::vector<std::int64_t> spread_places(std::int64_t count, std::int64_t wanted) {
  std::vector<std::int64_t> places;
  const std::int64_t S = count < wanted ? count : wanted;
  std::uint64_t random = 0;
  for (std::int64_t i = 0; i < S; ++i) {
    const std::int64_t begin = i * count / S, end = (i + 1) * count / S;
    random = random * 6364136223846793005u + 1442695040888963407u;  // Knuth's, as in MMIX
    places.push_back(begin + static_cast<std::int64_t>((random >> 33) % static_cast<std::uint64_t>(end - begin)));
  }
  return places;
}

}  // namespace limn
