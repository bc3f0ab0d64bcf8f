#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"

namespace limn {

/// A whole file's bytes; pipes and devices are read to their end. A path may lead into a tar archive
/// (core/tar_archive.h).
/// @throws InputError naming the file and the system's reason
std::string read_file(const std::filesystem::path& file);

/// Calls `use(line, number)` for every line that is not blank; numbers count from 1 and blank lines count too.
void each_line(std::string_view text, const std::function<void(std::string_view line, std::size_t number)>& use);

/// Writes a whole file so that no reader ever sees half of it: a temporary name in the same folder, flushed to the
/// disk, renamed. A symbolic link is written through; a device or pipe is written directly. On failure the temporary
/// file is removed and an existing file is left as it was.
/// @throws WriteError naming the file and the system's reason
void write_file(const std::filesystem::path& file, std::string_view bytes);

/// The same from several pieces, written one after the other.
void write_file(const std::filesystem::path& file, std::span<const std::string_view> pieces);

/// A file that grows at its end by whole pieces. One process at a time may hold it; readers are not kept out.
class AppendFile {
 public:
  /// Opens a file that is there, for this process alone.
  /// @throws WriteError naming the file and the reason; another process that holds it is one
  explicit AppendFile(const std::filesystem::path& file);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  std::uint64_t size() const { return size_; }

  /// Writes the pieces behind the end, down to the disk. On failure the file is cut back to what it was.
  /// @throws WriteError naming the file and the system's reason
  void append(std::span<const std::string_view> pieces);

  /// Cuts the file off. @throws WriteError
  void cut(std::uint64_t size);

 private:
  std::filesystem::path path_;
  int descriptor_;
  std::uint64_t size_ = 0;
};

/// Keeps a folder for this process alone until it ends; the folder itself is the lock, so that a killed process leaves
/// none behind.
class FolderLock {
 public:
  /// @throws WriteError naming the folder and the reason; another process that holds it is one
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

/// A regular file mapped into memory. The mapping is private: nothing done to the bytes reaches the file. The file
/// must not shrink while it is mapped (the system raises SIGBUS then).
class MappedFile {
 public:
  /// @throws InputError naming the file and the system's reason; folders and devices are refused
  explicit MappedFile(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace limn
