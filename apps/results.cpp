#include "apps/results.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ostream>
#include <system_error>

#include "apps/run.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void cannot_write(const fs::path& file, int error) {
  throw WriteError(file.string() + ": cannot be written: " + std::generic_category().message(error));
}

}  // namespace

Results::Results(const fs::path& file, bool keep)
    : file_(file),
      descriptor_(open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (keep ? 0 : O_TRUNC), 0666)) {
  if (descriptor_ < 0) cannot_write(file_, errno);
}

Results::~Results() {
  if (descriptor_ >= 0) close(descriptor_);
}

void Results::put(const std::string& lines) {
  if (lines.empty()) return;
  if (out_) {
    *out_ << lines;
    return flush_results(*out_);
  }
  for (std::size_t sent = 0; sent < lines.size();) {  // one call as a rule; more where the disk is nearly full
    const ssize_t written = write(descriptor_, lines.data() + sent, lines.size() - sent);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) cannot_write(file_, errno);
    sent += static_cast<std::size_t>(written);
  }
}

void Results::finish() {
  if (descriptor_ < 0) return;
  if (fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS)
    cannot_write(file_, errno);  // pipes and devices: EINVAL
  const int closed = close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) cannot_write(file_, errno);
}

OutputPlan plan_output(const fs::path& file, Existing existing) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (fs::is_directory(status)) throw WriteError(file.string() + ": cannot be written: it is a folder");
  if (fs::is_regular_file(status)) {
    if (existing == Existing::skip) return OutputPlan::keep;
    if (existing != Existing::overwrite)
      throw WriteError(file.string() + ": exists already; say --existing overwrite to replace it");
  }
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (access(folder.c_str(), W_OK) != 0 && !fs::exists(status)) cannot_write(file, errno);
  return OutputPlan::write;
}

}  // namespace limn
