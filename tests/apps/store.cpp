#include <fstream>
#include <iostream>

#include "fusion/stores.h"
#include "tests/apps/colour_world.h"
#include "tests/catch.h"
#include "tests/postgres.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

/// The same commands on a file and on a database, whose answers must be the same.
struct Twins : World {
  fs::path file_place = file;
  fs::path database_place;
  explicit Twins(const PostgresServer& server) : database_place(server.address()) {}

  void index_both(IndexOptions wanted) {
    wanted.out = file_place;
    const Ran first = World::index(wanted);
    const int first_encoded = encoded;
    wanted.out = database_place;
    const Ran second = World::index(wanted);
    INFO(second.notes);
    CHECK(encoded == first_encoded);
    CHECK(second.code == first.code);
    for (const char* name : {"pictures", "added", "changed", "moved", "removed", "unchanged", "failed"})
      CHECK(second.last[name].integer() == first.last[name].integer());
  }

  std::vector<std::string> search_both(const SearchCommand& wanted) {
    file = file_place;
    const std::vector<std::string> expected = names(wanted);
    file = database_place;
    const std::vector<std::string> got = names(wanted);
    CHECK(got == expected);
    return got;
  }
};

std::unique_ptr<PostgresServer> server_or_skip() {
  auto server = PostgresServer::start();
  if (!server)
    std::cerr << "SKIPPED: no PostgreSQL with pgvector here; set LIMN_POSTGRES to the folder of its programs to test "
                 "--store\n";
  return server;
}

}  // namespace

TEST_CASE("a database's index answers as a file's does", "[apps][index][database]") {
  const auto server = server_or_skip();
  if (!server) return;
  Twins world(*server);
  for (int i = 0; i < 20; ++i) paint(world.photos / (std::to_string(i) + ".png"), 12 * i, 250 - 12 * i, 60, 24, 1 + i);
  std::ofstream(world.folder / "captions.jsonl")
      << "{\"image\": \"photos/3.png\", \"captions\": [\"the red kite\", \"a green one\"]}\n"
         "{\"image\": \"photos/deep/grey.png\", \"caption\": \"a blue \\\"quoted\\\\ lie\"}\n";
  IndexOptions options = world.options();
  world.index_both(options);
  world.index_both(options);
  options.captions = {world.folder / "captions.jsonl"};
  world.index_both(options);
  paint(world.photos / "say \"it\\\".png", 1, 2, 200);
  fs::rename(world.photos / "1.png", world.photos / "deep/moved.png");
  fs::copy_file(world.photos / "2.png", world.photos / "deep/two.png");
  paint(world.photos / "4.png", 250, 250, 250);
  fs::remove(world.photos / "5.png");
  std::ofstream(world.photos / "bad.png") << "no picture";
  world.index_both(options);

  CHECK(world.search_both({.query = {{"red"}}}).size() == 10);
  CHECK(world.search_both({.query = {{"red"}}, .limits = {.count = 100}}).size() == 25);
  world.search_both({.query = {{"2:red", "green"}, {}, {"blue"}}, .limits = {.count = 7}});
  world.search_both({.query = {{}, {(world.photos / "deep/blue.png").string()}}, .limits = {.count = 5}});
  CHECK(world.search_both({.query = {{"blue"}}, .filter = {{"1*.png"}}, .limits = {.count = 20}}).size() == 10);
  CHECK(world.search_both({.query = {{"blue"}}, .filter = {{world.photos.string() + "/deep/*"}}}).size() == 4);
  CHECK(world.search_both({.query = {{"red"}}, .filter = {{}, "", "2020"}}).empty());
  world.search_both({.query = {{"red"}}, .limits = {.count = 20, .min_score = 0.5}});
  world.search_both({.query = {{"red"}}, .limits = {.count = 3, .rerank = 8}});
  const Ran found = world.search({.query = {{"blue"}}, .limits = {.count = 30}, .json = true});  // of the database
  CHECK_THAT(found.out, ContainsSubstring(R"("caption":"a blue \"quoted\\ lie")"));

  const auto groups_of = [&](const fs::path& place) {
    std::vector<std::vector<std::string>> all;
    const IndexContent content = load_index(place);
    for (const DuplicateGroup& group : near_duplicates(content, 0.999)) {
      all.emplace_back();
      for (const std::int64_t picture : group.pictures)
        all.back().push_back(content.entries[static_cast<std::size_t>(picture)].path);
    }
    return all;
  };
  CHECK(groups_of(world.database_place) == groups_of(world.file_place));
  CHECK_FALSE(groups_of(world.file_place).empty());

  // Cells; pictures that pass a filter are found wherever they lie.
  options.structure = "cells";
  options.cells = 5;
  world.index_both(options);
  CHECK(world.search_both({.query = {{"red"}}, .limits = {.count = 100, .probes = 1}}).size() == 25);
  CHECK(world.search_both({.query = {{"red"}}, .filter = {{"19.png"}}, .limits = {.probes = 1}}).size() == 1);
  world.search_both({.query = {{"red"}}, .limits = {.exact = true}});
}

TEST_CASE("fp16 in a database; several processes, each with its share", "[apps][index][database]") {
  const auto server = server_or_skip();
  if (!server) return;
  Twins world(*server);
  for (int i = 0; i < 9; ++i) paint(world.photos / (std::to_string(i) + ".png"), 20 * i, 200 - 20 * i, 60, 24, 1 + i);
  IndexOptions options = world.options();
  options.type = "fp16";
  options.out = world.database_place;
  std::int64_t sum = 0;
  for (const char* shard : {"1/2", "2/2"}) {
    options.inputs.shard = shard;
    sum += world.index(options).last["added"].integer();
  }
  CHECK(sum == 13);
  options.inputs.shard.clear();
  CHECK(world.index(options).last["unchanged"].integer() == 13);
  CHECK(world.encoded == 0);
  options.out = world.file_place;
  world.index(options);
  world.search_both({.query = {{"red"}, {}, {"green"}}, .limits = {.count = 13}});
}

TEST_CASE("what a database cannot do is said", "[apps][index][database]") {
  World world;
  IndexOptions options = world.options();
  options.out = "postgresql://me:secret@127.0.0.1:1/none";
  Ran ran = world.index(options);
  CHECK(ran.code == exit_unusable);
  CHECK_THAT(ran.notes, ContainsSubstring("limn: postgresql://me@127.0.0.1:1/none: no connection: "));
  CHECK_THAT(ran.notes, !ContainsSubstring("secret"));
  options.merge = true;
  CHECK_THROWS_WITH(index_pictures(options, std::cin, std::cout, std::cerr),
                    ContainsSubstring("--merge: got a database, expected files"));
  options.merge = false;

  const auto server = server_or_skip();
  if (!server) return;
  world.file = server->address();
  const std::string name = "postgresql://postgres@/postgres";
  CHECK(world.search({.query = {{"red"}}}).notes ==
        "limn: " + name + ": holds no index; limn index FOLDER -o " + name + " makes one\n");
  options.out = world.file;
  options.type = "int8";
  CHECK(world.index(options).notes == "limn: --vectors: got int8, expected fp32 or fp16 for a database\n");
  const Database database(world.file.string());
  database.run("CREATE ROLE plain LOGIN");
  options.type = "fp32";
  options.out = server->address("plain");
  ran = world.index(options);
  CHECK(ran.code == exit_unusable);
  CHECK_THAT(ran.notes, ContainsSubstring("an index needs pgvector"));

  options.out = world.file;
  CHECK(world.index(options).code == exit_done);
  world.identity = "shapes";
  CHECK_THAT(world.search({.query = {{"red"}}}).notes,
             ContainsSubstring(name + ": was made with the model fake (weights colours), got fake (weights shapes)"));
  world.identity = "colours";
  // What another program did to the tables.
  database.run("TRUNCATE limn_pictures CASCADE");
  database.run("ALTER TABLE limn_pictures ALTER COLUMN embedding TYPE vector(3)");
  ran = world.search({.query = {{"red"}}});
  CHECK(ran.code == exit_unusable);
  CHECK(ran.notes == "limn: " + name +
                         ": limn_pictures.embedding: got vector(3), expected vector(192); make the index anew with "
                         "--rebuild\n");
  database.run("UPDATE limn_index SET version = 2");
  CHECK_THAT(world.index(options).notes, ContainsSubstring("index of version 2, this program reads up to 1"));
  options.rebuild = true;
  CHECK(world.index(options).last["added"].integer() == 4);
  CHECK(world.names({.query = {{"red"}}, .limits = {.count = 1}}) == std::vector<std::string>{"red"});

  // Another schema, another index.
  database.run("CREATE SCHEMA two");
  options.rebuild = false;
  options.structure = "cells";
  options.out = server->address() + "&options=-csearch_path%3Dtwo,public";
  CHECK(world.index(options).last["added"].integer() == 4);
  options.rebuild = true;
  options.structure = "auto";
  CHECK(world.index(options).last["added"].integer() == 4);
  CHECK(database.run("SELECT 1 FROM two.limn_pictures").size() == 4);
  CHECK(world.names({.query = {{"red"}}}).size() == 4);
}
