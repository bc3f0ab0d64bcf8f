#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>

#include "apps/sidecar.h"

namespace limn {

/// Where results go, record by record: standard output, or a file that grows by whole records, so that a killed run
/// leaves at most its last line unfinished.
class Results {
 public:
  explicit Results(std::ostream& out) : out_(&out) {}

  /// Opens `file` for appending; it is created, or emptied unless `keep`.
  /// @throws WriteError naming the file and the reason
  Results(const std::filesystem::path& file, bool keep);
  ~Results();
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;

  /// Appends whole lines, visible to readers at once.
  /// @throws OutputClosed, WriteError
  void put(const std::string& lines);

  /// @throws WriteError where the file cannot reach the disk
  void finish();

 private:
  std::ostream* out_ = nullptr;
  std::filesystem::path file_;
  int descriptor_ = -1;
};

enum class OutputPlan { write, keep };

/// Decides about a result file before any work is done. Folders that it needs must exist.
/// @return keep where the file is there and `existing` is skip
/// @throws WriteError where it is there and may not be replaced, or its folder is missing or not writable
OutputPlan plan_output(const std::filesystem::path& file, Existing existing);

}  // namespace limn
