#include "apps/train/teacher.h"

#include "core/files.h"
#include "core/npy.h"
#include "core/ops.h"
#include "fusion/embedder.h"
#include "tests/catch.h"
#include "tests/temporary.h"

using namespace limn;

TEST_CASE("a teacher's rows, and what does not fit", "[train]") {
  const TemporaryFolder folder;
  const auto npy = folder / "t.npy";
  write_npy(npy, at::tensor({3.0f, 4.0f, 0.0f, 2.0f}).view({2, 2}));
  write_file(folder / "t.jsonl", "{\"text\": \"a cat\"}\n{\"text\": \"一只猫\", \"language\": \"zh\"}\n");
  const TeacherRows teacher = read_teacher_rows(npy, "text");
  CHECK(teacher.keys == std::vector<std::string>{"a cat", "一只猫"});
  CHECK(teacher.languages == std::vector<std::string>{"", "zh"});
  CHECK(at::allclose(teacher.rows, at::tensor({0.6f, 0.8f, 0.0f, 1.0f}).view({2, 2})));
  CHECK_THROWS_WITH(read_teacher_rows(npy, "path"), Catch::Contains("t.jsonl: line 1.path: is missing"));
  write_file(folder / "t.jsonl", "{\"text\": \"a cat\"}\n");
  CHECK_THROWS_WITH(read_teacher_rows(npy, "text"), Catch::Contains("has not one row for each of the 1 lines"));
}

TEST_CASE("a teacher's rows stand where its pictures are; others are appended", "[train]") {
  std::vector<CaptionRecord> records{{.image = "x/a.png", .captions = {}, .id = {}},
                                     {.image = "x/b.png", .captions = {}, .id = {}}};
  const TeacherRows teacher{.keys = {"x/../x/b.png", "c.png"}, .languages = {}, .rows = at::eye(2)};
  const Tensor rows = rows_of_records(teacher, records);
  REQUIRE(records.size() == 3);
  CHECK(records[2].image == "c.png");
  CHECK(at::equal(rows, at::tensor({0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 1.0f}).view({3, 2})));
}

TEST_CASE("what a teacher has not seen is guessed from pictures that it has seen", "[train]") {
  at::manual_seed(3);
  constexpr std::int64_t kPictures = 3000, kChannels = 4;
  const Tensor features = at::randn({kPictures, kChannels});
  const Tensor truth = normalised(features);  // linear in the features, but for length
  Tensor rows = truth.clone();
  rows.narrow(0, 0, 100).zero_();     // photos that it has not seen
  rows.narrow(0, 2900, 100).zero_();  // drawings: not guessed
  const Tensor guessed = with_guessed_rows(rows, features, 2900);
  CHECK((guessed * truth).sum(1).narrow(0, 0, 100).mean().item<double>() > 0.95);
  CHECK(at::equal(guessed.narrow(0, 100, 2800), rows.narrow(0, 100, 2800)));
  CHECK(guessed.narrow(0, 2900, 100).abs().sum().item<double>() == 0);
  const Tensor one_seen = at::cat({rows.narrow(0, 100, 1), rows.narrow(0, 0, 9)});  // too few to learn from
  CHECK(at::equal(with_guessed_rows(one_seen, features.narrow(0, 0, 10), 10), one_seen));
}
