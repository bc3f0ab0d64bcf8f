#pragma once

#include <array>
#include <filesystem>
#include <optional>

#include "core/json.h"
#include "vision/image.h"
#include "vision/resize.h"

namespace limn {

/// How a picture's new size is found.
struct SizeRule {
  enum class Kind {
    keep,      ///< no resizing
    shortest,  ///< the shorter side becomes `shortest`, the longer one trunc(shortest * long / short)
    bounded,   ///< the same, unless the longer side would exceed `longest`: then that decides
    longest,   ///< the longer side becomes `longest`
    exact,     ///< squashed to height x width
    inside,    ///< open_clip's "longest": the largest of equal proportions inside height x width, rounded
    around     ///< open_clip's "shortest" for other than squares: the smallest around height x width, rounded
  };
  Kind kind = Kind::keep;
  std::int64_t shortest = 0, longest = 0, height = 0, width = 0;
};

/// Where a centre crop lies when the difference is odd, and where padding goes.
enum class CropRule {
  floor,     ///< transformers: the cut starts at floor((old - new) / 2); padding before is ceil
  half_even  ///< torchvision, open_clip: the cut starts at the half rounded to even; padding before is floor
};

/// How 0..255 becomes floating point. The results differ in the last bit.
enum class PixelArithmetic {
  numpy,       ///< times the factor in float64, rounded to float32 (transformers' Pillow processors)
  torchvision  ///< divided by 255 in float32
};

/// What a model wants done to a picture: resize, centre crop, rescale, normalise. Built from a configuration by the
/// functions below; may also be filled in by hand.
struct Preprocess {
  SizeRule size;
  Filter filter = Filter::bicubic;
  PassOrder order = PassOrder::by_size;
  bool crop = false;
  std::int64_t crop_height = 0, crop_width = 0;
  CropRule crop_rule = CropRule::floor;
  std::uint8_t pad_value = 0;  ///< where the crop is larger than the picture
  bool rescale = true, normalise_colours = true;
  double factor = 1.0 / 255;
  std::array<double, 3> mean = {0, 0, 0}, deviation = {1, 1, 1};
  PixelArithmetic arithmetic = PixelArithmetic::numpy;
  int threads = 0;  ///< of one picture's resize; 0: as many as ATen uses

  /// Height and width after the resize, before the crop.
  std::array<std::int64_t, 2> resized_size(std::int64_t height, std::int64_t width) const;
  /// Height and width of what operator() gives; nothing where they depend on the picture.
  std::optional<std::array<std::int64_t, 2>> output_size() const;

  /// Resizes and crops; all in 8 bits, as the reference does. Of the resize only what the crop keeps is computed.
  /// @return uint8 [3 H W]
  /// @throws InputError where the result would have more than 2^27 pixels
  Tensor operator()(const Image& image) const;
  /// The resize alone: uint8 [3 H W].
  Tensor resized(const Image& image) const;
  /// Rescales and normalises on the batch's device, with exactly the reference's float32 numbers.
  /// @param batch  uint8 [B 3 H W]  @return float32 [B 3 H W]
  Tensor normalise(const Tensor& batch) const;
};

/// Reads `preprocessor_config.json` of the classes BlipImageProcessor, CLIPImageProcessor, ViTImageProcessor,
/// SiglipImageProcessor (also ...FeatureExtractor, ...Fast, ...Pil). Missing keys take the class's defaults.
/// @param otherwise  the class where the file names none; empty: then every key that needs a default must be there
/// @throws CheckpointError naming file and key of every fault: unknown class, wrong types, contradictory sizes, steps
///   that are asked for but unknown
Preprocess read_preprocess(const Json& config, const std::string& otherwise = "");

/// The same for a model folder: `image_processor` of processor_config.json where that has one (transformers 5 saves
/// so), else preprocessor_config.json, else the class's defaults.
/// @throws CheckpointError also where there is neither file nor `otherwise`
Preprocess read_preprocess(const std::filesystem::path& folder, const std::string& otherwise = "");

/// Reads `open_clip_config.json`: torchvision's arithmetic and crop, sizes by `resize_mode`.
/// @throws CheckpointError naming file and key of every fault
Preprocess read_open_clip_preprocess(const Json& config);

}  // namespace limn
