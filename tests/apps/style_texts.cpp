#include "apps/train/style_texts.h"

#include "apps/train/styled_pictures.h"
#include "apps/train/train.h"
#include "core/files.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/places.h"
#include "tests/small_house.h"
#include "tests/small_stylizer.h"
#include "tests/temporary.h"
#include "vision/image.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

const fs::path kWords = source_folder() / "recipes/style-words.txt";

}  // namespace

TEST_CASE("descriptions of styles: what is held out is never said, in neither language", "[train]") {
  const StyleVocabulary words = read_style_vocabulary(kWords, {"orange and purple brush strokes", "autumn leaves"});
  CHECK(says_held_out(words, "Brush strokes, in purple and in orange."));
  CHECK_FALSE(says_held_out(words, "purple brush strokes"));
  std::mt19937_64 random(1);
  for (int i = 0; i < 5000; ++i) {
    const DescribedStyle style = described_style(words, random);
    CAPTURE(style.english, style.chinese);
    REQUIRE_FALSE((style.english.empty() || style.chinese.empty()));
    const auto has = [&](const char* part) { return (style.english + style.chinese).find(part) != std::string::npos; };
    REQUIRE_FALSE(has("%"));
    REQUIRE_FALSE((has("a impressionist") || has("an painting")));
    REQUIRE_FALSE((has("orange") && has("purple") && has("strokes")));
    REQUIRE_FALSE((has("橙色") && has("紫色") && has("笔触")));
    REQUIRE_FALSE((has("秋天的落叶") || has("fall leaves")));
  }
}

TEST_CASE("colours that a text names: the longest names, whole words, both languages", "[train]") {
  const StyleVocabulary words = read_style_vocabulary(kWords, {});
  const auto colours = [&](const char* text) { return named_colours(words, text); };
  const Tensor dark_red = colours("dark red"), cream = colours("cream");
  CHECK(at::equal(colours("dark red and cream dots"), at::cat({dark_red, cream})));
  CHECK(at::equal(colours("深红色和奶油色的圆点").sum(), at::cat({dark_red, cream}).sum()));
  CHECK_FALSE(at::equal(colours("red"), dark_red));
  CHECK_FALSE(colours("a tandem, distant").defined());
}

TEST_CASE("a described style is drawn in its colours, each as much as the other", "[train]") {
  std::mt19937_64 random(2);
  const Tensor palette = at::tensor({0.9, 0.1, 0.1, 0.1, 0.1, 0.9, 0.1, 0.9, 0.1}, at::kFloat).view({3, 3});
  for (const Pattern pattern : {Pattern::strokes, Pattern::dots, Pattern::cells, Pattern::clouds, Pattern::stripes}) {
    const Tensor picture = drawn_style({.palette = palette, .pattern = pattern, .hardness = 1}, 96, random);
    CHECK(picture.sizes() == at::IntArrayRef({3, 96, 96}));
    const Tensor nearest =
        (picture.flatten(1).t().unsqueeze(1) - palette).square().sum(at::IntArrayRef{2}).argmin(1);  // [pixels]
    for (int colour = 0; colour < 3; ++colour)
      CHECK((nearest == colour).to(at::kFloat).mean().item<double>() == Approx(1 / 3.0).margin(0.08));
  }
  std::mt19937_64 again(7), once_more(7);
  CHECK(at::equal(drawn_style({.palette = palette}, 64, again), drawn_style({.palette = palette}, 64, once_more)));
}

TEST_CASE("a file of words: every fault with its line", "[train]") {
  const TemporaryFolder folder;
  const fs::path file = folder / "words.txt";
  const auto says = [&](const std::string& text, const std::string& message) {
    write_file(file, text);
    CHECK_THROWS_WITH(read_style_vocabulary(file, {}), file.string() + ": " + message);
  };
  says("# nothing\n", "has no colour");
  says("colour; red\n", "line 1: got 2 parts, expected kind; English; Chinese; colours; look");
  says("\ncolour; red; 红; red\n", "line 2: colour: got \"red\", expected six digits such as dc1e1e");
  says("colour; red; 红; \n", "line 1: a colour without colours");
  says("scene; fire; 火; ff0000; soft\n", "line 1: a scene has at least two colours");
  says("tone; red; 红; ff0000\n", "line 1: got kind \"tone\", expected colour, pattern, medium or scene");
  says("pattern; dots; 点; ; round\n",
       "line 1: look: got \"round\", expected strokes, dots, cells, clouds, stripes, fine, coarse, soft or hard");
}

TEST_CASE("pictures that are captioned by how they look: every other is painted; found again, not made again",
          "[train]") {
  const TemporaryFolder folder;
  write_small_stylizer(folder / "painter");
  write_image(folder / "photo.png", at::full({70, 80, 3}, 90, at::kByte));
  const StyledTraining wish{.pictures = 6, .words = kWords, .held_out_texts = {"fire"}, .painter = folder / "painter"};
  const std::vector<CaptionRecord> photos{{.image = folder / "photo.png", .captions = {}, .id = {}}};
  const auto make = [&](const StyledTraining& wanted, std::uint64_t seed) {
    std::int64_t made = 0;
    auto records = styled_pictures(wanted, photos, folder / "run", seed, [&](std::int64_t done) { made = done; }, {});
    return std::pair{records, made};
  };
  const auto [first, made] = make(wish, 3);
  REQUIRE((first.size() == 6 && made == 6));
  for (const CaptionRecord& record : first) {
    const Image picture = read_image(record.image);
    CHECK((picture.width == 192 && picture.height == 192));
    CHECK((record.captions.at("en").size() == 1 && record.captions.at("zh").size() == 1));
  }
  const auto [again, made_again] = make(wish, 3);
  CHECK((made_again == 0 && again[5].image == first[5].image && again[5].captions == first[5].captions));
  const auto [other, made_other] = make(wish, 4);
  CHECK((made_other == 6 && other[5].image != first[5].image));
  StyledTraining plain = wish;
  plain.painter.clear();
  const auto [drawn, made_plain] = make(plain, 3);
  CHECK(at::equal(read_image(drawn[0].image).pixels, read_image(first[0].image).pixels));
  CHECK_FALSE(at::equal(read_image(drawn[1].image).pixels, read_image(first[1].image).pixels));
}

TEST_CASE("learning styles in words: resumed it ends with the same bytes, the painter stays", "[train]") {
  const TemporaryFolder folder;
  write_small_house(folder / "encoder");
  write_small_stylizer(folder / "start");
  fs::create_directory(folder / "photos");
  fs::create_directory(folder / "paintings");
  at::manual_seed(3);
  std::string captions;
  for (int i = 0; i < 4; ++i) {
    const std::string name = std::to_string(i) + ".png";
    write_image(folder / ("photos/" + name), at::randint(0, 256, {70, 80, 3}, at::kByte));
    write_image(folder / ("paintings/" + name), at::randint(0, 256, {70, 80, 3}, at::kByte));
    captions += R"({"image": "photos/)" + name + R"(", "captions": {"en": ["a dog"], "zh": ["一只狗"]}})" + "\n";
  }
  write_file(folder / "captions.jsonl", captions);
  const auto recipe = [&](const std::string& out) {
    write_file(folder / (out + ".toml"),
               "[data]\nwords = \"" + kWords.string() +
                   "\"\ncaptions = \"captions.jsonl\"\nstyles = [\"paintings\"]\ncontents = [\"photos\"]\n"
                   "held_out_texts = [\"fire\"]\n[model]\nstart = \"start\"\nencoder = \"encoder\"\nhidden = 24\n"
                   "[train]\nobjective = \"stylize-text\"\nout = \"" +
                   out +
                   "\"\nsteps = 16\nsamples = 80\nbatch = 6\nside = 64\nrate = 1e-2\nwarmup = 0\nsave_every = "
                   "4\nvalidate_every = 8\n"
                   "log_every = 1\npaintings = 0.2\npaint_weight = 1\nwords_weight = 0.1\nema = 0.5\n");
    return folder / (out + ".toml");
  };
  const auto run = [](const fs::path& config, std::int64_t stop_after = 0) {
    std::ostringstream out, notes;
    return train({.config = config, .threads = 1, .stop_after = stop_after}, out, notes);
  };
  REQUIRE(run(recipe("whole")) == 0);
  REQUIRE(run(recipe("stopped"), 10) == 0);
  REQUIRE(run(folder / "stopped.toml") == 0);
  for (const char* file : {"checkpoint.safetensors", "best/model.safetensors"}) {
    CAPTURE(file);
    CHECK(read_file(folder / ("stopped/" + std::string(file))) == read_file(folder / ("whole/" + std::string(file))));
  }
  const Model best = open_model(folder / "whole/best");
  REQUIRE(best.stylizer->words.has_value());
  CHECK(best.stylizer->words->encoder == "encoder");
  const TensorTable learnt = read_weights(folder / "whole/best");
  for (const auto& [name, stored] : read_weights(folder / "start"))
    CHECK(at::equal(learnt.at(name).load(), stored.load().to(at::kHalf)));
  std::vector<double> losses;
  each_line(read_file(folder / "whole/metrics.jsonl"), [&](std::string_view line, std::size_t) {
    const Json json = Json::parse(line, "metrics");
    if (json.has("validation_signal")) losses.push_back(json["validation_signal"].number());
  });
  REQUIRE(losses.size() == 2);
  CHECK(losses[1] < losses[0]);
}
