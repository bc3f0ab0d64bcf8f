#include "apps/inputs.h"

#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <istream>
#include <iterator>
#include <set>
#include <unordered_set>

#include "apps/run.h"
#include "core/hash.h"
#include "core/tar_archive.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

std::string lower_extension(const fs::path& file) {
  std::string extension = file.extension().string();
  for (char& letter : extension) letter = static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
  return extension;
}

/// Pictures that people have and nothing here decodes: counted, so that nobody wonders where they went.
bool has_foreign_extension(const fs::path& file) {
  static const std::set<std::string> known = {".heic", ".heif", ".avif", ".jxl", ".svg", ".psd", ".cr2",
                                              ".cr3",  ".nef",  ".arw",  ".dng", ".orf", ".rw2"};
  return known.count(lower_extension(file)) > 0;
}

bool is_hidden(const fs::path& path) { return path.filename().string().rfind('.', 0) == 0; }

bool has_glob_signs(const std::string& text) { return text.find_first_of("*?[") != std::string::npos; }

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    parts.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool match_parts(const std::vector<std::string>& pattern, std::size_t p, const std::vector<std::string>& path,
                 std::size_t i) {
  if (p == pattern.size()) return i == path.size();
  if (pattern[p] == "**") {
    for (std::size_t skip = i; skip <= path.size(); ++skip)
      if (match_parts(pattern, p + 1, path, skip)) return true;
    return false;
  }
  return i < path.size() && fnmatch(pattern[p].c_str(), path[i].c_str(), FNM_PERIOD) == 0 &&
         match_parts(pattern, p + 1, path, i + 1);
}

class Finder {
 public:
  Finder(bool recursive, const Shard& shard) : recursive_(recursive), shard_(shard) {}

  void named(const std::string& text, bool with_globs) {
    std::error_code error;
    const fs::path path = text;
    const fs::file_status status = fs::status(path, error);
    if (fs::is_directory(status)) return folder(path);
    if (fs::is_regular_file(status) && has_archive_extension(path)) return archive(path);
    if (fs::exists(status) || inside_archive(path)) return add(path);
    if (with_globs && has_glob_signs(text)) return glob(text);
    if (text.rfind("http://", 0) == 0 || text.rfind("https://", 0) == 0)
      return fail(path, "is an address; download it first, local files only are read");
    fail(path, error && status.type() == fs::file_type::none ? error.message() : "no such file or folder");
  }

  Inputs finish() {
    if (foreign_ > 0)
      found_.notes.push_back(std::to_string(foreign_) + (foreign_ == 1 ? " file" : " files") +
                             " left out: HEIC, AVIF, SVG and camera raw formats are not decoded");
    return std::move(found_);
  }

 private:
  void add(const fs::path& path) {
    std::error_code error;
    const fs::path absolute = fs::absolute(path, error);
    const fs::path whole = (error ? path : absolute).lexically_normal();
    if (seen_.insert(whole.string()).second && shard_.holds(whole)) found_.items.push_back({path, ""});
  }

  void archive(const fs::path& path) {
    if (!shard_.holds(fs::absolute(path).lexically_normal())) return;
    try {
      const std::shared_ptr<const Archive> archive = open_archive(path);
      bool any = false;
      for (const ArchiveFile& file : archive->files()) {
        if (!has_picture_extension(file.name) || is_hidden(file.name)) continue;
        add(path / file.name);
        any = true;
      }
      if (!archive->fault().empty()) return fail(path, archive->fault());
      if (!any) fail(path, "no pictures in this archive");
    } catch (const InputError& error) {
      fail(path, error.what());
    }
  }

  void fail(const fs::path& path, const std::string& reason) { found_.items.push_back({path, reason}); }

  void folder(const fs::path& path) {
    const std::size_t before = found_.items.size(), known = seen_.size();
    const bool any = list(path, recursive_, [this](const fs::path& file) { offer(file, false); });
    if (!any && found_.items.size() == before && seen_.size() == known)
      fail(path, recursive_ ? "no pictures in this folder"
                            : "no pictures in this folder; --recursive looks into its subfolders too");
  }

  /// A file that a folder or a glob yields; true where it is a picture, new or not. Archives that merely lie in a
  /// folder may be anything.
  bool offer(const fs::path& file, bool archives) {
    if (archives && has_archive_extension(file)) {
      archive(file);
      return any_ = true;
    }
    if (has_picture_extension(file)) {
      add(file);
      return any_ = true;
    }
    if (has_foreign_extension(file)) ++foreign_;
    return false;
  }

  /// Calls `take` with a folder's files, sorted by name, subfolders' files behind them.
  /// @return whether `take` accepted any
  template <typename Take>
  bool list(const fs::path& path, bool deep, const Take& take) {
    any_ = false;
    walk(path, deep, take);
    return any_;
  }

  template <typename Take>
  void walk(const fs::path& path, bool deep, const Take& take) {
    std::error_code error;
    std::vector<fs::path> files, folders;
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      std::error_code ignored;
      if (is_hidden(at->path())) continue;
      if (at->is_regular_file(ignored)) files.push_back(at->path());
      // links to folders are not followed: they may lead round in a circle
      if (deep && !at->is_symlink(ignored) && at->is_directory(ignored)) folders.push_back(at->path());
    }
    if (error) return fail(path, "the folder cannot be listed: " + error.message());
    std::sort(files.begin(), files.end());
    std::sort(folders.begin(), folders.end());
    for (const fs::path& file : files) take(file);
    for (const fs::path& folder : folders) walk(folder, deep, take);
  }

  void glob(const std::string& pattern) {
    const std::string plain = pattern.substr(0, pattern.find_first_of("*?["));
    const std::size_t slash = plain.rfind('/');
    const std::string root = slash == std::string::npos ? "" : pattern.substr(0, slash + 1);
    const std::vector<std::string> parts = split_path(pattern.substr(root.size()));
    const bool deep = parts.size() > 1;
    std::error_code error;
    const bool present = fs::is_directory(root.empty() ? "." : root, error);
    const std::size_t skip = root.empty() ? 2 : root.size();  // "./"
    const bool any = present && list(root.empty() ? "." : root, deep, [&](const fs::path& file) {
                       const std::string inside = file.string().substr(skip);
                       if (match_parts(parts, 0, split_path(inside), 0)) offer(root + inside, true);
                     });
    if (!any) fail(pattern, "no picture matches");
  }

  bool recursive_;
  Shard shard_;
  bool any_ = false;
  std::size_t foreign_ = 0;
  Inputs found_;
  std::unordered_set<std::string> seen_;
};

std::vector<std::string> read_list(std::istream& stream, bool zero_separated) {
  std::vector<std::string> paths;
  for (std::string line; std::getline(stream, line, zero_separated ? '\0' : '\n');) {
    if (!zero_separated && !line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) paths.push_back(line);
  }
  return paths;
}

}  // namespace

bool has_picture_extension(const fs::path& file) {
  static const std::set<std::string> known = {
      ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".jp2",
      ".j2k", ".jpc",  ".pbm", ".pgm",  ".ppm", ".pnm", ".pam", ".pxm",  ".sr",  ".ras", ".hdr", ".pic"};
  return known.count(lower_extension(file)) > 0;
}

bool Shard::holds(const fs::path& path) const {
  if (count == 1) return true;
  const auto inside = inside_archive(path);
  return hash_of(inside ? inside->archive.string() : path.string()) % count == number;
}

Shard parse_shard(const std::string& text) {
  Shard shard;
  const char* const end = text.data() + text.size();
  const auto [slash, error] = std::from_chars(text.data(), end, shard.number);
  const bool first = error == std::errc() && slash != end && *slash == '/';
  const auto [rest, fault] = std::from_chars(first ? slash + 1 : end, end, shard.count);
  if (!first || fault != std::errc() || rest != end || shard.number < 1 || shard.number > shard.count)
    throw UsageError("--shard: got \"" + text + "\", expected 1/8 to 8/8 for the first to the last of eight shares");
  --shard.number;
  return shard;
}

bool glob_matches(std::string_view pattern, std::string_view path) {
  return match_parts(split_path(pattern), 0, split_path(path), 0);
}

Inputs find_inputs(const InputOptions& options, std::istream& standard_input) {
  std::vector<std::string> listed;
  if (options.files_from == "-") {
    listed = read_list(standard_input, options.zero_separated);
  } else if (!options.files_from.empty()) {
    std::ifstream file(options.files_from, std::ios::binary);
    if (!file || fs::is_directory(options.files_from))
      throw InputError("--files-from " + options.files_from + ": cannot be read");
    listed = read_list(file, options.zero_separated);
  }
  if (options.paths.empty() && options.files_from.empty())
    throw UsageError("no pictures given; name files, folders or quoted globs, or use --files-from");
  Finder finder(options.recursive, options.shard.empty() ? Shard{} : parse_shard(options.shard));
  for (const std::string& path : options.paths) finder.named(path, true);
  for (const std::string& path : listed) finder.named(path, false);
  Inputs found = finder.finish();
  std::error_code error;
  found.single = options.paths.size() + listed.size() == 1 && found.items.size() == 1 &&
                 !fs::is_directory(options.paths.empty() ? listed[0] : options.paths[0], error) &&
                 found.items[0].path == fs::path(options.paths.empty() ? listed[0] : options.paths[0]);
  return found;
}

}  // namespace limn
