#include "vision/compose.h"

#include "core/error.h"
#include "core/ops.h"
#include "tests/catch.h"

using namespace limn;

namespace {

Tensor grey(std::int64_t h, std::int64_t w, int value) { return at::full({3, h, w}, value, at::kByte); }

int value(const Composed& made, std::int64_t y, std::int64_t x) { return made.picture[0][y][x].item<int>(); }

}  // namespace

TEST_CASE("one picture is its own canvas", "[compose]") {
  const Tensor one = grey(5, 7, 9);
  CHECK(at::equal(compose({one}).picture, one));
}

TEST_CASE("two pictures are joined at a seam", "[compose]") {
  // Alike only along one column of the overlap: there the cut runs.
  Tensor left = grey(20, 60, 0), right = grey(20, 60, 200);
  left.narrow(2, 42 + 9, 1).fill_(100);
  right.narrow(2, 9, 1).fill_(100);
  const Composed made = compose({left, right});
  CHECK(made.mode == ComposeMode::seam);
  CHECK(made.picture.sizes() == at::IntArrayRef({3, 20, 60 + 60 - 18}));
  CHECK(value(made, 3, 42 + 9) == 100);
  CHECK(value(made, 3, 10) == 0);
  CHECK(value(made, 3, 90) == 200);
  CHECK(compose({left, grey(10, 10, 50)}).picture.size(1) == 20);  // the first one's height
}

TEST_CASE("three and more make a grid without gaps", "[compose]") {
  const Composed made = compose({grey(10, 8, 1), grey(20, 20, 2), grey(5, 30, 3)});
  CHECK(made.mode == ComposeMode::grid);
  CHECK(made.picture.sizes() == at::IntArrayRef({3, 20, 16}));
  CHECK(value(made, 0, 0) == 1);
  CHECK(value(made, 9, 15) == 2);
  CHECK(value(made, 10, 0) == 3);
  CHECK(value(made, 19, 15) == 3);
}

TEST_CASE("masks say which picture is seen, the first where none does", "[compose]") {
  Tensor left = at::zeros({6, 6}), middle = at::zeros({6, 6});
  left.narrow(1, 0, 2).fill_(1);
  middle.narrow(1, 2, 2).fill_(0.5);
  const Composed made = compose({grey(6, 6, 10), grey(3, 9, 50)}, {left, middle});
  CHECK(made.mode == ComposeMode::masks);
  CHECK(value(made, 0, 0) == 10);
  CHECK(value(made, 0, 2) == 50);
  CHECK(value(made, 0, 5) == 10);
}

TEST_CASE("a subject stands at its place on the second picture", "[compose]") {
  at::manual_seed(3);
  Tensor first = at::randint(90, 110, {3, 120, 160}, at::kByte);
  first.narrow(1, 40, 50).narrow(2, 60, 50).fill_(240);  // a bright block
  const Tensor scene = grey(60, 80, 20);
  for (const ComposeMode mode : {ComposeMode::automatic, ComposeMode::subject}) {
    const Composed made = compose({first, scene}, {}, mode);
    CHECK(made.mode == ComposeMode::subject);
    CHECK(made.picture.sizes() == first.sizes());
    CHECK(value(made, 65, 85) == 240);
    CHECK(value(made, 65, 20) == 20);
    CHECK(value(made, 10, 85) == 20);
  }
  const Tensor noise = at::randint(0, 256, {3, 120, 160}, at::kByte);
  CHECK(compose({noise, scene}).mode == ComposeMode::seam);  // nothing is one thing there
}

TEST_CASE("what cannot be composed is said", "[compose]") {
  const auto complaint = [](const std::vector<Tensor>& pictures, const std::vector<Tensor>& masks, ComposeMode mode) {
    try {
      compose(pictures, masks, mode);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const Tensor one = grey(4, 4, 1);
  CHECK(complaint({}, {}, ComposeMode::automatic) == "compose: got no contents, expected at least one");
  CHECK(complaint({one, one}, {at::ones({4, 4})}, ComposeMode::automatic) ==
        "compose: got 1 content masks for 2 contents, expected one for each or none");
  CHECK(complaint({one}, {at::ones({4, 5})}, ComposeMode::automatic) ==
        "compose: content mask 1 [H W]: got [4, 5], expected the first content's size, [4, 4]");
  CHECK(complaint({one}, {}, ComposeMode::masks) == "compose: masks: got none, expected one a content");
  CHECK(complaint({one, one, one}, {}, ComposeMode::subject) ==
        "compose: subject: got 3 contents, expected two: what is to stand out, and the scene");
  CHECK(complaint({grey(40, 40, 7), one}, {}, ComposeMode::subject) ==
        "compose: subject: nothing stands out of the first content; say with masks what is wanted");
  CHECK_THROWS_WITH(parse_compose_mode("collage"),
                    "compose: got \"collage\", expected auto, masks, subject, seam or grid");
  for (const char* word : {"auto", "masks", "subject", "seam", "grid"})
    CHECK(compose_mode_word(parse_compose_mode(word)) == std::string(word));
}
