#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/train/data.h"

namespace limn {

/// Captions to be judged, one a picture.
struct Candidates {
  std::vector<std::optional<std::string>> captions;  ///< by record; nothing where the file has none
  std::size_t strangers = 0;                         ///< captions of pictures that are not among the records
  std::string first_stranger;                        ///< "captions.jsonl:7: image: "x.jpg""
};

/// Reads captions and finds the picture of each.
/// - JSON lines {"image" (or "path", "image_id", "file_name"): name, "caption": text}, as `limn caption --json` writes
///   them; lines with an "error" instead of a caption count as no caption.
/// - `.json`: COCO results, a list of {"image_id", "caption"}.
/// A name is a record's id, its path, its file name, the file name without its ending, or the number that it ends with
/// (COCO_val2014_000000391895.jpg): the first of these that fits.
/// @throws InputError naming file and line: no caption, a picture captioned twice, a name that fits several pictures
Candidates read_candidates(const std::filesystem::path& file, const std::vector<CaptionRecord>& records);

}  // namespace limn
