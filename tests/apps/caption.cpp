#include "apps/caption.h"

#include <fstream>
#include <sstream>

#include "apps/caption_engine.h"
#include "core/files.h"
#include "core/json.h"
#include "tests/catch.h"
#include "tests/temporary.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

/// A model without weights: it says the file's name; files that hold "bad" cannot be read.
CaptionEngine fake_engine() {
  CaptionEngine engine;
  engine.name = "fake";
  engine.languages = {"en", "zh"};
  engine.begin = [](const std::string& prompt, const std::string&) {
    return std::vector<std::int64_t>(1 + prompt.size(), 0);
  };
  engine.decode = [](const std::vector<std::int64_t>& ids) {
    std::string text;
    for (const std::int64_t id : ids)
      if (id > 0) text += static_cast<char>(id);
    return text;
  };
  engine.describe = [](const std::vector<fs::path>& pictures, const CaptionRequest& request,
                       const std::function<void(std::size_t, const Described&)>& each) {
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      if (read_file(pictures[i]) == "bad") {
        each(i, {{}, "is no picture that can be decoded"});
        continue;
      }
      Described described;
      for (std::int64_t n = 0; n < request.generate.returned; ++n) {
        const std::string text =
            request.prompt + pictures[i].stem().string() + std::string(static_cast<std::size_t>(n), '!');
        described.captions.push_back({text, {1, 2}, -1.0 - static_cast<double>(n), 0, {-1, -1}});
        if (request.generate.on_token)
          for (const char letter : text) request.generate.on_token(0, letter);
      }
      each(i, described);
    }
  };
  return engine;
}

struct Ran {
  int code = -1;
  std::string out, notes;
  int opened = 0;
};

/// Runs the command as the program does, errors turned into messages and codes.
Ran run(const CaptionOptions& options, const std::string& standard_input = {}) {
  Ran ran;
  std::istringstream in(standard_input);
  std::ostringstream out, notes;
  const auto open = [&ran] { return ++ran.opened, fake_engine(); };
  ran.code = guarded([&] { return caption_with(open, options, in, out, notes); }, notes);
  ran.out = out.str();
  ran.notes = notes.str();
  return ran;
}

struct Photos : TemporaryFolder {
  Photos() {
    for (const char* name : {"dog", "cat", "bird"}) std::ofstream(path / (std::string(name) + ".jpg")) << "good";
    std::ofstream(path / "broken.jpg") << "bad";
  }
  std::string at(const std::string& name) const { return (path / name).string(); }
};

}  // namespace

TEST_CASE("one picture gives its caption alone", "[caption]") {
  const Photos photos;
  const Ran ran = run({.inputs = {.paths = {photos.at("dog.jpg")}}});
  CHECK(ran.code == exit_done);
  CHECK(ran.out == "dog\n");
  CHECK(ran.notes.empty());
}

TEST_CASE("many pictures keep their order; broken ones are named and do not stop the others", "[caption]") {
  const Photos photos;
  const Ran ran = run({.inputs = {.paths = {photos.at("gone.jpg"), photos.at("dog.jpg"), photos.at("broken.jpg"),
                                            photos.at("cat.jpg")}}});
  CHECK(ran.code == exit_some_failed);
  CHECK(ran.out == photos.at("dog.jpg") + "\tdog\n" + photos.at("cat.jpg") + "\tcat\n");
  CHECK(ran.notes == "limn: " + photos.at("gone.jpg") + ": no such file or folder\n" +
                         "limn: " + photos.at("broken.jpg") + ": is no picture that can be decoded\n" +
                         "limn: 2 described, 2 failed\n");
  const Ran json = run({.common = {.quiet = true},
                        .inputs = {.paths = {photos.at("gone.jpg"), photos.at("broken.jpg"), photos.at("cat.jpg")}},
                        .format = {.style = CaptionStyle::json}});
  CHECK(json.code == exit_some_failed);
  CHECK(std::count(json.out.begin(), json.out.end(), '\n') == 3);
  CHECK(json.out.rfind("{\"path\":\"" + photos.at("gone.jpg") + "\",\"error\":", 0) == 0);
  CHECK(json.notes.find("described") == std::string::npos);
}

TEST_CASE("the model is not opened where no picture needs it", "[caption]") {
  const Photos photos;
  CHECK(run({.inputs = {.paths = {photos.at("gone.jpg")}}}).opened == 0);
  const Ran ran = run({.inputs = {}});
  CHECK(ran.code == exit_usage);
  CHECK(ran.opened == 0);
}

TEST_CASE("sidecars: written, skipped, clashing", "[caption]") {
  const Photos photos;
  CaptionOptions options{
      .inputs = {.paths = {photos.path}}, .format = {.prefix = "sks, "}, .sidecar = {.extension = ".txt"}};
  options.sidecar.existing = Existing::skip;
  std::ofstream(photos.path / "cat.txt") << "mine\n";
  const Ran ran = run(options);
  CHECK(ran.code == exit_some_failed);  // broken.jpg
  CHECK(read_file(photos / "dog.txt") == "sks, dog\n");
  CHECK(read_file(photos / "cat.txt") == "mine\n");
  CHECK_FALSE(fs::exists(photos / "broken.txt"));
  CHECK(ran.notes.find("2 described, 1 had captions already, 1 failed") != std::string::npos);

  options.sidecar.existing = Existing::error;
  const Ran again = run(options);
  CHECK(again.code == exit_unwritable);
  CHECK(again.notes.find("dog.txt: exists already; say --existing") != std::string::npos);

  std::ofstream(photos.path / "dog.png") << "good";
  options.sidecar.existing = Existing::overwrite;
  const Ran clash = run(options);
  CHECK(clash.code == exit_unwritable);
  CHECK(clash.notes.find("dog.txt: is the sidecar of " + photos.at("dog.jpg") + " already") != std::string::npos);
}

TEST_CASE("captions below the wanted score are withheld", "[caption]") {
  const Photos photos;
  CaptionOptions options{.inputs = {.paths = {photos.at("dog.jpg"), photos.at("cat.jpg")}},
                         .format = {.min_score = -0.5},
                         .sidecar = {.extension = ".txt"}};
  const Ran ran = run(options);
  CHECK(ran.code == exit_done);
  CHECK(ran.out.empty());
  CHECK(ran.notes == "limn: 0 described, 2 below --min-score\n");
  CHECK_FALSE(fs::exists(photos / "dog.txt"));
  options.format.min_score = -1.5;
  CHECK(run(options).out.find("\tdog\n") != std::string::npos);
}

TEST_CASE("a results file grows where it ended", "[caption]") {
  const Photos photos;
  const fs::path file = photos / "captions.jsonl", coco = photos / "coco.json";
  CaptionOptions options{.inputs = {.paths = {photos.at("dog.jpg"), photos.at("broken.jpg")}},
                         .format = {.style = CaptionStyle::json},
                         .out = file,
                         .resume = true};
  CHECK(run(options).code == exit_some_failed);
  const std::string first = read_file(file);
  CHECK(std::count(first.begin(), first.end(), '\n') == 2);
  std::ofstream(file, std::ios::app) << "{\"path\":\"cut";
  std::ofstream(photos.path / "broken.jpg") << "good";
  options.inputs.paths = {photos.at("cat.jpg"), photos.at("broken.jpg"), photos.at("dog.jpg")};
  options.coco_results = coco;
  const Ran ran = run(options);
  CHECK(ran.code == exit_done);
  CHECK(ran.out.empty());
  const std::string all = read_file(file);
  std::vector<std::string> paths;
  std::istringstream lines(all);
  for (std::string line; std::getline(lines, line);) paths.push_back(Json::parse(line, "line").at("path").text());
  CHECK(paths == std::vector<std::string>{photos.at("dog.jpg"), photos.at("cat.jpg"), photos.at("broken.jpg")});
  const Json results = Json::read(coco);  // the earlier caption is among them, in the order of the inputs
  REQUIRE(results.size() == 3);
  CHECK(results[std::size_t{2}]["caption"].text() == "dog");
  CHECK(run(options).opened == 0);  // all done
}

TEST_CASE("existing result files are not replaced unasked", "[caption]") {
  const Photos photos;
  std::ofstream(photos.path / "out.csv") << "precious\n";
  CaptionOptions options{
      .inputs = {.paths = {photos.at("dog.jpg")}}, .format = {.style = CaptionStyle::csv}, .out = photos / "out.csv"};
  const Ran ran = run(options);
  CHECK(ran.code == exit_unwritable);
  CHECK(ran.notes.find("out.csv: exists already; say --existing overwrite") != std::string::npos);
  CHECK(read_file(photos / "out.csv") == "precious\n");
  options.sidecar.existing = Existing::overwrite;
  CHECK(run(options).code == exit_done);
  CHECK(read_file(photos / "out.csv") == "path,rank,caption,score,error\n" + photos.at("dog.jpg") + ",1,dog,-1,\n");
  options.out = photos / "gone" / "out.csv";
  CHECK(run(options).code == exit_unwritable);
}

TEST_CASE("words stream as they are chosen", "[caption]") {
  const Photos photos;
  const Ran ran =
      run({.inputs = {.paths = {photos.at("dog.jpg")}}, .format = {.prefix = "> ", .suffix = " <"}, .stream = true});
  CHECK(ran.code == exit_done);
  CHECK(ran.out == "> dog <\n");
  CHECK(run({.inputs = {.paths = {photos.path}}, .stream = true}).code == exit_usage);
  CHECK(run({.inputs = {.paths = {photos.at("dog.jpg")}}, .format = {.scores = true}, .stream = true}).code ==
        exit_usage);
}

TEST_CASE("a request is the model's defaults with the user's wishes on top", "[caption]") {
  CaptionEngine engine = fake_engine();
  engine.defaults = {.beams = 3, .max_length = 40, .length_penalty = 0.6};
  const GenerateOptions plain = caption_request({}, engine).generate;
  CHECK(plain.beams == 3);
  CHECK(plain.max_length == 40);
  CHECK(plain.length_penalty == 0.6);
  const CaptionRequest asked = caption_request(
      {.prompt = "hi", .language = "zh", .beams = 1, .min_length = 5, .max_length = 9, .early_stopping = "never"},
      engine);
  CHECK(asked.generate.beams == 1);
  CHECK(asked.generate.max_length == 0);
  CHECK(asked.generate.max_new_tokens == 9);
  CHECK(asked.generate.min_length == 8);  // begin and two prompt tokens count there
  CHECK(asked.generate.early_stopping == EarlyStopping::never);
  CHECK(asked.language == "zh");
  CHECK(caption_request({.nbest = 5}, engine).generate.beams == 5);
  const GenerateOptions sampled = caption_request({.nbest = 5, .sample = true, .top_p = 0.9}, engine).generate;
  CHECK(sampled.beams == 1);
  CHECK(sampled.returned == 5);
}

TEST_CASE("wishes that make no sense are refused in words", "[caption]") {
  const CaptionEngine engine = fake_engine();
  const auto refusal = [&](const CaptionSearch& search) -> std::string {
    try {
      caption_request(search, engine);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "accepted";
  };
  CHECK(refusal({.language = "de"}) == "--lang: got \"de\", but fake writes: en, zh");
  CHECK(refusal({.beams = 0}) == "--beams: got 0, expected at least 1");
  CHECK(refusal({.beams = 2, .nbest = 3}) == "--nbest 3 needs as many --beams, or --sample");
  CHECK(refusal({.min_length = 9, .max_length = 3}) == "--min-length 9 is above --max-length 3");
  CHECK(refusal({.temperature = 0.5}) == "--temperature, --top-k and --top-p choose among random words; add --sample");
  CHECK(refusal({.sample = true, .temperature = 0}) == "--temperature: got 0, expected a number above 0");
  CHECK(refusal({.sample = true, .top_p = 1.5}) == "--top-p: got 1.5, expected a share above 0, at most 1");
  CHECK(refusal({.beams = 3, .sample = true}) == "--sample draws words at random, --beams searches; choose one");
  CHECK(refusal({.early_stopping = "maybe"}) == "--early-stopping: got \"maybe\", expected yes, no or never");
}
