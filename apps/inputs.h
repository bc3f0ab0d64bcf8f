#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace limn {

/// Which pictures a command works on, as the user says it.
struct InputOptions {
  std::vector<std::string> paths;  ///< files, folders, quoted globs (`*`, `?`, `[a-z]`, `**` for any folders)
  std::string files_from;          ///< a file that lists paths, one a line; "-": standard input; "": none
  bool zero_separated = false;     ///< that list is separated by NUL bytes, as `find -print0` writes it
  bool recursive = false;          ///< look into the folders' subfolders too
  bool orient = true;              ///< turn pictures upright as their EXIF orientation says
  std::string shard;               ///< "2/8": the second of eight shares; "": all
};

/// A picture to work on, or, where `error` is not empty, why there is none under that name.
struct Input {
  std::filesystem::path path;
  std::string error;
};

struct Inputs {
  std::vector<Input> items;        ///< in the order given; a folder's files by name; each file once
  std::vector<std::string> notes;  ///< what was left out, in sentences
  bool single = false;             ///< exactly one file was named: results need not repeat its name
};

/// Whether a file's name ends like a picture that this build decodes.
bool has_picture_extension(const std::filesystem::path& file);

/// A share of the inputs, for several processes or machines.
struct Shard {
  std::uint64_t number = 0, count = 1;  ///< from 0 on

  /// Told by the absolute path alone, so that a share stays the same whatever other files there are. All that lies in
  /// one tar archive is in one share.
  bool holds(const std::filesystem::path& path) const;
};
/// "2/8" is {1, 8}. @throws UsageError
Shard parse_shard(const std::string& text);

/// Finds the pictures. A tar archive that is named, or that a glob yields, gives the pictures in it, under paths that
/// lead into it. Files named one by one are taken as they are, whatever their extension; folders and globs give
/// only what looks like a picture, hidden files and folders left out. What does not exist, cannot be listed, or yields
/// nothing becomes an item with an error, so that it is reported in its place.
/// @param standard_input  read where `files_from` is "-"
/// @throws UsageError where no input is given or the shard makes no sense; InputError where the list cannot be read
Inputs find_inputs(const InputOptions& options, std::istream& standard_input);

/// Whether `path` matches a glob: `*` and `?` within a name, `[abc]`, `**` any number of folders.
bool glob_matches(std::string_view pattern, std::string_view path);

}  // namespace limn
