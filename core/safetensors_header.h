#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace limn {

/// One tensor's line in a safetensors header, as written there.
struct HeaderEntry {
  std::string name;
  std::string dtype;                ///< "F32", ...
  std::vector<std::int64_t> shape;  ///< non-negative
  std::int64_t begin = 0, end = 0;  ///< byte range in the data part
};

struct SafetensorsHeader {
  std::vector<HeaderEntry> entries;  ///< in file order, names unique
  std::map<std::string, std::string> metadata;
};

/// Reads the header's JSON. An own reader of just this grammar: names must be unique, which JSON libraries do not
/// check, and a header of 100 MB with a million names must not take more than linear time.
/// @param where  begins every message, e.g. the file's name
/// @throws CheckpointError naming the byte and what was expected there
SafetensorsHeader parse_safetensors_header(std::string_view text, const std::string& where);

}  // namespace limn
