#include "core/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "core/utf8.h"
#include "tests/catch.h"
#include "tests/temporary.h"

using namespace limn;
namespace fs = std::filesystem;

TEST_CASE("files: what is written is read back, and nothing else is left", "[files]") {
  const TemporaryFolder folder;
  const fs::path file = folder / "a.txt";
  const std::string long_text(3'000'000, 'x');
  for (const std::string& text : {std::string("first"), std::string(), std::string("\0\xff\n", 3), long_text}) {
    write_file(file, text);
    CHECK(read_file(file) == text);
    CHECK(MappedFile(file).bytes() == text);
  }
  const std::array<std::string_view, 3> pieces = {"one ", "", "two"};
  write_file(file, pieces);
  CHECK(read_file(file) == "one two");
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
}

TEST_CASE("files: a name as long as the file system allows can be written", "[files]") {
  const TemporaryFolder folder;
  const fs::path file = folder / std::string(255, 'n');
  write_file(file, "x");
  CHECK(read_file(file) == "x");
}

TEST_CASE("files: links are written through and permissions kept", "[files]") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "inside");
  write_file(folder / "inside/target", "old");
  fs::permissions(folder / "inside/target", fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("inside/target", folder / "link");
  write_file(folder / "link", "new");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(read_file(folder / "inside/target") == "new");
  CHECK(fs::status(folder / "inside/target").permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  fs::create_symlink("inside/absent", folder / "hanging");
  write_file(folder / "hanging", "made");
  CHECK(read_file(folder / "inside/absent") == "made");
}

TEST_CASE("files: devices are written to, not replaced", "[files]") {
  write_file("/dev/null", "nothing");
  CHECK(fs::is_character_file("/dev/null"));
  CHECK_THROWS_WITH(write_file("/dev/full", "x"), "/dev/full: cannot be written: No space left on device");
}

TEST_CASE("files: every failure names the file and the system's reason", "[files]") {
  const TemporaryFolder folder;
  const std::string base = folder.path.string();
  CHECK_THROWS_WITH(read_file(folder / "absent"), base + "/absent: cannot be opened: No such file or directory");
  CHECK_THROWS_WITH(read_file(folder.path), base + ": cannot be read: Is a directory");
  CHECK_THROWS_WITH(MappedFile(folder / "absent"), base + "/absent: cannot be opened: No such file or directory");
  CHECK_THROWS_WITH(MappedFile(folder.path), base + ": is a folder, expected a file");
  CHECK_THROWS_WITH(MappedFile("/dev/null"), "/dev/null: is not a regular file");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(MappedFile(folder / "pipe"), base + "/pipe: is not a regular file");
  CHECK_THROWS_AS(read_file(folder / "absent"), InputError);

  CHECK_THROWS_WITH(write_file(folder / "no/such", "x"),
                    base + "/no/such: cannot be written: No such file or directory");
  CHECK_THROWS_WITH(write_file(folder.path, "x"), base + ": cannot be written: Is a directory");
  CHECK_THROWS_WITH(write_file(folder / "new/", "x"), base + "/new/: cannot be written: Is a directory");
  CHECK_THROWS_AS(write_file(folder.path, "x"), WriteError);
}

TEST_CASE("files: a failed write leaves the old file and no temporary", "[files]") {
  if (::getuid() == 0) return;  // root may write anywhere
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  fs::permissions(folder.path, fs::perms::owner_read | fs::perms::owner_exec);
  CHECK_THROWS_AS(write_file(folder / "a", "new"), WriteError);
  CHECK(read_file(folder / "a") == "old");
  fs::permissions(folder.path, fs::perms::owner_all);
}

TEST_CASE("utf8: well-formed text passes, everything else is found", "[files]") {
  CHECK(find_invalid_utf8("plain, \xc3\xa9, \xe7\x8c\xab, \xf0\x9f\x98\x80, \xf4\x8f\xbf\xbf") == std::string::npos);
  for (const char* bad : {"\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe7\x8c", "\xf0\x9f\x98", "\xe7\x8c\x41"}) {
    CHECK(find_invalid_utf8(std::string("ab") + bad) == 2);
  }
  std::string text;
  for (const char32_t c : {U'a', U'é', U'猫', U'😀', U'\x10FFFF'}) append_utf8(text, c);
  CHECK(text == "a\xc3\xa9\xe7\x8c\xab\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf");
}
