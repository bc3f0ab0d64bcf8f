#include "core/tar_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <cerrno>
#include <list>
#include <mutex>
#include <system_error>

namespace limn {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKept = 8;  // archives that stay open

using Reader = std::unique_ptr<archive, decltype(&archive_read_free)>;

Reader reader_of(std::string_view bytes) {
  Reader reader(archive_read_new(), archive_read_free);
  archive_read_support_format_tar(reader.get());
  archive_read_open_memory(reader.get(), bytes.data(), bytes.size());
  return reader;
}

std::string reason_of(archive* reader) {
  const char* text = archive_error_string(reader);
  return text ? text : "of an unknown kind";
}

/// As stored: names in UTF-8 do not survive a change to the user's locale, where that is "C".
std::string name_of(archive_entry* entry) {
  const char* name = archive_entry_pathname(entry);
  if (!name) name = archive_entry_pathname_utf8(entry);
  return name ? name : "";
}

/// "./a//b" -> "a/b"; "" for what leads out of the archive, or nowhere.
std::string inner_name(const std::string& name) {
  const fs::path path(name);
  if (path.is_absolute() || name.find('\0') != std::string::npos) return {};
  std::string inner;
  for (const fs::path& part : path) {
    if (part == "..") return {};
    if (part == "." || part.empty()) continue;
    if (!inner.empty()) inner += '/';
    inner += part.string();
  }
  return inner;
}

/// The whole file as a piece of the archive; nothing where it is stored in several.
std::optional<std::string_view> content_of(archive* reader, archive_entry* entry, std::string_view all) {
  const auto size = static_cast<std::size_t>(archive_entry_size(entry));
  const void* data = nullptr;
  std::size_t count = 0;
  la_int64_t offset = 0;
  if (size == 0) return all.substr(0, 0);
  if (archive_read_data_block(reader, &data, &count, &offset) != ARCHIVE_OK) return std::nullopt;
  const char* const begin = static_cast<const char*>(data);
  const bool inside = begin >= all.data() && begin + count <= all.data() + all.size();
  return inside && offset == 0 && count == size ? std::optional(std::string_view(begin, count)) : std::nullopt;
}

FileState state_of(const struct stat& status) {
  return {static_cast<std::uint64_t>(status.st_size),
          status.st_mtim.tv_sec * std::int64_t{1'000'000'000} + status.st_mtim.tv_nsec};
}

}  // namespace

Archive::Archive(const fs::path& file) : memory_(file) {
  const Reader reader = reader_of(memory_.bytes());
  archive_entry* entry = nullptr;
  std::size_t headers = 0;
  for (;; ++headers) {
    const int result = archive_read_next_header(reader.get(), &entry);
    if (result == ARCHIVE_EOF) break;
    if (result < ARCHIVE_WARN && headers == 0)
      throw InputError(file.string() + ": is no tar archive, or a compressed one; plain .tar files are read");
    if (result < ARCHIVE_WARN) {
      note("is cut off or damaged behind " + std::to_string(files_.size()) + " files: " + reason_of(reader.get()));
      break;
    }
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry)) continue;
    const std::string stored = name_of(entry), name = inner_name(stored);
    if (name.empty()) {
      note("holds the name \"" + stored + "\", which leads out of the archive; left out");
      continue;
    }
    if (const auto bytes = content_of(reader.get(), entry, memory_.bytes()))
      add(name, *bytes);
    else
      note("holds only a part of \"" + name + "\", or holds it in pieces; left out");
  }
}

void Archive::add(std::string name, std::string_view bytes) {
  const auto [place, fresh] = places_.emplace(name, files_.size());
  if (fresh)
    files_.push_back({std::move(name), bytes});
  else
    files_[place->second].bytes = bytes;
}

void Archive::note(const std::string& what) {
  if (fault_.empty()) fault_ = what;
}

const ArchiveFile* Archive::find(const std::string& name) const {
  const auto place = places_.find(name);
  return place == places_.end() ? nullptr : &files_[place->second];
}

bool has_archive_extension(const fs::path& file) { return file.extension() == ".tar"; }

std::shared_ptr<const Archive> open_archive(const fs::path& file) {
  struct Open {
    fs::path path;
    FileState state;
    ino_t number;
    std::shared_ptr<const Archive> archive;
  };
  static std::mutex mutex;
  static std::list<Open> kept;  // the latest first
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0)
    throw InputError(file.string() + ": cannot be opened: " + std::generic_category().message(errno));
  const FileState state = state_of(status);
  const std::lock_guard lock(mutex);
  for (auto open = kept.begin(); open != kept.end(); ++open) {
    if (open->path != file) continue;
    kept.splice(kept.begin(), kept, open);
    if (open->number == status.st_ino && open->state.bytes == state.bytes && open->state.modified == state.modified)
      return open->archive;
    kept.pop_front();
    break;
  }
  kept.push_front({file, state, status.st_ino, std::make_shared<const Archive>(file)});
  if (kept.size() > kKept) kept.pop_back();
  return kept.front().archive;
}

std::optional<ArchivePath> inside_archive(const fs::path& path) {
  fs::path outer;
  for (auto part = path.begin(); part != path.end(); ++part) {
    outer /= *part;
    std::error_code error;
    if (!has_archive_extension(*part) || !fs::is_regular_file(outer, error)) continue;
    fs::path inner;
    for (++part; part != path.end(); ++part) inner /= *part;
    if (inner.empty()) return std::nullopt;
    return ArchivePath{outer, inner.string()};
  }
  return std::nullopt;
}

FileState file_state(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return state_of(status);
  const int error = errno;
  if (const auto inside = error == ENOTDIR ? inside_archive(path) : std::nullopt) {
    if (const ArchiveFile* found = open_archive(inside->archive)->find(inside->name))
      return {found->bytes.size(), file_state(inside->archive).modified};
    throw InputError(path.string() + ": the archive has no such file");
  }
  throw InputError(path.string() + ": cannot be opened: " + std::generic_category().message(error));
}

}  // namespace limn
