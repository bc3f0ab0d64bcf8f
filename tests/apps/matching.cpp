#include <cmath>
#include <iostream>
#include <sstream>

#include "apps/match.h"
#include "apps/run.h"
#include "core/json.h"
#include "core/npy.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "core/utf8.h"
#include "fusion/model.h"
#include "tests/apps/process.h"
#include "tests/catch.h"
#include "tests/goldens/runner.h"
#include "tests/places.h"

// match, classify, ask, embed and their evaluations, as users start them, against the golden folders' answers.
using namespace limn;
namespace fs = std::filesystem;

namespace {

// A golden folder, or nothing, which is told.
bool have(const std::string& name, fs::path& folder) {
  folder = fixtures_folder() / name;
  if (fs::exists(folder / "golden.json")) return true;
  std::cerr << "SKIPPED: " << folder << " is absent; set LIMN_FIXTURES\n";
  return false;
}

std::vector<Json> lines(const std::string& text) {
  std::vector<Json> records;
  each_line(text, [&](std::string_view line, std::size_t) { records.push_back(Json::parse(line, "stdout")); });
  return records;
}

Json first_case(golden::Folder& folder, const std::string& kind) {
  for (const Json& each : folder.json().at("cases").items())
    if (each["kind"].text("") == kind) return each;
  FAIL("no case of kind " << kind);
  return {};
}

}  // namespace

TEST_CASE("labels and templates as the user gives them", "[classify]") {
  const TemporaryFolder folder;
  write_file(folder / "labels.txt", "cat\n\nbig dog\n");
  CHECK(read_labels({"horse, cow", (folder / "labels.txt").string()}) ==
        std::vector<std::string>{"horse", "cow", "cat", "big dog"});
  CHECK_THROWS_WITH(read_labels({"cat,dog,cat"}), "--labels: \"cat\" is there twice");
  CHECK_THROWS_WITH(read_labels({"cat,,dog"}), "--labels: got \"cat,,dog\", in which a label is empty");
  CHECK_THROWS_AS(read_labels({}), UsageError);
  CHECK(read_templates({}) == std::vector<std::string>{"a photo of {}"});
  CHECK_THROWS_WITH(read_templates({"a photo"}), "--template: got \"a photo\", expected {} where the label goes");
  std::istringstream in("one\n two \n\n");
  CHECK(gather_texts({.texts = {"zero"}, .file = "-"}, in) == std::vector<std::string>{"zero", "one", " two "});
  CHECK_THROWS_WITH(gather_texts({.texts = {"  "}}, in), "--text: got \"  \", expected words");
}

TEST_CASE("match: probability and similarity as the reference has them", "[matching]") {
  fs::path path;
  if (!have("blip-itm", path)) return;
  golden::Folder folder(path);
  const Json each = first_case(folder, "match");
  const std::string picture = (path / each["image"].text()).string();
  const Tensor itm = folder.tensor(each["itm"].text()), itc = folder.tensor(each["itc"].text());
  const Ran ran = limn_run({"match", picture, "/no/such.jpg", "--text", each["text"].text(), "--text", "snow", "--json",
                            "--model", path.string()});
  CHECK(ran.code == exit_some_failed);
  const auto records = lines(ran.out);
  REQUIRE(records.size() == 3);
  CHECK(records[0]["path"].text() == picture);
  CHECK(records[0]["match"].number() == Catch::Approx(at::softmax(itm, -1)[0][1].item<double>()).margin(1e-5));
  CHECK(records[0]["similarity"].number() == Catch::Approx(itc.reshape({-1})[0].item<double>()).margin(1e-5));
  CHECK(records[1]["text"].text() == "snow");
  CHECK(records[2]["error"].text() == "no such file or folder");
  const Ran plain = limn_run({"match", picture, "--text", "snow", "--model", path.string()});
  CHECK(plain.code == exit_done);
  // One --text takes several, and the picture may stand behind them.
  for (const std::vector<std::string>& words : {std::vector<std::string>{"match", picture, "--text", "snow", "a dog"},
                                                {"match", "--text", "snow", "a dog", picture}}) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--model", path.string()});
    const Ran both = limn_run(all);
    CHECK(both.code == exit_done);
    CHECK(both.out.rfind(plain.out, 0) == 0);  // "snow" first
    CHECK(std::count(both.out.begin(), both.out.end(), '\n') == 2);
  }
  CHECK(std::count(plain.out.begin(), plain.out.end(), '\t') == 2);
}

TEST_CASE("match and classify: the family's own similarity and probability", "[matching]") {
  for (const char* name : {"clip-gelu", "openclip", "siglip"}) {
    fs::path path;
    if (!have(name, path)) return;
    CAPTURE(name);
    golden::Folder folder(path);
    const Json each = first_case(folder, "similarity");
    const std::vector<std::string> texts = each["texts"].texts();
    const Tensor logits = folder.tensor(each["logits_per_image"].text());
    const std::string picture = (path / each["images"].texts()[0]).string();
    const Ran ran =
        limn_run({"match", picture, "--text", texts[0], "--text", texts[1], "--json", "--model", path.string()});
    REQUIRE(ran.code == exit_done);
    const auto records = lines(ran.out);
    CHECK(records[0]["match"].is_null());
    for (int t = 0; t < 2; ++t)
      CHECK(records[static_cast<std::size_t>(t)]["similarity"].number() ==
            Catch::Approx(logits[0][t].item<double>()).margin(3e-4));

    const Ran told = limn_run({"classify", "--labels", "a photo of a cat", "A DOG", picture, "--template", "{}",
                               "--json", "--model", path.string()});
    REQUIRE(told.code == exit_done);
    const auto labels = lines(told.out).at(0)["labels"].items();
    REQUIRE(labels.size() == 2);
    const double first = labels[0]["probability"].number(), second = labels[1]["probability"].number();
    CHECK(first >= second);
    if (std::string(name) != "siglip") CHECK(first + second == Catch::Approx(1));
    for (const Json& label : labels)
      if (std::string(name) == "siglip" && label["label"].text() == texts[0])
        CHECK(label["probability"].number() ==
              Catch::Approx(1 / (1 + std::exp(-logits[0][0].item<double>()))).margin(1e-4));
  }
}

TEST_CASE("ask: the reference's answer", "[matching]") {
  fs::path path;
  if (!have("blip-vqa", path)) return;
  golden::Folder folder(path);
  const Json each = first_case(folder, "answer");  // greedy
  const std::string picture = (path / each["image"].text()).string();
  const Ran ran = limn_run({"ask", picture, each["question"].text(), "--beams", "1", "--max-length", "20", "--json",
                            "--model", path.string()});
  REQUIRE(ran.code == exit_done);
  const Json record = lines(ran.out).at(0);
  CHECK(record["answer"].text() == each["text"].texts()[0]);
  CHECK(record["question"].text() == each["question"].text());
  CHECK(record["score"].number() < 0);
  CHECK(limn_run({"ask", picture, "--model", path.string()}).code == exit_usage);
  CHECK(limn_run({"ask", picture, " ", "--model", path.string()}).code == exit_usage);
}

TEST_CASE("embed: rows and keys in one order, of length one unless raw", "[matching]") {
  fs::path path;
  if (!have("clip-gelu", path)) return;
  golden::Folder folder(path);
  const Json each = first_case(folder, "embed-image");
  const Tensor expected = folder.tensor(each["embedding"].text())[0];
  const std::string picture = (path / each["image"].text()).string();
  const TemporaryFolder results;
  const std::string name = (results / "rows").string();
  const std::vector<std::string> words{"embed", "/no/such.jpg", picture,   (path / "palette.png").string(),
                                       "--out", name,           "--model", path.string()};
  CHECK(limn_run(words).code == exit_some_failed);
  const auto keys = lines(read_file(name + ".jsonl"));
  REQUIRE(keys.size() == 2);
  CHECK(keys[0]["path"].text() == picture);
  const Tensor unit = read_npy(name + ".npy");
  REQUIRE(unit.sizes() == at::IntArrayRef{2, expected.numel()});
  CHECK(at::allclose(unit[0], normalised(expected), 1e-5, 1e-5));
  CHECK(limn_run(words).code == exit_unwritable);  // the files are there
  std::vector<std::string> again = words;
  again.insert(again.end(), {"--raw", "--existing", "overwrite"});
  CHECK(limn_run(again).code == exit_some_failed);
  CHECK(at::allclose(read_npy(name + ".npy")[0], expected, 1e-4, 1e-4));
  CHECK(limn_run({"embed", picture, "--text", "both", "--out", name, "--model", path.string()}).code == exit_usage);
  fs::path captioner;  // a model that does nothing else
  if (!have("blip-caption", captioner)) return;
  CHECK(limn_run({"classify", picture, "--labels", "cat,dog", "--model", captioner.string()}).code == exit_usage);
}

TEST_CASE("evaluate retrieval and classify: the reference's figures from given scores", "[matching]") {
  fs::path path;
  if (!have("retrieval-metrics", path)) return;
  golden::Folder folder(path);
  const TemporaryFolder work;
  std::size_t ran_cases = 0;
  for (const Json& each : folder.json().at("cases").items()) {
    const std::string kind = each["kind"].text();
    CAPTURE(each.dump());
    const golden::GoldenCase given{folder, each};
    const std::string scores = (work / "scores.safetensors").string(), list = (work / "list.json").string();
    if (kind == "classification-metrics") {
      write_safetensors(scores, {{"logits", given.tensor("logits").to(at::kFloat)}});
      write_file(list, each["labels"].dump());
      const Ran ran = limn_run({"evaluate", "classify", "--scores", scores, "--truth", list, "--json"});
      REQUIRE(ran.code == exit_done);
      for (const char* name : {"top1", "top5", "mean_per_class_recall"})
        if (each.has(name)) CHECK(lines(ran.out)[0][name].number() == Catch::Approx(each[name].number()));
      ++ran_cases;
    } else if (kind == "retrieval-metrics") {
      std::vector<std::pair<std::string, Tensor>> tables{{"similarity", given.tensor("similarity").to(at::kFloat)}};
      if (each.has("first"))
        for (const char* name : {"second_image_to_text", "second_text_to_image"})
          tables.emplace_back(name, given.tensor(name).to(at::kFloat));
      write_safetensors(scores, tables);
      write_file(list, each["relevant"].dump());
      const Ran ran = limn_run({"evaluate", "retrieval", "--scores", scores, "--relevant", list, "--json"});
      REQUIRE(ran.code == exit_done);
      const Json result = lines(ran.out)[0];
      for (const char* direction : {"image_to_text", "text_to_image"})
        for (const char* name : {"R@1", "R@5", "R@10", "median_rank", "mAP"})
          if (each[direction].has(name))
            CHECK(result[direction][name].number() == Catch::Approx(each[direction][name].number()));
      ++ran_cases;
    }
  }
  CHECK(ran_cases > 2);
}

TEST_CASE("evaluate retrieval: a small data set end to end, with and without a second stage", "[matching]") {
  fs::path path;
  if (!have("blip-itm", path)) return;
  const TemporaryFolder work;
  std::string data;
  for (int i = 0; i < 4; ++i)
    data += R"({"image": ")" + (path / ("photo" + std::to_string(i) + ".png")).string() +
            R"(", "captions": {"en": ["a dog number )" + std::to_string(i) + R"(", "snow )" + std::to_string(i) +
            "\"]}}\n";
  write_file(work / "data.jsonl", data);
  const std::string file = (work / "data.jsonl").string();
  const Ran plain = limn_run({"evaluate", "retrieval", file, "--json", "--model", path.string()});
  REQUIRE(plain.code == exit_done);
  const Json figures = lines(plain.out)[0];
  CHECK(figures["pictures"].integer() == 4);
  CHECK(figures["texts"].integer() == 8);
  CHECK(figures["text_to_image"]["R@5"].number() == 100);
  // All candidates reordered: the figures are those of the matching head alone, in any order of the first stage.
  const Ran reranked = limn_run({"evaluate", "retrieval", file, "--json", "--rerank", "8", "--model", path.string()});
  REQUIRE(reranked.code == exit_done);
  std::vector<std::string> match{"match", "--json", "--model", path.string()};
  for (int i = 0; i < 4; ++i) match.push_back((path / ("photo" + std::to_string(i) + ".png")).string());
  for (int i = 0; i < 4; ++i)
    for (const char* word : {"a dog number ", "snow "}) match.insert(match.end(), {"--text", word + std::to_string(i)});
  const auto pairs = lines(limn_run(match).out);
  REQUIRE(pairs.size() == 32);
  std::size_t right = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    std::size_t best = 0;
    for (std::size_t t = 1; t < 8; ++t)
      if (pairs[i * 8 + t]["match"].number() > pairs[i * 8 + best]["match"].number()) best = t;
    right += best / 2 == i;
  }
  CHECK(lines(reranked.out)[0]["image_to_text"]["R@1"].number() == Catch::Approx(25.0 * static_cast<double>(right)));
  CHECK(limn_run({"evaluate", "retrieval", file, "--scores", "x", "--model", path.string()}).code == exit_usage);
  write_file(work / "data.jsonl", R"({"image": "gone.png", "captions": {"en": ["a dog"]}})");
  CHECK(limn_run({"evaluate", "retrieval", file, "--model", path.string()}).code == exit_unusable);
}

TEST_CASE("evaluate classify: labels from a table, a folder and JSON lines", "[matching]") {
  fs::path path;
  if (!have("clip-gelu", path)) return;
  const TemporaryFolder work;
  for (const char* label : {"cat", "dog"}) fs::create_directories(work / "folders" / label);
  fs::copy(path / "photo-land.png", work / "folders" / "cat" / "1.png");
  fs::copy(path / "photo-port.png", work / "folders" / "dog" / "2.png");
  write_file(work / "labels.csv", "image,label\nfolders/cat/1.png,cat\nfolders/dog/2.png,dog\n");
  write_file(work / "labels.jsonl",
             "{\"image\": \"folders/cat/1.png\", \"label\": \"cat\"}\n"
             "{\"image\": \"folders/dog/2.png\", \"label\": \"dog\"}\n");
  std::vector<std::string> answers;
  for (const char* data : {"folders", "labels.csv", "labels.jsonl"}) {
    const Ran ran = limn_run({"evaluate", "classify", (work / data).string(), "--json", "--model", path.string()});
    REQUIRE(ran.code == exit_done);
    answers.push_back(ran.out);
  }
  CHECK(answers[0] == answers[1]);
  CHECK(answers[0] == answers[2]);
  CHECK(lines(answers[0])[0]["top5"].number() == 100);
  CHECK(lines(answers[0])[0]["classes"].integer() == 2);
  write_file(work / "labels.csv", "folders/cat/1.png\n");
  CHECK(limn_run({"evaluate", "classify", (work / "labels.csv").string(), "--model", path.string()}).code ==
        exit_unusable);
}

TEST_CASE("the end of a text that is not read is told in short", "[apps][match]") {
  fs::path folder;
  if (!have("clip-gelu", folder)) return;
  const Model model = open_model(folder);
  const Embedder& embedder = *model.embedder;
  CHECK(cut_note(embedder, "a dog").empty());
  std::string text;
  for (int i = 0; i < 300; ++i) text += "dög ";
  const std::string note = cut_note(embedder, text);
  const std::string begin = "the model reads " + std::to_string(embedder.longest) + " tokens of a text; not read: \"";
  CHECK(note.substr(0, begin.size()) == begin);
  CHECK(note.ends_with("…\""));
  CHECK(note.size() < begin.size() + 110);
  CHECK(find_invalid_utf8(note) == std::string_view::npos);
}
