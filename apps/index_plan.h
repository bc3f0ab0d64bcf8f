#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "apps/inputs.h"
#include "fusion/index.h"

namespace limn {

/// A picture that is to be encoded, and others of the same content, which get its vector.
struct ToEncode {
  NewEntry item;
  std::vector<NewEntry> twins;
};

/// A picture that gets the vector of one that is in the index already.
struct ToCopy {
  NewEntry item;
  std::int64_t from;
};

/// What makes an index agree with the files.
struct IndexPlan {
  std::vector<IndexChange> changes;  ///< moved, touched, gone
  std::vector<ToCopy> copies;
  std::vector<ToEncode> encode;
  std::vector<Input> failed;
  std::int64_t added = 0, changed = 0, moved = 0, removed = 0, unchanged = 0;
};

struct PlanOptions {
  std::vector<std::filesystem::path> folders;  ///< files below them that are gone leave the index
  bool keep_missing = false;                   ///< nothing leaves the index
  /// Captions by absolute path; null: those in the index stay as they are.
  const std::map<std::string, std::vector<std::string>>* captions = nullptr;
};

/// The name under which an index knows a file: absolute, without "." and "..".
std::string index_path(const std::filesystem::path& file);

/// The path that is printed: from the working folder where the file lies below it, else absolute.
std::string shown_path(const std::string& absolute);

/// Compares files and index by path, size and time; where these differ, by content. Contents are read only where a file
/// of the same size is known, hence a moved file is recognised and a new one is read once, when it is encoded.
IndexPlan plan_index(const std::vector<Input>& inputs, const IndexContent& content, const PlanOptions& options);

}  // namespace limn
