#pragma once

#include <cstdint>
#include <string_view>

namespace limn {

/// When a JPEG photo was taken, as its EXIF block says: seconds since 1970 as if the camera's clock showed UTC; 0 where
/// it says nothing, and for other formats.
std::int64_t time_taken(std::string_view file);

}  // namespace limn
