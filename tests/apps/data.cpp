#include "apps/train/data.h"

#include <filesystem>
#include <fstream>

#include "tests/catch.h"
#include "tests/tar.h"
#include "tests/temporary.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

struct Folder : TemporaryFolder {
  fs::path write(const std::string& name, const std::string& text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << text;
    return path / name;
  }
};

}  // namespace

TEST_CASE("caption data: JSON lines in their spellings, a picture mentioned twice gathers its captions", "[data]") {
  const Folder folder;
  const auto file = folder.write("a.jsonl",
                                 "{\"image\": \"p/1.jpg\", \"captions\": {\"en\": [\"a\", \"b\"], \"zh\": [\"甲\"]}}\n"
                                 "\n"
                                 "{\"path\": \"2.jpg\", \"captions\": [\"c\"], \"split\": \"val\"}\r\n"
                                 "{\"image\": \"p/1.jpg\", \"caption\": \"d\"}");
  const auto records = read_captions(file);
  REQUIRE(records.size() == 2);
  CHECK(records[0].id == "p/1.jpg");
  CHECK(records[0].image == folder.path / "p/1.jpg");
  CHECK(records[0].captions.at("en") == std::vector<std::string>{"a", "b", "d"});
  CHECK(records[0].captions.at("zh") == std::vector<std::string>{"甲"});
  CHECK(records[1].captions.at("en") == std::vector<std::string>{"c"});
  const auto elsewhere = read_captions(file, {.images = "/pictures", .language = "de"});
  CHECK(elsewhere[1].image == "/pictures/2.jpg");
  CHECK(elsewhere[1].captions.at("de") == std::vector<std::string>{"c"});
}

TEST_CASE("caption data: every fault names file and line", "[data]") {
  const Folder folder;
  const auto file = folder.write("a.jsonl",
                                 "{\"image\": \"1.jpg\", \"captions\": {\"en\": [\"a\", 5]}}\n"
                                 "{\"captions\": [\"a\"]}\n"
                                 "{\"image\": \"1.jpg\"}\n"
                                 "{\"image\": \"1.jpg\", \"caption\": \" \"}\n"
                                 "[1]\n");
  const std::string name = file.string();
  CHECK_THROWS_WITH(read_captions(file),
                    name + ": 5 faults:\n  " + name + ":1: captions.en[1]: got 5, expected a text\n  " + name +
                        ":2: image: is missing\n  " + name + ":3: captions: is missing\n  " + name +
                        ":4: caption: is an empty caption\n  " + name +
                        ":5: got something else, expected an object such as {\"image\": …, \"captions\": …}");
  CHECK_THROWS_WITH(read_captions(folder.write("b.jsonl", "{\"image\": \"1.jpg\", \"caption\": \"a\"}\n{\"image\": ")),
                    ContainsSubstring("b.jsonl:2: not valid JSON"));
  CHECK_THROWS_WITH(read_captions(folder.write("c.jsonl", "\n\n")), ContainsSubstring("c.jsonl: holds no captions"));
  CHECK_THROWS_WITH(read_captions(folder.write("d.csv", "a,b")),
                    ContainsSubstring("d.csv: got a file ending in \".csv\", expected JSON lines (.jsonl)"));
  CHECK_THROWS_WITH(read_captions(folder.path / "e.jsonl"), ContainsSubstring("e.jsonl: no such file or folder"));
}

TEST_CASE("caption data: COCO annotations", "[data]") {
  const Folder folder;
  const auto file = folder.write("a.json",
                                 R"({"images": [{"id": 7, "file_name": "7.jpg"}, {"id": 9, "file_name": "9.jpg"}],
                                     "annotations": [{"image_id": 7, "caption": "a", "id": 1},
                                                     {"image_id": 7, "caption": "b", "id": 2}]})");
  const auto records = read_captions(file, {.images = "pictures"});
  REQUIRE(records.size() == 1);  // the one that has captions
  CHECK(records[0].id == "7");
  CHECK(records[0].image == "pictures/7.jpg");
  CHECK(records[0].captions.at("en") == std::vector<std::string>{"a", "b"});

  const auto list = read_captions(folder.write("b.json", R"([{"image_id": "x", "caption": "a"}])"));
  CHECK(list[0].id == "x");
  CHECK_THROWS_WITH(
      read_captions(folder.write("c.json", R"({"images": [], "annotations": [{"image_id": 7, "caption": "a"}]})")),
      ContainsSubstring("c.json: annotations[0].image_id: got 7, which \"images\" does not list"));
  CHECK_THROWS_WITH(read_captions(folder.write("d.json", R"({"images": []})")),
                    ContainsSubstring("d.json: annotations: is missing"));
}

TEST_CASE("caption data: a folder of pictures with sidecars", "[data]") {
  const Folder folder;
  folder.write("b.jpg", ""),
      folder.write("b.txt",
                   "\xEF\xBB\xBF"
                   "one\r\n\n two \n"),
      folder.write("b.zh.txt", "一\n");
  folder.write("in/a.PNG", ""), folder.write("in/a.txt", "three");
  folder.write("c.jpg", ""), folder.write("notes.txt", "not a caption");
  const auto records = read_captions(folder.path);
  REQUIRE(records.size() == 2);
  CHECK(records[0].id == "b.jpg");
  CHECK(records[0].captions.at("en") == std::vector<std::string>{"one", " two "});
  CHECK(records[0].captions.at("zh") == std::vector<std::string>{"一"});
  CHECK(records[1].id == "in/a.PNG");
  folder.write("c.txt",
               "good\nb\xFF"
               "d\n");
  CHECK_THROWS_WITH(read_captions(folder.path), ContainsSubstring("c.txt:2: is not valid UTF-8"));
}

TEST_CASE("caption data: samples of a tar archive", "[data]") {
  const Folder folder;
  const std::string end(1024, '\0');
  const auto file = folder.write(
      "s.tar", tar_member("a/1.jpg", "x") + tar_member("a/1.txt", "one") + tar_member("a/2.png", "x") +
                   tar_member("a/2.json", R"({"caption": "two", "url": "x"})") + tar_member("a/3.webp", "x") +
                   tar_member("a/3.json", R"({"captions": {"en": ["three"], "zh": ["三"]}})") +
                   tar_member("a/4.jpg", "x") + tar_member("a/4.json", "{}") + tar_member("a/1.json", "no JSON") + end);
  for (const fs::path& source : {file, folder.path}) {
    const auto records = read_captions(source);
    REQUIRE(records.size() == 3);  // those that have captions
    CHECK(records[0].image == file / "a/1.jpg");
    CHECK(records[0].captions.at("en") == std::vector<std::string>{"one"});
    CHECK(records[1].captions.at("en") == std::vector<std::string>{"two"});
    CHECK(records[2].captions.at("zh") == std::vector<std::string>{"三"});
  }
  CHECK(read_captions(file)[0].id == "a/1.jpg");
  CHECK_THROWS_WITH(read_captions(folder.write("t.tar", tar_member("1.jpg", "x") + tar_member("1.json", "[") + end)),
                    ContainsSubstring("t.tar/1.json"));
  CHECK_THROWS_WITH(read_captions(folder.write("u.tar", tar_member("1.jpg", "x").substr(0, 700) + "y")),
                    ContainsSubstring("u.tar: "));
}
