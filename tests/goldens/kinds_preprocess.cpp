#include "core/ops.h"
#include "tests/goldens/kinds.h"
#include "vision/unconverted.h"

namespace limn::golden {
namespace {

// The model folder's own configuration; where it has none, what golden.json repeats.
Preprocess configuration(Folder& folder) {
  const auto model = folder.model_folder();
  for (const char* name : {"preprocessor_config.json", "processor_config.json"})
    if (std::filesystem::exists(model / name)) return read_preprocess(model);
  if (std::filesystem::exists(model / "open_clip_config.json"))
    return read_open_clip_preprocess(Json::read(model / "open_clip_config.json"));
  const Json config = folder.json().at("preprocessor_config");
  Preprocess preprocess = read_preprocess(config);
  // No class of transformers is named: the answers are those of CLIP's own code, which crops as torchvision does.
  if (!config.has("image_processor_type") && !config.has("feature_extractor_type"))
    preprocess.crop_rule = CropRule::half_even;
  return preprocess;
}

Tensor pixels_of(const Preprocess& preprocess, const Image& image) {
  return preprocess.normalise(preprocess(image).unsqueeze(0));  // [1 3 H W]
}

}  // namespace

void run_preprocess(GoldenCase& current) {
  Preprocess preprocess = current.folder.keep<Preprocess>([&] { return configuration(current.folder); });
  const Image image = read_image(current.file("image"));
  const Tensor pixels = pixels_of(preprocess, image);
  current.compare("pixels",
                  current.tensor("pixels").dim() == 3 ? pixels.squeeze(0) : pixels);  // some leave the batch out
  if (current.has("resized")) current.compare("resized", preprocess.resized(image).unsqueeze(0));
  if (current.has("pixels_over_white"))
    current.compare("pixels", pixels_of(preprocess, read_image(current.file("image"), {.alpha = Alpha::over_white})),
                    "pixels_over_white");
  if (current.has("pixels_unconverted"))
    current.compare("pixels",
                    preprocess.normalise(preprocess_unconverted(preprocess, current.file("image")).unsqueeze(0)),
                    "pixels_unconverted");
  if (current.has("resized_across_first")) {
    preprocess.order = PassOrder::across_first;
    current.compare("resized", preprocess.resized(image).unsqueeze(0), "resized_across_first");
  }
}

}  // namespace limn::golden
