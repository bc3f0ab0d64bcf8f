#pragma once

#include <cstdint>
#include <vector>

namespace limn {

/// A map from 64-bit keys to non-negative 64-bit values, filled once and then only asked: open addressing, at most
/// half full, so that a miss costs about one memory access.
class FlatMap {
 public:
  static constexpr std::int64_t kAbsent = -1;

  explicit FlatMap(std::size_t expected = 0) { resize(expected); }

  /// The first value of a key stays.
  void insert(std::uint64_t key, std::int64_t value) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[place(key)];
    if (slot.value != kAbsent) return;
    slot = {key, value};
    ++size_;
  }

  std::int64_t find(std::uint64_t key) const { return slots_[place(key)].value; }
  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::int64_t value = kAbsent;
  };

  std::size_t place(std::uint64_t key) const {
    std::uint64_t hash = key * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at].value != kAbsent && slots_[at].key != key) at = (at + 1) & (slots_.size() - 1);
    return at;
  }

  void resize(std::size_t expected) {
    std::size_t capacity = 16;
    while (capacity < 2 * expected) capacity *= 2;
    slots_.assign(capacity, {});
  }

  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.value != kAbsent) slots_[place(slot.key)] = slot;
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace limn
