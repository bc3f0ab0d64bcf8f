#include "apps/train/train.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "apps/train/objective.h"
#include "apps/train/self_critical.h"
#include "core/files.h"
#include "core/json.h"
#include "core/npy.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/places.h"
#include "tests/small_feature_net.h"
#include "tests/small_house.h"
#include "tests/temporary.h"
#include "vision/image.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

void write_data(const fs::path& folder) {
  const char* colours[] = {"red", "green", "blue", "grey", "black", "white"};
  std::ofstream lines(folder / "train.jsonl");
  for (int i = 0; i < 6; ++i) {
    const std::string name = std::to_string(i) + ".png";
    write_image(folder / name, at::full({40, 48, 3}, 40 * i, at::kByte));
    lines << R"({"image": ")" << name << R"(", "captions": {"en": ["a )" << colours[i] << R"( wall", "something )"
          << colours[i] << R"( is here"], "zh": ["一面墙"]}})" << '\n';
  }
}

void write_recipe(const fs::path& file, const std::string& out, const std::string& more,
                  const std::string& model = "") {
  std::ofstream(file) << "[data]\ntrain = \"train.jsonl\"\nvalidation = \"train.jsonl\"\n"
                      << "[model]\nstart = \"model\"\n"
                      << model << "[train]\nout = \"" << out << "\"\nbatch = 3\ncaptions = 1\n"
                      << "steps = 12\nrate = 1e-3\nwarmup = 2\nsave_every = 3\nvalidate_every = 6\nlog_every = 2\n"
                      << "views = 2\nseed = 5\n"
                      << more;
}

int run_training(const fs::path& config, std::int64_t stop_after = 0) {
  std::ostringstream out, notes;
  return train({.config = config, .threads = 1, .stop_after = stop_after}, out, notes);
}

// Starts the program on `config` and kills it once `file` is there.
void kill_when_written(const fs::path& config, const fs::path& file) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (!std::freopen("/dev/null", "w", stderr)) _exit(126);
    execl(limn_program().c_str(), "limn", "train", config.c_str(), "--threads", "1", nullptr);
    _exit(127);
  }
  for (int i = 0; i < 6000 && !fs::exists(file); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  REQUIRE(fs::exists(file));
}

}  // namespace

TEST_CASE("what a caption earned beyond the others", "[train]") {
  const auto shares = advantages({1.0, 2.0, 6.0});
  CHECK(shares[0] == Approx(-3.0));
  CHECK(shares[1] == Approx(-1.5));
  CHECK(shares[2] == Approx(4.5));
  CHECK(advantages({0.5, 0.5}) == std::vector<double>{0, 0});
}

TEST_CASE("a caption that breaks off earns less than one that ends", "[train]") {
  const std::vector<CaptionRecord> records{
      {"1.jpg", {{"en", {"A dog runs over the grass.", "The dog is running."}}, {"zh", {"一只狗在跑"}}}, "1"},
      {"2.jpg", {{"en", {"Two men sit on a bench."}}}, "2"},
      {"3.jpg", {{"en", {"A red car."}}, {"zh", {"一辆车"}}}, "3"}};
  const CaptionReward english(records, "en"), chinese(records, "zh");
  CHECK(english(0, "a dog runs over the grass", true) > english(0, "a dog runs over the grass", false));
  CHECK(english(0, "a dog runs", true) < english(0, "a dog runs over the grass", true));
  CHECK(english(1, "a dog runs over the grass", true) < 0.2 * english(0, "a dog runs over the grass", true));
  CHECK_FALSE(chinese.knows(1));
  CHECK(chinese(2, "一 辆 车", true) > chinese(0, "一 辆 车", true));
  CHECK_THROWS_WITH(CaptionReward(records, "de"), "self-critical training: no picture has captions in \"de\"");
}

TEST_CASE("self-critical loss weighs each caption's tokens by its advantage", "[train]") {
  const Weights weights = Weights::random(3);
  HouseConfig c;
  c.vision = {.stem = {.stem = 8, .head = 16, .stages = {{1, 3, 2, 1, 8}}},
              .image = 32,
              .dim = 16,
              .heads = 2,
              .layers = 0,
              .mlp = 32,
              .eps = 1e-5};
  c.text = {.vocab = 20,
            .dim = 16,
            .heads = 2,
            .layers = 1,
            .mlp = 32,
            .positions = 8,
            .context_dim = 16,
            .eps = 1e-5,
            .causal = true,
            .pre_norm = true,
            .final_norm = true,
            .head = Head::tied};
  const HouseModel model(weights, weights / "vision" / "stem", c);
  const Tensor tokens = at::randn({2, 4, 16});  // [B N D]
  const TextRows captions{{{1, 5, 6, 2}, {1, 7, 2}}, {{1, 8, 9, 3, 2}}};
  const double loss =
      self_critical_loss(model, tokens, pack(captions, 8, LastToken::target), {0.5, -2.0, 3.0}).item<double>();
  double expected = 0, count = 0;
  const std::vector<double> weight{0.5, -2.0, 3.0};
  std::size_t g = 0;
  for (std::int64_t b = 0; b < 2; ++b)
    for (const auto& caption : captions[static_cast<std::size_t>(b)]) {  // one by one, without packing
      const auto length = static_cast<std::int64_t>(caption.size()) - 1;
      const Tensor ids = at::tensor(at::ArrayRef<std::int64_t>(caption));
      const Tensor hidden = model.text(ids.narrow(0, 0, length).unsqueeze(0), {.context = tokens.narrow(0, b, 1)});
      const Tensor logs = at::log_softmax(model.text.logits(hidden)[0], -1);  // [T V]
      expected -= weight[g++] * logs.gather(1, ids.narrow(0, 1, length).unsqueeze(1)).sum().item<double>();
      count += static_cast<double>(length);
    }
  CHECK(loss == Approx(expected / count).epsilon(1e-4));
}

TEST_CASE("training that was killed and resumed ends with the same bytes", "[train]") {
  const TemporaryFolder folder;
  write_small_house(folder / "model");
  write_data(folder.path);
  const std::string objectives = GENERATE(as<std::string>{}, "contrast_weight = 0.2\n",
                                          "contrast_weight = 0.1\nmatch_weight = 0.1\ncaption_weight = "
                                          "0.1\nself_critical_samples = 3\ndropout = 0.0\nbf16 = true\n",
                                          "stem_rate = 0.1\n");
  CAPTURE(objectives);
  write_recipe(folder / "whole.toml", "whole", objectives);
  write_recipe(folder / "killed.toml", "killed", objectives);
  write_recipe(folder / "stopped.toml", "stopped", objectives);
  REQUIRE(run_training(folder / "whole.toml") == 0);
  kill_when_written(folder / "killed.toml", folder / "killed/checkpoint.safetensors");
  REQUIRE(run_training(folder / "killed.toml") == 0);
  REQUIRE(run_training(folder / "stopped.toml", 7) == 0);
  REQUIRE(run_training(folder / "stopped.toml") == 0);
  for (const char* file : {"checkpoint.safetensors", "best/model.safetensors"}) {
    CAPTURE(file);
    CHECK(read_file(folder / ("killed/" + std::string(file))) == read_file(folder / ("whole/" + std::string(file))));
    CHECK(read_file(folder / ("stopped/" + std::string(file))) == read_file(folder / ("whole/" + std::string(file))));
  }
  const Model best = open_model(folder / "whole/best");
  CHECK(best.captioner.has_value());
  std::string metrics = read_file(folder / "whole/metrics.jsonl");
  CHECK(std::count(metrics.begin(), metrics.end(), '\n') == 8);  // six reports, two validations
}

TEST_CASE("frozen parts keep their weights, the others move", "[train]") {
  const TemporaryFolder folder;
  write_small_house(folder / "model");
  write_data(folder.path);
  write_recipe(folder / "run.toml", "run", "contrast_weight = 0.2\n", "frozen = [\"vision\"]\n");
  REQUIRE(run_training(folder / "run.toml", 6) == 0);
  std::size_t moved = 0, kept = 0;
  const TensorTable trained = read_weights(folder / "run/best");
  for (auto& [name, stored] : read_weights(folder / "model")) {
    CAPTURE(name);
    const bool same = at::equal(trained.at(name).load(), stored.load());
    if (name.rfind("vision.", 0) == 0) {
      CHECK(same);
      ++kept;
    } else {
      moved += !same;
    }
  }
  CHECK(kept > 0);
  CHECK(moved > 10);
}

TEST_CASE("a start folder that lacks weights is refused by their names", "[train]") {
  const TemporaryFolder folder;
  write_small_house(folder / "model");
  write_data(folder.path);
  std::vector<std::pair<std::string, Tensor>> weights;
  for (auto& [name, stored] : read_weights(folder / "model"))
    if (name != "vision.positions") weights.emplace_back(name, stored.load());
  write_safetensors(folder / "model/model.safetensors", weights);
  write_recipe(folder / "run.toml", "run", "");
  CHECK_THROWS_WITH(run_training(folder / "run.toml"), Catch::Contains("missing: vision.positions"));
}

TEST_CASE("one run folder has one writer", "[train]") {
  const TemporaryFolder folder;
  write_small_house(folder / "model");
  write_data(folder.path);
  write_recipe(folder / "run.toml", "run", "");
  fs::create_directories(folder / "run");
  const FolderLock other(folder / "run");
  CHECK_THROWS_WITH(run_training(folder / "run.toml"), Catch::Contains("run: is being written by another process"));
}

TEST_CASE("learning to stylize: killed and resumed it ends with the same bytes; the loss falls", "[train]") {
  const TemporaryFolder folder;
  write_random_squeezenet(folder / "net.safetensors");
  fs::create_directory(folder / "contents");
  fs::create_directory(folder / "styles");
  at::manual_seed(2);
  for (int i = 0; i < 5; ++i) {
    const std::string name = std::to_string(i) + ".png";
    const Tensor smooth = at::upsample_bilinear2d(at::rand({1, 3, 5, 5}) * 255, {80, 96}, false)[0].permute({1, 2, 0});
    write_image(folder / ("contents/" + name), smooth.to(at::kByte).contiguous());
    write_image(folder / ("styles/" + name), at::randint(0, 256, {70, 90, 3}, at::kByte));
  }
  const auto recipe = [&](const std::string& out, const std::string& more) {
    std::ofstream(folder / (out + ".toml"))
        << "[data]\ncontents = [\"contents\"]\nstyles = [\"styles\"]\nvalidation_contents = [\"contents/0.png\"]\n"
        << "validation_styles = [\"styles/0.png\"]\nheld_out = [\"1.png\"]\n[model]\n"
        << "loss_network = \"net.safetensors\"\nrelation_dim = 16\nrelation_heads = 2\nrelation_mlp = 32\n"
        << "[train]\nobjective = \"stylize\"\nout = \"" << out << "\"\nbatch = 2\nside = 64\nvalidation_side = 64\n"
        << "steps = 6\nrate = 1e-3\nnet_rate = 1\nsave_every = 2\nvalidate_every = 3\nlog_every = 1\nwarmup = 0\n"
        << "two_styles = 0.4\nmasks = 0.3\nsteady = 0.5\n"
        << more;
    return folder / (out + ".toml");
  };
  REQUIRE(run_training(recipe("whole", "")) == 0);
  kill_when_written(recipe("killed", ""), folder / "killed/checkpoint.safetensors");
  REQUIRE(run_training(folder / "killed.toml") == 0);
  REQUIRE(run_training(recipe("stopped", ""), 3) == 0);
  REQUIRE(run_training(folder / "stopped.toml") == 0);
  for (const char* file : {"checkpoint.safetensors", "best/model.safetensors"}) {
    CAPTURE(file);
    CHECK(read_file(folder / ("killed/" + std::string(file))) == read_file(folder / ("whole/" + std::string(file))));
    CHECK(read_file(folder / ("stopped/" + std::string(file))) == read_file(folder / ("whole/" + std::string(file))));
  }
  CHECK(open_model(folder / "whole/best").stylizer.has_value());
  std::vector<double> losses;
  each_line(read_file(folder / "whole/metrics.jsonl"), [&](std::string_view line, std::size_t) {
    const Json json = Json::parse(line, "metrics");
    if (json.has("validation_loss")) losses.push_back(json["validation_loss"].number());
  });
  REQUIRE(losses.size() == 2);
  CHECK(losses[1] < losses[0]);
}

TEST_CASE("a teacher's loss is none where pictures and texts lie as the teacher has them", "[train]") {
  WeightsOptions options;
  options.fill = true;
  options.trainable = true;
  const Weights weights({}, options);
  const HouseHeads heads(weights, {.picture_dim = 16, .text_dim = 16, .heads = 2, .width = 4, .mlp = 0, .eps = 1e-5});
  const at::NoGradGuard no_grad;
  weights.parameters().at("logit_scale").fill_(std::log(100.0));
  at::manual_seed(2);
  const Tensor pictures = normalised(at::randn({5, 4})), texts = normalised(at::randn({7, 4}));
  const Tensor turn = std::get<0>(at::linalg_qr(at::randn({4, 4})));  // the same angles in other numbers
  const auto loss = [&](const Tensor& seen) {
    return teacher_loss(heads, pictures, texts, seen, at::matmul(texts, turn)).item<double>();
  };
  CHECK(loss(at::matmul(pictures, turn)) == Approx(0).margin(1e-3));
  CHECK(loss(at::matmul(pictures.flip({0}), turn)) > 1);
}

TEST_CASE("learning from another dual encoder: what it knows of pictures and texts moves the heads", "[train]") {
  const TemporaryFolder folder;
  write_small_house(folder / "model");
  write_data(folder.path);
  std::string texts, pictures;
  for (const char* text : {"a wall", "something red", "a dog"}) texts += Json::object({{"text", text}}).dump() + "\n";
  for (const char* name : {"0.png", "1.png", "other.png"})
    pictures += Json::object({{"path", (folder / name).string()}}).dump() + "\n";
  write_image(folder / "other.png", at::full({40, 48, 3}, 77, at::kByte));  // without captions
  write_file(folder / "texts.jsonl", texts);
  write_file(folder / "pictures.jsonl", pictures);
  write_npy(folder / "texts.npy", at::eye(3));
  write_npy(folder / "pictures.npy", at::eye(3) + 0.1);
  write_recipe(folder / "run.toml", "run",
               "caption_weight = 0\nteacher_weight = 1\nteacher_texts = 8\ncontrast_weight = 1\n",
               "contrast_dim = 8\nstem_projection = true\nfrozen = [\"vision\", \"text\"]\n");
  CHECK_THROWS_WITH(run_training(folder / "run.toml"), Catch::Contains("teacher_texts: is missing"));
  std::string recipe = read_file(folder / "run.toml");
  recipe.insert(recipe.find("[model]"), "teacher_texts = \"texts.npy\"\nteacher_pictures = \"pictures.npy\"\n");
  write_file(folder / "run.toml", recipe);
  REQUIRE(run_training(folder / "run.toml") == 0);
  int reports = 0;
  std::istringstream lines(read_file(folder / "run/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);)
    if (const Json step = Json::parse(line, "metrics"); step.has("teacher"))
      reports += std::isfinite(step["teacher"].number());
  CHECK(reports == 6);
  const TensorTable before = read_weights(folder / "model"), after = read_weights(folder / "run/best");
  CHECK(after.contains("stem_projection.weight"));
  for (const char* moved : {"image_projection.weight", "text_projection.weight"})
    CHECK_FALSE(at::equal(after.at(moved).load(), before.at(moved).load()));
  const Model model = open_model(folder / "run/best");  // heads that read the stem
  CHECK(at::isfinite(model.embedder->pictures(at::full({1, 3, 32, 32}, 9, at::kByte))).all().item<bool>());
}
