#include "core/hub.h"

#include "core/files.h"
#include "tests/catch.h"
#include "tests/temporary.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

void add_snapshot(const fs::path& cache, const std::string& repository, const std::string& commit) {
  fs::create_directories(cache / repository / "snapshots" / commit);
  write_file(cache / repository / "snapshots" / commit / "config.json", "{}");
}

}  // namespace

TEST_CASE("hub: the cache lies where the hub's client keeps it", "[hub]") {
  HubEnvironment environment{.home = "/home/u"};
  CHECK(hub_cache_folder(environment) == "/home/u/.cache/huggingface/hub");
  environment.xdg_cache_home = "/xdg";
  CHECK(hub_cache_folder(environment) == "/xdg/huggingface/hub");
  environment.hf_home = "~/hf";
  CHECK(hub_cache_folder(environment) == "/home/u/hf/hub");
  environment.legacy_hub_cache = "/old";
  CHECK(hub_cache_folder(environment) == "/old");
  environment.hub_cache = "/new";
  CHECK(hub_cache_folder(environment) == "/new");
}

TEST_CASE("hub: branches, tags, commits and folders are found", "[hub]") {
  const TemporaryFolder folder;
  const fs::path cache = folder / "cache";
  const HubEnvironment environment{.hub_cache = cache.string(), .home = folder.path.string()};
  const std::string commit(40, 'a'), other(40, 'b');
  add_snapshot(cache, "models--org--some.Model-1_0", commit);
  add_snapshot(cache, "models--org--some.Model-1_0", other);
  add_snapshot(cache, "models--gpt2", commit);
  fs::create_directories(cache / "models--org--some.Model-1_0/refs/refs/pr");
  fs::create_directories(cache / "models--gpt2/refs");
  write_file(cache / "models--org--some.Model-1_0/refs/main", commit);
  write_file(cache / "models--org--some.Model-1_0/refs/refs/pr/1", other + "\n");
  write_file(cache / "models--gpt2/refs/main", commit);
  const fs::path snapshots = cache / "models--org--some.Model-1_0/snapshots";
  CHECK(find_model_folder("org/some.Model-1_0", environment) == snapshots / commit);
  CHECK(find_model_folder("org/some.Model-1_0@refs/pr/1", environment) == snapshots / other);
  CHECK(find_model_folder("org/some.Model-1_0@" + other, environment) == snapshots / other);
  CHECK(find_model_folder("gpt2", environment) == cache / "models--gpt2/snapshots" / commit);
  CHECK(find_model_folder(snapshots.string(), environment) == snapshots);
  CHECK(find_model_folder("~/cache", environment) == cache);

  add_snapshot(cache, "models--other--tagged", other);
  fs::create_directories(cache / "models--half--downloaded");
  fs::create_directories(cache / "datasets--org--data/snapshots" / commit);
  std::string names;
  for (const CachedModel& model : cached_models(environment)) names += model.name + " ";
  CHECK(names == "gpt2 org/some.Model-1_0 other/tagged@" + other + " ");
  CHECK(cached_models({.hub_cache = "/nowhere"}).empty());

  write_file(cache / "models--gpt2/refs/main", "../../elsewhere");
  CHECK_THROWS_WITH(find_model_folder("gpt2", environment),
                    (cache / "models--gpt2/refs/main").string() + ": expected the hash of a commit");
}

TEST_CASE("hub: a miss prints the command that fetches it", "[hub]") {
  const TemporaryFolder folder;
  const HubEnvironment environment{.hub_cache = folder.path.string(), .home = "/nowhere"};
  const std::string miss = ": no such folder, and not in the hub cache " + folder.path.string();
  CHECK_THROWS_WITH(find_model_folder("org/name", environment),
                    "org/name" + miss + "; fetch it with: hf download org/name");
  CHECK_THROWS_WITH(find_model_folder("org/name@v1", environment),
                    "org/name@v1" + miss + "; fetch it with: hf download org/name --revision v1");
  CHECK_THROWS_AS(find_model_folder("org/name", environment), CheckpointError);

  // A branch whose snapshot is gone, or was never finished, is a miss too.
  fs::create_directories(folder / "models--org--name/refs");
  fs::create_directories(folder / "models--org--name/snapshots/abc");
  write_file(folder / "models--org--name/refs/main", "abc");
  CHECK_THROWS_WITH(find_model_folder("org/name", environment), ContainsSubstring("hf download org/name"));
}

TEST_CASE("hub: what cannot be a name is not looked for", "[hub]") {
  const TemporaryFolder folder;
  const HubEnvironment environment{.hub_cache = folder.path.string(), .home = "/nowhere"};
  for (const char* model : {"", "./name", "/absent/folder", "../name", "a/b/c", "org/..", "org/na me", "org/name@",
                            "org/name@../../x", "org/name@/x", "a--b/c"}) {
    CAPTURE(model);
    CHECK_THROWS_WITH(find_model_folder(model, environment),
                      std::string(model) + ": no such folder, and not the form org/name of a model in the hub cache");
  }
  write_file(folder / "file", "x");
  CHECK_THROWS_WITH(find_model_folder((folder / "file").string(), environment),
                    ContainsSubstring("is a file, expected"));
}
