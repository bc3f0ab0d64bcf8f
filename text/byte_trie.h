#pragma once

#include <string_view>

#include "text/flat_map.h"

namespace limn {

/// Strings by their bytes, each with a non-negative value: for longest matches and all prefixes.
class ByteTrie {
 public:
  static constexpr std::int64_t kRoot = 0, kAbsent = FlatMap::kAbsent;

  /// The first value of a string stays.
  void insert(std::string_view text, std::int64_t value) {
    std::int64_t node = kRoot;
    for (const unsigned char byte : text) {
      std::int64_t next = step(node, byte);
      if (next == kAbsent) {
        next = static_cast<std::int64_t>(values_.size());
        edges_.insert(edge(node, byte), next);
        values_.push_back(kAbsent);
      }
      node = next;
    }
    auto& stored = values_[static_cast<std::size_t>(node)];
    if (stored == kAbsent) stored = value;
  }

  /// The node behind `byte`, or kAbsent.
  std::int64_t step(std::int64_t node, unsigned char byte) const { return edges_.find(edge(node, byte)); }
  /// The value of the string that ends in `node`, or kAbsent.
  std::int64_t value(std::int64_t node) const { return values_[static_cast<std::size_t>(node)]; }

  struct Match {
    std::int64_t value = kAbsent;
    std::size_t length = 0;
  };

  /// The longest string that `text` begins with, looked for from `node`.
  Match longest(std::string_view text, std::int64_t node = kRoot) const {
    Match best;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = step(node, static_cast<unsigned char>(text[i]));
      if (node == kAbsent) break;
      if (value(node) != kAbsent) best = {value(node), i + 1};
    }
    return best;
  }

 private:
  static std::uint64_t edge(std::int64_t node, unsigned char byte) {
    return static_cast<std::uint64_t>(node) << 8 | byte;
  }

  FlatMap edges_;
  std::vector<std::int64_t> values_ = {kAbsent};
};

}  // namespace limn
