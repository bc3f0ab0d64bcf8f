#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/hash.h"

namespace limn {

// What an index file consists of, for index_file.cpp, which reads it, and index_writer.cpp: magic and version, padded
// to kRecordAlign, then records. Numbers are little-endian, as x86-64 and ARM keep them.

inline constexpr std::string_view kIndexMagic = "LIMNIDX\n";
inline constexpr std::uint32_t kIndexVersion = 1, kRecordMark = 0x64636572;  // "recd"
inline constexpr std::size_t kRecordAlign = 64;
inline constexpr std::uint32_t kNoPicture = 0xFFFFFFFF;  // in place of a picture's number
inline constexpr std::array<const char*, 3> kVectorTypeNames = {"fp32", "fp16", "int8"};

enum class RecordKind : std::uint32_t { head = 1, add = 2, change = 3, cells = 4 };

/// In front of each record, whose words and then numbers follow, both padded to kRecordAlign.
struct RecordHeader {
  std::uint32_t mark = kRecordMark;
  RecordKind kind{};
  std::uint64_t words = 0, numbers = 0;            ///< bytes
  std::uint64_t words_hash = 0, numbers_hash = 0;  ///< Hash64
  std::uint64_t reserved[2] = {0, 0};
  std::uint64_t own_hash = 0;  ///< of all before

  std::uint64_t hash() const {
    return hash_of({reinterpret_cast<const char*>(this), sizeof(RecordHeader) - sizeof own_hash});
  }
};
static_assert(sizeof(RecordHeader) == kRecordAlign);

constexpr std::uint64_t padded(std::uint64_t bytes) { return (bytes + kRecordAlign - 1) / kRecordAlign * kRecordAlign; }

}  // namespace limn
