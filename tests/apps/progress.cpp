#include "apps/progress.h"

#include <sstream>

#include "tests/catch.h"

using namespace limn;

namespace {

struct Bar {
  double time = 100;
  std::ostringstream notes;
  Progress progress;
  explicit Bar(ProgressOptions options, bool enabled = true)
      : progress(notes, with_clock(std::move(options), enabled)) {}
  ProgressOptions with_clock(ProgressOptions options, bool enabled) {
    options.enabled = enabled;
    if (options.width == 0) options.width = 120;
    options.seconds = [this] { return time; };
    return options;
  }
};

}  // namespace

TEST_CASE("the bar shows share, rate and remaining time", "[progress]") {
  Bar bar({.label = "caption", .total = 400});
  bar.progress.update(0);
  CHECK(bar.progress.line() == "caption  [--------------------]  0%  0/400");
  bar.time += 10;
  bar.progress.update(100, "loss 2.31");
  CHECK(bar.progress.line() == "caption  [#####---------------]  25%  100/400  10.0/s  0:30 left  loss 2.31");
  bar.time += 10;
  bar.progress.update(400);
  CHECK(bar.progress.line().rfind("caption  [####################]  100%  400/400", 0) == 0);
}

TEST_CASE("slow work is given in seconds each, unknown totals without a bar", "[progress]") {
  Bar bar({.label = "train", .total = 0, .first = 50});
  bar.time += 40;
  bar.progress.update(60);
  CHECK(bar.progress.line() == "train  60  4.0 s each");
}

TEST_CASE("the bar is redrawn in place, not too often, and goes away", "[progress]") {
  Bar bar({.label = "x", .total = 100});
  for (int i = 1; i <= 50; ++i) {
    bar.time += 0.01;
    bar.progress.update(i);
  }
  const std::string text = bar.notes.str();
  CHECK(std::count(text.begin(), text.end(), '\r') == 5);
  CHECK(text.find('\n') == std::string::npos);
  bar.progress.clear();
  bar.progress.clear();
  CHECK(bar.notes.str().substr(text.size()) == "\r\x1b[K");
}

TEST_CASE("a disabled bar writes nothing; a narrow terminal cuts the line", "[progress]") {
  Bar off({.label = "x", .total = 100}, false);
  off.progress.update(50);
  off.progress.clear();
  CHECK(off.notes.str().empty());
  Bar narrow({.label = "caption", .total = 100, .width = 20});
  narrow.progress.update(50);
  CHECK(narrow.progress.line() == "caption  [#########");
}

TEST_CASE("times read as on a clock", "[progress]") {
  CHECK(clock_text(7.4) == "0:07");
  CHECK(clock_text(750) == "12:30");
  CHECK(clock_text(11045) == "3:04:05");
  CHECK(clock_text(-1) == "0:00");
}
