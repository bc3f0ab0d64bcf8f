#include <algorithm>
#include <cmath>
#include <vector>

#include "vision/preprocess.h"

namespace limn {
namespace {

constexpr std::array<double, 3> kClipMean = {0.48145466, 0.4578275, 0.40821073};
constexpr std::array<double, 3> kClipDeviation = {0.26862954, 0.26130258, 0.27577711};
constexpr std::array<double, 3> kHalf = {0.5, 0.5, 0.5};

// A class of image processors and the values that its missing keys take. Source: transformers' image_processing_*.py.
struct ProcessorClass {
  const char* name;       // with ImageProcessor or FeatureExtractor behind it
  bool number_is_square;  // what a plain number in `size` means: a square, or the shortest edge
  bool default_is_square;
  std::int64_t size;
  Filter filter;
  bool crop;
  std::array<double, 3> mean, deviation;
};

constexpr ProcessorClass kClasses[] = {
    {"Blip", true, true, 384, Filter::bicubic, false, kClipMean, kClipDeviation},
    {"CLIP", false, false, 224, Filter::bicubic, true, kClipMean, kClipDeviation},
    {"ViT", true, true, 224, Filter::bilinear, false, kHalf, kHalf},
    {"Siglip", false, true, 224, Filter::bicubic, false, kHalf, kHalf},
};

const ProcessorClass* find_class(std::string name) {
  for (const std::string_view ending : {"Fast", "Pil"})
    if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  for (const ProcessorClass& known : kClasses)
    for (const char* kind : {"ImageProcessor", "FeatureExtractor"})
      if (name == std::string(known.name) + kind) return &known;
  return nullptr;
}

// Collects faults while reading the keys that have more than one form.
struct Reader {
  ConfigReader& read;
  const ProcessorClass* defaults;  // null where the file names no class
  Json json = read.json();

  bool missing(const char* key) {
    if (json.has(key) && !json[key].is_null()) return false;
    if (!defaults) read.fault(key, "is missing, and no image_processor_type gives a default");
    return true;
  }

  std::int64_t side(const std::string& key, const Json& value) {
    constexpr std::int64_t kMost = 1 << 20;
    if (value.is_integer() && value.integer() >= 1 && value.integer() <= kMost) return value.integer();
    read.fault(key, "got " + value.dump() + ", expected an integer from 1 to 1048576");
    return 1;
  }

  // {"height", "width"} or [height, width]
  std::optional<std::array<std::int64_t, 2>> both_sides(const std::string& key, const Json& value) {
    if (value.is_array() && value.size() == 2)
      return {{side(key, value[std::size_t{0}]), side(key, value[std::size_t{1}])}};
    if (value.has("height") && value.has("width") && value.size() == 2)
      return {{side(key + ".height", value["height"]), side(key + ".width", value["width"])}};
    return std::nullopt;
  }

  static SizeRule one_number(std::int64_t number, bool square) {
    if (square) return {.kind = SizeRule::Kind::exact, .height = number, .width = number};
    return {.kind = SizeRule::Kind::shortest, .shortest = number};
  }

  SizeRule plain_number(const Json& value) {
    const std::int64_t number = side("size", value);
    if (!defaults)
      read.fault("size", "got a plain number, whose meaning depends on image_processor_type, which is missing");
    return one_number(number, defaults && defaults->number_is_square);
  }

  SizeRule size() {
    if (missing("size")) return defaults ? one_number(defaults->size, defaults->default_is_square) : SizeRule{};
    const Json value = json["size"];
    if (value.is_number()) return plain_number(value);
    if (const auto sides = both_sides("size", value))
      return {.kind = SizeRule::Kind::exact, .height = (*sides)[0], .width = (*sides)[1]};
    const bool shortest = value.has("shortest_edge") && !value["shortest_edge"].is_null();
    const bool longest = value.has("longest_edge") && !value["longest_edge"].is_null();
    bool others = false;
    if (value.is_object())
      for (const auto& [key, item] : value.members())
        others |= key != "shortest_edge" && key != "longest_edge" && !item.is_null();
    if (!value.is_object() || others || !(shortest || longest)) {
      read.fault("size", "got " + value.dump() +
                             ", expected a number, {height, width}, {shortest_edge}, {longest_edge} or "
                             "{shortest_edge, longest_edge}");
      return {};
    }
    SizeRule rule;
    if (shortest) rule.shortest = side("size.shortest_edge", value["shortest_edge"]);
    if (longest) rule.longest = side("size.longest_edge", value["longest_edge"]);
    if (shortest && longest && rule.longest < rule.shortest)
      read.fault("size", "got " + value.dump() + ", expected longest_edge not below shortest_edge");
    rule.kind = shortest && longest ? SizeRule::Kind::bounded
                : shortest          ? SizeRule::Kind::shortest
                                    : SizeRule::Kind::longest;
    return rule;
  }

  void crop_size(Preprocess& result) {
    if (missing("crop_size")) {
      result.crop_height = result.crop_width = defaults ? defaults->size : 1;
      return;
    }
    const Json value = json["crop_size"];
    if (value.is_number()) {
      result.crop_height = result.crop_width = side("crop_size", value);
    } else if (const auto sides = both_sides("crop_size", value)) {
      result.crop_height = (*sides)[0];
      result.crop_width = (*sides)[1];
    } else {
      read.fault("crop_size", "got " + value.dump() + ", expected a number or {height, width}");
    }
  }

  Filter filter() {
    if (missing("resample")) return defaults ? defaults->filter : Filter::bicubic;
    const Json value = json["resample"];
    if (value.is_integer() && value.integer() >= 0 && value.integer() <= 5) return static_cast<Filter>(value.integer());
    read.fault("resample",
               "got " + value.dump() + ", expected 0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box or 5 hamming");
    return Filter::bicubic;
  }

  std::array<double, 3> colours(const char* key, const std::array<double, 3>& otherwise) {
    const Json value = json[key];
    if (value.is_number()) return {value.number(), value.number(), value.number()};
    const auto items = value.is_array() ? value.items() : std::vector<Json>{};
    const auto finite = [](const Json& item) { return item.is_number() && std::isfinite(item.number()); };
    if (items.size() == 3 && std::all_of(items.begin(), items.end(), finite))
      return {items[0].number(), items[1].number(), items[2].number()};
    if (!value.is_null()) read.fault(key, "got " + value.dump() + ", expected three numbers");
    return otherwise;
  }

  void normalisation(Preprocess& result, const char* mean, const char* deviation,
                     const std::array<double, 3>& mean_otherwise, const std::array<double, 3>& deviation_otherwise) {
    result.mean = colours(mean, mean_otherwise);
    result.deviation = colours(deviation, deviation_otherwise);
    for (const double number : result.deviation)
      if (static_cast<float>(number) == 0) return read.fault(deviation, "got 0, expected numbers other than 0");
  }
};

// Steps that other classes have: asked for, they would change the picture.
void refuse_unknown_steps(ConfigReader& read) {
  const std::vector<std::string> known = {"do_resize",    "do_center_crop", "do_rescale",
                                          "do_normalize", "do_convert_rgb", "do_pad"};
  for (const auto& [key, value] : read.json().members())
    if (key.starts_with("do_") && value.is_boolean() && value.boolean() &&
        (key == "do_pad" || std::find(known.begin(), known.end(), key) == known.end()))
      read.fault(key, "got true, expected false: this step is not known");
}

std::string class_name(const Json& config, const std::string& otherwise) {
  for (const char* key : {"image_processor_type", "feature_extractor_type"})
    if (config[key].is_text()) return config[key].text();
  return otherwise;
}

}  // namespace

Preprocess read_preprocess(const Json& config, const std::string& otherwise) {
  ConfigReader read(config);
  const std::string name = class_name(config, otherwise);
  const ProcessorClass* defaults = find_class(name);
  if (!defaults && !name.empty())
    read.fault(config.has("feature_extractor_type") && !config.has("image_processor_type") ? "feature_extractor_type"
                                                                                           : "image_processor_type",
               "got \"" + name + "\", expected Blip-, CLIP-, ViT- or SiglipImageProcessor");
  if (!defaults && !name.empty()) read.finish();  // without a class the other faults would mislead
  Reader reader{read, defaults};
  Preprocess result;
  if (read.boolean("do_resize", true)) {
    result.size = reader.size();
    result.filter = reader.filter();
  }
  result.crop = read.boolean("do_center_crop", defaults ? defaults->crop : config.has("crop_size"));
  if (result.crop) reader.crop_size(result);
  result.rescale = read.boolean("do_rescale", true);
  result.factor = read.number("rescale_factor", 1.0 / 255);
  result.normalise_colours = read.boolean("do_normalize", true);
  if (result.normalise_colours) {
    reader.missing("image_mean");
    reader.missing("image_std");
    reader.normalisation(result, "image_mean", "image_std", defaults ? defaults->mean : kHalf,
                         defaults ? defaults->deviation : kHalf);
  }
  refuse_unknown_steps(read);
  read.finish();
  return result;
}

Preprocess read_preprocess(const std::filesystem::path& folder, const std::string& otherwise) {
  const auto file = folder / "preprocessor_config.json", newer = folder / "processor_config.json";
  try {
    // Folders saved by transformers 5 keep all of a processor in one file, which counts first.
    if (std::filesystem::exists(newer))
      if (const Json nested = Json::read(newer)["image_processor"]) return read_preprocess(nested, otherwise);
    if (std::filesystem::exists(file)) return read_preprocess(Json::read(file), otherwise);
  } catch (const InputError& error) {  // the file itself cannot be read
    throw CheckpointError(error.what());
  }
  if (otherwise.empty()) throw CheckpointError(file.string() + ": is missing");
  return read_preprocess(Json::parse("{}", file.string()), otherwise);
}

Preprocess read_open_clip_preprocess(const Json& config) {
  ConfigReader read(config);
  ConfigReader vision = read.inside("model_cfg").inside("vision_cfg");
  ConfigReader given = read.inside("preprocess_cfg");
  Reader reader{given, nullptr};
  Preprocess result;
  result.arithmetic = PixelArithmetic::torchvision;
  result.crop_rule = CropRule::half_even;
  const Json model_size = vision.json()["image_size"] ? vision.json()["image_size"] : Json(224);
  const Json size = given.json()["size"] ? given.json()["size"] : model_size;
  std::int64_t height = 1, width = 1;
  if (const auto sides = reader.both_sides("size", size)) {
    height = (*sides)[0];
    width = (*sides)[1];
  } else {
    height = width = reader.side("size", size);
  }
  const std::size_t filter = given.choice("interpolation", {"bicubic", "bilinear"}, "bicubic");
  result.filter = filter == 0 ? Filter::bicubic : Filter::bilinear;
  const std::size_t mode = given.choice("resize_mode", {"shortest", "longest", "squash"}, "shortest");
  if (mode == 2)
    result.size = {.kind = SizeRule::Kind::exact, .height = height, .width = width};
  else if (mode == 1)
    result.size = {.kind = SizeRule::Kind::inside, .height = height, .width = width};
  else if (height == width)
    result.size = {.kind = SizeRule::Kind::shortest, .shortest = height};
  else
    result.size = {.kind = SizeRule::Kind::around, .height = height, .width = width};
  result.crop = mode != 2;
  result.crop_height = height;
  result.crop_width = width;
  const std::int64_t fill = given.integer("fill_color", 0);
  if (fill > 255) given.fault("fill_color", "got " + std::to_string(fill) + ", expected 0 to 255");
  result.pad_value = static_cast<std::uint8_t>(std::min<std::int64_t>(fill, 255));
  reader.normalisation(result, "mean", "std", kClipMean, kClipDeviation);
  read.finish();
  return result;
}

}  // namespace limn
