#include "vision/drawing.h"

#include <limits>

#include "core/ops.h"
#include "tests/catch.h"
#include "vision/lettering.h"

using namespace limn;

namespace {

bool has_ink(const Tensor& pixels) { return pixels.lt(200).any().item<bool>(); }

SheetEntry entry(std::int64_t height, std::int64_t width, int shade, std::vector<std::string> captions) {
  return {{width, height, at::full({height, width, 3}, shade, at::kByte)}, std::move(captions)};
}

}  // namespace

TEST_CASE("lettering wraps at spaces and beside Chinese characters, and loses nothing", "[vision][drawing]") {
  const Lettering letters(15);
  const std::string english = "a man in a red shirt is riding a brown horse along the beach";
  const auto lines = letters.wrap(english, 120);
  CHECK(lines.size() > 2);
  std::string joined;
  for (const std::string& line : lines) {
    CHECK(letters.width(line) <= 120);
    joined += (joined.empty() ? "" : " ") + line;
  }
  CHECK(joined == english);
  const std::string chinese = "一个穿红衬衫的男人沿着海滩骑着一匹棕色的马";
  joined.clear();
  for (const std::string& line : letters.wrap(chinese, 100)) {
    CHECK(letters.width(line) <= 100);
    joined += line;
  }
  CHECK(joined == chinese);
  CHECK(letters.wrap("", 100).empty());
  CHECK(letters.wrap("two\nlines", 1000) == std::vector<std::string>{"two", "lines"});
  joined.clear();
  for (const std::string& line : letters.wrap(std::string(200, 'w'), 100)) joined += line;  // one word, too long
  CHECK(joined == std::string(200, 'w'));
}

TEST_CASE("lettering stays inside the picture and survives malformed text", "[vision][drawing]") {
  const Lettering letters(15);
  Tensor pixels = at::full({20, 40, 3}, 255, at::kByte);
  letters.draw(pixels, "a long line \xFF\xC3( far beyond the edge", -10, 8);
  CHECK(has_ink(pixels));
}

TEST_CASE("contact sheet: pictures keep their proportions, captions stand under them", "[vision][drawing]") {
  std::vector<SheetEntry> entries = {entry(100, 400, 60, {"a wide picture"}), entry(300, 100, 90, {"high", "高"}),
                                     entry(10, 10, 120, {})};
  entries.emplace_back().captions = {"not readable"};
  const Drawing sheet = contact_sheet(entries, {.columns = 2, .side = 80, .title = "four"});
  CHECK(sheet.pixels.size(1) == 2 * (80 + 12) + 12);
  CHECK(sheet.pixels.eq(60).all(2).sum().item<std::int64_t>() >= 1600);
  CHECK(sheet.pixels.eq(90).all(2).sum().item<std::int64_t>() >= 2080);
  CHECK(sheet.pixels.eq(120).all(2).sum().item<std::int64_t>() >= 100);
  CHECK_THROWS_WITH(contact_sheet({}), "contact sheet: entries: got none");
}

TEST_CASE("line plot draws what is finite", "[vision][drawing]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<Series> series = {{"loss", {0, 1, 2, 3}, {4, nan, 2, 1}}, {"validation", {0, 3}, {5, -1}}};
  for (const bool log_y : {false, true}) {
    const Drawing plot = line_plot(series, {.title = "training", .x_label = "step", .y_label = "loss", .log_y = log_y});
    CHECK(plot.pixels.sizes() == at::IntArrayRef{540, 960, 3});
    CHECK(has_ink(plot.pixels));
  }
  CHECK(has_ink(line_plot({}).pixels));
  CHECK_NOTHROW(line_plot(std::vector<Series>{{"one", {7}, {3}}}));
  CHECK_THROWS_WITH(line_plot(std::vector<Series>{{"odd", {1, 2}, {1}}}),
                    "plot: odd: got 2 x and 1 y, expected as many");
}
