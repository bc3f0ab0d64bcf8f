#include "apps/sheet.h"

#include "core/ops.h"

namespace limn {

SheetEntry sheet_entry(const std::filesystem::path& picture, std::vector<std::string> captions, bool orient,
                       std::int64_t side) {
  try {
    const Tensor pixels = fitted(read_image(picture, {.orientation = orient}), side);  // [h w 3]
    return {{pixels.size(1), pixels.size(0), pixels}, std::move(captions)};
  } catch (const InputError&) {
    captions.insert(captions.begin(), "not readable");
    return {{}, std::move(captions)};
  }
}

}  // namespace limn
