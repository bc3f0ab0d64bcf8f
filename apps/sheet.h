#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "vision/drawing.h"

namespace limn {

/// A picture's place on a contact sheet, fitted to `side`; a picture that cannot be read says so in its place.
SheetEntry sheet_entry(const std::filesystem::path& picture, std::vector<std::string> captions, bool orient,
                       std::int64_t side);

}  // namespace limn
