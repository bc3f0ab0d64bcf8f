#include "core/hash.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

namespace limn {

namespace {

constexpr std::uint64_t kP1 = 0x9E3779B185EBCA87ull, kP2 = 0xC2B2AE3D27D4EB4Full, kP3 = 0x165667B19E3779F9ull,
                        kP4 = 0x85EBCA77C2B2AE63ull, kP5 = 0x27D4EB2F165667C5ull;

template <typename Word>
Word load(const unsigned char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

std::uint64_t mixed(std::uint64_t lane, std::uint64_t word) { return std::rotl(lane + word * kP2, 31) * kP1; }

void take_stripe(std::array<std::uint64_t, 4>& lanes, const unsigned char* at) {
  for (std::size_t i = 0; i < 4; ++i) lanes[i] = mixed(lanes[i], load<std::uint64_t>(at + 8 * i));
}

}  // namespace

Hash64::Hash64() : lanes_{kP1 + kP2, kP2, 0, 0 - kP1} {}

Hash64& Hash64::update(std::string_view bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t left = bytes.size();
  const std::size_t held = length_ % 32;
  length_ += left;
  if (held > 0) {
    const std::size_t taken = std::min(left, 32 - held);
    std::copy_n(at, taken, held_.data() + held);
    at += taken;
    left -= taken;
    if (held + taken < 32) return *this;
    take_stripe(lanes_, held_.data());
  }
  auto lanes = lanes_;  // in registers
  for (; left >= 32; at += 32, left -= 32) take_stripe(lanes, at);
  lanes_ = lanes;
  std::copy_n(at, left, held_.data());
  return *this;
}

std::uint64_t Hash64::value() const {
  std::uint64_t hash = kP5;
  if (length_ >= 32) {
    hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
    for (const std::uint64_t lane : lanes_) hash = (hash ^ mixed(0, lane)) * kP1 + kP4;
  }
  hash += length_;
  const unsigned char* at = held_.data();
  const unsigned char* const end = at + length_ % 32;
  for (; end - at >= 8; at += 8) hash = std::rotl(hash ^ mixed(0, load<std::uint64_t>(at)), 27) * kP1 + kP4;
  if (end - at >= 4) {
    hash = std::rotl(hash ^ (load<std::uint32_t>(at) * kP1), 23) * kP2 + kP3;
    at += 4;
  }
  for (; at < end; ++at) hash = std::rotl(hash ^ (*at * kP5), 11) * kP1;
  hash = (hash ^ (hash >> 33)) * kP2;
  hash = (hash ^ (hash >> 29)) * kP3;
  return hash ^ (hash >> 32);
}

}  // namespace limn
