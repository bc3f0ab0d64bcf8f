#include "core/tar_archive.h"

#include <random>

#include "tests/catch.h"
#include "tests/tar.h"
#include "tests/temporary.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

const std::string kEnd(1024, '\0');

std::vector<std::string> names(const Archive& archive) {
  std::vector<std::string> all;
  for (const ArchiveFile& file : archive.files()) all.push_back(file.name);
  return all;
}

}  // namespace

TEST_CASE("a tar archive is read in place", "[archive]") {
  const TemporaryFolder folder;
  const fs::path file = folder / "a.tar";
  const std::string large(70000, 'x');
  write_file(file, tar_member("./b/one.txt", "1") + tar_member("empty", "") + tar_member("large", large) +
                       tar_member("b", "", '5') + tar_member("link", "", '2', "/etc/passwd") +
                       tar_member("b//one.txt", "later") + kEnd);
  const Archive archive(file);
  CHECK(names(archive) == std::vector<std::string>{"b/one.txt", "empty", "large"});
  CHECK(archive.fault().empty());
  CHECK(archive.find("b/one.txt")->bytes == "later");
  CHECK(archive.find("link") == nullptr);
  CHECK(read_file(file / "large") == large);
  CHECK(read_file(file / "empty").empty());
  CHECK(file_state(file / "large").bytes == 70000);
  CHECK(file_state(file / "large").modified == file_state(file).modified);
  CHECK_THROWS_WITH(read_file(file / "none"), (file / "none").string() + ": the archive has no such file");
  CHECK_THROWS_WITH(file_state(folder / "none"),
                    (folder / "none").string() + ": cannot be opened: No such file or directory");
  CHECK_FALSE(inside_archive(file));
  CHECK_FALSE(inside_archive(folder / "no.tar" / "x"));
  CHECK(inside_archive(file / "x" / "y")->name == "x/y");
  // A new archive under the old name is seen.
  write_file(file, tar_member("large", "small") + kEnd);
  CHECK(read_file(file / "large") == "small");
}

TEST_CASE("hostile and damaged archives", "[archive]") {
  const TemporaryFolder folder;
  const fs::path file = folder / "a.tar";
  write_file(folder / "secret", "secret");
  write_file(file, tar_member("../secret", "x") + tar_member((folder / "secret").string(), "x") +
                       tar_member("good", "fine") + tar_member("b/../../secret", "x") + kEnd);
  CHECK(names(Archive(file)) == std::vector<std::string>{"good"});
  CHECK(Archive(file).fault() == "holds the name \"../secret\", which leads out of the archive; left out");
  CHECK_THROWS_AS(read_file(file / "../secret"), InputError);
  write_file(file, tar_member("secret", "", '2', (folder / "secret").string()) +
                       tar_member("hard", "", '1', (folder / "secret").string()) + kEnd);
  CHECK(names(Archive(file)).empty());

  const std::string whole = tar_member("a", std::string(600, 'a')) + tar_member("b", std::string(600, 'b')) + kEnd;
  write_file(file, whole.substr(0, 512 + 1024 + 512 + 100));
  CHECK(names(Archive(file)) == std::vector<std::string>{"a"});
  CHECK(Archive(file).fault() == "holds only a part of \"b\", or holds it in pieces; left out");
  write_file(file, whole.substr(0, 512 + 1024 + 200));
  CHECK_THAT(Archive(file).fault(), ContainsSubstring("is cut off or damaged behind 1 files: "));
  write_file(file, "no archive at all, but long enough to be looked at");
  CHECK_THROWS_WITH(Archive(file),
                    file.string() + ": is no tar archive, or a compressed one; plain .tar files are read");
  write_file(file, "");
  CHECK_THROWS_WITH(Archive(file),
                    file.string() + ": is no tar archive, or a compressed one; plain .tar files are read");

  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    std::string bytes = whole;
    for (int n = 0; n < 8; ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
    write_file(file, bytes);
    try {
      const Archive archive(file);
      for (const ArchiveFile& inside : archive.files()) CHECK(inside.bytes.size() <= bytes.size());
    } catch (const InputError&) {
    }
  }
}
