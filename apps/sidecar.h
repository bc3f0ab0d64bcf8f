#pragma once

#include <filesystem>
#include <string>

#include "core/error.h"

namespace limn {

/// What happens to an output that is there already.
enum class Existing { error, skip, overwrite, append, prepend };

/// Captions in small files beside the pictures, as trainers of image models keep them: photo.jpg -> photo.txt.
struct SidecarOptions {
  std::string extension;  ///< ".txt"; "": no sidecars
  Existing existing = Existing::error;
  std::string separator = ", ";  ///< between old and new text where they are joined
};

/// The word of `--existing`. @throws UsageError listing the known ones
Existing parse_existing(const std::string& word);

/// "txt" and ".txt" mean the same. @throws UsageError for what cannot be a file's ending, or is a picture's
std::string sidecar_extension(const std::string& text);

/// photo.jpg -> photo.txt, in the same folder.
std::filesystem::path sidecar_of(const std::filesystem::path& picture, const SidecarOptions& options);

enum class SidecarPlan {
  write,
  skip  ///< it is there, with text in it, and is to stay
};

/// Decides before any work is spent on the picture. An empty sidecar counts as absent: nothing can be lost.
/// @throws WriteError where it exists and must not be touched, or its folder cannot be written
SidecarPlan plan_sidecar(const std::filesystem::path& picture, const SidecarOptions& options);

/// Writes the sidecar: one line of UTF-8 and a newline, put in place in one step.
/// @throws WriteError naming the file and the reason
void write_sidecar(const std::filesystem::path& picture, const std::string& text, const SidecarOptions& options);

}  // namespace limn
