#include "fusion/family_config.h"

namespace limn {

Activation read_activation(ConfigReader& read, std::string_view otherwise, std::string_view key) {
  const std::string name = read.text(key, otherwise);
  try {
    return parse_activation(name);
  } catch (const InputError& error) {
    read.fault(key, error.what());
    return Activation::gelu;
  }
}

void check_heads(ConfigReader& read, std::int64_t dim, std::int64_t heads, std::string_view key) {
  if (heads == 0 || dim == 0 || dim % heads)
    read.fault(key, "got " + std::to_string(heads) + ", which does not divide the width " + std::to_string(dim));
}

void check_patches(ConfigReader& read, const VitConfig& config) {
  if (config.patch == 0 || config.image < config.patch)
    read.fault("image_size", "got " + std::to_string(config.image) + ", expected at least patch_size " +
                                 std::to_string(config.patch));
}

void check_picture_size(const std::filesystem::path& folder, const Preprocess& preprocess, std::int64_t image_size) {
  const auto size = preprocess.output_size();
  if (size && (*size)[0] == image_size && (*size)[1] == image_size) return;
  throw CheckpointError(
      folder.string() + ": preprocessing: makes pictures of " +
      (size ? std::to_string((*size)[0]) + " x " + std::to_string((*size)[1]) : std::string("varying size")) +
      ", expected " + std::to_string(image_size) + " x " + std::to_string(image_size) +
      ", the model's image_size; do the two configurations belong together?");
}

}  // namespace limn
