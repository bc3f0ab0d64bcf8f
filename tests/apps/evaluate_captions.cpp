#include "apps/evaluate/evaluate_captions.h"

#include <fstream>
#include <sstream>

#include "apps/evaluate/candidates.h"
#include "core/json.h"
#include "tests/catch.h"
#include "tests/temporary.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

struct Folder : TemporaryFolder {
  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return path / name;
  }
};

const char* kReferences =
    "{\"image\": \"in/a_1.jpg\", \"captions\": {\"en\": [\"A dog runs.\", \"The dog isn't still\"], \"zh\": "
    "[\"一只狗\"]}}\n"
    "{\"image\": \"in/b_02.jpg\", \"captions\": {\"en\": [\"Two men sit on chairs\"]}}\n";

struct Run {
  std::string out, notes;
  explicit Run(const EvaluateCaptionsOptions& options) {
    std::ostringstream to_out, to_notes;
    CHECK(evaluate_captions(options, to_out, to_notes) == 0);
    out = to_out.str(), notes = to_notes.str();
  }
};

std::string complaint(const EvaluateCaptionsOptions& options) {
  std::ostringstream out, notes;
  try {
    evaluate_captions(options, out, notes);
  } catch (const InputError& error) {
    return error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("evaluate captions: figures as an object, a table and per picture", "[evaluate]") {
  const Folder folder;
  EvaluateCaptionsOptions options;
  options.references = folder.write("r.jsonl", kReferences);
  options.candidates = folder.write("c.jsonl",
                                    "{\"path\": \"/elsewhere/b_02.jpg\", \"caption\": \"two men sit on chairs .\"}\n"
                                    "{\"path\": \"in/a_1.jpg\", \"caption\": \"A dog runs\", \"score\": -0.5}\n");
  options.per_picture = folder.path / "each.jsonl";
  options.json = true;
  options.constant = true;
  const Json json = Json::parse(Run(options).out, "out");
  CHECK(json["Bleu_1"].number() == Catch::Approx(1));
  CHECK(json["ROUGE_L"].number() == Catch::Approx(1));
  CHECK(json["pictures"].integer() == 2);
  CHECK(json["mean_tokens"].number() == 4);
  CHECK(json["distinct"].number() == 1);
  CHECK(json["constant"]["caption"].text() == "two men sit on chairs");
  std::ifstream each(options.per_picture);
  std::string line;
  std::getline(each, line);
  CHECK(Json::parse(line, "each")["image"].text() == "in/a_1.jpg");
  CHECK(Json::parse(line, "each")["references"].size() == 2);

  options.json = false;
  const std::string table = Run(options).out;
  CHECK_THAT(table, ContainsSubstring("Bleu_1       1.0000    0.5000\n"));
  CHECK_THAT(table, ContainsSubstring("2 pictures, en; 4.0 tokens a caption, 100.0 % distinct\n"));
}

TEST_CASE("evaluate captions: Chinese, pictures without references, captions made on the fly", "[evaluate]") {
  const Folder folder;
  EvaluateCaptionsOptions options;
  options.references = folder.write("r.jsonl", kReferences);
  options.language = "zh";
  options.json = true;
  options.caption = [&](const std::vector<fs::path>& images) {
    CHECK(images == std::vector<fs::path>{folder.path / "in/a_1.jpg"});
    return std::vector<std::string>{"一只狗。"};
  };
  options.save = folder.path / "made.jsonl";
  const Run run(options);
  CHECK(Json::parse(run.out, "out")["ROUGE_L"].number() == Catch::Approx(1));
  CHECK(run.notes == "1 picture left out: no references in \"zh\"\n");
  options.caption = nullptr;
  options.candidates = options.save;
  options.save.clear();
  CHECK(Run(options).out == run.out);
}

TEST_CASE("evaluate captions: what cannot be judged is said in one sentence", "[evaluate]") {
  const Folder folder;
  EvaluateCaptionsOptions options;
  options.references = folder.write("r.jsonl", kReferences);
  const std::string references = options.references.string(), candidates = (folder.path / "c.jsonl").string();
  const auto with = [&](const std::string& lines) {
    options.candidates = folder.write("c.jsonl", lines);
    return complaint(options);
  };
  const std::string a = "{\"image\": \"a_1\", \"caption\": \"a\"}\n",
                    b = "{\"image\": \"b_02.jpg\", \"caption\": \"b\"}\n";
  CHECK(with(a) == candidates +
                       ": 1 picture of 2 without a caption, first \"in/b_02.jpg\"; --partial judges the "
                       "pictures that have both");
  CHECK(with(a + b + a) == candidates + ":3: image: got \"a_1\", which has a caption already at line 1");
  CHECK(with(a + b + "{\"image\": \"c\", \"caption\": \"c\"}\n") ==
        candidates + ":3: image: \"c\" is not a picture of " + references +
            "; --partial judges the pictures that have both");
  CHECK(with("{\"caption\": \"c\"}\n") == candidates + ":1: image: is missing");
  CHECK(with("{\"image\": \"a_1\"}\n") == candidates + ":1: caption: is missing");
  CHECK(with("\n") == candidates + ": holds no captions");
  CHECK_THAT(with("{\"image\": "), ContainsSubstring("c.jsonl:1: not valid JSON"));

  options.candidates.clear();
  CHECK(complaint(options) == "evaluate captions: got neither candidates nor a model, expected one of them");
  options.language = "fr";
  CHECK(complaint(options) == "evaluate captions: language: got \"fr\", expected en or zh");
  options.language = "zh";
  options.references = folder.write("e.jsonl", "{\"image\": \"a\", \"captions\": {\"en\": [\"a\"]}}\n");
  CHECK(complaint(options) == options.references.string() + ": no picture has captions in \"zh\"");
}

TEST_CASE("evaluate captions: partial, failed and empty captions", "[evaluate]") {
  const Folder folder;
  EvaluateCaptionsOptions options;
  options.references = folder.write("r.jsonl", kReferences);
  options.partial = true;
  options.json = true;
  options.candidates = folder.write("c.jsonl",
                                    "{\"path\": \"b_02.jpg\", \"error\": \"cannot be decoded\"}\n"
                                    "{\"path\": \"a_1.jpg\", \"caption\": \"\"}\n"
                                    "{\"path\": \"z.jpg\", \"caption\": \"z\"}\n");
  const Run run(options);
  CHECK(Json::parse(run.out, "out")["pictures"].integer() == 1);
  CHECK(run.notes ==
        "captions of other pictures left out: 1\n1 picture of 2 left out: no caption\n"
        "1 picture with an empty caption, judged as such\n");
}

TEST_CASE("candidates find their picture by any of its names", "[evaluate]") {
  const Folder folder;
  const std::vector<CaptionRecord> records = {{.image = "x/COCO_val2014_000000000042.jpg", .captions = {}, .id = "a"},
                                              {.image = "x/same.jpg", .captions = {}, .id = "b"},
                                              {.image = "y/same.jpg", .captions = {}, .id = "c"}};
  const auto found = read_candidates(folder.write("c.json", R"([{"image_id": 42, "caption": "one"},
                                                               {"image_id": "./y/same.jpg", "caption": "three"},
                                                               {"image_id": "b", "caption": "two"}])"),
                                     records);
  CHECK((found.captions == std::vector<std::optional<std::string>>{"one", "two", "three"}));
  const auto file = folder.write("d.json", R"([{"image_id": "same", "caption": "which"}])");
  CHECK_THROWS_WITH(read_candidates(file, records),
                    file.string() + "[0]: image_id: got \"same\", which fits several pictures of the references");
}
