#include "apps/inputs.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "apps/run.h"
#include "core/files.h"
#include "tests/catch.h"
#include "tests/tar.h"
#include "tests/temporary.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

/// A folder tree of empty files; the picture finder looks at names only.
struct Tree : TemporaryFolder {
  explicit Tree(const std::vector<std::string>& files) {
    for (const std::string& file : files) {
      fs::create_directories((path / file).parent_path());
      std::ofstream(path / file).flush();
    }
  }
};

std::vector<std::string> names(const Inputs& found, const fs::path& root) {
  std::vector<std::string> result;
  for (const Input& item : found.items) {
    const std::string path = item.path.string();
    const std::string inside = path.rfind(root.string() + "/", 0) == 0 ? path.substr(root.string().size() + 1) : path;
    result.push_back(inside + (item.error.empty() ? "" : ": " + item.error));
  }
  return result;
}

Inputs find(const InputOptions& options, const std::string& standard_input = {}) {
  std::istringstream stream(standard_input);
  return find_inputs(options, stream);
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a folder gives its pictures by name, subfolders only when asked", "[inputs]") {
  const Tree tree({"b.JPG", "a.png", "a.txt", ".hidden.jpg", "deep/c.webp", "deep/deeper/d.tiff", "deep/e.j2k",
                   "deep/f.mpo", ".git/e.jpg", "x.CR2", "y.heic"});
  const Inputs flat = find({.paths = {tree.path}});
  CHECK(names(flat, tree.path) == Names{"a.png", "b.JPG"});
  CHECK_FALSE(flat.single);
  REQUIRE(flat.notes.size() == 1);
  CHECK(flat.notes[0] == "2 files left out: HEIC, AVIF, SVG and camera raw formats are not decoded");
  CHECK(names(find({.paths = {tree.path}, .recursive = true}), tree.path) ==
        Names{"a.png", "b.JPG", "deep/c.webp", "deep/e.j2k", "deep/f.mpo", "deep/deeper/d.tiff"});
}

TEST_CASE("files named one by one are taken as they are, in order, once", "[inputs]") {
  const Tree tree({"z.jpg", "a.jpg", "notes.txt"});
  const auto at = [&](const std::string& name) { return (tree.path / name).string(); };
  CHECK(
      names(find({.paths = {at("z.jpg"), at("notes.txt"), at("a.jpg"), at("./z.jpg"), tree.path.string() + "//a.jpg"}}),
            tree.path) == Names{"z.jpg", "notes.txt", "a.jpg"});
  CHECK(names(find({.paths = {at("z.jpg"), tree.path}}), tree.path) == Names{"z.jpg", "a.jpg"});
  CHECK(find({.paths = {at("z.jpg")}}).single);
  CHECK_FALSE(find({.paths = {at("z.jpg"), at("a.jpg")}}).single);
}

TEST_CASE("what is not there is reported in its place", "[inputs]") {
  const Tree tree({"a.jpg", "empty/notes.txt", "b.jpg"});
  const auto at = [&](const std::string& name) { return (tree.path / name).string(); };
  CHECK(names(find({.paths = {at("a.jpg"), at("gone.jpg"), at("empty"), at("*.webp"), "https://example.org/x.jpg",
                              at("b.jpg")}}),
              tree.path) ==
        Names{"a.jpg", "gone.jpg: no such file or folder",
              "empty: no pictures in this folder; --recursive looks into its subfolders too",
              "*.webp: no picture matches",
              "https://example.org/x.jpg: is an address; download it first, local files only are read", "b.jpg"});
  CHECK_FALSE(find({.paths = {at("gone.jpg")}}).items[0].error.empty());
  CHECK_THROWS_AS(find({}), UsageError);
}

TEST_CASE("a folder named twice is no error", "[inputs]") {
  const Tree tree({"a.jpg"});
  CHECK(names(find({.paths = {tree.path, tree.path}}), tree.path) == Names{"a.jpg"});
}

TEST_CASE("globs", "[inputs]") {
  CHECK(glob_matches("*.jpg", "a.jpg"));
  CHECK_FALSE(glob_matches("*.jpg", "deep/a.jpg"));
  CHECK(glob_matches("**/*.jpg", "deep/er/a.jpg"));
  CHECK(glob_matches("**/*.jpg", "a.jpg"));
  CHECK(glob_matches("d?ep/[ab].jpg", "deep/b.jpg"));
  CHECK_FALSE(glob_matches("d?ep/[ab].jpg", "deep/c.jpg"));
  const Tree tree({"b.jpg", "a.jpg", "c.txt", "x[1].jpg", "deep/d.jpg", "deep/er/e.jpg"});
  const auto at = [&](const std::string& name) { return (tree.path / name).string(); };
  CHECK(names(find({.paths = {at("[ab].*")}}), tree.path) == Names{"a.jpg", "b.jpg"});
  CHECK(names(find({.paths = {at("*/*.jpg")}}), tree.path) == Names{"deep/d.jpg"});
  CHECK(names(find({.paths = {at("**/*.jpg")}}), tree.path) ==
        Names{"a.jpg", "b.jpg", "x[1].jpg", "deep/d.jpg", "deep/er/e.jpg"});
  CHECK(names(find({.paths = {at("x[1].jpg")}}), tree.path) == Names{"x[1].jpg"});  // a file of that very name
}

TEST_CASE("lists of files", "[inputs]") {
  const Tree tree({"a b.jpg", "c.jpg", "new\nline.jpg"});
  const auto at = [&](const std::string& name) { return (tree.path / name).string(); };
  CHECK(names(find({.files_from = "-"}, at("c.jpg") + "\r\n\n" + at("a b.jpg") + "\n" + at("*.jpg")), tree.path) ==
        Names{"c.jpg", "a b.jpg", "*.jpg: no such file or folder"});
  CHECK(
      names(find({.files_from = "-", .zero_separated = true}, at("new\nline.jpg") + std::string(1, '\0') + at("c.jpg")),
            tree.path) == Names{"new\nline.jpg", "c.jpg"});
  std::ofstream(tree.path / "list") << at("c.jpg") << '\n';
  CHECK(names(find({.files_from = at("list")}), tree.path) == Names{"c.jpg"});
  CHECK_THROWS_WITH(find({.files_from = at("nolist")}), ContainsSubstring("cannot be read"));
}

TEST_CASE("archives give their pictures", "[inputs]") {
  const TemporaryFolder tree;
  const fs::path file = tree / "s.tar";
  write_file(file, tar_member("2.jpg", "x") + tar_member("1.txt", "words") + tar_member("d/1.png", "y") +
                       std::string(1024, '\0'));
  CHECK(names(find({.paths = {file.string()}}), tree.path) == Names{"s.tar/2.jpg", "s.tar/d/1.png"});
  CHECK(names(find({.paths = {(tree / "*.tar").string()}}), tree.path) == Names{"s.tar/2.jpg", "s.tar/d/1.png"});
  CHECK(names(find({.paths = {(file / "2.jpg").string()}}), tree.path) == Names{"s.tar/2.jpg"});
  CHECK_THAT(find({.paths = {tree.path}}).items[0].error, ContainsSubstring("no pictures in this folder"));
  write_file(file, tar_member("1.txt", "words") + std::string(1024, '\0'));
  CHECK(names(find({.paths = {file.string()}}), tree.path) == Names{"s.tar: no pictures in this archive"});
  write_file(file, "\x1f\x8b compressed");
  CHECK(names(find({.paths = {file.string()}}), tree.path) ==
        Names{"s.tar: " + file.string() + ": is no tar archive, or a compressed one; plain .tar files are read"});
}

TEST_CASE("shards share the inputs out", "[inputs]") {
  std::vector<std::string> files;
  for (int i = 0; i < 40; ++i) files.push_back(std::to_string(i) + ".jpg");
  const Tree tree(files);
  std::vector<std::string> all;
  for (const char* shard : {"1/3", "2/3", "3/3"}) {
    const auto some = names(find({.paths = {tree.path}, .shard = shard}), tree.path);
    CHECK(some.size() > 3);
    CHECK(some == names(find({.paths = {tree.path, tree.path / "1.jpg"}, .shard = shard}), tree.path));
    all.insert(all.end(), some.begin(), some.end());
  }
  std::sort(all.begin(), all.end());
  std::sort(files.begin(), files.end());
  CHECK(all == files);
  for (const char* shard : {"0/3", "4/3", "1", "/", "1/0", "-1/3", "1/3x", "a/b"})
    CHECK_THROWS_WITH(parse_shard(shard), "--shard: got \"" + std::string(shard) +
                                              "\", expected 1/8 to 8/8 for the first to the last of eight shares");
}
