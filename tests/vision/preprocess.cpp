#include "vision/preprocess.h"

#include <fstream>

#include "core/ops.h"
#include "tests/catch.h"
#include "tests/temporary.h"

using namespace limn;

namespace {

Image ramp(std::int64_t height, std::int64_t width) {
  const Tensor pixels = at::arange(height * width * 3, at::kLong).remainder(251).to(at::kByte).view({height, width, 3});
  return {width, height, pixels};
}

Preprocess read(const std::string& json, const std::string& otherwise = "") {
  return read_preprocess(Json::parse(json, "preprocessor_config.json"), otherwise);
}

using Sides = std::array<std::int64_t, 2>;

}  // namespace

TEST_CASE("preprocess: missing keys take the class's defaults", "[vision][preprocess]") {
  const Preprocess clip = read(R"({"feature_extractor_type": "CLIPFeatureExtractor"})");
  CHECK(clip.size.kind == SizeRule::Kind::shortest);
  CHECK(clip.size.shortest == 224);
  CHECK(clip.crop);
  CHECK(clip.output_size() == Sides{224, 224});
  CHECK(clip.mean[0] == 0.48145466);
  const Preprocess vit = read(R"({"image_processor_type": "ViTImageProcessorFast", "size": 96})");
  CHECK(vit.size.kind == SizeRule::Kind::exact);
  CHECK(vit.filter == Filter::bilinear);
  CHECK_FALSE(vit.crop);
  CHECK(vit.output_size() == Sides{96, 96});
  const Preprocess blip = read("{}", "BlipImageProcessor");
  CHECK(blip.output_size() == Sides{384, 384});
  CHECK(blip.filter == Filter::bicubic);
  CHECK(read(R"({"image_processor_type": "SiglipImageProcessor", "image_mean": null})").mean[2] == 0.5);
  CHECK(read(R"({"image_processor_type": "CLIPImageProcessor", "size": 40})").size.kind == SizeRule::Kind::shortest);
  CHECK(read(R"({"image_processor_type": "CLIPImageProcessor", "size": [40, 50]})").size.width == 50);
  CHECK(read(R"({"image_processor_type": "SiglipImageProcessor", "size": 40})").size.kind == SizeRule::Kind::shortest);
  CHECK(read("{}", "SiglipImageProcessor").output_size() == Sides{224, 224});
}

TEST_CASE("preprocess: every fault of a configuration is named", "[vision][preprocess]") {
  CHECK_THROWS_WITH(read(R"({"image_processor_type": "DetrImageProcessor"})"),
                    ContainsSubstring("preprocessor_config.json: image_processor_type: got \"DetrImageProcessor\", "
                                      "expected Blip-, CLIP-, ViT- or SiglipImageProcessor"));
  const std::string faulty =
      R"({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 9, "height": 3},
    "crop_size": "large", "resample": 9, "image_mean": [0.5, 0.5], "image_std": [1, 0, 1], "do_pad": true,
    "do_rescale": "yes"})";
  try {
    read(faulty);
    FAIL("no error");
  } catch (const CheckpointError& error) {
    const std::string message = error.what();
    for (const char* part : {"size: got {\"shortest_edge\":9,\"height\":3}, expected a number, {height, width}",
                             "crop_size: got \"large\"", "resample: got 9, expected 0 nearest",
                             "image_mean: got [0.5,0.5], expected three numbers", "image_std: got 0",
                             "do_pad: got true", "do_rescale: got \"yes\""})
      CHECK_THAT(message, ContainsSubstring(part));
  }
  CHECK_THROWS_WITH(read(R"({"size": {"height": 3, "width": 4}})"),
                    ContainsSubstring("resample: is missing, and no image_processor_type gives a default"));
  CHECK_THROWS_AS(read(R"({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 0}})"),
                  CheckpointError);
  CHECK_THROWS_WITH(
      read(R"({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 50, "longest_edge": 40}})"),
      ContainsSubstring("longest_edge not below shortest_edge"));
}

TEST_CASE("preprocess: sizes are truncated and rounded as the reference does", "[vision][preprocess]") {
  const auto sized = [](const std::string& size, std::int64_t height, std::int64_t width) {
    return read(R"({"image_processor_type": "CLIPImageProcessor", "size": )" + size + "}").resized_size(height, width);
  };
  CHECK(sized(R"({"shortest_edge": 224})", 480, 641) == Sides{224, 299});
  CHECK(sized(R"({"shortest_edge": 224})", 641, 480) == Sides{299, 224});
  CHECK(sized(R"({"shortest_edge": 32, "longest_edge": 41})", 60, 100) == Sides{25, 41});  // 24.6 rounds, 41 stays
  CHECK(sized(R"({"shortest_edge": 32, "longest_edge": 41})", 100, 99) == Sides{32, 32});
  CHECK(sized(R"({"longest_edge": 50})", 20, 100) == Sides{10, 50});
  CHECK(sized(R"({"height": 7, "width": 9})", 20, 100) == Sides{7, 9});
}

TEST_CASE("preprocess: centre crops cut and pad where each library does", "[vision][preprocess]") {
  Preprocess crop{.crop = true, .crop_height = 4, .crop_width = 5};
  const Image image = ramp(7, 8);  // differences of 3
  const Tensor whole = image.pixels.permute({2, 0, 1});
  CHECK(crop(image).equal(whole.narrow(1, 1, 4).narrow(2, 1, 5)));
  crop.crop_rule = CropRule::half_even;
  CHECK(crop(image).equal(whole.narrow(1, 2, 4).narrow(2, 2, 5)));

  Preprocess pad{.crop = true, .crop_height = 10, .crop_width = 8};  // 3 rows are missing
  CHECK(pad(image).narrow(1, 2, 7).equal(whole));
  CHECK(pad(image).narrow(1, 0, 2).count_nonzero().item<std::int64_t>() == 0);
  pad.crop_rule = CropRule::half_even;
  pad.pad_value = 9;
  CHECK(pad(image).narrow(1, 1, 7).equal(whole));
  CHECK(pad(image).narrow(1, 8, 2).eq(9).all().item<bool>());
}

TEST_CASE("preprocess: a crop computes what cropping the whole gives", "[vision][preprocess][property]") {
  for (const auto& [height, width] : {Sides{61, 90}, Sides{120, 33}, Sides{30, 30}, Sides{9, 200}}) {
    Preprocess crop{
        .size = {.kind = SizeRule::Kind::shortest, .shortest = 26}, .crop = true, .crop_height = 20, .crop_width = 21};
    const Image image = ramp(height, width);
    const Tensor whole = crop.resized(image);
    const std::int64_t top = (whole.size(1) - 20) / 2, left = (whole.size(2) - 21) / 2;
    CHECK(crop(image).equal(whole.narrow(1, top, 20).narrow(2, left, 21)));
  }
}

TEST_CASE("preprocess: numbers are rounded in the reference's order", "[vision][preprocess]") {
  const Tensor all = at::arange(256, at::kLong).to(at::kByte).view({1, 1, 16, 16}).repeat({2, 3, 1, 1});
  const Preprocess numpy{.mean = {0.48145466, 0.4578275, 0.40821073},
                         .deviation = {0.26862954, 0.26130258, 0.27577711}};
  const auto reference = [&](const Tensor& scaled) {
    const Tensor mean = at::tensor({0.48145466, 0.4578275, 0.40821073}, at::kFloat).view({1, 3, 1, 1});
    const Tensor deviation = at::tensor({0.26862954, 0.26130258, 0.27577711}, at::kFloat).view({1, 3, 1, 1});
    return (scaled - mean) / deviation;
  };
  CHECK(numpy.normalise(all).equal(reference((all.to(at::kDouble) * (1.0 / 255)).to(at::kFloat))));
  Preprocess torchvision = numpy;
  torchvision.arithmetic = PixelArithmetic::torchvision;
  CHECK(torchvision.normalise(all).equal(reference(all.to(at::kFloat) / 255)));
  CHECK(Preprocess{.rescale = false, .normalise_colours = false}.normalise(all).equal(all.to(at::kFloat)));
  CHECK_THROWS_AS(numpy.normalise(all.to(at::kFloat)), InputError);
}

TEST_CASE("preprocess refuses results beyond memory, not odd shapes", "[vision][preprocess]") {
  const Image thin{1, 20000, at::zeros({20000, 1, 3}, at::kByte)};
  const Preprocess clip = read(R"({"image_processor_type": "CLIPImageProcessor"})");
  CHECK(clip(thin).sizes() == at::IntArrayRef{3, 224, 224});
  CHECK_THROWS_WITH(clip.resized(thin), ContainsSubstring("the picture would become 224 x 4480000"));
  CHECK(read("{}", "BlipImageProcessor")(thin).sizes() == at::IntArrayRef{3, 384, 384});
}

TEST_CASE("preprocess: open_clip's configuration", "[vision][preprocess]") {
  const auto open_clip = [](const std::string& preprocess) {
    return read_open_clip_preprocess(
        Json::parse(R"({"model_cfg": {"vision_cfg": {"image_size": 64}}, "preprocess_cfg": )" + preprocess + "}",
                    "open_clip_config.json"));
  };
  CHECK(open_clip("{}").size.kind == SizeRule::Kind::shortest);
  CHECK(open_clip("{}").output_size() == Sides{64, 64});
  CHECK(open_clip("{}").arithmetic == PixelArithmetic::torchvision);
  CHECK(open_clip(R"({"resize_mode": "squash", "interpolation": "bilinear"})").filter == Filter::bilinear);
  CHECK(open_clip(R"({"size": [32, 64], "resize_mode": "longest"})").resized_size(100, 100) == Sides{32, 32});
  CHECK_THROWS_WITH(open_clip(R"({"resize_mode": "stretch"})"), ContainsSubstring("resize_mode: got \"stretch\""));
}

TEST_CASE("preprocess: of a folder's two files the one of transformers 5 counts, where it has a part for pictures",
          "[vision][preprocess]") {
  const TemporaryFolder folder;
  std::ofstream(folder / "preprocessor_config.json") << R"({"image_processor_type": "BlipImageProcessor", "size": 40})";
  std::ofstream(folder / "processor_config.json") << R"({"processor_class": "BlipProcessor"})";
  CHECK(read_preprocess(folder.path).output_size() == Sides{40, 40});
  std::ofstream(folder / "processor_config.json")
      << R"({"image_processor": {"image_processor_type": "CLIPImageProcessorPil", "crop_size": 48}})";
  CHECK(read_preprocess(folder.path).output_size() == Sides{48, 48});
  std::ofstream(folder / "processor_config.json") << R"({"image_processor": {"size": "large"}})";
  CHECK_THROWS_WITH(read_preprocess(folder.path, "BlipImageProcessor"),
                    ContainsSubstring("processor_config.json: image_processor.size: got \"large\""));
}
