#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"

namespace limn {

/// One picture and what people say of it.
struct CaptionRecord {
  std::filesystem::path image;  ///< as found from the working directory; not opened, not checked
  std::map<std::string, std::vector<std::string>> captions;  ///< by language ("en", "zh"); lists are not empty
  std::string id;  ///< COCO: the image id; else the picture's name as the file gives it
};

struct ReadCaptionsOptions {
  std::filesystem::path images;  ///< folder that relative picture names start from; empty: the data file's own folder
  std::string language = "en";   ///< of captions whose language the data does not name
};

/// Reads a caption dataset. Pictures keep the order of their first mention; one that is mentioned again (one caption a
/// line) gathers its captions in file order.
/// - `.jsonl`: one object a line, {"image": name, "captions": {"en": ["…"], "zh": ["…"]}}; "captions" may be a list or
///   one string, "caption" is the same as "captions", "path" or "file_name" the same as "image". Blank lines are
///   skipped.
/// - `.json`: COCO annotations ({"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}), or just a
///   list of {"image_id", "caption"}; pictures without a caption are left out.
/// - a folder, searched through: pictures with sidecars, one caption a line: photo.txt, or by language photo.zh.txt;
///   pictures without one are left out. Tar archives in it are read too.
/// - `.tar`, as WebDataset keeps samples: the same in an archive, where photo.json ({"caption": …} or {"captions": …}
/// as
///   above) stands for a missing photo.txt.
/// @throws InputError naming the file, the line or key, and what is wrong, all faults (at most 20) in one message
std::vector<CaptionRecord> read_captions(const std::filesystem::path& source, const ReadCaptionsOptions& options = {});

}  // namespace limn
