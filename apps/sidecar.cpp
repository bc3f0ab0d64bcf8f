#include "apps/sidecar.h"

#include <unistd.h>

#include "apps/inputs.h"
#include "apps/run.h"
#include "core/files.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

std::string trimmed(std::string text) {
  const auto end = text.find_last_not_of(" \t\r\n");
  text.erase(end == std::string::npos ? 0 : end + 1);
  if (text.rfind("\xEF\xBB\xBF", 0) == 0) text.erase(0, 3);  // a byte order mark would end up amid the text
  return text;
}

/// The text of an existing sidecar, "" where there is none.
std::string existing_text(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error)) return {};
  try {
    return trimmed(read_file(file));
  } catch (const InputError& unreadable) {
    throw WriteError(unreadable.what());
  }
}

}  // namespace

Existing parse_existing(const std::string& word) {
  if (word == "error") return Existing::error;
  if (word == "skip") return Existing::skip;
  if (word == "overwrite") return Existing::overwrite;
  if (word == "append") return Existing::append;
  if (word == "prepend") return Existing::prepend;
  throw UsageError("--existing: got \"" + word + "\", expected error, skip, overwrite, append or prepend");
}

std::string sidecar_extension(const std::string& text) {
  const std::string extension = text.rfind('.', 0) == 0 ? text : "." + text;
  if (extension == "." || extension.find('/') != std::string::npos)
    throw UsageError("--sidecar: got \"" + text + "\", expected a file ending such as .txt");
  if (has_picture_extension("x" + extension))
    throw UsageError("--sidecar: " + extension + " is a picture's ending; text there would replace pictures");
  return extension;
}

fs::path sidecar_of(const fs::path& picture, const SidecarOptions& options) {
  fs::path file = picture;
  return file.replace_extension(options.extension);
}

SidecarPlan plan_sidecar(const fs::path& picture, const SidecarOptions& options) {
  const fs::path file = sidecar_of(picture, options);
  std::error_code error;
  if (fs::is_directory(file, error)) throw WriteError(file.string() + ": cannot be written: it is a folder");
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const bool present = fs::exists(file, error) && fs::file_size(file, error) > 0 && !error;
  if (present && options.existing == Existing::skip) return SidecarPlan::skip;
  if (present && options.existing == Existing::error)
    throw WriteError(file.string() + ": exists already; say --existing skip, overwrite, append or prepend");
  if (access(folder.c_str(), W_OK) != 0)
    throw WriteError(file.string() + ": cannot be written: its folder is not writable");
  return SidecarPlan::write;
}

void write_sidecar(const fs::path& picture, const std::string& text, const SidecarOptions& options) {
  const fs::path file = sidecar_of(picture, options);
  std::string whole = text;
  if (options.existing == Existing::append || options.existing == Existing::prepend) {
    const std::string old = existing_text(file);
    if (!old.empty())
      whole = options.existing == Existing::append ? old + options.separator + text : text + options.separator + old;
  }
  write_file(file, whole + "\n");
}

}  // namespace limn
