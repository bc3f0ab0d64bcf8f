#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include "apps/run.h"
#include "core/files.h"
#include "core/json.h"
#include "tests/apps/process.h"
#include "tests/catch.h"
#include "tests/places.h"
#include "tests/temporary.h"

// The program as users start it: exit codes, streams, signals.

using namespace limn;
namespace fs = std::filesystem;

namespace {

/// A small captioning model with random weights; the tests that need one say so where it is absent.
bool have_model(fs::path& model) {
  model = fixtures_folder() / "blip-caption";
  if (fs::exists(model / "config.json")) return true;
  std::cerr << "SKIPPED: " << model << " is absent; set LIMN_FIXTURES to run the program on a model\n";
  return false;
}

bool one_sentence(const std::string& text) {
  return text.rfind("limn: ", 0) == 0 && std::count(text.begin(), text.end(), '\n') == 1;
}

}  // namespace

TEST_CASE("help and version", "[cli]") {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{}, {"--help"}, {"caption", "--help"}, {"models", "info", "-h"}}) {
    const Ran help = limn_run(words);
    CHECK(help.code == 0);
    CHECK(help.err.empty());
    CHECK(help.out.find("Examples:") != std::string::npos);
  }
  const Ran version = limn_run({"--version"});
  CHECK(version.code == 0);
  CHECK(version.out.rfind("limn " LIMN_VERSION " (LibTorch ", 0) == 0);
  CHECK(version.out.back() == '\n');
}

TEST_CASE("command lines that make no sense", "[cli]") {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"captoin", "x.jpg"},
                                                {"caption"},
                                                {"caption", "--beams", "many", "x.jpg"},
                                                {"caption", "--json", "--csv", "x.jpg"},
                                                {"caption", "--no-such-option"},
                                                {"caption", "--existing", "replace", "x.jpg"},
                                                {"caption", "--resume", "x.jpg"},
                                                {"--verbose"}}) {
    CAPTURE(words);
    const Ran ran = limn_run(words);
    CHECK(ran.code == exit_usage);
    CHECK(ran.out.empty());
    CHECK(one_sentence(ran.err));
  }
  CHECK(limn_run({"captoin"}).err == "limn: unknown command \"captoin\"; see limn --help\n");
}

TEST_CASE("inputs and models that are not there", "[cli]") {
  const Ran missing = limn_run({"caption", "/no/such/folder"});
  CHECK(missing.code == exit_some_failed);
  CHECK(missing.err == "limn: /no/such/folder: no such file or folder\n");
  const TemporaryFolder folder;
  std::ofstream(folder / "photo.jpg") << "text";
  const Ran model = limn_run({"caption", "--model", "/no/such/model", (folder / "photo.jpg").string()});
  CHECK(model.code == exit_unusable);
  CHECK(one_sentence(model.err));
}

TEST_CASE("files that are no pictures", "[cli]") {
  fs::path model;
  if (!have_model(model)) return;
  const TemporaryFolder folder;
  std::ofstream(folder / "text.jpg") << "this is no picture\n";
  std::ofstream(folder / "zero.png").flush();
  fs::copy_file(model / "photo0.png", folder / "good.png");
  const Ran ran = limn_run({"caption", "--json", "-m", model.string(), folder.path.string()});
  CHECK(ran.code == exit_some_failed);
  std::istringstream lines(ran.out);
  std::vector<std::string> kinds;
  for (std::string line; std::getline(lines, line);) {
    const Json record = Json::parse(line, "line");
    kinds.push_back(record.at("path").text().substr(folder.path.string().size() + 1) +
                    (record.has("error") ? " error" : " caption"));
  }
  CHECK(kinds == std::vector<std::string>{"good.png caption", "text.jpg error", "zero.png error"});
  CHECK(ran.err.find("text.jpg") != std::string::npos);
  CHECK(ran.err.find("zero.png") != std::string::npos);
}

TEST_CASE("results that cannot be written", "[cli]") {
  fs::path model;
  if (!have_model(model)) return;
  const TemporaryFolder folder;
  const std::string photo = (folder / "photo.png").string();
  fs::copy_file(model / "photo0.png", photo);
  const std::vector<std::string> words = {"caption", "-m", model.string(), photo};

  const Ran closed = limn_run(words, ">&-");
  CHECK(closed.code == exit_unwritable);
  CHECK(closed.err == "limn: standard output: cannot write: Bad file descriptor\n");
  if (fs::exists("/dev/full")) {
    const Ran full = limn_run(words, ">/dev/full");
    CHECK(full.code == exit_unwritable);
    CHECK(full.err == "limn: standard output: cannot write: No space left on device\n");
  }
  const TemporaryFolder pipe;  // a reader that takes nothing: no death, no complaint
  const Ran quiet =
      shell("{ " + limn_command(words) + "; echo $? >" + quoted((pipe / "code").string()) + "; } | true", pipe);
  CHECK(read_file(pipe / "code") == std::to_string(exit_unwritable) + "\n");
  CHECK(quiet.err.empty());

  fs::create_directory(folder / "photo.txt");
  const Ran sidecar = limn_run({"caption", "-m", model.string(), "--sidecar", photo, "--existing", "overwrite"});
  CHECK(sidecar.code == exit_unwritable);
  CHECK(sidecar.err.find("photo.txt: cannot be written: it is a folder") != std::string::npos);
}

TEST_CASE("sampled captions do not depend on the batch", "[cli]") {
  const std::string photos = (source_folder() / "photos").string();
  const auto sampled = [&](const char* batch, const char* seed) {
    return limn_run({"caption", photos, "--sample", "--seed", seed, "--batch", batch, "--json"});
  };
  const Ran together = sampled("5", "7"), alone = sampled("1", "7"), other = sampled("5", "8");
  CHECK(together.code == 0);
  const auto captions = [](const Ran& ran) {
    std::vector<std::string> all;
    std::istringstream lines(ran.out);
    for (std::string line; std::getline(lines, line);) all.push_back(Json::parse(line, "line").at("caption").text());
    return all;
  };
  CHECK(captions(together).size() == 12);
  CHECK(captions(together) == captions(alone));
  CHECK(captions(together) != captions(other));
}

TEST_CASE("Ctrl-C ends after what is done", "[cli]") {
  fs::path model;
  if (!have_model(model)) return;
  const TemporaryFolder folder;
  constexpr int kPictures = 3000;
  for (int i = 0; i < kPictures; ++i)
    fs::create_symlink(fs::absolute(model / "photo0.png"), folder / (std::to_string(10000 + i) + ".png"));
  const fs::path out = folder / "out.jsonl", err = folder / "err";
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int notes = open(err.c_str(), O_WRONLY | O_CREAT, 0666);
    dup2(notes, STDERR_FILENO);
    signal(SIGINT, SIG_DFL);
    execl(limn_program().c_str(), "limn", "caption", "-b", "4", "--json", "-o", out.c_str(), "-m", model.c_str(),
          folder.path.c_str(), nullptr);
    _exit(127);
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto waited = [&] { return std::chrono::steady_clock::now() - begin > std::chrono::seconds(60); };
  std::error_code error;
  while (!(fs::exists(out, error) && fs::file_size(out, error) > 0) && !waited())
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  kill(child, SIGINT);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == exit_interrupted);
  const std::string text = read_file(out);
  const auto lines = std::count(text.begin(), text.end(), '\n');
  CHECK(lines > 0);
  CHECK(lines < kPictures);
  CHECK(text.back() == '\n');
  CHECK(read_file(err).find("interrupted; " + std::to_string(lines) + " described") != std::string::npos);
}

TEST_CASE("a second Ctrl-C ends the program at once", "[cli]") {
  const auto ends_with = [](int signals) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      prepare_process();
      for (int i = 0; i < signals; ++i) raise(SIGINT);
      _exit(interrupted() ? 42 : 0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  };
  CHECK(ends_with(0) == 0);
  CHECK(ends_with(1) == 42);
  CHECK(ends_with(2) == exit_interrupted);
}

TEST_CASE("an interrupted command that has nothing to show says so and gives 130", "[cli]") {
  std::ostringstream notes;
  CHECK(guarded([]() -> int { throw Interrupted("interrupted; nothing was judged"); }, notes) == exit_interrupted);
  CHECK(notes.str() == "limn: interrupted; nothing was judged\n");
}

TEST_CASE("names of files on standard input, and a model by its name in the hub cache", "[cli]") {
  fs::path model;
  if (!have_model(model)) return;
  const TemporaryFolder folder;
  const fs::path cached = folder / "cache/models--org--tiny";
  fs::create_directories(cached / "snapshots");
  fs::create_directories(cached / "refs");
  std::ofstream(cached / "refs/main") << "0123abc";
  fs::create_directory_symlink(fs::absolute(model), cached / "snapshots/0123abc");
  std::ofstream(folder / "names") << (model / "photo0.png").string() << "\n"
                                  << (folder / "absent.png").string() << "\n";
  const std::string cache = "HF_HUB_CACHE=" + quoted((folder / "cache").string()) + " ";
  const Ran ran = shell(cache + limn_command({"caption", "-m", "org/tiny", "--files-from", "-"}) + " <" +
                            quoted((folder / "names").string()),
                        folder);
  CHECK(ran.code == exit_some_failed);
  CHECK(ran.out.rfind((model / "photo0.png").string() + "\t", 0) == 0);
  CHECK(ran.err.find("limn: " + (folder / "absent.png").string() + ": no such file or folder\n") == 0);
  const Ran listed = shell(cache + limn_command({"models"}), folder);
  CHECK(listed.code == exit_done);
  CHECK(listed.out.find("org/tiny\tblip\t") != std::string::npos);
}
