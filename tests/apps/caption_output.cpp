#include "apps/caption_output.h"

#include <fstream>
#include <limits>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/temporary.h"

using namespace limn;

namespace {

CaptionResult record(const std::string& path = "a/photo.jpg") {
  return {path,
          "",
          {{"a dog", -0.5, {1, 7, 2}, {-0.25, -0.75}}, {"a \"big\" dog, <really> & truly", -1.25, {}, {}}},
          false};
}

}  // namespace

TEST_CASE("captions as text", "[caption-output]") {
  CHECK(render(record(), {}, true) == "a dog\na \"big\" dog, <really> & truly\n");
  CHECK(render(record(), {.scores = true}, false) ==
        "a/photo.jpg\ta dog\t-0.500\na/photo.jpg\ta \"big\" dog, <really> & truly\t-1.250\n");
  CHECK(render({"x.jpg", "is no picture", {}, false}, {}, false).empty());
  CHECK(render(record("new\nline\x1b.jpg"), {}, false).rfind("new\\nline\\x1b.jpg\ta dog\n", 0) == 0);
}

TEST_CASE("captions as JSON lines", "[caption-output]") {
  const CaptionFormat json{.style = CaptionStyle::json};
  CHECK(render(record(), json, true) ==
        "{\"path\":\"a/photo.jpg\",\"caption\":\"a dog\",\"score\":-0.5,\"tokens\":[1,7,2],\"logprobs\":[-0.25,-0.75],"
        "\"alternatives\":[{\"caption\":\"a \\\"big\\\" dog, <really> & truly\",\"score\":-1.25}]}\n");
  CHECK(render({"x.jpg", "is no picture", {}, false}, json, false) ==
        "{\"path\":\"x.jpg\",\"error\":\"is no picture\"}\n");
  CHECK(render({"x.jpg", "", {{"a dog", -3, {}, {}}}, true}, json, false) ==
        "{\"path\":\"x.jpg\",\"caption\":null,\"score\":-3.0}\n");
  CHECK(render({"x.jpg", "", {{"", -std::numeric_limits<double>::infinity(), {}, {}}}, false}, json, false) ==
        "{\"path\":\"x.jpg\",\"caption\":\"\",\"score\":null,\"tokens\":[],\"logprobs\":[],\"alternatives\":[]}\n");
}

TEST_CASE("captions as comma-separated values", "[caption-output]") {
  const CaptionFormat csv{.style = CaptionStyle::csv};
  CHECK(render_header(CaptionStyle::csv) == "path,rank,caption,score,error\n");
  CHECK(render(record("a,b.jpg"), csv, true) ==
        "\"a,b.jpg\",1,a dog,-0.5,\n\"a,b.jpg\",2,\"a \"\"big\"\" dog, <really> & truly\",-1.25,\n");
  CHECK(render({"x.jpg", "is no picture", {}, false}, csv, false) == "x.jpg,,,,is no picture\n");
}

TEST_CASE("captions as alternative texts", "[caption-output]") {
  const CaptionFormat html{.style = CaptionStyle::html};
  CHECK(render({"my photos/ä&1.jpg", "", {{"a \"big\" dog, <really> & truly", -1, {}, {}}}, false}, html, true) ==
        "<img src=\"my%20photos/%C3%A4%261.jpg\" alt=\"a &quot;big&quot; dog, &lt;really&gt; &amp; truly\">\n");
  CHECK(render({"x.jpg", "is no picture", {}, false}, html, false).empty());
}

TEST_CASE("sentences", "[caption-output]") {
  const CaptionFormat format{.sentence = true};
  CHECK(dress(" a dog runs \n", format) == "A dog runs.");
  CHECK(dress("is it?", format) == "Is it?");
  CHECK(dress("一只狗在奔跑", format) == "一只狗在奔跑。");
  CHECK(dress("一只狗在奔跑。", format) == "一只狗在奔跑。");
  CHECK(dress("a café", format) == "A café.");
  CHECK(dress("", format).empty());
  CHECK(dress("a dog", {.sentence = true, .prefix = "sks, ", .suffix = " (photo)"}) == "sks, A dog. (photo)");
}

TEST_CASE("COCO results take numbers from names where all have one", "[caption-output]") {
  const auto of = [](const std::string& path) { return CaptionResult{path, "", {{"a dog", 0, {}, {}}}, false}; };
  CHECK(coco_results({of("x/COCO_val2014_000000391895.jpg"), of("12.png"), {"bad.jpg", "is no picture", {}, false}}) ==
        "[{\"image_id\":391895,\"caption\":\"a dog\"},\n {\"image_id\":12,\"caption\":\"a dog\"}]\n");
  CHECK(coco_results({of("cat1.jpg"), of("dog1.jpg")}) ==
        "[{\"image_id\":\"cat1.jpg\",\"caption\":\"a dog\"},\n {\"image_id\":\"dog1.jpg\",\"caption\":\"a dog\"}]\n");
  CHECK(coco_results({of("a/cat.jpg"), of("b/cat.jpg")}) ==
        "[{\"image_id\":\"a/cat.jpg\",\"caption\":\"a dog\"},\n {\"image_id\":\"b/cat.jpg\",\"caption\":\"a dog\"}]\n");
  CHECK(coco_results({}) == "[]\n");
}

TEST_CASE("earlier results: failures and a cut line are done again", "[caption-output]") {
  const TemporaryFolder folder;
  const std::string first = "{\"path\":\"a.jpg\",\"caption\":\"a dog\"}\n",
                    third = "{\"path\":\"c.jpg\",\"caption\":null,\"score\":-3.0}\n";
  std::ofstream(folder / "all") << first << "{\"path\":\"b.jpg\",\"error\":\"is no picture\"}\n"
                                << third << "{\"path\":\"d.jp";
  const EarlierResults earlier = read_earlier(folder / "all");
  CHECK(earlier.captions == std::map<std::string, std::string>{{"a.jpg", "a dog"}, {"c.jpg", ""}});
  CHECK(earlier.kept == first + third);
  CHECK_FALSE(earlier.clean);
  std::ofstream(folder / "clean") << first << third;
  CHECK(read_earlier(folder / "clean").clean);
  std::ofstream(folder / "other") << "{\"name\":1}\n";
  CHECK_THROWS_WITH(read_earlier(folder / "other"), ContainsSubstring("line 1: is no caption record"));
  std::ofstream(folder / "text") << "hello\n";
  CHECK_THROWS_AS(read_earlier(folder / "text"), InputError);
}
