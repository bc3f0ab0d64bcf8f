#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/files.h"

namespace limn {

/// A regular file inside an archive; its bytes lie in the mapped archive.
struct ArchiveFile {
  std::string name;  ///< "train/0001.jpg": relative, without "." and ".."
  std::string_view bytes;
};

/// A tar archive (ustar, GNU, pax; not compressed), as WebDataset keeps samples. Nothing is ever unpacked: names are
/// looked up inside the archive only, and those that lead out of it ("../x", "/x") are not taken up.
class Archive {
 public:
  /// @throws InputError naming the file: not to be read, compressed, no tar archive at all
  explicit Archive(const std::filesystem::path& file);

  /// In the archive's order; of several with one name the last, as tar unpacks them.
  const std::vector<ArchiveFile>& files() const { return files_; }
  /// Why some files are not among them ("" where all are), to be put behind the archive's name: it "is cut off or
  /// damaged …", a name leads out of it.
  const std::string& fault() const { return fault_; }
  const ArchiveFile* find(const std::string& name) const;  ///< null: not there

 private:
  void add(std::string name, std::string_view bytes);
  void note(const std::string& what);
  MappedFile memory_;
  std::vector<ArchiveFile> files_;
  std::map<std::string, std::size_t> places_;
  std::string fault_;
};

/// Whether a name ends like a tar archive's.
bool has_archive_extension(const std::filesystem::path& file);

/// The archive, listed once: the last few that were asked for stay open while their files do not change.
/// Callable from any thread. @throws InputError as Archive()
std::shared_ptr<const Archive> open_archive(const std::filesystem::path& file);

/// Paths lead into archives as into folders: "shards/00.tar/train/0001.jpg".
struct ArchivePath {
  std::filesystem::path archive;
  std::string name;
};
/// Nothing for all other paths, whether they exist or not.
std::optional<ArchivePath> inside_archive(const std::filesystem::path& path);

/// What tells a changed file from an unchanged one. A file inside an archive changes whenever the archive does.
struct FileState {
  std::uint64_t bytes = 0;
  std::int64_t modified = 0;  ///< nanoseconds since 1970
};
/// @throws InputError naming the file and the system's reason
FileState file_state(const std::filesystem::path& path);

}  // namespace limn
