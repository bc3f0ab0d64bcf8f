#pragma once

#include <array>
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

/// XXH64 with seed 0, fed piece by piece: for whole files, at the speed of memory; not for hostile data.
/// Source: Collet, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md; `xxhsum -H64` prints the same.
class Hash64 {
 public:
  Hash64();
  Hash64& update(std::string_view bytes);
  std::uint64_t value() const;

 private:
  std::array<std::uint64_t, 4> lanes_;
  std::array<unsigned char, 32> held_{};  ///< bytes that do not fill a stripe yet
  std::uint64_t length_ = 0;
};

inline std::uint64_t hash_of(std::string_view bytes) { return Hash64().update(bytes).value(); }

}  // namespace limn
