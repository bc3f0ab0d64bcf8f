#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/files.h"

namespace limn {

/// Bytes and what keeps them in memory.
struct OwnedBytes {
  std::string_view view;
  std::shared_ptr<const void> owner;
};

/// A zip archive's directory and the content of its entries: stored and deflated ones, zip64 included. Every offset
/// and size is checked against the file. Checksums are not: torch.save may be told to leave them out.
/// Source: APPNOTE.TXT 6.3.
class ZipFile {
 public:
  struct Entry {
    std::uint16_t method = 0;      ///< 0 stored, 8 deflated
    std::uint64_t compressed = 0;  ///< bytes in the file
    std::uint64_t size = 0;        ///< bytes unpacked
    std::uint64_t header = 0;      ///< where its local header lies
  };

  /// @throws CheckpointError when the archive is damaged, split, encrypted, or names an entry twice
  explicit ZipFile(std::shared_ptr<const MappedFile> file);

  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }

  /// An entry's content: a view of the mapped file when stored, else unpacked into memory of its own.
  /// @throws CheckpointError naming the entry
  OwnedBytes content(std::string_view name) const;

 private:
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace limn
