#include "apps/sidecar.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "apps/run.h"
#include "core/files.h"
#include "tests/catch.h"
#include "tests/temporary.h"

using namespace limn;
namespace fs = std::filesystem;

TEST_CASE("sidecars lie beside their pictures", "[sidecar]") {
  CHECK(sidecar_of("deep/photo.one.jpg", {.extension = ".txt"}) == "deep/photo.one.txt");
  CHECK(sidecar_extension("caption") == ".caption");
  CHECK(sidecar_extension(".txt") == ".txt");
  CHECK_THROWS_AS(sidecar_extension("."), UsageError);
  CHECK_THROWS_AS(sidecar_extension("../x"), UsageError);
  CHECK_THROWS_AS(sidecar_extension(".png"), UsageError);
  CHECK(parse_existing("prepend") == Existing::prepend);
  CHECK_THROWS_WITH(parse_existing("replace"),
                    "--existing: got \"replace\", expected error, skip, overwrite, append or prepend");
}

TEST_CASE("what exists is treated as asked", "[sidecar]") {
  const TemporaryFolder folder;
  const fs::path picture = folder / "photo.jpg", file = folder / "photo.txt";
  SidecarOptions options{.extension = ".txt"};
  CHECK(plan_sidecar(picture, options) == SidecarPlan::write);
  write_sidecar(picture, "a dog", options);
  CHECK(read_file(file) == "a dog\n");

  CHECK_THROWS_WITH(plan_sidecar(picture, options), ContainsSubstring("exists already; say --existing"));
  options.existing = Existing::skip;
  CHECK(plan_sidecar(picture, options) == SidecarPlan::skip);
  options.existing = Existing::append;
  CHECK(plan_sidecar(picture, options) == SidecarPlan::write);
  write_sidecar(picture, "on grass", options);
  CHECK(read_file(file) == "a dog, on grass\n");
  options.existing = Existing::prepend;
  options.separator = "; ";
  write_sidecar(picture, "photo", options);
  CHECK(read_file(file) == "photo; a dog, on grass\n");
  options.existing = Existing::overwrite;
  write_sidecar(picture, "new", options);
  CHECK(read_file(file) == "new\n");
}

TEST_CASE("an empty sidecar counts as absent, foreign line ends are healed", "[sidecar]") {
  const TemporaryFolder folder;
  const fs::path picture = folder / "photo.jpg", file = folder / "photo.txt";
  std::ofstream(file).flush();
  CHECK(plan_sidecar(picture, {.extension = ".txt", .existing = Existing::skip}) == SidecarPlan::write);
  std::ofstream(file) << "\xEF\xBB\xBFold \r\n\r\n";
  write_sidecar(picture, "new", {.extension = ".txt", .existing = Existing::append});
  CHECK(read_file(file) == "old, new\n");
}

TEST_CASE("sidecars that cannot be written are refused before the work", "[sidecar]") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "photo.txt");
  CHECK_THROWS_WITH(plan_sidecar(folder / "photo.jpg", {.extension = ".txt", .existing = Existing::overwrite}),
                    ContainsSubstring("photo.txt: cannot be written: it is a folder"));
  CHECK_THROWS_AS(plan_sidecar(folder / "gone" / "photo.jpg", {.extension = ".txt"}), WriteError);
  if (geteuid() == 0) return;  // root may write anywhere
  fs::create_directory(folder / "locked");
  chmod((folder / "locked").c_str(), 0555);
  CHECK_THROWS_WITH(plan_sidecar(folder / "locked" / "photo.jpg", {.extension = ".txt"}),
                    ContainsSubstring("its folder is not writable"));
}
