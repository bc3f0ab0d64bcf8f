#include "apps/index.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>
#include <thread>

#include "apps/index_plan.h"
#include "tests/apps/colour_world.h"
#include "tests/catch.h"
#include "tests/places.h"
#include "tests/tar.h"
#include "vision/taken.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

std::int64_t figure(const Ran& ran, const char* name) { return ran.last[name].integer(); }

}  // namespace

TEST_CASE("an index follows its pictures without encoding any twice", "[apps][index]") {
  World world;
  Ran ran = world.index();
  CHECK(ran.code == exit_done);
  CHECK(figure(ran, "added") == 4);
  CHECK(world.encoded == 4);

  ran = world.index();
  CHECK(world.encoded == 0);
  CHECK(figure(ran, "unchanged") == 4);

  // Moved, touched, copied: known by their content.
  fs::rename(world.photos / "red.png", world.photos / "deep/crimson.png");
  fs::last_write_time(world.photos / "green.png", fs::file_time_type::clock::now() + std::chrono::hours(1));
  fs::copy_file(world.photos / "deep/blue.png", world.photos / "deep/azure.png");
  ran = world.index();
  CHECK(world.encoded == 0);
  CHECK(figure(ran, "moved") == 1);
  CHECK(figure(ran, "added") == 1);
  CHECK(figure(ran, "unchanged") == 3);
  CHECK(figure(ran, "pictures") == 5);
  CHECK(world.names({.query = {{"red"}}, .limits = {.count = 1}}) == std::vector<std::string>{"crimson"});

  // Changed and gone; two new ones that are the same.
  paint(world.photos / "green.png", 250, 250, 250, 30);
  fs::remove(world.photos / "deep/crimson.png");
  paint(world.photos / "a.png", 200, 100, 0);
  fs::copy_file(world.photos / "a.png", world.photos / "b.png");
  ran = world.index();
  CHECK(world.encoded == 2);
  CHECK(figure(ran, "changed") == 1);
  CHECK(figure(ran, "removed") == 1);
  CHECK(figure(ran, "added") == 2);
  CHECK(figure(ran, "pictures") == 6);
  CHECK(figure(world.index(), "unchanged") == 6);
  CHECK(Index(read_index(world.file, true)).live() == 6);
}

TEST_CASE("broken pictures are named, and what is out of reach stays", "[apps][index]") {
  World world;
  std::ofstream(world.photos / "bad.png") << "no picture";
  Ran ran = world.index();
  CHECK(ran.code == exit_some_failed);
  CHECK(figure(ran, "failed") == 1);
  CHECK(figure(ran, "added") == 4);
  CHECK_THAT(ran.notes, ContainsSubstring("bad.png: is no picture"));
  CHECK_THAT(ran.out, ContainsSubstring("\"error\""));
  fs::remove(world.photos / "bad.png");

  // A folder that is not there, as of a disk that is not mounted, takes nothing along.
  fs::rename(world.photos, world.folder / "away");
  ran = world.index();
  CHECK(ran.code == exit_some_failed);
  CHECK(figure(ran, "pictures") == 4);
  fs::create_directory(world.photos);
  CHECK(figure(world.index(), "pictures") == 4);
  fs::rename(world.folder / "away", world.photos);
  CHECK(figure(world.index(), "unchanged") == 4);
  // A folder alone leaves the others in.
  IndexOptions deep = world.options();
  deep.inputs.paths = {(world.photos / "deep").string()};
  fs::remove(world.photos / "red.png");
  CHECK(figure(world.index(deep), "pictures") == 4);
  IndexOptions keep = world.options();
  keep.keep_missing = true;
  CHECK(figure(world.index(keep), "pictures") == 4);
  CHECK(figure(world.index(), "pictures") == 3);
}

TEST_CASE("another model is refused", "[apps][index]") {
  World world;
  world.index();
  world.identity = "shapes";
  const std::string complaint =
      "limn: " + world.file.string() +
      ": was made with the model fake (weights colours), got fake (weights shapes); use that model, or make the index "
      "anew with --rebuild\n";
  Ran ran = world.search({.query = {{"red"}}});
  CHECK(ran.code == exit_unusable);
  CHECK(ran.notes == complaint);
  paint(world.photos / "new.png", 1, 2, 3);
  ran = world.index();
  CHECK(ran.code == exit_unusable);
  CHECK(ran.notes == complaint);
  IndexOptions anew = world.options();
  anew.rebuild = true;
  CHECK(figure(world.index(anew), "added") == 5);
  CHECK(world.search({.query = {{"red"}}}).code == exit_done);
}

TEST_CASE("captions are searched too", "[apps][index]") {
  World world;
  std::ofstream(world.folder / "captions.jsonl")
      << "{\"image\": \"photos/deep/grey.png\", \"captions\": {\"en\": [\"the red one\", \"something\"]}}\n";
  IndexOptions options = world.options();
  world.index(options);
  options.captions = {world.folder / "captions.jsonl"};
  Ran ran = world.index(options);
  CHECK(world.encoded == 0);
  CHECK(figure(ran, "changed") == 1);
  CHECK(figure(world.index(options), "unchanged") == 4);
  CHECK(figure(world.index(), "unchanged") == 4);  // they stay
  // Its caption names the colour, its pixels do not.
  const Ran found = world.search({.query = {{"red"}}, .limits = {.count = 2}, .json = true});
  CHECK_THAT(found.out, ContainsSubstring("grey.png"));
  CHECK_THAT(found.out, ContainsSubstring("\"caption\":\"the red one\""));
}

TEST_CASE("shards, merged, are the whole", "[apps][index]") {
  World world;
  for (int i = 0; i < 12; ++i) paint(world.photos / (std::to_string(i) + ".png"), 20 * i, 250 - 20 * i, 60, 24, 1 + i);
  std::ofstream(world.folder / "captions.jsonl") << "{\"image\": \"photos/3.png\", \"caption\": \"a red kite\"}\n";
  IndexOptions options = world.options();
  options.captions = {world.folder / "captions.jsonl"};
  world.index(options);
  const fs::path whole = world.file;
  IndexOptions merge = options;
  merge.merge = true;
  merge.inputs.paths.clear();
  std::int64_t sum = 0;
  for (const char* shard : {"3/3", "1/3", "2/3"}) {
    options.inputs.shard = shard;
    options.out = world.folder / (std::string("part-") + shard[0]);
    const std::int64_t added = figure(world.index(options), "added");
    CHECK(figure(world.index(options), "unchanged") == added);
    sum += added;
    merge.inputs.paths.push_back(options.out.string());
  }
  CHECK(sum == 16);
  merge.out = world.folder / "all.idx";
  const auto merged = [&] {
    std::ostringstream out, notes;
    std::istringstream in;
    const int code = guarded([&] { return index_pictures(merge, in, out, notes); }, notes);
    return std::tuple(code, out.str(), notes.str());
  };
  CHECK(merged() == std::tuple(0, "{\"index\":\"" + merge.out.string() + "\",\"pictures\":16,\"merged\":3}\n", ""));
  CHECK(std::get<0>(merged()) == exit_done);      // once more: nothing is there twice
  const auto known = [&](const fs::path& file) {  // vectors and captions by path
    const Index index(read_index(file, true));
    std::map<std::string, std::pair<std::vector<float>, std::vector<std::string>>> all;
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(index.content().entries.size()); ++i) {
      const Tensor vector = index.embedding(i).contiguous();
      const float* const numbers = vector.data_ptr<float>();
      all[index.content().entries[static_cast<std::size_t>(i)].path] = {{numbers, numbers + vector.numel()},
                                                                        index.captions(i)};
    }
    return all;
  };
  CHECK(known(whole).size() == 16);
  CHECK(known(whole) == known(merge.out));
  std::vector<std::vector<std::string>> answers;
  for (const fs::path& file : {whole, merge.out}) {
    world.file = file;
    answers.push_back(world.names({.query = {{"red"}, {}, {"green"}}, .limits = {.count = 16}}));
  }
  CHECK(answers[0] == answers[1]);
  CHECK(answers[0].size() == 16);
  CHECK(Index(read_index(merge.out, true)).live() == 16);
  // The whole set, indexed on top of what was merged, finds everything there.
  options.inputs.shard.clear();
  options.out = merge.out;
  CHECK(figure(world.index(options), "unchanged") == 16);
  CHECK(world.encoded == 0);

  world.identity = "shapes";
  options.out = world.folder / "other";
  world.index(options);
  merge.inputs.paths.push_back(options.out.string());
  const auto [code, out, notes] = merged();
  CHECK(code == exit_unusable);
  CHECK_THAT(notes, ContainsSubstring("other was made with the model fake (weights shapes)"));
  CHECK(Index(read_index(merge.out, true)).live() == 16);
}

TEST_CASE("tar archives are indexed like folders", "[apps][index]") {
  World world;
  const fs::path tar = world.folder / "shard.tar";
  std::string bytes;
  for (const char* name : {"red", "green"})
    bytes += tar_member("train/" + std::string(name) + ".png", read_file(world.photos / (std::string(name) + ".png")));
  bytes += tar_member("train/green.txt", "a blue lie") + tar_member("train/red.json", "{\"caption\": \"a red one\"}");
  bytes += tar_member("grey.png", read_file(world.photos / "deep/grey.png"));
  write_file(tar, bytes + std::string(1024, '\0'));
  IndexOptions options = world.options();
  options.inputs.paths = {tar.string()};
  options.captions = {tar};
  CHECK(figure(world.index(options), "added") == 3);
  CHECK(figure(world.index(options), "unchanged") == 3);
  const Ran found = world.search({.query = {{"blue"}}, .limits = {.count = 3}, .json = true});
  CHECK_THAT(found.out, ContainsSubstring("shard.tar/train/green.png"));
  CHECK_THAT(found.out, ContainsSubstring("\"caption\":\"a blue lie\""));
  CHECK(world.names({.query = {{"red"}}, .limits = {.count = 1, .rerank = 3}}) == std::vector<std::string>{"red"});
  const fs::path sheet = world.folder / "sheet.png";
  CHECK(world.search({.query = {{"red"}}, .show = sheet}).code == exit_done);
  CHECK(read_image(sheet).width > 100);

  // Packed anew: the pictures are known by their content; one that is gone leaves.
  write_file(tar, tar_member("train/red.png", read_file(world.photos / "red.png")) + std::string(1024, '\0'));
  options.captions.clear();
  const Ran again = world.index(options);
  CHECK(figure(again, "removed") == 2);
  CHECK(figure(again, "unchanged") == 1);
  CHECK(world.encoded == 0);
}

TEST_CASE("search: queries, filters, formats", "[apps][search]") {
  World world;
  world.index();
  CHECK(world.names({.query = {{"green"}}})[0] == "green");
  CHECK(world.names({.query = {{"green"}}}).size() == 4);
  CHECK(world.names({.query = {{"red", "0.1:green"}}})[0] == "red");
  CHECK(world.names({.query = {{"0.1:red", "green"}}})[0] == "green");
  CHECK(world.names({.query = {{}, {(world.photos / "deep/blue.png").string()}}})[0] == "blue");
  CHECK(world.names({.query = {{"red"}, {}, {"2:red"}}}).back() == "red");
  CHECK(world.names({.query = {{"red"}}, .filter = {{"deep/*"}}}).empty());  // from the working folder
  CHECK(world.names({.query = {{"red"}}, .filter = {{world.photos.string() + "/deep/*"}}}).size() == 2);
  CHECK(world.names({.query = {{"red"}}, .filter = {{"g*.png"}}, .limits = {.count = 2}}).size() == 2);
  CHECK(world.names({.query = {{"red"}}, .filter = {{}, "2020"}}).size() == 4);
  CHECK(world.names({.query = {{"red"}}, .filter = {{}, "", "2020-05-01"}}).empty());
  CHECK(world.names({.query = {{"red"}}, .limits = {.min_score = 0}}).size() < 4);
  const Ran reranked = world.search({.query = {{"red"}}, .limits = {.count = 1, .rerank = 4}, .json = true});
  INFO(reranked.notes);
  const std::string ranked = reranked.out;
  const Json first = Json::parse(ranked, "result");
  CHECK(first["rank"].integer() == 1);
  CHECK(first["match"].number() > 0.5);
  CHECK_THAT(first["path"].text(), ContainsSubstring("red.png"));
  const fs::path page = world.folder / "page.html", sheet = world.folder / "sheet.png";
  world.search({.query = {{"red"}}, .html = page, .show = sheet});
  CHECK_THAT(read_file(page), ContainsSubstring("src=\"photos/deep/blue.png\""));
  CHECK(read_image(sheet).width > 100);
  const auto complaint = [&](const RetrieveQuery& query) { return world.search({.query = query}); };
  CHECK(complaint({{"  "}}).notes == "limn: the query is empty: got \"  \", expected words\n");
  CHECK(complaint({}).notes == "limn: no query: give words, or a picture with --image\n");
  CHECK(complaint({}).code == exit_usage);
  CHECK(complaint({{}, {"none.jpg"}}).code == exit_unusable);
  CHECK(world.search({.query = {{"red"}}, .filter = {{}, "May"}}).notes ==
        "limn: --after: got \"May\", expected a date like 2024, 2024-05 or 2024-05-01\n");
}

TEST_CASE("weights and dates as typed", "[apps][search]") {
  CHECK(weighted("2:a dog") == std::pair(2.0, std::string("a dog")));
  CHECK(weighted("0.5:x") == std::pair(0.5, std::string("x")));
  for (const std::string text : {"a dog", "time: noon", "12:", ":x", "nan:x", "1e999:x", "2 :x"})
    CHECK(weighted(text) == std::pair(1.0, text));
  CHECK(parse_date("1970", "--after") == 0);
  CHECK(parse_date("1970-02", "--after") == 31LL * 86400);
  CHECK(parse_date("2024-02-29", "--after") == 1709164800);
  for (const std::string text : {"", "x", "2023-02-29", "2024-00", "2024-1-1x", "-5", " 2024"})
    CHECK_THROWS_AS(parse_date(text, "--after"), UsageError);
}

TEST_CASE("the time that a photo was taken", "[vision]") {
  CHECK(time_taken("") == 0);
  CHECK(time_taken("\xFF\xD8\xFF") == 0);
  // One directory with DateTime; one with the EXIF directory's DateTimeOriginal.
  const std::string head("Exif\0\0II*\0\x08\0\0\0", 14);
  const auto jpeg = [](const std::string& exif) {
    const std::size_t size = exif.size() + 2;
    return std::string("\xFF\xD8\xFF\xE0\0\x04xx\xFF\xE1", 10) + static_cast<char>(size >> 8) +
           static_cast<char>(size) + exif + "\xFF\xDA";
  };
  const std::string one =
      head + std::string("\x01\0\x32\x01\x02\0\x14\0\0\0\x1a\0\0\0\0\0\0\0", 18) + "2024:02:29 00:00:10";
  CHECK(time_taken(jpeg(one)) == 1709164810);
  for (std::size_t cut = 0; cut < one.size(); ++cut) CHECK(time_taken(jpeg(one.substr(0, cut))) == 0);
  std::string odd = one;
  odd[odd.size() - 4] = 'x';
  CHECK(time_taken(jpeg(odd)) == 0);
}

TEST_CASE("killed while it writes, an index opens, and goes on", "[apps][index][process]") {
  const fs::path model = fixtures_folder() / "clip-gelu";
  if (!fs::exists(model / "config.json")) {
    std::cerr << "SKIPPED: " << model << " is absent; set LIMN_FIXTURES to kill limn index\n";
    return;
  }
  const TemporaryFolder folder;
  const int count = 400;
  fs::create_directory(folder / "photos");
  for (int i = 0; i < count; ++i)
    paint(folder / "photos" / (std::to_string(i) + ".png"), i % 256, 90 + i / 256, 30, 600, 1 + i % 255);
  const fs::path file = folder / "x.idx", out = folder / "out";
  const auto start = [&] {
    const pid_t child = fork();
    if (child == 0) {
      const std::string command =
          "exec '" + limn_program() + "' index photos -o x.idx -b 1 -m '" + model.string() + "' --json >out 2>&1";
      if (chdir(folder.path.c_str()) == 0) execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(99);
    }
    return child;
  };
  std::int64_t stored = 0;
  for (int kill_number = 0; kill_number < 2; ++kill_number) {
    const pid_t child = start();
    const auto size_before = fs::exists(file) ? fs::file_size(file) : 0;
    for (int i = 0; i < 3000 && waitpid(child, nullptr, WNOHANG) == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (fs::exists(file) && fs::file_size(file) > size_before + 30000) break;
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const Index index(read_index(file, true));
    CHECK(index.live() >= stored);
    stored = index.live();
  }
  CHECK(stored > 0);
  int status = 0;
  waitpid(start(), &status, 0);
  CHECK(WEXITSTATUS(status) == exit_done);
  const std::string summary = read_file(out);
  INFO(summary);
  const Json last = Json::parse(summary.substr(summary.rfind('{', summary.rfind("\"index\""))), "summary");
  CHECK(last["unchanged"].integer() == stored);
  CHECK(last["encoded"].integer() == count - stored);
  CHECK(Index(read_index(file, true)).live() == count);
}
