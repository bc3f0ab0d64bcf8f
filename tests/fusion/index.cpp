#include "fusion/index.h"

#include <ATen/ATen.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "fusion/sample.h"
#include "tests/catch.h"
#include "tests/temporary.h"

using namespace limn;

namespace {

constexpr std::int64_t kWidth = 48;  // no power of two

Tensor unit_rows(std::int64_t count, std::uint64_t seed, std::int64_t width = kWidth) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const Tensor rows = at::randn({count, width}, generator);
  return rows / rows.norm(2, 1, true);
}

NewEntry picture(const std::string& name) { return {{.path = "/photos/" + name, .bytes = 100, .content = 7}, {}}; }

std::vector<NewEntry> pictures(std::int64_t count, std::int64_t first = 0) {
  std::vector<NewEntry> all;
  for (std::int64_t i = first; i < first + count; ++i) all.push_back(picture(std::to_string(i) + ".jpg"));
  return all;
}

IndexHead head(VectorType type = VectorType::fp32) { return {"model", "0123456789abcdef", kWidth, type}; }

std::vector<std::int64_t> found(const std::vector<Found>& hits) {
  std::vector<std::int64_t> numbers;
  for (const Found& hit : hits) numbers.push_back(hit.picture);
  return numbers;
}

// The best rows by plain arithmetic.
std::vector<std::int64_t> best(const Tensor& rows, const Tensor& query, std::int64_t count) {
  const Tensor order = at::mv(rows, query).argsort(0, true).narrow(0, 0, count).contiguous();
  return {order.data_ptr<std::int64_t>(), order.data_ptr<std::int64_t>() + count};
}

std::string bytes_of(const std::filesystem::path& file) { return read_file(file); }

}  // namespace

TEST_CASE("vectors come back from their types, and products agree", "[fusion][index]") {
  const auto [type, tolerance] = GENERATE(
      table<VectorType, double>({{VectorType::fp32, 1e-6}, {VectorType::fp16, 1e-3}, {VectorType::int8, 1e-2}}));
  const auto width = GENERATE(1, 2, 48, 64, 513);
  Tensor rows = unit_rows(20, 1, width);
  rows.select(1, 0).mul_(8);  // one number much larger than the others, as CLIP's have it
  rows = rows / rows.norm(2, 1, true);
  const Tensor queries = unit_rows(3, 2, width);
  const Vectors stored = encode_vectors(rows, type);
  CHECK((decode_vectors(stored) - rows).norm(2, 1).max().item<double>() < tolerance * 2);
  const Tensor products = dot_products(prepared_queries(queries, type), stored);
  CHECK((products - at::linear(queries, rows)).abs().max().item<double>() < tolerance);
  CHECK((rotated(rows).norm(2, 1) - 1).abs().max().item<double>() < 1e-5);
}

TEST_CASE("an index is written in pieces and read back", "[fusion][index]") {
  const TemporaryFolder folder;
  const auto file = folder / "x.idx";
  create_index(file, head());
  const Tensor rows = unit_rows(10, 1), words = unit_rows(2, 2);
  {
    IndexWriter writer(file);
    CHECK(writer.next() == 0);
    writer.add(pictures(6), rows.narrow(0, 0, 6));
    std::vector<NewEntry> more = pictures(4, 6);
    more[0].replaces = 2;
    more[1].captions = {"a dog", "一只狗"};
    writer.add(more, rows.narrow(0, 6, 4), words);
    IndexEntry moved = picture("moved.jpg").entry;
    writer.change(std::vector<IndexChange>{{0, moved}, {1, {}}});
    CHECK(writer.next() == 10);
  }
  const IndexContent content = read_index(file, true);
  CHECK(content.head.identity == "0123456789abcdef");
  CHECK(content.entries.size() == 10);
  CHECK(content.entries[0].path == "/photos/moved.jpg");
  CHECK(content.alive == std::vector<std::uint8_t>{1, 0, 0, 1, 1, 1, 1, 1, 1, 1});
  CHECK(content.end == content.size);
  const Index index(content);
  CHECK(index.live() == 8);
  CHECK(index.captions(7) == std::vector<std::string>{"a dog", "一只狗"});
  CHECK(at::equal(index.embedding(8), rows[8]));
  const QueryTerm term{rows[2]};  // replaced: not found
  CHECK(found(index.search(std::span(&term, 1), {.count = 100})).size() == 8);
  CHECK(found(index.search(std::span(&term, 1), {.count = 100, .keep = [](std::int64_t, const IndexEntry& entry) {
                                                   return entry.path == "/photos/8.jpg";
                                                 }})) == std::vector<std::int64_t>{8});
  // The caption's own vector finds its picture first.
  const QueryTerm caption{words[1]};
  const std::vector<Found> by_caption = index.search(std::span(&caption, 1), {.count = 3});
  REQUIRE(by_caption.size() == 3);
  CHECK(by_caption[0].picture == 7);
  CHECK(by_caption[0].caption == 1);

  // Rewriting keeps what lives, and drops the rest from the file.
  const std::vector<std::int64_t> order = {9, 7, 0, 3};
  rewrite_index(file, content, order);
  const Index smaller(read_index(file, true));
  CHECK(smaller.live() == 4);
  CHECK(smaller.content().entries[1].path == "/photos/7.jpg");
  CHECK(smaller.captions(1) == std::vector<std::string>{"a dog", "一只狗"});
  CHECK(at::equal(smaller.embedding(3), rows[3]));
}

TEST_CASE("search is exact for every type, with and without filters", "[fusion][index]") {
  const TemporaryFolder folder;
  const auto type = GENERATE(VectorType::fp32, VectorType::fp16, VectorType::int8);
  create_index(folder / "x.idx", head(type));
  const Tensor rows = unit_rows(3000, 3), query = unit_rows(1, 4)[0];
  {
    IndexWriter writer(folder / "x.idx");
    for (std::int64_t at = 0; at < 3000; at += 500) writer.add(pictures(500, at), rows.narrow(0, at, 500));
  }
  const Index index(read_index(folder / "x.idx"));
  const QueryTerm term{query * 5};  // its length does not matter
  const std::vector<Found> hits = index.search(std::span(&term, 1), {.count = 10});
  const std::int64_t agree = type == VectorType::fp32 ? 10 : 9;
  const std::vector<std::int64_t> expected = best(rows, query, 10);
  std::int64_t same = 0;
  for (const Found& hit : hits) same += std::count(expected.begin(), expected.end(), hit.picture);
  CHECK(same >= agree);
  CHECK(hits[0].similarity == Catch::Approx(at::dot(rows[hits[0].picture], query).item<double>()).margin(0.005));
  CHECK(hits[0].score > 3);  // far above 3000 random ones
  CHECK(hits[0].score < 10);
  const auto third = [](std::int64_t number, const IndexEntry&) { return number % 3 == 0; };
  for (const Found& hit : index.search(std::span(&term, 1), {.count = 10, .keep = third})) CHECK(hit.picture % 3 == 0);
  CHECK(index.search(std::span(&term, 1), {.count = 10, .keep = third}).size() == 10);
}

TEST_CASE("words and pictures have equal say; negatives push down; cut-offs", "[fusion][index]") {
  const TemporaryFolder folder;
  create_index(folder / "x.idx", head());
  const Tensor rows = unit_rows(500, 5);
  IndexWriter(folder / "x.idx").add(pictures(500), rows);
  const Index index(read_index(folder / "x.idx"));
  const std::vector<QueryTerm> both = {{rows[1]}, {rows[2] * 9}};
  const std::vector<Found> hits = index.search(both, {.count = 2});
  CHECK(std::set<std::int64_t>{hits[0].picture, hits[1].picture} == std::set<std::int64_t>{1, 2});
  const std::vector<QueryTerm> without = {{rows[1] + rows[2]}, {rows[2], -2}};
  CHECK(index.search(without)[0].picture == 1);
  const auto all = index.search(both, {.count = 500});
  CHECK(all.back().score < 0);
  CHECK(index.search(both, {.count = 500, .min_score = 2}).size() < 30);
  CHECK(index.search(both, {.count = 500, .min_relative = 0.99}).size() <= 2);
  const std::vector<QueryTerm> nothing = {{rows[1]}, {rows[1], -1}};
  CHECK_THROWS_WITH(index.search(nothing), "search: the parts of the query cancel each other out");
  CHECK_THROWS_WITH(index.search({}), "search: the query has no parts");
  const QueryTerm narrow{at::ones({3})};
  CHECK_THROWS_WITH(index.search(std::span(&narrow, 1)), "search: query [D]: got 3, expected 48");
}

TEST_CASE("cells: nearly the exact answer, additions and filters included", "[fusion][index]") {
  const TemporaryFolder folder;
  const auto file = folder / "x.idx";
  const auto type = GENERATE(VectorType::fp32, VectorType::int8);
  create_index(file, head(type));
  // Clustered, as embeddings are.
  const Tensor centres = unit_rows(60, 6), noise = unit_rows(6000, 7);
  Tensor rows = centres.repeat({100, 1}) + 0.7 * noise;
  rows = rows / rows.norm(2, 1, true);
  IndexWriter(file).add(pictures(5000), rows.narrow(0, 0, 5000));
  CHECK(tidy_index(file, {.structure = Structure::cells}));
  CHECK_FALSE(tidy_index(file, {.structure = Structure::cells}));
  IndexWriter(file).add(pictures(500, 5000), rows.narrow(0, 5000, 500));
  const Index index(read_index(file, true));
  REQUIRE(index.content().cells);
  CHECK(index.content().cells->centroids.size(0) == 141);
  std::int64_t same = 0;
  const std::int64_t queries = 40;
  for (std::int64_t q = 0; q < queries; ++q) {
    const QueryTerm term{rows[q * 130] + 0.3 * noise[q]};
    const auto approximate = found(index.search(std::span(&term, 1), {.count = 10}));
    const auto exact = found(index.search(std::span(&term, 1), {.count = 10, .exact = true}));
    REQUIRE(approximate.size() == 10);
    for (const std::int64_t number : exact) same += std::count(approximate.begin(), approximate.end(), number);
  }
  CHECK(static_cast<double>(same) / static_cast<double>(10 * queries) > 0.95);
  // So few pass the filter that most cells hold none of them.
  const QueryTerm term{rows[0]};
  const auto few = [](std::int64_t number, const IndexEntry&) { return number % 500 == 0; };
  CHECK(index.search(std::span(&term, 1), {.count = 11, .keep = few}).size() == 11);
  CHECK(index.search(std::span(&term, 1), {.count = 100, .keep = few}).size() == 11);
  CHECK(index.search(std::span(&term, 1), {.count = 5500, .probes = 1}).size() == 5500);
  // Back to a plain index.
  CHECK(tidy_index(file, {.structure = Structure::exact}));
  CHECK_FALSE(read_index(file, true).cells);
}

TEST_CASE("a sample sees what comes in turns", "[fusion][index]") {
  const std::int64_t count = 100000, turns = 1000;
  std::set<std::int64_t> seen;
  const std::vector<std::int64_t> places = spread_places(count, 8000);
  CHECK(places.size() == 8000);
  CHECK(std::is_sorted(places.begin(), places.end()));
  CHECK(places.back() < count);
  for (const std::int64_t place : places) seen.insert(place % turns);
  CHECK(seen.size() > 990);  // steps of 12.5 would see 80 of the 1,000
  CHECK(spread_places(3, 10) == std::vector<std::int64_t>{0, 1, 2});
  CHECK(spread_places(0, 10).empty());
}

TEST_CASE("near duplicates: the largest first, no chains", "[fusion][index]") {
  const TemporaryFolder folder;
  create_index(folder / "x.idx", head());
  Tensor rows = unit_rows(50, 8);
  rows[7] = rows[3] + 0.01 * rows[9];
  rows[8] = rows[3] + 0.02 * rows[10];
  rows = rows / rows.norm(2, 1, true);
  std::vector<NewEntry> all = pictures(50);
  all[8].entry.width = all[8].entry.height = 4000;
  IndexWriter(folder / "x.idx").add(all, rows);
  const auto groups = near_duplicates(read_index(folder / "x.idx"), 0.99);
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].pictures.size() == 3);
  CHECK(groups[0].pictures[0] == 8);
  CHECK(groups[0].similarity[1] > 0.99);
}

TEST_CASE("a cut-off index is the index before the cut", "[fusion][index]") {
  const TemporaryFolder folder;
  const auto file = folder / "x.idx", cut = folder / "cut.idx";
  create_index(file, head(VectorType::int8));
  std::vector<std::uintmax_t> sizes = {std::filesystem::file_size(file)};
  const Tensor rows = unit_rows(9, 9);
  for (std::int64_t at = 0; at < 9; at += 3) {
    IndexWriter(file).add(pictures(3, at), rows.narrow(0, at, 3));
    sizes.push_back(std::filesystem::file_size(file));
  }
  const std::string bytes = bytes_of(file);
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    write_file(cut, std::string_view(bytes).substr(0, length));
    if (length < sizes[0]) {
      CHECK_THROWS_AS(read_index(cut), InputError);
      continue;
    }
    const IndexContent content = read_index(cut, true);
    std::size_t whole = 0;
    while (whole < 3 && sizes[whole + 1] <= length) ++whole;
    REQUIRE(content.entries.size() == 3 * whole);
    REQUIRE(content.end == sizes[whole]);
  }
  // Going on: the torn record goes, the next one takes its place.
  write_file(cut, std::string_view(bytes).substr(0, sizes[3] - 1));
  IndexWriter(cut).add(pictures(3, 6), rows.narrow(0, 6, 3));
  CHECK(bytes_of(cut) == bytes);
}

TEST_CASE("damage is told from a cut", "[fusion][index]") {
  const TemporaryFolder folder;
  const auto file = folder / "x.idx";
  create_index(file, head());
  IndexWriter(file).add(pictures(3), unit_rows(3, 1));
  const std::size_t first_end = std::filesystem::file_size(file);
  IndexWriter(file).add(pictures(3, 3), unit_rows(3, 2));
  const std::string bytes = bytes_of(file);
  for (std::size_t at = 0; at < bytes.size(); at += 5) {  // a flipped bit: an error, or the records before it
    std::string other = bytes;
    other[at] = static_cast<char>(other[at] ^ 16);
    write_file(file, other);
    try {
      const IndexContent content = read_index(file, true);
      CHECK((at >= first_end || content.entries.size() == 6));
    } catch (const InputError& error) {
      CHECK_THAT(error.what(), ContainsSubstring("x.idx"));
    }
  }
  write_file(file, "not an index, but long enough to be mistaken for one by a careless reader.............");
  CHECK_THROWS_WITH(read_index(file), file.string() + ": is no index of Limn's; limn index FOLDER -o FILE makes one");
  std::string newer = bytes;
  newer[8] = 2;
  write_file(file, newer);
  CHECK_THROWS_WITH(read_index(file),
                    file.string() + ": index of version 2, this program reads up to 1; use a newer Limn");
  std::string broken = bytes;
  broken[first_end - 64 - 5] ^= 1;  // within the first record's numbers
  write_file(file, broken);
  CHECK_THROWS_WITH(read_index(file, true), ContainsSubstring("the index is damaged at byte"));
}

TEST_CASE("one writer at a time", "[fusion][index]") {
  const TemporaryFolder folder;
  const auto file = folder / "x.idx";
  create_index(file, head());
  const IndexWriter writer(file);
  CHECK_THROWS_WITH(IndexWriter(file),
                    file.string() + ": is being written by another process; wait until it has ended");
}
