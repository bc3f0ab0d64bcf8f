#pragma once

#include <cstdint>
#include <string_view>

namespace limn {

inline constexpr std::uint64_t kHashStart = 14695981039346656037ull;

/// FNV-1a of bytes, going on from `hash`: the same on every platform and in every run; not for hostile data.
/// Source: Fowler, Noll and Vo, http://www.isthe.com/chongo/tech/comp/fnv.
constexpr std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t hash = kHashStart) {
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

}  // namespace limn
