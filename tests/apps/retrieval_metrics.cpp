#include "apps/evaluate/retrieval_metrics.h"

#include "core/ops.h"
#include "tests/catch.h"

using namespace limn;

TEST_CASE("retrieval by hand", "[retrieval-metrics]") {
  // Image 0 has texts 0 and 3, image 1 has text 1, image 2 none; text 2 belongs to nobody.
  const Tensor similarity =
      at::tensor({0.1, 0.9, 0.5, 0.5, 0.2, 0.3, 0.4, 0.1, 0.0, 0.0, 0.0, 0.0}).reshape({3, 4});  // [I T]
  const RetrievalResult result = score_retrieval(similarity, {{0, 3}, {1}, {}});
  CHECK(result.image_to_text.ranks == std::vector<std::int64_t>{3, 2});  // text 2 precedes text 3 on the tie
  CHECK(result.image_to_text.recall_1 == 0);
  CHECK(result.image_to_text.recall_5 == 100);
  CHECK(result.image_to_text.median_rank == 2.5);
  CHECK(result.image_to_text.map == Catch::Approx(((1.0 / 3 + 2.0 / 4) / 2 + 1.0 / 2) / 2));
  CHECK(result.image_to_text.r_precision == 0);
  CHECK(result.text_to_image.ranks == std::vector<std::int64_t>{2, 2, 1});
  CHECK(result.text_to_image.recall_1 == Catch::Approx(100.0 / 3));
  CHECK(result.rsum == Catch::Approx(0 + 100 + 100 + 100.0 / 3 + 100 + 100));
}

TEST_CASE("a second stage reorders the first candidates only", "[retrieval-metrics]") {
  const Tensor similarity = at::tensor({3.0, 2.0, 1.0}).reshape({1, 3});
  const SecondStage second = {
      .first = 2, .image_to_text = at::tensor({0.1, 0.7}).reshape({1, 2}), .text_to_image = at::zeros({3, 1})};
  CHECK(score_retrieval(similarity, {{0}}, second).image_to_text.ranks.front() == 2);
  CHECK(score_retrieval(similarity, {{1}}, second).image_to_text.ranks.front() == 1);
  CHECK(score_retrieval(similarity, {{2}}, second).image_to_text.ranks.front() == 3);
  CHECK_THROWS_WITH(
      score_retrieval(similarity, {{0}},
                      {.first = 2, .image_to_text = at::zeros({1, 1}), .text_to_image = at::zeros({3, 1})}),
      "score_retrieval: image_to_text: second score: got [1, 1], expected [1, 2]");
}

TEST_CASE("ranking", "[retrieval-metrics]") {
  const Tensor scores = at::tensor({1.0, 3.0, 3.0, 2.0}).reshape({1, 4});
  CHECK(rank_candidates(scores) == std::vector<std::vector<std::int64_t>>{{1, 2, 3, 0}});
  CHECK(rank_candidates(scores, 2) == std::vector<std::vector<std::int64_t>>{{1, 2}});
  CHECK_THROWS_WITH(rank_candidates(at::full({1, 2}, std::nan(""))),
                    "rank_candidates: scores [Q C]: got NaN, expected numbers");
}

TEST_CASE("retrieval refuses what does not fit", "[retrieval-metrics]") {
  const Tensor similarity = at::zeros({2, 3});
  CHECK_THROWS_WITH(score_retrieval(similarity, {{0}}), "score_retrieval: relevant: got 1 images, expected 2");
  CHECK_THROWS_WITH(score_retrieval(similarity, {{0}, {3}}),
                    "score_retrieval: relevant[1]: got text 3, expected 0 to 2");
  CHECK_THROWS_WITH(score_retrieval(similarity, {{0, 0}, {}}), "score_retrieval: relevant[0]: names text 0 twice");
  CHECK_THROWS_WITH(score_retrieval(similarity, {{}, {}}), "score_retrieval: image_to_text: nothing is relevant");
  CHECK_THROWS_WITH(score_retrieval(at::zeros({3}), {}), "score_retrieval: similarity [I T]: got [3]");
}

TEST_CASE("classification by hand", "[classification-metrics]") {
  const Tensor scores = at::tensor({1.0, 2.0, 0.0, 5.0, 5.0, 1.0, 0.0, 0.0, 9.0}).reshape({3, 3});  // [B C]
  const ClassificationScores result = score_classification(scores, {1, 1, 0});
  CHECK(result.ranks == std::vector<std::int64_t>{1, 2, 2});  // the lower class first on a tie
  CHECK(result.top_1 == Catch::Approx(100.0 / 3));
  CHECK(result.top_5 == Catch::Approx(100));
  CHECK(result.mean_per_class_recall == Catch::Approx(25));  // class 1: one of two, class 0: none, class 2: not asked
  CHECK_THROWS_WITH(score_classification(scores, {1, 1}),
                    "score_classification: labels: got 2 for 3 rows, expected one for each");
  CHECK_THROWS_WITH(score_classification(scores, {1, 3, 0}), "score_classification: labels[1]: got 3, expected 0 to 2");
}
