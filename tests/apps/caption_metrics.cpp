#include "apps/evaluate/caption_metrics.h"

#include "tests/catch.h"

using namespace limn;

TEST_CASE("caption metrics by hand", "[caption-metrics]") {
  const References references = {{"a dog runs", "a black dog runs fast"}, {"two men sit", "two men"}};

  SECTION("BLEU clips by the richest reference and takes the closest length, the shorter on a tie") {
    const CaptionScores scores = score_captions(references, {"a a dog dog", "two men sit"});
    CHECK(scores.bleu_each[0][0] == Catch::Approx(0.5));  // a, dog once each; 3 and 5 words: 3 counts, no penalty
    CHECK(scores.bleu_each[1][1] == Catch::Approx(1.0));
    CHECK(scores.bleu[0] == Catch::Approx(5.0 / 7.0));
  }
  SECTION("brevity") {
    const CaptionScores scores = score_captions(references, {"a dog", "two"});
    CHECK(scores.bleu_each[0][0] == Catch::Approx(std::exp(1 - 3.0 / 2.0)));
    CHECK(scores.bleu_each[1][0] == Catch::Approx(std::exp(1 - 2.0)));
  }
  SECTION("ROUGE-L maximises precision and recall apart") {
    const CaptionScores scores = score_captions(references, {"a dog fast", "nobody here"});
    // 2 of 3 words in "a dog runs" either way; 3 of 3 of the candidate in the longer one
    CHECK(scores.rouge_each[0] == Catch::Approx(2.44 * 1.0 * (2.0 / 3.0) / (2.0 / 3.0 + 1.44 * 1.0)));
    CHECK(scores.rouge_each[1] == 0);
    CHECK(scores.rouge == Catch::Approx(scores.rouge_each[0] / 2));
  }
  SECTION("CIDEr-D is 10 for a single reference repeated word by word, 0 for a stranger") {
    const References alone = {{"a dog runs on grass"}, {"two men sit on chairs"}};
    const CaptionScores scores = score_captions(alone, {"a dog runs on grass", "b c d e f"});
    CHECK(scores.cider_each[0] == Catch::Approx(10));
    CHECK(scores.cider_each[1] == 0);
  }
}

TEST_CASE("caption metrics at the edges", "[caption-metrics]") {
  CHECK(score_captions({{""}}, {""}).rouge == 1);
  CHECK(score_captions({{"a"}}, {""}).rouge == 0);
  CHECK(score_captions({{"a b c d"}}, {"a b c d"}).cider == 0);  // one picture: every weight is ln 1
  // U+00A0 inside a token splits it for BLEU and CIDEr, not for ROUGE
  CHECK(score_captions({{"1\u00A01/2"}}, {"1 1/2"}).bleu[1] == Catch::Approx(1.0));
  CHECK(score_captions({{"1\u00A01/2"}}, {"1 1/2"}).rouge == 0);
  CHECK_THROWS_WITH(score_captions({{"a"}, {}}, {"a", "b"}),
                    "CIDEr: picture 1: got no reference, expected at least one");
  CHECK_THROWS_WITH(score_captions({{"a"}}, {}),
                    "score_captions: candidates: got 0 for 1 pictures, expected one for each");
  CHECK_THROWS_WITH(CiderScorer({{"a"}}).score(1, "a"), "CIDEr: picture: got 1, expected less than 1");
}
